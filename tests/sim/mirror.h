/* The mirror: what an application shows that reads its tables once, and from then on only the rows
 * that a hook names (weft_on_commit()). At any moment it must show what the tables hold.
 *
 * One for each life of a device. Its hook stands still now and then, so that it loses commits.
 * Not here: whether what the tables hold is right (oracle.h). */
#ifndef SIM_MIRROR_H
#define SIM_MIRROR_H

#include "tests/sim/world.h"

/* Reads all tables, and sets the hook. False when the disk has gone, or the world failed. */
bool mirror_begin(struct device *device);
void mirror_end(struct device *device);
/* After a turn: lets hooks be called, or not. */
void mirror_turned(struct device *device);
/* Lets hooks be called, and compares. */
bool mirror_check(struct device *device);

#endif
