/* See mishaps.h. Each kind has a clock of its own, and for each device the moment of its end.
 *
 * Invariants
 *   1. Chance comes from a source of its own: a world without these kinds is what it was before.
 *   2. After mishaps_heal() nothing is wrong, and nothing goes wrong any more.
 * Deliberately not here: the earlier kinds (faults.c), and what disks and links do (disk_faults.c,
 * net.c). */
#include "tests/sim/mishaps.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "tests/sim/author.h"
#include "tests/sim/device.h"
#include "tests/sim/diet.h"
#include "tests/sim/memory.h"
#include "tests/sim/probe.h"
#include "tests/sim/whims.h"

#define NEVER UINT64_MAX
#define PATIENCE_US UINT64_C(5000000)
#define DAY_MS INT64_C(86400000)

struct mishaps {
    struct world *world;
    struct whims *whims;
    struct rng rng;
    uint64_t next_us[FAULT_COUNT];
    uint64_t until_us[DEVICES_MAX][FAULT_COUNT]; /* NEVER: it does not last */
    uint64_t fired[FAULT_COUNT];
    uint64_t due_us; /* the first of these; whims have their own */
};

static uint64_t draw_next(struct mishaps *mishaps, enum fault fault) {
    uint64_t mean = mishaps->world->plan.fault_mean_us[fault];
    if (mean == 0) return NEVER;
    return mishaps->world->now_us + rng_between(&mishaps->rng, 1, 2 * mean);
}

static uint64_t draw_end(struct mishaps *mishaps) {
    return mishaps->world->now_us +
           rng_between(&mishaps->rng, 1000, 2 * mishaps->world->plan.fault_length_us);
}

static bool lasts(const struct mishaps *mishaps, const struct device *device, enum fault fault) {
    return mishaps->until_us[device->number][fault] != NEVER;
}

struct mishaps *mishaps_open(struct world *world) {
    struct mishaps *mishaps = calloc(1, sizeof *mishaps);
    CHECK(mishaps != NULL);
    mishaps->world = world;
    mishaps->whims = whims_open(world);
    rng_seed(&mishaps->rng, world->plan.seed, UINT64_C(0x1a85));
    for (int f = 0; f < FAULT_COUNT; f++) {
        const bool mine = f >= FAULT_LATE && f < FAULT_FIRST_LIE && f != FAULT_DAMAGE;
        mishaps->next_us[f] = mine ? draw_next(mishaps, (enum fault)f) : NEVER;
        for (uint32_t d = 0; d < DEVICES_MAX; d++)
            mishaps->until_us[d][f] = NEVER;
    }
    return mishaps;
}

void mishaps_close(struct mishaps *mishaps) {
    whims_close(mishaps->whims);
    free(mishaps);
}

/* ---- disks ----------------------------------------------------------------------------------- */

/* What is pending may fail from now on. Now and then it is an opening that meets the fault. */
static bool fail_once(struct mishaps *mishaps, struct device *device, enum disk_io what) {
    if (!device->engine || disk_ails(device->disk)) return false;
    const uint64_t most =
        what == DISK_IO_READ ? 4 : 30; /* It reads little: it has pages in memory. */
    disk_fail_io(device->disk, what, rng_between(&mishaps->rng, 1, most), false);
    author_ails(device);
    device->down_us = draw_end(mishaps) - mishaps->world->now_us;
    if (rng_chance(&mishaps->rng, 400)) device_close(device, mishaps->world->now_us);
    return true;
}

static bool die(struct mishaps *mishaps, struct device *device) {
    if (!device->engine || disk_ails(device->disk)) return false;
    enum disk_io what = rng_chance(&mishaps->rng, 500) ? DISK_IO_READ : DISK_IO_WRITE;
    disk_fail_io(device->disk, what, rng_between(&mishaps->rng, 1, 60), true);
    author_ails(device);
    device->down_us = draw_end(mishaps) - mishaps->world->now_us;
    mishaps->until_us[device->number][FAULT_DIES] = draw_end(mishaps);
    return true;
}

/* A program that writes on must hear that it cannot: tickets are answered, or the engine ends. */
static void must_have_said(struct device *device) {
    const struct author *author = &device->author;
    if (!device->engine || device_dead(device) || device->paused_until_us > 0) return;
    if (!author_poll(device) || author->pending_count == 0) return;
    if (author->pending[0].at_us + PATIENCE_US < device->world->now_us)
        world_fail(device->world, "device %u: says nothing of ticket %llu, and its disk is dead",
                   device->number, (unsigned long long)author->pending[0].ticket);
}

/* The disk is replaced by one that has what it had, when the machine is off. */
static void replace_disk(struct mishaps *mishaps, struct device *device) {
    enum disk_survival survival =
        rng_chance(&mishaps->rng, 400) ? DISK_KEEP_SYNCED : DISK_KEEP_SOME;
    must_have_said(device);
    if (device->world->failed) return;
    if (device->engine) device_kill(device, survival, true, draw_end(mishaps));
    disk_mend(device->disk);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool starve(struct mishaps *mishaps, struct device *device) {
    const bool for_ever = rng_chance(&mishaps->rng, 300);
    if (!device->engine || memory_ails(NULL)) return false;
    memory_fail(device, rng_between(&mishaps->rng, 1, 200), for_ever);
    author_ails(device);
    device->down_us = draw_end(mishaps) - mishaps->world->now_us;
    mishaps->until_us[device->number][FAULT_MEMORY] = draw_end(mishaps);
    if (rng_chance(&mishaps->rng, 200)) device_close(device, mishaps->world->now_us);
    return true;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* The machine is off, and when it is on again its clock is somewhere else; later it is set. */
static bool lose_clock(struct mishaps *mishaps, struct device *device, enum fault fault) {
    if (!device->engine || lasts(mishaps, device, FAULT_EPOCH)) return false;
    if (lasts(mishaps, device, FAULT_FUTURE)) return false;
    device_kill(device, DISK_KEEP_SYNCED, true, draw_end(mishaps));
    if (fault == FAULT_FUTURE) {
        device->wall_offset_ms = (int64_t)rng_between(&mishaps->rng, 2, 30 * 365) * DAY_MS;
        mishaps->world->far_future = true;
    } else {
        device->wall_offset_ms = -(int64_t)rng_between(&mishaps->rng, 60000, 365 * DAY_MS);
    }
    mishaps->until_us[device->number][fault] = draw_end(mishaps);
    return true;
}

static void set_clock_right(struct mishaps *mishaps, struct device *device) {
    device->wall_offset_ms = mishaps->world->plan.wall_offset_ms[device->number];
}

/* ---- the network ----------------------------------------------------------------------------- */

static bool redial(struct mishaps *mishaps, struct device *device, uint32_t other) {
    struct world *world = mishaps->world;
    char address[NET_ADDRESS_SIZE], target[NET_ADDRESS_SIZE + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
    struct weft_error why = {0};
    if (!device->engine || !device->talking || device->outside || world->device[other].outside)
        return false;
    net_address(other, address);
    id_text(&world->cast.device[other], id);
    snprintf(target, sizeof target, "%s#%s", address, id);
    enum weft_status status = weft_connect(device->engine, target, &why);
    if (status != WEFT_OK && !device_dead(device))
        world_fail(world, "device %u: weft_connect: %s", device->number, why.text);
    return true;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Whether it has a file that is a member's. */
static bool is_there(const struct device *device) {
    return device->lives > 0 && !device->outside && !disk_ails(device->disk) && !memory_ails(NULL);
}

/* For a while; not while it has set it already. */
static bool set_whim(struct mishaps *mishaps, enum fault fault, struct device *device,
                     uint32_t other) {
    if (lasts(mishaps, device, fault)) return false;
    const bool begun = fault == FAULT_DIET
                           ? diet_begin(mishaps->world->diet, &mishaps->rng, device, other)
                           : whims_begin(mishaps->whims, &mishaps->rng, fault, device, other);
    if (!begun) return false;
    mishaps->until_us[device->number][fault] = draw_end(mishaps);
    return true;
}

static bool strike(struct mishaps *mishaps, enum fault fault, struct device *device,
                   uint32_t other) {
    struct world *world = mishaps->world;
    struct net *net = world->net;
    switch (fault) {
    case FAULT_READ:
        return fail_once(mishaps, device, DISK_IO_READ);
    case FAULT_WRITE:
        return fail_once(mishaps, device, DISK_IO_WRITE);
    case FAULT_DIES:
        return die(mishaps, device);
    case FAULT_MEMORY:
        return starve(mishaps, device);
    case FAULT_SWAP:
        return is_there(device) && is_there(&world->device[other]) &&
               probe_swap(device, &world->device[other], &mishaps->rng);
    case FAULT_CLONE:
        return is_there(device) && probe_clone(device, &mishaps->rng);
    case FAULT_ROT:
        return is_there(device) && probe_rot(device, &mishaps->rng);
    case FAULT_EPOCH:
    case FAULT_FUTURE:
        return lose_clock(mishaps, device, fault);
    case FAULT_FLIP:
        return net_flip(net, device->number, other, rng_below(&mishaps->rng, 2000));
    case FAULT_REFUSE:
        net_refuse(net, device->number, true);
        mishaps->until_us[device->number][fault] = draw_end(mishaps);
        return true;
    case FAULT_HUSH:
    case FAULT_RATES:
    case FAULT_METERED:
    case FAULT_DIET:
        return set_whim(mishaps, fault, device, other);
    default:
        CHECK(fault == FAULT_REDIAL);
        return redial(mishaps, device, other);
    }
}

static void end_one(struct mishaps *mishaps, enum fault fault, struct device *device) {
    mishaps->until_us[device->number][fault] = NEVER;
    switch (fault) {
    case FAULT_DIES:
        replace_disk(mishaps, device);
        break;
    case FAULT_MEMORY:
        memory_mend(device);
        break;
    case FAULT_EPOCH:
    case FAULT_FUTURE:
        set_clock_right(mishaps, device);
        break;
    case FAULT_HUSH:
    case FAULT_RATES:
    case FAULT_METERED:
        whims_end(mishaps->whims, fault, device);
        break;
    case FAULT_DIET:
        diet_end(mishaps->world->diet, device);
        break;
    default:
        CHECK(fault == FAULT_REFUSE);
        net_refuse(mishaps->world->net, device->number, false);
    }
}

static uint64_t first_due_us(const struct mishaps *mishaps) {
    uint64_t due = NEVER;
    for (int f = FAULT_LATE; f < FAULT_FIRST_LIE; f++) {
        if (mishaps->next_us[f] < due && !mishaps->world->healing) due = mishaps->next_us[f];
        for (uint32_t d = 0; d < DEVICES_MAX; d++)
            if (mishaps->until_us[d][f] < due) due = mishaps->until_us[d][f];
    }
    return due;
}

void mishaps_turn(struct mishaps *mishaps) {
    struct world *world = mishaps->world;
    uint32_t count = world->plan.device_count;
    const bool is_due = world->now_us >= mishaps->due_us;
    for (uint32_t d = 0; d < count && is_due; d++)
        for (int f = FAULT_LATE; f < FAULT_FIRST_LIE && !world->failed; f++)
            if (mishaps->until_us[d][f] <= world->now_us)
                end_one(mishaps, (enum fault)f, &world->device[d]);
    whims_turn(mishaps->whims);
    diet_turn(world->diet);
    if (!is_due) return;
    for (int f = FAULT_LATE; f < FAULT_FIRST_LIE && !world->failed && !world->healing; f++) {
        if (world->now_us < mishaps->next_us[f]) continue;
        uint32_t a = (uint32_t)rng_below(&mishaps->rng, count);
        uint32_t b = (a + 1 + (uint32_t)rng_below(&mishaps->rng, count - 1)) % count;
        mishaps->next_us[f] = draw_next(mishaps, (enum fault)f);
        world_note(world, &world->device[a], fault_names[f], b, mishaps->fired[f]);
        mishaps->fired[f] += strike(mishaps, (enum fault)f, &world->device[a], b);
    }
    mishaps->due_us = first_due_us(mishaps);
}

uint64_t mishaps_due_us(const struct mishaps *mishaps) {
    const uint64_t whims = whims_due_us(mishaps->whims);
    const uint64_t diet = diet_due_us(mishaps->world->diet);
    const uint64_t due = whims < diet ? whims : diet;
    return due < mishaps->due_us ? due : mishaps->due_us;
}

void mishaps_heal(struct mishaps *mishaps) {
    struct world *world = mishaps->world;
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        for (int f = FAULT_LATE; f < FAULT_FIRST_LIE; f++)
            if (mishaps->until_us[d][f] != NEVER)
                end_one(mishaps, (enum fault)f, &world->device[d]);
        disk_mend(world->device[d].disk);
    }
    mishaps->due_us = first_due_us(mishaps);
}

const uint64_t *mishaps_fired(const struct mishaps *mishaps) {
    return mishaps->fired;
}
