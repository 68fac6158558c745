/* The bulk actor alone, when the host or a remote wants both to hold the same: who is asked, what
 * is said with it, and when a call has come to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_bulk.h"

static int open_stage(void **state) {
    struct solo_bulk *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    solo_bulk_library(stage);
    solo_bulk_start(stage, 100);
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_bulk_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

static void deliver(struct solo_bulk *stage, uint64_t after, uint64_t upto) {
    solo_bulk_deliver(stage,
                      &(struct delivery){.owner = THEM, .after = after, .upto = upto, .count = 3});
}

/* The newest call that a session has come to the end of; and the host was told to look. */
static uint64_t synced(struct solo_bulk *stage, uint32_t peer) {
    return atomic_load(&stage->solo.board->peers[peer].synced_rows);
}

static bool host_told(struct solo_bulk *stage) {
    bool told = false;
    for (struct mail *mail;
         (mail = solo_take(&stage->solo, ACTOR_HOST, WEFT__MAIL__BODY_HELD)) != NULL;) {
        mail_drop(&mail);
        told = true;
    }
    return told;
}

static void a_call_asks_everybody_with_all_that_is_held(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, THEM);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_want(stage, 0, ME, 0, false);
    const uint64_t position = solo_bulk_commit_rows(stage, 1, 5);
    assert_int_equal(stage->heard[0].own, 0); /* It receives these rows, and need not be told. */
    solo_bulk_sync(stage, 1, 0);
    assert_int_equal(stage->heard[0].ask, 1);
    assert_int_equal(stage->heard[0].own, position);
    assert_int_equal(stage->heard[1].ask, 1);
    assert_int_equal(stage->heard[1].own, position);
}

static void a_call_for_one_device_asks_that_one(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, THEM);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_sync(stage, 1, OTHERS);
    assert_int_equal(stage->heard[0].ask, 0);
    assert_int_equal(stage->heard[1].ask, 1);
}

static void a_call_that_comes_before_the_answer_is_asked_for_next(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, THEM);
    for (uint64_t number = 1; number <= 3; number++)
        solo_bulk_sync(stage, number, 0);
    assert_int_equal(stage->heard[0].ask, 1);
    solo_bulk_marks(stage, 0, 0, 1);
    assert_int_equal(synced(stage, 0), 1);
    assert_int_equal(stage->heard[0].ask, 3);
    solo_bulk_marks(stage, 0, 0, 3);
    assert_int_equal(synced(stage, 0), 3);
}

static void an_answer_that_nobody_waits_for_is_passed_over(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, THEM);
    solo_bulk_marks(stage, 0, 0, 7);
    solo_bulk_sync(stage, 1, 0);
    solo_bulk_marks(stage, 0, 0, 7);
    assert_int_equal(synced(stage, 0), 0);
    assert_false(host_told(stage));
}

static void a_call_ends_when_what_the_remote_held_is_here(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_ask(stage);
    solo_bulk_sync(stage, 1, 0);
    solo_bulk_holds(stage, 0, THEM, 20);
    solo_bulk_marks(stage, 0, 0, 1);
    /* What it says later is not waited for. */
    solo_bulk_holds(stage, 0, THEM, 30);
    deliver(stage, 0, 10);
    assert_int_equal(solo_bulk_commit_incoming(stage), 10);
    assert_int_equal(synced(stage, 0), 0);
    assert_false(host_told(stage));
    deliver(stage, 10, 20);
    assert_int_equal(synced(stage, 0), 0); /* It is not committed yet. */
    assert_int_equal(solo_bulk_commit_incoming(stage), 20);
    assert_int_equal(synced(stage, 0), 1);
    assert_true(host_told(stage));
}

static void a_remote_is_answered_when_what_it_held_is_here(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_ask(stage);
    const uint64_t position = solo_bulk_commit_rows(stage, 1, 5);
    solo_bulk_holds(stage, 0, THEM, 10);
    solo_bulk_marks(stage, 0, 7, 0);
    solo_bulk_holds(stage, 0, THEM, 20);
    assert_int_equal(stage->heard[0].answer, 0);
    deliver(stage, 0, 10);
    assert_int_equal(stage->heard[0].answer, 0);
    assert_int_equal(solo_bulk_commit_incoming(stage), 10);
    assert_int_equal(stage->heard[0].answer, 7);
    assert_int_equal(stage->heard[0].own, position);
    /* The next one is about what it has said since. */
    solo_bulk_marks(stage, 0, 8, 0);
    assert_int_equal(stage->heard[0].answer, 7);
    deliver(stage, 10, 20);
    assert_int_equal(solo_bulk_commit_incoming(stage), 20);
    assert_int_equal(stage->heard[0].answer, 8);
}

/* This device's file was restored from a copy. */
static void own_rows_that_only_the_remote_has_are_not_waited_for(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_ask(stage);
    solo_bulk_holds(stage, 0, ME, UINT64_C(1) << 62);
    solo_bulk_marks(stage, 0, 7, 0);
    assert_int_equal(stage->heard[0].answer, 7);
}

static void who_comes_while_somebody_waits_is_asked_too(void **state) {
    struct solo_bulk *stage = *state;
    struct board *board = stage->solo.board;
    atomic_store(&board->syncing, 1);
    solo_bulk_sync(stage, 1, 0);
    solo_bulk_join(stage, 0, THEM);
    assert_int_equal(stage->heard[0].ask, 1);
    atomic_store(&board->syncing, 0);
    solo_bulk_join(stage, 1, OTHERS);
    assert_int_equal(stage->heard[1].ask, 0);
}

static void a_new_session_of_a_slot_has_come_to_the_end_of_nothing(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, THEM);
    solo_bulk_sync(stage, 1, 0);
    solo_bulk_holds(stage, 0, THEM, 20);
    solo_bulk_marks(stage, 0, 9, 1);
    solo_bulk_leave(stage, 0);
    solo_bulk_clear(stage, 0);
    solo_bulk_join(stage, 0, OTHERS);
    assert_int_equal(synced(stage, 0), 0);
    assert_int_equal(stage->heard[0].answer, 0);
    solo_bulk_sync(stage, 2, 0);
    solo_bulk_marks(stage, 0, 0, 2);
    assert_int_equal(synced(stage, 0), 2);
    solo_bulk_leave(stage, 0);
    assert_int_equal(synced(stage, 0), 0);
}

int main(void) {
#define BULK_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        BULK_TEST(a_call_asks_everybody_with_all_that_is_held),
        BULK_TEST(a_call_for_one_device_asks_that_one),
        BULK_TEST(a_call_that_comes_before_the_answer_is_asked_for_next),
        BULK_TEST(an_answer_that_nobody_waits_for_is_passed_over),
        BULK_TEST(a_call_ends_when_what_the_remote_held_is_here),
        BULK_TEST(a_remote_is_answered_when_what_it_held_is_here),
        BULK_TEST(own_rows_that_only_the_remote_has_are_not_waited_for),
        BULK_TEST(who_comes_while_somebody_waits_is_asked_too),
        BULK_TEST(a_new_session_of_a_slot_has_come_to_the_end_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
