/* Sequences of byte strings (texts and blobs), packed in whichever of three forms suits them.
 *
 *   strings(n) := form u8 | body                      n is known from elsewhere and is at least 1
 *     0 plain       sizes numbers(n) | bytes of all, in order
 *     1 heads       size varint | heads numbers(n) | the other bytes of all, in order
 *                       all of one size, 8 or more; a head is the first 8 bytes, big-endian
 *     2 dictionary  d varint | strings(d), not a dictionary | indexes numbers(n)
 *
 * Heads suit ids of UUID version 7, which begin with a time; dictionaries suit references. */
#ifndef WEFT_WIRE_STRINGS_H
#define WEFT_WIRE_STRINGS_H

#include "engine/wire/numbers.h"

/* What packing needs besides the sink, for up to `capacity` strings. */
struct strings_scratch {
    uint32_t capacity;
    uint32_t slot_bits;
    uint64_t *numbers;      /* capacity */
    struct bytes *distinct; /* capacity */
    uint16_t *index;        /* capacity: which distinct one */
    uint16_t *slots;        /* 1 << slot_bits: distinct one + 1 by hash, or 0 */
};

/* Takes scratch from an arena. Errors: WEFT_NO_MEMORY. */
enum weft_status strings_scratch(struct strings_scratch *scratch, struct arena *arena,
                                 uint32_t capacity);

/* Appends `n` strings (1 to scratch->capacity). Errors: WEFT_NO_MEMORY. */
enum weft_status strings_pack(struct sink *sink, struct strings_scratch *scratch,
                              const struct bytes *values, uint32_t n);

/* Reads `n` strings (at least 1) into a body taken from `arena`. `refs[i]` becomes where string i
 * is in it, in the form of a cell of a Rows: offset in the lower half, size in the upper one; equal
 * strings may share a place. `spare` has room for n numbers. The sizes of all strings, shared or
 * not, are taken off `*budget`.
 * Errors: WEFT_PROTOCOL, WEFT_LIMIT (the budget), WEFT_NO_MEMORY. */
enum weft_status strings_unpack(struct cursor *cursor, uint32_t n, struct arena *arena,
                                uint64_t *refs, uint64_t *spare, size_t *budget,
                                struct bytes *body);

#endif
