/* The log actor alone, members: what they say they hold, and what may be forgotten for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/solo_log.h"

#define ACKS_DELAY_US 1000000u /* as log_member.c has it */
#define MEMBERS "SELECT count(*) - 1 FROM _weft_member WHERE removed_hlc = 0"
#define ACKS "SELECT count(*) FROM _weft_ack"
#define ACK "SELECT position FROM _weft_ack"
#define TOMBSTONES "SELECT count(*) FROM _weft_tombstone"

/* What the board shows of member `m`: its place in this device's locations. */
static uint64_t shown(struct solo_log *log, uint32_t m) {
    return board_get(log->solo.board->position[m][library_model(&log->library, "location") - 1]);
}

/* `count` locations of this device's, put and deleted; their tombstones' versions end at the stamp
 * that is returned. */
static uint64_t bury(struct solo_log *log, int count) {
    struct run run;
    struct solo_log_passed passed;
    for (int gone = 0; gone < 2; gone++) {
        run_begin(&run, &log->library, "misc");
        for (int64_t i = 0; i < count; i++) {
            if (gone) {
                run_delete(&run, "ti", "row", i);
            } else {
                run_put(&run, "itdntnn", i, "row", ME, "label");
            }
        }
        uint64_t ticket = solo_log_commit(log, &run, NULL);
        solo_turn(&log->solo);
        solo_log_answers(log, ticket, WEFT_OK);
        assert_true(solo_log_passed(log, &passed));
    }
    assert_int_equal(solo_log_count(log, TOMBSTONES), count);
    return log->stamp;
}

/* Tombstones of THEM's locations at 10, 20, ... */
static void bury_theirs(struct solo_log *log, int count) {
    struct run run;
    run_begin(&run, &log->library, "location");
    for (int i = 0; i < count; i++)
        run_delete(&run, "b", 0x40 + i);
    uint64_t upto = 10 * (uint64_t)count;
    solo_log_receive(log, &run,
                     (struct solo_log_batch){.owner = THEM, .table = "location", .upto = upto});
    solo_turn(&log->solo);
    solo_log_passes(log, WEFT_OK, upto, false);
}

static void forgets(struct solo_log *log, uint8_t owner, const char *table, uint64_t upto,
                    struct solo_log_forgotten wanted) {
    struct solo_log_forgotten forgotten = solo_log_forget(log, owner, table, upto);
    assert_int_equal(forgotten.upto, wanted.upto);
    assert_int_equal(forgotten.count, wanted.count);
    assert_int_equal(forgotten.more, wanted.more);
    solo_turn(&log->solo);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static void members_are_who_the_roster_says(void **state) {
    struct solo_log *log = *state;
    assert_int_equal(board_get(log->solo.board->self_state), BOARD_MEMBER);
    assert_int_equal(board_get(log->solo.board->member_count), 0);
    solo_log_meet(log, THEM);
    assert_int_equal(board_get(log->solo.board->member_count), 1);
    assert_int_equal(board_get(log->solo.board->members[0].state), BOARD_MEMBER);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_MEMBER).kind, 0);
    struct mail *held = solo_take(&log->solo, ACTOR_HOST, WEFT__MAIL__BODY_HELD);
    assert_non_null(held); /* Look at the board. */
    mail_drop(&held);
    solo_log_acked(log, THEM, ME, "location", 40);
    assert_int_equal(shown(log, 0), 40);
    log->solo.now.mono_us += ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACK), 40);

    solo_log_power_cut(log);
    assert_int_equal(board_get(log->solo.board->self_state), BOARD_MEMBER);
    assert_int_equal(board_get(log->solo.board->member_count), 1);
    assert_int_equal(board_get(log->solo.board->members[0].state), BOARD_MEMBER);
    assert_int_equal(shown(log, 0), 40);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_MEMBER).kind, 0);
}

static void what_a_device_holds_is_stored_once_the_roster_makes_it_a_member(void **state) {
    struct solo_log *log = *state;
    solo_log_acked(log, THEM, ME, "location", 40);
    assert_int_equal(board_get(log->solo.board->member_count), 1);
    assert_int_equal(board_get(log->solo.board->members[0].state), BOARD_HEARD);
    log->solo.now.mono_us += 2 * ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACKS), 0);
    solo_log_meet(log, THEM);
    solo_turn(&log->solo);
    assert_int_equal(board_get(log->solo.board->member_count), 1);
    assert_int_equal(board_get(log->solo.board->members[0].state), BOARD_MEMBER);
    assert_int_equal(solo_log_count(log, ACK), 40);
}

static void a_member_that_is_removed_is_one_no_longer(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_acked(log, THEM, ME, "location", 40);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_OK);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_REMOVED).device, THEM);
    assert_int_equal(board_get(log->solo.board->members[0].state), BOARD_REMOVED);
    struct mail *mail = solo_log_survey(log);
    assert_int_equal(mail->body.surveyed->n_members, 0);
    mail_drop(&mail);
    solo_log_restart(log);
    assert_int_equal(board_get(log->solo.board->members[0].state), BOARD_REMOVED);
}

static void acknowledgements_only_grow(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    static const uint64_t said[] = {40, 30, 40, 50, 0};
    static const uint64_t held[] = {40, 40, 40, 50, 50};
    for (int i = 0; i < 5; i++) {
        solo_log_acked(log, THEM, ME, "location", said[i]);
        log->solo.now.mono_us += ACKS_DELAY_US;
        solo_turn(&log->solo);
        assert_int_equal(shown(log, 0), held[i]);
        assert_int_equal(solo_log_count(log, ACK), held[i]);
    }
    /* One that says nothing new asks for no commit. */
    solo_log_acked(log, THEM, ME, "location", 50);
    assert_true(actor_due_us(&log->solo.topology->actors[ACTOR_LOG]) == DUE_NEVER);
}

static void absurd_positions_are_ignored(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_acked(log, THEM, ME, "location", UINT64_MAX);
    solo_log_acked(log, THEM, ME, "location", (uint64_t)INT64_MAX + 1);
    assert_int_equal(shown(log, 0), 0);
    /* No commit fails for them. */
    uint64_t ticket = solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    assert_int_equal(solo_log_count(log, ACKS), 0);
    solo_log_acked(log, THEM, ME, "location", 40);
    assert_int_equal(shown(log, 0), 40);
}

static void acknowledgements_ride_on_the_next_commit(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    uint64_t syncs = board_get(log->solo.board->syncs);
    solo_log_acked(log, THEM, ME, "location", 40);
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACKS), 0);
    (void)solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACK), 40);
    assert_int_equal(board_get(log->solo.board->syncs), syncs + 1);
    log->solo.now.mono_us += 2 * ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(board_get(log->solo.board->syncs), syncs + 1);
}

static void acknowledgements_without_a_commit_are_stored_after_a_while(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    uint64_t syncs = board_get(log->solo.board->syncs);
    solo_log_acked(log, THEM, ME, "location", 40);
    log->solo.now.mono_us += ACKS_DELAY_US - 1;
    solo_log_acked(log, THEM, ME, "location", 50); /* does not put it off */
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACKS), 0);
    log->solo.now.mono_us += 1;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACK), 50);
    assert_int_equal(board_get(log->solo.board->syncs), syncs + 1);
}

static void a_stop_stores_what_is_not_stored_yet(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_acked(log, THEM, ME, "location", 40);
    solo_tell(&log->solo, ACTOR_CLOCK, solo_mail(&log->solo, WEFT__MAIL__BODY_STOP, NULL));
    assert_int_equal(solo_log_count(log, ACK), 40);
}

static void acknowledgements_that_find_the_disk_full_are_tried_again(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    disk_set_full(log->disk, true);
    solo_log_acked(log, THEM, ME, "location", 40);
    log->solo.now.mono_us += ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_FAULT).status, WEFT_DISK_FULL);
    assert_int_equal(shown(log, 0), 40);
    disk_set_full(log->disk, false);
    assert_int_equal(solo_log_count(log, ACKS), 0);
    log->solo.now.mono_us += LIMIT_RETRY_US - 1;
    assert_false(actor_turn(&log->solo.topology->actors[ACTOR_LOG], log->solo.now));
    log->solo.now.mono_us += 1;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACK), 40);
}

static void acknowledgements_whose_sync_fails_end_the_engine(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    disk_fail_sync(log->disk, 1);
    solo_log_acked(log, THEM, ME, "location", 40);
    log->solo.now.mono_us += ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_fatal(log), WEFT_SYNC_FAILED);
}

static void the_board_shows_this_device_s_streams_only(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_meet(log, OTHERS);
    bury_theirs(log, 1); /* Of an owner of whom nothing is here nothing is stored. */
    solo_log_acked(log, OTHERS, ME, "location", 60);
    solo_log_acked(log, OTHERS, THEM, "location", 70);
    solo_log_acked(log, OTHERS, ME, "entry", 61);
    assert_int_equal(shown(log, 0), 0);
    assert_int_equal(shown(log, 1), 60);
    log->solo.now.mono_us += ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, ACKS), 3);
}

/* Whether an own transaction goes in. */
static void commits_go_in(struct solo_log *log, int id) {
    uint64_t ticket = solo_log_put(log, id, NULL);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
}

static void devices_that_are_no_members_fail_no_commit_however_many(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    for (unsigned i = 0; i <= LIMIT_ROSTER; i++) {
        solo_log_acked(log, (uint8_t)(SOLO_LOG_DEVICES + i), ME, "location", 50);
        solo_turn(&log->solo);
    }
    commits_go_in(log, 1);
    assert_int_equal(board_get(log->solo.board->member_count), LIMIT_ROSTER);
    solo_log_acked(log, THEM, ME, "location", 40);
    assert_int_equal(shown(log, 0), 40);
    log->solo.now.mono_us += 2 * ACKS_DELAY_US;
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, MEMBERS), 1);
    assert_int_equal(solo_log_count(log, ACKS), 1);
}

static void streams_that_a_member_made_up_fail_no_commit(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_acked(log, THEM, ME, "location", 40);
    for (unsigned i = 0; i < LIMIT_MEMBERS + 8; i++)
        solo_log_acked(log, THEM, (uint8_t)(SOLO_LOG_DEVICES + i), "location", 40);
    commits_go_in(log, 1);
    log->solo.now.mono_us += 2 * ACKS_DELAY_US;
    solo_turn(&log->solo);
    commits_go_in(log, 2);
    assert_int_equal(solo_log_count(log, ACK " WHERE owner = 1"), 40);
}

/* ---- surveys --------------------------------------------------------------------------------- */

static const Weft__Place *find(const struct solo_log *log, Weft__Place *const *places, size_t count,
                               uint8_t owner, uint32_t model) {
    for (size_t i = 0; i < count; i++) {
        if (solo_log_who(log, places[i]->owner.data) == owner && places[i]->model == model)
            return places[i];
    }
    return NULL;
}

static void a_survey_lists_members_and_oldest_tombstones(void **state) {
    struct solo_log *log = *state;
    uint32_t location = library_model(&log->library, "location");
    uint32_t misc = library_model(&log->library, "misc");
    solo_log_meet(log, THEM);
    solo_log_meet(log, OTHERS);
    uint64_t last = bury(log, 3);
    bury_theirs(log, 2);
    solo_log_acked(log, OTHERS, ME, "misc", 40); /* counts before it is stored */
    solo_log_acked(log, OTHERS, THEM, "location", 20);
    for (int again = 0; again < 2; again++) {
        struct mail *mail = solo_log_survey(log);
        const Weft__Surveyed *surveyed = mail->body.surveyed;
        assert_int_equal(surveyed->n_members, 2);
        assert_int_equal(solo_log_who(log, surveyed->members[0]->device.data), THEM);
        assert_int_equal(surveyed->members[0]->n_acks, 0);
        assert_int_equal(solo_log_who(log, surveyed->members[1]->device.data), OTHERS);
        Weft__Place *const *acks = surveyed->members[1]->acks;
        assert_int_equal(surveyed->members[1]->n_acks, 2);
        assert_int_equal(find(log, acks, 2, ME, misc)->position, 40);
        assert_int_equal(find(log, acks, 2, THEM, location)->position, 20);
        assert_int_equal(surveyed->n_oldest, 2);
        assert_int_equal(find(log, surveyed->oldest, 2, ME, misc)->position, last - 2);
        assert_int_equal(find(log, surveyed->oldest, 2, THEM, location)->position, 10);
        mail_drop(&mail);
        if (again) break;
        log->solo.now.mono_us += ACKS_DELAY_US;
        solo_turn(&log->solo);
        solo_log_restart(log);
    }
}

static void a_survey_leaves_the_open_group_alone(void **state) {
    struct solo_log *log = *state;
    uint64_t ticket = solo_log_put(log, 1, "/a");
    struct mail *mail = solo_log_survey(log);
    assert_int_equal(mail->body.surveyed->n_members, 0);
    assert_int_equal(mail->body.surveyed->n_oldest, 0);
    mail_drop(&mail);
    assert_int_equal(solo_log_outcome(log).ticket, 0);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

#define FORGOTTEN(...) ((struct solo_log_forgotten){__VA_ARGS__})

static void what_every_member_holds_is_forgotten(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3);
    solo_log_meet(log, THEM);
    solo_log_acked(log, THEM, ME, "misc", last);
    forgets(log, ME, "misc", last - 1, FORGOTTEN(last - 1, 2, false));
    assert_int_equal(solo_log_count(log, "SELECT version FROM _weft_tombstone"), last);
    assert_int_equal(solo_log_count(log, "SELECT max(horizon) FROM _weft_position"), last - 1);
    assert_int_equal(board_get(log->solo.board->tombstones_pruned), 2);
    forgets(log, ME, "misc", last, FORGOTTEN(last, 1, false));
    assert_int_equal(solo_log_count(log, TOMBSTONES), 0);
    assert_int_equal(solo_log_count(log, "SELECT max(horizon) FROM _weft_position"), last);
    forgets(log, ME, "misc", last, FORGOTTEN(last, 0, false));
}

static void much_is_forgotten_in_slices(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, LIMIT_FORGET_ROWS + 7), first = last - LIMIT_FORGET_ROWS - 6;
    forgets(log, ME, "misc", last, FORGOTTEN(last, LIMIT_FORGET_ROWS, true));
    assert_int_equal(solo_log_count(log, TOMBSTONES), 7);
    assert_int_equal(solo_log_count(log, "SELECT max(horizon) FROM _weft_position"),
                     first + LIMIT_FORGET_ROWS - 1);
    forgets(log, ME, "misc", last, FORGOTTEN(last, 7, false));
    assert_int_equal(solo_log_count(log, TOMBSTONES), 0);
}

static void nothing_beyond_this_device_s_own_position_is_forgotten(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3);
    forgets(log, ME, "misc", last + 1000, FORGOTTEN(last, 3, false));
    assert_int_equal(solo_log_count(log, "SELECT max(horizon) FROM _weft_position"), last);
}

static void what_a_member_lacks_is_not_forgotten_whatever_is_asked(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3);
    solo_log_meet(log, THEM);
    solo_log_meet(log, OTHERS);
    solo_log_acked(log, THEM, ME, "misc", last);
    solo_log_acked(log, OTHERS, ME, "misc", last - 2);
    forgets(log, ME, "misc", last, FORGOTTEN(last - 2, 1, false));
    assert_int_equal(solo_log_count(log, TOMBSTONES), 2);
}

static void a_member_that_joined_after_the_survey_is_asked_as_well(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3);
    solo_log_meet(log, THEM);
    solo_log_acked(log, THEM, ME, "misc", last);
    struct mail *mail = solo_log_survey(log);
    assert_int_equal(mail->body.surveyed->n_members, 1);
    mail_drop(&mail);
    solo_log_meet(log, OTHERS);
    struct solo_log_forgotten forgotten = solo_log_forget(log, ME, "misc", last);
    assert_int_equal(forgotten.count, 0);
    assert_false(forgotten.more);
    solo_turn(&log->solo);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 3);
    assert_int_equal(solo_log_count(log, "SELECT max(horizon) FROM _weft_position"), 0);
}

static void the_owner_of_a_stream_is_not_asked(void **state) {
    struct solo_log *log = *state;
    solo_log_meet(log, THEM);
    solo_log_meet(log, OTHERS);
    bury_theirs(log, 3);
    solo_log_acked(log, OTHERS, THEM, "location", 20);
    forgets(log, THEM, "location", 30, FORGOTTEN(20, 2, false));
    assert_int_equal(solo_log_count(log, TOMBSTONES), 1);
}

static void forgetting_is_of_one_commit_with_the_open_group(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3), syncs = board_get(log->solo.board->syncs);
    uint64_t ticket = solo_log_put(log, 1, "/a");
    assert_int_equal(solo_log_forget(log, ME, "misc", last).count, 3);
    assert_int_equal(solo_log_outcome(log).ticket, 0);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 3);
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
    assert_int_equal(board_get(log->solo.board->syncs), syncs + 1);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 0);
}

static void forgetting_that_finds_the_disk_full_keeps_all(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3);
    disk_set_full(log->disk, true);
    (void)solo_log_forget(log, ME, "misc", last);
    solo_turn(&log->solo);
    disk_set_full(log->disk, false);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 3);
    assert_int_equal(solo_log_count(log, "SELECT max(horizon) FROM _weft_position"), 0);
    assert_int_equal(solo_log_fatal(log), WEFT_OK);
    forgets(log, ME, "misc", last, FORGOTTEN(last, 3, false));
    assert_int_equal(solo_log_count(log, TOMBSTONES), 0);
}

static void forgetting_that_cannot_begin_forgets_nothing(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 3);
    disk_crash(log->disk, DISK_KEEP_SYNCED);
    forgets(log, ME, "misc", last, FORGOTTEN(last, 0, false));
    assert_int_equal(board_get(log->solo.board->tombstones_pruned), 0);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 3);
}

static void forgetting_that_fails_in_a_group_has_the_group_applied_again(void **state) {
    struct solo_log *log = *state;
    uint64_t last = bury(log, 2000);
    log->cache_bytes = 0;
    solo_log_restart(log);
    uint64_t ticket = solo_log_put(log, 1, "/a");
    disk_crash(log->disk, DISK_KEEP_SYNCED); /* Its pages cannot be read. */
    struct solo_log_forgotten forgotten = solo_log_forget(log, ME, "misc", last);
    assert_int_equal(forgotten.count, 0);
    assert_false(forgotten.more);
    solo_log_answers(log, ticket, WEFT_IO);
    solo_log_power_cut(log);
    assert_int_equal(solo_log_count(log, TOMBSTONES), 2000);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_log_setup, solo_log_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(members_are_who_the_roster_says),
        LOG_TEST(what_a_device_holds_is_stored_once_the_roster_makes_it_a_member),
        LOG_TEST(a_member_that_is_removed_is_one_no_longer),
        LOG_TEST(acknowledgements_only_grow),
        LOG_TEST(absurd_positions_are_ignored),
        LOG_TEST(acknowledgements_ride_on_the_next_commit),
        LOG_TEST(acknowledgements_without_a_commit_are_stored_after_a_while),
        LOG_TEST(a_stop_stores_what_is_not_stored_yet),
        LOG_TEST(acknowledgements_that_find_the_disk_full_are_tried_again),
        LOG_TEST(acknowledgements_whose_sync_fails_end_the_engine),
        LOG_TEST(the_board_shows_this_device_s_streams_only),
        LOG_TEST(devices_that_are_no_members_fail_no_commit_however_many),
        LOG_TEST(streams_that_a_member_made_up_fail_no_commit),
        LOG_TEST(a_survey_lists_members_and_oldest_tombstones),
        LOG_TEST(a_survey_leaves_the_open_group_alone),
        LOG_TEST(what_every_member_holds_is_forgotten),
        LOG_TEST(much_is_forgotten_in_slices),
        LOG_TEST(nothing_beyond_this_device_s_own_position_is_forgotten),
        LOG_TEST(what_a_member_lacks_is_not_forgotten_whatever_is_asked),
        LOG_TEST(a_member_that_joined_after_the_survey_is_asked_as_well),
        LOG_TEST(the_owner_of_a_stream_is_not_asked),
        LOG_TEST(forgetting_is_of_one_commit_with_the_open_group),
        LOG_TEST(forgetting_that_finds_the_disk_full_keeps_all),
        LOG_TEST(forgetting_that_cannot_begin_forgets_nothing),
        LOG_TEST(forgetting_that_fails_in_a_group_has_the_group_applied_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
