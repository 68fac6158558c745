/* See stride.h. */
#include "engine/store/stride.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/statement.h"
#include "engine/store/store.h"

void stride_close(struct stride *stride) {
    sqlite3_finalize(stride->count);
    sqlite3_finalize(stride->first);
    sqlite3_finalize(stride->rows);
    *stride = (struct stride){0};
}

static void append_key(sqlite3_str *sql, const struct model *model) {
    for (uint32_t k = 0; k < model->key_count; k++)
        sqlite3_str_appendf(sql, "%s\"%w\"", k == 0 ? "" : ",", model->columns[model->key[k]].name);
}

static void append_range(sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendf(sql,
                        " FROM main.\"%w\" INDEXED BY \"_weft_%w_order\" WHERE _weft_owner = ?1 "
                        "AND _weft_version > ?2 AND _weft_version <= ?3 ORDER BY _weft_version",
                        model->name, model->name);
}

/* How many rows lie in a range, ?4 at most, and the version of the last of these. */
static void append_count(sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendall(sql, "SELECT count(*), max(v) FROM (SELECT _weft_version AS v");
    append_range(sql, model);
    sqlite3_str_appendall(sql, " LIMIT ?4)");
}

static void append_first(sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendall(sql, "SELECT ");
    append_key(sql, model);
    append_range(sql, model);
    sqlite3_str_appendall(sql, " LIMIT 1");
}

/* Rows from a key on: version, columns, owner. */
static void append_rows(sqlite3_str *sql, const struct model *model) {
    sqlite3_str_appendall(sql, "SELECT _weft_version");
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, ",\"%w\"", model->columns[c].name);
    sqlite3_str_appendf(sql, ",_weft_owner FROM main.\"%w\" WHERE (", model->name);
    append_key(sql, model);
    sqlite3_str_appendall(sql, ") >= (");
    for (uint32_t k = 0; k < model->key_count; k++)
        sqlite3_str_appendf(sql, "%s?%u", k == 0 ? "" : ",", (unsigned)k + 1);
    sqlite3_str_appendall(sql, ") ORDER BY ");
    append_key(sql, model);
}

static enum weft_status prepare(sqlite3 *db, const struct model *model, sqlite3_stmt **statement,
                                void (*append)(sqlite3_str *, const struct model *),
                                struct weft_error *why) {
    if (*statement != NULL) return WEFT_OK;
    sqlite3_str *sql = sqlite3_str_new(db);
    append(sql, model);
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "out of memory");
    enum weft_status status = statement_prepare(db, statement, model->name, why, "%s", text);
    sqlite3_free(text);
    return status;
}

static enum weft_status count_rows(struct stride *stride, const struct model *model, uint64_t upto,
                                   uint32_t rows_max, uint32_t *count, uint64_t *high,
                                   struct weft_error *why) {
    bool row = false;
    sqlite3_bind_int64(stride->count, 1, stride->owner);
    sqlite3_bind_int64(stride->count, 2, (int64_t)stride->after);
    sqlite3_bind_int64(stride->count, 3, (int64_t)upto);
    sqlite3_bind_int64(stride->count, 4, rows_max);
    enum weft_status status = statement_step(stride->count, &row, "reading", model->name, why);
    if (status != WEFT_OK) return status;
    CHECK(row);
    *count = (uint32_t)sqlite3_column_int64(stride->count, 0);
    *high = (uint64_t)sqlite3_column_int64(stride->count, 1);
    sqlite3_reset(stride->count);
    return WEFT_OK;
}

/* Has `rows` begin at the key of the stretch's first row. */
static enum weft_status go_to_first(struct stride *stride, const struct model *model,
                                    struct weft_error *why) {
    bool row = false;
    sqlite3_bind_int64(stride->first, 1, stride->owner);
    sqlite3_bind_int64(stride->first, 2, (int64_t)stride->after);
    sqlite3_bind_int64(stride->first, 3, (int64_t)stride->high);
    enum weft_status status = statement_step(stride->first, &row, "reading", model->name, why);
    if (status != WEFT_OK) return status;
    int code = SQLITE_OK;
    for (uint32_t k = 0; row && k < model->key_count && code == SQLITE_OK; k++)
        code = sqlite3_bind_value(stride->rows, 1 + (int)k,
                                  sqlite3_column_value(stride->first, (int)k));
    if (row) sqlite3_reset(stride->first);
    if (code == SQLITE_OK) return WEFT_OK;
    return store_fail(sqlite3_db_handle(stride->rows), code, "reading", model->name, why);
}

enum weft_status stride_begin(struct stride *stride, sqlite3 *db, const struct model *model,
                              uint32_t owner, uint64_t after, uint64_t upto, uint32_t rows_max,
                              struct weft_error *why) {
    CHECK(stride != NULL && db != NULL && model != NULL);
    CHECK(after < upto);
    stride->owner = owner;
    stride->after = stride->last = after;
    stride->wanted = stride->read = stride->passed = 0;
    stride->astray = false;
    if (!model->without_rowid || upto > INT64_MAX) return WEFT_OK;
    if (stride->hopeless > 0) {
        stride->hopeless--;
        return WEFT_OK;
    }
    uint32_t count = 0;
    enum weft_status status = prepare(db, model, &stride->count, append_count, why);
    if (status == WEFT_OK) status = prepare(db, model, &stride->first, append_first, why);
    if (status == WEFT_OK) status = prepare(db, model, &stride->rows, append_rows, why);
    if (status == WEFT_OK)
        status = count_rows(stride, model, upto, rows_max, &count, &stride->high, why);
    if (status != WEFT_OK || count < STRIDE_ROWS) return status;
    status = go_to_first(stride, model, why);
    if (status == WEFT_OK) stride->wanted = count;
    return status;
}

enum weft_status stride_step(struct stride *stride, const struct model *model, bool *row,
                             struct weft_error *why) {
    *row = false;
    while (stride->read < stride->wanted && !stride->astray) {
        bool there = false;
        enum weft_status status = statement_step(stride->rows, &there, "reading", model->name, why);
        if (status != WEFT_OK) return status;
        stride->astray = !there;
        if (!there) break;
        const uint64_t version = (uint64_t)sqlite3_column_int64(stride->rows, 0);
        const int64_t owner = sqlite3_column_int64(stride->rows, 1 + (int)model->column_count);
        if (owner == stride->owner && version > stride->after && version <= stride->high) {
            stride->astray = version <= stride->last;
            *row = !stride->astray;
            stride->read += *row;
            stride->last = version;
            break;
        }
        stride->astray = ++stride->passed > STRIDE_ROWS + stride->wanted / 8;
    }
    return WEFT_OK;
}

enum weft_status stride_whole(struct stride *stride, const struct model *model, uint32_t used,
                              uint64_t upto, bool *whole, struct weft_error *why) {
    uint32_t count = 0;
    uint64_t high = 0;
    CHECK(used <= stride->read);
    *whole = !stride->astray && used == stride->wanted;
    if (stride->astray || *whole) return WEFT_OK;
    enum weft_status status = count_rows(stride, model, upto, used + 1, &count, &high, why);
    *whole = status == WEFT_OK && count == used;
    return status;
}

void stride_end(struct stride *stride, bool whole) {
    if (stride->rows != NULL) sqlite3_reset(stride->rows);
    if (!whole) stride->hopeless = STRIDE_HOPELESS;
}
