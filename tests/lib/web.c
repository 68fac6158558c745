/* See web.h. */
#include "tests/lib/web.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/net/address.h"

#define WEB_PATIENCE_MS 60000

int web_connect(const char *address) {
    return web_connect_from(address, NULL);
}

int web_connect_from(const char *address, const char *from) {
    struct address at, here;
    CHECK(address_read(&at, address, NULL) == WEFT_OK);
    int descriptor = socket(at.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(descriptor >= 0);
    if (from != NULL) {
        CHECK(address_read(&here, from, NULL) == WEFT_OK);
        CHECK(bind(descriptor, (struct sockaddr *)&here.socket, here.size) == 0);
    }
    if (connect(descriptor, (struct sockaddr *)&at.socket, at.size) == 0) return descriptor;
    (void)close(descriptor);
    return -1;
}

bool web_send(int descriptor, const void *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(descriptor, (const char *)bytes + done, size - done, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        done += (size_t)sent;
    }
    return true;
}

void web_read(struct web *web, int descriptor) {
    size_t size = 0;
    web->status = 0;
    while (size < WEB_ROOM) {
        struct pollfd waits = {.fd = descriptor, .events = POLLIN};
        CHECK(poll(&waits, 1, WEB_PATIENCE_MS) == 1);
        ssize_t got = recv(descriptor, web->text + size, WEB_ROOM - size, 0);
        if (got <= 0) break;
        size += (size_t)got;
    }
    web->text[size] = 0;
    web->head = web->text;
    char *blank = strstr(web->text, "\r\n\r\n");
    web->body = blank == NULL ? web->text + size : blank + 4;
    web->size = size - (size_t)(web->body - web->text);
    (void)sscanf(web->text, "HTTP/1.%*d %d", &web->status);
}

void web_ask(struct web *web, const char *address, const char *request) {
    int descriptor = web_connect(address);
    CHECK(descriptor >= 0);
    (void)web_send(descriptor, request, strlen(request));
    web_read(web, descriptor);
    (void)close(descriptor);
}

void web_get(struct web *web, const char *address, const char *path, const char *lines) {
    char request[16384];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", path, address,
                        lines == NULL ? "" : lines);
    CHECK(size > 0 && (size_t)size < sizeof request);
    web_ask(web, address, request);
}

bool web_closed(int descriptor, int timeout_ms) {
    struct pollfd waits = {.fd = descriptor, .events = POLLIN};
    char byte;
    if (poll(&waits, 1, timeout_ms) != 1) return false;
    return recv(descriptor, &byte, 1, 0) <= 0;
}
