/* See cable.h. */
#include "tests/lib/cable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

int cable_setup(void **state) {
    static struct cable cable;
    memset(&cable, 0, sizeof cable);
    cable.ports = tcp_ports();
    *state = &cable;
    return cable.ports.open(cable.ports.self, -1, &cable.a, NULL) != WEFT_OK ||
           cable.ports.open(cable.ports.self, -1, &cable.b, NULL) != WEFT_OK;
}

int cable_teardown(void **state) {
    struct cable *cable = *state;
    cable->ports.close(cable->ports.self, &cable->a);
    cable->ports.close(cable->ports.self, &cable->b);
    return 0;
}

void cable_wait(struct runner_port *port, struct net_watch *watch) {
    for (int i = 0; i < 100 && !watch->ready; i++)
        port->wait(port->net.self, CABLE_PATIENCE_US);
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

enum weft_status cable_put(struct runner_port *port, net_handle link, const void *data, size_t size,
                           size_t *sent) {
    return port->net.ops->write(port->net.self, link, data, size, sent, NULL);
}

enum weft_status cable_get(struct runner_port *port, net_handle link, void *out, size_t size,
                           size_t *got) {
    return port->net.ops->read(port->net.self, link, out, size, got, NULL);
}

void cable_connect(struct cable *cable, const char *address) {
    int64_t transfer = -1;
    cable_listen(cable, address);
    cable_dial(cable, cable->bound);
    cable_wait(&cable->b, &cable->watch_listener);
    assert_int_equal(cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL),
                     WEFT_OK);
    assert_int_equal(
        cable->b.net.ops->adopt(cable->b.net.self, transfer, &cable->watch_b, &cable->to, NULL),
        WEFT_OK);
    assert_int_equal(cable->b.net.ops->accept(cable->b.net.self, cable->listener, &transfer, NULL),
                     WEFT_BUSY);
    cable_wait(&cable->a, &cable->watch_a);
    size_t got;
    char byte;
    assert_int_equal(cable_get(&cable->a, cable->from, &byte, 1, &got), WEFT_BUSY);
}
