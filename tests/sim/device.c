/* One device from boot to boot.
 *
 *     down ── device_start ──► up ── device_kill, or the disk goes down in a step ──► down
 *       ▲                       └─── device_close ──────────────────────────────────► down
 *
 * Its monotonic clock begins anew with each boot; its wall clock drifts, and is set now and then.
 * Invariants
 *   1. While the engine is down no handle of its disk is open, and its vault answers nobody.
 *   2. An engine whose disk has gone down takes no further step: the power is gone.
 * Deliberately not here: when any of it happens (faults.c, world.c). */
#include "tests/sim/device.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/ambush.h"
#include "tests/sim/author.h"
#include "tests/sim/company.h"
#include "tests/sim/memory.h"
#include "tests/sim/mirror.h"
#include "tests/sim/oracle.h"
#include "tests/sim/pace.h"

#define EPOCH_MS INT64_C(1760000000000)
#define MONO_START_US UINT64_C(1000000)

static uint64_t mono_us(const struct device *device) {
    return device->world->now_us - device->boot_us + MONO_START_US;
}

struct instant device_instant(void *self) {
    const struct device *device = self;
    int64_t us = (int64_t)device->world->now_us;
    int64_t wall_us = us + us / 1000000 * device->drift_ppm;
    int64_t wall_ms = EPOCH_MS + device->wall_offset_ms + wall_us / 1000;
    wall_ms -= wall_ms % (int64_t)device->world->plan.wall_step_ms;
    return (struct instant){.mono_us = mono_us(device), .wall_ms = (uint64_t)wall_ms};
}

uint64_t device_wall_ms(const struct device *device) {
    return device_instant((void *)(uintptr_t)device).wall_ms;
}

void device_make(struct world *world, uint32_t number) {
    struct device *device = &world->device[number];
    char name[32];
    device->world = world;
    device->number = number;
    device->actor_count = ACTOR_HOST + 1;
    device->wall_offset_ms = world->plan.wall_offset_ms[number];
    device->drift_ppm = world->plan.drift_ppm[number];
    snprintf(name, sizeof name, "weftsim-%u", number);
    snprintf(device->path, sizeof device->path, "/device%u/library.db", number);
    struct time_port time = {.self = device, .now = device_instant};
    device->disk = disk_open(name, rng_mix(world->plan.seed, number), time);
    device->vault = vault_open(rng_mix(world->plan.seed, 100 + number), device->disk);
    rng_seed(&device->entropy, world->plan.seed, 1000 + number);
    rng_seed(&device->author.rng, world->plan.seed, 2000 + number);
}

void device_unmake(struct device *device) {
    CHECK(device->engine == NULL);
    vault_close(device->vault);
    disk_close(device->disk);
}

static void engine_works(struct device *device, bool works) {
    (void)disk_at_work(device->disk, works);
    (void)memory_at_work(works ? device : NULL);
}

void device_works(struct device *device, bool works) {
    if (works) device_stir(device);
    engine_works(device, works);
}

/* ---- the end of a life ----------------------------------------------------------------------- */

static void life_over(struct device *device, uint64_t up_us) {
    struct world *world = device->world;
    memory_mend(device);
    device->engine = NULL;
    device->up_us = up_us;
    device->author.scan = 0;
    device->talking = false;
    vault_crash(device->vault);
    world->lives++;
    if (disk_open_handles(device->disk) != 0)
        world_fail(world, "device %u: the engine left %u files open", device->number,
                   disk_open_handles(device->disk));
}

void device_kill(struct device *device, enum disk_survival survival, bool silent, uint64_t up_us) {
    struct world *world = device->world;
    CHECK(device->engine != NULL);
    world_note(world, device, silent ? "power cut" : "killed",
               engine_topology(device->engine)->hash, survival);
    points_ending(device, false);
    if (!disk_is_down(device->disk)) disk_crash(device->disk, survival);
    oracle_detach(device);
    net_end(world->net, device->number, silent);
    device->closed_well = false;
    engine_kill(device->engine);
    life_over(device, up_us);
}

void device_close(struct device *device, uint64_t up_us) {
    struct world *world = device->world;
    CHECK(device->engine != NULL);
    if (!author_poll(device)) return;
    world_note(world, device, "closed", engine_topology(device->engine)->hash, 0);
    points_ending(device, true);
    oracle_detach(device);
    const bool dead = device_dead(device);
    device_works(device, true);
    const bool stopped = engine_close(device->engine);
    device_works(device, false);
    const bool failed =
        disk_sync_failed(device->disk) || disk_io_failed(device->disk) || memory_failed(device);
    if (!stopped && !dead && !disk_is_down(device->disk) && !failed)
        world_fail(world, "device %u: closing it does not come to its end", device->number);
    net_end(world->net, device->number, false);
    device->closed_well = !disk_is_down(device->disk) && !failed;
    life_over(device, up_us);
}

/* ---- backups --------------------------------------------------------------------------------- */

void device_back_up(struct device *device) {
    world_note(device->world, device, "backed up", 0, 0);
    disk_back_up(device->disk);
    company_backed_up(device->world->company, device);
    device->author.shared_only = true;
}

void device_restore(struct device *device, uint64_t up_us) {
    struct world *world = device->world;
    if (device->engine) device_kill(device, DISK_KEEP_ALL, true, up_us);
    world_note(world, device, "restored", device->restores, 0);
    disk_restore(device->disk);
    vault_restamp(device->vault);
    device->restores++;
    device->version = VERSION_OLD; /* Perhaps: it is tried. */
    device->moved = device->tells = true;
    oracle_restored(device);
    company_restored(world->company, device);
}

/* A restored file goes on as a new incarnation, one that never was, and says so when it is first
 * opened. It is the greatest, too, unless the clock that it is made of is wrong,
 * or stood still since the last one. */
static bool check_incarnation(struct device *device) {
    struct world *world = device->world;
    const uint64_t *mean = world->plan.fault_mean_us;
    const bool clocks = mean[FAULT_CLOCK] || mean[FAULT_EPOCH] || mean[FAULT_FUTURE] ||
                        world->plan.wall_step_ms > 1;
    uint64_t before = device->incarnation;
    if (!snapshot_incarnation(device, &device->incarnation)) return false;
    bool right = device->moved ? device->incarnation > before || clocks
                               : device->incarnation == before || before == 0;
    for (uint32_t i = 0; i < device->restores && device->moved; i++)
        right = right && device->incarnation != device->incarnations[i];
    if (device->moved || before == 0) device->incarnations[device->restores] = device->incarnation;
    if (!right)
        return world_fail(world, "device %u: incarnation %llu after %llu, restored %u times",
                          device->number, (unsigned long long)device->incarnation,
                          (unsigned long long)before, device->restores);
    device_events(device);
    device->moved = false;
    if (device->tells)
        return world_fail(world, "device %u: was restored, and does not say so", device->number);
    return !world->failed;
}

/* ---- its beginning --------------------------------------------------------------------------- */

bool device_outdated(const struct device *device) {
    const struct world *world = device->world;
    const struct plan *plan = &world->plan;
    if (!plan->mixed || device->version == VERSION_NEW) return false;
    if (plan->newer[device->number] || world->healing) return true;
    return world->begin_us && world->now_us >= world->begin_us + plan->upgrade_us[device->number];
}

static enum weft_status open_engine(struct device *device, enum version version, bool upgrade,
                                    struct weft_error *why) {
    struct world *world = device->world;
    const struct plan *plan = &world->plan;
    static const uint8_t library[WEFT_ID_SIZE] = LIBRARY_NAME;
    struct time_port time = {.self = device, .now = device_instant};
    struct weft_config config = {.path = device->path,
                                 .schema = commons_schema(&plan->rules, version, upgrade),
                                 .library = library,
                                 .threads = WEFT_THREADS_NONE,
                                 .invite = device->invite[0] ? device->invite : NULL,
                                 .peers_max = plan->peers_max,
                                 .door_bytes = plan->door_bytes,
                                 .cache_bytes = plan->cache_bytes,
                                 .paused = device->alone};
    struct engine_ports ports = {.entropy = rng_entropy(&device->entropy),
                                 .runner = net_ports(world->net, device->number, time),
                                 .vault = vault_port(device->vault),
                                 .vfs = disk_vfs(device->disk),
                                 .batch_rows = plan->batch_rows,
                                 .group_rows = plan->group_rows,
                                 .tail_bytes = plan->tail_bytes,
                                 .log_records = plan->log_records,
                                 .chunk_bytes = plan->chunk_bytes,
                                 .checkpoint_pages = plan->checkpoint_pages,
                                 .page_bytes = plan->page_bytes,
                                 .patience_ms = plan->patience_ms,
                                 .hook_mails = device->lives % 3 == 0 ? 8 : 0,
                                 .repack = true};
    device_works(device, true);
    enum weft_status status = engine_open(&config, &ports, &device->engine, why);
    device_works(device, false);
    return status;
}

/* Opens it with the application that it has now. Whether the newer one has had the file already is
 * not known when an opening failed: then it had, if the columns are there that it adds. */
enum weft_status device_open(struct device *device, struct weft_error *why) {
    const bool outdated = device_outdated(device);
    const enum version version =
        outdated || device->version == VERSION_NEW ? VERSION_NEW : VERSION_OLD;
    const bool upgrade = outdated && device->was_old;
    device->was_old = device->was_old || version == VERSION_OLD;
    enum weft_status status = open_engine(device, version, upgrade, why);
    if (status == WEFT_SCHEMA && upgrade) status = open_engine(device, version, false, why);
    if (status != WEFT_OK) return status;
    device->upgraded = device->upgraded || (upgrade && device->version != VERSION_NEW);
    device->version = version;
    return WEFT_OK;
}

/* Learns who the device is, or that it is still the same. */
static bool identify(struct device *device) {
    struct world *world = device->world;
    struct id id;
    weft_device(device->engine, id.bytes);
    struct id *known = &world->cast.device[device->number];
    if (device->known && !id_equal(known, &id))
        return world_fail(world, "device %u: has another id after a restart", device->number);
    *known = id;
    device->known = true;
    for (int t = 0; t < TABLE_COUNT; t++) {
        int model = weft_model(device->engine, table_shapes[t].name);
        if ((model >= 0) != (table_columns((enum table)t, device->version) > 0))
            return world_fail(world, "device %u: model \"%s\" is there, or not, unlike its schema",
                              device->number, table_shapes[t].name);
        device->model_id[t] = model < 0 ? 0 : model + 1;
    }
    for (int t = 0; t < COMMONS_COUNT; t++) {
        int model = weft_model(device->engine, commons_shapes[t].name);
        if ((model >= 0) != (commons_columns((enum commons_table)t, device->version) > 0))
            return world_fail(world, "device %u: model \"%s\" is there, or not, unlike its schema",
                              device->number, commons_shapes[t].name);
        device->commons_id[t] = model < 0 ? 0 : model + 1;
    }
    device->actor_count = engine_topology(device->engine)->actor_count;
    CHECK(device->actor_count <= TURNED_MAX);
    return true;
}

static void open_failed(struct device *device, const struct weft_error *why) {
    struct world *world = device->world;
    bool down = disk_is_down(device->disk);
    bool full = why->status == WEFT_DISK_FULL && disk_is_full(device->disk);
    bool unsynced = disk_sync_failed(device->disk);
    bool ails = (why->status == WEFT_IO && disk_io_failed(device->disk)) ||
                (why->status == WEFT_NO_MEMORY && memory_failed(device));
    world_note(world, device, "did not open", (uint64_t)-why->status, down);
    points_not_opened(device, why->status);
    net_end(world->net, device->number, false);
    memory_mend(device);
    vault_crash(device->vault);
    device->up_us = world->now_us + 500000;
    device->tells = false; /* It may have found out, and gone down before it said so. */
    if (!down && !full && !unsynced && !ails) {
        world->refused = true;
        world_fail(world, "device %u: could not be opened: %s: %s", device->number,
                   weft_status_name(why->status), why->text);
    }
    if (disk_open_handles(device->disk) != 0)
        world_fail(world, "device %u: a failed open left %u files open", device->number,
                   disk_open_handles(device->disk));
}

void device_start(struct device *device) {
    struct world *world = device->world;
    struct weft_error why = {0};
    CHECK(device->engine == NULL);
    if (disk_is_down(device->disk)) disk_restart(device->disk);
    vault_restart(device->vault);
    device->boot_us = world->now_us;
    net_boot(world->net, device->number);
    pace_turn(device);
    ambush_opening(device);
    if (device_open(device, &why) != WEFT_OK) {
        open_failed(device, &why);
        return;
    }
    world_note(world, device, "opened", 0, 0);
    points_opened(device);
    device->lives++;
    if (!identify(device)) return;
    if (world->keyring) {
        if (!oracle_attach(device) || !check_incarnation(device)) return;
        author_begin(device);
        company_started(world->company, device);
    }
}

bool device_dead(const struct device *device) {
    CHECK(device->engine != NULL);
    const bool failed =
        disk_sync_failed(device->disk) || disk_io_failed(device->disk) || memory_failed(device);
    return disk_is_down(device->disk) ||
           (failed && topology_failed(engine_topology(device->engine), NULL));
}

bool device_ails(const struct device *device) {
    return disk_is_full(device->disk) || disk_ails(device->disk) || memory_ails(device);
}

bool device_listen(struct device *device) {
    char address[NET_ADDRESS_SIZE], bound[WEFT_ADDRESS_MAX];
    struct weft_error why = {0};
    device_stir(device);
    net_address(device->number, address);
    enum weft_status status = weft_listen_wait(device->engine, address, bound, &why);
    if (status == WEFT_OK || device_dead(device)) return true;
    return world_fail(device->world, "device %u: weft_listen_wait: %s", device->number, why.text);
}

void device_talk(struct device *device) {
    struct world *world = device->world;
    const struct plan *plan = &world->plan;
    struct weft_error why = {0};
    device->talking = true;
    if (!device_listen(device)) return;
    for (uint32_t d = 0; d < plan->device_count; d++) {
        char address[NET_ADDRESS_SIZE], target[NET_ADDRESS_SIZE + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        if (!plan->dials[device->number][d]) continue;
        net_address(d, address);
        id_text(&world->cast.device[d], id);
        bool named = plan->named[device->number][d];
        snprintf(target, sizeof target, "%s%s%s", address, named ? "#" : "", named ? id : "");
        enum weft_status status = weft_connect(device->engine, target, &why);
        if (status != WEFT_OK && !device_dead(device))
            world_fail(world, "device %u: weft_connect: %s", device->number, why.text);
    }
}

/* ---- its course ------------------------------------------------------------------------------ */

void device_stir(struct device *device) {
    device->idle = 0;
}

/* Actors that had nothing to do when they were asked last have nothing to do now either, but those
 * of the bits that this gives: what they do follows from their mails, their watches, their time,
 * and what stirs the device. */
uint32_t device_awake(struct device *device) {
    if (!device->engine || device->world->now_us < device->paused_until_us) return 0;
    const struct topology *topology = engine_topology(device->engine);
    const uint64_t now = mono_us(device);
    if (device->idle_hash != topology->hash) device_stir(device);
    device->idle_hash = topology->hash;
    uint32_t awake = 0;
    for (uint32_t a = ACTOR_HOST + 1; a < topology->actor_count; a++) {
        const bool idle =
            (device->idle >> a & 1) && !topology->actors[a].watch.ready && now < device->due_us[a];
        awake |= (uint32_t)!idle << a;
    }
    return awake;
}

static bool turn_actor(struct device *device, uint32_t actor) {
    pace_turn(device);
    engine_works(device, true);
    const bool turned = runner_turn(engine_runner(device->engine), actor);
    engine_works(device, false);
    if (turned) {
        device_stir(device);
        device->turned[actor]++;
    } else {
        device->idle |= 1u << actor;
        device->due_us[actor] = actor_due_us(&engine_topology(device->engine)->actors[actor]);
    }
    return turned;
}

bool device_turn(struct device *device, uint32_t actor) {
    struct world *world = device->world;
    CHECK(actor < TURNED_MAX);
    if (!device->engine || world->now_us < device->paused_until_us) return false;
    if (!turn_actor(device, actor)) return false;
    if (device_dead(device))
        device_kill(device, DISK_KEEP_SYNCED, true, world->now_us + device->down_us);
    else if (oracle_turned(device) && actor == ACTOR_LOG)
        mirror_turned(device);
    return true;
}

void device_check_idle(struct device *device, uint32_t actor) {
    if (!device->engine || device->world->now_us < device->paused_until_us) return;
    if (device_awake(device) >> actor & 1) return;
    const bool turned = runner_turn(engine_runner(device->engine), actor);
    CHECK(!turned); /* Somebody has stirred the device and not said so. */
}

uint64_t device_due_us(const struct device *device) {
    if (!device->engine) return UINT64_MAX;
    const struct topology *topology = engine_topology(device->engine);
    uint64_t due = UINT64_MAX;
    for (uint32_t i = ACTOR_HOST + 1; i < topology->actor_count; i++) {
        const bool asked = (device->idle >> i & 1) && device->idle_hash == topology->hash;
        uint64_t one = asked ? device->due_us[i] : actor_due_us(&topology->actors[i]);
        if (one < due) due = one;
    }
    if (due == DUE_NEVER) return UINT64_MAX;
    due = due < MONO_START_US ? 0 : due - MONO_START_US;
    due += device->boot_us;
    return due < device->paused_until_us ? device->paused_until_us : due;
}

static bool is_up(const struct world *world, const uint8_t id[WEFT_ID_SIZE]) {
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (memcmp(world->cast.device[d].bytes, id, WEFT_ID_SIZE) == 0)
            return world->device[d].engine != NULL;
    return false;
}

/* Whether another session with a device stands: of two that began at once one is given up. */
static bool has_another(const struct device *device, const uint8_t of[WEFT_ID_SIZE]) {
    struct weft_peer peers[DEVICES_MAX * 2];
    unsigned count = weft_peers(device->engine, peers, DEVICES_MAX * 2);
    for (unsigned i = 0; i < count && i < DEVICES_MAX * 2; i++) {
        if (peers[i].state == WEFT_PEER_LIVE && memcmp(peers[i].device, of, WEFT_ID_SIZE) == 0)
            return true;
    }
    return false;
}

void device_events(struct device *device) {
    struct world *world = device->world;
    struct weft_event event;
    device_stir(device);
    while (device->engine && weft_next_event(device->engine, &event)) {
        world_note(world, device, "event", event.kind, event.count);
        points_event(device, &event);
        if (event.kind == WEFT_EVENT_RESTORED && !device->moved)
            world_fail(world, "device %u: says that it was restored, and was not", device->number);
        if (event.kind == WEFT_EVENT_RESTORED) device->tells = false;
        if (event.kind == WEFT_EVENT_JOINING) company_asked(world->company, device, &event);
        bool may_park = world->plan.rules.unique || world->plan.rules.checked || world->plan.mixed;
        if (event.kind == WEFT_EVENT_FAULT && event.error.status == WEFT_CONSTRAINT)
            world_fail(world, "device %u: a row that its table does not take holds up others: %s",
                       device->number, event.error.text);
        if (event.kind == WEFT_EVENT_PARKED && !may_park)
            world_fail(world, "device %u: a row was parked: %s", device->number, event.error.text);
        if (event.kind == WEFT_EVENT_DIFFERS && !world->byzantine && !world->was_damaged)
            world_fail(world, "device %u: %s", device->number, event.error.text);
        if (world->plan.calm && event.kind == WEFT_EVENT_PEER_DOWN &&
            event.error.status == WEFT_NET && !has_another(device, event.device) &&
            is_up(world, event.device))
            world_fail(world, "device %u: gave up a peer with which nothing was wrong: %s",
                       device->number, event.error.text);
    }
    struct weft_error why;
    if (device->engine && !device_dead(device) &&
        topology_failed(engine_topology(device->engine), &why))
        world_fail(world, "device %u: the engine stopped: %s", device->number, why.text);
}
