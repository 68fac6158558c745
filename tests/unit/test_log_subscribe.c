/* The log actor alone: what this device leaves out, and what members say that they leave out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "engine/wire/attest.h"
#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define DELAY_US 1000000u /* of statements, as log_attest.c has it; of acknowledgements likewise */

struct stage {
    struct solo_log *log;
    struct pool *pool;
    struct arena arena;
};

static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    void *log = NULL;
    assert_non_null(stage);
    if (solo_log_setup(&log) != 0) return 1;
    stage->log = log;
    stage->pool = pool_open(0, 0, NULL);
    assert_non_null(stage->pool);
    arena_init(&stage->arena, stage->pool);
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

static void wait(struct stage *stage, uint64_t us) {
    stage->log->solo.now.mono_us += us;
    solo_turn(&stage->log->solo);
}

static struct stage *met(void **state) {
    struct stage *stage = *state;
    solo_log_meet(stage->log, THEM);
    solo_log_meet(stage->log, OTHERS);
    wait(stage, DELAY_US);
    return stage;
}

static uint32_t location(const struct stage *stage) {
    return library_model(&stage->log->library, "location");
}

/* ---- this device ----------------------------------------------------------------------------- */

static void drop_for(struct stage *stage, uint32_t actor, Weft__Mail__BodyCase kind,
                     struct mail **last) {
    mail_drop(last);
    for (;;) {
        struct mail *mail = solo_take(&stage->log->solo, actor, kind);
        if (mail == NULL) return;
        if (mail->body.body_case == kind) {
            mail_drop(last);
            *last = mail;
        } else {
            mail_drop(&mail);
        }
    }
}

/* A rule of the host's about "location"; of `owner` 0: all. */
static void says(struct stage *stage, uint8_t owner, bool take, enum weft_status answer) {
    struct solo *solo = &stage->log->solo;
    Weft__Subscribe *subscribe = NULL;
    struct mail *mail = solo_mail(solo, MAIL(SUBSCRIBE), &subscribe);
    subscribe->ticket = ++stage->log->tickets;
    subscribe->rule = mail_message(mail, &weft__subscription__descriptor);
    assert_non_null(subscribe->rule);
    subscribe->rule->model = location(stage);
    subscribe->rule->take = take;
    if (owner != 0) {
        const struct id *id = &stage->log->devices[owner];
        assert_true(mail_bytes(mail, &subscribe->rule->owner, id->bytes, sizeof id->bytes));
    }
    mail = mail_repack(&mail, solo->pool, NULL);
    assert_non_null(mail);
    solo_tell(solo, ACTOR_CLOCK, mail);
    solo_log_answers(stage->log, stage->log->tickets, answer);
}

/* What bulk was told last: so many rules, so many streams that are being cleared. */
static void bulk_hears(struct stage *stage, size_t rules, size_t clearing) {
    struct mail *mail = NULL;
    drop_for(stage, ACTOR_BULK, MAIL(SUBSCRIBED), &mail);
    assert_non_null(mail);
    assert_int_equal(mail->body.subscribed->n_rules, rules);
    assert_int_equal(mail->body.subscribed->n_clearing, clearing);
    mail_drop(&mail);
}

/* Rows of THEM; bulk's answer is not taken. */
static void receives(struct stage *stage, uint64_t after, uint64_t upto) {
    struct run run;
    run_begin(&run, &stage->log->library, "location");
    run_put(&run, "bbt", (int)upto, THEM, "/of them");
    const struct solo_log_batch batch = {
        .owner = THEM, .table = "location", .after = after, .upto = upto};
    solo_log_receive(stage->log, &run, batch);
    solo_turn(&stage->log->solo);
}

static uint64_t position(struct stage *stage) {
    return (uint64_t)solo_log_count(stage->log,
                                    "SELECT position FROM _weft_position WHERE owner <> 1");
}

/* The places of what this device says next, as text: `*` for all owners. */
static void statement_says(struct stage *stage, const char *wanted) {
    struct mail *mail = NULL;
    struct attest attest;
    char said[128] = "";
    size_t size = 0;
    wait(stage, DELAY_US);
    drop_for(stage, ACTOR_SHARE, MAIL(ATTESTED), &mail);
    assert_non_null(mail);
    const ProtobufCBinaryData *bytes = &mail->body.attested->statements[0];
    assert_true(attest_read((struct bytes){bytes->data, bytes->len}, &attest));
    for (uint32_t i = 0; i < attest.place_count; i++) {
        const struct attest_place place = attest_place_at(&attest, i);
        const uint8_t who = solo_log_who(stage->log, place.owner.bytes);
        const struct bytes name = attest.tables[place.table];
        assert_true(place.position != 0 || !place.known);
        if (name.size != strlen("location") || memcmp(name.data, "location", name.size) != 0)
            continue;
        size += (size_t)snprintf(said + size, sizeof said - size, "%s%c%llu", size == 0 ? "" : " ",
                                 who == 0 ? '*' : (char)('0' + who),
                                 (unsigned long long)place.position);
    }
    mail_drop(&mail);
    assert_string_equal(said, wanted);
}

static void what_is_left_out_is_said_cleared_and_not_taken(void **state) {
    struct stage *stage = met(state);
    receives(stage, 0, 50);
    solo_log_passes(stage->log, WEFT_OK, 50, false);
    says(stage, THEM, false, WEFT_OK);
    bulk_hears(stage, 1, 1);
    solo_turn(&stage->log->solo);
    bulk_hears(stage, 1, 0); /* What there was went as soon as nothing else waited. */
    assert_int_equal(position(stage), 0);
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM location"), 0);
    statement_says(stage, "20");
    receives(stage, 0, 60);
    solo_log_passes(stage->log, WEFT_INVALID, 0, false);
    receives(stage, 50, 60);
    solo_log_passes(stage->log, WEFT_INVALID, 0, false);
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM location"), 0);
}

static void what_is_taken_again_is_held_anew_and_said_so(void **state) {
    struct stage *stage = met(state);
    receives(stage, 0, 50);
    says(stage, 0, false, WEFT_OK);
    statement_says(stage, "*0");
    solo_log_power_cut(stage->log);
    solo_turn(&stage->log->solo);
    statement_says(stage, "*0");
    says(stage, 0, true, WEFT_OK);
    bulk_hears(stage, 0, 0);
    statement_says(stage, "20 21");
    receives(stage, 0, 40);
    assert_int_equal(position(stage), 40);
    statement_says(stage, "20 240");
    receives(stage, 40, 50);
    statement_says(stage, "250"); /* As much as was said once: nothing is taken back any more. */
}

static void some_owners_are_named_where_not_all_are_left_out(void **state) {
    struct stage *stage = met(state);
    says(stage, 0, false, WEFT_OK);
    says(stage, OTHERS, true, WEFT_OK);
    statement_says(stage, "20");
}

/* Of what the disk did not take nothing is done. */
static void a_rule_that_cannot_be_kept_is_none(void **state) {
    struct stage *stage = met(state);
    receives(stage, 0, 50);
    disk_set_full(stage->log->disk, true);
    struct mail *told = NULL;
    drop_for(stage, ACTOR_BULK, MAIL(SUBSCRIBED), &told);
    assert_null(told);
    says(stage, THEM, false, WEFT_DISK_FULL);
    disk_set_full(stage->log->disk, false);
    drop_for(stage, ACTOR_BULK, MAIL(SUBSCRIBED), &told);
    assert_null(told);
    receives(stage, 50, 60);
    assert_int_equal(position(stage), 60);
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM _weft_subscription"), 0);
}

/* ---- other members --------------------------------------------------------------------------- */

/* Places of "location" that THEM say: of this device unless `all`. 0 stands for no second one. */
struct word {
    uint64_t serial, position, second, gone;
    bool all;
};

static void hears(struct stage *stage, struct word word) {
    const struct solo_log *log = stage->log;
    const struct bytes name = {(const uint8_t *)"location", strlen("location")};
    const struct record_origin origin = {log->devices[THEM], SOLO_LOG_INCARNATION};
    struct attest_place place = {log->devices[ME], 0, word.position, false, word.gone};
    struct attest_builder builder;
    struct bytes said;
    if (word.all) memset(&place.owner, 0, sizeof place.owner);
    attest_begin(&builder, &stage->arena, &origin, word.serial, false, &name, 1);
    attest_begin_places(&builder);
    attest_add_place(&builder, &place);
    place.position = word.second;
    if (word.second != 0) attest_add_place(&builder, &place);
    assert_int_equal(attest_end(&builder, &log->identities[THEM], &said), WEFT_OK);
    Weft__Attested *attested = NULL;
    struct mail *mail = solo_mail(&stage->log->solo, MAIL(ATTESTED), &attested);
    attested->statements = arena_zero(&mail->arena, sizeof *attested->statements);
    assert_non_null(attested->statements);
    attested->n_statements = 1;
    assert_true(mail_bytes(mail, &attested->statements[0], said.data, said.size));
    solo_tell(&stage->log->solo, ACTOR_PEER, mail);
}

/* What the host sees of THEM, who came first; and what the file says once it is written. */
static void is_known(struct stage *stage, bool skips, uint64_t held) {
    const struct board *board = stage->log->solo.board;
    const uint64_t bit = UINT64_C(1) << (location(stage) - 1);
    assert_int_equal(board_get(board->skips[0]) & bit, skips ? bit : 0);
    assert_int_equal(board_get(board->position[0][location(stage) - 1]), held);
    wait(stage, DELAY_US);
    assert_int_equal(solo_log_count(stage->log, "SELECT coalesce(max(position), 0) FROM _weft_ack"),
                     held);
}

static void a_member_that_leaves_out_is_known_to_hold_nothing(void **state) {
    struct stage *stage = met(state);
    (void)solo_log_put(stage->log, 1, "/a");
    hears(stage, (struct word){.serial = 1, .position = 500});
    is_known(stage, false, 500);
    hears(stage, (struct word){.serial = 2, .position = 0});
    is_known(stage, true, 0);
    solo_log_acked(stage->log, THEM, ME, "location", 400); /* From before, on another way. */
    is_known(stage, true, 0);
    hears(stage, (struct word){.serial = 3, .position = 0, .second = 1, .gone = 500});
    is_known(stage, false, 1);
    solo_log_acked(stage->log, THEM, ME, "location", 90);
    is_known(stage, false, 90);
    hears(stage, (struct word){.serial = 4, .position = 700});
    is_known(stage, false, 700);
    hears(stage, (struct word){.serial = 5, .position = 0, .all = true});
    is_known(stage, true, 0);
}

/* It left out and took again while nobody told this device of it. */
static void a_word_that_was_missed_is_made_up_for_by_the_next(void **state) {
    struct stage *stage = met(state);
    (void)solo_log_put(stage->log, 1, "/a");
    hears(stage, (struct word){.serial = 1, .position = 500});
    hears(stage, (struct word){.serial = 7, .position = 0, .second = 30, .gone = 500});
    is_known(stage, false, 30);
}

/* Its acknowledgement came on a shorter way than its word from before. */
static void who_has_come_as_far_again_is_not_lowered_by_a_word_that_is_late(void **state) {
    struct stage *stage = met(state);
    (void)solo_log_put(stage->log, 1, "/a");
    hears(stage, (struct word){.serial = 1, .position = 500});
    solo_log_acked(stage->log, THEM, ME, "location", 600);
    hears(stage, (struct word){.serial = 2, .position = 0, .second = 30, .gone = 500});
    is_known(stage, false, 600);
}

static void an_older_word_counts_no_more_also_after_a_restart(void **state) {
    struct stage *stage = met(state);
    (void)solo_log_put(stage->log, 1, "/a");
    hears(stage, (struct word){.serial = 2, .position = 500});
    hears(stage, (struct word){.serial = 3, .position = 0, .second = 30, .gone = 500});
    is_known(stage, false, 30);
    solo_log_power_cut(stage->log);
    solo_turn(&stage->log->solo);
    hears(stage, (struct word){.serial = 2, .position = 500});
    is_known(stage, false, 30);
    hears(stage, (struct word){.serial = 3, .position = 0}); /* The last one is taken once more. */
    is_known(stage, true, 0);
}

static void tombstones_do_not_wait_for_who_leaves_them_out(void **state) {
    struct stage *stage = met(state);
    (void)solo_log_put(stage->log, 1, "/a");
    solo_turn(&stage->log->solo);
    (void)solo_log_delete(stage->log, 1);
    wait(stage, DELAY_US);
    const uint64_t deleted = stage->log->stamp;
    solo_log_acked(stage->log, OTHERS, ME, "location", deleted);
    assert_int_equal(solo_log_forget(stage->log, ME, "location", deleted).count, 0);
    hears(stage, (struct word){.serial = 1, .position = 0});
    uint64_t survey = 0;
    struct mail *mail = solo_log_survey(stage->log);
    for (size_t m = 0; m < mail->body.surveyed->n_members; m++) {
        const Weft__SurveyedMember *member = mail->body.surveyed->members[m];
        if (solo_log_who(stage->log, member->device.data) != THEM) continue;
        assert_int_equal(member->n_acks, 1);
        survey = member->acks[0]->position;
    }
    mail_drop(&mail);
    assert_true(survey == UINT64_MAX);
    assert_int_equal(solo_log_forget(stage->log, ME, "location", deleted).count, 1);
}

#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGE_TEST(what_is_left_out_is_said_cleared_and_not_taken),
        STAGE_TEST(what_is_taken_again_is_held_anew_and_said_so),
        STAGE_TEST(some_owners_are_named_where_not_all_are_left_out),
        STAGE_TEST(a_rule_that_cannot_be_kept_is_none),
        STAGE_TEST(a_member_that_leaves_out_is_known_to_hold_nothing),
        STAGE_TEST(a_word_that_was_missed_is_made_up_for_by_the_next),
        STAGE_TEST(who_has_come_as_far_again_is_not_lowered_by_a_word_that_is_late),
        STAGE_TEST(an_older_word_counts_no_more_also_after_a_restart),
        STAGE_TEST(tombstones_do_not_wait_for_who_leaves_them_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
