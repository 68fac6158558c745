/* Fuzzes zip_unpack(), and the way there and back of any bytes.
 *
 *   input := raw size u32 | zstd frame */
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/wire/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct zip *zip, struct arena *arena, struct bytes raw) {
    struct bytes packed, back;
    uint32_t raw_size;
    enum weft_status status = zip_pack(zip, raw, arena, &packed, &raw_size);
    CHECK(status == WEFT_OK);
    if (raw_size == 0) {
        CHECK(packed.data == raw.data && packed.size == raw.size);
        return;
    }
    CHECK(raw_size == raw.size && packed.size < raw.size);
    status = zip_unpack(zip, packed, raw_size, arena, &back, NULL);
    CHECK(status == WEFT_OK && back.size == raw.size);
    CHECK(memcmp(back.data, raw.data, raw.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4 || size > LIMIT_MESSAGE_RAW) return 0;
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct zip *zip = zip_open(-5);
    struct arena arena;
    struct bytes out;
    struct weft_error why;
    CHECK(pool != NULL && zip != NULL);
    arena_init(&arena, pool);
    const uint32_t raw_size = load_u32(data);
    const struct bytes packed = {data + 4, size - 4};
    const enum weft_status status = zip_unpack(zip, packed, raw_size, &arena, &out, &why);
    CHECK(status == WEFT_OK || status == WEFT_PROTOCOL);
    if (status == WEFT_OK) CHECK(out.size == raw_size && raw_size <= packed.size * LIMIT_RATIO);
    check_round_trip(zip, &arena, packed);
    arena_drop(&arena);
    zip_close(zip);
    pool_close(pool);
    return 0;
}
