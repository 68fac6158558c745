/* One simulated world: devices with whole engines, the network between them, and what must be true.
 *
 *     plan ──► world ──► device ──► engine (real), disk, vault, author
 *                │          └────► oracle: history of every row, what was promised
 *                ├──► ledger: what everybody wrote, and what follows from it
 *                ├──► sums: digests
 *                ├──► company: who belongs to the library
 *                ├──► net
 *                ├──► byzantine: a member that lies
 *                └──► faults, ambush
 *
 * Everything runs on one thread, in virtual time, in an order drawn from the seed. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <sqlite3.h>

#include "engine/engine.h"
#include "tests/sim/disk.h"
#include "tests/sim/model.h"
#include "tests/sim/net.h"
#include "tests/sim/plan.h"
#include "tests/sim/points.h"
#include "tests/sim/rng.h"
#include "tests/sim/tables.h"
#include "tests/sim/vault.h"

#define DEVICES_MAX 5u
#define QUERY_COUNT (TABLE_COUNT + 11)
#define PENDING_MAX 10u
#define TURNED_MAX 20u
#define FAILURE_TEXT 1024u
#define ORDERS_MAX 32u
#define INCARNATIONS 3u /* of one device; each restored disk begins another */

struct world;
struct ambush;
struct oracle;
struct ledger;
struct sums;
struct byzantine;

/* The program that writes on one device. */
struct author {
    struct rng rng;
    struct model model; /* own rows, after every step whose answer is known */
    struct step pending[PENDING_MAX];
    uint32_t pending_count;
    uint64_t next_us;
    uint64_t scan; /* the rescan under way; 0: none */
    enum table scan_table;
    uint32_t scan_column, scan_steps;
    uint64_t scan_scope;
    uint32_t scans_spoiled; /* begun in this life, and never to be ended */
    uint64_t content[ROWS]; /* what the newest put of each row was drawn from; 0: none yet */
    bool located;           /* the locations are written, so entries have an owner */
    bool silent;            /* writes nothing now */
    bool shared_only;       /* ... or nothing of its own */
    uint64_t last_ticket;   /* the newest one that was answered WEFT_OK, and wrote anything */
    uint64_t last_shared;   /* its record; 0: none */
    uint64_t last_version[TABLE_COUNT];
    uint64_t orders[ORDERS_MAX]; /* tickets of this life that are no transactions */
    uint32_t order_count;
};

struct device {
    struct world *world;
    uint32_t number;
    struct disk *disk;
    struct vault *vault;
    char path[32];
    struct rng entropy;
    struct author author;
    weft_engine *engine;       /* NULL: it is down */
    bool known;                /* its id is */
    uint32_t lives;            /* begun */
    int model_id[TABLE_COUNT]; /* as the engine's mails number them */
    int commons_id[COMMONS_COUNT];
    uint32_t actor_count;
    uint64_t turned[TURNED_MAX]; /* turns by actor */
    /* Which actors had nothing to do when they were asked last, and when they are due by its own
     * clock: none is asked again before that, a mail or a watch (device_stir). */
    uint32_t idle;
    uint64_t idle_hash, due_us[TURNED_MAX];
    /* Time. */
    uint64_t boot_us;
    int64_t wall_offset_ms;
    int64_t drift_ppm;
    uint64_t wall_max_ms; /* the latest that its wall clock has shown it */
    uint64_t stamps;      /* that its clock has given out */
    /* Faults. */
    uint64_t up_us; /* down until then */
    uint64_t paused_until_us;
    uint64_t down_us;     /* how long it will be, when its disk goes down by itself */
    bool talking;         /* it listens and dials */
    bool alone;           /* a copy that is looked at: it reaches nobody */
    bool closed_well;     /* the last life ended with weft_close() */
    uint32_t restores;    /* how often an older copy of its disk took its place */
    bool moved;           /* ... since it was opened last */
    bool tells;           /* it is to say so when it is opened */
    uint64_t incarnation; /* the last that its file had */
    uint64_t incarnations[INCARNATIONS];
    /* The application on it, and what it has made of the file. */
    enum version version;
    bool was_old;  /* the older version has tried to open the file */
    bool upgraded; /* since the oracle was told */
    /* Membership. */
    bool outside;               /* it has not come into the library yet */
    char invite[WEFT_LINK_MAX]; /* what its engine is opened with; "": nothing */
    uint64_t patience_us;       /* when it gives that invite up */
    /* The oracle's own connection. */
    sqlite3 *db;
    sqlite3_stmt *query[QUERY_COUNT];
    struct mirror *mirror;
};

struct world {
    struct plan plan;
    struct rng rng; /* the scheduler's */
    uint64_t now_us;
    uint64_t begin_us; /* the plan's time counts from here */
    uint64_t turns, lives, steps, leaps;
    uint64_t writes; /* of rows, in the transactions that were submitted */
    uint32_t idle_rounds;
    uint64_t hash;
    struct net *net;
    struct cast cast;
    struct keyring *keyring;
    struct device device[DEVICES_MAX];
    struct oracle *oracle;
    struct ledger *ledger;
    struct sums *sums;
    struct diet *diet;
    struct company *company;
    struct faults *faults;
    struct ambush *ambush;
    struct points points;
    struct byzantine *byzantine; /* NULL: nobody lies */
    struct cells *cells;         /* scratch */
    uint64_t look_us;
    bool healing;
    bool was_damaged; /* ... at any time */
    bool damaged;     /* rows were changed behind an engine (damage.h) */
    bool far_future;  /* some stamps are so far ahead that nobody will ever believe them */
    bool trace;
    bool failed;
    bool refused; /* ... because a device could not be opened */
    char failure[FAILURE_TEXT];
};

/* What came of it. */
struct outcome {
    bool failed;
    char failure[FAILURE_TEXT];
    uint64_t hash;
    uint64_t virtual_us, turns, lives, steps, writes, rows;
    uint64_t points[POINT_COUNT];
    uint64_t faults[FAULT_COUNT];
};

/* Runs one world from its beginning to its end. */
void world_run(const struct plan *plan, bool trace, struct outcome *out);

/* The same in parts, for those who have their own story (sweep.c). */
void world_open(struct world *world, const struct plan *plan, bool trace);
/* The library is founded over links with which nothing is wrong. Then all ids are known, so that
 * keys have owners, and the plan begins. False: the world has failed. */
bool world_begin(struct world *world);
void world_run_until(struct world *world, uint64_t until_us);
/* Nobody writes any more, nothing goes wrong any more, and all must come to hold the same. */
void world_heal(struct world *world);
/* Looks at all devices once more, and closes them. */
void world_last_checks(struct world *world);
/* After a failure the engines may be in any state: what they hold is left to the process's end. */
void world_close(struct world *world);

/* Notes the first failure, after the name of the function that found it, which is how checkers are
 * told apart; always false, so that a check can return it. */
#define world_fail(world, ...) world_fail_in(world, __FILE__, __func__, __VA_ARGS__)
bool world_fail_in(struct world *world, const char *file, const char *function, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
/* Adds an event to the trace. */
void world_note(struct world *world, const struct device *device, const char *what, uint64_t a,
                uint64_t b);

#endif
