/* Frames: cutting queued messages into fragments, and gathering them again.
 *
 *   writer    control  ▣▣                 reader
 *             shared                      one frame, one message: used where it lies
 *             live     ▣                  else copied behind its lane's earlier fragments
 *             backfill ▣▣▣▣▣▣
 *                │ most urgent first      lane: ▣▣▣▣▣▣▣▣▢▢▢▢   wire_len
 *                ▼ one fragment at a time
 *             ───▣─▣─▣─▣───►
 *
 * Invariants
 *   1. A lane's messages keep their order, and at most one of a lane is under way.
 *   2. A lane that has something is passed over FRAME_PASSES times at most.
 *   3. Each fragment carries at least one byte of its message, so that bytes always buy progress.
 *   4. A reader holds at most LANE_COUNT × LIMIT_MESSAGE_WIRE bytes, and of these only about twice
 *      what the peer has really sent.
 * Not here: compression (zip.h; raw_len is passed on), sealing and the stream of bytes (session.h),
 * credit. */
#include "engine/wire/frame.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define QUEUE_MIN 4u

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
    uint32_t passed[LANE_COUNT]; /* frames of more urgent lanes since the lane could have gone */
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

bool frame_writer_spare(const struct frame_writer *writer) {
    bool spare = false;
    for (unsigned l = 0; l < LANE_COUNT; l++)
        spare = spare || (writer->lanes[l].count == 0 && writer->lanes[l].room > QUEUE_MIN);
    return spare;
}

void frame_writer_shrink(struct frame_writer *writer) {
    for (unsigned l = 0; l < LANE_COUNT; l++) {
        if (writer->lanes[l].count != 0 || writer->lanes[l].room <= QUEUE_MIN) continue;
        free(writer->lanes[l].items);
        writer->lanes[l] = (struct queue){0};
    }
}

/* The lane of the next frame: the most urgent that has something, or a less urgent one that was
 * passed over so often that it would starve. LANE_COUNT: none. */
static unsigned next_lane(struct frame_writer *writer) {
    unsigned lane = LANE_COUNT;
    for (unsigned l = LANE_COUNT; l-- > 0;) {
        if (writer->lanes[l].count == 0) continue;
        const bool starves = lane != LANE_COUNT && writer->passed[lane] >= FRAME_PASSES;
        if (!starves) lane = l;
    }
    if (lane == LANE_COUNT) return lane;
    writer->passed[lane] = 0;
    for (unsigned l = lane + 1; l < LANE_COUNT; l++)
        writer->passed[l] = writer->lanes[l].count == 0 ? 0 : writer->passed[l] + 1;
    return lane;
}

size_t frame_writer_next(struct frame_writer *writer, uint8_t *out, size_t room) {
    CHECK(room >= FRAME_MAX);
    const unsigned lane = next_lane(writer);
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
        at += FRAME_PREFIX;
    }
    memcpy(at, item->message.data + queue->sent, part);
    at += part;
    out[0] = FRAME_TYPE_MESSAGE;
    out[1] = part < left ? FRAME_FLAG_MORE : 0;
    out[2] = (uint8_t)lane;
    out[3] = 0;
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
    struct gathering lanes[LANE_COUNT];
    bool broken;
};

/* One frame, taken apart. */
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
    free(reader);
}

bool frame_reader_spare(const struct frame_reader *reader) {
    bool spare = false;
    for (unsigned l = 0; l < LANE_COUNT; l++)
        spare = spare || (reader->lanes[l].wire == 0 && reader->lanes[l].room != 0);
    return spare;
}

void frame_reader_shrink(struct frame_reader *reader) {
    for (unsigned l = 0; l < LANE_COUNT; l++) {
        if (reader->lanes[l].wire != 0) continue;
        free(reader->lanes[l].data);
        reader->lanes[l] = (struct gathering){0};
    }
}

static enum weft_status refuse(struct frame_reader *reader, struct weft_error *why,
                               const char *what, uint64_t given, const char *allowed) {
    reader->broken = true;
    return status_fail(why, WEFT_PROTOCOL, 0,
                       "a frame cannot be read: %s is %llu where %s is allowed; the peer is at "
                       "fault or speaks another version, so the session ends",
                       what, (unsigned long long)given, allowed);
}

/* Judges the header of a frame. */
static enum weft_status split_frame(struct frame_reader *reader, struct bytes frame,
                                    struct fragment *out, struct weft_error *why) {
    if (frame.size < FRAME_HEADER) return refuse(reader, why, "its size", frame.size, "4 or more");
    const uint8_t type = frame.data[0], flags = frame.data[1];
    const uint8_t lane = frame.data[2], reserved = frame.data[3];
    if (type != FRAME_TYPE_MESSAGE) return refuse(reader, why, "its type", type, "1 (message)");
    if ((flags & ~FRAME_FLAG_MORE) != 0) return refuse(reader, why, "flags", flags, "0 or 1");
    if (lane >= LANE_COUNT) return refuse(reader, why, "its lane", lane, "0 to 3");
    if (reserved != 0) return refuse(reader, why, "its reserved byte", reserved, "0");
    const size_t prefix = reader->lanes[lane].wire == 0 ? FRAME_PREFIX : 0;
    if (frame.size <= FRAME_HEADER + prefix) {
        return refuse(reader, why, "its size", frame.size,
                      prefix != 0 ? "13 or more" : "5 or more");
    }
    out->body = (struct bytes){frame.data + FRAME_HEADER, frame.size - FRAME_HEADER};
    out->lane = (enum frame_lane)lane;
    out->more = (flags & FRAME_FLAG_MORE) != 0;
    return WEFT_OK;
}

/* Reads the prefix of a first fragment and begins the lane's message. */
static enum weft_status begin_message(struct frame_reader *reader, struct fragment *fragment,
                                      struct weft_error *why) {
    struct gathering *lane = &reader->lanes[fragment->lane];
    CHECK(lane->wire == 0 && fragment->body.size > FRAME_PREFIX);
    const uint32_t wire = load_u32(fragment->body.data);
    const uint32_t raw = load_u32(fragment->body.data + 4);
    fragment->body.data += FRAME_PREFIX;
    fragment->body.size -= FRAME_PREFIX;
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

enum weft_status frame_reader_take(struct frame_reader *reader, struct bytes frame,
                                   struct frame_message *out, bool *got, struct weft_error *why) {
    struct fragment fragment = {0};
    *got = false;
    if (reader->broken) {
        return status_fail(why, WEFT_PROTOCOL, 0,
                           "an earlier frame could not be read; the session has to be ended");
    }
    enum weft_status status = split_frame(reader, frame, &fragment, why);
    if (status == WEFT_OK) status = take_fragment(reader, &fragment, out, got, why);
    if (status != WEFT_OK) {
        reader->broken = true;
        *got = false;
    }
    return status;
}
