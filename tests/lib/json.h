/* JSON (RFC 8259), as far as a test has to read it: whether it is, and what stands where. */
#ifndef TESTS_LIB_JSON_H
#define TESTS_LIB_JSON_H

#include <stdbool.h>

/* Whether the text is one JSON value, and nothing behind it but blanks. */
bool json_sound(const char *text);
/* Where the value at a path begins, as "members.1.name": names of members, numbers of elements;
 * NULL when there is none. The text is sound. */
const char *json_at(const char *text, const char *path);
/* The number there, or -1. */
double json_number(const char *text, const char *path);
/* Whether a value there is written so, as "\"ready\"" or "true". */
bool json_is(const char *text, const char *path, const char *written);

#endif
