/* The copier actor: copies the write-ahead log into the file, when the log actor asks for it.
 *
 *   log ──checkpoint──► copier ──checkpoint──► log
 *
 * Owns a connection of its own. It is an actor because copying tens of megabytes takes a tenth of a
 * second and more, and a commit would have to wait for it. */
#ifndef WEFT_ACTORS_COPIER_H
#define WEFT_ACTORS_COPIER_H

#include "engine/runtime/actor.h"

extern const struct actor_kind copier_actor;

#endif
