/* The models of a file that may not be written.
 *
 *   file: CREATE TABLE, CREATE INDEX, _weft_model, _weft_field ──► a database in memory
 *                                                                    └─► models_compile()
 *
 * Compiling models gives tables and fields their numbers, and so writes; of those that are there
 * already the file has the numbers. So the compiler is given a copy, without rows. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/look.h"
#include "engine/store/statement.h"

struct copying {
    sqlite3 *to;
    const char *into; /* an INSERT, for rows */
    struct weft_look *look;
    struct weft_error *why;
    enum weft_status status;
    bool may_fail;
};

static bool copy_table(void *context, sqlite3_stmt *row) {
    struct copying *copying = context;
    const struct weft_value sql = statement_value(row, 0);
    if (sql.type != WEFT_TEXT || copying->status != WEFT_OK) return sql.type == WEFT_TEXT;
    int code = sqlite3_exec(copying->to, sql.as.bytes, NULL, NULL, NULL);
    if (code == SQLITE_OK || copying->may_fail) return true;
    if (code == SQLITE_NOMEM) {
        copying->status = status_fail(copying->why, WEFT_NO_MEMORY, 0, "no memory for the models");
        return true;
    }
    copying->status = status_fail(copying->why, WEFT_CORRUPT, code,
                                  "%s: the definition of a table cannot be read (%s); restore the "
                                  "file from a copy",
                                  copying->look->path, sqlite3_errmsg(copying->to));
    return true;
}

static bool copy_row(void *context, sqlite3_stmt *row) {
    struct copying *copying = context;
    sqlite3_stmt *insert = NULL;
    if (copying->status != WEFT_OK) return true;
    copying->status = statement_prepare(copying->to, &insert, copying->look->path, copying->why,
                                        "%s", copying->into);
    for (int c = 0; c < sqlite3_column_count(row) && copying->status == WEFT_OK; c++) {
        const struct weft_value value = statement_value(row, c);
        statement_bind(insert, c + 1, &value);
    }
    if (copying->status == WEFT_OK)
        copying->status = statement_run(insert, "reading", copying->look->path, copying->why);
    sqlite3_finalize(insert);
    return true;
}

/* What a step of the copy reads, and how it is taken. */
struct copy_step {
    const char *select, *insert; /* insert NULL: rows are SQL */
    bool may_fail;
};

static const struct copy_step copy_steps[] = {
    {"SELECT s.sql FROM main.sqlite_schema AS s WHERE s.type = 'table' AND s.sql LIKE "
     "'CREATE TABLE%' AND (s.name IN ('_weft_model', '_weft_field') OR EXISTS (SELECT 1 FROM "
     "pragma_table_info(s.name) WHERE name IN ('_weft_owner', '_weft_clock'))) ORDER BY s.rowid",
     NULL, false},
    /* An index over functions of the application's says nothing here. */
    {"SELECT s.sql FROM main.sqlite_schema AS s WHERE s.type = 'index' AND s.sql IS NOT NULL "
     "ORDER BY s.rowid",
     NULL, true},
    {"SELECT id, name FROM main._weft_model", "INSERT INTO _weft_model(id, name) VALUES (?1, ?2)",
     false},
    {"SELECT model, field, name FROM main._weft_field",
     "INSERT INTO _weft_field(model, field, name) VALUES (?1, ?2, ?3)", false},
};

static enum weft_status copy_all(struct weft_look *look, sqlite3 *to, struct weft_error *why) {
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    for (size_t i = 0; i < sizeof copy_steps / sizeof copy_steps[0] && status == WEFT_OK; i++) {
        const struct copy_step *step = &copy_steps[i];
        struct copying copying = {to, step->insert, look, why, WEFT_OK, step->may_fail};
        sqlite3_stmt *query = NULL;
        status = look_prepare(look, &query, why, "%s", step->select);
        status = look_rows(look, query, status, "the schema", &copying,
                           step->insert == NULL ? copy_table : copy_row, why);
        if (status == WEFT_OK) status = copying.status;
    }
    look_end(look);
    return status;
}

enum weft_status look_models(struct weft_look *look, struct weft_error *why) {
    sqlite3 *copy = NULL;
    CHECK(look->db != NULL && look->models == NULL);
    int code = sqlite3_open_v2(":memory:", &copy,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_EXRESCODE,
                               NULL);
    enum weft_status status =
        code == SQLITE_OK ? WEFT_OK
                          : status_fail(why, WEFT_NO_MEMORY, code, "no memory for the models");
    if (status == WEFT_OK) {
        sqlite3_db_config(copy, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        status = statement_exec(copy, "reading", look->path, why, "BEGIN");
    }
    if (status == WEFT_OK) status = copy_all(look, copy, why);
    if (status == WEFT_OK) status = models_compile(copy, &look->arena, &look->models, why);
    sqlite3_close(copy);
    return status;
}
