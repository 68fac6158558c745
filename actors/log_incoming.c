/* The log's way with rows of other devices.
 *
 *   continues the position ────────────────────────► group ──commit──► bulk, status WEFT_OK
 *   does not ──────────────────────────────────────► bulk, WEFT_INVALID and the position
 *   "below my horizon", or rows that are
 *   not the owner's ─────► sweep begins at 0 ──────► bulk, WEFT_OK and the cursor
 *   a sweep's batch, continuing the cursor ────────► applied with deletion ──► bulk
 *
 * A sweep walks the whole stream again beside the position, which stays: what was acknowledged is
 * not taken back. When the cursor reaches the position, the sweep has replaced it. Bulk passes over
 * ranges that are known to be the same (bulk_narrow.c): their batches have no rows, and delete
 * none.
 * Invariants
 *   1. A batch is applied only if it begins where the stream, or its sweep, stands.
 *   2. Every mail that came in goes to bulk, once, with what became of it. */
#include <stdlib.h>

#include "actors/log_private.h"

struct visit_context {
    struct log *log;
    enum weft_status status;
};

static struct sweep *find_sweep(const struct log *log, const struct stream *stream) {
    for (uint32_t i = 0; i < log->sweep_count; i++) {
        if (stream_compare(&log->sweeps[i].stream, stream) == 0) return &log->sweeps[i];
    }
    return NULL;
}

bool log_sweeps(const struct log *log, const struct stream *stream) {
    return find_sweep(log, stream) != NULL;
}

void log_sweep_drop(struct log *log, const struct stream *stream) {
    struct sweep *sweep = find_sweep(log, stream);
    if (sweep != NULL) *sweep = log->sweeps[--log->sweep_count];
}

static enum weft_status add_sweep(struct log *log, const struct stream *stream) {
    struct sweep *grown = realloc(log->sweeps, (log->sweep_count + 1) * sizeof *grown);
    if (grown == NULL) return WEFT_NO_MEMORY;
    log->sweeps = grown;
    log->sweeps[log->sweep_count++] = (struct sweep){.stream = *stream};
    return WEFT_OK;
}

static void visit_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    struct visit_context *visit = context;
    (void)cursor; /* What horizon it began with is not stored: it begins anew. */
    if (visit->status == WEFT_OK) visit->status = add_sweep(visit->log, stream);
}

enum weft_status log_load_sweeps(struct log *log, struct weft_error *why) {
    struct visit_context context = {log, WEFT_OK};
    const struct writer_visit visit = {.context = &context, .sweep = visit_sweep};
    enum weft_status status = writer_visit(log->writer, &visit, why);
    return status != WEFT_OK ? status : context.status;
}

static void answer(struct log *log, struct mail **in, enum weft_status status, struct outbox *out) {
    Weft__Incoming *incoming = (*in)->body.incoming;
    struct stream stream = log_stream(incoming->rows);
    const struct sweep *sweep = find_sweep(log, &stream);
    incoming->status = status;
    incoming->sweeping = sweep != NULL;
    incoming->position = sweep != NULL ? sweep->cursor : vector_get(&log->positions, &stream);
    incoming->last_of_group = 1;
    outbox_send(out, ACTOR_BULK, in);
}

enum weft_status log_apply_incoming(struct log *log, const Weft__Rows *rows,
                                    struct weft_error *why) {
    struct stream stream = log_stream(rows);
    CHECK(rows->after == log_position(log, &stream));
    enum weft_status status = log_begin(log, why);
    log_hooks_author(log, 0, &stream.owner);
    if (status == WEFT_OK) {
        status = writer_apply_remote(log->writer, &stream.owner, rows, &log->remote, why);
    }
    /* Up to where the rows reach tombstones may be missing; beyond, who sends the next decides. */
    const uint64_t horizon = rows->horizon < rows->upto ? rows->horizon : rows->upto;
    if (status == WEFT_OK && horizon != 0) {
        status = writer_horizon(log->writer, &stream, horizon, why);
    }
    if (status == WEFT_OK && rows->settled > rows->upto) {
        status = writer_settled(log->writer, &stream, rows->settled, why);
    }
    if (status == WEFT_OK && rows->upto > rows->after) {
        status = log_move(log, &stream, rows->upto, why);
    }
    return status;
}

/* Writes one step of a sweep in a transaction of its own. */
static enum weft_status write_sweep(struct log *log, const Weft__Rows *rows, uint64_t cursor,
                                    bool done, struct weft_error *why) {
    struct stream stream = log_stream(rows);
    CHECK(!log->open);
    enum weft_status status = log_begin(log, why);
    log_hooks_author(log, 0, &stream.owner);
    if (status == WEFT_OK && rows->upto > rows->after) {
        /* Behind the end there is nothing but what a sweep that was given up has left, or somebody
         * else: what belongs there comes again. */
        const uint64_t before = log->remote.written;
        Weft__Rows last = *rows;
        if (rows->same) last.after = rows->upto;
        if (done && rows->upto < INT64_MAX) last.upto = INT64_MAX;
        if (last.upto > last.after)
            status = writer_apply_remote(log->writer, &stream.owner, &last, &log->remote, why);
        if (log->remote.written != before) log->changed_models |= UINT64_C(1) << (rows->model - 1);
    }
    if (status == WEFT_OK && rows->settled != 0) {
        status = writer_settled(log->writer, &stream, rows->settled, why);
    }
    if (status == WEFT_OK) {
        status = writer_sweep_cursor(log->writer, &stream, !done, cursor, why);
    }
    if (status == WEFT_OK && done) {
        status = log_move(log, &stream, cursor, why);
        /* The tombstones below were not all seen here: whoever is behind must sweep as well, and
         * needs none of them. One that the owner never wrote would be passed on. */
        uint64_t horizon = rows->horizon > cursor ? rows->horizon : cursor;
        if (status == WEFT_OK) status = writer_forget_all(log->writer, &stream, horizon, why);
    }
    if (status != WEFT_OK) {
        log_rollback(log);
        log_note_lost(log, why);
    }
    return status;
}

enum weft_status log_sweep_again(struct log *log, struct instant now, const struct stream *stream,
                                 const struct attest_place *said, bool whole, struct outbox *out) {
    struct weft_error why = {0};
    CHECK(!id_equal(&stream->owner, &log->settings->device));
    if (find_sweep(log, stream) != NULL) return WEFT_OK;
    enum weft_status status = log_flush(log, now, out);
    if (status == WEFT_OK) status = log_begin(log, &why);
    if (status != WEFT_OK) return status;
    status = writer_sweep_cursor(log->writer, stream, true, 0, &why);
    if (status == WEFT_OK) {
        status = log_flush(log, now, out);
    } else {
        log_rollback(log);
        log_note_lost(log, &why);
    }
    if (status == WEFT_OK) status = add_sweep(log, stream);
    if (status != WEFT_OK) return status;
    Weft__Repair *repair = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_REPAIR, &repair);
    repair->place = mail_message(mail, &weft__place__descriptor);
    CHECK(repair->place != NULL);
    CHECK(mail_bytes(mail, &repair->place->owner, stream->owner.bytes, WEFT_ID_SIZE));
    repair->place->model = stream->model;
    repair->whole = whole;
    log_agreeing(log, stream, said, mail);
    outbox_send(out, ACTOR_BULK, &mail);
    return WEFT_OK;
}

/* A batch of a sweep, or the order to begin one (empty, after = upto). */
static void on_sweep(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Rows *rows = (*in)->body.incoming->rows;
    struct weft_error why = {0};
    struct stream stream = log_stream(rows);
    (void)log_flush(log, now, out);
    struct sweep *sweep = find_sweep(log, &stream);
    uint64_t position = vector_get(&log->positions, &stream);
    bool begins = rows->count == 0 && rows->after == rows->upto;
    if (sweep == NULL ? !begins || rows->after != position
                      : begins || rows->after != sweep->cursor) {
        answer(log, in, WEFT_INVALID, out);
        return;
    }
    if (!begins && rows->after != 0 &&
        (rows->horizon > sweep->horizon || (rows->same && rows->horizon < sweep->horizon))) {
        /* The source forgot more meanwhile: rows taken before may be dead, and none would say; nor
         * does anybody of those that were compared before. */
        sweep->cursor = 0;
        answer(log, in, WEFT_INVALID, out);
        return;
    }
    uint64_t cursor = begins ? 0 : rows->upto;
    bool done = !begins && cursor >= position && cursor >= rows->horizon;
    enum weft_status status = write_sweep(log, rows, cursor, done, &why);
    const uint64_t written = log->remote.written;
    if (status == WEFT_OK) status = log_flush(log, now, out);
    if (status == WEFT_OK && written != 0) {
        log_notice(log, WEFT_EVENT_CHANGED, (int)rows->model - 1, written, &stream.owner, NULL,
                   out);
    }
    if (status == WEFT_OK && begins) status = add_sweep(log, &stream);
    if (status == WEFT_OK && !begins) {
        if (rows->after == 0) sweep->horizon = rows->horizon;
        sweep->cursor = cursor;
        if (done) *sweep = log->sweeps[--log->sweep_count];
    }
    answer(log, in, status, out);
}

void log_incoming(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Rows *rows = (*in)->body.incoming->rows;
    struct weft_error why = {0};
    struct stream stream = log_stream(rows);
    CHECK(!id_equal(&stream.owner, &log->settings->device));
    const bool taken = log_takes(log, &stream);
    if (taken && rows->sweep) {
        on_sweep(log, now, in, out);
        return;
    }
    if (!taken || find_sweep(log, &stream) != NULL || rows->after != log_position(log, &stream)) {
        /* The answer names the position, which is that of the last commit. */
        (void)log_flush(log, now, out);
        answer(log, in, WEFT_INVALID, out);
        return;
    }
    CHECK(log->group_count < LIMIT_GROUP_MAILS);
    enum weft_status status = log_apply_incoming(log, rows, &why);
    if (status != WEFT_OK) {
        status = log_save_group(log, now, &why, out);
        log_notice(log, WEFT_EVENT_FAULT, (int)rows->model - 1, 0, &stream.owner, &why, out);
        answer(log, in, status, out);
        return;
    }
    log->group_rows += rows->count;
    log->group_incoming += rows->count;
    log->group[log->group_count++] = *in;
    *in = NULL;
}
