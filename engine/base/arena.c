/* Pools of chunks, and arenas that fill them from the front.
 *
 *     chunk ┌────────┬──────────────────────────────┐   small 4 KiB, large 64 KiB, or as large as
 *           │ header │ blocks, 16-aligned ──►  room │   the one block it was made for
 *           └────────┴──────────────────────────────┘
 *
 *     pool->returned:  NULL ◄─ chunk ◄─ chunk    pushed by any thread, taken whole by the taker
 *                      the pool's own address    the pool is closed: free the chunk instead
 *
 * An arena's first chunk is small, because most mail is; each further one is large. A block that no
 * large chunk can hold gets a chunk of its own behind the one being filled, so that the room left
 * in that one is still used.
 *
 * Invariants
 *   1. `returned` is pushed to one chunk at a time and emptied whole by an exchange. Nothing is
 * ever popped singly, so a chunk that comes back between two looks (ABA) cannot do harm.
 *   2. A chunk belongs to the pool it was taken from, whichever arena it is in, and holds one
 *      reference to it until it is back. Whoever lets go of the last reference frees the pool.
 *   3. Once `returned` is the closed mark it stays so: no chunk can be pushed and then forgotten.
 *   4. What the reserve lends is lent from its front, and again from there once all is back.
 *   5. Under AddressSanitizer the bytes of a chunk that no block covers are poisoned.
 * Not here: reuse of single blocks, and destructors. An arena goes as a whole. */
#include "engine/base/arena.h"

#include <stdlib.h>

#include "engine/base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(ARENA_POISONS)
#define ARENA_POISONS 1
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define ARENA_ALIGN 16u
#define CHUNK_SMALL 4096u
#define CHUNK_LARGE 65536u

struct chunk {
    _Alignas(16) struct chunk *behind; /* in an arena, a free list or `returned` */
    struct pool *pool;
    size_t size;   /* this header included */
    bool reserved; /* it lies in the pool's reserve */
};

_Static_assert(sizeof(struct chunk) % ARENA_ALIGN == 0, "blocks begin aligned after the header");

static uint8_t *chunk_data(struct chunk *chunk) {
    return (uint8_t *)chunk + sizeof *chunk;
}

static size_t chunk_room(const struct chunk *chunk) {
    return chunk->size - sizeof *chunk;
}

static void chunk_poison(struct chunk *chunk) {
    ASAN_POISON_MEMORY_REGION(chunk_data(chunk), chunk_room(chunk));
}

static void chunk_free(struct chunk *chunk) {
    if (chunk->reserved) return; /* It goes with the pool. */
    ASAN_UNPOISON_MEMORY_REGION(chunk_data(chunk), chunk_room(chunk));
    free(chunk);
}

static void chunks_free(struct chunk *chunk) {
    while (chunk != NULL) {
        struct chunk *behind = chunk->behind;
        chunk_free(chunk);
        chunk = behind;
    }
}

/* ---- pools ----------------------------------------------------------------------------------- */

/* No chunk lies where the pool lies, so the pool's address can mean "closed" in `returned`. */
static struct chunk *closed_mark(const struct pool *pool) {
    return (struct chunk *)(uintptr_t)pool;
}

struct pool *pool_open(size_t held_max, size_t keep_max, atomic_size_t *total) {
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return NULL;
    atomic_init(&pool->returned, NULL);
    atomic_init(&pool->held, 0);
    atomic_init(&pool->free_bytes, 0);
    atomic_init(&pool->references, 1);
    pool->held_total = total;
    pool->held_max = held_max;
    pool->keep_max = keep_max;
    return pool;
}

/* Only the taking thread writes it. */
static void pool_count_kept(struct pool *pool, size_t bytes) {
    atomic_store_explicit(&pool->free_bytes, bytes, memory_order_relaxed);
}

static void pool_let_go(struct pool *pool) {
    /* Release: what this thread did to the pool is done. Acquire: so is what the others did. */
    unsigned before = atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel);
    CHECK(before >= 1);
    if (before > 1) return;
    CHECK(pool->free_small == NULL);
    CHECK(pool->free_large == NULL);
    CHECK(atomic_load_explicit(&pool->held, memory_order_relaxed) == 0);
    if (pool->reserve != NULL) ASAN_UNPOISON_MEMORY_REGION(pool->reserve, pool->reserve_size);
    free(pool->reserve);
    free(pool);
}

void pool_close(struct pool *pool) {
    if (pool == NULL) return;
    struct chunk *returned =
        atomic_exchange_explicit(&pool->returned, closed_mark(pool), memory_order_acq_rel);
    CHECK(returned != closed_mark(pool));
    chunks_free(returned);
    chunks_free(pool->free_small);
    chunks_free(pool->free_large);
    pool->free_small = NULL;
    pool->free_large = NULL;
    pool_count_kept(pool, 0);
    pool_let_go(pool);
}

bool pool_reserve(struct pool *pool, size_t size) {
    CHECK(pool != NULL && pool->reserve == NULL && size % ARENA_ALIGN == 0);
    pool->reserve = aligned_alloc(ARENA_ALIGN, size);
    pool->reserve_size = pool->reserve == NULL ? 0 : size;
    return pool->reserve != NULL;
}

bool pool_starved(const struct pool *pool) {
    CHECK(pool != NULL);
    return pool->starved;
}

size_t pool_held(const struct pool *pool) {
    CHECK(pool != NULL);
    return atomic_load_explicit(&pool->held, memory_order_relaxed);
}

size_t pool_kept(const struct pool *pool) {
    CHECK(pool != NULL);
    return atomic_load_explicit(&pool->free_bytes, memory_order_relaxed);
}

static void pool_keep(struct pool *pool, struct chunk *chunk) {
    if (chunk->reserved) {
        CHECK(pool->reserve_out > 0);
        if (--pool->reserve_out == 0) pool->reserve_used = 0;
        return;
    }
    bool standard = chunk->size == CHUNK_SMALL || chunk->size == CHUNK_LARGE;
    if (!standard || pool_kept(pool) + chunk->size > pool->keep_max) {
        chunk_free(chunk);
        return;
    }
    struct chunk **list = chunk->size == CHUNK_SMALL ? &pool->free_small : &pool->free_large;
    chunk->behind = *list;
    *list = chunk;
    pool_count_kept(pool, pool_kept(pool) + chunk->size);
}

/* Moves what came back to the free lists. The look before the exchange keeps the common case, in
 * which nothing came, from taking the cache line away from those who return. */
static void pool_gather(struct pool *pool) {
    if (atomic_load_explicit(&pool->returned, memory_order_relaxed) == NULL) return;
    struct chunk *chunk = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    CHECK(chunk != closed_mark(pool));
    while (chunk != NULL) {
        struct chunk *behind = chunk->behind;
        pool_keep(pool, chunk);
        chunk = behind;
    }
}

/* A chunk from the system, or, when that has no more, from the reserve. */
static struct chunk *chunk_make(struct pool *pool, size_t size) {
    struct chunk *chunk = aligned_alloc(ARENA_ALIGN, size);
    const bool reserved = chunk == NULL;
    if (reserved) {
        if (size > pool->reserve_size - pool->reserve_used) return NULL;
        pool->starved = true;
        chunk = (struct chunk *)(void *)(pool->reserve + pool->reserve_used);
        ASAN_UNPOISON_MEMORY_REGION(chunk, sizeof *chunk);
        pool->reserve_used += size;
        pool->reserve_out++;
    }
    chunk->pool = pool;
    chunk->size = size;
    chunk->reserved = reserved;
    chunk_poison(chunk);
    return chunk;
}

/* Takes a chunk of `size` bytes, header included; NULL at the pool's bound or without memory. */
static struct chunk *pool_take(struct pool *pool, size_t size) {
    CHECK(size % ARENA_ALIGN == 0);
    CHECK(size > sizeof(struct chunk));
    pool_gather(pool);
    size_t held = atomic_load_explicit(&pool->held, memory_order_relaxed);
    /* Only this thread adds to `held`, so what fits now still fits below. */
    if (pool->held_max != 0 && (held > pool->held_max || size > pool->held_max - held)) return NULL;

    struct chunk **list = size == CHUNK_SMALL   ? &pool->free_small
                          : size == CHUNK_LARGE ? &pool->free_large
                                                : NULL;
    struct chunk *chunk = NULL;
    if (list != NULL && *list != NULL) {
        chunk = *list;
        *list = chunk->behind;
        pool_count_kept(pool, pool_kept(pool) - size);
        CHECK(chunk->pool == pool && chunk->size == size);
    } else {
        chunk = chunk_make(pool, size);
        if (chunk == NULL) return NULL;
    }
    chunk->behind = NULL;
    atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->held, size, memory_order_relaxed);
    if (pool->held_total != NULL) {
        atomic_fetch_add_explicit(pool->held_total, size, memory_order_relaxed);
    }
    return chunk;
}

/* Gives a chunk back to its pool. Thread: any. */
static void pool_return(struct chunk *chunk) {
    struct pool *pool = chunk->pool;
    size_t size = chunk->size;
    chunk_poison(chunk);
    /* Counted back before it is pushed: whoever finds the chunk also finds the room for it. */
    size_t held = atomic_fetch_sub_explicit(&pool->held, size, memory_order_relaxed);
    CHECK(held >= size);
    if (pool->held_total != NULL) {
        atomic_fetch_sub_explicit(pool->held_total, size, memory_order_relaxed);
    }
    struct chunk *head = atomic_load_explicit(&pool->returned, memory_order_relaxed);
    do {
        if (head == closed_mark(pool)) {
            chunk_free(chunk);
            break;
        }
        chunk->behind = head;
    } while (!atomic_compare_exchange_weak_explicit(&pool->returned, &head, chunk,
                                                    memory_order_release, memory_order_relaxed));
    pool_let_go(pool);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

void arena_init(struct arena *arena, struct pool *pool) {
    CHECK(arena != NULL);
    CHECK(pool != NULL);
    *arena = (struct arena){.pool = pool};
}

void arena_adopt(struct arena *arena, struct pool *pool) {
    CHECK(arena != NULL);
    CHECK(pool != NULL);
    arena->pool = pool;
}

/* What a block of `size` bytes takes up. An empty block still has an address of its own. */
static size_t block_space(size_t size) {
    return size == 0 ? ARENA_ALIGN : (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

/* Takes a chunk for a block of `space` bytes and returns where the block goes. */
static uint8_t *arena_extend(struct arena *arena, size_t space) {
    const size_t header = sizeof(struct chunk);
    size_t size = CHUNK_LARGE;
    if (arena->chunk == NULL && space <= CHUNK_SMALL - header) size = CHUNK_SMALL;
    bool own = space > CHUNK_LARGE - header;
    if (own) size = space + header;

    struct chunk *chunk = pool_take(arena->pool, size);
    if (chunk == NULL) return NULL;
    arena->bytes += size;
    if (own && arena->chunk != NULL) {
        chunk->behind = arena->chunk->behind;
        arena->chunk->behind = chunk;
        return chunk_data(chunk);
    }
    chunk->behind = arena->chunk;
    arena->chunk = chunk;
    arena->next = chunk_data(chunk) + space;
    arena->end = chunk_data(chunk) + chunk_room(chunk);
    return chunk_data(chunk);
}

void *arena_take(struct arena *arena, size_t size) {
    CHECK(arena != NULL);
    CHECK(arena->pool != NULL);
    if (size > SIZE_MAX / 2) return NULL;
    size_t space = block_space(size);
    uint8_t *block = arena->next;
    if (space <= (size_t)(arena->end - arena->next)) {
        arena->next += space;
    } else {
        block = arena_extend(arena, space);
        if (block == NULL) return NULL;
    }
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
}

void *arena_zero(struct arena *arena, size_t size) {
    void *block = arena_take(arena, size);
    if (block != NULL) memset(block, 0, size);
    return block;
}

void *arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size) {
    CHECK(arena != NULL);
    CHECK(block != NULL || old_size == 0);
    if (block == NULL) return arena_take(arena, new_size);
    if (new_size <= old_size) return block;
    if (new_size > SIZE_MAX / 2) return NULL;

    uint8_t *start = block;
    if (start + block_space(old_size) == arena->next &&
        block_space(new_size) <= (size_t)(arena->end - start)) {
        arena->next = start + block_space(new_size);
        ASAN_UNPOISON_MEMORY_REGION(start, new_size);
        return start;
    }
    void *moved = arena_take(arena, new_size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, old_size);
    return moved;
}

void arena_wipe(struct arena *arena) {
    CHECK(arena != NULL);
    for (struct chunk *chunk = arena->chunk; chunk != NULL; chunk = chunk->behind) {
        ASAN_UNPOISON_MEMORY_REGION(chunk_data(chunk), chunk_room(chunk));
        explicit_bzero(chunk_data(chunk), chunk_room(chunk));
    }
}

void arena_drop(struct arena *arena) {
    CHECK(arena != NULL);
    struct chunk *chunk = arena->chunk;
    CHECK((chunk == NULL) == (arena->bytes == 0));
    /* The arena may lie in one of its own blocks, as a mail's does: it is left alone from here. */
    *arena = (struct arena){.pool = arena->pool};
    while (chunk != NULL) {
        struct chunk *behind = chunk->behind;
        pool_return(chunk);
        chunk = behind;
    }
}
