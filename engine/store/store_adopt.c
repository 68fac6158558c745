/* Taking tables in: the engine's columns on every synced table, and an owner and a version for rows
 * of owned tables that have none.
 *
 *   owned    _weft_owner | _weft_version    and an index on both
 *            NULL        | NULL             not written by us: before the table was annotated, or
 *                                           behind our back
 *            1           | clock + n        after this: as if written by us now, in one go
 *   shared   _weft_clock
 *            NULL                           likewise; and after this still: it needs a record
 *
 * There is no wall clock here, so "now" is the stored clock: versions only have to be greater than
 * any this device gave out before, and the clock is raised to the last of them.
 *
 * Invariants
 *   1. A row is taken in only if its owner is this device, and its cells are such as weft_put()
 *      would take: what enters sync here can be applied elsewhere. Where it is the writing device
 *      that a column is to name, it names this one afterwards.
 *   2. All rows of an owned table are taken in, and all of a shared one can be, or the library is
 *      not opened.
 *   3. Owners come before what they own, so a reference to a row just taken in counts.
 *   4. A table that has rows stays what it is, owned or shared.
 * Not here: records, which take in the rows of shared tables: adopt_shared.c writes them. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/statement.h"
#include "engine/store/store_private.h"

struct adoption {
    sqlite3 *db;
    struct store *store;
    const struct model *model;
    struct weft_error *why;
};

struct engine_column {
    const char *name;
    const char *type;
};

/* The first of each kind is NULL in the rows that are not taken in. */
static const struct engine_column engine_columns[][2] = {
    [MODEL_OWNED] = {{"_weft_owner", "INTEGER"}, {"_weft_version", "INTEGER"}},
    [MODEL_SHARED] = {{"_weft_clock", "BLOB"}, {NULL, NULL}},
};

static const char *adopt_mark(enum model_kind kind) {
    return engine_columns[kind][0].name;
}

/* Runs a query of one number. */
static enum weft_status adopt_count(struct adoption *adoption, sqlite3_stmt *query,
                                    int64_t *count) {
    bool row = false;
    enum weft_status status =
        statement_step(query, &row, "reading", adoption->model->name, adoption->why);
    *count = status == WEFT_OK && row ? sqlite3_column_int64(query, 0) : 0;
    return status;
}

/* How many rows have NULL in this column of the engine's, or something else. */
static enum weft_status adopt_rows_with(struct adoption *adoption, const char *column, bool null,
                                        int64_t *count) {
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        statement_prepare(adoption->db, &query, adoption->model->name, adoption->why,
                          "SELECT count(*) FROM main.\"%w\" WHERE %s IS %s", adoption->model->name,
                          column, null ? "NULL" : "NOT NULL");
    if (status == WEFT_OK) status = adopt_count(adoption, query, count);
    sqlite3_finalize(query);
    return status;
}

static bool adopt_has(const struct adoption *adoption, const char *column) {
    return sqlite3_table_column_metadata(adoption->db, "main", adoption->model->name, column, NULL,
                                         NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/* Refuses a table of the other kind: what other devices hold of its rows, and what they will still
 * send, goes by another clock. Without rows it may change. */
static enum weft_status adopt_kind(struct adoption *adoption) {
    const bool shared = adoption->model->kind == MODEL_SHARED;
    const char *other = adopt_mark(shared ? MODEL_OWNED : MODEL_SHARED);
    int64_t count = 0;
    if (!adopt_has(adoption, other)) return WEFT_OK;
    enum weft_status status = adopt_rows_with(adoption, other, false, &count);
    if (status != WEFT_OK || count == 0) return status;
    return status_fail(adoption->why, WEFT_SCHEMA, 0,
                       "table \"%s\": it is annotated as %s, but %lld of its rows were synced as "
                       "rows of %s table; write the annotation as it was, or make a new table and "
                       "put the rows there",
                       adoption->model->name, shared ? "shared" : "owned", (long long)count,
                       shared ? "an @owned" : "a @shared");
}

static enum weft_status adopt_columns(struct adoption *adoption) {
    const char *table = adoption->model->name;
    const struct engine_column *columns = engine_columns[adoption->model->kind];
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < 2 && columns[i].name != NULL && status == WEFT_OK; i++) {
        if (adopt_has(adoption, columns[i].name)) continue;
        status = statement_exec(adoption->db, "adding the engine's columns to", table,
                                adoption->why, "ALTER TABLE main.\"%w\" ADD COLUMN %s %s", table,
                                columns[i].name, columns[i].type);
    }
    return status;
}

static enum weft_status adopt_index(struct adoption *adoption) {
    const char *table = adoption->model->name;
    return statement_exec(adoption->db, "indexing", table, adoption->why,
                          "CREATE INDEX IF NOT EXISTS main.\"_weft_%w_order\" "
                          "ON \"%w\"(_weft_owner, _weft_version)",
                          table, table);
}

/* Refuses rows whose owner is another device, or nobody. */
static enum weft_status adopt_owners(struct adoption *adoption, int64_t total) {
    const struct model *model = adoption->model, *owner = model->owner_model;
    const char *column = model->columns[model->owner_column].name;
    struct weft_value self = weft_blob(adoption->store->device.bytes, 16);
    sqlite3_stmt *query = NULL;
    enum weft_status status;
    if (owner == NULL) {
        status = statement_prepare(adoption->db, &query, model->name, adoption->why,
                                   "SELECT count(*) FROM main.\"%w\" WHERE _weft_owner IS NULL "
                                   "AND \"%w\" IS NOT ?1",
                                   model->name, column);
        if (status == WEFT_OK) statement_bind(query, 1, &self);
    } else {
        status =
            statement_prepare(adoption->db, &query, model->name, adoption->why,
                              "SELECT count(*) FROM main.\"%w\" AS t WHERE t._weft_owner IS "
                              "NULL AND NOT EXISTS (SELECT 1 FROM main.\"%w\" AS o "
                              "WHERE o.\"%w\" = t.\"%w\" AND o._weft_owner = 1)",
                              model->name, owner->name, owner->columns[owner->key[0]].name, column);
    }
    int64_t foreign = 0;
    if (status == WEFT_OK) status = adopt_count(adoption, query, &foreign);
    sqlite3_finalize(query);
    if (status != WEFT_OK || foreign == 0) return status;
    char device[ID_TEXT_SIZE];
    id_text(&adoption->store->device, device);
    return status_fail(adoption->why, WEFT_SCHEMA, 0,
                       "table \"%s\": %lld of the %lld rows that it held before it was synced are "
                       "not this device's: \"%s\" %s%s; correct or move these rows, then open the "
                       "library again",
                       model->name, (long long)foreign, (long long)total, column,
                       owner == NULL ? "is not this device's id, "
                                     : "names no row of this device "
                                       "in ",
                       owner == NULL ? device : owner->name);
}

/* Looks at one row: whether every cell is such as its column may hold, and all together fit. */
static enum weft_status adopt_judge(const struct adoption *adoption, sqlite3_stmt *row,
                                    struct weft_error *why) {
    const struct model *model = adoption->model;
    /* A shared row travels in a record, with the names of its columns. */
    const bool shared = model->kind == MODEL_SHARED;
    const size_t most = shared ? LIMIT_RECORD - 512 : LIMIT_ROW_BYTES;
    size_t bytes = 0;
    for (uint32_t c = 0; c < model->column_count; c++) {
        struct weft_value value = statement_value(row, (int)c);
        enum weft_status status = model_accepts(model, c, &value, why);
        if (status != WEFT_OK) return status;
        bytes += (shared ? 14 + strlen(model->columns[c].name) : 9) + value.size;
        if (!model->columns[c].node || value.type == WEFT_NULL) continue;
        if (memcmp(value.as.bytes, adoption->store->device.bytes, WEFT_ID_SIZE) == 0) continue;
        return status_fail(why, WEFT_SCHEMA, 0,
                           "column \"%s\" is marked @node and names another device than this one, "
                           "as which the row is taken in; make it NULL, or take @node off",
                           model->columns[c].name);
    }
    if (bytes <= most) return WEFT_OK;
    return status_fail(why, WEFT_LIMIT, 0, "a row takes %zu bytes, more than the %zu allowed",
                       bytes, most);
}

/* Refuses rows that weft_put() would have refused. */
static enum weft_status adopt_values(struct adoption *adoption, int64_t total) {
    const struct model *model = adoption->model;
    sqlite3_str *sql = sqlite3_str_new(adoption->db);
    for (uint32_t c = 0; c < model->column_count; c++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", c == 0 ? "SELECT " : ",", model->columns[c].name);
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE %s IS NULL", model->name,
                        adopt_mark(model->kind));
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return status_fail(adoption->why, WEFT_NO_MEMORY, 0, "out of memory");
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        statement_prepare(adoption->db, &query, model->name, adoption->why, "%s", text);
    sqlite3_free(text);
    struct weft_error first = {0}, other;
    int64_t unfit = 0;
    bool row = true;
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", model->name, adoption->why);
        if (status != WEFT_OK || !row) break;
        if (adopt_judge(adoption, query, unfit == 0 ? &first : &other) != WEFT_OK) unfit++;
    }
    sqlite3_finalize(query);
    if (status != WEFT_OK || unfit == 0) return status;
    return status_fail(adoption->why, WEFT_SCHEMA, 0,
                       "table \"%s\": %lld of the %lld rows that it held before it was synced "
                       "cannot be synced; of the first: %.280s",
                       model->name, (long long)unfit, (long long)total, first.text);
}

/* The SQL function that gives each row its version. */
static void next_version(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count, (void)values;
    struct store *store = sqlite3_user_data(context);
    CHECK(store->clock < INT64_MAX);
    sqlite3_result_int64(context, (sqlite3_int64)++store->clock);
}

/* Gives every row that has none its owner and version, and the columns marked @node the owner's
 * id, as the rows will have it on other devices. */
static enum weft_status adopt_update(struct adoption *adoption) {
    const struct model *model = adoption->model;
    struct weft_value self = weft_blob(adoption->store->device.bytes, WEFT_ID_SIZE);
    sqlite3_str *sql = sqlite3_str_new(adoption->db);
    sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET _weft_owner = 1, _weft_version = _weft_next()",
                        model->name);
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (model->columns[c].node) {
            sqlite3_str_appendf(sql, ", \"%w\" = ?1", model->columns[c].name);
        }
    }
    sqlite3_str_appendall(sql, " WHERE _weft_owner IS NULL");
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return status_fail(adoption->why, WEFT_NO_MEMORY, 0, "out of memory");
    sqlite3_stmt *update = NULL;
    enum weft_status status =
        statement_prepare(adoption->db, &update, model->name, adoption->why, "%s", text);
    sqlite3_free(text);
    if (status == WEFT_OK && sqlite3_bind_parameter_count(update) > 0) {
        statement_bind(update, 1, &self);
    }
    if (status == WEFT_OK) status = statement_run(update, "taking in", model->name, adoption->why);
    sqlite3_finalize(update);
    return status;
}

static enum weft_status adopt_rows(struct adoption *adoption) {
    struct store *store = adoption->store;
    const char *table = adoption->model->name;
    int code =
        sqlite3_create_function_v2(adoption->db, "_weft_next", 0, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                   store, next_version, NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return store_fail(adoption->db, code, "taking in", table, adoption->why);
    }
    /* The application's triggers are for changes of its own columns; these are not. */
    sqlite3_db_config(adoption->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    enum weft_status status = adopt_update(adoption);
    sqlite3_db_config(adoption->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    if (status != WEFT_OK) return status;
    status = statement_exec(adoption->db, "taking in", table, adoption->why,
                            "INSERT INTO _weft_position(owner, model, position) "
                            "VALUES (1, %u, %lld) ON CONFLICT(owner, model) "
                            "DO UPDATE SET position = max(position, excluded.position), "
                            "digest = NULL",
                            adoption->model->id, (long long)store->clock);
    if (status != WEFT_OK) return status;
    return statement_exec(adoption->db, "taking in", table, adoption->why,
                          "UPDATE _weft_meta SET value = %lld WHERE key = 'clock'",
                          (long long)store->clock);
}

static enum weft_status adopt_table(struct adoption *adoption) {
    const enum model_kind kind = adoption->model->kind;
    int64_t total = 0;
    enum weft_status status = adopt_kind(adoption);
    if (status == WEFT_OK) status = adopt_columns(adoption);
    if (status == WEFT_OK) status = adopt_rows_with(adoption, adopt_mark(kind), true, &total);
    if (status == WEFT_OK && total > 0) {
        if (kind == MODEL_OWNED) status = adopt_owners(adoption, total);
        if (status == WEFT_OK) status = adopt_values(adoption, total);
        if (status == WEFT_OK && kind == MODEL_OWNED) status = adopt_rows(adoption);
    }
    if (status == WEFT_OK && kind == MODEL_OWNED) status = adopt_index(adoption);
    return status;
}

enum weft_status store_adopt(sqlite3 *db, struct store *store, struct weft_error *why) {
    CHECK(db != NULL && store != NULL);
    CHECK(store->models != NULL);
    const struct models *models = store->models;
    enum weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < models->order_count && status == WEFT_OK; i++) {
        struct adoption adoption = {db, store, models_get(models, models->by_depth[i]), why};
        CHECK(adoption.model != NULL);
        status = adopt_table(&adoption);
    }
    return status;
}
