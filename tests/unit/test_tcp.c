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
#include "engine/net/tcp.h"
#include "engine/wire/session.h"

/* What ends a wait that would else never end. */
#define PATIENCE_US 20000000u

/* ---- two ports, as two runner threads have them ---- */

struct scene {
    struct runner_ports ports;
    struct runner_port a, b;
    struct net_watch watch_a, watch_b, watch_listener;
    net_handle listener, from, to; /* from: dialled on a; to: adopted on b */
    char bound[WEFT_ADDRESS_MAX];
};

static int open_scene(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    scene.ports = tcp_ports();
    *state = &scene;
    return scene.ports.open(scene.ports.self, -1, &scene.a, NULL) != WEFT_OK ||
           scene.ports.open(scene.ports.self, -1, &scene.b, NULL) != WEFT_OK;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    scene->ports.close(scene->ports.self, &scene->a);
    scene->ports.close(scene->ports.self, &scene->b);
    return 0;
}

static void wait_ready(struct runner_port *port, struct net_watch *watch) {
    for (int i = 0; i < 100 && !watch->ready; i++)
        port->wait(port->net.self, PATIENCE_US);
    assert_true(watch->ready);
    watch->ready = false;
}

static bool look(struct runner_port *port, const struct net_watch *watch) {
    port->wait(port->net.self, 0);
    return watch->ready;
}

static void listen_on_b(struct scene *scene, const char *address) {
    struct weft_error why = {0};
    enum weft_status status = scene->b.net.ops->listen(
        scene->b.net.self, address, &scene->watch_listener, &scene->listener, scene->bound, &why);
    if (status != WEFT_OK) fail_msg("%s", why.text);
}

static void dial_from_a(struct scene *scene, const char *address) {
    struct weft_error why = {0};
    enum weft_status status =
        scene->a.net.ops->dial(scene->a.net.self, address, &scene->watch_a, &scene->from, &why);
    if (status != WEFT_OK) fail_msg("%s", why.text);
}

static enum weft_status put(struct runner_port *port, net_handle link, const void *data,
                            size_t size, size_t *sent) {
    return port->net.ops->write(port->net.self, link, data, size, sent, NULL);
}

static enum weft_status get(struct runner_port *port, net_handle link, void *out, size_t size,
                            size_t *got) {
    return port->net.ops->read(port->net.self, link, out, size, got, NULL);
}

/* A standing connection from a to b. */
static void connect_both(struct scene *scene, const char *address) {
    int64_t transfer = -1;
    listen_on_b(scene, address);
    dial_from_a(scene, scene->bound);
    wait_ready(&scene->b, &scene->watch_listener);
    assert_int_equal(scene->b.net.ops->accept(scene->b.net.self, scene->listener, &transfer, NULL),
                     WEFT_OK);
    assert_int_equal(
        scene->b.net.ops->adopt(scene->b.net.self, transfer, &scene->watch_b, &scene->to, NULL),
        WEFT_OK);
    assert_int_equal(scene->b.net.ops->accept(scene->b.net.self, scene->listener, &transfer, NULL),
                     WEFT_BUSY);
    wait_ready(&scene->a, &scene->watch_a);
    size_t got;
    char byte;
    assert_int_equal(get(&scene->a, scene->from, &byte, 1, &got), WEFT_BUSY);
}

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
        {"0.0.0.0:7000", NULL, WEFT_NOT_LOOPBACK},
        {"192.168.1.2:7000", NULL, WEFT_NOT_LOOPBACK},
        {"128.0.0.1:7000", NULL, WEFT_NOT_LOOPBACK},
        {"[::]:7000", NULL, WEFT_NOT_LOOPBACK},
        {"[::2]:7000", NULL, WEFT_NOT_LOOPBACK},
        {"[fe80::1]:7000", NULL, WEFT_NOT_LOOPBACK},
        {"[::ffff:10.0.0.1]:7000", NULL, WEFT_NOT_LOOPBACK},
    };
    assert_false(session_is_sealed());
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
    struct scene *scene = *state;
    struct weft_error why = {0};
    const struct net_port *net = &scene->a.net;
    assert_int_equal(net->ops->check(net->self, "127.0.0.1:7000", &why), WEFT_OK);
    assert_int_equal(net->ops->check(net->self, "10.0.0.1:7000", &why), WEFT_NOT_LOOPBACK);
    assert_non_null(strstr(why.text, "10.0.0.1:7000 leads off this machine"));
    assert_int_equal(net->ops->check(net->self, "nonsense", &why), WEFT_ADDRESS);
}

/* ---- listening and dialling ---- */

static void bytes_travel_both_ways(void **state) {
    struct scene *scene = *state;
    char in[64];
    size_t count = 0;
    connect_both(scene, "127.0.0.1:0");
    assert_null(strstr(scene->bound, ":0"));
    assert_int_equal(put(&scene->a, scene->from, "hello", 5, &count), WEFT_OK);
    assert_int_equal(count, 5);
    wait_ready(&scene->b, &scene->watch_b);
    assert_int_equal(get(&scene->b, scene->to, in, sizeof in, &count), WEFT_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(in, "hello", 5);
    assert_int_equal(put(&scene->b, scene->to, "and back", 8, &count), WEFT_OK);
    wait_ready(&scene->a, &scene->watch_a);
    assert_int_equal(get(&scene->a, scene->from, in, sizeof in, &count), WEFT_OK);
    assert_memory_equal(in, "and back", 8);
}

static void ipv6_loopback_works_the_same(void **state) {
    struct scene *scene = *state;
    size_t count = 0;
    connect_both(scene, "[::1]:0");
    assert_int_equal(strncmp(scene->bound, "[::1]:", 6), 0);
    assert_int_equal(put(&scene->a, scene->from, "x", 1, &count), WEFT_OK);
}

static void a_port_in_use_is_named(void **state) {
    struct scene *scene = *state;
    struct weft_error why = {0};
    char bound[WEFT_ADDRESS_MAX], expected[WEFT_ERROR_TEXT_MAX];
    net_handle second;
    listen_on_b(scene, "127.0.0.1:0");
    assert_int_equal(scene->a.net.ops->listen(scene->a.net.self, scene->bound, &scene->watch_a,
                                              &second, bound, &why),
                     WEFT_PORT_IN_USE);
    (void)snprintf(expected, sizeof expected,
                   "%s is in use by another program; choose another port or stop that program",
                   scene->bound);
    assert_string_equal(why.text, expected);
}

static void a_port_can_be_listened_on_again_at_once(void **state) {
    struct scene *scene = *state;
    char byte;
    size_t count;
    connect_both(scene, "127.0.0.1:0");
    char address[WEFT_ADDRESS_MAX];
    memcpy(address, scene->bound, sizeof address);
    /* The listening side closes first, so its end of the connection lingers. */
    scene->b.net.ops->close(scene->b.net.self, scene->to);
    scene->b.net.ops->close(scene->b.net.self, scene->listener);
    wait_ready(&scene->a, &scene->watch_a);
    assert_int_equal(get(&scene->a, scene->from, &byte, 1, &count), WEFT_CLOSED);
    scene->a.net.ops->close(scene->a.net.self, scene->from);
    listen_on_b(scene, address);
    assert_string_equal(scene->bound, address);
}

static void a_dial_that_nobody_answers_fails_with_advice(void **state) {
    struct scene *scene = *state;
    struct weft_error why = {0};
    size_t count;
    listen_on_b(scene, "127.0.0.1:0");
    scene->b.net.ops->close(scene->b.net.self, scene->listener);
    enum weft_status status = scene->a.net.ops->dial(scene->a.net.self, scene->bound,
                                                     &scene->watch_a, &scene->from, &why);
    if (status == WEFT_OK) {
        wait_ready(&scene->a, &scene->watch_a);
        status = scene->a.net.ops->write(scene->a.net.self, scene->from, "x", 1, &count, &why);
        scene->a.net.ops->close(scene->a.net.self, scene->from);
    }
    assert_int_equal(status, WEFT_NET);
    assert_non_null(strstr(why.text, scene->bound));
    assert_non_null(strstr(why.text, "nothing listens there"));
}

static void port_zero_cannot_be_dialled(void **state) {
    struct scene *scene = *state;
    struct weft_error why = {0};
    assert_int_equal(scene->a.net.ops->dial(scene->a.net.self, "127.0.0.1:0", &scene->watch_a,
                                            &scene->from, &why),
                     WEFT_ADDRESS);
    assert_non_null(strstr(why.text, "127.0.0.1:0"));
}

/* The system gives a dialling socket a near port from its range, the even ones first, each in its
 * turn. So among as many dials as there are, to an even port of that range that nobody listens on,
 * there is one from that very port; TCP joins the two, and the socket talks to itself. */
static void a_dial_never_meets_itself(void **state) {
    struct scene *scene = *state;
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
        scene->watch_a.ready = false;
        enum weft_status status =
            scene->a.net.ops->dial(scene->a.net.self, address, &scene->watch_a, &scene->from, &why);
        if (status == WEFT_OK) {
            wait_ready(&scene->a, &scene->watch_a);
            status = scene->a.net.ops->write(scene->a.net.self, scene->from, "x", 1, &count, &why);
            scene->a.net.ops->close(scene->a.net.self, scene->from);
        }
        if (status != WEFT_NET) fail_msg("dial %d to %s: %d", i, address, status);
    }
}

/* ---- readiness ---- */

static void readiness_comes_once_and_again_only_after_busy(void **state) {
    struct scene *scene = *state;
    char in[64];
    size_t count;
    connect_both(scene, "127.0.0.1:0");
    assert_int_equal(get(&scene->b, scene->to, in, sizeof in, &count), WEFT_BUSY);
    (void)look(&scene->b, &scene->watch_b);
    scene->watch_b.ready = false;
    assert_int_equal(put(&scene->a, scene->from, "abcdef", 6, &count), WEFT_OK);
    wait_ready(&scene->b, &scene->watch_b);
    /* Unread bytes do not keep the thread awake. */
    assert_false(look(&scene->b, &scene->watch_b));
    assert_int_equal(get(&scene->b, scene->to, in, 3, &count), WEFT_OK);
    assert_false(look(&scene->b, &scene->watch_b));
    assert_int_equal(get(&scene->b, scene->to, in, 3, &count), WEFT_OK);
    assert_int_equal(get(&scene->b, scene->to, in, 3, &count), WEFT_BUSY);
    assert_int_equal(put(&scene->a, scene->from, "g", 1, &count), WEFT_OK);
    wait_ready(&scene->b, &scene->watch_b);
    assert_int_equal(get(&scene->b, scene->to, in, 3, &count), WEFT_OK);
    assert_int_equal(count, 1);
}

static void a_full_link_becomes_writable_again(void **state) {
    struct scene *scene = *state;
    static char block[1 << 16];
    size_t count, sent = 0, received = 0;
    connect_both(scene, "127.0.0.1:0");
    for (;;) {
        enum weft_status status = put(&scene->a, scene->from, block, sizeof block, &count);
        if (status == WEFT_BUSY) break;
        assert_int_equal(status, WEFT_OK);
        sent += count;
    }
    (void)look(&scene->a, &scene->watch_a);
    scene->watch_a.ready = false;
    while (received < sent) {
        enum weft_status status = get(&scene->b, scene->to, block, sizeof block, &count);
        if (status == WEFT_BUSY) {
            wait_ready(&scene->b, &scene->watch_b);
            continue;
        }
        assert_int_equal(status, WEFT_OK);
        received += count;
    }
    assert_int_equal(received, sent);
    wait_ready(&scene->a, &scene->watch_a);
    assert_int_equal(put(&scene->a, scene->from, "x", 1, &count), WEFT_OK);
}

static void the_end_of_the_other_side_is_told_and_writing_to_it_raises_no_signal(void **state) {
    struct scene *scene = *state;
    char byte;
    size_t count;
    enum weft_status status = WEFT_OK;
    connect_both(scene, "127.0.0.1:0");
    scene->b.net.ops->close(scene->b.net.self, scene->to);
    wait_ready(&scene->a, &scene->watch_a);
    assert_int_equal(get(&scene->a, scene->from, &byte, 1, &count), WEFT_CLOSED);
    /* The first write is taken and answered with a reset; a later one fails. SIGPIPE would end the
     * test. */
    for (int i = 0; i < 1000000 && status == WEFT_OK; i++) {
        status = put(&scene->a, scene->from, "x", 1, &count);
    }
    assert_int_equal(status, WEFT_NET);
}

static void a_connection_that_waited_is_found_by_a_listener_that_looks_late(void **state) {
    struct scene *scene = *state;
    int64_t transfer = -1;
    listen_on_b(scene, "127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        dial_from_a(scene, scene->bound);
    wait_ready(&scene->b, &scene->watch_listener);
    for (int i = 0; i < 3;) {
        enum weft_status status =
            scene->b.net.ops->accept(scene->b.net.self, scene->listener, &transfer, NULL);
        if (status == WEFT_BUSY) {
            wait_ready(&scene->b, &scene->watch_listener);
            continue;
        }
        assert_int_equal(status, WEFT_OK);
        scene->b.net.ops->discard(scene->b.net.self, transfer);
        i++;
    }
    assert_int_equal(scene->b.net.ops->accept(scene->b.net.self, scene->listener, &transfer, NULL),
                     WEFT_BUSY);
}

static void an_event_of_a_closed_handle_reaches_nobody(void **state) {
    struct scene *scene = *state;
    size_t count;
    connect_both(scene, "127.0.0.1:0");
    net_handle old = scene->to;
    assert_int_equal(put(&scene->a, scene->from, "x", 1, &count), WEFT_OK);
    scene->b.net.ops->close(scene->b.net.self, old);
    scene->watch_b.ready = false;
    assert_false(look(&scene->b, &scene->watch_b));
    /* The place in the table is used again, under another handle. */
    dial_from_a(scene, scene->bound);
    wait_ready(&scene->b, &scene->watch_listener);
    int64_t transfer = -1;
    assert_int_equal(scene->b.net.ops->accept(scene->b.net.self, scene->listener, &transfer, NULL),
                     WEFT_OK);
    assert_int_equal(
        scene->b.net.ops->adopt(scene->b.net.self, transfer, &scene->watch_b, &scene->to, NULL),
        WEFT_OK);
    assert_true((uint32_t)scene->to == (uint32_t)old);
    assert_true(scene->to != old);
}

static void many_links_live_on_one_port(void **state) {
    struct scene *scene = *state;
    enum { LINKS = 100 };
    static net_handle links[LINKS];
    static struct net_watch watches[LINKS];
    size_t count;
    listen_on_b(scene, "127.0.0.1:0");
    for (int i = 0; i < LINKS; i++) {
        int64_t transfer = -1;
        dial_from_a(scene, scene->bound);
        while (scene->b.net.ops->accept(scene->b.net.self, scene->listener, &transfer, NULL) !=
               WEFT_OK) {
            wait_ready(&scene->b, &scene->watch_listener);
        }
        assert_int_equal(
            scene->b.net.ops->adopt(scene->b.net.self, transfer, &watches[i], &links[i], NULL),
            WEFT_OK);
        assert_int_equal(put(&scene->a, scene->from, &i, sizeof i, &count), WEFT_OK);
    }
    for (int i = 0; i < LINKS; i++) {
        int number = -1;
        wait_ready(&scene->b, &watches[i]);
        while (get(&scene->b, links[i], &number, sizeof number, &count) == WEFT_BUSY) {
            wait_ready(&scene->b, &watches[i]);
        }
        assert_int_equal(number, i);
    }
}

static void no_descriptor_survives_an_exec(void **state) {
    struct scene *scene = *state;
    connect_both(scene, "127.0.0.1:0");
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
    struct runner_ports ports = tcp_ports();
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
    wake_close(&wake);
}

static void a_sleep_lasts_as_long_as_it_was_told_to(void **state) {
    struct scene *scene = *state;
    struct time_port time = posix_time();
    const uint64_t asked[] = {1, 300, 1000, 2500, 20000};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct instant before = time.now(time.self);
        scene->a.wait(scene->a.net.self, asked[i]);
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

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_numbers_with_a_port),
        SCENE_TEST(an_address_can_be_checked_without_using_it),
        SCENE_TEST(bytes_travel_both_ways),
        SCENE_TEST(ipv6_loopback_works_the_same),
        SCENE_TEST(a_port_in_use_is_named),
        SCENE_TEST(a_port_can_be_listened_on_again_at_once),
        SCENE_TEST(a_dial_that_nobody_answers_fails_with_advice),
        SCENE_TEST(port_zero_cannot_be_dialled),
        SCENE_TEST(a_dial_never_meets_itself),
        SCENE_TEST(readiness_comes_once_and_again_only_after_busy),
        SCENE_TEST(a_full_link_becomes_writable_again),
        SCENE_TEST(the_end_of_the_other_side_is_told_and_writing_to_it_raises_no_signal),
        SCENE_TEST(a_connection_that_waited_is_found_by_a_listener_that_looks_late),
        SCENE_TEST(an_event_of_a_closed_handle_reaches_nobody),
        SCENE_TEST(many_links_live_on_one_port),
        SCENE_TEST(no_descriptor_survives_an_exec),
        cmocka_unit_test(a_signal_ends_the_sleep),
        SCENE_TEST(a_sleep_lasts_as_long_as_it_was_told_to),
        cmocka_unit_test(entropy_fills_what_it_is_given_and_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
