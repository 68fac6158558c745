/* The log actor alone, rows of other devices: batches that continue a stream, batches that do not,
 * and sweeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/lib/solo_log.h"

/* Of a stream of THEM or OTHERS, whose numbers in the file are 2 and 3 in the order they came. */
#define POSITION(number) "SELECT position FROM _weft_position WHERE owner = " #number
#define HORIZON(number) "SELECT horizon FROM _weft_position WHERE owner = " #number
#define CURSOR(number) "SELECT ifnull(sweep, -1) FROM _weft_position WHERE owner = " #number
#define ROWS(number) "SELECT count(*) FROM location WHERE _weft_owner = " #number

/* A batch of locations `first`, `first` + 1, ... of their owner. */
static void tell(struct solo_log *log, struct solo_log_batch batch, int first, int count) {
    struct run run;
    batch.table = "location";
    run_begin(&run, &log->library, batch.table);
    for (int i = 0; i < count; i++)
        run_put(&run, "bdn", first + i, batch.owner);
    solo_log_receive(log, &run, batch);
}

/* The same in a group of its own, which goes in. */
static void receive(struct solo_log *log, struct solo_log_batch batch, int first, int count) {
    tell(log, batch, first, count);
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_OK, batch.upto, false);
    solo_log_passes_nothing(log);
}

#define FROM(device, begin, end) \
    ((struct solo_log_batch){.owner = device, .after = begin, .upto = end})
#define SWEEP(begin, end, forgotten) \
    ((struct solo_log_batch){        \
        .owner = THEM, .after = begin, .upto = end, .horizon = forgotten, .sweep = true})

/* ---- batches that continue ------------------------------------------------------------------- */

static void a_batch_that_continues_its_stream_is_stored_and_moves_the_position(void **state) {
    struct solo_log *log = *state;
    tell(log, FROM(THEM, 0, 20), 0x40, 2);
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 0);
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_OK, 20, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 2);
    assert_int_equal(solo_log_count(log, POSITION(2)), 20);
    assert_int_equal(board_get(log->solo.board->rows_remote), 2);
    struct solo_log_notice notice = solo_log_notice(log, WEFT_EVENT_CHANGED);
    assert_int_equal(notice.count, 2);
    assert_int_equal(notice.device, THEM);
    assert_int_equal(notice.model, library_model(&log->library, "location") - 1);

    solo_log_restart(log);
    receive(log, FROM(THEM, 20, 30), 0x50, 1);
    assert_int_equal(solo_log_count(log, ROWS(2)), 3);
}

static void a_batch_without_rows_moves_the_position_only(void **state) {
    struct solo_log *log = *state;
    receive(log, FROM(THEM, 0, 20), 0, 0);
    assert_int_equal(solo_log_count(log, POSITION(2)), 20);
    receive(log, FROM(THEM, 20, 20), 0, 0);
    receive(log, FROM(THEM, 20, 30), 0x40, 1);
}

static void streams_and_own_transactions_share_a_group_in_their_order(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    struct run run;
    tell(log, FROM(THEM, 0, 10), 0x40, 1);
    tell(log, FROM(OTHERS, 0, 30), 0x60, 3);
    uint64_t mine = solo_log_put(log, 1, "/mine");
    tell(log, FROM(THEM, 10, 30), 0x50, 2);
    run_begin(&run, &log->library, "entry");
    run_put(&run, "bbti", 7, 0x40, "file", INT64_C(1));
    solo_log_receive(
        log, &run,
        (struct solo_log_batch){.owner = THEM, .table = "entry", .after = 0, .upto = 10});
    solo_log_passes_nothing(log);
    solo_turn(&log->solo);

    assert_int_equal(board_get(log->solo.board->syncs), 1);
    solo_log_answers(log, mine, WEFT_OK);
    static const uint64_t upto[] = {10, 30, 0, 30, 10};
    static const uint64_t held[] = {30, 30, 0, 30, 10};
    for (int i = 0; i < 5; i++) {
        assert_true(solo_log_passed(log, &passed));
        assert_int_equal(passed.last, i == 4);
        assert_int_equal(passed.incoming, i != 2);
        if (i == 2) continue;
        assert_int_equal(passed.status, WEFT_OK);
        assert_int_equal(passed.runs[0].upto, upto[i]);
        assert_int_equal(passed.position, held[i]); /* After the group. */
    }
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM location"), 7);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM entry WHERE _weft_owner = 2"), 1);
}

static void the_host_hears_of_changes_once_per_row_of_batches_of_a_model(void **state) {
    struct solo_log *log = *state;
    tell(log, FROM(THEM, 0, 10), 0x40, 1);
    tell(log, FROM(THEM, 10, 30), 0x50, 2);
    (void)solo_log_put(log, 1, "/mine");
    tell(log, FROM(THEM, 30, 40), 0x60, 1);
    solo_turn(&log->solo);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_CHANGED).count, 3);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_CHANGED).count, 1);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_CHANGED).kind, 0);
}

static void batches_make_a_group_large_as_well(void **state) {
    struct solo_log *log = *state;
    log->group_rows = 3;
    solo_log_restart(log);
    tell(log, FROM(THEM, 0, 20), 0x40, 2);
    solo_log_passes_nothing(log);
    tell(log, FROM(OTHERS, 0, 10), 0x60, 1);
    solo_log_passes(log, WEFT_OK, 20, false);
    solo_log_passes(log, WEFT_OK, 10, false);
}

static void a_received_delete_removes_the_row_and_is_kept_for_others(void **state) {
    struct solo_log *log = *state;
    struct run run;
    receive(log, FROM(THEM, 0, 20), 0x40, 2);
    run_begin(&run, &log->library, "location");
    run_delete(&run, "b", 0x40);
    solo_log_receive(
        log, &run,
        (struct solo_log_batch){.owner = THEM, .table = "location", .after = 20, .upto = 30});
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_OK, 30, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 1);
    assert_int_equal(solo_log_count(log, "SELECT version FROM _weft_tombstone WHERE owner = 2"),
                     30);
}

static void the_sender_s_horizon_is_kept_and_only_grows(void **state) {
    struct solo_log *log = *state;
    struct solo_log_batch batch = FROM(THEM, 0, 20);
    batch.horizon = 7;
    receive(log, batch, 0x40, 1);
    assert_int_equal(solo_log_count(log, HORIZON(2)), 7);
    batch = FROM(THEM, 20, 30);
    batch.horizon = 3;
    receive(log, batch, 0x41, 1);
    assert_int_equal(solo_log_count(log, HORIZON(2)), 7);
    receive(log, FROM(THEM, 30, 40), 0x42, 1);
    assert_int_equal(solo_log_count(log, HORIZON(2)), 7);
}

/* ---- batches that do not --------------------------------------------------------------------- */

static void a_gap_and_a_duplicate_are_answered_with_the_position(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    receive(log, FROM(THEM, 0, 20), 0x40, 2);
    tell(log, FROM(THEM, 30, 40), 0x50, 1);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.status, WEFT_INVALID);
    assert_int_equal(passed.position, 20);
    assert_false(passed.sweeping);
    assert_true(passed.last);
    tell(log, FROM(THEM, 0, 20), 0x40, 2);
    solo_log_passes(log, WEFT_INVALID, 20, false);
    tell(log, FROM(OTHERS, 10, 20), 0x50, 1); /* A stream that was never heard of. */
    solo_log_passes(log, WEFT_INVALID, 0, false);
    solo_turn(&log->solo);
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM location"), 2);
    assert_int_equal(solo_log_count(log, POSITION(2)), 20);
}

static void a_gap_is_answered_after_the_group_that_is_open(void **state) {
    struct solo_log *log = *state;
    uint64_t mine = solo_log_put(log, 1, "/mine");
    tell(log, FROM(THEM, 0, 20), 0x40, 2);
    tell(log, FROM(THEM, 30, 40), 0x50, 1);
    struct solo_log_passed passed;
    solo_log_answers(log, mine, WEFT_OK);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.ticket, mine);
    assert_false(passed.last);
    solo_log_passes(log, WEFT_OK, 20, false);
    solo_log_passes(log, WEFT_INVALID, 20, false);
}

static void a_row_that_cannot_be_applied_is_parked_and_the_position_moves(void **state) {
    struct solo_log *log = *state;
    struct run run;
    uint64_t mine = solo_log_put(log, 1, "/same");
    solo_turn(&log->solo);
    solo_log_answers(log, mine, WEFT_OK);
    struct solo_log_passed passed;
    assert_true(solo_log_passed(log, &passed));
    run_begin(&run, &log->library, "location");
    run_put(&run, "bdt", 0x40, THEM, "/same"); /* This device has that path. */
    run_put(&run, "bdt", 0x41, OTHERS, "/o");  /* Not theirs to write. */
    run_put(&run, "bdt", 0x42, THEM, "/t");
    solo_log_receive(
        log, &run,
        (struct solo_log_batch){.owner = THEM, .table = "location", .after = 0, .upto = 30});
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_OK, 30, false);
    assert_int_equal(board_get(log->solo.board->rows_parked), 2);
    assert_int_equal(board_get(log->solo.board->rows_remote), 1);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM _weft_parked"), 2);
    assert_int_equal(solo_log_count(log, ROWS(2)), 1);

    /* It goes in at a later start, once nothing is in its way. */
    run_begin(&run, &log->library, "location");
    run_set(&run, "bt", 1, "path", "/moved");
    (void)solo_log_commit(log, &run, NULL);
    solo_turn(&log->solo);
    solo_log_restart(log);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM _weft_parked"), 1);
    assert_int_equal(solo_log_count(log, ROWS(2)), 2);
}

/* ---- batches that fail ----------------------------------------------------------------------- */

static void a_batch_with_impossible_versions_takes_no_other_with_it(void **state) {
    struct solo_log *log = *state;
    uint64_t mine = solo_log_put(log, 1, "/mine");
    tell(log, FROM(THEM, 0, 20), 0x40, 2);
    tell(log, FROM(OTHERS, 0, UINT64_MAX - 1), 0x60, 1);
    struct solo_log_passed passed;
    solo_log_answers(log, mine, WEFT_OK);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.ticket, mine);
    solo_log_passes(log, WEFT_OK, 20, false);
    solo_log_passes(log, WEFT_PROTOCOL, 0, false);
    solo_log_passes_nothing(log);
    struct solo_log_notice notice = solo_log_notice(log, WEFT_EVENT_FAULT);
    assert_int_equal(notice.status, WEFT_PROTOCOL);
    assert_int_equal(notice.device, OTHERS);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM location"), 3);
}

static void batches_that_find_the_disk_full_come_home_with_it_and_can_come_again(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    receive(log, FROM(THEM, 0, 20), 0x40, 2);
    tell(log, FROM(THEM, 20, 30), 0x50, 1);
    uint64_t mine = solo_log_put(log, 1, "/mine");
    tell(log, FROM(THEM, 30, 40), 0x51, 1);
    disk_set_full(log->disk, true);
    solo_turn(&log->solo);
    disk_set_full(log->disk, false);
    solo_log_answers(log, mine, WEFT_DISK_FULL);
    for (int i = 0; i < 2; i++) {
        assert_true(solo_log_passed(log, &passed));
        assert_true(passed.incoming);
        assert_int_equal(passed.status, WEFT_DISK_FULL);
        assert_int_equal(passed.position, 20);
        assert_true(passed.last); /* The transaction between them does not come. */
    }
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 2);
    receive(log, FROM(THEM, 20, 30), 0x50, 1);
    assert_int_equal(solo_log_count(log, ROWS(2)), 3);
}

static void a_refusal_and_a_full_disk_fail_batches_of_the_group_as_well(void **state) {
    struct solo_log *log = *state;
    tell(log, FROM(THEM, 0, 20), 0x40, 2);
    disk_set_full(log->disk, true);
    tell(log, FROM(OTHERS, 0, UINT64_MAX - 1), 0x60, 1);
    disk_set_full(log->disk, false);
    solo_log_passes(log, WEFT_DISK_FULL, 0, false);
    solo_log_passes(log, WEFT_DISK_FULL, 0, false); /* It may have been refused for the others. */
    solo_log_passes_nothing(log);
    receive(log, FROM(THEM, 0, 20), 0x40, 2);
}

static void batches_whose_sync_fails_come_home_with_it_and_end_the_engine(void **state) {
    struct solo_log *log = *state;
    receive(log, FROM(THEM, 0, 20), 0x40, 2);
    tell(log, FROM(THEM, 20, 30), 0x50, 1);
    disk_fail_sync(log->disk, 1);
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_SYNC_FAILED, 20, false);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 2);
    assert_int_equal(solo_log_count(log, POSITION(2)), 20);
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

/* Locations 0x40, 0x41, 0x42 and 0x43 of THEM at 10, 20, 30 and 40, one of OTHERS and one of this
 * device; and the order to sweep THEM's stream has come. */
static void begin_sweep(struct solo_log *log) {
    struct solo_log_passed passed;
    receive(log, FROM(THEM, 0, 40), 0x40, 4);
    receive(log, FROM(OTHERS, 0, 25), 0x60, 1);
    uint64_t mine = solo_log_put(log, 1, "/mine");
    solo_turn(&log->solo);
    solo_log_answers(log, mine, WEFT_OK);
    assert_true(solo_log_passed(log, &passed));
    tell(log, SWEEP(40, 40, 0), 0, 0);
    solo_log_passes(log, WEFT_OK, 0, true);
    assert_int_equal(solo_log_count(log, CURSOR(2)), 0);
    assert_int_equal(solo_log_count(log, POSITION(2)), 40);
}

static void a_sweep_removes_what_it_does_not_name_and_then_replaces_the_position(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    /* 0x40 has gone; 0x41 is there; */
    tell(log, SWEEP(0, 20, 45), 0x41, 1);
    solo_log_passes(log, WEFT_OK, 20, true);
    assert_int_equal(solo_log_count(log, CURSOR(2)), 20);
    assert_int_equal(solo_log_count(log, POSITION(2)), 40);
    assert_int_equal(solo_log_count(log, ROWS(2)), 3);
    /* 0x42 has gone, 0x43 was written again at 50, and 0x44 is new. */
    tell(log, SWEEP(20, 60, 45), 0x43, 2);
    solo_log_passes(log, WEFT_OK, 60, false);
    assert_int_equal(solo_log_count(log, CURSOR(2)), -1);
    assert_int_equal(solo_log_count(log, POSITION(2)), 60);
    assert_int_equal(solo_log_count(log, ROWS(2)), 3);
    assert_int_equal(solo_log_count(log, "SELECT sum(_weft_version) FROM location "
                                         "WHERE _weft_owner = 2"),
                     20 + 50 + 60);
    /* Whoever is behind must sweep as well: the tombstones below were never seen here. */
    assert_int_equal(solo_log_count(log, HORIZON(2)), 60);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM _weft_tombstone"), 0);
    assert_int_equal(solo_log_count(log, ROWS(3)), 1);
    assert_int_equal(solo_log_count(log, ROWS(1)), 1);
    receive(log, FROM(THEM, 60, 70), 0x45, 1);
}

static void a_sweep_goes_on_until_it_has_passed_position_and_horizon(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    tell(log, SWEEP(0, 30, 55), 0x40, 3);
    solo_log_passes(log, WEFT_OK, 30, true);
    tell(log, SWEEP(30, 40, 55), 0x43, 1); /* as far as the position */
    solo_log_passes(log, WEFT_OK, 40, true);
    tell(log, SWEEP(40, 50, 55), 0x44, 1); /* past it, not past the horizon */
    solo_log_passes(log, WEFT_OK, 50, true);
    tell(log, SWEEP(50, 55, 55), 0, 0);
    solo_log_passes(log, WEFT_OK, 55, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 5);
    assert_int_equal(solo_log_count(log, POSITION(2)), 55);
}

static void what_does_not_continue_the_sweep_is_answered_with_its_cursor(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    tell(log, SWEEP(0, 20, 0), 0x40, 2);
    solo_log_passes(log, WEFT_OK, 20, true);
    tell(log, SWEEP(30, 40, 0), 0x43, 1); /* a gap */
    solo_log_passes(log, WEFT_INVALID, 20, true);
    tell(log, SWEEP(0, 20, 0), 0x40, 2); /* again */
    solo_log_passes(log, WEFT_INVALID, 20, true);
    tell(log, SWEEP(40, 40, 0), 0, 0); /* the order to begin, twice */
    solo_log_passes(log, WEFT_INVALID, 20, true);
    tell(log, SWEEP(20, 20, 0), 0, 0); /* and one given at the cursor */
    solo_log_passes(log, WEFT_INVALID, 20, true);
    tell(log, FROM(THEM, 40, 50), 0x50, 1); /* not of the sweep */
    solo_log_passes(log, WEFT_INVALID, 20, true);
    solo_turn(&log->solo);
    solo_log_passes_nothing(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
    /* Other streams go on meanwhile. */
    receive(log, FROM(OTHERS, 25, 40), 0x61, 1);
}

static void a_sweep_that_was_not_ordered_is_answered_with_the_position(void **state) {
    struct solo_log *log = *state;
    receive(log, FROM(THEM, 0, 40), 0x40, 4);
    tell(log, SWEEP(0, 20, 0), 0x40, 2);
    solo_log_passes(log, WEFT_INVALID, 40, false);
    tell(log, SWEEP(30, 30, 0), 0, 0); /* an order given at another position */
    solo_log_passes(log, WEFT_INVALID, 40, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
    assert_int_equal(solo_log_count(log, CURSOR(2)), -1);
    receive(log, FROM(THEM, 40, 50), 0x50, 1);
}

static void a_sweep_begins_anew_when_its_source_has_forgotten_more(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    tell(log, SWEEP(0, 20, 45), 0x40, 2);
    solo_log_passes(log, WEFT_OK, 20, true);
    tell(log, SWEEP(20, 60, 50), 0x43, 1);
    solo_log_passes(log, WEFT_INVALID, 0, true);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
    tell(log, SWEEP(20, 60, 50), 0x43, 1);
    solo_log_passes(log, WEFT_INVALID, 0, true);
    tell(log, SWEEP(0, 60, 50), 0x43, 1);
    solo_log_passes(log, WEFT_OK, 60, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 1);
}

static struct solo_log_batch same(struct solo_log_batch batch) {
    batch.same = true;
    return batch;
}

static void a_sweep_passes_over_what_is_the_same(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    solo_log_sql(log, "UPDATE location SET _weft_version = 44 WHERE _weft_version = 40");
    tell(log, same(SWEEP(0, 10, 0)), 0, 0);
    solo_log_passes(log, WEFT_OK, 10, true);
    assert_int_equal(solo_log_count(log, CURSOR(2)), 10);
    tell(log, SWEEP(10, 20, 0), 0, 0); /* 0x41 has gone. */
    solo_log_passes(log, WEFT_OK, 20, true);
    tell(log, same(SWEEP(20, 40, 0)), 0, 0);
    solo_log_passes(log, WEFT_OK, 40, false);
    /* What lay behind the end, 0x43, has gone as well. */
    assert_int_equal(solo_log_count(log, ROWS(2)), 2);
    assert_int_equal(solo_log_count(log, ROWS(2) " AND _weft_version > 30"), 0);
    assert_int_equal(solo_log_count(log, CURSOR(2)), -1);
    assert_int_equal(solo_log_count(log, POSITION(2)), 40);
}

static void what_was_the_same_before_more_was_forgotten_is_not_passed_over(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    tell(log, SWEEP(0, 10, 7), 0x40, 1);
    solo_log_passes(log, WEFT_OK, 10, true);
    tell(log, same(SWEEP(10, 40, 6)), 0, 0);
    solo_log_passes(log, WEFT_INVALID, 0, true);
    tell(log, same(SWEEP(0, 30, 7)), 0, 0);
    solo_log_passes(log, WEFT_OK, 30, true);
    tell(log, same(SWEEP(30, 40, 8)), 0, 0);
    solo_log_passes(log, WEFT_INVALID, 0, true);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
}

static void a_restart_in_the_middle_begins_the_sweep_anew(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    tell(log, SWEEP(0, 20, 0), 0x41, 1);
    solo_log_passes(log, WEFT_OK, 20, true);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 3);
    assert_int_equal(solo_log_count(log, POSITION(2)), 40);
    tell(log, FROM(THEM, 40, 50), 0x50, 1);
    solo_log_passes(log, WEFT_INVALID, 0, true);
    tell(log, SWEEP(20, 40, 0), 0x43, 1);
    solo_log_passes(log, WEFT_INVALID, 0, true);
    tell(log, SWEEP(0, 40, 0), 0x43, 1);
    solo_log_passes(log, WEFT_OK, 40, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 1);
    receive(log, FROM(THEM, 40, 50), 0x50, 1);
    solo_log_restart(log);
    receive(log, FROM(THEM, 50, 60), 0x51, 1);
}

static void a_step_of_a_sweep_comes_after_the_group_that_is_open(void **state) {
    struct solo_log *log = *state;
    struct solo_log_passed passed;
    begin_sweep(log);
    uint64_t mine = solo_log_put(log, 2, "/other");
    tell(log, FROM(OTHERS, 25, 35), 0x61, 1);
    tell(log, SWEEP(0, 40, 0), 0x43, 1);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.ticket, mine);
    solo_log_passes(log, WEFT_OK, 35, false);
    assert_true(solo_log_passed(log, &passed));
    assert_int_equal(passed.position, 40);
    assert_true(passed.last);
    assert_int_equal(solo_log_count(log, ROWS(2)), 1);
}

static void a_step_of_a_sweep_that_finds_the_disk_full_can_come_again(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    disk_set_full(log->disk, true);
    tell(log, SWEEP(0, 20, 0), 0x41, 1);
    solo_log_passes(log, WEFT_DISK_FULL, 0, true);
    disk_set_full(log->disk, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
    tell(log, SWEEP(0, 20, 0), 0x41, 1);
    solo_log_passes(log, WEFT_OK, 20, true);
    disk_set_full(log->disk, true);
    tell(log, SWEEP(20, 40, 0), 0x43, 1); /* the last one */
    solo_log_passes(log, WEFT_DISK_FULL, 20, true);
    disk_set_full(log->disk, false);
    assert_int_equal(solo_log_count(log, CURSOR(2)), 20);
    tell(log, SWEEP(20, 40, 0), 0x43, 1);
    solo_log_passes(log, WEFT_OK, 40, false);
    assert_int_equal(solo_log_count(log, ROWS(2)), 2);
}

static void an_order_to_sweep_that_finds_the_disk_full_begins_none(void **state) {
    struct solo_log *log = *state;
    receive(log, FROM(THEM, 0, 40), 0x40, 4);
    disk_set_full(log->disk, true);
    tell(log, SWEEP(40, 40, 0), 0, 0);
    solo_log_passes(log, WEFT_DISK_FULL, 40, false);
    disk_set_full(log->disk, false);
    receive(log, FROM(THEM, 40, 50), 0x50, 1);
}

static void a_step_of_a_sweep_whose_sync_fails_ends_the_engine(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    disk_fail_sync(log->disk, 1);
    tell(log, SWEEP(0, 40, 0), 0x43, 1);
    solo_log_passes(log, WEFT_SYNC_FAILED, 0, true);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
}

static void a_sync_that_fails_inside_a_step_of_a_sweep_ends_the_engine(void **state) {
    struct solo_log *log = *state;
    static char path[700000];
    struct run run;
    begin_sweep(log);
    log->cache_bytes = 0;
    solo_log_restart(log);
    memset(path, 'x', sizeof path - 1);
    run_begin(&run, &log->library, "location");
    run_put(&run, "bdt", 0x43, THEM, path); /* It must be written before the commit. */
    disk_fail_sync(log->disk, 1);           /* Of the log's head, which the restart took away. */
    struct solo_log_batch batch = SWEEP(0, 40, 0);
    batch.table = "location";
    solo_log_receive(log, &run, batch);
    solo_log_passes(log, WEFT_SYNC_FAILED, 0, true);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
}

static void a_sweep_after_a_group_whose_sync_failed_writes_nothing(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    uint64_t mine = solo_log_put(log, 2, "/other");
    disk_fail_sync(log->disk, 1);
    tell(log, SWEEP(0, 40, 0), 0x43, 1);
    solo_log_answers(log, mine, WEFT_SYNC_FAILED);
    solo_log_passes(log, WEFT_SYNC_FAILED, 0, true);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
}

static void a_sweep_of_impossible_versions_stays_where_it_is(void **state) {
    struct solo_log *log = *state;
    begin_sweep(log);
    tell(log, SWEEP(0, UINT64_MAX - 1, 0), 0x43, 1);
    solo_log_passes(log, WEFT_PROTOCOL, 0, true);
    assert_int_equal(solo_log_count(log, ROWS(2)), 4);
    tell(log, SWEEP(0, 40, 0), 0x43, 1);
    solo_log_passes(log, WEFT_OK, 40, false);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_batch_that_continues_its_stream_is_stored_and_moves_the_position),
        LOG_TEST(a_batch_without_rows_moves_the_position_only),
        LOG_TEST(streams_and_own_transactions_share_a_group_in_their_order),
        LOG_TEST(the_host_hears_of_changes_once_per_row_of_batches_of_a_model),
        LOG_TEST(batches_make_a_group_large_as_well),
        LOG_TEST(a_received_delete_removes_the_row_and_is_kept_for_others),
        LOG_TEST(the_sender_s_horizon_is_kept_and_only_grows),
        LOG_TEST(a_gap_and_a_duplicate_are_answered_with_the_position),
        LOG_TEST(a_gap_is_answered_after_the_group_that_is_open),
        LOG_TEST(a_row_that_cannot_be_applied_is_parked_and_the_position_moves),
        LOG_TEST(a_batch_with_impossible_versions_takes_no_other_with_it),
        LOG_TEST(batches_that_find_the_disk_full_come_home_with_it_and_can_come_again),
        LOG_TEST(a_refusal_and_a_full_disk_fail_batches_of_the_group_as_well),
        LOG_TEST(batches_whose_sync_fails_come_home_with_it_and_end_the_engine),
        LOG_TEST(a_sweep_removes_what_it_does_not_name_and_then_replaces_the_position),
        LOG_TEST(a_sweep_goes_on_until_it_has_passed_position_and_horizon),
        LOG_TEST(what_does_not_continue_the_sweep_is_answered_with_its_cursor),
        LOG_TEST(a_sweep_that_was_not_ordered_is_answered_with_the_position),
        LOG_TEST(a_sweep_begins_anew_when_its_source_has_forgotten_more),
        LOG_TEST(a_sweep_passes_over_what_is_the_same),
        LOG_TEST(what_was_the_same_before_more_was_forgotten_is_not_passed_over),
        LOG_TEST(a_restart_in_the_middle_begins_the_sweep_anew),
        LOG_TEST(a_step_of_a_sweep_comes_after_the_group_that_is_open),
        LOG_TEST(a_step_of_a_sweep_that_finds_the_disk_full_can_come_again),
        LOG_TEST(an_order_to_sweep_that_finds_the_disk_full_begins_none),
        LOG_TEST(a_step_of_a_sweep_whose_sync_fails_ends_the_engine),
        LOG_TEST(a_sync_that_fails_inside_a_step_of_a_sweep_ends_the_engine),
        LOG_TEST(a_sweep_after_a_group_whose_sync_failed_writes_nothing),
        LOG_TEST(a_sweep_of_impossible_versions_stays_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
