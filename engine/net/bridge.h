/* WebSocket connections as plain descriptors: each is a span, whose shore is one end of a pair of
 * stream sockets that a net port reads and writes as it does those of TCP.
 *
 *     port's thread                      the bridge's one thread, in libwebsockets
 *     link ◄──► shore ═══ pair ═══ near ◄──► messages ◄──► socket ◄──► the other side
 *
 * A shore may be used by any thread and go from one to another, as any descriptor may. When the
 * WebSocket ends, the shore reads its end after the last byte, and bridge_end() tells why; when
 * the shore is closed, what was written to it is carried over before the WebSocket is closed.
 *
 * Bounds: LIMIT_SPANS connections; of each at most LIMIT_SPAN_PAIR bytes in each direction of the
 * pair and one LIMIT_SPAN_CHUNK in between. Whoever does not read holds up its own span alone. */
#ifndef WEFT_NET_BRIDGE_H
#define WEFT_NET_BRIDGE_H

#include "engine/net/websocket.h"

struct bridge;

/* A span, as the bridge numbers it: above 2^32, so that no descriptor is one. 0 is none. */
typedef uint64_t span_handle;

/* The thread is started by the first connection. NULL: no memory. Thread: any. */
struct bridge *bridge_open(void);
/* Waits up to LIMIT_SPAN_LINGER_US until what was written to closed shores has left, and ends the
 * rest. No other call may be under way. */
void bridge_close(struct bridge *bridge);
/* Makes a span of a connection that was accepted, whatever comes of it: its first bytes must ask
 * for `path`. Takes the descriptor over, also after a failure. Thread: any.
 * Errors: WEFT_LIMIT (spans, descriptors, threads). */
enum weft_status bridge_carry(struct bridge *bridge, int descriptor, const char *path,
                              const char *remote, span_handle *out, struct weft_error *why);
/* Begins to connect; `address` is for messages. Errors: as bridge_carry(). Thread: any. */
enum weft_status bridge_dial(struct bridge *bridge, const struct websocket_address *at,
                             const char *address, span_handle *out, struct weft_error *why);
/* The descriptor of a span and where it leads, "host:port" or the address that was dialled. */
int bridge_shore(struct bridge *bridge, span_handle handle, char address[WEFT_ADDRESS_MAX]);
/* Of a dialled span whose shore is not in use yet: WEFT_OK once the connection stands, WEFT_BUSY
 * while it is being made (the shore becomes readable when that changes), WEFT_NET. */
enum weft_status bridge_settle(struct bridge *bridge, span_handle handle, struct weft_error *why);
/* Why the shore has read its end: WEFT_CLOSED or WEFT_NET. */
enum weft_status bridge_end(struct bridge *bridge, span_handle handle, struct weft_error *why);
/* Closes the shore; the handle is gone. Thread: any. */
void bridge_leave(struct bridge *bridge, span_handle handle);

#endif
