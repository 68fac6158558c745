/* Touched rows: which rows a commit has changed, by their keys. How the log tells the host's hooks
 * (proto/mail.proto, Changed); it never leaves the process.
 *
 *   rows  := row*
 *   row   := model u8 | op u8 (enum weft_change_op) | count u8 | value*
 *   value := type u8 | integer or bits of a real, 8 bytes | size u32, bytes | nothing
 *
 * Invariant: what is added is whole, or not there. */
#ifndef WEFT_WIRE_TOUCHED_H
#define WEFT_WIRE_TOUCHED_H

#include "engine/base/arena.h"
#include "engine/base/limits.h"

/* Grows by doubling, in an arena. */
struct touched_builder {
    struct arena *arena;
    uint8_t *data;
    size_t size, room;
    uint32_t rows, values; /* values: of all keys */
};

void touched_begin(struct touched_builder *builder, struct arena *arena);
/* Adds a row; `model` is from 1. False, and nothing is added, when there would be more than `max`
 * bytes, or without memory. */
bool touched_add(struct touched_builder *builder, uint32_t model, enum weft_change_op op,
                 const struct weft_value *key, uint32_t count, size_t max);

struct touched {
    uint32_t model;
    enum weft_change_op op;
    uint32_t count;
    struct weft_value key[LIMIT_KEY_COLUMNS]; /* borrows from what is read */
};

/* Reads the row at `*at` and moves behind it; false at the end, or if it cannot be read. */
bool touched_next(const uint8_t **at, const uint8_t *end, struct touched *out);

#endif
