/* See http.h.
 *
 * libmicrohttpd bounds the number of connections by not accepting, so that silent ones keep honest
 * ones waiting. Its own bound is therefore the outer one, and never reached for long: whenever a
 * connection comes that is more than LIMIT_HTTP_LINKS, or LIMIT_HTTP_ADDRESS of one address, that
 * which has been silent longest is shut down, and libmicrohttpd lets go of it in its next round.
 *
 * It waits by poll: for a hundred descriptors that costs nothing; by epoll, edge-triggered, an end
 * that comes with the last bytes is overlooked, and the connection stays until its time is over.
 *
 * All of this runs on the server's one thread, but for opening and closing. */
#include "engine/net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/net/address.h"

#define HTTP_BACKLOG 128
#define HTTP_TOKEN_HASH 32u
/* Connections that are shut down and that libmicrohttpd has not let go of yet. */
#define HTTP_SLACK 64u

struct http_link {
    MHD_socket descriptor; /* -1: free */
    uint64_t heard;        /* serial of its last request, or of its accept */
    bool shut;
    uint8_t origin[16]; /* IPv6, or IPv4 as mapped into it */
};

struct http {
    const struct http_route *routes;
    void *context;
    bool guarded; /* a token is asked for */
    bool literal; /* who asks has to name this machine by number: see host_fits() */
    uint8_t token[HTTP_TOKEN_HASH];
    struct MHD_Daemon *daemon;
    /* The server's thread. */
    uint64_t serial;
    struct http_link links[LIMIT_HTTP_LINKS + HTTP_SLACK];
};

/* ---- connections ---- */

static void origin_of(const struct sockaddr *socket, uint8_t out[16]) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memcpy(out, mapped, sizeof mapped);
    memset(out + sizeof mapped, 0, 4);
    if (socket->sa_family == AF_INET) {
        memcpy(out + sizeof mapped, &((const struct sockaddr_in *)(const void *)socket)->sin_addr,
               4);
    } else if (socket->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)socket)->sin6_addr, 16);
    }
}

/* Shuts down the longest silent connection, of one address (else NULL: of any), but `newest`, if
 * there are more than `most`. */
static void make_room(struct http *http, const struct http_link *newest, const uint8_t *origin,
                      uint32_t most) {
    struct http_link *oldest = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < sizeof http->links / sizeof http->links[0]; i++) {
        struct http_link *link = &http->links[i];
        if (link->descriptor < 0 || link->shut) continue;
        if (origin != NULL && memcmp(link->origin, origin, sizeof link->origin) != 0) continue;
        count++;
        if (link != newest && (oldest == NULL || link->heard < oldest->heard)) oldest = link;
    }
    if (count <= most || oldest == NULL) return;
    oldest->shut = true;
    (void)shutdown(oldest->descriptor, SHUT_RDWR);
}

static struct http_link *link_take(struct http *http, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (socket == NULL || client == NULL) return NULL;
    for (uint32_t i = 0; i < sizeof http->links / sizeof http->links[0]; i++) {
        struct http_link *link = &http->links[i];
        if (link->descriptor >= 0) continue;
        *link = (struct http_link){.descriptor = socket->connect_fd, .heard = ++http->serial};
        origin_of(client->client_addr, link->origin);
        return link;
    }
    return NULL; /* There is a place for each that libmicrohttpd takes. */
}

static void on_link(void *context, struct MHD_Connection *connection, void **own,
                    enum MHD_ConnectionNotificationCode code) {
    struct http *http = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_link *link = link_take(http, connection);
        *own = link;
        if (link == NULL) return;
        make_room(http, link, link->origin, LIMIT_HTTP_ADDRESS);
        make_room(http, link, NULL, LIMIT_HTTP_LINKS);
    } else if (*own != NULL) {
        ((struct http_link *)*own)->descriptor = -1;
        *own = NULL;
    }
}

/* Paths of routes are plain: nothing is unescaped, so no %00 can end one early. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

static void link_heard(struct http *http, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *own =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_link *link = own == NULL ? NULL : own->socket_context;
    if (link != NULL) link->heard = ++http->serial;
}

/* ---- who may ask ---- */

static void hash_token(const char *token, size_t size, uint8_t out[HTTP_TOKEN_HASH]) {
    CHECK(crypto_generichash(out, HTTP_TOKEN_HASH, (const uint8_t *)token, size, NULL, 0) == 0);
}

/* The token of "Basic base64(anybody:token)": what a browser sends that has asked for it. */
static bool read_basic(const char *text, char *out, size_t room, size_t *size) {
    char plain[LIMIT_HTTP_TOKEN + 64];
    size_t length = 0;
    if (sodium_base642bin((uint8_t *)plain, sizeof plain, text, strlen(text), NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        return false;
    }
    const char *colon = memchr(plain, ':', length);
    if (colon == NULL) return false;
    *size = length - (size_t)(colon + 1 - plain);
    if (*size > room) return false;
    memcpy(out, colon + 1, *size);
    sodium_memzero(plain, sizeof plain);
    return true;
}

/* Compared are hashes, in constant time: neither text nor length of the token can be measured. */
static bool token_fits(const struct http *http, struct MHD_Connection *connection) {
    const char *said =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    char token[LIMIT_HTTP_TOKEN];
    uint8_t hash[HTTP_TOKEN_HASH];
    size_t size = 0;
    if (!http->guarded) return true;
    if (said == NULL) return false;
    if (strncasecmp(said, "Bearer ", 7) == 0) {
        size = strlen(said + 7);
        if (size > sizeof token) return false;
        memcpy(token, said + 7, size);
    } else if (strncasecmp(said, "Basic ", 6) != 0 ||
               !read_basic(said + 6, token, sizeof token, &size)) {
        return false;
    }
    hash_token(token, size, hash);
    sodium_memzero(token, sizeof token);
    return sodium_memcmp(hash, http->token, sizeof hash) == 0;
}

/* A page of a stranger in a browser here may ask for anything at a name that its owner lets lead to
 * 127.0.0.1. Such a request names that name: without a token only numbers, and localhost, are
 * answered. */
static bool host_fits(const struct http *http, struct MHD_Connection *connection) {
    const char *host =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    char text[WEFT_ADDRESS_MAX];
    struct address address;
    if (!http->literal || host == NULL) return true;
    if (strlen(host) + 4 > sizeof text) return false;
    if (address_read(&address, host, NULL) == WEFT_OK) return true;
    (void)snprintf(text, sizeof text, "%s:80", host);
    return address_read(&address, text, NULL) == WEFT_OK;
}

/* ---- answering ---- */

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
    (void)MHD_add_response_header(response, name, value);
}

/* Takes the page over. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct page *page) {
    struct MHD_Response *response = NULL;
    if (!page->failed && page->text != NULL) {
        response = MHD_create_response_from_buffer(page->size, page->text, MHD_RESPMEM_MUST_FREE);
    }
    if (response == NULL) {
        page_free(page);
        return MHD_NO; /* The connection is closed. */
    }
    *page = (struct page){0};
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Content-Security-Policy",
               "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
               "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
               "form-action 'none'");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        add_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    } else if (status == MHD_HTTP_UNAUTHORIZED) {
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"weft\"");
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"weft\"");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status,
                              const char *text) {
    struct page page = {0};
    page_add(&page, "%s\n", text);
    return answer(connection, status, "text/plain; charset=utf-8", &page);
}

static bool has_body(struct MHD_Connection *connection) {
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *coding =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return coding != NULL || (length != NULL && strcmp(length, "0") != 0);
}

static const struct http_route *find_route(const struct http *http, const char *path) {
    const struct http_route *route = http->routes;
    while (route->path != NULL && strcmp(route->path, path) != 0)
        route++;
    return route->path == NULL ? NULL : route;
}

/* Called when the headers are whole. It answers at once: so libmicrohttpd waits for no body, and
 * closes the connection afterwards. A connection that is silent has never asked. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_size, void **own) {
    struct http *http = context;
    (void)version;
    (void)body;
    (void)body_size;
    (void)own;
    link_heard(http, connection);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                      "This server only shows: GET and HEAD are allowed.");
    }
    if (has_body(connection)) {
        return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "This server takes no body.");
    }
    if (!host_fits(http, connection)) {
        return refuse(connection, MHD_HTTP_FORBIDDEN,
                      "This server is asked for by number, or as localhost, and not by a name.");
    }
    const struct http_route *route = find_route(http, path);
    if ((route == NULL || !route->open) && !token_fits(http, connection)) {
        return refuse(connection, MHD_HTTP_UNAUTHORIZED,
                      "A token is needed: Authorization: Bearer TOKEN.");
    }
    if (route == NULL) {
        return refuse(connection, MHD_HTTP_NOT_FOUND, "There is no such page.");
    }
    struct page page = {0};
    const unsigned status = route->show(http->context, &page);
    return answer(connection, status, route->type, &page);
}

/* ---- opening and closing ---- */

static bool is_loopback(const struct address *address) {
    uint8_t origin[16];
    static const uint8_t v6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    origin_of((const struct sockaddr *)&address->socket, origin);
    if (memcmp(origin, v6, sizeof v6) == 0) return true;
    return origin[10] == 0xff && origin[11] == 0xff && origin[12] == 127;
}

static enum weft_status fail_start(struct weft_error *why, int native, const char *address) {
    char reason[128];
    if (native == EADDRINUSE || native == EADDRNOTAVAIL || native == EACCES) {
        return status_fail(why, native == EADDRINUSE ? WEFT_PORT_IN_USE : WEFT_NET, native,
                           "showing pages at %s: %s; choose another address", address,
                           strerror_r(native, reason, sizeof reason));
    }
    return status_fail(why, WEFT_LIMIT, native,
                       "showing pages at %s: no thread, descriptor or memory left", address);
}

/* The thread takes no signals of the host's. libmicrohttpd makes the socket: whether it closes one
 * that it was given and cannot use depends on why. */
static struct MHD_Daemon *start(struct http *http, struct address *at, int *native) {
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    errno = 0;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | (at->socket.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0),
        at->port, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)&at->socket, MHD_OPTION_LISTEN_BACKLOG_SIZE, HTTP_BACKLOG,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(LIMIT_HTTP_LINKS + HTTP_SLACK),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LIMIT_HTTP_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_HTTP_REQUEST,
        MHD_OPTION_NOTIFY_CONNECTION, on_link, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped,
        NULL, MHD_OPTION_END);
    *native = errno;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return daemon;
}

/* Where it listens, when the port was left to the system. */
static void tell_bound(const struct http *http, char *bound) {
    struct sockaddr_storage socket;
    socklen_t size = sizeof socket;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    CHECK(info != NULL);
    CHECK(getsockname(info->listen_fd, (struct sockaddr *)&socket, &size) == 0);
    address_text((struct sockaddr *)&socket, size, bound);
}

static enum weft_status check_plan(const struct http_plan *plan, struct address *at,
                                   struct weft_error *why) {
    enum weft_status status = address_read(at, plan->address, why);
    if (status != WEFT_OK) return status;
    const size_t size = plan->token == NULL ? 1 : strlen(plan->token);
    if (size == 0 || size > LIMIT_HTTP_TOKEN) {
        return status_fail(why, WEFT_INVALID, 0,
                           "the token has %zu bytes; give one of 1 to %u, or none", size,
                           LIMIT_HTTP_TOKEN);
    }
    if (plan->token == NULL && !plan->anywhere && !is_loopback(at)) {
        return status_fail(why, WEFT_DENIED, 0,
                           "%s can be reached from other machines; set a token, or say that it is "
                           "meant, or use 127.0.0.1",
                           plan->address);
    }
    return WEFT_OK;
}

enum weft_status http_open(const struct http_plan *plan, struct http **out, char *bound,
                           struct weft_error *why) {
    CHECK(plan != NULL && plan->routes != NULL);
    CHECK(plan->address != NULL && out != NULL);
    struct address at;
    int native = 0;
    *out = NULL;
    enum weft_status status = check_plan(plan, &at, why);
    if (status != WEFT_OK) return status;
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory to show pages");
    http->routes = plan->routes;
    http->context = plan->context;
    http->guarded = plan->token != NULL;
    http->literal = !http->guarded && is_loopback(&at);
    if (http->guarded) hash_token(plan->token, strlen(plan->token), http->token);
    for (uint32_t i = 0; i < sizeof http->links / sizeof http->links[0]; i++)
        http->links[i].descriptor = -1;
    http->daemon = start(http, &at, &native);
    if (http->daemon == NULL) {
        status = fail_start(why, native, plan->address);
        sodium_memzero(http, sizeof *http);
        free(http);
        return status;
    }
    if (bound != NULL) tell_bound(http, bound);
    *out = http;
    return WEFT_OK;
}

void http_close(struct http *http) {
    if (http == NULL) return;
    MHD_stop_daemon(http->daemon);
    sodium_memzero(http, sizeof *http);
    free(http);
}
