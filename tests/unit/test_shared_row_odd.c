/* Shared rows where keys, indexes, triggers, tables and origins are out of the ordinary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/writer_private.h"
#include "tests/lib/replica.h"

#define TAGS                                                                   \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"            \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER NOT NULL DEFAULT 3" \
    " CHECK (color < 100));\n"
#define SHOWN "SELECT id, name, color FROM tag ORDER BY id"
#define SHADOW "SELECT kind, model, reason FROM _weft_shadow ORDER BY model, key"

static int setup(void **state) {
    *state = calloc(1, sizeof(struct replica));
    return *state == NULL;
}

static int teardown(void **state) {
    struct replica *replica = *state;
    if (replica->disk != NULL) replica_close(replica);
    free(*state);
    return 0;
}

static struct replica *with(void **state, const char *schema) {
    struct replica *replica = *state;
    if (replica->disk != NULL) replica_close(replica);
    replica_open(replica, "odd", REPLICA_ME, schema);
    return replica;
}

static void says(struct replica *replica, uint8_t device, uint64_t hlc, const char *words) {
    replica_ok(replica,
               replica_apply_within(replica, device, hlc, words_body(&replica->arena, words)));
}

/* ---- rivals ---------------------------------------------------------------------------------- */

/* Of each two of these keys, in ascending order, rows with one name were created by one record. */
static void lesser_stands(struct replica *replica, const char *const *keys, unsigned count,
                          const char *sql) {
    struct library *library = &replica->library;
    char words[2][64];
    for (unsigned a = 0; a < count; a++) {
        for (unsigned b = 0; b < count; b++) {
            if (a == b) continue;
            replica_ok(replica, writer_begin(library->writer, &library->why));
            snprintf(words[0], sizeof words[0], "t +%s name=x", keys[a]);
            snprintf(words[1], sizeof words[1], "t +%s name=x", keys[b]);
            says(replica, 1, 1000, words[0]);
            says(replica, 1, 1000, words[1]);
            const char *shown = replica_rows(replica, sql);
            if (strcmp(shown, keys[a < b ? a : b]) != 0)
                fail_msg("of \"%s\" and \"%s\" stands \"%s\"", keys[a], keys[b], shown);
            writer_rollback(library->writer);
        }
    }
}

static void of_rivals_of_one_stamp_the_one_with_the_lesser_key_stands(void **state) {
    static const char *const keys[] = {"#-5", "#7", "", "ab", "abc", "b", "@1", "@2"};
    struct replica *replica = with(state, "CREATE TABLE t ( -- @shared(create: unique)\n"
                                          " id NOT NULL PRIMARY KEY, name TEXT UNIQUE);");
    lesser_stands(replica, keys, sizeof keys / sizeof *keys, "SELECT id FROM t");
}

static void keys_of_two_columns_are_compared_column_by_column(void **state) {
    static const char *const keys[] = {"#1,#2", "#1,a", "#2,#1", "#2,#3", "a,#0", "a,b"};
    struct replica *replica = with(state, "CREATE TABLE t ( -- @shared(create: unique)\n"
                                          " x NOT NULL, y NOT NULL, name TEXT UNIQUE,"
                                          " PRIMARY KEY (x, y));");
    char sql[64] = "SELECT iif(typeof(x) = 'integer', '#', '') || x || ',' || ";
    char text[160];
    snprintf(text, sizeof text, "%s iif(typeof(y) = 'integer', '#', '') || y FROM t", sql);
    lesser_stands(replica, keys, sizeof keys / sizeof *keys, text);
}

/* Such an index is refused at open. It does not tell whom it keeps out: room is made where another
 * index tells, and is of no use. */
static void behind_an_index_of_some_rows_that_came_later_the_first_to_come_stands(void **state) {
    struct replica *replica = with(state, "CREATE TABLE t ( -- @shared(create: unique)\n"
                                          " id TEXT PRIMARY KEY, name TEXT, p TEXT UNIQUE);");
    assert_int_equal(sqlite3_exec(replica->library.writer->db,
                                  "CREATE UNIQUE INDEX one ON t(name) WHERE name > ''", NULL, NULL,
                                  NULL),
                     SQLITE_OK);
    replica_hears(replica, 2, 2000, "t +b name=x; +c p=y");
    replica_hears(replica, 1, 1000, "t +a name=x p=y");
    replica_shows(replica, "SELECT id FROM t ORDER BY id", "b c");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#3");
    assert_int_equal(sqlite3_exec(replica->library.writer->db, "DROP INDEX one", NULL, NULL, NULL),
                     SQLITE_OK);
    replica_hears(replica, 3, 3000, "t ~a name=z");
    replica_shows(replica, "SELECT id FROM t ORDER BY id", "a b");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#4");
}

/* ---- triggers -------------------------------------------------------------------------------- */

/* A trigger's own table has no room for what it writes: by its key, or by its rowid. */
static void a_trigger_that_breaks_the_key_of_another_table_keeps_its_row_out(void **state) {
    static const char *const notes[] = {
        TAGS "CREATE TABLE seen (color INTEGER PRIMARY KEY, name);\n"
             "CREATE TRIGGER note AFTER INSERT ON tag BEGIN"
             " INSERT INTO seen VALUES (new.color, new.name); END;\n",
        TAGS "CREATE TABLE seen (name);\n"
             "CREATE TRIGGER note AFTER INSERT ON tag BEGIN"
             " INSERT INTO seen(rowid, name) VALUES (new.color, new.name); END;\n"};
    static const char *const reasons[] = {"#3|tag|UNIQUE constraint failed: seen.color",
                                          "#3|tag|UNIQUE constraint failed: seen.rowid"};
    for (int i = 0; i < 2; i++) {
        struct replica *replica = with(state, notes[i]);
        replica_hears(replica, 1, 1000, "tag +@1 name=a color=#1; +@2 name=b color=#1");
        replica_hears(replica, 1, 2000, "tag +@3 name=c color=#2");
        replica_shows(replica, SHOWN, "@1|a|#1 @3|c|#2");
        replica_shows(replica, SHADOW, reasons[i]);
        replica_hears(replica, 1, 3000, "tag ~@2 color=#5");
        replica_shows(replica, SHOWN, "@1|a|#1 @2|b|#5 @3|c|#2");
    }
}

static void a_trigger_that_takes_the_transaction_back_fails_it(void **state) {
    struct replica *replica =
        with(state, TAGS "CREATE TRIGGER one BEFORE INSERT ON tag WHEN new.color = 13 BEGIN"
                         " SELECT RAISE(ROLLBACK, 'all of it'); END;\n"
                         "CREATE TRIGGER two BEFORE DELETE ON tag WHEN old.color = 14 BEGIN"
                         " SELECT RAISE(ROLLBACK, 'all of it'); END;\n");
    static const char *const words[] = {"tag +@2 name=b; +@3 name=c color=#13", "tag -@1"};
    struct library *library = &replica->library;
    replica_hears(replica, 1, 1000, "tag +@1 name=a color=#14");
    for (int i = 0; i < 2; i++) {
        replica_ok(replica, writer_begin(library->writer, &library->why));
        const struct bytes body = words_body(&replica->arena, words[i]);
        assert_int_equal(replica_apply_within(replica, 1, 2000, body), WEFT_CONSTRAINT);
        assert_non_null(strstr(library->why.text, "all of it"));
        writer_rollback(library->writer);
        replica_shows(replica, SHOWN, "@1|a|#14");
    }
    replica_hears(replica, 1, 3000, "tag +@2 name=b");
    replica_shows(replica, SHOWN, "@1|a|#14 @2|b|#3");
}

/* ---- tables and origins ---------------------------------------------------------------------- */

static void what_others_share_and_this_version_owns_is_kept_and_not_shown(void **state) {
    static const char owned[] = "CREATE TABLE IF NOT EXISTS place ( -- @owned(owner: device)\n"
                                " id BLOB PRIMARY KEY, device BLOB NOT NULL, name TEXT);\n";
    struct replica *replica = with(state, owned);
    replica_hears(replica, 1, 1000, "place +@1 device=@1 name=a; -@2");
    replica_shows(replica, "SELECT count(*) FROM place", "#0");
    replica_shows(replica, "SELECT kind, reason FROM _weft_shadow ORDER BY key",
                  "#3|this version of the application has no such shared table #2|null");
    char *before = strdup(replica_dump(replica));
    replica_reopen(replica, owned);
    replica_hears(replica, 2, 2000, "place ~@1 name=b");
    replica_shows(replica, "SELECT count(*) FROM place", "#0");
    assert_string_not_equal(replica_dump(replica), before);
    free(before);
}

static void a_hundred_origins_are_told_apart(void **state) {
    struct replica *replica = with(state, TAGS);
    struct library *library = &replica->library;
    char words[64];
    for (int again = 0; again < 2; again++) {
        replica_ok(replica, writer_begin(library->writer, &library->why));
        for (unsigned device = 100; device > 0; device--) {
            snprintf(words, sizeof words, "tag ~@1 color=#%u; +@1 name=n%u", device % 100, device);
            says(replica, (uint8_t)device, 1000, words);
        }
        replica_shows(replica, SHOWN, "@1|n100|#0");
        replica_ok(replica, writer_commit(library->writer, &library->why));
        replica_reopen(replica, TAGS);
    }
    replica_hears(replica, 70, 2000, "tag ~@1 name=seventy");
    replica_hears(replica, 65, 2000, "tag ~@1 name=less");
    replica_shows(replica, SHOWN, "@1|seventy|#0");
}

int main(void) {
#define ODD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        ODD_TEST(of_rivals_of_one_stamp_the_one_with_the_lesser_key_stands),
        ODD_TEST(keys_of_two_columns_are_compared_column_by_column),
        ODD_TEST(behind_an_index_of_some_rows_that_came_later_the_first_to_come_stands),
        ODD_TEST(a_trigger_that_breaks_the_key_of_another_table_keeps_its_row_out),
        ODD_TEST(a_trigger_that_takes_the_transaction_back_fails_it),
        ODD_TEST(what_others_share_and_this_version_owns_is_kept_and_not_shown),
        ODD_TEST(a_hundred_origins_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
