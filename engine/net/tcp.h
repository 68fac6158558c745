/* The net port over TCP: one epoll per runner thread, on which the thread also sleeps. */
#ifndef WEFT_NET_TCP_H
#define WEFT_NET_TCP_H

#include "engine/runtime/runner.h"

/* Real time and TCP, for runner_open(). The ports have state per open() only. Thread: any. */
struct runner_ports tcp_ports(void);

#endif
