/* A cursor over bytes from outside: every read is checked, and a failure says where it was. */
#ifndef WEFT_WIRE_CURSOR_H
#define WEFT_WIRE_CURSOR_H

#include "engine/base/bytes.h"
#include "engine/base/status.h"
#include "engine/wire/varint.h"

struct cursor {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *subject;    /* what is being read: "a batch of rows" */
    struct weft_error *why; /* may be NULL */
};

static inline struct cursor cursor_begin(struct bytes bytes, const char *subject,
                                         struct weft_error *why) {
    struct cursor cursor = {bytes.data, bytes.data, bytes.data, subject, why};
    if (bytes.size != 0) cursor.end += bytes.size;
    return cursor;
}

static inline size_t cursor_left(const struct cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

/* Fills `why` with the place and what is wrong there; returns `status`. */
static inline enum weft_status cursor_fail(const struct cursor *cursor, enum weft_status status,
                                           const char *wrong) {
    return status_fail(cursor->why, status, 0,
                       "%s cannot be read: %s, at byte %zu of %zu; the sender is at fault or "
                       "speaks another version, so nothing of it is used",
                       cursor->subject, wrong, (size_t)(cursor->at - cursor->start),
                       (size_t)(cursor->end - cursor->start));
}

/* The next `size` bytes, or NULL when there are not as many. */
static inline const uint8_t *cursor_take(struct cursor *cursor, size_t size) {
    if (size > cursor_left(cursor)) return NULL;
    const uint8_t *taken = cursor->at;
    cursor->at += size;
    return taken;
}

static inline bool cursor_byte(struct cursor *cursor, uint8_t *out) {
    if (cursor->at == cursor->end) return false;
    *out = *cursor->at++;
    return true;
}

static inline bool cursor_varint(struct cursor *cursor, uint64_t *out) {
    return varint_get(&cursor->at, cursor->end, out);
}

#endif
