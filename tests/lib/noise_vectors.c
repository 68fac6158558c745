/* Published test vectors.
 *
 *      key value      the value is one word: a name, or bytes in hex ("-" for none of them)
 *
 * Invariants
 *   1. Nothing in a vector is optional by accident: an unknown pattern, an odd digit or a missing
 * key fails the test.
 * Not here: what the vectors of a primitive mean, which its test knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/noise_vectors.h"

#define SUITE "25519_ChaChaPoly_BLAKE2b"
#define ROOM 1024u /* no published message is larger */

/* ---- files ----------------------------------------------------------------------------------- */

void vectors_open(struct vectors *vectors, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/tests/vectors/%s", WEFT_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("%s cannot be opened", path);
    memset(vectors, 0, sizeof *vectors);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    vectors->text = malloc((size_t)size + 1);
    assert_non_null(vectors->text);
    assert_int_equal(fread(vectors->text, 1, (size_t)size, file), size);
    vectors->text[size] = '\0';
    vectors->at = vectors->text;
    fclose(file);
}

static void forget_bytes(struct vectors *vectors) {
    for (unsigned i = 0; i < vectors->count; i++)
        free(vectors->bytes[i]);
    memset(vectors->bytes, 0, sizeof vectors->bytes);
    vectors->count = 0;
}

void vectors_close(struct vectors *vectors) {
    forget_bytes(vectors);
    free(vectors->text);
    memset(vectors, 0, sizeof *vectors);
}

bool vectors_next(struct vectors *vectors) {
    forget_bytes(vectors);
    while (*vectors->at != '\0') {
        char *line = vectors->at;
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        vectors->at = end + 1;
        if (end == line) break;
        char *space = strchr(line, ' ');
        assert_non_null(space);
        *space = '\0';
        assert_true(vectors->count < VECTORS_LINES_MAX);
        vectors->keys[vectors->count] = line;
        vectors->values[vectors->count++] = space + 1;
    }
    return vectors->count != 0;
}

unsigned vectors_count(const struct vectors *vectors, const char *key) {
    unsigned count = 0;
    for (unsigned i = 0; i < vectors->count; i++)
        count += strcmp(vectors->keys[i], key) == 0;
    return count;
}

/* The line `number` among those with this key, or the count of all lines. */
static unsigned find(const struct vectors *vectors, const char *key, unsigned number) {
    unsigned i = 0;
    for (; i < vectors->count; i++)
        if (strcmp(vectors->keys[i], key) == 0 && number-- == 0) break;
    return i;
}

const char *vectors_text(const struct vectors *vectors, const char *key) {
    assert_int_equal(vectors_count(vectors, key), 1);
    return vectors->values[find(vectors, key, 0)];
}

static uint8_t digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *place = c == '\0' ? NULL : strchr(digits, c);
    assert_non_null(place);
    return (uint8_t)(place - digits);
}

struct bytes vectors_bytes(struct vectors *vectors, const char *key, unsigned number) {
    const unsigned line = find(vectors, key, number);
    if (line == vectors->count) return (struct bytes){NULL, 0};
    const char *hex = vectors->values[line];
    const size_t size = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    if (vectors->bytes[line] == NULL) {
        assert_true(size == 0 || strlen(hex) % 2 == 0);
        uint8_t *bytes = malloc(size + (size == 0));
        assert_non_null(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
        vectors->bytes[line] = bytes;
    }
    return (struct bytes){vectors->bytes[line], size};
}

const uint8_t *vectors_sized(struct vectors *vectors, const char *key, unsigned number,
                             size_t size) {
    const struct bytes bytes = vectors_bytes(vectors, key, number);
    if (bytes.data != NULL) assert_int_equal(bytes.size, size);
    return bytes.data;
}

/* ---- patterns -------------------------------------------------------------------------------- */

/* Messages are separated by '/'. The pre-messages follow from the name (section 7.3). */
static const struct {
    const char *name, *messages;
} shapes[] = {
    /* One-way, section 7.4. */
    {"N", "e es"},
    {"K", "e es ss"},
    {"X", "e es s ss"},
    /* Fundamental, section 7.5. */
    {"NN", "e / e ee"},
    {"NK", "e es / e ee"},
    {"NX", "e / e ee s es"},
    {"XN", "e / e ee / s se"},
    {"XK", "e es / e ee / s se"},
    {"XX", "e / e ee s es / s se"},
    {"KN", "e / e ee se"},
    {"KK", "e es ss / e ee se"},
    {"KX", "e / e ee se s es"},
    {"IN", "e s / e ee se"},
    {"IK", "e es s ss / e ee se"},
    {"IX", "e s / e ee se s es"},
    /* Deferred, sections 7.6 and 18.1. */
    {"NK1", "e / e ee es"},
    {"NX1", "e / e ee s / es"},
    {"X1N", "e / e ee / s / se"},
    {"X1K", "e es / e ee / s / se"},
    {"XK1", "e / e ee es / s se"},
    {"X1K1", "e / e ee es / s / se"},
    {"X1X", "e / e ee s es / s / se"},
    {"XX1", "e / e ee s / es s se"},
    {"X1X1", "e / e ee s / es s / se"},
    {"K1N", "e / e ee / se"},
    {"K1K", "e es / e ee / se"},
    {"KK1", "e / e ee se es"},
    {"K1K1", "e / e ee es / se"},
    {"K1X", "e / e ee s es / se"},
    {"KX1", "e / e ee se s / es"},
    {"K1X1", "e / e ee s / se es"},
    {"I1N", "e s / e ee / se"},
    {"I1K", "e es s / e ee / se"},
    {"IK1", "e s / e ee se es"},
    {"I1K1", "e s / e ee es / se"},
    {"I1X", "e s / e ee s es / se"},
    {"IX1", "e s / e ee se s / es"},
    {"I1X1", "e s / e ee s / se es"},
};

static const char *const token_names[] = {"", "e", "s", "ee", "es", "se", "ss"};

static void add_token(uint8_t tokens[NOISE_TOKENS_MAX], uint8_t token, bool first) {
    unsigned count = 0;
    while (tokens[count] != NOISE_END)
        count++;
    assert_true(count + 1 < NOISE_TOKENS_MAX);
    const unsigned place = first ? 0 : count;
    memmove(tokens + place + 1, tokens + place, count - place);
    tokens[place] = token;
}

static void add_messages(struct noise_pattern *pattern, const char *messages) {
    pattern->message_count = 1;
    while (*messages != '\0') {
        const size_t size = strcspn(messages, " ");
        if (*messages == '/')
            pattern->message_count++;
        else {
            uint8_t token = NOISE_E;
            while (strlen(token_names[token]) != size ||
                   strncmp(token_names[token], messages, size) != 0)
                token++;
            add_token(pattern->messages[pattern->message_count - 1], token, false);
        }
        messages += size;
        messages += strspn(messages, " ");
    }
}

/* "psk0+psk2_…": psk0 begins the first message, another one ends the message of its number. */
static bool add_psks(struct noise_pattern *pattern, const char *modifiers) {
    while (*modifiers != '_') {
        if (strncmp(modifiers, "psk", 3) != 0) return false;
        const unsigned number = (unsigned)(modifiers[3] - '0');
        if (number > pattern->message_count) return false;
        add_token(pattern->messages[number == 0 ? 0 : number - 1], NOISE_PSK, number == 0);
        modifiers += 4;
        if (*modifiers == '+') modifiers++;
    }
    return true;
}

bool noise_vectors_pattern(const char *name, struct noise_pattern *pattern) {
    memset(pattern, 0, sizeof *pattern);
    if (strncmp(name, "Noise_", 6) != 0) return false;
    const char *shape = name + 6;
    const char *suite = strchr(shape, '_');
    if (suite == NULL || strcmp(suite + 1, SUITE) != 0) return false;
    const size_t size = strspn(shape, "NKXI1");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strlen(shapes[i].name) != size || strncmp(shapes[i].name, shape, size) != 0) continue;
        const char last = shape[size - 1] == '1' ? shape[size - 2] : shape[size - 1];
        pattern->name = name;
        pattern->initiator_known = shape[0] == 'K';
        pattern->responder_known = size == 1 || last == 'K';
        add_messages(pattern, shapes[i].messages);
        return add_psks(pattern, shape + size);
    }
    return false;
}

bool noise_vectors_one_way(const struct noise_pattern *pattern) {
    return pattern->message_count == 1;
}

/* ---- running one ----------------------------------------------------------------------------- */

static void start(struct vectors *vectors, const struct noise_pattern *pattern, bool initiator,
                  struct noise_handshake *handshake) {
    const char *side = initiator ? "init" : "resp";
    char own[32], ephemeral[32], remote[32];
    snprintf(own, sizeof own, "%s_static", side);
    snprintf(ephemeral, sizeof ephemeral, "%s_ephemeral", side);
    snprintf(remote, sizeof remote, "%s_remote_static", side);

    struct noise_keypair keypair;
    const uint8_t *secret = vectors_sized(vectors, own, 0, NOISE_KEY_SIZE);
    if (secret != NULL) {
        memcpy(keypair.secret, secret, NOISE_KEY_SIZE);
        noise_public(secret, keypair.public);
    }
    uint8_t psks[NOISE_PSKS_MAX][NOISE_KEY_SIZE];
    const unsigned psk_count = vectors_count(vectors, "psk");
    assert_true(psk_count <= NOISE_PSKS_MAX);
    for (unsigned i = 0; i < psk_count; i++)
        memcpy(psks[i], vectors_sized(vectors, "psk", i, NOISE_KEY_SIZE), NOISE_KEY_SIZE);
    const bool known = initiator ? pattern->responder_known : pattern->initiator_known;
    const uint8_t *remote_static = vectors_sized(vectors, remote, 0, NOISE_KEY_SIZE);
    assert_int_equal(remote_static != NULL, known);
    noise_start(handshake, &(struct noise_setup){.pattern = pattern,
                                                 .initiator = initiator,
                                                 .prologue = vectors_bytes(vectors, "prologue", 0),
                                                 .own_static = secret == NULL ? NULL : &keypair,
                                                 .ephemeral_secret = vectors_sized(
                                                     vectors, ephemeral, 0, NOISE_KEY_SIZE),
                                                 .remote_static = remote_static,
                                                 .psks = psks,
                                                 .psk_count = psk_count});
}

static void hand_over(struct noise_handshake *from, struct noise_handshake *to,
                      struct bytes payload, struct bytes message) {
    uint8_t out[ROOM];
    size_t size;
    assert_true(message.size <= sizeof out);
    assert_int_equal(noise_turn(from), NOISE_WRITE);
    assert_int_equal(noise_turn(to), NOISE_READ);
    assert_int_equal(noise_overhead(from), message.size - payload.size);
    assert_int_equal(noise_overhead(to), message.size - payload.size);
    assert_int_equal(noise_write(from, payload, out, message.size, &size, NULL), WEFT_OK);
    assert_int_equal(size, message.size);
    assert_memory_equal(out, message.data, message.size);
    assert_int_equal(noise_read(to, message, out, payload.size, &size, NULL), WEFT_OK);
    assert_int_equal(size, payload.size);
    assert_memory_equal(out, payload.data, payload.size);
}

static void carry(struct noise_cipher *from, struct noise_cipher *to, struct bytes payload,
                  struct bytes message) {
    const struct bytes none = {NULL, 0};
    uint8_t record[ROOM];
    assert_true(payload.size + NOISE_TAG_SIZE <= sizeof record);
    assert_int_equal(message.size, payload.size + NOISE_TAG_SIZE);
    memcpy(record, payload.data, payload.size);
    assert_int_equal(
        noise_cipher_seal(from, none, (struct bytes){record, payload.size}, record, NULL), WEFT_OK);
    assert_memory_equal(record, message.data, message.size);
    assert_int_equal(
        noise_cipher_open(to, none, (struct bytes){record, message.size}, record, NULL), WEFT_OK);
    assert_memory_equal(record, payload.data, payload.size);
}

/* Whoever sent its static key, or was known beforehand, is known by it. */
static void meet(struct vectors *vectors, const struct noise_handshake *handshake,
                 const char *secret_key) {
    const uint8_t *secret = vectors_sized(vectors, secret_key, 0, NOISE_KEY_SIZE);
    const uint8_t *known = noise_remote_static(handshake);
    uint8_t public[NOISE_KEY_SIZE];
    if (known == NULL) return;
    assert_non_null(secret);
    noise_public(secret, public);
    assert_memory_equal(known, public, NOISE_KEY_SIZE);
}

static void split(struct vectors *vectors, struct noise_handshake sides[2],
                  struct noise_cipher send[2], struct noise_cipher receive[2]) {
    for (unsigned side = 0; side < 2; side++) {
        assert_int_equal(noise_turn(&sides[side]), NOISE_SPLIT);
        noise_split(&sides[side], &send[side], &receive[side]);
        assert_int_equal(noise_turn(&sides[side]), NOISE_DONE);
    }
    meet(vectors, &sides[0], "resp_static");
    meet(vectors, &sides[1], "init_static");
    assert_memory_equal(noise_hash(&sides[0]), noise_hash(&sides[1]), NOISE_HASH_SIZE);
    const uint8_t *hash = vectors_sized(vectors, "hash", 0, NOISE_HASH_SIZE);
    if (hash != NULL) assert_memory_equal(noise_hash(&sides[0]), hash, NOISE_HASH_SIZE);
}

void noise_vectors_run(struct vectors *vectors) {
    struct noise_pattern pattern;
    const char *name = vectors_text(vectors, "name");
    if (!noise_vectors_pattern(name, &pattern)) fail_msg("no pattern is known for %s", name);
    struct noise_handshake sides[2]; /* the initiator and the responder */
    struct noise_cipher send[2], receive[2];
    start(vectors, &pattern, true, &sides[0]);
    start(vectors, &pattern, false, &sides[1]);
    const unsigned count = vectors_count(vectors, "message");
    assert_int_equal(vectors_count(vectors, "payload"), count);
    assert_true(count > pattern.message_count);

    for (unsigned i = 0; i < count; i++) {
        const struct bytes payload = vectors_bytes(vectors, "payload", i);
        const struct bytes message = vectors_bytes(vectors, "message", i);
        const unsigned from = noise_vectors_one_way(&pattern) ? 0 : i % 2;
        if (i < pattern.message_count)
            hand_over(&sides[from], &sides[1 - from], payload, message);
        else
            carry(&send[from], &receive[1 - from], payload, message);
        if (i + 1 == pattern.message_count) split(vectors, sides, send, receive);
    }
}
