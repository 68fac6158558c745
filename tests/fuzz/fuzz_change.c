/* Fuzzes the bodies of CHANGE ops: whatever the bytes, a body is refused, or reads to its end and
 * has one form. What reads is built anew to the same bytes.
 *
 *   input := the record's hlc u64 | body */
#include "engine/base/check.h"
#include "engine/wire/change.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a slice lies in the body. */
static bool lies_in(struct bytes body, const void *data, size_t size) {
    const uint8_t *at = data;
    return at >= body.data && at <= body.data + body.size &&
           size <= (size_t)(body.data + body.size - at);
}

/* What a value may be that SQLite keeps as it is. */
static void check_value(struct bytes body, const struct weft_value *value) {
    CHECK((unsigned)value->type <= WEFT_BLOB);
    if (value->type == WEFT_REAL) {
        CHECK(value->as.real == value->as.real);
        CHECK(value->as.real != 0 || load_u64((const uint8_t *)&value->as.real) == 0);
    }
    if (value->type == WEFT_TEXT || value->type == WEFT_BLOB)
        CHECK(lies_in(body, value->as.bytes, value->size));
    if (value->type == WEFT_TEXT) CHECK(utf8_valid(value->as.bytes, value->size));
}

static void copy_row(const struct change_reader *reader, const struct change_row *row,
                     struct bytes body, struct change_builder *builder) {
    const struct weft_value *keys[LIMIT_KEY_COLUMNS];
    uint64_t seen[LIMIT_FIELDS / 64] = {0};
    CHECK(lies_in(body, row->key_bytes.data, row->key_bytes.size));
    for (uint32_t k = 0; k < reader->key_count; k++) {
        keys[k] = &row->key[k];
        check_value(body, keys[k]);
        CHECK(keys[k]->type != WEFT_NULL && keys[k]->type != WEFT_REAL);
    }
    change_row(builder, row->what, row->back, keys, row->count);
    for (uint32_t i = 0; i < row->count; i++) {
        const uint32_t field = row->fields[i];
        const bool node = (row->nodes[i / 64] >> (i % 64) & 1) != 0;
        CHECK(field < reader->field_count && (seen[field / 64] >> (field % 64) & 1) == 0);
        seen[field / 64] |= UINT64_C(1) << (field % 64);
        check_value(body, &row->values[i]);
        change_write(builder, field, reader->fields[field], node ? NULL : &row->values[i]);
    }
}

static void copy_body(struct bytes body, uint64_t hlc, struct arena *arena) {
    struct change_reader reader;
    struct change_row row;
    struct change_builder builder;
    struct bytes again;
    change_open(&reader, body);
    CHECK(lies_in(body, reader.table.data, reader.table.size));
    CHECK(reader.key_count >= 1 && reader.key_count <= LIMIT_KEY_COLUMNS);
    change_begin(&builder, arena, reader.table, reader.key_count);
    while (change_next(&reader, &row)) {
        CHECK(row.back < hlc);
        copy_row(&reader, &row, body, &builder);
    }
    CHECK(cursor_left(&reader.rest) == 0);
    const enum weft_status status = change_end(&builder, &again);
    /* The builder keeps a little room below the limit. */
    CHECK(status == WEFT_OK || (status == WEFT_LIMIT && body.size > LIMIT_RECORD - 64));
    CHECK(status != WEFT_OK ||
          (again.size == body.size && memcmp(again.data, body.data, body.size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct arena arena;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    if (size >= 8) {
        const struct bytes body = {data + 8, size - 8};
        const uint64_t hlc = load_u64(data);
        if (change_sound(body, hlc)) copy_body(body, hlc, &arena);
    }
    arena_drop(&arena);
    pool_close(pool);
    return 0;
}
