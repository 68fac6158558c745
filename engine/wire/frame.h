/* Frames: messages cut into fragments, four lanes interleaved on one byte stream.
 *
 *   hello  := "WFT1" | version u8 | mode u8 | 0 u8 | 0 u8        each side's first eight bytes
 *   frame  := len u16 | type u8 | flags u8 | lane u8 | reserved u8 | body     len: what follows it
 *   first fragment's body := wire_len u32 | raw_len u32 | bytes ; raw_len 0: not compressed
 *   flags  := MORE 1 (the message goes on in the lane's next frame)
 *
 * Lanes, in order of urgency: control, shared, live rows, backfill rows. A frame of a more urgent
 * lane goes between the fragments of a less urgent one. Little-endian throughout.
 * Source: docs/protocol.md, section "Frames". The session (session.h) carries what this makes. */
#ifndef WEFT_WIRE_FRAME_H
#define WEFT_WIRE_FRAME_H

#include "engine/base/arena.h"
#include "engine/base/limits.h"

enum frame_lane { LANE_CONTROL, LANE_SHARED, LANE_LIVE, LANE_BACKFILL, LANE_COUNT };

#define FRAME_HEADER 6u
#define FRAME_FLAG_MORE 1u

struct frame_writer; /* messages queued by lane, borrowed until written */
struct frame_reader; /* fragments gathered by lane */

/* Called when a queued message is no longer needed: written whole, or the writer closed. */
struct frame_owner {
    void (*release)(void *token);
};

struct frame_writer *frame_writer_open(void);
/* Releases what is queued. */
void frame_writer_close(struct frame_writer *writer);
/* Queues a message; its bytes stay borrowed until `owner.release(token)` (release may be NULL).
 * Errors: WEFT_NO_MEMORY. */
enum weft_status frame_writer_push(struct frame_writer *writer, enum frame_lane lane,
                                   struct bytes message, uint32_t raw_size,
                                   struct frame_owner owner, void *token);
/* Bytes queued in all lanes and not yet cut into frames. */
size_t frame_writer_queued(const struct frame_writer *writer);
/* Whether a lane has nothing left to be cut: what is pushed now cannot overtake anything of it. */
bool frame_writer_idle(const struct frame_writer *writer, enum frame_lane lane);
/* Cuts the next frame, of the most urgent lane that has something, into `out` (LIMIT_FRAME_BODY +
 * FRAME_HEADER + 2 + 8 bytes of room); returns its size, 0 when nothing is queued. */
size_t frame_writer_next(struct frame_writer *writer, uint8_t *out, size_t room);

struct frame_message {
    struct bytes body; /* in the reader; valid until the next call on it */
    uint32_t raw_size; /* 0: not compressed */
    enum frame_lane lane;
};

struct frame_reader *frame_reader_open(void);
void frame_reader_close(struct frame_reader *reader);
/* Room for received bytes: fills `*out` with a place of at least 1 byte. Errors: WEFT_NO_MEMORY;
 * WEFT_BUSY (whole messages wait in it: take them with frame_reader_next() first). */
enum weft_status frame_reader_room(struct frame_reader *reader, uint8_t **out, size_t *size);
/* Says that `size` bytes were written there. */
void frame_reader_filled(struct frame_reader *reader, size_t size);
/* Takes the next whole message. `*got` is false when more bytes are needed.
 * Errors: WEFT_PROTOCOL (`why` says what), WEFT_NO_MEMORY. After one the stream is unusable. */
enum weft_status frame_reader_next(struct frame_reader *reader, struct frame_message *out,
                                   bool *got, struct weft_error *why);

#endif
