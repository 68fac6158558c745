/* zstd for whole messages. What is checked before zstd sees a byte:
 *
 *   Magic 28 B5 2F FD │ descriptor │ [window] │ [dictionary id] │ content size │ blocks …
 *         one frame,      bit 5       ≤ 2^20       absent          = raw_size
 *         all of it
 *
 * Source: RFC 8878, section 3.1.1 (frame header).
 * Invariants
 *   1. Unpacking writes to a block of raw_size bytes, which was checked against LIMIT_MESSAGE_RAW
 * and LIMIT_RATIO before it was taken; zstd is never asked to allocate by what a peer sent.
 *   2. What zip_pack() makes, zip_unpack() takes.
 * Not here: streams of several messages and dictionaries (the columnar form leaves little to them),
 * checksums (the session will authenticate every byte). */
#include "engine/wire/zip.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"

struct zip {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
    uint8_t *scratch; /* compressed here, then copied, so that arenas hold no more than is needed */
    size_t room;
};

struct zip *zip_open(int level) {
    struct zip *zip = calloc(1, sizeof *zip);
    if (zip == NULL) return NULL;
    zip->pack = ZSTD_createCCtx();
    zip->unpack = ZSTD_createDCtx();
    if (zip->pack == NULL || zip->unpack == NULL) goto close;
    CHECK(level >= ZSTD_minCLevel() && level <= ZSTD_maxCLevel());
    size_t code = ZSTD_CCtx_setParameter(zip->pack, ZSTD_c_compressionLevel, level);
    CHECK(!ZSTD_isError(code));
    code = ZSTD_CCtx_setParameter(zip->pack, ZSTD_c_contentSizeFlag, 1);
    CHECK(!ZSTD_isError(code));
    /* Left to itself a level may choose a larger window than a receiver has to accept. */
    code = ZSTD_CCtx_setParameter(zip->pack, ZSTD_c_windowLog, LIMIT_ZSTD_WINDOW_LOG);
    CHECK(!ZSTD_isError(code));
    return zip;
close:
    zip_close(zip);
    return NULL;
}

void zip_close(struct zip *zip) {
    if (zip == NULL) return;
    free(zip->scratch);
    ZSTD_freeDCtx(zip->unpack);
    ZSTD_freeCCtx(zip->pack);
    free(zip);
}

static bool scratch_room(struct zip *zip, size_t size) {
    if (zip->room >= size) return true;
    uint8_t *scratch = realloc(zip->scratch, size);
    if (scratch == NULL) return false;
    zip->scratch = scratch;
    zip->room = size;
    return true;
}

enum weft_status zip_pack(struct zip *zip, struct bytes raw, struct arena *arena, struct bytes *out,
                          uint32_t *raw_size) {
    CHECK(raw.size <= LIMIT_MESSAGE_RAW);
    *out = raw;
    *raw_size = 0;
    if (raw.size < LIMIT_COMPRESS_MIN) return WEFT_OK;
    if (!scratch_room(zip, raw.size)) return WEFT_NO_MEMORY;
    const size_t code = ZSTD_compress2(zip->pack, zip->scratch, raw.size, raw.data, raw.size);
    if (ZSTD_isError(code)) {
        /* Not smaller than the input is no failure: it travels as it is. */
        const ZSTD_ErrorCode error = ZSTD_getErrorCode(code);
        CHECK(error == ZSTD_error_dstSize_tooSmall || error == ZSTD_error_memory_allocation);
        return error == ZSTD_error_dstSize_tooSmall ? WEFT_OK : WEFT_NO_MEMORY;
    }
    if (code >= raw.size || code * LIMIT_RATIO < raw.size) return WEFT_OK;
    uint8_t *packed = arena_take(arena, code);
    if (packed == NULL) return WEFT_NO_MEMORY;
    memcpy(packed, zip->scratch, code);
    *out = (struct bytes){packed, code};
    *raw_size = (uint32_t)raw.size;
    return WEFT_OK;
}

/* Whether the frame is one of today's format, without a dictionary, whose window is within
 * LIMIT_ZSTD_WINDOW_LOG. One that declares no window is its own window, and bounded by its content.
 * RFC 8878, 3.1.1.1.1 and 3.1.1.1.2. */
static bool frame_allowed(struct bytes packed) {
    if (packed.size < 6 || load_u32(packed.data) != ZSTD_MAGICNUMBER) return false;
    const uint8_t descriptor = packed.data[4], window = packed.data[5];
    if ((descriptor & 0x03) != 0) return false;
    if ((descriptor & 0x20) != 0) return true;
    const uint64_t base = (uint64_t)1 << (10 + (window >> 3));
    return base + base / 8 * (window & 7) <= (uint64_t)1 << LIMIT_ZSTD_WINDOW_LOG;
}

static enum weft_status refuse(struct weft_error *why, struct bytes packed, uint32_t raw_size,
                               const char *wrong) {
    return status_fail(why, WEFT_PROTOCOL, 0,
                       "a compressed message (%zu bytes, said to become %u) cannot be used: %s; "
                       "the sender is at fault or speaks another version",
                       packed.size, raw_size, wrong);
}

enum weft_status zip_unpack(struct zip *zip, struct bytes packed, uint32_t raw_size,
                            struct arena *arena, struct bytes *out, struct weft_error *why) {
    CHECK(zip->unpack != NULL);
    if (packed.size == 0 || raw_size == 0) return refuse(why, packed, raw_size, "it is empty");
    if (packed.size > LIMIT_MESSAGE_WIRE || raw_size > LIMIT_MESSAGE_RAW)
        return refuse(why, packed, raw_size, "it is larger than a message may be");
    if (raw_size > packed.size * LIMIT_RATIO)
        return refuse(why, packed, raw_size, "it unfolds to more than 64 times its size");
    if (!frame_allowed(packed))
        return refuse(why, packed, raw_size, "it is no zstd frame of a window of up to 1 MiB");
    if (ZSTD_findFrameCompressedSize(packed.data, packed.size) != packed.size)
        return refuse(why, packed, raw_size, "it is not exactly one zstd frame");
    if (ZSTD_getFrameContentSize(packed.data, packed.size) != raw_size)
        return refuse(why, packed, raw_size, "its zstd frame names another size");
    uint8_t *raw = arena_take(arena, raw_size);
    if (raw == NULL) return WEFT_NO_MEMORY;
    const size_t code = ZSTD_decompressDCtx(zip->unpack, raw, raw_size, packed.data, packed.size);
    if (ZSTD_isError(code) && ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return WEFT_NO_MEMORY;
    if (ZSTD_isError(code)) return refuse(why, packed, raw_size, ZSTD_getErrorName(code));
    if (code != raw_size) return refuse(why, packed, raw_size, "its content has another size");
    *out = (struct bytes){raw, raw_size};
    return WEFT_OK;
}
