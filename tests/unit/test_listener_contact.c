/* The listener actor alone: the devices that it knows, their addresses and how these did, and who
 * is paused. When it dials whom: test_listener_aim.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/lib/solo_listener.h"

#define SECOND 1000000u
#define FIRST "192.0.2.1:7000"
#define SECOND_ONE "192.0.2.2:7000"
#define THIRD "192.0.2.3:7000"

/* The next dial of slot 0, a minute later at the latest; its address. */
static const char *dials(struct solo_listener *stage) {
    static struct solo_dial dial;
    dial = solo_listener_dial(stage, 0);
    for (unsigned i = 0; i < 600 && !dial.some; i++) {
        solo_listener_wait(stage, SECOND / 10);
        dial = solo_listener_dial(stage, 0);
    }
    assert_true(dial.some);
    return dial.address;
}

static void fails(struct solo_listener *stage) {
    solo_listener_miss(stage, 0, WEFT_NET);
}

/* HIGHER has three addresses, and its first dial is under way. */
static struct solo_listener *three(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_connect(stage, FIRST, SOLO_HIGHER);
    solo_listener_connect(stage, SECOND_ONE, SOLO_HIGHER);
    solo_listener_connect(stage, THIRD, SOLO_HIGHER);
    solo_listener_connect(stage, FIRST, SOLO_HIGHER);
    solo_listener_roster(stage, SOLO_ALL);
    assert_string_equal(dials(stage), FIRST);
    return stage;
}

static void stands(struct solo_listener *stage, uint32_t peer, uint32_t device, bool dialled) {
    solo_listener_claim(stage, peer, device, dialled);
    assert_int_equal(solo_listener_ruling(stage, peer), 's');
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void every_address_of_a_device_is_tried_over_and_over(void **state) {
    struct solo_listener *stage = three(state);
    static const char *const order[] = {SECOND_ONE, THIRD, FIRST};
    for (unsigned i = 0; i < 9; i++) {
        fails(stage);
        assert_string_equal(dials(stage), order[i % 3]);
    }
}

static void an_address_at_which_a_device_was_reached_is_tried_first(void **state) {
    struct solo_listener *stage = three(state);
    fails(stage);
    assert_string_equal(dials(stage), SECOND_ONE);
    fails(stage);
    assert_string_equal(dials(stage), THIRD);
    stands(stage, 0, SOLO_HIGHER, true);
    solo_listener_vacate(stage, 0, WEFT_NET);
    static const char *const order[] = {THIRD, FIRST, SECOND_ONE, THIRD};
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(dials(stage), order[i]);
        fails(stage);
    }
}

static void the_log_is_told_how_addresses_did(void **state) {
    struct solo_listener *stage = *state;
    stage->solo.now.wall_ms = 5000;
    stage = three(state);
    fails(stage);
    assert_string_equal(dials(stage), SECOND_ONE);
    stage->solo.now.wall_ms = 9000;
    stands(stage, 0, SOLO_HIGHER, true);
    const Weft__Contact *contact = solo_listener_saved(stage, SOLO_HIGHER);
    assert_non_null(contact);
    assert_int_equal(contact->n_addresses, 3);
    assert_int_equal(contact->sessions, 1);
    assert_int_equal(contact->failures, 1);
    assert_string_equal(contact->addresses[0]->text, SECOND_ONE);
    assert_int_equal(contact->addresses[0]->reached_ms, 9000);
    assert_int_equal(contact->addresses[0]->status, WEFT_OK);
    assert_string_equal(contact->addresses[1]->text, FIRST);
    assert_int_equal(contact->addresses[1]->tried_ms, 5000);
    assert_int_equal(contact->addresses[1]->reached_ms, 0);
    assert_int_equal(contact->addresses[1]->failures, 1);
    assert_int_equal(contact->addresses[1]->status, WEFT_NET);
}

/* An hour of failures is worth a few writes; what the host said is written at once. */
static void failures_are_told_to_the_log_now_and_then(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_connect(stage, FIRST, SOLO_HIGHER);
    assert_true(solo_listener_saved(stage, SOLO_HIGHER)->soon);
    unsigned told = 0;
    uint64_t failures = 0, waited = 0;
    while (waited < 3600 * (uint64_t)SECOND) {
        if (solo_listener_dial(stage, 0).some) fails(stage);
        solo_listener_wait(stage, SECOND);
        waited += SECOND;
        const Weft__Contact *contact = solo_listener_saved(stage, SOLO_HIGHER);
        told += contact->failures != failures;
        failures = contact->failures;
    }
    assert_in_range(told, 3, 6);
    assert_in_range(failures, 500, 1800);
    assert_false(solo_listener_saved(stage, SOLO_HIGHER)->soon);
}

static void an_address_becomes_that_of_who_answered(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_LOWEST));
    solo_listener_connect(stage, FIRST, -1);
    assert_non_null(solo_listener_saved(stage, -1));
    assert_string_equal(dials(stage), FIRST);
    stands(stage, 0, SOLO_LOWER, true);
    assert_null(solo_listener_saved(stage, -1));
    const Weft__Contact *contact = solo_listener_saved(stage, SOLO_LOWER);
    assert_non_null(contact);
    assert_int_equal(contact->n_addresses, 1);
    assert_string_equal(contact->addresses[0]->text, FIRST);
}

static void of_too_many_addresses_the_one_that_failed_most_goes(void **state) {
    struct solo_listener *stage = three(state);
    char address[32];
    fails(stage); /* FIRST */
    assert_string_equal(dials(stage), SECOND_ONE);
    for (unsigned i = 0; i < LIMIT_ADDRESSES - 2; i++) {
        snprintf(address, sizeof address, "10.0.0.%u:7000", i);
        solo_listener_connect(stage, address, SOLO_HIGHER);
    }
    const Weft__Contact *contact = solo_listener_saved(stage, SOLO_HIGHER);
    assert_int_equal(contact->n_addresses, LIMIT_ADDRESSES);
    for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
        assert_string_not_equal(contact->addresses[i]->text, FIRST);
}

static void disconnect(struct solo_listener *stage, const char *address) {
    Weft__Disconnect *order = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_DISCONNECT, &order);
    order->address = mail_text(mail, address);
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

static void an_address_that_is_taken_away_is_tried_no_more(void **state) {
    struct solo_listener *stage = three(state);
    disconnect(stage, FIRST);
    disconnect(stage, "192.0.2.9:7000"); /* Which nobody has heard of. */
    fails(stage);                        /* What was under way there. */
    static const char *const order[] = {SECOND_ONE, THIRD};
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(dials(stage), order[i % 2]);
        fails(stage);
    }
    disconnect(stage, SECOND_ONE);
    disconnect(stage, THIRD);
    solo_listener_wait(stage, 1000 * (uint64_t)SECOND);
    assert_false(solo_listener_dial(stage, 0).some);
    assert_int_equal(solo_listener_saved(stage, SOLO_HIGHER)->n_addresses, 0);
}

static void a_device_that_is_removed_is_forgotten(void **state) {
    struct solo_listener *stage = three(state);
    assert_non_null(solo_listener_saved(stage, SOLO_HIGHER));
    solo_listener_roster(stage, SOLO_ALL & ~SOLO_ONLY(SOLO_HIGHER));
    assert_null(solo_listener_saved(stage, SOLO_HIGHER));
    fails(stage);
    solo_listener_wait(stage, 1000 * (uint64_t)SECOND);
    assert_false(solo_listener_dial(stage, 0).some);
}

/* ---- pausing --------------------------------------------------------------------------------- */

static void pause_it(struct solo_listener *stage, int device, bool paused) {
    Weft__Pausing *order = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_PAUSING, &order);
    order->paused = paused;
    if (device >= 0) {
        assert_true(
            mail_bytes(mail, &order->device, stage->devices[device].device.bytes, WEFT_ID_SIZE));
    }
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

static bool may_call(struct solo_listener *stage, uint32_t device, const char *origin) {
    (void)solo_listener_member(stage, device, origin);
    for (uint32_t peer = 0; peer < 2; peer++) {
        if (!solo_listener_let_in(stage, peer, NULL)) continue;
        solo_listener_vacate(stage, peer, WEFT_OK);
        return true;
    }
    return false;
}

static void a_paused_device_is_neither_dialled_nor_let_in(void **state) {
    struct solo_listener *stage = three(state);
    pause_it(stage, SOLO_HIGHER, true);
    fails(stage);
    solo_listener_wait(stage, 1000 * (uint64_t)SECOND);
    assert_false(solo_listener_dial(stage, 0).some);
    assert_false(may_call(stage, SOLO_HIGHER, "10.0.0.1"));
    assert_true(may_call(stage, SOLO_LOWER, "10.0.0.2"));
    assert_true(solo_listener_saved(stage, SOLO_HIGHER)->paused);
    pause_it(stage, SOLO_HIGHER, false);
    assert_true(solo_listener_dial(stage, 0).some);
    assert_true(may_call(stage, SOLO_HIGHER, "10.0.0.3"));
    assert_false(solo_listener_saved(stage, SOLO_HIGHER)->paused);
}

static void to_pause_ends_the_session_with_that_device_and_no_other(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    solo_listener_fill(stage);
    stands(stage, 0, SOLO_LOWER, false);
    stands(stage, 1, SOLO_HIGHER, false);
    pause_it(stage, SOLO_HIGHER, true);
    assert_int_equal(solo_listener_ruling(stage, 0), '-');
    assert_int_equal(solo_listener_ruling(stage, 1), 'r');
    pause_it(stage, -1, true);
    assert_int_equal(solo_listener_ruling(stage, 0), 'r');
}

static void who_was_let_in_a_moment_before_is_paused_all_the_same(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ALL);
    (void)solo_listener_member(stage, SOLO_LOWER, "10.0.0.1");
    assert_true(solo_listener_let_in(stage, 0, NULL));
    pause_it(stage, SOLO_LOWER, true);
    solo_listener_claim(stage, 0, SOLO_LOWER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 'r');
}

static void when_all_are_paused_nobody_is_dialled_or_let_in(void **state) {
    struct solo_listener *stage = three(state);
    pause_it(stage, -1, true);
    fails(stage);
    solo_listener_connect(stage, "10.0.0.9:7000", SOLO_LOWER);
    solo_listener_wait(stage, 1000 * (uint64_t)SECOND);
    assert_false(solo_listener_dial(stage, 0).some);
    assert_false(may_call(stage, SOLO_LOWER, "10.0.0.1"));
    assert_true(stage->contacts[LIMIT_CONTACTS]->body.contact->all_paused);
    pause_it(stage, SOLO_LOWER, true);
    pause_it(stage, -1, false);
    assert_string_equal(dials(stage), SECOND_ONE);
    solo_listener_wait(stage, SECOND);
    assert_false(solo_listener_dial(stage, 1).some); /* It is still paused itself. */
    assert_false(stage->contacts[LIMIT_CONTACTS]->body.contact->all_paused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        listener_test(every_address_of_a_device_is_tried_over_and_over),
        listener_test(an_address_at_which_a_device_was_reached_is_tried_first),
        listener_test(the_log_is_told_how_addresses_did),
        listener_test(failures_are_told_to_the_log_now_and_then),
        listener_test(an_address_becomes_that_of_who_answered),
        listener_test(of_too_many_addresses_the_one_that_failed_most_goes),
        listener_test(an_address_that_is_taken_away_is_tried_no_more),
        listener_test(a_device_that_is_removed_is_forgotten),
        listener_test(a_paused_device_is_neither_dialled_nor_let_in),
        listener_test(to_pause_ends_the_session_with_that_device_and_no_other),
        listener_test(who_was_let_in_a_moment_before_is_paused_all_the_same),
        listener_test(when_all_are_paused_nobody_is_dialled_or_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
