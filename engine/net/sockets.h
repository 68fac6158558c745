/* The net port of a running system: TCP ("127.0.0.1:7000", address.h) and WebSockets
 * ("ws://127.0.0.1:7000/weft", websocket.h), one epoll per runner thread, on which the thread also
 * sleeps. */
#ifndef WEFT_NET_SOCKETS_H
#define WEFT_NET_SOCKETS_H

#include "engine/runtime/runner.h"

/* Real time and sockets, for one engine. Ended by the ports' end(). Without memory every open()
 * fails. Thread: any. */
struct runner_ports sockets_ports(void);

#endif
