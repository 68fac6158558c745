/* Reads and prints key files; see keyfile.h for the format.
 *
 * Reading is strict: these lines, in this order, with these spaces and lower-case digits, each
 * ended by a line feed, and nothing else. A program that edits what it does not understand would
 * make a device that nobody knows.
 *
 * Invariants
 *   1. No message holds a byte of a key file.
 *   2. Texts with secrets are wiped before keyfile_open() returns; so is `secret` when it fails.
 * Not here: files and permissions (the vault port). */
#include "engine/store/keyfile.h"

#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define KEYFILE_SUFFIX "-key"
#define KEYFILE_FIRST "weft-key 1\n"
#define KEYFILE_KEYS 2u
#define KEYFILE_DIGITS (2u * IDENTITY_KEY)
#define KEYFILE_SIZE (11u + KEYFILE_KEYS * (9u + KEYFILE_DIGITS + 1u))

_Static_assert(sizeof KEYFILE_FIRST - 1 == 11, "the first line");
_Static_assert(IDENTITY_SECRET == KEYFILE_KEYS * IDENTITY_KEY, "one line for each key");
_Static_assert(KEYFILE_SIZE < KEYFILE_TEXT, "what is longer must be seen to be longer");

/* What the lines begin with, in the order of the secret's parts. */
static const char keyfile_names[KEYFILE_KEYS][10] = {"identity ", "exchange "};

/* ---- the text ---- */

static void print_keys(const uint8_t secret[IDENTITY_SECRET], uint8_t text[KEYFILE_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = text;
    memcpy(at, KEYFILE_FIRST, sizeof KEYFILE_FIRST - 1);
    at += sizeof KEYFILE_FIRST - 1;
    for (unsigned key = 0; key < KEYFILE_KEYS; key++) {
        memcpy(at, keyfile_names[key], 9);
        at += 9;
        for (unsigned i = 0; i < IDENTITY_KEY; i++) {
            const uint8_t byte = secret[key * IDENTITY_KEY + i];
            *at++ = (uint8_t)digits[byte >> 4];
            *at++ = (uint8_t)digits[byte & 15];
        }
        *at++ = '\n';
    }
    CHECK(at == text + KEYFILE_SIZE);
}

/* The value of a digit, or -1. */
static int digit_value(uint8_t digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

static bool read_digits(const uint8_t *text, uint8_t key[IDENTITY_KEY]) {
    for (unsigned i = 0; i < IDENTITY_KEY; i++) {
        const int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* NULL if well, else what is wrong with the text. */
static const char *read_keys(const uint8_t *text, size_t size, uint8_t secret[IDENTITY_SECRET]) {
    static const char *const wrong[KEYFILE_KEYS] = {
        "its second line is not \"identity\" and 64 lower-case hex digits",
        "its third line is not \"exchange\" and 64 lower-case hex digits"};
    size_t at = sizeof KEYFILE_FIRST - 1;
    if (size == 0) return "it is empty";
    if (size < at || memcmp(text, KEYFILE_FIRST, at) != 0) {
        return "its first line is not \"weft-key 1\"";
    }
    for (unsigned key = 0; key < KEYFILE_KEYS; key++) {
        if (size - at < 9 + KEYFILE_DIGITS + 1) return "its end is missing";
        if (memcmp(text + at, keyfile_names[key], 9) != 0 ||
            !read_digits(text + at + 9, secret + key * IDENTITY_KEY) ||
            text[at + 9 + KEYFILE_DIGITS] != '\n') {
            return wrong[key];
        }
        at += 9 + KEYFILE_DIGITS + 1;
    }
    return at == size ? NULL : "something follows its third line";
}

/* ---- the file ---- */

static enum weft_status load_keys(const struct vault_port *vault, const char *name,
                                  uint8_t secret[IDENTITY_SECRET], struct weft_error *why) {
    uint8_t text[KEYFILE_TEXT];
    size_t size = 0;
    enum weft_status status = vault->load(vault->self, name, text, sizeof text, &size, why);
    if (status == WEFT_OK) {
        CHECK(size <= sizeof text);
        const char *wrong = read_keys(text, size, secret);
        if (wrong != NULL) {
            status = status_fail(why, WEFT_KEY_FILE, 0,
                                 "the key file %s is damaged: %s; put back this device's own copy "
                                 "of it",
                                 name, wrong);
        }
    }
    sodium_memzero(text, sizeof text);
    return status;
}

static enum weft_status make_keys(const struct vault_port *vault,
                                  const struct entropy_port *entropy, const char *name,
                                  uint8_t secret[IDENTITY_SECRET], struct weft_error *why) {
    uint8_t text[KEYFILE_SIZE];
    entropy->fill(entropy->self, secret, IDENTITY_SECRET);
    print_keys(secret, text);
    enum weft_status status = vault->make(vault->self, name, text, sizeof text, why);
    sodium_memzero(text, sizeof text);
    return status;
}

enum weft_status keyfile_open(const struct vault_port *vault, const struct entropy_port *entropy,
                              const char *path, bool make, uint8_t secret[IDENTITY_SECRET],
                              bool *made, struct weft_error *why) {
    CHECK(vault != NULL && entropy != NULL && path != NULL);
    CHECK(secret != NULL && made != NULL);
    char name[PATH_MAX];
    *made = false;
    sodium_memzero(secret, IDENTITY_SECRET);
    const int length = snprintf(name, sizeof name, "%s" KEYFILE_SUFFIX, path);
    if (length < 0 || (size_t)length >= sizeof name) {
        return status_fail(why, WEFT_KEY_FILE, 0,
                           "the path of the library is too long for a key file beside it: %s",
                           path);
    }
    enum weft_status status = load_keys(vault, name, secret, why);
    if (status == WEFT_NOT_FOUND && make) {
        status = make_keys(vault, entropy, name, secret, why);
        *made = status == WEFT_OK;
        /* Another process was quicker: its keys are this device's. */
        if (status == WEFT_INVALID) status = load_keys(vault, name, secret, why);
    }
    if (status == WEFT_NOT_FOUND) {
        status = status_fail(why, WEFT_KEY_FILE, 0,
                             "the key file %s is missing: without it this device cannot show who "
                             "it is; put back its own copy of it",
                             name);
    }
    if (status != WEFT_OK) sodium_memzero(secret, IDENTITY_SECRET);
    return status;
}
