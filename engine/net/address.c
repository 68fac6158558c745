/* See address.h.
 *
 *     127.0.0.1:7000      host, port
 *     [::1]:7000          IPv6 in brackets, because it has colons of its own
 *     localhost:7000      127.0.0.1, without a look-up
 *
 * Invariant: nothing here asks a name server. */
#include "engine/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

static enum weft_status refuse(struct weft_error *why, const char *text, const char *reason) {
    return status_fail(why, WEFT_ADDRESS, 0, "\"%.*s\" cannot be used as an address: %s",
                       (int)WEFT_ADDRESS_MAX, text, reason);
}

/* Splits "host:port"; the parts point into `copy`. NULL if well, else what is wrong. */
static const char *split(char *copy, char **host, char **port) {
    char *colon = strrchr(copy, ':');
    if (colon == NULL) return "it has no port; write host:port, as 127.0.0.1:7000";
    *host = copy;
    *port = colon + 1;
    *colon = '\0';
    if (copy[0] == '[') {
        if (colon == copy || colon[-1] != ']') {
            return "its bracket does not close before the port; write [host]:port, as [::1]:7000";
        }
        colon[-1] = '\0';
        *host = copy + 1;
    } else if (strchr(copy, ':') != NULL) {
        return "an IPv6 address needs brackets; write [host]:port, as [::1]:7000";
    }
    if ((*host)[0] == '\0') return "it has no host; write host:port, as 127.0.0.1:7000";
    return NULL;
}

static bool read_port(const char *text, uint16_t *out) {
    unsigned long value = 0;
    if (text[0] == '\0') return false;
    for (const char *digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') return false;
        value = value * 10 + (unsigned long)(*digit - '0');
        if (value > 65535) return false;
    }
    *out = (uint16_t)value;
    return true;
}

enum weft_status address_read(struct address *out, const char *text, struct weft_error *why) {
    CHECK(out != NULL);
    CHECK(text != NULL);
    char copy[WEFT_ADDRESS_MAX];
    char *host = NULL, *port = NULL;
    memset(out, 0, sizeof *out);
    size_t length = strlen(text);
    if (length >= sizeof copy) return refuse(why, text, "it is too long; write host:port");
    memcpy(copy, text, length + 1);
    const char *wrong = split(copy, &host, &port);
    if (wrong != NULL) return refuse(why, text, wrong);
    if (!read_port(port, &out->port)) {
        return refuse(why, text, "its port is not a number from 0 to 65535");
    }
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(number, NULL, &hints, &found) != 0 || found == NULL) {
        return refuse(why, text,
                      "its host is not a number, and names are not looked up; write the number, as "
                      "127.0.0.1:7000 or [::1]:7000");
    }
    CHECK(found->ai_addrlen <= sizeof out->socket);
    memcpy(&out->socket, found->ai_addr, found->ai_addrlen);
    out->size = found->ai_addrlen;
    freeaddrinfo(found);
    uint16_t network = htons(out->port);
    size_t at = out->socket.ss_family == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_port)
                                                  : offsetof(struct sockaddr_in, sin_port);
    memcpy((char *)&out->socket + at, &network, sizeof network);
    return WEFT_OK;
}

void address_text(const struct sockaddr *socket, socklen_t size, char out[WEFT_ADDRESS_MAX]) {
    char host[INET6_ADDRSTRLEN + 20], port[8];
    CHECK(socket != NULL && out != NULL);
    int failed = getnameinfo(socket, size, host, sizeof host, port, sizeof port,
                             NI_NUMERICHOST | NI_NUMERICSERV);
    CHECK(failed == 0);
    bool v6 = socket->sa_family == AF_INET6;
    int length =
        snprintf(out, WEFT_ADDRESS_MAX, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    CHECK(length > 0 && length < (int)WEFT_ADDRESS_MAX);
}

enum weft_status address_no_port(const char *text, struct weft_error *why) {
    return status_fail(why, WEFT_ADDRESS, 0,
                       "\"%s\" cannot be connected to: port 0 only means something when listening; "
                       "give the port of the other side",
                       text);
}
