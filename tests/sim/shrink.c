/* See shrink.h.
 *
 *     all faults off? ──► each knob plain? ──► fewer devices? ──► fewer writers? ──► shorter? ─┐
 *          ▲                                                                                   │
 *          └──────────────── as long as something could be taken ──────────────────────────────┘
 *
 * What is taken away changes the order of all that comes after it, so a failure that needs a
 * certain order may be gone by mere chance: then other chances are tried.
 * Invariant: the plan always fails.
 * Deliberately not here: how a plan is run (trial.c). */
#include "tests/sim/shrink.h"

#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/knob.h"

#define PASSES 6u
#define STEPS 8u           /* of halving a number */
#define NEVER_MS 100000000 /* a writer's mean time between transactions that never come */

/* Takes the candidate if it is another plan, and fails. */
static bool take(struct shrink *shrink, struct plan *plan, struct plan candidate,
                 uint64_t *virtual_us) {
    uint64_t ended_us = 0, first = candidate.seed;
    knobs_mend(&candidate);
    if (memcmp(&candidate, plan, sizeof candidate) == 0) return false;
    for (uint64_t chance = 0; chance <= shrink->chances; chance++) {
        candidate.seed = chance == 0 ? first : chance;
        if (chance > 0 && chance == first) continue;
        shrink->runs++;
        if (!shrink->fails(shrink->context, &candidate, &ended_us)) continue;
        *plan = candidate;
        if (virtual_us) *virtual_us = ended_us;
        if (shrink->smaller) shrink->smaller(shrink->context, plan, shrink->runs);
        return true;
    }
    return false;
}

static bool turn(struct shrink *shrink, struct plan *plan, const struct knob *knob, uint32_t at,
                 int64_t value) {
    struct plan candidate = *plan;
    knob_set(&candidate, knob, at, value);
    return take(shrink, plan, candidate, NULL);
}

static bool without_faults(struct shrink *shrink, struct plan *plan) {
    struct plan candidate = *plan;
    memset(candidate.fault_mean_us, 0, sizeof candidate.fault_mean_us);
    candidate.liar = NET_DEVICES;
    return take(shrink, plan, candidate, NULL);
}

/* First of one half of all choices at once, then of the other, then of each. */
static bool plain(struct shrink *shrink, struct plan *plan, uint32_t from, uint32_t to) {
    struct plan candidate = *plan;
    uint32_t turned = 0;
    for (uint32_t i = from; i < to; i++) {
        const struct knob knob = knob_at(i);
        if (!knob.choice || knob_is(plan, &knob, knob.plain)) continue;
        knob_set(&candidate, &knob, KNOB_ALL, knob.plain);
        turned++;
    }
    if (turned == 0) return false;
    if (take(shrink, plan, candidate, NULL)) return true;
    if (turned == 1) return false;
    uint32_t half = from + (to - from) / 2;
    bool first = plain(shrink, plan, from, half);
    return plain(shrink, plan, half, to) || first;
}

static bool fewer_devices(struct shrink *shrink, struct plan *plan) {
    struct knob knob;
    CHECK(knob_find("devices", &knob));
    for (uint32_t count = 2; count < plan->device_count; count++)
        if (turn(shrink, plan, &knob, KNOB_ALL, count)) return true;
    return false;
}

static bool fewer_writers(struct shrink *shrink, struct plan *plan) {
    struct knob knob;
    bool changed = false;
    CHECK(knob_find("step_ms", &knob));
    for (uint32_t d = 0; d < plan->device_count; d++) {
        if (knob_get(plan, &knob, d) >= NEVER_MS) continue;
        changed = turn(shrink, plan, &knob, d, NEVER_MS) || changed;
    }
    return changed;
}

/* What never comes to be need not be there at all: faults of a kind once rather than often. */
static bool rarer_faults(struct shrink *shrink, struct plan *plan) {
    const int64_t run_ms = (int64_t)(plan->run_us / 1000) + 1;
    bool changed = false;
    for (uint32_t f = 0; f < FAULT_FIRST_LIE; f++) {
        const struct knob knob = knob_at(f);
        int64_t mean_ms = knob_get(plan, &knob, 0);
        if (mean_ms > 0 && mean_ms < run_ms)
            changed = turn(shrink, plan, &knob, KNOB_ALL, run_ms) || changed;
    }
    return changed;
}

/* As long as until just after it has failed, and then less by halves. */
static bool shorter(struct shrink *shrink, struct plan *plan, uint64_t ended_us) {
    struct knob knob;
    bool changed = false;
    CHECK(knob_find("run_ms", &knob));
    int64_t ended_ms = (int64_t)(ended_us / 1000) + 1;
    if (ended_us > 0 && ended_ms < knob_get(plan, &knob, 0))
        changed = turn(shrink, plan, &knob, KNOB_ALL, ended_ms);
    int64_t least = 0, most = knob_get(plan, &knob, 0);
    for (uint32_t i = 0; i < STEPS && most - least > 1; i++) {
        int64_t middle = least + (most - least) / 2;
        if (turn(shrink, plan, &knob, KNOB_ALL, middle)) {
            most = middle;
            changed = true;
        } else {
            least = middle;
        }
    }
    return changed;
}

bool shrink_plan(struct shrink *shrink, struct plan *plan) {
    uint64_t ended_us = 0;
    bool changed = true;
    knobs_mend(plan);
    shrink->runs = 1;
    if (!shrink->fails(shrink->context, plan, &ended_us)) return false;
    (void)shorter(shrink, plan, ended_us);
    for (uint32_t pass = 0; changed && pass < PASSES; pass++) {
        changed = without_faults(shrink, plan);
        changed = plain(shrink, plan, 0, knob_count()) || changed;
        changed = fewer_devices(shrink, plan) || changed;
        changed = fewer_writers(shrink, plan) || changed;
        changed = rarer_faults(shrink, plan) || changed;
        changed = shorter(shrink, plan, 0) || changed;
    }
    return true;
}
