/* libsodium's signatures as the engine's objects call them, in programs that are linked with
 * --wrap. In a world all devices check the same signatures, and each again whenever it is opened:
 * one that libsodium has made here, or has found good, is told by its hash, at a fiftieth of the
 * price of checking it.
 *
 * Invariant: the answer is libsodium's; a place in the table says that it made this signature with
 * the secret key of that public one, or that it took it for good before.
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
int __real_crypto_sign_ed25519_detached(unsigned char *signature, unsigned long long *length,
                                        const unsigned char *message, unsigned long long size,
                                        const unsigned char *secret);
int __wrap_crypto_sign_ed25519_detached(unsigned char *signature, unsigned long long *length,
                                        const unsigned char *message, unsigned long long size,
                                        const unsigned char *secret);

/* Of what is good; a newer one takes the place of an older. */
static uint8_t good[PLACES][crypto_generichash_BYTES];

/* The place of a signature, and what stands there if it is known to be good. */
static uint8_t *place_of(const unsigned char *signature, const unsigned char *message,
                         unsigned long long size, const unsigned char *key,
                         uint8_t hash[crypto_generichash_BYTES]) {
    crypto_generichash_state state;
    uint16_t place;
    (void)crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES);
    (void)crypto_generichash_update(&state, key, crypto_sign_ed25519_PUBLICKEYBYTES);
    (void)crypto_generichash_update(&state, signature, crypto_sign_ed25519_BYTES);
    (void)crypto_generichash_update(&state, message, size);
    (void)crypto_generichash_final(&state, hash, crypto_generichash_BYTES);
    memcpy(&place, hash, sizeof place);
    return good[place % PLACES];
}

int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char *signature,
                                               const unsigned char *message,
                                               unsigned long long size, const unsigned char *key) {
    uint8_t hash[crypto_generichash_BYTES];
    uint8_t *known = place_of(signature, message, size, key, hash);
    if (memcmp(known, hash, sizeof hash) == 0) return 0;
    const int code = __real_crypto_sign_ed25519_verify_detached(signature, message, size, key);
    if (code == 0) memcpy(known, hash, sizeof hash);
    return code;
}

int __wrap_crypto_sign_ed25519_detached(unsigned char *signature, unsigned long long *length,
                                        const unsigned char *message, unsigned long long size,
                                        const unsigned char *secret) {
    uint8_t hash[crypto_generichash_BYTES];
    const int code = __real_crypto_sign_ed25519_detached(signature, length, message, size, secret);
    const unsigned char *key = secret + crypto_sign_ed25519_SEEDBYTES; /* the public one */
    if (code == 0) memcpy(place_of(signature, message, size, key, hash), hash, sizeof hash);
    return code;
}
