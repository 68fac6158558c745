/* Project Wycheproof's vectors, each through the function of ours that the engine calls; and that
 * a signature holds for its context, parts and key only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/wire/noise_private.h"
#include "engine/wire/sign_private.h"
#include "tests/lib/noise_vectors.h"

static bool is(struct vectors *vectors, const char *key, const char *value) {
    return strcmp(vectors_text(vectors, key), value) == 0;
}

static bool flagged(struct vectors *vectors, const char *flag) {
    return strstr(vectors_text(vectors, "flags"), flag) != NULL;
}

/* ---- X25519 ---------------------------------------------------------------------------------- */

/* Wycheproof calls 254 results "acceptable": a library may compute or refuse them. Ours refuses
 * the 31 whose shared secret is all zeros (every key of low order, canonical or not) and computes
 * the others as RFC 7748 section 5 says: keys on the twist, and 13 that are not canonical, of which
 * 9 have the top bit set, which does not count, and 5 are not below the prime (one is both). In
 * Noise neither is a weakness: the key is hashed as it was sent. */
static void x25519_agrees_with_every_vector(void **state) {
    (void)state;
    struct vectors vectors;
    unsigned valid = 0, acceptable_computed = 0, refused = 0;
    vectors_open(&vectors, "wycheproof_x25519.txt");
    while (vectors_next(&vectors)) {
        const uint8_t *secret = vectors_sized(&vectors, "private", 0, NOISE_KEY_SIZE);
        const uint8_t *public = vectors_sized(&vectors, "public", 0, NOISE_KEY_SIZE);
        const uint8_t *expected = vectors_sized(&vectors, "shared", 0, NOISE_KEY_SIZE);
        uint8_t shared[NOISE_KEY_SIZE];
        const bool computed = noise_dh(secret, public, shared);
        if (computed == flagged(&vectors, "ZeroSharedSecret"))
            fail_msg("vector %s was %s", vectors_text(&vectors, "id"),
                     computed ? "computed" : "refused");
        if (computed) assert_memory_equal(shared, expected, NOISE_KEY_SIZE);
        if (is(&vectors, "result", "valid")) {
            assert_true(computed);
            valid++;
        } else {
            assert_true(is(&vectors, "result", "acceptable"));
            acceptable_computed += computed;
            refused += !computed;
        }
    }
    vectors_close(&vectors);
    print_message("X25519: %u valid, %u acceptable and computed, %u acceptable and refused\n",
                  valid, acceptable_computed, refused);
    assert_int_equal(valid, 264);
    assert_int_equal(acceptable_computed, 223);
    assert_int_equal(refused, 31);
}

/* ---- ChaCha20-Poly1305 ----------------------------------------------------------------------- */

struct aead {
    const uint8_t *key, *nonce;
    struct bytes ad, plain, sealed; /* sealed: text and tag */
};

/* The vector as it goes through the functions; `sealed` is the caller's to free. */
static struct aead aead_of(struct vectors *vectors) {
    struct aead aead = {.key = vectors_sized(vectors, "key", 0, NOISE_KEY_SIZE),
                        .nonce = vectors_sized(vectors, "iv", 0, NOISE_NONCE_SIZE),
                        .ad = vectors_bytes(vectors, "aad", 0),
                        .plain = vectors_bytes(vectors, "msg", 0)};
    const struct bytes text = vectors_bytes(vectors, "ct", 0);
    const uint8_t *tag = vectors_sized(vectors, "tag", 0, NOISE_TAG_SIZE);
    uint8_t *sealed = malloc(text.size + NOISE_TAG_SIZE);
    assert_non_null(sealed);
    memcpy(sealed, text.data, text.size);
    memcpy(sealed + text.size, tag, NOISE_TAG_SIZE);
    aead.sealed = (struct bytes){sealed, text.size + NOISE_TAG_SIZE};
    return aead;
}

static void seal_and_open(const struct aead *aead, bool valid) {
    uint8_t *out = malloc(aead->sealed.size);
    assert_non_null(out);
    noise_aead_seal(aead->key, aead->nonce, aead->ad, aead->plain, out);
    assert_int_equal(memcmp(out, aead->sealed.data, aead->sealed.size) == 0, valid);
    memcpy(out, aead->sealed.data, aead->sealed.size);
    const struct bytes in_place = {out, aead->sealed.size};
    assert_int_equal(noise_aead_open(aead->key, aead->nonce, aead->ad, in_place, out), valid);
    if (valid) assert_memory_equal(out, aead->plain.data, aead->plain.size);
    free(out);
}

/* The same through a cipher, whose nonces begin with four zeros. */
static void seal_and_open_as_records(const struct aead *aead, bool valid) {
    struct noise_cipher cipher = {.nonce = load_u64(aead->nonce + 4), .keyed = true};
    memcpy(cipher.key, aead->key, NOISE_KEY_SIZE);
    struct noise_cipher opener = cipher;
    uint8_t *out = malloc(aead->sealed.size);
    assert_non_null(out);
    assert_int_equal(noise_cipher_seal(&cipher, aead->ad, aead->plain, out, NULL), WEFT_OK);
    assert_int_equal(memcmp(out, aead->sealed.data, aead->sealed.size) == 0, valid);
    assert_int_equal(noise_cipher_open(&opener, aead->ad, aead->sealed, out, NULL),
                     valid ? WEFT_OK : WEFT_PROTOCOL);
    if (valid) assert_memory_equal(out, aead->plain.data, aead->plain.size);
    free(out);
}

static void chacha20_poly1305_agrees_with_every_vector(void **state) {
    (void)state;
    struct vectors vectors;
    unsigned valid = 0, invalid = 0, records = 0, no_nonces = 0;
    static const uint8_t zeros[4];
    vectors_open(&vectors, "wycheproof_chacha20_poly1305.txt");
    while (vectors_next(&vectors)) {
        if (flagged(&vectors, "InvalidNonceSize")) {
            /* Our functions take arrays of 12 bytes: such a call cannot be written. */
            assert_int_not_equal(vectors_bytes(&vectors, "iv", 0).size, NOISE_NONCE_SIZE);
            no_nonces++;
            continue;
        }
        const struct aead aead = aead_of(&vectors);
        const bool good = is(&vectors, "result", "valid");
        seal_and_open(&aead, good);
        if (memcmp(aead.nonce, zeros, sizeof zeros) == 0) {
            seal_and_open_as_records(&aead, good);
            records++;
        }
        free((void *)aead.sealed.data);
        valid += good;
        invalid += !good;
    }
    vectors_close(&vectors);
    print_message("ChaCha20-Poly1305: %u valid, %u invalid (%u as records), %u no nonces\n", valid,
                  invalid, records, no_nonces);
    assert_int_equal(valid, 256);
    assert_int_equal(invalid, 60);
    assert_int_equal(records, 10);
    assert_int_equal(no_nonces, 9);
}

/* ---- Ed25519 --------------------------------------------------------------------------------- */

static void ed25519_agrees_with_every_vector(void **state) {
    (void)state;
    struct vectors vectors;
    unsigned valid = 0, invalid = 0, no_signatures = 0;
    vectors_open(&vectors, "wycheproof_ed25519.txt");
    while (vectors_next(&vectors)) {
        const bool good = is(&vectors, "result", "valid");
        const uint8_t *public = vectors_sized(&vectors, "public", 0, SIGN_PUBLIC_SIZE);
        const struct bytes message = vectors_bytes(&vectors, "msg", 0);
        const struct bytes signature = vectors_bytes(&vectors, "sig", 0);
        if (signature.size != SIGN_SIZE) {
            /* Our functions take arrays of 64 bytes: such a call cannot be written. */
            assert_false(good);
            no_signatures++;
            continue;
        }
        if (sign_check_plain(message, public, signature.data) != good)
            fail_msg("vector %s was %s", vectors_text(&vectors, "id"),
                     good ? "refused" : "accepted");
        valid += good;
        invalid += !good;
    }
    vectors_close(&vectors);
    print_message("Ed25519: %u valid, %u invalid, %u no signatures\n", valid, invalid,
                  no_signatures);
    assert_int_equal(valid, 88);
    assert_int_equal(invalid, 51);
    assert_int_equal(no_signatures, 12);
}

/* ---- signatures with a context --------------------------------------------------------------- */

struct signer {
    uint8_t public[SIGN_PUBLIC_SIZE], secret[SIGN_SECRET_SIZE], signature[SIGN_SIZE];
};

static const struct bytes parts[] = {{(const uint8_t *)"library", 7}, {(const uint8_t *)"key", 3}};

static void sign(struct signer *signer, const char *context) {
    static const uint8_t seed[crypto_sign_ed25519_SEEDBYTES] = {1};
    assert_int_equal(crypto_sign_ed25519_seed_keypair(signer->public, signer->secret, seed), 0);
    sign_make(context, parts, 2, signer->secret, signer->signature);
    assert_true(sign_check(context, parts, 2, signer->public, signer->signature));
}

static void a_signature_is_over_the_context_its_zero_and_the_parts(void **state) {
    (void)state;
    struct signer signer;
    static const char message[] = "weft/cert\0librarykey";
    sign(&signer, "weft/cert");
    const struct bytes whole = {(const uint8_t *)message, sizeof message - 1};
    assert_true(sign_check_plain(whole, signer.public, signer.signature));
}

static void a_signature_holds_for_its_context_parts_and_key_only(void **state) {
    (void)state;
    struct signer signer, other;
    sign(&signer, "weft/cert");
    assert_false(sign_check("weft/hello", parts, 2, signer.public, signer.signature));
    assert_false(sign_check("weft/cer", parts, 2, signer.public, signer.signature));
    /* The zero after the context cannot be moved into the parts, nor the reverse. */
    assert_false(sign_check("weft/certlibrary", parts + 1, 1, signer.public, signer.signature));
    assert_false(sign_check("weft/cert", parts, 1, signer.public, signer.signature));
    assert_false(sign_check("weft/cert", parts + 1, 1, signer.public, signer.signature));
    assert_false(sign_check("weft/cert", NULL, 0, signer.public, signer.signature));
    other = signer;
    other.public[0] ^= 1;
    assert_false(sign_check("weft/cert", parts, 2, other.public, signer.signature));
    for (unsigned bit = 0; bit < 8 * SIGN_SIZE; bit++) {
        other.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(sign_check("weft/cert", parts, 2, signer.public, other.signature));
        other.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* With a key of order 1 or 2 and S = 0, R = A would pass the equation for many messages. */
static void a_key_of_small_order_signs_nothing(void **state) {
    (void)state;
    static const uint8_t one[SIGN_PUBLIC_SIZE] = {1}, zero[SIGN_PUBLIC_SIZE] = {0};
    uint8_t minus_one[SIGN_PUBLIC_SIZE];
    memset(minus_one, 0xff, sizeof minus_one);
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    const uint8_t *keys[] = {one, zero, minus_one};
    for (unsigned key = 0; key < 3; key++)
        for (unsigned r = 0; r < 3; r++) {
            uint8_t signature[SIGN_SIZE] = {0};
            memcpy(signature, keys[r], SIGN_PUBLIC_SIZE);
            assert_false(sign_check("weft/cert", parts, 2, keys[key], signature));
        }
}

/* S and S + L satisfy the same equation; only the lesser is a signature (RFC 8032, 5.1.7). */
static void a_signature_has_one_form(void **state) {
    (void)state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                      0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                      0,    0,    0,    0,    0,    0,    0,    0,
                                      0,    0,    0,    0,    0,    0,    0,    0x10};
    struct signer signer;
    sign(&signer, "weft/cert");
    unsigned carry = 0;
    for (unsigned i = 0; i < 32; i++) {
        carry += (unsigned)signer.signature[32 + i] + order[i];
        signer.signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(sign_check("weft/cert", parts, 2, signer.public, signer.signature));
}

static void a_message_too_long_to_be_signed_is_refused(void **state) {
    (void)state;
    struct signer signer;
    uint8_t room[SIGN_MESSAGE_MAX] = {0};
    sign(&signer, "weft/cert");
    struct bytes part = {room, SIGN_MESSAGE_MAX - sizeof "weft/cert"};
    sign_make("weft/cert", &part, 1, signer.secret, signer.signature);
    assert_true(sign_check("weft/cert", &part, 1, signer.public, signer.signature));
    part.size++;
    assert_false(sign_check("weft/cert", &part, 1, signer.public, signer.signature));
    part.size = SIZE_MAX;
    assert_false(sign_check("weft/cert", &part, 1, signer.public, signer.signature));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_agrees_with_every_vector),
        cmocka_unit_test(chacha20_poly1305_agrees_with_every_vector),
        cmocka_unit_test(ed25519_agrees_with_every_vector),
        cmocka_unit_test(a_signature_is_over_the_context_its_zero_and_the_parts),
        cmocka_unit_test(a_signature_holds_for_its_context_parts_and_key_only),
        cmocka_unit_test(a_key_of_small_order_signs_nothing),
        cmocka_unit_test(a_signature_has_one_form),
        cmocka_unit_test(a_message_too_long_to_be_signed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
