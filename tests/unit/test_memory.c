/* When the system has no memory: what was set aside is lent, so that a step can be ended in order,
 * and what fails in the simulator is what was asked to. All of an engine: weft_memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/base/arena.h"
#include "engine/crdt/vector.h"
#include "tests/sim/memory.h"

#define RESERVE ((size_t)256 << 10)

static const char us[] = "us", them[] = "them";

static void only_the_allocation_that_was_named_fails(void **state) {
    (void)state;
    void *volatile block = NULL; /* Or a compiler may leave out a block that is only freed. */
    memory_fail(us, 2, false);
    assert_true(memory_ails(us) && !memory_ails(them));
    for (int i = 1; i <= 4; i++) {
        (void)memory_at_work(i == 1 ? them : us);
        block = calloc(1, 16);
        (void)memory_at_work(NULL);
        assert_true((block == NULL) == (i == 3));
        free(block);
    }
    assert_true(memory_failed(us) && !memory_ails(us) && !memory_failed(them));
    memory_mend(us);
    assert_false(memory_failed(us));
}

static void a_starving_pool_lends_what_was_set_aside(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, 0, NULL);
    struct arena arena;
    assert_true(pool_reserve(pool, RESERVE));
    arena_init(&arena, pool);
    memory_fail(us, 1, true);
    (void)memory_at_work(us);
    for (int again = 0; again < 3; again++) {
        uint8_t *first = arena_take(&arena, 1000), *second = arena_take(&arena, 50000);
        assert_non_null(first);
        assert_non_null(second);
        memset(first, 1, 1000);
        memset(second, 2, 50000);
        assert_int_equal(first[999], 1);
        assert_null(arena_take(&arena, RESERVE));
        arena_drop(&arena);
    }
    (void)memory_at_work(NULL);
    memory_mend(us);
    assert_true(pool_starved(pool));
    assert_int_equal(pool_held(pool), 0);
    pool_close(pool);
}

static void a_block_too_large_for_the_reserve_is_refused_and_starves_nobody(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, 0, NULL);
    struct arena arena;
    assert_true(pool_reserve(pool, RESERVE));
    arena_init(&arena, pool);
    memory_fail(us, 1, false);
    (void)memory_at_work(us);
    assert_null(arena_take(&arena, 2 * RESERVE));
    assert_non_null(arena_take(&arena, 2 * RESERVE));
    (void)memory_at_work(NULL);
    memory_mend(us);
    assert_false(pool_starved(pool));
    arena_drop(&arena);
    pool_close(pool);
}

static void what_was_lent_outlives_the_pool_that_lent_it(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, 0, NULL);
    struct arena arena;
    assert_true(pool_reserve(pool, RESERVE));
    arena_init(&arena, pool);
    memory_fail(us, 1, true);
    (void)memory_at_work(us);
    uint8_t *block = arena_take(&arena, 3000);
    (void)memory_at_work(NULL);
    memory_mend(us);
    assert_non_null(block);
    pool_close(pool);
    memset(block, 7, 3000);
    arena_drop(&arena);
}

static void a_merge_for_which_there_is_room_cannot_fail(void **state) {
    (void)state;
    struct vector into, from;
    vector_init(&into);
    vector_init(&from);
    for (uint32_t i = 1; i <= 40; i++) {
        struct stream stream = {.model = i};
        assert_int_equal(vector_advance(&from, &stream, i, NULL), WEFT_OK);
    }
    memory_fail(us, 1, true);
    (void)memory_at_work(us);
    const enum weft_status without = vector_make_room(&into, &from);
    (void)memory_at_work(NULL);
    assert_int_equal(without, WEFT_NO_MEMORY);
    assert_int_equal(vector_make_room(&into, &from), WEFT_OK);
    (void)memory_at_work(us);
    assert_int_equal(vector_merge(&into, &from), WEFT_OK);
    (void)memory_at_work(NULL);
    memory_mend(us);
    assert_int_equal(into.count, 40);
    vector_free(&into);
    vector_free(&from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_allocation_that_was_named_fails),
        cmocka_unit_test(a_starving_pool_lends_what_was_set_aside),
        cmocka_unit_test(a_block_too_large_for_the_reserve_is_refused_and_starves_nobody),
        cmocka_unit_test(what_was_lent_outlives_the_pool_that_lent_it),
        cmocka_unit_test(a_merge_for_which_there_is_room_cannot_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
