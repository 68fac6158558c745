/* The log actor alone: what members say that they hold, compared with what is held here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/wire/attest.h"
#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define SECOND 1000000u

struct stage {
    struct solo_log *log;
    struct pool *pool;
    struct arena arena;
    uint64_t serial;
    unsigned agreeing; /* the set of those that the last repair names */
};

/* THEM and OTHERS are members; a row of THEM is held up to position 50. */
static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    struct run run;
    void *log = NULL;
    assert_non_null(stage);
    if (solo_log_setup(&log) != 0) return 1;
    stage->log = log;
    stage->pool = pool_open(0, 0, NULL);
    assert_non_null(stage->pool);
    arena_init(&stage->arena, stage->pool);
    solo_log_meet(stage->log, THEM);
    solo_log_meet(stage->log, OTHERS);
    run_begin(&run, &stage->log->library, "location");
    run_put(&run, "bdt", 0x77, THEM, "/theirs");
    solo_log_receive(stage->log, &run,
                     (struct solo_log_batch){.owner = THEM, .table = "location", .upto = 50});
    solo_turn(&stage->log->solo);
    while (solo_log_passed(stage->log, &(struct solo_log_passed){0})) {
    }
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    struct stage *stage = *state;
    void *log = stage->log;
    arena_drop(&stage->arena);
    pool_close(stage->pool);
    free(stage);
    return solo_log_teardown(&log);
}

/* What is kept of THEIR rows. */
static uint64_t kept(struct stage *stage) {
    return (uint64_t)solo_log_count(stage->log,
                                    "SELECT digest FROM _weft_position WHERE position = 50");
}

/* `device` says that of THEIR rows it holds as much as is held here, with this digest. */
static void says(struct stage *stage, uint8_t device, uint64_t position, uint64_t digest) {
    const struct solo_log *log = stage->log;
    struct solo *solo = &stage->log->solo;
    const struct bytes name = {(const uint8_t *)"location", 8};
    const struct record_origin origin = {log->devices[device], SOLO_LOG_INCARNATION};
    struct attest_builder builder;
    struct bytes bytes;
    attest_begin(&builder, &stage->arena, &origin, ++stage->serial, false, &name, 1);
    attest_begin_places(&builder);
    attest_add_place(&builder,
                     &(struct attest_place){log->devices[THEM], 0, position, true, digest});
    assert_int_equal(attest_end(&builder, &log->identities[device], &bytes), WEFT_OK);
    Weft__Attested *attested = NULL;
    struct mail *mail = solo_mail(solo, MAIL(ATTESTED), &attested);
    attested->statements = arena_zero(&mail->arena, sizeof *attested->statements);
    assert_non_null(attested->statements);
    attested->n_statements = 1;
    assert_true(mail_bytes(mail, &attested->statements[0], bytes.data, bytes.size));
    mail = mail_repack(&mail, solo->pool, NULL);
    solo_tell(solo, ACTOR_PEER, mail);
    solo_turn(solo);
}

static bool tells(struct stage *stage, uint8_t owner) {
    const struct solo_log_notice notice = solo_log_notice(stage->log, WEFT_EVENT_DIFFERS);
    if (notice.kind == 0) return false;
    assert_int_equal(notice.device, owner);
    assert_int_equal(notice.status, WEFT_CORRUPT);
    return true;
}

/* Bulk is told to sweep THEIR rows. */
static bool repairs(struct stage *stage) {
    struct mail *mail = solo_take(&stage->log->solo, ACTOR_BULK, MAIL(REPAIR));
    if (mail == NULL) return false;
    assert_int_equal(mail->body.body_case, MAIL(REPAIR));
    const Weft__Repair *repair = mail->body.repair;
    assert_int_equal(solo_log_who(stage->log, repair->place->owner.data), THEM);
    stage->agreeing = 0;
    for (size_t i = 0; i < repair->n_agree; i++)
        stage->agreeing |= 1u << solo_log_who(stage->log, repair->agree[i].data);
    mail_drop(&mail);
    return true;
}

static uint64_t counted(const _Atomic uint64_t *cell) {
    return board_get(*cell);
}

static void a_member_that_holds_the_same_is_compared_and_no_more(void **state) {
    struct stage *stage = *state;
    says(stage, OTHERS, 50, kept(stage));
    says(stage, THEM, 50, kept(stage));
    assert_false(tells(stage, THEM));
    assert_false(repairs(stage));
    assert_int_equal(counted(&stage->log->solo.board->digests_compared), 2);
    assert_int_equal(counted(&stage->log->solo.board->digests_differ), 0);
}

static void who_stands_elsewhere_is_not_compared(void **state) {
    struct stage *stage = *state;
    says(stage, THEM, 49, kept(stage) + 1);
    says(stage, OTHERS, 51, kept(stage) + 1);
    assert_int_equal(counted(&stage->log->solo.board->digests_compared), 0);
    assert_false(tells(stage, THEM));
}

static void a_member_that_is_not_the_owner_is_told_of_once_and_nothing_is_done(void **state) {
    struct stage *stage = *state;
    says(stage, OTHERS, 50, kept(stage) + 1);
    assert_true(tells(stage, THEM));
    says(stage, OTHERS, 50, kept(stage) + 2);
    assert_false(tells(stage, THEM));
    assert_false(repairs(stage));
    /* Agreed meanwhile, it is another difference. */
    says(stage, OTHERS, 50, kept(stage));
    says(stage, OTHERS, 50, kept(stage) + 2);
    assert_true(tells(stage, THEM));
    assert_int_equal(counted(&stage->log->solo.board->digests_differ), 2);
    assert_int_equal(counted(&stage->log->solo.board->digests_repaired), 0);
}

static void rows_that_are_not_what_their_owner_says_are_swept(void **state) {
    struct stage *stage = *state;
    struct run run;
    says(stage, THEM, 50, kept(stage) + 1);
    assert_true(tells(stage, THEM));
    assert_true(repairs(stage));
    /* While that is under way nothing is compared. */
    says(stage, THEM, 50, kept(stage) + 1);
    assert_false(repairs(stage));
    run_begin(&run, &stage->log->library, "location");
    run_put(&run, "bdt", 0x78, THEM, "/other");
    solo_log_receive(
        stage->log, &run,
        (struct solo_log_batch){.owner = THEM, .table = "location", .upto = 50, .sweep = true});
    solo_turn(&stage->log->solo);
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM location WHERE path = "
                                                "'/theirs'"),
                     0);
    solo_log_passes(stage->log, WEFT_OK, 50, false);
    says(stage, THEM, 50, kept(stage));
    assert_false(tells(stage, THEM));
    assert_int_equal(counted(&stage->log->solo.board->digests_repaired), 1);
}

static void a_repair_that_did_not_help_is_tried_again_after_growing_pauses(void **state) {
    struct stage *stage = *state;
    uint64_t pauses[3] = {0};
    says(stage, THEM, 50, kept(stage) + 1);
    assert_true(repairs(stage));
    for (int i = 0; i < 3; i++) {
        solo_log_receive(
            stage->log, NULL,
            (struct solo_log_batch){.owner = THEM, .table = "location", .upto = 50, .sweep = true});
        solo_turn(&stage->log->solo);
        solo_log_passes(stage->log, WEFT_OK, 50, false);
        while (!repairs(stage)) {
            stage->log->solo.now.mono_us += SECOND;
            solo_turn(&stage->log->solo);
            assert_true(++pauses[i] < 100);
        }
    }
    assert_true(pauses[0] < pauses[1] && pauses[1] < pauses[2]);
    assert_true(tells(stage, THEM));
    assert_false(tells(stage, THEM));
}

static void what_is_a_mixture_of_several_states_is_not_compared(void **state) {
    struct stage *stage = *state;
    solo_log_sql(stage->log, "UPDATE _weft_position SET settled = 60 WHERE position = 50");
    says(stage, THEM, 50, kept(stage) + 1);
    assert_int_equal(counted(&stage->log->solo.board->digests_compared), 0);
    assert_false(repairs(stage));
}

/* A member that passes a stream on can make one up; here it would be passed on again. */
static void a_repair_leaves_no_tombstone_that_is_older(void **state) {
    struct stage *stage = *state;
    solo_log_sql(stage->log, "INSERT INTO _weft_tombstone(owner, model, version, key) "
                             "SELECT owner, model, 15, x'00' FROM _weft_position "
                             "WHERE position = 50");
    says(stage, THEM, 50, kept(stage) + 1);
    assert_true(repairs(stage));
    solo_log_receive(
        stage->log, NULL,
        (struct solo_log_batch){.owner = THEM, .table = "location", .upto = 30, .sweep = true});
    solo_turn(&stage->log->solo);
    solo_log_passes(stage->log, WEFT_OK, 30, true);
    /* Until all has come others may still be told of deletions. */
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM _weft_tombstone"), 1);
    solo_log_receive(
        stage->log, NULL,
        (struct solo_log_batch){
            .owner = THEM, .table = "location", .after = 30, .upto = 50, .sweep = true});
    solo_turn(&stage->log->solo);
    solo_log_passes(stage->log, WEFT_OK, 50, false);
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM _weft_tombstone"), 0);
    assert_int_equal(solo_log_count(stage->log, "SELECT max(horizon) FROM _weft_position"), 50);
}

/* Who passed them on was having its own repaired; and their owner may never write again. */
static void a_mixture_that_stays_one_is_swept_and_then_compared(void **state) {
    struct stage *stage = *state;
    solo_log_sql(stage->log, "UPDATE _weft_position SET settled = 51 WHERE position = 50");
    says(stage, THEM, 50, kept(stage));
    assert_false(repairs(stage));
    stage->log->solo.now.mono_us += 20 * SECOND;
    solo_turn(&stage->log->solo);
    assert_true(repairs(stage));
    assert_false(tells(stage, THEM));
    solo_log_receive(
        stage->log, NULL,
        (struct solo_log_batch){.owner = THEM, .table = "location", .upto = 50, .sweep = true});
    solo_turn(&stage->log->solo);
    solo_log_passes(stage->log, WEFT_OK, 50, false);
    says(stage, THEM, 50, kept(stage) + 1);
    assert_int_equal(counted(&stage->log->solo.board->digests_compared), 1);
    assert_true(tells(stage, THEM));
}

static void a_repair_names_who_says_what_the_owner_says(void **state) {
    struct stage *stage = *state;
    says(stage, OTHERS, 50, kept(stage) + 1);
    says(stage, THEM, 50, kept(stage) + 1);
    assert_true(repairs(stage));
    assert_int_equal(stage->agreeing, 1u << THEM | 1u << OTHERS);
}

static void who_differs_from_the_owner_as_well_is_not_named(void **state) {
    struct stage *stage = *state;
    says(stage, OTHERS, 50, kept(stage) + 2);
    says(stage, THEM, 50, kept(stage) + 1);
    assert_true(repairs(stage));
    assert_int_equal(stage->agreeing, 1u << THEM);
}

/* ---- shared tables and the rest ---- */

static void rows_of_others_are_counted_anew_when_they_were_found_to_be_others(void **state) {
    struct stage *stage = *state;
    const uint64_t before = kept(stage);
    solo_log_sql(stage->log, "DELETE FROM location WHERE path = '/theirs'");
    Weft__Recount *recount = NULL;
    struct mail *mail = solo_mail(&stage->log->solo, MAIL(RECOUNT), &recount);
    recount->recount = true;
    solo_tell(&stage->log->solo, ACTOR_CLOCK, mail);
    solo_turn(&stage->log->solo);
    assert_true(kept(stage) == 0);
    assert_true(tells(stage, THEM));
    says(stage, THEM, 50, before);
    assert_true(repairs(stage));
}

#define DIGEST_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        DIGEST_TEST(a_member_that_holds_the_same_is_compared_and_no_more),
        DIGEST_TEST(who_stands_elsewhere_is_not_compared),
        DIGEST_TEST(a_member_that_is_not_the_owner_is_told_of_once_and_nothing_is_done),
        DIGEST_TEST(rows_that_are_not_what_their_owner_says_are_swept),
        DIGEST_TEST(a_repair_that_did_not_help_is_tried_again_after_growing_pauses),
        DIGEST_TEST(what_is_a_mixture_of_several_states_is_not_compared),
        DIGEST_TEST(a_repair_leaves_no_tombstone_that_is_older),
        DIGEST_TEST(a_repair_names_who_says_what_the_owner_says),
        DIGEST_TEST(who_differs_from_the_owner_as_well_is_not_named),
        DIGEST_TEST(a_mixture_that_stays_one_is_swept_and_then_compared),
        DIGEST_TEST(rows_of_others_are_counted_anew_when_they_were_found_to_be_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
