/* The listener actor: the listening sockets, and who sits in which session slot.
 *
 *   host ──listen, connect──► listener ──dial, accepted, ruling──► peer ×N
 *                                 ▲────────claim, vacated─────────────┘
 *
 * A slot is a peer actor. Between two devices one session stands: of two that were opened from
 * different ends, the one opened by the lower device id; of two opened from the same end, the
 * newer, since the older must be a leftover. */
#ifndef WEFT_ACTORS_LISTENER_H
#define WEFT_ACTORS_LISTENER_H

#include "engine/runtime/actor.h"

extern const struct actor_kind listener_actor;

#endif
