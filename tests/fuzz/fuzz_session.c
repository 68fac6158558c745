/* Fuzzes the session, outside of its seal and inside: only what the peer has sealed is opened, in
 * the order in which it did; and whatever lies in it, no more is kept or made of it than the limits
 * allow.
 *
 *   input := mode u8 | bytes
 *     0 bytes come to one who has dialled and not been answered
 *     1 bytes come to one that stands
 *     2 bytes are frames (size u16 | frame, fewer if the input ends), which the peer seals as they
 *       are
 *     3 bytes are steps (what u8 | where u8): what happens to records on their way, one a step
 * All but the steps come in pieces of a size that the first byte gives. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/wire/message.h"
#include "tests/lib/sealed.h"

#define FRAMES_MAX 512u
#define STEPS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A digest of all messages (FNV-1a, 64 bits). */
struct heard {
    uint64_t hash;
    uint32_t messages;
    bool broken;
};

static void mix(struct heard *heard, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        heard->hash = (heard->hash ^ bytes[i]) * 0x100000001b3u;
}

/* What is done with a message of the lanes that are not rows. */
static void unpack(struct bytes body) {
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct arena arena;
    Weft__Wire__Wire *wire;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    (void)message_unpack(body, &arena, &wire, NULL);
    arena_drop(&arena);
    pool_close(pool);
}

static void hear_message(struct heard *heard, const struct frame_message *message) {
    CHECK(message->body.size >= 1 && message->body.size <= LIMIT_MESSAGE_WIRE);
    CHECK(message->raw_size <= LIMIT_MESSAGE_RAW && message->lane < LANE_COUNT);
    CHECK(message->raw_size <= message->body.size * LIMIT_RATIO);
    mix(heard, &message->lane, sizeof message->lane);
    mix(heard, &message->raw_size, sizeof message->raw_size);
    mix(heard, message->body.data, message->body.size);
    heard->messages++;
}

static void hear(struct session *session, struct heard *heard, bool look) {
    struct frame_message message;
    struct weft_error why;
    bool got = true;
    while (got) {
        const enum weft_status status = session_next(session, &message, &got, &why);
        CHECK(status == WEFT_OK || !got);
        CHECK(status == WEFT_OK || status == WEFT_PROTOCOL || status == WEFT_DENIED);
        if (status != WEFT_OK) {
            CHECK(!session_stands(session));
            heard->broken = true;
        }
        if (got) hear_message(heard, &message);
        if (got && look && message.lane <= LANE_SHARED && message.raw_size == 0)
            unpack(message.body);
    }
}

/* Gives bytes in pieces, and listens after each. */
static void give(struct session *session, const uint8_t *data, size_t size, size_t piece,
                 struct heard *heard) {
    while (size > 0 && !heard->broken) {
        uint8_t *place;
        size_t room, part = size < piece ? size : piece;
        const enum weft_status status = session_room(session, &place, &room);
        CHECK(status == WEFT_OK); /* Nothing whole is left in it. */
        if (part > room) part = room;
        memcpy(place, data, part);
        session_received(session, part);
        hear(session, heard, true);
        data += part;
        size -= part;
    }
}

static void fuzz_dialled(const uint8_t *data, size_t size, size_t piece) {
    struct sealed sealed;
    struct heard heard = {0};
    sealed_answer(&sealed);
    const struct bytes genuine = session_to_send(sealed.ends[RESPONDER]);
    CHECK(genuine.size == HANDSHAKE_M2);
    const bool same = size >= HANDSHAKE_M2 && memcmp(data, genuine.data, HANDSHAKE_M2) == 0;
    give(sealed.ends[INITIATOR], data, size, piece, &heard);
    CHECK(session_stands(sealed.ends[INITIATOR]) == (same && !heard.broken));
    CHECK(heard.broken || same || size < HANDSHAKE_M2);
    if (!same) CHECK(session_to_send(sealed.ends[INITIATOR]).size == 0);
    CHECK(heard.messages == 0);
    sealed_close(&sealed);
}

static void fuzz_stands(const uint8_t *data, size_t size, size_t piece) {
    struct sealed sealed;
    struct heard heard = {0};
    sealed_open(&sealed);
    give(sealed.ends[RESPONDER], data, size, piece, &heard);
    CHECK(heard.messages == 0); /* Nobody sealed one. */
    sealed_close(&sealed);
}

/* What the same frames say to a frame reader, without a session around it. */
static bool expect(struct frame_reader *reader, struct bytes frame, struct heard *expected) {
    struct frame_message message;
    bool got = false;
    if (frame.size == FRAME_HEADER && frame.data[0] == 2) return true; /* The key changes. */
    const enum weft_status status = frame_reader_take(reader, frame, &message, &got, NULL);
    if (got) hear_message(expected, &message);
    return status == WEFT_OK;
}

/* Seals a frame as the peer would: a rekeying one is followed by the next key. */
static size_t seal(struct session *session, struct bytes frame, uint8_t *record) {
    if (frame.size != FRAME_HEADER || frame.data[0] != 2)
        return sealed_record(session, frame, record);
    session_rekey(session);
    const struct bytes out = session_to_send(session);
    memcpy(record, out.data, out.size);
    session_sent(session, out.size);
    return out.size;
}

static void fuzz_frames(const uint8_t *data, size_t size, size_t piece) {
    struct sealed sealed;
    struct heard heard = {0}, expected = {0};
    struct frame_reader *reader = frame_reader_open();
    uint8_t *record = malloc(SEALED_ROOM);
    CHECK(reader != NULL && record != NULL);
    sealed_open(&sealed);
    for (unsigned count = 0; size >= 2 && count < FRAMES_MAX && !expected.broken; count++) {
        size_t length = load_u16(data);
        if (length > size - 2) length = size - 2;
        if (length > LIMIT_FRAME - NOISE_TAG_SIZE) length = LIMIT_FRAME - NOISE_TAG_SIZE;
        struct bytes frame = {data + 2, length};
        /* The header of a rekeying frame counts no further than its type. */
        static const uint8_t rekey[FRAME_HEADER] = {2};
        if (length == FRAME_HEADER && frame.data[0] == 2) frame.data = rekey;
        const size_t sealed_size = seal(sealed.ends[INITIATOR], frame, record);
        expected.broken = length < FRAME_HEADER || !expect(reader, frame, &expected);
        give(sealed.ends[RESPONDER], record, sealed_size, piece, &heard);
        CHECK(heard.broken == expected.broken);
        data += 2 + length;
        size -= 2 + length;
    }
    CHECK(heard.hash == expected.hash && heard.messages == expected.messages);
    free(record);
    frame_reader_close(reader);
    sealed_close(&sealed);
}

/* Records on their way: each says its number. */
struct way {
    struct sealed sealed;
    uint8_t records[STEPS][64];
    size_t sizes[STEPS];
    uint64_t expected; /* the record that must come next */
    bool meddled;
};

static void seal_steps(struct way *way) {
    for (uint8_t i = 0; i < STEPS; i++) {
        const uint8_t rekey[FRAME_HEADER] = {2};
        uint8_t frame[FRAME_HEADER + FRAME_PREFIX + 1] = {1, 0, LANE_LIVE, 0, 1};
        frame[FRAME_HEADER + FRAME_PREFIX] = i;
        const struct bytes bytes =
            i % 8 == 7 ? (struct bytes){rekey, sizeof rekey} : (struct bytes){frame, sizeof frame};
        way->sizes[i] = seal(way->sealed.ends[INITIATOR], bytes, way->records[i]);
        CHECK(way->sizes[i] <= sizeof way->records[i]);
    }
}

/* One record comes: `what` 0 and 1 the next one, 2 any, 3 the next one with a bit flipped, 4 cut.
 */
static void step(struct way *way, uint8_t what, uint8_t where, struct heard *heard) {
    uint8_t record[64];
    const size_t at = what % 5 == 2 ? where % STEPS : way->expected;
    if (at >= STEPS) return;
    size_t size = way->sizes[at];
    memcpy(record, way->records[at], size);
    if (what % 5 == 3) record[2 + where % (size - 2)] ^= (uint8_t)(1u << where / 32);
    if (what % 5 == 4) size = 1 + where % (size - 1);
    const bool genuine = what % 5 < 3 && at == way->expected, before = way->meddled;
    const uint32_t messages = heard->messages;
    give(way->sealed.ends[RESPONDER], record, size, size, heard);
    way->meddled = before || !genuine;
    CHECK(heard->messages == messages + (!way->meddled && at % 8 != 7));
    CHECK(way->meddled || !heard->broken);
    /* A cut record swallows what follows it; all else is seen at once. */
    CHECK(genuine || before || what % 5 == 4 || heard->broken);
    if (!way->meddled) way->expected++;
}

static void fuzz_steps(const uint8_t *data, size_t size) {
    struct way way = {.expected = 0};
    struct heard heard = {0};
    sealed_open(&way.sealed);
    seal_steps(&way);
    for (size_t i = 0; i + 2 <= size && !heard.broken; i += 2)
        step(&way, data[i], data[i + 1], &heard);
    sealed_close(&way.sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const uint8_t mode = data[0] % 4;
    const size_t piece = data[0] < 4 ? SIZE_MAX : data[0];
    data++;
    size--;
    if (mode == 0) fuzz_dialled(data, size, piece);
    if (mode == 1) fuzz_stands(data, size, piece);
    if (mode == 2) fuzz_frames(data, size, piece);
    if (mode == 3) fuzz_steps(data, size);
    return 0;
}
