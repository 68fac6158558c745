/* The writer's watch: it is told of each row that a table shows otherwise than before, by whatever
 * way it came there, and of no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/place.h"
#include "tests/lib/replica.h"
#include "tests/lib/take.h"

/* What was told: "entry+@1 entry-@2 tag*". */
struct told {
    char data[4096];
    struct text text;
    unsigned rows; /* of all kinds, also those that the text has no room for */
};

static void hear(void *context, const struct model *model, enum weft_change_op op,
                 const struct weft_value *key) {
    static const char signs[] = {'?', '+', '-', '*'};
    struct told *told = context;
    if (told->rows++ >= 64) return;
    text_put(&told->text, "%s%s%c", told->text.size == 0 ? "" : " ", model->name, signs[op]);
    assert_int_equal(key == NULL, op == WEFT_CHANGE_MANY);
    for (uint32_t k = 0; key != NULL && k < model->key_count; k++) {
        if (k > 0) text_put(&told->text, ",");
        text_value(&told->text, &key[k]);
    }
}

static void forget(struct told *told) {
    told->text = text_begin(told->data, sizeof told->data);
    told->data[0] = 0;
    told->rows = 0;
}

static void heard(struct told *told, const char *wanted) {
    assert_string_equal(told->data, wanted);
    forget(told);
}

/* ---- owned tables ---------------------------------------------------------------------------- */

static void own_rows_are_told_when_they_change(void **state) {
    struct place *place = *state;
    struct told told;
    const struct writer_watch watch = {hear, &told};
    writer_watch(place->a.writer, &watch);
    forget(&told);
    run_put(&place->run, "bbti", 1, 0xaa, "one", INT64_C(1));
    run_put(&place->run, "bbti", 2, 0xaa, "two", INT64_C(2));
    run_put(&place->run, "bbti", 2, 0xaa, "two", INT64_C(2));
    place_commits(place);
    heard(&told, "entry+@1 entry+@2");

    struct run *run = place_fresh(place, "entry");
    run_put(run, "bbti", 1, 0xaa, "one", INT64_C(1));
    run_set(run, "bt", 2, "name", "zwei");
    run_set(run, "bt", 2, "name", "zwei");
    run_delete(run, "b", 1);
    run_delete(run, "b", 7);
    place_commits(place);
    heard(&told, "entry+@2 entry-@1");

    writer_watch(place->a.writer, NULL);
    run = place_fresh(place, "entry");
    run_put(run, "bbti", 3, 0xaa, "three", INT64_C(1));
    place_commits(place);
    heard(&told, "");
}

/* Statements of many rows: new ones, known ones, and both. */
static void every_row_of_a_large_run_is_told_once(void **state) {
    struct place *place = *state;
    struct told told;
    const struct writer_watch watch = {hear, &told};
    writer_watch(place->a.writer, &watch);
    forget(&told);
    for (int from = 0; from < 60; from += 20) {
        struct run *run = place_fresh(place, "entry");
        for (int i = from; i < from + 40; i++)
            run_put(run, "bbti", i, 0xaa, "same", INT64_C(1));
        place_commits(place);
        assert_int_equal(told.rows, from == 0 ? 40 : 20);
        assert_int_equal(place->tally.written, told.rows);
        forget(&told);
    }
}

static void received_rows_are_told_when_they_change(void **state) {
    struct place *place = *state;
    struct told told;
    const struct writer_watch watch = {hear, &told};
    writer_watch(place->a.writer, &watch);
    forget(&told);
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/theirs");
    run_put(run, "bbt", 0xbc, ME, "/not theirs");
    place_receives(place, THEM);
    heard(&told, "location+@187");
    assert_int_equal(place->tally.parked, 1);
    place_receives(place, THEM); /* The same run again. */
    heard(&told, "");
    run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/moved");
    run_delete(run, "b", 0xbd);
    place_receives(place, THEM);
    heard(&told, "location+@187");
    run = place_fresh(place, "location");
    run_delete(run, "b", 0xbb);
    place_receives(place, THEM);
    heard(&told, "location-@187");
}

static void every_row_of_a_large_received_run_is_told_once(void **state) {
    struct place *place = *state;
    struct told told;
    const struct writer_watch watch = {hear, &told};
    writer_watch(place->a.writer, &watch);
    forget(&told);
    struct run *run = place_fresh(place, "location");
    for (int i = 0; i < 40; i++)
        run_put(run, "bbn", i, THEM);
    place_receives(place, THEM);
    assert_int_equal(told.rows, 40);
    forget(&told);
    /* Some new, some newer. */
    run = place_fresh(place, "location");
    for (int i = 20; i < 60; i++)
        run_put(run, "bbn", i, THEM);
    place_receives(place, THEM);
    assert_int_equal(told.rows, 40);
    assert_int_equal(place->tally.written, 40);
    forget(&told);
    /* One that goes by itself, in the middle of a statement. */
    run = place_fresh(place, "location");
    for (int i = 60; i < 76; i++)
        run_put(run, "bbt", i, THEM, i == 65 ? "/home" : NULL);
    place_receives(place, THEM);
    assert_int_equal(place->tally.parked, 1);
    assert_int_equal(told.rows, 15);
}

static void a_row_that_replaces_another_is_told_with_its_model(void **state) {
    struct place *place = *state;
    struct told told;
    const struct writer_watch watch = {hear, &told};
    struct run *run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbb, THEM, "/unique");
    place_receives(place, THEM);
    writer_watch(place->a.writer, &watch);
    forget(&told);
    run = place_fresh(place, "location");
    run_put(run, "bbt", 0xbc, THEM, "/unique");
    place_receives(place, THEM);
    heard(&told, "location* location+@188");
}

static void what_a_sweep_brings_and_deletes_is_told_and_what_stays_is_not(void **state) {
    struct place *place = *state;
    struct told told;
    const struct writer_watch watch = {hear, &told};
    struct run *run = place_fresh(place, "location");
    for (int i = 1; i <= 40; i++)
        run_put(run, "bbn", i, THEM);
    place_receives(place, THEM);
    writer_watch(place->a.writer, &watch);
    forget(&told);
    /* The same versions, but 7 and 40 have gone. */
    Weft__Rows *rows = run->builder.rows;
    rows->ops.data[6] = ROW_NONE;
    rows->ops.data[39] = ROW_NONE;
    rows->sweep = true;
    place_receives(place, THEM);
    heard(&told, "location-@7 location-@40");
}

/* ---- shared tables --------------------------------------------------------------------------- */

#define TAGS                                                        \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n" \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER CHECK (color < 100));\n"

struct shared {
    struct replica replica;
    struct told told;
    struct writer_watch watch;
};

static int open_shared(void **state) {
    struct shared *shared = calloc(1, sizeof *shared);
    assert_non_null(shared);
    replica_open(&shared->replica, "watch", REPLICA_ME, TAGS);
    shared->watch = (struct writer_watch){hear, &shared->told};
    writer_watch(shared->replica.library.writer, &shared->watch);
    forget(&shared->told);
    *state = shared;
    return 0;
}

static int close_shared(void **state) {
    struct shared *shared = *state;
    replica_close(&shared->replica);
    free(shared);
    return 0;
}

static void shared_rows_are_told_when_they_change(void **state) {
    struct shared *shared = *state;
    struct replica *replica = &shared->replica;
    replica_writes(replica, "tag =@1 name=red color=#1; =@2 name=blue");
    heard(&shared->told, "tag+@1 tag+@2");
    replica_writes(replica, "tag =@1 name=red color=#1; ~@2 color=#3; -@1; -@9");
    heard(&shared->told, "tag+@2 tag-@1");
    replica_hears(replica, 1, 100000, "tag ~@2 color=#4; +@3 name=green; -@1");
    heard(&shared->told, "tag+@2 tag+@3");
    /* What is older loses, and changes nothing. */
    replica_hears(replica, 2, 90000, "tag ~@2 color=#5");
    heard(&shared->told, "");
}

static void rivals_and_rows_that_are_shown_later_are_told(void **state) {
    struct shared *shared = *state;
    struct replica *replica = &shared->replica;
    replica_hears(replica, 1, 5000, "tag +@5 name=red");
    heard(&shared->told, "tag+@5");
    replica_hears(replica, 2, 4000, "tag +@4 name=red"); /* Created earlier. */
    heard(&shared->told, "tag-@5 tag+@4");
    replica_hears(replica, 2, 6000, "tag -@4");
    heard(&shared->told, "tag-@4 tag+@5");
    replica_hears(replica, 1, 7000, "tag +@6 name=odd color=#100"); /* Parked. */
    heard(&shared->told, "");
    replica_hears(replica, 1, 8000, "tag ~@6 color=#99");
    heard(&shared->told, "tag+@6");
    replica_hears(replica, 1, 9000, "tag ~@7 name=later"); /* Not created yet. */
    heard(&shared->told, "");
    replica_hears(replica, 2, 8500, "tag +@7");
    heard(&shared->told, "tag+@7");
}

/* By a merge, when something else of the row is in a chunk, and by the sweep. */
static void rows_that_a_snapshot_takes_away_are_told(void **state) {
    static const char *const words = "tag +@1 name=red; +@2 name=blue; +@3 name=blue";
    struct shared *shared = *state;
    struct replica *source = calloc(1, sizeof *source);
    struct take take = {0};
    assert_non_null(source);
    replica_open(source, "source", 8, TAGS);
    take_hears(source, 1, 2000, words);
    take_hears(&shared->replica, 1, 2000, words);
    take_hears(source, 2, 2100, "tag -@1; -@2");
    take_forget(source);
    take_hears(source, 2, 2200, "tag ~@1 color=#1");
    forget(&shared->told);
    take_begin(&take, source, &shared->replica);
    take_all(&take, 1, 1);
    heard(&shared->told, "tag-@1 tag-@2 tag+@3");
    replica_shows(&shared->replica, "SELECT id FROM tag", "@3");
    take_end(&take);
    replica_close(source);
    free(source);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
#define SHARED_TEST(name) cmocka_unit_test_setup_teardown(name, open_shared, close_shared)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(own_rows_are_told_when_they_change),
        PLACE_TEST(every_row_of_a_large_run_is_told_once),
        PLACE_TEST(received_rows_are_told_when_they_change),
        PLACE_TEST(every_row_of_a_large_received_run_is_told_once),
        PLACE_TEST(a_row_that_replaces_another_is_told_with_its_model),
        PLACE_TEST(what_a_sweep_brings_and_deletes_is_told_and_what_stays_is_not),
        SHARED_TEST(shared_rows_are_told_when_they_change),
        SHARED_TEST(rivals_and_rows_that_are_shown_later_are_told),
        SHARED_TEST(rows_that_a_snapshot_takes_away_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
