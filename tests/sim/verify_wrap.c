/* libsodium's check of a signature as the engine's objects call it, in programs that are linked
 * with --wrap. In a world all devices check the same signatures, and each again whenever it is
 * opened: one that was found good is told by its hash, at a fiftieth of the price.
 *
 * Invariant: the answer is libsodium's; a place in the table only says that it was 0 before.
 * Deliberately not here: signatures that are not good. They are few, and are checked each time. */
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#define PLACES 4096u

int __real_crypto_sign_ed25519_verify_detached(const unsigned char *signature,
                                               const unsigned char *message,
                                               unsigned long long size, const unsigned char *key);
int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char *signature,
                                               const unsigned char *message,
                                               unsigned long long size, const unsigned char *key);

/* Of what was found good; a newer one takes the place of an older. */
static uint8_t good[PLACES][crypto_generichash_BYTES];

int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char *signature,
                                               const unsigned char *message,
                                               unsigned long long size, const unsigned char *key) {
    crypto_generichash_state state;
    uint8_t hash[crypto_generichash_BYTES];
    uint16_t place;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    (void)crypto_generichash_update(&state, key, crypto_sign_ed25519_PUBLICKEYBYTES);
    (void)crypto_generichash_update(&state, signature, crypto_sign_ed25519_BYTES);
    (void)crypto_generichash_update(&state, message, size);
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(&place, hash, sizeof place);
    uint8_t *known = good[place % PLACES];
    if (memcmp(known, hash, sizeof hash) == 0) return 0;
    const int code = __real_crypto_sign_ed25519_verify_detached(signature, message, size, key);
    if (code == 0) memcpy(known, hash, sizeof hash);
    return code;
}
