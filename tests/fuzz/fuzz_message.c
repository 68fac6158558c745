/* Fuzzes message_unpack(): whatever the bytes, it fails or gives a message that can be packed, and
 * unpacked again, within the bounds.
 *
 *   input := message */
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct arena arena;
    Weft__Wire__Wire *wire, *again;
    struct bytes packed;
    struct weft_error why;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    enum weft_status status = message_unpack((struct bytes){data, size}, &arena, &wire, &why);
    CHECK(status == WEFT_OK || status == WEFT_PROTOCOL || status == WEFT_LIMIT ||
          status == WEFT_NO_MEMORY);
    if (status == WEFT_OK) {
        status = message_pack(&wire->base, &arena, &packed);
        CHECK(status == WEFT_OK);
        status = message_unpack(packed, &arena, &again, &why);
        CHECK(status == WEFT_OK && again->body_case == wire->body_case);
    }
    arena_drop(&arena);
    pool_close(pool);
    return 0;
}
