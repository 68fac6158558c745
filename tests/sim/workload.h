/* What the crash sweep runs: short stories of one to three devices, each about one thing that
 * writes to a disk. Nothing in them is drawn from anything but a fixed seed. */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "tests/sim/world.h"

struct workload {
    const char *name;
    const char *what;
    uint32_t device; /* whose disk goes down */
    bool early;      /* prepare and act come before there is a library with all in it */
    void (*plan)(struct plan *plan);
    void (*prepare)(struct world *world); /* comes before anything goes wrong; may be NULL */
    void (*act)(struct world *world);     /* in this the disk goes down */
    void (*after)(struct world *world);   /* of an early one: all are members now; may be NULL */
};

extern const struct workload workloads[];
extern const uint32_t workload_count;

/* NULL: there is none of this name. */
const struct workload *workload_find(const char *name);
/* The plan of its world. */
void workload_plan(const struct workload *workload, struct plan *out);

#endif
