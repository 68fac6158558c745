/* Rows that one statement writes from the feed are those that go in one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/lib/place.h"

#define KINDS 6 /* of values that a column of any type can have */

/* Puts a row of `misc` under key (b, a) whose other cells are of the n-th kind. */
static void put_kind(struct run *run, const char *b, int64_t a, int n) {
    switch (n % KINDS) {
    case 0:
        run_put(run, "itdntin", a, b, ME, "upper", INT64_MIN);
        return;
    case 1:
        run_put(run, "itditnr", a, b, ME, INT64_MAX, "", 0.5);
        return;
    case 2:
        run_put(run, "itdrntr", a, b, ME, -1e300, "7", 2.0);
        return;
    case 3:
        run_put(run, "itdttrr", a, b, ME, "", "LABEL", 12.0, -0.0);
        return;
    case 4:
        run_put(run, "itdbtii", a, b, ME, 0x5a, "\xc3\xbc", INT64_C(3), INT64_C(4));
        return;
    default:
        run_put(run, "itdnnnn", a, b, ME);
    }
}

#define CELLS                                                                          \
    "typeof(any) || quote(any) || quote(label) || typeof(number) || quote(number) || " \
    "typeof(ratio) || quote(ratio)"

static void rows_written_together_are_as_those_written_one_by_one(void **state) {
    struct place *place = *state;
    const int counts[] = {1,
                          WRITER_ROWS_FEW - 1,
                          WRITER_ROWS_FEW,
                          WRITER_ROWS_MANY - 1,
                          WRITER_ROWS_MANY,
                          WRITER_ROWS_MANY + 1,
                          2 * WRITER_ROWS_MANY + WRITER_ROWS_FEW};
    int rows = 0;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct run *run = place_fresh(place, "misc");
        for (int i = 0; i < counts[c]; i++)
            put_kind(run, "many", rows + i, i);
        place_commits(place);
        assert_int_equal(place->tally.written, counts[c]);
        for (int i = 0; i < counts[c]; i++) {
            put_kind(place_fresh(place, "misc"), "one", rows + i, i);
            place_commits(place);
        }
        rows += counts[c];
    }
    assert_int_equal(place_count(place, "SELECT count(*) FROM misc"), 2 * rows);
    assert_int_equal(place_count(place,
                                 "SELECT count(*) FROM misc AS m JOIN misc AS o ON m.a = o.a "
                                 "WHERE m.b = 'many' AND o.b = 'one' AND "
                                 "(SELECT " CELLS " FROM misc AS x WHERE x.rowid = m.rowid) "
                                 "IS (SELECT " CELLS " FROM misc AS x "
                                 "WHERE x.rowid = o.rowid)"),
                     rows);
}

static void of_a_key_that_comes_twice_in_a_statement_the_last_row_stays(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "entry");
    for (int i = 0; i < 40; i++)
        run_put(run, "bbti", i % 10, 0xaa, "x", (int64_t)i);
    place_commits(place);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 10);
    assert_int_equal(place_count(place, "SELECT sum(size) FROM entry"), 345);
    assert_int_equal(place_count(place, "SELECT sum(_weft_version) FROM entry"),
                     (int64_t)(10 * place_version(place, 35) - 5));
}

static void a_row_that_is_refused_among_many_is_named(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "entry");
    for (int i = 0; i < 50; i++)
        run_put(run, "bbti", i, 0xaa, "x", i == 33 ? INT64_C(-1) : INT64_C(1));
    place_refused(place, WEFT_CONSTRAINT, "21212121212121212121212121212121");
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 0);
}

static void the_schema_cannot_name_the_feed(void **state) {
    struct place *place = *state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->a.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TRIGGER peek AFTER INSERT ON entry BEGIN "
                     "DELETE FROM entry WHERE size IN (SELECT c3 FROM _weft_feed); END",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    run_put(place_fresh(place, "entry"), "bbti", 1, 0xaa, "x", INT64_C(1));
    place_refused(place, WEFT_SCHEMA, "unsafe use of virtual table");
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(rows_written_together_are_as_those_written_one_by_one),
        place_test(of_a_key_that_comes_twice_in_a_statement_the_last_row_stays),
        place_test(a_row_that_is_refused_among_many_is_named),
        place_test(the_schema_cannot_name_the_feed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
