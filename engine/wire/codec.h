/* The columnar form of a batch of rows on the wire. docs/protocol.md has the byte layout.
 *
 *   rows     := count varint | ops | versions | column*       count 0: nothing follows
 *   ops      := 0 (all PUT) | 1 bitmap of tombstones
 *   versions := numbers(count), less `after`
 *   column   := kind u8 | presence | tags | numbers | strings
 *       kind     NULL, INTEGER, REAL, TEXT, BLOB, MIXED; + 8: some are NULL
 *       presence a bitmap, if some are NULL
 *       tags     one a present cell, if MIXED
 *       numbers  of the integers and the bits of the reals, if there are any (numbers.h)
 *       strings  of the texts and blobs, if there are any (strings.h)
 * How numbers and strings are packed is chosen per column, so that it packs well before zstd and
 * decodes straight into a Rows. Deletes carry key columns only. Decoding trusts nothing: each
 * count, size and offset is checked before it is used, and LIMIT_UNPACKED bounds what a batch may
 * unfold to, values that share their bytes counted in full.
 * Source of the idea: Abadi et al., "The Design and Implementation of Modern Column-Oriented
 * Database Systems", 2013, chapter 4. */
#ifndef WEFT_WIRE_CODEC_H
#define WEFT_WIRE_CODEC_H

#include "engine/wire/rows.h"

/* A slice [first, first + count) of a run; slices of several runs of one stream make a batch. */
struct rows_slice {
    const Weft__Rows *rows;
    uint32_t first;
    uint32_t count;
};

/* Packs the slices, in order, as one batch into a block of `arena`. ROW_NONE rows are left out; SET
 * rows must not occur. `*count` receives the rows written. `after`: versions are deltas from it.
 * Errors: WEFT_NO_MEMORY. Thread: any; pure. */
enum weft_status codec_pack(const struct rows_slice *slices, uint32_t slice_count, uint64_t after,
                            uint32_t column_count, struct arena *arena, struct bytes *out,
                            uint32_t *count);

/* Unpacks a batch into a Rows of `column_count` columns (as many as the sender named). owner and
 * model are left to the caller; after and upto are set from the arguments and checked.
 * Errors: WEFT_PROTOCOL (`why` says at which byte and what), WEFT_NO_MEMORY, WEFT_LIMIT. */
enum weft_status codec_unpack(struct bytes packed, uint64_t after, uint64_t upto,
                              uint32_t column_count, struct arena *arena, Weft__Rows **out,
                              struct weft_error *why);

#endif
