/* Waking over an eventfd; the protocol and its invariant are drawn in wake.h.
 *
 * Invariants
 *   1. Whoever turns `sleeping` from 1 to 0 as a producer writes the descriptor, exactly once.
 *   2. The descriptor may stay readable for a moment after wake_cancel() (its writer was between
 *      the exchange and the write). That costs one idle round and loses nothing.
 * Not here: the sleeping itself, which is the net port's, as it also watches sockets. */
#include "engine/runtime/wake.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/base/check.h"

/* ThreadSanitizer does not know fences; the rings tell it what it must know (ring.c). */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
void wake_fence(void) {
    atomic_thread_fence(memory_order_seq_cst);
}

bool wake_open(struct wake *wake) {
    CHECK(wake != NULL);
    atomic_init(&wake->sleeping, 0);
    wake->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wake->descriptor >= 0;
}

void wake_close(struct wake *wake) {
    CHECK(wake != NULL);
    CHECK(wake->descriptor >= 0);
    close(wake->descriptor);
    wake->descriptor = -1;
}

void wake_prepare(struct wake *wake) {
    CHECK(wake != NULL);
    atomic_exchange(&wake->sleeping, 1);
    wake_fence();
}

void wake_cancel(struct wake *wake) {
    CHECK(wake != NULL);
    CHECK(wake->descriptor >= 0);
    atomic_exchange(&wake->sleeping, 0);
    /* Drained even if nobody took the announcement back: a late write of an earlier signal must not
     * keep the descriptor readable for ever. */
    uint64_t count;
    ssize_t got;
    do {
        got = read(wake->descriptor, &count, sizeof count);
    } while (got < 0 && errno == EINTR);
    CHECK(got == (ssize_t)sizeof count || errno == EAGAIN);
}

void wake_signal(struct wake *wake) {
    CHECK(wake != NULL);
    wake_fence();
    if (atomic_load_explicit(&wake->sleeping, memory_order_relaxed) == 0) return;
    if (atomic_exchange(&wake->sleeping, 0) == 0) return;
    uint64_t one = 1;
    ssize_t put;
    do {
        put = write(wake->descriptor, &one, sizeof one);
    } while (put < 0 && errno == EINTR);
    /* EAGAIN would mean 2^64 - 2 signals not drained. */
    CHECK(put == (ssize_t)sizeof one);
}
