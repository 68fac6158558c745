/* Fuzzes the frame reader: however the bytes are cut, they give the same messages, and none that
 * passes a limit.
 *
 *   input := size of the cuts u8 | stream */
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

static bool take_all(struct frame_reader *reader, uint64_t *hash) {
    struct frame_message message;
    struct weft_error why;
    for (bool got = true; got;) {
        const enum weft_status status = frame_reader_next(reader, &message, &got, &why);
        CHECK(status == WEFT_OK || status == WEFT_PROTOCOL);
        if (status != WEFT_OK) return false;
        if (!got) return true;
        CHECK(message.body.size >= 1 && message.body.size <= LIMIT_MESSAGE_WIRE);
        CHECK(message.raw_size <= LIMIT_MESSAGE_RAW && message.lane < LANE_COUNT);
        CHECK(message.raw_size <= message.body.size * LIMIT_RATIO);
        *hash = mix(*hash, &message.lane, sizeof message.lane);
        *hash = mix(*hash, &message.raw_size, sizeof message.raw_size);
        *hash = mix(*hash, message.body.data, message.body.size);
    }
    return true;
}

static uint64_t read_stream(const uint8_t *data, size_t size, size_t cut) {
    struct frame_reader *reader = frame_reader_open();
    uint64_t hash = 0xcbf29ce484222325u;
    bool sound = true;
    CHECK(reader != NULL);
    while (size > 0 && sound) {
        uint8_t *place;
        size_t room;
        const enum weft_status status = frame_reader_room(reader, &place, &room);
        CHECK(status == WEFT_OK && room > 0);
        size_t part = size < cut ? size : cut;
        if (part > room) part = room;
        memcpy(place, data, part);
        frame_reader_filled(reader, part);
        data += part;
        size -= part;
        sound = take_all(reader, &hash);
    }
    frame_reader_close(reader);
    return mix(hash, &sound, sizeof sound);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const uint64_t cut = read_stream(data + 1, size - 1, 1 + (size_t)data[0]);
    const uint64_t whole = read_stream(data + 1, size - 1, size);
    CHECK(cut == whole);
    return 0;
}
