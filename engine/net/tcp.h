/* TCP sockets, non-blocking: listening, accepting, dialling, bytes. What a net port (sockets.h)
 * does with them. Every call fills `why` when it fails. Thread: the port's. */
#ifndef WEFT_NET_TCP_H
#define WEFT_NET_TCP_H

#include <stddef.h>

#include "engine/weft.h"

/* A socket that listens on "host:port"; `bound` receives the address in use. Errors: WEFT_ADDRESS,
 * WEFT_PORT_IN_USE, WEFT_NET, WEFT_LIMIT. */
enum weft_status tcp_listen(const char *address, int *out, char bound[WEFT_ADDRESS_MAX],
                            struct weft_error *why);
/* Takes a waiting connection of a socket that listens on `address`. Errors: WEFT_BUSY (none),
 * WEFT_NET, WEFT_LIMIT. */
enum weft_status tcp_accept(int listener, const char *address, int *out, struct weft_error *why);
/* Who is at the other end of an accepted connection, "host:port". */
void tcp_remote(int descriptor, char out[WEFT_ADDRESS_MAX]);
/* Small writes leave at once. Fails only on a connection that is gone already. */
void tcp_hasten(int descriptor);
/* Begins to connect. Errors: WEFT_ADDRESS, WEFT_NET, WEFT_LIMIT. */
enum weft_status tcp_dial(const char *address, int *out, struct weft_error *why);
/* WEFT_OK once a dialled connection stands; WEFT_BUSY while it is being made; WEFT_NET. */
enum weft_status tcp_settle(int descriptor, const char *address, struct weft_error *why);
/* As net_ops' read() and write(), of any stream socket; `address` is for messages. */
enum weft_status tcp_read(int descriptor, const char *address, void *out, size_t size, size_t *got,
                          struct weft_error *why);
enum weft_status tcp_write(int descriptor, const char *address, const void *data, size_t size,
                           size_t *sent, struct weft_error *why);

#endif
