/* The bulk actor alone: a sweep that has been begun because of a difference asks only for the
 * ranges that differ, and passes over the rest; and what is answered to others who do so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/store/digest.h"
#include "tests/lib/solo_bulk.h"

enum { ROWS = 200 };

/* ROWS rows of THEM are held: row i has version first + i. */
struct stage {
    struct solo_bulk bulk;
    uint64_t first, position;
    uint64_t sums[ROWS]; /* what an answer about ranges of one row each would say */
};

/* A digest, as docs/protocol.md has it: of a key that is one BLOB of 16 bytes. */
static uint64_t digest_of(const uint8_t id[16], uint64_t version) {
    uint8_t key[18] = {4, 16};
    memcpy(key + 2, id, 16);
    return digest_owned((struct bytes){key, sizeof key}, version);
}

static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    struct run run;
    assert_non_null(stage);
    solo_bulk_library(&stage->bulk);
    run_begin(&run, &stage->bulk.library, "entry");
    stage->first = stage->bulk.library.clock + 1;
    for (int i = 0; i < ROWS; i++) {
        uint8_t id[16];
        run_put(&run, "bbti", i, 0xbb, "theirs", (int64_t)i);
        memset(id, i, sizeof id);
        stage->sums[i] = digest_of(id, stage->first + (uint64_t)i);
    }
    run_receive(&run, &stage->bulk.library, THEM, NULL);
    run_drop(&run);
    stage->position = stage->bulk.library.clock;
    assert_true(stage->position == stage->first + ROWS - 1);
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    struct stage *stage = *state;
    bool clean = solo_bulk_close(&stage->bulk);
    free(stage);
    return clean ? 0 : 1;
}

/* The log has begun to sweep, and THEM, peer 0, has been asked about ranges of one row each. */
static struct solo_bulk *asked(struct stage *stage) {
    struct solo_bulk *bulk = &stage->bulk;
    solo_bulk_start(bulk, 50);
    solo_bulk_join(bulk, 0, THEM);
    solo_bulk_clear(bulk, 0);
    solo_bulk_repair(bulk, THEM, false);
    assert_int_equal(bulk->heard[0].requests, 0);
    assert_int_equal(bulk->heard[0].ranges_count, 1);
    const Weft__Ranges *ranges = bulk->heard[0].ranges->body.ranges;
    assert_false(ranges->answer);
    assert_true(ranges->position == stage->position);
    assert_int_equal(ranges->n_bounds, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        assert_true(ranges->bounds[i] == stage->first + i);
    return bulk;
}

/* The version of row `i`; rows before the first: 0. */
static uint64_t at(const struct stage *stage, int i) {
    return i < 0 ? 0 : stage->first + (uint64_t)i;
}

/* The log is to pass over all from behind row `after` to row `upto`, and does. */
static void passes_over(struct stage *stage, int after, int upto, bool sweeping) {
    struct mail *mail = solo_bulk_incoming(&stage->bulk);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.incoming->rows;
    assert_true(rows->sweep && rows->same && rows->count == 0);
    assert_true(rows->after == at(stage, after) && rows->upto == at(stage, upto));
    solo_bulk_home(&stage->bulk, mail, WEFT_OK, at(stage, upto), sweeping);
}

/* THEM is asked for the rows behind `after` as far as `until`, and sends them. */
static void sends(struct stage *stage, int after, int until, bool sweeping) {
    const struct asked *entry = &stage->bulk.heard[0].entry;
    assert_int_equal(stage->bulk.heard[0].requests, 1);
    assert_true(entry->sweep && entry->position == at(stage, after));
    assert_true(entry->until == at(stage, until));
    solo_bulk_clear(&stage->bulk, 0);
    solo_bulk_deliver(&stage->bulk, &(struct delivery){.owner = THEM,
                                                       .after = at(stage, after),
                                                       .upto = at(stage, until),
                                                       .count = (uint32_t)(until - after),
                                                       .sweep = true});
    struct mail *mail = solo_bulk_incoming(&stage->bulk);
    assert_non_null(mail);
    assert_false(mail->body.incoming->rows->same);
    solo_bulk_home(&stage->bulk, mail, WEFT_OK, at(stage, until), sweeping);
    assert_int_equal(stage->bulk.heard[0].batches, 1);
}

/* All is asked for, from the place `after` on. */
static void sweeps_whole(struct stage *stage, uint32_t peer, uint64_t after) {
    const struct asked *entry = &stage->bulk.heard[peer].entry;
    assert_null(solo_bulk_incoming(&stage->bulk));
    assert_int_equal(stage->bulk.heard[peer].requests, 1);
    assert_true(entry->sweep && entry->position == after && entry->until == 0);
}

static void answers(struct stage *stage) {
    solo_bulk_answers(&stage->bulk, 0, THEM, stage->position, stage->sums, ROWS);
}

/* ---- the own sweep --------------------------------------------------------------------------- */

static void only_the_ranges_that_differ_are_asked_for(void **state) {
    struct stage *stage = *state;
    struct solo_bulk *bulk = asked(stage);
    stage->sums[50]++;
    stage->sums[51]++;
    stage->sums[120]++;
    answers(stage);
    passes_over(stage, -1, 49, true);
    sends(stage, 49, 51, true);
    passes_over(stage, 51, 119, true);
    sends(stage, 119, 120, true);
    passes_over(stage, 120, ROWS - 1, false);
    assert_int_equal(bulk->heard[0].requests, 1);
    assert_false(bulk->heard[0].entry.sweep);
    assert_true(bulk->heard[0].entry.position == stage->position);
    assert_int_equal(bulk->heard[0].entry.until, 0);
}

static void a_sweep_may_begin_and_end_with_what_differs(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    stage->sums[0]++;
    stage->sums[ROWS - 1]++;
    answers(stage);
    sends(stage, -1, 0, true);
    passes_over(stage, 0, ROWS - 2, true);
    sends(stage, ROWS - 2, ROWS - 1, false);
    assert_int_equal(stage->bulk.heard[0].requests, 1);
    assert_false(stage->bulk.heard[0].entry.sweep);
}

static void where_nothing_differs_nothing_is_asked_for(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    answers(stage);
    passes_over(stage, -1, ROWS - 1, false);
    assert_false(stage->bulk.heard[0].entry.sweep);
}

static void a_source_that_has_forgotten_more_is_asked_on_behind_the_ranges(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    answers(stage);
    passes_over(stage, -1, ROWS - 1, true);
    sweeps_whole(stage, 0, stage->position);
}

static void little_is_taken_again_without_a_question(void **state) {
    struct stage *stage = *state;
    solo_bulk_start(&stage->bulk, ROWS);
    solo_bulk_join(&stage->bulk, 0, THEM);
    solo_bulk_clear(&stage->bulk, 0);
    solo_bulk_repair(&stage->bulk, THEM, false);
    assert_int_equal(stage->bulk.heard[0].ranges_count, 0);
    sweeps_whole(stage, 0, 0);
}

static void a_sweep_that_is_to_be_whole_is(void **state) {
    struct stage *stage = *state;
    solo_bulk_start(&stage->bulk, 50);
    solo_bulk_join(&stage->bulk, 0, THEM);
    solo_bulk_clear(&stage->bulk, 0);
    solo_bulk_repair(&stage->bulk, THEM, true);
    assert_int_equal(stage->bulk.heard[0].ranges_count, 0);
    sweeps_whole(stage, 0, 0);
}

static void who_cannot_answer_is_asked_for_all(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    solo_bulk_answers(&stage->bulk, 0, THEM, stage->position, stage->sums, 0);
    sweeps_whole(stage, 0, 0);
    answers(stage); /* Too late. */
    assert_null(solo_bulk_incoming(&stage->bulk));
}

static void an_answer_to_something_else_is_no_answer(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    solo_bulk_answers(&stage->bulk, 0, THEM, stage->position - 1, stage->sums, ROWS);
    solo_bulk_answers(&stage->bulk, 0, OTHERS, stage->position, stage->sums, ROWS);
    assert_null(solo_bulk_incoming(&stage->bulk));
    assert_int_equal(stage->bulk.heard[0].requests, 0);
    answers(stage);
    passes_over(stage, -1, ROWS - 1, false);
}

/* A batch was refused, and may be asked for again by now: not before the answer about ranges. */
static void who_waits_for_an_answer_has_nothing_to_do(void **state) {
    struct stage *stage = *state;
    struct solo_bulk *bulk = &stage->bulk;
    const struct solo *solo = &bulk->solo;
    solo_bulk_start(bulk, 50);
    solo_bulk_join(bulk, 0, THEM);
    solo_bulk_deliver(bulk, &(struct delivery){.owner = THEM,
                                               .after = stage->position,
                                               .upto = stage->position + 1,
                                               .count = 1});
    struct mail *mail = solo_bulk_incoming(bulk);
    assert_non_null(mail);
    solo_bulk_home(bulk, mail, WEFT_DISK_FULL, stage->position, false);
    solo_bulk_repair(bulk, THEM, false);
    bulk->solo.now.mono_us += LIMIT_RETRY_US;
    solo_turn(&bulk->solo);
    assert_true(actor_due_us(&solo->topology->actors[solo->id]) > solo->now.mono_us);
}

static void who_does_not_answer_is_asked_for_all(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    stage->bulk.solo.now.mono_us += LIMIT_RANGES_US + 10 * ROWS - 1;
    solo_bulk_grant(&stage->bulk, 0, 0);
    assert_int_equal(stage->bulk.heard[0].requests, 0);
    stage->bulk.solo.now.mono_us++;
    solo_bulk_grant(&stage->bulk, 0, 0);
    sweeps_whole(stage, 0, 0);
}

static void a_sweep_that_stands_still_goes_on_as_a_whole_one(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    stage->sums[50]++;
    answers(stage);
    passes_over(stage, -1, 49, true);
    assert_true(stage->bulk.heard[0].entry.until == at(stage, 50));
    solo_bulk_clear(&stage->bulk, 0);
    stage->bulk.solo.now.mono_us += LIMIT_NARROW_US;
    solo_bulk_grant(&stage->bulk, 0, 0);
    sweeps_whole(stage, 0, at(stage, 49));
}

static void another_source_is_asked_for_all_that_is_left(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    stage->sums[50]++;
    answers(stage);
    passes_over(stage, -1, 49, true);
    solo_bulk_leave(&stage->bulk, 0);
    solo_bulk_join(&stage->bulk, 1, THEM);
    sweeps_whole(stage, 1, at(stage, 49));
}

static void a_sweep_that_has_to_begin_anew_is_a_whole_one(void **state) {
    struct stage *stage = *state;
    (void)asked(stage);
    stage->sums[50]++;
    answers(stage);
    struct mail *mail = solo_bulk_incoming(&stage->bulk);
    assert_non_null(mail);
    solo_bulk_home(&stage->bulk, mail, WEFT_INVALID, 0, true);
    sweeps_whole(stage, 0, 0);
}

/* ---- others ---------------------------------------------------------------------------------- */

static void what_is_held_in_ranges_is_told_to_who_asks(void **state) {
    struct stage *stage = *state;
    const uint64_t bounds[] = {at(stage, 9), at(stage, 10), at(stage, 149), at(stage, 189)};
    const int last[] = {9, 10, 149, 189};
    solo_bulk_start(&stage->bulk, 50);
    solo_bulk_join(&stage->bulk, 0, OTHERS);
    solo_bulk_clear(&stage->bulk, 0);
    solo_bulk_asks(&stage->bulk, 0, THEM, bounds, 4);
    assert_int_equal(stage->bulk.heard[0].ranges_count, 1);
    const Weft__Ranges *ranges = stage->bulk.heard[0].ranges->body.ranges;
    assert_true(ranges->answer && ranges->position == bounds[3]);
    assert_int_equal(ranges->n_sums, 4);
    for (int i = 0, row = 0; i < 4; i++) {
        uint64_t sum = 0;
        while (row <= last[i])
            sum += stage->sums[row++];
        assert_true(ranges->sums[i] == sum);
    }
}

static void the_digest_that_is_kept_is_the_sum_of_all_ranges(void **state) {
    struct stage *stage = *state;
    const uint64_t bounds[] = {at(stage, 70), stage->position};
    solo_bulk_start(&stage->bulk, 50);
    solo_bulk_join(&stage->bulk, 0, OTHERS);
    solo_bulk_asks(&stage->bulk, 0, THEM, bounds, 2);
    const Weft__Ranges *ranges = stage->bulk.heard[0].ranges->body.ranges;
    assert_int_equal(ranges->n_sums, 2);
    assert_true((int64_t)(ranges->sums[0] + ranges->sums[1]) ==
                library_count(&stage->bulk.library,
                              "SELECT p.digest FROM _weft_position AS p JOIN _weft_device AS d "
                              "ON d.id = p.owner WHERE p.model = (SELECT id FROM _weft_model "
                              "WHERE name = 'entry') AND substr(d.device, 1, 1) = x'02'"));
}

static void who_asks_about_more_than_is_held_gets_no_sums(void **state) {
    struct stage *stage = *state;
    const uint64_t beyond = stage->position + 1;
    solo_bulk_start(&stage->bulk, 50);
    solo_bulk_join(&stage->bulk, 0, OTHERS);
    solo_bulk_asks(&stage->bulk, 0, THEM, &beyond, 1);
    assert_int_equal(stage->bulk.heard[0].ranges_count, 1);
    assert_true(stage->bulk.heard[0].ranges->body.ranges->answer);
    assert_int_equal(stage->bulk.heard[0].ranges->body.ranges->n_sums, 0);
}

static void who_asks_often_is_answered_once_a_second(void **state) {
    struct stage *stage = *state;
    struct solo_bulk *bulk = &stage->bulk;
    solo_bulk_start(bulk, 50);
    solo_bulk_join(bulk, 0, OTHERS);
    for (int i = 0; i < 5; i++)
        solo_bulk_asks(bulk, 0, THEM, &stage->position, 1);
    assert_int_equal(bulk->heard[0].ranges_count, 1);
    bulk->solo.now.mono_us += LIMIT_RETRY_US;
    solo_bulk_grant(bulk, 0, 0);
    assert_int_equal(bulk->heard[0].ranges_count, 2); /* The second waited; the rest is gone. */
    bulk->solo.now.mono_us += 5 * LIMIT_RETRY_US;
    solo_bulk_grant(bulk, 0, 0);
    assert_int_equal(bulk->heard[0].ranges_count, 2);
    solo_bulk_asks(bulk, 0, THEM, &stage->position, 1);
    assert_int_equal(bulk->heard[0].ranges_count, 3);
}

static void a_question_is_forgotten_with_its_session(void **state) {
    struct stage *stage = *state;
    struct solo_bulk *bulk = &stage->bulk;
    solo_bulk_start(bulk, 50);
    solo_bulk_join(bulk, 0, OTHERS);
    solo_bulk_asks(bulk, 0, THEM, &stage->position, 1);
    solo_bulk_asks(bulk, 0, THEM, &stage->position, 1);
    solo_bulk_leave(bulk, 0);
    solo_bulk_join(bulk, 0, OTHERS);
    bulk->solo.now.mono_us += LIMIT_RETRY_US;
    solo_bulk_grant(bulk, 0, 0);
    assert_int_equal(bulk->heard[0].ranges_count, 1);
}

static void a_request_with_an_end_is_served_that_far(void **state) {
    struct stage *stage = *state;
    struct solo_bulk *bulk = &stage->bulk;
    solo_bulk_start(bulk, 50);
    solo_bulk_join(bulk, 0, OTHERS);
    solo_bulk_grant(bulk, 0, 4);
    solo_bulk_want_until(bulk, 0, THEM, at(stage, 9), at(stage, 69), true);
    assert_int_equal(bulk->heard[0].out_count, 2);
    struct opened first = solo_bulk_opened(bulk, bulk->heard[0].out[0]);
    struct opened second = solo_bulk_opened(bulk, bulk->heard[0].out[1]);
    assert_true(first.sent->after == at(stage, 9) && first.sent->upto == at(stage, 59));
    assert_true(second.sent->after == at(stage, 59) && second.sent->upto == at(stage, 69));
    assert_true(first.sent->sweep && second.sent->sweep && second.sent->has_more);
    assert_int_equal(second.rows->count, 10);
    solo_bulk_want_until(bulk, 0, THEM, at(stage, 80), at(stage, 80), true);
    assert_int_equal(bulk->heard[0].out_count, 2);
}

#define NARROW_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        NARROW_TEST(only_the_ranges_that_differ_are_asked_for),
        NARROW_TEST(a_sweep_may_begin_and_end_with_what_differs),
        NARROW_TEST(where_nothing_differs_nothing_is_asked_for),
        NARROW_TEST(a_source_that_has_forgotten_more_is_asked_on_behind_the_ranges),
        NARROW_TEST(little_is_taken_again_without_a_question),
        NARROW_TEST(a_sweep_that_is_to_be_whole_is),
        NARROW_TEST(who_cannot_answer_is_asked_for_all),
        NARROW_TEST(an_answer_to_something_else_is_no_answer),
        NARROW_TEST(who_does_not_answer_is_asked_for_all),
        NARROW_TEST(who_waits_for_an_answer_has_nothing_to_do),
        NARROW_TEST(a_sweep_that_stands_still_goes_on_as_a_whole_one),
        NARROW_TEST(another_source_is_asked_for_all_that_is_left),
        NARROW_TEST(a_sweep_that_has_to_begin_anew_is_a_whole_one),
        NARROW_TEST(what_is_held_in_ranges_is_told_to_who_asks),
        NARROW_TEST(the_digest_that_is_kept_is_the_sum_of_all_ranges),
        NARROW_TEST(who_asks_about_more_than_is_held_gets_no_sums),
        NARROW_TEST(who_asks_often_is_answered_once_a_second),
        NARROW_TEST(a_question_is_forgotten_with_its_session),
        NARROW_TEST(a_request_with_an_end_is_served_that_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
