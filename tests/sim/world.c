/* A world from its first boot to its last check.
 *
 *     found ──► run: writing and faults ──► heal: neither ──► converged? ──► close all
 *
 * One round of the loop: time's deliveries, faults, boots, authors, checks; then one turn of one
 * actor of one device, drawn. When no actor has anything to do, time leaps to what comes next.
 * Invariants
 *   1. Nothing outside the world is asked: no clock, no randomness, no thread.
 *   2. After healing all devices converge within HEAL_MAX_US, or the world has failed.
 * Deliberately not here: what is right (oracle.c), what goes wrong (faults.c), who belongs to it
 * (company.c). */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/absence.h"
#include "tests/sim/ambush.h"
#include "tests/sim/audit.h"
#include "tests/sim/author.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/company.h"
#include "tests/sim/damage.h"
#include "tests/sim/device.h"
#include "tests/sim/diet.h"
#include "tests/sim/faults.h"
#include "tests/sim/ledger.h"
#include "tests/sim/memory.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sums.h"

#define HEAL_MAX_US (UINT64_C(300) * 1000000) /* dead after 45 s, dialled after up to 64 s, hops */
#define QUIET_US (UINT64_C(60) * 1000000)
#define LOOK_US UINT64_C(1000000)
#define TURNS_MAX UINT64_C(4000000)
#define IDLE_MAX 100000u /* rounds without a turn although something is due */
#define FNV_PRIME UINT64_C(0x100000001b3)

bool world_fail_in(struct world *world, const char *file, const char *function, const char *format,
                   ...) {
    const char *name = strrchr(file, '/');
    va_list arguments;
    int length;
    if (world->failed) return false;
    world->failed = true;
    name = name ? name + 1 : file;
    length = snprintf(world->failure, sizeof world->failure, "[%.*s %s] ", (int)strcspn(name, "."),
                      name, function);
    va_start(arguments, format);
    vsnprintf(world->failure + length, sizeof world->failure - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

static void mix(struct world *world, uint64_t value) {
    world->hash = (world->hash ^ value) * FNV_PRIME;
    world->hash ^= world->hash >> 29;
}

void world_note(struct world *world, const struct device *device, const char *what, uint64_t a,
                uint64_t b) {
    uint32_t number = device ? device->number : DEVICES_MAX;
    mix(world, world->now_us);
    mix(world, number);
    for (const char *at = what; *at; at++)
        mix(world, (uint8_t)*at);
    mix(world, a);
    mix(world, b);
    if (world->trace)
        printf("%12.6f  %u  %s %llu %llu\n", (double)world->now_us / 1e6, number, what,
               (unsigned long long)a, (unsigned long long)b);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void boot_due(struct world *world) {
    for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++) {
        struct device *device = &world->device[d];
        if (device->engine && !device_dead(device) && device_outdated(device))
            device_close(device, world->now_us);
        if (world->failed) return;
        bool due = !device->engine && device->up_us <= world->now_us;
        if (due && (!device->outside || company_invite(world->company, device)))
            device_start(device);
        if (world->failed || !device->engine) continue;
        if (!device->talking && world->now_us >= world->begin_us + world->plan.join_us[d])
            device_talk(device);
        /* Opening and talking take steps, in which an armed disk may go down. */
        if (device_dead(device))
            device_kill(device, DISK_KEEP_SYNCED, true, world->now_us + device->down_us);
    }
}

static void authors_turn(struct world *world) {
    for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++)
        author_turn(&world->device[d]);
}

/* Looks at one device, drawn, now and then; and takes every host's events. */
static void look(struct world *world) {
    if (world->now_us < world->look_us) return;
    world->look_us = world->now_us + rng_between(&world->rng, 1, 2 * LOOK_US);
    for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++)
        device_events(&world->device[d]);
    struct device *device = &world->device[rng_below(&world->rng, world->plan.device_count)];
    const bool shown = device->engine && !device_dead(device) && !world->damaged;
    if (!world->failed && shown) (void)oracle_check(device);
}

/* One turn of one actor, drawn from all that can run; false when none can. */
static bool turn_one(struct world *world) {
    uint32_t total = 0, any = 0, awake[DEVICES_MAX];
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        total += world->device[d].actor_count - 1;
        any |= awake[d] = device_awake(&world->device[d]);
    }
    uint32_t at = (uint32_t)rng_below(&world->rng, total);
    uint32_t stride = rng_chance(&world->rng, 500) ? 1 : total - 1;
    for (uint32_t tried = 0; tried < total && any != 0; tried++, at = (at + stride) % total) {
        uint32_t d = 0, actor = at;
        while (actor >= world->device[d].actor_count - 1)
            actor -= world->device[d++].actor_count - 1;
        if (!(awake[d] >> (actor + 1) & 1)) continue;
        if (!device_turn(&world->device[d], actor + 1)) continue;
        world->turns++;
        return true;
    }
    return false;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t devices_due_us(const struct world *world) {
    uint64_t due = UINT64_MAX;
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        const struct device *device = &world->device[d];
        due = least(due, device_due_us(device));
        due = least(due, author_due_us(device));
        if (!device->engine) due = least(due, device->up_us);
        if (device->paused_until_us > world->now_us) due = least(due, device->paused_until_us);
        if (device->engine && !device->talking)
            due = least(due, world->begin_us + world->plan.join_us[d]);
    }
    return due;
}

static uint64_t next_event_us(const struct world *world) {
    uint64_t due = least(net_due(world->net), faults_due_us(world->faults));
    due = least(due, company_due_us(world->company));
    due = least(due, ambush_due_us(world->ambush));
    return least(least(due, world->look_us), devices_due_us(world));
}

/* One of those that are not asked, in turn: so each device is looked at all the while. */
static void check_one_idle(struct world *world) {
    struct device *device = &world->device[world->leaps % world->plan.device_count];
    const uint64_t turn = world->leaps++ / world->plan.device_count;
    if (device->actor_count > 1)
        device_check_idle(device, 1 + (uint32_t)(turn % (device->actor_count - 1)));
}

static void leap(struct world *world, uint64_t until_us) {
    uint64_t due = least(next_event_us(world), until_us);
    check_one_idle(world);
    if (due > world->now_us) {
        world->now_us = due;
        world->idle_rounds = 0;
        return;
    }
    /* Due, and yet unable to run: that may be so for a moment, not for long. */
    world->now_us++;
    if (++world->idle_rounds <= IDLE_MAX) return;
    world_fail(world, "something is due and cannot run: net %d, faults %d, a device %d",
               net_due(world->net) <= world->now_us, faults_due_us(world->faults) <= world->now_us,
               devices_due_us(world) <= world->now_us);
}

void world_run_until(struct world *world, uint64_t until_us) {
    while (world->now_us < until_us && !world->failed) {
        net_advance(world->net, world->now_us);
        faults_turn(world->faults);
        if (!world->failed) ambush_turn(world->ambush);
        if (!world->failed) company_turn(world->company);
        if (!world->failed) boot_due(world);
        if (!world->failed) authors_turn(world);
        if (!world->failed) look(world);
        if (world->failed) break;
        if (turn_one(world)) {
            world->now_us += world->plan.turn_us;
            world->idle_rounds = 0;
        } else {
            leap(world, until_us);
        }
        if (world->turns > TURNS_MAX) world_fail(world, "the actors find no rest");
    }
}

static void print_turns(const struct world *world) {
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        printf("device %u turned", d);
        for (uint32_t a = 1; a < world->device[d].actor_count && a < TURNED_MAX; a++)
            printf(" %s %llu", topology_name(a), (unsigned long long)world->device[d].turned[a]);
        printf("\n");
    }
}

/* ---- beginning and end ----------------------------------------------------------------------- */

void world_open(struct world *world, const struct plan *plan, bool trace) {
    CHECK(plan->device_count >= 2 && plan->device_count <= DEVICES_MAX);
    memset(world, 0, sizeof *world);
    world->plan = *plan;
    world->trace = trace;
    rng_seed(&world->rng, plan->seed, 1);
    /* SQLite has one generator for the whole process. */
    CHECK(sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(plan->seed % 1000000) + 1, NULL) ==
          SQLITE_OK);
    world->cells = calloc(1, sizeof *world->cells);
    CHECK(world->cells != NULL);
    world->net = net_open(plan->device_count, plan->window, plan->seed);
    world->cast.seed = plan->seed;
    world->cast.device_count = plan->device_count;
    world->oracle = oracle_open(world);
    world->ledger = ledger_open(world);
    world->sums = sums_open(world);
    world->diet = diet_open(world);
    world->company = company_open(world);
    world->byzantine = byzantine_open(world);
    for (uint32_t a = 0; a < plan->device_count; a++)
        device_make(world, a);
}

bool world_begin(struct world *world) {
    const struct plan *plan = &world->plan;
    if (!company_found(world->company)) return false;
    world->keyring = keyring_open(&world->cast);
    world->begin_us = world->look_us = world->now_us;
    world->faults = faults_open(world);
    world->ambush = ambush_open(world);
    net_set_partial(world->net, plan->partial);
    for (uint32_t a = 0; a < plan->device_count; a++)
        for (uint32_t b = 0; b < plan->device_count; b++)
            *net_route(world->net, a, b) = plan->route[a][b];
    return true;
}

/* Whether all hold the same now. While rows are damaged, what is wrong is only not right yet. */
static bool converged(struct world *world, char *why) {
    bool equal = false;
    (void)oracle_converged(world, &equal, why);
    for (uint32_t d = 0; d < world->plan.device_count && equal && world->damaged; d++)
        equal = oracle_check(&world->device[d]);
    if (!world->damaged || !world->failed) return equal;
    world->failed = false;
    memcpy(why, world->failure, FAILURE_TEXT);
    return false;
}

static bool converge(struct world *world) {
    char why[FAILURE_TEXT] = "";
    bool equal = false;
    const uint64_t end_us = world->now_us + HEAL_MAX_US;
    while (!equal && !world->failed && world->now_us < end_us) {
        world_run_until(world, world->now_us + 2 * LOOK_US);
        for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++)
            (void)author_poll(&world->device[d]);
        if (!world->failed) equal = converged(world, why);
    }
    return equal || world_fail(world, "no convergence: %s", why);
}

void world_heal(struct world *world) {
    world->healing = true;
    world_note(world, NULL, "healing", 0, 0);
    faults_heal(world->faults);
    byzantine_heal(world);
    ambush_heal(world->ambush);
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        world->device[d].author.silent = true;
    const bool equal = converge(world);
    if (equal && world->plan.fault_mean_us[FAULT_DAMAGE] && !world->far_future &&
        damage_world(world) && converge(world))
        damage_over(world);
    /* What is idle and sound stays up. */
    if (equal && world->plan.calm) world_run_until(world, world->now_us + QUIET_US);
}

void world_last_checks(struct world *world) {
    for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++) {
        struct device *device = &world->device[d];
        if (!device->engine && !world_awaits(world, d)) continue;
        device_events(device);
        if (device_outdated(device)) world_fail(world, "device %u: was not upgraded", d);
        if (!world->failed && oracle_check(device) && audit_check(device))
            device_close(device, UINT64_MAX);
    }
}

void world_close(struct world *world) {
    if (world->failed) return;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        device_unmake(&world->device[d]);
    faults_close(world->faults);
    byzantine_close(world->byzantine);
    ambush_close(world->ambush);
    company_close(world->company);
    oracle_close(world->oracle);
    ledger_close(world->ledger);
    sums_close(world->sums);
    diet_close(world->diet);
    keyring_close(world->keyring);
    net_close(world->net);
    free(world->cells);
}

static void count_disk(struct world *world, const struct disk *disk) {
    const struct disk_counts counts = disk_counts(disk);
    world->points.reached[POINT_IO_ERROR] +=
        counts.failed_io[DISK_IO_READ] + counts.failed_io[DISK_IO_WRITE];
}

void world_run(const struct plan *plan, bool trace, struct outcome *out) {
    const uint64_t starved = memory_failures();
    struct world *world = malloc(sizeof *world);
    CHECK(world != NULL);
    world_open(world, plan, trace);
    if (world_begin(world)) world_run_until(world, world->begin_us + plan->run_us);
    if (!world->failed) world_heal(world);
    if (!world->failed) absence_run(world);
    if (!world->failed) world_last_checks(world);
    if (trace) print_turns(world);
    memset(out, 0, sizeof *out);
    out->failed = world->failed;
    memcpy(out->failure, world->failure, sizeof out->failure);
    out->hash = world->hash;
    out->virtual_us = world->now_us;
    out->turns = world->turns;
    out->lives = world->lives;
    out->steps = world->steps;
    out->writes = world->writes;
    out->rows = oracle_rows(world->oracle);
    world->points.reached[POINT_STARVED] = memory_failures() - starved;
    for (uint32_t d = 0; d < plan->device_count; d++)
        count_disk(world, world->device[d].disk);
    points_end(world);
    memcpy(out->points, world->points.reached, sizeof out->points);
    if (world->faults) memcpy(out->faults, faults_fired(world->faults), sizeof out->faults);
    out->faults[FAULT_DAMAGE] = world->points.reached[POINT_DAMAGED];
    world_close(world);
    if (!out->failed) free(world);
}
