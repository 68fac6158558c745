/* Addresses of WebSockets as text: "ws://127.0.0.1:7000/weft", "wss://[2001:db8::1]:443/weft".
 * Hosts are numbers, as in address.h; the port must be named; without a path it is /weft. */
#ifndef WEFT_NET_WEBSOCKET_H
#define WEFT_NET_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/weft.h"

#define WEBSOCKET_PATH "/weft"
/* The subprotocol (Sec-WebSocket-Protocol) that carries sealed sessions. */
#define WEBSOCKET_PROTOCOL "weft.v1"

struct websocket_address {
    bool tls;                      /* wss */
    char stream[WEFT_ADDRESS_MAX]; /* host:port, as address_read() takes it */
    char host[WEFT_ADDRESS_MAX];   /* ... without the brackets of IPv6 */
    uint16_t port;
    char path[WEFT_ADDRESS_MAX]; /* from its slash on */
};

/* Whether it has a scheme ("...://"), and so is to be read by this module. */
bool websocket_is(const char *text);
/* Errors: WEFT_ADDRESS. Thread: any. */
enum weft_status websocket_read(struct websocket_address *out, const char *text,
                                struct weft_error *why);

#endif
