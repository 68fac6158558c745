/* The peer actor alone, between a link and the other actors: how the two sides prove who they are,
 * how a connection ends and begins again. What flows while it stands: test_peer_flow.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_peer.h"

#define SECOND 1000000u
#define WIRE(kind) WEFT__WIRE__WIRE__BODY_##kind
#define MAIL(kind) WEFT__MAIL__BODY_##kind

static int open_stage(void **state) {
    struct solo_peer *stage = calloc(1, sizeof *stage);
    if (stage == NULL || !solo_peer_open(stage)) return 1;
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_peer_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

/* A session with THEM stands, on a link that was accepted. */
static struct solo_peer *live(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, false);
    return stage;
}

/* A link was accepted, and the remote's session is open on it. */
static struct solo_peer *met(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_accept(stage);
    solo_peer_remote(stage);
    return stage;
}

/* ---- the greeting ---------------------------------------------------------------------------- */

static void peer_that_was_dialled_answers_and_says_who_it_is(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_accept(stage);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_GREETING);
    assert_int_equal(stage->link.adopts, 1);
    assert_true(stage->link.out_size > HANDSHAKE_M2);
    solo_peer_remote(stage);
    const Weft__Wire__Wire *wire = solo_peer_heard_kind(stage, WIRE(HELLO));
    const struct meeting *meeting = &stage->meeting;
    assert_non_null(wire);
    assert_int_equal(wire->hello->proof.len, 64);
    assert_true(handshake_hello_holds(
        wire->hello->proof.data, false, session_channel(stage->remote),
        meeting->identities[SOLO_ME].public.id_pk, meeting->identities[SOLO_THEM].public.id_pk));
    assert_string_equal(wire->hello->name, SOLO_NAME);
    assert_null(solo_peer_heard_kind(stage, WIRE(HELLO))); /* It is said once. */
}

static void peer_that_dials_says_its_first_message_and_no_more_until_it_is_answered(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_dial(stage);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_DIALLING);
    assert_int_equal(stage->link.out_size, HANDSHAKE_M1);
    solo_peer_ready(stage);
    assert_int_equal(stage->link.out_size, HANDSHAKE_M1);
    solo_peer_remote(stage);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_GREETING);
    const Weft__Wire__Wire *wire = solo_peer_heard_kind(stage, WIRE(HELLO));
    const struct meeting *meeting = &stage->meeting;
    assert_non_null(wire);
    assert_true(handshake_hello_holds(wire->hello->proof.data, true, session_channel(stage->remote),
                                      meeting->identities[SOLO_ME].public.id_pk,
                                      meeting->identities[SOLO_THEM].public.id_pk));
    assert_null(solo_peer_heard_kind(stage, WIRE(HELLO)));
}

static void who_answers_with_something_else_hears_no_more_and_the_host_of_it_once(void **state) {
    struct solo_peer *stage = *state;
    static const char page[HANDSHAKE_M2] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    solo_peer_dial(stage);
    solo_peer_say_raw(stage, page, sizeof page);
    assert_int_equal(stage->link.closes, 1);
    assert_int_equal(stage->link.out_size, HANDSHAKE_M1);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_expect_event(stage, WEFT_EVENT_FAULT, WEFT_DENIED, "");
}

static void that_nobody_answers_is_told_unless_the_host_knows(void **state) {
    struct solo_peer *stage = *state;
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1) solo_peer_dial_quietly(stage);
        if (i != 1) solo_peer_dial(stage);
        assert_int_equal(stage->link.dials, i + 1);
        solo_peer_break(stage, WEFT_CLOSED);
        assert_int_equal(stage->link.closes, i + 1);
        struct mail *vacated = solo_take(&stage->solo, ACTOR_LISTENER, MAIL(VACATED));
        assert_non_null(vacated);
        assert_true(vacated->body.vacated->missed && vacated->body.vacated->refused);
        assert_int_equal(vacated->body.vacated->status, WEFT_CLOSED);
        mail_drop(&vacated);
        if (i != 1) solo_peer_expect_event(stage, WEFT_EVENT_FAULT, WEFT_DENIED, "127.0.0.1:7000");
        assert_null(solo_take(&stage->solo, ACTOR_HOST, MAIL(NOTICE)));
    }
}

static void a_session_stands_when_the_listener_says_so(void **state) {
    struct solo_peer *stage = met(state);
    solo_peer_say_right_hello(stage);
    solo_peer_say_heartbeat(stage, 1); /* It waits for the listener's word. */
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_GREETING);
    assert_null(solo_peer_to_bulk(stage, MAIL(JOINED)));
    assert_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    assert_true(solo_peer_claimed(stage));
    solo_peer_rule(stage, true, false, false);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_LIVE);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    struct mail *joined[] = {solo_peer_to_bulk(stage, MAIL(JOINED)),
                             solo_peer_to_share(stage, MAIL(JOINED))};
    const struct id *them = &stage->meeting.identities[SOLO_THEM].device;
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(joined[i]);
        assert_memory_equal(joined[i]->body.joined->device.data, them->bytes, WEFT_ID_SIZE);
        mail_drop(&joined[i]);
    }
    assert_null(solo_peer_to_bulk(stage, MAIL(LEFT)));
    assert_null(solo_peer_to_share(stage, MAIL(LEFT)));
    assert_int_equal(stage->granted_batches, LIMIT_PEER_BATCHES);
    assert_int_equal(stage->granted_notes, 2);
    assert_int_equal(stage->granted_shipments, LIMIT_PEER_SHIPMENTS);
    assert_int_equal(stage->granted_shared_notes, 2);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
}

static void a_hello_that_proves_nothing_is_refused(void **state) {
    struct solo_peer *stage = *state;
    const struct meeting *meeting = &stage->meeting;
    uint8_t proof[64], channel[64] = {0};
    for (unsigned i = 0; i < 7; i++) {
        stage->link.closes = 0;
        met(state);
        Weft__Wire__Hello hello = solo_peer_hello(stage, proof);
        const uint8_t *here = session_channel(stage->remote);
        const struct identity *them = &meeting->identities[SOLO_THEM];
        const uint8_t *me_pk = meeting->identities[SOLO_ME].public.id_pk;
        if (i == 0) proof[20] ^= 1;
        if (i == 1) hello.proof.len = 63;
        if (i == 2) hello.proof.len = 0;
        if (i == 3) handshake_hello(them, true, channel, me_pk, proof); /* Of another session. */
        if (i == 4) handshake_hello(them, false, here, me_pk, proof);   /* Of the other role. */
        if (i == 5) handshake_hello(them, true, here, them->public.id_pk, proof); /* To another. */
        if (i == 6) handshake_hello(&meeting->identities[SOLO_ME], true, here, me_pk, proof);
        solo_peer_say_hello(stage, &hello);
        solo_peer_expect_end(stage, WEFT_DENIED);
        solo_peer_expect_event(stage, WEFT_EVENT_FAULT, WEFT_DENIED, "does not prove");
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
        assert_int_equal(solo_peer_state(stage), WEFT_PEER_VACANT);
    }
}

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static void a_claim_says_the_remote_s_name_up_to_64_bytes(void **state) {
    struct solo_peer *stage = *state;
    static const struct {
        const char *said, *told;
    } names[] = {{"theirs", "theirs"}, {"", ""}, {A64, A64}, {A64 "b", A64}};
    for (unsigned i = 0; i < 4; i++) {
        uint8_t proof[64];
        met(state);
        Weft__Wire__Hello hello = solo_peer_hello(stage, proof);
        hello.name = (char *)(uintptr_t)names[i].said;
        solo_peer_say_hello(stage, &hello);
        struct mail *mail = solo_take(&stage->solo, ACTOR_LISTENER, MAIL(CLAIM));
        assert_non_null(mail);
        assert_int_equal(mail->body.body_case, MAIL(CLAIM));
        assert_string_equal(mail->body.claim->name, names[i].told);
        stage->claimed = mail->body.claim->session;
        mail_drop(&mail);
        solo_peer_rule(stage, false, false, false);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

static void a_second_hello_ends_the_session(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_right_hello(stage);
    solo_peer_expect_end(stage, WEFT_PROTOCOL);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_PROTOCOL, "second Hello");
}

static void nothing_is_taken_before_the_hello(void **state) {
    struct solo_peer *stage = *state;
    for (unsigned i = 0; i < 5; i++) {
        stage->link.closes = 0;
        met(state);
        if (i == 0) solo_peer_say_heartbeat(stage, 1);
        if (i == 1) solo_peer_say_credit(stage, 1);
        if (i == 2) solo_peer_say_bytes(stage, LANE_LIVE, 20, 0);
        if (i == 3) solo_peer_say_records(stage, 1, 100);
        if (i == 4) solo_peer_say_shared_heads(stage, true, 1);
        solo_peer_expect_end(stage, WEFT_PROTOCOL);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
        assert_null(solo_peer_to_bulk(stage, MAIL(PACKED)));
        assert_null(solo_peer_to_share(stage, MAIL(RECORDS)));
    }
}

/* ---- coming in by invite --------------------------------------------------------------------- */

static void who_comes_in_by_invite_may_wait_two_minutes_for_a_person(void **state) {
    struct solo_peer *stage = *state;
    stage->mode = HANDSHAKE_INVITE;
    solo_peer_accept(stage);
    solo_peer_claim(stage); /* It says so, with the code. */
    for (uint64_t waited = 0; waited < LIMIT_CONFIRM_US - SECOND; waited += SECOND)
        solo_peer_wait(stage, SECOND);
    assert_int_equal(stage->link.closes, 0);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    solo_peer_wait(stage, SECOND);
    assert_int_equal(stage->link.closes, 1);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
}

static void a_member_s_claim_does_not_wait_for_a_person(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_accept(stage);
    solo_peer_claim(stage);
    solo_peer_wait(stage, LIMIT_HANDSHAKE_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1);
    assert_int_equal(stage->link.closes, 1);
}

static void peer_dials_by_invite_when_it_is_told_so(void **state) {
    struct solo_peer *stage = *state;
    stage->mode = HANDSHAKE_INVITE;
    solo_peer_live(stage, true);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_LIVE);
}

/* ---- two connections at once ----------------------------------------------------------------- */

static void the_connection_that_may_not_stand_says_goodbye(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_accept(stage);
    solo_peer_claim(stage);
    solo_peer_rule(stage, false, false, false);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(GOODBYE)));
    assert_int_equal(stage->link.closes, 1);
    assert_null(solo_peer_to_bulk(stage, MAIL(JOINED)));
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
}

static void a_session_that_is_replaced_says_goodbye(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, true);
    solo_peer_rule(stage, false, true, false);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(GOODBYE)));
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_wait(stage, 10 * (uint64_t)LIMIT_REDIAL_MAX_US);
    assert_int_equal(stage->link.dials, 1); /* What comes next is the listener's to say. */
}

static void a_session_that_must_prove_itself_has_five_seconds(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_rule(stage, false, false, true);
    const Weft__Wire__Wire *asked = solo_peer_heard_kind(stage, WIRE(HEARTBEAT));
    assert_non_null(asked);
    assert_int_equal(asked->heartbeat->echo, 1);
    solo_peer_wait(stage, LIMIT_HANDSHAKE_US - 1);
    solo_peer_say_heartbeat(stage, 0);
    solo_peer_wait(stage, SECOND);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_rule(stage, false, false, true);
    solo_peer_wait(stage, LIMIT_HANDSHAKE_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1);
    assert_int_equal(stage->link.closes, 1);
}

static void a_ruling_on_an_earlier_session_is_void(void **state) {
    struct solo_peer *stage = live(state);
    stage->claimed--;
    solo_peer_rule(stage, false, true, false);
    assert_int_equal(stage->link.closes, 0);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_LIVE);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void a_hello_has_five_seconds_however_it_trickles(void **state) {
    struct solo_peer *stage = met(state);
    uint8_t proof[64];
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Hello hello = solo_peer_hello(stage, proof);
    wire.body_case = WIRE(HELLO);
    wire.hello = &hello;
    solo_peer_prepare(stage, &wire);
    for (uint32_t second = 0; second < LIMIT_HANDSHAKE_US / SECOND; second++) {
        solo_peer_carry(stage, 3);
        assert_int_equal(stage->link.closes, 0);
        solo_peer_wait(stage, SECOND);
    }
    assert_int_equal(stage->link.closes, 1);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
}

static void an_answer_has_five_seconds_however_it_trickles(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_dial(stage);
    for (uint32_t second = 0; second < LIMIT_HANDSHAKE_US / SECOND; second++) {
        solo_peer_say_raw(stage, "\xd0", 1);
        assert_int_equal(stage->link.closes, 0);
        solo_peer_wait(stage, SECOND);
    }
    assert_int_equal(stage->link.closes, 1);
}

static void a_dial_that_nobody_answers_is_given_up_after_five_seconds(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_dial(stage);
    solo_peer_wait(stage, LIMIT_HANDSHAKE_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1);
    assert_int_equal(stage->link.closes, 1);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_VACANT);
    struct mail *vacated = solo_take(&stage->solo, ACTOR_LISTENER, MAIL(VACATED));
    assert_non_null(vacated);
    assert_true(vacated->body.vacated->missed);
    assert_false(vacated->body.vacated->refused);
    assert_int_equal(vacated->body.vacated->status, WEFT_NET);
    mail_drop(&vacated);
}

/* ---- the end, and another beginning ---------------------------------------------------------- */

static void an_error_of_the_remote_ends_the_session_and_is_told_to_the_host(void **state) {
    struct solo_peer *stage = live(state);
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Error error = WEFT__WIRE__ERROR__INIT;
    error.code = 34;
    error.text = (char *)"you spoke out of turn";
    wire.body_case = WIRE(ERROR);
    wire.error = &error;
    solo_peer_say(stage, &wire);
    assert_int_equal(stage->link.closes, 1);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_PROTOCOL, "you spoke out of turn");
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
}

static void a_goodbye_ends_the_session_without_a_word(void **state) {
    struct solo_peer *stage = live(state);
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Goodbye goodbye = WEFT__WIRE__GOODBYE__INIT;
    goodbye.text = (char *)"until tomorrow";
    wire.body_case = WIRE(GOODBYE);
    wire.goodbye = &goodbye;
    stage->link.out_size = stage->link.out_taken = 0;
    solo_peer_say(stage, &wire);
    assert_int_equal(stage->link.closes, 1);
    assert_int_equal(stage->link.out_size, 0);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_CLOSED, "until tomorrow");
}

static void a_cut_link_ends_the_session(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_break(stage, WEFT_NET);
    assert_int_equal(stage->link.closes, 1);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_NET, "");
}

static void a_slot_is_free_when_bulk_has_let_go_and_can_be_used_again(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_break(stage, WEFT_CLOSED);
    assert_null(solo_take(&stage->solo, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_batch(stage, 100, 1, true); /* They crossed the end, and are dropped. */
    solo_peer_places(stage, 1);
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_live(stage, false);
    assert_int_equal(solo_peer_batches_heard(stage), 0);
    assert_int_equal(stage->link.adopts, 2);
}

/* ---- what is remembered of a session --------------------------------------------------------- */

static void a_session_that_stood_is_told_before_the_slot_is_free(void **state) {
    struct solo_peer *stage = *state;
    stage->solo.now.wall_ms = 1700000000000;
    solo_peer_live(stage, true);
    solo_peer_wait(stage, 3 * SECOND);
    board_add(stage->solo.settings.board->peers[0].rows_in, 7);
    solo_peer_break(stage, WEFT_NET);
    board_add(stage->solo.settings.board->peers[0].rows_in, 5); /* Decoded a little later. */
    solo_peer_cleared(stage);
    struct mail *mail = solo_take(&stage->solo, ACTOR_LISTENER, MAIL(SESSION));
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, MAIL(SESSION));
    const Weft__Session *session = mail->body.session;
    assert_memory_equal(session->device.data, stage->meeting.identities[SOLO_THEM].device.bytes,
                        WEFT_ID_SIZE);
    assert_string_equal(session->address, "127.0.0.1:7000");
    assert_true(session->opened_here);
    assert_int_equal(session->began_ms, 1700000000000);
    assert_int_equal(session->lasted_ms, 3000);
    assert_int_equal(session->rows_in, 12);
    assert_int_equal(session->status, WEFT_NET);
    mail_drop(&mail);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    /* The next one in the slot has figures of its own. */
    solo_peer_live(stage, false);
    solo_peer_break(stage, WEFT_CLOSED);
    solo_peer_cleared(stage);
    mail = solo_take(&stage->solo, ACTOR_LISTENER, MAIL(SESSION));
    assert_non_null(mail);
    assert_int_equal(mail->body.session->rows_in, 0);
    assert_false(mail->body.session->opened_here);
    assert_string_equal(mail->body.session->address, "192.0.2.7");
    mail_drop(&mail);
}

static void what_did_not_become_a_session_is_not_remembered_as_one(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_dial(stage);
    solo_peer_break(stage, WEFT_NET);
    struct mail *mail = solo_take(&stage->solo, ACTOR_LISTENER, MAIL(VACATED));
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, MAIL(VACATED));
    mail_drop(&mail);
}

static void a_peer_that_is_stopped_says_goodbye_and_dials_no_more(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, true);
    struct mail *stop = solo_mail(&stage->solo, MAIL(STOP), NULL);
    solo_tell(&stage->solo, ACTOR_LISTENER, stop);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(GOODBYE)));
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_wait(stage, 10 * (uint64_t)LIMIT_REDIAL_MAX_US);
    assert_int_equal(stage->link.dials, 1);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_VACANT);
}

#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEER_TEST(peer_that_was_dialled_answers_and_says_who_it_is),
        PEER_TEST(peer_that_dials_says_its_first_message_and_no_more_until_it_is_answered),
        PEER_TEST(who_answers_with_something_else_hears_no_more_and_the_host_of_it_once),
        PEER_TEST(that_nobody_answers_is_told_unless_the_host_knows),
        PEER_TEST(a_session_stands_when_the_listener_says_so),
        PEER_TEST(a_hello_that_proves_nothing_is_refused),
        PEER_TEST(a_claim_says_the_remote_s_name_up_to_64_bytes),
        PEER_TEST(a_second_hello_ends_the_session),
        PEER_TEST(nothing_is_taken_before_the_hello),
        PEER_TEST(who_comes_in_by_invite_may_wait_two_minutes_for_a_person),
        PEER_TEST(a_member_s_claim_does_not_wait_for_a_person),
        PEER_TEST(peer_dials_by_invite_when_it_is_told_so),
        PEER_TEST(the_connection_that_may_not_stand_says_goodbye),
        PEER_TEST(a_session_that_is_replaced_says_goodbye),
        PEER_TEST(a_session_that_must_prove_itself_has_five_seconds),
        PEER_TEST(a_ruling_on_an_earlier_session_is_void),
        PEER_TEST(a_hello_has_five_seconds_however_it_trickles),
        PEER_TEST(an_answer_has_five_seconds_however_it_trickles),
        PEER_TEST(a_dial_that_nobody_answers_is_given_up_after_five_seconds),
        PEER_TEST(an_error_of_the_remote_ends_the_session_and_is_told_to_the_host),
        PEER_TEST(a_goodbye_ends_the_session_without_a_word),
        PEER_TEST(a_cut_link_ends_the_session),
        PEER_TEST(a_slot_is_free_when_bulk_has_let_go_and_can_be_used_again),
        PEER_TEST(a_session_that_stood_is_told_before_the_slot_is_free),
        PEER_TEST(what_did_not_become_a_session_is_not_remembered_as_one),
        PEER_TEST(a_peer_that_is_stopped_says_goodbye_and_dials_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
