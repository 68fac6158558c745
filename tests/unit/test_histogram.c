/* Histograms: where a duration is counted, and what a quantile read from that is worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/histogram.h"

static void every_duration_is_counted_between_two_bounds(void **state) {
    (void)state;
    uint64_t below = 0;
    for (unsigned i = 0; i < WEFT_BUCKETS; i++) {
        const uint64_t bound = weft_bucket_us(i);
        assert_true(bound > below);
        assert_int_equal(histogram_bucket(below + 1), i);
        assert_int_equal(histogram_bucket(bound), i);
        assert_int_equal(histogram_bucket(below + (bound - below) / 2 + 1), i);
        below = bound;
    }
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(weft_bucket_us(WEFT_BUCKETS - 2), UINT64_C(1) << 32);
    assert_true(weft_bucket_us(WEFT_BUCKETS - 1) == UINT64_MAX);
    assert_true(weft_bucket_us(UINT32_MAX) == UINT64_MAX);
}

static void bounds_grow_by_a_quarter_at_most_and_meet_every_power_of_two(void **state) {
    (void)state;
    uint64_t power = 1;
    for (unsigned i = 1; i < WEFT_BUCKETS - 1; i++) {
        const uint64_t below = weft_bucket_us(i - 1), bound = weft_bucket_us(i);
        if (below >= 4) assert_true((bound - below) * 4 <= below);
        if (below == power) power *= 2;
        assert_true(bound <= power || below >= power);
    }
    assert_true(power == UINT64_C(1) << 32);
}

static void what_is_read_is_what_was_observed(void **state) {
    (void)state;
    static struct histogram histogram;
    struct weft_histogram out;
    histogram_read(&histogram, &out);
    assert_int_equal(out.count, 0);
    assert_int_equal(weft_quantile_us(&out, 0.5), 0);
    histogram_observe(&histogram, 0);
    histogram_observe(&histogram, 7);
    histogram_observe(&histogram, 7);
    histogram_observe(&histogram, UINT64_C(1) << 40);
    histogram_read(&histogram, &out);
    assert_int_equal(out.count, 4);
    assert_int_equal(out.sum_us, 14 + (UINT64_C(1) << 40));
    assert_int_equal(out.greatest_us, UINT64_C(1) << 40);
    assert_int_equal(out.bucket[0], 1);
    assert_int_equal(out.bucket[histogram_bucket(7)], 2);
    assert_int_equal(out.bucket[WEFT_BUCKETS - 1], 1);
}

/* Against the exact quantiles of 10,000 durations from 3 to 29,999 µs. */
static void a_quantile_is_never_too_small_and_at_most_a_quarter_too_great(void **state) {
    (void)state;
    static struct histogram histogram;
    struct weft_histogram out;
    memset(&histogram, 0, sizeof histogram);
    for (uint64_t i = 1; i <= 10000; i++)
        histogram_observe(&histogram, i * 7919 % 10007 * 3);
    /* 7919 · i mod 10007 goes through all residues but a few; the exact ones are counted. */
    static uint32_t seen[30100];
    for (uint64_t i = 1; i <= 10000; i++)
        seen[i * 7919 % 10007 * 3]++;
    histogram_read(&histogram, &out);
    const double quantiles[] = {0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0};
    for (size_t q = 0; q < sizeof quantiles / sizeof quantiles[0]; q++) {
        uint64_t exact = 0, count = 0;
        const double rank = quantiles[q] * 10000;
        for (exact = 0; exact < 30100; exact++) {
            count += seen[exact];
            if (count >= 1 && (double)count >= rank) break;
        }
        const uint64_t told = weft_quantile_us(&out, quantiles[q]);
        assert_true(told >= exact);
        assert_true(told <= exact + exact / 4 + 1);
    }
    assert_int_equal(weft_quantile_us(&out, 1.0), out.greatest_us);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_duration_is_counted_between_two_bounds),
        cmocka_unit_test(bounds_grow_by_a_quarter_at_most_and_meet_every_power_of_two),
        cmocka_unit_test(what_is_read_is_what_was_observed),
        cmocka_unit_test(a_quantile_is_never_too_small_and_at_most_a_quarter_too_great),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
