/* See solo_peer.h. */
#include "tests/lib/solo_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/lib/sealed.h"

#define LINK 1u
#define LINK_FIRST 65536u

static const struct frame_owner nobody = {NULL};

/* ---- the port -------------------------------------------------------------------------------- */

/* Makes room for `size` bytes. */
static void grow(uint8_t **bytes, size_t *room, size_t size) {
    assert_true(size <= SOLO_LINK_ROOM);
    if (size <= *room) return;
    *room = size < LINK_FIRST ? LINK_FIRST : 2 * size;
    *bytes = realloc(*bytes, *room);
    assert_non_null(*bytes);
}

static enum weft_status link_dial(void *self, const char *address, struct net_watch *watch,
                                  net_handle *out, struct weft_error *why) {
    struct solo_link *link = self;
    (void)address, (void)watch, (void)why;
    link->dials++;
    *out = LINK;
    return link->dial_fails;
}

static enum weft_status link_adopt(void *self, int64_t transfer, struct net_watch *watch,
                                   net_handle *out, struct weft_error *why) {
    struct solo_link *link = self;
    (void)transfer, (void)watch, (void)why;
    link->adopts++;
    *out = LINK;
    return WEFT_OK;
}

static enum weft_status link_read(void *self, net_handle handle, void *out, size_t size,
                                  size_t *got, struct weft_error *why) {
    struct solo_link *link = self;
    (void)why;
    assert_int_equal(handle, LINK);
    size_t left = link->in_size - link->in_taken;
    if (left == 0) return link->breaks;
    if (size > left) size = left;
    if (size > link->read_most) size = link->read_most;
    memcpy(out, link->in + link->in_taken, size);
    link->in_taken += size;
    *got = size;
    return WEFT_OK;
}

static enum weft_status link_write(void *self, net_handle handle, const void *data, size_t size,
                                   size_t *sent, struct weft_error *why) {
    struct solo_link *link = self;
    (void)why;
    assert_int_equal(handle, LINK);
    if (link->write_room == 0) return WEFT_BUSY;
    if (size > link->write_room) size = link->write_room;
    grow(&link->out, &link->out_room, link->out_size + size);
    memcpy(link->out + link->out_size, data, size);
    link->out_size += size;
    link->write_room -= size;
    *sent = size;
    return WEFT_OK;
}

static void link_close(void *self, net_handle handle) {
    struct solo_link *link = self;
    assert_int_equal(handle, LINK);
    link->closes++;
}

static const struct net_ops link_ops = {.dial = link_dial,
                                        .adopt = link_adopt,
                                        .read = link_read,
                                        .write = link_write,
                                        .close = link_close};

/* An ephemeral key that was never used. */
static void fill(void *self, void *out, size_t size) {
    struct solo_peer *stage = self;
    memset(out, 0x40 + ++stage->ephemerals, size);
}

/* ---- the stage ------------------------------------------------------------------------------- */

bool solo_peer_open(struct solo_peer *stage) {
    *stage = (struct solo_peer){0};
    struct solo_link *link = &stage->link;
    grow(&link->in, &link->in_room, 1);
    grow(&link->out, &link->out_room, 1);
    link->read_most = SIZE_MAX;
    link->breaks = WEFT_BUSY;
    if (!solo_make(&stage->solo, ACTOR_PEER)) return false;
    meeting_draw(&stage->meeting);
    stage->model_list[0] = (struct model){.name = "entry", .id = 1};
    stage->model_list[1] = (struct model){.name = "misc", .id = 2};
    stage->models = (struct models){.count = 2, .list = stage->model_list};
    struct settings *settings = &stage->solo.settings;
    settings->models = &stage->models;
    settings->library = stage->meeting.library;
    settings->identity = &stage->meeting.identities[SOLO_ME];
    settings->device = settings->identity->device;
    settings->incarnation = settings->identity->incarnation;
    settings->name = SOLO_NAME;
    settings->entropy = (struct entropy_port){.self = stage, .fill = fill};
    arena_init(&stage->arena, stage->solo.pool);
    struct actor *actor = &stage->solo.topology->actors[ACTOR_PEER];
    actor->seed.net = (struct net_port){.self = link, .ops = &link_ops};
    return actor_start(actor, NULL) == WEFT_OK;
}

bool solo_peer_close(struct solo_peer *stage) {
    session_close(stage->remote);
    arena_drop(&stage->arena);
    bool clean = solo_close(&stage->solo);
    free(stage->link.in);
    free(stage->link.out);
    return clean;
}

void solo_peer_wait(struct solo_peer *stage, uint64_t us) {
    stage->solo.now.mono_us += us;
    solo_turn(&stage->solo);
}

void solo_peer_ready(struct solo_peer *stage) {
    stage->solo.topology->actors[ACTOR_PEER].watch.ready = true;
    solo_turn(&stage->solo);
}

void solo_peer_drain(struct solo_peer *stage) {
    stage->link.write_room = SIZE_MAX;
    solo_peer_ready(stage);
}

void solo_peer_break(struct solo_peer *stage, enum weft_status status) {
    stage->link.breaks = status;
    solo_peer_ready(stage);
}

uint32_t solo_peer_state(const struct solo_peer *stage) {
    return board_get(stage->solo.board->peers[0].state);
}

/* ---- the connection -------------------------------------------------------------------------- */

void solo_peer_new_link(struct solo_peer *stage) {
    struct solo_link *link = &stage->link;
    link->in_size = link->in_taken = link->out_size = link->out_taken = 0;
    link->write_room = SIZE_MAX;
    link->breaks = WEFT_BUSY;
}

void solo_peer_accept(struct solo_peer *stage) {
    struct meeting *meeting = &stage->meeting;
    struct handshake_target target = {.mode = stage->mode,
                                      .device = meeting->identities[SOLO_ME].public};
    struct handshake read = {0};
    uint8_t ephemeral[32];
    memcpy(target.psk, meeting->target.psk, sizeof target.psk);
    memset(ephemeral, 0x80 + ++stage->ephemerals, sizeof ephemeral);
    session_close(stage->remote);
    assert_int_equal(
        session_dial(&meeting->selves[SOLO_THEM], &target, ephemeral, &stage->remote, NULL),
        WEFT_OK);
    const struct bytes m1 = session_to_send(stage->remote);
    const struct handshake_self self = {
        .identity = &meeting->identities[SOLO_ME], .ver_min = 1, .ver_max = 1};
    assert_int_equal(m1.size, HANDSHAKE_M1);
    assert_int_equal(handshake_read(&read, &self, target.psk, m1.data, NULL), WEFT_OK);
    session_sent(stage->remote, m1.size);
    Weft__Accepted *accepted = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_ACCEPTED, &accepted);
    accepted->handle = 7;
    accepted->origin = mail_text(mail, "192.0.2.7");
    uint8_t packed[HANDSHAKE_PACKED];
    handshake_pack(&read, packed);
    assert_true(mail_bytes(mail, &accepted->handshake, packed, sizeof packed));
    stage->dialled = false;
    solo_peer_new_link(stage);
    solo_tell(&stage->solo, ACTOR_LISTENER, mail);
}

static void tell_dial(struct solo_peer *stage, bool quiet) {
    const struct handshake_target *target = &stage->meeting.target;
    Weft__Dial *dial = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_DIAL, &dial);
    dial->address = mail_text(mail, "127.0.0.1:7000");
    dial->invite = stage->mode == HANDSHAKE_INVITE;
    dial->quiet = quiet;
    assert_true(mail_bytes(mail, &dial->id_pk, target->device.id_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &dial->x_pk, target->device.x_pk, IDENTITY_KEY));
    assert_true(mail_bytes(mail, &dial->psk, target->psk, LIBRARY_KEY));
    stage->dialled = true;
    solo_peer_new_link(stage);
    solo_tell(&stage->solo, ACTOR_LISTENER, mail);
}

void solo_peer_dial(struct solo_peer *stage) {
    tell_dial(stage, false);
}

void solo_peer_dial_quietly(struct solo_peer *stage) {
    tell_dial(stage, true);
}

/* Moves what the link holds into the remote's session, as far as that takes it. */
static bool pump(struct solo_peer *stage) {
    struct solo_link *link = &stage->link;
    uint8_t *room = NULL;
    size_t size = 0;
    if (link->out_taken == link->out_size) return false;
    if (session_room(stage->remote, &room, &size) != WEFT_OK) return false;
    if (size > link->out_size - link->out_taken) size = link->out_size - link->out_taken;
    memcpy(room, link->out + link->out_taken, size);
    session_received(stage->remote, size);
    link->out_taken += size;
    return true;
}

/* The remote reads the peer's first message, and answers. */
static void answer(struct solo_peer *stage) {
    struct meeting *meeting = &stage->meeting;
    struct solo_link *link = &stage->link;
    struct handshake read = {0};
    struct weft_error why = {0};
    uint8_t ephemeral[32];
    memset(ephemeral, 0x80 + ++stage->ephemerals, sizeof ephemeral);
    assert_int_equal(link->out_size - link->out_taken, HANDSHAKE_M1);
    if (handshake_read(&read, &meeting->selves[SOLO_THEM], meeting->target.psk,
                       link->out + link->out_taken, &why) != WEFT_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(read.mode, stage->mode);
    link->out_taken = link->out_size;
    session_close(stage->remote);
    assert_int_equal(
        session_accept(&meeting->selves[SOLO_THEM], &read, ephemeral, &stage->remote, NULL),
        WEFT_OK);
    solo_peer_carry(stage, SIZE_MAX);
}

void solo_peer_remote(struct solo_peer *stage) {
    struct frame_message message;
    bool got = false;
    if (stage->dialled) {
        answer(stage);
        return;
    }
    assert_true(pump(stage));
    assert_int_equal(session_next(stage->remote, &message, &got, NULL), WEFT_OK);
    assert_false(got);
    assert_true(session_stands(stage->remote));
}

bool solo_peer_claimed(struct solo_peer *stage) {
    struct mail *mail = solo_take(&stage->solo, ACTOR_LISTENER, WEFT__MAIL__BODY_CLAIM);
    bool right = mail != NULL && mail->body.body_case == WEFT__MAIL__BODY_CLAIM;
    if (right) {
        const struct identity *them = &stage->meeting.identities[SOLO_THEM];
        const Weft__Claim *claim = mail->body.claim;
        assert_int_equal(claim->device.len, WEFT_ID_SIZE);
        assert_memory_equal(claim->device.data, them->device.bytes, WEFT_ID_SIZE);
        assert_memory_equal(claim->id_pk.data, them->public.id_pk, IDENTITY_KEY);
        assert_memory_equal(claim->x_pk.data, them->public.x_pk, IDENTITY_KEY);
        assert_memory_equal(claim->cert.data, them->cert, IDENTITY_CERT);
        assert_int_equal(claim->incarnation, them->incarnation);
        assert_int_equal(claim->code, handshake_code(session_channel(stage->remote)));
        assert_int_equal(claim->dialled, stage->dialled);
        assert_int_equal(claim->invite, stage->mode == HANDSHAKE_INVITE);
        stage->claimed = mail->body.claim->session;
    }
    mail_drop(&mail);
    return right;
}

void solo_peer_rule(struct solo_peer *stage, bool stands, bool end, bool prove) {
    Weft__Ruling *ruling = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_RULING, &ruling);
    ruling->stands = stands;
    ruling->end = end;
    ruling->prove = prove;
    ruling->session = stage->claimed;
    solo_tell(&stage->solo, ACTOR_LISTENER, mail);
    solo_turn(&stage->solo);
}

void solo_peer_claim(struct solo_peer *stage) {
    solo_peer_remote(stage);
    solo_peer_say_right_hello(stage);
    assert_true(solo_peer_claimed(stage));
}

void solo_peer_live(struct solo_peer *stage, bool dialled) {
    if (dialled) {
        solo_peer_dial(stage);
    } else {
        solo_peer_accept(stage);
    }
    solo_peer_claim(stage);
    solo_peer_rule(stage, true, false, false);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_LIVE);
    stage->granted_batches = stage->granted_notes = 0;
    stage->granted_shipments = stage->granted_shared_notes = 0;
    struct mail *joined[] = {solo_peer_to_bulk(stage, WEFT__MAIL__BODY_JOINED),
                             solo_peer_to_share(stage, WEFT__MAIL__BODY_JOINED)};
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(joined[i]);
        mail_drop(&joined[i]);
    }
    assert_null(solo_peer_to_bulk(stage, WEFT__MAIL__BODY_LEFT));
    assert_null(solo_peer_to_share(stage, WEFT__MAIL__BODY_LEFT));
    assert_int_equal(stage->granted_batches, LIMIT_PEER_BATCHES);
    assert_int_equal(stage->granted_shipments, LIMIT_PEER_SHIPMENTS);
    assert_non_null(solo_peer_heard_kind(stage, WEFT__WIRE__WIRE__BODY_HELLO));
}

void solo_peer_cleared(struct solo_peer *stage) {
    struct mail *left = solo_peer_to_bulk(stage, WEFT__MAIL__BODY_LEFT);
    assert_non_null(left);
    solo_tell(&stage->solo, ACTOR_BULK, left);
    left = solo_peer_to_share(stage, WEFT__MAIL__BODY_LEFT);
    assert_non_null(left);
    solo_tell(&stage->solo, ACTOR_SHARE, left);
}

/* ---- the remote speaks ----------------------------------------------------------------------- */

void solo_peer_say_raw(struct solo_peer *stage, const void *data, size_t size) {
    struct solo_link *link = &stage->link;
    grow(&link->in, &link->in_room, link->in_size + size);
    memcpy(link->in + link->in_size, data, size);
    link->in_size += size;
    solo_peer_ready(stage);
}

void solo_peer_carry(struct solo_peer *stage, size_t size) {
    while (size > 0) {
        struct bytes bytes = session_to_send(stage->remote);
        if (bytes.size == 0) return;
        size_t part = bytes.size < size ? bytes.size : size;
        grow(&stage->link.in, &stage->link.in_room, stage->link.in_size + part);
        memcpy(stage->link.in + stage->link.in_size, bytes.data, part);
        stage->link.in_size += part;
        session_sent(stage->remote, part);
        size -= part;
        solo_peer_ready(stage);
    }
}

void solo_peer_prepare(struct solo_peer *stage, Weft__Wire__Wire *wire) {
    struct bytes packed = {0};
    assert_int_equal(message_pack(&wire->base, &stage->arena, &packed), WEFT_OK);
    assert_int_equal(session_push(stage->remote, LANE_CONTROL, packed, 0, nobody, NULL), WEFT_OK);
}

void solo_peer_say(struct solo_peer *stage, Weft__Wire__Wire *wire) {
    solo_peer_prepare(stage, wire);
    solo_peer_carry(stage, SIZE_MAX);
}

Weft__Wire__Hello solo_peer_hello(const struct solo_peer *stage, uint8_t proof[64]) {
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    handshake_hello(&stage->meeting.identities[SOLO_THEM], !stage->dialled,
                    session_channel(stage->remote), stage->meeting.identities[SOLO_ME].public.id_pk,
                    proof);
    hello.proof = (ProtobufCBinaryData){64, proof};
    hello.name = (char *)"theirs";
    return hello;
}

void solo_peer_say_right_hello(struct solo_peer *stage) {
    uint8_t proof[64];
    const Weft__Wire__Hello hello = solo_peer_hello(stage, proof);
    solo_peer_say_hello(stage, &hello);
}

void solo_peer_say_hello(struct solo_peer *stage, const Weft__Wire__Hello *hello) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Hello copy = *hello;
    wire.body_case = WEFT__WIRE__WIRE__BODY_HELLO;
    wire.hello = &copy;
    solo_peer_say(stage, &wire);
}

void solo_peer_say_heartbeat(struct solo_peer *stage, uint64_t echo) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Heartbeat heartbeat = WEFT__WIRE__HEARTBEAT__INIT;
    heartbeat.echo = echo;
    wire.body_case = WEFT__WIRE__WIRE__BODY_HEARTBEAT;
    wire.heartbeat = &heartbeat;
    solo_peer_say(stage, &wire);
}

static void say_credit(struct solo_peer *stage, uint64_t bytes, uint64_t shared) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Credit credit = WEFT__WIRE__CREDIT__INIT;
    credit.bytes = bytes;
    credit.shared = shared;
    wire.body_case = WEFT__WIRE__WIRE__BODY_CREDIT;
    wire.credit = &credit;
    solo_peer_say(stage, &wire);
}

void solo_peer_say_credit(struct solo_peer *stage, uint64_t bytes) {
    say_credit(stage, bytes, 0);
}

void solo_peer_say_shared_credit(struct solo_peer *stage, uint64_t bytes) {
    say_credit(stage, 0, bytes);
}

void solo_peer_say_bytes(struct solo_peer *stage, enum frame_lane lane, size_t size,
                         uint32_t raw_size) {
    uint8_t *data = arena_zero(&stage->arena, size);
    assert_non_null(data);
    assert_int_equal(
        session_push(stage->remote, lane, (struct bytes){data, size}, raw_size, nobody, NULL),
        WEFT_OK);
    solo_peer_carry(stage, SIZE_MAX);
}

void solo_peer_say_frame(struct solo_peer *stage, uint8_t type, uint8_t lane, uint32_t wire_size) {
    uint8_t frame[FRAME_HEADER + FRAME_PREFIX + 1] = {type, FRAME_FLAG_MORE, lane};
    uint8_t record[SEALED_ROOM];
    store_u32(frame + FRAME_HEADER, wire_size);
    solo_peer_carry(stage, SIZE_MAX);
    size_t size = sealed_record(stage->remote, (struct bytes){frame, sizeof frame}, record);
    solo_peer_say_raw(stage, record, size);
}

/* ---- the remote listens ---------------------------------------------------------------------- */

struct said solo_peer_heard(struct solo_peer *stage) {
    struct frame_message message;
    struct weft_error why = {0};
    bool got = false;
    do {
        if (session_next(stage->remote, &message, &got, &why) != WEFT_OK) fail_msg("%s", why.text);
    } while (!got && pump(stage));
    struct said said = {.some = got};
    if (!got) return said;
    said.lane = message.lane;
    said.size = message.body.size;
    if (message.lane == LANE_CONTROL || message.lane == LANE_SHARED) {
        Weft__Wire__Wire *wire = NULL;
        assert_int_equal(message_unpack(message.body, &stage->arena, &wire, &why), WEFT_OK);
        said.wire = wire;
    }
    return said;
}

const Weft__Wire__Wire *solo_peer_heard_kind(struct solo_peer *stage,
                                             Weft__Wire__Wire__BodyCase kind) {
    for (;;) {
        struct said said = solo_peer_heard(stage);
        if (!said.some) return NULL;
        if (said.wire != NULL && said.wire->body_case == kind) return said.wire;
    }
}

uint32_t solo_peer_batches_heard(struct solo_peer *stage) {
    uint32_t count = 0;
    for (struct said said = solo_peer_heard(stage); said.some; said = solo_peer_heard(stage))
        count += said.lane == LANE_LIVE || said.lane == LANE_BACKFILL;
    return count;
}

void solo_peer_expect_end(struct solo_peer *stage, enum weft_status code) {
    assert_int_equal(stage->link.closes, 1);
    const Weft__Wire__Wire *error = solo_peer_heard_kind(stage, WEFT__WIRE__WIRE__BODY_ERROR);
    if (code == WEFT_OK) {
        assert_null(error);
        return;
    }
    assert_non_null(error);
    assert_int_equal(error->error->code, -code);
    assert_string_not_equal(error->error->text, "");
}

void solo_peer_expect_event(struct solo_peer *stage, enum weft_event_kind kind,
                            enum weft_status status, const char *said) {
    struct mail *mail = solo_take(&stage->solo, ACTOR_HOST, WEFT__MAIL__BODY_NOTICE);
    assert_non_null(mail);
    assert_int_equal(mail->body.notice->kind, kind);
    assert_int_equal(mail->body.notice->status, status);
    if (strstr(mail->body.notice->text, said) == NULL) fail_msg("%s", mail->body.notice->text);
    mail_drop(&mail);
}

/* ---- the other actors ------------------------------------------------------------------------ */

static struct mail *to(struct solo_peer *stage, uint32_t actor, Weft__Mail__BodyCase kind) {
    bool bulk = actor == ACTOR_BULK;
    for (;;) {
        struct mail *mail = solo_take(&stage->solo, actor, kind);
        if (mail == NULL || mail->body.body_case == kind) return mail;
        if (mail->body.body_case == WEFT__MAIL__BODY_GRANTED) {
            const Weft__Granted *granted = mail->body.granted;
            *(bulk ? &stage->granted_batches : &stage->granted_shipments) += granted->batches;
            *(bulk ? &stage->granted_notes : &stage->granted_shared_notes) += granted->notes;
        }
        mail_drop(&mail);
    }
}

struct mail *solo_peer_to_bulk(struct solo_peer *stage, Weft__Mail__BodyCase kind) {
    return to(stage, ACTOR_BULK, kind);
}

struct mail *solo_peer_to_share(struct solo_peer *stage, Weft__Mail__BodyCase kind) {
    return to(stage, ACTOR_SHARE, kind);
}

bool solo_peer_told(struct solo_peer *stage, uint32_t actor, Weft__Mail__BodyCase kind) {
    struct mail *mail = solo_take(&stage->solo, actor, kind);
    if (mail != NULL && kind != WEFT__MAIL__BODY_SESSION &&
        mail->body.body_case == WEFT__MAIL__BODY_SESSION) {
        mail_drop(&mail); /* Which goes before the word that the slot is free. */
        mail = solo_take(&stage->solo, actor, kind);
    }
    bool right = mail != NULL && mail->body.body_case == kind;
    mail_drop(&mail);
    return right;
}

void solo_peer_batch(struct solo_peer *stage, size_t size, uint32_t model, bool live) {
    Weft__Batch *batch = NULL;
    const struct id owner = {{1}};
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_BATCH, &batch);
    batch->model = model;
    batch->live = live;
    batch->rows = 1;
    assert_true(mail_bytes(mail, &batch->owner, owner.bytes, sizeof owner.bytes));
    batch->message.data = arena_zero(&mail->arena, size);
    batch->message.len = size;
    assert_non_null(batch->message.data);
    solo_tell(&stage->solo, ACTOR_BULK, mail);
    solo_turn(&stage->solo);
}

void solo_peer_held(struct solo_peer *stage, uint32_t batches, uint32_t consumed,
                    const char *fault) {
    Weft__Held *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_HELD, &held);
    held->batches = batches;
    held->consumed = consumed;
    held->fault = mail_text(mail, fault);
    solo_tell(&stage->solo, ACTOR_BULK, mail);
    solo_turn(&stage->solo);
}

void solo_peer_places(struct solo_peer *stage, uint32_t places) {
    Weft__Held *held = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_HELD, &held);
    held->places = (Weft__Place **)mail_messages(mail, &weft__place__descriptor, places);
    held->n_places = places;
    for (uint32_t i = 0; i < places; i++) {
        const struct id owner = {{1, (uint8_t)i, (uint8_t)(i >> 8)}};
        assert_true(mail_bytes(mail, &held->places[i]->owner, owner.bytes, sizeof owner.bytes));
        held->places[i]->model = 1;
        held->places[i]->position = i + 1;
    }
    solo_tell(&stage->solo, ACTOR_BULK, mail);
    solo_turn(&stage->solo);
}
