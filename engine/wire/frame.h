/* Frames: messages cut into fragments, four lanes interleaved on one stream of records.
 *
 *   frame  := type u8 | flags u8 | lane u8 | reserved u8 | body
 *   first fragment's body := wire_len u32 | raw_len u32 | bytes ; raw_len 0: not compressed
 *   type   := 1 (message)          flags := MORE 1 (the message goes on in the lane's next frame)
 *
 * Lanes, in order of urgency: control, shared, live rows, backfill rows. A frame of a more urgent
 * lane goes between the fragments of a less urgent one, which gets its turn after FRAME_PASSES.
 * Little-endian throughout.
 * Source: docs/protocol.md, section "Frames". The session (session.h) seals what this makes. */
#ifndef WEFT_WIRE_FRAME_H
#define WEFT_WIRE_FRAME_H

#include "engine/base/arena.h"
#include "engine/base/limits.h"

enum frame_lane { LANE_CONTROL, LANE_SHARED, LANE_LIVE, LANE_BACKFILL, LANE_COUNT };

#define FRAME_HEADER 4u
#define FRAME_PREFIX 8u                                            /* wire_len, raw_len */
#define FRAME_MAX (FRAME_HEADER + FRAME_PREFIX + LIMIT_FRAME_BODY) /* as this side cuts them */
#define FRAME_FLAG_MORE 1u
#define FRAME_TYPE_MESSAGE 1u
#define FRAME_PASSES 32u /* so many frames of urgent lanes, then one of a lane that waits */

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
/* Whether lanes without a message keep room for many, and gives it back. */
bool frame_writer_spare(const struct frame_writer *writer);
void frame_writer_shrink(struct frame_writer *writer);
/* Cuts the next frame, of the most urgent lane that has something or of one that starves, into
 * `out` (FRAME_MAX bytes of room); returns its size, 0 when nothing is queued. */
size_t frame_writer_next(struct frame_writer *writer, uint8_t *out, size_t room);

struct frame_message {
    struct bytes body; /* in the reader, or in the frame that completed it */
    uint32_t raw_size; /* 0: not compressed */
    enum frame_lane lane;
};

struct frame_reader *frame_reader_open(void);
void frame_reader_close(struct frame_reader *reader);
/* Whether lanes without a message under way keep room for one, and gives it back: the message that
 * was taken last is gone then. */
bool frame_reader_spare(const struct frame_reader *reader);
void frame_reader_shrink(struct frame_reader *reader);
/* Takes one whole frame. `*got` says that it completed a message, which lies in the reader (until
 * the next call) or in the frame itself.
 * Errors: WEFT_PROTOCOL (`why` says what), WEFT_NO_MEMORY. After one the stream is unusable. */
enum weft_status frame_reader_take(struct frame_reader *reader, struct bytes frame,
                                   struct frame_message *out, bool *got, struct weft_error *why);

#endif
