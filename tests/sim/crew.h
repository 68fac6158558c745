/* The processes that run many worlds: as many as there are cores, each one world after the other. A
 * world that aborts or hangs is a failed seed like any other. */
#ifndef SIM_CREW_H
#define SIM_CREW_H

#include "tests/sim/display.h"
#include "tests/sim/tally.h"

struct crew {
    uint64_t seed;  /* the first */
    uint64_t seeds; /* so many; UINT64_MAX: as time allows */
    double seconds; /* of the wall, after which no more are begun; 0: any */
    uint32_t jobs;  /* processes; 1 to TALLY_JOBS */
    bool first;     /* the first failure ends it all */
    struct display display;
    /* Runs one world; in a process of the crew. */
    void (*run)(const void *context, uint64_t seed, struct outcome *out);
    const void *context;
};

/* Processors that are there. */
uint32_t crew_jobs(void);
/* Runs until all is done, the time is up, there are TALLY_FAILURES failures, or somebody presses
 * Ctrl-C. */
void crew_run(struct crew *crew, struct tally *tally);

#endif
