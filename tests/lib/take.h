/* A snapshot on its way from one store to another, driven by hand. For tests.
 *
 * What is said goes to stores by take_hears(), which moves the head of the device that said it, as
 * the log does. */
#ifndef TESTS_LIB_TAKE_H
#define TESTS_LIB_TAKE_H

#include "engine/store/packed.h"
#include "engine/store/snapshot_reader.h"
#include "engine/store/snapshot_taker.h"
#include "tests/lib/replica.h"

struct take {
    struct replica *from, *to;
    struct snapshot_reader *reader;
    struct snapshot_taker *taker; /* NULL before the first chunk */
    struct packed cursor;
    bool last;                 /* the last chunk has been taken */
    unsigned chunks;           /* taken so far */
    unsigned bodies, largest;  /* ... what was in them, and the bytes of the largest */
    struct shared_head *heads; /* of the first chunk */
    uint32_t head_count;
    struct shared_row_tally tally; /* of the last call */
};

void take_hears(struct replica *replica, uint8_t device, uint64_t hlc, const char *words);
/* A CHANGE op as it came from another store. */
void take_hears_body(struct replica *replica, uint8_t device, uint64_t hlc, struct bytes body);
/* The host's run; returns its stamp, or 0 if it was refused or changed nothing. The CHANGE op is
 * replica->said. */
uint64_t take_writes(struct replica *replica, const char *words);

/* Runs SQL on the writer's connection. */
void take_sql(struct replica *replica, const char *sql);
/* Forgets deleted rows of which nothing else is known, as when every member has the deletions. */
void take_forget(struct replica *replica);

void take_begin(struct take *take, struct replica *from, struct replica *to);
void take_end(struct take *take);
/* Closes the reader and opens it again, as when the source was started anew. */
void take_interrupt(struct take *take);
/* Reads a chunk and merges it, `times` over; false if there was none left. */
bool take_chunk(struct take *take, size_t bytes_max, unsigned times);
/* Reads a chunk at a cursor, into the source's arena. */
enum weft_status take_read(struct take *take, struct bytes cursor, size_t bytes_max,
                           struct snapshot_chunk *out);
void take_merge(struct take *take, const struct snapshot_chunk *chunk);
/* One slice of the sweep; false when it was the last. */
bool take_sweep(struct take *take, uint32_t limit);
/* All that is left of it, with chunks and slices of this size. */
void take_all(struct take *take, size_t bytes_max, uint32_t limit);
/* Whether the first chunk's heads cover a stamp. */
bool take_covers(const struct take *take, uint8_t device, uint64_t hlc);

#endif
