/* See sockets.h.
 *
 *     "host:port"            link ──► TCP socket
 *     "ws://host:port/path"  link ──► shore of a span (bridge.h)
 *
 * A transfer number is a descriptor, or above all descriptors the handle of a span.
 * Not here: the table of links and sleeping (links), what TCP does (tcp), WebSockets (bridge). */
#include "engine/net/sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/net/address.h"
#include "engine/net/links.h"
#include "engine/net/posix.h"
#include "engine/net/tcp.h"

struct sockets {
    struct links links;
    struct bridge *bridge; /* shared by all ports of an engine */
};

/* ---- listening ---- */

/* Listens on the stream of a WebSocket's address; `bound` is one again. */
static enum weft_status listen_websocket(const char *address, int *out, char *bound,
                                         struct weft_error *why) {
    struct websocket_address at;
    char stream[WEFT_ADDRESS_MAX], whole[2 * WEFT_ADDRESS_MAX + 8];
    enum weft_status status = websocket_read(&at, address, why);
    if (status != WEFT_OK) return status;
    if (at.tls) {
        return status_fail(why, WEFT_ADDRESS, 0,
                           "\"%s\" cannot be listened on: TLS is the work of a proxy in front; "
                           "listen on ws://127.0.0.1:port%s and let the proxy pass on to it",
                           address, at.path);
    }
    status = tcp_listen(at.stream, out, stream, why);
    if (status != WEFT_OK) return status;
    const int size = snprintf(whole, sizeof whole, "ws://%s%s", stream, at.path);
    if (size >= (int)WEFT_ADDRESS_MAX) {
        close(*out);
        return status_fail(why, WEFT_ADDRESS, 0, "\"%s\" has too long a path", address);
    }
    memcpy(bound, whole, (size_t)size + 1);
    return WEFT_OK;
}

static enum weft_status sockets_listen(void *self, const char *address, struct net_watch *watch,
                                       net_handle *out, char *bound, struct weft_error *why) {
    struct sockets *sockets = self;
    int descriptor = -1;
    CHECK(address != NULL && bound != NULL);
    enum weft_status status = websocket_is(address)
                                  ? listen_websocket(address, &descriptor, bound, why)
                                  : tcp_listen(address, &descriptor, bound, why);
    if (status != WEFT_OK) return status;
    status = links_add(&sockets->links, descriptor, LINK_LISTENING, bound, watch, out, why);
    if (status != WEFT_OK) close(descriptor);
    return status;
}

/* Who comes while every span is taken is turned away, and the next one tried. */
static enum weft_status sockets_accept(void *self, net_handle listener, int64_t *transfer,
                                       struct weft_error *why) {
    struct sockets *sockets = self;
    const struct link *link = links_get(&sockets->links, listener);
    CHECK(link->state == LINK_LISTENING && transfer != NULL);
    for (;;) {
        struct websocket_address at;
        char remote[WEFT_ADDRESS_MAX];
        span_handle span = 0;
        int descriptor = -1;
        enum weft_status status = tcp_accept(link->descriptor, link->address, &descriptor, why);
        if (status != WEFT_OK) return status;
        if (!websocket_is(link->address)) {
            *transfer = descriptor;
            return WEFT_OK;
        }
        CHECK(websocket_read(&at, link->address, NULL) == WEFT_OK);
        tcp_remote(descriptor, remote);
        tcp_hasten(descriptor);
        if (bridge_carry(sockets->bridge, descriptor, at.path, remote, &span, why) == WEFT_OK) {
            CHECK(span <= INT64_MAX);
            *transfer = (int64_t)span;
            return WEFT_OK;
        }
    }
}

/* ---- from one port to another ---- */

static bool is_span(int64_t transfer) {
    CHECK(transfer >= 0);
    return transfer > INT32_MAX;
}

static void sockets_discard(void *self, int64_t transfer) {
    struct sockets *sockets = self;
    if (is_span(transfer)) {
        bridge_leave(sockets->bridge, (span_handle)transfer);
    } else {
        close((int)transfer);
    }
}

static enum weft_status sockets_adopt(void *self, int64_t transfer, struct net_watch *watch,
                                      net_handle *out, struct weft_error *why) {
    struct sockets *sockets = self;
    char remote[WEFT_ADDRESS_MAX];
    int descriptor = (int)transfer;
    if (is_span(transfer)) {
        descriptor = bridge_shore(sockets->bridge, (span_handle)transfer, remote);
    } else {
        tcp_remote(descriptor, remote);
        tcp_hasten(descriptor);
    }
    enum weft_status status =
        links_add(&sockets->links, descriptor, LINK_STANDS, remote, watch, out, why);
    if (status != WEFT_OK) {
        sockets_discard(self, transfer);
    } else if (is_span(transfer)) {
        links_get(&sockets->links, *out)->span = (span_handle)transfer;
    }
    return status;
}

/* ---- dialling ---- */

static enum weft_status dial_websocket(struct sockets *sockets, const char *address,
                                       struct net_watch *watch, net_handle *out,
                                       struct weft_error *why) {
    struct websocket_address at;
    char said[WEFT_ADDRESS_MAX];
    span_handle span = 0;
    enum weft_status status = websocket_read(&at, address, why);
    if (status != WEFT_OK) return status;
    if (at.port == 0) return address_no_port(address, why);
    status = bridge_dial(sockets->bridge, &at, address, &span, why);
    if (status != WEFT_OK) return status;
    const int shore = bridge_shore(sockets->bridge, span, said);
    status = links_add(&sockets->links, shore, LINK_DIALLING, address, watch, out, why);
    if (status != WEFT_OK) {
        bridge_leave(sockets->bridge, span);
    } else {
        links_get(&sockets->links, *out)->span = span;
    }
    return status;
}

static enum weft_status sockets_dial(void *self, const char *address, struct net_watch *watch,
                                     net_handle *out, struct weft_error *why) {
    struct sockets *sockets = self;
    int descriptor = -1;
    CHECK(address != NULL);
    if (websocket_is(address)) return dial_websocket(sockets, address, watch, out, why);
    enum weft_status status = tcp_dial(address, &descriptor, why);
    if (status != WEFT_OK) return status;
    status = links_add(&sockets->links, descriptor, LINK_DIALLING, address, watch, out, why);
    if (status != WEFT_OK) close(descriptor);
    return status;
}

/* WEFT_OK once the connection stands; WEFT_BUSY while it is being made. */
static enum weft_status link_settle(struct sockets *sockets, struct link *link,
                                    struct weft_error *why) {
    if (link->state == LINK_STANDS) return WEFT_OK;
    CHECK(link->state == LINK_DIALLING);
    enum weft_status status = link->span != 0 ? bridge_settle(sockets->bridge, link->span, why)
                                              : tcp_settle(link->descriptor, link->address, why);
    if (status == WEFT_OK) link->state = LINK_STANDS;
    return status;
}

/* ---- letting go ---- */

static void link_shut(struct sockets *sockets, struct link *link) {
    const span_handle span = link->span;
    const int descriptor = links_drop(&sockets->links, link);
    if (span != 0) {
        bridge_leave(sockets->bridge, span);
    } else {
        close(descriptor);
    }
}

static void sockets_close(void *self, net_handle handle) {
    struct sockets *sockets = self;
    link_shut(sockets, links_get(&sockets->links, handle));
}

static enum weft_status sockets_release(void *self, net_handle handle, int64_t *transfer,
                                        struct weft_error *why) {
    struct sockets *sockets = self;
    struct link *link = links_get(&sockets->links, handle);
    CHECK(link->state != LINK_LISTENING && transfer != NULL);
    /* adopt() takes what it is given for a connection that stands. */
    enum weft_status status = link_settle(sockets, link, why);
    if (status != WEFT_OK) {
        if (status == WEFT_BUSY) {
            status = status_fail(why, WEFT_NET, 0, "the connection with %s is not made yet",
                                 link->address);
        }
        link_shut(sockets, link);
        return status;
    }
    const span_handle span = link->span;
    const int descriptor = links_drop(&sockets->links, link);
    *transfer = span != 0 ? (int64_t)span : descriptor;
    return WEFT_OK;
}

/* Told from what was noted when the link began, so that it stays the same once the remote is gone.
 */
static void sockets_origin(void *self, net_handle handle, char out[WEFT_ADDRESS_MAX]) {
    struct sockets *sockets = self;
    const struct link *link = links_get(&sockets->links, handle);
    CHECK(link->state != LINK_LISTENING && out != NULL);
    struct address at;
    struct websocket_address web;
    struct sockaddr_in6 v6;
    const char *text = link->address;
    if (websocket_is(text) && websocket_read(&web, text, NULL) == WEFT_OK) text = web.stream;
    if (address_read(&at, text, NULL) != WEFT_OK) {
        (void)snprintf(out, WEFT_ADDRESS_MAX, "unknown");
        return;
    }
    memcpy(&v6, &at.socket, sizeof v6);
    if (at.socket.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof v4.sin_addr);
        memcpy(&at.socket, &v4, sizeof v4);
        at.size = sizeof v4;
    }
    CHECK(getnameinfo((struct sockaddr *)&at.socket, at.size, out, WEFT_ADDRESS_MAX, NULL, 0,
                      NI_NUMERICHOST) == 0);
}

/* ---- bytes ---- */

static enum weft_status sockets_read(void *self, net_handle handle, void *out, size_t size,
                                     size_t *got, struct weft_error *why) {
    struct sockets *sockets = self;
    struct link *link = links_get(&sockets->links, handle);
    enum weft_status status = link_settle(sockets, link, why);
    if (status != WEFT_OK) return status;
    status = tcp_read(link->descriptor, link->address, out, size, got, why);
    if (status == WEFT_OK || status == WEFT_BUSY || link->span == 0) return status;
    return bridge_end(sockets->bridge, link->span, why);
}

static enum weft_status sockets_write(void *self, net_handle handle, const void *data, size_t size,
                                      size_t *sent, struct weft_error *why) {
    struct sockets *sockets = self;
    struct link *link = links_get(&sockets->links, handle);
    enum weft_status status = link_settle(sockets, link, why);
    if (status != WEFT_OK) return status;
    status = tcp_write(link->descriptor, link->address, data, size, sent, why);
    char byte;
    if (status == WEFT_NET && link->span != 0 && recv(link->descriptor, &byte, 1, MSG_PEEK) == 1) {
        /* The WebSocket has ended, as its last bytes may explain: they are to be read first. */
        return WEFT_BUSY;
    }
    return status;
}

static enum weft_status sockets_check(void *self, const char *address, struct weft_error *why) {
    struct address at;
    struct websocket_address web;
    (void)self;
    return websocket_is(address) ? websocket_read(&web, address, why)
                                 : address_read(&at, address, why);
}

/* ---- the port ---- */

static void sockets_wait(void *self, uint64_t timeout_us) {
    struct sockets *sockets = self;
    links_wait(&sockets->links, timeout_us);
}

static enum weft_status sockets_open(void *self, int wake_descriptor, struct runner_port *out,
                                     struct weft_error *why) {
    static const struct net_ops ops = {
        .listen = sockets_listen,
        .accept = sockets_accept,
        .release = sockets_release,
        .origin = sockets_origin,
        .discard = sockets_discard,
        .adopt = sockets_adopt,
        .dial = sockets_dial,
        .read = sockets_read,
        .write = sockets_write,
        .close = sockets_close,
        .check = sockets_check,
    };
    CHECK(out != NULL);
    struct sockets *sockets = self == NULL ? NULL : calloc(1, sizeof *sockets);
    if (sockets == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a net port");
    enum weft_status status = links_open(&sockets->links, wake_descriptor, why);
    if (status != WEFT_OK) {
        free(sockets);
        return status;
    }
    sockets->bridge = self;
    *out = (struct runner_port){.net = {sockets, &ops}, .wait = sockets_wait};
    return WEFT_OK;
}

static void sockets_shut(void *self, struct runner_port *port) {
    (void)self;
    CHECK(port != NULL && port->net.self != NULL);
    struct sockets *sockets = port->net.self;
    for (uint32_t i = 0; i < sockets->links.count; i++) {
        struct link *link = &sockets->links.table[i];
        if (link->state != LINK_FREE) link_shut(sockets, link);
    }
    links_close(&sockets->links);
    free(sockets);
    *port = (struct runner_port){.wait = NULL};
}

static void sockets_end(void *self) {
    bridge_close(self);
}

struct runner_ports sockets_ports(void) {
    struct runner_ports ports = {.time = posix_time(),
                                 .self = bridge_open(),
                                 .open = sockets_open,
                                 .close = sockets_shut,
                                 .end = sockets_end};
    return ports;
}
