/* Deleting what was not found again.
 *
 *   a sweep  (another owner's rows): a batch names all there is in (after, upto]. What this device
 *            holds there besides has gone at the owner, whose tombstone is forgotten.
 *   a scan   (own rows): what a rescan has not written again by its end. These deletes are new, so
 *            they get tombstones and travel.
 *
 * Both walk the index over (owner, version), and both first find, then delete: no table is changed
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

/* Whether the run has a put with this version; versions increase. */
static bool named(const Weft__Rows *rows, uint64_t version) {
    uint32_t low = 0, high = rows->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows_version(rows, middle) < version) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < rows->count && rows_version(rows, low) == version && rows_op(rows, low) == ROW_PUT;
}

/* Steps a statement that gives versions to the next one that the run does not name. */
static enum weft_status next_unnamed(struct writer *writer, sqlite3_stmt *statement,
                                     const Weft__Rows *rows, uint64_t *version, bool *found,
                                     struct weft_error *why) {
    *found = true;
    while (*found) {
        enum weft_status status = statement_step(statement, found, "reading", writer->path, why);
        if (status != WEFT_OK) return status;
        if (!*found) break;
        *version = (uint64_t)sqlite3_column_int64(statement, 0);
        if (!named(rows, *version)) break;
    }
    sqlite3_reset(statement);
    return WEFT_OK;
}

/* Runs SLOT_DELETE_AT, which gives the key of the row that goes. */
static enum weft_status delete_at(struct writer *writer, const struct model *model,
                                  sqlite3_stmt *gone, struct weft_error *why) {
    bool row = false;
    enum weft_status status = statement_step(gone, &row, "sweeping", model->name, why);
    if (status != WEFT_OK || !row) return status;
    for (uint32_t k = 0; k < model->key_count; k++)
        writer->values[model->key[k]] = statement_value(gone, (int)k);
    writer_touched(writer, model, WEFT_CHANGE_DELETE);
    return statement_run(gone, "sweeping", model->name, why);
}

enum weft_status writer_sweep_range(struct writer *writer, const struct model *model,
                                    uint32_t owner, const Weft__Rows *rows,
                                    struct writer_tally *tally, struct weft_error *why) {
    CHECK(rows->after <= rows->upto && rows->upto <= INT64_MAX);
    CHECK(owner != 0);
    sqlite3_stmt *range = NULL, *gone = NULL;
    enum weft_status status = writer_slot(writer, model, SLOT_RANGE, &range, why);
    if (status == WEFT_OK) status = writer_slot(writer, model, SLOT_DELETE_AT, &gone, why);
    bool found = true;
    uint64_t at = rows->after;
    while (status == WEFT_OK && found) {
        sqlite3_bind_int64(range, 1, owner);
        sqlite3_bind_int64(range, 2, (int64_t)at);
        sqlite3_bind_int64(range, 3, (int64_t)rows->upto);
        status = next_unnamed(writer, range, rows, &at, &found, why);
        if (status != WEFT_OK || !found) break;
        sqlite3_bind_int64(gone, 1, owner);
        sqlite3_bind_int64(gone, 2, (int64_t)at);
        status = delete_at(writer, model, gone, why);
        tally->written++;
    }
    if (status != WEFT_OK || !writer->any_parked) return status;

    status = writer_fixed(writer, FIXED_PARKED_RANGE, &range, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_UNPARK, &gone, why);
    found = true;
    at = rows->after;
    while (status == WEFT_OK && found) {
        sqlite3_bind_int64(range, 1, owner);
        sqlite3_bind_int64(range, 2, model->id);
        sqlite3_bind_int64(range, 3, (int64_t)at);
        sqlite3_bind_int64(range, 4, (int64_t)rows->upto);
        status = next_unnamed(writer, range, rows, &at, &found, why);
        if (status != WEFT_OK || !found) break;
        sqlite3_bind_int64(gone, 1, owner);
        sqlite3_bind_int64(gone, 2, model->id);
        sqlite3_bind_int64(gone, 3, (int64_t)at);
        status = statement_run(gone, "sweeping", model->name, why);
    }
    return status;
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
        bool gone = false, added = false;
        writer_values(writer, rows, row);
        status = writer_delete(writer, sweep->model, WRITER_SELF, INT64_MAX, &gone, why);
        if (status != WEFT_OK) break;
        CHECK(gone);
        writer_touched(writer, sweep->model, WEFT_CHANGE_DELETE);
        status = writer_tombstone(writer, sweep->model, WRITER_SELF, rows_version(rows, row),
                                  &added, why);
    }
    writer_forget_owners(writer, sweep->model);
    return status;
}
