/* The handshake: Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b between two devices of one library.
 *
 *   header := "WFT1" | wire version u8 | mode u8 | psk_id 8                             14 bytes
 *   M1 I→R := header | len u16 | e, es, s, ss, psk, payload | mac1 16                  288 bytes
 *   M2 R→I := len u16 | e, ee, se, payload                                             210 bytes
 *   payload := id_pk 32 | cert 64 | incarnation u64 | ver_min u16 | ver_max u16
 *              | features u32 | hlc u64 | zero 40                                      160 bytes
 *   mac1 := BLAKE2b-128(key = BLAKE2b-256("weft/mac1" ‖ responder's x_pk), all before it)
 *   len  := size of the Noise message after it: 256 in M1 (mac1 is not counted), 208 in M2
 *
 * The header is Noise's prologue; the psk is a library key, or what an invite's secret gives. The
 * version spoken is the lesser of the two ver_max; a ver_min above it ends the handshake.
 *
 *      initiator                                 responder
 *      dial ── M1 ─────────────────────────────► screen: form, mac1           (no key is touched)
 *        │                                       read: decrypt, certificate
 *      finish ◄──────────────────────────── M2 ─ answer
 *        └──────────── split: two keys, h ─────────┘
 *
 * States: FRESH ─dial─► DIALLED ─finish─► DONE;  FRESH ─read─► READ ─answer─► DONE; any failure ─►
 * FAILED, wiped. A struct of zeros is FRESH, and so is one that was wiped. A call in a state other
 * than its own is a programmer's error (CHECK).
 * Pure: no clock, no randomness; a struct handshake is plain bytes and may be copied as such, and
 * then must be wiped as often.
 * Sources: The Noise Protocol Framework, revision 34; the first MAC follows WireGuard (Donenfeld,
 * NDSS 2017, section 5.3). */
#ifndef WEFT_WIRE_HANDSHAKE_H
#define WEFT_WIRE_HANDSHAKE_H

#include "engine/wire/identity.h"
#include "engine/wire/noise.h"

#define HANDSHAKE_HEADER 14u
#define HANDSHAKE_M1 288u
#define HANDSHAKE_M2 210u
#define HANDSHAKE_WIRE_VERSION 1u

enum handshake_mode { HANDSHAKE_MEMBER = 0, HANDSHAKE_INVITE = 1 };

/* This side. */
struct handshake_self {
    const struct identity *identity;
    uint16_t ver_min, ver_max; /* of the messages spoken */
    uint32_t features;
    uint64_t hlc; /* this device's clock, for information */
};

/* Whom the initiator means. */
struct handshake_target {
    enum handshake_mode mode;
    struct identity_public device;
    uint8_t psk[LIBRARY_KEY];
};

/* The other side, as its payload says and its certificate proves. */
struct handshake_remote {
    struct identity_public public;
    struct id device;
    uint64_t incarnation;
    uint8_t cert[IDENTITY_CERT];
    uint16_t version; /* the highest common one of the messages */
    uint32_t features;
    uint64_t hlc;
};

enum handshake_state {
    HANDSHAKE_FRESH,
    HANDSHAKE_DIALLED,
    HANDSHAKE_READ,
    HANDSHAKE_DONE,
    HANDSHAKE_FAILED
};

struct handshake {
    enum handshake_state state;
    bool initiator;
    enum handshake_mode mode;
    struct noise_handshake noise;
    struct handshake_remote remote;
};

/* What a session is sealed with. Holds secrets. */
struct handshake_keys {
    struct noise_cipher send, receive;
    uint8_t channel[64]; /* h: names this session, the same on both sides */
};

/* ---- initiator ---- */

/* Writes M1. `ephemeral`: 32 bytes of entropy. Errors: WEFT_DENIED (a key of the target's is one
 * that X25519 refuses). */
enum weft_status handshake_dial(struct handshake *handshake, const struct handshake_self *self,
                                const struct handshake_target *target, const uint8_t ephemeral[32],
                                uint8_t out[HANDSHAKE_M1], struct weft_error *why);
/* Reads M2. Errors: WEFT_DENIED (who answers is not who was dialled, or was not meant to answer
 * this), WEFT_PROTOCOL (no common version: `why` names both ranges). */
enum weft_status handshake_finish(struct handshake *handshake, const struct handshake_self *self,
                                  const uint8_t m2[HANDSHAKE_M2], struct weft_error *why);

/* ---- responder ---- */

/* The key of mac1 for this device. Computed once. */
struct handshake_screen {
    uint8_t key[32];
};
void handshake_screen_init(struct handshake_screen *screen, const uint8_t x_pk[IDENTITY_KEY]);
/* Whether M1 has the form and the first MAC; the cheap look that comes first. Fills in what the
 * header names, if it passes. About a microsecond; constant time but for the form. */
bool handshake_screen_passes(const struct handshake_screen *screen, const uint8_t m1[HANDSHAKE_M1],
                             enum handshake_mode *mode, uint8_t psk_id[LIBRARY_KEY_ID]);
/* Decrypts M1, which has passed the screen (mac1 is not looked at again), and checks the
 * certificate: handshake->remote is then who asks. Whether it is a member is the caller's to say,
 * and whether it asks now: M1 can be replayed. Errors: WEFT_DENIED, WEFT_PROTOCOL (no common
 * version: `why` names both ranges). */
enum weft_status handshake_read(struct handshake *handshake, const struct handshake_self *self,
                                const uint8_t psk[LIBRARY_KEY], const uint8_t m1[HANDSHAKE_M1],
                                struct weft_error *why);
/* Writes M2. `ephemeral`: 32 bytes of entropy. Errors: WEFT_DENIED (a key of the other side is one
 * that X25519 refuses; handshake_read() lets none through). */
enum weft_status handshake_answer(struct handshake *handshake, const struct handshake_self *self,
                                  const uint8_t ephemeral[32], uint8_t out[HANDSHAKE_M2],
                                  struct weft_error *why);

/* ---- both ---- */

/* The keys of a handshake that is DONE, once. Of the handshake only what is no secret stays: state,
 * role, mode and remote. */
void handshake_split(struct handshake *handshake, struct handshake_keys *out);
void handshake_wipe(struct handshake *handshake);
/* A handshake on its way from one actor to another, as bytes that are the same in every process: no
 * pointer is among them. */
#define HANDSHAKE_PACKED sizeof(struct handshake)
void handshake_pack(const struct handshake *handshake, uint8_t out[HANDSHAKE_PACKED]);
void handshake_unpack(const uint8_t packed[HANDSHAKE_PACKED], struct handshake *out);

/* The first thing said inside: Sign(id_sk, "weft/hello\0" ‖ role u8 (0 initiator) ‖ channel 64 ‖
 * own id_pk ‖ the other's id_pk). It proves that the holder of the identity is here now; the
 * handshake alone proves the holder of the exchange key, and M1 can be replayed. */
void handshake_hello(const struct identity *identity, bool initiator, const uint8_t channel[64],
                     const uint8_t other_id_pk[IDENTITY_KEY], uint8_t out[64]);
bool handshake_hello_holds(const uint8_t hello[64], bool from_initiator, const uint8_t channel[64],
                           const uint8_t from_id_pk[IDENTITY_KEY],
                           const uint8_t own_id_pk[IDENTITY_KEY]);
/* Six decimal digits that two people compare: the first 8 bytes of BLAKE2b-256("weft/code" ‖
 * channel), as a u64, modulo 1,000,000. */
uint32_t handshake_code(const uint8_t channel[64]);

#endif
