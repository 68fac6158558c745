/* See deleted.h. */
#include "engine/store/deleted.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_row_private.h"

void deleted_place_free(struct deleted_place *place) {
    packed_free(&place->table);
    packed_free(&place->key);
    *place = (struct deleted_place){0};
}

struct forgetting {
    struct writer *writer;
    const struct shared_work *work;
    const struct deleted_cut *cuts;
    uint32_t cut_count;
    struct packed list; /* table, key: what goes */
    struct weft_error *why;
};

static bool covered(const struct forgetting *forgetting, const struct stamp *stamp) {
    uint32_t low = 0, high = forgetting->cut_count;
    if (stamp->hlc == 0) return true;
    const struct record_origin *origin = shared_origin_numbered(forgetting->work, stamp->origin);
    if (origin == NULL) return false;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = record_origin_compare(&forgetting->cuts[middle].origin, origin);
        if (order == 0) return stamp->hlc <= forgetting->cuts[middle].hlc;
        if (order < 0) low = middle + 1;
        if (order > 0) high = middle;
    }
    return false;
}

/* Whether nothing that may still come could find anything in what is kept of the row. */
static bool may_go(const struct forgetting *forgetting, struct bytes table,
                   const struct merge_row *clock) {
    const struct models *models = forgetting->writer->models;
    const struct model *model = models_find(models, (const char *)table.data, table.size);
    const bool whole = model != NULL && model->kind == MODEL_SHARED && !model->atomic;
    if (!covered(forgetting, &clock->created) || !covered(forgetting, &clock->deleted))
        return false;
    for (uint32_t f = 0; f < clock->field_count; f++) {
        if (clock->fields[f].hlc == 0) continue;
        /* Writes before the deletion have gone: this one would show in a row created anew. */
        if (!whole || !covered(forgetting, &clock->fields[f])) return false;
    }
    return true;
}

/* Looks at the row of the statement. */
static enum weft_status look_at(struct forgetting *forgetting, sqlite3_stmt *row,
                                struct deleted_place *place) {
    struct merge_row clock;
    const struct weft_value table = statement_value(row, 1), key = statement_value(row, 2),
                            bytes = statement_value(row, 3);
    if (table.type != WEFT_TEXT || key.type != WEFT_BLOB || bytes.type != WEFT_BLOB ||
        !rowclock_read((struct bytes){bytes.as.bytes, bytes.size}, &clock)) {
        return status_fail(forgetting->why, WEFT_CORRUPT, 0,
                           "%s: what is kept of a deleted row cannot be read; restore the file "
                           "from a copy",
                           forgetting->writer->path);
    }
    place->hlc = (uint64_t)sqlite3_column_int64(row, 0);
    enum weft_status status =
        packed_copy(&place->table, (struct bytes){table.as.bytes, table.size});
    if (status == WEFT_OK)
        status = packed_copy(&place->key, (struct bytes){key.as.bytes, key.size});
    if (status == WEFT_OK &&
        may_go(forgetting, (struct bytes){table.as.bytes, table.size}, &clock)) {
        status = packed_value(&forgetting->list, &table);
        if (status == WEFT_OK) status = packed_value(&forgetting->list, &key);
    }
    if (status != WEFT_OK) status_fail(forgetting->why, status, 0, "no memory for deleted rows");
    return status;
}

static enum weft_status gather(struct forgetting *forgetting, struct deleted_place *place,
                               uint32_t limit, struct deleted_tally *tally) {
    struct writer *writer = forgetting->writer;
    sqlite3_stmt *next = NULL;
    uint64_t most = 0;
    for (uint32_t i = 0; i < forgetting->cut_count; i++)
        if (forgetting->cuts[i].hlc > most) most = forgetting->cuts[i].hlc;
    enum weft_status status = writer_fixed(writer, FIXED_DELETED_NEXT, &next, forgetting->why);
    if (status != WEFT_OK) return status;
    /* The place may be moved while the statement runs: it is given copies. */
    sqlite3_bind_int64(next, 1, (int64_t)place->hlc);
    sqlite3_bind_text(next, 2, place->table.size == 0 ? "" : (const char *)place->table.data,
                      (int)place->table.size, SQLITE_TRANSIENT);
    sqlite3_bind_blob64(next, 3, place->key.size == 0 ? (const void *)"" : place->key.data,
                        place->key.size, SQLITE_TRANSIENT);
    sqlite3_bind_int64(next, 4, (int64_t)most);
    sqlite3_bind_int64(next, 5, limit);
    for (bool row = true; status == WEFT_OK;) {
        status = statement_step(next, &row, "reading", writer->path, forgetting->why);
        if (status != WEFT_OK || !row) break;
        tally->looked++;
        status = look_at(forgetting, next, place);
    }
    sqlite3_reset(next);
    return status;
}

/* The kind first: what leaves the shadow with another is looked for in its table by whoever walks
 * over all rows (schema/003_rows.sql). */
static enum weft_status drop(struct forgetting *forgetting, const struct weft_value *table,
                             const struct weft_value *key) {
    static const enum writer_fixed steps[] = {FIXED_DELETED_MARK, FIXED_SHADOW_DROP};
    struct writer *writer = forgetting->writer;
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < 2 && status == WEFT_OK; i++) {
        sqlite3_stmt *step = NULL;
        status = writer_fixed(writer, steps[i], &step, forgetting->why);
        if (status != WEFT_OK) break;
        sqlite3_bind_text(step, 1, table->as.bytes, (int)table->size, SQLITE_STATIC);
        sqlite3_bind_blob64(step, 2, key->as.bytes, key->size, SQLITE_STATIC);
        status = statement_run(step, "writing", writer->path, forgetting->why);
    }
    return status;
}

enum weft_status deleted_forget(struct writer *writer, struct deleted_place *place,
                                const struct deleted_cut *cuts, uint32_t cut_count, uint32_t limit,
                                struct deleted_tally *tally, bool *more, struct weft_error *why) {
    struct shared_work *work = NULL;
    struct forgetting forgetting = {
        .writer = writer, .cuts = cuts, .cut_count = cut_count, .why = why};
    CHECK(sqlite3_get_autocommit(writer->db) == 0 && limit > 0);
    *tally = (struct deleted_tally){0};
    enum weft_status status = shared_work(writer, &work, why);
    forgetting.work = work;
    if (status == WEFT_OK) status = gather(&forgetting, place, limit, tally);
    const uint8_t *at = forgetting.list.data, *end = at == NULL ? at : at + forgetting.list.size;
    while (status == WEFT_OK && at < end) {
        struct weft_value table, key;
        CHECK(packed_read_value(&at, end, &table));
        CHECK(packed_read_value(&at, end, &key));
        status = drop(&forgetting, &table, &key);
        tally->forgotten += status == WEFT_OK;
    }
    packed_free(&forgetting.list);
    *more = tally->looked == limit;
    return status;
}
