/* The peer actor alone, when one side wants both to hold the same: the remote is asked and answered
 * when both bulk and share have said all they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_peer.h"

#define WIRE(kind) WEFT__WIRE__WIRE__BODY_##kind
#define MAIL(kind) WEFT__MAIL__BODY_##kind

static int open_stage(void **state) {
    struct solo_peer *stage = calloc(1, sizeof *stage);
    if (stage == NULL || !solo_peer_open(stage)) return 1;
    *state = stage;
    solo_peer_live(stage, false);
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_peer_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

/* Bulk, or share, has said all it holds, and asks or answers with it. */
static void bulk_marks(struct solo_peer *stage, uint64_t ask, uint64_t answer) {
    Weft__Held *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(HELD), &held);
    held->ask = ask;
    held->answer = answer;
    solo_tell(&stage->solo, ACTOR_BULK, mail);
    solo_turn(&stage->solo);
}

static void share_marks(struct solo_peer *stage, uint64_t ask, uint64_t answer) {
    Weft__SharedHeld *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(SHARED_HELD), &held);
    held->ask = ask;
    held->answer = answer;
    solo_tell(&stage->solo, ACTOR_SHARE, mail);
    solo_turn(&stage->solo);
}

static void remote_marks(struct solo_peer *stage, uint64_t ask, uint64_t answer) {
    Weft__Wire__Heartbeat heartbeat = WEFT__WIRE__HEARTBEAT__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    heartbeat.ask = ask;
    heartbeat.answer = answer;
    wire.body_case = WIRE(HEARTBEAT);
    wire.heartbeat = &heartbeat;
    solo_peer_say(stage, &wire);
}

static void remote_hears(struct solo_peer *stage, uint64_t ask, uint64_t answer) {
    const Weft__Wire__Wire *wire = solo_peer_heard_kind(stage, WIRE(HEARTBEAT));
    assert_non_null(wire);
    assert_int_equal(wire->heartbeat->ask, ask);
    assert_int_equal(wire->heartbeat->answer, answer);
    assert_int_equal(wire->heartbeat->echo, 0);
}

static void remote_hears_nothing(struct solo_peer *stage) {
    assert_null(solo_peer_heard_kind(stage, WIRE(HEARTBEAT)));
}

/* Both are told the same of the remote. */
static void both_are_told(struct solo_peer *stage, uint64_t ask, uint64_t answer) {
    struct mail *holds = solo_peer_to_bulk(stage, MAIL(HOLDS));
    struct mail *acked = solo_peer_to_share(stage, MAIL(SHARED_ACKED));
    assert_non_null(holds);
    assert_non_null(acked);
    assert_int_equal(holds->body.holds->ask, ask);
    assert_int_equal(holds->body.holds->answer, answer);
    assert_int_equal(acked->body.shared_acked->ask, ask);
    assert_int_equal(acked->body.shared_acked->answer, answer);
    mail_drop(&holds);
    mail_drop(&acked);
}

static void nobody_is_told(struct solo_peer *stage) {
    assert_null(solo_peer_to_bulk(stage, MAIL(HOLDS)));
    assert_null(solo_peer_to_share(stage, MAIL(SHARED_ACKED)));
}

static void the_remote_is_asked_when_both_have_said_all(void **state) {
    struct solo_peer *stage = *state;
    bulk_marks(stage, 1, 0);
    remote_hears_nothing(stage);
    share_marks(stage, 1, 0);
    remote_hears(stage, 1, 0);
    remote_marks(stage, 0, 1);
    both_are_told(stage, 0, 1);
}

static void a_half_that_is_at_a_later_call_asks_for_the_earlier_one_as_well(void **state) {
    struct solo_peer *stage = *state;
    bulk_marks(stage, 1, 0);
    share_marks(stage, 2, 0);
    remote_hears(stage, 1, 0);
    remote_marks(stage, 0, 1);
    both_are_told(stage, 0, 1);
    bulk_marks(stage, 2, 0);
    remote_hears(stage, 2, 0);
}

static void an_answer_to_nothing_is_passed_over(void **state) {
    struct solo_peer *stage = *state;
    remote_marks(stage, 0, 1);
    nobody_is_told(stage);
    bulk_marks(stage, 1, 0);
    share_marks(stage, 1, 0);
    remote_hears(stage, 1, 0);
    remote_marks(stage, 0, 2);
    nobody_is_told(stage);
}

static void the_remote_is_answered_when_both_hold_what_it_held(void **state) {
    struct solo_peer *stage = *state;
    remote_marks(stage, 7, 0);
    both_are_told(stage, 7, 0);
    share_marks(stage, 0, 7);
    remote_hears_nothing(stage);
    bulk_marks(stage, 0, 7);
    remote_hears(stage, 0, 7);
    remote_marks(stage, 7, 0); /* The number is the remote's affair. */
    both_are_told(stage, 7, 0);
    bulk_marks(stage, 0, 7);
    remote_hears_nothing(stage);
    share_marks(stage, 0, 7);
    remote_hears(stage, 0, 7);
}

static void an_ask_before_the_last_was_answered_is_passed_over(void **state) {
    struct solo_peer *stage = *state;
    remote_marks(stage, 7, 0);
    both_are_told(stage, 7, 0);
    remote_marks(stage, 8, 0);
    nobody_is_told(stage);
    bulk_marks(stage, 0, 7);
    share_marks(stage, 0, 7);
    remote_hears(stage, 0, 7);
    remote_hears_nothing(stage);
}

static void both_sides_may_ask_at_once(void **state) {
    struct solo_peer *stage = *state;
    bulk_marks(stage, 1, 0);
    share_marks(stage, 1, 0);
    remote_hears(stage, 1, 0);
    remote_marks(stage, 5, 1);
    both_are_told(stage, 5, 1);
    bulk_marks(stage, 2, 5);
    share_marks(stage, 2, 5);
    remote_hears(stage, 2, 5);
}

int main(void) {
#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        PEER_TEST(the_remote_is_asked_when_both_have_said_all),
        PEER_TEST(a_half_that_is_at_a_later_call_asks_for_the_earlier_one_as_well),
        PEER_TEST(an_answer_to_nothing_is_passed_over),
        PEER_TEST(the_remote_is_answered_when_both_hold_what_it_held),
        PEER_TEST(an_ask_before_the_last_was_answered_is_passed_over),
        PEER_TEST(both_sides_may_ask_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
