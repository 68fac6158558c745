/* The log actor alone, and its write-ahead log: who copies it into the file, and what becomes of a
 * sync that fails there. The test is the copier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_log.h"

#define LOCATIONS "SELECT count(*) FROM location"

/* The log has asked for a copy of its write-ahead log, and is told how far it went. */
static void copied(struct solo_log *log, uint32_t pages, uint32_t done) {
    struct mail *mail = solo_take(&log->solo, ACTOR_COPIER, WEFT__MAIL__BODY_CHECKPOINT);
    assert_non_null(mail);
    mail->body.checkpoint->pages = pages;
    mail->body.checkpoint->copied = done;
    solo_tell(&log->solo, ACTOR_COPIER, mail);
}

static bool asks_for_a_copy(struct solo_log *log) {
    struct mail *mail = solo_take(&log->solo, ACTOR_COPIER, WEFT__MAIL__BODY_CHECKPOINT);
    const bool asks = mail != NULL;
    mail_drop(&mail);
    return asks;
}

static void committed(struct solo_log *log, uint64_t ticket) {
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
}

/* A copier that says it has copied all but a little: the log does that itself, between two
 * commits. */
static void a_full_log_is_copied_elsewhere_and_its_rest_here(void **state) {
    struct solo_log *log = *state;
    log->checkpoint_pages = 240;
    solo_log_restart(log);
    committed(log, solo_log_put_large(log, 1)); /* The row, and its key in an index. */
    assert_null(solo_take(&log->solo, ACTOR_COPIER, WEFT__MAIL__BODY_CHECKPOINT));
    committed(log, solo_log_put_large(log, 2));
    uint64_t syncs = disk_counts(log->disk).syncs;
    committed(log, solo_log_put(log, 3, "/c"));
    assert_int_equal(disk_counts(log->disk).syncs,
                     syncs + 1); /* Nothing more is asked meanwhile. */
    const uint32_t pages = (uint32_t)board_get(log->solo.board->log_pages);
    copied(log, pages, pages - 2);
    syncs = disk_counts(log->disk).syncs;
    committed(log, solo_log_put(log, 4, "/d"));
    assert_int_equal(disk_counts(log->disk).syncs, syncs + 3); /* the commit, the log, the file */
    committed(log, solo_log_put(log, 5, "/e"));                /* It begins the log anew. */
    assert_in_range(board_get(log->solo.board->log_pages), 1, 32);
    assert_false(asks_for_a_copy(log));
}

static void a_log_that_outgrows_the_copier_is_copied_here(void **state) {
    struct solo_log *log = *state;
    log->checkpoint_pages = 64;
    solo_log_restart(log);
    committed(log, solo_log_put_large(log, 2));
    copied(log, 86, 0);
    for (int id = 3; board_get(log->solo.board->log_pages) < 64 * LIMIT_CHECKPOINT_TIMES; id++) {
        assert_in_range(id, 3, 10);
        committed(log, solo_log_put_large(log, id));
        if (board_get(log->solo.board->log_pages) < 64 * LIMIT_CHECKPOINT_TIMES) copied(log, 86, 0);
    }
    committed(log, solo_log_put(log, 0xf0, "/late"));
    assert_in_range(board_get(log->solo.board->log_pages), 1, 32);
}

/* 47 locations are committed and acknowledged, and the sync of the checkpoint after them failed. */
static void fail_checkpoint(struct solo_log *log) {
    uint64_t last = 0;
    log->checkpoint_pages = 900; /* The log has outgrown its copier, and copies here. */
    solo_log_restart(log);
    committed(log, solo_log_put(log, 1, "/a"));
    for (int id = 1; id < 48; id++)
        last = solo_log_put_large(log, id);
    disk_fail_sync(log->disk, 2); /* The first is the commit's own. */
    solo_turn(&log->solo);
    assert_true(disk_sync_failed(log->disk));
    for (uint64_t ticket = 2; ticket <= last; ticket++)
        solo_log_answers(log, ticket, WEFT_OK);
    assert_int_equal(solo_log_fatal(log), WEFT_OK);
}

/* Nothing was written since there were `writes`; all that was acknowledged is there. */
static void has_ended_at_once(struct solo_log *log, uint64_t writes) {
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    assert_false(actor_turn(&log->solo.topology->actors[ACTOR_LOG], log->solo.now));
    actor_stop(&log->solo.topology->actors[ACTOR_LOG]);
    assert_int_equal(disk_counts(log->disk).writes, writes);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 47);
}

static void a_failed_sync_of_a_checkpoint_is_met_by_the_next_group(void **state) {
    struct solo_log *log = *state;
    fail_checkpoint(log);
    uint64_t writes = disk_counts(log->disk).writes;
    solo_log_answers(log, solo_log_put(log, 0xf0, "/late"), WEFT_SYNC_FAILED);
    has_ended_at_once(log, writes);
}

static void a_failed_sync_of_a_checkpoint_is_met_by_acknowledgements(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    fail_checkpoint(log);
    uint64_t writes = disk_counts(log->disk).writes;
    solo_log_acked(log, THEM, ME, "location", 40);
    log->solo.now.mono_us += 1000000; /* They wait that long for a commit to ride on. */
    solo_turn(&log->solo);
    has_ended_at_once(log, writes);
}

/* The copier has met a failed sync, and said so on the board: the log, which is the last to close
 * the file, must not copy then. */
static void a_failed_sync_of_the_copier_leaves_the_file_alone(void **state) {
    struct solo_log *log = *state;
    committed(log, solo_log_put(log, 1, "/a"));
    board_set(log->solo.board->copy_failed, 1);
    const uint64_t writes = disk_counts(log->disk).writes;
    actor_stop(&log->solo.topology->actors[ACTOR_LOG]);
    assert_int_equal(disk_counts(log->disk).writes, writes);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_full_log_is_copied_elsewhere_and_its_rest_here),
        LOG_TEST(a_log_that_outgrows_the_copier_is_copied_here),
        LOG_TEST(a_failed_sync_of_a_checkpoint_is_met_by_the_next_group),
        LOG_TEST(a_failed_sync_of_a_checkpoint_is_met_by_acknowledgements),
        LOG_TEST(a_failed_sync_of_the_copier_leaves_the_file_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
