/* The writer: the small tables, scans, and what a failing disk does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/store/writer_private.h"
#include "tests/lib/place.h"

/* ---- the small tables ------------------------------------------------------------------------ */

static void positions_horizons_acks_and_the_clock_only_grow(void **state) {
    struct place *place = *state;
    struct id them = library_id(THEM), others = library_id(OTHERS);
    struct stream stream = library_stream(&place->a, &them, "entry");
    struct writer *writer = place->a.writer;
    struct weft_error *why = &place->a.why;
    uint64_t clock = place->a.clock;
    library_ok(&place->a, writer_begin(writer, why));
    const uint64_t numbers[] = {500, 900, 700};
    for (int i = 0; i < 3; i++) {
        library_ok(&place->a, writer_position(writer, &stream, numbers[i], why));
        library_ok(&place->a, writer_horizon(writer, &stream, numbers[i] - 1, why));
        library_ok(&place->a, writer_ack(writer, &others, &stream, numbers[i] - 2, why));
        library_ok(&place->a, writer_clock(writer, clock + numbers[i], why));
        library_ok(&place->a, writer_sweep_cursor(writer, &stream, i < 2, numbers[i], why));
    }
    library_ok(&place->a, writer_commit(writer, why));
    assert_int_equal(place_count(place, "SELECT position FROM _weft_position WHERE owner = 2"),
                     900);
    assert_int_equal(place_count(place, "SELECT horizon FROM _weft_position WHERE owner = 2"), 899);
    assert_int_equal(place_count(place, "SELECT sweep IS NULL FROM _weft_position WHERE owner = 2"),
                     1);
    assert_int_equal(place_count(place, "SELECT position FROM _weft_ack"), 898);
    assert_int_equal(place_count(place, "SELECT value FROM _weft_meta WHERE key = 'clock'"),
                     clock + 900);
    struct vector positions;
    vector_init(&positions);
    library_ok(&place->a, writer_load_positions(writer, &positions, why));
    assert_int_equal(positions.count, 2);
    assert_int_equal(vector_get(&positions, &stream), 900);
    vector_free(&positions);
}

struct visited {
    unsigned acks, sweeps, tombstones;
    uint64_t position, cursor, oldest;
    struct id from;
};

static void visit_ack(void *context, const struct id *device, const struct stream *stream,
                      uint64_t position) {
    struct visited *visited = context;
    (void)stream;
    visited->acks++;
    visited->from = *device;
    visited->position = position;
}
static void visit_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    struct visited *visited = context;
    (void)stream;
    visited->sweeps++;
    visited->cursor = cursor;
}
static void visit_oldest(void *context, const struct stream *stream, uint64_t version_of) {
    struct visited *visited = context;
    (void)stream;
    visited->tombstones++;
    visited->oldest = version_of;
}

static void acks_sweeps_and_oldest_tombstones_are_visited(void **state) {
    struct place *place = *state;
    struct id me = library_id(ME), them = library_id(THEM);
    struct stream stream = library_stream(&place->a, &me, "entry");
    struct stream theirs = library_stream(&place->a, &them, "entry");
    struct writer *writer = place->a.writer;
    struct weft_error *why = &place->a.why;
    run_put(&place->run, "bbti", 1, 0xaa, "x", INT64_C(1));
    run_put(&place->run, "bbti", 2, 0xaa, "x", INT64_C(1));
    run_delete(&place->run, "b", 1);
    run_delete(&place->run, "b", 2);
    place_commits(place);
    library_ok(&place->a, writer_begin(writer, why));
    library_ok(&place->a, writer_ack(writer, &them, &stream, 44, why));
    library_ok(&place->a, writer_sweep_cursor(writer, &theirs, true, 33, why));
    library_ok(&place->a, writer_commit(writer, why));
    struct visited visited = {0};
    const struct writer_visit visit = {&visited, visit_sweep, visit_ack, visit_oldest};
    library_ok(&place->a, writer_visit(writer, &visit, why));
    assert_int_equal(visited.acks, 1);
    assert_true(id_equal(&visited.from, &them));
    assert_int_equal(visited.position, 44);
    assert_int_equal(visited.sweeps, 1);
    assert_int_equal(visited.cursor, 33);
    assert_int_equal(visited.tombstones, 1);
    assert_int_equal(visited.oldest, place_version(place, 2));
    const struct writer_visit nothing = {0};
    library_ok(&place->a, writer_visit(writer, &nothing, why));
}

static void tombstones_are_forgotten_in_slices_and_leave_a_horizon(void **state) {
    struct place *place = *state;
    struct id me = library_id(ME);
    struct stream stream = library_stream(&place->a, &me, "entry");
    struct writer *writer = place->a.writer;
    struct weft_error *why = &place->a.why;
    for (int i = 1; i <= 10; i++)
        run_put(&place->run, "bbti", i, 0xaa, "x", INT64_C(1));
    for (int i = 1; i <= 10; i++)
        run_delete(&place->run, "b", i);
    place_commits(place);
    const uint32_t counts[] = {4, 4, 1, 0};
    for (int i = 0; i < 4; i++) {
        uint32_t count = 99;
        library_ok(&place->a, writer_begin(writer, why));
        library_ok(&place->a,
                   writer_forget(writer, &stream, place_version(place, 18), 4, &count, why));
        library_ok(&place->a, writer_commit(writer, why));
        assert_int_equal(count, counts[i]);
        uint32_t last = i == 0 ? 13 : i == 1 ? 17 : 18;
        assert_int_equal(place_count(place, "SELECT max(horizon) FROM _weft_position"),
                         place_version(place, last));
    }
    assert_int_equal(place_count(place, "SELECT version FROM _weft_tombstone"),
                     place_version(place, 19));
}

static void no_more_devices_than_allowed_are_taken_in(void **state) {
    struct place *place = *state;
    struct weft_error *why = &place->a.why;
    char text[ID_TEXT_SIZE];
    struct id id;
    uint32_t number = 0, again = 0;
    library_ok(&place->a, writer_begin(place->a.writer, why));
    for (unsigned i = 2; i <= LIMIT_MEMBERS; i++) {
        id = library_id((uint8_t)i);
        library_ok(&place->a, writer_device(place->a.writer, &id, &number, why));
        assert_int_equal(number, i);
    }
    id = library_id((uint8_t)(LIMIT_MEMBERS + 1));
    assert_int_equal(writer_device(place->a.writer, &id, &number, why), WEFT_LIMIT);
    id_text(&id, text);
    assert_non_null(strstr(why->text, text));
    library_ok(&place->a, writer_commit(place->a.writer, why));
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_device"), LIMIT_MEMBERS);
    /* All of them have room in memory, and are told apart there. */
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 1; i <= LIMIT_MEMBERS; i++) {
            id = library_id((uint8_t)i);
            library_ok(&place->a, writer_device(place->a.writer, &id, &again, why));
            assert_int_equal(again, i);
        }
    }
}

/* ---- scans ----------------------------------------------------------------------------------- */

static bool keep_even(void *context, const struct weft_value *key, uint32_t key_count) {
    unsigned *asked = context;
    ++*asked;
    assert_int_equal(key_count, 1);
    return ((const uint8_t *)key[0].as.bytes)[0] % 2 == 0;
}

static void a_scan_deletes_in_slices_what_it_has_not_seen(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbn", 0xab, ME);
    place_commits(place);
    place_fresh(place, "entry");
    for (int i = 0; i < 200; i++) {
        run_put(run, "bbti", i, i < 150 ? 0xaa : 0xab, "x", INT64_C(1));
    }
    place_commits(place);
    uint64_t mark = library_version(&place->a);
    place_fresh(place, "entry");
    for (int i = 1; i < 20; i += 2)
        run_put(run, "bbti", i, 0xaa, "again", INT64_C(1));
    place_commits(place);

    unsigned asked = 0, slices = 0;
    struct id scope = library_id(0xaa);
    struct writer_sweep sweep = {.model =
                                     models_get(place->a.store.models, run->builder.rows->model),
                                 .column = 1,
                                 .scope = weft_blob(scope.bytes, 16),
                                 .mark = mark,
                                 .keep = keep_even,
                                 .context = &asked};
    uint64_t next = place->a.clock + 1;
    const uint64_t first = next;
    bool more = true;
    place_fresh(place, "entry");
    for (; more; slices++) {
        library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
        library_ok(&place->a, writer_scan_sweep(place->a.writer, &sweep, 10, &next, &run->builder,
                                                &more, &place->a.why));
        library_ok(&place->a, writer_commit(place->a.writer, &place->a.why));
        assert_true(slices < 100);
    }
    /* Of 0xaa's 150, 75 are odd, and ten of these were written again. */
    assert_int_equal(asked, 140);
    assert_int_equal(run->builder.rows->count, 65);
    assert_int_equal(next, first + 65);
    assert_true(slices >= 7);
    for (uint32_t i = 0; i < 65; i++) {
        assert_int_equal(place_op(place, i), ROW_DELETE);
        assert_int_equal(place_version(place, i), first + i);
    }
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 135);
    assert_int_equal(place_count(place, "SELECT count(*) FROM _weft_tombstone"), 65);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry WHERE location_id = "
                                        "x'abababababababababababababababab'"),
                     50);
}

static void a_scan_looks_at_few_rows_at_a_time(void **state) {
    struct place *place = *state;
    for (int i = 0; i < 100; i++)
        run_put(&place->run, "bbti", i, 0xaa, "x", INT64_C(1));
    place_commits(place);
    struct id scope = library_id(0x77); /* nothing is in it */
    struct writer_sweep sweep = {
        .model = models_get(place->a.store.models, place->run.builder.rows->model),
        .column = 1,
        .scope = weft_blob(scope.bytes, 16),
        .mark = place->a.clock + 1};
    uint64_t next = place->a.clock + 1;
    struct run *run = place_fresh(place, "entry");
    bool more = true;
    unsigned slices = 0;
    for (; more; slices++) {
        library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
        library_ok(&place->a, writer_scan_sweep(place->a.writer, &sweep, 1, &next, &run->builder,
                                                &more, &place->a.why));
        library_ok(&place->a, writer_commit(place->a.writer, &place->a.why));
    }
    assert_int_equal(slices, 7); /* 16 rows each */
    assert_int_equal(run->builder.rows->count, 0);
}

/* ---- failures of the disk -------------------------------------------------------------------- */

static void a_full_file_fails_one_transaction_only(void **state) {
    struct place *place = *state;
    sqlite3 *db = place->a.writer->db;
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(sqlite3_exec(db, "PRAGMA max_page_count = 30", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 100; i++)
        run_put(&place->run, "bbti", i, 0xaa, text, INT64_C(1));
    place_refused(place, WEFT_DISK_FULL, "the disk is full");
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 0);
    assert_int_equal(sqlite3_exec(db, "PRAGMA max_page_count = 4000", NULL, NULL, NULL), SQLITE_OK);
    place_commits(place);
    assert_int_equal(place_count(place, "SELECT count(*) FROM entry"), 100);
}

static int failing_sync(sqlite3_file *file, int flags) {
    (void)file, (void)flags;
    return SQLITE_IOERR_FSYNC;
}

static void after_a_failed_sync_nothing_more_is_written(void **state) {
    struct place *place = *state;
    sqlite3_file *log = NULL;
    assert_int_equal(
        sqlite3_file_control(place->a.writer->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log),
        SQLITE_OK);
    const sqlite3_io_methods *sound = log->pMethods;
    sqlite3_io_methods failing = *sound;
    failing.xSync = failing_sync;
    log->pMethods = &failing;
    run_put(&place->run, "bbti", 1, 0xaa, "x", INT64_C(1));
    place_refused(place, WEFT_SYNC_FAILED, "committing to");
    log->pMethods = sound;
    assert_int_equal(writer_begin(place->a.writer, &place->a.why), WEFT_SYNC_FAILED);
    /* What had been committed before is there after a new start. */
    run_drop(&place->run);
    library_reopen(&place->a, place_schema, ME);
    run_begin(&place->run, &place->a, "entry");
    place_text(place, "SELECT path FROM location", "/home");
}

/* SQLite rolls back by itself after some failures, also of a statement that only reads and whose
 * failure nobody minds: what is written after it must not be committed alone. */
static void nothing_is_written_when_the_transaction_has_gone(void **state) {
    struct place *place = *state;
    struct writer *writer = place->a.writer;
    struct weft_error *why = &place->a.why;
    const uint64_t clock = place->a.clock + 100;
    library_ok(&place->a, writer_begin(writer, why));
    library_ok(&place->a, writer_clock(writer, clock, why));
    assert_int_equal(sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(writer_clock(writer, clock + 1, why), WEFT_IO);
    assert_int_equal(writer_commit(writer, why), WEFT_IO);
    assert_true(place_count(place, "SELECT value FROM _weft_meta WHERE key = 'clock'") <
                (int64_t)clock);
    library_ok(&place->a, writer_begin(writer, why));
    library_ok(&place->a, writer_clock(writer, clock, why));
    library_ok(&place->a, writer_commit(writer, why));
    assert_int_equal(place_count(place, "SELECT value FROM _weft_meta WHERE key = 'clock'"), clock);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(positions_horizons_acks_and_the_clock_only_grow),
        place_test(acks_sweeps_and_oldest_tombstones_are_visited),
        place_test(tombstones_are_forgotten_in_slices_and_leave_a_horizon),
        place_test(no_more_devices_than_allowed_are_taken_in),
        place_test(a_scan_deletes_in_slices_what_it_has_not_seen),
        place_test(a_scan_looks_at_few_rows_at_a_time),
        place_test(a_full_file_fails_one_transaction_only),
        place_test(nothing_is_written_when_the_transaction_has_gone),
        place_test(after_a_failed_sync_nothing_more_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
