/* What a handshake leads to: HELLO, which proves that the holder of an identity is here now, and
 * the code that two people compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/wire/sign.h"
#include "tests/lib/meeting.h"

static const struct bytes none = {NULL, 0};

static void hello_of(const struct meeting *meeting, enum meeting_side side, uint8_t out[64]) {
    handshake_hello(&meeting->identities[side], side == INITIATOR, meeting->keys[side].channel,
                    meeting->sides[side].remote.public.id_pk, out);
}

/* As the other side checks it. */
static bool holds(const struct meeting *meeting, enum meeting_side from, const uint8_t hello[64]) {
    const enum meeting_side to = from == INITIATOR ? RESPONDER : INITIATOR;
    return handshake_hello_holds(hello, from == INITIATOR, meeting->keys[to].channel,
                                 meeting->sides[to].remote.public.id_pk,
                                 meeting->identities[to].public.id_pk);
}

static void hello_of_each_side_holds_for_the_other(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    for (enum meeting_side side = INITIATOR; side <= RESPONDER; side++) {
        uint8_t hello[64];
        hello_of(&meeting, side, hello);
        assert_true(holds(&meeting, side, hello));
        for (unsigned bit = 0; bit < 8 * sizeof hello; bit++) {
            hello[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(holds(&meeting, side, hello));
            hello[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void hello_of_one_role_does_not_hold_for_the_other(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t hello[64];
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    const uint8_t *channel = meeting.keys[INITIATOR].channel;
    const uint8_t *initiator = meeting.identities[INITIATOR].public.id_pk;
    const uint8_t *responder = meeting.identities[RESPONDER].public.id_pk;
    /* Sent back to who said it. */
    hello_of(&meeting, INITIATOR, hello);
    assert_false(holds(&meeting, RESPONDER, hello));
    /* Said by the right device in the other's role. */
    assert_false(handshake_hello_holds(hello, false, channel, initiator, responder));
    handshake_hello(&meeting.identities[INITIATOR], false, channel, responder, hello);
    assert_false(holds(&meeting, INITIATOR, hello));
    /* Said to somebody else. */
    handshake_hello(&meeting.identities[INITIATOR], true, channel, initiator, hello);
    assert_false(holds(&meeting, INITIATOR, hello));
    /* Said by somebody else. */
    handshake_hello(&meeting.identities[RESPONDER], true, channel, responder, hello);
    assert_false(holds(&meeting, INITIATOR, hello));
}

static void hello_holds_for_its_own_channel_alone(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t hello[64];
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    hello_of(&meeting, INITIATOR, hello);
    for (unsigned i = 0; i < 64; i++) {
        meeting.keys[RESPONDER].channel[i] ^= 1;
        assert_false(holds(&meeting, INITIATOR, hello));
        meeting.keys[RESPONDER].channel[i] ^= 1;
    }
    assert_true(holds(&meeting, INITIATOR, hello));
    meeting.ephemerals[INITIATOR][3] ^= 1;
    meeting_meet(&meeting);
    assert_false(holds(&meeting, INITIATOR, hello));
}

/* No other signature of the identity passes for a HELLO: each has its context. */
static void hello_is_nothing_that_was_signed_as_something_else(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t signature[64];
    const uint8_t role = 0;
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    const struct bytes parts[] = {{&role, 1},
                                  {meeting.keys[INITIATOR].channel, 64},
                                  {meeting.identities[INITIATOR].public.id_pk, 32},
                                  {meeting.identities[RESPONDER].public.id_pk, 32}};
    sign_make("weft/head", parts, 4, meeting.identities[INITIATOR].id_sk, signature);
    assert_false(holds(&meeting, INITIATOR, signature));
    sign_make("weft/hello", parts, 4, meeting.identities[INITIATOR].id_sk, signature);
    assert_true(holds(&meeting, INITIATOR, signature));
    assert_false(holds(&meeting, INITIATOR, meeting.identities[INITIATOR].cert));
}

/* Who replays M1 gets an answer, and can do nothing with it: neither seal a record, nor show a
 * HELLO, for the ones it heard were of another channel. */
static void hello_cannot_be_made_by_who_replays_the_first_message(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t heard[64], record[64 + NOISE_TAG_SIZE], opened[64], m1[HANDSHAKE_M1], m2[HANDSHAKE_M2];
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    hello_of(&meeting, INITIATOR, heard);
    struct noise_cipher sender = meeting.keys[INITIATOR].send;
    assert_int_equal(noise_cipher_seal(&sender, none, (struct bytes){heard, 64}, record, NULL),
                     WEFT_OK);
    memcpy(m1, meeting.m1, sizeof m1);
    memcpy(m2, meeting.m2, sizeof m2);

    meeting.ephemerals[RESPONDER][0] ^= 8; /* the responder draws a fresh one; M1 is the old one */
    assert_true(meeting_screened(&meeting, m1));
    assert_int_equal(meeting_read(&meeting, NULL), WEFT_OK);
    meeting_answer(&meeting);
    assert_memory_not_equal(meeting.m2, m2, sizeof m2);
    handshake_split(&meeting.sides[RESPONDER], &meeting.keys[RESPONDER]);
    assert_memory_not_equal(meeting.keys[RESPONDER].channel, meeting.keys[INITIATOR].channel, 64);
    assert_memory_not_equal(meeting.keys[RESPONDER].receive.key, sender.key, NOISE_KEY_SIZE);

    const struct bytes replayed = {record, sizeof record};
    assert_int_equal(
        noise_cipher_open(&meeting.keys[RESPONDER].receive, none, replayed, opened, NULL),
        WEFT_PROTOCOL);
    assert_false(holds(&meeting, INITIATOR, heard));
}

static void code_is_the_same_on_both_sides_and_has_six_digits(void **state) {
    (void)state;
    struct meeting meeting;
    uint32_t lowest = UINT32_MAX, highest = 0;
    uint8_t channel[64] = {0};
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    const uint32_t code = handshake_code(meeting.keys[INITIATOR].channel);
    assert_int_equal(handshake_code(meeting.keys[RESPONDER].channel), code);
    meeting.ephemerals[RESPONDER][0] ^= 8;
    meeting_meet(&meeting);
    assert_int_not_equal(handshake_code(meeting.keys[INITIATOR].channel), code);
    for (unsigned i = 0; i < 20000; i++) {
        store_u32(channel, i);
        const uint32_t drawn = handshake_code(channel);
        assert_true(drawn <= 999999);
        if (drawn < lowest) lowest = drawn;
        if (drawn > highest) highest = drawn;
    }
    /* Missing 1,000 codes at an end by chance has probability 2e-9; the channels are fixed. */
    assert_true(lowest < 1000 && highest > 999000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_of_each_side_holds_for_the_other),
        cmocka_unit_test(hello_of_one_role_does_not_hold_for_the_other),
        cmocka_unit_test(hello_holds_for_its_own_channel_alone),
        cmocka_unit_test(hello_is_nothing_that_was_signed_as_something_else),
        cmocka_unit_test(hello_cannot_be_made_by_who_replays_the_first_message),
        cmocka_unit_test(code_is_the_same_on_both_sides_and_has_six_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
