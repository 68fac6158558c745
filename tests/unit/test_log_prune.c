/* The log actor alone, forgetting of the shared log: what its survey says all members hold, what it
 * forgets when it is told to, and whom it calls silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/scene.h"
#include "tests/lib/solo_log.h"
#include "tests/lib/words.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define RECORDS "SELECT count(*) FROM shared_changes"
#define PRUNED "SELECT max(pruned) FROM _weft_origin"
#define BURIED "SELECT count(*) FROM _weft_shadow"
#define STAY 4u /* records that stay though all members hold them */
#define DAY_MS UINT64_C(86400000)

/* The stage of the log, its library with two others in it, and authors. */
struct stage {
    struct solo_log *log;
    struct author them, others;
    uint64_t stamp; /* of the last record that one of them signed */
    struct pool *pool;
    struct arena arena;
};

static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    void *log = NULL;
    assert_non_null(stage);
    if (solo_log_setup(&log) != 0) return 1;
    stage->log = log;
    stage->log->log_records = STAY;
    solo_log_restart(stage->log);
    stage->log->solo.now.wall_ms = UINT64_C(1700000000000);
    stage->pool = pool_open(0, 0, NULL);
    arena_init(&stage->arena, stage->pool);
    author_init(&stage->them, THEM, SOLO_LOG_INCARNATION);
    author_init(&stage->others, OTHERS, SOLO_LOG_INCARNATION);
    solo_log_meet(stage->log, THEM);
    solo_log_meet(stage->log, OTHERS);
    stage->stamp = 5000;
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

/* ---- what others say ------------------------------------------------------------------------- */

/* An author's next record, with these ops. */
static struct bytes sign(struct stage *stage, struct author *author, struct record_ops *ops) {
    struct record record = {.origin = author->origin, .seq = ++author->seq};
    struct bytes bytes;
    record.hlc = ++stage->stamp;
    memcpy(record.prev, author->hash, RECORD_HASH);
    assert_int_equal(record_ops_end(ops, &record.ops), WEFT_OK);
    assert_int_equal(record_write(&author->identity, &record, &stage->arena, &bytes, NULL),
                     WEFT_OK);
    memcpy(author->hash, record.hash, RECORD_HASH);
    return bytes;
}

static enum weft_status deliver(struct stage *stage, struct bytes bytes) {
    struct solo *solo = &stage->log->solo;
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(solo, MAIL(RECORDS), &records);
    records->peer = 1;
    records->stamp = stage->log->stamp = stage->stamp;
    records->records = arena_zero(&mail->arena, sizeof *records->records);
    assert_non_null(records->records);
    records->n_records = 1;
    assert_true(mail_bytes(mail, &records->records[0], bytes.data, bytes.size));
    solo_tell(solo, ACTOR_CLOCK, mail);
    for (;;) {
        mail = solo_take(solo, ACTOR_SHARE, MAIL(RECORDS));
        assert_non_null(mail);
        if (mail->body.body_case == MAIL(RECORDS)) break;
        mail_drop(&mail);
    }
    const enum weft_status status = (enum weft_status)mail->body.records->status;
    mail_drop(&mail);
    return status;
}

/* An author changes rows of a table that this device has not, in so many records. */
static void says(struct stage *stage, struct author *author, const char *words, int count) {
    for (int i = 0; i < count; i++) {
        struct record_ops ops;
        record_ops_begin(&ops, &stage->arena);
        record_ops_change(&ops, words_body(&stage->arena, words));
        assert_int_equal(deliver(stage, sign(stage, author, &ops)), WEFT_OK);
    }
}

static void calls_away(struct stage *stage, struct author *author, uint8_t device) {
    struct record_ops ops;
    record_ops_begin(&ops, &stage->arena);
    record_ops_away(&ops, &stage->log->devices[device]);
    assert_int_equal(deliver(stage, sign(stage, author, &ops)), WEFT_OK);
}

/* `device` says that it holds so much of an author; `waiting`: not all of it is applied there. */
static void holds(struct stage *stage, uint8_t device, const struct author *author, uint64_t seq,
                  bool waiting) {
    struct solo_log *log = stage->log;
    Weft__SharedAcked *acked = NULL;
    struct mail *mail = solo_mail(&log->solo, MAIL(SHARED_ACKED), &acked);
    acked->waiting = waiting;
    assert_true(mail_bytes(mail, &acked->device, log->devices[device].bytes, WEFT_ID_SIZE));
    acked->heads = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, 1);
    assert_non_null(acked->heads);
    acked->n_heads = 1;
    assert_true(
        mail_bytes(mail, &acked->heads[0]->device, author->origin.device.bytes, WEFT_ID_SIZE));
    acked->heads[0]->incarnation = author->origin.incarnation;
    acked->heads[0]->seq = seq;
    solo_tell(&log->solo, ACTOR_PEER, mail);
    solo_turn(&log->solo);
}

static void all_hold(struct stage *stage, const struct author *author, uint64_t seq) {
    holds(stage, THEM, author, seq, false);
    holds(stage, OTHERS, author, seq, false);
}

/* ---- what the log says ----------------------------------------------------------------------- */

struct said {
    uint64_t held, pruned; /* of THEM's records; 0: nothing of them may go */
    uint64_t place;
    bool deleted;
    uint8_t silent; /* 0: nobody */
};

static struct said survey(struct stage *stage) {
    struct said said = {0};
    struct mail *mail = solo_log_survey(stage->log);
    const Weft__Surveyed *surveyed = mail->body.surveyed;
    for (size_t i = 0; i < surveyed->n_held; i++) {
        if (solo_log_who(stage->log, surveyed->held[i]->device.data) != THEM) continue;
        said.held = surveyed->held[i]->seq;
        said.pruned = surveyed->held[i]->pruned;
    }
    said.place = surveyed->place;
    said.deleted = surveyed->deleted;
    if (surveyed->silent.len != 0) said.silent = solo_log_who(stage->log, surveyed->silent.data);
    mail_drop(&mail);
    return said;
}

/* Records of THEM up to `seq` and `place` are to go, or (seq 0) deletions; how many did. */
static uint32_t forget(struct stage *stage, uint64_t seq, uint64_t place) {
    struct solo *solo = &stage->log->solo;
    Weft__Forget *order = NULL;
    struct mail *mail = solo_mail(solo, MAIL(FORGET), &order);
    if (seq == 0) {
        order->deleted = true;
    } else {
        order->head = mail_message(mail, &weft__head__descriptor);
        assert_non_null(order->head);
        assert_true(
            mail_bytes(mail, &order->head->device, stage->them.origin.device.bytes, WEFT_ID_SIZE));
        order->head->incarnation = SOLO_LOG_INCARNATION;
        order->head->seq = seq;
        order->place = place;
    }
    solo_tell(solo, ACTOR_PRUNE, mail);
    mail = solo_take(solo, ACTOR_PRUNE, MAIL(FORGOTTEN));
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, MAIL(FORGOTTEN));
    const uint32_t count = mail->body.forgotten->count;
    mail_drop(&mail);
    return count;
}

static int64_t count(struct stage *stage, const char *sql) {
    return solo_log_count(stage->log, sql);
}

/* ---- records --------------------------------------------------------------------------------- */

static void records_go_when_every_member_holds_them(void **state) {
    struct stage *stage = *state;
    says(stage, &stage->them, "strange =x a=#1", 20);
    assert_int_equal(survey(stage).held, 0);
    holds(stage, THEM, &stage->them, 20, false);
    assert_int_equal(survey(stage).held, 0);
    holds(stage, OTHERS, &stage->them, 12, false);
    const struct said said = survey(stage);
    assert_int_equal(said.held, 12);
    assert_int_equal(forget(stage, said.held, said.place), 12);
    assert_int_equal(count(stage, PRUNED), 12);
    assert_int_equal(count(stage, RECORDS), 3 + 8);
    solo_log_restart(stage->log);
    assert_int_equal(count(stage, PRUNED), 12);
    assert_int_equal(forget(stage, 20, INT64_MAX), 0);
    holds(stage, THEM, &stage->them, 20, false);
    holds(stage, OTHERS, &stage->them, 20, false);
    assert_int_equal(forget(stage, 20, INT64_MAX), 8);
}

static void the_newest_records_stay_though_all_hold_them(void **state) {
    struct stage *stage = *state;
    says(stage, &stage->them, "strange =x a=#1", 20);
    all_hold(stage, &stage->them, 20);
    const struct said said = survey(stage);
    assert_int_equal(said.held, 20);
    assert_int_equal(forget(stage, said.held, said.place), 20 - STAY);
    assert_int_equal(count(stage, RECORDS), 3 + STAY);
    assert_int_equal(survey(stage).held, 0);
}

static void what_says_something_of_members_stays_for_good(void **state) {
    struct stage *stage = *state;
    says(stage, &stage->them, "strange =x a=#1", 5);
    calls_away(stage, &stage->them, OTHERS);
    says(stage, &stage->them, "strange =x a=#2", 15);
    all_hold(stage, &stage->them, 21);
    assert_int_equal(forget(stage, 21, INT64_MAX), 21);
    assert_int_equal(count(stage, RECORDS), 3 + 1);
    assert_int_equal(count(stage, PRUNED), 21);
}

static void who_came_in_since_the_survey_is_waited_for(void **state) {
    struct stage *stage = *state;
    says(stage, &stage->them, "strange =x a=#1", 20);
    all_hold(stage, &stage->them, 20);
    const struct said said = survey(stage);
    assert_int_equal(said.held, 20);
    solo_log_meet(stage->log, 9);
    assert_int_equal(forget(stage, said.held, said.place), 0);
    assert_int_equal(count(stage, PRUNED), 0);
    assert_int_equal(survey(stage).held, 0);
}

static void who_is_away_is_not_waited_for_until_it_is_back(void **state) {
    struct stage *stage = *state;
    struct record_ops ops;
    says(stage, &stage->them, "strange =x a=#1", 20);
    holds(stage, THEM, &stage->them, 20, false);
    calls_away(stage, &stage->them, OTHERS);
    struct said said = survey(stage);
    assert_int_equal(said.held, 20);
    record_ops_begin(&ops, &stage->arena);
    record_ops_back(&ops, stage->stamp);
    assert_int_equal(deliver(stage, sign(stage, &stage->others, &ops)), WEFT_OK);
    assert_int_equal(forget(stage, said.held, said.place), 0);
    assert_int_equal(survey(stage).held, 0);
}

static void who_is_alone_among_those_away_forgets_nothing(void **state) {
    struct stage *stage = *state;
    says(stage, &stage->them, "strange =x a=#1", 20);
    all_hold(stage, &stage->them, 20);
    calls_away(stage, &stage->them, OTHERS);
    calls_away(stage, &stage->others, THEM);
    assert_int_equal(survey(stage).held, 0);
    assert_int_equal(forget(stage, 20, INT64_MAX), 0);
    assert_int_equal(count(stage, PRUNED), 0);
}

/* ---- deletions ------------------------------------------------------------------------------- */

/* A row that THEM deleted, and enough behind it that its record can go. */
static struct stage *buried(void **state) {
    struct stage *stage = *state;
    says(stage, &stage->them, "strange -x", 1);
    says(stage, &stage->them, "strange -y", 19);
    assert_int_equal(count(stage, BURIED), 2);
    return stage;
}

static void deletions_go_after_their_records_and_another_survey(void **state) {
    struct stage *stage = buried(state);
    all_hold(stage, &stage->them, 20);
    assert_int_equal(forget(stage, 0, 0), 0); /* Nobody has surveyed. */
    assert_int_equal(forget(stage, 10, INT64_MAX), 10);
    assert_false(survey(stage).deleted); /* The cut is made. */
    assert_true(survey(stage).deleted);
    assert_int_equal(forget(stage, 0, 0), 1); /* y was deleted again, behind the horizon. */
    assert_int_equal(count(stage, BURIED), 1);
    assert_false(survey(stage).deleted);
    assert_int_equal(forget(stage, 20, INT64_MAX), 10);
    assert_false(survey(stage).deleted);
    assert_true(survey(stage).deleted);
    assert_int_equal(forget(stage, 0, 0), 1);
    assert_int_equal(count(stage, BURIED), 0);
}

static void deletions_that_somebody_holds_and_has_not_applied_stay(void **state) {
    struct stage *stage = buried(state);
    holds(stage, THEM, &stage->them, 20, false);
    holds(stage, OTHERS, &stage->them, 20, true);
    assert_int_equal(forget(stage, 20, INT64_MAX), 20);
    for (int i = 0; i < 3; i++) {
        (void)survey(stage);
        (void)forget(stage, 0, 0);
    }
    assert_int_equal(count(stage, BURIED), 2);
    holds(stage, OTHERS, &stage->them, 20, false);
    for (int i = 0; i < 3; i++) {
        (void)survey(stage);
        (void)forget(stage, 0, 0);
    }
    assert_int_equal(count(stage, BURIED), 0);
}

static void deletions_wait_for_what_members_held_at_the_cut(void **state) {
    struct stage *stage = buried(state);
    all_hold(stage, &stage->them, 20);
    assert_int_equal(forget(stage, 20, INT64_MAX), 20);
    says(stage, &stage->others, "strange =z a=#1", 1);
    /* It has written two more before it said that it holds the deletions. */
    holds(stage, OTHERS, &stage->others, 3, false);
    assert_false(survey(stage).deleted);
    assert_false(survey(stage).deleted);
    assert_int_equal(forget(stage, 0, 0), 0);
    says(stage, &stage->others, "strange =z a=#2", 2);
    assert_true(survey(stage).deleted);
    assert_int_equal(forget(stage, 0, 0), 2);
}

static void a_change_of_members_begins_the_cut_anew(void **state) {
    struct stage *stage = buried(state);
    all_hold(stage, &stage->them, 20);
    assert_int_equal(forget(stage, 20, INT64_MAX), 20);
    assert_false(survey(stage).deleted);
    assert_true(survey(stage).deleted);
    solo_log_meet(stage->log, 9);
    assert_int_equal(forget(stage, 0, 0), 0);
    for (int i = 0; i < 3; i++) {
        (void)survey(stage);
        assert_int_equal(forget(stage, 0, 0), 0); /* 9 has not said that it has applied them. */
    }
    assert_int_equal(count(stage, BURIED), 2);
}

static void while_a_member_is_away_no_deletion_goes(void **state) {
    struct stage *stage = buried(state);
    all_hold(stage, &stage->them, 20);
    assert_int_equal(forget(stage, 20, INT64_MAX), 20);
    assert_false(survey(stage).deleted);
    assert_true(survey(stage).deleted);
    calls_away(stage, &stage->them, OTHERS);
    assert_int_equal(forget(stage, 0, 0), 0);
    for (int i = 0; i < 3; i++)
        assert_false(survey(stage).deleted);
    assert_int_equal(count(stage, BURIED), 2);
}

/* ---- silence --------------------------------------------------------------------------------- */

static void days(struct stage *stage, int64_t count_days) {
    struct solo *solo = &stage->log->solo;
    solo->now.wall_ms += (uint64_t)(count_days * (int64_t)DAY_MS);
    if (count_days > 0) solo->now.mono_us += (uint64_t)count_days * DAY_MS * 1000;
}

static void hears(struct stage *stage, uint8_t device) {
    holds(stage, device, &stage->them, 0, false);
}

static void who_was_not_heard_of_for_a_month_is_silent(void **state) {
    struct stage *stage = *state;
    hears(stage, THEM);
    hears(stage, OTHERS);
    days(stage, 30);
    hears(stage, THEM);
    assert_int_equal(survey(stage).silent, 0);
    days(stage, 1);
    hears(stage, THEM);
    assert_int_equal(survey(stage).silent, OTHERS);
    hears(stage, OTHERS);
    assert_int_equal(survey(stage).silent, 0);
}

static void who_hears_nobody_calls_nobody_silent(void **state) {
    struct stage *stage = *state;
    hears(stage, THEM);
    days(stage, 1);
    hears(stage, OTHERS);
    days(stage, 400);
    assert_int_equal(survey(stage).silent, 0);
    solo_log_restart(stage->log);
    assert_int_equal(survey(stage).silent, 0);
}

static void a_member_that_never_came_is_silent_one_day_also_after_a_restart(void **state) {
    struct stage *stage = *state;
    /* Before it could be stored when the members were let in. */
    solo_log_sql(stage->log, "DELETE FROM _weft_heard");
    const struct instant now = stage->log->solo.now;
    solo_log_restart(stage->log);
    stage->log->solo.now = now;
    hears(stage, THEM);
    assert_int_equal(survey(stage).silent, 0);
    days(stage, 32);
    hears(stage, THEM);
    assert_int_equal(survey(stage).silent, OTHERS);
}

static void a_clock_that_was_ahead_for_a_moment_makes_nobody_silent_for_ever(void **state) {
    struct stage *stage = *state;
    hears(stage, OTHERS);
    days(stage, 365);
    hears(stage, THEM);
    days(stage, -364);
    hears(stage, OTHERS);
    assert_int_equal(survey(stage).silent, 0);
    hears(stage, OTHERS);
    assert_int_equal(survey(stage).silent, 0);
    /* THEM is not taken to be there for a year, either. */
    days(stage, 31);
    hears(stage, OTHERS);
    assert_int_equal(survey(stage).silent, THEM);
}

int main(void) {
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        LOG_TEST(records_go_when_every_member_holds_them),
        LOG_TEST(the_newest_records_stay_though_all_hold_them),
        LOG_TEST(what_says_something_of_members_stays_for_good),
        LOG_TEST(who_came_in_since_the_survey_is_waited_for),
        LOG_TEST(who_is_away_is_not_waited_for_until_it_is_back),
        LOG_TEST(who_is_alone_among_those_away_forgets_nothing),
        LOG_TEST(deletions_go_after_their_records_and_another_survey),
        LOG_TEST(deletions_that_somebody_holds_and_has_not_applied_stay),
        LOG_TEST(deletions_wait_for_what_members_held_at_the_cut),
        LOG_TEST(a_change_of_members_begins_the_cut_anew),
        LOG_TEST(while_a_member_is_away_no_deletion_goes),
        LOG_TEST(who_was_not_heard_of_for_a_month_is_silent),
        LOG_TEST(who_hears_nobody_calls_nobody_silent),
        LOG_TEST(a_member_that_never_came_is_silent_one_day_also_after_a_restart),
        LOG_TEST(a_clock_that_was_ahead_for_a_moment_makes_nobody_silent_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
