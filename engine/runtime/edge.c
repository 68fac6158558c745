/* Edges: a ring, who to wake at each end, and what a mail passes on its way in.
 *
 *     producer                                    consumer
 *     free < emit_max                             pop
 *     blocked = 1                                 fence
 *     fence                                       if blocked = 1 and room enough:
 *     look once more, else sleep                      blocked = 0, wake the producer
 *
 * Invariants
 *   1. A producer that saw too little room in its last look is woken. The first pop that this look
 *      did not see finds blocked = 1 (a full fence on both sides), and so does every later one
 *      until the flag is taken back; the consumer pops for as long as there are mails; and an empty
 *      ring has room enough.
 *   2. The producer is woken when half of the ring is free, not at the first free slot: else a fast
 *      producer and a slow consumer would pay one wake for each mail.
 *
 * Not here: which edges there are (topology.c) and when an actor may step (actor.c). */
#include "engine/base/check.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/topology.h"

#define EDGE_FNV_PRIME 1099511628211u

void topology_inspect(struct topology *topology, const struct edge *edge, struct mail **mail,
                      struct pool *pool) {
    CHECK(topology != NULL);
    CHECK(mail != NULL && *mail != NULL);
    if (topology->repack) {
        uint64_t way = edge != NULL ? (uint64_t)edge->from << 32 | edge->to : UINT64_MAX;
        uint64_t hash = (topology->hash ^ way) * EDGE_FNV_PRIME;
        struct mail *fresh = mail_repack(mail, pool, &hash);
        /* Without memory for the proof the mail itself is as good: this is an observer, and must
         * not be what fails. */
        if (fresh != NULL) *mail = fresh;
        topology->hash = hash;
    }
    if (topology->observe != NULL) topology->observe(topology->observe_context, edge, *mail);
}

bool edge_put(struct edge *edge, struct mail **mail, struct pool *pool) {
    CHECK(edge != NULL);
    CHECK(mail != NULL && *mail != NULL);
    if (ring_free(edge->ring) == 0) return false;
    topology_inspect(edge->topology, edge, mail, pool);
    bool pushed = ring_push(edge->ring, *mail);
    CHECK(pushed);
    *mail = NULL;
    struct actor *to = &edge->topology->actors[edge->to];
    if (edge->room != NULL && *edge->room != 0) --*edge->room;
    if (edge->place != EDGE_APART) {
        marks_set(&to->waiting, edge->place);
    } else {
        wake_fence();
    }
    actor_rouse(to);
    board_set(edge->pushed, board_get(edge->pushed) + 1);
    return true;
}

bool edge_push(struct edge *edge, struct mail *mail) {
    CHECK(mail != NULL);
    if (!edge_put(edge, &mail, mail->arena.pool)) return false;
    if (edge->consumer != NULL) wake_signal(edge->consumer);
    return true;
}

struct mail *edge_pop(struct edge *edge) {
    CHECK(edge != NULL);
    struct mail *mail = ring_pop(edge->ring);
    if (mail == NULL || edge->from == ACTOR_HOST || edge->rule->kind != EDGE_ASK) return mail;
    wake_fence();
    if (atomic_load_explicit(&edge->blocked, memory_order_relaxed) != 0 &&
        ring_free(edge->ring) >= edge->wake_room && atomic_exchange(&edge->blocked, 0) != 0) {
        actor_rouse(&edge->topology->actors[edge->from]);
        if (edge->producer != NULL) wake_signal(edge->producer);
    }
    return mail;
}
