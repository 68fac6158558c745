/* See drawn.h. Bytes are of the arena, numbers of the habit; the comparison is of bits, not of
 * values: -0.0 is not 0.0, and a NaN is itself. */
#include "tests/lib/drawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"

#define COLUMNS_MAX 40u

void drawn_begin(struct drawn_bench *bench, uint64_t seed) {
    bench->pool = pool_open(0, 8u << 20, NULL);
    assert_non_null(bench->pool);
    arena_init(&bench->arena, bench->pool);
    /* Memory that was used before, so that what is not written is seen. */
    for (unsigned i = 0; i < 8; i++)
        memset(arena_take(&bench->arena, 60000), 0xa5, 60000);
    arena_drop(&bench->arena);
    arena_init(&bench->arena, bench->pool);
    rng_seed(&bench->rng, seed, 0);
}

void drawn_end(struct drawn_bench *bench) {
    arena_drop(&bench->arena);
    pool_close(bench->pool);
}

enum habit {
    HABIT_NULL,
    HABIT_ID,
    HABIT_REFERENCE,
    HABIT_HASH,
    HABIT_NAME,
    HABIT_KIND_NAME,
    HABIT_EMPTY,
    HABIT_BLOB,
    HABIT_CONSTANT,
    HABIT_COUNTER,
    HABIT_SMALL,
    HABIT_SKEWED,
    HABIT_ANY_INTEGER,
    HABIT_ANY_REAL,
    HABIT_EXTREME,
    HABIT_ANYTHING,
    HABIT_COUNT
};

struct column_habit {
    enum habit habit;
    uint32_t null_permille;
    uint64_t state;
};

struct weft_value drawn_value(struct drawn_bench *bench, enum weft_type type, size_t size) {
    uint8_t *data = arena_take(&bench->arena, size);
    assert_non_null(data);
    rng_fill(&bench->rng, data, size);
    for (size_t i = 0; type == WEFT_TEXT && i < size; i++)
        data[i] = (uint8_t)(' ' + data[i] % 64);
    struct weft_value value = weft_blob(data, size);
    value.type = type;
    return value;
}

static struct weft_value draw_real(struct rng *rng) {
    static const double special[] = {0.0, -0.0, 1.5, -1e300, INFINITY, -INFINITY};
    if (rng_chance(rng, 500)) return weft_real(special[rng_below(rng, 6)]);
    /* Any bits at all: among them NaNs with payloads. */
    const uint64_t bits = rng_u64(rng);
    struct weft_value value = weft_real(0);
    memcpy(&value.as.real, &bits, sizeof bits);
    return value;
}

static struct weft_value draw_integer(struct rng *rng, struct column_habit *column) {
    static const int64_t extreme[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN + 1};
    switch (column->habit) {
    case HABIT_CONSTANT:
        return weft_integer((int64_t)column->state);
    case HABIT_COUNTER:
        return weft_integer((int64_t)(column->state += rng_below(rng, 4)));
    case HABIT_SMALL:
        return weft_integer((int64_t)rng_below(rng, 6) - 3);
    case HABIT_SKEWED:
        return weft_integer((int64_t)(rng_u64(rng) >> rng_below(rng, 64)));
    case HABIT_EXTREME:
        return weft_integer(extreme[rng_below(rng, 6)]);
    default:
        return weft_integer((int64_t)rng_u64(rng));
    }
}

static struct weft_value draw_value(struct drawn_bench *bench, struct column_habit *column) {
    static const char kinds[] = "jpgpngtxtmp4pdf";
    struct rng *rng = &bench->rng;
    struct weft_value value;
    if (rng_chance(rng, column->null_permille)) return weft_null();
    switch (column->habit) {
    case HABIT_NULL:
        return weft_null();
    case HABIT_ID:
    case HABIT_REFERENCE:
        value = drawn_value(bench, WEFT_BLOB, 16);
        column->state += column->habit == HABIT_ID || rng_chance(rng, 100);
        for (size_t i = 0; i < 8; i++)
            ((uint8_t *)(uintptr_t)value.as.bytes)[i] = (uint8_t)(column->state >> (56 - 8 * i));
        if (column->habit == HABIT_REFERENCE)
            memset((uint8_t *)(uintptr_t)value.as.bytes + 8, 7, 8);
        return value;
    case HABIT_HASH:
        return drawn_value(bench, WEFT_BLOB, 32);
    case HABIT_NAME:
        return drawn_value(bench, WEFT_TEXT, rng_below(rng, 20));
    case HABIT_KIND_NAME:
        return weft_text(kinds + 3 * rng_below(rng, 5), 3);
    case HABIT_EMPTY:
        return rng_chance(rng, 500) ? weft_text("", 0) : weft_blob("", 0);
    case HABIT_BLOB:
        return drawn_value(bench, WEFT_BLOB, rng_below(rng, 300));
    case HABIT_ANY_REAL:
        return draw_real(rng);
    case HABIT_ANYTHING:
        break;
    default:
        return draw_integer(rng, column);
    }
    struct column_habit other = {(enum habit)rng_below(rng, HABIT_ANYTHING), 0, 3};
    return draw_value(bench, &other);
}

static void draw_row(struct drawn_bench *bench, struct rows_builder *builder,
                     struct column_habit *habits, uint32_t columns, uint64_t version) {
    const bool deleted = rng_chance(&bench->rng, 80), none = rng_chance(&bench->rng, 30);
    const enum row_op op = none ? ROW_NONE : deleted ? ROW_DELETE : ROW_PUT;
    assert_int_equal(rows_add(builder, op, version), WEFT_OK);
    for (uint32_t c = 0; c < columns; c++) {
        const struct weft_value value = draw_value(bench, &habits[c]);
        if (deleted && c > 0) continue;
        assert_int_equal(rows_cell(builder, c, &value), WEFT_OK);
    }
}

void drawn_runs(struct drawn_bench *bench, uint32_t rows_max, struct drawn *drawn) {
    struct rng *rng = &bench->rng;
    struct column_habit habits[COLUMNS_MAX];
    drawn->columns = 1 + (uint32_t)rng_below(rng, rng_chance(rng, 100) ? COLUMNS_MAX : 8);
    for (uint32_t c = 0; c < drawn->columns; c++)
        habits[c] = (struct column_habit){(enum habit)rng_below(rng, HABIT_COUNT),
                                          rng_chance(rng, 600) ? 0 : (uint32_t)rng_below(rng, 1001),
                                          rng_u64(rng) >> 8};
    drawn->slice_count = (uint32_t)rng_below(rng, DRAWN_RUNS_MAX + 1);
    uint64_t version = DRAWN_AFTER;
    for (uint32_t s = 0; s < drawn->slice_count; s++) {
        struct rows_builder builder;
        assert_int_equal(rows_begin(&builder, &bench->arena, 1, drawn->columns), WEFT_OK);
        const uint32_t rows = (uint32_t)rng_below(rng, rows_max + 1);
        for (uint32_t i = 0; i < rows; i++) {
            version += rng_chance(rng, 900) ? 1 : 1 + (rng_u64(rng) >> (24 + rng_below(rng, 40)));
            draw_row(bench, &builder, habits, drawn->columns, version);
        }
        const uint32_t first = (uint32_t)rng_below(rng, rows + 1);
        drawn->slices[s] =
            (struct rows_slice){builder.rows, first, (uint32_t)rng_below(rng, rows - first + 1)};
    }
    drawn->upto = version + rng_below(rng, 2);
}

void drawn_assert_cell(const Weft__Rows *a, uint32_t row_a, const Weft__Rows *b, uint32_t row_b,
                       uint32_t column) {
    const struct weft_value x = rows_value(a, row_a, column), y = rows_value(b, row_b, column);
    assert_int_equal(x.type, y.type);
    if (x.type == WEFT_TEXT || x.type == WEFT_BLOB) {
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.as.bytes, y.as.bytes, x.size);
    } else { /* The cells of NULLs are zero: bytes that nobody wrote must not travel on. */
        assert_memory_equal(&x.as, &y.as, sizeof x.as);
    }
}

void drawn_assert_same(const struct drawn *drawn, const Weft__Rows *back) {
    uint32_t n = 0;
    for (uint32_t s = 0; s < drawn->slice_count; s++) {
        const struct rows_slice *slice = &drawn->slices[s];
        for (uint32_t row = slice->first; row < slice->first + slice->count; row++) {
            if (rows_op(slice->rows, row) == ROW_NONE) continue;
            assert_true(n < back->count);
            assert_int_equal(rows_op(back, n), rows_op(slice->rows, row));
            assert_true(rows_version(back, n) == rows_version(slice->rows, row));
            for (uint32_t c = 0; c < drawn->columns; c++)
                drawn_assert_cell(slice->rows, row, back, n, c);
            n++;
        }
    }
    assert_int_equal(n, back->count);
}

struct bytes drawn_exact(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    return (struct bytes){copy, size};
}

void drawn_exact_free(struct bytes bytes) {
    free((void *)(uintptr_t)bytes.data);
}

Weft__Rows *drawn_through(struct drawn_bench *bench, const struct weft_value *values,
                          uint32_t count, struct bytes *packed) {
    struct rows_builder builder;
    Weft__Rows *back;
    uint32_t written;
    assert_int_equal(rows_begin(&builder, &bench->arena, 1, 1), WEFT_OK);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(rows_add(&builder, ROW_PUT, DRAWN_AFTER + 1 + i), WEFT_OK);
        assert_int_equal(rows_cell(&builder, 0, &values[i]), WEFT_OK);
    }
    const struct rows_slice slice = {builder.rows, 0, count};
    assert_int_equal(codec_pack(&slice, 1, DRAWN_AFTER, 1, &bench->arena, packed, &written),
                     WEFT_OK);
    assert_int_equal(written, count);
    assert_int_equal(
        codec_unpack(*packed, DRAWN_AFTER, DRAWN_AFTER + count, 1, &bench->arena, &back, NULL),
        WEFT_OK);
    assert_true(rows_valid(back, 1));
    for (uint32_t i = 0; i < count; i++)
        drawn_assert_cell(builder.rows, i, back, i, 0);
    return back;
}
