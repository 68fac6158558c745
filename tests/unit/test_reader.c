/* The reader: batches in version order, their bounds, horizons; and that whatever two devices
 * write, whoever passes it on, and however it is cut into batches, the tables become the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/place.h"
#include "tests/sim/rng.h"

#define EVERYTHING LIMIT_ROWS, SIZE_MAX

struct reading {
    struct arena arena;
    struct reader_batch batch;
};

static struct reader_batch *read_after(struct place *place, struct reading *reading, uint8_t owner,
                                       const char *table, uint64_t after, bool sweep,
                                       uint32_t rows_max, size_t bytes_max) {
    struct id id = library_id(owner);
    struct stream stream = library_stream(&place->a, &id, table);
    arena_init(&reading->arena, place->a.pool);
    library_ok(&place->a, reader_after(place->a.reader, &stream, after, sweep, rows_max, bytes_max,
                                       &reading->arena, &reading->batch, &place->a.why));
    return &reading->batch;
}

static void what_was_written_is_read_back_in_version_order(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    run_put(run, "itbnnnn", INT64_C(-1), "a", ME);
    run_put(run, "itbttrn", INT64_C(2), "b", ME, "any", "", 0.25);
    run_put(run, "itbbnin", INT64_C(3), "c", ME, 7, INT64_C(1) << 60);
    run_delete(run, "ti", "b", INT64_C(2));
    run_set(run, "tit", "a", INT64_C(-1), "label", "moved to the end");
    place_commits(place);
    struct reading reading;
    struct reader_batch *batch = read_after(place, &reading, ME, "misc", 0, false, EVERYTHING);
    const Weft__Rows *rows = batch->rows;
    struct id me = library_id(ME);
    assert_int_equal(rows->owner.len, 16);
    assert_memory_equal(rows->owner.data, me.bytes, 16);
    assert_int_equal(rows->model, library_model(&place->a, "misc"));
    assert_int_equal(rows->count, 3);
    assert_false(batch->more);
    assert_false(batch->sweep);
    assert_int_equal(batch->position, place->a.clock);
    assert_int_equal(rows->upto, place->a.clock);
    assert_true(rows_valid(rows, 7));

    assert_int_equal(rows_version(rows, 0), place_version(place, 2));
    assert_int_equal(rows_value(rows, 0, 3).type, WEFT_BLOB);
    assert_int_equal(rows_value(rows, 0, 5).as.integer, INT64_C(1) << 60);
    assert_int_equal(rows_op(rows, 1), ROW_DELETE);
    assert_int_equal(rows_version(rows, 1), place_version(place, 3));
    assert_int_equal(rows_value(rows, 1, 0).as.integer, 2);
    assert_memory_equal(rows_value(rows, 1, 1).as.bytes, "b", 1);
    assert_int_equal(rows_value(rows, 1, 2).type, WEFT_NULL);
    assert_int_equal(rows_version(rows, 2), place_version(place, 4));
    assert_memory_equal(rows_value(rows, 2, 4).as.bytes, "moved to the end", 16);
    arena_drop(&reading.arena);
}

static void an_empty_text_stays_a_text(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "misc");
    run_put(run, "itbttnn", INT64_C(1), "", ME, "", "");
    place_commits(place);
    struct reading reading;
    const Weft__Rows *rows = read_after(place, &reading, ME, "misc", 0, false, EVERYTHING)->rows;
    for (uint32_t c = 1; c <= 4; c += c == 1 ? 2 : 1) {
        assert_int_equal(rows_value(rows, 0, c).type, WEFT_TEXT);
        assert_int_equal(rows_value(rows, 0, c).size, 0);
    }
    arena_drop(&reading.arena);
    place_text(place, "SELECT typeof(any) || typeof(label) FROM misc", "texttext");
}

static void batches_are_bounded_by_rows_and_by_bytes(void **state) {
    struct place *place = *state;
    for (int i = 1; i <= 20; i++)
        run_put(&place->run, "bbti", i, 0xaa, "name", (int64_t)i);
    place_commits(place);
    struct reading reading;
    struct reader_batch *batch = read_after(place, &reading, ME, "entry", 0, false, 7, SIZE_MAX);
    assert_int_equal(batch->rows->count, 7);
    assert_true(batch->more);
    assert_int_equal(batch->rows->upto, place_version(place, 6));
    arena_drop(&reading.arena);
    batch = read_after(place, &reading, ME, "entry", place_version(place, 6), false, 13, SIZE_MAX);
    assert_int_equal(batch->rows->count, 13);
    assert_false(batch->more);
    assert_int_equal(batch->rows->upto, batch->position);
    arena_drop(&reading.arena);
    batch = read_after(place, &reading, ME, "entry", 0, false, LIMIT_ROWS, 1);
    assert_int_equal(batch->rows->count, 1);
    assert_true(batch->more);
    arena_drop(&reading.arena);
    batch = read_after(place, &reading, ME, "entry", 0, false, LIMIT_ROWS, 500);
    assert_true(batch->rows->count > 1 && batch->rows->count < 20);
    arena_drop(&reading.arena);
}

static void nothing_lies_behind_the_position(void **state) {
    struct place *place = *state;
    run_put(&place->run, "bbti", 1, 0xaa, "name", INT64_C(1));
    place_commits(place);
    struct reading reading;
    struct reader_batch *batch =
        read_after(place, &reading, ME, "entry", place->a.clock, false, EVERYTHING);
    assert_int_equal(batch->rows->count, 0);
    assert_false(batch->more);
    assert_int_equal(batch->rows->upto, place->a.clock);
    arena_drop(&reading.arena);
    /* A place ahead of this device, and a stream that it knows nothing of. */
    batch = read_after(place, &reading, ME, "entry", place->a.clock + 9, false, EVERYTHING);
    assert_int_equal(batch->rows->count, 0);
    assert_int_equal(batch->rows->upto, place->a.clock + 9);
    assert_int_equal(batch->position, place->a.clock);
    arena_drop(&reading.arena);
    batch = read_after(place, &reading, OTHERS, "entry", 0, false, EVERYTHING);
    assert_int_equal(batch->rows->count, 0);
    assert_int_equal(batch->position, 0);
    arena_drop(&reading.arena);
    /* A row above the position belongs to a commit whose position is not there: not yet held. */
    library_sql(&place->a, "UPDATE _weft_position SET position = position - 1");
    batch = read_after(place, &reading, ME, "entry", 0, false, EVERYTHING);
    assert_int_equal(batch->rows->count, 0);
    arena_drop(&reading.arena);
}

static void a_place_below_the_horizon_is_sent_to_sweep(void **state) {
    struct place *place = *state;
    for (int i = 1; i <= 4; i++)
        run_put(&place->run, "bbti", i, 0xaa, "name", INT64_C(1));
    run_delete(&place->run, "b", 1);
    place_commits(place);
    struct id me = library_id(ME);
    struct stream stream = library_stream(&place->a, &me, "entry");
    uint32_t count = 0;
    library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
    library_ok(&place->a,
               writer_forget(place->a.writer, &stream, place->a.clock, 9, &count, &place->a.why));
    library_ok(&place->a, writer_commit(place->a.writer, &place->a.why));
    assert_int_equal(count, 1);
    const uint64_t horizon = place_version(place, 4), below = horizon - 1;
    const struct {
        uint64_t after;
        bool sweeping, anew;
        uint32_t rows;
    } cases[] = {{0, false, false, 3},
                 {below, false, true, 0},
                 {below, true, false, 0},
                 {place_version(place, 1), true, false, 2},
                 {horizon, false, false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        struct reader_batch *batch =
            read_after(place, &reading, ME, "entry", cases[i].after, cases[i].sweeping, EVERYTHING);
        assert_int_equal(batch->sweep, cases[i].anew);
        assert_int_equal(batch->rows->sweep, cases[i].sweeping);
        assert_int_equal(batch->rows->count, cases[i].rows);
        assert_int_equal(batch->rows->horizon, horizon);
        arena_drop(&reading.arena);
    }
}

static void parked_rows_are_passed_on(void **state) {
    struct place *place = *state;
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xb0, THEM, "/one");
    run_put(run, "bbt", 0xb1, THEM, "/home"); /* parked: this device has that path */
    run_put(run, "bbt", 0xb2, THEM, "/two");
    run_delete(run, "b", 0xb2);
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    struct reading reading;
    const Weft__Rows *rows =
        read_after(place, &reading, THEM, "location", 0, false, EVERYTHING)->rows;
    assert_int_equal(rows->count, 3);
    assert_int_equal(rows_version(rows, 1), place_version(place, 1));
    assert_int_equal(rows_op(rows, 1), ROW_PUT);
    assert_memory_equal(rows_value(rows, 1, 2).as.bytes, "/home", 5);
    assert_int_equal(rows_op(rows, 2), ROW_DELETE);
    arena_drop(&reading.arena);
}

/* A member that passes rows on can say that two have one version. */
static void of_two_rows_of_one_version_one_is_sent(void **state) {
    struct place *place = *state;
    for (int i = 1; i <= 3; i++)
        run_put(&place->run, "bbti", i, 0xaa, "name", INT64_C(1));
    place_commits(place);
    library_sql(&place->a,
                "UPDATE entry SET _weft_version = (SELECT max(_weft_version) FROM entry) "
                "WHERE id = (SELECT min(id) FROM entry)");
    for (uint32_t rows_max = 1; rows_max <= 2; rows_max++) {
        struct reading reading;
        uint64_t after = 0;
        uint32_t sent = 0;
        for (bool more = true; more;) {
            struct reader_batch *batch =
                read_after(place, &reading, ME, "entry", after, false, rows_max, SIZE_MAX);
            after = batch->rows->upto;
            sent += batch->rows->count;
            more = batch->more;
            arena_drop(&reading.arena);
        }
        assert_int_equal(sent, 2);
        assert_int_equal(after, place->a.clock);
    }
    char restored[128];
    (void)snprintf(restored, sizeof restored,
                   "UPDATE entry SET _weft_version = %llu WHERE id = (SELECT min(id) FROM entry)",
                   (unsigned long long)place_version(place, 0));
    library_sql(&place->a, restored);
}

static void visit_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    uint64_t *sum = context;
    *sum += cursor + stream->model * 1000;
}

static void positions_and_sweeps_are_listed(void **state) {
    struct place *place = *state;
    struct id them = library_id(THEM);
    struct stream stream = library_stream(&place->a, &them, "entry");
    uint64_t sum = 0;
    library_ok(&place->a, writer_begin(place->a.writer, &place->a.why));
    library_ok(&place->a, writer_position(place->a.writer, &stream, 77, &place->a.why));
    library_ok(&place->a, writer_sweep_cursor(place->a.writer, &stream, true, 55, &place->a.why));
    library_ok(&place->a, writer_commit(place->a.writer, &place->a.why));
    assert_int_equal(library_position(&place->a, &stream), 77);
    library_ok(&place->a, reader_sweeps(place->a.reader, &sum, visit_sweep, &place->a.why));
    assert_int_equal(sum, 55 + stream.model * 1000);
}

static void a_damaged_key_is_told_and_not_sent(void **state) {
    struct place *place = *state;
    run_put(&place->run, "bbti", 1, 0xaa, "name", INT64_C(1));
    run_delete(&place->run, "b", 1);
    place_commits(place);
    library_sql(&place->a, "UPDATE _weft_tombstone SET key = x'04ffff'");
    struct id me = library_id(ME);
    struct stream stream = library_stream(&place->a, &me, "entry");
    struct arena arena;
    struct reader_batch batch;
    arena_init(&arena, place->a.pool);
    assert_int_equal(
        reader_after(place->a.reader, &stream, 0, false, EVERYTHING, &arena, &batch, &place->a.why),
        WEFT_CORRUPT);
    arena_drop(&arena);
    /* The transaction was ended: the next call works. */
    library_sql(&place->a, "DELETE FROM _weft_tombstone");
    arena_init(&arena, place->a.pool);
    library_ok(&place->a, reader_after(place->a.reader, &stream, 0, false, EVERYTHING, &arena,
                                       &batch, &place->a.why));
    arena_drop(&arena);
}

/* ---- any order, any cut ---------------------------------------------------------------------- */

/* Three libraries. Each writes its own rows; the first and the second take each other's; the third
 * takes everything from the second, the first's rows included. */
#define TABLES 2u
#define KEYS 24u

struct trio {
    struct library of[3];
    struct rng rng;
    struct pull pulls[3 * 2 * TABLES];
    unsigned pull_count;
};

static const char *const tables[TABLES] = {"location", "entry"};

static uint32_t draw(struct trio *trio, uint32_t below) {
    return (uint32_t)(rng_below(&trio->rng, below));
}

/* One location or entry of library `n`: keys do not meet, paths may within one library. */
static void random_row(struct trio *trio, struct run *run, unsigned n, unsigned table) {
    const int key = (int)(n * 64 + 1 + draw(trio, KEYS));
    char text[32];
    snprintf(text, sizeof text, "%u-%u", n, draw(trio, 60));
    const uint32_t choice = draw(trio, 60);
    if (choice < 12) {
        run_delete(run, "b", key);
    } else if (table == 0) {
        run_put(run, "bbt", key, (int)n + 1, draw(trio, 2) == 0 ? NULL : text);
    } else if (choice < 58) {
        run_put(run, "bbti", key, (int)(n * 64), text, (int64_t)draw(trio, 3));
    } else {
        run_set(run, "bt", key, "name", text);
    }
}

/* A transaction; it may be refused (a path taken, a row to set not there), and then does
 * nothing. */
static void random_commit(struct trio *trio) {
    const unsigned n = draw(trio, 3), table = draw(trio, TABLES);
    struct run run;
    run_begin(&run, &trio->of[n], tables[table]);
    for (uint32_t rows = 1 + draw(trio, 25); rows > 0; rows--)
        random_row(trio, &run, n, table);
    enum weft_status status = run_commit(&run, NULL);
    assert_true(status == WEFT_OK || status == WEFT_CONSTRAINT || status == WEFT_NOT_FOUND);
    run_drop(&run);
}

/* Forgets own tombstones, also some that others have not seen: they will have to sweep. */
static void random_forget(struct trio *trio) {
    struct library *library = &trio->of[draw(trio, 3)];
    struct stream stream =
        library_stream(library, &library->store.device, tables[draw(trio, TABLES)]);
    const uint64_t position = library_position(library, &stream);
    if (position == 0) return;
    uint32_t count = 0;
    library_ok(library, writer_begin(library->writer, &library->why));
    library_ok(library, writer_forget(library->writer, &stream, position - draw(trio, 60), 30,
                                      &count, &library->why));
    library_ok(library, writer_commit(library->writer, &library->why));
}

static void trio_pull(struct trio *trio, unsigned to, unsigned from, unsigned owner) {
    for (unsigned table = 0; table < TABLES; table++) {
        struct pull *pull = &trio->pulls[trio->pull_count++];
        *pull = (struct pull){.to = &trio->of[to], .from = &trio->of[from]};
        pull->stream = library_stream(&trio->of[to], &trio->of[owner].store.device, tables[table]);
    }
}

static void trio_open(struct trio *trio, const char *folder, uint64_t seed) {
    *trio = (struct trio){0};
    rng_seed(&trio->rng, seed, 0);
    for (unsigned n = 0; n < 3; n++) {
        char name[32];
        snprintf(name, sizeof name, "%u-%u.weft", (unsigned)seed, n);
        library_open(&trio->of[n], folder, name, place_schema, (uint8_t)(n + 1));
        struct run run;
        run_begin(&run, &trio->of[n], "location");
        run_put(&run, "bbn", (int)(n * 64), (int)n + 1);
        library_ok(&trio->of[n], run_commit(&run, NULL));
        run_drop(&run);
    }
    trio_pull(trio, 0, 1, 1);
    trio_pull(trio, 1, 0, 0);
    trio_pull(trio, 1, 2, 2);
    trio_pull(trio, 2, 1, 1);
    trio_pull(trio, 2, 1, 0);
    trio_pull(trio, 0, 1, 2);
}

/* The rows of the tables, by their devices, as SQLite sees them from outside. */
static void trio_compare(struct trio *trio, unsigned other) {
    char sql[1024];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(trio->of[0].path, &db), SQLITE_OK);
    snprintf(sql, sizeof sql, "ATTACH '%s' AS other", trio->of[other].path);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    for (unsigned table = 0; table < TABLES; table++) {
        for (unsigned way = 0; way < 2; way++) {
            const char *columns =
                table == 0 ? "t.id, device_id, path" : "t.id, location_id, name, size";
            const char *left = way == 0 ? "main" : "other", *right = way == 0 ? "other" : "main";
            snprintf(sql, sizeof sql,
                     "SELECT count(*) FROM ("
                     "SELECT %s, _weft_version, device FROM %s.%s AS t JOIN %s._weft_device AS d "
                     "ON d.id = t._weft_owner EXCEPT "
                     "SELECT %s, _weft_version, device FROM %s.%s AS t JOIN %s._weft_device AS d "
                     "ON d.id = t._weft_owner)",
                     columns, left, tables[table], left, columns, right, tables[table], right);
            sqlite3_stmt *query = NULL;
            if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK) {
                fail_msg("%s", sqlite3_errmsg(db));
            }
            assert_int_equal(sqlite3_step(query), SQLITE_ROW);
            if (sqlite3_column_int(query, 0) != 0) {
                fail_msg("%d rows of %s differ between 0 and %u", sqlite3_column_int(query, 0),
                         tables[table], other);
            }
            sqlite3_finalize(query);
        }
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Pulls until nobody has anything left; returns the rows that two of the libraries hold. */
static void trio_settle(struct trio *trio) {
    bool moved = true;
    for (unsigned rounds = 0; moved; rounds++) {
        assert_true(rounds < 10000);
        moved = false;
        for (unsigned i = 0; i < trio->pull_count; i++) {
            moved =
                library_pull(&trio->pulls[i], 1 + draw(trio, 50), 1 + draw(trio, 4000)) || moved;
        }
    }
}

static void all_replicas_become_equal_however_rows_travel(void **state) {
    char folder[SCRATCH_PATH];
    unsigned sweeps = 0;
    (void)state;
    scratch_make(folder);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct trio trio;
        trio_open(&trio, folder, seed);
        for (unsigned step = 0; step < 150; step++) {
            const uint32_t choice = draw(&trio, 20);
            if (choice < 7) {
                random_commit(&trio);
            } else if (choice == 7 && seed % 2 == 0) {
                random_forget(&trio);
            } else {
                struct pull *pull = &trio.pulls[draw(&trio, trio.pull_count)];
                library_pull(pull, 1 + draw(&trio, 50), 1 + draw(&trio, 4000));
            }
        }
        trio_settle(&trio);
        for (unsigned i = 0; i < trio.pull_count; i++)
            sweeps += trio.pulls[i].sweeps;
        for (unsigned other = 1; other < 3; other++)
            trio_compare(&trio, other);
        for (unsigned n = 0; n < 3; n++) {
            assert_int_equal(library_count(&trio.of[n], "SELECT count(*) FROM _weft_parked"), 0);
            assert_true(library_count(&trio.of[n], "SELECT count(*) FROM entry") > 10);
            library_close(&trio.of[n]);
        }
    }
    assert_true(sweeps > 5);
    scratch_remove(folder);
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(what_was_written_is_read_back_in_version_order),
        place_test(an_empty_text_stays_a_text),
        place_test(batches_are_bounded_by_rows_and_by_bytes),
        place_test(nothing_lies_behind_the_position),
        place_test(a_place_below_the_horizon_is_sent_to_sweep),
        place_test(parked_rows_are_passed_on),
        place_test(of_two_rows_of_one_version_one_is_sent),
        place_test(positions_and_sweeps_are_listed),
        place_test(a_damaged_key_is_told_and_not_sent),
        cmocka_unit_test(all_replicas_become_equal_however_rows_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
