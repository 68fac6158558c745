/* Bounds on bytes per second: what is granted over time, after pauses, and to several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "engine/base/pace.h"

#define MB UINT64_C(1000000)
#define SECOND_US UINT64_C(1000000)

/* Takes all it gets for so long, whenever it may; returns how much. */
static uint64_t take_for(struct pace *pace, uint64_t *now_us, uint64_t us, size_t want) {
    const uint64_t end = *now_us + us;
    uint64_t sum = 0;
    while (*now_us < end) {
        uint64_t again = *now_us;
        const size_t got = pace_take(pace, *now_us, want, &again);
        assert_true(got <= want);
        sum += got;
        if (got != 0) continue;
        assert_true(again > *now_us);
        *now_us = again;
    }
    return sum;
}

static void without_a_rate_all_is_granted(void **state) {
    (void)state;
    struct pace pace = {0};
    uint64_t again = 7;
    assert_int_equal(pace_take(&pace, 5, SIZE_MAX, &again), SIZE_MAX);
    assert_int_equal(again, 7);
}

static void over_a_stretch_of_time_the_rate_is_kept_within_its_slack(void **state) {
    (void)state;
    static const uint64_t rates[] = {1000, 20 * 1000, MB, 125 * MB, 10000 * MB};
    static const size_t wants[] = {100, 1460, 65536, 1 << 20};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        for (size_t w = 0; w < sizeof wants / sizeof wants[0]; w++) {
            if (rates[r] / wants[w] > MB) continue; /* millions of grants say no more */
            struct pace pace = {.rate = rates[r]};
            uint64_t now = 3 * SECOND_US;
            const uint64_t begun = now;
            const uint64_t sum = take_for(&pace, &now, 10 * SECOND_US, wants[w]);
            const uint64_t fair = rates[r] * (now - begun) / SECOND_US;
            assert_true(sum <= fair + pace_slack(rates[r]) + 1);
            assert_true(sum + pace_slack(rates[r]) + 1 >= fair);
        }
    }
}

static void nothing_is_saved_up_in_a_pause(void **state) {
    (void)state;
    struct pace pace = {.rate = MB};
    uint64_t now = SECOND_US, again = 0;
    (void)take_for(&pace, &now, SECOND_US, 4096);
    now += 100 * SECOND_US;
    assert_int_equal(pace_take(&pace, now, 10 * MB, &again), pace_slack(MB));
    assert_int_equal(pace_take(&pace, now, 1, &again), 0);
}

static void a_rate_that_is_raised_counts_at_once(void **state) {
    (void)state;
    struct pace pace = {.rate = 100};
    uint64_t now = SECOND_US, again = 0;
    (void)take_for(&pace, &now, SECOND_US, 4096); /* 14 seconds of it are gone */
    pace_set(&pace, 100 * MB);
    uint64_t waited = now;
    while (pace_take(&pace, waited, 1000, &again) == 0)
        waited = again;
    assert_true(waited - now < 100000);
    pace_set(&pace, 0);
    assert_int_equal(pace_take(&pace, waited, 5 * MB, &again), 5 * MB);
}

static void what_is_given_back_may_be_taken_again(void **state) {
    (void)state;
    struct pace pace = {.rate = MB};
    uint64_t again = 0;
    assert_int_equal(pace_take(&pace, SECOND_US, 20000, &again), 20000);
    assert_int_equal(pace_take(&pace, SECOND_US, 1000, &again), 0);
    pace_give_back(&pace, 5000);
    assert_int_equal(pace_take(&pace, SECOND_US, 5000, &again), 5000);
    assert_int_equal(pace_take(&pace, SECOND_US, 1000, &again), 0);
}

struct taker {
    struct pace *pace;
    _Atomic uint64_t *clock;
    uint64_t sum;
};

static void *take_all(void *context) {
    struct taker *taker = context;
    for (uint64_t now = 0; (now = atomic_fetch_add(taker->clock, 25)) < 3 * SECOND_US;) {
        uint64_t again;
        taker->sum += pace_take(taker->pace, now, 700, &again);
    }
    return NULL;
}

static void threads_keep_one_rate_together(void **state) {
    (void)state;
    struct pace pace = {.rate = MB};
    _Atomic uint64_t clock = SECOND_US;
    struct taker takers[4];
    pthread_t threads[4];
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        takers[i] = (struct taker){&pace, &clock, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, &takers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        sum += takers[i].sum;
    }
    assert_true(sum <= 2 * MB + pace_slack(MB) + 4);
    assert_true(sum + 2 * pace_slack(MB) >= 2 * MB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_all_is_granted),
        cmocka_unit_test(over_a_stretch_of_time_the_rate_is_kept_within_its_slack),
        cmocka_unit_test(nothing_is_saved_up_in_a_pause),
        cmocka_unit_test(a_rate_that_is_raised_counts_at_once),
        cmocka_unit_test(what_is_given_back_may_be_taken_again),
        cmocka_unit_test(threads_keep_one_rate_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
