/* Two net ports, as two runner threads of two engines have them, and a connection from one to the
 * other: over TCP on loopback unless another kind is asked for. */
#ifndef TESTS_LIB_CABLE_H
#define TESTS_LIB_CABLE_H

#include "engine/net/sockets.h"

/* What ends a wait that would else never end. */
#define CABLE_PATIENCE_US 20000000u

struct cable;

/* A way from one port to another. */
struct cable_kind {
    const char *name;
    const char *address; /* to listen on */
    /* Fills ports, ports_b, a and b; false: it could not. */
    bool (*open)(struct cable *cable);
    void (*shut)(struct cable *cable);
    void (*end_b)(struct cable *cable); /* as the end of its process */
    const char *const *bad_addresses;   /* each with what is said of it; NULL ends them */
    /* Sleeps as a runner's thread would. */
    void (*sleep)(struct cable *cable, struct runner_port *port, uint64_t timeout_us);
};

extern const struct cable_kind cable_tcp, cable_websocket;

struct cable {
    const struct cable_kind *kind;
    void *world; /* the kind's own */
    struct runner_ports ports, ports_b;
    struct runner_port a, b;
    struct net_watch watch_a, watch_b, watch_listener;
    net_handle listener, from, to; /* from: dialled on a; to: adopted on b */
    char bound[WEFT_ADDRESS_MAX];
};

/* For cmocka; *state is a kind (NULL: TCP) and becomes the cable. */
int cable_setup(void **state);
int cable_teardown(void **state);

/* Sleeps on the port until the watch is ready, and clears it; fails the test if it never is. */
void cable_wait(struct cable *cable, struct runner_port *port, struct net_watch *watch);
/* Whether the watch is ready now. */
bool cable_look(struct runner_port *port, const struct net_watch *watch);

void cable_listen(struct cable *cable, const char *address);
void cable_dial(struct cable *cable, const char *address);
/* Waits for a connection on b; its transfer number. */
int64_t cable_accept(struct cable *cable);
/* A standing connection from a to b, on both ends of which nothing waits. */
void cable_connect(struct cable *cable, const char *address);

enum weft_status cable_put(struct runner_port *port, net_handle link, const void *data, size_t size,
                           size_t *sent);
enum weft_status cable_get(struct runner_port *port, net_handle link, void *out, size_t size,
                           size_t *got);
/* One end of the connection: what the calls below write to and read from. */
struct cable_end {
    struct cable *cable;
    struct runner_port *port;
    struct net_watch *watch;
    net_handle link;
};

struct cable_end cable_a(struct cable *cable);
struct cable_end cable_b(struct cable *cable);
/* Writes all of it, sleeping while there is no room. */
void cable_put_all(struct cable_end end, const void *data, size_t size);
/* Reads exactly so much. */
void cable_get_all(struct cable_end end, void *out, size_t size);
/* Sleeps until the link has ended, and how; fails the test if bytes come. */
enum weft_status cable_end_of(struct cable_end end, struct weft_error *why);

#endif
