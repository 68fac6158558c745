/* See mesh_net.h.
 *
 * Invariants
 *   1. A handle is the number of its link, its side and 1: it is found without a search.
 *   2. A watch is set when something changed for its end, never merely because something is there.
 *   3. Whoever may go on later is woken at that time. */
#include "tests/sim/mesh_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/status.h"

#define NEVER UINT64_MAX
#define LISTENER ((net_handle)1 << 62) /* ... of a device, of which each has one at most */

struct segment {
    uint64_t due_us;
    size_t size;
};

struct pipe {
    uint8_t *bytes;
    size_t held, room;
    struct segment *segments;
    uint32_t count, segment_room;
    uint64_t fin_us; /* NEVER: the writer has not ended */
};

struct end {
    uint32_t device;
    struct net_watch *watch;
    bool open, adopted, wants_data, wants_room;
};

struct mesh_link {
    struct end end[2];
    struct pipe pipe[2]; /* pipe[i] carries from end i to the other */
    uint64_t made_us;    /* from when on the dialler may write */
};

struct waiting {
    uint64_t due_us;
    uint32_t link;
};

struct mesh_host {
    struct mesh_net *net;
    uint32_t device;
    struct net_watch *listens; /* NULL: it does not */
    bool wants;                /* accept() has said WEFT_BUSY */
    struct waiting *waiting;
    uint32_t waiting_count, waiting_room;
    uint32_t *links; /* numbers of those with an open end here, twice the link and the side */
    uint32_t link_count, link_room;
};

struct mesh_net {
    uint32_t devices;
    uint64_t delay_us;
    const uint64_t *now_us;
    void (*wakes)(void *context, uint32_t device, uint64_t due_us);
    void *context;
    struct mesh_host *hosts;
    struct mesh_link **links;
    uint32_t link_count, link_room;
    uint64_t writes, bytes;
};

/* Makes room for one more. */
static void *grown(void *list, uint32_t count, uint32_t *room, size_t size) {
    if (count < *room) return list;
    *room = *room == 0 ? 8 : 2 * *room;
    list = realloc(list, *room * size);
    CHECK(list != NULL);
    return list;
}

static void wake(struct mesh_net *net, uint32_t device, uint64_t due_us) {
    net->wakes(net->context, device, due_us);
}

static uint64_t arrival_us(const struct mesh_net *net) {
    return *net->now_us + net->delay_us;
}

/* ---- links ----------------------------------------------------------------------------------- */

static struct mesh_link *link_of(const struct mesh_net *net, net_handle handle, int *side) {
    const uint64_t number = handle - 1;
    CHECK(handle != 0 && number / 2 < net->link_count && net->links[number / 2] != NULL);
    *side = (int)(number % 2);
    return net->links[number / 2];
}

static void host_add(struct mesh_host *host, uint32_t end) {
    host->links = grown(host->links, host->link_count, &host->link_room, sizeof *host->links);
    host->links[host->link_count++] = end;
}

static void host_remove(struct mesh_host *host, uint32_t end) {
    for (uint32_t i = 0; i < host->link_count; i++) {
        if (host->links[i] != end) continue;
        host->links[i] = host->links[--host->link_count];
        return;
    }
}

static size_t arrived(const struct mesh_net *net, const struct pipe *pipe) {
    size_t size = 0;
    for (uint32_t i = 0; i < pipe->count && pipe->segments[i].due_us <= *net->now_us; i++)
        size += pipe->segments[i].size;
    return size;
}

static void pipe_take(struct pipe *pipe, void *out, size_t size) {
    uint32_t gone = 0;
    memcpy(out, pipe->bytes, size);
    pipe->held -= size;
    memmove(pipe->bytes, pipe->bytes + size, pipe->held);
    while (gone < pipe->count && pipe->segments[gone].size <= size)
        size -= pipe->segments[gone++].size;
    pipe->count -= gone;
    memmove(pipe->segments, pipe->segments + gone, pipe->count * sizeof *pipe->segments);
    if (size > 0) pipe->segments[0].size -= size;
}

static void pipe_add(struct pipe *pipe, const void *data, size_t size, uint64_t due_us) {
    while (pipe->held + size > pipe->room) {
        pipe->room = pipe->room == 0 ? 4096 : 2 * pipe->room;
        pipe->bytes = realloc(pipe->bytes, pipe->room);
        CHECK(pipe->bytes != NULL);
    }
    memcpy(pipe->bytes + pipe->held, data, size);
    pipe->held += size;
    if (pipe->count > 0 && pipe->segments[pipe->count - 1].due_us == due_us) {
        pipe->segments[pipe->count - 1].size += size;
        return;
    }
    pipe->segments =
        grown(pipe->segments, pipe->count, &pipe->segment_room, sizeof *pipe->segments);
    pipe->segments[pipe->count++] = (struct segment){due_us, size};
}

static void link_free(struct mesh_link *link) {
    for (int side = 0; link != NULL && side < 2; side++) {
        free(link->pipe[side].bytes);
        free(link->pipe[side].segments);
    }
    free(link);
}

static void end_close(struct mesh_net *net, uint32_t number, int side) {
    struct mesh_link *link = net->links[number];
    struct end *end = &link->end[side], *other = &link->end[1 - side];
    if (!end->open) return;
    end->open = false;
    end->watch = NULL;
    host_remove(&net->hosts[end->device], 2 * number + (uint32_t)side);
    link->pipe[side].fin_us = arrival_us(net);
    if (other->open) {
        wake(net, other->device, link->pipe[side].fin_us);
        return;
    }
    link_free(link);
    net->links[number] = NULL;
}

/* ---- what engines are given ------------------------------------------------------------------ */

static bool address_device(const struct mesh_net *net, const char *address, uint32_t *out) {
    char *end = NULL;
    if (strncmp(address, "mesh:", 5) != 0 || address[5] == '\0') return false;
    *out = (uint32_t)strtoul(address + 5, &end, 10);
    return *end == '\0' && *out < net->devices;
}

static enum weft_status port_check(void *self, const char *address, struct weft_error *why) {
    const struct mesh_host *host = self;
    uint32_t device;
    if (address_device(host->net, address, &device)) return WEFT_OK;
    return status_fail(why, WEFT_ADDRESS, 0, "the address \"%s\" is not of the form mesh:<device>",
                       address);
}

static enum weft_status port_listen(void *self, const char *address, struct net_watch *watch,
                                    net_handle *out, char *bound, struct weft_error *why) {
    struct mesh_host *host = self;
    if (port_check(self, address, why) != WEFT_OK) return WEFT_ADDRESS;
    CHECK(host->listens == NULL);
    host->listens = watch;
    host->wants = true;
    *out = LISTENER;
    snprintf(bound, WEFT_ADDRESS_MAX, "%s", address);
    return WEFT_OK;
}

static enum weft_status port_accept(void *self, net_handle handle, int64_t *transfer,
                                    struct weft_error *why) {
    struct mesh_host *host = self;
    (void)why;
    CHECK(handle == LISTENER);
    if (host->waiting_count == 0 || host->waiting[0].due_us > *host->net->now_us) {
        host->wants = true;
        return WEFT_BUSY;
    }
    const uint32_t number = host->waiting[0].link;
    host->waiting_count--;
    memmove(host->waiting, host->waiting + 1, host->waiting_count * sizeof *host->waiting);
    *transfer = (int64_t)(2 * number + 1) + 1;
    return WEFT_OK;
}

static enum weft_status port_release(void *self, net_handle handle, int64_t *transfer,
                                     struct weft_error *why) {
    struct mesh_host *host = self;
    int side = 0;
    struct end *end = &link_of(host->net, handle, &side)->end[side];
    (void)why;
    end->watch = NULL;
    end->adopted = false;
    *transfer = (int64_t)handle;
    return WEFT_OK;
}

static void port_origin(void *self, net_handle handle, char out[WEFT_ADDRESS_MAX]) {
    struct mesh_host *host = self;
    int side = 0;
    const struct mesh_link *link = link_of(host->net, handle, &side);
    mesh_net_address(link->end[1 - side].device, out);
}

static void port_close(void *self, net_handle handle) {
    struct mesh_host *host = self;
    if (handle == LISTENER) {
        host->listens = NULL;
        return;
    }
    int side = 0;
    (void)link_of(host->net, handle, &side);
    end_close(host->net, (uint32_t)((handle - 1) / 2), side);
}

static void port_discard(void *self, int64_t transfer) {
    port_close(self, (net_handle)transfer);
}

static enum weft_status port_adopt(void *self, int64_t transfer, struct net_watch *watch,
                                   net_handle *out, struct weft_error *why) {
    struct mesh_host *host = self;
    int side = 0;
    struct end *end = &link_of(host->net, (net_handle)transfer, &side)->end[side];
    (void)why;
    end->watch = watch;
    end->adopted = end->wants_data = end->wants_room = true;
    watch->ready = true;
    *out = (net_handle)transfer;
    return WEFT_OK;
}

static enum weft_status port_dial(void *self, const char *address, struct net_watch *watch,
                                  net_handle *out, struct weft_error *why) {
    struct mesh_host *host = self;
    struct mesh_net *net = host->net;
    uint32_t device = 0;
    if (!address_device(net, address, &device)) return port_check(self, address, why);
    struct mesh_host *to = &net->hosts[device];
    struct mesh_link *link = calloc(1, sizeof *link);
    CHECK(link != NULL);
    const uint32_t number = net->link_count;
    net->links = grown(net->links, net->link_count, &net->link_room, sizeof *net->links);
    net->links[net->link_count++] = link;
    link->end[0] = (struct end){host->device, watch, true, true, true, true};
    link->end[1] = (struct end){.device = device, .open = true};
    link->pipe[0].fin_us = link->pipe[1].fin_us = NEVER;
    link->made_us = *net->now_us + 2 * net->delay_us;
    host_add(host, 2 * number);
    host_add(to, 2 * number + 1);
    to->waiting = grown(to->waiting, to->waiting_count, &to->waiting_room, sizeof *to->waiting);
    to->waiting[to->waiting_count++] = (struct waiting){arrival_us(net), number};
    wake(net, device, arrival_us(net));
    wake(net, host->device, link->made_us);
    *out = 2 * number + 1;
    return WEFT_OK;
}

static enum weft_status port_read(void *self, net_handle handle, void *out, size_t size,
                                  size_t *got, struct weft_error *why) {
    struct mesh_host *host = self;
    struct mesh_net *net = host->net;
    int side = 0;
    struct mesh_link *link = link_of(net, handle, &side);
    struct pipe *pipe = &link->pipe[1 - side];
    struct end *writer = &link->end[1 - side];
    const size_t there = arrived(net, pipe);
    (void)why;
    if (there == 0) {
        if (pipe->held == 0 && pipe->fin_us <= *net->now_us) return WEFT_CLOSED;
        link->end[side].wants_data = true;
        return WEFT_BUSY;
    }
    *got = size < there ? size : there;
    pipe_take(pipe, out, *got);
    if (writer->open && writer->wants_room) wake(net, writer->device, arrival_us(net));
    return WEFT_OK;
}

static enum weft_status port_write(void *self, net_handle handle, const void *data, size_t size,
                                   size_t *sent, struct weft_error *why) {
    struct mesh_host *host = self;
    struct mesh_net *net = host->net;
    int side = 0;
    struct mesh_link *link = link_of(net, handle, &side);
    struct pipe *pipe = &link->pipe[side];
    const struct end *reader = &link->end[1 - side];
    if (!reader->open) return status_fail(why, WEFT_NET, 0, "the other end is gone");
    const size_t room = pipe->held < MESH_WINDOW ? MESH_WINDOW - pipe->held : 0;
    if (room == 0 || (side == 0 && *net->now_us < link->made_us)) {
        link->end[side].wants_room = true;
        return WEFT_BUSY;
    }
    *sent = size < room ? size : room;
    pipe_add(pipe, data, *sent, arrival_us(net));
    net->writes++;
    net->bytes += *sent;
    wake(net, reader->device, arrival_us(net));
    return WEFT_OK;
}

static const struct net_ops port_ops = {
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

/* ---- the net --------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The first segment, or the end behind all of them, that is still under way. */
static uint64_t pipe_due_us(const struct pipe *pipe, uint64_t now_us) {
    for (uint32_t i = 0; i < pipe->count; i++)
        if (pipe->segments[i].due_us > now_us) return pipe->segments[i].due_us;
    return pipe->fin_us > now_us ? pipe->fin_us : NEVER;
}

uint64_t mesh_net_deliver(struct mesh_net *net, uint32_t device) {
    struct mesh_host *host = &net->hosts[device];
    const uint64_t now_us = *net->now_us;
    uint64_t due_us = NEVER;
    for (uint32_t i = 0; i < host->waiting_count; i++)
        if (host->waiting[i].due_us > now_us) due_us = least(due_us, host->waiting[i].due_us);
    if (host->listens != NULL && host->wants && host->waiting_count > 0 &&
        host->waiting[0].due_us <= now_us) {
        host->listens->ready = true;
        host->wants = false;
    }
    for (uint32_t i = 0; i < host->link_count; i++) {
        struct mesh_link *link = net->links[host->links[i] / 2];
        const int side = (int)(host->links[i] % 2);
        struct end *end = &link->end[side];
        const struct pipe *in = &link->pipe[1 - side];
        due_us = least(due_us, pipe_due_us(in, now_us));
        if (side == 0 && link->made_us > now_us) due_us = least(due_us, link->made_us);
        if (!end->adopted || end->watch == NULL) continue;
        const bool data = end->wants_data && ((in->count > 0 && in->segments[0].due_us <= now_us) ||
                                              (in->held == 0 && in->fin_us <= now_us));
        const bool room = end->wants_room && link->pipe[side].held < MESH_WINDOW &&
                          (side == 1 || now_us >= link->made_us);
        if (data) end->wants_data = false;
        if (room) end->wants_room = false;
        if (data || room) end->watch->ready = true;
    }
    return due_us;
}

void mesh_net_address(uint32_t device, char out[MESH_ADDRESS]) {
    snprintf(out, MESH_ADDRESS, "mesh:%u", device);
}

struct runner_ports mesh_net_ports(struct mesh_net *net, uint32_t device, struct time_port time) {
    CHECK(device < net->devices);
    return (struct runner_ports){.time = time,
                                 .self = &net->hosts[device],
                                 .open = runner_port_open,
                                 .close = runner_port_close};
}

struct mesh_net *mesh_net_open(uint32_t devices, uint64_t delay_us, const uint64_t *now_us,
                               void (*wakes)(void *context, uint32_t device, uint64_t due_us),
                               void *context) {
    struct mesh_net *net = calloc(1, sizeof *net);
    CHECK(net != NULL);
    *net = (struct mesh_net){.devices = devices,
                             .delay_us = delay_us,
                             .now_us = now_us,
                             .wakes = wakes,
                             .context = context,
                             .hosts = calloc(devices, sizeof *net->hosts)};
    CHECK(net->hosts != NULL);
    for (uint32_t i = 0; i < devices; i++)
        net->hosts[i] = (struct mesh_host){.net = net, .device = i};
    return net;
}

void mesh_net_close(struct mesh_net *net) {
    for (uint32_t i = 0; i < net->link_count; i++)
        link_free(net->links[i]);
    for (uint32_t i = 0; i < net->devices; i++) {
        free(net->hosts[i].waiting);
        free(net->hosts[i].links);
    }
    free(net->links);
    free(net->hosts);
    free(net);
}

uint64_t mesh_net_writes(const struct mesh_net *net) {
    return net->writes;
}

uint64_t mesh_net_bytes(const struct mesh_net *net) {
    return net->bytes;
}
