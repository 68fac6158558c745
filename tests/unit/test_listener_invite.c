/* The listener actor alone, invites: how a device comes in, on both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "tests/lib/solo_listener.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define THERE "192.0.2.7"
#define MINUTES 600u
#define OTHERS (SOLO_ALL & ~SOLO_ONLY(SOLO_HIGHER)) /* HIGHER is the newcomer. */

static struct solo_listener *open_door(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, OTHERS);
    return stage;
}

/* The host is told who would come in. */
static void expect_joining(struct solo_listener *stage, uint32_t device) {
    struct mail *mail = solo_listener_told(stage, ACTOR_HOST, MAIL(NOTICE));
    assert_non_null(mail);
    const Weft__Notice *notice = mail->body.notice;
    assert_int_equal(notice->kind, WEFT_EVENT_JOINING);
    assert_int_equal(notice->count, 123456);
    assert_string_equal(notice->text, "a guest");
    assert_memory_equal(notice->device.data, stage->devices[device].device.bytes, WEFT_ID_SIZE);
    mail_drop(&mail);
}

/* Whether the log is asked to add a device, which must be this one. */
static bool is_added(struct solo_listener *stage, uint32_t device) {
    struct mail *mail = solo_listener_told(stage, ACTOR_CLOCK, MAIL(GOVERN));
    if (mail == NULL) return false;
    const struct identity *identity = &stage->devices[device];
    const Weft__Govern *govern = mail->body.govern;
    assert_false(govern->remove);
    assert_int_equal(govern->ticket, 0);
    assert_int_equal(govern->incarnation, identity->incarnation);
    assert_memory_equal(govern->device.data, identity->device.bytes, WEFT_ID_SIZE);
    assert_memory_equal(govern->id_pk.data, identity->public.id_pk, IDENTITY_KEY);
    assert_memory_equal(govern->x_pk.data, identity->public.x_pk, IDENTITY_KEY);
    assert_memory_equal(govern->cert.data, identity->cert, IDENTITY_CERT);
    assert_string_equal(govern->name, "a guest");
    mail_drop(&mail);
    return true;
}

static void guest_comes(struct solo_listener *stage, uint32_t peer, uint32_t device) {
    (void)solo_listener_guest(stage, device, THERE);
    assert_true(solo_listener_let_in(stage, peer, NULL));
}

static bool guest_may_come(struct solo_listener *stage) {
    (void)solo_listener_guest(stage, SOLO_HIGHER, THERE);
    if (!solo_listener_let_in(stage, 0, NULL)) return false;
    solo_listener_vacate(stage, 0, WEFT_OK);
    return true;
}

/* ---- the side that invites ------------------------------------------------------------------- */

static void a_guest_s_session_stands_when_it_has_become_a_member(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, false);
    guest_comes(stage, 0, SOLO_HIGHER);
    assert_false(is_added(stage, SOLO_HIGHER)); /* It has proved nothing yet. */
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    expect_joining(stage, SOLO_HIGHER);
    assert_true(is_added(stage, SOLO_HIGHER));
    assert_int_equal(solo_listener_ruling(stage, 0), '-');
    solo_listener_roster(stage, OTHERS);
    assert_int_equal(solo_listener_ruling(stage, 0), '-');
    solo_listener_roster(stage, SOLO_ALL);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_false(is_added(stage, SOLO_HIGHER)); /* Once is enough. */
    solo_listener_roster(stage, OTHERS);        /* From here on it is a session as any other. */
    assert_int_equal(solo_listener_ruling(stage, 0), 'x');
}

static void a_guest_waits_for_the_host_s_yes_if_the_invite_says_so(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, true);
    guest_comes(stage, 0, SOLO_HIGHER);
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    expect_joining(stage, SOLO_HIGHER);
    assert_false(is_added(stage, SOLO_HIGHER));
    solo_listener_admit(stage, SOLO_LOWER, true); /* Of somebody else. */
    assert_false(is_added(stage, SOLO_HIGHER));
    solo_listener_admit(stage, SOLO_HIGHER, true);
    assert_true(is_added(stage, SOLO_HIGHER));
    solo_listener_admit(stage, SOLO_HIGHER, true); /* Said twice, done once. */
    assert_false(is_added(stage, SOLO_HIGHER));
    solo_listener_admit(stage, SOLO_HIGHER, false); /* Too late: the record is on its way. */
    assert_int_equal(solo_listener_ruling(stage, 0), '-');
    solo_listener_roster(stage, SOLO_ALL);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
}

static void a_guest_to_whom_the_host_says_no_is_refused(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, true);
    guest_comes(stage, 0, SOLO_HIGHER);
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    solo_listener_admit(stage, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 'g');
    assert_false(is_added(stage, SOLO_HIGHER));
    solo_listener_admit(stage, SOLO_HIGHER, true);
    assert_false(is_added(stage, SOLO_HIGHER));
}

static void a_guest_that_has_gone_is_not_added_when_the_host_says_yes(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, true);
    guest_comes(stage, 0, SOLO_HIGHER);
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    solo_listener_vacate(stage, 0, WEFT_OK);
    solo_listener_admit(stage, SOLO_HIGHER, true);
    assert_false(is_added(stage, SOLO_HIGHER));
}

static void an_invite_lets_one_guest_in(void **state) {
    struct solo_listener *stage = *state;
    solo_listener_roster(stage, SOLO_ONLY(SOLO_SELF));
    solo_listener_invite(stage, MINUTES, false);
    guest_comes(stage, 0, SOLO_HIGHER);
    guest_comes(stage, 1, SOLO_LOWER); /* Both have called before either has proved itself. */
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    solo_listener_claim_invite(stage, 1, SOLO_LOWER, false);
    assert_true(is_added(stage, SOLO_HIGHER));
    assert_false(is_added(stage, SOLO_LOWER));
    assert_int_equal(solo_listener_ruling(stage, 1), 'g');
    solo_listener_vacate(stage, 1, WEFT_OK);
    assert_true(solo_listener_turned_away(stage, solo_listener_guest(stage, SOLO_LOWER, THERE)));
}

static void a_guest_that_proves_nothing_leaves_the_invite_open(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, false);
    assert_true(guest_may_come(stage)); /* It ends before it claims anything. */
    assert_true(guest_may_come(stage));
}

static void a_member_that_comes_by_invite_is_let_in_as_what_it_is(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, true);
    guest_comes(stage, 0, SOLO_LOWER);
    solo_listener_claim_invite(stage, 0, SOLO_LOWER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_false(is_added(stage, SOLO_LOWER));
    (void)solo_listener_guest(stage, SOLO_HIGHER, THERE);
    assert_true(solo_listener_let_in(stage, 1, NULL));
}

static void an_invite_that_was_not_given_opens_nothing(void **state) {
    struct solo_listener *stage = open_door(state);
    assert_false(guest_may_come(stage));
    solo_listener_invite(stage, MINUTES, false);
    uint8_t m1[HANDSHAKE_M1]; /* Nor does its secret open the door for members. */
    solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_MEMBER, stage->invite, m1);
    assert_true(solo_listener_turned_away(stage, solo_listener_call(stage, THERE, m1, sizeof m1)));
    solo_listener_m1(stage, SOLO_LOWER, HANDSHAKE_INVITE, stage->keys[0], m1);
    assert_true(solo_listener_turned_away(stage, solo_listener_call(stage, THERE, m1, sizeof m1)));
}

static void an_invite_ends_with_its_time(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, false);
    stage->solo.now.mono_us += MINUTES * (uint64_t)1000000 - 1;
    assert_true(guest_may_come(stage));
    stage->solo.now.mono_us += 1;
    assert_false(guest_may_come(stage));
}

static void a_guest_that_proves_itself_after_that_time_is_refused(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, false);
    guest_comes(stage, 0, SOLO_HIGHER);
    stage->solo.now.mono_us += MINUTES * (uint64_t)1000000;
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 'g');
    assert_false(is_added(stage, SOLO_HIGHER));
}

static void a_guest_that_lost_its_session_comes_again_and_nobody_else(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, false);
    guest_comes(stage, 0, SOLO_HIGHER);
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    assert_true(is_added(stage, SOLO_HIGHER));
    solo_listener_vacate(stage, 0, WEFT_OK); /* Cut, before it knew that it was added. */
    assert_true(solo_listener_turned_away(stage, solo_listener_guest(stage, SOLO_LOWER, THERE)));
    solo_listener_roster(stage, SOLO_ALL);
    guest_comes(stage, 0, SOLO_HIGHER);
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_false(is_added(stage, SOLO_HIGHER));
}

static void a_guest_of_an_invite_that_has_given_way_is_none_of_the_next(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, 1, false); /* The first to end. */
    guest_comes(stage, 0, SOLO_HIGHER);
    for (unsigned i = 0; i < LIMIT_INVITES; i++) { /* One of these lies where it lay. */
        stage->invite[1] = (uint8_t)i;
        solo_listener_invite(stage, MINUTES, false);
    }
    solo_listener_claim_invite(stage, 0, SOLO_HIGHER, false);
    assert_int_equal(solo_listener_ruling(stage, 0), 'g');
    assert_false(is_added(stage, SOLO_HIGHER));
}

/* Names the invite, and does not know its secret. */
static void guess(struct solo_listener *stage) {
    struct handshake_screen screen;
    uint8_t m1[HANDSHAKE_M1], wrong[LIBRARY_KEY] = {1};
    solo_listener_m1(stage, SOLO_HIGHER, HANDSHAKE_INVITE, wrong, m1);
    identity_psk_id(&stage->library, stage->invite, m1 + 6);
    handshake_screen_init(&screen, stage->devices[SOLO_SELF].public.x_pk);
    (void)crypto_generichash_blake2b(m1 + 272, 16, m1, 272, screen.key, sizeof screen.key);
    stage->solo.now.mono_us += 1000000;
    assert_true(solo_listener_turned_away(stage, solo_listener_call(stage, THERE, m1, sizeof m1)));
}

static void three_wrong_guesses_burn_an_invite(void **state) {
    struct solo_listener *stage = open_door(state);
    solo_listener_invite(stage, MINUTES, false);
    for (unsigned i = 1; i < LIMIT_INVITE_FAILURES; i++)
        guess(stage);
    assert_true(guest_may_come(stage));
    guess(stage);
    assert_false(guest_may_come(stage));
}

static void of_too_many_invites_the_one_that_would_end_first_ends(void **state) {
    struct solo_listener *stage = open_door(state);
    uint8_t first[LIBRARY_KEY], second[LIBRARY_KEY];
    for (unsigned i = 0; i <= LIMIT_INVITES; i++) {
        stage->invite[0] = (uint8_t)i;
        if (i == 0) memcpy(first, stage->invite, sizeof first);
        if (i == 1) memcpy(second, stage->invite, sizeof second);
        solo_listener_invite(stage, i == 1 ? MINUTES - 1 : MINUTES, false);
    }
    assert_true(guest_may_come(stage)); /* The newest; */
    memcpy(stage->invite, first, sizeof first);
    assert_true(guest_may_come(stage));
    memcpy(stage->invite, second, sizeof second);
    assert_false(guest_may_come(stage));
}

/* ---- the side that comes in ------------------------------------------------------------------ */

static void join(struct solo_listener *stage, uint32_t introducer) {
    static const char *const addresses[] = {"192.0.2.1:7000", "[2001:db8::1]:7000"};
    const struct identity_public *public = &stage->devices[introducer].public;
    Weft__Join *order = NULL;
    struct mail *mail = solo_mail(&stage->solo, MAIL(JOIN), &order);
    order->n_addresses = 2;
    order->addresses = arena_take(&mail->arena, 2 * sizeof *order->addresses);
    assert_non_null(order->addresses);
    for (unsigned i = 0; i < 2; i++)
        order->addresses[i] = mail_text(mail, addresses[i]);
    assert_true(mail_bytes(mail, &order->id_pk, public->id_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &order->x_pk, public->x_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &order->psk, stage->invite, LIBRARY_KEY));
    solo_tell(&stage->solo, ACTOR_HOST, mail);
}

static void a_newcomer_dials_its_inviter_at_every_address(void **state) {
    struct solo_listener *stage = *state;
    join(stage, SOLO_LOWER);
    for (uint32_t i = 0; i < 4; i++) {
        const struct solo_dial dial = solo_listener_dial(stage, 0);
        assert_true(dial.some && dial.invite && dial.secret);
        assert_int_equal(dial.quiet, i >= 2); /* The host hears of each once. */
        assert_int_equal(dial.device, SOLO_LOWER);
        assert_int_equal(dial.key, 0);
        assert_string_equal(dial.address, i % 2 == 0 ? "192.0.2.1:7000" : "[2001:db8::1]:7000");
        solo_listener_miss(stage, 0, WEFT_CLOSED);
        solo_listener_wait(stage, i % 2 == 0 ? LIMIT_REDIAL_MIN_US / 2 : 3 * LIMIT_REDIAL_MIN_US);
    }
}

static void a_newcomer_s_session_with_its_inviter_stands_at_once(void **state) {
    struct solo_listener *stage = *state;
    join(stage, SOLO_LOWER);
    solo_listener_claim_invite(stage, 0, SOLO_LOWER, true);
    expect_joining(stage, SOLO_LOWER);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    assert_false(is_added(stage, SOLO_LOWER)); /* It has nothing to say yet. */
    solo_listener_claim_invite(stage, 1, SOLO_HIGHER, true);
    assert_int_equal(solo_listener_ruling(stage, 1), 'g');
    solo_listener_claim(stage, 1, SOLO_LOWER, true);
    assert_int_equal(solo_listener_ruling(stage, 1), 'g');
}

static void a_newcomer_that_has_become_a_member_dials_as_one(void **state) {
    struct solo_listener *stage = *state;
    join(stage, SOLO_LOWER);
    assert_true(solo_listener_dial(stage, 0).invite);
    solo_listener_claim_invite(stage, 0, SOLO_LOWER, true);
    assert_int_equal(solo_listener_ruling(stage, 0), 's');
    /* Records come, of which the first is the founder's alone. */
    solo_listener_roster(stage, SOLO_ONLY(SOLO_LOWER));
    assert_int_equal(solo_listener_ruling(stage, 0), '-');
    solo_listener_roster(stage, SOLO_ALL);
    assert_int_equal(solo_listener_ruling(stage, 0), '-'); /* The session goes on. */
    solo_listener_vacate(stage, 0, WEFT_NET);
    solo_listener_wait(stage, 2 * LIMIT_REDIAL_MIN_US);
    const struct solo_dial dial = solo_listener_dial(stage, 0);
    assert_true(dial.some);
    assert_false(dial.invite);
    assert_int_equal(dial.device, SOLO_LOWER);
    assert_int_equal(dial.key, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        listener_test(a_guest_s_session_stands_when_it_has_become_a_member),
        listener_test(a_guest_waits_for_the_host_s_yes_if_the_invite_says_so),
        listener_test(a_guest_to_whom_the_host_says_no_is_refused),
        listener_test(a_guest_that_has_gone_is_not_added_when_the_host_says_yes),
        listener_test(an_invite_lets_one_guest_in),
        listener_test(a_guest_that_proves_nothing_leaves_the_invite_open),
        listener_test(a_member_that_comes_by_invite_is_let_in_as_what_it_is),
        listener_test(an_invite_that_was_not_given_opens_nothing),
        listener_test(an_invite_ends_with_its_time),
        listener_test(a_guest_that_proves_itself_after_that_time_is_refused),
        listener_test(a_guest_that_lost_its_session_comes_again_and_nobody_else),
        listener_test(a_guest_of_an_invite_that_has_given_way_is_none_of_the_next),
        listener_test(three_wrong_guesses_burn_an_invite),
        listener_test(of_too_many_invites_the_one_that_would_end_first_ends),
        listener_test(a_newcomer_dials_its_inviter_at_every_address),
        listener_test(a_newcomer_s_session_with_its_inviter_stands_at_once),
        listener_test(a_newcomer_that_has_become_a_member_dials_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
