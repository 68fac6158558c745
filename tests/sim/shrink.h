/* Makes of a plan that fails a smaller one that fails, until nothing more can be taken from it
 * (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002; here the input
 * is a table of knobs, which are turned to their plain values one by one). */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "tests/sim/plan.h"

struct shrink {
    /* Whether the plan still fails, as it did at first. `*virtual_us`: when it ended; 0: not known.
     */
    bool (*fails)(void *context, const struct plan *plan, uint64_t *virtual_us);
    /* The plan has become smaller; may be NULL. */
    void (*smaller)(void *context, const struct plan *plan, uint32_t runs);
    void *context;
    uint32_t chances; /* a step that does not fail is tried with so many other chances */
    /* What it took. */
    uint32_t runs;
};

/* False: the plan does not fail. */
bool shrink_plan(struct shrink *shrink, struct plan *plan);

#endif
