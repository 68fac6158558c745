/* See horizon.h. */
#include "engine/store/horizon.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_private.h"
#include "engine/store/writer_private.h"

enum weft_status horizon_keep(struct writer *writer, const struct record *record,
                              struct bytes bytes, uint64_t *place, struct weft_error *why) {
    struct shared_stored stored;
    sqlite3_stmt *keep = NULL;
    CHECK(bytes.size == record->ops.size + RECORD_OVERHEAD);
    *place = 0;
    enum weft_status status = shared_stored_add(writer, &record->origin, &stored, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_KEEP, &keep, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(keep, 1, stored.id);
    sqlite3_bind_int64(keep, 2, (int64_t)record->seq);
    sqlite3_bind_int64(keep, 3, (int64_t)record->hlc);
    sqlite3_bind_blob64(keep, 4, bytes.data, bytes.size, SQLITE_STATIC);
    status = statement_run(keep, "writing a record of the shared log to", writer->path, why);
    if (status == WEFT_OK && sqlite3_changes64(writer->db) == 1)
        *place = (uint64_t)sqlite3_last_insert_rowid(writer->db);
    return status;
}

/* ---- forgetting ---- */

static enum weft_status set_horizon(struct writer *writer, int64_t origin, uint64_t seq,
                                    uint64_t hlc, struct bytes proof, struct weft_error *why) {
    sqlite3_stmt *set = NULL, *forget = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOG_HORIZON, &set, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_FORGET_RECORDS, &forget, why);
    if (status != WEFT_OK) return status;
    CHECK(proof.size == RECORD_PROOF);
    sqlite3_bind_int64(set, 1, origin);
    sqlite3_bind_int64(set, 2, (int64_t)seq);
    sqlite3_bind_int64(set, 3, (int64_t)hlc);
    sqlite3_bind_blob64(set, 4, proof.data, proof.size, SQLITE_STATIC);
    status = statement_run(set, "writing", writer->path, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(forget, 1, origin);
    sqlite3_bind_int64(forget, 2, (int64_t)seq);
    return statement_run(forget, "writing", writer->path, why);
}

/* Records at this place and behind wait for their time; INT64_MAX: none. */
static enum weft_status first_held(struct writer *writer, int64_t origin, int64_t *place,
                                   struct weft_error *why) {
    sqlite3_stmt *held = NULL;
    bool row = false;
    *place = INT64_MAX;
    enum weft_status status = writer_fixed(writer, FIXED_FORGET_HELD, &held, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(held, 1, origin);
    status = statement_step(held, &row, "reading", writer->path, why);
    if (status == WEFT_OK && sqlite3_column_type(held, 0) != SQLITE_NULL)
        *place = sqlite3_column_int64(held, 0);
    sqlite3_reset(held);
    return status;
}

/* How far the horizon may rise. */
static enum weft_status find_cut(struct writer *writer, const struct shared_stored *stored,
                                 uint64_t seq, uint64_t place, uint32_t limit,
                                 struct horizon_cut *out, struct weft_error *why) {
    sqlite3_stmt *next = NULL;
    int64_t held = INT64_MAX;
    bool row = true;
    enum weft_status status = first_held(writer, stored->id, &held, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_FORGET_NEXT, &next, why);
    if (status != WEFT_OK) return status;
    if (place > INT64_MAX) place = INT64_MAX;
    sqlite3_bind_int64(next, 1, stored->id);
    sqlite3_bind_int64(next, 2, (int64_t)stored->pruned);
    sqlite3_bind_int64(next, 3, (int64_t)(seq < stored->seq ? seq : stored->seq));
    sqlite3_bind_int64(next, 4, limit);
    for (;;) {
        status = statement_step(next, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        const int64_t at = sqlite3_column_int64(next, 2);
        if (at > (int64_t)place || at >= held) break;
        out->seq = (uint64_t)sqlite3_column_int64(next, 0);
        out->hlc = (uint64_t)sqlite3_column_int64(next, 1);
        out->count++;
    }
    sqlite3_reset(next);
    return status;
}

/* A proof of the record of this number. */
static enum weft_status prove(struct writer *writer, const struct id *library, int64_t origin,
                              uint64_t seq, uint8_t proof[RECORD_PROOF], struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    struct record record;
    bool row = false;
    enum weft_status status = writer_fixed(writer, FIXED_RECORD, &query, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(query, 1, origin);
    sqlite3_bind_int64(query, 2, (int64_t)seq);
    status = statement_step(query, &row, "reading", writer->path, why);
    if (status != WEFT_OK) return status;
    const struct weft_value value = statement_value(query, 0); /* NULL without a row */
    const struct bytes bytes = {value.as.bytes, value.type == WEFT_BLOB ? value.size : 0};
    if (bytes.size > 0 && record_read(library, bytes, &record, NULL) == WEFT_OK) {
        record_prove(&record, proof);
    } else {
        status = status_fail(why, WEFT_CORRUPT, 0,
                             "%s: record %llu of an origin of the shared log cannot be read; "
                             "restore the file from a copy",
                             writer->path, (unsigned long long)seq);
    }
    sqlite3_reset(query);
    return status;
}

enum weft_status horizon_forget(struct writer *writer, const struct id *library,
                                const struct record_origin *origin, uint64_t seq, uint64_t place,
                                uint32_t limit, struct horizon_cut *out, struct weft_error *why) {
    struct shared_stored stored;
    uint8_t proof[RECORD_PROOF];
    CHECK(sqlite3_get_autocommit(writer->db) == 0 && limit > 0);
    *out = (struct horizon_cut){0};
    enum weft_status status = shared_stored(writer, origin, &stored, why);
    if (status != WEFT_OK || stored.id == 0) return status;
    status = find_cut(writer, &stored, seq, place, limit, out, why);
    if (status != WEFT_OK || out->count == 0) return status;
    status = prove(writer, library, stored.id, out->seq, proof, why);
    if (status != WEFT_OK) return status;
    return set_horizon(writer, stored.id, out->seq, out->hlc, (struct bytes){proof, sizeof proof},
                       why);
}

enum weft_status horizon_places(struct writer *writer, uint64_t *oldest, uint64_t *newest,
                                struct weft_error *why) {
    sqlite3_stmt *places = NULL;
    bool row = false;
    *oldest = *newest = 0;
    enum weft_status status = writer_fixed(writer, FIXED_LOG_PLACES, &places, why);
    if (status == WEFT_OK) status = statement_step(places, &row, "reading", writer->path, why);
    if (status != WEFT_OK) return status;
    *oldest = (uint64_t)sqlite3_column_int64(places, 0);
    *newest = (uint64_t)sqlite3_column_int64(places, 1);
    sqlite3_reset(places);
    return status;
}

/* ---- snapshots ---- */

enum weft_status horizon_release(struct writer *writer, const struct record *record,
                                 struct weft_error *why) {
    struct shared_stored stored;
    sqlite3_stmt *pass = NULL;
    enum weft_status status = shared_stored(writer, &record->origin, &stored, why);
    if (status != WEFT_OK || stored.id == 0) return status;
    status = writer_fixed(writer, FIXED_QUARANTINE_PASS, &pass, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(pass, 1, stored.id);
    sqlite3_bind_int64(pass, 2, (int64_t)record->seq);
    return statement_run(pass, "writing", writer->path, why);
}

enum weft_status horizon_raise(struct writer *writer, const struct record *record,
                               struct bytes proof, struct weft_error *why) {
    struct shared_stored stored;
    enum weft_status status = shared_stored_add(writer, &record->origin, &stored, why);
    if (status != WEFT_OK) return status;
    CHECK(record->seq > stored.seq);
    status = shared_head_move(writer, stored.id, record, why);
    if (status != WEFT_OK) return status;
    return set_horizon(writer, stored.id, record->seq, record->hlc, proof, why);
}

enum weft_status horizon_taking_save(struct writer *writer, struct bytes taking,
                                     struct weft_error *why) {
    sqlite3_stmt *save = NULL;
    enum weft_status status =
        writer_fixed(writer, taking.size == 0 ? FIXED_TAKING_DROP : FIXED_TAKING, &save, why);
    if (status != WEFT_OK) return status;
    if (taking.size != 0) sqlite3_bind_blob64(save, 1, taking.data, taking.size, SQLITE_STATIC);
    return statement_run(save, "writing", writer->path, why);
}

enum weft_status horizon_taking_load(struct writer *writer, struct arena *arena, struct bytes *out,
                                     struct weft_error *why) {
    sqlite3_stmt *load = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_TAKING_LOAD, &load, why);
    if (status != WEFT_OK) return status;
    return shared_taking_step(load, writer->path, arena, out, why);
}

/* ---- who was heard of ---- */

enum weft_status horizon_heard(struct writer *writer, const struct id *device, uint64_t wall_ms,
                               struct weft_error *why) {
    sqlite3_stmt *heard = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_HEARD, &heard, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob64(heard, 1, device->bytes, sizeof device->bytes, SQLITE_STATIC);
    sqlite3_bind_int64(heard, 2, (int64_t)wall_ms);
    return statement_run(heard, "writing", writer->path, why);
}

enum weft_status horizon_load_heard(struct writer *writer, void *context,
                                    void (*visit)(void *context, const struct id *device,
                                                  uint64_t wall_ms),
                                    struct weft_error *why) {
    sqlite3_stmt *load = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_LOAD_HEARD, &load, why);
    for (bool row = true; status == WEFT_OK;) {
        struct id device;
        status = statement_step(load, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        if (!shared_column(load, 0, device.bytes, sizeof device.bytes)) continue;
        visit(context, &device, (uint64_t)sqlite3_column_int64(load, 1));
    }
    return status;
}
