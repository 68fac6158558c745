/* The peer's ear: bytes from the link, messages from the session, and what each of them does.
 * Invariants
 *   1. Before the remote's Hello nothing else is acted on, and nothing is kept for it.
 *   2. Who is speaking is what the session says, never what a message says.
 *   3. At most LIMIT_PEER_PACKED batches, of about LIMIT_PEER_PACKED_BYTES, and LIMIT_PEER_RECORDS
 *      mails of records are inside the engine; then this stops reading, and the remote's windows
 *      hold the rest back. A remote that keeps to its window never finds this side deaf for bytes:
 *      what is urgent would have to wait behind them.
 * Not here: the Hello and the shared log's messages (peer_shared.c). */
#include "actors/peer_private.h"

static bool has_room(const struct peer *peer) {
    return peer->emitted + PEER_EMIT_SPARE < PEER_EMIT_MAX && !peer_full(peer);
}

void peer_emit(struct peer *peer, uint32_t to, struct mail **mail, struct outbox *out) {
    peer->emitted++;
    CHECK(peer->emitted <= PEER_EMIT_MAX);
    outbox_send(out, to, mail);
}

static void emit(struct peer *peer, struct mail **mail, struct outbox *out) {
    peer_emit(peer, ACTOR_BULK, mail, out);
}

/* Places of a message as places of a mail: models by number, unknown ones left out, and owners
 * whom nobody knows here but for some: a roster that is on its way may name them. NULL when there
 * are too many, or one is malformed: an owner that is no id, or a position that no clock gives, but
 * `besides`. */
static Weft__Place **mail_places(struct peer *peer, struct mail *mail,
                                 Weft__Wire__Place *const *places, size_t count, uint64_t besides,
                                 size_t *used) {
    Weft__Place **out = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, count);
    uint32_t unknown = 0;
    CHECK(out != NULL || count == 0);
    *used = 0;
    if (count > LIMIT_PLACES) return NULL;
    for (size_t i = 0; i < count; i++) {
        uint64_t position = places[i]->position;
        if (places[i]->owner.len != WEFT_ID_SIZE) return NULL;
        if (position > INT64_MAX && position != besides) return NULL;
        if (places[i]->until > INT64_MAX) return NULL;
        const struct model *model =
            models_owned_named(peer->settings->models, places[i]->model, strlen(places[i]->model));
        if (model == NULL) continue;
        struct id owner;
        CHECK(id_read(&owner, places[i]->owner.data, places[i]->owner.len));
        if (!id_equal(&owner, &peer->settings->device) &&
            !board_seated(peer->settings->board, &owner) && unknown++ >= LIMIT_STREAMS_UNKNOWN) {
            continue;
        }
        Weft__Place *place = out[(*used)++];
        CHECK(mail_bytes(mail, &place->owner, places[i]->owner.data, places[i]->owner.len));
        place->model = model->id;
        place->position = position;
        place->sweep = places[i]->sweep;
        place->until = places[i]->until;
        place->gone = places[i]->gone;
    }
    return out;
}

static enum weft_status on_request(struct peer *peer, const Weft__Wire__StateRequest *request,
                                   struct outbox *out, struct weft_error *why) {
    Weft__Wanted *wanted = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_WANTED, &wanted);
    wanted->peer = peer->index;
    wanted->places = mail_places(peer, mail, request->places, request->n_places, STREAM_WITHDRAWN,
                                 &wanted->n_places);
    if (wanted->places == NULL && request->n_places != 0) {
        wanted->n_places = 0;
        mail_drop(&mail);
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a StateRequest with a place that cannot be, or too many");
    }
    emit(peer, &mail, out);
    return WEFT_OK;
}

static enum weft_status on_ack(struct peer *peer, const Weft__Wire__StateAck *ack,
                               struct outbox *out, struct weft_error *why) {
    Weft__Holds *holds = NULL;
    Weft__Acked *acked = NULL;
    struct mail *to_bulk = outbox_mail(out, WEFT__MAIL__BODY_HOLDS, &holds);
    struct mail *to_log = outbox_mail(out, WEFT__MAIL__BODY_ACKED, &acked);
    holds->peer = acked->peer = peer->index;
    holds->places = mail_places(peer, to_bulk, ack->places, ack->n_places, 0, &holds->n_places);
    acked->places = mail_places(peer, to_log, ack->places, ack->n_places, 0, &acked->n_places);
    CHECK(mail_bytes(to_log, &acked->device, peer->device.bytes, sizeof peer->device.bytes));
    if (ack->n_places != 0 && (holds->places == NULL || acked->places == NULL)) {
        mail_drop(&to_bulk);
        mail_drop(&to_log);
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a StateAck with a place that cannot be, or too many");
    }
    emit(peer, &to_bulk, out);
    outbox_send(out, ACTOR_LOG, &to_log);
    return WEFT_OK;
}

/* ---- ranges of a stream ---- */

/* A mail about a stream; NULL when it is of a model that is not known here. */
static struct mail *ranges_mail(struct peer *peer, const ProtobufCBinaryData *owner,
                                const char *name, uint64_t position, struct outbox *out) {
    const struct model *model = models_owned_named(peer->settings->models, name, strlen(name));
    Weft__Ranges *ranges = NULL;
    if (model == NULL) return NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RANGES, &ranges);
    CHECK(mail_bytes(mail, &ranges->owner, owner->data, owner->len));
    ranges->peer = peer->index;
    ranges->model = model->id;
    ranges->position = position;
    return mail;
}

static uint64_t *mail_sums(struct mail *mail, const uint64_t *sums, size_t count) {
    uint64_t *copy = arena_take(&mail->arena, count * sizeof *copy + 1);
    CHECK(copy != NULL);
    if (count != 0) memcpy(copy, sums, count * sizeof *copy);
    return copy;
}

static enum weft_status on_digest_request(struct peer *peer,
                                          const Weft__Wire__DigestRequest *request,
                                          struct outbox *out, struct weft_error *why) {
    const size_t count = request->n_bounds;
    bool sound = request->owner.len == WEFT_ID_SIZE && request->position <= INT64_MAX &&
                 count >= 1 && count <= LIMIT_RANGES &&
                 request->bounds[count - 1] == request->position;
    for (size_t i = 0; i < count && sound; i++)
        sound = request->bounds[i] > (i == 0 ? 0 : request->bounds[i - 1]);
    if (!sound) {
        return status_fail(why, WEFT_PROTOCOL, 0, "a DigestRequest with ranges that cannot be");
    }
    struct mail *mail = ranges_mail(peer, &request->owner, request->model, request->position, out);
    if (mail == NULL) return WEFT_OK;
    mail->body.ranges->bounds = mail_sums(mail, request->bounds, count);
    mail->body.ranges->n_bounds = count;
    emit(peer, &mail, out);
    return WEFT_OK;
}

static enum weft_status on_digest_response(struct peer *peer,
                                           const Weft__Wire__DigestResponse *response,
                                           struct outbox *out, struct weft_error *why) {
    if (response->owner.len != WEFT_ID_SIZE || response->position > INT64_MAX ||
        response->n_sums > LIMIT_RANGES || response->horizon > INT64_MAX ||
        response->settled > INT64_MAX) {
        return status_fail(why, WEFT_PROTOCOL, 0, "a DigestResponse with numbers that cannot be");
    }
    struct mail *mail =
        ranges_mail(peer, &response->owner, response->model, response->position, out);
    if (mail == NULL) return WEFT_OK;
    Weft__Ranges *ranges = mail->body.ranges;
    ranges->answer = true;
    ranges->sums = mail_sums(mail, response->sums, response->n_sums);
    ranges->n_sums = response->n_sums;
    ranges->horizon = response->horizon;
    ranges->settled = response->settled;
    emit(peer, &mail, out);
    return WEFT_OK;
}

static enum weft_status on_farewell(struct peer *peer, const Weft__Wire__Wire *wire,
                                    struct weft_error *why) {
    const bool goodbye = wire->body_case == WEFT__WIRE__WIRE__BODY_GOODBYE;
    const char *text = goodbye ? wire->goodbye->text : wire->error->text;
    char device[ID_TEXT_SIZE] = "not yet known", said[200];
    if (peer->state == PEER_LIVE) id_text(&peer->device, device);
    utf8_plain(text, strlen(text), said, sizeof said);
    if (goodbye) return status_fail(why, WEFT_CLOSED, 0, "the peer said goodbye: %s", said);
    return status_fail(why, WEFT_PROTOCOL, 0, "the peer (device %s) ended the session: %s", device,
                       said);
}

/* The remote wants to know that this device holds what it holds, or says that of itself. */
static void on_sync(struct peer *peer, uint64_t ask, uint64_t answer, struct outbox *out) {
    Weft__Holds *holds = NULL;
    Weft__SharedAcked *acked = NULL;
    if (peer->sync_theirs != 0) ask = 0; /* One at a time. */
    if (answer != peer->sync_asked) answer = 0;
    if (ask == 0 && answer == 0) return;
    if (ask != 0) peer->sync_theirs = ask;
    struct mail *to_bulk = outbox_mail(out, WEFT__MAIL__BODY_HOLDS, &holds);
    struct mail *to_share = outbox_mail(out, WEFT__MAIL__BODY_SHARED_ACKED, &acked);
    holds->peer = acked->peer = peer->index;
    holds->ask = acked->ask = ask;
    holds->answer = acked->answer = answer;
    emit(peer, &to_bulk, out);
    peer_emit(peer, ACTOR_SHARE, &to_share, out);
}

static enum weft_status on_heartbeat(struct peer *peer, const Weft__Wire__Heartbeat *heartbeat,
                                     struct outbox *out) {
    on_sync(peer, heartbeat->ask, heartbeat->answer, out);
    /* What waits to be sent is as good an answer; and who asks without reading gets none. */
    if (heartbeat->echo == 0 || session_queued(peer->session) != 0) return WEFT_OK;
    return peer_say_heartbeat(peer, 0);
}

/* One message of the control lane. */
static enum weft_status on_message(struct peer *peer, const Weft__Wire__Wire *wire,
                                   uint32_t wire_bytes, struct outbox *out,
                                   struct weft_error *why) {
    switch (wire->body_case) {
    case WEFT__WIRE__WIRE__BODY_HELLO:
        return peer_hello(peer, wire->hello, out, why);
    case WEFT__WIRE__WIRE__BODY_ERROR:
    case WEFT__WIRE__WIRE__BODY_GOODBYE:
        return on_farewell(peer, wire, why);
    default:
        break;
    }
    if (peer->state != PEER_LIVE) {
        return status_fail(why, WEFT_PROTOCOL, 0, "a message before the Hello");
    }
    switch (wire->body_case) {
    case WEFT__WIRE__WIRE__BODY_STATE_REQUEST:
        return on_request(peer, wire->state_request, out, why);
    case WEFT__WIRE__WIRE__BODY_STATE_ACK:
        return on_ack(peer, wire->state_ack, out, why);
    case WEFT__WIRE__WIRE__BODY_DIGEST_REQUEST:
        return on_digest_request(peer, wire->digest_request, out, why);
    case WEFT__WIRE__WIRE__BODY_DIGEST_RESPONSE:
        return on_digest_response(peer, wire->digest_response, out, why);
    case WEFT__WIRE__WIRE__BODY_CREDIT:
        if (wire->credit->bytes > LIMIT_WINDOW - peer->window ||
            wire->credit->shared > LIMIT_SHARED_WINDOW - peer->shared_window) {
            return status_fail(why, WEFT_PROTOCOL, 0, "credit for more bytes than were sent");
        }
        peer->window += wire->credit->bytes;
        peer->shared_window += wire->credit->shared;
        if (wire->credit->rate == 1) pace_set(&peer->asked, 0);
        if (wire->credit->rate > 1)
            pace_set(&peer->asked,
                     wire->credit->rate < LIMIT_RATE_MIN ? LIMIT_RATE_MIN : wire->credit->rate);
        return WEFT_OK;
    case WEFT__WIRE__WIRE__BODY_HEARTBEAT:
        return on_heartbeat(peer, wire->heartbeat, out);
    case WEFT__WIRE__WIRE__BODY_STATE_RESPONSE:
    case WEFT__WIRE__WIRE__BODY_STATE_BATCH:
    case WEFT__WIRE__WIRE__BODY_STATE_CHANGE:
        return status_fail(why, WEFT_PROTOCOL, 0, "rows on the control lane");
    default: /* Of the shared log, or of a kind that a later version added. */
        return peer_shared(peer, wire, wire_bytes, out, why);
    }
}

/* A message of a row lane goes to bulk as it is. */
static enum weft_status on_rows(struct peer *peer, const struct frame_message *message,
                                struct outbox *out, struct weft_error *why) {
    if (peer->state != PEER_LIVE) {
        return status_fail(why, WEFT_PROTOCOL, 0, "rows before the Hello");
    }
    Weft__Packed *packed = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_PACKED, &packed);
    packed->peer = peer->index;
    packed->session = peer->session_number;
    packed->raw_bytes = message->raw_size;
    packed->wire_bytes = (uint32_t)message->body.size;
    if (!mail_bytes(mail, &packed->message, message->body.data, message->body.size)) {
        mail_drop(&mail);
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a received batch");
    }
    peer->packed++;
    peer->packed_bytes += message->body.size;
    emit(peer, &mail, out);
    return WEFT_OK;
}

static enum weft_status take_message(struct peer *peer, const struct frame_message *message,
                                     struct outbox *out, struct weft_error *why) {
    if (message->lane == LANE_LIVE || message->lane == LANE_BACKFILL) {
        return on_rows(peer, message, out, why);
    }
    if (message->raw_size != 0) {
        return status_fail(why, WEFT_PROTOCOL, 0, "a compressed message on the control lane");
    }
    struct arena arena;
    Weft__Wire__Wire *wire = NULL;
    arena_init(&arena, peer->pool);
    enum weft_status status = message_unpack(message->body, &arena, &wire, why);
    if (status == WEFT_OK) {
        status = on_message(peer, wire, (uint32_t)message->body.size, out, why);
    }
    arena_drop(&arena);
    return status;
}

/* Takes whole messages out of the session while the step has room for what they cause. */
static enum weft_status take_messages(struct peer *peer, struct outbox *out,
                                      struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    while (status == WEFT_OK && peer->state != PEER_CLAIMING) {
        struct frame_message message;
        bool got = false;
        if (!has_room(peer)) {
            peer->more = !peer_full(peer);
            break;
        }
        status = session_next(peer->session, &message, &got, why);
        if (status == WEFT_OK && !peer->greeted && session_stands(peer->session)) {
            status = peer_say_hello(peer);
        }
        if (status != WEFT_OK || !got) break;
        status = take_message(peer, &message, out, why);
    }
    return status;
}

/* Notes when the record under way began: it may take only so long. */
static void watch_record(struct peer *peer, struct instant now) {
    size_t begun = 0;
    uint64_t records = session_records(peer->session, &begun);
    if (begun == 0) {
        peer->record_us = DUE_NEVER;
    } else if (peer->record_us == DUE_NEVER || records != peer->records) {
        peer->record_us = now.mono_us;
    }
    peer->records = records;
}

/* Reads once from the link; `*got` is false when there is nothing now. */
static enum weft_status read_once(struct peer *peer, struct instant now, size_t *got,
                                  struct weft_error *why) {
    uint8_t *room = NULL;
    size_t size = 0;
    *got = 0;
    struct pace *const paces[] = {&peer->settings->board->down, &peer->board->down};
    enum weft_status status = session_room(peer->session, &room, &size);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory to receive into");
    size = pace_take_all(paces, 2, now.mono_us, size, &peer->read_us);
    if (size == 0) return WEFT_OK;
    status = peer->net.ops->read(peer->net.self, peer->link, room, size, got, why);
    for (unsigned i = 0; i < 2; i++)
        pace_give_back(paces[i], status == WEFT_OK ? size - *got : size);
    if (status == WEFT_BUSY) {
        peer->may_read = false;
        *got = 0;
        return WEFT_OK;
    }
    if (status != WEFT_OK) return status;
    if (peer->state == PEER_DIALLING) {
        peer->state = PEER_GREETING;
        board_set(peer->board->state, WEFT_PEER_GREETING);
    }
    session_received(peer->session, *got);
    peer->heard_us = now.mono_us;
    peer->prove_us = DUE_NEVER;
    board_add(peer->board->bytes_in, *got);
    return WEFT_OK;
}

void peer_receive(struct peer *peer, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    size_t total = 0, got = 0;
    peer->read_us = DUE_NEVER;
    peer->more = false;
    enum weft_status status = take_messages(peer, out, &why);
    if (status == WEFT_OK) watch_record(peer, now);
    while (status == WEFT_OK && peer->may_read && peer->state != PEER_CLAIMING && has_room(peer)) {
        if (total >= PEER_READ_STEP) {
            peer->more = true;
            break;
        }
        status = read_once(peer, now, &got, &why);
        if (status != WEFT_OK || got == 0) break;
        total += got;
        status = take_messages(peer, out, &why);
        if (status == WEFT_OK) watch_record(peer, now);
    }
    if (status != WEFT_OK) {
        if (why.status == WEFT_OK) {
            (void)status_fail(&why, status, 0, "%s", weft_status_text(status));
        }
        peer_end(peer, now, status, why.text, out);
    }
}
