/* The listener actor alone: an address of which nobody said whose it is, and members that have not
 * heard of the newest library key; and when who is out of reach is dialled again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_listener.h"

#define HERE "127.0.0.1:7001"
#define SECOND 1000000u

/* Somebody hangs up; a pause later there is another try. */
static void missed(struct solo_listener *stage) {
    solo_listener_miss(stage, 0, WEFT_CLOSED);
    solo_listener_wait(stage, 2 * (uint64_t)LIMIT_REDIAL_MAX_US);
}

/* Dials until this device is tried with this key; how many dials that took. */
static unsigned dials_until(struct solo_listener *stage, int device, int key) {
    for (unsigned dials = 1;; dials++) {
        const struct solo_dial dial = solo_listener_dial(stage, 0);
        assert_true(dial.some);
        if (dial.device == device && dial.key == key) return dials;
        assert_in_range(dials, 1, 100);
        missed(stage);
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
        for (int device = SOLO_LOWEST; device <= SOLO_HIGHEST; device++)
            for (int key = 1; key <= 3; key++) {
                if (device == SOLO_SELF || !(members[m] >> device & 1)) continue;
                solo_listener_connect(stage, HERE, -1);
                (void)dials_until(stage, device, key);
                missed(stage);
                (void)solo_listener_dial(stage, 0);
                solo_listener_miss(stage, 0, WEFT_CLOSED);
            }
    }
}

static void all_members_are_tried_with_the_newest_key_before_one_is_with_an_older(void **state) {
    struct solo_listener *stage = *state;
    stage->key_count = 2;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    assert_int_equal(dials_until(stage, SOLO_HIGHEST, 2), 4);
    missed(stage);
    assert_int_equal(dials_until(stage, SOLO_LOWEST, 1), 1);
    missed(stage);
    assert_int_equal(dials_until(stage, SOLO_HIGHEST, 1), 3);
}

/* News of members come between two dials, and sessions begin and end: nobody is passed over. */
static void the_turns_go_on_where_they_were_whatever_becomes_known_of_the_members(void **state) {
    struct solo_listener *stage = *state;
    static const uint32_t members[] = {SOLO_ALL, SOLO_ALL & ~SOLO_ONLY(SOLO_LOWER)};
    static const int devices[] = {SOLO_LOWEST, SOLO_HIGHER, SOLO_HIGHEST};
    solo_listener_roster(stage, members[1]);
    solo_listener_connect(stage, HERE, -1);
    assert_int_equal(solo_listener_dial(stage, 0).device, SOLO_LOWEST);
    for (unsigned i = 0; i < 9; i++) {
        solo_listener_roster(stage, members[i % 2]);
        solo_listener_roster(stage, members[1]);
        assert_false(solo_listener_dial(stage, 0).some); /* One at a time. */
        missed(stage);
        assert_int_equal(solo_listener_dial(stage, 0).device, devices[(i + 1) % 3]);
    }
}

/* How long it takes until the next dial; the entropy port lengthens all pauses alike. */
static uint64_t pause_us(struct solo_listener *stage) {
    uint64_t waited = 0;
    while (!solo_listener_dial(stage, 0).some) {
        assert_in_range(waited, 0, 100 * (uint64_t)SECOND);
        solo_listener_wait(stage, SECOND / 20);
        waited += SECOND / 20;
    }
    return waited;
}

#define assert_pause(stage, least_ms)                             \
    assert_in_range(pause_us(stage), (least_ms) * (uint64_t)1000, \
                    (least_ms) * (uint64_t)1300 + 50000)

static void members_are_tried_without_a_long_pause_before_all_have_had_their_turn(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, -1);
    (void)solo_listener_dial(stage, 0);
    for (unsigned i = 1; i < 12; i++) {
        solo_listener_miss(stage, 0, WEFT_CLOSED);
        assert_pause(stage, i % 4 != 0 ? 1000 : 2000);
    }
}

/* ---- when ------------------------------------------------------------------------------------ */

static struct solo_listener *dialled(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, HERE, SOLO_HIGHER);
    assert_true(solo_listener_dial(stage, 0).some);
    return stage;
}

static void who_is_out_of_reach_is_tried_after_one_second_and_then_every_two(void **state) {
    struct solo_listener *stage = dialled(state);
    for (unsigned i = 0; i < 20; i++) {
        solo_listener_miss(stage, 0, i % 2 == 0 ? WEFT_NET : WEFT_CLOSED);
        assert_pause(stage, i == 0 ? 1000 : 2000);
    }
}

static void who_has_been_away_for_long_is_tried_in_pauses_of_a_part_of_that(void **state) {
    struct solo_listener *stage = dialled(state);
    static const uint64_t away_s[] = {600, 3600, 7200, 36000, 360000};
    static const uint64_t pauses_ms[] = {1170, 7000, 14000, 64000, 64000};
    uint64_t passed_s = 0;
    for (unsigned i = 0; i < 5; i++) {
        solo_listener_wait(stage, (away_s[i] - passed_s) * SECOND); /* The dial hangs. */
        passed_s = away_s[i];
        solo_listener_miss(stage, 0, WEFT_NET);
        assert_pause(stage, pauses_ms[i]);
    }
}

static void to_be_told_to_connect_ends_a_pause_and_shortens_the_next(void **state) {
    struct solo_listener *stage = dialled(state);
    solo_listener_wait(stage, 36000 * (uint64_t)SECOND);
    solo_listener_miss(stage, 0, WEFT_NET);
    solo_listener_connect(stage, HERE, SOLO_HIGHER);
    assert_true(solo_listener_dial(stage, 0).some);
    solo_listener_miss(stage, 0, WEFT_NET);
    assert_pause(stage, 1000);
}

static void a_session_that_stood_is_dialled_again_after_the_shortest_pause(void **state) {
    struct solo_listener *stage = dialled(state);
    for (unsigned i = 0; i < 3; i++) {
        solo_listener_claim(stage, 0, SOLO_HIGHER, true);
        solo_listener_vacate(stage, 0, WEFT_NET);
        assert_pause(stage, 1000);
    }
}

static void who_says_what_it_should_not_is_not_hammered(void **state) {
    struct solo_listener *stage = dialled(state);
    static const uint64_t pauses_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000};
    for (unsigned i = 0; i < 8; i++) {
        solo_listener_miss(stage, 0, WEFT_DENIED);
        assert_pause(stage, pauses_ms[i]);
    }
}

/* Another device is reached: it may have been the network. */
static void a_sign_of_life_ends_the_pauses_of_all(void **state) {
    struct solo_listener *stage = dialled(state);
    solo_listener_wait(stage, 36000 * (uint64_t)SECOND);
    solo_listener_miss(stage, 0, WEFT_NET);
    solo_listener_wait(stage, 5 * (uint64_t)SECOND);
    assert_false(solo_listener_dial(stage, 0).some);
    (void)solo_listener_member(stage, SOLO_LOWER, "10.0.0.1");
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    assert_true(solo_listener_dial(stage, 1).some);
}

static void nobody_is_dialled_while_a_session_with_it_stands(void **state) {
    struct solo_listener *stage = dialled(state);
    (void)solo_listener_member(stage, SOLO_HIGHER, "10.0.0.1");
    solo_listener_claim(stage, 1, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 1), 's');
    solo_listener_vacate(stage, 0, WEFT_OK);
    solo_listener_wait(stage, 1000 * (uint64_t)SECOND);
    assert_false(solo_listener_dial(stage, 0).some);
    /* Who opened it may not find back. */
    solo_listener_vacate(stage, 1, WEFT_NET);
    assert_int_equal(solo_listener_dial(stage, 0).device, SOLO_HIGHER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        listener_test(every_member_is_tried_with_every_key),
        listener_test(the_turns_go_on_where_they_were_whatever_becomes_known_of_the_members),
        listener_test(members_are_tried_without_a_long_pause_before_all_have_had_their_turn),
        listener_test(who_is_out_of_reach_is_tried_after_one_second_and_then_every_two),
        listener_test(who_has_been_away_for_long_is_tried_in_pauses_of_a_part_of_that),
        listener_test(to_be_told_to_connect_ends_a_pause_and_shortens_the_next),
        listener_test(a_session_that_stood_is_dialled_again_after_the_shortest_pause),
        listener_test(who_says_what_it_should_not_is_not_hammered),
        listener_test(a_sign_of_life_ends_the_pauses_of_all),
        listener_test(nobody_is_dialled_while_a_session_with_it_stands),
        listener_test(all_members_are_tried_with_the_newest_key_before_one_is_with_an_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
