/* See sealed.h. */
#include "tests/lib/sealed.h"

#include "engine/base/check.h"
#include "engine/wire/session_private.h"

void sealed_dial(struct sealed *sealed) {
    struct meeting *meeting = &sealed->meeting;
    meeting_draw(meeting);
    sealed->ends[0] = sealed->ends[1] = NULL;
    const enum weft_status status =
        session_dial(&meeting->selves[INITIATOR], &meeting->target, meeting->ephemerals[INITIATOR],
                     &sealed->ends[INITIATOR], NULL);
    CHECK(status == WEFT_OK);
}

void sealed_answer(struct sealed *sealed) {
    struct meeting *meeting = &sealed->meeting;
    sealed_dial(sealed);
    const struct bytes m1 = session_to_send(sealed->ends[INITIATOR]);
    CHECK(m1.size == HANDSHAKE_M1);
    memcpy(meeting->m1, m1.data, m1.size);
    session_sent(sealed->ends[INITIATOR], m1.size);
    enum weft_status status = meeting_read(meeting, NULL);
    CHECK(status == WEFT_OK);
    status = session_accept(&meeting->selves[RESPONDER], &meeting->sides[RESPONDER],
                            meeting->ephemerals[RESPONDER], &sealed->ends[RESPONDER], NULL);
    CHECK(status == WEFT_OK);
}

void sealed_open(struct sealed *sealed) {
    struct frame_message message;
    bool got = false;
    sealed_answer(sealed);
    const size_t size = sealed_carry(sealed->ends[RESPONDER], sealed->ends[INITIATOR], SIZE_MAX);
    CHECK(size == HANDSHAKE_M2);
    const enum weft_status status = session_next(sealed->ends[INITIATOR], &message, &got, NULL);
    CHECK(status == WEFT_OK && !got);
    CHECK(session_stands(sealed->ends[INITIATOR]) && session_stands(sealed->ends[RESPONDER]));
}

void sealed_close(struct sealed *sealed) {
    session_close(sealed->ends[0]);
    session_close(sealed->ends[1]);
    sealed->ends[0] = sealed->ends[1] = NULL;
}

size_t sealed_carry(struct session *from, struct session *to, size_t most) {
    const struct bytes waiting = session_to_send(from);
    uint8_t *place = NULL;
    size_t room = 0;
    if (waiting.size == 0 || session_room(to, &place, &room) != WEFT_OK) return 0;
    size_t part = waiting.size < room ? waiting.size : room;
    if (part > most) part = most;
    memcpy(place, waiting.data, part);
    session_received(to, part);
    session_sent(from, part);
    return part;
}

void sealed_give(struct session *session, const void *data, size_t size) {
    const uint8_t *from = data;
    while (size > 0) {
        uint8_t *place = NULL;
        size_t room = 0;
        const enum weft_status status = session_room(session, &place, &room);
        CHECK(status == WEFT_OK && room > 0);
        const size_t part = size < room ? size : room;
        memcpy(place, from, part);
        session_received(session, part);
        from += part;
        size -= part;
    }
}

size_t sealed_record(struct session *session, struct bytes frame, uint8_t *out) {
    CHECK(session->state == SESSION_STANDS && session->begin == session->end);
    CHECK(frame.size + NOISE_TAG_SIZE <= LIMIT_FRAME);
    const enum weft_status status = noise_cipher_seal(
        &session->send.cipher, (struct bytes){NULL, 0}, frame, out + SESSION_LENGTH, NULL);
    CHECK(status == WEFT_OK);
    store_u16(out, (uint16_t)(frame.size + NOISE_TAG_SIZE));
    session->send.records++;
    session->send.total++;
    session->send.bytes += frame.size;
    return SESSION_LENGTH + frame.size + NOISE_TAG_SIZE;
}
