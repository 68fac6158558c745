/* Bounds on bytes per second between two real engines over loopback: a backfill keeps to them, and
 * shared edits pass it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/pair.h"
#include "tests/lib/siege.h"

#define RATE UINT64_C(1000000)
#define ROWS 12000u
#define ROW_BYTES 1000u
#define EDITS 100u

static const char schema[] = "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
                             "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT\n"
                             ") WITHOUT ROWID;\n"
                             "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
                             "  id BLOB PRIMARY KEY,\n"
                             "  location_id BLOB NOT NULL REFERENCES location (id),\n"
                             "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB\n"
                             ") WITHOUT ROWID;\n"
                             "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
                             "  id BLOB PRIMARY KEY, name TEXT\n"
                             ");\n";

static double seconds(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Rows that nothing can compress. */
static void fill(struct party *party) {
    uint8_t id[16], data[ROW_BYTES];
    struct weft_value values[PARTY_COLUMNS];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    for (uint32_t row = 1; row <= ROWS; row++) {
        if (tx == NULL) assert_int_equal(weft_begin_wait(party->engine, -1, &tx), WEFT_OK);
        party_id(party, row, id);
        randombytes_buf(data, sizeof data);
        party_values(party, id, "row", row, values);
        values[PARTY_DATA] = weft_blob(data, sizeof data);
        assert_int_equal(weft_put(tx, party->entry, values, PARTY_COLUMNS), WEFT_OK);
        if (row % 1000 != 0) continue;
        assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
        tx = NULL;
    }
    party_wait(party, ticket, WEFT_DURABLE, 0);
}

static int set_up(void **state) {
    const struct weft_config config = {.schema = schema};
    struct pair *pair = pair_start(state, &config, &config);
    fill(&pair->a);
    return 0;
}

static uint64_t bytes_out(const struct party *party) {
    struct weft_stats stats;
    weft_stats(party->engine, &stats);
    return stats.bytes_out;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* How long a shared edit takes until the other side has it on its disk, and says so. */
static double edit(struct party *party, uint32_t number) {
    uint8_t id[16] = {7};
    char name[32];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    const double begun = seconds();
    (void)snprintf(name, sizeof name, "edit %u", number);
    const struct weft_value values[] = {weft_blob(id, sizeof id), weft_text(name, strlen(name))};
    const int tag = weft_model(party->engine, "tag");
    assert_int_equal(weft_begin_wait(party->engine, -1, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, tag, values, 2), WEFT_OK);
    assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
    party_wait(party, ticket, WEFT_REPLICATED, 1);
    return seconds() - begun;
}

/* Edits while the backfill runs; the rate is what went out meanwhile. */
static void the_rate_is_kept_and_edits_pass(struct pair *pair) {
    double took[EDITS];
    party_connect(&pair->b, &pair->a);
    (void)edit(&pair->a, 0); /* The backfill has begun before the second one. */
    const double begun = seconds();
    const uint64_t before = bytes_out(&pair->a);
    uint32_t edits = 0;
    for (; edits < EDITS; edits++)
        took[edits] = edit(&pair->a, edits + 1);
    while (seconds() - begun < 2)
        (void)edit(&pair->a, ++edits);
    const double lasted = seconds() - begun;
    const uint64_t sent = bytes_out(&pair->a) - before;
    qsort(took, EDITS, sizeof took[0], by_size);
    print_message("%.0f bytes/s for %.1f s; edits p50 %.1f ms, p99 %.1f ms\n",
                  (double)sent / lasted, lasted, took[EDITS / 2] * 1e3, took[EDITS - 2] * 1e3);
    assert_true((double)sent < 1.05 * (double)RATE * lasted);
    if (SIEGE_MEASURES) assert_true((double)sent > 0.95 * (double)RATE * lasted);
    if (SIEGE_MEASURES) assert_true(took[EDITS - 2] < 0.1);
    /* It was a backfill all the while; and it comes to its end. */
    assert_true(party_number(&pair->b, "SELECT count(*) FROM entry") < ROWS);
    assert_int_equal(weft_set_rates(pair->a.engine, NULL, 0, 0, NULL), WEFT_OK);
    assert_int_equal(weft_set_rates(pair->b.engine, NULL, 0, 0, NULL), WEFT_OK);
    party_wait_number(&pair->b, "SELECT count(*) FROM entry", ROWS);
}

static void what_goes_out_keeps_to_its_rate_and_edits_pass(void **state) {
    struct pair *pair = *state;
    assert_int_equal(weft_set_rates(pair->a.engine, NULL, RATE, 0, NULL), WEFT_OK);
    the_rate_is_kept_and_edits_pass(pair);
}

static void what_comes_in_keeps_to_its_rate_and_edits_pass(void **state) {
    struct pair *pair = *state;
    assert_int_equal(weft_set_rates(pair->b.engine, NULL, 0, RATE, NULL), WEFT_OK);
    the_rate_is_kept_and_edits_pass(pair);
}

static void the_rate_of_a_device_is_kept(void **state) {
    struct pair *pair = *state;
    assert_int_equal(weft_set_rates(pair->a.engine, pair->b.device, RATE, 0, NULL), WEFT_OK);
    party_connect(&pair->b, &pair->a);
    (void)edit(&pair->a, 0);
    const double begun = seconds();
    const uint64_t before = bytes_out(&pair->a);
    for (uint32_t edits = 1; seconds() - begun < 1; edits++)
        (void)edit(&pair->a, edits);
    assert_true((double)(bytes_out(&pair->a) - before) < 1.05 * (double)RATE * (seconds() - begun));
    assert_int_equal(weft_set_rates(pair->a.engine, pair->b.device, 0, 0, NULL), WEFT_OK);
    party_wait_number(&pair->b, "SELECT count(*) FROM entry", ROWS);
}

static void on_a_metered_network_shared_edits_pass_and_rows_come_afterwards(void **state) {
    struct pair *pair = *state;
    weft_set_metered(pair->b.engine, true);
    party_connect(&pair->b, &pair->a);
    for (uint32_t i = 0; i < 20; i++)
        (void)edit(&pair->a, i);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 0);
    weft_set_metered(pair->b.engine, false);
    party_wait_number(&pair->b, "SELECT count(*) FROM entry", ROWS);
}

static void a_rate_that_would_look_like_a_cut_is_refused(void **state) {
    struct pair *pair = *state;
    struct weft_error why;
    assert_int_equal(weft_set_rates(pair->a.engine, NULL, 100, 0, &why), WEFT_INVALID);
    assert_non_null(strstr(why.text, "8192"));
    assert_int_equal(weft_set_rates(pair->a.engine, NULL, 0, 8191, &why), WEFT_INVALID);
    assert_int_equal(weft_set_rates(pair->a.engine, NULL, 8192, UINT64_MAX, &why), WEFT_OK);
    uint8_t device[WEFT_ID_SIZE] = {0};
    for (uint8_t i = 1; i <= 64; i++) {
        device[3] = i;
        assert_int_equal(weft_set_rates(pair->a.engine, device, RATE, RATE, &why), WEFT_OK);
    }
    device[3] = 65;
    assert_int_equal(weft_set_rates(pair->a.engine, device, RATE, 0, &why), WEFT_LIMIT);
    device[3] = 64;
    assert_int_equal(weft_set_rates(pair->a.engine, device, 0, 0, &why), WEFT_OK);
    device[3] = 65;
    assert_int_equal(weft_set_rates(pair->a.engine, device, RATE, 0, &why), WEFT_OK);
}

#define RATES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        RATES_TEST(what_goes_out_keeps_to_its_rate_and_edits_pass),
        RATES_TEST(what_comes_in_keeps_to_its_rate_and_edits_pass),
        RATES_TEST(the_rate_of_a_device_is_kept),
        RATES_TEST(on_a_metered_network_shared_edits_pass_and_rows_come_afterwards),
        RATES_TEST(a_rate_that_would_look_like_a_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
