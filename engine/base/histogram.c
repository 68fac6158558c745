/* See histogram.h. A duration of w + 1 microseconds: below 5 the bucket is w; above, the exponent
 * of w and the two bits behind its first one name it. */
#include "engine/base/histogram.h"

#include "engine/base/check.h"

#define HISTOGRAM_BITS 2u                      /* of precision */
#define HISTOGRAM_STEPS (1u << HISTOGRAM_BITS) /* buckets to a doubling */

_Static_assert(WEFT_BUCKETS == HISTOGRAM_STEPS + (32u - HISTOGRAM_BITS) * HISTOGRAM_STEPS + 1u,
               "those up to 2^32, and one for all above");

unsigned histogram_bucket(uint64_t us) {
    const uint64_t w = us == 0 ? 0 : us - 1;
    if (w < HISTOGRAM_STEPS) return (unsigned)w;
    const unsigned exponent = 63u - (unsigned)__builtin_clzll(w);
    if (exponent >= 32) return WEFT_BUCKETS - 1;
    const unsigned shift = exponent - HISTOGRAM_BITS;
    return HISTOGRAM_STEPS * (shift + 1) + (unsigned)(w >> shift) % HISTOGRAM_STEPS;
}

uint64_t weft_bucket_us(unsigned bucket) {
    if (bucket >= WEFT_BUCKETS - 1) return UINT64_MAX;
    if (bucket < HISTOGRAM_STEPS) return bucket + 1;
    const unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    return (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS + 1) << shift;
}

/* Its one writer needs no locked instruction to add. */
static void add(_Atomic uint64_t *cell, uint64_t n) {
    uint64_t before = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, before + n, memory_order_relaxed);
}

void histogram_observe(struct histogram *histogram, uint64_t us) {
    CHECK(histogram != NULL);
    add(&histogram->bucket[histogram_bucket(us)], 1);
    add(&histogram->sum_us, us);
    if (us > atomic_load_explicit(&histogram->greatest_us, memory_order_relaxed)) {
        atomic_store_explicit(&histogram->greatest_us, us, memory_order_relaxed);
    }
}

void histogram_read(const struct histogram *histogram, struct weft_histogram *out) {
    CHECK(histogram != NULL && out != NULL);
    out->count = 0;
    for (unsigned i = 0; i < WEFT_BUCKETS; i++) {
        out->bucket[i] = atomic_load_explicit(&histogram->bucket[i], memory_order_relaxed);
        out->count += out->bucket[i];
    }
    out->sum_us = atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
    out->greatest_us = atomic_load_explicit(&histogram->greatest_us, memory_order_relaxed);
}

uint64_t weft_quantile_us(const struct weft_histogram *histogram, double quantile) {
    CHECK(histogram != NULL);
    CHECK(quantile >= 0.0 && quantile <= 1.0);
    if (histogram->count == 0) return 0;
    const double exact = quantile * (double)histogram->count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0) rank++;
    uint64_t below = 0;
    unsigned i = 0;
    for (; i < WEFT_BUCKETS - 1; i++) {
        below += histogram->bucket[i];
        if (below >= rank) break;
    }
    const uint64_t bound = weft_bucket_us(i);
    return bound < histogram->greatest_us ? bound : histogram->greatest_us;
}
