/* See weft_look.h. Here: one row, how it is found, and all of an owned one.
 *
 *   table ─► parked, if it came later ─► tombstone, if neither has it
 *
 * Invariant: what is told of a row is of one read transaction. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/look.h"
#include "engine/store/packed.h"
#include "engine/store/shared_private.h"
#include "engine/store/statement.h"

enum weft_status weft_look_columns(weft_look *look, const char *table, void *context,
                                   void (*visit)(void *context,
                                                 const struct weft_look_column *column),
                                   struct weft_error *why) {
    CHECK(look != NULL && table != NULL && visit != NULL);
    const struct model *model = models_find(look->models, table, strlen(table));
    if (model == NULL) {
        return status_fail(why, WEFT_NOT_FOUND, 0,
                           "%s has no synced table \"%s\"; weft_look_tables() names them",
                           look->path, table);
    }
    for (uint32_t c = 0; c < model->column_count; c++) {
        const struct column *column = &model->columns[c];
        const struct weft_look_column out = {column->name, column->type, column->key_place,
                                             column->node};
        visit(context, &out);
    }
    return WEFT_OK;
}

enum weft_status look_row_select(struct look_row *row, const char *first, sqlite3_stmt **out) {
    const struct model *model = row->model;
    sqlite3_str *sql = sqlite3_str_new(row->look->db);
    sqlite3_str_appendf(sql, "SELECT %s", first);
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, ", \"%w\"", model->columns[c].name);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", model->name);
    for (uint32_t k = 0; k < model->key_count; k++) {
        sqlite3_str_appendf(sql, "%s\"%w\" = ?%u", k == 0 ? "" : " AND ",
                            model->columns[model->key[k]].name, k + 1);
    }
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return status_fail(row->why, WEFT_NO_MEMORY, 0, "no memory for a row");
    enum weft_status status = look_prepare(row->look, out, row->why, "%s", text);
    sqlite3_free(text);
    for (uint32_t k = 0; k < row->key_count && status == WEFT_OK; k++)
        statement_bind(*out, (int)k + 1, &row->key[k]);
    return status;
}

/* ---- owned rows ---- */

static bool take_shown(void *context, sqlite3_stmt *at) {
    struct look_row *row = context;
    struct weft_look_row *out = row->out;
    if (sqlite3_column_type(at, 1) == SQLITE_NULL) {
        out->state = WEFT_ROW_BARE;
        return true;
    }
    if (!shared_column(at, 0, out->owner, sizeof out->owner)) return false;
    out->state = WEFT_ROW_SHOWN;
    out->version = (uint64_t)sqlite3_column_int64(at, 1);
    for (uint32_t c = 0; c < row->model->column_count && row->visit->field != NULL; c++) {
        struct weft_look_field field = {.name = row->model->columns[c].name,
                                        .value = statement_value(at, 2 + (int)c),
                                        .stamp.stamp = out->version};
        memcpy(field.stamp.device, out->owner, WEFT_ID_SIZE);
        row->visit->field(row->visit->context, &field);
    }
    return true;
}

/* Parked rows and tombstones of this key: owner, version, reason. The later one counts. */
static bool take_kept(void *context, sqlite3_stmt *at) {
    struct look_row *row = context;
    struct weft_look_row *out = row->out;
    const uint64_t version = (uint64_t)sqlite3_column_int64(at, 1);
    uint8_t owner[WEFT_ID_SIZE];
    if (!shared_column(at, 0, owner, sizeof owner)) return false;
    if (version <= out->version) return true;
    memcpy(out->owner, owner, sizeof owner);
    out->version = version;
    const bool parked = look_text(at, 2, out->reason, sizeof out->reason);
    out->state = parked ? WEFT_ROW_PARKED : WEFT_ROW_DELETED;
    return true;
}

static enum weft_status take_all_kept(struct look_row *row, const char *reason, const char *table) {
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        look_prepare(row->look, &query, row->why,
                     "SELECT d.device, t.version, %s FROM main.%s AS t JOIN main._weft_device "
                     "AS d ON d.id = t.owner WHERE t.model = %u AND t.key = ?1",
                     reason, table, row->model->id);
    if (status == WEFT_OK)
        sqlite3_bind_blob64(query, 1, row->packed->data, row->packed->size, SQLITE_STATIC);
    return look_rows(row->look, query, status, "a row", row, take_kept, row->why);
}

static bool take_lack(void *context, sqlite3_stmt *at) {
    struct look_row *row = context;
    struct weft_look_lack lack = {.away = sqlite3_column_int(at, 1) != 0,
                                  .stamp.stamp = row->out->version,
                                  .wanted = row->out->version,
                                  .held = (uint64_t)sqlite3_column_int64(at, 2)};
    if (!shared_column(at, 0, lack.device, sizeof lack.device)) return false;
    memcpy(lack.stamp.device, row->out->owner, WEFT_ID_SIZE);
    if (lack.held < lack.wanted) row->visit->lack(row->visit->context, &lack);
    return true;
}

static enum weft_status tell_lacks(struct look_row *row) {
    sqlite3_stmt *query = NULL;
    if (row->visit->lack == NULL || row->out->version == 0) return WEFT_OK;
    enum weft_status status = look_prepare(
        row->look, &query, row->why,
        "SELECT m.device, m.away_hlc > m.back_hlc, ifnull(a.position, 0) "
        "FROM main._weft_member AS m LEFT JOIN main._weft_device AS w ON w.device = m.device "
        "LEFT JOIN main._weft_device AS o ON o.device = ?2 "
        "LEFT JOIN main._weft_ack AS a ON a.device = w.id AND a.owner = o.id AND a.model = %u "
        "WHERE m.removed = 0 AND m.device <> ?1 AND m.device <> ?2 ORDER BY m.device",
        row->model->id);
    if (status == WEFT_OK) {
        sqlite3_bind_blob(query, 1, row->look->device.bytes, WEFT_ID_SIZE, SQLITE_STATIC);
        sqlite3_bind_blob(query, 2, row->out->owner, WEFT_ID_SIZE, SQLITE_STATIC);
    }
    return look_rows(row->look, query, status, "what a member holds", row, take_lack, row->why);
}

static enum weft_status look_owned(struct look_row *row) {
    sqlite3_stmt *query = NULL;
    enum weft_status status = look_row_select(
        row, "(SELECT device FROM main._weft_device WHERE id = _weft_owner), _weft_version",
        &query);
    status = look_rows(row->look, query, status, "a row", row, take_shown, row->why);
    if (status == WEFT_OK && row->out->state != WEFT_ROW_BARE) {
        status = take_all_kept(row, "t.reason", "_weft_parked");
        /* A deletion that came before the row was written again is of no interest. */
        if (status == WEFT_OK) status = take_all_kept(row, "NULL", "_weft_tombstone");
    }
    return status == WEFT_OK ? tell_lacks(row) : status;
}

/* ---- both ---- */

/* Whether rows of this table are kept although this schema does not have it. */
static enum weft_status is_foreign(struct weft_look *look, const char *table, bool *known,
                                   struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    uint64_t found = 0;
    enum weft_status status =
        look_prepare(look, &query, why,
                     "SELECT EXISTS (SELECT 1 FROM main._weft_field WHERE model = %Q) OR EXISTS "
                     "(SELECT 1 FROM main._weft_shadow WHERE model = %Q)",
                     table, table);
    status = look_number(look, query, status, &found, why);
    *known = found != 0;
    return status;
}

static enum weft_status check_key(const struct look_row *row) {
    const struct model *model = row->model;
    if (row->key_count == 0 || row->key_count > LIMIT_KEY_COLUMNS ||
        (model != NULL && row->key_count != model->key_count)) {
        return status_fail(row->why, WEFT_INVALID, 0,
                           "a key of table \"%s\" has %u values, and %u were given", row->table,
                           model == NULL ? 1 : model->key_count, row->key_count);
    }
    for (uint32_t k = 0; k < row->key_count && model != NULL; k++) {
        enum weft_status status = model_accepts(model, model->key[k], &row->key[k], row->why);
        if (status != WEFT_OK) return status;
    }
    return WEFT_OK;
}

static enum weft_status find_row(struct look_row *row) {
    bool known = true;
    row->model = models_find(row->look->models, row->table, strlen(row->table));
    enum weft_status status = WEFT_OK;
    if (row->model == NULL) status = is_foreign(row->look, row->table, &known, row->why);
    if (status == WEFT_OK && !known) {
        status = status_fail(row->why, WEFT_NOT_FOUND, 0,
                             "%s has no synced table \"%s\"; weft_look_tables() names them",
                             row->look->path, row->table);
    }
    if (status == WEFT_OK) status = check_key(row);
    for (uint32_t k = 0; k < row->key_count && status == WEFT_OK; k++) {
        status = packed_value(row->packed, &row->key[k]);
        if (status != WEFT_OK) status_fail(row->why, status, 0, "no memory for a key");
    }
    if (status != WEFT_OK) return status;
    row->out->shared = row->model == NULL || row->model->kind == MODEL_SHARED;
    return row->out->shared ? look_shared(row) : look_owned(row);
}

enum weft_status weft_look_row(weft_look *look, const char *table, const struct weft_value *key,
                               unsigned key_count, const struct weft_look_known *visit,
                               struct weft_look_row *out, struct weft_error *why) {
    static const struct weft_look_known nobody = {0};
    struct packed packed = {0};
    CHECK(look != NULL && table != NULL && out != NULL);
    CHECK(key != NULL || key_count == 0);
    struct look_row row = {.look = look,
                           .table = table,
                           .key = key,
                           .key_count = key_count,
                           .packed = &packed,
                           .visit = visit != NULL ? visit : &nobody,
                           .out = out,
                           .why = why};
    *out = (struct weft_look_row){0};
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    status = find_row(&row);
    look_end(look);
    packed_free(&packed);
    return status;
}
