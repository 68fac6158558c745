/* The listener actor alone, sessions: who sits in which slot, which of two sessions stands, and
 * whom a slot dials. Who gets through the door: test_listener_call.c; by invite:
 * test_listener_invite.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_listener.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define HERE "127.0.0.1:7001"

/* Everybody is a member, and both slots have a connection. */
static struct solo_listener *filled(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_fill(stage);
    return stage;
}

/* ---- listening ------------------------------------------------------------------------------- */

static void listener_says_where_it_listens(void **state) {
    struct solo_listener *stage = *state;
    struct mail *mail = solo_take(&stage->solo, ACTOR_HOST, MAIL(LISTENING));
    assert_non_null(mail);
    assert_int_equal(mail->body.listening->request, 5);
    assert_int_equal(mail->body.listening->status, WEFT_OK);
    assert_string_equal(mail->body.listening->address, "127.0.0.1:7000");
    mail_drop(&mail);
}

static void listener_listens_on_eight_addresses_and_no_more(void **state) {
    struct solo_listener *stage = *state;
    for (uint32_t i = 1; i < 10; i++) {
        Weft__Listen *listen = NULL;
        struct mail *mail = solo_mail(&stage->solo, MAIL(LISTEN), &listen);
        listen->address = mail_text(mail, HERE);
        solo_tell(&stage->solo, ACTOR_HOST, mail);
    }
    for (uint32_t i = 0; i < 10; i++) {
        struct mail *mail = solo_take(&stage->solo, ACTOR_HOST, MAIL(LISTENING));
        assert_non_null(mail);
        assert_int_equal(mail->body.listening->status, i < 8 ? WEFT_OK : WEFT_LIMIT);
        mail_drop(&mail);
    }
    assert_int_equal(stage->listening, 8);
}

static void listener_asks_for_the_roster_again_when_it_has_one(void **state) {
    struct solo_listener *stage = *state;
    for (unsigned i = 0; i < 3; i++)
        solo_listener_roster(stage, SOLO_ALL); /* Which looks at the version asked for. */
    struct mail *asked = solo_take(&stage->solo, ACTOR_LOG, MAIL(ROSTER_WANTED));
    assert_non_null(asked);
    mail_drop(&asked);
    solo_turn(&stage->solo);
    assert_null(solo_take(&stage->solo, ACTOR_LOG, MAIL(ROSTER_WANTED))); /* One at a time. */
}

/* ---- two sessions with one device ------------------------------------------------------------ */

/* Two claims of one device, one after the other; what each slot hears then. */
static void assert_two(void **state, uint32_t device, bool first_dialled, bool second_dialled,
                       const char *verdicts) {
    struct solo_listener *stage = filled(state);
    solo_listener_claim(stage, 0, device, first_dialled);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    solo_listener_claim(stage, 1, device, second_dialled);
    assert_int_equal(solo_listener_ruling(stage, 0), verdicts[0]);
    assert_int_equal(solo_listener_ruling(stage, 1), verdicts[1]);
}

static void of_two_sessions_that_of_this_lower_device_stays(void **state) {
    assert_two(state, SOLO_HIGHER, true, false, "pe");
}

static void a_session_gives_way_to_that_of_this_lower_device(void **state) {
    assert_two(state, SOLO_HIGHER, false, true, "rs");
}

static void of_two_sessions_that_of_the_other_lower_device_stays(void **state) {
    assert_two(state, SOLO_LOWER, false, true, "pe");
}

static void a_session_gives_way_to_that_of_the_other_lower_device(void **state) {
    assert_two(state, SOLO_LOWER, true, false, "rs");
}

static void of_two_sessions_from_the_lower_end_the_newer_stands(void **state) {
    assert_two(state, SOLO_HIGHER, true, true, "rs");
}

static void of_two_sessions_from_the_higher_end_the_newer_stands(void **state) {
    assert_two(state, SOLO_HIGHER, false, false, "rs");
}

static void sessions_with_two_devices_stand_side_by_side(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    solo_listener_claim(stage, 1, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_int_equal(solo_listener_ruling(stage, 1), 's');
}

static void a_session_that_has_ended_is_in_nobody_s_way(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_claim(stage, 0, SOLO_HIGHER, true);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    solo_listener_vacate(stage, 0, WEFT_OK);
    solo_listener_claim(stage, 1, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), '-');
    assert_int_equal(solo_listener_ruling(stage, 1), 's');
}

static void a_slot_that_is_free_again_takes_another_connection(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_vacate(stage, 1, WEFT_OK);
    (void)solo_listener_member(stage, SOLO_HIGHEST, "192.0.2.3");
    assert_false(solo_listener_let_in(stage, 0, NULL));
    assert_true(solo_listener_let_in(stage, 1, NULL));
}

/* ---- members --------------------------------------------------------------------------------- */

static void a_device_removed_since_it_called_gets_no_session(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_LOWER));
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 'g');
}

static void a_removal_ends_the_session_of_who_was_removed_and_no_other(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    solo_listener_claim(stage, 1, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_int_equal(solo_listener_ruling(stage, 1), 's');
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_LOWER));
    assert_int_equal(solo_listener_ruling(stage, 0), 'x');
    assert_int_equal(solo_listener_ruling(stage, 1), '-');
}

static void this_device_s_own_removal_ends_every_session(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    solo_listener_claim(stage, 1, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_int_equal(solo_listener_ruling(stage, 1), 's');
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_SELF));
    assert_int_equal(solo_listener_ruling(stage, 0), 'x');
    assert_int_equal(solo_listener_ruling(stage, 1), 'x');
}

static void decisions_about_members_go_on_to_the_clock(void **state) {
    struct solo_listener *stage = *state;
    Weft__Govern *govern = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(GOVERN), &govern);
    govern->ticket = 9;
    solo_tell(&stage->solo, ACTOR_HOST, mail);
    mail = solo_listener_told(stage, ACTOR_CLOCK, MAIL(GOVERN));
    assert_non_null(mail);
    assert_int_equal(mail->body.govern->ticket, 9);
    mail_drop(&mail);
}

/* ---- whom to dial ---------------------------------------------------------------------------- */

/* Nobody answers, or somebody hangs up; a pause later there is another try. */
static void missed(struct solo_listener *stage, uint32_t peer) {
    solo_listener_miss(stage, peer, WEFT_CLOSED);
    solo_listener_wait(stage, 2 * (uint64_t)LIMIT_REDIAL_MAX_US);
}

static void assert_dials(struct solo_listener *stage, uint32_t peer, int device, int key) {
    const struct solo_dial dial = solo_listener_dial(stage, peer);
    assert_true(dial.some);
    assert_true(dial.secret); /* It has a library key in it. */
    assert_false(dial.invite);
    assert_string_equal(dial.address, HERE);
    assert_int_equal(dial.device, device);
    assert_int_equal(dial.key, key);
}

static void a_device_that_is_named_is_dialled_with_the_newest_key(void **state) {
    struct solo_listener *stage = *state;
    stage->key_count = 3;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, SOLO_HIGHER);
    const struct solo_dial dial = solo_listener_dial(stage, 0);
    assert_int_equal(dial.device, SOLO_HIGHER);
    assert_int_equal(dial.key, 3);
}

static void a_device_that_does_not_answer_is_dialled_with_older_keys_by_turns(void **state) {
    struct solo_listener *stage = *state;
    static const int keys[] = {3, 2, 3, 1, 3, 2, 3, 1, 3, 2};
    stage->key_count = 3;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, SOLO_HIGHER);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_dials(stage, 0, SOLO_HIGHER, keys[i]);
        missed(stage, 0);
    }
}

static void a_device_that_is_no_member_is_not_dialled_until_it_is_one(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_connect(stage, HERE, SOLO_HIGHER); /* There is no roster yet. */
    assert_false(solo_listener_dial(stage, 0).some);
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_HIGHER));
    assert_false(solo_listener_dial(stage, 0).some);
    solo_listener_roster(stage, SOLO_ALL);
    assert_dials(stage, 0, SOLO_HIGHER, 1);
}

static void an_address_without_a_device_tries_the_members_in_turn(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_LOWER));
    solo_listener_connect(stage, HERE, -1);
    for (unsigned i = 0; i < 2; i++) { /* Not itself, and nobody who was removed. */
        static const int turns[] = {SOLO_LOWEST, SOLO_HIGHER, SOLO_HIGHEST};
        for (unsigned t = 0; t < 3; t++) {
            assert_dials(stage, 0, turns[t], 1);
            missed(stage, 0);
        }
    }
}

static void an_address_without_a_device_tries_all_with_the_newest_key_before_an_older_one(
    void **state) {
    struct solo_listener *stage = *state;
    static const int devices[] = {SOLO_LOWEST, SOLO_LOWER, SOLO_HIGHER, SOLO_HIGHEST};
    static const int keys[] = {3, 2, 3, 1, 3};
    stage->key_count = 3;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    for (unsigned i = 0; i < 20; i++) {
        assert_dials(stage, 0, devices[i % 4], keys[i / 4]);
        missed(stage, 0);
    }
}

static void an_address_without_a_device_leaves_those_out_with_whom_a_session_stands(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    (void)solo_listener_member(stage, SOLO_LOWER, "192.0.2.1");
    assert_true(solo_listener_let_in(stage, 0, NULL));
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    solo_listener_connect(stage, HERE, -1);
    for (unsigned i = 0; i < 6; i++) {
        static const int turns[] = {SOLO_LOWEST, SOLO_HIGHER, SOLO_HIGHEST};
        assert_dials(stage, 1, turns[i % 3], 1);
        missed(stage, 1);
    }
}

static void who_has_answered_at_an_address_is_meant_from_then_on(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    assert_dials(stage, 0, SOLO_LOWEST, 1);
    missed(stage, 0);
    assert_dials(stage, 0, SOLO_LOWER, 1);
    solo_listener_claim(stage, 0, SOLO_LOWER, true);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    solo_listener_vacate(stage, 0, WEFT_NET);
    for (unsigned i = 0; i < 3; i++) {
        solo_listener_wait(stage, 2 * (uint64_t)LIMIT_REDIAL_MIN_US);
        assert_dials(stage, 0, SOLO_LOWER, 1);
        solo_listener_vacate(stage, 0, WEFT_OK); /* It was there, and let another stand. */
    }
}

static void an_address_is_that_of_the_device_named_last(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    assert_dials(stage, 0, SOLO_LOWEST, 1);
    solo_listener_connect(stage, HERE, SOLO_HIGHEST);
    assert_dials(stage, 1, SOLO_HIGHEST, 1); /* While the other dial is under way. */
    missed(stage, 0);
    assert_false(solo_listener_dial(stage, 0).some);
}

static void an_address_that_finds_no_slot_waits_for_one(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_connect(stage, HERE, SOLO_HIGHEST);
    solo_listener_wait(stage, LIMIT_REDIAL_MAX_US);
    solo_listener_vacate(stage, 1, WEFT_NET);
    assert_dials(stage, 1, SOLO_HIGHEST, 1);
}

static void a_slot_is_free_for_who_calls_between_two_dials(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, SOLO_HIGHER);
    assert_dials(stage, 0, SOLO_HIGHER, 1);
    (void)solo_listener_member(stage, SOLO_LOWER, "192.0.2.1");
    assert_true(solo_listener_let_in(stage, 1, NULL));
    solo_listener_miss(stage, 0, WEFT_NET);
    (void)solo_listener_member(stage, SOLO_LOWEST, "192.0.2.2");
    assert_true(solo_listener_let_in(stage, 0, NULL));
}

/* ---- the end --------------------------------------------------------------------------------- */

static void a_stop_goes_to_every_slot_in_use_and_is_answered_when_they_have_ended(void **state) {
    struct solo_listener *stage = filled(state);
    solo_listener_vacate(stage, 1, WEFT_OK);
    solo_tell(&stage->solo, ACTOR_HOST, solo_mail(&stage->solo, MAIL(STOP), NULL));
    struct mail *stop = solo_listener_told(stage, ACTOR_PEER, MAIL(STOP));
    assert_non_null(stop);
    mail_drop(&stop);
    assert_null(solo_listener_told(stage, ACTOR_PEER + 1, MAIL(STOP)));
    assert_null(solo_listener_told(stage, ACTOR_HOST, MAIL(STOP)));
    assert_int_equal(stage->closed_listening, 1);
    solo_listener_vacate(stage, 0, WEFT_OK);
    stop = solo_listener_told(stage, ACTOR_HOST, MAIL(STOP));
    assert_non_null(stop);
    mail_drop(&stop);
    solo_listener_connect(stage, HERE, SOLO_HIGHEST); /* Too late. */
    assert_false(solo_listener_dial(stage, 0).some);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        listener_test(listener_says_where_it_listens),
        listener_test(listener_listens_on_eight_addresses_and_no_more),
        listener_test(listener_asks_for_the_roster_again_when_it_has_one),
        listener_test(of_two_sessions_that_of_this_lower_device_stays),
        listener_test(a_session_gives_way_to_that_of_this_lower_device),
        listener_test(of_two_sessions_that_of_the_other_lower_device_stays),
        listener_test(a_session_gives_way_to_that_of_the_other_lower_device),
        listener_test(of_two_sessions_from_the_lower_end_the_newer_stands),
        listener_test(of_two_sessions_from_the_higher_end_the_newer_stands),
        listener_test(sessions_with_two_devices_stand_side_by_side),
        listener_test(a_session_that_has_ended_is_in_nobody_s_way),
        listener_test(a_slot_that_is_free_again_takes_another_connection),
        listener_test(a_device_removed_since_it_called_gets_no_session),
        listener_test(a_removal_ends_the_session_of_who_was_removed_and_no_other),
        listener_test(this_device_s_own_removal_ends_every_session),
        listener_test(decisions_about_members_go_on_to_the_clock),
        listener_test(a_device_that_is_named_is_dialled_with_the_newest_key),
        listener_test(a_device_that_does_not_answer_is_dialled_with_older_keys_by_turns),
        listener_test(a_device_that_is_no_member_is_not_dialled_until_it_is_one),
        listener_test(an_address_without_a_device_tries_the_members_in_turn),
        listener_test(
            an_address_without_a_device_tries_all_with_the_newest_key_before_an_older_one),
        listener_test(an_address_without_a_device_leaves_those_out_with_whom_a_session_stands),
        listener_test(who_has_answered_at_an_address_is_meant_from_then_on),
        listener_test(an_address_is_that_of_the_device_named_last),
        listener_test(an_address_that_finds_no_slot_waits_for_one),
        listener_test(a_slot_is_free_for_who_calls_between_two_dials),
        listener_test(a_stop_goes_to_every_slot_in_use_and_is_answered_when_they_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
