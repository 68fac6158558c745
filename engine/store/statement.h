/* Statements: the few SQLite calls that every file of the store makes, with failures turned into
 * statuses once. Private to the store.
 *
 * A statement belongs to the connection it was prepared on, and to that connection's thread. */
#ifndef WEFT_STORE_STATEMENT_H
#define WEFT_STORE_STATEMENT_H

#include <sqlite3.h>

#include "engine/weft.h"

/* Prepares a statement that will be kept. `format` is sqlite3_mprintf()'s: %w inside double quotes
 * for names. Ownership: `*out` is the caller's, for sqlite3_finalize(). `what` is for messages.
 * Errors: as store_fail(), WEFT_NO_MEMORY. */
enum weft_status statement_prepare(sqlite3 *db, sqlite3_stmt **out, const char *what,
                                   struct weft_error *why, const char *format, ...);
/* Runs SQL once; rows are ignored. Errors: as above. */
enum weft_status statement_exec(sqlite3 *db, const char *doing, const char *what,
                                struct weft_error *why, const char *format, ...);

/* Steps a statement that gives no rows, or whose rows do not matter, to its end and resets it.
 * Errors: as store_fail(). */
enum weft_status statement_run(sqlite3_stmt *statement, const char *doing, const char *what,
                               struct weft_error *why);
/* Steps once. `*row` says whether a row is there; at the end, and on failure, the statement has
 * been reset. Errors: as store_fail(). */
enum weft_status statement_step(sqlite3_stmt *statement, bool *row, const char *doing,
                                const char *what, struct weft_error *why);

/* Binds a value where it lies: it must outlive the next step. Returns SQLite's code. */
int statement_bind(sqlite3_stmt *statement, int place, const struct weft_value *value);
/* A column of the current row. Borrowed until the next step or reset. */
struct weft_value statement_value(sqlite3_stmt *statement, int column);

#endif
