/* The bulk actor alone, its way in, when a batch is not the one that is waited for: what is asked
 * again, how often, what is used of it all the same; and sweeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_bulk.h"

static int open_stage(void **state) {
    struct solo_bulk *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    solo_bulk_library(stage);
    solo_bulk_start(stage, 100);
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_bulk_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

/* THEM has joined as peer 0 and has been asked for its entries from 0. */
static struct solo_bulk *asked_them(void **state) {
    solo_bulk_ask(*state);
    return *state;
}

/* Hands over THEM's (after, upto] with `count` rows, from peer 0. */
static uint32_t deliver(struct solo_bulk *stage, uint64_t after, uint64_t upto, uint32_t count) {
    return solo_bulk_deliver(
        stage, &(struct delivery){.owner = THEM, .after = after, .upto = upto, .count = count});
}

static void nothing_for_the_log(struct solo_bulk *stage) {
    assert_null(solo_bulk_incoming(stage));
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static void a_gap_is_asked_for_from_the_committed_place_once_all_is_home(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    deliver(stage, 20, 30, 3);
    assert_int_equal(stage->heard[0].requests, 0); /* (0, 10] is still on its way. */
    solo_bulk_expect(stage, 0, 10, 3);
    nothing_for_the_log(stage);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 10);
    deliver(stage, 10, 40, 5);
    solo_bulk_expect(stage, 10, 40, 5);
    assert_int_equal(stage->heard[0].batches, 3);
}

static void a_gap_is_asked_for_once_however_many_batches_lie_behind_it(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    for (uint64_t after = 20; after < 120; after += 10)
        deliver(stage, after, after + 10, 2);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 10);
    nothing_for_the_log(stage);
    /* The answer, and then a gap of its own. */
    deliver(stage, 10, 60, 5);
    solo_bulk_expect(stage, 10, 60, 5);
    deliver(stage, 120, 130, 2);
    assert_int_equal(stage->heard[0].requests, 2);
    assert_int_equal(stage->heard[0].entry.position, 60);
}

static void what_was_under_way_when_the_log_refused_is_not_asked_for_again_and_again(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_DISK_FULL, 0, false);
    deliver(stage, 10, 20, 3);
    assert_int_equal(stage->heard[0].requests, 0);
    stage->solo.now.mono_us += LIMIT_RETRY_US;
    deliver(stage, 20, 30, 3);
    assert_int_equal(stage->heard[0].requests, 1);
    deliver(stage, 30, 40, 3);
    deliver(stage, 40, 50, 3);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 0);
    nothing_for_the_log(stage);
    deliver(stage, 0, 50, 9);
    solo_bulk_expect(stage, 0, 50, 9);
    assert_int_equal(stage->heard[0].batches, 6);
}

static void a_batch_that_overlaps_what_is_here_is_used_from_there_on(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    deliver(stage, 5, 20, 13); /* Versions 8 to 20. */
    deliver(stage, 20, 25, 1);
    solo_bulk_expect(stage, 0, 10, 3);
    struct mail *mail = solo_bulk_incoming(stage);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.incoming->rows;
    assert_int_equal(rows->after, 10);
    assert_int_equal(rows->count, 10);
    assert_int_equal(rows_version(rows, 0), 11);
    assert_int_equal(rows_value(rows, 0, 3).as.integer, 11);
    assert_memory_equal(rows_value(rows, 9, 2).as.bytes, "row 20", 6);
    assert_true(rows_valid(rows, 4));
    solo_bulk_home(stage, mail, WEFT_OK, 20, false);
    solo_bulk_expect(stage, 20, 25, 1);
    assert_int_equal(stage->heard[0].requests, 0);
}

static void an_overlapping_batch_may_have_no_rows_that_are_new(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    deliver(stage, 5, 20, 0);
    solo_bulk_expect(stage, 10, 20, 0);
    assert_int_equal(stage->heard[0].requests, 0);
}

static void an_overlap_that_may_lack_tombstones_is_asked_again(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    /* It was read from the beginning: deletes in (10, 15] are not in it. */
    solo_bulk_deliver(stage, &(struct delivery){
                                 .owner = THEM, .after = 0, .upto = 20, .count = 3, .horizon = 15});
    nothing_for_the_log(stage);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 10);
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

/* "Begin anew", said of a place. */
static void order_sweep(struct solo_bulk *stage, uint64_t place) {
    solo_bulk_deliver(
        stage, &(struct delivery){.owner = THEM, .after = place, .upto = place, .sweep = true});
}

static void an_order_to_begin_anew_goes_to_the_log_and_a_sweep_is_asked_for(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    order_sweep(stage, 10);
    struct mail *mail = solo_bulk_incoming(stage);
    assert_non_null(mail);
    assert_true(mail->body.incoming->rows->sweep);
    solo_bulk_home(stage, mail, WEFT_OK, 0, true);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 0);
    assert_true(stage->heard[0].entry.sweep);
}

static void a_sweep_ends_with_an_ordinary_request(void **state) {
    struct solo_bulk *stage = asked_them(state);
    order_sweep(stage, 0);
    solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 0, true);
    solo_bulk_clear(stage, 0);
    solo_bulk_deliver(stage,
                      &(struct delivery){.owner = THEM, .upto = 30, .count = 5, .sweep = true});
    solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 30, true);
    assert_int_equal(stage->heard[0].requests, 0); /* It goes on by itself. */
    solo_bulk_deliver(
        stage,
        &(struct delivery){.owner = THEM, .after = 30, .upto = 50, .count = 5, .sweep = true});
    solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 50, false);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 50);
    assert_false(stage->heard[0].entry.sweep);
}

static void an_order_to_begin_anew_from_elsewhere_does_not_hang_the_stream(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    deliver(stage, 0, 4, 2); /* Once more, before the order at its end. */
    solo_bulk_clear(stage, 0);
    for (uint64_t place = 4; place <= 14; place += 10) {
        order_sweep(stage, place);
        nothing_for_the_log(stage);
        assert_int_equal(stage->heard[0].requests, 1);
        assert_int_equal(stage->heard[0].entry.position, 10);
        assert_int_equal(stage->heard[0].batches, 1);
        solo_bulk_clear(stage, 0);
    }
    deliver(stage, 10, 20, 3);
    solo_bulk_expect(stage, 10, 20, 3);
}

static void a_batch_of_a_sweep_that_overlaps_is_not_cut(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    solo_bulk_deliver(stage, &(struct delivery){
                                 .owner = THEM, .after = 5, .upto = 20, .count = 3, .sweep = true});
    nothing_for_the_log(stage);
    assert_int_equal(stage->heard[0].requests, 1);
}

static void an_ordinary_batch_that_overlaps_a_sweep_is_not_cut_either(void **state) {
    struct solo_bulk *stage = asked_them(state);
    order_sweep(stage, 0);
    solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 0, true);
    solo_bulk_deliver(stage,
                      &(struct delivery){.owner = THEM, .upto = 30, .count = 5, .sweep = true});
    solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 30, true);
    solo_bulk_clear(stage, 0);
    deliver(stage, 10, 50, 5);
    nothing_for_the_log(stage);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 30);
    assert_true(stage->heard[0].entry.sweep);
}

/* ---- who gives nothing, or what is wrong ----------------------------------------------------- */

enum { YET_ANOTHER = 4 };

/* Peers 0 and 1 say that they hold THEIR rows up to 50 and to 40, and peer 0 is asked for them. */
static struct solo_bulk *two_sources(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, OTHERS);
    solo_bulk_join(stage, 1, YET_ANOTHER);
    solo_bulk_clear(stage, 0);
    solo_bulk_clear(stage, 1);
    solo_bulk_holds(stage, 0, THEM, 50);
    solo_bulk_holds(stage, 1, THEM, 40);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[1].requests, 0);
    return stage;
}

static void pass(struct solo_bulk *stage, uint64_t us) {
    stage->solo.now.mono_us += us;
    solo_turn(&stage->solo);
    solo_bulk_grant(stage, 0, 0);
}

static void who_holds_more_and_gives_nothing_is_turned_away_from(void **state) {
    struct solo_bulk *stage = two_sources(state);
    pass(stage, LIMIT_SOURCE_US - 1);
    assert_int_equal(stage->heard[1].requests, 0);
    pass(stage, 1);
    assert_int_equal(stage->heard[1].requests, 1);
    assert_int_equal(stage->heard[1].entry.owner, THEM);
    assert_int_equal(stage->heard[1].entry.position, 0);
    assert_int_equal(stage->heard[0].entry.position, STREAM_WITHDRAWN);
    solo_bulk_deliver(
        stage, &(struct delivery){.peer = 1, .owner = THEM, .after = 0, .upto = 40, .count = 4});
    solo_bulk_expect(stage, 0, 40, 4);
    /* Nobody else says that there is more. */
    assert_int_equal(stage->heard[0].entry.position, 40);
    solo_bulk_holds(stage, 1, THEM, 50);
    assert_int_equal(stage->heard[1].entry.position, 40);
}

static void who_alone_holds_more_is_asked_again_after_growing_pauses(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, OTHERS);
    solo_bulk_clear(stage, 0);
    solo_bulk_holds(stage, 0, THEM, 50);
    for (uint32_t asked = 1, seconds = LIMIT_SOURCE_US / 1000000; asked < 5; seconds *= 2) {
        for (uint32_t s = 1; s < seconds; s++) {
            pass(stage, 1000000);
            assert_int_equal(stage->heard[0].requests, asked);
        }
        pass(stage, 1000000);
        assert_int_equal(stage->heard[0].requests, ++asked);
        assert_int_equal(stage->heard[0].entry.position, 0);
    }
    /* All that it said has come: nothing more is waited for. */
    deliver(stage, 0, 50, 5);
    solo_bulk_expect(stage, 0, 50, 5);
    solo_bulk_clear(stage, 0);
    pass(stage, 100 * (uint64_t)LIMIT_SOURCE_US);
    assert_int_equal(stage->heard[0].requests, 0);
}

static void on_a_metered_network_nothing_is_asked_for_and_afterwards_it_is(void **state) {
    struct solo_bulk *stage = *state;
    solo_bulk_join(stage, 0, OTHERS);
    solo_bulk_clear(stage, 0);
    solo_bulk_holds(stage, 0, THEM, 40);
    assert_int_equal(stage->heard[0].requests, 1);
    board_set(stage->solo.board->metered, 1);
    solo_bulk_clear(stage, 0);
    solo_bulk_holds(stage, 0, THEM, 50);
    assert_int_equal(stage->heard[0].entry.position, STREAM_WITHDRAWN);
    solo_bulk_clear(stage, 0);
    pass(stage, 10 * LIMIT_SOURCE_US);
    assert_int_equal(stage->heard[0].requests, 0);
    board_set(stage->solo.board->metered, 0);
    pass(stage, LIMIT_RETRY_US);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 0);
}

static void repairs_take_from_each_who_may_have_what_is_right_twice_in_turn(void **state) {
    struct solo_bulk *stage = two_sources(state);
    solo_bulk_holds(stage, 1, THEM, 50);
    deliver(stage, 0, 50, 5);
    solo_bulk_expect(stage, 0, 50, 5);
    static const uint32_t sources[] = {1, 1, 0, 0, 1, 1};
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t from = sources[i];
        solo_bulk_clear(stage, from);
        solo_bulk_repair(stage, THEM, true);
        assert_int_equal(stage->heard[from].requests, 1);
        assert_true(stage->heard[from].entry.sweep);
        assert_int_equal(stage->heard[1 - from].entry.position, STREAM_WITHDRAWN);
        solo_bulk_deliver(
            stage,
            &(struct delivery){.peer = from, .owner = THEM, .upto = 50, .count = 5, .sweep = true});
        solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 50, false);
    }
}

static void a_repair_is_taken_from_who_says_what_the_owner_says(void **state) {
    struct solo_bulk *stage = two_sources(state);
    solo_bulk_holds(stage, 1, THEM, 50);
    deliver(stage, 0, 50, 5);
    solo_bulk_expect(stage, 0, 50, 5);
    for (uint32_t i = 0; i < 5; i++) {
        solo_bulk_clear(stage, 1);
        solo_bulk_repair_from(stage, THEM, YET_ANOTHER, true);
        assert_int_equal(stage->heard[1].requests, 1);
        assert_true(stage->heard[1].entry.sweep);
        solo_bulk_deliver(
            stage,
            &(struct delivery){.peer = 1, .owner = THEM, .upto = 50, .count = 5, .sweep = true});
        solo_bulk_home(stage, solo_bulk_incoming(stage), WEFT_OK, 50, false);
        /* Whoever says that it holds more is asked for that again. */
        solo_bulk_holds(stage, 0, THEM, 60 + i);
    }
}

#define GAP_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        GAP_TEST(a_gap_is_asked_for_from_the_committed_place_once_all_is_home),
        GAP_TEST(a_gap_is_asked_for_once_however_many_batches_lie_behind_it),
        GAP_TEST(what_was_under_way_when_the_log_refused_is_not_asked_for_again_and_again),
        GAP_TEST(a_batch_that_overlaps_what_is_here_is_used_from_there_on),
        GAP_TEST(an_overlapping_batch_may_have_no_rows_that_are_new),
        GAP_TEST(an_overlap_that_may_lack_tombstones_is_asked_again),
        GAP_TEST(an_order_to_begin_anew_goes_to_the_log_and_a_sweep_is_asked_for),
        GAP_TEST(a_sweep_ends_with_an_ordinary_request),
        GAP_TEST(an_order_to_begin_anew_from_elsewhere_does_not_hang_the_stream),
        GAP_TEST(a_batch_of_a_sweep_that_overlaps_is_not_cut),
        GAP_TEST(an_ordinary_batch_that_overlaps_a_sweep_is_not_cut_either),
        GAP_TEST(who_holds_more_and_gives_nothing_is_turned_away_from),
        GAP_TEST(who_alone_holds_more_is_asked_again_after_growing_pauses),
        GAP_TEST(on_a_metered_network_nothing_is_asked_for_and_afterwards_it_is),
        GAP_TEST(repairs_take_from_each_who_may_have_what_is_right_twice_in_turn),
        GAP_TEST(a_repair_is_taken_from_who_says_what_the_owner_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
