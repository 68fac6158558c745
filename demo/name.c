/* Names of files.
 *
 * POSIX lets a name hold any bytes but '/' and NUL; a TEXT column holds UTF-8 (RFC 3629). Escaping
 * stands between the two:
 *
 *     caf\xe9.txt   →   caf%E9.txt          100%\xff   →   100%25%FF
 *
 * Only names that the engine refused are escaped; all others are stored as they are. Rows are
 * identified by their id, so two names can never fall into one row. */
#include "demo/name.h"

#include <stdio.h>
#include <string.h>

#include "demo/must.h"

/* The size of the well-formed sequence at `at`, or 0. The terminating NUL ends every check early.
 */
static size_t sequence_size(const unsigned char *at) {
    if (at[0] < 0x80) return 1;
    size_t size = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                  : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                  : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                   : 0;
    /* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
    unsigned char low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < size; i++) {
        if (at[i] < low || at[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
    }
    return size;
}

size_t name_escape(const char *name, char *out, size_t cap) {
    MUST(cap >= NAME_ESCAPED_MAX && strlen(name) < 256);
    const unsigned char *at = (const unsigned char *)name;
    size_t size = 0;
    while (*at != '\0') {
        size_t whole = *at == '%' ? 0 : sequence_size(at);
        if (whole == 0) {
            size += (size_t)snprintf(out + size, cap - size, "%%%02X", *at);
            at++;
        } else {
            memcpy(out + size, at, whole);
            size += whole;
            at += whole;
        }
    }
    MUST(size < cap);
    out[size] = '\0';
    return size;
}

const char *name_extension(const char *name) {
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name || dot[1] == '\0') return NULL;
    return dot + 1;
}
