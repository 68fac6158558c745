/* Digests in a world: those that a device keeps are what its rows make; and two devices that hold
 * as much of an owner's rows hold the same, whenever each of them did. */
#ifndef SIM_SUMS_H
#define SIM_SUMS_H

#include "tests/sim/world.h"

/* Never NULL. */
struct sums *sums_open(struct world *world);
void sums_close(struct sums *sums);
/* Looks at a device that is up, through the oracle's connection. */
bool sums_check(struct device *device);
/* Whether the digests of shared tables are the same on all devices that are members: to be asked
 * when their heads are. */
bool sums_agree(struct world *world, bool *equal, char *why);

#endif
