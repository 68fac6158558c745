/* Memory runs out while a table is annotated, and while the rows that it had before are taken in:
 * the file is as before, or all is done, and the same again is as good as if nothing had been
 * wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/store_annotate.h"
#include "tests/lib/alone.h"
#include "tests/lib/scarce.h"

#define WORDS 3

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRIDE 4u /* with sanitizers a part of the calls: each takes longer */
#endif
#endif
#ifndef STRIDE
#define STRIDE 1u
#endif

/* Two tables of the application's, with rows; no engine knows them yet. */
static const char plain[] =
    "CREATE TABLE word ( /* what it says */ id BLOB PRIMARY KEY, -- as others\n"
    " text TEXT UNIQUE, \"a ] b\" REAL DEFAULT (1.5), [n ] INTEGER CHECK ([n ] > 0)) WITHOUT ROWID;"
    "CREATE TABLE visit (at INTEGER, place TEXT, device BLOB NOT NULL,"
    " seen REAL, PRIMARY KEY (place, at));";

static sqlite3 *connect(struct alone *alone) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(alone->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     disk_vfs(alone->disk)),
                     SQLITE_OK);
    return db;
}

static void sql(struct alone *alone, const char *text) {
    sqlite3 *db = connect(alone);
    char *error = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK) fail_msg("%s", error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* How many tables say that they are synced. */
static int annotated(struct alone *alone) {
    sqlite3 *db = connect(alone);
    sqlite3_stmt *query = NULL;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT count(*) FROM sqlite_schema WHERE name IN "
                                        "('word', 'visit') AND sql LIKE '%@%(%:%'",
                                        -1, &query, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    const int count = sqlite3_column_int(query, 0);
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return count;
}

static int setup(void **state) {
    struct alone *alone = calloc(1, sizeof *alone);
    char rows[512];
    assert_non_null(alone);
    alone_new(alone);
    alone_ok(alone, alone_open(alone));
    uint8_t device[WEFT_ID_SIZE];
    memcpy(device, alone->device, sizeof device);
    alone_close(alone);
    char hex[2 * WEFT_ID_SIZE + 1] = "";
    for (size_t i = 0; i < WEFT_ID_SIZE; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", device[i]);
    (void)snprintf(rows, sizeof rows,
                   "INSERT INTO word VALUES (randomblob(16), 'one', 1.0, 1),"
                   " (randomblob(16), 'two', NULL, NULL), (randomblob(16), NULL, 0.25, 9);"
                   "INSERT INTO visit VALUES (1, 'here', x'%s', NULL), (2, 'there', x'%s', 2.0);",
                   hex, hex);
    sql(alone, plain);
    sql(alone, rows);
    *state = alone;
    return 0;
}

static int teardown(void **state) {
    alone_end(*state);
    free(*state);
    return 0;
}

static void back(struct alone *alone) {
    disk_restore(alone->disk);
    disk_back_up(alone->disk);
    alone->why = (struct weft_error){0};
}

/* ---- annotating ------------------------------------------------------------------------------ */

struct wish {
    const char *table, *annotation;
};

static enum weft_status annotate(struct alone *alone, const struct wish *wish) {
    return store_annotate(alone->path, disk_vfs(alone->disk), wish->table, wish->annotation,
                          &alone->why);
}

static unsigned annotate_scarcely(struct alone *alone, enum scarce_kind kind,
                                  const struct wish *wish) {
    unsigned failures = 0;
    for (uint64_t at = 1;; at = scarce_struck() + STRIDE) {
        back(alone);
        scarce_begin(kind, at);
        const enum weft_status status = annotate(alone, wish);
        const bool struck = scarce_end();
        if (!struck) alone_ok(alone, status);
        if (status != WEFT_OK) failures++;
        if (status != WEFT_OK && (status != WEFT_NO_MEMORY || alone->why.status != status))
            fail_msg("call %llu: %s: %s", (unsigned long long)at, weft_status_name(status),
                     alone->why.text);
        assert_int_equal(annotated(alone), status == WEFT_OK);
        if (!struck) return failures;
        alone_ok(alone, annotate(alone, wish));
        assert_int_equal(annotated(alone), 1);
    }
}

static void a_table_is_annotated_or_left_as_it_was(void **state) {
    struct alone *alone = *state;
    static const struct wish wishes[] = {{"word", "@shared(create: unique)"},
                                         {"visit", "@owned(owner: device)"}};
    disk_back_up(alone->disk);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        unsigned failures = annotate_scarcely(alone, SCARCE_SQLITE, &wishes[i]);
        failures += annotate_scarcely(alone, SCARCE_HEAP, &wishes[i]);
        failures += annotate_scarcely(alone, SCARCE_ARENA, &wishes[i]);
        assert_in_range(failures, 40 / STRIDE, 1000);
    }
}

/* ---- taking in ------------------------------------------------------------------------------- */

static bool stopped(struct alone *alone) {
    weft_tx *tx = NULL;
    const enum weft_status status = weft_begin(alone->engine, &tx);
    weft_abort(tx);
    return status == WEFT_CLOSED;
}

static void open_scarcely(struct alone *alone, enum scarce_kind kind, uint64_t step) {
    unsigned failures = 0;
    for (uint64_t at = 1;; at = scarce_struck() + step * STRIDE) {
        back(alone);
        scarce_begin(kind, at);
        enum weft_status status = alone_open(alone);
        const bool struck = scarce_end();
        if (!struck) alone_ok(alone, status);
        if (status != WEFT_OK) failures++;
        if (status != WEFT_OK && (status != WEFT_NO_MEMORY || alone->why.status != status))
            fail_msg("call %llu: %s: %s", (unsigned long long)at, weft_status_name(status),
                     alone->why.text);
        if (status != WEFT_OK && struck && failures % 8 != 0) continue; /* Opening takes longest. */
        if (status != WEFT_OK) alone_ok(alone, alone_open(alone));
        alone_run(alone);
        if (stopped(alone)) { /* It may open, and stop at once. */
            alone_close(alone);
            alone_ok(alone, alone_open(alone));
        }
        assert_int_equal(alone_count(alone, "SELECT count(*) FROM word"), WORDS);
        assert_int_equal(alone_count(alone, "SELECT count(*) FROM visit"), 2);
        struct weft_digest digests[8];
        unsigned count = 0;
        uint64_t rows = 0;
        alone_ok(alone, weft_verify_wait(alone->engine, digests, 8, &count, &alone->why));
        for (unsigned i = 0; i < count; i++) {
            assert_true(digests[i].sound);
            rows += digests[i].rows;
        }
        assert_int_equal(rows, WORDS + 2);
        alone_close(alone);
        if (!struck) break;
    }
    assert_true(failures > 5);
}

static void rows_from_before_are_taken_in_whole_or_the_engine_does_not_open(void **state) {
    struct alone *alone = *state;
    static const struct wish wishes[] = {{"word", "@shared(create: unique)"},
                                         {"visit", "@owned(owner: device)"}};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        alone_ok(alone, annotate(alone, &wishes[i]));
    disk_back_up(alone->disk);
    open_scarcely(alone, SCARCE_SQLITE, 2);
    open_scarcely(alone, SCARCE_HEAP, 3);
    open_scarcely(alone, SCARCE_ARENA, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_is_annotated_or_left_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(
            rows_from_before_are_taken_in_whole_or_the_engine_does_not_open, setup, teardown),
    };
    return cmocka_run_group_tests_name("annotating without memory", tests, NULL, NULL);
}
