/* Digests of owned rows: kept row by row, they are what the rows make, whatever came in which way.
 * Those of shared rows are held against their rows in test_shared_row_histories.c and
 * test_snapshot_histories.c; and every library that a test closes is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/digests.h"
#include "tests/lib/place.h"
#include "tests/sim/rng.h"

enum { HISTORIES = 16, STEPS = 30, KEYS = 24, THEIRS = 0x40, MINE = 0x80 };

/* The place's tables without what refuses a row. */
static const char lax_schema[] =
    "CREATE TABLE location ( -- @owned(owner: device_id)\n"
    " id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT);"
    "CREATE TABLE entry ( -- @owned(owner: location_id)\n"
    " id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT,"
    " size INTEGER) WITHOUT ROWID;"
    "CREATE TABLE misc ( -- @owned(owner: o)\n"
    " a INTEGER, b TEXT, o BLOB NOT NULL, any, label TEXT COLLATE NOCASE, number NUMERIC,"
    " ratio REAL,"
    " PRIMARY KEY (b, a));";

/* What is kept of an owner's locations. */
static uint64_t kept(struct library *library, uint8_t owner) {
    struct digest_list list = {0};
    const struct id id = library_id(owner);
    library_ok(library, writer_read_digests(library->writer, &list, &library->why));
    const struct digest_found *found =
        digest_find_owned(&list, &id, library_model(library, "location"));
    const uint64_t digest = found == NULL ? 0 : found->kept;
    digest_list_free(&list);
    return digest;
}

/* Some paths are the same, so that rows replace and keep out each other; `true_to_life`: but for
 * those of this device, since the owner has no two rows with one path. */
static const char *draw_path(struct rng *rng, bool true_to_life, int key, char out[16]) {
    snprintf(out, 16, "/%u", (unsigned)rng_below(rng, 30));
    if (true_to_life) snprintf(out, 16, key == THEIRS ? "/home" : "/%d", key);
    return rng_chance(rng, 300) ? NULL : out;
}

/* Rows of THEM, some of them under this device's key or name. */
static void draw_theirs(struct rng *rng, struct run *run, bool true_to_life) {
    char path[16];
    for (uint64_t n = rng_chance(rng, 500) ? 40 : rng_between(rng, 1, 5); n > 0; n--) {
        const int key = THEIRS + (int)rng_below(rng, KEYS);
        if (rng_chance(rng, 200)) {
            run_delete(run, "b", key);
        } else if (rng_chance(rng, 50)) {
            const int mine = MINE + (int)rng_below(rng, KEYS);
            run_put(run, "bbt", mine, THEM, draw_path(rng, true_to_life, mine, path));
        } else {
            run_put(run, "bbt", key, rng_chance(rng, 30) ? OTHERS : THEM,
                    draw_path(rng, true_to_life, key, path));
        }
    }
}

static void draw_mine(struct rng *rng, struct run *run) {
    for (uint64_t n = rng_chance(rng, 500) ? 40 : rng_between(rng, 1, 5); n > 0; n--) {
        char path[16];
        const int key = MINE + (int)rng_below(rng, KEYS);
        snprintf(path, sizeof path, "/m%d-%u", key, (unsigned)rng_below(rng, 3));
        if (rng_chance(rng, 200)) {
            run_delete(run, "b", key);
        } else {
            run_put(run, "bbt", key, ME, path);
        }
        if (rng_chance(rng, 100)) run_set(run, "bt", 0xaa, "path", "/again");
    }
    /* Some keys THEY may have taken before. */
    const enum weft_status status = run_commit(run, NULL);
    assert_true(status == WEFT_OK || status == WEFT_NOT_OWNER);
}

static void receive(struct place *place, struct run *run, bool sweep) {
    run->builder.rows->sweep = sweep;
    run_receive(run, &place->a, THEM, NULL);
}

static void retry(struct place *place) {
    struct writer_tally tally = {0};
    struct library *a = &place->a;
    library_ok(a, writer_begin(a->writer, &a->why));
    library_ok(a, writer_retry_parked(a->writer, &tally, &a->why));
    library_ok(a, writer_commit(a->writer, &a->why));
}

/* As the log does at open. */
static void fill(struct place *place) {
    struct library *a = &place->a;
    library_ok(a, writer_begin(a->writer, &a->why));
    library_ok(a, writer_fill_digests(a->writer, &a->why));
    library_ok(a, writer_commit(a->writer, &a->why));
}

static void history(struct place *place, uint64_t seed) {
    struct rng rng;
    struct run old;
    rng_seed(&rng, seed, 1);
    run_begin(&old, &place->a, "location");
    draw_theirs(&rng, &old, false); /* to come again and again, late */
    for (int step = 0; step < STEPS; step++) {
        struct run *run = place_fresh(place, "location");
        const uint64_t what = rng_below(&rng, 10);
        if (what < 5) {
            draw_theirs(&rng, run, false);
            receive(place, run, rng_chance(&rng, 100));
        } else if (what < 8) {
            draw_mine(&rng, run);
        } else if (what < 9) {
            /* Without a sweep no log would apply it: what is lost by it is worked out anew. */
            receive(place, &old, rng_chance(&rng, 300));
            digests_hold(place->a.writer, true);
            fill(place);
        } else {
            retry(place);
        }
        digests_hold(place->a.writer, false);
    }
    run_drop(&old);
}

static void what_is_kept_is_what_the_rows_make_after_every_transaction(void **state) {
    struct place *place = *state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++)
        history(place, seed);
    assert_true(place_count(place, "SELECT count(*) FROM _weft_parked") > 0);
    assert_true(place_count(place, "SELECT count(*) FROM location WHERE _weft_owner > 1") > 0);
}

static void a_device_that_heard_only_the_end_has_the_same_digest(void **state) {
    struct place *place = *state;
    struct library b;
    struct rng rng;
    library_open(&b, place->folder, "b.weft", lax_schema, OTHERS);
    struct pull pull = {.to = &b, .from = &place->a};
    const struct id them = library_id(THEM);
    pull.stream = library_stream(&b, &them, "location");
    rng_seed(&rng, 7, 1);
    for (int round = 0; round < 30; round++) {
        for (uint64_t n = rng_between(&rng, 1, 3); n > 0; n--) {
            struct run *run = place_fresh(place, "location");
            draw_theirs(&rng, run, true);
            receive(place, run, false);
        }
        while (library_pull(&pull, 16, 1 << 20)) {
        }
        assert_int_not_equal(kept(&b, THEM), 0);
        assert_true(kept(&b, THEM) == kept(&place->a, THEM));
    }
    assert_true(place_count(place, "SELECT count(*) FROM _weft_parked") > 0);
    assert_int_equal(library_count(&b, "SELECT count(*) FROM _weft_parked WHERE reason NOT LIKE "
                                       "'the row is not the owner''s%'"),
                     0);
    library_close(&b);
}

static void a_row_that_goes_and_comes_back_is_another_and_one_put_alike_is_the_same(void **state) {
    struct place *place = *state;
    const uint64_t empty = kept(&place->a, ME);
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 1, ME, "/a");
    place_commits(place);
    const uint64_t one = kept(&place->a, ME);
    place_fresh(place, "location");
    run_put(run, "bbt", 1, ME, "/a");
    place_commits(place);
    assert_true(kept(&place->a, ME) == one);
    place_fresh(place, "location");
    run_delete(run, "b", 1);
    place_commits(place);
    assert_true(kept(&place->a, ME) == empty);
    place_fresh(place, "location");
    run_put(run, "bbt", 1, ME, "/a");
    place_commits(place);
    assert_true(kept(&place->a, ME) != one && kept(&place->a, ME) != empty);
}

static void a_rollback_takes_back_what_it_did_to_the_digest(void **state) {
    struct place *place = *state;
    const uint64_t before = kept(&place->a, ME);
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 1, ME, "/a");
    run_put(run, "bbt", 2, ME, "/home");
    place_refused(place, WEFT_CONSTRAINT, "UNIQUE");
    place_fresh(place, "location");
    run_set(run, "bt", 0xaa, "path", "/home");
    place_commits(place);
    assert_true(kept(&place->a, ME) == before);
}

static void a_trigger_that_puts_rows_aside_costs_the_digest_until_the_next_open(void **state) {
    struct place *place = *state;
    library_sql(&place->a, "CREATE TRIGGER aside BEFORE INSERT ON location WHEN new.path = '/no' "
                           "BEGIN SELECT RAISE(IGNORE); END");
    library_reopen(&place->a, place_schema, ME);
    struct run *run = place_fresh(place, "location");
    for (int i = 0; i < 20; i++)
        run_put(run, "bbt", THEIRS + i, THEM, i == 3 ? "/no" : NULL);
    place_receives(place, THEM);
    digests_hold(place->a.writer, true);
    fill(place);
    digests_hold(place->a.writer, false);
}

static void a_file_from_before_there_were_digests_gets_them_at_open(void **state) {
    struct place *place = *state;
    const uint64_t before = kept(&place->a, ME);
    library_sql(&place->a, "UPDATE _weft_position SET digest = NULL");
    fill(place);
    assert_true(kept(&place->a, ME) == before);
    digests_hold(place->a.writer, false);
}

/* Whether the location's digest is not what its rows make. */
static bool differs(struct place *place) {
    struct digest_list list = {0};
    struct library *a = &place->a;
    const struct id me = library_id(ME);
    library_ok(a, digest_scan(a->writer->db, a->path, a->store.models, &list, &a->why));
    const struct digest_found *found = digest_find_owned(&list, &me, library_model(a, "location"));
    assert_non_null(found);
    const bool differs = found->kept != found->computed;
    digest_list_free(&list);
    return differs;
}

static void rows_that_somebody_else_changed_do_not_make_the_digest_kept(void **state) {
    struct place *place = *state;
    static const char *const plants[][2] = {
        {"UPDATE location SET _weft_version = _weft_version - 1",
         "UPDATE location SET _weft_version = _weft_version + 1"},
        {"INSERT INTO location(id, device_id, _weft_owner, _weft_version) VALUES "
         "(x'01', x'02', 1, 5)",
         "DELETE FROM location WHERE id = x'01'"},
        {"UPDATE location SET id = x'bb'", "UPDATE location SET id = zeroblob(16)"},
        {"DELETE FROM location", "SELECT 1"},
    };
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
        library_sql(&place->a, plants[i][0]);
        assert_true(differs(place));
        library_sql(&place->a, plants[i][1]);
    }
    /* What teardown looks at is to be sound. */
    library_sql(&place->a, "UPDATE _weft_position SET digest = NULL");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_is_what_the_rows_make_after_every_transaction),
        TEST(a_device_that_heard_only_the_end_has_the_same_digest),
        TEST(a_row_that_goes_and_comes_back_is_another_and_one_put_alike_is_the_same),
        TEST(a_rollback_takes_back_what_it_did_to_the_digest),
        TEST(a_trigger_that_puts_rows_aside_costs_the_digest_until_the_next_open),
        TEST(a_file_from_before_there_were_digests_gets_them_at_open),
        TEST(rows_that_somebody_else_changed_do_not_make_the_digest_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
