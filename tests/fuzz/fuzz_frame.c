/* Fuzzes the frame reader: whatever the frames, none gives a message that passes a limit, and the
 * same frames give the same messages again.
 *
 *   input := frame ...;  frame := size u16 | bytes, fewer if the input ends */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A digest of all messages (FNV-1a, 64 bits), so that two readings can be compared. */
static uint64_t mix(uint64_t hash, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static bool take(struct frame_reader *reader, const uint8_t *data, size_t size, uint64_t *hash) {
    struct frame_message message;
    struct weft_error why;
    bool got = true;
    const enum weft_status status =
        frame_reader_take(reader, (struct bytes){data, size}, &message, &got, &why);
    CHECK(status == WEFT_OK || status == WEFT_PROTOCOL);
    CHECK(status == WEFT_OK || !got);
    if (!got) return status == WEFT_OK;
    CHECK(message.body.size >= 1 && message.body.size <= LIMIT_MESSAGE_WIRE);
    CHECK(message.raw_size <= LIMIT_MESSAGE_RAW && message.lane < LANE_COUNT);
    CHECK(message.raw_size <= message.body.size * LIMIT_RATIO);
    *hash = mix(*hash, &message.lane, sizeof message.lane);
    *hash = mix(*hash, &message.raw_size, sizeof message.raw_size);
    *hash = mix(*hash, message.body.data, message.body.size);
    return true;
}

static uint64_t read_frames(const uint8_t *data, size_t size) {
    struct frame_reader *reader = frame_reader_open();
    uint64_t hash = 0xcbf29ce484222325u;
    bool sound = true;
    CHECK(reader != NULL);
    while (size >= 2 && sound) {
        size_t length = load_u16(data);
        if (length > size - 2) length = size - 2;
        /* Exactly as large as the frame, so that reading past it is seen. */
        uint8_t *frame = malloc(length == 0 ? 1 : length);
        CHECK(frame != NULL);
        memcpy(frame, data + 2, length);
        sound = take(reader, frame, length, &hash);
        free(frame);
        data += 2 + length;
        size -= 2 + length;
    }
    frame_reader_close(reader);
    return mix(hash, &sound, sizeof sound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint64_t once = read_frames(data, size), again = read_frames(data, size);
    CHECK(once == again);
    return 0;
}
