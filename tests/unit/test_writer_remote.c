/* The writer, other devices' rows: the guard, what is parked, and sweeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/lib/place.h"

static void a_received_row_is_stored_under_its_owner(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    for (int i = 0x40; i < 0x80; i++)
        run_put(run, "bbn", i, THEM);
    place_receives(place, THEM);
    assert_int_equal(place->tally.written, 64);
    assert_int_equal(place_count(place, "SELECT count(*) FROM location AS l JOIN _weft_device AS d "
                                        "ON d.id = l._weft_owner WHERE d.device = "
                                        "x'02020202020202020202020202020202'"),
                     64);
    /* The same again: nothing is older or newer than itself. */
    place_receives(place, THEM);
    assert_int_equal(place->tally.written, 0);
    assert_int_equal(place->tally.parked, 0);
}

static void an_older_version_never_replaces_a_newer_one(void **state) {
    struct place *place = *state;
    struct run old, older;
    run_begin(&older, &place->a, "location");
    run_begin(&old, &place->a, "location");
    for (int i = 0x40; i < 0x60; i++)
        run_put(&older, "bbn", i, THEM);
    for (int i = 0x40; i < 0x60; i++)
        run_delete(&older, "b", i);
    for (int i = 0x40; i < 0x60; i++)
        run_put(&old, "bbn", i, THEM);
    struct run *run = place_fresh(place, "location");
    for (int i = 0x40; i < 0x60; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        run_put(run, "bbt", i, THEM, path);
    }
    place_receives(place, THEM);
    uint64_t newest = (uint64_t)place_count(place, "SELECT sum(_weft_version) FROM location");
    run_receive(&old, &place->a, THEM, NULL);
    struct writer_tally tally = {0};
    run_receive(&older, &place->a, THEM, &tally);
    assert_int_equal(tally.written, 32); /* the tombstones are news */
    assert_int_equal(place_count(place, "SELECT sum(_weft_version) FROM location"), newest);
    assert_int_equal(place_count(place, "SELECT count(*) FROM location WHERE path IS NOT NULL"),
                     33);
    run_drop(&older);
    run_drop(&old);
}

static void a_received_delete_leaves_a_tombstone_for_others(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    run_delete(run, "b", 0xbb);
    run_delete(run, "b", 0xbc); /* never seen here */
    place_receives(place, THEM);
    assert_int_equal(place->tally.written, 3);
    assert_int_equal(place_count(place, "SELECT count(*) FROM location"), 1);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_tombstone WHERE owner = 2"), 2);
}

static void a_row_that_is_refused_is_parked_and_the_rest_goes_in(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    place_receives(place, THEM);
    place_fresh(place, "entry");
    for (int i = 1; i <= 40; i++) {
        run_put(run, "bbti", i, 0xbb, "x", i == 5 || i == 38 ? INT64_C(-1) : INT64_C(1));
    }
    place_receives(place, THEM);
    assert_int_equal(place->tally.written, 38);
    assert_int_equal(place->tally.parked, 2);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 38);
    place_text(place, "SELECT reason FROM _weft_parked", "CHECK constraint failed: size >= 0");
}

static void retry(struct place *place) {
    place->tally = (struct writer_tally){0};
    library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
    library_ok(&place->a, writer_retry_parked(place->a.writer, &place->tally, &place->a.why));
    library_ok(&place->a, writer_commit(place->a.writer, &place->a.why));
}

static void a_parked_row_goes_in_when_what_it_lacked_is_there(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/home"); /* this device has that path */
    run_put(run, "bbt", 0xbc, THEM, "/other");
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    assert_int_equal(place->tally.written, 1);
    place_text(place, "SELECT path FROM location WHERE _weft_owner = 1", "/home");
    retry(place);
    assert_int_equal(place->tally.written, 0);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked"), 1);
    place_fresh(place, "location");
    run_set(run, "bt", 0xaa, "path", "/moved");
    place_commits(place);
    /* It is found again after a restart. */
    run_drop(run);
    library_reopen(&place->a, place_schema, ME);
    run_begin(run, &place->a, "location");
    retry(place);
    assert_int_equal(place->tally.written, 1);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked"), 0);
    place_text(place, "SELECT path FROM location WHERE id = x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'",
               "/home");
}

static void what_is_parked_never_comes_back_after_a_newer_version(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/home");
    run_put(run, "bbt", 0xbc, THEM, "/home");
    run_put(run, "bbt", 0xbd, THEM, "/home");
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 3);
    place_fresh(place, "location");
    run_delete(run, "b", 0xbb);
    run_put(run, "bbt", 0xbc, THEM, "/new");
    place_receives(place, THEM);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked"), 1);
    place_fresh(place, "location");
    run_delete(run, "b", 0xaa);
    place_commits(place);
    retry(place);
    assert_int_equal(place->tally.written, 1);
    place_text(place, "SELECT group_concat(hex(substr(id, 1, 1)) || path) FROM location",
               "BC/new,BD/home");
}

static void a_key_of_another_device_is_not_taken_over(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xaa, THEM, "/stolen");
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    place_text(place, "SELECT path FROM location", "/home");
    place_text(place, "SELECT reason FROM _weft_parked", "the key belongs to another device's row");
    place_fresh(place, "location");
    run_delete(run, "b", 0xaa);
    place_receives(place, THEM);
    place_text(place, "SELECT path FROM location", "/home");
}

static void a_row_that_names_another_owner_is_parked(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, OTHERS, "/x"); /* sent as if THEM's */
    run_put(run, "bbt", 0xbc, ME, "/y");
    run_put(run, "bbt", 0xbd, THEM, "/z");
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 2);
    assert_int_equal(place->tally.written, 1);
    place_fresh(place, "entry");
    run_put(run, "bbti", 9, 0xef, "of one that comes later", INT64_C(1));
    place_receives(place, THEM);
    place_fresh(place, "location");
    run_put(run, "bbn", 0xef, ME);
    place_commits(place);
    place_fresh(place, "entry");
    run_put(run, "bbti", 8, 0xef, "and is not theirs", INT64_C(1));
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    place_fresh(place, "entry");
    run_put(run, "bbti", 1, 0xaa, "mine", INT64_C(1)); /* under this device's location */
    run_put(run, "bbti", 2, 0xbd, "theirs", INT64_C(1));
    run_put(run, "bbti", 3, 0xee, "of a location not here yet", INT64_C(1));
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    assert_int_equal(place->tally.written, 2);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked WHERE reason LIKE "
                                        "'the row is not the owner''s%'"),
                     4);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_device"), 2);
}

static void rows_of_one_owner_that_swapped_unique_values_both_arrive(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/one");
    run_put(run, "bbt", 0xbc, THEM, "/two");
    place_receives(place, THEM);
    place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/two");
    run_put(run, "bbt", 0xbc, THEM, "/one");
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 0);
    place_text(place,
               "SELECT group_concat(hex(substr(id, 1, 1)) || path) FROM (SELECT * FROM "
               "location WHERE _weft_owner <> 1 ORDER BY id)",
               "BB/two,BC/one");
}

static void a_unique_index_over_an_expression_parks(void **state) {
    struct place *place = *state;
    library_sql(&place->a, "CREATE UNIQUE INDEX u ON entry(lower(name))");
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    place_receives(place, THEM);
    place_fresh(place, "entry");
    run_put(run, "bbti", 1, 0xbb, "NAME", INT64_C(1));
    run_put(run, "bbti", 2, 0xbb, "name", INT64_C(1));
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 1);
}

static void a_sweep_deletes_what_a_run_does_not_name(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xe0, THEM, "/home"); /* parked */
    for (int i = 0xb0; i < 0xd0; i++)
        run_put(run, "bbn", i, THEM);
    place_receives(place, THEM);
    uint64_t last = place_version(place, 32);
    /* Again, but 0xb0 to 0xb7 and the parked one are gone, and 0xcf lies behind the run. */
    struct run again;
    run_begin(&again, &place->a, "location");
    for (int i = 0xb8; i < 0xcf; i++)
        run_put(&again, "bbn", i, THEM);
    Weft__Rows *rows = again.builder.rows;
    for (uint32_t i = 0; i < rows->count; i++) {
        rows_version_set(rows, i, last - 0xcf + 0xb8 + i);
    }
    rows->upto = last - 1;
    rows->sweep = true;
    struct id them = library_id(THEM);
    struct writer_tally tally = {0};
    library_receive(&place->a, &them, rows, &tally);
    assert_int_equal(tally.written, 8);
    assert_int_equal(place_count(place, "SELECT count(*) FROM location WHERE _weft_owner <> 1"),
                     24);
    assert_int_equal(place_count(place, "SELECT count(*) FROM location WHERE _weft_owner = 1"), 1);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_parked"), 0);
    assert_int_equal(place_count(place, "SELECT hex(substr(min(id), 1, 1)) = 'B8' FROM location "
                                        "WHERE _weft_owner <> 1"),
                     1);
    run_drop(&again);
}

static void versions_that_no_clock_gives_are_refused(void **state) {
    struct place *place = *state;
    struct id them = library_id(THEM);
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    Weft__Rows *rows = run->builder.rows;
    rows_version_set(rows, 0, UINT64_MAX - 1);
    rows->upto = UINT64_MAX;
    struct stream stream = library_stream(&place->a, &them, "location");
    struct writer *writer = place->a.writer;
    struct weft_error *why = &place->a.why;
    library_ok(&place->a, writer_begin(writer, why));
    assert_int_equal(writer_apply_remote(writer, &them, rows, &place->tally, why), WEFT_PROTOCOL);
    assert_int_equal(writer_horizon(writer, &stream, UINT64_MAX, why), WEFT_PROTOCOL);
    assert_int_equal(writer_ack(writer, &them, &stream, UINT64_MAX, why), WEFT_PROTOCOL);
    writer_rollback(writer);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_received_row_is_stored_under_its_owner),
        place_test(an_older_version_never_replaces_a_newer_one),
        place_test(a_received_delete_leaves_a_tombstone_for_others),
        place_test(a_row_that_is_refused_is_parked_and_the_rest_goes_in),
        place_test(a_parked_row_goes_in_when_what_it_lacked_is_there),
        place_test(what_is_parked_never_comes_back_after_a_newer_version),
        place_test(a_key_of_another_device_is_not_taken_over),
        place_test(a_row_that_names_another_owner_is_parked),
        place_test(rows_of_one_owner_that_swapped_unique_values_both_arrive),
        place_test(a_unique_index_over_an_expression_parks),
        place_test(a_sweep_deletes_what_a_run_does_not_name),
        place_test(versions_that_no_clock_gives_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
