/* What a row is follows from the set of what was said of it: under every order, repetition and
 * partition that chance comes upon, with ties everywhere, and under every sequence of a few ops.
 *
 *   ops ──┬─► device, in an order of its own, some twice ──┐
 *         ├─► device, some of the ops only ◄── whole rows ─┼─► the same rows and values on all
 *         └─► device, some of the ops only ◄── whole rows ─┘
 *                                         │
 *   set of ops ─► oracle: maxima ─────────┴─► the same again
 *
 * A device keeps values as a store does: by the verdicts alone. A value tells the stamp that it was
 * written with, so that the values show whether the verdicts were right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/crdt/merge.h"
#include "tests/sim/rng.h"

enum { ROWS = 2, FIELDS = 4, ORIGINS = 4, OPS = 16, DEVICES = 4 };
enum { HISTORIES = 120000 };

enum what { CREATE, DELETE, UPDATE, WHATS };

struct op {
    enum what what;
    uint32_t row, fields; /* bit f: field f is written */
    struct stamp stamp;
};

struct device_row {
    struct merge_row clock;
    uint64_t values[FIELDS]; /* 0: none */
};
struct device {
    struct device_row rows[ROWS];
};

/* What is to be shown to have happened, lest the test prove nothing. */
struct seen {
    uint64_t visible, hidden, cleared, beaten, ties, won_and_ended, unchanged;
};

struct world {
    struct rng rng;
    uint32_t numbers[FIELDS]; /* of the fields, in their rows */
    struct op ops[OPS];
    uint32_t op_count, device_count;
    struct device devices[DEVICES];
    struct seen seen;
};

/* ---- the order of origins, and the oracle, which has its own ---- */

static const uint32_t ranks[ORIGINS + 1] = {0, 3, 1, 4, 2};

static int by_rank(const void *context, uint32_t a, uint32_t b) {
    const uint32_t *rank = context;
    return rank[a] < rank[b] ? -1 : rank[a] > rank[b];
}

static const struct stamp_order order = {by_rank, ranks};

/* A stamp as one number, greater if later; never is 0. */
static uint64_t moment(struct stamp stamp) {
    return stamp.hlc == 0 ? 0 : stamp.hlc * 100 + ranks[stamp.origin];
}

struct truth {
    uint64_t created, deleted, fields[FIELDS];
};

/* What the set of ops says of a row. */
static struct truth oracle(const struct op *ops, uint32_t count, uint32_t row) {
    struct truth truth = {0};
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t when = moment(ops[i].stamp);
        if (ops[i].row != row) continue;
        if (ops[i].what == CREATE && when > truth.created) truth.created = when;
        if (ops[i].what == DELETE && when > truth.deleted) truth.deleted = when;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t when = moment(ops[i].stamp);
        if (ops[i].row != row || when <= truth.deleted) continue;
        for (uint32_t f = 0; f < FIELDS; f++) {
            if ((ops[i].fields >> f & 1) != 0 && when > truth.fields[f]) truth.fields[f] = when;
        }
    }
    return truth;
}

static struct stamp stamp_of(const struct merge_row *row, uint32_t number) {
    return number < row->field_count ? row->fields[number] : (struct stamp){0};
}

static struct truth state_of(const struct world *world, const struct merge_row *row) {
    struct truth state = {moment(row->created), moment(row->deleted), {0}};
    for (uint32_t f = 0; f < FIELDS; f++)
        state.fields[f] = moment(stamp_of(row, world->numbers[f]));
    return state;
}

/* ---- devices ---- */

static void device_reset(struct device *device) {
    /* Stamps from field_count on may be anything: they are left from the history before. */
    for (uint32_t r = 0; r < ROWS; r++) {
        struct device_row *row = &device->rows[r];
        row->clock.created = row->clock.deleted = (struct stamp){0};
        row->clock.field_count = 0;
        memset(row->values, 0, sizeof row->values);
    }
}

/* The field with this number, or FIELDS. */
static uint32_t field_numbered(const struct world *world, uint32_t number) {
    uint32_t f = 0;
    while (f < FIELDS && world->numbers[f] != number)
        f++;
    return f;
}

/* A verdict says what has become another, and nothing else. */
static void verdict_must_say(struct world *world, const struct truth *before,
                             const struct truth *after, const struct merge_change *change,
                             const struct merge_verdict *verdict) {
    uint32_t won_of[FIELDS] = {0}, won = 0;
    for (uint32_t i = 0; i < change->count; i++) {
        if (!merge_bit(verdict->won, i)) continue;
        const uint32_t f = field_numbered(world, change->fields[i]);
        assert_true(f < FIELDS);
        assert_true(after->fields[f] == moment(change->stamps[i]));
        won_of[f]++;
        won++;
    }
    for (uint32_t f = 0; f < FIELDS; f++) {
        const bool cleared = merge_bit(verdict->cleared, world->numbers[f]);
        const bool same = before->fields[f] == after->fields[f];
        assert_true(cleared == (before->fields[f] != 0 && after->fields[f] == 0));
        assert_true(won_of[f] == (!same && !cleared));
        world->seen.won_and_ended +=
            won_of[f] != 0 && before->fields[f] != 0 && before->fields[f] <= after->deleted;
        world->seen.cleared += cleared;
    }
    assert_true(verdict->news == (memcmp(before, after, sizeof *before) != 0));
    assert_true(won + verdict->beaten <= change->count);
    world->seen.beaten += verdict->beaten;
    world->seen.unchanged += !verdict->news;
}

/* Merges, and does with the values what the verdict says, in either order. */
static void device_hears(struct world *world, struct device_row *row,
                         const struct merge_change *change, const uint64_t *values,
                         struct merge_verdict *verdict) {
    const struct truth before = state_of(world, &row->clock);
    merge_apply(&row->clock, change, &order, verdict);
    const struct truth after = state_of(world, &row->clock);
    verdict_must_say(world, &before, &after, change, verdict);
    const uint32_t clear_at = (uint32_t)(rng_u64(&world->rng) & 1);
    for (uint32_t step = 0; step < 2; step++) {
        for (uint32_t f = 0; f < FIELDS && step == clear_at; f++) {
            if (merge_bit(verdict->cleared, world->numbers[f])) row->values[f] = 0;
        }
        for (uint32_t i = 0; i < change->count && step != clear_at; i++) {
            if (!merge_bit(verdict->won, i)) continue;
            row->values[field_numbered(world, change->fields[i])] = values[i];
        }
    }
}

static uint64_t value_of(struct stamp stamp, uint32_t field) {
    return moment(stamp) * 10 + field + 1;
}

static bool device_hears_op(struct world *world, struct device *device, const struct op *op) {
    uint32_t fields[FIELDS];
    struct stamp stamps[FIELDS];
    uint64_t values[FIELDS];
    struct merge_verdict verdict;
    struct merge_change change = {.fields = fields, .stamps = stamps};
    if (op->what == CREATE) change.created = op->stamp;
    if (op->what == DELETE) change.deleted = op->stamp;
    for (uint32_t f = 0; f < FIELDS; f++) {
        if ((op->fields >> f & 1) == 0) continue;
        fields[change.count] = world->numbers[f];
        stamps[change.count] = op->stamp;
        values[change.count++] = value_of(op->stamp, f);
    }
    device_hears(world, &device->rows[op->row], &change, values, &verdict);
    return verdict.news;
}

/* All that the other knows of a row, with its values. */
static bool device_hears_row(struct world *world, struct device *device, const struct device *other,
                             uint32_t row) {
    const struct device_row *from = &other->rows[row];
    uint32_t fields[FIELDS];
    struct stamp stamps[FIELDS];
    uint64_t values[FIELDS];
    struct merge_verdict verdict;
    struct merge_change change = {from->clock.created, from->clock.deleted, 0, fields, stamps};
    for (uint32_t f = 0; f < FIELDS; f++) {
        fields[change.count] = world->numbers[f];
        stamps[change.count] = stamp_of(&from->clock, world->numbers[f]);
        values[change.count++] = from->values[f];
    }
    device_hears(world, &device->rows[row], &change, values, &verdict);
    return verdict.news;
}

static void device_must_hold(struct world *world, const struct device *device, const struct op *ops,
                             uint32_t count) {
    for (uint32_t r = 0; r < ROWS; r++) {
        const struct device_row *row = &device->rows[r];
        const struct truth want = oracle(ops, count, r), have = state_of(world, &row->clock);
        assert_memory_equal(&have, &want, sizeof want);
        const bool visible = merge_visible(&row->clock, &order);
        assert_true(visible == (want.created > want.deleted));
        world->seen.visible += visible;
        world->seen.hidden += !visible;
        for (uint32_t f = 0; f < FIELDS; f++) {
            const uint64_t value = want.fields[f] == 0 ? 0 : want.fields[f] * 10 + f + 1;
            assert_true(row->values[f] == value);
        }
        for (uint32_t f = 0; f < row->clock.field_count; f++) {
            if (row->clock.fields[f].hlc != 0) assert_true(field_numbered(world, f) < FIELDS);
        }
    }
}

/* ---- histories ---- */

static void draw_ops(struct world *world) {
    static const uint32_t near[FIELDS] = {0, 1, 2, 3}, far[FIELDS] = {255, 64, 63, 0};
    struct rng *rng = &world->rng;
    memcpy(world->numbers, rng_chance(rng, 20) ? far : near, sizeof near);
    const uint64_t times = rng_between(rng, 1, 8);
    world->op_count = (uint32_t)rng_between(rng, 1, OPS);
    world->device_count = (uint32_t)rng_between(rng, 2, DEVICES);
    for (uint32_t i = 0; i < world->op_count; i++) {
        struct op *op = &world->ops[i];
        const uint64_t bits = rng_u64(rng);
        op->what = (enum what)(bits % WHATS);
        op->row = (uint32_t)(bits >> 8) % ROWS;
        op->fields = op->what == DELETE ? 0 : (uint32_t)(bits >> 16) % (1u << FIELDS);
        op->stamp.origin = 1 + (uint32_t)(bits >> 24) % ORIGINS;
        op->stamp.hlc = 1 + (bits >> 32) % times;
        for (uint32_t j = 0; j < i; j++)
            world->seen.ties += world->ops[j].stamp.hlc == op->stamp.hlc &&
                                world->ops[j].stamp.origin != op->stamp.origin;
    }
}

/* Ops numbered by `mask` in an order of its own, some of them twice; of the rows of others it
 * hears in between, when it is one of those that do. */
static void play_ops(struct world *world, uint32_t at, uint32_t mask, bool talks) {
    uint32_t turn[OPS * 2], count = 0;
    for (uint32_t i = 0; i < world->op_count; i++) {
        if ((mask >> i & 1) != 0) turn[count++] = i;
        if ((mask >> i & 1) != 0 && rng_chance(&world->rng, 250)) turn[count++] = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t j = i + (uint32_t)rng_below(&world->rng, count - i), kept = turn[j];
        turn[j] = turn[i];
        turn[i] = kept;
        device_hears_op(world, &world->devices[at], &world->ops[kept]);
        if (!talks || !rng_chance(&world->rng, 100)) continue;
        const uint32_t other = 1 + (uint32_t)rng_below(&world->rng, world->device_count - 1);
        device_hears_row(world, &world->devices[at], &world->devices[other], i % ROWS);
    }
}

/* The first device hears every op and nothing else; the others some of them each, and then one
 * another's rows. */
static void play_history(struct world *world) {
    const uint32_t all = (1u << world->op_count) - 1;
    uint32_t masks[DEVICES] = {all};
    for (uint32_t i = 0; i < world->op_count; i++) {
        const uint64_t who = rng_u64(&world->rng);
        for (uint32_t d = 1; d < world->device_count; d++)
            masks[d] |= (uint32_t)(who >> d & 1) << i;
        masks[1 + (who >> 32) % (world->device_count - 1)] |= 1u << i;
    }
    for (uint32_t d = 0; d < world->device_count; d++)
        device_reset(&world->devices[d]);
    for (uint32_t d = 0; d < world->device_count; d++)
        play_ops(world, d, masks[d], d > 0);
    for (uint32_t d = 1; d < world->device_count; d++) {
        const uint32_t from = (uint32_t)rng_below(&world->rng, world->device_count - 1);
        for (uint32_t k = 0; k < world->device_count - 1; k++) {
            const uint32_t other = 1 + (from + k) % (world->device_count - 1);
            for (uint32_t r = 0; r < ROWS; r++)
                device_hears_row(world, &world->devices[d], &world->devices[other], r);
        }
    }
}

static void every_order_repetition_and_partition_of_a_history_gives_the_same_rows(void **state) {
    (void)state;
    static struct world world;
    memset(&world, 0xAB, sizeof world);
    memset(&world.seen, 0, sizeof world.seen);
    rng_seed(&world.rng, 1, 0);
    for (uint32_t i = 0; i < HISTORIES; i++) {
        draw_ops(&world);
        play_history(&world);
        for (uint32_t d = 0; d < world.device_count; d++)
            device_must_hold(&world, &world.devices[d], world.ops, world.op_count);
        /* All of it once more is no news to anybody. */
        struct device *device = &world.devices[i % world.device_count];
        for (uint32_t o = 0; o < world.op_count; o++)
            assert_false(device_hears_op(&world, device, &world.ops[o]));
        for (uint32_t r = 0; r < ROWS; r++)
            assert_false(device_hears_row(&world, device, &world.devices[0], r));
    }
    assert_true(world.seen.visible > HISTORIES && world.seen.hidden > HISTORIES);
    assert_true(world.seen.ties > HISTORIES && world.seen.beaten > HISTORIES);
    assert_true(world.seen.cleared > HISTORIES && world.seen.unchanged > HISTORIES);
    assert_true(world.seen.won_and_ended > 1000);
}

/* Two times and two origins, a creation, a deletion or a write each: 12 ops. */
static struct op small_op(uint32_t number) {
    const enum what what = (enum what)(number % WHATS);
    return (struct op){.what = what,
                       .fields = what == DELETE ? 0 : 1,
                       .stamp = {1 + number / WHATS % 2, 1 + number / WHATS / 2}};
}

static void every_sequence_of_four_ops_gives_what_their_set_says(void **state) {
    (void)state;
    enum { SMALL = 12, LENGTH = 4, SEQUENCES = SMALL * SMALL * SMALL * SMALL };
    static struct world world;
    rng_seed(&world.rng, 2, 0);
    for (uint32_t f = 0; f < FIELDS; f++)
        world.numbers[f] = f;
    for (uint32_t sequence = 0; sequence < SEQUENCES; sequence++) {
        struct op ops[LENGTH];
        device_reset(&world.devices[0]);
        for (uint32_t i = 0, rest = sequence; i < LENGTH; i++, rest /= SMALL) {
            ops[i] = small_op(rest % SMALL);
            device_hears_op(&world, &world.devices[0], &ops[i]);
            device_must_hold(&world, &world.devices[0], ops, i + 1);
        }
        /* The same in two halves, of which one hears the other. */
        for (uint32_t d = 1; d <= 2; d++) {
            device_reset(&world.devices[d]);
            device_hears_op(&world, &world.devices[d], &ops[d]);
            device_hears_op(&world, &world.devices[d], &ops[d == 1 ? 0 : 3]);
        }
        device_hears_row(&world, &world.devices[1], &world.devices[2], 0);
        device_must_hold(&world, &world.devices[1], ops, LENGTH);
    }
}

/* The stamp of what never was has no origin that matters. */
static void stamps_of_nothing_are_equal(void **state) {
    (void)state;
    const struct stamp one = {0, 1}, two = {0, 2}, some = {1, 1};
    assert_int_equal(stamp_compare(&one, &two, &order), 0);
    assert_true(stamp_compare(&one, &some, &order) < 0);
    assert_true(stamp_compare(&some, &two, &order) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_repetition_and_partition_of_a_history_gives_the_same_rows),
        cmocka_unit_test(every_sequence_of_four_ops_gives_what_their_set_says),
        cmocka_unit_test(stamps_of_nothing_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
