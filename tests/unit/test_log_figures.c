/* The log actor alone, figures: how long commits take, and how far members are behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_log.h"

#define S 1000000u

/* A stopwatch that goes on by a millisecond whenever it is looked at. */
static struct instant tick(void *self) {
    uint64_t *now = self;
    *now += 1000;
    return (struct instant){.mono_us = *now};
}

static uint64_t count(const struct histogram *histogram) {
    struct weft_histogram out;
    histogram_read(histogram, &out);
    return out.count;
}

static const struct board_lag *lag(const struct solo_log *log) {
    return &log->solo.board->lag[0];
}

/* A location is put and committed; the last version. */
static uint64_t commits(struct solo_log *log, int id) {
    const char path[] = {(char)id, 0};
    const uint64_t ticket = solo_log_put(log, id, path);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    struct solo_log_passed passed;
    assert_true(solo_log_passed(log, &passed));
    return passed.runs[0].upto;
}

static void holds(struct solo_log *log, uint64_t position) {
    solo_log_acked(log, THEM, ME, "location", position);
    solo_turn(&log->solo);
}

static void a_commit_is_timed_from_its_begin_to_its_sync(void **state) {
    struct solo_log *log = *state;
    uint64_t now = 0;
    log->solo.settings.stopwatch = (struct time_port){&now, tick};
    struct actor *actor = &log->solo.topology->actors[ACTOR_LOG];
    actor_stop(actor);
    assert_int_equal(actor_start(actor, NULL), WEFT_OK);
    struct board *board = log->solo.board;
    const uint64_t before = count(&board->commit_us);
    struct weft_histogram commit, sync;
    (void)commits(log, 'a');
    histogram_read(&board->commit_us, &commit);
    histogram_read(&board->sync_us, &sync);
    assert_int_equal(commit.count, before + 1);
    assert_int_equal(sync.count, before + 1);
    /* Three looks: at the begin, before COMMIT and after it. */
    assert_int_equal(commit.greatest_us, 2000);
    assert_int_equal(sync.greatest_us, 1000);
    assert_int_equal(board_get(board->commit_status), WEFT_OK);
    assert_int_equal(board_get(board->groups_failed), 0);
}

static void a_member_that_holds_all_rows_but_no_records_is_behind(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    const uint64_t first = commits(log, 'a');
    assert_int_equal(board_get(lag(log)->known), 0);
    assert_int_equal(board_get(lag(log)->since_us), log->solo.now.mono_us);
    log->solo.now.mono_us += S;
    holds(log, first);
    /* It has not said that it holds the record which made it a member. */
    assert_int_equal(board_get(log->solo.board->shared[0]), 0);
    assert_true(board_get(lag(log)->since_us) != 0);
}

static void lag_is_the_age_of_the_oldest_commit_that_is_lacked(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    board_set(log->solo.board->shared[0], UINT64_MAX); /* Of rows alone from here on. */
    const uint64_t begun = log->solo.now.mono_us;
    const uint64_t first = commits(log, 'a');
    log->solo.now.mono_us = begun + 10 * S;
    const uint64_t second = commits(log, 'b');
    log->solo.now.mono_us = begun + 11 * S;
    assert_int_equal(board_get(lag(log)->since_us), begun);
    assert_int_equal(board_get(lag(log)->known), 0);

    const uint64_t before = count(&log->solo.board->replicate_us);
    holds(log, first); /* The oldest that it may lack is the second now. */
    assert_int_equal(board_get(lag(log)->since_us), begun + 10 * S);
    assert_int_equal(board_get(lag(log)->known), 1);
    assert_int_equal(board_get(lag(log)->rows), 1);
    assert_int_equal(board_get(log->solo.board->rows_written), 2);
    assert_int_equal(count(&log->solo.board->replicate_us), before + 1);

    log->solo.now.mono_us = begun + 12 * S;
    holds(log, second);
    assert_int_equal(board_get(lag(log)->since_us), 0);
    assert_int_equal(board_get(lag(log)->rows), 2);
    /* Its target was taken a second ago, when what came before was held. */
    struct weft_histogram replicate;
    histogram_read(&log->solo.board->replicate_us, &replicate);
    assert_int_equal(replicate.count, before + 2);
    assert_int_equal(replicate.greatest_us, 11 * S);
    assert_int_equal(replicate.sum_us, 12 * S);
}

static void a_failed_commit_is_counted_and_shown_until_one_succeeds(void **state) {
    struct solo_log *log = *state;
    struct board *board = log->solo.board;
    disk_set_full(log->disk, true);
    const uint64_t ticket = solo_log_put(log, 0x50, "/somewhere");
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_DISK_FULL);
    assert_int_equal(board_get(board->commit_status), WEFT_DISK_FULL);
    assert_int_equal(board_get(board->groups_failed), 1);
    disk_set_full(log->disk, false);
    (void)commits(log, 'b');
    assert_int_equal(board_get(board->commit_status), WEFT_OK);
    assert_int_equal(board_get(board->groups_failed), 1);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)
    const struct CMUnitTest tests[] = {
        T(a_commit_is_timed_from_its_begin_to_its_sync),
        T(a_member_that_holds_all_rows_but_no_records_is_behind),
        T(lag_is_the_age_of_the_oldest_commit_that_is_lacked),
        T(a_failed_commit_is_counted_and_shown_until_one_succeeds),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
