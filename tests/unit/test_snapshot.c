/* Rows of a snapshot: what is built reads back the same, and has one form only; everything else is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/crdt/hlc.h"
#include "engine/wire/snapshot.h"
#include "tests/lib/drawn.h"

#define HLC (UINT64_C(1750000000000) << 16)

static struct record_origin origins[600];

static const struct record_origin *whose(const void *context, uint32_t origin) {
    (void)context;
    origins[origin].incarnation = 1000 + origin;
    memset(origins[origin].device.bytes, (int)(origin & 0xff), WEFT_ID_SIZE);
    return &origins[origin];
}

static struct bytes text_bytes(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void begin(struct snapshot_builder *builder, struct drawn_bench *bench) {
    snapshot_build(builder, &bench->arena, text_bytes("tag"), 1, whose, NULL);
}

static void row_of(struct snapshot_builder *builder, int64_t key, struct stamp created,
                   struct stamp deleted, uint32_t count) {
    const struct weft_value value = weft_integer(key), *keys[] = {&value};
    snapshot_row(builder, keys, &created, &deleted, count);
}

static void field_of(struct snapshot_builder *builder, uint32_t field, const char *name,
                     struct stamp stamp, struct weft_value value) {
    snapshot_field(builder, field, text_bytes(name), &stamp, &value);
}

static struct bytes ended(struct snapshot_builder *builder) {
    struct bytes body;
    assert_int_equal(snapshot_finish(builder, &body), WEFT_OK);
    return body;
}

#define NEVER ((struct stamp){0, 0})

static struct bytes sample(struct drawn_bench *bench) {
    static const struct stamp one = {HLC, 1}, two = {HLC - 70000, 2}, three = {HLC + 1, 3};
    struct snapshot_builder builder;
    begin(&builder, bench);
    row_of(&builder, 7, one, two, 3);
    field_of(&builder, 4, "name", one, weft_text("J\xc3\xbcrgen", 7));
    field_of(&builder, 2, "size", three, weft_integer(INT64_MIN));
    field_of(&builder, 9, "none", (struct stamp){HLC, 2}, weft_null());
    row_of(&builder, 8, NEVER, three, 0);
    row_of(&builder, -1, NEVER, NEVER, 2);
    field_of(&builder, 2, "size", two, weft_real(-0.0));
    snapshot_field(&builder, 0, text_bytes("data"), &one, NULL);
    row_of(&builder, 300, two, NEVER, 1);
    field_of(&builder, 0, "data", two, weft_blob("\0\1\2", 3));
    return ended(&builder);
}

static bool sound(struct bytes body) {
    uint64_t newest = 0;
    struct bytes exact = drawn_exact(body.data, body.size);
    const bool answer = snapshot_sound(exact, &newest);
    drawn_exact_free(exact);
    return answer;
}

/* ---- round trips ---- */

static void a_body_reads_back_as_it_was_built(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct snapshot_body *reader = malloc(sizeof *reader);
    struct snapshot_row *row = malloc(sizeof *row);
    uint64_t newest = 0;
    drawn_begin(&bench, 1);
    const struct bytes body = sample(&bench);
    assert_true(snapshot_sound(body, &newest));
    assert_int_equal(newest, HLC + 1);
    assert_true(snapshot_newest(body, UINT64_MAX) == HLC + 1);
    assert_true(snapshot_newest(body, hlc_ms(HLC) - 1) == HLC - 70000);
    assert_int_equal(snapshot_newest(body, 0), 0);
    snapshot_open(reader, body);
    assert_memory_equal(reader->table.data, "tag", 3);
    assert_true(snapshot_next(reader, row));
    assert_int_equal(row->key[0].as.integer, 7);
    assert_int_equal(row->created.hlc, HLC);
    assert_int_equal(reader->origins[row->created.origin].incarnation, 1001);
    assert_int_equal(row->deleted.hlc, HLC - 70000);
    assert_int_equal(reader->origins[row->deleted.origin].device.bytes[15], 2);
    assert_int_equal(row->count, 3);
    assert_int_equal(row->stamps[0].hlc, HLC);
    assert_int_equal(row->stamps[0].origin, row->created.origin);
    assert_int_equal(row->stamps[1].hlc, HLC + 1);
    assert_int_equal(row->stamps[2].origin, row->deleted.origin);
    assert_memory_equal(row->values[0].as.bytes, "J\xc3\xbcrgen", 7);
    assert_int_equal(row->values[1].as.integer, INT64_MIN);
    assert_true(snapshot_next(reader, row));
    assert_int_equal(row->created.hlc, 0);
    assert_int_equal(row->deleted.hlc, HLC + 1);
    assert_true(snapshot_next(reader, row));
    assert_int_equal(row->values[0].type, WEFT_REAL);
    assert_int_equal(load_u64((const uint8_t *)&row->values[0].as.real), 0);
    assert_false(merge_bit(row->more, 0));
    assert_true(merge_bit(row->more, 1));
    assert_int_equal(reader->fields[row->fields[1]].size, 4);
    assert_true(snapshot_next(reader, row));
    assert_int_equal(row->values[0].size, 3);
    assert_false(merge_bit(row->more, 0));
    assert_false(snapshot_next(reader, row));
    assert_int_equal(reader->origin_count, 3);
    free(row);
    free(reader);
    drawn_end(&bench);
}

static void a_row_written_whole_takes_few_bytes_more_than_its_values(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct snapshot_builder builder;
    drawn_begin(&bench, 1);
    begin(&builder, &bench);
    size_t before = 0, largest = 0;
    for (uint32_t i = 0; i < 100; i++) {
        const struct stamp stamp = {HLC + (uint64_t)i * 3000, 1};
        row_of(&builder, i, stamp, NEVER, 2);
        field_of(&builder, 0, "a", stamp, weft_integer(1));
        field_of(&builder, 1, "b", stamp, weft_integer(1));
        const size_t took = builder.sink.size - before;
        before = builder.sink.size;
        if (i > 0 && took > largest) largest = took;
    }
    assert_true(sound(ended(&builder)));
    /* what, key 3, origin, hlc 2, count, and twice field, stamp and value 2. */
    assert_in_range(largest, 14, 16);
    drawn_end(&bench);
}

static void a_body_has_no_more_origins_and_bytes_than_it_may(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct snapshot_builder *builder = malloc(sizeof *builder);
    struct bytes body;
    uint8_t *large = calloc(1, LIMIT_SNAPSHOT);
    drawn_begin(&bench, 1);
    begin(builder, &bench);
    for (uint32_t i = 0; i < LIMIT_SNAPSHOT_ORIGINS; i++)
        row_of(builder, 1, (struct stamp){HLC, i + 1}, NEVER, 0);
    assert_true(builder->status == WEFT_OK);
    row_of(builder, 1, (struct stamp){HLC, 513}, NEVER, 0);
    assert_int_equal(snapshot_finish(builder, &body), WEFT_LIMIT);
    begin(builder, &bench);
    row_of(builder, 1, NEVER, NEVER, 1);
    field_of(builder, 1, "a", (struct stamp){1, 1}, weft_blob(large, LIMIT_SNAPSHOT));
    assert_int_equal(snapshot_finish(builder, &body), WEFT_LIMIT);
    begin(builder, &bench);
    row_of(builder, 1, NEVER, NEVER, 1);
    field_of(builder, 1, "a", (struct stamp){1, 1}, weft_blob(large, LIMIT_SNAPSHOT - 100));
    body = ended(builder);
    assert_true(sound(body));
    begin(builder, &bench);
    row_of(builder, 1, NEVER, NEVER, 1);
    field_of(builder, 1, "a", (struct stamp){1, 1}, weft_text("\xff", 1));
    assert_int_equal(snapshot_finish(builder, &body), WEFT_NOT_UTF8);
    free(large);
    free(builder);
    drawn_end(&bench);
}

/* ---- refusals ---- */

/* table "t", one key; pieces of rows. */
#define HEAD "\x01t\x01"
#define KEY "\x01\x02"
#define ORIGIN "0123456789abcdef\x07\0\0\0\0\0\0\0"
#define OTHER "0123456789abcdeF\x07\0\0\0\0\0\0\0"

struct form {
    const char *what;
    const char *bytes;
    size_t size;
    bool taken;
};
#define FORM(what, taken, bytes) \
    { what, bytes, sizeof(bytes) - 1, taken }

static const struct form forms[] = {
    FORM("a creation", true, HEAD "\x01" KEY "\0" ORIGIN "\x02\0"),
    FORM("no rows", false, HEAD),
    FORM("no key columns", false,
         "\x01t\0"
         "\x01\0" ORIGIN "\x02\0"),
    FORM("nine key columns", false,
         "\x01t\x09"
         "\x01\0\0\0\0\0\0\0\0\0\0" ORIGIN "\x02\0"),
    FORM("a table without a name", false, "\0\x01\x01" KEY "\0" ORIGIN "\x02\0"),
    FORM("a key of NULL", false,
         HEAD "\x01\0"
              "\0" ORIGIN "\x02\0"),
    FORM("a key of REAL", false,
         HEAD "\x01\x02\0\0\0\0\0\0\0\x40"
              "\0" ORIGIN "\x02\0"),
    FORM("a key of MORE", false,
         HEAD "\x01\x06"
              "\0" ORIGIN "\x02\0"),
    FORM("nothing said", false, HEAD "\0" KEY "\0"),
    FORM("an unknown what", false, HEAD "\x04" KEY "\0" ORIGIN "\x02\0"),
    FORM("a field alone", true, HEAD "\0" KEY "\x01\0\x01\x61\x01" ORIGIN "\x02\0"),
    FORM("a field as created of no creation", false, HEAD "\0" KEY "\x01\0\x01\x61\0\0"),
    FORM("a field as created", true, HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\0\x01\x61\0\0"),
    FORM("the creation's stamp spelled out", false,
         HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\0\x01\x61\x01\0\0"),
    FORM("another origin at the same time", true,
         HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\0\x01\x61\x02" OTHER "\0\0"),
    FORM("an origin named twice", false,
         HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\0\x01\x61\x02" ORIGIN "\0\0"),
    FORM("an origin left out", false, HEAD "\x01" KEY "\x01" ORIGIN "\x02\0"),
    FORM("a field left out", false, HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\x01\x01\x61\0\0"),
    FORM("a field twice", false, HEAD "\x01" KEY "\0" ORIGIN "\x02\x02\0\x01\x61\0\0\0\0\0"),
    FORM("two fields of one name", false,
         HEAD "\x01" KEY "\0" ORIGIN "\x02\x02\0\x01\x61\0\0\x01\x01\x41\0\0"),
    FORM("a value of MORE", true, HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\0\x01\x61\0\x06"),
    FORM("a value of NODE", false, HEAD "\x01" KEY "\0" ORIGIN "\x02\x01\0\x01\x61\0\x05"),
    FORM("a stamp of 0", false, HEAD "\x01" KEY "\0" ORIGIN "\0\0"),
    FORM("a stamp below 0", false, HEAD "\x01" KEY "\0" ORIGIN "\x01\0"),
    FORM("the greatest stamp", true,
         HEAD "\x01" KEY "\0" ORIGIN "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"),
    FORM("the greatest stamp from below", false,
         HEAD "\x01" KEY "\0" ORIGIN "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"),
    FORM("an incarnation that is too great", false,
         HEAD "\x01" KEY "\0"
              "0123456789abcdef\0\0\0\0\0\0\0\x80"
              "\x02\0"),
    FORM("a varint that is too long", false, HEAD "\x01" KEY "\x80\0" ORIGIN "\x02\0"),
    FORM("a hlc that is too long", false, HEAD "\x01" KEY "\0" ORIGIN "\x82\0\0"),
    FORM("a count that is too great", false, HEAD "\x01" KEY "\0" ORIGIN "\x02\x81\x02"),
    FORM("a deletion, counted from the creation", true, HEAD "\x03" KEY "\0" ORIGIN "\x02\0\x02\0"),
    FORM("something behind the last row", false, HEAD "\x01" KEY "\0" ORIGIN "\x02\0\0"),
};

static void a_body_of_another_form_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct bytes body = {(const uint8_t *)forms[i].bytes, forms[i].size};
        if (sound(body) != forms[i].taken) fail_msg("%s", forms[i].what);
    }
    assert_false(sound((struct bytes){(const uint8_t *)"", 0}));
}

static void a_body_that_was_cut_or_is_too_long_is_refused(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    const struct bytes body = sample(&bench);
    unsigned refused = 0;
    for (size_t size = 0; size < body.size; size++)
        refused += !sound((struct bytes){body.data, size});
    /* Three of its beginnings end with a row. */
    assert_int_equal(refused, body.size - 3);
    uint8_t *large = calloc(1, LIMIT_SNAPSHOT + 1);
    struct snapshot_builder builder;
    begin(&builder, &bench);
    row_of(&builder, 1, NEVER, NEVER, 1);
    field_of(&builder, 1, "a", (struct stamp){1, 1}, weft_blob(large, LIMIT_SNAPSHOT - 100));
    const struct bytes full = ended(&builder);
    memcpy(large, full.data, full.size);
    assert_false(sound((struct bytes){large, LIMIT_SNAPSHOT + 1}));
    free(large);
    drawn_end(&bench);
}

static void a_flipped_bit_never_reads_past_the_end(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    const struct bytes body = sample(&bench);
    uint8_t *copy = malloc(body.size);
    unsigned taken = 0;
    for (size_t i = 0; i < body.size * 8; i++) {
        memcpy(copy, body.data, body.size);
        copy[i / 8] ^= (uint8_t)(1u << (i % 8));
        taken += sound((struct bytes){copy, body.size});
    }
    assert_in_range(taken, 100, body.size * 8 - 100);
    free(copy);
    drawn_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_reads_back_as_it_was_built),
        cmocka_unit_test(a_row_written_whole_takes_few_bytes_more_than_its_values),
        cmocka_unit_test(a_body_has_no_more_origins_and_bytes_than_it_may),
        cmocka_unit_test(a_body_of_another_form_is_refused),
        cmocka_unit_test(a_body_that_was_cut_or_is_too_long_is_refused),
        cmocka_unit_test(a_flipped_bit_never_reads_past_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
