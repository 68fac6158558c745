/* The bulk actor alone, its way out: a want is served from its cursor, from memory or from SQLite,
 * as far as the peer has credit, and everything behind the cursor arrives exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_bulk.h"
#include "tests/sim/rng.h"

static int open_library(void **state) {
    struct solo_bulk *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    solo_bulk_library(stage);
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_bulk_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

/* The actor runs on the library as it is, and THEM has joined as peer 0. */
static void begin(struct solo_bulk *stage, uint32_t batch_rows) {
    solo_bulk_start(stage, batch_rows);
    solo_bulk_join(stage, 0, THEM);
    solo_bulk_clear(stage, 0);
}

static uint64_t from_disk(const struct solo_bulk *stage) {
    return board_get(stage->solo.board->batches_from_disk);
}

static uint64_t from_memory(const struct solo_bulk *stage) {
    return board_get(stage->solo.board->batches_from_memory);
}

/* The only batch that `peer` was handed: its interval and rows. Clears what was heard. */
static struct opened expect_batch(struct solo_bulk *stage, uint32_t peer, uint64_t after,
                                  uint64_t upto, uint32_t count) {
    assert_int_equal(stage->heard[peer].out_count, 1);
    struct opened opened = solo_bulk_opened(stage, stage->heard[peer].out[0]);
    assert_int_equal(opened.sent->after, after);
    assert_int_equal(opened.sent->upto, upto);
    assert_int_equal(opened.rows->count, count);
    solo_bulk_clear(stage, peer);
    return opened;
}

static void expect_silence(struct solo_bulk *stage, uint32_t peer) {
    assert_int_equal(stage->heard[peer].out_count, 0);
}

/* ---- from a position on ---------------------------------------------------------------------- */

static void a_request_is_answered_from_its_position(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t first = solo_bulk_commit_rows(stage, 1, 5);
    uint64_t head = solo_bulk_commit_rows(stage, 6, 5);
    begin(stage, 100);
    solo_bulk_grant(stage, 0, 1);
    solo_bulk_want(stage, 0, ME, first, false);
    struct opened opened = expect_batch(stage, 0, first, head, 5);
    assert_int_equal(rows_version(opened.rows, 0), first + 1);
    assert_int_equal(rows_value(opened.rows, 4, 3).as.integer, 10);
    assert_false(opened.sent->has_more);
    assert_int_equal(from_disk(stage), 1);
}

static void a_long_answer_comes_in_batches_that_chain(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 25);
    begin(stage, 10);
    solo_bulk_grant(stage, 0, 4);
    solo_bulk_want(stage, 0, ME, 0, false);
    assert_int_equal(stage->heard[0].out_count, 3);
    uint64_t after = 0;
    for (uint32_t i = 0; i < 3; i++) {
        struct opened opened = solo_bulk_opened(stage, stage->heard[0].out[i]);
        assert_int_equal(opened.sent->after, after);
        assert_int_equal(opened.rows->count, i < 2 ? 10 : 5);
        assert_int_equal(opened.sent->has_more, i < 2);
        after = opened.sent->upto;
    }
    assert_int_equal(after, head);
}

/* Or others would wait behind the reading of one who never has enough. */
static void what_is_asked_for_again_and_again_is_read_once_a_second(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_grant(stage, 0, 4);
    stage->solo.now.mono_us = LIMIT_RETRY_US;
    for (uint32_t i = 0; i < 2; i++) { /* The first time, and when something was missed. */
        solo_bulk_want(stage, 0, ME, 0, false);
        expect_batch(stage, 0, 0, head, 5);
    }
    solo_bulk_want(stage, 0, ME, 0, false);
    expect_silence(stage, 0);
    stage->solo.now.mono_us += LIMIT_RETRY_US - 1;
    solo_bulk_grant(stage, 0, 1);
    expect_silence(stage, 0);
    stage->solo.now.mono_us += 1;
    solo_bulk_grant(stage, 0, 1);
    expect_batch(stage, 0, 0, head, 5);
    assert_int_equal(from_disk(stage), 3);
}

static void nothing_is_sent_to_who_is_at_the_head_until_it_grows(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_grant(stage, 0, 2);
    solo_bulk_want(stage, 0, ME, head, false);
    expect_silence(stage, 0);
    uint64_t next = solo_bulk_commit_rows(stage, 6, 1);
    expect_batch(stage, 0, head, next, 1);
}

static void nothing_is_sent_unasked(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_grant(stage, 0, 4);
    solo_bulk_commit_rows(stage, 6, 5);
    expect_silence(stage, 0);
}

static void a_live_commit_is_sent_from_memory(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 50);
    begin(stage, 100);
    solo_bulk_grant(stage, 0, 4);
    solo_bulk_want(stage, 0, ME, head, false);
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t next = solo_bulk_commit_rows(stage, 100 + i, 1);
        struct opened opened = expect_batch(stage, 0, head, next, 1);
        assert_int_equal(rows_value(opened.rows, 0, 3).as.integer, 100 + i);
        head = next;
    }
    assert_int_equal(from_disk(stage), 0);
    assert_int_equal(from_memory(stage), 3);
}

static void commits_that_gathered_go_as_one_batch_from_memory(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_want(stage, 0, ME, head, false);
    uint64_t next = 0;
    for (uint32_t i = 0; i < 6; i++)
        next = solo_bulk_commit_rows(stage, 10 + 3 * i, 3);
    expect_silence(stage, 0);
    solo_bulk_grant(stage, 0, 1);
    expect_batch(stage, 0, head, next, 18);
    assert_int_equal(from_disk(stage), 0);
}

static void a_place_within_a_commit_is_read_from_the_store(void **state) {
    struct solo_bulk *stage = *state;
    begin(stage, 100);
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    solo_bulk_grant(stage, 0, 1);
    solo_bulk_want(stage, 0, ME, head - 2, false);
    expect_batch(stage, 0, head - 2, head, 2);
    assert_int_equal(from_disk(stage), 1);
    assert_int_equal(from_memory(stage), 0);
}

static void what_memory_does_not_reach_back_to_is_read_from_the_store_and_then_goes_on_live(
    void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_commit_rows(stage, 1, 25);
    begin(stage, 10);
    uint64_t live = solo_bulk_commit_rows(stage, 30, 2);
    solo_bulk_grant(stage, 0, 4);
    solo_bulk_want(stage, 0, ME, 0, false);
    assert_int_equal(stage->heard[0].out_count, 3);
    assert_int_equal(solo_bulk_opened(stage, stage->heard[0].out[2]).sent->upto, live);
    assert_int_equal(from_disk(stage), 3);
    solo_bulk_clear(stage, 0);
    uint64_t next = solo_bulk_commit_rows(stage, 40, 1);
    expect_batch(stage, 0, live, next, 1);
    assert_int_equal(from_memory(stage), 1);
}

static void a_deleted_row_travels_as_its_tombstone(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_commit_rows(stage, 1, 3);
    solo_bulk_delete(stage, 2);
    solo_bulk_commit(stage);
    begin(stage, 100);
    solo_bulk_grant(stage, 0, 1);
    solo_bulk_want(stage, 0, ME, 0, false);
    struct opened opened = expect_batch(stage, 0, 0, stage->library.clock, 3);
    assert_int_equal(rows_op(opened.rows, 2), ROW_DELETE);
    assert_int_equal(((const uint8_t *)rows_value(opened.rows, 2, 0).as.bytes)[0], 2);
}

/* ---- credit and turns ------------------------------------------------------------------------ */

static void no_more_batches_are_handed_over_than_were_granted(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_commit_rows(stage, 1, 100);
    begin(stage, 5);
    solo_bulk_want(stage, 0, ME, 0, false);
    expect_silence(stage, 0);
    for (uint32_t grant = 1; grant <= LIMIT_PEER_BATCHES; grant++) {
        solo_bulk_grant(stage, 0, grant);
        assert_int_equal(stage->heard[0].out_count, grant);
        solo_bulk_clear(stage, 0);
        solo_bulk_commit_rows(stage, 200 + grant, 1);
        expect_silence(stage, 0);
    }
}

static void a_peer_without_credit_does_not_hold_up_another(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_want(stage, 0, ME, 0, false);
    solo_bulk_grant(stage, 1, 1);
    solo_bulk_want(stage, 1, ME, 0, false);
    expect_batch(stage, 1, 0, head, 5);
    expect_silence(stage, 0);
}

static void peers_at_the_same_place_share_one_encoding(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_join(stage, 2, 4);
    for (uint32_t p = 0; p < SOLO_PEERS; p++) {
        solo_bulk_grant(stage, p, 2);
        solo_bulk_want(stage, p, ME, 0, false);
        assert_int_equal(stage->heard[p].out_count, 1);
        assert_ptr_equal(stage->heard[p].out[0], stage->heard[0].out[0]);
    }
    assert_int_equal(board_get(stage->solo.board->batches_encoded), 1);
    uint64_t next = solo_bulk_commit_rows(stage, 6, 1);
    for (uint32_t p = 0; p < SOLO_PEERS; p++) {
        assert_int_equal(stage->heard[p].out_count, 2);
        assert_ptr_equal(stage->heard[p].out[1], stage->heard[0].out[1]);
        struct opened opened = solo_bulk_opened(stage, stage->heard[p].out[1]);
        assert_int_equal(opened.sent->after, head);
        assert_int_equal(opened.sent->upto, next);
    }
    assert_int_equal(board_get(stage->solo.board->batches_encoded), 2);
    assert_int_equal(board_get(stage->solo.board->batches_shared), 4);
}

static void a_request_is_replaced_by_a_later_one(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t first = solo_bulk_commit_rows(stage, 1, 5);
    uint64_t head = solo_bulk_commit_rows(stage, 6, 5);
    begin(stage, 3);
    solo_bulk_want(stage, 0, ME, 0, false);
    solo_bulk_want(stage, 0, ME, first, false);
    solo_bulk_grant(stage, 0, 1);
    struct opened opened = expect_batch(stage, 0, first, first + 3, 3);
    assert_true(opened.sent->has_more);
    solo_bulk_want(stage, 0, ME, 0, false); /* Back again, in mid-answer. */
    solo_bulk_grant(stage, 0, 1);
    expect_batch(stage, 0, 0, first - 2, 3);
    solo_bulk_want(stage, 0, ME, head, false);
    solo_bulk_grant(stage, 0, 4);
    expect_silence(stage, 0);
}

static void a_request_that_was_taken_back_is_served_no_more(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_want(stage, 0, ME, head, false);
    solo_bulk_want(stage, 0, ME, STREAM_WITHDRAWN, false);
    solo_bulk_grant(stage, 0, 4);
    solo_bulk_commit_rows(stage, 6, 5);
    expect_silence(stage, 0);
}

static void a_session_s_requests_end_with_it(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = solo_bulk_commit_rows(stage, 1, 5);
    begin(stage, 100);
    solo_bulk_want(stage, 0, ME, 0, false);
    solo_bulk_leave(stage, 0);
    solo_bulk_join(stage, 0, THEM);
    solo_bulk_grant(stage, 0, 4);
    expect_silence(stage, 0);
    solo_bulk_want(stage, 0, ME, 0, false);
    expect_batch(stage, 0, 0, head, 5);
}

/* ---- below the horizon ----------------------------------------------------------------------- */

static void a_place_below_the_horizon_is_answered_with_an_order_to_sweep(void **state) {
    struct solo_bulk *stage = *state;
    struct library *library = &stage->library;
    uint64_t place = solo_bulk_commit_rows(stage, 1, 5);
    solo_bulk_delete(stage, 2);
    solo_bulk_commit(stage);
    uint64_t horizon = library->clock, head = solo_bulk_commit_rows(stage, 6, 2);
    const struct stream stream = library_stream(library, &library->store.device, "entry");
    uint32_t forgotten = 0;
    library_ok(library, writer_begin(library->writer, &library->why));
    library_ok(library,
               writer_forget(library->writer, &stream, horizon, 10, &forgotten, &library->why));
    library_ok(library, writer_commit(library->writer, &library->why));
    assert_int_equal(forgotten, 1);

    begin(stage, 100);
    solo_bulk_grant(stage, 0, 4);
    solo_bulk_want(stage, 0, ME, place, false);
    struct opened order = expect_batch(stage, 0, place, place, 0);
    assert_true(order.sent->sweep);
    uint64_t last = solo_bulk_commit_rows(stage, 8, 1);
    expect_silence(stage, 0); /* The remote's answer is waited for. */

    solo_bulk_want(stage, 0, ME, 0, true);
    struct opened swept = expect_batch(stage, 0, 0, last, 7);
    assert_true(swept.sent->sweep);
    assert_int_equal(swept.sent->horizon, horizon);
    assert_true(last > head);
    solo_bulk_want(stage, 0, ME, horizon, false); /* At the horizon nothing is missing. */
    expect_batch(stage, 0, horizon, last, 3);
}

static void a_sweep_is_never_shared_nor_read_from_memory(void **state) {
    struct solo_bulk *stage = *state;
    begin(stage, 100);
    solo_bulk_join(stage, 1, OTHERS);
    uint64_t head = solo_bulk_commit_rows(stage, 1, 3);
    solo_bulk_grant(stage, 0, 1);
    solo_bulk_want(stage, 0, ME, 0, false); /* It is kept for others at the same place. */
    assert_false(expect_batch(stage, 0, 0, head, 3).sent->sweep);
    uint64_t read_before = from_disk(stage);
    for (uint32_t p = 0; p < 2; p++) {
        solo_bulk_grant(stage, p, 1);
        solo_bulk_want(stage, p, ME, 0, true);
        assert_true(expect_batch(stage, p, 0, head, 3).sent->sweep);
    }
    assert_int_equal(from_disk(stage) - read_before, 2);
    assert_int_equal(board_get(stage->solo.board->batches_shared), 0);
}

/* ---- rows of other devices ------------------------------------------------------------------- */

/* Three rows of THEM's are in the library before the start; returns the position. */
static uint64_t hold_theirs(struct solo_bulk *stage) {
    struct run run;
    run_begin(&run, &stage->library, "entry");
    for (int i = 1; i <= 3; i++)
        run_put(&run, "bbti", i, 0xbb, "theirs", INT64_C(1));
    run_receive(&run, &stage->library, THEM, NULL);
    run_drop(&run);
    return stage->library.clock;
}

static void another_owner_s_rows_are_passed_on_from_the_store(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = hold_theirs(stage);
    begin(stage, 100);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_grant(stage, 1, 1);
    solo_bulk_want(stage, 1, THEM, 0, false);
    struct opened opened = expect_batch(stage, 1, 0, head, 3);
    assert_int_equal(opened.sent->owner.data[0], THEM);
    assert_string_equal(opened.sent->model, "entry");
}

static void another_owner_s_rows_are_passed_on_from_memory_when_they_are_committed(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = hold_theirs(stage);
    begin(stage, 100);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_grant(stage, 1, 1);
    solo_bulk_want(stage, 1, THEM, head, false);
    solo_bulk_deliver(
        stage, &(struct delivery){.owner = THEM, .after = head, .upto = head + 9, .count = 4});
    expect_silence(stage, 1); /* Not before it is committed here. */
    assert_int_equal(solo_bulk_commit_incoming(stage), head + 9);
    struct opened opened = expect_batch(stage, 1, head, head + 9, 4);
    assert_int_equal(opened.sent->owner.data[0], THEM);
    assert_int_equal(rows_version(opened.rows, 3), head + 9);
    assert_int_equal(from_disk(stage), 0);
}

static void a_batch_that_was_cut_at_its_overlap_is_passed_on_as_it_was_used(void **state) {
    struct solo_bulk *stage = *state;
    uint64_t head = hold_theirs(stage);
    begin(stage, 100);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_grant(stage, 1, 1);
    solo_bulk_want(stage, 1, THEM, head, false);
    solo_bulk_deliver(
        stage,
        &(struct delivery){
            .owner = THEM, .after = head - 2, .upto = head + 5, .count = 7, .horizon = head - 2});
    assert_int_equal(solo_bulk_commit_incoming(stage), head + 5);
    struct opened opened = expect_batch(stage, 1, head, head + 5, 5);
    assert_int_equal(rows_version(opened.rows, 0), head + 1);
    assert_int_equal(from_disk(stage), 0);
}

/* ---- all of it ------------------------------------------------------------------------------- */

#define VERSIONS_MAX 4000u

/* One remote that follows this device's rows. */
struct follower {
    uint64_t start, cursor;
    uint32_t count;
    uint64_t versions[VERSIONS_MAX]; /* in order of arrival */
};

static void follow(struct solo_bulk *stage, uint32_t peer, struct follower *follower) {
    struct heard *heard = &stage->heard[peer];
    for (uint32_t i = 0; i < heard->out_count; i++) {
        struct opened opened = solo_bulk_opened(stage, heard->out[i]);
        assert_int_equal(opened.sent->after, follower->cursor);
        assert_false(opened.sent->sweep);
        assert_true(rows_valid(opened.rows, (uint32_t)opened.rows->n_columns));
        for (uint32_t r = 0; r < opened.rows->count; r++) {
            assert_true(follower->count < VERSIONS_MAX);
            follower->versions[follower->count++] = rows_version(opened.rows, r);
        }
        follower->cursor = opened.sent->upto;
    }
    solo_bulk_clear(stage, peer);
}

/* A commit of a few rows and deletes, each of another row. */
static void commit_something(struct solo_bulk *stage, struct rng *rng) {
    uint32_t row = (uint32_t)rng_below(rng, 20);
    for (uint32_t left = (uint32_t)rng_between(rng, 1, 8); left > 0; left--) {
        row += (uint32_t)rng_between(rng, 1, 5);
        if (rng_chance(rng, 250)) {
            solo_bulk_delete(stage, row);
        } else {
            solo_bulk_put(stage, row);
        }
    }
    solo_bulk_commit(stage);
}

/* Everything in (start, head] that is there arrived, nothing twice. */
static void check_follower(struct solo_bulk *stage, const struct follower *follower) {
    struct library *library = &stage->library;
    const struct stream stream = library_stream(library, &library->store.device, "entry");
    struct arena arena;
    struct reader_batch all;
    arena_init(&arena, library->pool);
    library_ok(library, reader_after(library->reader, &stream, follower->start, false, LIMIT_ROWS,
                                     SIZE_MAX, &arena, &all, &library->why));
    assert_false(all.more);
    assert_int_equal(follower->cursor, all.rows->upto);
    for (uint32_t i = 0; i < follower->count; i++) {
        assert_true(follower->versions[i] > (i == 0 ? follower->start : follower->versions[i - 1]));
    }
    uint32_t at = 0;
    for (uint32_t r = 0; r < all.rows->count; r++) {
        while (at < follower->count && follower->versions[at] < rows_version(all.rows, r))
            at++;
        assert_true(at < follower->count);
        assert_int_equal(follower->versions[at], rows_version(all.rows, r));
    }
    arena_drop(&arena);
}

static void no_row_comes_twice_and_none_is_missed_from_any_place(void **state) {
    struct solo_bulk *stage = *state;
    static struct follower followers[SOLO_PEERS];
    struct rng rng;
    rng_seed(&rng, 5, 0);
    for (uint32_t i = 0; i < 40; i++)
        commit_something(stage, &rng);
    uint64_t oldest = stage->library.store.clock;
    begin(stage, 7);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_join(stage, 2, 4);
    for (uint32_t trial = 0; trial < 20; trial++) {
        stage->solo.now.mono_us +=
            LIMIT_RETRY_US; /* Or what is asked for anew would have to wait. */
        for (uint32_t p = 0; p < SOLO_PEERS; p++) {
            uint64_t start = rng_chance(&rng, 100) ? 0
                                                   : rng_between(&rng, stage->library.clock - 150,
                                                                 stage->library.clock);
            if (start < oldest) start = 0;
            followers[p] = (struct follower){.start = start, .cursor = start};
            solo_bulk_want(stage, p, ME, start, false);
            follow(stage, p, &followers[p]); /* What credit was left brings. */
        }
        for (uint32_t turn = 0; turn < 30; turn++) {
            uint32_t p = (uint32_t)rng_below(&rng, SOLO_PEERS);
            if (rng_chance(&rng, 200)) commit_something(stage, &rng);
            for (uint32_t q = 0; q < SOLO_PEERS; q++)
                follow(stage, q, &followers[q]);
            if (followers[p].cursor < stage->library.clock) {
                solo_bulk_grant(stage, p, 1);
                follow(stage, p, &followers[p]);
            }
        }
        for (uint32_t p = 0; p < SOLO_PEERS; p++) {
            while (followers[p].cursor < stage->library.clock) {
                uint64_t before = followers[p].cursor;
                solo_bulk_grant(stage, p, 1);
                follow(stage, p, &followers[p]);
                assert_true(followers[p].cursor > before);
            }
            check_follower(stage, &followers[p]);
        }
    }
    assert_true(from_disk(stage) > 20);
    assert_true(from_memory(stage) > 20);
    assert_true(board_get(stage->solo.board->batches_shared) > 0);
}

#define SEND_TEST(name) cmocka_unit_test_setup_teardown(name, open_library, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        SEND_TEST(a_request_is_answered_from_its_position),
        SEND_TEST(a_long_answer_comes_in_batches_that_chain),
        SEND_TEST(what_is_asked_for_again_and_again_is_read_once_a_second),
        SEND_TEST(nothing_is_sent_to_who_is_at_the_head_until_it_grows),
        SEND_TEST(nothing_is_sent_unasked),
        SEND_TEST(a_live_commit_is_sent_from_memory),
        SEND_TEST(commits_that_gathered_go_as_one_batch_from_memory),
        SEND_TEST(a_place_within_a_commit_is_read_from_the_store),
        SEND_TEST(what_memory_does_not_reach_back_to_is_read_from_the_store_and_then_goes_on_live),
        SEND_TEST(a_deleted_row_travels_as_its_tombstone),
        SEND_TEST(no_more_batches_are_handed_over_than_were_granted),
        SEND_TEST(a_peer_without_credit_does_not_hold_up_another),
        SEND_TEST(peers_at_the_same_place_share_one_encoding),
        SEND_TEST(a_request_is_replaced_by_a_later_one),
        SEND_TEST(a_request_that_was_taken_back_is_served_no_more),
        SEND_TEST(a_session_s_requests_end_with_it),
        SEND_TEST(a_place_below_the_horizon_is_answered_with_an_order_to_sweep),
        SEND_TEST(a_sweep_is_never_shared_nor_read_from_memory),
        SEND_TEST(another_owner_s_rows_are_passed_on_from_the_store),
        SEND_TEST(another_owner_s_rows_are_passed_on_from_memory_when_they_are_committed),
        SEND_TEST(a_batch_that_was_cut_at_its_overlap_is_passed_on_as_it_was_used),
        SEND_TEST(no_row_comes_twice_and_none_is_missed_from_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
