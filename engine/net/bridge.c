/* See bridge.h: the table of spans, and the side of the shores.
 *
 *     free ──carry, dial──► ashore and afloat ──leave──► afloat ──sink──► free
 *                                          └──sink──► ashore ──leave──► free
 *
 * Invariants
 *   1. The lock is held for a few assignments and system calls that do not wait, never during a
 *      call of libwebsockets.
 *   2. A span is used again only after both sides have let go of it; its number is then another. */
#include "engine/net/bridge.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/net/bridge_private.h"

static void lock(struct bridge *bridge) {
    CHECK(pthread_mutex_lock(&bridge->lock) == 0);
}

static void unlock(struct bridge *bridge) {
    CHECK(pthread_mutex_unlock(&bridge->lock) == 0);
}

static void wake(struct bridge *bridge) {
    const uint64_t one = 1;
    ssize_t put;
    do {
        put = write(bridge->wake, &one, sizeof one);
    } while (put < 0 && errno == EINTR);
    CHECK(put == (ssize_t)sizeof one);
}

/* Caller holds the lock. */
static struct span *span_get(struct bridge *bridge, span_handle handle) {
    const uint32_t place = (uint32_t)handle;
    CHECK(place >= 1 && place <= LIMIT_SPANS && bridge->spans != NULL);
    struct span *span = &bridge->spans[place - 1];
    CHECK(span->ashore && span->generation == (uint32_t)(handle >> 32));
    return span;
}

/* ---- opening ---- */

struct bridge *bridge_open(void) {
    struct bridge *bridge = calloc(1, sizeof *bridge);
    if (bridge == NULL) return NULL;
    pthread_condattr_t attributes;
    bridge->wake = bridge->epoll = -1;
    (void)pthread_mutex_init(&bridge->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&bridge->drained, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return bridge;
}

static enum weft_status fail_start(struct weft_error *why, int native) {
    char reason[128];
    return status_fail(why, WEFT_LIMIT, native,
                       "WebSockets cannot be carried: %s; raise the limits of open files, threads "
                       "and memory",
                       strerror_r(native, reason, sizeof reason));
}

static void shut_descriptors(struct bridge *bridge) {
    if (bridge->wake >= 0) close(bridge->wake);
    if (bridge->epoll >= 0) close(bridge->epoll);
    bridge->wake = bridge->epoll = -1;
}

/* Caller holds the lock. Starts the thread unless it runs. It takes no signal of the host's. */
static enum weft_status bridge_start(struct bridge *bridge, struct weft_error *why) {
    sigset_t all, before;
    if (bridge->broken) return fail_start(why, ENOMEM);
    if (bridge->runs) return WEFT_OK;
    if (bridge->spans == NULL) bridge->spans = calloc(LIMIT_SPANS, sizeof *bridge->spans);
    if (bridge->spans == NULL) return fail_start(why, ENOMEM);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
    bridge->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bridge->epoll = epoll_create1(EPOLL_CLOEXEC);
    int error = 0;
    if (bridge->wake < 0 || bridge->epoll < 0 ||
        epoll_ctl(bridge->epoll, EPOLL_CTL_ADD, bridge->wake, &event) != 0) {
        error = errno;
    } else {
        sigfillset(&all);
        CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
        error = pthread_create(&bridge->thread, NULL, bridge_main, bridge);
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    }
    if (error != 0) {
        shut_descriptors(bridge);
        return fail_start(why, error);
    }
    (void)pthread_setname_np(bridge->thread, "weft-websocket");
    bridge->runs = true;
    return WEFT_OK;
}

void bridge_close(struct bridge *bridge) {
    if (bridge == NULL) return;
    lock(bridge);
    if (bridge->runs) {
        struct timespec until;
        CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
        const uint64_t ns = (uint64_t)until.tv_nsec + LIMIT_SPAN_LINGER_US * UINT64_C(1000);
        until.tv_sec += (time_t)(ns / 1000000000u);
        until.tv_nsec = (long)(ns % 1000000000u);
        while (bridge->afloat != 0 && !bridge->broken &&
               pthread_cond_timedwait(&bridge->drained, &bridge->lock, &until) == 0) {
        }
        bridge->halt = true;
        wake(bridge);
        unlock(bridge);
        CHECK(pthread_join(bridge->thread, NULL) == 0);
        lock(bridge);
        /* The thread has closed the epoll: libwebsockets owns what it was given. */
        close(bridge->wake);
    }
    for (uint32_t i = 0; bridge->spans != NULL && i < LIMIT_SPANS; i++) {
        CHECK(!bridge->spans[i].ashore); /* Its port still stands. */
    }
    unlock(bridge);
    free(bridge->spans);
    (void)pthread_cond_destroy(&bridge->drained);
    (void)pthread_mutex_destroy(&bridge->lock);
    free(bridge);
}

/* ---- making spans ---- */

/* A pair of sockets that hold LIMIT_SPAN_PAIR each way. False: errno tells. */
static bool pair_open(int pair[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return false;
    const int size = LIMIT_SPAN_PAIR / 2; /* The system doubles it. */
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return true;
}

/* Caller holds the lock. A new span that is not fresh yet; NULL after a failure. */
static struct span *span_add(struct bridge *bridge, const char *address, span_handle *out,
                             struct weft_error *why) {
    int pair[2];
    if (bridge_start(bridge, why) != WEFT_OK) return NULL;
    uint32_t place = 0;
    while (place < LIMIT_SPANS && bridge->spans[place].taken)
        place++;
    if (place == LIMIT_SPANS) {
        (void)status_fail(why, WEFT_LIMIT, 0,
                          "%u WebSocket connections stand, and there is no room for %s",
                          LIMIT_SPANS, address);
        return NULL;
    }
    if (!pair_open(pair)) {
        (void)fail_start(why, errno);
        return NULL;
    }
    struct span *span = &bridge->spans[place];
    const uint32_t generation = (span->generation + 1) & INT32_MAX;
    memset(span, 0, offsetof(struct span, held));
    span->generation = generation == 0 ? 1 : generation;
    span->taken = span->ashore = span->afloat = true;
    span->shore = pair[0];
    span->near = pair[1];
    span->socket = -1;
    size_t length = strnlen(address, sizeof span->address - 1);
    memcpy(span->address, address, length);
    bridge->afloat++;
    *out = (span_handle)span->generation << 32 | (place + 1);
    return span;
}

enum weft_status bridge_carry(struct bridge *bridge, int descriptor, const char *path,
                              const char *remote, span_handle *out, struct weft_error *why) {
    struct weft_error said = {0};
    CHECK(descriptor >= 0 && strlen(path) < WEFT_ADDRESS_MAX);
    lock(bridge);
    struct span *span = span_add(bridge, remote, out, &said);
    if (span != NULL) {
        span->socket = descriptor;
        memcpy(span->at.path, path, strlen(path) + 1);
        span->fresh = true;
        wake(bridge);
    }
    unlock(bridge);
    if (span != NULL) return WEFT_OK;
    close(descriptor);
    if (why != NULL) *why = said;
    return said.status;
}

enum weft_status bridge_dial(struct bridge *bridge, const struct websocket_address *at,
                             const char *address, span_handle *out, struct weft_error *why) {
    struct weft_error said = {0};
    lock(bridge);
    struct span *span = span_add(bridge, address, out, &said);
    if (span != NULL) {
        span->dials = true;
        span->at = *at;
        span->fresh = true;
        wake(bridge);
    }
    unlock(bridge);
    if (span != NULL) return WEFT_OK;
    if (why != NULL) *why = said;
    return said.status;
}

/* ---- the shore ---- */

int bridge_shore(struct bridge *bridge, span_handle handle, char address[WEFT_ADDRESS_MAX]) {
    lock(bridge);
    struct span *span = span_get(bridge, handle);
    memcpy(address, span->address, WEFT_ADDRESS_MAX);
    const int shore = span->shore;
    unlock(bridge);
    return shore;
}

enum weft_status bridge_end(struct bridge *bridge, span_handle handle, struct weft_error *why) {
    lock(bridge);
    const struct span *span = span_get(bridge, handle);
    CHECK(!span->afloat);
    const struct weft_error end = span->end;
    unlock(bridge);
    if (why != NULL) *why = end;
    return end.status;
}

/* The first byte that comes ashore of a dialled span says that it stands. */
enum weft_status bridge_settle(struct bridge *bridge, span_handle handle, struct weft_error *why) {
    char address[WEFT_ADDRESS_MAX], byte;
    const int shore = bridge_shore(bridge, handle, address);
    ssize_t count;
    do {
        count = recv(shore, &byte, 1, 0);
    } while (count < 0 && errno == EINTR);
    if (count == 1) return WEFT_OK;
    if (count < 0 && errno == EAGAIN) return WEFT_BUSY;
    if (count < 0) return status_fail(why, WEFT_NET, errno, "%s cannot be reached", address);
    (void)bridge_end(bridge, handle, why);
    return WEFT_NET;
}

void bridge_leave(struct bridge *bridge, span_handle handle) {
    lock(bridge);
    struct span *span = span_get(bridge, handle);
    close(span->shore); /* The near end learns of it. */
    span->shore = -1;
    span->ashore = false;
    span->taken = span->afloat;
    unlock(bridge);
}

void bridge_sink(struct bridge *bridge, struct span *span) {
    lock(bridge);
    CHECK(span->afloat && span->end.status != WEFT_OK);
    span->afloat = false;
    span->taken = span->ashore;
    const int near = span->near;
    span->near = -1;
    bridge->afloat--;
    if (bridge->afloat == 0) CHECK(pthread_cond_signal(&bridge->drained) == 0);
    /* Last: whoever reads the end asks why. */
    close(near);
    unlock(bridge);
}
