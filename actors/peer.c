/* See peer.h. Invariants
 *   1. A connection exists exactly in DIALLING, GREETING, CLAIMING and LIVE.
 *   2. bulk and share know of the session (joined) from LIVE on, until they have answered Left;
 *      what arrives from them in between is of the old session, and dropped.
 *   3. Every claim that was granted is given back by one Vacated.
 * Not here: when a device is dialled, and which of two sessions with one device stands (listener);
 * what messages mean (peer_in.c), how they are said (peer_out.c). */
#include "actors/peer.h"

#include <sodium.h>
#include <stdio.h>

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
    peer->self = (struct handshake_self){.identity = peer->settings->identity,
                                         .ver_min = WIRE_VERSION_MIN,
                                         .ver_max = WIRE_VERSION_MAX,
                                         .hlc = peer->settings->clock_stored};
    return WEFT_OK;
}

static void set_state(struct peer *peer, enum peer_state state) {
    static const uint32_t seen[] = {
        [PEER_VACANT] = WEFT_PEER_VACANT,     [PEER_DIALLING] = WEFT_PEER_DIALLING,
        [PEER_GREETING] = WEFT_PEER_GREETING, [PEER_CLAIMING] = WEFT_PEER_GREETING,
        [PEER_LIVE] = WEFT_PEER_LIVE,         [PEER_CLEARING] = WEFT_PEER_PAUSING,
    };
    if ((state == PEER_LIVE) != (peer->state == PEER_LIVE))
        board_add(peer->settings->board->live, state == PEER_LIVE ? 1u : UINT32_MAX);
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

/* The link is there: what a connection begins with. */
static void begin_connection(struct peer *peer, struct instant now, bool opened_here) {
    CHECK(peer->link != 0 && peer->session == NULL);
    peer->session_number++;
    peer->opened_here = opened_here;
    peer->opened_us = peer->heard_us = peer->sent_us = peer->keyed_us = now.mono_us;
    peer->prove_us = peer->record_us = DUE_NEVER;
    peer->may_read = peer->may_write = true;
    peer->greeted = false;
    peer->window = LIMIT_WINDOW;
    peer->shared_window = LIMIT_SHARED_WINDOW;
    peer->credit = peer->shared_credit = 0;
    peer->said_rate = 0;
    pace_set(&peer->asked, 0);
    peer->send_us = peer->read_us = DUE_NEVER;
    peer->packed = peer->records_in = 0;
    peer->packed_bytes = 0;
    peer->device = (struct id){{0}};
    peer->name[0] = 0;
    peer->sync_ask[0] = peer->sync_ask[1] = peer->sync_asked = 0;
    peer->sync_answer[0] = peer->sync_answer[1] = peer->sync_theirs = 0;
    peer->live_ms = 0;
    board_set(peer->board->used, 1);
    set_state(peer, opened_here ? PEER_DIALLING : PEER_GREETING);
}

static void dial(struct peer *peer, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    uint8_t ephemeral[32];
    CHECK(peer->state == PEER_VACANT && peer->link == 0);
    enum weft_status status =
        peer->net.ops->dial(peer->net.self, peer->address, peer->watch, &peer->link, &why);
    if (status != WEFT_OK) {
        peer->link = 0;
        board_set(peer->board->used, 1);
        peer_end(peer, now, status, why.text, out);
        return;
    }
    begin_connection(peer, now, true);
    peer->settings->entropy.fill(peer->settings->entropy.self, ephemeral, sizeof ephemeral);
    status = session_dial(&peer->self, &peer->target, ephemeral, &peer->session, &why);
    sodium_memzero(ephemeral, sizeof ephemeral);
    if (status != WEFT_OK) peer_end(peer, now, status, why.text, out);
}

static struct peer_totals totals(const struct peer *peer) {
    const struct board_peer *cell = peer->board;
    return (struct peer_totals){board_get(cell->rows_in), board_get(cell->rows_out),
                                board_get(cell->bytes_in), board_get(cell->bytes_out)};
}

/* A session that stood has ended, and bulk counts no more rows of it: what is to be remembered. */
static void tell_session(struct peer *peer, struct instant now, struct outbox *out) {
    Weft__Session *session = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SESSION, &session);
    const struct peer_totals after = totals(peer), *before = &peer->before;
    session->peer = peer->index;
    session->address = mail_text(mail, peer->address);
    session->opened_here = peer->opened_here;
    session->began_ms = peer->live_ms;
    session->lasted_ms = (now.mono_us - peer->live_us) / 1000;
    session->rows_in = after.rows_in - before->rows_in;
    session->rows_out = after.rows_out - before->rows_out;
    session->bytes_in = after.bytes_in - before->bytes_in;
    session->bytes_out = after.bytes_out - before->bytes_out;
    session->status = peer->ended;
    session->text = mail_text(mail, peer->ended_text);
    CHECK(mail_bytes(mail, &session->device, peer->device.bytes, sizeof peer->device.bytes));
    outbox_send(out, ACTOR_LISTENER, &mail);
}

/* What comes after a connection: a free slot. */
static void settle(struct peer *peer, struct instant now, bool missed, bool refused,
                   struct outbox *out) {
    CHECK(peer->link == 0 && !peer->joined);
    if (peer->live_ms != 0) tell_session(peer, now, out);
    peer->live_ms = 0;
    set_state(peer, PEER_VACANT);
    Weft__Vacated *vacated = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_VACATED, &vacated);
    vacated->peer = peer->index;
    vacated->status = peer->ended;
    vacated->missed = missed;
    vacated->refused = refused;
    outbox_send(out, ACTOR_LISTENER, &mail);
}

static void drop_connection(struct peer *peer) {
    for (uint32_t i = 0; i < peer->pending_count; i++) {
        mail_drop(&peer->pending[i]);
    }
    for (uint32_t i = 0; i < peer->shipment_count; i++) {
        mail_drop(&peer->shipments[i]);
    }
    peer->pending_count = peer->shipment_count = 0;
    peer->send_us = peer->read_us = DUE_NEVER;
    peer->waiting[0].count = peer->waiting[1].count = 0;
    peer->grant_batches = peer->grant_notes = 0;
    peer->grant_shipments = peer->grant_shared_notes = 0;
    session_close(peer->session);
    peer->session = NULL;
    if (peer->link != 0) peer->net.ops->close(peer->net.self, peer->link);
    peer->link = 0;
    peer->may_read = peer->may_write = peer->more = false;
}

/* What the host is told of an end. That nobody answers at an address is told once: the listener
 * knows whether it was. */
static void tell_end(struct peer *peer, bool was_live, bool unanswered, enum weft_status status,
                     const char *text, struct outbox *out) {
    if (was_live) {
        peer_notice(peer, WEFT_EVENT_PEER_DOWN, status, text, out);
    } else if (unanswered && status == WEFT_CLOSED && !peer->quiet) {
        char said[LIMIT_ERROR_BYTES];
        (void)snprintf(said, sizeof said,
                       "%s does not answer this device: it is another program, another device than "
                       "the one dialled, or one that does not know this device as a member, or has "
                       "paused",
                       peer->address);
        peer_notice(peer, WEFT_EVENT_FAULT, WEFT_DENIED, said, out);
    } else if (status != WEFT_OK && status != WEFT_NET && status != WEFT_CLOSED) {
        peer_notice(peer, WEFT_EVENT_FAULT, status, text, out);
    }
}

void peer_end(struct peer *peer, struct instant now, enum weft_status status, const char *text,
              struct outbox *out) {
    bool was_live = peer->state == PEER_LIVE;
    bool stood = peer->session != NULL && session_stands(peer->session);
    bool unanswered = peer->opened_here && peer->session != NULL && !stood;
    bool say = stood && status != WEFT_NET && status != WEFT_CLOSED;
    if (say && peer_say_farewell(peer, status, text) == WEFT_OK) {
        (void)peer_flush(peer, now, NULL); /* What the link does not take now is not said. */
    }
    drop_connection(peer);
    peer->ended = status;
    utf8_plain(text, strlen(text), peer->ended_text, sizeof peer->ended_text);
    if (status != WEFT_OK) board_add(peer->board->failures, 1);
    tell_end(peer, was_live, unanswered, status, text, out);
    if (peer->joined == 0) {
        settle(peer, now, unanswered, unanswered && status == WEFT_CLOSED, out);
        return;
    }
    set_state(peer, PEER_CLEARING);
    for (int i = 0; i < 2; i++) {
        Weft__Left *left = NULL;
        struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_LEFT, &left);
        left->peer = peer->index;
        outbox_send(out, i == 0 ? ACTOR_BULK : ACTOR_SHARE, &mail);
    }
    peer->emitted++;
}

/* ---- mails ---- */

/* What the host has said of this device. The order is that of engine/flow.c. */
static void follow_bounds(struct peer *peer) {
    struct board *board = peer->settings->board;
    const uint64_t device[2] = {load_u64(peer->device.bytes), load_u64(peer->device.bytes + 8)};
    uint64_t up = 0, down = 0;
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < LIMIT_BOUNDS; i++) {
        const struct board_bound *bound = &board->bounds[i];
        if (board_get(bound->device[0]) != device[0] || board_get(bound->device[1]) != device[1])
            continue;
        up = board_get(bound->up);
        down = board_get(bound->down);
    }
    pace_set(&peer->board->up, up);
    pace_set(&peer->board->down, down);
}

/* Why a session may not stand, or has to end. */
static const char *ruling_text(const Weft__Ruling *ruling) {
    if (ruling->paused) return "the device has paused its sessions with this one";
    if (!ruling->gone) return "another session with this device stands";
    return ruling->end ? "the device is no member of the library any more"
                       : "the device was not let in: refused, or another used the invite";
}

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
        peer_end(peer, now, WEFT_OK, ruling_text(ruling), out);
        return;
    }
    CHECK(peer->state == PEER_CLAIMING);
    set_state(peer, PEER_LIVE);
    follow_bounds(peer);
    peer->live_us = now.mono_us;
    peer->live_ms = now.wall_ms == 0 ? 1 : now.wall_ms;
    peer->before = totals(peer);
    board_add(peer->board->sessions, 1);
    for (peer->joined = 0; peer->joined < 2; peer->joined++) {
        Weft__Joined *joined = NULL;
        struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_JOINED, &joined);
        joined->peer = peer->index;
        joined->session = peer->session_number;
        CHECK(mail_bytes(mail, &joined->device, peer->device.bytes, sizeof peer->device.bytes));
        outbox_send(out, peer->joined == 0 ? ACTOR_BULK : ACTOR_SHARE, &mail);
    }
    peer->emitted++;
    peer->grant_batches = LIMIT_PEER_BATCHES;
    peer->grant_shipments = LIMIT_PEER_SHIPMENTS;
    peer->grant_notes = peer->grant_shared_notes = 2;
    peer_notice(peer, WEFT_EVENT_PEER_UP, WEFT_OK, "", out);
}

static void on_dial(struct peer *peer, struct instant now, const Weft__Dial *order,
                    struct outbox *out) {
    CHECK(strlen(order->address) < sizeof peer->address);
    memcpy(peer->address, order->address, strlen(order->address) + 1);
    CHECK(order->id_pk.len == IDENTITY_KEY && order->x_pk.len == IDENTITY_KEY);
    CHECK(order->psk.len == LIBRARY_KEY);
    peer->target.mode = order->invite ? HANDSHAKE_INVITE : HANDSHAKE_MEMBER;
    memcpy(peer->target.device.id_pk, order->id_pk.data, IDENTITY_KEY);
    memcpy(peer->target.device.x_pk, order->x_pk.data, IDENTITY_KEY);
    memcpy(peer->target.psk, order->psk.data, LIBRARY_KEY);
    peer->quiet = order->quiet;
    dial(peer, now, out);
}

static void on_accepted(struct peer *peer, struct instant now, const Weft__Accepted *accepted,
                        struct outbox *out) {
    struct weft_error why = {0};
    struct handshake read;
    uint8_t ephemeral[32];
    CHECK(peer->state == PEER_VACANT && peer->link == 0);
    CHECK(strlen(accepted->origin) < sizeof peer->address);
    memcpy(peer->address, accepted->origin, strlen(accepted->origin) + 1);
    enum weft_status status =
        peer->net.ops->adopt(peer->net.self, accepted->handle, peer->watch, &peer->link, &why);
    if (status != WEFT_OK) {
        peer->link = 0;
        peer->ended = status;
        settle(peer, now, false, false, out);
        return;
    }
    begin_connection(peer, now, false);
    CHECK(accepted->handshake.len == HANDSHAKE_PACKED);
    handshake_unpack(accepted->handshake.data, &read);
    peer->settings->entropy.fill(peer->settings->entropy.self, ephemeral, sizeof ephemeral);
    status = session_accept(&peer->self, &read, ephemeral, &peer->session, &why);
    sodium_memzero(ephemeral, sizeof ephemeral);
    if (status == WEFT_OK) status = peer_say_hello(peer);
    if (status != WEFT_OK) peer_end(peer, now, status, "no memory for a session", out);
}

static void on_held(struct peer *peer, struct instant now, const Weft__Held *held,
                    struct outbox *out) {
    CHECK(held->batches <= peer->packed && held->consumed <= peer->packed_bytes);
    if (peer_full(peer)) {
        peer->heard_us = now.mono_us; /* Until now it was deaf. */
        if (peer->prove_us != DUE_NEVER) peer->prove_us = now.mono_us + LIMIT_HANDSHAKE_US;
    }
    peer->packed -= held->batches;
    peer->packed_bytes -= held->consumed;
    peer->credit += held->consumed;
    peer->grant_notes++;
    if (held->fault[0] != 0) {
        peer_end(peer, now, WEFT_PROTOCOL, held->fault, out);
        return;
    }
    enum weft_status status = peer_say_held(peer, held);
    if (status == WEFT_OK) status = peer_say_sync(peer, 0, held->ask, held->answer);
    if (status == WEFT_OK) status = peer_say_credit(peer);
    if (status != WEFT_OK) peer_end(peer, now, status, "no memory for an answer", out);
}

static void on_shared_held(struct peer *peer, struct instant now, const Weft__SharedHeld *held,
                           struct outbox *out) {
    CHECK(held->count <= peer->records_in);
    peer->records_in -= held->count;
    peer->shared_credit += held->consumed;
    peer->grant_shared_notes++;
    if (held->fault[0] != 0) {
        peer_end(peer, now, WEFT_PROTOCOL, held->fault, out);
        return;
    }
    enum weft_status status = peer_say_shared_held(peer, held);
    if (status == WEFT_OK) status = peer_say_sync(peer, 1, held->ask, held->answer);
    if (status == WEFT_OK) status = peer_say_credit(peer);
    if (status != WEFT_OK) peer_end(peer, now, status, "no memory for an answer", out);
}

/* Mails of share. */
static void on_share(struct peer *peer, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Mail *body = &(*in)->body;
    switch (body->body_case) {
    case WEFT__MAIL__BODY_SHIPMENT:
        CHECK(peer->shipment_count < LIMIT_PEER_SHIPMENTS);
        peer->shipments[peer->shipment_count++] = *in;
        *in = NULL;
        break;
    case WEFT__MAIL__BODY_SHARED_REQUEST:
        peer->grant_shared_notes++;
        if (peer_say_shared_request(peer, body->shared_request) != WEFT_OK) {
            peer_end(peer, now, WEFT_NO_MEMORY, "no memory for a request", out);
        }
        break;
    case WEFT__MAIL__BODY_ATTESTED:
        peer->grant_shared_notes++;
        if (peer_say_attested(peer, body->attested) != WEFT_OK) {
            peer_end(peer, now, WEFT_NO_MEMORY, "no memory for a statement", out);
        }
        break;
    case WEFT__MAIL__BODY_SNAPSHOT_WANTED:
        peer->grant_shared_notes++;
        if (peer_say_snapshot_wanted(peer, body->snapshot_wanted) != WEFT_OK) {
            peer_end(peer, now, WEFT_NO_MEMORY, "no memory for a request", out);
        }
        break;
    default:
        on_shared_held(peer, now, body->shared_held, out);
        break;
    }
}

/* Mails of bulk and share: while CLEARING all but their last words are of the session that has
 * ended. */
static void on_bulk(struct peer *peer, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Mail *body = &(*in)->body;
    if (body->body_case == WEFT__MAIL__BODY_LEFT) {
        CHECK(peer->state == PEER_CLEARING && peer->joined > 0);
        if (--peer->joined == 0) settle(peer, now, false, false, out);
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
    case WEFT__MAIL__BODY_RANGES:
        peer->grant_notes++;
        if (peer_say_ranges(peer, body->ranges) != WEFT_OK) {
            peer_end(peer, now, WEFT_NO_MEMORY, "no memory for digests", out);
        }
        break;
    case WEFT__MAIL__BODY_HELD:
        on_held(peer, now, body->held, out);
        break;
    default:
        on_share(peer, now, in, out);
        break;
    }
}

static void on_stop(struct peer *peer, struct instant now, struct outbox *out) {
    if (peer->link != 0) peer_end(peer, now, WEFT_OK, "the engine closes", out);
}

/* ---- time ---- */

/* A record that has begun is whole by then: 30 s, less if it is small. */
static uint64_t record_deadline(const struct peer *peer) {
    size_t begun = 0;
    if (peer->record_us == DUE_NEVER || peer->session == NULL) return DUE_NEVER;
    (void)session_records(peer->session, &begun);
    uint64_t given = LIMIT_HANDSHAKE_US + (uint64_t)begun * 1000000u / LIMIT_RECORD_RATE;
    return peer->record_us + (given < LIMIT_RECORD_US ? given : LIMIT_RECORD_US);
}

/* Whoever comes in by invite may have to wait for a person. */
static bool waits_for_person(const struct peer *peer) {
    return peer->state == PEER_CLAIMING && session_mode(peer->session) == HANDSHAKE_INVITE;
}

/* When the connection ends unless something happens. */
static uint64_t deadline(const struct peer *peer) {
    if (peer->state != PEER_LIVE) {
        return peer->opened_us + (waits_for_person(peer) ? LIMIT_CONFIRM_US : LIMIT_HANDSHAKE_US);
    }
    /* Nobody is heard while this side does not listen. */
    if (peer_full(peer)) return DUE_NEVER;
    uint64_t due = peer->heard_us + LIMIT_DEAD_US;
    if (peer->prove_us < due) due = peer->prove_us;
    uint64_t slow = record_deadline(peer);
    return slow < due ? slow : due;
}

static void on_deadline(struct peer *peer, struct instant now, struct outbox *out) {
    const char *text = "the handshake took longer than 5 s";
    if (peer->state == PEER_LIVE) {
        text = now.mono_us >= record_deadline(peer)
                   ? "the peer sends more slowly than 1 KiB/s, or stopped in the middle of a record"
                   : "the peer has not been heard of for too long";
    }
    peer_end(peer, now, WEFT_NET, text, out);
}

static uint64_t moved_us(const struct peer *peer) {
    return peer->sent_us > peer->heard_us ? peer->sent_us : peer->heard_us;
}

static void on_time(struct peer *peer, struct instant now, struct outbox *out) {
    if (peer->session != NULL && now.mono_us >= moved_us(peer) + LIMIT_REST_US)
        session_shrink(peer->session);
    if (peer->link != 0 && now.mono_us >= deadline(peer)) {
        on_deadline(peer, now, out);
    } else if (peer->state == PEER_LIVE && peer->opened_here &&
               now.mono_us >= peer->opened_us + LIMIT_SESSION_US) {
        peer_end(peer, now, WEFT_OK, "a day has passed: a new handshake follows", out);
    } else if (peer->state == PEER_LIVE && now.mono_us >= peer->keyed_us + LIMIT_REKEY_US) {
        peer->keyed_us = now.mono_us;
        session_rekey(peer->session);
    } else if ((peer->state == PEER_LIVE || waits_for_person(peer)) &&
               now.mono_us >= peer->sent_us + LIMIT_HEARTBEAT_US) {
        peer->sent_us = now.mono_us;
        (void)peer_say_heartbeat(peer, 0);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t peer_due(const void *self) {
    const struct peer *peer = self;
    if (peer->more) return 0;
    if (peer->link == 0) return DUE_NEVER;
    uint64_t due = earlier(deadline(peer), earlier(peer->send_us, peer->read_us));
    if (peer->state == PEER_LIVE || waits_for_person(peer)) {
        due = earlier(due, peer->sent_us + LIMIT_HEARTBEAT_US);
    }
    if (peer->session != NULL && session_spare(peer->session))
        due = earlier(due, moved_us(peer) + LIMIT_REST_US);
    if (peer->state != PEER_LIVE) return due;
    due = earlier(due, peer->keyed_us + LIMIT_REKEY_US);
    return peer->opened_here ? earlier(due, peer->opened_us + LIMIT_SESSION_US) : due;
}

/* Everything that may move once a mail has been dealt with: in, then out, then what bulk may send.
 */
static void move_bytes(struct peer *peer, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    if (peer->link == 0) return;
    peer_receive(peer, now, out);
    if (peer->link == 0) return;
    enum weft_status status = peer->state == PEER_LIVE ? peer_say_rate(peer) : WEFT_OK;
    uint32_t waiting = 0;
    size_t queued = 0;
    bool moved = true;
    while (status == WEFT_OK && moved) {
        waiting = peer->pending_count + peer->shipment_count;
        queued = session_queued(peer->session);
        status = peer_feed(peer);
        if (status == WEFT_OK) {
            status = peer_flush(peer, now, &why);
        } else {
            (void)status_fail(&why, status, 0, "no memory for rows");
        }
        /* What was written made room for what waits. */
        moved = peer->may_write && waiting != 0 &&
                (peer->pending_count + peer->shipment_count < waiting ||
                 session_queued(peer->session) < queued);
    }
    if (status == WEFT_NET) {
        /* The remote has ended it; why, it may have said before. */
        peer->may_read = true;
        peer_receive(peer, now, out);
        if (peer->link == 0) return;
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
        on_dial(peer, now, (*in)->body.dial, out);
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
    case WEFT__MAIL__BODY_RANGES:
    case WEFT__MAIL__BODY_LEFT:
    case WEFT__MAIL__BODY_SHIPMENT:
    case WEFT__MAIL__BODY_SHARED_REQUEST:
    case WEFT__MAIL__BODY_SHARED_HELD:
    case WEFT__MAIL__BODY_ATTESTED:
    case WEFT__MAIL__BODY_SNAPSHOT_WANTED:
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
    if (peer->session != NULL) session_rest(peer->session);
}

static void peer_stop(void *self) {
    struct peer *peer = self;
    drop_connection(peer);
    sodium_memzero(&peer->target, sizeof peer->target);
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
