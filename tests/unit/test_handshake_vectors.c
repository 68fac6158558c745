/* The handshakes of tests/vectors/handshake.txt, byte for byte. The file comes from another
 * implementation, written from handshake.h alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/meeting.h"
#include "tests/lib/noise_vectors.h"

static const struct bytes none = {NULL, 0};
static const char *const prefixes[2] = {"init", "resp"};

static const uint8_t *value(struct vectors *vectors, const char *key, size_t size) {
    const uint8_t *bytes = vectors_sized(vectors, key, 0, size);
    if (bytes == NULL) fail_msg("there is no %s", key);
    return bytes;
}

/* The value of a key such as init_secret. */
static struct bytes value_of(struct vectors *vectors, enum meeting_side side, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "%s_%s", prefixes[side], name);
    const struct bytes bytes = vectors_bytes(vectors, key, 0);
    if (bytes.data == NULL) fail_msg("there is no %s", key);
    return bytes;
}

static void assert_value(struct bytes expected, const uint8_t *data, size_t size) {
    assert_int_equal(expected.size, size);
    assert_memory_equal(data, expected.data, size);
}

static void load_device(struct vectors *vectors, struct meeting *meeting, enum meeting_side side) {
    const struct bytes payload = value_of(vectors, side, "payload");
    const struct bytes secret = value_of(vectors, side, "secret");
    const struct bytes ephemeral = value_of(vectors, side, "ephemeral");
    uint8_t own[PAYLOAD_SIZE];
    assert_int_equal(payload.size, PAYLOAD_SIZE);
    assert_int_equal(secret.size, IDENTITY_SECRET);
    assert_int_equal(ephemeral.size, 32);
    memcpy(meeting->ephemerals[side], ephemeral.data, 32);
    identity_make(&meeting->identities[side], secret.data, &meeting->library,
                  load_u64(payload.data + 96));
    meeting->selves[side] = (struct handshake_self){
        .identity = &meeting->identities[side],
        .ver_min = load_u16(payload.data + PAYLOAD_VERSIONS_AT),
        .ver_max = load_u16(payload.data + PAYLOAD_VERSIONS_AT + 2),
        .features = load_u32(payload.data + PAYLOAD_FEATURES_AT),
        .hlc = load_u64(payload.data + 112),
    };
    meeting_payload(&meeting->selves[side], own);
    assert_value(payload, own, sizeof own);
    assert_value(value_of(vectors, side, "x_pk"), meeting->identities[side].public.x_pk, 32);
}

static void load(struct vectors *vectors, struct meeting *meeting) {
    memset(meeting, 0, sizeof *meeting);
    memcpy(&meeting->library, value(vectors, "library", 16), 16);
    load_device(vectors, meeting, INITIATOR);
    load_device(vectors, meeting, RESPONDER);
    meeting->target.mode = (enum handshake_mode)strtoul(vectors_text(vectors, "mode"), NULL, 10);
    meeting->target.device = meeting->identities[RESPONDER].public;
    memcpy(meeting->target.psk, value(vectors, "psk", 32), 32);
    handshake_screen_init(&meeting->screen, meeting->identities[RESPONDER].public.x_pk);
}

/* The first record that this side seals, and the other opens. */
static void assert_record(struct vectors *vectors, struct meeting *meeting,
                          enum meeting_side side) {
    const struct bytes plain = value_of(vectors, side, "plain");
    const struct bytes record = value_of(vectors, side, "record");
    uint8_t out[512];
    struct noise_cipher *send = &meeting->keys[side].send;
    struct noise_cipher *receive = &meeting->keys[1 - side].receive;
    assert_true(record.size == plain.size + NOISE_TAG_SIZE && record.size <= sizeof out);
    assert_value(value_of(vectors, side, "key"), send->key, sizeof send->key);
    assert_int_equal(noise_cipher_seal(send, none, plain, out, NULL), WEFT_OK);
    assert_value(record, out, record.size);
    assert_int_equal(noise_cipher_open(receive, none, record, out, NULL), WEFT_OK);
    assert_value(plain, out, plain.size);
}

static void assert_hello(struct vectors *vectors, const struct meeting *meeting,
                         enum meeting_side side) {
    const struct bytes expected = value_of(vectors, side, "hello");
    const uint8_t *own = meeting->identities[side].public.id_pk;
    const uint8_t *other = meeting->identities[1 - side].public.id_pk;
    uint8_t hello[64];
    handshake_hello(&meeting->identities[side], side == INITIATOR, meeting->keys[side].channel,
                    other, hello);
    assert_value(expected, hello, sizeof hello);
    assert_true(handshake_hello_holds(expected.data, side == INITIATOR,
                                      meeting->keys[1 - side].channel, own, other));
}

static void assert_handshake(struct vectors *vectors) {
    struct meeting meeting;
    uint8_t psk_id[LIBRARY_KEY_ID];
    enum handshake_mode mode;
    load(vectors, &meeting);
    meeting_meet(&meeting);
    assert_memory_equal(meeting.screen.key, value(vectors, "mac1_key", 32), 32);
    assert_memory_equal(meeting.m1, value(vectors, "m1", HANDSHAKE_M1), HANDSHAKE_M1);
    assert_memory_equal(meeting.m2, value(vectors, "m2", HANDSHAKE_M2), HANDSHAKE_M2);
    assert_true(handshake_screen_passes(&meeting.screen, meeting.m1, &mode, psk_id));
    assert_int_equal(mode, meeting.target.mode);
    assert_memory_equal(psk_id, value(vectors, "psk_id", LIBRARY_KEY_ID), LIBRARY_KEY_ID);

    const unsigned long version = strtoul(vectors_text(vectors, "version"), NULL, 10);
    for (enum meeting_side side = INITIATOR; side <= RESPONDER; side++) {
        assert_memory_equal(meeting.keys[side].channel, value(vectors, "channel", 64), 64);
        assert_int_equal(meeting.sides[side].remote.version, version);
        assert_record(vectors, &meeting, side);
        assert_hello(vectors, &meeting, side);
    }
    char code[8];
    snprintf(code, sizeof code, "%06u", handshake_code(meeting.keys[RESPONDER].channel));
    assert_string_equal(code, vectors_text(vectors, "code"));
}

static void handshake_makes_the_bytes_of_every_vector(void **state) {
    (void)state;
    struct vectors vectors;
    unsigned count = 0;
    vectors_open(&vectors, "handshake.txt");
    while (vectors_next(&vectors)) {
        assert_handshake(&vectors);
        count++;
    }
    vectors_close(&vectors);
    assert_int_equal(count, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_makes_the_bytes_of_every_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
