/* The board begins at zero, and every figure is a place of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/base/board.h"
#include "engine/weft.h"

static void board_begins_with_every_figure_at_zero(void **state) {
    (void)state;
    struct board *board = board_open(3);
    assert_non_null(board);
#define ASSERT_ZERO(name) assert_int_equal(board_get(board->name), 0);
    BOARD_COUNTERS(ASSERT_ZERO)
#undef ASSERT_ZERO
    assert_int_equal(board_get(board->pool_bytes), 0);
    assert_int_equal(board_get(board->member_count), 0);
    for (unsigned member = 0; member < LIMIT_MEMBERS; member++) {
        for (unsigned model = 0; model < LIMIT_MODELS; model++) {
            assert_int_equal(board_get(board->position[member][model]), 0);
        }
    }
    assert_int_equal(board->peer_count, 3);
    for (unsigned i = 0; i < board->peer_count; i++) {
        assert_int_equal(board_get(board->peers[i].state), WEFT_PEER_VACANT);
        assert_int_equal(board_get(board->peers[i].used), 0);
        assert_int_equal(board_get(board->peers[i].device[0]), 0);
        assert_int_equal(board_get(board->peers[i].failures), 0);
    }
    board_close(board);
}

static void board_counters_count_apart(void **state) {
    (void)state;
    struct board *board = board_open(1);
    assert_non_null(board);
    uint64_t n = 0;
#define ADD(name) (void)board_add(board->name, ++n);
    BOARD_COUNTERS(ADD)
#undef ADD
    n = 0;
#define ASSERT_COUNT(name) assert_int_equal(board_get(board->name), ++n);
    BOARD_COUNTERS(ASSERT_COUNT)
#undef ASSERT_COUNT
    board_set(board->peers[0].rows_in, UINT64_MAX);
    assert_true(board_get(board->peers[0].rows_in) == UINT64_MAX);
    assert_int_equal(board_get(board->peers[0].rows_out), 0);
    board_close(board);
}

static void board_may_have_no_peer_slot_and_as_many_as_the_limit(void **state) {
    (void)state;
    struct board *none = board_open(0);
    struct board *all = board_open(LIMIT_PEERS);
    assert_non_null(none);
    assert_non_null(all);
    assert_int_equal(none->peer_count, 0);
    board_set(all->peers[LIMIT_PEERS - 1].used, 1);
    assert_int_equal(board_get(all->peers[LIMIT_PEERS - 1].used), 1);
    board_close(none);
    board_close(all);
    board_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(board_begins_with_every_figure_at_zero),
        cmocka_unit_test(board_counters_count_apart),
        cmocka_unit_test(board_may_have_no_peer_slot_and_as_many_as_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
