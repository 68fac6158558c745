/* Bump arenas over pools of chunks: one take, one free, no malloc per object.
 *
 *   pool ──take──► chunk ─► chunk ─► chunk        an arena is a chain of chunks
 *    ▲               └──────── release ──┘        released by whichever thread drops it
 *    └── returned (lock-free push; the one taking thread pops all at once)
 *
 * Invariants
 *   1. A pool is taken from by one thread only; chunks may be returned by any thread.
 *   2. Every block is aligned to 16 bytes.
 *   3. `held` counts the bytes of all chunks that arenas hold; it never exceeds `held_max`.
 * Not here: thread-shared arenas. An arena belongs to one owner at a time, and moves with its mail.
 */
#ifndef WEFT_BASE_ARENA_H
#define WEFT_BASE_ARENA_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/bytes.h"
#include "engine/weft.h"

struct chunk; /* private */

struct pool {
    /* Any thread. */
    _Atomic(struct chunk *) returned; /* chunks on their way home */
    atomic_size_t held;               /* bytes out of the pool */
    atomic_size_t *held_total;        /* a gauge several pools share; may be NULL */
    atomic_uint references;           /* owner + chunks out: the last one frees the pool */
    /* The taking thread. */
    struct chunk *free_small;
    struct chunk *free_large;
    atomic_size_t free_bytes; /* ... writes it, any reads it */
    size_t held_max;
    size_t keep_max; /* bytes kept in the free lists; more go back to the system */
    /* Lent when the system has no memory, so that a step can be ended in order. */
    uint8_t *reserve;
    size_t reserve_size, reserve_used;
    unsigned reserve_out; /* chunks */
    bool starved;         /* it has been lent */
};

/* Makes a pool. `held_max`: bytes that may be out at once (0: no bound). `total`: see above;
 * it must outlive every chunk. Ownership: the caller's until pool_close(). Errors: NULL when out of
 * memory. */
struct pool *pool_open(size_t held_max, size_t keep_max, atomic_size_t *total);
/* Sets bytes aside for when the system has no more: then blocks are taken from there, as long as it
 * lasts, and the pool is starved for good: what stands on it is to end. Once, before anything is
 * taken. Errors: false. */
bool pool_reserve(struct pool *pool, size_t size);
bool pool_starved(const struct pool *pool);
/* Lets go of the pool; chunks still out free themselves when they return. Thread: the taker. */
void pool_close(struct pool *pool);
size_t pool_held(const struct pool *pool);
/* Bytes that it keeps in its free lists. Thread: any. */
size_t pool_kept(const struct pool *pool);

struct arena {
    struct pool *pool;
    struct chunk *chunk; /* the newest; older ones behind it */
    uint8_t *next;
    uint8_t *end;
    size_t bytes; /* of all chunks: what dropping the arena gives back */
};

/* Begins an empty arena on `pool`; takes nothing yet. Thread: the pool's taker. */
void arena_init(struct arena *arena, struct pool *pool);
/* Changes which pool further chunks come from, when an arena has moved to another thread. */
void arena_adopt(struct arena *arena, struct pool *pool);
/* `size` zeroed-or-not bytes, aligned to 16; NULL when the pool's bound or memory is exhausted.
 * arena_zero() clears them. The block lives as long as the arena. */
void *arena_take(struct arena *arena, size_t size);
void *arena_zero(struct arena *arena, size_t size);
/* Grows a block taken from this arena: in place when it is the newest, else by a copy. */
void *arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size);
/* Clears all that was ever put into the arena, before it is dropped: it held secrets. */
void arena_wipe(struct arena *arena);
/* Returns every chunk to its pool. Thread: any. The arena is empty afterwards; one that lies in a
 * block of its own is gone. */
void arena_drop(struct arena *arena);

#endif
