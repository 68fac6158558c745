/* Faults that lie in wait. What lasts a moment only (a backfill, a snapshot, a sweep, a joining, an
 * opening) is hardly ever hit by a fault that comes at some time or other; these strike when such a
 * moment has begun. */
#ifndef SIM_AMBUSH_H
#define SIM_AMBUSH_H

#include "tests/sim/world.h"

struct ambush;

/* Never NULL. */
struct ambush *ambush_open(struct world *world);
void ambush_close(struct ambush *ambush);

/* These two do nothing while the world has none yet.
 * A mail of a device that is up. What comes of it comes later: nothing is done within a step. */
void ambush_mail(struct device *device, const struct edge *edge, const Weft__Mail *body);
/* The device's engine is about to be opened. */
void ambush_opening(struct device *device);
/* Strikes where it is due. */
void ambush_turn(struct ambush *ambush);
uint64_t ambush_due_us(const struct ambush *ambush);
/* Nothing more. */
void ambush_heal(struct ambush *ambush);

#endif
