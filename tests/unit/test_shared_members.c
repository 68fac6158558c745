/* The shared log in the store: members, pins and keys, saved and loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/scene.h"

static struct roster_member member_of(const struct author *author, const char *name) {
    struct roster_member member = {.device = author->identity.device,
                                   .public = author->identity.public,
                                   .incarnation = author->origin.incarnation,
                                   .added_hlc = 100 + author->origin.incarnation,
                                   .added_by = author->identity.device};
    memcpy(member.cert, author->identity.cert, sizeof member.cert);
    snprintf(member.name, sizeof member.name, "%s", name);
    return member;
}

static struct roster_key key_of(const struct author *author, uint32_t epoch, uint8_t n) {
    struct roster_key key = {.epoch = epoch, .author = author->identity.device};
    uint8_t ephemeral[32];
    memset(ephemeral, n, sizeof ephemeral);
    memset(key.key, 0xa0 + n, sizeof key.key);
    identity_psk_id(&author->identity.library, key.key, key.psk_id);
    identity_seal(key.key, author->identity.public.x_pk, ephemeral, key.sealed);
    return key;
}

static void saves_member(struct scene *scene, const struct roster_member *member) {
    scene_begins(scene);
    library_ok(&scene->library,
               shared_save_member(scene->library.writer, member, &scene->library.why));
    scene_commits(scene);
}

static void saves_key(struct scene *scene, const struct roster_key *key) {
    scene_begins(scene);
    library_ok(&scene->library, shared_save_key(scene->library.writer, key, &scene->library.why));
    scene_commits(scene);
}

/* All of a member but the two holes that the compiler leaves in it: a field that is new lies in one
 * of these, or makes a hole of another size. */
#define END(field) \
    (offsetof(struct roster_member, field) + sizeof((struct roster_member *)0)->field)
static const struct {
    size_t from, to;
} stretches[] = {
    {0, END(said)},
    {offsetof(struct roster_member, added_hlc), END(pin_count)},
    {offsetof(struct roster_member, pins), END(said_seq)},
};
_Static_assert(offsetof(struct roster_member, added_hlc) - END(said) < 8, "a hole, no field");
_Static_assert(offsetof(struct roster_member, pins) - END(pin_count) < 8, "a hole, no field");
_Static_assert(sizeof(struct roster_member) == END(said_seq), "no field behind the last");

static void member_is(const struct roster *roster, const struct roster_member *wanted) {
    const struct roster_member *got = roster_find(roster, &wanted->device);
    assert_non_null(got);
    assert_string_equal(got->name, wanted->name);
    assert_int_equal(got->pin_count, wanted->pin_count);
    for (size_t i = 0; i < sizeof stretches / sizeof stretches[0]; i++) {
        const uint8_t *a = (const uint8_t *)got + stretches[i].from;
        const uint8_t *b = (const uint8_t *)wanted + stretches[i].from;
        assert_memory_equal(a, b, stretches[i].to - stretches[i].from);
    }
}

static void members_are_loaded_as_they_were_saved(void **state) {
    struct scene *scene = *state;
    struct roster roster;
    struct roster_member ann = member_of(&scene->ann, "Ann\xe2\x80\x99s laptop");
    struct roster_member bob = member_of(&scene->bob, "");
    memset(bob.name, 'b', ROSTER_NAME);
    saves_member(scene, &bob);
    saves_member(scene, &ann);
    for (int i = 0; i < 2; i++) {
        library_ok(&scene->library, scene_try_load(scene, &roster));
        assert_int_equal(roster.count, 2);
        member_is(&roster, &ann);
        member_is(&roster, &bob);
        roster_close(&roster);
        scene_reopen(scene);
    }
}

static void every_field_of_a_member_is_kept(void **state) {
    struct scene *scene = *state;
    struct roster roster;
    struct roster_member ann = member_of(&scene->ann, "Ann"), bob = member_of(&scene->bob, "Bob");
    bob.added_by = ann.device;
    bob.removed = bob.disputed = bob.said = true;
    bob.removed_hlc = INT64_MAX;
    bob.pin_count = RECORD_PINS;
    for (uint32_t i = 0; i < RECORD_PINS; i++) {
        bob.pins[i] = (struct record_pin){.incarnation = 10 + i, .seq = 20 + i};
        memset(bob.pins[i].hash, 0x40 + (int)i, RECORD_HASH);
        bob.said_seq[i] = i % 3 == 0 ? 0 : 30 + i;
    }
    saves_member(scene, &ann);
    saves_member(scene, &bob);
    for (int i = 0; i < 2; i++) {
        library_ok(&scene->library, scene_try_load(scene, &roster));
        assert_int_equal(roster.count, 2);
        member_is(&roster, &ann);
        member_is(&roster, &bob);
        roster_close(&roster);
        scene_reopen(scene);
    }
    /* Each of the three is a field of its own, and can be taken back. */
    bool *const marks[] = {&bob.removed, &bob.disputed, &bob.said};
    for (int i = 0; i < 3; i++) {
        *marks[i] = false;
        saves_member(scene, &bob);
        library_ok(&scene->library, scene_try_load(scene, &roster));
        member_is(&roster, &bob);
        roster_close(&roster);
        *marks[i] = true;
    }
}

/* A removal may come before what it removes. */
static void a_device_that_was_removed_before_it_was_added_is_kept(void **state) {
    struct scene *scene = *state;
    struct roster roster;
    struct roster_member ann = member_of(&scene->ann, "a");
    struct roster_member bob = {.device = scene->bob.identity.device,
                                .removed = true,
                                .removed_hlc = 33,
                                .pin_count = 1,
                                .pins = {{.incarnation = 6, .seq = 4}}};
    saves_member(scene, &ann);
    saves_member(scene, &bob);
    library_ok(&scene->library, scene_try_load(scene, &roster));
    assert_int_equal(roster.count, 2);
    member_is(&roster, &bob);
    roster_close(&roster);
}

static void pins_are_raised_with_the_member_they_belong_to(void **state) {
    struct scene *scene = *state;
    struct roster roster;
    struct roster_member ann = member_of(&scene->ann, "a"), bob = member_of(&scene->bob, "b");
    saves_member(scene, &ann);
    saves_member(scene, &bob);
    bob.removed = true;
    bob.removed_hlc = 900;
    for (uint32_t count = 1; count <= RECORD_PINS; count += 5) {
        for (uint32_t i = bob.pin_count; i < count; i++) {
            bob.pins[i] = (struct record_pin){.incarnation = 10 + i, .seq = 20 + i};
            memset(bob.pins[i].hash, (int)i, RECORD_HASH);
        }
        bob.pin_count = count;
        bob.pins[0].seq++;
        /* Whoever wrote the pins may have written any number. */
        if (count == RECORD_PINS) bob.pins[count - 1].incarnation = UINT64_MAX;
        saves_member(scene, &bob);
        library_ok(&scene->library, scene_try_load(scene, &roster));
        member_is(&roster, &ann);
        member_is(&roster, &bob);
        assert_false(roster_has(&roster, &bob.device));
        roster_close(&roster);
    }
}

static void keys_are_loaded_as_they_were_saved_and_lie_in_the_file_sealed_only(void **state) {
    struct scene *scene = *state;
    struct roster roster;
    struct roster_member ann = member_of(&scene->ann, "a");
    struct roster_key first = key_of(&scene->ann, 1, 1), second = key_of(&scene->ann, 2, 2);
    saves_member(scene, &ann);
    saves_key(scene, &second);
    saves_key(scene, &first);
    saves_key(scene, &first);
    scene_reopen(scene);
    library_ok(&scene->library, scene_try_load(scene, &roster));
    assert_int_equal(roster.key_count, 2);
    const struct roster_key *keys[] = {&first, &second};
    for (int i = 0; i < 2; i++) {
        const struct roster_key *got = roster_key_named(&roster, keys[i]->psk_id);
        assert_non_null(got);
        assert_int_equal(got->epoch, keys[i]->epoch);
        assert_memory_equal(got->key, keys[i]->key, LIBRARY_KEY);
        assert_memory_equal(got->sealed, keys[i]->sealed, LIBRARY_KEY_SEALED);
        assert_true(id_equal(&got->author, &keys[i]->author));
    }
    assert_memory_equal(roster_current(&roster)->psk_id, second.psk_id, LIBRARY_KEY_ID);
    roster_close(&roster);

    static char bytes[1 << 20];
    library_sql(&scene->library, "PRAGMA wal_checkpoint(TRUNCATE)");
    FILE *file = fopen(scene->library.path, "r");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_int_equal(fclose(file), 0);
    assert_true(size > 0 && size < sizeof bytes);
    assert_non_null(memmem(bytes, size, first.sealed, LIBRARY_KEY_SEALED));
    assert_null(memmem(bytes, size, first.key, LIBRARY_KEY));
}

static void what_cannot_be_read_is_told_by_name(void **state) {
    struct scene *scene = *state;
    char ann_text[ID_TEXT_SIZE], bob_text[ID_TEXT_SIZE];
    struct roster_member ann = member_of(&scene->ann, "a"), bob = member_of(&scene->bob, "b");
    struct roster_key key = key_of(&scene->ann, 3, 1);
    bob.pin_count = 1;
    bob.pins[0].seq = 1;
    saves_member(scene, &ann);
    saves_member(scene, &bob);
    saves_key(scene, &key);
    scene_says(scene, &scene->ann, 1);
    id_text(&ann.device, ann_text);
    id_text(&bob.device, bob_text);
    const struct {
        const char *damage, *mend, *said;
    } cases[] = {
        {"UPDATE _weft_member SET cert = zeroblob(63) WHERE name = 'a'", "", ann_text},
        {"UPDATE _weft_member SET name = hex(zeroblob(33)) WHERE name = 'a'", "", ann_text},
        {"UPDATE _weft_member SET id_pk = zeroblob(31) WHERE name = 'a'", "", ann_text},
        /* Another device's key. */
        {"UPDATE _weft_member SET id_pk = zeroblob(32) WHERE name = 'a'", "", ann_text},
        {"UPDATE _weft_member SET device = zeroblob(16) WHERE name = 'a'",
         "DELETE FROM _weft_member WHERE device = zeroblob(16)", "00000000"},
        /* Neither added nor removed. */
        {"UPDATE _weft_member SET added_by = zeroblob(16) WHERE name = 'a'", "", ann_text},
        {"UPDATE _weft_pin SET seq = 0", "UPDATE _weft_pin SET seq = 1", bob_text},
        {"UPDATE _weft_pin SET hash = 'x'", "UPDATE _weft_pin SET hash = zeroblob(32)", bob_text},
        {"INSERT INTO _weft_pin SELECT device, 100 + value, 1, zeroblob(32), 0 FROM _weft_pin, "
         "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n "
         "WHERE value < 16) SELECT value FROM n)",
         "DELETE FROM _weft_pin", bob_text},
        {"UPDATE _weft_key SET author = zeroblob(16), sealed = zeroblob(80)", NULL, "epoch 3"},
    };
    /* Ann is saved again each time; what else was damaged SQL mends. */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roster roster;
        library_sql(&scene->library, cases[i].damage);
        enum weft_status status = scene_try_load(scene, &roster);
        roster_close(&roster);
        if (status != WEFT_CORRUPT || strstr(scene->library.why.text, cases[i].said) == NULL) {
            fail_msg("%zu: %s: %s", i, weft_status_name(status), scene->library.why.text);
        }
        if (cases[i].mend != NULL) {
            library_sql(&scene->library, cases[i].mend);
            saves_member(scene, &ann);
            scene_loads(scene);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scene_test(members_are_loaded_as_they_were_saved),
        scene_test(every_field_of_a_member_is_kept),
        scene_test(a_device_that_was_removed_before_it_was_added_is_kept),
        scene_test(pins_are_raised_with_the_member_they_belong_to),
        scene_test(keys_are_loaded_as_they_were_saved_and_lie_in_the_file_sealed_only),
        scene_test(what_cannot_be_read_is_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
