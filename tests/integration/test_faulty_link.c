/* Two devices that meet through a faulty network: whatever happens to the bytes between them, what
 * one wrote the other has, sooner or later, and nothing else has come to harm. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/chaos/proxy.h"
#include "tests/chaos/tell.h"
#include "tests/lib/party.h"

enum { A, B, DEVICES };
#define LINK_LOOK_MS 5

struct pair {
    char folder[SCRATCH_PATH];
    struct party party[DEVICES];
    struct proxy *proxy;
    uint32_t rows;
};

/* Both are members; neither has dialled yet. */
static int pair_open(void **state) {
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    *state = pair;
    scratch_make(pair->folder);
    party_start(&pair->party[A], pair->folder, "a", NULL);
    party_start(&pair->party[B], pair->folder, "b", &pair->party[A]);
    party_listen(&pair->party[B]);
    const char *const listen[] = {pair->party[A].address, pair->party[B].address};
    const char *const source[] = {"127.0.0.2", "127.0.0.3"};
    pair->proxy = proxy_open(DEVICES, listen, source, NULL, 0);
    assert_non_null(pair->proxy);
    return 0;
}

static int pair_close(void **state) {
    struct pair *pair = *state;
    for (int i = 0; i < DEVICES; i++)
        party_leave(&pair->party[i]);
    proxy_close(pair->proxy);
    scratch_remove(pair->folder);
    free(pair);
    return 0;
}

/* A dials B through the network. */
static void dials(struct pair *pair) {
    char address[PROXY_ADDRESS], target[WEFT_ADDRESS_MAX], through[WEFT_ADDRESS_MAX];
    struct weft_error why = {0};
    proxy_address(pair->proxy, A, B, address);
    party_target(&pair->party[B], target);
    int size = snprintf(through, sizeof through, "%s%s", address, strchr(target, '#'));
    assert_in_range(size, 1, sizeof through - 1);
    assert_int_equal(weft_connect(pair->party[A].engine, through, &why), WEFT_OK);
}

static void meets(struct pair *pair) {
    dials(pair);
    party_wait_live(&pair->party[A], &pair->party[B], true);
    party_wait_live(&pair->party[B], &pair->party[A], true);
}

static void sets(struct pair *pair, enum proxy_fault fault, uint32_t amount, bool back) {
    const struct proxy_order order = {.fault = fault, .amount = amount, .back = back};
    proxy_set(pair->proxy, A, B, &order);
}

static struct proxy_figures figures(struct pair *pair) {
    struct proxy_figures out;
    proxy_figures(pair->proxy, &out);
    return out;
}

static uint64_t sessions(struct party *party) {
    struct weft_peer peers[16];
    uint64_t count = 0;
    unsigned slots = weft_peers(party->engine, peers, 16);
    for (unsigned i = 0; i < slots && i < 16; i++)
        count += peers[i].sessions;
    return count;
}

/* Each writes a row, which the other comes to have. */
static void both_ways(struct pair *pair) {
    uint64_t tickets[DEVICES];
    pair->rows++;
    for (int i = 0; i < DEVICES; i++)
        tickets[i] = party_put(&pair->party[i], pair->rows, "row", pair->rows);
    for (int i = 0; i < DEVICES; i++)
        party_wait(&pair->party[i], tickets[i], WEFT_REPLICATED, 1);
}

/* A row that is too large to pass at once. */
static uint64_t writes_much(struct pair *pair, int of) {
    enum { BIG = 200000 };
    uint8_t *big = malloc(BIG);
    assert_non_null(big);
    for (uint32_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    party_put(&pair->party[of], ++pair->rows, "much", 1);
    uint64_t ticket = party_set(&pair->party[of], pair->rows, PARTY_DATA, weft_blob(big, BIG));
    free(big);
    return ticket;
}

/* Waits for it, and dials again each time that it has not come: the pauses between dials are not
 * what is looked at. */
static void arrives_with_help(struct pair *pair, int of, uint64_t ticket) {
    const int64_t deadline = tell_now_ms() + PARTY_PATIENCE_MS;
    while (weft_wait(pair->party[of].engine, ticket, WEFT_REPLICATED, 1, LINK_LOOK_MS, NULL) !=
           WEFT_OK) {
        if (tell_now_ms() > deadline) fail_msg("it did not arrive");
        dials(pair);
    }
}

static void assert_equal(struct pair *pair) {
    const struct party *parties[] = {&pair->party[A], &pair->party[B]};
    both_ways(pair);
    for (int i = 0; i < DEVICES; i++)
        party_leave(&pair->party[i]);
    party_assert_equal(parties, DEVICES);
}

/* Waits until what the network counts holds. */
static void await(struct pair *pair, bool (*holds)(const struct proxy_figures *figures)) {
    const int64_t deadline = tell_now_ms() + PARTY_PATIENCE_MS;
    struct proxy_figures now = figures(pair);
    struct weft_event event;
    while (!holds(&now)) {
        if (tell_now_ms() > deadline) fail_msg("the network did not come to that");
        struct pollfd watched = {weft_event_descriptor(pair->party[A].engine), POLLIN, 0};
        (void)poll(&watched, 1, LINK_LOOK_MS);
        while (weft_next_event(pair->party[A].engine, &event))
            continue;
        now = figures(pair);
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_changed_byte_ends_the_session_and_nothing_else(void **state) {
    struct pair *pair = *state;
    meets(pair);
    for (uint32_t i = 0; i < 6; i++) {
        const uint64_t stood = sessions(&pair->party[A]);
        sets(pair, PROXY_CORRUPT, i * 20, i % 2 == 1);
        arrives_with_help(pair, (int)(i % 2), writes_much(pair, (int)(i % 2)));
        both_ways(pair);
        assert_true(proxy_is_clean(pair->proxy, A, B));
        assert_true(sessions(&pair->party[A]) > stood);
    }
    assert_int_equal(figures(pair).corrupted, 6);
    assert_int_equal(figures(pair).tainted, 0);
    assert_equal(pair);
}

static void a_changed_byte_in_the_greeting_is_a_session_less(void **state) {
    struct pair *pair = *state;
    const uint64_t stood = sessions(&pair->party[A]);
    for (uint32_t i = 0; i < 4; i++) {
        struct weft_event event;
        sets(pair, PROXY_CORRUPT, 40 + 30 * (i / 2), i % 2 == 1);
        dials(pair);
        party_wait_event(&pair->party[A], WEFT_EVENT_FAULT, &event);
        assert_int_equal(sessions(&pair->party[A]), stood);
    }
    meets(pair);
    assert_equal(pair);
}

static void a_cut_at_any_byte_loses_nothing(void **state) {
    struct pair *pair = *state;
    for (uint32_t i = 0; i < 8; i++) {
        dials(pair);
        const uint64_t ticket = writes_much(pair, (int)(i % 2));
        sets(pair, PROXY_CUT, 1u << (2 * i + 1), i % 2 == 1);
        arrives_with_help(pair, (int)(i % 2), ticket);
        sets(pair, PROXY_CLEAN, 0, false);
    }
    assert_true(figures(pair).cut > 0);
    assert_equal(pair);
}

static void what_is_held_up_arrives_when_it_may(void **state) {
    static const enum proxy_fault faults[] = {PROXY_STALL, PROXY_ONE_WAY, PROXY_ONE_WAY};
    struct pair *pair = *state;
    meets(pair);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t stood = sessions(&pair->party[A]);
        sets(pair, faults[i], 0, i == 2);
        const uint64_t ticket = writes_much(pair, A);
        const uint64_t durable = writes_much(pair, B);
        party_wait(&pair->party[A], ticket, WEFT_DURABLE, 0);
        party_wait(&pair->party[B], durable, WEFT_DURABLE, 0);
        /* Nobody says that it has arrived. */
        assert_int_equal(weft_wait(pair->party[A].engine, ticket, WEFT_REPLICATED, 1, 300, NULL),
                         WEFT_TIMEOUT);
        sets(pair, PROXY_CLEAN, 0, false);
        party_wait(&pair->party[A], ticket, WEFT_REPLICATED, 1);
        party_wait(&pair->party[B], durable, WEFT_REPLICATED, 1);
        assert_int_equal(sessions(&pair->party[A]), stood);
    }
    assert_equal(pair);
}

static bool one_swallows(const struct proxy_figures *figures) {
    return figures->swallowing > 0;
}

static void what_was_swallowed_is_sent_again_in_the_next_session(void **state) {
    struct pair *pair = *state;
    meets(pair);
    sets(pair, PROXY_SWALLOW, 0, false);
    await(pair, one_swallows);
    const uint64_t ticket = writes_much(pair, A);
    const uint64_t back = writes_much(pair, B);
    assert_int_equal(weft_wait(pair->party[A].engine, ticket, WEFT_REPLICATED, 1, 300, NULL),
                     WEFT_TIMEOUT);
    proxy_heal(pair->proxy, true);
    dials(pair);
    party_wait(&pair->party[A], ticket, WEFT_REPLICATED, 1);
    party_wait(&pair->party[B], back, WEFT_REPLICATED, 1);
    assert_equal(pair);
}

static void a_slow_and_distant_link_carries_everything(void **state) {
    struct pair *pair = *state;
    sets(pair, PROXY_DELAY, 60, false);
    meets(pair);
    const int64_t begun = tell_now_ms();
    both_ways(pair);
    assert_true(tell_now_ms() - begun >= 2 * 60);
    sets(pair, PROXY_THROTTLE, 200, false);
    party_wait(&pair->party[A], writes_much(pair, A), WEFT_REPLICATED, 1);
    assert_equal(pair);
}

static bool no_wire(const struct proxy_figures *figures) {
    return figures->wires == 0;
}

static void a_refused_link_is_dialled_again(void **state) {
    struct pair *pair = *state;
    meets(pair);
    sets(pair, PROXY_REFUSE, 0, false);
    party_wait_live(&pair->party[A], &pair->party[B], false);
    await(pair, no_wire);
    const uint64_t ticket = writes_much(pair, A);
    dials(pair);
    party_wait(&pair->party[A], ticket, WEFT_DURABLE, 0);
    sets(pair, PROXY_CLEAN, 0, false);
    /* By itself: nobody says that the network is back. */
    party_wait(&pair->party[A], ticket, WEFT_REPLICATED, 1);
    assert_equal(pair);
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(a_changed_byte_ends_the_session_and_nothing_else),
        PAIR_TEST(a_changed_byte_in_the_greeting_is_a_session_less),
        PAIR_TEST(a_cut_at_any_byte_loses_nothing),
        PAIR_TEST(what_is_held_up_arrives_when_it_may),
        PAIR_TEST(what_was_swallowed_is_sent_again_in_the_next_session),
        PAIR_TEST(a_slow_and_distant_link_carries_everything),
        PAIR_TEST(a_refused_link_is_dialled_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
