/* The roster: who is admitted, and what each membership op brings about. Orders of events are
 * played in test_roster_histories.c, library keys in test_roster_keys.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/store/roster.h"

static const struct id library = {"a roster library"};

/* The cast. Who speaks writes records, chained, with stamps that grow by ten. */
enum { ANN, BOB, CYD, DAN, CAST };

struct speaker {
    struct identity identity;
    uint64_t seq, hlc;
    uint8_t prev[RECORD_HASH];
};

struct scene {
    struct pool *pool;
    struct arena arena;
    struct speaker cast[CAST];
    struct record_ops ops;
    struct roster roster; /* Ann's */
    uint32_t told;        /* changes of members that were told */
};

static void make_identity(uint8_t seed, const struct id *of, uint64_t incarnation,
                          struct identity *out) {
    uint8_t secret[IDENTITY_SECRET];
    memset(secret, seed, sizeof secret);
    identity_make(out, secret, of, incarnation);
}

static int set_up(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    scene.pool = pool_open(0, 0, NULL);
    if (scene.pool == NULL) return -1;
    arena_init(&scene.arena, scene.pool);
    for (uint32_t i = 0; i < CAST; i++) {
        make_identity((uint8_t)(i + 1), &library, 1, &scene.cast[i].identity);
        scene.cast[i].hlc = 1000 * (i + 1);
    }
    *state = &scene;
    return roster_open(&scene.roster, &scene.cast[ANN].identity) == WEFT_OK ? 0 : -1;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    roster_close(&scene->roster);
    arena_drop(&scene->arena);
    pool_close(scene->pool);
    return 0;
}

static const struct id *id_of(const struct scene *scene, uint32_t who) {
    return &scene->cast[who].identity.device;
}

/* ---- speaking ---- */

static struct record_ops *ops_of(struct scene *scene) {
    record_ops_begin(&scene->ops, &scene->arena);
    return &scene->ops;
}

static void lay_add(struct record_ops *ops, const struct identity *who, const char *name) {
    struct record_add add = {.device = who->public, .incarnation = who->incarnation};
    memcpy(add.cert, who->cert, IDENTITY_CERT);
    add.name = (struct bytes){(const uint8_t *)name, strlen(name)};
    record_ops_add(ops, &add);
}

static struct record_pin pin_at(uint64_t incarnation, uint64_t seq, const struct record *record) {
    struct record_pin pin = {incarnation, seq, {0}};
    if (record != NULL) memcpy(pin.hash, record->hash, RECORD_HASH);
    return pin;
}

static void lay_remove(struct record_ops *ops, const struct id *who, const struct record_pin *pins,
                       uint32_t count) {
    struct record_remove remove;
    roster_pin(who, pins, count, &remove);
    record_ops_remove(ops, &remove);
}

/* The speaker's next record, with the ops laid in the scene's builder. */
static struct record speak(struct scene *scene, uint32_t who) {
    struct speaker *speaker = &scene->cast[who];
    struct record record = {
        .origin = {speaker->identity.device, speaker->identity.incarnation},
        .seq = ++speaker->seq,
        .hlc = speaker->hlc += 10,
    };
    struct bytes bytes;
    memcpy(record.prev, speaker->prev, RECORD_HASH);
    assert_int_equal(record_ops_end(&scene->ops, &record.ops), WEFT_OK);
    assert_int_equal(record_write(&speaker->identity, &record, &scene->arena, &bytes, NULL),
                     WEFT_OK);
    memcpy(speaker->prev, record.hash, RECORD_HASH);
    return record;
}

static struct record speak_of_nothing(struct scene *scene, uint32_t who) {
    ops_of(scene);
    return speak(scene, who);
}

static void count_told(void *context, const struct roster_member *member) {
    struct scene *scene = context;
    assert_non_null(member);
    scene->told++;
}

static void apply(struct scene *scene, const struct record *record) {
    const struct roster_change change = {scene, count_told, NULL};
    assert_int_equal(roster_apply(&scene->roster, record, &change), WEFT_OK);
}

/* Ann founds the library, and adds all others but Dan. */
static struct record found(struct scene *scene) {
    struct record_ops *ops = ops_of(scene);
    lay_add(ops, &scene->cast[ANN].identity, "Ann");
    lay_add(ops, &scene->cast[BOB].identity, "Bob");
    lay_add(ops, &scene->cast[CYD].identity, "Cyd");
    const struct record record = speak(scene, ANN);
    assert_int_equal(roster_judge(&scene->roster, &record), ROSTER_ADMITS);
    apply(scene, &record);
    return record;
}

/* Somebody removes somebody, and this roster hears it. */
static struct record remove_heard(struct scene *scene, uint32_t by, uint32_t who,
                                  const struct record_pin *pins, uint32_t count) {
    lay_remove(ops_of(scene), id_of(scene, who), pins, count);
    const struct record record = speak(scene, by);
    assert_int_equal(roster_judge(&scene->roster, &record), ROSTER_ADMITS);
    apply(scene, &record);
    return record;
}

static void assert_judged(const struct scene *scene, const struct record *record,
                          enum roster_verdict expected) {
    assert_int_equal(roster_judge(&scene->roster, record), expected);
    if (expected != ROSTER_FORGED)
        assert_int_equal(roster_judge_signed(&scene->roster, record), expected);
}

/* ---- founding ---- */

static void the_first_record_that_counts_is_a_founders_who_adds_itself(void **state) {
    struct scene *scene = *state;
    const struct record nothing = speak_of_nothing(scene, BOB);
    assert_judged(scene, &nothing, ROSTER_UNKNOWN);
    lay_add(ops_of(scene), &scene->cast[BOB].identity, "late");
    const struct record late = speak(scene, BOB);
    assert_judged(scene, &late, ROSTER_UNKNOWN); /* its second record */
    lay_add(ops_of(scene), &scene->cast[DAN].identity, "another");
    const struct record another = speak(scene, CYD);
    assert_judged(scene, &another, ROSTER_UNKNOWN);

    const struct record founding = found(scene);
    const struct roster_member *ann = roster_find(&scene->roster, id_of(scene, ANN));
    assert_true(roster_has(&scene->roster, id_of(scene, ANN)));
    assert_true(roster_has(&scene->roster, id_of(scene, BOB)));
    assert_false(roster_has(&scene->roster, id_of(scene, DAN)));
    assert_string_equal(ann->name, "Ann");
    assert_true(ann->added_hlc == founding.hlc && ann->incarnation == 1);
    assert_true(id_equal(&ann->added_by, id_of(scene, ANN)));
    assert_int_equal(scene->told, 3);
}

static void a_founder_who_is_not_who_it_says_is_refused(void **state) {
    struct scene *scene = *state;
    struct identity other_life = scene->cast[DAN].identity, forged = scene->cast[BOB].identity;
    other_life.incarnation = 2;
    lay_add(ops_of(scene), &other_life, "another incarnation");
    const struct record elsewhere = speak(scene, DAN);
    assert_judged(scene, &elsewhere, ROSTER_UNKNOWN);
    forged.cert[9] ^= 1;
    lay_add(ops_of(scene), &forged, "no certificate");
    const struct record uncertified = speak(scene, BOB);
    assert_judged(scene, &uncertified, ROSTER_FORGED);
    assert_int_equal(roster_judge_signed(&scene->roster, &uncertified), ROSTER_FORGED);
    lay_add(ops_of(scene), &scene->cast[CYD].identity, "no signature");
    struct record damaged = speak(scene, CYD);
    assert_judged(scene, &damaged, ROSTER_ADMITS);
    damaged.hash[0] ^= 1;
    assert_judged(scene, &damaged, ROSTER_FORGED);
}

static void a_second_founder_is_a_stranger(void **state) {
    struct scene *scene = *state;
    found(scene);
    lay_add(ops_of(scene), &scene->cast[DAN].identity, "Dan");
    const struct record record = speak(scene, DAN);
    assert_judged(scene, &record, ROSTER_UNKNOWN);
}

/* ---- adding ---- */

static void members_are_admitted_and_forgeries_are_not(void **state) {
    struct scene *scene = *state;
    found(scene);
    struct record record = speak_of_nothing(scene, BOB);
    assert_judged(scene, &record, ROSTER_ADMITS);
    record.origin.device = *id_of(scene, CYD);
    assert_judged(scene, &record, ROSTER_FORGED);
}

static void an_add_without_a_certificate_that_holds_is_passed_over(void **state) {
    struct scene *scene = *state;
    struct identity dan = scene->cast[DAN].identity, elsewhere;
    struct id other = library;
    found(scene);
    const uint64_t version = scene->roster.version;
    struct record_ops *ops = ops_of(scene);
    dan.cert[63] ^= 1;
    lay_add(ops, &dan, "a damaged certificate");
    dan.cert[63] ^= 1;
    dan.public.x_pk[0] ^= 1;
    lay_add(ops, &dan, "another exchange key");
    dan.public.x_pk[0] ^= 1;
    dan.incarnation = 2;
    lay_add(ops, &dan, "another incarnation");
    dan.incarnation = 1;
    memcpy(dan.cert, scene->cast[BOB].identity.cert, IDENTITY_CERT);
    lay_add(ops, &dan, "Bob's certificate");
    other.bytes[0] ^= 1;
    make_identity(DAN + 1, &other, 1, &elsewhere);
    lay_add(ops, &elsewhere, "another library");
    memcpy(dan.cert, scene->cast[DAN].identity.cert, IDENTITY_CERT);
    memcpy(dan.public.id_pk, scene->cast[CYD].identity.public.id_pk, IDENTITY_KEY);
    lay_add(ops, &dan, "another signing key, so another id");
    const struct record record = speak(scene, BOB);
    apply(scene, &record);
    assert_int_equal(scene->roster.count, 3);
    assert_true(scene->roster.version == version);
}

static void of_two_adds_the_earlier_counts_in_whichever_order_they_come(void **state) {
    struct scene *scene = *state;
    found(scene);
    lay_add(ops_of(scene), &scene->cast[DAN].identity, "Dan, says Bob");
    const struct record early = speak(scene, BOB);
    lay_add(ops_of(scene), &scene->cast[DAN].identity, "Dan, says Cyd");
    const struct record late = speak(scene, CYD);
    assert_true(early.hlc < late.hlc);
    scene->told = 0;
    apply(scene, &late);
    assert_string_equal(roster_find(&scene->roster, id_of(scene, DAN))->name, "Dan, says Cyd");
    apply(scene, &early);
    const struct roster_member *dan = roster_find(&scene->roster, id_of(scene, DAN));
    assert_string_equal(dan->name, "Dan, says Bob");
    assert_true(dan->added_hlc == early.hlc && id_equal(&dan->added_by, id_of(scene, BOB)));
    assert_int_equal(scene->told, 2);
    apply(scene, &late);
    assert_string_equal(dan->name, "Dan, says Bob");
    assert_int_equal(scene->told, 2);
}

static void ops_of_other_kinds_or_forms_change_nothing(void **state) {
    struct scene *scene = *state;
    struct record record = found(scene);
    const uint64_t version = scene->roster.version;
    static const uint8_t odd[] = {
        RECORD_OP_ADD, 1, 0, 0, 0, 7, RECORD_OP_REMOVE, 0, 0, 0, 0, RECORD_OP_KEY, 2, 0, 0, 0, 7, 7,
        200,           1, 0, 0, 0, 7};
    record.ops = (struct bytes){odd, sizeof odd};
    apply(scene, &record);
    assert_true(scene->roster.version == version);
    assert_int_equal(scene->roster.count, 3);
}

static void the_129th_device_is_one_too_many_and_the_rest_still_counts(void **state) {
    struct scene *scene = *state;
    found(scene);
    struct id device = {{0}};
    struct record_ops *ops = ops_of(scene);
    for (uint32_t i = 3; i < LIMIT_ROSTER; i++) {
        device.bytes[0] = (uint8_t)i;
        lay_remove(ops, &device, NULL, 0);
    }
    struct record record = speak(scene, BOB);
    assert_int_equal(roster_apply(&scene->roster, &record, NULL), WEFT_OK);
    assert_int_equal(scene->roster.count, LIMIT_ROSTER);
    ops = ops_of(scene);
    lay_add(ops, &scene->cast[DAN].identity, "Dan");
    device.bytes[0] = 1;
    lay_remove(ops, &device, NULL, 0);
    lay_remove(ops, id_of(scene, CYD), NULL, 0);
    record = speak(scene, BOB);
    assert_int_equal(roster_apply(&scene->roster, &record, NULL), WEFT_LIMIT);
    assert_int_equal(scene->roster.count, LIMIT_ROSTER);
    assert_null(roster_find(&scene->roster, id_of(scene, DAN)));
    assert_false(roster_has(&scene->roster, id_of(scene, CYD)));
}

/* ---- removing ---- */

static void a_removed_device_is_admitted_up_to_its_pin(void **state) {
    struct scene *scene = *state;
    struct record said[4];
    found(scene);
    for (int i = 0; i < 4; i++)
        said[i] = speak_of_nothing(scene, CYD);
    const struct record_pin pin = pin_at(1, 2, &said[1]);
    const struct record removal = remove_heard(scene, BOB, CYD, &pin, 1);
    assert_judged(scene, &said[0], ROSTER_ADMITS);
    assert_judged(scene, &said[1], ROSTER_ADMITS);
    assert_judged(scene, &said[2], ROSTER_REMOVED);
    assert_judged(scene, &said[3], ROSTER_REMOVED);
    const struct roster_member *cyd = roster_find(&scene->roster, id_of(scene, CYD));
    assert_true(cyd->removed && !cyd->disputed && !cyd->said);
    assert_true(cyd->removed_hlc == removal.hlc);
    assert_false(roster_has(&scene->roster, id_of(scene, CYD)));

    /* Another record of the pinned number is not the pinned one, nor is another life's. */
    struct speaker *speaker = &scene->cast[CYD];
    speaker->seq = 1;
    lay_remove(ops_of(scene), id_of(scene, ANN), NULL, 0);
    const struct record twin = speak(scene, CYD);
    assert_judged(scene, &twin, ROSTER_REMOVED);
    speaker->identity.incarnation = 2;
    speaker->seq = 0;
    memset(speaker->prev, 0, RECORD_HASH);
    const struct record reborn = speak_of_nothing(scene, CYD);
    assert_judged(scene, &reborn, ROSTER_REMOVED);
    struct record forged = said[3];
    forged.hash[0] ^= 1;
    assert_judged(scene, &forged, ROSTER_FORGED);
}

static void another_members_greater_pin_counts_and_a_lesser_does_not(void **state) {
    struct scene *scene = *state;
    struct record said[4];
    found(scene);
    for (int i = 0; i < 4; i++)
        said[i] = speak_of_nothing(scene, CYD);
    const struct record_pin two = pin_at(1, 2, &said[1]), three = pin_at(1, 3, &said[2]);
    remove_heard(scene, BOB, CYD, &two, 1);
    remove_heard(scene, ANN, CYD, &three, 1);
    assert_judged(scene, &said[2], ROSTER_ADMITS);
    remove_heard(scene, BOB, CYD, NULL, 0);
    assert_judged(scene, &said[2], ROSTER_ADMITS);
    assert_judged(scene, &said[3], ROSTER_REMOVED);
    const struct roster_member *cyd = roster_find(&scene->roster, id_of(scene, CYD));
    assert_true(cyd->disputed && cyd->said);
    assert_int_equal(cyd->pin_count, 1);
    assert_true(cyd->pins[0].seq == 3 && cyd->said_seq[0] == 3);
}

static void a_pin_whose_hash_is_disputed_admits_either_record(void **state) {
    struct scene *scene = *state;
    found(scene);
    const struct record one = speak_of_nothing(scene, CYD);
    scene->cast[CYD].seq = 0;
    memset(scene->cast[CYD].prev, 0, RECORD_HASH);
    lay_remove(ops_of(scene), id_of(scene, ANN), NULL, 0);
    const struct record other = speak(scene, CYD);
    const struct record_pin pins[] = {pin_at(1, 1, &one), pin_at(1, 1, &other)};
    remove_heard(scene, BOB, CYD, &pins[0], 1);
    assert_judged(scene, &other, ROSTER_REMOVED);
    remove_heard(scene, ANN, CYD, &pins[1], 1);
    remove_heard(scene, BOB, CYD, &pins[0], 1);
    assert_judged(scene, &one, ROSTER_ADMITS);
    assert_judged(scene, &other, ROSTER_ADMITS);
}

static void who_was_removed_is_not_added_again(void **state) {
    struct scene *scene = *state;
    found(scene);
    remove_heard(scene, BOB, CYD, NULL, 0);
    lay_add(ops_of(scene), &scene->cast[CYD].identity, "Cyd again");
    const struct record again = speak(scene, BOB);
    apply(scene, &again);
    struct identity reborn;
    make_identity(CYD + 1, &library, 2, &reborn);
    lay_add(ops_of(scene), &reborn, "Cyd reborn");
    const struct record once_more = speak(scene, BOB);
    apply(scene, &once_more);
    assert_false(roster_has(&scene->roster, id_of(scene, CYD)));
    assert_string_equal(roster_find(&scene->roster, id_of(scene, CYD))->name, "Cyd");
    assert_int_equal(scene->roster.count, 3);
}

static void a_removal_that_comes_before_its_add_holds(void **state) {
    struct scene *scene = *state;
    found(scene);
    const struct record said = speak_of_nothing(scene, DAN), more = speak_of_nothing(scene, DAN);
    const struct record_pin pin = pin_at(1, 1, &said);
    remove_heard(scene, BOB, DAN, &pin, 1);
    assert_false(roster_has(&scene->roster, id_of(scene, DAN)));
    assert_judged(scene, &said, ROSTER_UNKNOWN); /* whose key nobody has told yet */
    lay_add(ops_of(scene), &scene->cast[DAN].identity, "Dan");
    const struct record addition = speak(scene, CYD);
    apply(scene, &addition);
    assert_false(roster_has(&scene->roster, id_of(scene, DAN)));
    assert_string_equal(roster_find(&scene->roster, id_of(scene, DAN))->name, "Dan");
    assert_judged(scene, &said, ROSTER_ADMITS);
    assert_judged(scene, &more, ROSTER_REMOVED);
}

static void who_leaves_is_pinned_at_the_record_that_says_so(void **state) {
    struct scene *scene = *state;
    found(scene);
    const struct record said = speak_of_nothing(scene, CYD);
    const struct record_pin pin = pin_at(1, 1, &said);
    const struct record leaving = remove_heard(scene, CYD, CYD, &pin, 1);
    const struct record more = speak_of_nothing(scene, CYD);
    assert_judged(scene, &leaving, ROSTER_ADMITS);
    assert_judged(scene, &more, ROSTER_REMOVED);
    const struct record_pin head = pin_at(1, 2, &leaving);
    struct record_remove remove;
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), &head, 1, false, &remove));
}

static void of_many_incarnations_the_greatest_sixteen_stay_pinned(void **state) {
    struct scene *scene = *state;
    struct record_pin heads[20];
    struct record_remove remove;
    found(scene);
    for (uint32_t i = 0; i < 20; i++)
        heads[i] = pin_at(i + 1, i + 1, NULL);
    roster_pin(id_of(scene, CYD), heads, 20, &remove);
    assert_int_equal(remove.count, RECORD_PINS);
    assert_true(remove.pins[0].incarnation == 5 && remove.pins[15].incarnation == 20);
    for (uint32_t first = 0; first < 20; first += 4)
        remove_heard(scene, BOB, CYD, &heads[first], 4);
    remove_heard(scene, ANN, CYD, &heads[0], 4);
    const struct roster_member *cyd = roster_find(&scene->roster, id_of(scene, CYD));
    assert_int_equal(cyd->pin_count, RECORD_PINS);
    for (uint32_t i = 0; i < RECORD_PINS; i++)
        assert_true(cyd->pins[i].incarnation == i + 5 && cyd->pins[i].seq == i + 5);
    remove_heard(scene, ANN, CYD, &heads[4], 16);
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), heads, 20, true, &remove));
}

/* ---- what must be said ---- */

static void who_holds_more_than_is_pinned_must_say_so_once(void **state) {
    struct scene *scene = *state;
    struct record_remove remove;
    found(scene);
    const struct record one = speak_of_nothing(scene, CYD), two = speak_of_nothing(scene, CYD);
    const struct record_pin pins[] = {pin_at(1, 1, &one), pin_at(1, 2, &two)};
    const struct id *cyd = id_of(scene, CYD);
    assert_false(roster_must_say(&scene->roster, cyd, &pins[1], 1, true, &remove));
    assert_false(roster_must_say(&scene->roster, id_of(scene, DAN), NULL, 0, true, &remove));
    remove_heard(scene, BOB, CYD, &pins[0], 1);
    assert_false(roster_must_say(&scene->roster, cyd, &pins[0], 1, false, &remove));
    assert_true(roster_must_say(&scene->roster, cyd, &pins[1], 1, false, &remove));
    assert_true(id_equal(&remove.device, cyd) && remove.count == 1 && remove.pins[0].seq == 2);
    remove_heard(scene, ANN, CYD, remove.pins, remove.count);
    assert_false(roster_must_say(&scene->roster, cyd, &pins[1], 1, true, &remove));
}

static void who_refuses_must_have_said_once_that_it_does(void **state) {
    struct scene *scene = *state;
    struct record_remove remove;
    found(scene);
    remove_heard(scene, BOB, CYD, NULL, 0);
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), NULL, 0, false, &remove));
    assert_true(roster_must_say(&scene->roster, id_of(scene, CYD), NULL, 0, true, &remove));
    assert_int_equal(remove.count, 0);
    remove_heard(scene, ANN, CYD, remove.pins, remove.count);
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), NULL, 0, true, &remove));
}

/* Cyd adds Dan, unheard by Bob, who removes Cyd. Dan pins Cyd at that record, but to Bob Dan is
 * nobody: only Ann, who knows them both, can tell him, though by Dan's word all is well pinned. */
static void what_is_disputed_must_be_said_by_everyone_who_holds_it(void **state) {
    struct scene *scene = *state;
    struct record_remove remove;
    found(scene);
    lay_add(ops_of(scene), &scene->cast[DAN].identity, "Dan");
    const struct record adding = speak(scene, CYD);
    const struct record_pin head = pin_at(1, 1, &adding);
    apply(scene, &adding);
    remove_heard(scene, DAN, CYD, &head, 1);
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), &head, 1, false, &remove));
    remove_heard(scene, BOB, CYD, NULL, 0);
    assert_judged(scene, &adding, ROSTER_ADMITS);
    assert_true(roster_must_say(&scene->roster, id_of(scene, CYD), &head, 1, false, &remove));
    remove_heard(scene, ANN, CYD, remove.pins, remove.count);
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), &head, 1, false, &remove));
}

static void who_was_removed_speaks_no_more(void **state) {
    struct scene *scene = *state;
    struct record_remove remove;
    found(scene);
    const struct record one = speak_of_nothing(scene, CYD);
    const struct record_pin pin = pin_at(1, 1, &one);
    remove_heard(scene, BOB, CYD, NULL, 0);
    assert_true(roster_must_say(&scene->roster, id_of(scene, CYD), &pin, 1, false, &remove));
    remove_heard(scene, BOB, ANN, &pin, 1);
    assert_false(roster_must_say(&scene->roster, id_of(scene, CYD), &pin, 1, false, &remove));
}

static void only_what_changes_is_told(void **state) {
    struct scene *scene = *state;
    const struct record founding = found(scene);
    const struct record_pin pin = pin_at(1, 4, NULL);
    const struct record removal = remove_heard(scene, BOB, CYD, &pin, 1);
    assert_int_equal(scene->told, 4);
    const uint64_t version = scene->roster.version;
    apply(scene, &founding);
    apply(scene, &removal);
    assert_int_equal(scene->told, 4);
    assert_true(scene->roster.version == version);
    remove_heard(scene, BOB, CYD, &pin, 1); /* later, and nothing new */
    assert_int_equal(scene->told, 4);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCENE(the_first_record_that_counts_is_a_founders_who_adds_itself),
        IN_SCENE(a_founder_who_is_not_who_it_says_is_refused),
        IN_SCENE(a_second_founder_is_a_stranger),
        IN_SCENE(members_are_admitted_and_forgeries_are_not),
        IN_SCENE(an_add_without_a_certificate_that_holds_is_passed_over),
        IN_SCENE(of_two_adds_the_earlier_counts_in_whichever_order_they_come),
        IN_SCENE(ops_of_other_kinds_or_forms_change_nothing),
        IN_SCENE(the_129th_device_is_one_too_many_and_the_rest_still_counts),
        IN_SCENE(a_removed_device_is_admitted_up_to_its_pin),
        IN_SCENE(another_members_greater_pin_counts_and_a_lesser_does_not),
        IN_SCENE(a_pin_whose_hash_is_disputed_admits_either_record),
        IN_SCENE(who_was_removed_is_not_added_again),
        IN_SCENE(a_removal_that_comes_before_its_add_holds),
        IN_SCENE(who_leaves_is_pinned_at_the_record_that_says_so),
        IN_SCENE(of_many_incarnations_the_greatest_sixteen_stay_pinned),
        IN_SCENE(who_holds_more_than_is_pinned_must_say_so_once),
        IN_SCENE(who_refuses_must_have_said_once_that_it_does),
        IN_SCENE(what_is_disputed_must_be_said_by_everyone_who_holds_it),
        IN_SCENE(who_was_removed_speaks_no_more),
        IN_SCENE(only_what_changes_is_told),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
