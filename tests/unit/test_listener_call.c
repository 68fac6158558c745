/* The listener actor alone, the door: who calls is let in or hung up on, and hears not one byte
 * before (the stage's port refuses every write). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>

#include "tests/lib/solo_listener.h"

#define THERE "192.0.2.7"
#define TOKEN_US (1000000u / LIMIT_CALLS_PER_S)

/* Everybody but HIGHEST is a member. */
static struct solo_listener *open_door(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_HIGHEST));
    return stage;
}

static void is_let_in(struct solo_listener *stage, uint32_t caller, uint32_t device) {
    struct handshake read;
    assert_true(solo_listener_let_in(stage, 0, &read));
    assert_memory_equal(read.remote.device.bytes, stage->devices[device].device.bytes,
                        WEFT_ID_SIZE);
    assert_true(stage->callers[caller].released);
    assert_false(stage->callers[caller].closed);
    solo_listener_vacate(stage, 0, WEFT_OK);
}

static void is_turned_away(struct solo_listener *stage, uint32_t caller) {
    assert_true(solo_listener_turned_away(stage, caller));
    assert_false(solo_listener_let_in(stage, 0, NULL));
    assert_false(solo_listener_let_in(stage, 1, NULL));
}

/* A caller with this first message, whose mac1 is right: anybody can make it who knows this
 * device's public key. */
static uint32_t call_repaired(struct solo_listener *stage, uint8_t m1[HANDSHAKE_M1]) {
    struct handshake_screen screen;
    handshake_screen_init(&screen, stage->devices[SOLO_SELF].public.x_pk);
    assert_int_equal(
        crypto_generichash_blake2b(m1 + 272, 16, m1, 272, screen.key, sizeof screen.key), 0);
    return solo_listener_call(stage, THERE, m1, HANDSHAKE_M1);
}

/* ---- who may come in ------------------------------------------------------------------------- */

static void a_member_is_given_to_a_slot(void **state) {
    struct solo_listener *stage = open_door(state);
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, THERE), SOLO_LOWER);
}

static void a_member_may_come_with_any_key_of_the_library(void **state) {
    struct solo_listener *stage = *state;
    stage->key_count = 3;
    solo_listener_roster(stage, SOLO_ALL);
    for (unsigned k = 0; k < 3; k++) {
        uint8_t m1[HANDSHAKE_M1];
        solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_MEMBER, stage->keys[k], m1);
        is_let_in(stage, solo_listener_call(stage, THERE, m1, sizeof m1), SOLO_LOWER);
    }
}

static void before_there_is_a_roster_nobody_comes_in(void **state) {
    struct solo_listener *stage = *state;
    is_turned_away(stage, solo_listener_member(stage, SOLO_LOWER, THERE));
}

static void who_is_no_member_any_more_is_turned_away_though_it_knows_the_key(void **state) {
    struct solo_listener *stage = open_door(state);
    is_turned_away(stage, solo_listener_member(stage, SOLO_HIGHEST, THERE));
}

static void this_device_does_not_let_itself_in(void **state) {
    struct solo_listener *stage = open_door(state);
    is_turned_away(stage, solo_listener_member(stage, SOLO_SELF, THERE));
}

static void a_member_with_a_key_that_is_none_of_the_library_is_turned_away(void **state) {
    struct solo_listener *stage = open_door(state);
    uint8_t m1[HANDSHAKE_M1];
    solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_MEMBER, stage->keys[1], m1);
    is_turned_away(stage, solo_listener_call(stage, THERE, m1, sizeof m1));
}

static void strangers_are_turned_away_whatever_they_say(void **state) {
    struct solo_listener *stage = open_door(state);
    static const char page[HANDSHAKE_M1] = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    uint8_t m1[HANDSHAKE_M1];
    is_turned_away(stage, solo_listener_call(stage, THERE, page, sizeof page));
    /* A member's message, changed anywhere, as it is and with mac1 made anew. */
    for (unsigned at = 0; at < HANDSHAKE_M1; at += 9) {
        for (unsigned repaired = 0; repaired < 2; repaired++) {
            solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_MEMBER, stage->keys[0], m1);
            m1[at] ^= 0x10;
            if (repaired && at >= 272) continue; /* It would be the genuine one again. */
            stage->caller_count = 0;
            stage->solo.now.mono_us += TOKEN_US;
            is_turned_away(stage, repaired ? call_repaired(stage, m1)
                                           : solo_listener_call(stage, THERE, m1, sizeof m1));
        }
    }
    stage->solo.now.mono_us += TOKEN_US;
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, THERE), SOLO_LOWER);
}

static void a_first_message_opens_the_door_once(void **state) {
    struct solo_listener *stage = open_door(state);
    uint8_t m1[HANDSHAKE_M1];
    solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_MEMBER, stage->keys[0], m1);
    is_let_in(stage, solo_listener_call(stage, THERE, m1, sizeof m1), SOLO_LOWER);
    is_turned_away(stage, solo_listener_call(stage, THERE, m1, sizeof m1));
    is_turned_away(stage, solo_listener_call(stage, "192.0.2.8", m1, sizeof m1));
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, THERE), SOLO_LOWER);
}

static void a_first_message_that_opened_nothing_is_not_remembered(void **state) {
    struct solo_listener *stage = open_door(state);
    uint8_t m1[HANDSHAKE_M1];
    solo_listener_m1(stage, SOLO_HIGHEST, HANDSHAKE_MEMBER, stage->keys[0], m1);
    is_turned_away(stage, solo_listener_call(stage, THERE, m1, sizeof m1));
    solo_listener_roster(stage, SOLO_ALL);
    is_let_in(stage, solo_listener_call(stage, THERE, m1, sizeof m1), SOLO_HIGHEST);
}

static void who_finds_no_slot_is_turned_away(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_fill(stage);
    is_turned_away(stage, solo_listener_member(stage, SOLO_LOWEST, THERE));
}

static void whoever_calls_while_the_engine_closes_is_dropped(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_fill(stage); /* Whose ends the stop waits for. */
    solo_tell(&stage->solo, ACTOR_HOST, solo_mail(&stage->solo, WEFT__MAIL__BODY_STOP, NULL));
    (void)solo_listener_member(stage, SOLO_LOWEST, THERE);
    solo_turn(&stage->solo);
    assert_int_equal(stage->closed_listening, 1); /* Nobody accepts any more. */
    assert_false(solo_listener_let_in(stage, 0, NULL));
}

/* ---- how much a caller may take -------------------------------------------------------------- */

static void a_first_message_may_come_in_pieces_and_no_more_of_it_is_read(void **state) {
    struct solo_listener *stage = open_door(state);
    uint8_t bytes[HANDSHAKE_M1 + 16] = {0};
    solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_MEMBER, stage->keys[0], bytes);
    const uint32_t caller = solo_listener_call(stage, THERE, bytes, 1);
    for (size_t at = 1; at < HANDSHAKE_M1 - 7; at += 7) {
        assert_false(solo_listener_let_in(stage, 0, NULL));
        solo_listener_more(stage, caller, bytes + at, 7);
    }
    const size_t rest = stage->callers[caller].size;
    solo_listener_more(stage, caller, bytes + rest, sizeof bytes - rest);
    is_let_in(stage, caller, SOLO_LOWER);
    assert_int_equal(stage->callers[caller].taken, HANDSHAKE_M1);
}

static void a_caller_that_hangs_up_is_forgotten(void **state) {
    struct solo_listener *stage = open_door(state);
    const uint32_t caller = solo_listener_call(stage, THERE, "WFT1", 4);
    stage->callers[caller].hung_up = true;
    assert_false(stage->callers[caller].closed);
    solo_listener_more(stage, caller, "", 0);
    assert_true(stage->callers[caller].closed);
}

static void a_caller_has_five_seconds_however_it_trickles(void **state) {
    struct solo_listener *stage = open_door(state);
    const struct actor *actor = &stage->solo.topology->actors[ACTOR_LISTENER];
    const uint64_t begin = stage->solo.now.mono_us;
    const uint32_t caller = solo_listener_call(stage, THERE, "", 0);
    assert_int_equal(actor->kind->due_us(actor->state), begin + LIMIT_HANDSHAKE_US);
    for (unsigned second = 0; second < 4; second++) {
        solo_listener_wait(stage, 1000000);
        solo_listener_more(stage, caller, "W", 1);
    }
    solo_listener_wait(stage, 1000000 - 1);
    assert_false(stage->callers[caller].closed);
    solo_listener_wait(stage, 1);
    assert_true(stage->callers[caller].closed);
    assert_true(actor->kind->due_us(actor->state) == DUE_NEVER);
}

static uint32_t open_callers(const struct solo_listener *stage) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < stage->caller_count; i++)
        count += stage->callers[i].accepted && !stage->callers[i].closed;
    return count;
}

static void of_one_address_the_oldest_makes_room_for_the_fifth(void **state) {
    struct solo_listener *stage = open_door(state);
    const uint32_t other = solo_listener_call(stage, "192.0.2.9", "", 0);
    for (uint32_t i = 0; i < 3 * LIMIT_CALLERS_ADDRESS; i++) {
        stage->solo.now.mono_us++;
        (void)solo_listener_call(stage, THERE, "", 0);
        assert_int_equal(open_callers(stage), 1 + (i < 4 ? i + 1 : 4));
        if (i >= 4) assert_true(stage->callers[other + 1 + i - 4].closed);
    }
    assert_false(stage->callers[other].closed);
}

static void of_all_the_oldest_makes_room_for_the_sixty_fifth(void **state) {
    struct solo_listener *stage = open_door(state);
    for (uint32_t i = 0; i < LIMIT_CALLERS + 10; i++) {
        char origin[32];
        snprintf(origin, sizeof origin, "192.0.2.%u", i);
        stage->solo.now.mono_us++;
        (void)solo_listener_call(stage, origin, "", 0);
        assert_int_equal(open_callers(stage), i < LIMIT_CALLERS ? i + 1 : LIMIT_CALLERS);
        if (i >= LIMIT_CALLERS) assert_true(stage->callers[i - LIMIT_CALLERS].closed);
    }
    /* Whoever has something to say gets through, however many are silent. */
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, THERE), SOLO_LOWER);
}

static void many_that_wait_at_once_are_all_heard(void **state) {
    struct solo_listener *stage = open_door(state);
    for (uint32_t i = 0; i < 100; i++)
        snprintf(stage->callers[i].origin, sizeof stage->callers[i].origin, "192.0.2.%u", i);
    stage->caller_count = 99; /* More than one step takes. */
    (void)solo_listener_member(stage, SOLO_LOWER, THERE);
    is_let_in(stage, 99, SOLO_LOWER);
}

/* Calls that pass the screen and then fail: each costs a token. */
static void spend(struct solo_listener *stage, const char *origin, unsigned calls) {
    for (unsigned i = 0; i < calls; i++) {
        const uint32_t caller = solo_listener_member(stage, SOLO_HIGHEST, origin);
        is_turned_away(stage, caller);
    }
}

static void an_address_has_five_calls_at_once_and_twenty_a_second(void **state) {
    struct solo_listener *stage = open_door(state);
    spend(stage, THERE, LIMIT_CALLS_BURST);
    is_turned_away(stage, solo_listener_member(stage, SOLO_LOWER, THERE));
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, "192.0.2.8"), SOLO_LOWER);
    stage->solo.now.mono_us += TOKEN_US - 1;
    is_turned_away(stage, solo_listener_member(stage, SOLO_LOWER, THERE));
    stage->solo.now.mono_us += 1;
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, THERE), SOLO_LOWER);
    is_turned_away(stage, solo_listener_member(stage, SOLO_LOWER, THERE));
    stage->solo.now.mono_us += 3600000000; /* No more than five are saved up. */
    spend(stage, THERE, LIMIT_CALLS_BURST);
    is_turned_away(stage, solo_listener_member(stage, SOLO_LOWER, THERE));
}

static void what_does_not_pass_the_screen_costs_an_address_nothing(void **state) {
    struct solo_listener *stage = open_door(state);
    static const uint8_t noise[HANDSHAKE_M1];
    for (unsigned i = 0; i < 3 * LIMIT_CALLS_BURST; i++)
        is_turned_away(stage, solo_listener_call(stage, THERE, noise, sizeof noise));
    is_let_in(stage, solo_listener_member(stage, SOLO_LOWER, THERE), SOLO_LOWER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        listener_test(a_member_is_given_to_a_slot),
        listener_test(a_member_may_come_with_any_key_of_the_library),
        listener_test(before_there_is_a_roster_nobody_comes_in),
        listener_test(who_is_no_member_any_more_is_turned_away_though_it_knows_the_key),
        listener_test(this_device_does_not_let_itself_in),
        listener_test(a_member_with_a_key_that_is_none_of_the_library_is_turned_away),
        listener_test(strangers_are_turned_away_whatever_they_say),
        listener_test(a_first_message_opens_the_door_once),
        listener_test(a_first_message_that_opened_nothing_is_not_remembered),
        listener_test(who_finds_no_slot_is_turned_away),
        listener_test(whoever_calls_while_the_engine_closes_is_dropped),
        listener_test(a_first_message_may_come_in_pieces_and_no_more_of_it_is_read),
        listener_test(a_caller_that_hangs_up_is_forgotten),
        listener_test(a_caller_has_five_seconds_however_it_trickles),
        listener_test(of_one_address_the_oldest_makes_room_for_the_fifth),
        listener_test(of_all_the_oldest_makes_room_for_the_sixty_fifth),
        listener_test(many_that_wait_at_once_are_all_heard),
        listener_test(an_address_has_five_calls_at_once_and_twenty_a_second),
        listener_test(what_does_not_pass_the_screen_costs_an_address_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
