/* Disks that are not where they belong, or not what they were: a machine of its own, which talks to
 * nobody, is given a copy of a device's files as they are now, and opens them. The device itself
 * goes on beside it and knows nothing of it. */
#ifndef SIM_PROBE_H
#define SIM_PROBE_H

#include "tests/sim/world.h"

/* The files of one device and the keys of another, as when two disks were swapped: they are not
 * opened, the reason names the keys, and under the right keys they open afterwards. */
bool probe_swap(struct device *files, struct device *keys, struct rng *rng);
/* Files and keys of one device on another machine: it says that it is a copy, and goes on as an
 * incarnation that is greater. */
bool probe_clone(struct device *device, struct rng *rng);
/* The files with some bytes changed: they are refused with a reason, or opened, verified, written
 * to and closed. What they say then is anybody's guess; that the program ends is not. */
bool probe_rot(struct device *device, struct rng *rng);

#endif
