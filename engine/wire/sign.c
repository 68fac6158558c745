/* Signatures with a context, on libsodium's Ed25519.
 *
 * Invariants
 *   1. Nothing is signed without a context, and the context ends with its zero byte, so that none
 * is the beginning of another.
 *   2. What a peer sent is refused, never a reason to stop.
 * Not here: where keys are kept, and what the parts of each context are. */
#include "engine/wire/sign.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/wire/sign_private.h"

_Static_assert(SIGN_SECRET_SIZE == crypto_sign_ed25519_SECRETKEYBYTES, "secret key");
_Static_assert(SIGN_PUBLIC_SIZE == crypto_sign_ed25519_PUBLICKEYBYTES, "public key");
_Static_assert(SIGN_SIZE == crypto_sign_ed25519_BYTES, "signature");

/* Ed25519 reads its message twice, so the parts are laid out in a row. False if they are too long.
 */
static bool lay_out(const char *context, const struct bytes *parts, unsigned count,
                    uint8_t out[SIGN_MESSAGE_MAX], size_t *size) {
    const size_t context_size = strlen(context) + 1;
    CHECK(context_size > 1 && context_size <= SIGN_MESSAGE_MAX);
    memcpy(out, context, context_size);
    *size = context_size;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size == 0) continue;
        if (parts[i].size > SIGN_MESSAGE_MAX - *size) return false;
        memcpy(out + *size, parts[i].data, parts[i].size);
        *size += parts[i].size;
    }
    return true;
}

void sign_make(const char *context, const struct bytes *parts, unsigned count,
               const uint8_t secret[SIGN_SECRET_SIZE], uint8_t signature[SIGN_SIZE]) {
    uint8_t message[SIGN_MESSAGE_MAX];
    size_t size;
    const bool fits = lay_out(context, parts, count, message, &size);
    CHECK(fits);
    const int code = crypto_sign_ed25519_detached(signature, NULL, message, size, secret);
    CHECK(code == 0);
}

bool sign_check(const char *context, const struct bytes *parts, unsigned count,
                const uint8_t public[SIGN_PUBLIC_SIZE], const uint8_t signature[SIGN_SIZE]) {
    uint8_t message[SIGN_MESSAGE_MAX];
    size_t size;
    if (!lay_out(context, parts, count, message, &size)) return false;
    return sign_check_plain((struct bytes){message, size}, public, signature);
}

bool sign_check_plain(struct bytes message, const uint8_t public[SIGN_PUBLIC_SIZE],
                      const uint8_t signature[SIGN_SIZE]) {
    return crypto_sign_ed25519_verify_detached(signature, message.data, message.size, public) == 0;
}
