/* See knob.h.
 * Invariant: what is printed and read again makes the same plan, but for what is smaller than a
 * knob's unit and was drawn; so changes are printed number by number, and only those. */
#include "tests/sim/knob.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

enum kind { KIND_BOOL, KIND_U32, KIND_U64, KIND_I64 };

#define KIND_OF(field)                          \
    _Generic(((struct plan *)NULL)->field, bool \
             : KIND_BOOL, uint32_t              \
             : KIND_U32, uint64_t               \
             : KIND_U64, int64_t                \
             : KIND_I64)
#define PAIRS (NET_DEVICES * NET_DEVICES)
/* Name, field, unit, whether it is a choice, its plain value, meaning. */
#define ONE(text, field, per, turns, value, says)                                         \
    {                                                                                     \
        .name = text, .meaning = says, .kind = KIND_OF(field),                            \
        .offset = offsetof(struct plan, field), .count = 1, .unit = per, .choice = turns, \
        .plain = value                                                                    \
    }
/* The same for each device. */
#define EACH(text, field, per, turns, value, says)                                       \
    {                                                                                    \
        .name = text, .meaning = says, .kind = KIND_OF(field[0]),                        \
        .offset = offsetof(struct plan, field), .count = NET_DEVICES,                    \
        .stride = sizeof(((struct plan *)NULL)->field[0]), .unit = per, .choice = turns, \
        .plain = value                                                                   \
    }
#define ROUTE(text, field, per, says)                                                   \
    {                                                                                   \
        .name = text, .meaning = says, .kind = KIND_U64,                                \
        .offset = offsetof(struct plan, route) + offsetof(struct net_route, field),     \
        .count = PAIRS, .stride = sizeof(struct net_route), .unit = per, .choice = true \
    }

/* In the order in which they are turned down: what helps a reader most comes first. */
/* clang-format off */
static const struct knob fixed[] = {
    ONE("ambush", ambush, 1, true, 0, "permille of rare moments at which something strikes"),
    ONE("mixed", mixed, 1, true, 0, "devices have two versions of the schema"),
    ONE("far_clocks", far_clocks, 1, true, 0, "clocks are set further ahead than is believed"),
    ONE("log_records", log_records, 1, true, 0, "records that stay; 0: all"),
    ONE("patience_ms", patience_ms, 1, true, 0, "after which the silent are away; 0: never"),
    ONE("picky", rules.picky, 1, true, 0, "the older version takes not all rows of others"),
    ONE("unique", rules.unique, 1, true, 0, "a UNIQUE constraint on a shared table"),
    ONE("checked", rules.checked, 1, true, 0, "a CHECK constraint on a shared table"),
    ONE("batch_rows", batch_rows, 1, true, 0, "most rows in a batch; 0: as built"),
    ONE("group_rows", group_rows, 1, true, 0, "most rows in a commit of the file; 0: as built"),
    ONE("tail_bytes", tail_bytes, 1, true, 0, "kept in memory for peers; 0: as built"),
    ONE("chunk_bytes", chunk_bytes, 1, true, 0, "of a chunk of a snapshot; 0: as built"),
    ONE("door_bytes", door_bytes, 1, true, 0, "of transactions that may wait; 0: as built"),
    ONE("cache_bytes", cache_bytes, 1, true, 0, "of SQLite's cache; 0: as built"),
    ONE("checkpoint_pages", checkpoint_pages, 1, true, 0, "of a write-ahead log; 0: as built"),
    ONE("page_bytes", page_bytes, 1, true, 0, "of a file; 0: as built"),
    ONE("window", window, 1, true, 262144, "bytes that a link holds"),
    ONE("partial", partial, 1, true, 0, "permille of reads and writes that take only a part"),
    ROUTE("throttle", bytes_per_s, 1, "bytes per second of all routes; 0: any"),
    ROUTE("jitter_us", jitter_us, 1, "of all routes"),
    ONE("shared", shared, 1, true, 0, "permille of transactions with shared rows"),
    ONE("shared_deletes", shared_deletes, 1, true, 0, "permille of shared operations"),
    ONE("shared_sets", shared_sets, 1, true, 0, "permille of shared operations"),
    ONE("scans", scans, 1, true, 0, "permille of steps that begin a rescan"),
    ONE("wrong", wrong, 1, true, 0, "permille of operations that must be refused"),
    ONE("deletes", deletes, 1, true, 0, "permille of operations"),
    ONE("sets", sets, 1, true, 0, "permille of operations"),
    ONE("ops", ops_max, 1, true, 1, "most operations in a transaction"),
    EACH("begin_ms", join_us, 1000, true, 0, "when a device begins to talk"),
    EACH("offset_ms", wall_offset_ms, 1, true, 0, "of its wall clock"),
    EACH("drift_ppm", drift_ppm, 1, true, 0, "of its wall clock"),
    ONE("clock_step_ms", wall_step_ms, 1, true, 1, "between two readings of a wall clock"),
    ONE("devices", device_count, 1, false, 0, "how many"),
    ONE("run_ms", run_us, 1000, false, 0, "of writing and faults"),
    EACH("step_ms", step_mean_us, 1000, false, 0, "mean time between transactions"),
    ONE("fault_ms", fault_length_us, 1000, false, 0, "how long faults last, on average"),
    ONE("turn_us", turn_us, 1, false, 0, "that a step of an actor takes"),
    ONE("guest", guest, 1, false, 0, "comes in later; 8: nobody"),
    ONE("victim", victim, 1, false, 0, "may be removed; 8: nobody"),
    ONE("liar", liar, 1, true, NET_DEVICES, "lies to its peers; 8: nobody"),
    ONE("liar_leaves", liar_leaves, 1, false, 0, "it is gone in the end"),
    ONE("calm", calm, 1, false, 0, "nothing ever goes wrong, and more is demanded"),
    ONE("hot", hot, 1, false, 0, "permille of operations on few rows"),
    ONE("shared_hot", shared_hot, 1, false, 0, "permille of shared operations on few rows"),
    EACH("newer", newer, 1, false, 0, "begins with the newer version"),
    EACH("upgrade_ms", upgrade_us, 1000, false, 0, "when a device gets it at the latest"),
    ONE("chance", seed, 1, false, 0, "what all that happens on the way is drawn from"),
};
/* clang-format on */
#define FIXED (sizeof fixed / sizeof fixed[0])

uint32_t knob_count(void) {
    return FAULT_COUNT + (uint32_t)FIXED;
}

struct knob knob_at(uint32_t i) {
    CHECK(i < knob_count());
    if (i >= FAULT_COUNT) return fixed[i - FAULT_COUNT];
    if (i >= FAULT_FIRST_LIE)
        return (struct knob){.name = fault_names[i],
                             .meaning = "permille of what the liar sends",
                             .kind = KIND_U32,
                             .offset = offsetof(struct plan, lies) + i * sizeof(uint32_t),
                             .count = 1,
                             .unit = 1,
                             .choice = true};
    return (struct knob){.name = fault_names[i],
                         .meaning = "mean time in ms between two of these faults; 0: never",
                         .kind = KIND_U64,
                         .offset = offsetof(struct plan, fault_mean_us) + i * sizeof(uint64_t),
                         .count = 1,
                         .unit = 1000,
                         .choice = true};
}

bool knob_find(const char *name, struct knob *out) {
    for (uint32_t i = 0; i < knob_count(); i++) {
        *out = knob_at(i);
        if (strcmp(out->name, name) == 0) return true;
    }
    return false;
}

int64_t knob_get(const struct plan *plan, const struct knob *knob, uint32_t at) {
    const char *field = (const char *)plan + knob->offset + at * knob->stride;
    CHECK(at < knob->count);
    switch ((enum kind)knob->kind) {
    case KIND_BOOL:
        return *(const bool *)field;
    case KIND_U32:
        return *(const uint32_t *)(const void *)field / knob->unit;
    case KIND_U64:
        return (int64_t)(*(const uint64_t *)(const void *)field / knob->unit);
    default:
        return *(const int64_t *)(const void *)field / (int64_t)knob->unit;
    }
}

void knob_set(struct plan *plan, const struct knob *knob, uint32_t at, int64_t value) {
    uint32_t first = at == KNOB_ALL ? 0 : at, last = at == KNOB_ALL ? knob->count - 1 : at;
    CHECK(last < knob->count);
    for (uint32_t i = first; i <= last; i++) {
        char *field = (char *)plan + knob->offset + i * knob->stride;
        switch ((enum kind)knob->kind) {
        case KIND_BOOL:
            *(bool *)field = value != 0;
            break;
        case KIND_U32:
            *(uint32_t *)(void *)field = (uint32_t)value * knob->unit;
            break;
        case KIND_U64:
            *(uint64_t *)(void *)field = (uint64_t)value * knob->unit;
            break;
        default:
            *(int64_t *)(void *)field = value * (int64_t)knob->unit;
        }
    }
}

/* Whether the number is of devices that are there. */
static bool counts(const struct plan *plan, const struct knob *knob, uint32_t at) {
    if (knob->count == 1) return true;
    if (knob->count == NET_DEVICES) return at < plan->device_count;
    return at / NET_DEVICES < plan->device_count && at % NET_DEVICES < plan->device_count;
}

bool knob_is(const struct plan *plan, const struct knob *knob, int64_t value) {
    for (uint32_t at = 0; at < knob->count; at++)
        if (counts(plan, knob, at) && knob_get(plan, knob, at) != value) return false;
    return true;
}

/* ---- one plan of it -------------------------------------------------------------------------- */

void knobs_mend(struct plan *plan) {
    plan->peers_max = 2 * plan->device_count;
    plan_mend_company(plan);
    /* Stamps that are not believed must be looked for where clocks are far off. */
    if (plan->fault_mean_us[FAULT_EPOCH] || plan->fault_mean_us[FAULT_FUTURE])
        plan->far_clocks = true;
    plan->rules.picky = plan->rules.picky && plan->mixed;
    if (plan->ops_max == 0) plan->ops_max = 1;
    if (plan->turn_us == 0) plan->turn_us = 1;
    if (plan->wall_step_ms == 0) plan->wall_step_ms = 1;
    if (plan->window == 0) plan->window = 1;
    if (plan->fault_length_us < 1000) plan->fault_length_us = 1000;
    for (uint32_t d = 0; d < NET_DEVICES; d++) {
        if (!plan->mixed) plan->newer[d] = false;
        if (plan->step_mean_us[d] == 0) plan->step_mean_us[d] = 1000;
    }
}

/* ---- text ------------------------------------------------------------------------------------ */

bool knobs_read(struct plan *plan, const char *text, char why[KNOB_TEXT * 2]) {
    char name[KNOB_TEXT], *end = NULL;
    struct knob knob;
    size_t size = strcspn(text, "=");
    long long at = -1;
    snprintf(why, KNOB_TEXT * 2, "it is name=value or name.device=value; --plan names all");
    if (text[size] != '=' || size >= sizeof name) return false;
    snprintf(name, sizeof name, "%.*s", (int)size, text);
    char *dot = strchr(name, '.');
    if (dot) {
        *dot = '\0';
        at = strtoll(dot + 1, &end, 10);
        if (end == dot + 1 || *end != '\0' || at < 0) return false;
    }
    errno = 0;
    long long value = strtoll(text + size + 1, &end, 10);
    if (end == text + size + 1 || *end != '\0' || errno != 0) return false;
    snprintf(why, KNOB_TEXT * 2, "there is no knob \"%.60s\"; --plan names all", name);
    if (!knob_find(name, &knob)) return false;
    snprintf(why, KNOB_TEXT * 2, "\"%.60s\" cannot be that, or has no such device", name);
    if (at >= (long long)knob.count) return false;
    if (value < 0 && knob.kind != KIND_I64) return false;
    if (strcmp(name, "devices") == 0 && (value < 2 || value > (long long)plan->device_count))
        return false;
    knob_set(plan, &knob, at < 0 ? KNOB_ALL : (uint32_t)at, value);
    return true;
}

void knobs_print(const struct plan *plan, FILE *out) {
    for (uint32_t i = 0; i < knob_count(); i++) {
        const struct knob knob = knob_at(i);
        char text[KNOB_TEXT * 4] = "";
        size_t used = 0;
        if (knob.count <= NET_DEVICES)
            for (uint32_t at = 0; at < knob.count; at++)
                if (counts(plan, &knob, at) && used < sizeof text)
                    used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRId64,
                                             at ? "," : "", knob_get(plan, &knob, at));
        if (knob.count > NET_DEVICES) {
            int64_t one = knob_get(plan, &knob, 1); /* From the first to the second. */
            snprintf(text, sizeof text, knob_is(plan, &knob, one) ? "%" PRId64 : "%" PRId64 ",...",
                     one);
        }
        fprintf(out, "%-17s %-26s %s\n", knob.name, text, knob.meaning);
    }
}

static void print_change(const struct plan *from, const struct plan *to, const struct knob *knob,
                         FILE *out) {
    int64_t value = knob_get(to, knob, knob->count > NET_DEVICES ? 1 : 0);
    bool same = true;
    for (uint32_t at = 0; at < knob->count; at++)
        same =
            same && (!counts(to, knob, at) || knob_get(from, knob, at) == knob_get(to, knob, at));
    if (same) return;
    if (knob->count != NET_DEVICES || knob_is(to, knob, value)) {
        fprintf(out, " --set %s=%" PRId64, knob->name, value);
        return;
    }
    for (uint32_t at = 0; at < knob->count; at++)
        if (counts(to, knob, at) && knob_get(from, knob, at) != knob_get(to, knob, at))
            fprintf(out, " --set %s.%u=%" PRId64, knob->name, at, knob_get(to, knob, at));
}

void knobs_print_changes(const struct plan *from, const struct plan *to, FILE *out) {
    for (uint32_t i = 0; i < knob_count(); i++) {
        const struct knob knob = knob_at(i);
        print_change(from, to, &knob, out);
    }
}

void knobs_describe(const struct plan *plan, FILE *out) {
    static const char *const shapes[SHAPE_COUNT] = {[SHAPE_MESH] = "each joined to each",
                                                    [SHAPE_LINE] = "in a line",
                                                    [SHAPE_STAR] = "in a star",
                                                    [SHAPE_RING] = "in a ring"};
    uint32_t kinds = 0;
    fprintf(out, "%u devices%s%s, %.3f s", plan->device_count, plan->device_count > 2 ? " " : "",
            plan->device_count > 2 ? shapes[plan->shape] : "", (double)plan->run_us / 1e6);
    for (int f = 0; f < FAULT_COUNT; f++)
        if (plan->fault_mean_us[f] || plan->lies[f])
            fprintf(out, "%s%s", kinds++ ? ", " : "; faults: ", fault_names[f]);
    if (kinds == 0) fprintf(out, "; no faults");
    if (plan->guest < NET_DEVICES) fprintf(out, "; device %u comes in later", plan->guest);
    if (plan->victim < NET_DEVICES) fprintf(out, "; device %u is removed", plan->victim);
    for (uint32_t i = FAULT_COUNT; i < knob_count(); i++) {
        const struct knob knob = knob_at(i);
        if (!knob.choice || knob_is(plan, &knob, knob.plain)) continue;
        if (knob.count == 1)
            fprintf(out, "; %s %" PRId64, knob.name, knob_get(plan, &knob, 0));
        else
            fprintf(out, "; %s", knob.name);
    }
    fprintf(out, "\n");
}
