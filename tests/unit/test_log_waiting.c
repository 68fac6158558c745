/* The log actor alone, and records that wait in the quarantine though their time may have come: no
 * row is shown before this device's clock has passed its stamp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/crdt/hlc.h"
#include "tests/lib/solo_prune.h"
#include "tests/lib/words.h"

#define ROWS "SELECT count(*) FROM _weft_shadow"
#define WAITING "SELECT count(*) FROM _weft_quarantine"

static int64_t count(struct solo_prune *stage, const char *sql) {
    return solo_log_count(stage->log, sql);
}

/* A record with this stamp comes when the clock has given out `passed`. */
static void comes(struct solo_prune *stage, uint64_t hlc, uint64_t passed) {
    struct record_ops ops;
    record_ops_begin(&ops, &stage->arena);
    record_ops_change(&ops, words_body(&stage->arena, "strange =x a=#1"));
    stage->stamp = hlc - 1;
    const struct bytes record = solo_prune_sign(stage, &stage->them, &ops);
    stage->stamp = passed - 1;
    assert_int_equal(solo_prune_deliver(stage, record), WEFT_OK);
}

static void what_the_clock_has_passed_is_shown(void **state) {
    struct solo_prune *stage = *state;
    const uint64_t near = hlc_pack(stage->log->solo.now.wall_ms + LIMIT_CLOCK_AHEAD_MS / 2, 0);
    comes(stage, near, near + 1);
    assert_int_equal(count(stage, ROWS), 1);
    assert_int_equal(count(stage, WAITING), 0);
}

/* It lay too far ahead where the clock was to learn of it, and the wall clock was set since. */
static void what_the_clock_has_not_passed_waits_until_it_has(void **state) {
    struct solo_prune *stage = *state;
    struct solo *solo = &stage->log->solo;
    const uint64_t near = hlc_pack(solo->now.wall_ms + LIMIT_CLOCK_AHEAD_MS / 2, 0);
    comes(stage, near, near);
    assert_int_equal(count(stage, ROWS), 0);
    assert_int_equal(count(stage, WAITING), 1);
    solo->now.wall_ms += LIMIT_CLOCK_AHEAD_MS;
    solo->now.mono_us += LIMIT_CLOCK_AHEAD_MS * UINT64_C(1000);
    solo_turn(solo);
    assert_int_equal(count(stage, WAITING), 1);
    comes(stage, near + 1, near + 2);
    solo->now.mono_us += LIMIT_CLOCK_AHEAD_MS * UINT64_C(1000);
    solo_turn(solo);
    assert_int_equal(count(stage, ROWS), 1);
    assert_int_equal(count(stage, WAITING), 0);
}

#define WAITING_TEST(name) \
    cmocka_unit_test_setup_teardown(name, solo_prune_setup, solo_prune_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WAITING_TEST(what_the_clock_has_passed_is_shown),
        WAITING_TEST(what_the_clock_has_not_passed_waits_until_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
