/* The prune actor: works out what every member has, asks the log to forget it in slices.
 *
 *   prune ──survey──► clock ──► log ──surveyed──► prune ──forget──► log ──forgotten──► prune ── …
 *
 * Owns nothing but its decision. A tombstone may go when every member device has passed it: a
 * member that never acknowledged anything counts as having nothing. */
#ifndef WEFT_ACTORS_PRUNE_H
#define WEFT_ACTORS_PRUNE_H

#include "engine/runtime/actor.h"

extern const struct actor_kind prune_actor;

#endif
