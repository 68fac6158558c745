/* A bound on bytes per second that several threads keep together, without a lock.
 *
 * What was taken is counted as the moment by which it will have gone at this rate; who finds that
 * moment further ahead than the slack allows has to wait until it has come near enough. This is the
 * generic cell rate algorithm in its virtual-scheduling form (ITU-T I.371, annex A). Nothing is
 * saved up: after a pause there is the slack and no more.
 *
 * Invariant: in any stretch of time no more is granted than rate × time + the slack.
 * Not here: who is to be waked when it may go on; each who was told to wait sets its own clock. */
#ifndef WEFT_BASE_PACE_H
#define WEFT_BASE_PACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct pace {
    _Atomic uint64_t rate;    /* bytes per second; 0: no bound */
    _Atomic uint64_t gone_ns; /* when all that was taken will have gone, on the monotonic clock */
};

/* Bytes that may go at once after a pause, at this rate: some 20 ms of it, 1,460 at least, so that
 * what is granted fills a packet. */
size_t pace_slack(uint64_t rate);

/* Sets the rate; what was taken so far is forgotten. Thread: any. */
void pace_set(struct pace *pace, uint64_t rate);

/* Takes up to `want` bytes now; returns how many may go. 0: none before `*again_us`, which is
 * otherwise left as it is. Thread: any. */
size_t pace_take(struct pace *pace, uint64_t now_us, size_t want, uint64_t *again_us);

/* The most that all of these let go at once; it is taken of each. `*again_us` is that of the one
 * that said no. Thread: any. */
size_t pace_take_all(struct pace *const *paces, unsigned count, uint64_t now_us, size_t want,
                     uint64_t *again_us);

/* Gives back what was taken and did not go. Thread: any. */
void pace_give_back(struct pace *pace, size_t bytes);

#endif
