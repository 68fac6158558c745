/* Shrinking a plan that fails, against failures that are known: what is left is what they need, and
 * nothing else. And the knobs by which it is said. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/knob.h"
#include "tests/sim/shrink.h"

/* A seed's plan with as much going on as there may be. */
static struct plan busy_plan(void) {
    struct plan plan;
    plan_draw(&plan, 1, 40, 5);
    plan.calm = false;
    for (int f = 0; f < FAULT_FIRST_LIE; f++)
        plan.fault_mean_us[f] = 3000000;
    plan.guest = plan.victim = plan.liar = NET_DEVICES;
    plan.mixed = plan.rules.unique = plan.rules.checked = plan.far_clocks = true;
    plan.ambush = plan.log_records = plan.shared = 100;
    knobs_mend(&plan);
    return plan;
}

struct story {
    bool (*fails)(const struct plan *plan);
    uint32_t runs;
};

static bool tell(void *context, const struct plan *plan, uint64_t *virtual_us) {
    struct story *story = context;
    story->runs++;
    *virtual_us = 0;
    return story->fails(plan);
}

static bool shrinks(bool (*fails)(const struct plan *plan), struct plan *plan) {
    struct story story = {.fails = fails};
    struct shrink shrink = {.fails = tell, .context = &story, .chances = 2};
    bool shrunk = shrink_plan(&shrink, plan);
    assert_int_equal(shrink.runs, story.runs);
    return shrunk;
}

static int64_t get(const struct plan *plan, const char *name) {
    struct knob knob;
    assert_true(knob_find(name, &knob));
    return knob_get(plan, &knob, 0);
}

/* All choices are plain, but for these. */
static void only_these_are_left(const struct plan *plan, const char *const *names, size_t count) {
    for (uint32_t i = 0; i < knob_count(); i++) {
        const struct knob knob = knob_at(i);
        bool expected = false;
        for (size_t n = 0; n < count; n++)
            expected = expected || strcmp(knob.name, names[n]) == 0;
        if (knob.choice && knob_is(plan, &knob, knob.plain) == expected)
            fail_msg("%s is %s", knob.name, expected ? "gone" : "left");
    }
}

static bool fails_never(const struct plan *plan) {
    (void)plan;
    return false;
}

static bool fails_always(const struct plan *plan) {
    (void)plan;
    return true;
}

static bool wants_crash_and_cut(const struct plan *plan) {
    return plan->fault_mean_us[FAULT_CRASH] && plan->fault_mean_us[FAULT_CUT] &&
           plan->device_count >= 3;
}

static bool wants_time_and_one_writer(const struct plan *plan) {
    return plan->run_us >= 4200000 && plan->step_mean_us[1] < 10000000 && plan->shared > 0 &&
           plan->batch_rows == 0;
}

/* Only with one chance in three, whatever else there is. */
static bool wants_luck(const struct plan *plan) {
    return plan->fault_mean_us[FAULT_KILL] && (plan->seed == 1 || plan->seed == 2) &&
           (plan->seed == 2 || plan->ops_max > 1 || plan->fault_mean_us[FAULT_CUT]);
}

static void a_plan_that_does_not_fail_is_left_as_it_is(void **state) {
    (void)state;
    struct plan plan = busy_plan(), before = plan;
    assert_false(shrinks(fails_never, &plan));
    assert_memory_equal(&plan, &before, sizeof plan);
}

static void what_fails_always_ends_with_two_devices_and_nothing_else(void **state) {
    (void)state;
    struct plan plan = busy_plan();
    assert_true(shrinks(fails_always, &plan));
    only_these_are_left(&plan, NULL, 0);
    assert_int_equal(plan.device_count, 2);
    assert_true(plan.run_us <= 1000000);
}

static void the_faults_and_devices_that_it_needs_are_left(void **state) {
    (void)state;
    struct plan plan = busy_plan();
    assert_true(shrinks(wants_crash_and_cut, &plan));
    only_these_are_left(&plan, (const char *const[]){"crash", "cut"}, 2);
    assert_int_equal(plan.device_count, 3);
    assert_true(wants_crash_and_cut(&plan));
}

static void time_and_writers_are_cut_down_to_what_it_needs(void **state) {
    (void)state;
    struct plan plan = busy_plan();
    plan.batch_rows = 0;
    assert_true(shrinks(wants_time_and_one_writer, &plan));
    only_these_are_left(&plan, (const char *const[]){"shared"}, 1);
    assert_int_equal(plan.device_count, 2);
    assert_in_range(plan.run_us, 4200000, 4400000);
    assert_true(plan.step_mean_us[0] > plan.run_us * 1000);
    assert_true(plan.step_mean_us[1] < 10000000);
}

static void another_chance_is_tried_where_the_first_does_not_fail(void **state) {
    (void)state;
    struct plan plan = busy_plan();
    plan.ops_max = 2;
    assert_true(shrinks(wants_luck, &plan));
    only_these_are_left(&plan, (const char *const[]){"kill"}, 1);
    assert_int_equal(plan.seed, 2);
}

static void a_smaller_company_has_no_guest_that_is_not_there(void **state) {
    (void)state;
    struct plan plan = busy_plan();
    struct knob devices;
    assert_true(knob_find("devices", &devices));
    plan.guest = 4;
    plan.fault_mean_us[FAULT_JOIN] = 1000000;
    knob_set(&plan, &devices, KNOB_ALL, 3);
    knobs_mend(&plan);
    assert_int_equal(plan.guest, NET_DEVICES);
    assert_int_equal(plan.fault_mean_us[FAULT_JOIN], 0);
    assert_int_equal(plan.peers_max, 6);
}

/* Reads " --set a=b --set c=d" as the command line would. */
static void read_changes(struct plan *plan, char *text) {
    char why[KNOB_TEXT * 2], *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (strcmp(word, "--set") != 0 && !knobs_read(plan, word, why)) fail_msg("%s", why);
    knobs_mend(plan);
}

static void changes_as_printed_make_the_same_plan(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct plan drawn, plan, again;
        char *text = NULL;
        size_t size = 0;
        plan_draw(&drawn, seed, 0, 5);
        plan = again = drawn;
        assert_true(shrinks(seed % 2 ? wants_crash_and_cut : fails_always, &plan) ||
                    !wants_crash_and_cut(&drawn));
        plan.seed = 7;
        plan.step_mean_us[1] = 5000;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        knobs_print_changes(&drawn, &plan, out);
        fclose(out);
        read_changes(&again, text);
        for (uint32_t i = 0; i < knob_count(); i++) {
            const struct knob knob = knob_at(i);
            for (uint32_t at = 0; at < knob.count && knob.count <= NET_DEVICES; at++)
                if (at < plan.device_count)
                    assert_int_equal(knob_get(&plan, &knob, at), knob_get(&again, &knob, at));
        }
        free(text);
    }
}

static void a_knob_that_is_not_there_or_cannot_be_so_is_refused(void **state) {
    (void)state;
    struct plan plan = busy_plan(), before = plan;
    char why[KNOB_TEXT * 2];
    const char *const wrong[] = {"",          "crash",     "crash=",    "crash=x",     "crush=1",
                                 "crash=-1",  "devices=1", "devices=6", "step_ms.9=1", "step_ms.=1",
                                 "crash.1=1", "crash=1 2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (knobs_read(&plan, wrong[i], why)) fail_msg("\"%s\" was taken", wrong[i]);
    assert_memory_equal(&plan, &before, sizeof plan);
    assert_true(knobs_read(&plan, "offset_ms.2=-5000", why));
    assert_int_equal(plan.wall_offset_ms[2], -5000);
    assert_true(knobs_read(&plan, "run_ms=4200", why));
    assert_int_equal(get(&plan, "run_ms"), 4200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_that_does_not_fail_is_left_as_it_is),
        cmocka_unit_test(what_fails_always_ends_with_two_devices_and_nothing_else),
        cmocka_unit_test(the_faults_and_devices_that_it_needs_are_left),
        cmocka_unit_test(time_and_writers_are_cut_down_to_what_it_needs),
        cmocka_unit_test(another_chance_is_tried_where_the_first_does_not_fail),
        cmocka_unit_test(a_smaller_company_has_no_guest_that_is_not_there),
        cmocka_unit_test(changes_as_printed_make_the_same_plan),
        cmocka_unit_test(a_knob_that_is_not_there_or_cannot_be_so_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
