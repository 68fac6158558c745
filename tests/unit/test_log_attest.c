/* The log actor alone, statements: when it says what it holds, which of others it takes and passes
 * on, and what follows for acknowledgements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/wire/attest.h"
#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define ATTEST_DELAY_US 1000000u /* as log_attest.c has it */
#define ACKS_DELAY_US 1000000u   /* as log_member.c has it */
#define LATER INT64_MAX          /* no clock gives a greater stamp */

/* The stage of the log, and room for what others sign. */
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

/* The next statements for share, what comes before them let go; NULL. */
static struct mail *passed(struct stage *stage) {
    for (;;) {
        struct mail *mail = solo_take(&stage->log->solo, ACTOR_SHARE, MAIL(ATTESTED));
        if (mail == NULL || mail->body.body_case == MAIL(ATTESTED)) return mail;
        mail_drop(&mail);
    }
}

static void passes_nothing(struct stage *stage) {
    struct mail *mail = passed(stage);
    const bool none = mail == NULL;
    mail_drop(&mail);
    assert_true(none);
}

/* ---- this device's --------------------------------------------------------------------------- */

/* The log says what it holds: so much of its own records, and of one stream of THEM if `place` is
 * not 0. */
static void says(struct stage *stage, uint64_t seq, uint64_t place) {
    const struct solo_log *log = stage->log;
    const struct identity *me = &log->identities[ME];
    struct attest attest;
    struct mail *mail = passed(stage);
    assert_non_null(mail);
    const Weft__Attested *attested = mail->body.attested;
    assert_int_equal(attested->n_statements, 1);
    const struct bytes bytes = {attested->statements[0].data, attested->statements[0].len};
    assert_true(attest_read(bytes, &attest));
    assert_true(id_equal(&attest.origin.device, &me->device));
    assert_int_equal(attest.origin.incarnation, log->library.store.incarnation);
    assert_true(attest_signed_by(&attest, &log->library.store.library, me->public.id_pk));
    assert_int_equal(attest.head_count, 1);
    assert_int_equal(attest_head_at(&attest, 0).seq, seq);
    assert_int_equal(attest.place_count, place == 0 ? 0 : 1);
    if (place != 0) {
        const struct attest_place said = attest_place_at(&attest, 0);
        const struct bytes table = attest.tables[said.table];
        assert_int_equal(solo_log_who(log, said.owner.bytes), THEM);
        assert_int_equal(table.size, strlen("location"));
        assert_memory_equal(table.data, "location", table.size);
        assert_int_equal(said.position, place);
    }
    mail_drop(&mail);
    passes_nothing(stage);
}

/* THEM and OTHERS are members, which three records say, and that has been said. */
static struct stage *met(void **state) {
    struct stage *stage = *state;
    solo_log_meet(stage->log, THEM);
    solo_log_meet(stage->log, OTHERS);
    wait(stage, ATTEST_DELAY_US);
    for (struct mail *mail = passed(stage); mail != NULL; mail = passed(stage))
        mail_drop(&mail);
    return stage;
}

static void receives(struct stage *stage, uint64_t after, uint64_t upto) {
    const struct solo_log_batch batch = {
        .owner = THEM, .table = "location", .after = after, .upto = upto};
    solo_log_receive(stage->log, NULL, batch);
    solo_turn(&stage->log->solo);
}

static void what_is_held_is_said_after_every_start(void **state) {
    struct stage *stage = *state;
    for (unsigned i = 0; i < 3; i++) {
        solo_turn(&stage->log->solo);
        says(stage, 1, 0);
        wait(stage, 10 * ATTEST_DELAY_US);
        passes_nothing(stage); /* Once. */
        solo_log_restart(stage->log);
    }
}

static void what_has_grown_is_said_a_second_later(void **state) {
    struct stage *stage = met(state);
    receives(stage, 0, 50);
    wait(stage, ATTEST_DELAY_US - 1);
    passes_nothing(stage);
    receives(stage, 50, 60); /* This does not put it off, */
    wait(stage, 1);
    says(stage, 3, 60); /* and is said with it. */
    solo_log_govern(stage->log, 4, false);
    wait(stage, ATTEST_DELAY_US - 1);
    passes_nothing(stage);
    wait(stage, 1);
    says(stage, 4, 60);
    wait(stage, 10 * ATTEST_DELAY_US);
    passes_nothing(stage);
}

static void its_own_rows_are_said_with_their_digest(void **state) {
    struct stage *stage = met(state);
    struct attest attest;
    const uint64_t ticket = solo_log_put(stage->log, 1, "/a");
    wait(stage, 0);
    solo_log_answers(stage->log, ticket, WEFT_OK);
    wait(stage, ATTEST_DELAY_US);
    struct mail *mail = passed(stage);
    assert_non_null(mail);
    const Weft__Attested *attested = mail->body.attested;
    const struct bytes bytes = {attested->statements[0].data, attested->statements[0].len};
    assert_true(attest_read(bytes, &attest));
    assert_int_equal(attest.place_count, 1);
    const struct attest_place place = attest_place_at(&attest, 0);
    assert_int_equal(solo_log_who(stage->log, place.owner.bytes), ME);
    assert_int_equal(place.position, stage->log->stamp);
    assert_true(place.known);
    assert_true((int64_t)place.digest ==
                solo_log_count(stage->log, "SELECT digest FROM _weft_position WHERE owner = 1"));
    mail_drop(&mail);
}

/* Of all statements that it has made since it was asked. */
static uint64_t last_number(struct stage *stage) {
    uint64_t last = 0;
    for (struct mail *mail = passed(stage); mail != NULL; mail = passed(stage)) {
        struct attest attest;
        const Weft__Attested *attested = mail->body.attested;
        const struct bytes bytes = {attested->statements[0].data, attested->statements[0].len};
        assert_true(attest_read(bytes, &attest));
        last = attest.serial;
        mail_drop(&mail);
    }
    assert_true(last != 0);
    return last;
}

static void what_is_new_is_said_with_a_greater_number_also_after_a_restart(void **state) {
    struct stage *stage = *state;
    uint64_t last = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct attest attest;
        (void)solo_log_put(stage->log, (int)i + 1, NULL);
        solo_turn(&stage->log->solo);
        struct mail *mail = passed(stage);
        assert_non_null(mail);
        const Weft__Attested *attested = mail->body.attested;
        const struct bytes bytes = {attested->statements[0].data, attested->statements[0].len};
        assert_true(attest_read(bytes, &attest));
        assert_true(attest.serial > last);
        last = attest.serial;
        mail_drop(&mail);
        if (i == 1) solo_log_power_cut(stage->log);
        if (i != 1) solo_log_restart(stage->log);
    }
}

/* Its last statement may have come to nobody. */
static void a_life_that_commits_nothing_says_what_is_held_with_a_greater_number(void **state) {
    struct stage *stage = *state;
    uint64_t last = 0;
    for (unsigned i = 0; i < 3; i++) {
        (void)solo_log_put(stage->log, (int)i + 1, NULL);
        wait(stage, 0);
        wait(stage, ATTEST_DELAY_US);
        const uint64_t said = last_number(stage);
        assert_true(said > last);
        solo_log_power_cut(stage->log);
        solo_turn(&stage->log->solo);
        last = last_number(stage);
        assert_true(last > said);
    }
}

static void what_the_disk_has_not_kept_is_not_said(void **state) {
    struct stage *stage = met(state);
    receives(stage, 0, 50);
    disk_set_full(stage->log->disk, true);
    receives(stage, 50, 60);
    wait(stage, ATTEST_DELAY_US);
    disk_set_full(stage->log->disk, false);
    says(stage, 3, 50);
    wait(stage, 10 * ATTEST_DELAY_US);
    passes_nothing(stage);
}

static void who_is_no_member_any_more_says_nothing(void **state) {
    struct stage *stage = met(state);
    const uint64_t ticket = solo_log_govern(stage->log, ME, true);
    solo_log_answers(stage->log, ticket, WEFT_OK);
    receives(stage, 0, 50);
    for (unsigned i = 0; i < 2; i++) {
        wait(stage, 10 * ATTEST_DELAY_US);
        passes_nothing(stage);
        solo_log_restart(stage->log);
    }
}

/* ---- of others ------------------------------------------------------------------------------- */

/* What a device says: how much it holds of this device's records and of a stream of its. */
struct statement {
    uint8_t device;
    uint64_t incarnation; /* more than the first one */
    uint64_t seq, position;
    const char *table; /* NULL: "location" */
    uint8_t signer;    /* 0: the device itself */
};

static struct bytes statement(struct stage *stage, struct statement what) {
    const struct solo_log *log = stage->log;
    const char *table = what.table == NULL ? "location" : what.table;
    const struct bytes name = {(const uint8_t *)table, strlen(table)};
    const struct record_origin origin = {log->devices[what.device],
                                         SOLO_LOG_INCARNATION + what.incarnation};
    const struct attest_head head = {{log->devices[ME], log->library.store.incarnation}, what.seq};
    const uint8_t signer = what.signer == 0 ? what.device : what.signer;
    struct attest_builder builder;
    struct bytes out;
    attest_begin(&builder, &stage->arena, &origin, what.seq + what.position, false, &name, 1);
    attest_add_head(&builder, &head);
    attest_begin_places(&builder);
    attest_add_place(&builder,
                     &(struct attest_place){log->devices[ME], 0, what.position, false, 0});
    assert_int_equal(attest_end(&builder, &log->identities[signer], &out), WEFT_OK);
    return out;
}

static void tell_all(struct stage *stage, const struct bytes *list, size_t count) {
    struct solo *solo = &stage->log->solo;
    Weft__Attested *attested = NULL;
    struct mail *mail = solo_mail(solo, MAIL(ATTESTED), &attested);
    attested->statements = arena_zero(&mail->arena, (count + 1) * sizeof *attested->statements);
    assert_non_null(attested->statements);
    attested->n_statements = count;
    for (size_t i = 0; i < count; i++)
        assert_true(mail_bytes(mail, &attested->statements[i], list[i].data, list[i].size));
    mail = mail_repack(&mail, solo->pool, NULL);
    assert_non_null(mail);
    solo_tell(solo, ACTOR_PEER, mail);
}

/* These go on to share, in one mail, as they came. */
static void passes_on(struct stage *stage, const struct bytes *list, size_t count) {
    struct mail *mail = passed(stage);
    assert_non_null(mail);
    const Weft__Attested *attested = mail->body.attested;
    assert_int_equal(attested->n_statements, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(attested->statements[i].len, list[i].size);
        assert_memory_equal(attested->statements[i].data, list[i].data, list[i].size);
    }
    mail_drop(&mail);
    passes_nothing(stage);
}

static void passes_it_on(struct stage *stage, struct bytes bytes) {
    tell_all(stage, &bytes, 1);
    passes_on(stage, &bytes, 1);
}

static void does_not_take(struct stage *stage, struct bytes bytes) {
    tell_all(stage, &bytes, 1);
    passes_nothing(stage);
}

/* What a member is known to hold, as prune hears. */
static uint64_t surveyed(struct stage *stage, uint8_t device) {
    uint64_t position = 0;
    struct mail *mail = solo_log_survey(stage->log);
    const Weft__Surveyed *all = mail->body.surveyed;
    for (size_t m = 0; m < all->n_members; m++) {
        const Weft__SurveyedMember *member = all->members[m];
        if (solo_log_who(stage->log, member->device.data) != device) continue;
        assert_in_range(member->n_acks, 0, 1);
        if (member->n_acks == 0) continue;
        assert_int_equal(solo_log_who(stage->log, member->acks[0]->owner.data), ME);
        position = member->acks[0]->position;
    }
    mail_drop(&mail);
    return position;
}

/* ... and the host sees, of the member that came first. */
static void board_shows(struct stage *stage, uint64_t seq, uint64_t position) {
    const struct board *board = stage->log->solo.board;
    const uint32_t model = library_model(&stage->log->library, "location");
    assert_int_equal(board_get(board->shared[0]), seq);
    assert_int_equal(board_get(board->position[0][model - 1]), position);
}

static void a_member_s_statement_is_taken_once_and_passed_on(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes =
        statement(stage, (struct statement){.device = THEM, .seq = 3, .position = 500});
    passes_it_on(stage, bytes);
    assert_int_equal(surveyed(stage, THEM), 500);
    assert_int_equal(surveyed(stage, OTHERS), 0);
    board_shows(stage, 3, 500);
    does_not_take(stage, bytes);
    passes_it_on(stage,
                 statement(stage, (struct statement){.device = THEM, .seq = 3, .position = 501}));
    assert_int_equal(surveyed(stage, THEM), 501);
}

static void what_a_member_has_said_itself_is_passed_on_all_the_same(void **state) {
    struct stage *stage = met(state);
    solo_log_acked(stage->log, THEM, ME, "location", 600);
    const struct bytes bytes =
        statement(stage, (struct statement){.device = THEM, .position = 500});
    passes_it_on(stage, bytes);
    does_not_take(stage, bytes);
    assert_int_equal(surveyed(stage, THEM), 600);
}

static void an_older_statement_is_not_taken(void **state) {
    struct stage *stage = met(state);
    const struct bytes older =
        statement(stage, (struct statement){.device = THEM, .seq = 2, .position = 400});
    const struct bytes other =
        statement(stage, (struct statement){.device = THEM, .seq = 402, .position = 0});
    passes_it_on(stage,
                 statement(stage, (struct statement){.device = THEM, .seq = 3, .position = 500}));
    does_not_take(stage, older);
    does_not_take(stage, other); /* It says more of one thing: no honest device does so. */
    board_shows(stage, 3, 500);
}

static void after_a_restart_an_older_one_is_passed_on_and_takes_nothing_back(void **state) {
    struct stage *stage = met(state);
    const struct bytes older =
        statement(stage, (struct statement){.device = THEM, .seq = 2, .position = 400});
    const struct bytes newer =
        statement(stage, (struct statement){.device = THEM, .seq = 3, .position = 500});
    passes_it_on(stage, newer);
    wait(stage, ACKS_DELAY_US);
    solo_log_power_cut(stage->log);
    solo_turn(&stage->log->solo);
    says(stage, 3, 0);
    board_shows(stage, 3, 500);
    passes_it_on(stage, older);
    board_shows(stage, 3, 500);
    assert_int_equal(surveyed(stage, THEM), 500);
    passes_it_on(stage, newer);
    does_not_take(stage, older);
}

static void of_a_device_set_back_the_later_incarnation_counts_as_newer(void **state) {
    struct stage *stage = met(state);
    const struct bytes before =
        statement(stage, (struct statement){.device = THEM, .position = 500});
    const struct bytes more = statement(stage, (struct statement){.device = THEM, .position = 900});
    const struct bytes after =
        statement(stage, (struct statement){.device = THEM, .incarnation = 1, .position = 100});
    passes_it_on(stage, before);
    passes_it_on(stage, after);
    does_not_take(stage, more);
    does_not_take(stage, before);
    assert_int_equal(surveyed(stage, THEM), 500); /* What was held once is not taken back. */
}

static void a_forged_statement_is_not_taken_and_does_not_stand_in_the_way(void **state) {
    struct stage *stage = met(state);
    const struct statement what = {.device = THEM, .position = 500};
    struct statement forged = what;
    forged.signer = OTHERS;
    forged.position = LATER;
    does_not_take(stage, statement(stage, forged));
    struct bytes bytes = statement(stage, what);
    uint8_t *changed = arena_take(&stage->arena, bytes.size);
    assert_non_null(changed);
    memcpy(changed, bytes.data, bytes.size);
    changed[bytes.size - 64 - 1] ^= 1; /* The position. */
    does_not_take(stage, (struct bytes){changed, bytes.size});
    board_shows(stage, 0, 0);
    passes_it_on(stage, bytes);
}

static void bytes_that_are_no_statement_are_passed_over(void **state) {
    struct stage *stage = met(state);
    const struct bytes good = statement(stage, (struct statement){.device = THEM, .position = 500});
    const struct bytes list[] = {
        {NULL, 0}, {(const uint8_t *)"WA", 2}, {good.data, good.size - 1}, good};
    tell_all(stage, list, 3);
    passes_nothing(stage);
    tell_all(stage, list, 4);
    passes_on(stage, &good, 1);
    tell_all(stage, NULL, 0);
    passes_nothing(stage);
}

static void a_stranger_s_statement_is_not_taken_until_it_is_a_member(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes = statement(stage, (struct statement){.device = 4, .position = 500});
    does_not_take(stage, bytes);
    solo_log_acked(stage->log, 4, ME, "location", 7); /* A session with it is about to stand. */
    does_not_take(stage, bytes);
    solo_log_meet(stage->log, 4);
    passes_it_on(stage, bytes);
    assert_int_equal(surveyed(stage, 4), 500);
}

/* Who passes it on does so once: it must not come too early. */
static void a_statement_from_before_its_device_was_a_member_is_taken_when_it_is(void **state) {
    struct stage *stage = met(state);
    const struct bytes forged =
        statement(stage, (struct statement){.device = 4, .position = 700, .signer = THEM});
    const struct bytes last = statement(stage, (struct statement){.device = 4, .position = 501});
    does_not_take(stage, forged);
    does_not_take(stage, statement(stage, (struct statement){.device = 4, .position = 500}));
    does_not_take(stage, last);
    solo_log_meet(stage->log, 4);
    solo_turn(&stage->log->solo);
    passes_on(stage, &last, 1);
    assert_int_equal(surveyed(stage, 4), 501);
    does_not_take(stage, last);
}

static void a_removed_device_s_statement_is_not_taken(void **state) {
    struct stage *stage = met(state);
    passes_it_on(stage, statement(stage, (struct statement){.device = THEM, .position = 500}));
    (void)solo_log_govern(stage->log, THEM, true);
    does_not_take(stage, statement(stage, (struct statement){.device = THEM, .position = 600}));
    solo_log_restart(stage->log);
    solo_turn(&stage->log->solo);
    says(stage, 4, 0);
    does_not_take(stage, statement(stage, (struct statement){.device = THEM, .position = 600}));
}

static void its_own_statement_that_comes_back_is_not_taken(void **state) {
    struct stage *stage = met(state);
    does_not_take(stage, statement(stage, (struct statement){.device = ME, .position = LATER}));
}

static void of_one_mail_each_device_is_heard_once(void **state) {
    struct stage *stage = met(state);
    const struct bytes list[] = {
        statement(stage, (struct statement){.device = THEM, .position = 500}),
        statement(stage, (struct statement){.device = 5, .position = 500}),
        statement(stage, (struct statement){.device = THEM, .position = 501}),
        statement(stage, (struct statement){.device = OTHERS, .position = 502}),
    };
    const struct bytes taken[] = {list[0], list[3]};
    tell_all(stage, list, 4);
    passes_on(stage, taken, 2);
    assert_int_equal(surveyed(stage, THEM), 500);
    assert_int_equal(surveyed(stage, OTHERS), 502);
}

static void a_table_that_is_not_here_is_passed_over_and_passed_on(void **state) {
    struct stage *stage = met(state);
    passes_it_on(stage, statement(stage, (struct statement){
                                             .device = THEM, .position = 500, .table = "other"}));
    assert_int_equal(surveyed(stage, THEM), 0);
}

static void what_is_taken_is_stored(void **state) {
    struct stage *stage = met(state);
    passes_it_on(stage,
                 statement(stage, (struct statement){.device = THEM, .seq = 3, .position = 500}));
    wait(stage, ACKS_DELAY_US);
    solo_log_power_cut(stage->log);
    board_shows(stage, 3, 500);
    assert_int_equal(surveyed(stage, THEM), 500);
}

/* ---- what a liar can do ---------------------------------------------------------------------- */

/* A tombstone goes when this device and every other member hold it, not by one member's word. */
static void a_member_that_lies_speaks_for_itself_alone(void **state) {
    struct stage *stage = met(state);
    struct solo_log *log = stage->log;
    (void)solo_log_put(log, 1, "/a");
    (void)solo_log_delete(log, 1);
    solo_turn(&log->solo);
    const uint64_t deleted = log->stamp;
    passes_it_on(stage, statement(stage, (struct statement){.device = THEM, .position = LATER}));
    struct solo_log_forgotten forgotten = solo_log_forget(log, ME, "location", LATER);
    assert_int_equal(forgotten.upto, 0);
    assert_int_equal(forgotten.count, 0);
    passes_it_on(stage,
                 statement(stage, (struct statement){.device = OTHERS, .position = deleted}));
    forgotten = solo_log_forget(log, ME, "location", LATER);
    assert_int_equal(forgotten.upto, deleted);
    assert_int_equal(forgotten.count, 1);
}

/* As many heads and places as fit, of origins and owners that nobody knows, again and again. */
static void what_a_liar_makes_up_takes_bounded_room(void **state) {
    struct stage *stage = met(state);
    const struct solo_log *log = stage->log;
    const struct bytes name = {(const uint8_t *)"location", 8};
    for (uint64_t round = 1; round <= 4; round++) {
        struct attest_builder builder;
        struct bytes bytes;
        const struct record_origin origin = {log->devices[THEM], SOLO_LOG_INCARNATION};
        attest_begin(&builder, &stage->arena, &origin, round, false, &name, 1);
        for (uint64_t i = 0; i < LIMIT_ORIGINS; i++) {
            const struct attest_head head = {{library_id(0xaa), round << 32 | i}, round};
            attest_add_head(&builder, &head);
        }
        attest_begin_places(&builder);
        for (uint64_t i = 0; i < 4000; i++) {
            struct id owner = library_id(0xbb);
            store_u64(owner.bytes, round << 32 | i);
            attest_add_place(&builder, &(struct attest_place){owner, 0, round, false, 0});
        }
        assert_int_equal(attest_end(&builder, &log->identities[THEM], &bytes), WEFT_OK);
        passes_it_on(stage, bytes);
        assert_int_equal(surveyed(stage, THEM), 0);
    }
    wait(stage, ACKS_DELAY_US);
    assert_int_equal(solo_log_count(log, "SELECT count(*) FROM peer_acks"), 0);
    passes_it_on(stage, statement(stage, (struct statement){.device = THEM, .position = LATER}));
    assert_true(surveyed(stage, THEM) == LATER);
}

#define ATTEST_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        ATTEST_TEST(what_is_held_is_said_after_every_start),
        ATTEST_TEST(what_has_grown_is_said_a_second_later),
        ATTEST_TEST(its_own_rows_are_said_with_their_digest),
        ATTEST_TEST(what_is_new_is_said_with_a_greater_number_also_after_a_restart),
        ATTEST_TEST(a_life_that_commits_nothing_says_what_is_held_with_a_greater_number),
        ATTEST_TEST(what_the_disk_has_not_kept_is_not_said),
        ATTEST_TEST(who_is_no_member_any_more_says_nothing),
        ATTEST_TEST(a_member_s_statement_is_taken_once_and_passed_on),
        ATTEST_TEST(what_a_member_has_said_itself_is_passed_on_all_the_same),
        ATTEST_TEST(an_older_statement_is_not_taken),
        ATTEST_TEST(after_a_restart_an_older_one_is_passed_on_and_takes_nothing_back),
        ATTEST_TEST(of_a_device_set_back_the_later_incarnation_counts_as_newer),
        ATTEST_TEST(a_forged_statement_is_not_taken_and_does_not_stand_in_the_way),
        ATTEST_TEST(bytes_that_are_no_statement_are_passed_over),
        ATTEST_TEST(a_stranger_s_statement_is_not_taken_until_it_is_a_member),
        ATTEST_TEST(a_statement_from_before_its_device_was_a_member_is_taken_when_it_is),
        ATTEST_TEST(a_removed_device_s_statement_is_not_taken),
        ATTEST_TEST(its_own_statement_that_comes_back_is_not_taken),
        ATTEST_TEST(of_one_mail_each_device_is_heard_once),
        ATTEST_TEST(a_table_that_is_not_here_is_passed_over_and_passed_on),
        ATTEST_TEST(what_is_taken_is_stored),
        ATTEST_TEST(a_member_that_lies_speaks_for_itself_alone),
        ATTEST_TEST(what_a_liar_makes_up_takes_bounded_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
