/* Snapshots in drawn histories: a store that was away takes one from a store that goes on working,
 * and forgets; then each hears what the other has that it has not. Both know the same then, and
 * nothing of it is lost.
 *
 * The global order of stamps is drawn too: they grow, and each store hears a device's ops in order,
 * those of different devices in any. The store that was away writes all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/take.h"
#include "tests/sim/rng.h"

#define TAGS                                                        \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: atomic)\n" \
    " id TEXT PRIMARY KEY, name TEXT UNIQUE, color INTEGER CHECK (color < 8), more TEXT);\n"
#define TAGS_OF_ANOTHER_VERSION                                     \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: atomic)\n" \
    " id TEXT PRIMARY KEY, color INTEGER NOT NULL DEFAULT 0, name TEXT, extra TEXT);\n"
#define LINKS                                                             \
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: a, group: b)\n" \
    " a INTEGER, b TEXT, added INTEGER, PRIMARY KEY (a, b));\n"

enum { DEVICES = 4, OPS = 120, SOURCE = 8, AWAY = 9, SEEDS = 16 };

struct op {
    uint8_t device;
    uint64_t hlc;
    char words[120];
    bool heard_by_source, heard_by_mine;
};

struct world {
    struct replica source, mine;
    struct take take;
    struct rng rng;
    uint64_t hlc;
    struct op ops[OPS]; /* by hlc; of DEVICES devices */
    uint32_t count;
    struct {
        uint64_t hlc;
        struct bytes body;
    } own[OPS]; /* of the store that was away */
    uint32_t own_count, own_heard;
};

/* ---- what is said ---------------------------------------------------------------------------- */

static uint64_t below(struct world *world, uint64_t bound) {
    return rng_below(&world->rng, bound);
}

/* One row, for others or for the host. */
static void draw_row(struct world *world, bool host, char *out, size_t room) {
    static const char *const names[] = {"red", "blue", "pink"};
    const bool link = below(world, 4) == 0;
    const unsigned key = (unsigned)below(world, link ? 3 : 5);
    const char sign = host ? "=~-"[below(world, 3)] : "+~~-"[below(world, 4)];
    char field[40];
    snprintf(field, sizeof field, link ? " added=#%u" : " color=#%u", (unsigned)below(world, 10));
    if (!link && below(world, 2) == 0)
        snprintf(field, sizeof field, " name=%s", names[below(world, 3)]);
    if (!link && !host && below(world, 3) == 0)
        snprintf(field, sizeof field, " %s=%u", below(world, 2) == 0 ? "more" : "extra",
                 (unsigned)below(world, 100));
    if (sign == '-') field[0] = '\0';
    const char *table = link ? "link" : !host && below(world, 6) == 0 ? "strange" : "tag";
    snprintf(out, room, link ? "%s %c#%u,x%s" : "%s %ck%u%s", table, sign, key, field);
}

static void draw_ops(struct world *world, uint32_t count) {
    for (uint32_t i = 0; i < count && world->count < OPS; i++) {
        struct op *op = &world->ops[world->count++];
        world->hlc += 1 + below(world, 3);
        *op = (struct op){.device = (uint8_t)(1 + below(world, DEVICES)), .hlc = world->hlc};
        draw_row(world, false, op->words, sizeof op->words);
    }
}

static bool *heard(struct world *world, bool source, uint32_t i) {
    return source ? &world->ops[i].heard_by_source : &world->ops[i].heard_by_mine;
}

/* A store hears up to `count` ops that it has not heard, of devices in a drawn order; those of the
 * source may be such as the snapshot covers. */
static void hear(struct world *world, bool source, uint32_t count) {
    for (; count > 0; count--) {
        const uint8_t first = (uint8_t)below(world, DEVICES);
        bool found = false;
        for (uint8_t d = 0; d < DEVICES && !found; d++) {
            for (uint32_t i = 0; i < world->count && !found; i++) {
                const struct op *op = &world->ops[i];
                if (op->device != 1 + (first + d) % DEVICES || *heard(world, source, i)) continue;
                found = true;
                *heard(world, source, i) = true;
                take_hears(source ? &world->source : &world->mine, op->device, op->hlc, op->words);
            }
        }
        if (!found) return;
    }
}

static void write_own(struct world *world) {
    char words[120];
    if (world->own_count == OPS) return;
    draw_row(world, true, words, sizeof words);
    world->mine.library.clock = ++world->hlc;
    const uint64_t hlc = take_writes(&world->mine, words);
    if (world->hlc < world->mine.library.clock) world->hlc = world->mine.library.clock;
    if (hlc == 0) return;
    uint8_t *copy = malloc(world->mine.said.size);
    assert_non_null(copy);
    memcpy(copy, world->mine.said.data, world->mine.said.size);
    world->own[world->own_count].hlc = hlc;
    world->own[world->own_count++].body = (struct bytes){copy, world->mine.said.size};
}

/* ---- a history ------------------------------------------------------------------------------- */

static void begin(struct world *world, uint64_t seed) {
    char name[40];
    rng_seed(&world->rng, seed, 0);
    world->hlc = 5000;
    snprintf(name, sizeof name, "source%u", (unsigned)seed);
    replica_open(&world->source, name, SOURCE, TAGS LINKS);
    snprintf(name, sizeof name, "mine%u", (unsigned)seed);
    const char *schemas[] = {TAGS LINKS, TAGS LINKS, TAGS_OF_ANOTHER_VERSION LINKS, LINKS};
    replica_open(&world->mine, name, AWAY, TAGS LINKS);
    if (seed % 4 >= 2) {
        replica_close(&world->mine);
        replica_open(&world->mine, name, AWAY, schemas[seed % 4]);
    }
}

static void end(struct world *world) {
    take_end(&world->take);
    replica_close(&world->source);
    replica_close(&world->mine);
    for (uint32_t i = 0; i < world->own_count; i++)
        free((void *)(uintptr_t)world->own[i].body.data);
}

static bool takes_tags(const struct world *world) {
    return models_find(world->mine.library.store.models, "tag", 3) != NULL;
}

/* All that was said so far was heard by the source, so that deletions may be forgotten. */
static void maybe_forget(struct world *world) {
    for (uint32_t i = 0; i < world->count; i++)
        if (!world->ops[i].heard_by_source) return;
    take_forget(&world->source);
}

static void go_on_meanwhile(struct world *world) {
    if (below(world, 3) == 0) draw_ops(world, 2);
    if (below(world, 2) == 0) hear(world, true, (uint32_t)below(world, 3));
    if (below(world, 3) == 0 && takes_tags(world)) write_own(world);
    if (below(world, 8) == 0) take_interrupt(&world->take);
}

/* What lies behind the snapshot's heads, and what the source has not heard. */
static void exchange(struct world *world) {
    struct world *w = world;
    for (uint32_t i = 0; i < w->count; i++) {
        if (take_covers(&w->take, w->ops[i].device, w->ops[i].hlc)) w->ops[i].heard_by_mine = true;
    }
    hear(w, false, OPS);
    hear(w, true, OPS);
    for (; w->own_heard < w->own_count; w->own_heard++)
        take_hears_body(&w->source, AWAY, w->own[w->own_heard].hlc, w->own[w->own_heard].body);
}

static void play(struct world *world) {
    draw_ops(world, 10 + (uint32_t)below(world, 20));
    hear(world, false, (uint32_t)below(world, 30));
    hear(world, true, OPS);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++) {
            draw_ops(world, (uint32_t)below(world, 5));
            if (takes_tags(world)) write_own(world);
        }
        hear(world, true, below(world, 2) == 0 ? OPS : (uint32_t)below(world, 20));
        if (below(world, 3) > 0) maybe_forget(world);
        take_end(&world->take);
        take_begin(&world->take, &world->source, &world->mine);
        while (take_chunk(&world->take, below(world, 300), 1 + (below(world, 4) == 0)))
            go_on_meanwhile(world);
        while (take_sweep(&world->take, 1 + (uint32_t)below(world, 4))) {
            if (below(world, 3) == 0 && takes_tags(world)) write_own(world);
        }
        exchange(world);
        char *source = strdup(replica_dump(&world->source));
        assert_string_equal(replica_dump(&world->mine), source);
        free(source);
    }
}

static void both_know_the_same_after_a_snapshot_and_the_log_behind_it(void **state) {
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        memset(world, 0, sizeof *world);
        begin(world, seed);
        play(world);
        end(world);
    }
    free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_know_the_same_after_a_snapshot_and_the_log_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
