/* Everything that a seed decides before a world begins: how many devices, how they are joined, how
 * small the engine's constants are, what is written, and which faults happen how often. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "tests/sim/commons.h"
#include "tests/sim/net.h"
#include "tests/sim/rng.h"

/* Name and meaning of each kind of fault. */
#define FAULT_LIST(X)                                                                         \
    X(CUT, "cut")               /* a link breaks, at once or at some byte */                  \
    X(SWALLOW, "swallow")       /* ... or lets nothing through any more, and says nothing */  \
    X(PARTITION, "partition")   /* two groups of devices do not reach each other */           \
    X(ONE_WAY, "one-way")       /* one direction between two devices is blocked */            \
    X(SLOW, "slow")             /* one direction is slow and late */                          \
    X(KILL, "kill")             /* the process ends without a word */                         \
    X(POWER, "power")           /* ... and what was not synced is lost, or part of it */      \
    X(CRASH, "crash")           /* power is cut in the middle of some disk operation */       \
    X(RESTART, "restart")       /* closed and opened again */                                 \
    X(FULL, "disk-full")        /* the disk is full for a while */                            \
    X(SYNC, "sync-fails")       /* one sync fails, and its pages are taken for clean */       \
    X(PAUSE, "pause")           /* the process is not run for a while */                      \
    X(CLOCK, "clock")           /* the wall clock is set */                                   \
    X(JOIN, "join")             /* the guest sets out to come into the library */             \
    X(REVOKE, "revoke")         /* a member removes the victim from it */                     \
    X(RESTORE, "restore")       /* an older copy of the disk takes its place */               \
    X(READ, "read-fails")       /* one read fails */                                          \
    X(WRITE, "write-fails")     /* one write fails */                                         \
    X(DIES, "disk-dies")        /* all reads or all writes fail until it is replaced */       \
    X(EPOCH, "clock-at-boot")   /* off, and on with a clock that is up to a year behind */    \
    X(FUTURE, "far-future")     /* ... or up to 30 years ahead, and so is what it stamps */   \
    X(FLIP, "bit-flips")        /* a link changes a bit */                                    \
    X(REFUSE, "refused")        /* nobody can dial a device for a while */                    \
    X(REDIAL, "dialled-twice")  /* a device dials one that it has a session with */           \
    X(MEMORY, "no-memory")      /* an allocation fails, or all from one on */                 \
    X(SWAP, "swapped")          /* a disk is put into another machine */                      \
    X(CLONE, "cloned")          /* a copy of a machine is started beside it */                \
    X(ROT, "rot")               /* a copy of a file, of which bytes are changed, is opened */ \
    X(DAMAGE, "damage")         /* rows are changed behind the engine */                      \
    X(HUSH, "hush")             /* a device pauses another, or all */                         \
    X(RATES, "rates")           /* ... bounds how much it sends and takes in a second */      \
    X(METERED, "metered")       /* ... takes no rows, and gives none */                       \
    X(DIET, "diet")             /* ... leaves out rows of some, and takes them again */       \
    X(REWRITE, "rewrite")       /* the liar changes rows, records or statements it sends */   \
    X(WITHHOLD, "withhold")     /* ... leaves some out */                                     \
    X(REPLAY, "replay")         /* ... says again what it said once */                        \
    X(REORDER, "reorder")       /* ... lets two change places */                              \
    X(LIE, "lie")               /* ... says that it holds, or wants, other than it does */    \
    X(EQUIVOCATE, "equivocate") /* ... signs two statements under one serial */               \
    X(MALFORM, "malform")       /* ... says what nobody can read */                           \
    X(FORK, "fork")             /* ... signs two records of one number */

/* Kinds from here on have their own source of chance: worlds without them are what they were. */
#define FAULT_LATE FAULT_READ

enum fault {
#define FAULT_MEMBER(name, text) FAULT_##name,
    FAULT_LIST(FAULT_MEMBER)
#undef FAULT_MEMBER
        FAULT_COUNT
};
/* These are lies: they happen to what is said, at rates of their own. */
#define FAULT_FIRST_LIE FAULT_REWRITE

enum shape { SHAPE_MESH, SHAPE_LINE, SHAPE_STAR, SHAPE_RING, SHAPE_COUNT };

struct plan {
    uint64_t seed;
    uint64_t run_us; /* of writing and faults; healing comes after it */
    uint32_t device_count;
    enum shape shape;
    uint32_t guest;  /* comes in later; NET_DEVICES: nobody does */
    uint32_t victim; /* may be removed; without it the others are still joined; or NET_DEVICES */
    bool dials[NET_DEVICES][NET_DEVICES];
    bool named[NET_DEVICES][NET_DEVICES]; /* the address dialled says which device is meant */
    uint64_t join_us[NET_DEVICES];        /* when the device begins to talk */

    /* The engine's constants. */
    uint32_t batch_rows, group_rows;
    uint64_t tail_bytes;
    uint32_t log_records; /* that stay though all hold them; 0: more than there ever are */
    uint32_t chunk_bytes;
    uint32_t checkpoint_pages, page_bytes;
    uint64_t patience_ms; /* 0: longer than the world lasts */
    uint32_t door_bytes, cache_bytes, peers_max;

    /* The network, when nothing is wrong with it. */
    uint32_t window, partial;
    struct net_route route[NET_DEVICES][NET_DEVICES];

    /* The machine: how long one step of an actor takes. */
    uint64_t turn_us;
    int64_t wall_offset_ms[NET_DEVICES], drift_ppm[NET_DEVICES];
    uint64_t wall_step_ms; /* between two readings of a wall clock; coarse ones are often equal */

    /* The writers; rates in permille of their steps. */
    uint64_t step_mean_us[NET_DEVICES];
    uint32_t ops_max, hot, deletes, sets, scans, wrong;

    /* Which version of the application a device begins with, and when it gets the newer one at the
     * latest: all have it in the end, if anybody ever has. */
    bool mixed;
    bool newer[NET_DEVICES];
    uint64_t upgrade_us[NET_DEVICES];

    /* What everybody may write. */
    struct commons_rules rules;
    uint32_t shared, shared_hot, shared_deletes, shared_sets;
    bool far_clocks; /* they are set so far ahead that others do not believe them */
    uint32_t ambush; /* permille of moments worth it at which something strikes; 0: none */

    /* Mean time between two faults of a kind; 0: it never happens. Calm: no kind ever does. */
    bool calm;
    uint64_t fault_mean_us[FAULT_COUNT];
    uint64_t fault_length_us;

    /* Who lies, and how many of a thousand mails of its are changed in each way. The others are
     * joined without it, as they are without the victim. */
    uint32_t liar;    /* NET_DEVICES: nobody */
    bool liar_leaves; /* ... and is gone when all is to heal; else it lies no more */
    uint32_t lies[FAULT_COUNT];
};

extern const char *const fault_names[FAULT_COUNT];

/* `seconds` and `devices` 0: drawn. */
void plan_draw(struct plan *plan, uint64_t seed, uint32_t seconds, uint32_t devices);
/* Has one of the devices lie, if it has none that does and one that may. */
void plan_add_liar(struct plan *plan);
/* After something was changed: who cannot be guest, victim or liar is not, and the faults that need
 * one do not happen without. */
void plan_mend_company(struct plan *plan);

#endif
