/* See solo.h. */
#include "tests/lib/solo.h"

#include "engine/base/check.h"

bool solo_open(struct solo *solo, uint32_t id) {
    return solo_open_on(solo, id, (struct net_port){0});
}

bool solo_make(struct solo *solo, uint32_t id) {
    *solo = (struct solo){.id = id, .now = {.mono_us = 1000000, .wall_ms = 1700000000000}};
    solo->board = board_open(2);
    solo->pool = pool_open(0, 0, NULL);
    if (solo->board == NULL || solo->pool == NULL) return false;
    solo->settings.board = solo->board;
    solo->settings.peers = 2;
    solo->settings.device.bytes[0] = 1;
    return topology_open(&solo->settings, &solo->topology, NULL) == WEFT_OK;
}

bool solo_open_on(struct solo *solo, uint32_t id, struct net_port net) {
    if (!solo_make(solo, id)) return false;
    solo->topology->actors[id].seed.net = net;
    return actor_start(&solo->topology->actors[id], NULL) == WEFT_OK;
}

bool solo_close(struct solo *solo) {
    actor_stop(&solo->topology->actors[solo->id]);
    topology_close(solo->topology);
    bool clean = pool_held(solo->pool) == 0;
    pool_close(solo->pool);
    board_close(solo->board);
    return clean;
}

struct mail *solo_mail(struct solo *solo, Weft__Mail__BodyCase kind, void *message) {
    struct mail *mail = mail_new(solo->pool, kind, message);
    CHECK(mail != NULL);
    return mail;
}

void solo_tell(struct solo *solo, uint32_t from, struct mail *mail) {
    struct edge *edge = topology_edge(solo->topology, from, solo->id, mail->body.body_case);
    CHECK(edge != NULL);
    CHECK(edge_push(edge, mail));
    CHECK(actor_turn(&solo->topology->actors[solo->id], solo->now));
}

void solo_turn(struct solo *solo) {
    while (actor_turn(&solo->topology->actors[solo->id], solo->now)) {
    }
}

struct mail *solo_take(struct solo *solo, uint32_t to, Weft__Mail__BodyCase kind) {
    struct edge *edge = topology_edge(solo->topology, solo->id, to, kind);
    CHECK(edge != NULL);
    return edge_pop(edge);
}
