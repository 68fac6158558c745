/* The engine's side of the benches: an open library, and rows of the workload put into it. */
#ifndef WEFT_PERF_FEED_H
#define WEFT_PERF_FEED_H

#include "perf/bench.h"
#include "perf/workload.h"

#define FEED_COLUMNS_MAX 32u

struct feed {
    weft_engine *engine;
    const struct workload *workload;
    int location, entry; /* models */
    unsigned columns;    /* of entry */
    enum field fields[FEED_COLUMNS_MAX];
};

/* Founds a library with the demo's schema, or comes in with `link` (may be NULL), an invite of
 * another. False, and the reason in `side`, when it fails. */
bool feed_open(struct feed *feed, const struct workload *workload, const char *path,
               const char *link, struct side *side);
void feed_close(struct feed *feed);

/* Writes the locations that `rows` entries need, owned by this device; waits for `level` on
 * `devices` others. */
bool feed_locations(struct feed *feed, uint64_t rows, enum weft_level level, unsigned devices,
                    struct side *side);
/* Commits rows [first, first + count) as one transaction, waiting while the engine is busy. Thread:
 * any number at once. */
bool feed_rows(struct feed *feed, uint64_t first, uint64_t count, uint64_t *ticket,
               struct side *side);
/* Waits for a ticket. Thread: any. */
bool feed_wait(struct feed *feed, uint64_t ticket, enum weft_level level, unsigned devices,
               struct side *side);

/* Waits until `rows` rows of other devices are durable here. Takes the engine's events.
 * Thread: one. */
bool feed_receive(struct feed *feed, uint64_t rows, struct side *side);

/* Commits rows 0 .. rows - 1 from `threads` threads, in transactions of `rows_per_commit` dealt to
 * the threads in turn, and waits until every one has reached `level` on `devices` others. */
bool feed_all(struct feed *feed, uint64_t rows, uint64_t rows_per_commit, unsigned threads,
              enum weft_level level, unsigned devices, struct side *side);

#endif
