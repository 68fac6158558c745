/* See peer.h. Invariants
 *   1. A connection exists exactly in DIALLING, GREETING, CLAIMING and LIVE.
 *   2. bulk knows of the session (joined) from LIVE on, until it has answered Left; what arrives
 *      from it in between is of the old session, and dropped.
 *   3. Every claim that was granted is given back by one Vacated.
 * Not here: what messages mean (peer_in.c), how they are said (peer_out.c), which of two sessions
 * with one device stands (listener). */
#include "actors/peer.h"

#include "actors/peer_private.h"

static enum weft_status peer_start(void *self, const struct actor_seed *seed,
                                   struct weft_error *why) {
    struct peer *peer = self;
    (void)why;
    CHECK(seed->index < seed->settings->peers);
    peer->settings = seed->settings;
    peer->net = seed->net;
    peer->watch = seed->watch;
    peer->pool = seed->pool;
    peer->index = seed->index;
    peer->board = &seed->settings->board->peers[seed->index];
    peer->backoff_us = LIMIT_REDIAL_MIN_US;
    return WEFT_OK;
}

static void set_state(struct peer *peer, enum peer_state state) {
    static const uint32_t seen[] = {
        [PEER_VACANT] = WEFT_PEER_VACANT,     [PEER_PAUSING] = WEFT_PEER_PAUSING,
        [PEER_DIALLING] = WEFT_PEER_DIALLING, [PEER_GREETING] = WEFT_PEER_GREETING,
        [PEER_CLAIMING] = WEFT_PEER_GREETING, [PEER_LIVE] = WEFT_PEER_LIVE,
        [PEER_CLEARING] = WEFT_PEER_PAUSING,
    };
    peer->state = state;
    board_set(peer->board->state, seen[state]);
}

void peer_notice(struct peer *peer, enum weft_event_kind kind, enum weft_status status,
                 const char *text, struct outbox *out) {
    Weft__Notice *notice = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_NOTICE, &notice);
    notice->kind = kind;
    notice->model = -1;
    notice->status = status;
    notice->text = mail_text(mail, text);
    CHECK(mail_bytes(mail, &notice->device, peer->device.bytes, sizeof peer->device.bytes));
    outbox_send(out, ACTOR_HOST, &mail);
}

/* ---- beginning and ending a connection ---- */

/* The link is there: opens a session on it and greets. */
static void begin_session(struct peer *peer, struct instant now, bool opened_here,
                          struct outbox *out) {
    CHECK(peer->link != 0 && peer->session == NULL);
    peer->session_number++;
    peer->opened_here = opened_here;
    peer->opened_us = peer->heard_us = peer->sent_us = now.mono_us;
    peer->prove_us = DUE_NEVER;
    peer->may_read = peer->may_write = true;
    peer->window = LIMIT_WINDOW;
    peer->credit = 0;
    peer->packed = 0;
    peer->device = (struct id){{0}};
    board_set(peer->board->used, 1);
    set_state(peer, opened_here ? PEER_DIALLING : PEER_GREETING);
    peer->session = session_open(opened_here);
    if (peer->session == NULL || peer_say_hello(peer) != WEFT_OK) {
        peer_end(peer, now, WEFT_NO_MEMORY, "no memory for a session", out);
    }
}

static void dial(struct peer *peer, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    CHECK(peer->dials && peer->link == 0);
    enum weft_status status =
        peer->net.ops->dial(peer->net.self, peer->address, peer->watch, &peer->link, &why);
    if (status != WEFT_OK) {
        peer->link = 0;
        board_set(peer->board->used, 1);
        peer_end(peer, now, status, why.text, out);
        return;
    }
    begin_session(peer, now, true, out);
}

/* What comes after a connection: another dial, or a free slot. */
static void settle(struct peer *peer, struct instant now, struct outbox *out) {
    CHECK(peer->link == 0 && !peer->joined);
    bool again = peer->dials && !peer->stopping;
    if (again) {
        uint32_t jitter = 0;
        peer->settings->entropy.fill(peer->settings->entropy.self, &jitter, sizeof jitter);
        peer->redial_us = now.mono_us + peer->backoff_us + jitter % (peer->backoff_us / 4);
        peer->backoff_us *= 2;
        if (peer->backoff_us > LIMIT_REDIAL_MAX_US) peer->backoff_us = LIMIT_REDIAL_MAX_US;
        set_state(peer, PEER_PAUSING);
    } else {
        peer->dials = false;
        set_state(peer, PEER_VACANT);
    }
    Weft__Vacated *vacated = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_VACATED, &vacated);
    vacated->peer = peer->index;
    vacated->slot_free = !again;
    outbox_send(out, ACTOR_LISTENER, &mail);
}

static void drop_connection(struct peer *peer) {
    for (uint32_t i = 0; i < peer->pending_count; i++) {
        mail_drop(&peer->pending[i]);
    }
    peer->pending_count = peer->behind_count = 0;
    peer->grant_batches = peer->grant_notes = 0;
    session_close(peer->session);
    peer->session = NULL;
    if (peer->link != 0) peer->net.ops->close(peer->net.self, peer->link);
    peer->link = 0;
    peer->may_read = peer->may_write = peer->more = false;
}

void peer_end(struct peer *peer, struct instant now, enum weft_status status, const char *text,
              struct outbox *out) {
    bool was_live = peer->state == PEER_LIVE;
    bool say = peer->session != NULL && status != WEFT_NET && status != WEFT_CLOSED;
    if (say && peer_say_farewell(peer, status, text) == WEFT_OK) {
        (void)peer_flush(peer, now, NULL); /* What the link does not take now is not said. */
    }
    drop_connection(peer);
    if (status != WEFT_OK) board_add(peer->board->failures, 1);
    if (was_live) {
        peer_notice(peer, WEFT_EVENT_PEER_DOWN, status, text, out);
    } else if (status != WEFT_OK && status != WEFT_NET && status != WEFT_CLOSED) {
        peer_notice(peer, WEFT_EVENT_FAULT, status, text, out);
    }
    if (!peer->joined) {
        settle(peer, now, out);
        return;
    }
    Weft__Left *left = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_LEFT, &left);
    left->peer = peer->index;
    set_state(peer, PEER_CLEARING);
    peer->emitted++;
    outbox_send(out, ACTOR_BULK, &mail);
}

/* ---- mails ---- */

static void on_ruling(struct peer *peer, struct instant now, const Weft__Ruling *ruling,
                      struct outbox *out) {
    if (peer->session == NULL || ruling->session != peer->session_number) return;
    if (ruling->prove) {
        if (peer->state != PEER_LIVE || peer->prove_us != DUE_NEVER) return;
        peer->prove_us = now.mono_us + LIMIT_HANDSHAKE_US;
        (void)peer_say_heartbeat(peer, 1);
        return;
    }
    if (ruling->end || !ruling->stands) {
        /* Two addresses may lead to one device: they are not to take turns every second. */
        if (ruling->end) peer->backoff_us = LIMIT_REDIAL_MAX_US;
        peer_end(peer, now, WEFT_OK, "another session with this device stands", out);
        return;
    }
    CHECK(peer->state == PEER_CLAIMING);
    set_state(peer, PEER_LIVE);
    peer->backoff_us = LIMIT_REDIAL_MIN_US;
    board_add(peer->board->sessions, 1);
    /* A member from now on: what it has not acknowledged is not forgotten. */
    Weft__Acked *acked = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ACKED, &acked);
    acked->peer = peer->index;
    CHECK(mail_bytes(mail, &acked->device, peer->device.bytes, sizeof peer->device.bytes));
    outbox_send(out, ACTOR_LOG, &mail);
    Weft__Joined *joined = NULL;
    mail = outbox_mail(out, WEFT__MAIL__BODY_JOINED, &joined);
    joined->peer = peer->index;
    joined->session = peer->session_number;
    CHECK(mail_bytes(mail, &joined->device, peer->device.bytes, sizeof peer->device.bytes));
    peer->joined = true;
    peer->emitted++;
    outbox_send(out, ACTOR_BULK, &mail);
    peer->grant_batches = LIMIT_PEER_BATCHES;
    peer->grant_notes = 2;
    peer_notice(peer, WEFT_EVENT_PEER_UP, WEFT_OK, "", out);
}

static void on_dial(struct peer *peer, struct instant now, const Weft__Dial *order,
                    struct outbox *out) {
    CHECK(strlen(order->address) < sizeof peer->address);
    memcpy(peer->address, order->address, strlen(order->address) + 1);
    peer->dials = true;
    peer->backoff_us = LIMIT_REDIAL_MIN_US;
    if (peer->state == PEER_VACANT || peer->state == PEER_PAUSING) dial(peer, now, out);
}

static void on_accepted(struct peer *peer, struct instant now, const Weft__Accepted *accepted,
                        struct outbox *out) {
    struct weft_error why = {0};
    CHECK(peer->state == PEER_VACANT && peer->link == 0);
    enum weft_status status =
        peer->net.ops->adopt(peer->net.self, accepted->handle, peer->watch, &peer->link, &why);
    if (status != WEFT_OK) {
        peer->link = 0;
        settle(peer, now, out);
        return;
    }
    begin_session(peer, now, false, out);
}

static void on_held(struct peer *peer, struct instant now, const Weft__Held *held,
                    struct outbox *out) {
    CHECK(held->batches <= peer->packed);
    if (peer->packed == LIMIT_PEER_PACKED) {
        peer->heard_us = now.mono_us; /* Until now it was deaf. */
        if (peer->prove_us != DUE_NEVER) peer->prove_us = now.mono_us + LIMIT_HANDSHAKE_US;
    }
    peer->packed -= held->batches;
    peer->credit += held->consumed;
    peer->grant_notes++;
    if (held->fault[0] != 0) {
        peer_end(peer, now, WEFT_PROTOCOL, held->fault, out);
        return;
    }
    enum weft_status status = peer_say_held(peer, held);
    if (status == WEFT_OK) status = peer_say_credit(peer);
    if (status != WEFT_OK) peer_end(peer, now, status, "no memory for an answer", out);
}

/* Mails of bulk: while CLEARING all but its last word are of the session that has ended. */
static void on_bulk(struct peer *peer, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Mail *body = &(*in)->body;
    if (body->body_case == WEFT__MAIL__BODY_LEFT) {
        CHECK(peer->state == PEER_CLEARING);
        peer->joined = false;
        settle(peer, now, out);
        return;
    }
    if (peer->state != PEER_LIVE) return;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_BATCH:
        CHECK(peer->pending_count < LIMIT_PEER_BATCHES);
        peer->pending[peer->pending_count++] = *in;
        *in = NULL;
        break;
    case WEFT__MAIL__BODY_REQUEST:
        peer->grant_notes++;
        if (peer_say_request(peer, body->request) != WEFT_OK) {
            peer_end(peer, now, WEFT_NO_MEMORY, "no memory for a request", out);
        }
        break;
    default:
        on_held(peer, now, body->held, out);
        break;
    }
}

static void on_stop(struct peer *peer, struct instant now, struct outbox *out) {
    peer->stopping = true;
    if (peer->state == PEER_VACANT || peer->state == PEER_CLEARING) return;
    if (peer->link != 0) {
        peer_end(peer, now, WEFT_OK, "the engine closes", out);
    } else {
        settle(peer, now, out);
    }
}

/* ---- time ---- */

static uint64_t deadline(const struct peer *peer) {
    if (peer->state == PEER_LIVE) {
        /* Nobody is heard while this side does not listen. */
        if (peer->packed == LIMIT_PEER_PACKED) return DUE_NEVER;
        uint64_t dead = peer->heard_us + LIMIT_DEAD_US;
        return peer->prove_us < dead ? peer->prove_us : dead;
    }
    return peer->opened_us + LIMIT_HANDSHAKE_US;
}

static void on_time(struct peer *peer, struct instant now, struct outbox *out) {
    if (peer->state == PEER_PAUSING && now.mono_us >= peer->redial_us) {
        dial(peer, now, out);
    } else if (peer->link != 0 && now.mono_us >= deadline(peer)) {
        const char *text = peer->state == PEER_LIVE ? "the peer has not been heard of for too long"
                                                    : "the handshake took longer than 5 s";
        peer_end(peer, now, WEFT_NET, text, out);
    } else if (peer->state == PEER_LIVE && now.mono_us >= peer->sent_us + LIMIT_HEARTBEAT_US) {
        peer->sent_us = now.mono_us;
        (void)peer_say_heartbeat(peer, 0);
    }
}

static uint64_t peer_due(const void *self) {
    const struct peer *peer = self;
    if (peer->more) return 0;
    if (peer->state == PEER_PAUSING) return peer->redial_us;
    if (peer->link == 0) return DUE_NEVER;
    uint64_t due = deadline(peer);
    uint64_t beat = peer->sent_us + LIMIT_HEARTBEAT_US;
    return peer->state == PEER_LIVE && beat < due ? beat : due;
}

/* Everything that may move once a mail has been dealt with: in, then out, then what bulk may send.
 */
static void move_bytes(struct peer *peer, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    if (peer->link == 0) return;
    peer_receive(peer, now, out);
    if (peer->link == 0) return;
    enum weft_status status = WEFT_OK;
    uint32_t waiting = 0;
    size_t queued = 0;
    bool moved = true;
    while (status == WEFT_OK && moved) {
        waiting = peer->pending_count;
        queued = session_queued(peer->session);
        status = peer_feed(peer);
        if (status == WEFT_OK) status = peer_flush(peer, now, &why);
        /* What was written made room for what waits. */
        moved = peer->may_write && waiting != 0 &&
                (peer->pending_count < waiting || session_queued(peer->session) < queued);
    }
    if (status != WEFT_OK) {
        peer_end(peer, now, status, why.text, out);
        return;
    }
    if (peer->state == PEER_LIVE) peer_grant(peer, out);
}

static void peer_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct peer *peer = self;
    peer->emitted = 0;
    switch ((*in)->body.body_case) {
    case WEFT__MAIL__BODY_DIAL:
        if (!peer->stopping) on_dial(peer, now, (*in)->body.dial, out);
        break;
    case WEFT__MAIL__BODY_ACCEPTED:
        on_accepted(peer, now, (*in)->body.accepted, out);
        break;
    case WEFT__MAIL__BODY_RULING:
        on_ruling(peer, now, (*in)->body.ruling, out);
        break;
    case WEFT__MAIL__BODY_BATCH:
    case WEFT__MAIL__BODY_HELD:
    case WEFT__MAIL__BODY_REQUEST:
    case WEFT__MAIL__BODY_LEFT:
        on_bulk(peer, now, in, out);
        break;
    case WEFT__MAIL__BODY_READY:
        peer->may_read = peer->may_write = peer->link != 0;
        break;
    case WEFT__MAIL__BODY_STOP:
        on_stop(peer, now, out);
        break;
    default:
        on_time(peer, now, out);
        break;
    }
    move_bytes(peer, now, out);
}

static void peer_stop(void *self) {
    struct peer *peer = self;
    drop_connection(peer);
}

const struct actor_kind peer_actor = {
    .name = "peer",
    .state_size = sizeof(struct peer),
    .emit_max = PEER_EMIT_MAX,
    .start = peer_start,
    .step = peer_step,
    .due_us = peer_due,
    .stop = peer_stop,
};
