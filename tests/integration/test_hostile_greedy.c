/* A member that takes: time, by being slow; room, by not reading and by making things up;
 * attention, by saying what is dear to hear. It gets what the limits allow, and nobody else gets
 * less. */
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/siege.h"

#define BULKY 1000000u /* the numbers of rows that are large */

/* ---- slowness -------------------------------------------------------------------------------- */

static void a_record_that_is_begun_and_left_is_waited_for_5_s(void **state) {
    struct siege *siege = *state;
    static const uint8_t begun[] = {20, 0, 1};
    assert_true(liar_meet(&siege->liar));
    const uint64_t since = siege_now_us();
    assert_true(liar_bytes(&siege->liar, (struct bytes){begun, sizeof begun}));
    assert_true(liar_hears_out(&siege->liar));
    assert_in_range(siege_now_us() - since, LIMIT_HANDSHAKE_US * 9 / 10, LIMIT_HANDSHAKE_US * 2);
    siege_assert_well(siege);
}

/* Says one byte of the largest record now and then, on a thread of its own, since it takes 30 s. */
struct dribble {
    struct liar *liar;
    pthread_t thread;
    uint64_t took_us;
    bool cut_off;
};

static void *dribble(void *context) {
    enum { PAUSE_MS = 100, PATIENCE_US = 60000000 };
    static const uint8_t length[] = {0xff, 0xff}, byte[] = {7};
    struct dribble *slow = context;
    struct liar *liar = slow->liar;
    const uint64_t since = siege_now_us();
    bool open = liar_bytes(liar, (struct bytes){length, sizeof length});
    while (open && siege_now_us() - since < PATIENCE_US) {
        struct pollfd line = {liar->line.fd, POLLRDHUP, 0};
        (void)poll(&line, 1, PAUSE_MS);
        open = line.revents == 0 && liar_bytes(liar, (struct bytes){byte, sizeof byte});
    }
    slow->cut_off = !open;
    slow->took_us = siege_now_us() - since;
    return NULL;
}

static void begin_to_dribble(void **state) {
    struct siege *siege = *state;
    struct dribble *slow = calloc(1, sizeof *slow);
    assert_non_null(slow);
    slow->liar = &siege->second;
    assert_true(liar_meet(slow->liar));
    siege->weapon = slow;
    assert_int_equal(pthread_create(&slow->thread, NULL, dribble, slow), 0);
}

static void a_record_that_dribbles_is_cut_off_after_30_s(void **state) {
    struct siege *siege = *state;
    struct dribble *slow = siege->weapon;
    assert_non_null(slow);
    assert_int_equal(pthread_join(slow->thread, NULL), 0);
    assert_true(slow->cut_off);
    assert_in_range(slow->took_us, LIMIT_RECORD_US * 9 / 10, LIMIT_RECORD_US * 5 / 4);
    liar_hang_up(slow->liar);
    free(slow);
    siege->weapon = NULL;
    siege_assert_well(siege);
}

/* 24 MiB, so that there is more to ask for than may be queued. */
static int siege_with_rows(void **state) {
    enum { ROWS = 48, ROW_BYTES = 512 << 10 };
    uint8_t *blob = malloc(ROW_BYTES);
    const int failed = siege_setup(state);
    struct siege *siege = *state;
    if (failed != 0 || blob == NULL) return -1;
    randombytes_buf(blob, ROW_BYTES);
    for (uint32_t i = 0; i < ROWS; i++) {
        (void)party_put(&siege->victim, BULKY + i, "row", i);
        const struct weft_value value = weft_blob(blob, ROW_BYTES);
        const uint64_t ticket = party_set(&siege->victim, BULKY + i, PARTY_DATA, value);
        party_wait(&siege->victim, ticket, WEFT_REPLICATED, 1);
    }
    free(blob);
    siege_rest(siege);
    return 0;
}

/* Asks for everything, again and again, and reads nothing of it. */
static void who_asks_and_does_not_read_is_not_sent_for_ever(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    struct id owner;
    memcpy(owner.bytes, siege->victim.device, sizeof owner.bytes);
    assert_true(liar_meet(liar));
    liar->deaf = true;
    uint64_t most = 0;
    for (int i = 0; i < 2000; i++) {
        if (!liar_places(liar, false, &owner, 16, 1, 0) || !liar_beats(liar, 1)) break;
        const uint64_t pool = siege_pool(siege);
        if (pool > most) most = pool;
    }
    siege_assert_well(siege);
    assert_in_range(most, 0, siege->pool + SIEGE_POOL_MAX);
    siege_wait_gone(siege);
}

/* ---- what is made up ------------------------------------------------------------------------- */

/* More streams than there may be: what the liar makes up must not take the place of what is real.
 */
static void streams_of_invented_owners_leave_room_for_real_ones(void **state) {
    struct siege *siege = *state;
    struct liar *liar = &siege->liar;
    struct party newcomer;
    struct id invented = {{1}};
    assert_true(liar_meet(liar));
    for (uint32_t i = 0; i < LIMIT_STREAMS + LIMIT_ELEMENTS; i += LIMIT_PLACES) {
        invented.bytes[1]++;
        assert_true(liar_places(liar, true, &invented, 16, LIMIT_PLACES, 1));
        assert_true(liar_places(liar, false, &invented, 16, LIMIT_PLACES, 0));
    }
    assert_true(liar_beats(liar, 1));
    assert_true(liar_hears(liar, WEFT__WIRE__WIRE__BODY_HEARTBEAT, 1));
    siege_assert_well(siege);
    party_start(&newcomer, siege->folder, "newcomer", &siege->victim);
    party_connect(&newcomer, &siege->victim);
    party_wait(&newcomer, party_put(&newcomer, 1, "row", 1), WEFT_REPLICATED, 1);
    party_leave(&newcomer);
    siege_wait_gone(siege);
    siege_assert_well(siege);
}

/* ---- on and on ------------------------------------------------------------------------------- */

/* Other owners each time, so that each is looked for among all the others. */
static void invent(struct siege *siege, uint32_t round, bool ack) {
    struct id invented = {{1, (uint8_t)(round % 3)}};
    if (liar_stays(&siege->liar) &&
        liar_places(&siege->liar, ack, &invented, 16, LIMIT_PLACES, 1 + round))
        liar_catches_up(&siege->liar);
}

static void hold_what_is_made_up(struct siege *siege, uint32_t round) {
    invent(siege, round, true);
}

static void want_what_is_made_up(struct siege *siege, uint32_t round) {
    invent(siege, round, false);
}

/* All of it from the beginning, records as well, again and again. */
static void ask_for_everything(struct siege *siege, uint32_t round) {
    const struct party *party = round % 2 == 0 ? &siege->victim : &siege->friend;
    struct id owner;
    Weft__Wire__SharedChangeRequest request = WEFT__WIRE__SHARED_CHANGE_REQUEST__INIT;
    Weft__Wire__Wire wire = WEFT__WIRE__WIRE__INIT;
    memcpy(owner.bytes, party->device, sizeof owner.bytes);
    wire.body_case = WEFT__WIRE__WIRE__BODY_SHARED_CHANGE_REQUEST;
    wire.shared_change_request = &request;
    if (liar_stays(&siege->liar) && liar_places(&siege->liar, false, &owner, 16, 1, 0) &&
        liar_says(&siege->liar, LANE_CONTROL, &wire))
        liar_catches_up(&siege->liar);
}

static void commits_go_on_while_a_member_asks_and_makes_things_up(void **state) {
    static const struct siege_attack attacks[] = {
        {"requests without end", ask_for_everything, 1, 50},
        {"invented streams held", hold_what_is_made_up, 2, 50},
        {"invented streams wanted", want_what_is_made_up, 2, 50}};
    struct siege *siege = *state;
    siege_endure(siege, attacks, sizeof attacks / sizeof *attacks);
    siege_wait_gone(siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begin_to_dribble),
        cmocka_unit_test(a_record_that_is_begun_and_left_is_waited_for_5_s),
        cmocka_unit_test(who_asks_and_does_not_read_is_not_sent_for_ever),
        cmocka_unit_test(commits_go_on_while_a_member_asks_and_makes_things_up),
        cmocka_unit_test(streams_of_invented_owners_leave_room_for_real_ones),
        cmocka_unit_test(a_record_that_dribbles_is_cut_off_after_30_s),
    };
    return cmocka_run_group_tests(tests, siege_with_rows, siege_teardown);
}
