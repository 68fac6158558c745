/* Removal under every order of events that chance comes upon: devices write, add, remove and leave,
 * hear of one another late or not at all, and in the end, when all meet, those that are members to
 * each other hold the same records and the same roster.
 *
 * A world is played by the rule of docs/decisions/008-removal.md, which roster_must_say() tells. A
 * session stands between two devices that are members to each other; over it one offers the other
 * the next record of any origin. What the other does not admit it is offered again later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/roster.h"
#include "tests/sim/rng.h"

enum { DEVICES = 8, LIVES = 2, CHAIN = 200, LOG = 1200, ROUNDS_MAX = 300 };

static const struct id library = {"histories of lib"};

/* Which part of the rule is kept: leaving one out shows what it is for. */
enum rule { KEEP_ALL, SAY_NOTHING_WHEN_BEYOND, SAY_NOTHING_WHEN_REFUSING };

struct chain {
    struct record records[CHAIN];
    uint32_t count;
};

struct place {
    uint8_t device, life;
};

struct device {
    struct roster roster;
    bool born;
    uint32_t life; /* its incarnation, less 1 */
    uint64_t hlc;
    uint32_t heads[DEVICES][LIVES]; /* of each origin, how many records it has accepted */
    struct place log[LOG];          /* their origins, in the order in which it did */
    uint32_t log_count;
};

struct world {
    struct pool *pool;
    struct arena arena;
    struct rng rng;
    enum rule rule;
    bool real;     /* records are signed, and judged by their signature */
    uint32_t base; /* devices that the founder added */
    struct device devices[DEVICES];
    struct chain chains[DEVICES][LIVES];
    bool named[DEVICES]; /* somebody wrote a REMOVE of it */
    uint8_t adders[DEVICES];
    bool apart[DEVICES][DEVICES];
    uint64_t removing; /* of a hundred steps, how many remove somebody */
    uint32_t refusals, said, away;
};

/* What many histories came upon, so that none of it is missed for want of chance. */
struct tally {
    uint32_t histories, removals, mutual, refusals, said, joined, stranded, records;
    uint32_t together; /* some were removed, and three or more remain */
    uint32_t diverged, away;
};

static struct identity identities[DEVICES];
static struct world world;

static int make_identities(void **state) {
    (void)state;
    for (uint32_t i = 0; i < DEVICES; i++) {
        uint8_t secret[IDENTITY_SECRET];
        memset(secret, (int)i + 1, sizeof secret);
        identity_make(&identities[i], secret, &library, 1);
    }
    return 0;
}

static uint32_t index_of(const struct id *device) {
    for (uint32_t i = 0; i < DEVICES; i++) {
        if (id_equal(&identities[i].device, device)) return i;
    }
    fail_msg("no such device");
    return 0;
}

static bool has(uint32_t d, uint32_t other) {
    return world.devices[d].born && roster_has(&world.devices[d].roster, &identities[other].device);
}

static bool in_session(uint32_t s, uint32_t t) {
    return s != t && has(s, s) && has(t, t) && has(s, t) && has(t, s);
}

/* ---- what a device does ---- */

static void accept(uint32_t d, uint32_t o, uint32_t life) {
    struct device *device = &world.devices[d];
    const struct record *record = &world.chains[o][life].records[device->heads[o][life]++];
    assert_int_equal(roster_apply(&device->roster, record, NULL), WEFT_OK);
    assert_true(device->log_count < LOG);
    device->log[device->log_count++] = (struct place){(uint8_t)o, (uint8_t)life};
}

static void add_record(uint32_t d, struct bytes ops) {
    struct device *device = &world.devices[d];
    struct chain *chain = &world.chains[d][device->life];
    struct record record = {.origin = {identities[d].device, device->life + 1}, .ops = ops};
    struct bytes bytes;
    assert_true(chain->count < CHAIN && chain->count == device->heads[d][device->life]);
    record.seq = chain->count + 1;
    record.hlc = device->hlc += 1 + rng_below(&world.rng, 40);
    if (chain->count > 0) memcpy(record.prev, chain->records[chain->count - 1].hash, RECORD_HASH);
    if (world.real) {
        assert_int_equal(record_write(&identities[d], &record, &world.arena, &bytes, NULL),
                         WEFT_OK);
    } else {
        rng_fill(&world.rng, record.hash, sizeof record.hash);
    }
    chain->records[chain->count++] = record;
    accept(d, d, device->life);
}

static uint32_t pins_of(uint32_t d, uint32_t x, struct record_pin pins[LIVES]) {
    uint32_t count = 0;
    for (uint32_t life = 0; life < LIVES; life++) {
        const uint32_t head = world.devices[d].heads[x][life];
        if (head == 0) continue;
        pins[count] = (struct record_pin){life + 1, head, {0}};
        memcpy(pins[count++].hash, world.chains[x][life].records[head - 1].hash, RECORD_HASH);
    }
    return count;
}

static void write_remove(uint32_t d, const struct record_remove *remove) {
    struct record_ops ops;
    struct bytes out;
    record_ops_begin(&ops, &world.arena);
    record_ops_remove(&ops, remove);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_OK);
    world.named[index_of(&remove->device)] = true;
    add_record(d, out);
}

/* The rule, for one removed device. True if it made this one write. */
static bool say(uint32_t d, uint32_t x, bool refused) {
    struct record_pin pins[LIVES];
    struct record_remove remove;
    const uint32_t count = pins_of(d, x, pins);
    if (!roster_must_say(&world.devices[d].roster, &identities[x].device, pins, count, refused,
                         &remove))
        return false;
    if (refused && world.rule == SAY_NOTHING_WHEN_REFUSING) return false;
    if (!refused && world.rule == SAY_NOTHING_WHEN_BEYOND) return false;
    write_remove(d, &remove);
    world.said++;
    return true;
}

/* A device asks itself what it has to say when it has a moment: at the latest in the end. */
static bool settle(uint32_t d) {
    bool said = false;
    for (uint32_t x = 0; x < DEVICES; x++) {
        if (!say(d, x, false)) continue;
        assert_false(say(d, x, false)); /* said once, it is said */
        said = true;
    }
    return said;
}

/* One device offers another the next record of an origin. True if that changed anything. */
static bool offer(uint32_t s, uint32_t t, uint32_t o, uint32_t life) {
    struct device *to = &world.devices[t];
    const uint32_t next = to->heads[o][life];
    if (world.devices[s].heads[o][life] <= next || !in_session(s, t)) return false;
    const struct record *record = &world.chains[o][life].records[next];
    switch ((world.real ? roster_judge : roster_judge_signed)(&to->roster, record)) {
    case ROSTER_ADMITS:
        accept(t, o, life);
        return true;
    case ROSTER_REMOVED:
        world.refusals++;
        return say(t, o, true);
    case ROSTER_UNKNOWN:
        return false;
    case ROSTER_FORGED:
        break;
    }
    fail_msg("a sound record was taken for a forged one");
    return false;
}

/* ---- the ways of the world ---- */

static void lay_add(struct record_ops *ops, uint32_t x, uint32_t by) {
    struct record_add add = {.device = identities[x].public, .incarnation = 1};
    char name[16] = {0};
    memcpy(add.cert, identities[x].cert, IDENTITY_CERT);
    name[0] = (char)('a' + x);
    name[1] = (char)('0' + by);
    add.name = (struct bytes){(const uint8_t *)name, 2};
    record_ops_add(ops, &add);
}

/* A device begins with what the one that added it holds, in the order in which that took it. */
static void join(uint32_t x, uint32_t from) {
    struct device *device = &world.devices[x];
    const struct device *other = &world.devices[from];
    assert_int_equal(roster_open(&device->roster, &identities[x]), WEFT_OK);
    device->born = true;
    device->hlc = rng_below(&world.rng, 400);
    for (uint32_t i = 0; i < other->log_count; i++) {
        const struct place place = other->log[i];
        const uint32_t next = device->heads[place.device][place.life];
        const struct record *record = &world.chains[place.device][place.life].records[next];
        if (i == 0 && !world.real) {
            /* Founder and first members are put in from the store: certificates take time. */
            for (uint32_t m = 0; m < world.base; m++) {
                const struct roster_member *member =
                    roster_find(&other->roster, &identities[m].device);
                struct roster_member first = *member;
                first.removed = first.disputed = first.said = false;
                first.removed_hlc = 0;
                first.pin_count = 0;
                memset(first.pins, 0, sizeof first.pins);
                memset(first.said_seq, 0, sizeof first.said_seq);
                assert_int_equal(roster_load_member(&device->roster, &first), WEFT_OK);
            }
            device->heads[place.device][place.life]++;
            device->log[device->log_count++] = place;
            continue;
        }
        const enum roster_verdict verdict = world.real
                                                ? roster_judge(&device->roster, record)
                                                : roster_judge_signed(&device->roster, record);
        assert_int_equal(verdict, ROSTER_ADMITS);
        accept(x, place.device, place.life);
    }
}

/* Device 0 founds the library and adds the others. */
static void found(uint32_t base) {
    struct record_ops ops;
    struct bytes out;
    struct device *founder = &world.devices[0];
    world.base = base;
    assert_int_equal(roster_open(&founder->roster, &identities[0]), WEFT_OK);
    founder->born = true;
    record_ops_begin(&ops, &world.arena);
    for (uint32_t x = 0; x < base; x++)
        lay_add(&ops, x, 0);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_OK);
    if (world.real) {
        add_record(0, out);
    } else {
        struct record *record = &world.chains[0][0].records[0];
        *record = (struct record){.origin = {identities[0].device, 1}, .seq = 1, .ops = out};
        record->hash[0] = 1;
        world.chains[0][0].count = founder->heads[0][0] = founder->log_count = 1;
        for (uint32_t x = 0; x < base; x++) {
            struct roster_member member = {.device = identities[x].device,
                                           .public = identities[x].public,
                                           .incarnation = 1,
                                           .added_hlc = 1,
                                           .added_by = identities[0].device};
            memcpy(member.cert, identities[x].cert, IDENTITY_CERT);
            assert_int_equal(roster_load_member(&founder->roster, &member), WEFT_OK);
        }
    }
    for (uint32_t x = 1; x < base; x++)
        join(x, 0);
}

static void begin(uint64_t seed, enum rule rule, bool real) {
    struct pool *pool = world.pool;
    memset(&world, 0, sizeof world);
    world.pool = pool != NULL ? pool : pool_open(0, 1u << 20, NULL);
    assert_non_null(world.pool);
    arena_init(&world.arena, world.pool);
    rng_seed(&world.rng, seed, 0);
    world.rule = rule;
    world.real = real;
    world.removing = rng_between(&world.rng, 1, 10);
}

static void end(void) {
    for (uint32_t d = 0; d < DEVICES; d++) {
        if (world.devices[d].born) roster_close(&world.devices[d].roster);
    }
    arena_drop(&world.arena);
}

static void add_somebody(uint32_t d) {
    struct record_ops ops;
    struct bytes out;
    const uint32_t x = (uint32_t)rng_below(&world.rng, DEVICES);
    if (x < world.base || roster_find(&world.devices[d].roster, &identities[x].device) != NULL)
        return;
    record_ops_begin(&ops, &world.arena);
    lay_add(&ops, x, d);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_OK);
    world.adders[x] |= (uint8_t)(1u << d);
    add_record(d, out);
    if (!world.devices[x].born) join(x, d);
}

static void remove_somebody(uint32_t d) {
    struct record_pin pins[LIVES];
    struct record_remove remove;
    const uint32_t x = (uint32_t)rng_below(&world.rng, DEVICES);
    if (!has(d, x) || (x == d && rng_chance(&world.rng, 800))) return;
    roster_pin(&identities[x].device, pins, pins_of(d, x, pins), &remove);
    write_remove(d, &remove);
}

/* One of the first is called away, by any stamp; or who is answers that, or an older one. */
static void call_away(uint32_t d) {
    const struct roster_member *self = roster_find(&world.devices[d].roster, &identities[d].device);
    const uint64_t less = rng_below(&world.rng, 2), x = rng_below(&world.rng, world.base);
    const struct record_away away = {identities[x].device, rng_below(&world.rng, 2000)};
    struct record_ops ops;
    struct bytes out;
    record_ops_begin(&ops, &world.arena);
    if (self->away_hlc > self->back_hlc) record_ops_back(&ops, self->away_hlc - less);
    if (self->away_hlc <= self->back_hlc) record_ops_away(&ops, &away);
    world.away++;
    assert_int_equal(record_ops_end(&ops, &out), WEFT_OK);
    add_record(d, out);
}

static void exchange(uint32_t s, uint32_t t) {
    if (world.apart[s][t]) return;
    for (uint64_t n = rng_between(&world.rng, 1, 12); n > 0; n--) {
        const uint32_t o = (uint32_t)rng_below(&world.rng, DEVICES);
        const uint32_t life = (uint32_t)rng_below(&world.rng, LIVES);
        while (offer(s, t, o, life) && rng_chance(&world.rng, 700)) {
        }
    }
    if (rng_chance(&world.rng, 600)) settle(t);
}

static void step(void) {
    static const uint8_t noise[] = {77, 1, 0, 0, 0, 9};
    const uint32_t d = (uint32_t)rng_below(&world.rng, DEVICES);
    const uint64_t what = rng_below(&world.rng, 100);
    if (!has(d, d)) return;
    if (what < 5) {
        call_away(d);
    } else if (what < 60) {
        exchange(d, (uint32_t)rng_below(&world.rng, DEVICES));
    } else if (what < 80) {
        add_record(d, (struct bytes){noise, sizeof noise});
    } else if (what < 80 + world.removing) {
        remove_somebody(d);
    } else if (what < 92) {
        add_somebody(d);
    } else if (what < 94) {
        if (world.devices[d].life + 1 < LIVES) world.devices[d].life++;
    } else {
        for (uint32_t s = 0; s < DEVICES; s++) {
            for (uint32_t t = 0; t < DEVICES; t++)
                world.apart[s][t] = rng_chance(&world.rng, 600);
        }
    }
}

/* Everybody meets whom they may until nobody has anything to give. */
static void meet(void) {
    memset(world.apart, 0, sizeof world.apart);
    uint32_t round = 0;
    for (bool moved = true; moved; round++) {
        moved = false;
        assert_true(round < ROUNDS_MAX);
        const uint64_t turn = rng_u64(&world.rng);
        for (uint64_t i = 0; i < DEVICES * DEVICES * DEVICES * LIVES; i++) {
            /* Every one, in an order of this round's own: an odd factor permutes. */
            const uint64_t k =
                (i * (turn | 1) + (turn >> 32)) % (DEVICES * DEVICES * DEVICES * LIVES);
            const uint32_t s = (uint32_t)(k % DEVICES), t = (uint32_t)(k / DEVICES % DEVICES);
            const uint32_t o = (uint32_t)(k / DEVICES / DEVICES % DEVICES);
            const uint32_t life = (uint32_t)(k / DEVICES / DEVICES / DEVICES);
            while (offer(s, t, o, life)) {
                moved = true;
                if (rng_chance(&world.rng, 300)) break;
            }
        }
        for (uint32_t d = 0; d < DEVICES; d++)
            moved |= world.devices[d].born && settle(d);
    }
}

/* ---- what must hold ---- */

static bool members_equal(const struct roster_member *a, const struct roster_member *b) {
    struct roster_member other = *b;
    other.said = a->said;
    memcpy(other.said_seq, a->said_seq, sizeof other.said_seq);
    return memcmp(a, &other, sizeof other) == 0;
}

static bool rosters_equal(const struct roster *a, const struct roster *b) {
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct roster_member *other = roster_find(b, &a->members[i].device);
        if (other == NULL || !members_equal(&a->members[i], other)) return false;
    }
    return true;
}

/* Whether all that are members to each other agree. */
static bool agreed(void) {
    for (uint32_t s = 0; s < DEVICES; s++) {
        for (uint32_t t = 0; t < s; t++) {
            if (!in_session(s, t)) continue;
            const struct device *a = &world.devices[s], *b = &world.devices[t];
            if (memcmp(a->heads, b->heads, sizeof a->heads) != 0) return false;
            if (!rosters_equal(&a->roster, &b->roster)) return false;
        }
    }
    return true;
}

/* Whom nobody removed, and nobody removed added, is a member to every other such device. */
static uint32_t assert_nobody_lost(void) {
    bool sound[DEVICES] = {false};
    uint32_t count = 0;
    for (uint32_t pass = 0; pass < DEVICES; pass++) {
        for (uint32_t x = 0; x < DEVICES; x++) {
            if (!world.devices[x].born || world.named[x]) continue;
            sound[x] = x < world.base;
            for (uint32_t d = 0; d < DEVICES; d++)
                sound[x] |= (world.adders[x] >> d & 1) != 0 && sound[d];
        }
    }
    for (uint32_t s = 0; s < DEVICES; s++) {
        for (uint32_t t = 0; t < DEVICES; t++) {
            if (sound[s] && sound[t] && s != t) assert_true(in_session(s, t));
        }
        count += sound[s];
    }
    return count;
}

/* What is held of a removed device does not lie beyond its pin. */
static void assert_pinned(uint32_t d) {
    struct record_pin pins[LIVES];
    struct record_remove remove;
    for (uint32_t x = 0; x < DEVICES; x++) {
        const uint32_t count = pins_of(d, x, pins);
        if (!has(d, d)) continue;
        assert_false(roster_must_say(&world.devices[d].roster, &identities[x].device, pins, count,
                                     false, &remove));
    }
}

/* The roster depends on the records alone, not on their order behind the founding one. */
static void assert_order_does_not_matter(uint32_t d) {
    struct device *device = &world.devices[d];
    struct roster other;
    uint32_t order[LOG];
    assert_int_equal(roster_open(&other, &identities[(d + 1) % DEVICES]), WEFT_OK);
    uint32_t heads[DEVICES][LIVES] = {{0}};
    const struct record *records[LOG];
    for (uint32_t i = 0; i < device->log_count; i++) {
        const struct place place = device->log[i];
        records[i] =
            &world.chains[place.device][place.life].records[heads[place.device][place.life]++];
        const uint32_t k = i == 0 ? 0 : 1 + (uint32_t)rng_below(&world.rng, i);
        order[i] = order[k];
        order[k] = i;
    }
    for (uint32_t i = 0; i < device->log_count; i++)
        assert_int_equal(roster_apply(&other, records[order[i]], NULL), WEFT_OK);
    assert_true(rosters_equal(&other, &device->roster));
    roster_close(&other);
}

static void count_up(struct tally *tally) {
    tally->histories++;
    tally->refusals += world.refusals > 0;
    tally->said += world.said > 0;
    tally->away += world.away > 0;
    bool removed = false, joined = false, stranded = false, mutual = false;
    uint32_t most = 0;
    for (uint32_t x = 0; x < DEVICES; x++) {
        removed |= world.named[x];
        joined |= x >= world.base && world.devices[x].born;
        uint32_t met = 1;
        for (uint32_t d = 0; d < DEVICES; d++) {
            met += in_session(x, d);
            stranded |= has(x, x) && has(x, d) && has(d, d) && !has(d, x);
            const struct roster_member *member = NULL, *back = NULL;
            if (!world.devices[x].born || !world.devices[d].born || x == d) continue;
            member = roster_find(&world.devices[x].roster, &identities[d].device);
            back = roster_find(&world.devices[d].roster, &identities[x].device);
            mutual |= member != NULL && back != NULL && member->said && back->said;
        }
        if (met > most) most = met;
        for (uint32_t life = 0; life < LIVES; life++)
            tally->records += world.chains[x][life].count;
    }
    tally->removals += removed;
    tally->joined += joined;
    tally->stranded += stranded;
    tally->mutual += mutual;
    tally->together += removed && most >= 3;
}

static void play(uint64_t seed, enum rule rule, bool real, struct tally *tally) {
    begin(seed, rule, real);
    found((uint32_t)rng_between(&world.rng, 3, DEVICES));
    for (uint64_t steps = rng_between(&world.rng, 10, 150); steps > 0; steps--)
        step();
    meet();
    count_up(tally);
    if (!agreed()) {
        tally->diverged++;
        if (rule == KEEP_ALL) fail_msg("seed %llu: they do not agree", (unsigned long long)seed);
    }
    if (rule == KEEP_ALL) {
        assert_nobody_lost();
        for (uint32_t d = 0; d < DEVICES; d++) {
            if (world.devices[d].born) assert_pinned(d);
        }
    }
    if (real) assert_order_does_not_matter((uint32_t)rng_below(&world.rng, world.base));
    end();
}

static void print_tally(const struct tally *tally, uint64_t first) {
    print_message("seeds %llu.. : %u histories, %u records; with removals %u, both ways %u, "
                  "refusals %u, more said %u, newcomers %u, one-sided ends %u, three left %u; "
                  "%u ended apart\n",
                  (unsigned long long)first, tally->histories, tally->records, tally->removals,
                  tally->mutual, tally->refusals, tally->said, tally->joined, tally->stranded,
                  tally->together, tally->diverged);
}

/* ---- the tests ---- */

static void members_agree_after_any_history_once_they_have_met(void **state) {
    (void)state;
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= 2000; seed++)
        play(seed, KEEP_ALL, false, &tally);
    print_tally(&tally, 1);
    assert_true(tally.removals > 1000 && tally.mutual > 100 && tally.refusals > 500);
    assert_true(tally.said > 1000 && tally.joined > 300 && tally.stranded > 100);
    assert_true(tally.together > 1000 && tally.away > 1000);
}

static void signed_records_give_the_same(void **state) {
    (void)state;
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= 12; seed++)
        play(seed, KEEP_ALL, true, &tally);
    print_tally(&tally, 1);
    assert_true(tally.removals > 5);
}

static void who_keeps_what_it_took_beyond_the_pin_to_itself_ends_apart(void **state) {
    (void)state;
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= 200; seed++)
        play(seed, SAY_NOTHING_WHEN_BEYOND, false, &tally);
    print_tally(&tally, 1);
    assert_true(tally.diverged > 0);
}

static void who_refuses_and_says_nothing_ends_apart(void **state) {
    (void)state;
    struct tally tally = {0};
    for (uint64_t seed = 1; seed <= 400; seed++)
        play(seed, SAY_NOTHING_WHEN_REFUSING, false, &tally);
    print_tally(&tally, 1);
    assert_true(tally.diverged > 0);
}

static int close_pool(void **state) {
    (void)state;
    pool_close(world.pool);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_agree_after_any_history_once_they_have_met),
        cmocka_unit_test(signed_records_give_the_same),
        cmocka_unit_test(who_keeps_what_it_took_beyond_the_pin_to_itself_ends_apart),
        cmocka_unit_test(who_refuses_and_says_nothing_ends_apart),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests(tests, make_identities, close_pool);
}
