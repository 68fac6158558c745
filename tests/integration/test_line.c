/* Three devices in a line, A–B–C: A and C never meet, and yet have the same rows. Also devices that
 * leave and return, with work done meanwhile. */
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/party.h"

struct trio {
    char folder[SCRATCH_PATH];
    struct party a, b, c;
};

static int trio_open(void **state) {
    struct trio *trio = calloc(1, sizeof *trio);
    assert_non_null(trio);
    *state = trio;
    scratch_make(trio->folder);
    party_start(&trio->a, trio->folder, "a", NULL);
    party_start(&trio->b, trio->folder, "b", &trio->a);
    party_start(&trio->c, trio->folder, "c", &trio->a);
    return 0;
}

static int trio_close(void **state) {
    struct trio *trio = *state;
    party_leave(&trio->a);
    party_leave(&trio->b);
    party_leave(&trio->c);
    scratch_remove(trio->folder);
    free(trio);
    return 0;
}

static void trio_assert_equal(struct trio *trio) {
    party_leave(&trio->a);
    party_leave(&trio->b);
    party_leave(&trio->c);
    const struct party *parties[] = {&trio->a, &trio->b, &trio->c};
    party_assert_equal(parties, 3);
}

static void rows_pass_through_the_device_in_the_middle(void **state) {
    struct trio *trio = *state;
    party_connect(&trio->a, &trio->b);
    party_connect(&trio->c, &trio->b);
    party_put(&trio->a, 1, "from a", 1);
    party_put(&trio->a, 2, "from a, deleted", 2);
    party_put(&trio->c, 1, "from c", 4);
    party_wait_number(&trio->c, "SELECT sum(size) FROM entry", 7);
    party_wait_number(&trio->a, "SELECT sum(size) FROM entry", 7);
    party_delete(&trio->a, 2);
    party_put(&trio->c, 1, "from c, changed", 8);
    party_wait_number(&trio->c, "SELECT sum(size) FROM entry", 9);
    party_wait_number(&trio->a, "SELECT sum(size) FROM entry", 9);
    party_wait_number(&trio->b, "SELECT sum(size) FROM entry", 9);
    trio_assert_equal(trio);
}

static void the_middle_serves_the_rows_of_an_absent_owner(void **state) {
    struct trio *trio = *state;
    party_connect(&trio->a, &trio->b);
    for (uint32_t i = 0; i < 100; i++)
        party_put(&trio->a, i, "from a", i);
    party_wait(&trio->a, party_delete(&trio->a, 0), WEFT_REPLICATED, 1);
    party_leave(&trio->a);
    party_connect(&trio->c, &trio->b);
    party_wait_number(&trio->c, "SELECT count(*) FROM entry", 99);
    /* Absent, A does not know of C; the others have the same rows. */
    party_wait_number(&trio->b, "SELECT count(*) FROM location", 3);
    party_leave(&trio->b);
    party_leave(&trio->c);
    const struct party *parties[] = {&trio->b, &trio->c};
    party_assert_equal(parties, 2);
}

static void writes_made_alone_arrive_after_the_return(void **state) {
    struct trio *trio = *state;
    party_connect(&trio->a, &trio->b);
    party_wait(&trio->a, party_put(&trio->a, 1, "together", 1), WEFT_REPLICATED, 1);
    party_leave(&trio->b);
    party_put(&trio->a, 1, "alone", 2);
    uint64_t ticket = party_put(&trio->a, 2, "alone", 4);
    party_wait(&trio->a, ticket, WEFT_DURABLE, 0);
    party_return(&trio->b);
    /* Nobody is told: A dials again by itself, as it does for ever. */
    party_wait(&trio->a, ticket, WEFT_REPLICATED, 1);
    assert_int_equal(party_number(&trio->b, "SELECT sum(size) FROM entry"), 6);
}

static void both_write_alone_and_meet_again(void **state) {
    struct trio *trio = *state;
    party_connect(&trio->a, &trio->b);
    party_leave(&trio->b);
    party_put(&trio->a, 1, "a alone", 1);
    party_leave(&trio->a);
    party_return(&trio->b);
    party_put(&trio->b, 1, "b alone", 2);
    party_leave(&trio->b);
    party_return(&trio->a);
    party_return(&trio->b);
    party_connect(&trio->a, &trio->b);
    party_wait_number(&trio->a, "SELECT sum(size) FROM entry", 3);
    party_wait_number(&trio->b, "SELECT sum(size) FROM entry", 3);
}

static void a_device_that_returns_again_and_again_misses_nothing(void **state) {
    struct trio *trio = *state;
    party_connect(&trio->b, &trio->a);
    uint64_t ticket = 0;
    for (uint32_t round = 0; round < 5; round++) {
        party_leave(&trio->b);
        for (uint32_t i = 0; i < 20; i++)
            ticket = party_put(&trio->a, i, "in many rounds", round * 100 + i);
        ticket = party_delete(&trio->a, round);
        party_return(&trio->b);
        party_connect(&trio->b, &trio->a);
        party_wait(&trio->a, ticket, WEFT_REPLICATED, 1);
        assert_int_equal(party_number(&trio->b, "SELECT count(*) FROM entry"), 19);
        assert_int_equal(party_number(&trio->b, "SELECT max(size) FROM entry"), round * 100 + 19);
    }
}

static void two_devices_that_dial_each_other_keep_one_session(void **state) {
    struct trio *trio = *state;
    party_listen(&trio->a);
    party_listen(&trio->b);
    struct weft_error why = {0};
    assert_int_equal(weft_connect(trio->a.engine, trio->b.address, &why), WEFT_OK);
    party_connect(&trio->b, &trio->a);
    party_wait(&trio->a, party_put(&trio->a, 1, "from a", 1), WEFT_REPLICATED, 1);
    party_wait(&trio->b, party_put(&trio->b, 1, "from b", 2), WEFT_REPLICATED, 1);
    struct weft_peer peers[8];
    unsigned live = 0, count = weft_peers(trio->a.engine, peers, 8);
    for (unsigned i = 0; i < count; i++)
        live += peers[i].state == WEFT_PEER_LIVE;
    assert_int_equal(live, 1);
}

#define TRIO_TEST(name) cmocka_unit_test_setup_teardown(name, trio_open, trio_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(rows_pass_through_the_device_in_the_middle),
        TRIO_TEST(the_middle_serves_the_rows_of_an_absent_owner),
        TRIO_TEST(writes_made_alone_arrive_after_the_return),
        TRIO_TEST(both_write_alone_and_meet_again),
        TRIO_TEST(a_device_that_returns_again_and_again_misses_nothing),
        TRIO_TEST(two_devices_that_dial_each_other_keep_one_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
