/* Preparing, binding and stepping.
 *
 * Invariants
 *   1. A statement that has given its last row, or failed, has been reset: it holds no read lock.
 *   2. A text or blob of no bytes is bound as such, never as NULL.
 *   3. A connection and its statements are used by one thread at a time.
 * Not here: what the codes mean. store_fail() says that. */
#include "engine/store/statement.h"

#include <stdarg.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/store.h"

static enum weft_status prepare(sqlite3 *db, unsigned flags, const char *format, va_list values,
                                sqlite3_stmt **out, const char *doing, const char *what,
                                struct weft_error *why) {
    CHECK(db != NULL && format != NULL);
    CHECK(out != NULL);
    *out = NULL;
    char *sql = sqlite3_vmprintf(format, values);
    if (sql == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "%s %s: out of memory", doing, what);
    int code = sqlite3_prepare_v3(db, sql, -1, flags, out, NULL);
    sqlite3_free(sql);
    return code == SQLITE_OK ? WEFT_OK : store_fail(db, code, doing, what, why);
}

enum weft_status statement_prepare(sqlite3 *db, sqlite3_stmt **out, const char *what,
                                   struct weft_error *why, const char *format, ...) {
    va_list values;
    va_start(values, format);
    enum weft_status status =
        prepare(db, SQLITE_PREPARE_PERSISTENT, format, values, out, "preparing", what, why);
    va_end(values);
    return status;
}

enum weft_status statement_exec(sqlite3 *db, const char *doing, const char *what,
                                struct weft_error *why, const char *format, ...) {
    va_list values;
    sqlite3_stmt *statement = NULL;
    va_start(values, format);
    enum weft_status status = prepare(db, 0, format, values, &statement, doing, what, why);
    va_end(values);
    if (status == WEFT_OK) status = statement_run(statement, doing, what, why);
    sqlite3_finalize(statement);
    return status;
}

enum weft_status statement_run(sqlite3_stmt *statement, const char *doing, const char *what,
                               struct weft_error *why) {
    CHECK(statement != NULL);
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW)
        code = sqlite3_step(statement);
    enum weft_status status = WEFT_OK;
    /* The message is the connection's last: it must be taken before the reset. */
    if (code != SQLITE_DONE) {
        status = store_fail(sqlite3_db_handle(statement), code, doing, what, why);
    }
    sqlite3_reset(statement);
    return status;
}

enum weft_status statement_step(sqlite3_stmt *statement, bool *row, const char *doing,
                                const char *what, struct weft_error *why) {
    CHECK(statement != NULL);
    CHECK(row != NULL);
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (*row) return WEFT_OK;
    enum weft_status status = WEFT_OK;
    if (code != SQLITE_DONE) {
        status = store_fail(sqlite3_db_handle(statement), code, doing, what, why);
    }
    sqlite3_reset(statement);
    return status;
}

int statement_bind(sqlite3_stmt *statement, int place, const struct weft_value *value) {
    CHECK(statement != NULL && value != NULL);
    const void *bytes = value->size == 0 ? "" : value->as.bytes;
    switch (value->type) {
    case WEFT_INTEGER:
        return sqlite3_bind_int64(statement, place, value->as.integer);
    case WEFT_REAL:
        return sqlite3_bind_double(statement, place, value->as.real);
    case WEFT_TEXT:
        return sqlite3_bind_text64(statement, place, bytes, value->size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case WEFT_BLOB:
        return sqlite3_bind_blob64(statement, place, bytes, value->size, SQLITE_STATIC);
    case WEFT_NULL:
        break;
    }
    CHECK(value->type == WEFT_NULL);
    return sqlite3_bind_null(statement, place);
}

struct weft_value statement_value(sqlite3_stmt *statement, int column) {
    CHECK(statement != NULL);
    CHECK(column >= 0 && column < sqlite3_column_count(statement));
    /* Each question to a column locks the connection and looks for the column anew; a value is
     * asked without either. That is safe as one thread has the connection, which is invariant 3.
     * The bytes must be asked for before their number: asking may convert the encoding. */
    sqlite3_value *value = sqlite3_column_value(statement, column);
    const void *bytes = NULL;
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return weft_integer(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
        return weft_real(sqlite3_value_double(value));
    case SQLITE_TEXT:
        bytes = sqlite3_value_text(value);
        return weft_text(bytes, (size_t)sqlite3_value_bytes(value));
    case SQLITE_BLOB:
        bytes = sqlite3_value_blob(value);
        return weft_blob(bytes, (size_t)sqlite3_value_bytes(value));
    default:
        return weft_null();
    }
}
