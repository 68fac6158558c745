/* A histogram of durations: counters in fixed buckets, whose bounds grow by about a fifth.
 *
 *     up to  1 2 3 4 │ 5 6 7 8 │ 10 12 14 16 │ 20 24 28 32 │ … │ … 2^32 µs │ more
 *            each    │ each    │ by 2        │ by 4        │   │           │
 *
 * Four buckets to each doubling (as in Tene's HdrHistogram, with two bits of precision), so a
 * quantile read from it is at most a quarter too great, and never too small.
 * Invariants
 *   1. One thread observes; any thread reads, without a lock.
 *   2. The count is the sum of the buckets, so what is read is consistent in itself.
 * Not here: quantiles, which the reader computes (weft_quantile_us()). */
#ifndef WEFT_BASE_HISTOGRAM_H
#define WEFT_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/weft.h"

struct histogram { /* zeroed: nothing observed yet */
    _Atomic uint64_t sum_us;
    _Atomic uint64_t greatest_us;
    _Atomic uint64_t bucket[WEFT_BUCKETS];
};

/* The bucket of a duration. Pure. */
unsigned histogram_bucket(uint64_t us);
/* Counts one. Thread: its one writer. */
void histogram_observe(struct histogram *histogram, uint64_t us);
/* Copies what there is. Thread: any. */
void histogram_read(const struct histogram *histogram, struct weft_histogram *out);

#endif
