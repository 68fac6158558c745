/* The clock actor: the single door that every change passes, local and remote.
 *
 *   host ──commit, scan──► clock ──stamped──► log
 *   bulk ──incoming──────►   (observed)
 *
 * Owns the hybrid logical clock. A transaction of n changes takes one range of n stamps; a received
 * batch is one observation of its greatest. The mail that came in goes on: nothing is copied. */
#ifndef WEFT_ACTORS_CLOCK_H
#define WEFT_ACTORS_CLOCK_H

#include "engine/runtime/actor.h"

extern const struct actor_kind clock_actor;

#endif
