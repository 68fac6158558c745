/* What a device leaves out, at run time: rows go, come back, and pass it by. */
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

#define ENTRIES "SELECT count(*) FROM entry"

static void says(struct party *party, int model, const struct party *owner, bool take) {
    struct weft_error why = {0};
    uint64_t ticket = 0;
    enum weft_status status = weft_subscribe(
        party->engine, model, owner == NULL ? NULL : owner->device, take, &ticket, &why);
    if (status != WEFT_OK) fail_msg("weft_subscribe: %s", why.text);
    party_wait(party, ticket, WEFT_DURABLE, 0);
}

static void leaves(struct party *party, int model, const struct party *owner) {
    says(party, model, owner, false);
}

static void takes(struct party *party, int model, const struct party *owner) {
    says(party, model, owner, true);
}

static unsigned rules(struct party *party, struct weft_subscription *out, unsigned cap,
                      unsigned *clearing) {
    struct weft_error why = {0};
    unsigned count = 0;
    if (weft_subscriptions_wait(party->engine, out, cap, &count, clearing, &why) != WEFT_OK)
        fail_msg("weft_subscriptions_wait: %s", why.text);
    return count;
}

/* Every digest that both hold is the same, and the rows are what the library wrote. */
static void verifies(struct party *party, unsigned agree_at_least) {
    struct weft_digest digests[32];
    struct weft_error why = {0};
    unsigned count = 0, agree = 0;
    if (weft_verify_wait(party->engine, digests, 32, &count, &why) != WEFT_OK)
        fail_msg("weft_verify_wait: %s", why.text);
    for (unsigned i = 0; i < count; i++) {
        assert_true(digests[i].sound);
        assert_int_equal(digests[i].differ, 0);
        agree += digests[i].agree;
    }
    assert_in_range(agree, agree_at_least, UINT32_MAX);
}

/* ---- two ---- */

static void meet(struct trio *trio) {
    char link[WEFT_LINK_MAX];
    party_invite(&trio->a, NULL, link);
    party_join(&trio->b, trio->folder, "b", link);
    party_wait_members(&trio->a, 2);
}

static void what_is_left_out_goes_and_comes_back(void **state) {
    struct trio *trio = *state;
    meet(trio);
    for (uint32_t i = 0; i < 10; i++)
        party_put(&trio->a, i, "before", 1);
    party_put(&trio->b, 1, "b's own", 100);
    party_wait_number(&trio->b, ENTRIES, 11);
    leaves(&trio->b, trio->b.entry, NULL);
    party_wait_number(&trio->b, ENTRIES, 1);
    assert_int_equal(party_number(&trio->b, "SELECT size FROM entry"), 100);
    party_wait_number(&trio->b, "SELECT count(*) FROM location", 2);

    /* A's own are as they were; an edit, a new one and a deletion pass B by. */
    party_wait_number(&trio->a, ENTRIES, 11);
    party_set(&trio->a, 1, PARTY_SIZE, weft_integer(7));
    party_put(&trio->a, 20, "while left out", 20);
    party_wait(&trio->a, party_delete(&trio->a, 2), WEFT_EVERYWHERE, 0);
    assert_int_equal(party_number(&trio->b, ENTRIES), 1);

    takes(&trio->b, trio->b.entry, NULL);
    party_wait_number(&trio->b, "SELECT sum(size) FROM entry", 100 + 8 * 1 + 7 + 20);
    assert_int_equal(party_number(&trio->b, ENTRIES), 11);
    uint64_t last = party_put(&trio->a, 30, "after", 1000);
    party_wait(&trio->a, last, WEFT_REPLICATED, 1);
    assert_int_equal(rules(&trio->b, NULL, 0, NULL), 0);
    verifies(&trio->b, 0);
    party_leave(&trio->a);
    party_leave(&trio->b);
    const struct party *parties[] = {&trio->a, &trio->b};
    party_assert_equal(parties, 2);
}

static void what_is_left_out_stays_so_over_a_restart(void **state) {
    struct trio *trio = *state;
    meet(trio);
    party_wait(&trio->a, party_put(&trio->a, 1, "before", 1), WEFT_REPLICATED, 1);
    leaves(&trio->b, trio->b.entry, &trio->a);
    party_leave(&trio->b);
    party_wait(&trio->a, party_delete(&trio->a, 1), WEFT_DURABLE, 0);
    party_put(&trio->a, 2, "while away", 2);
    party_return(&trio->b);
    party_connect(&trio->b, &trio->a);
    struct weft_subscription rule;
    assert_int_equal(rules(&trio->b, &rule, 1, NULL), 1);
    assert_int_equal(rule.model, trio->b.entry);
    assert_string_equal(rule.table, "entry");
    assert_false(rule.all_owners || rule.take);
    assert_memory_equal(rule.owner, trio->a.device, 16);
    party_wait_number(&trio->b, ENTRIES, 0);
    party_wait(&trio->a, party_put(&trio->a, 3, "it is back", 4), WEFT_EVERYWHERE, 0);
    assert_int_equal(party_number(&trio->b, ENTRIES), 0);

    /* The owner has been away in between, and so knows of it by what it kept. */
    party_leave(&trio->a);
    takes(&trio->b, trio->b.entry, &trio->a);
    party_leave(&trio->b);
    party_return(&trio->a);
    party_return(&trio->b);
    party_connect(&trio->b, &trio->a);
    party_wait_number(&trio->b, "SELECT sum(size) FROM entry", 6);
    party_wait(&trio->a, party_put(&trio->a, 1, "again", 8), WEFT_EVERYWHERE, 0);
    assert_int_equal(party_number(&trio->b, "SELECT sum(size) FROM entry"), 14);
}

static void many_rows_go_in_steps_and_none_is_left(void **state) {
    struct trio *trio = *state;
    meet(trio);
    struct weft_value values[PARTY_COLUMNS];
    static uint8_t ids[2000][16];
    uint64_t ticket = 0;
    for (uint32_t t = 0; t < 2; t++) {
        weft_tx *tx = NULL;
        assert_int_equal(weft_begin_wait(trio->a.engine, -1, &tx), WEFT_OK);
        for (uint32_t i = t * 1000; i < (t + 1) * 1000; i++) {
            party_id(&trio->a, i, ids[i]);
            party_values(&trio->a, ids[i], "many", 1, values);
            assert_int_equal(weft_put(tx, trio->a.entry, values, PARTY_COLUMNS), WEFT_OK);
        }
        assert_int_equal(weft_commit_wait(tx, -1, &ticket), WEFT_OK);
    }
    party_wait(&trio->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&trio->b, ENTRIES), 2000);
    leaves(&trio->b, trio->b.entry, NULL);
    takes(&trio->b, -1, NULL); /* Before all of it has gone. */
    party_wait(&trio->a, party_put(&trio->a, 0, "changed", 5), WEFT_REPLICATED, 1);
    party_wait_number(&trio->b, "SELECT sum(size) FROM entry", 2004);
    unsigned clearing = 1;
    assert_int_equal(rules(&trio->b, NULL, 0, &clearing), 0);
    assert_int_equal(clearing, 0);
    verifies(&trio->b, 0);
}

static void what_cannot_be_left_out_is_refused(void **state) {
    struct trio *trio = *state;
    struct weft_error why = {0};
    assert_int_equal(
        weft_subscribe(trio->a.engine, trio->a.entry, trio->a.device, false, NULL, &why),
        WEFT_INVALID);
    assert_int_equal(weft_subscribe(trio->a.engine, 40, NULL, false, NULL, &why), WEFT_INVALID);
    assert_int_equal(weft_subscribe(trio->a.engine, -2, NULL, false, NULL, &why), WEFT_INVALID);
    /* One rule too many. */
    uint8_t owner[16] = {1};
    uint64_t ticket = 0;
    for (unsigned i = 0; i <= WEFT_SUBSCRIPTIONS_MAX; i++) {
        owner[1] = (uint8_t)i;
        owner[2] = (uint8_t)(i >> 8);
        enum weft_status status;
        while ((status = weft_subscribe(trio->a.engine, trio->a.entry, owner, false, &ticket,
                                        &why)) == WEFT_BUSY)
            party_wait(&trio->a, ticket, WEFT_DURABLE, 0);
        assert_int_equal(status, WEFT_OK);
        if (i < WEFT_SUBSCRIPTIONS_MAX) party_wait(&trio->a, ticket, WEFT_DURABLE, 0);
    }
    party_wait_failure(&trio->a, ticket, WEFT_LIMIT, NULL);
    assert_int_equal(rules(&trio->a, NULL, 0, NULL), WEFT_SUBSCRIPTIONS_MAX);
    leaves(&trio->a, -1, NULL);
    assert_int_equal(rules(&trio->a, NULL, 0, NULL), 1);
}

/* ---- three ---- */

/* A knows what B and C hold; B leaves out what A writes. */
static void everywhere_does_not_wait_for_who_leaves_it_out(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    party_wait(&trio->a, party_put(&trio->a, 1, "before", 1), WEFT_EVERYWHERE, 0);
    uint64_t before = party_put(&trio->a, 2, "held by both", 2);
    party_wait(&trio->a, before, WEFT_REPLICATED, 2);
    leaves(&trio->b, -1, &trio->a);
    party_wait_number(&trio->b, ENTRIES, 0);
    uint64_t ticket = party_put(&trio->a, 3, "for c alone", 3);
    party_wait(&trio->a, ticket, WEFT_EVERYWHERE, 0);
    party_wait(&trio->a, ticket, WEFT_REPLICATED, 1);
    struct weft_error why;
    assert_int_equal(weft_wait(trio->a.engine, ticket, WEFT_REPLICATED, 2, 0, &why), WEFT_TIMEOUT);
    /* What B once held it does not any more. */
    assert_int_equal(weft_wait(trio->a.engine, before, WEFT_REPLICATED, 2, 0, &why), WEFT_TIMEOUT);
    takes(&trio->b, -1, &trio->a);
    party_wait(&trio->a, before, WEFT_REPLICATED, 2);
    party_wait(&trio->a, ticket, WEFT_REPLICATED, 2);
    assert_int_equal(party_number(&trio->b, ENTRIES), 3);
}

/* B — A — C, and A leaves out what B writes: C gets it when it meets B. */
static void rows_do_not_pass_a_device_that_leaves_them_out(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    party_wait(&trio->b, party_put(&trio->b, 1, "through a", 1), WEFT_EVERYWHERE, 0);
    leaves(&trio->a, trio->a.entry, &trio->b);
    party_wait_number(&trio->a, ENTRIES, 0);
    uint64_t ticket = party_put(&trio->b, 2, "past a", 2);
    /* Of other tables and owners everything passes. */
    party_wait(&trio->b, party_put(&trio->c, 1, "of c", 10), WEFT_DURABLE, 0);
    party_wait_number(&trio->b, ENTRIES, 3);
    party_wait_number(&trio->c, ENTRIES, 2);
    struct weft_error why;
    assert_int_equal(weft_wait(trio->b.engine, ticket, WEFT_EVERYWHERE, 0, 1500, &why),
                     WEFT_TIMEOUT);
    assert_int_equal(party_number(&trio->c, "SELECT count(*) FROM entry WHERE size = 2"), 0);
    party_listen(&trio->b);
    party_connect(&trio->c, &trio->b);
    party_wait(&trio->b, ticket, WEFT_EVERYWHERE, 0);
    assert_int_equal(party_number(&trio->c, ENTRIES), 3);
    assert_int_equal(party_number(&trio->a, ENTRIES), 1);
}

/* C asks A for B's rows while B is away; A lets go of them and C must turn to B. */
static void only_certain_owners_are_taken(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    leaves(&trio->a, -1, NULL);
    takes(&trio->a, -1, &trio->c);
    party_put(&trio->b, 1, "of b", 1);
    party_put(&trio->c, 1, "of c", 2);
    party_wait_number(&trio->a, ENTRIES, 1);
    assert_int_equal(party_number(&trio->a, "SELECT size FROM entry"), 2);
    struct weft_subscription two[2];
    assert_int_equal(rules(&trio->a, two, 2, NULL), 2);
    assert_true(two[0].all_owners && !two[0].take && two[0].model == -1);
    assert_true(!two[1].all_owners && two[1].take);
    takes(&trio->a, -1, NULL);
    party_wait_number(&trio->c, "SELECT sum(size) FROM entry", 3);
    party_wait_number(&trio->a, "SELECT sum(size) FROM entry", 3);
}

/* Deletions are forgotten without B, which comes back to them and brings nothing back. */
static void a_deletion_that_is_forgotten_meanwhile_stays_one(void **state) {
    struct trio *trio = *state;
    meet(trio);
    for (uint32_t i = 0; i < 5; i++)
        party_put(&trio->a, i, "before", 1);
    party_wait_number(&trio->b, ENTRIES, 5);
    leaves(&trio->b, trio->b.entry, NULL);
    party_wait_number(&trio->b, ENTRIES, 0);
    uint64_t ticket = party_delete(&trio->a, 3);
    party_wait(&trio->a, ticket, WEFT_EVERYWHERE, 0);
    /* Prune looks every five seconds, and nothing says that it has. */
    struct weft_error why;
    for (int i = 0; i < PARTY_PATIENCE_MS / 100; i++) {
        if (party_number(&trio->a, "SELECT count(*) FROM _weft_tombstone") == 0) break;
        assert_int_equal(weft_wait(trio->a.engine, ticket, WEFT_REPLICATED, 1, 100, &why),
                         WEFT_TIMEOUT);
    }
    assert_int_equal(party_number(&trio->a, "SELECT count(*) FROM _weft_tombstone"), 0);
    takes(&trio->b, trio->b.entry, NULL);
    party_wait_number(&trio->b, ENTRIES, 4);
    verifies(&trio->b, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(what_is_left_out_goes_and_comes_back),
        TRIO_TEST(what_is_left_out_stays_so_over_a_restart),
        TRIO_TEST(many_rows_go_in_steps_and_none_is_left),
        TRIO_TEST(what_cannot_be_left_out_is_refused),
        TRIO_TEST(everywhere_does_not_wait_for_who_leaves_it_out),
        TRIO_TEST(rows_do_not_pass_a_device_that_leaves_them_out),
        TRIO_TEST(only_certain_owners_are_taken),
        TRIO_TEST(a_deletion_that_is_forgotten_meanwhile_stays_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
