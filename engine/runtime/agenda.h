/* What may have something to do, found without looking at all that has not: a thread has thousands
 * of actors, an actor thousands of edges, and few of them have work.
 *
 *     producer                             consumer
 *     push to the ring                     clear the edge's mark of the actor, the actor's of the
 *     mark the edge                        thread
 *     mark the edge's actor                look at the ring
 *     wake the thread (wake.h)             (found empty after a look: what comes now is marked)
 *
 * Marks are bits in words that any thread may set; who consumes clears one before it looks for the
 * last time. A mark may stand for nothing; that costs a look. An agenda adds the times at which
 * its places are due. */
#ifndef WEFT_RUNTIME_AGENDA_H
#define WEFT_RUNTIME_AGENDA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct marks {
    _Atomic uint64_t *bits;
    uint32_t words;
};

/* For places 0 … count - 1, none marked. False when out of memory. */
bool marks_open(struct marks *marks, uint32_t count);
void marks_close(struct marks *marks);
/* Thread: any. Whoever sees the mark sees all that was done before. */
void marks_set(struct marks *marks, uint32_t place);
/* The same, cheaper where it stands already: right after a marks_set() of something that the
 * consumer looks at after this. */
void marks_add(struct marks *marks, uint32_t place);
/* Thread: the consumer's. The first place at or after `from` that is marked; false: none. */
bool marks_next(const struct marks *marks, uint32_t from, uint32_t *place);
void marks_clear(struct marks *marks, uint32_t place);
/* Marks all of `count` places. Thread: any. */
void marks_fill(struct marks *marks, uint32_t count);

struct agenda {
    struct marks marks; /* any thread */
    /* The owning thread. */
    uint32_t count;
    uint64_t *due;  /* by place */
    uint32_t *heap; /* places that are due at some time, the first on top */
    uint32_t *at;   /* where a place stands in it, from 1; 0: nowhere */
    uint32_t heap_count;
};

/* Every place is marked, and due never. False when out of memory. */
bool agenda_open(struct agenda *agenda, uint32_t count);
/* One that was not opened, but zeroed, is allowed. */
void agenda_close(struct agenda *agenda);
/* When a place is due; UINT64_MAX: never. */
void agenda_set_due(struct agenda *agenda, uint32_t place, uint64_t due);
/* Marks every place that is due by then; it is due never until that is said anew. */
void agenda_ring(struct agenda *agenda, uint64_t now);
/* The earliest time at which a place is due; UINT64_MAX: never. */
uint64_t agenda_first(const struct agenda *agenda);

#endif
