/* The ledger of the tests of processes finds each way in which a promise can be broken. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/chaos/ledger.h"
#include "tests/lib/scratch.h"

enum { WRITER = 0, OTHER = 1 };

struct book {
    char folder[SCRATCH_PATH], path[SCRATCH_PATH + 16], second[SCRATCH_PATH + 16];
    struct ledger *ledger;
};

static void sql(const char *path, const char *text) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static const char tables[] =
    "CREATE TABLE entry (id BLOB PRIMARY KEY, generation INTEGER);"
    "CREATE TABLE mark (id BLOB PRIMARY KEY, generation INTEGER);"
    "CREATE TABLE hot (id BLOB PRIMARY KEY, twin BLOB, first INTEGER, second INTEGER, "
    " alone INTEGER);"
    "INSERT INTO hot VALUES (x'01000000000000000000000000000000',"
    " x'01000000000000000000000000010000', 0, 0, 0);"
    "INSERT INTO hot VALUES (x'01000000000000000000000000010000',"
    " x'01000000000000000000000000000000', 0, 0, 0);";

static int book_open(void **state) {
    struct book *book = calloc(1, sizeof *book);
    assert_non_null(book);
    *state = book;
    scratch_make(book->folder);
    snprintf(book->path, sizeof book->path, "%s/a.db", book->folder);
    snprintf(book->second, sizeof book->second, "%s/b.db", book->folder);
    sql(book->path, tables);
    sql(book->second, tables);
    book->ledger = ledger_open();
    assert_non_null(book->ledger);
    return 0;
}

static int book_close(void **state) {
    struct book *book = *state;
    ledger_close(book->ledger);
    scratch_remove(book->folder);
    free(book);
    return 0;
}

/* `id` is 32 digits, of which the first two are given: rows of one's own begin with 0xaa. */
static void enters(struct book *book, unsigned writer, enum ledger_kind kind,
                   enum ledger_table table, enum ledger_level level, int64_t generation) {
    struct ledger_record record = {.kind = (uint8_t)kind,
                                   .table = (uint8_t)table,
                                   .level = (uint8_t)level,
                                   .generation = generation};
    record.id[0] = table == LEDGER_CELL ? 1 : 0xaa;
    ledger_enter(book->ledger, writer, &record);
}

static void tries_cell(struct book *book, unsigned writer, bool alone, int64_t generation,
                       int64_t over) {
    struct ledger_record record = {
        .kind = LEDGER_TRIED, .table = LEDGER_CELL, .generation = generation, .over = over};
    record.id[0] = 1;
    record.id[14] = alone;
    ledger_enter(book->ledger, writer, &record);
}

static uint64_t lacks(struct book *book, unsigned writer, enum ledger_level level) {
    return ledger_lacks(book->ledger, book->path, writer, level);
}

#define ROW "x'aa000000000000000000000000000000'"

static void a_promised_row_must_be_there(void **state) {
    struct book *book = *state;
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_HERE, 7);
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 1);
    /* It was not promised elsewhere yet. */
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
    assert_int_equal(lacks(book, OTHER, LEDGER_HERE), 1);
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_EVERYWHERE, 7);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 1);
    /* Another table's row is none. */
    sql(book->path, "INSERT INTO mark VALUES (" ROW ", 7)");
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 1);
    sql(book->path, "INSERT INTO entry VALUES (" ROW ", 7)");
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 0);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
}

static void an_older_row_than_promised_is_found(void **state) {
    struct book *book = *state;
    enters(book, WRITER, LEDGER_PUT, LEDGER_MARK, LEDGER_EVERYWHERE, 7);
    sql(book->path, "INSERT INTO mark VALUES (" ROW ", 6)");
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 1);
    sql(book->path, "UPDATE mark SET generation = 8");
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
}

static void a_row_may_be_gone_once_its_delete_was_tried(void **state) {
    struct book *book = *state;
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_HERE, 7);
    enters(book, WRITER, LEDGER_TRIED, LEDGER_ENTRY, 0, 9);
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 0);
    sql(book->path, "INSERT INTO entry VALUES (" ROW ", 7)");
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 0);
    /* It was not durable: the row was written again. */
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_HERE, 11);
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 1);
    sql(book->path, "DELETE FROM entry");
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 1);
}

static void a_deleted_row_must_be_gone(void **state) {
    struct book *book = *state;
    enters(book, WRITER, LEDGER_TRIED, LEDGER_ENTRY, 0, 9);
    enters(book, WRITER, LEDGER_DELETED, LEDGER_ENTRY, LEDGER_ANOTHER, 9);
    sql(book->path, "INSERT INTO entry VALUES (" ROW ", 7)");
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 1);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
    assert_int_equal(lacks(book, OTHER, LEDGER_ANOTHER), 1);
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_HERE, 10);
    sql(book->path, "DELETE FROM entry");
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 1); /* It came back. */
}

static void half_of_a_transaction_is_found(void **state) {
    struct book *book = *state;
    tries_cell(book, WRITER, false, ledger_generation(WRITER, 1, 1), 0);
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 0);
    sql(book->path, "UPDATE hot SET first = 4503603922337793, second = 4503603922337793 "
                    "WHERE id = x'01000000000000000000000000000000'");
    assert_true(lacks(book, WRITER, LEDGER_HERE) > 0);
    sql(book->path, "UPDATE hot SET first = 0");
    assert_true(lacks(book, WRITER, LEDGER_HERE) > 0);
    sql(book->path, "UPDATE hot SET second = 0");
    assert_int_equal(lacks(book, WRITER, LEDGER_HERE), 0);
}

static void shows(struct book *book, int64_t generation) {
    char text[160];
    snprintf(text, sizeof text,
             "UPDATE hot SET alone = %lld WHERE id = x'01000000000000000000000000000000'",
             (long long)generation);
    sql(book->path, text);
}

static void promises_cell(struct book *book, unsigned writer, enum ledger_level level,
                          int64_t generation) {
    struct ledger_record record = {.kind = LEDGER_PUT,
                                   .table = LEDGER_CELL,
                                   .level = (uint8_t)level,
                                   .generation = generation};
    record.id[0] = 1;
    record.id[14] = 1;
    ledger_enter(book->ledger, writer, &record);
}

static void what_nobody_wrote_is_found(void **state) {
    struct book *book = *state;
    const int64_t written = ledger_generation(WRITER, 1, 1);
    shows(book, written);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 1);
    tries_cell(book, WRITER, true, written, 0);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
}

static void a_lost_write_to_what_all_write_is_found(void **state) {
    struct book *book = *state;
    const int64_t first = ledger_generation(WRITER, 1, 1), second = ledger_generation(WRITER, 2, 1);
    const int64_t other = ledger_generation(OTHER, 1, 5);
    tries_cell(book, WRITER, true, first, 0);
    tries_cell(book, WRITER, true, second, 0);
    tries_cell(book, OTHER, true, other, first);
    shows(book, first);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
    /* An earlier write of the same device. */
    promises_cell(book, WRITER, LEDGER_HERE, second);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 0);
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 1);
    shows(book, second);
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 0);
    /* What another one had seen before it wrote. */
    promises_cell(book, OTHER, LEDGER_EVERYWHERE, other);
    shows(book, other);
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 0);
    shows(book, first);
    assert_int_equal(lacks(book, OTHER, LEDGER_EVERYWHERE), 1);
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 2);
    /* Before all of them. */
    shows(book, 0);
    assert_int_equal(lacks(book, WRITER, LEDGER_EVERYWHERE), 1);
}

static void a_promise_of_another_device_must_be_kept_by_two(void **state) {
    struct book *book = *state;
    const char *const paths[] = {book->path, book->second};
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_HERE, 7);
    sql(book->path, "INSERT INTO entry VALUES (" ROW ", 7)");
    assert_int_equal(ledger_alone(book->ledger, paths, 2), 0);
    enters(book, WRITER, LEDGER_PUT, LEDGER_ENTRY, LEDGER_ANOTHER, 7);
    assert_int_equal(ledger_alone(book->ledger, paths, 2), 1);
    sql(book->second, "INSERT INTO entry VALUES (" ROW ", 6)");
    assert_int_equal(ledger_alone(book->ledger, paths, 2), 1);
    sql(book->second, "UPDATE entry SET generation = 7");
    assert_int_equal(ledger_alone(book->ledger, paths, 2), 0);
}

#define BOOK_TEST(name) cmocka_unit_test_setup_teardown(name, book_open, book_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_promised_row_must_be_there),
        BOOK_TEST(an_older_row_than_promised_is_found),
        BOOK_TEST(a_row_may_be_gone_once_its_delete_was_tried),
        BOOK_TEST(a_deleted_row_must_be_gone),
        BOOK_TEST(half_of_a_transaction_is_found),
        BOOK_TEST(what_nobody_wrote_is_found),
        BOOK_TEST(a_lost_write_to_what_all_write_is_found),
        BOOK_TEST(a_promise_of_another_device_must_be_kept_by_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
