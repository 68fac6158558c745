/* Memory runs out at every allocation in what is pure but for memory: the batch's codec, version
 * vectors. What fails says so, and leaves what was there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/crdt/vector.h"
#include "engine/wire/zip.h"
#include "tests/lib/drawn.h"
#include "tests/lib/scarce.h"

static void a_batch_is_packed_whole_or_not_at_all(void **state) {
    (void)state;
    uint64_t failures = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct drawn_bench bench;
        struct drawn drawn;
        struct bytes packed;
        uint32_t count;
        drawn_begin(&bench, seed);
        drawn_runs(&bench, 300, &drawn);
        for (uint64_t at = 1;; at = scarce_struck() + 1) {
            scarce_begin(SCARCE_ARENA, at);
            const enum weft_status status =
                codec_pack(drawn.slices, drawn.slice_count, DRAWN_AFTER, drawn.columns,
                           &bench.arena, &packed, &count);
            const bool struck = scarce_end();
            assert_int_equal(status, struck ? WEFT_NO_MEMORY : WEFT_OK);
            if (!struck) break;
            failures++;
        }
        drawn_end(&bench);
    }
    assert_true(failures > 100);
}

static void no_rows_are_packed_only_where_there_is_room(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct bytes packed;
    uint32_t count;
    drawn_begin(&bench, 1);
    scarce_begin(SCARCE_ARENA, 1);
    assert_int_equal(codec_pack(NULL, 0, DRAWN_AFTER, 3, &bench.arena, &packed, &count),
                     WEFT_NO_MEMORY);
    assert_true(scarce_end());
    drawn_end(&bench);
}

static void a_batch_is_unpacked_whole_or_not_at_all(void **state) {
    (void)state;
    uint64_t failures = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct drawn_bench bench;
        struct drawn drawn;
        struct bytes packed;
        uint32_t count;
        Weft__Rows *back = NULL;
        drawn_begin(&bench, seed);
        drawn_runs(&bench, 40, &drawn);
        assert_int_equal(codec_pack(drawn.slices, drawn.slice_count, DRAWN_AFTER, drawn.columns,
                                    &bench.arena, &packed, &count),
                         WEFT_OK);
        for (uint64_t at = 1;; at = scarce_struck() + 1) {
            scarce_begin(SCARCE_ARENA, at);
            const enum weft_status status = codec_unpack(packed, DRAWN_AFTER, drawn.upto,
                                                         drawn.columns, &bench.arena, &back, NULL);
            const bool struck = scarce_end();
            assert_int_equal(status, struck ? WEFT_NO_MEMORY : WEFT_OK);
            if (!struck) break;
            assert_null(back);
            failures++;
        }
        drawn_assert_same(&drawn, back);
        drawn_end(&bench);
    }
    assert_true(failures > 100);
}

static struct stream stream_of(uint32_t number) {
    struct stream stream = {.model = 1};
    memcpy(stream.owner.bytes, &number, sizeof number);
    return stream;
}

static void a_vector_that_cannot_grow_stays_as_it_was(void **state) {
    (void)state;
    struct vector vector, other;
    vector_init(&vector);
    vector_init(&other);
    uint32_t number = 0;
    for (; number == 0 || number < vector.capacity; number++) {
        const struct stream stream = stream_of(number);
        assert_int_equal(vector_set(&vector, &stream, 1 + number), WEFT_OK);
    }
    const struct stream next = stream_of(number);
    assert_int_equal(vector_set(&other, &next, 7), WEFT_OK);
    enum weft_status statuses[3];
    for (int way = 0; way < 3; way++) {
        scarce_begin(SCARCE_HEAP, 1);
        statuses[way] = way == 0   ? vector_set(&vector, &next, 7)
                        : way == 1 ? vector_advance(&vector, &next, 7, NULL)
                                   : vector_merge(&vector, &other);
        assert_true(scarce_end());
        assert_int_equal(statuses[way], WEFT_NO_MEMORY);
        assert_int_equal(vector.count, number);
        assert_int_equal(vector_get(&vector, &next), 0);
    }
    assert_int_equal(vector_merge(&vector, &other), WEFT_OK);
    assert_int_equal(vector_get(&vector, &next), 7);
    vector_free(&vector);
    vector_free(&other);
}

static void a_message_is_compressed_or_its_sender_learns_that_it_cannot_be(void **state) {
    (void)state;
    static uint8_t raw[4 * LIMIT_COMPRESS_MIN];
    struct pool *pool = pool_open(0, 0, NULL);
    struct arena arena;
    struct bytes packed, back;
    uint32_t raw_size;
    arena_init(&arena, pool);
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i % 20 == 0 ? i / 20 : 0);
    scarce_begin(SCARCE_HEAP, 1);
    assert_null(zip_open(1));
    assert_true(scarce_end());
    struct zip *zip = zip_open(1);
    assert_non_null(zip);
    scarce_begin(SCARCE_HEAP, 1);
    assert_int_equal(zip_pack(zip, (struct bytes){raw, sizeof raw}, &arena, &packed, &raw_size),
                     WEFT_NO_MEMORY);
    assert_true(scarce_end());
    assert_int_equal(zip_pack(zip, (struct bytes){raw, sizeof raw}, &arena, &packed, &raw_size),
                     WEFT_OK);
    assert_int_equal(zip_unpack(zip, packed, raw_size, &arena, &back, NULL), WEFT_OK);
    assert_int_equal(back.size, sizeof raw);
    assert_memory_equal(back.data, raw, sizeof raw);
    zip_close(zip);
    zip_close(NULL);
    arena_drop(&arena);
    pool_close(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_packed_whole_or_not_at_all),
        cmocka_unit_test(no_rows_are_packed_only_where_there_is_room),
        cmocka_unit_test(a_batch_is_unpacked_whole_or_not_at_all),
        cmocka_unit_test(a_vector_that_cannot_grow_stays_as_it_was),
        cmocka_unit_test(a_message_is_compressed_or_its_sender_learns_that_it_cannot_be),
    };
    return cmocka_run_group_tests_name("memory that runs out", tests, NULL, NULL);
}
