/* What the files of the store's opening share. Private to store*.c. */
#ifndef WEFT_STORE_STORE_PRIVATE_H
#define WEFT_STORE_STORE_PRIVATE_H

#include "engine/store/store.h"

/* Opens the file and nothing more: no byte of it is read. Ownership: `*out` is the caller's; it is
 * NULL on failure. Errors: WEFT_READ_ONLY, WEFT_NOT_A_DATABASE (a folder), WEFT_IO, … */
enum weft_status store_open_file(const char *path, const char *vfs, bool read_only, sqlite3 **out,
                                 struct weft_error *why);
/* Sets the connection up. Errors: as store_connect(). */
enum weft_status store_settle(sqlite3 *db, const char *path, bool read_only, uint32_t cache_bytes,
                              struct weft_error *why);

/* Locks the library that `db` has open against every other engine: an exclusive transaction on the
 * empty database `file-lock` beside it. `path` is for messages. Ownership: `*out` is the caller's;
 * sqlite3_close() lets go. Errors: WEFT_LOCKED, WEFT_INVALID (no file), and as store_fail(). */
enum weft_status store_lock(sqlite3 *db, const char *path, const char *vfs, sqlite3 **out,
                            struct weft_error *why);

/* Whether a table or an index is the engine's own. */
bool store_ours(const char *name);

/* Gives every synced table the engine's columns, and owned ones the index. Takes in rows of owned
 * tables that have no owner yet: they become this device's, with versions from store->clock + 1
 * upwards in storage order, and store->clock is raised to the last of them. Rows of shared tables
 * that have no clock yet are judged only. Within the caller's transaction.
 * Errors: WEFT_SCHEMA (rows that are not this device's, or that a model does not accept: how many
 *   and why; or a table that has rows of the other kind), and as store_fail(). */
enum weft_status store_adopt(sqlite3 *db, struct store *store, struct weft_error *why);

#endif
