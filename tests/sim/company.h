/* Who belongs to the library of a world, and what must be true of that.
 *
 *   found        all but the guest, before anything goes wrong
 *   guest        comes in later, by invites of whoever is up, as often as it takes
 *   victim       may be removed, by any of the others and by several at once
 *
 * What is checked: who has heard of a removal never forgets it; what a device told its peers that
 * it holds of the shared log outlives any crash; once all have heard of a removal, and their
 * sessions with the removed device are over, nothing newer passes between it and them; in the end
 * all who are members hold the same records, and have the same roster and the same keys. */
#ifndef SIM_COMPANY_H
#define SIM_COMPANY_H

#include "tests/sim/history.h"

struct company;

/* Never NULL. */
struct company *company_open(struct world *world);
void company_close(struct company *company);
/* Device 0 founds the library and lets the others in, with nothing wrong anywhere; afterwards all
 * are closed, everybody but the guest is a member to everybody, and all ids are known. */
bool company_found(struct company *company);

/* Looks whether the guest is in, or gives its invite up, and whether all is over with the victim.
 */
void company_turn(struct company *company);
uint64_t company_due_us(const struct company *company);
/* The guest sets out. */
void company_welcome(struct company *company);
/* Gets an invite for the guest, which is about to start; without one it waits. */
bool company_invite(struct company *company, struct device *guest);
/* Somebody comes in by an invite of this device, which was to ask its host. */
void company_asked(struct company *company, struct device *inviter, const struct weft_event *event);
/* This device removes the victim, if it is up and may. */
void company_revoke(struct company *company, struct device *device);
/* The victim has been removed, as far as anybody has heard. */
bool company_out(const struct company *company, uint32_t device);

/* The device's disk is backed up; whether the backup may take its place now without anything being
 * lost that only those know who are strangers without it; and it has. */
void company_backed_up(struct company *company, const struct device *device);
bool company_may_restore(struct company *company, struct device *device);
void company_restored(struct company *company, const struct device *device);
/* The device has been opened: what its restored disk does not know was done may be done again. */
void company_started(struct company *company, struct device *device);

/* A mail of a device that is up. */
void company_mail(struct device *device, const struct edge *edge, const Weft__Mail *body);
/* Whether the device ever told a peer that it holds this much of another's log. */
bool company_said(const struct device *device, uint32_t of, const struct head *head);
/* Everything that can be said of membership in one device's file, of which `file` was just read. */
bool company_check(struct device *device, const struct snapshot *file);
/* Whether all who are members, all of them up, agree. As oracle_converged(). */
bool company_agrees(struct company *company, bool *equal, char *why);

#endif
