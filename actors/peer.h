/* The peer actor: one remote. Its connection, session, credit and liveness.
 *
 *   VACANT ──accepted──────────────┐
 *     ▲ │                          ▼
 *     │ └──dial──► DIALLING ──► GREETING ──► CLAIMING ──stands──► LIVE ──end──► CLEARING
 *     │                  │ any failure: silent end                                  │
 *     └──────────────────┴──────────────────◄── bulk and share have let go ◄────────┘
 *
 * DIALLING ends with the handshake's answer; GREETING with the remote's Hello, which proves who it
 * is; CLAIMING with the listener's word on whether the session may stand; CLEARING with the word of
 * bulk and share that nothing of the old session is under way. A slot dials once, when it is told
 * to: when again, and where, the listener says. */
#ifndef WEFT_ACTORS_PEER_H
#define WEFT_ACTORS_PEER_H

#include "engine/runtime/actor.h"

extern const struct actor_kind peer_actor;

#endif
