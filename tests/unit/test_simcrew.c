/* The simulator's driver: processes that run many worlds, and what is counted of them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/crew.h"

/* What "worlds" do here: nothing, but for the seeds that are named. */
struct story {
    uint64_t fails, aborts, exits; /* 0: none */
};

static void tell(const void *context, uint64_t seed, struct outcome *out) {
    const struct story *story = context;
    memset(out, 0, sizeof *out);
    out->virtual_us = 1000000;
    out->turns = seed;
    out->faults[FAULT_CUT] = 2;
    out->points[POINT_RECORD] = seed % 2;
    if (seed == story->aborts) (void)raise(SIGKILL);
    if (seed == story->exits) _exit(3);
    out->failed = seed == story->fails;
    if (out->failed) snprintf(out->failure, sizeof out->failure, "[story fails] as it was told");
}

static struct tally *run(struct story story, struct crew crew) {
    struct tally *tally = tally_open();
    crew.run = tell;
    crew.context = &story;
    crew.display.options = "";
    crew_run(&crew, tally);
    return tally;
}

static void every_seed_runs_once_whatever_the_number_of_processes(void **state) {
    (void)state;
    for (uint32_t jobs = 1; jobs <= 5; jobs += 2) {
        struct tally *tally =
            run((struct story){0}, (struct crew){.seed = 10, .seeds = 40, .jobs = jobs});
        assert_int_equal(tally->done, 40);
        assert_int_equal(tally->failed, 0);
        assert_int_equal(tally->turns, (10 + 49) * 20);
        assert_int_equal(tally->fault[FAULT_CUT], 80);
        assert_int_equal(tally->fault_seeds[FAULT_CUT], 40);
        assert_int_equal(tally->point_seeds[POINT_RECORD], 20);
        assert_int_equal(tally_kinds(tally->fault, FAULT_COUNT), 1);
        assert_int_equal(tally_faults(tally), 80);
        tally_close(tally);
    }
}

static void a_failed_world_is_kept_with_its_checker_and_the_others_go_on(void **state) {
    (void)state;
    struct tally *tally =
        run((struct story){.fails = 3}, (struct crew){.seed = 1, .seeds = 20, .jobs = 2});
    assert_int_equal(tally->done, 20);
    assert_int_equal(tally->failed, 1);
    assert_true(tally->failure[0].ready);
    assert_int_equal(tally->failure[0].seed, 3);
    assert_non_null(strstr(tally->failure[0].text, "[story fails] as it was told"));
    tally_close(tally);
}

static void a_world_that_ends_its_process_is_a_failed_seed(void **state) {
    (void)state;
    struct tally *tally = run((struct story){.aborts = 5, .exits = 7},
                              (struct crew){.seed = 1, .seeds = 20, .jobs = 1});
    assert_int_equal(tally->done, 20);
    assert_int_equal(tally->failed, 2);
    assert_int_equal(tally->failure[0].seed, 5);
    assert_non_null(strstr(tally->failure[0].text, "[process signal-9]"));
    assert_int_equal(tally->failure[1].seed, 7);
    assert_non_null(strstr(tally->failure[1].text, "[process code-3]"));
    tally_close(tally);
}

static void the_first_failure_ends_it_all_if_so_wanted(void **state) {
    (void)state;
    struct tally *tally =
        run((struct story){.fails = 3},
            (struct crew){.seed = 1, .seeds = UINT64_MAX, .jobs = 1, .first = true});
    assert_int_equal(tally->done, 3);
    assert_int_equal(tally->failed, 1);
    tally_close(tally);
}

static void seeds_go_on_until_the_time_is_up(void **state) {
    (void)state;
    struct tally *tally =
        run((struct story){0},
            (struct crew){.seed = 1, .seeds = UINT64_MAX, .seconds = 0.3, .jobs = 2});
    assert_true(tally->done > 10);
    assert_true(tally->over);
    assert_int_equal(tally->failed, 0);
    tally_close(tally);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_runs_once_whatever_the_number_of_processes),
        cmocka_unit_test(a_failed_world_is_kept_with_its_checker_and_the_others_go_on),
        cmocka_unit_test(a_world_that_ends_its_process_is_a_failed_seed),
        cmocka_unit_test(the_first_failure_ends_it_all_if_so_wanted),
        cmocka_unit_test(seeds_go_on_until_the_time_is_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
