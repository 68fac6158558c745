/* What every transport keeps (engine/runtime/port.h), asked of each in the same way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/cable.h"
#include "tests/sim/net.h"

/* ---- the simulated network as a cable ------------------------------------------------------- */

#define SIM_STEP_US 50u
#define SIM_WINDOW 100000u

struct sim_world {
    struct net *net;
    uint64_t now_us;
};

static struct instant sim_now(void *self) {
    const struct sim_world *world = self;
    return (struct instant){.mono_us = world->now_us, .wall_ms = 0};
}

static bool sim_open(struct cable *cable) {
    static struct sim_world world;
    world = (struct sim_world){.net = net_open(2, SIM_WINDOW, 7)};
    cable->world = &world;
    net_set_partial(world.net, 300);
    struct time_port time = {.self = &world, .now = sim_now};
    cable->ports = net_ports(world.net, 0, time);
    cable->ports_b = net_ports(world.net, 1, time);
    *net_route(world.net, 0, 1) = (struct net_route){.latency_us = 100, .jitter_us = 80};
    *net_route(world.net, 1, 0) = (struct net_route){.latency_us = 300};
    if (cable->ports.open(cable->ports.self, -1, &cable->a, NULL) != WEFT_OK ||
        cable->ports_b.open(cable->ports_b.self, -1, &cable->b, NULL) != WEFT_OK) {
        return false;
    }
    net_boot(world.net, 0);
    net_boot(world.net, 1);
    return true;
}

static void sim_shut(struct cable *cable) {
    const struct sim_world *world = cable->world;
    net_close(world->net);
}

static void sim_sleep(struct cable *cable, struct runner_port *port, uint64_t timeout_us) {
    struct sim_world *world = cable->world;
    (void)port;
    (void)timeout_us;
    world->now_us += SIM_STEP_US;
    net_advance(world->net, world->now_us);
}

static void sim_end_b(struct cable *cable) {
    const struct sim_world *world = cable->world;
    net_end(world->net, 1, false);
}

static const struct cable_kind cable_sim = {
    .name = "sim",
    .address = "sim:1",
    .open = sim_open,
    .shut = sim_shut,
    .end_b = sim_end_b,
    .sleep = sim_sleep,
};

/* ---- helpers -------------------------------------------------------------------------------- */

/* The byte at a place of a stream, that no shift or loss leaves as it is. */
static uint8_t byte_at(uint64_t stream, uint64_t place) {
    uint64_t x = (place + 1) * UINT64_C(0x9e3779b97f4a7c15) + stream;
    return (uint8_t)((x ^ x >> 29) >> 13);
}

static void fill(uint8_t *out, size_t size, uint64_t stream, uint64_t from) {
    for (size_t i = 0; i < size; i++)
        out[i] = byte_at(stream, from + i);
}

static void check(const uint8_t *in, size_t size, uint64_t stream, uint64_t from) {
    for (size_t i = 0; i < size; i++) {
        if (in[i] != byte_at(stream, from + i)) {
            fail_msg("byte %" PRIu64 " of stream %" PRIu64 " is another", from + i, stream);
        }
    }
}

/* One end that writes a stream and reads the other's, both in pieces. */
struct flow {
    struct cable_end end;
    uint64_t out_stream, in_stream;
    size_t total, sent, got;
};

/* Moves what can be moved now; false: nothing could. */
static bool flow_move(struct flow *flow, struct rng *rng) {
    uint8_t piece[20000];
    const struct net_port *net = &flow->end.port->net;
    bool moved = false;
    size_t count = 0;
    size_t size = (size_t)rng_between(rng, 1, sizeof piece);
    if (size > flow->total - flow->sent) size = flow->total - flow->sent;
    fill(piece, size, flow->out_stream, flow->sent);
    if (size != 0 &&
        net->ops->write(net->self, flow->end.link, piece, size, &count, NULL) == WEFT_OK) {
        assert_in_range(count, 1, size);
        flow->sent += count;
        moved = true;
    }
    size = (size_t)rng_between(rng, 1, sizeof piece);
    if (flow->got < flow->total &&
        net->ops->read(net->self, flow->end.link, piece, size, &count, NULL) == WEFT_OK) {
        assert_in_range(count, 1, size);
        check(piece, count, flow->in_stream, flow->got);
        flow->got += count;
        moved = true;
    }
    return moved;
}

static bool flow_done(const struct flow *flow) {
    return flow->sent == flow->total && flow->got == flow->total;
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void bytes_travel_both_ways(void **state) {
    struct cable *cable = *state;
    char in[16] = "";
    cable_connect(cable, cable->kind->address);
    cable_put_all(cable_a(cable), "hello", 5);
    cable_get_all(cable_b(cable), in, 5);
    assert_memory_equal(in, "hello", 5);
    cable_put_all(cable_b(cable), "and back", 8);
    cable_get_all(cable_a(cable), in, 8);
    assert_memory_equal(in, "and back", 8);
}

static void the_side_that_listens_may_speak_first(void **state) {
    struct cable *cable = *state;
    char in[16] = "";
    cable_connect(cable, cable->kind->address);
    cable_put_all(cable_b(cable), "welcome", 7);
    cable_get_all(cable_a(cable), in, 7);
    assert_memory_equal(in, "welcome", 7);
}

static void a_dial_where_nobody_listens_fails_and_says_where(void **state) {
    struct cable *cable = *state;
    struct net_port *net = &cable->a.net;
    struct weft_error why = {0};
    size_t count = 0;
    cable_listen(cable, cable->kind->address);
    cable->b.net.ops->close(cable->b.net.self, cable->listener);
    enum weft_status status =
        net->ops->dial(net->self, cable->bound, &cable->watch_a, &cable->from, &why);
    if (status == WEFT_OK) {
        while ((status = net->ops->write(net->self, cable->from, "x", 1, &count, &why)) ==
               WEFT_BUSY) {
            cable_wait(cable, &cable->a, &cable->watch_a);
        }
        net->ops->close(net->self, cable->from);
    }
    assert_int_equal(status, WEFT_NET);
    if (cable->kind == &cable_sim) return; /* It has no texts for people. */
    assert_non_null(strstr(why.text, cable->bound));
    assert_non_null(strstr(why.text, "nothing listens there"));
}

static void a_dial_can_be_given_up_before_it_is_answered(void **state) {
    struct cable *cable = *state;
    const struct net_port *net = &cable->b.net;
    char in = 0;
    size_t sent = 0, got = 0;
    cable_listen(cable, cable->kind->address);
    cable_dial(cable, cable->bound);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    /* Another finds the listener as it was; whether the first has come as well, is open. */
    cable_dial(cable, cable->bound);
    while (got == 0) {
        const int64_t transfer = cable_accept(cable);
        assert_int_equal(net->ops->adopt(net->self, transfer, &cable->watch_b, &cable->to, NULL),
                         WEFT_OK);
        while (net->ops->read(net->self, cable->to, &in, 1, &got, NULL) == WEFT_BUSY) {
            if (sent == 0) (void)cable_put(&cable->a, cable->from, "y", 1, &sent);
            cable->kind->sleep(cable, &cable->a, 1000);
            cable->kind->sleep(cable, &cable->b, 1000);
        }
    }
    assert_int_equal(in, 'y');
}

static void two_cannot_listen_at_one_place(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    char bound[WEFT_ADDRESS_MAX];
    net_handle second = 0;
    cable_listen(cable, cable->kind->address);
    assert_int_equal(cable->b.net.ops->listen(cable->b.net.self, cable->bound, &cable->watch_a,
                                              &second, bound, &why),
                     WEFT_PORT_IN_USE);
    assert_non_null(strstr(why.text, "choose another port"));
}

static void an_address_that_cannot_be_used_is_named(void **state) {
    struct cable *cable = *state;
    struct net_port *net = &cable->a.net;
    for (const char *const *bad = cable->kind->bad_addresses; bad != NULL && *bad != NULL;
         bad += 2) {
        struct weft_error why = {0};
        net_handle link = 0;
        char bound[WEFT_ADDRESS_MAX] = "";
        assert_int_equal(net->ops->dial(net->self, bad[0], &cable->watch_a, &link, &why),
                         WEFT_ADDRESS);
        if (strstr(why.text, bad[1]) == NULL) fail_msg("%s: \"%s\"", bad[0], why.text);
        assert_int_equal(link, 0);
        if (strstr(bad[1], "connected to") != NULL) continue; /* Good to listen on. */
        assert_int_equal(net->ops->check(net->self, bad[0], &why), WEFT_ADDRESS);
        assert_int_equal(net->ops->listen(net->self, bad[0], &cable->watch_a, &link, bound, &why),
                         WEFT_ADDRESS);
        assert_int_equal(link, 0);
    }
    cable_listen(cable, cable->kind->address);
    assert_int_equal(net->ops->check(net->self, cable->bound, NULL), WEFT_OK);
}

static void who_has_connected_is_known_without_the_port(void **state) {
    struct cable *cable = *state;
    char origin[WEFT_ADDRESS_MAX] = "";
    cable_connect(cable, cable->kind->address);
    cable->b.net.ops->origin(cable->b.net.self, cable->to, origin);
    assert_string_equal(origin, cable->kind == &cable_sim ? "sim:0" : "127.0.0.1");
    cable->a.net.ops->origin(cable->a.net.self, cable->from, origin);
    assert_string_equal(origin, cable->kind == &cable_sim ? "sim:1" : "127.0.0.1");
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void streams_arrive_whole_and_in_order_however_they_are_cut_up(void **state) {
    struct cable *cable = *state;
    struct rng rng;
    rng_seed(&rng, 11, 0);
    cable_connect(cable, cable->kind->address);
    struct flow a = {cable_a(cable), 1, 2, 3000000, 0, 0};
    struct flow b = {cable_b(cable), 2, 1, 3000000, 0, 0};
    while (!flow_done(&a) || !flow_done(&b)) {
        const bool moved_a = flow_move(&a, &rng), moved_b = flow_move(&b, &rng);
        if (moved_a || moved_b) continue;
        /* Something is under way to one of them: neither may be forgotten. */
        cable->kind->sleep(cable, &cable->a, 1000);
        cable->kind->sleep(cable, &cable->b, 1000);
    }
}

/* Nothing wakes an end but what its watch says: no bytes may be left to a timeout. */
static void an_end_that_was_told_to_wait_is_woken(void **state) {
    struct cable *cable = *state;
    uint8_t block[5000];
    cable_connect(cable, cable->kind->address);
    for (uint32_t round = 0; round < 200; round++) {
        const size_t size = 1 + round * 23 % sizeof block;
        fill(block, size, round, 0);
        cable_put_all(cable_a(cable), block, size);
        cable_get_all(cable_b(cable), block, size);
        check(block, size, round, 0);
        cable_put_all(cable_b(cable), block, 1);
        cable_get_all(cable_a(cable), block, 1);
    }
}

static void hold_back(struct cable_end from, struct cable_end to) {
    enum { MOST = 64 << 20, BLOCK = 1 << 16 };
    static uint8_t block[BLOCK];
    const struct net_port *net = &from.port->net;
    size_t sent = 0, count = 0, got = 0;
    /* It is full when it stays so for a while after all that is under way has arrived. */
    for (int quiet = 0; quiet < 20;) {
        fill(block, sizeof block, 5, sent);
        enum weft_status status =
            net->ops->write(net->self, from.link, block, sizeof block, &count, NULL);
        if (status == WEFT_BUSY) {
            from.cable->kind->sleep(from.cable, from.port, 5000);
            quiet = from.watch->ready ? 0 : quiet + 1;
            from.watch->ready = false;
            continue;
        }
        assert_int_equal(status, WEFT_OK);
        quiet = 0;
        sent += count;
        assert_true(sent < MOST);
    }
    while (got < sent) {
        const size_t most = sent - got < sizeof block ? sent - got : sizeof block;
        cable_get_all(to, block, most);
        check(block, most, 5, got);
        got += most;
    }
    cable_wait(from.cable, from.port, from.watch);
    cable_put_all(from, "x", 1);
    cable_get_all(to, block, 1);
    assert_int_equal(block[0], 'x');
}

static void a_reader_that_stops_stops_the_writer_and_nothing_is_lost(void **state) {
    struct cable *cable = *state;
    cable_connect(cable, cable->kind->address);
    hold_back(cable_a(cable), cable_b(cable));
    hold_back(cable_b(cable), cable_a(cable));
}

/* ---- the end -------------------------------------------------------------------------------- */

static void close_after(struct cable_end from, struct cable_end to) {
    enum { SIZE = 90000 };
    static uint8_t block[SIZE];
    struct weft_error why = {0};
    fill(block, SIZE, 3, 0);
    cable_put_all(from, block, SIZE);
    from.port->net.ops->close(from.port->net.self, from.link);
    memset(block, 0, sizeof block);
    cable_get_all(to, block, SIZE);
    check(block, SIZE, 3, 0);
    assert_int_equal(cable_end_of(to, &why), WEFT_CLOSED);
}

static void what_was_written_before_a_close_comes_before_its_end(void **state) {
    struct cable *cable = *state;
    cable_connect(cable, cable->kind->address);
    close_after(cable_a(cable), cable_b(cable));
}

static void the_side_that_was_dialled_may_close_as_well(void **state) {
    struct cable *cable = *state;
    cable_connect(cable, cable->kind->address);
    close_after(cable_b(cable), cable_a(cable));
}

static void writing_to_an_end_that_has_closed_fails_and_raises_no_signal(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    enum weft_status status = WEFT_OK;
    size_t count = 0;
    cable_connect(cable, cable->kind->address);
    cable->b.net.ops->close(cable->b.net.self, cable->to);
    for (size_t bytes = 0; status != WEFT_NET && bytes < 64 << 20; bytes += count) {
        count = 0;
        status = cable->a.net.ops->write(cable->a.net.self, cable->from, "x", 1, &count, &why);
        if (status == WEFT_BUSY) cable_wait(cable, &cable->a, &cable->watch_a);
        if (cable->kind == &cable_sim) cable->kind->sleep(cable, &cable->a, 0);
    }
    assert_int_equal(status, WEFT_NET);
}

static void the_end_of_the_other_process_ends_the_link(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    cable_connect(cable, cable->kind->address);
    cable_put_all(cable_b(cable), "x", 1);
    cable->kind->end_b(cable);
    char in = 0;
    size_t got = 0;
    enum weft_status status = WEFT_OK;
    while (status == WEFT_OK || status == WEFT_BUSY) {
        status = cable->a.net.ops->read(cable->a.net.self, cable->from, &in, 1, &got, &why);
        if (status == WEFT_BUSY) cable_wait(cable, &cable->a, &cable->watch_a);
    }
    /* A process's system may say goodbye for it, or not. */
    assert_true(status == WEFT_NET || status == WEFT_CLOSED);
}

/* ---- from one thread to another ------------------------------------------------------------- */

/* Adopts a link on a port of its own and echoes all that comes. */
struct echo {
    struct cable *cable;
    struct runner_port port;
    int64_t transfer;
    enum weft_status ended;
};

static void *echo_main(void *context) {
    struct echo *echo = context;
    struct net_watch watch = {false};
    struct weft_error why = {0};
    const struct net_port *net = &echo->port.net;
    net_handle link = 0;
    uint8_t block[4096];
    assert_int_equal(net->ops->adopt(net->self, echo->transfer, &watch, &link, &why), WEFT_OK);
    struct cable_end end = {echo->cable, &echo->port, &watch, link};
    for (;;) {
        size_t got = 0;
        enum weft_status status = net->ops->read(net->self, link, block, sizeof block, &got, &why);
        if (status == WEFT_BUSY) {
            cable_wait(echo->cable, &echo->port, &watch);
            continue;
        }
        echo->ended = status;
        if (status != WEFT_OK) break;
        cable_put_all(end, block, got);
    }
    net->ops->close(net->self, link);
    return NULL;
}

static void a_link_goes_to_another_thread_with_its_unread_bytes(void **state) {
    struct cable *cable = *state;
    struct echo echo = {.cable = cable};
    struct net_port *net = &cable->b.net;
    uint8_t in[1000], out[1000];
    pthread_t thread;
    cable_connect(cable, cable->kind->address);
    assert_int_equal(cable->ports_b.open(cable->ports_b.self, -1, &echo.port, NULL), WEFT_OK);
    fill(out, sizeof out, 9, 0);
    cable_put_all(cable_a(cable), out, 500);
    cable_get_all(cable_b(cable), in, 100);
    assert_int_equal(net->ops->release(net->self, cable->to, &echo.transfer, NULL), WEFT_OK);
    assert_int_equal(pthread_create(&thread, NULL, echo_main, &echo), 0);
    cable_put_all(cable_a(cable), out + 500, 500);
    cable_get_all(cable_a(cable), in, 900);
    check(in, 900, 9, 100);
    cable->watch_b.ready = false;
    assert_false(cable_look(&cable->b, &cable->watch_b));
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(echo.ended, WEFT_CLOSED);
    cable->ports_b.close(cable->ports_b.self, &echo.port);
}

static void a_link_that_was_accepted_or_let_go_can_be_dropped(void **state) {
    struct cable *cable = *state;
    struct net_port *net = &cable->b.net;
    struct weft_error why = {0};
    int64_t transfer = -1;
    cable_connect(cable, cable->kind->address);
    cable_put_all(cable_a(cable), "x", 1);
    cable_get_all(cable_b(cable), &(char){0}, 1);
    assert_int_equal(net->ops->release(net->self, cable->to, &transfer, NULL), WEFT_OK);
    net->ops->discard(net->self, transfer);
    assert_int_not_equal(cable_end_of(cable_a(cable), &why), WEFT_OK);
    cable_dial(cable, cable->bound);
    net->ops->discard(net->self, cable_accept(cable));
    assert_int_not_equal(cable_end_of(cable_a(cable), &why), WEFT_OK);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void many_links_keep_their_bytes_apart(void **state) {
    enum { LINKS = 40, TOGETHER = 8 };
    static struct net_watch watch_a[LINKS], watch_b[LINKS];
    static struct cable_end a[LINKS], b[LINKS];
    struct cable *cable = *state;
    memset(watch_a, 0, sizeof watch_a);
    memset(watch_b, 0, sizeof watch_b);
    struct net_port *net = &cable->b.net;
    cable_listen(cable, cable->kind->address);
    for (int i = 0; i < LINKS; i++) {
        net_handle link = 0;
        assert_int_equal(
            cable->a.net.ops->dial(cable->a.net.self, cable->bound, &watch_a[i], &link, NULL),
            WEFT_OK);
        a[i] = (struct cable_end){cable, &cable->a, &watch_a[i], link};
        if ((i + 1) % TOGETHER != 0) continue;
        for (int j = i + 1 - TOGETHER; j <= i; j++) {
            int64_t transfer = cable_accept(cable);
            assert_int_equal(net->ops->adopt(net->self, transfer, &watch_b[j], &link, NULL),
                             WEFT_OK);
            b[j] = (struct cable_end){cable, &cable->b, &watch_b[j], link};
        }
    }
    for (int i = 0; i < LINKS; i++) {
        uint8_t first = (uint8_t)i;
        cable_put_all(a[i], &first, 1);
    }
    bool seen[LINKS] = {false};
    for (int i = 0; i < LINKS; i++) {
        uint8_t number = LINKS, back = LINKS;
        cable_get_all(b[i], &number, 1);
        assert_in_range(number, 0, LINKS - 1);
        assert_false(seen[number]);
        seen[number] = true;
        cable_put_all(b[i], &number, 1);
        cable_get_all(a[number], &back, 1);
        assert_int_equal(back, number);
    }
}

/* ---- every test over every transport -------------------------------------------------------- */

int main(void) {
    static const struct cable_kind *const kinds[] = {&cable_tcp, &cable_websocket, &cable_sim};
    static const struct {
        const char *name;
        CMUnitTestFunction function;
        bool simulated;
    } all[] = {
/* What the simulated network, whose devices have one thread each, keeps as well; and what not. */
#define TEST(function) {#function, function, true}
#define TEST_REAL(function) \
    { #function, function, false }
        TEST(bytes_travel_both_ways),
        TEST(the_side_that_listens_may_speak_first),
        TEST(a_dial_where_nobody_listens_fails_and_says_where),
        TEST(a_dial_can_be_given_up_before_it_is_answered),
        TEST_REAL(two_cannot_listen_at_one_place),
        TEST(an_address_that_cannot_be_used_is_named),
        TEST(who_has_connected_is_known_without_the_port),
        TEST(streams_arrive_whole_and_in_order_however_they_are_cut_up),
        TEST(an_end_that_was_told_to_wait_is_woken),
        TEST(a_reader_that_stops_stops_the_writer_and_nothing_is_lost),
        TEST(what_was_written_before_a_close_comes_before_its_end),
        TEST(the_side_that_was_dialled_may_close_as_well),
        TEST(writing_to_an_end_that_has_closed_fails_and_raises_no_signal),
        TEST(the_end_of_the_other_process_ends_the_link),
        TEST_REAL(a_link_goes_to_another_thread_with_its_unread_bytes),
        TEST(a_link_that_was_accepted_or_let_go_can_be_dropped),
        TEST(many_links_keep_their_bytes_apart),
#undef TEST
#undef TEST_REAL
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0], TESTS = sizeof all / sizeof all[0] };
    static char names[KINDS * TESTS][100];
    static struct CMUnitTest tests[KINDS * TESTS];
    size_t count = 0;
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t t = 0; t < TESTS; t++) {
            const size_t i = count;
            if (kinds[k] == &cable_sim && !all[t].simulated) continue;
            count++;
            (void)snprintf(names[i], sizeof names[i], "%s: %s", kinds[k]->name, all[t].name);
            tests[i] = (struct CMUnitTest){.name = names[i],
                                           .test_func = all[t].function,
                                           .setup_func = cable_setup,
                                           .teardown_func = cable_teardown,
                                           .initial_state = (void *)(uintptr_t)kinds[k]};
        }
    }
    return _cmocka_run_group_tests("transport", tests, count, NULL, NULL);
}
