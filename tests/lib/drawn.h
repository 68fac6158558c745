/* Random runs of rows, for tests of what carries them.
 *
 * Each column has a habit (ids, references, names, sizes, anything), so that every form of
 * numbers.h and strings.h occurs; rows are put, deleted or left out; slices of several runs make a
 * batch.
 * What is drawn depends on the seed alone. */
#ifndef WEFT_TESTS_DRAWN_H
#define WEFT_TESTS_DRAWN_H

#include "engine/wire/codec.h"
#include "tests/sim/rng.h"

#define DRAWN_RUNS_MAX 4u
#define DRAWN_AFTER 1000u /* versions of drawn rows lie behind it */

/* What one case needs. */
struct drawn_bench {
    struct pool *pool;
    struct arena arena;
    struct rng rng;
};

void drawn_begin(struct drawn_bench *bench, uint64_t seed);
void drawn_end(struct drawn_bench *bench);

/* Slices of up to DRAWN_RUNS_MAX runs, all of one stream, in the bench's arena. */
struct drawn {
    struct rows_slice slices[DRAWN_RUNS_MAX];
    uint32_t slice_count, columns;
    uint64_t upto;
};

/* Draws runs of up to `rows_max` rows each. */
void drawn_runs(struct drawn_bench *bench, uint32_t rows_max, struct drawn *drawn);
/* A text of ASCII or a blob, `size` bytes, in the bench's arena. */
struct weft_value drawn_value(struct drawn_bench *bench, enum weft_type type, size_t size);

/* A copy that ends where its allocation ends, so that reading past it is seen; the caller's. */
struct bytes drawn_exact(const uint8_t *data, size_t size);
void drawn_exact_free(struct bytes bytes);

/* Fails the test unless the cells are the same, to the bit. */
void drawn_assert_cell(const Weft__Rows *a, uint32_t row_a, const Weft__Rows *b, uint32_t row_b,
                       uint32_t column);
/* ... unless `back` holds what was drawn, without the rows that were to be left out. */
void drawn_assert_same(const struct drawn *drawn, const Weft__Rows *back);

/* Packs one run of one column, unpacks it again and compares; versions are the first `count` ones
 * behind DRAWN_AFTER. Returns what came back, and what it was packed to. */
Weft__Rows *drawn_through(struct drawn_bench *bench, const struct weft_value *values,
                          uint32_t count, struct bytes *packed);

#endif
