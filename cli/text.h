/* How ids, stamps, sizes and cells read, and how they are read back. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>

#include "engine/weft_look.h"

#define TEXT_ID 37u
#define TEXT_TIME 32u
#define TEXT_STAMP 48u
#define TEXT_SIZE 24u
#define TEXT_VALUE 96u

/* 8-4-4-4-12 hex digits (RFC 9562, section 4). */
void text_id(const uint8_t id[WEFT_ID_SIZE], char out[TEXT_ID]);
/* Hex digits, an even number of them, dashes allowed between; how many bytes, or 0. */
size_t text_hex(const char *text, uint8_t *out, size_t room);
/* 2026-01-31T23:59:59.123Z (RFC 3339) of milliseconds since 1970. */
void text_time(uint64_t ms, char out[TEXT_TIME]);
/* The same of a stamp, with its counter if it is not 0: 2026-01-31T23:59:59.123Z+2. "-": 0. */
void text_stamp(uint64_t stamp, char out[TEXT_STAMP]);
/* 512 B, 1.5 KiB, 12.0 MiB … */
void text_size(uint64_t bytes, char out[TEXT_SIZE]);
/* A cell as SQL writes it, cut when it is long; nothing in it steers a terminal. */
void text_value(const struct weft_value *value, char out[TEXT_VALUE]);

/* Bytes of the UTF-8 character (RFC 3629) that begins there; 0: none does. */
size_t text_character(const unsigned char *at, size_t left);
bool text_whole(const void *text, size_t size);
/* Characters of a text, as columns of a terminal, wide ones counted as one. */
size_t text_columns(const char *text);

#endif
