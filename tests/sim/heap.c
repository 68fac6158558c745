/* See heap.h.
 *
 *     slab |head|block.......|head|block.......|        free[size class] ──► block ──► block
 *
 * Invariants
 *   1. A block's head says its class, and never changes; a block of no class is malloc()'s.
 *   2. What is handed out is aligned as malloc() would.
 * Deliberately not here: failing (memory.c). With sanitizers every block is malloc()'s: they have
 * to see who writes behind its end. */
#include "tests/sim/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/memory.h"

#define STEP 16u
#define CLASSES 512u /* up to 8 KiB */
#define SLAB (UINT32_C(1) << 18)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_LARGEST 0u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_LARGEST 0u
#endif
#endif
#ifndef HEAP_LARGEST
#define HEAP_LARGEST (CLASSES * STEP)
#endif

struct head {
    _Alignas(STEP) uint32_t size; /* what the block holds */
    uint32_t class;               /* 0: malloc()'s */
};

/* What a block that is free holds. */
struct spare {
    struct spare *next;
};

static struct {
    struct spare *free[CLASSES + 1];
    uint8_t *slab, *slab_end;
} heap;

static uint32_t class_of(uint32_t size) {
    return size == 0 || size > HEAP_LARGEST ? 0 : (size + STEP - 1) / STEP;
}

static struct head *carve(uint32_t class) {
    const size_t size = sizeof(struct head) + (size_t) class * STEP;
    if ((size_t)(heap.slab_end - heap.slab) < size) {
        uint8_t *slab = memory_grow(NULL, SLAB);
        heap.slab = slab;
        heap.slab_end = slab + SLAB;
    }
    struct head *head = (struct head *)(void *)heap.slab;
    heap.slab += size;
    head->size = class * STEP;
    head->class = class;
    return head;
}

void *heap_new(int size) {
    CHECK(size >= 0);
    const uint32_t class = class_of((uint32_t)size);
    struct spare *block = heap.free[class];
    if (class != 0 && block != NULL) {
        heap.free[class] = block->next;
        return block;
    }
    struct head *head = class != 0
                            ? carve(class)
                            : memory_grow(NULL, sizeof(struct head) + (size_t)heap_round(size));
    if (class == 0) {
        head->size = (uint32_t)heap_round(size);
        head->class = 0;
    }
    return head + 1;
}

void heap_free(void *block) {
    struct head *head = (struct head *)block - 1;
    if (head->class == 0) {
        free(head);
        return;
    }
    struct spare *gone = block;
    gone->next = heap.free[head->class];
    heap.free[head->class] = gone;
}

void *heap_resize(void *block, int size) {
    struct head *head = (struct head *)block - 1;
    const uint32_t had = head->size;
    CHECK(size > 0);
    if ((uint32_t)size <= had && (uint32_t)size > had / 2) return block;
    if (head->class == 0 && class_of((uint32_t)size) == 0) {
        head = memory_grow(head, sizeof(struct head) + (size_t)heap_round(size));
        head->size = (uint32_t)heap_round(size);
        return head + 1;
    }
    void *moved = heap_new(size);
    memcpy(moved, block, had < (uint32_t)size ? had : (uint32_t)size);
    heap_free(block);
    return moved;
}

int heap_size(void *block) {
    return (int)((struct head *)block - 1)->size;
}

int heap_round(int size) {
    return (size + (int)STEP - 1) & ~(int)(STEP - 1);
}
