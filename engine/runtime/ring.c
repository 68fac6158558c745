/* The bounded queue over ck_ring, single producer and single consumer.
 *
 *     producer ──► [ | | |x|x|x| | ] ──► stash ──► consumer
 *                   buffer, 2^n slots     one, only after a peek
 *
 * ck has no peek, so a peeked pointer is taken out and kept in a stash of the consumer's until it
 * is popped. Its slot is then free for the producer: after a peek the ring holds one more than it
 * says.
 *
 * What ck asks of its caller, and nothing checks: the size is a power of two; the buffer is ours,
 * and is passed to every call; the dequeue wants the address of a pointer.
 *
 * Invariants
 *   1. ck's ring and the stash each start on a cache line of their own.
 *   2. The stash is written by the consumer only; others may count it.
 *
 * ThreadSanitizer cannot see ck's barriers. It is told to overlook ck's own loads and stores, and
 * that a push releases and a pop acquires the pointer that travels. So it still sees everything
 * that the two threads do to what the pointer leads to, and finds a write after the push.
 *
 * Not here: sleeping and waking (wake.h), and many producers: ck's ring for those stalls all of
 * them when one is preempted. */
#include "engine/runtime/ring.h"

#include <ck_ring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

#if defined(__SANITIZE_THREAD__)
#define RING_SANITIZED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_SANITIZED
#endif
#endif

#ifdef RING_SANITIZED
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

static void announce_release(void *pointer) {
    __tsan_release(pointer);
}
static void announce_acquire(void *pointer) {
    __tsan_acquire(pointer);
}
static void overlook_begin(void) {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
static void overlook_end(void) {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
#else
static inline void announce_release(void *pointer) {
    (void)pointer;
}
static inline void announce_acquire(void *pointer) {
    (void)pointer;
}
static inline void overlook_begin(void) {}
static inline void overlook_end(void) {}
#endif

#define RING_LINE 64u
#define RING_SLOTS_MAX (1u << 24)

struct ring {
    _Alignas(RING_LINE) struct ck_ring ck;
    _Alignas(RING_LINE) _Atomic(void *) stash;
    _Alignas(RING_LINE) ck_ring_buffer_t buffer[];
};

struct ring *ring_open(uint32_t slots) {
    CHECK(slots > 0);
    CHECK(slots < RING_SLOTS_MAX);
    uint32_t size = 2;
    while (size < slots + 1)
        size *= 2;
    size_t bytes = sizeof(struct ring) + size * sizeof(ck_ring_buffer_t);
    bytes = (bytes + RING_LINE - 1) / RING_LINE * RING_LINE;
    struct ring *ring = aligned_alloc(RING_LINE, bytes);
    if (ring == NULL) return NULL;
    memset(ring, 0, bytes);
    ck_ring_init(&ring->ck, size);
    atomic_init(&ring->stash, NULL);
    return ring;
}

void ring_close(struct ring *ring) {
    CHECK(ring != NULL);
    CHECK(ring_count(ring) == 0);
    free(ring);
}

bool ring_push(struct ring *ring, void *pointer) {
    CHECK(ring != NULL);
    CHECK(pointer != NULL);
    announce_release(pointer);
    overlook_begin();
    bool pushed = ck_ring_enqueue_spsc(&ring->ck, ring->buffer, pointer);
    overlook_end();
    return pushed;
}

static void *ring_dequeue(struct ring *ring) {
    void *pointer = NULL;
    overlook_begin();
    bool got = ck_ring_dequeue_spsc(&ring->ck, ring->buffer, &pointer);
    overlook_end();
    if (!got) return NULL;
    CHECK(pointer != NULL);
    announce_acquire(pointer);
    return pointer;
}

void *ring_pop(struct ring *ring) {
    CHECK(ring != NULL);
    void *pointer = atomic_load_explicit(&ring->stash, memory_order_relaxed);
    if (pointer == NULL) return ring_dequeue(ring);
    atomic_store_explicit(&ring->stash, NULL, memory_order_relaxed);
    return pointer;
}

void *ring_peek(struct ring *ring) {
    CHECK(ring != NULL);
    void *pointer = atomic_load_explicit(&ring->stash, memory_order_relaxed);
    if (pointer != NULL) return pointer;
    pointer = ring_dequeue(ring);
    if (pointer != NULL) atomic_store_explicit(&ring->stash, pointer, memory_order_relaxed);
    return pointer;
}

uint32_t ring_free(const struct ring *ring) {
    CHECK(ring != NULL);
    uint32_t used = ck_ring_size(&ring->ck);
    CHECK(used < ring->ck.size);
    return ring->ck.size - 1 - used;
}

uint32_t ring_count(const struct ring *ring) {
    CHECK(ring != NULL);
    uint32_t stashed = atomic_load_explicit(&ring->stash, memory_order_relaxed) != NULL;
    return ck_ring_size(&ring->ck) + stashed;
}

uint32_t ring_slots(const struct ring *ring) {
    CHECK(ring != NULL);
    return ring->ck.size - 1;
}
