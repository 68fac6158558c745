/* See found.h. One transaction: either the library has a founder, or nothing has changed. */
#include "engine/store/found.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

struct founding {
    struct writer *writer;
    enum weft_status status;
    struct weft_error *why;
};

static void save_member(void *context, const struct roster_member *member) {
    struct founding *founding = context;
    if (founding->status != WEFT_OK) return;
    founding->status = shared_save_member(founding->writer, member, founding->why);
}

static void save_key(void *context, const struct roster_key *key) {
    struct founding *founding = context;
    if (founding->status != WEFT_OK) return;
    founding->status = shared_save_key(founding->writer, key, founding->why);
}

/* The ops of the founding record: this device, and a fresh key sealed to it. */
static enum weft_status write_ops(const struct identity *identity, const char *name,
                                  const struct entropy_port *entropy, struct arena *arena,
                                  struct bytes *out) {
    uint8_t random[2 * LIBRARY_KEY], box[WEFT_ID_SIZE + LIBRARY_KEY_SEALED];
    struct record_ops ops;
    struct record_add add = {.device = identity->public,
                             .incarnation = identity->incarnation,
                             .name = {(const uint8_t *)name, strnlen(name, RECORD_NAME)}};
    struct record_key key = {.epoch = 1, .count = 1, .boxes = {box, sizeof box}};
    memcpy(add.cert, identity->cert, IDENTITY_CERT);
    entropy->fill(entropy->self, random, sizeof random);
    identity_psk_id(&identity->library, random, key.psk_id);
    memcpy(box, identity->device.bytes, WEFT_ID_SIZE);
    identity_seal(random, identity->public.x_pk, random + LIBRARY_KEY, box + WEFT_ID_SIZE);
    sodium_memzero(random, sizeof random);
    record_ops_begin(&ops, arena);
    record_ops_add(&ops, &add);
    record_ops_key(&ops, &key);
    return record_ops_end(&ops, out);
}

static enum weft_status write_record(struct founding *founding, struct roster *roster,
                                     const struct identity *identity, const char *name,
                                     uint64_t hlc, const struct entropy_port *entropy,
                                     struct arena *arena) {
    const struct roster_change change = {founding, save_member, save_key};
    struct record record = {
        .origin = {identity->device, identity->incarnation}, .seq = 1, .hlc = hlc};
    struct bytes bytes;
    uint64_t place = 0;
    struct weft_error *why = founding->why;
    enum weft_status status = write_ops(identity, name, entropy, arena, &record.ops);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no room for the founding record");
    status = record_write(identity, &record, arena, &bytes, why);
    if (status == WEFT_OK) {
        CHECK(roster_judge_signed(roster, &record) == ROSTER_ADMITS);
        status = shared_append(founding->writer, &record, bytes, &place, why);
    }
    if (status == WEFT_OK) status = roster_apply(roster, &record, &change);
    if (status == WEFT_OK) status = founding->status;
    if (status == WEFT_OK) status = writer_clock(founding->writer, hlc, why);
    return status;
}

enum weft_status store_found(struct store *store, const char *path, const char *vfs,
                             const struct identity *identity, const char *name, uint64_t hlc,
                             const struct entropy_port *entropy, struct pool *pool,
                             struct weft_error *why) {
    const struct shared_visit nothing = {0};
    struct founding founding = {.why = why};
    struct roster roster;
    struct arena arena;
    if (store->joining) return WEFT_OK;
    enum weft_status status = roster_open(&roster, identity);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for the members");
    arena_init(&arena, pool);
    status = writer_open(path, vfs, 0, store->models, &store->device, &founding.writer, why);
    if (status != WEFT_OK) goto close_roster;
    status = shared_load(founding.writer, &nothing, &roster, why);
    if (status != WEFT_OK || roster.count != 0) goto close_writer;
    status = writer_begin(founding.writer, why);
    if (status != WEFT_OK) goto close_writer;
    status = write_record(&founding, &roster, identity, name, hlc, entropy, &arena);
    if (status == WEFT_OK) status = writer_commit(founding.writer, why);
    if (status == WEFT_OK) {
        store->clock = hlc;
    } else {
        writer_rollback(founding.writer);
    }

close_writer:
    writer_close(founding.writer);
close_roster:
    arena_drop(&arena);
    roster_close(&roster);
    return status;
}
