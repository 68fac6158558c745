/* How the bridge sets libwebsockets up: contexts and vhosts. Its bounds are those of limits.h, it
 * asks neither the environment nor the system for anything, and writes nothing to stderr (for the
 * whole process, as libwebsockets has one level of logging). Thread: the bridge's. */
#include <signal.h>

#include "engine/base/check.h"
#include "engine/net/bridge_private.h"

/* The first is what a request without a subprotocol gets, and refuses it. */
static const struct lws_protocols protocols[] = {
    {.name = "http-only", .callback = bridge_callback},
    {.name = WEBSOCKET_PROTOCOL, .callback = bridge_callback, .rx_buffer_size = LIMIT_SPAN_CHUNK},
    {.name = BRIDGE_NEAR, .callback = bridge_callback},
    {.name = NULL},
};

/* What every context and vhost is made from. */
static struct lws_context_creation_info creation_info(struct bridge *bridge) {
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .user = bridge,
        .fd_limit_per_thread = LIMIT_SPANS + 8,
        .max_http_header_pool = LIMIT_SPANS,
        .max_http_header_data = LIMIT_SPAN_HEADERS,
        .pt_serv_buf_size = LIMIT_SPAN_CHUNK + 512,
        .http_proxy_address = "", /* Not what the environment says. */
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
    };
    return info;
}

/* libwebsockets ignores SIGPIPE for the whole process when a context is made, which is the host's
 * to decide; this thread has it blocked. */
static struct lws_context *make_context(const struct lws_context_creation_info *info) {
    struct sigaction pipe;
    CHECK(sigaction(SIGPIPE, NULL, &pipe) == 0);
    struct lws_context *context = lws_create_context(info);
    CHECK(sigaction(SIGPIPE, &pipe, NULL) == 0);
    return context;
}

/* The vhost of wss:// dials, made by the first; NULL: it cannot be. The vhost asks for TLS, and the
 * context does not: libwebsockets keeps the numbers under which OpenSSL holds its data in variables
 * of the process, and takes new ones for every context that asks, so that what another context has
 * stored is not found any more. Never asked for, they are those of an application's own data. */
static struct lws_vhost *tls_vhost(struct bridge *bridge) {
    if (bridge->tls_vhost != NULL) return bridge->tls_vhost;
    struct lws_context_creation_info info = creation_info(bridge);
    info.vhost_name = "tls";
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    bridge->tls_vhost = lws_create_vhost(bridge->context, &info);
    return bridge->tls_vhost;
}

bool bridge_context_open(struct bridge *bridge) {
    struct lws_context_creation_info info = creation_info(bridge);
    lws_set_log_level(0, NULL);
    bridge->context = make_context(&info);
    if (bridge->context == NULL) return false;
    bridge->vhost = lws_create_vhost(bridge->context, &info);
    if (bridge->vhost == NULL) return false;
    lws_sock_file_fd_type descriptor = {.filefd = bridge->epoll};
    return lws_adopt_descriptor_vhost(bridge->vhost, LWS_ADOPT_RAW_FILE_DESC, descriptor,
                                      BRIDGE_NEAR, NULL) != NULL;
}

struct lws_vhost *bridge_vhost(struct bridge *bridge, bool tls) {
    return tls ? tls_vhost(bridge) : bridge->vhost;
}
