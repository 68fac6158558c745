/* Rows that were changed behind the engine's back, by a plain connection to its file, as a broken
 * program would. docs/decisions/019-digests.md says what is promised: who verifies finds it, rows
 * of other owners are taken again from them, and shared rows from whom most agree with. */
#ifndef SIM_DAMAGE_H
#define SIM_DAMAGE_H

#include "tests/sim/world.h"

/* In a world that has converged: rows of a device are damaged, and verified. False: nothing was,
 * or the world has failed. Until damage_over() only convergence is asked for. */
bool damage_world(struct world *world);
/* All hold the same again: as before. */
void damage_over(struct world *world);

#endif
