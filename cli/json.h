/* JSON (RFC 8259) on standard output, written as it is said: objects and arrays, one in another. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/weft_look.h"

#define JSON_DEPTH 16u

struct json {
    unsigned depth;
    bool more[JSON_DEPTH]; /* something stands there already */
};

/* `name` is NULL in an array, and of the outermost value, behind whose end a line ends. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *name, const char *text);
void json_bytes(struct json *json, const char *name, const void *text, size_t size);
void json_number(struct json *json, const char *name, uint64_t number);
void json_signed(struct json *json, const char *name, int64_t number);
void json_real(struct json *json, const char *name, double number);
void json_bool(struct json *json, const char *name, bool value);
void json_id(struct json *json, const char *name, const uint8_t id[WEFT_ID_SIZE]);
/* {"ms":…,"counter":…,"time":"…"}; null for a stamp of 0. */
void json_stamp(struct json *json, const char *name, uint64_t stamp);
/* A cell; a BLOB is {"blob":"<hex digits>"}, a text that is not UTF-8 as well. */
void json_value(struct json *json, const char *name, const struct weft_value *value);

#endif
