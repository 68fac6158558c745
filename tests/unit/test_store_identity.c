/* Whose file a library is: stamps, incarnations, device ids, and files of the first format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/library.h"

static const char schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                             " id BLOB PRIMARY KEY, device_id BLOB NOT NULL);";

struct place {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 32];
    struct pool *pool;
    struct store store;
    struct weft_error why;
};

static int setup(void **state) {
    static struct place place;
    place = (struct place){0};
    scratch_make(place.folder);
    snprintf(place.path, sizeof place.path, "%s/a.weft", place.folder);
    place.pool = pool_open(0, 0, NULL);
    *state = &place;
    return place.pool == NULL;
}

static int teardown(void **state) {
    struct place *place = *state;
    if (place->store.lock != NULL) store_close(&place->store);
    pool_close(place->pool);
    scratch_remove(place->folder);
    return 0;
}

static void plain(struct place *place, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask(struct place *place, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

/* Opens with a stamp of bytes `stamp` (0: none) at wall time `fresh`. */
static void opens_stamped(struct place *place, uint8_t stamp, uint64_t fresh) {
    if (place->store.lock != NULL) store_close(&place->store);
    struct store_seed seed = library_seed(place->path, schema, 1);
    seed.has_stamp = stamp != 0;
    memset(seed.stamp, stamp, sizeof seed.stamp);
    seed.fresh_incarnation = fresh;
    enum weft_status status = store_open(&seed, place->pool, &place->store, &place->why);
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
}

static void opens_corrupt(struct place *place) {
    struct store_seed seed = library_seed(place->path, schema, 1);
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_CORRUPT);
    assert_non_null(strstr(place->why.text, place->path));
}

static void has_incarnation(struct place *place, uint64_t incarnation, bool moved) {
    assert_int_equal(place->store.incarnation, incarnation);
    assert_int_equal(place->store.moved, moved);
    assert_int_equal(ask(place, "SELECT value FROM _weft_meta WHERE key = 'incarnation'"),
                     incarnation);
}

static void a_file_that_moved_begins_a_new_incarnation_once(void **state) {
    struct place *place = *state;
    opens_stamped(place, 0xa1, 1000);
    has_incarnation(place, 1000, false);
    opens_stamped(place, 0xa1, 2000);
    has_incarnation(place, 1000, false);
    opens_stamped(place, 0xa2, 3000);
    has_incarnation(place, 3000, true);
    opens_stamped(place, 0xa2, 4000);
    has_incarnation(place, 3000, false);
    opens_stamped(place, 0xa1, 5000);
    has_incarnation(place, 5000, true);
    assert_int_equal(ask(place, "SELECT value = CAST(x'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
                                "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1' AS BLOB) FROM _weft_meta "
                                "WHERE key = 'stamp'"),
                     1);
}

static void a_new_incarnation_is_greater_also_when_the_clock_is_not(void **state) {
    struct place *place = *state;
    opens_stamped(place, 0xa1, 1000);
    opens_stamped(place, 0xa2, 900);
    has_incarnation(place, 1001, true);
    opens_stamped(place, 0xa3, 1001);
    has_incarnation(place, 1002, true);
    opens_stamped(place, 0xa4, UINT64_MAX);
    has_incarnation(place, 1003, true);
}

static void a_copy_put_back_twice_begins_two_incarnations_also_when_the_clock_is_behind(
    void **state) {
    struct place *place = *state;
    static const uint16_t gaps[] = {7, 65535};
    for (int i = 0; i < 2; i++) {
        opens_stamped(place, 0xa1, 1000);
        store_close(&place->store);
        struct store_seed seed = library_seed(place->path, schema, 1);
        seed.has_stamp = true;
        seed.stamp[0] = 0xb0;
        seed.fresh_incarnation = 900;
        seed.fresh_gap = gaps[i];
        assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
        has_incarnation(place, 1001u + gaps[i], true);
        store_close(&place->store);
        /* As the copy was. */
        plain(place, "UPDATE _weft_meta SET value = 1000 WHERE key = 'incarnation'; "
                     "DELETE FROM _weft_meta WHERE key = 'stamp'");
    }
}

static void a_file_without_a_stamp_takes_one_and_keeps_it_when_none_is_given(void **state) {
    struct place *place = *state;
    opens_stamped(place, 0, 1000);
    assert_int_equal(ask(place, "SELECT count(*) FROM _weft_meta WHERE key = 'stamp'"), 0);
    opens_stamped(place, 0xa1, 2000);
    has_incarnation(place, 1000, false);
    opens_stamped(place, 0, 3000);
    has_incarnation(place, 1000, false);
    opens_stamped(place, 0xa2, 4000);
    has_incarnation(place, 4000, true);
}

static void a_refused_opening_takes_no_stamp(void **state) {
    struct place *place = *state;
    opens_stamped(place, 0xa1, 1000);
    store_close(&place->store);
    struct store_seed seed = library_seed(place->path, "CREATE TABLE", 1);
    seed.has_stamp = true;
    seed.fresh_incarnation = 2000;
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_SCHEMA);
    assert_false(place->store.moved);
    opens_stamped(place, 0xa2, 3000);
    has_incarnation(place, 3000, true);
}

static void a_stamp_or_incarnation_that_cannot_be_is_corrupt(void **state) {
    struct place *place = *state;
    opens_stamped(place, 0xa1, 1000);
    store_close(&place->store);
    plain(place, "UPDATE _weft_meta SET value = zeroblob(31) WHERE key = 'stamp'");
    opens_corrupt(place);
    plain(place, "DELETE FROM _weft_meta WHERE key = 'stamp'; "
                 "UPDATE _weft_meta SET value = 9223372036854775807 WHERE key = 'incarnation'");
    opens_corrupt(place);
}

static void another_devices_file_is_refused_when_the_device_must_match(void **state) {
    struct place *place = *state;
    struct store_seed seed = library_seed(place->path, schema, 1);
    seed.device_must_match = true;
    seed.has_stamp = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
        store_close(&place->store);
    }
    seed.fresh_device = library_id(2);
    seed.stamp[0] = 1;
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_KEY_FILE);
    assert_int_equal(pool_held(place->pool), 0);
    assert_non_null(strstr(place->why.text, place->path));
    assert_non_null(strstr(place->why.text, "belongs to device 01010101-"));
    assert_non_null(strstr(place->why.text, "to device 02020202-"));
    /* It has not been taken for a copy meanwhile. */
    seed.fresh_device = library_id(1);
    seed.stamp[0] = 0;
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
    has_incarnation(place, 7, false);
}

static void a_library_of_the_first_format_gets_the_shared_log(void **state) {
    struct place *place = *state;
    opens_stamped(place, 0, 7);
    store_close(&place->store);
    plain(place, "DROP TABLE shared_changes; DROP TABLE _weft_origin; DROP TABLE peer_acks; "
                 "DROP TABLE _weft_member; DROP TABLE _weft_pin; DROP TABLE _weft_key; "
                 "DROP TABLE _weft_field; DROP TABLE _weft_shadow; DROP TABLE _weft_quarantine; "
                 "DROP TABLE _weft_moved; DROP TABLE _weft_seen; DROP TABLE _weft_heard; "
                 "DROP TABLE _weft_digest; DROP TABLE _weft_word; DROP TABLE _weft_contact; "
                 "DROP TABLE _weft_address; DROP TABLE _weft_session; "
                 "DROP TABLE _weft_subscription; DROP TABLE _weft_floor; "
                 "ALTER TABLE _weft_position DROP COLUMN clearing; "
                 "ALTER TABLE _weft_position DROP COLUMN gone; "
                 "ALTER TABLE _weft_position DROP COLUMN digest; "
                 "ALTER TABLE _weft_position DROP COLUMN settled; "
                 "UPDATE _weft_meta SET value = 1 WHERE key = 'format'");
    opens_stamped(place, 0xa1, 1000);
    has_incarnation(place, 7, false);
    assert_int_equal(ask(place, "SELECT value FROM _weft_meta WHERE key = 'format'"), 7);
    assert_int_equal(ask(place, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name "
                                "IN ('shared_changes', '_weft_origin', 'peer_acks', "
                                "'_weft_member', '_weft_pin', '_weft_key', '_weft_field', "
                                "'_weft_shadow', '_weft_quarantine', '_weft_moved', '_weft_seen')"),
                     11);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_file_that_moved_begins_a_new_incarnation_once),
        place_test(a_new_incarnation_is_greater_also_when_the_clock_is_not),
        place_test(a_copy_put_back_twice_begins_two_incarnations_also_when_the_clock_is_behind),
        place_test(a_file_without_a_stamp_takes_one_and_keeps_it_when_none_is_given),
        place_test(a_refused_opening_takes_no_stamp),
        place_test(a_stamp_or_incarnation_that_cannot_be_is_corrupt),
        place_test(another_devices_file_is_refused_when_the_device_must_match),
        place_test(a_library_of_the_first_format_gets_the_shared_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
