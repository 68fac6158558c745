/* What may have something to do is found, and nothing else is; the earliest time is first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/base/check.h"
#include "engine/runtime/agenda.h"

#define NEVER UINT64_MAX

static void marks_are_found_in_order_and_only_where_they_are(void **state) {
    static const uint32_t places[] = {0, 1, 63, 64, 127, 128, 199};
    enum { COUNT = sizeof places / sizeof places[0] };
    struct marks marks = {0};
    uint32_t at = 0, found = 0;
    (void)state;
    assert_true(marks_open(&marks, 200));
    assert_false(marks_next(&marks, 0, &at));
    for (unsigned i = COUNT; i-- > 0;)
        marks_set(&marks, places[i]);
    for (uint32_t from = 0; marks_next(&marks, from, &at); from = at + 1)
        assert_int_equal(at, places[found++]);
    assert_int_equal(found, COUNT);
    marks_clear(&marks, 64);
    assert_true(marks_next(&marks, 64, &at));
    assert_int_equal(at, 127);
    marks_add(&marks, 64);
    assert_true(marks_next(&marks, 64, &at));
    assert_int_equal(at, 64);
    marks_close(&marks);
}

static void all_places_are_marked_and_none_behind_them(void **state) {
    static const uint32_t counts[] = {1, 63, 64, 65, 128, 130};
    (void)state;
    for (unsigned c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct marks marks = {0};
        uint32_t at = 0, found = 0;
        assert_true(marks_open(&marks, counts[c]));
        marks_fill(&marks, counts[c]);
        for (uint32_t from = 0; marks_next(&marks, from, &at); from = at + 1)
            found++;
        assert_int_equal(found, counts[c]);
        marks_close(&marks);
    }
}

static void unmark_all(struct agenda *agenda) {
    for (uint32_t i = 0; i < agenda->count; i++)
        marks_clear(&agenda->marks, i);
}

static void every_place_is_looked_at_once_at_first(void **state) {
    struct agenda agenda = {0};
    uint32_t at = 0, found = 0;
    (void)state;
    assert_true(agenda_open(&agenda, 70));
    for (uint32_t from = 0; marks_next(&agenda.marks, from, &at); from = at + 1)
        found++;
    assert_int_equal(found, 70);
    assert_true(agenda_first(&agenda) == NEVER);
    agenda_close(&agenda);
}

/* Against the plainest way to find the earliest of some times. */
static void the_first_time_is_the_least_of_all_whatever_they_are_changed_to(void **state) {
    enum { COUNT = 40, ROUNDS = 20000 };
    struct agenda agenda = {0};
    uint64_t due[COUNT];
    uint32_t seed = 1;
    (void)state;
    assert_true(agenda_open(&agenda, COUNT));
    for (uint32_t i = 0; i < COUNT; i++)
        due[i] = NEVER;
    for (unsigned round = 0; round < ROUNDS; round++) {
        seed = seed * 1664525u + 1013904223u;
        const uint32_t place = (seed >> 8) % COUNT;
        seed = seed * 1664525u + 1013904223u;
        due[place] = seed >> 30 == 0 ? NEVER : (seed >> 8) % 500;
        agenda_set_due(&agenda, place, due[place]);
        uint64_t least = NEVER;
        for (uint32_t i = 0; i < COUNT; i++)
            if (due[i] < least) least = due[i];
        assert_true(agenda_first(&agenda) == least);
    }
    agenda_close(&agenda);
}

static void who_is_due_is_marked_and_others_are_not(void **state) {
    struct agenda agenda = {0};
    uint32_t at = 0;
    (void)state;
    assert_true(agenda_open(&agenda, 5));
    unmark_all(&agenda);
    for (uint32_t i = 0; i < 5; i++)
        agenda_set_due(&agenda, i, 10 * (5 - i));
    agenda_ring(&agenda, 9);
    assert_false(marks_next(&agenda.marks, 0, &at));
    agenda_ring(&agenda, 20);
    assert_true(marks_next(&agenda.marks, 0, &at));
    assert_int_equal(at, 3);
    assert_true(marks_next(&agenda.marks, 4, &at));
    assert_int_equal(at, 4);
    assert_true(agenda_first(&agenda) == 30);
    /* Until it is said anew, those are due no more. */
    unmark_all(&agenda);
    agenda_ring(&agenda, 29);
    assert_false(marks_next(&agenda.marks, 0, &at));
    agenda_set_due(&agenda, 4, 25);
    assert_true(agenda_first(&agenda) == 25);
    agenda_close(&agenda);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_found_in_order_and_only_where_they_are),
        cmocka_unit_test(all_places_are_marked_and_none_behind_them),
        cmocka_unit_test(every_place_is_looked_at_once_at_first),
        cmocka_unit_test(the_first_time_is_the_least_of_all_whatever_they_are_changed_to),
        cmocka_unit_test(who_is_due_is_marked_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
