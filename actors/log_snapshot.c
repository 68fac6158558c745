/* Taking a snapshot: this device's part of the shared log lies below what others still hold of it.
 *
 *   chunk ─► BEGIN ─first─► FORGET marks of an earlier one ─► MERGE body by body ─► home, next
 *               └─ others ───────────────────────────────────►┘
 *   records that are never forgotten (log_shared.c) ─► finish ─► SWEEP ─► heads raised
 *                                                                             │
 *                         whole ◄── the log up to the last chunk's heads ◄────┘
 *
 * A mail comes back with `more` until all of it is dealt with: each slice is a commit of its own,
 * so that nobody waits for long. Why rows, then records, then the log: store/snapshot_reader.h.
 * With `unite` it repairs what may be wrong on either side: what the giver has is added, nothing is
 * swept, and the giver may be taking likewise.
 * Invariants
 *   1. How far it has come is committed with what was done; after a restart it goes on from there.
 *   2. Until it is whole, nobody is told what is held here, and nothing is forgotten.
 *   3. A head is raised to what its device has signed, as the roster judges it; only forwards.
 *   4. A snapshot given by a device that was removed meanwhile is not ended where it lies past a
 *      pin; another one takes away what it left. */
#include <stdlib.h>

#include "actors/log_private.h"
#include "engine/store/horizon.h"
#include "engine/store/snapshot_taker.h"
#include "engine/wire/message.h"

enum stage { STAGE_BEGIN, STAGE_FORGET, STAGE_MERGE, STAGE_SWEEP, STAGE_DONE };

struct log_taking {
    struct arena arena; /* it and all it points to */
    Weft__Taking *said; /* as it is stored */
    struct snapshot_taker *taker;
    struct log_taking *next; /* what takes its place when the open transaction is committed */
    bool whole;              /* ... nothing does */
};

/* ---- memory ---- */

static void taking_free(struct log_taking *taking) {
    if (taking == NULL) return;
    taking_free(taking->next);
    if (taking->taker != NULL) snapshot_taker_free(taking->taker);
    arena_drop(&taking->arena);
    free(taking);
}

static struct log_taking *taking_new(struct log *log) {
    struct log_taking *taking = calloc(1, sizeof *taking);
    if (taking == NULL) return NULL;
    arena_init(&taking->arena, log->pool);
    taking->said = arena_zero(&taking->arena, sizeof *taking->said);
    if (taking->said == NULL) {
        taking_free(taking);
        return NULL;
    }
    weft__taking__init(taking->said);
    return taking;
}

void log_free_taking(struct log *log) {
    taking_free(log->taking);
    log->taking = NULL;
}

static enum weft_status no_memory(struct weft_error *why) {
    return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a snapshot");
}

static bool copy_bytes(struct arena *arena, ProtobufCBinaryData *out,
                       const ProtobufCBinaryData *from) {
    *out = (ProtobufCBinaryData){0};
    if (from->len == 0) return true;
    out->data = arena_take(arena, from->len);
    if (out->data == NULL) return false;
    memcpy(out->data, from->data, from->len);
    out->len = from->len;
    return true;
}

static bool copy_list(struct arena *arena, ProtobufCBinaryData **out, size_t *out_count,
                      const ProtobufCBinaryData *from, size_t count) {
    *out_count = 0;
    *out = arena_take(arena, (count + 1) * sizeof **out);
    if (*out == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        if (!copy_bytes(arena, &(*out)[i], &from[i])) return false;
        *out_count = i + 1;
    }
    return true;
}

/* What is to be stored next: a copy of what is, to be changed. NULL without memory. */
static struct log_taking *taking_next_new(struct log *log) {
    const Weft__Taking *said = log->taking->said;
    struct log_taking *next = taking_new(log);
    if (next == NULL) return NULL;
    next->said->read = said->read;
    next->said->raised = said->raised;
    next->said->unite = said->unite;
    if (copy_bytes(&next->arena, &next->said->source, &said->source) &&
        copy_bytes(&next->arena, &next->said->cursor, &said->cursor) &&
        copy_list(&next->arena, &next->said->heads, &next->said->n_heads, said->heads,
                  said->n_heads) &&
        copy_list(&next->arena, &next->said->target, &next->said->n_target, said->target,
                  said->n_target)) {
        return next;
    }
    taking_free(next);
    return NULL;
}

/* Stores what is to be known from the commit on. */
static enum weft_status taking_save(struct log *log, struct log_taking *next,
                                    struct weft_error *why) {
    struct bytes packed;
    enum weft_status status = message_pack(&next->said->base, &next->arena, &packed);
    if (status != WEFT_OK) {
        taking_free(next);
        return no_memory(why);
    }
    taking_free(log->taking->next);
    log->taking->next = next;
    return horizon_taking_save(log->writer, packed, why);
}

void log_settled_snapshot(struct log *log, bool committed) {
    struct log_taking *taking = log->taking;
    if (taking == NULL) return;
    struct log_taking *next = taking->next;
    const bool whole = taking->whole;
    taking->next = NULL;
    taking->whole = false;
    if (!committed) {
        taking_free(next);
        if (taking->taker != NULL) snapshot_rewind(taking->taker);
    } else if (whole) {
        log_free_taking(log);
        taking_free(next);
        log->horizon_moved = true; /* Share may tell now what is held, ... */
        log->attest_due_us = 0;    /* ... and this device say so. */
    } else if (next != NULL) {
        next->taker = taking->taker;
        taking->taker = NULL;
        taking_free(taking);
        log->taking = next;
    }
}

enum weft_status log_load_taking(struct log *log, struct weft_error *why) {
    struct bytes packed;
    log->taking = taking_new(log);
    if (log->taking == NULL) return no_memory(why);
    struct log_taking *taking = log->taking;
    struct ProtobufCAllocator allocator = message_allocator(&taking->arena);
    enum weft_status status = horizon_taking_load(log->writer, &taking->arena, &packed, why);
    if (status != WEFT_OK || packed.size == 0) {
        log_free_taking(log);
        return status;
    }
    taking->said = weft__taking__unpack(&allocator, packed.size, packed.data);
    if (taking->said != NULL && taking->said->source.len == WEFT_ID_SIZE) return WEFT_OK;
    log_free_taking(log);
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: what is known of a snapshot that was being taken cannot be read; "
                       "restore the file from a copy",
                       log->settings->path);
}

/* ---- heads ---- */

static bool read_proof(const struct log *log, const ProtobufCBinaryData *proof,
                       struct record *out) {
    return record_read_proof(&log->settings->library, (struct bytes){proof->data, proof->len}, out);
}

/* None is forged, as far as its device is known. */
static enum weft_status check_heads(const struct log *log, const ProtobufCBinaryData *proofs,
                                    size_t count, struct weft_error *why) {
    for (size_t i = 0; i < count; i++) {
        struct record record;
        if (!read_proof(log, &proofs[i], &record)) {
            return status_fail(why, WEFT_PROTOCOL, 0, "a snapshot with an impossible head");
        }
        if (roster_judge(&log->roster, &record) == ROSTER_FORGED) {
            return status_fail(why, WEFT_DENIED, 0,
                               "a snapshot with a head that its device has not signed");
        }
    }
    return WEFT_OK;
}

/* A device was removed, as this one has heard meanwhile, and the giver holds more of it than may be
 * taken. A member that has not heard of it is believed nevertheless: it will say how far it was
 * with that device once it hears, for which it may have to take a snapshot from here. */
static bool is_past_pin(const struct log *log, const ProtobufCBinaryData *proofs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct record record;
        if (!read_proof(log, &proofs[i], &record)) continue;
        const struct shared_head *head = log_head(log, &record.origin);
        if (head != NULL && head->seq >= record.seq) continue;
        if (roster_judge_signed(&log->roster, &record) == ROSTER_REMOVED) return true;
    }
    return false;
}

/* What the remains of another snapshot are told by. */
static enum weft_status tell_own(struct log *log, struct weft_error *why) {
    struct id removed[LIMIT_ROSTER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < log->roster.count; i++)
        if (log->roster.members[i].removed) removed[count++] = log->roster.members[i].device;
    return snapshot_own(log->taking->taker, log->heads, log->head_count, removed, count, why);
}

static enum weft_status make_taker(struct log *log, struct log_taking *taking,
                                   struct weft_error *why) {
    const Weft__Taking *said = taking->said;
    struct shared_head *heads = arena_zero(&taking->arena, (said->n_heads + 1) * sizeof *heads);
    uint32_t count = 0;
    if (heads == NULL) return no_memory(why);
    for (size_t i = 0; i < said->n_heads; i++) {
        struct record record;
        if (!read_proof(log, &said->heads[i], &record)) continue;
        heads[count].origin = record.origin;
        heads[count].seq = record.seq;
        heads[count++].hlc = record.hlc;
    }
    enum weft_status status = snapshot_taker_new(heads, count, &taking->taker, why);
    if (status == WEFT_OK && said->unite) snapshot_unite(taking->taker);
    return status;
}

/* Moves the heads to where the giver's stood. */
static enum weft_status raise_heads(struct log *log, struct weft_error *why) {
    const Weft__Taking *said = log->taking->said;
    enum weft_status status = WEFT_OK;
    for (size_t i = 0; i < said->n_heads && status == WEFT_OK; i++) {
        struct record record;
        if (!read_proof(log, &said->heads[i], &record)) continue;
        struct shared_head *head = log_head(log, &record.origin);
        status = horizon_release(log->writer, &record, why);
        if (status != WEFT_OK) break;
        if (head != NULL && head->seq >= record.seq) continue;
        if (roster_judge(&log->roster, &record) != ROSTER_ADMITS) continue;
        if (head == NULL) head = log_add_head(log, &record.origin);
        if (head == NULL) continue; /* Of a device with too many incarnations, as for records. */
        status = horizon_raise(log->writer, &record,
                               (struct bytes){said->heads[i].data, said->heads[i].len}, why);
        head->seq = head->pruned = record.seq;
        head->hlc = head->pruned_hlc = record.hlc;
        memcpy(head->hash, record.hash, sizeof head->hash);
    }
    log->horizon_moved = true;
    return status;
}

/* Whether the log up to a head is held, as far as it ever will be. */
static bool is_reached(const struct log *log, const ProtobufCBinaryData *proof) {
    struct record record;
    if (!read_proof(log, proof, &record)) return true;
    const struct shared_head *head = log_head(log, &record.origin);
    if (head != NULL && (head->frozen || head->seq >= record.seq)) return true;
    switch (roster_judge(&log->roster, &record)) {
    case ROSTER_ADMITS:
        return head == NULL && !log_origin_fits(log, &record.origin);
    case ROSTER_UNKNOWN:
        return log->roster.count == LIMIT_ROSTER;
    case ROSTER_REMOVED:
    case ROSTER_FORGED:
        break;
    }
    return true;
}

uint64_t log_snapshot_missing(const struct log *log) {
    uint64_t missing = 0;
    const struct log_taking *taking = log->taking;
    if (taking == NULL) return 0;
    const Weft__Taking *said = taking->next != NULL ? taking->next->said : taking->said;
    if (!said->raised) return 0;
    for (size_t i = 0; i < said->n_target; i++) {
        struct record record;
        if (is_reached(log, &said->target[i]) || !read_proof(log, &said->target[i], &record))
            continue;
        const struct shared_head *head = log_head(log, &record.origin);
        missing += record.seq - (head == NULL ? 0 : head->seq);
    }
    return missing;
}

enum weft_status log_follow_snapshot(struct log *log, struct weft_error *why) {
    struct log_taking *taking = log->taking;
    if (taking == NULL) return WEFT_OK;
    const Weft__Taking *said = taking->next != NULL ? taking->next->said : taking->said;
    if (!said->raised) return WEFT_OK;
    for (size_t i = 0; i < said->n_target; i++) {
        if (!is_reached(log, &said->target[i])) return WEFT_OK;
    }
    taking->whole = true;
    return horizon_taking_save(log->writer, (struct bytes){0}, why);
}

/* ---- stages ---- */

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static enum weft_status begin_anew(struct log *log, Weft__Chunk *chunk, struct weft_error *why) {
    enum weft_status status = check_heads(log, chunk->heads, chunk->n_heads, why);
    if (status != WEFT_OK) return status;
    struct log_taking *taking = taking_new(log);
    if (taking == NULL) return no_memory(why);
    taking->said->unite = chunk->unite;
    if (!copy_bytes(&taking->arena, &taking->said->source, &chunk->source) ||
        !copy_list(&taking->arena, &taking->said->heads, &taking->said->n_heads, chunk->heads,
                   chunk->n_heads)) {
        taking_free(taking);
        return no_memory(why);
    }
    status = make_taker(log, taking, why);
    struct bytes packed;
    if (status == WEFT_OK) {
        status = message_pack(&taking->said->base, &taking->arena, &packed);
        if (status != WEFT_OK) (void)no_memory(why);
    }
    if (status == WEFT_OK) status = horizon_taking_save(log->writer, packed, why);
    if (status != WEFT_OK) {
        taking_free(taking);
        return status;
    }
    /* From here on, whether the commit succeeds or not: what it begins may be done again. */
    log_free_taking(log);
    log->taking = taking;
    chunk->stage = STAGE_FORGET;
    return WEFT_OK;
}

/* Of what was taken nothing is undone: it beats what was here, or was beaten here. As far as heads
 * were raised, and no further, this device holds what is to be held. */
static enum weft_status give_up(struct log *log, Weft__Chunk *chunk, struct weft_error *why) {
    chunk->stage = STAGE_DONE;
    if (log->taking == NULL) return WEFT_OK;
    log->taking->whole = true;
    return horizon_taking_save(log->writer, (struct bytes){0}, why);
}

static enum weft_status begin(struct log *log, Weft__Chunk *chunk, struct weft_error *why) {
    if (chunk->give_up) return give_up(log, chunk, why);
    if (chunk->cursor_asked.len == 0 && !chunk->finish) return begin_anew(log, chunk, why);
    const Weft__Taking *said = log->taking == NULL ? NULL : log->taking->said;
    if (said == NULL || said->raised || said->read != chunk->finish ||
        !same_bytes(&said->source, &chunk->source) ||
        (!chunk->finish && !same_bytes(&said->cursor, &chunk->cursor_asked))) {
        return status_fail(why, WEFT_NOT_FOUND, 0, "a chunk of another snapshot");
    }
    if (chunk->finish) {
        enum weft_status status = check_heads(log, said->heads, said->n_heads, why);
        if (status != WEFT_OK) return status;
        struct id source;
        CHECK(id_read(&source, said->source.data, said->source.len));
        if (!roster_has(&log->roster, &source) && is_past_pin(log, said->heads, said->n_heads)) {
            return status_fail(why, WEFT_NOT_FOUND, 0,
                               "a snapshot with records of a removed device, past its pin");
        }
    }
    chunk->stage = chunk->finish ? STAGE_SWEEP : STAGE_MERGE;
    if (log->taking->taker == NULL) return make_taker(log, log->taking, why);
    snapshot_rewind(log->taking->taker);
    return WEFT_OK;
}

/* All bodies of a chunk are merged. */
static enum weft_status end_chunk(struct log *log, Weft__Chunk *chunk, struct weft_error *why) {
    struct log_taking *next = taking_next_new(log);
    if (next == NULL) return no_memory(why);
    bool room = copy_bytes(&next->arena, &next->said->cursor, &chunk->cursor);
    if (room && chunk->last) {
        room = copy_list(&next->arena, &next->said->target, &next->said->n_target, chunk->heads,
                         chunk->n_heads);
        next->said->read = true;
    }
    if (!room) {
        taking_free(next);
        return no_memory(why);
    }
    chunk->stage = STAGE_DONE;
    return taking_save(log, next, why);
}

static enum weft_status merge_body(struct log *log, Weft__Chunk *chunk,
                                   struct shared_row_tally *tally, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    if (chunk->at < chunk->n_bodies) {
        const ProtobufCBinaryData *body = &chunk->bodies[chunk->at++];
        status = snapshot_merge(log->writer, log->taking->taker,
                                (struct bytes){body->data, body->len}, tally, why);
    }
    if (status != WEFT_OK || chunk->at < chunk->n_bodies) return status;
    return end_chunk(log, chunk, why);
}

static enum weft_status sweep(struct log *log, Weft__Chunk *chunk, struct shared_row_tally *tally,
                              struct weft_error *why) {
    bool more = false;
    enum weft_status status = WEFT_OK;
    if (!log->taking->said->unite) {
        status = snapshot_sweep(log->writer, log->taking->taker, log->settings->snapshot_rows,
                                &more, tally, why);
    }
    if (status != WEFT_OK || more) return status;
    struct log_taking *next = taking_next_new(log);
    if (next == NULL) return no_memory(why);
    next->said->raised = true;
    chunk->stage = STAGE_DONE;
    status = taking_save(log, next, why);
    if (status == WEFT_OK) status = raise_heads(log, why);
    if (status == WEFT_OK) status = log_follow_snapshot(log, why);
    return status;
}

static enum weft_status take_slice(struct log *log, Weft__Chunk *chunk,
                                   struct shared_row_tally *tally, struct weft_error *why) {
    bool more = false;
    enum weft_status status = WEFT_OK;
    const bool marks = chunk->stage == STAGE_MERGE || chunk->stage == STAGE_SWEEP;
    if (marks) status = tell_own(log, why);
    if (status != WEFT_OK) return status;
    switch ((enum stage)chunk->stage) {
    case STAGE_BEGIN:
        return begin(log, chunk, why);
    case STAGE_FORGET:
        status = snapshot_forget(log->writer, log->settings->snapshot_rows, &more, why);
        if (status == WEFT_OK && !more) chunk->stage = STAGE_MERGE;
        return status;
    case STAGE_MERGE:
        return merge_body(log, chunk, tally, why);
    case STAGE_SWEEP:
        return sweep(log, chunk, tally, why);
    case STAGE_DONE:
        break;
    }
    return WEFT_OK;
}

/* ---- the mail ---- */

void log_chunk(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    Weft__Records *records = (*in)->body.records;
    Weft__Chunk *chunk = records->chunk;
    struct shared_row_tally tally = {0};
    struct weft_error why = {0};
    const Weft__Chunk before = *chunk;
    const struct id several = {{0}};
    arena_adopt(&(*in)->arena, log->pool);
    (void)log_flush(log, now, out);
    enum weft_status status = log_reload_shared(log, &why);
    if (status == WEFT_OK) status = log_begin(log, &why);
    /* A slice of another snapshot, if this one was given up meanwhile, is not merged into it. */
    if (status == WEFT_OK && chunk->stage != STAGE_BEGIN &&
        (log->taking == NULL || !same_bytes(&log->taking->said->source, &chunk->source))) {
        status = status_fail(&why, WEFT_NOT_FOUND, 0, "a chunk of another snapshot");
    }
    if (status == WEFT_OK) {
        log_hooks_author(log, 0, &several);
        status = take_slice(log, chunk, &tally, &why);
        log_add_remote(log, &tally);
        if (records->stamp > log->group_stamp) log->group_stamp = records->stamp;
        status = log_settle_shared(log, now, status, &why, out);
    } else {
        log_rollback(log);
    }
    if (status != WEFT_OK) *chunk = before;
    chunk->more = status == WEFT_OK && chunk->stage != STAGE_DONE;
    records->status = status;
    if (status != WEFT_OK) records->text = mail_text(*in, why.text);
    outbox_send(out, ACTOR_SHARE, in);
}
