/* The key file: what is written, what is read back, and that no damage passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/store/keyfile.h"
#include "tests/sim/rng.h"
#include "tests/sim/vault.h"

#define PATH "music.db"
#define NAME "music.db-key"
#define A64 "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"
#define B64 "ffeeddccbbaa99887766554433221100fedcba9876543210fedcba9876543210"
#define FIRST "weft-key 1\n"
#define WHOLE FIRST "identity " A64 "\nexchange " B64 "\n"

struct scene {
    struct vault *vault;
    struct vault_port port;
    struct rng rng;
    struct entropy_port entropy;
    unsigned misses; /* loads that find nothing, whatever there is */
    bool empty;      /* loads find a file without a byte, which a vault does not make */
    bool made;
    uint8_t secret[IDENTITY_SECRET];
    struct weft_error why;
};

static enum weft_status load_late(void *self, const char *path, uint8_t *out, size_t room,
                                  size_t *size, struct weft_error *why) {
    struct scene *scene = self;
    const struct vault_port inner = vault_port(scene->vault);
    if (scene->misses > 0) {
        scene->misses--;
        return WEFT_NOT_FOUND;
    }
    if (scene->empty) {
        *size = 0;
        return WEFT_OK;
    }
    return inner.load(inner.self, path, out, room, size, why);
}

static enum weft_status make_late(void *self, const char *path, const uint8_t *data, size_t size,
                                  struct weft_error *why) {
    const struct scene *scene = self;
    const struct vault_port inner = vault_port(scene->vault);
    return inner.make(inner.self, path, data, size, why);
}

static int open_scene(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    scene.vault = vault_open(1, NULL);
    scene.port = (struct vault_port){.self = &scene, .load = load_late, .make = make_late};
    rng_seed(&scene.rng, 1, 0);
    scene.entropy = rng_entropy(&scene.rng);
    *state = &scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    vault_close(scene->vault);
    return 0;
}

static enum weft_status open_keys(struct scene *scene, bool make) {
    memset(&scene->why, 0, sizeof scene->why);
    memset(scene->secret, 0xee, sizeof scene->secret);
    scene->made = !make;
    return keyfile_open(&scene->port, &scene->entropy, PATH, make, scene->secret, &scene->made,
                        &scene->why);
}

/* There is a key file of these bytes. */
static void put_text(struct scene *scene, const char *text, size_t size) {
    const struct vault_port port = vault_port(scene->vault);
    (void)vault_remove(scene->vault, NAME);
    assert_int_equal(port.make(port.self, NAME, (const uint8_t *)text, size, NULL), WEFT_OK);
}

static void assert_nothing_told(const struct scene *scene) {
    static const uint8_t nothing[IDENTITY_SECRET];
    assert_false(scene->made);
    assert_memory_equal(scene->secret, nothing, sizeof nothing);
}

static void assert_refused(struct scene *scene, const char *said) {
    assert_int_equal(open_keys(scene, true), WEFT_KEY_FILE);
    assert_int_equal(scene->why.status, WEFT_KEY_FILE);
    if (strstr(scene->why.text, said) == NULL) fail_msg("\"%s\": %s", said, scene->why.text);
    assert_non_null(strstr(scene->why.text, NAME));
    assert_nothing_told(scene);
    /* No part of a key is told to whoever reads the message. */
    assert_null(strstr(scene->why.text, "2233"));
    assert_null(strstr(scene->why.text, "9988"));
}

/* ---- making and reading ---- */

static void a_file_that_is_made_is_read_back(void **state) {
    struct scene *scene = *state;
    uint8_t first[IDENTITY_SECRET];
    assert_int_equal(open_keys(scene, true), WEFT_OK);
    assert_true(scene->made);
    memcpy(first, scene->secret, sizeof first);
    for (int make = 0; make < 2; make++) {
        assert_int_equal(open_keys(scene, make == 1), WEFT_OK);
        assert_false(scene->made);
        assert_memory_equal(scene->secret, first, sizeof first);
    }
}

static void what_is_made_is_drawn_from_the_entropy_port(void **state) {
    struct scene *scene = *state;
    uint8_t drawn[IDENTITY_SECRET];
    struct rng same;
    rng_seed(&same, 1, 0);
    rng_fill(&same, drawn, sizeof drawn);
    assert_int_equal(open_keys(scene, true), WEFT_OK);
    assert_memory_equal(scene->secret, drawn, sizeof drawn);
}

static void the_text_is_what_the_header_says(void **state) {
    struct scene *scene = *state;
    const struct vault_port port = vault_port(scene->vault);
    char text[KEYFILE_TEXT], expected[KEYFILE_TEXT + 1];
    size_t size = 0;
    assert_int_equal(open_keys(scene, true), WEFT_OK);
    int length = snprintf(expected, sizeof expected, "%s", FIRST);
    for (unsigned i = 0; i < IDENTITY_SECRET; i++) {
        length += snprintf(expected + length, sizeof expected - (size_t)length, "%s%02x%s",
                           i == 0    ? "identity "
                           : i == 32 ? "exchange "
                                     : "",
                           scene->secret[i], i % 32 == 31 ? "\n" : "");
    }
    assert_int_equal(port.load(port.self, NAME, (uint8_t *)text, sizeof text, &size, NULL),
                     WEFT_OK);
    assert_int_equal(size, length);
    assert_memory_equal(text, expected, size);
}

static void the_seed_comes_first_and_digits_are_read_in_order(void **state) {
    struct scene *scene = *state;
    put_text(scene, WHOLE, sizeof WHOLE - 1);
    assert_int_equal(open_keys(scene, false), WEFT_OK);
    assert_int_equal(scene->secret[1], 0x11);
    assert_int_equal(scene->secret[15], 0xff);
    assert_int_equal(scene->secret[31], 0xef);
    assert_int_equal(scene->secret[32], 0xff);
    assert_int_equal(scene->secret[63], 0x10);
}

static void a_missing_file_is_made_only_when_that_is_asked_for(void **state) {
    struct scene *scene = *state;
    assert_int_equal(open_keys(scene, false), WEFT_KEY_FILE);
    assert_non_null(strstr(scene->why.text, "the key file " NAME " is missing"));
    assert_nothing_told(scene);
    assert_int_equal(vault_files(scene->vault), 0);
}

static void a_process_that_was_quicker_wins(void **state) {
    struct scene *scene = *state;
    put_text(scene, WHOLE, sizeof WHOLE - 1);
    scene->misses = 1;
    assert_int_equal(open_keys(scene, true), WEFT_OK);
    assert_false(scene->made);
    assert_int_equal(scene->secret[1], 0x11);
    /* And its file is gone again when it is looked for. */
    scene->misses = 2;
    assert_refused(scene, "is missing");
}

static void what_the_vault_says_is_passed_on(void **state) {
    struct scene *scene = *state;
    vault_set_full(scene->vault, true);
    assert_int_equal(open_keys(scene, true), WEFT_DISK_FULL);
    assert_nothing_told(scene);
    vault_crash(scene->vault);
    assert_int_equal(open_keys(scene, true), WEFT_IO);
    assert_nothing_told(scene);
    assert_int_equal(vault_files(scene->vault), 0);
}

static void a_path_that_is_too_long_is_refused(void **state) {
    struct scene *scene = *state;
    static char path[5000];
    memset(path, 'x', sizeof path - 1);
    assert_int_equal(keyfile_open(&scene->port, &scene->entropy, path, true, scene->secret,
                                  &scene->made, &scene->why),
                     WEFT_KEY_FILE);
    assert_non_null(strstr(scene->why.text, "too long"));
}

/* ---- damage ---- */

static void every_kind_of_damage_is_named(void **state) {
    struct scene *scene = *state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"\n", "first line"},
        {"\n" WHOLE, "first line"},
        {" " WHOLE, "first line"},
        {"\xef\xbb\xbf" WHOLE, "too large"},
        {"weft-key 2\nidentity " A64 "\nexchange " B64 "\n", "first line"},
        {"weft-key 1\r\nidentity " A64 "\nexchange " B64 "\n", "first line"},
        {"weft-key 1\r\nidentity " A64 "\r\nexchange " B64 "\r\n", "too large"},
        {"weft-key 1", "first line"},
        {"Weft-key 1\nidentity " A64 "\nexchange " B64 "\n", "first line"},
        {FIRST, "end is missing"},
        {FIRST "identity " A64 "\n", "end is missing"},
        {FIRST "exchange " B64 "\n", "second line"},
        {FIRST "exchange " B64 "\nidentity " A64 "\n", "second line"},
        {FIRST "identity  " A64 "\nexchange " B64 "\n", "second line"},
        {FIRST "identity\t" A64 "\nexchange " B64 "\n", "second line"},
        {FIRST "identity " A64 " \nexchange " B64 "\n", "second line"},
        {FIRST "identity " A64 "\r\nexchange " B64 "\n", "second line"},
        {FIRST "identity " A64 "0\nexchange " B64 "\n", "second line"},
        {FIRST "identity 0" A64 "\nexchange " B64 "\n", "second line"},
        {FIRST "\nidentity " A64 "\nexchange " B64, "second line"},
        {FIRST "identity " A64 "\nidentity " A64 "\n", "third line is not"},
        {FIRST "identity " A64 "\nExchange " B64 "\n", "third line is not"},
        {FIRST "identity " A64 "\nexchange " B64 "0", "third line is not"},
        {FIRST "identity " A64 "\nexchange " B64, "end is missing"},
        {WHOLE "\n", "follows its third line"},
        {WHOLE "x", "follows its third line"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text(scene, cases[i].text, strlen(cases[i].text));
        assert_refused(scene, cases[i].said);
    }
}

static void every_cut_is_refused(void **state) {
    struct scene *scene = *state;
    for (size_t size = 1; size < sizeof WHOLE - 1; size++) {
        put_text(scene, WHOLE, size);
        assert_refused(scene, "is damaged");
    }
}

/* Every byte replaced by any other is refused, but for one digit of a key by another digit. */
static void every_replaced_byte_is_noticed(void **state) {
    struct scene *scene = *state;
    static const char digits[] = "0123456789abcdef";
    for (size_t at = 0; at < sizeof WHOLE - 1; at++) {
        const bool digit = (at >= 20 && at < 84) || (at >= 94 && at < 158);
        for (int byte = 0; byte < 256; byte++) {
            char text[] = WHOLE;
            if ((uint8_t)text[at] == byte) continue;
            text[at] = (char)byte;
            put_text(scene, text, sizeof text - 1);
            const bool reads = digit && byte != 0 && strchr(digits, byte) != NULL;
            const enum weft_status status = open_keys(scene, false);
            if (status != (reads ? WEFT_OK : WEFT_KEY_FILE)) fail_msg("%zu: %d", at, byte);
        }
    }
}

static void a_file_that_is_too_large_is_refused(void **state) {
    struct scene *scene = *state;
    char text[KEYFILE_TEXT + 1];
    memset(text, ' ', sizeof text);
    memcpy(text, WHOLE, sizeof WHOLE - 1);
    put_text(scene, text, sizeof text);
    assert_refused(scene, "too large");
}

static void a_file_without_a_byte_is_refused(void **state) {
    struct scene *scene = *state;
    scene->empty = true;
    assert_refused(scene, "it is empty");
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_file_that_is_made_is_read_back),
        SCENE_TEST(what_is_made_is_drawn_from_the_entropy_port),
        SCENE_TEST(the_text_is_what_the_header_says),
        SCENE_TEST(the_seed_comes_first_and_digits_are_read_in_order),
        SCENE_TEST(a_missing_file_is_made_only_when_that_is_asked_for),
        SCENE_TEST(a_process_that_was_quicker_wins),
        SCENE_TEST(what_the_vault_says_is_passed_on),
        SCENE_TEST(a_path_that_is_too_long_is_refused),
        SCENE_TEST(every_kind_of_damage_is_named),
        SCENE_TEST(every_cut_is_refused),
        SCENE_TEST(every_replaced_byte_is_noticed),
        SCENE_TEST(a_file_that_is_too_large_is_refused),
        SCENE_TEST(a_file_without_a_byte_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
