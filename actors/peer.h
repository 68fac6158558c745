/* The peer actor: one remote. Its connection, session, credit, liveness and redialling.
 *
 *   VACANT ──accepted──────────────┐          ┌── bulk has let go, nothing to dial ──► VACANT
 *     │                            ▼          │
 *     └──dial──► DIALLING ──► GREETING ──► CLAIMING ──stands──► LIVE ──end──► CLEARING
 *                  ▲              │ any failure: silent end          │            │
 *                  └── PAUSING ◄──┴──────────────────────────────────┘◄───────────┘
 *
 * DIALLING ends with the handshake's answer; GREETING with the remote's Hello, which proves who it
 * is; CLAIMING with the listener's word on whether the session may stand; CLEARING with the word of
 * bulk and share that nothing of the old session is under way.
 * A slot that dials never gives up: 1, 2, 4 … 64 s with jitter, at once when told to. */
#ifndef WEFT_ACTORS_PEER_H
#define WEFT_ACTORS_PEER_H

#include "engine/runtime/actor.h"

extern const struct actor_kind peer_actor;

#endif
