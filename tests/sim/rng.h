/* The one source of chance in a simulation: xoshiro256**, seeded by splitmix64. Every part of a
 * world draws from a stream of its own, so that one more draw in one part moves nothing in another.
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include "engine/runtime/port.h"

struct rng {
    uint64_t s[4];
};

/* Begins the stream `stream` of a seed. */
void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_u64(struct rng *rng);
/* A number in [0, bound); bound ≥ 1. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* A number in [least, most]. */
uint64_t rng_between(struct rng *rng, uint64_t least, uint64_t most);
/* True `permille` times in a thousand. */
bool rng_chance(struct rng *rng, uint32_t permille);
void rng_fill(struct rng *rng, void *out, size_t size);
/* An engine's entropy port that draws from this stream; it must outlive the engine. */
struct entropy_port rng_entropy(struct rng *rng);

/* A number that looks drawn but depends on its two arguments only. */
uint64_t rng_mix(uint64_t a, uint64_t b);

#endif
