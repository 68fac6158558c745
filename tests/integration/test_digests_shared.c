/* Shared rows that somebody else has changed: nobody is their owner, so members count. */
#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

enum { ROWS = 40 };

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS location ( -- @owned(owner: device_id)\n"
    "  id BLOB PRIMARY KEY, device_id BLOB NOT NULL, path TEXT) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS entry ( -- @owned(owner: location_id)\n"
    "  id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location (id),\n"
    "  name TEXT NOT NULL, size INTEGER, ratio REAL, data BLOB) WITHOUT ROWID;\n"
    "CREATE TABLE IF NOT EXISTS tag ( -- @shared(create: unique)\n"
    "  id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE);\n";

static const char sums[] = "SELECT count(*) * 1000000 + sum(length(name)) FROM tag";

static void plant(const struct party *party, const char *sql) {
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(party->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static uint64_t puts_tags(struct party *party) {
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    assert_int_equal(weft_begin_wait(party->engine, PARTY_PATIENCE_MS, &tx), WEFT_OK);
    for (uint32_t i = 1; i <= ROWS; i++) {
        char name[16];
        const uint8_t id[WEFT_ID_SIZE] = {9, (uint8_t)i};
        int size = snprintf(name, sizeof name, "tag %u", i);
        const struct weft_value values[] = {weft_blob(id, sizeof id),
                                            weft_text(name, (size_t)size)};
        assert_int_equal(weft_put(tx, weft_model(party->engine, "tag"), values, 2), WEFT_OK);
    }
    assert_int_equal(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket), WEFT_OK);
    return ticket;
}

static struct weft_digest verify(struct party *party) {
    struct weft_digest list[32];
    struct weft_error why = {0};
    unsigned count = 0;
    if (weft_verify_wait(party->engine, list, 32, &count, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    for (unsigned i = 0; i < count; i++)
        if (list[i].shared && list[i].model == weft_model(party->engine, "tag")) return list[i];
    fail_msg("there is nothing of the tags");
    return list[0];
}

/* Those who meet have the tags, and all have said so. */
static void fill(struct trio *trio, bool third) {
    struct party *parties[] = {&trio->a, &trio->b, &trio->c};
    const int count = third ? 3 : 2;
    if (third) trio_meet(trio);
    if (!third) party_start(&trio->b, trio->folder, "b", &trio->a);
    for (int i = 0; i < count; i++) {
        party_leave(parties[i]);
        parties[i]->config.schema = schema;
    }
    for (int i = 0; i < count; i++)
        party_return(parties[i]);
    party_listen(&trio->a);
    for (int i = 1; i < count; i++)
        party_connect(parties[i], &trio->a);
    party_wait(&trio->a, puts_tags(&trio->a), WEFT_EVERYWHERE, 0);
}

static void changes(struct party *party, struct party *with, const char *sql) {
    party_leave(party);
    plant(party, sql);
    party_return(party);
    party_connect(party, with);
    assert_false(verify(party).sound); /* ... and so it is counted anew. */
}

static void leave_equal(struct trio *trio, bool third) {
    const struct party *all[] = {&trio->a, &trio->b, &trio->c};
    party_leave(&trio->a);
    party_leave(&trio->b);
    if (third) party_leave(&trio->c);
    party_assert_equal(all, third ? 3 : 2);
}

static void what_two_have_is_right_against_one(void **state) {
    struct trio *trio = *state;
    struct weft_event event;
    fill(trio, true);
    changes(&trio->b, &trio->a,
            "DELETE FROM tag WHERE name IN ('tag 3', 'tag 5');"
            "INSERT INTO tag(id, name, _weft_clock) SELECT zeroblob(16), 'stray one', _weft_clock "
            "FROM tag WHERE name = 'tag 9'");
    party_wait_event(&trio->b, WEFT_EVENT_DIFFERS, &event);
    party_wait_number(&trio->b, sums, party_number(&trio->a, sums));
    assert_int_equal(party_number(&trio->b, "SELECT count(*) FROM tag WHERE name LIKE 's%'"), 0);
    assert_true(verify(&trio->b).digest == verify(&trio->a).digest);
    leave_equal(trio, true);
}

static void of_two_each_adds_what_the_other_has(void **state) {
    struct trio *trio = *state;
    fill(trio, false);
    const int64_t before = party_number(&trio->a, sums);
    changes(&trio->b, &trio->a, "DELETE FROM tag WHERE name IN ('tag 3', 'tag 5')");
    party_wait_number(&trio->b, sums, before);
    assert_int_equal(party_number(&trio->a, sums), before);
    assert_true(verify(&trio->b).digest == verify(&trio->a).digest);
    leave_equal(trio, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(what_two_have_is_right_against_one),
        TRIO_TEST(of_two_each_adds_what_the_other_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
