/* The bulk actor alone, its way in: what of a received batch reaches the log, and that each batch
 * is said to be dealt with exactly once, whatever it was. Gaps and sweeps: test_bulk_gap.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/solo_bulk.h"
#include "tests/sim/rng.h"

static int open_stage(void **state) {
    struct solo_bulk *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    solo_bulk_library(stage);
    solo_bulk_start(stage, 100);
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    bool clean = solo_bulk_close(*state);
    free(*state);
    return clean ? 0 : 1;
}

/* THEM has joined as peer 0 and has been asked for its entries from 0. */
static struct solo_bulk *asked_them(void **state) {
    solo_bulk_ask(*state);
    return *state;
}

/* Hands over THEM's (after, upto] with `count` rows, from peer 0. */
static uint32_t deliver(struct solo_bulk *stage, uint64_t after, uint64_t upto, uint32_t count) {
    return solo_bulk_deliver(
        stage, &(struct delivery){.owner = THEM, .after = after, .upto = upto, .count = count});
}

static void nothing_for_the_log(struct solo_bulk *stage) {
    assert_null(solo_bulk_incoming(stage));
}

/* ---- what is used ---------------------------------------------------------------------------- */

static void a_batch_that_was_asked_for_reaches_the_log_decoded(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    struct mail *mail = solo_bulk_incoming(stage);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.incoming->rows;
    assert_int_equal(rows->owner.data[0], THEM);
    assert_int_equal(rows->model, library_model(&stage->library, "entry"));
    assert_int_equal(rows->count, 3);
    assert_int_equal(rows_version(rows, 0), 8);
    assert_int_equal(rows_value(rows, 2, 3).as.integer, 10);
    assert_int_equal(stage->heard[0].batches, 0); /* Dealt with when it is committed. */
    solo_bulk_home(stage, mail, WEFT_OK, 10, false);
    assert_int_equal(stage->heard[0].batches, 1);
}

static void batches_that_chain_need_not_wait_for_each_other(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    deliver(stage, 10, 20, 3);
    solo_bulk_deliver(
        stage,
        &(struct delivery){.owner = THEM, .after = 20, .upto = 90, .count = 60, .zipped = true});
    solo_bulk_expect(stage, 0, 10, 3);
    solo_bulk_expect(stage, 10, 20, 3);
    solo_bulk_expect(stage, 20, 90, 60);
    assert_int_equal(stage->heard[0].requests, 0);
}

static void a_column_that_the_sender_does_not_name_is_null(void **state) {
    struct solo_bulk *stage = asked_them(state);
    static const char *const two[] = {"id", "location_id"};
    solo_bulk_deliver(stage,
                      &(struct delivery){
                          .owner = THEM, .upto = 5, .count = 2, .columns = two, .column_count = 2});
    struct mail *mail = solo_bulk_incoming(stage);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.incoming->rows;
    assert_int_equal(rows->n_columns, 4);
    assert_int_equal(rows_value(rows, 1, 0).type, WEFT_BLOB);
    assert_int_equal(rows_value(rows, 1, 2).type, WEFT_NULL);
    solo_bulk_home(stage, mail, WEFT_OK, 5, false);
}

static void columns_come_in_the_sender_s_order(void **state) {
    struct solo_bulk *stage = asked_them(state);
    /* The stage fills columns by their number: what it calls name is a blob here. */
    static const char *const mixed[] = {"name", "location_id", "id", "size"};
    solo_bulk_deliver(
        stage, &(struct delivery){
                   .owner = THEM, .upto = 5, .count = 1, .columns = mixed, .column_count = 4});
    struct mail *mail = solo_bulk_incoming(stage);
    assert_non_null(mail);
    const Weft__Rows *rows = mail->body.incoming->rows;
    assert_int_equal(rows_value(rows, 0, 0).type, WEFT_TEXT);
    assert_int_equal(rows_value(rows, 0, 2).type, WEFT_BLOB);
    solo_bulk_home(stage, mail, WEFT_OK, 5, false);
}

/* ---- what is dropped, with its credit -------------------------------------------------------- */

/* The one batch handed over is dealt with, once, and the log has not seen it. */
static void expect_dropped(struct solo_bulk *stage, uint32_t peer, uint32_t bytes) {
    nothing_for_the_log(stage);
    assert_int_equal(stage->heard[peer].batches, 1);
    assert_int_equal(stage->heard[peer].bytes, bytes);
    assert_string_equal(stage->heard[peer].fault, "");
    stage->solo.now.mono_us += 10 * LIMIT_RETRY_US;
    solo_bulk_holds(stage, peer, OTHERS, 1); /* A reason to speak again. */
    assert_int_equal(stage->heard[peer].batches, 1);
    assert_int_equal(stage->heard[peer].bytes, bytes);
}

static void a_batch_of_a_stream_nobody_was_asked_for_is_dropped(void **state) {
    struct solo_bulk *stage = asked_them(state);
    uint32_t bytes = solo_bulk_deliver(
        stage, &(struct delivery){.owner = OTHERS, .after = 0, .upto = 10, .count = 2});
    expect_dropped(stage, 0, bytes);
}

static void a_batch_from_a_peer_that_was_not_asked_is_dropped(void **state) {
    struct solo_bulk *stage = asked_them(state);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_clear(stage, 1);
    uint32_t bytes = solo_bulk_deliver(
        stage, &(struct delivery){.peer = 1, .owner = THEM, .after = 0, .upto = 10, .count = 2});
    expect_dropped(stage, 1, bytes);
}

static void a_batch_of_this_device_s_own_rows_is_dropped(void **state) {
    struct solo_bulk *stage = asked_them(state);
    uint32_t bytes = solo_bulk_deliver(
        stage, &(struct delivery){.owner = ME, .after = 0, .upto = 10, .count = 2});
    expect_dropped(stage, 0, bytes);
}

static void a_batch_of_a_table_that_is_not_here_is_dropped(void **state) {
    struct solo_bulk *stage = asked_them(state);
    uint32_t bytes = solo_bulk_deliver(
        stage, &(struct delivery){.owner = THEM, .table = "photo", .upto = 10, .count = 2});
    expect_dropped(stage, 0, bytes);
}

static void a_batch_that_was_used_already_is_dropped_and_nothing_asked(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    solo_bulk_expect(stage, 0, 10, 3);
    solo_bulk_clear(stage, 0);
    uint32_t bytes = deliver(stage, 0, 10, 3);
    assert_int_equal(stage->heard[0].requests, 0);
    expect_dropped(stage, 0, bytes);
}

static void a_batch_of_an_earlier_session_brings_the_new_one_no_credit(void **state) {
    struct solo_bulk *stage = asked_them(state);
    solo_bulk_deliver(stage, &(struct delivery){
                                 .owner = OTHERS, .session = 1, .after = 0, .upto = 9, .count = 2});
    nothing_for_the_log(stage);
    solo_bulk_holds(stage, 0, OTHERS, 1);
    assert_int_equal(stage->heard[0].batches, 0);
    assert_int_equal(stage->heard[0].bytes, 0);
}

/* ---- what cannot be applied, and what is a fault --------------------------------------------- */

static void an_unknown_column_stops_its_stream_and_no_other(void **state) {
    struct solo_bulk *stage = asked_them(state);
    static const char *const newer[] = {"id", "location_id", "name", "colour"};
    char text[LIMIT_ERROR_BYTES];
    solo_bulk_deliver(
        stage, &(struct delivery){
                   .owner = THEM, .upto = 5, .count = 2, .columns = newer, .column_count = 4});
    nothing_for_the_log(stage);
    assert_non_null(strstr(solo_bulk_event(stage, text), "colour"));
    assert_string_equal(stage->heard[0].fault, "");
    assert_int_equal(stage->heard[0].batches, 1);
    assert_int_equal(stage->heard[0].requests, 1); /* Taken back. */
    assert_true(stage->heard[0].entry.position == STREAM_WITHDRAWN);
    deliver(stage, 0, 5, 2);
    nothing_for_the_log(stage);
    static const char *const place_columns[] = {"id", "device_id"};
    solo_bulk_deliver(
        stage, &(struct delivery){.owner = THEM,
                                  .table = "location",
                                  .after = library_position(
                                      &stage->library,
                                      &(struct stream){library_id(THEM),
                                                       library_model(&stage->library, "location")}),
                                  .upto = 5000000,
                                  .count = 1,
                                  .columns = place_columns,
                                  .column_count = 2});
    assert_int_equal(solo_bulk_commit_incoming(stage), 5000000);
    assert_int_equal(stage->heard[0].batches, 3);
}

static void a_stream_that_was_stopped_is_tried_again_in_the_next_session(void **state) {
    struct solo_bulk *stage = asked_them(state);
    static const char *const newer[] = {"id", "location_id", "name", "colour"};
    solo_bulk_deliver(
        stage, &(struct delivery){
                   .owner = THEM, .upto = 5, .count = 2, .columns = newer, .column_count = 4});
    solo_bulk_leave(stage, 0);
    solo_bulk_clear(stage, 0);
    solo_bulk_join(stage, 0, THEM);
    assert_int_equal(stage->heard[0].requests, 1);
    assert_int_equal(stage->heard[0].entry.position, 0);
}

static void a_batch_that_breaks_the_protocol_is_the_session_s_fault(void **state) {
    struct solo_bulk *stage = asked_them(state);
    static const char *const twice[] = {"id", "location_id", "name", "name"};
    const struct delivery faults[] = {
        {.owner = THEM, .upto = 5, .count = 2, .columns = twice, .column_count = 4},
        {.owner = THEM, .upto = 5, .count = 2, .keyless = true},
        {.owner = THEM, .upto = 5, .count = 2, .says = 1},
        {.owner = THEM, .upto = 5, .count = 0, .says = 1},
        {.owner = THEM, .after = 6, .upto = 5},
        {.owner = THEM, .upto = (uint64_t)INT64_MAX + 1},
        {.owner = THEM, .upto = 5, .horizon = (uint64_t)INT64_MAX + 1},
        {.owner = THEM, .says = 1}, /* Rows in an empty interval. */
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint32_t bytes = solo_bulk_deliver(stage, &faults[i]);
        nothing_for_the_log(stage);
        if (stage->heard[0].fault[0] == '\0') fail_msg("case %zu is taken", i);
        assert_int_equal(stage->heard[0].batches, 1);
        assert_int_equal(stage->heard[0].bytes, bytes);
        solo_bulk_clear(stage, 0);
    }
    deliver(stage, 0, 5, 2); /* They moved nothing. */
    solo_bulk_expect(stage, 0, 5, 2);
}

static void bytes_that_are_no_batch_are_the_session_s_fault(void **state) {
    struct solo_bulk *stage = asked_them(state);
    static const uint8_t junk[] = {0x1a, 0xff, 0xff, 0xff, 0x0f, 0x00};
    static const uint8_t heartbeat[] = {0x42, 0x00};
    const struct bytes cases[] = {{junk, sizeof junk}, {heartbeat, sizeof heartbeat}, {junk, 0}};
    for (uint32_t i = 0; i < 6; i++) {
        solo_bulk_deliver_bytes(stage, 0, cases[i % 3], i < 3 ? 0 : 100);
        nothing_for_the_log(stage);
        assert_string_not_equal(stage->heard[0].fault, "");
        assert_int_equal(stage->heard[0].batches, 1);
        solo_bulk_clear(stage, 0);
    }
}

/* ---- the end of a session -------------------------------------------------------------------- */

static void a_peer_that_leaves_is_let_go_when_its_last_batch_is_home(void **state) {
    struct solo_bulk *stage = asked_them(state);
    deliver(stage, 0, 10, 3);
    deliver(stage, 10, 20, 3);
    solo_bulk_leave(stage, 0);
    assert_int_equal(stage->heard[0].lefts, 0);
    assert_int_equal(solo_bulk_commit_incoming(stage), 10);
    assert_int_equal(stage->heard[0].lefts, 0);
    assert_int_equal(solo_bulk_commit_incoming(stage), 20);
    assert_int_equal(stage->heard[0].lefts, 1);
    assert_int_equal(stage->heard[0].batches, 0);
    solo_bulk_clear(stage, 0);
    solo_bulk_join(stage, 0, THEM);
    assert_int_equal(stage->heard[0].batches, 0);
    assert_int_equal(stage->heard[0].entry.position, 20);
}

static void a_peer_with_nothing_under_way_is_let_go_at_once(void **state) {
    struct solo_bulk *stage = asked_them(state);
    solo_bulk_leave(stage, 0);
    assert_int_equal(stage->heard[0].lefts, 1);
}

static void the_next_source_is_asked_when_the_last_batch_of_the_old_one_is_home(void **state) {
    struct solo_bulk *stage = asked_them(state);
    solo_bulk_join(stage, 1, OTHERS);
    solo_bulk_holds(stage, 1, THEM, 50);
    solo_bulk_clear(stage, 1);
    deliver(stage, 0, 10, 3);
    solo_bulk_leave(stage, 0);
    assert_int_equal(stage->heard[1].requests, 0);
    assert_int_equal(solo_bulk_commit_incoming(stage), 10);
    assert_int_equal(stage->heard[1].requests, 1);
    assert_int_equal(stage->heard[1].entry.owner, THEM);
    assert_int_equal(stage->heard[1].entry.position, 10);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* What a remote may send, right and wrong. */
static struct delivery any_delivery(struct rng *rng, uint64_t right) {
    struct delivery delivery = {.owner = THEM, .after = right, .count = 1};
    switch (rng_below(rng, 12)) {
    case 0:
        delivery.after = rng_below(rng, right + 50);
        break;
    case 1:
        delivery.owner = OTHERS;
        break;
    case 2:
        delivery.table = "photo";
        break;
    case 3:
        delivery.says = 1;
        break;
    case 4:
        delivery.keyless = true;
        break;
    case 5:
        delivery.sweep = rng_chance(rng, 300);
        delivery.count = 0;
        break;
    default:
        delivery.count = (uint32_t)rng_below(rng, 5);
        break;
    }
    delivery.upto = delivery.after + rng_between(rng, delivery.count, 10);
    if (delivery.sweep && rng_chance(rng, 500)) delivery.upto = delivery.after;
    return delivery;
}

/* The log as it is: answers with the position, or with what the disk said. */
struct scribe {
    uint64_t position, cursor;
    bool sweeping;
};

static void answer(struct solo_bulk *stage, struct rng *rng, struct scribe *scribe) {
    struct mail *mail = solo_bulk_incoming(stage);
    if (mail == NULL) return;
    const Weft__Rows *rows = mail->body.incoming->rows;
    bool begins = rows->sweep && rows->count == 0 && rows->after == rows->upto;
    uint64_t place = scribe->sweeping ? scribe->cursor : scribe->position;
    enum weft_status status = rng_chance(rng, 100) ? WEFT_DISK_FULL : WEFT_OK;
    if (rows->after != place || (begins ? scribe->sweeping : rows->sweep != scribe->sweeping)) {
        status = WEFT_INVALID;
    }
    if (status == WEFT_OK && begins) {
        scribe->sweeping = true;
        scribe->cursor = 0;
    } else if (status == WEFT_OK && scribe->sweeping) {
        scribe->cursor = rows->upto;
        scribe->sweeping = rows->upto < scribe->position;
        if (!scribe->sweeping) scribe->position = rows->upto;
    } else if (status == WEFT_OK) {
        scribe->position = rows->upto;
    }
    solo_bulk_home(stage, mail, status, scribe->sweeping ? scribe->cursor : scribe->position,
                   scribe->sweeping);
    if (status == WEFT_DISK_FULL) stage->solo.now.mono_us += LIMIT_RETRY_US;
}

static void every_batch_is_dealt_with_exactly_once(void **state) {
    struct solo_bulk *stage = asked_them(state);
    struct rng rng;
    struct scribe scribe = {0};
    uint32_t given = 0, used = 0;
    uint64_t bytes = 0;
    rng_seed(&rng, 11, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        if (given - stage->heard[0].batches < LIMIT_PEER_PACKED && rng_chance(&rng, 600)) {
            uint64_t right = stage->heard[0].requests != 0 ? stage->heard[0].entry.position : 0;
            struct delivery next =
                any_delivery(&rng, rng_chance(&rng, 700) ? scribe.position : right % 100000);
            next.sweep = next.sweep || scribe.sweeping;
            bytes += solo_bulk_deliver(stage, &next);
            given++;
        } else {
            uint64_t before = scribe.position;
            answer(stage, &rng, &scribe);
            used += scribe.position != before;
        }
        assert_true(stage->heard[0].batches <= given);
    }
    while (given != stage->heard[0].batches) {
        uint32_t before = stage->heard[0].batches;
        answer(stage, &rng, &scribe);
        assert_int_not_equal(stage->heard[0].batches, before);
    }
    assert_int_equal(stage->heard[0].bytes, bytes);
    assert_true(used > 100); /* It was not all refused. */
    solo_bulk_leave(stage, 0);
    assert_int_equal(stage->heard[0].lefts, 1);
}

#define RECEIVE_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        RECEIVE_TEST(a_batch_that_was_asked_for_reaches_the_log_decoded),
        RECEIVE_TEST(batches_that_chain_need_not_wait_for_each_other),
        RECEIVE_TEST(a_column_that_the_sender_does_not_name_is_null),
        RECEIVE_TEST(columns_come_in_the_sender_s_order),
        RECEIVE_TEST(a_batch_of_a_stream_nobody_was_asked_for_is_dropped),
        RECEIVE_TEST(a_batch_from_a_peer_that_was_not_asked_is_dropped),
        RECEIVE_TEST(a_batch_of_this_device_s_own_rows_is_dropped),
        RECEIVE_TEST(a_batch_of_a_table_that_is_not_here_is_dropped),
        RECEIVE_TEST(a_batch_that_was_used_already_is_dropped_and_nothing_asked),
        RECEIVE_TEST(a_batch_of_an_earlier_session_brings_the_new_one_no_credit),
        RECEIVE_TEST(an_unknown_column_stops_its_stream_and_no_other),
        RECEIVE_TEST(a_stream_that_was_stopped_is_tried_again_in_the_next_session),
        RECEIVE_TEST(a_batch_that_breaks_the_protocol_is_the_session_s_fault),
        RECEIVE_TEST(bytes_that_are_no_batch_are_the_session_s_fault),
        RECEIVE_TEST(a_peer_that_leaves_is_let_go_when_its_last_batch_is_home),
        RECEIVE_TEST(a_peer_with_nothing_under_way_is_let_go_at_once),
        RECEIVE_TEST(the_next_source_is_asked_when_the_last_batch_of_the_old_one_is_home),
        RECEIVE_TEST(every_batch_is_dealt_with_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
