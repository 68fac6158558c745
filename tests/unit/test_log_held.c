/* What the log actor knows of each origin: found again whatever order it came in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "actors/log_private.h"

#define ORIGINS 300u

/* Origins in no order: each device has three incarnations. */
static struct record_origin origin(uint32_t i) {
    const uint32_t mixed = i * 167 % ORIGINS; /* 167 and 300 have no common divisor */
    struct record_origin out = {.incarnation = 1 + mixed % 3};
    out.device.bytes[0] = (uint8_t)(mixed / 3 * 7);
    out.device.bytes[1] = (uint8_t)(mixed / 3);
    return out;
}

static int log_open(void **state) {
    struct log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    assert_true(log_heads_new(log));
    *state = log;
    return 0;
}

static int log_end(void **state) {
    struct log *log = *state;
    log_heads_free(log);
    free(log->members[0].shared);
    free(log);
    return 0;
}

static void add_heads(struct log *log, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        const struct record_origin of = origin(i);
        assert_null(log_head(log, &of));
        struct shared_head *head = log_add_head(log, &of);
        assert_non_null(head);
        head->seq = i + 1;
    }
}

static void a_head_is_found_whatever_came_before_or_after_it(void **state) {
    struct log *log = *state;
    add_heads(log, 0, ORIGINS);
    assert_int_equal(log->head_count, ORIGINS);
    for (uint32_t i = 0; i < ORIGINS; i++) {
        const struct record_origin of = origin(i);
        assert_int_equal(log_head(log, &of)->seq, i + 1);
        /* They stand as they came. */
        assert_true(log_head(log, &of) == &log->heads[i]);
    }
}

static void an_origin_has_one_head(void **state) {
    struct log *log = *state;
    const struct record_origin of = origin(5);
    add_heads(log, 0, 10);
    assert_true(log_add_head(log, &of) == log_head(log, &of));
    assert_int_equal(log->head_count, 10);
}

static void what_a_group_added_is_gone_after_it_was_rolled_back(void **state) {
    struct log *log = *state;
    add_heads(log, 0, 100);
    log_cut_heads(log, 60);
    assert_int_equal(log->head_count, 60);
    for (uint32_t i = 0; i < 100; i++) {
        const struct record_origin of = origin(i);
        assert_true((log_head(log, &of) != NULL) == (i < 60));
    }
    add_heads(log, 60, ORIGINS);
    for (uint32_t i = 0; i < ORIGINS; i++) {
        const struct record_origin of = origin(i);
        assert_int_equal(log_head(log, &of)->seq, i + 1);
    }
}

static void acknowledgements_of_incarnations_are_kept_apart_and_only_rise(void **state) {
    struct log *log = *state;
    struct member *member = &log->members[0];
    for (uint32_t i = 0; i < ORIGINS; i++) {
        const struct record_origin of = origin(i);
        assert_int_equal(log_acked_seq(member, &of), 0);
        assert_true(log_raise_ack(member, &of, 10 + i, false));
        assert_false(log_raise_ack(member, &of, 10 + i, false));
        assert_false(log_raise_ack(member, &of, 1, false));
    }
    assert_int_equal(member->shared_count, ORIGINS);
    for (uint32_t i = 0; i < ORIGINS; i++) {
        const struct record_origin of = origin(i);
        assert_int_equal(log_acked_seq(member, &of), 10 + i);
        log_applies_shared(member, &of, i);
        assert_int_equal(log_applied_seq(member, &of), i);
    }
}

static void what_was_read_from_the_disk_is_saved_and_what_rises_is_not(void **state) {
    struct log *log = *state;
    struct member *member = &log->members[0];
    const struct record_origin first = origin(3), second = origin(4);
    assert_true(log_raise_ack(member, &first, 5, true));
    assert_true(log_raise_ack(member, &second, 5, true));
    assert_true(log_raise_ack(member, &first, 6, false));
    for (uint32_t i = 0; i < member->shared_count; i++) {
        const struct shared_ack *ack = &member->shared[i];
        assert_int_equal(ack->saved, record_origin_compare(&ack->origin, &second) == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_head_is_found_whatever_came_before_or_after_it, log_open,
                                        log_end),
        cmocka_unit_test_setup_teardown(an_origin_has_one_head, log_open, log_end),
        cmocka_unit_test_setup_teardown(what_a_group_added_is_gone_after_it_was_rolled_back,
                                        log_open, log_end),
        cmocka_unit_test_setup_teardown(
            acknowledgements_of_incarnations_are_kept_apart_and_only_rise, log_open, log_end),
        cmocka_unit_test_setup_teardown(what_was_read_from_the_disk_is_saved_and_what_rises_is_not,
                                        log_open, log_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
