/* See absence.h.
 *
 *     healed ──► one closes ──► the others write for longer than their patience ──► they rest
 *                                                  logs are small? ◄──┘      └──► it opens, healed
 *
 * Invariant: what it draws depends on the seed alone.
 * Deliberately not here: that nothing is forgotten too early (ledger_horizon.c), nor what the one
 * that comes back must come to hold (world_heal()). */
#include "tests/sim/absence.h"

#include <stdio.h>

#include "engine/base/limits.h"
#include "tests/sim/author.h"
#include "tests/sim/company.h"
#include "tests/sim/device.h"
#include "tests/sim/ledger_private.h"

#define SURVEYS \
    8u /* that the others may make after the last write: acknowledgements come meanwhile */
#define WHY_MAX 128u

/* Whether a device is in the library, and there. */
static bool is_there(const struct world *world, uint32_t d) {
    const struct device *device = &world->device[d];
    return device->engine && !device->outside && !company_out(world->company, d);
}

static void reach(const struct world *world, uint32_t from, uint32_t without, bool *seen) {
    const struct plan *plan = &world->plan;
    seen[from] = true;
    for (uint32_t d = 0; d < plan->device_count; d++)
        if (d != without && !seen[d] && is_there(world, d) &&
            (plan->dials[from][d] || plan->dials[d][from]))
            reach(world, d, without, seen);
}

/* Whether two others at least stay, and hear of each other. */
static bool may_go(const struct world *world, uint32_t goes) {
    bool seen[DEVICES_MAX] = {false};
    uint32_t others = 0;
    if (!is_there(world, goes)) return false;
    for (uint32_t d = 0; d < world->plan.device_count; d++) {
        if (d == goes || !is_there(world, d)) continue;
        if (others++ == 0)
            reach(world, d, goes, seen);
        else if (!seen[d])
            return false;
    }
    return others >= 2;
}

/* DEVICES_MAX: nobody. */
static uint32_t choose(const struct world *world) {
    struct rng rng;
    rng_seed(&rng, world->plan.seed, UINT64_C(0xab5e));
    const uint32_t count = world->plan.device_count, first = (uint32_t)rng_below(&rng, count);
    for (uint32_t i = 0; i < count; i++)
        if (may_go(world, (first + i) % count)) return (first + i) % count;
    return DEVICES_MAX;
}

/* A number that a query gives; a failure ends the world. */
static int64_t ask(struct device *device, const char *sql) {
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    int code = sqlite3_prepare_v2(device->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW) (void)ledger_broken(device, sql);
    return number;
}

/* All records that may go have gone, but for so many as stay, and a part of that which is not worth
 * a commit. */
static bool log_is_small(struct device *device, char *why) {
    const int64_t stay = device->world->plan.log_records;
    const int64_t oldest =
        ask(device, "SELECT ifnull(min(place), 0) FROM shared_changes WHERE keep = 0");
    const int64_t newest = ask(device, "SELECT ifnull(max(place), 0) FROM shared_changes");
    snprintf(why, WHY_MAX, "records from place %lld to %lld, where %lld are to stay",
             (long long)oldest, (long long)newest, (long long)stay);
    if (oldest == 0 || newest - stay < oldest + stay / 4) return true;
    /* What waits for its time stays, and all behind it. */
    return ask(device, "SELECT count(*) FROM _weft_quarantine") != 0;
}

/* What all have deleted nobody needs to be told of. Of a removed owner not all hold the same. */
static bool deletions_are_gone(struct device *device, char *why) {
    const int64_t count =
        ask(device, "SELECT count(*) FROM _weft_tombstone AS t JOIN _weft_device AS d "
                    "ON d.id = t.owner JOIN _weft_member AS m ON m.device = d.device "
                    "WHERE NOT m.removed");
    snprintf(why, WHY_MAX, "%lld tombstones", (long long)count);
    return count == 0;
}

/* Each device must be seen once with no more than it needs. Not all at one moment: members that are
 * called away, and say that they are back, go on to write. */
static void forgets(struct world *world) {
    const uint64_t end_us = world->now_us + SURVEYS * LIMIT_PRUNE_US;
    bool small[DEVICES_MAX] = {false}, all = false;
    char why[DEVICES_MAX][WHY_MAX];
    while (!all && !world->failed) {
        world_run_until(world, world->now_us + LIMIT_PRUNE_US / 8);
        all = true;
        for (uint32_t d = 0; d < world->plan.device_count && !world->failed; d++) {
            struct device *device = &world->device[d];
            small[d] = small[d] || !is_there(world, d) ||
                       (log_is_small(device, why[d]) && deletions_are_gone(device, why[d]));
            all = all && small[d];
            if (!small[d] && world->now_us >= end_us)
                world_fail(world, "device %u: still has %s, which all who are there hold", d,
                           why[d]);
        }
    }
}

static void let_write(struct world *world, bool writes) {
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        world->device[d].author.silent = !writes;
}

void absence_run(struct world *world) {
    const struct plan *plan = &world->plan;
    const uint32_t goes = plan->patience_ms ? choose(world) : DEVICES_MAX;
    if (plan->log_records == 0 || plan->liar < NET_DEVICES) return; /* A liar holds nothing. */
    if (goes < DEVICES_MAX) {
        world_note(world, &world->device[goes], "goes", 0, 0);
        device_close(&world->device[goes], UINT64_MAX);
        let_write(world, true);
        world_run_until(world, world->now_us + (plan->patience_ms + plan->wall_step_ms) * 1000 +
                                   2 * LIMIT_PRUNE_US);
    }
    let_write(world, false);
    if (!world->failed) forgets(world);
    if (goes == DEVICES_MAX || world->failed) return;
    world->device[goes].up_us = world->now_us;
    world_heal(world);
}
