/* Two devices and their handshake. What is sealed by hand goes through noise.h, past the checks of
 * handshake.c on the sending side. */
#include "tests/lib/meeting.h"

#include <sodium.h>

#include "engine/base/check.h"

void meeting_draw(struct meeting *meeting) {
    static const uint8_t seed[randombytes_SEEDBYTES] = "two devices of one library meet";
    struct {
        struct id library;
        uint8_t secrets[2][IDENTITY_SECRET], ephemerals[2][32], psk[LIBRARY_KEY];
    } drawn;
    randombytes_buf_deterministic(&drawn, sizeof drawn, seed);
    memset(meeting, 0, sizeof *meeting);
    meeting->library = drawn.library;
    memcpy(meeting->secrets, drawn.secrets, sizeof drawn.secrets);
    memcpy(meeting->ephemerals, drawn.ephemerals, sizeof drawn.ephemerals);
    memcpy(meeting->target.psk, drawn.psk, sizeof drawn.psk);
    for (unsigned i = 0; i < 2; i++) {
        identity_make(&meeting->identities[i], meeting->secrets[i], &meeting->library, 11 + i);
        meeting->selves[i] = (struct handshake_self){.identity = &meeting->identities[i],
                                                     .ver_min = 1,
                                                     .ver_max = (uint16_t)(3 + i),
                                                     .features = 0x40000001u << i,
                                                     .hlc = 1000 + i};
    }
    meeting->target.device = meeting->identities[RESPONDER].public;
    handshake_screen_init(&meeting->screen, meeting->identities[RESPONDER].public.x_pk);
}

/* ---- steps ---- */

void meeting_dial(struct meeting *meeting) {
    handshake_wipe(&meeting->sides[INITIATOR]);
    const enum weft_status status =
        handshake_dial(&meeting->sides[INITIATOR], &meeting->selves[INITIATOR], &meeting->target,
                       meeting->ephemerals[INITIATOR], meeting->m1, NULL);
    CHECK(status == WEFT_OK);
}

enum weft_status meeting_read(struct meeting *meeting, struct weft_error *why) {
    handshake_wipe(&meeting->sides[RESPONDER]);
    return handshake_read(&meeting->sides[RESPONDER], &meeting->selves[RESPONDER],
                          meeting->target.psk, meeting->m1, why);
}

void meeting_answer(struct meeting *meeting) {
    const enum weft_status status =
        handshake_answer(&meeting->sides[RESPONDER], &meeting->selves[RESPONDER],
                         meeting->ephemerals[RESPONDER], meeting->m2, NULL);
    CHECK(status == WEFT_OK);
}

enum weft_status meeting_finish(struct meeting *meeting, struct weft_error *why) {
    return handshake_finish(&meeting->sides[INITIATOR], &meeting->selves[INITIATOR], meeting->m2,
                            why);
}

void meeting_exchange(struct meeting *meeting) {
    meeting_dial(meeting);
    CHECK(meeting_screened(meeting, meeting->m1));
    const enum weft_status status = meeting_read(meeting, NULL);
    CHECK(status == WEFT_OK);
    meeting_answer(meeting);
}

void meeting_meet(struct meeting *meeting) {
    meeting_exchange(meeting);
    const enum weft_status status = meeting_finish(meeting, NULL);
    CHECK(status == WEFT_OK);
    for (unsigned i = 0; i < 2; i++)
        handshake_split(&meeting->sides[i], &meeting->keys[i]);
}

/* ---- meddling ---- */

bool meeting_screened(const struct meeting *meeting, const uint8_t m1[HANDSHAKE_M1]) {
    enum handshake_mode mode;
    uint8_t psk_id[LIBRARY_KEY_ID];
    return handshake_screen_passes(&meeting->screen, m1, &mode, psk_id);
}

void meeting_repair(const struct meeting *meeting, uint8_t m1[HANDSHAKE_M1]) {
    const int code =
        crypto_generichash_blake2b(m1 + M1_MAC_AT, HANDSHAKE_M1 - M1_MAC_AT, m1, M1_MAC_AT,
                                   meeting->screen.key, sizeof meeting->screen.key);
    CHECK(code == 0);
}

void meeting_payload(const struct handshake_self *self, uint8_t payload[PAYLOAD_SIZE]) {
    memset(payload, 0, PAYLOAD_SIZE);
    memcpy(payload, self->identity->public.id_pk, 32);
    memcpy(payload + 32, self->identity->cert, 64);
    store_u64(payload + 96, self->identity->incarnation);
    store_u16(payload + PAYLOAD_VERSIONS_AT, self->ver_min);
    store_u16(payload + PAYLOAD_VERSIONS_AT + 2, self->ver_max);
    store_u32(payload + PAYLOAD_FEATURES_AT, self->features);
    store_u64(payload + 112, self->hlc);
}

static void start(struct noise_handshake *noise, const struct meeting *meeting,
                  enum meeting_side side, const uint8_t x_pk[IDENTITY_KEY]) {
    struct noise_keypair own;
    uint8_t psks[1][NOISE_KEY_SIZE];
    memcpy(own.secret, meeting->identities[side].x_sk, sizeof own.secret);
    memcpy(own.public, x_pk, sizeof own.public);
    memcpy(psks[0], meeting->target.psk, sizeof psks[0]);
    const struct noise_setup setup = {
        .pattern = &noise_ikpsk1,
        .initiator = side == INITIATOR,
        .prologue = {meeting->m1, HANDSHAKE_HEADER},
        .own_static = &own,
        .ephemeral_secret = meeting->ephemerals[side],
        .remote_static = side == INITIATOR ? meeting->target.device.x_pk : NULL,
        .psks = (const uint8_t(*)[NOISE_KEY_SIZE])psks,
        .psk_count = 1,
    };
    noise_start(noise, &setup);
}

void meeting_seal_m1(struct meeting *meeting, const uint8_t payload[PAYLOAD_SIZE],
                     const uint8_t x_pk[IDENTITY_KEY]) {
    struct noise_handshake noise;
    size_t size;
    start(&noise, meeting, INITIATOR, x_pk);
    const enum weft_status status =
        noise_write(&noise, (struct bytes){payload, PAYLOAD_SIZE}, meeting->m1 + M1_NOISE_AT,
                    M1_MAC_AT - M1_NOISE_AT, &size, NULL);
    CHECK(status == WEFT_OK && size == M1_MAC_AT - M1_NOISE_AT);
    meeting_repair(meeting, meeting->m1);
}

void meeting_seal_m2(struct meeting *meeting, const uint8_t payload[PAYLOAD_SIZE]) {
    struct noise_handshake noise;
    uint8_t theirs[PAYLOAD_SIZE];
    size_t size;
    start(&noise, meeting, RESPONDER, meeting->identities[RESPONDER].public.x_pk);
    const struct bytes m1 = {meeting->m1 + M1_NOISE_AT, M1_MAC_AT - M1_NOISE_AT};
    enum weft_status status = noise_read(&noise, m1, theirs, sizeof theirs, &size, NULL);
    CHECK(status == WEFT_OK && size == sizeof theirs);
    store_u16(meeting->m2, HANDSHAKE_M2 - 2);
    status = noise_write(&noise, (struct bytes){payload, PAYLOAD_SIZE}, meeting->m2 + 2,
                         HANDSHAKE_M2 - 2, &size, NULL);
    CHECK(status == WEFT_OK && size == HANDSHAKE_M2 - 2);
}
