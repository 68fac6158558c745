/* Batches that are packed and unpacked while memory runs out, at each block of an arena in turn:
 * whoever asked for it is told, and the same done again ends as if nothing had been wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/lib/drawn.h"
#include "tests/lib/scarce.h"

/* A column of numbers and of texts by turns, beside slices that tell little of what it takes: long
 * texts lie in the rows that are sent, and none in the others. */
static void draw_mixed(struct drawn_bench *bench, struct drawn *drawn) {
    struct rows_builder builder;
    const uint32_t count = 2 + (uint32_t)rng_below(&bench->rng, 12);
    const uint32_t columns = 1 + (uint32_t)rng_below(&bench->rng, 6);
    *drawn = (struct drawn){.slice_count = 1, .columns = columns, .upto = DRAWN_AFTER + 2u * count};
    assert_int_equal(rows_begin(&builder, &bench->arena, 1, columns), WEFT_OK);
    for (uint32_t i = 0; i < 2 * count; i++) {
        assert_int_equal(rows_add(&builder, ROW_PUT, DRAWN_AFTER + 1 + i), WEFT_OK);
        for (uint32_t c = 0; c < columns && i < count; c++) {
            const struct weft_value text =
                drawn_value(bench, WEFT_TEXT, (size_t)rng_below(&bench->rng, 40));
            const struct weft_value number = weft_integer((int64_t)rng_u64(&bench->rng));
            assert_int_equal(rows_cell(&builder, c, rng_chance(&bench->rng, 500) ? &text : &number),
                             WEFT_OK);
        }
    }
    drawn->slices[0] = (struct rows_slice){builder.rows, 0, count};
}

static enum weft_status pack(const struct drawn *drawn, struct arena *arena, struct bytes *out) {
    uint32_t count = 0;
    return codec_pack(drawn->slices, drawn->slice_count, DRAWN_AFTER, drawn->columns, arena, out,
                      &count);
}

/* The `call`th block is refused; false when there are not so many. */
static bool packs_without(struct drawn_bench *bench, const struct drawn *drawn, uint64_t call,
                          struct bytes wanted) {
    struct arena arena;
    struct bytes packed = {NULL, 0};
    arena_init(&arena, bench->pool);
    scarce_begin(SCARCE_ARENA, call);
    const enum weft_status status = pack(drawn, &arena, &packed);
    const bool struck = scarce_end();
    assert_int_equal(status, struck ? WEFT_NO_MEMORY : WEFT_OK);
    if (!struck) {
        assert_int_equal(packed.size, wanted.size);
        assert_memory_equal(packed.data, wanted.data, wanted.size);
    }
    arena_drop(&arena);
    return struck;
}

static bool unpacks_without(struct drawn_bench *bench, const struct drawn *drawn, uint64_t call,
                            struct bytes packed) {
    struct arena arena;
    struct weft_error why = {0};
    Weft__Rows *back = NULL;
    arena_init(&arena, bench->pool);
    scarce_begin(SCARCE_ARENA, call);
    const enum weft_status status =
        codec_unpack(packed, DRAWN_AFTER, drawn->upto, drawn->columns, &arena, &back, &why);
    const bool struck = scarce_end();
    assert_int_equal(status, struck ? WEFT_NO_MEMORY : WEFT_OK);
    if (!struck) drawn_assert_same(drawn, back);
    arena_drop(&arena);
    return struck;
}

static void fails_at_every_block(struct drawn_bench *bench, const struct drawn *drawn) {
    struct bytes packed = {NULL, 0};
    unsigned failures = 0;
    assert_int_equal(pack(drawn, &bench->arena, &packed), WEFT_OK);
    for (uint64_t call = 1; packs_without(bench, drawn, call, packed); call++)
        failures++;
    assert_true(failures > 0);
    for (uint64_t call = 1; unpacks_without(bench, drawn, call, packed); call++)
        failures++;
}

static void a_batch_without_memory_is_told(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct drawn_bench bench;
        struct drawn drawn;
        drawn_begin(&bench, 8000000 + seed);
        drawn_runs(&bench, 12, &drawn);
        fails_at_every_block(&bench, &drawn);
        drawn_end(&bench);
    }
}

/* What it takes is guessed from the whole runs, and is more: the block that holds it grows. */
static void a_batch_that_outgrows_its_block_without_memory_is_told(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct drawn_bench bench;
        struct drawn drawn;
        drawn_begin(&bench, 9000000 + seed);
        draw_mixed(&bench, &drawn);
        fails_at_every_block(&bench, &drawn);
        drawn_end(&bench);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_without_memory_is_told),
        cmocka_unit_test(a_batch_that_outgrows_its_block_without_memory_is_told),
    };
    return cmocka_run_group_tests_name("batches without memory", tests, NULL, NULL);
}
