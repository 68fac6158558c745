/* See solo_peer.h. */
#include "tests/lib/solo_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#define LINK 1u

static const struct frame_owner nobody = {NULL};

/* ---- the port -------------------------------------------------------------------------------- */

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
    assert_true(link->out_size + size <= SOLO_LINK_ROOM);
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

static void fill_jitter(void *self, void *out, size_t size) {
    const struct solo_peer *stage = self;
    assert_int_equal(size, sizeof stage->jitter);
    memcpy(out, &stage->jitter, size);
}

/* ---- the stage ------------------------------------------------------------------------------- */

bool solo_peer_open(struct solo_peer *stage) {
    *stage = (struct solo_peer){0};
    struct solo_link *link = &stage->link;
    link->in = malloc(SOLO_LINK_ROOM);
    link->out = malloc(SOLO_LINK_ROOM);
    link->read_most = SIZE_MAX;
    link->breaks = WEFT_BUSY;
    if (link->in == NULL || link->out == NULL) return false;
    struct net_port net = {.self = link, .ops = &link_ops};
    if (!solo_open_on(&stage->solo, ACTOR_PEER, net)) return false;
    stage->model_list[0] = (struct model){.name = "entry", .id = 1};
    stage->model_list[1] = (struct model){.name = "misc", .id = 2};
    stage->models = (struct models){.count = 2, .list = stage->model_list};
    struct settings *settings = &stage->solo.settings;
    settings->models = &stage->models;
    settings->library.bytes[0] = 0x99;
    settings->device = (struct id){{SOLO_ME}};
    settings->entropy = (struct entropy_port){.self = stage, .fill = fill_jitter};
    arena_init(&stage->arena, stage->solo.pool);
    return true;
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
    Weft__Accepted *accepted = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_ACCEPTED, &accepted);
    accepted->handle = 7;
    stage->dialled = false;
    solo_peer_new_link(stage);
    solo_tell(&stage->solo, ACTOR_LISTENER, mail);
}

void solo_peer_dial(struct solo_peer *stage) {
    Weft__Dial *dial = NULL;
    struct mail *mail = solo_mail(&stage->solo, WEFT__MAIL__BODY_DIAL, &dial);
    dial->address = mail_text(mail, "127.0.0.1:7000");
    stage->dialled = true;
    solo_peer_new_link(stage);
    solo_tell(&stage->solo, ACTOR_LISTENER, mail);
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

void solo_peer_remote(struct solo_peer *stage) {
    struct frame_message message;
    bool got = false;
    session_close(stage->remote);
    stage->remote = session_open(!stage->dialled);
    assert_non_null(stage->remote);
    if (!stage->dialled) return;
    assert_true(pump(stage)); /* It answers a greeting, which is all that it has room for. */
    assert_int_equal(session_next(stage->remote, &message, &got, NULL), WEFT_OK);
    assert_false(got);
}

bool solo_peer_claimed(struct solo_peer *stage) {
    struct mail *mail = solo_take(&stage->solo, ACTOR_LISTENER, WEFT__MAIL__BODY_CLAIM);
    bool right = mail != NULL && mail->body.body_case == WEFT__MAIL__BODY_CLAIM;
    if (right) {
        assert_int_equal(mail->body.claim->device.data[0], SOLO_THEM);
        assert_int_equal(mail->body.claim->dialled, stage->dialled);
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

void solo_peer_live(struct solo_peer *stage, bool dialled) {
    uint8_t ids[32];
    if (dialled) {
        solo_peer_dial(stage);
    } else {
        solo_peer_accept(stage);
    }
    solo_peer_remote(stage);
    const Weft__Wire__Hello hello = solo_peer_hello(SOLO_THEM, ids);
    solo_peer_say_hello(stage, &hello);
    assert_true(solo_peer_claimed(stage));
    solo_peer_rule(stage, true, false, false);
    assert_int_equal(solo_peer_state(stage), WEFT_PEER_LIVE);
    assert_true(solo_peer_told(stage, ACTOR_LOG, WEFT__MAIL__BODY_ACKED));
    struct mail *joined = solo_peer_to_bulk(stage, WEFT__MAIL__BODY_JOINED);
    assert_non_null(joined);
    mail_drop(&joined);
    stage->granted_batches = stage->granted_notes = 0;
    assert_null(solo_peer_to_bulk(stage, WEFT__MAIL__BODY_LEFT));
    assert_int_equal(stage->granted_batches, LIMIT_PEER_BATCHES);
    assert_non_null(solo_peer_heard_kind(stage, WEFT__WIRE__WIRE__BODY_HELLO));
}

void solo_peer_cleared(struct solo_peer *stage) {
    struct mail *left = solo_peer_to_bulk(stage, WEFT__MAIL__BODY_LEFT);
    assert_non_null(left);
    solo_tell(&stage->solo, ACTOR_BULK, left);
}

/* ---- the remote speaks ----------------------------------------------------------------------- */

void solo_peer_say_raw(struct solo_peer *stage, const void *data, size_t size) {
    struct solo_link *link = &stage->link;
    assert_true(link->in_size + size <= SOLO_LINK_ROOM);
    memcpy(link->in + link->in_size, data, size);
    link->in_size += size;
    solo_peer_ready(stage);
}

void solo_peer_carry(struct solo_peer *stage, size_t size) {
    while (size > 0) {
        struct bytes bytes = session_to_send(stage->remote);
        if (bytes.size == 0) return;
        size_t part = bytes.size < size ? bytes.size : size;
        assert_true(stage->link.in_size + part <= SOLO_LINK_ROOM);
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

Weft__Wire__Hello solo_peer_hello(uint8_t device, uint8_t ids[32]) {
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    memset(ids, 0, 32);
    ids[0] = 0x99;
    ids[16] = device;
    hello.ver_min = WIRE_VERSION_MIN;
    hello.ver_max = WIRE_VERSION_MAX;
    hello.library = (ProtobufCBinaryData){16, ids};
    hello.device = (ProtobufCBinaryData){16, ids + 16};
    return hello;
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

void solo_peer_say_credit(struct solo_peer *stage, uint64_t bytes) {
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    Weft__Wire__Credit credit = WEFT__WIRE__CREDIT__INIT;
    credit.bytes = bytes;
    wire.body_case = WEFT__WIRE__WIRE__BODY_CREDIT;
    wire.credit = &credit;
    solo_peer_say(stage, &wire);
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
    uint8_t frame[FRAME_HEADER + 8 + 1] = {0};
    store_u16(frame, sizeof frame - 2);
    frame[2] = type;
    frame[3] = FRAME_FLAG_MORE;
    frame[4] = lane;
    store_u32(frame + FRAME_HEADER, wire_size);
    solo_peer_carry(stage, SIZE_MAX);
    solo_peer_say_raw(stage, frame, sizeof frame);
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
    if (message.lane == LANE_CONTROL) {
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

struct mail *solo_peer_to_bulk(struct solo_peer *stage, Weft__Mail__BodyCase kind) {
    for (;;) {
        struct mail *mail = solo_take(&stage->solo, ACTOR_BULK, kind);
        if (mail == NULL || mail->body.body_case == kind) return mail;
        if (mail->body.body_case == WEFT__MAIL__BODY_GRANTED) {
            stage->granted_batches += mail->body.granted->batches;
            stage->granted_notes += mail->body.granted->notes;
        }
        mail_drop(&mail);
    }
}

bool solo_peer_told(struct solo_peer *stage, uint32_t actor, Weft__Mail__BodyCase kind) {
    struct mail *mail = solo_take(&stage->solo, actor, kind);
    bool right = mail != NULL && mail->body.body_case == kind;
    mail_drop(&mail);
    return right;
}

void solo_peer_batch(struct solo_peer *stage, size_t size, uint32_t model, bool live) {
    Weft__Batch *batch = NULL;
    const struct id owner = {{SOLO_ME}};
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
        const struct id owner = {{SOLO_ME, (uint8_t)i, (uint8_t)(i >> 8)}};
        assert_true(mail_bytes(mail, &held->places[i]->owner, owner.bytes, sizeof owner.bytes));
        held->places[i]->model = 1;
        held->places[i]->position = i + 1;
    }
    solo_tell(&stage->solo, ACTOR_BULK, mail);
    solo_turn(&stage->solo);
}
