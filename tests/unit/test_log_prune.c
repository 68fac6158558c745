/* The log actor alone, forgetting of the shared log: what its survey says all members hold, what it
 * forgets when it is told to, and whom it calls silent. Deletions: test_log_deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_prune.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define RECORDS "SELECT count(*) FROM shared_changes"
#define PRUNED "SELECT max(pruned) FROM _weft_origin"
#define STAY SOLO_PRUNE_STAY
#define DAY_MS UINT64_C(86400000)

static int64_t count(struct solo_prune *stage, const char *sql) {
    return solo_log_count(stage->log, sql);
}

/* ---- records --------------------------------------------------------------------------------- */

static void records_go_when_every_member_holds_them(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    assert_int_equal(solo_prune_survey(stage).held, 0);
    solo_prune_holds(stage, THEM, &stage->them, 20, false);
    assert_int_equal(solo_prune_survey(stage).held, 0);
    solo_prune_holds(stage, OTHERS, &stage->them, 12, false);
    const struct solo_prune_said said = solo_prune_survey(stage);
    assert_int_equal(said.held, 12);
    assert_int_equal(solo_prune_forget(stage, said.held, said.place), 12);
    assert_int_equal(count(stage, PRUNED), 12);
    assert_int_equal(count(stage, RECORDS), 3 + 8);
    solo_log_restart(stage->log);
    assert_int_equal(count(stage, PRUNED), 12);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 0);
    solo_prune_holds(stage, THEM, &stage->them, 20, false);
    solo_prune_holds(stage, OTHERS, &stage->them, 20, false);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 8);
}

static void the_newest_records_stay_though_all_hold_them(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    solo_prune_all_hold(stage, &stage->them, 20);
    const struct solo_prune_said said = solo_prune_survey(stage);
    assert_int_equal(said.held, 20);
    assert_int_equal(solo_prune_forget(stage, said.held, said.place), 20 - STAY);
    assert_int_equal(count(stage, RECORDS), 3 + STAY);
    assert_int_equal(solo_prune_survey(stage).held, 0);
}

static void what_says_something_of_members_stays_for_good(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 5);
    solo_prune_calls_away(stage, &stage->them, OTHERS);
    solo_prune_says(stage, &stage->them, "strange =x a=#2", 15);
    solo_prune_all_hold(stage, &stage->them, 21);
    assert_int_equal(solo_prune_forget(stage, 21, INT64_MAX), 21);
    assert_int_equal(count(stage, RECORDS), 3 + 1);
    assert_int_equal(count(stage, PRUNED), 21);
}

static void who_came_in_since_the_survey_is_waited_for(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    solo_prune_all_hold(stage, &stage->them, 20);
    const struct solo_prune_said said = solo_prune_survey(stage);
    assert_int_equal(said.held, 20);
    solo_log_meet(stage->log, 9);
    assert_int_equal(solo_prune_forget(stage, said.held, said.place), 0);
    assert_int_equal(count(stage, PRUNED), 0);
    assert_int_equal(solo_prune_survey(stage).held, 0);
}

static void who_is_away_is_not_waited_for_until_it_is_back(void **state) {
    struct solo_prune *stage = *state;
    struct record_ops ops;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    solo_prune_holds(stage, THEM, &stage->them, 20, false);
    solo_prune_calls_away(stage, &stage->them, OTHERS);
    struct solo_prune_said said = solo_prune_survey(stage);
    assert_int_equal(said.held, 20);
    record_ops_begin(&ops, &stage->arena);
    record_ops_back(&ops, stage->stamp);
    assert_int_equal(solo_prune_deliver(stage, solo_prune_sign(stage, &stage->others, &ops)),
                     WEFT_OK);
    assert_int_equal(solo_prune_forget(stage, said.held, said.place), 0);
    assert_int_equal(solo_prune_survey(stage).held, 0);
}

static void who_is_alone_among_those_away_forgets_nothing(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    solo_prune_all_hold(stage, &stage->them, 20);
    solo_prune_calls_away(stage, &stage->them, OTHERS);
    solo_prune_calls_away(stage, &stage->others, THEM);
    assert_int_equal(solo_prune_survey(stage).held, 0);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 0);
    assert_int_equal(count(stage, PRUNED), 0);
}

static void of_one_who_has_said_nothing_nothing_goes(void **state) {
    struct solo_prune *stage = *state;
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 0);
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
}

static void a_record_that_cannot_be_read_stays_until_it_can(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange =x a=#1", 20);
    solo_prune_all_hold(stage, &stage->them, 20);
    solo_log_sql(stage->log, "CREATE TABLE kept AS SELECT place, record FROM shared_changes;"
                             "UPDATE shared_changes SET record = x'07'");
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 0);
    assert_int_equal(count(stage, RECORDS), 3 + 20);
    solo_log_sql(stage->log, "UPDATE shared_changes SET record = "
                             "(SELECT record FROM kept WHERE place = shared_changes.place)");
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
}

/* ---- silence --------------------------------------------------------------------------------- */

static void days(struct solo_prune *stage, int64_t count_days) {
    struct solo *solo = &stage->log->solo;
    solo->now.wall_ms += (uint64_t)(count_days * (int64_t)DAY_MS);
    if (count_days > 0) solo->now.mono_us += (uint64_t)count_days * DAY_MS * 1000;
}

static void hears(struct solo_prune *stage, uint8_t device) {
    solo_prune_holds(stage, device, &stage->them, 0, false);
}

static void who_was_not_heard_of_for_a_month_is_silent(void **state) {
    struct solo_prune *stage = *state;
    hears(stage, THEM);
    hears(stage, OTHERS);
    days(stage, 30);
    hears(stage, THEM);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
    days(stage, 1);
    hears(stage, THEM);
    assert_int_equal(solo_prune_survey(stage).silent, OTHERS);
    hears(stage, OTHERS);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
}

static void who_hears_nobody_calls_nobody_silent(void **state) {
    struct solo_prune *stage = *state;
    hears(stage, THEM);
    days(stage, 1);
    hears(stage, OTHERS);
    days(stage, 400);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
    solo_log_restart(stage->log);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
}

static void a_member_that_never_came_is_silent_one_day_also_after_a_restart(void **state) {
    struct solo_prune *stage = *state;
    /* Before it could be stored when the members were let in. */
    solo_log_sql(stage->log, "DELETE FROM _weft_heard");
    const struct instant now = stage->log->solo.now;
    solo_log_restart(stage->log);
    stage->log->solo.now = now;
    hears(stage, THEM);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
    days(stage, 32);
    hears(stage, THEM);
    assert_int_equal(solo_prune_survey(stage).silent, OTHERS);
}

static void a_clock_that_was_ahead_for_a_moment_makes_nobody_silent_for_ever(void **state) {
    struct solo_prune *stage = *state;
    hears(stage, OTHERS);
    days(stage, 365);
    hears(stage, THEM);
    days(stage, -364);
    hears(stage, OTHERS);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
    hears(stage, OTHERS);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
    /* THEM is not taken to be there for a year, either. */
    days(stage, 31);
    hears(stage, OTHERS);
    assert_int_equal(solo_prune_survey(stage).silent, THEM);
}

/* The log is told to call a member away that is silent, and does so if it can. */
static void calls_away(struct solo_prune *stage, uint8_t device) {
    struct solo *solo = &stage->log->solo;
    Weft__Govern *govern = NULL;
    struct mail *mail = solo_mail(solo, MAIL(GOVERN), &govern);
    govern->away = true;
    govern->hlc = ++stage->log->stamp;
    assert_true(mail_bytes(mail, &govern->device, stage->log->devices[device].bytes, WEFT_ID_SIZE));
    solo_tell(solo, ACTOR_CLOCK, mail);
    solo_turn(solo);
}

/* OTHERS has been away already, as THEM said at this time, and has come back. */
static void comes_back(struct solo_prune *stage, uint64_t away_hlc) {
    struct record_ops ops;
    const uint64_t stamp = stage->stamp;
    stage->stamp = away_hlc - 1;
    solo_prune_calls_away(stage, &stage->them, OTHERS);
    stage->stamp = stamp;
    record_ops_begin(&ops, &stage->arena);
    record_ops_back(&ops, away_hlc);
    const struct bytes back = solo_prune_sign(stage, &stage->others, &ops);
    assert_int_equal(solo_prune_deliver(stage, back), WEFT_OK);
    hears(stage, OTHERS);
    days(stage, 31);
    hears(stage, THEM);
}

static void who_was_called_away_by_a_clock_that_is_years_ahead_can_be_called_away_again(
    void **state) {
    struct solo_prune *stage = *state;
    comes_back(stage, UINT64_C(1) << 60);
    const int64_t records = count(stage, RECORDS);
    assert_int_equal(solo_prune_survey(stage).silent, OTHERS);
    calls_away(stage, OTHERS);
    assert_int_equal(count(stage, RECORDS), records + 1);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
}

static void what_would_be_said_in_vain_of_the_silent_is_not_written(void **state) {
    struct solo_prune *stage = *state;
    comes_back(stage, INT64_MAX);
    const int64_t records = count(stage, RECORDS);
    assert_int_equal(solo_prune_survey(stage).silent, OTHERS);
    calls_away(stage, OTHERS);
    assert_int_equal(count(stage, RECORDS), records);
}

/* This device was begun while its clock was a year ahead. */
static void a_clock_that_was_ahead_at_the_start_does_not_keep_from_calling_away(void **state) {
    struct solo_prune *stage = *state;
    days(stage, 365);
    const struct instant now = stage->log->solo.now;
    solo_log_restart(stage->log);
    stage->log->solo.now = now;
    hears(stage, THEM);
    days(stage, -364);
    hears(stage, OTHERS);
    hears(stage, THEM);
    assert_int_equal(solo_prune_survey(stage).silent, 0);
    days(stage, 31);
    hears(stage, THEM);
    assert_int_equal(solo_prune_survey(stage).silent, OTHERS);
}

/* It was asked for by a survey before a restart. */
static void who_nothing_is_known_of_is_not_called_away(void **state) {
    struct solo_prune *stage = *state;
    struct solo *solo = &stage->log->solo;
    solo_log_sql(stage->log, "DELETE FROM _weft_heard");
    const struct instant now = solo->now;
    solo_log_restart(stage->log);
    solo->now = now;
    days(stage, 1);
    hears(stage, THEM);
    const int64_t records = count(stage, RECORDS);
    calls_away(stage, OTHERS);
    assert_int_equal(count(stage, RECORDS), records);
}

int main(void) {
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_prune_setup, solo_prune_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(records_go_when_every_member_holds_them),
        LOG_TEST(the_newest_records_stay_though_all_hold_them),
        LOG_TEST(what_says_something_of_members_stays_for_good),
        LOG_TEST(who_came_in_since_the_survey_is_waited_for),
        LOG_TEST(who_is_away_is_not_waited_for_until_it_is_back),
        LOG_TEST(who_is_alone_among_those_away_forgets_nothing),
        LOG_TEST(of_one_who_has_said_nothing_nothing_goes),
        LOG_TEST(a_record_that_cannot_be_read_stays_until_it_can),
        LOG_TEST(who_was_not_heard_of_for_a_month_is_silent),
        LOG_TEST(who_hears_nobody_calls_nobody_silent),
        LOG_TEST(a_member_that_never_came_is_silent_one_day_also_after_a_restart),
        LOG_TEST(a_clock_that_was_ahead_for_a_moment_makes_nobody_silent_for_ever),
        LOG_TEST(who_was_called_away_by_a_clock_that_is_years_ahead_can_be_called_away_again),
        LOG_TEST(what_would_be_said_in_vain_of_the_silent_is_not_written),
        LOG_TEST(a_clock_that_was_ahead_at_the_start_does_not_keep_from_calling_away),
        LOG_TEST(who_nothing_is_known_of_is_not_called_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
