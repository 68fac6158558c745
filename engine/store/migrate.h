/* Migrations: the engine's own tables, built by numbered SQL files in schema/, each run once. */
#ifndef WEFT_STORE_MIGRATE_H
#define WEFT_STORE_MIGRATE_H

#include <sqlite3.h>

#include "engine/weft.h"

struct migration {
    int number; /* from 1; 0 ends the table */
    const char *name;
    const char *sql;
};

/* Generated from schema/ at build time. */
extern const struct migration migrations[];

/* Runs every migration that the database has not had, in order, within the caller's transaction.
 * Errors: WEFT_NEWER (the database has had one that this build does not know; `why` names both
 *   numbers and the file), WEFT_IO, WEFT_DISK_FULL, WEFT_READ_ONLY. */
enum weft_status migrate(sqlite3 *db, const char *path, struct weft_error *why);

/* The number of the last migration that the database has had (0: it is no library), and of the last
 * one that this build knows. Reads only. Errors: WEFT_NEWER, WEFT_CORRUPT, WEFT_IO. */
enum weft_status migrate_format(sqlite3 *db, const char *path, int *format, int *known,
                                struct weft_error *why);

#endif
