/* Running the migrations that a database has not had.
 *
 *   format:  none ─► 1 ─► 2 ─► … ─► the last that this build knows
 *
 * Invariant: `format` in _weft_meta is the number of the last migration run, written in the same
 * transaction as what that migration did.
 * Not here: ways back. A library that was opened by a newer build is refused, never changed. */
#include "engine/store/migrate.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/statement.h"
#include "engine/store/store.h"

/* The number of the last migration that the database has had; 0 when it has none of our tables. */
static enum weft_status format_read(sqlite3 *db, const char *path, int *format,
                                    struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *format = 0;
    enum weft_status status = statement_prepare(
        db, &query, path, why, "SELECT 1 FROM main.sqlite_schema WHERE name = '_weft_meta'");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", path, why);
    sqlite3_finalize(query);
    if (status != WEFT_OK || !row) return status;
    query = NULL;
    status = statement_prepare(db, &query, path, why,
                               "SELECT value FROM main._weft_meta WHERE key = 'format'");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", path, why);
    if (status == WEFT_OK) {
        struct weft_value value = row ? statement_value(query, 0) : weft_null();
        bool sound =
            value.type == WEFT_INTEGER && value.as.integer > 0 && value.as.integer <= INT32_MAX;
        if (sound) *format = (int)value.as.integer;
        if (!sound) {
            status = status_fail(why, WEFT_CORRUPT, 0,
                                 "%s: its table _weft_meta does not say which format the library "
                                 "has; restore the file from a copy",
                                 path);
        }
    }
    sqlite3_finalize(query);
    return status;
}

/* Runs every statement of one migration. */
static enum weft_status migration_run(sqlite3 *db, const char *path,
                                      const struct migration *migration, struct weft_error *why) {
    char *message = NULL;
    int code = sqlite3_exec(db, migration->sql, NULL, NULL, &message);
    sqlite3_free(message);
    if (code == SQLITE_OK) return WEFT_OK;
    char doing[LIMIT_NAME];
    sqlite3_snprintf(sizeof doing, doing, "running migration %s on", migration->name);
    return store_fail(db, code, doing, path, why);
}

enum weft_status migrate_format(sqlite3 *db, const char *path, int *format, int *known,
                                struct weft_error *why) {
    CHECK(db != NULL && path != NULL);
    *known = 0;
    for (const struct migration *m = migrations; m->number != 0; m++) {
        CHECK(m->number == *known + 1);
        *known = m->number;
    }
    enum weft_status status = format_read(db, path, format, why);
    if (status != WEFT_OK || *format <= *known) return status;
    return status_fail(why, WEFT_NEWER, 0,
                       "%s: the library has format %d, and this build knows formats up to %d; "
                       "open it with the newer version that wrote it",
                       path, *format, *known);
}

enum weft_status migrate(sqlite3 *db, const char *path, struct weft_error *why) {
    CHECK(db != NULL && path != NULL);
    CHECK(sqlite3_get_autocommit(db) == 0);
    int format = 0, known = 0;
    enum weft_status status = migrate_format(db, path, &format, &known, why);
    if (status != WEFT_OK) return status;
    if (format == known) return WEFT_OK;
    for (int i = format; i < known && status == WEFT_OK; i++) {
        status = migration_run(db, path, &migrations[i], why);
    }
    if (status != WEFT_OK) return status;
    return statement_exec(db, "migrating", path, why,
                          "INSERT INTO main._weft_meta(key, value) VALUES ('format', %d) "
                          "ON CONFLICT(key) DO UPDATE SET value = excluded.value",
                          known);
}
