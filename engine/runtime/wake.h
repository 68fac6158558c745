/* Waking: an idle thread sleeps on a descriptor; a producer writes it only when the sleeper has
 * said that it is going to sleep.
 *
 *     consumer                               producer
 *     wake_prepare: sleeping = 1             push
 *     fence                                  fence
 *     look once more at every ring           if sleeping was 1: sleeping = 0, write the descriptor
 *     sleep, or wake_cancel
 *
 * Invariant: a push that the consumer's last look did not see finds sleeping = 1. Needs a full
 * fence on both sides (store then load), on x86 too. */
#ifndef WEFT_RUNTIME_WAKE_H
#define WEFT_RUNTIME_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>

struct wake {
    _Alignas(64) atomic_uint sleeping;
    int descriptor; /* eventfd, non-blocking */
};

/* False when no descriptor can be had. */
bool wake_open(struct wake *wake);
void wake_close(struct wake *wake);
/* Thread: the sleeper. Announces sleep; look again at every ring before sleeping. */
void wake_prepare(struct wake *wake);
/* Thread: the sleeper. Not going to sleep, or awake again: takes the announcement back and drains
 * the descriptor. */
void wake_cancel(struct wake *wake);
/* Thread: any. After a push. */
void wake_signal(struct wake *wake);
/* The fence of the drawing above, for other flags of the same kind (an edge's `blocked`). */
void wake_fence(void);

#endif
