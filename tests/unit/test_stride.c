/* Reading in the table's order: that it gives what the index gives, when it is used, and that its
 * work is bounded when it cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "engine/store/stride.h"
#include "tests/lib/place.h"
#include "tests/sim/rng.h"

#define ROWS 200

static void put_in_order(struct place *place, int count) {
    struct run *run = place_fresh(place, "entry");
    for (int i = 0; i < count; i++)
        run_put(run, "bbti", i, 0xaa, "x", (int64_t)i);
    place_commits(place);
}

struct walk {
    struct stride stride;
    sqlite3 *db;
    const struct model *model;
    uint32_t rows;
};

/* Reads as far as it goes; the versions it gives grow. */
static void walk(struct place *place, struct walk *walk, uint64_t after, uint32_t rows_max) {
    uint64_t last = after;
    bool row = true;
    walk->rows = 0;
    walk->model = models_get(place->a.store.models, library_model(&place->a, "entry"));
    if (walk->db == NULL) assert_int_equal(sqlite3_open(place->a.path, &walk->db), SQLITE_OK);
    library_ok(&place->a, stride_begin(&walk->stride, walk->db, walk->model, 1, after, INT64_MAX,
                                       rows_max, &place->a.why));
    while (row) {
        library_ok(&place->a, stride_step(&walk->stride, walk->model, &row, &place->a.why));
        walk->rows += row;
        assert_true(!row || walk->stride.last > last);
        last = walk->stride.last;
    }
}

/* Whether that was all there is; ends it. */
static bool walk_whole(struct place *place, struct walk *walk, uint64_t upto) {
    bool whole = false;
    library_ok(&place->a,
               stride_whole(&walk->stride, walk->model, walk->rows, upto, &whole, &place->a.why));
    stride_end(&walk->stride, whole);
    return whole;
}

static void walk_drop(struct walk *walk) {
    stride_close(&walk->stride);
    assert_int_equal(sqlite3_close(walk->db), SQLITE_OK);
}

static void keys_that_grow_as_versions_do_are_read_in_the_tables_order(void **state) {
    struct place *place = *state;
    struct walk walked = {0};
    put_in_order(place, ROWS);
    walk(place, &walked, 0, 100);
    assert_int_equal(walked.rows, 100);
    assert_int_equal(walked.stride.last, walked.stride.high);
    const uint64_t half = walked.stride.high;
    assert_true(walk_whole(place, &walked, half));
    walk(place, &walked, half, LIMIT_ROWS);
    assert_int_equal(walked.rows, ROWS - 100);
    assert_true(walk_whole(place, &walked, INT64_MAX));
    walk_drop(&walked);
}

static void rows_that_were_written_again_are_passed_over(void **state) {
    struct place *place = *state;
    struct walk walked = {0};
    put_in_order(place, 100);
    const uint64_t first = place->a.clock;
    struct run *run = place_fresh(place, "entry");
    for (int i = 0; i < 100; i += 10)
        run_set(run, "bt", i, "name", "again");
    place_commits(place);
    walk(place, &walked, 0, 90); /* Those that stayed: the first is 1, not 0. */
    assert_int_equal(walked.rows, 90);
    assert_int_equal(walked.stride.high, first);
    assert_int_equal(walked.stride.passed, 9);
    assert_true(walk_whole(place, &walked, first));
    walk_drop(&walked);
}

static void a_row_that_stands_elsewhere_is_not_lost(void **state) {
    struct place *place = *state;
    struct walk walked = {0};
    struct run *run = place_fresh(place, "entry");
    run_put(run, "bbti", 50, 0xaa, "x", INT64_C(1)); /* The first of the stretch. */
    run_put(run, "bbti", 40, 0xaa, "x", INT64_C(1)); /* Before it in the table. */
    place_commits(place);
    run = place_fresh(place, "entry");
    for (int i = 51; i < 150; i++)
        run_put(run, "bbti", i, 0xaa, "x", INT64_C(1));
    place_commits(place);
    walk(place, &walked, 0, 101);
    assert_int_equal(walked.rows, 100);
    assert_false(walk_whole(place, &walked, walked.stride.high));
    assert_int_equal(walked.stride.hopeless, STRIDE_HOPELESS);
    walk(place, &walked, 0, 101);
    assert_int_equal(walked.stride.wanted, 0); /* By the index, for a while. */
    walk_drop(&walked);
}

static void what_was_read_of_a_stretch_that_is_cut_is_counted(void **state) {
    struct place *place = *state;
    struct walk walked = {0};
    bool whole = true;
    put_in_order(place, 60);
    const uint64_t sixty = place->a.clock;
    struct run *run = place_fresh(place, "entry");
    run_put(run, "bbti", 200, 0xaa, "x", INT64_C(1));
    run_put(run, "bbti", 60, 0xaa, "x", INT64_C(1));
    place_commits(place);
    walk(place, &walked, 0, 62);
    assert_true(
        walked.stride.astray);    /* 200 comes after 60 in the table, and was written before. */
    walked.stride.astray = false; /* As if it had been left off before that. */
    library_ok(&place->a,
               stride_whole(&walked.stride, walked.model, 60, sixty, &whole, &place->a.why));
    assert_true(whole);
    library_ok(&place->a,
               stride_whole(&walked.stride, walked.model, 59, sixty, &whole, &place->a.why));
    assert_false(whole);
    stride_end(&walked.stride, true);
    walk_drop(&walked);
}

static void many_rows_that_do_not_belong_to_it_end_the_walk(void **state) {
    struct place *place = *state;
    struct walk walked = {0};
    put_in_order(place, 240);
    const uint64_t before = place->a.clock;
    struct run *run = place_fresh(place, "entry");
    for (int i = 0; i < 20; i++)
        run_set(run, "bt", i, "name", "again");
    for (int i = 220; i < 240; i++)
        run_set(run, "bt", i, "name", "again");
    place_commits(place);
    walk(place, &walked, before, LIMIT_ROWS);
    assert_int_equal(walked.stride.wanted, 40);
    assert_int_equal(walked.rows, 20);
    assert_true(walked.stride.astray);
    assert_true(walked.stride.passed <= STRIDE_ROWS + 40 / 8 + 1);
    assert_false(walk_whole(place, &walked, INT64_MAX));
    walk_drop(&walked);
}

/* ---- the reader, however it reads ------------------------------------------------------------ */

/* Reads everything in batches; their versions are those that SQL gives, one by one. */
static void read_all(struct place *place, struct rng *rng) {
    const struct id me = library_id(ME);
    const struct stream stream = library_stream(&place->a, &me, "entry");
    static const char all[] =
        "SELECT v FROM (SELECT _weft_version AS v FROM entry WHERE _weft_owner = 1 "
        "UNION ALL SELECT version FROM _weft_tombstone WHERE owner = 1) ORDER BY v";
    sqlite3 *db = NULL;
    sqlite3_stmt *wanted = NULL;
    assert_int_equal(sqlite3_open(place->a.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, all, -1, &wanted, NULL), SQLITE_OK);
    uint64_t after = 0;
    for (bool more = true; more;) {
        struct arena arena;
        struct reader_batch batch;
        arena_init(&arena, place->a.pool);
        const uint32_t rows_max = 1 + (uint32_t)rng_below(rng, 120);
        const size_t bytes_max = rng_below(rng, 2) == 0 ? SIZE_MAX : 1 + rng_below(rng, 6000);
        library_ok(&place->a, reader_after(place->a.reader, &stream, after, false, rows_max,
                                           bytes_max, &arena, &batch, &place->a.why));
        assert_true(rows_valid(batch.rows, 4));
        for (uint32_t row = 0; row < batch.rows->count; row++) {
            assert_int_equal(sqlite3_step(wanted), SQLITE_ROW);
            assert_int_equal(rows_version(batch.rows, row), sqlite3_column_int64(wanted, 0));
        }
        after = batch.rows->upto;
        more = batch.more;
        arena_drop(&arena);
    }
    assert_int_equal(sqlite3_step(wanted), SQLITE_DONE);
    sqlite3_finalize(wanted);
    sqlite3_close(db);
}

static void whatever_was_written_everything_is_read_once_and_in_order(void **state) {
    struct place *place = *state;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct rng rng;
        rng_seed(&rng, seed, 0);
        const uint64_t wild = rng_below(&rng, 4); /* 0: nearly in order */
        for (int key = 0; key < 250;) {
            struct run *run = place_fresh(place, "entry");
            for (int i = 0; i < 50; i++, key++) {
                const bool again = rng_below(&rng, 64) < 20 * wild + 1;
                const int which = again ? (int)rng_below(&rng, 250) : key % 250;
                if (again && rng_below(&rng, 3) == 0) {
                    run_delete(run, "b", which);
                } else {
                    run_put(run, "bbti", which, 0xaa, "x", (int64_t)key + (int64_t)seed);
                }
            }
            place_commits(place);
        }
        read_all(place, &rng);
    }
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        place_test(keys_that_grow_as_versions_do_are_read_in_the_tables_order),
        place_test(rows_that_were_written_again_are_passed_over),
        place_test(a_row_that_stands_elsewhere_is_not_lost),
        place_test(what_was_read_of_a_stretch_that_is_cut_is_counted),
        place_test(many_rows_that_do_not_belong_to_it_end_the_walk),
        place_test(whatever_was_written_everything_is_read_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
