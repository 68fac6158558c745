/* The log actor alone, rescans: what was not written again between begin and end is deleted at the
 * end, and what makes an end delete nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_log.h"

#define ENTRIES "SELECT count(*) FROM entry"
#define TOMBSTONES "SELECT count(*) FROM _weft_tombstone"
#define POSITION                                                          \
    "SELECT position FROM _weft_position JOIN _weft_model ON id = model " \
    "WHERE owner = 1 AND name = 'entry'"

/* Takes what bulk has been given. */
static void bulk_reads(struct solo_log *log) {
    struct solo_log_passed passed;
    while (solo_log_passed(log, &passed)) {
    }
}

static void is_committed(struct solo_log *log, uint64_t ticket) {
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
}

static uint64_t put_entry(struct solo_log *log, int id, int place, const char *name) {
    struct run run;
    run_begin(&run, &log->library, "entry");
    run_put(&run, "bbti", id, place, name, INT64_C(1));
    return solo_log_commit(log, &run, NULL);
}

static uint64_t refused_entry(struct solo_log *log) {
    struct run run;
    run_begin(&run, &log->library, "entry");
    run_put(&run, "bbti", 0x7f, 0xaa, "small", INT64_C(-1)); /* A CHECK of the schema. */
    return solo_log_commit(log, &run, NULL);
}

/* Locations 0xaa and 0xab; entries 1, 2 and 3 of the first, 4 of the other. */
static void fill(struct solo_log *log) {
    struct run places, entries;
    run_begin(&places, &log->library, "location");
    run_put(&places, "bdt", 0xaa, ME, "/a");
    run_put(&places, "bdt", 0xab, ME, "/b");
    run_begin(&entries, &log->library, "entry");
    for (int i = 1; i <= 4; i++)
        run_put(&entries, "bbti", i, i < 4 ? 0xaa : 0xab, "file", INT64_C(1));
    is_committed(log, solo_log_commit(log, &places, &entries));
    bulk_reads(log);
}

static uint64_t begin_at(struct solo_log *log, int place) {
    struct id id = library_id((uint8_t)place);
    return solo_log_scan_begin(log, "entry", "location_id", weft_blob(id.bytes, sizeof id.bytes));
}

static uint64_t begin(struct solo_log *log) {
    uint64_t scan = begin_at(log, 0xaa);
    solo_log_answers(log, scan, WEFT_OK);
    return scan;
}

/* ---- what an end deletes --------------------------------------------------------------------- */

static void an_end_deletes_what_was_not_written_again(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    fill(log);
    uint64_t scan = begin(log);
    is_committed(log, put_entry(log, 2, 0xaa, "changed"));
    is_committed(log, put_entry(log, 5, 0xaa, "new"));
    uint64_t position = log->stamp;
    bulk_reads(log);
    uint64_t first = log->stamp + 1, end = solo_log_scan_end(log, scan);

    struct solo_log_outcome outcome = solo_log_outcome(log);
    assert_int_equal(outcome.ticket, end);
    assert_int_equal(outcome.status, WEFT_OK);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.models[0], library_model(&log->library, "entry"));
    assert_int_equal(outcome.versions[0], first + 1);
    assert_int_equal(solo_log_count(log, ENTRIES " WHERE name IN ('changed', 'new')"), 2);
    assert_int_equal(solo_log_count(log, ENTRIES " WHERE location_id = "
                                                 "x'abababababababababababababababab'"),
                     1);
    assert_int_equal(solo_log_count(log, ENTRIES), 3);
    assert_int_equal(solo_log_count(log, "SELECT min(version) FROM _weft_tombstone"), first);
    assert_int_equal(solo_log_count(log, "SELECT max(version) FROM _weft_tombstone"), first + 1);
    assert_int_equal(solo_log_count(log, POSITION), first + 1);
    assert_int_equal(solo_log_count(log, "SELECT value FROM _weft_meta WHERE key = 'clock'"),
                     first + 1);

    /* Bulk is told that the stream has grown by rows that are not in memory. */
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.ticket, end);
    assert_true(passed.last);
    assert_int_equal(passed.runs[0].count, 0);
    assert_int_equal(passed.runs[0].after, position);
    assert_int_equal(passed.runs[0].upto, first + 1);
    solo_log_passes_nothing(log);
}

static void puts_that_change_nothing_keep_their_rows(void **state) {
    struct solo_log *log = *state;
    struct run run;
    fill(log);
    uint64_t scan = begin(log);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    run_begin(&run, &log->library, "entry");
    run_set(&run, "bt", 2, "name", "file");
    is_committed(log, solo_log_commit(log, &run, NULL));
    assert_int_equal(board_get(log->solo.board->rows_unchanged), 2);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 3);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 1);
    assert_int_equal(solo_log_count(log, ENTRIES " WHERE id IN "
                                                 "(x'01010101010101010101010101010101', "
                                                 "x'02020202020202020202020202020202')"),
                     2);
}

static void an_end_counts_what_is_in_the_open_group(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log);
    uint64_t same = put_entry(log, 1, 0xaa, "file"), other = put_entry(log, 2, 0xaa, "changed");
    uint64_t end = solo_log_scan_end(log, scan);
    solo_log_answers(log, same, WEFT_OK);
    solo_log_answers(log, other, WEFT_OK);
    solo_log_answers(log, end, WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 3);
}

static void an_end_with_nothing_to_delete_moves_nothing(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    fill(log);
    int64_t position = solo_log_count(log, POSITION);
    uint64_t scan = begin_at(log, 0xac);
    solo_log_answers(log, scan, WEFT_OK);
    uint64_t end = solo_log_scan_end(log, scan);
    struct solo_log_outcome outcome = solo_log_outcome(log);
    assert_int_equal(outcome.ticket, end);
    assert_int_equal(outcome.status, WEFT_OK);
    assert_int_equal(outcome.count, 0);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.runs[0].after, position);
    assert_int_equal(passed.runs[0].upto, position);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
    assert_int_equal(solo_log_count(log, POSITION), position);
}

static void rescans_of_two_scopes_do_not_touch_each_other(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t one = begin(log), two = begin_at(log, 0xab);
    solo_log_answers(log, two, WEFT_OK);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    solo_log_answers(log, solo_log_scan_end(log, two), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 3);
    solo_log_answers(log, solo_log_scan_end(log, one), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 1);
}

static void a_scope_may_be_any_value(void **state) {
    struct solo_log *log = *state;
    fill(log);
    is_committed(log, put_entry(log, 5, 0xaa, "other"));
    is_committed(log, put_entry(log, 6, 0xaa, NULL));
    uint64_t scan = solo_log_scan_begin(log, "entry", "name", weft_text("file", 4));
    solo_log_answers(log, scan, WEFT_OK);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 3);
    scan = solo_log_scan_begin(log, "entry", "size", weft_integer(1));
    solo_log_answers(log, scan, WEFT_OK);
    is_committed(log, put_entry(log, 6, 0xaa, NULL));
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES " WHERE name IS NULL"), 1);
    assert_int_equal(solo_log_count(log, ENTRIES), 1);
}

static void rows_of_other_owners_in_the_scope_stay(void **state) {
    struct solo_log *log = *state;
    struct run run;
    fill(log);
    run_begin(&run, &log->library, "misc");
    run_put(&run, "itdntnn", INT64_C(1), "mine", ME, "label");
    is_committed(log, solo_log_commit(log, &run, NULL));
    run_begin(&run, &log->library, "misc");
    run_put(&run, "itdntnn", INT64_C(1), "theirs", THEM, "label");
    solo_log_receive(
        log, &run, (struct solo_log_batch){.owner = THEM, .table = "misc", .after = 0, .upto = 10});
    solo_turn(&log->solo);
    uint64_t scan = solo_log_scan_begin(log, "misc", "label", weft_text("label", 5));
    solo_log_answers(log, scan, WEFT_OK);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM misc WHERE b = 'theirs'"), 1);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM misc"), 1);
}

/* Entries of 0xaa beyond those of fill(): enough for a second slice. */
enum { MANY = LIMIT_SCAN_ROWS + 500 };

static void put_many(struct solo_log *log) {
    struct run run;
    run_begin(&run, &log->library, "misc");
    for (int64_t i = 0; i < MANY; i++)
        run_put(&run, "itdntnn", i, "row", ME, "label");
    is_committed(log, solo_log_commit(log, &run, NULL));
    bulk_reads(log);
}

static uint64_t begin_many(struct solo_log *log) {
    uint64_t scan = solo_log_scan_begin(log, "misc", "label", weft_text("label", 5));
    solo_log_answers(log, scan, WEFT_OK);
    return scan;
}

static void an_end_deletes_in_slices(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    put_many(log);
    uint64_t position = log->stamp, scan = begin_many(log);
    uint64_t syncs = board_get(log->solo.board->syncs), first = log->stamp + 1;
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_true(board_get(log->solo.board->syncs) >= syncs + 2);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM misc"), 0);
    assert_int_equal(solo_log_count(log, TOMBSTONES), MANY);
    assert_int_equal(solo_log_count(log, "SELECT max(version) FROM _weft_tombstone"),
                     first + MANY - 1);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.runs[0].after, position);
    assert_int_equal(passed.runs[0].upto, first + MANY - 1);
    solo_log_passes_nothing(log);
}

/* ---- what deletes nothing -------------------------------------------------------------------- */

static void an_end_without_a_begin_finds_no_rescan(void **state) {
    struct solo_log *log = *state;
    fill(log);
    solo_log_answers(log, solo_log_scan_end(log, 77), WEFT_NOT_FOUND);
    uint64_t scan = begin(log);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_NOT_FOUND);
    assert_int_equal(solo_log_count(log, ENTRIES), 2);
}

static void a_failed_transaction_of_its_table_gives_a_rescan_up(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    solo_log_answers(log, refused_entry(log), WEFT_CONSTRAINT);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_NOT_FOUND);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void a_failed_transaction_of_another_table_does_not(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log);
    solo_log_answers(log, solo_log_put(log, 0xac, "/b"), WEFT_CONSTRAINT); /* 0xab has it */
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 1);
}

static void a_group_that_fails_gives_a_rescan_up(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log), lost = put_entry(log, 1, 0xaa, "changed");
    disk_set_full(log->disk, true);
    solo_turn(&log->solo);
    disk_set_full(log->disk, false);
    solo_log_answers(log, lost, WEFT_DISK_FULL);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_NOT_FOUND);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void too_many_rescans_are_refused_until_one_ends(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin_at(log, 0xac);
    solo_log_answers(log, scan, WEFT_OK);
    for (uint32_t i = 1; i < LIMIT_SCANS; i++)
        (void)begin(log);
    solo_log_answers(log, begin_at(log, 0xab), WEFT_LIMIT);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    solo_log_answers(log, begin_at(log, 0xab), WEFT_OK);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void a_power_cut_between_begin_and_end_deletes_nothing(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_NOT_FOUND);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void an_open_rescan_goes_with_the_log(void **state) {
    struct solo_log *log = *state;
    fill(log);
    (void)begin(log);
    is_committed(log, put_entry(log, 1, 0xaa, "file")); /* noted in its memory */
    solo_log_restart(log);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

/* ---- ends that fail -------------------------------------------------------------------------- */

/* An end was answered with a failure, and changed nothing; another rescan does. */
static void has_changed_nothing(struct solo_log *log, int64_t position) {
    struct solo_log_passed passed;
    bulk_reads(log);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 0);
    assert_int_equal(solo_log_count(log, POSITION), position);
    uint64_t scan = begin(log);
    is_committed(log, put_entry(log, 1, 0xaa, "file"));
    bulk_reads(log);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_OK);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.runs[0].after, position);
    assert_int_equal(solo_log_count(log, ENTRIES), 2);
}

static void an_end_that_finds_the_disk_full_deletes_nothing(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    fill(log);
    int64_t position = solo_log_count(log, POSITION);
    uint64_t scan = begin(log);
    disk_set_full(log->disk, true);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_DISK_FULL);
    disk_set_full(log->disk, false);
    /* What bulk hears of it, if anything, covers nothing. */
    while (solo_log_passed(log, &passed)) {
        assert_int_equal(passed.runs[0].after, position);
        assert_int_equal(passed.runs[0].upto, position);
        assert_true(passed.last);
    }
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_NOT_FOUND);
    has_changed_nothing(log, position);
}

static void an_end_whose_open_group_finds_the_disk_full_deletes_nothing(void **state) {
    struct solo_log *log = *state;
    fill(log);
    int64_t position = solo_log_count(log, POSITION);
    uint64_t scan = begin(log), lost = put_entry(log, 2, 0xaa, "changed");
    disk_set_full(log->disk, true);
    uint64_t end = solo_log_scan_end(log, scan);
    disk_set_full(log->disk, false);
    solo_log_answers(log, lost, WEFT_DISK_FULL);
    struct solo_log_outcome outcome = solo_log_outcome(log);
    assert_int_equal(outcome.ticket, end);
    assert_true(outcome.status == WEFT_DISK_FULL || outcome.status == WEFT_NOT_FOUND);
    has_changed_nothing(log, position);
}

static void an_end_whose_sync_fails_ends_the_engine(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log);
    disk_fail_sync(log->disk, 1);
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_SYNC_FAILED);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void a_sync_that_fails_inside_a_slice_ends_the_engine(void **state) {
    struct solo_log *log = *state;
    put_many(log);
    log->cache_bytes = 0; /* The slice must be written before its commit. */
    solo_log_restart(log);
    uint64_t scan = begin_many(log);
    disk_fail_sync(log->disk, 1); /* Of the log's head, which the restart took away. */
    solo_log_answers(log, solo_log_scan_end(log, scan), WEFT_SYNC_FAILED);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM misc"), MANY);
}

static void an_end_after_a_failed_sync_says_so(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log), lost = put_entry(log, 2, 0xaa, "changed");
    disk_fail_sync(log->disk, 1);
    uint64_t end = solo_log_scan_end(log, scan);
    solo_log_answers(log, lost, WEFT_SYNC_FAILED);
    solo_log_answers(log, end, WEFT_SYNC_FAILED);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void an_end_after_a_failed_sync_of_another_table_says_so(void **state) {
    struct solo_log *log = *state;
    fill(log);
    uint64_t scan = begin(log), lost = solo_log_put(log, 0xac, "/c");
    disk_fail_sync(log->disk, 1);
    uint64_t end = solo_log_scan_end(log, scan);
    solo_log_answers(log, lost, WEFT_SYNC_FAILED);
    solo_log_answers(log, end, WEFT_SYNC_FAILED);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ENTRIES), 4);
}

static void slices_before_the_one_that_fails_stay_and_are_passed_on(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    put_many(log);
    uint64_t position = log->stamp, scan = begin_many(log), first = log->stamp + 1;
    disk_fail_sync(log->disk, 2);
    uint64_t end = solo_log_scan_end(log, scan);
    solo_log_answers(log, end, WEFT_SYNC_FAILED);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.ticket, 0);
    assert_true(passed.last);
    assert_int_equal(passed.runs[0].after, position);
    assert_int_equal(passed.runs[0].upto, first + LIMIT_SCAN_ROWS - 1);
    solo_log_passes_nothing(log);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM misc"), MANY - LIMIT_SCAN_ROWS);
    assert_int_equal(solo_log_count(log, TOMBSTONES), LIMIT_SCAN_ROWS);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(an_end_deletes_what_was_not_written_again),
        LOG_TEST(puts_that_change_nothing_keep_their_rows),
        LOG_TEST(an_end_counts_what_is_in_the_open_group),
        LOG_TEST(an_end_with_nothing_to_delete_moves_nothing),
        LOG_TEST(rescans_of_two_scopes_do_not_touch_each_other),
        LOG_TEST(a_scope_may_be_any_value),
        LOG_TEST(rows_of_other_owners_in_the_scope_stay),
        LOG_TEST(an_end_deletes_in_slices),
        LOG_TEST(an_end_without_a_begin_finds_no_rescan),
        LOG_TEST(a_failed_transaction_of_its_table_gives_a_rescan_up),
        LOG_TEST(a_failed_transaction_of_another_table_does_not),
        LOG_TEST(a_group_that_fails_gives_a_rescan_up),
        LOG_TEST(too_many_rescans_are_refused_until_one_ends),
        LOG_TEST(a_power_cut_between_begin_and_end_deletes_nothing),
        LOG_TEST(an_open_rescan_goes_with_the_log),
        LOG_TEST(an_end_that_finds_the_disk_full_deletes_nothing),
        LOG_TEST(an_end_whose_open_group_finds_the_disk_full_deletes_nothing),
        LOG_TEST(an_end_whose_sync_fails_ends_the_engine),
        LOG_TEST(a_sync_that_fails_inside_a_slice_ends_the_engine),
        LOG_TEST(an_end_after_a_failed_sync_says_so),
        LOG_TEST(an_end_after_a_failed_sync_of_another_table_says_so),
        LOG_TEST(slices_before_the_one_that_fails_stay_and_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
