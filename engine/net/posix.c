/* See posix.h. Invariants
 *   1. mono_us never goes back. wall_ms may: whoever orders by it has a hybrid clock (crdt/hlc.h).
 *   2. Entropy never fails: libsodium stops the process when the system has none to give. */
#include "engine/net/posix.h"

#include <sodium.h>
#include <time.h>

#include "engine/base/check.h"

static struct instant posix_now(void *self) {
    struct timespec mono, wall;
    struct instant now;
    (void)self;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &mono) == 0);
    CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0);
    now.mono_us = (uint64_t)mono.tv_sec * 1000000u + (uint64_t)mono.tv_nsec / 1000u;
    /* A wall clock set to before 1970 reads as 1970. */
    now.wall_ms =
        wall.tv_sec < 0 ? 0 : (uint64_t)wall.tv_sec * 1000u + (uint64_t)wall.tv_nsec / 1000000u;
    return now;
}

static void posix_fill(void *self, void *out, size_t size) {
    (void)self;
    CHECK(out != NULL || size == 0);
    randombytes_buf(out, size);
}

struct time_port posix_time(void) {
    struct time_port port = {NULL, posix_now};
    return port;
}

struct entropy_port posix_entropy(void) {
    struct entropy_port port = {NULL, posix_fill};
    CHECK(sodium_init() >= 0);
    return port;
}
