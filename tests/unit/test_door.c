/* The door: lanes merge by ticket; a commit that followed another one's return comes after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "tests/lib/stage.h"

#define RELAY_THREADS 4u
#define RELAY_COMMITS 20000u

static const struct edge_rule rules[] = {{.from = ACTOR_HOST,
                                          .to = ACTOR_CLOCK,
                                          .kind = EDGE_ASK,
                                          .slots = 4,
                                          .mails = {WEFT__MAIL__BODY_STOP}},
                                         {.slots = 0}};

static bool submit(struct door *door, struct pool *pool, uint32_t lane, uint64_t order) {
    struct mail *mail = stage_mail(pool, WEFT__MAIL__BODY_COMMIT);
    mail->order = order;
    if (door_push(door, lane, mail)) return true;
    mail_drop(&mail);
    return false;
}

static uint64_t pull(struct door *door) {
    struct mail *mail = door_pull(door);
    if (mail == NULL) return 0;
    uint64_t order = mail->order;
    mail_drop(&mail);
    return order;
}

static void lanes_merge_by_ticket(void **state) {
    (void)state;
    struct stage stage;
    struct pool *pool = pool_open(0, 1 << 20, NULL);
    assert_int_equal(stage_open(&stage, rules, 0, NULL), WEFT_OK);
    struct door *door = &stage.topology->door;
    assert_true(door_empty(door));
    assert_null(door_pull(door));
    const struct {
        uint32_t lane;
        uint64_t order;
    } submitted[] = {{3, 4}, {0, 2}, {1, 7}, {3, 5}, {0, 9}, {63, 1}, {1, 8}, {3, 6}, {63, 3}};
    for (size_t i = 0; i < sizeof submitted / sizeof submitted[0]; i++) {
        assert_true(submit(door, pool, submitted[i].lane, submitted[i].order));
    }
    assert_int_equal(atomic_load(&door->lanes_used), 64);
    for (uint64_t order = 1; order <= 9; order++) {
        assert_false(door_empty(door));
        assert_int_equal(pull(door), order);
    }
    assert_true(door_empty(door));
    assert_null(door_pull(door));
    stage_close(&stage);
    pool_close(pool);
}

static void a_ticket_that_was_drawn_but_not_pushed_holds_nobody_up(void **state) {
    (void)state;
    struct stage stage;
    struct pool *pool = pool_open(0, 1 << 20, NULL);
    assert_int_equal(stage_open(&stage, rules, 0, NULL), WEFT_OK);
    struct door *door = &stage.topology->door;
    assert_true(submit(door, pool, 1, 2));
    assert_int_equal(pull(door), 2);
    assert_true(submit(door, pool, 0, 1));
    assert_int_equal(pull(door), 1);
    stage_close(&stage);
    pool_close(pool);
}

static void a_full_lane_refuses_and_leaves_the_mail_with_its_owner(void **state) {
    (void)state;
    struct stage stage;
    struct pool *pool = pool_open(0, 1 << 20, NULL);
    assert_int_equal(stage_open(&stage, rules, 0, NULL), WEFT_OK);
    struct door *door = &stage.topology->door;
    uint64_t order = 1;
    while (submit(door, pool, 5, order))
        order++;
    assert_true(order > LIMIT_LANE_SLOTS);
    assert_true(submit(door, pool, 6, order));
    for (uint64_t next = 1; next <= order; next++)
        assert_int_equal(pull(door), next);
    stage_close(&stage);
    pool_close(pool);
}

/* Threads that commit one after the other, each in its own lane: each draws its ticket after the
 * commit before it has returned. So the door must give exactly 1, 2, 3, ... */
struct relay {
    struct door *door;
    atomic_uint_fast64_t turn;
};

struct runner_of_relay {
    struct relay *relay;
    uint32_t lane;
};

static void *run_relay(void *context) {
    struct runner_of_relay *self = context;
    struct relay *relay = self->relay;
    struct pool *pool = pool_open(0, 1 << 20, NULL);
    for (uint64_t order = self->lane + 1; order <= RELAY_COMMITS; order += RELAY_THREADS) {
        while (atomic_load(&relay->turn) != order)
            sched_yield();
        struct mail *mail = stage_mail(pool, WEFT__MAIL__BODY_COMMIT);
        mail->order = order;
        while (!door_push(relay->door, self->lane, mail))
            sched_yield();
        atomic_store(&relay->turn, order + 1);
    }
    pool_close(pool);
    return NULL;
}

static void commits_that_follow_one_another_are_taken_in_that_order(void **state) {
    (void)state;
    struct stage stage;
    assert_int_equal(stage_open(&stage, rules, 0, NULL), WEFT_OK);
    struct relay relay = {&stage.topology->door, 1};
    struct runner_of_relay runners[RELAY_THREADS];
    pthread_t threads[RELAY_THREADS];
    for (uint32_t i = 0; i < RELAY_THREADS; i++) {
        runners[i] = (struct runner_of_relay){&relay, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_relay, &runners[i]), 0);
    }
    uint64_t wrong = 0;
    for (uint64_t expected = 1; expected <= RELAY_COMMITS;) {
        uint64_t order = pull(relay.door);
        if (order == 0) {
            sched_yield();
            continue;
        }
        wrong += order != expected++;
    }
    for (uint32_t i = 0; i < RELAY_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(wrong, 0);
    stage_close(&stage);
}

/* The first and the last lane, filled one after the other while the clock looks from the first to
 * the last: one look alone often finds only the second of the two. */
struct pairs {
    struct door *door;
    atomic_uint_fast64_t taken;
};

static void *push_pairs(void *context) {
    struct pairs *pairs = context;
    struct pool *pool = pool_open(0, 1 << 20, NULL);
    for (uint64_t order = 1; order < RELAY_COMMITS; order += 2) {
        struct mail *first = stage_mail(pool, WEFT__MAIL__BODY_COMMIT);
        struct mail *second = stage_mail(pool, WEFT__MAIL__BODY_COMMIT);
        first->order = order;
        second->order = order + 1;
        while (atomic_load(&pairs->taken) != order - 1)
            sched_yield();
        bool pushed = door_push(pairs->door, 0, first);
        pushed = door_push(pairs->door, LIMIT_LANES - 1, second) && pushed;
        if (!pushed) break;
    }
    pool_close(pool);
    return NULL;
}

static void a_commit_pushed_behind_the_clocks_back_is_not_overtaken(void **state) {
    (void)state;
    struct stage stage;
    assert_int_equal(stage_open(&stage, rules, 0, NULL), WEFT_OK);
    struct pairs pairs = {&stage.topology->door, 0};
    atomic_store(&pairs.door->lanes_used, LIMIT_LANES);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, push_pairs, &pairs), 0);
    uint64_t wrong = 0;
    for (uint64_t expected = 1; expected <= RELAY_COMMITS;) {
        uint64_t order = pull(pairs.door);
        if (order == 0) continue;
        wrong += order != expected;
        atomic_store(&pairs.taken, expected++);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(wrong, 0);
    stage_close(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_merge_by_ticket),
        cmocka_unit_test(a_ticket_that_was_drawn_but_not_pushed_holds_nobody_up),
        cmocka_unit_test(a_full_lane_refuses_and_leaves_the_mail_with_its_owner),
        cmocka_unit_test(commits_that_follow_one_another_are_taken_in_that_order),
        cmocka_unit_test(a_commit_pushed_behind_the_clocks_back_is_not_overtaken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
