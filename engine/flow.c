/* How much is sent and taken in a second, and whether rows are sent at all: written on the board,
 * where the peers and bulk look. Nobody is told. A peer that waits for its turn looks again within
 * a fifth of a second, since a bound is at least LIMIT_RATE_MIN; one that sleeps has nothing to
 * send; and bulk looks every second while it holds rows back.
 *
 * Invariant: whoever begins a session says so on the board before it reads the bounds, and they are
 * written before it is seen who has a session: one of the two sees the other. */
#include "engine/engine.h"
#include "engine/host.h"

static uint64_t rate_wanted(uint64_t rate) {
    return rate > WEFT_RATE_MAX ? WEFT_RATE_MAX : rate;
}

/* The place of a device among the bounds, or a free one; NULL: there is none. */
static struct board_bound *find_bound(struct board *board, const uint64_t device[2], bool add) {
    struct board_bound *unused = NULL;
    for (uint32_t i = 0; i < LIMIT_BOUNDS; i++) {
        struct board_bound *bound = &board->bounds[i];
        const uint64_t at[2] = {board_get(bound->device[0]), board_get(bound->device[1])};
        if (at[0] == device[0] && at[1] == device[1]) return bound;
        if (unused == NULL && at[0] == 0 && at[1] == 0) unused = bound;
    }
    return add ? unused : NULL;
}

static enum weft_status bound_device(struct board *board, const uint8_t *device, uint64_t up,
                                     uint64_t down, struct weft_error *why) {
    const uint64_t at[2] = {load_u64(device), load_u64(device + 8)};
    struct board_bound *bound = find_bound(board, at, up != 0 || down != 0);
    if (bound == NULL && up == 0 && down == 0) return WEFT_OK;
    if (bound == NULL)
        return status_fail(why, WEFT_LIMIT, 0,
                           "%u devices have rates of their own; give one of them none first",
                           LIMIT_BOUNDS);
    const bool none = up == 0 && down == 0;
    board_set(bound->up, up);
    board_set(bound->down, down);
    board_set(bound->device[0], none ? 0 : at[0]);
    atomic_store_explicit(&bound->device[1], none ? 0 : at[1], memory_order_seq_cst);
    for (uint32_t p = 0; p < board->peer_count; p++) {
        struct board_peer *peer = &board->peers[p];
        if (board_get(peer->device[0]) != at[0]) continue;
        if (atomic_load_explicit(&peer->device[1], memory_order_seq_cst) != at[1]) continue;
        pace_set(&peer->up, up);
        pace_set(&peer->down, down);
    }
    return WEFT_OK;
}

/* Caller holds the lock. */
static void say_rates(struct weft_engine *engine, const uint8_t *device, uint64_t up,
                      uint64_t down) {
    struct time_port time = engine->ports.runner.time;
    struct logger_entry *entry =
        logger_add(engine, &(struct logger_said){.what = LOGGED_RATES,
                                                 .wall_ms = time.now(time.self).wall_ms,
                                                 .component = "engine",
                                                 .device = device});
    logger_number(entry, LOGGED_KEY_UP, up);
    logger_number(entry, LOGGED_KEY_DOWN, down);
}

enum weft_status weft_set_rates(weft_engine *engine, const uint8_t *device, uint64_t up,
                                uint64_t down, struct weft_error *why) {
    CHECK(engine != NULL);
    enum weft_status status = WEFT_OK;
    if ((up != 0 && up < LIMIT_RATE_MIN) || (down != 0 && down < LIMIT_RATE_MIN))
        return status_fail(why, WEFT_INVALID, 0,
                           "a rate of less than %u bytes per second would look like a connection "
                           "that is cut; give at least that, or 0 for none",
                           LIMIT_RATE_MIN);
    up = rate_wanted(up);
    down = rate_wanted(down);
    (void)pthread_mutex_lock(&engine->lock);
    if (device != NULL) {
        status = bound_device(engine->board, device, up, down, why);
    } else {
        pace_set(&engine->board->up, up);
        pace_set(&engine->board->down, down);
    }
    if (status == WEFT_OK) say_rates(engine, device, up, down);
    (void)pthread_mutex_unlock(&engine->lock);
    return status;
}

void weft_set_metered(weft_engine *engine, bool metered) {
    CHECK(engine != NULL);
    board_set(engine->board->metered, metered);
    logger_say(engine, LOGGED_METERED, NULL, LOGGED_KEY_ON, metered ? "yes" : "no");
}
