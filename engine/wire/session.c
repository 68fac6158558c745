/* The clear session: the greeting, then frames as they are.
 *
 *        initiator                          responder
 *   GREETING ── "WFT1" 1 0 0 0 ─────────►   GREETING     silent until it has seen a greeting
 *   GREETING ◄───────── "WFT1" 1 0 0 0 ──   OPEN
 *   OPEN     ◄──────── frames ──────────►   OPEN
 *            another greeting ──►  STRANGER: nothing more is sent or read
 *
 * The initiator's frames follow its greeting without waiting for the answer. A frame that cannot be
 * read ends reading; what is queued, such as a last message that says why, can still be sent.
 * Invariants
 *   1. Before the peer's greeting is whole, eight bytes are all that is kept of what it sent.
 *   2. What is cut into frames is in `out` until the link took it; which lane is cut from is
 * decided frame by frame, when `out` is filled. Not here: keys, identities and sealing, which will
 * take this place; time limits, which are the peer actor's. */
#include "engine/wire/session.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define GREETING 8u
#define SESSION_VERSION 1u
#define MODE_MEMBER 0u
#define FRAME_ROOM (LIMIT_FRAME_BODY + FRAME_HEADER + 2 + 8)
#define OUT_FILL 65536u /* many small messages travel with one write; more gains nothing */

enum session_state { SESSION_GREETING, SESSION_OPEN, SESSION_STRANGER };

struct session {
    enum session_state state;
    bool initiator;
    bool greeted; /* our greeting has been put into `out` */
    uint8_t greeting[GREETING];
    size_t greeting_size; /* bytes of the peer's greeting so far */
    struct frame_writer *writer;
    struct frame_reader *reader;
    size_t begin, end; /* [begin, end) of `out` waits for the link */
    uint8_t out[OUT_FILL + FRAME_ROOM];
};

static const uint8_t greeting[GREETING] = {'W', 'F', 'T', '1', SESSION_VERSION, MODE_MEMBER, 0, 0};

struct session *session_open(bool initiator) {
    struct session *session = malloc(sizeof *session);
    if (session == NULL) return NULL;
    /* `out` is not cleared: pages that nobody writes to need not exist. */
    memset(session, 0, offsetof(struct session, out));
    session->initiator = initiator;
    session->writer = frame_writer_open();
    session->reader = frame_reader_open();
    if (session->writer == NULL || session->reader == NULL) goto close;
    return session;
close:
    session_close(session);
    return NULL;
}

void session_close(struct session *session) {
    if (session == NULL) return;
    frame_reader_close(session->reader);
    frame_writer_close(session->writer);
    free(session);
}

bool session_is_sealed(void) {
    return false;
}

enum weft_status session_push(struct session *session, enum frame_lane lane, struct bytes message,
                              uint32_t raw_size, struct frame_owner owner, void *token) {
    return frame_writer_push(session->writer, lane, message, raw_size, owner, token);
}

size_t session_queued(const struct session *session) {
    return frame_writer_queued(session->writer);
}

bool session_idle(const struct session *session, enum frame_lane lane) {
    return frame_writer_idle(session->writer, lane);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static void fill(struct session *session) {
    session->begin = session->end = 0;
    if (session->state == SESSION_STRANGER) return;
    if (session->state == SESSION_GREETING && !session->initiator) return;
    if (!session->greeted) {
        memcpy(session->out, greeting, GREETING);
        session->end = GREETING;
        session->greeted = true;
    }
    for (size_t size = 1; size > 0 && session->end < OUT_FILL; session->end += size)
        size = frame_writer_next(session->writer, session->out + session->end,
                                 sizeof session->out - session->end);
}

struct bytes session_to_send(struct session *session) {
    CHECK(session->begin <= session->end && session->end <= sizeof session->out);
    if (session->begin == session->end) fill(session);
    return (struct bytes){session->out + session->begin, session->end - session->begin};
}

void session_sent(struct session *session, size_t size) {
    CHECK(size <= session->end - session->begin);
    session->begin += size;
}

/* ---- receiving --------------------------------------------------------------------------------
 */

enum weft_status session_room(struct session *session, uint8_t **out, size_t *size) {
    if (session->state != SESSION_GREETING || session->greeting_size == GREETING)
        return frame_reader_room(session->reader, out, size);
    *out = session->greeting + session->greeting_size;
    *size = GREETING - session->greeting_size;
    return WEFT_OK;
}

void session_received(struct session *session, size_t size) {
    if (session->state != SESSION_GREETING || session->greeting_size == GREETING) {
        frame_reader_filled(session->reader, size);
        return;
    }
    CHECK(size <= GREETING - session->greeting_size);
    session->greeting_size += size;
}

/* Writes what a stranger sent so that a person can read it: other than printable ASCII is \xNN. */
static void excerpt(const uint8_t *data, size_t size, char out[4 * GREETING + 1]) {
    static const char digits[] = "0123456789abcdef";
    CHECK(size <= GREETING);
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0x20 && data[i] < 0x7f && data[i] != '\\') {
            *out++ = (char)data[i];
            continue;
        }
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[data[i] >> 4];
        *out++ = digits[data[i] & 15];
    }
    *out = '\0';
}

/* Judges what has arrived of the greeting; the first byte that differs decides. */
static enum weft_status judge_greeting(struct session *session, struct weft_error *why) {
    CHECK(session->greeting_size <= GREETING);
    const uint8_t *theirs = session->greeting;
    size_t same = 0;
    while (same < session->greeting_size && theirs[same] == greeting[same])
        same++;
    if (same == session->greeting_size) {
        if (same == GREETING) session->state = SESSION_OPEN;
        return WEFT_OK;
    }
    session->state = SESSION_STRANGER;
    char text[4 * GREETING + 1];
    excerpt(theirs, session->greeting_size, text);
    if (same == 4)
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "the peer greets with version %u of the session where this side speaks "
                           "version %u (it sent \"%s\"); install the same version on both sides",
                           theirs[4], SESSION_VERSION, text);
    return status_fail(why, WEFT_PROTOCOL, 0,
                       "what answers is no weft device of this version: its first bytes are "
                       "\"%s\" where \"WFT1\" and a member's greeting were expected; check the "
                       "address and the port",
                       text);
}

enum weft_status session_next(struct session *session, struct frame_message *out, bool *got,
                              struct weft_error *why) {
    *got = false;
    if (session->state == SESSION_GREETING) {
        const enum weft_status status = judge_greeting(session, why);
        if (status != WEFT_OK) return status;
    }
    if (session->state == SESSION_GREETING) return WEFT_OK;
    if (session->state == SESSION_STRANGER)
        return status_fail(why, WEFT_PROTOCOL, 0, "the peer is no weft device, as was said before");
    return frame_reader_next(session->reader, out, got, why);
}
