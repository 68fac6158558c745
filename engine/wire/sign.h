/* Signatures, each with a context: what was signed as one thing never passes for another.
 *
 *      signed bytes = context | 00 | part 1 | part 2 | ...
 *
 * Source: Ed25519 (RFC 8032, section 5.1), as libsodium checks it. Thread: any. */
#ifndef WEFT_WIRE_SIGN_H
#define WEFT_WIRE_SIGN_H

#include "engine/base/bytes.h"
#include "engine/weft.h"

#define SIGN_SECRET_SIZE 64u /* seed and public key, as libsodium keeps them */
#define SIGN_PUBLIC_SIZE 32u
#define SIGN_SIZE 64u
#define SIGN_MESSAGE_MAX 1024u /* context and parts; of what is larger, sign a hash */

/* Signs the parts under a context such as "weft/cert". The parts follow each other without their
 * lengths, so only the last one may vary in size unless another part says how long they are.
 * More than SIGN_MESSAGE_MAX bytes are a bug of the caller. The key is the caller's. */
void sign_make(const char *context, const struct bytes *parts, unsigned count,
               const uint8_t secret[SIGN_SECRET_SIZE], uint8_t signature[SIGN_SIZE]);

/* Whether `signature` is one of these parts, under this context, by the holder of `public`. Keys of
 * small order or not in canonical form, S that is not reduced, R of small order, and more than
 * SIGN_MESSAGE_MAX bytes are refused. */
WEFT_MUST_USE bool sign_check(const char *context, const struct bytes *parts, unsigned count,
                              const uint8_t public[SIGN_PUBLIC_SIZE],
                              const uint8_t signature[SIGN_SIZE]);

#endif
