/* The inside of the ledger. Private to ledger*.c.
 *
 *   ledger_file.c   the records of one file, taken one by one
 *   ledger_horizon.c   what a file need not hold any more, and how it goes on after a snapshot
 *   ledger.c        what they must be, given what was answered, and what must follow from them */
#ifndef SIM_LEDGER_PRIVATE_H
#define SIM_LEDGER_PRIVATE_H

#include "tests/sim/fold.h"
#include "tests/sim/ledger.h"

#define WAITING_MAX 4096u
#define SEQ_MAX 8192u

enum query {
    QUERY_NEXT,
    QUERY_AT,
    QUERY_WAITING,
    QUERY_SHADOW,
    QUERY_TAKING,
    QUERY_HORIZONS,
    QUERY_AWAY,
    QUERY_ROWS
};
#define LEDGER_QUERIES (QUERY_ROWS + COMMONS_COUNT)

struct chain {
    uint64_t incarnation, seq;
    uint8_t hash[32];
    uint64_t pruned; /* records up to here may be missing */
};

/* One device's file. */
struct file {
    sqlite3_stmt *query[LEDGER_QUERIES];
    struct fold fold;
    struct chain chain[DEVICES_MAX][INCARNATIONS];
    uint32_t chains[DEVICES_MAX];
    uint64_t place;  /* taken so far */
    uint64_t own;    /* incarnation */
    uint64_t newest; /* stamp that its clock must have passed */
    uint64_t writes; /* to the disk, when all that was there was taken last */
    bool begun;      /* all that lay there when it was opened has been taken */
    uint64_t waiting[WAITING_MAX];
    uint32_t waiting_count;
    bool released; /* some came into their time since the last answer: when exactly is not known */
    bool taking;   /* a snapshot is being taken */
    bool took;     /* rows have come that are of no record here */
    bool folding;  /* what was taken before is taken again */
    struct scroll next;
};

/* Of one incarnation of a device, what was answered WEFT_OK: hashes by number. */
struct promise {
    uint64_t incarnation, upto;
    uint64_t *hash; /* SEQ_MAX of them; 0: not one of the commons */
};

/* Every record of one incarnation of a device that was ever in any file, by number. */
struct tome {
    uint64_t incarnation;
    struct scroll **scroll; /* SEQ_MAX of them; NULL: not seen */
};

struct ledger {
    struct world *world;
    struct tome tome[DEVICES_MAX][INCARNATIONS];
    bool restored[DEVICES_MAX]; /* its disk was once an older copy: it may hold less than it said */
    uint64_t taken_ms[DEVICES_MAX]; /* the least its wall clock was while it took a snapshot last */
    struct file file[DEVICES_MAX];
    struct promise promise[DEVICES_MAX][INCARNATIONS];
};

/* ---- ledger_file.c */

struct file *ledger_file(const struct device *device);
/* Says what SQLite said; false. */
bool ledger_broken(struct device *device, const char *doing);
/* A part of a record's hash; never 0. */
uint64_t ledger_hash(const struct scroll *scroll);
/* What was answered to one incarnation of a device. */
struct promise *ledger_promise(struct ledger *ledger, uint32_t device, uint64_t incarnation);
/* The end of an origin's chain in a file; NULL: there is none. */
const struct chain *ledger_chain(const struct file *file, uint32_t device, uint64_t incarnation);
bool ledger_prepare(struct device *device);
struct chain *ledger_chain_add(struct file *file, uint32_t device, uint64_t incarnation);
/* Whether a record is so far ahead of the device's time that it will wait for ever. */
bool ledger_far_ahead(const struct device *device, const struct scroll *scroll);
/* Reads a record by one of two queries; `*place` 0: there is none. */
bool ledger_read(struct device *device, int query, uint64_t at, uint64_t *place,
                 struct scroll *out);
/* Reads the record after those taken, as `next`; `*place` 0: there is none yet. */
bool ledger_peek(struct device *device, uint64_t *place);
/* Takes the record that was peeked at. */
bool ledger_take(struct device *device, uint64_t place);
/* Whether the record peeked at was written by this device's host, in this life of its file. */
bool ledger_is_own(const struct device *device);
/* Whether rows and log do not go together: while a snapshot is taken, and as long as a record waits
 * for its time after one: who gave the snapshot may have applied it. */
bool ledger_is_loose(const struct file *file);
/* Takes all there is. Of the host's own there is none that has not been answered. */
bool ledger_take_all(struct device *device);

/* ---- ledger_horizon.c */

/* Keeps a record for those who come after it was forgotten. */
void ledger_keep(struct ledger *ledger, const struct scroll *scroll);
void ledger_keep_free(struct ledger *ledger);
/* Looks what the file has forgotten, and whether a snapshot has taken the place of records: then
 * all of it is folded anew. */
bool ledger_follow_horizon(struct device *device);
/* Whether a record that does not follow its chain is one that is never forgotten, and lies below
 * the horizon or beyond the head. */
bool ledger_is_kept(struct device *device, const struct scroll *scroll, bool *kept);
/* Whether the device's clock has passed a stamp that came with a snapshot: not one that lay too far
 * ahead when that was begun, which is taken all the same when nobody has another. */
bool ledger_passed(const struct device *device, uint64_t hlc);

#endif
