/* What came of many worlds: counted in memory that processes share, and printed at the end. */
#ifndef SIM_TALLY_H
#define SIM_TALLY_H

#include <stdatomic.h>

#include "tests/sim/world.h"

#define TALLY_FAILURES 16u /* kept; a run ends when there are so many */
#define TALLY_JOBS 256u
#define TALLY_TEXT (FAILURE_TEXT + 64u)

struct tally_failure {
    atomic_bool ready; /* the rest may be read */
    uint64_t seed;
    char text[TALLY_TEXT]; /* begins with the checker, in brackets */
};

struct tally {
    atomic_ullong next; /* seeds handed out */
    atomic_ullong done, failed;
    atomic_bool over; /* no more seeds are to be begun */
    atomic_ullong virtual_us, turns, lives, steps, writes, rows;
    /* How often, and in how many seeds. */
    atomic_ullong fault[FAULT_COUNT], fault_seeds[FAULT_COUNT];
    atomic_ullong point[POINT_COUNT], point_seeds[POINT_COUNT];
    atomic_ullong running[TALLY_JOBS]; /* the seed of each process */
    struct tally_failure failure[TALLY_FAILURES];
};

/* In memory that processes share. Never NULL. */
struct tally *tally_open(void);
void tally_close(struct tally *tally);

/* A world has ended; `out` says whether it failed. Process: any. */
void tally_add(struct tally *tally, uint64_t seed, const struct outcome *out);
/* A process has ended within this seed, as wait() says. */
void tally_add_dead(struct tally *tally, uint64_t seed, int status);
/* Of so many kinds at least one has been seen. */
uint32_t tally_kinds(const atomic_ullong *counts, uint32_t count);
uint64_t tally_faults(const struct tally *tally);

/* Everything, for people: counts of faults and of points, and which were never reached. */
void tally_print(const struct tally *tally);
/* The same as one line of JSON. */
void tally_print_json(const struct tally *tally);

#endif
