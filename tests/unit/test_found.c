/* Founding a library, and asking a file beforehand whose library it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/store/found.h"
#include "tests/lib/library.h"
#include "tests/sim/disk.h"
#include "tests/sim/rng.h"

#define NAME "Ann\xe2\x80\x99s laptop"
#define HLC (UINT64_C(1700000000000) << 16)
#define SIM_PATH "/d/a.weft"

static const char schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                             " id BLOB PRIMARY KEY, device_id BLOB NOT NULL);";

/* A file, real or on a simulated disk, and the device that keeps a library in it. */
struct place {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 32];
    const char *vfs;
    struct pool *pool;
    struct store store;
    struct identity identity;
    struct rng rng;
    struct weft_error why;
};

static int setup(void **state) {
    static struct place place;
    place = (struct place){0};
    scratch_make(place.folder);
    snprintf(place.path, sizeof place.path, "%s/a.weft", place.folder);
    place.pool = pool_open(0, 0, NULL);
    rng_seed(&place.rng, 1, 1);
    *state = &place;
    return place.pool == NULL;
}

static int teardown(void **state) {
    struct place *place = *state;
    if (place->store.lock != NULL) store_close(&place->store);
    pool_close(place->pool);
    identity_wipe(&place->identity);
    scratch_remove(place->folder);
    return 0;
}

static void ok(const struct place *place, enum weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
}

static void closes(struct place *place) {
    if (place->store.lock != NULL) store_close(&place->store);
    assert_int_equal(pool_held(place->pool), 0);
}

/* Opens the store of the device whose secret is bytes 0x11, as weft_open() does. */
static void opens(struct place *place, bool joining) {
    struct id library = library_id(0x99);
    uint8_t secret[IDENTITY_SECRET];
    memset(secret, 0x11, sizeof secret);
    closes(place);
    identity_make(&place->identity, secret, &library, 0);
    struct store_seed seed = library_seed(place->path, schema, 1);
    seed.vfs = place->vfs;
    seed.library = &library;
    seed.fresh_device = place->identity.device;
    seed.device_must_match = true;
    seed.joining = joining;
    ok(place, store_open(&seed, place->pool, &place->store, &place->why));
    identity_make(&place->identity, secret, &library, place->store.incarnation);
}

static enum weft_status try_found(struct place *place, uint64_t hlc) {
    const struct entropy_port entropy = rng_entropy(&place->rng);
    return store_found(&place->store, place->path, place->vfs, &place->identity, NAME, hlc,
                       &entropy, place->pool, &place->why);
}

/* ---- what is in the file --------------------------------------------------------------------- */

struct found {
    struct roster roster;
    struct shared_head head; /* of the last origin; seq 0 when there is none */
    unsigned head_count;
    struct shared_entry *entries;
    uint32_t count;
    struct arena arena;
};

static void take_head(void *context, const struct shared_head *head) {
    struct found *found = context;
    found->head = *head;
    found->head_count++;
}

/* Reads it all; found_drop() when done. */
static void found_load(struct place *place, struct found *found) {
    const struct shared_visit visit = {.context = found, .head = take_head};
    struct writer *writer = NULL;
    struct shared_reader *reader = NULL;
    bool more = true;
    *found = (struct found){0};
    arena_init(&found->arena, place->pool);
    assert_int_equal(roster_open(&found->roster, &place->identity), WEFT_OK);
    ok(place, writer_open(place->path, place->vfs, 0, place->store.models, &place->store.device,
                          &writer, &place->why));
    ok(place, shared_load(writer, &visit, &found->roster, &place->why));
    writer_close(writer);
    ok(place, shared_reader_open(place->path, place->vfs, &reader, &place->why));
    ok(place, shared_reader_after(reader, 0, 10, 1 << 20, &found->arena, &found->entries,
                                  &found->count, &more, &place->why));
    shared_reader_close(reader);
    assert_false(more);
}

static void found_drop(struct found *found) {
    roster_close(&found->roster);
    arena_drop(&found->arena);
}

/* Whether the library has a founder; if so, it has all that one leaves behind, once. */
static bool is_founded(struct place *place, uint64_t hlc) {
    struct found found;
    found_load(place, &found);
    const bool founded = found.count != 0;
    if (founded) {
        assert_int_equal(found.count, 1);
        assert_int_equal(found.head_count, 1);
        assert_int_equal(found.head.seq, 1);
        assert_int_equal(found.head.hlc, hlc);
        assert_int_equal(found.roster.count, 1);
        assert_int_equal(found.roster.key_count, 1);
        assert_true(roster_has(&found.roster, &place->identity.device));
        assert_int_equal(place->store.clock, hlc);
    } else {
        assert_int_equal(found.head_count, 0);
        assert_int_equal(found.roster.count, 0);
        assert_int_equal(found.roster.key_count, 0);
        assert_int_equal(place->store.clock, 0);
    }
    found_drop(&found);
    return founded;
}

/* ---- founding -------------------------------------------------------------------------------- */

static void a_founder_is_the_one_member_and_has_the_one_key(void **state) {
    struct place *place = *state;
    opens(place, false);

    ok(place, try_found(place, HLC));

    for (int i = 0; i < 2; i++) {
        struct found found;
        assert_true(is_founded(place, HLC));
        found_load(place, &found);
        const struct roster_member *member = roster_find(&found.roster, &place->identity.device);
        const struct roster_key *key = roster_current(&found.roster);
        assert_non_null(member);
        assert_non_null(key);
        assert_string_equal(member->name, NAME);
        assert_int_equal(member->incarnation, place->store.incarnation);
        assert_memory_equal(&member->public, &place->identity.public, sizeof member->public);
        assert_memory_equal(member->cert, place->identity.cert, IDENTITY_CERT);
        assert_true(id_equal(&member->added_by, &place->identity.device));
        assert_int_equal(member->added_hlc, HLC);
        assert_false(member->removed);
        assert_int_equal(key->epoch, 1);
        assert_true(id_equal(&key->author, &place->identity.device));
        found_drop(&found);
        opens(place, false);
    }
}

/* What another device makes of it, which has nothing but the record. */
static void the_first_record_is_read_and_believed_by_others(void **state) {
    struct place *place = *state;
    struct found found;
    struct identity other;
    struct roster roster;
    struct record record;
    uint8_t secret[IDENTITY_SECRET] = {0x22};
    opens(place, false);
    ok(place, try_found(place, HLC));
    found_load(place, &found);
    identity_make(&other, secret, &place->store.library, 1);
    assert_int_equal(roster_open(&roster, &other), WEFT_OK);

    ok(place, record_read(&place->store.library, found.entries[0].record, &record, &place->why));

    assert_int_equal(record.seq, 1);
    assert_int_equal(record.hlc, HLC);
    assert_true(id_equal(&record.origin.device, &place->identity.device));
    assert_int_equal(record.origin.incarnation, place->store.incarnation);
    assert_memory_equal(record.hash, found.head.hash, RECORD_HASH);
    assert_true(record_signed_by(&record, place->identity.public.id_pk));
    assert_int_equal(roster_judge(&roster, &record), ROSTER_ADMITS);
    assert_int_equal(roster_apply(&roster, &record, NULL), WEFT_OK);
    assert_true(roster_has(&roster, &place->identity.device));
    assert_null(roster_current(&roster)); /* the key is sealed to the founder */
    roster_close(&roster);
    identity_wipe(&other);
    found_drop(&found);
}

static void two_libraries_have_two_keys(void **state) {
    struct place *place = *state;
    uint8_t keys[2][LIBRARY_KEY];
    for (int i = 0; i < 2; i++) {
        struct found found;
        snprintf(place->path, sizeof place->path, "%s/%d.weft", place->folder, i);
        opens(place, false);
        ok(place, try_found(place, HLC));
        found_load(place, &found);
        memcpy(keys[i], roster_current(&found.roster)->key, LIBRARY_KEY);
        found_drop(&found);
    }
    assert_memory_not_equal(keys[0], keys[1], LIBRARY_KEY);
}

static void a_library_is_founded_once(void **state) {
    struct place *place = *state;
    struct found found;
    uint8_t record[1024], key[LIBRARY_KEY];
    opens(place, false);
    ok(place, try_found(place, HLC));
    found_load(place, &found);
    const size_t size = found.entries[0].record.size;
    assert_true(size <= sizeof record);
    memcpy(record, found.entries[0].record.data, size);
    memcpy(key, roster_current(&found.roster)->key, sizeof key);
    found_drop(&found);
    for (int i = 0; i < 2; i++) {
        ok(place, try_found(place, HLC + 1000));
        assert_true(is_founded(place, HLC));
        found_load(place, &found);
        assert_int_equal(found.entries[0].record.size, size);
        assert_memory_equal(found.entries[0].record.data, record, size);
        assert_memory_equal(roster_current(&found.roster)->key, key, sizeof key);
        found_drop(&found);
        opens(place, false);
    }
}

static void whoever_waits_to_join_founds_nothing(void **state) {
    struct place *place = *state;
    for (int i = 0; i < 2; i++) {
        /* The file remembers it, whatever it is opened with later. */
        opens(place, i == 0);
        assert_true(place->store.joining);
        ok(place, try_found(place, HLC));
        assert_false(is_founded(place, HLC));
        assert_int_equal(place->store.clock, 0);
    }
}

/* ---- disks that fail ------------------------------------------------------------------------- */

static struct instant no_time(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

/* Loses power at the `point`th operation of the founding; true if it was over before. */
static bool survives(struct place *place, uint64_t point, enum disk_survival survival,
                     bool *founded) {
    struct disk *disk = disk_open("found-crash", point, (struct time_port){.now = no_time});
    place->vfs = disk_vfs(disk);
    opens(place, false);
    disk_crash_after(disk, point, survival);
    const bool done = try_found(place, HLC) == WEFT_OK;
    const bool whole = done && !disk_is_down(disk);
    closes(place);
    if (disk_is_down(disk)) disk_restart(disk);
    disk_crash_after(disk, 0, DISK_KEEP_ALL);
    opens(place, false);
    *founded = is_founded(place, HLC);
    assert_true(*founded || !done);
    /* And whatever was there, the next opening finds or makes a founder. */
    ok(place, try_found(place, *founded ? HLC + 1 : HLC));
    assert_true(is_founded(place, HLC));
    closes(place);
    disk_close(disk);
    return whole;
}

static void power_may_be_lost_at_any_point_of_the_founding(void **state) {
    struct place *place = *state;
    const enum disk_survival survivals[] = {DISK_KEEP_SYNCED, DISK_KEEP_SOME};
    snprintf(place->path, sizeof place->path, SIM_PATH);
    for (int i = 0; i < 2; i++) {
        unsigned unfounded = 0, cut_but_founded = 0;
        bool whole = false;
        for (uint64_t point = 1; !whole; point++) {
            bool founded = false;
            whole = survives(place, point, survivals[i], &founded);
            if (!founded) unfounded++;
            if (founded && !whole) cut_but_founded++;
        }
        /* There were points on both sides of the one that counts. */
        assert_true(unfounded > 0);
        assert_true(cut_but_founded > 0);
    }
}

static void a_full_disk_is_told_and_the_library_can_be_founded_later(void **state) {
    struct place *place = *state;
    struct disk *disk = disk_open("found-full", 1, (struct time_port){.now = no_time});
    snprintf(place->path, sizeof place->path, SIM_PATH);
    place->vfs = disk_vfs(disk);
    opens(place, false);
    disk_set_full(disk, true);
    assert_int_equal(try_found(place, HLC), WEFT_DISK_FULL);
    assert_non_null(strstr(place->why.text, SIM_PATH));
    assert_int_equal(place->store.clock, 0);
    disk_set_full(disk, false);
    assert_false(is_founded(place, HLC));
    ok(place, try_found(place, HLC));
    assert_true(is_founded(place, HLC));
    closes(place);
    disk_close(disk);
}

/* ---- whose library a file is ----------------------------------------------------------------- */

static void writes(const struct place *place, const char *text) {
    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void plain(const struct place *place, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void is_nobodys(struct place *place) {
    struct id device;
    bool found = true;
    ok(place, store_device(place->path, NULL, &device, &found, &place->why));
    assert_false(found);
}

static void is_the_devices(struct place *place) {
    struct id device;
    bool found = false;
    ok(place, store_device(place->path, NULL, &device, &found, &place->why));
    assert_true(found);
    assert_true(id_equal(&device, &place->identity.device));
}

static void where_no_file_is_none_is_made(void **state) {
    struct place *place = *state;
    is_nobodys(place);
    assert_null(fopen(place->path, "r"));
    snprintf(place->path, sizeof place->path, "%s/nowhere/a.weft", place->folder);
    is_nobodys(place);
}

static void an_empty_file_is_nobodys_and_stays_empty(void **state) {
    struct place *place = *state;
    writes(place, "");
    is_nobodys(place);
    FILE *file = fopen(place->path, "r");
    assert_non_null(file);
    assert_int_equal(fgetc(file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void an_applications_own_database_is_nobodys(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); "
                 "INSERT INTO note VALUES (1, 'x')");
    is_nobodys(place);
    /* It becomes a library by being opened as one. */
    opens(place, false);
    closes(place);
    is_the_devices(place);
}

static void a_library_is_its_devices_also_while_it_is_open(void **state) {
    struct place *place = *state;
    opens(place, false);
    is_the_devices(place);
    struct writer *writer = NULL;
    ok(place, writer_open(place->path, NULL, 0, place->store.models, &place->store.device, &writer,
                          &place->why));
    ok(place, writer_begin(writer, &place->why));
    ok(place, writer_clock(writer, 1, &place->why));
    is_the_devices(place);
    ok(place, writer_commit(writer, &place->why));
    writer_close(writer);
    closes(place);
    is_the_devices(place);
}

static void a_library_that_names_no_device_is_nobodys_until_it_is_opened(void **state) {
    struct place *place = *state;
    opens(place, false);
    closes(place);
    plain(place, "PRAGMA ignore_check_constraints = 1; UPDATE _weft_device SET device = x'0102'");
    is_nobodys(place);
    struct store_seed seed = library_seed(place->path, schema, 1);
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_CORRUPT);
    plain(place, "DELETE FROM _weft_device");
    is_nobodys(place);
}

static void a_file_that_is_no_database_is_told(void **state) {
    struct place *place = *state;
    struct id device;
    bool found = true;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    writes(place, text);
    assert_int_equal(store_device(place->path, NULL, &device, &found, &place->why),
                     WEFT_NOT_A_DATABASE);
    assert_false(found);
    assert_non_null(strstr(place->why.text, place->path));
}

/* ---- the stamp ------------------------------------------------------------------------------- */

static void opens_stamped(struct place *place, uint8_t stamp, uint64_t fresh) {
    struct store_seed seed = library_seed(place->path, schema, 1);
    closes(place);
    seed.has_stamp = true;
    seed.fresh_incarnation = fresh;
    memset(seed.stamp, stamp, sizeof seed.stamp);
    ok(place, store_open(&seed, place->pool, &place->store, &place->why));
}

/* A new file is told from a copy of it from its first day on. */
static void a_stamp_taken_late_is_known_at_the_next_opening(void **state) {
    struct place *place = *state;
    struct store_seed seed = library_seed(place->path, schema, 1);
    seed.has_stamp = true;
    memset(seed.stamp, 0xa1, sizeof seed.stamp);
    for (int moved = 0; moved < 2; moved++) {
        snprintf(place->path, sizeof place->path, "%s/%d.weft", place->folder, moved);
        opens(place, false);
        const uint64_t incarnation = place->store.incarnation;
        ok(place, store_take_stamp(&seed, &place->store, &place->why));
        opens_stamped(place, moved ? 0xa2 : 0xa1, 1000);
        assert_int_equal(place->store.moved, moved);
        assert_int_equal(place->store.incarnation, moved ? 1000 : incarnation);
    }
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_founder_is_the_one_member_and_has_the_one_key),
        place_test(the_first_record_is_read_and_believed_by_others),
        place_test(two_libraries_have_two_keys),
        place_test(a_library_is_founded_once),
        place_test(whoever_waits_to_join_founds_nothing),
        place_test(power_may_be_lost_at_any_point_of_the_founding),
        place_test(a_full_disk_is_told_and_the_library_can_be_founded_later),
        place_test(where_no_file_is_none_is_made),
        place_test(an_empty_file_is_nobodys_and_stays_empty),
        place_test(an_applications_own_database_is_nobodys),
        place_test(a_library_is_its_devices_also_while_it_is_open),
        place_test(a_library_that_names_no_device_is_nobodys_until_it_is_opened),
        place_test(a_file_that_is_no_database_is_told),
        place_test(a_stamp_taken_late_is_known_at_the_next_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
