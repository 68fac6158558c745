/* Snapshots between two stores: what comes over, what is kept, and what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/take.h"

#define TAGS                                                        \
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n" \
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER, weight REAL);\n"
#define LINKS                                                                    \
    "CREATE TABLE IF NOT EXISTS link ( -- @relation(item: object, group: tag)\n" \
    " tag INTEGER NOT NULL, object TEXT NOT NULL, added INTEGER, PRIMARY KEY (object, tag));\n"
#define WIDE                                                         \
    "CREATE TABLE IF NOT EXISTS wide ( -- @shared(create: atomic)\n" \
    " id TEXT PRIMARY KEY, a BLOB, b BLOB, c BLOB, d BLOB);\n"

#define ALL_TAGS "SELECT id, name, color, weight FROM tag ORDER BY id"
#define EVERYTHING (1u << 20)

struct two {
    struct replica source, mine;
    struct take take;
    char *kept;
};

static int setup(void **state) {
    struct two *two = calloc(1, sizeof *two);
    assert_non_null(two);
    replica_open(&two->source, "source", 8, TAGS LINKS WIDE);
    replica_open(&two->mine, "mine", 9, TAGS LINKS WIDE);
    *state = two;
    return 0;
}

static int teardown(void **state) {
    struct two *two = *state;
    take_end(&two->take);
    replica_close(&two->source);
    replica_close(&two->mine);
    free(two->kept);
    free(two);
    return 0;
}

static void both_hear(struct two *two, uint8_t device, uint64_t hlc, const char *words) {
    take_hears(&two->source, device, hlc, words);
    take_hears(&two->mine, device, hlc, words);
}

/* A snapshot from the source, in chunks and slices of this size. */
static void take(struct two *two, size_t bytes_max, uint32_t limit) {
    take_end(&two->take);
    take_begin(&two->take, &two->source, &two->mine);
    take_all(&two->take, bytes_max, limit);
}

static void know_the_same(struct two *two) {
    free(two->kept);
    two->kept = strdup(replica_dump(&two->source));
    assert_string_equal(replica_dump(&two->mine), two->kept);
}

static void say_a_bit_of_everything(struct replica *replica) {
    take_hears(replica, 1, 2000, "tag +@1 name=red color=#5 weight=%0.5; +@2 name=blue");
    take_hears(replica, 2, 2100, "tag ~@1 color=#6 extra=seen; +@3 name=red");
    take_hears(replica, 3, 2200, "tag -@2; ~@2 name=later; ~@7 name=never-created");
    take_hears(replica, 1, 2300, "link +a,#1 added=#3; +a,#2; +b,#-1; +a,#300");
    take_hears(replica, 2, 2400, "strange +x,#1 a=#1 b=null; -y,#2");
    take_hears(replica, 3, 2500, "tag +@4 name=#17; -@9; +@5 name=null");
}

/* ---- what comes over ------------------------------------------------------------------------- */

static void a_new_store_gets_all_that_the_source_knows(void **state) {
    struct two *two = *state;
    say_a_bit_of_everything(&two->source);
    take(two, EVERYTHING, 100);
    know_the_same(two);
    replica_shows(&two->mine, "SELECT id, name, color FROM tag ORDER BY id",
                  "@1|red|#6 @5|null|null");
    assert_int_equal(two->take.chunks, 1);
}

static void chunks_of_any_size_come_to_the_same(void **state) {
    struct two *two = *state;
    say_a_bit_of_everything(&two->source);
    take(two, 1, 1);
    know_the_same(two);
    /* tag 1, 5; link 4; shadow: tag 2, 3, 4, 7, 9, strange x, y. */
    assert_int_equal(two->take.chunks, 13);
    take(two, 150, 2);
    know_the_same(two);
    assert_in_range(two->take.chunks, 3, 12);
}

static void an_empty_store_is_one_empty_chunk(void **state) {
    struct two *two = *state;
    take(two, 1, 1);
    assert_int_equal(two->take.chunks, 1);
    assert_int_equal(two->take.bodies, 0);
    assert_int_equal(two->take.head_count, 0);
    assert_string_equal(replica_dump(&two->mine), "");
}

static void a_chunk_that_comes_twice_changes_nothing_the_second_time(void **state) {
    struct two *two = *state;
    say_a_bit_of_everything(&two->source);
    take_begin(&two->take, &two->source, &two->mine);
    while (take_chunk(&two->take, 100, 1)) {
    }
    struct take again = two->take;
    two->kept = strdup(replica_dump(&two->mine));
    again.cursor = (struct packed){0};
    again.last = false;
    while (take_chunk(&again, 100, 2))
        assert_int_equal(again.tally.written, 0);
    packed_free(&again.cursor);
    assert_string_equal(replica_dump(&two->mine), two->kept);
    while (take_sweep(&two->take, 1)) {
    }
    know_the_same(two);
}

enum { LARGE = 200 << 10 };

/* Another device writes a field of 200 KiB: all of its bytes are `value`. */
static void hear_large(struct replica *replica, enum change_what what, const char *table,
                       uint64_t hlc, const char *field, int value) {
    struct change_builder builder;
    struct bytes body;
    uint8_t *large = malloc(LARGE);
    const struct weft_value key = weft_text("row", 3), *keys[] = {&key};
    const struct weft_value blob = weft_blob(large, LARGE);
    assert_non_null(large);
    memset(large, value, LARGE);
    change_begin(&builder, &replica->arena, (struct bytes){(const uint8_t *)table, strlen(table)},
                 1);
    change_row(&builder, what, 0, keys, 1);
    change_write(&builder, (uint32_t)value, (struct bytes){(const uint8_t *)field, 1}, &blob);
    assert_int_equal(change_end(&builder, &body), WEFT_OK);
    take_hears_body(replica, 1, hlc, body);
    free(large);
}

static void a_row_that_is_too_large_for_a_chunk_comes_in_parts(void **state) {
    struct two *two = *state;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        hear_large(&two->source, i == 0 ? CHANGE_CREATE : CHANGE_UPDATE, "wide", 2000 + (uint64_t)i,
                   names[i], i + 1);
    }
    take_hears(&two->source, 2, 3000, "wide +small a=@7; +z a=@8");
    /* What this store has of it is older, but for one. */
    take_hears(&two->mine, 1, 1999, "wide +row a=@1 c=@2");
    replica_hears(&two->mine, 3, 9000, "wide ~row b=@3");
    take(two, 1000, 10);
    assert_int_equal(two->take.chunks, 3);
    assert_in_range(two->take.largest, 400u << 10, LIMIT_SNAPSHOT);
    replica_shows(&two->mine,
                  "SELECT id, length(a), b, length(c), hex(substr(d, 1, 2)), length(d) FROM wide "
                  "ORDER BY id",
                  "row|#204800|@3|#204800|0404|#204800 small|#16|null|null||null "
                  "z|#16|null|null||null");
}

static void a_large_row_that_changes_between_its_parts_is_whole_with_the_log(void **state) {
    struct two *two = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        hear_large(&two->source, i == 0 ? CHANGE_CREATE : CHANGE_UPDATE, "strange",
                   2000 + (uint64_t)i, names[i], i + 1);
    }
    take_hears(&two->source, 2, 3000, "strange +s a=@7; +z a=@8");
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1));
    take_interrupt(&two->take);
    hear_large(&two->source, CHANGE_UPDATE, "strange", 4000, "a", 7);
    take_hears(&two->source, 3, 4100, "strange ~row d=@1 f=@2");
    assert_true(take_chunk(&two->take, 1, 2));
    take_interrupt(&two->take);
    take_all(&two->take, 1000, 1);
    assert_in_range(two->take.chunks, 4, 6);
    hear_large(&two->mine, CHANGE_UPDATE, "strange", 4000, "a", 7);
    take_hears(&two->mine, 3, 4100, "strange ~row d=@1 f=@2");
    static const char shadow[] = "SELECT model, key, kind, hlc, length(fields), "
                                 "hex(substr(fields, 1, 20)) FROM _weft_shadow ORDER BY key";
    two->kept = strdup(replica_rows(&two->source, shadow));
    assert_string_equal(replica_rows(&two->mine, shadow), two->kept);
    /* A part that waits for the next when the row goes is not waited for. */
    take_end(&two->take);
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1));
    take_hears(&two->source, 2, 5000, "strange -row");
    take_forget(&two->source);
    take_all(&two->take, 1, 1);
    take_hears(&two->mine, 2, 5000, "strange -row");
    replica_shows(&two->mine, "SELECT count(*) FROM _weft_shadow WHERE kind = 3", "#2");
}

/* ---- what moves between two chunks ----------------------------------------------------------- */

static void a_row_that_moves_between_table_and_shadow_is_not_missed(void **state) {
    struct two *two = *state;
    /* 1 stands behind 9, and 8 is before 1 in the table. */
    take_hears(&two->source, 1, 2000, "tag +@9 name=red; +@8^1 name=blue; +@7^2 name=pink");
    take_hears(&two->source, 1, 2100, "tag +@1 name=red color=#1");
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1)); /* 7 */
    /* 1 comes into the table, behind the walk's back. */
    take_hears(&two->source, 1, 2200, "tag ~@9 name=green");
    replica_shows(&two->source, "SELECT id FROM tag ORDER BY id", "@1 @7 @8 @9");
    assert_true(take_chunk(&two->take, 1, 1)); /* 8 */
    /* 9 goes back to the shadow before the walk comes to it. */
    take_hears(&two->source, 2, 1900, "tag +@5 name=green");
    replica_shows(&two->source, "SELECT id FROM tag ORDER BY id", "@1 @5 @7 @8");
    while (take_chunk(&two->take, 1, 1)) {
    }
    while (take_sweep(&two->take, 1)) {
    }
    take_hears(&two->mine, 1, 2200, "tag ~@9 name=green");
    take_hears(&two->mine, 2, 1900, "tag +@5 name=green");
    know_the_same(two);
}

static void a_deleted_row_that_comes_back_meanwhile_brings_what_was_written_before(void **state) {
    struct two *two = *state;
    take_hears(&two->source, 1, 2000, "tag +@1 name=red; +@2 name=blue");
    take_hears(&two->source, 2, 2100, "tag -@1");
    take_hears(&two->source, 3, 2200, "tag ~@1 color=#7");
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1)); /* 2: behind where 1 will be */
    take_hears(&two->source, 1, 2300, "tag +@1 name=pink");
    replica_shows(&two->source, "SELECT count(*) FROM _weft_shadow", "#0");
    take_all(&two->take, 1, 1);
    take_hears(&two->mine, 1, 2300, "tag +@1 name=pink");
    know_the_same(two);
    replica_shows(&two->mine, ALL_TAGS, "@1|pink|#7|null @2|blue|null|null");
}

static void a_row_that_loses_its_unknown_field_to_none_is_not_missed(void **state) {
    struct two *two = *state;
    /* 1 is deleted and has a field without a column, which stays in the shadow when it is back. */
    take_hears(&two->source, 1, 2000, "tag +@1 name=red; +@2 name=blue");
    take_hears(&two->source, 2, 2100, "tag -@1");
    take_hears(&two->source, 3, 2200, "tag ~@1 extra=#7");
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1));
    take_hears(&two->source, 1, 2300, "tag +@1 name=pink");
    replica_shows(&two->source, "SELECT kind FROM _weft_shadow", "#1");
    take_all(&two->take, 1, 1);
    take_hears(&two->mine, 1, 2300, "tag +@1 name=pink");
    know_the_same(two);
}

static void what_changed_since_the_first_chunk_is_left_to_the_log(void **state) {
    struct two *two = *state;
    take_hears(&two->source, 1, 2000, "tag +@1 name=red; +@2 name=blue; +@3 name=pink");
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1));
    take_hears(&two->source, 1, 2100, "tag ~@2 color=#9; +@4 name=new; -@3");
    take_hears(&two->source, 5, 2200, "tag ~@2 weight=%2");
    take_all(&two->take, 1, 1);
    /* 3 was created before, and has no fields any more. */
    assert_string_equal(replica_dump(&two->mine), "tag @1 seen +2000/1 name=red^2000/1\n"
                                                  "tag @2 seen +2000/1 name=blue^2000/1\n"
                                                  "tag @3 seen +2000/1\n");
    replica_shows(&two->mine, "SELECT count(*) FROM _weft_origin WHERE hlc > 2000", "#0");
    take_hears(&two->mine, 5, 2200, "tag ~@2 weight=%2");
    take_hears(&two->mine, 1, 2100, "tag ~@2 color=#9; +@4 name=new; -@3");
    replica_shows(&two->mine, ALL_TAGS, "@1|red|null|null @2|blue|#9|%2 @4|new|null|null");
}

/* ---- what goes ------------------------------------------------------------------------------- */

static void what_was_deleted_and_forgotten_goes(void **state) {
    struct two *two = *state;
    both_hear(two, 1, 2000, "tag +@1 name=red extra=#1; +@2 name=blue; +@3 name=red color=#1");
    both_hear(two, 1, 2100, "strange +x a=#1");
    both_hear(two, 2, 2200, "tag +@4 name=gone; -@4; ~@5 name=none");
    take_hears(&two->source, 2, 2300, "tag -@1; -@3; -@5; ~@2 color=#2");
    take_hears(&two->source, 2, 2400, "strange -x");
    take_forget(&two->source);
    take(two, 1, 1);
    know_the_same(two);
    assert_string_equal(replica_dump(&two->mine),
                        "tag @2 seen +2000/1 color=#2^2300/2 name=blue^2000/1\n");
    replica_shows(&two->mine, "SELECT count(*) FROM _weft_shadow", "#0");
}

static void what_the_source_has_never_heard_of_stays(void **state) {
    struct two *two = *state;
    both_hear(two, 1, 2000, "tag +@1 name=red color=#1; +@2 name=blue color=#2");
    /* This store's own, and what a device said to it alone, or behind the source's head. */
    take_hears(&two->mine, 9, 2050, "tag +@3 name=mine; ~@1 name=changed; ~@2 color=#22; -@7");
    take_hears(&two->mine, 4, 1500, "tag +@4 name=other");
    take_hears(&two->mine, 1, 2600, "tag +@5 name=behind");
    take_hears(&two->source, 2, 2300, "tag -@1");
    take_forget(&two->source);
    take(two, 1, 1);
    assert_string_equal(replica_dump(&two->mine),
                        "tag @1 hidden name=changed^2050/9\n"
                        "tag @2 seen +2000/1 color=#22^2050/9 name=blue^2000/1\n"
                        "tag @3 seen +2050/9 name=mine^2050/9\n"
                        "tag @4 seen +1500/4 name=other^1500/4\n"
                        "tag @5 seen +2600/1 name=behind^2600/1\n"
                        "tag @7 hidden -2050/9\n");
    take_hears(&two->source, 9, 2050, "tag +@3 name=mine; ~@1 name=changed; ~@2 color=#22; -@7");
    take_hears(&two->source, 4, 1500, "tag +@4 name=other");
    take_hears(&two->source, 1, 2600, "tag +@5 name=behind");
    know_the_same(two);
}

static void a_field_of_a_former_life_goes_from_a_row_that_is_named(void **state) {
    struct two *two = *state;
    both_hear(two, 1, 2000, "wide +k a=1 b=2 c=3");
    take_hears(&two->source, 2, 2100, "wide -k");
    take_forget(&two->source);
    take_hears(&two->source, 2, 2200, "wide +k a=4");
    take_hears(&two->source, 3, 2250, "wide ~k d=5");
    take_hears(&two->mine, 9, 2050, "wide ~k b=mine");
    take(two, 1, 1);
    assert_string_equal(replica_dump(&two->mine),
                        "wide k seen +2200/2 a=4^2200/2 b=mine^2050/9 d=5^2250/3\n");
    /* ... and its creation, from one that is there no more. */
    take_hears(&two->source, 9, 2050, "wide ~k b=mine");
    take_hears(&two->source, 2, 2300, "wide -k");
    take_forget(&two->source);
    take_hears(&two->source, 3, 2400, "wide ~k c=6");
    take(two, 1, 1);
    know_the_same(two);
    assert_string_equal(replica_dump(&two->mine), "wide k hidden c=6^2400/3\n");
    replica_shows(&two->mine, "SELECT count(*) FROM wide", "#0");
}

static void a_row_that_stood_behind_one_that_goes_comes_in_its_place(void **state) {
    struct two *two = *state;
    both_hear(two, 1, 2000, "tag +@1 name=red; +@2 name=blue");
    take_hears(&two->mine, 9, 2050, "tag +@3 name=red");
    replica_shows(&two->mine, ALL_TAGS, "@1|red|null|null @2|blue|null|null");
    take_hears(&two->source, 2, 2100, "tag -@1");
    take_forget(&two->source);
    take(two, 1, 1);
    replica_shows(&two->mine, ALL_TAGS, "@2|blue|null|null @3|red|null|null");
}

static void a_row_goes_even_if_a_trigger_would_have_it_stay(void **state) {
    struct two *two = *state;
    both_hear(two, 1, 2000, "tag +@1 name=red; +@2 name=blue; +@3 name=green");
    take_hears(&two->source, 2, 2100, "tag -@1; -@2");
    take_forget(&two->source);
    take_sql(&two->mine, "CREATE TRIGGER refuses BEFORE DELETE ON tag WHEN old.name = 'red' "
                         "BEGIN SELECT RAISE(ABORT, 'stays'); END");
    take_sql(&two->mine, "CREATE TRIGGER passes BEFORE DELETE ON tag WHEN old.name = 'blue' "
                         "BEGIN SELECT RAISE(IGNORE); END");
    take(two, 1, 1);
    know_the_same(two);
    replica_shows(&two->mine, ALL_TAGS, "@3|green|null|null");
}

/* A plain connection inserted it, and no record says it yet. */
static void a_row_that_waits_to_be_taken_in_stays_when_what_others_said_of_it_goes(void **state) {
    struct two *two = *state;
    take_sql(&two->mine, "INSERT INTO tag(id, name) "
                         "VALUES (x'01010101010101010101010101010101', 'mine')");
    both_hear(two, 1, 2000, "tag +@1 name=red; +@2 name=blue");
    take_hears(&two->source, 2, 2100, "tag -@1");
    take_forget(&two->source);
    take(two, 1, 1);
    replica_shows(&two->mine, ALL_TAGS, "@1|mine|null|null @2|blue|null|null");
    replica_shows(&two->mine, "SELECT count(*) FROM _weft_shadow", "#0");
}

static void rows_that_only_an_older_snapshot_named_go(void **state) {
    struct two *two = *state;
    struct replica *other = calloc(1, sizeof *other);
    struct take first = {0};
    assert_non_null(other);
    replica_open(other, "other", 7, TAGS LINKS WIDE);
    take_hears(other, 1, 2000, "tag +@1 name=red; +@2 name=blue; +@3 name=pink");
    take_hears(&two->source, 1, 2000, "tag +@1 name=red; +@2 name=blue; +@3 name=pink");
    take_hears(&two->source, 2, 2100, "tag -@1; ~@2 name=green");
    take_hears(other, 3, 2200, "tag ~@3 color=#3");
    take_forget(&two->source);
    /* Half of one, then the whole of another, mixed with what is left of the first. */
    take_begin(&first, other, &two->mine);
    assert_true(take_chunk(&first, 1, 1));
    take_begin(&two->take, &two->source, &two->mine);
    assert_true(take_chunk(&two->take, 1, 1));
    assert_true(take_chunk(&two->take, 1, 2));
    take_all(&two->take, 1, 1);
    know_the_same(two);
    take_end(&first);
    /* And the older one as a whole: what it lacks is not taken away. */
    take_begin(&first, other, &two->mine);
    take_all(&first, 1, 1);
    take_end(&first);
    take_hears(&two->source, 3, 2200, "tag ~@3 color=#3");
    take_hears(&two->mine, 3, 2200, "tag ~@3 color=#3");
    replica_shows(&two->mine,
                  "SELECT name, color FROM tag WHERE id = x'03030303030303030303030303030303'",
                  "pink|#3");
    replica_close(other);
    free(other);
}

static void a_sweep_does_not_overlook_what_moves_meanwhile(void **state) {
    struct two *two = *state;
    both_hear(two, 1, 2000, "tag +@9 name=red; +@5 name=blue");
    both_hear(two, 1, 2100, "tag +@1 name=red");
    take_hears(&two->source, 2, 2200, "tag -@1; -@5");
    take_forget(&two->source);
    take_begin(&two->take, &two->source, &two->mine);
    while (take_chunk(&two->take, 1, 1)) {
    }
    assert_true(take_sweep(&two->take, 1)); /* 5 */
    /* 1 comes out of the shadow before the sweep comes to that, where it has already been. */
    take_hears(&two->mine, 9, 2300, "tag ~@9 name=pink");
    replica_shows(&two->mine, "SELECT id FROM tag ORDER BY id", "@1 @9");
    while (take_sweep(&two->take, 1)) {
    }
    replica_shows(&two->mine, "SELECT id, name FROM tag ORDER BY id", "@9|pink");
}

/* ---- cursors --------------------------------------------------------------------------------- */

static void a_source_that_was_started_anew_goes_on_where_it_was(void **state) {
    struct two *two = *state;
    say_a_bit_of_everything(&two->source);
    take_begin(&two->take, &two->source, &two->mine);
    while (take_chunk(&two->take, 1, 1))
        take_interrupt(&two->take);
    assert_int_equal(two->take.chunks, 13);
    while (take_sweep(&two->take, 1)) {
    }
    know_the_same(two);
}

static void a_text_that_is_not_utf8_is_named_and_not_sent(void **state) {
    struct two *two = *state;
    struct snapshot_chunk chunk;
    take_hears(&two->source, 1, 2000, "tag +@1 name=red");
    take_sql(&two->source, "UPDATE tag SET name = CAST(x'ff' AS TEXT)");
    take_begin(&two->take, &two->source, &two->mine);
    assert_int_equal(take_read(&two->take, (struct bytes){NULL, 0}, 1, &chunk), WEFT_NOT_UTF8);
    assert_non_null(strstr(two->source.library.why.text, "tag"));
    take_sql(&two->source, "UPDATE tag SET name = 'red'");
    take_all(&two->take, 1, 1);
    know_the_same(two);
}

#define two_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        two_test(a_new_store_gets_all_that_the_source_knows),
        two_test(chunks_of_any_size_come_to_the_same),
        two_test(an_empty_store_is_one_empty_chunk),
        two_test(a_chunk_that_comes_twice_changes_nothing_the_second_time),
        two_test(a_row_that_is_too_large_for_a_chunk_comes_in_parts),
        two_test(a_large_row_that_changes_between_its_parts_is_whole_with_the_log),
        two_test(a_row_that_moves_between_table_and_shadow_is_not_missed),
        two_test(a_deleted_row_that_comes_back_meanwhile_brings_what_was_written_before),
        two_test(a_row_that_loses_its_unknown_field_to_none_is_not_missed),
        two_test(what_changed_since_the_first_chunk_is_left_to_the_log),
        two_test(what_was_deleted_and_forgotten_goes),
        two_test(what_the_source_has_never_heard_of_stays),
        two_test(a_field_of_a_former_life_goes_from_a_row_that_is_named),
        two_test(a_row_that_stood_behind_one_that_goes_comes_in_its_place),
        two_test(a_row_goes_even_if_a_trigger_would_have_it_stay),
        two_test(a_row_that_waits_to_be_taken_in_stays_when_what_others_said_of_it_goes),
        two_test(rows_that_only_an_older_snapshot_named_go),
        two_test(a_sweep_does_not_overlook_what_moves_meanwhile),
        two_test(a_source_that_was_started_anew_goes_on_where_it_was),
        two_test(a_text_that_is_not_utf8_is_named_and_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
