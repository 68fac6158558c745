/* The log actor alone, records of others: which are taken, what a fork or a gap does, and that
 * nobody hears of what a disk has not kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/scene.h"
#include "tests/lib/solo_log.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind
#define RECORDS "SELECT count(*) FROM shared_changes"
#define FROZEN "SELECT count(*) FROM _weft_origin WHERE fork IS NOT NULL"

#define ACKS_DELAY_US 1000000u /* as log_member.c has it */

/* The stage of the log, authors, and what they sign. */
struct stage {
    struct solo_log *log;
    struct author them, others;
    struct pool *pool;
    struct arena arena;
    uint64_t place;  /* of which share was told */
    uint32_t frozen; /* heads of these */
    size_t grown;    /* how often */
};

static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    void *log = NULL;
    assert_non_null(stage);
    if (solo_log_setup(&log) != 0) return 1;
    stage->log = log;
    stage->pool = pool_open(0, 0, NULL);
    arena_init(&stage->arena, stage->pool);
    author_init(&stage->them, THEM, SOLO_LOG_INCARNATION);
    author_init(&stage->others, OTHERS, SOLO_LOG_INCARNATION);
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

/* THEM is a member. Two records lie here: the founder's, and the one that says so. */
static struct stage *met(void **state) {
    struct stage *stage = *state;
    solo_log_meet(stage->log, THEM);
    assert_int_equal(solo_log_count(stage->log, RECORDS), 2);
    struct mail *grown = solo_take(&stage->log->solo, ACTOR_SHARE, MAIL(GROWN));
    assert_non_null(grown);
    mail_drop(&grown);
    return stage;
}

static struct bytes says(struct stage *stage, struct author *author) {
    return author_signs(&stage->arena, author, 10).bytes;
}

static uint32_t frozen_heads(const Weft__Grown *grown) {
    uint32_t count = 0;
    for (size_t i = 0; i < grown->n_heads; i++)
        count += grown->heads[i]->frozen;
    return count;
}

/* These come; what the log answers, and what share heard before that. */
static enum weft_status deliver(struct stage *stage, const struct bytes *bytes, size_t count) {
    struct solo *solo = &stage->log->solo;
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(solo, MAIL(RECORDS), &records);
    records->peer = 1;
    records->stamp = ++stage->log->stamp;
    records->records = arena_zero(&mail->arena, count * sizeof *records->records);
    assert_non_null(records->records);
    records->n_records = count;
    for (size_t i = 0; i < count; i++)
        assert_true(mail_bytes(mail, &records->records[i], bytes[i].data, bytes[i].size));
    mail = mail_repack(&mail, solo->pool, NULL);
    assert_non_null(mail);
    solo_tell(solo, ACTOR_CLOCK, mail);
    for (stage->grown = 0;;) {
        mail = solo_take(solo, ACTOR_SHARE, MAIL(RECORDS));
        assert_non_null(mail);
        if (mail->body.body_case == MAIL(RECORDS)) break;
        if (mail->body.body_case ==
            MAIL(ATTESTED)) { /* What it holds, as it says after its start. */
            mail_drop(&mail);
            continue;
        }
        assert_int_equal(mail->body.body_case, MAIL(GROWN));
        const uint32_t frozen = frozen_heads(mail->body.grown);
        assert_true(mail->body.grown->place > stage->place ||
                    (mail->body.grown->place == stage->place && frozen > stage->frozen));
        stage->frozen = frozen;
        stage->place = mail->body.grown->place;
        stage->grown++;
        mail_drop(&mail);
    }
    const enum weft_status status = (enum weft_status)mail->body.records->status;
    assert_int_equal(mail->body.records->text[0] == 0, status == WEFT_OK);
    assert_int_equal(mail->body.records->n_records, count);
    mail_drop(&mail);
    return status;
}

static enum weft_status deliver_one(struct stage *stage, struct bytes bytes) {
    return deliver(stage, &bytes, 1);
}

static void assert_records(struct stage *stage, int count) {
    assert_int_equal(solo_log_count(stage->log, RECORDS), count);
}

/* ---- a chain --------------------------------------------------------------------------------- */

static void records_of_a_member_are_kept_and_told(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes[] = {says(stage, &stage->them), says(stage, &stage->them)};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
    assert_int_equal(stage->grown, 1);
    assert_records(stage, 4);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    assert_records(stage, 5);
}

static void what_share_was_told_of_outlives_a_power_cut(void **state) {
    struct stage *stage = met(state);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    assert_int_equal(stage->grown, 1);
    solo_log_power_cut(stage->log);
    assert_records(stage, 3);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    assert_records(stage, 4);
}

static void all_records_of_a_mail_are_one_commit(void **state) {
    struct stage *stage = met(state);
    struct bytes bytes[20];
    const uint64_t syncs = board_get(stage->log->solo.board->syncs);
    for (unsigned i = 0; i < 20; i++)
        bytes[i] = says(stage, &stage->them);
    assert_int_equal(deliver(stage, bytes, 20), WEFT_OK);
    assert_int_equal(board_get(stage->log->solo.board->syncs), syncs + 1);
    assert_int_equal(stage->grown, 1);
}

static void an_open_transaction_is_committed_before_records_are_taken(void **state) {
    struct stage *stage = met(state);
    const uint64_t ticket = solo_log_put(stage->log, 1, "/a");
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    solo_log_answers(stage->log, ticket, WEFT_OK);
}

static void records_that_are_here_already_change_nothing(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes[] = {says(stage, &stage->them), says(stage, &stage->them)};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
        assert_int_equal(stage->grown, 0);
        assert_records(stage, 4);
        solo_log_restart(stage->log);
    }
}

static void what_comes_before_a_gap_is_kept(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes[] = {says(stage, &stage->them), says(stage, &stage->them),
                                  says(stage, &stage->them)};
    const struct bytes gap[] = {bytes[0], bytes[2], bytes[1]};
    assert_int_equal(deliver(stage, gap, 3), WEFT_NOT_FOUND);
    assert_int_equal(stage->grown, 1);
    assert_records(stage, 3);
    assert_int_equal(deliver(stage, bytes, 3), WEFT_OK);
    assert_records(stage, 5);
}

static void a_device_that_nobody_has_added_waits(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes[] = {says(stage, &stage->others), says(stage, &stage->them)};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_NOT_FOUND);
    assert_records(stage, 2);
    solo_log_meet(stage->log, OTHERS);
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
    assert_records(stage, 5);
}

static void a_member_s_word_makes_another_one(void **state) {
    struct stage *stage = met(state);
    struct solo_log *log = stage->log;
    const struct identity *identity = &stage->others.identity;
    struct record_add add = {.device = identity->public, .incarnation = identity->incarnation};
    struct record record = {.origin = stage->them.origin, .seq = 1, .hlc = 101};
    struct record_ops ops;
    struct bytes bytes[2];
    memcpy(add.cert, identity->cert, IDENTITY_CERT);
    add.name = (struct bytes){(const uint8_t *)"others", 6};
    record_ops_begin(&ops, &stage->arena);
    record_ops_add(&ops, &add);
    assert_int_equal(record_ops_end(&ops, &record.ops), WEFT_OK);
    assert_int_equal(record_write(&stage->them.identity, &record, &stage->arena, &bytes[0], NULL),
                     WEFT_OK);
    bytes[1] = says(stage, &stage->others); /* It speaks in the same mail. */
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
    assert_records(stage, 4);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_MEMBER).device, OTHERS);
    assert_int_equal(board_get(log->solo.board->member_count), 2);
    solo_log_power_cut(log);
    assert_int_equal(board_get(log->solo.board->member_count), 2);
}

/* ---- lies ------------------------------------------------------------------------------------ */

static struct bytes flipped(struct stage *stage, struct bytes bytes, size_t at) {
    uint8_t *copy = arena_take(&stage->arena, bytes.size);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    copy[at] ^= 1;
    return (struct bytes){copy, bytes.size};
}

static void a_record_that_its_device_did_not_sign_is_a_lie(void **state) {
    struct stage *stage = met(state);
    const struct bytes first = says(stage, &stage->them), second = says(stage, &stage->them);
    const struct bytes third = says(stage, &stage->them);
    const struct bytes lies[] = {first, flipped(stage, second, second.size - 1), third};
    assert_int_equal(deliver(stage, lies, 3), WEFT_DENIED);
    assert_records(stage, 3); /* What stood before it is kept. */
    const struct bytes changed[] = {flipped(stage, second, RECORD_HEAD + RECORD_OP_HEAD), third};
    assert_int_equal(deliver(stage, changed, 2), WEFT_DENIED);
    const struct bytes truth[] = {second, third};
    assert_int_equal(deliver(stage, truth, 2), WEFT_OK);
    assert_records(stage, 5);
}

static void bytes_that_are_no_record_are_a_fault(void **state) {
    struct stage *stage = met(state);
    const struct bytes bytes[] = {says(stage, &stage->them), {(const uint8_t *)"WR", 2}};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_PROTOCOL);
    assert_records(stage, 3);
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void expect_frozen(struct stage *stage, int records) {
    struct solo_log *log = stage->log;
    const struct solo_log_notice notice = solo_log_notice(log, WEFT_EVENT_FAULT);
    assert_int_equal(notice.status, WEFT_DENIED);
    assert_int_equal(notice.device, THEM);
    assert_records(stage, records);
    for (unsigned i = 0; i < 2; i++) { /* Now and after a restart nothing more is taken. */
        assert_int_equal(solo_log_count(log, FROZEN), 1);
        assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
        assert_records(stage, records);
        assert_int_equal(solo_log_notice(log, WEFT_EVENT_FAULT).kind, 0);
        solo_log_power_cut(log);
    }
}

static void two_records_of_one_number_freeze_their_origin(void **state) {
    struct stage *stage = met(state);
    const struct bytes first = says(stage, &stage->them);
    const struct author before = stage->them;
    const struct bytes second = says(stage, &stage->them);
    const struct bytes other =
        author_signs_at(&stage->arena, &before, 2, before.hash, 0xff, 10).bytes;
    const struct bytes bytes[] = {first, second, other};
    assert_int_equal(deliver(stage, bytes, 3), WEFT_OK);
    expect_frozen(stage, 4);
}

static void a_record_that_continues_another_history_freezes_its_origin(void **state) {
    struct stage *stage = met(state);
    static const uint8_t elsewhere[RECORD_HASH] = {1};
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    const struct bytes other =
        author_signs_at(&stage->arena, &stage->them, 2, elsewhere, 0xff, 10).bytes;
    (void)says(stage, &stage->them);
    assert_int_equal(deliver_one(stage, other), WEFT_OK);
    expect_frozen(stage, 3);
}

static void a_forged_fork_freezes_nobody(void **state) {
    struct stage *stage = met(state);
    const struct bytes first = says(stage, &stage->them);
    const struct bytes other =
        author_signs_at(&stage->arena, &stage->them, 1, (const uint8_t[RECORD_HASH]){0}, 9, 10)
            .bytes;
    const struct bytes bytes[] = {first, flipped(stage, other, other.size - 1)};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_DENIED);
    assert_int_equal(solo_log_count(stage->log, FROZEN), 0);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    assert_records(stage, 4);
}

static void another_incarnation_of_a_frozen_device_is_taken(void **state) {
    struct stage *stage = met(state);
    const struct bytes first = says(stage, &stage->them);
    const struct bytes other =
        author_signs_at(&stage->arena, &stage->them, 1, (const uint8_t[RECORD_HASH]){0}, 9, 10)
            .bytes;
    const struct bytes bytes[] = {first, other};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
    struct author next;
    author_init(&next, THEM, SOLO_LOG_INCARNATION + 1);
    assert_int_equal(deliver_one(stage, says(stage, &next)), WEFT_OK);
    assert_records(stage, 4);
}

static void sixteen_incarnations_of_a_device_are_followed_and_no_more(void **state) {
    struct stage *stage = met(state);
    struct author author;
    for (uint64_t i = 0; i < LIMIT_INCARNATIONS + 2; i++) {
        author_init(&author, THEM, 100 + i);
        assert_int_equal(deliver_one(stage, says(stage, &author)), WEFT_OK);
        const bool taken = i < LIMIT_INCARNATIONS;
        assert_int_equal(solo_log_notice(stage->log, WEFT_EVENT_FAULT).kind,
                         taken ? 0 : WEFT_EVENT_FAULT);
        assert_records(stage, 2 + (int)(taken ? i + 1 : LIMIT_INCARNATIONS));
    }
    assert_int_equal(deliver_one(stage, says(stage, &author)), WEFT_OK); /* Its second one. */
    assert_int_equal(solo_log_notice(stage->log, WEFT_EVENT_FAULT).kind, 0);
}

/* ---- removed devices ------------------------------------------------------------------------- */

static void a_removed_device_s_later_records_are_passed_over(void **state) {
    struct stage *stage = met(state);
    struct solo_log *log = stage->log;
    const struct bytes first = says(stage, &stage->them);
    assert_int_equal(deliver_one(stage, first), WEFT_OK);
    solo_log_answers(log, solo_log_govern(log, THEM, true), WEFT_OK);
    assert_records(stage, 4);
    assert_int_equal(deliver_one(stage, first), WEFT_OK); /* Up to its pin it is right. */
    const struct bytes second = says(stage, &stage->them);
    for (unsigned i = 0; i < 3; i++) {
        /* Somebody's pin may still allow it: it is to be asked for again. */
        assert_int_equal(deliver_one(stage, second), WEFT_NOT_FOUND);
        assert_records(stage, 4); /* This device has removed it itself: there is no more to say. */
    }
}

/* The next record of `author`, a removal of THEM pinned at its head. */
static struct bytes removal(struct stage *stage, struct author *author) {
    struct record_remove remove = {.device = stage->them.identity.device, .count = 1};
    struct record record = {.origin = author->origin, .seq = author->seq + 1, .hlc = 500};
    struct record_ops ops;
    struct bytes bytes;
    remove.pins[0] =
        (struct record_pin){.incarnation = SOLO_LOG_INCARNATION, .seq = stage->them.seq};
    memcpy(remove.pins[0].hash, stage->them.hash, RECORD_HASH);
    memcpy(record.prev, author->hash, RECORD_HASH);
    record_ops_begin(&ops, &stage->arena);
    record_ops_remove(&ops, &remove);
    assert_int_equal(record_ops_end(&ops, &record.ops), WEFT_OK);
    assert_int_equal(record_write(&author->identity, &record, &stage->arena, &bytes, NULL),
                     WEFT_OK);
    author->seq++;
    memcpy(author->hash, record.hash, RECORD_HASH);
    return bytes;
}

static void who_passes_a_record_over_says_so_once(void **state) {
    struct stage *stage = met(state);
    struct solo_log *log = stage->log;
    solo_log_meet(log, OTHERS);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    assert_int_equal(deliver_one(stage, removal(stage, &stage->others)), WEFT_OK);
    assert_int_equal(solo_log_notice(log, WEFT_EVENT_REMOVED).device, THEM);
    assert_records(stage, 5); /* The pin is this device's own head: it has nothing to add. */
    const struct bytes second = says(stage, &stage->them);
    assert_int_equal(deliver_one(stage, second), WEFT_NOT_FOUND);
    assert_records(stage, 6);
    assert_int_equal(stage->grown, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(deliver_one(stage, second), WEFT_NOT_FOUND);
        assert_records(stage, 6);
        solo_log_power_cut(log);
    }
}

static void who_holds_more_than_a_pin_says_so(void **state) {
    struct stage *stage = met(state);
    solo_log_meet(stage->log, OTHERS);
    const struct bytes first = says(stage, &stage->them);
    const struct author before = stage->them;
    const struct bytes bytes[] = {first, says(stage, &stage->them)};
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK);
    const struct author after = stage->them;
    stage->them = before; /* OTHERS knows of the first record only. */
    const struct bytes pinned = removal(stage, &stage->others);
    stage->them = after;
    assert_int_equal(deliver_one(stage, pinned), WEFT_OK);
    assert_records(stage, 7);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_NOT_FOUND);
    assert_records(stage, 7); /* It has said all it holds. */
}

/* ---- disks ----------------------------------------------------------------------------------- */

static void records_that_find_the_disk_full_are_told_to_nobody_and_taken_later(void **state) {
    struct stage *stage = met(state);
    struct solo_log *log = stage->log;
    const struct bytes bytes[] = {says(stage, &stage->them), says(stage, &stage->them)};
    disk_set_full(log->disk, true);
    assert_int_equal(deliver(stage, bytes, 2), WEFT_DISK_FULL);
    assert_int_equal(stage->grown, 0);
    disk_set_full(log->disk, false);
    assert_records(stage, 2);
    assert_int_equal(deliver(stage, bytes, 2), WEFT_OK); /* As if they had never come. */
    assert_int_equal(stage->grown, 1);
    assert_records(stage, 4);
}

static void a_decision_that_finds_the_disk_full_is_none(void **state) {
    struct stage *stage = met(state);
    struct solo_log *log = stage->log;
    disk_set_full(log->disk, true);
    solo_log_answers(log, solo_log_govern(log, OTHERS, false), WEFT_DISK_FULL);
    assert_int_equal(board_get(log->solo.board->member_count), 1);
    disk_set_full(log->disk, false);
    assert_int_equal(deliver_one(stage, says(stage, &stage->others)), WEFT_NOT_FOUND);
    solo_log_answers(log, solo_log_govern(log, OTHERS, false), WEFT_OK);
    const struct author again = stage->others;
    assert_int_equal(again.seq, 1);
    author_init(&stage->others, OTHERS, SOLO_LOG_INCARNATION);
    assert_int_equal(deliver_one(stage, says(stage, &stage->others)), WEFT_OK);
    assert_records(stage, 4);
}

static void records_whose_sync_fails_end_the_engine_and_are_told_to_nobody(void **state) {
    struct stage *stage = met(state);
    const struct bytes first = says(stage, &stage->them);
    disk_fail_sync(stage->log->disk, 1);
    assert_int_not_equal(deliver_one(stage, first), WEFT_OK);
    assert_int_equal(stage->grown, 0);
    assert_int_equal(solo_log_fatal(stage->log), WEFT_SYNC_FAILED);
}

/* ---- what members hold ----------------------------------------------------------------------- */

static void acked(struct stage *stage, uint8_t device, const struct author *of, uint64_t seq) {
    Weft__SharedAcked *message = NULL;
    struct mail *mail = solo_mail(&stage->log->solo, MAIL(SHARED_ACKED), &message);
    const uint8_t *id = stage->log->devices[device].bytes;
    message->heads = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, 1);
    assert_non_null(message->heads);
    message->n_heads = 1;
    assert_true(mail_bytes(mail, &message->device, id, WEFT_ID_SIZE));
    assert_true(
        mail_bytes(mail, &message->heads[0]->device, of->origin.device.bytes, WEFT_ID_SIZE));
    message->heads[0]->incarnation = of->origin.incarnation;
    message->heads[0]->seq = seq;
    solo_tell(&stage->log->solo, ACTOR_PEER, mail);
}

/* What is stored of it, a while later. */
static int64_t stored(struct stage *stage) {
    stage->log->solo.now.mono_us += 2 * ACKS_DELAY_US;
    solo_turn(&stage->log->solo);
    return solo_log_count(stage->log, "SELECT sum(seq) FROM peer_acks");
}

static void what_a_member_holds_of_the_shared_log_is_stored_and_only_grows(void **state) {
    struct stage *stage = met(state);
    solo_log_meet(stage->log, OTHERS);
    struct bytes bytes[3];
    for (unsigned i = 0; i < 3; i++)
        bytes[i] = says(stage, &stage->others);
    assert_int_equal(deliver(stage, bytes, 3), WEFT_OK);
    acked(stage, THEM, &stage->others, 2);
    assert_int_equal(stored(stage), 2);
    acked(stage, THEM, &stage->others, 1);
    assert_int_equal(stored(stage), 2);
    solo_log_power_cut(stage->log);
    acked(stage, THEM, &stage->others, 3);
    assert_int_equal(stored(stage), 3);
    solo_log_restart(stage->log);
    acked(stage, THEM, &stage->others, 2);
    assert_int_equal(stored(stage), 3);
}

static void what_is_said_of_an_origin_nobody_knows_takes_no_room(void **state) {
    struct stage *stage = met(state);
    for (unsigned i = 0; i < 300; i++) {
        struct author author;
        author_init(&author, (uint8_t)(4 + i % 12), 1000 + i);
        acked(stage, THEM, &author, 1);
    }
    assert_int_equal(stored(stage), 0);
    assert_int_equal(solo_log_count(stage->log, "SELECT count(*) FROM _weft_origin"), 1);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
}

static void what_a_stranger_says_it_holds_is_not_stored(void **state) {
    struct stage *stage = met(state);
    assert_int_equal(deliver_one(stage, says(stage, &stage->them)), WEFT_OK);
    acked(stage, OTHERS, &stage->them, 1);
    assert_int_equal(stored(stage), 0);
}

#define SHARED_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
    const struct CMUnitTest tests[] = {
        SHARED_TEST(records_of_a_member_are_kept_and_told),
        SHARED_TEST(what_share_was_told_of_outlives_a_power_cut),
        SHARED_TEST(all_records_of_a_mail_are_one_commit),
        SHARED_TEST(an_open_transaction_is_committed_before_records_are_taken),
        SHARED_TEST(records_that_are_here_already_change_nothing),
        SHARED_TEST(what_comes_before_a_gap_is_kept),
        SHARED_TEST(a_device_that_nobody_has_added_waits),
        SHARED_TEST(a_member_s_word_makes_another_one),
        SHARED_TEST(a_record_that_its_device_did_not_sign_is_a_lie),
        SHARED_TEST(bytes_that_are_no_record_are_a_fault),
        SHARED_TEST(two_records_of_one_number_freeze_their_origin),
        SHARED_TEST(a_record_that_continues_another_history_freezes_its_origin),
        SHARED_TEST(a_forged_fork_freezes_nobody),
        SHARED_TEST(another_incarnation_of_a_frozen_device_is_taken),
        SHARED_TEST(sixteen_incarnations_of_a_device_are_followed_and_no_more),
        SHARED_TEST(a_removed_device_s_later_records_are_passed_over),
        SHARED_TEST(who_passes_a_record_over_says_so_once),
        SHARED_TEST(who_holds_more_than_a_pin_says_so),
        SHARED_TEST(records_that_find_the_disk_full_are_told_to_nobody_and_taken_later),
        SHARED_TEST(a_decision_that_finds_the_disk_full_is_none),
        SHARED_TEST(records_whose_sync_fails_end_the_engine_and_are_told_to_nobody),
        SHARED_TEST(what_a_member_holds_of_the_shared_log_is_stored_and_only_grows),
        SHARED_TEST(what_is_said_of_an_origin_nobody_knows_takes_no_room),
        SHARED_TEST(what_a_stranger_says_it_holds_is_not_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
