/* The share actor alone, whom a snapshot comes from once some of it has been taken: from nobody but
 * who began it, who holds all that its first heads and its last ones name. What another has may
 * lie below them, and rows that changed while they were read are whole only with the log behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/crdt/hlc.h"
#include "engine/wire/snapshot.h"
#include "tests/lib/solo_share.h"

/* The mail on its way to the log comes home. */
static void home(struct solo_share *stage) {
    struct mail *mail = solo_share_incoming(stage);
    assert_non_null(mail);
    solo_share_home(stage, mail, WEFT_OK, "");
}

static unsigned wants(struct solo_share *stage, uint32_t peer) {
    return solo_share_all_notes(stage, peer).wants;
}

/* Of peer 0 the first chunk was taken, and what it never forgets. */
static struct solo_share *begun(void **state, bool last) {
    struct solo_share *stage = *state;
    solo_share_start(stage);
    solo_share_join(stage, 0, 2);
    solo_share_below(stage, 0, false);
    assert_int_equal(wants(stage, 0), 1);
    struct bytes head = solo_share_proof(stage, 5, 500);
    const struct solo_chunk chunk = {
        .heads = &head, .head_count = 1, .cursor = last ? "" : "c1", .last = last};
    solo_share_chunk(stage, 0, chunk);
    home(stage);
    assert_int_equal(solo_share_all_notes(stage, 0).wants_kept, 1);
    solo_share_below(stage, 0, true);
    return stage;
}

/* All chunks of peer 0 were taken, and the heads raised; the log up to the last ones is missing. */
static struct solo_share *following(void **state) {
    struct solo_share *stage = begun(state, true);
    home(stage);
    solo_share_horizon(stage, &stage->scene->ann, 0, true);
    return stage;
}

/* Peer 1 is there, and would give. */
static void another_comes(struct solo_share *stage) {
    solo_share_join(stage, 1, 2);
    solo_share_below(stage, 1, false);
}

static void the_log_behind_a_snapshot_is_waited_for_though_another_would_give(void **state) {
    struct solo_share *stage = following(state);
    another_comes(stage);
    assert_int_equal(wants(stage, 1), 0);
    solo_share_later(stage, LIMIT_SOURCE_US);
    assert_int_equal(wants(stage, 1), 0);
    /* It comes, and then the other one's is taken. */
    solo_share_horizon(stage, &stage->scene->ann, 0, false);
    assert_int_equal(wants(stage, 1), 1);
}

static void a_source_that_has_forgotten_that_log_gives_another_snapshot(void **state) {
    struct solo_share *stage = following(state);
    another_comes(stage);
    solo_share_below(stage, 0, false);
    const struct solo_notes said = solo_share_all_notes(stage, 0);
    assert_int_equal(said.wants, 1);
    assert_string_equal(said.cursor, "");
    assert_int_equal(wants(stage, 1), 0);
}

static void that_log_is_not_waited_for_when_its_source_has_gone(void **state) {
    struct solo_share *stage = following(state);
    another_comes(stage);
    solo_share_leave(stage, 0);
    solo_share_later(stage, LIMIT_SOURCE_US - 1);
    assert_int_equal(wants(stage, 1), 0);
    solo_share_later(stage, 1);
    assert_int_equal(wants(stage, 1), 1);
}

static void nor_when_nothing_of_it_comes(void **state) {
    struct solo_share *stage = following(state);
    another_comes(stage);
    solo_share_later(stage, 4 * (uint64_t)LIMIT_SOURCE_US - 1);
    assert_int_equal(wants(stage, 1), 0);
    solo_share_later(stage, 1);
    assert_int_equal(wants(stage, 1), 1);
}

/* Its source was restored, and goes on without them. */
static void nor_when_other_records_come_all_the_time(void **state) {
    struct solo_share *stage = following(state);
    another_comes(stage);
    solo_share_missing(stage, 3);
    for (uint64_t us = 0; us < 4 * (uint64_t)LIMIT_SOURCE_US; us += LIMIT_SOURCE_US) {
        solo_share_missing(stage, 3);
        assert_int_equal(wants(stage, 1), 0);
        solo_share_later(stage, LIMIT_SOURCE_US);
    }
    assert_int_equal(wants(stage, 1), 1);
}

static void it_is_waited_for_as_long_as_more_of_it_comes(void **state) {
    struct solo_share *stage = following(state);
    another_comes(stage);
    for (uint64_t missing = 9; missing > 0; missing--) {
        solo_share_missing(stage, missing);
        assert_int_equal(wants(stage, 1), 0);
        solo_share_later(stage, LIMIT_SOURCE_US);
    }
    assert_int_equal(wants(stage, 1), 0);
}

/* It can give nothing before it is whole: the other need not be first. */
static void who_follows_takes_another_one_from_its_source_whatever_their_ids(void **state) {
    struct solo_share *stage = *state;
    stage->low[0] = true;
    solo_share_say(stage, &stage->scene->ann, 3, 10);
    (void)following(state);
    solo_share_horizon(stage, &stage->scene->ann, 2, true);
    solo_share_want(stage, 0, NULL, 0); /* It lies below as well. */
    solo_share_below(stage, 0, false);
    assert_int_equal(wants(stage, 0), 1);
}

static void a_source_that_is_busy_is_waited_for_though_it_begins_anew(void **state) {
    struct solo_share *stage = begun(state, false);
    another_comes(stage);
    assert_int_equal(wants(stage, 0), 1);
    solo_share_chunk(stage, 0, (struct solo_chunk){.lost = true});
    bool asked = false;
    for (uint64_t us = 0; us < LIMIT_SOURCE_US; us += LIMIT_RETRY_US) {
        if (wants(stage, 0) != 0) solo_share_chunk(stage, 0, (struct solo_chunk){.busy = true});
        assert_int_equal(wants(stage, 1), 0);
        solo_share_later(stage, LIMIT_RETRY_US);
    }
    for (int i = 0; i < 3 && !asked; i++) {
        if (wants(stage, 0) != 0) solo_share_chunk(stage, 0, (struct solo_chunk){.busy = true});
        asked = wants(stage, 1) != 0;
        solo_share_later(stage, LIMIT_RETRY_US);
    }
    assert_true(asked);
}

static void a_source_whose_stamps_lie_ahead_is_waited_for(void **state) {
    struct solo_share *stage = begun(state, false);
    const uint64_t ahead_ms = stage->solo.now.wall_ms + LIMIT_CLOCK_AHEAD_MS + 5000;
    struct bytes head = solo_share_proof(stage, 6, hlc_pack(ahead_ms, 0));
    another_comes(stage);
    assert_int_equal(wants(stage, 0), 1);
    solo_share_chunk(stage, 0, (struct solo_chunk){.lost = true});
    bool taken = false;
    for (int s = 0; s < 8 && !taken; s++) {
        if (wants(stage, 0) != 0)
            solo_share_chunk(stage, 0,
                             (struct solo_chunk){.heads = &head, .head_count = 1, .cursor = "d1"});
        assert_int_equal(wants(stage, 1), 0);
        struct mail *mail = solo_share_incoming(stage);
        taken = mail != NULL;
        if (taken) solo_share_home(stage, mail, WEFT_OK, "");
        solo_share_later(stage, LIMIT_RETRY_US);
    }
    assert_true(taken);
}

static const struct record_origin *whose(const void *author, uint32_t origin) {
    assert_int_equal(origin, 1);
    return &((const struct author *)author)->origin;
}

/* Two rows of a snapshot, with these stamps. */
static struct bytes two_rows(struct solo_share *stage, uint64_t first, uint64_t second) {
    const uint64_t stamps[] = {first, second};
    const struct stamp never = {0};
    struct snapshot_builder builder;
    struct bytes body;
    snapshot_build(&builder, &stage->scene->arena, (struct bytes){(const uint8_t *)"tag", 3}, 1,
                   whose, &stage->scene->ann);
    for (int i = 0; i < 2; i++) {
        const struct weft_value value = weft_integer(i), *key = &value;
        snapshot_row(&builder, &key, &(struct stamp){stamps[i], 1}, &never, 0);
    }
    assert_int_equal(snapshot_finish(&builder, &body), WEFT_OK);
    return body;
}

/* What this device writes from now on has to be later than the row that does not lie ahead. */
static void the_clock_passes_what_stands_beside_a_stamp_that_lies_ahead(void **state) {
    struct solo_share *stage = begun(state, false);
    const uint64_t wall_ms = stage->solo.now.wall_ms;
    const uint64_t near = hlc_pack(wall_ms + LIMIT_CLOCK_AHEAD_MS / 2, 3);
    const uint64_t far = hlc_pack(wall_ms + 86400000, 0);
    const struct solo_chunk chunk = {.body = two_rows(stage, near, far), .cursor = "c2"};
    struct mail *mail = NULL;
    for (int s = 0; s < 60 && mail == NULL; s++) {
        if (wants(stage, 0) != 0) solo_share_chunk(stage, 0, chunk);
        mail = solo_share_incoming(stage);
        if (mail == NULL) solo_share_later(stage, LIMIT_RETRY_US);
    }
    assert_non_null(mail);
    assert_true(mail->body.records->hlc == near);
    solo_share_home(stage, mail, WEFT_OK, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        share_test(the_log_behind_a_snapshot_is_waited_for_though_another_would_give),
        share_test(a_source_that_has_forgotten_that_log_gives_another_snapshot),
        share_test(that_log_is_not_waited_for_when_its_source_has_gone),
        share_test(nor_when_nothing_of_it_comes),
        share_test(nor_when_other_records_come_all_the_time),
        share_test(it_is_waited_for_as_long_as_more_of_it_comes),
        share_test(who_follows_takes_another_one_from_its_source_whatever_their_ids),
        share_test(a_source_that_is_busy_is_waited_for_though_it_begins_anew),
        share_test(a_source_whose_stamps_lie_ahead_is_waited_for),
        share_test(the_clock_passes_what_stands_beside_a_stamp_that_lies_ahead),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
