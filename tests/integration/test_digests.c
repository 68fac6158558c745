/* Rows that somebody else has changed: found, told, and taken again from their owner. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

enum { ROWS = 30, MANY = 20000 };

/* A file that is closed, changed as any program could. */
static void plant(const struct party *party, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(party->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What is found of an owner's entries. */
static struct weft_digest verify(struct party *party, const struct party *owner) {
    struct weft_digest list[32];
    struct weft_error why = {0};
    unsigned count = 0;
    if (weft_verify_wait(party->engine, list, 32, &count, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    assert_in_range(count, 1, 32);
    for (unsigned i = 0; i < count; i++) {
        if (!list[i].shared && list[i].model == party->entry &&
            memcmp(list[i].owner, owner->device, WEFT_ID_SIZE) == 0) {
            return list[i];
        }
    }
    fail_msg("there is nothing of the owner's entries");
    return list[0];
}

static void fill(struct trio *trio, uint32_t rows) {
    uint64_t ticket = 0;
    trio_meet(trio);
    for (uint32_t i = 1; i <= rows; i++) {
        char name[16];
        snprintf(name, sizeof name, "row %u", i);
        ticket = party_put(&trio->a, i, name, i);
        if (i % 500 == 0) party_wait(&trio->a, ticket, WEFT_DURABLE, 0);
    }
    party_wait(&trio->a, ticket, WEFT_EVERYWHERE, 0);
}

static const char versions[] = "SELECT sum(_weft_version & 0xffffffffff) FROM entry";

static void rows_that_are_as_they_were_written_are_found_sound(void **state) {
    struct trio *trio = *state;
    fill(trio, ROWS);
    const struct weft_digest at_b = verify(&trio->b, &trio->a), at_a = verify(&trio->a, &trio->a);
    assert_true(at_b.sound && at_a.sound);
    assert_int_equal(at_b.rows, ROWS);
    assert_true(at_b.digest == at_a.digest && at_b.position == at_a.position);
    assert_int_equal(at_b.differ + at_a.differ, 0);
    assert_int_equal(at_b.agree + at_b.elsewhere, 2);
}

static void a_copy_that_was_changed_is_found_told_and_taken_again(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    struct weft_stats stats;
    fill(trio, ROWS);
    party_leave(&trio->b);
    plant(&trio->b, "DELETE FROM entry WHERE name = 'row 3';"
                    "UPDATE entry SET _weft_version = _weft_version + 1 WHERE name = 'row 7';"
                    "INSERT INTO entry(id, location_id, name, _weft_owner, _weft_version) "
                    "SELECT zeroblob(16), location_id, 'stray', _weft_owner, _weft_version - 1 "
                    "FROM entry WHERE name = 'row 9'");
    party_return(&trio->b);
    party_connect(&trio->b, &trio->a);
    const struct weft_digest before = verify(&trio->b, &trio->a);
    assert_false(before.sound);
    assert_int_equal(before.rows, ROWS);
    party_wait_event(&trio->b, WEFT_EVENT_DIFFERS, &event);
    assert_memory_equal(event.device, trio->a.device, WEFT_ID_SIZE);
    assert_int_equal(event.model, trio->b.entry);
    party_wait_event(&trio->b, WEFT_EVENT_DIFFERS, &event);
    assert_non_null(strstr(event.error.text, "taken again"));
    party_wait_number(&trio->b, versions, party_number(&trio->a, versions));
    const struct weft_digest after = verify(&trio->b, &trio->a);
    assert_true(after.sound && after.rows == ROWS);
    assert_true(after.digest == verify(&trio->a, &trio->a).digest);
    weft_stats(trio->b.engine, &stats);
    assert_in_range(stats.digests_differ, 2, 8);
    assert_in_range(stats.digests_compared, 1, UINT64_MAX);
    const struct party *all[] = {&trio->a, &trio->b, &trio->c};
    party_leave(&trio->a);
    party_leave(&trio->b);
    party_leave(&trio->c);
    party_assert_equal(all, 3);
}

/* Three broken rows of many: what is sent again is what lies around them. */
static void of_a_long_stream_only_what_differs_is_taken_again(void **state) {
    struct trio *trio = *state;
    struct weft_stats first, second;
    fill(trio, MANY);
    weft_stats(trio->b.engine, &first);
    party_leave(&trio->b);
    plant(&trio->b, "DELETE FROM entry WHERE name = 'row 3000';"
                    "UPDATE entry SET _weft_version = (SELECT _weft_version + 1 FROM entry WHERE "
                    "name = 'row 11000') WHERE name = 'row 7000';"
                    "INSERT INTO entry(id, location_id, name, _weft_owner, _weft_version) "
                    "SELECT zeroblob(16), location_id, 'stray', _weft_owner, _weft_version + 1 "
                    "FROM entry WHERE name = 'row 15000'");
    party_return(&trio->b);
    party_connect(&trio->b, &trio->a);
    assert_false(verify(&trio->b, &trio->a).sound);
    party_wait_number(&trio->b, "SELECT count(*) FROM entry WHERE name = 'row 3000'", 1);
    party_wait_number(&trio->b, "SELECT count(*) FROM entry WHERE name = 'stray'", 0);
    party_wait_number(&trio->b, versions, party_number(&trio->a, versions));
    const struct weft_digest after = verify(&trio->b, &trio->a);
    assert_true(after.sound && after.rows == MANY);
    assert_true(after.digest == verify(&trio->a, &trio->a).digest);
    weft_stats(trio->b.engine, &second);
    assert_in_range(second.bytes_in, 1, first.bytes_in / 8);
}

static void rows_of_one_s_own_that_were_changed_are_told_and_left_alone(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    fill(trio, ROWS);
    party_leave(&trio->a);
    plant(&trio->a, "DELETE FROM entry WHERE name = 'row 3'");
    party_return(&trio->a);
    party_listen(&trio->a);
    party_connect(&trio->b, &trio->a);
    assert_false(verify(&trio->a, &trio->a).sound);
    party_wait_event(&trio->a, WEFT_EVENT_DIFFERS, &event);
    assert_memory_equal(event.device, trio->a.device, WEFT_ID_SIZE);
    assert_false(verify(&trio->a, &trio->a).sound);
    party_wait(&trio->a, party_put(&trio->a, 1, "again", 1), WEFT_REPLICATED, 1);
    const struct weft_digest at_b = verify(&trio->b, &trio->a);
    assert_true(at_b.sound && at_b.rows == ROWS && at_b.differ == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(rows_that_are_as_they_were_written_are_found_sound),
        TRIO_TEST(a_copy_that_was_changed_is_found_told_and_taken_again),
        TRIO_TEST(of_a_long_stream_only_what_differs_is_taken_again),
        TRIO_TEST(rows_of_one_s_own_that_were_changed_are_told_and_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
