/* Ops: what is built reads back, and each kind's body reads in one form only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/wire/record.h"
#include "tests/lib/drawn.h"

static const struct id library = {{0x11, 0x22, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* What one case needs. */
struct bench {
    struct pool *pool;
    struct arena arena;
    struct rng rng;
    struct identity identity;
};

static void begin(struct bench *bench, uint64_t seed) {
    uint8_t secret[IDENTITY_SECRET];
    bench->pool = pool_open(0, 0, NULL);
    assert_non_null(bench->pool);
    arena_init(&bench->arena, bench->pool);
    rng_seed(&bench->rng, seed, 0);
    rng_fill(&bench->rng, secret, sizeof secret);
    identity_make(&bench->identity, secret, &library, 7);
}

static void end(struct bench *bench) {
    arena_drop(&bench->arena);
    pool_close(bench->pool);
}

/* Builds one op and returns its body. */
static struct bytes body_of(struct record_ops *ops, enum record_op_kind kind) {
    struct bytes all;
    struct record_op op;
    size_t at = 0;
    assert_int_equal(record_ops_end(ops, &all), WEFT_OK);
    const struct record record = {.ops = all};
    assert_true(record_next(&record, &at, &op));
    assert_int_equal(op.kind, kind);
    assert_false(record_next(&record, &at, &op));
    return op.body;
}

static struct record_add some_add(struct bench *bench, const char *name) {
    struct record_add add = {.device = bench->identity.public, .incarnation = 7};
    memcpy(add.cert, bench->identity.cert, IDENTITY_CERT);
    add.name = (struct bytes){(const uint8_t *)name, strlen(name)};
    return add;
}

static struct record_remove some_remove(struct bench *bench, uint32_t count) {
    struct record_remove remove = {.count = count};
    rng_fill(&bench->rng, &remove.device, sizeof remove.device);
    for (uint32_t i = 0; i < count; i++) {
        remove.pins[i].incarnation = 3u * i;
        remove.pins[i].seq = 1 + rng_below(&bench->rng, 100);
        rng_fill(&bench->rng, remove.pins[i].hash, RECORD_HASH);
    }
    return remove;
}

static struct record_key some_key(struct bench *bench, uint32_t count) {
    uint8_t *boxes = arena_take(&bench->arena, (size_t)count * RECORD_BOX);
    struct record_key key = {.epoch = 4, .count = count};
    rng_fill(&bench->rng, key.psk_id, sizeof key.psk_id);
    rng_fill(&bench->rng, boxes, (size_t)count * RECORD_BOX);
    for (uint32_t i = 0; i < count; i++) {
        boxes[(size_t)i * RECORD_BOX] = (uint8_t)(i >> 8);
        boxes[(size_t)i * RECORD_BOX + 1] = (uint8_t)i;
    }
    key.boxes = (struct bytes){boxes, (size_t)count * RECORD_BOX};
    return key;
}

static bool add_reads(struct bytes body) {
    struct record_add out;
    return record_read_add(body, &out);
}

static bool remove_reads(struct bytes body) {
    struct record_remove out;
    return record_read_remove(body, &out);
}

static bool key_reads(struct bytes body) {
    struct record_key out;
    return record_read_key(body, &out);
}

/* Every part of a body, and a body with more behind it, are refused. */
static void assert_exact(struct bytes body, bool (*reads)(struct bytes body)) {
    for (size_t size = 0; size <= body.size; size++) {
        const struct bytes part = drawn_exact(body.data, size);
        assert_int_equal(reads(part), size == body.size);
        drawn_exact_free(part);
    }
    uint8_t longer[20000] = {0};
    assert_true(body.size < sizeof longer);
    memcpy(longer, body.data, body.size);
    assert_false(reads((struct bytes){longer, body.size + 1}));
}

/* Whether a body reads with this byte in place of another. */
static bool reads_with(struct bytes body, size_t at, uint8_t byte,
                       bool (*reads)(struct bytes body)) {
    uint8_t changed[4096];
    assert_true(body.size <= sizeof changed && at < body.size);
    memcpy(changed, body.data, body.size);
    changed[at] = byte;
    return reads((struct bytes){changed, body.size});
}

static void an_add_reads_back_and_only_in_its_form(void **state) {
    (void)state;
    static const char *const names[] = {
        "", "kitchen", "d\xc3\xa9j\xc3\xa0 vu",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    struct bench bench;
    struct record_ops ops;
    struct record_add read;
    begin(&bench, 12);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct record_add add = some_add(&bench, names[i]);
        record_ops_begin(&ops, &bench.arena);
        record_ops_add(&ops, &add);
        const struct bytes body = body_of(&ops, RECORD_OP_ADD);
        assert_true(record_read_add(body, &read));
        assert_memory_equal(&read.device, &add.device, sizeof add.device);
        assert_true(read.incarnation == 7);
        assert_memory_equal(read.cert, add.cert, IDENTITY_CERT);
        assert_int_equal(read.name.size, strlen(names[i]));
        assert_memory_equal(read.name.data, names[i], read.name.size);
        assert_exact(body, add_reads);
        assert_false(reads_with(body, 71, 0x80, add_reads)); /* the incarnation is 2^63 + 7 */
        if (read.name.size > 0) {
            const size_t last = body.size - 1;
            assert_false(reads_with(body, last, 0, add_reads));
            assert_false(reads_with(body, last, 0xC3, add_reads)); /* a letter cut in two */
            assert_true(reads_with(body, last, 'x', add_reads) || i == 2);
        }
    }
    end(&bench);
}

static void a_name_of_65_bytes_is_refused(void **state) {
    (void)state;
    uint8_t body[137 + 65];
    memset(body, 'x', sizeof body);
    memset(body + 64, 0, 8); /* the incarnation */
    body[136] = 65;
    assert_false(add_reads((struct bytes){body, sizeof body}));
    body[136] = 64;
    assert_true(add_reads((struct bytes){body, sizeof body - 1}));
}

static void a_remove_reads_back_and_only_in_its_form(void **state) {
    (void)state;
    struct bench bench;
    struct record_ops ops;
    struct record_remove read;
    begin(&bench, 13);
    for (uint32_t count = 0; count <= RECORD_PINS; count++) {
        const struct record_remove remove = some_remove(&bench, count);
        record_ops_begin(&ops, &bench.arena);
        record_ops_remove(&ops, &remove);
        const struct bytes body = body_of(&ops, RECORD_OP_REMOVE);
        assert_true(record_read_remove(body, &read));
        assert_true(id_equal(&read.device, &remove.device));
        assert_int_equal(read.count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_memory_equal(&read.pins[i], &remove.pins[i], sizeof read.pins[i]);
        assert_exact(body, remove_reads);
        if (count == 0) continue;
        assert_false(reads_with(body, 24, 0x80, remove_reads)); /* incarnation 2^63 or more */
        assert_false(reads_with(body, 32, 0x80, remove_reads)); /* seq the same */
        for (uint32_t i = 0; i + 1 < count; i++) {
            const size_t pin = 17u + i * 48u; /* the next one is 3 greater */
            assert_true(reads_with(body, pin, (uint8_t)(3 * i + 2), remove_reads));
            assert_false(reads_with(body, pin, (uint8_t)(3 * i + 3), remove_reads));
            assert_false(reads_with(body, pin, (uint8_t)(3 * i + 4), remove_reads));
        }
        for (uint32_t i = 0; i < count; i++) /* seq is 100 at most: its first byte is all of it */
            assert_false(reads_with(body, 25u + i * 48u, 0, remove_reads));
    }
    uint8_t body[17 + 17 * 48] = {0};
    for (uint8_t i = 0; i < 17; i++) {
        body[17 + i * 48] = i;
        body[25 + i * 48] = 1;
    }
    body[16] = 17;
    assert_false(remove_reads((struct bytes){body, sizeof body}));
    body[16] = 16;
    assert_true(remove_reads((struct bytes){body, sizeof body - 48}));
    end(&bench);
}

static void a_key_reads_back_and_only_in_its_form(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 20, RECORD_BOXES_MAX};
    struct bench bench;
    struct record_ops ops;
    struct record_key read;
    begin(&bench, 14);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const struct record_key key = some_key(&bench, counts[i]);
        record_ops_begin(&ops, &bench.arena);
        record_ops_key(&ops, &key);
        const struct bytes body = body_of(&ops, RECORD_OP_KEY);
        assert_true(record_read_key(body, &read));
        assert_int_equal(read.epoch, 4);
        assert_int_equal(read.count, counts[i]);
        assert_memory_equal(read.psk_id, key.psk_id, LIBRARY_KEY_ID);
        assert_memory_equal(read.boxes.data, key.boxes.data, key.boxes.size);
        assert_exact(body, key_reads);
    }
    const struct record_key key = some_key(&bench, 3);
    record_ops_begin(&ops, &bench.arena);
    record_ops_key(&ops, &key);
    const struct bytes body = body_of(&ops, RECORD_OP_KEY);
    assert_false(reads_with(body, 0, 0, key_reads));   /* epoch 0 */
    assert_false(reads_with(body, 14, 1, key_reads));  /* out of order */
    assert_false(reads_with(body, 111, 0, key_reads)); /* the second as low as the first ... */
    uint8_t twice[14 + 2 * RECORD_BOX] = {1, 0, 0, 0, [12] = 2};
    assert_false(key_reads((struct bytes){twice, sizeof twice})); /* ... or the same */
    twice[14 + RECORD_BOX] = 1;
    assert_true(key_reads((struct bytes){twice, sizeof twice}));
    uint8_t none[14] = {1};
    assert_false(key_reads((struct bytes){none, sizeof none}));
    uint8_t many[14 + (RECORD_BOXES_MAX + 1) * RECORD_BOX] = {1};
    store_u16(many + 12, RECORD_BOXES_MAX + 1);
    for (uint32_t i = 0; i <= RECORD_BOXES_MAX; i++)
        many[14 + i * RECORD_BOX] = (uint8_t)i;
    assert_false(key_reads((struct bytes){many, sizeof many}));
    store_u16(many + 12, RECORD_BOXES_MAX);
    assert_true(key_reads((struct bytes){many, sizeof many - RECORD_BOX}));
    end(&bench);
}

static void the_box_of_each_device_is_found(void **state) {
    (void)state;
    struct bench bench;
    struct id device;
    begin(&bench, 15);
    const struct record_key key = some_key(&bench, 50);
    for (uint32_t i = 0; i < key.count; i++) {
        const uint8_t *box = key.boxes.data + (size_t)i * RECORD_BOX;
        memcpy(device.bytes, box, sizeof device.bytes);
        assert_ptr_equal(record_key_box(&key, &device), box + 16);
    }
    device.bytes[15] ^= 1;
    assert_null(record_key_box(&key, &device));
    end(&bench);
}

static void the_first_failure_of_building_ops_stays(void **state) {
    (void)state;
    struct bench bench;
    struct record_ops ops;
    struct bytes out;
    begin(&bench, 16);
    const struct record_key key = some_key(&bench, RECORD_BOXES_MAX);
    const struct record_remove remove = some_remove(&bench, 0);
    const size_t fit = (LIMIT_RECORD - RECORD_OVERHEAD) / (14 + key.boxes.size + RECORD_OP_HEAD);
    record_ops_begin(&ops, &bench.arena);
    for (size_t i = 0; i < fit; i++)
        record_ops_key(&ops, &key);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_OK);
    record_ops_key(&ops, &key);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_LIMIT);
    record_ops_remove(&ops, &remove); /* would fit */
    assert_int_equal(record_ops_end(&ops, &out), WEFT_LIMIT);
    assert_int_equal(out.size, 0);

    struct pool *small = pool_open(8192, 0, NULL);
    struct arena arena;
    arena_init(&arena, small);
    record_ops_begin(&ops, &arena);
    record_ops_key(&ops, &key);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_NO_MEMORY);
    record_ops_remove(&ops, &remove);
    assert_int_equal(record_ops_end(&ops, &out), WEFT_NO_MEMORY);
    arena_drop(&arena);
    pool_close(small);
    end(&bench);
}

static void several_ops_stand_in_the_order_in_which_they_were_built(void **state) {
    (void)state;
    struct bench bench;
    struct record_ops ops;
    struct record read;
    struct record_op op;
    struct bytes all;
    size_t at = 0;
    begin(&bench, 17);
    const struct record_add add = some_add(&bench, "attic");
    const struct record_remove remove = some_remove(&bench, 2);
    const struct record_key key = some_key(&bench, 5);
    record_ops_begin(&ops, &bench.arena);
    for (int i = 0; i < 40; i++) {
        record_ops_add(&ops, &add);
        record_ops_remove(&ops, &remove);
        record_ops_key(&ops, &key);
    }
    assert_int_equal(record_ops_end(&ops, &all), WEFT_OK);
    struct record record = {.origin = {bench.identity.device, 7}, .seq = 1, .ops = all};
    struct bytes bytes;
    assert_int_equal(record_write(&bench.identity, &record, &bench.arena, &bytes, NULL), WEFT_OK);
    assert_int_equal(record_read(&library, bytes, &read, NULL), WEFT_OK);
    for (int i = 0; i < 40; i++) {
        assert_true(record_next(&read, &at, &op));
        assert_true(op.kind == RECORD_OP_ADD && add_reads(op.body));
        assert_true(record_next(&read, &at, &op));
        assert_true(op.kind == RECORD_OP_REMOVE && remove_reads(op.body));
        assert_true(record_next(&read, &at, &op));
        assert_true(op.kind == RECORD_OP_KEY && key_reads(op.body));
    }
    assert_false(record_next(&read, &at, &op));
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_add_reads_back_and_only_in_its_form),
        cmocka_unit_test(a_name_of_65_bytes_is_refused),
        cmocka_unit_test(a_remove_reads_back_and_only_in_its_form),
        cmocka_unit_test(a_key_reads_back_and_only_in_its_form),
        cmocka_unit_test(the_box_of_each_device_is_found),
        cmocka_unit_test(the_first_failure_of_building_ops_stays),
        cmocka_unit_test(several_ops_stand_in_the_order_in_which_they_were_built),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
