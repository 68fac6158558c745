/* Pairs of sides run back to back, and the medians over them. */
#ifndef WEFT_PERF_PAIRS_H
#define WEFT_PERF_PAIRS_H

#include "perf/bench.h"

struct pairs {
    unsigned n;
    unsigned threads;                  /* that write at the engine's side; 0: does not matter */
    double rate[BENCH_PAIRS_MAX];      /* rows per second of the engine's side */
    double bare_rate[BENCH_PAIRS_MAX]; /* ... of the bare side */
    double ratio[BENCH_PAIRS_MAX];     /* wall time over wall time */
    double cpu_ratio[BENCH_PAIRS_MAX];
    double written[BENCH_PAIRS_MAX]; /* bytes per row of the engine's side */
    double bare_written[BENCH_PAIRS_MAX];
    double wire[BENCH_PAIRS_MAX];  /* bytes per row */
    double group[BENCH_PAIRS_MAX]; /* rows per SQLite commit of the engine */
    double p50[BENCH_PAIRS_MAX], p99[BENCH_PAIRS_MAX];
    double rss[BENCH_PAIRS_MAX], bare_rss[BENCH_PAIRS_MAX]; /* peak, in MiB */
    double bare_p50[BENCH_PAIRS_MAX], bare_p99[BENCH_PAIRS_MAX];
    uint64_t hash;
    bool failed;
};

/* Takes what the two sides of one pair measured. Prints what went wrong, if anything: a side that
 * failed, or results that differ. Returns false then. */
bool pairs_add(struct pairs *pairs, const struct side *engine, const struct side *bare);
/* Prints the figure of the engine (`name`), that of the bare loop beside it, and how many rows
 * the engine put into one SQLite commit. */
void pairs_print(struct bench *bench, struct pairs *pairs, const char *name, const char *unit);
/* The same for a bench whose pairs differ in their rows. */
void pairs_print_rows(struct bench *bench, struct pairs *pairs, const char *name, const char *unit,
                      uint64_t rows);
/* Prints the peak memory of both sides. */
void pairs_print_memory(struct bench *bench, struct pairs *pairs);
/* How many rows the bare side puts into a commit to do as the engine does: `engine` is what the
 * engine's side of this pair measured, zero where the bare side goes first; then the last pair
 * tells. `other` when none does. */
uint64_t pairs_group(const struct pairs *pairs, const struct side *engine, uint64_t other);

#endif
