/* The log actor: the only writing SQLite connection.
 *
 *   clock ──commit, scan, incoming──► log ──(after the sync)──► bulk: what was committed
 *   peer ──acked──► log                └──► host: outcomes of tickets
 *   prune ──survey, forget──► log ──surveyed, forgotten──► prune
 *
 * Group commit: transactions are applied as they come, and one SQLite commit, with one sync, is
 * made as soon as no more wait, or the group is large. Nothing is answered before its commit is
 * synced. A transaction that fails is taken out: the group is rolled back, those before it are
 * applied again and committed, and its ticket is answered with the reason. */
#ifndef WEFT_ACTORS_LOG_H
#define WEFT_ACTORS_LOG_H

#include "engine/runtime/actor.h"

extern const struct actor_kind log_actor;

#endif
