/* Socket addresses as text: "127.0.0.1:7000", "[::1]:7000", "localhost:7000". Numbers only: looking
 * a name up would block. */
#ifndef WEFT_NET_ADDRESS_H
#define WEFT_NET_ADDRESS_H

#include <sys/socket.h>

#include "engine/weft.h"

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
    uint16_t port;
};

/* Reads "host:port" or "[host]:port". Errors: WEFT_ADDRESS. Thread: any. */
enum weft_status address_read(struct address *out, const char *text, struct weft_error *why);
/* What a dial to port 0 is told; WEFT_ADDRESS. */
enum weft_status address_no_port(const char *text, struct weft_error *why);
/* The other way; terminated. */
void address_text(const struct sockaddr *socket, socklen_t size, char out[WEFT_ADDRESS_MAX]);

#endif
