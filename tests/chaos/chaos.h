/* What goes wrong, and when: drawn from a seed.
 *
 * Each device and each link has a stream of chance of its own: a seed draws the same moments and
 * faults for each, whatever the machine makes of them. */
#ifndef TESTS_CHAOS_CHAOS_H
#define TESTS_CHAOS_CHAOS_H

#include "tests/chaos/crew.h"
#include "tests/sim/rng.h"

/* Which faults are drawn: a set. */
enum chaos_fault { CHAOS_KILL = 1, CHAOS_STOP = 2, CHAOS_BLACKOUT = 4, CHAOS_LINKS = 8 };
#define CHAOS_ALL 15u

struct chaos_link {
    struct rng rng;
    struct proxy_order order; /* now */
    int64_t due_ms;
};

struct chaos_device {
    struct rng rng;
    int64_t due_ms; /* alive: what befalls it next; dead: its return; stopped: that it goes on */
};

struct chaos {
    struct crew crew;
    unsigned faults;
    uint32_t calm;       /* lives, and what goes before a fault, are so many times longer: 1 */
    int64_t patience_ms; /* at the end */
    bool mend; /* connections that were swallowed are ended with the faults, not 45 s later */
    struct chaos_device devices[CREW_MAX];
    struct chaos_link links[CREW_MAX][CREW_MAX];
    struct rng rng;
    int64_t begun_ms, blackout_ms, end_ms;
    uint32_t blackouts, inspections, link_faults;
    int64_t converged_ms; /* how long it took until all held the same */
};

/* Founds the crew: crew_found(). */
void chaos_open(struct chaos *chaos, unsigned devices, unsigned degree, uint64_t seed,
                unsigned faults);
/* Does what is due, and hears the devices until the next moment, or a short while. */
void chaos_turn(struct chaos *chaos);
/* No more faults: all become equal, end, and are held against the ledger. Whether the files are
 * equal is not looked at. */
void chaos_finish(struct chaos *chaos);
/* The same; the files must be equal. */
void chaos_end(struct chaos *chaos);

/* A line for each device and fault, drawn over the last one; `phase` says what is going on. */
void chaos_show(struct chaos *chaos, const char *phase);

#endif
