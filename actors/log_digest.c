/* What members hold, compared with what is held here.
 *
 *   a member's statement is taken ─┐
 *   this device has said its own  ─┼─► of each place that both stand at: one digest?
 *                                  │   of shared tables, if the heads are the same: one digest?
 *                                  └─► no: told to the host, once ─► not the owner's own word: that
 *                                          │                         is all
 *                                          └─► rows of an owner that has itself said otherwise are
 *                                              swept: taken again, from it or from whoever holds
 *                                              as much, where ranges differ (bulk_narrow.c)
 *
 * A device says what it holds a second after it has come to hold more, so this compares at the end
 * of every catch-up. A member's last statement is kept, since what it says may be reached here
 * later.
 * Invariants
 *   1. Only what is settled is compared (schema/005_digest.sql): else two that hold as much need
 *      not hold the same.
 *   2. The rows of this device are never repaired by what others say.
 *   3. Of one difference repairs follow each other in growing pauses. One sweep may not be enough:
 *      a row that is newer here than it ever was at its owner goes in the first, and comes back as
 *      it should be in the second.
 * Not here: what a digest is (store/digest.h), and sweeping (log_incoming.c). */
#include <stdio.h>
#include <stdlib.h>

#include "actors/log_private.h"
#include "engine/store/models.h"

#define REPAIR_US 1000000u /* between two repairs of one stream; doubled each time */
#define REPAIR_DOUBLINGS 10u
#define REPAIR_NARROW 3u       /* so many sweeps are narrow; those after them leave nothing out */
#define UNSETTLED_US 10000000u /* for rows of the owner's next state, which must exist */
#define REPAIR_PATIENCE 5u     /* so many of these pauses, for members that have not spoken yet */

/* ---- what is compared ---- */

static int by_owner(const void *a, const void *b) {
    const struct digest_found *x = a, *y = b;
    if (x->shared != y->shared) return x->shared ? 1 : -1;
    const int order = id_compare(&x->owner, &y->owner);
    if (order != 0) return order;
    return x->model != y->model ? (x->model < y->model ? -1 : 1) : strcmp(x->table, y->table);
}

const struct digest_list *log_digests(struct log *log) {
    struct weft_error why = {0};
    if (log->digests_read) return &log->digests;
    /* What is read now may be taken back; and a read that fails may end the transaction. */
    if (log->open) return NULL;
    if (writer_read_digests(log->writer, &log->digests, &why) != WEFT_OK) return NULL;
    if (log->digests.count > 1)
        qsort(log->digests.list, log->digests.count, sizeof *log->digests.list, by_owner);
    log->digests_read = true;
    return &log->digests;
}

static const struct digest_found *find_owned(const struct digest_list *digests,
                                             const struct stream *stream) {
    const struct digest_found key = {.owner = stream->owner, .model = stream->model};
    uint32_t low = 0, high = digests->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        struct digest_found at = digests->list[middle];
        at.table[0] = 0;
        const int order = by_owner(&at, &key);
        if (order == 0) return &digests->list[middle];
        if (order < 0) low = middle + 1;
        if (order > 0) high = middle;
    }
    return NULL;
}

void log_word_new(struct member *member, struct bytes said) {
    uint8_t *copy = malloc(said.size);
    free(member->said);
    member->said = copy;
    member->said_size = copy == NULL ? 0 : said.size;
    if (copy != NULL) memcpy(copy, said.data, said.size);
}

void log_words_free(struct log *log) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        free(log->members[m].said);
        free(log->members[m].differing);
        log->members[m].said = NULL;
        log->members[m].differing = NULL;
    }
    digest_list_free(&log->digests);
}

/* ---- what differs ---- */

static struct differing *find_differing(struct member *member, const struct stream *stream,
                                        bool shared) {
    for (uint32_t i = 0; i < member->differing_count; i++) {
        struct differing *differing = &member->differing[i];
        if (differing->shared == shared && stream_compare(&differing->stream, stream) == 0)
            return differing;
    }
    return NULL;
}

static struct differing *differing_add(struct member *member, const struct stream *stream,
                                       bool shared) {
    const uint32_t count = member->differing_count + 1;
    struct differing *grown =
        count > LIMIT_STREAMS ? NULL : realloc(member->differing, count * sizeof *grown);
    if (grown == NULL) return NULL;
    member->differing = grown;
    member->differing_count = count;
    grown[count - 1] = (struct differing){.stream = *stream, .shared = shared};
    return &grown[count - 1];
}

static void tell(struct log *log, const struct member *member, const struct stream *stream,
                 const char *table, bool shared, bool repair, struct outbox *out) {
    const bool own = !shared && id_equal(&stream->owner, &log->settings->device);
    struct weft_error why = {0};
    char who[ID_TEXT_SIZE], owner[ID_TEXT_SIZE];
    id_text(&member->device, who);
    id_text(&stream->owner, owner);
    (void)status_fail(&why, WEFT_CORRUPT, 0,
                      "table \"%s\"%s%s: member %s holds as much as this device, but not the same; "
                      "%s",
                      table, shared ? "" : ", rows of ", shared ? "" : owner, who,
                      repair   ? "it is their owner, so what differs is taken again"
                      : own    ? "they are this device's: that member will take them again"
                      : shared ? "what most members have is taken, or what each has is put together"
                               : "nothing is done until their owner has said what is right");
    board_add(log->board->digests_differ, 1);
    log_notice(log, WEFT_EVENT_DIFFERS, (int)stream->model - 1, 0, shared ? NULL : &stream->owner,
               &why, out);
}

/* ---- comparing ---- */

struct comparing {
    struct log *log;
    struct member *member;
    struct instant now;
    struct outbox *out;
    bool swept;                /* one repair for a step */
    struct attest_place place; /* what the member says of the stream that is compared */
};

static void note_try(const struct comparing *comparing, struct differing *differing) {
    const uint32_t doubled =
        differing->tries < REPAIR_DOUBLINGS ? differing->tries : REPAIR_DOUBLINGS;
    differing->due_us = comparing->now.mono_us + ((uint64_t)REPAIR_US << doubled);
    differing->tries++;
}

static void look_again(const struct comparing *comparing, const struct differing *differing) {
    uint64_t due = differing->due_us;
    if (due <= comparing->now.mono_us) due = comparing->now.mono_us + LIMIT_RETRY_US;
    if (due < comparing->log->repair_due_us) comparing->log->repair_due_us = due;
}

static bool same_heads(const struct log *log, const struct attest *attest) {
    uint32_t mine = 0;
    for (uint32_t i = 0; i < log->head_count; i++) {
        if (log->heads[i].frozen) return false;
        mine += log->heads[i].seq != 0;
    }
    if (attest->head_count != mine) return false;
    for (uint32_t i = 0; i < attest->head_count; i++) {
        const struct attest_head said = attest_head_at(attest, i);
        const struct shared_head *head = log_head(log, &said.origin);
        if (head == NULL || head->seq != said.seq) return false;
    }
    return true;
}

/* What a member said that it has of a shared table, if it stood where this device stands. */
static bool said_of(const struct log *log, const struct member *member, const char *table,
                    uint64_t *digest) {
    struct attest attest;
    if (member->said == NULL || member->state != BOARD_MEMBER) return false;
    CHECK(attest_read((struct bytes){member->said, member->said_size}, &attest));
    if (attest.waiting || !same_heads(log, &attest)) return false;
    for (uint32_t i = 0; i < attest.sum_count; i++) {
        const struct attest_table_sum sum = attest_sum_at(&attest, i);
        const struct bytes name = attest.tables[sum.table];
        *digest = sum.digest;
        if (name.size == strlen(table) && memcmp(name.data, table, name.size) == 0) return true;
    }
    return false;
}

/* Of shared rows nobody is the owner. If more members have what this one has than what is here,
 * they are right, and it is taken from this one; if as many, each of the two adds what the other
 * has, in turns; else it is for the others to do something. */
static void repair_shared(struct comparing *comparing, struct differing *differing,
                          const char *table) {
    struct log *log = comparing->log;
    const struct member *member = comparing->member;
    const struct digest_list *digests = log_digests(log);
    if (digests == NULL) return;
    const struct digest_found *mine = digest_find_shared(digests, table, strlen(table));
    uint64_t theirs = 0, digest = 0;
    uint32_t with_me = 1, with_them = 0, silent = 0;
    if (!said_of(log, member, table, &theirs)) return;
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (!said_of(log, &log->members[m], table, &digest)) {
            silent += log->members[m].state == BOARD_MEMBER;
            continue;
        }
        with_me += digest == mine->kept;
        with_them += digest == theirs;
    }
    if (with_me > with_them) return;
    if (comparing->now.mono_us >= differing->due_us && !comparing->swept) {
        const bool unite = with_me == with_them;
        const bool first = id_compare(&log->settings->device, &member->device) < 0;
        /* What one side alone has is not to spread before those have spoken who may know better. */
        const bool early = silent > 0 && differing->tries < REPAIR_PATIENCE;
        const bool turn = !unite || (!early && (differing->tries % 2 == 0) == first);
        note_try(comparing, differing);
        if (turn) {
            Weft__Repair *repair = NULL;
            struct mail *mail = outbox_mail(comparing->out, WEFT__MAIL__BODY_REPAIR, &repair);
            CHECK(mail_bytes(mail, &repair->device, member->device.bytes, WEFT_ID_SIZE));
            repair->unite = unite;
            outbox_send(comparing->out, ACTOR_SHARE, &mail);
        }
        comparing->swept = true;
    }
    look_again(comparing, differing);
}

/* Whether a member's last statement says of a stream what `said` does. */
static bool says_the_same(const struct log *log, const struct member *member,
                          const struct stream *stream, const struct attest_place *said) {
    struct attest attest;
    if (member->said == NULL || member->state != BOARD_MEMBER) return false;
    CHECK(attest_read((struct bytes){member->said, member->said_size}, &attest));
    for (uint32_t i = 0; i < attest.place_count; i++) {
        const struct attest_place place = attest_place_at(&attest, i);
        const struct bytes name = attest.tables[place.table];
        if (!id_equal(&place.owner, &stream->owner) || !place.known) continue;
        if (place.position != said->position || place.digest != said->digest) continue;
        const struct model *model =
            models_owned_named(log->settings->models, (const char *)name.data, name.size);
        if (model != NULL && model->id == stream->model) return true;
    }
    return false;
}

void log_agreeing(const struct log *log, const struct stream *stream,
                  const struct attest_place *said, struct mail *mail) {
    Weft__Repair *repair = mail->body.repair;
    repair->agree = arena_take(&mail->arena, (log->member_count + 1) * sizeof *repair->agree);
    CHECK(repair->agree != NULL);
    for (uint32_t m = 0; m < log->member_count; m++) {
        const struct member *member = &log->members[m];
        if (!says_the_same(log, member, stream, said)) continue;
        ProtobufCBinaryData *agree = &repair->agree[repair->n_agree++];
        CHECK(mail_bytes(mail, agree, member->device.bytes, WEFT_ID_SIZE));
    }
}

/* Takes the stream again when that is due; one for a step. */
static void sweep(struct comparing *comparing, struct differing *differing) {
    if (comparing->now.mono_us >= differing->due_us && !comparing->swept &&
        log_sweep_again(comparing->log, comparing->now, &differing->stream, &comparing->place,
                        differing->tries >= REPAIR_NARROW, comparing->out) == WEFT_OK) {
        note_try(comparing, differing);
        comparing->swept = true;
    }
    look_again(comparing, differing);
}

/* Takes in whether a member's digest and this device's are the same. */
static void judge(struct comparing *comparing, const struct stream *stream, const char *table,
                  bool shared, bool same) {
    struct log *log = comparing->log;
    struct member *member = comparing->member;
    struct differing *differing = find_differing(member, stream, shared);
    const bool repair = !shared && id_equal(&stream->owner, &member->device);
    board_add(log->board->digests_compared, 1);
    if (same) {
        if (differing == NULL) return;
        if (differing->tries > 0) {
            board_add(log->board->digests_repaired, 1);
            outbox_log(comparing->out, LOGGED_REPAIRED, &member->device, NULL,
                       &(struct logged_field){LOGGED_KEY_TABLE, table, 0}, 1);
        }
        *differing = member->differing[--member->differing_count];
        return;
    }
    if (differing == NULL) {
        differing = differing_add(member, stream, shared);
        if (differing == NULL) return;
    }
    if (!differing->told) {
        tell(log, member, stream, table, shared, repair, comparing->out);
        /* Who differs may not have heard lately what is here, and cannot be repaired from whom it
         * has no session with. */
        log_attest_again(log, comparing->now);
    }
    differing->told = true;
    if (shared) {
        repair_shared(comparing, differing, table);
        return;
    }
    if (repair) sweep(comparing, differing);
}

/* The owner itself stands where this device does, and yet rows are said to be of a later state of
 * its: somebody who passed them on was having its own repaired. Whether they are right cannot be
 * seen, so they are taken anew. */
static void unsettled(struct comparing *comparing, const struct stream *stream) {
    struct member *member = comparing->member;
    struct differing *differing = find_differing(member, stream, false);
    if (!id_equal(&stream->owner, &member->device) || log_sweeps(comparing->log, stream)) return;
    if (differing == NULL) {
        differing = differing_add(member, stream, false);
        if (differing == NULL) return;
        differing->due_us = comparing->now.mono_us + UNSETTLED_US;
    }
    sweep(comparing, differing);
}

static void compare_shared(struct comparing *comparing, const struct attest *attest,
                           const struct digest_list *digests) {
    const struct log *log = comparing->log;
    if (attest->waiting || log->quarantine_due_us != DUE_NEVER || log->taking != NULL) return;
    if (!same_heads(log, attest)) return;
    for (uint32_t i = 0; i < attest->sum_count; i++) {
        const struct attest_table_sum sum = attest_sum_at(attest, i);
        const struct bytes name = attest->tables[sum.table];
        const struct digest_found *mine =
            digest_find_shared(digests, (const char *)name.data, name.size);
        if (mine == NULL || !mine->known || mine->model == 0) continue;
        const struct stream stream = {.model = mine->model};
        judge(comparing, &stream, mine->table, true, mine->kept == sum.digest);
    }
}

static void compare_places(struct comparing *comparing, const struct attest *attest,
                           const struct digest_list *digests) {
    const struct models *models = comparing->log->settings->models;
    for (uint32_t i = 0; i < attest->place_count; i++) {
        const struct attest_place place = attest_place_at(attest, i);
        const struct bytes name = attest->tables[place.table];
        const struct model *model = models_owned_named(models, (const char *)name.data, name.size);
        if (model == NULL || !place.known) continue;
        const struct stream stream = {place.owner, model->id};
        const struct digest_found *mine = find_owned(digests, &stream);
        if (mine == NULL || !mine->known || mine->position != place.position) continue;
        comparing->place = place;
        if (mine->settled)
            judge(comparing, &stream, model->name, false, mine->kept == place.digest);
        else
            unsettled(comparing, &stream);
        if (comparing->swept) break; /* What is held has been read anew: the rest comes later. */
    }
}

void log_compare(struct log *log, struct instant now, struct member *member, struct outbox *out) {
    struct comparing comparing = {.log = log, .member = member, .now = now, .out = out};
    const struct digest_list *digests = log_digests(log);
    struct attest attest;
    if (member->said == NULL || member->state != BOARD_MEMBER) return;
    if (digests == NULL) {
        if (log->open) log->repair_due_us = now.mono_us; /* As soon as all is committed. */
        return;
    }
    CHECK(attest_read((struct bytes){member->said, member->said_size}, &attest));
    compare_shared(&comparing, &attest, digests);
    compare_places(&comparing, &attest, digests);
    if (comparing.swept && log->repair_due_us > now.mono_us + LIMIT_RETRY_US)
        log->repair_due_us = now.mono_us + LIMIT_RETRY_US;
}

void log_compare_all(struct log *log, struct instant now, struct outbox *out) {
    log->repair_due_us = DUE_NEVER;
    for (uint32_t m = 0; m < log->member_count; m++)
        log_compare(log, now, &log->members[m], out);
}

/* ---- for the host ---- */

/* Tells of digests that were not what the rows make. */
static void tell_wrong(struct log *log, const struct digest_list *list, struct outbox *out) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct digest_found *found = &list->list[i];
        const bool own = !found->shared && id_equal(&found->owner, &log->settings->device);
        struct weft_error why = {0};
        if (!found->known || found->kept == found->computed) continue;
        (void)status_fail(&why, WEFT_CORRUPT, 0,
                          "table \"%s\": its rows are not those that the library last wrote, so "
                          "somebody else has changed them; %s",
                          found->table,
                          own ? "write this device's rows anew, or restore the file"
                              : "they are compared with what other members hold");
        board_add(log->board->digests_differ, 1);
        log_notice(log, WEFT_EVENT_DIFFERS, (int)found->model - 1, 0,
                   found->shared ? NULL : &found->owner, &why, out);
    }
}

static enum weft_status save_words(struct log *log, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    for (uint32_t m = 0; m < log->member_count && status == WEFT_OK; m++) {
        const struct member *member = &log->members[m];
        if (member->said == NULL || member->state != BOARD_MEMBER) continue;
        const struct bytes said = {member->said, member->said_size};
        status = writer_word(log->writer, &member->device, said, why);
    }
    return status;
}

void log_recount(struct log *log, struct instant now, const Weft__Recount *recount,
                 struct outbox *out) {
    struct digest_list list = {0};
    struct weft_error why = {0};
    enum weft_status status = log_flush(log, now, out);
    if (status != WEFT_OK) (void)status_fail(&why, status, 0, "the library cannot be written");
    if (status == WEFT_OK) status = log_begin(log, &why);
    if (status == WEFT_OK) {
        status =
            recount->recount ? writer_recount(log->writer, &list, &why) : save_words(log, &why);
        if (status != WEFT_OK) {
            log_rollback(log);
            log_note_lost(log, &why);
        } else {
            status = log_flush(log, now, out);
            if (status != WEFT_OK) (void)status_fail(&why, status, 0, "the disk took nothing");
        }
    }
    if (status == WEFT_OK && recount->recount) {
        tell_wrong(log, &list, out);
        log->digests_read = false;
        log->attest_due_us = now.mono_us;
    }
    digest_list_free(&list);
    if (recount->ticket != 0) log_answer(log, recount->ticket, &why, out);
}
