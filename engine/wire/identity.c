/* Who a device is, on libsodium.
 *
 *     sealed = ephemeral pk 32 | ciphertext 32 | tag 16
 *     nonce  = zero: the key of a seal serves once, because the ephemeral key does
 *
 * Invariants
 *   1. Secrets and what leads to them are wiped from the stack before a function returns.
 *   2. A key that a peer made up is never a reason to stop, and nothing is sealed to one of small
 *      order, for which everybody knows the shared secret (RFC 7748, section 6.1).
 * Not here: where the secret is kept (store/keyfile.h), and who is a member. */
#include "engine/wire/identity.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/wire/sign.h"

#define CERT_CONTEXT "weft/cert"
#define PSK_CONTEXT "weft/psk"
#define SEAL_CONTEXT "weft/seal"

#define SEED 32u

_Static_assert(IDENTITY_KEY == SIGN_PUBLIC_SIZE, "signing keys");
_Static_assert(IDENTITY_CERT == SIGN_SIZE, "signatures");
_Static_assert(SEED == crypto_sign_ed25519_SEEDBYTES, "seeds");
_Static_assert(IDENTITY_KEY == crypto_scalarmult_curve25519_BYTES, "points");
_Static_assert(IDENTITY_KEY == crypto_scalarmult_curve25519_SCALARBYTES, "scalars");
_Static_assert(IDENTITY_SECRET == SEED + IDENTITY_KEY, "the secret is a seed and a scalar");
_Static_assert(LIBRARY_KEY_SEALED ==
                   IDENTITY_KEY + LIBRARY_KEY + crypto_aead_chacha20poly1305_ietf_ABYTES,
               "seals");

/* BLAKE2b of the parts, one after the other. */
static void digest(const struct bytes *parts, unsigned count, uint8_t *out, size_t size) {
    crypto_generichash_blake2b_state state;
    CHECK(crypto_generichash_blake2b_init(&state, NULL, 0, size) == 0);
    for (unsigned i = 0; i < count; i++) {
        CHECK(crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].size) == 0);
    }
    CHECK(crypto_generichash_blake2b_final(&state, out, size) == 0);
    sodium_memzero(&state, sizeof state);
}

static struct bytes text_bytes(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* ---- devices ---- */

struct id identity_device(const uint8_t id_pk[IDENTITY_KEY]) {
    CHECK(id_pk != NULL);
    struct id device;
    digest(&(struct bytes){id_pk, IDENTITY_KEY}, 1, device.bytes, sizeof device.bytes);
    return device;
}

#define CERT_PARTS 4u

/* What a certificate signs after its context; `number` is where the incarnation is written. */
static void cert_parts(const struct id *library, const struct identity_public *device,
                       uint64_t incarnation, uint8_t number[8], struct bytes parts[CERT_PARTS]) {
    CHECK(library != NULL);
    CHECK(device != NULL);
    store_u64(number, incarnation);
    parts[0] = (struct bytes){library->bytes, sizeof library->bytes};
    parts[1] = (struct bytes){device->id_pk, IDENTITY_KEY};
    parts[2] = (struct bytes){device->x_pk, IDENTITY_KEY};
    parts[3] = (struct bytes){number, 8};
}

void identity_make(struct identity *out, const uint8_t secret[IDENTITY_SECRET],
                   const struct id *library, uint64_t incarnation) {
    CHECK(out != NULL);
    CHECK(secret != NULL && library != NULL);
    memset(out, 0, sizeof *out);
    CHECK(crypto_sign_ed25519_seed_keypair(out->public.id_pk, out->id_sk, secret) == 0);
    memcpy(out->x_sk, secret + SEED, sizeof out->x_sk);
    CHECK(crypto_scalarmult_curve25519_base(out->public.x_pk, out->x_sk) == 0);
    out->device = identity_device(out->public.id_pk);
    out->library = *library;
    out->incarnation = incarnation;
    uint8_t number[8];
    struct bytes parts[CERT_PARTS];
    cert_parts(library, &out->public, incarnation, number, parts);
    sign_make(CERT_CONTEXT, parts, CERT_PARTS, out->id_sk, out->cert);
}

void identity_wipe(struct identity *identity) {
    CHECK(identity != NULL);
    sodium_memzero(identity, sizeof *identity);
}

bool identity_certified(const uint8_t cert[IDENTITY_CERT], const struct id *library,
                        const struct identity_public *device, uint64_t incarnation) {
    CHECK(cert != NULL);
    uint8_t number[8];
    struct bytes parts[CERT_PARTS];
    cert_parts(library, device, incarnation, number, parts);
    return sign_check(CERT_CONTEXT, parts, CERT_PARTS, device->id_pk, cert);
}

/* ---- library keys ---- */

void identity_psk_id(const struct id *library, const uint8_t psk[LIBRARY_KEY],
                     uint8_t out[LIBRARY_KEY_ID]) {
    CHECK(library != NULL);
    CHECK(psk != NULL && out != NULL);
    const struct bytes parts[] = {
        text_bytes(PSK_CONTEXT), {library->bytes, sizeof library->bytes}, {psk, LIBRARY_KEY}};
    digest(parts, 3, out, LIBRARY_KEY_ID);
}

/* The key of one seal. False if one of the public keys is of small order. */
static bool seal_key(const uint8_t x_sk[IDENTITY_KEY], const uint8_t remote[IDENTITY_KEY],
                     const uint8_t ephemeral_pk[IDENTITY_KEY], const uint8_t x_pk[IDENTITY_KEY],
                     uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES]) {
    uint8_t shared[IDENTITY_KEY];
    if (crypto_scalarmult_curve25519(shared, x_sk, remote) != 0) return false;
    const struct bytes parts[] = {text_bytes(SEAL_CONTEXT),
                                  {ephemeral_pk, IDENTITY_KEY},
                                  {x_pk, IDENTITY_KEY},
                                  {shared, sizeof shared}};
    digest(parts, 4, key, crypto_aead_chacha20poly1305_ietf_KEYBYTES);
    sodium_memzero(shared, sizeof shared);
    return true;
}

static const uint8_t seal_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

void identity_seal(const uint8_t key[LIBRARY_KEY], const uint8_t x_pk[IDENTITY_KEY],
                   const uint8_t ephemeral[32], uint8_t out[LIBRARY_KEY_SEALED]) {
    CHECK(key != NULL && x_pk != NULL);
    CHECK(ephemeral != NULL && out != NULL);
    uint8_t once[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
    CHECK(crypto_scalarmult_curve25519_base(out, ephemeral) == 0);
    if (!seal_key(ephemeral, x_pk, out, x_pk, once)) {
        /* Invariant 2: zeros are a seal that nobody opens. */
        memset(out, 0, LIBRARY_KEY_SEALED);
        return;
    }
    CHECK(crypto_aead_chacha20poly1305_ietf_encrypt(out + IDENTITY_KEY, NULL, key, LIBRARY_KEY,
                                                    NULL, 0, NULL, seal_nonce, once) == 0);
    sodium_memzero(once, sizeof once);
}

bool identity_unseal(const struct identity *identity, const uint8_t sealed[LIBRARY_KEY_SEALED],
                     uint8_t out[LIBRARY_KEY]) {
    CHECK(identity != NULL);
    CHECK(sealed != NULL && out != NULL);
    uint8_t once[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
    sodium_memzero(out, LIBRARY_KEY);
    if (!seal_key(identity->x_sk, sealed, sealed, identity->public.x_pk, once)) return false;
    const int code = crypto_aead_chacha20poly1305_ietf_decrypt(
        out, NULL, NULL, sealed + IDENTITY_KEY, LIBRARY_KEY_SEALED - IDENTITY_KEY, NULL, 0,
        seal_nonce, once);
    sodium_memzero(once, sizeof once);
    return code == 0;
}
