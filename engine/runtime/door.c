/* The host's door: lanes merged by ticket.
 *
 *     host thread ──► lane 0 ─┐
 *     host thread ──► lane 1 ─┼─ smallest ticket first ──► clock
 *     host thread ──► lane n ─┘
 *
 * A ticket is drawn in the commit call, before the push; a lane's tickets ascend.
 *
 * Invariants
 *   1. A commit that was submitted after another one had returned is taken after it, whichever
 *      lanes they are in.
 *   2. Nobody waits for a ticket that was drawn and is not pushed yet.
 *
 * One look over the lanes is not enough for invariant 1: the look passes lane 0 while it is empty,
 * commit 1 is pushed there and returns, commit 2 is pushed to lane 1, and the look finds 2 alone.
 * A second look is enough. Let C be the choice, seen before a look began that found no smaller
 * ticket. Whatever returned before C was submitted had been pushed before C was pushed; who sees C
 * sees that as well, for the whole of this look; and its ticket is smaller than C's. As the look
 * found no smaller ticket, there is nothing of the kind left. If it did find one, that one is the
 * new choice and needs a look of its own. This ends: while nothing is taken a lane's first mail
 * stays, so each lane can be the choice once.
 *
 * Not here: who owns which lane, tickets and their outcomes (the façade). */
#include "engine/base/check.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/topology.h"

/* The lane whose first mail has the smallest order below `below`; -1 when there is none. */
static int door_look(struct door *door, uint64_t below, uint64_t *order) {
    int found = -1;
    unsigned used = atomic_load_explicit(&door->lanes_used, memory_order_acquire);
    CHECK(used <= LIMIT_LANES);
    for (unsigned i = 0; i < used; i++) {
        const struct mail *mail = ring_peek(door->lane[i]);
        if (mail == NULL || mail->order >= below) continue;
        below = mail->order;
        found = (int)i;
    }
    if (found >= 0) *order = below;
    return found;
}

struct mail *door_pull(struct door *door) {
    CHECK(door != NULL);
    uint64_t order = UINT64_MAX;
    int chosen = -1;
    int found = door_look(door, order, &order);
    while (found >= 0) {
        chosen = found;
        found = door_look(door, order, &order);
    }
    if (chosen < 0) return NULL;
    struct mail *mail = ring_pop(door->lane[chosen]);
    CHECK(mail != NULL && mail->order == order);
    return mail;
}

bool door_push(struct door *door, uint32_t lane, struct mail *mail) {
    CHECK(door != NULL && mail != NULL);
    CHECK(lane < LIMIT_LANES && door->lane[lane] != NULL);
    CHECK(mail->order != UINT64_MAX);
    if (ring_free(door->lane[lane]) == 0) return false;
    unsigned used = atomic_load_explicit(&door->lanes_used, memory_order_relaxed);
    while (used <= lane &&
           !atomic_compare_exchange_weak_explicit(&door->lanes_used, &used, lane + 1,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    topology_inspect(door->topology, NULL, &mail, mail->arena.pool);
    bool pushed = ring_push(door->lane[lane], mail);
    CHECK(pushed);
    struct actor *clock = &door->topology->actors[ACTOR_CLOCK];
    marks_set(&clock->waiting, clock->in_count);
    actor_rouse(clock);
    if (door->consumer != NULL) wake_signal(door->consumer);
    return true;
}

bool door_empty(const struct door *door) {
    CHECK(door != NULL);
    unsigned used = atomic_load_explicit(&door->lanes_used, memory_order_acquire);
    CHECK(used <= LIMIT_LANES);
    for (unsigned i = 0; i < used; i++) {
        if (ring_count(door->lane[i]) > 0) return false;
    }
    return true;
}
