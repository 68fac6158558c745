/* Stride: reading a stretch of a stream in the table's own order.
 *
 *   index (version)   41  42  43  44  45     how many lie in the stretch, and the first one's key
 *                      │
 *   table (key)        a ─ b ─ c ─ X ─ d ─ e     from there on, one after another
 *
 * Keys mostly grow as versions do: then the rows of a stretch lie side by side, and need not be
 * looked up one by one. What was read is the stretch if its versions grew and are as many as the
 * index says; else it is astray, and the caller reads by the index.
 * Owned by the reader; inside its read transaction. Only tables WITHOUT ROWID gain by it.
 * Invariants
 *   1. A stretch that is whole holds each row of the owner with a version in it, once, in order.
 *   2. Few rows that do not belong to it (X) are passed over: a step's work is bounded.
 * Not here: tombstones and parked rows, and what a row becomes (reader.c). */
#ifndef WEFT_STORE_STRIDE_H
#define WEFT_STORE_STRIDE_H

#include <sqlite3.h>

#include "engine/store/models.h"

#define STRIDE_ROWS 32u     /* fewer are read by the index */
#define STRIDE_HOPELESS 64u /* stretches that are read by the index after one that went astray */

struct stride {
    sqlite3_stmt *count, *first, *rows; /* NULL until they are needed */
    uint32_t hopeless;
    /* The stretch. */
    uint32_t owner;
    uint64_t after, high; /* its rows' versions are in (after, high] */
    uint64_t last;        /* version of the newest row read */
    uint32_t wanted;      /* rows that lie in it; 0: it is to be read by the index */
    uint32_t read, passed;
    bool astray;
};

void stride_close(struct stride *stride);
/* Begins with the first `rows_max` rows in (after, upto]. Errors: as store_fail(). */
enum weft_status stride_begin(struct stride *stride, sqlite3 *db, const struct model *model,
                              uint32_t owner, uint64_t after, uint64_t upto, uint32_t rows_max,
                              struct weft_error *why);
/* Goes on to the next row, which is then the current one of `rows`: version, then the model's
 * columns. `*row` false at the end, or when the stretch has gone astray. */
enum weft_status stride_step(struct stride *stride, const struct model *model, bool *row,
                             struct weft_error *why);
/* Whether the first `used` rows are all that lie in (after, upto]. */
enum weft_status stride_whole(struct stride *stride, const struct model *model, uint32_t used,
                              uint64_t upto, bool *whole, struct weft_error *why);
/* The rows are not read any more. After one that was not whole the index is used for a while. */
void stride_end(struct stride *stride, bool whole);

#endif
