/* A library's file, with something of everything in it, opened again and again with the whole
 * inside of an engine but its actors. For tests in which that may fail at any point: nothing here
 * fails the test but what is said to.
 *
 *     scene ──► file ──┬─► copy ─► hold_open ─► act ─► hold_close ─► hold_dump
 *                      └─► copy ─► … */
#ifndef TESTS_LIB_HOLD_H
#define TESTS_LIB_HOLD_H

#include "engine/store/deleted.h"
#include "engine/store/digest.h"
#include "engine/store/horizon.h"
#include "engine/store/shared.h"
#include "engine/store/snapshot_reader.h"
#include "engine/store/snapshot_taker.h"
#include "tests/lib/library.h"
#include "tests/lib/words.h"
#include "tests/sim/disk.h"
#include "tests/sim/rng.h"

#define HOLD_PATH "/d/a.weft"
#define HOLD_WALL (UINT64_C(1700000000000) << 16)
#define HOLD_RUNS 4u
#define HOLD_BODIES 4u

enum { HOLD_SELF = 1, HOLD_ANN, HOLD_BOB, HOLD_DEVICES }; /* numbers of devices */

struct hold {
    struct disk *disk;
    struct library library; /* as others know it; its path is HOLD_PATH */
    struct shared_reader *shared;
    struct snapshot_reader *snapshot;
    struct identity identities[HOLD_DEVICES]; /* by number */
    struct id devices[HOLD_DEVICES];
    struct roster roster;
    struct rng rng;
    bool store_open, roster_open;
    /* What an act is given, made by its prepare function. */
    struct arena arena;
    struct run runs[HOLD_RUNS];
    unsigned run_count;
    struct bytes bodies[HOLD_BODIES];
    struct record records[HOLD_BODIES];
    struct bytes signed_records[HOLD_BODIES];
    struct snapshot_chunk chunk;
    struct arena given; /* what an act allocates */
};

extern const char hold_schema[];
/* The same application, a version later. */
extern const char hold_schema_newer[];

/* Founds the file; fails the test if that cannot be done. `name` is the disk's. */
struct hold *hold_new(const char *name);
void hold_free(struct hold *hold);

/* The disk's time. */
struct instant hold_now(void *self);

/* Opens all there is, as an engine does; after a failure nothing is open. */
enum weft_status hold_open(struct hold *hold, const char *schema);
void hold_close(struct hold *hold);
/* Runs SQL on a connection of its own; the engine's part must be closed. False: it failed. */
bool hold_sql(struct hold *hold, const char *sql);
/* A number for all that is in the file; the engine's part must be closed. 0: there is no file. */
uint64_t hold_dump(struct hold *hold);

/* ---- for acts, and for what is in the file ---- */

/* A run to be filled, dropped by hold_close() or with all others by hold_drop_runs(). */
struct run *hold_fresh(struct hold *hold, const char *table);
void hold_drop_runs(struct hold *hold);
struct stream hold_stream(struct hold *hold, int device, const char *table);
/* Record `at` of the hold: a change of rows, signed by a device; behind the one before it, if that
 * has the number before. */
void hold_signs(struct hold *hold, unsigned at, int device, uint64_t seq, const char *words);
void hold_member(struct hold *hold, int device, struct roster_member *out);
/* What a device said of shared rows, within a transaction. */
enum weft_status hold_hears(struct hold *hold, int device, uint64_t hlc, struct bytes body);

/* One thing that an engine does with its store, in one transaction. */
struct hold_act {
    const char *name;
    /* Makes what the act is given; NULL: nothing. The engine's part is open. */
    void (*prepare)(struct hold *hold);
    enum weft_status (*act)(struct hold *hold);
};
extern const struct hold_act hold_acts[];
extern const unsigned hold_act_count;

#endif
