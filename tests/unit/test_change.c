/* Changes of shared rows: what is built reads back the same, and has one form only. Which forms are
 * refused is in test_change_refusals.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/wire/change.h"
#include "tests/lib/drawn.h"

#define HLC (UINT64_C(1750000000000) << 16)

/* ---- building ---- */

static struct bytes text_bytes(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void row_of(struct change_builder *builder, enum change_what what, int64_t key,
                   uint32_t writes) {
    const struct weft_value value = weft_integer(key);
    const struct weft_value *keys[] = {&value};
    change_row(builder, what, 0, keys, writes);
}

static void write_of(struct change_builder *builder, uint32_t column, const char *name,
                     struct weft_value value) {
    change_write(builder, column, text_bytes(name), &value);
}

static struct bytes ended(struct change_builder *builder) {
    struct bytes body;
    assert_int_equal(change_end(builder, &body), WEFT_OK);
    return body;
}

/* A table "t" with a key of one column: what most bodies below begin with. */
static void begin_t(struct change_builder *builder, struct drawn_bench *bench) {
    change_begin(builder, &bench->arena, text_bytes("t"), 1);
}

/* Three rows, in which every type of value occurs. */
static struct bytes sample(struct drawn_bench *bench) {
    struct change_builder builder;
    begin_t(&builder, bench);
    row_of(&builder, CHANGE_CREATE, 7, 4);
    write_of(&builder, 4, "name", weft_text("J\xc3\xbcrgen", 7));
    write_of(&builder, 2, "size", weft_integer(INT64_MIN));
    write_of(&builder, 9, "none", weft_null());
    change_write(&builder, 3, text_bytes("by"), NULL);
    row_of(&builder, CHANGE_DELETE, -1, 0);
    row_of(&builder, CHANGE_UPDATE, 300, 2);
    write_of(&builder, 2, "size", weft_real(0.5));
    write_of(&builder, 0, "data", weft_blob("\0\1\2", 3));
    return ended(&builder);
}

/* ---- reading ---- */

static bool same_value(const struct weft_value *a, const struct weft_value *b) {
    if (a->type != b->type) return false;
    if (a->type == WEFT_INTEGER) return a->as.integer == b->as.integer;
    if (a->type == WEFT_REAL) return memcmp(&a->as.real, &b->as.real, 8) == 0;
    if (a->type == WEFT_NULL) return true;
    return a->size == b->size && (a->size == 0 || memcmp(a->as.bytes, b->as.bytes, a->size) == 0);
}

static bool is_node(const struct change_row *row, uint32_t i) {
    return (row->nodes[i / 64] >> (i % 64) & 1) != 0;
}

/* Reads a sound body and lays it down anew, row for row: there is no other form of it. Returns the
 * number of rows. */
static uint32_t must_be_its_only_form(struct drawn_bench *bench, struct bytes body) {
    struct change_reader reader;
    struct change_row row;
    struct change_builder builder;
    uint32_t rows = 0;
    change_open(&reader, body);
    change_begin(&builder, &bench->arena, reader.table, reader.key_count);
    for (; change_next(&reader, &row); rows++) {
        const struct weft_value *keys[LIMIT_KEY_COLUMNS];
        for (uint32_t k = 0; k < reader.key_count; k++)
            keys[k] = &row.key[k];
        change_row(&builder, row.what, row.back, keys, row.count);
        for (uint32_t i = 0; i < row.count; i++) {
            const uint32_t field = row.fields[i];
            assert_true(field < reader.field_count);
            change_write(&builder, field, reader.fields[field],
                         is_node(&row, i) ? NULL : &row.values[i]);
        }
    }
    const struct bytes again = ended(&builder);
    assert_int_equal(again.size, body.size);
    assert_memory_equal(again.data, body.data, body.size);
    return rows;
}

/* ---- round trips ---- */

static void a_body_reads_back_as_it_was_built(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_reader reader;
    struct change_row row;
    drawn_begin(&bench, 1);
    const struct bytes body = sample(&bench);
    assert_true(change_sound(body, HLC));
    change_open(&reader, body);
    assert_memory_equal(reader.table.data, "t", 1);
    assert_true(change_next(&reader, &row));
    assert_int_equal(row.what, CHANGE_CREATE);
    assert_int_equal(row.key[0].as.integer, 7);
    assert_int_equal(row.count, 4);
    assert_int_equal(row.values[0].type, WEFT_TEXT);
    assert_memory_equal(row.values[0].as.bytes, "J\xc3\xbcrgen", 7);
    assert_true(row.values[1].as.integer == INT64_MIN);
    assert_true(row.values[2].type == WEFT_NULL && !is_node(&row, 2));
    assert_true(row.values[3].type == WEFT_NULL && is_node(&row, 3));
    assert_true(change_next(&reader, &row));
    assert_int_equal(row.what, CHANGE_DELETE);
    assert_int_equal(row.count, 0);
    assert_true(change_next(&reader, &row));
    assert_int_equal(row.what, CHANGE_UPDATE);
    assert_true(row.count == 2 && row.fields[0] == 1 && row.fields[1] == 4);
    assert_false(is_node(&row, 0) || is_node(&row, 1));
    assert_true(row.values[0].as.real == 0.5);
    assert_int_equal(reader.field_count, 5);
    assert_memory_equal(reader.fields[4].data, "data", 4);
    assert_false(change_next(&reader, &row));
    drawn_end(&bench);
}

static void a_body_is_laid_down_byte_for_byte_as_the_protocol_says(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_builder builder;
    static const char expected[] = "\1t\1"
                                   "\1\5\1\2\2\0\1c\1\4\1\1d\3\1x"
                                   "\2\0\1\3"
                                   "\3\0\1\x80\2\1\0\5";
    drawn_begin(&bench, 1);
    begin_t(&builder, &bench);
    const struct weft_value one = weft_integer(1);
    const struct weft_value *keys[] = {&one};
    change_row(&builder, CHANGE_CREATE, 5, keys, 2);
    write_of(&builder, 200, "c", weft_integer(2));
    write_of(&builder, 100, "d", weft_text("x", 1));
    row_of(&builder, CHANGE_DELETE, -2, 0);
    row_of(&builder, CHANGE_UPDATE, 128, 1);
    change_write(&builder, 200, text_bytes("c"), NULL);
    const struct bytes body = ended(&builder);
    assert_int_equal(body.size, sizeof expected - 1);
    assert_memory_equal(body.data, expected, body.size);
    drawn_end(&bench);
}

/* One drawn row, kept to be compared with what is read. */
struct drawn_change {
    enum change_what what;
    uint64_t back;
    uint32_t count, columns[LIMIT_COLUMNS];
    bool nodes[LIMIT_COLUMNS];
    struct weft_value key[LIMIT_KEY_COLUMNS], values[LIMIT_COLUMNS];
};

static struct weft_value draw_value(struct drawn_bench *bench, bool for_key) {
    static const int64_t integers[] = {0, 1, -1, 63, 64, -64, -65, INT64_MAX, INT64_MIN};
    static const double reals[] = {0.0, 1.0, -1.5, 4.9e-324, 1.7e308, INFINITY, -INFINITY};
    struct rng *rng = &bench->rng;
    switch (rng_below(rng, for_key ? 3 : 5)) {
    case 0:
        return weft_integer(rng_chance(rng, 300) ? (int64_t)rng_u64(rng)
                                                 : integers[rng_below(rng, 9)]);
    case 1:
        return drawn_value(bench, WEFT_TEXT, rng_below(rng, 20));
    case 2:
        return drawn_value(bench, WEFT_BLOB, rng_chance(rng, 20) ? 300 : rng_below(rng, 20));
    case 3:
        return weft_real(reals[rng_below(rng, 7)]);
    default:
        return weft_null();
    }
}

static void draw_change(struct drawn_bench *bench, uint32_t key_count, uint32_t columns,
                        struct drawn_change *out) {
    struct rng *rng = &bench->rng;
    out->what = (enum change_what)rng_between(rng, CHANGE_CREATE, CHANGE_UPDATE);
    out->back = rng_chance(rng, 500) ? 0 : rng_below(rng, HLC);
    out->count = 0;
    const uint32_t least = out->what == CHANGE_UPDATE ? 1 : 0;
    const uint32_t count = (uint32_t)rng_between(rng, least, columns);
    const uint32_t first = (uint32_t)rng_below(rng, columns);
    for (uint32_t k = 0; k < key_count; k++)
        out->key[k] = draw_value(bench, true);
    for (uint32_t i = 0; i < count && out->what != CHANGE_DELETE; i++) {
        out->columns[i] = LIMIT_COLUMNS - 1 - (first + i) % columns;
        out->nodes[i] = rng_chance(rng, 100);
        out->values[i] = out->nodes[i] ? weft_null() : draw_value(bench, false);
        out->count++;
    }
}

static void build_change(struct change_builder *builder, const struct drawn_change *drawn) {
    const struct weft_value *keys[LIMIT_KEY_COLUMNS];
    for (uint32_t k = 0; k < LIMIT_KEY_COLUMNS; k++)
        keys[k] = &drawn->key[k];
    change_row(builder, drawn->what, drawn->back, keys, drawn->count);
    for (uint32_t i = 0; i < drawn->count; i++) {
        char name[] = "column of number 000";
        for (uint32_t at = sizeof name - 2, rest = drawn->columns[i]; rest > 0; rest /= 10)
            name[at--] = (char)('0' + rest % 10);
        change_write(builder, drawn->columns[i], text_bytes(name),
                     drawn->nodes[i] ? NULL : &drawn->values[i]);
    }
}

static void assert_drawn(const struct change_reader *reader, const struct drawn_change *drawn,
                         const struct change_row *row) {
    assert_true(row->what == drawn->what && row->back == drawn->back);
    assert_int_equal(row->count, drawn->count);
    for (uint32_t k = 0; k < reader->key_count; k++)
        assert_true(same_value(&row->key[k], &drawn->key[k]));
    for (uint32_t i = 0; i < row->count; i++) {
        const struct bytes name = reader->fields[row->fields[i]];
        const uint32_t column = drawn->columns[i];
        assert_int_equal(name.size, 20);
        assert_int_equal(name.data[19], '0' + column % 10);
        assert_int_equal(name.data[18], '0' + column / 10 % 10);
        assert_true(is_node(row, i) == drawn->nodes[i]);
        assert_true(same_value(&row->values[i], &drawn->values[i]));
    }
}

static void whatever_is_built_is_sound_and_reads_back_the_same(void **state) {
    (void)state;
    static struct drawn_change drawn[8];
    static struct change_reader reader;
    static struct change_row row;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        struct drawn_bench bench;
        struct change_builder builder;
        uint64_t back = 0;
        drawn_begin(&bench, seed);
        const uint32_t key_count = (uint32_t)rng_between(&bench.rng, 1, LIMIT_KEY_COLUMNS);
        const uint32_t columns = seed % 50 == 0 ? LIMIT_COLUMNS : 1 + (uint32_t)(seed % 7);
        const uint32_t rows = (uint32_t)rng_between(&bench.rng, 1, 8);
        change_begin(&builder, &bench.arena, text_bytes("some table"), key_count);
        for (uint32_t i = 0; i < rows; i++) {
            draw_change(&bench, key_count, columns, &drawn[i]);
            build_change(&builder, &drawn[i]);
            if (drawn[i].back > back) back = drawn[i].back;
        }
        const struct bytes built = ended(&builder);
        const struct bytes body = drawn_exact(built.data, built.size);
        assert_true(change_sound(body, back + 1));
        assert_false(change_sound(body, back));
        change_open(&reader, body);
        for (uint32_t i = 0; i < rows; i++) {
            assert_true(change_next(&reader, &row));
            assert_drawn(&reader, &drawn[i], &row);
        }
        assert_false(change_next(&reader, &row));
        assert_int_equal(must_be_its_only_form(&bench, body), rows);
        drawn_exact_free(body);
        drawn_end(&bench);
    }
}

static void keys_are_equal_bytes_if_and_only_if_they_are_equal(void **state) {
    (void)state;
    static struct change_row rows[40];
    struct drawn_bench bench;
    struct change_builder builder;
    struct change_reader reader;
    drawn_begin(&bench, 5);
    change_begin(&builder, &bench.arena, text_bytes("t"), 2);
    for (uint32_t i = 0; i < 40; i++) {
        struct weft_value a = weft_integer((int64_t)(i % 3) - 1), b = weft_text("ab", i % 2 + 1);
        if (i % 5 == 0) a = weft_blob("ab", 1);
        const struct weft_value *keys[] = {i % 7 == 0 ? &b : &a, &b};
        change_row(&builder, CHANGE_DELETE, i, keys, 0);
    }
    change_open(&reader, ended(&builder));
    uint32_t equal = 0;
    for (uint32_t i = 0; i < 40; i++) {
        assert_true(change_next(&reader, &rows[i]));
        for (uint32_t j = 0; j < i; j++) {
            const struct bytes a = rows[i].key_bytes, b = rows[j].key_bytes;
            const bool same = same_value(&rows[i].key[0], &rows[j].key[0]) &&
                              same_value(&rows[i].key[1], &rows[j].key[1]);
            assert_true(same == (a.size == b.size && memcmp(a.data, b.data, a.size) == 0));
            equal += same;
        }
    }
    assert_true(equal > 0 && equal < 40 * 39 / 2);
    drawn_end(&bench);
}

static void a_negative_zero_is_written_as_zero(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_builder builder;
    struct change_reader reader;
    struct change_row row;
    drawn_begin(&bench, 1);
    begin_t(&builder, &bench);
    row_of(&builder, CHANGE_UPDATE, 1, 1);
    write_of(&builder, 0, "c", weft_real(-0.0));
    const struct bytes body = ended(&builder);
    assert_true(change_sound(body, HLC));
    change_open(&reader, body);
    assert_true(change_next(&reader, &row));
    assert_true(row.values[0].as.real == 0 && !signbit(row.values[0].as.real));
    drawn_end(&bench);
}

/* ---- bounds ---- */

/* A create of `count` fields that are called by numbers of LIMIT_NAME digits. */
static struct bytes wide(struct drawn_bench *bench, uint32_t count) {
    uint8_t *body = arena_zero(&bench->arena, LIMIT_RECORD), *at = body;
    assert_non_null(body);
    memcpy(at, "\1t\1\1\0\1\2", 7);
    at = varint_put(at + 7, count);
    for (uint32_t i = 0; i < count; i++) {
        at = varint_put(at, i);
        *at++ = LIMIT_NAME;
        memset(at, '0', LIMIT_NAME);
        for (uint32_t digit = LIMIT_NAME - 1, rest = i; rest > 0; rest /= 10)
            at[digit--] = (uint8_t)('0' + rest % 10);
        at += LIMIT_NAME;
        *at++ = WEFT_NULL;
    }
    return (struct bytes){body, (size_t)(at - body)};
}

static void a_row_may_have_as_many_fields_as_there_are_and_not_one_more(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    const struct bytes all = wide(&bench, LIMIT_FIELDS);
    assert_true(change_sound(all, HLC));
    assert_int_equal(must_be_its_only_form(&bench, all), 1);
    assert_false(change_sound(wide(&bench, LIMIT_FIELDS + 1), HLC));
    drawn_end(&bench);
}

static void a_body_names_as_many_fields_as_there_are_and_not_one_more(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    const struct bytes all = wide(&bench, LIMIT_FIELDS);
    uint8_t *more = (uint8_t *)(uintptr_t)all.data + all.size;
    memcpy(more, "\3\0\1\2\1\xff\1\0", 8); /* The last field once more … */
    assert_true(change_sound((struct bytes){all.data, all.size + 8}, HLC));
    memcpy(more, "\3\0\1\2\1\x80\2\1x\0", 10); /* … and one behind it. */
    assert_false(change_sound((struct bytes){all.data, all.size + 10}, HLC));
    drawn_end(&bench);
}

static void a_body_as_large_as_a_record_is_read_and_a_larger_one_refused(void **state) {
    (void)state;
    struct drawn_bench bench;
    drawn_begin(&bench, 1);
    uint8_t *body = arena_take(&bench.arena, LIMIT_RECORD + 4);
    assert_non_null(body);
    /* The smallest rows: deletions of empty blobs. */
    memcpy(body, "\2tt\1", 4);
    for (size_t at = 4; at < LIMIT_RECORD + 4; at += 4)
        memcpy(body + at, "\2\0\4\0", 4);
    assert_true(change_sound((struct bytes){body, LIMIT_RECORD}, HLC));
    const struct bytes whole = {body, LIMIT_RECORD - 64};
    assert_int_equal(must_be_its_only_form(&bench, whole), (LIMIT_RECORD - 64) / 4 - 1);
    assert_false(change_sound((struct bytes){body, LIMIT_RECORD + 4}, HLC));
    drawn_end(&bench);
}

/* ---- bytes gone wrong ---- */

static void a_body_that_is_cut_is_refused_but_between_two_rows(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_reader reader;
    struct change_row row;
    drawn_begin(&bench, 1);
    const struct bytes whole = sample(&bench);
    bool is_end[256] = {false};
    assert_true(whole.size < sizeof is_end);
    change_open(&reader, whole);
    while (change_next(&reader, &row))
        is_end[whole.size - cursor_left(&reader.rest)] = true;
    for (size_t size = 0; size <= whole.size; size++) {
        const struct bytes cut = drawn_exact(whole.data, size);
        assert_true(change_sound(cut, HLC) == is_end[size]);
        drawn_exact_free(cut);
    }
    drawn_end(&bench);
}

static void a_body_with_wrong_bytes_is_refused_or_is_another_in_its_only_form(void **state) {
    (void)state;
    struct drawn_bench bench;
    uint32_t sound = 0, refused = 0;
    drawn_begin(&bench, 1);
    const struct bytes whole = sample(&bench);
    for (uint32_t i = 0; i < 100000; i++) {
        struct bytes bytes = drawn_exact(whole.data, whole.size);
        uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
        if (i < whole.size * 8) {
            data[i / 8] ^= (uint8_t)(1u << i % 8);
        } else {
            for (uint64_t n = 1 + i % 3; n > 0; n--)
                data[rng_below(&bench.rng, bytes.size)] = (uint8_t)rng_u64(&bench.rng);
            if (i % 2 == 0) bytes.size -= rng_below(&bench.rng, bytes.size);
        }
        if (change_sound(bytes, HLC)) {
            assert_true(must_be_its_only_form(&bench, bytes) > 0);
            sound++;
        } else {
            refused++;
        }
        drawn_exact_free(bytes);
    }
    assert_true(sound > 500 && refused > 500);
    drawn_end(&bench);
}

/* ---- the builder's failures ---- */

static void a_body_without_rows_is_empty(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_builder builder;
    drawn_begin(&bench, 1);
    begin_t(&builder, &bench);
    assert_int_equal(ended(&builder).size, 0);
    drawn_end(&bench);
}

static void a_body_larger_than_a_record_is_a_failure_that_stays(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_builder builder;
    struct bytes body;
    drawn_begin(&bench, 1);
    begin_t(&builder, &bench);
    const struct weft_value large = drawn_value(&bench, WEFT_BLOB, LIMIT_RECORD / 2);
    row_of(&builder, CHANGE_CREATE, 1, 3);
    for (uint32_t column = 0; column < 3; column++)
        change_write(&builder, column, text_bytes("c"), &large);
    row_of(&builder, CHANGE_DELETE, 2, 0);
    assert_int_equal(change_end(&builder, &body), WEFT_LIMIT);
    assert_null(body.data);
    drawn_end(&bench);
}

static void a_text_that_is_not_utf8_is_a_failure_that_stays(void **state) {
    (void)state;
    struct drawn_bench bench;
    struct change_builder builder;
    struct bytes body;
    drawn_begin(&bench, 1);
    begin_t(&builder, &bench);
    row_of(&builder, CHANGE_CREATE, 1, 2);
    write_of(&builder, 0, "c", weft_text("\xc3", 1));
    write_of(&builder, 1, "d", weft_text("good", 4));
    assert_int_equal(change_end(&builder, &body), WEFT_NOT_UTF8);
    assert_null(body.data);
    drawn_end(&bench);
}

static uint32_t rows_of(struct bytes body) {
    struct change_reader reader;
    struct change_row row;
    uint32_t rows = 0;
    assert_true(change_sound(body, HLC));
    change_open(&reader, body);
    while (change_next(&reader, &row))
        rows++;
    return rows;
}

static void memory_that_runs_out_is_a_failure_wherever_it_does(void **state) {
    (void)state;
    uint32_t failed = 0;
    for (size_t most = 1; most < (1u << 20); most *= 2) {
        struct pool *pool = pool_open(most, 0, NULL);
        struct change_builder builder;
        struct arena arena;
        struct bytes body;
        assert_non_null(pool);
        arena_init(&arena, pool);
        change_begin(&builder, &arena, text_bytes("t"), 1);
        for (int64_t key = 0; key < 4000; key++) {
            row_of(&builder, CHANGE_CREATE, key, 1);
            write_of(&builder, 0, "c", weft_text("a text of some bytes", 20));
        }
        const enum weft_status status = change_end(&builder, &body);
        assert_true(status == WEFT_OK || status == WEFT_NO_MEMORY);
        assert_true((body.data != NULL) == (status == WEFT_OK));
        if (status == WEFT_OK) assert_int_equal(rows_of(body), 4000);
        failed += status != WEFT_OK;
        arena_drop(&arena);
        pool_close(pool);
    }
    assert_true(failed > 5 && failed < 20);
}

static void a_real_that_is_not_a_number_ends_the_builder(void **state) {
    (void)state;
    const pid_t child = fork();
    int status = 0;
    assert_true(child >= 0);
    if (child == 0) {
        struct drawn_bench bench;
        struct change_builder builder;
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        drawn_begin(&bench, 1);
        begin_t(&builder, &bench);
        row_of(&builder, CHANGE_UPDATE, 1, 1);
        write_of(&builder, 0, "c", weft_real((double)NAN));
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_reads_back_as_it_was_built),
        cmocka_unit_test(a_body_is_laid_down_byte_for_byte_as_the_protocol_says),
        cmocka_unit_test(whatever_is_built_is_sound_and_reads_back_the_same),
        cmocka_unit_test(keys_are_equal_bytes_if_and_only_if_they_are_equal),
        cmocka_unit_test(a_negative_zero_is_written_as_zero),
        cmocka_unit_test(a_row_may_have_as_many_fields_as_there_are_and_not_one_more),
        cmocka_unit_test(a_body_names_as_many_fields_as_there_are_and_not_one_more),
        cmocka_unit_test(a_body_as_large_as_a_record_is_read_and_a_larger_one_refused),
        cmocka_unit_test(a_body_that_is_cut_is_refused_but_between_two_rows),
        cmocka_unit_test(a_body_with_wrong_bytes_is_refused_or_is_another_in_its_only_form),
        cmocka_unit_test(a_body_without_rows_is_empty),
        cmocka_unit_test(a_body_larger_than_a_record_is_a_failure_that_stays),
        cmocka_unit_test(a_text_that_is_not_utf8_is_a_failure_that_stays),
        cmocka_unit_test(memory_that_runs_out_is_a_failure_wherever_it_does),
        cmocka_unit_test(a_real_that_is_not_a_number_ends_the_builder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
