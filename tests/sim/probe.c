/* See probe.h.
 *
 * Invariant: nothing of the device or of the world is changed, but chance and the counts of points.
 * Deliberately not here: when (mishaps.c), and bytes (disk_faults.c). */
#include "tests/sim/probe.h"

#include <stdio.h>

#include "engine/base/check.h"
#include "tests/sim/device.h"

#define DIGESTS_MAX 64u
#define FLIPS_MAX 12u

/* A machine with the files of one device, and the keys of another. */
static void machine_begin(struct device *machine, const struct device *files,
                          const struct device *keys, struct rng *rng) {
    struct time_port time = {.self = machine, .now = device_instant};
    *machine = *files;
    machine->engine = NULL;
    machine->db = NULL;
    machine->alone = true;
    machine->boot_us = files->world->now_us;
    machine->disk = disk_open("weftsim-probe", rng_u64(rng), time);
    machine->vault = vault_open(rng_u64(rng), machine->disk);
    rng_seed(&machine->entropy, rng_u64(rng), 7);
    disk_copy(machine->disk, files->disk);
    vault_clone_as(machine->vault, machine->path, keys->vault, keys->path);
}

static bool machine_end(struct device *machine) {
    struct world *world = machine->world;
    if (machine->engine) weft_close(machine->engine);
    machine->engine = NULL;
    vault_close(machine->vault);
    if (disk_open_handles(machine->disk) != 0)
        return world_fail(world, "a copy of device %u: %u files are left open", machine->number,
                          disk_open_handles(machine->disk));
    disk_close(machine->disk);
    return !world->failed;
}

bool probe_swap(struct device *files, struct device *keys, struct rng *rng) {
    struct world *world = files->world;
    struct device machine;
    struct weft_error why = {0};
    machine_begin(&machine, files, keys, rng);
    enum weft_status status = device_open(&machine, &why);
    if (status != WEFT_KEY_FILE)
        world_fail(world, "the files of device %u with the keys of %u: %s: %s", files->number,
                   keys->number, weft_status_name(status), why.text);
    vault_close(machine.vault);
    machine.vault = vault_open(rng_u64(rng), machine.disk);
    vault_clone_as(machine.vault, machine.path, files->vault, files->path);
    if (!world->failed && device_open(&machine, &why) != WEFT_OK)
        world_fail(world, "the files of device %u with their keys again: %s", files->number,
                   why.text);
    return machine_end(&machine);
}

static bool told(struct device *machine) {
    struct weft_event event;
    while (weft_next_event(machine->engine, &event))
        if (event.kind == WEFT_EVENT_RESTORED) return event.count > machine->incarnation;
    return false;
}

bool probe_clone(struct device *device, struct rng *rng) {
    struct world *world = device->world;
    struct device machine;
    struct weft_error why = {0};
    machine_begin(&machine, device, device, rng);
    if (device_open(&machine, &why) != WEFT_OK)
        world_fail(world, "a clone of device %u: %s", device->number, why.text);
    else if (!told(&machine))
        world_fail(world, "a clone of device %u does not say that it is one", device->number);
    return machine_end(&machine);
}

/* A few things that read all of it, and write. */
static void exercise(struct device *machine) {
    struct weft_digest digests[DIGESTS_MAX];
    struct weft_error why = {0};
    struct weft_event event;
    unsigned count = 0;
    for (uint32_t turn = 0; turn < 200; turn++)
        (void)runner_turn(engine_runner(machine->engine), 1 + turn % (ACTOR_PEER - 1));
    if (weft_verify_wait(machine->engine, digests, DIGESTS_MAX, &count, &why) != WEFT_OK) count = 0;
    for (unsigned i = 0; i < count && i < DIGESTS_MAX; i++)
        world_note(machine->world, machine, "verified", digests[i].rows, digests[i].sound);
    while (weft_next_event(machine->engine, &event))
        world_note(machine->world, machine, "copy says", event.kind, event.count);
}

bool probe_rot(struct device *device, struct rng *rng) {
    struct world *world = device->world;
    struct device machine;
    struct weft_error why = {0};
    machine_begin(&machine, device, device, rng);
    disk_flip(machine.disk, machine.path, (uint32_t)rng_between(rng, 1, FLIPS_MAX), rng);
    enum weft_status status = device_open(&machine, &why);
    if (status == WEFT_OK)
        exercise(&machine);
    else if (why.text[0] == '\0')
        world_fail(world, "a changed file of device %u: %s, and no reason", device->number,
                   weft_status_name(status));
    world->points.reached[status == WEFT_OK ? POINT_ROT_OPENED : POINT_ROT_REFUSED]++;
    return machine_end(&machine);
}
