/* The tail: chains, what breaks them, and its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/store/tail.h"

struct bench {
    struct pool *pool;
    struct tail *tail;
    struct stream stream;
};

static int open_bench(void **state) {
    static struct bench bench;
    bench = (struct bench){.pool = pool_open(0, 0, NULL),
                           .tail = tail_open(64u << 10),
                           .stream = {.owner = {{7}}, .model = 1}};
    *state = &bench;
    return bench.pool == NULL || bench.tail == NULL;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    tail_close(bench->tail);
    int leaked = pool_held(bench->pool) != 0;
    pool_close(bench->pool);
    return leaked;
}

/* Adds a run of `count` rows, (after, upto], each with a blob of `size` bytes. */
static void add(struct bench *bench, uint64_t after, uint64_t upto, uint32_t count, uint32_t size) {
    static const uint8_t blob[4096];
    struct rows_builder builder;
    struct mail *mail = mail_new(bench->pool, WEFT__MAIL__BODY_COMMIT, NULL);
    struct weft_value value = weft_blob(blob, size);
    assert_non_null(mail);
    assert_int_equal(rows_begin(&builder, &mail->arena, 1, 1), WEFT_OK);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(rows_add(&builder, ROW_PUT, after + 1 + i), WEFT_OK);
        assert_int_equal(rows_cell(&builder, 0, &value), WEFT_OK);
    }
    builder.rows->after = after;
    builder.rows->upto = upto;
    tail_add(bench->tail, &bench->stream, mail, builder.rows);
    mail_drop(&mail);
}

static bool find(struct bench *bench, uint64_t after, uint32_t rows_max, struct tail_found *found) {
    struct rows_slice slices[8];
    return tail_find(bench->tail, &bench->stream, after, rows_max, slices, 8, found);
}

static void tail_joins_runs_that_chain(void **state) {
    struct bench *bench = *state;
    struct tail_found found;
    add(bench, 0, 3, 3, 8);
    add(bench, 3, 5, 2, 8);
    add(bench, 5, 9, 4, 8);
    assert_true(find(bench, 0, 100, &found));
    assert_int_equal(found.slice_count, 3);
    assert_int_equal(found.upto, 9);
    assert_true(find(bench, 3, 100, &found));
    assert_int_equal(found.slice_count, 2);
}

static void tail_gives_nothing_between_two_runs_or_behind_the_last(void **state) {
    struct bench *bench = *state;
    struct tail_found found;
    add(bench, 10, 13, 3, 8);
    add(bench, 13, 15, 2, 8);
    assert_false(find(bench, 0, 100, &found));
    assert_false(find(bench, 11, 100, &found));
    assert_false(find(bench, 15, 100, &found));
}

static void tail_stops_at_the_row_bound_but_gives_one_run_at_least(void **state) {
    struct bench *bench = *state;
    struct tail_found found;
    add(bench, 0, 3, 3, 8);
    add(bench, 3, 6, 3, 8);
    assert_true(find(bench, 0, 5, &found));
    assert_int_equal(found.upto, 3);
    assert_true(find(bench, 0, 1, &found));
    assert_int_equal(found.upto, 3);
    assert_true(find(bench, 0, 6, &found));
    assert_int_equal(found.upto, 6);
}

static void tail_forgets_what_came_before_a_gap(void **state) {
    struct bench *bench = *state;
    struct tail_found found;
    add(bench, 0, 3, 3, 8);
    add(bench, 8, 9, 1, 8);
    assert_false(find(bench, 0, 100, &found));
    assert_true(find(bench, 8, 100, &found));
    tail_clear(bench->tail, &bench->stream);
    assert_false(find(bench, 8, 100, &found));
}

static void tail_lets_the_oldest_go_when_its_memory_is_used_up(void **state) {
    struct bench *bench = *state;
    struct tail_found found;
    for (uint64_t i = 0; i < 100; i++)
        add(bench, i, i + 1, 1, 8);
    assert_false(find(bench, 0, 100, &found));
    assert_true(find(bench, 99, 100, &found));
    assert_true(pool_held(bench->pool) <= 64u << 10);
}

static void tail_does_not_keep_a_run_too_large_for_a_batch(void **state) {
    struct bench *bench = *state;
    struct tail_found found;
    add(bench, 0, 1, 1, 8);
    add(bench, 1, 301, 300, 4096);
    assert_true(300u * 4096u > LIMIT_BATCH_RAW);
    assert_false(find(bench, 0, 1000, &found));
    assert_false(find(bench, 1, 1000, &found));
}

#define TAIL_TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TAIL_TEST(tail_joins_runs_that_chain),
        TAIL_TEST(tail_gives_nothing_between_two_runs_or_behind_the_last),
        TAIL_TEST(tail_stops_at_the_row_bound_but_gives_one_run_at_least),
        TAIL_TEST(tail_forgets_what_came_before_a_gap),
        TAIL_TEST(tail_lets_the_oldest_go_when_its_memory_is_used_up),
        TAIL_TEST(tail_does_not_keep_a_run_too_large_for_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
