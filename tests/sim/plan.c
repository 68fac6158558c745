/* Drawing a plan. The idea of a swarm (Groce et al., "Swarm Testing", 2012): a run that has only
 * some of the faults, at its own rates, reaches states that a run with all of them hides.
 *
 * Invariant: a plan depends on its seed and the two overrides alone.
 * Deliberately not here: what happens during the run; that is drawn as it goes. */
#include "tests/sim/plan.h"

#include <string.h>

#include "engine/base/check.h"

const char *const fault_names[FAULT_COUNT] = {
#define FAULT_NAME(name, text) [FAULT_##name] = text,
    FAULT_LIST(FAULT_NAME)
#undef FAULT_NAME
};

#define SECOND_US UINT64_C(1000000)

static void join(struct plan *plan, struct rng *rng, uint32_t a, uint32_t b) {
    uint64_t who = rng_below(rng, 4);
    plan->dials[a][b] = who != 1;
    plan->dials[b][a] = who == 1 || who == 2;
}

static void draw_shape(struct plan *plan, struct rng *rng) {
    uint32_t n = plan->device_count;
    plan->shape = (enum shape)rng_below(rng, SHAPE_COUNT);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = a + 1; b < n; b++) {
            bool next = b == a + 1, around = a == 0 && b == n - 1;
            bool joined = plan->shape == SHAPE_MESH || (plan->shape == SHAPE_LINE && next) ||
                          (plan->shape == SHAPE_STAR && a == 0) ||
                          (plan->shape == SHAPE_RING && (next || around));
            if (joined) join(plan, rng, a, b);
        }
    uint32_t nameless = rng_chance(rng, 300) ? (uint32_t)rng_between(rng, 100, 1000) : 0;
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++)
            plan->named[a][b] = !rng_chance(rng, nameless);
    for (uint32_t d = 0; d < n; d++)
        if (rng_chance(rng, 200)) plan->join_us[d] = rng_below(rng, plan->run_us / 2);
}

/* Adds to `seen` whoever can be reached from a device over others than those in `without`. */
static void reach(const struct plan *plan, uint32_t from, uint32_t without, uint32_t *seen) {
    *seen |= 1u << from;
    for (uint32_t b = 0; b < plan->device_count; b++)
        if ((plan->dials[from][b] || plan->dials[b][from]) && !((*seen | without) >> b & 1))
            reach(plan, b, without, seen);
}

/* Whether all others are joined without these devices. */
static bool joined_without(const struct plan *plan, uint32_t without) {
    uint32_t others = ((1u << plan->device_count) - 1) & ~without;
    uint32_t first = 0, seen = 0;
    while (first < plan->device_count && !(others >> first & 1))
        first++;
    if (others == 0) return true;
    reach(plan, first, without, &seen);
    return (seen & others) == others;
}

/* The guest is any but the founder; it and the victim are none that stand between others: who has
 * not heard that the guest was let in does not talk to it, and so cannot hear of it from it. */
static void draw_company(struct plan *plan, struct rng *rng) {
    uint32_t n = plan->device_count, without = 0;
    plan->guest = plan->victim = NET_DEVICES;
    while (plan->fault_mean_us[FAULT_JOIN] && plan->guest == NET_DEVICES) {
        uint32_t guest = (uint32_t)rng_between(rng, 1, n - 1);
        if (joined_without(plan, 1u << guest)) plan->guest = guest;
    }
    if (plan->guest < NET_DEVICES) without = 1u << plan->guest;
    if (n < 3) plan->fault_mean_us[FAULT_REVOKE] = 0;
    while (plan->fault_mean_us[FAULT_REVOKE] && plan->victim == NET_DEVICES) {
        uint32_t victim = (uint32_t)rng_below(rng, n);
        /* ... and the guest, once it has come in, is joined to the others without the victim. */
        if (joined_without(plan, without | 1u << victim) && joined_without(plan, 1u << victim))
            plan->victim = victim;
    }
}

static void draw_engine(struct plan *plan, struct rng *rng) {
    bool small = rng_chance(rng, 700);
    plan->batch_rows = small ? (uint32_t)rng_between(rng, 1, 64) : 0;
    plan->group_rows = small ? (uint32_t)rng_between(rng, 1, 64) : 0;
    plan->tail_bytes = small ? rng_between(rng, 1, 40000) : 0;
    plan->door_bytes = rng_chance(rng, 300) ? 200000 : 0;
    plan->cache_bytes = rng_chance(rng, 300) ? 64 * 1024 : 0;
    plan->peers_max = 2 * plan->device_count;
}

static void draw_network(struct plan *plan, struct rng *rng) {
    uint64_t latency = rng_between(rng, 50, rng_chance(rng, 300) ? 200000 : 5000);
    plan->window = rng_chance(rng, 300) ? (uint32_t)rng_between(rng, 200, 8000) : 262144;
    plan->partial = rng_chance(rng, 500) ? (uint32_t)rng_between(rng, 1, 300) : 0;
    for (uint32_t a = 0; a < plan->device_count; a++)
        for (uint32_t b = 0; b < plan->device_count; b++) {
            struct net_route *route = &plan->route[a][b];
            route->latency_us = rng_between(rng, latency / 2, latency);
            route->jitter_us = rng_below(rng, latency);
            route->bytes_per_s = rng_chance(rng, 200) ? rng_between(rng, 20000, 1000000) : 0;
        }
}

static void draw_machines(struct plan *plan, struct rng *rng) {
    plan->turn_us = rng_between(rng, 1, 20);
    for (uint32_t d = 0; d < plan->device_count; d++) {
        plan->wall_offset_ms[d] = (int64_t)rng_below(rng, 20001) - 10000;
        plan->drift_ppm[d] = (int64_t)rng_below(rng, 401) - 200;
    }
}

static void draw_writers(struct plan *plan, struct rng *rng) {
    for (uint32_t d = 0; d < plan->device_count; d++) {
        plan->step_mean_us[d] = rng_between(rng, 200000, 1500000);
        if (rng_chance(rng, 150)) plan->step_mean_us[d] = 10 * SECOND_US;
    }
    plan->ops_max = rng_chance(rng, 300) ? 1 : (uint32_t)rng_between(rng, 2, 24);
    plan->hot = (uint32_t)rng_below(rng, 700);
    plan->deletes = (uint32_t)rng_below(rng, 400);
    plan->sets = (uint32_t)rng_below(rng, 300);
    plan->scans = rng_chance(rng, 600) ? (uint32_t)rng_between(rng, 10, 150) : 0;
    plan->wrong = rng_chance(rng, 700) ? (uint32_t)rng_between(rng, 10, 150) : 0;
}

static void draw_commons(struct plan *plan, struct rng *rng) {
    plan->rules.unique = rng_chance(rng, 500);
    plan->rules.checked = rng_chance(rng, 400);
    plan->shared = rng_chance(rng, 100) ? 0 : (uint32_t)rng_between(rng, 50, 800);
    plan->shared_hot = (uint32_t)rng_between(rng, 200, 1000);
    plan->shared_deletes = (uint32_t)rng_below(rng, 400);
    plan->shared_sets = (uint32_t)rng_below(rng, 600);
    plan->far_clocks = plan->fault_mean_us[FAULT_CLOCK] && rng_chance(rng, 600);
}

static void draw_versions(struct plan *plan, struct rng *rng) {
    plan->mixed = !plan->calm && rng_chance(rng, 350);
    for (uint32_t d = 0; d < plan->device_count; d++) {
        plan->newer[d] = plan->mixed && rng_chance(rng, 350);
        plan->upgrade_us[d] = rng_below(rng, plan->run_us * 5 / 4);
    }
}

/* Drawn last, so that a seed's world is otherwise what it was before there was any of this. */
static void draw_horizon(struct plan *plan, struct rng *rng) {
    bool prunes = rng_chance(rng, 600), small = rng_chance(rng, 500);
    plan->log_records = prunes ? (uint32_t)rng_between(rng, 1, 40) : 0;
    plan->chunk_bytes = small ? (uint32_t)rng_between(rng, 1, 4000) : 0;
    if (!prunes || rng_chance(rng, 400)) return;
    /* Then some are cut off for longer than others wait for them. */
    plan->patience_ms = rng_between(rng, 3000, 15000);
    plan->fault_length_us = rng_between(rng, plan->patience_ms, 3 * plan->patience_ms) * 1000;
}

/* A log that is short is copied into the file all the while, under readers and crashes. Small pages
 * make deep trees of few rows. */
static void draw_files(struct plan *plan, struct rng *rng) {
    plan->checkpoint_pages = rng_chance(rng, 900) ? (uint32_t)rng_between(rng, 20, 1000) : 0;
    plan->page_bytes = rng_chance(rng, 900) ? UINT32_C(512) << rng_below(rng, 4) : 0;
}

/* Likewise drawn last: clocks that two devices read the same, so that their stamps are. */
static void draw_coarse(struct plan *plan, struct rng *rng) {
    plan->wall_step_ms = rng_chance(rng, 150) ? rng_between(rng, 50, 3000) : 1;
}

/* Drawn last, as above. Snapshots are rare, and over at once unless they come in small pieces. */
static void draw_ambush(struct plan *plan, struct rng *rng) {
    bool lies = rng_chance(rng, plan->patience_ms ? 800 : 400);
    uint32_t often = (uint32_t)rng_between(rng, 50, 1000);
    uint32_t chunk_bytes = (uint32_t)rng_between(rng, 1, 300);
    plan->ambush = lies && !plan->calm ? often : 0;
    if (plan->patience_ms && rng_chance(rng, 700)) plan->chunk_bytes = chunk_bytes;
}

/* Members fall away so long that what they lack is forgotten, again and again, and come back to a
 * snapshot that takes a while, since it is sent row by row; everybody goes on writing the same rows
 * meanwhile, for `run_us` at least. Two would not do: one that is alone forgets nothing. */
static void draw_absences(struct plan *plan, struct rng *rng, uint64_t run_us) {
    if (!rng_chance(rng, 300) || plan->calm || plan->device_count < 3) return;
    /* Who hears of a removal while it takes a snapshot keeps too much: docs/status.md. */
    plan->fault_mean_us[FAULT_REVOKE] = 0;
    plan->victim = NET_DEVICES;
    plan->log_records = (uint32_t)rng_between(rng, 1, 6);
    plan->chunk_bytes = (uint32_t)rng_between(rng, 1, 300);
    plan->batch_rows = 1 + plan->chunk_bytes % 4;
    plan->patience_ms = rng_between(rng, 2000, 5000);
    plan->fault_length_us = rng_between(rng, plan->patience_ms, 2 * plan->patience_ms) * 1000;
    plan->fault_mean_us[FAULT_PARTITION] = rng_between(rng, 4, 12) * SECOND_US;
    plan->shared = (uint32_t)rng_between(rng, 300, 800);
    plan->deletes = (uint32_t)rng_between(rng, 150, 400);
    if (plan->run_us < run_us) plan->run_us = run_us;
    for (uint32_t a = 0; a < plan->device_count; a++) {
        plan->step_mean_us[a] = rng_between(rng, 100000, 600000);
        for (uint32_t b = 0; b < plan->device_count; b++)
            plan->route[a][b] = (struct net_route){.latency_us = rng_between(rng, 5000, 80000)};
    }
    if (!rng_chance(rng, 300)) return;
    /* Or nobody is away, and disks are set back to before what all hold now, deletions as well. */
    plan->patience_ms = 0;
    plan->fault_length_us = rng_between(rng, 8, 16) * SECOND_US;
    plan->fault_mean_us[FAULT_RESTORE] = rng_between(rng, 4, 10) * SECOND_US;
}

static void draw_faults(struct plan *plan, struct rng *rng) {
    plan->calm = rng_chance(rng, 50);
    for (uint32_t f = 0; f < FAULT_LATE; f++) {
        uint64_t mean = rng_between(rng, plan->run_us / 12 + 1, plan->run_us);
        bool happens = rng_chance(rng, f == FAULT_JOIN || f == FAULT_REVOKE ? 200 : 450);
        plan->fault_mean_us[f] = happens && !plan->calm ? mean : 0;
    }
    plan->fault_length_us = rng_between(rng, SECOND_US / 10, 20 * SECOND_US);
}

/* Faults that came to be later: most worlds have a few of them, some none. */
static void draw_late_faults(struct plan *plan, struct rng *rng) {
    bool any = rng_chance(rng, 700);
    for (uint32_t f = FAULT_LATE; f < FAULT_MEMORY; f++) {
        uint64_t mean = rng_between(rng, plan->run_us / 12 + 1, plan->run_us / 2);
        bool happens = rng_chance(rng, f == FAULT_FUTURE ? 80 : 300);
        plan->fault_mean_us[f] = any && happens && !plan->calm ? mean : 0;
    }
    if (plan->fault_mean_us[FAULT_EPOCH] || plan->fault_mean_us[FAULT_FUTURE])
        plan->far_clocks = true;
    bool drifts = rng_chance(rng, 150);
    for (uint32_t d = 0; d < plan->device_count; d++) {
        int64_t drift_ppm = (int64_t)rng_below(rng, 100001) - 50000;
        if (drifts && !plan->calm) plan->drift_ppm[d] = drift_ppm;
    }
}

/* Whether the others are joined without this device, and whoever of the guest and the victim is not
 * there. */
static bool may_lie(const struct plan *plan, uint32_t device) {
    const uint32_t guest = plan->guest < NET_DEVICES ? 1u << plan->guest : 0;
    const uint32_t victim = plan->victim < NET_DEVICES ? 1u << plan->victim : 0;
    const uint32_t liar = 1u << device;
    if (device == plan->guest || device == plan->victim) return false;
    return joined_without(plan, liar) && joined_without(plan, liar | guest) &&
           joined_without(plan, liar | victim) && joined_without(plan, liar | guest | victim);
}

void plan_mend_company(struct plan *plan) {
    const uint32_t n = plan->device_count;
    const uint64_t *mean = plan->fault_mean_us;
    uint32_t without = 0;
    if (plan->guest >= n || plan->guest == 0 || !mean[FAULT_JOIN] ||
        !joined_without(plan, 1u << plan->guest))
        plan->guest = NET_DEVICES;
    if (plan->guest < NET_DEVICES) without = 1u << plan->guest;
    if (plan->victim >= n || n < 3 || !mean[FAULT_REVOKE] || plan->victim == plan->guest ||
        !joined_without(plan, 1u << plan->victim) ||
        !joined_without(plan, without | 1u << plan->victim))
        plan->victim = NET_DEVICES;
    if (plan->guest == NET_DEVICES) plan->fault_mean_us[FAULT_JOIN] = 0;
    if (plan->victim == NET_DEVICES) plan->fault_mean_us[FAULT_REVOKE] = 0;
    const bool lies = plan->liar < n && n >= 3u + (plan->victim < NET_DEVICES) && !plan->calm &&
                      may_lie(plan, plan->liar);
    if (!lies) plan->liar = NET_DEVICES;
    for (uint32_t f = FAULT_FIRST_LIE; f < FAULT_COUNT && !lies; f++)
        plan->lies[f] = 0;
    if (plan->log_records) plan->lies[FAULT_FORK] = 0; /* As it is drawn. */
}

/* Drawn last of all. There are two honest ones at least who stay. */
static void draw_liar(struct plan *plan, struct rng *rng, uint32_t permille) {
    const uint32_t n = plan->device_count, others = 3 + (plan->victim < NET_DEVICES);
    bool lies = rng_chance(rng, permille) && !plan->calm && n >= others;
    uint32_t at = (uint32_t)rng_below(rng, n);
    plan->liar = NET_DEVICES;
    for (uint32_t tried = 0; lies && tried < n && plan->liar == NET_DEVICES; tried++, at++)
        if (may_lie(plan, at % n)) plan->liar = at % n;
    plan->liar_leaves = rng_chance(rng, 500);
    for (uint32_t f = FAULT_FIRST_LIE; f < FAULT_COUNT; f++)
        plan->lies[f] = rng_chance(rng, 500) ? (uint32_t)rng_between(rng, 5, 300) : 0;
    /* Once it is seen little more of the liar is taken, but by a snapshot: then rows do not follow
     * from the log any more. */
    plan->lies[FAULT_FORK] = plan->log_records ? 0 : plan->lies[FAULT_FORK] / 10;
    if (plan->liar == NET_DEVICES) memset(plan->lies, 0, sizeof plan->lies);
}

/* Drawn after even that. Rows that a liar has touched nobody can put right. */
static void draw_last_faults(struct plan *plan, struct rng *rng) {
    for (uint32_t f = FAULT_MEMORY; f < FAULT_FIRST_LIE; f++) {
        uint64_t mean = rng_between(rng, plan->run_us / 12 + 1, plan->run_us / 2);
        plan->fault_mean_us[f] = rng_chance(rng, 200) && !plan->calm ? mean : 0;
    }
    if (plan->liar < NET_DEVICES) plan->fault_mean_us[FAULT_DAMAGE] = 0;
}

void plan_draw(struct plan *plan, uint64_t seed, uint32_t seconds, uint32_t devices) {
    struct rng rng;
    CHECK(devices <= NET_DEVICES);
    memset(plan, 0, sizeof *plan);
    rng_seed(&rng, seed, UINT64_C(0x91a4));
    plan->seed = seed;
    uint64_t drawn_us = rng_between(&rng, 10, 60) * SECOND_US;
    plan->run_us = seconds ? seconds * SECOND_US : drawn_us;
    plan->device_count = (uint32_t)rng_between(&rng, 2, 5);
    if (devices) plan->device_count = devices;
    draw_shape(plan, &rng);
    draw_engine(plan, &rng);
    draw_network(plan, &rng);
    draw_machines(plan, &rng);
    draw_writers(plan, &rng);
    draw_faults(plan, &rng);
    draw_company(plan, &rng);
    draw_commons(plan, &rng);
    draw_horizon(plan, &rng);
    draw_versions(plan, &rng);
    draw_files(plan, &rng);
    draw_coarse(plan, &rng);
    draw_late_faults(plan, &rng);
    draw_absences(plan, &rng, seconds ? 0 : 40 * SECOND_US);
    draw_liar(plan, &rng, 200);
    draw_ambush(plan, &rng);
    plan->rules.picky = plan->mixed && seed % 2 == 0;
    draw_last_faults(plan, &rng);
}

void plan_add_liar(struct plan *plan) {
    struct rng rng;
    rng_seed(&rng, plan->seed, UINT64_C(0x11a4));
    if (plan->liar == NET_DEVICES) draw_liar(plan, &rng, 1000);
    if (plan->liar < NET_DEVICES) plan->fault_mean_us[FAULT_DAMAGE] = 0;
}
