/* The laws of the hybrid logical clock, under wall clocks that go where they please. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/crdt/hlc.h"

#define NOW UINT64_C(1750000000000) /* June 2025, in milliseconds */
#define YEAR UINT64_C(31557600000)
#define COUNTER_MAX 0xFFFFu

static uint64_t random_next(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* The next reading of a wall clock that mostly runs, sometimes stands, steps or is set anew. */
static uint64_t wall_next(uint64_t wall, uint64_t *seed) {
    const uint64_t by = random_next(seed);
    switch (random_next(seed) % 16) {
    case 0:
        return wall - by % 5000;
    case 1:
        return wall + by % 5000;
    case 2:
        return by % 64 == 0 ? NOW - YEAR + by % (31 * YEAR) : wall;
    case 3:
    case 4:
    case 5:
        return wall;
    default:
        return wall + by % 3;
    }
}

static void hlc_start_is_the_later_of_the_stored_mark_and_the_wall_clock(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, hlc_pack(NOW, 7), NOW - YEAR);
    assert_true(hlc.last == hlc_pack(NOW, 7));
    hlc_start(&hlc, hlc_pack(NOW, 7), NOW + 1);
    assert_true(hlc.last == hlc_pack(NOW + 1, 0));
    hlc_start(&hlc, 0, 0);
    assert_true(hlc_tick(&hlc, 0, 1) == 1);
}

static void hlc_tick_follows_the_wall_clock_when_it_runs(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, 0, NOW);
    assert_true(hlc_tick(&hlc, NOW, 1) == hlc_pack(NOW, 1));
    assert_true(hlc_tick(&hlc, NOW + 5, 1) == hlc_pack(NOW + 5, 0));
    assert_true(hlc_tick(&hlc, NOW + 5, 1) == hlc_pack(NOW + 5, 1));
}

static void hlc_tick_counts_while_the_wall_clock_is_behind(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, hlc_pack(NOW, 0), NOW);
    for (uint16_t i = 1; i < 100; i++) {
        assert_true(hlc_tick(&hlc, NOW - i * YEAR / 10, 1) == hlc_pack(NOW, i));
    }
    assert_true(hlc_tick(&hlc, NOW + 1, 1) == hlc_pack(NOW + 1, 0));
}

static void hlc_tick_carries_a_full_counter_into_the_milliseconds(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, hlc_pack(NOW, COUNTER_MAX), NOW);
    assert_true(hlc_tick(&hlc, NOW, 1) == hlc_pack(NOW + 1, 0));
    /* The wall clock then catches up with a millisecond that is partly used. */
    assert_true(hlc_tick(&hlc, NOW + 1, 1) == hlc_pack(NOW + 1, 1));
    /* One range may be wider than a counter. */
    uint64_t first = hlc_tick(&hlc, NOW + 1, 3 * (COUNTER_MAX + 1) + 5);
    assert_true(first == hlc_pack(NOW + 1, 2));
    assert_true(hlc.last == hlc_pack(NOW + 4, 6));
    assert_true(hlc_tick(&hlc, NOW + 2, 1) == hlc_pack(NOW + 4, 7));
}

static void hlc_tick_of_a_range_equals_as_many_single_ticks(void **state) {
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 200; round++) {
        struct hlc one;
        hlc_start(&one, hlc_pack(NOW, (uint16_t)random_next(&seed)), NOW);
        struct hlc many = one;
        const uint32_t count = 1 + (uint32_t)(random_next(&seed) % 2000);
        const uint64_t wall = wall_next(NOW, &seed);
        uint64_t stamp = hlc_tick(&many, wall, count);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(hlc_tick(&one, wall, 1) == stamp++);
        }
        assert_true(one.last == many.last);
    }
}

static void hlc_stamps_only_grow_whatever_the_wall_clock_does(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t chance = seed;
        uint64_t wall = NOW;
        struct hlc hlc;
        hlc_start(&hlc, 0, wall);
        uint64_t greatest = hlc.last; /* of all returned or observed */
        for (int step = 0; step < 2000; step++) {
            wall = wall_next(wall, &chance);
            const uint32_t count =
                1 + (uint32_t)(random_next(&chance) % (random_next(&chance) % 9 == 0 ? 100000 : 4));
            uint64_t stamp;
            switch (random_next(&chance) % 4) {
            case 0:
                stamp = hlc_pack(wall + random_next(&chance) % (2 * LIMIT_CLOCK_AHEAD_MS),
                                 (uint16_t)random_next(&chance));
                if (hlc_observe(&hlc, wall, stamp) == HLC_OBSERVED && stamp > greatest) {
                    greatest = stamp;
                }
                break;
            case 1:
                hlc_start(&hlc, hlc.last, wall); /* the process dies and comes back */
                break;
            default:
                stamp = hlc_tick(&hlc, wall, count);
                assert_true(stamp > greatest);
                assert_true(hlc_ms(stamp) >= wall);
                greatest = stamp + count - 1;
                break;
            }
            assert_true(hlc.last >= greatest);
        }
    }
}

/* Two clocks that hear each other: the law the stamps exist for, e → f ⇒ hlc(e) < hlc(f), and its
 * bound: no stamp is ahead of the wall clocks by more than what they differ, counters aside. */
static void hlc_orders_cause_before_effect_between_devices(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t chance = seed;
        struct hlc clocks[2];
        const uint64_t skew = random_next(&chance) % LIMIT_CLOCK_AHEAD_MS;
        hlc_start(&clocks[0], 0, NOW);
        hlc_start(&clocks[1], 0, NOW + skew);
        uint64_t true_ms = NOW;
        for (int step = 0; step < 1000; step++) {
            true_ms += random_next(&chance) % 3;
            const unsigned from = random_next(&chance) % 2;
            const unsigned to = 1 - from;
            const uint64_t sent = hlc_tick(&clocks[from], true_ms + (from ? skew : 0), 1);
            const uint64_t wall = true_ms + (to ? skew : 0);
            assert_int_equal(hlc_observe(&clocks[to], wall, sent), HLC_OBSERVED);
            const uint64_t answer = hlc_tick(&clocks[to], wall, 1);
            assert_true(answer > sent);
            assert_true(hlc_ms(answer) <= true_ms + skew);
        }
    }
}

static void hlc_observe_quarantines_far_future(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, 0, NOW);
    const uint64_t edge = NOW + LIMIT_CLOCK_AHEAD_MS;
    const uint64_t before = hlc.last;
    assert_int_equal(hlc_observe(&hlc, NOW, hlc_pack(edge + 1, 0)), HLC_QUARANTINED);
    assert_int_equal(hlc_observe(&hlc, NOW, UINT64_MAX), HLC_QUARANTINED);
    assert_true(hlc.last == before);
    /* The last millisecond that is not too far, with every counter. */
    assert_int_equal(hlc_observe(&hlc, NOW, hlc_pack(edge, COUNTER_MAX)), HLC_OBSERVED);
    assert_true(hlc.last == hlc_pack(edge, COUNTER_MAX));
}

static void hlc_observe_measures_from_the_wall_clock_and_not_from_the_stamps(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, 0, NOW);
    /* Peers that each go as far as they may cannot lift the clock step by step. */
    for (uint64_t ahead = 1; ahead <= 10; ahead++) {
        const uint64_t stamp = hlc_pack(NOW + ahead * LIMIT_CLOCK_AHEAD_MS, 0);
        assert_int_equal(hlc_observe(&hlc, NOW, stamp),
                         ahead == 1 ? HLC_OBSERVED : HLC_QUARANTINED);
    }
    assert_true(hlc.last == hlc_pack(NOW + LIMIT_CLOCK_AHEAD_MS, 0));
}

static void hlc_observe_of_the_past_leaves_the_clock_with_the_wall(void **state) {
    (void)state;
    struct hlc hlc;
    hlc_start(&hlc, 0, NOW);
    assert_int_equal(hlc_observe(&hlc, NOW - YEAR, hlc_pack(NOW - YEAR, 3)), HLC_OBSERVED);
    assert_true(hlc.last == hlc_pack(NOW, 0));
    assert_int_equal(hlc_observe(&hlc, NOW + 2, 0), HLC_OBSERVED);
    assert_true(hlc.last == hlc_pack(NOW + 2, 0));
}

static const struct id device = {
    {0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};

static void hlc_text_has_one_documented_form(void **state) {
    (void)state;
    char text[HLC_TEXT_SIZE];
    hlc_text(hlc_pack(UINT64_C(0x0197a8b1c2d3), 0x0f0e), &device, text);
    assert_string_equal(text, "0197a8b1c2d3-0f0e-00112233-4455-6677-8899-aabbccddeeff");
    assert_int_equal(strlen(text) + 1, HLC_TEXT_SIZE);
}

static void hlc_text_reads_back_and_sorts_as_the_stamps_do(void **state) {
    (void)state;
    uint64_t seed = 9;
    for (int i = 0; i < 20000; i++) {
        struct id devices[2];
        uint64_t stamps[2];
        char texts[2][HLC_TEXT_SIZE];
        for (int k = 0; k < 2; k++) {
            stamps[k] = random_next(&seed) >> random_next(&seed) % 64;
            memset(&devices[k], 0, sizeof devices[k]);
            devices[k].bytes[random_next(&seed) % 16] = (uint8_t)random_next(&seed);
        }
        if (i % 3 == 0) stamps[1] = stamps[0];
        for (int k = 0; k < 2; k++) {
            hlc_text(stamps[k], &devices[k], texts[k]);
            uint64_t stamp;
            struct id read;
            assert_true(hlc_parse(texts[k], &stamp, &read));
            assert_true(stamp == stamps[k]);
            assert_true(id_equal(&read, &devices[k]));
        }
        int expected = stamps[0] != stamps[1] ? (stamps[0] < stamps[1] ? -1 : 1)
                                              : id_compare(&devices[0], &devices[1]);
        int order = strcmp(texts[0], texts[1]);
        assert_int_equal((order > 0) - (order < 0), (expected > 0) - (expected < 0));
    }
}

static void hlc_parse_refuses_what_hlc_text_would_not_have_written(void **state) {
    (void)state;
    char good[HLC_TEXT_SIZE];
    hlc_text(hlc_pack(NOW, 77), &device, good);
    uint64_t stamp = 1;
    struct id read = {{9}};
    /* Every text with one character changed either is written the same way or is refused. */
    for (size_t at = 0; at < sizeof good - 1; at++) {
        for (int c = 0; c < 256; c++) {
            char text[HLC_TEXT_SIZE];
            memcpy(text, good, sizeof good);
            text[at] = (char)c;
            const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            const bool expected = good[at] == '-' ? c == '-' : hex;
            assert_true(hlc_parse(text, &stamp, &read) == expected);
        }
    }
    /* Every shorter text, in a block of its own size; and a longer one. */
    for (size_t size = 0; size < sizeof good - 1; size++) {
        char *text = test_malloc(size + 1);
        memcpy(text, good, size);
        text[size] = '\0';
        assert_false(hlc_parse(text, &stamp, &read));
        test_free(text);
    }
    char longer[HLC_TEXT_SIZE + 1];
    snprintf(longer, sizeof longer, "%s0", good);
    stamp = 1;
    read.bytes[0] = 9;
    assert_false(hlc_parse(longer, &stamp, &read));
    assert_int_equal(stamp, 1); /* a refusal changes nothing */
    assert_int_equal(read.bytes[0], 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hlc_start_is_the_later_of_the_stored_mark_and_the_wall_clock),
        cmocka_unit_test(hlc_tick_follows_the_wall_clock_when_it_runs),
        cmocka_unit_test(hlc_tick_counts_while_the_wall_clock_is_behind),
        cmocka_unit_test(hlc_tick_carries_a_full_counter_into_the_milliseconds),
        cmocka_unit_test(hlc_tick_of_a_range_equals_as_many_single_ticks),
        cmocka_unit_test(hlc_stamps_only_grow_whatever_the_wall_clock_does),
        cmocka_unit_test(hlc_orders_cause_before_effect_between_devices),
        cmocka_unit_test(hlc_observe_quarantines_far_future),
        cmocka_unit_test(hlc_observe_measures_from_the_wall_clock_and_not_from_the_stamps),
        cmocka_unit_test(hlc_observe_of_the_past_leaves_the_clock_with_the_wall),
        cmocka_unit_test(hlc_text_has_one_documented_form),
        cmocka_unit_test(hlc_text_reads_back_and_sorts_as_the_stamps_do),
        cmocka_unit_test(hlc_parse_refuses_what_hlc_text_would_not_have_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
