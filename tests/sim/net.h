/* The simulated network: byte streams between devices, over routes that delay, throttle, lose and
 * block, in virtual time. Each device gets runner ports from it. Addresses are "sim:<device>". */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "engine/runtime/runner.h"
#include "tests/sim/rng.h"

#define NET_DEVICES 8u
#define NET_ADDRESS_SIZE 16u

struct net;

/* One direction between two devices. */
struct net_route {
    uint64_t latency_us;
    uint64_t jitter_us;   /* added by chance to each write; order is kept */
    uint64_t bytes_per_s; /* 0: no bound */
    bool blocked;         /* nothing passes; what waits passes once it is unblocked */
};

struct net_counts {
    uint64_t links, refused, cuts, flips, bytes, bytes_lost;
};

/* `device_count` ≤ NET_DEVICES; window: bytes one direction of a link may hold. Never NULL. */
struct net *net_open(uint32_t device_count, uint32_t window, uint64_t seed);
void net_close(struct net *net);
/* Permille of reads and writes that take only a part. */
void net_set_partial(struct net *net, uint32_t permille);

void net_address(uint32_t device, char out[NET_ADDRESS_SIZE]);
/* The ports of a device; `time` is passed on. Valid while the net is open. */
struct runner_ports net_ports(struct net *net, uint32_t device, struct time_port time);

/* Virtual time has come to `now_us`: delivers what is due. */
void net_advance(struct net *net, uint64_t now_us);
/* When something will be due, or UINT64_MAX. */
uint64_t net_due(const struct net *net);

/* To be changed at will; changes count from the next write or delivery. */
struct net_route *net_route(struct net *net, uint32_t from, uint32_t to);
/* Cuts the youngest link between two devices once `after_bytes` more bytes have passed in the
 * direction from → to; what is behind them is lost. False when there is no link. */
bool net_cut(struct net *net, uint32_t from, uint32_t to, uint64_t after_bytes);
/* Makes the youngest link between two devices swallow all that is sent on it, and tell nobody. */
bool net_swallow(struct net *net, uint32_t from, uint32_t to);
/* Changes one bit of the youngest link between two devices, in the byte that follows the next
 * `after_bytes`; later links are whole. False when there is no link. */
bool net_flip(struct net *net, uint32_t from, uint32_t to, uint64_t after_bytes);
/* Whether a link of which a bit was changed still stands at both ends. */
bool net_any_flipped(const struct net *net);
/* While a device refuses, nobody can dial it. */
void net_refuse(struct net *net, uint32_t device, bool refuses);
/* The device's process has ended. Loud: its system resets every link. Silent (power is gone): the
 * others learn of it only by what they send after net_boot(). The engine must not use its ports. */
void net_end(struct net *net, uint32_t device, bool silent);
/* The device may use its ports (again). */
void net_boot(struct net *net, uint32_t device);

uint32_t net_links(const struct net *net);
struct net_counts net_counts(const struct net *net);

#endif
