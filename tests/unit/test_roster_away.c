/* The roster: members that are away, and back. Which AWAY and which BACK count, in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/store/roster.h"

static const struct id library = {"a roster library"};

enum { ANN, BOB, CYD, DAN, CAST };

struct scene {
    struct pool *pool;
    struct arena arena;
    struct identity cast[CAST];
    uint64_t seq[CAST];
    struct roster roster; /* Ann's */
    uint32_t told;        /* changes of members that were told */
};

/* A record of somebody, with these ops and this stamp. */
static struct record speak(struct scene *scene, uint32_t who, uint64_t hlc,
                           struct record_ops *ops) {
    static const uint8_t before[RECORD_HASH] = {1};
    struct record record = {.origin = {scene->cast[who].device, 1}, .hlc = hlc};
    struct bytes bytes;
    record.seq = ++scene->seq[who];
    if (record.seq > 1) memcpy(record.prev, before, sizeof before);
    assert_int_equal(record_ops_end(ops, &record.ops), WEFT_OK);
    assert_int_equal(record_write(&scene->cast[who], &record, &scene->arena, &bytes, NULL),
                     WEFT_OK);
    return record;
}

static void count_told(void *context, const struct roster_member *member) {
    struct scene *scene = context;
    assert_non_null(member);
    scene->told++;
}

static void apply_to(struct scene *scene, struct roster *roster, const struct record *record) {
    const struct roster_change change = {scene, count_told, NULL};
    assert_int_equal(roster_judge(roster, record), ROSTER_ADMITS);
    assert_int_equal(roster_apply(roster, record, &change), WEFT_OK);
}

static struct record founding(struct scene *scene) {
    struct record_ops ops;
    record_ops_begin(&ops, &scene->arena);
    for (uint32_t i = ANN; i <= CYD; i++) {
        struct record_add add = {.device = scene->cast[i].public, .incarnation = 1};
        memcpy(add.cert, scene->cast[i].cert, IDENTITY_CERT);
        add.name = (struct bytes){(const uint8_t *)"name", 4};
        record_ops_add(&ops, &add);
    }
    return speak(scene, ANN, 10, &ops);
}

/* `stamp`: that the AWAY has itself; 0: none. */
static struct record away_at(struct scene *scene, uint32_t by, uint32_t who, uint64_t hlc,
                             uint64_t stamp) {
    struct record_ops ops;
    record_ops_begin(&ops, &scene->arena);
    record_ops_away(&ops, &(struct record_away){scene->cast[who].device, stamp});
    return speak(scene, by, hlc, &ops);
}

static struct record away(struct scene *scene, uint32_t by, uint32_t who, uint64_t hlc) {
    return away_at(scene, by, who, hlc, 0);
}

static struct record back(struct scene *scene, uint32_t who, uint64_t hlc, uint64_t answers) {
    struct record_ops ops;
    record_ops_begin(&ops, &scene->arena);
    record_ops_back(&ops, answers);
    return speak(scene, who, hlc, &ops);
}

static void hears(struct scene *scene, struct record record) {
    apply_to(scene, &scene->roster, &record);
}

static bool is_away(const struct scene *scene, uint32_t who) {
    return roster_away(&scene->roster, &scene->cast[who].device);
}

static int set_up(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    scene.pool = pool_open(0, 0, NULL);
    if (scene.pool == NULL) return -1;
    arena_init(&scene.arena, scene.pool);
    for (uint32_t i = 0; i < CAST; i++) {
        uint8_t secret[IDENTITY_SECRET];
        memset(secret, (int)i + 1, sizeof secret);
        identity_make(&scene.cast[i], secret, &library, 1);
    }
    *state = &scene;
    if (roster_open(&scene.roster, &scene.cast[ANN]) != WEFT_OK) return -1;
    hears(&scene, founding(&scene));
    scene.told = 0;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    roster_close(&scene->roster);
    arena_drop(&scene->arena);
    pool_close(scene->pool);
    return 0;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void who_is_said_to_be_away_is_until_it_answers(void **state) {
    struct scene *scene = *state;
    const uint64_t version = scene->roster.version;
    assert_false(is_away(scene, CYD));
    hears(scene, away(scene, BOB, CYD, 100));
    assert_true(is_away(scene, CYD));
    assert_false(is_away(scene, BOB));
    assert_true(roster_has(&scene->roster, &scene->cast[CYD].device));
    assert_true(scene->roster.version > version);
    hears(scene, back(scene, CYD, 50, 100)); /* Its own clock is of no matter. */
    assert_false(is_away(scene, CYD));
    assert_int_equal(scene->told, 2);
}

static void only_what_answers_the_latest_away_counts(void **state) {
    struct scene *scene = *state;
    hears(scene, away(scene, BOB, CYD, 100));
    hears(scene, away(scene, ANN, CYD, 200));
    hears(scene, back(scene, CYD, 300, 100));
    assert_true(is_away(scene, CYD));
    hears(scene, back(scene, CYD, 310, 200));
    assert_false(is_away(scene, CYD));
    hears(scene, away(scene, ANN, CYD, 400));
    assert_true(is_away(scene, CYD));
}

static void an_older_away_that_comes_late_calls_nobody_away(void **state) {
    struct scene *scene = *state;
    hears(scene, away(scene, BOB, CYD, 200));
    hears(scene, back(scene, CYD, 300, 200));
    scene->told = 0;
    hears(scene, away(scene, ANN, CYD, 150));
    assert_false(is_away(scene, CYD));
    hears(scene, away(scene, ANN, CYD, 200));
    assert_false(is_away(scene, CYD));
    assert_int_equal(scene->told, 0);
}

/* The clock of one was years ahead; those of the others call Cyd away all the same. */
static void an_away_counts_by_its_own_stamp_where_that_is_later(void **state) {
    struct scene *scene = *state;
    hears(scene, away(scene, BOB, CYD, 9000));
    hears(scene, back(scene, CYD, 110, 9000));
    hears(scene, away(scene, ANN, CYD, 120));
    assert_false(is_away(scene, CYD));
    hears(scene, away_at(scene, ANN, CYD, 130, 9001));
    assert_true(is_away(scene, CYD));
    hears(scene, back(scene, CYD, 140, 9000));
    assert_true(is_away(scene, CYD));
    hears(scene, back(scene, CYD, 150, 9001));
    assert_false(is_away(scene, CYD));
    hears(scene, away_at(scene, ANN, CYD, 9003, 9002));
    hears(scene, back(scene, CYD, 160, 9002));
    assert_true(is_away(scene, CYD));
}

static void nobody_is_brought_back_by_another(void **state) {
    struct scene *scene = *state;
    hears(scene, away(scene, ANN, CYD, 100));
    hears(scene, back(scene, BOB, 200, 100));
    assert_true(is_away(scene, CYD));
    assert_false(is_away(scene, BOB));
}

/* What Bob answers in advance is for nobody to know; that no record has a greater stamp is seen to
 * by record_read_back(). */
static void a_back_that_comes_first_holds(void **state) {
    struct scene *scene = *state;
    hears(scene, back(scene, BOB, 200, 100));
    hears(scene, away(scene, ANN, BOB, 90));
    hears(scene, away(scene, ANN, BOB, 100));
    assert_false(is_away(scene, BOB));
    hears(scene, away(scene, ANN, BOB, 101));
    assert_true(is_away(scene, BOB));
}

static void who_is_no_member_calls_nobody_away(void **state) {
    struct scene *scene = *state;
    struct record_remove remove;
    struct record_ops ops;
    const struct record stranger = away(scene, DAN, CYD, 100);
    assert_int_equal(roster_judge(&scene->roster, &stranger), ROSTER_UNKNOWN);
    struct record forged = away(scene, BOB, CYD, 100);
    forged.origin.device = scene->cast[ANN].device;
    assert_int_equal(roster_judge(&scene->roster, &forged), ROSTER_FORGED);
    roster_pin(&scene->cast[BOB].device, NULL, 0, &remove);
    record_ops_begin(&ops, &scene->arena);
    record_ops_remove(&ops, &remove);
    hears(scene, speak(scene, ANN, 120, &ops));
    const struct record removed = away(scene, BOB, CYD, 130);
    assert_int_equal(roster_judge(&scene->roster, &removed), ROSTER_REMOVED);
}

static void a_device_that_nobody_knows_is_not_called_away(void **state) {
    struct scene *scene = *state;
    hears(scene, away(scene, BOB, DAN, 100));
    assert_false(is_away(scene, DAN));
    assert_null(roster_find(&scene->roster, &scene->cast[DAN].device));
    assert_int_equal(scene->told, 0);
}

static void bodies_of_another_form_change_nothing(void **state) {
    struct scene *scene = *state;
    const uint64_t version = scene->roster.version;
    static const struct {
        uint8_t kind;
        uint32_t size;
    } forms[] = {{RECORD_OP_AWAY, 0},  {RECORD_OP_AWAY, 15}, {RECORD_OP_AWAY, 17},
                 {RECORD_OP_BACK, 0},  {RECORD_OP_BACK, 7},  {RECORD_OP_BACK, 9},
                 {RECORD_OP_BACK, 16}, {RECORD_OP_AWAY, 8},  {RECORD_OP_AWAY, 23},
                 {RECORD_OP_AWAY, 24}, {RECORD_OP_AWAY, 25}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        uint8_t *ops = arena_zero(&scene->arena, RECORD_OP_HEAD + forms[i].size + 1);
        assert_non_null(ops);
        ops[0] = forms[i].kind;
        store_u32(ops + 1, forms[i].size);
        memcpy(ops + RECORD_OP_HEAD, scene->cast[CYD].device.bytes,
               forms[i].size < WEFT_ID_SIZE ? forms[i].size : WEFT_ID_SIZE);
        const struct record record = {.origin = {scene->cast[BOB].device, 1},
                                      .seq = 9,
                                      .hlc = 500,
                                      .ops = {ops, RECORD_OP_HEAD + forms[i].size}};
        assert_int_equal(roster_apply(&scene->roster, &record, NULL), WEFT_OK);
        assert_false(is_away(scene, CYD));
        assert_false(is_away(scene, BOB));
    }
    assert_true(scene->roster.version == version);
}

static void it_is_the_same_after_loading(void **state) {
    struct scene *scene = *state;
    struct roster other;
    hears(scene, away(scene, BOB, CYD, 100));
    hears(scene, away(scene, ANN, BOB, 100));
    hears(scene, back(scene, BOB, 110, 100));
    assert_int_equal(roster_open(&other, &scene->cast[ANN]), WEFT_OK);
    for (uint32_t i = 0; i < scene->roster.count; i++)
        assert_int_equal(roster_load_member(&other, &scene->roster.members[i]), WEFT_OK);
    assert_true(roster_away(&other, &scene->cast[CYD].device));
    assert_false(roster_away(&other, &scene->cast[BOB].device));
    roster_close(&other);
}

/* All orders of six records give one roster. */
static void the_order_of_records_does_not_matter(void **state) {
    struct scene *scene = *state;
    enum { COUNT = 6, ORDERS = 720 };
    const struct record records[COUNT] = {
        away(scene, ANN, CYD, 100), away(scene, BOB, CYD, 200), back(scene, CYD, 210, 200),
        away(scene, ANN, BOB, 300), back(scene, BOB, 160, 300), away_at(scene, CYD, BOB, 220, 301),
    };
    const struct record first = founding(scene);
    for (uint32_t order = 0; order < ORDERS; order++) {
        struct roster roster;
        uint32_t left[COUNT] = {0, 1, 2, 3, 4, 5}, rest = order;
        assert_int_equal(roster_open(&roster, &scene->cast[DAN]), WEFT_OK);
        assert_int_equal(roster_apply(&roster, &first, NULL), WEFT_OK);
        for (uint32_t count = COUNT; count > 0; count--) {
            const uint32_t at = rest % count;
            rest /= count;
            assert_int_equal(roster_apply(&roster, &records[left[at]], NULL), WEFT_OK);
            left[at] = left[count - 1];
        }
        assert_false(roster_away(&roster, &scene->cast[CYD].device));
        assert_true(roster_away(&roster, &scene->cast[BOB].device));
        const struct roster_member *cyd = roster_find(&roster, &scene->cast[CYD].device);
        assert_true(cyd->away_hlc == 200 && cyd->back_hlc == 200);
        roster_close(&roster);
    }
}

int main(void) {
#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_SCENE(who_is_said_to_be_away_is_until_it_answers),
        IN_SCENE(only_what_answers_the_latest_away_counts),
        IN_SCENE(an_away_counts_by_its_own_stamp_where_that_is_later),
        IN_SCENE(an_older_away_that_comes_late_calls_nobody_away),
        IN_SCENE(nobody_is_brought_back_by_another),
        IN_SCENE(a_back_that_comes_first_holds),
        IN_SCENE(who_is_no_member_calls_nobody_away),
        IN_SCENE(a_device_that_nobody_knows_is_not_called_away),
        IN_SCENE(bodies_of_another_form_change_nothing),
        IN_SCENE(it_is_the_same_after_loading),
        IN_SCENE(the_order_of_records_does_not_matter),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
