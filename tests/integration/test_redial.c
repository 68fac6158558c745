/* Two engines on a simulated network, in virtual time: how soon they are together again when the
 * network is. In real time, over TCP: test_peers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "engine/net/vault.h"
#include "tests/lib/scratch.h"
#include "tests/sim/net.h"
#include "tests/sim/rng.h"

#define SECOND UINT64_C(1000000)
#define START_US (1000 * SECOND)

static const char schema[] = "CREATE TABLE IF NOT EXISTS note ( -- @shared(create: unique)\n"
                             "id BLOB PRIMARY KEY, text TEXT);";

struct pair {
    char folder[SCRATCH_PATH];
    char path[2][SCRATCH_PATH + 16];
    struct net *net;
    uint64_t now_us;
    struct rng rng[2];
    weft_engine *engine[2];
};

static struct instant pair_now(void *self) {
    const struct pair *pair = self;
    return (struct instant){START_US + pair->now_us, UINT64_C(1700000000000) + pair->now_us / 1000};
}

static void open_one(struct pair *pair, uint32_t d, const char *invite) {
    const struct time_port time = {pair, pair_now};
    const struct weft_config config = {
        .path = pair->path[d], .schema = schema, .threads = WEFT_THREADS_NONE, .invite = invite};
    const struct engine_ports ports = {.entropy = rng_entropy(&pair->rng[d]),
                                       .runner = net_ports(pair->net, d, time),
                                       .vault = vault_posix()};
    struct weft_error why = {0};
    net_boot(pair->net, d);
    if (engine_open(&config, &ports, &pair->engine[d], &why) != WEFT_OK) fail_msg("%s", why.text);
}

/* Everything that happens now; then time goes on to when something does. */
static void go_on(struct pair *pair) {
    uint64_t next = net_due(pair->net);
    for (int d = 0; d < 2; d++) {
        uint64_t due = UINT64_MAX;
        runner_step(engine_runner(pair->engine[d]), &due);
        if (due != UINT64_MAX) due = due < START_US + pair->now_us ? 0 : due - START_US;
        if (due < next) next = due;
    }
    const uint64_t net = net_due(pair->net);
    if (net < next) next = net;
    assert_true(next != UINT64_MAX);
    if (next > pair->now_us) pair->now_us = next;
    net_advance(pair->net, pair->now_us);
}

static void run_for(struct pair *pair, uint64_t us) {
    const uint64_t until = pair->now_us + us;
    while (pair->now_us < until)
        go_on(pair);
}

static bool are_live(const struct pair *pair) {
    for (int d = 0; d < 2; d++) {
        struct weft_contact contacts[4];
        const unsigned count = weft_contacts(pair->engine[d], contacts, 4);
        if (count != 1 || contacts[0].state != WEFT_PEER_LIVE) return false;
    }
    return true;
}

/* How long it takes until a session stands; microseconds. */
static uint64_t until_live(struct pair *pair) {
    const uint64_t from = pair->now_us;
    while (!are_live(pair)) {
        go_on(pair);
        assert_in_range(pair->now_us - from, 0, 200 * SECOND);
    }
    return pair->now_us - from;
}

static uint64_t put(struct pair *pair, int d, uint8_t number) {
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    uint8_t id[16] = {(uint8_t)d, number};
    const struct weft_value values[] = {weft_blob(id, sizeof id), weft_text("note", 4)};
    assert_int_equal(weft_begin(pair->engine[d], &tx), WEFT_OK);
    assert_int_equal(weft_put(tx, weft_model(pair->engine[d], "note"), values, 2), WEFT_OK);
    assert_int_equal(weft_commit(tx, &ticket), WEFT_OK);
    return ticket;
}

static int pair_open(void **state) {
    struct pair *pair = calloc(1, sizeof *pair);
    char link[WEFT_LINK_MAX], address[NET_ADDRESS_SIZE];
    struct weft_error why = {0};
    assert_non_null(pair);
    assert_true(sodium_init() >= 0);
    scratch_make(pair->folder);
    pair->net = net_open(2, 1 << 16, 5);
    for (uint32_t d = 0; d < 2; d++) {
        snprintf(pair->path[d], sizeof pair->path[d], "%s/%u.db", pair->folder, d);
        rng_seed(&pair->rng[d], 11 + d, 3);
        for (uint32_t to = 0; to < 2; to++)
            net_route(pair->net, d, to)->latency_us = 20000;
    }
    open_one(pair, 0, NULL);
    net_address(0, address);
    assert_int_equal(weft_listen_wait(pair->engine[0], address, NULL, &why), WEFT_OK);
    assert_int_equal(weft_invite(pair->engine[0], NULL, link, sizeof link, &why), WEFT_OK);
    open_one(pair, 1, link);
    while (weft_member_count(pair->engine[1]) != 2)
        go_on(pair);
    (void)until_live(pair);
    *state = pair;
    return 0;
}

static int pair_close(void **state) {
    struct pair *pair = *state;
    for (int d = 0; d < 2; d++)
        engine_kill(pair->engine[d]);
    net_close(pair->net);
    scratch_remove(pair->folder);
    free(pair);
    return 0;
}

static void block(struct pair *pair, bool blocked) {
    net_route(pair->net, 0, 1)->blocked = blocked;
    net_route(pair->net, 1, 0)->blocked = blocked;
}

/* What was written meanwhile is there as well. */
static uint64_t until_replicated(struct pair *pair, uint64_t ticket) {
    const uint64_t from = pair->now_us;
    while (weft_wait(pair->engine[0], ticket, WEFT_REPLICATED, 1, 0, NULL) != WEFT_OK) {
        go_on(pair);
        assert_in_range(pair->now_us - from, 0, 200 * SECOND);
    }
    return pair->now_us - from;
}

static void ten_minutes_without_a_network_are_made_up_for_within_five_seconds(void **state) {
    struct pair *pair = *state;
    uint64_t longest = 0;
    for (uint8_t i = 0; i < 8; i++) {
        block(pair, true);
        const uint64_t ticket = put(pair, 0, i);
        run_for(pair, 600 * SECOND + i * 731 * SECOND / 1000); /* At any moment of a pause. */
        assert_false(are_live(pair));
        block(pair, false);
        const uint64_t took = until_replicated(pair, ticket);
        if (took > longest) longest = took;
        (void)until_live(pair);
    }
    print_message("at most %llu ms\n", (unsigned long long)(longest / 1000));
    assert_in_range(longest, 0, 5 * SECOND);
}

static void a_program_that_was_down_for_ten_minutes_is_found_within_five_seconds(void **state) {
    struct pair *pair = *state;
    for (uint8_t i = 0; i < 4; i++) {
        net_refuse(pair->net, 0, true);
        assert_true(net_cut(pair->net, 0, 1, 0));
        const uint64_t ticket = put(pair, 0, i);
        run_for(pair, 600 * SECOND + i * 731 * SECOND / 1000);
        net_refuse(pair->net, 0, false);
        assert_in_range(until_replicated(pair, ticket), 0, 5 * SECOND);
        (void)until_live(pair);
    }
}

/* A device that is away is called less often the longer it is away, and never given up. */
static void a_long_absence_costs_less_and_less(void **state) {
    struct pair *pair = *state;
    struct weft_contact contact;
    uint64_t before = 0;
    net_refuse(pair->net, 0, true);
    assert_true(net_cut(pair->net, 0, 1, 0));
    static const struct {
        uint64_t hours, least, most; /* calls in that time */
    } spans[] = {{1, 700, 1800}, {1, 300, 420}, {8, 500, 1000}, {24, 1000, 1400}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        run_for(pair, spans[i].hours * 3600 * SECOND);
        assert_int_equal(weft_contacts(pair->engine[1], &contact, 1), 1);
        assert_in_range(contact.failures - before, spans[i].least, spans[i].most);
        before = contact.failures;
    }
    net_refuse(pair->net, 0, false);
    assert_in_range(until_live(pair), 0, 81 * SECOND);
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(ten_minutes_without_a_network_are_made_up_for_within_five_seconds),
        PAIR_TEST(a_program_that_was_down_for_ten_minutes_is_found_within_five_seconds),
        PAIR_TEST(a_long_absence_costs_less_and_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
