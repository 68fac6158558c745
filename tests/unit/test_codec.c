/* The columnar batch: what is packed comes back, to the bit, and in few bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "engine/base/limits.h"
#include "tests/lib/drawn.h"

static void round_trips(uint64_t seed, uint32_t cases, uint32_t rows_max) {
    for (uint32_t i = 0; i < cases; i++) {
        struct drawn_bench bench;
        struct drawn drawn;
        struct bytes packed;
        uint32_t count;
        Weft__Rows *back;
        struct weft_error why = {0};
        drawn_begin(&bench, seed + i);
        drawn_runs(&bench, rows_max, &drawn);
        assert_int_equal(codec_pack(drawn.slices, drawn.slice_count, DRAWN_AFTER, drawn.columns,
                                    &bench.arena, &packed, &count),
                         WEFT_OK);
        const struct bytes copy = drawn_exact(packed.data, packed.size);
        assert_int_equal(
            codec_unpack(copy, DRAWN_AFTER, drawn.upto, drawn.columns, &bench.arena, &back, &why),
            WEFT_OK);
        drawn_exact_free(copy);
        assert_int_equal(back->count, count);
        assert_true(back->after == DRAWN_AFTER && back->upto == drawn.upto);
        assert_true(rows_valid(back, drawn.columns));
        drawn_assert_same(&drawn, back);
        drawn_end(&bench);
    }
}

/* ---- what comes back ------------------------------------------------------------------------- */

static void codec_returns_the_rows_of_small_batches(void **state) {
    (void)state;
    round_trips(1000000, 6000, 12);
}

static void codec_returns_the_rows_of_middling_batches(void **state) {
    (void)state;
    round_trips(2000000, 600, 200);
}

static void codec_returns_the_rows_of_large_batches(void **state) {
    (void)state;
    round_trips(3000000, 40, LIMIT_ROWS / DRAWN_RUNS_MAX);
}

static void codec_keeps_extreme_integers(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    const struct weft_value values[] = {weft_integer(INT64_MAX), weft_integer(INT64_MIN),
                                        weft_integer(INT64_MAX), weft_integer(0),
                                        weft_integer(-1),        weft_integer(INT64_MIN)};
    drawn_begin(&bench, 1);
    const Weft__Rows *back = drawn_through(&bench, values, 6, &packed);
    assert_true(rows_value(back, 1, 0).as.integer == INT64_MIN);
    drawn_end(&bench);
}

static void codec_keeps_the_bits_of_reals(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    struct weft_value values[] = {weft_real(-0.0), weft_real(0.0), weft_real(NAN), weft_real(NAN),
                                  weft_real(5e-324)};
    const uint64_t signalling = 0xfff4000000000123u;
    memcpy(&values[3].as.real, &signalling, sizeof signalling);
    drawn_begin(&bench, 1);
    const Weft__Rows *back = drawn_through(&bench, values, 5, &packed);
    assert_true(signbit(rows_value(back, 0, 0).as.real));
    assert_false(signbit(rows_value(back, 1, 0).as.real));
    drawn_end(&bench);
}

static void codec_tells_empty_text_empty_blob_and_null_apart(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    const struct weft_value values[] = {weft_text("", 0), weft_null(), weft_blob("", 0),
                                        weft_text("", 0)};
    drawn_begin(&bench, 1);
    const Weft__Rows *back = drawn_through(&bench, values, 4, &packed);
    assert_int_equal(rows_value(back, 0, 0).type, WEFT_TEXT);
    assert_int_equal(rows_value(back, 1, 0).type, WEFT_NULL);
    assert_int_equal(rows_value(back, 2, 0).type, WEFT_BLOB);
    assert_int_equal(rows_value(back, 3, 0).size, 0);
    drawn_end(&bench);
}

static void codec_takes_no_bytes_for_no_rows(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    uint32_t count;
    Weft__Rows *back;
    drawn_begin(&bench, 1);
    assert_int_equal(codec_pack(NULL, 0, 7, 3, &bench.arena, &packed, &count), WEFT_OK);
    assert_int_equal(count, 0);
    assert_int_equal(packed.size, 1);
    const struct bytes forms[] = {packed, {NULL, 0}};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(codec_unpack(forms[i], 7, 7, 3, &bench.arena, &back, NULL), WEFT_OK);
        assert_int_equal(back->count, 0);
        assert_true(rows_valid(back, 3));
    }
    drawn_end(&bench);
}

/* ---- what it takes --------------------------------------------------------------------------- */

static void codec_says_a_repeated_reference_once(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    static struct weft_value values[2000];
    drawn_begin(&bench, 1);
    for (size_t i = 0; i < 2000; i++)
        values[i] = weft_blob("sixteen bytes id", 16);
    drawn_through(&bench, values, 2000, &packed);
    assert_in_range(packed.size, 16, 48);
    drawn_end(&bench);
}

static void codec_packs_the_time_of_ids_away(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    static struct weft_value values[2000];
    drawn_begin(&bench, 1);
    for (size_t i = 0; i < 2000; i++) {
        values[i] = drawn_value(&bench, WEFT_BLOB, 16);
        memcpy((uint8_t *)(uintptr_t)values[i].as.bytes, "\x01\x8f\x3a\x00\xff\x10\x7b", 7);
    }
    drawn_through(&bench, values, 2000, &packed);
    assert_in_range(packed.size, 9 * 2000, 9 * 2000 + 64);
    drawn_end(&bench);
}

/* The example of docs/protocol.md, byte for byte. */
static void codec_writes_the_bytes_of_the_document(void **state) {
    (void)state;
    static const uint8_t document[] = {
        0x03,                                        /* three rows */
        0x01, 0x04,                                  /* the third is a delete */
        0x00, 0x02, 0x02, 0x24,                      /* versions: a frame from 1, two bits each */
        0x03, 0x00, 0x00, 0x02, 0x00, 'a', 'b', 'c', /* column 0: texts of one byte */
        0x09, 0x03, 0x01, 0x0a, 0x0c,                /* column 1: 5 and 6, then NULL */
    };
    struct drawn_bench bench;
    struct rows_builder builder;
    struct bytes packed;
    uint32_t count;
    drawn_begin(&bench, 1);
    assert_int_equal(rows_begin(&builder, &bench.arena, 1, 2), WEFT_OK);
    for (uint32_t i = 0; i < 3; i++) {
        const struct weft_value key = weft_text(&"abc"[i], 1), value = weft_integer(5 + i);
        assert_int_equal(rows_add(&builder, i == 2 ? ROW_DELETE : ROW_PUT, DRAWN_AFTER + 1 + i),
                         WEFT_OK);
        assert_int_equal(rows_cell(&builder, 0, &key), WEFT_OK);
        if (i < 2) assert_int_equal(rows_cell(&builder, 1, &value), WEFT_OK);
    }
    const struct rows_slice slice = {builder.rows, 0, 3};
    assert_int_equal(codec_pack(&slice, 1, DRAWN_AFTER, 2, &bench.arena, &packed, &count), WEFT_OK);
    assert_int_equal(packed.size, sizeof document);
    assert_memory_equal(packed.data, document, sizeof document);
    drawn_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codec_returns_the_rows_of_small_batches),
        cmocka_unit_test(codec_returns_the_rows_of_middling_batches),
        cmocka_unit_test(codec_returns_the_rows_of_large_batches),
        cmocka_unit_test(codec_keeps_extreme_integers),
        cmocka_unit_test(codec_keeps_the_bits_of_reals),
        cmocka_unit_test(codec_tells_empty_text_empty_blob_and_null_apart),
        cmocka_unit_test(codec_takes_no_bytes_for_no_rows),
        cmocka_unit_test(codec_says_a_repeated_reference_once),
        cmocka_unit_test(codec_packs_the_time_of_ids_away),
        cmocka_unit_test(codec_writes_the_bytes_of_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
