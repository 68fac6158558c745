/* Wire messages: what is packed comes back; what would cost more than it may is refused before
 * protobuf-c sees it; and no message type contains itself, which is what bounds the depth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/wire/message.h"
#include "engine/wire/varint.h"
#include "proto/mail.pb-c.h"
#include "tests/sim/rng.h"

struct bench {
    struct pool *pool;
    struct arena arena;
};

static void bench_begin(struct bench *bench, size_t held_max) {
    bench->pool = pool_open(held_max, 0, NULL);
    assert_non_null(bench->pool);
    arena_init(&bench->arena, bench->pool);
}

static void bench_end(struct bench *bench) {
    arena_drop(&bench->arena);
    pool_close(bench->pool);
}

/* Unpacks from an allocation that ends where the bytes end. */
static enum weft_status unpack(struct bench *bench, const uint8_t *data, size_t size,
                               Weft__Wire__Wire **out) {
    struct weft_error why = {0};
    uint8_t *exact = malloc(size + (size == 0));
    assert_non_null(exact);
    if (size != 0) memcpy(exact, data, size);
    const enum weft_status status =
        message_unpack((struct bytes){exact, size}, &bench->arena, out, &why);
    free(exact);
    if (status != WEFT_OK) {
        assert_int_equal(why.status, status);
        assert_true(strlen(why.text) > 20);
    }
    return status;
}

/* ---- what comes back ------------------------------------------------------------------------- */

static uint8_t owner[16] = "an owner's bytes";
static char model[] = "entry";

static struct bytes pack_rows(struct bench *bench) {
    static char *columns[] = {model, model, model};
    Weft__Wire__StateRows rows = WEFT__WIRE__STATE_ROWS__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    struct bytes packed;
    rows.owner = (ProtobufCBinaryData){sizeof owner, owner};
    rows.model = model;
    rows.after = 3;
    rows.upto = UINT64_MAX;
    rows.columns = columns;
    rows.n_columns = 3;
    rows.sweep = true;
    wire.body_case = WEFT__WIRE__WIRE__BODY_STATE_BATCH;
    wire.state_batch = &rows;
    assert_int_equal(message_pack(&wire.base, &bench->arena, &packed), WEFT_OK);
    return packed;
}

static void message_returns_what_it_packed(void **state) {
    (void)state;
    struct bench bench;
    Weft__Wire__Wire *back;
    bench_begin(&bench, 0);
    const struct bytes packed = pack_rows(&bench);
    assert_int_equal(unpack(&bench, packed.data, packed.size, &back), WEFT_OK);
    assert_int_equal(back->body_case, WEFT__WIRE__WIRE__BODY_STATE_BATCH);
    assert_memory_equal(back->state_batch->owner.data, owner, sizeof owner);
    assert_true(back->state_batch->upto == UINT64_MAX);
    assert_int_equal(back->state_batch->n_columns, 3);
    assert_string_equal(back->state_batch->columns[2], "entry");
    assert_true(back->state_batch->sweep);
    bench_end(&bench);
}

static void message_skips_kinds_it_does_not_know(void **state) {
    (void)state;
    static const uint8_t unknown[] = {0xfa, 0x07, 0x03, 'n', 'e', 'w'}; /* field 127 */
    struct bench bench;
    Weft__Wire__Wire *back;
    bench_begin(&bench, 0);
    assert_int_equal(unpack(&bench, unknown, sizeof unknown, &back), WEFT_OK);
    assert_int_equal(back->body_case, WEFT__WIRE__WIRE__BODY__NOT_SET);
    assert_int_equal(unpack(&bench, NULL, 0, &back), WEFT_OK);
    assert_int_equal(back->body_case, WEFT__WIRE__WIRE__BODY__NOT_SET);
    bench_end(&bench);
}

static void message_skips_fields_it_does_not_know(void **state) {
    (void)state;
    /* heartbeat { echo: 5, field 100: varint, eight bytes, four bytes } */
    static const uint8_t newer[] = {0x42, 0x14, 0x08, 0x05, 0xa0, 0x06, 0x7f, 0xa1, 0x06, 1, 2,
                                    3,    4,    5,    6,    7,    8,    0xa5, 0x06, 1,    2, 3};
    uint8_t whole[sizeof newer + 1];
    struct bench bench;
    Weft__Wire__Wire *back;
    bench_begin(&bench, 0);
    memcpy(whole, newer, sizeof newer);
    whole[1] = sizeof whole - 2;
    whole[sizeof newer] = 4;
    assert_int_equal(unpack(&bench, whole, sizeof whole, &back), WEFT_OK);
    assert_int_equal(back->heartbeat->echo, 5);
    bench_end(&bench);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void message_refuses_every_truncation(void **state) {
    (void)state;
    struct bench bench;
    Weft__Wire__Wire *back;
    bench_begin(&bench, 0);
    const struct bytes packed = pack_rows(&bench);
    for (size_t size = 1; size < packed.size; size++)
        assert_int_equal(unpack(&bench, packed.data, size, &back), WEFT_PROTOCOL);
    bench_end(&bench);
}

static void message_survives_every_change_of_one_byte(void **state) {
    (void)state;
    struct bench bench;
    Weft__Wire__Wire *back;
    uint32_t refused = 0;
    bench_begin(&bench, 0);
    const struct bytes packed = pack_rows(&bench);
    uint8_t *data = (uint8_t *)(uintptr_t)packed.data;
    for (size_t i = 0; i < packed.size; i++) {
        for (unsigned other = 1; other < 256; other++) {
            data[i] ^= (uint8_t)other;
            refused += unpack(&bench, data, packed.size, &back) != WEFT_OK;
            data[i] ^= (uint8_t)other;
        }
    }
    assert_true(refused > 1000);
    bench_end(&bench);
}

static void message_refuses(const char *bytes, size_t size) {
    struct bench bench;
    Weft__Wire__Wire *back;
    bench_begin(&bench, 0);
    assert_int_equal(unpack(&bench, (const uint8_t *)bytes, size, &back), WEFT_PROTOCOL);
    bench_end(&bench);
}

#define REFUSES(literal) message_refuses(literal, sizeof(literal) - 1)

static void message_refuses_what_protobuf_does_not_allow(void **state) {
    (void)state;
    REFUSES("\x02\x00");                                     /* field number 0 */
    REFUSES("\x82\x80\x80\x80\x10\x00");                     /* field number 2^29 */
    REFUSES("\x0b\x0c");                                     /* a group */
    REFUSES("\x0f");                                         /* wire type 7 */
    REFUSES("\x40\x01");                                     /* heartbeat as a number */
    REFUSES("\x42\x02\x0a\x00");                             /* echo as bytes */
    REFUSES("\x42\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"); /* a length of 2^64 - 1 */
    REFUSES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");     /* a tag of 65 bits */
}

static void message_refuses_a_field_given_twice(void **state) {
    (void)state;
    REFUSES("\x42\x04\x08\x05\x08\x06"); /* echo and echo */
    REFUSES("\x42\x02\x08\x05\x42\x00"); /* heartbeat and heartbeat */
    REFUSES("\x42\x00\x3a\x00");         /* heartbeat and credit: one body only */
}

static void message_refuses_texts_that_are_not_whole(void **state) {
    (void)state;
    struct bench bench;
    Weft__Wire__Wire *back;
    REFUSES("\x52\x05\x0a\x03no\x00"); /* goodbye with a NUL in its text */
    REFUSES("\x52\x05\x0a\x03no\xff"); /* ... and with what is not UTF-8 */
    bench_begin(&bench, 0);
    assert_int_equal(unpack(&bench, (const uint8_t *)"\x52\x05\x0a\x03yes", 7, &back), WEFT_OK);
    assert_string_equal(back->goodbye->text, "yes");
    bench_end(&bench);
}

/* ---- bombs: few bytes that want much memory -------------------------------------------------- */

/* A body of field `number` that holds `count` times the bytes of `element`. */
static struct bytes repeat(struct bench *bench, uint32_t number, const char *element, size_t size,
                           size_t count) {
    uint8_t *data = arena_take(&bench->arena, size * count + 2 * VARINT_MAX);
    assert_non_null(data);
    uint8_t *at = varint_put(varint_put(data, number << 3 | 2), size * count);
    for (size_t i = 0; i < count; i++, at += size)
        memcpy(at, element, size);
    return (struct bytes){data, (size_t)(at - data)};
}

static void message_counts_elements_before_it_unpacks(void **state) {
    (void)state;
    static const struct {
        uint32_t number;
        const char *element;
        size_t size;
    } bombs[] = {
        {2, "\x0a\x00", 2},     /* empty places of a StateRequest */
        {4, "\x32\x00", 2},     /* empty column names of a StateBatch */
        {8, "\xa0\x06\x01", 3}, /* unknown fields of a Heartbeat */
        {99, "\x0a\x00", 2},    /* ... one unknown body of any size is one element */
    };
    for (unsigned i = 0; i < 4; i++) {
        struct bench bench;
        Weft__Wire__Wire *back;
        bench_begin(&bench, 0);
        struct bytes packed =
            repeat(&bench, bombs[i].number, bombs[i].element, bombs[i].size, LIMIT_ELEMENTS);
        assert_int_equal(unpack(&bench, packed.data, packed.size, &back), WEFT_OK);
        const size_t held = pool_held(bench.pool);
        packed =
            repeat(&bench, bombs[i].number, bombs[i].element, bombs[i].size, LIMIT_ELEMENTS + 1);
        assert_int_equal(unpack(&bench, packed.data, packed.size, &back),
                         i == 3 ? WEFT_OK : WEFT_LIMIT);
        assert_true(pool_held(bench.pool) < held + 128 * 1024);
        bench_end(&bench);
    }
}

static void message_counts_elements_of_all_parts_together(void **state) {
    (void)state;
    /* Mail > Commit > Rows > Column: 64 runs of 64 columns are 64 × 65 elements. */
    struct bench bench;
    struct weft_error why;
    bench_begin(&bench, 0);
    const struct bytes run = repeat(&bench, 2, "\x4a\x00", 2, 64);
    const struct bytes fewer = repeat(&bench, 1, (const char *)run.data, run.size, 63);
    assert_int_equal(message_scan(&weft__mail__descriptor, fewer, &why), WEFT_OK);
    const struct bytes more = repeat(&bench, 1, (const char *)run.data, run.size, 64);
    assert_int_equal(message_scan(&weft__mail__descriptor, more, &why), WEFT_LIMIT);
    bench_end(&bench);
}

static void message_counts_the_elements_of_packed_fields(void **state) {
    (void)state;
    struct bench bench;
    struct weft_error why;
    bench_begin(&bench, 0);
    const ProtobufCMessageDescriptor *outcome = &weft__outcome__descriptor;
    const char *word = "\x01\x02\x03\x04\x05\x06\x07\x08";
    assert_int_equal(message_scan(outcome, repeat(&bench, 5, "\x80\x01", 2, LIMIT_ELEMENTS), &why),
                     WEFT_OK);
    assert_int_equal(
        message_scan(outcome, repeat(&bench, 5, "\x80\x01", 2, LIMIT_ELEMENTS + 1), &why),
        WEFT_LIMIT);
    assert_int_equal(message_scan(outcome, repeat(&bench, 6, word, 8, LIMIT_ELEMENTS), &why),
                     WEFT_OK);
    assert_int_equal(message_scan(outcome, repeat(&bench, 6, word, 8, LIMIT_ELEMENTS + 1), &why),
                     WEFT_LIMIT);
    assert_int_equal(message_scan(outcome, repeat(&bench, 6, word, 7, 1), &why), WEFT_PROTOCOL);
    assert_int_equal(message_scan(outcome, repeat(&bench, 5, "\x80", 1, 1), &why), WEFT_PROTOCOL);
    bench_end(&bench);
}

static void message_refuses_more_than_a_message_may_be(void **state) {
    (void)state;
    struct bench bench;
    Weft__Wire__Wire *back;
    bench_begin(&bench, 0);
    const struct bytes packed = repeat(&bench, 99, "x", 1, LIMIT_MESSAGE_RAW);
    assert_int_equal(unpack(&bench, packed.data, packed.size, &back), WEFT_LIMIT);
    bench_end(&bench);
}

static void message_says_when_memory_ends(void **state) {
    (void)state;
    struct bench source, bench;
    Weft__Wire__Wire *back;
    bench_begin(&source, 0);
    const struct bytes packed = repeat(&source, 2, "\x0a\x00", 2, LIMIT_ELEMENTS);
    for (size_t held = 4096; held < 200000; held += 32768) {
        bench_begin(&bench, held);
        assert_int_equal(unpack(&bench, packed.data, packed.size, &back), WEFT_NO_MEMORY);
        bench_end(&bench);
    }
    bench_end(&source);
}

static void message_survives_chance(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 77, 0);
    for (uint32_t i = 0; i < 50000; i++) {
        struct bench bench;
        Weft__Wire__Wire *back;
        uint8_t data[48];
        const size_t size = rng_below(&rng, sizeof data + 1);
        rng_fill(&rng, data, size);
        if (size > 2 && rng_chance(&rng, 700)) { /* a body of a known kind gets further */
            data[0] = (uint8_t)(rng_between(&rng, 1, 10) << 3 | 2);
            data[1] = (uint8_t)(size - 2);
        }
        bench_begin(&bench, 0);
        const enum weft_status status = unpack(&bench, data, size, &back);
        assert_true(status == WEFT_OK || status == WEFT_PROTOCOL);
        bench_end(&bench);
    }
}

/* ---- the descriptors ------------------------------------------------------------------------- */

#define PATH_MAX_TYPES 8u

/* Walks every path of nested messages; the path is the set of types that enclose this one. */
static void assert_finite(const ProtobufCMessageDescriptor *type,
                          const ProtobufCMessageDescriptor **path, unsigned depth,
                          unsigned *visited) {
    assert_true(depth < PATH_MAX_TYPES);
    assert_true(type->n_fields <= 64); /* message_scan() keeps a bit for each */
    for (unsigned i = 0; i < depth; i++)
        assert_ptr_not_equal(path[i], type);
    path[depth] = type;
    ++*visited;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            assert_finite(type->fields[i].descriptor, path, depth + 1, visited);
    }
}

static void no_message_type_contains_itself(void **state) {
    (void)state;
    const ProtobufCMessageDescriptor *path[PATH_MAX_TYPES];
    unsigned wire = 0, mail = 0;
    assert_finite(&weft__wire__wire__descriptor, path, 0, &wire);
    assert_finite(&weft__mail__descriptor, path, 0, &mail);
    assert_true(wire > weft__wire__wire__descriptor.n_fields);
    assert_true(mail > weft__mail__descriptor.n_fields);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_returns_what_it_packed),
        cmocka_unit_test(message_skips_kinds_it_does_not_know),
        cmocka_unit_test(message_skips_fields_it_does_not_know),
        cmocka_unit_test(message_refuses_every_truncation),
        cmocka_unit_test(message_survives_every_change_of_one_byte),
        cmocka_unit_test(message_refuses_what_protobuf_does_not_allow),
        cmocka_unit_test(message_refuses_a_field_given_twice),
        cmocka_unit_test(message_refuses_texts_that_are_not_whole),
        cmocka_unit_test(message_counts_elements_before_it_unpacks),
        cmocka_unit_test(message_counts_elements_of_all_parts_together),
        cmocka_unit_test(message_counts_the_elements_of_packed_fields),
        cmocka_unit_test(message_refuses_more_than_a_message_may_be),
        cmocka_unit_test(message_says_when_memory_ends),
        cmocka_unit_test(message_survives_chance),
        cmocka_unit_test(no_message_type_contains_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
