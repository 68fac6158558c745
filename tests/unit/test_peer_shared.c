/* The peer actor alone: the shared log on its way through a session, and what time does to the
 * session's keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/wire/record.h"
#include "engine/wire/session_private.h"
#include "tests/lib/solo_peer.h"

#define SECOND 1000000u
#define ATTEST_US 500000u /* as peer_shared.c has them */
#define ATTEST_BURST 16u
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

static struct solo_peer *live(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, false);
    return stage;
}

/* How many mails of records share is given. */
static uint32_t records_taken(struct solo_peer *stage) {
    for (uint32_t count = 0;; count++) {
        struct mail *mail = solo_peer_to_share(stage, MAIL(RECORDS));
        if (mail == NULL) return count;
        mail_drop(&mail);
    }
}

/* How many messages of records the remote hears. */
static uint32_t shipments_heard(struct solo_peer *stage) {
    uint32_t count = 0;
    for (struct said said = solo_peer_heard(stage); said.some; said = solo_peer_heard(stage))
        count += said.lane == LANE_SHARED;
    return count;
}

/* ---- from the remote ------------------------------------------------------------------------- */

static void records_reach_share_as_they_came(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_records(stage, 3, 200);
    struct mail *mail = solo_peer_to_share(stage, MAIL(RECORDS));
    assert_non_null(mail);
    const Weft__Records *records = mail->body.records;
    assert_int_equal(records->peer, 0);
    assert_int_equal(records->session, stage->claimed);
    assert_int_equal(records->stamp, 0);
    assert_in_range(records->wire_bytes, 600, 650);
    assert_int_equal(records->n_records, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(records->records[i].len, 200);
        assert_int_equal(records->records[i].data[0], i + 1);
        assert_int_equal(records->records[i].data[199], i + 1);
    }
    mail_drop(&mail);
}

static void no_more_records_are_read_than_may_be_inside(void **state) {
    struct solo_peer *stage = live(state);
    for (uint32_t i = 0; i < 10; i++)
        solo_peer_say_records(stage, 1, 1000);
    assert_int_equal(records_taken(stage), LIMIT_PEER_RECORDS);
    solo_peer_ready(stage);
    assert_int_equal(records_taken(stage), 0);
    solo_peer_wait(stage, 3 * LIMIT_DEAD_US); /* Who is not listened to is not dead. */
    assert_int_equal(stage->link.closes, 0);
    solo_peer_shared_held(stage, 3, 3000, "");
    assert_int_equal(records_taken(stage), 3);
    const Weft__Wire__Wire *credit = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(credit);
    assert_int_equal(credit->credit->shared, 3000);
    assert_int_equal(credit->credit->bytes, 0);
    solo_peer_shared_held(stage, LIMIT_PEER_RECORDS, 4000, "");
    assert_int_equal(records_taken(stage), 3);
    credit = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(credit);
    assert_int_equal(credit->credit->shared, 4000); /* What was told is not told again. */
}

static void what_the_remote_asks_for_and_holds_reaches_share_and_the_log(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_shared_heads(stage, true, 3);
    struct mail *wanted = solo_peer_to_share(stage, MAIL(SHARED_WANTED));
    assert_non_null(wanted);
    assert_int_equal(wanted->body.shared_wanted->n_heads, 3);
    assert_int_equal(wanted->body.shared_wanted->heads[2]->incarnation, 3);
    mail_drop(&wanted);
    solo_peer_say_shared_heads(stage, false, 2);
    struct mail *acked[] = {solo_peer_to_share(stage, MAIL(SHARED_ACKED)),
                            solo_take(&stage->solo, ACTOR_LOG, MAIL(SHARED_ACKED))};
    for (unsigned i = 0; i < 2; i++) { /* As the session's device, whatever it says. */
        assert_non_null(acked[i]);
        const Weft__SharedAcked *message = acked[i]->body.shared_acked;
        assert_memory_equal(message->device.data, stage->meeting.identities[SOLO_THEM].device.bytes,
                            WEFT_ID_SIZE);
        assert_int_equal(message->n_heads, 2);
        assert_int_equal(message->heads[1]->seq, 1);
        mail_drop(&acked[i]);
    }
}

static void an_empty_request_asks_for_everything(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_shared_heads(stage, true, 0);
    struct mail *wanted = solo_peer_to_share(stage, MAIL(SHARED_WANTED));
    assert_non_null(wanted);
    assert_int_equal(wanted->body.shared_wanted->n_heads, 0);
    mail_drop(&wanted);
}

static void a_head_that_cannot_be_ends_the_session(void **state) {
    struct solo_peer *stage = *state;
    static uint8_t device[WEFT_ID_SIZE + 1], hash[RECORD_HASH + 1];
    for (unsigned i = 0; i < 12; i++) {
        Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
        Weft__Wire__SharedChangeRequest request = WEFT__WIRE__SHARED_CHANGE_REQUEST__INIT;
        Weft__Wire__AckSharedChanges held = WEFT__WIRE__ACK_SHARED_CHANGES__INIT;
        Weft__Wire__Head head = WEFT__WIRE__HEAD__INIT, *heads[] = {&head};
        head.device = (ProtobufCBinaryData){WEFT_ID_SIZE, device};
        head.hash = (ProtobufCBinaryData){RECORD_HASH, hash};
        head.incarnation = head.seq = 1;
        if (i % 6 == 0) head.device.len--;
        if (i % 6 == 1) head.device.len++;
        if (i % 6 == 2) head.hash.len--;
        if (i % 6 == 3) head.hash.len++;
        if (i % 6 == 4) head.seq = (uint64_t)INT64_MAX + 1;
        if (i % 6 == 5) head.incarnation = UINT64_MAX;
        request.heads = held.heads = heads;
        request.n_heads = held.n_heads = 1;
        wire.body_case = i < 6 ? WIRE(SHARED_CHANGE_REQUEST) : WIRE(ACK_SHARED_CHANGES);
        if (i < 6) wire.shared_change_request = &request;
        if (i >= 6) wire.ack_shared_changes = &held;
        stage->link.closes = 0;
        solo_peer_live(stage, false);
        solo_peer_say(stage, &wire);
        solo_peer_expect_end(stage, WEFT_PROTOCOL);
        assert_null(solo_take(&stage->solo, ACTOR_LOG, MAIL(SHARED_ACKED)));
        solo_peer_cleared(stage);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

static void a_fault_that_share_found_is_told_to_the_remote(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_records(stage, 1, 100);
    assert_int_equal(records_taken(stage), 1);
    solo_peer_shared_held(stage, 1, 100, "a record that its device did not sign");
    assert_int_equal(stage->link.closes, 1);
    const Weft__Wire__Wire *error = solo_peer_heard_kind(stage, WIRE(ERROR));
    assert_non_null(error);
    assert_int_equal(error->error->code, -WEFT_PROTOCOL);
    assert_string_equal(error->error->text, "a record that its device did not sign");
}

/* ---- statements ------------------------------------------------------------------------------ */

/* The remote says `count` statements of 100 bytes, that are none; they are not carried. */
static void prepare_statements(struct solo_peer *stage, size_t count) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Attest attest = WEFT__WIRE__ATTEST__INIT;
    attest.n_statements = count;
    attest.statements = arena_zero(&stage->arena, (count + 1) * sizeof *attest.statements);
    assert_non_null(attest.statements);
    for (size_t i = 0; i < count; i++) {
        attest.statements[i].len = 100;
        attest.statements[i].data = arena_zero(&stage->arena, 100);
        assert_non_null(attest.statements[i].data);
        memset(attest.statements[i].data, (int)i + 1, 100);
    }
    wire.body_case = WIRE(ATTEST);
    wire.attest = &attest;
    solo_peer_prepare(stage, &wire);
}

static void say_statements(struct solo_peer *stage, size_t count) {
    prepare_statements(stage, count);
    solo_peer_carry(stage, SIZE_MAX);
}

/* How many mails of statements the log is given. */
static uint32_t statements_taken(struct solo_peer *stage) {
    for (uint32_t count = 0;;) {
        struct mail *mail = solo_take(&stage->solo, ACTOR_LOG, MAIL(ATTESTED));
        if (mail == NULL) return count;
        count += mail->body.body_case == MAIL(ATTESTED);
        mail_drop(&mail);
    }
}

static void statements_reach_the_log_as_they_came(void **state) {
    struct solo_peer *stage = live(state);
    say_statements(stage, LIMIT_ROSTER);
    struct mail *mail = solo_take(&stage->solo, ACTOR_LOG, MAIL(ATTESTED));
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, MAIL(ATTESTED));
    const Weft__Attested *attested = mail->body.attested;
    assert_int_equal(attested->n_statements, LIMIT_ROSTER);
    for (unsigned i = 0; i < LIMIT_ROSTER; i++) {
        assert_int_equal(attested->statements[i].len, 100);
        assert_int_equal(attested->statements[i].data[0], i + 1);
        assert_int_equal(attested->statements[i].data[99], i + 1);
    }
    mail_drop(&mail);
}

static void more_statements_than_there_may_be_devices_end_the_session(void **state) {
    struct solo_peer *stage = live(state);
    say_statements(stage, LIMIT_ROSTER + 1);
    solo_peer_expect_end(stage, WEFT_PROTOCOL);
    assert_int_equal(statements_taken(stage), 0);
}

static void of_a_flood_of_statements_some_and_then_two_a_second_are_read(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_wait(stage, ATTEST_BURST * ATTEST_US);
    for (unsigned i = 0; i < 50; i++)
        prepare_statements(stage, 1);
    solo_peer_carry(stage, SIZE_MAX);
    assert_int_equal(statements_taken(stage), ATTEST_BURST);
    for (unsigned i = 0; i < 10; i++) {
        solo_peer_wait(stage, ATTEST_US - 1);
        say_statements(stage, 1);
        assert_int_equal(statements_taken(stage), 0);
        solo_peer_wait(stage, 1);
        say_statements(stage, 1);
        say_statements(stage, 1);
        assert_int_equal(statements_taken(stage), 1);
    }
    solo_peer_wait(stage, 20 * SECOND); /* What is not used is saved up to a point. */
    for (unsigned i = 0; i < 50; i++)
        say_statements(stage, 1);
    assert_int_equal(statements_taken(stage), ATTEST_BURST);
    assert_int_equal(stage->link.closes, 0);
}

static void a_new_session_saves_up_no_faster(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_wait(stage, ATTEST_BURST * ATTEST_US);
    for (unsigned i = 0; i < 50; i++)
        say_statements(stage, 1);
    assert_int_equal(statements_taken(stage), ATTEST_BURST);
    solo_peer_break(stage, WEFT_NET);
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_live(stage, false);
    say_statements(stage, 1);
    assert_int_equal(statements_taken(stage), 0);
}

/* All that one step may be given at once fits on its edges. */
static void statements_among_acknowledgements_are_all_passed_on(void **state) {
    struct solo_peer *stage = live(state);
    static uint8_t device[WEFT_ID_SIZE], hash[RECORD_HASH];
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__AckSharedChanges held = WEFT__WIRE__ACK_SHARED_CHANGES__INIT;
    Weft__Wire__Head head = WEFT__WIRE__HEAD__INIT, *heads[] = {&head};
    head.device = (ProtobufCBinaryData){WEFT_ID_SIZE, device};
    head.hash = (ProtobufCBinaryData){RECORD_HASH, hash};
    held.heads = heads;
    held.n_heads = 1;
    wire.body_case = WIRE(ACK_SHARED_CHANGES);
    wire.ack_shared_changes = &held;
    solo_peer_wait(stage, ATTEST_BURST * ATTEST_US);
    for (unsigned i = 0; i < 50; i++) {
        if (i % 2 == 0) prepare_statements(stage, 1);
        head.incarnation = head.seq = i + 1;
        solo_peer_prepare(stage, &wire);
    }
    solo_peer_carry(stage, SIZE_MAX);
    uint32_t statements = 0, acks = 0;
    for (unsigned turn = 0; turn < 50; turn++) { /* The log and share are slow. */
        struct mail *mail = NULL;
        while ((mail = solo_take(&stage->solo, ACTOR_LOG, MAIL(ATTESTED))) != NULL) {
            statements += mail->body.body_case == MAIL(ATTESTED);
            acks += mail->body.body_case == MAIL(SHARED_ACKED);
            mail_drop(&mail);
        }
        while ((mail = solo_peer_to_share(stage, MAIL(SHARED_ACKED))) != NULL)
            mail_drop(&mail);
        solo_turn(&stage->solo);
    }
    assert_int_equal(statements, ATTEST_BURST);
    assert_int_equal(acks, 50);
}

/* What share passes on. */
static void statements_of_share_are_said_and_their_note_may_be_used_again(void **state) {
    struct solo_peer *stage = live(state);
    Weft__Attested *attested = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(ATTESTED), &attested);
    attested->statements = arena_zero(&mail->arena, 2 * sizeof *attested->statements);
    assert_non_null(attested->statements);
    attested->n_statements = 2;
    assert_true(mail_bytes(mail, &attested->statements[0], "one", 3));
    assert_true(mail_bytes(mail, &attested->statements[1], "two!", 4));
    stage->granted_shared_notes = 0;
    solo_tell(&stage->solo, ACTOR_SHARE, mail);
    solo_turn(&stage->solo);
    const Weft__Wire__Wire *wire = solo_peer_heard_kind(stage, WIRE(ATTEST));
    assert_non_null(wire);
    assert_int_equal(wire->attest->n_statements, 2);
    assert_int_equal(wire->attest->statements[1].len, 4);
    assert_memory_equal(wire->attest->statements[1].data, "two!", 4);
    assert_null(solo_peer_to_share(stage, MAIL(LEFT)));
    assert_int_equal(stage->granted_shared_notes, 1);
}

/* ---- to the remote --------------------------------------------------------------------------- */

static void records_are_said_on_their_lane_by_how_the_receiver_stands(void **state) {
    struct solo_peer *stage = live(state);
    static const Weft__Wire__Wire__BodyCase kinds[] = {WIRE(SHARED_CHANGE_RESPONSE),
                                                       WIRE(SHARED_CHANGE)};
    for (unsigned i = 0; i < 2; i++) {
        solo_peer_shipment(stage, 300, i == 0);
        const struct said said = solo_peer_heard(stage);
        assert_true(said.some);
        assert_int_equal(said.lane, LANE_SHARED);
        assert_int_equal(said.wire->body_case, kinds[i]);
        assert_int_equal(said.wire->shared_change->n_records, 1);
        assert_int_equal(said.wire->shared_change->records[0].len, 300);
        assert_int_equal(said.wire->shared_change->has_more, i == 0);
    }
}

static void what_share_asks_and_holds_is_said(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_shared_heads(stage, true, 3);
    const Weft__Wire__Wire *wire = solo_peer_heard_kind(stage, WIRE(SHARED_CHANGE_REQUEST));
    assert_non_null(wire);
    assert_int_equal(wire->shared_change_request->n_heads, 3);
    solo_peer_shared_heads(stage, false, 2);
    wire = solo_peer_heard_kind(stage, WIRE(ACK_SHARED_CHANGES));
    assert_non_null(wire);
    assert_int_equal(wire->ack_shared_changes->n_heads, 2);
    assert_int_equal(wire->ack_shared_changes->heads[1]->incarnation, 2);
    stage->granted_shared_notes = 0;
    assert_null(solo_peer_to_share(stage, MAIL(LEFT)));
    assert_int_equal(stage->granted_shared_notes, 2); /* What was used may be used again. */
}

static void no_shipment_is_sent_beyond_the_remote_s_window(void **state) {
    struct solo_peer *stage = live(state);
    const uint32_t size = LIMIT_SHARED_WINDOW / 4;
    for (uint32_t i = 0; i < 3; i++) {
        solo_peer_shipment(stage, size, true);
        assert_int_equal(shipments_heard(stage), 1);
    }
    solo_peer_shipment(stage, size, true); /* With its envelope it does not fit any more. */
    assert_int_equal(shipments_heard(stage), 0);
    stage->granted_shipments = 0;
    assert_null(solo_peer_to_share(stage, MAIL(LEFT)));
    assert_int_equal(stage->granted_shipments, 3); /* Not for the one that waits. */
    solo_peer_say_credit(stage, 0);                /* Of rows: another window. */
    assert_int_equal(shipments_heard(stage), 0);
    solo_peer_say_shared_credit(stage, size);
    assert_int_equal(shipments_heard(stage), 1);
}

static void a_backfill_that_waits_for_its_window_does_not_hold_records_up(void **state) {
    struct solo_peer *stage = live(state);
    for (uint32_t i = 0; i <= LIMIT_WINDOW / LIMIT_MESSAGE_WIRE; i++)
        solo_peer_batch(stage, LIMIT_MESSAGE_WIRE, 1, false);
    (void)solo_peer_batches_heard(stage);
    solo_peer_shipment(stage, 300, false);
    assert_int_equal(shipments_heard(stage), 1);
}

static void records_go_before_a_backfill_that_is_queued(void **state) {
    struct solo_peer *stage = live(state);
    stage->link.write_room = 0;
    solo_peer_batch(stage, 400u << 10, 1, false);
    solo_peer_shipment(stage, 300, false);
    solo_peer_drain(stage);
    assert_int_equal(solo_peer_heard(stage).lane, LANE_SHARED);
    assert_int_equal(solo_peer_heard(stage).lane, LANE_BACKFILL);
}

static void credit_for_more_records_than_were_sent_ends_the_session(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_shipment(stage, 300, false);
    struct said said = solo_peer_heard(stage);
    assert_true(said.some);
    solo_peer_say_shared_credit(stage, said.size);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_say_shared_credit(stage, 1);
    solo_peer_expect_end(stage, WEFT_PROTOCOL);
}

static void shipments_that_wait_end_with_their_session(void **state) {
    struct solo_peer *stage = live(state);
    for (uint32_t i = 0; i < 5; i++)
        solo_peer_shipment(stage, LIMIT_SHARED_WINDOW / 4, true);
    solo_peer_break(stage, WEFT_NET);
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_live(stage, false);
    assert_int_equal(shipments_heard(stage), 0);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Time passes in a session that is used. */
static void live_on(struct solo_peer *stage, uint64_t us) {
    for (const uint64_t step = LIMIT_DEAD_US / 2; us > step; us -= step) {
        solo_peer_wait(stage, step);
        solo_peer_say_heartbeat(stage, 0);
        (void)solo_peer_heard_kind(stage, WIRE(CREDIT));
        assert_int_equal(stage->link.closes, 0);
        solo_peer_new_link(stage); /* Both ends have read all there was. */
    }
    solo_peer_wait(stage, us);
}

static void a_key_is_used_for_fifteen_minutes(void **state) {
    struct solo_peer *stage = live(state);
    uint8_t key[NOISE_KEY_SIZE];
    memcpy(key, stage->remote->receive.cipher.key, sizeof key);
    for (unsigned i = 0; i < 3; i++) {
        live_on(stage, LIMIT_REKEY_US - 1);
        (void)solo_peer_heard_kind(stage, WIRE(CREDIT));
        assert_memory_equal(stage->remote->receive.cipher.key, key, sizeof key);
        solo_peer_wait(stage, 1);
        (void)solo_peer_heard_kind(stage, WIRE(CREDIT));
        assert_memory_not_equal(stage->remote->receive.cipher.key, key, sizeof key);
        memcpy(key, stage->remote->receive.cipher.key, sizeof key);
        solo_peer_say_heartbeat(stage, 1);
        assert_non_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    }
}

static void the_remote_s_key_may_change_whenever_it_likes(void **state) {
    struct solo_peer *stage = live(state);
    for (unsigned i = 0; i < 5; i++) {
        session_rekey(stage->remote);
        solo_peer_say_records(stage, 1, 100);
        assert_int_equal(records_taken(stage), 1);
        solo_peer_shared_held(stage, 1, 100, "");
    }
    assert_int_equal(stage->link.closes, 0);
}

static void who_dialled_ends_the_session_after_a_day_and_can_dial_anew(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, true);
    live_on(stage, LIMIT_SESSION_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(GOODBYE)));
    assert_int_equal(stage->link.closes, 1);
    solo_peer_cleared(stage);
    assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    solo_peer_dial(stage);
    assert_int_equal(stage->link.dials, 2);
}

static void who_was_dialled_leaves_that_to_the_other(void **state) {
    struct solo_peer *stage = live(state);
    live_on(stage, LIMIT_SESSION_US + 60 * (uint64_t)SECOND);
    assert_int_equal(stage->link.closes, 0);
}

static void a_record_that_has_begun_has_five_seconds_and_one_for_each_kib(void **state) {
    struct solo_peer *stage = *state;
    static const uint32_t sizes[] = {20, 10 * 1024, 16384};
    for (unsigned i = 0; i < 3; i++) {
        stage->link.closes = 0;
        solo_peer_live(stage, false);
        const uint64_t given = 5 * (uint64_t)SECOND + (sizes[i] + 2) * (uint64_t)SECOND / 1024;
        const uint8_t begun[3] = {(uint8_t)sizes[i], (uint8_t)(sizes[i] >> 8), 0};
        solo_peer_say_raw(stage, begun, 2);
        for (unsigned second = 0; second < given / SECOND; second++) {
            solo_peer_wait(stage, SECOND);
            if (i != 0) solo_peer_say_raw(stage, begun + 2, 1); /* It trickles. */
        }
        assert_int_equal(stage->link.closes, 0);
        solo_peer_wait(stage, SECOND);
        assert_int_equal(stage->link.closes, 1);
        solo_peer_cleared(stage);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEER_TEST(records_reach_share_as_they_came),
        PEER_TEST(no_more_records_are_read_than_may_be_inside),
        PEER_TEST(what_the_remote_asks_for_and_holds_reaches_share_and_the_log),
        PEER_TEST(an_empty_request_asks_for_everything),
        PEER_TEST(a_head_that_cannot_be_ends_the_session),
        PEER_TEST(a_fault_that_share_found_is_told_to_the_remote),
        PEER_TEST(statements_reach_the_log_as_they_came),
        PEER_TEST(more_statements_than_there_may_be_devices_end_the_session),
        PEER_TEST(of_a_flood_of_statements_some_and_then_two_a_second_are_read),
        PEER_TEST(a_new_session_saves_up_no_faster),
        PEER_TEST(statements_among_acknowledgements_are_all_passed_on),
        PEER_TEST(statements_of_share_are_said_and_their_note_may_be_used_again),
        PEER_TEST(records_are_said_on_their_lane_by_how_the_receiver_stands),
        PEER_TEST(what_share_asks_and_holds_is_said),
        PEER_TEST(no_shipment_is_sent_beyond_the_remote_s_window),
        PEER_TEST(a_backfill_that_waits_for_its_window_does_not_hold_records_up),
        PEER_TEST(records_go_before_a_backfill_that_is_queued),
        PEER_TEST(credit_for_more_records_than_were_sent_ends_the_session),
        PEER_TEST(shipments_that_wait_end_with_their_session),
        PEER_TEST(a_key_is_used_for_fifteen_minutes),
        PEER_TEST(the_remote_s_key_may_change_whenever_it_likes),
        PEER_TEST(who_dialled_ends_the_session_after_a_day_and_can_dial_anew),
        PEER_TEST(who_was_dialled_leaves_that_to_the_other),
        PEER_TEST(a_record_that_has_begun_has_five_seconds_and_one_for_each_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
