/* How far a device's clock may be ahead of its wall clock: no further than the furthest stamp that
 * may be believed. One device whose clock is wrong harms nobody else. */
#ifndef SIM_PACE_H
#define SIM_PACE_H

#include "tests/sim/world.h"

/* Before it is opened, and before each turn: what its wall clock shows. */
void pace_turn(struct device *device);
/* A mail between two of its actors: stamps that were given out. */
void pace_mail(struct device *device, const struct edge *edge, const Weft__Mail *body);
/* What its file has is not ahead of what it can have come to. */
bool pace_check(struct device *device);

#endif
