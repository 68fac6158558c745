/* Packed clocks: each row comes back the same, each has one form, and bytes that are none are
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/store/rowclock.h"
#include "tests/lib/drawn.h"

#define NOW (UINT64_C(1750000000000) << 16)

static struct stamp at(uint64_t hlc, uint32_t origin) {
    return (struct stamp){hlc, origin};
}

/* A row created at one stamp, with `fields` fields that have it too. */
static struct merge_row whole(struct stamp created, uint32_t fields) {
    struct merge_row row = {.created = created, .field_count = fields};
    for (uint32_t f = 0; f < fields; f++)
        row.fields[f] = created;
    return row;
}

static bool same_stamp(struct stamp a, struct stamp b) {
    return a.hlc == b.hlc && (a.hlc == 0 || a.origin == b.origin);
}

static struct stamp field_of(const struct merge_row *row, uint32_t field) {
    return field < row->field_count ? row->fields[field] : (struct stamp){0};
}

static bool same_row(const struct merge_row *a, const struct merge_row *b) {
    if (!same_stamp(a->created, b->created) || !same_stamp(a->deleted, b->deleted)) return false;
    for (uint32_t f = 0; f < LIMIT_FIELDS; f++) {
        if (!same_stamp(field_of(a, f), field_of(b, f))) return false;
    }
    return true;
}

/* Packs a row, reads it from where reading past it is seen, and compares; returns its size. */
static size_t must_come_back(const struct merge_row *row) {
    uint8_t packed[ROWCLOCK_MAX];
    static struct merge_row back;
    memset(&back, 0xAB, sizeof back);
    const size_t size = rowclock_pack(row, packed);
    assert_true(size <= sizeof packed);
    const struct bytes bytes = drawn_exact(packed, size);
    assert_true(rowclock_read(bytes, &back));
    assert_true(same_row(row, &back));
    drawn_exact_free(bytes);
    return size;
}

/* What reads is packed to the same bytes: there is no other form of it. */
static bool is_read_in_its_only_form(struct bytes bytes) {
    uint8_t packed[ROWCLOCK_MAX];
    struct merge_row row;
    if (!rowclock_read(bytes, &row)) return false;
    assert_true(row.field_count <= LIMIT_FIELDS);
    assert_int_equal(rowclock_pack(&row, packed), bytes.size);
    assert_memory_equal(packed, bytes.data, bytes.size);
    return true;
}

static bool reads(const char *bytes, size_t size) {
    const struct bytes exact = drawn_exact((const uint8_t *)bytes, size);
    const bool read = is_read_in_its_only_form(exact);
    drawn_exact_free(exact);
    return read;
}

/* ---- round trips ---- */

static void a_row_that_was_told_nothing_comes_back(void **state) {
    (void)state;
    const struct merge_row row = {.field_count = 0};
    assert_int_equal(must_come_back(&row), 2);
}

static void a_row_written_whole_takes_a_dozen_bytes(void **state) {
    (void)state;
    for (uint32_t fields = 0; fields <= LIMIT_FIELDS; fields++) {
        for (uint32_t origin = 1; origin < 1000; origin += 37) {
            const struct merge_row row = whole(at(NOW, origin), fields);
            assert_true(must_come_back(&row) <= 13);
        }
    }
    const struct merge_row small = whole(at(NOW, 3), 8);
    assert_int_equal(must_come_back(&small), 11);
}

static void a_field_written_since_takes_a_few_bytes_more(void **state) {
    (void)state;
    struct merge_row row = whole(at(NOW, 3), 8);
    row.fields[5] = at(NOW + (UINT64_C(60000) << 16), 4); /* A minute later, on another device. */
    assert_true(must_come_back(&row) <= 11 + 7);
}

static void a_deleted_row_comes_back(void **state) {
    (void)state;
    struct merge_row row = {.created = at(NOW, 1), .deleted = at(NOW + 9, 2), .field_count = 5};
    assert_int_equal(must_come_back(&row), 1 + 9 + 9 + 1);
    row.fields[3] = at(NOW + 10, 3);
    must_come_back(&row);
    row.created = at(0, 7);
    assert_true(must_come_back(&row) <= 1 + 9 + 1 + 3);
    row.deleted = at(0, 7);
    must_come_back(&row);
}

static void fields_that_never_were_written_come_back_wherever_they_are(void **state) {
    (void)state;
    struct merge_row row = whole(at(NOW, 1), 9);
    row.fields[0] = row.fields[4] = row.fields[8] = (struct stamp){0};
    must_come_back(&row);
    uint8_t packed[ROWCLOCK_MAX], shorter[ROWCLOCK_MAX];
    const size_t size = rowclock_pack(&row, packed);
    row.field_count = 8;
    assert_int_equal(rowclock_pack(&row, shorter), size);
    assert_memory_equal(packed, shorter, size);
}

static void a_field_of_the_creations_time_by_another_origin_comes_back(void **state) {
    (void)state;
    struct merge_row row = whole(at(NOW, 1), 3);
    row.fields[1].origin = 2;
    must_come_back(&row);
}

static void the_greatest_stamps_come_back_and_fit(void **state) {
    (void)state;
    struct merge_row row = {.created = at(UINT64_MAX, UINT32_MAX),
                            .deleted = at(1, UINT32_MAX),
                            .field_count = LIMIT_FIELDS};
    for (uint32_t f = 0; f < LIMIT_FIELDS; f++)
        row.fields[f] = at(f % 2 == 0 ? 1 + f : UINT64_MAX / 2 + f, UINT32_MAX - f);
    assert_true(must_come_back(&row) > LIMIT_FIELDS * 7);
    row.created = at(1, 1);
    row.deleted = at(UINT64_MAX, 1);
    must_come_back(&row);
}

static struct stamp draw_stamp(struct rng *rng, struct stamp near) {
    static const uint32_t origins[] = {1, 2, 3, 127, 128, 2048, UINT32_MAX};
    if (rng_chance(rng, 200)) return (struct stamp){0};
    struct stamp stamp = near;
    if (rng_chance(rng, 700)) stamp.origin = origins[rng_below(rng, 7)];
    if (rng_chance(rng, 700)) stamp.hlc = NOW + rng_below(rng, 1000) - 500;
    if (rng_chance(rng, 50)) stamp.hlc = 1 + rng_below(rng, UINT64_MAX);
    return stamp;
}

static void draw_row(struct rng *rng, struct merge_row *row) {
    const uint32_t most = rng_chance(rng, 50) ? LIMIT_FIELDS : 12;
    const uint32_t odd = (uint32_t)rng_below(rng, 1000);
    row->created = draw_stamp(rng, at(NOW, 1));
    row->deleted = draw_stamp(rng, at(NOW, 2));
    row->field_count = (uint32_t)rng_between(rng, 0, most);
    for (uint32_t f = 0; f < row->field_count; f++)
        row->fields[f] = rng_chance(rng, odd) ? draw_stamp(rng, at(NOW, 1)) : row->created;
}

static void any_row_comes_back_and_has_one_form(void **state) {
    (void)state;
    static struct merge_row row;
    struct rng rng;
    rng_seed(&rng, 1, 0);
    for (uint32_t i = 0; i < 30000; i++) {
        uint8_t packed[ROWCLOCK_MAX];
        draw_row(&rng, &row);
        must_come_back(&row);
        const struct bytes bytes = {packed, rowclock_pack(&row, packed)};
        assert_true(is_read_in_its_only_form(bytes));
    }
}

/* ---- refusals ---- */

#define STAMP "\0\0\1\0\0\0\0\0\1"

static void bytes_of_another_form_are_refused(void **state) {
    (void)state;
#define FORM(text) text, sizeof text - 1
    assert_true(reads(FORM("\0\0")));
    assert_true(reads(FORM("\1" STAMP "\0")));
    assert_true(reads(FORM("\5" STAMP "\2")));
    assert_true(reads(FORM("\5" STAMP "\3\1\2\4")));
    assert_true(reads(FORM("\1" STAMP "\2\1\1\0")));
    static const struct {
        const char *what, *bytes;
        size_t size;
    } refused[] = {
        {"nothing", FORM("")},
        {"flags alone", FORM("\0")},
        {"an unknown flag", FORM("\10\0")},
        {"fields as a creation that is none", FORM("\4\0")},
        {"half a stamp", FORM("\1\0\0\1\0\0\0\0")},
        {"a stamp without an origin", FORM("\1\0\0\1\0\0\0\0\0")},
        {"a stamp of nobody", FORM("\1\0\0\1\0\0\0\0\0\0\0")},
        {"a stamp of never", FORM("\1\0\0\0\0\0\0\0\0\1\0")},
        {"an origin in too long a form", FORM("\1\0\0\1\0\0\0\0\0\x81\0\0")},
        {"an origin of more than 32 bits", FORM("\1\0\0\1\0\0\0\0\0\x80\x80\x80\x80\x10\0")},
        {"no number of fields", FORM("\1" STAMP)},
        {"a number of fields in too long a form", FORM("\5" STAMP "\x81\0")},
        {"too many fields", FORM("\5" STAMP "\x81\2")},
        {"an exception of no field", FORM("\1" STAMP "\0\0\1\2")},
        {"an exception behind the fields", FORM("\5" STAMP "\2\2\1\2")},
        {"exceptions that go behind the fields", FORM("\5" STAMP "\3\1\1\2\1\1\2")},
        {"an exception that would wrap",
         FORM("\5" STAMP "\3\1\1\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\2")},
        {"an exception without an origin", FORM("\5" STAMP "\3\1")},
        {"an exception without a time", FORM("\5" STAMP "\3\1\2")},
        {"an exception that is none", FORM("\5" STAMP "\3\1\1\0")},
        {"an exception of a field never written", FORM("\1" STAMP "\2\0\0\0\1\2")},
        {"an exception at no time", FORM("\5" STAMP "\3\1\1\xff\xff\x07")},
        {"a last field never written", FORM("\5" STAMP "\3\2\0")},
        {"fields none of which was written", FORM("\1" STAMP "\1")},
        {"most fields as the creation, said of each", FORM("\1" STAMP "\1\0\1\0")},
        {"few fields as the creation, said of all", FORM("\5" STAMP "\2\0\2\4")},
        {"something behind the end", FORM("\5" STAMP "\3\1\2\4\0")},
    };
#undef FORM
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (reads(refused[i].bytes, refused[i].size))
            fail_msg("%s was not refused", refused[i].what);
    }
    struct merge_row row;
    assert_false(rowclock_read((struct bytes){NULL, 0}, &row));
}

static void a_clock_that_is_cut_is_refused_or_is_another_in_its_only_form(void **state) {
    (void)state;
    static struct merge_row row;
    struct rng rng;
    uint32_t refused = 0;
    rng_seed(&rng, 2, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t packed[ROWCLOCK_MAX];
        draw_row(&rng, &row);
        const size_t size = rowclock_pack(&row, packed);
        for (size_t cut = 0; cut < size; cut += 1 + size / 64) {
            const struct bytes bytes = drawn_exact(packed, cut);
            refused += !is_read_in_its_only_form(bytes);
            drawn_exact_free(bytes);
        }
    }
    assert_true(refused > 10000);
}

static void a_clock_with_wrong_bits_is_refused_or_is_another_in_its_only_form(void **state) {
    (void)state;
    static struct merge_row row;
    struct rng rng;
    uint32_t refused = 0, read = 0;
    rng_seed(&rng, 3, 0);
    for (uint32_t i = 0; i < 50000; i++) {
        uint8_t packed[ROWCLOCK_MAX];
        draw_row(&rng, &row);
        const struct bytes bytes = drawn_exact(packed, rowclock_pack(&row, packed));
        uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
        for (uint32_t n = 0; n <= i % 3; n++)
            data[rng_below(&rng, bytes.size)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        *(is_read_in_its_only_form(bytes) ? &read : &refused) += 1;
        drawn_exact_free(bytes);
    }
    assert_true(refused > 5000 && read > 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_was_told_nothing_comes_back),
        cmocka_unit_test(a_row_written_whole_takes_a_dozen_bytes),
        cmocka_unit_test(a_field_written_since_takes_a_few_bytes_more),
        cmocka_unit_test(a_deleted_row_comes_back),
        cmocka_unit_test(fields_that_never_were_written_come_back_wherever_they_are),
        cmocka_unit_test(a_field_of_the_creations_time_by_another_origin_comes_back),
        cmocka_unit_test(the_greatest_stamps_come_back_and_fit),
        cmocka_unit_test(any_row_comes_back_and_has_one_form),
        cmocka_unit_test(bytes_of_another_form_are_refused),
        cmocka_unit_test(a_clock_that_is_cut_is_refused_or_is_another_in_its_only_form),
        cmocka_unit_test(a_clock_with_wrong_bits_is_refused_or_is_another_in_its_only_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
