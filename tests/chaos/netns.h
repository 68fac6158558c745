/* Networks of one's own: each device has a network namespace, which a router joins with the others.
 *
 *      10.98.0.2 ── 10.98.0.1 ┐           ┌ 10.98.1.1 ── 10.98.1.2
 *                             ├── router ─┤
 *                             │           └ 10.98.2.1 ── 10.98.2.2
 *
 * The director's thread enters the router's namespace. Nothing has a name outside: a namespace is
 * held by a descriptor and the processes in it, and is gone with them, however they end. */
#ifndef TESTS_CHAOS_NETNS_H
#define TESTS_CHAOS_NETNS_H

#include <stdbool.h>
#include <stddef.h>

#define NETNS_MAX 4u

struct netns {
    unsigned count;
    int router, spaces[NETNS_MAX]; /* descriptors of namespaces */
    unsigned host[NETNS_MAX];      /* the last number of each device's address */
    bool quick;                    /* TCP gives up after seconds, not after a quarter of an hour */
};

/* False when this machine does not allow it, or lacks what it takes: `why` says what. */
bool netns_open(struct netns *netns, unsigned count, char *why, size_t cap);
void netns_close(struct netns *netns);
/* A device's address. */
void netns_address(const struct netns *netns, unsigned device, char *out, size_t cap);
/* The cable of a device is pulled out, or put in again. */
void netns_plug(struct netns *netns, unsigned device, bool in);
/* What a device sends to another one vanishes, or does no longer. */
void netns_blackhole(struct netns *netns, unsigned device, unsigned to, bool vanishes);
/* The device has another address from now on. */
void netns_move(struct netns *netns, unsigned device);

#endif
