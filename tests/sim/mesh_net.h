/* A plain network for very many simulated devices: byte streams with a fixed delay, of which
 * nothing goes wrong. Each call takes the same time however many devices there are.
 *
 *      dial ──delay──► waits at the listener ──accept──► both ends are open
 *      write ──delay──► may be read; a pipe holds MESH_WINDOW bytes at most
 *
 * Whoever steps a device asks mesh_net_deliver() first, and is told by `wakes` when a device is to
 * be stepped next. Addresses are "mesh:<device>". For networks in which something goes wrong, see
 * net.h. */
#ifndef SIM_MESH_NET_H
#define SIM_MESH_NET_H

#include "engine/runtime/runner.h"

#define MESH_WINDOW (256u << 10)
#define MESH_ADDRESS 24u

struct mesh_net;

/* `now_us` is the simulation's time, which it sets; `wakes` is called when something will be due
 * for a device. Both must outlive the net. Never NULL. */
struct mesh_net *mesh_net_open(uint32_t devices, uint64_t delay_us, const uint64_t *now_us,
                               void (*wakes)(void *context, uint32_t device, uint64_t due_us),
                               void *context);
void mesh_net_close(struct mesh_net *net);
void mesh_net_address(uint32_t device, char out[MESH_ADDRESS]);
/* The ports of a device, for its engine. */
struct runner_ports mesh_net_ports(struct mesh_net *net, uint32_t device, struct time_port time);
/* Sets the watches of a device for what has come to it by now; returns when more will have come,
 * UINT64_MAX: nothing is under way. */
uint64_t mesh_net_deliver(struct mesh_net *net, uint32_t device);
/* How many writes have been made by all devices, and how many bytes. */
uint64_t mesh_net_writes(const struct mesh_net *net);
uint64_t mesh_net_bytes(const struct mesh_net *net);

#endif
