/* Bulk's choice of where each stream comes from, and what it tells its peers.
 *
 *   nobody, while the stream is left out or the network is metered
 *   else the owner's own session, if one stands
 *   else, for a sweep, who says that it holds what the owner says
 *   else the source it has, while that holds more than this device does, or nobody does
 *   else the session whose remote holds most
 *
 * What a remote says that it holds need not be true, nor what it sends. One that gives nothing for
 * LIMIT_SOURCE_US (twice as long the next time), and one whose rows turned out not to be the
 * owner's, is asked again only if nobody else holds more than this device does.
 *
 * Each stream is asked of one peer at a time, so nothing travels twice. When the choice changes the
 * old source is told; when a stream is asked anew it is from the place that is committed, and only
 * after what was on its way has come home. Invariants
 *   1. A stream of this device itself is never asked for.
 *   2. A peer is handed a note only against credit, and never two at once beyond it. */
#include <stdlib.h>

#include "actors/bulk_private.h"

void bulk_notice(struct bulk *bulk, int model, const struct id *device,
                 const struct weft_error *why, struct outbox *out) {
    Weft__Notice *notice = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_NOTICE, &notice);
    (void)bulk;
    notice->kind = WEFT_EVENT_FAULT;
    notice->model = model;
    notice->status = why->status;
    notice->native = why->native;
    notice->text = mail_text(mail, why->text);
    if (device != NULL) {
        CHECK(mail_bytes(mail, &notice->device, device->bytes, WEFT_ID_SIZE));
    }
    outbox_send(out, ACTOR_HOST, &mail);
}

struct source *bulk_source(struct bulk *bulk, const struct stream *stream) {
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        if (stream_compare(&bulk->sources[i].stream, stream) == 0) return &bulk->sources[i];
    }
    return NULL;
}

struct source *bulk_source_add(struct bulk *bulk, const struct stream *stream) {
    struct source *source = bulk_source(bulk, stream);
    if (source != NULL || id_equal(&stream->owner, &bulk->settings->device)) return source;
    /* With this device's own streams there are LIMIT_STREAMS, which is what vectors hold. */
    if (bulk->source_count == LIMIT_STREAMS - LIMIT_MODELS) return NULL;
    struct source *grown = realloc(bulk->sources, (bulk->source_count + 1) * sizeof *grown);
    if (grown == NULL) return NULL;
    bulk->sources = grown;
    source = &bulk->sources[bulk->source_count++];
    *source = (struct source){.stream = *stream,
                              .peer = BULK_NOBODY,
                              .withdraw = BULK_NOBODY,
                              .shunned = BULK_NOBODY,
                              .trusted = BULK_NOBODY,
                              .skipped = bulk_skips(bulk, stream),
                              .expected = STREAM_WITHDRAWN};
    bulk->sources_due = true;
    return source;
}

/* ---- choosing ---- */

/* How much rather than others a peer is asked that holds enough. */
static unsigned rank(const struct source *source, uint32_t peer) {
    if (source->sweeping && peer == source->trusted) return 3;
    if (peer == source->shunned) return 0;
    return peer == source->peer ? 2 : 1;
}

static uint32_t choose(const struct bulk *bulk, const struct source *source) {
    if (bulk->metered || source->skipped) return BULK_NOBODY;
    uint64_t position = vector_get(&bulk->heads, &source->stream);
    /* A sweep needs a source that holds what is held here, or it would bring back the dead; and
     * more than it has come to: two that sweep could wait for each other. */
    uint64_t enough = position + 1;
    if (source->sweeping) enough = source->cursor < position ? position : source->cursor + 1;
    uint64_t best_held = 0;
    unsigned best_rank = 0;
    uint32_t best = BULK_NOBODY;
    for (uint32_t p = 0; p < bulk->settings->peers; p++) {
        const struct bulk_peer *peer = &bulk->peers[p];
        if (!peer->live) continue;
        if (id_equal(&peer->device, &source->stream.owner)) return p;
        uint64_t held = vector_get(&peer->held, &source->stream);
        if (held < enough) continue;
        const unsigned ranked = rank(source, p);
        const bool better = ranked > best_rank || (ranked == best_rank && held > best_held);
        if (best != BULK_NOBODY && !better) continue;
        best_held = held;
        best_rank = ranked;
        best = p;
    }
    bool stay = source->peer != BULK_NOBODY && bulk->peers[source->peer].live && !source->sweeping;
    return best == BULK_NOBODY && stay ? source->peer : best;
}

/* When the peer that a stream was asked of has been waited for long enough. */
static uint64_t patience_ends(const struct bulk *bulk, const struct source *source) {
    if (source->peer == BULK_NOBODY || !source->asked || source->in_flight != 0) return DUE_NEVER;
    const struct bulk_peer *peer = &bulk->peers[source->peer];
    if (peer->packed_count != 0) return DUE_NEVER; /* What it gave is not opened yet. */
    /* Nothing more than is held here is due, as far as anybody has said. */
    if (vector_get(&peer->held, &source->stream) <= source->expected) return DUE_NEVER;
    return source->since_us + ((uint64_t)LIMIT_SOURCE_US << source->patience);
}

void bulk_turn_away(struct bulk *bulk, struct instant now) {
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        struct source *source = &bulk->sources[i];
        if (patience_ends(bulk, source) > now.mono_us) continue;
        if (source->patience < BULK_PATIENCE) source->patience++;
        source->shunned = source->peer;
        source->since_us = now.mono_us;
        if (choose(bulk, source) == source->peer) {
            source->asked = false; /* There is nobody else: it is asked anew. */
            source->expected = STREAM_WITHDRAWN;
        }
        bulk->sources_due = bulk->notes_due = true;
    }
}

void bulk_choose_one(struct bulk *bulk, struct source *source) {
    const uint32_t peer = choose(bulk, source);
    bulk->timers_due = true;
    if (peer == source->peer) return;
    if (source->peer != BULK_NOBODY || peer != bulk->touched) bulk->notes_due = true;
    if (source->peer != BULK_NOBODY && bulk->peers[source->peer].live && source->asked)
        source->withdraw = source->peer;
    source->peer = peer;
    source->asked = false;
    source->expected = STREAM_WITHDRAWN;
}

void bulk_choose(struct bulk *bulk) {
    for (uint32_t i = 0; i < bulk->source_count; i++)
        bulk_choose_one(bulk, &bulk->sources[i]);
    bulk->sources_due = false;
    bulk->notes_due = true;
}

/* ---- requests ---- */

static bool wants_asking(const struct source *source, uint32_t peer, struct instant now) {
    return source->peer == peer && !source->asked && !source->blocked && !source->narrow &&
           source->in_flight == 0 && source->retry_us <= now.mono_us;
}

/* Whether a peer is to be told that it is no longer asked: not if it is about to be asked anew. */
static bool withdraws(const struct source *source, uint32_t peer) {
    return source->withdraw == peer && (source->peer != peer || source->blocked);
}

static void fill_place(struct mail *mail, Weft__Place *place, const struct stream *stream,
                       uint64_t position) {
    CHECK(mail_bytes(mail, &place->owner, stream->owner.bytes, WEFT_ID_SIZE));
    place->model = stream->model;
    place->position = position;
}

/* Asks a peer for what it is the source of, and takes back what it no longer is. */
static void send_request(struct bulk *bulk, uint32_t index, struct instant now,
                         struct outbox *out) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        const struct source *source = &bulk->sources[i];
        if (withdraws(source, index) || wants_asking(source, index, now)) count++;
    }
    if (count == 0 || bulk->peers[index].notes == 0) return;
    if (count > LIMIT_PLACES) count = LIMIT_PLACES;
    Weft__Request *request = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_REQUEST, &request);
    request->places = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, count);
    CHECK(request->places != NULL);
    for (uint32_t i = 0; i < bulk->source_count && request->n_places < count; i++) {
        struct source *source = &bulk->sources[i];
        if (withdraws(source, index)) {
            source->withdraw = BULK_NOBODY;
            fill_place(mail, request->places[request->n_places++], &source->stream,
                       STREAM_WITHDRAWN);
        } else if (wants_asking(source, index, now)) {
            uint64_t position =
                source->sweeping ? source->cursor : vector_get(&bulk->heads, &source->stream);
            Weft__Place *place = request->places[request->n_places++];
            fill_place(mail, place, &source->stream, position);
            place->sweep = source->sweeping;
            place->until = bulk_narrow_until(bulk, source);
            source->asked = true;
            source->since_us = now.mono_us;
            source->expected = position;
            if (source->withdraw == index) source->withdraw = BULK_NOBODY; /* Chosen again. */
        }
    }
    bulk->peers[index].notes--;
    bulk->timers_due = true;
    outbox_send(out, ACTOR_PEER + index, &mail);
}

/* ---- positions ---- */

/* Whether a peer need not be told: it receives these rows of ours anyway. */
static bool sent_anyway(const struct bulk *bulk, const struct bulk_peer *peer,
                        const struct stream *stream) {
    if (!id_equal(&stream->owner, &bulk->settings->device)) return false;
    for (uint32_t i = 0; i < peer->want_count; i++) {
        if (peer->wants[i].cursor != STREAM_WITHDRAWN &&
            stream_compare(&peer->wants[i].stream, stream) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_news(const struct bulk *bulk, const struct bulk_peer *peer) {
    for (uint32_t i = 0; i < bulk->heads.count; i++) {
        const struct vector_entry *entry = &bulk->heads.entries[i];
        if (entry->position > vector_get(&peer->told, &entry->stream) &&
            !sent_anyway(bulk, peer, &entry->stream)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < peer->told.count; i++)
        if (peer->told.entries[i].position == BULK_GONE) return true;
    return false;
}

/* What the peer has not been told yet; `all`: also what it need not be. */
static void fill_held(struct bulk *bulk, struct bulk_peer *peer, bool all, struct mail *mail,
                      Weft__Held *held) {
    const size_t room = (size_t)bulk->heads.count + peer->told.count + 1;
    held->places = (Weft__Place **)arena_take(&mail->arena, room * sizeof(void *));
    CHECK(held->places != NULL);
    bulk_say_gone(peer, mail, held);
    for (uint32_t i = 0; i < bulk->heads.count && held->n_places < LIMIT_PLACES; i++) {
        const struct vector_entry *entry = &bulk->heads.entries[i];
        if (entry->position <= vector_get(&peer->told, &entry->stream)) continue;
        if (!all && sent_anyway(bulk, peer, &entry->stream)) continue;
        Weft__Place *place = mail_message(mail, &weft__place__descriptor);
        CHECK(place != NULL);
        fill_place(mail, place, &entry->stream, entry->position);
        held->places[held->n_places++] = place;
        /* Without memory for it, it is told again. */
        (void)vector_advance(&peer->told, &entry->stream, entry->position, NULL);
    }
}

static void send_held(struct bulk *bulk, uint32_t index, struct outbox *out) {
    struct bulk_peer *peer = &bulk->peers[index];
    Weft__Held *held = NULL;
    if (peer->notes == 0) return;
    const bool asks = bulk_sync_asks(peer);
    const bool answers = bulk_sync_met(bulk, peer, &peer->sync.theirs);
    if (!asks && !answers && peer->done_batches == 0 && peer->fault[0] == 0 &&
        !has_news(bulk, peer)) {
        return;
    }
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_HELD, &held);
    fill_held(bulk, peer, asks || answers, mail, held);
    /* With a full note there may be more to say first. */
    if (held->n_places < LIMIT_PLACES) bulk_sync_say(peer, asks, answers, held);
    held->consumed = peer->done_bytes;
    held->batches = peer->done_batches;
    if (peer->fault[0] != 0) held->fault = mail_text(mail, peer->fault);
    peer->done_bytes = peer->done_batches = 0;
    peer->fault[0] = 0;
    peer->notes--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}

static void note(struct bulk *bulk, uint32_t index, bool asks, struct instant now,
                 struct outbox *out) {
    bulk_sync_look(bulk, index, out);
    /* With one note to spend the request goes first: it is seldom, the other is not. */
    if (asks && bulk->peers[index].notes == 1) send_request(bulk, index, now, out);
    send_held(bulk, index, out);
    if (asks) send_request(bulk, index, now, out);
}

void bulk_note(struct bulk *bulk, uint32_t index, struct instant now, struct outbox *out) {
    CHECK(bulk->peers[index].live);
    note(bulk, index, true, now, out);
}

void bulk_notes(struct bulk *bulk, struct instant now, struct outbox *out) {
    memset(bulk->asks, 0, bulk->settings->peers * sizeof *bulk->asks);
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        const struct source *source = &bulk->sources[i];
        if (source->withdraw != BULK_NOBODY) bulk->asks[source->withdraw]++;
        if (source->peer != BULK_NOBODY && wants_asking(source, source->peer, now))
            bulk->asks[source->peer]++;
    }
    for (uint32_t p = 0; p < bulk->settings->peers; p++)
        if (bulk->peers[p].live) note(bulk, p, bulk->asks[p] != 0, now, out);
    bulk->notes_due = false;
    bulk->timers_due = true; /* Whatever called for it may have moved a source's time as well. */
}

uint64_t bulk_source_due(const struct bulk *bulk) {
    uint64_t due = DUE_NEVER;
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        const struct source *source = &bulk->sources[i];
        const uint64_t patience_us = patience_ends(bulk, source);
        if (patience_us < due) due = patience_us;
        if (source->peer == BULK_NOBODY || source->asked || source->blocked) continue;
        if (source->narrow) continue;                       /* It is asked when that has ended. */
        if (bulk->peers[source->peer].notes == 0) continue; /* What it grants will remind us. */
        if (source->in_flight == 0 && source->retry_us != 0 && source->retry_us < due) {
            due = source->retry_us;
        }
    }
    return due;
}
