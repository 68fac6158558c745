/* See bulk.h. Invariants
 *   1. heads never runs ahead of what is committed and synced here: it moves by mails of the log.
 *   2. One step encodes or decodes at most one batch, so that nobody waits long for a turn.
 *   3. What leaves for a peer is covered by its credit: batches by batches, notes by notes.
 * The files: bulk_send.c (out), bulk_receive.c (in), bulk_source.c (from whom, and what is said),
 * bulk_subscribe.c (what is taken), bulk_narrow.c (sweeps of what differs). */
#include "actors/bulk.h"

#include <stdlib.h>

#include "actors/bulk_private.h"

/* Fast links first: limits of compression were measured, see docs/decisions. */
#define BULK_ZSTD_LEVEL (-5)
#define BULK_READER_CACHE (8u << 20)

struct sweep_load {
    struct bulk *bulk;
    enum weft_status status;
};

static void load_sweep(void *context, const struct stream *stream, uint64_t cursor) {
    struct sweep_load *load = context;
    struct source *source = bulk_source_add(load->bulk, stream);
    if (source == NULL) {
        load->status = WEFT_NO_MEMORY;
        return;
    }
    source->sweeping = true;
    source->cursor = cursor;
}

/* Every stream of another owner that is held has its source from the start, so that the bound on
 * sources is also the bound on streams. */
static void load_sources(struct sweep_load *load) {
    struct bulk *bulk = load->bulk;
    for (uint32_t i = 0; i < bulk->heads.count; i++) {
        const struct stream *stream = &bulk->heads.entries[i].stream;
        if (id_equal(&stream->owner, &bulk->settings->device)) continue;
        if (bulk_source_add(bulk, stream) == NULL) load->status = WEFT_NO_MEMORY;
    }
}

/* ---- what was committed ---- */

static void on_rows(struct bulk *bulk, const struct stream *stream, struct mail *mail,
                    const Weft__Rows *rows) {
    if (rows->upto <= rows->after) return;
    bool keep = bulk->live_count != 0 && rows->count != 0 && !rows->sweep;
    if (keep) {
        tail_add(bulk->tail, stream, mail, rows);
    } else {
        tail_clear(bulk->tail, stream);
    }
}

/* The last mail of a group has been dealt with: a host that waits for room may look again. */
static void tell_host(struct bulk *bulk, struct mail **in, struct outbox *out) {
    CHECK(!bulk->group_open);
    mail_drop(in);
    bulk->room_due = false;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_HELD, NULL);
    outbox_send(out, ACTOR_HOST, &mail);
}

void bulk_head(struct bulk *bulk, const struct stream *stream, uint64_t position,
               struct outbox *out) {
    struct weft_error why;
    enum weft_status status = vector_advance(&bulk->heads, stream, position, NULL);
    if (status == WEFT_OK) return;
    (void)status_fail(&why, status, 0,
                      "no memory for the position of a stream; the engine has stopped, what was "
                      "acknowledged is safe; free memory and open the library again");
    outbox_fatal(out, &why);
}

static void on_commit(struct bulk *bulk, struct mail *mail, struct outbox *out) {
    const Weft__Commit *commit = mail->body.commit;
    for (size_t r = 0; r < commit->n_rows; r++) {
        const Weft__Rows *rows = commit->rows[r];
        struct stream stream = {bulk->settings->device, rows->model};
        on_rows(bulk, &stream, mail, rows);
        bulk_head(bulk, &stream, rows->upto, out);
    }
    bulk->group_open = commit->last_of_group == 0;
    bulk->notes_due = bulk->room_due = true;
    bulk_serve_all(bulk);
}

static void on_incoming(struct bulk *bulk, struct instant now, struct mail *mail,
                        struct outbox *out) {
    const Weft__Incoming *incoming = mail->body.incoming;
    bulk_applied(bulk, now, incoming, out);
    if (incoming->status == WEFT_OK) {
        struct stream stream = {.model = incoming->rows->model};
        CHECK(id_read(&stream.owner, incoming->rows->owner.data, incoming->rows->owner.len));
        on_rows(bulk, &stream, mail, incoming->rows);
    }
    bulk->group_open = incoming->last_of_group == 0;
}

static bool agrees(const struct bulk_peer *peer, const Weft__Repair *repair) {
    bool found = false;
    for (size_t i = 0; i < repair->n_agree && peer->live && !found; i++)
        found = memcmp(peer->device.bytes, repair->agree[i].data, WEFT_ID_SIZE) == 0;
    return found;
}

/* Of those who say what the owner says, each twice in turn. */
static uint32_t trusted(const struct bulk *bulk, const Weft__Repair *repair, uint32_t turn) {
    uint32_t count = 0;
    for (uint32_t p = 0; p < bulk->settings->peers; p++)
        count += agrees(&bulk->peers[p], repair);
    for (uint32_t p = 0, left = count == 0 ? 0 : turn / 2 % count; count != 0; p++)
        if (agrees(&bulk->peers[p], repair) && left-- == 0) return p;
    return BULK_NOBODY;
}

/* The log has begun to sweep a stream. What is on its way meanwhile it will not take. */
static void on_repair(struct bulk *bulk, const Weft__Repair *repair) {
    struct stream stream = {.model = repair->place->model};
    CHECK(id_read(&stream.owner, repair->place->owner.data, repair->place->owner.len));
    struct source *source = bulk_source_add(bulk, &stream);
    CHECK(source != NULL); /* It is held, so it has its source. */
    source->sweeping = true;
    source->cursor = 0;
    if (source->asked) source->withdraw = source->peer;
    source->asked = false;
    source->expected = STREAM_WITHDRAWN;
    /* What it gave was wrong. Each is asked twice in turn: a row that is newer here than it ever
     * was goes with the first sweep, and comes with the second (actors/log_digest.c). */
    source->trusted = trusted(bulk, repair, source->repairs);
    if (source->repairs++ % 2 == 0) source->shunned = source->peer;
    if (!repair->whole) bulk_narrow_begin(bulk, source);
    bulk->sources_due = bulk->notes_due = true;
}

/* ---- sessions ---- */

static void on_joined(struct bulk *bulk, const Weft__Joined *joined) {
    CHECK(joined->peer < bulk->settings->peers && !bulk->peers[joined->peer].live);
    struct bulk_peer *peer = &bulk->peers[joined->peer];
    CHECK(peer->under_way == 0 && peer->left == NULL);
    *peer = (struct bulk_peer){.live = true, .session = joined->session};
    CHECK(id_read(&peer->device, joined->device.data, joined->device.len));
    vector_init(&peer->held);
    vector_init(&peer->told);
    bulk_sync_joined(bulk, peer);
    bulk->live_count++;
    bulk->touched = joined->peer;
    bulk_cache_clear(bulk);
    /* An owner is asked for all that it may ever have: its first row then needs no asking. Where
     * other streams come from does not change: it has not yet said that it holds any. */
    const bool due = bulk->sources_due;
    for (uint32_t m = 0; m < bulk->settings->models->count; m++) {
        const struct model *model = models_owned(bulk->settings->models, m + 1);
        if (model == NULL) continue;
        struct source *source = bulk_source_add(bulk, &(struct stream){peer->device, model->id});
        if (source == NULL) continue;
        if (source->blocked) bulk->notes_due = true; /* Whoever it comes from is asked again. */
        source->blocked = false;
        bulk_choose_one(bulk, source);
    }
    bulk->sources_due = due;
}

static void on_left(struct bulk *bulk, uint32_t index, struct mail **in, struct outbox *out) {
    CHECK(index < bulk->settings->peers && bulk->peers[index].live);
    struct bulk_peer *peer = &bulk->peers[index];
    vector_free(&peer->held);
    vector_free(&peer->told);
    free(peer->wants);
    bulk_sync_left(bulk, index);
    bulk_narrow_left(bulk, index);
    bulk_packed_drop(bulk, peer);
    *peer = (struct bulk_peer){.under_way = peer->under_way};
    bulk->live_count--;
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        struct source *source = &bulk->sources[i];
        if (source->withdraw == index) source->withdraw = BULK_NOBODY;
        if (source->shunned == index) source->shunned = BULK_NOBODY;
        if (source->trusted == index) source->trusted = BULK_NOBODY;
        if (source->peer != index) continue;
        source->peer = BULK_NOBODY;
        source->asked = false;
        source->expected = STREAM_WITHDRAWN;
        bulk_choose_one(bulk, source);
    }
    /* A new session of this slot may bring LIMIT_PEER_INCOMING batches: those of the old one must
     * be home by then, or the edge to clock could overflow. */
    if (peer->under_way == 0) {
        outbox_send(out, ACTOR_PEER + index, in);
    } else {
        peer->left = *in;
        *in = NULL;
    }
}

static void on_granted(struct bulk *bulk, const Weft__Granted *granted) {
    CHECK(granted->peer < bulk->settings->peers);
    struct bulk_peer *peer = &bulk->peers[granted->peer];
    if (!peer->live) return;
    if (peer->notes == 0) bulk->timers_due = true; /* What could not be asked now can. */
    peer->batches += granted->batches;
    peer->notes += granted->notes;
    CHECK(peer->batches <= LIMIT_PEER_BATCHES && peer->notes <= 2);
    bulk->touched = granted->peer;
    bulk->serve_due = true;
    marks_set(&bulk->ready, granted->peer);
}

/* Whether rows of an owner may exist: it was a member once, or some are held here. What a remote
 * says of anybody else is remembered, and no more: whoever lies would fill the table of sources. */
static bool is_owner(const struct bulk *bulk, const struct stream *stream) {
    return vector_find(&bulk->heads, stream) != NULL || board_seated(bulk->board, &stream->owner);
}

/* The roster has grown: what remotes said they hold of the newcomers counts from now on. */
static void follow_board(struct bulk *bulk) {
    const bool metered = board_get(bulk->board->metered) != 0;
    if (metered != bulk->metered) {
        bulk->sources_due = bulk->notes_due = true;
        bulk_serve_all(bulk);
    }
    bulk->metered = metered;
    uint32_t seats = atomic_load_explicit(&bulk->board->member_count, memory_order_acquire);
    if (seats == bulk->seats) return;
    bulk->seats = seats;
    bulk->unknown = false;
    for (uint32_t p = 0; p < bulk->settings->peers; p++) {
        struct bulk_peer *peer = &bulk->peers[p];
        peer->unknown = 0;
        for (uint32_t i = 0; peer->live && i < peer->held.count; i++) {
            if (is_owner(bulk, &peer->held.entries[i].stream)) {
                (void)bulk_source_add(bulk, &peer->held.entries[i].stream);
            } else {
                peer->unknown++;
            }
        }
        bulk->unknown = bulk->unknown || peer->unknown != 0;
    }
}

static void on_holds(struct bulk *bulk, struct instant now, const Weft__Holds *holds) {
    CHECK(holds->peer < bulk->settings->peers);
    struct bulk_peer *peer = &bulk->peers[holds->peer];
    if (!peer->live) return;
    for (size_t i = 0; i < holds->n_places; i++) {
        const Weft__Place *place = holds->places[i];
        struct stream stream = {.model = place->model};
        bool raised = false;
        CHECK(id_read(&stream.owner, place->owner.data, place->owner.len));
        if (place->gone) {
            bulk_gone(bulk, holds->peer, &stream);
            continue;
        }
        bool known = is_owner(bulk, &stream);
        bool added = vector_find(&peer->held, &stream) == NULL;
        if (!known && added && peer->unknown >= LIMIT_STREAMS_UNKNOWN) continue;
        if (vector_advance(&peer->held, &stream, place->position, &raised) != WEFT_OK) continue;
        peer->unknown += !known && added;
        if (!raised || id_equal(&stream.owner, &bulk->settings->device)) continue;
        bulk->timers_due = true;
        if (known) {
            (void)bulk_source_add(bulk, &stream);
            bulk->sources_due = true;
            continue;
        }
        if (!bulk->unknown) bulk->look_us = now.mono_us + LIMIT_RETRY_US;
        bulk->unknown = true;
    }
    if (holds->ask != 0 || holds->answer != 0) bulk_sync_holds(bulk, peer, holds);
}

/* ---- the step ---- */

/* Mails that move no source's time, as long as they do not say so themselves. */
static bool leaves_timers(Weft__Mail__BodyCase kind) {
    return kind == WEFT__MAIL__BODY_COMMIT || kind == WEFT__MAIL__BODY_GRANTED ||
           kind == WEFT__MAIL__BODY_WANTED || kind == WEFT__MAIL__BODY_HOLDS;
}

/* Says what is to be said: to all, or to the peer that the mail is about. */
static void say(struct bulk *bulk, struct instant now, struct outbox *out) {
    if (bulk->notes_due) {
        bulk_notes(bulk, now, out);
    } else if (bulk->touched != BULK_NOBODY && bulk->peers[bulk->touched].live) {
        bulk_note(bulk, bulk->touched, now, out);
    }
}

static void bulk_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct bulk *bulk = self;
    Weft__Mail *body = &(*in)->body;
    bulk->touched = BULK_NOBODY;
    bulk->timers_due = bulk->timers_due || !leaves_timers(body->body_case);
    switch (body->body_case) {
    case WEFT__MAIL__BODY_COMMIT:
        on_commit(bulk, *in, out);
        if (!bulk->group_open) tell_host(bulk, in, out);
        break;
    case WEFT__MAIL__BODY_INCOMING:
        on_incoming(bulk, now, *in, out);
        if (!bulk->group_open && bulk->room_due) tell_host(bulk, in, out);
        break;
    case WEFT__MAIL__BODY_REPAIR:
        on_repair(bulk, body->repair);
        break;
    case WEFT__MAIL__BODY_SYNC:
        bulk_sync(bulk, body->sync);
        break;
    case WEFT__MAIL__BODY_SUBSCRIBED:
        bulk_subscribed(bulk, body->subscribed);
        break;
    case WEFT__MAIL__BODY_PACKED:
        bulk_packed(bulk, in);
        break;
    case WEFT__MAIL__BODY_RANGES:
        bulk_ranges(bulk, now, body->ranges);
        break;
    case WEFT__MAIL__BODY_WANTED:
        bulk_wanted(bulk, now, body->wanted);
        break;
    case WEFT__MAIL__BODY_GRANTED:
        on_granted(bulk, body->granted);
        break;
    case WEFT__MAIL__BODY_HOLDS:
        on_holds(bulk, now, body->holds);
        break;
    case WEFT__MAIL__BODY_JOINED:
        on_joined(bulk, body->joined);
        break;
    case WEFT__MAIL__BODY_LEFT:
        on_left(bulk, body->left->peer, in, out);
        break;
    default: /* Tick */
        if (now.mono_us >= bulk->retry_us) {
            bulk->retry_us = DUE_NEVER;
            bulk_serve_all(bulk);
        }
        bulk->notes_due = bulk->notes_due || now.mono_us >= bulk_source_due(bulk);
        bulk_turn_away(bulk, now);
        break;
    }
    if (now.mono_us >= bulk->pause_us) {
        bulk->pause_us = DUE_NEVER;
        bulk_serve_all(bulk);
    }
    follow_board(bulk);
    if (now.mono_us >= bulk->look_us) bulk->look_us = now.mono_us + LIMIT_RETRY_US;
    if (bulk->group_open) return; /* More of the same commit follows: one batch for all of it. */
    const bool opened = bulk_open(bulk, now, out);
    if (bulk->sources_due) bulk_choose(bulk);
    bulk_narrow(bulk, now, out);
    say(bulk, now, out);
    if (!opened && bulk->serve_due && bulk->retry_us == DUE_NEVER) (void)bulk_serve(bulk, now, out);
    if (bulk->timers_due) bulk->source_us = bulk_source_due(bulk);
    bulk->timers_due = false;
}

static uint64_t bulk_due(const void *self) {
    const struct bulk *bulk = self;
    if (bulk->group_open) return DUE_NEVER; /* The rest of the group is on its way. */
    if (bulk_may_open(bulk)) return 0;
    if (bulk->serve_due && bulk->retry_us == DUE_NEVER) return 0;
    uint64_t due = bulk->source_us;
    if (bulk->pause_us < due) due = bulk->pause_us;
    const uint64_t narrow_us = bulk_narrow_due(bulk);
    if (narrow_us < due) due = narrow_us;
    /* Nobody says when the roster grows, or that the network costs nothing any more. */
    if ((bulk->unknown || bulk->metered) && bulk->look_us < due) due = bulk->look_us;
    return due < bulk->retry_us ? due : bulk->retry_us;
}

static void bulk_stop(void *self) {
    struct bulk *bulk = self;
    for (uint32_t p = 0; bulk->peers != NULL && p < bulk->settings->peers; p++) {
        vector_free(&bulk->peers[p].held);
        vector_free(&bulk->peers[p].told);
        bulk_sync_left(bulk, p);
        free(bulk->peers[p].wants);
        bulk_packed_drop(bulk, &bulk->peers[p]);
        mail_drop(&bulk->peers[p].left);
        free(bulk->peers[p].counting);
    }
    bulk_narrow_stop(bulk);
    marks_close(&bulk->ready);
    free(bulk->asks);
    free(bulk->peers);
    free(bulk->sources);
    bulk_cache_clear(bulk);
    tail_close(bulk->tail);
    vector_free(&bulk->heads);
    vector_free(&bulk->clearing);
    if (bulk->zip != NULL) zip_close(bulk->zip);
    if (bulk->reader != NULL) reader_close(bulk->reader);
}

static enum weft_status bulk_start(void *self, const struct actor_seed *seed,
                                   struct weft_error *why) {
    struct bulk *bulk = self;
    const struct settings *settings = seed->settings;
    struct sweep_load load = {bulk, WEFT_OK};
    bulk->settings = settings;
    bulk->board = settings->board;
    bulk->pool = seed->pool;
    bulk->retry_us = bulk->pause_us = DUE_NEVER;
    vector_init(&bulk->heads);
    vector_init(&bulk->clearing);
    bulk->tail = tail_open(settings->tail_bytes);
    bulk->zip = zip_open(BULK_ZSTD_LEVEL);
    bulk->peers = calloc(settings->peers, sizeof *bulk->peers);
    bulk->asks = calloc(settings->peers, sizeof *bulk->asks);
    bulk->timers_due = true;
    bulk->source_us = DUE_NEVER;
    const bool marked = marks_open(&bulk->ready, settings->peers);
    if (bulk->tail == NULL || bulk->zip == NULL || bulk->peers == NULL || bulk->asks == NULL ||
        !marked) {
        load.status = WEFT_NO_MEMORY;
    }
    if (load.status == WEFT_OK) load.status = bulk_narrow_start(bulk);
    enum weft_status status = load.status;
    if (status == WEFT_OK)
        status = reader_open(settings->path, settings->vfs, BULK_READER_CACHE, settings->models,
                             &bulk->reader, why);
    if (status == WEFT_OK)
        status = reader_subscriptions(bulk->reader, &bulk->rules, &bulk->clearing, why);
    if (status == WEFT_OK) status = reader_positions(bulk->reader, &bulk->heads, why);
    if (status == WEFT_OK) load_sources(&load);
    if (status == WEFT_OK) status = reader_sweeps(bulk->reader, &load, load_sweep, why);
    if (load.status != WEFT_OK) {
        status = status_fail(why, load.status, 0, "no memory for the bulk actor");
    }
    if (status != WEFT_OK) bulk_stop(bulk);
    return status;
}

const struct actor_kind bulk_actor = {
    .name = "bulk",
    .state_size = sizeof(struct bulk),
    .emit_max = 1,
    .start = bulk_start,
    .step = bulk_step,
    .due_us = bulk_due,
    .stop = bulk_stop,
};
