/* What goes wrong, and when. See chaos.h. */
#include "tests/chaos/chaos.h"

#include <string.h>

#include "tests/chaos/tell.h"

#define CHAOS_LOOK_MS 100
#define CHAOS_PATIENCE_MS 180000

static int64_t between(struct rng *rng, uint64_t least, uint64_t most) {
    return (int64_t)rng_between(rng, least, most);
}

/* How long nothing is done to a device or link. */
static int64_t peace_ms(const struct chaos *chaos, int64_t drawn_ms) {
    return drawn_ms * chaos->calm;
}

/* Some lives end while the library is still being opened, some last until everybody was met. */
static int64_t life_ms(struct rng *rng) {
    const uint64_t dice = rng_below(rng, 8);
    if (dice == 0) return between(rng, 0, 40);
    return dice < 6 ? between(rng, 50, 1500) : between(rng, 1000, 5000);
}

static int64_t death_ms(struct rng *rng) {
    return rng_below(rng, 6) == 0 ? between(rng, 500, 3000) : between(rng, 0, 300);
}

void chaos_open(struct chaos *chaos, unsigned devices, unsigned degree, uint64_t seed,
                unsigned faults) {
    memset(chaos, 0, sizeof *chaos);
    chaos->faults = faults;
    chaos->calm = 1;
    chaos->patience_ms = CHAOS_PATIENCE_MS;
    rng_seed(&chaos->rng, seed, 1);
    crew_found(&chaos->crew, devices, degree, seed);
    if ((faults & CHAOS_LINKS) != 0) crew_connect(&chaos->crew);
    chaos->begun_ms = tell_now_ms();
    chaos->blackout_ms = chaos->begun_ms + between(&chaos->rng, 3000, 8000);
    for (unsigned i = 0; i < devices; i++) {
        rng_seed(&chaos->devices[i].rng, seed, 100 + i);
        for (unsigned to = 0; to < devices; to++) {
            struct chaos_link *link = &chaos->links[i][to];
            rng_seed(&link->rng, seed, 200 + i * CREW_MAX + to);
            link->due_ms = chaos->begun_ms + between(&link->rng, 500, 4000);
        }
    }
}

/* ---- devices --------------------------------------------------------------------------------- */

static void device_dies(struct chaos *chaos, unsigned number) {
    struct chaos_device *device = &chaos->devices[number];
    /* A promise that was given too early is still untrue right behind it. */
    if (rng_chance(&device->rng, 600)) crew_await_word(&chaos->crew, number);
    crew_kill(&chaos->crew, number);
    device->due_ms = tell_now_ms() + death_ms(&device->rng);
    if (!rng_chance(&device->rng, 700)) return;
    crew_inspect(&chaos->crew, number);
    chaos->inspections++;
}

static void device_turn(struct chaos *chaos, unsigned number) {
    struct chaos_device *device = &chaos->devices[number];
    struct sailor *sailor = &chaos->crew.sailors[number];
    const unsigned faults = chaos->faults & (CHAOS_KILL | CHAOS_STOP);
    if (tell_now_ms() < device->due_ms) return;
    if (sailor->pid == 0) {
        crew_start(&chaos->crew, number);
        device->due_ms = tell_now_ms() + peace_ms(chaos, life_ms(&device->rng));
        return;
    }
    const bool kills = rng_chance(&device->rng, 650);
    if (faults != 0 && (faults == CHAOS_KILL || (kills && faults != CHAOS_STOP))) {
        device_dies(chaos, number);
        return;
    }
    if (sailor->stopped || faults != 0) crew_stop(&chaos->crew, number, !sailor->stopped);
    device->due_ms = tell_now_ms() + (sailor->stopped ? between(&device->rng, 20, 2500)
                                                      : peace_ms(chaos, life_ms(&device->rng)));
}

static void blackout(struct chaos *chaos) {
    struct crew *crew = &chaos->crew;
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->sailors[i].pid > 0) crew_kill(crew, i);
        chaos->devices[i].due_ms = tell_now_ms() + death_ms(&chaos->devices[i].rng);
    }
    crew_inspect_all(crew);
    chaos->blackouts++;
    chaos->blackout_ms = tell_now_ms() + peace_ms(chaos, between(&chaos->rng, 5000, 15000));
}

/* ---- links ----------------------------------------------------------------------------------- */

static struct proxy_order order_draw(struct rng *rng) {
    struct proxy_order order = {.back = rng_chance(rng, 500)};
    order.fault = rng_chance(rng, 400)
                      ? (enum proxy_fault)rng_between(rng, PROXY_CUT, PROXY_CORRUPT)
                      : (enum proxy_fault)rng_between(rng, PROXY_DELAY, PROXY_REFUSE);
    switch (order.fault) {
    case PROXY_DELAY:
        order.amount = (uint32_t)rng_between(rng, 1, 300);
        break;
    case PROXY_THROTTLE:
        order.amount = (uint32_t)rng_between(rng, 1, 64);
        break;
    case PROXY_CUT:
    case PROXY_CORRUPT: /* in a greeting as well as in a large batch */
        order.amount = (uint32_t)rng_below(rng, UINT64_C(1) << rng_between(rng, 4, 17));
        break;
    default:
        break;
    }
    return order;
}

static void link_turn(struct chaos *chaos, unsigned from, unsigned to) {
    struct chaos_link *link = &chaos->links[from][to];
    if (!chaos->crew.linked[from][to] || tell_now_ms() < link->due_ms) return;
    if (link->order.fault == PROXY_CLEAN) {
        link->order = order_draw(&link->rng);
        link->due_ms = tell_now_ms() + between(&link->rng, 50, 3000);
        chaos->link_faults++;
    } else {
        link->order = (struct proxy_order){.fault = PROXY_CLEAN};
        link->due_ms = tell_now_ms() + peace_ms(chaos, between(&link->rng, 200, 5000));
    }
    proxy_set(chaos->crew.proxy, from, to, &link->order);
}

void chaos_turn(struct chaos *chaos) {
    struct crew *crew = &chaos->crew;
    int64_t until_ms = tell_now_ms() + CHAOS_LOOK_MS;
    if ((chaos->faults & CHAOS_BLACKOUT) != 0 && tell_now_ms() >= chaos->blackout_ms)
        blackout(chaos);
    for (unsigned i = 0; i < crew->count; i++) {
        device_turn(chaos, i);
        for (unsigned to = 0; to < crew->count && crew->proxy != NULL; to++)
            link_turn(chaos, i, to);
        if (chaos->devices[i].due_ms < until_ms) until_ms = chaos->devices[i].due_ms;
    }
    crew_hear(crew, until_ms);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Of a connection through which a changed byte has passed neither end makes any use. */
static void await_tainted(struct chaos *chaos, int64_t deadline_ms) {
    struct proxy_figures figures;
    proxy_figures(chaos->crew.proxy, &figures);
    while (figures.tainted > 0) {
        if (tell_now_ms() > deadline_ms)
            tell_die("%u connections go on after a byte in them was changed", figures.tainted);
        crew_hear(&chaos->crew, tell_now_ms() + CHAOS_LOOK_MS);
        proxy_figures(chaos->crew.proxy, &figures);
    }
}

void chaos_finish(struct chaos *chaos) {
    struct crew *crew = &chaos->crew;
    const int64_t begun_ms = tell_now_ms(), deadline_ms = begun_ms + chaos->patience_ms;
    if (crew->proxy != NULL) proxy_heal(crew->proxy, chaos->mend);
    memset(chaos->links, 0, sizeof chaos->links);
    crew_converge(crew, deadline_ms);
    chaos->converged_ms = tell_now_ms() - begun_ms;
    if (crew->proxy != NULL) await_tainted(chaos, deadline_ms);
    crew_end(crew);
}

void chaos_end(struct chaos *chaos) {
    chaos_finish(chaos);
    if (!crew_equal(&chaos->crew)) tell_die("the files differ; %s stays", chaos->crew.folder);
}
