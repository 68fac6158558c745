/* zstd for whole messages: what is worth it is compressed and comes back; what does not keep the
 * bounds is refused before memory is taken for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "engine/base/limits.h"
#include "engine/wire/zip.h"
#include "tests/sim/rng.h"

struct bench {
    struct pool *pool;
    struct arena arena;
    struct zip *zip;
    struct rng rng;
};

static void bench_begin(struct bench *bench, int level) {
    bench->pool = pool_open(0, 0, NULL);
    assert_non_null(bench->pool);
    arena_init(&bench->arena, bench->pool);
    bench->zip = zip_open(level);
    assert_non_null(bench->zip);
    rng_seed(&bench->rng, 1, 0);
}

static void bench_end(struct bench *bench) {
    zip_close(bench->zip);
    arena_drop(&bench->arena);
    pool_close(bench->pool);
}

/* Bytes of which every `period`th is drawn: the greater the period, the better they pack. */
static struct bytes draw(struct bench *bench, size_t size, size_t period) {
    uint8_t *data = arena_zero(&bench->arena, size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i += period)
        data[i] = (uint8_t)rng_u64(&bench->rng);
    return (struct bytes){data, size};
}

static enum weft_status unpack(struct bench *bench, struct bytes packed, uint32_t raw_size,
                               struct bytes *out) {
    /* An allocation that ends where the bytes end, so that reading past them is seen. */
    uint8_t *exact = malloc(packed.size + (packed.size == 0));
    struct weft_error why = {0};
    assert_non_null(exact);
    if (packed.size != 0) memcpy(exact, packed.data, packed.size);
    const enum weft_status status = zip_unpack(bench->zip, (struct bytes){exact, packed.size},
                                               raw_size, &bench->arena, out, &why);
    free(exact);
    if (status != WEFT_OK) assert_non_null(strstr(why.text, "the sender"));
    return status;
}

static void zip_returns_what_it_packed(void **state) {
    (void)state;
    static const int levels[] = {-5, 1, 19};
    static const size_t sizes[] = {
        512, 513, 4096, 100000, LIMIT_MESSAGE_WIRE + 1, LIMIT_MESSAGE_RAW};
    for (unsigned l = 0; l < 3; l++) {
        struct bench bench;
        bench_begin(&bench, levels[l]);
        for (unsigned s = 0; s < 6; s++) {
            const struct bytes raw = draw(&bench, sizes[s], 20);
            struct bytes packed, back;
            uint32_t raw_size;
            assert_int_equal(zip_pack(bench.zip, raw, &bench.arena, &packed, &raw_size), WEFT_OK);
            assert_int_equal(raw_size, raw.size);
            assert_true(packed.size < raw.size);
            assert_int_equal(unpack(&bench, packed, raw_size, &back), WEFT_OK);
            assert_int_equal(back.size, raw.size);
            assert_memory_equal(back.data, raw.data, raw.size);
        }
        bench_end(&bench);
    }
}

static void assert_travels_as_it_is(struct bench *bench, struct bytes raw) {
    struct bytes packed;
    uint32_t raw_size = 1;
    assert_int_equal(zip_pack(bench->zip, raw, &bench->arena, &packed, &raw_size), WEFT_OK);
    assert_int_equal(raw_size, 0);
    assert_ptr_equal(packed.data, raw.data);
    assert_int_equal(packed.size, raw.size);
}

static void zip_leaves_small_messages_as_they_are(void **state) {
    (void)state;
    struct bench bench;
    bench_begin(&bench, -5);
    assert_travels_as_it_is(&bench, draw(&bench, LIMIT_COMPRESS_MIN - 1, 20));
    assert_travels_as_it_is(&bench, (struct bytes){NULL, 0});
    bench_end(&bench);
}

static void zip_leaves_chance_as_it_is(void **state) {
    (void)state;
    struct bench bench;
    bench_begin(&bench, 1);
    assert_travels_as_it_is(&bench, draw(&bench, 100000, 1));
    bench_end(&bench);
}

/* A receiver refuses them, so a sender must not make them. */
static void zip_leaves_what_packs_too_well_as_it_is(void **state) {
    (void)state;
    struct bench bench;
    bench_begin(&bench, 1);
    assert_travels_as_it_is(&bench, draw(&bench, 1000000, 1000000));
    bench_end(&bench);
}

static struct bytes squeeze(struct bench *bench, struct bytes raw, int level, int window_log,
                            int content_size) {
    const size_t room = ZSTD_compressBound(raw.size);
    uint8_t *data = arena_take(&bench->arena, room);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_true(data != NULL && context != NULL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (window_log != 0) ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, content_size);
    const size_t size = ZSTD_compress2(context, data, room, raw.data, raw.size);
    ZSTD_freeCCtx(context);
    assert_false(ZSTD_isError(size));
    return (struct bytes){data, size};
}

static void zip_refuses_a_ratio_bomb(void **state) {
    (void)state;
    struct bench bench;
    struct bytes back;
    bench_begin(&bench, 1);
    const struct bytes bomb = squeeze(&bench, draw(&bench, LIMIT_MESSAGE_RAW, 1u << 22), 1, 20, 1);
    assert_true(bomb.size < 1024);
    const size_t held = pool_held(bench.pool);
    assert_int_equal(unpack(&bench, bomb, LIMIT_MESSAGE_RAW, &back), WEFT_PROTOCOL);
    /* A smaller claim passes the ratio, and is then found to be a lie. */
    assert_int_equal(unpack(&bench, bomb, (uint32_t)bomb.size * LIMIT_RATIO, &back), WEFT_PROTOCOL);
    assert_int_equal(pool_held(bench.pool), held);
    bench_end(&bench);
}

static void zip_refuses_any_other_size_than_the_one_named(void **state) {
    (void)state;
    struct bench bench;
    struct bytes packed, back;
    uint32_t raw_size;
    bench_begin(&bench, -5);
    assert_int_equal(zip_pack(bench.zip, draw(&bench, 5000, 20), &bench.arena, &packed, &raw_size),
                     WEFT_OK);
    assert_int_equal(unpack(&bench, packed, raw_size - 1, &back), WEFT_PROTOCOL);
    assert_int_equal(unpack(&bench, packed, raw_size + 1, &back), WEFT_PROTOCOL);
    assert_int_equal(unpack(&bench, packed, 0, &back), WEFT_PROTOCOL);
    assert_int_equal(unpack(&bench, packed, LIMIT_MESSAGE_RAW + 1, &back), WEFT_PROTOCOL);
    assert_int_equal(unpack(&bench, (struct bytes){NULL, 0}, 1, &back), WEFT_PROTOCOL);
    const struct bytes large = draw(&bench, LIMIT_MESSAGE_WIRE + 1, 20);
    assert_int_equal(unpack(&bench, large, 5000, &back), WEFT_PROTOCOL);
    assert_int_equal(unpack(&bench, packed, raw_size, &back), WEFT_OK);
    bench_end(&bench);
}

static void zip_refuses_frames_of_unknown_size(void **state) {
    (void)state;
    struct bench bench;
    struct bytes back;
    bench_begin(&bench, 1);
    const struct bytes raw = draw(&bench, LIMIT_MESSAGE_RAW, 20);
    const uint32_t size = (uint32_t)raw.size;
    assert_int_equal(unpack(&bench, squeeze(&bench, raw, 1, 20, 0), size, &back), WEFT_PROTOCOL);
    /* A larger window than 2^20 comes with the largest message only, and is that message itself. */
    assert_int_equal(unpack(&bench, squeeze(&bench, raw, 1, 21, 1), size, &back), WEFT_OK);
    assert_int_equal(unpack(&bench, squeeze(&bench, raw, 1, 20, 1), size, &back), WEFT_OK);
    bench_end(&bench);
}

static void zip_refuses_two_frames_or_a_frame_and_more(void **state) {
    (void)state;
    struct bench bench;
    struct bytes packed, back;
    uint32_t raw_size;
    bench_begin(&bench, -5);
    assert_int_equal(zip_pack(bench.zip, draw(&bench, 5000, 20), &bench.arena, &packed, &raw_size),
                     WEFT_OK);
    uint8_t *twice = arena_zero(&bench.arena, 2 * packed.size);
    memcpy(twice, packed.data, packed.size);
    assert_int_equal(unpack(&bench, (struct bytes){twice, packed.size + 1}, raw_size, &back),
                     WEFT_PROTOCOL);
    uint8_t *skippable = arena_zero(&bench.arena, packed.size + 8);
    memcpy(skippable, packed.data, packed.size);
    memcpy(skippable + packed.size, "\x50\x2a\x4d\x18", 4);
    assert_int_equal(unpack(&bench, (struct bytes){skippable, packed.size + 8}, raw_size, &back),
                     WEFT_PROTOCOL);
    memcpy(twice + packed.size, packed.data, packed.size);
    assert_int_equal(unpack(&bench, (struct bytes){twice, 2 * packed.size}, raw_size, &back),
                     WEFT_PROTOCOL);
    bench_end(&bench);
}

static void zip_refuses_every_truncation(void **state) {
    (void)state;
    struct bench bench;
    struct bytes packed, back;
    uint32_t raw_size;
    bench_begin(&bench, 1);
    assert_int_equal(zip_pack(bench.zip, draw(&bench, 3000, 20), &bench.arena, &packed, &raw_size),
                     WEFT_OK);
    for (size_t size = 0; size < packed.size; size++)
        assert_int_equal(unpack(&bench, (struct bytes){packed.data, size}, raw_size, &back),
                         WEFT_PROTOCOL);
    bench_end(&bench);
}

static void zip_survives_every_change_of_one_byte(void **state) {
    (void)state;
    struct bench bench;
    struct bytes packed, back;
    uint32_t raw_size, refused = 0;
    bench_begin(&bench, -5);
    assert_int_equal(zip_pack(bench.zip, draw(&bench, 600, 20), &bench.arena, &packed, &raw_size),
                     WEFT_OK);
    for (size_t i = 0; i < packed.size; i++) {
        for (unsigned other = 1; other < 256; other++) {
            struct bytes changed = packed;
            ((uint8_t *)(uintptr_t)changed.data)[i] ^= (uint8_t)other;
            const enum weft_status status = unpack(&bench, changed, raw_size, &back);
            ((uint8_t *)(uintptr_t)changed.data)[i] ^= (uint8_t)other;
            assert_true(status == WEFT_OK || status == WEFT_PROTOCOL);
            if (status == WEFT_OK) assert_int_equal(back.size, raw_size);
            refused += status != WEFT_OK;
        }
    }
    assert_true(refused > 1000);
    bench_end(&bench);
}

static void zip_says_when_memory_ends(void **state) {
    (void)state;
    struct bench bench;
    struct bytes packed, back;
    uint32_t raw_size;
    bench_begin(&bench, -5);
    const struct bytes raw = draw(&bench, 100000, 20);
    struct pool *small = pool_open(4096, 0, NULL);
    struct arena arena;
    arena_init(&arena, small);
    assert_int_equal(zip_pack(bench.zip, raw, &arena, &packed, &raw_size), WEFT_NO_MEMORY);
    assert_int_equal(zip_pack(bench.zip, raw, &bench.arena, &packed, &raw_size), WEFT_OK);
    assert_int_equal(zip_unpack(bench.zip, packed, raw_size, &arena, &back, NULL), WEFT_NO_MEMORY);
    arena_drop(&arena);
    pool_close(small);
    bench_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zip_returns_what_it_packed),
        cmocka_unit_test(zip_leaves_small_messages_as_they_are),
        cmocka_unit_test(zip_leaves_chance_as_it_is),
        cmocka_unit_test(zip_leaves_what_packs_too_well_as_it_is),
        cmocka_unit_test(zip_refuses_a_ratio_bomb),
        cmocka_unit_test(zip_refuses_any_other_size_than_the_one_named),
        cmocka_unit_test(zip_refuses_frames_of_unknown_size),
        cmocka_unit_test(zip_refuses_two_frames_or_a_frame_and_more),
        cmocka_unit_test(zip_refuses_every_truncation),
        cmocka_unit_test(zip_survives_every_change_of_one_byte),
        cmocka_unit_test(zip_says_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
