/* Rows that arrived and cannot be applied yet.
 *
 *   received ─► refused ─► _weft_parked, with its reason ─┬ tried again ─► written, and dropped
 * here
 *                                                         └ a newer version of the key ─► dropped
 *
 * Invariants
 *   1. A row is parked in the transaction that moves the position past it: it is held, durably, and
 *      the reader passes it on to others as if it stood in its table.
 *   2. Of one key nothing older than what has arrived since stays parked, so that trying again
 * never
 *      brings back what was replaced or deleted.
 *   3. While nothing is parked, and that is nearly always, this costs a look at a flag. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/writer_private.h"

static enum weft_status parked_bind(struct writer *writer, enum writer_fixed fixed,
                                    const struct model *model, uint32_t owner, uint64_t version,
                                    sqlite3_stmt **out, struct weft_error *why) {
    CHECK(version <= INT64_MAX);
    enum weft_status status = writer_fixed(writer, fixed, out, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(*out, 1, owner);
    sqlite3_bind_int64(*out, 2, model->id);
    sqlite3_bind_int64(*out, 3, (int64_t)version);
    return WEFT_OK;
}

enum weft_status writer_park(struct writer *writer, const struct model *model, uint32_t owner,
                             uint64_t version, const char *reason, struct writer_tally *tally,
                             struct weft_error *why) {
    CHECK(reason != NULL && reason[0] != 0);
    CHECK(tally != NULL);
    sqlite3_stmt *park = NULL;
    enum weft_status status = packed_key(&writer->key, model, writer->values);
    if (status == WEFT_OK) status = packed_row(&writer->row, model, writer->values);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for a parked row");
    status = parked_bind(writer, FIXED_PARK, model, owner, version, &park, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob64(park, 4, writer->key.data, writer->key.size, SQLITE_STATIC);
    sqlite3_bind_blob64(park, 5, writer->row.data, writer->row.size, SQLITE_STATIC);
    sqlite3_bind_text(park, 6, reason, -1, SQLITE_STATIC);
    status = statement_run(park, "parking a row of", model->name, why);
    if (status != WEFT_OK) return status;
    writer->any_parked = true;
    tally->parked++;
    return WEFT_OK;
}

enum weft_status writer_unpark_older(struct writer *writer, const struct model *model,
                                     uint32_t owner, uint64_t version, struct weft_error *why) {
    CHECK(writer->recalled);
    sqlite3_stmt *statement = NULL;
    enum weft_status status = packed_key(&writer->key, model, writer->values);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for a key");
    status = parked_bind(writer, FIXED_PARKED_OBSOLETE, model, owner, version, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob64(statement, 4, writer->key.data, writer->key.size, SQLITE_STATIC);
    return statement_run(statement, "parking a row of", model->name, why);
}

struct place {
    uint32_t owner, model;
    uint64_t version;
};

static enum weft_status fail_corrupt(const struct writer *writer, struct weft_error *why) {
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: rows that could not be shown are not kept as they should be; restore "
                       "the file from a copy",
                       writer->path);
}

/* Whether a walk has moved on: what is no number would lead it in a circle. */
static bool is_behind(const struct place *place, const struct place *last) {
    if (place->owner != last->owner) return place->owner > last->owner;
    if (place->model != last->model) return place->model > last->model;
    return (int64_t)place->version > (int64_t)last->version;
}

/* Moves to the next parked row and takes a copy of it. */
static enum weft_status parked_next(struct writer *writer, struct place *place, bool *found,
                                    struct weft_error *why) {
    const struct place last = *place;
    sqlite3_stmt *next = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_PARKED_NEXT, &next, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(next, 1, place->owner);
    sqlite3_bind_int64(next, 2, place->model);
    sqlite3_bind_int64(next, 3, (int64_t)place->version);
    status = statement_step(next, found, "reading", writer->path, why);
    if (status != WEFT_OK || !*found) return status;
    place->owner = (uint32_t)sqlite3_column_int64(next, 0);
    place->model = (uint32_t)sqlite3_column_int64(next, 1);
    place->version = (uint64_t)sqlite3_column_int64(next, 2);
    if (!is_behind(place, &last) || place->owner == 0 || (int64_t)place->version <= 0) {
        sqlite3_reset(next);
        return fail_corrupt(writer, why);
    }
    struct weft_value row = statement_value(next, 3);
    bool blob = row.type == WEFT_BLOB;
    status =
        packed_copy(&writer->row, (struct bytes){blob ? row.as.bytes : NULL, blob ? row.size : 0});
    sqlite3_reset(next);
    return status == WEFT_OK ? WEFT_OK : status_fail(why, status, 0, "no memory for a parked row");
}

/* Tries one parked row. What cannot be read, or whose table is gone, stays as it is. */
static enum weft_status parked_try(struct writer *writer, const struct place *place,
                                   struct writer_tally *tally, struct weft_error *why) {
    const struct model *model = models_owned(writer->models, place->model);
    struct bytes packed = {writer->row.data, writer->row.size};
    if (model == NULL || !packed_read_row(packed, model, writer->values)) return WEFT_OK;
    enum writer_outcome outcome = OUTCOME_PARK;
    char reason[WRITER_REASON] = "";
    uint64_t before = 0, after = 0, met = 0;
    enum weft_status status = digest_counted(writer, model, place->owner, &before, why);
    if (status != WEFT_OK) return status;
    status =
        writer_remote_one(writer, model, place->owner, place->version, &outcome, &met, reason, why);
    writer_forget_owners(writer, model);
    if (status != WEFT_OK || outcome == OUTCOME_PARK) return status;
    if (outcome == OUTCOME_WRITTEN) tally->written++;
    sqlite3_stmt *unpark = NULL;
    status = parked_bind(writer, FIXED_UNPARK, model, place->owner, place->version, &unpark, why);
    if (status == WEFT_OK) status = statement_run(unpark, "parking a row of", model->name, why);
    if (status == WEFT_OK) status = digest_counted(writer, model, place->owner, &after, why);
    if (status == WEFT_OK) digest_move(writer, model, place->owner, before, after);
    return status;
}

enum weft_status writer_retry_parked(struct writer *writer, struct writer_tally *tally,
                                     struct weft_error *why) {
    CHECK(writer != NULL && tally != NULL);
    CHECK(sqlite3_get_autocommit(writer->db) == 0 && writer->recalled);
    struct place place = {0, 0, 0};
    bool found = writer->any_parked;
    enum weft_status status = WEFT_OK;
    while (found && status == WEFT_OK) {
        status = parked_next(writer, &place, &found, why);
        if (status == WEFT_OK && found) status = parked_try(writer, &place, tally, why);
    }
    sqlite3_stmt *any = NULL;
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_PARKED_ANY, &any, why);
    if (status != WEFT_OK) return status;
    status = statement_step(any, &found, "reading", writer->path, why);
    if (status != WEFT_OK) return status;
    writer->any_parked = sqlite3_column_int(any, 0) != 0;
    sqlite3_reset(any);
    return WEFT_OK;
}
