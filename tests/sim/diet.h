/* What devices leave out of each other's rows: a kind of fault for mishaps.c, which says when; and
 * what follows from it for whoever checks promises.
 *
 * Rules are read from files and mails by a decoder of its own. */
#ifndef SIM_DIET_H
#define SIM_DIET_H

#include "engine/runtime/mail.h"
#include "tests/sim/world.h"

struct diet;

/* Never NULL. */
struct diet *diet_open(struct world *world);
void diet_close(struct diet *diet);

/* `device` says a rule or several: `other` is one of the owners. False: it could not. */
bool diet_begin(struct diet *diet, struct rng *rng, struct device *device, uint32_t other);
/* ... and takes all again, in this life or the next that can. */
void diet_end(struct diet *diet, struct device *device);
void diet_turn(struct diet *diet);
uint64_t diet_due_us(const struct diet *diet);
/* Its disk was set back: there may be rules on it again. */
void diet_restored(struct device *device);
/* Whether all has been taken again, durably. */
bool diet_over(const struct diet *diet, const struct device *device);

/* The log has told bulk; or (`subscribed` NULL) the file was opened, and is read through the
 * oracle's connection. Of what is left out, or was, nothing is owed that was `promised` before. */
bool diet_let_go(struct device *device, const Weft__Subscribed *subscribed,
                 uint64_t promised[DEVICES_MAX][TABLE_COUNT],
                 uint64_t owed[DEVICES_MAX][TABLE_COUNT]);

struct snapshot;
/* Of what the rules in the file leave out nothing is held, and once that has been cleared nothing
 * is there. */
bool diet_check(struct device *device, const struct snapshot *file);

/* How much a device had held when it let go of it, the most of all times. */
uint64_t diet_gone(const struct diet *diet, uint32_t device, uint32_t of, uint32_t table);
/* Whether a device leaves it out, or ever has. */
bool diet_ever(const struct diet *diet, uint32_t device, uint32_t of, uint32_t table);

#endif
