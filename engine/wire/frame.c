/* Frames: cutting queued messages into fragments, and gathering them again.
 *
 *   writer    control  ▣▣        reader   ┌───────────── buffer ─────────────┐
 *             shared                      │ taken │ whole frames │ part │    │
 *             live     ▣                  └───────┴──────┬───────┴──────┴────┘
 *             backfill ▣▣▣▣▣▣                 one frame, one message: used where it lies
 *                │ most urgent first                     │ else copied behind its lane's
 *                ▼ one fragment at a time                ▼ earlier fragments
 *             ───▣─▣─▣─▣───►                lane: ▣▣▣▣▣▣▣▣▢▢▢▢   wire_len
 *
 * Invariants
 *   1. A lane's messages keep their order, and at most one of a lane is under way.
 *   2. Each fragment carries at least one byte of its message, so that bytes always buy progress.
 *   3. A reader holds at most BUFFER_MAX + LANE_COUNT × LIMIT_MESSAGE_WIRE bytes, and of these only
 *      about twice what the peer has really sent.
 *   4. A frame's header is judged as soon as it is there, its prefix before room is made for it.
 * Not here: compression (zip.h; raw_len is passed on), the greeting (session.h), credit. */
#include "engine/wire/frame.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define TYPE_MESSAGE 1u
#define AFTER_LEN 4u /* type, flags, lane, reserved: counted by len */
#define PREFIX 8u    /* wire_len, raw_len */
#define BUFFER_MIN 4096u
#define BUFFER_MAX 131072u /* a frame of the greatest length, and room to read on behind it */
#define QUEUE_MIN 16u

_Static_assert(BUFFER_MAX > LIMIT_FRAME + 2, "a whole frame fits the buffer");
_Static_assert(AFTER_LEN + PREFIX + LIMIT_FRAME_BODY <= LIMIT_FRAME, "a fragment fits a frame");

/* ---- the writer -------------------------------------------------------------------------------
 */

struct queued {
    struct bytes message;
    uint32_t raw_size;
    struct frame_owner owner;
    void *token;
};

/* A ring of messages; of the first one, `sent` bytes have been cut. */
struct queue {
    struct queued *items;
    uint32_t room; /* a power of two, or 0 */
    uint32_t first, count;
    size_t sent;
};

struct frame_writer {
    struct queue lanes[LANE_COUNT];
    size_t queued;
};

struct frame_writer *frame_writer_open(void) {
    return calloc(1, sizeof(struct frame_writer));
}

static void queue_release_first(struct queue *queue) {
    CHECK(queue->count > 0);
    const struct queued item = queue->items[queue->first];
    queue->first = (queue->first + 1) & (queue->room - 1);
    queue->count--;
    queue->sent = 0;
    if (item.owner.release != NULL) item.owner.release(item.token);
}

void frame_writer_close(struct frame_writer *writer) {
    if (writer == NULL) return;
    for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
        while (writer->lanes[lane].count > 0)
            queue_release_first(&writer->lanes[lane]);
        free(writer->lanes[lane].items);
    }
    free(writer);
}

static bool queue_grow(struct queue *queue) {
    const uint32_t room = queue->room == 0 ? QUEUE_MIN : queue->room * 2;
    struct queued *items = calloc(room, sizeof *items);
    if (items == NULL) return false;
    for (uint32_t i = 0; i < queue->count; i++)
        items[i] = queue->items[(queue->first + i) & (queue->room - 1)];
    free(queue->items);
    queue->items = items;
    queue->room = room;
    queue->first = 0;
    return true;
}

enum weft_status frame_writer_push(struct frame_writer *writer, enum frame_lane lane,
                                   struct bytes message, uint32_t raw_size,
                                   struct frame_owner owner, void *token) {
    CHECK((unsigned)lane < LANE_COUNT);
    CHECK(message.size > 0 && message.size <= LIMIT_MESSAGE_WIRE);
    CHECK(raw_size <= LIMIT_MESSAGE_RAW && raw_size <= message.size * LIMIT_RATIO);
    struct queue *queue = &writer->lanes[lane];
    if (queue->count == queue->room && !queue_grow(queue)) return WEFT_NO_MEMORY;
    queue->items[(queue->first + queue->count++) & (queue->room - 1)] =
        (struct queued){message, raw_size, owner, token};
    writer->queued += message.size;
    return WEFT_OK;
}

size_t frame_writer_queued(const struct frame_writer *writer) {
    return writer->queued;
}

bool frame_writer_idle(const struct frame_writer *writer, enum frame_lane lane) {
    CHECK(lane < LANE_COUNT);
    return writer->lanes[lane].count == 0;
}

size_t frame_writer_next(struct frame_writer *writer, uint8_t *out, size_t room) {
    CHECK(room >= FRAME_HEADER + PREFIX + LIMIT_FRAME_BODY);
    unsigned lane = 0;
    while (lane < LANE_COUNT && writer->lanes[lane].count == 0)
        lane++;
    if (lane == LANE_COUNT) return 0;
    struct queue *queue = &writer->lanes[lane];
    const struct queued *item = &queue->items[queue->first];
    const size_t left = item->message.size - queue->sent;
    const size_t part = left < LIMIT_FRAME_BODY ? left : LIMIT_FRAME_BODY;
    CHECK(part > 0 && part <= writer->queued);
    uint8_t *at = out + FRAME_HEADER;
    if (queue->sent == 0) {
        store_u32(at, (uint32_t)item->message.size);
        store_u32(at + 4, item->raw_size);
        at += PREFIX;
    }
    memcpy(at, item->message.data + queue->sent, part);
    at += part;
    store_u16(out, (uint16_t)(at - out - 2));
    out[2] = TYPE_MESSAGE;
    out[3] = part < left ? FRAME_FLAG_MORE : 0;
    out[4] = (uint8_t)lane;
    out[5] = 0;
    queue->sent += part;
    writer->queued -= part;
    if (part == left) queue_release_first(queue);
    return (size_t)(at - out);
}

/* ---- the reader -------------------------------------------------------------------------------
 */

/* The message under way in a lane; `wire` is 0 when there is none. */
struct gathering {
    uint8_t *data; /* kept for the lane's next message */
    size_t room, size;
    uint32_t wire, raw;
};

struct frame_reader {
    uint8_t *buffer;
    size_t room, begin, end; /* [begin, end) is received and not yet taken */
    struct gathering lanes[LANE_COUNT];
    bool broken;
};

/* One frame in the buffer. */
struct fragment {
    struct bytes body;
    enum frame_lane lane;
    bool more;
};

struct frame_reader *frame_reader_open(void) {
    return calloc(1, sizeof(struct frame_reader));
}

void frame_reader_close(struct frame_reader *reader) {
    if (reader == NULL) return;
    for (unsigned lane = 0; lane < LANE_COUNT; lane++)
        free(reader->lanes[lane].data);
    free(reader->buffer);
    free(reader);
}

enum weft_status frame_reader_room(struct frame_reader *reader, uint8_t **out, size_t *size) {
    CHECK(reader->begin <= reader->end && reader->end <= reader->room);
    const size_t held = reader->end - reader->begin;
    if (reader->begin > 0 && reader->room - reader->end < reader->room / 2) {
        memmove(reader->buffer, reader->buffer + reader->begin, held);
        reader->begin = 0;
        reader->end = held;
    }
    if (reader->end == reader->room) {
        /* A buffer that filled up is too small for this peer's frames, or for its pace. */
        if (reader->room == BUFFER_MAX) return WEFT_BUSY;
        const size_t room = reader->room == 0 ? BUFFER_MIN : BUFFER_MAX;
        uint8_t *buffer = realloc(reader->buffer, room);
        if (buffer == NULL) return WEFT_NO_MEMORY;
        reader->buffer = buffer;
        reader->room = room;
    }
    *out = reader->buffer + reader->end;
    *size = reader->room - reader->end;
    return WEFT_OK;
}

void frame_reader_filled(struct frame_reader *reader, size_t size) {
    CHECK(size <= reader->room - reader->end);
    reader->end += size;
}

static enum weft_status refuse(struct frame_reader *reader, struct weft_error *why,
                               const char *what, uint64_t given, const char *allowed) {
    reader->broken = true;
    return status_fail(why, WEFT_PROTOCOL, 0,
                       "a frame cannot be read: %s is %llu where %s is allowed; the peer is at "
                       "fault or speaks another version, so the session ends",
                       what, (unsigned long long)given, allowed);
}

/* Judges the header of the frame that begins the buffer and, when it is there whole, takes it. */
static enum weft_status take_frame(struct frame_reader *reader, struct fragment *out, bool *got,
                                   struct weft_error *why) {
    const size_t held = reader->end - reader->begin;
    *got = false;
    if (held < FRAME_HEADER) return WEFT_OK;
    const uint8_t *frame = reader->buffer + reader->begin;
    const uint16_t len = load_u16(frame);
    const uint8_t type = frame[2], flags = frame[3], lane = frame[4], reserved = frame[5];
    if (type != TYPE_MESSAGE) return refuse(reader, why, "its type", type, "1 (message)");
    if ((flags & ~FRAME_FLAG_MORE) != 0) return refuse(reader, why, "flags", flags, "0 or 1");
    if (lane >= LANE_COUNT) return refuse(reader, why, "its lane", lane, "0 to 3");
    if (reserved != 0) return refuse(reader, why, "its reserved byte", reserved, "0");
    const unsigned prefix = reader->lanes[lane].wire == 0 ? PREFIX : 0;
    if (len <= AFTER_LEN + prefix)
        return refuse(reader, why, "its length", len, prefix != 0 ? "13 or more" : "5 or more");
    if (held < (size_t)len + 2) return WEFT_OK;
    out->body = (struct bytes){frame + FRAME_HEADER, len - AFTER_LEN};
    out->lane = (enum frame_lane)lane;
    out->more = (flags & FRAME_FLAG_MORE) != 0;
    reader->begin += (size_t)len + 2;
    *got = true;
    return WEFT_OK;
}

/* Reads the prefix of a first fragment and begins the lane's message. */
static enum weft_status begin_message(struct frame_reader *reader, struct fragment *fragment,
                                      struct weft_error *why) {
    struct gathering *lane = &reader->lanes[fragment->lane];
    CHECK(lane->wire == 0 && fragment->body.size > PREFIX);
    const uint32_t wire = load_u32(fragment->body.data);
    const uint32_t raw = load_u32(fragment->body.data + 4);
    fragment->body.data += PREFIX;
    fragment->body.size -= PREFIX;
    if (wire == 0 || wire > LIMIT_MESSAGE_WIRE)
        return refuse(reader, why, "a message's size", wire, "1 to 1048576");
    if (raw > LIMIT_MESSAGE_RAW)
        return refuse(reader, why, "a message's unpacked size", raw, "up to 4194304");
    if (raw > (uint64_t)wire * LIMIT_RATIO)
        return refuse(reader, why, "a message's unpacked size", raw, "64 times its size");
    lane->wire = wire;
    lane->raw = raw;
    lane->size = 0;
    return WEFT_OK;
}

static enum weft_status append(struct gathering *lane, struct bytes body) {
    const size_t size = lane->size + body.size;
    CHECK(size <= lane->wire);
    if (size > lane->room) {
        size_t room = size * 2 < lane->wire ? size * 2 : lane->wire;
        uint8_t *data = realloc(lane->data, room);
        if (data == NULL) return WEFT_NO_MEMORY;
        lane->data = data;
        lane->room = room;
    }
    memcpy(lane->data + lane->size, body.data, body.size);
    lane->size = size;
    return WEFT_OK;
}

/* Takes one frame into its lane; `*got` says whether that completed a message. */
static enum weft_status take_fragment(struct frame_reader *reader, struct fragment *fragment,
                                      struct frame_message *out, bool *got,
                                      struct weft_error *why) {
    struct gathering *lane = &reader->lanes[fragment->lane];
    const bool first = lane->wire == 0;
    enum weft_status status = WEFT_OK;
    if (first) status = begin_message(reader, fragment, why);
    if (status != WEFT_OK) return status;
    const size_t left = lane->wire - lane->size;
    if (fragment->body.size > left)
        return refuse(reader, why, "the size of a fragment", fragment->body.size,
                      "what is left of its message");
    if (fragment->more == (fragment->body.size == left))
        return refuse(reader, why, "the MORE flag of a fragment", fragment->more,
                      "the opposite, by the size of its message,");
    *got = !fragment->more;
    *out = (struct frame_message){fragment->body, lane->raw, fragment->lane};
    if (!first || fragment->more) {
        status = append(lane, fragment->body);
        out->body = (struct bytes){lane->data, lane->size};
    }
    if (*got) lane->wire = 0;
    return status;
}

enum weft_status frame_reader_next(struct frame_reader *reader, struct frame_message *out,
                                   bool *got, struct weft_error *why) {
    *got = false;
    if (reader->broken)
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "an earlier frame could not be read; the "
                           "session has to be ended");
    for (;;) {
        struct fragment fragment;
        bool whole;
        enum weft_status status = take_frame(reader, &fragment, &whole, why);
        if (status != WEFT_OK || !whole) return status;
        status = take_fragment(reader, &fragment, out, got, why);
        if (status != WEFT_OK) reader->broken = true;
        if (status != WEFT_OK || *got) return status;
    }
}
