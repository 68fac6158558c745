/* Bulk's way out: cursors, batches, and one encoding for all.
 *
 *   want (stream, cursor) ── head > cursor, credit ──► batch (cursor, upto] ──► cursor = upto
 *
 * Invariants
 *   1. A batch holds everything in (after, upto]: it is one run of the tail's chain, or one read
 *      transaction.
 *   2. The batches handed to a peer for one want chain.
 *   3. A cached batch was made after every session now standing had joined: no later one is served
 *      from it without having been asked for that very place. */
#include <stdlib.h>

#include "actors/bulk_private.h"

/* ---- wants ---- */

static struct want *find_want(struct bulk_peer *peer, const struct stream *stream) {
    for (uint32_t i = 0; i < peer->want_count; i++) {
        if (stream_compare(&peer->wants[i].stream, stream) == 0) return &peer->wants[i];
    }
    return NULL;
}

/* NULL when out of memory, or at the bound: the remote asks again when it hears of new rows. */
static struct want *add_want(struct bulk_peer *peer) {
    if (peer->want_count == LIMIT_STREAMS) return NULL;
    struct want *grown = realloc(peer->wants, (peer->want_count + 1) * sizeof *grown);
    if (grown == NULL) return NULL;
    peer->wants = grown;
    return &peer->wants[peer->want_count++];
}

/* Until when a want that is replaced is not served. Whoever asks anew from an earlier place has
 * missed something: that is served at once, but once a second, or it could be asked for everything
 * for ever, and others would wait behind the reading. */
static uint64_t pause(const struct want *want, struct instant now, uint64_t position) {
    if (want->cursor == STREAM_WITHDRAWN || position >= want->cursor) return want->pause_us;
    uint64_t again_us = want->pause_us + LIMIT_RETRY_US;
    return want->pause_us == 0 || now.mono_us >= again_us ? now.mono_us : again_us;
}

void bulk_wanted(struct bulk *bulk, struct instant now, const Weft__Wanted *wanted) {
    CHECK(wanted->peer < bulk->settings->peers);
    struct bulk_peer *peer = &bulk->peers[wanted->peer];
    bulk->serve_due = true;
    marks_set(&bulk->ready, wanted->peer);
    bulk->touched = wanted->peer; /* What it no longer asks for it may have to be told of. */
    for (size_t i = 0; i < wanted->n_places; i++) {
        const Weft__Place *place = wanted->places[i];
        struct stream stream = {.model = place->model};
        CHECK(id_read(&stream.owner, place->owner.data, place->owner.len));
        /* Of others it asks for what it was told is held here; all else would only take room. */
        if (!id_equal(&stream.owner, &bulk->settings->device) &&
            vector_get(&bulk->heads, &stream) == 0) {
            continue;
        }
        struct want *want = find_want(peer, &stream);
        uint64_t pause_us = want == NULL ? 0 : pause(want, now, place->position);
        if (want == NULL) want = add_want(peer);
        if (want == NULL) return;
        *want = (struct want){stream, place->position, place->until, place->sweep, pause_us};
    }
}

/* The next want of a peer that can be served, in turn; NULL when there is none. */
static struct want *next_want(struct bulk *bulk, struct bulk_peer *peer, struct instant now) {
    for (uint32_t i = 0; i < peer->want_count; i++) {
        struct want *want = &peer->wants[(peer->want_next + i) % peer->want_count];
        if (want->cursor == STREAM_WITHDRAWN) continue;
        if (vector_get(&bulk->heads, &want->stream) <= want->cursor) continue;
        if (want->until != 0 && want->until <= want->cursor) continue;
        if (want->pause_us > now.mono_us) {
            if (want->pause_us < bulk->pause_us) bulk->pause_us = want->pause_us;
            continue;
        }
        peer->want_next = (peer->want_next + i + 1) % peer->want_count;
        return want;
    }
    return NULL;
}

/* ---- the cache ---- */

void bulk_cache_clear(struct bulk *bulk) {
    for (uint32_t i = 0; i < BULK_CACHE; i++) {
        mail_drop(&bulk->cache[i].mail);
    }
}

static struct mail *cache_get(struct bulk *bulk, const struct want *want) {
    for (uint32_t i = 0; i < BULK_CACHE && !want->sweep && want->until == 0; i++) {
        struct cached *cached = &bulk->cache[i];
        if (cached->mail == NULL) continue;
        const Weft__Batch *batch = cached->mail->body.batch;
        if (batch->after != want->cursor || batch->model != want->stream.model ||
            memcmp(batch->owner.data, want->stream.owner.bytes, WEFT_ID_SIZE) != 0) {
            continue;
        }
        cached->used = ++bulk->cache_clock;
        board_add(bulk->board->batches_shared, 1);
        return mail_share(cached->mail);
    }
    return NULL;
}

static void cache_put(struct bulk *bulk, struct mail *mail) {
    struct cached *oldest = &bulk->cache[0];
    for (uint32_t i = 1; i < BULK_CACHE; i++) {
        if (bulk->cache[i].used < oldest->used) oldest = &bulk->cache[i];
    }
    mail_drop(&oldest->mail);
    oldest->mail = mail_share(mail);
    oldest->used = ++bulk->cache_clock;
}

/* ---- encoding ---- */

/* What a batch is made of. */
struct material {
    struct rows_slice slices[BULK_SLICES];
    uint32_t slice_count;
    uint32_t column_count;
    uint64_t upto;
    uint64_t horizon;
    uint64_t settled;
    bool more;
    bool sweep;
};

/* Packs the material as one message and compresses it into a Batch mail. */
static enum weft_status encode(struct bulk *bulk, const struct want *want,
                               const struct material *material, struct arena *scratch,
                               struct outbox *out, struct mail **batch_out) {
    const struct model *model = models_get(bulk->settings->models, want->stream.model);
    struct bytes rows = {0}, raw = {0}, packed = {0};
    uint32_t count = 0, raw_size = 0;
    const char *names[LIMIT_COLUMNS];
    CHECK(model != NULL && model->column_count <= LIMIT_COLUMNS);
    enum weft_status status = codec_pack(material->slices, material->slice_count, want->cursor,
                                         material->column_count, scratch, &rows, &count);
    if (status != WEFT_OK) return status;
    for (uint32_t c = 0; c < model->column_count; c++) {
        names[c] = model->columns[c].name;
    }
    Weft__Wire__StateRows message = WEFT__WIRE__STATE_ROWS__INIT;
    message.owner = (ProtobufCBinaryData){WEFT_ID_SIZE, (uint8_t *)want->stream.owner.bytes};
    message.model = (char *)model->name;
    message.after = want->cursor;
    message.upto = material->upto;
    message.count = count;
    message.n_columns = count == 0 ? 0 : model->column_count;
    message.columns = (char **)names;
    message.rows = (ProtobufCBinaryData){rows.size, (uint8_t *)rows.data};
    message.has_more = material->more;
    message.sweep = material->sweep;
    message.horizon = material->horizon;
    message.settled = material->settled;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    wire.body_case = material->more ? WEFT__WIRE__WIRE__BODY_STATE_RESPONSE
                     : count == 1   ? WEFT__WIRE__WIRE__BODY_STATE_CHANGE
                                    : WEFT__WIRE__WIRE__BODY_STATE_BATCH;
    wire.state_response = &message;
    status = message_pack(&wire.base, scratch, &raw);
    if (status != WEFT_OK) return status;
    Weft__Batch *batch = NULL;
    if (raw.size > LIMIT_MESSAGE_RAW) return WEFT_LIMIT;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_BATCH, &batch);
    status = zip_pack(bulk->zip, raw, &mail->arena, &packed, &raw_size);
    /* A row that a peer made larger than this device lets its own be. */
    if (status == WEFT_OK && packed.size > LIMIT_MESSAGE_WIRE) status = WEFT_LIMIT;
    if (status == WEFT_OK && raw_size == 0) {
        status = mail_bytes(mail, &batch->message, raw.data, raw.size) ? WEFT_OK : WEFT_NO_MEMORY;
    } else {
        batch->message = (ProtobufCBinaryData){packed.size, (uint8_t *)packed.data};
    }
    if (status == WEFT_OK && !mail_bytes(mail, &batch->owner, want->stream.owner.bytes, 16)) {
        status = WEFT_NO_MEMORY;
    }
    if (status != WEFT_OK) {
        mail_drop(&mail);
        return status;
    }
    batch->model = want->stream.model;
    batch->after = want->cursor;
    batch->upto = material->upto;
    batch->rows = count;
    batch->raw_bytes = raw_size;
    batch->live = !material->more;
    board_add(bulk->board->batches_encoded, 1);
    *batch_out = mail;
    return WEFT_OK;
}

/* From memory, if the cursor stands at the beginning of a run that is still there. */
static bool gather_tail(struct bulk *bulk, const struct want *want, struct material *material) {
    struct tail_found found;
    if (want->sweep || want->until != 0) return false;
    if (!tail_find(bulk->tail, &want->stream, want->cursor, bulk->settings->batch_rows,
                   material->slices, BULK_SLICES, &found)) {
        return false;
    }
    material->slice_count = found.slice_count;
    material->column_count = found.column_count;
    material->upto = found.upto;
    material->settled = found.settled;
    material->more = found.upto < vector_get(&bulk->heads, &want->stream);
    board_add(bulk->board->batches_from_memory, 1);
    return true;
}

/* What rows may take in a message, or more: nine bytes for a cell and its tag. */
static size_t message_bytes(const Weft__Rows *rows) {
    size_t bytes = 9 * (size_t)rows->count * (rows->n_columns + 1);
    for (size_t c = 0; c < rows->n_columns; c++) {
        bytes += rows->columns[c]->body.len;
    }
    return bytes;
}

/* From SQLite. */
static enum weft_status gather_disk(struct bulk *bulk, const struct want *want,
                                    struct arena *scratch, struct material *material,
                                    struct weft_error *why) {
    struct reader_batch read = {0};
    enum weft_status status = reader_between(
        bulk->reader, &want->stream, want->cursor, want->until == 0 ? UINT64_MAX : want->until,
        want->sweep, bulk->settings->batch_rows, LIMIT_BATCH_RAW, scratch, &read, why);
    if (status != WEFT_OK) return status;
    board_add(bulk->board->batches_from_disk, 1);
    if (read.sweep) {
        /* Below the horizon: an empty batch that says so. */
        *material = (struct material){.upto = want->cursor, .sweep = true, .more = true};
        return WEFT_OK;
    }
    material->slices[0] = (struct rows_slice){read.rows, 0, read.rows->count};
    material->slice_count = 1;
    material->column_count = (uint32_t)read.rows->n_columns;
    material->upto = read.rows->upto;
    if (read.rows->count > 1 && message_bytes(read.rows) > LIMIT_ROW_BYTES) {
        /* The last row was added below the bound, whatever its size: it goes with the next batch,
         * or the two together could be more than a message. */
        material->slices[0].count--;
        material->upto = rows_version(read.rows, material->slices[0].count - 1);
        read.more = true;
    }
    material->horizon = read.rows->horizon;
    material->settled = read.rows->settled;
    material->sweep = read.rows->sweep;
    material->more = read.more;
    return WEFT_OK;
}

static enum weft_status make_batch(struct bulk *bulk, const struct want *want, struct outbox *out,
                                   struct mail **batch, struct weft_error *why) {
    struct arena scratch;
    struct material material;
    enum weft_status status = WEFT_OK;
    *batch = cache_get(bulk, want);
    if (*batch != NULL) return WEFT_OK;
    material.slice_count = 0;
    material.horizon = 0;
    material.settled = 0;
    material.sweep = false;
    arena_init(&scratch, bulk->pool);
    if (!gather_tail(bulk, want, &material)) {
        status = gather_disk(bulk, want, &scratch, &material, why);
    }
    if (status == WEFT_OK) {
        status = encode(bulk, want, &material, &scratch, out, batch);
        if (status != WEFT_OK) (void)status_fail(why, status, 0, "a batch could not be packed");
    }
    arena_drop(&scratch);
    if (status == WEFT_OK && bulk->live_count > 1 && !material.sweep && want->until == 0)
        cache_put(bulk, *batch);
    return status;
}

static bool serve_peer(struct bulk *bulk, uint32_t index, struct instant now, struct outbox *out) {
    struct bulk_peer *peer = &bulk->peers[index];
    struct weft_error why = {0};
    struct mail *mail = NULL;
    if (!peer->live || peer->batches == 0) return false;
    struct want *want = next_want(bulk, peer, now);
    if (want == NULL) return false;
    if (make_batch(bulk, want, out, &mail, &why) != WEFT_OK) {
        bulk->retry_us = now.mono_us + LIMIT_RETRY_US;
        bulk_notice(bulk, (int)want->stream.model - 1, NULL, &why, out);
        return false;
    }
    const Weft__Batch *batch = mail->body.batch;
    /* An empty batch that does not move on says "begin a sweep": wait for the remote's answer. */
    want->cursor = batch->upto > want->cursor ? batch->upto : STREAM_WITHDRAWN;
    if (want->until != 0 && want->cursor >= want->until) want->cursor = STREAM_WITHDRAWN;
    peer->batches--;
    outbox_send(out, ACTOR_PEER + index, &mail);
    return true;
}

void bulk_serve_all(struct bulk *bulk) {
    bulk->serve_due = true;
    marks_fill(&bulk->ready, bulk->settings->peers);
}

bool bulk_serve(struct bulk *bulk, struct instant now, struct outbox *out) {
    CHECK(bulk->settings->peers != 0);
    uint32_t index = bulk->peer_next;
    for (unsigned lap = 0; lap < 2 && !bulk->metered;) {
        if (!marks_next(&bulk->ready, index, &index)) {
            index = 0;
            lap++;
            continue;
        }
        if (serve_peer(bulk, index, now, out)) {
            bulk->peer_next = index + 1;
            return true;
        }
        marks_clear(&bulk->ready, index);
    }
    bulk->serve_due = false;
    return false;
}
