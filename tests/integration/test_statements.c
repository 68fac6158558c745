/* Devices on a line b ── a ── c: b and c never meet, and yet know of each other what they hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/trio.h"

static void assert_never_met(struct party *party, const struct party *other) {
    struct weft_peer peers[16];
    unsigned count = weft_peers(party->engine, peers, 16);
    for (unsigned i = 0; i < count && i < 16; i++)
        assert_memory_not_equal(peers[i].device, other->device, 16);
}

static void a_row_is_known_to_be_everywhere(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    party_wait(&trio->b, party_put(&trio->b, 1, "of b", 1), WEFT_EVERYWHERE, 0);
    party_wait(&trio->c, party_put(&trio->c, 2, "of c", 2), WEFT_EVERYWHERE, 0);
    assert_never_met(&trio->b, &trio->c);
    assert_never_met(&trio->c, &trio->b);
}

/* What passed through the one in the middle before it went down is said again. */
static void it_is_known_though_the_one_between_was_away(void **state) {
    struct trio *trio = *state;
    trio_meet(trio);
    uint64_t ticket = party_put(&trio->b, 1, "of b", 1);
    party_wait(&trio->b, ticket, WEFT_REPLICATED, 1);
    party_leave(&trio->a);
    party_return(&trio->a);
    party_listen(&trio->a);
    party_connect(&trio->b, &trio->a);
    party_connect(&trio->c, &trio->a);
    party_wait(&trio->b, ticket, WEFT_EVERYWHERE, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRIO_TEST(a_row_is_known_to_be_everywhere),
        TRIO_TEST(it_is_known_though_the_one_between_was_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
