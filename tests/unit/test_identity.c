/* Devices' keys, certificates and sealed library keys. The numbers were computed by another
 * implementation of the same primitives, from the keys of RFC 8032 (section 7.1, test 1) and RFC
 * 7748 (section 6.1: Alice's key is the device's, Bob's the ephemeral one). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/wire/identity.h"
#include "engine/wire/sign.h"

static const char secret_hex[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
                                 "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
static const char ephemeral_hex[] =
    "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";

#define INCARNATION UINT64_C(0x0102030405060708)

struct scene {
    struct id library;
    struct identity own, other;
    uint8_t key[LIBRARY_KEY], ephemeral[32], sealed[LIBRARY_KEY_SEALED];
};

static void read_hex(const char *text, uint8_t *out, size_t size) {
    size_t count = 0;
    assert_int_equal(sodium_hex2bin(out, size, text, strlen(text), NULL, &count, NULL), 0);
    assert_int_equal(count, size);
}

static void assert_hex(const uint8_t *data, size_t size, const char *expected) {
    char text[257];
    assert_in_range(size, 1, 128);
    assert_string_equal(sodium_bin2hex(text, sizeof text, data, size), expected);
}

static int open_scene(void **state) {
    static struct scene scene;
    uint8_t secret[IDENTITY_SECRET];
    memset(&scene, 0, sizeof scene);
    for (unsigned i = 0; i < 16; i++)
        scene.library.bytes[i] = (uint8_t)(0xa0 + i);
    memset(scene.key, 0x42, sizeof scene.key);
    read_hex(ephemeral_hex, scene.ephemeral, sizeof scene.ephemeral);
    read_hex(secret_hex, secret, sizeof secret);
    identity_make(&scene.own, secret, &scene.library, INCARNATION);
    memset(secret, 7, sizeof secret);
    identity_make(&scene.other, secret, &scene.library, INCARNATION);
    identity_seal(scene.key, scene.own.public.x_pk, scene.ephemeral, scene.sealed);
    *state = &scene;
    return 0;
}

static bool certified(const struct identity *identity) {
    return identity_certified(identity->cert, &identity->library, &identity->public,
                              identity->incarnation);
}

/* ---- devices ---- */

static void keys_id_and_certificate_follow_from_the_secret(void **state) {
    const struct scene *scene = *state;
    const struct identity *own = &scene->own;
    assert_hex(own->public.id_pk, 32,
               "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_hex(own->public.x_pk, 32,
               "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_hex(own->device.bytes, 16, "d7108b422f25cc5edb865cc4ae184f55");
    assert_hex(own->cert, 64,
               "fddce6322d34582b0f0122a8405620f1f5dc3230c69a435f1f97c1acecf591a0"
               "13c12fc4abcaf1337c15df487cc0c8629070f869693c9334a9f8694b9e1eb405");
    assert_memory_equal(own->library.bytes, scene->library.bytes, 16);
    assert_true(own->incarnation == INCARNATION);
    assert_false(id_equal(&own->device, &scene->other.device));
}

static void a_certificate_holds_for_what_it_names_and_nothing_else(void **state) {
    const struct scene *scene = *state;
    struct identity changed;
    assert_true(certified(&scene->own));
    assert_true(certified(&scene->other));

    changed = scene->own;
    changed.library.bytes[15] ^= 1;
    assert_false(certified(&changed));
    changed = scene->own;
    changed.incarnation++;
    assert_false(certified(&changed));
    changed = scene->own;
    changed.public.x_pk[0] ^= 1;
    assert_false(certified(&changed));
    changed = scene->own;
    memcpy(changed.public.id_pk, scene->other.public.id_pk, IDENTITY_KEY);
    assert_false(certified(&changed));
}

static void every_damaged_bit_of_a_certificate_is_noticed(void **state) {
    const struct scene *scene = *state;
    for (unsigned bit = 0; bit < 8 * IDENTITY_CERT; bit++) {
        struct identity changed = scene->own;
        changed.cert[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (certified(&changed)) fail_msg("bit %u", bit);
    }
}

static void what_was_signed_as_something_else_is_no_certificate(void **state) {
    const struct scene *scene = *state;
    struct identity changed = scene->own;
    uint8_t number[8];
    store_u64(number, INCARNATION);
    const struct bytes parts[] = {{changed.library.bytes, 16},
                                  {changed.public.id_pk, IDENTITY_KEY},
                                  {changed.public.x_pk, IDENTITY_KEY},
                                  {number, sizeof number}};
    sign_make("weft/cert", parts, 4, changed.id_sk, changed.cert);
    assert_true(certified(&changed));
    sign_make("weft/hello", parts, 4, changed.id_sk, changed.cert);
    assert_false(certified(&changed));
}

static void nothing_is_left_of_an_identity_that_was_wiped(void **state) {
    struct scene *scene = *state;
    static const struct identity nothing;
    identity_wipe(&scene->own);
    assert_memory_equal(&scene->own, &nothing, sizeof nothing);
}

/* ---- library keys ---- */

static void a_library_key_is_named_by_itself_and_its_library(void **state) {
    struct scene *scene = *state;
    uint8_t id[LIBRARY_KEY_ID], second[LIBRARY_KEY_ID];
    identity_psk_id(&scene->library, scene->key, id);
    assert_hex(id, sizeof id, "97db53c235085ac4");
    scene->library.bytes[0] ^= 1;
    identity_psk_id(&scene->library, scene->key, second);
    assert_memory_not_equal(id, second, sizeof id);
    scene->library.bytes[0] ^= 1;
    scene->key[31] ^= 1;
    identity_psk_id(&scene->library, scene->key, second);
    assert_memory_not_equal(id, second, sizeof id);
}

static void a_sealed_key_is_opened_by_whom_it_is_for(void **state) {
    const struct scene *scene = *state;
    uint8_t key[LIBRARY_KEY];
    assert_hex(scene->sealed, sizeof scene->sealed,
               "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
               "3c32d3300644bcacac9a6954a9b31c229be31d1a3f97ef6fbc767ca081941e80"
               "1e5db293d3235fc4bbd887f70ded8983");
    assert_true(identity_unseal(&scene->own, scene->sealed, key));
    assert_memory_equal(key, scene->key, sizeof key);
}

static void a_sealed_key_is_opened_by_nobody_else(void **state) {
    const struct scene *scene = *state;
    static const uint8_t nothing[LIBRARY_KEY];
    uint8_t key[LIBRARY_KEY];
    memset(key, 1, sizeof key);
    assert_false(identity_unseal(&scene->other, scene->sealed, key));
    assert_memory_equal(key, nothing, sizeof key);
}

static void every_damaged_bit_of_a_sealed_key_is_noticed(void **state) {
    const struct scene *scene = *state;
    for (unsigned bit = 0; bit < 8 * LIBRARY_KEY_SEALED; bit++) {
        uint8_t sealed[LIBRARY_KEY_SEALED], key[LIBRARY_KEY];
        memcpy(sealed, scene->sealed, sizeof sealed);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* X25519 does not look at the last bit of a public key, but the seal's key does. */
        if (identity_unseal(&scene->own, sealed, key)) fail_msg("bit %u", bit);
    }
}

/* The shared secret of a point of small order is zero for everybody. */
static void nothing_is_sealed_to_a_key_of_small_order(void **state) {
    const struct scene *scene = *state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const uint8_t nothing[LIBRARY_KEY_SEALED];
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        uint8_t x_pk[IDENTITY_KEY], sealed[LIBRARY_KEY_SEALED], key[LIBRARY_KEY];
        read_hex(points[i], x_pk, sizeof x_pk);
        identity_seal(scene->key, x_pk, scene->ephemeral, sealed);
        assert_memory_equal(sealed, nothing, sizeof sealed);
        assert_false(identity_unseal(&scene->own, sealed, key));
        /* Neither is one opened that came from such a key. */
        memcpy(sealed, scene->sealed, sizeof sealed);
        memcpy(sealed, x_pk, sizeof x_pk);
        assert_false(identity_unseal(&scene->own, sealed, key));
    }
}

#define SCENE_TEST(test) cmocka_unit_test_setup(test, open_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(keys_id_and_certificate_follow_from_the_secret),
        SCENE_TEST(a_certificate_holds_for_what_it_names_and_nothing_else),
        SCENE_TEST(every_damaged_bit_of_a_certificate_is_noticed),
        SCENE_TEST(what_was_signed_as_something_else_is_no_certificate),
        SCENE_TEST(nothing_is_left_of_an_identity_that_was_wiped),
        SCENE_TEST(a_library_key_is_named_by_itself_and_its_library),
        SCENE_TEST(a_sealed_key_is_opened_by_whom_it_is_for),
        SCENE_TEST(a_sealed_key_is_opened_by_nobody_else),
        SCENE_TEST(every_damaged_bit_of_a_sealed_key_is_noticed),
        SCENE_TEST(nothing_is_sealed_to_a_key_of_small_order),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
