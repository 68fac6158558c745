/* The small tables: clock, positions, horizons, sweeps, acks, tombstones let go.
 *
 * Invariants
 *   1. The clock, positions, horizons and acks only grow, whatever order they are written in.
 *   2. A horizon moves in the transaction that deletes the tombstones below it.
 * Not here: deciding any of it. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/writer_private.h"

/* Prepares a statement whose ?1 and ?2 are a stream. */
static enum weft_status stream_statement(struct writer *writer, enum writer_fixed fixed,
                                         const struct stream *stream, sqlite3_stmt **out,
                                         struct weft_error *why) {
    CHECK(stream != NULL);
    CHECK(stream->model >= 1 && stream->model <= writer->models->count);
    uint32_t owner = 0;
    enum weft_status status = writer_device(writer, &stream->owner, &owner, why);
    if (status == WEFT_OK) status = writer_fixed(writer, fixed, out, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(*out, 1, owner);
    sqlite3_bind_int64(*out, 2, stream->model);
    return WEFT_OK;
}

/* Versions that come from other devices are not ours to trust. */
static enum weft_status fail_version(uint64_t version, struct weft_error *why) {
    return status_fail(
        why, WEFT_PROTOCOL, 0,
        "a device speaks of version %llu, which no clock gives before the year 6429; "
        "it is at fault, and what it says is not kept",
        (unsigned long long)version);
}

/* Runs a statement whose third parameter is a version. */
static enum weft_status stream_version(struct writer *writer, enum writer_fixed fixed,
                                       const struct stream *stream, uint64_t version,
                                       struct weft_error *why) {
    if (version > INT64_MAX) return fail_version(version, why);
    sqlite3_stmt *statement = NULL;
    enum weft_status status = stream_statement(writer, fixed, stream, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 3, (int64_t)version);
    return statement_run(statement, "writing", writer->path, why);
}

enum weft_status writer_clock(struct writer *writer, uint64_t stamp, struct weft_error *why) {
    CHECK(writer != NULL);
    CHECK(stamp <= INT64_MAX);
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_CLOCK, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, (int64_t)stamp);
    return statement_run(statement, "writing", writer->path, why);
}

enum weft_status writer_position(struct writer *writer, const struct stream *stream,
                                 uint64_t position, struct weft_error *why) {
    CHECK(writer != NULL);
    return stream_version(writer, FIXED_POSITION, stream, position, why);
}

enum weft_status writer_horizon(struct writer *writer, const struct stream *stream,
                                uint64_t horizon, struct weft_error *why) {
    CHECK(writer != NULL);
    return stream_version(writer, FIXED_HORIZON, stream, horizon, why);
}

enum weft_status writer_settled(struct writer *writer, const struct stream *stream,
                                uint64_t settled, struct weft_error *why) {
    CHECK(writer != NULL);
    return stream_version(writer, FIXED_SETTLED, stream, settled, why);
}

enum weft_status writer_sweep_cursor(struct writer *writer, const struct stream *stream,
                                     bool active, uint64_t cursor, struct weft_error *why) {
    CHECK(writer != NULL);
    CHECK(cursor <= INT64_MAX);
    sqlite3_stmt *statement = NULL;
    enum weft_status status = stream_statement(writer, FIXED_SWEEP, stream, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_null(statement, 3);
    if (active) sqlite3_bind_int64(statement, 3, (int64_t)cursor);
    return statement_run(statement, "writing", writer->path, why);
}

enum weft_status writer_skip(struct writer *writer, const struct stream *stream,
                             struct weft_error *why) {
    sqlite3_stmt *skip = NULL;
    CHECK(!id_equal(&stream->owner, &writer->self));
    enum weft_status status = stream_statement(writer, FIXED_SKIP, stream, &skip, why);
    return status == WEFT_OK ? statement_run(skip, "writing", writer->path, why) : status;
}

enum weft_status writer_cleared(struct writer *writer, const struct stream *stream,
                                struct weft_error *why) {
    sqlite3_stmt *cleared = NULL;
    enum weft_status status = stream_statement(writer, FIXED_CLEARED, stream, &cleared, why);
    return status == WEFT_OK ? statement_run(cleared, "writing", writer->path, why) : status;
}

/* Statements of a member before this one count no more. */
static enum weft_status write_floor(struct writer *writer, const struct id *device,
                                    uint64_t incarnation, uint64_t serial, struct weft_error *why) {
    sqlite3_stmt *floor = NULL;
    enum weft_status status =
        statement_prepare(writer->db, &floor, writer->path, why,
                          "INSERT OR REPLACE INTO main._weft_floor(device, incarnation, serial) "
                          "VALUES (?1, ?2, ?3)");
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob(floor, 1, device->bytes, sizeof device->bytes, SQLITE_STATIC);
    sqlite3_bind_int64(floor, 2, (sqlite3_int64)incarnation);
    sqlite3_bind_int64(floor, 3, (sqlite3_int64)serial);
    status = statement_run(floor, "writing", writer->path, why);
    sqlite3_finalize(floor);
    return status;
}

enum weft_status writer_ack_drop(struct writer *writer, const struct id *device,
                                 uint64_t incarnation, uint64_t serial, struct weft_error *why) {
    uint32_t from = 0;
    sqlite3_stmt *drop = NULL;
    if (incarnation > INT64_MAX) return fail_version(incarnation, why);
    enum weft_status status = writer_device(writer, device, &from, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_ACK_DROP, &drop, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(drop, 1, from);
    status = statement_run(drop, "writing", writer->path, why);
    return status == WEFT_OK ? write_floor(writer, device, incarnation, serial, why) : status;
}

enum weft_status writer_ack(struct writer *writer, const struct id *device,
                            const struct stream *stream, uint64_t position,
                            struct weft_error *why) {
    CHECK(writer != NULL && device != NULL && stream != NULL);
    CHECK(stream->model >= 1 && stream->model <= writer->models->count);
    uint32_t from = 0, owner = 0;
    sqlite3_stmt *statement = NULL;
    if (position > INT64_MAX) return fail_version(position, why);
    enum weft_status status = writer_device(writer, device, &from, why);
    if (status == WEFT_OK) status = writer_device_known(writer, &stream->owner, &owner, why);
    /* Of an owner that nothing is held of, nothing will be pruned: what was said of it is let go,
     * or anybody could fill the table of devices with names. */
    if (status != WEFT_OK || owner == 0) return status;
    status = writer_fixed(writer, FIXED_ACK, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, from);
    sqlite3_bind_int64(statement, 2, owner);
    sqlite3_bind_int64(statement, 3, stream->model);
    sqlite3_bind_int64(statement, 4, (int64_t)position);
    return statement_run(statement, "writing", writer->path, why);
}

enum weft_status writer_forget(struct writer *writer, const struct stream *stream, uint64_t upto,
                               uint32_t limit, uint32_t *count, struct weft_error *why) {
    CHECK(writer != NULL && count != NULL);
    CHECK(limit > 0 && upto <= INT64_MAX);
    sqlite3_stmt *cut = NULL;
    bool row = false;
    *count = 0;
    enum weft_status status = stream_statement(writer, FIXED_FORGET_CUT, stream, &cut, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(cut, 3, (int64_t)upto);
    sqlite3_bind_int64(cut, 4, limit);
    status = statement_step(cut, &row, "reading", writer->path, why);
    if (status != WEFT_OK) return status;
    CHECK(row);
    *count = (uint32_t)sqlite3_column_int64(cut, 0);
    const uint64_t last = (uint64_t)sqlite3_column_int64(cut, 1);
    sqlite3_reset(cut);
    if (*count == 0) return WEFT_OK;
    status = stream_version(writer, FIXED_FORGET, stream, last, why);
    return status == WEFT_OK ? writer_horizon(writer, stream, last, why) : status;
}

enum weft_status writer_forget_all(struct writer *writer, const struct stream *stream,
                                   uint64_t upto, struct weft_error *why) {
    CHECK(writer != NULL && upto <= INT64_MAX);
    enum weft_status status = stream_version(writer, FIXED_FORGET, stream, upto, why);
    return status == WEFT_OK ? writer_horizon(writer, stream, upto, why) : status;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Reads a device's id out of a column. */
static bool column_id(sqlite3_stmt *statement, int column, struct id *out) {
    struct weft_value value = statement_value(statement, column);
    return value.type == WEFT_BLOB && id_read(out, value.as.bytes, value.size);
}

static enum weft_status fail_corrupt(const struct writer *writer, struct weft_error *why) {
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: a row of the engine's tables names a device whose id is not 16 bytes; "
                       "restore the file from a copy",
                       writer->path);
}

enum weft_status writer_load_positions(struct writer *writer, struct vector *out,
                                       struct weft_error *why) {
    CHECK(writer != NULL && out != NULL);
    sqlite3_stmt *statement = NULL;
    bool row = true;
    enum weft_status status = writer_fixed(writer, FIXED_POSITIONS, &statement, why);
    while (status == WEFT_OK) {
        status = statement_step(statement, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        struct stream stream = {.model = (uint32_t)sqlite3_column_int64(statement, 1)};
        if (!column_id(statement, 0, &stream.owner)) {
            status = fail_corrupt(writer, why);
        } else if (models_owned(writer->models, stream.model) != NULL) {
            status =
                vector_advance(out, &stream, (uint64_t)sqlite3_column_int64(statement, 2), NULL);
            if (status != WEFT_OK)
                status_fail(why, status, 0, "%s: no memory for positions", writer->path);
        }
    }
    if (status != WEFT_OK) sqlite3_reset(writer->fixed[FIXED_POSITIONS]);
    return status;
}

/* Hands one row of one of the three queries to the visitor. */
static bool visit_row(const struct writer *writer, const struct writer_visit *visit,
                      enum writer_fixed fixed, sqlite3_stmt *row) {
    struct id device;
    struct stream stream;
    if (!column_id(row, 0, &device)) return false;
    if (fixed == FIXED_VISIT_TOMBSTONES || fixed == FIXED_VISIT_SWEEPS) {
        stream = (struct stream){device, (uint32_t)sqlite3_column_int64(row, 1)};
        const uint64_t version = (uint64_t)sqlite3_column_int64(row, 2);
        /* What is left of a table that is gone, or of another kind now. */
        if (models_owned(writer->models, stream.model) == NULL) return true;
        if (fixed == FIXED_VISIT_SWEEPS) visit->sweep(visit->context, &stream, version);
        if (fixed == FIXED_VISIT_TOMBSTONES) {
            visit->oldest_tombstone(visit->context, &stream, version);
        }
        return true;
    }
    CHECK(fixed == FIXED_VISIT_ACKS);
    stream.model = (uint32_t)sqlite3_column_int64(row, 2);
    if (!column_id(row, 1, &stream.owner)) return false;
    if (models_owned(writer->models, stream.model) == NULL) return true;
    visit->ack(visit->context, &device, &stream, (uint64_t)sqlite3_column_int64(row, 3));
    return true;
}

static enum weft_status visit_all(struct writer *writer, const struct writer_visit *visit,
                                  enum writer_fixed fixed, struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    bool row = true;
    enum weft_status status = writer_fixed(writer, fixed, &statement, why);
    while (status == WEFT_OK && row) {
        status = statement_step(statement, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) return status;
        if (!visit_row(writer, visit, fixed, statement)) status = fail_corrupt(writer, why);
    }
    if (writer->fixed[fixed] != NULL) sqlite3_reset(writer->fixed[fixed]);
    return status;
}

enum weft_status writer_visit(struct writer *writer, const struct writer_visit *visit,
                              struct weft_error *why) {
    CHECK(writer != NULL);
    CHECK(visit != NULL);
    enum weft_status status = WEFT_OK;
    if (visit->ack != NULL) status = visit_all(writer, visit, FIXED_VISIT_ACKS, why);
    if (status == WEFT_OK && visit->sweep != NULL) {
        status = visit_all(writer, visit, FIXED_VISIT_SWEEPS, why);
    }
    if (status == WEFT_OK && visit->oldest_tombstone != NULL) {
        status = visit_all(writer, visit, FIXED_VISIT_TOMBSTONES, why);
    }
    return status;
}

enum weft_status writer_floors(struct writer *writer, void *context,
                               void (*visit)(void *context, const struct id *device,
                                             uint64_t incarnation, uint64_t serial),
                               struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status =
        statement_prepare(writer->db, &query, writer->path, why,
                          "SELECT device, incarnation, serial FROM main._weft_floor "
                          "ORDER BY device");
    while (status == WEFT_OK) {
        struct id device;
        status = statement_step(query, &row, "reading", writer->path, why);
        if (status != WEFT_OK || !row) break;
        if (!column_id(query, 0, &device)) continue;
        visit(context, &device, (uint64_t)sqlite3_column_int64(query, 1),
              (uint64_t)sqlite3_column_int64(query, 2));
    }
    sqlite3_finalize(query);
    return status;
}
