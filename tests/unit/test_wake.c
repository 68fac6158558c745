/* Waking: a signal is written only for a sleeper, and no sleeper is left asleep beside a push. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

#include "engine/runtime/ring.h"
#include "engine/runtime/wake.h"

#define STRESS_ROUNDS 200000u
/* A lost wakeup shows as a sleep that nobody ends; longer than any machine stands still. */
#define STRESS_TIMEOUT_MS 20000

static bool is_readable(const struct wake *wake) {
    struct pollfd watched = {wake->descriptor, POLLIN, 0};
    return poll(&watched, 1, 0) == 1;
}

static void a_signal_without_a_sleeper_writes_nothing(void **state) {
    (void)state;
    struct wake wake;
    assert_true(wake_open(&wake));
    wake_signal(&wake);
    assert_false(is_readable(&wake));
    wake_close(&wake);
}

static void a_signal_to_a_sleeper_makes_the_descriptor_readable_once(void **state) {
    (void)state;
    struct wake wake;
    assert_true(wake_open(&wake));
    wake_prepare(&wake);
    assert_false(is_readable(&wake));
    wake_signal(&wake);
    assert_true(is_readable(&wake));
    wake_signal(&wake);
    wake_cancel(&wake);
    assert_false(is_readable(&wake));
    wake_signal(&wake);
    assert_false(is_readable(&wake));
    wake_close(&wake);
}

static void an_announcement_can_be_taken_back(void **state) {
    (void)state;
    struct wake wake;
    assert_true(wake_open(&wake));
    wake_prepare(&wake);
    wake_cancel(&wake);
    wake_signal(&wake);
    assert_false(is_readable(&wake));
    wake_close(&wake);
}

/* One side of a ping-pong: sleeps until there is something to take. */
struct side {
    struct wake wake;
    struct ring *inbox;
    uint32_t sleeps;
    atomic_bool lost;
};

static void *side_take(struct side *side) {
    for (;;) {
        void *pointer = ring_pop(side->inbox);
        if (pointer != NULL) return pointer;
        wake_prepare(&side->wake);
        if (ring_count(side->inbox) == 0) {
            struct pollfd watched = {side->wake.descriptor, POLLIN, 0};
            side->sleeps++;
            if (poll(&watched, 1, STRESS_TIMEOUT_MS) != 1) side->lost = true;
        }
        wake_cancel(&side->wake);
        if (side->lost) return NULL;
    }
}

struct pair {
    struct side a, b;
};

static void *answer(void *context) {
    struct pair *pair = context;
    for (uint32_t i = 0; i < STRESS_ROUNDS; i++) {
        void *pointer = side_take(&pair->b);
        if (pointer == NULL) return NULL;
        if (!ring_push(pair->a.inbox, pointer)) return NULL;
        wake_signal(&pair->a.wake);
    }
    return NULL;
}

static void no_wakeup_is_lost_between_two_sleepers(void **state) {
    (void)state;
    static int ball;
    struct pair pair = {0};
    pthread_t other;
    assert_true(wake_open(&pair.a.wake) && wake_open(&pair.b.wake));
    pair.a.inbox = ring_open(1);
    pair.b.inbox = ring_open(1);
    assert_int_equal(pthread_create(&other, NULL, answer, &pair), 0);
    uint32_t rounds = 0;
    for (; rounds < STRESS_ROUNDS; rounds++) {
        if (!ring_push(pair.b.inbox, &ball)) break;
        wake_signal(&pair.b.wake);
        if (side_take(&pair.a) == NULL) break;
    }
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(rounds, STRESS_ROUNDS);
    assert_false(pair.a.lost || pair.b.lost);
    ring_close(pair.a.inbox);
    ring_close(pair.b.inbox);
    wake_close(&pair.a.wake);
    wake_close(&pair.b.wake);
}

/* A producer that does not wait for the consumer: the consumer often finds more on its last look.
 */
static void *stream(void *context) {
    struct side *side = context;
    static int ball;
    for (uint32_t i = 0; i < STRESS_ROUNDS;) {
        if (!ring_push(side->inbox, &ball)) continue;
        i++;
        wake_signal(&side->wake);
    }
    return NULL;
}

static void no_wakeup_is_lost_beside_a_stream(void **state) {
    (void)state;
    struct side side = {0};
    pthread_t producer;
    assert_true(wake_open(&side.wake));
    side.inbox = ring_open(63);
    assert_int_equal(pthread_create(&producer, NULL, stream, &side), 0);
    uint32_t taken = 0;
    while (taken < STRESS_ROUNDS && side_take(&side) != NULL)
        taken++;
    assert_int_equal(taken, STRESS_ROUNDS);
    assert_int_equal(pthread_join(producer, NULL), 0);
    ring_close(side.inbox);
    wake_close(&side.wake);
}

/* A producer that pushes in the very moment in which the consumer falls asleep, a little earlier or
 * later each time. Without the fence in wake_signal() this stands still within the first rounds. */
struct duel {
    struct side side;
    atomic_uint taken;
};

static void *strike(void *context) {
    struct duel *duel = context;
    static int ball;
    for (uint32_t i = 0; i < STRESS_ROUNDS; i++) {
        while (atomic_load_explicit(&duel->taken, memory_order_acquire) != i) {
            if (duel->side.lost) return NULL;
        }
        if (!ring_push(duel->side.inbox, &ball)) return NULL;
        wake_signal(&duel->side.wake);
    }
    return NULL;
}

static void no_wakeup_is_lost_in_the_moment_of_falling_asleep(void **state) {
    (void)state;
    struct duel duel = {.taken = 0};
    pthread_t producer;
    assert_true(wake_open(&duel.side.wake));
    duel.side.inbox = ring_open(1);
    assert_int_equal(pthread_create(&producer, NULL, strike, &duel), 0);
    uint32_t taken = 0;
    while (taken < STRESS_ROUNDS && side_take(&duel.side) != NULL) {
        atomic_store_explicit(&duel.taken, ++taken, memory_order_release);
        for (uint32_t pause = 0; pause < taken % 512; pause++) {
            (void)atomic_load_explicit(&duel.taken, memory_order_relaxed);
        }
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_int_equal(taken, STRESS_ROUNDS);
    ring_close(duel.side.inbox);
    wake_close(&duel.side.wake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_without_a_sleeper_writes_nothing),
        cmocka_unit_test(a_signal_to_a_sleeper_makes_the_descriptor_readable_once),
        cmocka_unit_test(an_announcement_can_be_taken_back),
        cmocka_unit_test(no_wakeup_is_lost_between_two_sleepers),
        cmocka_unit_test(no_wakeup_is_lost_beside_a_stream),
        cmocka_unit_test(no_wakeup_is_lost_in_the_moment_of_falling_asleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
