/* The peer actor alone: how long a record may take to come in whole, and what does not count as one
 * that is under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_peer.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define BATCH 100u

static int open_stage(void **state) {
    struct solo_peer *stage = calloc(1, sizeof *stage);
    if (stage == NULL || !solo_peer_open(stage)) return 1;
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_peer_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

/* The remote says `count` batches, all of which arrive at once, but for the last `short_of` bytes.
 */
static void say_burst(struct solo_peer *stage, uint32_t count, size_t short_of) {
    static const uint8_t zeros[BATCH];
    const struct bytes batch = {zeros, sizeof zeros};
    const size_t size = count * (2 + FRAME_HEADER + FRAME_PREFIX + BATCH + NOISE_TAG_SIZE);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(
            session_push(stage->remote, LANE_BACKFILL, batch, 0, (struct frame_owner){NULL}, NULL),
            WEFT_OK);
    solo_peer_carry(stage, size - short_of);
}

static uint32_t packed_taken(struct solo_peer *stage) {
    uint32_t count = 0;
    struct mail *mail = NULL;
    while ((mail = solo_peer_to_bulk(stage, MAIL(PACKED))) != NULL) {
        mail_drop(&mail);
        count++;
        solo_turn(&stage->solo); /* There may have been more than the edge has room for. */
    }
    return count;
}

static void a_record_that_stops_halfway_ends_the_session_after_five_seconds(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, false);
    say_burst(stage, 1, 1);
    solo_peer_wait(stage, LIMIT_HANDSHAKE_US - 1);
    assert_int_equal(stage->link.closes, 0);
    solo_peer_wait(stage, 1000000); /* It has 130 bytes: a second for each KiB. */
    solo_peer_expect_end(stage, WEFT_OK);
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_UP, WEFT_OK, "");
    solo_peer_expect_event(stage, WEFT_EVENT_PEER_DOWN, WEFT_NET, "more slowly than 1 KiB/s");
}

static void a_record_that_comes_in_time_ends_nothing(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, false);
    say_burst(stage, 1, 1);
    solo_peer_wait(stage, LIMIT_HANDSHAKE_US - 1);
    solo_peer_carry(stage, SIZE_MAX);
    assert_int_equal(packed_taken(stage), 1);
    solo_peer_wait(stage, LIMIT_RECORD_US);
    assert_int_equal(stage->link.closes, 0);
}

/* More arrived at once than may be inside: what waits in the session is whole, and no record under
 * way, neither while it waits nor once it has been taken without another byte being read. */
static void what_was_taken_later_than_it_came_is_not_under_way(void **state) {
    struct solo_peer *stage = *state;
    solo_peer_live(stage, false);
    say_burst(stage, LIMIT_PEER_PACKED + 2, 0);
    assert_int_equal(packed_taken(stage), LIMIT_PEER_PACKED);
    solo_peer_held(stage, LIMIT_PEER_PACKED, LIMIT_PEER_PACKED * BATCH, "");
    assert_int_equal(packed_taken(stage), 2);
    solo_peer_held(stage, 2, 2 * BATCH, "");
    solo_peer_wait(stage, LIMIT_RECORD_US);
    assert_int_equal(stage->link.closes, 0);
}

#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEER_TEST(a_record_that_stops_halfway_ends_the_session_after_five_seconds),
        PEER_TEST(a_record_that_comes_in_time_ends_nothing),
        PEER_TEST(what_was_taken_later_than_it_came_is_not_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
