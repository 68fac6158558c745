/* Deleting what was not found again.
 *
 *   a sweep  (another owner's rows): a batch names all there is in (after, upto]. What this device
 *            holds there besides has gone at the owner, whose tombstone is forgotten.
 *   a scan   (own rows): what a rescan has not written again by its end. These deletes are new, so
 *            they get tombstones and travel.
 *   a clearing (another owner's rows): all there are go, in slices; it is a sweep without a source.
 *
 * All walk the index over (owner, version), and first find, then delete: no table is changed
 * under a statement that reads it.
 *
 * Invariants
 *   1. A sweep deletes nothing outside (after, upto], and no row of another owner.
 *   2. One call of a scan looks at a bounded number of rows, also when none is in its scope. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/writer_private.h"

/* How many rows a slice of a scan may look at for each that it may delete. */
#define SCAN_LOOKS_PER_DELETE 16u

/* ---- sweeps ---------------------------------------------------------------------------------- */

struct sweeping {
    struct writer *writer;
    const struct model *model;
    uint32_t owner;
    const Weft__Rows *rows;
    struct writer_tally *tally;
    struct weft_error *why;
};

/* Whether the run has a put of this key with this version; versions increase. */
static bool named(const struct sweeping *sweeping, uint64_t version, struct bytes key) {
    const Weft__Rows *rows = sweeping->rows;
    struct writer *writer = sweeping->writer;
    uint32_t low = 0, high = rows->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows_version(rows, middle) < version) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low >= rows->count || rows_version(rows, low) != version) return false;
    if (rows_op(rows, low) != ROW_PUT) return false;
    writer_values(writer, rows, low);
    if (packed_key(&writer->key, sweeping->model, writer->values) != WEFT_OK) return true;
    return writer->key.size == key.size && memcmp(writer->key.data, key.data, key.size) == 0;
}

/* The key of the row under a statement, packed in writer->row: of a table its columns, of a parked
 * row as it is kept. */
static enum weft_status take_key(const struct sweeping *sweeping, sqlite3_stmt *statement,
                                 bool parked) {
    struct packed *to = &sweeping->writer->row;
    const struct weft_value first = statement_value(statement, 1);
    if (parked)
        return packed_copy(to, (struct bytes){first.type == WEFT_BLOB ? first.as.bytes : NULL,
                                              first.type == WEFT_BLOB ? first.size : 0});
    enum weft_status status = WEFT_OK;
    to->size = 0;
    for (uint32_t k = 0; k < sweeping->model->key_count && status == WEFT_OK; k++) {
        const struct weft_value value = statement_value(statement, 1 + (int)k);
        status = packed_value(to, &value);
    }
    return status;
}

/* Steps a statement that gives versions and keys to the next one that the run does not name; its
 * key is in writer->row. */
static enum weft_status next_unnamed(const struct sweeping *sweeping, sqlite3_stmt *statement,
                                     bool parked, uint64_t *version, bool *found) {
    struct writer *writer = sweeping->writer;
    *found = true;
    while (*found) {
        enum weft_status status =
            statement_step(statement, found, "reading", writer->path, sweeping->why);
        if (status != WEFT_OK) return status;
        if (!*found) break;
        *version = (uint64_t)sqlite3_column_int64(statement, 0);
        status = take_key(sweeping, statement, parked);
        if (status != WEFT_OK) {
            sqlite3_reset(statement);
            return status_fail(sweeping->why, status, 0, "no memory for a key");
        }
        if (!named(sweeping, *version, (struct bytes){writer->row.data, writer->row.size})) break;
    }
    sqlite3_reset(statement);
    return WEFT_OK;
}

/* Deletes the row whose key is in writer->row. One of which a newer version is parked counted with
 * that. */
static enum weft_status sweep_row(const struct sweeping *sweeping, bool *deleted) {
    struct writer *writer = sweeping->writer;
    const struct model *model = sweeping->model;
    uint64_t parked = 0, gone = 0;
    const bool sound =
        packed_read_key((struct bytes){writer->row.data, writer->row.size}, model, writer->values);
    CHECK(sound);
    enum weft_status status =
        writer_delete(writer, model, sweeping->owner, INT64_MAX, &gone, sweeping->why);
    if (status == WEFT_OK)
        status = digest_parked(writer, model, sweeping->owner, &parked, sweeping->why);
    if (parked < gone) digest_move(writer, model, sweeping->owner, gone, parked);
    if (gone != 0) writer_touched(writer, model, WEFT_CHANGE_DELETE);
    sweeping->tally->written++;
    *deleted = gone != 0;
    return status;
}

/* Drops the parked row of this version, whose key is in writer->row. */
static enum weft_status sweep_parked(const struct sweeping *sweeping, uint64_t version) {
    struct writer *writer = sweeping->writer;
    const struct model *model = sweeping->model;
    sqlite3_stmt *gone = NULL;
    uint64_t after = 0;
    enum weft_status status = writer_fixed(writer, FIXED_UNPARK, &gone, sweeping->why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(gone, 1, sweeping->owner);
    sqlite3_bind_int64(gone, 2, model->id);
    sqlite3_bind_int64(gone, 3, (int64_t)version);
    status = statement_run(gone, "sweeping", model->name, sweeping->why);
    if (status != WEFT_OK) return status;
    if (!packed_read_key((struct bytes){writer->row.data, writer->row.size}, model,
                         writer->values)) {
        digest_lose(writer, model, sweeping->owner);
        return WEFT_OK;
    }
    status = digest_counted(writer, model, sweeping->owner, &after, sweeping->why);
    if (after < version) digest_move(writer, model, sweeping->owner, version, after);
    return status;
}

/* Deletes what the run does not name, `*room` rows at most, which are counted down. */
static enum weft_status sweep_rows(const struct sweeping *sweeping, bool parked, uint32_t *room) {
    struct writer *writer = sweeping->writer;
    const Weft__Rows *rows = sweeping->rows;
    sqlite3_stmt *range = NULL;
    enum weft_status status =
        parked ? writer_fixed(writer, FIXED_PARKED_RANGE, &range, sweeping->why)
               : writer_slot(writer, sweeping->model, SLOT_RANGE, &range, sweeping->why);
    bool found = true;
    uint64_t at = rows->after;
    while (status == WEFT_OK && found && *room > 0) {
        sqlite3_bind_int64(range, 1, sweeping->owner);
        sqlite3_bind_int64(range, 2, (int64_t)at);
        sqlite3_bind_int64(range, 3, (int64_t)rows->upto);
        if (parked) sqlite3_bind_int64(range, 4, sweeping->model->id);
        status = next_unnamed(sweeping, range, parked, &at, &found);
        if (status != WEFT_OK || !found) break;
        bool gone = true;
        status = parked ? sweep_parked(sweeping, at) : sweep_row(sweeping, &gone);
        at -= gone; /* A damaged table may have two of one version. */
        (*room)--;
    }
    return status;
}

enum weft_status writer_sweep_range(struct writer *writer, const struct model *model,
                                    uint32_t owner, const Weft__Rows *rows,
                                    struct writer_tally *tally, struct weft_error *why) {
    const struct sweeping sweeping = {writer, model, owner, rows, tally, why};
    CHECK(rows->after <= rows->upto && rows->upto <= INT64_MAX);
    CHECK(owner != 0);
    uint32_t room = UINT32_MAX;
    enum weft_status status = sweep_rows(&sweeping, false, &room);
    return status == WEFT_OK && writer->any_parked ? sweep_rows(&sweeping, true, &room) : status;
}

enum weft_status writer_clear(struct writer *writer, const struct stream *stream, uint32_t limit,
                              bool *done, struct writer_tally *tally, struct weft_error *why) {
    const struct model *model = models_owned(writer->models, stream->model);
    Weft__Rows none = WEFT__ROWS__INIT;
    uint32_t owner = 0, room = limit, count = 0;
    *done = false;
    CHECK(model != NULL && limit > 0 && !id_equal(&stream->owner, &writer->self));
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    enum weft_status status = writer_device(writer, &stream->owner, &owner, why);
    const struct sweeping sweeping = {writer, model, owner, &none, tally, why};
    none.upto = INT64_MAX;
    if (status == WEFT_OK) status = sweep_rows(&sweeping, false, &room);
    if (status == WEFT_OK && room > 0) status = sweep_rows(&sweeping, true, &room);
    if (status == WEFT_OK && room > 0)
        status = writer_forget(writer, stream, INT64_MAX, room, &count, why);
    writer_forget_owners(writer, model);
    if (status != WEFT_OK || room < limit || count > 0) return status;
    *done = true;
    return writer_cleared(writer, stream, why);
}

/* ---- scans ----------------------------------------------------------------------------------- */

static enum weft_status scan_statement(struct writer *writer, const struct writer_sweep *sweep,
                                       sqlite3_stmt **out, struct weft_error *why) {
    const struct model *model = sweep->model;
    struct writer_table *table = writer_table(writer, model);
    if (table->scans == NULL) table->scans = calloc(model->column_count, sizeof *table->scans);
    if (table->scans == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
    if (table->scans[sweep->column] == NULL) {
        char *sql = writer_sql_scan(writer->db, model, sweep->column);
        if (sql == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
        enum weft_status status = statement_prepare(writer->db, &table->scans[sweep->column],
                                                    model->name, why, "%s", sql);
        sqlite3_free(sql);
        if (status != WEFT_OK) return status;
    }
    *out = table->scans[sweep->column];
    return WEFT_OK;
}

/* Adds the row under the statement to what will be deleted, unless the scan has seen it. */
static enum weft_status scan_row(struct writer_sweep *sweep, sqlite3_stmt *statement,
                                 uint64_t *next, struct rows_builder *deleted) {
    struct weft_value key[LIMIT_KEY_COLUMNS];
    const uint32_t count = sweep->model->key_count;
    if (sqlite3_column_int(statement, 1) == 0) return WEFT_OK;
    for (uint32_t k = 0; k < count; k++)
        key[k] = statement_value(statement, 2 + (int)k);
    if (sweep->keep != NULL && sweep->keep(sweep->context, key, count)) return WEFT_OK;
    enum weft_status status = rows_add(deleted, ROW_DELETE, *next);
    for (uint32_t k = 0; k < count && status == WEFT_OK; k++) {
        status = rows_cell(deleted, sweep->model->key[k], &key[k]);
    }
    if (status == WEFT_OK) (*next)++;
    return status;
}

/* Looks at a slice of rows; `*more` says whether there may be others behind it. */
static enum weft_status scan_look(struct writer *writer, struct writer_sweep *sweep, uint32_t limit,
                                  uint64_t *next, struct rows_builder *deleted, bool *more,
                                  struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = scan_statement(writer, sweep, &statement, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, (int64_t)sweep->from);
    sqlite3_bind_int64(statement, 2, (int64_t)sweep->mark);
    statement_bind(statement, 3, &sweep->scope);
    const uint32_t before = deleted->rows->count;
    uint64_t looks = (uint64_t)limit * SCAN_LOOKS_PER_DELETE;
    bool row = true;
    while (looks > 0 && deleted->rows->count - before < limit &&
           deleted->rows->count < LIMIT_ROWS) {
        status = statement_step(statement, &row, "scanning", sweep->model->name, why);
        if (status != WEFT_OK || !row) break;
        status = scan_row(sweep, statement, next, deleted);
        if (status != WEFT_OK) {
            status =
                status_fail(why, status, 0, "scanning \"%s\": out of memory", sweep->model->name);
            break;
        }
        sweep->from = (uint64_t)sqlite3_column_int64(statement, 0);
        looks--;
    }
    *more = row;
    sqlite3_reset(statement);
    return status;
}

enum weft_status writer_scan_sweep(struct writer *writer, struct writer_sweep *sweep,
                                   uint32_t limit, uint64_t *next, struct rows_builder *deleted,
                                   bool *more, struct weft_error *why) {
    CHECK(writer != NULL && sweep != NULL && deleted != NULL && more != NULL);
    CHECK(limit > 0 && *next > 0 && sweep->column < sweep->model->column_count);
    CHECK(sweep->mark <= INT64_MAX && *next >= sweep->mark);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    const Weft__Rows *rows = deleted->rows;
    const uint32_t first = rows->count;
    enum weft_status status = scan_look(writer, sweep, limit, next, deleted, more, why);
    for (uint32_t row = first; row < rows->count && status == WEFT_OK; row++) {
        bool added = false;
        uint64_t gone = 0;
        writer_values(writer, rows, row);
        status = writer_delete(writer, sweep->model, WRITER_SELF, INT64_MAX, &gone, why);
        if (status != WEFT_OK) break;
        CHECK(gone != 0);
        digest_move(writer, sweep->model, WRITER_SELF, gone, 0);
        writer_touched(writer, sweep->model, WEFT_CHANGE_DELETE);
        status = writer_tombstone(writer, sweep->model, WRITER_SELF, rows_version(rows, row),
                                  &added, why);
    }
    writer_forget_owners(writer, sweep->model);
    return status;
}
