/* The clock actor alone: every change leaves stamped, in the order in which it came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/crdt/hlc.h"
#include "engine/wire/rows.h"
#include "tests/lib/solo.h"

static int open_solo(void **state) {
    static struct solo solo;
    *state = &solo;
    return !solo_open(&solo, ACTOR_CLOCK);
}

static int close_solo(void **state) {
    return !solo_close(*state);
}

static Weft__Rows *rows_of(struct mail *mail, uint32_t count) {
    struct rows_builder builder;
    assert_int_equal(rows_begin(&builder, &mail->arena, 1, 1), WEFT_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(rows_add(&builder, ROW_PUT, 0), WEFT_OK);
    return builder.rows;
}

/* Submits a transaction of two runs and returns what the log gets. */
static struct mail *stamped(struct solo *solo, uint32_t first, uint32_t second) {
    Weft__Commit *commit = NULL;
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_COMMIT, &commit);
    commit->rows = arena_take(&mail->arena, 2 * sizeof commit->rows[0]);
    assert_non_null(commit->rows);
    commit->rows[0] = rows_of(mail, first);
    commit->rows[1] = rows_of(mail, second);
    commit->n_rows = 2;
    commit->count = first + second;
    assert_true(door_push(&solo->topology->door, 0, mail));
    solo_turn(solo);
    mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_COMMIT);
    assert_non_null(mail);
    return mail;
}

static uint64_t heard(struct solo *solo, uint64_t upto) {
    Weft__Incoming *incoming = NULL;
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_INCOMING, &incoming);
    incoming->rows = rows_of(mail, 1);
    incoming->rows->upto = upto;
    solo_tell(solo, ACTOR_BULK, mail);
    mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_INCOMING);
    assert_non_null(mail);
    mail_drop(&mail);
    mail = stamped(solo, 1, 1);
    uint64_t first = mail->body.commit->first;
    mail_drop(&mail);
    return first;
}

static void clock_gives_every_row_of_a_transaction_its_own_stamp(void **state) {
    struct mail *mail = stamped(*state, 3, 2);
    const Weft__Commit *commit = mail->body.commit;
    for (uint32_t i = 0; i < 5; i++) {
        const Weft__Rows *rows = commit->rows[i < 3 ? 0 : 1];
        assert_int_equal(rows_version(rows, i < 3 ? i : i - 3), commit->first + i);
    }
    mail_drop(&mail);
}

static void clock_goes_on_when_the_wall_clock_steps_back(void **state) {
    struct solo *solo = *state;
    struct mail *before = stamped(solo, 2, 2);
    solo->now.wall_ms -= 3600000;
    struct mail *after = stamped(solo, 1, 1);
    assert_int_equal(after->body.commit->first, before->body.commit->first + 4);
    mail_drop(&before);
    mail_drop(&after);
}

static void clock_follows_what_it_hears(void **state) {
    struct solo *solo = *state;
    uint64_t told = hlc_pack(solo->now.wall_ms + 1000, 7);
    assert_true(heard(solo, told) > told);
}

static void clock_is_not_moved_by_a_stamp_from_the_far_future(void **state) {
    struct solo *solo = *state;
    uint64_t told = hlc_pack(solo->now.wall_ms + LIMIT_CLOCK_AHEAD_MS + 1000, 0);
    assert_int_equal(hlc_ms(heard(solo, told)), solo->now.wall_ms);
}

/* Records of others, the greatest of which has the stamp `hlc`; what they are stamped with. */
static uint64_t records_heard(struct solo *solo, uint64_t hlc) {
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_RECORDS, &records);
    records->hlc = hlc;
    solo_tell(solo, ACTOR_SHARE, mail);
    mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_RECORDS);
    assert_non_null(mail);
    assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_RECORDS);
    assert_int_equal(mail->body.records->hlc, hlc);
    uint64_t stamp = mail->body.records->stamp;
    mail_drop(&mail);
    return stamp;
}

static void clock_follows_records_and_stamps_what_may_be_said_to_them(void **state) {
    struct solo *solo = *state;
    uint64_t told = hlc_pack(solo->now.wall_ms + 1000, 7);
    uint64_t first = records_heard(solo, told);
    assert_true(first > told);
    assert_true(records_heard(solo, told) > first);
    uint64_t far = hlc_pack(solo->now.wall_ms + LIMIT_CLOCK_AHEAD_MS + 1000, 0);
    assert_true(records_heard(solo, far) < far);
}

static void clock_stamps_decisions_about_members(void **state) {
    struct solo *solo = *state;
    uint64_t last = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_GOVERN, NULL);
        solo_tell(solo, ACTOR_LISTENER, mail);
        mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_GOVERN);
        assert_non_null(mail);
        assert_true(mail->body.govern->hlc > last);
        last = mail->body.govern->hlc;
        assert_int_equal(hlc_ms(last), solo->now.wall_ms);
        mail_drop(&mail);
    }
}

static void clock_passes_stop_on_after_the_last_commit(void **state) {
    struct solo *solo = *state;
    Weft__Commit *commit = NULL;
    struct mail *stop = solo_mail(solo, WEFT__MAIL__BODY_STOP, NULL);
    struct edge *edge =
        topology_edge(solo->topology, ACTOR_HOST, ACTOR_CLOCK, WEFT__MAIL__BODY_STOP);
    assert_true(edge_push(edge, stop));
    struct mail *mail = solo_mail(solo, WEFT__MAIL__BODY_COMMIT, &commit);
    commit->count = 1;
    commit->rows = arena_take(&mail->arena, sizeof commit->rows[0]);
    assert_non_null(commit->rows);
    commit->rows[0] = rows_of(mail, 1);
    commit->n_rows = 1;
    assert_true(door_push(&solo->topology->door, 0, mail));
    solo_turn(solo);
    mail = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_COMMIT);
    stop = solo_take(solo, ACTOR_LOG, WEFT__MAIL__BODY_STOP);
    assert_int_equal(mail->body.body_case, WEFT__MAIL__BODY_COMMIT);
    assert_int_equal(stop->body.body_case, WEFT__MAIL__BODY_STOP);
    mail_drop(&mail);
    mail_drop(&stop);
}

#define CLOCK_TEST(name) cmocka_unit_test_setup_teardown(name, open_solo, close_solo)

int main(void) {
    const struct CMUnitTest tests[] = {
        CLOCK_TEST(clock_gives_every_row_of_a_transaction_its_own_stamp),
        CLOCK_TEST(clock_goes_on_when_the_wall_clock_steps_back),
        CLOCK_TEST(clock_follows_what_it_hears),
        CLOCK_TEST(clock_is_not_moved_by_a_stamp_from_the_far_future),
        CLOCK_TEST(clock_follows_records_and_stamps_what_may_be_said_to_them),
        CLOCK_TEST(clock_stamps_decisions_about_members),
        CLOCK_TEST(clock_passes_stop_on_after_the_last_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
