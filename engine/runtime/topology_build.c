/* From a table to actors, pools and rings.
 *
 * Invariants
 *   1. Everything is allocated here, before the first step; nothing of it moves afterwards.
 *   2. An ask edge has room for emit_max mails when it is empty, or its sender could never step.
 *   3. What was half built is taken down by topology_close(), the same as what stands.
 * Not here: the table (topology.c), its proof (topology_check.c), turning (actor.c). */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/topology.h"

#define TOPOLOGY_FNV_START 14695981039346656037u
#define TOPOLOGY_LINE 64u
/* What a pool keeps of returned memory: a few batches for the two actors that make and take them,
 * one or two for each other one, and for the peers of a thread together. */
#define TOPOLOGY_KEEP (8u << 20)
#define TOPOLOGY_KEEP_FEW (1u << 20)
#define TOPOLOGY_RESERVE (512u << 10) /* untouched, so it is only promised */

static void *allocate_lines(size_t size) {
    size_t bytes = (size + TOPOLOGY_LINE - 1) / TOPOLOGY_LINE * TOPOLOGY_LINE;
    void *block = aligned_alloc(TOPOLOGY_LINE, bytes > 0 ? bytes : TOPOLOGY_LINE);
    if (block != NULL) memset(block, 0, bytes > 0 ? bytes : TOPOLOGY_LINE);
    return block;
}

static enum weft_status out_of_memory(struct weft_error *why) {
    return status_fail(
        why, WEFT_NO_MEMORY, 0,
        "out of memory for the actors and their rings; lower peers_max or free memory");
}

/* ---- actors ---- */

/* One for each actor but the peers, which share those of their threads (runner.c). */
static enum weft_status build_kits(struct topology *topology, struct weft_error *why) {
    const struct settings *settings = topology->settings;
    atomic_size_t *gauge = settings->board != NULL ? &settings->board->pool_bytes : NULL;
    topology->kit_count = ACTOR_PEER + topology_peer_threads(settings);
    topology->kits = allocate_lines(topology->kit_count * sizeof *topology->kits);
    if (topology->kits == NULL) return out_of_memory(why);
    for (uint32_t i = ACTOR_HOST + 1; i < topology->kit_count; i++) {
        struct kit *kit = &topology->kits[i];
        /* No bound of its own: what is outstanding is bounded by the edges' slots. */
        const bool much = i == ACTOR_LOG || i == ACTOR_BULK;
        kit->pool = pool_open(0, much ? TOPOLOGY_KEEP : TOPOLOGY_KEEP_FEW, gauge);
        if (kit->pool == NULL || !pool_reserve(kit->pool, TOPOLOGY_RESERVE))
            return out_of_memory(why);
    }
    return WEFT_OK;
}

uint32_t topology_peer_threads(const struct settings *settings) {
    const bool all = settings->peer_threads == 0 || settings->peer_threads > settings->peers;
    return all ? settings->peers : settings->peer_threads;
}

static enum weft_status build_actors(struct topology *topology, const struct topology_plan *plan,
                                     struct weft_error *why) {
    struct settings *settings = topology->settings;
    const uint32_t threads = topology_peer_threads(settings);
    topology->actor_count = ACTOR_PEER + settings->peers;
    topology->actors = allocate_lines(topology->actor_count * sizeof *topology->actors);
    if (topology->actors == NULL) return out_of_memory(why);
    for (uint32_t id = 0; id < topology->actor_count; id++) {
        struct actor *actor = &topology->actors[id];
        bool peer = id >= ACTOR_PEER;
        actor->id = id;
        actor->topology = topology;
        if (id == ACTOR_HOST) continue;
        const struct actor_kind *kind = plan->kind_of(peer ? ACTOR_PEER : (enum actor_id)id);
        CHECK(kind != NULL && kind->start != NULL);
        CHECK(kind->step != NULL && kind->due_us != NULL);
        actor->kind = kind;
        actor->kit = &topology->kits[peer ? ACTOR_PEER + (id - ACTOR_PEER) % threads : id];
        actor->state = allocate_lines(kind->state_size);
        if (actor->state == NULL) return out_of_memory(why);
        actor->seed.settings = settings;
        actor->seed.index = peer ? id - ACTOR_PEER : 0;
        actor->seed.pool = actor->kit->pool;
        actor->seed.watch = &actor->watch;
        if (id == ACTOR_CLOCK) actor->door = &topology->door;
    }
    return WEFT_OK;
}

/* ---- edges ---- */

static uint32_t rule_edges(const struct edge_rule *rule, uint32_t peers) {
    return rule->from == ACTOR_PEER || rule->to == ACTOR_PEER ? peers : 1;
}

static enum weft_status build_edge(struct edge *edge, const struct edge_rule *rule, uint32_t peer,
                                   struct topology *topology, struct weft_error *why) {
    uint32_t slots = rule->slots + rule->slots_per_peer * topology->settings->peers;
    edge->rule = rule;
    edge->topology = topology;
    edge->from = rule->from == ACTOR_PEER ? ACTOR_PEER + peer : rule->from;
    edge->to = rule->to == ACTOR_PEER ? ACTOR_PEER + peer : rule->to;
    edge->ring = ring_open(slots);
    if (edge->ring == NULL) return out_of_memory(why);
    const struct actor_kind *kind = topology->actors[edge->from].kind;
    uint32_t emit_max = kind != NULL ? kind->emit_max : 1;
    slots = ring_slots(edge->ring);
    if (rule->kind == EDGE_ASK && slots < emit_max) {
        return status_fail(why, WEFT_INVALID, 0,
                           "the table's edge %s → %s has %u slots, but a step of %s may emit %u; "
                           "it could never step",
                           topology_name(rule->from), topology_name(rule->to), slots,
                           topology_name(rule->from), emit_max);
    }
    edge->wake_room = slots / 2 > emit_max ? slots / 2 : emit_max;
    return WEFT_OK;
}

static enum weft_status build_edges(struct topology *topology, const struct topology_plan *plan,
                                    struct weft_error *why) {
    uint32_t peers = topology->settings->peers;
    uint32_t count = 0;
    for (const struct edge_rule *rule = plan->rules; rule->slots != 0; rule++) {
        count += rule_edges(rule, peers);
    }
    topology->edges = allocate_lines(count * sizeof *topology->edges);
    if (topology->edges == NULL) return out_of_memory(why);
    topology->edge_count = count;
    struct edge *edge = topology->edges;
    for (const struct edge_rule *rule = plan->rules; rule->slots != 0; rule++) {
        for (uint32_t peer = 0; peer < rule_edges(rule, peers); peer++) {
            enum weft_status status = build_edge(edge++, rule, peer, topology, why);
            if (status != WEFT_OK) return status;
        }
    }
    CHECK(edge == topology->edges + count);
    return WEFT_OK;
}

static void join_in(struct actor *actor, struct edge *edge) {
    edge->place = EDGE_APART;
    if (actor->door != NULL && edge->from == ACTOR_HOST) {
        CHECK(actor->control == NULL);
        actor->control = edge;
        return;
    }
    edge->place = actor->in_count;
    actor->in[actor->in_count++] = edge;
}

static void join_out(struct actor *actor, struct edge *edge) {
    actor->out[actor->out_count++] = edge;
    if (edge->rule->kind != EDGE_ASK || actor->kind == NULL) return;
    edge->room = &actor->rooms[actor->ask_count];
    actor->rooms[actor->ask_count] = ring_free(edge->ring);
    actor->asks[actor->ask_count++] = edge;
}

static int by_receiver(const void *a, const void *b) {
    const struct edge *one = *(struct edge *const *)a, *other = *(struct edge *const *)b;
    if (one->to != other->to) return one->to < other->to ? -1 : 1;
    return one < other ? -1 : 1;
}

static bool make_lists(struct actor *actor) {
    actor->in = calloc((size_t)actor->in_count + 1, sizeof *actor->in);
    actor->out = calloc((size_t)actor->out_count + 1, sizeof *actor->out);
    actor->asks = calloc((size_t)actor->out_count + 1, sizeof *actor->asks);
    actor->rooms = calloc((size_t)actor->out_count + 1, sizeof *actor->rooms);
    const bool marked = marks_open(&actor->waiting, actor->in_count + 1);
    actor->in_count = actor->out_count = 0;
    return marked && actor->in != NULL && actor->out != NULL && actor->asks != NULL &&
           actor->rooms != NULL;
}

/* Hands every actor its edges: answers first. */
static enum weft_status join_edges(struct topology *topology, struct weft_error *why) {
    struct edge *const edges = topology->edges;
    for (uint32_t i = 0; i < topology->edge_count; i++) {
        topology->actors[edges[i].to].in_count++;
        topology->actors[edges[i].from].out_count++;
    }
    for (uint32_t id = 0; id < topology->actor_count; id++) {
        if (!make_lists(&topology->actors[id])) return out_of_memory(why);
    }
    for (uint32_t i = 0; i < topology->edge_count; i++) {
        join_out(&topology->actors[edges[i].from], &edges[i]);
        if (edges[i].rule->kind == EDGE_ANSWER) join_in(&topology->actors[edges[i].to], &edges[i]);
    }
    for (uint32_t i = 0; i < topology->edge_count; i++) {
        if (edges[i].rule->kind != EDGE_ANSWER) join_in(&topology->actors[edges[i].to], &edges[i]);
    }
    for (uint32_t id = 0; id < topology->actor_count; id++) {
        struct actor *actor = &topology->actors[id];
        qsort(actor->out, actor->out_count, sizeof(struct edge *), by_receiver);
    }
    return WEFT_OK;
}

static enum weft_status build_door(struct topology *topology, struct weft_error *why) {
    struct door *door = &topology->door;
    door->topology = topology;
    atomic_init(&door->lanes_used, 0);
    for (uint32_t i = 0; i < LIMIT_LANES; i++) {
        door->lane[i] = ring_open(LIMIT_LANE_SLOTS);
        if (door->lane[i] == NULL) return out_of_memory(why);
    }
    return WEFT_OK;
}

/* ---- open and close ---- */

enum weft_status topology_build(const struct topology_plan *plan, struct settings *settings,
                                struct topology **out, struct weft_error *why) {
    CHECK(plan != NULL && plan->rules != NULL && plan->kind_of != NULL);
    CHECK(settings != NULL && out != NULL);
    CHECK(settings->peers <= LIMIT_PEERS);
    *out = NULL;
    enum weft_status status = topology_check(plan->rules, why);
    if (status != WEFT_OK) return status;
    struct topology *topology = allocate_lines(sizeof *topology);
    if (topology == NULL) return out_of_memory(why);
    topology->settings = settings;
    topology->hash = TOPOLOGY_FNV_START;
    status = build_kits(topology, why);
    if (status == WEFT_OK) status = build_actors(topology, plan, why);
    if (status == WEFT_OK) status = build_edges(topology, plan, why);
    if (status == WEFT_OK) status = join_edges(topology, why);
    if (status == WEFT_OK) status = build_door(topology, why);
    if (status != WEFT_OK) {
        topology_close(topology);
        return status;
    }
    *out = topology;
    return WEFT_OK;
}

static void close_ring(struct ring *ring) {
    if (ring == NULL) return;
    for (struct mail *mail = ring_pop(ring); mail != NULL; mail = ring_pop(ring))
        mail_drop(&mail);
    ring_close(ring);
}

void topology_close(struct topology *topology) {
    if (topology == NULL) return;
    for (uint32_t i = 0; i < topology->edge_count; i++)
        close_ring(topology->edges[i].ring);
    for (uint32_t i = 0; i < LIMIT_LANES; i++)
        close_ring(topology->door.lane[i]);
    for (uint32_t id = 0; topology->actors != NULL && id < topology->actor_count; id++) {
        struct actor *actor = &topology->actors[id];
        CHECK(!actor->started);
        free(actor->state);
        free(actor->in);
        free(actor->out);
        free(actor->asks);
        free(actor->rooms);
        marks_close(&actor->waiting);
    }
    for (uint32_t i = 0; topology->kits != NULL && i < topology->kit_count; i++)
        pool_close(topology->kits[i].pool);
    free(topology->kits);
    free(topology->edges);
    free(topology->actors);
    free(topology);
}

struct edge *topology_edge(struct topology *topology, uint32_t from, uint32_t to,
                           Weft__Mail__BodyCase kind) {
    CHECK(topology != NULL);
    CHECK(from < topology->actor_count && to < topology->actor_count);
    for (uint32_t i = 0; i < topology->edge_count; i++) {
        struct edge *edge = &topology->edges[i];
        if (edge->from != from || edge->to != to) continue;
        for (uint32_t m = 0; edge->rule->mails[m] != WEFT__MAIL__BODY__NOT_SET; m++) {
            if (edge->rule->mails[m] == kind) return edge;
        }
    }
    return NULL;
}

/* ---- fault ---- */

void topology_fatal(struct topology *topology, const struct weft_error *why) {
    CHECK(topology != NULL);
    CHECK(why != NULL && why->status != WEFT_OK);
    if (atomic_exchange(&topology->fatal.claimed, 1) != 0) return;
    topology->fatal.error = *why;
    atomic_store_explicit(&topology->fatal.set, 1, memory_order_release);
    if (topology->host_answers != NULL) wake_signal(topology->host_answers);
    if (topology->host_notices != NULL) wake_signal(topology->host_notices);
    if (topology->host_log != NULL) wake_signal(topology->host_log);
}

bool topology_failed(const struct topology *topology, struct weft_error *why) {
    CHECK(topology != NULL);
    if (atomic_load_explicit(&topology->fatal.set, memory_order_acquire) == 0) return false;
    CHECK(topology->fatal.error.status != WEFT_OK);
    if (why != NULL) *why = topology->fatal.error;
    return true;
}
