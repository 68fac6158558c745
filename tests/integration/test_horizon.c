/* The shared log forgets, and whoever comes from below its horizon catches up: newcomers, snapshots
 * that are cut, members that were away. Real engines, by a clock of the test's own
 * (tests/lib/fleet.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/fleet.h"

#define FORGETTABLE "SELECT count(*) FROM shared_changes WHERE keep = 0"
#define AWAY "SELECT count(*) FROM _weft_member WHERE away_hlc > back_hlc"
#define DAY_MS UINT64_C(86400000)

static int set_up(void **state) {
    struct fleet *fleet = calloc(1, sizeof *fleet);
    assert_non_null(fleet);
    fleet_open(fleet);
    *state = fleet;
    return 0;
}

static int tear_down(void **state) {
    fleet_close(*state);
    free(*state);
    return 0;
}

static void level(struct fleet *fleet) {
    fleet_until(fleet, fleet_level, NULL);
}

/* Two founders of a library, that know each other and have a session. */
static struct fleet *two(void **state) {
    struct fleet *fleet = *state;
    fleet_found(fleet, 0);
    fleet_join(fleet, 1, 0);
    fleet_meet(fleet, 1, 0);
    return fleet;
}

/* Rows `from` to `from + count` of all tables, 50 in a transaction. */
static void write_rows(struct fleet *fleet, unsigned n, int from, int count) {
    char id[32], other[32];
    for (int i = from; i < from + count; i++) {
        if ((i - from) % 50 == 0) fleet_begin(fleet, n);
        snprintf(id, sizeof id, "row %06d", i);
        snprintf(other, sizeof other, "of ship %u, %d", n, i);
        if (i % 3 == 0) fleet_put_note(fleet, n, id, other, i);
        if (i % 3 == 1) fleet_put_wide(fleet, n, id, other, i % 2 == 0 ? NULL : "b");
        if (i % 3 == 2) fleet_put_link(fleet, n, id, other, i);
        if ((i - from) % 50 == 49 || i == from + count - 1) fleet_commit(fleet, n);
    }
}

/* Every tenth of the notes among them goes. */
static void delete_notes(struct fleet *fleet, unsigned n, int from, int count) {
    char id[32];
    fleet_begin(fleet, n);
    for (int i = from; i < from + count; i++) {
        if (i % 30 != 0) continue;
        snprintf(id, sizeof id, "row %06d", i);
        fleet_delete(fleet, n, fleet->ships[n].note, id);
    }
    fleet_commit(fleet, n);
}

struct bound {
    unsigned n;
    int64_t most;
};

static bool log_is_short(struct fleet *fleet, void *context) {
    const struct bound *bound = context;
    return fleet_number(fleet, bound->n, FORGETTABLE) <= bound->most;
}

static void prunes(struct fleet *fleet, unsigned n, int64_t most) {
    struct bound bound = {n, most};
    fleet_until(fleet, log_is_short, &bound);
}

/* ---- newcomers ------------------------------------------------------------------------------- */

static void a_newcomer_to_a_pruned_library_has_what_the_others_have(void **state) {
    struct fleet *fleet = *state;
    fleet->log_records = 8;
    two(state);
    write_rows(fleet, 0, 0, 6000);
    write_rows(fleet, 1, 6000, 4000);
    level(fleet);
    delete_notes(fleet, 1, 0, 3000);
    delete_notes(fleet, 0, 6000, 3000);
    level(fleet);
    prunes(fleet, 0, 16);
    prunes(fleet, 1, 16);
    fleet_join(fleet, 2, 0);
    level(fleet);
    assert_int_equal(fleet_number(fleet, 2, "SELECT count(*) FROM note"), 3334 - 200);
    /* It goes on as all others do. */
    write_rows(fleet, 2, 10000, 100);
    write_rows(fleet, 0, 10100, 100);
    level(fleet);
    prunes(fleet, 0, 16);
    prunes(fleet, 2, 16);
}

/* ---- a snapshot that is cut ------------------------------------------------------------------ */

static bool has_some(struct fleet *fleet, void *context) {
    const int64_t *wanted = context;
    return fleet_number(fleet, 2, "SELECT count(*) FROM note") >= *wanted;
}

static void a_snapshot_that_is_cut_goes_on_where_it_stood(void **state) {
    struct fleet *fleet = *state;
    int64_t some = 200, more = 600;
    fleet->log_records = 8;
    fleet->chunk_bytes = 4096;
    two(state);
    write_rows(fleet, 0, 0, 3000);
    level(fleet);
    prunes(fleet, 0, 16);
    prunes(fleet, 1, 16);
    fleet_come(fleet, 2, 0);
    fleet_until(fleet, has_some, &some);
    assert_true(fleet_number(fleet, 2, "SELECT count(*) FROM note") < 1000);
    assert_int_equal(
        fleet_number(fleet, 2, "SELECT count(*) FROM _weft_meta WHERE key = 'snapshot'"), 1);
    /* The session ends, and rows change in the meantime. */
    fleet_leave(fleet, 0, false);
    delete_notes(fleet, 1, 0, 900);
    fleet_pass(fleet, 1000);
    fleet_return(fleet, 0);
    fleet_meet(fleet, 1, 0);
    fleet_meet(fleet, 2, 0);
    fleet_until(fleet, has_some, &more);
    assert_true(fleet_number(fleet, 2, "SELECT count(*) FROM note") < 1000);
    /* The power goes. */
    fleet_leave(fleet, 2, true);
    write_rows(fleet, 1, 3000, 300);
    fleet_return(fleet, 2);
    assert_true(fleet_number(fleet, 2, "SELECT count(*) FROM note") >= more);
    fleet_meet(fleet, 2, 0);
    level(fleet);
    assert_int_equal(
        fleet_number(fleet, 2, "SELECT count(*) FROM _weft_meta WHERE key = 'snapshot'"), 0);
}

static void a_source_that_never_comes_back_gives_way_to_another(void **state) {
    struct fleet *fleet = *state;
    int64_t some = 200;
    fleet->log_records = 8;
    fleet->chunk_bytes = 4096;
    two(state);
    write_rows(fleet, 0, 0, 3000);
    level(fleet);
    prunes(fleet, 0, 16);
    prunes(fleet, 1, 16);
    fleet_come(fleet, 2, 0);
    fleet_until(fleet, has_some, &some);
    assert_true(fleet_number(fleet, 2, "SELECT count(*) FROM note") < 1000);
    fleet_leave(fleet, 0, true);
    delete_notes(fleet, 1, 0, 900);
    fleet_meet(fleet, 2, 1);
    level(fleet);
    fleet_note(fleet, 2, "of the newcomer", "and it goes on", 1);
    fleet_turn(fleet);
    level(fleet);
    fleet_return(fleet, 0);
    fleet_meet(fleet, 1, 0);
    level(fleet);
}

static bool both_have_some(struct fleet *fleet, void *context) {
    const int64_t *wanted = context;
    return fleet_number(fleet, 2, "SELECT count(*) FROM note") >= *wanted &&
           fleet_number(fleet, 3, "SELECT count(*) FROM note") >= *wanted;
}

static bool none_is_taking(struct fleet *fleet, void *context) {
    (void)context;
    for (unsigned n = 2; n < 4; n++)
        if (fleet_number(fleet, n, "SELECT count(*) FROM _weft_meta WHERE key = 'snapshot'") != 0)
            return false;
    return true;
}

static bool both_have_both(struct fleet *fleet, void *context) {
    (void)context;
    for (unsigned n = 2; n < 4; n++)
        if (fleet_number(fleet, n, "SELECT count(*) FROM note WHERE id LIKE 'of %'") != 2)
            return false;
    return true;
}

static bool all_are_known(struct fleet *fleet, void *context) {
    (void)context;
    return fleet_number(fleet, 1, "SELECT count(*) FROM _weft_member") == 4;
}

/* Two newcomers have parts of a snapshot each, and nobody who has the whole of it is there. */
static void two_whose_source_never_comes_back_do_not_wait_for_each_other(void **state) {
    struct fleet *fleet = *state;
    int64_t some = 100;
    fleet->log_records = 8;
    fleet->chunk_bytes = 4096;
    two(state);
    write_rows(fleet, 0, 0, 3000);
    level(fleet);
    prunes(fleet, 0, 16);
    prunes(fleet, 1, 16);
    fleet_come(fleet, 2, 0);
    fleet_come(fleet, 3, 0);
    fleet_until(fleet, all_are_known, NULL);
    fleet_leave(fleet, 1, false);
    fleet_until(fleet, both_have_some, &some);
    assert_true(fleet_number(fleet, 2, "SELECT count(*) FROM note") < 1000);
    assert_true(fleet_number(fleet, 3, "SELECT count(*) FROM note") < 1000);
    fleet_leave(fleet, 0, true);
    fleet_meet(fleet, 3, 2);
    fleet_until(fleet, none_is_taking, NULL);
    /* They go on; and who has all of it comes back. */
    fleet_note(fleet, 2, "of a newcomer", "to the other", 1);
    fleet_note(fleet, 3, "of the other", "to a newcomer", 2);
    fleet_until(fleet, both_have_both, NULL);
    fleet_return(fleet, 1);
    fleet_meet(fleet, 2, 1);
    level(fleet);
    assert_int_equal(fleet_number(fleet, 3, "SELECT count(*) FROM note"), 1002);
}

static bool nothing_is_buried(struct fleet *fleet, void *context) {
    (void)context;
    for (unsigned n = 0; n < 3; n++)
        if (fleet_number(fleet, n, "SELECT count(*) FROM _weft_shadow") != 0) return false;
    return true;
}

/* On a line 1 -- 0 -- 2, the ends of which never meet. */
static void deletions_are_forgotten_by_those_who_never_meet(void **state) {
    struct fleet *fleet = *state;
    fleet->log_records = 8;
    two(state);
    fleet_join(fleet, 2, 0);
    fleet_meet(fleet, 2, 0);
    write_rows(fleet, 0, 0, 600);
    level(fleet);
    delete_notes(fleet, 0, 0, 600);
    write_rows(fleet, 0, 600, 1800);
    level(fleet);
    fleet_until(fleet, nothing_is_buried, NULL);
}

/* ---- members that are away ------------------------------------------------------------------- */

static bool one_is_away(struct fleet *fleet, void *context) {
    (void)context;
    return fleet_number(fleet, 0, AWAY) == 1 && fleet_number(fleet, 1, AWAY) == 1;
}

static bool nobody_is_away(struct fleet *fleet, void *context) {
    (void)context;
    for (unsigned n = 0; n < 3; n++)
        if (fleet_number(fleet, n, AWAY) != 0) return false;
    return true;
}

/* Three are level; the third goes, after which it writes and the others delete. */
static void part(struct fleet *fleet) {
    fleet_join(fleet, 2, 0);
    fleet_meet(fleet, 2, 0);
    fleet_meet(fleet, 2, 1);
    write_rows(fleet, 0, 0, 600);
    level(fleet);
    for (unsigned n = 0; n < 2; n++)
        fleet_leave(fleet, n, false);
    fleet_turn(fleet);
    /* Without the others: a row of its own, an edit, and an edit of a row that will be deleted. */
    fleet_note(fleet, 2, "own", "written while away", 1);
    fleet_note(fleet, 2, "row 000003", "edited while away", 2);
    fleet_note(fleet, 2, "row 000030", "to be deleted", 3);
    fleet_pass(fleet, 100);
    fleet_leave(fleet, 2, false);
    fleet_return(fleet, 0);
    fleet_return(fleet, 1);
    fleet_meet(fleet, 1, 0);
    delete_notes(fleet, 0, 0, 600);
    write_rows(fleet, 1, 600, 1800);
    level(fleet);
}

/* The third returns: nothing that was deleted comes back, and nothing it wrote is lost. */
static void come_back(struct fleet *fleet) {
    fleet_return(fleet, 2);
    fleet_meet(fleet, 2, 0);
    fleet_meet(fleet, 2, 1);
    fleet_until(fleet, nobody_is_away, NULL);
    level(fleet);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(fleet_number(fleet, n,
                                      "SELECT count(*) FROM note WHERE number % 30 = 0 "
                                      "AND number < 600 AND id LIKE 'row%'"),
                         0);
        assert_int_equal(fleet_number(fleet, n,
                                      "SELECT count(*) FROM note WHERE id = "
                                      "'row 000030'"),
                         0);
        assert_int_equal(fleet_number(fleet, n,
                                      "SELECT count(*) FROM note WHERE title LIKE "
                                      "'%while away'"),
                         2);
    }
}

/* While the third is gone again, the others forget nothing that it has not. */
static void assert_waited_for(struct fleet *fleet) {
    fleet_pass(fleet, 10000);
    fleet_leave(fleet, 2, false);
    const int64_t before = fleet_number(fleet, 0, FORGETTABLE);
    for (int i = 0; i < 60; i++)
        fleet_note(fleet, 0, "once more", "and again", i);
    fleet_pass(fleet, 20000);
    assert_true(fleet_number(fleet, 0, FORGETTABLE) >= 60);
    assert_true(fleet_number(fleet, 0, FORGETTABLE) <= before + 60);
    fleet_return(fleet, 2);
    fleet_meet(fleet, 2, 0);
    prunes(fleet, 0, 16);
}

static void who_was_away_loses_nothing_and_brings_nothing_back(void **state) {
    struct fleet *fleet = *state;
    fleet->log_records = 8;
    fleet->patience_ms = 120000;
    two(state);
    part(fleet);
    fleet_pass(fleet, fleet->patience_ms / 2);
    assert_true(fleet_number(fleet, 0, FORGETTABLE) > 16);
    fleet_pass(fleet, fleet->patience_ms);
    /* Silent is who was not heard of when others were. */
    fleet_note(fleet, 0, "a sign of life", "of those who are there", 1);
    fleet_until(fleet, one_is_away, NULL);
    prunes(fleet, 0, 16);
    prunes(fleet, 1, 16);
    come_back(fleet);
    assert_waited_for(fleet);
}

static void a_month_of_silence_is_waited_for_and_no_longer(void **state) {
    struct fleet *fleet = *state;
    fleet->log_records = 8;
    two(state);
    part(fleet);
    for (int day = 0; day < 32 && !one_is_away(fleet, NULL); day++) {
        if (day == 29) assert_true(fleet_number(fleet, 0, FORGETTABLE) > 16);
        if (day == 29) assert_int_equal(fleet_number(fleet, 0, AWAY), 0);
        fleet->now.mono_us += DAY_MS * 1000;
        fleet->now.wall_ms += DAY_MS;
        fleet_pass(fleet, 90000);
    }
    assert_true(one_is_away(fleet, NULL));
    prunes(fleet, 0, 16);
    prunes(fleet, 1, 16);
    come_back(fleet);
    assert_waited_for(fleet);
}

int main(void) {
#define HORIZON_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        HORIZON_TEST(a_newcomer_to_a_pruned_library_has_what_the_others_have),
        HORIZON_TEST(a_snapshot_that_is_cut_goes_on_where_it_stood),
        HORIZON_TEST(a_source_that_never_comes_back_gives_way_to_another),
        HORIZON_TEST(two_whose_source_never_comes_back_do_not_wait_for_each_other),
        HORIZON_TEST(deletions_are_forgotten_by_those_who_never_meet),
        HORIZON_TEST(who_was_away_loses_nothing_and_brings_nothing_back),
        HORIZON_TEST(a_month_of_silence_is_waited_for_and_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
