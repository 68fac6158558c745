/* See points.h. Here is what follows from a device's lives, its events and its counters; mails are
 * in points_mail.c.
 * Invariant: nothing in a world depends on any of it. */
#include "tests/sim/points.h"

#include <string.h>

#include "tests/sim/world.h"

#define CLOCK_BACK_MS 1000
#define CLOCK_FAR_MS 60000

const char *const point_names[POINT_COUNT] = {
#define POINT_NAME(name, text, meaning) [POINT_##name] = text,
    POINT_LIST(POINT_NAME)
#undef POINT_NAME
};

const char *const point_meanings[POINT_COUNT] = {
#define POINT_MEANING(name, text, meaning) [POINT_##name] = meaning,
    POINT_LIST(POINT_MEANING)
#undef POINT_MEANING
};

void point_reach(struct world *world, enum point point) {
    world->points.reached[point]++;
}

static void reach_if(struct world *world, enum point point, bool reached) {
    world->points.reached[point] += reached;
}

/* ---- lives ----------------------------------------------------------------------------------- */

void points_opened(struct device *device) {
    struct points *points = &device->world->points;
    memset(&points->life[device->number], 0, sizeof points->life[0]);
}

void points_not_opened(struct device *device, enum weft_status status) {
    struct world *world = device->world;
    reach_if(world, POINT_CRASH_OPENING, disk_is_down(device->disk));
    reach_if(world, POINT_FULL_OPENING, status == WEFT_DISK_FULL && !disk_is_down(device->disk));
}

/* What the engine itself has counted in this life. */
static void look_at_stats(struct device *device) {
    struct world *world = device->world;
    struct weft_stats stats;
    weft_stats(device->engine, &stats);
    reach_if(world, POINT_FROM_DISK, stats.batches_from_disk > 0);
    reach_if(world, POINT_FROM_MEMORY, stats.batches_from_memory > 0);
    reach_if(world, POINT_SHARED_BATCH, stats.batches_shared > 0);
    reach_if(world, POINT_EVENTS_LOST, stats.events_lost > 0);
    reach_if(world, POINT_DIGEST_EQUAL, stats.digests_compared > stats.digests_differ);
    reach_if(world, POINT_DIGEST_DIFFERS, stats.digests_differ > 0);
    reach_if(world, POINT_DIGEST_REPAIRED, stats.digests_repaired > 0);
}

/* What was under way when the power went, or the process. */
static void look_at_crash(struct device *device) {
    struct world *world = device->world;
    const struct points_life *life = &world->points.life[device->number];
    reach_if(world, POINT_TAKING_CRASHED, life->taking);
    reach_if(world, POINT_SWEEP_CRASHED, life->sweeping);
    reach_if(world, POINT_SCAN_CRASHED, device->author.scan != 0);
    reach_if(world, POINT_CRASH_PENDING, device->author.pending_count > 0);
    reach_if(world, POINT_CRASH_WAITING, life->waiting);
    reach_if(world, POINT_CRASH_FULL, disk_is_full(device->disk));
    reach_if(world, POINT_CRASH_UNSYNCED, disk_sync_failed(device->disk));
}

/* Nobody sends it anything any more, nor it to anybody. */
static void end_backfills(struct device *device) {
    struct world *world = device->world;
    struct points *points = &world->points;
    const uint32_t me = device->number;
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        reach_if(world, POINT_BACKFILL_ENDED, points->backfill[me][d].on);
        reach_if(world, POINT_SOURCE_ENDED, points->backfill[d][me].on);
        memset(&points->backfill[me][d], 0, sizeof points->backfill[me][d]);
        memset(&points->backfill[d][me], 0, sizeof points->backfill[d][me]);
    }
}

void points_ending(struct device *device, bool well) {
    struct world *world = device->world;
    struct points *points = &world->points;
    bool others = false;
    if (!world->keyring) return; /* The library is being founded. */
    look_at_stats(device);
    if (!well) look_at_crash(device);
    end_backfills(device);
    points->was_taking[device->number] = points->life[device->number].taking;
    reach_if(world, POINT_JOIN_BROKEN, device->outside && device->invite[0] != '\0');
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        others = others || (d != device->number && world->device[d].engine);
    reach_if(world, POINT_ALL_DOWN, !others && !world->healing);
}

void points_end(struct world *world) {
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        reach_if(world, POINT_TORN, disk_counts(world->device[d].disk).sectors_lost > 0);
}

/* ---- events and clocks ----------------------------------------------------------------------- */

static bool some_are_apart(const struct world *world) {
    for (uint32_t a = 0; a < world->plan.device_count; a++)
        for (uint32_t b = 0; b < world->plan.device_count; b++)
            if (a != b && net_route(world->net, a, b)->blocked) return true;
    return false;
}

void points_event(struct device *device, const struct weft_event *event) {
    struct world *world = device->world;
    const uint8_t *self = world->cast.device[device->number].bytes;
    bool of_self = memcmp(event->device, self, sizeof event->device) == 0;
    if (!world->keyring) return;
    switch (event->kind) {
    case WEFT_EVENT_MEMBER:
        if (!of_self || device->number != world->plan.guest) return;
        point_reach(world, POINT_JOINED);
        reach_if(world, POINT_JOINED_APART, some_are_apart(world));
        return;
    case WEFT_EVENT_REMOVED:
        reach_if(world, POINT_TOLD_REMOVED, of_self);
        return;
    case WEFT_EVENT_RESTORED:
        point_reach(world, POINT_RESTORED);
        reach_if(world, POINT_RESTORED_TWICE, device->restores > 1);
        return;
    case WEFT_EVENT_PEER_DOWN:
        reach_if(world, POINT_DEAD_PEER, event->error.status == WEFT_NET);
        return;
    case WEFT_EVENT_FAULT:
        reach_if(world, POINT_FORK, strstr(event->error.text, "has signed two") != NULL);
        return;
    case WEFT_EVENT_PARKED:
        point_reach(world, POINT_PARKED);
        return;
    default:
        return;
    }
}

void points_clock(struct device *device, int64_t before_ms, int64_t now_ms) {
    int64_t least_ms = now_ms;
    const struct world *world = device->world;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (world->device[d].wall_offset_ms < least_ms) least_ms = world->device[d].wall_offset_ms;
    reach_if(device->world, POINT_CLOCK_BACK, now_ms < before_ms - CLOCK_BACK_MS);
    reach_if(device->world, POINT_CLOCK_FAR, now_ms > least_ms + CLOCK_FAR_MS);
}
