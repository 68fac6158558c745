/* The listener actor: the door to the network, and who sits in which session slot.
 *
 *   host ──listen, connect, invite, admit, join──► listener ──dial, accepted, ruling──► peer ×N
 *   log ──roster──► listener                           ▲────────claim, vacated─────────────┘
 *                      └──► clock: a newcomer is to be added
 *
 * A connection that comes in stays here until its first message shows that a member, or somebody
 * with an invite, sent it; only then it is given to a slot, which is a peer actor. Between two
 * devices one session stands: of two that were opened from different ends, the one opened by the
 * lower device id; of two opened from the same end, the newer, since the older must be a leftover.
 * A claim counts only when its Hello has proved who makes it. */
#ifndef WEFT_ACTORS_LISTENER_H
#define WEFT_ACTORS_LISTENER_H

#include "engine/runtime/actor.h"

extern const struct actor_kind listener_actor;

#endif
