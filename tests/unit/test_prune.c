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

/* ---- the shared log ---- */

/* Answers a survey: so many origins of which records may go up to 100 + n, up to place 77;
 * deletions may be looked through; a member (0: none) is silent. */
static void survey_shared(struct solo *solo, uint8_t origins, bool deleted, uint8_t silent) {
    solo_turn(solo);
    struct mail *asked = solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_SURVEY);
    assert_non_null(asked);
    mail_drop(&asked);
    Weft__Surveyed *surveyed = NULL;
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_SURVEYED, &surveyed);
    surveyed->held = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, origins);
    surveyed->n_held = origins;
    surveyed->place = 77;
    surveyed->deleted = deleted;
    for (uint8_t n = 0; n < origins; n++) {
        const uint8_t id[16] = {n};
        assert_true(mail_bytes(mail, &surveyed->held[n]->device, id, sizeof id));
        surveyed->held[n]->incarnation = 5;
        surveyed->held[n]->seq = 100u + n;
    }
    const uint8_t id[16] = {silent};
    if (silent != 0) assert_true(mail_bytes(mail, &surveyed->silent, id, sizeof id));
    solo_tell(solo, ACTOR_LOG, mail);
}

/* The log is told to forget records of this origin. */
static void forgets_records(struct solo *solo, uint8_t origin) {
    struct mail *mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_FORGET);
    assert_non_null(mail);
    const Weft__Forget *forget = mail->body.forget;
    assert_non_null(forget->head);
    assert_null(forget->upto);
    assert_false(forget->deleted);
    assert_int_equal(forget->head->device.data[0], origin);
    assert_int_equal(forget->head->incarnation, 5);
    assert_int_equal(forget->head->seq, 100 + origin);
    assert_int_equal(forget->place, 77);
    mail_drop(&mail);
}

static void forgets_deletions(struct solo *solo) {
    struct mail *mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_FORGET);
    assert_non_null(mail);
    assert_true(mail->body.forget->deleted);
    assert_null(mail->body.forget->head);
    assert_null(mail->body.forget->upto);
    mail_drop(&mail);
}

static void forgotten(struct solo *solo, bool more) {
    Weft__Forgotten *answer = NULL;
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_FORGOTTEN, &answer);
    answer->more = more;
    solo_tell(solo, ACTOR_LOG, mail);
}

/* Nothing is asked of the log until the next survey is due. */
static void rests(struct solo *solo) {
    solo_turn(solo);
    assert_null(solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_FORGET));
    solo->now.mono_us += LIMIT_PRUNE_US - 1;
    solo_turn(solo);
    assert_null(solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_SURVEY));
    solo->now.mono_us++;
    solo_turn(solo);
    struct mail *again = solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_SURVEY);
    assert_non_null(again);
    mail_drop(&again);
}

static void prune_goes_through_origins_and_then_deletions(void **state) {
    struct solo *solo = *state;
    survey_shared(solo, 2, true, 0);
    forgets_records(solo, 0);
    forgotten(solo, true);
    forgets_records(solo, 0);
    forgotten(solo, false);
    forgets_records(solo, 1);
    forgotten(solo, false);
    forgets_deletions(solo);
    forgotten(solo, true);
    forgets_deletions(solo);
    forgotten(solo, false);
    rests(solo);
}

static void prune_rests_when_there_is_nothing_to_forget(void **state) {
    survey_shared(*state, 0, false, 0);
    rests(*state);
}

static void prune_leaves_deletions_that_may_not_be_looked_through(void **state) {
    survey_shared(*state, 1, false, 0);
    forgets_records(*state, 0);
    forgotten(*state, false);
    rests(*state);
}

static void prune_has_a_silent_member_called_away_and_goes_on(void **state) {
    struct solo *solo = *state;
    survey_shared(solo, 1, false, 9);
    struct mail *mail = solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_GOVERN);
    assert_non_null(mail);
    const Weft__Govern *govern = mail->body.govern;
    assert_true(govern->away && !govern->remove && govern->ticket == 0);
    assert_int_equal(govern->device.len, WEFT_ID_SIZE);
    assert_int_equal(govern->device.data[0], 9);
    mail_drop(&mail);
    forgets_records(solo, 0);
    forgotten(solo, false);
    assert_null(solo_take(solo, ACTOR_CLOCK, WEFT__MAIL__BODY_GOVERN));
    rests(solo);
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
        PRUNE_TEST(prune_goes_through_origins_and_then_deletions),
        PRUNE_TEST(prune_rests_when_there_is_nothing_to_forget),
        PRUNE_TEST(prune_leaves_deletions_that_may_not_be_looked_through),
        PRUNE_TEST(prune_has_a_silent_member_called_away_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
