/* Noise: two parties that know (some of) each other's keys agree on two ciphers and a channel id.
 *
 *      noise_start ─► noise_write / noise_read by turns ─► noise_split ─► two noise_cipher
 *
 * Source: The Noise Protocol Framework, revision 34 (noiseprotocol.org/noise.html); sections are
 * those of that text. The suite is 25519, ChaChaPoly, BLAKE2b.
 * Thread: every struct here belongs to whoever holds it; nothing is shared, nothing allocated. */
#ifndef WEFT_WIRE_NOISE_H
#define WEFT_WIRE_NOISE_H

#include "engine/base/bytes.h"
#include "engine/base/status.h"

#define NOISE_KEY_SIZE 32u  /* DHLEN, of a cipher's key, and of a pre-shared key */
#define NOISE_HASH_SIZE 64u /* HASHLEN */
#define NOISE_TAG_SIZE 16u
#define NOISE_MESSAGE_MAX 65535u /* section 3: any message, handshake or transport */

/* ---- patterns (section 7) -------------------------------------------------------------------- */

enum noise_token {
    NOISE_END = 0, /* of a message's list */
    NOISE_E,
    NOISE_S,
    NOISE_EE,
    NOISE_ES,
    NOISE_SE,
    NOISE_SS,
    NOISE_PSK
};

#define NOISE_MESSAGES_MAX 4u /* X1X1 */
#define NOISE_TOKENS_MAX 7u   /* six of IKpsk0+psk1 and NOISE_END */
#define NOISE_PSKS_MAX 4u     /* XXpsk0+psk1+psk2+psk3 */

/* A handshake as data. The messages are sent by turns, the first one by the initiator. */
struct noise_pattern {
    const char *name;     /* the whole protocol name, as it is hashed */
    bool initiator_known; /* pre-message -> s: the responder knows the initiator's static key */
    bool responder_known; /* pre-message <- s */
    uint8_t message_count;
    uint8_t messages[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX]; /* enum noise_token */
};

/* Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b, the one that weft speaks:
 *     <- s   ...   -> e, es, s, ss, psk   <- e, ee, se */
extern const struct noise_pattern noise_ikpsk1;

/* ---- ciphers (section 5.1) ------------------------------------------------------------------- */

/* One direction of a session. The next nonce may be read (it counts records) but not set. */
struct noise_cipher {
    uint64_t nonce; /* 2^64 - 1 is reserved */
    bool keyed;
    uint8_t key[NOISE_KEY_SIZE];
};

/* Seals `plain` into plain.size + NOISE_TAG_SIZE bytes at `out`, which is plain.data itself or does
 * not overlap it. EncryptWithAd of section 5.1, but a cipher without a key is a bug, not a copy.
 * Errors: WEFT_LIMIT (the nonces are used up; `out` and the cipher are as they were). */
WEFT_MUST_USE enum weft_status noise_cipher_seal(struct noise_cipher *cipher, struct bytes ad,
                                                 struct bytes plain, uint8_t *out,
                                                 struct weft_error *why);

/* Opens `sealed` into sealed.size - NOISE_TAG_SIZE bytes at `out`, which is sealed.data itself or
 * does not overlap it. DecryptWithAd of section 5.1.
 * Errors: WEFT_PROTOCOL (not what the peer sealed next, or no record at all), WEFT_LIMIT (the
 *   nonces are used up). The cipher is as it was; nothing unauthenticated is at `out`, though what
 *   was there may have been cleared. */
WEFT_MUST_USE enum weft_status noise_cipher_open(struct noise_cipher *cipher, struct bytes ad,
                                                 struct bytes sealed, uint8_t *out,
                                                 struct weft_error *why);

/* Replaces the key by one from which it cannot be computed; the nonce goes on. Both sides do it
 * between the same two records. Rekey of sections 4.2, 5.1 and 11.3. */
void noise_cipher_rekey(struct noise_cipher *cipher);

/* Forgets the key. A cipher of zeros is one that was wiped. */
void noise_cipher_wipe(struct noise_cipher *cipher);

/* ---- handshakes (sections 5.2 and 5.3) ------------------------------------------------------- */

struct noise_keypair {
    uint8_t secret[NOISE_KEY_SIZE];
    uint8_t public[NOISE_KEY_SIZE];
};

/* What comes next. */
enum noise_turn {
    NOISE_OVER = 0, /* it failed or was wiped, and knows nothing any more */
    NOISE_WRITE,
    NOISE_READ,
    NOISE_SPLIT,
    NOISE_DONE /* split: knows the handshake hash and the peer's static key, but no secret */
};

struct noise_symmetric {
    struct noise_cipher cipher;
    uint8_t chain[NOISE_HASH_SIZE]; /* ck */
    uint8_t hash[NOISE_HASH_SIZE];  /* h */
};

/* Its fields are noise.c's own; it is here so that it can be part of another struct. */
struct noise_handshake {
    const struct noise_pattern *pattern;
    enum noise_turn turn;
    bool initiator;
    bool has_static, has_ephemeral;
    bool knows_static, knows_ephemeral;
    uint8_t message; /* the next one */
    uint8_t psk_count, psk_next;
    struct noise_symmetric symmetric;
    struct noise_keypair own_static, own_ephemeral;
    uint8_t remote_static[NOISE_KEY_SIZE], remote_ephemeral[NOISE_KEY_SIZE];
    uint8_t psks[NOISE_PSKS_MAX][NOISE_KEY_SIZE];
};

/* What a handshake begins with. All but the pattern is copied. */
struct noise_setup {
    const struct noise_pattern *pattern; /* outlives the handshake */
    bool initiator;
    struct bytes prologue;
    const struct noise_keypair *own_static; /* NULL when the pattern has none on this side */
    /* From the entropy port, used for this handshake only. NULL when this side sends no e. */
    const uint8_t *ephemeral_secret;
    const uint8_t *remote_static;          /* NULL unless a pre-message says it is known */
    const uint8_t (*psks)[NOISE_KEY_SIZE]; /* one for each psk token, in their order */
    unsigned psk_count;
};

/* The public key of a secret one: GENERATE_KEYPAIR of section 4.1 without the drawing. */
void noise_public(const uint8_t secret[NOISE_KEY_SIZE], uint8_t public[NOISE_KEY_SIZE]);

/* Begins a handshake. A setup that lacks a key which the pattern uses is a bug of the caller.
 * Initialize of section 5.3; psk of section 9. */
void noise_start(struct noise_handshake *handshake, const struct noise_setup *setup);

/* Gives the ephemeral key of a side that had none at its start, before it writes: who answers draws
 * it when it has read the first message, and found it worth an answer. */
void noise_ephemeral(struct noise_handshake *handshake, const uint8_t secret[NOISE_KEY_SIZE]);

/* What comes next; the initiator of noise_ikpsk1 writes, reads, splits. */
enum noise_turn noise_turn(const struct noise_handshake *handshake);

/* How much longer than its payload the next message is, whoever writes it. */
size_t noise_overhead(const struct noise_handshake *handshake);

/* Writes the next message, of *size bytes, to `out`, where `room` bytes are; `payload` does not
 * overlap it. WriteMessage of section 5.3. The turn must be NOISE_WRITE.
 * Errors: WEFT_LIMIT (the message would pass `room` or NOISE_MESSAGE_MAX), WEFT_PROTOCOL (a key of
 *   the peer is of low order). Any error ends the handshake and wipes it. */
WEFT_MUST_USE enum weft_status noise_write(struct noise_handshake *handshake, struct bytes payload,
                                           uint8_t *out, size_t room, size_t *size,
                                           struct weft_error *why);

/* Reads the next message; its payload, of *size bytes, is put at `out`, where `room` bytes are and
 * which does not overlap the message. ReadMessage of section 5.3. The turn must be NOISE_READ.
 * Errors: WEFT_PROTOCOL (the message is not from who knows the keys, or not whole, or was changed
 *   on its way, or holds a key of low order), WEFT_LIMIT (the payload would pass `room`). Any error
 *   ends the handshake and wipes it, and leaves nothing of the payload at `out`. */
WEFT_MUST_USE enum weft_status noise_read(struct noise_handshake *handshake, struct bytes message,
                                          uint8_t *out, size_t room, size_t *size,
                                          struct weft_error *why);

/* The peer's static key, NOISE_KEY_SIZE bytes inside `handshake`; NULL as long as it is unknown.
 * In noise_ikpsk1 the responder knows it, authenticated, when noise_read() has returned. */
const uint8_t *noise_remote_static(const struct noise_handshake *handshake);

/* Makes the two ciphers and wipes every secret of the handshake. The turn must be NOISE_SPLIT.
 * Of a one-way pattern only the initiator's `send` and the responder's `receive` may be used.
 * Split of section 5.2; section 7.4 for one-way patterns. */
void noise_split(struct noise_handshake *handshake, struct noise_cipher *send,
                 struct noise_cipher *receive);

/* The channel id, NOISE_HASH_SIZE bytes inside `handshake`: the same on both sides, and of no other
 * session. The turn must be NOISE_SPLIT or NOISE_DONE. Section 11.2. */
const uint8_t *noise_hash(const struct noise_handshake *handshake);

/* Forgets everything. Allowed at any turn. */
void noise_wipe(struct noise_handshake *handshake);

#endif
