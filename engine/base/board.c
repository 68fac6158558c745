/* Making and freeing the board. Who writes what is said in board.h; the engine makes the board
 * before its first actor and frees it after its last.
 *
 * Invariants
 *   1. Every figure of a new board is zero.
 *   2. `peers` has `peer_count` slots for the board's whole life, so readers need no lock.
 * Not here: what is decided by who is seated. */
#include "engine/base/board.h"

#include <stdlib.h>

#include "engine/base/check.h"

struct board *board_open(uint32_t peers) {
    CHECK(peers <= LIMIT_PEERS);
    struct board *board = calloc(1, sizeof *board);
    if (board == NULL) return NULL;
    /* One more than asked for, so that a board without slots is told from a lack of memory. */
    board->peers = calloc((size_t)peers + 1, sizeof *board->peers);
    if (board->peers == NULL) goto free_board;
    board->peer_count = peers;
    return board;

free_board:
    free(board);
    return NULL;
}

void board_close(struct board *board) {
    if (board == NULL) return;
    CHECK(board->peers != NULL);
    free(board->peers);
    board->peers = NULL;
    free(board);
}

bool board_seated(const struct board *board, const struct id *device) {
    const uint64_t low = load_u64(device->bytes), high = load_u64(device->bytes + 8);
    uint32_t seats = atomic_load_explicit(&board->member_count, memory_order_acquire);
    for (uint32_t m = 0; m < seats; m++) {
        if (board_get(board->members[m].device[0]) == low &&
            board_get(board->members[m].device[1]) == high) {
            return true;
        }
    }
    return false;
}
