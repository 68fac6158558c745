/* What is not a columnar batch is refused, whatever it is, and nothing is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/base/limits.h"
#include "engine/wire/varint.h"
#include "tests/lib/drawn.h"

/* Unpacks bytes from outside: whatever they are, the answer is a failure or valid rows. */
static enum weft_status judge(struct drawn_bench *bench, const uint8_t *data, size_t size,
                              uint64_t upto, uint32_t columns) {
    struct arena arena;
    struct weft_error why = {0};
    Weft__Rows *back = NULL;
    const struct bytes copy = drawn_exact(data, size);
    arena_init(&arena, bench->pool);
    const enum weft_status status =
        codec_unpack(copy, DRAWN_AFTER, upto, columns, &arena, &back, &why);
    if (status == WEFT_OK) {
        assert_true(rows_valid(back, columns));
    } else {
        assert_true(status == WEFT_PROTOCOL || status == WEFT_LIMIT);
        assert_int_equal(why.status, status);
        assert_non_null(strstr(why.text, "at byte"));
    }
    arena_drop(&arena);
    drawn_exact_free(copy);
    return status;
}

/* A batch of a dozen rows with a column of every habit. */
static struct bytes draw_small(struct drawn_bench *bench, uint64_t seed, struct drawn *drawn) {
    struct bytes packed;
    uint32_t count;
    drawn_begin(bench, seed);
    do {
        drawn_runs(bench, 8, drawn);
        assert_int_equal(codec_pack(drawn->slices, drawn->slice_count, DRAWN_AFTER, drawn->columns,
                                    &bench->arena, &packed, &count),
                         WEFT_OK);
    } while (count < 6 || drawn->columns < 4);
    return packed;
}

static void codec_refuses_every_truncation_and_extension(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct drawn_bench bench;
        struct drawn drawn;
        const struct bytes packed = draw_small(&bench, 4000000 + seed, &drawn);
        for (size_t size = 1; size < packed.size; size++)
            assert_int_equal(judge(&bench, packed.data, size, drawn.upto, drawn.columns),
                             WEFT_PROTOCOL);
        assert_int_equal(judge(&bench, packed.data, packed.size, drawn.upto, drawn.columns),
                         WEFT_OK);
        uint8_t *longer = arena_zero(&bench.arena, packed.size + 1);
        memcpy(longer, packed.data, packed.size);
        assert_int_equal(judge(&bench, longer, packed.size + 1, drawn.upto, drawn.columns),
                         WEFT_PROTOCOL);
        drawn_end(&bench);
    }
}

static void codec_refuses_a_batch_larger_than_a_message(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    const size_t size = LIMIT_MESSAGE_RAW + 1;
    uint8_t *bytes = arena_zero(&bench.arena, size);
    assert_int_equal(judge(&bench, bytes, size, DRAWN_AFTER + 1, 1), WEFT_LIMIT);
    assert_int_equal(judge(&bench, bytes, size - 1, DRAWN_AFTER + 1, 1), WEFT_PROTOCOL);
    drawn_end(&bench);
}

static void codec_survives_every_change_of_one_byte(void **state) {
    (void)state;
    uint32_t refused = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct drawn_bench bench;
        struct drawn drawn;
        const struct bytes packed = draw_small(&bench, 5000000 + seed, &drawn);
        uint8_t *data = (uint8_t *)(uintptr_t)packed.data;
        for (size_t i = 0; i < packed.size; i++) {
            for (unsigned other = 1; other < 256; other++) {
                data[i] ^= (uint8_t)other;
                refused += judge(&bench, data, packed.size, drawn.upto, drawn.columns) != WEFT_OK;
                data[i] ^= (uint8_t)other;
            }
        }
        drawn_end(&bench);
    }
    assert_true(refused > 1000);
}

static void codec_survives_chance(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 6000000);
    for (uint32_t i = 0; i < 40000; i++) {
        uint8_t data[64];
        const size_t size = rng_below(&bench.rng, sizeof data + 1);
        rng_fill(&bench.rng, data, size);
        for (size_t b = 0; rng_chance(&bench.rng, 700) && b < size; b++)
            data[b] &= 0x0f; /* small numbers get further */
        judge(&bench, data, size, DRAWN_AFTER + 5000, 1 + (uint32_t)rng_below(&bench.rng, 4));
    }
    drawn_end(&bench);
}

static void codec_refuses_versions_outside_of_the_interval(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    const struct weft_value values[] = {weft_null(), weft_null()};
    const uint8_t same_twice[] = {0x02, 0x00, 0x00, 0x02, 0x00, 0x00};
    const uint8_t zero[] = {0x01, 0x00, 0x01, 0x00, 0x00};
    drawn_begin(&bench, 1);
    drawn_through(&bench, values, 2, &packed);
    assert_int_equal(judge(&bench, packed.data, packed.size, DRAWN_AFTER + 2, 1), WEFT_OK);
    assert_int_equal(judge(&bench, packed.data, packed.size, DRAWN_AFTER + 1, 1), WEFT_PROTOCOL);
    assert_int_equal(judge(&bench, packed.data, packed.size, DRAWN_AFTER - 1, 1), WEFT_PROTOCOL);
    assert_int_equal(judge(&bench, same_twice, sizeof same_twice, DRAWN_AFTER + 9, 1),
                     WEFT_PROTOCOL);
    assert_int_equal(judge(&bench, zero, sizeof zero, DRAWN_AFTER + 9, 1), WEFT_PROTOCOL);
    drawn_end(&bench);
}

static void codec_refuses_bits_of_rows_past_the_last(void **state) {
    (void)state;
    uint8_t deletes[] = {0x03, 0x01, 0x04, 0x03, 0x02, 0x02, 0x00, 0x00};
    uint8_t present[] = {0x03, 0x00, 0x03, 0x02, 0x02, 0x00, 0x09, 0x04, 0x01, 0x02};
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    const uint64_t upto = DRAWN_AFTER + 3;
    assert_int_equal(judge(&bench, deletes, sizeof deletes, upto, 1), WEFT_OK);
    assert_int_equal(judge(&bench, present, sizeof present, upto, 1), WEFT_OK);
    deletes[2] |= 0x08;
    present[7] |= 0x80;
    assert_int_equal(judge(&bench, deletes, sizeof deletes, upto, 1), WEFT_PROTOCOL);
    assert_int_equal(judge(&bench, present, sizeof present, upto, 1), WEFT_PROTOCOL);
    drawn_end(&bench);
}

static void codec_refuses_a_dictionary_of_more_strings_than_rows(void **state) {
    (void)state;
    /* TEXT; dictionary of two, plain, of one byte each; indexes: 0 */
    const uint8_t two[] = {0x01, 0x00, 0x01, 0x02, 0x03, 0x02, 0x02, 0x00,
                           0x00, 0x02, 0x00, 'a',  'b',  0x01, 0x00};
    uint8_t one[sizeof two - 1];
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    memcpy(one, two, 12);
    memcpy(one + 12, two + 13, 2);
    one[6] = 1;
    assert_int_equal(judge(&bench, one, sizeof one, DRAWN_AFTER + 1, 1), WEFT_OK);
    assert_int_equal(judge(&bench, two, sizeof two, DRAWN_AFTER + 1, 1), WEFT_PROTOCOL);
    drawn_end(&bench);
}

static void codec_refuses_more_rows_or_columns_than_its_limits(void **state) {
    (void)state;
    struct drawn_bench bench;
    uint8_t data[64] = {0};
    drawn_begin(&bench, 1);
    const size_t size = (size_t)(varint_put(data, LIMIT_ROWS + 1) - data);
    assert_int_equal(judge(&bench, data, size, DRAWN_AFTER + 5000, 1), WEFT_LIMIT);
    memset(data, 0, sizeof data);
    assert_int_equal(judge(&bench, data, 1, DRAWN_AFTER + 5000, LIMIT_COLUMNS + 1), WEFT_LIMIT);
    assert_int_equal(judge(&bench, data, 1, DRAWN_AFTER + 5000, LIMIT_COLUMNS), WEFT_OK);
    drawn_end(&bench);
}

/* 8 KiB of text, named by 4,096 rows: a batch of 8 KiB that would be written as 32 MiB. */
static void codec_refuses_a_dictionary_that_unfolds_too_far(void **state) {
    (void)state;
    struct drawn_bench bench;
    uint8_t data[9000], *at = data;
    drawn_begin(&bench, 1);
    at = varint_put(at, LIMIT_ROWS);
    memcpy(at, "\x00\x03\x02\x02\x00", 5); /* all PUT; versions in steps of 1 */
    at += 5;
    memcpy(at, "\x03\x02\x01\x00\x00", 5); /* TEXT; dictionary of one; plain; frame of sizes */
    at = varint_put(at + 5, varint_zigzag(8192));
    *at++ = 0;
    memset(at, 'x', 8192);
    at += 8192;
    memcpy(at, "\x00\x00\x00", 3); /* indexes: all 0 */
    at += 3;
    assert_int_equal(judge(&bench, data, (size_t)(at - data), DRAWN_AFTER + 5000, 1), WEFT_LIMIT);
    drawn_end(&bench);
}

static void codec_says_when_memory_ends(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct drawn drawn;
    drawn_begin(&bench, 7000000);
    do
        drawn_runs(&bench, 1000, &drawn);
    while (drawn.slice_count < 3 || drawn.columns < 3);
    uint32_t refused = 0;
    for (size_t held = 4096;; held += 16384) {
        struct pool *pool = pool_open(held, 0, NULL);
        struct arena arena;
        struct bytes packed;
        uint32_t count;
        Weft__Rows *back;
        arena_init(&arena, pool);
        enum weft_status status = codec_pack(drawn.slices, drawn.slice_count, DRAWN_AFTER,
                                             drawn.columns, &arena, &packed, &count);
        if (status == WEFT_OK)
            status =
                codec_unpack(packed, DRAWN_AFTER, drawn.upto, drawn.columns, &arena, &back, NULL);
        if (status == WEFT_OK) drawn_assert_same(&drawn, back);
        arena_drop(&arena);
        pool_close(pool);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_NO_MEMORY);
        refused++;
    }
    assert_true(refused > 3);
    drawn_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codec_refuses_every_truncation_and_extension),
        cmocka_unit_test(codec_refuses_a_batch_larger_than_a_message),
        cmocka_unit_test(codec_survives_every_change_of_one_byte),
        cmocka_unit_test(codec_survives_chance),
        cmocka_unit_test(codec_refuses_versions_outside_of_the_interval),
        cmocka_unit_test(codec_refuses_bits_of_rows_past_the_last),
        cmocka_unit_test(codec_refuses_a_dictionary_of_more_strings_than_rows),
        cmocka_unit_test(codec_refuses_more_rows_or_columns_than_its_limits),
        cmocka_unit_test(codec_refuses_a_dictionary_that_unfolds_too_far),
        cmocka_unit_test(codec_says_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
