/* Feed: rows of a run as a table that SQLite reads, so that one statement writes many of them.
 *
 *   run (columns) ─► picked rows ─► _weft_feed(version, c0, c1, …) ─► INSERT … SELECT … FROM it
 *
 * It costs less than parameters do: nothing is bound and copied before the statement runs, and a
 * statement takes as many rows as there are. Cells are read where they lie in the run's columns.
 * Owned by the writer, used on its thread.
 * Invariants
 *   1. The table is there on one connection only, and for statements of its own: a view or trigger
 *      of the schema cannot name it.
 *   2. It is read once at a time, in the order of `picked`.
 * Not here: the statements (writer_sql.c). */
#ifndef WEFT_STORE_FEED_H
#define WEFT_STORE_FEED_H

#include <sqlite3.h>

#include "engine/wire/rows.h"

#define FEED_TABLE "_weft_feed"

struct feed {
    const Weft__Rows *rows;
    const uint32_t *picked; /* numbers of rows of the run; `count` of them */
    uint32_t count;
    struct feed_cursor {
        sqlite3_vtab_cursor base;
        const struct feed *feed;
        uint32_t at;
    } cursor;
    bool reading;
    uint32_t columns; /* of the table */
};

/* Makes the table, of so many columns beside the version, known to a connection. The feed must
 * outlive it. Returns SQLite's code. */
int feed_register(struct feed *feed, sqlite3 *db, uint32_t columns);
/* What the table holds from now on. Borrowed until it is set again. */
void feed_set(struct feed *feed, const Weft__Rows *rows, const uint32_t *picked, uint32_t count);

#endif
