/* Fuzzes the rows of a snapshot: whatever the bytes, a body is refused, or reads to its end and has
 * one form. What reads is built anew to the same bytes.
 *
 *   input := body */
#include "engine/base/check.h"
#include "engine/wire/snapshot.h"

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

static void check_stamp(const struct snapshot_body *reader, const struct stamp *stamp,
                        uint64_t newest) {
    CHECK(stamp->hlc >= 1 && stamp->hlc <= newest && newest <= INT64_MAX);
    CHECK(stamp->origin < reader->origin_count);
    CHECK(reader->origins[stamp->origin].incarnation <= INT64_MAX);
}

static void copy_row(const struct snapshot_body *reader, const struct snapshot_row *row,
                     struct bytes body, uint64_t newest, struct snapshot_builder *builder) {
    const struct weft_value *keys[LIMIT_KEY_COLUMNS];
    uint64_t seen[MERGE_WORDS] = {0};
    CHECK(lies_in(body, row->key_bytes.data, row->key_bytes.size));
    for (uint32_t k = 0; k < reader->key_count; k++) {
        keys[k] = &row->key[k];
        check_value(body, keys[k]);
        CHECK(keys[k]->type != WEFT_NULL && keys[k]->type != WEFT_REAL);
    }
    if (row->created.hlc != 0) check_stamp(reader, &row->created, newest);
    if (row->deleted.hlc != 0) check_stamp(reader, &row->deleted, newest);
    snapshot_row(builder, keys, &row->created, &row->deleted, row->count);
    for (uint32_t i = 0; i < row->count; i++) {
        const uint32_t field = row->fields[i];
        CHECK(field < reader->field_count && !merge_bit(seen, field));
        seen[field / 64] |= UINT64_C(1) << (field % 64);
        check_stamp(reader, &row->stamps[i], newest);
        if (!merge_bit(row->more, i)) check_value(body, &row->values[i]);
        snapshot_field(builder, field, reader->fields[field], &row->stamps[i],
                       merge_bit(row->more, i) ? NULL : &row->values[i]);
    }
}

static const struct record_origin *whose(const void *context, uint32_t origin) {
    return &((const struct snapshot_body *)context)->origins[origin];
}

static void copy_body(struct bytes body, uint64_t newest, struct arena *arena) {
    static struct snapshot_body reader;
    static struct snapshot_row row;
    static struct snapshot_builder builder;
    struct bytes again;
    snapshot_open(&reader, body);
    CHECK(lies_in(body, reader.table.data, reader.table.size));
    CHECK(reader.key_count >= 1 && reader.key_count <= LIMIT_KEY_COLUMNS);
    snapshot_build(&builder, arena, reader.table, reader.key_count, whose, &reader);
    while (snapshot_next(&reader, &row))
        copy_row(&reader, &row, body, newest, &builder);
    CHECK(cursor_left(&reader.rest) == 0);
    const enum weft_status status = snapshot_finish(&builder, &again);
    /* The builder keeps a little room below the limit. */
    CHECK(status == WEFT_OK || (status == WEFT_LIMIT && body.size > LIMIT_SNAPSHOT - 256));
    CHECK(status != WEFT_OK ||
          (again.size == body.size && memcmp(again.data, body.data, body.size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct arena arena;
    uint64_t newest = 0;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    if (size > 0 && snapshot_sound((struct bytes){data, size}, &newest))
        copy_body((struct bytes){data, size}, newest, &arena);
    arena_drop(&arena);
    pool_close(pool);
    return 0;
}
