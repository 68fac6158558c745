/* What an engine may call on its device's network: the operations of engine/runtime/port.h over
 * simulated links. Every call is made between two moments of virtual time and takes none.
 *
 * Invariants
 *   1. A watch is set when something changed for its end, never merely because something is there.
 *   2. A pipe holds at most `window` bytes that its reader has not taken: a writer that outruns its
 *      reader is told WEFT_BUSY.
 * Deliberately not here: what travels, and when it arrives (link.c, net.c). */
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "tests/sim/link.h"

static struct listener *find_listener(struct host *host, net_handle handle) {
    for (uint32_t i = 0; i < LISTENERS_MAX; i++)
        if (host->listener[i].handle == handle) return &host->listener[i];
    return NULL;
}

static bool address_device(const struct host *host, const char *address, uint32_t *out) {
    if (strncmp(address, "sim:", 4) != 0) return false;
    if (address[4] < '0' || address[4] > '9' || address[5] != '\0') return false;
    *out = (uint32_t)(address[4] - '0');
    return *out < host->net->device_count;
}

static enum weft_status port_check(void *self, const char *address, struct weft_error *why) {
    uint32_t device;
    if (address_device(self, address, &device)) return WEFT_OK;
    return status_fail(why, WEFT_ADDRESS, 0, "the address \"%s\" is not of the form sim:<device>",
                       address);
}

static enum weft_status port_listen(void *self, const char *address, struct net_watch *watch,
                                    net_handle *out, char *bound, struct weft_error *why) {
    struct host *host = self;
    uint32_t device;
    CHECK(host->up && watch != NULL);
    if (port_check(self, address, why) != WEFT_OK) return WEFT_ADDRESS;
    if (!address_device(host, address, &device) || device != host->device)
        return status_fail(why, WEFT_ADDRESS, 0, "\"%s\" is another device", address);
    struct listener *listener = find_listener(host, 0);
    if (!listener) return status_fail(why, WEFT_PORT_IN_USE, 0, "\"%s\" is in use", address);
    listener->handle = *out = ++host->net->last_handle;
    listener->watch = watch;
    listener->waiting_count = 0;
    listener->wants = true;
    snprintf(bound, WEFT_ADDRESS_MAX, "%s", address);
    return WEFT_OK;
}

static enum weft_status port_accept(void *self, net_handle handle, int64_t *transfer,
                                    struct weft_error *why) {
    struct host *host = self;
    struct listener *listener = find_listener(host, handle);
    (void)why;
    CHECK(handle != 0 && listener != NULL);
    if (listener->waiting_count == 0) {
        listener->wants = true;
        return WEFT_BUSY;
    }
    *transfer = (int64_t)listener->waiting[0]->end[1].handle;
    listener->waiting_count--;
    memmove((void *)listener->waiting, (void *)(listener->waiting + 1),
            listener->waiting_count * sizeof listener->waiting[0]);
    return WEFT_OK;
}

static enum weft_status port_release(void *self, net_handle handle, int64_t *transfer,
                                     struct weft_error *why) {
    struct host *host = self;
    int side = 0;
    struct link *link = link_find(host->net, handle, &side);
    CHECK(host->up && transfer != NULL);
    CHECK(handle != 0 && link != NULL && link->end[side].watch != NULL);
    struct end *end = &link->end[side];
    if (side == 0 && !link->told) {
        link_close_end(host->net, link, side);
        return status_fail(why, WEFT_NET, 0, "the simulated link is not made yet");
    }
    /* Another number, so that whoever still holds the old one is found out. */
    end->handle = ++host->net->last_handle;
    end->watch = NULL;
    *transfer = (int64_t)end->handle;
    return WEFT_OK;
}

static void port_origin(void *self, net_handle handle, char out[WEFT_ADDRESS_MAX]) {
    struct host *host = self;
    int side = 0;
    const struct link *link = link_find(host->net, handle, &side);
    CHECK(handle != 0 && link != NULL);
    net_address(link->end[1 - side].device, out);
}

/* The link that a transfer number names: one that its device holds, and no actor. */
static struct link *find_transfer(struct host *host, int64_t transfer, int *side) {
    struct link *link = link_find(host->net, (net_handle)transfer, side);
    CHECK(transfer != 0 && link != NULL);
    CHECK(link->end[*side].device == host->device && link->end[*side].watch == NULL);
    return link;
}

static void port_discard(void *self, int64_t transfer) {
    struct host *host = self;
    int side = 0;
    if (!host->up) return; /* The connection has gone with the process. */
    struct link *link = find_transfer(host, transfer, &side);
    link_close_end(host->net, link, side);
}

static enum weft_status port_adopt(void *self, int64_t transfer, struct net_watch *watch,
                                   net_handle *out, struct weft_error *why) {
    struct host *host = self;
    int side = 0;
    struct end *end = &find_transfer(host, transfer, &side)->end[side];
    (void)why;
    CHECK(watch != NULL);
    end->watch = watch;
    end->wants_data = end->wants_room = true;
    watch->ready = true;
    *out = (net_handle)transfer;
    return WEFT_OK;
}

static enum weft_status port_dial(void *self, const char *address, struct net_watch *watch,
                                  net_handle *out, struct weft_error *why) {
    struct host *host = self;
    struct net *net = host->net;
    uint32_t device = 0;
    CHECK(host->up && watch != NULL);
    if (!address_device(host, address, &device)) return port_check(self, address, why);
    if (net->link_count == LINKS_MAX)
        return status_fail(why, WEFT_NET, 0, "the simulation has no room for another link");
    struct link *link = link_new();
    link->end[0] = (struct end){.state = END_OPEN, .device = host->device, .watch = watch};
    link->end[0].wants_data = link->end[0].wants_room = true;
    link->end[0].handle = *out = ++net->last_handle;
    link->end[1].device = device;
    link->connect_due_us = net->now_us + link_travel_us(net, link, 0);
    net->link[net->link_count++] = link;
    net->counts.links++;
    return WEFT_OK;
}

/* How much of `size` this call takes: by chance only a part. */
static size_t part_of(struct net *net, size_t size) {
    if (size <= 1 || !rng_chance(&net->rng, net->partial)) return size;
    return rng_between(&net->rng, 1, size);
}

static enum weft_status port_read(void *self, net_handle handle, void *out, size_t size,
                                  size_t *got, struct weft_error *why) {
    struct host *host = self;
    struct net *net = host->net;
    int side = 0;
    struct link *link = link_find(net, handle, &side);
    CHECK(link != NULL && size > 0);
    struct pipe *pipe = &link->pipe[1 - side];
    struct end *writer = &link->end[1 - side];
    if (pipe->arrived == 0) {
        if (link->end[side].reset)
            return status_fail(why, WEFT_NET, 0, "the simulated link was cut");
        if (pipe->fin) return WEFT_CLOSED;
        link->end[side].wants_data = true;
        return WEFT_BUSY;
    }
    *got = part_of(net, size < pipe->arrived ? size : pipe->arrived);
    pipe_take(pipe, out, *got);
    if (!net->route[host->device][writer->device].blocked) link_wake_writer(writer);
    return WEFT_OK;
}

static enum weft_status port_write(void *self, net_handle handle, const void *data, size_t size,
                                   size_t *sent, struct weft_error *why) {
    struct host *host = self;
    struct net *net = host->net;
    int side = 0;
    struct link *link = link_find(net, handle, &side);
    CHECK(link != NULL && size > 0);
    struct pipe *pipe = &link->pipe[side];
    if (link->end[side].reset)
        return status_fail(why, WEFT_NET, 0, "the simulated link was cut or refused");
    size_t room = pipe->held < net->window ? net->window - pipe->held : 0;
    if (room == 0 || (side == 0 && !link->told)) {
        link->end[side].wants_room = true;
        return WEFT_BUSY;
    }
    *sent = part_of(net, size < room ? size : room);
    const struct net_route *route = link_route(net, link, side);
    uint64_t start = pipe->free_at_us > net->now_us ? pipe->free_at_us : net->now_us;
    uint64_t wire = route->bytes_per_s ? *sent * 1000000 / route->bytes_per_s : 0;
    pipe->free_at_us = start + wire;
    uint64_t due = pipe->free_at_us + link_travel_us(net, link, side);
    pipe_append(pipe, data, *sent, due > pipe_last_due(pipe) ? due : pipe_last_due(pipe));
    return WEFT_OK;
}

static void listener_close(struct net *net, struct listener *listener) {
    for (uint32_t i = 0; i < listener->waiting_count; i++)
        link_close_end(net, listener->waiting[i], 1);
    memset(listener, 0, sizeof *listener);
}

static void port_close(void *self, net_handle handle) {
    struct host *host = self;
    int side = 0;
    CHECK(handle != 0);
    struct listener *listener = find_listener(host, handle);
    if (listener) {
        listener_close(host->net, listener);
        return;
    }
    struct link *link = link_find(host->net, handle, &side);
    /* A host whose process has ended no longer has links; its engine may still close them. */
    CHECK(link != NULL || !host->up);
    if (link) link_close_end(host->net, link, side);
}

const struct net_ops port_ops = {
    .listen = port_listen,
    .accept = port_accept,
    .release = port_release,
    .origin = port_origin,
    .discard = port_discard,
    .adopt = port_adopt,
    .dial = port_dial,
    .read = port_read,
    .write = port_write,
    .close = port_close,
    .check = port_check,
};
