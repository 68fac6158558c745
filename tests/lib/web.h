/* Asks a server by HTTP, over a real socket, with whatever bytes the test wants.
 *
 *     struct web web;
 *     web_get(&web, address, "/metrics", "Authorization: Bearer x\r\n");
 *     assert_int_equal(web.status, 200); */
#ifndef TESTS_LIB_WEB_H
#define TESTS_LIB_WEB_H

#include <stdbool.h>
#include <stddef.h>

#define WEB_ROOM (1u << 20)

/* An answer. */
struct web {
    int status; /* 0: the connection ended without one */
    char *head; /* up to the blank line; both lie in `text` */
    char *body;
    size_t size; /* of the body */
    char text[WEB_ROOM + 1];
};

/* Connects; the socket, or -1 when that is refused. */
int web_connect(const char *address);
/* The same, coming from another address of this machine; NULL: any. */
int web_connect_from(const char *address, const char *from);
/* Sends all bytes; false when the other side has closed. */
bool web_send(int descriptor, const void *bytes, size_t size);
/* Sends a request and reads the answer, to its end. The connection is closed. */
void web_ask(struct web *web, const char *address, const char *request);
/* GET `path`, with further header lines; those end in \r\n. NULL: none. */
void web_get(struct web *web, const char *address, const char *path, const char *lines);
/* Reads an answer from a connection. */
void web_read(struct web *web, int descriptor);
/* Whether the other side has closed, or does so within the time. */
bool web_closed(int descriptor, int timeout_ms);

#endif
