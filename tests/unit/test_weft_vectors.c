/* The files of tests/vectors/weft: what they say is what this code makes, and what this code reads
 * out of them is what they were made of. They come from another implementation, written from
 * docs/protocol.md alone. Whole handshakes are in test_handshake_vectors.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/roster.h"
#include "engine/wire/invite.h"
#include "engine/wire/message.h"
#include "engine/wire/session_private.h"
#include "tests/lib/noise_vectors.h"
#include "tests/lib/sealed.h"

/* ---- values ---------------------------------------------------------------------------------- */

static struct bytes bytes_of(struct vectors *vectors, const char *key, unsigned number) {
    const struct bytes bytes = vectors_bytes(vectors, key, number);
    if (bytes.data == NULL) fail_msg("there is no %s", key);
    return bytes;
}

static const uint8_t *value(struct vectors *vectors, const char *key, size_t size) {
    const struct bytes bytes = bytes_of(vectors, key, 0);
    if (bytes.size != size) fail_msg("%s has %zu bytes", key, bytes.size);
    return bytes.data;
}

static uint64_t number_of(const struct vectors *vectors, const char *key) {
    char *end = NULL;
    const uint64_t number = strtoull(vectors_text(vectors, key), &end, 10);
    assert_true(*end == '\0');
    return number;
}

/* The word of the line `number` among those with this key. */
static const char *word_of(const struct vectors *vectors, const char *key, unsigned number) {
    for (unsigned i = 0; i < vectors->count; i++)
        if (strcmp(vectors->keys[i], key) == 0 && number-- == 0) return vectors->values[i];
    fail_msg("there is no %s", key);
    return NULL;
}

/* Whether a value is this text; fails the test if it is neither this nor the other. */
static bool is_text(const struct vectors *vectors, const char *key, const char *text,
                    const char *other) {
    const char *word = vectors_text(vectors, key);
    if (strcmp(word, text) == 0) return true;
    assert_string_equal(word, other);
    return false;
}

static void assert_bytes(struct bytes expected, const void *data, size_t size) {
    assert_int_equal(expected.size, size);
    assert_memory_equal(data, expected.data, size);
}

static struct id library_of(struct vectors *vectors) {
    struct id library;
    memcpy(library.bytes, value(vectors, "library", WEFT_ID_SIZE), WEFT_ID_SIZE);
    return library;
}

/* The device whose secret is in the line `number` of this key. */
static struct identity device_of(struct vectors *vectors, const char *key, unsigned number,
                                 uint64_t incarnation) {
    const struct bytes secret = bytes_of(vectors, key, number);
    const struct id library = library_of(vectors);
    struct identity identity;
    assert_int_equal(secret.size, IDENTITY_SECRET);
    identity_make(&identity, secret.data, &library, incarnation);
    return identity;
}

/* Calls `check` for every vector of a file; fails the test unless there are so many. */
static void for_each(const char *name, unsigned expected, void (*check)(struct vectors *vectors)) {
    struct vectors vectors;
    unsigned count = 0;
    vectors_open(&vectors, name);
    while (vectors_next(&vectors)) {
        check(&vectors);
        count++;
    }
    vectors_close(&vectors);
    assert_int_equal(count, expected);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void check_keys(struct vectors *vectors) {
    const struct identity own = device_of(vectors, "secret", 0, number_of(vectors, "incarnation"));
    const uint8_t *key = value(vectors, "key", LIBRARY_KEY);
    uint8_t psk_id[LIBRARY_KEY_ID], sealed[LIBRARY_KEY_SEALED], opened[LIBRARY_KEY];
    char text[ID_TEXT_SIZE];
    assert_bytes(bytes_of(vectors, "id_pk", 0), own.public.id_pk, IDENTITY_KEY);
    assert_bytes(bytes_of(vectors, "x_pk", 0), own.public.x_pk, IDENTITY_KEY);
    assert_bytes(bytes_of(vectors, "device", 0), own.device.bytes, WEFT_ID_SIZE);
    assert_bytes(bytes_of(vectors, "certificate", 0), own.cert, IDENTITY_CERT);
    assert_true(identity_certified(value(vectors, "certificate", IDENTITY_CERT), &own.library,
                                   &own.public, own.incarnation));
    id_text(&own.device, text);
    assert_string_equal(text, vectors_text(vectors, "device_text"));

    identity_psk_id(&own.library, key, psk_id);
    assert_bytes(bytes_of(vectors, "psk_id", 0), psk_id, sizeof psk_id);
    identity_seal(key, own.public.x_pk, value(vectors, "ephemeral", 32), sealed);
    assert_bytes(bytes_of(vectors, "sealed", 0), sealed, sizeof sealed);
    assert_true(identity_unseal(&own, value(vectors, "sealed", sizeof sealed), opened));
    assert_memory_equal(opened, key, LIBRARY_KEY);
}

static void devices_and_sealed_keys_are_those_of_the_file(void **state) {
    (void)state;
    for_each("weft/keys.txt", 3, check_keys);
}

static void check_code(struct vectors *vectors) {
    char code[8];
    snprintf(code, sizeof code, "%06u", handshake_code(value(vectors, "channel", 64)));
    assert_string_equal(code, vectors_text(vectors, "code"));
}

static void codes_keep_their_leading_zeros(void **state) {
    (void)state;
    for_each("weft/codes.txt", 3, check_code);
}

/* ---- invites --------------------------------------------------------------------------------- */

/* The last four bytes of what a link's base64 holds. */
static void assert_check(struct vectors *vectors, const char *link) {
    uint8_t raw[1024];
    const char *text = strrchr(link, ':') + 1;
    size_t size = 0;
    assert_int_equal(sodium_base642bin(raw, sizeof raw, text, strlen(text), NULL, &size, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    assert_true(size > 4);
    assert_bytes(bytes_of(vectors, "check", 0), raw + size - 4, 4);
}

static void check_invite(struct vectors *vectors) {
    const char *text = vectors_text(vectors, "link");
    struct invite_link link = {0}, read;
    char written[1024];
    uint8_t psk[LIBRARY_KEY], psk_id[LIBRARY_KEY_ID];
    if (strncmp(vectors_text(vectors, "name"), "refused_", 8) == 0) {
        assert_int_equal(invite_read(text, &read, NULL), WEFT_INVITE);
        return;
    }
    link.library = library_of(vectors);
    memcpy(link.inviter.id_pk, value(vectors, "id_pk", IDENTITY_KEY), IDENTITY_KEY);
    memcpy(link.inviter.x_pk, value(vectors, "x_pk", IDENTITY_KEY), IDENTITY_KEY);
    memcpy(link.secret, value(vectors, "secret", INVITE_SECRET), INVITE_SECRET);
    link.address_count = vectors_count(vectors, "address");
    for (unsigned i = 0; i < link.address_count; i++)
        snprintf(link.addresses[i], WEFT_ADDRESS_MAX, "%s", word_of(vectors, "address", i));

    assert_int_equal(invite_write(&link, written, sizeof written, NULL), WEFT_OK);
    assert_string_equal(written, text);
    assert_check(vectors, text);
    assert_int_equal(invite_read(text, &read, NULL), WEFT_OK);
    assert_memory_equal(&read, &link, sizeof link);
    invite_psk(&link.library, link.secret, psk);
    assert_bytes(bytes_of(vectors, "psk", 0), psk, sizeof psk);
    identity_psk_id(&link.library, psk, psk_id);
    assert_bytes(bytes_of(vectors, "psk_id", 0), psk_id, sizeof psk_id);
}

static void invites_are_the_links_of_the_file_and_no_others(void **state) {
    (void)state;
    for_each("weft/invites.txt", 14, check_invite);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Two members' view of one shared log, record by record. */
static struct views {
    struct pool *pool;
    struct arena arena;
    struct identity selves[2]; /* ann and bob */
    struct roster rosters[2];
} views;

static void build_key(struct vectors *vectors, struct record_ops *ops) {
    uint8_t boxes[4][RECORD_BOX];
    const struct id library = library_of(vectors);
    const uint8_t *key = value(vectors, "key", LIBRARY_KEY);
    struct record_key op = {.epoch = (uint32_t)number_of(vectors, "key_epoch"),
                            .count = vectors_count(vectors, "box_secret")};
    assert_in_range(op.count, 1, 4);
    identity_psk_id(&library, key, op.psk_id);
    for (unsigned i = 0; i < op.count; i++) {
        const struct identity to = device_of(vectors, "box_secret", i, 1);
        memcpy(boxes[i], to.device.bytes, WEFT_ID_SIZE);
        identity_seal(key, to.public.x_pk, bytes_of(vectors, "box_ephemeral", i).data,
                      boxes[i] + WEFT_ID_SIZE);
    }
    op.boxes = (struct bytes){boxes[0], op.count * sizeof boxes[0]};
    record_ops_key(ops, &op);
}

/* Builds the ops that a vector tells of. */
static struct bytes build_ops(struct vectors *vectors) {
    struct record_ops ops;
    struct bytes out;
    record_ops_begin(&ops, &views.arena);
    if (vectors_count(vectors, "op_kind") != 0) { /* Of a kind that this version does not know. */
        const struct bytes body = bytes_of(vectors, "op_body", 0);
        uint8_t *op = arena_take(&views.arena, RECORD_OP_HEAD + body.size);
        assert_non_null(op);
        op[0] = (uint8_t)number_of(vectors, "op_kind");
        store_u32(op + 1, (uint32_t)body.size);
        memcpy(op + RECORD_OP_HEAD, body.data, body.size);
        return (struct bytes){op, RECORD_OP_HEAD + body.size};
    }
    if (vectors_count(vectors, "add_secret") != 0) {
        const struct identity device =
            device_of(vectors, "add_secret", 0, number_of(vectors, "add_incarnation"));
        struct record_add add = {.device = device.public, .incarnation = device.incarnation};
        memcpy(add.cert, device.cert, sizeof add.cert);
        add.name = bytes_of(vectors, "add_name", 0);
        record_ops_add(&ops, &add);
    }
    if (vectors_count(vectors, "remove_device") != 0) {
        struct record_remove remove = {.count = 1};
        memcpy(&remove.device, value(vectors, "remove_device", WEFT_ID_SIZE), WEFT_ID_SIZE);
        remove.pins[0].incarnation = number_of(vectors, "pin_incarnation");
        remove.pins[0].seq = number_of(vectors, "pin_seq");
        memcpy(remove.pins[0].hash, value(vectors, "pin_hash", RECORD_HASH), RECORD_HASH);
        record_ops_remove(&ops, &remove);
    }
    if (vectors_count(vectors, "key_epoch") != 0) build_key(vectors, &ops);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_OK);
    return out;
}

/* Writes the record of a vector, and reads the file's own bytes into `read`. */
static void check_record_bytes(struct vectors *vectors, struct record *read) {
    const struct identity author =
        device_of(vectors, "secret", 0, number_of(vectors, "incarnation"));
    struct record record = {.origin = {author.device, author.incarnation},
                            .seq = number_of(vectors, "seq"),
                            .hlc = number_of(vectors, "hlc"),
                            .ops = build_ops(vectors)};
    struct bytes written;
    memcpy(record.prev, value(vectors, "prev", RECORD_HASH), RECORD_HASH);
    assert_bytes(bytes_of(vectors, "ops", 0), record.ops.data, record.ops.size);
    assert_int_equal(record_write(&author, &record, &views.arena, &written, NULL), WEFT_OK);
    assert_bytes(bytes_of(vectors, "hash", 0), record.hash, RECORD_HASH);
    assert_bytes(bytes_of(vectors, "signature", 0), record.signature.data, RECORD_SIGNATURE);
    assert_bytes(bytes_of(vectors, "record", 0), written.data, written.size);

    assert_int_equal(record_read(&author.library, bytes_of(vectors, "record", 0), read, NULL),
                     WEFT_OK);
    assert_true(record_signed_by(read, author.public.id_pk));
    assert_int_equal(record_origin_compare(&read->origin, &record.origin), 0);
    assert_true(read->seq == record.seq && read->hlc == record.hlc);
    assert_memory_equal(read->prev, record.prev, RECORD_HASH);
    assert_memory_equal(read->hash, record.hash, RECORD_HASH);
}

/* What both make of a record: who is a member, and which library key each has as its newest. */
static void check_record(struct vectors *vectors) {
    static const char *const keys[2] = {"ann_key", "bob_key"};
    const bool taken = is_text(vectors, "verdict", "taken", "passed_over");
    struct record record;
    check_record_bytes(vectors, &record);
    for (unsigned view = 0; view < 2; view++) {
        struct roster *roster = &views.rosters[view];
        unsigned members = 0;
        assert_int_equal(roster_judge(roster, &record), taken ? ROSTER_ADMITS : ROSTER_REMOVED);
        if (taken) assert_int_equal(roster_apply(roster, &record, NULL), WEFT_OK);
        for (uint32_t i = 0; i < roster->count; i++)
            members += roster_has(roster, &roster->members[i].device);
        assert_int_equal(members, number_of(vectors, "members"));
        const struct roster_key *current = roster_current(roster);
        const struct bytes expected = bytes_of(vectors, keys[view], 0);
        assert_int_equal(current == NULL, expected.size == 0);
        if (current != NULL) assert_bytes(expected, current->key, LIBRARY_KEY);
    }
}

static int open_views(void **state) {
    struct vectors vectors;
    (void)state;
    memset(&views, 0, sizeof views);
    views.pool = pool_open(0, 0, NULL);
    assert_non_null(views.pool);
    arena_init(&views.arena, views.pool);
    vectors_open(&vectors, "weft/keys.txt");
    for (unsigned view = 0; view < 2; view++) {
        assert_true(vectors_next(&vectors));
        views.selves[view] = device_of(&vectors, "secret", 0, 1);
        assert_int_equal(roster_open(&views.rosters[view], &views.selves[view]), WEFT_OK);
    }
    vectors_close(&vectors);
    return 0;
}

static int close_views(void **state) {
    (void)state;
    for (unsigned view = 0; view < 2; view++)
        roster_close(&views.rosters[view]);
    arena_drop(&views.arena);
    pool_close(views.pool);
    return 0;
}

static void records_of_the_file_are_written_read_and_obeyed(void **state) {
    (void)state;
    for_each("weft/records.txt", 7, check_record);
}

static void check_refused(struct vectors *vectors) {
    const struct id library = library_of(vectors);
    const bool formless = strcmp(vectors_text(vectors, "fault"), "form") == 0;
    struct record record;
    const enum weft_status status =
        record_read(&library, bytes_of(vectors, "record", 0), &record, NULL);
    if (formless) {
        if (status != WEFT_PROTOCOL) fail_msg("%s", vectors_text(vectors, "name"));
        return;
    }
    assert_int_equal(status, WEFT_OK);
    const bool holds = record_signed_by(&record, value(vectors, "id_pk", IDENTITY_KEY));
    if (holds != is_text(vectors, "fault", "none", "signature"))
        fail_msg("%s", vectors_text(vectors, "name"));
}

static void records_that_must_be_refused_are(void **state) {
    (void)state;
    for_each("weft/refused.txt", 21, check_refused);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* Two sessions of which the first seals with this key from record 0 on, and the second opens. */
static void open_under(struct sealed *sealed, const uint8_t key[NOISE_KEY_SIZE]) {
    struct noise_cipher cipher = {.keyed = true};
    memcpy(cipher.key, key, sizeof cipher.key);
    sealed_open(sealed);
    sealed->ends[0]->send.cipher = cipher;
    sealed->ends[1]->receive.cipher = cipher;
}

/* The message that ends with the record just given, or none. */
static void assert_heard(struct sealed *sealed, struct bytes message, enum frame_lane lane) {
    struct frame_message heard;
    bool got = false;
    assert_int_equal(session_next(sealed->ends[1], &heard, &got, NULL), WEFT_OK);
    assert_int_equal(got, message.size != 0);
    if (!got) return;
    assert_int_equal(heard.lane, lane);
    assert_int_equal(heard.raw_size, 0);
    assert_bytes(message, heard.body.data, heard.body.size);
}

static void check_hello(struct vectors *vectors, const Weft__Wire__Hello *hello) {
    const struct identity own = device_of(vectors, "secret", 0, 1);
    const uint8_t *other = value(vectors, "other", IDENTITY_KEY);
    const uint8_t *channel = value(vectors, "channel", 64);
    const bool initiator = number_of(vectors, "role") == 0;
    uint8_t proof[64];
    handshake_hello(&own, initiator, channel, other, proof);
    assert_int_equal(hello->proof.len, sizeof proof);
    assert_memory_equal(hello->proof.data, proof, sizeof proof);
    assert_true(
        handshake_hello_holds(hello->proof.data, initiator, channel, own.public.id_pk, other));
}

/* Reads a message of the file and packs it again; the first of a session is its Hello. */
static void check_message(struct vectors *vectors, struct bytes message, bool first) {
    Weft__Wire__Wire *wire = NULL;
    struct bytes packed;
    assert_int_equal(message_unpack(message, &views.arena, &wire, NULL), WEFT_OK);
    assert_int_equal(message_pack(&wire->base, &views.arena, &packed), WEFT_OK);
    assert_bytes(message, packed.data, packed.size);
    assert_int_equal(wire->body_case == WEFT__WIRE__WIRE__BODY_HELLO, first);
    if (first) check_hello(vectors, wire->hello);
}

static void check_made(struct vectors *vectors, struct sealed *sealed) {
    const unsigned steps = vectors_count(vectors, "lane");
    for (unsigned i = 0; i < steps; i++) {
        const struct bytes message = bytes_of(vectors, "message", i);
        const char *lane = word_of(vectors, "lane", i);
        const bool rekey = strcmp(lane, "rekey") == 0;
        const enum frame_lane number = rekey ? LANE_CONTROL : (enum frame_lane)(lane[0] - '0');
        if (rekey) {
            session_rekey(sealed->ends[0]);
        } else {
            check_message(vectors, message, i == 0);
            assert_int_equal(
                session_push(sealed->ends[0], number, message, 0, (struct frame_owner){NULL}, NULL),
                WEFT_OK);
        }
        const struct bytes sent = session_to_send(sealed->ends[0]);
        assert_bytes(bytes_of(vectors, "record", i), sent.data, sent.size);
        sealed_give(sealed->ends[1], sent.data, sent.size);
        session_sent(sealed->ends[0], sent.size);
        assert_heard(sealed, message, number);
    }
    assert_memory_equal(sealed->ends[0]->send.cipher.key, value(vectors, "last_key", 32), 32);
}

/* Fragments of other sizes than this side would cut, of three lanes that take turns. */
static void check_read(struct vectors *vectors, struct sealed *sealed) {
    const unsigned records = vectors_count(vectors, "record");
    const unsigned messages = vectors_count(vectors, "message");
    unsigned heard = 0;
    for (unsigned i = 0; i < records; i++) {
        const struct bytes record = bytes_of(vectors, "record", i);
        sealed_give(sealed->ends[1], record.data, record.size);
    }
    for (; heard < messages; heard++) {
        const enum frame_lane lane = (enum frame_lane)(word_of(vectors, "lane", heard)[0] - '0');
        assert_heard(sealed, bytes_of(vectors, "message", heard), lane);
    }
    assert_heard(sealed, (struct bytes){NULL, 0}, LANE_CONTROL);
    assert_int_equal(session_records(sealed->ends[1], &(size_t){0}), records);
}

static void check_session(struct vectors *vectors) {
    static struct sealed sealed;
    open_under(&sealed, value(vectors, "key", NOISE_KEY_SIZE));
    if (is_text(vectors, "kind", "made", "read")) {
        check_made(vectors, &sealed);
    } else {
        check_read(vectors, &sealed);
    }
    assert_memory_equal(sealed.ends[1]->receive.cipher.key, value(vectors, "last_key", 32), 32);
    sealed_close(&sealed);
}

static void sessions_seal_and_open_the_records_of_the_file(void **state) {
    (void)state;
    for_each("weft/session.txt", 3, check_session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_and_sealed_keys_are_those_of_the_file),
        cmocka_unit_test(codes_keep_their_leading_zeros),
        cmocka_unit_test(invites_are_the_links_of_the_file_and_no_others),
        cmocka_unit_test_setup_teardown(records_of_the_file_are_written_read_and_obeyed, open_views,
                                        close_views),
        cmocka_unit_test(records_that_must_be_refused_are),
        cmocka_unit_test_setup_teardown(sessions_seal_and_open_the_records_of_the_file, open_views,
                                        close_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
