/* Opening a library: what a new one holds, what is taken in, and what each bad input is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/library.h"
#include "tests/sim/disk.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    " id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT,"
    " size INTEGER) WITHOUT ROWID;";

struct place {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 32];
    struct pool *pool;
    struct store store;
    struct weft_error why;
};

static void place_path(struct place *place, const char *name) {
    snprintf(place->path, sizeof place->path, "%s/%s", place->folder, name);
}

static int setup(void **state) {
    static struct place place;
    place = (struct place){0};
    scratch_make(place.folder);
    place_path(&place, "a.weft");
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

static enum weft_status open_with(struct place *place, const char *sql, const struct id *library) {
    if (place->store.lock != NULL) store_close(&place->store);
    struct store_seed seed = library_seed(place->path, sql, 1);
    seed.library = library;
    return store_open(&seed, place->pool, &place->store, &place->why);
}

static void opens(struct place *place, const char *sql) {
    enum weft_status status = open_with(place, sql, NULL);
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
}

/* Opening is refused with this status and a sentence that says this. */
static void refuses(struct place *place, const char *sql, enum weft_status status,
                    const char *said) {
    enum weft_status got = open_with(place, sql, NULL);
    if (got != status || strstr(place->why.text, said) == NULL) {
        fail_msg("%s instead of %s: %s", weft_status_name(got), weft_status_name(status),
                 place->why.text);
    }
    assert_null(place->store.lock);
    assert_int_equal(pool_held(place->pool), 0);
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

/* ---- new and old ----------------------------------------------------------------------------- */

static void a_new_library_has_the_ids_it_was_given(void **state) {
    struct place *place = *state;
    struct id device = library_id(1), library = library_id(0x99);
    opens(place, schema);
    assert_true(id_equal(&place->store.device, &device));
    assert_true(id_equal(&place->store.library, &library));
    assert_int_equal(place->store.incarnation, 7);
    assert_int_equal(place->store.clock, 0);
    assert_int_equal(ask(place, "SELECT count(*) FROM _weft_device WHERE id = 1"), 1);
    assert_int_equal(ask(place, "SELECT count(*) FROM _weft_member"), 0);
    assert_int_equal(ask(place, "SELECT value FROM _weft_meta WHERE key = 'format'"), 7);
    assert_int_equal(ask(place, "PRAGMA page_size"), 8192);
    assert_int_equal(ask(place, "SELECT count(*) FROM pragma_table_info('entry') "
                                "WHERE name IN ('_weft_owner', '_weft_version')"),
                     2);
    assert_int_equal(ask(place, "SELECT count(*) FROM sqlite_schema "
                                "WHERE name IN ('_weft_entry_order', '_weft_location_order')"),
                     2);
}

static void an_old_library_keeps_its_ids(void **state) {
    struct place *place = *state;
    struct id wanted = library_id(0x55), device = library_id(1);
    assert_int_equal(open_with(place, schema, &wanted), WEFT_OK);
    store_close(&place->store);
    struct store_seed seed = library_seed(place->path, NULL, 2);
    seed.library = &wanted;
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
    assert_true(id_equal(&place->store.library, &wanted));
    assert_true(id_equal(&place->store.device, &device));
    assert_int_equal(place->store.models->order_count, 2);
}

static void connections_are_durable_and_do_not_enforce_references(void **state) {
    struct place *place = *state;
    opens(place, schema);
    sqlite3 *db = NULL;
    assert_int_equal(store_connect(place->path, NULL, false, 1 << 20, &db, &place->why), WEFT_OK);
    static const struct {
        const char *sql, *answer;
    } settings[] = {{"PRAGMA journal_mode", "wal"}, {"PRAGMA synchronous", "2"},
                    {"PRAGMA foreign_keys", "0"},   {"PRAGMA secure_delete", "0"},
                    {"PRAGMA temp_store", "2"},     {"PRAGMA trusted_schema", "0"},
                    {"PRAGMA cache_size", "-1025"}, {"PRAGMA busy_timeout", "5000"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        sqlite3_stmt *query = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, settings[i].sql, -1, &query, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(query), SQLITE_ROW);
        assert_string_equal(sqlite3_column_text(query, 0), settings[i].answer);
        sqlite3_finalize(query);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    assert_int_equal(store_connect(place->path, NULL, true, 1 << 20, &db, &place->why), WEFT_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM entry", NULL, NULL, NULL), SQLITE_READONLY);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- bad files ------------------------------------------------------------------------------- */

static void write_file(struct place *place, const char *text, size_t size) {
    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void a_file_that_is_no_database_is_refused(void **state) {
    struct place *place = *state;
    char text[3000];
    memset(text, 'x', sizeof text);
    write_file(place, "hello", 5);
    refuses(place, schema, WEFT_NOT_A_DATABASE, place->path);
    write_file(place, text, sizeof text);
    refuses(place, schema, WEFT_NOT_A_DATABASE, place->path);
    struct stat stat_of;
    assert_int_equal(stat(place->path, &stat_of), 0);
    assert_int_equal(stat_of.st_size, sizeof text);
}

static void an_empty_file_becomes_a_library(void **state) {
    struct place *place = *state;
    write_file(place, "", 0);
    opens(place, schema);
}

static void a_folder_is_not_a_library(void **state) {
    struct place *place = *state;
    snprintf(place->path, sizeof place->path, "%s", place->folder);
    refuses(place, schema, WEFT_NOT_A_DATABASE, "it is a folder");
    assert_non_null(strstr(place->why.text, place->folder));
}

static void a_missing_folder_is_told(void **state) {
    struct place *place = *state;
    place_path(place, "no/such/folder/a.weft");
    refuses(place, schema, WEFT_IO, "the folder that should hold the file does not exist");
    assert_non_null(strstr(place->why.text, place->path));
}

static void memory_is_no_place_for_a_library(void **state) {
    struct place *place = *state;
    const char *const nowhere[] = {":memory:", ""};
    for (int i = 0; i < 2; i++) {
        snprintf(place->path, sizeof place->path, "%s", nowhere[i]);
        refuses(place, schema, WEFT_INVALID, "no file on a disk");
    }
}

static void an_unwritable_folder_or_file_is_told(void **state) {
    struct place *place = *state;
    opens(place, schema);
    store_close(&place->store);
    place->store.lock = NULL;
    /* Permissions do not bind root, so the test steps down for a while. */
    bool root = geteuid() == 0;
    assert_int_equal(chmod(place->folder, 0555), 0);
    assert_int_equal(chmod(place->path, 0444), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    enum weft_status old = open_with(place, schema, NULL);
    bool named = strstr(place->why.text, place->path) != NULL;
    place_path(place, "b.weft");
    enum weft_status fresh = open_with(place, schema, NULL);
    bool named_too = strstr(place->why.text, place->path) != NULL;
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(place->folder, 0755), 0);
    assert_int_equal(old, WEFT_READ_ONLY);
    assert_int_equal(fresh, WEFT_READ_ONLY);
    assert_true(named && named_too);
}

static void a_newer_library_is_refused_and_left_alone(void **state) {
    struct place *place = *state;
    opens(place, schema);
    plain(place, "UPDATE _weft_meta SET value = 99 WHERE key = 'format'");
    refuses(place, schema, WEFT_NEWER, "has format 99, and this build knows formats up to 7");
    assert_int_equal(ask(place, "SELECT value FROM _weft_meta WHERE key = 'format'"), 99);
}

static void tables_that_contradict_each_other_are_corrupt(void **state) {
    struct place *place = *state;
    opens(place, schema);
    store_close(&place->store);
    place->store.lock = NULL;
    plain(place, "UPDATE _weft_device SET device = randomblob(16)");
    refuses(place, schema, WEFT_CORRUPT, place->path);
    plain(place, "UPDATE _weft_device SET device = (SELECT value FROM _weft_meta "
                 "WHERE key = 'device')");
    plain(place, "UPDATE _weft_meta SET value = 'much' WHERE key = 'clock'");
    refuses(place, schema, WEFT_CORRUPT, place->path);
    plain(place, "UPDATE _weft_meta SET value = 0 WHERE key = 'clock'");
    plain(place, "UPDATE _weft_meta SET value = 'x' WHERE key = 'format'");
    refuses(place, schema, WEFT_CORRUPT, "which format");
}

static void another_library_is_refused(void **state) {
    struct place *place = *state;
    struct id other = library_id(0x42);
    opens(place, schema);
    assert_int_equal(open_with(place, schema, &other), WEFT_OTHER_LIBRARY);
    assert_non_null(strstr(place->why.text, "99999999-9999-9999-9999-999999999999"));
    assert_non_null(strstr(place->why.text, "42424242-4242-4242-4242-424242424242"));
    assert_non_null(strstr(place->why.text, place->path));
}

static void a_library_opens_once_also_by_another_name(void **state) {
    struct place *place = *state;
    opens(place, schema);
    struct store second;
    struct store_seed seed = library_seed(place->path, schema, 1);
    assert_int_equal(store_open(&seed, place->pool, &second, &place->why), WEFT_LOCKED);
    assert_non_null(strstr(place->why.text, place->path));

    char link[SCRATCH_PATH + 32];
    snprintf(link, sizeof link, "%s/link.weft", place->folder);
    assert_int_equal(symlink(place->path, link), 0);
    seed.path = link;
    assert_int_equal(store_open(&seed, place->pool, &second, &place->why), WEFT_LOCKED);

    store_close(&place->store);
    seed.path = place->path;
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
}

/* ---- bad schemas ----------------------------------------------------------------------------- */

static void a_schema_with_an_error_is_told_its_line(void **state) {
    struct place *place = *state;
    refuses(place, "CREATE TABLE a (x);\n\nCREATE TABLE b (x,,y);", WEFT_SCHEMA, "line 3");
    refuses(place, "CREATE TABLE a (x);\nINSERT INTO\n  nowhere VALUES (1);", WEFT_SCHEMA,
            "line 2: no such table: nowhere");
    refuses(place, "CREATE TABLE a (x);\nCREATE TABLE a (x);", WEFT_SCHEMA, "already exists");
    refuses(place, "CREATE TABLE a (x NOT NULL);\nINSERT INTO a VALUES (NULL);", WEFT_SCHEMA,
            "NOT NULL constraint failed");
    opens(place, "-- nothing but a comment\n");
    assert_int_equal(ask(place, "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b')"), 0);
}

static void a_schema_may_not_end_the_transaction_or_touch_the_engine(void **state) {
    struct place *place = *state;
    const char *const bad[] = {"CREATE TABLE a (x);\nCOMMIT;",
                               "BEGIN;",
                               "ROLLBACK;",
                               "SAVEPOINT s;",
                               "ATTACH ':memory:' AS other;",
                               "DELETE FROM _weft_meta;",
                               "DROP TABLE _weft_position;",
                               "UPDATE _weft_device SET id = 2;",
                               "CREATE TABLE _weft_mine (x);",
                               "DROP INDEX _weft_parked_key;",
                               "DELETE FROM shared_changes;",
                               "DROP TABLE peer_acks;"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuses(place, bad[i], WEFT_SCHEMA, "not allowed in a schema");
    }
    opens(place, schema);
}

static void an_annotation_that_would_be_lost_is_refused(void **state) {
    refuses(*state, "CREATE TABLE t (id BLOB PRIMARY KEY, o BLOB); -- @owned(owner: o)",
            WEFT_SCHEMA, "between the parentheses");
}

static void a_refused_schema_changes_nothing(void **state) {
    struct place *place = *state;
    opens(place, schema);
    refuses(place, "CREATE TABLE other (x); CREATE TABLE t ( -- @owned(owner: o)\n id, o BLOB);",
            WEFT_SCHEMA, "no PRIMARY KEY");
    assert_int_equal(ask(place, "SELECT count(*) FROM sqlite_schema WHERE name IN ('other', 't')"),
                     0);
    opens(place, NULL);
    assert_int_equal(place->store.models->order_count, 2);
}

/* ---- taking tables in ------------------------------------------------------------------------ */

#define ID(n) "x'" n n n n n n n n n n n n n n n n "'"

static void rows_from_before_enter_as_if_written_now(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE location ( -- @owned(owner: device_id)\n"
                 " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT UNIQUE);"
                 "CREATE TABLE entry ( -- @owned(owner: location_id)\n"
                 " id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id),"
                 " name TEXT, size INTEGER) WITHOUT ROWID;"
                 "INSERT INTO location VALUES (" ID("aa") ", " ID(
                     "01") ", '/home');"
                           "INSERT INTO entry VALUES (" ID("b1") ", " ID(
                               "aa") ", 'one', 1),"
                                     " (" ID("b2") ", " ID("aa") ", 'two', 2), (" ID("b3") ", " ID(
                                         "aa") ", NULL, 3);");
    opens(place, NULL);
    assert_int_equal(place->store.clock, 4);
    assert_int_equal(ask(place, "SELECT value FROM _weft_meta WHERE key = 'clock'"), 4);
    assert_int_equal(ask(place, "SELECT count(*) FROM entry WHERE _weft_owner = 1"), 3);
    assert_int_equal(ask(place, "SELECT count(DISTINCT _weft_version) FROM entry "
                                "WHERE _weft_version BETWEEN 2 AND 4"),
                     3);
    assert_int_equal(ask(place, "SELECT position FROM _weft_position WHERE owner = 1 AND "
                                "model = (SELECT id FROM _weft_model WHERE name = 'entry')"),
                     4);
    /* What somebody wrote past the engine is taken in at the next opening, behind the rest. */
    plain(place,
          "INSERT INTO entry(id, location_id, name) VALUES (" ID("b0") ", " ID("aa") ", 'x')");
    opens(place, NULL);
    assert_int_equal(ask(place, "SELECT _weft_version FROM entry WHERE name = 'x'"), 5);
    assert_int_equal(ask(place, "SELECT position FROM _weft_position WHERE owner = 1 AND "
                                "model = (SELECT id FROM _weft_model WHERE name = 'entry')"),
                     5);
    opens(place, NULL);
    assert_int_equal(place->store.clock, 5);
}

static void triggers_do_not_see_rows_being_taken_in(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB);"
                 "CREATE TABLE seen (n);"
                 "CREATE TRIGGER look AFTER UPDATE ON t BEGIN INSERT INTO seen VALUES (1); END;"
                 "INSERT INTO t VALUES (" ID("b1") ", " ID("01") ");");
    opens(place, NULL);
    assert_int_equal(ask(place, "SELECT count(*) FROM seen"), 0);
    assert_int_equal(ask(place, "SELECT _weft_owner FROM t"), 1);
}

static void rows_of_another_device_are_not_taken_in(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB);"
                 "INSERT INTO t VALUES (" ID("b1") ", " ID("02") "), (" ID("b2") ", " ID(
                     "01") "),"
                           " (" ID("b3") ", NULL);");
    refuses(place, NULL, WEFT_SCHEMA, "2 of the 3 rows");
    assert_non_null(strstr(place->why.text, "is not this device's id, 01010101-"));
    assert_int_equal(ask(place, "SELECT count(*) FROM pragma_table_info('t')"), 2);
}

static void rows_without_an_owner_are_not_taken_in(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE location ( -- @owned(owner: device_id)\n"
                 " id BLOB PRIMARY KEY, device_id BLOB NOT NULL);"
                 "CREATE TABLE t ( -- @owned(owner: l)\n"
                 " id BLOB PRIMARY KEY, l BLOB REFERENCES location(id));"
                 "INSERT INTO t VALUES (" ID("b1") ", " ID("aa") ");");
    refuses(place, NULL, WEFT_SCHEMA, "1 of the 1 rows");
    assert_non_null(strstr(place->why.text, "\"l\" names no row of this device in location"));
}

static void rows_that_do_not_fit_their_columns_are_not_taken_in(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB, n INTEGER);"
                 "INSERT INTO t VALUES (" ID("b1") ", " ID("01") ", 1), (" ID("b2") ", " ID(
                     "01") ", 'many'), (NULL, " ID("01") ", 2), (NULL, " ID("01") ", 3);");
    refuses(place, NULL, WEFT_SCHEMA, "3 of the 4 rows");
    assert_non_null(strstr(place->why.text, "given TEXT, but is declared to hold INTEGER"));
    plain(place, "DELETE FROM t; INSERT INTO t(id, o) VALUES (zeroblob(2000000), " ID("01") ")");
    refuses(place, NULL, WEFT_SCHEMA, "a row takes 2000043 bytes, more than the 983040 allowed");
}

/* ---- crashes and disks ----------------------------------------------------------------------- */

static void a_library_opens_after_its_process_was_killed(void **state) {
    struct place *place = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct library library;
        struct run run;
        library_open(&library, place->folder, "a.weft", schema, 1);
        run_begin(&run, &library, "location");
        run_put(&run, "bbt", 0xaa, 1, "/home");
        if (run_commit(&run, NULL) != WEFT_OK) _exit(1);
        run_begin(&run, &library, "location");
        run_put(&run, "bbt", 0xab, 1, "/away");
        struct writer_tally tally = {0};
        if (writer_begin(library.writer, NULL) != WEFT_OK) _exit(2);
        if (writer_apply_own(library.writer, run.builder.rows, &run.arena, NULL, &tally, NULL) !=
            WEFT_OK) {
            _exit(3);
        }
        /* The transaction is open, the log is not copied, the lock is held. */
        (void)kill(getpid(), SIGKILL);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(access(place->path, F_OK), 0);
    opens(place, schema);
    assert_int_equal(ask(place, "SELECT count(*) FROM location"), 1);
    assert_int_equal(ask(place, "SELECT count(*) FROM location WHERE path = '/home'"), 1);
    assert_true(place->store.clock > 0);
}

static struct instant no_time(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

static void a_full_disk_is_told_and_can_be_opened_later(void **state) {
    struct place *place = *state;
    struct disk *disk = disk_open("store-full", 1, (struct time_port){.now = no_time});
    struct store_seed seed = library_seed("/d/a.weft", schema, 1);
    seed.vfs = disk_vfs(disk);
    disk_set_full(disk, true);
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_DISK_FULL);
    assert_non_null(strstr(place->why.text, "/d/a.weft"));
    assert_int_equal(disk_open_handles(disk), 0);
    disk_set_full(disk, false);
    assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
    store_close(&place->store);
    disk_close(disk);
}

static void power_may_be_lost_at_any_point_of_the_first_opening(void **state) {
    struct place *place = *state;
    bool whole = false;
    unsigned points = 0;
    for (uint64_t point = 1; !whole; point++, points++) {
        struct disk *disk = disk_open("store-crash", point, (struct time_port){.now = no_time});
        struct store_seed seed = library_seed("/d/a.weft", schema, 1);
        seed.vfs = disk_vfs(disk);
        disk_crash_after(disk, point, DISK_KEEP_SOME);
        whole = store_open(&seed, place->pool, &place->store, &place->why) == WEFT_OK &&
                !disk_is_down(disk);
        if (place->store.lock != NULL) store_close(&place->store);
        if (disk_is_down(disk)) disk_restart(disk);
        disk_crash_after(disk, 0, DISK_KEEP_ALL);
        seed.fresh_device = library_id(2);
        enum weft_status status = store_open(&seed, place->pool, &place->store, &place->why);
        if (status != WEFT_OK) fail_msg("point %d: %s", (int)point, place->why.text);
        assert_int_equal(place->store.models->order_count, 2);
        /* Either nothing of the first opening is there, or all of it. */
        uint8_t first = place->store.device.bytes[0];
        assert_true(first == 1 || first == 2);
        if (whole) assert_int_equal(first, 1);
        store_close(&place->store);
        disk_close(disk);
    }
    assert_true(points > 5);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_library_opens_after_its_process_was_killed),
        place_test(a_new_library_has_the_ids_it_was_given),
        place_test(an_old_library_keeps_its_ids),
        place_test(connections_are_durable_and_do_not_enforce_references),
        place_test(a_file_that_is_no_database_is_refused),
        place_test(an_empty_file_becomes_a_library),
        place_test(a_folder_is_not_a_library),
        place_test(a_missing_folder_is_told),
        place_test(memory_is_no_place_for_a_library),
        place_test(an_unwritable_folder_or_file_is_told),
        place_test(a_newer_library_is_refused_and_left_alone),
        place_test(tables_that_contradict_each_other_are_corrupt),
        place_test(another_library_is_refused),
        place_test(a_library_opens_once_also_by_another_name),
        place_test(a_schema_with_an_error_is_told_its_line),
        place_test(a_schema_may_not_end_the_transaction_or_touch_the_engine),
        place_test(an_annotation_that_would_be_lost_is_refused),
        place_test(a_refused_schema_changes_nothing),
        place_test(rows_from_before_enter_as_if_written_now),
        place_test(triggers_do_not_see_rows_being_taken_in),
        place_test(rows_of_another_device_are_not_taken_in),
        place_test(rows_without_an_owner_are_not_taken_in),
        place_test(rows_that_do_not_fit_their_columns_are_not_taken_in),
        place_test(a_full_disk_is_told_and_can_be_opened_later),
        place_test(power_may_be_lost_at_any_point_of_the_first_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
