/* The clear session: the greeting both ways, then messages; a stranger is recognised by its first
 * bytes and gets none in return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/wire/session.h"
#include "tests/sim/rng.h"

#define GREETING_SIZE 8u

static const struct frame_owner nobody = {NULL};

static void push(struct session *session, enum frame_lane lane, const void *data, size_t size) {
    const struct bytes message = {data, size};
    assert_int_equal(session_push(session, lane, message, 0, nobody, NULL), WEFT_OK);
}

static void give(struct session *session, const void *data, size_t size) {
    const uint8_t *from = data;
    while (size > 0) {
        uint8_t *place;
        size_t room;
        assert_int_equal(session_room(session, &place, &room), WEFT_OK);
        assert_true(room > 0);
        const size_t part = size < room ? size : room;
        memcpy(place, from, part);
        session_received(session, part);
        from += part;
        size -= part;
        /* A link reads on only when the session has looked at what it has. */
        struct frame_message message;
        struct weft_error why;
        bool got = false;
        if (size == 0) return;
        assert_int_equal(session_next(session, &message, &got, &why), WEFT_OK);
        assert_false(got);
    }
}

static bool next(struct session *session, struct frame_message *out) {
    bool got;
    struct weft_error why = {0};
    assert_int_equal(session_next(session, out, &got, &why), WEFT_OK);
    return got;
}

/* Carries up to `most` bytes from one session to the other; returns how many. */
static size_t carry(struct session *from, struct session *to, size_t most) {
    const struct bytes waiting = session_to_send(from);
    uint8_t *place;
    size_t room;
    assert_int_equal(session_room(to, &place, &room), WEFT_OK);
    size_t part = waiting.size < room ? waiting.size : room;
    if (part > most) part = most;
    if (part == 0) return 0;
    memcpy(place, waiting.data, part);
    session_received(to, part);
    session_sent(from, part);
    return part;
}

static void session_is_not_sealed_and_says_so(void **state) {
    (void)state;
    assert_false(session_is_sealed());
}

static void session_greets_with_the_bytes_of_the_document(void **state) {
    (void)state;
    struct session *session = session_open(true);
    const struct bytes first = session_to_send(session);
    assert_int_equal(first.size, GREETING_SIZE);
    assert_memory_equal(first.data, "WFT1\x01\x00\x00\x00", GREETING_SIZE);
    /* Bytes stay until the link took them. */
    session_sent(session, 3);
    const struct bytes rest = session_to_send(session);
    assert_int_equal(rest.size, GREETING_SIZE - 3);
    assert_memory_equal(rest.data, "1\x01\x00\x00\x00", GREETING_SIZE - 3);
    session_sent(session, rest.size);
    assert_int_equal(session_to_send(session).size, 0);
    session_close(session);
}

static void session_that_was_dialled_is_silent_until_greeted(void **state) {
    (void)state;
    struct session *session = session_open(false);
    struct frame_message message;
    push(session, LANE_CONTROL, "hello", 5);
    assert_int_equal(session_to_send(session).size, 0);
    for (unsigned i = 0; i < GREETING_SIZE; i++) {
        assert_false(next(session, &message));
        assert_int_equal(session_to_send(session).size, 0);
        give(session, &"WFT1\x01\x00\x00\x00"[i], 1);
    }
    assert_false(next(session, &message));
    const struct bytes out = session_to_send(session);
    assert_true(out.size > GREETING_SIZE);
    assert_memory_equal(out.data, "WFT1", 4);
    assert_int_equal(session_queued(session), 0);
    session_close(session);
}

/* ---- strangers ------------------------------------------------------------------------------- */

static void meets(const void *bytes, size_t size, bool initiator, const char *text) {
    struct session *session = session_open(initiator);
    struct frame_message message;
    struct weft_error why = {0};
    bool got;
    give(session, bytes, size);
    assert_int_equal(session_next(session, &message, &got, &why), WEFT_PROTOCOL);
    assert_false(got);
    assert_int_equal(why.status, WEFT_PROTOCOL);
    if (strstr(why.text, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", why.text, text);
    assert_int_equal(session_next(session, &message, &got, &why), WEFT_PROTOCOL);
    assert_int_equal(session_to_send(session).size, 0);
    session_close(session);
}

static void session_shows_what_a_stranger_said(void **state) {
    (void)state;
    meets("GET / HT", 8, false, "\"GET / HT\"");
    meets("GET / HT", 8, true, "\"GET / HT\"");
    meets("G", 1, false, "\"G\"");
    meets("SSH-2.0-", 8, true, "\"SSH-2.0-\"");
    meets("\x16\x03\x01\x02\x00\x01\x00\\", 8, false,
          "\"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x5c\"");
    meets("WFT2\x01\x00\x00\x00", 8, false, "\"WFT2\\x01\\x00\\x00\\x00\"");
    meets("WFT1\x01\x01\x00\x00", 8, false, "WFT1");
    meets("WFT1\x01\x00\x00\x07", 8, false, "\\x07");
}

static void session_names_both_versions_when_they_differ(void **state) {
    (void)state;
    meets("WFT1\x02\x00\x00\x00", 8, true, "version 2");
    meets("WFT1\x02\x00\x00\x00", 8, false, "version 1");
}

static void session_keeps_no_more_than_a_greeting_of_a_stranger(void **state) {
    (void)state;
    struct session *session = session_open(false);
    uint8_t *place;
    size_t room;
    assert_int_equal(session_room(session, &place, &room), WEFT_OK);
    assert_int_equal(room, GREETING_SIZE);
    memcpy(place, "GET", 3);
    session_received(session, 3);
    assert_int_equal(session_room(session, &place, &room), WEFT_OK);
    assert_int_equal(room, GREETING_SIZE - 3);
    session_close(session);
}

static void session_can_say_why_it_ends_after_a_frame_that_is_none(void **state) {
    (void)state;
    struct session *session = session_open(false);
    struct frame_message message;
    struct weft_error why = {0};
    bool got;
    give(session, "WFT1\x01\x00\x00\x00", 8);
    assert_false(next(session, &message));
    give(session, "\x20\x00\x09\x00\x00\x00", 6);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(session_next(session, &message, &got, &why), WEFT_PROTOCOL);
    push(session, LANE_CONTROL, "an error", 8);
    const struct bytes out = session_to_send(session);
    assert_int_equal(out.size, GREETING_SIZE + 14 + 8);
    assert_memory_equal(out.data + GREETING_SIZE + 14, "an error", 8);
    session_close(session);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void session_sends_many_small_messages_at_once(void **state) {
    (void)state;
    struct session *session = session_open(true);
    for (unsigned i = 0; i < 100; i++)
        push(session, LANE_LIVE, "a small change", 14);
    assert_int_equal(session_to_send(session).size, GREETING_SIZE + 100 * (14 + 14));
    assert_int_equal(session_queued(session), 0);
    session_close(session);
}

static void session_sends_an_urgent_message_after_what_is_cut_already(void **state) {
    (void)state;
    static const uint8_t batch[1u << 20];
    struct session *session = session_open(true);
    push(session, LANE_BACKFILL, batch, sizeof batch);
    const struct bytes first = session_to_send(session);
    assert_in_range(first.size, LIMIT_FRAME_BODY, 128 * 1024);
    push(session, LANE_CONTROL, "ack", 3);
    session_sent(session, 10);
    assert_ptr_equal(session_to_send(session).data, first.data + 10);
    session_sent(session, first.size - 10);
    const struct bytes second = session_to_send(session);
    assert_int_equal(second.data[4], LANE_CONTROL);
    assert_memory_equal(second.data + 14, "ack", 3);
    assert_int_equal(second.data[17 + 4], LANE_BACKFILL);
    session_close(session);
}

static void count_release(void *token) {
    ++*(unsigned *)token;
}

static void session_releases_what_it_could_not_send(void **state) {
    (void)state;
    const struct frame_owner owner = {count_release};
    const struct bytes message = {(const uint8_t *)"x", 1};
    unsigned released = 0;
    struct session *session = session_open(false);
    assert_int_equal(session_push(session, LANE_LIVE, message, 0, owner, &released), WEFT_OK);
    session_close(session);
    assert_int_equal(released, 1);
    session_close(NULL);
}

static void session_carries_messages_both_ways_under_random_cuts(void **state) {
    (void)state;
    static uint8_t data[100000];
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rng rng;
        struct session *ends[2] = {session_open(true), session_open(false)};
        size_t pushed[2][20];
        unsigned sent[2] = {0}, seen[2] = {0};
        rng_seed(&rng, seed, 0);
        rng_fill(&rng, data, sizeof data);
        while (seen[0] < 20 || seen[1] < 20) {
            const unsigned side = (unsigned)rng_below(&rng, 2), other = 1 - side;
            struct frame_message message;
            if (sent[side] < 20 && rng_chance(&rng, 100)) {
                const size_t size = 1 + rng_below(&rng, rng_chance(&rng, 300) ? 100000 : 200);
                pushed[side][sent[side]++] = size;
                push(ends[side], LANE_LIVE, data, size);
            }
            carry(ends[side], ends[other], 1 + rng_below(&rng, rng_chance(&rng, 500) ? 3 : 70000));
            while (next(ends[other], &message)) {
                assert_int_equal(message.body.size, pushed[side][seen[side]++]);
                assert_memory_equal(message.body.data, data, message.body.size);
            }
        }
        session_close(ends[0]);
        session_close(ends[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_is_not_sealed_and_says_so),
        cmocka_unit_test(session_greets_with_the_bytes_of_the_document),
        cmocka_unit_test(session_that_was_dialled_is_silent_until_greeted),
        cmocka_unit_test(session_shows_what_a_stranger_said),
        cmocka_unit_test(session_names_both_versions_when_they_differ),
        cmocka_unit_test(session_keeps_no_more_than_a_greeting_of_a_stranger),
        cmocka_unit_test(session_can_say_why_it_ends_after_a_frame_that_is_none),
        cmocka_unit_test(session_sends_many_small_messages_at_once),
        cmocka_unit_test(session_sends_an_urgent_message_after_what_is_cut_already),
        cmocka_unit_test(session_releases_what_it_could_not_send),
        cmocka_unit_test(session_carries_messages_both_ways_under_random_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
