/* The log actor begins while memory runs out, at each allocation and each call of SQLite in turn:
 * it says so, nothing of it is left, and it begins afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/lib/scarce.h"
#include "tests/lib/solo_log.h"

static void begins_or_says_why(struct solo_log *log, enum scarce_kind kind) {
    struct actor *actor = &log->solo.topology->actors[ACTOR_LOG];
    unsigned failures = 0;
    actor_stop(actor);
    for (uint64_t call = 1;; call = scarce_struck() + 1) {
        struct weft_error why = {0};
        scarce_begin(kind, call);
        const enum weft_status status = actor_start(actor, &why);
        if (!scarce_end()) {
            assert_int_equal(status, WEFT_OK);
            break;
        }
        if (status == WEFT_OK) {
            actor_stop(actor);
            continue;
        }
        failures++;
        if (status != WEFT_NO_MEMORY || strstr(why.text, "memory") == NULL)
            fail_msg("call %llu: %s, \"%s\"", (unsigned long long)scarce_struck(),
                     weft_status_name(status), why.text);
    }
    assert_true(failures > 5);
    const uint64_t ticket = solo_log_put(log, 1, "/a");
    solo_turn(&log->solo);
    solo_log_answers(log, ticket, WEFT_OK);
}

static void without_memory_it_does_not_begin(void **state) {
    begins_or_says_why(*state, SCARCE_HEAP);
}

static void without_memory_for_sqlite_it_does_not_begin(void **state) {
    begins_or_says_why(*state, SCARCE_SQLITE);
}

int main(void) {
#define SCARCE_TEST(f) cmocka_unit_test_setup_teardown(f, solo_log_setup, solo_log_teardown)
    const struct CMUnitTest tests[] = {
        SCARCE_TEST(without_memory_it_does_not_begin),
        SCARCE_TEST(without_memory_for_sqlite_it_does_not_begin),
    };
    return cmocka_run_group_tests_name("a log without memory", tests, NULL, NULL);
}
