/* What goes wrong, and when. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "tests/sim/world.h"

struct faults;

/* Never NULL. */
struct faults *faults_open(struct world *world);
void faults_close(struct faults *faults);
/* Lets happen what is due, and ends what has lasted long enough. */
void faults_turn(struct faults *faults);
uint64_t faults_due_us(const struct faults *faults);
/* Ends everything that is wrong, for good: routes, disks, pauses. What is down may start. */
void faults_heal(struct faults *faults);
/* How many of each kind have happened. */
const uint64_t *faults_fired(struct faults *faults);
/* One more has, of a kind that has its own source of chance elsewhere. */
void faults_count(struct faults *faults, enum fault fault);

#endif
