/* Bulk's way in: a packed message becomes rows on their way to the log.
 *
 *   packed ─► kept until its turn ─► decompress ─► unpack ─► expected place? ─► decode columns
 *                                                            │        incoming ─► clock ─► log
 *                    dropped: asked of somebody else, before ┘
 *
 * What is not opened yet is small, and costs the log nothing. So all that a remote may send is
 * taken in at once, and what is urgent does not wait behind it in a socket; of opened batches there
 * are as many as the log needs to be busy.
 * Invariants
 *   1. Every packed batch is said to be dealt with exactly once, whatever becomes of it.
 *   2. Rows reach the log only for a stream that this peer was asked for, from the place where the
 *      last batch on its way ends.
 *   3. Nothing here believes the message: sizes, counts, columns and versions are checked. */
#include <stdlib.h>

#include "actors/bulk_private.h"

static void done(struct bulk *bulk, struct bulk_peer *peer, uint32_t session, uint32_t wire_bytes) {
    if (!peer->live || peer->session != session) return;
    peer->done_batches++;
    peer->done_bytes += wire_bytes;
    bulk->notes_due = true;
}

/* Decompresses and unpacks; the rows message lies in `scratch`. */
static enum weft_status open_message(struct bulk *bulk, const Weft__Packed *packed,
                                     struct arena *scratch, Weft__Wire__StateRows **out,
                                     struct weft_error *why) {
    struct bytes raw = {packed->message.data, packed->message.len};
    enum weft_status status = WEFT_OK;
    Weft__Wire__Wire *wire = NULL;
    if (packed->raw_bytes != 0) {
        status = zip_unpack(bulk->zip, raw, packed->raw_bytes, scratch, &raw, why);
    }
    if (status == WEFT_OK) status = message_unpack(raw, scratch, &wire, why);
    if (status != WEFT_OK) return status;
    switch (wire->body_case) {
    case WEFT__WIRE__WIRE__BODY_STATE_RESPONSE:
    case WEFT__WIRE__WIRE__BODY_STATE_BATCH:
    case WEFT__WIRE__WIRE__BODY_STATE_CHANGE:
        *out = wire->state_response;
        break;
    default:
        return status_fail(why, WEFT_PROTOCOL, 0, "a message without rows on a lane for rows");
    }
    const Weft__Wire__StateRows *rows = *out;
    if (rows->owner.len != WEFT_ID_SIZE || rows->upto < rows->after ||
        (rows->count != 0 && rows->upto == rows->after) || rows->upto > INT64_MAX ||
        rows->horizon > INT64_MAX || rows->settled > INT64_MAX) {
        return status_fail(why, WEFT_PROTOCOL, 0, "a batch of rows with an impossible range");
    }
    return WEFT_OK;
}

/* Whether a batch that begins before the place expected can be used from there on. Not if it was
 * read from before a delete whose tombstone is forgotten: that delete is not in it. */
static bool crosses(const struct source *source, const Weft__Wire__StateRows *rows) {
    return rows->after < source->expected && rows->upto > source->expected && !rows->sweep &&
           !source->sweeping && rows->horizon <= source->expected;
}

/* The source this batch answers, or NULL when it is not what is waited for.
 *
 * What does not continue the place expected is a gap, or answers an earlier request. It is asked
 * for from the place that is held, never waited out; but once: batches that continue one that was
 * dropped were on their way before that request, and its answer comes behind them. */
static struct source *find_source(struct bulk *bulk, uint32_t peer,
                                  const Weft__Wire__StateRows *rows) {
    const struct model *model =
        models_owned_named(bulk->settings->models, rows->model, strlen(rows->model));
    struct stream stream;
    if (model == NULL || !id_read(&stream.owner, rows->owner.data, rows->owner.len)) return NULL;
    stream.model = model->id;
    struct source *source = bulk_source(bulk, &stream);
    if (source == NULL || source->peer != peer || source->blocked) return NULL;
    if (source->asked && (source->expected == rows->after || crosses(source, rows))) {
        source->dropped = 0;
        return source;
    }
    bool old = rows->upto <= source->expected && rows->upto != rows->after;
    bool follows = source->dropped != 0 && rows->after == source->dropped;
    if (source->asked && old && !follows) return NULL; /* Nothing is missing, nothing is asked. */
    source->dropped = rows->upto;
    if (source->asked && !follows) {
        source->asked = false;
        source->expected = STREAM_WITHDRAWN;
        bulk->notes_due = true;
    }
    return NULL;
}

/* A column that the sender does not know: rows have its DEFAULT there, as they will in the owner's
 * file once that has the column. */
static Weft__Column *unsent_column(const struct column *column, const Weft__Rows *rows,
                                   struct arena *arena) {
    const struct weft_value *value = &column->unset;
    const bool has_body = value->type == WEFT_TEXT || value->type == WEFT_BLOB;
    Weft__Column *out = arena_take(arena, sizeof *out);
    if (out == NULL) return NULL;
    weft__column__init(out);
    out->tags.data = arena_zero(arena, rows->count + 1);
    out->cells.data = arena_zero(arena, (size_t)rows->count * 8 + 8);
    out->body.data = has_body ? arena_take(arena, value->size + 1) : NULL;
    if (out->tags.data == NULL || out->cells.data == NULL) return NULL;
    if (has_body && out->body.data == NULL) return NULL;
    out->tags.len = rows->count;
    out->cells.len = (size_t)rows->count * 8;
    out->body.len = has_body ? value->size : 0;
    if (out->body.len != 0) memcpy(out->body.data, value->as.bytes, value->size);
    for (uint32_t row = 0; row < rows->count; row++) {
        uint8_t *cell = out->cells.data + (size_t)row * 8;
        if (rows_op(rows, row) != ROW_PUT || value->type == WEFT_NULL) continue;
        out->tags.data[row] = (uint8_t)value->type;
        if (has_body) {
            store_u32(cell + 4, value->size);
        } else {
            memcpy(cell, &value->as, 8);
        }
    }
    return out;
}

/* Puts decoded columns into the model's order.
 * Errors: WEFT_UNSUPPORTED when the sender has a column that this device does not know. */
static enum weft_status order_columns(const struct model *model, const Weft__Wire__StateRows *sent,
                                      Weft__Rows *rows, struct arena *arena,
                                      struct weft_error *why) {
    Weft__Column **columns = arena_zero(arena, model->column_count * sizeof *columns);
    if (columns == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a batch");
    for (size_t c = 0; c < sent->n_columns; c++) {
        int at = model_column(model, sent->columns[c], strlen(sent->columns[c]));
        if (at < 0) {
            return status_fail(why, WEFT_UNSUPPORTED, 0,
                               "table \"%s\": the peer sends column \"%.100s\", which this device "
                               "does not have; its rows wait until the schema here is updated",
                               model->name, sent->columns[c]);
        }
        if (columns[at] != NULL) {
            return status_fail(why, WEFT_PROTOCOL, 0, "a batch names column \"%.100s\" twice",
                               sent->columns[c]);
        }
        columns[at] = rows->columns[c];
    }
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (columns[c] != NULL) continue;
        columns[c] = unsent_column(&model->columns[c], rows, arena);
        if (columns[c] == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a batch");
    }
    rows->columns = columns;
    rows->n_columns = model->column_count;
    return WEFT_OK;
}

/* A row without its whole key cannot be found again. */
static enum weft_status check_keys(const struct model *model, const Weft__Rows *rows,
                                   struct weft_error *why) {
    for (uint32_t k = 0; k < model->key_count; k++) {
        const Weft__Column *column = rows->columns[model->key[k]];
        if (memchr(column->tags.data, WEFT_NULL, rows->count) != NULL) {
            return status_fail(why, WEFT_PROTOCOL, 0, "table \"%s\": a row without its key",
                               model->name);
        }
    }
    return WEFT_OK;
}

/* Takes away the rows at or below a place that is held: the run is then (place, upto]. */
static void cut_below(Weft__Rows *rows, uint64_t place) {
    uint32_t held = 0;
    CHECK(rows->after <= place && place <= rows->upto);
    while (held < rows->count && rows_version(rows, held) <= place)
        held++;
    rows->after = place;
    rows->count -= held;
    rows->ops.data += held;
    rows->ops.len -= held;
    rows->versions.data += (size_t)held * 8;
    rows->versions.len -= (size_t)held * 8;
    for (size_t c = 0; c < rows->n_columns; c++) {
        Weft__Column *column = rows->columns[c];
        column->tags.data += held;
        column->tags.len -= held;
        column->cells.data += (size_t)held * 8;
        column->cells.len -= (size_t)held * 8;
    }
}

/* Decodes the rows into the incoming mail's own arena. */
static enum weft_status decode(const struct model *model, const struct source *source,
                               const Weft__Wire__StateRows *sent, struct mail *mail,
                               struct weft_error *why) {
    Weft__Rows *rows = NULL;
    struct bytes packed = {sent->rows.data, sent->rows.len};
    enum weft_status status = codec_unpack(packed, sent->after, sent->upto,
                                           (uint32_t)sent->n_columns, &mail->arena, &rows, why);
    if (status == WEFT_OK && rows->count != sent->count) {
        status = status_fail(why, WEFT_PROTOCOL, 0, "a batch says %u rows and carries %u",
                             sent->count, rows->count);
    }
    if (status == WEFT_OK) status = order_columns(model, sent, rows, &mail->arena, why);
    if (status == WEFT_OK && rows->count != 0) status = check_keys(model, rows, why);
    if (status != WEFT_OK) return status;
    if (!mail_bytes(mail, &rows->owner, source->stream.owner.bytes, WEFT_ID_SIZE)) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a batch");
    }
    rows->model = model->id;
    rows->sweep = sent->sweep;
    rows->horizon = sent->horizon;
    rows->settled = sent->settled;
    if (rows->after < source->expected) cut_below(rows, source->expected);
    mail->body.incoming->rows = rows;
    return WEFT_OK;
}

/* A batch that cannot be used: a peer that breaks the protocol loses its session; a stream that
 * this version cannot apply waits. */
static void refuse(struct bulk *bulk, struct bulk_peer *peer, struct source *source,
                   const struct weft_error *why, struct outbox *out) {
    if (why->status == WEFT_UNSUPPORTED && source != NULL) {
        source->blocked = true;
        source->asked = false;
        source->withdraw = source->peer; /* It need not send on what is thrown away here. */
        bulk->notes_due = true;
        bulk_notice(bulk, (int)source->stream.model - 1, &source->stream.owner, why, out);
        return;
    }
    peer->faulty = true;
    memcpy(peer->fault, why->text, sizeof peer->fault);
    peer->fault[sizeof peer->fault - 1] = 0;
    bulk->notes_due = true;
}

static void open_packed(struct bulk *bulk, struct instant now, const Weft__Packed *packed,
                        struct outbox *out) {
    CHECK(packed->peer < bulk->settings->peers);
    struct bulk_peer *peer = &bulk->peers[packed->peer];
    struct weft_error why = {0};
    Weft__Wire__StateRows *sent = NULL;
    struct source *source = NULL;
    struct mail *mail = NULL;
    struct arena scratch;
    if (peer->live && peer->session == packed->session && peer->faulty &&
        packed->raw_bytes > LIMIT_BATCH_RAW) {
        done(bulk, peer, packed->session, packed->wire_bytes); /* Its end is under way. */
        return;
    }
    arena_init(&scratch, bulk->pool);
    enum weft_status status = open_message(bulk, packed, &scratch, &sent, &why);
    if (status == WEFT_OK) source = find_source(bulk, packed->peer, sent);
    if (status == WEFT_OK && source != NULL) {
        Weft__Incoming *incoming = NULL;
        const struct model *model = models_get(bulk->settings->models, source->stream.model);
        mail = outbox_mail(out, WEFT__MAIL__BODY_INCOMING, &incoming);
        incoming->peer = packed->peer;
        incoming->session = packed->session;
        incoming->wire_bytes = packed->wire_bytes;
        status = decode(model, source, sent, mail, &why);
    }
    if (status == WEFT_OK && source != NULL) {
        source->expected = sent->upto;
        source->since_us = now.mono_us;
        source->patience = 0;
        source->in_flight++;
        peer->under_way++;
        bulk->rows_under_way += mail->body.incoming->rows->count;
        board_add(bulk->board->batches_decoded, 1);
        board_add(bulk->board->peers[packed->peer].rows_in, sent->count);
        outbox_send(out, ACTOR_CLOCK, &mail);
    } else {
        mail_drop(&mail);
        if (status != WEFT_OK) refuse(bulk, peer, source, &why, out);
        done(bulk, peer, packed->session, packed->wire_bytes);
    }
    arena_drop(&scratch);
}

/* ---- waiting to be opened ---- */

void bulk_packed(struct bulk *bulk, struct mail **in) {
    const Weft__Packed *packed = (*in)->body.packed;
    CHECK(packed->peer < bulk->settings->peers);
    struct bulk_peer *peer = &bulk->peers[packed->peer];
    if (!peer->live || peer->session != packed->session) return;
    CHECK(peer->packed_count < LIMIT_PEER_PACKED);
    CHECK((*in)->next == NULL);
    if (peer->packed_count == 0) {
        peer->packed_first = *in;
    } else {
        peer->packed_last->next = *in;
    }
    peer->packed_last = *in;
    peer->packed_count++;
    bulk->packed_count++;
    *in = NULL;
}

static struct mail *take_packed(struct bulk *bulk, struct bulk_peer *peer) {
    CHECK(peer->packed_count > 0 && bulk->packed_count > 0);
    struct mail *mail = peer->packed_first;
    peer->packed_first = mail->next;
    mail->next = NULL;
    peer->packed_count--;
    bulk->packed_count--;
    return mail;
}

void bulk_packed_drop(struct bulk *bulk, struct bulk_peer *peer) {
    while (peer->packed_count != 0) {
        struct mail *mail = take_packed(bulk, peer);
        mail_drop(&mail);
    }
}

/* The peer whose turn it is; BULK_NOBODY. Two groups are on their way at most: one that is being
 * committed, and the next. */
static uint32_t next_packed(const struct bulk *bulk) {
    if (bulk->packed_count == 0 || bulk->rows_under_way >= 2 * bulk->settings->group_rows ||
        bulk->rows_under_way >= 2 * LIMIT_GROUP_INCOMING) {
        return BULK_NOBODY;
    }
    for (uint32_t i = 0; i < bulk->settings->peers; i++) {
        const uint32_t index = (bulk->packed_next + i) % bulk->settings->peers;
        const struct bulk_peer *peer = &bulk->peers[index];
        if (peer->packed_count != 0 && peer->under_way < LIMIT_PEER_INCOMING) return index;
    }
    return BULK_NOBODY;
}

bool bulk_may_open(const struct bulk *bulk) {
    return next_packed(bulk) != BULK_NOBODY;
}

bool bulk_open(struct bulk *bulk, struct instant now, struct outbox *out) {
    const uint32_t index = next_packed(bulk);
    if (index == BULK_NOBODY) return false;
    struct mail *mail = take_packed(bulk, &bulk->peers[index]);
    bulk->packed_next = index + 1;
    bulk->timers_due = true; /* Its source has given something, or is to be asked anew. */
    open_packed(bulk, now, mail->body.packed, out);
    mail_drop(&mail);
    return true;
}

/* ---- home again ---- */

/* A batch is home: its session, if it has ended and this was the last, can be let go. */
static void come_home(struct bulk_peer *peer, uint32_t index, struct outbox *out) {
    CHECK(peer->under_way > 0);
    peer->under_way--;
    if (peer->under_way == 0 && peer->left != NULL) {
        outbox_send(out, ACTOR_PEER + index, &peer->left);
    }
}

void bulk_applied(struct bulk *bulk, struct instant now, const Weft__Incoming *incoming,
                  struct outbox *out) {
    struct stream stream = {.model = incoming->rows->model};
    CHECK(id_read(&stream.owner, incoming->rows->owner.data, incoming->rows->owner.len));
    CHECK(incoming->peer < bulk->settings->peers);
    struct source *source = bulk_source(bulk, &stream);
    CHECK(source != NULL && source->in_flight > 0);
    source->in_flight--;
    bool was_sweeping = source->sweeping;
    source->sweeping = incoming->sweeping; /* Another source may be called for: see choose(). */
    if (incoming->sweeping) source->cursor = incoming->position;
    if (incoming->status != WEFT_OK) {
        /* Other rows were on their way when the sweep began. */
        if (incoming->rows->sweep) bulk_narrow_drop(bulk, source);
        source->asked = false;
        source->expected = STREAM_WITHDRAWN;
        if (incoming->status != WEFT_INVALID) source->retry_us = now.mono_us + LIMIT_RETRY_US;
    } else if (was_sweeping != source->sweeping) {
        bulk_narrow_drop(bulk, source);
        source->asked = false; /* A sweep begins at 0, and ends with an ordinary request. */
        source->expected = STREAM_WITHDRAWN;
    }
    if (!incoming->sweeping) {
        /* Never lowered: a refusal names the position of the last commit. */
        bulk_head(bulk, &stream, incoming->position, out);
    }
    bulk->sources_due = bulk->notes_due = true;
    bulk_serve_all(bulk);
    if (incoming->rows->same) return; /* It came from nobody. */
    CHECK(bulk->rows_under_way >= incoming->rows->count);
    bulk->rows_under_way -= incoming->rows->count;
    done(bulk, &bulk->peers[incoming->peer], incoming->session, incoming->wire_bytes);
    come_home(&bulk->peers[incoming->peer], incoming->peer, out);
}
