/* A bounded line of text: built piece by piece, cut when full, written with one call.
 *
 * Also the JSON that the demo prints and that its processes send each other: one flat object per
 * line, `{"event":"status","rows":12}`. line_find() reads what line_member…() wrote. */
#ifndef DEMO_LINE_H
#define DEMO_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX_BYTES 4096u
#define LINE_ID_TEXT 37u /* an id as a UUID, terminated */

struct line {
    size_t size;
    bool members; /* a JSON object is open and has members */
    char text[LINE_MAX_BYTES];
};

void line_clear(struct line *line);
void line_add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes all of it to a descriptor; false when nobody reads it any more. */
bool line_write(const struct line *line, int fd);

/* {"event":"<event>"  … then members … then line_close() ends it with "}\n". */
void line_open(struct line *line, const char *event);
void line_member(struct line *line, const char *name, uint64_t number);
void line_member_signed(struct line *line, const char *name, int64_t number);
void line_member_real(struct line *line, const char *name, double number);
void line_member_bool(struct line *line, const char *name, bool value);
void line_member_text(struct line *line, const char *name, const char *text);
void line_member_id(struct line *line, const char *name, const uint8_t id[16]);
void line_close(struct line *line);

/* The value of a member of a flat object, without its quotes, copied to `out`; false if missing.
 * Escapes are left as they are. */
bool line_find(const char *json, const char *name, char *out, size_t cap);
/* The same as a number; 0 if missing. */
int64_t line_number(const char *json, const char *name);

/* 8-4-4-4-12 hex digits (RFC 9562, section 4), as the engine takes them behind an address. */
void line_id_text(const uint8_t id[16], char out[LINE_ID_TEXT]);
/* Reads 32 hex digits, dashes allowed between them; false if it is something else. */
bool line_id_read(const char *text, uint8_t id[16]);

#endif
