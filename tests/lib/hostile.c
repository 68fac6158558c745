/* See hostile.h. Writing never waits for the other side alone: what comes meanwhile is read, or two
 * full sockets would wait for each other. */
#include "tests/lib/hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/base/check.h"
#include "engine/net/posix.h"
#include "engine/net/vault.h"
#include "engine/store/keyfile.h"
#include "engine/store/roster.h"
#include "engine/wire/codec.h"
#include "engine/wire/message.h"
#include "engine/wire/session_private.h"

#define DEAF_PATIENCE_MS 200

/* ---- a bare connection ----------------------------------------------------------------------- */

const char *hostile_address(char out[16], uint32_t number) {
    const unsigned n = number % 60000u;
    (void)snprintf(out, 16, "127.9.%u.%u", n / 250, n % 250 + 1);
    return out;
}

static struct sockaddr_in socket_address(const char *host, unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int code = inet_pton(AF_INET, host, &address.sin_addr);
    CHECK(code == 1);
    return address;
}

/* A socket that comes from `from` and wants to go to `*to`; false when there is none. */
static bool prepare(struct hostile *hostile, const char *address, const char *from, int flags,
                    struct sockaddr_in *to) {
    const char *colon = strrchr(address, ':');
    CHECK(colon != NULL && strncmp(address, "127.0.0.1:", 10) == 0);
    *hostile = (struct hostile){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
    if (hostile->fd < 0) return false;
    *to = socket_address("127.0.0.1", (unsigned)strtoul(colon + 1, NULL, 10));
    if (from != NULL) {
        struct sockaddr_in own = socket_address(from, 0);
        const int code = bind(hostile->fd, (struct sockaddr *)&own, sizeof own);
        CHECK(code == 0);
    }
    return true;
}

bool hostile_dial(struct hostile *hostile, const char *address, const char *from) {
    struct sockaddr_in to;
    if (!prepare(hostile, address, from, 0, &to)) return false;
    if (connect(hostile->fd, (struct sockaddr *)&to, sizeof to) == 0) return true;
    hostile_hang_up(hostile);
    return false;
}

bool hostile_call(struct hostile *hostile, const char *address, const char *from, int patience_ms) {
    struct sockaddr_in to;
    if (!prepare(hostile, address, from, SOCK_NONBLOCK, &to)) return false;
    if (connect(hostile->fd, (struct sockaddr *)&to, sizeof to) == 0) return true;
    struct pollfd made = {hostile->fd, POLLOUT, 0};
    if (errno == EINPROGRESS) {
        (void)poll(&made, 1, patience_ms);
        return true;
    }
    hostile_hang_up(hostile);
    return false;
}

/* Reads what is there; false when the other side has hung up. */
static bool hear(struct hostile *hostile, void *out, size_t size, size_t *got) {
    const ssize_t count = recv(hostile->fd, out, size, MSG_DONTWAIT);
    *got = count > 0 ? (size_t)count : 0;
    hostile->received += *got;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) hostile->closed = true;
    return !hostile->closed;
}

/* Waits until the line can be read, or written if `write`. False when the time has passed. */
static bool wait_for(const struct hostile *hostile, bool write, int patience_ms) {
    struct pollfd watched = {hostile->fd, (short)(POLLIN | (write ? POLLOUT : 0)), 0};
    return poll(&watched, 1, patience_ms) > 0;
}

/* Sends what the line takes now; false when it has hung up. */
static bool send_some(struct hostile *hostile, const uint8_t *bytes, size_t size, size_t *sent) {
    const ssize_t count = send(hostile->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    *sent = count > 0 ? (size_t)count : 0;
    if (count < 0 && errno != EAGAIN && errno != EINTR) hostile->closed = true;
    return !hostile->closed;
}

bool hostile_say(struct hostile *hostile, const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    uint8_t heard[4096];
    size_t part = 0;
    while (size > 0 && !hostile->closed) {
        if (!wait_for(hostile, true, HOSTILE_PATIENCE_MS)) return false;
        if (!send_some(hostile, at, size, &part)) break;
        at += part;
        size -= part;
        if (part == 0 && !hear(hostile, heard, sizeof heard, &part)) break;
    }
    return !hostile->closed;
}

bool hostile_hear_out(struct hostile *hostile, int patience_ms) {
    uint8_t heard[4096];
    size_t got = 0;
    while (!hostile->closed) {
        if (!wait_for(hostile, false, patience_ms)) return false;
        (void)hear(hostile, heard, sizeof heard, &got);
    }
    return true;
}

void hostile_hang_up(struct hostile *hostile) {
    if (hostile->fd >= 0) close(hostile->fd);
    hostile->fd = -1;
}

/* ---- taking over a device -------------------------------------------------------------------- */

static sqlite3_stmt *ask(sqlite3 *db, const char *sql, const struct id *device) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (device != NULL) sqlite3_bind_blob(query, 1, device->bytes, 16, SQLITE_STATIC);
    return query;
}

static void take(sqlite3_stmt *query, int column, void *out, size_t size) {
    assert_int_equal(sqlite3_column_bytes(query, column), size);
    memcpy(out, sqlite3_column_blob(query, column), size);
}

/* Its keys, the library's newest one, and whom the victim is known as. */
static void read_device(struct liar *liar, sqlite3 *db, const uint8_t secret[IDENTITY_SECRET]) {
    struct author *author = &liar->author;
    struct roster *roster = calloc(1, sizeof *roster);
    assert_non_null(roster);
    sqlite3_stmt *query = ask(db,
                              "SELECT max(value) FILTER (WHERE key = 'library'), "
                              "max(value) FILTER (WHERE key = 'incarnation') FROM _weft_meta",
                              NULL);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    take(query, 0, liar->library.bytes, 16);
    const uint64_t incarnation = (uint64_t)sqlite3_column_int64(query, 1);
    sqlite3_finalize(query);
    identity_make(&author->identity, secret, &liar->library, incarnation);
    author->origin = (struct record_origin){author->identity.device, incarnation};
    query = ask(db, "SELECT epoch, author, sealed FROM _weft_key", NULL);
    assert_int_equal(roster_open(roster, &author->identity), WEFT_OK);
    while (sqlite3_step(query) == SQLITE_ROW) {
        struct id by;
        uint8_t sealed[LIBRARY_KEY_SEALED];
        take(query, 1, by.bytes, 16);
        take(query, 2, sealed, sizeof sealed);
        assert_true(roster_load_key(roster, (uint32_t)sqlite3_column_int64(query, 0), &by, sealed));
    }
    sqlite3_finalize(query);
    assert_non_null(roster_current(roster));
    memcpy(liar->target.psk, roster_current(roster)->key, LIBRARY_KEY);
    roster_close(roster);
    free(roster);
    query = ask(db, "SELECT id_pk, x_pk FROM _weft_member WHERE device = ?1", &liar->victim);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    take(query, 0, liar->target.device.id_pk, IDENTITY_KEY);
    take(query, 1, liar->target.device.x_pk, IDENTITY_KEY);
    sqlite3_finalize(query);
    query = ask(db, "SELECT seq, hash FROM _weft_origin WHERE device = ?1", &author->origin.device);
    if (sqlite3_step(query) == SQLITE_ROW) {
        author->seq = (uint64_t)sqlite3_column_int64(query, 0);
        take(query, 1, author->hash, RECORD_HASH);
    }
    sqlite3_finalize(query);
}

void liar_become(struct liar *liar, const struct party *body, const struct party *victim) {
    uint8_t secret[IDENTITY_SECRET];
    bool made = false;
    sqlite3 *db = NULL;
    struct weft_error why = {0};
    const struct vault_port vault = vault_posix();
    const struct entropy_port entropy = posix_entropy();
    assert_null(body->engine);
    memset(liar, 0, sizeof *liar);
    liar->line.fd = -1;
    if (keyfile_open(&vault, &entropy, body->path, false, secret, &made, &why) != WEFT_OK)
        fail_msg("%s", why.text);
    assert_int_equal(sqlite3_open_v2(body->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    memcpy(liar->victim.bytes, victim->device, 16);
    (void)snprintf(liar->address, sizeof liar->address, "%s", victim->address);
    read_device(liar, db, secret);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_memory_equal(liar->author.identity.device.bytes, body->device, 16);
    liar->self = (struct handshake_self){.identity = &liar->author.identity,
                                         .ver_min = WIRE_VERSION_MIN,
                                         .ver_max = WIRE_VERSION_MAX};
    liar->pool = pool_open(0, 8u << 20, NULL);
    assert_non_null(liar->pool);
    arena_init(&liar->arena, liar->pool);
    arena_init(&liar->speeches, liar->pool);
}

void liar_forget(struct liar *liar) {
    liar_hang_up(liar);
    arena_drop(&liar->arena);
    arena_drop(&liar->speeches);
    if (liar->pool != NULL) pool_close(liar->pool);
    liar->pool = NULL;
}

/* ---- what it hears --------------------------------------------------------------------------- */

static const char *const model_names[] = {"location", "entry"};

/* From where its own rows are wanted. */
static void note_request(struct liar *liar, const Weft__Wire__StateRequest *request) {
    for (size_t i = 0; i < request->n_places; i++) {
        const Weft__Wire__Place *place = request->places[i];
        if (place->owner.len != 16 ||
            memcmp(place->owner.data, liar->author.identity.device.bytes, 16) != 0)
            continue;
        for (int m = 0; m < 2; m++)
            if (strcmp(place->model, model_names[m]) == 0) liar->asked[m] = place->position;
    }
}

static void note(struct liar *liar, const struct frame_message *message) {
    Weft__Wire__Wire *wire = NULL;
    arena_drop(&liar->arena);
    arena_init(&liar->arena, liar->pool);
    /* Rows may be compressed; what is in them does not matter here. */
    if (message->lane > LANE_SHARED) return;
    if (message_unpack(message->body, &liar->arena, &wire, NULL) != WEFT_OK) return;
    CHECK((size_t)wire->body_case < sizeof liar->heard / sizeof *liar->heard);
    liar->heard[wire->body_case]++;
    const char *text = "";
    if (wire->body_case == WEFT__WIRE__WIRE__BODY_STATE_REQUEST)
        note_request(liar, wire->state_request);
    if (wire->body_case == WEFT__WIRE__WIRE__BODY_CREDIT)
        liar->paid += wire->credit->bytes + wire->credit->shared;
    if (wire->body_case == WEFT__WIRE__WIRE__BODY_ERROR) {
        liar->code = wire->error->code;
        text = wire->error->text;
    }
    if (wire->body_case == WEFT__WIRE__WIRE__BODY_GOODBYE) text = wire->goodbye->text;
    (void)snprintf(liar->said, sizeof liar->said, "%s", text);
}

/* Takes what has come; false when the victim has hung up, or what it says cannot be read. */
static bool listen_now(struct liar *liar) {
    uint8_t *room = NULL;
    size_t size = 0, got = 0;
    struct frame_message message;
    const enum weft_status status = session_room(liar->session, &room, &size);
    CHECK(status == WEFT_OK);
    const bool open = hear(&liar->line, room, size, &got);
    session_received(liar->session, got);
    for (bool whole = true; whole;) {
        if (session_next(liar->session, &message, &whole, NULL) != WEFT_OK) return false;
        if (whole) note(liar, &message);
    }
    return open;
}

bool liar_hears(struct liar *liar, Weft__Wire__Wire__BodyCase kind, uint64_t count) {
    while (liar->heard[kind] < count && !liar->line.closed) {
        if (!wait_for(&liar->line, false, HOSTILE_PATIENCE_MS)) return false;
        if (!listen_now(liar)) break;
    }
    return liar->heard[kind] >= count;
}

bool liar_hears_out(struct liar *liar) {
    while (!liar->line.closed) {
        if (!wait_for(&liar->line, false, HOSTILE_PATIENCE_MS)) return false;
        (void)listen_now(liar);
    }
    return true;
}

bool liar_is_thrown_out(struct liar *liar, enum weft_status status) {
    return liar_hears_out(liar) && liar->code == (uint32_t)-status && liar->said[0] != '\0';
}

/* ---- what it says ---------------------------------------------------------------------------- */

/* Waits until something can be written, or heard by one who listens. */
static bool wait_to_say(const struct liar *liar) {
    struct pollfd watched = {liar->line.fd, POLLOUT, 0};
    if (!liar->deaf) return wait_for(&liar->line, true, HOSTILE_PATIENCE_MS);
    return poll(&watched, 1, DEAF_PATIENCE_MS) > 0;
}

bool liar_bytes(struct liar *liar, struct bytes bytes) {
    const size_t room = sizeof liar->tape - liar->taped;
    const size_t taped = bytes.size < room ? bytes.size : room;
    memcpy(liar->tape + liar->taped, bytes.data, taped);
    liar->taped += taped;
    while (bytes.size > 0 && !liar->line.closed) {
        size_t part = 0;
        if (!wait_to_say(liar)) return false;
        if (!send_some(&liar->line, bytes.data, bytes.size, &part)) {
            (void)listen_now(liar); /* What it said last. */
            break;
        }
        bytes.data += part;
        bytes.size -= part;
        if (part == 0 && !liar->deaf) (void)listen_now(liar);
    }
    return !liar->line.closed;
}

bool liar_frames(struct liar *liar, struct bytes frame) {
    uint8_t record[SEALED_ROOM];
    if (liar->session == NULL || liar->line.closed) return false;
    const size_t size = sealed_record(liar->session, frame, record);
    return liar_bytes(liar, (struct bytes){record, size});
}

bool liar_packs(struct liar *liar, enum frame_lane lane, struct bytes message, uint32_t raw_size) {
    uint8_t frame[FRAME_MAX];
    size_t sent = 0;
    bool open = liar->session != NULL;
    if (lane != LANE_CONTROL) liar->owed += message.size;
    while (open && sent < message.size) {
        const size_t left = message.size - sent;
        const size_t part = left < LIMIT_FRAME_BODY ? left : LIMIT_FRAME_BODY;
        size_t at = FRAME_HEADER;
        frame[0] = FRAME_TYPE_MESSAGE;
        frame[1] = part < left ? FRAME_FLAG_MORE : 0;
        frame[2] = (uint8_t)lane;
        frame[3] = 0;
        if (sent == 0) {
            store_u32(frame + at, (uint32_t)message.size);
            store_u32(frame + at + 4, raw_size);
            at += FRAME_PREFIX;
        }
        memcpy(frame + at, message.data + sent, part);
        sent += part;
        open = liar_frames(liar, (struct bytes){frame, at + part});
    }
    return open;
}

bool liar_says(struct liar *liar, enum frame_lane lane, const Weft__Wire__Wire *wire) {
    struct arena arena;
    struct bytes packed = {0};
    arena_init(&arena, liar->pool);
    const enum weft_status status = message_pack(&wire->base, &arena, &packed);
    CHECK(status == WEFT_OK);
    const bool open = liar_packs(liar, lane, packed, 0);
    arena_drop(&arena);
    return open;
}

bool liar_beats(struct liar *liar, uint64_t echo) {
    Weft__Wire__Heartbeat heartbeat = WEFT__WIRE__HEARTBEAT__INIT;
    heartbeat.echo = echo;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    wire.body_case = WEFT__WIRE__WIRE__BODY_HEARTBEAT;
    wire.heartbeat = &heartbeat;
    return liar_says(liar, LANE_CONTROL, &wire);
}

bool liar_places(struct liar *liar, bool ack, const struct id *owner, size_t owner_size,
                 uint32_t count, uint64_t position) {
    Weft__Wire__Place list[LIMIT_ELEMENTS], *places[LIMIT_ELEMENTS];
    struct id owners[LIMIT_ELEMENTS];
    Weft__Wire__StateAck held = WEFT__WIRE__STATE_ACK__INIT;
    Weft__Wire__StateRequest wanted = WEFT__WIRE__STATE_REQUEST__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    for (uint32_t i = 0; i < count; i++) {
        weft__wire__place__init(&list[i]);
        owners[i] = *owner;
        store_u32(owners[i].bytes + 8, load_u32(owners[i].bytes + 8) + i);
        list[i].owner = (ProtobufCBinaryData){owner_size, owners[i].bytes};
        list[i].model = (char *)(uintptr_t) "entry";
        list[i].position = position;
        places[i] = &list[i];
    }
    held.n_places = wanted.n_places = count;
    held.places = wanted.places = places;
    wire.body_case = ack ? WEFT__WIRE__WIRE__BODY_STATE_ACK : WEFT__WIRE__WIRE__BODY_STATE_REQUEST;
    if (ack) wire.state_ack = &held;
    if (!ack) wire.state_request = &wanted;
    return liar_says(liar, LANE_CONTROL, &wire);
}

/* The cells of one row. */
static void fill_row(struct rows_builder *builder, const struct lie *lie, uint32_t row) {
    struct id key = lie->key;
    store_u32(key.bytes + 12, load_u32(key.bytes + 12) + row);
    const struct weft_value entry[] = {weft_blob(key.bytes, 16),
                                       weft_blob(lie->location.bytes, 16),
                                       weft_text(lie->name, strlen(lie->name)),
                                       weft_integer(row),
                                       weft_real(0.5),
                                       weft_null()};
    const struct weft_value location[] = {weft_blob(key.bytes, 16),
                                          weft_blob(lie->location.bytes, 16),
                                          weft_text(lie->name, strlen(lie->name))};
    const bool entries = lie->model == LIAR_ENTRY;
    enum weft_status status = rows_add(builder, ROW_PUT, lie->after + 1 + row);
    CHECK(status == WEFT_OK);
    for (uint32_t c = 0; c < (entries ? 6u : 3u); c++) {
        status = rows_cell(builder, c, entries ? &entry[c] : &location[c]);
        CHECK(status == WEFT_OK);
    }
}

bool liar_rows(struct liar *liar, const struct lie *lie) {
    static const char *const entry[] = {"id", "location_id", "name", "size", "ratio", "data"};
    static const char *const location[] = {"id", "device_id", "path"};
    const bool entries = lie->model == LIAR_ENTRY;
    const uint32_t columns = entries ? 6 : 3;
    const char *names[6];
    struct arena arena;
    struct rows_builder builder;
    struct bytes packed = {0};
    uint32_t count = 0;
    arena_init(&arena, liar->pool);
    enum weft_status status = rows_begin(&builder, &arena, 1, columns);
    CHECK(status == WEFT_OK);
    for (uint32_t i = 0; i < lie->count; i++)
        fill_row(&builder, lie, i);
    const struct rows_slice slice = {builder.rows, 0, lie->count};
    status = codec_pack(&slice, 1, lie->after, columns, &arena, &packed, &count);
    CHECK(status == WEFT_OK && count == lie->count);
    memcpy(names, entries ? entry : location, columns * sizeof *names);
    if (lie->renamed != NULL) names[columns - 1] = lie->renamed;
    Weft__Wire__StateRows rows = WEFT__WIRE__STATE_ROWS__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    rows.owner = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)lie->owner.bytes};
    rows.model = (char *)(uintptr_t)model_names[lie->model];
    rows.after = lie->after;
    rows.upto = lie->upto;
    rows.horizon = lie->horizon;
    rows.count = lie->claimed;
    rows.n_columns = count == 0 ? 0 : columns;
    rows.columns = (char **)names;
    rows.rows = (ProtobufCBinaryData){packed.size, (uint8_t *)(uintptr_t)packed.data};
    rows.sweep = lie->sweep;
    wire.body_case = WEFT__WIRE__WIRE__BODY_STATE_BATCH;
    wire.state_batch = &rows;
    const bool open = liar_says(liar, LANE_LIVE, &wire);
    arena_drop(&arena);
    return open;
}

struct bytes liar_signs(struct liar *liar, struct record *record) {
    static const uint8_t nothing[] = {0xee, 0, 0, 0, 0}; /* An op of a kind that nobody knows. */
    struct bytes bytes = {0};
    if (record->ops.size == 0) record->ops = (struct bytes){nothing, sizeof nothing};
    const enum weft_status status =
        record_write(&liar->author.identity, record, &liar->speeches, &bytes, NULL);
    CHECK(status == WEFT_OK);
    return bytes;
}

bool liar_records(struct liar *liar, const struct bytes *records, size_t count) {
    ProtobufCBinaryData list[LIMIT_SHIPMENT_RECORDS];
    Weft__Wire__SharedRecords message = WEFT__WIRE__SHARED_RECORDS__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    CHECK(count <= LIMIT_SHIPMENT_RECORDS);
    for (size_t i = 0; i < count; i++)
        list[i] = (ProtobufCBinaryData){records[i].size, (uint8_t *)(uintptr_t)records[i].data};
    message.n_records = count;
    message.records = list;
    wire.body_case = WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_BATCH;
    wire.shared_change_batch = &message;
    return liar_says(liar, LANE_SHARED, &wire);
}

/* ---- its session ----------------------------------------------------------------------------- */

void liar_hang_up(struct liar *liar) {
    hostile_hang_up(&liar->line);
    session_close(liar->session);
    liar->session = NULL;
}

bool liar_dial(struct liar *liar) {
    char from[16];
    liar_hang_up(liar);
    if (!hostile_dial(&liar->line, liar->address, hostile_address(from, liar->dials++)))
        return false;
    return liar_shake(liar);
}

bool liar_shake(struct liar *liar) {
    uint8_t ephemeral[32];
    arena_drop(&liar->speeches);
    arena_init(&liar->speeches, liar->pool);
    memset(liar->heard, 0, sizeof liar->heard);
    memset(liar->asked, 0, sizeof liar->asked);
    liar->owed = liar->paid = 0;
    liar->code = 0;
    liar->said[0] = '\0';
    liar->taped = 0;
    liar->deaf = false;
    randombytes_buf(ephemeral, sizeof ephemeral);
    const enum weft_status status =
        session_dial(&liar->self, &liar->target, ephemeral, &liar->session, NULL);
    CHECK(status == WEFT_OK);
    const struct bytes m1 = session_to_send(liar->session);
    if (!liar_bytes(liar, m1)) return false;
    session_sent(liar->session, m1.size);
    while (!session_stands(liar->session) && !liar->line.closed) {
        if (!wait_for(&liar->line, false, HOSTILE_PATIENCE_MS) || !listen_now(liar)) return false;
    }
    return session_stands(liar->session);
}

void liar_proof(const struct liar *liar, uint8_t out[64]) {
    handshake_hello(&liar->author.identity, true, session_channel(liar->session),
                    liar->target.device.id_pk, out);
}

bool liar_meet(struct liar *liar) {
    uint8_t proof[64];
    Weft__Wire__Hello hello = WEFT__WIRE__HELLO__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    if (!liar_dial(liar)) return false;
    liar_proof(liar, proof);
    hello.proof = (ProtobufCBinaryData){sizeof proof, proof};
    wire.body_case = WEFT__WIRE__WIRE__BODY_HELLO;
    wire.hello = &hello;
    return liar_says(liar, LANE_CONTROL, &wire) &&
           liar_hears(liar, WEFT__WIRE__WIRE__BODY_STATE_REQUEST, 1);
}

bool liar_stays(struct liar *liar) {
    return (liar->session != NULL && !liar->line.closed) || liar_meet(liar);
}

void liar_catches_up(struct liar *liar) {
    const uint64_t heard = liar->heard[WEFT__WIRE__WIRE__BODY_HEARTBEAT];
    if (liar_beats(liar, 1)) (void)liar_hears(liar, WEFT__WIRE__WIRE__BODY_HEARTBEAT, heard + 1);
}

bool liar_is_paid(struct liar *liar) {
    while (liar->paid < liar->owed) {
        const uint64_t heard = liar->heard[WEFT__WIRE__WIRE__BODY_CREDIT];
        if (!liar_hears(liar, WEFT__WIRE__WIRE__BODY_CREDIT, heard + 1)) return false;
    }
    return liar->paid == liar->owed;
}
