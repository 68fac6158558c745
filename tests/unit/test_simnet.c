/* The simulated network: order, backpressure, cuts, partitions and lost power, each seen through
 * the operations that an engine uses. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "tests/sim/net.h"

#define WINDOW 1000u

/* Two devices, a link from 0 to 1, and what each end is told. */
struct pair {
    struct net *net;
    struct runner_ports ports[2];
    struct net_port port[2];
    struct net_watch watch[2], listens;
    net_handle end[2], listener;
    uint64_t now_us;
};

static struct instant time_now(void *self) {
    const struct pair *pair = self;
    return (struct instant){.mono_us = pair->now_us, .wall_ms = 0};
}

static void pass(struct pair *pair, uint64_t us) {
    pair->now_us += us;
    net_advance(pair->net, pair->now_us);
}

static enum weft_status put(struct pair *pair, int side, const void *data, size_t size,
                            size_t *sent) {
    struct net_port *port = &pair->port[side];
    return port->ops->write(port->self, pair->end[side], data, size, sent, NULL);
}

static enum weft_status get(struct pair *pair, int side, void *out, size_t size, size_t *got) {
    struct net_port *port = &pair->port[side];
    return port->ops->read(port->self, pair->end[side], out, size, got, NULL);
}

static void begin(struct pair *pair) {
    char address[NET_ADDRESS_SIZE], bound[WEFT_ADDRESS_MAX];
    memset(pair, 0, sizeof *pair);
    pair->net = net_open(2, WINDOW, 1);
    for (uint32_t d = 0; d < 2; d++) {
        struct runner_port port;
        struct time_port time = {.self = pair, .now = time_now};
        pair->ports[d] = net_ports(pair->net, d, time);
        *net_route(pair->net, d, 1 - d) = (struct net_route){.latency_us = 100};
        assert_int_equal(pair->ports[d].open(pair->ports[d].self, -1, &port, NULL), WEFT_OK);
        pair->port[d] = port.net;
        net_boot(pair->net, d);
    }
    net_address(1, address);
    assert_int_equal(pair->port[1].ops->listen(pair->port[1].self, address, &pair->listens,
                                               &pair->listener, bound, NULL),
                     WEFT_OK);
}

static void dial(struct pair *pair) {
    char address[NET_ADDRESS_SIZE];
    int64_t transfer = 0;
    net_address(1, address);
    assert_int_equal(
        pair->port[0].ops->dial(pair->port[0].self, address, &pair->watch[0], &pair->end[0], NULL),
        WEFT_OK);
    pass(pair, 100);
    assert_true(pair->listens.ready);
    assert_int_equal(pair->port[1].ops->accept(pair->port[1].self, pair->listener, &transfer, NULL),
                     WEFT_OK);
    assert_int_equal(pair->port[1].ops->adopt(pair->port[1].self, transfer, &pair->watch[1],
                                              &pair->end[1], NULL),
                     WEFT_OK);
    pass(pair, 100);
    assert_true(pair->watch[0].ready);
    pair->watch[0].ready = pair->watch[1].ready = false;
}

static void bytes_arrive_in_order_after_the_latency(void **state) {
    (void)state;
    struct pair pair;
    char text[8] = "";
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    assert_int_equal(get(&pair, 1, text, sizeof text, &count), WEFT_BUSY);
    assert_int_equal(put(&pair, 0, "abc", 3, &count), WEFT_OK);
    assert_int_equal(put(&pair, 0, "de", 2, &count), WEFT_OK);
    pass(&pair, 99);
    assert_false(pair.watch[1].ready);
    pass(&pair, 1);
    assert_true(pair.watch[1].ready);
    assert_int_equal(get(&pair, 1, text, sizeof text, &count), WEFT_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(text, "abcde", 5);
    net_close(pair.net);
}

static void writer_is_held_back_until_the_reader_has_read(void **state) {
    (void)state;
    struct pair pair;
    char bytes[WINDOW + 100] = "";
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    assert_int_equal(put(&pair, 0, bytes, sizeof bytes, &count), WEFT_OK);
    assert_int_equal(count, WINDOW);
    assert_int_equal(put(&pair, 0, bytes, 1, &count), WEFT_BUSY);
    pass(&pair, 100);
    assert_false(pair.watch[0].ready);
    assert_int_equal(get(&pair, 1, bytes, 10, &count), WEFT_OK);
    assert_true(pair.watch[0].ready);
    assert_int_equal(put(&pair, 0, bytes, 100, &count), WEFT_OK);
    assert_int_equal(count, 10);
    net_close(pair.net);
}

static void cut_lets_so_many_bytes_through_and_tells_both_ends(void **state) {
    (void)state;
    struct pair pair;
    char bytes[16] = "0123456789";
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    assert_true(net_cut(pair.net, 0, 1, 4));
    assert_int_equal(put(&pair, 0, bytes, 10, &count), WEFT_OK);
    pass(&pair, 100);
    assert_int_equal(get(&pair, 1, bytes, sizeof bytes, &count), WEFT_OK);
    assert_int_equal(count, 4);
    assert_int_equal(get(&pair, 1, bytes, sizeof bytes, &count), WEFT_NET);
    assert_int_equal(put(&pair, 0, bytes, 1, &count), WEFT_NET);
    net_close(pair.net);
}

static void a_changed_bit_arrives_where_it_was_to_be_and_nowhere_else(void **state) {
    (void)state;
    struct pair pair;
    char bytes[16] = "0123456789", got[16] = "";
    size_t count = 0;
    unsigned different = 0;
    begin(&pair);
    dial(&pair);
    assert_true(net_flip(pair.net, 0, 1, 12));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put(&pair, 0, bytes, 10, &count), WEFT_OK);
        pass(&pair, 100);
        assert_int_equal(get(&pair, 1, got, sizeof got, &count), WEFT_OK);
        assert_int_equal(count, 10);
        for (int at = 0; at < 10; at++)
            different += got[at] != bytes[at];
        assert_int_equal(different, i);
        assert_true(net_any_flipped(pair.net) == (i == 1));
    }
    assert_int_not_equal(got[2], bytes[2]);
    net_close(pair.net);
}

static void who_refuses_cannot_be_dialled_for_a_while(void **state) {
    (void)state;
    struct pair pair;
    char address[NET_ADDRESS_SIZE];
    size_t count = 0;
    begin(&pair);
    net_refuse(pair.net, 1, true);
    net_address(1, address);
    assert_int_equal(
        pair.port[0].ops->dial(pair.port[0].self, address, &pair.watch[0], &pair.end[0], NULL),
        WEFT_OK);
    pass(&pair, 100);
    pass(&pair, 100);
    assert_int_equal(put(&pair, 0, "x", 1, &count), WEFT_NET);
    pair.port[0].ops->close(pair.port[0].self, pair.end[0]);
    net_refuse(pair.net, 1, false);
    dial(&pair);
    net_close(pair.net);
}

static void closed_end_is_read_to_its_last_byte(void **state) {
    (void)state;
    struct pair pair;
    char bytes[16];
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    assert_int_equal(put(&pair, 0, "bye", 3, &count), WEFT_OK);
    pair.port[0].ops->close(pair.port[0].self, pair.end[0]);
    pass(&pair, 200);
    assert_int_equal(get(&pair, 1, bytes, sizeof bytes, &count), WEFT_OK);
    assert_int_equal(count, 3);
    assert_int_equal(get(&pair, 1, bytes, sizeof bytes, &count), WEFT_CLOSED);
    pair.port[1].ops->close(pair.port[1].self, pair.end[1]);
    pass(&pair, 1);
    assert_int_equal(net_links(pair.net), 0);
    net_close(pair.net);
}

static void blocked_route_delivers_when_it_is_unblocked(void **state) {
    (void)state;
    struct pair pair;
    char byte = 'x';
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    net_route(pair.net, 0, 1)->blocked = true;
    assert_int_equal(put(&pair, 0, &byte, 1, &count), WEFT_OK);
    assert_int_equal(put(&pair, 1, &byte, 1, &count), WEFT_OK);
    pass(&pair, 1000000);
    assert_int_equal(get(&pair, 1, &byte, 1, &count), WEFT_BUSY);
    assert_int_equal(get(&pair, 0, &byte, 1, &count), WEFT_OK);
    assert_int_equal(net_due(pair.net), UINT64_MAX);
    net_route(pair.net, 0, 1)->blocked = false;
    assert_true(net_due(pair.net) <= pair.now_us);
    pass(&pair, 0);
    assert_int_equal(get(&pair, 1, &byte, 1, &count), WEFT_OK);
    net_close(pair.net);
}

static void lost_power_is_noticed_only_by_what_is_sent_after_the_boot(void **state) {
    (void)state;
    struct pair pair;
    char byte = 'x';
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    net_end(pair.net, 1, true);
    assert_int_equal(get(&pair, 0, &byte, 1, &count), WEFT_BUSY);
    assert_int_equal(put(&pair, 0, &byte, 1, &count), WEFT_OK);
    pass(&pair, 1000000);
    assert_int_equal(get(&pair, 0, &byte, 1, &count), WEFT_BUSY);
    net_boot(pair.net, 1);
    pass(&pair, 0);
    pass(&pair, 100);
    assert_int_equal(get(&pair, 0, &byte, 1, &count), WEFT_NET);
    net_close(pair.net);
}

static void dial_where_nobody_listens_is_refused(void **state) {
    (void)state;
    struct pair pair;
    char byte = 'x', address[NET_ADDRESS_SIZE];
    size_t count = 0;
    begin(&pair);
    net_end(pair.net, 1, false);
    net_address(1, address);
    assert_int_equal(
        pair.port[0].ops->dial(pair.port[0].self, address, &pair.watch[0], &pair.end[0], NULL),
        WEFT_OK);
    assert_int_equal(put(&pair, 0, &byte, 1, &count), WEFT_BUSY);
    pass(&pair, 100);
    pass(&pair, 100);
    assert_true(pair.watch[0].ready);
    assert_int_equal(put(&pair, 0, &byte, 1, &count), WEFT_NET);
    assert_int_equal(net_counts(pair.net).refused, 1);
    net_close(pair.net);
}

static void only_addresses_of_devices_are_taken(void **state) {
    (void)state;
    struct pair pair;
    begin(&pair);
    const struct net_port *port = &pair.port[0];
    assert_int_equal(port->ops->check(port->self, "sim:1", NULL), WEFT_OK);
    assert_int_equal(port->ops->check(port->self, "sim:2", NULL), WEFT_ADDRESS);
    assert_int_equal(port->ops->check(port->self, "127.0.0.1:1", NULL), WEFT_ADDRESS);
    net_close(pair.net);
}

/* Lets an end go and takes it up again under another watch. */
static void hand_over(struct pair *pair, int side, struct net_watch *watch) {
    struct net_port *port = &pair->port[side];
    const net_handle old = pair->end[side];
    int64_t transfer = 0;
    assert_int_equal(port->ops->release(port->self, old, &transfer, NULL), WEFT_OK);
    pass(pair, 50);
    assert_int_equal(port->ops->adopt(port->self, transfer, watch, &pair->end[side], NULL),
                     WEFT_OK);
    assert_true(pair->end[side] != old);
    assert_true(watch->ready);
    watch->ready = false;
}

static void link_that_is_let_go_keeps_its_bytes_and_wakes_its_new_watch(void **state) {
    (void)state;
    struct pair pair;
    struct net_watch watch[2] = {{false}, {false}};
    char text[8] = "";
    size_t count = 0;
    begin(&pair);
    dial(&pair);
    for (int side = 0; side < 2; side++) {
        /* Some bytes have arrived, some arrive while nobody holds the link. */
        assert_int_equal(put(&pair, 1 - side, "abc", 3, &count), WEFT_OK);
        pass(&pair, 100);
        assert_int_equal(get(&pair, side, text, 1, &count), WEFT_OK);
        assert_int_equal(put(&pair, 1 - side, "de", 2, &count), WEFT_OK);
        pass(&pair, 60);
        pair.watch[side].ready = false;
        hand_over(&pair, side, &watch[side]);
        assert_int_equal(get(&pair, side, text, sizeof text, &count), WEFT_OK);
        assert_int_equal(count, 4);
        assert_memory_equal(text, "bcde", 4);
        assert_int_equal(get(&pair, side, text, sizeof text, &count), WEFT_BUSY);
        assert_int_equal(put(&pair, 1 - side, "f", 1, &count), WEFT_OK);
        pass(&pair, 100);
        assert_true(watch[side].ready);
        assert_false(pair.watch[side].ready);
        assert_int_equal(get(&pair, side, text, sizeof text, &count), WEFT_OK);
        assert_int_equal(put(&pair, side, "g", 1, &count), WEFT_OK);
        pass(&pair, 100);
        assert_int_equal(get(&pair, 1 - side, text, sizeof text, &count), WEFT_OK);
    }
    net_close(pair.net);
}

static void link_that_is_let_go_is_told_of_a_cut_once_it_is_taken_up(void **state) {
    (void)state;
    struct pair pair;
    struct net_watch watch = {false};
    char byte = 'x';
    size_t count = 0;
    int64_t transfer = 0;
    begin(&pair);
    dial(&pair);
    struct net_port *port = &pair.port[1];
    assert_int_equal(port->ops->release(port->self, pair.end[1], &transfer, NULL), WEFT_OK);
    assert_true(net_cut(pair.net, 0, 1, 0));
    assert_int_equal(port->ops->adopt(port->self, transfer, &watch, &pair.end[1], NULL), WEFT_OK);
    assert_true(watch.ready);
    assert_int_equal(get(&pair, 1, &byte, 1, &count), WEFT_NET);
    net_close(pair.net);
}

static void link_that_is_let_go_can_be_dropped(void **state) {
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct pair pair;
        char byte = 'x';
        size_t count = 0;
        int64_t transfer = 0;
        begin(&pair);
        dial(&pair);
        struct net_port *port = &pair.port[side];
        assert_int_equal(port->ops->release(port->self, pair.end[side], &transfer, NULL), WEFT_OK);
        port->ops->discard(port->self, transfer);
        pass(&pair, 100);
        assert_int_equal(get(&pair, 1 - side, &byte, 1, &count), WEFT_CLOSED);
        net_close(pair.net);
    }
}

static void link_that_does_not_stand_cannot_be_let_go(void **state) {
    (void)state;
    struct pair pair;
    struct weft_error why = {0};
    char address[NET_ADDRESS_SIZE];
    int64_t transfer = 0;
    begin(&pair);
    net_address(1, address);
    struct net_port *port = &pair.port[0];
    assert_int_equal(port->ops->dial(port->self, address, &pair.watch[0], &pair.end[0], NULL),
                     WEFT_OK);
    assert_int_equal(port->ops->release(port->self, pair.end[0], &transfer, &why), WEFT_NET);
    assert_int_equal(why.status, WEFT_NET);
    assert_int_equal(transfer, 0);
    pass(&pair, 100);
    pass(&pair, 100);
    assert_int_equal(net_links(pair.net), 0);
    net_close(pair.net);
}

static void origin_is_the_device_at_the_other_end(void **state) {
    (void)state;
    struct pair pair;
    char origin[WEFT_ADDRESS_MAX];
    begin(&pair);
    dial(&pair);
    pair.port[0].ops->origin(pair.port[0].self, pair.end[0], origin);
    assert_string_equal(origin, "sim:1");
    pair.port[1].ops->origin(pair.port[1].self, pair.end[1], origin);
    assert_string_equal(origin, "sim:0");
    net_close(pair.net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order_after_the_latency),
        cmocka_unit_test(writer_is_held_back_until_the_reader_has_read),
        cmocka_unit_test(cut_lets_so_many_bytes_through_and_tells_both_ends),
        cmocka_unit_test(a_changed_bit_arrives_where_it_was_to_be_and_nowhere_else),
        cmocka_unit_test(who_refuses_cannot_be_dialled_for_a_while),
        cmocka_unit_test(closed_end_is_read_to_its_last_byte),
        cmocka_unit_test(blocked_route_delivers_when_it_is_unblocked),
        cmocka_unit_test(lost_power_is_noticed_only_by_what_is_sent_after_the_boot),
        cmocka_unit_test(dial_where_nobody_listens_is_refused),
        cmocka_unit_test(only_addresses_of_devices_are_taken),
        cmocka_unit_test(link_that_is_let_go_keeps_its_bytes_and_wakes_its_new_watch),
        cmocka_unit_test(link_that_is_let_go_is_told_of_a_cut_once_it_is_taken_up),
        cmocka_unit_test(link_that_is_let_go_can_be_dropped),
        cmocka_unit_test(link_that_does_not_stand_cannot_be_let_go),
        cmocka_unit_test(origin_is_the_device_at_the_other_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
