/* Memory runs out at every call of SQLite, and at every allocation of weft's, in everything that an
 * engine does with its store: the caller is told, nothing half-done is to be seen, and the same
 * done again has the same outcome as if nothing had been wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/hold.h"
#include "tests/lib/scarce.h"

/* What is tried: an act, or, without one, opening the file with a schema. */
struct trial {
    struct hold *hold;
    const struct hold_act *act;
    const char *schema;
    bool empty; /* the file is not there yet */
    uint64_t before, after;
    unsigned failures, complaints;
};

#define complain(trial, ...) ((trial)->complaints++, print_error(__VA_ARGS__))

static int setup(void **state) {
    *state = hold_new("scarce");
    return 0;
}

static int teardown(void **state) {
    hold_free(*state);
    return 0;
}

static void good(struct trial *trial, enum weft_status status) {
    if (status != WEFT_OK)
        fail_msg("%s: %s: %s", trial->act ? trial->act->name : "opening", weft_status_name(status),
                 trial->hold->library.why.text);
}

/* The act, once: all before it goes well. */
static enum weft_status run(struct trial *trial, enum scarce_kind kind, uint64_t call,
                            bool *struck) {
    struct hold *hold = trial->hold;
    if (trial->act != NULL) {
        good(trial, hold_open(hold, trial->schema));
        if (trial->act->prepare != NULL) trial->act->prepare(hold);
    }
    memset(&hold->library.why, 0, sizeof hold->library.why);
    if (call > 0) scarce_begin(kind, call);
    const enum weft_status status =
        trial->act != NULL ? trial->act->act(hold) : hold_open(hold, trial->schema);
    if (call > 0) *struck = scarce_end();
    if (trial->act != NULL || status == WEFT_OK) hold_close(hold);
    return status;
}

static struct disk *empty_disk(void) {
    return disk_open("empty", 1, (struct time_port){.now = hold_now});
}

static void back(struct trial *trial) {
    if (trial->empty) {
        disk_close(trial->hold->disk);
        trial->hold->disk = empty_disk();
        return;
    }
    disk_restore(trial->hold->disk);
    disk_back_up(trial->hold->disk);
}

/* One call fails. False: there are not so many. */
static bool strike(struct trial *trial, enum scarce_kind kind, uint64_t call) {
    bool struck = false;
    back(trial);
    const enum weft_status status = run(trial, kind, call, &struck);
    const struct weft_error why = trial->hold->library.why;
    const uint64_t held = hold_dump(trial->hold);
    if (!struck || status == WEFT_OK) {
        good(trial, status);
        if (held != trial->after)
            complain(trial, "%s, call %llu: well, but not done\n",
                     trial->act ? trial->act->name : "open", (unsigned long long)scarce_struck());
        return struck;
    }
    trial->failures++;
    if (status != WEFT_NO_MEMORY ||
        (strstr(why.text, "memory") == NULL && strstr(why.text, "room") == NULL))
        complain(trial, "%s, call %llu: %s, \"%s\"\n", trial->act ? trial->act->name : "opening",
                 (unsigned long long)scarce_struck(), weft_status_name(status), why.text);
    if (trial->act != NULL) {
        /* Reading leaves the file as it was, and so does what was rolled back. */
        if (held != trial->before && held != trial->after)
            complain(trial, "%s, call %llu: half of it was done\n", trial->act->name,
                     (unsigned long long)scarce_struck());
        if (held == trial->after && held != trial->before)
            complain(trial, "%s, call %llu: it was done, and said to have failed\n",
                     trial->act->name, (unsigned long long)scarce_struck());
    }
    if (trial->failures % 4 != 1) return true; /* Opening takes longest. */
    good(trial, run(trial, kind, 0, NULL));
    const uint64_t again = hold_dump(trial->hold);
    if (again != trial->after)
        complain(trial, "%s, call %llu: done again it is another\n",
                 trial->act ? trial->act->name : "open", (unsigned long long)scarce_struck());
    return true;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRIDE 4u /* with sanitizers a part of the calls: each takes longer */
#endif
#endif
#ifndef STRIDE
#define STRIDE 1u
#endif

/* Every `step`th call. */
static void sweep(struct trial *trial, enum scarce_kind kind, uint64_t step) {
    trial->failures = 0;
    back(trial);
    good(trial, run(trial, kind, 0, NULL));
    trial->after = hold_dump(trial->hold);
    for (uint64_t call = 1; strike(trial, kind, call);)
        call = scarce_struck() + step * STRIDE;
    assert_int_equal(trial->complaints, 0);
    if (kind == SCARCE_SQLITE) assert_true(trial->failures > 0);
}

static void sweep_act(struct hold *hold, const struct hold_act *act, enum scarce_kind kind) {
    struct trial trial = {.hold = hold, .act = act, .schema = hold_schema};
    disk_back_up(hold->disk);
    trial.before = hold_dump(hold);
    sweep(&trial, kind, 1);
}

static void sweep_acts(struct hold *hold, enum scarce_kind kind, unsigned part, unsigned parts) {
    for (unsigned a = part; a < hold_act_count; a += parts)
        sweep_act(hold, &hold_acts[a], kind);
}

static void a_call_of_sqlite_that_fails_fails_the_act_1(void **state) {
    sweep_acts(*state, SCARCE_SQLITE, 0, 3);
}

static void a_call_of_sqlite_that_fails_fails_the_act_2(void **state) {
    sweep_acts(*state, SCARCE_SQLITE, 1, 3);
}

static void a_call_of_sqlite_that_fails_fails_the_act_3(void **state) {
    sweep_acts(*state, SCARCE_SQLITE, 2, 3);
}

static void an_allocation_that_fails_fails_the_act(void **state) {
    sweep_acts(*state, SCARCE_HEAP, 0, 1);
}

static void a_block_of_an_arena_that_fails_fails_the_act(void **state) {
    sweep_acts(*state, SCARCE_ARENA, 0, 1);
}

static void opening_fails_and_is_done_again(void **state) {
    struct trial trial = {.hold = *state, .schema = hold_schema};
    disk_back_up(trial.hold->disk);
    sweep(&trial, SCARCE_SQLITE, 2);
    sweep(&trial, SCARCE_HEAP, 1);
    sweep(&trial, SCARCE_ARENA, 1);
}

static void a_newer_version_takes_the_file_or_fails(void **state) {
    struct trial trial = {.hold = *state, .schema = hold_schema_newer};
    disk_back_up(trial.hold->disk);
    sweep(&trial, SCARCE_SQLITE, 3);
    sweep(&trial, SCARCE_HEAP, 1);
    sweep(&trial, SCARCE_ARENA, 1);
}

static void founding_fails_and_is_done_again(void **state) {
    struct hold *hold = *state;
    struct trial trial = {.hold = hold, .schema = hold_schema, .empty = true};
    struct disk *full = hold->disk;
    hold->disk = empty_disk();
    sweep(&trial, SCARCE_SQLITE, 3);
    sweep(&trial, SCARCE_HEAP, 1);
    sweep(&trial, SCARCE_ARENA, 1);
    disk_close(hold->disk);
    hold->disk = full;
}

int main(void) {
#define SCARCE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCARCE_TEST(a_call_of_sqlite_that_fails_fails_the_act_1),
        SCARCE_TEST(a_call_of_sqlite_that_fails_fails_the_act_2),
        SCARCE_TEST(a_call_of_sqlite_that_fails_fails_the_act_3),
        SCARCE_TEST(an_allocation_that_fails_fails_the_act),
        SCARCE_TEST(a_block_of_an_arena_that_fails_fails_the_act),
        SCARCE_TEST(opening_fails_and_is_done_again),
        SCARCE_TEST(a_newer_version_takes_the_file_or_fails),
        SCARCE_TEST(founding_fails_and_is_done_again),
    };
    return cmocka_run_group_tests_name("a store without memory", tests, NULL, NULL);
}
