/* What bridge.c (the shores' side) and bridge_thread.c with bridge_context.c (the WebSockets'
 * side) share. */
#ifndef WEFT_NET_BRIDGE_PRIVATE_H
#define WEFT_NET_BRIDGE_PRIVATE_H

#include <libwebsockets.h>
#include <pthread.h>

#include "engine/base/limits.h"
#include "engine/net/bridge.h"

struct span {
    /* Under the bridge's lock. */
    bool taken; /* free again when neither side has it */
    bool ashore, afloat;
    bool fresh; /* the bridge's thread has not seen it yet */
    int shore;
    uint32_t generation;
    struct weft_error end; /* valid once afloat is false */

    /* Written before it is fresh, then the bridge's thread's. */
    int near;
    int socket; /* accepted; -1 once libwebsockets has it, or dials */
    bool dials;
    struct websocket_address at; /* of an accepted one: the path alone */
    char address[WEFT_ADDRESS_MAX];

    /* The bridge's thread's. */
    struct lws *wsi; /* NULL: not yet, or no longer */
    bool launching;
    bool stands;
    bool spoke;    /* something was sent */
    bool readable; /* near may have bytes, or its end */
    bool left;     /* the shore is closed */
    bool polite;   /* the other side has said that it closes */
    bool foreign;  /* ... or has sent what is no part of a session */
    uint32_t held_from, held_to;
    uint8_t held[LIMIT_SPAN_CHUNK]; /* received, and not yet in the pair */
};

struct bridge {
    pthread_mutex_t lock;
    pthread_cond_t drained; /* nothing is afloat */
    /* Under the lock. */
    struct span *spans;
    uint32_t afloat;
    bool runs; /* the thread stands */
    bool halt;
    bool broken; /* it could not be started, or has ended */
    pthread_t thread;

    /* Made before the thread is started, then its own, but that `wake` may be written. */
    int wake; /* an eventfd */
    int epoll;

    /* The thread's own. */
    struct lws_context *context;
    struct lws_vhost *vhost, *tls_vhost; /* of all but wss:// dials; of those, once needed */
    uint8_t out[LWS_PRE + LIMIT_SPAN_CHUNK];
};

/* libwebsockets' name for what watches the near ends. */
#define BRIDGE_NEAR "weft-near"

/* bridge_context.c */
bool bridge_context_open(struct bridge *bridge);
/* NULL: it cannot be made. */
struct lws_vhost *bridge_vhost(struct bridge *bridge, bool tls);

/* bridge_thread.c: what libwebsockets calls, and the thread. */
int bridge_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size);
void *bridge_main(void *context);
/* Bridge's thread: nothing of the span is afloat any more. */
void bridge_sink(struct bridge *bridge, struct span *span);

#endif
