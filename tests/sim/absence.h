/* What is left when all goes well: a log that stays small, also when somebody is gone for good. */
#ifndef SIM_ABSENCE_H
#define SIM_ABSENCE_H

#include "tests/sim/world.h"

/* After healing, in worlds that forget: one device goes, the others write for longer than they wait
 * for it, and must then have forgotten what all of them hold. It comes back, and all heal again. */
void absence_run(struct world *world);

#endif
