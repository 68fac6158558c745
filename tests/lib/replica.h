/* A store that keeps shared rows, on a disk in memory, driven by hand and in words. For the tests
 * of shared rows, which play the part of the log themselves.
 *
 * Devices are numbers: their ids are bytes of that number. What is said is in words of words.h. */
#ifndef TESTS_LIB_REPLICA_H
#define TESTS_LIB_REPLICA_H

#include "engine/store/shared_row.h"
#include "tests/lib/library.h"
#include "tests/lib/words.h"
#include "tests/sim/disk.h"

#define REPLICA_TEXT (1u << 16)
#define REPLICA_QUERIES 32u
#define REPLICA_ME 9 /* the device whose store it is, unless said otherwise */

struct replica {
    struct library library;
    struct disk *disk;
    uint8_t device;
    struct arena arena;            /* of bodies; until replica_close() or replica_forget() */
    struct shared_row_tally tally; /* of the last call */
    sqlite3_stmt *queries[REPLICA_QUERIES];
    uint32_t query_count;
    struct bytes said;       /* the CHANGE op of the host's last run */
    uint64_t hlc;            /* ... and its stamp */
    char text[REPLICA_TEXT]; /* what the last call of those that return a text returned */
};

/* `name` is that of the disk, and unique in the process. */
void replica_open(struct replica *replica, const char *name, uint8_t device, const char *schema);
void replica_close(struct replica *replica);
/* Closes, opens with another schema, and tries the rows of the shadow, as the log does. */
void replica_reopen(struct replica *replica, const char *schema);
/* Closes the writer and opens another: nothing is remembered of the file. */
void replica_renew(struct replica *replica);
/* Drops the bodies made so far. */
void replica_forget(struct replica *replica);
/* Fails the test, printing why, unless the status is WEFT_OK. */
void replica_ok(const struct replica *replica, enum weft_status status);

/* The host's run, in the arena. */
Weft__Rows *replica_run(struct replica *replica, const char *words);
/* Inside a transaction of the caller. */
enum weft_status replica_write_run(struct replica *replica, Weft__Rows *rows);
enum weft_status replica_write_within(struct replica *replica, const char *words);
enum weft_status replica_apply_within(struct replica *replica, uint8_t device, uint64_t hlc,
                                      struct bytes body);
/* The host's run in a transaction of its own, which is rolled back if it fails. */
enum weft_status replica_try(struct replica *replica, const char *words);
/* ... which succeeds; returns what the record says, in words: "" if nothing. */
const char *replica_writes(struct replica *replica, const char *words);
/* What another device said with this stamp, in a transaction of its own. */
void replica_hears(struct replica *replica, uint8_t device, uint64_t hlc, const char *words);

/* A query on the writer's connection, kept until the store is closed; to be reset after use. */
sqlite3_stmt *replica_query(struct replica *replica, const char *sql);
/* The rows of a query, as text: values as above, `|` between them, and a blank between rows. */
const char *replica_rows(struct replica *replica, const char *sql);
#define replica_shows(replica, sql, wanted) assert_string_equal(replica_rows(replica, sql), wanted)

/* Every row that this store knows of, a line each, in an order that does not depend on the store:
 * table, key, whether it is to be seen, stamps by (hlc, device, incarnation), values. Wherever it
 * lies: one that its table does not take is to be seen like others. */
const char *replica_dump(struct replica *replica);

#endif
