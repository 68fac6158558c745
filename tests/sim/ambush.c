/* See ambush.h.
 *
 *     mail ──► is it such a moment? ──► drawn: not now
 *                                   └─► a crash at one of the next writes of the disk
 *                                   └─► soon: the process is killed, restarted, or loses a link
 *
 * Invariants
 *   1. Within a step of an actor only the disk's crash is set; all else waits for ambush_turn().
 *   2. It draws from a stream of its own, and strikes so often at most, each device only once in a
 *      while: worlds still get on.
 * Deliberately not here: faults that come by time (faults.c). */
#include "tests/sim/ambush.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "tests/sim/author.h"
#include "tests/sim/device.h"

#define NEVER UINT64_MAX
#define STRIKES 12u
#define SAVED 4u /* more of them, for what is rarest */
#define SAVED_CHANCE 300u
#define REST_US UINT64_C(2000000)
#define SOON_US 4000u
#define WRITES_MAX 12u
#define OPENINGS 150u /* permille of them that are such a moment: there are many */

enum blow { BLOW_KILL, BLOW_POWER, BLOW_RESTART, BLOW_CUT, BLOW_COUNT };

struct ambush {
    struct world *world;
    struct rng rng;
    uint32_t left, saved;
    struct {
        uint64_t due_us; /* NEVER: nothing waits */
        enum blow blow;
        uint64_t rest_us;       /* nothing new before */
        uint64_t full_until_us; /* NEVER: not its doing */
    } at[DEVICES_MAX];
};

struct ambush *ambush_open(struct world *world) {
    struct ambush *ambush = calloc(1, sizeof *ambush);
    CHECK(ambush != NULL);
    ambush->world = world;
    ambush->left = world->plan.ambush ? STRIKES : 0;
    ambush->saved = world->plan.ambush ? SAVED : 0;
    rng_seed(&ambush->rng, world->plan.seed, UINT64_C(0xa3b5));
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        ambush->at[d].due_us = ambush->at[d].full_until_us = NEVER;
    return ambush;
}

void ambush_close(struct ambush *ambush) {
    free(ambush);
}

static uint64_t draw_down_us(struct ambush *ambush) {
    return rng_between(&ambush->rng, 1000, 2 * ambush->world->plan.fault_length_us);
}

/* Whether this moment is taken. */
static bool takes(struct ambush *ambush, const struct device *device, bool rare) {
    const struct world *world = device->world;
    uint32_t *left = rare ? &ambush->saved : &ambush->left;
    if (*left == 0 || world->healing || disk_is_down(device->disk)) return false;
    if (world->now_us < ambush->at[device->number].rest_us) return false;
    if (!rng_chance(&ambush->rng, rare ? SAVED_CHANCE : world->plan.ambush)) return false;
    --*left;
    ambush->at[device->number].rest_us = world->now_us + REST_US;
    return true;
}

static void crash_soon(struct ambush *ambush, struct device *device) {
    enum disk_survival survival = rng_chance(&ambush->rng, 400) ? DISK_KEEP_SYNCED : DISK_KEEP_SOME;
    device->down_us = draw_down_us(ambush);
    disk_crash_after(device->disk, rng_between(&ambush->rng, 1, WRITES_MAX), survival);
}

static void lie_in_wait(struct device *device, bool rare) {
    struct world *world = device->world;
    struct ambush *ambush = world->ambush;
    if (!takes(ambush, device, rare)) return;
    point_reach(world, POINT_AMBUSH);
    if (rng_chance(&ambush->rng, 400)) {
        crash_soon(ambush, device);
        return;
    }
    ambush->at[device->number].blow = (enum blow)rng_below(&ambush->rng, BLOW_COUNT);
    uint64_t soon_us = rng_below(&ambush->rng, SOON_US);
    if (rng_chance(&ambush->rng, 500)) soon_us = rng_below(&ambush->rng, soon_us / 32 + 1);
    ambush->at[device->number].due_us = world->now_us + soon_us;
}

static void fill_disk(struct ambush *ambush, struct device *device) {
    if (disk_is_full(device->disk)) return;
    disk_set_full(device->disk, true);
    author_ails(device);
    ambush->at[device->number].full_until_us = device->world->now_us + draw_down_us(ambush);
}

void ambush_opening(struct device *device) {
    struct ambush *ambush = device->world->ambush;
    if (!ambush || !rng_chance(&ambush->rng, OPENINGS) || !takes(ambush, device, false)) return;
    point_reach(device->world, POINT_AMBUSH);
    if (rng_chance(&ambush->rng, 350))
        fill_disk(ambush, device);
    else
        crash_soon(ambush, device);
}

/* One of the two devices on the sides of a session, where it is known, or this one. */
static struct device *either(struct device *device, uint32_t other) {
    struct world *world = device->world;
    if (!world->ambush || other >= world->plan.device_count) return device;
    struct device *on_other_side = &world->device[other];
    if (!on_other_side->engine || !rng_chance(&world->ambush->rng, 500)) return device;
    return on_other_side;
}

void ambush_mail(struct device *device, const struct edge *edge, const Weft__Mail *body) {
    const struct world *world = device->world;
    if (!world->ambush) return;
    bool rare = (body->body_case == WEFT__MAIL__BODY_GROWN && body->grown->taking) ||
                (body->body_case == WEFT__MAIL__BODY_INCOMING && edge->from == ACTOR_LOG &&
                 body->incoming->sweeping) ||
                (body->body_case == WEFT__MAIL__BODY_RECORDS && edge->from == ACTOR_LOG &&
                 body->records->chunk);
    bool begun = (body->body_case == WEFT__MAIL__BODY_SHIPMENT && body->shipment->chunk) ||
                 (body->body_case == WEFT__MAIL__BODY_CLAIM && body->claim->invite) ||
                 (body->body_case == WEFT__MAIL__BODY_GOVERN && edge->to == ACTOR_LOG) ||
                 (body->body_case == WEFT__MAIL__BODY_REPAIR);
    bool behind =
        body->body_case == WEFT__MAIL__BODY_BATCH && edge->from == ACTOR_BULK && !body->batch->live;
    if (rare || begun)
        lie_in_wait(device, rare);
    else if (behind)
        lie_in_wait(either(device, points_session(device, edge->to)), false);
}

/* ---- striking -------------------------------------------------------------------------------- */

static void cut_links(struct ambush *ambush, uint32_t device) {
    struct world *world = ambush->world;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (d != device && !net_cut(world->net, device, d, rng_below(&ambush->rng, 2000)))
            (void)net_cut(world->net, d, device, 0);
}

static void strike(struct ambush *ambush, struct device *device, enum blow blow) {
    struct world *world = ambush->world;
    uint64_t up_us = world->now_us + draw_down_us(ambush);
    world_note(world, device, "ambush", (uint64_t)blow, ambush->left);
    switch (blow) {
    case BLOW_KILL:
        device_kill(device, DISK_KEEP_ALL, false, up_us);
        break;
    case BLOW_POWER:
        device_kill(device, rng_chance(&ambush->rng, 400) ? DISK_KEEP_SYNCED : DISK_KEEP_SOME, true,
                    up_us);
        break;
    case BLOW_RESTART:
        device_close(device, up_us);
        break;
    default:
        CHECK(blow == BLOW_CUT);
        cut_links(ambush, device->number);
    }
}

void ambush_turn(struct ambush *ambush) {
    struct world *world = ambush->world;
    for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++) {
        struct device *device = &world->device[d];
        if (ambush->at[d].full_until_us <= world->now_us) {
            ambush->at[d].full_until_us = NEVER;
            disk_set_full(device->disk, false);
        }
        if (ambush->at[d].due_us > world->now_us) continue;
        ambush->at[d].due_us = NEVER;
        if (device->engine && !device_dead(device)) strike(ambush, device, ambush->at[d].blow);
    }
}

uint64_t ambush_due_us(const struct ambush *ambush) {
    uint64_t due = NEVER;
    for (uint32_t d = 0; d < DEVICES_MAX; d++) {
        if (ambush->at[d].due_us < due) due = ambush->at[d].due_us;
        if (ambush->at[d].full_until_us < due) due = ambush->at[d].full_until_us;
    }
    return due;
}

void ambush_heal(struct ambush *ambush) {
    ambush->left = ambush->saved = 0;
    for (uint32_t d = 0; d < DEVICES_MAX; d++)
        ambush->at[d].due_us = ambush->at[d].full_until_us = NEVER;
}
