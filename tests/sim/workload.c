/* See workload.h.
 *
 *     plan ──► a world is founded ──► prepare ──► act ──► (all must come to hold the same)
 *
 * Invariant: an act goes on whatever becomes of the device, which may be down at any moment of it.
 * Deliberately not here: the crash, and what is looked at (sweep.c, oracle.c, audit.c). */
#include "tests/sim/workload.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/store/store_annotate.h"
#include "tests/sim/author.h"
#include "tests/sim/company.h"
#include "tests/sim/device.h"

#define SECOND UINT64_C(1000000)
#define ALL 7u

/* ---- what the stories are made of ------------------------------------------------------------ */

static void pass(struct world *world, uint64_t us) {
    world_run_until(world, world->now_us + us);
}

/* The devices whose bits are set write for a while. */
static void write_on(struct world *world, uint32_t devices, uint64_t us) {
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        world->device[d].author.silent = !(devices >> d & 1);
    pass(world, us);
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        world->device[d].author.silent = true;
}

/* Everybody writes a little, and all of it comes to everybody. */
static void begin(struct world *world) {
    write_on(world, ALL, SECOND);
    pass(world, 3 * SECOND);
}

static void stay_down(struct world *world, uint32_t device) {
    if (world->device[device].engine) device_close(&world->device[device], UINT64_MAX);
}

static void come_up(struct world *world, uint32_t device) {
    world->device[device].up_us = world->now_us;
}

/* ---- a library begins ------------------------------------------------------------------------ */

static void plan_nothing(struct plan *plan) {
    (void)plan;
}

static void act_found(struct world *world) {
    struct device *founder = &world->device[0];
    for (uint32_t tried = 0; tried < 6 && !founder->engine && !world->failed; tried++) {
        world->now_us += SECOND;
        device_start(founder);
    }
    for (uint32_t turn = 0; turn < 200 && !world->failed; turn++)
        (void)device_turn(founder, 1 + turn % (founder->actor_count - 1));
    if (!world->failed && founder->engine) device_close(founder, world->now_us);
}

/* ---- a table that was there before ----------------------------------------------------------- */

/* A row that the table has had from the beginning; the same each time. */
static void draw_tag(struct world *world, uint32_t row) {
    struct rng rng;
    rng_seed(&rng, world->plan.seed, 5000 + row);
    commons_draw(world->cells, &world->cast, row, VERSION_OLD, &rng);
}

static bool insert_tag(struct world *world, sqlite3 *db, uint32_t row) {
    sqlite3_stmt *statement = NULL;
    draw_tag(world, row);
    int code =
        sqlite3_prepare_v2(db, "INSERT INTO tag VALUES (?, ?, ?, ?, ?, ?)", -1, &statement, NULL);
    for (uint32_t c = 0; c < 6 && code == SQLITE_OK; c++) {
        const struct weft_value *value = &world->cells->value[c];
        if (value->type == WEFT_TEXT)
            code = sqlite3_bind_text(statement, (int)c + 1, value->as.bytes, (int)value->size,
                                     SQLITE_TRANSIENT);
        else if (value->type == WEFT_BLOB)
            code = sqlite3_bind_blob(statement, (int)c + 1, value->as.bytes, (int)value->size,
                                     SQLITE_TRANSIENT);
        else if (value->type == WEFT_REAL)
            code = sqlite3_bind_double(statement, (int)c + 1, value->as.real);
        else if (value->type == WEFT_INTEGER)
            code = sqlite3_bind_int64(statement, (int)c + 1, value->as.integer);
    }
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE;
}

static void prepare_annotate(struct world *world) {
    const struct device *device = &world->device[0];
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    bool good = sqlite3_open_v2(device->path, &db, flags, disk_vfs(device->disk)) == SQLITE_OK &&
                sqlite3_exec(db,
                             "CREATE TABLE tag (id BLOB PRIMARY KEY, name TEXT, color TEXT, note, "
                             "author BLOB /* @node */, weight REAL); BEGIN",
                             NULL, NULL, NULL) == SQLITE_OK;
    for (uint32_t row = 0; row < COMMONS_TAGS && good; row++)
        good = insert_tag(world, db, row);
    good = good && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (!good) world_fail(world, "making a table: %s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* The table is annotated, as often as it takes; then the library is opened, which takes its rows
 * into the log. */
static void act_annotate(struct world *world) {
    const struct device *device = &world->device[0];
    enum weft_status status = WEFT_IO;
    struct weft_error why = {0};
    for (uint32_t tried = 0; tried < 6 && status != WEFT_OK; tried++) {
        if (disk_is_down(device->disk)) disk_restart(device->disk);
        status = store_annotate(device->path, disk_vfs(device->disk), "tag",
                                "@shared(create: unique)", &why);
        if (status == WEFT_OK || disk_is_down(device->disk)) continue;
        world_fail(world, "weft_annotate: %s", why.text);
        return;
    }
    act_found(world);
}

/* The record of what the table held is the device's, as if its program had written it now. */
static void after_annotate(struct world *world) {
    struct author *author = &world->device[0].author;
    struct step *step = &author->pending[author->pending_count++];
    memset(step, 0, sizeof *step);
    step->version = VERSION_OLD;
    step->shared_count = COMMONS_TAGS;
    for (uint32_t row = 0; row < COMMONS_TAGS; row++) {
        draw_tag(world, row);
        step->shared[row] = (struct shared_op){.kind = OP_PUT, .row = row};
        memcpy(step->shared[row].hash, world->cells->hash, sizeof step->shared[row].hash);
    }
    begin(world);
}

/* ---- older files ----------------------------------------------------------------------------- */

/* What the newer migrations did is taken back: the file is as an older build left it. */
static const char to_format_3[] = "DROP TABLE _weft_subscription; DROP TABLE _weft_floor;"
                                  "ALTER TABLE _weft_position DROP COLUMN clearing;"
                                  "ALTER TABLE _weft_position DROP COLUMN gone;"
                                  "DROP TABLE _weft_contact; DROP TABLE _weft_address;"
                                  "DROP TABLE _weft_session;"
                                  "ALTER TABLE _weft_position DROP COLUMN digest;"
                                  "ALTER TABLE _weft_position DROP COLUMN settled;"
                                  "DROP TABLE _weft_digest; DROP TABLE _weft_word;"
                                  "ALTER TABLE shared_changes DROP COLUMN keep;"
                                  "ALTER TABLE _weft_origin DROP COLUMN proof;"
                                  "ALTER TABLE _weft_member DROP COLUMN away_hlc;"
                                  "ALTER TABLE _weft_member DROP COLUMN back_hlc;"
                                  "DROP TABLE _weft_heard;"
                                  "DELETE FROM _weft_meta WHERE key = 'digests';"
                                  "UPDATE _weft_meta SET value = 3 WHERE key = 'format';";

static void prepare_migrate(struct world *world) {
    const struct device *device = &world->device[0];
    sqlite3 *db = NULL;
    char *why = NULL;
    begin(world);
    stay_down(world, 0);
    if (world->failed) return;
    int code = sqlite3_open_v2(device->path, &db, SQLITE_OPEN_READWRITE, disk_vfs(device->disk));
    if (code == SQLITE_OK) code = sqlite3_exec(db, to_format_3, NULL, NULL, &why);
    if (code != SQLITE_OK) world_fail(world, "going back to an older format: %s", why ? why : "");
    sqlite3_free(why);
    sqlite3_close(db);
}

static void act_come_up(struct world *world) {
    come_up(world, world->device[0].engine ? 1 : 0);
    pass(world, 4 * SECOND);
}

static void plan_upgrade(struct plan *plan) {
    plan->mixed = plan->newer[1] = true;
    plan->shared = 500;
    plan->upgrade_us[0] = plan->upgrade_us[1] = 1000 * SECOND;
}

static void act_upgrade(struct world *world) {
    world->plan.newer[0] = true;
    pass(world, 2 * SECOND);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void plan_owned(struct plan *plan) {
    plan->scans = 150;
}

static void act_write(struct world *world) {
    write_on(world, 1, 2 * SECOND);
}

static void plan_shared(struct plan *plan) {
    plan->shared = 1000;
    plan->rules = (struct commons_rules){.unique = true, .checked = true};
}

static void act_write_both(struct world *world) {
    write_on(world, 3, SECOND);
    pass(world, SECOND / 2);
}

static void plan_quarantine(struct plan *plan) {
    plan->shared = 1000;
    plan->far_clocks = true;
}

static void act_quarantine(struct world *world) {
    world->device[1].wall_offset_ms += 63000;
    write_on(world, 2, SECOND);
    write_on(world, 1, SECOND / 2);
    pass(world, 66 * SECOND); /* Then their time has come. */
}

/* ---- coming and going ------------------------------------------------------------------------ */

static void plan_join(struct plan *plan) {
    plan->guest = 1;
    plan->shared = 300;
}

static void act_join(struct world *world) {
    company_welcome(world->company);
    pass(world, 4 * SECOND);
}

static void plan_remove(struct plan *plan) {
    plan->device_count = 3;
    plan->victim = 2;
    plan->shared = 300;
}

static void act_remove(struct world *world) {
    company_revoke(world->company, &world->device[0]);
    pass(world, 2 * SECOND);
}

/* ---- the horizon ----------------------------------------------------------------------------- */

static void plan_prune(struct plan *plan) {
    plan->log_records = 1;
    plan->shared = 300;
    plan->deletes = 500;
}

static void act_prune(struct world *world) {
    write_on(world, 1, SECOND / 2);
    pass(world, 3 * SECOND);
}

/* Device 2 is the one that stays: who hears nobody calls nobody away. */
static void plan_away(struct plan *plan) {
    plan->device_count = 3;
    plan->log_records = 1;
    plan->patience_ms = 3000;
    plan->deletes = 600;
    plan->chunk_bytes = 600;
}

static void plan_sweep(struct plan *plan) {
    plan_away(plan);
    plan->batch_rows = 2;
}

static void plan_snapshot(struct plan *plan) {
    plan_away(plan);
    plan->shared = 1000;
    plan->shared_deletes = 300;
}

/* Device 1 is away until nothing waits for it any more. */
static void prepare_away(struct world *world) {
    begin(world);
    stay_down(world, 1);
    write_on(world, 1, 2 * SECOND);
    pass(world, 10 * SECOND);
    write_on(world, 1, SECOND);
    pass(world, 4 * SECOND);
}

/* ---- the file as a whole --------------------------------------------------------------------- */

static void plan_restore(struct plan *plan) {
    plan->shared = 500;
}

static void prepare_restore(struct world *world) {
    begin(world);
    if (world->failed) return;
    device_back_up(&world->device[0]);
    write_on(world, 1, SECOND);
    pass(world, 3 * SECOND);
}

static void act_restore(struct world *world) {
    struct device *device = &world->device[0];
    device->author.shared_only = false;
    device_restore(device, world->now_us + SECOND / 10);
    pass(world, SECOND);
    write_on(world, 1, SECOND / 2);
    pass(world, SECOND);
}

static void plan_checkpoint(struct plan *plan) {
    plan->ops_max = 24;
    plan->step_mean_us[0] = SECOND / 100;
    plan->deletes = 0;
}

/* The engine copies the log into the file when it has 4,096 pages of 8 KiB; each lies behind 24
 * bytes. */
#define LOG_NEARLY_FULL (INT64_C(4096) * (8192 + 24) - 500000)

static void prepare_checkpoint(struct world *world) {
    const struct device *device = &world->device[0];
    char path[64];
    snprintf(path, sizeof path, "%s-wal", device->path);
    begin(world);
    for (uint32_t tried = 0; tried < 1000 && !world->failed; tried++) {
        if (disk_file_size(device->disk, path) > LOG_NEARLY_FULL) break;
        write_on(world, 1, SECOND / 50);
    }
}

static void act_checkpoint(struct world *world) {
    write_on(world, 1, SECOND / 12);
    pass(world, SECOND / 10);
}

static void act_close(struct world *world) {
    write_on(world, 1, SECOND / 4);
    if (!world->failed && world->device[0].engine)
        device_close(&world->device[0], world->now_us + SECOND / 5);
    pass(world, SECOND);
}

/* ---- all of them ----------------------------------------------------------------------------- */

const struct workload workloads[] = {
    {"found", "a library is founded", 0, true, plan_nothing, NULL, act_found, NULL},
    {"annotate", "a table that is there is annotated, and its rows adopted", 0, true, plan_nothing,
     prepare_annotate, act_annotate, after_annotate},
    {"migrate", "a file of an older format is opened", 0, false, plan_shared, prepare_migrate,
     act_come_up, NULL},
    {"upgrade", "a newer version of the application has its schema changed", 0, false, plan_upgrade,
     begin, act_upgrade, NULL},
    {"owned", "own rows: puts, sets, deletes, rescans", 0, false, plan_owned, begin, act_write,
     NULL},
    {"shared", "shared rows of two writers, with rivals and parked rows", 0, false, plan_shared,
     begin, act_write_both, NULL},
    {"quarantine", "records from the future, and their release", 0, false, plan_quarantine, begin,
     act_quarantine, NULL},
    {"receive", "batches of another's rows", 1, false, plan_owned, begin, act_write, NULL},
    {"sweep", "the same after an absence, with a sweep", 1, false, plan_sweep, prepare_away,
     act_come_up, NULL},
    {"records", "another's records", 1, false, plan_shared, begin, act_write, NULL},
    {"join", "a device comes in by an invite", 1, false, plan_join, begin, act_join, NULL},
    {"invite", "... as the one that invited it sees it", 0, false, plan_join, begin, act_join,
     NULL},
    {"remove", "a member is removed", 0, false, plan_remove, begin, act_remove, NULL},
    {"removed", "... as another member hears of it", 1, false, plan_remove, begin, act_remove,
     NULL},
    {"prune", "tombstones and records are forgotten", 0, false, plan_prune, begin, act_prune, NULL},
    {"snapshot", "a snapshot is taken", 1, false, plan_snapshot, prepare_away, act_come_up, NULL},
    {"restore", "an older copy of the file goes on as a new incarnation", 0, false, plan_restore,
     prepare_restore, act_restore, NULL},
    {"checkpoint", "the write-ahead log is full", 0, false, plan_checkpoint, prepare_checkpoint,
     act_checkpoint, NULL},
    {"close", "the last connection is closed", 0, false, plan_restore, begin, act_close, NULL},
};
const uint32_t workload_count = sizeof workloads / sizeof workloads[0];

const struct workload *workload_find(const char *name) {
    for (uint32_t i = 0; i < workload_count; i++)
        if (strcmp(workloads[i].name, name) == 0) return &workloads[i];
    return NULL;
}

void workload_plan(const struct workload *workload, struct plan *out) {
    memset(out, 0, sizeof *out);
    out->seed = 7;
    out->device_count = 2;
    out->guest = out->victim = out->liar = NET_DEVICES;
    out->batch_rows = out->group_rows = 16;
    out->tail_bytes = 20000;
    out->peers_max = 6;
    out->window = 262144;
    out->turn_us = 5;
    out->wall_step_ms = 1;
    out->ops_max = 6;
    out->hot = 500;
    out->deletes = out->sets = 250;
    out->shared_hot = 700;
    out->shared_deletes = 200;
    out->shared_sets = 300;
    out->fault_length_us = SECOND;
    workload->plan(out);
    for (uint32_t a = 0; a < out->device_count; a++) {
        if (out->step_mean_us[a] == 0) out->step_mean_us[a] = SECOND / 8;
        for (uint32_t b = 0; b < out->device_count; b++) {
            out->route[a][b] = (struct net_route){.latency_us = 300, .jitter_us = 100};
            out->dials[a][b] = a > b;
            out->named[a][b] = true;
        }
    }
}
