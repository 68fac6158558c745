/* Arenas and pools: alignment, growth, bounds, and chunks that find home from any thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "engine/base/arena.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#define IS_POISONED(address) __asan_address_is_poisoned(address)
#endif

#define SMALL 4096u
#define LARGE 65536u
#define KEEP (1u << 20)

static uint64_t random_next(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void arena_takes_nothing_until_asked(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    assert_int_equal(arena.bytes, 0);
    assert_int_equal(pool_held(pool), 0);
    arena_drop(&arena);
    assert_int_equal(pool_held(pool), 0);
    pool_close(pool);
}

static void arena_begins_small_and_goes_on_large(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    assert_non_null(arena_take(&arena, 100));
    assert_int_equal(arena.bytes, SMALL);
    assert_non_null(arena_take(&arena, SMALL));
    assert_int_equal(arena.bytes, SMALL + LARGE);
    assert_int_equal(pool_held(pool), SMALL + LARGE);
    arena_drop(&arena);
    assert_int_equal(pool_held(pool), 0);
    assert_int_equal(arena.bytes, 0);
    /* What no small chunk can hold begins large. */
    assert_non_null(arena_take(&arena, SMALL));
    assert_int_equal(arena.bytes, LARGE);
    arena_drop(&arena);
    pool_close(pool);
}

static void arena_block_beyond_a_large_chunk_has_its_own_and_wastes_no_room(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    uint8_t *before = arena_take(&arena, 16);
    uint8_t *huge = arena_zero(&arena, 1000000);
    uint8_t *after = arena_take(&arena, 16);
    assert_non_null(huge);
    assert_ptr_equal(after, before + 16);
    assert_in_range(arena.bytes, SMALL + 1000000, SMALL + 1000000 + 64);
    assert_int_equal(huge[0], 0);
    assert_int_equal(huge[999999], 0);
    /* With older chunks behind: none is lost when the arena goes. */
    assert_non_null(arena_take(&arena, 5000));
    assert_non_null(arena_take(&arena, 1000000));
    arena_drop(&arena);
    assert_int_equal(pool_held(pool), 0);

    /* As the first block of an arena, too. */
    assert_non_null(arena_take(&arena, 1000000));
    assert_non_null(arena_take(&arena, 16));
    assert_in_range(arena.bytes, LARGE + 1000000, LARGE + 1000000 + 64);
    arena_drop(&arena);
    pool_close(pool);
}

static void arena_blocks_are_aligned_apart_and_keep_their_bytes(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    enum { BLOCKS = 3000 };
    static uint8_t *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint64_t seed = 1;
    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = (size_t)(random_next(&seed) % (i % 100 == 0 ? 100000 : 200));
        blocks[i] = arena_take(&arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t at = 0; at < sizes[i]; at++) {
            assert_int_equal(blocks[i][at], i % 251);
        }
    }
    arena_drop(&arena);
    pool_close(pool);
}

static void arena_empty_blocks_have_addresses_of_their_own(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    void *first = arena_take(&arena, 0);
    void *second = arena_take(&arena, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    arena_drop(&arena);
    pool_close(pool);
}

static void arena_zero_clears_a_block_that_was_used_before(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    uint8_t *used = arena_take(&arena, 256);
    memset(used, 0xEE, 256);
    arena_drop(&arena);
    uint8_t *clear = arena_zero(&arena, 256);
    assert_ptr_equal(clear, used); /* the same chunk again, or this test shows nothing */
    for (size_t i = 0; i < 256; i++) {
        assert_int_equal(clear[i], 0);
    }
    arena_drop(&arena);
    pool_close(pool);
}

static void arena_grow_stays_in_place_while_newest_and_copies_after(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    char *block = arena_take(&arena, 10);
    memcpy(block, "0123456789", 10);
    assert_ptr_equal(arena_grow(&arena, block, 10, 1000), block);
    assert_ptr_equal(arena_grow(&arena, block, 1000, 500), block); /* never shrinks */
    memset(block + 10, 'x', 990);
    char *other = arena_take(&arena, 1);
    assert_true(other >= block + 1000);

    char *moved = arena_grow(&arena, block, 1000, 2000);
    assert_non_null(moved);
    assert_ptr_not_equal(moved, block);
    assert_memory_equal(moved, "0123456789xxx", 13);
    assert_int_equal(moved[999], 'x');

    /* Newest, but more than is left of its chunk. */
    char *far = arena_grow(&arena, moved, 2000, 200000);
    assert_non_null(far);
    assert_memory_equal(far, moved, 1000);
    assert_non_null(arena_grow(&arena, NULL, 0, 32));
    arena_drop(&arena);
    pool_close(pool);
}

static void arena_refuses_a_size_that_cannot_be(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take(&arena, SIZE_MAX / 2 + 1));
    void *block = arena_take(&arena, 16);
    assert_null(arena_grow(&arena, block, 16, SIZE_MAX));
    assert_int_equal(arena.bytes, SMALL);
    arena_drop(&arena);
    pool_close(pool);
}

static void pool_bound_is_never_passed_and_room_comes_back(void **state) {
    (void)state;
    struct pool *pool = pool_open(SMALL + LARGE, KEEP, NULL);
    struct arena one;
    struct arena two;
    arena_init(&one, pool);
    arena_init(&two, pool);
    assert_non_null(arena_take(&one, 4000));
    assert_non_null(arena_take(&one, 4000));
    assert_int_equal(pool_held(pool), SMALL + LARGE);
    assert_null(arena_take(&two, 1));
    assert_null(arena_take(&one, LARGE));
    assert_int_equal(pool_held(pool), SMALL + LARGE);
    assert_int_equal(two.bytes, 0);
    /* What is refused changes nothing: the arena still has the room it had. */
    assert_non_null(arena_take(&one, 50000));
    arena_drop(&one);
    assert_non_null(arena_take(&two, 1));
    arena_drop(&two);
    pool_close(pool);
}

static void pool_keeps_chunks_up_to_its_bound_and_frees_the_rest(void **state) {
    (void)state;
    const size_t keeps[] = {0, SMALL - 1, SMALL, 3 * SMALL, 3 * SMALL + LARGE, 1u << 30};
    const size_t kept_max = 8 * (SMALL + LARGE); /* never the chunks made for one huge block */
    for (size_t k = 0; k < sizeof keeps / sizeof keeps[0]; k++) {
        struct pool *pool = pool_open(0, keeps[k], NULL);
        struct arena arenas[8];
        for (size_t i = 0; i < 8; i++) {
            arena_init(&arenas[i], pool);
            assert_non_null(arena_take(&arenas[i], 100));
            assert_non_null(arena_take(&arenas[i], 50000));
            assert_non_null(arena_take(&arenas[i], 100000));
        }
        for (size_t i = 0; i < 8; i++) {
            arena_drop(&arenas[i]);
        }
        assert_int_equal(pool_kept(pool), 0);
        /* The next take brings home what was returned; this one finds none of its size there. */
        assert_non_null(arena_take(&arenas[0], 100000));
        assert_true(pool_kept(pool) <= keeps[k]);
        assert_true(pool_kept(pool) <= kept_max);
        if (keeps[k] > kept_max) assert_int_equal(pool_kept(pool), kept_max);
        if (keeps[k] < kept_max) assert_true(keeps[k] - pool_kept(pool) < LARGE);
        arena_drop(&arenas[0]);
        pool_close(pool);
    }
}

static void pool_may_be_closed_while_chunks_are_out(void **state) {
    (void)state;
    atomic_size_t total;
    atomic_init(&total, 0);
    struct pool *pool = pool_open(0, KEEP, &total);
    struct arena one;
    struct arena two;
    arena_init(&one, pool);
    arena_init(&two, pool);
    char *text = arena_take(&one, 6);
    memcpy(text, "still", 6);
    assert_non_null(arena_take(&two, 100000));
    pool_close(pool);
    assert_string_equal(text, "still");
    arena_drop(&two);
    assert_int_equal(atomic_load(&total), SMALL);
    arena_drop(&one);
    assert_int_equal(atomic_load(&total), 0);
}

static void arena_adopted_by_another_pool_returns_each_chunk_to_its_own(void **state) {
    (void)state;
    atomic_size_t total;
    atomic_init(&total, 0);
    struct pool *first = pool_open(0, KEEP, &total);
    struct pool *second = pool_open(0, KEEP, &total);
    struct arena arena;
    arena_init(&arena, first);
    assert_non_null(arena_take(&arena, 100));
    arena_adopt(&arena, second);
    assert_non_null(arena_take(&arena, 100)); /* the room left is used whoever supplied it */
    assert_int_equal(pool_held(second), 0);
    assert_non_null(arena_take(&arena, 10000));
    assert_int_equal(pool_held(first), SMALL);
    assert_int_equal(pool_held(second), LARGE);
    assert_int_equal(atomic_load(&total), SMALL + LARGE);
    arena_drop(&arena);
    assert_int_equal(pool_held(first), 0);
    assert_int_equal(pool_held(second), 0);
    assert_int_equal(atomic_load(&total), 0);
    pool_close(first);
    pool_close(second);
}

static void arena_may_lie_in_its_own_block(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    struct arena *inside = arena_take(&arena, sizeof *inside);
    *inside = arena;
    assert_non_null(arena_take(inside, 100000));
    assert_non_null(arena_take(inside, 100));
    arena_drop(inside);
    assert_int_equal(pool_held(pool), 0);
    pool_close(pool);
}

#ifdef IS_POISONED
static void arena_drop_poisons_what_it_gave_out(void **state) {
    (void)state;
    struct pool *pool = pool_open(0, KEEP, NULL);
    struct arena arena;
    arena_init(&arena, pool);
    char *block = arena_take(&arena, 24);
    assert_false(IS_POISONED(block));
    assert_false(IS_POISONED(block + 23));
    assert_true(IS_POISONED(block + 24));
    assert_ptr_equal(arena_grow(&arena, block, 24, 100), block);
    assert_false(IS_POISONED(block + 99));
    assert_true(IS_POISONED(block + 100));
    arena_drop(&arena);
    assert_true(IS_POISONED(block));
    pool_close(pool);
}
#endif

/* ---- threads --------------------------------------------------------------------------------- */

enum { RETURNERS = 3, ARENAS = 20000, SLOTS = 8 };

/* A small queue under a lock: the arena must be right without any help from a clever ring. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct arena *slots[SLOTS];
    size_t count;
    bool closed;
};

struct message {
    struct arena arena; /* in its own first block, as a mail's is */
    size_t count;
    uint64_t *numbers;
    uint64_t sum;
};

static void queue_push(struct queue *queue, struct arena *arena) {
    pthread_mutex_lock(&queue->lock);
    while (queue->count == SLOTS) {
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    queue->slots[queue->count++] = arena;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static struct arena *queue_pop(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed) {
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    struct arena *arena = queue->count > 0 ? queue->slots[--queue->count] : NULL;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return arena;
}

/* Checks what arrives, makes every other arena grow from a pool of its own, and drops it. Returns
 * how many messages did not hold what was put in. */
static void *returner(void *argument) {
    struct queue *queue = argument;
    struct pool *own = pool_open(0, KEEP, NULL);
    uintptr_t wrong = 0;
    size_t received = 0;
    struct arena *arena;
    while ((arena = queue_pop(queue)) != NULL) {
        struct message *message = (struct message *)(void *)arena;
        uint64_t sum = 0;
        for (size_t i = 0; i < message->count; i++) {
            sum += message->numbers[i];
        }
        wrong += sum != message->sum;
        if (++received % 2 == 0) {
            arena_adopt(&message->arena, own);
            uint8_t *more = arena_zero(&message->arena, 5000);
            if (more == NULL) {
                wrong++;
            } else {
                memset(more, 1, 5000);
            }
        }
        arena_drop(&message->arena);
    }
    wrong += pool_held(own) != 0;
    pool_close(own);
    return (void *)wrong;
}

static struct arena *message_make(struct pool *pool, uint64_t *seed) {
    struct arena arena;
    arena_init(&arena, pool);
    struct message *message = arena_zero(&arena, sizeof *message);
    if (message == NULL) return NULL;
    size_t count = (size_t)(random_next(seed) % (random_next(seed) % 50 == 0 ? 10000 : 100));
    message->numbers = arena_take(&arena, count * sizeof *message->numbers);
    if (message->numbers == NULL) {
        arena_drop(&arena);
        return NULL;
    }
    message->count = count;
    for (size_t i = 0; i < count; i++) {
        message->numbers[i] = random_next(seed);
        message->sum += message->numbers[i];
    }
    message->arena = arena;
    return &message->arena;
}

static void arena_dropped_by_other_threads_finds_home(void **state) {
    (void)state;
    atomic_size_t total;
    atomic_init(&total, 0);
    const size_t bound = (SLOTS + RETURNERS + 4) * (size_t)(SMALL + 2 * LARGE);
    struct pool *pool = pool_open(bound, 16 * SMALL + 2 * LARGE, &total);
    struct queue queue = {.count = 0};
    pthread_mutex_init(&queue.lock, NULL);
    pthread_cond_init(&queue.changed, NULL);
    pthread_t threads[RETURNERS];
    for (size_t i = 0; i < RETURNERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, returner, &queue), 0);
    }

    uint64_t seed = 42;
    size_t beyond = 0;
    for (size_t i = 0; i < ARENAS; i++) {
        struct arena *arena = message_make(pool, &seed);
        assert_non_null(arena); /* the bound is the sum of what can be outstanding */
        beyond += pool_held(pool) > bound;
        queue_push(&queue, arena);
    }
    /* Closed while some are still out: the last one to return ends the pool. */
    pool_close(pool);
    pthread_mutex_lock(&queue.lock);
    queue.closed = true;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    for (size_t i = 0; i < RETURNERS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(beyond, 0);
    assert_int_equal(atomic_load(&total), 0);
    pthread_cond_destroy(&queue.changed);
    pthread_mutex_destroy(&queue.lock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_takes_nothing_until_asked),
        cmocka_unit_test(arena_begins_small_and_goes_on_large),
        cmocka_unit_test(arena_block_beyond_a_large_chunk_has_its_own_and_wastes_no_room),
        cmocka_unit_test(arena_blocks_are_aligned_apart_and_keep_their_bytes),
        cmocka_unit_test(arena_empty_blocks_have_addresses_of_their_own),
        cmocka_unit_test(arena_zero_clears_a_block_that_was_used_before),
        cmocka_unit_test(arena_grow_stays_in_place_while_newest_and_copies_after),
        cmocka_unit_test(arena_refuses_a_size_that_cannot_be),
        cmocka_unit_test(pool_bound_is_never_passed_and_room_comes_back),
        cmocka_unit_test(pool_keeps_chunks_up_to_its_bound_and_frees_the_rest),
        cmocka_unit_test(pool_may_be_closed_while_chunks_are_out),
        cmocka_unit_test(arena_adopted_by_another_pool_returns_each_chunk_to_its_own),
        cmocka_unit_test(arena_may_lie_in_its_own_block),
#ifdef IS_POISONED
        cmocka_unit_test(arena_drop_poisons_what_it_gave_out),
#endif
        cmocka_unit_test(arena_dropped_by_other_threads_finds_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
