/* The listener actor alone: an address of which nobody said whose it is, and members that have not
 * heard of the newest library key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_listener.h"

#define HERE "127.0.0.1:7001"

/* Dials until this device is tried with this key; how many dials that took. */
static unsigned dials_until(struct solo_listener *stage, int device, int key) {
    for (unsigned dials = 1;; dials++) {
        const struct solo_dial dial = solo_listener_dial(stage, 0);
        assert_true(dial.some);
        if (dial.device == device && dial.key == key) return dials;
        assert_in_range(dials, 1, 100);
        solo_listener_vacate(stage, 0, false);
    }
}

/* Whatever the number of members: their turns and those of the keys must not go in step. */
static void every_member_is_tried_with_every_key(void **state) {
    static const uint32_t members[] = {SOLO_ONLY(SOLO_SELF) | SOLO_ONLY(SOLO_HIGHER),
                                       SOLO_ONLY(SOLO_SELF) | SOLO_ONLY(SOLO_HIGHER) |
                                           SOLO_ONLY(SOLO_LOWER),
                                       SOLO_ALL & ~SOLO_ONLY(SOLO_LOWEST), SOLO_ALL};
    struct solo_listener *stage = *state;
    stage->key_count = 3;
    for (size_t m = 0; m < sizeof members / sizeof *members; m++) {
        solo_listener_roster(stage, members[m]);
        (void)solo_listener_dial(stage, 0); /* Who was dialled before is dialled anew. */
        for (int device = SOLO_LOWEST; device <= SOLO_HIGHEST; device++)
            for (int key = 1; key <= 3; key++) {
                if (device == SOLO_SELF || !(members[m] >> device & 1)) continue;
                solo_listener_connect(stage, HERE, -1);
                (void)dials_until(stage, device, key);
            }
    }
}

static void all_members_are_tried_with_the_newest_key_before_one_is_with_an_older(void **state) {
    struct solo_listener *stage = *state;
    stage->key_count = 2;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    assert_int_equal(dials_until(stage, SOLO_HIGHEST, 2), 4);
    solo_listener_vacate(stage, 0, false);
    assert_int_equal(dials_until(stage, SOLO_LOWEST, 1), 1);
    solo_listener_vacate(stage, 0, false);
    assert_int_equal(dials_until(stage, SOLO_HIGHEST, 1), 3);
}

/* News of members come between two dials, and sessions begin and end: nobody is passed over. */
static void the_turns_go_on_where_they_were_whatever_becomes_known_of_the_members(void **state) {
    struct solo_listener *stage = *state;
    static const uint32_t members[] = {SOLO_ALL, SOLO_ALL & ~SOLO_ONLY(SOLO_LOWER)};
    static const int devices[] = {SOLO_LOWEST, SOLO_HIGHER, SOLO_HIGHEST};
    solo_listener_roster(stage, members[0]);
    solo_listener_connect(stage, HERE, -1);
    assert_int_equal(solo_listener_dial(stage, 0).device, SOLO_LOWEST);
    for (unsigned i = 0; i < 9; i++) {
        solo_listener_roster(stage, members[1 - i % 2]);
        assert_int_equal(solo_listener_dial(stage, 0).device, devices[i % 3]);
        if (i % 2 == 1) {
            solo_listener_roster(stage, members[1]);
            assert_int_equal(solo_listener_dial(stage, 0).device, devices[i % 3]);
        }
        solo_listener_vacate(stage, 0, false);
        assert_int_equal(solo_listener_dial(stage, 0).device, devices[(i + 1) % 3]);
    }
}

static void all_have_had_their_turn_before_there_is_a_longer_pause(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    (void)solo_listener_dial(stage, 0);
    for (unsigned i = 1; i < 12; i++) {
        solo_listener_vacate(stage, 0, false);
        assert_int_equal(solo_listener_dial(stage, 0).soon, i % 4 != 0);
    }
}

/* Its own dial rests for long, as the other side has dialled too: if that one has lost the way,
 * nobody else dials. */
static void the_end_of_a_session_that_the_other_opened_wakes_a_dial_that_rests(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, SOLO_HIGHER);
    assert_true(solo_listener_dial(stage, 0).now);
    (void)solo_listener_member(stage, SOLO_HIGHER, "10.0.0.1");
    solo_listener_claim(stage, 1, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 1), 's');
    solo_listener_vacate(stage, 0, false);
    assert_false(solo_listener_dial(stage, 0).now);
    solo_listener_vacate(stage, 1, true);
    const struct solo_dial dial = solo_listener_dial(stage, 0);
    assert_true(dial.some && dial.now);
    assert_int_equal(dial.device, SOLO_HIGHER);
    /* One that was dialled from here is dialled again by itself, after a pause. */
    solo_listener_claim(stage, 0, SOLO_HIGHER, true);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    solo_listener_vacate(stage, 0, false);
    const struct solo_dial again = solo_listener_dial(stage, 0);
    assert_true(again.some && !again.now);
    assert_false(solo_listener_dial(stage, 0).some);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        listener_test(the_end_of_a_session_that_the_other_opened_wakes_a_dial_that_rests),
        listener_test(every_member_is_tried_with_every_key),
        listener_test(the_turns_go_on_where_they_were_whatever_becomes_known_of_the_members),
        listener_test(all_have_had_their_turn_before_there_is_a_longer_pause),
        listener_test(all_members_are_tried_with_the_newest_key_before_one_is_with_an_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
