/* The prune actor alone: what it asks of the log, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo.h"

static int open_solo(void **state) {
    static struct solo solo;
    *state = &solo;
    return !solo_open(&solo, ACTOR_PRUNE);
}

static int close_solo(void **state) {
    return !solo_close(*state);
}

static void fill_place(struct mail *mail, Weft__Place *place, uint8_t owner, uint64_t position) {
    const uint8_t id[16] = {owner};
    assert_true(mail_bytes(mail, &place->owner, id, sizeof id));
    place->model = 1;
    place->position = position;
}

/* Answers the survey that the actor has asked for: members 2 and 3, of which 2 holds `held` of the
 * stream of `owner` and 3 nothing; one tombstone at 10. */
static void survey(struct solo *solo, uint8_t owner, uint64_t held, bool third) {
    solo_turn(solo);
    struct mail *asked = solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_SURVEY);
    assert_non_null(asked);
    mail_drop(&asked);
    Weft__Surveyed *surveyed = NULL;
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_SURVEYED, &surveyed);
    surveyed->n_members = third ? 2 : 1;
    surveyed->members =
        (Weft__SurveyedMember **)mail_messages(mail, &weft__surveyed_member__descriptor, 2);
    surveyed->n_oldest = 1;
    surveyed->oldest = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, 1);
    assert_non_null(surveyed->members);
    assert_non_null(surveyed->oldest);
    for (uint8_t m = 0; m < 2; m++) {
        const uint8_t id[16] = {(uint8_t)(2 + m)};
        assert_true(mail_bytes(mail, &surveyed->members[m]->device, id, sizeof id));
    }
    Weft__SurveyedMember *second = surveyed->members[0];
    second->n_acks = 1;
    second->acks = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, 1);
    assert_non_null(second->acks);
    fill_place(mail, second->acks[0], owner, held);
    fill_place(mail, surveyed->oldest[0], owner, 10);
    solo_tell(solo, ACTOR_LOG, mail);
}

static uint64_t forgets_upto(struct solo *solo) {
    struct mail *mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_FORGET);
    if (mail == NULL) return 0;
    uint64_t upto = mail->body.forget->upto->position;
    mail_drop(&mail);
    return upto;
}

static void prune_forgets_what_every_member_has(void **state) {
    survey(*state, 1, 25, false);
    assert_int_equal(forgets_upto(*state), 25);
}

static void prune_counts_a_member_never_heard_of_as_holding_nothing(void **state) {
    survey(*state, 1, 25, true);
    assert_int_equal(forgets_upto(*state), 0);
}

static void prune_does_not_ask_the_owner_of_a_stream(void **state) {
    survey(*state, 3, 25, true);
    assert_int_equal(forgets_upto(*state), 25);
}

static void prune_leaves_what_somebody_still_needs(void **state) {
    survey(*state, 1, 9, false);
    assert_int_equal(forgets_upto(*state), 0);
}

static void prune_goes_on_while_there_is_more_and_then_rests(void **state) {
    struct solo *solo = *state;
    survey(solo, 1, 25, false);
    for (int more = 1; more >= 0; more--) {
        assert_int_equal(forgets_upto(solo), 25);
        Weft__Forgotten *forgotten = NULL;
        struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_FORGOTTEN, &forgotten);
        forgotten->more = more;
        solo_tell(solo, ACTOR_LOG, mail);
    }
    solo_turn(solo);
    assert_int_equal(forgets_upto(solo), 0);
    assert_null(solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_SURVEY));
    solo->now.mono_us += LIMIT_PRUNE_US;
    solo_turn(solo);
    struct mail *again = solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_SURVEY);
    assert_non_null(again);
    mail_drop(&again);
}

#define PRUNE_TEST(name) cmocka_unit_test_setup_teardown(name, open_solo, close_solo)

int main(void) {
    const struct CMUnitTest tests[] = {
        PRUNE_TEST(prune_forgets_what_every_member_has),
        PRUNE_TEST(prune_counts_a_member_never_heard_of_as_holding_nothing),
        PRUNE_TEST(prune_does_not_ask_the_owner_of_a_stream),
        PRUNE_TEST(prune_leaves_what_somebody_still_needs),
        PRUNE_TEST(prune_goes_on_while_there_is_more_and_then_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
