/* What must be true of a world, whatever happened in it. It keeps the history of every row as its
 * owner committed it, and what each device has promised to hold; and it reads every device's file
 * as any program would.
 *
 *   own rows     are what the author's model says, at the versions the engine gave them
 *   a copy       of a row at a version above nothing newer at or below the position is one the
 * owner once committed; what the owner deleted at or below the position is not there a promise (a
 * position told to a peer, an acknowledgement stored by one) outlives any crash an outcome
 * "replicated" means that so many devices hold it in the end   all files are equal */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "tests/sim/world.h"

/* Never NULL. */
struct oracle *oracle_open(struct world *world);
void oracle_close(struct oracle *oracle);

/* Listens to the mails of a device's engine from now on. */
void oracle_listen(struct device *device);
/* The device's engine has just been opened: opens the oracle's own connection, listens to its
 * mails, and holds what the disk has kept against the ledger. */
bool oracle_attach(struct device *device);
/* An older copy of the device's disk has taken its place, which lacks nothing that it wrote. */
void oracle_restored(struct device *device);
/* To be called before the engine ends. */
void oracle_detach(struct device *device);
/* After each turn: completes the history where mails do not tell it. */
bool oracle_turned(struct device *device);
/* Everything that can be said of one device that is up. */
bool oracle_check(struct device *device);
/* Whether all devices, all of them up, hold the same. `*equal` false is no failure yet; `why` (of
 * FAILURE_TEXT bytes) then says what differs. */
bool oracle_converged(struct world *world, bool *equal, char *why);

uint64_t oracle_rows(const struct oracle *oracle);

#endif
