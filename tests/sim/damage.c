/* See damage.h.
 *
 *     converged ──► rows changed ──► weft_verify_wait(): not sound ──► converged
 *
 * Invariants
 *   1. Own rows are left alone: of those the file of their owner is right, by definition.
 *   2. Nothing is done to a device that was removed, nor to rows of one.
 *   3. Only one device is damaged: of shared rows, what most have lost is lost; and of two that are
 *      damaged alike one may be repaired from the other.
 * Deliberately not here: repairing (actors/bulk_narrow.c, actors/log_digest.c). */
#include "tests/sim/damage.h"

#include "engine/base/check.h"
#include "tests/sim/company.h"
#include "tests/sim/device.h"

#define DIGESTS_MAX 64u
#define ROWS_MAX 6u

/* Runs a statement; how many rows it has changed. A constraint may forbid it. */
static uint32_t change(struct device *device, sqlite3 *db, char *sql) {
    CHECK(sql != NULL);
    const int before = sqlite3_total_changes(db);
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK && code != SQLITE_CONSTRAINT)
        world_fail(device->world, "device %u: damaging it: %s: %s", device->number, sql,
                   sqlite3_errmsg(db));
    sqlite3_free(sql);
    return (uint32_t)(sqlite3_total_changes(db) - before);
}

/* Some of one owner's rows of a table. */
static uint32_t damage_owned(struct device *device, sqlite3 *db, uint32_t of, enum table table,
                             struct rng *rng) {
    const char *name = table_shapes[table].name;
    char owner[2 * WEFT_ID_SIZE + 1];
    for (uint32_t i = 0; i < WEFT_ID_SIZE; i++)
        sqlite3_snprintf(3, owner + (size_t)2 * i, "%02x", device->world->cast.device[of].bytes[i]);
    /* One draw to a statement: in an argument list compilers take them in any order. */
    const unsigned each = (unsigned)rng_between(rng, 1, 7);
    const unsigned from = (unsigned)rng_below(rng, 2);
    char *some = sqlite3_mprintf("_weft_owner = (SELECT id FROM _weft_device WHERE device = x'%s') "
                                 "AND _weft_version %% %u = %u",
                                 owner, each, from);
    CHECK(some != NULL);
    const uint32_t rows = (uint32_t)rng_between(rng, 1, ROWS_MAX);
    char *sql = rng_chance(rng, 600)
                    ? sqlite3_mprintf("DELETE FROM \"%w\" WHERE _weft_version IN (SELECT "
                                      "_weft_version FROM \"%w\" WHERE %s LIMIT %u) AND %s",
                                      name, name, some, rows, some)
                    : sqlite3_mprintf("UPDATE \"%w\" SET _weft_version = _weft_version + 1 WHERE "
                                      "_weft_version IN (SELECT _weft_version FROM \"%w\" WHERE %s "
                                      "LIMIT %u) AND %s",
                                      name, name, some, rows, some);
    sqlite3_free(some);
    return change(device, db, sql);
}

static uint32_t damage_shared(struct device *device, sqlite3 *db, struct rng *rng) {
    const enum commons_table table = (enum commons_table)rng_below(rng, COMMONS_COUNT);
    const char *name = commons_shapes[table].name;
    if (commons_columns(table, device->version) == 0) return 0;
    return change(device, db,
                  sqlite3_mprintf("DELETE FROM \"%w\" WHERE \"%w\" IN (SELECT \"%w\" FROM \"%w\" "
                                  "LIMIT %u)",
                                  name, commons_shapes[table].columns[0],
                                  commons_shapes[table].columns[0], name,
                                  (unsigned)rng_between(rng, 1, 3)));
}

/* The device looks at its rows, and must find that they are not what it wrote. */
static bool verify(struct device *device) {
    struct world *world = device->world;
    struct weft_digest digests[DIGESTS_MAX];
    struct weft_error why = {0};
    unsigned count = 0, unsound = 0;
    device_stir(device);
    if (weft_verify_wait(device->engine, digests, DIGESTS_MAX, &count, &why) != WEFT_OK)
        return world_fail(world, "device %u: weft_verify_wait: %s", device->number, why.text);
    CHECK(count <= DIGESTS_MAX);
    for (unsigned i = 0; i < count; i++)
        unsound += !digests[i].sound;
    return unsound > 0 || world_fail(world, "device %u: finds damaged rows sound", device->number);
}

static uint32_t damage_device(struct device *device, struct rng *rng) {
    struct world *world = device->world;
    const uint32_t count = world->plan.device_count;
    const uint32_t of = (device->number + 1 + (uint32_t)rng_below(rng, count - 1)) % count;
    const enum table table = (enum table)rng_below(rng, TABLE_COUNT);
    uint32_t changed = 0;
    sqlite3 *db = NULL;
    const int flags = SQLITE_OPEN_READWRITE;
    if (sqlite3_open_v2(device->path, &db, flags, disk_vfs(device->disk)) != SQLITE_OK) {
        world_fail(world, "device %u: opening it to damage it", device->number);
    } else {
        if (!company_out(world->company, of) && table_columns(table, device->version) > 0)
            changed += damage_owned(device, db, of, table, rng);
        if (rng_chance(rng, 500)) changed += damage_shared(device, db, rng);
    }
    sqlite3_close(db);
    return changed;
}

bool damage_world(struct world *world) {
    struct rng rng;
    uint32_t damaged = 0;
    rng_seed(&rng, world->plan.seed, UINT64_C(0xda3a6e));
    for (uint32_t d = 0; d < world->plan.device_count && damaged == 0 && !world->failed; d++) {
        struct device *device = &world->device[d];
        if (company_out(world->company, d) || rng_chance(&rng, 500)) continue;
        world->damaged = world->was_damaged = true;
        const uint32_t changed = damage_device(device, &rng);
        world_note(world, device, "damaged", changed, 0);
        if (changed > 0 && !world->failed && verify(device)) damaged++;
    }
    world->damaged = damaged > 0;
    world->points.reached[POINT_DAMAGED] += damaged;
    return damaged > 0 && !world->failed;
}

void damage_over(struct world *world) {
    world->damaged = false;
    world->points.reached[POINT_REPAIRED]++;
}
