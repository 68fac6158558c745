/* The bridge's thread: WebSockets by libwebsockets (RFC 6455), and the near ends of the pairs.
 *
 *     poll of libwebsockets ─┬─► sockets ──► callbacks ──► near
 *                            └─► epoll ─┬─► near ends, edge-triggered ──► "write to this one"
 *                                       └─► wake: new spans, or the end
 *
 *     fresh ──► asks, is asked ──► stands ──► left: the shore is closed, and all carried over
 *                     │               └─────► gone: the WebSocket has ended, held bytes go ashore
 *                     └──► gone
 *
 * Invariants
 *   1. A WebSocket is read only while `held` is empty (flow control), and written only when its
 *      socket takes a chunk: so back-pressure passes through in both directions.
 *   2. A shore that is closed before a word was said ends its WebSocket at once, without a farewell
 *      that somebody could delay: strangers hold nothing for longer than the listener lets them.
 *   3. What is no upgrade to weft's subprotocol on the span's path is cut off without an answer.
 *   4. `wsi` is NULL before libwebsockets has the connection and after it has let go of it.
 *
 * TLS towards a proxy is a wrapper for the way and no proof of anything: certificates are not
 * verified, since the session inside proves who answers (docs/decisions/024-websocket.md). */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/net/bridge_private.h"

#define BRIDGE_EVENTS 64

/* ---- the end of a span ---- */

/* The first reason stays. */
static void end_dial(struct span *span, const char *reason) {
    if (span->end.status != WEFT_OK) return;
    const bool refused = strcmp(reason, "Unable to connect") == 0;
    (void)status_fail(&span->end, WEFT_NET, refused ? ECONNREFUSED : 0, "connecting to %s: %s; %s",
                      span->address, refused ? "Connection refused" : reason,
                      refused ? "nothing listens there; start the other side, or check the port"
                              : "check the path, what listens there, and the proxy in front of it");
}

static void end_any(struct span *span) {
    if (span->end.status != WEFT_OK) return;
    if (span->dials && !span->stands) {
        end_dial(span, "closed before the WebSocket stood");
    } else if (span->foreign || !span->stands) {
        (void)status_fail(&span->end, WEFT_NET, 0, "%s sent what is no part of a session",
                          span->address);
    } else if (span->polite) {
        (void)status_fail(&span->end, WEFT_CLOSED, 0, "%s has closed the connection",
                          span->address);
    } else {
        (void)status_fail(&span->end, WEFT_NET, 0,
                          "the connection with %s was cut; it will be made again", span->address);
    }
}

static bool holds(const struct span *span) {
    return span->held_from != span->held_to;
}

/* Lets go of a span of which nothing is left to do here. */
static void settle(struct bridge *bridge, struct span *span) {
    if (span->wsi != NULL || (holds(span) && !span->left)) return;
    end_any(span);
    bridge_sink(bridge, span);
}

static void kill_wsi(struct span *span) {
    lws_set_timeout(span->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

/* ---- bytes ---- */

/* Brings ashore what was held back. */
static void flush_held(struct span *span) {
    while (holds(span)) {
        ssize_t count = send(span->near, span->held + span->held_from,
                             span->held_to - span->held_from, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        span->held_from = count < 0 ? span->held_to : span->held_from + (uint32_t)count;
    }
    if (span->wsi != NULL) (void)lws_rx_flow_control(span->wsi, 1);
}

/* -1: the connection is to be closed, as libwebsockets wants it said. */
static int on_receive(struct span *span, const uint8_t *in, size_t size) {
    if (!lws_frame_is_binary(span->wsi) || size > LIMIT_SPAN_CHUNK || holds(span)) {
        span->foreign = true;
        return -1;
    }
    if (span->left || size == 0) return 0;
    ssize_t count;
    do {
        count = send(span->near, in, size, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno != EAGAIN) return 0; /* The shore is closed; near tells. */
    const size_t sent = count < 0 ? 0 : (size_t)count;
    if (sent == size) return 0;
    span->held_from = 0;
    span->held_to = (uint32_t)(size - sent);
    memcpy(span->held, in + sent, size - sent);
    (void)lws_rx_flow_control(span->wsi, 0);
    return 0;
}

/* One chunk for a socket that takes one. -1 as above. */
static int on_writable(struct bridge *bridge, struct span *span) {
    if (!span->readable) return 0;
    ssize_t count;
    do {
        count = recv(span->near, bridge->out + LWS_PRE, LIMIT_SPAN_CHUNK, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN) {
        span->readable = false;
        return 0;
    }
    if (count <= 0) { /* The shore is closed, and nothing is left of what it said. */
        span->left = true;
        if (!span->spoke) {
            kill_wsi(span); /* Invariant 2. */
            return 0;
        }
        lws_close_reason(span->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return -1;
    }
    span->spoke = true;
    const size_t size = (size_t)count;
    if (lws_write(span->wsi, bridge->out + LWS_PRE, size, LWS_WRITE_BINARY) < (int)size) return -1;
    (void)lws_callback_on_writable(span->wsi);
    return 0;
}

static int on_stands(struct span *span) {
    span->stands = true;
    if (span->dials && send(span->near, "", 1, MSG_NOSIGNAL) != 1) span->left = true;
    (void)lws_callback_on_writable(span->wsi);
    return 0;
}

/* ---- new spans ---- */

static void launch_dial(struct bridge *bridge, struct span *span) {
    struct lws_client_connect_info info = {
        .context = bridge->context,
        .vhost = bridge_vhost(bridge, span->at.tls),
        .address = span->at.host,
        .port = span->at.port,
        .path = span->at.path,
        .host = span->at.stream,
        .protocol = WEBSOCKET_PROTOCOL,
        .alpn = "http/1.1",
        .opaque_user_data = span,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
    };
    if (span->at.tls) {
        info.ssl_connection |= LCCSCF_USE_SSL | LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_EXPIRED |
                               LCCSCF_ALLOW_INSECURE | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    }
    if (info.vhost != NULL) span->wsi = lws_client_connect_via_info(&info);
    if (span->wsi == NULL) end_dial(span, "Unable to connect");
}

static void launch_accepted(struct bridge *bridge, struct span *span) {
    lws_adopt_desc_t info = {
        .vh = bridge->vhost,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
        .fd.sockfd = span->socket,
        .opaque = span,
    };
    span->socket = -1; /* Closed by libwebsockets, also when it does not take it. */
    span->wsi = lws_adopt_descriptor_vhost_via_info(&info);
}

static void launch(struct bridge *bridge, struct span *span) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u64 = (uint64_t)(span - bridge->spans) + 1};
    span->launching = true;
    if (epoll_ctl(bridge->epoll, EPOLL_CTL_ADD, span->near, &event) != 0) {
        (void)status_fail(&span->end, WEFT_LIMIT, errno, "%s cannot be watched", span->address);
        if (span->socket >= 0) close(span->socket);
        span->socket = -1;
    } else if (span->dials) {
        launch_dial(bridge, span);
    } else {
        launch_accepted(bridge, span);
    }
    span->launching = false;
    settle(bridge, span);
}

/* Those that have come since, and whether the bridge is to end. */
static void on_wake(struct bridge *bridge) {
    uint16_t fresh[LIMIT_SPANS];
    uint32_t count = 0;
    uint64_t ignored;
    ssize_t got;
    do {
        got = read(bridge->wake, &ignored, sizeof ignored);
    } while (got < 0 && errno == EINTR);
    CHECK(pthread_mutex_lock(&bridge->lock) == 0);
    for (uint32_t i = 0; i < LIMIT_SPANS; i++) {
        if (bridge->spans[i].fresh) fresh[count++] = (uint16_t)i;
        bridge->spans[i].fresh = false;
    }
    CHECK(pthread_mutex_unlock(&bridge->lock) == 0);
    for (uint32_t i = 0; i < count; i++)
        launch(bridge, &bridge->spans[fresh[i]]);
}

/* Whether the shore has said something that is still to be carried over. */
static bool has_words(const struct span *span) {
    char byte;
    return recv(span->near, &byte, 1, MSG_PEEK) == 1;
}

/* Something has happened at a near end. */
static void on_near(struct bridge *bridge, struct span *span, uint32_t events) {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0) span->readable = true;
    if ((events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0) span->left = true;
    if ((events & EPOLLOUT) != 0) flush_held(span);
    if (span->wsi != NULL && span->left && !span->spoke && !has_words(span)) {
        kill_wsi(span); /* Invariant 2. */
    } else if (span->wsi != NULL && span->stands) {
        if (span->left) lws_set_timeout(span->wsi, PENDING_TIMEOUT_USER_OK, LIMIT_SPAN_LEAVE_S);
        (void)lws_callback_on_writable(span->wsi);
    }
    settle(bridge, span);
}

/* A span is settled by its own event alone, so no event of this batch is about a later one in the
 * same place. */
static void on_events(struct bridge *bridge) {
    struct epoll_event events[BRIDGE_EVENTS];
    bool woken = false;
    const int count = epoll_wait(bridge->epoll, events, BRIDGE_EVENTS, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == 0) {
            woken = true;
        } else {
            on_near(bridge, &bridge->spans[events[i].data.u64 - 1], events[i].events);
        }
    }
    if (woken) on_wake(bridge);
}

/* ---- what libwebsockets tells ---- */

/* Whether a request for a WebSocket is one for this span. */
static bool asks_rightly(struct lws *wsi, const struct span *span) {
    char path[WEFT_ADDRESS_MAX];
    const struct lws_protocols *protocol = lws_get_protocol(wsi);
    if (span == NULL || protocol == NULL || strcmp(protocol->name, WEBSOCKET_PROTOCOL) != 0) {
        return false;
    }
    return lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) > 0 &&
           strcmp(path, span->at.path) == 0;
}

/* It may go before launch() has come to its end, which settles it then. */
static void on_gone(struct bridge *bridge, struct span *span) {
    span->wsi = NULL;
    if (!span->launching) settle(bridge, span);
}

/* Of a span whose connection stands or is being made. */
static int on_span(struct bridge *bridge, struct span *span, struct lws *wsi,
                   enum lws_callback_reasons reason, void *in, size_t size) {
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        span->wsi = wsi;
        return on_stands(span);
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_receive(span, in, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(bridge, span);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        span->polite = true;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        end_dial(span, in == NULL ? "no answer" : in);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        on_gone(bridge, span);
        return 0;
    default:
        return 0;
    }
}

int bridge_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size) {
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE:
        on_events(lws_context_user(lws_get_context(wsi)));
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return strcasecmp(in, "websocket") == 0 ? 0 : -1;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return asks_rightly(wsi, lws_get_opaque_user_data(wsi)) ? 0 : -1;
    case LWS_CALLBACK_HTTP: /* Invariant 3. */
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return -1;
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_WSI_DESTROY: {
        struct span *span = lws_get_opaque_user_data(wsi);
        if (span == NULL) return 0; /* What watches the near ends. */
        return on_span(lws_context_user(lws_get_context(wsi)), span, wsi, reason, in, size);
    }
    default:
        return 0;
    }
}

/* ---- the thread ---- */

static bool halted(struct bridge *bridge) {
    CHECK(pthread_mutex_lock(&bridge->lock) == 0);
    const bool halt = bridge->halt;
    CHECK(pthread_mutex_unlock(&bridge->lock) == 0);
    return halt;
}

/* Ends what is left, fresh spans too. */
static void end_all(struct bridge *bridge) {
    CHECK(pthread_mutex_lock(&bridge->lock) == 0);
    bridge->broken = true;
    CHECK(pthread_mutex_unlock(&bridge->lock) == 0);
    for (uint32_t i = 0; i < LIMIT_SPANS; i++) {
        struct span *span = &bridge->spans[i];
        CHECK(pthread_mutex_lock(&bridge->lock) == 0);
        const bool afloat = span->afloat;
        CHECK(pthread_mutex_unlock(&bridge->lock) == 0);
        if (!afloat) continue;
        if (span->socket >= 0) close(span->socket);
        span->socket = -1;
        span->left = true;
        span->wsi = NULL;
        settle(bridge, span);
    }
}

void *bridge_main(void *context) {
    struct bridge *bridge = context;
    const bool good = bridge_context_open(bridge);
    while (good && !halted(bridge)) {
        if (lws_service(bridge->context, 0) < 0) break;
    }
    if (bridge->context != NULL) lws_context_destroy(bridge->context);
    if (!good) close(bridge->epoll);
    end_all(bridge);
    return NULL;
}
