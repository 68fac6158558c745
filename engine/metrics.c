/* What can be read of an engine while it runs: the board, the rings and the pools, copied.
 *
 * Invariant: nothing here waits, locks or asks an actor; every figure is whole, but not all are of
 * one moment. Not here: weft_stats() and weft_peers() (host.c), any text form (metrics_text.c). */
#include <stddef.h>

#include "engine/host.h"
#include "engine/runtime/ring.h"

static uint64_t now_us(const struct weft_engine *engine) {
    struct time_port time = engine->ports.runner.time;
    return time.now(time.self).mono_us;
}

/* ---- the engine ---- */

static void count_members(const struct board *board, struct weft_metrics *out) {
    const uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    for (uint32_t m = 0; m < seats; m++) {
        if (board_get(board->members[m].state) != BOARD_MEMBER) continue;
        out->members++;
        out->members_away += board_get(board->members[m].away);
    }
}

static void read_metrics(const struct weft_engine *engine, struct weft_metrics *out) {
    const struct board *board = engine->board;
    const struct topology *topology = engine->topology;
#define READ_SPAN(name) histogram_read(&board->name##_us, &out->name);
    BOARD_SPANS(READ_SPAN)
#undef READ_SPAN
    out->syncs_failed = board_get(board->groups_failed);
    out->commit_status = (enum weft_status)board_get(board->commit_status);
    const uint64_t done = board_get(board->commits) + board_get(board->commits_failed);
    const uint64_t issued = atomic_load_explicit(&engine->next_ticket, memory_order_relaxed) - 1;
    out->commits_waiting = issued > done ? issued - done : 0;
    out->door_bytes_max = engine->door_max;
    for (uint32_t e = 0; e < topology->edge_count; e++)
        out->mails_lost += board_get(topology->edges[e].dropped);
    for (uint32_t i = ACTOR_HOST + 1; i < topology->kit_count; i++)
        out->pool_bytes_kept += pool_kept(topology->kits[i].pool);
    out->log_records = board_get(board->log_records);
    out->log_pages = board_get(board->log_pages);
    out->threads = runner_thread_count(engine->runner);
    count_members(board, out);
    out->log_lost = board_get(board->log_lost);
    out->uptime_ms = (now_us(engine) - engine->opened_us) / 1000;
}

size_t weft_metrics(const weft_engine *engine, struct weft_metrics *out, size_t size) {
    CHECK(engine != NULL && out != NULL);
    struct weft_metrics metrics = {0};
    read_metrics(engine, &metrics);
    memset(out, 0, size);
    memcpy(out, &metrics, size < sizeof metrics ? size : sizeof metrics);
    return sizeof metrics;
}

/* ---- members ---- */

void metrics_lag(const struct weft_engine *engine, uint32_t m, struct weft_lag *out) {
    const struct board *board = engine->board;
    const struct board_lag *lag = &board->lag[m];
    *out = (struct weft_lag){.rows_known = board_get(lag->known) != 0};
    store_u64(out->device, board_get(board->members[m].device[0]));
    store_u64(out->device + 8, board_get(board->members[m].device[1]));
    /* What it holds before what there is: so the difference is never too small. */
    const uint64_t held = board_get(lag->rows), held_shared = board_get(board->shared[m]);
    const uint64_t since = board_get(lag->since_us), now = now_us(engine);
    const uint64_t rows = board_get(board->rows_written);
    const uint64_t shared = board_get(board->shared_written);
    out->ms = since != 0 && now > since ? (now - since) / 1000 : 0;
    out->rows = out->rows_known && rows > held ? rows - held : 0;
    out->records = shared > held_shared ? shared - held_shared : 0;
}

unsigned weft_lags(const weft_engine *engine, struct weft_lag *out, unsigned cap) {
    CHECK(engine != NULL && (out != NULL || cap == 0));
    const struct board *board = engine->board;
    const uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    unsigned count = 0;
    for (uint32_t m = 0; m < seats; m++) {
        if (board_get(board->members[m].state) != BOARD_MEMBER) continue;
        if (count < cap) metrics_lag(engine, m, &out[count]);
        count++;
    }
    return count;
}

/* ---- actors and rings ---- */

/* A mail that comes into being by another thread's push or pop may be counted twice, or not. */
static uint64_t waiting(const struct ring *ring) {
    const uint32_t count = ring_count(ring), slots = ring_slots(ring);
    return count < slots ? count : slots;
}

static void read_actor(const struct actor *actor, struct weft_actor *out) {
    /* The first of those that share a pool answers for it. */
    const bool leads =
        actor->id < actor->topology->kit_count && actor->kit == &actor->topology->kits[actor->id];
    *out = (struct weft_actor){.name = topology_name(actor->id),
                               .index = actor->id >= ACTOR_PEER ? actor->id - ACTOR_PEER : 0,
                               .steps = board_get(actor->steps),
                               .pool_bytes_held = leads ? pool_held(actor->kit->pool) : 0};
    for (uint32_t i = 0; i < actor->in_count; i++) {
        out->mails_waiting += waiting(actor->in[i]->ring);
        out->ring_slots += ring_slots(actor->in[i]->ring);
    }
    if (actor->door == NULL) return;
    const unsigned used = atomic_load_explicit(&actor->door->lanes_used, memory_order_acquire);
    for (unsigned lane = 0; lane < used; lane++) {
        out->mails_waiting += waiting(actor->door->lane[lane]);
        out->ring_slots += ring_slots(actor->door->lane[lane]);
    }
}

unsigned weft_actors(const weft_engine *engine, struct weft_actor *out, unsigned cap) {
    CHECK(engine != NULL && (out != NULL || cap == 0));
    const struct topology *topology = engine->topology;
    unsigned count = 0;
    for (uint32_t id = ACTOR_HOST + 1; id < topology->actor_count; id++, count++) {
        if (count < cap) read_actor(&topology->actors[id], &out[count]);
    }
    return count;
}

static void add_edge(const struct edge *edge, struct weft_ring *out) {
    static const char *const kinds[] = {
        [EDGE_ASK] = "ask", [EDGE_ANSWER] = "answer", [EDGE_NOTICE] = "notice"};
    const uint64_t depth = waiting(edge->ring);
    out->from = topology_name(edge->from);
    out->to = topology_name(edge->to);
    out->kind = kinds[edge->rule->kind];
    out->mail = mail_kind_name(edge->rule->mails[0]);
    out->rings++;
    out->mails_waiting += depth;
    if (depth > out->mails_deepest) out->mails_deepest = depth;
    out->ring_slots = ring_slots(edge->ring);
    out->mails += board_get(edge->pushed);
    out->mails_lost += board_get(edge->dropped);
}

/* Edges of one rule follow one another: there is one for each peer, or one. */
unsigned weft_rings(const weft_engine *engine, struct weft_ring *out, unsigned cap) {
    CHECK(engine != NULL && (out != NULL || cap == 0));
    const struct topology *topology = engine->topology;
    const struct edge_rule *rule = NULL;
    unsigned count = 0;
    for (uint32_t e = 0; e < topology->edge_count; e++) {
        const struct edge *edge = &topology->edges[e];
        if (edge->rule != rule && count < cap) out[count] = (struct weft_ring){0};
        if (edge->rule != rule) count++;
        rule = edge->rule;
        if (count <= cap) add_edge(edge, &out[count - 1]);
    }
    return count;
}
