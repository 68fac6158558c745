/* The net port over non-blocking TCP sockets and epoll.
 *
 *     wait ──► epoll ──► link's edge      ──► watch->ready = true
 *                   └──► wake descriptor  ──► only ends the sleep
 *
 *     handle = generation (32 bits) | place in the table + 1 (32 bits)
 *
 * Sockets are watched edge-triggered, so that one whose actor does not want to read now does not
 * keep the thread awake; port.h has the contract that follows. The wake descriptor is watched by
 * level: wake_cancel() drains it.
 *
 * Invariants
 *   1. No call blocks but wait(). No call raises SIGPIPE. Every descriptor is close-on-exec.
 *   2. An event that was under way when its handle was closed finds another generation and is
 *      dropped.
 *   3. While sessions are not sealed no socket leads off this machine, in either direction.
 *   4. A connection is used only when it is known to stand (SO_ERROR, then the remote's name), and
 *      is not one that met itself: on loopback a dial to a port that nobody listens on can be given
 *      that very port to come from, and TCP then joins the two.
 * Not here: greetings, frames and retries (wire, the peer actor). */
#include "engine/net/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/net/address.h"
#include "engine/net/posix.h"

#define TCP_EVENTS 64
#define TCP_BACKLOG 128
#define TCP_LINKS_FIRST 16u

enum link_state { LINK_FREE, LINK_LISTENING, LINK_DIALLING, LINK_STANDS };

struct link {
    enum link_state state;
    int descriptor;
    uint32_t generation;
    struct net_watch *watch;
    char address[WEFT_ADDRESS_MAX]; /* for messages: where it listens or leads to */
};

struct tcp {
    int epoll;
    bool coarse; /* the system has no sleep finer than a millisecond */
    struct link *links;
    uint32_t link_count;
};

/* ---- the table of links ---- */

static struct link *link_find(struct tcp *tcp, net_handle handle) {
    uint32_t place = (uint32_t)handle;
    if (place == 0) return NULL;
    CHECK(place <= tcp->link_count);
    struct link *link = &tcp->links[place - 1];
    if (link->state == LINK_FREE || link->generation != (uint32_t)(handle >> 32)) return NULL;
    return link;
}

static struct link *link_get(struct tcp *tcp, net_handle handle) {
    struct link *link = link_find(tcp, handle);
    CHECK(link != NULL); /* Closed, or never opened by this port. */
    CHECK(link->descriptor >= 0);
    return link;
}

static struct link *link_free_place(struct tcp *tcp) {
    for (uint32_t i = 0; i < tcp->link_count; i++) {
        if (tcp->links[i].state == LINK_FREE) return &tcp->links[i];
    }
    uint32_t count = tcp->link_count == 0 ? TCP_LINKS_FIRST : tcp->link_count * 2;
    struct link *links = realloc(tcp->links, count * sizeof *links);
    if (links == NULL) return NULL;
    memset(links + tcp->link_count, 0, (count - tcp->link_count) * sizeof *links);
    struct link *first = links + tcp->link_count;
    tcp->links = links;
    tcp->link_count = count;
    return first;
}

static enum weft_status fail_native(struct weft_error *why, enum weft_status status, int native,
                                    const char *doing, const char *address, const char *advice) {
    char reason[128];
    const char *text = strerror_r(native, reason, sizeof reason);
    return status_fail(why, status, native, "%s %s: %s; %s", doing, address, text, advice);
}

/* Descriptors and memory running out have one name whatever was being done. */
static enum weft_status socket_status(int native) {
    if (native == EMFILE || native == ENFILE || native == ENOBUFS || native == ENOMEM) {
        return WEFT_LIMIT;
    }
    return WEFT_NET;
}

/* Takes the descriptor over when it succeeds. */
static enum weft_status link_add(struct tcp *tcp, int descriptor, enum link_state state,
                                 const char *address, struct net_watch *watch, net_handle *out,
                                 struct weft_error *why) {
    CHECK(descriptor >= 0 && state != LINK_FREE);
    CHECK(watch != NULL && out != NULL);
    struct link *link = link_free_place(tcp);
    if (link == NULL) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a connection with %s", address);
    }
    uint32_t generation = link->generation + 1;
    net_handle handle = (net_handle)generation << 32 | (uint32_t)(link - tcp->links + 1);
    uint32_t interest = state == LINK_LISTENING ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    struct epoll_event event = {.events = interest | EPOLLET, .data.u64 = handle};
    if (epoll_ctl(tcp->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        return fail_native(why, WEFT_LIMIT, errno, "watching", address,
                           "raise the system's limit of watched descriptors");
    }
    link->generation = generation;
    link->state = state;
    link->descriptor = descriptor;
    link->watch = watch;
    size_t length = strnlen(address, sizeof link->address - 1);
    memcpy(link->address, address, length);
    link->address[length] = '\0';
    *out = handle;
    return WEFT_OK;
}

static void tcp_close(void *self, net_handle handle) {
    struct link *link = link_get(self, handle);
    /* No other descriptor refers to the socket, so this ends its watch as well. */
    close(link->descriptor);
    link->descriptor = -1;
    link->watch = NULL;
    link->state = LINK_FREE;
}

/* ---- listening ---- */

static enum weft_status fail_bind(struct weft_error *why, int native, const char *address) {
    switch (native) {
    case EADDRINUSE:
        return status_fail(why, WEFT_PORT_IN_USE, native,
                           "%s is in use by another program; choose another port or stop that "
                           "program",
                           address);
    case EACCES:
        return status_fail(why, WEFT_ADDRESS, native,
                           "%s may not be listened on by this user; choose a port above 1023",
                           address);
    case EADDRNOTAVAIL:
        return status_fail(why, WEFT_ADDRESS, native,
                           "%s is not an address of this machine; use 127.0.0.1 or [::1]", address);
    default:
        return fail_native(why, socket_status(native), native, "listening on", address,
                           "check the address and the limits of this process");
    }
}

static enum weft_status tcp_listen(void *self, const char *address, struct net_watch *watch,
                                   net_handle *out, char *bound, struct weft_error *why) {
    struct address at;
    int on = 1, error = 0;
    CHECK(self != NULL && bound != NULL);
    enum weft_status status = address_read(&at, address, why);
    if (status != WEFT_OK) return status;
    int family = at.socket.ss_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail_bind(why, errno, address);
    /* A port whose last connections are still fading may be listened on again at once. */
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) error = errno;
    if (error == 0 && family == AF_INET6 &&
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
        error = errno;
    }
    if (error == 0 && bind(descriptor, (struct sockaddr *)&at.socket, at.size) != 0) error = errno;
    if (error == 0 && listen(descriptor, TCP_BACKLOG) != 0) error = errno;
    at.size = sizeof at.socket;
    if (error == 0 && getsockname(descriptor, (struct sockaddr *)&at.socket, &at.size) != 0) {
        error = errno;
    }
    if (error != 0) {
        status = fail_bind(why, error, address);
        goto close_socket;
    }
    address_text((struct sockaddr *)&at.socket, at.size, bound);
    status = link_add(self, descriptor, LINK_LISTENING, bound, watch, out, why);
    if (status != WEFT_OK) goto close_socket;
    return WEFT_OK;

close_socket:
    close(descriptor);
    return status;
}

static enum weft_status tcp_accept(void *self, net_handle listener, int64_t *transfer,
                                   struct weft_error *why) {
    struct link *link = link_get(self, listener);
    CHECK(link->state == LINK_LISTENING);
    CHECK(transfer != NULL);
    for (;;) {
        int descriptor = accept4(link->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            *transfer = descriptor;
            return WEFT_OK;
        }
        if (errno == EAGAIN) return WEFT_BUSY;
        /* The remote gave up before it was taken; the next one may not have. */
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
        return fail_native(why, socket_status(errno), errno, "accepting on", link->address,
                           "raise the limit of open files");
    }
}

static void tcp_discard(void *self, int64_t transfer) {
    (void)self;
    CHECK(transfer >= 0 && transfer <= INT32_MAX);
    close((int)transfer);
}

static enum weft_status tcp_adopt(void *self, int64_t transfer, struct net_watch *watch,
                                  net_handle *out, struct weft_error *why) {
    CHECK(self != NULL);
    CHECK(transfer >= 0 && transfer <= INT32_MAX);
    int descriptor = (int)transfer;
    int on = 1;
    char text[WEFT_ADDRESS_MAX] = "a remote that has left";
    struct sockaddr_storage remote;
    socklen_t size = sizeof remote;
    if (getpeername(descriptor, (struct sockaddr *)&remote, &size) == 0) {
        address_text((struct sockaddr *)&remote, size, text);
    }
    /* Fails only on a connection that is gone already, which the first read tells. */
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    enum weft_status status = link_add(self, descriptor, LINK_STANDS, text, watch, out, why);
    if (status != WEFT_OK) close(descriptor);
    return status;
}

/* ---- dialling ---- */

static enum weft_status fail_dial(struct weft_error *why, int native, const char *address) {
    const char *advice = native == ECONNREFUSED
                             ? "nothing listens there; start the other side, or check the port"
                             : "check the address and that the other side runs";
    return fail_native(why, socket_status(native), native, "connecting to", address, advice);
}

static enum weft_status tcp_dial(void *self, const char *address, struct net_watch *watch,
                                 net_handle *out, struct weft_error *why) {
    struct address at;
    int on = 1;
    CHECK(self != NULL);
    enum weft_status status = address_read(&at, address, why);
    if (status != WEFT_OK) return status;
    if (at.port == 0) {
        return status_fail(why, WEFT_ADDRESS, 0,
                           "\"%s\" cannot be connected to: port 0 only means something when "
                           "listening; give the port of the other side",
                           address);
    }
    int descriptor = socket(at.socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail_dial(why, errno, address);
    if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(descriptor, (struct sockaddr *)&at.socket, at.size) != 0 && errno != EINPROGRESS &&
         errno != EINTR)) {
        status = fail_dial(why, errno, address);
        goto close_socket;
    }
    status = link_add(self, descriptor, LINK_DIALLING, address, watch, out, why);
    if (status != WEFT_OK) goto close_socket;
    return WEFT_OK;

close_socket:
    close(descriptor);
    return status;
}

static bool met_itself(const struct sockaddr_storage *here, const struct sockaddr_storage *there) {
    struct sockaddr_in6 a6, b6;
    struct sockaddr_in a4, b4;
    CHECK(here->ss_family == there->ss_family); /* Both are names of one socket. */
    if (here->ss_family == AF_INET) {
        memcpy(&a4, here, sizeof a4);
        memcpy(&b4, there, sizeof b4);
        return a4.sin_port == b4.sin_port && a4.sin_addr.s_addr == b4.sin_addr.s_addr;
    }
    memcpy(&a6, here, sizeof a6);
    memcpy(&b6, there, sizeof b6);
    return a6.sin6_port == b6.sin6_port && IN6_ARE_ADDR_EQUAL(&a6.sin6_addr, &b6.sin6_addr);
}

/* WEFT_OK once the connection stands; WEFT_BUSY while it is being made. Invariant 4. */
static enum weft_status link_settle(struct link *link, struct weft_error *why) {
    if (link->state == LINK_STANDS) return WEFT_OK;
    CHECK(link->state == LINK_DIALLING);
    int error = 0;
    socklen_t size = sizeof error;
    CHECK(getsockopt(link->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error != 0) return fail_dial(why, error, link->address);
    struct sockaddr_storage here, there;
    socklen_t here_size = sizeof here, there_size = sizeof there;
    if (getpeername(link->descriptor, (struct sockaddr *)&there, &there_size) != 0) {
        return errno == ENOTCONN ? WEFT_BUSY : fail_dial(why, errno, link->address);
    }
    if (getsockname(link->descriptor, (struct sockaddr *)&here, &here_size) != 0) {
        return fail_dial(why, errno, link->address);
    }
    if (met_itself(&here, &there)) return fail_dial(why, ECONNREFUSED, link->address);
    link->state = LINK_STANDS;
    return WEFT_OK;
}

/* ---- from one port to another ---- */

static enum weft_status tcp_release(void *self, net_handle handle, int64_t *transfer,
                                    struct weft_error *why) {
    struct tcp *tcp = self;
    struct link *link = link_get(tcp, handle);
    CHECK(link->state != LINK_LISTENING);
    CHECK(transfer != NULL);
    /* adopt() takes what it is given for a connection that stands. Invariant 4. */
    enum weft_status status = link_settle(link, why);
    if (status != WEFT_OK) {
        if (status == WEFT_BUSY) {
            status = status_fail(why, WEFT_NET, 0, "the connection with %s is not made yet",
                                 link->address);
        }
        tcp_close(tcp, handle);
        return status;
    }
    CHECK(epoll_ctl(tcp->epoll, EPOLL_CTL_DEL, link->descriptor, NULL) == 0);
    *transfer = link->descriptor;
    link->descriptor = -1;
    link->watch = NULL;
    link->state = LINK_FREE;
    return WEFT_OK;
}

/* Told from what was noted when the link began, so that it stays the same once the remote is gone.
 */
static void tcp_origin(void *self, net_handle handle, char out[WEFT_ADDRESS_MAX]) {
    const struct link *link = link_get(self, handle);
    CHECK(link->state != LINK_LISTENING);
    CHECK(out != NULL);
    struct address at;
    struct sockaddr_in6 v6;
    if (address_read(&at, link->address, NULL) != WEFT_OK) {
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

static enum weft_status fail_link(struct weft_error *why, int native, const struct link *link) {
    return fail_native(why, WEFT_NET, native, "the connection with", link->address,
                       "it will be made again");
}

static enum weft_status tcp_read(void *self, net_handle handle, void *out, size_t size, size_t *got,
                                 struct weft_error *why) {
    struct link *link = link_get(self, handle);
    CHECK(out != NULL && size > 0);
    CHECK(got != NULL);
    enum weft_status status = link_settle(link, why);
    if (status != WEFT_OK) return status;
    ssize_t count;
    do {
        count = recv(link->descriptor, out, size, 0);
    } while (count < 0 && errno == EINTR);
    if (count == 0) {
        return status_fail(why, WEFT_CLOSED, 0, "%s has closed the connection", link->address);
    }
    if (count < 0) {
        return errno == EAGAIN ? WEFT_BUSY : fail_link(why, errno, link);
    }
    *got = (size_t)count;
    return WEFT_OK;
}

static enum weft_status tcp_write(void *self, net_handle handle, const void *data, size_t size,
                                  size_t *sent, struct weft_error *why) {
    struct link *link = link_get(self, handle);
    CHECK(data != NULL && size > 0);
    CHECK(sent != NULL);
    enum weft_status status = link_settle(link, why);
    if (status != WEFT_OK) return status;
    ssize_t count;
    do {
        count = send(link->descriptor, data, size, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? WEFT_BUSY : fail_link(why, errno, link);
    }
    CHECK(count > 0);
    *sent = (size_t)count;
    return WEFT_OK;
}

static enum weft_status tcp_check(void *self, const char *address, struct weft_error *why) {
    struct address at;
    (void)self;
    return address_read(&at, address, why);
}

/* ---- sleeping ---- */

static int tcp_sleep(struct tcp *tcp, struct epoll_event *events, uint64_t timeout_us) {
    if (timeout_us == 0) return epoll_wait(tcp->epoll, events, TCP_EVENTS, 0);
    if (timeout_us == UINT64_MAX) return epoll_wait(tcp->epoll, events, TCP_EVENTS, -1);
    if (!tcp->coarse) {
        struct timespec time = {.tv_sec = (time_t)(timeout_us / 1000000u),
                                .tv_nsec = (long)(timeout_us % 1000000u) * 1000};
        int count = epoll_pwait2(tcp->epoll, events, TCP_EVENTS, &time, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        tcp->coarse = true;
    }
    /* Rounded up: waking too early would only lead to sleeping again. */
    uint64_t ms = timeout_us / 1000u + 1;
    return epoll_wait(tcp->epoll, events, TCP_EVENTS, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

static void tcp_wait(void *self, uint64_t timeout_us) {
    struct tcp *tcp = self;
    struct epoll_event events[TCP_EVENTS];
    CHECK(tcp != NULL);
    int count = tcp_sleep(tcp, events, timeout_us);
    CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        struct link *link = link_find(tcp, events[i].data.u64);
        if (link != NULL) link->watch->ready = true;
    }
}

/* ---- the port ---- */

static enum weft_status tcp_open(void *self, int wake_descriptor, struct runner_port *out,
                                 struct weft_error *why) {
    static const struct net_ops ops = {
        .listen = tcp_listen,
        .accept = tcp_accept,
        .release = tcp_release,
        .origin = tcp_origin,
        .discard = tcp_discard,
        .adopt = tcp_adopt,
        .dial = tcp_dial,
        .read = tcp_read,
        .write = tcp_write,
        .close = tcp_close,
        .check = tcp_check,
    };
    (void)self;
    CHECK(out != NULL);
    struct tcp *tcp = calloc(1, sizeof *tcp);
    if (tcp == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a net port");
    tcp->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (tcp->epoll < 0) goto fail;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
    if (wake_descriptor >= 0 &&
        epoll_ctl(tcp->epoll, EPOLL_CTL_ADD, wake_descriptor, &event) != 0) {
        goto fail;
    }
    *out = (struct runner_port){.net = {tcp, &ops}, .wait = tcp_wait};
    return WEFT_OK;

fail:
    (void)fail_native(why, WEFT_LIMIT, errno, "opening", "a net port",
                      "raise the limit of open files");
    if (tcp->epoll >= 0) close(tcp->epoll);
    free(tcp);
    return WEFT_LIMIT;
}

static void tcp_shut(void *self, struct runner_port *port) {
    (void)self;
    CHECK(port != NULL && port->net.self != NULL);
    struct tcp *tcp = port->net.self;
    for (uint32_t i = 0; i < tcp->link_count; i++) {
        if (tcp->links[i].state != LINK_FREE) close(tcp->links[i].descriptor);
    }
    close(tcp->epoll);
    free(tcp->links);
    free(tcp);
    *port = (struct runner_port){.wait = NULL};
}

struct runner_ports tcp_ports(void) {
    struct runner_ports ports = {
        .time = posix_time(), .self = NULL, .open = tcp_open, .close = tcp_shut};
    return ports;
}
