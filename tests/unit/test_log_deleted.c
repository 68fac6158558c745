/* The log actor alone, forgetting deletions of shared rows: after which survey, and what keeps it
 * from it. Records: test_log_prune. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/lib/solo_prune.h"
#include "tests/lib/words.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define PRUNED "SELECT max(pruned) FROM _weft_origin"
#define BURIED "SELECT count(*) FROM _weft_shadow"
#define DAY_MS UINT64_C(86400000)

static int64_t count(struct solo_prune *stage, const char *sql) {
    return solo_log_count(stage->log, sql);
}

/* A row that THEM deleted, and enough behind it that its record can go. */
static struct solo_prune *buried(void **state) {
    struct solo_prune *stage = *state;
    solo_prune_says(stage, &stage->them, "strange -x", 1);
    solo_prune_says(stage, &stage->them, "strange -y", 19);
    assert_int_equal(count(stage, BURIED), 2);
    return stage;
}

static void deletions_go_after_their_records_and_another_survey(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0); /* Nobody has surveyed. */
    assert_int_equal(solo_prune_forget(stage, 10, INT64_MAX), 10);
    assert_false(solo_prune_survey(stage).deleted); /* The cut is made. */
    assert_true(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0),
                     1); /* y was deleted again, behind the horizon. */
    assert_int_equal(count(stage, BURIED), 1);
    assert_false(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 10);
    assert_false(solo_prune_survey(stage).deleted);
    assert_true(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 1);
    assert_int_equal(count(stage, BURIED), 0);
}

static void deletions_that_somebody_holds_and_has_not_applied_stay(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_holds(stage, THEM, &stage->them, 20, false);
    solo_prune_holds(stage, OTHERS, &stage->them, 20, true);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    for (int i = 0; i < 3; i++) {
        (void)solo_prune_survey(stage);
        (void)solo_prune_forget(stage, 0, 0);
    }
    assert_int_equal(count(stage, BURIED), 2);
    solo_prune_holds(stage, OTHERS, &stage->them, 20, false);
    for (int i = 0; i < 3; i++) {
        (void)solo_prune_survey(stage);
        (void)solo_prune_forget(stage, 0, 0);
    }
    assert_int_equal(count(stage, BURIED), 0);
}

static void deletions_wait_for_what_members_held_at_the_cut(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    solo_prune_says(stage, &stage->others, "strange =z a=#1", 1);
    /* It has written two more before it said that it holds the deletions. */
    solo_prune_holds(stage, OTHERS, &stage->others, 3, false);
    assert_false(solo_prune_survey(stage).deleted);
    assert_false(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    solo_prune_says(stage, &stage->others, "strange =z a=#2", 2);
    assert_true(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 2);
}

static void a_change_of_members_begins_the_cut_anew(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    assert_false(solo_prune_survey(stage).deleted);
    assert_true(solo_prune_survey(stage).deleted);
    solo_log_meet(stage->log, 9);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    for (int i = 0; i < 3; i++) {
        (void)solo_prune_survey(stage);
        assert_int_equal(solo_prune_forget(stage, 0, 0),
                         0); /* 9 has not said that it has applied them. */
    }
    assert_int_equal(count(stage, BURIED), 2);
}

static void while_a_member_is_away_no_deletion_goes(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    assert_false(solo_prune_survey(stage).deleted);
    assert_true(solo_prune_survey(stage).deleted);
    solo_prune_calls_away(stage, &stage->them, OTHERS);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    for (int i = 0; i < 3; i++)
        assert_false(solo_prune_survey(stage).deleted);
    assert_int_equal(count(stage, BURIED), 2);
}

/* A cut has been made, and reached: two deletions may go. */
static struct solo_prune *ready(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    assert_false(solo_prune_survey(stage).deleted);
    assert_true(solo_prune_survey(stage).deleted);
    return stage;
}

static void what_comes_after_the_cut_is_not_waited_for(void **state) {
    struct solo_prune *stage = buried(state);
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    assert_false(solo_prune_survey(stage).deleted);
    solo_prune_holds(stage, THEM, &stage->others, 9, false);
    solo_prune_says(stage, &stage->others, "strange =z a=#1", 1);
    assert_true(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 2);
}

/* Of two histories under one name only the first is taken. */
static void nothing_more_is_waited_for_of_an_origin_that_is_frozen(void **state) {
    struct solo_prune *stage = buried(state);
    struct author twin = stage->others;
    solo_prune_all_hold(stage, &stage->them, 20);
    assert_int_equal(solo_prune_forget(stage, 20, INT64_MAX), 20);
    solo_prune_says(stage, &stage->others, "strange =z a=#1", 1);
    solo_prune_holds(stage, OTHERS, &stage->others, 3, false);
    assert_false(solo_prune_survey(stage).deleted);
    assert_false(solo_prune_survey(stage).deleted);
    solo_prune_says(stage, &twin, "strange =z a=#2", 1);
    assert_int_equal(count(stage, "SELECT count(*) FROM _weft_origin WHERE fork IS NOT NULL"), 1);
    assert_true(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 2);
    assert_false(solo_prune_survey(stage).deleted); /* The next cut is this one. */
}

static void many_deletions_go_in_slices(void **state) {
    enum { SLICES = 2, ROWS = 20, OPS = SLICES * LIMIT_FORGET_ROWS / ROWS };
    struct solo_prune *stage = *state;
    char words[1024];
    for (int op = 0; op < OPS; op++) {
        size_t size = (size_t)snprintf(words, sizeof words, "strange ");
        for (int row = 0; row < ROWS; row++)
            size += (size_t)snprintf(words + size, sizeof words - size, "-k%d; ", op * ROWS + row);
        solo_prune_says(stage, &stage->them, words, 1);
    }
    solo_prune_all_hold(stage, &stage->them, OPS);
    assert_int_equal(solo_prune_forget(stage, OPS, INT64_MAX), OPS);
    assert_false(solo_prune_survey(stage).deleted);
    assert_true(solo_prune_survey(stage).deleted);
    for (int slice = 0; slice < SLICES; slice++) {
        assert_int_equal(solo_prune_forget(stage, 0, 0), LIMIT_FORGET_ROWS);
        assert_true(stage->more);
    }
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    assert_false(stage->more);
    assert_int_equal(count(stage, BURIED), 0);
}

/* A first chunk of THEM's rows comes, as of its next record. */
static void begins_a_snapshot(struct solo_prune *stage) {
    struct solo *solo = &stage->log->solo;
    struct record_ops ops;
    uint8_t proof[RECORD_PROOF];
    record_ops_begin(&ops, &stage->arena);
    record_ops_change(&ops, words_body(&stage->arena, "strange =x a=#1"));
    (void)solo_prune_sign(stage, &stage->them, &ops);
    record_prove(&stage->last, proof);
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(solo, MAIL(RECORDS), &records);
    Weft__Chunk *chunk = records->chunk = mail_message(mail, &weft__chunk__descriptor);
    assert_non_null(chunk);
    records->peer = 1;
    records->stamp = ++stage->stamp;
    chunk->heads = arena_zero(&mail->arena, sizeof *chunk->heads);
    chunk->n_heads = 1;
    assert_true(mail_bytes(mail, &chunk->heads[0], proof, sizeof proof));
    assert_true(mail_bytes(mail, &chunk->cursor, "c1", 2));
    assert_true(mail_bytes(mail, &chunk->source, stage->log->devices[THEM].bytes, WEFT_ID_SIZE));
    solo_tell(solo, ACTOR_CLOCK, mail);
    while ((mail = solo_take(solo, ACTOR_SHARE, MAIL(RECORDS))) != NULL)
        mail_drop(&mail);
    assert_int_equal(count(stage, "SELECT count(*) FROM _weft_meta WHERE key = 'snapshot'"), 1);
}

static void nothing_goes_while_a_snapshot_is_taken_that_came_since_the_survey(void **state) {
    struct solo_prune *stage = ready(state);
    solo_prune_says(stage, &stage->them, "strange =y a=#1", 1);
    solo_prune_all_hold(stage, &stage->them, 21);
    begins_a_snapshot(stage);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    assert_int_equal(solo_prune_forget(stage, 21, INT64_MAX), 0);
    assert_int_equal(count(stage, BURIED), 2);
    assert_int_equal(count(stage, PRUNED), 20);
}

static void no_deletion_goes_while_a_record_waits_that_came_since_the_survey(void **state) {
    struct solo_prune *stage = ready(state);
    const uint64_t stamp = stage->stamp;
    stage->stamp = (stage->log->solo.now.wall_ms + 366 * DAY_MS) << 16;
    solo_prune_says(stage, &stage->others, "strange =z a=#1", 1);
    stage->stamp = stamp;
    assert_int_equal(count(stage, "SELECT count(*) FROM _weft_quarantine"), 1);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    assert_int_equal(count(stage, BURIED), 2);
}

/* What is kept of it is damaged, then what is kept of members as well: this device knows none. */
static void deletions_that_cannot_be_read_stay_until_they_can(void **state) {
    struct solo_prune *stage = ready(state);
    solo_log_sql(stage->log, "CREATE TABLE kept AS SELECT key, clock FROM _weft_shadow;"
                             "CREATE TABLE members AS SELECT device, id_pk FROM _weft_member;"
                             "UPDATE _weft_shadow SET clock = x'ff'");
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
    assert_false(stage->more);
    assert_false(solo_prune_survey(stage).deleted); /* It is looked through again, by a new cut. */
    assert_true(solo_prune_survey(stage).deleted);
    solo_log_sql(stage->log, "PRAGMA ignore_check_constraints = ON;"
                             "UPDATE _weft_member SET id_pk = x'07'");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(solo_prune_forget(stage, 0, 0), 0);
        assert_int_equal(solo_prune_survey(stage).held, 0);
    }
    solo_log_sql(stage->log, "UPDATE _weft_shadow SET clock = "
                             "(SELECT clock FROM kept WHERE key = _weft_shadow.key);"
                             "UPDATE _weft_member SET id_pk = "
                             "(SELECT id_pk FROM members WHERE device = _weft_member.device)");
    assert_int_equal(solo_prune_forget(stage, 0, 0), 0); /* Nobody has surveyed. */
    assert_int_equal(count(stage, BURIED), 2);
    assert_false(solo_prune_survey(stage).deleted);
    assert_true(solo_prune_survey(stage).deleted);
    assert_int_equal(solo_prune_forget(stage, 0, 0), 2);
}

static void a_survey_tells_of_so_many_streams_and_of_the_others_later(void **state) {
    struct solo_prune *stage = *state;
    solo_log_sql(stage->log,
                 "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n LIMIT 300)"
                 " INSERT INTO _weft_device(id, device)"
                 " SELECT i, CAST(printf('%016d', i) AS BLOB) FROM n;"
                 "INSERT INTO _weft_tombstone(owner, model, version, key)"
                 " SELECT id, 1, 1, x'00' FROM _weft_device WHERE id >= 1000");
    for (int i = 0; i < 2; i++) {
        struct mail *mail = solo_log_survey(stage->log);
        assert_int_equal(mail->body.surveyed->n_oldest, i == 0 ? 256 : 300 - 256);
        mail_drop(&mail);
        solo_log_sql(stage->log, "DELETE FROM _weft_tombstone WHERE owner IN "
                                 "(SELECT id FROM _weft_device WHERE id >= 1000 LIMIT 256)");
    }
}

int main(void) {
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, solo_prune_setup, solo_prune_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(deletions_go_after_their_records_and_another_survey),
        LOG_TEST(deletions_that_somebody_holds_and_has_not_applied_stay),
        LOG_TEST(deletions_wait_for_what_members_held_at_the_cut),
        LOG_TEST(a_change_of_members_begins_the_cut_anew),
        LOG_TEST(while_a_member_is_away_no_deletion_goes),
        LOG_TEST(what_comes_after_the_cut_is_not_waited_for),
        LOG_TEST(nothing_more_is_waited_for_of_an_origin_that_is_frozen),
        LOG_TEST(many_deletions_go_in_slices),
        LOG_TEST(nothing_goes_while_a_snapshot_is_taken_that_came_since_the_survey),
        LOG_TEST(no_deletion_goes_while_a_record_waits_that_came_since_the_survey),
        LOG_TEST(deletions_that_cannot_be_read_stay_until_they_can),
        LOG_TEST(a_survey_tells_of_so_many_streams_and_of_the_others_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
