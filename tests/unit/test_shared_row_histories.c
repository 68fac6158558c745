/* What stores hold follows from what was said, not from the order in which it came to them.
 *
 *   device 1 ── hosts, hears ──┐
 *   device 2 ── hosts, hears ──┤   the rest of what was said, in an order of each one's own,
 *   device 3 ── hosts, hears ──┼─► some of it twice ─► the same dump on all four
 *   device 4 ── only hears ────┤                       the same tables on 1, 2 and 4
 *   device 5 says what it likes┘                       where of rivals the right ones stand
 *
 * Device 3 has an older schema: a table and a column are not there. What is shown is judged by an
 * oracle that knows of rivals only that they are taken by age. Keys and unique values are few, so
 * that there are rivals everywhere; stamps are close, so that there are ties.
 * A history is one transaction on each store, and rolled back: so what is remembered of the one
 * before must be forgotten. A failing one is run again and again without some of its steps, and the
 * shortest is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/digests.h"
#include "tests/lib/replica.h"
#include "tests/sim/rng.h"

enum { HISTORIES = 2000, LATE_HISTORIES = 60 };
enum { STORES = 4, OLD = 2, LIAR = 4, ORIGINS = 5, STEPS = 18, RECORDS = STEPS, ROWS = 64 };

static const char full[] =
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    " id TEXT PRIMARY KEY, name TEXT UNIQUE, code TEXT UNIQUE);\n"
    "ALTER TABLE tag ADD COLUMN rank INTEGER NOT NULL DEFAULT 0 CHECK (rank < 5);\n"
    "CREATE TABLE object ( -- @shared(create: atomic, id: cas)\n"
    " cas TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL DEFAULT 7, alias TEXT UNIQUE,\n"
    " first BLOB -- @node\n"
    ") ;\n"
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: object, group: tag)\n"
    " object TEXT, tag TEXT, added INTEGER, PRIMARY KEY (object, tag)) WITHOUT ROWID;\n";
static const char old[] =
    "CREATE TABLE tag ( -- @shared(create: unique)\n"
    " id TEXT PRIMARY KEY, name TEXT UNIQUE, code TEXT UNIQUE);\n"
    "CREATE TABLE link ( -- @relation(item: object, group: tag)\n"
    " object TEXT, tag TEXT, added INTEGER, PRIMARY KEY (object, tag)) WITHOUT ROWID;\n";

/* ---- a history ------------------------------------------------------------------------------- */

enum deed { HOST, HEAR, LIE };

struct step {
    enum deed deed;
    uint32_t device; /* of HOST and HEAR: a store */
    uint32_t origin; /* of HEAR: whose next record */
    uint64_t hlc;    /* of LIE */
    char words[400];
};

struct said {
    uint64_t hlc;
    struct bytes body;
};

/* What is to be shown to have happened, lest the test prove nothing. */
struct seen {
    uint64_t written, refused, parked, beaten, rivals, extra, chains;
};

struct world {
    struct replica stores[STORES];
    struct pool *pool;
    struct arena arena; /* of the liar's ops */
    uint64_t seed;
    struct step steps[STEPS];
    uint32_t step_count;
    struct said said[ORIGINS][RECORDS];
    uint32_t said_count[ORIGINS];
    uint32_t heard[STORES][ORIGINS];
    bool late; /* the old store is given the other schema at the end */
    struct seen seen;
    char wrong[4 * REPLICA_TEXT]; /* what was, if anything */
    char first[REPLICA_TEXT];
};

/* ---- drawing --------------------------------------------------------------------------------- */

static const char *pick(struct rng *rng, const char *const *from, uint32_t count) {
    return from[rng_below(rng, count)];
}
#define PICK(rng, ...)                            \
    pick(rng, (const char *const[]){__VA_ARGS__}, \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

#define KEYS "a", "b", "c", "d", "e", "f"
#define NAMES "n1", "n2", "n3", "n4"

static void draw_fields(struct rng *rng, struct text *text, const char *table, bool put, bool rank,
                        bool liar) {
    if (table[0] == 't' || table[0] == 'T') {
        if (put || rng_chance(rng, 600)) text_put(text, " name=%s", PICK(rng, NAMES));
        if (rng_chance(rng, 400)) text_put(text, " code=%s", PICK(rng, NAMES));
        if (rank && (put || rng_chance(rng, 300))) {
            text_put(text, " rank=%s",
                     liar ? PICK(rng, "#1", "#5", "n1", "null", "#2") : PICK(rng, "#1", "#2"));
        }
    } else if (table[0] == 'o') {
        if (rng_chance(rng, 600)) text_put(text, " alias=%s", PICK(rng, NAMES));
        if (rng_chance(rng, 300)) text_put(text, " kind=%s", PICK(rng, "#1", "#2", "#7"));
        if (liar) text_put(text, " first=%s", PICK(rng, "node", "null", "@1"));
    } else if (rng_chance(rng, 500)) {
        text_put(text, " added=%s", PICK(rng, "#1", "#2", "null"));
    }
    if (liar && rng_chance(rng, 100)) text_put(text, " junk=%s", PICK(rng, "#1", "n1", "@3"));
}

static void draw_key(struct rng *rng, struct text *text, const char *table, bool liar) {
    text_put(text, "%s", liar && rng_chance(rng, 50) ? "#1" : PICK(rng, KEYS));
    if (table[0] == 'l') text_put(text, ",%s", PICK(rng, KEYS));
}

static void draw_set(struct rng *rng, struct text *text, const char *table, bool rank) {
    if (table[0] == 't') {
        const char *column = PICK(rng, "name", "code");
        const char *name = PICK(rng, NAMES), *number = PICK(rng, "#1", "#4", "#5");
        if (rank && rng_chance(rng, 150)) column = "rank", name = number;
        text_put(text, " %s=%s", column, name);
    } else if (table[0] == 'o') {
        text_put(text, " %s", PICK(rng, "alias=n1", "alias=null", "kind=#3", "first=null"));
    } else {
        text_put(text, " added=%s", PICK(rng, "#1", "#3"));
    }
}

/* `dense`: tags, which are rivals. */
static void draw_host(struct rng *rng, struct step *step, bool dense) {
    struct text text = text_begin(step->words, sizeof step->words);
    const bool is_old = step->device == OLD;
    const char *table = dense    ? "tag"
                        : is_old ? PICK(rng, "tag", "tag", "link")
                                 : PICK(rng, "tag", "tag", "tag", "object", "object", "link");
    text_put(&text, "%s ", table);
    for (uint64_t n = rng_between(rng, 1, 2); n > 0; n--) {
        const char *sign = dense ? PICK(rng, "=", "=", "=", "=", "=", "=", "~", "-")
                                 : PICK(rng, "=", "=", "~", "-");
        text_put(&text, "%s", sign);
        draw_key(rng, &text, table, false);
        if (*sign == '=') draw_fields(rng, &text, table, true, !is_old, false);
        if (*sign == '~') draw_set(rng, &text, table, !is_old);
        if (n > 1) text_put(&text, "; ");
    }
}

static void draw_lie(struct rng *rng, struct step *step) {
    struct text text = text_begin(step->words, sizeof step->words);
    const char *table = PICK(rng, "tag", "TAG", "tag", "object", "object", "link", "stranger");
    step->hlc = rng_between(rng, 1004, 1030);
    text_put(&text, "%s ", table);
    for (uint64_t n = rng_between(rng, 1, 4); n > 0; n--) {
        const char *sign = PICK(rng, "+", "+", "~", "-");
        text_put(&text, "%s", sign);
        draw_key(rng, &text, table, true);
        if (rng_chance(rng, 500)) text_put(&text, "^%u", (unsigned)rng_below(rng, 4));
        const size_t before = text.size;
        if (*sign != '-') draw_fields(rng, &text, table, false, true, true);
        if (*sign == '~' && text.size == before) text_put(&text, " junk=#2");
        if (n > 1) text_put(&text, "; ");
    }
}

static void draw(struct world *world) {
    struct rng rng;
    rng_seed(&rng, world->seed, 1);
    const bool lies = rng_chance(&rng, 500), dense = rng_chance(&rng, 500);
    world->step_count = (uint32_t)rng_between(&rng, 4, STEPS);
    for (uint32_t i = 0; i < world->step_count; i++) {
        struct step *step = &world->steps[i];
        const uint64_t what = rng_below(&rng, 10);
        *step = (struct step){.deed = what < 7 ? HOST : (what < 8 || !lies) && !dense ? HEAR : LIE};
        step->device = (uint32_t)rng_below(&rng, step->deed == HOST ? STORES - 1 : STORES);
        step->origin = (uint32_t)rng_below(&rng, ORIGINS);
        if (step->deed == HOST) draw_host(&rng, step, dense);
        if (step->deed == LIE) draw_lie(&rng, step);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool wrong(struct world *world, const char *format,
                                                        ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(world->wrong, sizeof world->wrong, format, values);
    va_end(values);
    return false;
}

static void exec(struct replica *replica, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(replica->library.writer->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static bool host(struct world *world, const struct step *step) {
    struct replica *store = &world->stores[step->device];
    replica_ok(store, digest_save(store->library.writer, &store->library.why));
    exec(store, "SAVEPOINT host");
    const enum weft_status status = replica_write_within(store, step->words);
    if (status == WEFT_CONSTRAINT || status == WEFT_NOT_FOUND) {
        exec(store, "ROLLBACK TO host; RELEASE host");
        shared_work_forget(store->library.writer->shared);
        digest_forget(store->library.writer);
        world->seen.refused++;
        return true;
    }
    exec(store, "RELEASE host");
    if (status != WEFT_OK) return wrong(world, "%s: %s", step->words, store->library.why.text);
    if (store->said.size == 0) return true;
    world->said[step->device][world->said_count[step->device]++] =
        (struct said){store->hlc, store->said};
    return true;
}

/* The store hears of an origin's record; a second time nothing comes of it. */
static bool hear(struct world *world, uint32_t device, uint32_t origin, uint32_t n) {
    struct replica *store = &world->stores[device];
    const struct said *said = &world->said[origin][n];
    const bool twice = n < world->heard[device][origin] || device == origin;
    const enum weft_status status =
        replica_apply_within(store, (uint8_t)(origin + 1), said->hlc, said->body);
    if (status != WEFT_OK) {
        return wrong(world, "device %u, record %u of %u: %s", device + 1, n + 1, origin + 1,
                     store->library.why.text);
    }
    world->seen.written += store->tally.written;
    world->seen.parked += store->tally.parked;
    world->seen.beaten += store->tally.beaten;
    if (!twice) world->heard[device][origin] = n + 1;
    if (!twice || store->tally.written + store->tally.parked == 0) return true;
    return wrong(world, "device %u, record %u of %u: heard twice, and written again", device + 1,
                 n + 1, origin + 1);
}

static bool take(struct world *world, const struct step *step) {
    const uint32_t n = world->heard[step->device][step->origin];
    if (step->deed == HOST) return host(world, step);
    if (step->deed == LIE) {
        world->said[LIAR][world->said_count[LIAR]++] =
            (struct said){step->hlc, words_body(&world->arena, step->words)};
        return true;
    }
    if (step->device == step->origin || n == world->said_count[step->origin]) return true;
    return hear(world, step->device, step->origin, n);
}

/* Whichever record comes first to this device of those that may. It depends on the record alone, so
 * that an order stays what it is while a history is made shorter. */
static bool hear_rest(struct world *world, uint32_t device) {
    for (;;) {
        uint64_t best = 0;
        uint32_t origin = ORIGINS;
        for (uint32_t o = 0; o < ORIGINS; o++) {
            const uint32_t n = world->heard[device][o];
            if (o == device || n == world->said_count[o]) continue;
            const uint64_t rank = rng_mix(world->seed + device, o * RECORDS + n) | 1;
            if (rank > best) best = rank, origin = o;
        }
        if (origin == ORIGINS) return true;
        const uint32_t n = world->heard[device][origin];
        if (!hear(world, device, origin, n)) return false;
        if (best % 8 == 3 && !hear(world, device, origin, (uint32_t)(best >> 8) % (n + 1)))
            return false;
    }
}

/* ---- judging --------------------------------------------------------------------------------- */

/* A row as the dump tells it. */
struct told {
    char key[32], line[256];
    uint64_t hlc, device;
    char values[2][16]; /* of the unique columns; "" none */
    bool fits, stands;
};

static void field_of(const char *line, const char *field, char out[16]) {
    char name[16];
    snprintf(name, sizeof name, " %s=", field);
    const char *at = strstr(line, name);
    out[0] = '\0';
    if (at != NULL)
        snprintf(out, 16, "%.*s", (int)strcspn(at + strlen(name), "^"), at + strlen(name));
}

/* Whether the line tells of a row of the table that is to be seen; if so, of which. */
static bool take_line(const char *line, const char *table, const char *const unique[2],
                      const char *number, struct told *told) {
    const size_t size = strlen(table);
    char value[16];
    unsigned long long hlc = 0, device = 0;
    if (strncmp(line, table, size) != 0 || line[size] != ' ') return false;
    snprintf(told->line, sizeof told->line, "%.*s", (int)strcspn(line, "\n"), line);
    if (sscanf(told->line + size + 1, "%31s seen +%llu/%llu", told->key, &hlc, &device) != 3)
        return false;
    told->hlc = hlc, told->device = device;
    told->fits = told->key[0] != '#';
    for (int u = 0; u < 2; u++) {
        told->values[u][0] = '\0';
        if (unique[u] != NULL) field_of(told->line, unique[u], told->values[u]);
        if (strcmp(told->values[u], "null") == 0) told->values[u][0] = '\0';
    }
    field_of(told->line, number, value);
    if (value[0] != '\0' && value[0] != '#') told->fits = false;
    if (strcmp(number, "rank") == 0 && strcmp(value, "#5") == 0) told->fits = false;
    return true;
}

static int by_age(const void *a, const void *b) {
    const struct told *x = a, *y = b;
    if (x->hlc != y->hlc) return x->hlc < y->hlc ? -1 : 1;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* The keys of the rows that the table should show, of those that the dump tells of. */
static void oracle(struct world *world, const char *dump, const char *table,
                   const char *const unique[2], const char *number, struct text *out) {
    struct told told[ROWS];
    uint32_t count = 0, kept_out = 0;
    for (const char *line = dump; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(count < ROWS);
        count += take_line(line, table, unique, number, &told[count]);
    }
    qsort(told, count, sizeof told[0], by_age);
    for (uint32_t i = 0; i < count; i++) {
        told[i].stands = told[i].fits;
        for (uint32_t k = 0; k < i; k++) {
            for (int u = 0; u < 2; u++) {
                if (told[k].stands && told[k].values[u][0] != '\0' &&
                    strcmp(told[k].values[u], told[i].values[u]) == 0)
                    told[i].stands = false;
            }
        }
        kept_out += told[i].fits && !told[i].stands;
    }
    world->seen.rivals += kept_out > 0;
    world->seen.chains += kept_out > 1;
    for (const char *key = "a\0b\0c\0d\0e\0f\0"; *key != '\0'; key += 2) {
        for (uint32_t i = 0; i < count; i++) {
            if (told[i].stands && strcmp(told[i].key, key) == 0)
                text_put(out, "%s%s", out->size == 0 ? "" : " ", key);
        }
    }
}

static bool judge_table(struct world *world, struct replica *store, const char *table,
                        const char *sql, const char *const unique[2], const char *number) {
    char wanted[64];
    struct text text = text_begin(wanted, sizeof wanted);
    oracle(world, world->first, table, unique, number, &text);
    const char *shown = replica_rows(store, sql);
    if (strcmp(shown, wanted) == 0) return true;
    return wrong(world, "device %u shows of %s: %s\nbut should: %s\n%s", store->device, table,
                 shown, wanted, world->first);
}

static bool judge(struct world *world) {
    static const char *const tag[2] = {"name", "code"}, *const object[2] = {"alias", NULL};
    static const char tables[] =
        "SELECT 't', id, name, code, rank FROM (SELECT * FROM tag ORDER BY id) UNION ALL "
        "SELECT 'o', cas, alias, kind, first FROM (SELECT * FROM object ORDER BY cas) UNION ALL "
        "SELECT 'l', object, tag, added, null FROM (SELECT * FROM link ORDER BY object, tag)";
    char shown[2048] = "", digests[512] = "", theirs[512];
    snprintf(world->first, sizeof world->first, "%s", replica_dump(&world->stores[0]));
    world->seen.extra += strstr(world->first, "junk=") != NULL;
    for (uint32_t d = 0; d < STORES; d++) {
        struct replica *store = &world->stores[d];
        if (strcmp(replica_dump(store), world->first) != 0) {
            return wrong(world, "device 1:\n%sdevice %u:\n%s", world->first, d + 1, store->text);
        }
        digests_hold(store->library.writer, false);
        digests_shared_text(store->library.writer, theirs, sizeof theirs);
        if (d == 0) memcpy(digests, theirs, sizeof digests);
        if (strcmp(digests, theirs) != 0) {
            return wrong(world, "digests of device 1: %s, of device %u: %s\n%s", digests, d + 1,
                         theirs, world->first);
        }
        if (d == OLD && !world->late) continue;
        if (d == 0) snprintf(shown, sizeof shown, "%s", replica_rows(store, tables));
        if (strcmp(replica_rows(store, tables), shown) != 0)
            return wrong(world, "device 1: %s\ndevice %u: %s", shown, d + 1, store->text);
        if (!judge_table(world, store, "tag", "SELECT id FROM tag ORDER BY id", tag, "rank") ||
            !judge_table(world, store, "object", "SELECT cas FROM object ORDER BY cas", object,
                         "kind"))
            return false;
    }
    return true;
}

/* ---- histories ------------------------------------------------------------------------------- */

static void begin_store(struct replica *store) {
    store->library.clock = 1000;
    replica_ok(store, writer_begin(store->library.writer, &store->library.why));
}

static void reset(struct world *world) {
    memset(world->said_count, 0, sizeof world->said_count);
    memset(world->heard, 0, sizeof world->heard);
    for (uint32_t d = 0; d < STORES; d++)
        begin_store(&world->stores[d]);
}

/* The old store gets the new schema, and after the history another one takes its place. */
static void end_late(struct world *world, bool before_judging) {
    struct replica *store = &world->stores[OLD];
    if (before_judging) {
        replica_ok(store, writer_commit(store->library.writer, &store->library.why));
        replica_reopen(store, full);
        replica_ok(store, writer_begin(store->library.writer, &store->library.why));
        return;
    }
    replica_close(store);
    replica_open(store, "history-old", OLD + 1, old);
}

static bool run(struct world *world) {
    bool sound = true;
    reset(world);
    for (uint32_t i = 0; i < world->step_count && sound; i++)
        sound = take(world, &world->steps[i]);
    for (uint32_t d = 0; d < STORES && sound; d++)
        sound = hear_rest(world, d);
    /* The bodies of the old store go with it: nothing is said any more. */
    if (world->late) end_late(world, true);
    sound = sound && judge(world);
    for (uint32_t d = 0; d < STORES; d++) {
        writer_rollback(world->stores[d].library.writer);
        replica_forget(&world->stores[d]);
    }
    if (world->late) end_late(world, false);
    arena_drop(&world->arena);
    arena_init(&world->arena, world->pool);
    return sound;
}

/* Leaves steps out as long as it fails without them. */
static void shrink(struct world *world) {
    for (bool shorter = true; shorter;) {
        shorter = false;
        for (uint32_t i = world->step_count; i-- > 0;) {
            const struct step step = world->steps[i];
            const size_t behind = (world->step_count - i - 1) * sizeof step;
            memmove(&world->steps[i], &world->steps[i + 1], behind);
            world->step_count--;
            if (!run(world)) {
                shorter = true;
                continue;
            }
            memmove(&world->steps[i + 1], &world->steps[i], behind);
            world->steps[i] = step;
            world->step_count++;
        }
    }
    assert_false(run(world));
}

static void complain(struct world *world) {
    shrink(world);
    print_error("seed %llu%s, what is left of it:\n", (unsigned long long)world->seed,
                world->late ? " (late)" : "");
    for (uint32_t i = 0; i < world->step_count; i++) {
        const struct step *step = &world->steps[i];
        if (step->deed == HOST) print_error("  %u hosts %s\n", step->device + 1, step->words);
        if (step->deed == HEAR) print_error("  %u hears %u\n", step->device + 1, step->origin + 1);
        if (step->deed == LIE)
            print_error("  5 says %s at %llu\n", step->words, (unsigned long long)step->hlc);
    }
    fail_msg("%s", world->wrong);
}

static int setup(void **state) {
    static const char *const names[STORES] = {"history-1", "history-2", "history-old", "history-4"};
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->pool = pool_open(0, 1 << 20, NULL);
    arena_init(&world->arena, world->pool);
    for (uint32_t d = 0; d < STORES; d++)
        replica_open(&world->stores[d], names[d], (uint8_t)(d + 1), d == OLD ? old : full);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    for (uint32_t d = 0; d < STORES; d++)
        replica_close(&world->stores[d]);
    arena_drop(&world->arena);
    pool_close(world->pool);
    free(world);
    return 0;
}

static void run_all(struct world *world, uint64_t from, uint64_t count) {
    for (world->seed = from; world->seed < from + count; world->seed++) {
        draw(world);
        if (!run(world)) complain(world);
    }
    const struct seen *seen = &world->seen;
    print_message("%llu written, %llu refused, %llu parked, %llu beaten, %llu rivals, %llu of them "
                  "beside others, %llu with junk\n",
                  (unsigned long long)seen->written, (unsigned long long)seen->refused,
                  (unsigned long long)seen->parked, (unsigned long long)seen->beaten,
                  (unsigned long long)seen->rivals, (unsigned long long)seen->chains,
                  (unsigned long long)seen->extra);
    assert_true(seen->written > count && seen->refused > count / 10 && seen->parked > count / 10);
    assert_true(seen->beaten > count / 10 && seen->rivals > count / 10 &&
                seen->chains > count / 30);
    assert_true(seen->extra > count / 50);
}

static void every_store_comes_to_the_same_rows_on_every_order(void **state) {
    struct world *world = *state;
    run_all(world, 1, HISTORIES);
}

static void a_store_whose_schema_comes_late_has_the_same_rows_in_the_end(void **state) {
    struct world *world = *state;
    world->late = true;
    run_all(world, 1000001, LATE_HISTORIES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_store_comes_to_the_same_rows_on_every_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_store_whose_schema_comes_late_has_the_same_rows_in_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
