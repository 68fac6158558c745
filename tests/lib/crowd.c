/* See crowd.h.
 *
 *   fellow ── M1 ─► │ hub
 *          ◄── M2 ── │
 *          ── Hello, StateRequest ─►
 *          ◄── rows (after, upto] ──   ── StateAck, Credit ─►      and a heartbeat now and then
 *
 * Invariants
 *   1. A fellow acknowledges what it was sent, and nothing else.
 *   2. What it says is small: it waits until the line has taken it. */
#include "tests/lib/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/net/posix.h"
#include "engine/net/vault.h"
#include "engine/store/keyfile.h"
#include "engine/store/roster.h"
#include "engine/wire/message.h"
#include "engine/wire/session.h"
#include "engine/wire/zip.h"
#include "proto/wire.pb-c.h"

#define EVENTS 256
#define BEAT_S 10

struct fellow {
    struct identity identity;
    struct handshake_self self;
    int line; /* -1: none */
    struct session *session;
    bool greeted;
};

struct crowd {
    struct id library, hub;
    struct handshake_target target;
    struct fellow *fellows;
    uint32_t count, met;
    const char *model;
    struct pool *pool;
    struct zip *zip;
    int watch;
    time_t beat;
};

/* ---- gathering ------------------------------------------------------------------------------- */

static sqlite3_stmt *ask(sqlite3 *db, const char *sql) {
    sqlite3_stmt *query = NULL;
    CHECK(sqlite3_prepare_v2(db, sql, -1, &query, NULL) == SQLITE_OK);
    return query;
}

static void take(sqlite3_stmt *query, int column, void *out, size_t size) {
    CHECK(sqlite3_column_bytes(query, column) == (int)size);
    memcpy(out, sqlite3_column_blob(query, column), size);
}

/* Whom they will call: the hub's keys, and the library's newest one. */
static void read_hub(struct crowd *crowd, sqlite3 *db, const char *path) {
    uint8_t secret[IDENTITY_SECRET];
    bool made = false;
    struct identity hub;
    struct roster roster;
    const struct vault_port vault = vault_posix();
    const struct entropy_port entropy = posix_entropy();
    CHECK(keyfile_open(&vault, &entropy, path, false, secret, &made, NULL) == WEFT_OK);
    sqlite3_stmt *query = ask(db, "SELECT max(value) FILTER (WHERE key = 'library'), "
                                  "max(value) FILTER (WHERE key = 'incarnation') FROM _weft_meta");
    CHECK(sqlite3_step(query) == SQLITE_ROW);
    take(query, 0, crowd->library.bytes, WEFT_ID_SIZE);
    identity_make(&hub, secret, &crowd->library, (uint64_t)sqlite3_column_int64(query, 1));
    sqlite3_finalize(query);
    crowd->hub = hub.device;
    crowd->target.mode = HANDSHAKE_MEMBER;
    crowd->target.device = hub.public;
    CHECK(roster_open(&roster, &hub) == WEFT_OK);
    query = ask(db, "SELECT epoch, author, sealed FROM _weft_key");
    while (sqlite3_step(query) == SQLITE_ROW) {
        struct id by;
        uint8_t sealed[LIBRARY_KEY_SEALED];
        take(query, 1, by.bytes, WEFT_ID_SIZE);
        take(query, 2, sealed, sizeof sealed);
        CHECK(roster_load_key(&roster, (uint32_t)sqlite3_column_int64(query, 0), &by, sealed));
    }
    sqlite3_finalize(query);
    CHECK(roster_current(&roster) != NULL);
    memcpy(crowd->target.psk, roster_current(&roster)->key, LIBRARY_KEY);
    roster_close(&roster);
}

static void give(sqlite3_stmt *statement, int at, const void *bytes, size_t size) {
    CHECK(sqlite3_bind_blob(statement, at, bytes, (int)size, SQLITE_STATIC) == SQLITE_OK);
}

static void write_members(const struct crowd *crowd, sqlite3 *db) {
    CHECK(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_stmt *add =
        ask(db, "INSERT INTO _weft_member(device, id_pk, x_pk, incarnation, cert, name, "
                "added_hlc, added_by) VALUES (?1, ?2, ?3, ?4, ?5, 'fellow', ?6, ?7)");
    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct identity *identity = &crowd->fellows[i].identity;
        give(add, 1, identity->device.bytes, WEFT_ID_SIZE);
        give(add, 2, identity->public.id_pk, IDENTITY_KEY);
        give(add, 3, identity->public.x_pk, IDENTITY_KEY);
        sqlite3_bind_int64(add, 4, (sqlite3_int64)identity->incarnation);
        give(add, 5, identity->cert, IDENTITY_CERT);
        sqlite3_bind_int64(add, 6, (sqlite3_int64)i + 2);
        give(add, 7, crowd->hub.bytes, WEFT_ID_SIZE);
        CHECK(sqlite3_step(add) == SQLITE_DONE);
        sqlite3_reset(add);
    }
    sqlite3_finalize(add);
    CHECK(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
}

struct crowd *crowd_gather(const char *path, uint32_t count) {
    sqlite3 *db = NULL;
    struct crowd *crowd = calloc(1, sizeof *crowd);
    CHECK(crowd != NULL && count > 0);
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    crowd->count = count;
    crowd->fellows = calloc(count, sizeof *crowd->fellows);
    CHECK(crowd->fellows != NULL);
    read_hub(crowd, db, path);
    for (uint32_t i = 0; i < count; i++) {
        struct fellow *fellow = &crowd->fellows[i];
        uint8_t secret[IDENTITY_SECRET];
        randombytes_buf(secret, sizeof secret);
        identity_make(&fellow->identity, secret, &crowd->library, 1);
        fellow->self = (struct handshake_self){.identity = &fellow->identity,
                                               .ver_min = WIRE_VERSION_MIN,
                                               .ver_max = WIRE_VERSION_MAX};
        fellow->line = -1;
    }
    write_members(crowd, db);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return crowd;
}

void crowd_disperse(struct crowd *crowd) {
    if (crowd == NULL) return;
    for (uint32_t i = 0; i < crowd->count; i++) {
        session_close(crowd->fellows[i].session);
        if (crowd->fellows[i].line >= 0) close(crowd->fellows[i].line);
    }
    if (crowd->pool != NULL) {
        close(crowd->watch);
        zip_close(crowd->zip);
        pool_close(crowd->pool);
    }
    free(crowd->fellows);
    free(crowd);
}

/* ---- saying ---------------------------------------------------------------------------------- */

static void hang_up(struct crowd *crowd, struct fellow *fellow) {
    session_close(fellow->session);
    fellow->session = NULL;
    close(fellow->line);
    fellow->line = -1;
    crowd->met--;
}

/* False when the hub has hung up. */
static bool flush(struct fellow *fellow) {
    for (;;) {
        const struct bytes bytes = session_to_send(fellow->session);
        if (bytes.size == 0) return true;
        const ssize_t sent = send(fellow->line, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        session_sent(fellow->session, (size_t)sent);
    }
}

static bool say(struct crowd *crowd, struct fellow *fellow, const Weft__Wire__Wire *wire) {
    struct arena arena;
    struct bytes packed = {0};
    arena_init(&arena, crowd->pool);
    CHECK(message_pack(&wire->base, &arena, &packed) == WEFT_OK);
    CHECK(session_push(fellow->session, LANE_CONTROL, packed, 0, (struct frame_owner){NULL},
                       NULL) == WEFT_OK);
    const bool open = flush(fellow);
    arena_drop(&arena);
    return open;
}

/* Asks for the hub's rows after a place, or acknowledges those up to it. */
static bool say_place(struct crowd *crowd, struct fellow *fellow, bool ack, uint64_t position) {
    Weft__Wire__Place place = WEFT__WIRE__PLACE__INIT, *places[] = {&place};
    Weft__Wire__StateAck held = WEFT__WIRE__STATE_ACK__INIT;
    Weft__Wire__StateRequest wanted = WEFT__WIRE__STATE_REQUEST__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    place.owner = (ProtobufCBinaryData){WEFT_ID_SIZE, crowd->hub.bytes};
    place.model = (char *)(uintptr_t)crowd->model;
    place.position = position;
    held.places = wanted.places = places;
    held.n_places = wanted.n_places = 1;
    wire.body_case = ack ? WEFT__WIRE__WIRE__BODY_STATE_ACK : WEFT__WIRE__WIRE__BODY_STATE_REQUEST;
    if (ack) wire.state_ack = &held;
    if (!ack) wire.state_request = &wanted;
    return say(crowd, fellow, &wire);
}

static bool greet(struct crowd *crowd, struct fellow *fellow) {
    uint8_t proof[64];
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    handshake_hello(&fellow->identity, true, session_channel(fellow->session),
                    crowd->target.device.id_pk, proof);
    hello.proof = (ProtobufCBinaryData){sizeof proof, proof};
    wire.body_case = WEFT__WIRE__WIRE__BODY_HELLO;
    wire.hello = &hello;
    fellow->greeted = true;
    return say(crowd, fellow, &wire) && say_place(crowd, fellow, false, 0);
}

static bool say_credit(struct crowd *crowd, struct fellow *fellow, uint64_t rows,
                       uint64_t records) {
    Weft__Wire__Credit credit = WEFT__WIRE__CREDIT__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    credit.bytes = rows;
    credit.shared = records;
    wire.body_case = WEFT__WIRE__WIRE__BODY_CREDIT;
    wire.credit = &credit;
    return say(crowd, fellow, &wire);
}

static bool beat(struct crowd *crowd, struct fellow *fellow) {
    Weft__Wire__Heartbeat heartbeat = WEFT__WIRE__HEARTBEAT__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    wire.body_case = WEFT__WIRE__WIRE__BODY_HEARTBEAT;
    wire.heartbeat = &heartbeat;
    return say(crowd, fellow, &wire);
}

/* ---- hearing --------------------------------------------------------------------------------- */

static bool take_rows(struct crowd *crowd, struct fellow *fellow, struct bytes body,
                      const struct frame_message *message, struct arena *arena) {
    Weft__Wire__Wire *wire = NULL;
    if (message->raw_size != 0)
        CHECK(zip_unpack(crowd->zip, body, message->raw_size, arena, &body, NULL) == WEFT_OK);
    CHECK(message_unpack(body, arena, &wire, NULL) == WEFT_OK);
    const Weft__Wire__StateRows *rows = wire->state_response;
    return say_credit(crowd, fellow, message->body.size, 0) &&
           say_place(crowd, fellow, true, rows->upto);
}

static bool take_message(struct crowd *crowd, struct fellow *fellow,
                         const struct frame_message *message) {
    struct arena arena;
    Weft__Wire__Wire *wire = NULL;
    bool open = true;
    arena_init(&arena, crowd->pool);
    if (message->lane > LANE_SHARED) {
        open = take_rows(crowd, fellow, message->body, message, &arena);
    } else if (message->lane == LANE_SHARED) {
        open = say_credit(crowd, fellow, 0, message->body.size);
    } else {
        CHECK(message_unpack(message->body, &arena, &wire, NULL) == WEFT_OK);
        if (wire->body_case == WEFT__WIRE__WIRE__BODY_HEARTBEAT && wire->heartbeat->echo != 0)
            open = beat(crowd, fellow);
    }
    arena_drop(&arena);
    return open;
}

/* Takes what has come; false when the hub has hung up. */
static bool hear(struct crowd *crowd, struct fellow *fellow) {
    uint8_t *room = NULL;
    size_t size = 0;
    struct frame_message message;
    CHECK(session_room(fellow->session, &room, &size) == WEFT_OK);
    const ssize_t got = recv(fellow->line, room, size, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    session_received(fellow->session, (size_t)got);
    bool open = true;
    for (bool whole = true; whole && open;) {
        CHECK(session_next(fellow->session, &message, &whole, NULL) == WEFT_OK);
        if (whole) open = take_message(crowd, fellow, &message);
    }
    if (open && !fellow->greeted && session_stands(fellow->session)) open = greet(crowd, fellow);
    session_rest(fellow->session);
    session_shrink(fellow->session);
    return open;
}

static void serve(struct crowd *crowd, int patience_ms) {
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(crowd->watch, events, EVENTS, patience_ms);
    CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        struct fellow *fellow = &crowd->fellows[events[i].data.u32];
        if (!hear(crowd, fellow)) hang_up(crowd, fellow);
    }
    if (time(NULL) - crowd->beat < BEAT_S) return;
    crowd->beat = time(NULL);
    for (uint32_t i = 0; i < crowd->count; i++) {
        struct fellow *fellow = &crowd->fellows[i];
        if (fellow->line >= 0 && fellow->greeted && !beat(crowd, fellow)) hang_up(crowd, fellow);
    }
}

/* ---- meeting --------------------------------------------------------------------------------- */

static void call(struct crowd *crowd, uint32_t number, uint16_t port) {
    struct fellow *fellow = &crowd->fellows[number];
    uint8_t ephemeral[32];
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f090000u + number + 1);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    fellow->line = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fellow->line >= 0);
    CHECK(bind(fellow->line, (struct sockaddr *)&from, sizeof from) == 0);
    CHECK(connect(fellow->line, (struct sockaddr *)&to, sizeof to) == 0);
    randombytes_buf(ephemeral, sizeof ephemeral);
    CHECK(session_dial(&fellow->self, &crowd->target, ephemeral, &fellow->session, NULL) ==
          WEFT_OK);
    crowd->met++;
    CHECK(flush(fellow));
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    CHECK(epoll_ctl(crowd->watch, EPOLL_CTL_ADD, fellow->line, &event) == 0);
}

void crowd_meet(struct crowd *crowd, const char *address, const char *model) {
    enum { PATIENCE_S = 30, AGAIN_MS = 50 };
    const char *colon = strrchr(address, ':');
    CHECK(colon != NULL);
    crowd->model = model;
    crowd->pool = pool_open(0, 1u << 20, NULL);
    crowd->zip = zip_open(1);
    crowd->watch = epoll_create1(EPOLL_CLOEXEC);
    crowd->beat = time(NULL);
    CHECK(crowd->pool != NULL && crowd->zip != NULL && crowd->watch >= 0);
    for (uint32_t i = 0; i < crowd->count; i++) {
        struct fellow *fellow = &crowd->fellows[i];
        const time_t until = time(NULL) + PATIENCE_S;
        /* Who has just begun to listen may not know its members yet: it is called again. */
        while (!fellow->greeted && time(NULL) < until) {
            if (fellow->line < 0) call(crowd, i, (uint16_t)strtoul(colon + 1, NULL, 10));
            while (fellow->line >= 0 && !fellow->greeted && time(NULL) < until)
                serve(crowd, BEAT_S * 1000);
            if (fellow->line < 0) serve(crowd, AGAIN_MS);
        }
        CHECK(crowd->met == i + 1);
    }
}

void crowd_listen(struct crowd *crowd) {
    while (crowd->met > 0)
        serve(crowd, BEAT_S * 1000);
}
