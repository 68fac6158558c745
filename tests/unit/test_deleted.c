/* Forgetting deletions of shared rows: which may go, and which stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/deleted.h"
#include "engine/store/writer_private.h"
#include "tests/lib/replica.h"

#define SCHEMA                                                                                  \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"                             \
    " id BLOB PRIMARY KEY, name TEXT, color INTEGER);\n"                                        \
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: object, group: tag)\n"                \
    " tag INTEGER NOT NULL, object TEXT NOT NULL, added INTEGER, PRIMARY KEY (object, tag));\n" \
    "CREATE TABLE IF NOT EXISTS wide ( -- @shared(create: atomic)\n"                            \
    " id TEXT PRIMARY KEY, a INTEGER, b INTEGER);\n"                                            \
    "CREATE TABLE IF NOT EXISTS mine ( -- @owned(owner: device)\n"                              \
    " id TEXT PRIMARY KEY, device BLOB NOT NULL);\n"
#define BURIED "SELECT count(*) FROM _weft_shadow"

struct stage {
    struct replica replica;
    struct deleted_place place;
    struct deleted_tally tally; /* of the last call */
};

static int set_up(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    replica_open(&stage->replica, "deleted", REPLICA_ME, SCHEMA);
    *state = stage;
    return 0;
}

static int tear_down(void **state) {
    struct stage *stage = *state;
    deleted_place_free(&stage->place);
    replica_close(&stage->replica);
    free(stage);
    return 0;
}

/* Devices 1 and 2 are covered up to these stamps. True: there is more. */
static bool slice(struct stage *stage, uint64_t one, uint64_t two, uint32_t limit) {
    struct library *library = &stage->replica.library;
    const struct deleted_cut cuts[] = {{{library_id(1), 7}, one}, {{library_id(2), 7}, two}};
    bool more = false;
    library_ok(library, writer_begin(library->writer, &library->why));
    library_ok(library, deleted_forget(library->writer, &stage->place, cuts, 2, limit,
                                       &stage->tally, &more, &library->why));
    library_ok(library, writer_commit(library->writer, &library->why));
    return more;
}

/* All of it, from the beginning; how many rows went. */
static uint32_t forget(struct stage *stage, uint64_t one, uint64_t two) {
    deleted_place_free(&stage->place);
    assert_false(slice(stage, one, two, 1000));
    return stage->tally.forgotten;
}

static void hears(struct stage *stage, uint8_t device, uint64_t hlc, const char *words) {
    replica_hears(&stage->replica, device, hlc, words);
}

static void buried(struct stage *stage, const char *wanted) {
    replica_shows(&stage->replica, BURIED, wanted);
}

static void a_deletion_goes_when_it_is_covered(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag +@1 name=red color=#5");
    hears(stage, 1, 3000, "tag -@1");
    buried(stage, "#1");
    assert_int_equal(forget(stage, 2999, 9000), 0);
    assert_int_equal(forget(stage, 3000, 0), 1);
    buried(stage, "#0");
    assert_int_equal(forget(stage, 3000, 0), 0);
}

static void a_deletion_by_another_device_is_covered_by_that_one(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag +@1 name=red color=#5");
    hears(stage, 2, 3000, "tag -@1");
    assert_int_equal(forget(stage, 9000, 2999), 0);
    assert_int_equal(forget(stage, 9000, 3000), 1);
}

static void a_device_that_no_cut_names_covers_nothing(void **state) {
    struct stage *stage = *state;
    hears(stage, 3, 2000, "tag -@1");
    assert_int_equal(forget(stage, 9000, 9000), 0);
    buried(stage, "#1");
}

static void without_cuts_nothing_goes(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag -@1");
    assert_int_equal(forget(stage, 0, 0), 0);
}

static void a_write_behind_the_deletion_goes_with_it_when_both_are_covered(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 3000, "tag -@1");
    hears(stage, 2, 3500, "tag ~@1 name=late");
    assert_int_equal(forget(stage, 9000, 3499), 0);
    assert_int_equal(forget(stage, 9000, 3500), 1);
}

static void a_write_to_a_row_that_was_never_created_goes_as_well(void **state) {
    struct stage *stage = *state;
    hears(stage, 2, 3500, "tag ~@1 name=early");
    assert_int_equal(forget(stage, 9000, 3499), 0);
    assert_int_equal(forget(stage, 0, 3500), 1);
    buried(stage, "#0");
}

/* A creation of less than all columns would show what was written before it. */
static void writes_behind_a_deletion_stay_where_a_creation_may_be_less_than_whole(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 3000, "wide -a");
    hears(stage, 1, 3001, "link -a,#1");
    hears(stage, 1, 3002, "strange -a");
    hears(stage, 1, 3003, "mine -a");
    hears(stage, 2, 3500, "wide ~a a=#1");
    hears(stage, 2, 3501, "link ~a,#1 added=#1");
    hears(stage, 2, 3502, "strange ~a a=#1");
    hears(stage, 2, 3503, "mine ~a a=#1"); /* Who wrote it has another version of the table. */
    assert_int_equal(forget(stage, 9000, 9000), 0);
    buried(stage, "#4");
    /* Without them the deletion goes. */
    hears(stage, 1, 4000, "wide -b");
    hears(stage, 1, 4001, "link -b,#1");
    hears(stage, 1, 4002, "strange -b");
    assert_int_equal(forget(stage, 9000, 9000), 3);
    buried(stage, "#4");
}

static void rows_that_are_there_are_left_alone(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag +@1 name=red color=#5 extra=seen");
    hears(stage, 1, 2100, "strange +x a=#1");
    const char *before = replica_dump(&stage->replica);
    char *kept = strdup(before);
    (void)forget(stage, 9000, 9000);
    assert_string_equal(replica_dump(&stage->replica), kept);
    free(kept);
}

static void a_row_made_anew_is_there(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag -@1");
    hears(stage, 2, 3000, "tag +@1 name=anew color=#1");
    (void)forget(stage, 9000, 9000);
    replica_shows(&stage->replica, "SELECT name FROM tag", "anew");
    hears(stage, 2, 4000, "tag -@1");
    assert_int_equal(forget(stage, 9000, 9000), 1);
    replica_shows(&stage->replica, "SELECT count(*) FROM tag", "#0");
}

static void the_walk_goes_in_slices_and_passes_over_what_stays(void **state) {
    struct stage *stage = *state;
    char words[64];
    for (unsigned i = 0; i < 30; i++) {
        /* Every third is of a device that is not covered; several share a stamp. */
        snprintf(words, sizeof words, "tag -@%u", i + 1);
        hears(stage, i % 3 == 0 ? 3 : 1, 2000 + i / 4, words);
    }
    uint32_t slices = 0, forgotten = 0;
    for (bool more = true; more; slices++) {
        more = slice(stage, 9000, 9000, 4);
        assert_in_range(stage->tally.looked, 0, 4);
        forgotten += stage->tally.forgotten;
        assert_true(slices < 20);
    }
    assert_int_equal(forgotten, 20);
    assert_in_range(slices, 8, 9);
    buried(stage, "#10");
    /* What comes while the walk is under way, behind it, is found by the next one. */
    assert_int_equal(forget(stage, 9000, 9000), 0);
}

static void a_rollback_takes_nothing(void **state) {
    struct stage *stage = *state;
    struct library *library = &stage->replica.library;
    const struct deleted_cut cut = {{library_id(1), 7}, 9000};
    bool more = false;
    hears(stage, 1, 2000, "tag -@1");
    library_ok(library, writer_begin(library->writer, &library->why));
    library_ok(library, deleted_forget(library->writer, &stage->place, &cut, 1, 10, &stage->tally,
                                       &more, &library->why));
    assert_int_equal(stage->tally.forgotten, 1);
    writer_rollback(library->writer);
    buried(stage, "#1");
    assert_int_equal(forget(stage, 9000, 9000), 1);
}

/* Within a transaction that is taken back. */
static enum weft_status forgets_damaged(struct stage *stage, const char *sql) {
    struct library *library = &stage->replica.library;
    sqlite3 *db = library->writer->db;
    const struct deleted_cut cut = {{library_id(1), 7}, 9000};
    bool more = false;
    library_ok(library, writer_begin(library->writer, &library->why));
    writer_rollback(library->writer); /* What it remembers of the file is forgotten. */
    library_ok(library, writer_begin(library->writer, &library->why));
    assert_int_equal(sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    deleted_place_free(&stage->place);
    const enum weft_status status = deleted_forget(library->writer, &stage->place, &cut, 1, 10,
                                                   &stage->tally, &more, &library->why);
    writer_rollback(library->writer);
    return status;
}

static void what_cannot_be_read_of_a_deletion_is_told(void **state) {
    static const char *const damages[] = {
        "UPDATE _weft_shadow SET model = x'01'",
        "UPDATE _weft_shadow SET key = 'text'",
        "UPDATE _weft_shadow SET clock = 'text'",
        "UPDATE _weft_shadow SET clock = x'ff'",
    };
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag -@1");
    for (unsigned i = 0; i < sizeof damages / sizeof *damages; i++) {
        assert_int_equal(forgets_damaged(stage, damages[i]), WEFT_CORRUPT);
        assert_non_null(strstr(stage->replica.library.why.text, "restore the file"));
    }
    assert_int_equal(forget(stage, 9000, 9000), 1);
}

static void a_deletion_by_nobody_who_is_known_stays(void **state) {
    struct stage *stage = *state;
    hears(stage, 1, 2000, "tag -@1");
    library_ok(&stage->replica.library,
               forgets_damaged(stage, "UPDATE _weft_origin SET device = x'01'"));
    assert_int_equal(stage->tally.looked, 1);
    assert_int_equal(stage->tally.forgotten, 0);
}

int main(void) {
#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STAGE_TEST(a_deletion_goes_when_it_is_covered),
        STAGE_TEST(a_deletion_by_another_device_is_covered_by_that_one),
        STAGE_TEST(a_device_that_no_cut_names_covers_nothing),
        STAGE_TEST(without_cuts_nothing_goes),
        STAGE_TEST(a_write_behind_the_deletion_goes_with_it_when_both_are_covered),
        STAGE_TEST(a_write_to_a_row_that_was_never_created_goes_as_well),
        STAGE_TEST(writes_behind_a_deletion_stay_where_a_creation_may_be_less_than_whole),
        STAGE_TEST(rows_that_are_there_are_left_alone),
        STAGE_TEST(a_row_made_anew_is_there),
        STAGE_TEST(the_walk_goes_in_slices_and_passes_over_what_stays),
        STAGE_TEST(a_rollback_takes_nothing),
        STAGE_TEST(what_cannot_be_read_of_a_deletion_is_told),
        STAGE_TEST(a_deletion_by_nobody_who_is_known_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
