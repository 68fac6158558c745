/* The kinds of fault from FAULT_LATE on: what each does, how long, and what ends it. */
#ifndef SIM_MISHAPS_H
#define SIM_MISHAPS_H

#include "tests/sim/world.h"

struct mishaps;

/* Never NULL. */
struct mishaps *mishaps_open(struct world *world);
void mishaps_close(struct mishaps *mishaps);
/* Lets happen what is due, and ends what has lasted long enough. */
void mishaps_turn(struct mishaps *mishaps);
uint64_t mishaps_due_us(const struct mishaps *mishaps);
/* Ends all of it, for good. */
void mishaps_heal(struct mishaps *mishaps);
/* How many of each kind have happened; of earlier kinds none. */
const uint64_t *mishaps_fired(const struct mishaps *mishaps);

#endif
