/* The peer actor alone while a session stands: what a remote may say and what ends the session, how
 * silence is borne, and what the windows of both sides hold back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/crdt/vector.h"
#include "tests/lib/solo_peer.h"

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

/* ---- bytes that are wrong -------------------------------------------------------------------- */

static void a_frame_that_cannot_be_ends_the_session_without_a_word(void **state) {
    struct solo_peer *stage = *state;
    const struct {
        uint8_t type, lane;
        uint32_t wire_size;
    } frames[] = {{1, LANE_BACKFILL, LIMIT_MESSAGE_WIRE + 1},
                  {1, LANE_CONTROL, UINT32_MAX},
                  {1, LANE_COUNT, 100},
                  {3, LANE_LIVE, 100},
                  {1, LANE_LIVE, 0}};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        stage->link.closes = 0;
        solo_peer_live(stage, false);
        solo_peer_say_frame(stage, frames[i].type, frames[i].lane, frames[i].wire_size);
        solo_peer_expect_end(stage, WEFT_OK);
        solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
        solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_PROTOCOL, "frame cannot be read");
        solo_peer_cleared(stage);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

static void rows_on_the_control_lane_and_control_on_a_row_lane(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_heartbeat(stage, 0);
    solo_peer_say_bytes(stage, LANE_LIVE, 2, 0); /* bulk opens it, and finds no rows. */
    struct mail *packed = solo_peer_to_bulk(stage, MAIL(PACKED));
    assert_non_null(packed);
    mail_drop(&packed);
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__StateRows rows = WEFT__WIRE__STATE_ROWS__INIT;
    wire.body_case = WIRE(STATE_BATCH);
    wire.state_batch = &rows;
    solo_peer_say(stage, &wire);
    solo_peer_expect_end(stage, WEFT_PROTOCOL);
}

static void a_compressed_control_message_ends_the_session(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_bytes(stage, LANE_CONTROL, 20, 40);
    solo_peer_expect_end(stage, WEFT_PROTOCOL);
}

static void a_message_of_a_kind_that_is_not_known_is_skipped(void **state) {
    struct solo_peer *stage = live(state);
    static const uint8_t later[] = {0xfa, 0x7f, 0x01, 'x'}; /* Field 2047 of Wire. */
    uint8_t *data = arena_take(&stage->arena, sizeof later);
    memcpy(data, later, sizeof later);
    const struct bytes message = {data, sizeof later};
    assert_int_equal(
        session_push(stage->remote, LANE_CONTROL, message, 0, (struct frame_owner){NULL}, NULL),
        WEFT_OK);
    solo_peer_say_heartbeat(stage, 1);
    assert_int_equal(stage->link.closes, 0);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
}

static void bytes_may_come_one_by_one(void **state) {
    struct solo_peer *stage = *state;
    stage->link.read_most = 1;
    live(state);
    solo_peer_say_bytes(stage, LANE_LIVE, 300, 0);
    struct mail *packed = solo_peer_to_bulk(stage, MAIL(PACKED));
    assert_non_null(packed);
    assert_int_equal(packed->body.packed->wire_bytes, 300);
    mail_drop(&packed);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* A place of `model` of the owner `owner`, whose id has `size` bytes. */
static Weft__Wire__Place wire_place(uint8_t owner[16], size_t size, const char *model,
                                    uint64_t position) {
    Weft__Wire__Place place = WEFT__WIRE__PLACE__INIT;
    place.owner = (ProtobufCBinaryData){size, owner};
    place.model = (char *)model;
    place.position = position;
    return place;
}

/* Says a StateRequest, or a StateAck, of up to two places. */
static void say_places(struct solo_peer *stage, bool ack, Weft__Wire__Place **places,
                       size_t count) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__StateRequest request = WEFT__WIRE__STATE_REQUEST__INIT;
    Weft__Wire__StateAck held = WEFT__WIRE__STATE_ACK__INIT;
    request.places = held.places = places;
    request.n_places = held.n_places = count;
    wire.body_case = ack ? WIRE(STATE_ACK) : WIRE(STATE_REQUEST);
    if (ack) {
        wire.state_ack = &held;
    } else {
        wire.state_request = &request;
    }
    solo_peer_say(stage, &wire);
}

static void a_request_reaches_bulk_without_the_models_that_are_not_here(void **state) {
    struct solo_peer *stage = live(state);
    uint8_t owner[16] = {1};
    Weft__Wire__Place photo = wire_place(owner, 16, "photo", 5);
    Weft__Wire__Place misc = wire_place(owner, 16, "misc", STREAM_WITHDRAWN);
    say_places(stage, false, (Weft__Wire__Place *[]){&photo, &misc}, 2);
    struct mail *mail = solo_peer_to_bulk(stage, MAIL(WANTED));
    assert_non_null(mail);
    assert_int_equal(mail->body.wanted->n_places, 1);
    assert_int_equal(mail->body.wanted->places[0]->model, 2);
    assert_true(mail->body.wanted->places[0]->position == STREAM_WITHDRAWN);
    mail_drop(&mail);
}

static void what_the_remote_holds_is_told_to_bulk_and_log_as_the_session_s_device(void **state) {
    struct solo_peer *stage = live(state);
    uint8_t owner[16] = {1};
    Weft__Wire__Place place = wire_place(owner, 16, "entry", 7);
    say_places(stage, true, (Weft__Wire__Place *[]){&place}, 1);
    struct mail *holds = solo_peer_to_bulk(stage, MAIL(HOLDS));
    struct mail *acked = solo_take(&stage->solo, ACTOR_LOG, MAIL(ACKED));
    assert_non_null(holds);
    assert_non_null(acked);
    assert_int_equal(holds->body.holds->places[0]->position, 7);
    assert_memory_equal(acked->body.acked->device.data,
                        stage->meeting.identities[SOLO_THEM].device.bytes, WEFT_ID_SIZE);
    assert_int_equal(acked->body.acked->places[0]->position, 7);
    mail_drop(&holds);
    mail_drop(&acked);
}

static void a_place_that_cannot_be_ends_the_session(void **state) {
    struct solo_peer *stage = *state;
    uint8_t owner[16] = {1};
    for (unsigned i = 0; i < 4; i++) {
        stage->link.closes = 0;
        solo_peer_live(stage, false);
        Weft__Wire__Place place = wire_place(owner, i % 2 == 0 ? 15 : 16, "entry", 7);
        if (i == 1) place.position = (uint64_t)INT64_MAX + 1;
        if (i == 3) place.position = STREAM_WITHDRAWN; /* No acknowledgement takes back. */
        say_places(stage, i >= 2, (Weft__Wire__Place *[]){&place}, 1);
        solo_peer_expect_end(stage, WEFT_PROTOCOL);
        solo_peer_cleared(stage);
        assert_true(solo_peer_told(stage, ACTOR_LISTENER, MAIL(VACATED)));
    }
}

/* ---- silence ------------------------------------------------------------------------------- */

static void silence_is_a_dead_connection(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_wait(stage, LIMIT_DEAD_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1);
    solo_peer_expect_end(stage, WEFT_OK);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_NET, "not been heard of");
}

static void whoever_is_heard_of_is_alive(void **state) {
    struct solo_peer *stage = live(state);
    for (unsigned i = 0; i < 4; i++) {
        solo_peer_wait(stage, LIMIT_DEAD_US - 1);
        solo_peer_say_heartbeat(stage, 0);
    }
    assert_int_equal(stage->link.closes, 0);
}

static void a_heartbeat_is_said_when_nothing_else_was(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_wait(stage, LIMIT_HEARTBEAT_US - 1);
    assert_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    solo_peer_places(stage, 1); /* Something else. */
    assert_non_null(solo_peer_heard_kind(stage, WIRE(STATE_ACK)));
    solo_peer_wait(stage, LIMIT_HEARTBEAT_US - 1);
    assert_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    solo_peer_wait(stage, 1);
    const Weft__Wire__Wire *beat = solo_peer_heard_kind(stage, WIRE(HEARTBEAT));
    assert_non_null(beat);
    assert_int_equal(beat->heartbeat->echo, 0);
    assert_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
}

static void a_heartbeat_is_answered_when_it_asks_for_it(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_heartbeat(stage, 0);
    assert_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    solo_peer_say_heartbeat(stage, 9);
    const Weft__Wire__Wire *beat = solo_peer_heard_kind(stage, WIRE(HEARTBEAT));
    assert_non_null(beat);
    assert_int_equal(beat->heartbeat->echo, 0); /* Or it would go back and forth for ever. */
}

static void who_asks_without_reading_gets_no_answers_piled_up(void **state) {
    struct solo_peer *stage = live(state);
    stage->link.write_room = 0;
    for (unsigned i = 0; i < 1000; i++)
        solo_peer_say_heartbeat(stage, 1);
    solo_peer_drain(stage);
    unsigned answers = 0;
    while (solo_peer_heard_kind(stage, WIRE(HEARTBEAT)) != NULL)
        answers++;
    assert_in_range(answers, 1, 3);
}

/* ---- the window, out ------------------------------------------------------------------------- */

static void no_batch_is_sent_beyond_the_remote_s_window(void **state) {
    struct solo_peer *stage = live(state);
    const uint32_t size = LIMIT_MESSAGE_WIRE, fit = LIMIT_WINDOW / size;
    for (uint32_t i = 0; i < fit; i++) {
        solo_peer_batch(stage, size, 1, false);
        assert_int_equal(solo_peer_batches_heard(stage), 1);
    }
    stage->link.out_size = stage->link.out_taken = 0;
    for (uint32_t i = 0; i < LIMIT_PEER_BATCHES; i++)
        solo_peer_batch(stage, size, 1, false);
    solo_peer_ready(stage);
    assert_int_equal(stage->link.out_size, 0);
    solo_peer_say_credit(stage, size - 1);
    assert_int_equal(stage->link.out_size, 0);
    solo_peer_say_credit(stage, 1);
    assert_int_equal(solo_peer_batches_heard(stage), 1);
    solo_peer_say_credit(stage, 2 * size);
    assert_int_equal(solo_peer_batches_heard(stage), 2);
}

static void only_batches_wait_for_the_window(void **state) {
    struct solo_peer *stage = live(state);
    for (uint32_t i = 0; i <= LIMIT_WINDOW / LIMIT_MESSAGE_WIRE; i++)
        solo_peer_batch(stage, LIMIT_MESSAGE_WIRE, 1, false);
    (void)solo_peer_batches_heard(stage);
    solo_peer_places(stage, 3);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(STATE_ACK)));
    solo_peer_say_heartbeat(stage, 1);
    assert_non_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
    solo_peer_say_bytes(stage, LANE_LIVE, 100, 0);
    solo_peer_held(stage, 1, 100, "");
    const Weft__Wire__Wire *credit = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(credit);
    assert_int_equal(credit->credit->bytes, 100);
    assert_int_equal(solo_peer_batches_heard(stage), 0);
}

static void credit_for_more_than_was_sent_ends_the_session(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_batch(stage, 1000, 1, true);
    solo_peer_say_credit(stage, 1000);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_say_credit(stage, 1);
    solo_peer_expect_end(stage, WEFT_PROTOCOL);
}

static void a_batch_that_was_fed_is_granted_anew_and_no_other(void **state) {
    struct solo_peer *stage = live(state);
    stage->link.write_room = 0;
    stage->granted_batches = 0;
    for (uint32_t i = 0; i < LIMIT_PEER_BATCHES; i++)
        solo_peer_batch(stage, 300u << 10, 1, false);
    assert_null(solo_peer_to_bulk(stage, MAIL(LEFT)));
    assert_int_equal(stage->granted_batches, 2); /* Below 512 KiB a batch may be queued. */
    solo_peer_drain(stage);
    assert_null(solo_peer_to_bulk(stage, MAIL(LEFT)));
    assert_int_equal(stage->granted_batches, LIMIT_PEER_BATCHES);
    assert_int_equal(solo_peer_batches_heard(stage), LIMIT_PEER_BATCHES);
}

static void what_is_queued_for_a_remote_that_does_not_read_is_bounded(void **state) {
    struct solo_peer *stage = live(state);
    uint32_t notes = 2, batches = LIMIT_PEER_BATCHES, rounds = 0;
    stage->link.write_room = 0;
    while (notes > 0 || batches > 0) {
        assert_true(rounds++ < 1000); /* It does not go on for ever. */
        for (; batches > 0; batches--)
            solo_peer_batch(stage, LIMIT_MESSAGE_WIRE, 1, false);
        for (; notes > 0; notes--)
            solo_peer_places(stage, LIMIT_PLACES);
        stage->granted_batches = stage->granted_notes = 0;
        assert_null(solo_peer_to_bulk(stage, MAIL(LEFT)));
        notes = stage->granted_notes;
        batches = stage->granted_batches;
    }
    assert_int_equal(stage->link.closes, 0);
    solo_peer_drain(stage);
    /* What a note takes may be added to the bound, and the batches that were handed over. */
    assert_in_range(stage->link.out_size, LIMIT_FRAMES_QUEUED,
                    LIMIT_FRAMES_QUEUED + (LIMIT_PEER_BATCHES + 1) * LIMIT_MESSAGE_WIRE);
    assert_null(solo_peer_to_bulk(stage, MAIL(LEFT)));
    assert_true(stage->granted_notes > 0); /* And it goes on. */
    assert_true(stage->granted_batches > 0);
}

static void an_edit_goes_before_a_backfill_but_not_of_its_own_stream(void **state) {
    struct solo_peer *stage = live(state);
    stage->link.write_room = 0;
    solo_peer_batch(stage, 400u << 10, 1, false);
    solo_peer_batch(stage, 100, 1, true);
    solo_peer_batch(stage, 200, 2, true);
    solo_peer_drain(stage);
    static const size_t order[] = {200, 400u << 10, 100};
    for (unsigned i = 0; i < 3; i++) {
        struct said said = solo_peer_heard(stage);
        assert_true(said.some);
        assert_int_equal(said.size, order[i]);
    }
}

/* ---- the window, in -------------------------------------------------------------------------- */

static uint32_t packed_taken(struct solo_peer *stage) {
    uint32_t count = 0;
    for (;;) {
        struct mail *mail = solo_peer_to_bulk(stage, MAIL(PACKED));
        if (mail == NULL) return count;
        count++;
        mail_drop(&mail);
        solo_turn(&stage->solo); /* There may have been more than the edge has room for. */
    }
}

/* The remote sends so many; returns how many of them came to bulk. */
static uint32_t packed_said(struct solo_peer *stage, enum frame_lane lane, uint32_t count) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        solo_peer_say_bytes(stage, lane, 1000, 0);
        taken += packed_taken(stage);
    }
    return taken;
}

static void no_more_batches_are_read_than_may_be_inside(void **state) {
    struct solo_peer *stage = live(state);
    assert_int_equal(packed_said(stage, LANE_BACKFILL, 2 * LIMIT_PEER_PACKED + 4),
                     LIMIT_PEER_PACKED);
    solo_peer_ready(stage);
    assert_int_equal(packed_taken(stage), 0);
    solo_peer_held(stage, 3, 3000, "");
    assert_int_equal(packed_taken(stage), 3);
    const Weft__Wire__Wire *credit = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(credit);
    assert_int_equal(credit->credit->bytes, 3000);
    solo_peer_held(stage, LIMIT_PEER_PACKED, 8000, "");
    assert_int_equal(packed_taken(stage), LIMIT_PEER_PACKED);
    credit = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(credit);
    assert_int_equal(credit->credit->bytes, 8000); /* What was told is not told again. */
    solo_peer_held(stage, LIMIT_PEER_PACKED, 8000, "");
    assert_int_equal(packed_taken(stage), 1);
}

static void who_is_not_listened_to_is_not_dead(void **state) {
    struct solo_peer *stage = live(state);
    assert_int_equal(packed_said(stage, LANE_BACKFILL, LIMIT_PEER_PACKED), LIMIT_PEER_PACKED);
    solo_peer_wait(stage, 3 * LIMIT_DEAD_US);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_held(stage, 1, 1000, "");
    solo_peer_wait(stage, LIMIT_DEAD_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1);
    assert_int_equal(stage->link.closes, 1);
}

static void a_fault_that_bulk_found_is_told_to_the_remote(void **state) {
    struct solo_peer *stage = live(state);
    solo_peer_say_bytes(stage, LANE_LIVE, 100, 0);
    solo_peer_held(stage, 1, 100, "a row without its key");
    assert_int_equal(stage->link.closes, 1);
    const Weft__Wire__Wire *error = solo_peer_heard_kind(stage, WIRE(ERROR));
    assert_non_null(error);
    assert_string_equal(error->error->text, "a row without its key");
}

static void what_waits_behind_a_queue_goes_with_it(void **state) {
    struct solo_peer *stage = live(state);
    stage->link.write_room = 0;
    for (uint32_t i = 0; i < LIMIT_PEER_BATCHES; i++)
        solo_peer_batch(stage, 300u << 10, 1, false);
    stage->link.write_room = SIZE_MAX;
    solo_peer_ready(stage);
    assert_int_equal(solo_peer_batches_heard(stage), LIMIT_PEER_BATCHES);
}

#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEER_TEST(a_frame_that_cannot_be_ends_the_session_without_a_word),
        PEER_TEST(what_waits_behind_a_queue_goes_with_it),
        PEER_TEST(rows_on_the_control_lane_and_control_on_a_row_lane),
        PEER_TEST(a_compressed_control_message_ends_the_session),
        PEER_TEST(a_message_of_a_kind_that_is_not_known_is_skipped),
        PEER_TEST(bytes_may_come_one_by_one),
        PEER_TEST(a_request_reaches_bulk_without_the_models_that_are_not_here),
        PEER_TEST(what_the_remote_holds_is_told_to_bulk_and_log_as_the_session_s_device),
        PEER_TEST(a_place_that_cannot_be_ends_the_session),
        PEER_TEST(silence_is_a_dead_connection),
        PEER_TEST(whoever_is_heard_of_is_alive),
        PEER_TEST(a_heartbeat_is_said_when_nothing_else_was),
        PEER_TEST(a_heartbeat_is_answered_when_it_asks_for_it),
        PEER_TEST(who_asks_without_reading_gets_no_answers_piled_up),
        PEER_TEST(no_batch_is_sent_beyond_the_remote_s_window),
        PEER_TEST(only_batches_wait_for_the_window),
        PEER_TEST(credit_for_more_than_was_sent_ends_the_session),
        PEER_TEST(a_batch_that_was_fed_is_granted_anew_and_no_other),
        PEER_TEST(what_is_queued_for_a_remote_that_does_not_read_is_bounded),
        PEER_TEST(an_edit_goes_before_a_backfill_but_not_of_its_own_stream),
        PEER_TEST(no_more_batches_are_read_than_may_be_inside),
        PEER_TEST(who_is_not_listened_to_is_not_dead),
        PEER_TEST(a_fault_that_bulk_found_is_told_to_the_remote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
