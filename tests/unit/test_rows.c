/* Runs of rows against a model of them, and against input that means harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/wire/rows.h"

static uint64_t random_next(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

struct fixture {
    struct pool *pool;
    struct arena arena;
    struct rows_builder builder;
};

static void fixture_open(struct fixture *f, uint32_t column_count, size_t held_max) {
    f->pool = pool_open(held_max, 1u << 20, NULL);
    assert_non_null(f->pool);
    arena_init(&f->arena, f->pool);
    assert_int_equal(rows_begin(&f->builder, &f->arena, 3, column_count), WEFT_OK);
}

static void fixture_close(struct fixture *f) {
    arena_drop(&f->arena);
    pool_close(f->pool);
}

static void add(struct fixture *f, enum row_op op, uint64_t version) {
    assert_int_equal(rows_add(&f->builder, op, version), WEFT_OK);
}

static void cell(struct fixture *f, uint32_t column, struct weft_value value) {
    assert_int_equal(rows_cell(&f->builder, column, &value), WEFT_OK);
}

static void assert_value(struct weft_value is, struct weft_value expected) {
    assert_int_equal(is.type, expected.type);
    assert_int_equal(is.size, expected.size);
    if (is.type == WEFT_TEXT || is.type == WEFT_BLOB) {
        assert_non_null(is.as.bytes);
        if (is.size > 0) assert_memory_equal(is.as.bytes, expected.as.bytes, is.size);
    } else {
        assert_true(is.as.integer == expected.as.integer); /* the bits, for a real */
    }
}

static void rows_begin_makes_an_empty_and_valid_run(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 4, 0);
    const Weft__Rows *rows = f.builder.rows;
    assert_int_equal(rows->model, 3);
    assert_int_equal(rows->count, 0);
    assert_int_equal(rows->n_columns, 4);
    assert_int_equal(f.builder.cell_bytes, 0);
    assert_true(rows_valid(rows, 4));
    assert_false(rows_valid(rows, 5));
    fixture_close(&f);
}

static void rows_hold_every_type_of_value_as_it_was_given(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 3, 0);
    const struct weft_value values[] = {
        weft_null(),
        weft_integer(INT64_MIN),
        weft_integer(-1),
        weft_real(-0.0),
        weft_real(1e308),
        weft_text("", 0),
        weft_text("Grüße", strlen("Grüße")),
        weft_text("a\0b", 3),
        weft_blob(NULL, 0),
        weft_blob("\xFF\x00\xFE", 3),
    };
    const uint32_t count = sizeof values / sizeof values[0];
    for (uint32_t i = 0; i < count; i++) {
        add(&f, ROW_PUT, 100 + i);
        cell(&f, 0, values[i]);
        cell(&f, 2, values[count - 1 - i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(rows_op(f.builder.rows, i), ROW_PUT);
        assert_true(rows_version(f.builder.rows, i) == 100 + i);
        assert_value(rows_value(f.builder.rows, i, 0), values[i]);
        assert_value(rows_value(f.builder.rows, i, 1), weft_null());
        assert_value(rows_value(f.builder.rows, i, 2), values[count - 1 - i]);
    }
    f.builder.rows->after = 99;
    f.builder.rows->upto = 100 + count;
    assert_true(rows_valid(f.builder.rows, 3));
    fixture_close(&f);
}

static void rows_cells_and_versions_are_aligned_at_every_capacity(void **state) {
    (void)state;
    for (uint32_t columns = 1; columns <= 9; columns++) {
        struct fixture f;
        fixture_open(&f, columns, 0);
        for (uint32_t i = 0; i < 200; i++) {
            add(&f, ROW_PUT, i + 1);
            assert_int_equal((uintptr_t)f.builder.rows->versions.data % 8, 0);
            for (uint32_t c = 0; c < columns; c++) {
                assert_int_equal((uintptr_t)f.builder.rows->columns[c]->cells.data % 8, 0);
            }
        }
        fixture_close(&f);
    }
}

static void rows_fields_exist_only_while_a_set_is_among_them(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, LIMIT_COLUMNS, 0);
    for (uint32_t i = 0; i < 10; i++) {
        add(&f, ROW_PUT, i + 1);
    }
    assert_int_equal(f.builder.rows->fields.len, 0);
    add(&f, ROW_SET, 11);
    assert_int_equal(rows_field(&f.builder, LIMIT_COLUMNS - 1), WEFT_OK);
    for (uint32_t i = 0; i < 30; i++) {
        add(&f, ROW_DELETE, 12 + i);
    }
    assert_int_equal(f.builder.rows->fields.len, 2 * 41);
    assert_int_equal(rows_set_field(f.builder.rows, 10), LIMIT_COLUMNS - 1);
    assert_int_equal(rows_set_field(f.builder.rows, 9), 0);
    f.builder.rows->upto = 100;
    assert_true(rows_valid(f.builder.rows, LIMIT_COLUMNS));
    for (uint32_t i = 0; i < 30; i++) {
        rows_undo(&f.builder);
    }
    assert_int_equal(f.builder.rows->fields.len, 2 * 11);
    rows_undo(&f.builder);
    assert_int_equal(f.builder.rows->fields.len, 0);
    assert_true(rows_valid(f.builder.rows, LIMIT_COLUMNS));
    fixture_close(&f);
}

static void rows_cell_set_again_lets_go_of_what_it_held(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 1, 0);
    add(&f, ROW_PUT, 1);
    cell(&f, 0, weft_text("first", 5));
    add(&f, ROW_PUT, 2);
    const size_t empty = f.builder.cell_bytes;
    cell(&f, 0, weft_text("a longer one", 12));
    cell(&f, 0, weft_blob("xy", 2));
    assert_int_equal(f.builder.rows->columns[0]->body.len, 7);
    assert_value(rows_value(f.builder.rows, 1, 0), weft_blob("xy", 2));
    cell(&f, 0, weft_integer(5));
    assert_int_equal(f.builder.rows->columns[0]->body.len, 5);
    cell(&f, 0, weft_null());
    assert_value(rows_value(f.builder.rows, 1, 0), weft_null());
    assert_int_equal(f.builder.cell_bytes, empty);
    assert_value(rows_value(f.builder.rows, 0, 0), weft_text("first", 5));
    fixture_close(&f);
}

/* ---- a model --------------------------------------------------------------------------------- */

enum { MODEL_ROWS = 300, MODEL_COLUMNS = 5 };

struct model_row {
    enum row_op op;
    uint64_t version;
    uint32_t field;
    struct weft_value values[MODEL_COLUMNS];
    uint8_t bytes[MODEL_COLUMNS][300];
    size_t cell_bytes_before;
};

static struct weft_value random_value(uint8_t bytes[300], uint64_t *seed) {
    const uint64_t number = random_next(seed);
    const size_t size = (size_t)(number % (number % 10 == 0 ? 300 : 20));
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)random_next(seed);
    }
    switch (random_next(seed) % 5) {
    case WEFT_INTEGER:
        return weft_integer((int64_t)number);
    case WEFT_REAL:
        return weft_real((double)(int64_t)number);
    case WEFT_TEXT:
        return weft_text((const char *)bytes, size);
    case WEFT_BLOB:
        return weft_blob(bytes, size);
    default:
        return weft_null();
    }
}

static void model_add(struct fixture *f, struct model_row *row, uint64_t version, uint64_t *seed) {
    row->op = (enum row_op)(random_next(seed) % 4);
    row->version = version;
    row->field = 0;
    row->cell_bytes_before = f->builder.cell_bytes;
    add(f, row->op, version);
    if (row->op == ROW_SET) {
        row->field = (uint32_t)(random_next(seed) % MODEL_COLUMNS);
        assert_int_equal(rows_field(&f->builder, row->field), WEFT_OK);
    }
    for (uint32_t c = 0; c < MODEL_COLUMNS; c++) {
        row->values[c] = weft_null();
        const uint64_t times = random_next(seed) % 4 == 0 ? 2 : 1;
        for (uint64_t i = 0; i < times; i++) {
            row->values[c] = random_value(row->bytes[c], seed);
            cell(f, c, row->values[c]);
        }
    }
}

static void assert_model(const struct fixture *f, const struct model_row *model, uint32_t count) {
    const Weft__Rows *rows = f->builder.rows;
    assert_int_equal(rows->count, count);
    assert_true(rows_valid(rows, MODEL_COLUMNS));
    size_t body[MODEL_COLUMNS] = {0};
    bool has_set = false;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(rows_op(rows, i), model[i].op);
        assert_true(rows_version(rows, i) == model[i].version);
        if (model[i].op == ROW_SET) assert_int_equal(rows_set_field(rows, i), model[i].field);
        has_set |= model[i].op == ROW_SET;
        for (uint32_t c = 0; c < MODEL_COLUMNS; c++) {
            assert_value(rows_value(rows, i, c), model[i].values[c]);
            body[c] += model[i].values[c].size;
        }
    }
    for (uint32_t c = 0; c < MODEL_COLUMNS; c++) {
        assert_int_equal(rows->columns[c]->body.len, body[c]); /* nothing lies there unused */
    }
    assert_int_equal(rows->fields.len, has_set ? (size_t)count * 2 : 0);
}

static void rows_undo_is_exact_after_any_row(void **state) {
    (void)state;
    struct model_row *model = calloc(MODEL_ROWS, sizeof *model);
    assert_non_null(model);
    for (uint64_t seed = 0; seed < 30; seed++) {
        uint64_t chance = seed;
        struct fixture f;
        fixture_open(&f, MODEL_COLUMNS, 0);
        f.builder.rows->upto = UINT64_MAX;
        uint32_t count = 0;
        uint64_t version = 0;
        for (int step = 0; step < 600; step++) {
            if (count > 0 && (count == MODEL_ROWS || random_next(&chance) % 4 == 0)) {
                rows_undo(&f.builder);
                count--;
                version = model[count].version - 1;
                assert_int_equal(f.builder.cell_bytes, model[count].cell_bytes_before);
            } else {
                version += 1 + random_next(&chance) % 3;
                model_add(&f, &model[count++], version, &chance);
            }
            if (step % 50 == 0) assert_model(&f, model, count);
        }
        assert_model(&f, model, count);
        while (count > 0) {
            rows_undo(&f.builder);
            count--;
        }
        assert_model(&f, model, 0);
        assert_int_equal(f.builder.cell_bytes, 0);
        fixture_close(&f);
    }
    free(model);
}

static void rows_travel_packed_and_unpacked(void **state) {
    (void)state;
    struct model_row *model = calloc(MODEL_ROWS, sizeof *model);
    assert_non_null(model);
    uint64_t seed = 11;
    struct fixture f;
    fixture_open(&f, MODEL_COLUMNS, 0);
    f.builder.rows->upto = UINT64_MAX;
    for (uint32_t i = 0; i < MODEL_ROWS; i++) {
        model_add(&f, &model[i], i + 1, &seed);
    }
    const size_t size = weft__rows__get_packed_size(f.builder.rows);
    uint8_t *packed = malloc(size);
    assert_non_null(packed);
    assert_int_equal(weft__rows__pack(f.builder.rows, packed), size);
    Weft__Rows *built = f.builder.rows;
    f.builder.rows = weft__rows__unpack(NULL, size, packed);
    assert_non_null(f.builder.rows);
    assert_model(&f, model, MODEL_ROWS);
    weft__rows__free_unpacked(f.builder.rows, NULL);
    f.builder.rows = built;
    free(packed);
    free(model);
    fixture_close(&f);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void rows_add_stops_at_the_limit(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f, 2, 0);
    for (uint32_t i = 0; i < LIMIT_ROWS; i++) {
        add(&f, ROW_PUT, i + 1);
        cell(&f, 0, weft_integer(i));
    }
    assert_int_equal(rows_add(&f.builder, ROW_PUT, LIMIT_ROWS + 1), WEFT_LIMIT);
    f.builder.rows->upto = LIMIT_ROWS;
    assert_true(rows_valid(f.builder.rows, 2));
    assert_value(rows_value(f.builder.rows, LIMIT_ROWS - 1, 0), weft_integer(LIMIT_ROWS - 1));
    rows_undo(&f.builder);
    add(&f, ROW_PUT, LIMIT_ROWS);
    fixture_close(&f);
}

static void rows_without_memory_stay_as_they_were(void **state) {
    (void)state;
    static const char text[3000] = {'t'};
    /* Every bound from none to enough: each place that can fail, fails once. */
    bool failed_add = false;
    bool failed_cell = false;
    for (size_t chunks = 1; chunks <= 8; chunks++) {
        struct fixture f;
        fixture_open(&f, 3, 4096 + (chunks - 1) * 65536);
        f.builder.rows->upto = UINT64_MAX;
        uint32_t count = 0;
        for (;;) {
            const size_t bytes = f.builder.cell_bytes;
            enum weft_status status = rows_add(&f.builder, ROW_PUT, count + 1);
            if (status == WEFT_NO_MEMORY || count == 1000) {
                failed_add |= status == WEFT_NO_MEMORY;
                if (status == WEFT_OK) rows_undo(&f.builder);
                assert_int_equal(f.builder.cell_bytes, bytes);
                break;
            }
            assert_int_equal(status, WEFT_OK);
            cell(&f, 0, weft_integer(count));
            if (count % 16 == 3) {
                cell(&f, 1, weft_integer(7));
                struct weft_value value = weft_text(text, sizeof text);
                status = rows_cell(&f.builder, 1, &value);
                if (status == WEFT_NO_MEMORY) {
                    failed_cell = true;
                    assert_value(rows_value(f.builder.rows, count, 1), weft_integer(7));
                    rows_undo(&f.builder);
                    break;
                }
            }
            count++;
        }
        assert_int_equal(f.builder.rows->count, count);
        assert_true(rows_valid(f.builder.rows, 3));
        for (uint32_t i = 0; i < count; i++) {
            assert_value(rows_value(f.builder.rows, i, 0), weft_integer(i));
        }
        fixture_close(&f);
    }
    assert_true(failed_add);
    assert_true(failed_cell);
}

static void rows_begin_without_memory_says_so(void **state) {
    (void)state;
    struct pool *pool = pool_open(1, 0, NULL);
    struct arena arena;
    struct rows_builder builder;
    arena_init(&arena, pool);
    assert_int_equal(rows_begin(&builder, &arena, 1, 1), WEFT_NO_MEMORY);
    arena_drop(&arena);
    pool_close(pool);
}

/* ---- hostile input --------------------------------------------------------------------------- */

/* Four rows: a put, a delete, a set and one to skip; versions 11 … 14 in (10, 20]. */
static void hostile_open(struct fixture *f) {
    fixture_open(f, 2, 0);
    static const enum row_op ops[] = {ROW_PUT, ROW_DELETE, ROW_SET, ROW_NONE};
    for (uint32_t i = 0; i < 4; i++) {
        add(f, ops[i], 11 + i);
        if (ops[i] == ROW_SET) assert_int_equal(rows_field(&f->builder, 1), WEFT_OK);
        cell(f, 0, weft_integer(i));
        cell(f, 1, weft_text("body", 4));
    }
    f->builder.rows->after = 10;
    f->builder.rows->upto = 20;
    assert_true(rows_valid(f->builder.rows, 2));
}

#define ASSERT_REFUSED(change)                                      \
    do {                                                            \
        struct fixture f;                                           \
        hostile_open(&f);                                           \
        Weft__Rows *rows = f.builder.rows;                          \
        change;                                                     \
        if (rows_valid(rows, 2)) fail_msg("accepted: %s", #change); \
        fixture_close(&f);                                          \
    } while (0)

static void rows_valid_refuses_sizes_that_do_not_match_the_count(void **state) {
    (void)state;
    ASSERT_REFUSED(rows->count = 5);
    ASSERT_REFUSED(rows->count = 3);
    ASSERT_REFUSED(rows->count = 0);
    ASSERT_REFUSED(rows->count = UINT32_MAX);
    ASSERT_REFUSED(rows->count = LIMIT_ROWS + 1);
    ASSERT_REFUSED(rows->ops.len = 3);
    ASSERT_REFUSED(rows->ops.len = 0);
    ASSERT_REFUSED(rows->versions.len = 31);
    ASSERT_REFUSED(rows->versions.len = 33);
    ASSERT_REFUSED(rows->versions.len = 0);
    ASSERT_REFUSED(rows->fields.len = 7);
    ASSERT_REFUSED(rows->fields.len = 0);
    ASSERT_REFUSED(rows->fields.len = 10);
    ASSERT_REFUSED(rows->columns[1]->tags.len = 3);
    ASSERT_REFUSED(rows->columns[0]->cells.len = 31);
    ASSERT_REFUSED(rows->columns[0]->cells.len = 40);
    ASSERT_REFUSED(rows->n_columns = 1);
    ASSERT_REFUSED(rows->n_columns = 0);
}

static void rows_valid_refuses_codes_that_mean_nothing(void **state) {
    (void)state;
    ASSERT_REFUSED(rows->ops.data[0] = ROW_NONE + 1);
    ASSERT_REFUSED(rows->ops.data[3] = 0xFF);
    ASSERT_REFUSED(rows->columns[0]->tags.data[3] = WEFT_BLOB + 1);
    ASSERT_REFUSED(rows->columns[1]->tags.data[0] = 0xFF);
    ASSERT_REFUSED(store_u16(rows->fields.data + 4, 2));
    ASSERT_REFUSED(store_u16(rows->fields.data + 4, 0xFFFF));
    ASSERT_REFUSED((rows->ops.data[0] = ROW_SET, store_u16(rows->fields.data, 2)));
}

static void rows_valid_refuses_bytes_outside_the_body(void **state) {
    (void)state;
    ASSERT_REFUSED(store_u32(rows->columns[1]->cells.data + 24, 13));
    ASSERT_REFUSED(store_u32(rows->columns[1]->cells.data + 28, 5));
    ASSERT_REFUSED(store_u32(rows->columns[1]->cells.data + 4, UINT32_MAX));
    ASSERT_REFUSED(store_u64(rows->columns[1]->cells.data, UINT64_MAX));
    /* Offset and size that only fit when their sum wraps. */
    ASSERT_REFUSED(store_u64(rows->columns[1]->cells.data, UINT64_C(0xFFFFFFF8) | 8ull << 32));
    ASSERT_REFUSED(rows->columns[1]->body.len = 15);
    ASSERT_REFUSED(rows->columns[1]->body.len = 0);
    ASSERT_REFUSED((rows->columns[0]->tags.data[1] = WEFT_TEXT)); /* offset 1, size 0, no body */
}

static void rows_valid_refuses_versions_out_of_order_or_range(void **state) {
    (void)state;
    ASSERT_REFUSED(rows_version_set(rows, 1, 11));
    ASSERT_REFUSED(rows_version_set(rows, 2, 9));
    ASSERT_REFUSED(rows_version_set(rows, 3, UINT64_MAX));
    ASSERT_REFUSED(rows->after = 11);
    ASSERT_REFUSED(rows->upto = 13);
    ASSERT_REFUSED(rows->upto = 9);
    struct fixture f;
    hostile_open(&f);
    f.builder.rows->upto = 14;
    assert_true(rows_valid(f.builder.rows, 2));
    fixture_close(&f);
    fixture_open(&f, 2, 0);
    f.builder.rows->after = 2;
    f.builder.rows->upto = 1;
    assert_false(rows_valid(f.builder.rows, 2));
    f.builder.rows->upto = 2;
    assert_true(rows_valid(f.builder.rows, 2));
    fixture_close(&f);
}

/* Changes bytes of a packed run at random. Whatever unpacks and is called valid must be readable;
 * the sanitizers watch the reading. */
static void rows_valid_lets_nothing_through_that_cannot_be_read(void **state) {
    (void)state;
    struct fixture f;
    hostile_open(&f);
    const size_t size = weft__rows__get_packed_size(f.builder.rows);
    uint8_t *packed = malloc(size);
    assert_non_null(packed);
    uint64_t seed = 99;
    size_t accepted = 0;
    size_t refused = 0;
    for (int round = 0; round < 100000; round++) {
        weft__rows__pack(f.builder.rows, packed);
        const uint64_t changes = 1 + random_next(&seed) % 3;
        for (uint64_t i = 0; i < changes; i++) {
            const uint64_t number = random_next(&seed);
            packed[number % size] = number & 256 ? (uint8_t)(number >> 32)
                                                 : packed[number % size] ^ 1u << (number >> 32) % 8;
        }
        Weft__Rows *rows = weft__rows__unpack(NULL, size, packed);
        if (rows == NULL) continue;
        if (!rows_valid(rows, 2)) {
            refused++;
            weft__rows__free_unpacked(rows, NULL);
            continue;
        }
        accepted++;
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < rows->count; i++) {
            if (rows_op(rows, i) == ROW_SET) assert_true(rows_set_field(rows, i) < 2);
            assert_true(rows_version(rows, i) > rows->after);
            assert_true(rows_version(rows, i) <= rows->upto);
            for (uint32_t c = 0; c < 2; c++) {
                const struct weft_value value = rows_value(rows, i, c);
                if (value.type != WEFT_TEXT && value.type != WEFT_BLOB) continue;
                const uint8_t *bytes = value.as.bytes;
                for (uint32_t at = 0; at < value.size; at++) {
                    sum = (uint8_t)(sum + bytes[at]);
                }
            }
        }
        weft__rows__free_unpacked(rows, NULL);
    }
    assert_true(accepted > 1000);
    assert_true(refused > 1000);
    free(packed);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_begin_makes_an_empty_and_valid_run),
        cmocka_unit_test(rows_hold_every_type_of_value_as_it_was_given),
        cmocka_unit_test(rows_cells_and_versions_are_aligned_at_every_capacity),
        cmocka_unit_test(rows_fields_exist_only_while_a_set_is_among_them),
        cmocka_unit_test(rows_cell_set_again_lets_go_of_what_it_held),
        cmocka_unit_test(rows_undo_is_exact_after_any_row),
        cmocka_unit_test(rows_travel_packed_and_unpacked),
        cmocka_unit_test(rows_add_stops_at_the_limit),
        cmocka_unit_test(rows_without_memory_stay_as_they_were),
        cmocka_unit_test(rows_begin_without_memory_says_so),
        cmocka_unit_test(rows_valid_refuses_sizes_that_do_not_match_the_count),
        cmocka_unit_test(rows_valid_refuses_codes_that_mean_nothing),
        cmocka_unit_test(rows_valid_refuses_bytes_outside_the_body),
        cmocka_unit_test(rows_valid_refuses_versions_out_of_order_or_range),
        cmocka_unit_test(rows_valid_lets_nothing_through_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
