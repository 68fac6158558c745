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

/* The next number of splitmix64, of which `state` is all. */
static inline uint64_t rng_next(uint64_t *state) {
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number that looks drawn but depends on its two arguments only. */
static inline uint64_t rng_mix(uint64_t a, uint64_t b) {
    uint64_t state = a;
    state = rng_next(&state) ^ b;
    return rng_next(&state);
}

#endif
