/* Names and phrases of every status, and the one way to say why something failed.
 *
 * Invariants
 *   1. The names, numbers and phrases come from WEFT_STATUS_LIST alone.
 *   2. The text of an error is always terminated, and never ends within a UTF-8 character.
 *   3. A text may be built from the text it replaces: it is formatted aside, then copied.
 * Not here: translating errno or SQLite's codes. Who calls the system knows what they mean. */
#include "engine/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"

#define STATUS_FREE_SOME "; free some and try again, what was acknowledged is safe"

const char *weft_status_name(enum weft_status status) {
    switch (status) {
#define STATUS_NAME(name, number, text) \
    case name:                          \
        return #name;
        WEFT_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "WEFT_?";
}

const char *weft_status_text(enum weft_status status) {
    switch (status) {
#define STATUS_TEXT(name, number, text) \
    case name:                          \
        return text;
        WEFT_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "a status that this version does not know";
}

/* The length to which `text`, cut at `size` bytes, must shrink to end with a whole character. */
static size_t whole_characters(const char *text, size_t size) {
    size_t start = size;
    /* A character has at most three continuation bytes after its first. */
    for (unsigned back = 0; back < 4 && start > 0; back++) {
        unsigned char byte = (unsigned char)text[--start];
        if ((byte & 0xC0u) == 0x80u) continue;
        size_t length = byte >= 0xF0u ? 4 : byte >= 0xE0u ? 3 : byte >= 0xC0u ? 2 : 1;
        return start + length <= size ? size : start;
    }
    return size;
}

enum weft_status status_fail(struct weft_error *why, enum weft_status status, int native,
                             const char *format, ...) {
    CHECK(status != WEFT_OK);
    CHECK(format != NULL);
    if (why == NULL) return status;

    char text[WEFT_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    size_t size = length < 0 ? 0 : (size_t)length;
    /* What to do is the same wherever memory is wanting. */
    if (status == WEFT_NO_MEMORY && size + sizeof STATUS_FREE_SOME <= sizeof text &&
        memchr(text, ';', size) == NULL) {
        memcpy(text + size, STATUS_FREE_SOME, sizeof STATUS_FREE_SOME);
        size += sizeof STATUS_FREE_SOME - 1;
    }
    if (size >= sizeof text) size = whole_characters(text, sizeof text - 1);
    why->status = status;
    why->native = native;
    memcpy(why->text, text, size);
    why->text[size] = '\0';
    return status;
}
