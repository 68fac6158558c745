/* See byzantine.h.
 *
 *     bulk, share ──mail──► kept ──► replayed? ──► changed, by what it is ──► peer ──► sealed, sent
 *
 * Invariants
 *   1. A mail is changed after everybody has looked at it: what the liar's engine meant is true.
 *   2. What an engine counts by (credit, grants) stays as it was: a liar's own engine goes on.
 *   3. Positions and horizons of rows that are passed on are as they were: what they do when they
 *      are false is a known fault (docs/status.md).
 *   4. Of a question that its own engine asks only so much is changed that the engine can tell what
 *      the answer is to: what it holds is as true as with any other.
 * Deliberately not here: who lies, and how often (plan.c). */
#include "tests/sim/byzantine_private.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/device.h"
#include "tests/sim/faults.h"
#include "tests/sim/ledger.h"

/* ---- what the others are held to ------------------------------------------------------------- */

bool world_trusts(const struct world *world, uint32_t device) {
    return device != world->plan.liar;
}

bool world_awaits(const struct world *world, uint32_t device) {
    return world_trusts(world, device);
}

bool byzantine_touched(const struct world *world, uint32_t of, enum table table) {
    return world->byzantine && world->byzantine->touched[of][table];
}

bool byzantine_forked(const struct world *world, uint32_t device) {
    return world->byzantine && world->byzantine->forked && !world_trusts(world, device);
}

bool byzantine_said(const struct world *world, uint32_t of, uint32_t row, uint64_t version,
                    uint64_t digest) {
    const struct byzantine *byzantine = world->byzantine;
    for (uint32_t i = 0; byzantine && i < byzantine->forged_count; i++) {
        const struct forged *forged = &byzantine->forged[i];
        if (forged->of == of && forged->row == row && forged->version == version &&
            forged->digest == digest)
            return true;
    }
    return false;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

struct byzantine *byzantine_open(struct world *world) {
    if (world->plan.liar == NET_DEVICES) return NULL;
    struct byzantine *byzantine = calloc(1, sizeof *byzantine);
    CHECK(byzantine != NULL);
    byzantine->world = world;
    byzantine->zip = zip_open(1);
    CHECK(byzantine->zip != NULL);
    rng_seed(&byzantine->rng, world->plan.seed, UINT64_C(0x11a7));
    world_note(world, NULL, "liar", world->plan.liar, world->plan.liar_leaves);
    return byzantine;
}

void byzantine_close(struct byzantine *byzantine) {
    if (!byzantine) return;
    for (uint32_t k = 0; k < KINDS; k++)
        for (uint32_t i = 0; i < KEPT; i++)
            free(byzantine->echo[k][i].packed);
    zip_close(byzantine->zip);
    free(byzantine->forged);
    free(byzantine);
}

void byzantine_heal(struct world *world) {
    if (!world->byzantine || !world->plan.liar_leaves) return;
    /* Half of its snapshot would stay with who began it, and perhaps nobody else has the rest. */
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (ledger_taking(&world->device[d])) return;
    struct device *device = &world->device[world->plan.liar];
    if (device->engine) device_kill(device, DISK_KEEP_ALL, true, UINT64_MAX);
    device->up_us = UINT64_MAX;
}

bool byzantine_will(struct byzantine *byzantine, enum fault lie) {
    return rng_chance(&byzantine->rng, byzantine->world->plan.lies[lie]);
}

void byzantine_did(struct byzantine *byzantine, enum fault lie, uint64_t what) {
    struct world *world = byzantine->world;
    faults_count(world->faults, lie);
    world_note(world, &world->device[world->plan.liar], fault_names[lie], what, 0);
}

void byzantine_flip(struct byzantine *byzantine, void *data, size_t size) {
    if (size == 0) return;
    const uint64_t bit = rng_below(&byzantine->rng, size * 8);
    ((uint8_t *)data)[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* ---- replays --------------------------------------------------------------------------------- */

static void keep(struct byzantine *byzantine, const struct mail *mail) {
    const uint32_t kind = (uint32_t)mail->body.body_case;
    CHECK(kind < KINDS);
    struct echo *echo = &byzantine->echo[kind][byzantine->echoes[kind]++ % KEPT];
    free(echo->packed);
    echo->size = weft__mail__get_packed_size(&mail->body);
    echo->packed = malloc(echo->size);
    CHECK(echo->packed != NULL);
    CHECK(weft__mail__pack(&mail->body, echo->packed) == echo->size);
}

static void *take(void *context, size_t size) {
    return arena_take(context, size);
}

static void give_back(void *context, void *block) {
    (void)context;
    (void)block;
}

/* What credit is counted by, and whom an answer is for. */
static void restore_counts(Weft__Mail *body, const Weft__Mail *was) {
    if (body->body_case == WEFT__MAIL__BODY_HELD) {
        body->held->consumed = was->held->consumed;
        body->held->batches = was->held->batches;
        body->held->fault = was->held->fault;
    } else if (body->body_case == WEFT__MAIL__BODY_SHARED_HELD) {
        body->shared_held->consumed = was->shared_held->consumed;
        body->shared_held->count = was->shared_held->count;
        body->shared_held->fault = was->shared_held->fault;
    }
}

/* An older mail of this kind is said instead, to whomever it was said then. */
static void replay(struct byzantine *byzantine, struct mail *mail) {
    const uint32_t kind = (uint32_t)mail->body.body_case;
    const uint32_t kept = byzantine->echoes[kind] < KEPT ? byzantine->echoes[kind] : KEPT;
    if (kept == 0 || !byzantine_will(byzantine, FAULT_REPLAY)) return;
    const struct echo *echo = &byzantine->echo[kind][rng_below(&byzantine->rng, kept)];
    ProtobufCAllocator allocator = {take, give_back, &mail->arena};
    Weft__Mail *body = weft__mail__unpack(&allocator, echo->size, echo->packed);
    CHECK(body != NULL && body->body_case == mail->body.body_case);
    restore_counts(body, &mail->body);
    mail->body = *body;
    byzantine_did(byzantine, FAULT_REPLAY, kind);
}

/* ---- places ---------------------------------------------------------------------------------- */

static uint64_t other_position(struct byzantine *byzantine, uint64_t position) {
    switch (rng_below(&byzantine->rng, 4)) {
    case 0:
        return rng_below(&byzantine->rng, position + 1);
    case 1:
        return INT64_MAX;
    default:
        return position + rng_between(&byzantine->rng, 1, UINT64_C(1) << 30);
    }
}

/* What the liar holds, or where it wants to begin. */
static void places(struct byzantine *byzantine, Weft__Place **list, size_t *count) {
    if (*count == 0) return;
    Weft__Place *place = list[rng_below(&byzantine->rng, *count)];
    if (place->position <= INT64_MAX && byzantine_will(byzantine, FAULT_LIE)) {
        place->position = other_position(byzantine, place->position);
        byzantine_did(byzantine, FAULT_LIE, place->position);
    }
    if (byzantine_will(byzantine, FAULT_MALFORM)) {
        const bool owner = rng_chance(&byzantine->rng, 500);
        if (owner) place->owner.len = rng_below(&byzantine->rng, WEFT_ID_SIZE);
        if (!owner) place->position = UINT64_MAX - rng_between(&byzantine->rng, 1, 1000);
        byzantine_did(byzantine, FAULT_MALFORM, owner);
    }
    if (byzantine_will(byzantine, FAULT_WITHHOLD)) {
        *count = 0;
        byzantine_did(byzantine, FAULT_WITHHOLD, 0);
    }
}

/* The digests of ranges, which decide what a repair leaves out. */
static void ranges(struct byzantine *byzantine, Weft__Ranges *ranges) {
    if (!ranges->answer || ranges->n_sums == 0) return;
    if (byzantine_will(byzantine, FAULT_LIE)) {
        const uint64_t at = rng_below(&byzantine->rng, ranges->n_sums);
        ranges->sums[at] = rng_u64(&byzantine->rng);
        byzantine_did(byzantine, FAULT_LIE, ranges->n_sums);
    }
    if (byzantine_will(byzantine, FAULT_WITHHOLD)) {
        ranges->n_sums = 0;
        byzantine_did(byzantine, FAULT_WITHHOLD, 1);
    }
}

/* ---- mails ----------------------------------------------------------------------------------- */

static void change(struct byzantine *byzantine, struct device *device, struct mail *mail) {
    Weft__Mail *body = &mail->body;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_BATCH:
        byzantine_batch(byzantine, device, mail);
        break;
    case WEFT__MAIL__BODY_HELD:
        places(byzantine, body->held->places, &body->held->n_places);
        break;
    case WEFT__MAIL__BODY_REQUEST:
        places(byzantine, body->request->places, &body->request->n_places);
        break;
    case WEFT__MAIL__BODY_RANGES:
        ranges(byzantine, body->ranges);
        break;
    case WEFT__MAIL__BODY_SHARED_HELD:
        byzantine_heads(byzantine, body->shared_held->heads, &body->shared_held->n_heads);
        break;
    case WEFT__MAIL__BODY_SHARED_REQUEST:
        byzantine_heads(byzantine, body->shared_request->heads, &body->shared_request->n_heads);
        break;
    case WEFT__MAIL__BODY_SHIPMENT:
        byzantine_records(byzantine, device, mail);
        break;
    case WEFT__MAIL__BODY_ATTESTED:
        byzantine_statements(byzantine, device, mail);
        break;
    default:
        break;
    }
}

void byzantine_mail(struct device *device, const struct edge *edge, struct mail *mail) {
    struct world *world = device->world;
    struct byzantine *byzantine = world->byzantine;
    if (!byzantine || world_trusts(world, device->number)) return;
    if (world->healing || !world->faults || edge->to < ACTOR_PEER) return;
    if (edge->from != ACTOR_BULK && edge->from != ACTOR_SHARE) return;
    if (mail->body.body_case == WEFT__MAIL__BODY_LEFT) return;
    /* Of answers and questions only those of one kind may stand for each other. A chunk does not
     * say where it begins: the liar's engine would take it for the one that it asked for. */
    if (mail->body.body_case != WEFT__MAIL__BODY_RANGES &&
        mail->body.body_case != WEFT__MAIL__BODY_SNAPSHOT_WANTED) {
        replay(byzantine, mail);
        keep(byzantine, mail);
    }
    change(byzantine, device, mail);
}
