/* The log actor alone, devices that this one knows: what is written of them, with which commit, and
 * what is let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "engine/store/contacts.h"
#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define SECOND 1000000u
#define DAY_MS UINT64_C(86400000)

#define log_test(f) cmocka_unit_test_setup_teardown(f, solo_log_setup, solo_log_teardown)

static uint64_t syncs(const struct solo_log *log) {
    return board_get(log->solo.board->syncs);
}

static void wait_for(struct solo_log *log, uint64_t us) {
    log->solo.now.mono_us += us;
    solo_turn(&log->solo);
}

/* From now on commits are counted: those of the beginning have been. */
static uint64_t settled(struct solo_log *log) {
    wait_for(log, 10 * (uint64_t)SECOND);
    return syncs(log);
}

static void session(struct solo_log *log, uint8_t device, uint64_t began_ms, const char *reason) {
    Weft__Session *session = NULL;
    struct mail *mail = solo_mail(&log->solo, MAIL(SESSION), &session);
    session->address = mail_text(mail, "192.0.2.1:7000");
    session->opened_here = true;
    session->began_ms = began_ms;
    session->lasted_ms = 1000;
    session->rows_in = 3;
    session->bytes_out = 1 << 20;
    session->status = WEFT_NET;
    session->text = mail_text(mail, reason);
    assert_true(mail_bytes(mail, &session->device, log->devices[device].bytes, WEFT_ID_SIZE));
    solo_tell(&log->solo, ACTOR_CLOCK, mail);
}

static void contact(struct solo_log *log, uint32_t number, uint8_t device, const char *address,
                    bool soon) {
    Weft__Contact *contact = NULL;
    struct mail *mail = solo_mail(&log->solo, MAIL(CONTACT), &contact);
    contact->number = number;
    contact->soon = soon;
    contact->paused = true;
    contact->sessions = 4;
    contact->gone = address == NULL;
    if (device != 0)
        assert_true(mail_bytes(mail, &contact->device, log->devices[device].bytes, WEFT_ID_SIZE));
    if (address != NULL) {
        contact->addresses = (Weft__Address **)mail_messages(mail, &weft__address__descriptor, 1);
        contact->n_addresses = 1;
        contact->addresses[0]->text = mail_text(mail, address);
        contact->addresses[0]->failures = 9;
        contact->addresses[0]->status = WEFT_CLOSED;
    }
    solo_tell(&log->solo, ACTOR_CLOCK, mail);
}

static sqlite3 *reader(struct solo_log *log) {
    sqlite3 *db = NULL;
    assert_int_equal(
        sqlite3_open_v2(log->solo.settings.path, &db, SQLITE_OPEN_READONLY, log->solo.settings.vfs),
        SQLITE_OK);
    return db;
}

/* How many sessions with a device (0: with any) are kept; the newest one and the oldest, if asked
 * for. */
static uint32_t kept(struct solo_log *log, uint8_t device, struct weft_session *newest,
                     struct weft_session *oldest) {
    struct weft_session *list = calloc(1000, sizeof *list);
    sqlite3 *db = reader(log);
    uint32_t count = 0;
    assert_non_null(list);
    assert_int_equal(contacts_history(db, "", device == 0 ? NULL : &log->devices[device], list,
                                      1000, &count, NULL),
                     WEFT_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    if (newest != NULL && count > 0) *newest = list[0];
    if (oldest != NULL && count > 0) *oldest = list[count - 1];
    free(list);
    return count;
}

static struct contacts *known(struct solo_log *log) {
    static struct contacts contacts;
    sqlite3 *db = reader(log);
    assert_int_equal(contacts_load(db, "", &contacts, NULL), WEFT_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return &contacts;
}

/* ---- with which commit ----------------------------------------------------------------------- */

static void a_session_is_written_with_the_next_commit_and_makes_none(void **state) {
    struct solo_log *log = *state;
    const uint64_t before = settled(log);
    session(log, 2, 1000, "the cable");
    wait_for(log, 30 * (uint64_t)SECOND);
    assert_int_equal(syncs(log), before);
    assert_int_equal(kept(log, 0, NULL, NULL), 0);
    (void)solo_log_put(log, 1, "/");
    solo_turn(&log->solo);
    assert_int_equal(syncs(log), before + 1);
    struct weft_session newest;
    assert_int_equal(kept(log, 2, &newest, NULL), 1);
    assert_string_equal(newest.reason, "the cable");
    assert_string_equal(newest.address, "192.0.2.1:7000");
    assert_int_equal(newest.began_ms, 1000);
    assert_int_equal(newest.lasted_ms, 1000);
    assert_int_equal(newest.rows_in, 3);
    assert_int_equal(newest.bytes_out, 1 << 20);
    assert_int_equal(newest.status, WEFT_NET);
    assert_true(newest.opened_here);
    assert_int_equal(kept(log, 3, NULL, NULL), 0);
}

static void a_device_that_comes_and_goes_every_second_costs_a_sync_a_minute(void **state) {
    struct solo_log *log = *state;
    const uint64_t before = settled(log);
    for (unsigned i = 0; i < 300; i++) {
        session(log, 2, 1000 * (uint64_t)i, "");
        contact(log, 5, 2, "192.0.2.1:7000", false);
        wait_for(log, SECOND);
    }
    assert_in_range(syncs(log) - before, 4, 6);
}

static void what_a_person_asked_for_is_written_after_a_second(void **state) {
    struct solo_log *log = *state;
    const uint64_t before = settled(log);
    contact(log, 5, 2, "192.0.2.1:7000", true);
    wait_for(log, SECOND);
    assert_int_equal(syncs(log), before + 1);
    const struct contacts *contacts = known(log);
    assert_true(contacts->used[5]);
    assert_true(id_equal(&contacts->list[5].device, &log->devices[2]));
    assert_true(contacts->list[5].named && contacts->list[5].paused);
    assert_int_equal(contacts->list[5].sessions, 4);
    assert_int_equal(contacts->list[5].address_count, 1);
    assert_string_equal(contacts->list[5].addresses[0].text, "192.0.2.1:7000");
    assert_int_equal(contacts->list[5].addresses[0].failures, 9);
    assert_int_equal(contacts->list[5].addresses[0].status, WEFT_CLOSED);
}

static void that_all_are_paused_is_kept_until_they_are_not(void **state) {
    struct solo_log *log = *state;
    for (int i = 0; i < 2; i++) {
        Weft__Contact *contact = NULL;
        struct mail *mail = solo_mail(&log->solo, MAIL(CONTACT), &contact);
        contact->number = LIMIT_CONTACTS;
        contact->soon = true;
        contact->all_paused = i == 0;
        solo_tell(&log->solo, ACTOR_CLOCK, mail);
        wait_for(log, SECOND);
        assert_int_equal(known(log)->paused, i == 0);
    }
}

static void what_waits_is_written_before_the_engine_ends(void **state) {
    struct solo_log *log = *state;
    session(log, 2, 1000, "");
    contact(log, 5, 2, "192.0.2.1:7000", false);
    solo_tell(&log->solo, ACTOR_CLOCK, solo_mail(&log->solo, MAIL(STOP), NULL));
    solo_log_restart(log);
    assert_int_equal(kept(log, 0, NULL, NULL), 1);
    assert_true(known(log)->used[5]);
}

static void what_a_full_disk_did_not_take_is_written_when_it_does(void **state) {
    struct solo_log *log = *state;
    (void)settled(log);
    session(log, 2, 1000, "");
    disk_set_full(log->disk, true);
    wait_for(log, 60 * (uint64_t)SECOND);
    assert_int_equal(kept(log, 0, NULL, NULL), 0);
    disk_set_full(log->disk, false);
    wait_for(log, 2 * (uint64_t)SECOND);
    assert_int_equal(kept(log, 0, NULL, NULL), 1);
}

/* ---- what is let go -------------------------------------------------------------------------- */

static void the_newest_word_of_a_contact_counts(void **state) {
    struct solo_log *log = *state;
    contact(log, 5, 2, "192.0.2.1:7000", false);
    contact(log, 5, 2, "192.0.2.2:7000", true);
    contact(log, 6, 0, "192.0.2.3:7000", true);
    wait_for(log, SECOND);
    assert_string_equal(known(log)->list[5].addresses[0].text, "192.0.2.2:7000");
    assert_false(known(log)->list[6].named);
    contact(log, 6, 0, NULL, true);
    contact(log, 7, 2, "192.0.2.2:7000", true); /* The device has another number now. */
    contact(log, 5, 2, NULL, true);
    wait_for(log, SECOND);
    const struct contacts *contacts = known(log);
    assert_false(contacts->used[5] || contacts->used[6]);
    assert_true(contacts->used[7]);
    assert_int_equal(contacts->list[7].address_count, 1);
}

static void of_each_device_the_newest_sessions_are_kept(void **state) {
    struct solo_log *log = *state;
    struct weft_session newest, oldest;
    session(log, 3, 5, "another");
    for (uint64_t i = 0; i < LIMIT_HISTORY + 40; i++) {
        session(log, 2, 1000 + i, "");
        wait_for(log, SECOND);
    }
    wait_for(log, 60 * (uint64_t)SECOND);
    assert_int_equal(kept(log, 2, &newest, &oldest), LIMIT_HISTORY);
    assert_int_equal(newest.began_ms, 1000 + LIMIT_HISTORY + 39);
    assert_int_equal(oldest.began_ms, 1000 + 40);
    assert_int_equal(kept(log, 3, NULL, NULL), 1);
    assert_int_equal(kept(log, 0, NULL, NULL), LIMIT_HISTORY + 1);
}

static void sessions_of_long_ago_are_let_go_when_another_ends(void **state) {
    struct solo_log *log = *state;
    struct weft_session oldest;
    session(log, 2, 1000 * DAY_MS, "");
    session(log, 3, 1001 * DAY_MS, "");
    session(log, 2, 1090 * DAY_MS, "");
    wait_for(log, 60 * (uint64_t)SECOND);
    assert_int_equal(kept(log, 0, NULL, &oldest), 2); /* One is a second older than 90 days. */
    assert_int_equal(oldest.began_ms, 1001 * DAY_MS);
}

static void while_no_commit_succeeds_the_oldest_sessions_go(void **state) {
    struct solo_log *log = *state;
    struct weft_session oldest;
    (void)settled(log);
    disk_set_full(log->disk, true);
    for (uint64_t i = 0; i < LIMIT_HISTORY_UNSAVED + 3; i++)
        session(log, 2, 1000 + i, "");
    wait_for(log, 2 * (uint64_t)SECOND);
    disk_set_full(log->disk, false);
    wait_for(log, 2 * (uint64_t)SECOND);
    assert_int_equal(kept(log, 0, NULL, &oldest), LIMIT_HISTORY_UNSAVED);
    assert_int_equal(oldest.began_ms, 1003);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        log_test(a_session_is_written_with_the_next_commit_and_makes_none),
        log_test(a_device_that_comes_and_goes_every_second_costs_a_sync_a_minute),
        log_test(what_a_person_asked_for_is_written_after_a_second),
        log_test(that_all_are_paused_is_kept_until_they_are_not),
        log_test(what_waits_is_written_before_the_engine_ends),
        log_test(what_a_full_disk_did_not_take_is_written_when_it_does),
        log_test(the_newest_word_of_a_contact_counts),
        log_test(of_each_device_the_newest_sessions_are_kept),
        log_test(sessions_of_long_ago_are_let_go_when_another_ends),
        log_test(while_no_commit_succeeds_the_oldest_sessions_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
