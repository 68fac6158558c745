/* Two net ports over real sockets on loopback, as two runner threads have them, and a connection
 * from one to the other. For the tests of engine/net/tcp.c. */
#ifndef TESTS_LIB_CABLE_H
#define TESTS_LIB_CABLE_H

#include "engine/net/tcp.h"

/* What ends a wait that would else never end. */
#define CABLE_PATIENCE_US 20000000u

struct cable {
    struct runner_ports ports;
    struct runner_port a, b;
    struct net_watch watch_a, watch_b, watch_listener;
    net_handle listener, from, to; /* from: dialled on a; to: adopted on b */
    char bound[WEFT_ADDRESS_MAX];
};

/* For cmocka; *state becomes the cable. */
int cable_setup(void **state);
int cable_teardown(void **state);

/* Sleeps on the port until the watch is ready, and clears it; fails the test if it never is. */
void cable_wait(struct runner_port *port, struct net_watch *watch);
/* Whether the watch is ready now. */
bool cable_look(struct runner_port *port, const struct net_watch *watch);

void cable_listen(struct cable *cable, const char *address);
void cable_dial(struct cable *cable, const char *address);
/* A standing connection from a to b, on both ends of which nothing waits. */
void cable_connect(struct cable *cable, const char *address);

enum weft_status cable_put(struct runner_port *port, net_handle link, const void *data, size_t size,
                           size_t *sent);
enum weft_status cable_get(struct runner_port *port, net_handle link, void *out, size_t size,
                           size_t *got);

#endif
