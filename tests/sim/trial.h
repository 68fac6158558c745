/* One world in a process of its own, so that whatever becomes of it is an answer: it passed, it
 * failed, it aborted, it hung. */
#ifndef SIM_TRIAL_H
#define SIM_TRIAL_H

#include "tests/sim/world.h"

#define TRIAL_CHECKER 160u

struct trial {
    bool failed;
    char checker[TRIAL_CHECKER]; /* what found it; equal for the same failure */
    char text[FAILURE_TEXT];
    uint64_t virtual_us; /* when it ended; 0: it did not come back */
};

/* `seconds` of processor time, after which it counts as hung. */
void trial_run(const struct plan *plan, uint32_t seconds, struct trial *out);

#endif
