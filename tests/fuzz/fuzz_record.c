/* Fuzzes records: whatever the bytes, a record is refused or has one form. What reads reads again
 * to the same hash, and an op that reads is built anew to the same bytes.
 *
 *   input := record, and also the body of an op of each kind */
#include "engine/base/check.h"
#include "engine/wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct id library = {"weft fuzz lib 1"};

/* Whether the ops just built are one op of this kind and body. */
static bool is_built(struct record_ops *ops, struct record_op op) {
    struct bytes all;
    const enum weft_status status = record_ops_end(ops, &all);
    CHECK(status == WEFT_OK);
    return all.size == RECORD_OP_HEAD + op.body.size && all.data[0] == op.kind &&
           load_u32(all.data + 1) == op.body.size &&
           memcmp(all.data + RECORD_OP_HEAD, op.body.data, op.body.size) == 0;
}

static void read_op(struct record_op op, struct arena *arena) {
    struct record_ops ops;
    struct record_add add;
    struct record_remove remove;
    struct record_key key;
    record_ops_begin(&ops, arena);
    if (op.kind == RECORD_OP_ADD && record_read_add(op.body, &add)) {
        CHECK(add.name.size <= RECORD_NAME);
        record_ops_add(&ops, &add);
        CHECK(is_built(&ops, op));
    }
    if (op.kind == RECORD_OP_REMOVE && record_read_remove(op.body, &remove)) {
        CHECK(remove.count <= RECORD_PINS);
        record_ops_remove(&ops, &remove);
        CHECK(is_built(&ops, op));
    }
    if (op.kind == RECORD_OP_KEY && record_read_key(op.body, &key)) {
        CHECK(key.count >= 1 && key.count <= RECORD_BOXES_MAX);
        const uint8_t *box = record_key_box(&key, &library);
        CHECK(box == NULL || (box > key.boxes.data &&
                              box + LIBRARY_KEY_SEALED <= key.boxes.data + key.boxes.size));
        record_ops_key(&ops, &key);
        CHECK(is_built(&ops, op));
    }
}

static void read_record(struct bytes bytes, struct arena *arena) {
    struct record record, again;
    struct record_op op;
    struct weft_error why;
    size_t size = RECORD_OVERHEAD;
    const enum weft_status status = record_read(&library, bytes, &record, &why);
    CHECK(status == WEFT_OK || status == WEFT_PROTOCOL || status == WEFT_LIMIT);
    if (status != WEFT_OK) return;
    for (size_t at = 0; record_next(&record, &at, &op);) {
        CHECK(op.body.data >= record.ops.data);
        CHECK(op.body.data + op.body.size == record.ops.data + at);
        size += RECORD_OP_HEAD + op.body.size;
        read_op(op, arena);
    }
    CHECK(size == bytes.size && size <= LIMIT_RECORD);
    CHECK(record_read(&library, bytes, &again, NULL) == WEFT_OK);
    CHECK(memcmp(again.hash, record.hash, RECORD_HASH) == 0);
    CHECK(record_origin_compare(&again.origin, &record.origin) == 0);
    CHECK(again.seq == record.seq && again.hlc == record.hlc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pool *pool = pool_open(64u << 20, 0, NULL);
    struct arena arena;
    CHECK(pool != NULL);
    arena_init(&arena, pool);
    const struct bytes bytes = {data, size};
    read_record(bytes, &arena);
    /* A body of a few bytes need not first be wrapped into a record to be reached. */
    if (size <= LIMIT_RECORD - RECORD_OVERHEAD - RECORD_OP_HEAD) {
        read_op((struct record_op){RECORD_OP_ADD, bytes}, &arena);
        read_op((struct record_op){RECORD_OP_REMOVE, bytes}, &arena);
        read_op((struct record_op){RECORD_OP_KEY, bytes}, &arena);
    }
    arena_drop(&arena);
    pool_close(pool);
    return 0;
}
