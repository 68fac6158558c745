/* A small HTTP server for pages that a program shows of itself: a table of routes, nothing more.
 *
 *   connection ─► bounded ─► method, body ─► Host ─► token ─► route ─► page
 *                   └─ the oldest goes  └─ 405, 413   └─ 403   └─ 401   └─ 404
 *
 * It stands on libmicrohttpd, of which only http.c knows: one thread, which sleeps in poll.
 * Invariants
 *   1. Whatever strangers send, memory and descriptors stay within LIMIT_HTTP_*.
 *   2. A connection that asks is answered however many others are silent: a new one takes the place
 *      of that which has been silent longest, of its own address first.
 *   3. Nothing is taken from a client: no body, no path but those of the table, no method but GET
 *      and HEAD.
 * Not here: TLS. Beyond this machine a server that has it belongs in front. */
#ifndef WEFT_NET_HTTP_H
#define WEFT_NET_HTTP_H

#include "engine/net/page.h"
#include "engine/weft.h"

struct http_route {
    const char *path; /* as "/metrics"; NULL ends a table */
    const char *type; /* of its content */
    bool open;        /* no token is asked for */
    /* Writes the page; the HTTP status is returned. Thread: the server's. */
    unsigned (*show)(void *context, struct page *page);
};

struct http_plan {
    const char *address;             /* "host:port"; port 0: any free one */
    const char *token;               /* copied as a hash; NULL: none is asked for */
    bool anywhere;                   /* an address beyond this machine is meant, without a token */
    const struct http_route *routes; /* ended by a path NULL; borrowed until http_close() */
    void *context;                   /* for `show` */
};

struct http;

/* Listens, and answers on a thread of its own from then on. `bound` (may be NULL) receives the
 * address in use. Thread: any.
 * Errors: WEFT_ADDRESS, WEFT_DENIED (beyond this machine, and neither `token` nor `anywhere`),
 *   WEFT_INVALID (the token is empty, or too long), WEFT_PORT_IN_USE, WEFT_NET, WEFT_LIMIT,
 *   WEFT_NO_MEMORY. */
enum weft_status http_open(const struct http_plan *plan, struct http **out, char *bound,
                           struct weft_error *why);
/* Ends every connection; waits for a page that is being written. NULL is allowed. */
void http_close(struct http *http);

#endif
