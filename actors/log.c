/* See log.h. Invariants
 *   1. Rows, positions, the clock's mark and acknowledgements of one group are in one transaction.
 *   2. An outcome or a committed mail leaves only after writer_commit() has returned WEFT_OK.
 *   3. `positions` and everything else in memory changes only after the commit.
 *   4. A failed sync ends the engine: it is never tried again, since the pages may then read clean
 *      (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
 *   5. `after` of each run is the position before it, `upto` its last change: the runs of a stream
 *      chain without a gap.
 * Not here: SQL (store/writer), rows of others (log_incoming), rescans (log_scan), members
 * (log_member), the shared log (log_shared, log_govern), what is taken (log_subscribe), figures
 *     (log_figures). */
#include "actors/log.h"

#include <stdlib.h>

#include "actors/log_private.h"

/* ---- the group ---- */

void log_note_lost(struct log *log, const struct weft_error *why) {
    if (why->status == WEFT_SYNC_FAILED && log->lost.status == WEFT_OK) log->lost = *why;
}

enum weft_status log_begin(struct log *log, struct weft_error *why) {
    if (log->open) {
        log_hooks_begin(log);
        return WEFT_OK;
    }
    if (log->lost.status != WEFT_OK) {
        *why = log->lost;
        return WEFT_SYNC_FAILED;
    }
    enum weft_status status = writer_begin(log->writer, why);
    log->open = status == WEFT_OK;
    /* What a transaction that failed has left in memory, where it could not be read again yet. */
    if (log->open) status = log_reload_shared(log, why);
    if (log->open && status != WEFT_OK) {
        writer_rollback(log->writer);
        log->open = false;
    }
    if (log->open) log_mark_heads(log);
    if (log->open) log_hooks_begin(log);
    /* A checkpoint's sync may have failed since the last commit: this is where it shows. */
    if (status != WEFT_OK) log_note_lost(log, why);
    return status;
}

void log_rollback(struct log *log) {
    if (log->open) writer_rollback(log->writer);
    log_restore_heads(log); /* A commit that failed has rolled back already. */
    log_hooks_drop(log);
    log->open = false;
    log->changed_models = 0;
    log->moved.count = 0;
    log->group_stamp = 0;
    log->own = log->remote = (struct writer_tally){0};
}

struct stream log_stream(const Weft__Rows *rows) {
    struct stream stream = {.model = rows->model};
    CHECK(id_read(&stream.owner, rows->owner.data, rows->owner.len));
    return stream;
}

enum weft_status log_move(struct log *log, const struct stream *stream, uint64_t position,
                          struct weft_error *why) {
    enum weft_status status = vector_advance(&log->moved, stream, position, NULL);
    if (status == WEFT_OK) return status;
    return status_fail(why, status, 0, "no room for the position of a stream");
}

uint64_t log_position(const struct log *log, const struct stream *stream) {
    const struct vector_entry *moved = vector_find(&log->moved, stream);
    return moved != NULL ? moved->position : vector_get(&log->positions, stream);
}

/* ---- answers ---- */

static void fill_outcome(struct mail *mail, Weft__Outcome *outcome, uint64_t ticket,
                         const struct weft_error *why) {
    outcome->ticket = ticket;
    if (why == NULL || why->status == WEFT_OK) return;
    outcome->status = why->status;
    outcome->native = why->native;
    outcome->text = mail_text(mail, why->text);
}

void log_answer(struct log *log, uint64_t ticket, const struct weft_error *why,
                struct outbox *out) {
    Weft__Answered *answered = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ANSWERED, &answered);
    answered->outcomes = (Weft__Outcome **)mail_messages(mail, &weft__outcome__descriptor, 1);
    CHECK(answered->outcomes != NULL);
    answered->n_outcomes = 1;
    fill_outcome(mail, answered->outcomes[0], ticket, why);
    bool failed = why != NULL && why->status != WEFT_OK;
    board_add(*(failed ? &log->board->commits_failed : &log->board->commits), 1);
    outbox_send(out, ACTOR_HOST, &mail);
}

void log_notice(struct log *log, enum weft_event_kind kind, int model, uint64_t count,
                const struct id *device, const struct weft_error *error, struct outbox *out) {
    Weft__Notice *notice = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_NOTICE, &notice);
    (void)log;
    notice->kind = kind;
    notice->model = model;
    notice->count = count;
    if (device != NULL) {
        CHECK(mail_bytes(mail, &notice->device, device->bytes, 16));
    }
    if (error != NULL) {
        notice->status = error->status;
        notice->native = error->native;
        notice->text = mail_text(mail, error->text);
    }
    outbox_send(out, ACTOR_HOST, &mail);
}

void log_tell_host(struct outbox *out) {
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_HELD, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}

/* The outcome of a committed transaction: its last version in each model it changed. */
static void fill_versions(struct mail *mail, Weft__Outcome *outcome, const Weft__Commit *commit) {
    outcome->models = arena_take(&mail->arena, commit->n_rows * sizeof outcome->models[0] + 1);
    outcome->versions = arena_take(&mail->arena, commit->n_rows * sizeof outcome->versions[0] + 1);
    CHECK(outcome->models != NULL && outcome->versions != NULL);
    outcome->shared_seq = commit->shared_seq;
    for (size_t r = 0; r < commit->n_rows; r++) {
        const Weft__Rows *rows = commit->rows[r];
        if (rows->upto == rows->after) continue;
        outcome->models[outcome->n_models++] = rows->model;
        outcome->versions[outcome->n_versions++] = rows->upto;
    }
}

static void answer_group(struct log *log, const struct weft_error *why, struct outbox *out) {
    Weft__Answered *answered = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ANSWERED, &answered);
    Weft__Outcome **outcomes =
        (Weft__Outcome **)mail_messages(mail, &weft__outcome__descriptor, log->group_count);
    size_t count = 0;
    CHECK(outcomes != NULL);
    for (uint32_t i = 0; i < log->group_count; i++) {
        if (log->group[i]->body.body_case != WEFT__MAIL__BODY_COMMIT) continue;
        const Weft__Commit *commit = log->group[i]->body.commit;
        if (commit->ticket == 0) continue;
        fill_outcome(mail, outcomes[count], commit->ticket, why);
        if (why == NULL) fill_versions(mail, outcomes[count], commit);
        count++;
    }
    answered->outcomes = outcomes;
    answered->n_outcomes = count;
    board_add(*(why != NULL ? &log->board->commits_failed : &log->board->commits), count);
    if (count != 0) {
        outbox_send(out, ACTOR_HOST, &mail);
    } else {
        mail_drop(&mail);
    }
}

/* Tells the host how many rows of other devices came, per run of mails of one model. */
static void notice_changed(struct log *log, struct outbox *out) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < log->group_count; i++) {
        const Weft__Mail *body = &log->group[i]->body;
        if (body->body_case != WEFT__MAIL__BODY_INCOMING) continue;
        const Weft__Rows *rows = body->incoming->rows;
        const Weft__Mail *next = i + 1 < log->group_count ? &log->group[i + 1]->body : NULL;
        count += rows->count;
        if (next != NULL && next->body_case == WEFT__MAIL__BODY_INCOMING &&
            next->incoming->rows->model == rows->model) {
            continue;
        }
        struct stream stream = log_stream(rows);
        log_notice(log, WEFT_EVENT_CHANGED, (int)rows->model - 1, count, &stream.owner, NULL, out);
        count = 0;
    }
}

/* Hands every mail of the group on to bulk, and empties it. */
static void pass_group_on(struct log *log, const struct weft_error *why, struct outbox *out) {
    for (uint32_t i = 0; i < log->group_count; i++) {
        Weft__Mail *body = &log->group[i]->body;
        /* Of a failed group the transactions do not go on, so none may be waited for. */
        bool last = why != NULL || i + 1 == log->group_count;
        if (body->body_case == WEFT__MAIL__BODY_INCOMING) {
            Weft__Incoming *incoming = body->incoming;
            struct stream stream = log_stream(incoming->rows);
            incoming->status = why == NULL ? WEFT_OK : why->status;
            incoming->position = vector_get(&log->positions, &stream);
            incoming->last_of_group = last;
        } else {
            body->commit->last_of_group = last;
            if (why != NULL) {
                mail_drop(&log->group[i]);
                continue;
            }
        }
        outbox_send(out, ACTOR_BULK, &log->group[i]);
    }
    log->group_count = 0;
    log->group_rows = log->group_incoming = 0;
    log->group_stamp = 0;
}

/* ---- committing ---- */

static enum weft_status write_group_marks(struct log *log, struct weft_error *why) {
    enum weft_status status = vector_make_room(&log->positions, &log->moved);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for positions");
    for (uint32_t i = 0; i < log->moved.count && status == WEFT_OK; i++) {
        const struct vector_entry *entry = &log->moved.entries[i];
        status = writer_position(log->writer, &entry->stream, entry->position, why);
    }
    if (status == WEFT_OK && log->group_stamp != 0) {
        status = writer_clock(log->writer, log->group_stamp, why);
    }
    if (status == WEFT_OK) status = log_save_acks(log, why);
    if (status == WEFT_OK) status = log_save_contacts(log, why);
    /* Lives that commit nothing say what the one before them said, behind its numbers, and each may
     * have the same ones. */
    if (status == WEFT_OK && !log->serial_drawn)
        status = writer_serial(log->writer, true, &log->serial_next, why);
    return status;
}

static void fail_group(struct log *log, const struct weft_error *why, struct outbox *out) {
    if (log->group_count == 0) return;
    for (uint32_t i = 0; i < log->group_count; i++) {
        log_scan_give_up(log, log->group[i]);
    }
    answer_group(log, why, out);
    pass_group_on(log, why, out);
    log_tell_host(out); /* After the answers, the memory of the transactions has been let go. */
}

static void count_group(struct log *log, struct outbox *out) {
    if (log->remote.parked != 0) {
        struct weft_error why = {0};
        (void)status_fail(&why, WEFT_CONSTRAINT, 0,
                          "received rows cannot be applied yet, as a constraint of the schema "
                          "forbids them or their key is another owner's; they are kept, and tried "
                          "again at the next open");
        log_notice(log, WEFT_EVENT_PARKED, -1, log->remote.parked, NULL, &why, out);
    }
    board_add(log->board->syncs, 1);
    board_add(log->board->rows_local, log->own.written);
    board_add(log->board->rows_remote, log->remote.written);
    board_add(log->board->rows_unchanged, log->own.unchanged);
    board_add(log->board->rows_parked, log->remote.parked);
    log->own = log->remote = (struct writer_tally){0};
}

/* When what waits for a commit to ride on gets one of its own. */
static uint64_t commit_due(const struct log *log) {
    return log->acks_due_us < log->contacts_due_us ? log->acks_due_us : log->contacts_due_us;
}

/* What waits for a commit of its own is tried again a little later. */
static void put_off(struct log *log, struct instant now) {
    log->acks_due_us = now.mono_us + LIMIT_RETRY_US;
    if (log->contacts_due_us != DUE_NEVER) log->contacts_due_us = log->acks_due_us;
}

static enum weft_status flush(struct log *log, struct instant now, struct weft_error *why,
                              struct outbox *out) {
    if (!log->open) return WEFT_OK;
    enum weft_status status = write_group_marks(log, why);
    if (status == WEFT_OK) {
        log_hooks_before(log, out);
        status = writer_commit(log->writer, why);
        log->open = false;
    }
    log_hooks_after(log, status == WEFT_OK, out);
    log_figures_committed(log, now, status);
    if (status == WEFT_OK) log_figures_slow(log, out);
    if (status != WEFT_OK) {
        log_rollback(log);
        fail_group(log, why, out);
        put_off(log, now);
        log_note_lost(log, why);
        if (status != WEFT_SYNC_FAILED) log_notice(log, WEFT_EVENT_FAULT, -1, 0, NULL, why, out);
        return status;
    }
    if (log->moved.count != 0 || log->place != log->told_place) log_attest_wait(log, now);
    CHECK(vector_merge(&log->positions, &log->moved) == WEFT_OK);
    log->moved.count = 0;
    log->digests_read = false;
    if (!log->serial_drawn) log->serial = log->serial_next;
    log->serial_drawn = true;
    log->marked = false;
    for (uint32_t m = 0; m < log->member_count; m++) {
        log->members[m].unsaved.count = 0;
        log->members[m].rewrite = false;
        for (uint32_t i = 0; i < log->members[m].shared_count; i++) {
            log->members[m].shared[i].saved = true;
        }
    }
    log->acks_due_us = DUE_NEVER;
    log_drop_contacts(log);
    log->group_stamp = 0;
    count_group(log, out);
    if (log->group_count != 0) {
        answer_group(log, NULL, out);
        notice_changed(log, out);
        pass_group_on(log, NULL, out);
    }
    log_tell_place(log, out);
    log_checkpoint(log, out);
    return WEFT_OK;
}

enum weft_status log_flush(struct log *log, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    return flush(log, now, &why, out);
}

/* ---- transactions of this host ---- */

/* The last version of a run that changed anything; 0 if none did. */
static uint64_t last_change(const Weft__Rows *rows) {
    for (uint32_t row = rows->count; row > 0; row--) {
        if (rows_op(rows, row - 1) != ROW_NONE) return rows_version(rows, row - 1);
    }
    return 0;
}

static enum weft_status apply_commit(struct log *log, struct mail *mail, struct weft_error *why) {
    Weft__Commit *commit = mail->body.commit;
    const struct writer_unchanged unchanged = {log_scan_seen, log};
    enum weft_status status = log_begin(log, why);
    bool shared = false;
    log_hooks_author(log, commit->ticket, NULL);
    for (size_t r = 0; r < commit->n_rows && status == WEFT_OK; r++) {
        Weft__Rows *rows = commit->rows[r];
        struct stream stream = {log->settings->device, rows->model};
        if (models_owned(log->settings->models, rows->model) == NULL) {
            shared = true;
            continue;
        }
        status = writer_apply_own(log->writer, rows, &mail->arena, &unchanged, &log->own, why);
        if (status != WEFT_OK) break;
        uint64_t last = last_change(rows);
        rows->after = log_position(log, &stream);
        rows->upto = last == 0 ? rows->after : last;
        CHECK(rows->upto >= rows->after);
        if (last != 0) status = log_move(log, &stream, last, why);
    }
    commit->shared_seq = 0;
    if (status == WEFT_OK && shared) {
        status = log_write_shared(log, commit, &mail->arena, why);
    }
    if (status == WEFT_OK) {
        uint64_t stamp = commit->first + commit->count - 1;
        if (stamp > log->group_stamp) log->group_stamp = stamp;
    }
    return status;
}

enum weft_status log_save_group(struct log *log, struct instant now, struct weft_error *cause,
                                struct outbox *out) {
    struct weft_error why = *cause;
    enum weft_status status = WEFT_OK;
    uint32_t count = log->group_count;
    CHECK(cause->status != WEFT_OK);
    log_rollback(log);
    log_note_lost(log, cause);
    if (log->lost.status != WEFT_OK) status = WEFT_SYNC_FAILED;
    for (uint32_t i = 0; i < count && status == WEFT_OK; i++) {
        struct mail *mail = log->group[i];
        if (mail->body.body_case == WEFT__MAIL__BODY_COMMIT) {
            status = apply_commit(log, mail, &why);
        } else {
            status = log_apply_incoming(log, mail->body.incoming->rows, &why);
        }
    }
    if (status != WEFT_OK) {
        log_rollback(log);
        log_note_lost(log, &why);
        fail_group(log, &why, out);
    } else {
        status = flush(log, now, &why, out);
    }
    /* The refusal may rest on rows that have gone with the group. */
    if (status != WEFT_OK && count != 0) *cause = why;
    return cause->status;
}

static void on_commit(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    struct weft_error why = {0};
    Weft__Commit *commit = (*in)->body.commit;
    CHECK(log->group_count < LIMIT_GROUP_MAILS);
    arena_adopt(&(*in)->arena, log->pool);
    enum weft_status status = apply_commit(log, *in, &why);
    if (status != WEFT_OK) {
        uint64_t ticket = commit->ticket;
        (void)log_save_group(log, now, &why, out);
        log_scan_give_up(log, *in);
        mail_drop(in); /* Before the answer: whoever waits for room looks when that comes. */
        log_answer(log, ticket, &why, out);
        return;
    }
    log->group_rows += commit->count;
    log->group[log->group_count++] = *in;
    *in = NULL;
}

/* ---- the step ---- */

static void on_stop(struct log *log, struct outbox *out) {
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_STOP, NULL);
    log->stopped = true;
    outbox_send(out, ACTOR_HOST, &mail);
}

/* What the clock has given out, it has passed. */
static void note_clock(struct log *log, const Weft__Mail *body) {
    uint64_t stamp = 0;
    if (body->body_case == WEFT__MAIL__BODY_COMMIT) stamp = body->commit->first;
    if (body->body_case == WEFT__MAIL__BODY_RECORDS) stamp = body->records->stamp;
    if (body->body_case == WEFT__MAIL__BODY_SURVEY) stamp = body->survey->stamp;
    if (stamp > log->clock_mark) log->clock_mark = stamp;
}

static void begin(struct log *log, struct instant now) {
    if (log->started_ms != 0) return;
    log->started_ms = now.wall_ms;
    log_figures_begin(log, now);
}

/* No mail waits: what is open is committed, and what has come due is done. */
static void on_tick(struct log *log, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    if (!log->open && now.mono_us >= commit_due(log) && log_begin(log, &why) != WEFT_OK)
        put_off(log, now);
    (void)log_flush(log, now, out);
    if (now.mono_us >= log->quarantine_due_us) log_release(log, now, out);
    if (log_strays_due(log)) log_strays(log, now, out);
    if (!log->open && now.mono_us >= log->attest_due_us) log_attest(log, now, out);
    if (!log->open && now.mono_us >= log->repair_due_us) log_compare_all(log, now, out);
    if (!log->open && now.mono_us >= log->clear_due_us) log_clear(log, now, out);
}

static bool is_full(const struct log *log) {
    return log->group_rows >= log->settings->group_rows ||
           log->group_incoming >= LIMIT_GROUP_INCOMING || log->group_count == LIMIT_GROUP_MAILS;
}

static void log_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct log *log = self;
    struct weft_error why = {0};
    begin(log, now);
    note_clock(log, &(*in)->body);
    CHECK(log->lost.status == WEFT_OK); /* The step that met it was the last. */
    switch ((*in)->body.body_case) {
    case WEFT__MAIL__BODY_COMMIT:
        on_commit(log, now, in, out);
        break;
    case WEFT__MAIL__BODY_INCOMING:
        log_incoming(log, now, in, out);
        break;
    case WEFT__MAIL__BODY_SCAN:
        log_scan(log, now, in, out);
        break;
    case WEFT__MAIL__BODY_ACKED:
        log_acked(log, now, (*in)->body.acked, out);
        break;
    case WEFT__MAIL__BODY_SURVEY:
        log_survey(log, now, out);
        break;
    case WEFT__MAIL__BODY_FORGET:
        log_forget(log, now, (*in)->body.forget, out);
        break;
    case WEFT__MAIL__BODY_RECORDS:
        log_records(log, now, in, out);
        break;
    case WEFT__MAIL__BODY_GOVERN:
        log_govern(log, now, (*in)->body.govern, out);
        break;
    case WEFT__MAIL__BODY_SHARED_ACKED:
        log_shared_acked(log, now, (*in)->body.shared_acked, out);
        break;
    case WEFT__MAIL__BODY_ATTESTED:
        log_attested(log, now, (*in)->body.attested, out);
        break;
    case WEFT__MAIL__BODY_RECOUNT:
        log_recount(log, now, (*in)->body.recount, out);
        break;
    case WEFT__MAIL__BODY_SYNC:
        log_sync(log, now, in, out);
        break;
    case WEFT__MAIL__BODY_SUBSCRIBE:
        log_subscribe(log, now, (*in)->body.subscribe, out);
        break;
    case WEFT__MAIL__BODY_CONTACT:
    case WEFT__MAIL__BODY_SESSION:
        log_contact(log, now, in);
        break;
    case WEFT__MAIL__BODY_CHECKPOINT:
        log_checkpointed(log, (*in)->body.checkpoint);
        break;
    case WEFT__MAIL__BODY_ROSTER_WANTED:
        log_roster_wanted(log, (*in)->body.roster_wanted, out);
        break;
    case WEFT__MAIL__BODY_STOP:
        (void)log_begin(log, &why); /* Unsaved acknowledgements go with the last commit. */
        (void)log_flush(log, now, out);
        on_stop(log, out);
        break;
    default: /* Tick: no mail waits. */
        on_tick(log, now, out);
        break;
    }
    if (is_full(log)) (void)log_flush(log, now, out);
    if (log->lost.status != WEFT_OK) outbox_fatal(out, &log->lost);
}

static uint64_t log_due(const void *self) {
    const struct log *log = self;
    if (log->stopped) return DUE_NEVER;
    if (log->open || log_strays_due(log)) return 0;
    uint64_t due = commit_due(log);
    if (log->quarantine_due_us < due) due = log->quarantine_due_us;
    if (log->repair_due_us < due) due = log->repair_due_us;
    if (log->clear_due_us < due) due = log->clear_due_us;
    return log->attest_due_us < due ? log->attest_due_us : due;
}

static void log_stop(void *self) {
    struct log *log = self;
    for (uint32_t i = 0; i < log->group_count; i++) {
        mail_drop(&log->group[i]);
    }
    mail_drop(&log->hooks.mail);
    log_scan_free(log);
    log_words_free(log);
    log_strays_free(log);
    log_drop_contacts(log);
    log_free_members(log);
    log_free_taking(log);
    log_prune_free(log);
    log_free_shared(log);
    free(log->sweeps);
    vector_free(&log->positions);
    vector_free(&log->clearing);
    vector_free(&log->moved);
    if (log->writer == NULL) return;
    if (board_get(log->board->copy_failed) != 0) writer_forsake(log->writer);
    writer_close(log->writer);
}

static enum weft_status log_start(void *self, const struct actor_seed *seed,
                                  struct weft_error *why) {
    struct log *log = self;
    const struct settings *settings = seed->settings;
    log->settings = settings;
    log->board = settings->board;
    log->pool = seed->pool;
    log->acks_due_us = log->contacts_due_us = log->repair_due_us = DUE_NEVER;
    log->hooks.watch = (struct writer_watch){log_hooks_touched, log};
    vector_init(&log->positions);
    vector_init(&log->clearing);
    vector_init(&log->moved);
    enum weft_status status = writer_open(settings->path, settings->vfs, settings->cache_bytes,
                                          settings->models, &settings->device, &log->writer, why);
    if (status == WEFT_OK) {
        writer_measure(log->writer, &settings->stopwatch);
    }
    if (status == WEFT_OK) status = writer_load_positions(log->writer, &log->positions, why);
    if (status == WEFT_OK) status = log_load_shared(log, why);
    if (status == WEFT_OK) status = log_load_members(log, why);
    if (status == WEFT_OK) status = log_load_taking(log, why);
    if (status == WEFT_OK) status = log_prune_start(log, why);
    if (status == WEFT_OK) status = log_load_sweeps(log, why);
    if (status == WEFT_OK) status = log_load_subscriptions(log, why);
    if (status == WEFT_OK) status = writer_begin(log->writer, why);
    if (status == WEFT_OK) {
        status = writer_retry_parked(log->writer, &log->remote, why);
        if (status == WEFT_OK) status = log_load_rows(log, why);
        if (status == WEFT_OK) status = writer_fill_digests(log->writer, why);
        if (status == WEFT_OK) status = writer_serial(log->writer, false, &log->serial, why);
        if (status == WEFT_OK) status = writer_commit(log->writer, why);
    }
    if (status != WEFT_OK) log_stop(log);
    return status;
}

const struct actor_kind log_actor = {
    .name = "log",
    .state_size = sizeof(struct log),
    .emit_max = LIMIT_GROUP_MAILS + 8,
    .start = log_start,
    .step = log_step,
    .due_us = log_due,
    .stop = log_stop,
};
