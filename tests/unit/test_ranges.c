/* Ranges of a stream: how they are cut, what their sums are, and which run of them comes next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/store/ranges.h"
#include "tests/sim/rng.h"

enum { ROWS_MAX = 5000 };

/* Rows by version, as somebody may hold them. */
struct held {
    uint32_t count;
    uint64_t version[ROWS_MAX], hash[ROWS_MAX];
};

static void draw(struct rng *rng, struct held *held, uint32_t count) {
    uint64_t version = 0;
    held->count = count;
    for (uint32_t i = 0; i < count; i++) {
        version += 1 + rng_below(rng, 1000);
        held->version[i] = version;
        held->hash[i] = rng_u64(rng);
    }
}

/* The sum over (after, upto], worked out by looking at every row. */
static uint64_t straight(const struct held *held, uint64_t after, uint64_t upto, uint32_t *rows) {
    uint64_t sum = 0;
    *rows = 0;
    for (uint32_t i = 0; i < held->count; i++) {
        if (held->version[i] <= after || held->version[i] > upto) continue;
        sum += held->hash[i];
        ++*rows;
    }
    return sum;
}

static void cut(struct ranges *ranges, const struct held *held, uint64_t position) {
    ranges_cut_begin(ranges);
    for (uint32_t i = 0; i < held->count; i++)
        ranges_cut_add(ranges, held->version[i], held->hash[i]);
    ranges_cut_end(ranges, position);
}

static void ranges_of_any_stream_are_as_long_as_each_other_and_summed_up_right(void **state) {
    static const uint32_t counts[] = {1, 2, 255, 256, 257, 512, 513, 1000, 4096, 4097, ROWS_MAX};
    static struct held held;
    struct ranges ranges, theirs;
    struct rng rng;
    (void)state;
    rng_seed(&rng, 19, 0);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        draw(&rng, &held, counts[c]);
        const uint64_t position = held.version[counts[c] - 1] + c % 2;
        cut(&ranges, &held, position);
        assert_int_equal(ranges.rows, counts[c]);
        assert_true(ranges.count <= LIMIT_RANGES);
        assert_true(ranges.count > LIMIT_RANGES / 2 || ranges.count == counts[c]);
        assert_true(ranges.bound[ranges.count - 1] == position);
        ranges_begin(&theirs, ranges.bound, ranges.count);
        for (uint32_t i = held.count; i > 0; i--)
            ranges_add(&theirs, held.version[i - 1], held.hash[i - 1]);
        ranges_add(&theirs, position + 1, 77); /* It lies in none of them. */
        for (uint32_t i = 0; i < ranges.count; i++) {
            const uint64_t after = i == 0 ? 0 : ranges.bound[i - 1];
            uint32_t rows = 0;
            assert_true(after < ranges.bound[i]);
            assert_true(ranges.sum[i] == straight(&held, after, ranges.bound[i], &rows));
            assert_true(ranges.sum[i] == theirs.sum[i]);
            assert_true(i == ranges.count - 1 ? rows <= ranges.each : rows == ranges.each);
        }
        assert_int_equal(ranges_compare(&ranges, theirs.sum), 0);
    }
}

static void a_stream_without_rows_is_one_range(void **state) {
    struct ranges ranges;
    (void)state;
    ranges_cut_begin(&ranges);
    ranges_cut_end(&ranges, 50);
    assert_int_equal(ranges.count, 1);
    assert_true(ranges.bound[0] == 50 && ranges.sum[0] == 0);
}

static void a_version_that_comes_twice_opens_no_range_of_its_own(void **state) {
    struct ranges ranges;
    (void)state;
    ranges_cut_begin(&ranges);
    ranges_cut_add(&ranges, 5, 1);
    ranges_cut_add(&ranges, 5, 2);
    ranges_cut_end(&ranges, 5);
    assert_int_equal(ranges.count, 1);
    assert_true(ranges.sum[0] == 3);
}

static void runs_lead_from_one_end_to_the_other(void **state) {
    static const uint64_t bounds[] = {10, 20, 30, 40, 50}, mine[] = {1, 2, 3, 4, 5};
    static const uint64_t theirs[] = {1, 2, 9, 9, 5};
    struct ranges ranges;
    bool differs = true;
    (void)state;
    ranges_begin(&ranges, bounds, 5);
    for (uint32_t i = 0; i < 5; i++)
        ranges_add(&ranges, bounds[i], mine[i]);
    assert_int_equal(ranges_compare(&ranges, theirs), 2);
    assert_int_equal(ranges_run(&ranges, 0, &differs), 20);
    assert_false(differs);
    assert_int_equal(ranges_run(&ranges, 19, &differs), 20);
    assert_false(differs);
    assert_int_equal(ranges_run(&ranges, 20, &differs), 40);
    assert_true(differs);
    assert_int_equal(ranges_run(&ranges, 33, &differs), 40);
    assert_int_equal(ranges_run(&ranges, 40, &differs), 50);
    assert_false(differs);
    assert_int_equal(ranges_run(&ranges, 50, &differs), 0);
    assert_int_equal(ranges_run(&ranges, UINT64_MAX - 1, &differs), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_of_any_stream_are_as_long_as_each_other_and_summed_up_right),
        cmocka_unit_test(a_stream_without_rows_is_one_range),
        cmocka_unit_test(a_version_that_comes_twice_opens_no_range_of_its_own),
        cmocka_unit_test(runs_lead_from_one_end_to_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
