/* The tail: what was committed last, still in memory, so that a peer near the head is served
 * without touching SQLite.
 *
 *   stream ──► (a, b] (b, c] (c, d]      runs that chain: each begins where the one before it ends
 *
 * Invariants: 1. the runs of a stream chain without a gap. 2. memory ≤ memory_max; the oldest
 * run of all goes first. 3. each run holds a reference on its mail. */
#ifndef WEFT_STORE_TAIL_H
#define WEFT_STORE_TAIL_H

#include "engine/crdt/vector.h"
#include "engine/runtime/mail.h"
#include "engine/wire/codec.h"

struct tail;

/* NULL when out of memory. */
struct tail *tail_open(uint64_t memory_max);
void tail_close(struct tail *tail);
/* Adds a committed run that lies in `mail` (which gets another reference). A run that does not
 * continue its stream replaces what the tail held of it; one that is too large for a batch is not
 * kept, nor what came before it. */
void tail_add(struct tail *tail, const struct stream *stream, struct mail *mail,
              const Weft__Rows *rows);
/* Forgets a stream: it has grown by rows that are not in memory. */
void tail_clear(struct tail *tail, const struct stream *stream);

struct tail_found {
    uint32_t slice_count;
    uint32_t column_count;
    uint64_t upto;    /* end of the last slice's run */
    uint64_t settled; /* the greatest of the runs */
};

/* The runs that continue from `after`, as slices of at most `rows_max` rows and LIMIT_BATCH_RAW
 * bytes together (but at least one run). The slices borrow from the tail until it changes. False
 * when `after` is not the beginning of a run in memory. */
bool tail_find(const struct tail *tail, const struct stream *stream, uint64_t after,
               uint32_t rows_max, struct rows_slice *slices, uint32_t slices_max,
               struct tail_found *found);

#endif
