/* Reading a stream in version order.
 *
 *     _weft_<table>_order ─► rows       ┐    or the table itself: stride.h
 *     _weft_tombstone     ─► deletes    ├─ merged by version ─► one run in (after, upto]
 *     _weft_parked        ─► rows       ┘
 *
 *     0 ──── horizon ──── after ──── upto ──── position          `more`: upto < what is held
 *            below here,              └ rows_max or bytes_max were reached
 *            but not from 0: sweep
 *
 * A parked row is part of what this device holds, and passed on as any other: a third device may be
 * able to apply it.
 *
 * Invariants
 *   1. Everything in a batch, its position and its horizon are of one read transaction, which ends
 *      before the call returns: the write-ahead log can be reset between two calls.
 *   2. A run holds all there is in (after, upto], each version once, in increasing order.
 *   3. A batch that is not at the end makes progress: it has at least one row. */
#include "engine/store/reader.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/digest.h"
#include "engine/store/packed.h"
#include "engine/store/statement.h"
#include "engine/store/stride.h"
#include "engine/store/subscription.h"

enum reader_fixed {
    FIXED_BEGIN,
    FIXED_END,
    FIXED_PLACE,
    FIXED_TOMBSTONES,
    FIXED_PARKED,
    FIXED_POSITIONS,
    FIXED_SWEEPS,
    FIXED_COUNT
};

static const char *const fixed_sql[FIXED_COUNT] = {
    [FIXED_BEGIN] = "BEGIN",
    [FIXED_END] = "COMMIT",
    [FIXED_PLACE] = "SELECT d.id, p.position, p.horizon, "
                    "max(p.settled, p.position + (p.sweep IS NOT NULL)) FROM _weft_device AS d "
                    "JOIN _weft_position AS p ON p.owner = d.id AND p.model = ?2 "
                    "WHERE d.device = ?1",
    [FIXED_TOMBSTONES] = "SELECT version, key FROM _weft_tombstone WHERE owner = ?1 "
                         "AND version > ?2 AND version <= ?3 AND model = ?4 ORDER BY version",
    [FIXED_PARKED] = "SELECT version, row FROM _weft_parked WHERE owner = ?1 "
                     "AND version > ?2 AND version <= ?3 AND model = ?4 ORDER BY version",
    [FIXED_POSITIONS] = "SELECT d.device, p.model, p.position FROM _weft_position AS p "
                        "JOIN _weft_device AS d ON d.id = p.owner ORDER BY p.owner, p.model",
    [FIXED_SWEEPS] = "SELECT d.device, p.model, p.sweep FROM _weft_position AS p "
                     "JOIN _weft_device AS d ON d.id = p.owner WHERE p.sweep IS NOT NULL "
                     "AND NOT p.clearing ORDER BY p.owner, p.model",
};

struct reader {
    sqlite3 *db;
    char *path;
    const struct models *models;
    sqlite3_stmt *fixed[FIXED_COUNT];
    sqlite3_stmt **rows;    /* by model id - 1 */
    struct stride *strides; /* likewise */
    struct weft_value values[LIMIT_COLUMNS];
    struct packed key;
};

/* ---- opening --------------------------------------------------------------------------------- */

enum weft_status reader_open(const char *path, const char *vfs, uint32_t cache_bytes,
                             const struct models *models, struct reader **out,
                             struct weft_error *why) {
    CHECK(path != NULL && models != NULL);
    CHECK(out != NULL);
    *out = NULL;
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) goto no_memory;
    reader->models = models;
    reader->path = strdup(path);
    reader->rows = calloc(models->count + 1, sizeof *reader->rows);
    reader->strides = calloc(models->count + 1, sizeof *reader->strides);
    if (reader->path == NULL || reader->rows == NULL || reader->strides == NULL) goto no_memory;

    enum weft_status status = store_connect(path, vfs, true, cache_bytes, &reader->db, why);
    for (int i = 0; i < FIXED_COUNT && status == WEFT_OK; i++) {
        status = statement_prepare(reader->db, &reader->fixed[i], path, why, "%s", fixed_sql[i]);
    }
    if (status != WEFT_OK) {
        reader_close(reader);
        return status;
    }
    *out = reader;
    return WEFT_OK;

no_memory:
    reader_close(reader);
    return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", path);
}

void reader_close(struct reader *reader) {
    if (reader == NULL) return;
    for (int i = 0; i < FIXED_COUNT; i++)
        sqlite3_finalize(reader->fixed[i]);
    for (uint32_t i = 0; reader->rows != NULL && i < reader->models->count; i++) {
        sqlite3_finalize(reader->rows[i]);
    }
    for (uint32_t i = 0; reader->strides != NULL && i < reader->models->count; i++)
        stride_close(&reader->strides[i]);
    int code = sqlite3_close(reader->db);
    CHECK(code == SQLITE_OK);
    packed_free(&reader->key);
    free(reader->rows);
    free(reader->strides);
    free(reader->path);
    free(reader);
}

static enum weft_status rows_statement(struct reader *reader, const struct model *model,
                                       sqlite3_stmt **out, struct weft_error *why) {
    sqlite3_stmt **statement = &reader->rows[model->id - 1];
    enum weft_status status = WEFT_OK;
    if (*statement == NULL) {
        sqlite3_str *sql = sqlite3_str_new(reader->db);
        sqlite3_str_appendall(sql, "SELECT _weft_version");
        for (uint32_t c = 0; c < model->column_count; c++) {
            sqlite3_str_appendf(sql, ",\"%w\"", model->columns[c].name);
        }
        sqlite3_str_appendf(sql,
                            " FROM main.\"%w\" INDEXED BY \"_weft_%w_order\" "
                            "WHERE _weft_owner = ?1 AND _weft_version > ?2 AND _weft_version <= ?3 "
                            "ORDER BY _weft_version",
                            model->name, model->name);
        char *text = sqlite3_str_finish(sql);
        if (text == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
        status = statement_prepare(reader->db, statement, model->name, why, "%s", text);
        sqlite3_free(text);
    }
    *out = *statement;
    return status;
}

/* ---- one batch ------------------------------------------------------------------------------- */

enum source_kind { SOURCE_ROWS, SOURCE_TOMBSTONES, SOURCE_PARKED, SOURCE_COUNT };

/* One of the three things merged. */
struct source {
    sqlite3_stmt *statement;
    bool row; /* one is there, with this version */
    uint64_t version;
};

struct reading {
    struct reader *reader;
    const struct model *model;
    struct source sources[SOURCE_COUNT];
    struct rows_builder builder;
    struct stride *stride; /* gives the table's rows; NULL: the index does */
    struct weft_error *why;
};

static enum weft_status source_step(struct reading *reading, struct source *source) {
    if (reading->stride != NULL && source == &reading->sources[SOURCE_ROWS]) {
        enum weft_status status =
            stride_step(reading->stride, reading->model, &source->row, reading->why);
        source->version = reading->stride->last;
        return status;
    }
    enum weft_status status = statement_step(source->statement, &source->row, "reading",
                                             reading->model->name, reading->why);
    if (status == WEFT_OK && source->row) {
        source->version = (uint64_t)sqlite3_column_int64(source->statement, 0);
    }
    return status;
}

/* ?1 owner, ?2 after, ?3 upto, ?4 model where it is not said by the table. */
static void range_bind(struct reading *reading, int source, uint32_t owner, uint64_t after,
                       uint64_t position) {
    sqlite3_stmt *statement = reading->sources[source].statement;
    sqlite3_bind_int64(statement, 1, owner);
    sqlite3_bind_int64(statement, 2, (int64_t)after);
    sqlite3_bind_int64(statement, 3, (int64_t)position);
    if (source != SOURCE_ROWS) sqlite3_bind_int64(statement, 4, reading->model->id);
}

static enum weft_status reading_begin(struct reading *reading, uint32_t owner, uint64_t after,
                                      uint64_t position) {
    struct reader *reader = reading->reader;
    sqlite3_stmt *rows = NULL;
    enum weft_status status = WEFT_OK;
    if (reading->stride != NULL) {
        rows = reading->stride->rows;
    } else {
        status = rows_statement(reader, reading->model, &rows, reading->why);
    }
    if (status != WEFT_OK) return status;
    reading->sources[SOURCE_ROWS].statement = rows;
    reading->sources[SOURCE_TOMBSTONES].statement = reader->fixed[FIXED_TOMBSTONES];
    reading->sources[SOURCE_PARKED].statement = reader->fixed[FIXED_PARKED];
    for (int i = 0; i < SOURCE_COUNT && status == WEFT_OK; i++) {
        if (i != SOURCE_ROWS || reading->stride == NULL)
            range_bind(reading, i, owner, after, position);
        status = source_step(reading, &reading->sources[i]);
    }
    return status;
}

static void reading_end(struct reading *reading) {
    for (int i = 0; i < SOURCE_COUNT; i++) {
        if (reading->sources[i].statement != NULL) sqlite3_reset(reading->sources[i].statement);
    }
}

/* The source whose row comes next; NULL when all are at their end. */
static struct source *reading_next(struct reading *reading) {
    struct source *next = NULL;
    for (int i = 0; i < SOURCE_COUNT; i++) {
        struct source *source = &reading->sources[i];
        if (source->row && (next == NULL || source->version < next->version)) next = source;
    }
    return next;
}

/* Loads the cells of what is kept about a row that is not in its table. */
static bool reading_packed(struct reading *reading, const struct source *source) {
    struct weft_value *values = reading->reader->values;
    const struct model *model = reading->model;
    struct weft_value packed = statement_value(source->statement, 1);
    struct bytes bytes = {packed.as.bytes, packed.size};
    if (packed.type != WEFT_BLOB) return false;
    return source == &reading->sources[SOURCE_TOMBSTONES] ? packed_read_key(bytes, model, values)
                                                          : packed_read_row(bytes, model, values);
}

static enum weft_status reading_add(struct reading *reading, struct source *source) {
    const bool tombstone = source == &reading->sources[SOURCE_TOMBSTONES];
    const bool table = source == &reading->sources[SOURCE_ROWS];
    if (!table && !reading_packed(reading, source)) {
        return status_fail(reading->why, WEFT_CORRUPT, 0,
                           "table \"%s\": what is kept about version %llu cannot be read; restore "
                           "%s from a copy",
                           reading->model->name, (unsigned long long)source->version,
                           reading->reader->path);
    }
    enum weft_status status =
        rows_add(&reading->builder, tombstone ? ROW_DELETE : ROW_PUT, source->version);
    for (uint32_t c = 0; c < reading->model->column_count && status == WEFT_OK; c++) {
        const struct weft_value value =
            table ? statement_value(source->statement, 1 + (int)c) : reading->reader->values[c];
        if (value.type != WEFT_NULL) status = rows_cell(&reading->builder, c, &value);
    }
    if (status == WEFT_OK) return source_step(reading, source);
    return status_fail(reading->why, status, 0, "reading \"%s\": no memory for a batch",
                       reading->model->name);
}

/* Reads until a bound is reached or nothing is left. Of two that have one version, which a member
 * that lies can bring about as it passes rows on, the second is left out: digests tell. */
static enum weft_status reading_run(struct reading *reading, uint32_t rows_max, size_t bytes_max,
                                    uint64_t *last) {
    const Weft__Rows *rows = reading->builder.rows;
    struct source *source = reading_next(reading);
    while (source != NULL && rows->count < rows_max &&
           (rows->count == 0 || reading->builder.cell_bytes < bytes_max)) {
        const bool twice = source->version <= *last;
        *last = source->version;
        enum weft_status status =
            twice ? source_step(reading, source) : reading_add(reading, source);
        if (status != WEFT_OK) return status;
        source = reading_next(reading);
    }
    return WEFT_OK;
}

/* This device's number for the owner, position in the stream, the stream's horizon, and where its
 * rows are settled; all 0 when it holds nothing of it. */
static enum weft_status place_read(struct reader *reader, const struct stream *stream,
                                   uint32_t *owner, uint64_t *position, uint64_t *horizon,
                                   uint64_t *settled, struct weft_error *why) {
    sqlite3_stmt *place = reader->fixed[FIXED_PLACE];
    struct weft_value device = weft_blob(stream->owner.bytes, sizeof stream->owner.bytes);
    bool row = false;
    *owner = 0, *position = 0, *horizon = 0, *settled = 0;
    statement_bind(place, 1, &device);
    sqlite3_bind_int64(place, 2, stream->model);
    enum weft_status status = statement_step(place, &row, "reading", reader->path, why);
    if (status != WEFT_OK || !row) return status;
    *owner = (uint32_t)sqlite3_column_int64(place, 0);
    *position = (uint64_t)sqlite3_column_int64(place, 1);
    *horizon = (uint64_t)sqlite3_column_int64(place, 2);
    *settled = (uint64_t)sqlite3_column_int64(place, 3);
    sqlite3_reset(place);
    return WEFT_OK;
}

/* Without memory the last transaction may not have been ended. */
static enum weft_status begin(struct reader *reader, struct weft_error *why) {
    if (sqlite3_get_autocommit(reader->db) == 0)
        (void)statement_run(reader->fixed[FIXED_END], "reading", reader->path, NULL);
    return statement_run(reader->fixed[FIXED_BEGIN], "reading", reader->path, why);
}

/* Reads what lies in (after, end], or as much of it as the bounds allow. */
static enum weft_status stretch_read(struct reading *reading, uint32_t owner, uint64_t after,
                                     uint64_t end, uint32_t rows_max, size_t bytes_max,
                                     struct reader_batch *out) {
    uint64_t last = after;
    if (reading->stride != NULL && reading->stride->wanted == rows_max) end = reading->stride->high;
    enum weft_status status = reading_begin(reading, owner, after, end);
    if (status == WEFT_OK) status = reading_run(reading, rows_max, bytes_max, &last);
    if (status == WEFT_OK) {
        const bool cut = reading_next(reading) != NULL;
        out->rows->upto = cut ? last : end;
        out->more = cut || end < out->position;
    }
    reading_end(reading);
    return status;
}

/* The same in the table's order, if that gives all there is; `*whole` false: nothing was read. */
static enum weft_status stride_read(struct reading *reading, uint32_t owner, uint64_t after,
                                    uint64_t end, uint32_t rows_max, size_t bytes_max,
                                    struct reader_batch *out, bool *whole) {
    struct stride *stride = &reading->reader->strides[reading->model->id - 1];
    *whole = false;
    enum weft_status status = stride_begin(stride, reading->reader->db, reading->model, owner,
                                           after, end, rows_max, reading->why);
    if (status != WEFT_OK || stride->wanted == 0) return status;
    reading->stride = stride;
    status = stretch_read(reading, owner, after, end, rows_max, bytes_max, out);
    reading->stride = NULL;
    /* The one that came next was not used. */
    const uint32_t used = stride->read - reading->sources[SOURCE_ROWS].row;
    if (status == WEFT_OK)
        status = stride_whole(stride, reading->model, used, out->rows->upto, whole, reading->why);
    stride_end(stride, *whole);
    while (!*whole && out->rows->count > 0)
        rows_undo(&reading->builder);
    return status;
}

/* What reader_after() does inside its transaction. */
static enum weft_status batch_read(struct reading *reading, const struct stream *stream,
                                   uint64_t after, uint64_t until, uint32_t rows_max,
                                   size_t bytes_max, struct reader_batch *out) {
    Weft__Rows *rows = out->rows;
    uint32_t owner = 0;
    bool whole = false;
    enum weft_status status = place_read(reading->reader, stream, &owner, &out->position,
                                         &rows->horizon, &rows->settled, reading->why);
    if (status != WEFT_OK) return status;
    /* A sweep goes on where it stands, also below the horizon: it has seen all from 0 on. */
    out->sweep = after != 0 && after < rows->horizon && !rows->sweep;
    if (out->sweep || after >= out->position) return WEFT_OK;
    const uint64_t end = until < out->position ? until : out->position;
    status = stride_read(reading, owner, after, end, rows_max, bytes_max, out, &whole);
    if (status != WEFT_OK || whole) return status;
    return stretch_read(reading, owner, after, end, rows_max, bytes_max, out);
}

enum weft_status reader_after(struct reader *reader, const struct stream *stream, uint64_t after,
                              bool sweep, uint32_t rows_max, size_t bytes_max, struct arena *arena,
                              struct reader_batch *out, struct weft_error *why) {
    return reader_between(reader, stream, after, UINT64_MAX, sweep, rows_max, bytes_max, arena, out,
                          why);
}

enum weft_status reader_between(struct reader *reader, const struct stream *stream, uint64_t after,
                                uint64_t until, bool sweep, uint32_t rows_max, size_t bytes_max,
                                struct arena *arena, struct reader_batch *out,
                                struct weft_error *why) {
    CHECK(after < until);
    CHECK(reader != NULL && stream != NULL && arena != NULL && out != NULL);
    CHECK(rows_max >= 1 && rows_max <= LIMIT_ROWS);
    const struct model *model = models_get(reader->models, stream->model);
    CHECK(model != NULL);
    struct reading reading = {.reader = reader, .model = model, .why = why};
    *out = (struct reader_batch){0};
    uint8_t *owner = arena_take(arena, sizeof stream->owner.bytes);
    enum weft_status status = rows_begin(&reading.builder, arena, model->id, model->column_count);
    if (owner == NULL || status != WEFT_OK) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "reading \"%s\": no memory for a batch",
                           model->name);
    }
    memcpy(owner, stream->owner.bytes, sizeof stream->owner.bytes);
    out->rows = reading.builder.rows;
    out->rows->owner = (ProtobufCBinaryData){sizeof stream->owner.bytes, owner};
    out->rows->after = after;
    out->rows->upto = after;
    out->rows->sweep = sweep;

    status = begin(reader, why);
    if (status != WEFT_OK) return status;
    status = batch_read(&reading, stream, after, until, rows_max, bytes_max, out);
    /* Ending a transaction that only read cannot lose anything, so its answer does not matter. */
    (void)statement_run(reader->fixed[FIXED_END], "reading", reader->path, NULL);
    CHECK(status != WEFT_OK || out->rows->count > 0 || !out->more || out->rows->upto > after);
    return status;
}

/* ---- hashes ---------------------------------------------------------------------------------- */

/* The hash of the row under a source; nothing but its key is looked at. */
static enum weft_status hash_row(struct reading *reading, const struct source *source,
                                 uint64_t *hash) {
    struct reader *reader = reading->reader;
    const struct model *model = reading->model;
    bool sound = true;
    if (source == &reading->sources[SOURCE_ROWS]) {
        for (uint32_t k = 0; k < model->key_count; k++)
            reader->values[model->key[k]] =
                statement_value(source->statement, 1 + (int)model->key[k]);
    } else {
        sound = reading_packed(reading, source);
    }
    *hash = 0;
    if (!sound) return WEFT_OK;
    if (packed_key(&reader->key, model, reader->values) != WEFT_OK)
        return status_fail(reading->why, WEFT_NO_MEMORY, 0, "no memory for a key");
    *hash = digest_owned((struct bytes){reader->key.data, reader->key.size}, source->version);
    return WEFT_OK;
}

/* What reader_hashes() does inside its transaction. */
static enum weft_status hashes_read(struct reading *reading, const struct stream *stream,
                                    uint64_t after, uint64_t upto, uint32_t rows_max,
                                    const struct reader_visit *visit, struct reader_place *out) {
    uint32_t owner = 0, count = 0;
    enum weft_status status = place_read(reading->reader, stream, &owner, &out->position,
                                         &out->horizon, &out->settled, reading->why);
    out->upto = after;
    if (status != WEFT_OK || out->position < upto) return status;
    status = reading_begin(reading, owner, after, upto);
    struct source *source = NULL;
    while (status == WEFT_OK && (source = reading_next(reading)) != NULL && count < rows_max) {
        uint64_t hash = 0;
        if (source != &reading->sources[SOURCE_TOMBSTONES]) {
            status = hash_row(reading, source, &hash);
            if (status == WEFT_OK) visit->row(visit->context, source->version, hash);
        }
        out->upto = source->version;
        count++;
        if (status == WEFT_OK) status = source_step(reading, source);
    }
    if (status == WEFT_OK && source == NULL) out->upto = upto;
    reading_end(reading);
    return status;
}

enum weft_status reader_hashes(struct reader *reader, const struct stream *stream, uint64_t after,
                               uint64_t upto, uint32_t rows_max, const struct reader_visit *visit,
                               struct reader_place *out, struct weft_error *why) {
    CHECK(reader != NULL && stream != NULL && visit != NULL && out != NULL);
    CHECK(after < upto && rows_max >= 1);
    const struct model *model = models_get(reader->models, stream->model);
    CHECK(model != NULL);
    struct reading reading = {.reader = reader, .model = model, .why = why};
    *out = (struct reader_place){0};
    enum weft_status status = begin(reader, why);
    if (status != WEFT_OK) return status;
    status = hashes_read(&reading, stream, after, upto, rows_max, visit, out);
    (void)statement_run(reader->fixed[FIXED_END], "reading", reader->path, NULL);
    return status;
}

/* ---- all streams ----------------------------------------------------------------------------- */

/* Reads the stream and the number of one row; streams of tables that are gone are passed over. */
static enum weft_status stream_step(struct reader *reader, sqlite3_stmt *statement, bool *row,
                                    struct stream *stream, uint64_t *number,
                                    struct weft_error *why) {
    for (*row = true; *row;) {
        enum weft_status status = statement_step(statement, row, "reading", reader->path, why);
        if (status != WEFT_OK || !*row) return status;
        struct weft_value owner = statement_value(statement, 0);
        stream->model = (uint32_t)sqlite3_column_int64(statement, 1);
        *number = (uint64_t)sqlite3_column_int64(statement, 2);
        if (owner.type != WEFT_BLOB || !id_read(&stream->owner, owner.as.bytes, owner.size)) {
            sqlite3_reset(statement);
            return status_fail(
                why, WEFT_CORRUPT, 0,
                "%s: a position names a device whose id is not 16 bytes; restore the "
                "file from a copy",
                reader->path);
        }
        if (models_owned(reader->models, stream->model) != NULL) return WEFT_OK;
    }
    return WEFT_OK;
}

enum weft_status reader_positions(struct reader *reader, struct vector *out,
                                  struct weft_error *why) {
    CHECK(reader != NULL);
    CHECK(out != NULL);
    sqlite3_stmt *statement = reader->fixed[FIXED_POSITIONS];
    enum weft_status status = WEFT_OK;
    bool row = true;
    while (row && status == WEFT_OK) {
        struct stream stream;
        uint64_t position = 0;
        status = stream_step(reader, statement, &row, &stream, &position, why);
        if (status != WEFT_OK || !row) break;
        status = vector_advance(out, &stream, position, NULL);
        if (status != WEFT_OK) {
            status_fail(why, status, 0, "%s: no room for its positions", reader->path);
        }
    }
    sqlite3_reset(statement);
    return status;
}

enum weft_status reader_sweeps(struct reader *reader, void *context,
                               void (*visit)(void *context, const struct stream *stream,
                                             uint64_t cursor),
                               struct weft_error *why) {
    CHECK(reader != NULL);
    CHECK(visit != NULL);
    sqlite3_stmt *statement = reader->fixed[FIXED_SWEEPS];
    enum weft_status status = WEFT_OK;
    bool row = true;
    while (row && status == WEFT_OK) {
        struct stream stream;
        uint64_t cursor = 0;
        status = stream_step(reader, statement, &row, &stream, &cursor, why);
        if (status == WEFT_OK && row) visit(context, &stream, cursor);
    }
    sqlite3_reset(statement);
    return status;
}

enum weft_status reader_subscriptions(struct reader *reader, struct subscriptions *out,
                                      struct vector *clearing, struct weft_error *why) {
    CHECK(reader != NULL && out != NULL && clearing != NULL);
    return subscriptions_read(reader->db, reader->path, reader->models, out, clearing, why);
}
