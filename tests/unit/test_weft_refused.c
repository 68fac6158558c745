/* An engine when the system has no more descriptors, threads or keys: opening it fails with
 * WEFT_LIMIT and leaves nothing open, and so does the first hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/weft.h"
#include "tests/lib/refused.h"
#include "tests/lib/scratch.h"

struct house {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 16];
    weft_engine *engine;
    struct weft_config config;
    struct weft_error why;
};

static int setup(void **state) {
    struct house *house = calloc(1, sizeof *house);
    assert_non_null(house);
    scratch_make(house->folder);
    (void)snprintf(house->path, sizeof house->path, "%s/a.weft", house->folder);
    house->config =
        (struct weft_config){.path = house->path,
                             .threads = WEFT_THREADS_EACH,
                             .schema = "CREATE TABLE IF NOT EXISTS note ( -- @owned(owner: o)\n"
                                       " id BLOB PRIMARY KEY, o BLOB NOT NULL)"};
    *state = house;
    return 0;
}

static int teardown(void **state) {
    struct house *house = *state;
    weft_close(house->engine);
    scratch_remove(house->folder);
    free(house);
    return 0;
}

/* The lowest descriptor that is free. */
static int next_descriptor(void) {
    const int next = dup(0);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    return next;
}

/* Opens with the first call refused, the second, ...; how many there are. */
static unsigned refuse_each(struct house *house, const char *call, int error) {
    assert_int_equal(weft_open(&house->config, &house->engine, &house->why), WEFT_OK);
    weft_close(house->engine);
    const int before = next_descriptor();
    for (unsigned after = 0;; after++) {
        refuse(call, error, after, 1);
        const enum weft_status status = weft_open(&house->config, &house->engine, &house->why);
        const bool refused = refuse_end();
        if (!refused && status != WEFT_OK) fail_msg("%s: %s", call, house->why.text);
        weft_close(house->engine);
        house->engine = NULL;
        assert_int_equal(next_descriptor(), before);
        if (!refused) return after;
        if (status != WEFT_LIMIT || house->why.status != status || house->why.text[0] == 0)
            fail_msg("%s, %u: %s: %s", call, after, weft_status_name(status), house->why.text);
    }
}

static void an_engine_without_descriptors_leaves_nothing_open(void **state) {
    struct house *house = *state;
    /* Two of the host's, and one of each actor's thread. */
    assert_in_range(refuse_each(house, "eventfd", EMFILE), 5, 40);
    assert_in_range(refuse_each(house, "epoll_create1", EMFILE), 3, 40);
}

static void an_engine_without_threads_leaves_none_running(void **state) {
    struct house *house = *state;
    assert_in_range(refuse_each(house, "pthread_create", EAGAIN), 3, 40);
    assert_non_null(strstr(house->why.text, "WEFT_THREADS_TWO"));
    assert_int_equal(refuse_each(house, "pthread_key_create", EAGAIN), 1);
}

static void a_thread_that_cannot_have_a_lane_begins_nothing(void **state) {
    struct house *house = *state;
    weft_tx *tx = NULL;
    assert_int_equal(weft_open(&house->config, &house->engine, &house->why), WEFT_OK);
    refuse("pthread_setspecific", ENOMEM, 0, 1);
    assert_int_equal(weft_begin(house->engine, &tx), WEFT_NO_MEMORY);
    assert_true(refuse_end());
    assert_null(tx);
    assert_int_equal(weft_begin(house->engine, &tx), WEFT_OK);
    weft_abort(tx);
}

static void ignore(void *context, const struct weft_commit *commit) {
    (void)context;
    (void)commit;
}

static void a_hook_without_a_thread_is_not_set(void **state) {
    struct house *house = *state;
    assert_int_equal(weft_open(&house->config, &house->engine, &house->why), WEFT_OK);
    refuse("eventfd", EMFILE, 0, 1);
    assert_int_equal(weft_on_commit(house->engine, WEFT_HOOK_ALL, ignore, NULL, &house->why),
                     WEFT_LIMIT);
    assert_true(refuse_end());
    assert_non_null(strstr(house->why.text, "descriptors"));
    /* The descriptor that it then has is kept for the next try. */
    for (int i = 0; i < 2; i++) {
        refuse("pthread_create", EAGAIN, 0, 1);
        assert_int_equal(weft_on_commit(house->engine, WEFT_HOOK_ALL, ignore, NULL, &house->why),
                         WEFT_LIMIT);
        assert_true(refuse_end());
        assert_non_null(strstr(house->why.text, "threads"));
    }
    assert_int_equal(weft_off_commit_wait(house->engine, ignore, NULL), WEFT_NOT_FOUND);
    assert_int_equal(weft_on_commit(house->engine, WEFT_HOOK_ALL, ignore, NULL, &house->why),
                     WEFT_OK);
    assert_int_equal(weft_off_commit_wait(house->engine, ignore, NULL), WEFT_OK);
}

int main(void) {
#define HOUSE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(an_engine_without_descriptors_leaves_nothing_open),
        HOUSE_TEST(an_engine_without_threads_leaves_none_running),
        HOUSE_TEST(a_thread_that_cannot_have_a_lane_begins_nothing),
        HOUSE_TEST(a_hook_without_a_thread_is_not_set),
    };
    return cmocka_run_group_tests_name("an engine that the system refuses", tests, NULL, NULL);
}
