/* The writer, own rows: puts, deletes, fields, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/place.h"

/* ---- own puts -------------------------------------------------------------------------------- */

static void a_put_stores_the_row_with_owner_and_version(void **state) {
    struct place *place = *state;
    run_put(&place->run, "bbti", 1, 0xaa, "one", INT64_C(7));
    place_commits(place);
    assert_int_equal(place->tally.written, 1);
    assert_int_equal(place_count(place, "SELECT _weft_version FROM entry"),
                     place_version(place, 0));
    place_text(place, "SELECT name || size || _weft_owner FROM entry", "one71");
    assert_int_equal(place_count(place, "SELECT value FROM _weft_meta WHERE key = 'clock'"),
                     place->a.clock);
}

static unsigned seen_count;
static void seen(void *context, const struct model *model, const Weft__Rows *rows, uint32_t row) {
    struct place *place = context;
    assert_string_equal(model->name, "entry");
    assert_ptr_equal(rows, place->run.builder.rows);
    assert_int_equal(rows_op(rows, row), ROW_NONE);
    assert_int_equal(rows_value(rows, row, 0).size, 16);
    seen_count++;
}

static void an_equal_put_changes_nothing_and_is_told(void **state) {
    struct place *place = *state;
    for (int i = 1; i <= 40; i++)
        run_put(&place->run, "bbti", i, 0xaa, "one", INT64_C(7));
    place_commits(place);
    uint64_t first = place_version(place, 0);
    struct run *run = place_fresh(place, "entry");
    for (int i = 1; i <= 40; i++) {
        run_put(run, "bbti", i, 0xaa, i % 10 == 0 ? "two" : "one", INT64_C(7));
    }
    const struct writer_unchanged unchanged = {seen, place};
    struct writer_tally tally = {0};
    seen_count = 0;
    library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
    library_ok(&place->a, writer_apply_own(place->a.writer, run->builder.rows, &run->arena,
                                           &unchanged, &tally, &place->a.why));
    library_ok(&place->a, writer_commit(place->a.writer, &place->a.why));
    assert_int_equal(seen_count, 36);
    assert_int_equal(tally.unchanged, 36);
    assert_int_equal(tally.written, 4);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(place_op(place, i), (i + 1) % 10 == 0 ? ROW_PUT : ROW_NONE);
    }
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry WHERE name = 'two'"), 4);
    assert_int_equal(place_count(place, "SELECT min(_weft_version) FROM entry"), first);
    assert_int_equal(place_count(place, "SELECT max(_weft_version) FROM entry"),
                     place_version(place, 39));
}

static void equality_is_of_bytes_and_types(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    run_put(run, "itbitrn", INT64_C(1), "k", ME, INT64_C(1), "label", 2.0);
    place_commits(place);
    place_fresh(place, "misc");
    run_put(run, "itbitrn", INT64_C(1), "k", ME, INT64_C(1), "label", 2.0);
    place_commits(place);
    assert_int_equal(place->tally.unchanged, 1);
    place_fresh(place, "misc");
    run_put(run, "itbrtrn", INT64_C(1), "k", ME, 1.0, "label", 2.0);
    place_commits(place);
    assert_int_equal(place->tally.written, 1);
    place_text(place, "SELECT typeof(any) FROM misc", "real");
    place_fresh(place, "misc");
    run_put(run, "itbrtrn", INT64_C(1), "k", ME, 1.0, "LABEL", 2.0);
    place_commits(place);
    assert_int_equal(place->tally.written, 1);
    place_text(place, "SELECT label FROM misc", "LABEL");
    place_fresh(place, "misc");
    run_set(run, "tit", "k", INT64_C(1), "label", "label");
    place_commits(place);
    assert_int_equal(place->tally.written, 1);
    place_fresh(place, "misc");
    run_set(run, "tii", "k", INT64_C(1), "any", INT64_C(1));
    place_commits(place);
    assert_int_equal(place->tally.written, 1);
    place_text(place, "SELECT typeof(any) FROM misc", "integer");
}

static void a_negative_zero_travels_as_it_is_stored(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    run_put(run, "itbrnrr", INT64_C(1), "k", ME, -0.0, -0.0, -0.0);
    place_commits(place);
    for (uint32_t c = 3; c <= 6; c++) {
        assert_int_equal(load_u64(run->builder.rows->columns[c]->cells.data), 0);
    }
    place_text(place, "SELECT any FROM misc", "0.0");
}

static void a_key_that_comes_often_in_one_run_keeps_its_order(void **state) {
    struct place *place = *state;
    struct run *run = &place->run;
    /* 1: put, put, delete, put. 2: put, put equal, put. 3 to 20 fill whole statements. */
    run_put(run, "bbti", 1, 0xaa, "a", INT64_C(1));
    run_put(run, "bbti", 2, 0xaa, "x", INT64_C(1));
    run_put(run, "bbti", 1, 0xaa, "b", INT64_C(1));
    run_put(run, "bbti", 2, 0xaa, "x", INT64_C(1));
    run_put(run, "bbti", 2, 0xaa, "y", INT64_C(1));
    for (int i = 3; i <= 20; i++)
        run_put(run, "bbti", i, 0xaa, "fill", (int64_t)i);
    run_delete(run, "b", 1);
    run_put(run, "bbti", 1, 0xaa, "c", INT64_C(1));
    run_set(run, "bt", 1, "name", "d");
    run_put(run, "bbti", 1, 0xaa, "e", INT64_C(1));
    place_commits(place);
    place_text(place, "SELECT name FROM entry WHERE id = x'01010101010101010101010101010101'", "e");
    place_text(place, "SELECT name FROM entry WHERE id = x'02020202020202020202020202020202'", "y");
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 20);
    uint32_t last = place->run.builder.rows->count - 1;
    assert_int_equal(place_count(place, "SELECT max(_weft_version) FROM entry"),
                     place_version(place, last));
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_tombstone"), 1);
}

static void a_row_of_another_device_cannot_be_put(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    place_receives(place, THEM);
    place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, ME, "/mine");
    place_refused(place, WEFT_NOT_OWNER, "table \"location\": the row with id = bbbbbbbb");
    place_text(place, "SELECT path FROM location WHERE _weft_owner <> 1", "/theirs");
    place_fresh(place, "location");
    for (int i = 1; i < 40; i++)
        run_put(run, "bbn", i == 20 ? 0xbb : i, ME);
    place_refused(place, WEFT_NOT_OWNER, "id = bbbbbbbb");
    assert_int_equal(place_count(place, "SELECT count(*) FROM location"), 2);
}

static void a_row_must_name_this_device_as_its_owner(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    place_refused(place, WEFT_NOT_OWNER,
                  "\"device_id\" must hold the 16 bytes of this device's id, 0101");
    place_receives(place, THEM);
    place_fresh(place, "entry");
    run_put(run, "bbti", 1, 0xbb, "x", INT64_C(1));
    place_refused(place, WEFT_NOT_OWNER, "id = bbbbbbbb");
    assert_non_null(strstr(place->a.why.text, "belongs to another device"));
    place_fresh(place, "entry");
    run_put(run, "bbti", 1, 0xcc, "x", INT64_C(1));
    place_refused(place, WEFT_NOT_OWNER,
                  "\"location_id\" names the row of \"location\" with id = cccccc");
    assert_non_null(strstr(place->a.why.text, "which is not there"));
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 0);
}

static void what_was_remembered_of_owners_goes_with_a_rollback_and_a_delete(void **state) {
    struct place *place = *state;
    struct run locations;
    run_begin(&locations, &place->a, "location");
    run_put(&locations, "bbn", 0xcc, ME);
    run_put(&place->run, "bbti", 1, 0xcc, "x", INT64_C(1));
    library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
    Weft__Rows *const runs[] = {locations.builder.rows, place->run.builder.rows};
    for (int i = 0; i < 2; i++) {
        library_ok(&place->a, writer_apply_own(place->a.writer, runs[i], &locations.arena, NULL,
                                               &place->tally, &place->a.why));
    }
    writer_rollback(place->a.writer);
    place_refused(place, WEFT_NOT_OWNER, "which is not there");

    run_drop(&locations);
    run_begin(&locations, &place->a, "location");
    run_put(&locations, "bbn", 0xcc, ME);
    library_ok(&place->a, run_commit(&locations, NULL));
    place_commits(place);
    run_drop(&locations);
    run_begin(&locations, &place->a, "location");
    run_delete(&locations, "b", 0xcc);
    library_ok(&place->a, run_commit(&locations, NULL));
    run_drop(&locations);
    place_fresh(place, "entry");
    run_put(&place->run, "bbti", 2, 0xcc, "x", INT64_C(1));
    place_refused(place, WEFT_NOT_OWNER, "which is not there");
}

static void a_constraint_refuses_with_the_key_and_nothing_is_written(void **state) {
    struct place *place = *state;
    for (int i = 1; i <= 40; i++) {
        run_put(&place->run, "bbti", i, 0xaa, "x", i == 21 ? INT64_C(-5) : INT64_C(5));
    }
    place_refused(place, WEFT_CONSTRAINT, "table \"entry\": the row with id = 15151515");
    assert_non_null(strstr(place->a.why.text, "size >= 0"));
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 0);
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xab, ME, "/home");
    place_refused(place, WEFT_CONSTRAINT, "UNIQUE constraint failed: location.path");
    assert_int_equal(place->a.why.native, SQLITE_CONSTRAINT_UNIQUE);
}

static void triggers_see_each_row_once(void **state) {
    struct place *place = *state;
    library_sql(&place->a, "CREATE TABLE log (id); CREATE TRIGGER l BEFORE INSERT ON entry BEGIN "
                           "INSERT INTO log VALUES (new.id); END;"
                           "CREATE TRIGGER s BEFORE INSERT ON entry WHEN new.name = 'skip' BEGIN "
                           "SELECT raise(IGNORE); END;");
    for (int i = 1; i <= 20; i++)
        run_put(&place->run, "bbti", i, 0xaa, "x", INT64_C(5));
    place_commits(place);
    assert_int_equal(place_count(place, "SELECT count(*) FROM log"), 20);
    place_fresh(place, "entry");
    for (int i = 21; i <= 40; i++) {
        run_put(&place->run, "bbti", i, 0xaa, i == 25 ? "skip" : "x", INT64_C(5));
    }
    place_refused(place, WEFT_CONSTRAINT, "put aside by a trigger");
}

static void keys_of_every_kind_are_told_cut_to_size(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    run_put(run, "itbnnnn", INT64_C(-7), "a rather long key, longer than anybody wants to read",
            THEM);
    place_receives(place, THEM);
    place_refused(place, WEFT_NOT_OWNER, "must hold");
    place_fresh(place, "misc");
    run_delete(run, "ti", "a rather long key, longer than anybody wants to read", INT64_C(-7));
    place_refused(place, WEFT_NOT_OWNER, "b = \"a rather long key, longe...\", a = -7");
}

/* ---- own deletes and fields ------------------------------------------------------------------ */

static void a_delete_leaves_a_tombstone_and_a_second_one_nothing(void **state) {
    struct place *place = *state;
    run_put(&place->run, "bbti", 1, 0xaa, "x", INT64_C(1));
    run_delete(&place->run, "b", 1);
    run_delete(&place->run, "b", 1);
    run_delete(&place->run, "b", 9);
    place_commits(place);
    assert_int_equal(place_op(place, 1), ROW_DELETE);
    assert_int_equal(place_op(place, 2), ROW_NONE);
    assert_int_equal(place_op(place, 3), ROW_NONE);
    assert_int_equal(place->tally.written, 2);
    assert_int_equal(place->tally.unchanged, 2);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 0);
    assert_int_equal(place_count(place, "SELECT version FROM _weft_tombstone"),
                     place_version(place, 1));
    place_fresh(place, "entry");
    run_put(&place->run, "bbti", 1, 0xaa, "x", INT64_C(1));
    place_commits(place);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 1);
}

static void another_devices_row_cannot_be_deleted_or_set(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    place_receives(place, THEM);
    place_fresh(place, "location");
    run_delete(run, "b", 0xbb);
    place_refused(place, WEFT_NOT_OWNER, "id = bbbbbbbb");
    place_fresh(place, "location");
    run_set(run, "bt", 0xbb, "path", "/mine");
    place_refused(place, WEFT_NOT_OWNER, "id = bbbbbbbb");
    place_text(place, "SELECT path FROM location WHERE _weft_owner <> 1", "/theirs");
}

static void a_set_becomes_the_whole_row(void **state) {
    struct place *place = *state;
    struct run *run = &place->run;
    for (int i = 1; i <= 30; i++)
        run_put(run, "bbti", i, 0xaa, "before", (int64_t)i);
    place_commits(place);
    place_fresh(place, "entry");
    for (int i = 1; i <= 30; i++)
        run_set(run, "bt", i, "name", i % 2 == 0 ? "before" : "after");
    run_set(run, "bi", 3, "size", INT64_C(333));
    run_set(run, "bn", 4, "name");
    place_commits(place);
    const Weft__Rows *rows = place->run.builder.rows;
    assert_int_equal(place->tally.written, 17);
    assert_int_equal(place->tally.unchanged, 15);
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(place_op(place, i), i % 2 == 0 ? ROW_PUT : ROW_NONE);
        if (i % 2 != 0) continue;
        struct weft_value location = rows_value(rows, i, 1), name = rows_value(rows, i, 2);
        assert_int_equal(rows_value(rows, i, 0).type, WEFT_BLOB);
        assert_int_equal(location.size, 16);
        assert_int_equal(((const uint8_t *)location.as.bytes)[15], 0xaa);
        assert_int_equal(name.size, 5);
        assert_memory_equal(name.as.bytes, "after", 5);
        assert_int_equal(rows_value(rows, i, 3).as.integer, i + 1);
    }
    assert_int_equal(rows_value(rows, 30, 3).as.integer, 333);
    assert_int_equal(rows_value(rows, 31, 2).type, WEFT_NULL);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry WHERE name = 'after'"), 15);
    assert_int_equal(place_count(place, "SELECT max(_weft_version) FROM entry"),
                     place_version(place, 31));
}

static void a_whole_real_is_read_back_as_a_real(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    run_put(run, "itbrnrr", INT64_C(1), "k", ME, 2.0, 2.5, 3.0);
    place_commits(place);
    place_fresh(place, "misc");
    run_set(run, "tit", "k", INT64_C(1), "label", "x");
    place_commits(place);
    const Weft__Rows *rows = run->builder.rows;
    assert_int_equal(rows_op(rows, 0), ROW_PUT);
    const double wanted[] = {[3] = 2.0, [5] = 2.5, [6] = 3.0};
    for (uint32_t c = 3; c <= 6; c += c == 3 ? 2 : 1) {
        struct weft_value value = rows_value(rows, 0, c);
        assert_int_equal(value.type, WEFT_REAL);
        assert_true(value.as.real == wanted[c]);
    }
}

static void a_set_that_cannot_be_is_told(void **state) {
    struct place *place = *state;
    run_set(&place->run, "bt", 1, "name", "x");
    place_refused(place, WEFT_NOT_FOUND, "there is no row with id = 01010101");
    place_fresh(place, "entry");
    run_put(&place->run, "bbti", 1, 0xaa, "x", INT64_C(1));
    place_commits(place);
    place_fresh(place, "entry");
    run_set(&place->run, "bb", 1, "id", 2);
    place_refused(place, WEFT_INVALID, "\"id\" is part of the key");
    place_fresh(place, "entry");
    run_set(&place->run, "bb", 1, "location_id", 0xcc);
    place_refused(place, WEFT_NOT_OWNER, "which is not there");
    place_fresh(place, "entry");
    run_set(&place->run, "bi", 1, "size", INT64_C(-1));
    place_refused(place, WEFT_CONSTRAINT, "id = 01010101");
    place_fresh(place, "location");
    run_set(&place->run, "bb", 0xaa, "device_id", THEM);
    place_refused(place, WEFT_NOT_OWNER, "must hold the 16 bytes of this device's id");
}

static void rows_read_back_are_held_to_the_limits(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    char *text = malloc(LIMIT_ROW_BYTES);
    assert_non_null(text);
    memset(text, 'x', LIMIT_ROW_BYTES);
    text[LIMIT_ROW_BYTES / 2] = '\0';
    run_put(run, "itbttnn", INT64_C(1), "k", ME, text, "");
    place_commits(place);
    place_fresh(place, "misc");
    run_set(run, "tit", "k", INT64_C(1), "label", text);
    place_refused(place, WEFT_LIMIT, "the row would take more than the 983040 bytes");
    place_fresh(place, "misc");
    for (int i = 0; i < 100; i++)
        run_set(run, "tii", "k", INT64_C(1), "number", (int64_t)i);
    place_refused(place, WEFT_LIMIT, "commit in smaller transactions");
    free(text);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(a_put_stores_the_row_with_owner_and_version),
        place_test(an_equal_put_changes_nothing_and_is_told),
        place_test(equality_is_of_bytes_and_types),
        place_test(a_negative_zero_travels_as_it_is_stored),
        place_test(a_key_that_comes_often_in_one_run_keeps_its_order),
        place_test(a_row_of_another_device_cannot_be_put),
        place_test(a_row_must_name_this_device_as_its_owner),
        place_test(what_was_remembered_of_owners_goes_with_a_rollback_and_a_delete),
        place_test(a_constraint_refuses_with_the_key_and_nothing_is_written),
        place_test(triggers_see_each_row_once),
        place_test(keys_of_every_kind_are_told_cut_to_size),
        place_test(a_delete_leaves_a_tombstone_and_a_second_one_nothing),
        place_test(another_devices_row_cannot_be_deleted_or_set),
        place_test(a_set_becomes_the_whole_row),
        place_test(a_whole_real_is_read_back_as_a_real),
        place_test(a_set_that_cannot_be_is_told),
        place_test(rows_read_back_are_held_to_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
