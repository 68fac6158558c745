/* Giving a snapshot out, as far as it can be seen in single chunks: the heads they name, and
 * cursors of any kind. What comes of them elsewhere is in test_snapshot_rows.c. */
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
    " id BLOB PRIMARY KEY, name TEXT UNIQUE, color INTEGER);\n"
#define EVERYTHING (1u << 20)

struct giver {
    struct replica source;
    struct take take;
};

static int setup(void **state) {
    struct giver *giver = calloc(1, sizeof *giver);
    assert_non_null(giver);
    replica_open(&giver->source, "source", 8, TAGS);
    *state = giver;
    return 0;
}

static int teardown(void **state) {
    struct giver *giver = *state;
    take_end(&giver->take);
    replica_close(&giver->source);
    free(giver);
    return 0;
}

/* The chunk at a cursor. */
static struct snapshot_chunk chunk_at(struct giver *giver, struct bytes cursor, size_t bytes_max) {
    struct snapshot_chunk chunk;
    replica_ok(&giver->source, take_read(&giver->take, cursor, bytes_max, &chunk));
    return chunk;
}

static const struct bytes start = {NULL, 0};

/* ---- heads ----------------------------------------------------------------------------------- */

/* The first device's records up to the fourth are applied, the fifth waits, and the sixth is held
 * as well. */
static void wait_for_the_fifth(struct giver *giver) {
    take_hears(&giver->source, 1, 2000, "tag +@1 name=red");
    take_hears(&giver->source, 2, 2000, "tag +@2 name=blue");
    take_sql(&giver->source,
             "INSERT INTO shared_changes(place, origin, seq, hlc, record) VALUES "
             "(1, 1, 4, 2000, zeroblob(150)), (2, 1, 5, 9000, zeroblob(44) || x'"
             "0102030405060708010203040506070801020304050607080102030405060708' || "
             "zeroblob(80)), (3, 1, 6, 9001, zeroblob(150));"
             "UPDATE shared_changes SET record = CAST(record AS BLOB);"
             "UPDATE _weft_origin SET seq = 6, hlc = 9001 WHERE id = 1;"
             "INSERT INTO _weft_quarantine(place, origin, hlc) VALUES (2, 1, 9000), "
             "(3, 1, 9001)");
    take_begin(&giver->take, &giver->source, &giver->source);
}

static void the_first_chunk_names_no_record_in_quarantine(void **state) {
    struct giver *giver = *state;
    wait_for_the_fifth(giver);
    const struct snapshot_chunk chunk = chunk_at(giver, start, 1000);
    assert_int_equal(chunk.head_count, 2);
    assert_int_equal(chunk.heads[0].origin.device.bytes[0], 1);
    assert_int_equal(chunk.heads[0].seq, 4);
    assert_int_equal(chunk.heads[0].hlc, 2000);
    assert_int_equal(chunk.heads[0].hash[31], 8);
    assert_int_equal(chunk.heads[1].hlc, 2000);
}

static void the_last_chunk_names_all_that_is_held(void **state) {
    struct giver *giver = *state;
    wait_for_the_fifth(giver);
    /* All rows go into the first, but its heads are not those of the end. */
    const struct snapshot_chunk chunk = chunk_at(giver, start, EVERYTHING);
    assert_false(chunk.last);
    assert_int_equal(chunk.body_count, 1);
    const struct snapshot_chunk end = chunk_at(giver, chunk.cursor, EVERYTHING);
    assert_true(end.last);
    assert_int_equal(end.body_count, 0);
    assert_int_equal(end.head_count, 2);
    assert_int_equal(end.heads[0].seq, 6);
    assert_int_equal(end.heads[0].hlc, 9001);
    assert_non_null(end.proofs);
    assert_int_equal(end.heads[1].seq, chunk.heads[1].seq);
}

static void an_origin_of_which_all_waits_is_named_in_the_last_chunk_alone(void **state) {
    struct giver *giver = *state;
    wait_for_the_fifth(giver);
    take_sql(&giver->source,
             "DELETE FROM shared_changes WHERE place = 1; UPDATE shared_changes SET "
             "seq = seq - 4; UPDATE _weft_origin SET seq = 2 WHERE id = 1");
    const struct snapshot_chunk chunk = chunk_at(giver, start, EVERYTHING);
    assert_int_equal(chunk.head_count, 1);
    assert_int_equal(chunk.heads[0].origin.device.bytes[0], 2);
    const struct snapshot_chunk end = chunk_at(giver, chunk.cursor, EVERYTHING);
    assert_true(end.last);
    assert_int_equal(end.head_count, 2);
    assert_int_equal(end.heads[0].seq, 2);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static void say_a_bit(struct giver *giver) {
    take_hears(&giver->source, 1, 2000, "tag +@1 name=red color=#5; +@2 name=blue");
    take_hears(&giver->source, 3, 2200, "tag -@2; ~@7 name=never-created");
    take_hears(&giver->source, 2, 2400, "strange +x,#1 a=#1 b=null; -y,#2");
    take_begin(&giver->take, &giver->source, &giver->source);
}

static void a_cursor_that_is_of_no_use_any_more_says_so(void **state) {
    struct giver *giver = *state;
    struct replica *source = &giver->source;
    say_a_bit(giver);
    struct snapshot_chunk chunk = chunk_at(giver, start, 1);
    struct snapshot_chunk next = chunk_at(giver, chunk.cursor, 1);
    assert_false(next.lost);
    /* Another device's. */
    uint8_t *other = malloc(chunk.cursor.size);
    memcpy(other, chunk.cursor.data, chunk.cursor.size);
    other[1] ^= 1;
    replica_ok(source, take_read(&giver->take, (struct bytes){other, chunk.cursor.size}, 1, &next));
    assert_true(next.lost);
    assert_int_equal(next.body_count, 0);
    free(other);
    /* More has moved than is known. */
    take_sql(source, "UPDATE sqlite_sequence SET seq = seq + 65537 WHERE name = "
                     "'_weft_moved'; INSERT INTO sqlite_sequence(name, seq) SELECT "
                     "'_weft_moved', 65537 WHERE NOT EXISTS (SELECT 1 FROM "
                     "sqlite_sequence WHERE name = '_weft_moved')");
    next = chunk_at(giver, chunk.cursor, 1);
    assert_true(next.lost);
}

static void a_cursor_from_anywhere_is_refused_or_harmless(void **state) {
    struct giver *giver = *state;
    struct snapshot_chunk next;
    struct rng {
        uint64_t x;
    } rng = {1};
    say_a_bit(giver);
    struct snapshot_chunk chunk = chunk_at(giver, start, 1);
    uint8_t cursor[256];
    const size_t size = chunk.cursor.size;
    assert_in_range(size, 30, sizeof cursor - 8);
    for (size_t cut = 1; cut < size; cut++) {
        const enum weft_status status =
            take_read(&giver->take, (struct bytes){chunk.cursor.data, cut}, 100, &next);
        assert_true(status == WEFT_PROTOCOL || status == WEFT_OK);
    }
    for (unsigned i = 0; i < 1000; i++) {
        memcpy(cursor, chunk.cursor.data, size);
        for (unsigned n = 0; n < 1 + i % 3; n++) {
            rng.x = rng.x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            cursor[25 + (rng.x >> 33) % (size - 25)] = (uint8_t)(rng.x >> 56);
        }
        const enum weft_status status =
            take_read(&giver->take, (struct bytes){cursor, size}, 100, &next);
        if (status != WEFT_PROTOCOL && status != WEFT_OK)
            fail_msg("%s", giver->source.library.why.text);
        if (i % 100 == 0) replica_forget(&giver->source), take_interrupt(&giver->take);
        if (i % 100 == 0) chunk = chunk_at(giver, start, 1);
    }
}

#define GIVER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        GIVER_TEST(the_first_chunk_names_no_record_in_quarantine),
        GIVER_TEST(the_last_chunk_names_all_that_is_held),
        GIVER_TEST(an_origin_of_which_all_waits_is_named_in_the_last_chunk_alone),
        GIVER_TEST(a_cursor_that_is_of_no_use_any_more_says_so),
        GIVER_TEST(a_cursor_from_anywhere_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
