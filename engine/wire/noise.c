/* Noise on libsodium's primitives, read from the inside out: functions, CipherState,
 * SymmetricState, HandshakeState.
 *
 *      nonce of a record: 00 00 00 00 | counter, 64 bits, little endian
 *      handshake message: e 32 | s 32 [+ tag 16 once there is a key] | payload [+ tag 16]
 *
 * Source: The Noise Protocol Framework, revision 34.
 * Invariants
 *   1. A (key, nonce) pair seals at most one text: the nonce moves with every seal, a new key
 * begins at zero, and a rekeyed one goes on.
 *   2. A handshake that failed is all zeros; so is every local that held a secret.
 *   3. The length of a message is checked before anything of it is used, so that no token can run
 * past its end.
 *   4. Nothing branches on a secret: tags are compared within libsodium, in constant time.
 * Not here: randomness, which the caller brings; other suites; pre-messages other than s, which
 * only the fallback patterns have; a first h for names longer than a hash, which no name is; when
 * to rekey, which is the session's to decide. */
#include "engine/wire/noise.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/wire/noise_private.h"

#define HASH_BLOCK 128u /* BLOCKLEN of BLAKE2b */
#define HKDF_OUTPUTS_MAX 3u

_Static_assert(NOISE_KEY_SIZE == crypto_scalarmult_curve25519_BYTES, "DHLEN");
_Static_assert(NOISE_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(NOISE_NONCE_SIZE == crypto_aead_chacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(NOISE_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(NOISE_HASH_SIZE == crypto_generichash_blake2b_BYTES_MAX, "HASHLEN");

const struct noise_pattern noise_ikpsk1 = {
    .name = "Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b",
    .responder_known = true,
    .message_count = 2,
    .messages = {{NOISE_E, NOISE_ES, NOISE_S, NOISE_SS, NOISE_PSK}, {NOISE_E, NOISE_EE, NOISE_SE}},
};

/* ---- functions (section 4) ------------------------------------------------------------------- */

void noise_public(const uint8_t secret[NOISE_KEY_SIZE], uint8_t public[NOISE_KEY_SIZE]) {
    const int code = crypto_scalarmult_curve25519_base(public, secret);
    CHECK(code == 0);
}

bool noise_dh(const uint8_t secret[NOISE_KEY_SIZE], const uint8_t public[NOISE_KEY_SIZE],
              uint8_t shared[NOISE_KEY_SIZE]) {
    return crypto_scalarmult_curve25519(shared, secret, public) == 0;
}

void noise_aead_seal(const uint8_t key[NOISE_KEY_SIZE], const uint8_t nonce[NOISE_NONCE_SIZE],
                     struct bytes ad, struct bytes plain, uint8_t *out) {
    const int code = crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.size,
                                                               ad.data, ad.size, NULL, nonce, key);
    CHECK(code == 0);
}

bool noise_aead_open(const uint8_t key[NOISE_KEY_SIZE], const uint8_t nonce[NOISE_NONCE_SIZE],
                     struct bytes ad, struct bytes sealed, uint8_t *out) {
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.size,
                                                     ad.data, ad.size, nonce, key) == 0;
}

/* HASH of up to three parts. `out` may be one of them. */
static void hash(uint8_t out[NOISE_HASH_SIZE], struct bytes a, struct bytes b, struct bytes c) {
    const struct bytes parts[] = {a, b, c};
    crypto_generichash_blake2b_state state;
    int code = crypto_generichash_blake2b_init(&state, NULL, 0, NOISE_HASH_SIZE);
    for (unsigned i = 0; i < 3; i++)
        if (parts[i].size != 0)
            code |= crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].size);
    code |= crypto_generichash_blake2b_final(&state, out, NOISE_HASH_SIZE);
    CHECK(code == 0);
    sodium_memzero(&state, sizeof state);
}

/* HMAC-HASH of `a` and then `b`: RFC 2104 as section 4.3 asks, not BLAKE2b's own keyed mode. */
static void hmac(uint8_t out[NOISE_HASH_SIZE], const uint8_t key[NOISE_HASH_SIZE], struct bytes a,
                 struct bytes b) {
    uint8_t inner[HASH_BLOCK], outer[HASH_BLOCK], digest[NOISE_HASH_SIZE];
    memset(inner, 0x36, sizeof inner);
    memset(outer, 0x5c, sizeof outer);
    for (unsigned i = 0; i < NOISE_HASH_SIZE; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    hash(digest, (struct bytes){inner, sizeof inner}, a, b);
    hash(out, (struct bytes){outer, sizeof outer}, (struct bytes){digest, sizeof digest},
         (struct bytes){NULL, 0});
    sodium_memzero(inner, sizeof inner);
    sodium_memzero(outer, sizeof outer);
    sodium_memzero(digest, sizeof digest);
}

/* HKDF of section 4.3: `count` outputs. */
static void hkdf(const uint8_t chain[NOISE_HASH_SIZE], struct bytes material, unsigned count,
                 uint8_t out[][NOISE_HASH_SIZE]) {
    CHECK(count == 2 || count == 3);
    uint8_t key[NOISE_HASH_SIZE];
    hmac(key, chain, material, (struct bytes){NULL, 0});
    struct bytes before = {NULL, 0};
    for (uint8_t i = 0; i < count; i++) {
        const uint8_t number = (uint8_t)(i + 1);
        hmac(out[i], key, before, (struct bytes){&number, 1});
        before = (struct bytes){out[i], NOISE_HASH_SIZE};
    }
    sodium_memzero(key, sizeof key);
}

/* ---- CipherState (section 5.1) --------------------------------------------------------------- */

static void cipher_key(struct noise_cipher *cipher, const uint8_t key[NOISE_KEY_SIZE]) {
    memcpy(cipher->key, key, NOISE_KEY_SIZE);
    cipher->nonce = 0;
    cipher->keyed = true;
}

static void nonce_bytes(uint64_t nonce, uint8_t out[NOISE_NONCE_SIZE]) {
    memset(out, 0, 4);
    store_u64(out + 4, nonce);
}

static enum weft_status used_up(struct weft_error *why) {
    return status_fail(why, WEFT_LIMIT, 0,
                       "the nonces of this session's key are used up, so no further record can be "
                       "sealed or opened with it; begin a new session");
}

enum weft_status noise_cipher_seal(struct noise_cipher *cipher, struct bytes ad, struct bytes plain,
                                   uint8_t *out, struct weft_error *why) {
    CHECK(cipher->keyed);
    CHECK(plain.size <= NOISE_MESSAGE_MAX - NOISE_TAG_SIZE);
    if (cipher->nonce == UINT64_MAX) return used_up(why);
    uint8_t nonce[NOISE_NONCE_SIZE];
    nonce_bytes(cipher->nonce++, nonce);
    noise_aead_seal(cipher->key, nonce, ad, plain, out);
    return WEFT_OK;
}

enum weft_status noise_cipher_open(struct noise_cipher *cipher, struct bytes ad,
                                   struct bytes sealed, uint8_t *out, struct weft_error *why) {
    CHECK(cipher->keyed);
    if (cipher->nonce == UINT64_MAX) return used_up(why);
    uint8_t nonce[NOISE_NONCE_SIZE];
    nonce_bytes(cipher->nonce, nonce);
    if (sealed.size < NOISE_TAG_SIZE || sealed.size > NOISE_MESSAGE_MAX ||
        !noise_aead_open(cipher->key, nonce, ad, sealed, out))
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a sealed record (%zu bytes, number %llu) is not the one that the peer "
                           "sealed: it was changed, lost or repeated on its way; nothing of it is "
                           "used, and the session should end",
                           sealed.size, (unsigned long long)cipher->nonce);
    cipher->nonce++;
    return WEFT_OK;
}

void noise_cipher_rekey(struct noise_cipher *cipher) {
    CHECK(cipher->keyed);
    static const uint8_t zeros[NOISE_KEY_SIZE];
    uint8_t nonce[NOISE_NONCE_SIZE], sealed[NOISE_KEY_SIZE + NOISE_TAG_SIZE];
    nonce_bytes(UINT64_MAX, nonce);
    noise_aead_seal(cipher->key, nonce, (struct bytes){NULL, 0},
                    (struct bytes){zeros, sizeof zeros}, sealed);
    memcpy(cipher->key, sealed, NOISE_KEY_SIZE);
    sodium_memzero(sealed, sizeof sealed);
}

void noise_cipher_wipe(struct noise_cipher *cipher) {
    sodium_memzero(cipher, sizeof *cipher);
}

/* ---- SymmetricState (section 5.2) ------------------------------------------------------------ */

static void mix_hash(struct noise_symmetric *symmetric, struct bytes data) {
    hash(symmetric->hash, (struct bytes){symmetric->hash, NOISE_HASH_SIZE}, data,
         (struct bytes){NULL, 0});
}

static void mix_key(struct noise_symmetric *symmetric, const uint8_t material[NOISE_KEY_SIZE]) {
    uint8_t out[2][NOISE_HASH_SIZE];
    hkdf(symmetric->chain, (struct bytes){material, NOISE_KEY_SIZE}, 2, out);
    memcpy(symmetric->chain, out[0], NOISE_HASH_SIZE);
    cipher_key(&symmetric->cipher, out[1]);
    sodium_memzero(out, sizeof out);
}

static void mix_key_and_hash(struct noise_symmetric *symmetric,
                             const uint8_t material[NOISE_KEY_SIZE]) {
    uint8_t out[HKDF_OUTPUTS_MAX][NOISE_HASH_SIZE];
    hkdf(symmetric->chain, (struct bytes){material, NOISE_KEY_SIZE}, 3, out);
    memcpy(symmetric->chain, out[0], NOISE_HASH_SIZE);
    mix_hash(symmetric, (struct bytes){out[1], NOISE_HASH_SIZE});
    cipher_key(&symmetric->cipher, out[2]);
    sodium_memzero(out, sizeof out);
}

static size_t sealed_size(bool keyed, size_t size) {
    return keyed ? size + NOISE_TAG_SIZE : size;
}

/* EncryptAndHash; the end of what was written. */
static uint8_t *seal_and_hash(struct noise_symmetric *symmetric, struct bytes plain, uint8_t *out) {
    const size_t size = sealed_size(symmetric->cipher.keyed, plain.size);
    if (symmetric->cipher.keyed) {
        const struct bytes ad = {symmetric->hash, NOISE_HASH_SIZE};
        const enum weft_status status = noise_cipher_seal(&symmetric->cipher, ad, plain, out, NULL);
        CHECK(status == WEFT_OK);
    } else if (plain.size != 0)
        memcpy(out, plain.data, plain.size);
    mix_hash(symmetric, (struct bytes){out, size});
    return out + size;
}

/* DecryptAndHash; false when the tag is wrong. */
static bool open_and_hash(struct noise_symmetric *symmetric, struct bytes sealed, uint8_t *out) {
    if (symmetric->cipher.keyed) {
        const struct bytes ad = {symmetric->hash, NOISE_HASH_SIZE};
        if (noise_cipher_open(&symmetric->cipher, ad, sealed, out, NULL) != WEFT_OK) return false;
    } else if (sealed.size != 0)
        memcpy(out, sealed.data, sealed.size);
    mix_hash(symmetric, sealed);
    return true;
}

/* ---- HandshakeState (section 5.3) ------------------------------------------------------------ */

static unsigned psk_tokens(const struct noise_pattern *pattern) {
    unsigned count = 0;
    for (unsigned m = 0; m < pattern->message_count; m++)
        for (const uint8_t *token = pattern->messages[m]; *token != NOISE_END; token++)
            count += *token == NOISE_PSK;
    return count;
}

/* Mixes the public keys that both knew before. */
static void mix_known(struct noise_handshake *handshake) {
    const struct noise_pattern *pattern = handshake->pattern;
    const bool known[2] = {pattern->initiator_known, pattern->responder_known};
    for (unsigned side = 0; side < 2; side++) {
        if (!known[side]) continue;
        const bool own = handshake->initiator == (side == 0);
        CHECK(own ? handshake->has_static : handshake->knows_static);
        mix_hash(&handshake->symmetric,
                 (struct bytes){own ? handshake->own_static.public : handshake->remote_static,
                                NOISE_KEY_SIZE});
    }
}

/* Whose turn it is, from the number of the next message. */
static void take_turn(struct noise_handshake *handshake) {
    const bool initiators = handshake->message % 2 == 0;
    if (handshake->message == handshake->pattern->message_count)
        handshake->turn = NOISE_SPLIT;
    else
        handshake->turn = initiators == handshake->initiator ? NOISE_WRITE : NOISE_READ;
}

void noise_start(struct noise_handshake *handshake, const struct noise_setup *setup) {
    const struct noise_pattern *pattern = setup->pattern;
    const size_t name_size = strlen(pattern->name);
    CHECK(name_size <= NOISE_HASH_SIZE);
    CHECK(pattern->message_count >= 1 && pattern->message_count <= NOISE_MESSAGES_MAX);
    CHECK(setup->psk_count <= NOISE_PSKS_MAX && setup->psk_count == psk_tokens(pattern));
    noise_wipe(handshake);
    handshake->pattern = pattern;
    handshake->initiator = setup->initiator;
    if (setup->own_static != NULL) {
        handshake->own_static = *setup->own_static;
        handshake->has_static = true;
    }
    if (setup->ephemeral_secret != NULL) {
        memcpy(handshake->own_ephemeral.secret, setup->ephemeral_secret, NOISE_KEY_SIZE);
        noise_public(setup->ephemeral_secret, handshake->own_ephemeral.public);
        handshake->has_ephemeral = true;
    }
    if (setup->remote_static != NULL) {
        CHECK(setup->initiator ? pattern->responder_known : pattern->initiator_known);
        memcpy(handshake->remote_static, setup->remote_static, NOISE_KEY_SIZE);
        handshake->knows_static = true;
    }
    handshake->psk_count = (uint8_t)setup->psk_count;
    for (unsigned i = 0; i < setup->psk_count; i++)
        memcpy(handshake->psks[i], setup->psks[i], NOISE_KEY_SIZE);

    memcpy(handshake->symmetric.hash, pattern->name, name_size);
    memcpy(handshake->symmetric.chain, handshake->symmetric.hash, NOISE_HASH_SIZE);
    mix_hash(&handshake->symmetric, setup->prologue);
    mix_known(handshake);
    take_turn(handshake);
}

void noise_wipe(struct noise_handshake *handshake) {
    sodium_memzero(handshake, sizeof *handshake);
}

void noise_ephemeral(struct noise_handshake *handshake, const uint8_t secret[NOISE_KEY_SIZE]) {
    CHECK(!handshake->has_ephemeral && handshake->turn == NOISE_WRITE);
    memcpy(handshake->own_ephemeral.secret, secret, NOISE_KEY_SIZE);
    noise_public(secret, handshake->own_ephemeral.public);
    handshake->has_ephemeral = true;
}

enum noise_turn noise_turn(const struct noise_handshake *handshake) {
    return handshake->turn;
}

size_t noise_overhead(const struct noise_handshake *handshake) {
    CHECK(handshake->turn == NOISE_WRITE || handshake->turn == NOISE_READ);
    bool keyed = handshake->symmetric.cipher.keyed;
    size_t size = 0;
    const uint8_t *token = handshake->pattern->messages[handshake->message];
    for (; *token != NOISE_END; token++) {
        if (*token == NOISE_E)
            size += NOISE_KEY_SIZE;
        else if (*token == NOISE_S)
            size += sealed_size(keyed, NOISE_KEY_SIZE);
        /* Section 9.2: in a psk handshake e makes a key, too. */
        if (*token != NOISE_S && (*token != NOISE_E || handshake->psk_count != 0)) keyed = true;
    }
    return sealed_size(keyed, size);
}

/* Mixes a DH between the keys that a token names, initiator's first. False when it is all zeros. */
static bool mix_dh(struct noise_handshake *handshake, enum noise_token token) {
    const bool initiator_static = token == NOISE_SE || token == NOISE_SS;
    const bool responder_static = token == NOISE_ES || token == NOISE_SS;
    const bool own = handshake->initiator ? initiator_static : responder_static;
    const bool remote = handshake->initiator ? responder_static : initiator_static;
    CHECK(own ? handshake->has_static : handshake->has_ephemeral);
    CHECK(remote ? handshake->knows_static : handshake->knows_ephemeral);
    uint8_t shared[NOISE_KEY_SIZE];
    const bool usable =
        noise_dh(own ? handshake->own_static.secret : handshake->own_ephemeral.secret,
                 remote ? handshake->remote_static : handshake->remote_ephemeral, shared);
    if (usable) mix_key(&handshake->symmetric, shared);
    sodium_memzero(shared, sizeof shared);
    return usable;
}

/* An ephemeral key was sent or received. */
static void mix_ephemeral(struct noise_handshake *handshake, const uint8_t key[NOISE_KEY_SIZE]) {
    mix_hash(&handshake->symmetric, (struct bytes){key, NOISE_KEY_SIZE});
    if (handshake->psk_count != 0) mix_key(&handshake->symmetric, key);
}

/* The tokens that move no bytes. False when a DH is all zeros. */
static bool mix_token(struct noise_handshake *handshake, enum noise_token token) {
    if (token != NOISE_PSK) return mix_dh(handshake, token);
    CHECK(handshake->psk_next < handshake->psk_count);
    mix_key_and_hash(&handshake->symmetric, handshake->psks[handshake->psk_next++]);
    return true;
}

/* Ends a handshake that failed. */
static enum weft_status give_up(struct noise_handshake *handshake, enum weft_status status,
                                const char *wrong, struct weft_error *why) {
    const unsigned number = handshake->message + 1u;
    noise_wipe(handshake);
    return status_fail(why, status, 0,
                       "message %u of a handshake cannot be used: %s; the session is not begun, "
                       "and nothing of the message is kept",
                       number, wrong);
}

static const char low_order[] = "a key of the peer is one of the few that hide nothing";
static const char too_long[] = "it is longer than the room for it";
static const char not_whole[] = "it is not as long as such a message is";
static const char not_theirs[] =
    "who wrote it does not know the keys that it should, or it was changed on its way";

enum weft_status noise_write(struct noise_handshake *handshake, struct bytes payload, uint8_t *out,
                             size_t room, size_t *size, struct weft_error *why) {
    CHECK(handshake->turn == NOISE_WRITE);
    const size_t overhead = noise_overhead(handshake);
    *size = 0;
    if (room > NOISE_MESSAGE_MAX) room = NOISE_MESSAGE_MAX;
    if (overhead > room || payload.size > room - overhead)
        return give_up(handshake, WEFT_LIMIT, too_long, why);

    uint8_t *at = out;
    const uint8_t *token = handshake->pattern->messages[handshake->message];
    for (; *token != NOISE_END; token++) {
        if (*token == NOISE_E) {
            CHECK(handshake->has_ephemeral);
            memcpy(at, handshake->own_ephemeral.public, NOISE_KEY_SIZE);
            mix_ephemeral(handshake, at);
            at += NOISE_KEY_SIZE;
        } else if (*token == NOISE_S) {
            CHECK(handshake->has_static);
            const struct bytes key = {handshake->own_static.public, NOISE_KEY_SIZE};
            at = seal_and_hash(&handshake->symmetric, key, at);
        } else if (!mix_token(handshake, *token))
            return give_up(handshake, WEFT_PROTOCOL, low_order, why);
    }
    at = seal_and_hash(&handshake->symmetric, payload, at);
    *size = (size_t)(at - out);
    CHECK(*size == overhead + payload.size);
    handshake->message++;
    take_turn(handshake);
    return WEFT_OK;
}

enum weft_status noise_read(struct noise_handshake *handshake, struct bytes message, uint8_t *out,
                            size_t room, size_t *size, struct weft_error *why) {
    CHECK(handshake->turn == NOISE_READ);
    const size_t overhead = noise_overhead(handshake);
    *size = 0;
    if (message.size < overhead || message.size > NOISE_MESSAGE_MAX)
        return give_up(handshake, WEFT_PROTOCOL, not_whole, why);
    if (message.size - overhead > room) return give_up(handshake, WEFT_LIMIT, too_long, why);

    struct noise_symmetric *symmetric = &handshake->symmetric;
    const uint8_t *at = message.data;
    const uint8_t *token = handshake->pattern->messages[handshake->message];
    for (; *token != NOISE_END; token++) {
        if (*token == NOISE_E) {
            CHECK(!handshake->knows_ephemeral);
            memcpy(handshake->remote_ephemeral, at, NOISE_KEY_SIZE);
            handshake->knows_ephemeral = true;
            mix_ephemeral(handshake, at);
            at += NOISE_KEY_SIZE;
        } else if (*token == NOISE_S) {
            CHECK(!handshake->knows_static);
            const struct bytes key = {at, sealed_size(symmetric->cipher.keyed, NOISE_KEY_SIZE)};
            if (!open_and_hash(symmetric, key, handshake->remote_static))
                return give_up(handshake, WEFT_PROTOCOL, not_theirs, why);
            handshake->knows_static = true;
            at += key.size;
        } else if (!mix_token(handshake, *token))
            return give_up(handshake, WEFT_PROTOCOL, low_order, why);
    }
    const struct bytes payload = {at, message.size - (size_t)(at - message.data)};
    CHECK(payload.size == sealed_size(symmetric->cipher.keyed, message.size - overhead));
    if (!open_and_hash(symmetric, payload, out))
        return give_up(handshake, WEFT_PROTOCOL, not_theirs, why);
    *size = message.size - overhead;
    handshake->message++;
    take_turn(handshake);
    return WEFT_OK;
}

const uint8_t *noise_remote_static(const struct noise_handshake *handshake) {
    return handshake->knows_static ? handshake->remote_static : NULL;
}

void noise_split(struct noise_handshake *handshake, struct noise_cipher *send,
                 struct noise_cipher *receive) {
    CHECK(handshake->turn == NOISE_SPLIT);
    CHECK(handshake->psk_next == handshake->psk_count);
    uint8_t out[2][NOISE_HASH_SIZE];
    hkdf(handshake->symmetric.chain, (struct bytes){NULL, 0}, 2, out);
    cipher_key(handshake->initiator ? send : receive, out[0]);
    cipher_key(handshake->initiator ? receive : send, out[1]);
    sodium_memzero(out, sizeof out);

    struct noise_handshake kept = {.turn = NOISE_DONE, .knows_static = handshake->knows_static};
    memcpy(kept.symmetric.hash, handshake->symmetric.hash, NOISE_HASH_SIZE);
    memcpy(kept.remote_static, handshake->remote_static, NOISE_KEY_SIZE);
    noise_wipe(handshake);
    *handshake = kept;
}

const uint8_t *noise_hash(const struct noise_handshake *handshake) {
    CHECK(handshake->turn == NOISE_SPLIT || handshake->turn == NOISE_DONE);
    return handshake->symmetric.hash;
}
