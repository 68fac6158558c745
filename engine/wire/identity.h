/* Who a device is: a pair of keys that signs, a pair that exchanges, and a certificate that ties
 * the second to the first for one library and one incarnation.
 *
 *   seed 32 ──► Ed25519 id_sk, id_pk ──BLAKE2b-128──► device id
 *   x_sk 32 ──► X25519 x_pk ───────────┐
 *   cert = Sign(id_sk, "weft/cert\0" ‖ library ‖ id_pk ‖ x_pk ‖ incarnation)
 *
 * Sources: RFC 8032 (Ed25519), RFC 7748 (X25519), RFC 7693 (BLAKE2). Every signature has a context
 * of its own (sign.h), so that what is signed for one purpose serves no other. */
#ifndef WEFT_WIRE_IDENTITY_H
#define WEFT_WIRE_IDENTITY_H

#include "engine/base/bytes.h"
#include "engine/weft.h"

#define IDENTITY_KEY 32u
#define IDENTITY_CERT 64u
#define IDENTITY_SECRET 64u /* what is kept in the key file: seed, then x_sk */

/* What others may know of a device. */
struct identity_public {
    uint8_t id_pk[IDENTITY_KEY];
    uint8_t x_pk[IDENTITY_KEY];
};

/* A device's own keys. Holds secrets: identity_wipe() when done. */
struct identity {
    uint8_t id_sk[64]; /* libsodium's form: seed, then id_pk */
    uint8_t x_sk[IDENTITY_KEY];
    struct identity_public public;
    struct id device;
    struct id library;
    uint64_t incarnation;
    uint8_t cert[IDENTITY_CERT];
};

/* The device id of a signing key: BLAKE2b-128 of it. */
struct id identity_device(const uint8_t id_pk[IDENTITY_KEY]);
/* Derives all of `out` from the secret, and certifies it for a library and an incarnation. */
void identity_make(struct identity *out, const uint8_t secret[IDENTITY_SECRET],
                   const struct id *library, uint64_t incarnation);
void identity_wipe(struct identity *identity);
/* Whether a certificate holds. */
bool identity_certified(const uint8_t cert[IDENTITY_CERT], const struct id *library,
                        const struct identity_public *device, uint64_t incarnation);

/* ---- library keys ---- */

#define LIBRARY_KEY 32u
#define LIBRARY_KEY_ID 8u
#define LIBRARY_KEY_SEALED 80u /* ephemeral key 32, key 32, tag 16 */

/* What a session's header calls a pre-shared key: BLAKE2b-64 of "weft/psk" ‖ library ‖ key. */
void identity_psk_id(const struct id *library, const uint8_t psk[LIBRARY_KEY],
                     uint8_t out[LIBRARY_KEY_ID]);
/* Seals a library key to one device: X25519 with a fresh key made from `ephemeral` (32 bytes of
 * entropy), then ChaCha20-Poly1305 (RFC 8439) under BLAKE2b-256("weft/seal" ‖ ephemeral pk ‖ x_pk
 * ‖ shared secret); ephemeral pk 32 | ciphertext 32 | tag 16. */
void identity_seal(const uint8_t key[LIBRARY_KEY], const uint8_t x_pk[IDENTITY_KEY],
                   const uint8_t ephemeral[32], uint8_t out[LIBRARY_KEY_SEALED]);
/* Opens it; false when it is not for this device, or is damaged. */
bool identity_unseal(const struct identity *identity, const uint8_t sealed[LIBRARY_KEY_SEALED],
                     uint8_t out[LIBRARY_KEY]);

#endif
