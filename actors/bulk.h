/* The bulk actor: builds batches for receivers that are behind, decodes and checks received ones.
 *
 *   log ──commit, incoming──► bulk ──batch──► peer ×N      rows out: encoded once, shared
 *   peer ──wanted, granted──► bulk ──held, request──► peer
 *   peer ──packed──► bulk ──incoming──► clock ──► log ──incoming──► bulk      rows in
 *
 * One path for live, catch-up and backfill: a remote's want is a cursor in a stream. While the
 * stream lies ahead of the cursor and the peer has credit, bulk makes the batch that continues it:
 * from the tail in memory if the cursor is in it, else from SQLite. */
#ifndef WEFT_ACTORS_BULK_H
#define WEFT_ACTORS_BULK_H

#include "engine/runtime/actor.h"

extern const struct actor_kind bulk_actor;

#endif
