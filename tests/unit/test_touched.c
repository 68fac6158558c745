/* Rows that a commit has touched, packed and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/wire/touched.h"

struct bench {
    struct pool *pool;
    struct arena arena;
    struct touched_builder builder;
};

static int setup(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->pool = pool_open(0, 0, NULL);
    arena_init(&bench->arena, bench->pool);
    touched_begin(&bench->builder, &bench->arena);
    *state = bench;
    return 0;
}

static int teardown(void **state) {
    struct bench *bench = *state;
    arena_drop(&bench->arena);
    bool leaked = pool_held(bench->pool) != 0;
    pool_close(bench->pool);
    free(bench);
    return leaked;
}

static void keys_of_every_type_come_back_as_they_were(void **state) {
    struct bench *bench = *state;
    struct touched_builder *builder = &bench->builder;
    const struct weft_value key[] = {weft_null(),          weft_integer(INT64_MIN),
                                     weft_real(-0.5),      weft_text("caf\xc3\xa9", 5),
                                     weft_blob("\0\1", 2), weft_blob(NULL, 0)};
    struct touched row;
    assert_true(touched_add(builder, 64, WEFT_CHANGE_DELETE, key, 6, 1000));
    assert_true(touched_add(builder, 1, WEFT_CHANGE_PUT, &key[1], 1, 1000));
    assert_int_equal(builder->rows, 2);
    assert_int_equal(builder->values, 7);
    const uint8_t *at = builder->data, *end = at + builder->size;
    assert_true(touched_next(&at, end, &row));
    assert_int_equal(row.model, 64);
    assert_int_equal(row.op, WEFT_CHANGE_DELETE);
    assert_int_equal(row.count, 6);
    for (int k = 0; k < 6; k++) {
        assert_int_equal(row.key[k].type, key[k].type);
        assert_int_equal(row.key[k].size, key[k].size);
    }
    assert_true(row.key[1].as.integer == INT64_MIN && row.key[2].as.real == -0.5);
    assert_memory_equal(row.key[3].as.bytes, "caf\xc3\xa9", 5);
    assert_memory_equal(row.key[4].as.bytes, "\0\1", 2);
    assert_true(touched_next(&at, end, &row));
    assert_int_equal(row.op, WEFT_CHANGE_PUT);
    assert_false(touched_next(&at, end, &row));
    assert_ptr_equal(at, end);
}

static void a_row_that_does_not_fit_is_left_out_whole(void **state) {
    struct bench *bench = *state;
    struct touched_builder *builder = &bench->builder;
    const struct weft_value key = weft_blob("0123456789abcdef", 16);
    const size_t row = 3 + 1 + 4 + 16, max = 100 * row + row - 1;
    for (int i = 0; i < 100; i++)
        assert_true(touched_add(builder, 2, WEFT_CHANGE_PUT, &key, 1, max));
    assert_false(touched_add(builder, 2, WEFT_CHANGE_PUT, &key, 1, max));
    assert_int_equal(builder->size, 100 * row);
    assert_int_equal(builder->rows, 100);
}

static void what_is_cut_anywhere_is_not_read(void **state) {
    struct bench *bench = *state;
    struct touched_builder *builder = &bench->builder;
    const struct weft_value key[] = {weft_text("abc", 3), weft_integer(7)};
    struct touched row;
    assert_true(touched_add(builder, 2, WEFT_CHANGE_PUT, key, 2, 1000));
    for (size_t size = 0; size < builder->size; size++) {
        uint8_t *cut = malloc(size + 1); /* Its end is the allocation's but for one. */
        memcpy(cut, builder->data, size);
        const uint8_t *at = cut;
        assert_false(touched_next(&at, cut + size, &row));
        assert_ptr_equal(at, cut);
        free(cut);
    }
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        BENCH_TEST(keys_of_every_type_come_back_as_they_were),
        BENCH_TEST(a_row_that_does_not_fit_is_left_out_whole),
        BENCH_TEST(what_is_cut_anywhere_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
