/* Settings that say how much goes at once: rows of a batch, rows of a commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/alone.h"
#include "tests/lib/party.h"

#define ROWS 60u

struct two {
    char folder[SCRATCH_PATH];
    struct party a, b;
};

static int two_setup(void **state) {
    struct two *two = calloc(1, sizeof *two);
    assert_non_null(two);
    scratch_make(two->folder);
    *state = two;
    return 0;
}

static int two_teardown(void **state) {
    struct two *two = *state;
    if (two->a.engine != NULL) party_leave(&two->a);
    if (two->b.engine != NULL) party_leave(&two->b);
    scratch_remove(two->folder);
    free(two);
    return 0;
}

/* In how many batches another device gets rows that were written before it came. */
static uint64_t batches(struct two *two, uint32_t batch_rows) {
    struct weft_stats before, after;
    struct weft_value values[PARTY_COLUMNS];
    uint8_t id[16];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    party_start_with(&two->a, two->folder, "a", NULL,
                     &(struct weft_config){.batch_rows = batch_rows});
    assert_int_equal(weft_begin_wait(two->a.engine, -1, &tx), WEFT_OK);
    for (uint32_t row = 1; row <= ROWS; row++) {
        party_id(&two->a, row, id);
        party_values(&two->a, id, "row", row, values);
        assert_int_equal(weft_put(tx, two->a.entry, values, PARTY_COLUMNS), WEFT_OK);
    }
    assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
    party_wait(&two->a, ticket, WEFT_DURABLE, 0);
    weft_stats(two->a.engine, &before);
    party_start(&two->b, two->folder, "b", &two->a);
    party_connect(&two->a, &two->b);
    party_wait(&two->a, ticket, WEFT_EVERYWHERE, 0);
    weft_stats(two->a.engine, &after);
    return after.batches_encoded - before.batches_encoded;
}

static void batches_have_no_more_rows_than_is_set(void **state) {
    assert_true(batches(*state, 4) >= ROWS / 4);
}

static void by_default_few_batches_carry_many_rows(void **state) {
    assert_true(batches(*state, 0) < ROWS / 4);
}

/* Transactions that wait together are committed together, unless that would be too many rows. */
static uint64_t syncs(struct alone *alone, uint32_t group_rows) {
    struct weft_stats before, after;
    alone->config.group_rows = group_rows;
    alone_ok(alone, alone_open(alone));
    alone_run(alone);
    weft_stats(alone->engine, &before);
    for (uint32_t i = 0; i < 12; i++)
        (void)alone_commits(alone, i, "note");
    alone_run(alone);
    weft_stats(alone->engine, &after);
    assert_int_equal(after.commits - before.commits, 12);
    return after.syncs - before.syncs;
}

static int alone_made(void **state) {
    struct alone *alone = calloc(1, sizeof *alone);
    assert_non_null(alone);
    alone_new(alone);
    *state = alone;
    return 0;
}

static int alone_ended(void **state) {
    alone_end(*state);
    free(*state);
    return 0;
}

static void commits_have_no_more_rows_than_is_set(void **state) {
    struct alone *alone = *state;
    assert_int_equal(syncs(alone, 3), 4);
    alone_another(alone);
    assert_int_equal(syncs(alone, 0), 1);
}

static void more_than_there_may_be_is_refused_in_words(void **state) {
    struct alone *alone = *state;
    alone->config.batch_rows = 2049;
    assert_int_equal(alone_open(alone), WEFT_LIMIT);
    assert_non_null(strstr(alone->why.text, "give at most 2048 and 16384"));
    alone->config.batch_rows = 2048;
    alone->config.group_rows = 16385;
    assert_int_equal(alone_open(alone), WEFT_LIMIT);
    alone->config.group_rows = 16384;
    alone_ok(alone, alone_open(alone));
}

#define TWO_TEST(test) cmocka_unit_test_setup_teardown(test, two_setup, two_teardown)
#define ALONE_TEST(test) cmocka_unit_test_setup_teardown(test, alone_made, alone_ended)

int main(void) {
    const struct CMUnitTest tests[] = {
        TWO_TEST(batches_have_no_more_rows_than_is_set),
        TWO_TEST(by_default_few_batches_carry_many_rows),
        ALONE_TEST(commits_have_no_more_rows_than_is_set),
        ALONE_TEST(more_than_there_may_be_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
