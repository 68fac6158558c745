/* Removing a member: what it is told, that it does not come back, what of its is kept, and that all
 * others agree. Coming in: test_members.c. What becomes of records at each member:
 * tests/unit/test_roster_histories.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

static void revoke(struct party *party, const struct party *whom) {
    uint64_t ticket = 0;
    assert_int_equal(weft_revoke(party->engine, whom->device, &ticket), WEFT_OK);
    party_wait(party, ticket, WEFT_DURABLE, 0);
}

static void assert_removed(struct party *party, const struct party *whom, const char *name) {
    trio_assert_listed(party, whom->device, WEFT_MEMBER_REMOVED, name);
}

/* ---- the one who goes ---- */

static void a_removed_device_is_told_why_its_session_ends(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    trio_meet(trio);
    revoke(&trio->a, &trio->b);
    do {
        party_wait_event(&trio->b, WEFT_EVENT_PEER_DOWN, &event);
    } while (memcmp(event.device, trio->a.device, 16) != 0);
    if (strstr(event.error.text, "no member of the library any more") == NULL)
        fail_msg("it was told: %s", event.error.text);
    party_wait_live(&trio->a, &trio->b, false);
    /* The others stay together. */
    party_wait_live(&trio->a, &trio->c, true);
}

static void a_removed_device_does_not_come_back(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    struct weft_error why = {0};
    char target[WEFT_ADDRESS_MAX];
    trio_meet(trio);
    revoke(&trio->a, &trio->b);
    party_wait_members(&trio->c, 2);
    party_listen(&trio->c);
    party_leave(&trio->b);
    party_return(&trio->b);
    const struct party *const others[] = {&trio->a, &trio->c};
    for (int i = 0; i < 2; i++) {
        party_target(others[i], target);
        assert_int_equal(weft_connect(trio->b.engine, target, &why), WEFT_OK);
        /* It calls those it knew by itself as well, and says so. */
        do {
            party_wait_event(&trio->b, WEFT_EVENT_FAULT, &event);
            assert_int_equal(event.error.status, WEFT_DENIED);
        } while (strstr(event.error.text, others[i]->address) == NULL);
    }
    /* Nor after the others have been away. */
    party_leave(&trio->a);
    party_return(&trio->a);
    party_target(&trio->a, target);
    assert_int_equal(weft_connect(trio->b.engine, target, &why), WEFT_OK);
    party_wait_event(&trio->b, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_DENIED);
    assert_int_equal(weft_member_count(trio->a.engine), 2);
}

static void the_others_do_not_dial_a_removed_device(void **state) {
    struct trio *trio = *state;
    struct weft_peer peers[8];
    trio_meet(trio);
    party_connect(&trio->a, &trio->b);
    revoke(&trio->a, &trio->b);
    party_wait_live(&trio->a, &trio->b, false);
    party_wait(&trio->a, party_put(&trio->a, 1, "later", 1), WEFT_EVERYWHERE, 0);
    unsigned count = weft_peers(trio->a.engine, peers, 8);
    for (unsigned i = 0; i < count && i < 8; i++) {
        if (memcmp(peers[i].device, trio->b.device, 16) == 0)
            assert_int_not_equal(peers[i].state, WEFT_PEER_LIVE);
    }
    assert_int_equal(party_number(&trio->b, "SELECT count(*) FROM entry"), 0);
}

static void who_was_removed_comes_in_again_as_another_device(void **state) {
    struct trio *trio = *state;
    char link[WEFT_LINK_MAX];
    uint8_t before[16];
    trio_meet(trio);
    party_put(&trio->b, 1, "of the old one", 1);
    party_wait_number(&trio->c, "SELECT count(*) FROM entry", 1);
    revoke(&trio->a, &trio->b);
    party_leave(&trio->b);
    memcpy(before, trio->b.device, sizeof before);
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b-anew", link);
    assert_memory_not_equal(trio->b.device, before, 16);
    struct party *const all[] = {&trio->a, &trio->b, &trio->c};
    for (int i = 0; i < 3; i++) {
        party_wait_members(all[i], 3);
        trio_assert_listed(all[i], trio->b.device, WEFT_MEMBER, "b-anew");
        trio_assert_listed(all[i], before, WEFT_MEMBER_REMOVED, "b");
    }
    /* What the old one wrote is there, for the new one as well. */
    party_wait_number(&trio->b, "SELECT count(*) FROM entry WHERE size = 1", 1);
    party_put(&trio->b, 1, "of the new one", 2);
    party_wait_number(&trio->c, "SELECT sum(size) FROM entry", 3);
}

/* Its old file and keys do not get it in, even by an invite. */
static void an_invite_does_not_bring_a_removed_identity_back(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    char link[WEFT_LINK_MAX];
    trio_meet(trio);
    revoke(&trio->a, &trio->b);
    party_leave(&trio->b);
    party_invite(&trio->a, NULL, link);
    trio->b.config.invite = link;
    party_return(&trio->b);
    party_wait_event(&trio->a, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_DENIED);
    assert_non_null(strstr(event.error.text, "new identity"));
    assert_int_equal(weft_member_count(trio->a.engine), 2);
    assert_removed(&trio->a, &trio->b, "b");
}

/* ---- those who stay ---- */

static void all_who_stay_agree_on_who_is_left(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    revoke(&trio->c, &trio->b);
    struct party *const both[] = {&trio->a, &trio->c};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            party_wait_members(both[i], 2);
            assert_int_equal(weft_members(both[i]->engine, NULL, 0), 3);
            trio_assert_listed(both[i], trio->a.device, WEFT_MEMBER, "a");
            assert_removed(both[i], &trio->b, "b");
            trio_assert_listed(both[i], trio->c.device, WEFT_MEMBER, "c");
        }
        /* And again after all have been away. */
        for (int i = 0; i < 2; i++)
            party_leave(both[i]);
        for (int i = 0; i < 2; i++)
            party_return(both[i]);
        party_connect(&trio->c, &trio->a);
    }
    party_wait(&trio->a, party_put(&trio->a, 1, "goes on", 1), WEFT_EVERYWHERE, 0);
}

static void a_removal_is_an_event_on_every_device(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    trio_meet(trio);
    revoke(&trio->a, &trio->b);
    struct party *const both[] = {&trio->a, &trio->c};
    for (int i = 0; i < 2; i++) {
        party_wait_event(both[i], WEFT_EVENT_REMOVED, &event);
        assert_memory_equal(event.device, trio->b.device, 16);
    }
}

static void nobody_waits_for_a_removed_device(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    party_leave(&trio->b);
    party_wait_live(&trio->a, &trio->b, false);
    uint64_t ticket = party_put(&trio->a, 1, "one", 1);
    party_wait(&trio->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(weft_wait(trio->a.engine, ticket, WEFT_EVERYWHERE, 0, 0, NULL), WEFT_TIMEOUT);
    revoke(&trio->a, &trio->b);
    party_wait(&trio->a, ticket, WEFT_EVERYWHERE, 0);
}

static void what_it_wrote_before_stays_and_travels_on(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    party_leave(&trio->c);
    party_wait(&trio->b, party_put(&trio->b, 1, "before", 1), WEFT_REPLICATED, 1);
    party_leave(&trio->b);
    revoke(&trio->a, &trio->b);
    party_return(&trio->c);
    party_connect(&trio->c, &trio->a);
    party_wait_number(&trio->c, "SELECT count(*) FROM entry WHERE name = 'before'", 1);
    party_wait_members(&trio->c, 2);
    assert_removed(&trio->c, &trio->b, "b");
}

/* ---- what it does behind the removal ---- */

/* B, removed by A, lets D in, which nobody who knows of the removal takes. */
static void whom_a_removed_device_invites_is_a_stranger(void **state) {
    struct trio *trio = *state;
    struct party d;
    struct weft_event event;
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX], target[WEFT_ADDRESS_MAX];
    trio_meet(trio);
    party_leave(&trio->b);
    revoke(&trio->a, &trio->b);
    party_wait_members(&trio->c, 2);
    party_return(&trio->b); /* It has not heard of it, and believes that it may. */
    party_invite(&trio->b, NULL, link);
    party_join(&d, trio->folder, "d", link);
    party_wait_members(&d, 4);
    party_target(&trio->a, target);
    assert_int_equal(weft_connect(d.engine, target, &why), WEFT_OK);
    party_wait_event(&d, WEFT_EVENT_FAULT, &event);
    assert_int_equal(event.error.status, WEFT_DENIED);
    assert_int_equal(weft_member_count(trio->a.engine), 2);
    assert_int_equal(weft_members(trio->a.engine, NULL, 0), 3);
    party_leave(&d);
}

/* The same, but C hears of D before it hears of the removal: what it has taken stands for all. */
static void what_a_member_took_before_it_heard_is_taken_by_all(void **state) {
    struct trio *trio = *state;
    struct party d;
    char link[WEFT_LINK_MAX];
    trio_meet(trio);
    party_leave(&trio->b);
    assert_int_equal(weft_pause(trio->c.engine, trio->a.device), WEFT_OK);
    party_leave(&trio->c);
    revoke(&trio->a, &trio->b);
    party_return(&trio->b);
    party_invite(&trio->b, NULL, link);
    party_join(&d, trio->folder, "d", link);
    party_return(&trio->c);
    party_connect(&trio->c, &trio->b);
    party_wait_members(&trio->c, 4);
    assert_int_equal(weft_resume(trio->c.engine, trio->a.device), WEFT_OK);
    party_connect(&trio->c, &trio->a);
    struct party *const both[] = {&trio->a, &trio->c};
    for (int i = 0; i < 2; i++) {
        party_wait_members(both[i], 3);
        trio_assert_listed(both[i], d.device, WEFT_MEMBER, "d");
        assert_removed(both[i], &trio->b, "b");
    }
    party_connect(&d, &trio->a);
    party_wait_members(&d, 3);
    party_put(&d, 1, "from d", 1);
    party_wait_number(&trio->c, "SELECT count(*) FROM entry WHERE name = 'from d'", 1);
    party_leave(&d);
}

/* ---- orders that cannot be ---- */

static void removals_that_cannot_be_say_so(void **state) {
    struct trio *trio = *state;
    struct weft_error why = {0};
    uint64_t ticket = 0;
    static const uint8_t nobody[16] = {1, 2, 3};
    trio_meet(trio);
    assert_int_equal(weft_revoke(trio->a.engine, trio->a.device, &ticket), WEFT_INVALID);
    assert_int_equal(weft_revoke(trio->a.engine, nobody, &ticket), WEFT_OK);
    party_wait_failure(&trio->a, ticket, WEFT_NOT_FOUND, &why);
    assert_int_equal(weft_member_count(trio->a.engine), 3);
    /* Once more is no fault. */
    revoke(&trio->a, &trio->b);
    int64_t records = party_number(&trio->a, "SELECT count(*) FROM shared_changes");
    revoke(&trio->a, &trio->b);
    assert_int_equal(party_number(&trio->a, "SELECT count(*) FROM shared_changes"), records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(a_removed_device_is_told_why_its_session_ends),
        TRIO_TEST(a_removed_device_does_not_come_back),
        TRIO_TEST(the_others_do_not_dial_a_removed_device),
        TRIO_TEST(who_was_removed_comes_in_again_as_another_device),
        TRIO_TEST(an_invite_does_not_bring_a_removed_identity_back),
        TRIO_TEST(all_who_stay_agree_on_who_is_left),
        TRIO_TEST(a_removal_is_an_event_on_every_device),
        TRIO_TEST(nobody_waits_for_a_removed_device),
        TRIO_TEST(what_it_wrote_before_stays_and_travels_on),
        TRIO_TEST(whom_a_removed_device_invites_is_a_stranger),
        TRIO_TEST(what_a_member_took_before_it_heard_is_taken_by_all),
        TRIO_TEST(removals_that_cannot_be_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
