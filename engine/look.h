/* The inside of weft_look: what its parts share. Private to look*.c.
 *
 *   look.c           opening; the library as a whole
 *   look_models.c    the models of a file that may not be written
 *   look_members.c   members, tables, streams, and who holds how much of them
 *   look_contacts.c  other devices as they were met, and sessions
 *   look_log.c       records of the shared log, and what they say
 *   look_row.c       one row: an owned one, and what both kinds have in common
 *   look_shared.c    one row: a shared one
 *   look_sound.c     whether all of it is as it was written
 *
 * Invariants
 *   1. The connection is read-only, and holds no lock between two calls.
 *   2. What the file says is believed by nobody: what cannot be read is WEFT_CORRUPT, or is left
 *      out, and never fails a CHECK.
 * The models are those of the file when it was opened; tables that have not been taken into sync
 * yet are none of them. */
#ifndef WEFT_ENGINE_LOOK_H
#define WEFT_ENGINE_LOOK_H

#include <sqlite3.h>

#include "engine/store/models.h"
#include "engine/weft_look.h"
#include "engine/wire/record.h"

struct packed;

struct weft_look {
    sqlite3 *db;
    char *path;
    struct pool *pool;
    struct arena arena; /* of the models */
    struct models *models;
    struct id device, library;
};

/* ---- look.c */

/* One read transaction around several statements. look_end() keeps what has failed before. */
enum weft_status look_begin(struct weft_look *look, struct weft_error *why);
void look_end(struct weft_look *look);
/* Prepares a statement on the look's file. `format` is sqlite3_mprintf()'s. */
#define look_prepare(look, out, why, ...) \
    statement_prepare((look)->db, out, (look)->path, why, __VA_ARGS__)
/* Steps a statement through its rows, and finalizes it; NULL after a failure (`status`) is allowed.
 * `row` is false when what stands there cannot be read; `what` names it. */
enum weft_status look_rows(struct weft_look *look, sqlite3_stmt *statement, enum weft_status status,
                           const char *what, void *context,
                           bool (*row)(void *context, sqlite3_stmt *row), struct weft_error *why);
/* The first column of the only row, as a number; 0 when there is none. Finalizes the statement. */
enum weft_status look_number(struct weft_look *look, sqlite3_stmt *statement,
                             enum weft_status status, uint64_t *out, struct weft_error *why);
/* A text of a row, terminated, and as many bytes as fit; false if it is none. */
bool look_text(sqlite3_stmt *row, int column, char *out, size_t room);
enum weft_status look_corrupt(const struct weft_look *look, const char *what,
                              struct weft_error *why);

/* ---- look_models.c */

enum weft_status look_models(struct weft_look *look, struct weft_error *why);

/* ---- look_members.c */

/* Rows and remembered deletions of an owner with versions greater than `after`. */
enum weft_status look_count(struct weft_look *look, const struct model *model, int64_t owner,
                            uint64_t after, uint64_t *rows, uint64_t *deleted,
                            struct weft_error *why);

/* ---- look_log.c */

/* The same walk as weft_look_records(), within the caller's transaction, without a look at
 * signatures and chains: `record` is told neither. */
enum weft_status look_ops(struct weft_look *look, const struct weft_look_log *visit,
                          struct weft_error *why);

/* ---- look_row.c */

/* A row that is being looked at. */
struct look_row {
    struct weft_look *look;
    const char *table;
    const struct model *model; /* NULL: this schema does not have the table */
    const struct weft_value *key;
    unsigned key_count;
    struct packed *packed; /* the key */
    const struct weft_look_known *visit;
    struct weft_look_row *out;
    struct weft_error *why;
};

/* Prepares SELECT of `first` and all columns, of the row that has the key. */
enum weft_status look_row_select(struct look_row *row, const char *first, sqlite3_stmt **out);

/* ---- look_shared.c */

enum weft_status look_shared(struct look_row *row);

#endif
