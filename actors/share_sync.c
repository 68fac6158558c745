/* weft_sync_now_wait(), as far as the shared log goes: see bulk_sync.c.
 * While a snapshot is taken nothing is said and nothing held: rows and heads do not go together. */
#include "actors/share_private.h"
#include "engine/base/check.h"

void share_sync(struct share *share, const Weft__Sync *sync) {
    share->sync = sync->number;
    for (uint32_t p = 0; p < share->settings->peers; p++) {
        struct share_peer *peer = &share->peers[p];
        if (!peer->live) continue;
        if (sync->device.len == WEFT_ID_SIZE &&
            memcmp(peer->device.bytes, sync->device.data, WEFT_ID_SIZE) != 0)
            continue;
        peer->sync.wanted = sync->number;
    }
}

void share_sync_joined(const struct share *share, struct share_peer *peer) {
    if (board_get(share->settings->board->syncing) != 0) peer->sync.wanted = share->sync;
}

static void goal_end(struct sync_goal *goal) {
    heads_free(&goal->heads);
    *goal = (struct sync_goal){0};
}

void share_sync_free(struct share_peer *peer) {
    goal_end(&peer->sync.ours);
    goal_end(&peer->sync.theirs);
}

void share_sync_left(struct share *share, uint32_t index) {
    share_sync_free(&share->peers[index]);
    board_set(share->settings->board->peers[index].synced_shared, 0);
}

/* What the remote has said so far; false without memory. */
static bool goal_add(struct sync_goal *goal, const struct heads *said) {
    heads_free(&goal->heads);
    for (uint32_t i = 0; i < said->count; i++) {
        struct shared_head *head = heads_add(&goal->heads, &said->list[i].origin);
        if (head == NULL) return false;
        head->seq = said->list[i].seq;
    }
    return true;
}

static bool is_met(const struct share *share, const struct share_peer *peer,
                   struct sync_goal *goal) {
    if (goal->number == 0) return false;
    if (!goal->noted && !goal_add(goal, &peer->remote)) return false;
    goal->noted = true;
    if (share->taking.begun || share->taking.under_way) return false;
    for (; goal->met < goal->heads.count; goal->met++) {
        const struct shared_head *said = &goal->heads.list[goal->met];
        uint32_t at = 0;
        const struct shared_head *mine = heads_find(&share->heads, &said->origin, &at);
        if (said->seq == 0) continue;
        if (mine == NULL || (mine->seq < said->seq && !mine->frozen)) return false;
    }
    return true;
}

void share_sync_acked(struct share *share, struct share_peer *peer,
                      const Weft__SharedAcked *acked) {
    struct share_sync *sync = &peer->sync;
    if (acked->ask != 0 && sync->theirs.number == 0) sync->theirs.number = acked->ask;
    if (acked->answer != 0 && acked->answer == sync->asked && sync->asked != sync->done)
        sync->ours.number = acked->answer;
    /* Without memory they are noted when there is some. */
    (void)is_met(share, peer, &sync->theirs);
    (void)is_met(share, peer, &sync->ours);
}

void share_sync_next(const struct share *share, struct share_peer *peer, uint64_t *ask,
                     uint64_t *answer) {
    struct share_sync *sync = &peer->sync;
    *ask = *answer = 0;
    if (share->taking.begun || share->taking.under_way) return;
    if (sync->wanted > sync->asked && sync->asked == sync->done) *ask = sync->wanted;
    if (is_met(share, peer, &sync->theirs)) *answer = sync->theirs.number;
}

void share_sync_said(struct share_peer *peer, uint64_t ask, uint64_t answer) {
    if (ask != 0) peer->sync.asked = ask;
    if (answer != 0) goal_end(&peer->sync.theirs);
}

void share_sync_look(struct share *share, uint32_t index, struct outbox *out) {
    struct share_peer *peer = &share->peers[index];
    struct share_sync *sync = &peer->sync;
    if (!is_met(share, peer, &sync->ours)) return;
    sync->done = sync->ours.number;
    goal_end(&sync->ours);
    atomic_store_explicit(&share->settings->board->peers[index].synced_shared, sync->done,
                          memory_order_release);
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_HELD, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}
