/* The log actor alone, decisions of this device about members: what may be decided, who has the
 * library's keys then, and what the listener hears of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define RECORDS "SELECT count(*) FROM shared_changes"

/* The order as the listener makes it, with a change to be made to it. */
enum change { AS_IT_IS, NO_CERTIFICATE, WRONG_CERTIFICATE, WRONG_INCARNATION, SHORT_KEY };

static uint64_t govern_changed(struct solo_log *log, uint8_t device, enum change change) {
    const struct identity *identity = &log->identities[device];
    Weft__Govern *govern = NULL;
    struct mail *mail = solo_mail(&log->solo, MAIL(GOVERN), &govern);
    govern->ticket = ++log->tickets;
    govern->hlc = ++log->stamp;
    govern->incarnation = identity->incarnation + (change == WRONG_INCARNATION);
    govern->name = mail_text(mail, "a guest");
    assert_true(mail_bytes(mail, &govern->device, identity->device.bytes, WEFT_ID_SIZE));
    assert_true(mail_bytes(mail, &govern->id_pk, identity->public.id_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &govern->x_pk, identity->public.x_pk,
                           change == SHORT_KEY ? IDENTITY_KEY - 1 : IDENTITY_KEY));
    if (change != NO_CERTIFICATE) {
        assert_true(mail_bytes(mail, &govern->cert, identity->cert, IDENTITY_CERT));
        if (change == WRONG_CERTIFICATE) govern->cert.data[0] ^= 1;
    }
    solo_tell(&log->solo, ACTOR_CLOCK, mail);
    return log->tickets;
}

/* What the listener is told; NULL when it has to wait. Dropped by the caller. */
static struct mail *roster_after(struct solo_log *log, uint64_t version) {
    Weft__RosterWanted *wanted = NULL;
    struct mail *mail = solo_mail(&log->solo, MAIL(ROSTER_WANTED), &wanted);
    wanted->version = version;
    solo_tell(&log->solo, ACTOR_LISTENER, mail);
    return solo_take(&log->solo, ACTOR_LISTENER, MAIL(ROSTER));
}

/* Whether a roster says that the device is a member. */
static bool has(const struct solo_log *log, const struct mail *mail, uint8_t device) {
    const Weft__Roster *roster = mail->body.roster;
    for (size_t i = 0; i < roster->n_members; i++) {
        const Weft__RosterMember *member = roster->members[i];
        if (solo_log_who(log, member->device.data) != device) continue;
        const struct identity_public *public = &log->identities[device].public;
        assert_memory_equal(member->id_pk.data, public->id_pk, IDENTITY_KEY);
        assert_memory_equal(member->x_pk.data, public->x_pk, IDENTITY_KEY);
        return !member->removed;
    }
    return false;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void adding_a_device_twice_says_it_once(void **state) {
    struct solo_log *log = *state;
    solo_log_answers(log, solo_log_govern(log, THEM, false), WEFT_OK);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_MEMBER).device, THEM);
    const int64_t records = solo_log_count(log, RECORDS);
    solo_log_answers(log, solo_log_govern(log, THEM, false), WEFT_OK);
    assert_int_equal(solo_log_count(log, RECORDS), records);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_MEMBER).kind, 0);
}

static void a_device_that_is_not_certified_for_this_library_is_not_added(void **state) {
    struct solo_log *log = *state;
    static const enum change changes[] = {NO_CERTIFICATE, WRONG_CERTIFICATE, WRONG_INCARNATION,
                                          SHORT_KEY};
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        solo_log_answers(log, govern_changed(log, THEM, changes[i]), WEFT_DENIED);
        assert_int_equal(solo_log_count(log, RECORDS), 1);
    }
    solo_log_answers(log, govern_changed(log, THEM, AS_IT_IS), WEFT_OK);
    assert_int_equal(solo_log_count(log, RECORDS), 2);
}

static void a_device_that_was_removed_does_not_come_back(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_OK);
    solo_log_answers(log, solo_log_govern(log, THEM, false), WEFT_DENIED);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_OK); /* It is so already. */
    assert_int_equal(solo_log_count(log, RECORDS), 3);
    solo_log_restart(log);
    solo_log_answers(log, solo_log_govern(log, THEM, false), WEFT_DENIED);
}

static void who_was_never_a_member_cannot_be_removed(void **state) {
    struct solo_log *log = *state;
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_NOT_FOUND);
    assert_int_equal(solo_log_count(log, RECORDS), 1);
}

static void a_device_that_removed_itself_decides_nothing_more(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_answers(log, solo_log_govern(log, ME, true), WEFT_OK);
    assert_int_equal(board_get(log->solo.board->self_state), BOARD_REMOVED);
    solo_log_answers(log, solo_log_govern(log, OTHERS, false), WEFT_DENIED);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_DENIED);
    assert_int_equal(solo_log_count(log, RECORDS), 3);
}

static void a_decision_nobody_waits_for_fails_with_an_event(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_OK);
    Weft__Govern *govern = NULL;
    struct mail *mail = solo_mail(&log->solo, MAIL(GOVERN), &govern);
    const struct identity *identity = &log->identities[THEM];
    govern->hlc = ++log->stamp;
    govern->incarnation = identity->incarnation;
    assert_true(mail_bytes(mail, &govern->device, identity->device.bytes, WEFT_ID_SIZE));
    assert_true(mail_bytes(mail, &govern->id_pk, identity->public.id_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &govern->x_pk, identity->public.x_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &govern->cert, identity->cert, IDENTITY_CERT));
    solo_tell(&log->solo, ACTOR_CLOCK, mail);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_FAULT).status, WEFT_DENIED);
    assert_int_equal(solo_log_outcome(log).ticket, 0);
}

/* ---- what the listener hears ----------------------------------------------------------------- */

static void the_listener_hears_of_members_when_there_is_something_new(void **state) {
    struct solo_log *log = *state;
    struct mail *mail = roster_after(log, 0);
    assert_non_null(mail);
    assert_true(mail->secret); /* It has the library's keys in it. */
    assert_true(has(log, mail, ME));
    assert_false(has(log, mail, THEM));
    assert_int_equal(mail->body.roster->n_keys, 1);
    const uint64_t version = mail->body.roster->version;
    mail_drop(&mail);
    assert_null(roster_after(log, version));
    (void)solo_log_put(log, 1, "/a"); /* Rows are no news. */
    solo_turn(&log->solo);
    assert_null(solo_take(&log->solo, ACTOR_LISTENER, MAIL(ROSTER)));
    solo_log_meet(log, THEM);
    mail = solo_take(&log->solo, ACTOR_LISTENER, MAIL(ROSTER)); /* It had asked. */
    assert_non_null(mail);
    assert_true(mail->body.roster->version > version);
    assert_true(has(log, mail, THEM));
    mail_drop(&mail);
    solo_log_meet(log, OTHERS);
    assert_null(solo_take(&log->solo, ACTOR_LISTENER, MAIL(ROSTER))); /* And not again. */
}

static void a_removal_changes_the_key_and_an_addition_does_not(void **state) {
    struct solo_log *log = *state;
    uint8_t first[LIBRARY_KEY];
    solo_log_meet(log, THEM);
    struct mail *mail = roster_after(log, 0);
    assert_non_null(mail);
    assert_int_equal(mail->body.roster->n_keys, 1);
    memcpy(first, mail->body.roster->keys[0]->key.data, sizeof first);
    mail_drop(&mail);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_OK);
    for (unsigned i = 0; i < 2; i++) { /* Now, and from the disk. */
        mail = roster_after(log, 0);
        assert_non_null(mail);
        const Weft__Roster *roster = mail->body.roster;
        assert_int_equal(roster->n_keys, 2);
        assert_memory_equal(roster->keys[0]->key.data, first, sizeof first);
        assert_memory_not_equal(roster->keys[1]->key.data, first, sizeof first);
        assert_int_equal(roster->keys[1]->epoch, 2);
        uint8_t psk_id[LIBRARY_KEY_ID];
        identity_psk_id(&log->solo.settings.library, roster->keys[1]->key.data, psk_id);
        assert_memory_equal(roster->keys[1]->psk_id.data, psk_id, sizeof psk_id);
        assert_false(has(log, mail, THEM));
        mail_drop(&mail);
        solo_log_power_cut(log);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adding_a_device_twice_says_it_once, solo_log_setup,
                                        solo_log_teardown),
        cmocka_unit_test_setup_teardown(
            a_device_that_is_not_certified_for_this_library_is_not_added, solo_log_setup,
            solo_log_teardown),
        cmocka_unit_test_setup_teardown(a_device_that_was_removed_does_not_come_back,
                                        solo_log_setup, solo_log_teardown),
        cmocka_unit_test_setup_teardown(who_was_never_a_member_cannot_be_removed, solo_log_setup,
                                        solo_log_teardown),
        cmocka_unit_test_setup_teardown(a_device_that_removed_itself_decides_nothing_more,
                                        solo_log_setup, solo_log_teardown),
        cmocka_unit_test_setup_teardown(a_decision_nobody_waits_for_fails_with_an_event,
                                        solo_log_setup, solo_log_teardown),
        cmocka_unit_test_setup_teardown(the_listener_hears_of_members_when_there_is_something_new,
                                        solo_log_setup, solo_log_teardown),
        cmocka_unit_test_setup_teardown(a_removal_changes_the_key_and_an_addition_does_not,
                                        solo_log_setup, solo_log_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
