/* The simulated network's time, and what the world does to it.
 *
 *     CONNECTING ── arrival at a listener with room ──► ESTABLISHED ── both ends let go ──► freed
 *          └─────── nobody listens ──► reset
 *
 * Invariants
 *   1. net_due() names a moment at which net_advance() will change something, so time never stands.
 *   2. Nothing depends on the order of addresses in memory.
 * Deliberately not here: what goes wrong when (faults.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/link.h"

/* Forgets links that nobody holds any more. */
static void sweep_links(struct net *net) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < net->link_count; i++) {
        struct link *link = net->link[i];
        if (link->end[0].state != END_OPEN && link->end[1].state != END_OPEN)
            link_free(link);
        else
            net->link[kept++] = link;
    }
    net->link_count = kept;
}

/* ---- delivery -------------------------------------------------------------------------------- */

/* A dial arrives where it was going. */
static void arrive_connect(struct net *net, struct link *link) {
    struct host *host = &net->host[link->end[1].device];
    link->connect_due_us = NEVER;
    if (!host->powered) {
        link->connect_due_us = net->now_us + 1000000; /* it is sent again */
        return;
    }
    struct listener *listener = NULL;
    for (uint32_t i = 0; i < LISTENERS_MAX && host->up && !host->refuses; i++)
        if (host->listener[i].handle && host->listener[i].waiting_count < BACKLOG)
            listener = &host->listener[i];
    if (!listener || link->end[0].state != END_OPEN) {
        net->counts.refused++;
        link_send_reset(net, link, 1);
        return;
    }
    link->established = true;
    link->told_due_us = net->now_us + link_travel_us(net, link, 1);
    link->end[1].state = END_OPEN;
    link->end[1].wants_data = link->end[1].wants_room = true;
    link->end[1].handle = ++net->last_handle;
    listener->waiting[listener->waiting_count++] = link;
    if (listener->wants) listener->watch->ready = true;
    listener->wants = false;
}

/* Bytes that arrive where nobody is any more are answered by a reset, or by nothing. */
static void arrive_nowhere(struct net *net, struct link *link, int from) {
    struct end *to = &link->end[1 - from];
    if (to->state == END_GONE && !net->host[to->device].powered) return;
    net->counts.bytes_lost += pipe_lose(&link->pipe[from]);
    link_send_reset(net, link, 1 - from);
}

static void cut_link(struct net *net, struct link *link) {
    net->counts.cuts++;
    link_end_reset(net, link, 0);
    link_end_reset(net, link, 1);
}

/* Changes one bit of what arrives, if its byte is among it. */
static void flip(struct net *net, struct link *link, struct pipe *pipe, size_t size) {
    if (pipe->flip_in == NEVER) return;
    if (pipe->flip_in >= size) {
        pipe->flip_in -= size;
        return;
    }
    pipe->bytes[pipe->arrived + pipe->flip_in] ^= (uint8_t)(1u << rng_below(&net->rng, 8));
    pipe->flip_in = NEVER;
    link->changed = true;
    net->counts.flips++;
}

static void arrive_segment(struct net *net, struct link *link, int from) {
    struct pipe *pipe = &link->pipe[from];
    size_t size = pipe->segments[0].size;
    if (pipe->cut_in <= size) {
        pipe->arrived += (size_t)pipe->cut_in;
        cut_link(net, link);
        return;
    }
    if (pipe->cut_in != NEVER) pipe->cut_in -= size;
    flip(net, link, pipe, size);
    if (from == 1 && !link->told) {
        link->told = true;
        link->told_due_us = NEVER;
        link_wake_writer(&link->end[0]);
    }
    pipe->arrived += size;
    net->counts.bytes += size;
    pipe->segment_count--;
    memmove(pipe->segments, pipe->segments + 1, pipe->segment_count * sizeof *pipe->segments);
    link_wake_reader(&link->end[1 - from]);
}

/* Delivers what is due on one pipe; true if something was. */
static bool deliver(struct net *net, struct link *link, int from) {
    struct pipe *pipe = &link->pipe[from];
    struct end *to = &link->end[1 - from];
    if (link_route(net, link, from)->blocked || link->swallows) return false;
    if (pipe->reset_due_us <= net->now_us) {
        link_end_reset(net, link, 1 - from);
        return true;
    }
    if (from == 1 && link->told_due_us <= net->now_us) {
        link->told_due_us = NEVER;
        link->told = true;
        link_wake_writer(to);
        return true;
    }
    if (to->reset) return false;
    if (pipe->segment_count > 0 && pipe->segments[0].due_us <= net->now_us) {
        if (to->state == END_OPEN)
            arrive_segment(net, link, from);
        else if (to->state == END_GONE && !net->host[to->device].powered)
            return false;
        else
            arrive_nowhere(net, link, from);
        return true;
    }
    if (pipe->segment_count == 0 && pipe->fin_due_us <= net->now_us) {
        pipe->fin_due_us = NEVER;
        pipe->fin = true;
        link_wake_reader(to);
        return true;
    }
    return false;
}

static void deliver_all(struct net *net, struct link *link) {
    if (link->connect_due_us <= net->now_us && !link_route(net, link, 0)->blocked)
        arrive_connect(net, link);
    for (int from = 0; from < 2; from++) {
        while (deliver(net, link, from)) {
        }
        /* Room made at the far end is news that travels back. */
        struct pipe *pipe = &link->pipe[from];
        struct end *writer = &link->end[from];
        if (from == 0 && !link->told) continue;
        if (writer->wants_room && pipe->held < net->window && !writer->reset &&
            !link_route(net, link, 1 - from)->blocked) {
            link_wake_writer(writer);
        }
    }
}

void net_advance(struct net *net, uint64_t now_us) {
    CHECK(now_us >= net->now_us);
    net->now_us = now_us;
    for (uint32_t i = 0; i < net->link_count; i++)
        deliver_all(net, net->link[i]);
    sweep_links(net);
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t pipe_due(const struct net *net, const struct link *link, int from) {
    const struct pipe *pipe = &link->pipe[from];
    const struct end *to = &link->end[1 - from];
    if (net->route[link->end[from].device][to->device].blocked || link->swallows) return NEVER;
    uint64_t due = pipe->reset_due_us;
    if (from == 1) due = least(due, link->told_due_us);
    if (to->reset) return due;
    if (pipe->segment_count > 0) {
        bool dark = to->state == END_GONE && !net->host[to->device].powered;
        return dark ? due : least(due, pipe->segments[0].due_us);
    }
    return least(due, pipe->fin_due_us);
}

uint64_t net_due(const struct net *net) {
    uint64_t due = NEVER;
    for (uint32_t i = 0; i < net->link_count; i++) {
        const struct link *link = net->link[i];
        if (!net->route[link->end[0].device][link->end[1].device].blocked)
            due = least(due, link->connect_due_us);
        due = least(due, pipe_due(net, link, 0));
        due = least(due, pipe_due(net, link, 1));
    }
    return due;
}

/* ---- what engines are given ---- */

static void port_wait(void *self, uint64_t timeout_us) {
    (void)self;
    (void)timeout_us;
}

static enum weft_status runner_port_open(void *self, int wake_descriptor, struct runner_port *out,
                                         struct weft_error *why) {
    (void)wake_descriptor;
    (void)why;
    *out = (struct runner_port){.net = {.self = self, .ops = &port_ops}, .wait = port_wait};
    return WEFT_OK;
}

static void runner_port_close(void *self, struct runner_port *port) {
    (void)self;
    memset(port, 0, sizeof *port);
}

struct runner_ports net_ports(struct net *net, uint32_t device, struct time_port time) {
    CHECK(device < net->device_count);
    return (struct runner_ports){.time = time,
                                 .self = &net->host[device],
                                 .open = runner_port_open,
                                 .close = runner_port_close};
}

void net_address(uint32_t device, char out[NET_ADDRESS_SIZE]) {
    snprintf(out, NET_ADDRESS_SIZE, "sim:%u", device);
}

/* ---- what the world does ---- */

struct net *net_open(uint32_t device_count, uint32_t window, uint64_t seed) {
    CHECK(device_count <= NET_DEVICES && window > 0);
    struct net *net = calloc(1, sizeof *net);
    CHECK(net != NULL);
    rng_seed(&net->rng, seed, UINT64_C(0x4e7));
    net->device_count = device_count;
    net->window = window;
    for (uint32_t i = 0; i < device_count; i++) {
        net->host[i].net = net;
        net->host[i].device = i;
    }
    return net;
}

void net_close(struct net *net) {
    for (uint32_t i = 0; i < net->link_count; i++)
        link_free(net->link[i]);
    free(net);
}

void net_set_partial(struct net *net, uint32_t permille) {
    net->partial = permille;
}

struct net_route *net_route(struct net *net, uint32_t from, uint32_t to) {
    CHECK(from < net->device_count && to < net->device_count);
    return &net->route[from][to];
}

/* The youngest link that stands between two devices, and the side of `from` on it. */
static struct link *find_between(struct net *net, uint32_t from, uint32_t to, int *side) {
    for (uint32_t i = net->link_count; i-- > 0;) {
        struct link *link = net->link[i];
        for (*side = 0; *side < 2; ++*side)
            if (link->end[*side].device == from && link->end[1 - *side].device == to &&
                link->established && !link->end[*side].reset && !link->swallows)
                return link;
    }
    return NULL;
}

bool net_cut(struct net *net, uint32_t from, uint32_t to, uint64_t after_bytes) {
    int side = 0;
    struct link *link = find_between(net, from, to, &side);
    if (!link) return false;
    if (after_bytes == 0)
        cut_link(net, link);
    else
        link->pipe[side].cut_in = after_bytes;
    return true;
}

bool net_swallow(struct net *net, uint32_t from, uint32_t to) {
    int side = 0;
    struct link *link = find_between(net, from, to, &side);
    if (link) link->swallows = true;
    return link != NULL;
}

bool net_flip(struct net *net, uint32_t from, uint32_t to, uint64_t after_bytes) {
    int side = 0;
    struct link *link = find_between(net, from, to, &side);
    if (link) link->pipe[side].flip_in = after_bytes;
    return link != NULL;
}

bool net_any_flipped(const struct net *net) {
    for (uint32_t i = 0; i < net->link_count; i++) {
        const struct link *link = net->link[i];
        bool ended = false;
        for (int side = 0; side < 2; side++)
            ended = ended || link->end[side].state != END_OPEN || link->end[side].reset;
        if (link->changed && !ended) return true;
    }
    return false;
}

void net_refuse(struct net *net, uint32_t device, bool refuses) {
    CHECK(device < net->device_count);
    net->host[device].refuses = refuses;
}

void net_end(struct net *net, uint32_t device, bool silent) {
    struct host *host = &net->host[device];
    CHECK(host->up);
    for (uint32_t i = 0; i < net->link_count; i++)
        for (int side = 0; side < 2; side++) {
            struct end *end = &net->link[i]->end[side];
            if (end->device != device || end->state != END_OPEN) continue;
            if (!silent) {
                link_close_end(net, net->link[i], side);
                continue;
            }
            end->state = END_GONE;
            end->watch = NULL;
            end->handle = 0;
        }
    memset(host->listener, 0, sizeof host->listener);
    host->up = false;
    host->powered = !silent;
}

void net_boot(struct net *net, uint32_t device) {
    CHECK(device < net->device_count);
    net->host[device].up = net->host[device].powered = true;
}

uint32_t net_links(const struct net *net) {
    return net->link_count;
}

struct net_counts net_counts(const struct net *net) {
    return net->counts;
}
