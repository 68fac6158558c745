/* The gauges of the soak tell what grows from what only moves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/chaos/gauges.h"
#include "tests/lib/scratch.h"
#include "tests/sim/rng.h"

enum { SAMPLES = 120 };

/* Ten minutes of a process whose heap moves by a few hundred KiB, and grows by `growth` KiB a
 * minute. */
static void draw(struct gauges *gauges, double growth) {
    struct rng rng;
    rng_seed(&rng, 1, 0);
    gauges->samples = calloc(SAMPLES, sizeof *gauges->samples);
    assert_non_null(gauges->samples);
    gauges->count = gauges->room = SAMPLES;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        struct gauge_sample *sample = &gauges->samples[i];
        sample->at_ms = 5000 * (int64_t)i;
        sample->value[GAUGE_HEAP] = 3000 + (double)rng_below(&rng, 300) + growth * (double)i / 12;
        sample->value[GAUGE_RESIDENT] = 30000 + (double)rng_below(&rng, 300);
        /* It is odd now and then. */
        if (rng_chance(&rng, 50)) sample->value[GAUGE_HEAP] += 2000;
        sample->value[GAUGE_DESCRIPTORS] = 24 - (double)rng_below(&rng, 2);
        sample->value[GAUGE_THREADS] = 3;
        sample->value[GAUGE_POOLS] = 10000 + 10 * i;
        sample->value[GAUGE_SQLITE] = 4000;
        sample->value[GAUGE_WAL] = 33000;
        sample->value[GAUGE_DATABASE] = 1000 + (double)rng_below(&rng, 100);
    }
}

static void assert_says(struct gauges *gauges, const char *what) {
    char say[256] = "";
    const bool flat = gauges_flat(gauges, say, sizeof say);
    gauges_free(gauges);
    if (what == NULL && !flat) fail_msg("%s", say);
    if (what == NULL) return;
    assert_false(flat);
    if (strstr(say, what) == NULL) fail_msg("\"%s\" does not say %s", say, what);
}

static void what_only_moves_is_flat(void **state) {
    (void)state;
    struct gauges gauges;
    draw(&gauges, 0);
    assert_true(gauges_slope(&gauges, GAUGE_HEAP) < 20);
    assert_true(gauges_slope(&gauges, GAUGE_HEAP) > -20);
    assert_says(&gauges, NULL);
}

static void a_slow_leak_is_seen(void **state) {
    (void)state;
    struct gauges gauges;
    draw(&gauges, 1.5 * GAUGES_SLOPE_KIB);
    assert_in_range((uint64_t)gauges_slope(&gauges, GAUGE_HEAP), GAUGES_SLOPE_KIB,
                    2 * GAUGES_SLOPE_KIB);
    assert_says(&gauges, "heap: +");
}

static void growth_in_the_warm_up_is_none(void **state) {
    (void)state;
    struct gauges gauges;
    draw(&gauges, 0);
    for (uint32_t i = 0; i < SAMPLES / 4; i++)
        gauges.samples[i].value[GAUGE_HEAP] -= 500.0 * (SAMPLES / 4 - i);
    assert_says(&gauges, NULL);
}

static void memory_and_files_have_their_bounds(void **state) {
    (void)state;
    static const struct {
        enum gauge gauge;
        double value;
        const char *says;
    } cases[] = {
        {GAUGE_RESIDENT, 60000, "resident grew"}, {GAUGE_WAL, 100000, "write-ahead log"},
        {GAUGE_POOLS, 100000, "pools"},           {GAUGE_SQLITE, 10000, "SQLite"},
        {GAUGE_DATABASE, 9000, "database"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gauges gauges;
        draw(&gauges, 0);
        gauges.samples[SAMPLES - 2].value[cases[i].gauge] = cases[i].value;
        assert_says(&gauges, cases[i].says);
    }
}

static void a_descriptor_or_a_thread_too_many_each_few_minutes_is_seen(void **state) {
    (void)state;
    for (int gauge = GAUGE_DESCRIPTORS; gauge <= GAUGE_THREADS; gauge++) {
        struct gauges gauges;
        draw(&gauges, 0);
        for (uint32_t i = 0; i < SAMPLES; i++)
            gauges.samples[i].value[gauge] += i / 24;
        assert_says(&gauges, gauge_names[gauge]);
    }
}

static void a_few_samples_say_nothing(void **state) {
    (void)state;
    struct gauges gauges;
    draw(&gauges, 0);
    gauges.count = GAUGES_SAMPLES_MIN - 1;
    assert_says(&gauges, "too few");
}

static void this_process_can_be_measured(void **state) {
    (void)state;
    struct gauges gauges = {0};
    const struct ledger_memory memory = {.heap = 90 << 10, .pools = 20 << 10, .sqlite = 30 << 10};
    char folder[SCRATCH_PATH], path[SCRATCH_PATH + 16];
    scratch_make(folder);
    snprintf(path, sizeof path, "%s/a.db", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 4096; i++)
        fputc('x', file);
    fclose(file);
    assert_true(gauges_take(&gauges, 1, getpid(), path, &memory));
    assert_int_equal(gauges_last(&gauges, GAUGE_DATABASE), 4);
    assert_int_equal(gauges_last(&gauges, GAUGE_WAL), 0);
    assert_int_equal(gauges_last(&gauges, GAUGE_THREADS), 1);
    assert_true(gauges_last(&gauges, GAUGE_RESIDENT) > 100);
    assert_int_equal(gauges_last(&gauges, GAUGE_HEAP), 40);
    assert_int_equal(gauges_last(&gauges, GAUGE_POOLS), 20);
    assert_int_equal(gauges_last(&gauges, GAUGE_SQLITE), 30);
    const double before = gauges_last(&gauges, GAUGE_DESCRIPTORS);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_true(gauges_take(&gauges, 2, getpid(), path, &memory));
    assert_int_equal(gauges_last(&gauges, GAUGE_DESCRIPTORS), before + 1);
    fclose(file);
    gauges_free(&gauges);
    scratch_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_moves_is_flat),
        cmocka_unit_test(a_slow_leak_is_seen),
        cmocka_unit_test(growth_in_the_warm_up_is_none),
        cmocka_unit_test(memory_and_files_have_their_bounds),
        cmocka_unit_test(a_descriptor_or_a_thread_too_many_each_few_minutes_is_seen),
        cmocka_unit_test(a_few_samples_say_nothing),
        cmocka_unit_test(this_process_can_be_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
