/* A bounded queue of pointers between two threads: one producer, one consumer.
 *
 * The only file pair that knows ck (ck_ring, SPSC). It carries the ThreadSanitizer annotations:
 * ck's primitives are invisible to the tool, so a release before the enqueue and an acquire after
 * the dequeue are announced on the pointer that travels. Slots: a power of two, one stays empty. */
#ifndef WEFT_RUNTIME_RING_H
#define WEFT_RUNTIME_RING_H

#include <stdbool.h>
#include <stdint.h>

struct ring;

/* A ring that holds at least `slots` pointers. NULL when out of memory. */
struct ring *ring_open(uint32_t slots);
/* The ring must be empty. */
void ring_close(struct ring *ring);
/* Thread: the producer. False when full. */
bool ring_push(struct ring *ring, void *pointer);
/* Thread: the consumer. NULL when empty. */
void *ring_pop(struct ring *ring);
/* Thread: the consumer. The pointer that ring_pop() would return, left there; NULL when empty. */
void *ring_peek(struct ring *ring);
/* Free slots as the producer may count on them. */
uint32_t ring_free(const struct ring *ring);
/* How many wait; a snapshot. Thread: any. */
uint32_t ring_count(const struct ring *ring);
uint32_t ring_slots(const struct ring *ring);

#endif
