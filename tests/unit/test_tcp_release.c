/* Handing a connection from one port over TCP to another, and telling where it comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cable.h"

/* The lowest descriptor that is free. */
static int next_descriptor(void) {
    const int next = dup(0);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    return next;
}

/* Bytes that nobody has read stay in the socket. */
static void a_link_goes_to_another_port_with_its_unread_bytes(void **state) {
    struct cable *cable = *state;
    struct runner_port third;
    struct net_watch watch = {false};
    net_handle link;
    int64_t transfer = -1;
    char in[8];
    size_t count;
    assert_int_equal(cable->ports.open(cable->ports.self, -1, &third, NULL), WEFT_OK);
    cable_connect(cable, "127.0.0.1:0");
    assert_int_equal(cable_put(&cable->a, cable->from, "abcdef", 6, &count), WEFT_OK);
    cable_wait(cable, &cable->b, &cable->watch_b);
    assert_int_equal(cable_get(&cable->b, cable->to, in, 2, &count), WEFT_OK);
    assert_int_equal(cable->b.net.ops->release(cable->b.net.self, cable->to, &transfer, NULL),
                     WEFT_OK);
    assert_int_equal(third.net.ops->adopt(third.net.self, transfer, &watch, &link, NULL), WEFT_OK);
    cable_wait(cable, &third, &watch);
    assert_int_equal(cable_get(&third, link, in, sizeof in, &count), WEFT_OK);
    assert_int_equal(count, 4);
    assert_memory_equal(in, "cdef", 4);
    assert_int_equal(cable_get(&third, link, in, sizeof in, &count), WEFT_BUSY);
    /* What comes later wakes the new port and no longer the old one. */
    assert_int_equal(cable_put(&cable->a, cable->from, "g", 1, &count), WEFT_OK);
    cable_wait(cable, &third, &watch);
    assert_int_equal(cable_get(&third, link, in, sizeof in, &count), WEFT_OK);
    assert_int_equal(in[0], 'g');
    assert_false(cable_look(&cable->b, &cable->watch_b));
    assert_int_equal(cable_put(&third, link, "h", 1, &count), WEFT_OK);
    cable_wait(cable, &cable->a, &cable->watch_a);
    assert_int_equal(cable_get(&cable->a, cable->from, in, sizeof in, &count), WEFT_OK);
    assert_int_equal(in[0], 'h');
    cable->ports.close(cable->ports.self, &third);
}

static void a_link_that_was_let_go_can_be_dropped(void **state) {
    struct cable *cable = *state;
    int64_t transfer = -1;
    char byte;
    size_t count;
    cable_connect(cable, "127.0.0.1:0");
    assert_int_equal(cable->b.net.ops->release(cable->b.net.self, cable->to, &transfer, NULL),
                     WEFT_OK);
    cable->b.net.ops->discard(cable->b.net.self, transfer);
    cable_wait(cable, &cable->a, &cable->watch_a);
    assert_int_equal(cable_get(&cable->a, cable->from, &byte, 1, &count), WEFT_CLOSED);
}

static void the_place_of_a_link_that_was_let_go_is_used_again(void **state) {
    struct cable *cable = *state;
    int64_t transfer = -1;
    cable_connect(cable, "127.0.0.1:0");
    const net_handle old = cable->to;
    /* An event that was under way when the link left reaches nobody. */
    size_t count;
    assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &count), WEFT_OK);
    assert_int_equal(cable->b.net.ops->release(cable->b.net.self, old, &transfer, NULL), WEFT_OK);
    cable->watch_b.ready = false;
    assert_false(cable_look(&cable->b, &cable->watch_b));
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, NULL),
        WEFT_OK);
    assert_int_equal((uint32_t)cable->to, (uint32_t)old);
    assert_true(cable->to != old);
    cable_wait(cable, &cable->b, &cable->watch_b);
}

/* A dial that is refused is told by release(), as read() and write() would. */
static void a_link_that_does_not_stand_cannot_be_let_go(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    int64_t transfer = -1;
    cable_listen(cable, "127.0.0.1:0");
    cable->b.net.ops->close(cable->b.net.self, cable->listener);
    cable_dial(cable, cable->bound);
    cable_wait(cable, &cable->a, &cable->watch_a);
    const int before = next_descriptor();
    assert_int_equal(cable->a.net.ops->release(cable->a.net.self, cable->from, &transfer, &why),
                     WEFT_NET);
    assert_int_equal(why.status, WEFT_NET);
    assert_non_null(strstr(why.text, cable->bound));
    assert_int_equal(transfer, -1);
    /* The link is gone, and its descriptor with it. */
    assert_true(next_descriptor() < before);
}

static void the_origin_of_a_link_is_its_address_without_the_port(void **state) {
    struct cable *cable = *state;
    static const struct {
        const char *listen, *dial, *origin;
    } cases[] = {
        {"127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
        {"127.0.0.1:0", "localhost", "127.0.0.1"},
        {"127.0.0.1:0", "[::ffff:127.0.0.1]", "127.0.0.1"},
        {"[::1]:0", "[::1]", "::1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char origin[WEFT_ADDRESS_MAX], address[WEFT_ADDRESS_MAX + 8];
        int64_t transfer = -1;
        cable->watch_listener.ready = false;
        cable_listen(cable, cases[i].listen);
        (void)snprintf(address, sizeof address, "%s%s", cases[i].dial, strrchr(cable->bound, ':'));
        cable_dial(cable, address);
        cable->a.net.ops->origin(cable->a.net.self, cable->from, origin);
        assert_string_equal(origin, cases[i].origin);
        cable_wait(cable, &cable->b, &cable->watch_listener);
        assert_int_equal(
            cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL), WEFT_OK);
        assert_int_equal(
            cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, NULL),
            WEFT_OK);
        cable->b.net.ops->origin(cable->b.net.self, cable->to, origin);
        assert_string_equal(origin, cases[i].origin);
    }
}

static void the_origin_is_told_also_when_the_remote_has_left(void **state) {
    struct cable *cable = *state;
    char origin[WEFT_ADDRESS_MAX], byte;
    size_t count;
    enum weft_status status = WEFT_OK;
    cable_connect(cable, "127.0.0.1:0");
    /* Bytes that are left unread turn the end into a reset. */
    assert_int_equal(cable_put(&cable->b, cable->to, "x", 1, &count), WEFT_OK);
    cable_wait(cable, &cable->a, &cable->watch_a);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    do {
        cable_wait(cable, &cable->b, &cable->watch_b);
        status = cable_get(&cable->b, cable->to, &byte, 1, &count);
    } while (status == WEFT_BUSY);
    assert_int_equal(status, WEFT_NET);
    cable->b.net.ops->origin(cable->b.net.self, cable->to, origin);
    assert_string_equal(origin, "127.0.0.1");
}

#define CABLE_TEST(test) cmocka_unit_test_setup_teardown(test, cable_setup, cable_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CABLE_TEST(a_link_goes_to_another_port_with_its_unread_bytes),
        CABLE_TEST(a_link_that_was_let_go_can_be_dropped),
        CABLE_TEST(the_place_of_a_link_that_was_let_go_is_used_again),
        CABLE_TEST(a_link_that_does_not_stand_cannot_be_let_go),
        CABLE_TEST(the_origin_of_a_link_is_its_address_without_the_port),
        CABLE_TEST(the_origin_is_told_also_when_the_remote_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
