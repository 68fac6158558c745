/* See digest.h. Here: the hashes. digest_scan.c works digests out, writer_digest.c keeps them. */
#include "engine/store/digest.h"

#include <sodium.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/statement.h"

#define STAMP 32u /* hlc, device, incarnation */

static uint64_t hash_bytes(const void *data, size_t size) {
    static const uint8_t key[crypto_shorthash_KEYBYTES] = "weft/digest";
    uint8_t out[crypto_shorthash_BYTES];
    CHECK(crypto_shorthash(out, data, size, key) == 0);
    return load_u64(out);
}

uint64_t digest_in_place(uint8_t *key, size_t size, uint64_t version) {
    uint8_t *head = key - DIGEST_HEAD;
    CHECK(version != 0);
    store_u64(head, version);
    head[8] = size > DIGEST_SHORT;
    if (size <= DIGEST_SHORT) return hash_bytes(head, DIGEST_HEAD + size);
    uint8_t long_one[DIGEST_HEAD + 8]; /* A long key goes by its own hash. */
    memcpy(long_one, head, DIGEST_HEAD);
    store_u64(long_one + DIGEST_HEAD, hash_bytes(key, size));
    return hash_bytes(long_one, sizeof long_one);
}

uint64_t digest_owned(struct bytes key, uint64_t version) {
    uint8_t room[DIGEST_HEAD + DIGEST_SHORT];
    CHECK(key.data != NULL && version != 0);
    if (key.size <= DIGEST_SHORT) {
        memcpy(room + DIGEST_HEAD, key.data, key.size);
        return digest_in_place(room + DIGEST_HEAD, key.size, version);
    }
    store_u64(room, version);
    room[8] = 1;
    store_u64(room + DIGEST_HEAD, hash_bytes(key.data, key.size));
    return hash_bytes(room, DIGEST_HEAD + 8);
}

uint64_t digest_name(const char *name, size_t size) {
    uint8_t lower[LIMIT_NAME];
    CHECK(size <= sizeof lower);
    for (size_t i = 0; i < size; i++) {
        const bool upper = name[i] >= 'A' && name[i] <= 'Z';
        lower[i] = (uint8_t)(upper ? name[i] + ('a' - 'A') : name[i]);
    }
    const uint64_t hash = hash_bytes(lower, size);
    return hash == 0 ? 1 : hash;
}

enum weft_status digest_names_load(sqlite3 *db, const char *path, struct bytes table,
                                   struct digest_names *out, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    memset(out, 0, sizeof *out);
    enum weft_status status = statement_prepare(
        db, &query, path, why, "SELECT field, name FROM main._weft_field WHERE model = ?1");
    if (status == WEFT_OK) {
        sqlite3_bind_text(query, 1, (const char *)table.data, (int)table.size, SQLITE_STATIC);
    }
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", path, why);
        if (status != WEFT_OK || !row) break;
        const int64_t field = sqlite3_column_int64(query, 0);
        const struct weft_value name = statement_value(query, 1);
        if (field < 0 || field >= (int64_t)LIMIT_FIELDS || name.type != WEFT_TEXT) continue;
        if (name.size > LIMIT_NAME) continue;
        out->hash[field] = digest_name((const char *)name.as.bytes, name.size);
    }
    sqlite3_finalize(query);
    return status;
}

static void put_stamp(uint8_t out[STAMP], const struct stamp *stamp,
                      const struct digest_origins *origins) {
    const struct record_origin *origin = origins->find(origins->context, stamp->origin);
    memset(out, 0, STAMP);
    store_u64(out, stamp->hlc);
    if (origin == NULL) return;
    memcpy(out + 8, origin->device.bytes, WEFT_ID_SIZE);
    store_u64(out + 24, origin->incarnation);
}

uint64_t digest_shared(struct bytes key, const struct merge_row *clock,
                       const struct digest_names *names, const struct digest_origins *origins,
                       bool *known) {
    uint64_t usual = 0, others = 0;
    uint8_t said[8 + STAMP], row[8 + STAMP + 16];
    CHECK(key.data != NULL && clock->created.hlc != 0);
    *known = true;
    for (uint32_t f = 0; f < clock->field_count; f++) {
        const struct stamp *stamp = &clock->fields[f];
        if (stamp->hlc == 0) continue;
        *known = *known && names->hash[f] != 0;
        if (stamp->hlc == clock->created.hlc && stamp->origin == clock->created.origin) {
            usual += names->hash[f];
            continue;
        }
        store_u64(said, names->hash[f]);
        put_stamp(said + 8, stamp, origins);
        others += hash_bytes(said, sizeof said);
    }
    store_u64(row, hash_bytes(key.data, key.size));
    put_stamp(row + 8, &clock->created, origins);
    store_u64(row + 8 + STAMP, usual);
    store_u64(row + 16 + STAMP, others);
    return hash_bytes(row, sizeof row);
}
