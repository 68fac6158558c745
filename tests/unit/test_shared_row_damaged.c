/* What is kept of shared rows, damaged: whoever needs it is told, or goes on without it, and
 * nothing ends the process. Each damage is done within a transaction, which is taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/store/writer_private.h"
#include "tests/lib/replica.h"

#define TAGS                                                        \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n" \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER);\n"
#define SHOWN "SELECT id, name, color FROM tag ORDER BY id"

static int setup(void **state) {
    static struct replica replica;
    replica_open(&replica, "damaged", REPLICA_ME, TAGS);
    *state = &replica;
    return 0;
}

static int teardown(void **state) {
    replica_close(*state);
    return 0;
}

/* Begins a transaction in which this has been done to the file. */
static void damaged(struct replica *replica, const char *sql) {
    struct library *library = &replica->library;
    sqlite3 *db = library->writer->db;
    replica_ok(replica, writer_begin(library->writer, &library->why));
    writer_rollback(library->writer); /* What it remembers of the file is forgotten. */
    replica_ok(replica, writer_begin(library->writer, &library->why));
    assert_int_equal(sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static void taken_back(struct replica *replica) {
    writer_rollback(replica->library.writer);
}

static enum weft_status applies(struct replica *replica, uint8_t device, uint64_t hlc,
                                const char *words) {
    return replica_apply_within(replica, device, hlc, words_body(&replica->arena, words));
}

static void what_cannot_be_read_of_a_row_is_told(void **state) {
    static const char *const damages[] = {
        "UPDATE _weft_shadow SET fields = x'80' WHERE kind = 1",     /* a number without an end */
        "UPDATE _weft_shadow SET fields = x'ff7f' WHERE kind = 1",   /* a field that cannot be */
        "UPDATE _weft_shadow SET fields = x'05' WHERE kind = 1",     /* without a value */
        "UPDATE _weft_shadow SET fields = x'050905' WHERE kind = 1", /* ... of no type */
        "UPDATE _weft_shadow SET kind = 0 WHERE kind = 1",
        "UPDATE _weft_shadow SET kind = 5 WHERE kind = 1",
        "UPDATE _weft_shadow SET kind = 2 WHERE kind = 1", /* a row of the table that is hidden */
        "UPDATE _weft_shadow SET clock = 'text' WHERE kind = 2",
        "UPDATE _weft_shadow SET clock = x'ff' WHERE kind = 2",
        "UPDATE tag SET _weft_clock = 'text'",
        "UPDATE tag SET _weft_clock = x'ff'",
    };
    struct replica *replica = *state;
    replica_hears(replica, 1, 1000, "tag +@1 name=a extra=x; -@2");
    for (unsigned i = 0; i < sizeof damages / sizeof *damages; i++) {
        damaged(replica, damages[i]);
        const enum weft_status status = applies(replica, 2, 2000, "tag ~@1 color=#1; ~@2 color=#2");
        if (status != WEFT_CORRUPT || strstr(replica->library.why.text, "\"tag\"") == NULL)
            fail_msg("%s: %s", damages[i], weft_status_name(status));
        taken_back(replica);
    }
    replica_hears(replica, 2, 2000, "tag ~@1 color=#1; ~@2 color=#2");
    replica_shows(replica, SHOWN, "@1|a|#1");
}

/* An origin that cannot be read is as if it were not there; its stamps go before all others. */
static void stamps_of_an_origin_that_is_not_known_go_first(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 1000, "tag +@1 name=a; -@2");
    replica_hears(replica, 2, 1000, "tag -@1; +@2 name=b");
    replica_hears(replica, 3, 1000, "tag +@3 name=c");
    replica_shows(replica, SHOWN, "@2|b|null @3|c|null");
    damaged(replica, "UPDATE _weft_origin SET device = x'01' WHERE device = x"
                     "'02020202020202020202020202020202'");
    replica_ok(replica, applies(replica, 4, 2000, "tag ~@1 color=#1; ~@2 color=#2; ~@3 color=#3"));
    replica_shows(replica, SHOWN, "@1|null|#1 @3|c|#3");
    taken_back(replica);
    /* Neither of two that are not known. */
    damaged(replica, "UPDATE _weft_origin SET device = zeroblob(id)");
    replica_ok(replica, applies(replica, 4, 2000, "tag ~@1 color=#1; ~@2 color=#2"));
    replica_shows(replica, SHOWN, "@3|c|null");
    taken_back(replica);
    replica_shows(replica, SHOWN, "@2|b|null @3|c|null");
}

static void two_origins_of_one_number_are_told(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 1, 1000, "tag +@1 name=a");
    replica_hears(replica, 2, 1000, "tag ~@1 name=b");
    damaged(replica, "CREATE TABLE copy AS SELECT * FROM _weft_origin; DROP TABLE _weft_origin;"
                     "ALTER TABLE copy RENAME TO _weft_origin; UPDATE _weft_origin SET id = 2");
    assert_int_equal(applies(replica, 2, 2000, "tag ~@1 name=c"), WEFT_CORRUPT);
    assert_non_null(strstr(replica->library.why.text, "two origins have the number 2"));
    taken_back(replica);
    replica_hears(replica, 2, 2000, "tag ~@1 name=c");
    replica_shows(replica, SHOWN, "@1|c|null");
}

static void a_row_of_the_shadow_whose_key_cannot_be_read_is_passed_over(void **state) {
    static const char *const damages[] = {
        "UPDATE _weft_shadow SET key = x'' WHERE kind = 4", /* no column at all */
        "UPDATE _weft_shadow SET key = x'03ff' WHERE kind = 4",
        "UPDATE _weft_shadow SET key = zeroblob(100) WHERE kind = 4", /* more than a key may have */
    };
    struct replica *replica = *state;
    struct library *library = &replica->library;
    replica_hears(replica, 1, 1000, "tag +@1 name=a");
    replica_hears(replica, 2, 2000, "tag +@2 name=a; +@3 name=b");
    replica_hears(replica, 3, 3000, "tag +@4 name=b icon=star");
    replica_shows(replica, "SELECT kind FROM _weft_shadow ORDER BY key", "#4 #4");
    for (unsigned i = 0; i < sizeof damages / sizeof *damages; i++) {
        damaged(replica, "DELETE FROM tag");
        char sql[128];
        sqlite3_snprintf(sizeof sql, sql, "%s AND substr(key, 3, 1) = x'02'", damages[i]);
        assert_int_equal(sqlite3_exec(library->writer->db, sql, NULL, NULL, NULL), SQLITE_OK);
        replica_ok(replica, shared_row_retry(library->writer, &replica->tally, &library->why));
        replica_shows(replica, SHOWN, "@4|b|null");
        replica_shows(replica, "SELECT count(*) FROM _weft_shadow WHERE kind = 4", "#1");
        taken_back(replica);
    }
}

/* Nobody can say how old it is. */
static void a_rival_whose_clock_cannot_be_read_stands(void **state) {
    struct replica *replica = *state;
    replica_hears(replica, 2, 2000, "tag +@2 name=a");
    damaged(replica, "UPDATE tag SET _weft_clock = x'ff'");
    replica_ok(replica, applies(replica, 1, 1000, "tag +@1 name=a"));
    replica_shows(replica, SHOWN, "@2|a|null");
    replica_shows(replica, "SELECT kind FROM _weft_shadow", "#4");
    taken_back(replica);
    replica_hears(replica, 1, 1000, "tag +@1 name=a");
    replica_shows(replica, SHOWN, "@1|a|null");
}

/* The row's stamps have gone with it. */
static void fields_of_a_row_that_was_deleted_behind_the_engine_go(void **state) {
    struct replica *replica = *state;
    struct library *library = &replica->library;
    replica_hears(replica, 1, 1000, "tag +@1 name=a icon=star");
    damaged(replica, "DELETE FROM tag");
    replica_ok(replica, shared_row_retry(library->writer, &replica->tally, &library->why));
    replica_shows(replica, "SELECT count(*) FROM _weft_shadow", "#0");
    taken_back(replica);
}

int main(void) {
#define DAMAGED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        DAMAGED_TEST(what_cannot_be_read_of_a_row_is_told),
        DAMAGED_TEST(stamps_of_an_origin_that_is_not_known_go_first),
        DAMAGED_TEST(two_origins_of_one_number_are_told),
        DAMAGED_TEST(a_row_of_the_shadow_whose_key_cannot_be_read_is_passed_over),
        DAMAGED_TEST(a_rival_whose_clock_cannot_be_read_stands),
        DAMAGED_TEST(fields_of_a_row_that_was_deleted_behind_the_engine_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
