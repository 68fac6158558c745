/* See solo_prune.h. */
#include "tests/lib/solo_prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/words.h"

#define MAIL(kind) WEFT__MAIL__BODY_##kind

int solo_prune_setup(void **state) {
    struct solo_prune *stage = calloc(1, sizeof *stage);
    void *log = NULL;
    assert_non_null(stage);
    if (solo_log_setup(&log) != 0) return 1;
    stage->log = log;
    stage->log->log_records = SOLO_PRUNE_STAY;
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

int solo_prune_teardown(void **state) {
    struct solo_prune *stage = *state;
    void *log = stage->log;
    arena_drop(&stage->arena);
    pool_close(stage->pool);
    free(stage);
    return solo_log_teardown(&log);
}

/* ---- what others say ------------------------------------------------------------------------- */

struct bytes solo_prune_sign(struct solo_prune *stage, struct author *author,
                             struct record_ops *ops) {
    struct record record = {.origin = author->origin, .seq = ++author->seq};
    struct bytes bytes;
    record.hlc = ++stage->stamp;
    memcpy(record.prev, author->hash, RECORD_HASH);
    assert_int_equal(record_ops_end(ops, &record.ops), WEFT_OK);
    assert_int_equal(record_write(&author->identity, &record, &stage->arena, &bytes, NULL),
                     WEFT_OK);
    memcpy(author->hash, record.hash, RECORD_HASH);
    stage->last = record;
    return bytes;
}

enum weft_status solo_prune_deliver(struct solo_prune *stage, struct bytes bytes) {
    struct solo *solo = &stage->log->solo;
    Weft__Records *records = NULL;
    struct mail *mail = solo_mail(solo, MAIL(RECORDS), &records);
    records->peer = 1;
    /* The clock has passed it, if it ever can. */
    records->stamp = stage->log->stamp = stage->stamp + (stage->stamp < INT64_MAX);
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

void solo_prune_says(struct solo_prune *stage, struct author *author, const char *words,
                     int count) {
    for (int i = 0; i < count; i++) {
        struct record_ops ops;
        record_ops_begin(&ops, &stage->arena);
        record_ops_change(&ops, words_body(&stage->arena, words));
        assert_int_equal(solo_prune_deliver(stage, solo_prune_sign(stage, author, &ops)), WEFT_OK);
    }
}

void solo_prune_calls_away(struct solo_prune *stage, struct author *author, uint8_t device) {
    struct record_ops ops;
    record_ops_begin(&ops, &stage->arena);
    record_ops_away(&ops, &(struct record_away){stage->log->devices[device], 0});
    assert_int_equal(solo_prune_deliver(stage, solo_prune_sign(stage, author, &ops)), WEFT_OK);
}

void solo_prune_holds(struct solo_prune *stage, uint8_t device, const struct author *author,
                      uint64_t seq, bool waiting) {
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

void solo_prune_all_hold(struct solo_prune *stage, const struct author *author, uint64_t seq) {
    solo_prune_holds(stage, THEM, author, seq, false);
    solo_prune_holds(stage, OTHERS, author, seq, false);
}

/* ---- what the log says ----------------------------------------------------------------------- */

struct solo_prune_said solo_prune_survey(struct solo_prune *stage) {
    struct solo_prune_said said = {0};
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

uint32_t solo_prune_forget(struct solo_prune *stage, uint64_t seq, uint64_t place) {
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
    stage->more = mail->body.forgotten->more;
    mail_drop(&mail);
    return count;
}
