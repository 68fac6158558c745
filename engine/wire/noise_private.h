/* The functions of section 4 below Noise's objects, where published vectors of the primitives meet
 * them. For noise.c and its tests. */
#ifndef WEFT_WIRE_NOISE_PRIVATE_H
#define WEFT_WIRE_NOISE_PRIVATE_H

#include "engine/wire/noise.h"

#define NOISE_NONCE_SIZE 12u

/* X25519; DH of Noise sections 4.1 and 12.1, RFC 7748 section 5. False when the result is all
 * zeros, which is refused as RFC 7748 section 6.1 allows; `shared` must then not be used. */
WEFT_MUST_USE bool noise_dh(const uint8_t secret[NOISE_KEY_SIZE],
                            const uint8_t public[NOISE_KEY_SIZE], uint8_t shared[NOISE_KEY_SIZE]);

/* ChaCha20-Poly1305 with any nonce; ENCRYPT and DECRYPT of Noise sections 4.2 and 12.3, RFC 8439
 * section 2.8. The output may be the input. noise_aead_open() is false when the tag is wrong. */
void noise_aead_seal(const uint8_t key[NOISE_KEY_SIZE], const uint8_t nonce[NOISE_NONCE_SIZE],
                     struct bytes ad, struct bytes plain, uint8_t *out);
WEFT_MUST_USE bool noise_aead_open(const uint8_t key[NOISE_KEY_SIZE],
                                   const uint8_t nonce[NOISE_NONCE_SIZE], struct bytes ad,
                                   struct bytes sealed, uint8_t *out);

#endif
