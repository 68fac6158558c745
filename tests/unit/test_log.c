/* The log actor alone, rows of this host: groups, what becomes of them when one transaction or the
 * disk fails, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/lib/solo_log.h"

#define LOCATIONS "SELECT count(*) FROM location"
#define POSITION "SELECT position FROM _weft_position WHERE owner = 1"

static void location(struct solo_log *log, struct run *run) {
    run_begin(run, &log->library, "location");
}

static void entry(struct solo_log *log, struct run *run) {
    run_begin(run, &log->library, "entry");
}

/* The next mail to bulk is this transaction with one run. */
static void passes_run(struct solo_log *log, uint64_t ticket, uint64_t after, uint64_t upto,
                       bool last) {
    struct solo_log_passed passed;
    assert_true(solo_log_passed(log, &passed));
    assert_false(passed.incoming);
    assert_int_equal(passed.ticket, ticket);
    assert_int_equal(passed.run_count, 1);
    assert_int_equal(passed.runs[0].after, after);
    assert_int_equal(passed.runs[0].upto, upto);
    assert_int_equal(passed.last, last);
}

static void answers_nothing(struct solo_log *log) {
    assert_int_equal(solo_log_outcome(log).ticket, 0);
}

/* A put of this device's that is committed, answered and passed on; its version. */
static uint64_t settled_put(struct solo_log *log, int id, const char *path) {
    struct solo_log_passed passed;
    uint64_t ticket = solo_log_put(log, id, path);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    assert_true(solo_log_passed(log, &passed));
    return passed.runs[0].upto;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void a_group_is_one_commit_and_is_answered_only_after_it(void **state) {
    struct solo_log *log = *state;
    uint64_t before = log->stamp;
    uint64_t syncs = disk_counts(log->disk).syncs;
    for (int i = 1; i <= 3; i++)
        assert_int_equal(solo_log_put(log, i, NULL), i);
    answers_nothing(log);
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 0);
    assert_int_equal(disk_counts(log->disk).syncs, syncs);

    solo_turn(&log->solo);
    assert_int_equal(board_get(log->solo.board->syncs), 1);
    assert_int_equal(board_get(log->solo.board->commits), 3);
    assert_int_equal(board_get(log->solo.board->rows_local), 3);
    assert_int_equal(solo_log_count(log, LOCATIONS), 3);
    for (uint64_t i = 1; i <= 3; i++) {
        solo_log_answers(log, i, WEFT_OK);
        passes_run(log, i, i == 1 ? 0 : before + i - 1, before + i, i == 3);
    }
    answers_nothing(log);
    solo_log_passes_nothing(log);
}

static void runs_of_a_stream_chain_over_groups_and_restarts(void **state) {
    struct solo_log *log = *state;
    uint64_t first = settled_put(log, 1, NULL);
    uint64_t second = log->stamp + 1, ticket = solo_log_put(log, 2, NULL);
    solo_turn(&log->solo);
    passes_run(log, ticket, first, second, true);
    assert_int_equal(solo_log_count(log, POSITION), second);

    solo_log_restart(log);
    uint64_t third = log->stamp + 1;
    ticket = solo_log_put(log, 3, NULL);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    passes_run(log, ticket, second, third, true);
}

static void an_outcome_names_the_last_version_in_each_model(void **state) {
    struct solo_log *log = *state;
    struct run locations, entries;
    struct solo_log_passed passed;
    location(log, &locations);
    run_put(&locations, "bdt", 0xaa, ME, "/a");
    run_put(&locations, "bdt", 0xab, ME, "/b");
    entry(log, &entries);
    run_put(&entries, "bbti", 1, 0xaa, "file", INT64_C(7));
    uint64_t before = log->stamp;
    uint64_t ticket = solo_log_commit(log, &locations, &entries);
    solo_turn(&log->solo);

    struct solo_log_outcome outcome = solo_log_outcome(log);
    assert_int_equal(outcome.ticket, ticket);
    assert_int_equal(outcome.count, 2);
    assert_int_equal(outcome.models[0], library_model(&log->library, "location"));
    assert_int_equal(outcome.versions[0], before + 2);
    assert_int_equal(outcome.models[1], library_model(&log->library, "entry"));
    assert_int_equal(outcome.versions[1], before + 3);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.run_count, 2);
    assert_int_equal(passed.runs[1].after, 0);
    assert_int_equal(passed.runs[1].upto, before + 3);
    assert_int_equal(solo_log_count(log, "SELECT value FROM _weft_meta WHERE key = 'clock'"),
                     before + 3);
}

static void a_group_that_has_become_large_is_committed_at_once(void **state) {
    struct solo_log *log = *state;
    for (uint64_t i = 1; i <= LIMIT_GROUP_MAILS; i++) {
        answers_nothing(log);
        assert_int_equal(solo_log_put(log, (int)i, NULL), i);
    }
    for (uint64_t i = 1; i <= LIMIT_GROUP_MAILS; i++)
        solo_log_answers(log, i, WEFT_OK);
    assert_int_equal(board_get(log->solo.board->syncs), 1);

    log->group_rows = 3;
    solo_log_restart(log);
    struct run run;
    uint64_t one = solo_log_put(log, 0xe1, NULL);
    answers_nothing(log);
    location(log, &run);
    run_put(&run, "bdn", 0xe2, ME);
    run_put(&run, "bdn", 0xe3, ME);
    uint64_t two = solo_log_commit(log, &run, NULL);
    solo_log_answers(log, one, WEFT_OK);
    solo_log_answers(log, two, WEFT_OK);
}

/* ---- rows that change nothing, or may not be written ----------------------------------------- */

static void a_put_equal_to_the_stored_row_moves_nothing(void **state) {
    struct solo_log *log = *state;
    uint64_t version = settled_put(log, 1, "/a");
    uint64_t ticket = solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    struct solo_log_outcome outcome = solo_log_outcome(log);
    assert_int_equal(outcome.ticket, ticket);
    assert_int_equal(outcome.status, WEFT_OK);
    assert_int_equal(outcome.count, 0);
    passes_run(log, ticket, version, version, true);
    assert_int_equal(board_get(log->solo.board->rows_unchanged), 1);
    assert_int_equal(solo_log_count(log, "SELECT _weft_version FROM location"), version);
    assert_int_equal(solo_log_count(log, POSITION), version);
}

static void a_run_ends_with_the_last_row_that_changed_something(void **state) {
    struct solo_log *log = *state;
    struct run run;
    uint64_t version = settled_put(log, 1, "/a");
    location(log, &run);
    run_put(&run, "bdt", 2, ME, "/b");
    run_put(&run, "bdt", 1, ME, "/a");
    uint64_t changed = log->stamp + 1;
    uint64_t ticket = solo_log_commit(log, &run, NULL);
    solo_turn(&log->solo);
    assert_int_equal(solo_log_outcome(log).versions[0], changed);
    passes_run(log, ticket, version, changed, true);
}

static void a_field_that_is_set_goes_on_as_the_whole_row(void **state) {
    struct solo_log *log = *state;
    struct run run;
    settled_put(log, 1, "/a");
    location(log, &run);
    run_set(&run, "bt", 1, "path", "/moved");
    uint64_t ticket = solo_log_commit(log, &run, NULL);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    struct mail *mail = solo_take(&log->solo, ACTOR_BULK, WEFT__MAIL__BODY_COMMIT);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.commit->rows[0];
    assert_int_equal(rows_op(rows, 0), ROW_PUT);
    struct weft_value device = rows_value(rows, 0, 1), path = rows_value(rows, 0, 2);
    assert_int_equal(device.size, 16);
    assert_int_equal(path.size, 6);
    assert_memory_equal(path.as.bytes, "/moved", 6);
    mail_drop(&mail);
    assert_int_equal(solo_log_count(log, "SELECT path = '/moved' FROM location"), 1);
}

static void a_missing_row_cannot_be_set_and_needs_no_delete(void **state) {
    struct solo_log *log = *state;
    struct run run;
    location(log, &run);
    run_set(&run, "bt", 1, "path", "/a");
    uint64_t set = solo_log_commit(log, &run, NULL);
    uint64_t gone = solo_log_delete(log, 1);
    solo_turn(&log->solo);
    solo_log_answers(log, set, WEFT_NOT_FOUND);
    solo_log_answers(log, gone, WEFT_OK);
    passes_run(log, gone, 0, 0, true);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM _weft_tombstone"), 0);
}

static void a_delete_leaves_a_tombstone_and_moves_the_stream(void **state) {
    struct solo_log *log = *state;
    uint64_t put = settled_put(log, 1, "/a");
    uint64_t ticket = solo_log_delete(log, 1), gone = log->stamp;
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    passes_run(log, ticket, put, gone, true);
    assert_int_equal(solo_log_count(log, LOCATIONS), 0);
    assert_int_equal(solo_log_count(log, "SELECT version FROM _weft_tombstone"), gone);
}

static void rows_of_another_owner_are_refused(void **state) {
    struct solo_log *log = *state;
    struct run run;
    location(log, &run);
    run_put(&run, "bdt", 0xbb, THEM, "/theirs");
    solo_log_receive(
        log, &run,
        (struct solo_log_batch){.owner = THEM, .table = "location", .after = 0, .upto = 10});
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_OK, 10, false);

    solo_log_answers(log, solo_log_put(log, 0xbb, "/mine"), WEFT_NOT_OWNER);
    solo_log_answers(log, solo_log_delete(log, 0xbb), WEFT_NOT_OWNER);
    location(log, &run);
    run_put(&run, "bdt", 0xbc, THEM, "/for them");
    solo_log_answers(log, solo_log_commit(log, &run, NULL), WEFT_NOT_OWNER);
    entry(log, &run);
    run_put(&run, "bbti", 1, 0xbb, "file", INT64_C(1));
    solo_log_answers(log, solo_log_commit(log, &run, NULL), WEFT_NOT_OWNER);
    solo_turn(&log->solo);
    solo_log_passes_nothing(log);
    assert_int_equal(board_get(log->solo.board->commits_failed), 4);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM location WHERE path = '/theirs' "
                                         "AND _weft_version = 10"),
                     1);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM entry"), 0);
}

/* ---- a transaction that fails ---------------------------------------------------------------- */

/* Two rows, the second of which has the path of the first. */
static uint64_t refused(struct solo_log *log, int id, int other) {
    struct run run;
    location(log, &run);
    run_put(&run, "bdt", id, ME, "/same");
    run_put(&run, "bdt", other, ME, "/same");
    return solo_log_commit(log, &run, NULL);
}

static void a_transaction_that_fails_in_a_group_takes_no_other_with_it(void **state) {
    struct solo_log *log = *state;
    uint64_t first = log->stamp + 1, one = solo_log_put(log, 1, "/a");
    uint64_t two = solo_log_put(log, 2, "/b");
    uint64_t three = refused(log, 3, 4);
    uint64_t fourth = log->stamp + 1, four = solo_log_put(log, 5, "/c");
    /* Those before it are committed by then; it says so after they do. */
    solo_log_answers(log, one, WEFT_OK);
    solo_log_answers(log, two, WEFT_OK);
    solo_log_answers(log, three, WEFT_CONSTRAINT);
    answers_nothing(log);
    solo_turn(&log->solo);
    solo_log_answers(log, four, WEFT_OK);
    passes_run(log, one, 0, first, false);
    passes_run(log, two, first, first + 1, true);
    passes_run(log, four, first + 1, fourth, true);
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 3);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM location WHERE path = '/same'"), 0);
    assert_int_equal(board_get(log->solo.board->commits), 3);
    assert_int_equal(board_get(log->solo.board->commits_failed), 1);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_FAULT).kind, 0);
}

static void fields_and_deletes_are_the_same_when_a_group_is_applied_again(void **state) {
    struct solo_log *log = *state;
    struct run run;
    settled_put(log, 1, "/a");
    settled_put(log, 2, "/b");
    location(log, &run);
    run_set(&run, "bt", 1, "path", "/moved");
    run_set(&run, "bt", 2, "path", "/b");
    uint64_t one = solo_log_commit(log, &run, NULL);
    uint64_t two = solo_log_delete(log, 2);
    uint64_t three = solo_log_put(log, 1, "/moved");
    uint64_t four = refused(log, 3, 4);
    solo_log_answers(log, one, WEFT_OK);
    solo_log_answers(log, two, WEFT_OK);
    solo_log_answers(log, three, WEFT_OK);
    solo_log_answers(log, four, WEFT_CONSTRAINT);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM location WHERE path = '/moved' "
                                         "AND id = x'01010101010101010101010101010101'"),
                     1);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM _weft_tombstone"), 1);
}

static void a_transaction_that_fails_alone_leaves_nothing(void **state) {
    struct solo_log *log = *state;
    solo_log_answers(log, refused(log, 1, 2), WEFT_CONSTRAINT);
    solo_turn(&log->solo);
    answers_nothing(log);
    solo_log_passes_nothing(log);
    assert_int_equal(board_get(log->solo.board->syncs), 0);
    assert_int_equal(solo_log_count(log, LOCATIONS), 0);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM _weft_position"), 0);
}

/* ---- a full disk ----------------------------------------------------------------------------- */

/* Everything as after the one put at `version`, and a new put goes in. */
static void is_as_before(struct solo_log *log, uint64_t version) {
    solo_turn(&log->solo);
    answers_nothing(log);
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
    assert_int_equal(solo_log_count(log, POSITION), version);
    assert_int_equal(solo_log_count(log, "SELECT value FROM _weft_meta WHERE key = 'clock'"),
                     version);
    uint64_t next = log->stamp + 1, ticket = solo_log_put(log, 9, "/after");
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    passes_run(log, ticket, version, next, true);
    assert_int_equal(solo_log_fatal(log), WEFT_OK);
}

static void a_group_that_finds_the_disk_full_is_answered_so(void **state) {
    struct solo_log *log = *state;
    uint64_t version = settled_put(log, 1, "/a");
    uint64_t one = solo_log_put(log, 2, "/b"), two = solo_log_put(log, 3, "/c");
    disk_set_full(log->disk, true);
    solo_turn(&log->solo);
    disk_set_full(log->disk, false);
    solo_log_answers(log, one, WEFT_DISK_FULL);
    solo_log_answers(log, two, WEFT_DISK_FULL);
    struct solo_log_notice notice = solo_log_notice(log, WEFT_EVENT_FAULT);
    assert_int_equal(notice.status, WEFT_DISK_FULL);
    /* The host hears that the transactions' room is free again. */
    struct mail *held = solo_take(&log->solo, ACTOR_HOST, WEFT__MAIL__BODY_HELD);
    assert_non_null(held);
    mail_drop(&held);
    is_as_before(log, version);
}

static void a_refusal_and_a_full_disk_fail_the_whole_group(void **state) {
    struct solo_log *log = *state;
    uint64_t version = settled_put(log, 1, "/a");
    uint64_t one = solo_log_put(log, 2, "/b");
    uint64_t two = solo_log_put(log, 3, "/c");
    disk_set_full(log->disk, true);
    /* Refused because of a row that no commit has: the group's failure is the reason. */
    uint64_t three = solo_log_put(log, 4, "/c");
    disk_set_full(log->disk, false);
    solo_log_answers(log, one, WEFT_DISK_FULL);
    solo_log_answers(log, two, WEFT_DISK_FULL);
    solo_log_answers(log, three, WEFT_DISK_FULL);
    is_as_before(log, version);
}

static void a_transaction_too_large_for_the_disk_leaves_nothing(void **state) {
    struct solo_log *log = *state;
    static char text[700000];
    struct run run;
    log->cache_bytes = 0;
    solo_log_restart(log);
    memset(text, 'x', sizeof text - 1);
    settled_put(log, 1, "/a");
    disk_set_full(log->disk, true);
    location(log, &run);
    run_put(&run, "bdt", 2, ME, text);
    uint64_t ticket = solo_log_commit(log, &run, NULL);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_DISK_FULL);
    disk_set_full(log->disk, false);
    is_as_before(log, (uint64_t)solo_log_count(log, POSITION));
}

static void a_group_whose_second_application_fails_is_answered_so(void **state) {
    struct solo_log *log = *state;
    settled_put(log, 1, "/a");
    uint64_t one = solo_log_put(log, 2, "/b");
    uint64_t two = solo_log_put(log, 3, "/c");
    disk_crash(log->disk, DISK_KEEP_SYNCED); /* Nothing can be read or written any more. */
    uint64_t three = refused(log, 4, 5);
    solo_log_answers(log, one, WEFT_IO);
    solo_log_answers(log, two, WEFT_IO);
    solo_log_answers(log, three, WEFT_IO);
    answers_nothing(log);
    solo_log_passes_nothing(log);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
}

/* ---- a failed sync --------------------------------------------------------------------------- */

/* The engine has ended; what was acknowledged, one row, is there after a power cut. */
static void has_ended(struct solo_log *log) {
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    assert_false(actor_turn(&log->solo.topology->actors[ACTOR_LOG], log->solo.now));
    uint64_t writes = disk_counts(log->disk).writes, syncs = disk_counts(log->disk).syncs;
    actor_stop(&log->solo.topology->actors[ACTOR_LOG]);
    assert_int_equal(disk_counts(log->disk).writes, writes);
    assert_int_equal(disk_counts(log->disk).syncs, syncs);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
}

static void a_commit_whose_sync_fails_is_not_acknowledged_and_ends_the_engine(void **state) {
    struct solo_log *log = *state;
    settled_put(log, 1, "/a");
    uint64_t one = solo_log_put(log, 2, "/b"), two = solo_log_put(log, 3, "/c");
    disk_fail_sync(log->disk, 1);
    solo_turn(&log->solo);
    solo_log_answers(log, one, WEFT_SYNC_FAILED);
    solo_log_answers(log, two, WEFT_SYNC_FAILED);
    solo_log_passes_nothing(log);
    has_ended(log);
}

static void a_refusal_and_a_failed_sync_fail_the_whole_group(void **state) {
    struct solo_log *log = *state;
    settled_put(log, 1, "/a");
    uint64_t one = solo_log_put(log, 2, "/b");
    disk_fail_sync(log->disk, 1);
    uint64_t two = solo_log_put(log, 3, "/b");
    solo_log_answers(log, one, WEFT_SYNC_FAILED);
    solo_log_answers(log, two, WEFT_SYNC_FAILED);
    solo_log_passes_nothing(log);
    has_ended(log);
}

static void a_sync_that_fails_inside_a_transaction_fails_the_whole_group(void **state) {
    struct solo_log *log = *state;
    settled_put(log, 1, "/a");
    log->cache_bytes = 0;
    solo_log_restart(log);
    uint64_t one = solo_log_put(log, 2, "/b");
    disk_fail_sync(log->disk, 1); /* of the head of the log, which the restart began anew */
    uint64_t two = solo_log_put_large(log, 3);
    solo_log_answers(log, one, WEFT_SYNC_FAILED);
    solo_log_answers(log, two, WEFT_SYNC_FAILED);
    solo_log_passes_nothing(log);
    has_ended(log);
}

/* ---- stop ------------------------------------------------------------------------------------ */

static void stop(struct solo_log *log) {
    solo_tell(&log->solo, ACTOR_CLOCK, solo_mail(&log->solo, WEFT__MAIL__BODY_STOP, NULL));
}

static void a_stop_commits_what_is_open_and_is_answered_last(void **state) {
    struct solo_log *log = *state;
    uint64_t ticket = solo_log_put(log, 1, "/a");
    stop(log);
    solo_log_answers(log, ticket, WEFT_OK);
    assert_false(log->stopped);
    answers_nothing(log);
    assert_true(log->stopped);
    assert_true(actor_due_us(&log->solo.topology->actors[ACTOR_LOG]) == DUE_NEVER);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
}

static void a_stop_is_answered_also_when_the_last_commit_fails(void **state) {
    struct solo_log *log = *state;
    uint64_t ticket = solo_log_put(log, 1, "/a");
    disk_set_full(log->disk, true);
    stop(log);
    disk_set_full(log->disk, false);
    solo_log_answers(log, ticket, WEFT_DISK_FULL);
    answers_nothing(log);
    assert_true(log->stopped);
    assert_true(actor_due_us(&log->solo.topology->actors[ACTOR_LOG]) == DUE_NEVER);
}

static void a_log_that_goes_without_a_stop_forgets_its_open_group(void **state) {
    struct solo_log *log = *state;
    settled_put(log, 1, "/a");
    (void)solo_log_put(log, 2, "/b");
    solo_log_restart(log);
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_group_is_one_commit_and_is_answered_only_after_it),
        LOG_TEST(runs_of_a_stream_chain_over_groups_and_restarts),
        LOG_TEST(an_outcome_names_the_last_version_in_each_model),
        LOG_TEST(a_group_that_has_become_large_is_committed_at_once),
        LOG_TEST(a_put_equal_to_the_stored_row_moves_nothing),
        LOG_TEST(a_run_ends_with_the_last_row_that_changed_something),
        LOG_TEST(a_field_that_is_set_goes_on_as_the_whole_row),
        LOG_TEST(a_missing_row_cannot_be_set_and_needs_no_delete),
        LOG_TEST(a_delete_leaves_a_tombstone_and_moves_the_stream),
        LOG_TEST(rows_of_another_owner_are_refused),
        LOG_TEST(a_transaction_that_fails_in_a_group_takes_no_other_with_it),
        LOG_TEST(fields_and_deletes_are_the_same_when_a_group_is_applied_again),
        LOG_TEST(a_transaction_that_fails_alone_leaves_nothing),
        LOG_TEST(a_group_that_finds_the_disk_full_is_answered_so),
        LOG_TEST(a_refusal_and_a_full_disk_fail_the_whole_group),
        LOG_TEST(a_transaction_too_large_for_the_disk_leaves_nothing),
        LOG_TEST(a_group_whose_second_application_fails_is_answered_so),
        LOG_TEST(a_commit_whose_sync_fails_is_not_acknowledged_and_ends_the_engine),
        LOG_TEST(a_refusal_and_a_failed_sync_fail_the_whole_group),
        LOG_TEST(a_sync_that_fails_inside_a_transaction_fails_the_whole_group),
        LOG_TEST(a_stop_commits_what_is_open_and_is_answered_last),
        LOG_TEST(a_stop_is_answered_also_when_the_last_commit_fails),
        LOG_TEST(a_log_that_goes_without_a_stop_forgets_its_open_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
