/* The share actor alone, when the host or a remote wants both to hold the same: as in
 * test_bulk_sync.c, but about the shared log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "tests/lib/solo_share.h"

/* A session stands, and this device holds four records of ann. */
static struct solo_share *started(void **state) {
    struct solo_share *stage = *state;
    solo_share_say(stage, &stage->scene->ann, 4, 10);
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    (void)solo_share_all_notes(stage, 0);
    return stage;
}

static uint64_t synced(struct solo_share *stage, uint32_t peer) {
    return atomic_load(&stage->solo.board->peers[peer].synced_shared);
}

static void remote_holds(struct solo_share *stage, uint64_t seq) {
    solo_share_acked(stage, 0, &(struct solo_head){&stage->scene->ann, seq}, 1);
}

static void a_call_asks_with_all_heads_though_they_were_told(void **state) {
    struct solo_share *stage = started(state);
    solo_share_sync(stage, 1);
    const struct solo_notes notes = solo_share_notes(stage, 0);
    assert_int_equal(notes.ask, 1);
    assert_true(notes.held > 0);
}

static void a_call_that_comes_before_the_answer_is_asked_for_next(void **state) {
    struct solo_share *stage = started(state);
    for (uint64_t number = 1; number <= 3; number++)
        solo_share_sync(stage, number);
    assert_int_equal(solo_share_all_notes(stage, 0).ask, 1);
    solo_share_marks(stage, 0, 0, 1);
    assert_int_equal(synced(stage, 0), 1);
    assert_int_equal(solo_share_all_notes(stage, 0).ask, 3);
}

static void a_call_ends_when_what_the_remote_held_is_here(void **state) {
    struct solo_share *stage = started(state);
    solo_share_sync(stage, 1);
    (void)solo_share_all_notes(stage, 0);
    remote_holds(stage, 6);
    solo_share_marks(stage, 0, 0, 1);
    remote_holds(stage, 7); /* Later, so that it is not waited for. */
    solo_share_grown(stage, &stage->scene->ann, 1, 10);
    assert_int_equal(synced(stage, 0), 0);
    solo_share_grown(stage, &stage->scene->ann, 1, 10);
    assert_int_equal(synced(stage, 0), 1);
}

static void a_remote_is_answered_when_what_it_held_is_here(void **state) {
    struct solo_share *stage = started(state);
    remote_holds(stage, 5);
    solo_share_marks(stage, 0, 7, 0);
    assert_int_equal(solo_share_all_notes(stage, 0).answer, 0);
    solo_share_grown(stage, &stage->scene->ann, 1, 10);
    assert_int_equal(solo_share_all_notes(stage, 0).answer, 7);
    solo_share_marks(stage, 0, 8, 0);
    assert_int_equal(solo_share_all_notes(stage, 0).answer, 8);
}

static void an_origin_of_which_nothing_more_is_taken_is_not_waited_for(void **state) {
    struct solo_share *stage = started(state);
    remote_holds(stage, 9);
    solo_share_marks(stage, 0, 7, 0);
    assert_int_equal(solo_share_all_notes(stage, 0).answer, 0);
    solo_share_freeze(stage, &stage->scene->ann);
    assert_int_equal(solo_share_all_notes(stage, 0).answer, 7);
}

static void nothing_is_asked_or_answered_while_a_snapshot_is_taken(void **state) {
    struct solo_share *stage = started(state);
    struct bytes head = solo_share_proof(stage, 9, 500);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    solo_share_chunk(stage, 0, (struct solo_chunk){.heads = &head, .head_count = 1, .last = true});
    struct mail *mail = solo_share_incoming(stage);
    assert_non_null(mail);
    solo_share_home(stage, mail, WEFT_OK, "");
    solo_share_sync(stage, 1);
    solo_share_marks(stage, 0, 7, 0);
    const struct solo_notes notes = solo_share_all_notes(stage, 0);
    assert_int_equal(notes.ask, 0);
    assert_int_equal(notes.answer, 0);
    solo_share_below(stage, 0, true);
    mail = solo_share_incoming(stage);
    assert_non_null(mail);
    solo_share_horizon(stage, &stage->scene->ann, 0, false);
    solo_share_home(stage, mail, WEFT_OK, "");
    const struct solo_notes whole = solo_share_all_notes(stage, 0);
    assert_int_equal(whole.ask, 1);
    assert_int_equal(whole.answer, 7);
}

static void a_new_session_of_a_slot_has_come_to_the_end_of_nothing(void **state) {
    struct solo_share *stage = started(state);
    solo_share_sync(stage, 1);
    remote_holds(stage, 9);
    solo_share_marks(stage, 0, 7, 1);
    solo_share_leave(stage, 0);
    (void)solo_share_notes(stage, 0);
    atomic_store(&stage->solo.board->syncing, 1);
    solo_share_join(stage, 0, 2);
    const struct solo_notes notes = solo_share_all_notes(stage, 0);
    assert_int_equal(notes.ask, 1);
    assert_int_equal(notes.answer, 0);
    assert_int_equal(synced(stage, 0), 0);
    solo_share_marks(stage, 0, 0, 1);
    assert_int_equal(synced(stage, 0), 1);
    solo_share_leave(stage, 0);
    assert_int_equal(synced(stage, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        share_test(a_call_asks_with_all_heads_though_they_were_told),
        share_test(a_call_that_comes_before_the_answer_is_asked_for_next),
        share_test(a_call_ends_when_what_the_remote_held_is_here),
        share_test(a_remote_is_answered_when_what_it_held_is_here),
        share_test(an_origin_of_which_nothing_more_is_taken_is_not_waited_for),
        share_test(nothing_is_asked_or_answered_while_a_snapshot_is_taken),
        share_test(a_new_session_of_a_slot_has_come_to_the_end_of_nothing),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
