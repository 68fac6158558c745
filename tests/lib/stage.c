/* See stage.h. */
#include "tests/lib/stage.h"

#include "engine/base/check.h"

struct player {
    struct part *part;
};

static enum weft_status player_start(struct player *player, const struct actor_seed *seed,
                                     uint32_t id, struct weft_error *why) {
    struct stage *stage = (struct stage *)(uintptr_t)seed->settings;
    player->part = &stage->part[id + seed->index];
    player->part->seed = seed;
    if (player->part->begin != NULL) {
        enum weft_status status = player->part->begin(player->part, why);
        if (status != WEFT_OK) return status;
    }
    player->part->starts++;
    return WEFT_OK;
}

static void player_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct part *part = ((struct player *)self)->part;
    switch ((*in)->body.body_case) {
    case WEFT__MAIL__BODY_TICK:
        part->ticks++;
        break;
    case WEFT__MAIL__BODY_READY:
        part->readies++;
        break;
    default:
        part->mails++;
        break;
    }
    if (part->play != NULL) part->play(part, now, in, out);
}

static uint64_t player_due(const void *self) {
    return ((const struct player *)self)->part->due_us;
}

static void player_stop(void *self) {
    ((struct player *)self)->part->stops++;
}

#define PLAYER(name, id)                                                                          \
    static enum weft_status name##_start(void *self, const struct actor_seed *seed,               \
                                         struct weft_error *why) {                                \
        return player_start(self, seed, id, why);                                                 \
    }                                                                                             \
    static const struct actor_kind name##_player = {                                              \
        #name,      sizeof(struct player), STAGE_EMIT_MAX, name##_start, player_step, player_due, \
        player_stop};

PLAYER(clock, ACTOR_CLOCK)
PLAYER(log, ACTOR_LOG)
PLAYER(bulk, ACTOR_BULK)
PLAYER(share, ACTOR_SHARE)
PLAYER(prune, ACTOR_PRUNE)
PLAYER(listener, ACTOR_LISTENER)
PLAYER(copier, ACTOR_COPIER)
PLAYER(peer, ACTOR_PEER)

static const struct actor_kind *stage_kind(enum actor_id id) {
    static const struct actor_kind *const kinds[] = {
        [ACTOR_CLOCK] = &clock_player,       [ACTOR_LOG] = &log_player,
        [ACTOR_BULK] = &bulk_player,         [ACTOR_SHARE] = &share_player,
        [ACTOR_PRUNE] = &prune_player,       [ACTOR_PEER] = &peer_player,
        [ACTOR_LISTENER] = &listener_player, [ACTOR_COPIER] = &copier_player,
    };
    return kinds[id];
}

enum weft_status stage_open(struct stage *stage, const struct edge_rule *rules, uint32_t peers,
                            struct weft_error *why) {
    CHECK(peers <= STAGE_PEERS);
    memset(stage, 0, sizeof *stage);
    stage->board = board_open(peers);
    CHECK(stage->board != NULL);
    stage->settings.board = stage->board;
    stage->settings.peers = peers;
    for (uint32_t id = 0; id < STAGE_ACTORS; id++) {
        stage->part[id].id = id;
        stage->part[id].due_us = DUE_NEVER;
    }
    const struct topology_plan plan = {rules, stage_kind};
    enum weft_status status = topology_build(&plan, &stage->settings, &stage->topology, why);
    if (status != WEFT_OK) board_close(stage->board);
    return status;
}

void stage_close(struct stage *stage) {
    for (uint32_t id = stage->topology->actor_count; id-- > ACTOR_HOST + 1;) {
        actor_stop(&stage->topology->actors[id]);
    }
    topology_close(stage->topology);
    board_close(stage->board);
}

void stage_start(struct stage *stage) {
    for (uint32_t id = ACTOR_HOST + 1; id < stage->topology->actor_count; id++) {
        CHECK(actor_start(&stage->topology->actors[id], NULL) == WEFT_OK);
    }
}

struct actor *stage_actor(struct stage *stage, uint32_t id) {
    CHECK(id < stage->topology->actor_count);
    return &stage->topology->actors[id];
}

struct mail *stage_mail(struct pool *pool, Weft__Mail__BodyCase kind) {
    struct mail *mail = mail_new(pool, kind, NULL);
    CHECK(mail != NULL);
    return mail;
}

struct instant stage_at(uint64_t mono_us) {
    struct instant now = {.mono_us = mono_us, .wall_ms = 1000};
    return now;
}
