/* The handshake: two devices of one library meet, and nobody else gets past the stage at which it
 * should be seen. What Noise itself refuses is in test_noise.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/meeting.h"

static void flip(uint8_t *bytes, unsigned bit) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void assert_zeros(const void *data, size_t size) {
    assert_true(sodium_is_zero(data, size));
}

/* It failed, says why, and holds nothing any more. */
static void assert_gave_up(const struct handshake *handshake, enum weft_status status,
                           const struct weft_error *why, const char *text) {
    struct handshake copy = *handshake;
    assert_int_equal(copy.state, HANDSHAKE_FAILED);
    copy.state = HANDSHAKE_FRESH;
    assert_zeros(&copy, sizeof copy);
    assert_int_equal(why->status, status);
    if (strstr(why->text, text) == NULL) fail_msg("\"%s\" is not in: %s", text, why->text);
}

static void assert_read_refuses(struct meeting *meeting, enum weft_status status,
                                const char *text) {
    struct weft_error why = {0};
    assert_int_equal(meeting_read(meeting, &why), status);
    assert_gave_up(&meeting->sides[RESPONDER], status, &why, text);
}

/* The initiator's handshake stays as it was, for the next attempt. */
static void assert_finish_refuses(struct meeting *meeting, enum weft_status status,
                                  const char *text) {
    struct weft_error why = {0};
    const struct handshake dialled = meeting->sides[INITIATOR];
    assert_int_equal(meeting_finish(meeting, &why), status);
    assert_gave_up(&meeting->sides[INITIATOR], status, &why, text);
    meeting->sides[INITIATOR] = dialled;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void handshake_of_two_members_gives_one_channel_and_two_keys(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_meet(&meeting);
    const struct handshake_keys *a = &meeting.keys[INITIATOR], *b = &meeting.keys[RESPONDER];
    assert_memory_equal(a->channel, b->channel, sizeof a->channel);
    assert_memory_equal(a->send.key, b->receive.key, sizeof a->send.key);
    assert_memory_equal(a->receive.key, b->send.key, sizeof a->receive.key);
    assert_memory_not_equal(a->send.key, a->receive.key, sizeof a->send.key);
    for (unsigned i = 0; i < 2; i++) {
        const struct handshake_remote *remote = &meeting.sides[i].remote;
        const struct identity *other = &meeting.identities[1 - i];
        assert_memory_equal(&remote->public, &other->public, sizeof remote->public);
        assert_memory_equal(&remote->device, &other->device, sizeof remote->device);
        assert_memory_equal(remote->cert, other->cert, sizeof remote->cert);
        assert_int_equal(remote->incarnation, other->incarnation);
        assert_int_equal(remote->version, 3);
        assert_int_equal(remote->features, meeting.selves[1 - i].features);
        assert_int_equal(remote->hlc, meeting.selves[1 - i].hlc);
        assert_int_equal(meeting.sides[i].mode, HANDSHAKE_MEMBER);
        assert_int_equal(meeting.sides[i].state, HANDSHAKE_DONE);
    }
}

static void handshake_of_an_invite_says_so_on_both_sides(void **state) {
    (void)state;
    struct meeting meeting;
    enum handshake_mode mode = HANDSHAKE_MEMBER;
    uint8_t psk_id[LIBRARY_KEY_ID] = {0}, expected[LIBRARY_KEY_ID];
    meeting_draw(&meeting);
    meeting.target.mode = HANDSHAKE_INVITE;
    meeting_meet(&meeting);
    assert_true(handshake_screen_passes(&meeting.screen, meeting.m1, &mode, psk_id));
    assert_int_equal(mode, HANDSHAKE_INVITE);
    identity_psk_id(&meeting.library, meeting.target.psk, expected);
    assert_memory_equal(psk_id, expected, sizeof psk_id);
    assert_int_equal(meeting.sides[INITIATOR].mode, HANDSHAKE_INVITE);
    assert_int_equal(meeting.sides[RESPONDER].mode, HANDSHAKE_INVITE);

    /* An invite cannot be made to look like membership. */
    meeting_dial(&meeting);
    meeting.m1[M1_MODE_AT] = HANDSHAKE_MEMBER;
    assert_false(meeting_screened(&meeting, meeting.m1));
    meeting_repair(&meeting, meeting.m1);
    assert_true(meeting_screened(&meeting, meeting.m1));
    assert_read_refuses(&meeting, WEFT_DENIED, "does not know the keys");
}

static bool holds(const void *data, size_t size, const uint8_t secret[32]) {
    return memmem(data, size, secret, 32) != NULL;
}

static void handshake_keeps_no_secret_after_the_split(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_dial(&meeting);
    assert_true(holds(&meeting.sides[INITIATOR], sizeof meeting.sides[INITIATOR],
                      meeting.ephemerals[INITIATOR]));
    assert_true(
        holds(&meeting.sides[INITIATOR], sizeof meeting.sides[INITIATOR], meeting.target.psk));
    meeting_meet(&meeting);
    for (unsigned i = 0; i < 2; i++) {
        const struct handshake *side = &meeting.sides[i];
        assert_zeros(&side->noise, sizeof side->noise);
        assert_false(holds(side, sizeof *side, meeting.identities[i].x_sk));
        assert_false(holds(side, sizeof *side, meeting.ephemerals[i]));
        assert_false(holds(side, sizeof *side, meeting.target.psk));
        assert_false(holds(side, sizeof *side, meeting.keys[i].send.key));
        handshake_wipe(&meeting.sides[i]);
        assert_zeros(side, sizeof *side);
    }
}

/* ---- what was changed on its way ------------------------------------------------------------- */

static void screen_refuses_every_flipped_bit_of_the_first_message(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_dial(&meeting);
    for (unsigned bit = 0; bit < 8 * HANDSHAKE_M1; bit++) {
        enum handshake_mode mode = HANDSHAKE_INVITE;
        uint8_t psk_id[LIBRARY_KEY_ID] = {0};
        flip(meeting.m1, bit);
        assert_false(handshake_screen_passes(&meeting.screen, meeting.m1, &mode, psk_id));
        assert_int_equal(mode, HANDSHAKE_INVITE);
        assert_zeros(psk_id, sizeof psk_id);
        flip(meeting.m1, bit);
    }
    assert_true(meeting_screened(&meeting, meeting.m1));
}

/* The screen knows the form alone; what has the form is for the keys to refuse. */
static void handshake_refuses_every_flipped_bit_under_a_repaired_mac(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_dial(&meeting);
    for (unsigned bit = 0; bit < 8 * M1_MAC_AT; bit++) {
        const bool formed = bit == 8 * M1_MODE_AT ||
                            (bit >= 8 * M1_PSK_ID_AT && bit < 8 * HANDSHAKE_HEADER) ||
                            bit >= 8 * M1_NOISE_AT;
        flip(meeting.m1, bit);
        meeting_repair(&meeting, meeting.m1);
        assert_int_equal(meeting_screened(&meeting, meeting.m1), formed);
        assert_read_refuses(&meeting, WEFT_DENIED,
                            formed ? "does not know the keys" : "does not have the form");
        flip(meeting.m1, bit);
    }
    meeting_repair(&meeting, meeting.m1);
    assert_int_equal(meeting_read(&meeting, NULL), WEFT_OK);
}

static void handshake_refuses_every_flipped_bit_of_the_second_message(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_exchange(&meeting);
    for (unsigned bit = 0; bit < 8 * HANDSHAKE_M2; bit++) {
        flip(meeting.m2, bit);
        assert_finish_refuses(&meeting, WEFT_DENIED,
                              bit < 16 ? "does not have the form" : "does not know the keys");
        flip(meeting.m2, bit);
    }
    assert_int_equal(meeting_finish(&meeting, NULL), WEFT_OK);
}

/* A payload in which one bit is wrong, sealed by who has the keys. */
static void assert_judged(struct meeting *meeting, enum meeting_side side,
                          uint8_t payload[PAYLOAD_SIZE], unsigned bit) {
    const char *wrong = "certificate does not hold";
    const struct handshake dialled = meeting->sides[INITIATOR];
    if (side == RESPONDER && bit < 8 * IDENTITY_KEY) wrong = "not the one that was dialled";
    if (bit == 8 * PAYLOAD_VERSIONS_AT - 1) wrong = "2^63 or greater"; /* Of the incarnation. */
    if (bit >= 8 * PAYLOAD_ZERO_AT) wrong = "must be zero";
    flip(payload, bit);
    if (side == INITIATOR)
        meeting_seal_m1(meeting, payload, meeting->identities[INITIATOR].public.x_pk);
    else
        meeting_seal_m2(meeting, payload);
    flip(payload, bit);
    if (bit >= 8 * PAYLOAD_FEATURES_AT && bit < 8 * PAYLOAD_ZERO_AT) {
        assert_int_equal(side == INITIATOR ? meeting_read(meeting, NULL)
                                           : meeting_finish(meeting, NULL),
                         WEFT_OK);
        meeting->sides[INITIATOR] = dialled;
    } else if (side == INITIATOR)
        assert_read_refuses(meeting, WEFT_DENIED, wrong);
    else
        assert_finish_refuses(meeting, WEFT_DENIED, wrong);
}

static void handshake_believes_of_a_payload_only_what_is_certified(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_exchange(&meeting);
    for (enum meeting_side side = INITIATOR; side <= RESPONDER; side++) {
        uint8_t payload[PAYLOAD_SIZE], m1[HANDSHAKE_M1], m2[HANDSHAKE_M2];
        memcpy(m1, meeting.m1, sizeof m1);
        memcpy(m2, meeting.m2, sizeof m2);
        meeting_payload(&meeting.selves[side], payload);
        if (side == INITIATOR)
            meeting_seal_m1(&meeting, payload, meeting.identities[side].public.x_pk);
        else
            meeting_seal_m2(&meeting, payload);
        assert_memory_equal(meeting.m1, m1, sizeof m1);
        assert_memory_equal(meeting.m2, m2, sizeof m2);
        for (unsigned bit = 0; bit < 8 * PAYLOAD_SIZE; bit++) {
            if (bit < 8 * PAYLOAD_VERSIONS_AT || bit >= 8 * PAYLOAD_FEATURES_AT)
                assert_judged(&meeting, side, payload, bit);
        }
        memcpy(meeting.m1, m1, sizeof m1);
    }
}

/* ---- who is not who it says ------------------------------------------------------------------ */

static void handshake_refuses_another_psk(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_dial(&meeting);
    meeting.target.psk[31] ^= 1;
    assert_read_refuses(&meeting, WEFT_DENIED, "does not know the keys");
}

static void handshake_refuses_who_dialled_another_key(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    memcpy(meeting.target.device.x_pk, meeting.identities[INITIATOR].public.x_pk, IDENTITY_KEY);
    meeting_dial(&meeting);
    assert_false(meeting_screened(&meeting, meeting.m1));
    meeting_repair(&meeting, meeting.m1);
    assert_true(meeting_screened(&meeting, meeting.m1));
    assert_read_refuses(&meeting, WEFT_DENIED, "does not know the keys");
}

static void handshake_refuses_a_member_of_another_library(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    /* Certified elsewhere, by the right keys; it even knows the psk. */
    const struct id elsewhere = {{1}};
    identity_make(&meeting.identities[INITIATOR], meeting.secrets[INITIATOR], &elsewhere, 11);
    meeting_dial(&meeting);
    assert_read_refuses(&meeting, WEFT_DENIED, "certificate does not hold");
}

/* Both ways: what the initiator brings, and what the responder answers with. */
static void assert_identity_refused(const struct identity *forged, enum meeting_side side,
                                    const char *text) {
    struct meeting meeting;
    meeting_draw(&meeting);
    const struct handshake_self genuine = meeting.selves[RESPONDER];
    meeting.selves[side].identity = forged;
    meeting_dial(&meeting);
    if (side == INITIATOR) {
        assert_read_refuses(&meeting, WEFT_DENIED, text);
        return;
    }
    meeting.selves[RESPONDER] = genuine;
    assert_int_equal(meeting_read(&meeting, NULL), WEFT_OK);
    meeting.selves[RESPONDER].identity = forged;
    meeting_answer(&meeting);
    assert_finish_refuses(&meeting, WEFT_DENIED, text);
}

static void handshake_refuses_forged_certificates(void **state) {
    (void)state;
    static const char text[] = "certificate does not hold";
    struct meeting meeting;
    meeting_draw(&meeting);
    for (enum meeting_side side = INITIATOR; side <= RESPONDER; side++) {
        const struct identity genuine = meeting.identities[side];
        struct identity other, forged = genuine;
        const struct id elsewhere = {{1}};

        /* Signed by another key. */
        memcpy(meeting.secrets[1 - side] + 32, meeting.secrets[side] + 32, 32);
        identity_make(&other, meeting.secrets[1 - side], &meeting.library, genuine.incarnation);
        memcpy(forged.cert, other.cert, sizeof forged.cert);
        assert_identity_refused(&forged, side, text);
        /* For another library. */
        identity_make(&other, meeting.secrets[side], &elsewhere, genuine.incarnation);
        memcpy(forged.cert, other.cert, sizeof forged.cert);
        assert_identity_refused(&forged, side, text);
        /* For another incarnation. */
        forged = genuine;
        forged.incarnation++;
        assert_identity_refused(&forged, side, text);
        /* For another exchange key. */
        meeting_draw(&meeting);
        meeting.secrets[side][32 + 5] ^= 1;
        identity_make(&other, meeting.secrets[side], &meeting.library, genuine.incarnation);
        forged = genuine;
        memcpy(forged.cert, other.cert, sizeof forged.cert);
        assert_identity_refused(&forged, side, text);
        meeting_draw(&meeting);
    }
}

static void initiator_refuses_another_identity_than_it_dialled(void **state) {
    (void)state;
    struct meeting meeting;
    struct identity other;
    meeting_draw(&meeting);
    /* A true member, with its certificate, that shares only the exchange key. */
    meeting.secrets[RESPONDER][0] ^= 1;
    identity_make(&other, meeting.secrets[RESPONDER], &meeting.library, 12);
    assert_memory_equal(other.public.x_pk, meeting.identities[RESPONDER].public.x_pk, IDENTITY_KEY);
    assert_identity_refused(&other, RESPONDER, "not the one that was dialled");
    /* The other one of the pair: the identity dialled, under an exchange key that it never had. */
    meeting_draw(&meeting);
    memcpy(meeting.target.device.id_pk, meeting.identities[INITIATOR].public.id_pk, IDENTITY_KEY);
    meeting_exchange(&meeting);
    assert_finish_refuses(&meeting, WEFT_DENIED, "not the one that was dialled");
}

/* The points of small order, in every form that fits into 32 bytes without the highest bit. */
static const char *const small_points[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void handshake_refuses_keys_of_small_order(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof small_points / sizeof *small_points; i++) {
        struct meeting meeting;
        struct weft_error why = {0};
        uint8_t point[32], payload[PAYLOAD_SIZE];
        assert_int_equal(sodium_hex2bin(point, 32, small_points[i], 64, NULL, NULL, NULL), 0);
        meeting_draw(&meeting);
        memcpy(meeting.target.device.x_pk, point, 32);
        memset(meeting.m1, 1, sizeof meeting.m1);
        assert_int_equal(handshake_dial(&meeting.sides[INITIATOR], &meeting.selves[INITIATOR],
                                        &meeting.target, meeting.ephemerals[INITIATOR], meeting.m1,
                                        &why),
                         WEFT_DENIED);
        assert_gave_up(&meeting.sides[INITIATOR], WEFT_DENIED, &why, "hides nothing");
        assert_zeros(meeting.m1, sizeof meeting.m1);

        meeting_draw(&meeting); /* as the initiator's own key, */
        meeting_exchange(&meeting);
        meeting_payload(&meeting.selves[INITIATOR], payload);
        meeting_seal_m1(&meeting, payload, point);
        assert_read_refuses(&meeting, WEFT_DENIED, "does not know the keys");
        memcpy(meeting.m1 + M1_NOISE_AT, point, 32); /* and as both ephemeral ones. */
        meeting_repair(&meeting, meeting.m1);
        assert_read_refuses(&meeting, WEFT_DENIED, "does not know the keys");
        memcpy(meeting.m2 + 2, point, 32);
        assert_finish_refuses(&meeting, WEFT_DENIED, "does not know the keys");
    }
}

/* ---- versions -------------------------------------------------------------------------------- */

static void handshake_takes_the_highest_common_version(void **state) {
    (void)state;
    static const struct {
        uint16_t min[2], max[2];
        uint16_t version; /* 0: none */
    } cases[] = {
        {{1, 1}, {1, 1}, 1},
        {{1, 1}, {3, 5}, 3},
        {{2, 5}, {5, 9}, 5},
        {{1, 2}, {1, 2}, 0},
        {{4, 1}, {9, 3}, 0},
        {{7, 1}, {7, 65535}, 7},
        {{1, 65535}, {65535, 65535}, 65535},
        {{1, 65535}, {65534, 65535}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct meeting meeting;
        char theirs[40], ours[40];
        meeting_draw(&meeting);
        const struct handshake_self broad = meeting.selves[RESPONDER];
        for (unsigned s = 0; s < 2; s++) {
            meeting.selves[s].ver_min = cases[i].min[s];
            meeting.selves[s].ver_max = cases[i].max[s];
        }
        if (cases[i].version != 0) {
            meeting_meet(&meeting);
            assert_int_equal(meeting.sides[INITIATOR].remote.version, cases[i].version);
            assert_int_equal(meeting.sides[RESPONDER].remote.version, cases[i].version);
            continue;
        }
        snprintf(theirs, sizeof theirs, "speaks versions %u to %u", cases[i].min[INITIATOR],
                 cases[i].max[INITIATOR]);
        snprintf(ours, sizeof ours, "this one %u to %u", cases[i].min[RESPONDER],
                 cases[i].max[RESPONDER]);
        meeting_dial(&meeting);
        assert_read_refuses(&meeting, WEFT_PROTOCOL, theirs);
        assert_read_refuses(&meeting, WEFT_PROTOCOL, ours);
        /* A responder that answers all the same is refused by the initiator. */
        const struct handshake_self narrow = meeting.selves[RESPONDER];
        meeting.selves[RESPONDER] = broad;
        meeting.selves[RESPONDER].ver_min = 0;
        meeting.selves[RESPONDER].ver_max = UINT16_MAX;
        meeting.selves[INITIATOR].ver_min = 0;
        meeting_dial(&meeting);
        assert_int_equal(meeting_read(&meeting, NULL), WEFT_OK);
        meeting.selves[INITIATOR].ver_min = cases[i].min[INITIATOR];
        meeting.selves[RESPONDER] = narrow;
        meeting_answer(&meeting);
        snprintf(theirs, sizeof theirs, "speaks versions %u to %u", cases[i].min[RESPONDER],
                 cases[i].max[RESPONDER]);
        assert_finish_refuses(&meeting, WEFT_PROTOCOL, theirs);
    }
}

static void handshake_finds_no_version_in_a_range_that_is_none(void **state) {
    (void)state;
    struct meeting meeting;
    uint8_t payload[PAYLOAD_SIZE];
    meeting_draw(&meeting);
    meeting_dial(&meeting);
    meeting_payload(&meeting.selves[INITIATOR], payload);
    store_u16(payload + PAYLOAD_VERSIONS_AT, 3);
    store_u16(payload + PAYLOAD_VERSIONS_AT + 2, 2);
    meeting_seal_m1(&meeting, payload, meeting.identities[INITIATOR].public.x_pk);
    assert_read_refuses(&meeting, WEFT_PROTOCOL, "speaks versions 3 to 2");
}

/* Whoever sits between can neither lower a range nor guess which bits would. */
static void handshake_versions_cannot_be_lowered_on_their_way(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_exchange(&meeting);
    for (unsigned value = 1; value < 256; value++) {
        const unsigned at = PAYLOAD_VERSIONS_AT + value % 4;
        meeting.m1[M1_SEALED_AT + at] ^= (uint8_t)value;
        meeting_repair(&meeting, meeting.m1);
        assert_read_refuses(&meeting, WEFT_DENIED, "does not know the keys");
        meeting.m1[M1_SEALED_AT + at] ^= (uint8_t)value;
        meeting.m2[M2_SEALED_AT + at] ^= (uint8_t)value;
        assert_finish_refuses(&meeting, WEFT_DENIED, "does not know the keys");
        meeting.m2[M2_SEALED_AT + at] ^= (uint8_t)value;
    }
}

static void screen_refuses_another_wire_version(void **state) {
    (void)state;
    struct meeting meeting;
    meeting_draw(&meeting);
    meeting_dial(&meeting);
    for (unsigned version = 0; version < 256; version++) {
        meeting.m1[M1_VERSION_AT] = (uint8_t)version;
        meeting_repair(&meeting, meeting.m1);
        assert_int_equal(meeting_screened(&meeting, meeting.m1), version == HANDSHAKE_WIRE_VERSION);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_of_two_members_gives_one_channel_and_two_keys),
        cmocka_unit_test(handshake_of_an_invite_says_so_on_both_sides),
        cmocka_unit_test(handshake_keeps_no_secret_after_the_split),
        cmocka_unit_test(screen_refuses_every_flipped_bit_of_the_first_message),
        cmocka_unit_test(handshake_refuses_every_flipped_bit_under_a_repaired_mac),
        cmocka_unit_test(handshake_refuses_every_flipped_bit_of_the_second_message),
        cmocka_unit_test(handshake_believes_of_a_payload_only_what_is_certified),
        cmocka_unit_test(handshake_refuses_another_psk),
        cmocka_unit_test(handshake_refuses_who_dialled_another_key),
        cmocka_unit_test(handshake_refuses_a_member_of_another_library),
        cmocka_unit_test(handshake_refuses_forged_certificates),
        cmocka_unit_test(initiator_refuses_another_identity_than_it_dialled),
        cmocka_unit_test(handshake_refuses_keys_of_small_order),
        cmocka_unit_test(handshake_takes_the_highest_common_version),
        cmocka_unit_test(handshake_finds_no_version_in_a_range_that_is_none),
        cmocka_unit_test(handshake_versions_cannot_be_lowered_on_their_way),
        cmocka_unit_test(screen_refuses_another_wire_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
