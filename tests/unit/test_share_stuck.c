/* The share actor alone, a snapshot that nobody goes on giving: whoever is asked is taking one
 * itself. Who gives up what it began, when, and what it does then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "tests/lib/solo_share.h"

#define SECOND UINT64_C(1000000)
#define STUCK_S (2 * LIMIT_SOURCE_US / SECOND) /* for which the lowest waits */

/* The mail on its way to the log comes home with this. */
static void home(struct solo_share *stage, enum weft_status status) {
    struct mail *mail = solo_share_incoming(stage);
    assert_non_null(mail);
    solo_share_home(stage, mail, status, status == WEFT_OK ? "" : "no");
}

/* Peer 0's first chunk comes and is taken. */
static void take_first(struct solo_share *stage, bool last) {
    struct bytes head = solo_share_proof(stage, 3, 500);
    const struct solo_chunk chunk = {
        .heads = &head, .head_count = 1, .cursor = last ? "" : "c1", .last = last};
    solo_share_chunk(stage, 0, chunk);
    home(stage, WEFT_OK);
    assert_int_equal(solo_share_all_notes(stage, 0).wants_kept, 1);
    solo_share_below(stage, 0, true);
}

/* Something has been taken of peer 0, whose id is the lower one with `low`. */
static struct solo_share *begun(void **state, bool low) {
    struct solo_share *stage = *state;
    stage->low[0] = low;
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    take_first(stage, false);
    return stage;
}

/* Peer 0 says for so long that it is busy, each time that it is asked; whether this device gives up
 * what it began meanwhile, of which the log is being told then. */
static bool gives_up_within(struct solo_share *stage, uint64_t seconds) {
    for (uint64_t s = 0; s < seconds; s++) {
        if (solo_share_all_notes(stage, 0).wants != 0)
            solo_share_chunk(stage, 0, (struct solo_chunk){.busy = true});
        solo_share_later(stage, SECOND);
        struct mail *mail = solo_share_incoming(stage);
        if (mail == NULL) continue;
        assert_true(mail->body.records->chunk->give_up);
        solo_share_home(stage, mail, WEFT_OK, "");
        return true;
    }
    return false;
}

static bool gives(struct solo_share *stage, uint32_t peer) {
    solo_share_asks(stage, peer, false);
    for (;;) {
        const struct solo_shipment shipment = solo_share_shipment(stage, peer);
        assert_true(shipment.some);
        solo_share_grant(stage, peer, 1, 0);
        if (shipment.chunk) return !shipment.busy;
    }
}

static void the_lowest_gives_up_what_all_others_are_too_busy_for_and_gives(void **state) {
    struct solo_share *stage = begun(state, false);
    assert_false(gives_up_within(stage, STUCK_S - 1));
    assert_false(gives(stage, 0));
    assert_true(gives_up_within(stage, 3));
    assert_true(gives(stage, 0));
    /* It tells what it holds, and asks for what it lacks. */
    const struct solo_notes said = solo_share_all_notes(stage, 0);
    assert_true(said.requests > 0);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
}

static void another_waits_until_the_lowest_should_have(void **state) {
    struct solo_share *stage = begun(state, true);
    assert_false(gives_up_within(stage, STUCK_S + LIMIT_SOURCE_US / SECOND / 2 - 1));
    assert_true(gives_up_within(stage, 3));
}

static void one_that_has_raised_its_heads_is_the_last_to(void **state) {
    struct solo_share *stage = *state;
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    take_first(stage, true);
    home(stage, WEFT_OK);
    solo_share_horizon(stage, &stage->scene->ann, 0, true);
    /* The log behind the heads does not come: others may give as well, and are busy. */
    solo_share_later(stage, 4 * (uint64_t)LIMIT_SOURCE_US);
    assert_false(gives_up_within(stage, STUCK_S + LIMIT_SOURCE_US / SECOND - 1));
    assert_true(gives_up_within(stage, 3));
}

static void the_log_that_comes_after_all_ends_the_wait(void **state) {
    struct solo_share *stage = *state;
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    take_first(stage, true);
    home(stage, WEFT_OK);
    solo_share_horizon(stage, &stage->scene->ann, 0, true);
    solo_share_later(stage, 4 * (uint64_t)LIMIT_SOURCE_US);
    assert_false(gives_up_within(stage, 5));
    assert_false(gives(stage, 0));
    solo_share_horizon(stage, &stage->scene->ann, 0, false);
    assert_true(gives(stage, 0));
}

static void who_is_not_busy_is_asked_before_anything_is_given_up(void **state) {
    struct solo_share *stage = begun(state, false);
    struct bytes head = solo_share_proof(stage, 4, 600);
    solo_share_join(stage, 1, 2);
    assert_false(gives_up_within(stage, STUCK_S - 1));
    /* It has not said that this device lies below, but a whole snapshot is better than none. */
    assert_int_equal(solo_share_all_notes(stage, 1).wants, 1);
    assert_false(gives_up_within(stage, 30));
    solo_share_chunk(stage, 1,
                     (struct solo_chunk){.heads = &head, .head_count = 1, .cursor = "d1"});
    home(stage, WEFT_OK);
    assert_false(gives_up_within(stage, STUCK_S - 1));
}

static void who_says_nothing_is_not_waited_for_for_ever(void **state) {
    struct solo_share *stage = begun(state, false);
    solo_share_join(stage, 1, 2);
    bool gave_up = false;
    for (int turns = 0; turns < 12 && !gave_up; turns++)
        gave_up = gives_up_within(stage, LIMIT_SOURCE_US / SECOND);
    assert_true(gave_up);
}

static void a_source_that_never_answers_is_asked_again_in_another_session(void **state) {
    struct solo_share *stage = begun(state, false);
    const uint64_t still_us = 4 * (uint64_t)LIMIT_SOURCE_US;
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    solo_share_later(stage, still_us - 1);
    solo_share_horizon(stage, &stage->scene->ann, 0, true); /* The log says something else. */
    assert_string_equal(solo_share_all_notes(stage, 0).fault, "");
    solo_share_later(stage, 1);
    assert_non_null(strstr(solo_share_all_notes(stage, 0).fault, "no answer"));
    solo_share_leave(stage, 0);
    (void)solo_share_all_notes(stage, 0);
    solo_share_join(stage, 0, 2);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
}

static void a_source_that_has_time_again_is_gone_on_with(void **state) {
    struct solo_share *stage = begun(state, false);
    assert_false(gives_up_within(stage, LIMIT_SOURCE_US / SECOND / 2));
    if (solo_share_all_notes(stage, 0).wants == 0) solo_share_later(stage, LIMIT_RETRY_US);
    (void)solo_share_all_notes(stage, 0);
    solo_share_chunk(stage, 0, (struct solo_chunk){.cursor = "c2"});
    home(stage, WEFT_OK);
    assert_string_equal(solo_share_all_notes(stage, 0).cursor, "c2");
    assert_false(gives_up_within(stage, STUCK_S - 1));
}

static void what_a_full_disk_did_not_let_go_is_given_up_later(void **state) {
    struct solo_share *stage = begun(state, false);
    struct mail *mail = NULL;
    for (uint64_t s = 0; s < STUCK_S + 3 && mail == NULL; s++) {
        if (solo_share_all_notes(stage, 0).wants != 0)
            solo_share_chunk(stage, 0, (struct solo_chunk){.busy = true});
        solo_share_later(stage, SECOND);
        mail = solo_share_incoming(stage);
    }
    assert_non_null(mail);
    solo_share_home(stage, mail, WEFT_DISK_FULL, "no");
    assert_false(gives(stage, 0));
    assert_true(gives_up_within(stage, 5));
    assert_true(gives(stage, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        share_test(the_lowest_gives_up_what_all_others_are_too_busy_for_and_gives),
        share_test(another_waits_until_the_lowest_should_have),
        share_test(one_that_has_raised_its_heads_is_the_last_to),
        share_test(the_log_that_comes_after_all_ends_the_wait),
        share_test(who_is_not_busy_is_asked_before_anything_is_given_up),
        share_test(who_says_nothing_is_not_waited_for_for_ever),
        share_test(a_source_that_never_answers_is_asked_again_in_another_session),
        share_test(a_source_that_has_time_again_is_gone_on_with),
        share_test(what_a_full_disk_did_not_let_go_is_given_up_later),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
