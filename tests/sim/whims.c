/* See whims.h.
 *
 * Invariant: whoever has paused, and is to do so no more, says it in every life anew: of what was
 * said last a crash may have kept nothing. */
#include "tests/sim/whims.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "tests/sim/device.h"

#define NEVER UINT64_MAX
#define AGAIN_US UINT64_C(10000)
#define SETTLE_US UINT64_C(5000000)
#define ALL DEVICES_MAX /* in place of a device's number */

struct pause {
    bool began, over;
    uint64_t since_us;
    uint32_t life;    /* in which it began */
    uint32_t resumed; /* the life in which it was taken back last; 0: in none */
};

struct whims {
    struct world *world;
    struct pause pause[DEVICES_MAX][ALL + 1]; /* by whom, of whom */
    uint64_t next_us[DEVICES_MAX];            /* when one that failed is taken back again */
};

struct whims *whims_open(struct world *world) {
    struct whims *whims = calloc(1, sizeof *whims);
    CHECK(whims != NULL);
    whims->world = world;
    return whims;
}

void whims_close(struct whims *whims) {
    free(whims);
}

static const uint8_t *id_of(const struct whims *whims, uint32_t number) {
    return number == ALL ? NULL : whims->world->cast.device[number].bytes;
}

static bool hush(struct whims *whims, struct device *device, uint32_t whom) {
    if (weft_pause(device->engine, id_of(whims, whom)) != WEFT_OK) return false;
    whims->pause[device->number][whom] =
        (struct pause){.began = true, .since_us = whims->world->now_us, .life = device->lives};
    return true;
}

static bool bound(struct whims *whims, struct rng *rng, struct device *device, uint32_t whom) {
    struct weft_error why = {0};
    const uint64_t up = rng_between(rng, LIMIT_RATE_MIN, 200000);
    const uint64_t down = rng_between(rng, LIMIT_RATE_MIN, 200000);
    const uint64_t sides = rng_below(rng, 3);
    enum weft_status status = weft_set_rates(device->engine, id_of(whims, whom),
                                             sides == 1 ? 0 : up, sides == 2 ? 0 : down, &why);
    if (status == WEFT_OK) return true;
    world_fail(whims->world, "device %u: weft_set_rates: %s", device->number, why.text);
    return false;
}

bool whims_begin(struct whims *whims, struct rng *rng, enum fault fault, struct device *device,
                 uint32_t other) {
    const uint32_t whom = rng_chance(rng, 300) ? ALL : other;
    if (!device->engine || device->outside || device_dead(device)) return false;
    device_stir(device);
    switch (fault) {
    case FAULT_HUSH:
        return hush(whims, device, whom);
    case FAULT_RATES:
        return bound(whims, rng, device, whom);
    default:
        CHECK(fault == FAULT_METERED);
        weft_set_metered(device->engine, true);
        return true;
    }
}

static void unbound(struct whims *whims, struct device *device) {
    struct weft_error why = {0};
    enum weft_status status = weft_set_rates(device->engine, NULL, 0, 0, &why);
    for (uint32_t d = 0; d < whims->world->plan.device_count && status == WEFT_OK; d++)
        status = weft_set_rates(device->engine, id_of(whims, d), 0, 0, &why);
    if (status != WEFT_OK)
        world_fail(whims->world, "device %u: no rates: %s", device->number, why.text);
}

/* Whom it has paused for long it has no session with, unless it has stood still itself. */
static void check_silence(const struct whims *whims, const struct device *device, uint32_t whom) {
    const struct pause *pause = &whims->pause[device->number][whom];
    struct world *world = whims->world;
    struct weft_peer peers[DEVICES_MAX * 4];
    if (!pause->began || pause->over || pause->life != device->lives || !device->engine) return;
    if (pause->since_us + SETTLE_US > world->now_us || device_ails(device)) return;
    if (device_dead(device) || world->plan.fault_mean_us[FAULT_PAUSE] > 0) return;
    const unsigned count = weft_peers(device->engine, peers, DEVICES_MAX * 4);
    for (unsigned i = 0; i < count && i < DEVICES_MAX * 4; i++) {
        if (peers[i].state != WEFT_PEER_LIVE) continue;
        if (whom == ALL || memcmp(peers[i].device, id_of(whims, whom), WEFT_ID_SIZE) == 0)
            world_fail(world, "device %u: has a session, and has paused it %llu us ago",
                       device->number, (unsigned long long)(world->now_us - pause->since_us));
    }
}

void whims_end(struct whims *whims, enum fault fault, struct device *device) {
    struct pause *pauses = whims->pause[device->number];
    for (uint32_t of = 0; of <= ALL && fault == FAULT_HUSH; of++) {
        check_silence(whims, device, of);
        pauses[of].over = true;
    }
    if (!device->engine) return; /* Rates and the metered network end with the process. */
    device_stir(device);
    if (fault == FAULT_RATES) unbound(whims, device);
    if (fault == FAULT_METERED) weft_set_metered(device->engine, false);
}

static bool owes(const struct whims *whims, const struct device *device, uint32_t whom) {
    const struct pause *pause = &whims->pause[device->number][whom];
    return pause->began && pause->over && pause->resumed != device->lives && device->engine &&
           !device_dead(device);
}

static void take_back(struct whims *whims, struct device *device) {
    for (uint32_t of = 0; of <= ALL; of++) {
        if (!owes(whims, device, of)) continue;
        device_stir(device);
        if (weft_resume(device->engine, id_of(whims, of)) == WEFT_OK)
            whims->pause[device->number][of].resumed = device->lives;
        else
            whims->next_us[device->number] = whims->world->now_us + AGAIN_US;
    }
}

void whims_turn(struct whims *whims) {
    struct world *world = whims->world;
    for (uint32_t d = 0; d < world->plan.device_count; d++)
        if (world->now_us >= whims->next_us[d]) take_back(whims, &world->device[d]);
}

uint64_t whims_due_us(const struct whims *whims) {
    uint64_t due = NEVER;
    for (uint32_t d = 0; d < whims->world->plan.device_count; d++)
        for (uint32_t of = 0; of <= ALL && whims->next_us[d] < due; of++)
            if (owes(whims, &whims->world->device[d], of)) due = whims->next_us[d];
    return due;
}
