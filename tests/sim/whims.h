/* What the people of a device set and take back: a pause, rates, a network that costs. Kinds of
 * fault for mishaps.c, which says when. */
#ifndef SIM_WHIMS_H
#define SIM_WHIMS_H

#include "tests/sim/world.h"

struct whims;

/* Never NULL. */
struct whims *whims_open(struct world *world);
void whims_close(struct whims *whims);
/* `device` sets it, where it concerns one device for `other` or for all. False: it was not set. */
bool whims_begin(struct whims *whims, struct rng *rng, enum fault fault, struct device *device,
                 uint32_t other);
/* ... and takes it back; a device that is down, or cannot, does so as soon as it can. */
void whims_end(struct whims *whims, enum fault fault, struct device *device);
/* What is still to be taken back: a pause outlives its process. */
void whims_turn(struct whims *whims);
uint64_t whims_due_us(const struct whims *whims);

#endif
