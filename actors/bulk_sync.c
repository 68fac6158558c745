/* weft_sync_now_wait(), as far as rows go; share_sync.c is the same for the shared log.
 *
 *   host ─ Sync, behind all commits ─► ASK, with all that is held here ─► remote
 *                                                                           │ holds that
 *   host ◄─ board ◄─ this device holds that ◄─ ANSWER, with all it holds ◄──┘
 *
 * Invariants
 *   1. One ask of a session is out at a time; a call that comes meanwhile is asked for next, and
 *      what is asked later covers what was called for earlier.
 *   2. What is to be held is what was said by then: later rows are not waited for, so that somebody
 *      who never stops writing keeps nobody waiting.
 *   3. Each side judges for itself what it holds: it knows what it does not take. Of its own rows
 *      nobody holds more, but for those of a time before its file was restored, which do not come.
 * Not here: when both halves have asked or answered (peer.c), whom the host waits for (sync.c). */
#include "actors/bulk_private.h"

void bulk_sync(struct bulk *bulk, const Weft__Sync *sync) {
    bulk->sync = sync->number;
    for (uint32_t p = 0; p < bulk->settings->peers; p++) {
        struct bulk_peer *peer = &bulk->peers[p];
        if (!peer->live) continue;
        if (sync->device.len == WEFT_ID_SIZE &&
            memcmp(peer->device.bytes, sync->device.data, WEFT_ID_SIZE) != 0)
            continue;
        peer->sync.wanted = sync->number;
    }
    bulk->notes_due = true;
}

void bulk_sync_joined(struct bulk *bulk, struct bulk_peer *peer) {
    vector_init(&peer->sync.ours.places);
    vector_init(&peer->sync.theirs.places);
    if (board_get(bulk->board->syncing) != 0) peer->sync.wanted = bulk->sync;
}

static void goal_end(struct sync_goal *goal) {
    vector_free(&goal->places);
    *goal = (struct sync_goal){0};
    vector_init(&goal->places);
}

void bulk_sync_left(struct bulk *bulk, uint32_t index) {
    struct bulk_sync *sync = &bulk->peers[index].sync;
    goal_end(&sync->ours);
    goal_end(&sync->theirs);
    board_set(bulk->board->peers[index].synced_rows, 0);
}

void bulk_sync_holds(struct bulk *bulk, struct bulk_peer *peer, const Weft__Holds *holds) {
    struct bulk_sync *sync = &peer->sync;
    if (holds->ask != 0 && sync->theirs.number == 0) sync->theirs.number = holds->ask;
    if (holds->answer != 0 && holds->answer == sync->asked && sync->asked != sync->done)
        sync->ours.number = holds->answer;
    /* Without memory they are noted when there is some. */
    (void)bulk_sync_met(bulk, peer, &sync->theirs);
    (void)bulk_sync_met(bulk, peer, &sync->ours);
    bulk->notes_due = true;
}

bool bulk_sync_met(const struct bulk *bulk, const struct bulk_peer *peer, struct sync_goal *goal) {
    if (goal->number == 0) return false;
    if (!goal->noted && vector_merge(&goal->places, &peer->held) != WEFT_OK) return false;
    goal->noted = true;
    for (; goal->met < goal->places.count; goal->met++) {
        const struct vector_entry *place = &goal->places.entries[goal->met];
        if (id_equal(&place->stream.owner, &bulk->settings->device)) continue;
        if (vector_get(&bulk->heads, &place->stream) < place->position) return false;
    }
    return true;
}

bool bulk_sync_asks(const struct bulk_peer *peer) {
    return peer->sync.wanted > peer->sync.asked && peer->sync.asked == peer->sync.done;
}

void bulk_sync_say(struct bulk_peer *peer, bool asks, bool answers, Weft__Held *held) {
    struct bulk_sync *sync = &peer->sync;
    if (asks) held->ask = sync->asked = sync->wanted;
    if (!answers) return;
    held->answer = sync->theirs.number;
    goal_end(&sync->theirs);
}

void bulk_sync_look(struct bulk *bulk, uint32_t index, struct outbox *out) {
    struct bulk_peer *peer = &bulk->peers[index];
    struct bulk_sync *sync = &peer->sync;
    if (!bulk_sync_met(bulk, peer, &sync->ours)) return;
    sync->done = sync->ours.number;
    goal_end(&sync->ours);
    atomic_store_explicit(&bulk->board->peers[index].synced_rows, sync->done, memory_order_release);
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_HELD, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}
