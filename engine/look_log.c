/* See weft_look.h. Here: records of the shared log, and what they say.
 *
 *   shared_changes ─► record_read() ─► signed? chained? ─► record()
 *                          └─► record_next() ─► change_next() ─► op(), one for each row
 *
 * Records and ops are read by the decoders that judge those of peers: what they refuse is told as
 * WEFT_SEAL_FORGED or WEFT_OP_OTHER. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/look.h"
#include "engine/store/shared_private.h"
#include "engine/store/statement.h"
#include "engine/wire/change.h"

/* Big, so it is malloc()'s. */
struct walk {
    struct weft_look *look;
    const struct weft_look_log *visit;
    struct weft_error *why;
    enum weft_status status;
    bool judge;               /* signatures and chains are looked at */
    sqlite3_stmt *key, *prev; /* a device's id_pk; a record by origin and number */
    struct change_reader reader;
    struct change_row row;
    char table[LIMIT_NAME + 1];
    char names[LIMIT_FIELDS][LIMIT_NAME + 1];
    const char *fields[LIMIT_FIELDS];
};

/* ---- what a record says ---- */

static void tell(struct walk *walk, const struct weft_look_op *op) {
    if (walk->visit->op != NULL) walk->visit->op(walk->visit->context, op);
}

static void tell_other(struct walk *walk, const struct record *record, const struct record_op *op) {
    const struct weft_look_op out = {
        .kind = WEFT_OP_OTHER, .stamp = record->hlc, .count = op->body.size};
    tell(walk, &out);
}

static void name_copy(char out[LIMIT_NAME + 1], struct bytes name) {
    const size_t size = name.size > LIMIT_NAME ? LIMIT_NAME : name.size;
    memcpy(out, name.data, size);
    out[size] = '\0';
}

static void tell_change(struct walk *walk, const struct record *record, struct bytes body) {
    static const enum weft_look_op_kind kinds[] = {[CHANGE_CREATE] = WEFT_OP_CREATE,
                                                   [CHANGE_DELETE] = WEFT_OP_DELETE,
                                                   [CHANGE_UPDATE] = WEFT_OP_UPDATE};
    struct change_row *row = &walk->row;
    change_open(&walk->reader, body);
    name_copy(walk->table, walk->reader.table);
    while (change_next(&walk->reader, row)) {
        for (uint32_t i = 0; i < row->count; i++) {
            const uint32_t f = row->fields[i];
            name_copy(walk->names[f], walk->reader.fields[f]);
            walk->fields[i] = walk->names[f];
            if ((row->nodes[i / 64] >> (i % 64) & 1) != 0)
                row->values[i] = weft_blob(record->origin.device.bytes, WEFT_ID_SIZE);
        }
        const struct weft_look_op out = {.kind = kinds[row->what],
                                         .stamp = record->hlc - row->back,
                                         .table = walk->table,
                                         .key = row->key,
                                         .key_count = walk->reader.key_count,
                                         .fields = walk->fields,
                                         .values = row->values,
                                         .field_count = row->count};
        tell(walk, &out);
    }
}

static bool tell_member(const struct record_op *op, struct weft_look_op *out) {
    struct record_add add;
    struct record_remove remove;
    struct record_key key;
    struct record_away away;
    struct id device;
    uint64_t answers = 0;
    switch ((enum record_op_kind)op->kind) {
    case RECORD_OP_ADD:
        if (!record_read_add(op->body, &add)) return false;
        out->kind = WEFT_OP_MEMBER;
        device = identity_device(add.device.id_pk);
        memcpy(out->device, device.bytes, WEFT_ID_SIZE);
        utf8_plain((const char *)add.name.data, add.name.size, out->name, sizeof out->name);
        return true;
    case RECORD_OP_REMOVE:
        if (!record_read_remove(op->body, &remove)) return false;
        out->kind = WEFT_OP_REMOVE;
        memcpy(out->device, remove.device.bytes, WEFT_ID_SIZE);
        return true;
    case RECORD_OP_KEY:
        if (!record_read_key(op->body, &key)) return false;
        out->kind = WEFT_OP_KEY;
        out->count = key.count;
        return true;
    case RECORD_OP_AWAY:
        if (!record_read_away(op->body, &away)) return false;
        out->kind = WEFT_OP_AWAY;
        memcpy(out->device, away.device.bytes, WEFT_ID_SIZE);
        return true;
    case RECORD_OP_BACK:
        out->kind = WEFT_OP_BACK;
        return record_read_back(op->body, &answers);
    case RECORD_OP_CHANGE:
        break;
    }
    return false;
}

static void tell_ops(struct walk *walk, const struct record *record) {
    struct record_op op;
    size_t at = 0;
    while (walk->visit->op != NULL && record_next(record, &at, &op)) {
        struct weft_look_op out = {.stamp = record->hlc};
        if (op.kind == RECORD_OP_CHANGE && change_sound(op.body, record->hlc)) {
            tell_change(walk, record, op.body);
        } else if (tell_member(&op, &out)) {
            tell(walk, &out);
        } else {
            tell_other(walk, record, &op);
        }
    }
}

/* ---- whether it is sound ---- */

static enum weft_look_seal seal_of(struct walk *walk, const struct record *record) {
    uint8_t id_pk[IDENTITY_KEY];
    bool row = false;
    sqlite3_reset(walk->key);
    sqlite3_bind_blob(walk->key, 1, record->origin.device.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
    walk->status = statement_step(walk->key, &row, "reading", walk->look->path, walk->why);
    if (walk->status != WEFT_OK || !row) return WEFT_SEAL_UNKNOWN;
    const bool known = shared_column(walk->key, 0, id_pk, sizeof id_pk);
    sqlite3_reset(walk->key);
    if (!known) return WEFT_SEAL_FORGED;
    const struct id device = identity_device(id_pk);
    if (!id_equal(&device, &record->origin.device)) return WEFT_SEAL_FORGED;
    return record_signed_by(record, id_pk) ? WEFT_SEAL_SIGNED : WEFT_SEAL_FORGED;
}

/* The hash of the record before this one, from its bytes or from the proof of it; `*there` false
 * when it has been forgotten; false when it should be here and is not. */
static bool hash_before(struct walk *walk, sqlite3_stmt *at, const struct record *record,
                        uint8_t hash[RECORD_HASH], bool *there) {
    const uint64_t pruned = (uint64_t)sqlite3_column_int64(at, 7);
    struct record before;
    bool row = false;
    *there = false;
    sqlite3_reset(walk->prev);
    sqlite3_bind_int64(walk->prev, 1, sqlite3_column_int64(at, 9));
    sqlite3_bind_int64(walk->prev, 2, (int64_t)record->seq - 1);
    walk->status = statement_step(walk->prev, &row, "reading", walk->look->path, walk->why);
    if (walk->status != WEFT_OK) return true;
    const struct weft_value value = statement_value(row ? walk->prev : at, row ? 0 : 8);
    const struct bytes bytes = {value.as.bytes, value.type == WEFT_BLOB ? value.size : 0};
    bool sound = true;
    if (row) {
        *there = sound = record_read(&walk->look->library, bytes, &before, NULL) == WEFT_OK;
    } else if (record->seq - 1 == pruned && bytes.size > 0) {
        *there = sound = record_read_proof(&walk->look->library, bytes, &before);
    } else {
        sound = record->seq - 1 <= pruned;
    }
    if (*there) memcpy(hash, before.hash, RECORD_HASH);
    sqlite3_reset(walk->prev);
    return sound;
}

static enum weft_look_chain chain_of(struct walk *walk, sqlite3_stmt *at,
                                     const struct record *record) {
    const struct weft_value head = statement_value(at, 11);
    uint8_t hash[RECORD_HASH];
    bool there = false;
    if (record->seq == (uint64_t)sqlite3_column_int64(at, 10) &&
        (head.type != WEFT_BLOB || head.size != RECORD_HASH ||
         memcmp(head.as.bytes, record->hash, RECORD_HASH) != 0))
        return WEFT_CHAIN_BROKEN;
    if (record->seq == 1) return WEFT_CHAIN_WHOLE; /* record_read() has seen that it names none. */
    if (!hash_before(walk, at, record, hash, &there)) return WEFT_CHAIN_BROKEN;
    if (!there) return WEFT_CHAIN_OPEN;
    return memcmp(hash, record->prev, RECORD_HASH) == 0 ? WEFT_CHAIN_WHOLE : WEFT_CHAIN_BROKEN;
}

/* ---- walking ---- */

static bool take_record(void *context, sqlite3_stmt *row) {
    struct walk *walk = context;
    struct record record;
    struct weft_look_record out = {.place = (uint64_t)sqlite3_column_int64(row, 0),
                                   .incarnation = (uint64_t)sqlite3_column_int64(row, 2),
                                   .seq = (uint64_t)sqlite3_column_int64(row, 3),
                                   .keeps = sqlite3_column_int(row, 5) != 0,
                                   .waits = sqlite3_column_int(row, 6) != 0,
                                   .seal = WEFT_SEAL_FORGED,
                                   .chain = WEFT_CHAIN_BROKEN};
    const struct weft_value value = statement_value(row, 4);
    const struct bytes bytes = {value.as.bytes, value.type == WEFT_BLOB ? value.size : 0};
    if (walk->status != WEFT_OK) return true;
    if (!shared_column(row, 1, out.device, sizeof out.device)) return false;
    out.bytes = bytes.size;
    const bool sound = bytes.size > 0 &&
                       record_read(&walk->look->library, bytes, &record, NULL) == WEFT_OK &&
                       memcmp(record.origin.device.bytes, out.device, WEFT_ID_SIZE) == 0 &&
                       record.origin.incarnation == out.incarnation && record.seq == out.seq;
    if (sound) {
        out.stamp = record.hlc;
        if (walk->judge) out.seal = seal_of(walk, &record);
        if (walk->judge && walk->status == WEFT_OK) out.chain = chain_of(walk, row, &record);
    }
    if (walk->status != WEFT_OK) return true;
    if (walk->visit->record != NULL) walk->visit->record(walk->visit->context, &out);
    if (sound) tell_ops(walk, &record);
    return true;
}

static enum weft_status walk_log(struct weft_look *look, uint64_t last, bool judge,
                                 const struct weft_look_log *visit, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    struct walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the log");
    walk->look = look, walk->visit = visit, walk->why = why, walk->judge = judge;
    if (last == 0 || last > INT64_MAX) last = INT64_MAX;
    enum weft_status status = look_prepare(look, &walk->key, why,
                                           "SELECT id_pk FROM main._weft_member WHERE device = ?1");
    if (status == WEFT_OK) {
        status = look_prepare(look, &walk->prev, why,
                              "SELECT record FROM main.shared_changes "
                              "WHERE origin = ?1 AND seq = ?2");
    }
    if (status == WEFT_OK) {
        status = look_prepare(
            look, &query, why,
            "SELECT c.place, o.device, o.incarnation, c.seq, c.record, c.keep, "
            "EXISTS (SELECT 1 FROM main._weft_quarantine AS q WHERE q.place = c.place), "
            "o.pruned, o.proof, o.id, o.seq, o.hash FROM (SELECT place FROM main.shared_changes "
            "ORDER BY place DESC LIMIT %lld) AS l CROSS JOIN main.shared_changes AS c "
            "ON c.place = l.place CROSS JOIN main._weft_origin AS o ON o.id = c.origin "
            "ORDER BY c.place",
            (long long)last);
    }
    status = look_rows(look, query, status, "a record of the shared log", walk, take_record, why);
    if (status == WEFT_OK) status = walk->status;
    sqlite3_finalize(walk->key);
    sqlite3_finalize(walk->prev);
    free(walk);
    return status;
}

enum weft_status weft_look_records(weft_look *look, uint64_t last,
                                   const struct weft_look_log *visit, struct weft_error *why) {
    CHECK(look != NULL && visit != NULL);
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    status = walk_log(look, last, true, visit, why);
    look_end(look);
    return status;
}

enum weft_status look_ops(struct weft_look *look, const struct weft_look_log *visit,
                          struct weft_error *why) {
    return walk_log(look, 0, false, visit, why);
}
