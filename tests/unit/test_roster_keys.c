/* The roster: library keys, what is put back from the store, and what is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/store/roster.h"
#include "tests/sim/rng.h"

static const struct id library = {"a library's keys"};

/* Ann's roster, and Bob, who seals keys to her; what is said need not be signed here. */
struct scene {
    struct pool *pool;
    struct arena arena;
    struct rng rng;
    struct identity ann, bob;
    struct roster roster;
    uint32_t told;
    struct roster_key last; /* the last key that was told */
};

static int set_up(void **state) {
    static struct scene scene;
    uint8_t secret[IDENTITY_SECRET];
    memset(&scene, 0, sizeof scene);
    scene.pool = pool_open(0, 0, NULL);
    if (scene.pool == NULL) return -1;
    arena_init(&scene.arena, scene.pool);
    rng_seed(&scene.rng, 1, 0);
    rng_fill(&scene.rng, secret, sizeof secret);
    identity_make(&scene.ann, secret, &library, 1);
    rng_fill(&scene.rng, secret, sizeof secret);
    identity_make(&scene.bob, secret, &library, 1);
    *state = &scene;
    return roster_open(&scene.roster, &scene.ann) == WEFT_OK ? 0 : -1;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    roster_close(&scene->roster);
    arena_drop(&scene->arena);
    pool_close(scene->pool);
    return 0;
}

struct library_key {
    uint32_t epoch;
    uint8_t psk[LIBRARY_KEY], psk_id[LIBRARY_KEY_ID];
};

static struct library_key draw_key(struct scene *scene, uint32_t epoch) {
    struct library_key key = {.epoch = epoch};
    rng_fill(&scene->rng, key.psk, sizeof key.psk);
    identity_psk_id(&library, key.psk, key.psk_id);
    return key;
}

static void tell_key(void *context, const struct roster_key *key) {
    struct scene *scene = context;
    scene->told++;
    scene->last = *key;
}

static void seal(struct scene *scene, const struct library_key *key, const struct identity *to,
                 uint8_t box[RECORD_BOX]) {
    uint8_t ephemeral[32];
    rng_fill(&scene->rng, ephemeral, sizeof ephemeral);
    memcpy(box, to->device.bytes, sizeof to->device.bytes);
    identity_seal(key->psk, to->public.x_pk, ephemeral, box + sizeof to->device.bytes);
}

/* Bob says a key by boxes as they stand here. */
static void say_boxes(struct scene *scene, const struct library_key *key, const uint8_t *boxes,
                      uint32_t count) {
    const struct roster_change change = {scene, NULL, tell_key};
    struct record_key op = {.epoch = key->epoch, .count = count};
    struct record record = {.origin = {scene->bob.device, 1}, .seq = 1};
    struct record_ops ops;
    memcpy(op.psk_id, key->psk_id, LIBRARY_KEY_ID);
    op.boxes = (struct bytes){boxes, (size_t)count * RECORD_BOX};
    record_ops_begin(&ops, &scene->arena);
    record_ops_key(&ops, &op);
    assert_int_equal(record_ops_end(&ops, &record.ops), WEFT_OK);
    assert_int_equal(roster_apply(&scene->roster, &record, &change), WEFT_OK);
}

/* Bob seals a key to Ann and to himself. */
static void say_key(struct scene *scene, const struct library_key *key) {
    uint8_t boxes[2 * RECORD_BOX];
    const bool ann_first = id_compare(&scene->ann.device, &scene->bob.device) < 0;
    seal(scene, key, &scene->ann, ann_first ? boxes : boxes + RECORD_BOX);
    seal(scene, key, &scene->bob, ann_first ? boxes + RECORD_BOX : boxes);
    say_boxes(scene, key, boxes, 2);
}

static bool is_key(const struct roster_key *held, const struct library_key *key) {
    return held != NULL && held->epoch == key->epoch &&
           memcmp(held->key, key->psk, LIBRARY_KEY) == 0 &&
           memcmp(held->psk_id, key->psk_id, LIBRARY_KEY_ID) == 0;
}

/* ---- keys ---- */

static void a_key_sealed_to_this_device_is_opened(void **state) {
    struct scene *scene = *state;
    const struct library_key key = draw_key(scene, 1);
    assert_null(roster_current(&scene->roster));
    assert_null(roster_key_named(&scene->roster, key.psk_id));
    const uint64_t version = scene->roster.version;
    say_key(scene, &key);
    assert_true(is_key(roster_current(&scene->roster), &key));
    assert_true(is_key(roster_key_named(&scene->roster, key.psk_id), &key));
    assert_true(scene->told == 1 && is_key(&scene->last, &key));
    assert_true(id_equal(&scene->last.author, &scene->bob.device));
    assert_true(scene->roster.version > version);
    say_key(scene, &key); /* sealed anew, and the same */
    assert_int_equal(scene->told, 1);
    assert_int_equal(scene->roster.key_count, 1);
}

static void a_key_for_others_is_not_taken(void **state) {
    struct scene *scene = *state;
    const struct library_key key = draw_key(scene, 1);
    uint8_t box[RECORD_BOX];
    seal(scene, &key, &scene->bob, box);
    say_boxes(scene, &key, box, 1);
    memcpy(box, scene->ann.device.bytes,
           sizeof scene->ann.device.bytes); /* Bob's, under her name */
    say_boxes(scene, &key, box, 1);
    seal(scene, &key, &scene->ann, box);
    for (uint32_t i = 16; i < RECORD_BOX; i++) {
        box[i] ^= 0x40;
        say_boxes(scene, &key, box, 1);
        box[i] ^= 0x40;
    }
    assert_int_equal(scene->roster.key_count, 0);
    assert_int_equal(scene->told, 0);
    say_boxes(scene, &key, box, 1);
    assert_true(is_key(roster_current(&scene->roster), &key));
}

static void a_key_that_is_not_what_it_is_called_is_not_taken(void **state) {
    struct scene *scene = *state;
    struct library_key key = draw_key(scene, 1);
    const struct library_key other = draw_key(scene, 1);
    memcpy(key.psk_id, other.psk_id, LIBRARY_KEY_ID);
    say_key(scene, &key);
    identity_psk_id(&library, key.psk, key.psk_id);
    key.psk_id[7] ^= 1;
    say_key(scene, &key);
    assert_int_equal(scene->roster.key_count, 0);
    key.psk_id[7] ^= 1;
    say_key(scene, &key);
    assert_true(is_key(roster_current(&scene->roster), &key));
}

static void keys_are_ordered_by_epoch_and_name_in_whichever_order_they_come(void **state) {
    struct scene *scene = *state;
    struct library_key keys[20];
    for (uint32_t i = 0; i < 20; i++)
        keys[i] = draw_key(scene, 1 + (uint32_t)rng_below(&scene->rng, 5));
    for (uint32_t i = 0; i < 20; i++) {
        say_key(scene, &keys[i]);
        const struct library_key *greatest = &keys[0];
        for (uint32_t k = 1; k <= i; k++) {
            const int names = memcmp(keys[k].psk_id, greatest->psk_id, LIBRARY_KEY_ID);
            if (keys[k].epoch > greatest->epoch || (keys[k].epoch == greatest->epoch && names > 0))
                greatest = &keys[k];
        }
        assert_true(is_key(roster_current(&scene->roster), greatest));
        for (uint32_t k = 0; k <= i; k++)
            assert_true(is_key(roster_key_named(&scene->roster, keys[k].psk_id), &keys[k]));
    }
    assert_int_equal(scene->roster.key_count, 20);
    for (uint32_t i = 1; i < 20; i++) {
        const struct roster_key *a = &scene->roster.keys[i - 1], *b = &scene->roster.keys[i];
        const int names = memcmp(a->psk_id, b->psk_id, LIBRARY_KEY_ID);
        assert_true(a->epoch < b->epoch || (a->epoch == b->epoch && names < 0));
    }
}

static void the_last_64_keys_are_kept(void **state) {
    struct scene *scene = *state;
    struct library_key keys[ROSTER_KEYS + 6];
    for (uint32_t i = 0; i < ROSTER_KEYS + 6; i++)
        keys[i] = draw_key(scene, i + 1);
    for (uint32_t i = 0; i < ROSTER_KEYS + 6; i++) /* 33 and 70 have no factor in common */
        say_key(scene, &keys[i * 33 % (ROSTER_KEYS + 6)]);
    assert_int_equal(scene->roster.key_count, ROSTER_KEYS);
    for (uint32_t i = 0; i < ROSTER_KEYS; i++)
        assert_true(is_key(&scene->roster.keys[i], &keys[i + 6]));
    assert_null(roster_key_named(&scene->roster, keys[5].psk_id));
}

static void closing_wipes_the_keys(void **state) {
    struct scene *scene = *state;
    const struct library_key key = draw_key(scene, 1), other = draw_key(scene, 2);
    say_key(scene, &key);
    say_key(scene, &other);
    assert_false(sodium_is_zero((const uint8_t *)scene->roster.keys, sizeof scene->roster.keys));
    roster_close(&scene->roster);
    assert_true(sodium_is_zero((const uint8_t *)scene->roster.keys, sizeof scene->roster.keys));
    assert_int_equal(roster_open(&scene->roster, &scene->ann), WEFT_OK);
    assert_null(roster_current(&scene->roster));
}

/* ---- from the store ---- */

static void keys_come_back_from_the_store(void **state) {
    struct scene *scene = *state;
    struct roster again;
    struct library_key keys[3];
    for (uint32_t i = 0; i < 3; i++) {
        keys[i] = draw_key(scene, 1 + i % 2);
        say_key(scene, &keys[i]);
    }
    assert_int_equal(roster_open(&again, &scene->ann), WEFT_OK);
    for (uint32_t i = scene->roster.key_count; i > 0; i--) {
        const struct roster_key *key = &scene->roster.keys[i - 1];
        assert_true(roster_load_key(&again, key->epoch, &key->author, key->sealed));
    }
    assert_int_equal(again.key_count, 3);
    assert_memory_equal(again.keys, scene->roster.keys, sizeof again.keys);
    uint8_t damaged[LIBRARY_KEY_SEALED];
    memcpy(damaged, again.keys[0].sealed, sizeof damaged);
    damaged[40] ^= 1;
    assert_false(roster_load_key(&again, 9, &scene->bob.device, damaged));
    assert_int_equal(again.key_count, 3);
    roster_close(&again);
}

static struct roster_member some_member(const struct scene *scene) {
    struct roster_member member = {.device = scene->bob.device,
                                   .public = scene->bob.public,
                                   .incarnation = 1,
                                   .name = "Bob",
                                   .removed = true,
                                   .disputed = true,
                                   .said = true,
                                   .added_hlc = 5,
                                   .removed_hlc = 9,
                                   .added_by = scene->ann.device,
                                   .pin_count = 2,
                                   .pins = {{1, 4, {7}}, {3, 2, {8}}},
                                   .said_seq = {4, 1}};
    memcpy(member.cert, scene->bob.cert, IDENTITY_CERT);
    return member;
}

static void members_come_back_from_the_store(void **state) {
    struct scene *scene = *state;
    struct roster_member member = some_member(scene);
    assert_int_equal(roster_load_member(&scene->roster, &member), WEFT_OK);
    const struct roster_member *held = roster_find(&scene->roster, &scene->bob.device);
    assert_memory_equal(held, &member, sizeof member);
    assert_false(roster_has(&scene->roster, &scene->bob.device));
    assert_int_equal(roster_load_member(&scene->roster, &member), WEFT_CORRUPT); /* twice */

    struct roster_member unknown = {.device = {{9}}, .removed = true, .said = true};
    assert_int_equal(roster_load_member(&scene->roster, &unknown), WEFT_OK);
    for (uint32_t i = 2; i < LIMIT_ROSTER; i++) {
        unknown.device.bytes[1] = (uint8_t)i;
        assert_int_equal(roster_load_member(&scene->roster, &unknown), WEFT_OK);
    }
    unknown.device.bytes[2] = 1;
    assert_int_equal(roster_load_member(&scene->roster, &unknown), WEFT_LIMIT);
}

static void a_member_that_no_roster_holds_is_not_taken_from_the_store(void **state) {
    struct scene *scene = *state;
    struct roster_member bad[6];
    for (uint32_t i = 0; i < 6; i++)
        bad[i] = some_member(scene);
    bad[0].device.bytes[0] ^= 1; /* not the id of its key */
    bad[1].name[ROSTER_NAME] = 'x';
    bad[2].pin_count = RECORD_PINS + 1;
    bad[3].pins[1].incarnation = 1; /* out of order */
    bad[4].pins[0].seq = 0;
    memset(&bad[5].added_by, 0, sizeof bad[5].added_by); /* neither added nor removed */
    bad[5].removed = false;
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(roster_load_member(&scene->roster, &bad[i]), WEFT_CORRUPT);
    assert_int_equal(scene->roster.count, 0);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCENE(a_key_sealed_to_this_device_is_opened),
        IN_SCENE(a_key_for_others_is_not_taken),
        IN_SCENE(a_key_that_is_not_what_it_is_called_is_not_taken),
        IN_SCENE(keys_are_ordered_by_epoch_and_name_in_whichever_order_they_come),
        IN_SCENE(the_last_64_keys_are_kept),
        IN_SCENE(closing_wipes_the_keys),
        IN_SCENE(keys_come_back_from_the_store),
        IN_SCENE(members_come_back_from_the_store),
        IN_SCENE(a_member_that_no_roster_holds_is_not_taken_from_the_store),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
