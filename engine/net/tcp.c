/* See tcp.h. Invariants
 *   1. No call blocks or raises SIGPIPE. Every descriptor is close-on-exec.
 *   2. A dialled connection is used only when it is known to stand (SO_ERROR, then the remote's
 *      name), and is not one that met itself: on loopback a dial to a port that nobody listens on
 *      can be given that very port to come from, and TCP then joins the two.
 * Not here: greetings, frames and retries (wire, the peer actor). */
#include "engine/net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/net/address.h"

#define TCP_BACKLOG 128
#define TCP_LEFT "a remote that has left"

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

enum weft_status tcp_listen(const char *address, int *out, char bound[WEFT_ADDRESS_MAX],
                            struct weft_error *why) {
    struct address at;
    int on = 1, error = 0;
    CHECK(out != NULL && bound != NULL);
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
        close(descriptor);
        return fail_bind(why, error, address);
    }
    address_text((struct sockaddr *)&at.socket, at.size, bound);
    *out = descriptor;
    return WEFT_OK;
}

enum weft_status tcp_accept(int listener, const char *address, int *out, struct weft_error *why) {
    CHECK(listener >= 0 && out != NULL);
    for (;;) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            *out = descriptor;
            return WEFT_OK;
        }
        if (errno == EAGAIN) return WEFT_BUSY;
        /* The remote gave up before it was taken; the next one may not have. */
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
        return fail_native(why, socket_status(errno), errno, "accepting on", address,
                           "raise the limit of open files");
    }
}

void tcp_remote(int descriptor, char out[WEFT_ADDRESS_MAX]) {
    struct sockaddr_storage remote;
    socklen_t size = sizeof remote;
    if (getpeername(descriptor, (struct sockaddr *)&remote, &size) == 0) {
        address_text((struct sockaddr *)&remote, size, out);
    } else {
        memcpy(out, TCP_LEFT, sizeof TCP_LEFT);
    }
}

void tcp_hasten(int descriptor) {
    int on = 1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- dialling ---- */

static enum weft_status fail_dial(struct weft_error *why, int native, const char *address) {
    const char *advice = native == ECONNREFUSED
                             ? "nothing listens there; start the other side, or check the port"
                             : "check the address and that the other side runs";
    return fail_native(why, socket_status(native), native, "connecting to", address, advice);
}

enum weft_status tcp_dial(const char *address, int *out, struct weft_error *why) {
    struct address at;
    int on = 1;
    CHECK(out != NULL);
    enum weft_status status = address_read(&at, address, why);
    if (status != WEFT_OK) return status;
    if (at.port == 0) return address_no_port(address, why);
    int descriptor = socket(at.socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail_dial(why, errno, address);
    if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(descriptor, (struct sockaddr *)&at.socket, at.size) != 0 && errno != EINPROGRESS &&
         errno != EINTR)) {
        status = fail_dial(why, errno, address);
        close(descriptor);
        return status;
    }
    *out = descriptor;
    return WEFT_OK;
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

enum weft_status tcp_settle(int descriptor, const char *address, struct weft_error *why) {
    int error = 0;
    socklen_t size = sizeof error;
    CHECK(getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    if (error != 0) return fail_dial(why, error, address);
    struct sockaddr_storage here, there;
    socklen_t here_size = sizeof here, there_size = sizeof there;
    if (getpeername(descriptor, (struct sockaddr *)&there, &there_size) != 0) {
        return errno == ENOTCONN ? WEFT_BUSY : fail_dial(why, errno, address);
    }
    if (getsockname(descriptor, (struct sockaddr *)&here, &here_size) != 0) {
        return fail_dial(why, errno, address);
    }
    if (met_itself(&here, &there)) return fail_dial(why, ECONNREFUSED, address);
    return WEFT_OK;
}

/* ---- bytes ---- */

static enum weft_status fail_link(struct weft_error *why, int native, const char *address) {
    return fail_native(why, WEFT_NET, native, "the connection with", address,
                       "it will be made again");
}

enum weft_status tcp_read(int descriptor, const char *address, void *out, size_t size, size_t *got,
                          struct weft_error *why) {
    CHECK(out != NULL && size > 0);
    CHECK(got != NULL);
    ssize_t count;
    do {
        count = recv(descriptor, out, size, 0);
    } while (count < 0 && errno == EINTR);
    if (count == 0) {
        return status_fail(why, WEFT_CLOSED, 0, "%s has closed the connection", address);
    }
    if (count < 0) {
        return errno == EAGAIN ? WEFT_BUSY : fail_link(why, errno, address);
    }
    *got = (size_t)count;
    return WEFT_OK;
}

enum weft_status tcp_write(int descriptor, const char *address, const void *data, size_t size,
                           size_t *sent, struct weft_error *why) {
    CHECK(data != NULL && size > 0);
    CHECK(sent != NULL);
    ssize_t count;
    do {
        count = send(descriptor, data, size, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? WEFT_BUSY : fail_link(why, errno, address);
    }
    CHECK(count > 0);
    *sent = (size_t)count;
    return WEFT_OK;
}
