/* The faults of a world. Each kind has a clock of its own; those that last (a partition, a full
 * disk) are noted with the moment of their end.
 *
 * Invariants
 *   1. No fault is tried on a device that is down, except that its routes change.
 *   2. After faults_heal() nothing is wrong, and nothing goes wrong any more.
 * Deliberately not here: how an engine dies (device.c) and what a disk loses (image.c). */
#include "tests/sim/faults.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/author.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/company.h"
#include "tests/sim/device.h"
#include "tests/sim/mishaps.h"
#include "tests/sim/oracle.h"

#define NEVER UINT64_MAX
#define BACKUP_RETRY_US UINT64_C(200000)

struct faults {
    struct world *world;
    struct mishaps *mishaps; /* the kinds from FAULT_LATE on */
    struct rng rng;
    uint64_t next_us[FAULT_COUNT];
    uint64_t route_until_us[DEVICES_MAX][DEVICES_MAX];
    uint64_t full_until_us[DEVICES_MAX];
    uint64_t power_us[DEVICES_MAX];   /* the power cut that follows a failed sync */
    uint64_t restore_us[DEVICES_MAX]; /* the backup that takes the disk's place */
    uint64_t fired[FAULT_COUNT];
    uint64_t due_us; /* the first of these; mishaps have their own */
};

static uint64_t draw_next(struct faults *faults, enum fault fault) {
    uint64_t mean = faults->world->plan.fault_mean_us[fault];
    if (mean == 0) return NEVER;
    return faults->world->now_us + rng_between(&faults->rng, 1, 2 * mean);
}

static uint64_t draw_end(struct faults *faults) {
    return faults->world->now_us +
           rng_between(&faults->rng, 1000, 2 * faults->world->plan.fault_length_us);
}

struct faults *faults_open(struct world *world) {
    struct faults *faults = calloc(1, sizeof *faults);
    CHECK(faults != NULL);
    faults->world = world;
    rng_seed(&faults->rng, world->plan.seed, UINT64_C(0xfa17));
    faults->mishaps = mishaps_open(world);
    for (int f = 0; f < FAULT_LATE; f++)
        faults->next_us[f] = draw_next(faults, (enum fault)f);
    for (uint32_t d = 0; d < DEVICES_MAX; d++) {
        faults->full_until_us[d] = faults->power_us[d] = faults->restore_us[d] = NEVER;
        for (uint32_t e = 0; e < DEVICES_MAX; e++)
            faults->route_until_us[d][e] = NEVER;
    }
    return faults;
}

void faults_close(struct faults *faults) {
    mishaps_close(faults->mishaps);
    free(faults);
}

/* ---- the network ----------------------------------------------------------------------------- */

static void change_route(struct faults *faults, uint32_t from, uint32_t to, uint64_t until_us,
                         struct net_route route) {
    if (from == to) return;
    *net_route(faults->world->net, from, to) = route;
    faults->route_until_us[from][to] = until_us;
}

static void block(struct faults *faults, uint32_t from, uint32_t to, uint64_t until_us) {
    struct net_route route = faults->world->plan.route[from][to];
    route.blocked = true;
    change_route(faults, from, to, until_us, route);
}

static void partition(struct faults *faults) {
    uint32_t count = faults->world->plan.device_count;
    uint64_t until = draw_end(faults);
    uint64_t side = rng_between(&faults->rng, 1, (UINT64_C(1) << count) - 2);
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++)
            if ((side >> a & 1) != (side >> b & 1)) block(faults, a, b, until);
}

static void slow_down(struct faults *faults, uint32_t from, uint32_t to) {
    struct net_route route = faults->world->plan.route[from][to];
    route.latency_us = rng_between(&faults->rng, 1000, 3000000);
    route.jitter_us = rng_below(&faults->rng, route.latency_us);
    route.bytes_per_s = rng_between(&faults->rng, 500, 100000);
    change_route(faults, from, to, draw_end(faults), route);
}

static void cut(struct faults *faults, uint32_t a, uint32_t b) {
    uint64_t after = rng_chance(&faults->rng, 300) ? 0 : rng_between(&faults->rng, 1, 3000);
    (void)net_cut(faults->world->net, a, b, after);
}

/* ---- processes and disks --------------------------------------------------------------------- */

static enum disk_survival draw_survival(struct faults *faults) {
    return rng_chance(&faults->rng, 400) ? DISK_KEEP_SYNCED : DISK_KEEP_SOME;
}

/* One draw after the other: in the arguments of one call their order would be the compiler's. */
static void kill_process(struct faults *faults, struct device *device) {
    uint64_t up_us = draw_end(faults);
    device_kill(device, DISK_KEEP_ALL, rng_chance(&faults->rng, 200), up_us);
}

static void cut_power(struct faults *faults, struct device *device) {
    uint64_t up_us = draw_end(faults);
    device_kill(device, draw_survival(faults), true, up_us);
}

static void arm_crash(struct faults *faults, struct device *device) {
    enum disk_survival survival = draw_survival(faults);
    disk_crash_after(device->disk, rng_between(&faults->rng, 1, 60), survival);
}

static void fill_disk(struct faults *faults, struct device *device) {
    if (disk_is_full(device->disk)) return;
    disk_set_full(device->disk, true);
    author_ails(device);
    faults->full_until_us[device->number] = draw_end(faults);
}

static void set_clock(struct faults *faults, struct device *device) {
    const int64_t before_ms = device->wall_offset_ms;
    device->wall_offset_ms = (int64_t)rng_below(&faults->rng, 30001) - 15000;
    if (faults->world->plan.far_clocks && rng_chance(&faults->rng, 600))
        device->wall_offset_ms += (int64_t)rng_between(&faults->rng, 30000, 120000);
    points_clock(device, before_ms, device->wall_offset_ms);
}

/* A backup now, and its return later. What it must not lack is on the disk by then: a device's own
 * rows are one stream, and what was written to it and lost stays with those who have taken it. */
static void back_up(struct faults *faults, struct device *device) {
    bool idle = device->author.pending_count == 0 && !device->outside;
    bool sound =
        !disk_is_full(device->disk) && !disk_ails(device->disk) && !disk_sync_failed(device->disk);
    if (!world_trusts(faults->world, device->number))
        return; /* Who would give it back what it said? */
    if (faults->restore_us[device->number] != NEVER || !idle || !sound) {
        faults->next_us[FAULT_RESTORE] =
            faults->world->now_us + rng_between(&faults->rng, 1, BACKUP_RETRY_US);
        return;
    }
    if (device->restores == INCARNATIONS - 1) return;
    device_back_up(device);
    faults->restore_us[device->number] = draw_end(faults);
}

/* Who has put a backup back once may do it again: the same one, that knows nothing of the first
 * time. */
static void restore_again(struct faults *faults, struct device *device) {
    if (device->restores == INCARNATIONS - 1 || rng_chance(&faults->rng, 500)) return;
    disk_back_up(device->disk); /* As it has just been put back. */
    device->author.shared_only = true;
    faults->restore_us[device->number] = draw_end(faults) + device->up_us - faults->world->now_us;
}

static void restore(struct faults *faults, struct device *device) {
    struct company *company = faults->world->company;
    bool revokes = faults->world->plan.victim < NET_DEVICES &&
                   !company_out(company, faults->world->plan.victim);
    faults->restore_us[device->number] = NEVER;
    if (revokes && rng_chance(&faults->rng, 500)) {
        company_revoke(company, device); /* A record that its backup will lack. */
        faults->restore_us[device->number] = draw_end(faults);
        return;
    }
    device->author.shared_only = false;
    if (!company_may_restore(company, device)) return;
    faults->fired[FAULT_RESTORE]++;
    device_restore(device, draw_end(faults));
    restore_again(faults, device);
}

/* Faults of one device that is up. */
static void strike(struct faults *faults, enum fault fault, struct device *device) {
    switch (fault) {
    case FAULT_KILL:
        kill_process(faults, device);
        break;
    case FAULT_POWER:
        cut_power(faults, device);
        break;
    case FAULT_CRASH:
        device->down_us = draw_end(faults) - faults->world->now_us;
        arm_crash(faults, device);
        break;
    case FAULT_SYNC:
        device->down_us = draw_end(faults) - faults->world->now_us;
        disk_fail_sync(device->disk, rng_between(&faults->rng, 1, 8));
        faults->power_us[device->number] = draw_end(faults);
        break;
    case FAULT_RESTART:
        device_close(device, draw_end(faults));
        break;
    case FAULT_FULL:
        fill_disk(faults, device);
        break;
    case FAULT_PAUSE:
        device->paused_until_us = draw_end(faults);
        break;
    case FAULT_RESTORE:
        back_up(faults, device);
        break;
    default:
        CHECK(fault == FAULT_CLOCK);
        set_clock(faults, device);
    }
}

/* A removal, often where not all can hear of it. */
static void revoke(struct faults *faults, struct device *device) {
    if (rng_chance(&faults->rng, 500)) partition(faults);
    company_revoke(faults->world->company, device);
}

static void fire(struct faults *faults, enum fault fault) {
    struct world *world = faults->world;
    uint32_t count = world->plan.device_count;
    uint32_t a = (uint32_t)rng_below(&faults->rng, count);
    uint32_t b = (a + 1 + (uint32_t)rng_below(&faults->rng, count - 1)) % count;
    struct device *device = &world->device[a];
    world_note(world, device, fault_names[fault], b, faults->fired[fault]);
    if (fault != FAULT_RESTORE) faults->fired[fault]++;
    if (fault == FAULT_CUT)
        cut(faults, a, b);
    else if (fault == FAULT_SWALLOW)
        (void)net_swallow(world->net, a, b);
    else if (fault == FAULT_PARTITION)
        partition(faults);
    else if (fault == FAULT_ONE_WAY)
        block(faults, a, b, draw_end(faults));
    else if (fault == FAULT_SLOW)
        slow_down(faults, a, b);
    else if (fault == FAULT_JOIN)
        company_welcome(world->company);
    else if (fault == FAULT_REVOKE)
        revoke(faults, device);
    else if (device->engine)
        strike(faults, fault, device);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void end_lasting(struct faults *faults, uint64_t now_us) {
    struct world *world = faults->world;
    for (uint32_t a = 0; a < world->plan.device_count; a++) {
        for (uint32_t b = 0; b < world->plan.device_count; b++)
            if (faults->route_until_us[a][b] <= now_us)
                change_route(faults, a, b, NEVER, world->plan.route[a][b]);
        if (faults->full_until_us[a] <= now_us) {
            disk_set_full(world->device[a].disk, false);
            faults->full_until_us[a] = NEVER;
        }
        if (faults->restore_us[a] <= now_us) restore(faults, &world->device[a]);
        if (faults->power_us[a] > now_us || world->failed) continue;
        faults->power_us[a] = NEVER;
        if (world->device[a].engine) cut_power(faults, &world->device[a]);
    }
}

static uint64_t first_due_us(const struct faults *faults) {
    uint64_t due = NEVER;
    for (int f = 0; f < FAULT_LATE && !faults->world->healing; f++)
        if (faults->next_us[f] < due) due = faults->next_us[f];
    for (uint32_t a = 0; a < DEVICES_MAX; a++) {
        if (faults->full_until_us[a] < due) due = faults->full_until_us[a];
        if (faults->power_us[a] < due) due = faults->power_us[a];
        if (faults->restore_us[a] < due) due = faults->restore_us[a];
        for (uint32_t b = 0; b < DEVICES_MAX; b++)
            if (faults->route_until_us[a][b] < due) due = faults->route_until_us[a][b];
    }
    return due;
}

uint64_t faults_due_us(const struct faults *faults) {
    const uint64_t due = mishaps_due_us(faults->mishaps);
    return due < faults->due_us ? due : faults->due_us;
}

void faults_turn(struct faults *faults) {
    struct world *world = faults->world;
    const bool due = world->now_us >= faults->due_us;
    if (due) end_lasting(faults, world->now_us);
    if (!world->failed) mishaps_turn(faults->mishaps);
    for (int f = 0; due && f < FAULT_LATE && !world->failed && !world->healing; f++) {
        if (world->now_us < faults->next_us[f]) continue;
        faults->next_us[f] = draw_next(faults, (enum fault)f);
        fire(faults, (enum fault)f);
        if (f == FAULT_JOIN) faults->next_us[f] = NEVER;
    }
    if (due) faults->due_us = first_due_us(faults);
}

void faults_heal(struct faults *faults) {
    struct world *world = faults->world;
    mishaps_heal(faults->mishaps);
    for (uint32_t a = 0; a < world->plan.device_count; a++) {
        struct device *device = &world->device[a];
        for (uint32_t b = 0; b < world->plan.device_count; b++)
            if (a != b) change_route(faults, a, b, NEVER, world->plan.route[a][b]);
        disk_set_full(device->disk, false);
        disk_fail_sync(device->disk, 0);
        if (!disk_is_down(device->disk)) disk_crash_after(device->disk, 0, DISK_KEEP_ALL);
        faults->full_until_us[a] = faults->power_us[a] = faults->restore_us[a] = NEVER;
        if (device->engine && disk_sync_failed(device->disk))
            device_kill(device, draw_survival(faults), true, world->now_us);
        device->paused_until_us = 0;
        if (!device->engine) device->up_us = world->now_us;
    }
    faults->due_us = first_due_us(faults);
}

const uint64_t *faults_fired(struct faults *faults) {
    for (int f = FAULT_LATE; f < FAULT_FIRST_LIE; f++)
        faults->fired[f] = mishaps_fired(faults->mishaps)[f];
    return faults->fired;
}

void faults_count(struct faults *faults, enum fault fault) {
    faults->fired[fault]++;
}
