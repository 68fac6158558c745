/* Walking over all shared rows in several transactions, so that none is missed. Private to
 * snapshot_*.c.
 *
 *   TABLES   rows with a clock, table by table (by model id), by their keys
 *   SHADOW   rows that lie there alone, by name of table and packed key
 *   MOVED    rows that have left the shadow for their tables since the walk began, wherever they
 *            are now (_weft_moved, kept by triggers)
 *
 * A row has no number that says where a walk comes to it both in its table and in the shadow: keys
 * are ordered one way there and another here, and an order for both would cost every write. So:
 * Invariant. A row that is there when the walk begins, and at every moment until it ends, is
 * visited, whatever happens to it. For if TABLES, passing its key, does not meet it, it lies in the
 * shadow then; if SHADOW, passing it later, does not meet it either, it has left the shadow in
 * between, that has been noted, and MOVED looks for it by its key in table and shadow at once. The
 * walk ends in a transaction in which nothing is left in MOVED.
 * A row may be visited more than once. One that was not there when the walk began, or did not stay,
 * may be missed: what happened to it stands in the shared log behind what was held then.
 * Not here: what is done with a row. */
#ifndef WEFT_STORE_SNAPSHOT_WALK_H
#define WEFT_STORE_SNAPSHOT_WALK_H

#include "engine/crdt/merge.h"
#include "engine/store/packed.h"
#include "engine/store/statement.h"

enum snapshot_phase { SNAPSHOT_TABLES, SNAPSHOT_SHADOW, SNAPSHOT_MOVED };

/* Where a walk stands, between two transactions. All zero: at its beginning. */
struct snapshot_place {
    bool begun;
    enum snapshot_phase phase;
    bool within;         /* the walk goes on with the row at `key`, not behind it */
    uint64_t start;      /* the last row that had left the shadow when the walk began */
    uint64_t moved;      /* ... that was looked at, in MOVED */
    struct packed table; /* the name; of no bytes: before the first */
    struct packed key;   /* of the last row visited; of no bytes: before the first */
};
void snapshot_place_free(struct snapshot_place *place);

/* A row. What it points to stays until the next step. */
struct snapshot_found {
    struct bytes table;
    const struct model *model; /* NULL: this file has no shared table for it */
    uint32_t key_count;
    struct weft_value key[LIMIT_KEY_COLUMNS];
    struct merge_row clock;
    sqlite3_stmt *cells; /* column c of its table is 1 + c of this; NULL: it lies in the shadow */
    struct bytes fields; /* what the shadow keeps of it: numbers and values, packed */
    bool within;         /* the walk had come to it before: place->within */
};

struct snapshot_walk {
    sqlite3 *db;
    const char *path;
    const struct models *models;
    struct snapshot_place *place;
    bool extras; /* fields without a column are asked for as well */
    bool ended;
    sqlite3_stmt *rows; /* of the phase, and the table, under way */
    sqlite3_stmt *shadow, *extra;
    sqlite3_stmt *look; /* by key, in `look_model` */
    const struct model *look_model;
    struct packed key;                  /* of the row that was found */
    struct packed from_table, from_key; /* where `rows` begins: it points to them */
    uint64_t moved;
};

/* Begins, or goes on, within a transaction of the caller. `values`: found->fields is wanted.
 * `*lost`: the walk is so old that what has moved since is no longer known, or its table is gone:
 * it must begin anew; then, too, snapshot_walk_end() is called. Errors: as store_fail(). */
enum weft_status snapshot_walk_begin(struct snapshot_walk *walk, sqlite3 *db, const char *path,
                                     const struct models *models, struct snapshot_place *place,
                                     bool values, bool *lost, struct weft_error *why);
/* The next row; `*row` false at the end of the walk. The place stays where it was.
 * Errors: WEFT_CORRUPT, as store_fail(). */
enum weft_status snapshot_walk_next(struct snapshot_walk *walk, struct snapshot_found *found,
                                    bool *row, struct weft_error *why);
/* Moves the place behind the row just found, or, with `within`, to it. Errors: WEFT_NO_MEMORY. */
enum weft_status snapshot_walk_pass(struct snapshot_walk *walk, const struct snapshot_found *found,
                                    bool within, struct weft_error *why);
/* Lets go of all statements. */
void snapshot_walk_end(struct snapshot_walk *walk);

/* Unpacks a key; its values borrow from the bytes. False if they are not what packing makes. */
bool snapshot_read_key(struct bytes bytes, struct weft_value key[LIMIT_KEY_COLUMNS],
                       uint32_t *count);

#endif
