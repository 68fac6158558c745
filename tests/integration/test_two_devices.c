/* Two engines in one process, joined by real sockets: what one writes, the other has. */
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/pair.h"

static void inserts_updates_and_deletes_arrive(void **state) {
    struct pair *pair = *state;
    party_put(&pair->a, 1, "one", 10);
    party_put(&pair->a, 2, "two", 20);
    party_wait(&pair->a, party_put(&pair->a, 3, "three", 30), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 3);
    assert_int_equal(party_number(&pair->b, "SELECT sum(size) FROM entry"), 60);

    party_put(&pair->a, 1, "one, longer", 11);
    party_wait(&pair->a, party_delete(&pair->a, 2), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 2);
    assert_int_equal(party_number(&pair->b, "SELECT size FROM entry WHERE name = 'one, longer'"),
                     11);
    pair_assert_equal(pair);
}

static void a_set_changes_one_column_elsewhere(void **state) {
    struct pair *pair = *state;
    party_put(&pair->a, 1, "one", 10);
    uint64_t ticket = party_set(&pair->a, 1, PARTY_SIZE, weft_integer(11));
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT size FROM entry WHERE name = 'one'"), 11);
    assert_int_equal(party_number(&pair->b, "SELECT ratio * 4 FROM entry WHERE name = 'one'"), 10);
    pair_assert_equal(pair);
}

static void rows_go_both_ways_at_once(void **state) {
    struct pair *pair = *state;
    uint64_t from_a = 0, from_b = 0;
    for (uint32_t i = 0; i < 50; i++) {
        from_a = party_put(&pair->a, i, "from a", i);
        from_b = party_put(&pair->b, i, "from b", i);
    }
    party_wait(&pair->a, from_a, WEFT_REPLICATED, 1);
    party_wait(&pair->b, from_b, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry"), 100);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 100);
    pair_assert_equal(pair);
}

static void every_kind_of_value_arrives_as_it_was(void **state) {
    struct pair *pair = *state;
    static const char text[] = "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x8c\x8d \x01 \\ ' \"";
    enum { BIG = 300000 };
    uint8_t *big = malloc(BIG);
    assert_non_null(big);
    for (uint32_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    party_put(&pair->a, 1, "", INT64_MIN);
    party_put(&pair->a, 2, text, INT64_MAX);
    party_put(&pair->a, 3, "doubles", 0);
    party_set(&pair->a, 3, PARTY_RATIO, weft_real(-0.1e-300));
    party_set(&pair->a, 3, PARTY_SIZE, weft_null());
    party_put(&pair->a, 4, "an empty blob", -1);
    party_set(&pair->a, 4, PARTY_DATA, weft_blob("", 0));
    party_put(&pair->a, 5, "a large blob", 1);
    uint64_t ticket = party_set(&pair->a, 5, PARTY_DATA, weft_blob(big, BIG));
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    free(big);
    assert_int_equal(party_number(&pair->b, "SELECT length(data) FROM entry WHERE size = 1"), BIG);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry WHERE data = x''"), 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry WHERE size IS NULL"), 1);
    pair_assert_equal(pair);
}

static void thousands_of_rows_of_one_transaction_arrive(void **state) {
    struct pair *pair = *state;
    enum { ROWS = 20000 };
    weft_tx *tx = NULL;
    assert_int_equal(weft_begin_wait(pair->a.engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint8_t id[16];
        struct weft_value values[PARTY_COLUMNS];
        party_id(&pair->a, i, id);
        party_values(&pair->a, id, "one of many", i, values);
        assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS), WEFT_OK);
    }
    uint64_t ticket = 0;
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(DISTINCT size) FROM entry"), ROWS);
    pair_assert_equal(pair);
}

static void a_rescan_deletes_what_was_not_written_again(void **state) {
    struct pair *pair = *state;
    struct weft_error why = {0};
    uint64_t scan = 0, ticket = 0;
    for (uint32_t i = 0; i < 10; i++)
        party_put(&pair->a, i, "old", i);
    struct weft_value scope = weft_blob(pair->a.device, 16);
    assert_int_equal(
        weft_scan_begin(pair->a.engine, pair->a.entry, PARTY_LOCATION, &scope, &scan, &why),
        WEFT_OK);
    /* Unchanged, changed, and new rows: all were found, so all stay. */
    party_put(&pair->a, 1, "old", 1);
    party_put(&pair->a, 2, "changed", 2);
    party_put(&pair->a, 20, "new", 20);
    assert_int_equal(weft_scan_end(pair->a.engine, scan, &ticket), WEFT_OK);
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry"), 3);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 3);
    assert_int_equal(party_number(&pair->b, "SELECT sum(size) FROM entry"), 23);
    pair_assert_equal(pair);
}

static void a_rescan_never_ended_deletes_nothing(void **state) {
    struct pair *pair = *state;
    uint64_t scan = 0;
    party_put(&pair->a, 1, "one", 1);
    struct weft_value scope = weft_blob(pair->a.device, 16);
    assert_int_equal(
        weft_scan_begin(pair->a.engine, pair->a.entry, PARTY_LOCATION, &scope, &scan, NULL),
        WEFT_OK);
    party_wait(&pair->a, party_put(&pair->a, 2, "two", 2), WEFT_REPLICATED, 1);
    party_leave(&pair->a);
    party_return(&pair->a);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry"), 2);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 2);
}

static void a_row_written_as_it_stands_is_not_sent(void **state) {
    struct pair *pair = *state;
    struct weft_stats before, after;
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_REPLICATED, 1);
    weft_stats(pair->a.engine, &before);
    int64_t version = party_number(&pair->b, "SELECT _weft_version FROM entry");
    party_wait(&pair->a, party_put(&pair->a, 1, "one", 1), WEFT_DURABLE, 0);
    party_wait(&pair->a, party_put(&pair->a, 2, "two", 2), WEFT_REPLICATED, 1);
    weft_stats(pair->a.engine, &after);
    assert_int_equal(after.rows_unchanged - before.rows_unchanged, 1);
    assert_int_equal(after.rows_local - before.rows_local, 1);
    assert_int_equal(party_number(&pair->b, "SELECT _weft_version FROM entry WHERE size = 1"),
                     version);
}

static void a_ticket_is_replicated_when_the_other_device_has_it(void **state) {
    struct pair *pair = *state;
    party_leave(&pair->b);
    uint64_t ticket = party_put(&pair->a, 1, "one", 1);
    party_wait(&pair->a, ticket, WEFT_DURABLE, 0);
    assert_int_equal(weft_wait(pair->a.engine, ticket, WEFT_REPLICATED, 1, 100, NULL),
                     WEFT_TIMEOUT);
    assert_int_equal(weft_wait(pair->a.engine, ticket, WEFT_EVERYWHERE, 0, 0, NULL), WEFT_TIMEOUT);
    party_return(&pair->b);
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    party_wait(&pair->a, ticket, WEFT_EVERYWHERE, 0);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 1);
}

static void only_the_owner_may_write(void **state) {
    struct pair *pair = *state;
    struct weft_error why;
    uint8_t id[16];
    struct weft_value values[PARTY_COLUMNS];
    party_wait(&pair->a, party_put(&pair->a, 1, "mine", 1), WEFT_REPLICATED, 1);
    party_id(&pair->a, 1, id);
    party_values(&pair->a, id, "stolen", 2, values);
    struct weft_value key = weft_blob(id, 16);
    for (int way = 0; way < 3; way++) {
        weft_tx *tx = NULL;
        uint64_t ticket = 0;
        assert_int_equal(weft_begin_wait(pair->b.engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
        enum weft_status status =
            way == 0   ? weft_put(tx, pair->b.entry, values, PARTY_COLUMNS)
            : way == 1 ? weft_delete(tx, pair->b.entry, &key, 1)
                       : weft_set(tx, pair->b.entry, &key, 1, PARTY_NAME, &values[PARTY_NAME]);
        assert_int_equal(status, WEFT_OK);
        assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
        party_wait_failure(&pair->b, ticket, WEFT_NOT_OWNER, &why);
        assert_non_null(strstr(why.text, "entry"));
    }
    /* What was refused was refused whole, and the engine goes on. */
    party_wait(&pair->b, party_put(&pair->b, 1, "mine too", 3), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry"), 2);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry WHERE name = 'mine'"), 1);
    pair_assert_equal(pair);
}

static void a_refused_row_takes_its_whole_transaction_with_it(void **state) {
    struct pair *pair = *state;
    uint8_t own[16], missing[16];
    struct weft_value values[PARTY_COLUMNS];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    party_id(&pair->a, 1, own);
    party_id(&pair->a, 2, missing);
    party_values(&pair->a, own, "good", 1, values);
    struct weft_value key = weft_blob(missing, 16), name = weft_text("bad", 3);
    assert_int_equal(weft_begin_wait(pair->a.engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS), WEFT_OK);
    assert_int_equal(weft_set(tx, pair->a.entry, &key, 1, PARTY_NAME, &name), WEFT_OK);
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    party_wait_failure(&pair->a, ticket, WEFT_NOT_FOUND, NULL);
    party_wait(&pair->a, party_put(&pair->a, 3, "next", 3), WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry"), 1);
    pair_assert_equal(pair);
}

static void a_value_that_cannot_stand_is_refused_and_the_rest_goes_on(void **state) {
    struct pair *pair = *state;
    uint8_t id[16];
    struct weft_value values[PARTY_COLUMNS];
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    party_id(&pair->a, 1, id);
    party_values(&pair->a, id, "good", 1, values);
    assert_int_equal(weft_begin_wait(pair->a.engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);

    values[PARTY_SIZE] = weft_text("ten", 3);
    assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS), WEFT_TYPE);
    assert_int_equal(weft_tx_why(tx)->status, WEFT_TYPE);
    assert_non_null(strstr(weft_tx_why(tx)->text, "entry"));
    assert_non_null(strstr(weft_tx_why(tx)->text, "size"));

    values[PARTY_SIZE] = weft_integer(1);
    values[PARTY_NAME] = weft_text("caf\xe9", 4);
    assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS), WEFT_NOT_UTF8);
    assert_non_null(strstr(weft_tx_why(tx)->text, "name"));

    values[PARTY_NAME] = weft_null();
    assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS), WEFT_TYPE);
    assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS - 1), WEFT_INVALID);
    assert_int_equal(weft_put(tx, 99, values, PARTY_COLUMNS), WEFT_INVALID);

    values[PARTY_NAME] = weft_text("good", 4);
    assert_int_equal(weft_put(tx, pair->a.entry, values, PARTY_COLUMNS), WEFT_OK);
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    party_wait(&pair->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 1);
    pair_assert_equal(pair);
}

static void events_tell_who_came_and_what_changed(void **state) {
    struct pair *pair = *state;
    struct weft_event event;
    party_leave(&pair->b);
    party_wait_event(&pair->a, WEFT_EVENT_PEER_DOWN, &event);
    assert_memory_equal(event.device, pair->b.device, 16);
    party_return(&pair->b);
    party_wait_event(&pair->a, WEFT_EVENT_PEER_UP, &event);
    assert_memory_equal(event.device, pair->b.device, 16);
    party_put(&pair->a, 1, "one", 1);
    do {
        party_wait_event(&pair->b, WEFT_EVENT_CHANGED, &event);
    } while (event.model != pair->b.entry);
    assert_int_equal(event.count, 1);
    assert_int_equal(party_number(&pair->b, "SELECT count(*) FROM entry"), 1);
    assert_int_equal(weft_member_count(pair->a.engine), 2);
    assert_int_equal(weft_member_count(pair->b.engine), 2);
}

static void every_wiring_of_threads_carries_the_same_rows(void **state) {
    struct pair *pair = *state;
    static const enum weft_threads wirings[] = {WEFT_THREADS_EACH, WEFT_THREADS_TWO,
                                                WEFT_THREADS_ONE};
    for (uint32_t i = 0; i < 3; i++) {
        char name[] = {'c', (char)('0' + i), '\0'};
        struct weft_config config = {.threads = wirings[i]};
        struct party party;
        party_start_with(&party, pair->folder, name, &pair->a, &config);
        party_connect(&party, &pair->a);
        party_wait(&party, party_put(&party, i, name, 1), WEFT_REPLICATED, 1);
        party_put(&pair->a, i, "from a", 2);
        party_wait_number(&party, "SELECT count(*) FROM entry WHERE size = 2", i + 1);
        party_leave(&party);
    }
    assert_int_equal(party_number(&pair->a, "SELECT count(*) FROM entry WHERE size = 1"), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_MET_TEST(inserts_updates_and_deletes_arrive),
        PAIR_MET_TEST(a_set_changes_one_column_elsewhere),
        PAIR_MET_TEST(rows_go_both_ways_at_once),
        PAIR_MET_TEST(every_kind_of_value_arrives_as_it_was),
        PAIR_MET_TEST(thousands_of_rows_of_one_transaction_arrive),
        PAIR_MET_TEST(a_rescan_deletes_what_was_not_written_again),
        PAIR_MET_TEST(a_rescan_never_ended_deletes_nothing),
        PAIR_MET_TEST(a_row_written_as_it_stands_is_not_sent),
        PAIR_MET_TEST(a_ticket_is_replicated_when_the_other_device_has_it),
        PAIR_MET_TEST(only_the_owner_may_write),
        PAIR_MET_TEST(a_refused_row_takes_its_whole_transaction_with_it),
        PAIR_MET_TEST(a_value_that_cannot_stand_is_refused_and_the_rest_goes_on),
        PAIR_MET_TEST(events_tell_who_came_and_what_changed),
        PAIR_MET_TEST(every_wiring_of_threads_carries_the_same_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
