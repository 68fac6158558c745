/* Ed25519 without a context, where published vectors meet it. For sign.c and its tests: every
 * signature of weft has a context. */
#ifndef WEFT_WIRE_SIGN_PRIVATE_H
#define WEFT_WIRE_SIGN_PRIVATE_H

#include "engine/wire/sign.h"

/* Whether `signature` is one of exactly `message` by the holder of `public`. */
WEFT_MUST_USE bool sign_check_plain(struct bytes message, const uint8_t public[SIGN_PUBLIC_SIZE],
                                    const uint8_t signature[SIGN_SIZE]);

#endif
