/* The program that writes on a device: draws transactions and rescans, submits them through the
 * public interface, and holds every answer against the model. */
#ifndef SIM_AUTHOR_H
#define SIM_AUTHOR_H

#include "tests/sim/world.h"

void author_begin(struct device *device);
/* Takes one step if its time has come and the engine is up. */
void author_turn(struct device *device);
uint64_t author_due_us(const struct device *device);
/* Asks after every pending ticket; an answer that the model does not give is a failure. */
bool author_poll(struct device *device);
/* After a restart: `digest` is what the disk holds of own rows. It must be what the model gives
 * after some of the pending steps: all that were answered, and of the others a first part (all,
 * when the engine was closed well). The model follows. */
bool author_settle(struct device *device, const uint64_t digest[ROWS]);
/* An older disk has taken the place of the device's: pending steps, none of which wrote own rows,
 * have gone with the other. */
void author_restored(struct device *device);
/* Whether own rows, as read, are what the model says, pending steps left open. */
bool author_agrees(struct device *device, const uint64_t digest[ROWS]);
/* The engine has told the outcome of a ticket: the versions it gave. */
void author_observe(struct device *device, const Weft__Answered *answered);
/* An order that is no transaction has been given this ticket; up to ORDERS_MAX in one life. */
void author_order(struct device *device, uint64_t ticket);
/* The device ails: what is pending, and what is submitted until it is well, may fail. */
void author_ails(struct device *device);

#endif
