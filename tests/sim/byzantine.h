/* A member that lies. Its engine is as sound as any other, but what it says to its peers is changed
 * on the way from the engine's actors to those that speak to peers: it rewrites what it passes on,
 * withholds, replays and reorders it, and lies about what it holds. It has its keys, so that all of
 * it is well sealed, and what it signs is well signed.
 *
 * What the others cannot be held to then, because of what docs/security.md says of a member that
 * lies, is asked for here, and nowhere else. */
#ifndef SIM_BYZANTINE_H
#define SIM_BYZANTINE_H

#include "engine/runtime/topology.h"
#include "tests/sim/world.h"

struct byzantine;

/* NULL: the world has no liar. */
struct byzantine *byzantine_open(struct world *world);
void byzantine_close(struct byzantine *byzantine);
/* A mail of a device's engine; what a liar's actors tell its peers is changed. */
void byzantine_mail(struct device *device, const struct edge *edge, struct mail *mail);
/* Nobody lies any more: the liar is gone for good, or does as all do. */
void byzantine_heal(struct world *world);

/* Whether what a device says is true. */
bool world_trusts(const struct world *world, uint32_t device);
/* Whether the device is to be there, and to hold what all hold, in the end. */
bool world_awaits(const struct world *world, uint32_t device);
/* Whether rows of this stream have been rewritten or left out on their way: copies of them may be
 * false until the owner's statements have found it. */
bool byzantine_touched(const struct world *world, uint32_t of, enum table table);
/* Whether the device has signed two records of one number: who has seen both takes no more of it,
 * and others may have gone on from one of the two. */
bool byzantine_forked(const struct world *world, uint32_t device);
/* Whether the liar has said that a row was this. A version names one value, and it is not hashed
 * (docs/decisions/019): so a false value stays until its owner writes the row again. */
bool byzantine_said(const struct world *world, uint32_t of, uint32_t row, uint64_t version,
                    uint64_t digest);

#endif
