/* Points that mails between actors show. See points.h.
 * Not here: what a mail must be (oracle.h, company.h). */
#include "tests/sim/points.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/wire/attest.h"
#include "tests/sim/world.h"

static void reach_if(struct device *device, enum point point, bool reached) {
    device->world->points.reached[point] += reached;
}

static void reach(struct device *device, enum point point) {
    device->world->points.reached[point]++;
}

static struct points_life *life_of(struct device *device) {
    return &device->world->points.life[device->number];
}

/* DEVICES_MAX: nobody's. */
static uint32_t whose(const struct world *world, const uint8_t *id, size_t size) {
    for (uint32_t d = 0; d < world->cast.device_count; d++)
        if (size == WEFT_ID_SIZE && memcmp(world->cast.device[d].bytes, id, size) == 0) return d;
    return DEVICES_MAX;
}

uint32_t points_session(const struct device *device, uint32_t actor) {
    uint32_t slot = actor - ACTOR_PEER;
    if (actor < ACTOR_PEER || slot >= POINT_SLOTS) return DEVICES_MAX;
    return device->world->points.life[device->number].slot[slot].with - 1;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void on_joined(struct device *device, const Weft__Joined *joined) {
    struct world *world = device->world;
    struct points_life *life = life_of(device);
    uint32_t other = whose(world, joined->device.data, joined->device.len);
    if (other == DEVICES_MAX || joined->peer >= POINT_SLOTS) return;
    for (uint32_t s = 0; s < POINT_SLOTS; s++)
        reach_if(device, POINT_TWO_SESSIONS, s != joined->peer && life->slot[s].with == other + 1);
    life->slot[joined->peer].with = other + 1;
    life->slot[joined->peer].batches = 0;
    reach_if(device, POINT_VERSIONS_MEET, world->device[other].version != device->version);
    reach_if(device, POINT_BACK, world->points.called_away[other]);
    world->points.called_away[other] = false;
}

static void end_session(struct device *device, uint32_t other) {
    struct world *world = device->world;
    memset(&world->points.backfill[other][device->number], 0,
           sizeof world->points.backfill[other][device->number]);
    reach_if(device, POINT_HALF_OPEN,
             net_route(world->net, device->number, other)->blocked !=
                 net_route(world->net, other, device->number)->blocked);
}

static void on_left(struct device *device, const Weft__Left *left) {
    struct points_life *life = life_of(device);
    if (left->peer >= POINT_SLOTS) return;
    uint32_t with = life->slot[left->peer].with;
    if (with != 0) end_session(device, with - 1);
    life->slot[left->peer].with = 0;
    life->slot[left->peer].batches = 0;
}

static void on_ruling(struct device *device, const Weft__Ruling *ruling) {
    reach_if(device, POINT_TURNED_AWAY, ruling->gone);
    reach_if(device, POINT_REPLACED, ruling->end && !ruling->gone);
    reach_if(device, POINT_PROVE, ruling->prove);
    reach_if(device, POINT_SPARE,
             !ruling->stands && !ruling->end && !ruling->prove && !ruling->gone);
}

/* ---- members --------------------------------------------------------------------------------- */

static void on_govern(struct device *device, const Weft__Govern *govern) {
    struct world *world = device->world;
    uint32_t of = whose(world, govern->device.data, govern->device.len);
    if (of == DEVICES_MAX) return;
    if (govern->away) {
        reach(device, POINT_CALLED_AWAY);
        world->points.called_away[of] = true;
    }
    if (!govern->remove) return;
    const struct device *victim = &world->device[of];
    uint32_t others = world->points.removers[of] & ~(1u << device->number);
    reach(device, POINT_REMOVAL);
    reach_if(device, POINT_REMOVED_DOWN, !victim->engine);
    reach_if(device, POINT_REMOVED_WRITING, victim->engine && victim->author.pending_count > 0);
    reach_if(device, POINT_REMOVED_TWICE, others != 0);
    world->points.removers[of] |= 1u << device->number;
}

/* ---- own rows -------------------------------------------------------------------------------- */

static void on_commit(struct device *device, const Weft__Commit *commit) {
    struct points_life *life = life_of(device);
    uint32_t batch_rows = device->world->plan.batch_rows, rows = 0;
    for (size_t r = 0; r < commit->n_rows; r++) {
        rows += commit->rows[r]->count;
        reach_if(device, POINT_SPLIT, batch_rows && commit->rows[r]->count > batch_rows);
    }
    reach_if(device, POINT_OWN_AND_SHARED, rows > 0 && commit->shared_seq != 0);
    life->group++;
    if (!commit->last_of_group) return;
    reach_if(device, POINT_GROUP, life->group > 1);
    life->group = 0;
}

static void on_taken(struct device *device, const Weft__Incoming *incoming) {
    const Weft__Rows *rows = incoming->rows;
    struct points_life *life = life_of(device);
    if (!rows) return;
    bool good = incoming->status == WEFT_OK, full = incoming->status == WEFT_DISK_FULL;
    reach_if(device, POINT_FULL_BATCH, full);
    reach_if(device, POINT_GAP, !good && !full);
    reach_if(device, POINT_SWEEP, good && rows->sweep);
    reach_if(device, POINT_SWEEP_SAME, good && rows->same);
    life->sweeping = incoming->sweeping;
    uint32_t of = whose(device->world, rows->owner.data, rows->owner.len);
    if (!good || incoming->sweeping || of == DEVICES_MAX || rows->model >= POINT_MODELS) return;
    uint64_t *position = &life->position[of][rows->model];
    reach_if(device, POINT_DUPLICATE, rows->count > 0 && !rows->sweep && rows->upto <= *position);
    if (incoming->position > *position) *position = incoming->position;
}

static void on_granted(struct device *device, const Weft__Granted *granted) {
    if (granted->peer < POINT_SLOTS)
        life_of(device)->slot[granted->peer].batches += granted->batches;
}

static void on_batch(struct device *device, uint32_t slot, const Weft__Batch *batch) {
    struct world *world = device->world;
    struct points_life *life = life_of(device);
    reach_if(device, POINT_BACKFILL, !batch->live);
    reach_if(device, POINT_COMPRESSED, batch->raw_bytes != 0);
    reach_if(device, POINT_RELAYED,
             whose(world, batch->owner.data, batch->owner.len) != device->number);
    if (slot >= POINT_SLOTS || life->slot[slot].with == 0) return;
    const uint32_t other = life->slot[slot].with - 1;
    world->points.backfill[other][device->number].under_way++;
    world->points.backfill[other][device->number].more = !batch->live;
    if (!batch->live) world->points.backfill[other][device->number].on = true;
    if (life->slot[slot].batches > 0) life->slot[slot].batches--;
    reach_if(device, POINT_CREDIT_OUT, life->slot[slot].batches == 0 && !batch->live);
}

static void on_packed(struct device *device, const Weft__Packed *packed) {
    struct points *points = &device->world->points;
    if (packed->peer >= POINT_SLOTS) return;
    const uint32_t from = life_of(device)->slot[packed->peer].with - 1;
    if (from >= NET_DEVICES || points->backfill[device->number][from].under_way == 0) return;
    if (--points->backfill[device->number][from].under_way > 0) return;
    if (!points->backfill[device->number][from].more)
        points->backfill[device->number][from].on = false;
}

/* ---- the shared log -------------------------------------------------------------------------- */

static void on_grown(struct device *device, const Weft__Grown *grown) {
    life_of(device)->taking = grown->taking;
    life_of(device)->waiting = grown->waiting;
}

static void on_records(struct device *device, const Weft__Records *records) {
    bool good = records->status == WEFT_OK, full = records->status == WEFT_DISK_FULL;
    reach_if(device, POINT_FULL_RECORDS, full);
    reach_if(device, POINT_RECORDS_LATE, !good && !full);
    const bool given_up = good && records->chunk && records->chunk->give_up;
    if (good && records->chunk)
        life_of(device)->taking = !records->chunk->finish && !records->chunk->give_up;
    reach_if(device, POINT_TAKING_GIVEN_UP, given_up);
    reach_if(device, POINT_CHUNK_UNITED, good && records->chunk && records->chunk->unite);
}

static void on_shipment(struct device *device, const Weft__Shipment *shipment) {
    reach_if(device, POINT_BELOW, shipment->below);
    reach_if(device, POINT_KEPT, shipment->kept);
    if (!shipment->chunk) return;
    reach_if(device, POINT_CHUNK, !shipment->chunk->busy && !shipment->chunk->lost);
    reach_if(device, POINT_CHUNK_BUSY, shipment->chunk->busy);
    reach_if(device, POINT_CHUNK_LOST, shipment->chunk->lost);
}

/* Who resumes asks with the place where its last life was. */
static void on_snapshot_wanted(struct device *device, const Weft__SnapshotWanted *wanted,
                               bool of_here) {
    struct points_life *life = life_of(device);
    if (wanted->records) return;
    if (of_here) {
        reach_if(device, POINT_TAKING_SERVES, life->taking);
        return;
    }
    reach_if(device, POINT_TAKING_RESUMED,
             !life->asked && device->world->points.was_taking[device->number] &&
                 wanted->cursor.len > 0);
    life->asked = true;
}

static void on_attested(struct device *device, const struct edge *edge,
                        const Weft__Attested *attested) {
    if (edge->from >= ACTOR_PEER) reach(device, POINT_STATEMENT);
    if (edge->to < ACTOR_PEER) return;
    for (size_t i = 0; i < attested->n_statements; i++) {
        struct attest attest;
        const struct bytes bytes = {attested->statements[i].data, attested->statements[i].len};
        if (attest_read(bytes, &attest))
            reach_if(device, POINT_STATEMENT_PASSED,
                     whose(device->world, attest.origin.device.bytes, WEFT_ID_SIZE) !=
                         device->number);
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void from_log(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    switch (body->body_case) {
    case WEFT__MAIL__BODY_COMMIT:
        if (edge->to == ACTOR_BULK) on_commit(device, body->commit);
        break;
    case WEFT__MAIL__BODY_INCOMING:
        on_taken(device, body->incoming);
        break;
    case WEFT__MAIL__BODY_GROWN:
        on_grown(device, body->grown);
        break;
    case WEFT__MAIL__BODY_RECORDS:
        on_records(device, body->records);
        break;
    case WEFT__MAIL__BODY_REPAIR:
        reach(device, POINT_REPAIR);
        break;
    case WEFT__MAIL__BODY_ROSTER:
        reach_if(device, POINT_KEYS_CHANGED, body->roster->n_keys > 1);
        break;
    case WEFT__MAIL__BODY_SETTLED:
        reach_if(device, POINT_HOOK_LATE, body->settled->first == 0);
        break;
    case WEFT__MAIL__BODY_FORGOTTEN:
        reach_if(device, POINT_TOMBSTONES, body->forgotten->upto && body->forgotten->count > 0);
        reach_if(device, POINT_DELETIONS, life_of(device)->deletions && body->forgotten->count > 0);
        break;
    case WEFT__MAIL__BODY_ANSWERED:
        for (size_t i = 0; i < body->answered->n_outcomes; i++)
            reach_if(device, POINT_FULL_COMMIT,
                     body->answered->outcomes[i]->status == WEFT_DISK_FULL);
        break;
    default:
        break;
    }
}

static void to_peer(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    switch (body->body_case) {
    case WEFT__MAIL__BODY_BATCH:
        on_batch(device, edge->to - ACTOR_PEER, body->batch);
        break;
    case WEFT__MAIL__BODY_HELD:
        reach_if(device, POINT_PROTOCOL, body->held->fault && body->held->fault[0] != '\0');
        break;
    case WEFT__MAIL__BODY_SHARED_HELD:
        reach_if(device, POINT_PROTOCOL,
                 body->shared_held->fault && body->shared_held->fault[0] != '\0');
        break;
    case WEFT__MAIL__BODY_RANGES:
        reach_if(device, POINT_RANGES, !body->ranges->answer);
        break;
    case WEFT__MAIL__BODY_SHIPMENT:
        on_shipment(device, body->shipment);
        break;
    case WEFT__MAIL__BODY_SNAPSHOT_WANTED:
        on_snapshot_wanted(device, body->snapshot_wanted, false);
        break;
    case WEFT__MAIL__BODY_RULING:
        on_ruling(device, body->ruling);
        break;
    default:
        break;
    }
}

static void from_peer(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    switch (body->body_case) {
    case WEFT__MAIL__BODY_JOINED:
        if (edge->to == ACTOR_BULK) on_joined(device, body->joined);
        break;
    case WEFT__MAIL__BODY_LEFT:
        if (edge->to == ACTOR_BULK) on_left(device, body->left);
        break;
    case WEFT__MAIL__BODY_GRANTED:
        if (edge->to == ACTOR_BULK) on_granted(device, body->granted);
        break;
    case WEFT__MAIL__BODY_PACKED:
        on_packed(device, body->packed);
        break;
    case WEFT__MAIL__BODY_VACATED:
        reach_if(device, POINT_NO_SESSION, body->vacated->missed);
        break;
    case WEFT__MAIL__BODY_SNAPSHOT_WANTED:
        on_snapshot_wanted(device, body->snapshot_wanted, true);
        break;
    default:
        break;
    }
}

void points_mail(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    if (!device->world->keyring) return; /* The library is being founded. */
    if (body->body_case == WEFT__MAIL__BODY_ATTESTED) on_attested(device, edge, body->attested);
    if (body->body_case == WEFT__MAIL__BODY_GOVERN && edge->to == ACTOR_LOG)
        on_govern(device, body->govern);
    if (edge->to == ACTOR_LOG && body->body_case == WEFT__MAIL__BODY_FORGET)
        life_of(device)->deletions = body->forget->deleted;
    if (edge->from == ACTOR_LOG) from_log(device, edge, body);
    if (edge->from >= ACTOR_PEER) from_peer(device, edge, body);
    if (edge->to >= ACTOR_PEER) to_peer(device, edge, body);
}
