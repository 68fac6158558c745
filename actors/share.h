/* The share actor: the shared log's way to and from the peers.
 *
 *   log ──grown──► share ──shipment──► peer ×N              records out, as they were signed
 *   peer ──wanted, acked, granted──► share ──held, request──► peer
 *   peer ──records──► share ──► clock ──► log ──records──► share      records in
 *
 * One path for live, catch-up and backfill: each remote has a cursor in the order in which records
 * came here. Every record was written after all that it depends on, here as everywhere, so that
 * order is causal. What the remote already holds is passed over. */
#ifndef WEFT_ACTORS_SHARE_H
#define WEFT_ACTORS_SHARE_H

#include "engine/runtime/actor.h"

extern const struct actor_kind share_actor;

#endif
