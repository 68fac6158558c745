/* Taking tables in: the engine's two columns and its index on every synced table, and an owner and
 * a version for rows that have none.
 *
 *   _weft_owner | _weft_version
 *   NULL        | NULL           written before the table was annotated, or behind our back
 *   1           | clock + n      after this: as if this device had written it now, in one go
 *
 * There is no wall clock here, so "now" is the stored clock: versions only have to be greater than
 * any this device gave out before, and the clock is raised to the last of them.
 *
 * Invariants
 *   1. A row is taken in only if its owner is this device, and its cells are such as weft_put()
 *      would take: what enters sync here can be applied elsewhere.
 *   2. All rows of a table are taken in, or the library is not opened.
 *   3. Owners come before what they own, so a reference to a row just taken in counts. */
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

/* Asks for one number. `format` takes the table's name and, if it has them, what follows it. */
static enum weft_status adopt_count(struct adoption *adoption, sqlite3_stmt *query,
                                    int64_t *count) {
    bool row = false;
    enum weft_status status =
        statement_step(query, &row, "reading", adoption->model->name, adoption->why);
    *count = status == WEFT_OK && row ? sqlite3_column_int64(query, 0) : 0;
    return status;
}

static enum weft_status adopt_columns(struct adoption *adoption) {
    static const char *const names[] = {"_weft_owner", "_weft_version"};
    const char *table = adoption->model->name;
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < 2 && status == WEFT_OK; i++) {
        int known = sqlite3_table_column_metadata(adoption->db, "main", table, names[i], NULL, NULL,
                                                  NULL, NULL, NULL);
        if (known == SQLITE_OK) continue;
        status =
            statement_exec(adoption->db, "adding the engine's columns to", table, adoption->why,
                           "ALTER TABLE main.\"%w\" ADD COLUMN %s INTEGER", table, names[i]);
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
static enum weft_status adopt_judge(const struct model *model, sqlite3_stmt *row,
                                    struct weft_error *why) {
    size_t bytes = 0;
    for (uint32_t c = 0; c < model->column_count; c++) {
        struct weft_value value = statement_value(row, (int)c);
        enum weft_status status = model_accepts(model, c, &value, why);
        if (status != WEFT_OK) return status;
        bytes += 9 + value.size;
    }
    if (bytes <= LIMIT_ROW_BYTES) return WEFT_OK;
    return status_fail(why, WEFT_LIMIT, 0, "a row takes %zu bytes, more than the %u allowed", bytes,
                       LIMIT_ROW_BYTES);
}

/* Refuses rows that weft_put() would have refused. */
static enum weft_status adopt_values(struct adoption *adoption, int64_t total) {
    const struct model *model = adoption->model;
    sqlite3_str *sql = sqlite3_str_new(adoption->db);
    for (uint32_t c = 0; c < model->column_count; c++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", c == 0 ? "SELECT " : ",", model->columns[c].name);
    }
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE _weft_owner IS NULL", model->name);
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return status_fail(adoption->why, WEFT_NO_MEMORY, 0, "out of memory");
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        statement_prepare(adoption->db, &query, model->name, adoption->why, "%s", text);
    sqlite3_free(text);
    struct weft_error first = {0}, other;
    int64_t unfit = 0;
    bool row = true;
    while (status == WEFT_OK && row) {
        status = statement_step(query, &row, "reading", model->name, adoption->why);
        if (status != WEFT_OK || !row) break;
        if (adopt_judge(model, query, unfit == 0 ? &first : &other) != WEFT_OK) unfit++;
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
    enum weft_status status = statement_exec(adoption->db, "taking in", table, adoption->why,
                                             "UPDATE main.\"%w\" SET _weft_owner = 1, "
                                             "_weft_version = _weft_next() "
                                             "WHERE _weft_owner IS NULL",
                                             table);
    sqlite3_db_config(adoption->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    if (status != WEFT_OK) return status;
    status = statement_exec(adoption->db, "taking in", table, adoption->why,
                            "INSERT INTO _weft_position(owner, model, position) "
                            "VALUES (1, %u, %lld) ON CONFLICT(owner, model) "
                            "DO UPDATE SET position = max(position, excluded.position)",
                            adoption->model->id, (long long)store->clock);
    if (status != WEFT_OK) return status;
    return statement_exec(adoption->db, "taking in", table, adoption->why,
                          "UPDATE _weft_meta SET value = %lld WHERE key = 'clock'",
                          (long long)store->clock);
}

static enum weft_status adopt_table(struct adoption *adoption) {
    enum weft_status status = adopt_columns(adoption);
    if (status != WEFT_OK) return status;
    sqlite3_stmt *query = NULL;
    int64_t total = 0;
    status = statement_prepare(adoption->db, &query, adoption->model->name, adoption->why,
                               "SELECT count(*) FROM main.\"%w\" WHERE _weft_owner IS NULL",
                               adoption->model->name);
    if (status == WEFT_OK) status = adopt_count(adoption, query, &total);
    sqlite3_finalize(query);
    if (status == WEFT_OK && total > 0) {
        status = adopt_owners(adoption, total);
        if (status == WEFT_OK) status = adopt_values(adoption, total);
        if (status == WEFT_OK) status = adopt_rows(adoption);
    }
    return status == WEFT_OK ? adopt_index(adoption) : status;
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
