/* The share actor alone, snapshots: who is told that it lies below the horizon and what it is sent
 * then, whom this device takes a snapshot from, and what it does with chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "engine/crdt/hlc.h"
#include "tests/lib/solo_share.h"

static struct solo_share *started(void **state, unsigned records) {
    struct solo_share *stage = *state;
    if (records != 0) solo_share_say(stage, &stage->scene->ann, records, 10);
    solo_share_start(stage);
    return stage;
}

/* The remote is there, has said that this device lies below, and is asked for a chunk. */
static struct solo_share *asked(void **state) {
    struct solo_share *stage = started(state, 0);
    solo_share_join(stage, 0, 2);
    solo_share_below(stage, 0, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    return stage;
}

/* The mail on its way to the log comes home with this. */
static void home(struct solo_share *stage, enum weft_status status) {
    struct mail *mail = solo_share_incoming(stage);
    assert_non_null(mail);
    solo_share_home(stage, mail, status, status == WEFT_OK ? "" : "no");
}

static void nothing_under_way(struct solo_share *stage) {
    assert_null(solo_share_incoming(stage));
}

/* A first chunk that is sound, and not the last one. */
static struct solo_chunk first_chunk(struct bytes *head, const char *cursor) {
    return (struct solo_chunk){.heads = head, .head_count = 1, .cursor = cursor};
}

/* The first chunk has come and is taken; what is next is at `cursor`. */
static void take_first(struct solo_share *stage, uint32_t peer, const char *cursor, bool last) {
    struct bytes head = solo_share_proof(stage, 3, 500);
    struct solo_chunk chunk = first_chunk(&head, cursor);
    chunk.last = last;
    solo_share_chunk(stage, peer, chunk);
    home(stage, WEFT_OK);
    if (last) return;
    assert_int_equal(solo_share_all_notes(stage, peer).wants_kept, 1);
    solo_share_below(stage, peer, true);
}

/* ---- giving ---------------------------------------------------------------------------------- */

static void who_lies_below_is_told_so_and_sent_nothing(void **state) {
    struct solo_share *stage = started(state, 4);
    solo_share_horizon(stage, &stage->scene->ann, 2, false);
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, &(struct solo_head){&stage->scene->ann, 1}, 1);
    const struct solo_shipment told = solo_share_shipment(stage, 0);
    assert_true(told.below && !told.kept && !told.chunk);
    assert_int_equal(told.count, 0);
    solo_share_grown(stage, &stage->scene->ann, 1, 10);
    solo_share_later(stage, 60000000);
    assert_false(solo_share_shipment(stage, 0).some);
    /* It asks from above. */
    solo_share_want(stage, 0, &(struct solo_head){&stage->scene->ann, 2}, 1);
    const struct solo_shipment shipment = solo_share_shipment(stage, 0);
    assert_int_equal(shipment.count, 3);
    assert_int_equal(shipment.records[0].seq, 3);
    assert_false(shipment.below);
}

static void that_it_lies_below_is_told_when_there_is_credit(void **state) {
    struct solo_share *stage = started(state, 4);
    solo_share_horizon(stage, &stage->scene->ann, 2, false);
    solo_share_join(stage, 0, 0);
    solo_share_want(stage, 0, NULL, 0);
    assert_false(solo_share_shipment(stage, 0).some);
    solo_share_grant(stage, 0, 1, 0);
    assert_true(solo_share_shipment(stage, 0).below);
}

static void what_is_kept_for_good_comes_in_one_pass_with_an_end(void **state) {
    struct solo_share *stage = started(state, 4);
    solo_share_horizon(stage, &stage->scene->ann, 4, false);
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, NULL, 0);
    assert_true(solo_share_shipment(stage, 0).below);
    solo_share_asks(stage, 0, true);
    const struct solo_shipment kept = solo_share_shipment(stage, 0);
    assert_true(kept.kept && kept.below);
    assert_int_equal(kept.count, 4);
    /* Nothing more until it asks. */
    solo_share_grant(stage, 0, 2, 0);
    assert_false(solo_share_shipment(stage, 0).some);
}

/* It goes below while records are on their way to it, which it refuses. */
static void what_is_kept_for_good_comes_also_if_it_was_sent_before(void **state) {
    struct solo_share *stage = started(state, 4);
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, NULL, 0);
    assert_int_equal(solo_share_shipment(stage, 0).count, 4);
    solo_share_asks(stage, 0, true);
    const struct solo_shipment kept = solo_share_shipment(stage, 0);
    assert_true(kept.kept && kept.below);
    assert_int_equal(kept.count, 4);
}

static void a_library_that_keeps_nothing_says_the_end_at_once(void **state) {
    struct solo_share *stage = started(state, 0);
    solo_share_join(stage, 0, 2);
    solo_share_asks(stage, 0, true);
    const struct solo_shipment end = solo_share_shipment(stage, 0);
    assert_true(end.kept && end.below);
    assert_int_equal(end.count, 0);
}

static void a_request_for_the_log_does_not_cut_the_pass_short(void **state) {
    struct solo_share *stage = started(state, 4);
    solo_share_horizon(stage, &stage->scene->ann, 4, false);
    solo_share_join(stage, 0, 0);
    solo_share_asks(stage, 0, true);
    solo_share_want(stage, 0, NULL, 0);
    solo_share_grant(stage, 0, 2, 0);
    bool kept = false;
    for (struct solo_shipment shipment; (shipment = solo_share_shipment(stage, 0)).some;)
        kept = kept || (shipment.kept && shipment.below && shipment.count == 4);
    assert_true(kept);
}

static void records_kept_beyond_a_head_are_not_shipped_as_ordinary_ones(void **state) {
    struct solo_share *stage = *state;
    struct scene *scene = stage->scene;
    solo_share_say(stage, &scene->ann, 1, 10);
    /* Number 3 is here, as a snapshot brought it, and number 2 is not. */
    struct author ahead = scene->ann;
    (void)author_signs(&scene->arena, &ahead, 10);
    const struct signed_record third = author_signs(&scene->arena, &ahead, 10);
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO shared_changes(origin, seq, hlc, record, keep) "
             "SELECT origin, 3, 103, zeroblob(%zu), 1 FROM shared_changes",
             third.bytes.size);
    library_sql(&scene->library, sql);
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, NULL, 0);
    const struct solo_shipment shipment = solo_share_shipment(stage, 0);
    assert_int_equal(shipment.count, 1);
    assert_int_equal(shipment.records[0].seq, 1);
    assert_false(solo_share_shipment(stage, 0).some);
}

static void a_chunk_is_given_to_who_asks_when_there_is_credit(void **state) {
    struct solo_share *stage = started(state, 4);
    solo_share_join(stage, 0, 0);
    solo_share_asks(stage, 0, false);
    assert_false(solo_share_shipment(stage, 0).some);
    solo_share_grant(stage, 0, 1, 0);
    const struct solo_shipment chunk = solo_share_shipment(stage, 0);
    assert_true(chunk.chunk && chunk.last && !chunk.busy);
    solo_share_grant(stage, 0, 1, 0);
    assert_false(solo_share_shipment(stage, 0).some);
}

static void who_takes_a_snapshot_itself_is_busy(void **state) {
    struct solo_share *stage = asked(state);
    solo_share_join(stage, 1, 2);
    take_first(stage, 0, "c1", false);
    solo_share_asks(stage, 1, false);
    assert_true(solo_share_shipment(stage, 1).busy);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static void chunks_are_asked_for_one_at_a_time_and_then_what_is_kept(void **state) {
    struct solo_share *stage = asked(state);
    (void)solo_share_all_notes(stage, 0);
    take_first(stage, 0, "c1", false);
    struct solo_notes said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.wants, 1);
    assert_string_equal(said.cursor, "c1");
    solo_share_chunk(stage, 0, (struct solo_chunk){.cursor = "c2"});
    home(stage, WEFT_OK);
    said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.wants, 1);
    assert_int_equal(said.wants_kept, 0);
    assert_string_equal(said.cursor, "c2");
    take_first(stage, 0, "", true);
    said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.wants, 0);
    assert_int_equal(said.wants_kept, 1);
    solo_share_below(stage, 0, true);
    struct mail *end = solo_share_incoming(stage);
    assert_non_null(end);
    assert_true(end->body.records->chunk->finish);
    solo_share_home(stage, end, WEFT_OK, "");
    nothing_under_way(stage);
}

static void nobody_is_told_what_is_held_until_the_snapshot_is_whole(void **state) {
    struct solo_share *stage = asked(state);
    (void)solo_share_all_notes(stage, 0);
    take_first(stage, 0, "", true);
    (void)solo_share_all_notes(stage, 0);
    solo_share_horizon(stage, &stage->scene->ann, 0, true);
    assert_int_equal(solo_share_all_notes(stage, 0).helds, 0);
    solo_share_below(stage, 0, true);
    home(stage, WEFT_OK);
    solo_share_horizon(stage, &stage->scene->ann, 0, true);
    struct solo_notes said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.held, 0);
    solo_share_horizon(stage, &stage->scene->ann, 0, false);
    assert_true(solo_share_all_notes(stage, 0).helds > 0);
}

static void a_snapshot_may_be_whole_before_its_end_comes_home(void **state) {
    struct solo_share *stage = asked(state);
    (void)solo_share_all_notes(stage, 0);
    take_first(stage, 0, "", true);
    (void)solo_share_all_notes(stage, 0);
    solo_share_below(stage, 0, true);
    struct mail *end = solo_share_incoming(stage);
    assert_non_null(end);
    solo_share_horizon(stage, &stage->scene->ann, 0, false);
    solo_share_home(stage, end, WEFT_OK, "");
    assert_true(solo_share_all_notes(stage, 0).helds > 0);
    solo_share_join(stage, 1, 2);
    solo_share_asks(stage, 1, false);
    assert_false(solo_share_shipment(stage, 1).busy);
}

static void a_chunk_that_nobody_has_asked_for_is_blamed(void **state) {
    struct solo_share *stage = started(state, 0);
    struct bytes head = solo_share_proof(stage, 3, 500);
    solo_share_join(stage, 0, 2);
    solo_share_chunk(stage, 0, first_chunk(&head, "c"));
    nothing_under_way(stage);
    assert_non_null(strstr(solo_share_all_notes(stage, 0).fault, "nobody has asked for"));
}

static void a_chunk_answers_one_request_and_no_more(void **state) {
    struct solo_share *stage = asked(state);
    struct bytes head = solo_share_proof(stage, 3, 500);
    solo_share_chunk(stage, 0, first_chunk(&head, "c"));
    solo_share_chunk(stage, 0, first_chunk(&head, "d"));
    home(stage, WEFT_OK);
    nothing_under_way(stage);
    assert_string_not_equal(solo_share_all_notes(stage, 0).fault, "");
}

static void an_unsound_chunk_is_blamed_and_goes_no_further(void **state) {
    static const uint8_t junk[40] = {1, 2, 3};
    uint8_t number_zero[RECORD_PROOF];
    struct solo_share *stage = started(state, 0);
    struct bytes head = solo_share_proof(stage, 3, 500);
    memcpy(number_zero, head.data, sizeof number_zero);
    memset(number_zero + 24, 0, 8);
    struct bytes bad = {number_zero, sizeof number_zero}, cut = {head.data, head.size - 1};
    struct bytes longer = {head.data, head.size};
    const struct solo_chunk chunks[] = {
        {.heads = &head, .head_count = 1, .cursor = "c", .body = {junk, sizeof junk}},
        {.heads = &bad, .head_count = 1, .cursor = "c"},
        {.heads = &cut, .head_count = 1, .cursor = "c"},
        {.heads = &longer, .head_count = 1}, /* not the last, and where to go on? */
    };
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        solo_share_join(stage, 0, 2);
        solo_share_below(stage, 0, false);
        assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
        solo_share_chunk(stage, 0, chunks[i]);
        nothing_under_way(stage);
        assert_string_not_equal(solo_share_all_notes(stage, 0).fault, "");
        solo_share_leave(stage, 0);
        assert_int_equal(solo_share_all_notes(stage, 0).lefts, 0);
        solo_share_later(stage, LIMIT_SOURCE_US + 1);
    }
}

static void a_busy_source_is_left_for_another_while_nothing_was_taken(void **state) {
    struct solo_share *stage = asked(state);
    solo_share_join(stage, 1, 2);
    solo_share_below(stage, 1, false);
    (void)solo_share_all_notes(stage, 0);
    assert_int_equal(solo_share_all_notes(stage, 1).wants, 0);
    solo_share_chunk(stage, 0, (struct solo_chunk){.busy = true});
    assert_int_equal(solo_share_all_notes(stage, 1).wants, 1);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 0);
}

static void a_busy_source_alone_is_asked_again_after_a_pause(void **state) {
    struct solo_share *stage = asked(state);
    solo_share_chunk(stage, 0, (struct solo_chunk){.busy = true});
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 0);
    solo_share_later(stage, LIMIT_RETRY_US - 1);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 0);
    solo_share_later(stage, 1);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
}

static void a_cursor_that_is_lost_begins_anew(void **state) {
    struct solo_share *stage = asked(state);
    take_first(stage, 0, "c1", false);
    assert_string_equal(solo_share_all_notes(stage, 0).cursor, "c1");
    solo_share_chunk(stage, 0, (struct solo_chunk){.lost = true});
    const struct solo_notes said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.wants, 1);
    assert_string_equal(said.cursor, "");
}

static void a_source_that_is_lost_gives_way_to_another_after_a_while(void **state) {
    struct solo_share *stage = asked(state);
    take_first(stage, 0, "c1", false);
    solo_share_join(stage, 1, 2);
    solo_share_below(stage, 1, false);
    solo_share_leave(stage, 0);
    solo_share_later(stage, LIMIT_SOURCE_US - 1);
    assert_int_equal(solo_share_all_notes(stage, 1).wants, 0);
    solo_share_later(stage, 1);
    const struct solo_notes said = solo_share_all_notes(stage, 1);
    assert_int_equal(said.wants, 1);
    assert_string_equal(said.cursor, ""); /* All begins anew. */
}

static void a_source_that_comes_back_goes_on_from_the_cursor(void **state) {
    struct solo_share *stage = asked(state);
    take_first(stage, 0, "c1", false);
    (void)solo_share_all_notes(stage, 0);
    solo_share_leave(stage, 0);
    (void)solo_share_notes(stage, 0);
    solo_share_later(stage, LIMIT_SOURCE_US / 2);
    solo_share_join(stage, 0, 2);
    const struct solo_notes said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.wants, 1);
    assert_string_equal(said.cursor, "c1");
}

/* ---- two below each other -------------------------------------------------------------------- */

static struct solo_share *below_each_other(void **state, bool low) {
    struct solo_share *stage = *state;
    stage->low[0] = low;
    solo_share_say(stage, &stage->scene->ann, 3, 10);
    solo_share_start(stage);
    solo_share_horizon(stage, &stage->scene->ann, 2, false);
    solo_share_join(stage, 0, 2);
    solo_share_want(stage, 0, NULL, 0);
    assert_true(solo_share_shipment(stage, 0).below);
    solo_share_below(stage, 0, false);
    return stage;
}

static void of_two_below_each_other_the_lower_id_asks(void **state) {
    struct solo_share *stage = below_each_other(state, false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
}

static void of_two_below_each_other_the_greater_id_waits_until_the_other_is_above(void **state) {
    struct solo_share *stage = below_each_other(state, true);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 0);
    solo_share_later(stage, LIMIT_SOURCE_US * 2);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 0);
    solo_share_want(stage, 0, &(struct solo_head){&stage->scene->ann, 3}, 1);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
}

/* ---- bad sources ----------------------------------------------------------------------------- */

static void a_source_whose_heads_are_forged_gives_way_to_another(void **state) {
    struct solo_share *stage = asked(state);
    struct bytes head = solo_share_proof(stage, 3, 500);
    solo_share_join(stage, 1, 2);
    solo_share_below(stage, 1, false);
    (void)solo_share_all_notes(stage, 0);
    solo_share_chunk(stage, 0, first_chunk(&head, "c1"));
    home(stage, WEFT_DENIED);
    assert_string_not_equal(solo_share_all_notes(stage, 0).fault, "");
    /* Its session is ended, and it comes back at once, as if nothing had happened. */
    solo_share_leave(stage, 0);
    (void)solo_share_notes(stage, 0);
    solo_share_join(stage, 0, 2);
    solo_share_later(stage, LIMIT_RETRY_US);
    assert_int_equal(solo_share_all_notes(stage, 1).wants, 1);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 0);
}

static void a_lie_at_the_beginning_keeps_nobody_from_the_others(void **state) {
    struct solo_share *stage = asked(state);
    struct bytes head = solo_share_proof(stage, 3, 500);
    solo_share_join(stage, 1, 2);
    (void)solo_share_all_notes(stage, 1);
    solo_share_chunk(stage, 0, first_chunk(&head, "c1"));
    home(stage, WEFT_DENIED);
    /* Nothing was begun: what is held is told, and given. */
    solo_share_grown(stage, &stage->scene->ann, 1, 10);
    assert_true(solo_share_all_notes(stage, 1).helds > 0);
    solo_share_asks(stage, 1, false);
    const struct solo_shipment chunk = solo_share_shipment(stage, 1);
    assert_true(chunk.chunk && !chunk.busy);
}

static void a_stamp_ahead_of_the_clock_is_held_back(void **state) {
    struct solo_share *stage = asked(state);
    const uint64_t ahead_ms = stage->solo.now.wall_ms + LIMIT_CLOCK_AHEAD_MS + 1000;
    struct bytes head = solo_share_proof(stage, 3, hlc_pack(ahead_ms, 0));
    (void)solo_share_all_notes(stage, 0);
    solo_share_chunk(stage, 0, first_chunk(&head, "c1"));
    nothing_under_way(stage);
    assert_string_equal(solo_share_all_notes(stage, 0).fault, "");
    solo_share_later(stage, LIMIT_RETRY_US);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    solo_share_chunk(stage, 0, first_chunk(&head, "c1"));
    home(stage, WEFT_OK); /* Its time has come. */
}

/* Its giver holds them, and waits for their time likewise. */
static void a_last_chunk_is_taken_though_its_heads_lie_ahead_of_the_clock(void **state) {
    struct solo_share *stage = asked(state);
    struct bytes heads[] = {
        solo_share_proof(stage, 4, 700),
        solo_share_proof(stage, 9, hlc_pack(stage->solo.now.wall_ms + 86400000, 0))};
    (void)solo_share_all_notes(stage, 0);
    take_first(stage, 0, "c1", false);
    assert_int_equal(solo_share_all_notes(stage, 0).wants, 1);
    solo_share_chunk(stage, 0, (struct solo_chunk){.heads = heads, .head_count = 2, .last = true});
    struct mail *mail = solo_share_incoming(stage);
    assert_non_null(mail);
    /* The clock passes the stamps that it may pass. */
    assert_int_equal(mail->body.records->hlc, 700);
    solo_share_home(stage, mail, WEFT_OK, "");
    assert_int_equal(solo_share_all_notes(stage, 0).wants_kept, 1);
}

static void a_source_ahead_of_the_clock_does_not_keep_others_from_giving(void **state) {
    struct solo_share *stage = asked(state);
    struct bytes head = solo_share_proof(stage, 3, hlc_pack(stage->solo.now.wall_ms + 86400000, 0));
    (void)solo_share_all_notes(stage, 0);
    solo_share_chunk(stage, 0, first_chunk(&head, "c1"));
    nothing_under_way(stage);
    solo_share_join(stage, 1, 2);
    solo_share_below(stage, 1, false);
    for (int i = 0; i < 3 && solo_share_all_notes(stage, 1).wants == 0; i++) {
        solo_share_later(stage, LIMIT_RETRY_US);
        if (solo_share_all_notes(stage, 0).wants != 0)
            solo_share_chunk(stage, 0, first_chunk(&head, "c1"));
        nothing_under_way(stage);
        if (i == 2) fail_msg("only the one whose clock is wrong is asked");
    }
}

/* ---- what is kept for good, and a log that cannot take it ------------------------------------ */

static struct solo_share *at_kept(void **state) {
    struct solo_share *stage = asked(state);
    (void)solo_share_all_notes(stage, 0);
    take_first(stage, 0, "", true);
    assert_int_equal(solo_share_all_notes(stage, 0).wants_kept, 1);
    return stage;
}

static void deliver_kept(struct solo_share *stage, bool below) {
    struct scene *scene = stage->scene;
    const struct signed_record one = author_signs(&scene->arena, &scene->ann, 10);
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_RECORDS, &records);
    records->session = SOLO_SHARE_SESSION;
    records->kept = true;
    records->below = below;
    records->records = arena_zero(&mail->arena, sizeof *records->records);
    assert_non_null(records->records);
    records->n_records = 1;
    assert_true(mail_bytes(mail, &records->records[0], one.bytes.data, one.bytes.size));
    solo_tell(&stage->solo, ACTOR_PEER, mail);
    solo_turn(&stage->solo);
}

/* Whether the log is told to end the snapshot; what is under way otherwise comes home well. */
static bool ends(struct solo_share *stage) {
    bool end = false;
    for (struct mail *mail; (mail = solo_share_incoming(stage)) != NULL;) {
        end = end || (mail->body.records->chunk != NULL && mail->body.records->chunk->finish);
        solo_share_home(stage, mail, WEFT_OK, "");
    }
    return end;
}

static void the_end_comes_after_what_is_kept_was_taken(void **state) {
    struct solo_share *stage = at_kept(state);
    deliver_kept(stage, true);
    home(stage, WEFT_OK);
    assert_true(ends(stage));
}

static void a_snapshot_does_not_end_without_what_a_full_disk_refused(void **state) {
    struct solo_share *stage = at_kept(state);
    deliver_kept(stage, false);
    solo_share_below(stage, 0, true);
    home(stage, WEFT_DISK_FULL);
    assert_false(ends(stage));
    (void)solo_share_all_notes(stage, 0);
    solo_share_later(stage, 64 * LIMIT_RETRY_US);
    assert_false(ends(stage));
}

static void what_a_full_disk_refused_is_asked_for_again(void **state) {
    struct solo_share *stage = at_kept(state);
    deliver_kept(stage, true);
    home(stage, WEFT_DISK_FULL);
    assert_false(ends(stage));
    solo_share_later(stage, LIMIT_RETRY_US);
    assert_int_equal(solo_share_all_notes(stage, 0).wants_kept, 1);
    deliver_kept(stage, true);
    home(stage, WEFT_OK);
    assert_true(ends(stage));
}

static void a_pass_that_failed_in_part_is_not_ended_by_its_rest(void **state) {
    struct solo_share *stage = at_kept(state);
    deliver_kept(stage, false);
    deliver_kept(stage, true);
    home(stage, WEFT_DISK_FULL);
    home(stage, WEFT_OK);
    assert_false(ends(stage));
    solo_share_later(stage, LIMIT_RETRY_US);
    assert_int_equal(solo_share_all_notes(stage, 0).wants_kept, 1);
}

static void a_source_whose_records_still_come_is_not_lost(void **state) {
    struct solo_share *stage = at_kept(state);
    for (int part = 0; part < 6; part++) {
        solo_share_later(stage, LIMIT_SOURCE_US);
        deliver_kept(stage, false);
        home(stage, WEFT_OK);
        assert_string_equal(solo_share_all_notes(stage, 0).fault, "");
    }
    solo_share_below(stage, 0, true);
    assert_true(ends(stage));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        share_test(who_lies_below_is_told_so_and_sent_nothing),
        share_test(that_it_lies_below_is_told_when_there_is_credit),
        share_test(what_is_kept_for_good_comes_in_one_pass_with_an_end),
        share_test(a_library_that_keeps_nothing_says_the_end_at_once),
        share_test(what_is_kept_for_good_comes_also_if_it_was_sent_before),
        share_test(a_request_for_the_log_does_not_cut_the_pass_short),
        share_test(records_kept_beyond_a_head_are_not_shipped_as_ordinary_ones),
        share_test(a_chunk_is_given_to_who_asks_when_there_is_credit),
        share_test(who_takes_a_snapshot_itself_is_busy),
        share_test(chunks_are_asked_for_one_at_a_time_and_then_what_is_kept),
        share_test(nobody_is_told_what_is_held_until_the_snapshot_is_whole),
        share_test(a_snapshot_may_be_whole_before_its_end_comes_home),
        share_test(a_chunk_that_nobody_has_asked_for_is_blamed),
        share_test(a_chunk_answers_one_request_and_no_more),
        share_test(an_unsound_chunk_is_blamed_and_goes_no_further),
        share_test(a_busy_source_is_left_for_another_while_nothing_was_taken),
        share_test(a_busy_source_alone_is_asked_again_after_a_pause),
        share_test(a_cursor_that_is_lost_begins_anew),
        share_test(a_source_that_is_lost_gives_way_to_another_after_a_while),
        share_test(a_source_that_comes_back_goes_on_from_the_cursor),
        share_test(of_two_below_each_other_the_lower_id_asks),
        share_test(of_two_below_each_other_the_greater_id_waits_until_the_other_is_above),
        share_test(a_source_whose_heads_are_forged_gives_way_to_another),
        share_test(a_lie_at_the_beginning_keeps_nobody_from_the_others),
        share_test(a_stamp_ahead_of_the_clock_is_held_back),
        share_test(a_last_chunk_is_taken_though_its_heads_lie_ahead_of_the_clock),
        share_test(a_source_ahead_of_the_clock_does_not_keep_others_from_giving),
        share_test(the_end_comes_after_what_is_kept_was_taken),
        share_test(a_snapshot_does_not_end_without_what_a_full_disk_refused),
        share_test(what_a_full_disk_refused_is_asked_for_again),
        share_test(a_pass_that_failed_in_part_is_not_ended_by_its_rest),
        share_test(a_source_whose_records_still_come_is_not_lost),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
