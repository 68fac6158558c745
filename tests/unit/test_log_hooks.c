/* The log actor alone: what it tells the host's hooks, when, and what it does while they do not
 * listen. The test is the hooks: it sets the board, and gives back what it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/wire/touched.h"
#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define LOCATIONS "SELECT count(*) FROM location"

/* From now on there is a hook, or none. */
static void listen(struct solo_log *log, bool on) {
    board_set(log->solo.board->hooks_wanted, on ? 1 : 0);
}

/* The next mail to the hooks, as a text; "" when there is none. It is given back.
 *   "1: ticket 3 +1 -2 | from 2 +7"      serials from 1: two entries, of a host's and of THEM
 *   "done 1", "undone 1", "look" */
static const char *hears(struct solo_log *log) {
    static char text[1024];
    struct board *board = log->solo.board;
    struct mail *mail = solo_take(&log->solo, ACTOR_HOST, MAIL(CHANGES));
    size_t size = 0;
    text[0] = 0;
    if (mail == NULL) return text;
    mail = mail_repack(&mail, log->solo.pool, NULL); /* It hides no pointer. */
    assert_non_null(mail);
    board_add(board->hooks_mails, 1);
    if (mail->body.body_case == MAIL(SETTLED)) {
        const Weft__Settled *settled = mail->body.settled;
        board_add(board->hooks_bytes, settled->bytes);
        snprintf(text, sizeof text, settled->first == 0 ? "look" : "%s %d",
                 settled->done ? "done" : "undone", (int)settled->first);
        mail_drop(&mail);
        return text;
    }
    const Weft__Changes *changes = mail->body.changes;
    board_add(board->hooks_bytes, changes->bytes);
    size += (size_t)snprintf(text, sizeof text, "%d:", (int)changes->first);
    for (size_t i = 0; i < changes->n_entries; i++) {
        const Weft__Changed *entry = changes->entries[i];
        const uint8_t *at = entry->rows.data, *end = at == NULL ? at : at + entry->rows.len;
        struct touched row;
        const bool remote = entry->device.len != 0;
        size +=
            (size_t)snprintf(text + size, sizeof text - size, "%s %s %d", i == 0 ? "" : " |",
                             remote ? "from" : "ticket",
                             remote ? solo_log_who(log, entry->device.data) : (int)entry->ticket);
        for (uint32_t n = 0; n < entry->count; n++) {
            assert_true(touched_next(&at, end, &row));
            if (size + 16 > sizeof text) continue;
            size += (size_t)snprintf(text + size, sizeof text - size, " %c%d",
                                     row.op == WEFT_CHANGE_PUT ? '+' : '-',
                                     *(const uint8_t *)row.key[0].as.bytes);
        }
        assert_ptr_equal(at, end);
        if (entry->many != 0)
            size += (size_t)snprintf(text + size, sizeof text - size, " *%d", (int)entry->many);
    }
    mail_drop(&mail);
    return text;
}

static void hears_nothing(struct solo_log *log) {
    assert_string_equal(hears(log), "");
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void without_a_hook_nothing_is_told(void **state) {
    struct solo_log *log = *state;
    solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    hears_nothing(log);
    assert_int_equal(board_get(log->solo.board->hooks_lost), 0);
}

static void a_group_is_told_before_its_commit_and_settled_after_it(void **state) {
    struct solo_log *log = *state;
    listen(log, true);
    solo_log_put(log, 1, "/a");
    solo_log_put(log, 2, "/b");
    solo_log_put(log, 2, "/b"); /* Changes nothing. */
    solo_log_delete(log, 1);
    hears_nothing(log); /* It is not about to be committed yet. */
    solo_turn(&log->solo);
    assert_string_equal(hears(log), "1: ticket 1 +1 | ticket 2 +2 | ticket 4 -1");
    assert_string_equal(hears(log), "done 1");
    hears_nothing(log);
    solo_log_put(log, 3, "/c");
    solo_turn(&log->solo);
    assert_string_equal(hears(log), "4: ticket 5 +3");
    assert_string_equal(hears(log), "done 4");
}

static void a_hook_set_while_a_group_is_open_is_told_what_comes_after_it(void **state) {
    struct solo_log *log = *state;
    solo_log_put(log, 1, "/a");
    listen(log, true);
    solo_log_put(log, 2, "/b");
    solo_turn(&log->solo);
    assert_string_equal(hears(log), "1: ticket 2 +2");
    assert_string_equal(hears(log), "done 1");
    listen(log, false);
    solo_log_put(log, 3, "/c");
    solo_turn(&log->solo);
    hears_nothing(log);
}

static void rows_of_another_device_are_told_with_its_name(void **state) {
    struct solo_log *log = *state;
    struct run run;
    listen(log, true);
    run_begin(&run, &log->library, "location");
    run_put(&run, "bdt", 7, THEM, "/x");
    run_put(&run, "bdt", 8, ME, "/y"); /* Parked: it is not theirs. */
    solo_log_receive(log, &run,
                     (struct solo_log_batch){.owner = THEM, .table = "location", .upto = 1000});
    solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    assert_string_equal(hears(log), "1: from 2 +7 | ticket 1 +1");
    assert_string_equal(hears(log), "done 1");
}

static void a_sweep_is_told_and_noticed(void **state) {
    struct solo_log *log = *state;
    struct run run;
    run_begin(&run, &log->library, "location");
    run_put(&run, "bdt", 7, THEM, "/x");
    run_put(&run, "bdt", 8, THEM, "/y");
    struct solo_log_batch batch = {.owner = THEM, .table = "location", .upto = 100};
    solo_log_receive(log, &run, batch);
    solo_turn(&log->solo);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_CHANGED).count, 2);
    listen(log, true);
    /* "Below my horizon": the stream is walked again, and 7 is not in it any more. */
    batch = (struct solo_log_batch){.owner = THEM,
                                    .table = "location",
                                    .after = 100,
                                    .upto = 100,
                                    .horizon = 110,
                                    .sweep = true};
    solo_log_receive(log, NULL, batch);
    hears_nothing(log);
    run_begin(&run, &log->library, "location");
    run_put(&run, "bdt", 8, THEM, "/y");
    run_put(&run, "bdt", 9, THEM, "/z");
    batch.after = 0;
    batch.upto = 110;
    solo_log_receive(log, &run, batch);
    assert_int_equal(solo_log_count(log, LOCATIONS), 2);
    assert_string_equal(hears(log), "1: from 2 +9 -7");
    assert_string_equal(hears(log), "done 1");
    struct solo_log_notice notice = solo_log_notice(log, WEFT_EVENT_CHANGED);
    assert_int_equal(notice.kind, WEFT_EVENT_CHANGED);
    assert_int_equal(notice.model, library_model(&log->library, "location") - 1);
}

static void the_end_of_a_rescan_is_told_with_its_ticket(void **state) {
    struct solo_log *log = *state;
    char wanted[64];
    solo_log_put(log, 1, "/a");
    solo_log_put(log, 2, "/b");
    solo_turn(&log->solo);
    uint64_t scan = solo_log_scan_begin(log, "location", "device_id",
                                        weft_blob(log->devices[ME].bytes, WEFT_ID_SIZE));
    solo_log_put(log, 2, "/b");
    listen(log, true);
    uint64_t end = solo_log_scan_end(log, scan);
    solo_turn(&log->solo);
    snprintf(wanted, sizeof wanted, "1: ticket %d -1", (int)end);
    assert_string_equal(hears(log), wanted);
    assert_string_equal(hears(log), "done 1");
    assert_int_equal(solo_log_count(log, LOCATIONS), 1);
}

static void of_a_large_commit_models_are_told_beyond_a_limit(void **state) {
    struct solo_log *log = *state;
    static char label[64 << 10];
    struct run run;
    memset(label, 'x', sizeof label - 1);
    listen(log, true);
    solo_log_put(log, 1, "/a");
    run_begin(&run, &log->library, "misc");
    for (int64_t i = 0; i < 40; i++)
        run_put(&run, "itdnnnn", i, label, ME);
    solo_log_commit(log, &run, NULL);
    solo_turn(&log->solo);
    const char *text = hears(log);
    char many[32];
    snprintf(many, sizeof many, " *%d", 1 << (library_model(&log->library, "misc") - 1));
    assert_memory_equal(text, "1: ticket 1 +1 | ticket 2 +", 27);
    assert_non_null(strstr(text, many));
    assert_string_equal(hears(log), "done 1");
}

/* ---- what fails ------------------------------------------------------------------------------ */

static void a_refused_transaction_is_not_told_and_its_group_is_told_once(void **state) {
    struct solo_log *log = *state;
    listen(log, true);
    solo_log_put(log, 1, "/a");
    solo_log_put(log, 2, "/a"); /* UNIQUE */
    solo_log_put(log, 3, "/c");
    solo_turn(&log->solo);
    assert_string_equal(hears(log), "1: ticket 1 +1");
    assert_string_equal(hears(log), "done 1");
    assert_string_equal(hears(log), "2: ticket 3 +3");
    assert_string_equal(hears(log), "done 2");
    hears_nothing(log);
}

static void a_commit_that_fails_is_undone(void **state) {
    struct solo_log *log = *state;
    listen(log, true);
    solo_log_put(log, 1, "/a");
    disk_set_full(log->disk, true);
    solo_turn(&log->solo);
    disk_set_full(log->disk, false);
    solo_log_answers(log, 1, WEFT_DISK_FULL);
    assert_string_equal(hears(log), "1: ticket 1 +1");
    assert_string_equal(hears(log), "undone 1");
    solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    assert_string_equal(hears(log), "2: ticket 2 +1");
    assert_string_equal(hears(log), "done 2");
}

static void a_failed_sync_undoes_before_the_engine_ends(void **state) {
    struct solo_log *log = *state;
    listen(log, true);
    solo_log_put(log, 1, "/a");
    disk_fail_sync(log->disk, 1);
    solo_turn(&log->solo);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
    assert_string_equal(hears(log), "1: ticket 1 +1");
    assert_string_equal(hears(log), "undone 1");
}

/* ---- hooks that do not listen ---------------------------------------------------------------- */

static void commit_one(struct solo_log *log, int row, const char *path) {
    uint64_t ticket = solo_log_put(log, row, path);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
}

static void what_has_no_room_is_left_out_and_counted_by_model(void **state) {
    struct solo_log *log = *state;
    struct board *board = log->solo.board;
    const uint32_t location = library_model(&log->library, "location") - 1;
    char path[16];
    listen(log, true);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "/%d", i);
        commit_one(log, 1, path);
    }
    assert_int_equal(board_get(board->hooks_lost), 300 - LIMIT_HOOK_MAILS / 2);
    assert_int_equal(board_get(board->hooks_lost_at[location]), 300 - LIMIT_HOOK_MAILS / 2);
    assert_int_equal(board_get(board->hooks_lost_at[location + 1]), 0);
    for (unsigned i = 0; i < LIMIT_HOOK_MAILS; i++)
        assert_string_not_equal(hears(log), "");
    hears_nothing(log);
    commit_one(log, 1, "/again");
    assert_string_equal(hears(log), "257: ticket 301 +1");
    assert_string_equal(hears(log), "done 257");
    assert_int_equal(board_get(board->hooks_lost), 300 - LIMIT_HOOK_MAILS / 2);
}

static void a_commit_that_fails_without_room_is_not_lost(void **state) {
    struct solo_log *log = *state;
    char path[16];
    listen(log, true);
    for (unsigned i = 0; i < LIMIT_HOOK_MAILS / 2; i++) {
        snprintf(path, sizeof path, "/%u", i);
        commit_one(log, 1, path);
    }
    solo_log_put(log, 2, "/b");
    disk_set_full(log->disk, true);
    solo_turn(&log->solo);
    disk_set_full(log->disk, false);
    assert_int_equal(board_get(log->solo.board->hooks_lost), 0);
}

/* Between the log's look at the room and its note on the board the hooks may have gone to sleep. */
static void when_nothing_waits_what_is_left_out_wakes_the_hooks(void **state) {
    struct solo_log *log = *state;
    char path[16];
    listen(log, true);
    for (unsigned i = 0; i < LIMIT_HOOK_MAILS / 2; i++) {
        snprintf(path, sizeof path, "/%u", i);
        commit_one(log, 1, path);
    }
    solo_log_put(log, 2, "/b"); /* The group begins: no room. */
    for (unsigned i = 0; i < LIMIT_HOOK_MAILS; i++)
        (void)hears(log);
    hears_nothing(log);
    solo_turn(&log->solo);
    assert_int_equal(board_get(log->solo.board->hooks_lost), 1);
    assert_string_equal(hears(log), "look");
    hears_nothing(log);
}

static void memory_that_waits_is_bounded_by_bytes(void **state) {
    struct solo_log *log = *state;
    static char label[1 << 20];
    struct run run;
    uint64_t bytes = 0;
    memset(label, 'x', (512u << 10) - 1);
    listen(log, true);
    for (int i = 0; i < 60; i++) {
        run_begin(&run, &log->library, "misc");
        run_put(&run, "itdnnnn", (int64_t)i, label, ME);
        uint64_t ticket = solo_log_commit(log, &run, NULL);
        solo_turn(&log->solo);
        solo_log_answers(log, ticket, WEFT_OK);
    }
    assert_true(board_get(log->solo.board->hooks_lost) > 0);
    while (hears(log)[0] != 0)
        bytes = board_get(log->solo.board->hooks_bytes);
    assert_in_range(bytes, LIMIT_HOOK_BYTES / 2, LIMIT_HOOK_BYTES);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(without_a_hook_nothing_is_told),
        LOG_TEST(a_group_is_told_before_its_commit_and_settled_after_it),
        LOG_TEST(a_hook_set_while_a_group_is_open_is_told_what_comes_after_it),
        LOG_TEST(rows_of_another_device_are_told_with_its_name),
        LOG_TEST(a_sweep_is_told_and_noticed),
        LOG_TEST(the_end_of_a_rescan_is_told_with_its_ticket),
        LOG_TEST(of_a_large_commit_models_are_told_beyond_a_limit),
        LOG_TEST(a_refused_transaction_is_not_told_and_its_group_is_told_once),
        LOG_TEST(a_commit_that_fails_is_undone),
        LOG_TEST(a_failed_sync_undoes_before_the_engine_ends),
        LOG_TEST(what_has_no_room_is_left_out_and_counted_by_model),
        LOG_TEST(a_commit_that_fails_without_room_is_not_lost),
        LOG_TEST(when_nothing_waits_what_is_left_out_wakes_the_hooks),
        LOG_TEST(memory_that_waits_is_bounded_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
