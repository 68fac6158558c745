/* The peer's voice: wire messages built, packed and queued; batches fed into the session; bytes
 * handed to the link. A message lives in an arena of its own, a parcel, which the session gives
 * back when the last byte is cut into frames; a batch is borrowed from its mail, shared with other
 * peers. Invariants
 *   1. Batch bytes in flight never exceed the window that the remote granted.
 *   2. A stream's batches keep their order: while one of them waits in a lane, a later one does not
 *      take the other, which could overtake it.
 *   3. Only batches wait for the window: credit, acknowledgements and heartbeats never do, or two
 *      peers that both send could wait for each other. */
#include "actors/peer_private.h"

/* A batch is fed while less than this is queued, so that a cut loses little work. */
#define QUEUED_BEFORE_BATCH (512u << 10)

struct parcel {
    struct arena arena;
    Weft__Wire__Wire wire;
};

static struct parcel *parcel_new(struct peer *peer) {
    struct arena arena;
    arena_init(&arena, peer->pool);
    struct parcel *parcel = arena_take(&arena, sizeof *parcel);
    if (parcel == NULL) return NULL;
    parcel->arena = arena;
    weft__wire__wire__init(&parcel->wire);
    return parcel;
}

static void parcel_release(void *token) {
    struct parcel *parcel = token;
    struct arena arena = parcel->arena;
    arena_drop(&arena);
}

/* Packs a parcel's message and queues it; `*size` (may be NULL) is how long it came out. */
static enum weft_status parcel_queue(struct peer *peer, struct parcel *parcel, enum frame_lane lane,
                                     size_t *size) {
    struct bytes packed = {0};
    enum weft_status status = message_pack(&parcel->wire.base, &parcel->arena, &packed);
    if (status == WEFT_OK) {
        status = session_push(peer->session, lane, packed, 0, (struct frame_owner){parcel_release},
                              parcel);
    }
    if (size != NULL) *size = packed.size;
    if (status != WEFT_OK) parcel_release(parcel);
    return status;
}

static enum weft_status parcel_send(struct peer *peer, struct parcel *parcel) {
    return parcel_queue(peer, parcel, LANE_CONTROL, NULL);
}

enum weft_status peer_say_hello(struct peer *peer) {
    uint8_t proof[64];
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    handshake_hello(peer->self.identity, peer->opened_here, session_channel(peer->session),
                    session_remote(peer->session)->public.id_pk, proof);
    hello.proof = (ProtobufCBinaryData){sizeof proof, proof};
    hello.name = (char *)(uintptr_t)peer->settings->name;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_HELLO;
    parcel->wire.hello = &hello;
    peer->greeted = true;
    return parcel_send(peer, parcel);
}

/* Places of a mail as places of a message: models by name. `*count` may shrink. */
static Weft__Wire__Place **wire_places(struct peer *peer, struct parcel *parcel,
                                       Weft__Place *const *places, size_t *count) {
    Weft__Wire__Place *list = arena_take(&parcel->arena, *count * sizeof *list + 1);
    Weft__Wire__Place **pointers = arena_take(&parcel->arena, *count * sizeof *pointers + 1);
    size_t used = 0;
    if (list == NULL || pointers == NULL) return NULL;
    for (size_t i = 0; i < *count; i++) {
        const struct model *model = models_get(peer->settings->models, places[i]->model);
        if (model == NULL) continue;
        weft__wire__place__init(&list[used]);
        list[used].owner = places[i]->owner;
        list[used].model = (char *)model->name;
        list[used].position = places[i]->position;
        list[used].sweep = places[i]->sweep;
        list[used].until = places[i]->until;
        list[used].gone = places[i]->gone;
        pointers[used] = &list[used];
        used++;
    }
    *count = used;
    return pointers;
}

enum weft_status peer_say_request(struct peer *peer, const Weft__Request *request) {
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__StateRequest message = WEFT__WIRE__STATE_REQUEST__INIT;
    message.n_places = request->n_places;
    message.places = wire_places(peer, parcel, request->places, &message.n_places);
    if (message.places == NULL || message.n_places == 0) {
        enum weft_status status = message.places == NULL ? WEFT_NO_MEMORY : WEFT_OK;
        parcel_release(parcel);
        return status;
    }
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_STATE_REQUEST;
    parcel->wire.state_request = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_held(struct peer *peer, const Weft__Held *held) {
    if (held->n_places == 0) return WEFT_OK;
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__StateAck message = WEFT__WIRE__STATE_ACK__INIT;
    message.n_places = held->n_places;
    message.places = wire_places(peer, parcel, held->places, &message.n_places);
    if (message.places == NULL) {
        parcel_release(parcel);
        return WEFT_NO_MEMORY;
    }
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_STATE_ACK;
    parcel->wire.state_ack = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_ranges(struct peer *peer, const Weft__Ranges *ranges) {
    const struct model *model = models_get(peer->settings->models, ranges->model);
    CHECK(model != NULL);
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__DigestRequest request = WEFT__WIRE__DIGEST_REQUEST__INIT;
    Weft__Wire__DigestResponse response = WEFT__WIRE__DIGEST_RESPONSE__INIT;
    if (!ranges->answer) {
        request.owner = ranges->owner;
        request.model = (char *)model->name;
        request.position = ranges->position;
        request.bounds = ranges->bounds;
        request.n_bounds = ranges->n_bounds;
        parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_DIGEST_REQUEST;
        parcel->wire.digest_request = &request;
        return parcel_send(peer, parcel);
    }
    response.owner = ranges->owner;
    response.model = (char *)model->name;
    response.position = ranges->position;
    response.sums = ranges->sums;
    response.n_sums = ranges->n_sums;
    response.horizon = ranges->horizon;
    response.settled = ranges->settled;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_DIGEST_RESPONSE;
    parcel->wire.digest_response = &response;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_credit(struct peer *peer) {
    if (peer->credit == 0 && peer->shared_credit == 0) return WEFT_OK;
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__Credit message = WEFT__WIRE__CREDIT__INIT;
    message.bytes = peer->credit;
    message.shared = peer->shared_credit;
    peer->credit = peer->shared_credit = 0;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_CREDIT;
    parcel->wire.credit = &message;
    return parcel_send(peer, parcel);
}

/* What is taken of all sessions is asked of each in equal parts. */
enum weft_status peer_say_rate(struct peer *peer) {
    const struct board *board = peer->settings->board;
    const uint64_t all = board_get(board->down.rate), own = board_get(peer->board->down.rate);
    const uint32_t live = board_get(board->live);
    uint64_t rate = all == 0 || live == 0 ? all : all / live;
    if (all != 0 && rate < LIMIT_RATE_MIN) rate = LIMIT_RATE_MIN;
    if (rate == 0 || (own != 0 && own < rate)) rate = own;
    if (rate == peer->said_rate) return WEFT_OK;
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__Credit message = WEFT__WIRE__CREDIT__INIT;
    message.rate = rate == 0 ? 1 : rate;
    peer->said_rate = rate;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_CREDIT;
    parcel->wire.credit = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_heartbeat(struct peer *peer, uint64_t echo) {
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__Heartbeat message = WEFT__WIRE__HEARTBEAT__INIT;
    message.echo = echo;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_HEARTBEAT;
    parcel->wire.heartbeat = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_sync(struct peer *peer, unsigned half, uint64_t ask, uint64_t answer) {
    CHECK(half < 2);
    if (ask != 0) peer->sync_ask[half] = ask;
    if (answer != 0) peer->sync_answer[half] = answer;
    Weft__Wire__Heartbeat message = WEFT__WIRE__HEARTBEAT__INIT;
    /* The later half may be at a later call already, which asks for the earlier one as well. */
    const uint64_t *asks = peer->sync_ask;
    uint64_t *answers = peer->sync_answer;
    const uint64_t both = asks[0] < asks[1] ? asks[0] : asks[1];
    if (both > peer->sync_asked) message.ask = peer->sync_asked = both;
    if (answers[0] == answers[1] && peer->sync_theirs != 0 && answers[0] == peer->sync_theirs) {
        message.answer = answers[0];
        peer->sync_theirs = answers[0] = answers[1] = 0;
    }
    if (message.ask == 0 && message.answer == 0) return WEFT_OK;
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_HEARTBEAT;
    parcel->wire.heartbeat = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_farewell(struct peer *peer, enum weft_status status, const char *text) {
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__Goodbye goodbye = WEFT__WIRE__GOODBYE__INIT;
    Weft__Wire__Error error = WEFT__WIRE__ERROR__INIT;
    if (status == WEFT_OK) {
        goodbye.text = (char *)text;
        parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_GOODBYE;
        parcel->wire.goodbye = &goodbye;
    } else {
        error.code = (uint32_t)-status;
        error.text = (char *)text;
        parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_ERROR;
        parcel->wire.error = &error;
    }
    return parcel_send(peer, parcel);
}

/* ---- the shared log ---- */

/* Heads of a mail as heads of a message; NULL without memory. */
static Weft__Wire__Head **wire_heads(struct parcel *parcel, Weft__Head *const *heads,
                                     size_t count) {
    Weft__Wire__Head *list = arena_take(&parcel->arena, count * sizeof *list + 1);
    Weft__Wire__Head **pointers = arena_take(&parcel->arena, count * sizeof *pointers + 1);
    if (list == NULL || pointers == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        weft__wire__head__init(&list[i]);
        list[i].device = heads[i]->device;
        list[i].incarnation = heads[i]->incarnation;
        list[i].seq = heads[i]->seq;
        list[i].hash = heads[i]->hash;
        pointers[i] = &list[i];
    }
    return pointers;
}

enum weft_status peer_say_shared_request(struct peer *peer, const Weft__SharedRequest *request) {
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__SharedChangeRequest message = WEFT__WIRE__SHARED_CHANGE_REQUEST__INIT;
    message.heads = wire_heads(parcel, request->heads, request->n_heads);
    message.n_heads = request->n_heads;
    if (message.heads == NULL) {
        parcel_release(parcel);
        return WEFT_NO_MEMORY;
    }
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST;
    parcel->wire.shared_change_request = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_shared_held(struct peer *peer, const Weft__SharedHeld *held) {
    if (held->n_heads == 0) return WEFT_OK;
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__AckSharedChanges message = WEFT__WIRE__ACK_SHARED_CHANGES__INIT;
    message.heads = wire_heads(parcel, held->heads, held->n_heads);
    message.n_heads = held->n_heads;
    message.waiting = held->waiting;
    if (message.heads == NULL) {
        parcel_release(parcel);
        return WEFT_NO_MEMORY;
    }
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_ACK_SHARED_CHANGES;
    parcel->wire.ack_shared_changes = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_attested(struct peer *peer, const Weft__Attested *attested) {
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__Attest message = WEFT__WIRE__ATTEST__INIT;
    message.statements = attested->statements;
    message.n_statements = attested->n_statements;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_ATTEST;
    parcel->wire.attest = &message;
    return parcel_send(peer, parcel);
}

enum weft_status peer_say_snapshot_wanted(struct peer *peer, const Weft__SnapshotWanted *wanted) {
    struct parcel *parcel = parcel_new(peer);
    if (parcel == NULL) return WEFT_NO_MEMORY;
    Weft__Wire__SnapshotRequest message = WEFT__WIRE__SNAPSHOT_REQUEST__INIT;
    message.cursor = wanted->cursor;
    message.records = wanted->records;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_SNAPSHOT_REQUEST;
    parcel->wire.snapshot_request = &message;
    return parcel_send(peer, parcel);
}

static uint64_t list_bytes(const ProtobufCBinaryData *list, size_t count) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += list[i].len + 8;
    return bytes;
}

/* Bytes that a shipment's message has at most. */
static uint64_t shipment_bytes(const Weft__Shipment *shipment) {
    const Weft__Chunk *chunk = shipment->chunk;
    uint64_t bytes = 64 + list_bytes(shipment->records, shipment->n_records);
    if (chunk == NULL) return bytes;
    return bytes + list_bytes(chunk->heads, chunk->n_heads) +
           list_bytes(chunk->bodies, chunk->n_bodies) + chunk->cursor.len;
}

static void pack_records(const Weft__Shipment *shipment, struct parcel *parcel,
                         Weft__Wire__SharedRecords *message) {
    message->n_records = shipment->n_records;
    message->records = shipment->records;
    message->has_more = shipment->more;
    message->kept = shipment->kept;
    message->below = shipment->below;
    bool behind = shipment->more || shipment->kept || shipment->below;
    parcel->wire.body_case = behind ? WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_RESPONSE
                             : shipment->n_records == 1
                                 ? WEFT__WIRE__WIRE__BODY_SHARED_CHANGE
                                 : WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_BATCH;
    parcel->wire.shared_change = message;
}

static void pack_chunk(const Weft__Chunk *chunk, struct parcel *parcel,
                       Weft__Wire__SnapshotChunk *message) {
    message->n_heads = chunk->n_heads;
    message->heads = chunk->heads;
    message->n_bodies = chunk->n_bodies;
    message->bodies = chunk->bodies;
    message->n_raw_sizes = chunk->n_raw_sizes;
    message->raw_sizes = chunk->raw_sizes;
    message->cursor = chunk->cursor;
    message->last = chunk->last;
    message->lost = chunk->lost;
    message->busy = chunk->busy;
    parcel->wire.body_case = WEFT__WIRE__WIRE__BODY_SNAPSHOT_CHUNK;
    parcel->wire.snapshot_chunk = message;
}

static enum weft_status feed_shipments(struct peer *peer) {
    uint32_t fed = 0;
    enum weft_status status = WEFT_OK;
    while (fed < peer->shipment_count && status == WEFT_OK) {
        const Weft__Shipment *shipment = peer->shipments[fed]->body.shipment;
        Weft__Wire__SharedRecords records = WEFT__WIRE__SHARED_RECORDS__INIT;
        Weft__Wire__SnapshotChunk chunk = WEFT__WIRE__SNAPSHOT_CHUNK__INIT;
        size_t size = 0;
        if (shipment_bytes(shipment) > peer->shared_window) break;
        struct parcel *parcel = parcel_new(peer);
        if (parcel == NULL) return WEFT_NO_MEMORY;
        if (shipment->chunk == NULL) {
            pack_records(shipment, parcel, &records);
        } else {
            pack_chunk(shipment->chunk, parcel, &chunk);
        }
        status = parcel_queue(peer, parcel, LANE_SHARED, &size);
        if (status != WEFT_OK) break;
        peer->shared_window -= size;
        peer->grant_shipments++;
        mail_drop(&peer->shipments[fed++]);
    }
    peer->shipment_count -= fed;
    memmove((void *)peer->shipments, (void *)(peer->shipments + fed),
            peer->shipment_count * sizeof peer->shipments[0]);
    return status;
}

/* ---- rows ---- */

static void batch_release(void *token) {
    struct mail *mail = token;
    mail_drop(&mail);
}

static bool waits_in(const struct waiting *waiting, const struct stream *stream) {
    bool found = waiting->count == PEER_BEHIND;
    for (uint32_t i = 0; i < waiting->count && !found; i++)
        found = stream_compare(&waiting->streams[i], stream) == 0;
    return found;
}

/* The lane of a batch. Invariant 2. */
static enum frame_lane batch_lane(struct peer *peer, const Weft__Batch *batch) {
    struct waiting *live = &peer->waiting[0], *behind = &peer->waiting[1];
    struct stream stream = {.model = batch->model};
    CHECK(id_read(&stream.owner, batch->owner.data, batch->owner.len));
    if (session_idle(peer->session, LANE_LIVE)) live->count = 0;
    if (session_idle(peer->session, LANE_BACKFILL)) behind->count = 0;
    bool is_live = batch->live;
    if (waits_in(live, &stream)) is_live = true;
    if (waits_in(behind, &stream)) is_live = false;
    struct waiting *waiting = is_live ? live : behind;
    if (!waits_in(waiting, &stream)) waiting->streams[waiting->count++] = stream;
    return is_live ? LANE_LIVE : LANE_BACKFILL;
}

enum weft_status peer_feed(struct peer *peer) {
    uint32_t fed = 0;
    enum weft_status status = feed_shipments(peer);
    const bool metered = board_get(peer->settings->board->metered) != 0;
    while (status == WEFT_OK && !metered && fed < peer->pending_count &&
           session_queued(peer->session) < QUEUED_BEFORE_BATCH) {
        struct mail *mail = peer->pending[fed];
        const Weft__Batch *batch = mail->body.batch;
        if (batch->message.len > peer->window) break;
        status = session_push(peer->session, batch_lane(peer, batch),
                              (struct bytes){batch->message.data, batch->message.len},
                              batch->raw_bytes, (struct frame_owner){batch_release}, mail);
        if (status != WEFT_OK) break;
        peer->window -= batch->message.len;
        board_add(peer->board->rows_out, batch->rows);
        peer->grant_batches++;
        fed++;
    }
    peer->pending_count -= fed;
    memmove(peer->pending, peer->pending + fed, peer->pending_count * sizeof peer->pending[0]);
    return status;
}

/* Bounds on what is sent: of all sessions, of this one, and what the remote asked for. */
#define PACES 3u
static void paces_up(struct peer *peer, struct pace *paces[PACES]) {
    paces[0] = &peer->settings->board->up;
    paces[1] = &peer->board->up;
    paces[2] = &peer->asked;
}

/* What is sealed cannot be overtaken: no more of it than goes in a moment. */
static void bound_sealed(struct peer *peer, struct pace *const *paces) {
    size_t ahead = SESSION_AHEAD;
    for (unsigned i = 0; i < PACES; i++) {
        const uint64_t rate = board_get(paces[i]->rate);
        if (rate != 0 && pace_slack(rate) < ahead) ahead = pace_slack(rate);
    }
    session_set_ahead(peer->session, ahead);
}

enum weft_status peer_flush(struct peer *peer, struct instant now, struct weft_error *why) {
    struct pace *paces[PACES];
    paces_up(peer, paces);
    bound_sealed(peer, paces);
    peer->send_us = DUE_NEVER;
    while (peer->may_write) {
        struct bytes bytes = session_to_send(peer->session);
        const size_t size = pace_take_all(paces, PACES, now.mono_us, bytes.size, &peer->send_us);
        if (size == 0) break;
        size_t sent = 0;
        enum weft_status status =
            peer->net.ops->write(peer->net.self, peer->link, bytes.data, size, &sent, why);
        for (unsigned i = 0; i < PACES; i++)
            pace_give_back(paces[i], status == WEFT_OK ? size - sent : size);
        if (status == WEFT_BUSY) {
            peer->may_write = false;
            break;
        }
        if (status != WEFT_OK) return status;
        CHECK(sent > 0 && sent <= size);
        session_sent(peer->session, sent);
        peer->sent_us = now.mono_us;
        board_add(peer->board->bytes_out, sent);
    }
    return WEFT_OK;
}

static void grant(struct peer *peer, uint32_t to, uint32_t *batches, uint32_t *notes,
                  struct outbox *out) {
    if (*batches == 0 && *notes == 0) return;
    Weft__Granted *granted = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_GRANTED, &granted);
    granted->peer = peer->index;
    granted->batches = *batches;
    granted->notes = *notes;
    *batches = *notes = 0;
    outbox_send(out, to, &mail);
}

void peer_grant(struct peer *peer, struct outbox *out) {
    if (session_queued(peer->session) > LIMIT_FRAMES_QUEUED) return;
    grant(peer, ACTOR_BULK, &peer->grant_batches, &peer->grant_notes, out);
    grant(peer, ACTOR_SHARE, &peer->grant_shipments, &peer->grant_shared_notes, out);
}
