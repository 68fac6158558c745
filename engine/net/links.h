/* The links of one net port: a table of descriptors, and the epoll that watches them and on which
 * the port's thread sleeps. Thread: the port's. */
#ifndef WEFT_NET_LINKS_H
#define WEFT_NET_LINKS_H

#include "engine/net/bridge.h"
#include "engine/runtime/port.h"

enum link_state { LINK_FREE, LINK_LISTENING, LINK_DIALLING, LINK_STANDS };

struct link {
    enum link_state state;
    int descriptor; /* of a socket, or the shore of a span (bridge.h) */
    uint32_t generation;
    span_handle span; /* 0: TCP without WebSocket */
    struct net_watch *watch;
    char address[WEFT_ADDRESS_MAX]; /* for messages: where it listens or leads to */
};

struct links {
    int epoll;
    bool coarse; /* the system has no sleep finer than a millisecond */
    struct link *table;
    uint32_t count;
};

/* `wake_descriptor` (-1: none) only ends sleeps. Errors: WEFT_LIMIT. */
enum weft_status links_open(struct links *links, int wake_descriptor, struct weft_error *why);
/* Closes every descriptor that is left. */
void links_close(struct links *links);
/* Takes the descriptor over when it succeeds. `address` is copied. Errors: WEFT_NO_MEMORY,
 * WEFT_LIMIT. */
enum weft_status links_add(struct links *links, int descriptor, enum link_state state,
                           const char *address, struct net_watch *watch, net_handle *out,
                           struct weft_error *why);
/* The handle must be one that stands. Valid until the next links_add(). */
struct link *links_get(struct links *links, net_handle handle);
/* Stops watching; the caller has the descriptor from now on. */
int links_drop(struct links *links, struct link *link);
/* As runner_port's wait(). */
void links_wait(struct links *links, uint64_t timeout_us);

#endif
