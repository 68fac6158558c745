/* How large the shared log is, and the file: neither grows with history while members are there.
 * Real engines, by a clock of the test's own (tests/lib/fleet.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/fleet.h"

#define LOG "SELECT count(*) FROM shared_changes"
#define SHORT 320 /* records: a quarter more than stay, at most */

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

static bool log_is_short(struct fleet *fleet, void *context) {
    const unsigned *n = context;
    return fleet_number(fleet, *n, "SELECT count(*) FROM shared_changes WHERE keep = 0") <= SHORT;
}

static void prunes(struct fleet *fleet, unsigned n) {
    fleet_until(fleet, log_is_short, &n);
}

/* 20,000 transactions, 1,000 of them in a second of the fleet's time; a survey comes every five
 * seconds. */
static void the_log_of_members_that_are_there_stays_short(void **state) {
    struct fleet *fleet = *state;
    int64_t most = 0;
    fleet->steps_ms = 100;
    char id[32];
    fleet_found(fleet, 0);
    for (unsigned n = 1; n < 3; n++)
        fleet_join(fleet, n, 0);
    fleet_meet(fleet, 1, 0);
    fleet_meet(fleet, 2, 0);
    fleet_meet(fleet, 2, 1);
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "note %d", i % 500);
        fleet_note(fleet, (unsigned)i % 3, id, "text", i);
        if (i % 2000 != 1999) continue;
        fleet_pass(fleet, 2000);
        const int64_t now = fleet_number(fleet, 0, LOG);
        if (now > most) most = now;
    }
    fleet_until(fleet, fleet_level, NULL);
    print_message("most %lld records in the log\n", (long long)most);
    assert_true(most < 6000);
    for (unsigned n = 0; n < 3; n++)
        prunes(fleet, n);
    for (unsigned n = 0; n < 3; n++)
        assert_true(fleet_number(fleet, n, LOG) < 1000);
}

/* Pages in use of a library of 500 rows that were each written so often. */
static int64_t pages_after(struct fleet *fleet, int times) {
    char id[32];
    fleet->steps_ms = 100;
    fleet_found(fleet, 0);
    fleet_join(fleet, 1, 0);
    fleet_meet(fleet, 1, 0);
    for (int i = 0; i < times; i++) {
        for (int row = 0; row < 500; row++) {
            if (row % 10 == 0) fleet_begin(fleet, 0);
            snprintf(id, sizeof id, "note %d", row);
            fleet_put_note(fleet, 0, id, "a title of no great length", i);
            if (row % 10 == 9) fleet_commit(fleet, 0);
        }
        fleet_until(fleet, fleet_level, NULL);
    }
    fleet_pass(fleet, 12000);
    prunes(fleet, 0);
    prunes(fleet, 1);
    fleet_pass(fleet, 12000);
    return fleet_number(fleet, 0,
                        "SELECT (SELECT page_count FROM pragma_page_count) - "
                        "(SELECT freelist_count FROM pragma_freelist_count)");
}

static void the_file_does_not_grow_with_history(void **state) {
    struct fleet *fleet = *state, *other = calloc(1, sizeof *other);
    assert_non_null(other);
    fleet_open(other);
    const int64_t some = pages_after(fleet, 10), many = pages_after(other, 100);
    fleet_close(other);
    free(other);
    print_message("%lld pages, and %lld after ten times as many writes\n", (long long)some,
                  (long long)many);
    assert_true(many * 5 < some * 6);
}

int main(void) {
#define SIZE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SIZE_TEST(the_log_of_members_that_are_there_stays_short),
        SIZE_TEST(the_file_does_not_grow_with_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
