/* The peer actor alone under bounds on bytes per second, in virtual time: what goes out and what is
 * read stays at the rate, and what is urgent does not wait for what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/base/board.h"
#include "tests/lib/solo_peer.h"

#define WIRE(kind) WEFT__WIRE__WIRE__BODY_##kind
#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define RATE UINT64_C(1000000)
#define BATCH 60000u

static int open_stage(void **state) {
    struct solo_peer *stage = calloc(1, sizeof *stage);
    if (stage == NULL || !solo_peer_open(stage)) return 1;
    solo_peer_live(stage, false);
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_peer_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

static struct board_peer *slot(struct solo_peer *stage) {
    return &stage->solo.board->peers[0];
}

/* What came to the remote. */
struct heard {
    uint64_t batches, records;
};

static struct heard listen(struct solo_peer *stage) {
    struct heard heard = {0};
    for (struct said said; (said = solo_peer_heard(stage)).some;) {
        heard.batches += said.lane == LANE_BACKFILL;
        heard.records += said.lane == LANE_SHARED;
    }
    return heard;
}

/* A backfill that always has a batch ready, for so long. Returns bytes on the link. */
static uint64_t backfill(struct solo_peer *stage, uint64_t us) {
    const uint64_t before = board_get(slot(stage)->bytes_out);
    for (const uint64_t end = stage->solo.now.mono_us + us; stage->solo.now.mono_us < end;) {
        while (stage->granted_batches != 0) {
            stage->granted_batches--;
            solo_peer_batch(stage, BATCH, 1, false);
            assert_null(solo_peer_to_bulk(stage, WEFT__MAIL__BODY_PACKED));
        }
        solo_peer_wait(stage, MS);
        assert_null(solo_peer_to_bulk(stage, WEFT__MAIL__BODY_PACKED));
        const uint64_t arrived = listen(stage).batches;
        stage->link.out_size = stage->link.out_taken = 0; /* All is read. */
        if (arrived != 0) solo_peer_say_credit(stage, arrived * BATCH);
    }
    return board_get(slot(stage)->bytes_out) - before;
}

static void is_kept(uint64_t bytes, uint64_t rate, uint64_t us) {
    const uint64_t fair = rate * us / SECOND;
    assert_in_range(bytes, fair - fair / 20, fair + fair / 20);
}

static void rows_go_out_at_the_rate_of_all_sessions(void **state) {
    struct solo_peer *stage = *state;
    pace_set(&stage->solo.board->up, RATE);
    is_kept(backfill(stage, SECOND), RATE, SECOND);
    pace_set(&stage->solo.board->up, 2 * RATE);
    is_kept(backfill(stage, SECOND), 2 * RATE, SECOND);
    pace_set(&stage->solo.board->up, 0);
    assert_true(backfill(stage, SECOND / 5) > 5 * RATE);
}

static void rows_go_out_at_the_rate_of_one_device(void **state) {
    struct solo_peer *stage = *state;
    pace_set(&stage->solo.board->up, 3 * RATE);
    pace_set(&slot(stage)->up, RATE);
    is_kept(backfill(stage, SECOND), RATE, SECOND);
}

static void rows_go_out_at_the_rate_that_the_remote_asks_for(void **state) {
    struct solo_peer *stage = *state;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Credit credit = WEFT__WIRE__CREDIT__INIT;
    credit.rate = RATE;
    wire.body_case = WIRE(CREDIT);
    wire.credit = &credit;
    solo_peer_say(stage, &wire);
    is_kept(backfill(stage, SECOND), RATE, SECOND);
    solo_peer_say_credit(stage, 0); /* Says nothing about the rate. */
    is_kept(backfill(stage, SECOND), RATE, SECOND);
    credit.rate = 1;
    solo_peer_say(stage, &wire);
    assert_true(backfill(stage, SECOND / 5) > 5 * RATE);
}

static void a_record_passes_a_backfill_at_the_rate_within_a_tenth_of_a_second(void **state) {
    struct solo_peer *stage = *state;
    pace_set(&stage->solo.board->up, RATE);
    (void)backfill(stage, SECOND);
    for (uint64_t edit = 0; edit < 20; edit++) {
        (void)backfill(stage, 37 * MS); /* At another point of a batch each time. */
        const uint64_t begun = stage->solo.now.mono_us;
        solo_peer_shipment(stage, 300, false);
        while (listen(stage).records == 0) {
            solo_peer_wait(stage, MS);
            assert_true(stage->solo.now.mono_us - begun < 50 * MS);
        }
        solo_peer_say_shared_credit(stage, 300);
    }
}

static void the_remote_is_asked_to_keep_to_the_rate(void **state) {
    struct solo_peer *stage = *state;
    pace_set(&stage->solo.board->down, RATE);
    solo_peer_say_heartbeat(stage, 1);
    const Weft__Wire__Wire *said = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(said);
    assert_int_equal(said->credit->rate, RATE);
    /* Of what all together may send, each its part; of its own bound all. */
    board_set(stage->solo.board->live, 4);
    solo_peer_say_heartbeat(stage, 1);
    said = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(said);
    assert_int_equal(said->credit->rate, RATE / 4);
    pace_set(&slot(stage)->down, RATE / 10);
    solo_peer_say_heartbeat(stage, 1);
    said = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(said);
    assert_int_equal(said->credit->rate, RATE / 10);
    pace_set(&slot(stage)->down, 0);
    pace_set(&stage->solo.board->down, 0);
    solo_peer_say_heartbeat(stage, 1);
    said = solo_peer_heard_kind(stage, WIRE(CREDIT));
    assert_non_null(said);
    assert_int_equal(said->credit->rate, 1);
    board_set(stage->solo.board->live, 1);
}

static void a_remote_that_sends_faster_is_read_at_the_rate(void **state) {
    struct solo_peer *stage = *state;
    const uint64_t before = board_get(slot(stage)->bytes_in);
    pace_set(&stage->solo.board->down, RATE);
    /* Frames that nobody has to deal with: statements that are none would end the session. */
    for (int i = 0; i < 200; i++)
        solo_peer_say_bytes(stage, LANE_BACKFILL, 40000, 0);
    const uint64_t begun = stage->solo.now.mono_us;
    uint64_t taken = 0;
    while (stage->solo.now.mono_us < begun + 4 * SECOND) {
        solo_peer_wait(stage, MS);
        struct mail *mail = solo_peer_to_bulk(stage, WEFT__MAIL__BODY_PACKED);
        for (; mail != NULL; mail = solo_peer_to_bulk(stage, WEFT__MAIL__BODY_PACKED)) {
            mail_drop(&mail);
            solo_peer_held(stage, 1, 40000, "");
        }
        (void)listen(stage);
        taken = board_get(slot(stage)->bytes_in) - before;
    }
    is_kept(taken, RATE, 4 * SECOND);
}

static void on_a_metered_network_rows_wait_and_records_pass(void **state) {
    struct solo_peer *stage = *state;
    board_set(stage->solo.board->metered, 1);
    solo_peer_batch(stage, BATCH, 1, true);
    solo_peer_shipment(stage, 300, false);
    const struct heard heard = listen(stage);
    assert_int_equal(heard.batches, 0);
    assert_int_equal(heard.records, 1);
    board_set(stage->solo.board->metered, 0);
    solo_peer_wait(stage, SECOND);
    solo_peer_ready(stage);
    assert_int_equal(solo_peer_batches_heard(stage), 1);
}

#define RATE_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        RATE_TEST(rows_go_out_at_the_rate_of_all_sessions),
        RATE_TEST(rows_go_out_at_the_rate_of_one_device),
        RATE_TEST(rows_go_out_at_the_rate_that_the_remote_asks_for),
        RATE_TEST(a_record_passes_a_backfill_at_the_rate_within_a_tenth_of_a_second),
        RATE_TEST(the_remote_is_asked_to_keep_to_the_rate),
        RATE_TEST(a_remote_that_sends_faster_is_read_at_the_rate),
        RATE_TEST(on_a_metered_network_rows_wait_and_records_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
