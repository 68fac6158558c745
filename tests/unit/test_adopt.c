/* Taking in tables of either kind: the engine's columns, rows from before, columns marked @node,
 * and tables that are annotated as another kind than they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/library.h"

struct place {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 16];
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

static enum weft_status open_with(struct place *place, const char *schema) {
    if (place->store.lock != NULL) store_close(&place->store);
    struct store_seed seed = library_seed(place->path, schema, 1);
    return store_open(&seed, place->pool, &place->store, &place->why);
}

static void opens(struct place *place, const char *schema) {
    enum weft_status status = open_with(place, schema);
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), place->why.text);
}

static void refuses(struct place *place, const char *schema, const char *said) {
    enum weft_status got = open_with(place, schema);
    if (got != WEFT_SCHEMA || strstr(place->why.text, said) == NULL) {
        fail_msg("%s: %s", weft_status_name(got), place->why.text);
    }
}

/* As another program would. */
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

#define SELF "x'01010101010101010101010101010101'"
#define OTHER "x'02020202020202020202020202020202'"
#define SHARED \
    "CREATE TABLE t ( -- @shared(create: atomic)\n id BLOB PRIMARY KEY, n INTEGER, w BLOB"

static void a_shared_table_gets_a_clock_and_nothing_else(void **state) {
    struct place *place = *state;
    const char *const ours =
        "SELECT count(*) FROM pragma_table_info('t') WHERE name LIKE '\\_weft%' "
        "ESCAPE '\\'";
    opens(place, SHARED ");");
    assert_int_equal(ask(place, ours), 1);
    assert_int_equal(ask(place, "SELECT type = 'BLOB' FROM pragma_table_info('t') "
                                "WHERE name = '_weft_clock'"),
                     1);
    assert_int_equal(ask(place, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%order'"), 0);
    const struct model *model = models_find(place->store.models, "t", 1);
    assert_int_equal(model->column_count, 3);
    opens(place, NULL);
    assert_int_equal(ask(place, ours), 1);
    assert_int_equal(models_find(place->store.models, "t", 1)->column_count, 3);
}

static void rows_of_a_shared_table_wait_for_their_record(void **state) {
    struct place *place = *state;
    plain(place, SHARED "); INSERT INTO t VALUES ('a', 1, NULL), ('b', NULL, NULL);");
    refuses(place, NULL, "2 of the 2 rows"); /* the ids are texts */
    plain(place, "UPDATE t SET id = CAST(id AS BLOB)");
    opens(place, NULL);
    assert_int_equal(place->store.clock, 0);
    assert_int_equal(ask(place, "SELECT count(*) FROM t WHERE _weft_clock IS NULL"), 2);
    assert_int_equal(ask(place, "SELECT count(*) FROM _weft_position"), 0);
}

static void rows_of_a_shared_table_that_cannot_be_synced_are_told(void **state) {
    struct place *place = *state;
    plain(place, SHARED "); INSERT INTO t VALUES (x'01', 1, NULL), (x'02', 'many', NULL),"
                        " (NULL, 3, NULL);");
    refuses(place, NULL, "2 of the 3 rows");
    assert_non_null(strstr(place->why.text, "given TEXT, but is declared to hold INTEGER"));
    /* Nothing of the attempt stays. */
    assert_int_equal(ask(place, "SELECT count(*) FROM pragma_table_info('t')"), 3);
    plain(place, "DELETE FROM t WHERE id IS NOT x'01'");
    opens(place, NULL);
    /* Rows that have a clock are the engine's, and are not judged again. */
    plain(place, "UPDATE t SET _weft_clock = x'00', n = 'many'");
    opens(place, NULL);
    plain(place, "INSERT INTO t(id, n) VALUES (x'03', 'many')");
    refuses(place, NULL, "1 of the 1 rows");
}

static void rows_of_a_shared_table_may_not_name_another_device_as_their_writer(void **state) {
    struct place *place = *state;
    plain(place, SHARED " /* @node */); INSERT INTO t VALUES (x'01', 1, " SELF
                        "), (x'02', 2, NULL), (x'03', 3, " OTHER "), (x'04', 4, x'05');");
    refuses(place, NULL, "2 of the 4 rows");
    assert_non_null(strstr(place->why.text, "\"w\" is marked @node and names another device"));
    plain(place, "UPDATE t SET w = NULL WHERE id > x'02'");
    opens(place, NULL);
}

#define OWNED "CREATE TABLE t ( -- @owned(owner: o)\n id BLOB PRIMARY KEY, o BLOB"

static void rows_that_are_taken_in_name_this_device_as_their_writer(void **state) {
    struct place *place = *state;
    plain(place, OWNED ", \"the \"\"w\" BLOB, -- @node\n x BLOB);"
                       "INSERT INTO t VALUES (x'01', " SELF ", NULL, NULL), (x'02', " SELF ", " SELF
                       ", NULL);");
    opens(place, NULL);
    assert_int_equal(ask(place, "SELECT count(*) FROM t WHERE \"the \"\"w\" = " SELF), 2);
    assert_int_equal(ask(place, "SELECT count(*) FROM t WHERE x IS NULL AND _weft_owner = 1"), 2);
    plain(place, "INSERT INTO t(id, o, \"the \"\"w\") VALUES (x'03', " SELF ", " OTHER ")");
    refuses(place, NULL, "1 of the 1 rows");
}

/* Writes another annotation, as somebody might who knows how. */
static void annotate_anew(struct place *place, const char *from, const char *to) {
    char sql[400];
    snprintf(sql, sizeof sql,
             "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '%s', '%s');"
             "PRAGMA writable_schema = RESET;",
             from, to);
    plain(place, sql);
}

static void a_table_that_has_rows_stays_what_it_is(void **state) {
    struct place *place = *state;
    plain(place, OWNED "); INSERT INTO t VALUES (x'01', " SELF ");");
    opens(place, NULL);
    store_close(&place->store);
    annotate_anew(place, "@owned(owner: o)", "@shared(create: unique)");
    refuses(place, NULL, "annotated as shared, but 1 of its rows were synced as rows of an @owned");
    assert_int_equal(ask(place, "SELECT count(*) FROM pragma_table_info('t') "
                                "WHERE name = '_weft_clock'"),
                     0);
    plain(place, "DELETE FROM t");
    opens(place, NULL);
    assert_int_equal(models_find(place->store.models, "t", 1)->kind, MODEL_SHARED);
    assert_int_equal(models_find(place->store.models, "t", 1)->column_count, 2);
    plain(place, "INSERT INTO t(id, o, _weft_clock) VALUES (x'01', " SELF ", x'00')");
    store_close(&place->store);
    annotate_anew(place, "@shared(create: unique)", "@owned(owner: o)");
    refuses(place, NULL, "annotated as owned, but 1 of its rows were synced as rows of a @shared");
    plain(place, "UPDATE t SET _weft_clock = NULL");
    opens(place, NULL);
    assert_int_equal(ask(place, "SELECT _weft_owner FROM t"), 1);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_shared_table_gets_a_clock_and_nothing_else),
        place_test(rows_of_a_shared_table_wait_for_their_record),
        place_test(rows_of_a_shared_table_that_cannot_be_synced_are_told),
        place_test(rows_of_a_shared_table_may_not_name_another_device_as_their_writer),
        place_test(rows_that_are_taken_in_name_this_device_as_their_writer),
        place_test(a_table_that_has_rows_stays_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
