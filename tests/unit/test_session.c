/* The sealed session: the handshake both ways, then messages, whatever the cuts. What may be done
 * to its records: test_session_records.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "engine/wire/session_private.h"
#include "tests/lib/sealed.h"
#include "tests/sim/rng.h"

static const struct frame_owner nobody = {NULL};

static int open_sealed(void **state) {
    static struct sealed sealed;
    sealed_open(&sealed);
    *state = &sealed;
    return 0;
}

static int close_sealed(void **state) {
    sealed_close(*state);
    return 0;
}

static void push(struct session *session, enum frame_lane lane, const void *data, size_t size) {
    const struct bytes message = {data, size};
    assert_int_equal(session_push(session, lane, message, 0, nobody, NULL), WEFT_OK);
}

static bool next(struct session *session, struct frame_message *out) {
    bool got;
    struct weft_error why = {0};
    if (session_next(session, out, &got, &why) != WEFT_OK) fail_msg("%s", why.text);
    return got;
}

static bool hears_nothing(struct session *session) {
    struct frame_message message;
    return !next(session, &message);
}

static void refuses(struct session *session, enum weft_status status, const char *text) {
    struct frame_message message;
    struct weft_error why = {0};
    bool got = true;
    assert_int_equal(session_next(session, &message, &got, &why), status);
    assert_false(got);
    assert_int_equal(why.status, status);
    if (strstr(why.text, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", why.text, text);
    /* It stays so, and nothing more is said. */
    assert_int_equal(session_next(session, &message, &got, &why), WEFT_PROTOCOL);
    assert_false(got);
    assert_false(session_stands(session));
    push(session, LANE_CONTROL, "goodbye", 7);
    assert_int_equal(session_to_send(session).size, 0);
}

/* ---- the handshake --------------------------------------------------------------------------- */

static void session_that_dials_says_the_first_message_and_waits(void **state) {
    (void)state;
    struct sealed sealed;
    sealed_dial(&sealed);
    struct session *session = sealed.ends[INITIATOR];
    push(session, LANE_CONTROL, "hello", 5);
    meeting_dial(&sealed.meeting);
    assert_int_equal(session_to_send(session).size, HANDSHAKE_M1);
    assert_memory_equal(session_to_send(session).data, sealed.meeting.m1, HANDSHAKE_M1);
    session_sent(session, 100); /* The rest stays until the link took it. */
    assert_int_equal(session_to_send(session).size, HANDSHAKE_M1 - 100);
    assert_memory_equal(session_to_send(session).data, sealed.meeting.m1 + 100, HANDSHAKE_M1 - 100);
    session_sent(session, HANDSHAKE_M1 - 100);
    assert_int_equal(session_to_send(session).size, 0);
    assert_false(session_stands(session));
    assert_true(hears_nothing(session));
    sealed_close(&sealed);
}

static void session_that_was_dialled_answers_and_stands(void **state) {
    (void)state;
    struct sealed sealed;
    sealed_answer(&sealed);
    struct session *session = sealed.ends[RESPONDER];
    assert_true(session_stands(session));
    assert_int_equal(session_to_send(session).size, HANDSHAKE_M2);
    meeting_dial(&sealed.meeting);
    assert_int_equal(meeting_read(&sealed.meeting, NULL), WEFT_OK);
    meeting_answer(&sealed.meeting);
    assert_memory_equal(session_to_send(session).data, sealed.meeting.m2, HANDSHAKE_M2);
    sealed_close(&sealed);
}

static void session_is_the_same_one_at_both_ends(void **state) {
    const struct sealed *sealed = *state;
    const uint8_t *channel = session_channel(sealed->ends[0]);
    assert_memory_equal(channel, session_channel(sealed->ends[1]), 64);
    assert_false(sodium_is_zero(channel, 64));
    for (unsigned i = 0; i < 2; i++) {
        const struct handshake_remote *remote = session_remote(sealed->ends[i]);
        const struct identity *other = &sealed->meeting.identities[1 - i];
        assert_int_equal(session_mode(sealed->ends[i]), HANDSHAKE_MEMBER);
        assert_memory_equal(remote->device.bytes, other->device.bytes, WEFT_ID_SIZE);
        assert_memory_equal(&remote->public, &other->public, sizeof remote->public);
        assert_memory_equal(remote->cert, other->cert, IDENTITY_CERT);
        assert_int_equal(remote->incarnation, other->incarnation);
        assert_int_equal(remote->version, 3);
    }
}

static void session_of_an_invite_says_so_at_both_ends(void **state) {
    (void)state;
    struct meeting meeting;
    struct session *dialled = NULL, *accepted = NULL;
    struct frame_message message;
    meeting_draw(&meeting);
    meeting.target.mode = HANDSHAKE_INVITE;
    assert_int_equal(session_dial(&meeting.selves[INITIATOR], &meeting.target,
                                  meeting.ephemerals[INITIATOR], &dialled, NULL),
                     WEFT_OK);
    memcpy(meeting.m1, session_to_send(dialled).data, HANDSHAKE_M1);
    session_sent(dialled, HANDSHAKE_M1);
    assert_int_equal(meeting_read(&meeting, NULL), WEFT_OK);
    assert_int_equal(session_accept(&meeting.selves[RESPONDER], &meeting.sides[RESPONDER],
                                    meeting.ephemerals[RESPONDER], &accepted, NULL),
                     WEFT_OK);
    assert_int_equal(sealed_carry(accepted, dialled, SIZE_MAX), HANDSHAKE_M2);
    assert_false(next(dialled, &message));
    assert_int_equal(session_mode(dialled), HANDSHAKE_INVITE);
    assert_int_equal(session_mode(accepted), HANDSHAKE_INVITE);
    session_close(dialled);
    session_close(accepted);
}

/* What the handshake knew must not outlive it: neither with the listener, nor in the session. */
static void session_keeps_no_secret_of_its_handshake(void **state) {
    struct sealed *sealed = *state;
    assert_true(sodium_is_zero((const uint8_t *)&sealed->meeting.sides[RESPONDER],
                               sizeof sealed->meeting.sides[RESPONDER]));
    for (unsigned i = 0; i < 2; i++) {
        const struct handshake *left = &sealed->ends[i]->handshake;
        assert_int_equal(left->state, HANDSHAKE_DONE);
        assert_true(sodium_is_zero((const uint8_t *)&left->noise, sizeof left->noise));
    }
}

static void session_that_cannot_answer_keeps_no_secret_either(void **state) {
    (void)state;
    struct sealed sealed;
    sealed_dial(&sealed);
    struct session *session = sealed.ends[INITIATOR];
    memcpy(sealed.meeting.m1, session_to_send(sealed.ends[INITIATOR]).data, HANDSHAKE_M1);
    assert_int_equal(meeting_read(&sealed.meeting, NULL), WEFT_OK);
    /* A static key of small order, which handshake_read() would not have let through. */
    struct handshake *read = &sealed.meeting.sides[RESPONDER];
    memset(read->noise.remote_static, 0, sizeof read->noise.remote_static);
    assert_int_equal(session_accept(&sealed.meeting.selves[RESPONDER], read,
                                    sealed.meeting.ephemerals[RESPONDER], &session, NULL),
                     WEFT_DENIED);
    assert_null(session);
    assert_true(sodium_is_zero((const uint8_t *)read, sizeof *read));
    sealed_close(&sealed);
}

static void session_takes_no_more_than_an_answer_before_it_stands(void **state) {
    (void)state;
    struct sealed sealed;
    uint8_t *place, answer[HANDSHAKE_M2] = {0};
    size_t room;
    sealed_dial(&sealed);
    struct session *session = sealed.ends[INITIATOR];
    session_sent(session, session_to_send(session).size);
    for (size_t held = 0; held < HANDSHAKE_M2; held += 7) {
        assert_int_equal(session_room(session, &place, &room), WEFT_OK);
        assert_int_equal(room, HANDSHAKE_M2 - held);
        assert_true(hears_nothing(session));
        sealed_give(session, answer, 7);
    }
    assert_int_equal(session_room(session, &place, &room), WEFT_BUSY);
    refuses(session, WEFT_DENIED, "");
    sealed_close(&sealed);
}

static void session_says_nothing_more_to_who_answers_wrongly(void **state) {
    (void)state;
    for (unsigned at = 0; at < HANDSHAKE_M2; at += 11) {
        struct sealed sealed;
        uint8_t answer[HANDSHAKE_M2];
        sealed_answer(&sealed);
        memcpy(answer, session_to_send(sealed.ends[RESPONDER]).data, sizeof answer);
        answer[at] ^= 0x20;
        sealed_give(sealed.ends[INITIATOR], answer, sizeof answer);
        refuses(sealed.ends[INITIATOR], WEFT_DENIED, "");
        sealed_close(&sealed);
    }
}

static void session_refuses_to_dial_a_key_that_hides_nothing(void **state) {
    (void)state;
    struct meeting meeting;
    struct session *session = NULL;
    meeting_draw(&meeting);
    memset(meeting.target.device.x_pk, 0, IDENTITY_KEY);
    assert_int_equal(session_dial(&meeting.selves[INITIATOR], &meeting.target,
                                  meeting.ephemerals[INITIATOR], &session, NULL),
                     WEFT_DENIED);
    assert_null(session);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void session_seals_what_it_sends(void **state) {
    struct sealed *sealed = *state;
    static const char secret[] = "what only the two of them are to know";
    push(sealed->ends[INITIATOR], LANE_CONTROL, secret, sizeof secret);
    const struct bytes out = session_to_send(sealed->ends[INITIATOR]);
    const size_t frame = FRAME_HEADER + FRAME_PREFIX + sizeof secret;
    assert_int_equal(out.size, SEALED_OVERHEAD + frame);
    assert_int_equal(load_u16(out.data), frame + NOISE_TAG_SIZE);
    for (size_t i = 0; i + 8 <= out.size; i++)
        assert_memory_not_equal(out.data + i, secret, 8);
    struct frame_message message;
    sealed_carry(sealed->ends[INITIATOR], sealed->ends[RESPONDER], SIZE_MAX);
    assert_true(next(sealed->ends[RESPONDER], &message));
    assert_int_equal(message.body.size, sizeof secret);
    assert_memory_equal(message.body.data, secret, sizeof secret);
}

static void session_of_one_message_said_twice_says_two_things(void **state) {
    struct sealed *sealed = *state;
    uint8_t first[200];
    struct session *session = sealed->ends[INITIATOR];
    push(session, LANE_CONTROL, "again", 5);
    const size_t size = session_to_send(session).size;
    assert_in_range(size, 1, sizeof first);
    memcpy(first, session_to_send(session).data, size);
    session_sent(session, size);
    push(session, LANE_CONTROL, "again", 5);
    const struct bytes second = session_to_send(session);
    assert_int_equal(second.size, size);
    assert_memory_not_equal(second.data + 2, first + 2, 8);
}

static void session_sends_many_small_messages_at_once(void **state) {
    struct sealed *sealed = *state;
    struct session *session = sealed->ends[INITIATOR];
    for (unsigned i = 0; i < 100; i++)
        push(session, LANE_LIVE, "a small change", 14);
    assert_int_equal(session_queued(session), 1400);
    const size_t record = SEALED_OVERHEAD + FRAME_HEADER + FRAME_PREFIX + 14;
    assert_int_equal(session_to_send(session).size, 100 * record);
    assert_int_equal(session_queued(session), 0);
}

static void session_sends_an_urgent_message_after_what_is_cut_already(void **state) {
    struct sealed *sealed = *state;
    static const uint8_t batch[1u << 20];
    struct session *session = sealed->ends[INITIATOR];
    struct frame_message message;
    push(session, LANE_BACKFILL, batch, sizeof batch);
    const struct bytes first = session_to_send(session);
    assert_in_range(first.size, SESSION_AHEAD, SESSION_AHEAD + SESSION_RECORD_ROOM);
    assert_false(session_idle(session, LANE_BACKFILL));
    push(session, LANE_CONTROL, "ack", 3);
    assert_int_equal(sealed_carry(session, sealed->ends[RESPONDER], 10), 10);
    assert_ptr_equal(session_to_send(session).data, first.data + 10); /* Cut is cut. */
    for (size_t left = first.size - 10; left > 0;) {
        left -= sealed_carry(session, sealed->ends[RESPONDER], left);
        assert_true(hears_nothing(sealed->ends[RESPONDER]));
    }
    sealed_carry(session, sealed->ends[RESPONDER], SEALED_OVERHEAD + FRAME_HEADER + 8 + 3);
    assert_true(next(sealed->ends[RESPONDER], &message));
    assert_int_equal(message.lane, LANE_CONTROL);
    assert_memory_equal(message.body.data, "ack", 3);
    assert_true(session_idle(session, LANE_CONTROL));
    assert_false(session_idle(session, LANE_BACKFILL));
}

static void count_release(void *token) {
    ++*(unsigned *)token;
}

static void session_releases_what_it_could_not_send(void **state) {
    (void)state;
    const struct frame_owner owner = {count_release};
    const struct bytes message = {(const uint8_t *)"x", 1};
    unsigned released = 0;
    struct sealed sealed;
    sealed_dial(&sealed);
    assert_int_equal(session_push(sealed.ends[INITIATOR], LANE_LIVE, message, 0, owner, &released),
                     WEFT_OK);
    sealed_close(&sealed);
    assert_int_equal(released, 1);
    session_close(NULL);
}

static void session_asks_to_be_emptied_before_it_takes_more(void **state) {
    struct sealed *sealed = *state;
    static uint8_t data[16000];
    struct frame_message message;
    struct session *from = sealed->ends[INITIATOR], *to = sealed->ends[RESPONDER];
    size_t taken = 0, got = 0, part;
    for (unsigned i = 0; i < 20; i++)
        push(from, LANE_LIVE, data, sizeof data);
    while ((part = sealed_carry(from, to, SIZE_MAX)) > 0)
        taken += part;
    assert_in_range(taken, SEALED_ROOM, 131072); /* A whole record, but not all there is. */
    assert_true(session_to_send(from).size > 0);
    while (got < 20) {
        while (next(to, &message))
            got++;
        (void)sealed_carry(from, to, SIZE_MAX);
    }
    assert_int_equal(session_to_send(from).size, 0);
}

/* Two ends that say what comes to their minds, over a link that cuts as it likes; keys change. */
struct talk {
    struct rng rng;
    struct sealed sealed;
    size_t pushed[2][20];
    unsigned sent[2], seen[2];
};

static void talk_on(struct talk *talk, const uint8_t *data, size_t size) {
    struct rng *rng = &talk->rng;
    const unsigned side = (unsigned)rng_below(rng, 2), other = 1 - side;
    struct session *from = talk->sealed.ends[side], *to = talk->sealed.ends[other];
    struct frame_message message;
    if (talk->sent[side] < 20 && rng_chance(rng, 100)) {
        const size_t part = 1 + rng_below(rng, rng_chance(rng, 300) ? size : 200);
        talk->pushed[side][talk->sent[side]++] = part;
        push(from, LANE_LIVE, data, part);
    }
    if (rng_chance(rng, 50)) session_rekey(from);
    (void)sealed_carry(from, to, 1 + rng_below(rng, rng_chance(rng, 500) ? 3 : 70000));
    while (next(to, &message)) {
        assert_int_equal(message.body.size, talk->pushed[side][talk->seen[side]++]);
        assert_memory_equal(message.body.data, data, message.body.size);
    }
}

static void session_carries_messages_both_ways_under_random_cuts_and_keys(void **state) {
    (void)state;
    static uint8_t data[100000];
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct talk talk = {0};
        rng_seed(&talk.rng, seed, 0);
        rng_fill(&talk.rng, data, sizeof data);
        sealed_answer(&talk.sealed); /* M2 is cut as well. */
        while (!session_stands(talk.sealed.ends[INITIATOR])) {
            assert_true(sealed_carry(talk.sealed.ends[RESPONDER], talk.sealed.ends[INITIATOR],
                                     1 + rng_below(&talk.rng, 50)) > 0);
            assert_true(hears_nothing(talk.sealed.ends[INITIATOR]));
        }
        while (talk.seen[0] < 20 || talk.seen[1] < 20)
            talk_on(&talk, data, sizeof data);
        sealed_close(&talk.sealed);
    }
}

static void rest(struct session *session) {
    session_rest(session);
    session_shrink(session);
    assert_false(session_spare(session));
}

static void session_that_rests_has_no_buffers_and_goes_on(void **state) {
    struct sealed *sealed = *state;
    static const uint8_t batch[100000];
    struct session *from = sealed->ends[INITIATOR], *to = sealed->ends[RESPONDER];
    struct frame_message message;
    for (unsigned i = 0; i < 3; i++) {
        push(from, LANE_BACKFILL, batch, sizeof batch);
        while (sealed_carry(from, to, SIZE_MAX) > 0 && !next(to, &message))
            continue;
        assert_int_equal(message.body.size, sizeof batch);
        assert_non_null(to->buffer);
        assert_true(session_spare(to));
        assert_int_equal(session_to_send(from).size, 0);
        rest(from);
        rest(to);
        assert_null(from->out);
        assert_null(to->buffer);
    }
}

static void session_that_rests_keeps_what_is_not_taken_and_not_sent(void **state) {
    struct sealed *sealed = *state;
    struct session *from = sealed->ends[INITIATOR], *to = sealed->ends[RESPONDER];
    struct frame_message message;
    push(from, LANE_CONTROL, "urgent", 6);
    rest(from);
    assert_int_equal(sealed_carry(from, to, 10), 10);
    assert_true(hears_nothing(to));
    rest(from);
    rest(to);
    assert_true(sealed_carry(from, to, SIZE_MAX) > 0);
    assert_true(next(to, &message));
    assert_memory_equal(message.body.data, "urgent", 6);
}

#define SEALED_TEST(name) cmocka_unit_test_setup_teardown(name, open_sealed, close_sealed)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_that_dials_says_the_first_message_and_waits),
        cmocka_unit_test(session_that_was_dialled_answers_and_stands),
        SEALED_TEST(session_is_the_same_one_at_both_ends),
        cmocka_unit_test(session_of_an_invite_says_so_at_both_ends),
        SEALED_TEST(session_keeps_no_secret_of_its_handshake),
        cmocka_unit_test(session_that_cannot_answer_keeps_no_secret_either),
        cmocka_unit_test(session_takes_no_more_than_an_answer_before_it_stands),
        cmocka_unit_test(session_says_nothing_more_to_who_answers_wrongly),
        cmocka_unit_test(session_refuses_to_dial_a_key_that_hides_nothing),
        SEALED_TEST(session_seals_what_it_sends),
        SEALED_TEST(session_of_one_message_said_twice_says_two_things),
        SEALED_TEST(session_sends_many_small_messages_at_once),
        SEALED_TEST(session_sends_an_urgent_message_after_what_is_cut_already),
        cmocka_unit_test(session_releases_what_it_could_not_send),
        SEALED_TEST(session_asks_to_be_emptied_before_it_takes_more),
        SEALED_TEST(session_that_rests_has_no_buffers_and_goes_on),
        SEALED_TEST(session_that_rests_keeps_what_is_not_taken_and_not_sent),
        cmocka_unit_test(session_carries_messages_both_ways_under_random_cuts_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
