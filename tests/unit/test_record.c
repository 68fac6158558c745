/* Records and their ops: what is written reads back, and nothing else reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "engine/wire/record.h"
#include "tests/lib/drawn.h"

#define NUMBER_MAX (UINT64_MAX >> 1)

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

/* An op as it stands in a record; the body may be anything. */
static uint8_t *lay_op(uint8_t *at, uint8_t kind, const void *body, uint32_t size) {
    at[0] = kind;
    store_u32(at + 1, size);
    if (size > 0) memcpy(at + RECORD_OP_HEAD, body, size);
    return at + RECORD_OP_HEAD + size;
}

/* Writes record number `seq` with these ops, and leaves its fields in `out`. */
static struct bytes write_record(struct bench *bench, uint64_t seq, struct bytes ops,
                                 struct record *out) {
    struct weft_error why;
    struct bytes bytes;
    memset(out, 0, sizeof *out);
    out->origin = (struct record_origin){bench->identity.device, 7};
    out->seq = seq;
    out->hlc = rng_u64(&bench->rng) & NUMBER_MAX;
    if (seq > 1) rng_fill(&bench->rng, out->prev, sizeof out->prev);
    out->ops = ops;
    assert_int_equal(record_write(&bench->identity, out, &bench->arena, &bytes, &why), WEFT_OK);
    assert_int_equal(bytes.size, ops.size + RECORD_OVERHEAD);
    return bytes;
}

static void assert_reads(struct bytes bytes, enum weft_status expected) {
    struct record record;
    struct weft_error why = {0};
    assert_int_equal(record_read(&library, bytes, &record, &why), expected);
    assert_int_equal(why.status, expected);
    if (expected != WEFT_OK) assert_int_not_equal(strlen(why.text), 0);
}

/* Some ops, of kinds that nobody knows. */
static struct bytes random_ops(struct bench *bench, uint32_t count, uint32_t body_max) {
    uint8_t *ops = arena_take(&bench->arena, (size_t)count * (body_max + RECORD_OP_HEAD));
    uint8_t *at = ops;
    uint8_t body[4096];
    assert_non_null(ops);
    assert_true(body_max <= sizeof body);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t size = (uint32_t)rng_below(&bench->rng, body_max + 1);
        rng_fill(&bench->rng, body, size);
        at = lay_op(at, (uint8_t)rng_below(&bench->rng, 256), body, size);
    }
    return (struct bytes){ops, (size_t)(at - ops)};
}

/* ---- records ---- */

static void a_record_reads_back_as_it_was_written(void **state) {
    (void)state;
    struct bench bench;
    for (uint64_t seed = 0; seed < 200; seed++) {
        begin(&bench, seed);
        const uint32_t count = (uint32_t)rng_below(&bench.rng, 20);
        const uint64_t seq = seed % 3 == 0 ? 1 : 1 + (rng_u64(&bench.rng) & (NUMBER_MAX >> 1));
        struct record written, read;
        const struct bytes ops = random_ops(&bench, count, 300);
        const struct bytes bytes = write_record(&bench, seq, ops, &written);
        const struct bytes exact = drawn_exact(bytes.data, bytes.size);
        assert_int_equal(record_read(&library, exact, &read, NULL), WEFT_OK);
        assert_int_equal(record_origin_compare(&read.origin, &written.origin), 0);
        assert_true(read.seq == seq && read.hlc == written.hlc);
        assert_memory_equal(read.prev, written.prev, RECORD_HASH);
        assert_memory_equal(read.hash, written.hash, RECORD_HASH);
        assert_int_equal(read.ops.size, ops.size);
        if (ops.size > 0) assert_memory_equal(read.ops.data, ops.data, ops.size);
        assert_true(record_signed_by(&read, bench.identity.public.id_pk));
        assert_true(record_signed_by(&written, bench.identity.public.id_pk));
        drawn_exact_free(exact);
        end(&bench);
    }
}

static void the_hash_is_the_one_that_the_format_gives(void **state) {
    (void)state;
    struct bench bench;
    struct record record;
    uint8_t hashed[9 + 16 + 16 + 8 + 8 + 8 + 32 + 32], hash[32];
    begin(&bench, 1);
    const struct bytes ops = random_ops(&bench, 3, 40);
    const struct bytes bytes = write_record(&bench, 0x0102030405060708u, ops, &record);
    memcpy(hashed, "weft/rec", 9);
    memcpy(hashed + 9, library.bytes, 16);
    memcpy(hashed + 25, bench.identity.device.bytes, 16);
    memcpy(hashed + 41, "\7\0\0\0\0\0\0\0", 8);
    memcpy(hashed + 49, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    memcpy(hashed + 57, bytes.data + 36, 8);
    memcpy(hashed + 65, record.prev, 32);
    crypto_generichash(hashed + 97, 32, ops.data, ops.size, NULL, 0);
    crypto_generichash(hash, 32, hashed, sizeof hashed, NULL, 0);
    assert_memory_equal(record.hash, hash, 32);
    assert_memory_equal(bytes.data, "WR\1\0", 4);
    assert_true(load_u64(bytes.data + 36) == record.hlc);
    assert_int_equal(load_u32(bytes.data + 76), ops.size);
    assert_memory_equal(bytes.data + 80, ops.data, ops.size);
    uint8_t head[10 + 32];
    memcpy(head, "weft/head", 10);
    memcpy(head + 10, hash, 32);
    assert_int_equal(crypto_sign_verify_detached(bytes.data + 80 + ops.size, head, sizeof head,
                                                 bench.identity.public.id_pk),
                     0);
    end(&bench);
}

static void every_truncation_and_every_byte_more_is_refused(void **state) {
    (void)state;
    struct bench bench;
    struct record record;
    begin(&bench, 2);
    const struct bytes bytes = write_record(&bench, 5, random_ops(&bench, 8, 60), &record);
    for (size_t size = 0; size < bytes.size; size++) {
        const struct bytes part = drawn_exact(bytes.data, size);
        assert_reads(part, WEFT_PROTOCOL);
        drawn_exact_free(part);
    }
    uint8_t *longer = arena_zero(&bench.arena, bytes.size + 8);
    memcpy(longer, bytes.data, bytes.size);
    for (size_t more = 1; more <= 8; more++)
        assert_reads((struct bytes){longer, bytes.size + more}, WEFT_PROTOCOL);
    assert_reads((struct bytes){longer, bytes.size}, WEFT_OK);
    end(&bench);
}

static void no_flipped_bit_passes_for_the_record(void **state) {
    (void)state;
    struct bench bench;
    struct record record, read;
    uint32_t refused = 0, other = 0, same = 0;
    begin(&bench, 3);
    const struct bytes bytes = write_record(&bench, 2, random_ops(&bench, 4, 40), &record);
    uint8_t *flipped = arena_take(&bench.arena, bytes.size);
    memcpy(flipped, bytes.data, bytes.size);
    const struct bytes given = {flipped, bytes.size};
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (record_read(&library, given, &read, NULL) != WEFT_OK) {
            refused++;
        } else {
            const bool in_signature = bit / 8 >= bytes.size - RECORD_SIGNATURE;
            const bool hash_holds = memcmp(read.hash, record.hash, RECORD_HASH) == 0;
            assert_int_equal(hash_holds, in_signature);
            assert_false(record_signed_by(&read, bench.identity.public.id_pk));
            *(hash_holds ? &same : &other) += 1;
        }
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(same, RECORD_SIGNATURE * 8);
    assert_true(refused >= (4 + 4) * 8); /* "WR", format and flags; the size of the ops */
    assert_true(other >= (16 + 32) * 8); /* the device and the hash before it */
    assert_reads(given, WEFT_OK);
    end(&bench);
}

static void numbers_outside_their_range_are_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint64_t value;
        enum weft_status expected;
    } cases[] = {
        {20, NUMBER_MAX, WEFT_OK}, {20, NUMBER_MAX + 1, WEFT_PROTOCOL}, /* incarnation */
        {28, NUMBER_MAX, WEFT_OK}, {28, NUMBER_MAX + 1, WEFT_PROTOCOL}, /* seq */
        {28, 0, WEFT_PROTOCOL},    {28, 1, WEFT_PROTOCOL}, /* the first names none before it */
        {36, NUMBER_MAX, WEFT_OK}, {36, NUMBER_MAX + 1, WEFT_PROTOCOL}, /* hlc */
    };
    struct bench bench;
    struct record record;
    begin(&bench, 4);
    const struct bytes bytes = write_record(&bench, 9, (struct bytes){NULL, 0}, &record);
    uint8_t changed[RECORD_OVERHEAD];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(changed, bytes.data, sizeof changed);
        store_u64(changed + cases[i].at, cases[i].value);
        assert_reads((struct bytes){changed, sizeof changed}, cases[i].expected);
    }
    end(&bench);
}

static void a_record_may_be_256_kib_and_not_a_byte_more(void **state) {
    (void)state;
    struct bench bench;
    struct record record;
    struct bytes bytes;
    struct weft_error why = {0};
    begin(&bench, 5);
    const uint32_t room = LIMIT_RECORD - RECORD_OVERHEAD;
    uint8_t *ops = arena_zero(&bench.arena, room + 1);
    uint8_t *longest = arena_zero(&bench.arena, LIMIT_RECORD + 1);
    store_u32(ops + 1, room - RECORD_OP_HEAD);
    bytes = write_record(&bench, 2, (struct bytes){ops, room}, &record);
    assert_int_equal(bytes.size, LIMIT_RECORD);
    assert_reads(bytes, WEFT_OK);
    memcpy(longest, bytes.data, LIMIT_RECORD);
    assert_reads((struct bytes){longest, LIMIT_RECORD + 1}, WEFT_LIMIT);

    store_u32(ops + 1, room + 1 - RECORD_OP_HEAD);
    record.ops = (struct bytes){ops, room + 1};
    assert_int_equal(record_write(&bench.identity, &record, &bench.arena, &bytes, &why),
                     WEFT_LIMIT);
    assert_int_equal(why.status, WEFT_LIMIT);
    end(&bench);
}

static void a_record_without_memory_is_not_written(void **state) {
    (void)state;
    struct bench bench;
    struct record record;
    struct bytes bytes;
    struct weft_error why = {0};
    begin(&bench, 6);
    struct pool *small = pool_open(8192, 0, NULL);
    struct arena arena;
    arena_init(&arena, small);
    write_record(&bench, 2, random_ops(&bench, 10, 4000), &record);
    record.ops = random_ops(&bench, 10, 4000);
    assert_true(record.ops.size > 8192);
    assert_int_equal(record_write(&bench.identity, &record, &arena, &bytes, &why), WEFT_NO_MEMORY);
    assert_int_equal(why.status, WEFT_NO_MEMORY);
    arena_drop(&arena);
    pool_close(small);
    end(&bench);
}

static void another_library_gives_another_hash_and_no_signature(void **state) {
    (void)state;
    struct bench bench;
    struct record record, read;
    struct id other = library;
    other.bytes[15] ^= 1;
    begin(&bench, 7);
    const struct bytes bytes = write_record(&bench, 1, random_ops(&bench, 2, 20), &record);
    assert_int_equal(record_read(&other, bytes, &read, NULL), WEFT_OK);
    assert_memory_not_equal(read.hash, record.hash, RECORD_HASH);
    assert_false(record_signed_by(&read, bench.identity.public.id_pk));
    end(&bench);
}

static void another_key_has_not_signed_it(void **state) {
    (void)state;
    struct bench one, other;
    struct record record;
    begin(&one, 8);
    begin(&other, 9);
    write_record(&one, 1, (struct bytes){NULL, 0}, &record);
    assert_true(record_signed_by(&record, one.identity.public.id_pk));
    assert_false(record_signed_by(&record, other.identity.public.id_pk));
    assert_false(record_signed_by(&record, one.identity.public.x_pk));
    end(&other);
    end(&one);
}

static void origins_are_ordered_by_device_and_then_by_incarnation(void **state) {
    (void)state;
    struct record_origin a = {{{0}}, 5}, b = {{{0}}, 5};
    assert_int_equal(record_origin_compare(&a, &b), 0);
    b.incarnation = UINT64_MAX;
    assert_true(record_origin_compare(&a, &b) < 0);
    assert_true(record_origin_compare(&b, &a) > 0);
    a.device.bytes[15] = 1;
    assert_true(record_origin_compare(&a, &b) > 0);
    b.device.bytes[0] = 0xFF;
    assert_true(record_origin_compare(&a, &b) < 0);
}

/* ---- the walk over ops ---- */

static void ops_are_walked_in_order_and_unknown_kinds_are_kept(void **state) {
    (void)state;
    static const uint8_t kinds[] = {0, RECORD_OP_REMOVE, 200, 200, 255, RECORD_OP_KEY};
    struct bench bench;
    struct record record, read;
    struct record_op op;
    uint8_t ops[256], body[16];
    uint8_t *ends = ops;
    begin(&bench, 10);
    for (uint32_t i = 0; i < sizeof kinds; i++) {
        memset(body, (int)i, sizeof body);
        ends = lay_op(ends, kinds[i], body, i * 3); /* the first one is empty */
    }
    const struct bytes all = {ops, (size_t)(ends - ops)};
    const struct bytes bytes = write_record(&bench, 1, all, &record);
    assert_int_equal(record_read(&library, bytes, &read, NULL), WEFT_OK);
    assert_memory_equal(read.ops.data, ops, all.size);
    size_t at = 0;
    for (uint32_t i = 0; i < sizeof kinds; i++) {
        assert_true(record_next(&read, &at, &op));
        assert_int_equal(op.kind, kinds[i]);
        assert_int_equal(op.body.size, i * 3);
        for (size_t k = 0; k < op.body.size; k++)
            assert_int_equal(op.body.data[k], i);
    }
    assert_false(record_next(&read, &at, &op));
    assert_false(record_next(&read, &at, &op));
    end(&bench);
}

static void ops_that_do_not_end_where_the_record_says_are_refused(void **state) {
    (void)state;
    struct bench bench;
    struct record record;
    uint8_t ops[64] = {0};
    begin(&bench, 11);
    uint8_t *middle = lay_op(ops, 9, "abcdefghij", 10);
    const uint8_t *ends = lay_op(middle, 9, "klmno", 5);
    const struct bytes all = {ops, (size_t)(ends - ops)};
    const struct bytes bytes = write_record(&bench, 1, all, &record);
    uint8_t *changed = arena_take(&bench.arena, bytes.size);
    static const uint32_t sizes[] = {0, 1, 4, 6, 7, 256, 0x7FFFFFFF, 0xFFFFFFFB, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memcpy(changed, bytes.data, bytes.size);
        store_u32(changed + RECORD_HEAD + (middle - ops) + 1, sizes[i]); /* 5 is right */
        assert_reads((struct bytes){changed, bytes.size}, WEFT_PROTOCOL);
    }
    memcpy(changed, bytes.data, bytes.size);
    assert_reads((struct bytes){changed, bytes.size}, WEFT_OK);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(the_hash_is_the_one_that_the_format_gives),
        cmocka_unit_test(every_truncation_and_every_byte_more_is_refused),
        cmocka_unit_test(no_flipped_bit_passes_for_the_record),
        cmocka_unit_test(numbers_outside_their_range_are_refused),
        cmocka_unit_test(a_record_may_be_256_kib_and_not_a_byte_more),
        cmocka_unit_test(a_record_without_memory_is_not_written),
        cmocka_unit_test(another_library_gives_another_hash_and_no_signature),
        cmocka_unit_test(another_key_has_not_signed_it),
        cmocka_unit_test(origins_are_ordered_by_device_and_then_by_incarnation),
        cmocka_unit_test(ops_are_walked_in_order_and_unknown_kinds_are_kept),
        cmocka_unit_test(ops_that_do_not_end_where_the_record_says_are_refused),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
