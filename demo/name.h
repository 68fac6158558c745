/* Names of files: what is stored when a name is not text, and what its extension is. */
#ifndef DEMO_NAME_H
#define DEMO_NAME_H

#include <stddef.h>

/* Every byte of a file's name may become three. */
#define NAME_ESCAPED_MAX (3u * 256u)

/* Writes `name` so that people can read it: each byte that is not part of well-formed UTF-8 becomes
 * %XX, and so does a '%', so that the escaped form can be turned back. Returns the size.
 * `cap` must be NAME_ESCAPED_MAX at least, `name` at most 255 bytes long. */
size_t name_escape(const char *name, char *out, size_t cap);

/* The extension: what follows the last '.', unless that is the first or the last byte of the name.
 * NULL when there is none. */
const char *name_extension(const char *name);

#endif
