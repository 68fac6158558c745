/* Two devices of one library and their handshake, step by step, each open to meddling. Every key is
 * the same in every run. Its own steps are CHECKed, so that fuzz targets may use it, too. */
#ifndef TESTS_LIB_MEETING_H
#define TESTS_LIB_MEETING_H

#include "engine/wire/handshake.h"

enum meeting_side { INITIATOR = 0, RESPONDER = 1 };

/* Places in M1, M2 and in a payload, as handshake.h has them. */
#define M1_VERSION_AT 4u
#define M1_MODE_AT 5u
#define M1_PSK_ID_AT 6u
#define M1_NOISE_AT 16u
#define M1_SEALED_AT (M1_NOISE_AT + 32u + 48u) /* the payload */
#define M1_MAC_AT 272u
#define M2_SEALED_AT (2u + 32u)
#define PAYLOAD_VERSIONS_AT 104u
#define PAYLOAD_FEATURES_AT 108u
#define PAYLOAD_ZERO_AT 120u
#define PAYLOAD_SIZE 160u

struct meeting {
    struct id library;
    uint8_t secrets[2][IDENTITY_SECRET];
    struct identity identities[2];
    struct handshake_self selves[2]; /* versions 1 to 3 and 1 to 4 */
    struct handshake_target target;
    struct handshake_screen screen; /* the responder's */
    uint8_t ephemerals[2][32];
    struct handshake sides[2];
    uint8_t m1[HANDSHAKE_M1], m2[HANDSHAKE_M2];
    struct handshake_keys keys[2];
};

/* Makes the devices; nothing is said yet. */
void meeting_draw(struct meeting *meeting);

/* One step. dial and read begin their side anew, so each may be taken again. */
void meeting_dial(struct meeting *meeting);
enum weft_status meeting_read(struct meeting *meeting, struct weft_error *why);
void meeting_answer(struct meeting *meeting);
enum weft_status meeting_finish(struct meeting *meeting, struct weft_error *why);

/* Up to M2, which the initiator has not read. */
void meeting_exchange(struct meeting *meeting);
/* All of it, with the split. */
void meeting_meet(struct meeting *meeting);

/* Whether the responder's screen lets these bytes through. */
bool meeting_screened(const struct meeting *meeting, const uint8_t m1[HANDSHAKE_M1]);
/* Writes mac1 anew: what anybody can do who knows the responder's public key. */
void meeting_repair(const struct meeting *meeting, uint8_t m1[HANDSHAKE_M1]);

/* The payload that this side would send. */
void meeting_payload(const struct handshake_self *self, uint8_t payload[PAYLOAD_SIZE]);
/* Writes any payload into m1, sealed as the initiator seals its own, with `x_pk` as its static key;
 * m1 has been dialled. */
void meeting_seal_m1(struct meeting *meeting, const uint8_t payload[PAYLOAD_SIZE],
                     const uint8_t x_pk[IDENTITY_KEY]);
/* The same for m2, in answer to m1. */
void meeting_seal_m2(struct meeting *meeting, const uint8_t payload[PAYLOAD_SIZE]);

#endif
