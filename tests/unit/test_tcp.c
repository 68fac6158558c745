/* The net port over real sockets on loopback: addresses, connections, edges, and sleeping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/address.h"
#include "engine/net/posix.h"
#include "engine/net/sockets.h"
#include "tests/lib/cable.h"

/* ---- addresses ---- */

static void addresses_are_numbers_with_a_port(void **state) {
    (void)state;
    const struct {
        const char *text;
        const char *back; /* NULL: refused */
        enum weft_status status;
    } cases[] = {
        {"127.0.0.1:7000", "127.0.0.1:7000", WEFT_OK},
        {"127.9.8.7:0", "127.9.8.7:0", WEFT_OK},
        {"[::1]:65535", "[::1]:65535", WEFT_OK},
        {"localhost:80", "127.0.0.1:80", WEFT_OK},
        {"[::ffff:127.0.0.1]:9", "[::ffff:127.0.0.1]:9", WEFT_OK},
        {"", NULL, WEFT_ADDRESS},
        {":7000", NULL, WEFT_ADDRESS},
        {"127.0.0.1", NULL, WEFT_ADDRESS},
        {"127.0.0.1:", NULL, WEFT_ADDRESS},
        {"127.0.0.1:65536", NULL, WEFT_ADDRESS},
        {"127.0.0.1:-1", NULL, WEFT_ADDRESS},
        {"127.0.0.1:+1", NULL, WEFT_ADDRESS},
        {"127.0.0.1:7x", NULL, WEFT_ADDRESS},
        {"127.0.0.1: 7", NULL, WEFT_ADDRESS},
        {"::1:7000", NULL, WEFT_ADDRESS},
        {"[::1]", NULL, WEFT_ADDRESS},
        {"[::1:7000", NULL, WEFT_ADDRESS},
        {"[]:7000", NULL, WEFT_ADDRESS},
        {"[127.0.0.1:7000", NULL, WEFT_ADDRESS},
        {"example.org:7000", NULL, WEFT_ADDRESS},
        {"127.0.0.300:7000", NULL, WEFT_ADDRESS},
        {"0.0.0.0:7000", "0.0.0.0:7000", WEFT_OK},
        {"192.168.1.2:7000", "192.168.1.2:7000", WEFT_OK},
        {"128.0.0.1:7000", "128.0.0.1:7000", WEFT_OK},
        {"[::]:7000", "[::]:7000", WEFT_OK},
        {"[::2]:7000", "[::2]:7000", WEFT_OK},
        {"[fe80::1]:7000", "[fe80::1]:7000", WEFT_OK},
        {"[::ffff:10.0.0.1]:7000", "[::ffff:10.0.0.1]:7000", WEFT_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address;
        struct weft_error why = {0};
        char back[WEFT_ADDRESS_MAX];
        enum weft_status status = address_read(&address, cases[i].text, &why);
        if (status != cases[i].status) fail_msg("\"%s\": %d", cases[i].text, status);
        if (status == WEFT_OK) {
            address_text((struct sockaddr *)&address.socket, address.size, back);
            assert_string_equal(back, cases[i].back);
        } else {
            assert_int_equal(why.status, status);
            assert_non_null(strstr(why.text, cases[i].text));
        }
    }
    char large[400];
    memset(large, '1', sizeof large);
    large[sizeof large - 1] = '\0';
    struct address address;
    assert_int_equal(address_read(&address, large, NULL), WEFT_ADDRESS);
}

static void an_address_can_be_checked_without_using_it(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    const struct net_port *net = &cable->a.net;
    assert_int_equal(net->ops->check(net->self, "127.0.0.1:7000", &why), WEFT_OK);
    assert_int_equal(net->ops->check(net->self, "10.0.0.1:7000", &why), WEFT_OK);
    assert_int_equal(net->ops->check(net->self, "nonsense", &why), WEFT_ADDRESS);
}

/* ---- listening and dialling ---- */

static void bytes_travel_both_ways(void **state) {
    struct cable *cable = *state;
    char in[64];
    size_t count = 0;
    cable_connect(cable, "127.0.0.1:0");
    assert_null(strstr(cable->bound, ":0"));
    assert_int_equal(cable_put(&cable->a, cable->from, "hello", 5, &count), WEFT_OK);
    assert_int_equal(count, 5);
    cable_wait(cable, &cable->b, &cable->watch_b);
    assert_int_equal(cable_get(&cable->b, cable->to, in, sizeof in, &count), WEFT_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(in, "hello", 5);
    assert_int_equal(cable_put(&cable->b, cable->to, "and back", 8, &count), WEFT_OK);
    cable_wait(cable, &cable->a, &cable->watch_a);
    assert_int_equal(cable_get(&cable->a, cable->from, in, sizeof in, &count), WEFT_OK);
    assert_memory_equal(in, "and back", 8);
}

static void ipv6_loopback_works_the_same(void **state) {
    struct cable *cable = *state;
    size_t count = 0;
    cable_connect(cable, "[::1]:0");
    assert_int_equal(strncmp(cable->bound, "[::1]:", 6), 0);
    assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &count), WEFT_OK);
}

static void a_port_in_use_is_named(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    char bound[WEFT_ADDRESS_MAX], expected[WEFT_ERROR_TEXT_MAX];
    net_handle second;
    cable_listen(cable, "127.0.0.1:0");
    assert_int_equal(cable->a.net.ops->listen(cable->a.net.self, cable->bound, &cable->watch_a,
                                              &second, bound, &why),
                     WEFT_PORT_IN_USE);
    (void)snprintf(expected, sizeof expected,
                   "%s is in use by another program; choose another port or stop that program",
                   cable->bound);
    assert_string_equal(why.text, expected);
}

static void a_port_can_be_listened_on_again_at_once(void **state) {
    struct cable *cable = *state;
    char byte;
    size_t count;
    cable_connect(cable, "127.0.0.1:0");
    char address[WEFT_ADDRESS_MAX];
    memcpy(address, cable->bound, sizeof address);
    /* The listening side closes first, so its end of the connection lingers. */
    cable->b.net.ops->close(cable->b.net.self, cable->to);
    cable->b.net.ops->close(cable->b.net.self, cable->listener);
    cable_wait(cable, &cable->a, &cable->watch_a);
    assert_int_equal(cable_get(&cable->a, cable->from, &byte, 1, &count), WEFT_CLOSED);
    cable->a.net.ops->close(cable->a.net.self, cable->from);
    cable_listen(cable, address);
    assert_string_equal(cable->bound, address);
}

static void a_dial_that_nobody_answers_fails_with_advice(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    size_t count;
    cable_listen(cable, "127.0.0.1:0");
    cable->b.net.ops->close(cable->b.net.self, cable->listener);
    enum weft_status status = cable->a.net.ops->dial(cable->a.net.self, cable->bound,
                                                     &cable->watch_a, &cable->from, &why);
    if (status == WEFT_OK) {
        cable_wait(cable, &cable->a, &cable->watch_a);
        status = cable->a.net.ops->write(cable->a.net.self, cable->from, "x", 1, &count, &why);
        cable->a.net.ops->close(cable->a.net.self, cable->from);
    }
    assert_int_equal(status, WEFT_NET);
    assert_non_null(strstr(why.text, cable->bound));
    assert_non_null(strstr(why.text, "nothing listens there"));
}

static void port_zero_cannot_be_dialled(void **state) {
    struct cable *cable = *state;
    struct weft_error why = {0};
    assert_int_equal(cable->a.net.ops->dial(cable->a.net.self, "127.0.0.1:0", &cable->watch_a,
                                            &cable->from, &why),
                     WEFT_ADDRESS);
    assert_non_null(strstr(why.text, "127.0.0.1:0"));
}

/* The system gives a dialling socket a near port from its range, the even ones first, each in its
 * turn. So among as many dials as there are, to an even port of that range that nobody listens on,
 * there is one from that very port; TCP joins the two, and the socket talks to itself. */
static void a_dial_never_meets_itself(void **state) {
    struct cable *cable = *state;
    int low = 0, high = 0;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    assert_non_null(range);
    assert_int_equal(fscanf(range, "%d %d", &low, &high), 2);
    assert_int_equal(fclose(range), 0);
    int bound = -1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int port = (low + high) / 4 * 2; bound != 0 && port < high; port += 2) {
        int held = socket(AF_INET, SOCK_STREAM, 0);
        at.sin_port = htons((uint16_t)port);
        bound = bind(held, (struct sockaddr *)&at, sizeof at);
        assert_int_equal(close(held), 0);
    }
    assert_int_equal(bound, 0);
    char address[WEFT_ADDRESS_MAX];
    address_text((struct sockaddr *)&at, sizeof at, address);
    for (int i = 0; i < high - low; i++) {
        struct weft_error why = {0};
        size_t count;
        cable->watch_a.ready = false;
        enum weft_status status =
            cable->a.net.ops->dial(cable->a.net.self, address, &cable->watch_a, &cable->from, &why);
        if (status == WEFT_OK) {
            cable_wait(cable, &cable->a, &cable->watch_a);
            status = cable->a.net.ops->write(cable->a.net.self, cable->from, "x", 1, &count, &why);
            cable->a.net.ops->close(cable->a.net.self, cable->from);
        }
        if (status != WEFT_NET) fail_msg("dial %d to %s: %d", i, address, status);
    }
}

/* ---- readiness ---- */

static void readiness_comes_once_and_again_only_after_busy(void **state) {
    struct cable *cable = *state;
    char in[64];
    size_t count;
    cable_connect(cable, "127.0.0.1:0");
    assert_int_equal(cable_get(&cable->b, cable->to, in, sizeof in, &count), WEFT_BUSY);
    (void)cable_look(&cable->b, &cable->watch_b);
    cable->watch_b.ready = false;
    assert_int_equal(cable_put(&cable->a, cable->from, "abcdef", 6, &count), WEFT_OK);
    cable_wait(cable, &cable->b, &cable->watch_b);
    /* Unread bytes do not keep the thread awake. */
    assert_false(cable_look(&cable->b, &cable->watch_b));
    assert_int_equal(cable_get(&cable->b, cable->to, in, 3, &count), WEFT_OK);
    assert_false(cable_look(&cable->b, &cable->watch_b));
    assert_int_equal(cable_get(&cable->b, cable->to, in, 3, &count), WEFT_OK);
    assert_int_equal(cable_get(&cable->b, cable->to, in, 3, &count), WEFT_BUSY);
    assert_int_equal(cable_put(&cable->a, cable->from, "g", 1, &count), WEFT_OK);
    cable_wait(cable, &cable->b, &cable->watch_b);
    assert_int_equal(cable_get(&cable->b, cable->to, in, 3, &count), WEFT_OK);
    assert_int_equal(count, 1);
}

static void a_full_link_becomes_writable_again(void **state) {
    struct cable *cable = *state;
    static char block[1 << 16];
    size_t count, sent = 0, received = 0;
    cable_connect(cable, "127.0.0.1:0");
    for (;;) {
        enum weft_status status = cable_put(&cable->a, cable->from, block, sizeof block, &count);
        if (status == WEFT_BUSY) break;
        assert_int_equal(status, WEFT_OK);
        sent += count;
    }
    (void)cable_look(&cable->a, &cable->watch_a);
    cable->watch_a.ready = false;
    while (received < sent) {
        enum weft_status status = cable_get(&cable->b, cable->to, block, sizeof block, &count);
        if (status == WEFT_BUSY) {
            cable_wait(cable, &cable->b, &cable->watch_b);
            continue;
        }
        assert_int_equal(status, WEFT_OK);
        received += count;
    }
    assert_int_equal(received, sent);
    cable_wait(cable, &cable->a, &cable->watch_a);
    assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &count), WEFT_OK);
}

static void the_end_of_the_other_side_is_told_and_writing_to_it_raises_no_signal(void **state) {
    struct cable *cable = *state;
    char byte;
    size_t count;
    enum weft_status status = WEFT_OK;
    cable_connect(cable, "127.0.0.1:0");
    cable->b.net.ops->close(cable->b.net.self, cable->to);
    cable_wait(cable, &cable->a, &cable->watch_a);
    assert_int_equal(cable_get(&cable->a, cable->from, &byte, 1, &count), WEFT_CLOSED);
    /* The first write is taken and answered with a reset; a later one fails. SIGPIPE would end the
     * test. */
    for (int i = 0; i < 1000000 && status == WEFT_OK; i++) {
        status = cable_put(&cable->a, cable->from, "x", 1, &count);
    }
    assert_int_equal(status, WEFT_NET);
}

static void a_connection_that_waited_is_found_by_a_listener_that_looks_late(void **state) {
    struct cable *cable = *state;
    int64_t transfer = -1;
    cable_listen(cable, "127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        cable_dial(cable, cable->bound);
    cable_wait(cable, &cable->b, &cable->watch_listener);
    for (int i = 0; i < 3;) {
        enum weft_status status =
            cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL);
        if (status == WEFT_BUSY) {
            cable_wait(cable, &cable->b, &cable->watch_listener);
            continue;
        }
        assert_int_equal(status, WEFT_OK);
        cable->b.net.ops->discard(cable->b.net.self, transfer);
        i++;
    }
    assert_int_equal(cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL),
                     WEFT_BUSY);
}

static void an_event_of_a_closed_handle_reaches_nobody(void **state) {
    struct cable *cable = *state;
    size_t count;
    cable_connect(cable, "127.0.0.1:0");
    net_handle old = cable->to;
    assert_int_equal(cable_put(&cable->a, cable->from, "x", 1, &count), WEFT_OK);
    cable->b.net.ops->close(cable->b.net.self, old);
    cable->watch_b.ready = false;
    assert_false(cable_look(&cable->b, &cable->watch_b));
    /* The place in the table is used again, under another handle. */
    cable_dial(cable, cable->bound);
    cable_wait(cable, &cable->b, &cable->watch_listener);
    int64_t transfer = -1;
    assert_int_equal(cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL),
                     WEFT_OK);
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, NULL),
        WEFT_OK);
    assert_true((uint32_t)cable->to == (uint32_t)old);
    assert_true(cable->to != old);
}

static void many_links_live_on_one_port(void **state) {
    struct cable *cable = *state;
    enum { LINKS = 100 };
    static net_handle links[LINKS];
    static struct net_watch watches[LINKS];
    size_t count;
    cable_listen(cable, "127.0.0.1:0");
    for (int i = 0; i < LINKS; i++) {
        int64_t transfer = -1;
        cable_dial(cable, cable->bound);
        while (cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL) !=
               WEFT_OK) {
            cable_wait(cable, &cable->b, &cable->watch_listener);
        }
        assert_int_equal(
            cable->b.net.ops->adopt(cable->b.net.self, transfer, &watches[i], &links[i], NULL),
            WEFT_OK);
        assert_int_equal(cable_put(&cable->a, cable->from, &i, sizeof i, &count), WEFT_OK);
    }
    for (int i = 0; i < LINKS; i++) {
        int number = -1;
        cable_wait(cable, &cable->b, &watches[i]);
        while (cable_get(&cable->b, links[i], &number, sizeof number, &count) == WEFT_BUSY) {
            cable_wait(cable, &cable->b, &watches[i]);
        }
        assert_int_equal(number, i);
    }
}

static void no_descriptor_survives_an_exec(void **state) {
    struct cable *cable = *state;
    cable_connect(cable, "127.0.0.1:0");
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        char path[32], target[64];
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length <= 0) continue;
        target[length] = '\0';
        if (strstr(target, "socket:") == NULL && strstr(target, "eventpoll") == NULL) continue;
        (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor);
        FILE *info = fopen(path, "re");
        assert_non_null(info);
        unsigned long position = 0, flags = 0;
        assert_int_equal(fscanf(info, "pos: %lu flags: %lo", &position, &flags), 2);
        assert_int_equal(fclose(info), 0);
        assert_true((flags & 02000000) != 0);
    }
}

/* ---- sleeping ---- */

static void a_signal_ends_the_sleep(void **state) {
    (void)state;
    struct runner_ports ports = sockets_ports();
    struct runner_port port;
    struct wake wake;
    assert_true(wake_open(&wake));
    assert_int_equal(ports.open(ports.self, wake.descriptor, &port, NULL), WEFT_OK);
    wake_prepare(&wake);
    wake_signal(&wake);
    /* Without the signal this would never return. */
    port.wait(port.net.self, UINT64_MAX);
    port.wait(port.net.self, UINT64_MAX);
    wake_cancel(&wake);
    ports.close(ports.self, &port);
    ports.end(ports.self);
    wake_close(&wake);
}

static void a_sleep_lasts_as_long_as_it_was_told_to(void **state) {
    struct cable *cable = *state;
    struct time_port time = posix_time();
    const uint64_t asked[] = {1, 300, 1000, 2500, 20000};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct instant before = time.now(time.self);
        cable->a.wait(cable->a.net.self, asked[i]);
        struct instant after = time.now(time.self);
        assert_true(after.mono_us + 1 >= before.mono_us + asked[i]);
    }
}

static void entropy_fills_what_it_is_given_and_differs(void **state) {
    (void)state;
    struct entropy_port entropy = posix_entropy();
    uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};
    entropy.fill(entropy.self, a, sizeof a);
    entropy.fill(entropy.self, b, sizeof b);
    assert_memory_not_equal(a, zero, sizeof a);
    assert_memory_not_equal(a, b, sizeof a);
}

#define CABLE_TEST(test) cmocka_unit_test_setup_teardown(test, cable_setup, cable_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_numbers_with_a_port),
        CABLE_TEST(an_address_can_be_checked_without_using_it),
        CABLE_TEST(bytes_travel_both_ways),
        CABLE_TEST(ipv6_loopback_works_the_same),
        CABLE_TEST(a_port_in_use_is_named),
        CABLE_TEST(a_port_can_be_listened_on_again_at_once),
        CABLE_TEST(a_dial_that_nobody_answers_fails_with_advice),
        CABLE_TEST(port_zero_cannot_be_dialled),
        CABLE_TEST(a_dial_never_meets_itself),
        CABLE_TEST(readiness_comes_once_and_again_only_after_busy),
        CABLE_TEST(a_full_link_becomes_writable_again),
        CABLE_TEST(the_end_of_the_other_side_is_told_and_writing_to_it_raises_no_signal),
        CABLE_TEST(a_connection_that_waited_is_found_by_a_listener_that_looks_late),
        CABLE_TEST(an_event_of_a_closed_handle_reaches_nobody),
        CABLE_TEST(many_links_live_on_one_port),
        CABLE_TEST(no_descriptor_survives_an_exec),
        cmocka_unit_test(a_signal_ends_the_sleep),
        CABLE_TEST(a_sleep_lasts_as_long_as_it_was_told_to),
        cmocka_unit_test(entropy_fills_what_it_is_given_and_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
