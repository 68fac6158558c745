/* Seeded random numbers.
 *
 * Sources: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (splitmix64);
 * Blackman, Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021 (xoshiro256**).
 * Invariant: what is drawn depends on the seed, the stream and the number of draws, nothing else.
 * Deliberately not here: anything fit for keys. */
#include "tests/sim/rng.h"

#include <string.h>

#include "engine/base/check.h"

void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream) {
    uint64_t state = rng_mix(seed, stream);
    for (int i = 0; i < 4; i++)
        rng->s[i] = rng_next(&state);
}

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

uint64_t rng_u64(struct rng *rng) {
    uint64_t *s = rng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound) {
    CHECK(bound >= 1);
    /* The bias of a 64-bit remainder is far below what any simulation could notice. */
    return rng_u64(rng) % bound;
}

uint64_t rng_between(struct rng *rng, uint64_t least, uint64_t most) {
    CHECK(least <= most);
    return least + rng_below(rng, most - least + 1);
}

bool rng_chance(struct rng *rng, uint32_t permille) {
    return rng_below(rng, 1000) < permille;
}

void rng_fill(struct rng *rng, void *out, size_t size) {
    uint8_t *at = out;
    while (size > 0) {
        uint64_t word = rng_u64(rng);
        size_t part = size < sizeof word ? size : sizeof word;
        memcpy(at, &word, part);
        at += part;
        size -= part;
    }
}

static void entropy_fill(void *self, void *out, size_t size) {
    rng_fill(self, out, size);
}

struct entropy_port rng_entropy(struct rng *rng) {
    return (struct entropy_port){.self = rng, .fill = entropy_fill};
}
