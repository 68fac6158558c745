/* Annotating tables that are there: what is written into their CREATE TABLE; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/store/store_annotate.h"
#include "tests/lib/library.h"
#include "tests/sim/disk.h"

struct place {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 16];
    struct pool *pool;
    struct store store;
    struct weft_error why;
    char text[4096];
};

static int setup(void **state) {
    static struct place place;
    place = (struct place){0};
    scratch_make(place.folder);
    snprintf(place.path, sizeof place.path, "%s/a.db", place.folder);
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

static sqlite3 *plain_open(struct place *place) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
}

static void plain(struct place *place, const char *sql) {
    sqlite3 *db = plain_open(place);
    run(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first value of the first row. */
static const char *read_of(struct place *place, sqlite3 *db, const char *sql) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    snprintf(place->text, sizeof place->text, "%s", (const char *)sqlite3_column_text(query, 0));
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    return place->text;
}

static const char *read(struct place *place, const char *sql) {
    sqlite3 *db = plain_open(place);
    read_of(place, db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return place->text;
}

static const char *sql_of(struct place *place, const char *table) {
    char sql[256];
    sqlite3_snprintf(sizeof sql, sql, "SELECT sql FROM sqlite_schema WHERE name = %Q", table);
    return read(place, sql);
}

static void annotates(struct place *place, const char *table, const char *annotation) {
    enum weft_status status = weft_annotate(place->path, table, annotation, &place->why);
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
    assert_string_equal(read(place, "PRAGMA integrity_check"), "ok");
}

/* It is refused so, and neither the file nor its schema's number have changed. */
static void refuses(struct place *place, const char *table, const char *annotation,
                    enum weft_status status, const char *said) {
    const char *const all = "SELECT group_concat(sql, ';') || (SELECT schema_version FROM "
                            "pragma_schema_version) FROM sqlite_schema";
    char before[sizeof place->text];
    snprintf(before, sizeof before, "%s", read(place, all));
    enum weft_status got = weft_annotate(place->path, table, annotation, &place->why);
    if (got != status || strstr(place->why.text, said) == NULL) {
        fail_msg("%s, %s -> %s: %s", table, annotation, weft_status_name(got), place->why.text);
    }
    assert_string_equal(read(place, all), before);
}

static const struct model *opened(struct place *place, const char *table) {
    struct store_seed seed = library_seed(place->path, NULL, 1);
    enum weft_status status = store_open(&seed, place->pool, &place->store, &place->why);
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
    return models_find(place->store.models, table, strlen(table));
}

static void a_table_of_any_file_can_be_annotated(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE tag (id BLOB PRIMARY KEY, name TEXT);"
                 "CREATE INDEX by_name ON tag(name); INSERT INTO tag VALUES (x'01', 'red');");
    annotates(place, "tag", "@shared(create: unique)");
    assert_string_equal(sql_of(place, "tag"),
                        "CREATE TABLE tag ( /* @shared(create: unique) */ id BLOB PRIMARY KEY, "
                        "name TEXT)");
    assert_string_equal(read(place, "SELECT name FROM tag"), "red");
    /* Nothing else came into the file: it is no library yet. */
    assert_string_equal(read(place, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%weft%'"),
                        "0");
    const struct model *model = opened(place, "tag");
    assert_non_null(model);
    assert_int_equal(model->kind, MODEL_SHARED);
}

static void a_table_of_a_library_can_be_annotated(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE tag (id BLOB PRIMARY KEY, d BLOB);"
                 "INSERT INTO tag VALUES (x'aa', x'01010101010101010101010101010101');");
    assert_null(opened(place, "tag"));
    store_close(&place->store);
    annotates(place, "tag", "@owned(owner: d)");
    assert_non_null(opened(place, "tag"));
    assert_string_equal(read(place, "SELECT _weft_owner FROM tag"), "1");
    store_close(&place->store);
    /* The same again changes nothing. */
    refuses(place, "tag", "@owned( owner: D )", WEFT_OK, "");
}

static void odd_texts_are_annotated_where_it_will_be_read(void **state) {
    struct place *place = *state;
    static const struct {
        const char *create, *table, *after; /* what the text is afterwards, or part of it */
    } cases[] = {
        {"CREATE TABLE \"a ( \"\"b\"\" -- c\" (id BLOB PRIMARY KEY)", "a ( \"b\" -- c",
         "CREATE TABLE \"a ( \"\"b\"\" -- c\" ( /* @shared(create: atomic) */ id BLOB PRIMARY "
         "KEY)"},
        {"CREATE TABLE [it's] (id BLOB PRIMARY KEY)", "it's", "[it's] ( /* @shared("},
        {"CREATE TABLE c1 ( -- ids (of tags\n id BLOB PRIMARY KEY)", "c1",
         "CREATE TABLE c1 ( /* @shared(create: atomic) */ -- ids (of tags\n id BLOB PRIMARY KEY)"},
        {"CREATE TABLE c2 -- (first\n /* ( */ (\n\tid BLOB PRIMARY KEY\n)", "c2",
         "-- (first\n /* ( */ ( /* @shared(create: atomic) */\n\tid BLOB PRIMARY KEY\n)"},
        {"CREATE TABLE c3(id BLOB PRIMARY KEY) WITHOUT ROWID", "c3",
         "CREATE TABLE c3( /* @shared(create: atomic) */ id BLOB PRIMARY KEY) WITHOUT ROWID"},
        {"CREATE TABLE c4(\"(\" BLOB, [)] BLOB, `,` TEXT DEFAULT '-- ', PRIMARY KEY (\"(\"))", "c4",
         "c4( /* @shared(create: atomic) */ \"(\" BLOB"},
        {"CREATE TABLE c5(id BLOB PRIMARY KEY, w BLOB /* @node */)", "c5", "w BLOB /* @node */)"},
        {"CREATE TABLE c6(id BLOB PRIMARY KEY) STRICT", "c6", ") STRICT"},
        {"CREATE TABLE C7(id BLOB PRIMARY KEY)", "C7", "CREATE TABLE C7( /* @shared("},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plain(place, cases[i].create);
        annotates(place, i == 8 ? "c7" : cases[i].table, "@shared(create: atomic)");
        if (strstr(sql_of(place, cases[i].table), cases[i].after) == NULL) {
            fail_msg("%s", place->text);
        }
    }
    opened(place, "c1");
    assert_int_equal(place->store.models->order_count, 9);
    store_close(&place->store);
    /* And what the engine's own columns have made of the texts is still read. */
    opened(place, "c1");
    assert_int_equal(place->store.models->order_count, 9);
    assert_true(models_find(place->store.models, "c5", 2)->columns[1].node);
}

static void a_table_made_from_a_query_can_be_annotated(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t AS SELECT x'01' AS id, 'x' AS \"b c\"; "
                 "CREATE UNIQUE INDEX t_id ON t(id)");
    /* SQLite writes a text of its own for it; such a table has no key that is NOT NULL. */
    refuses(place, "t", "@shared(create: unique)", WEFT_SCHEMA, "no PRIMARY KEY");
    refuses(place, "t", "@shared(create: unique, id: id)", WEFT_SCHEMA, "may be NULL");
    annotates(place, "t", "@local");
    assert_string_equal(sql_of(place, "t"), "CREATE TABLE t(id,\"b c\")");
}

static void local_is_replaced_and_the_prose_behind_it_stays(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE a (id BLOB PRIMARY KEY, -- @local for now\n b)");
    plain(place, "CREATE TABLE b (id BLOB PRIMARY KEY /*\n @local*/)");
    annotates(place, "a", "@shared(create: unique)");
    annotates(place, "b", "@shared(create: unique)  ");
    assert_string_equal(sql_of(place, "a"),
                        "CREATE TABLE a (id BLOB PRIMARY KEY, -- @shared(create: unique) for now\n"
                        " b)");
    assert_string_equal(sql_of(place, "b"), "CREATE TABLE b (id BLOB PRIMARY KEY /*\n "
                                            "@shared(create: unique)  */)");
}

static void another_annotation_is_not_replaced(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t ( -- @shared(create: atomic)\n id BLOB PRIMARY KEY, d BLOB)");
    refuses(place, "t", "@shared(create: unique)", WEFT_SCHEMA,
            "annotated already: @shared(create: atomic)");
    refuses(place, "t", "@owned(owner: d)", WEFT_SCHEMA, "annotated already");
    refuses(place, "t", "@local", WEFT_SCHEMA, "annotated already");
    refuses(place, "t", "@shared(create:atomic)", WEFT_OK, "");
}

static void an_annotation_that_cannot_be_read_is_refused(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t (id BLOB PRIMARY KEY, n INTEGER)");
    refuses(place, "t", "", WEFT_SCHEMA, "is no annotation");
    refuses(place, "t", "-- @local", WEFT_SCHEMA, "is no annotation");
    refuses(place, "t", "@shared(create: unique) */ x", WEFT_SCHEMA, "is no annotation");
    refuses(place, "t", "@shared(create:\nunique)", WEFT_SCHEMA, "is no annotation");
    refuses(place, "t", "@shared", WEFT_SCHEMA, "expected '('");
    refuses(place, "t", "@shard(create: unique)", WEFT_SCHEMA, "found \"shard\"");
    refuses(place, "t", "@node", WEFT_SCHEMA, "behind the name of its column");
    refuses(place, "t", "@shared(create: unique), id: n)", WEFT_SCHEMA, "stands \", id: n)\"");
}

static void an_annotation_that_does_not_go_with_its_table_is_not_left_in_it(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t (id BLOB PRIMARY KEY, n INTEGER NOT NULL);"
                 "CREATE TABLE i (id INTEGER PRIMARY KEY)");
    refuses(place, "t", "@owned(owner: d)", WEFT_SCHEMA, "no such column");
    refuses(place, "t", "@shared(create: atomic)", WEFT_SCHEMA, "column \"n\": it may not be NULL");
    refuses(place, "t", "@relation(item: id, group: n)", WEFT_SCHEMA, "may be NULL");
    refuses(place, "i", "@shared(create: unique)", WEFT_INTEGER_KEY, "weft_id()");
    annotates(place, "t", "@shared(create: unique)");
}

static void a_comment_that_sqlite_looks_into_is_left_alone(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t (id BLOB PRIMARY KEY, n DEFAULT (1 /* @local */))");
    refuses(place, "t", "@shared(create: unique)", WEFT_SCHEMA, "read other columns");
}

static void what_is_no_table_of_the_application_is_refused(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE VIEW v AS SELECT 1;"
                 "CREATE VIRTUAL TABLE f USING fts5(x); CREATE INDEX t_i ON t(id);");
    refuses(place, "nothing", "@shared(create: unique)", WEFT_NOT_FOUND,
            "has no table \"nothing\"");
    refuses(place, "t_i", "@shared(create: unique)", WEFT_NOT_FOUND, "has no table");
    refuses(place, "v", "@shared(create: unique)", WEFT_UNSUPPORTED, "is a view");
    refuses(place, "f", "@shared(create: unique)", WEFT_UNSUPPORTED, "is a virtual");
    refuses(place, "f_data", "@shared(create: unique)", WEFT_UNSUPPORTED, "is a shadow");
    refuses(place, "sqlite_sequence", "@shared(create: unique)", WEFT_INVALID, "not the appl");
    refuses(place, "_weft_meta", "@shared(create: unique)", WEFT_INVALID, "not the application's");
    refuses(place, "Shared_Changes", "@local", WEFT_INVALID, "not the application's");
}

static void a_file_that_is_not_there_is_told_and_not_made(void **state) {
    struct place *place = *state;
    assert_int_equal(weft_annotate(place->path, "t", "@local", &place->why), WEFT_NOT_FOUND);
    assert_non_null(strstr(place->why.text, place->path));
    FILE *file = fopen(place->path, "r");
    assert_null(file);
    file = fopen(place->path, "w");
    assert_non_null(file);
    fputs("this is no database, whatever its name says; it is a text of more than 100 bytes, which "
          "is as long as the header of a database",
          file);
    fclose(file);
    assert_int_equal(weft_annotate(place->path, "t", "@local", NULL), WEFT_NOT_A_DATABASE);
}

static void a_file_in_use_is_refused(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t (id BLOB PRIMARY KEY)");
    opened(place, "t");
    refuses(place, "t", "@shared(create: unique)", WEFT_LOCKED, "open in another engine");
    store_close(&place->store);
    annotates(place, "t", "@shared(create: unique)");
    /* And the lock was let go. */
    assert_non_null(opened(place, "t"));
}

static void connections_that_are_open_read_the_schema_anew(void **state) {
    struct place *place = *state;
    plain(place, "CREATE TABLE t (id BLOB PRIMARY KEY)");
    sqlite3 *db = plain_open(place);
    char version[16];
    run(db, "INSERT INTO t VALUES (x'01')");
    snprintf(version, sizeof version, "%s", read_of(place, db, "PRAGMA schema_version"));
    annotates(place, "t", "@shared(create: unique)");
    assert_string_not_equal(read_of(place, db, "PRAGMA schema_version"), version);
    /* Their own changes of the table keep the annotation. */
    run(db, "ALTER TABLE t ADD COLUMN n");
    assert_string_equal(read_of(place, db, "SELECT sql FROM sqlite_schema WHERE name = 't'"),
                        "CREATE TABLE t ( /* @shared(create: unique) */ id BLOB PRIMARY KEY, n)");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static struct instant no_time(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

static void power_may_be_lost_at_any_point(void **state) {
    struct place *place = *state;
    bool whole = false;
    unsigned points = 0, annotated = 0;
    for (uint64_t point = 1; !whole; point++, points++) {
        struct disk *disk = disk_open("annotate-crash", point, (struct time_port){.now = no_time});
        struct store_seed seed =
            library_seed("/d/a.weft", "CREATE TABLE IF NOT EXISTS t (id BLOB PRIMARY KEY);", 1);
        seed.vfs = disk_vfs(disk);
        assert_int_equal(store_open(&seed, place->pool, &place->store, &place->why), WEFT_OK);
        store_close(&place->store);
        disk_crash_after(disk, point, DISK_KEEP_SOME);
        enum weft_status status =
            store_annotate(seed.path, seed.vfs, "t", "@shared(create: unique)", &place->why);
        whole = status == WEFT_OK && !disk_is_down(disk);
        if (disk_is_down(disk)) disk_restart(disk);
        disk_crash_after(disk, 0, DISK_KEEP_ALL);
        assert_int_equal(disk_open_handles(disk), 0);
        if (store_open(&seed, place->pool, &place->store, &place->why) != WEFT_OK) {
            fail_msg("point %d: %s", (int)point, place->why.text);
        }
        const bool there = models_find(place->store.models, "t", 1) != NULL;
        assert_true(there || status != WEFT_OK);
        annotated += there;
        store_close(&place->store);
        disk_close(disk);
    }
    assert_true(points > 3 && annotated >= 1 && annotated < points);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_table_of_any_file_can_be_annotated),
        place_test(a_table_of_a_library_can_be_annotated),
        place_test(odd_texts_are_annotated_where_it_will_be_read),
        place_test(a_table_made_from_a_query_can_be_annotated),
        place_test(local_is_replaced_and_the_prose_behind_it_stays),
        place_test(another_annotation_is_not_replaced),
        place_test(an_annotation_that_cannot_be_read_is_refused),
        place_test(an_annotation_that_does_not_go_with_its_table_is_not_left_in_it),
        place_test(a_comment_that_sqlite_looks_into_is_left_alone),
        place_test(what_is_no_table_of_the_application_is_refused),
        place_test(a_file_that_is_not_there_is_told_and_not_made),
        place_test(a_file_in_use_is_refused),
        place_test(connections_that_are_open_read_the_schema_anew),
        place_test(power_may_be_lost_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
