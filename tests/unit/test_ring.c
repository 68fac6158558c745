/* The ring alone: bounds and order, the peek, and two threads that hand a million pointers over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "engine/runtime/ring.h"

#define STRESS_MAILS 1000000u

static void a_ring_holds_at_least_what_was_asked_for(void **state) {
    (void)state;
    static int cell;
    const uint32_t asked[] = {1, 2, 3, 4, 7, 8, 64, 255, 256, 2048};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct ring *ring = ring_open(asked[i]);
        assert_non_null(ring);
        assert_true(ring_slots(ring) >= asked[i]);
        uint32_t pushed = 0;
        while (ring_push(ring, &cell))
            pushed++;
        assert_int_equal(pushed, ring_slots(ring));
        assert_int_equal(ring_free(ring), 0);
        assert_int_equal(ring_count(ring), pushed);
        while (ring_pop(ring) != NULL)
            pushed--;
        assert_int_equal(pushed, 0);
        ring_close(ring);
    }
}

static void pointers_come_out_in_the_order_they_went_in(void **state) {
    (void)state;
    static int cells[5000];
    struct ring *ring = ring_open(7);
    assert_non_null(ring);
    assert_null(ring_pop(ring));
    int in = 0, out = 0;
    /* Never in step with the ring's size, so that every place wraps around. */
    while (out < 5000) {
        for (int i = 0; i < 5 && in < 5000 && ring_push(ring, &cells[in]); i++)
            in++;
        for (int i = 0; i < 3 && out < in; i++)
            assert_ptr_equal(ring_pop(ring), &cells[out++]);
    }
    assert_null(ring_pop(ring));
    ring_close(ring);
}

static void a_peek_shows_what_the_pop_gives(void **state) {
    (void)state;
    static int cells[3];
    struct ring *ring = ring_open(3);
    assert_non_null(ring);
    assert_null(ring_peek(ring));
    for (int i = 0; i < 3; i++)
        assert_true(ring_push(ring, &cells[i]));
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(ring_peek(ring), &cells[i]);
        assert_ptr_equal(ring_peek(ring), &cells[i]);
        assert_int_equal(ring_count(ring), 3 - i);
        assert_ptr_equal(ring_pop(ring), &cells[i]);
    }
    assert_null(ring_peek(ring));
    assert_int_equal(ring_count(ring), 0);
    ring_close(ring);
}

static void a_peeked_pointer_frees_its_slot(void **state) {
    (void)state;
    static int cells[4];
    struct ring *ring = ring_open(3);
    for (int i = 0; i < 3; i++)
        assert_true(ring_push(ring, &cells[i]));
    assert_false(ring_push(ring, &cells[3]));
    assert_ptr_equal(ring_peek(ring), &cells[0]);
    assert_true(ring_push(ring, &cells[3]));
    assert_int_equal(ring_count(ring), 4);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(ring_pop(ring), &cells[i]);
    ring_close(ring);
}

struct handed {
    uint64_t number; /* written by the producer before the push, by the consumer after the pop */
};

struct stress {
    struct ring *ring;
    struct handed *handed;
};

static void *produce(void *context) {
    struct stress *stress = context;
    for (uint32_t i = 0; i < STRESS_MAILS; i++) {
        stress->handed[i].number = i;
        while (!ring_push(stress->ring, &stress->handed[i]))
            sched_yield();
    }
    return NULL;
}

static void two_threads_lose_and_reorder_nothing(void **state) {
    (void)state;
    struct stress stress = {ring_open(15), calloc(STRESS_MAILS, sizeof(struct handed))};
    pthread_t producer;
    assert_non_null(stress.ring);
    assert_non_null(stress.handed);
    assert_int_equal(pthread_create(&producer, NULL, produce, &stress), 0);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < STRESS_MAILS;) {
        const struct handed *peeked = i % 3 == 0 ? ring_peek(stress.ring) : NULL;
        struct handed *handed = ring_pop(stress.ring);
        if (handed == NULL) {
            sched_yield();
            continue;
        }
        wrong += handed->number != i || (peeked != NULL && peeked != handed);
        handed->number = UINT64_MAX;
        i++;
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_int_equal(wrong, 0);
    assert_null(ring_pop(stress.ring));
    ring_close(stress.ring);
    free(stress.handed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_holds_at_least_what_was_asked_for),
        cmocka_unit_test(pointers_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_peek_shows_what_the_pop_gives),
        cmocka_unit_test(a_peeked_pointer_frees_its_slot),
        cmocka_unit_test(two_threads_lose_and_reorder_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
