/* The version vector against a model of it: one array cell per stream, zero where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/base/limits.h"
#include "engine/crdt/vector.h"

enum { OWNERS = 5, MODELS = 4, STREAMS = OWNERS * MODELS };

static uint64_t random_next(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Stream number i; neighbours differ in the last byte of the owner, the first, or the model. */
static struct stream stream_at(uint32_t i) {
    struct stream stream;
    memset(&stream, 0, sizeof stream);
    stream.owner.bytes[i % 2 == 0 ? 0 : 15] = (uint8_t)(0x40 * (i / MODELS));
    stream.owner.bytes[7] = (uint8_t)(i / MODELS);
    stream.model = 1 + i % MODELS;
    return stream;
}

static void assert_sorted(const struct vector *vector) {
    assert_true(vector->count <= vector->capacity);
    for (uint32_t i = 1; i < vector->count; i++) {
        assert_true(stream_compare(&vector->entries[i - 1].stream, &vector->entries[i].stream) < 0);
    }
}

static void assert_model(const struct vector *vector, const uint64_t model[STREAMS]) {
    assert_sorted(vector);
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct stream stream = stream_at(i);
        assert_true(vector_get(vector, &stream) == model[i]);
    }
}

/* A vector of some streams with small positions, so that equal ones occur; and its model. */
static void random_vector(struct vector *vector, uint64_t model[STREAMS], uint64_t *seed) {
    vector_init(vector);
    memset(model, 0, STREAMS * sizeof *model);
    const uint32_t count = (uint32_t)(random_next(seed) % (2 * STREAMS));
    for (uint32_t n = 0; n < count; n++) {
        const uint32_t i = (uint32_t)(random_next(seed) % STREAMS);
        struct stream stream = stream_at(i);
        model[i] = random_next(seed) % 4;
        assert_int_equal(vector_set(vector, &stream, model[i]), WEFT_OK);
    }
    assert_model(vector, model);
}

static void copy(struct vector *to, const struct vector *from) {
    vector_init(to);
    assert_int_equal(vector_merge(to, from), WEFT_OK);
}

static void vector_begins_empty_and_knows_nothing(void **state) {
    (void)state;
    struct vector vector;
    vector_init(&vector);
    struct stream stream = stream_at(3);
    assert_int_equal(vector_get(&vector, &stream), 0);
    assert_null(vector_find(&vector, &stream));
    vector_free(&vector);
}

static void stream_compare_orders_by_owner_and_then_by_model(void **state) {
    (void)state;
    struct stream a = {{{0}}, 2};
    struct stream b = {{{0}}, 2};
    assert_int_equal(stream_compare(&a, &b), 0);
    b.model = UINT32_MAX;
    assert_true(stream_compare(&a, &b) < 0);
    assert_true(stream_compare(&b, &a) > 0);
    a.owner.bytes[15] = 1;
    assert_true(stream_compare(&a, &b) > 0);
    b.owner.bytes[0] = 0xFF;
    assert_true(stream_compare(&a, &b) < 0);
}

static void vector_advance_never_lowers_and_says_whether_it_rose(void **state) {
    (void)state;
    uint64_t seed = 5;
    struct vector vector;
    vector_init(&vector);
    uint64_t model[STREAMS] = {0};
    for (int step = 0; step < 5000; step++) {
        const uint32_t i = (uint32_t)(random_next(&seed) % STREAMS);
        const uint64_t position = random_next(&seed) % 1000;
        struct stream stream = stream_at(i);
        bool raised = false;
        assert_int_equal(vector_advance(&vector, &stream, position, &raised), WEFT_OK);
        assert_true(raised == (position > model[i]));
        if (raised) model[i] = position;
        assert_non_null(vector_find(&vector, &stream));
        if (step % 100 == 0) assert_model(&vector, model);
    }
    assert_model(&vector, model);
    struct stream stream = stream_at(0);
    assert_int_equal(vector_advance(&vector, &stream, UINT64_MAX, NULL), WEFT_OK);
    assert_true(vector_get(&vector, &stream) == UINT64_MAX);
    vector_free(&vector);
}

static void vector_set_may_lower_and_keeps_a_request_from_zero(void **state) {
    (void)state;
    struct vector vector;
    vector_init(&vector);
    struct stream stream = stream_at(7);
    assert_int_equal(vector_set(&vector, &stream, 0), WEFT_OK);
    assert_non_null(vector_find(&vector, &stream));
    assert_int_equal(vector_set(&vector, &stream, 9), WEFT_OK);
    assert_int_equal(vector_set(&vector, &stream, 4), WEFT_OK);
    assert_int_equal(vector_get(&vector, &stream), 4);
    assert_int_equal(vector.count, 1);
    vector_free(&vector);
}

static void vector_drop_takes_out_one_stream_and_leaves_the_others(void **state) {
    (void)state;
    struct vector vector;
    vector_init(&vector);
    for (uint32_t i = 0; i < 5; i++) {
        const struct stream stream = stream_at(i);
        assert_int_equal(vector_set(&vector, &stream, i + 10), WEFT_OK);
    }
    const struct stream middle = stream_at(2), absent = stream_at(7);
    vector_drop(&vector, &middle);
    vector_drop(&vector, &absent);
    assert_sorted(&vector);
    assert_int_equal(vector.count, 4);
    assert_null(vector_find(&vector, &middle));
    for (uint32_t i = 0; i < 5; i++) {
        const struct stream stream = stream_at(i);
        if (i != 2) assert_int_equal(vector_get(&vector, &stream), i + 10);
    }
    vector_free(&vector);
}

static void vector_merge_is_the_greater_of_each_position(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        uint64_t chance = seed;
        struct vector a;
        struct vector b;
        uint64_t model_a[STREAMS];
        uint64_t model_b[STREAMS];
        random_vector(&a, model_a, &chance);
        random_vector(&b, model_b, &chance);
        assert_int_equal(vector_merge(&a, &b), WEFT_OK);
        for (uint32_t i = 0; i < STREAMS; i++) {
            if (model_b[i] > model_a[i]) model_a[i] = model_b[i];
        }
        assert_model(&a, model_a);
        assert_model(&b, model_b);
        vector_free(&a);
        vector_free(&b);
    }
}

static void vector_merge_is_commutative_associative_and_idempotent(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        uint64_t chance = seed + 77777;
        uint64_t model[STREAMS];
        struct vector v[3];
        for (int i = 0; i < 3; i++) {
            random_vector(&v[i], model, &chance);
        }
        struct vector left;  /* ((0 1) 2) */
        struct vector right; /* ((2 1) 0) */
        struct vector inner; /* (0 (1 2)) */
        struct vector tail;
        copy(&left, &v[0]);
        copy(&right, &v[2]);
        copy(&inner, &v[0]);
        copy(&tail, &v[1]);
        assert_int_equal(vector_merge(&left, &v[1]), WEFT_OK);
        assert_int_equal(vector_merge(&left, &v[2]), WEFT_OK);
        assert_int_equal(vector_merge(&right, &v[1]), WEFT_OK);
        assert_int_equal(vector_merge(&right, &v[0]), WEFT_OK);
        assert_int_equal(vector_merge(&tail, &v[2]), WEFT_OK);
        assert_int_equal(vector_merge(&inner, &tail), WEFT_OK);
        assert_int_equal(vector_compare(&left, &right), VECTOR_EQUAL);
        assert_int_equal(vector_compare(&left, &inner), VECTOR_EQUAL);
        const uint32_t count = left.count;
        assert_int_equal(vector_merge(&left, &v[1]), WEFT_OK);
        assert_int_equal(vector_merge(&left, &left), WEFT_OK);
        assert_int_equal(left.count, count);
        assert_int_equal(vector_compare(&left, &right), VECTOR_EQUAL);
        for (int i = 0; i < 3; i++) {
            enum vector_order order = vector_compare(&v[i], &left);
            assert_true(order == VECTOR_BEFORE || order == VECTOR_EQUAL);
            vector_free(&v[i]);
        }
        vector_free(&left);
        vector_free(&right);
        vector_free(&inner);
        vector_free(&tail);
    }
}

static void vector_compare_agrees_with_comparing_each_position(void **state) {
    (void)state;
    int seen[4] = {0};
    for (uint64_t seed = 0; seed < 4000; seed++) {
        uint64_t chance = seed + 1000000;
        struct vector a;
        struct vector b;
        uint64_t model_a[STREAMS];
        uint64_t model_b[STREAMS];
        random_vector(&a, model_a, &chance);
        random_vector(&b, model_b, &chance);
        if (seed % 2 == 0) assert_int_equal(vector_merge(&a, &b), WEFT_OK);
        if (seed % 4 == 0) assert_int_equal(vector_merge(&b, &a), WEFT_OK);
        bool less = false;
        bool more = false;
        for (uint32_t i = 0; i < STREAMS; i++) {
            struct stream stream = stream_at(i);
            less |= vector_get(&a, &stream) < vector_get(&b, &stream);
            more |= vector_get(&a, &stream) > vector_get(&b, &stream);
        }
        enum vector_order expected = less && more ? VECTOR_CONCURRENT
                                     : less       ? VECTOR_BEFORE
                                     : more       ? VECTOR_AFTER
                                                  : VECTOR_EQUAL;
        enum vector_order mirrored = expected == VECTOR_BEFORE  ? VECTOR_AFTER
                                     : expected == VECTOR_AFTER ? VECTOR_BEFORE
                                                                : expected;
        assert_int_equal(vector_compare(&a, &b), expected);
        assert_int_equal(vector_compare(&b, &a), mirrored);
        seen[expected]++;
        seen[mirrored]++;
        vector_free(&a);
        vector_free(&b);
    }
    for (int order = 0; order < 4; order++) {
        assert_int_not_equal(seen[order], 0);
    }
}

static void vector_compare_takes_zero_and_absence_for_the_same(void **state) {
    (void)state;
    struct vector a;
    struct vector b;
    vector_init(&a);
    vector_init(&b);
    struct stream stream = stream_at(2);
    assert_int_equal(vector_set(&a, &stream, 0), WEFT_OK);
    assert_int_equal(vector_compare(&a, &b), VECTOR_EQUAL);
    assert_int_equal(vector_set(&a, &stream, 1), WEFT_OK);
    assert_int_equal(vector_compare(&a, &b), VECTOR_AFTER);
    vector_free(&a);
    vector_free(&b);
}

static void vector_min_counts_a_missing_entry_as_zero(void **state) {
    (void)state;
    struct vector a;
    struct vector b;
    vector_init(&a);
    vector_init(&b);
    struct stream known = stream_at(1);
    struct stream half = stream_at(2);
    assert_int_equal(vector_set(&a, &known, 9), WEFT_OK);
    assert_int_equal(vector_set(&b, &known, 5), WEFT_OK);
    assert_int_equal(vector_set(&a, &half, 9), WEFT_OK);
    const struct vector *both[] = {&a, &b};
    assert_int_equal(vector_min(both, 2, &known), 5);
    assert_int_equal(vector_min(both, 1, &known), 9);
    assert_int_equal(vector_min(both, 2, &half), 0);
    assert_int_equal(vector_min(NULL, 0, &known), 0); /* nobody's word prunes nothing */
    vector_free(&a);
    vector_free(&b);
}

static void vector_min_is_the_least_wherever_it_stands(void **state) {
    (void)state;
    struct vector vectors[3];
    const struct vector *of[3];
    const struct stream stream = stream_at(1);
    for (uint32_t turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < 3; i++) {
            vector_init(&vectors[i]);
            assert_int_equal(vector_set(&vectors[i], &stream, 5 + (i + turn) % 3), WEFT_OK);
            of[i] = &vectors[i];
        }
        assert_int_equal(vector_min(of, 3, &stream), 5);
        for (uint32_t i = 0; i < 3; i++)
            vector_free(&vectors[i]);
    }
}

static void vector_is_full_at_the_limit_and_stays_as_it_was(void **state) {
    (void)state;
    struct vector vector;
    vector_init(&vector);
    struct stream stream = {{{0}}, 1};
    for (uint32_t i = 0; i < LIMIT_STREAMS; i++) {
        stream.model = LIMIT_STREAMS - i;
        assert_int_equal(vector_advance(&vector, &stream, i + 1, NULL), WEFT_OK);
    }
    assert_int_equal(vector.count, LIMIT_STREAMS);
    assert_sorted(&vector);
    stream.model = LIMIT_STREAMS + 1;
    bool raised = false;
    assert_int_equal(vector_advance(&vector, &stream, 5, &raised), WEFT_LIMIT);
    assert_false(raised);
    assert_int_equal(vector_set(&vector, &stream, 5), WEFT_LIMIT);

    struct vector other;
    vector_init(&other);
    assert_int_equal(vector_set(&other, &stream, 5), WEFT_OK);
    stream.model = 7;
    assert_int_equal(vector_set(&other, &stream, UINT64_MAX), WEFT_OK);
    assert_int_equal(vector_merge(&vector, &other), WEFT_LIMIT);
    assert_int_equal(vector.count, LIMIT_STREAMS);
    assert_int_equal(vector_get(&vector, &stream), LIMIT_STREAMS - 6);
    /* Known streams still move. */
    assert_int_equal(vector_advance(&vector, &stream, 1u << 20, &raised), WEFT_OK);
    assert_true(raised);
    vector_free(&other);
    vector_free(&vector);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_begins_empty_and_knows_nothing),
        cmocka_unit_test(stream_compare_orders_by_owner_and_then_by_model),
        cmocka_unit_test(vector_advance_never_lowers_and_says_whether_it_rose),
        cmocka_unit_test(vector_set_may_lower_and_keeps_a_request_from_zero),
        cmocka_unit_test(vector_drop_takes_out_one_stream_and_leaves_the_others),
        cmocka_unit_test(vector_merge_is_the_greater_of_each_position),
        cmocka_unit_test(vector_merge_is_commutative_associative_and_idempotent),
        cmocka_unit_test(vector_compare_agrees_with_comparing_each_position),
        cmocka_unit_test(vector_compare_takes_zero_and_absence_for_the_same),
        cmocka_unit_test(vector_min_counts_a_missing_entry_as_zero),
        cmocka_unit_test(vector_min_is_the_least_wherever_it_stands),
        cmocka_unit_test(vector_is_full_at_the_limit_and_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
