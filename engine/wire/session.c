/* The sealed session: a handshake, then records.
 *
 *        initiator                           responder
 *   DIALLED  ── M1 ──────────────────────►   (the listener reads it: who is this?)
 *   DIALLED  ◄──────────────────────── M2 ── STANDS
 *   STANDS   ◄──────── records ──────────►   STANDS
 *            whatever cannot be opened ──► BROKEN: nothing more is read
 *
 *   received: ┌───────────── buffer ─────────────┐
 *             │ taken │ whole records │ part │    │   opened in place; a message that is one frame
 *             └───────┴───────┬───────┴──────┴────┘   is used where it lies
 *
 * Invariants
 *   1. Before M2 has proved who answers, nothing but M1 is sent, and M2's bytes are all that is
 *      kept of what comes.
 *   2. A record is opened with the nonce that counts it: none is left out, repeated or exchanged.
 *   3. What is cut into frames is in `out` until the link took it; which lane is cut from is
 *      decided frame by frame, when `out` is filled.
 *   4. While nothing is queued nor waits for the link `out` need not exist, while nothing is held
 *      `buffer` need not: session_rest() gives them back. A hub has thousands of sessions, and
 *      bytes for few of them at a time.
 * Not here: time limits, and whether whoever it is may come in: the peer actor's and listener's. */
#include "engine/wire/session.h"

#include <sodium.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/wire/session_private.h"

#define TYPE_REKEY SESSION_TYPE_REKEY
#define LENGTH SESSION_LENGTH
#define SEALED_MIN (FRAME_HEADER + NOISE_TAG_SIZE)
#define BUFFER_MIN 4096u
#define BUFFER_MAX 131072u /* a record of the greatest length, and room to read on behind it */
#define OUT_MIN (2 * SESSION_RECORD_ROOM) /* a record of the greatest length behind some others */
#define OUT_MAX (SESSION_AHEAD + SESSION_RECORD_ROOM)

_Static_assert(BUFFER_MAX > LIMIT_FRAME + LENGTH, "a whole record fits the buffer");
_Static_assert(BUFFER_MIN > HANDSHAKE_M2, "M2 fits the buffer");
_Static_assert(FRAME_MAX + NOISE_TAG_SIZE <= LIMIT_FRAME, "a frame fits a record");

/* ---- opening and closing --------------------------------------------------------------------- */

/* Makes sure that there is an `out`: a large one if that much is queued. Only while it is empty. */
static bool out_grow(struct session *session) {
    CHECK(session->begin == session->end);
    const size_t queued = session->writer == NULL ? 0 : frame_writer_queued(session->writer);
    const size_t room = queued > LIMIT_FRAME_BODY ? OUT_MAX : OUT_MIN;
    if (session->out_room >= room) return true;
    uint8_t *out = malloc(room);
    if (out == NULL) return session->out != NULL;
    free(session->out);
    session->out = out;
    session->out_room = room;
    session->begin = session->end = 0;
    return true;
}

static void out_free(struct session *session) {
    free(session->out);
    session->out = NULL;
    session->out_room = session->begin = session->end = 0;
}

static void buffer_free(struct session *session) {
    free(session->buffer);
    session->buffer = NULL;
    session->room = session->taken = session->filled = 0;
}

static struct session *session_new(const struct handshake_self *self) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    session->self = self;
    session->ahead = SESSION_AHEAD;
    session->writer = frame_writer_open();
    session->reader = frame_reader_open();
    if (session->writer != NULL && session->reader != NULL && out_grow(session)) return session;
    session_close(session);
    return NULL;
}

static void stand(struct session *session) {
    struct handshake_keys keys;
    session->mode = session->handshake.mode;
    session->remote = session->handshake.remote;
    handshake_split(&session->handshake, &keys);
    session->send.cipher = keys.send;
    session->receive.cipher = keys.receive;
    memcpy(session->channel, keys.channel, sizeof session->channel);
    sodium_memzero(&keys, sizeof keys);
    session->state = SESSION_STANDS;
}

enum weft_status session_dial(const struct handshake_self *self,
                              const struct handshake_target *target, const uint8_t ephemeral[32],
                              struct session **out, struct weft_error *why) {
    struct session *session = session_new(self);
    if (session == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a session");
    enum weft_status status =
        handshake_dial(&session->handshake, self, target, ephemeral, session->out, why);
    session->end = HANDSHAKE_M1;
    if (status != WEFT_OK) {
        session_close(session);
        session = NULL;
    }
    *out = session;
    return status;
}

enum weft_status session_accept(const struct handshake_self *self, struct handshake *read,
                                const uint8_t ephemeral[32], struct session **out,
                                struct weft_error *why) {
    struct session *session = session_new(self);
    if (session == NULL) {
        handshake_wipe(read);
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a session");
    }
    session->handshake = *read;
    handshake_wipe(read);
    enum weft_status status =
        handshake_answer(&session->handshake, self, ephemeral, session->out, why);
    session->end = HANDSHAKE_M2;
    if (status == WEFT_OK) {
        stand(session);
    } else {
        session_close(session);
        session = NULL;
    }
    *out = session;
    return status;
}

void session_close(struct session *session) {
    if (session == NULL) return;
    frame_reader_close(session->reader);
    frame_writer_close(session->writer);
    buffer_free(session);
    out_free(session);
    sodium_memzero(session, sizeof *session);
    free(session);
}

bool session_stands(const struct session *session) {
    return session->state == SESSION_STANDS;
}

const struct handshake_remote *session_remote(const struct session *session) {
    CHECK(session->state != SESSION_DIALLED);
    return &session->remote;
}

const uint8_t *session_channel(const struct session *session) {
    CHECK(session->state != SESSION_DIALLED);
    return session->channel;
}

enum handshake_mode session_mode(const struct session *session) {
    CHECK(session->state != SESSION_DIALLED);
    return session->mode;
}

enum weft_status session_push(struct session *session, enum frame_lane lane, struct bytes message,
                              uint32_t raw_size, struct frame_owner owner, void *token) {
    if (session->out == NULL && !out_grow(session)) return WEFT_NO_MEMORY;
    return frame_writer_push(session->writer, lane, message, raw_size, owner, token);
}

size_t session_queued(const struct session *session) {
    return frame_writer_queued(session->writer);
}

bool session_idle(const struct session *session, enum frame_lane lane) {
    return frame_writer_idle(session->writer, lane);
}

void session_rekey(struct session *session) {
    session->rekey = session->state == SESSION_STANDS;
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool key_is_worn(const struct sealing *sealing) {
    return sealing->records >= LIMIT_REKEY_RECORDS - 1 ||
           sealing->bytes >= LIMIT_REKEY_BYTES - (LIMIT_FRAME + 1u);
}

static void count(struct sealing *sealing, size_t size) {
    sealing->records++;
    sealing->total++;
    sealing->bytes += size;
}

static void next_key(struct sealing *sealing) {
    noise_cipher_rekey(&sealing->cipher);
    sealing->records = sealing->bytes = 0;
}

/* Seals the frame of `size` bytes that lies at `record` + LENGTH; returns the record's size. */
static size_t seal(struct session *session, uint8_t *record, size_t size) {
    uint8_t *frame = record + LENGTH;
    enum weft_status status = noise_cipher_seal(&session->send.cipher, (struct bytes){NULL, 0},
                                                (struct bytes){frame, size}, frame, NULL);
    CHECK(status == WEFT_OK); /* 2^64 records are not sent in 24 hours. */
    store_u16(record, (uint16_t)(size + NOISE_TAG_SIZE));
    count(&session->send, size);
    return LENGTH + size + NOISE_TAG_SIZE;
}

static void fill(struct session *session) {
    session->begin = session->end = 0;
    if (session->state != SESSION_STANDS) return;
    if (session_queued(session) == 0 && !session->rekey && !key_is_worn(&session->send)) return;
    if (!out_grow(session)) return; /* Only a rekeying comes without: it can wait. */
    while (session->end < session->ahead &&
           session->out_room - session->end >= SESSION_RECORD_ROOM) {
        uint8_t *record = session->out + session->end;
        size_t size = 0;
        bool rekey = session->rekey || key_is_worn(&session->send);
        if (rekey) {
            static const uint8_t frame[FRAME_HEADER] = {TYPE_REKEY, 0, 0, 0};
            memcpy(record + LENGTH, frame, sizeof frame);
            size = sizeof frame;
        } else {
            size = frame_writer_next(session->writer, record + LENGTH, FRAME_MAX);
        }
        if (size == 0) break;
        session->end += seal(session, record, size);
        if (rekey) next_key(&session->send);
        if (rekey) session->rekey = false;
    }
}

struct bytes session_to_send(struct session *session) {
    CHECK(session->begin <= session->end && session->end <= session->out_room);
    if (session->begin == session->end) fill(session);
    if (session->begin == session->end) return (struct bytes){NULL, 0};
    return (struct bytes){session->out + session->begin, session->end - session->begin};
}

void session_set_ahead(struct session *session, size_t bytes) {
    CHECK(bytes > 0);
    session->ahead = bytes < SESSION_AHEAD ? bytes : SESSION_AHEAD;
}

void session_sent(struct session *session, size_t size) {
    CHECK(size <= session->end - session->begin);
    session->begin += size;
}

/* ---- receiving ------------------------------------------------------------------------------- */

enum weft_status session_room(struct session *session, uint8_t **out, size_t *size) {
    CHECK(session->taken <= session->filled && session->filled <= session->room);
    const size_t held = session->filled - session->taken;
    if (session->taken > 0 && session->room - session->filled < session->room / 2) {
        memmove(session->buffer, session->buffer + session->taken, held);
        session->taken = 0;
        session->filled = held;
    }
    if (session->filled == session->room) {
        /* A buffer that filled up is too small for this peer's records, or for its pace. */
        if (session->room == BUFFER_MAX) return WEFT_BUSY;
        const bool small = session->room == 0 && !session->long_in;
        const size_t room = small ? BUFFER_MIN : BUFFER_MAX;
        uint8_t *buffer = realloc(session->buffer, room);
        if (buffer == NULL) return WEFT_NO_MEMORY;
        session->buffer = buffer;
        session->room = room;
    }
    *out = session->buffer + session->filled;
    *size = session->room - session->filled;
    if (session->state == SESSION_DIALLED && *size > HANDSHAKE_M2 - held) {
        *size = HANDSHAKE_M2 - held; /* Invariant 1. */
    }
    return *size == 0 ? WEFT_BUSY : WEFT_OK;
}

void session_received(struct session *session, size_t size) {
    CHECK(size <= session->room - session->filled);
    session->filled += size;
    session->long_in = session->filled - session->taken >= BUFFER_MIN;
}

static enum weft_status take_answer(struct session *session, struct weft_error *why) {
    if (session->filled - session->taken < HANDSHAKE_M2) return WEFT_OK;
    enum weft_status status =
        handshake_finish(&session->handshake, session->self, session->buffer + session->taken, why);
    session->taken += HANDSHAKE_M2;
    if (status == WEFT_OK) stand(session);
    return status;
}

/* Opens the next whole record where it lies; `frame` is empty when there is none. */
static enum weft_status take_record(struct session *session, struct bytes *frame,
                                    struct weft_error *why) {
    const size_t held = session->filled - session->taken;
    *frame = (struct bytes){NULL, 0};
    if (held < LENGTH) return WEFT_OK;
    uint8_t *sealed = session->buffer + session->taken + LENGTH;
    const size_t size = load_u16(sealed - LENGTH);
    if (size < SEALED_MIN) {
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "a sealed record says it has %zu bytes, where %u is the least", size,
                           SEALED_MIN);
    }
    if (held < LENGTH + size) return WEFT_OK;
    if (session->receive.records >= LIMIT_REKEY_RECORDS ||
        session->receive.bytes >= LIMIT_REKEY_BYTES) {
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "the peer goes on with a key that it had to change after %u records or "
                           "%u bytes",
                           LIMIT_REKEY_RECORDS, LIMIT_REKEY_BYTES);
    }
    enum weft_status status = noise_cipher_open(&session->receive.cipher, (struct bytes){NULL, 0},
                                                (struct bytes){sealed, size}, sealed, why);
    if (status != WEFT_OK) return status;
    session->taken += LENGTH + size;
    *frame = (struct bytes){sealed, size - NOISE_TAG_SIZE};
    count(&session->receive, frame->size);
    return WEFT_OK;
}

enum weft_status session_next(struct session *session, struct frame_message *out, bool *got,
                              struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    *got = false;
    if (session->state == SESSION_BROKEN) {
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "an earlier record could not be read; the session has to be ended");
    }
    if (session->state == SESSION_DIALLED) status = take_answer(session, why);
    while (status == WEFT_OK && !*got && session->state == SESSION_STANDS) {
        struct bytes frame;
        status = take_record(session, &frame, why);
        if (status != WEFT_OK || frame.size == 0) break;
        if (frame.size == FRAME_HEADER && frame.data[0] == TYPE_REKEY) {
            next_key(&session->receive);
        } else {
            status = frame_reader_take(session->reader, frame, out, got, why);
        }
    }
    if (status != WEFT_OK) session->state = SESSION_BROKEN;
    return status;
}

void session_rest(struct session *session) {
    if (session->taken == session->filled) buffer_free(session);
    if (session->begin == session->end && session_queued(session) == 0) out_free(session);
}

bool session_spare(const struct session *session) {
    return frame_writer_spare(session->writer) || frame_reader_spare(session->reader);
}

void session_shrink(struct session *session) {
    frame_writer_shrink(session->writer);
    frame_reader_shrink(session->reader);
}

uint64_t session_records(const struct session *session, size_t *begun) {
    const size_t held = session->filled - session->taken;
    *begun = held;
    if (session->state == SESSION_STANDS && held >= LENGTH) {
        *begun = LENGTH + load_u16(session->buffer + session->taken);
    }
    return session->receive.total;
}
