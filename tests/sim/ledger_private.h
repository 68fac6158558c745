/* The inside of the ledger. Private to ledger*.c.
 *
 *   ledger_file.c   the records of one file, taken one by one
 *   ledger.c        what they must be, given what was answered, and what must follow from them */
#ifndef SIM_LEDGER_PRIVATE_H
#define SIM_LEDGER_PRIVATE_H

#include "tests/sim/fold.h"
#include "tests/sim/ledger.h"

#define WAITING_MAX 4096u
#define SEQ_MAX 8192u

enum query { QUERY_NEXT, QUERY_AT, QUERY_WAITING, QUERY_SHADOW, QUERY_ROWS };
#define LEDGER_QUERIES (QUERY_ROWS + COMMONS_COUNT)

struct chain {
    uint64_t incarnation, seq;
    uint8_t hash[32];
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
    bool begun;      /* all that lay there when it was opened has been taken */
    uint64_t waiting[WAITING_MAX];
    uint32_t waiting_count;
    bool released; /* some came into their time since the last answer: when exactly is not known */
    struct scroll next;
};

/* Of one incarnation of a device, what was answered WEFT_OK: hashes by number. */
struct promise {
    uint64_t incarnation, upto;
    uint64_t *hash; /* SEQ_MAX of them; 0: not one of the commons */
};

struct ledger {
    struct world *world;
    struct file file[DEVICES_MAX];
    struct promise promise[DEVICES_MAX][INCARNATIONS];
    uint64_t seen[SEEN_COUNT];
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
/* Reads the record after those taken, as `next`; `*place` 0: there is none yet. */
bool ledger_peek(struct device *device, uint64_t *place);
/* Takes the record that was peeked at. */
bool ledger_take(struct device *device, uint64_t place);
/* Whether the record peeked at was written by this device's host, in this life of its file. */
bool ledger_is_own(const struct device *device);
/* Takes all there is. Of the host's own there is none that has not been answered. */
bool ledger_take_all(struct device *device);

#endif
