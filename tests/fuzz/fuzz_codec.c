/* Fuzzes codec_unpack(): whatever the bytes, it fails or gives valid rows; and rows that came out
 * are the same after another trip.
 *
 *   input := column count u8 | batch */
#include "engine/base/check.h"
#include "engine/wire/codec.h"

#define AFTER 1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const Weft__Rows *a, const Weft__Rows *b, uint32_t columns) {
    CHECK(a->count == b->count);
    for (uint32_t row = 0; row < a->count; row++) {
        CHECK(rows_op(a, row) == rows_op(b, row) && rows_version(a, row) == rows_version(b, row));
        for (uint32_t c = 0; c < columns; c++) {
            const struct weft_value x = rows_value(a, row, c), y = rows_value(b, row, c);
            CHECK(x.type == y.type && x.size == y.size);
            if (x.type == WEFT_TEXT || x.type == WEFT_BLOB)
                CHECK(memcmp(x.as.bytes, y.as.bytes, x.size) == 0);
            else
                CHECK(memcmp(&x.as, &y.as, sizeof x.as) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const uint32_t columns = data[0];
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct arena arena;
    Weft__Rows *rows, *again;
    struct weft_error why;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    const struct bytes batch = {data + 1, size - 1};
    enum weft_status status = codec_unpack(batch, AFTER, UINT64_MAX, columns, &arena, &rows, &why);
    if (status == WEFT_OK) {
        CHECK(rows_valid(rows, columns));
        const struct rows_slice slice = {rows, 0, rows->count};
        struct bytes packed;
        uint32_t count;
        status = codec_pack(&slice, 1, AFTER, columns, &arena, &packed, &count);
        CHECK(status == WEFT_OK && count == rows->count);
        status = codec_unpack(packed, AFTER, UINT64_MAX, columns, &arena, &again, &why);
        CHECK(status == WEFT_OK && rows_valid(again, columns));
        check_same(rows, again, columns);
    }
    arena_drop(&arena);
    pool_close(pool);
    return 0;
}
