/* See cable.h. */
#include "tests/lib/cable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static bool sockets_begin(struct cable *cable) {
    cable->ports = sockets_ports();
    cable->ports_b = sockets_ports();
    return cable->ports.open(cable->ports.self, -1, &cable->a, NULL) == WEFT_OK &&
           cable->ports_b.open(cable->ports_b.self, -1, &cable->b, NULL) == WEFT_OK;
}

/* The system closes what a process leaves open. */
static void sockets_end_b(struct cable *cable) {
    cable->ports_b.close(cable->ports_b.self, &cable->b);
    cable->ports_b.end(cable->ports_b.self);
}

static void sockets_end(struct cable *cable) {
    cable->ports.close(cable->ports.self, &cable->a);
    cable->ports.end(cable->ports.self);
    if (cable->b.wait != NULL) sockets_end_b(cable);
}

static void port_sleep(struct cable *cable, struct runner_port *port, uint64_t timeout_us) {
    (void)cable;
    port->wait(port->net.self, timeout_us);
}

static const char *const tcp_bad[] = {
    "nonsense",
    "it has no port",
    "127.0.0.1",
    "it has no port",
    "127.0.0.1:65536",
    "its port is not a number",
    "::1:7000",
    "needs brackets",
    "example.org:7000",
    "names are not looked up",
    "127.0.0.1:0",
    "cannot be connected to",
    NULL,
};

const struct cable_kind cable_tcp = {
    .name = "tcp",
    .address = "127.0.0.1:0",
    .open = sockets_begin,
    .shut = sockets_end,
    .end_b = sockets_end_b,
    .bad_addresses = tcp_bad,
    .sleep = port_sleep,
};

static const char *const websocket_bad[] = {
    "ws://nonsense",
    "it has no port",
    "ws://127.0.0.1/weft",
    "it has no port",
    "ws://127.0.0.1:65536/weft",
    "its port is not a number",
    "ws://example.org:7000/weft",
    "names are not looked up",
    "http://127.0.0.1:7000/weft",
    "ws:// and wss:// only",
    "://127.0.0.1:7000",
    "ws:// and wss:// only",
    "ws://127.0.0.1:7000/a b",
    "its path may have",
    "ws://127.0.0.1:7000/a?b",
    "its path may have",
    "ws://127.0.0.1:7000/../a",
    "its path may have",
    "ws://127.0.0.1:7000/a//b",
    "its path may have",
    "ws://127.0.0.1:7000/%61",
    "its path may have",
    "ws://127.0.0.1:0/weft",
    "cannot be connected to",
    NULL,
};

const struct cable_kind cable_websocket = {
    .name = "websocket",
    .address = "ws://127.0.0.1:0/weft",
    .open = sockets_begin,
    .shut = sockets_end,
    .end_b = sockets_end_b,
    .bad_addresses = websocket_bad,
    .sleep = port_sleep,
};

int cable_setup(void **state) {
    static struct cable cable;
    memset(&cable, 0, sizeof cable);
    cable.kind = *state == NULL ? &cable_tcp : *state;
    *state = &cable;
    return !cable.kind->open(&cable);
}

int cable_teardown(void **state) {
    struct cable *cable = *state;
    cable->kind->shut(cable);
    return 0;
}

void cable_wait(struct cable *cable, struct runner_port *port, struct net_watch *watch) {
    for (int i = 0; i < 100 && !watch->ready; i++)
        cable->kind->sleep(cable, port, CABLE_PATIENCE_US);
    assert_true(watch->ready);
    watch->ready = false;
}

bool cable_look(struct runner_port *port, const struct net_watch *watch) {
    port->wait(port->net.self, 0);
    return watch->ready;
}

void cable_listen(struct cable *cable, const char *address) {
    struct weft_error why = {0};
    enum weft_status status = cable->b.net.ops->listen(
        cable->b.net.self, address, &cable->watch_listener, &cable->listener, cable->bound, &why);
    if (status != WEFT_OK) fail_msg("%s", why.text);
}

void cable_dial(struct cable *cable, const char *address) {
    struct weft_error why = {0};
    enum weft_status status =
        cable->a.net.ops->dial(cable->a.net.self, address, &cable->watch_a, &cable->from, &why);
    if (status != WEFT_OK) fail_msg("%s", why.text);
}

int64_t cable_accept(struct cable *cable) {
    struct net_port *net = &cable->b.net;
    for (;;) {
        int64_t transfer = -1;
        struct weft_error why = {0};
        enum weft_status status = net->ops->accept(net->self, cable->listener, &transfer, &why);
        if (status == WEFT_OK) return transfer;
        if (status != WEFT_BUSY) fail_msg("%s", why.text);
        cable_wait(cable, &cable->b, &cable->watch_listener);
    }
}

enum weft_status cable_put(struct runner_port *port, net_handle link, const void *data, size_t size,
                           size_t *sent) {
    return port->net.ops->write(port->net.self, link, data, size, sent, NULL);
}

enum weft_status cable_get(struct runner_port *port, net_handle link, void *out, size_t size,
                           size_t *got) {
    return port->net.ops->read(port->net.self, link, out, size, got, NULL);
}

void cable_connect(struct cable *cable, const char *address) {
    struct net_port *net = &cable->b.net;
    int64_t none = -1;
    cable_listen(cable, address);
    cable_dial(cable, cable->bound);
    int64_t transfer = cable_accept(cable);
    assert_int_equal(net->ops->adopt(net->self, transfer, &cable->watch_b, &cable->to, NULL),
                     WEFT_OK);
    assert_int_equal(net->ops->accept(net->self, cable->listener, &none, NULL), WEFT_BUSY);
    cable_wait(cable, &cable->a, &cable->watch_a);
    size_t got;
    char byte;
    assert_int_equal(cable_get(&cable->a, cable->from, &byte, 1, &got), WEFT_BUSY);
}

struct cable_end cable_a(struct cable *cable) {
    return (struct cable_end){cable, &cable->a, &cable->watch_a, cable->from};
}

struct cable_end cable_b(struct cable *cable) {
    return (struct cable_end){cable, &cable->b, &cable->watch_b, cable->to};
}

void cable_put_all(struct cable_end end, const void *data, size_t size) {
    const struct net_port *net = &end.port->net;
    for (size_t done = 0, sent = 0; done < size;) {
        struct weft_error why = {0};
        enum weft_status status = net->ops->write(net->self, end.link, (const char *)data + done,
                                                  size - done, &sent, &why);
        if (status == WEFT_BUSY) {
            cable_wait(end.cable, end.port, end.watch);
            continue;
        }
        if (status != WEFT_OK) fail_msg("after %zu bytes: %s", done, why.text);
        done += sent;
    }
}

void cable_get_all(struct cable_end end, void *out, size_t size) {
    const struct net_port *net = &end.port->net;
    for (size_t done = 0, got = 0; done < size;) {
        struct weft_error why = {0};
        enum weft_status status =
            net->ops->read(net->self, end.link, (char *)out + done, size - done, &got, &why);
        if (status == WEFT_BUSY) {
            cable_wait(end.cable, end.port, end.watch);
            continue;
        }
        if (status != WEFT_OK) fail_msg("after %zu bytes: %s", done, why.text);
        done += got;
    }
}

enum weft_status cable_end_of(struct cable_end end, struct weft_error *why) {
    const struct net_port *net = &end.port->net;
    char byte = 0;
    size_t got = 0;
    for (;;) {
        enum weft_status status = net->ops->read(net->self, end.link, &byte, 1, &got, why);
        if (status != WEFT_BUSY) {
            assert_int_not_equal(status, WEFT_OK);
            return status;
        }
        cable_wait(end.cable, end.port, end.watch);
    }
}
