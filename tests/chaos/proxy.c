/* The faulty network.
 *
 *      accepted ──read──► flow[0]: bytes, each chunk with the time when it is due ──write─► dialled
 *               ◄─write── flow[1] ◄──read──
 *
 * Invariants
 *   1. All is done by the thread, under the lock but for its sleep; callers only set orders.
 *   2. Bytes leave a flow in the order in which they came, changed by CORRUPT alone.
 *   3. One end closed: what is under way passes first, then the other is closed. */
#include "tests/chaos/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/chaos/tell.h"

#define PROXY_LINKS (PROXY_DEVICES_MAX * PROXY_DEVICES_MAX)
#define PROXY_WIRES 512u
#define PROXY_ROOM 65536u
#define PROXY_CHUNKS 64u
#define PROXY_SLEEP_MS 1000

const char *const proxy_fault_names[PROXY_FAULTS] = {
    [PROXY_CLEAN] = "clean",   [PROXY_DELAY] = "delay",     [PROXY_THROTTLE] = "throttle",
    [PROXY_STALL] = "stall",   [PROXY_ONE_WAY] = "one-way", [PROXY_SWALLOW] = "swallow",
    [PROXY_REFUSE] = "refuse", [PROXY_CUT] = "cut",         [PROXY_CORRUPT] = "corrupt",
};

struct chunk {
    uint32_t size;
    int64_t due_ms;
};

struct flow {
    int from, to; /* descriptors */
    bool ended;   /* nothing more comes */
    uint32_t size;
    struct chunk chunks[PROXY_CHUNKS];
    uint32_t chunk_count;
    int64_t let_ms; /* THROTTLE: when bytes passed last */
    short heard, writable;
    uint8_t bytes[PROXY_ROOM];
};

struct wire {
    struct wire_link *link; /* NULL: vacant */
    bool standing;          /* the dialled side has answered */
    bool swallows, tainted;
    struct flow flows[2];
};

struct wire_link {
    int listener;
    char address[PROXY_ADDRESS];
    unsigned from, to;
    struct proxy_order order;
};

struct proxy {
    pthread_t thread;
    pthread_mutex_t lock;
    int wake;
    bool closing;
    unsigned devices;
    struct sockaddr_in listen[PROXY_DEVICES_MAX], source[PROXY_DEVICES_MAX];
    struct wire_link links[PROXY_LINKS];
    struct wire *wires[PROXY_WIRES];
    struct proxy_figures figures;
};

static unsigned links_of(const struct proxy *proxy) {
    return proxy->devices * proxy->devices;
}

/* ---- wires ----------------------------------------------------------------------------------- */

static void wire_close(struct proxy *proxy, struct wire *wire, bool reset) {
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    for (unsigned i = 0; i < 2; i++) {
        int descriptor = wire->flows[i].from;
        if (descriptor < 0) continue;
        if (reset) (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(descriptor);
    }
    proxy->figures.wires--;
    proxy->figures.swallowing -= wire->swallows;
    proxy->figures.tainted -= wire->tainted;
    wire->link = NULL;
}

static int dial(const struct sockaddr_in *source, const struct sockaddr_in *target) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (descriptor < 0) return -1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(descriptor, (const struct sockaddr *)source, sizeof *source) == 0 &&
        (connect(descriptor, (const struct sockaddr *)target, sizeof *target) == 0 ||
         errno == EINPROGRESS))
        return descriptor;
    close(descriptor);
    return -1;
}

static struct wire *wire_vacant(struct proxy *proxy) {
    for (unsigned i = 0; i < PROXY_WIRES; i++) {
        if (proxy->wires[i] == NULL) proxy->wires[i] = calloc(1, sizeof *proxy->wires[i]);
        if (proxy->wires[i] != NULL && proxy->wires[i]->link == NULL) return proxy->wires[i];
    }
    return NULL;
}

static void wire_accept(struct proxy *proxy, struct wire_link *link) {
    const int on = 1;
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int near = accept4(link->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), far = -1;
    if (near < 0) return;
    struct wire *wire = link->order.fault == PROXY_REFUSE ? NULL : wire_vacant(proxy);
    if (wire != NULL) far = dial(&proxy->source[link->from], &proxy->listen[link->to]);
    if (wire == NULL || far < 0) {
        (void)setsockopt(near, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(near);
        return;
    }
    (void)setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    wire->link = link;
    wire->standing = wire->swallows = wire->tainted = false;
    for (unsigned i = 0; i < 2; i++) {
        struct flow *flow = &wire->flows[i];
        flow->from = i == 0 ? near : far;
        flow->to = i == 0 ? far : near;
        flow->ended = false;
        flow->size = flow->chunk_count = 0;
        flow->let_ms = tell_now_ms();
        flow->heard = flow->writable = 0;
    }
    proxy->figures.wires++;
}

/* ---- what passes ----------------------------------------------------------------------------- */

static bool held_up(const struct wire *wire, unsigned direction) {
    const struct proxy_order *order = &wire->link->order;
    return order->fault == PROXY_STALL || order->fault == PROXY_REFUSE ||
           (order->fault == PROXY_ONE_WAY && order->back == (direction == 1));
}

/* CUT and CORRUPT, on what has just been read; false when the wire is to be ended: what goes before
 * the cut is sent still. */
static bool mangle(struct proxy *proxy, struct wire *wire, unsigned direction, uint8_t *bytes,
                   uint32_t *size) {
    struct proxy_order *order = &wire->link->order;
    if ((order->fault != PROXY_CUT && order->fault != PROXY_CORRUPT) ||
        order->back != (direction == 1))
        return true;
    if (*size <= order->amount) {
        order->amount -= *size;
        return true;
    }
    const bool cut = order->fault == PROXY_CUT;
    if (cut) {
        *size = order->amount;
        proxy->figures.cut++;
    } else {
        bytes[order->amount] ^= (uint8_t)(1u << order->amount % 8);
        proxy->figures.corrupted++;
        proxy->figures.tainted += !wire->tainted;
        wire->tainted = true;
    }
    *order = (struct proxy_order){.fault = PROXY_CLEAN};
    return !cut;
}

/* Reads what there is; false when the wire is to be ended. */
static bool flow_read(struct proxy *proxy, struct wire *wire, unsigned direction) {
    struct flow *flow = &wire->flows[direction];
    const struct proxy_order *order = &wire->link->order;
    const int64_t delay = order->fault == PROXY_DELAY ? order->amount : 0;
    if (flow->ended || flow->size == PROXY_ROOM || flow->chunk_count == PROXY_CHUNKS) return true;
    ssize_t got = read(flow->from, flow->bytes + flow->size, PROXY_ROOM - flow->size);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
        flow->ended = true;
        return true;
    }
    if (wire->swallows) return true;
    uint32_t size = (uint32_t)got;
    const bool goes_on = mangle(proxy, wire, direction, flow->bytes + flow->size, &size);
    if (size > 0) flow->chunks[flow->chunk_count++] = (struct chunk){size, tell_now_ms() + delay};
    flow->size += size;
    if (goes_on) return true;
    /* What went before the cut arrives, if there is room for it. */
    if (flow->size > 0) (void)!write(flow->to, flow->bytes, flow->size);
    return false;
}

/* How much may be written now. */
static uint32_t flow_due(const struct wire *wire, unsigned direction, int64_t now_ms) {
    const struct flow *flow = &wire->flows[direction];
    const struct proxy_order *order = &wire->link->order;
    uint32_t due = 0;
    if (held_up(wire, direction)) return 0;
    for (uint32_t i = 0; i < flow->chunk_count && flow->chunks[i].due_ms <= now_ms; i++)
        due += flow->chunks[i].size;
    if (order->fault == PROXY_THROTTLE) {
        uint64_t allowed = (uint64_t)(now_ms - flow->let_ms) * order->amount;
        if (allowed < due) due = (uint32_t)allowed;
    }
    return due;
}

/* Writes what is due; false when the wire is to be ended. */
static bool flow_write(struct proxy *proxy, struct wire *wire, unsigned direction, int64_t now_ms) {
    struct flow *flow = &wire->flows[direction];
    uint32_t due = flow_due(wire, direction, now_ms);
    if (due == 0 || !wire->standing) return true;
    ssize_t put = send(flow->to, flow->bytes, due, MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN || errno == EINTR;
    flow->let_ms = now_ms;
    flow->size -= (uint32_t)put;
    memmove(flow->bytes, flow->bytes + put, flow->size);
    proxy->figures.bytes += (uint64_t)put;
    uint32_t gone = (uint32_t)put, i = 0;
    while (i < flow->chunk_count && flow->chunks[i].size <= gone)
        gone -= flow->chunks[i++].size;
    flow->chunk_count -= i;
    memmove(flow->chunks, flow->chunks + i, flow->chunk_count * sizeof *flow->chunks);
    if (flow->chunk_count > 0) flow->chunks[0].size -= gone;
    return true;
}

static void wire_turn(struct proxy *proxy, struct wire *wire, int64_t now_ms) {
    const enum proxy_fault fault = wire->link->order.fault;
    bool goes_on = fault != PROXY_REFUSE;
    if (fault == PROXY_SWALLOW && !wire->swallows) {
        wire->swallows = true;
        proxy->figures.swallowing++;
    }
    if (!wire->standing && wire->flows[0].writable != 0) {
        int error = 0;
        socklen_t size = sizeof error;
        (void)getsockopt(wire->flows[0].to, SOL_SOCKET, SO_ERROR, &error, &size);
        wire->standing = error == 0;
        goes_on = goes_on && error == 0;
    }
    for (unsigned i = 0; i < 2 && goes_on; i++) {
        struct flow *flow = &wire->flows[i];
        if (wire->swallows) flow->size = flow->chunk_count = 0;
        if (flow->heard != 0 && !held_up(wire, i)) goes_on = flow_read(proxy, wire, i);
        if (goes_on) goes_on = flow_write(proxy, wire, i, now_ms);
        if (flow->ended && flow->size == 0) goes_on = false;
        flow->heard = flow->writable = 0;
    }
    if (!goes_on) wire_close(proxy, wire, fault == PROXY_REFUSE);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* When this flow may write next; -1: only when somebody says so. */
static int flow_wait_ms(const struct wire *wire, unsigned direction, int64_t now_ms) {
    const struct flow *flow = &wire->flows[direction];
    if (flow->chunk_count == 0 || held_up(wire, direction) || !wire->standing) return -1;
    if (flow->chunks[0].due_ms > now_ms) return (int)(flow->chunks[0].due_ms - now_ms);
    return wire->link->order.fault == PROXY_THROTTLE ? 1 : -1;
}

/* The place of a wire in the list is that of its slot: who is ended while the thread sleeps moves
 * no other. */
struct watch_list {
    struct pollfd list[1 + PROXY_LINKS + 4 * PROXY_WIRES];
    unsigned count;
    int sleep_ms;
};

static void watch(struct watch_list *watched, int descriptor, short events) {
    watched->list[watched->count++] = (struct pollfd){descriptor, events, 0};
}

/* Two places for each flow: what comes, what can go. */
static void watch_wire(struct watch_list *watched, const struct wire *wire, int64_t now_ms) {
    for (unsigned i = 0; i < 2; i++) {
        const struct flow *flow = &wire->flows[i];
        const bool room = flow->size < PROXY_ROOM && flow->chunk_count < PROXY_CHUNKS;
        const bool reads = room && !flow->ended && !held_up(wire, i);
        const bool writes =
            wire->standing ? flow_due(wire, i, now_ms) > 0 : i == 0; /* 0: the dialled side */
        const int wait_ms = flow_wait_ms(wire, i, now_ms);
        if (wait_ms >= 0 && wait_ms < watched->sleep_ms) watched->sleep_ms = wait_ms;
        watch(watched, reads ? flow->from : -1, POLLIN);
        watch(watched, writes ? flow->to : -1, POLLOUT);
    }
}

static void proxy_watch(struct proxy *proxy, struct watch_list *watched) {
    const int64_t now_ms = tell_now_ms();
    watched->count = 0;
    watched->sleep_ms = PROXY_SLEEP_MS;
    watch(watched, proxy->wake, POLLIN);
    for (unsigned i = 0; i < links_of(proxy); i++)
        watch(watched, proxy->links[i].listener, POLLIN);
    for (unsigned i = 0; i < PROXY_WIRES; i++) {
        if (proxy->wires[i] == NULL) break;
        if (proxy->wires[i]->link != NULL) {
            watch_wire(watched, proxy->wires[i], now_ms);
        } else {
            for (unsigned vacant = 0; vacant < 4; vacant++)
                watch(watched, -1, 0);
        }
    }
}

static void proxy_turn(struct proxy *proxy, const struct watch_list *watched) {
    const int64_t now_ms = tell_now_ms();
    uint64_t count;
    if (watched->list[0].revents != 0) (void)!read(proxy->wake, &count, sizeof count);
    for (unsigned i = 0; i < PROXY_WIRES; i++) {
        struct wire *wire = proxy->wires[i];
        if (wire == NULL || wire->link == NULL) continue;
        const struct pollfd *at = watched->list + 1 + links_of(proxy) + 4 * i;
        for (unsigned f = 0; f < 2; f++) {
            wire->flows[f].heard = at[2 * f].revents;
            wire->flows[f].writable = at[2 * f + 1].revents;
        }
        wire_turn(proxy, wire, now_ms);
    }
    for (unsigned i = 0; i < links_of(proxy); i++) {
        if (watched->list[1 + i].revents != 0) wire_accept(proxy, &proxy->links[i]);
    }
}

static void *proxy_run(void *argument) {
    struct proxy *proxy = argument;
    struct watch_list *watched = malloc(sizeof *watched);
    if (watched == NULL) tell_die("no memory for the network");
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->closing) {
        proxy_watch(proxy, watched);
        pthread_mutex_unlock(&proxy->lock);
        (void)poll(watched->list, watched->count, watched->sleep_ms);
        pthread_mutex_lock(&proxy->lock);
        proxy_turn(proxy, watched);
    }
    pthread_mutex_unlock(&proxy->lock);
    free(watched);
    return NULL;
}

/* ---- opening and orders ---------------------------------------------------------------------- */

static bool address_read(const char *text, struct sockaddr_in *out) {
    char host[PROXY_ADDRESS];
    const char *colon = strchr(text, ':');
    const size_t size = colon == NULL ? strlen(text) : (size_t)(colon - text);
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    if (size >= sizeof host) return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (colon != NULL) out->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static bool link_listen(struct proxy *proxy, struct wire_link *link) {
    struct sockaddr_in bound = proxy->source[link->to];
    socklen_t size = sizeof bound;
    char host[INET_ADDRSTRLEN];
    link->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->listener < 0 || bind(link->listener, (struct sockaddr *)&bound, sizeof bound) != 0 ||
        listen(link->listener, 64) != 0 ||
        getsockname(link->listener, (struct sockaddr *)&bound, &size) != 0)
        return false;
    snprintf(link->address, sizeof link->address, "%s:%u",
             inet_ntop(AF_INET, &bound.sin_addr, host, sizeof host), ntohs(bound.sin_port));
    return true;
}

static void proxy_free(struct proxy *proxy) {
    for (unsigned i = 0; i < PROXY_WIRES; i++) {
        if (proxy->wires[i] != NULL && proxy->wires[i]->link != NULL)
            wire_close(proxy, proxy->wires[i], true);
        free(proxy->wires[i]);
    }
    for (unsigned i = 0; i < PROXY_LINKS; i++) {
        if (proxy->links[i].listener >= 0) close(proxy->links[i].listener);
    }
    if (proxy->wake >= 0) close(proxy->wake);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

struct proxy *proxy_open(unsigned devices, const char *const *listen, const char *const *source,
                         const bool *linked, unsigned width) {
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL || devices > PROXY_DEVICES_MAX) return NULL;
    bool well = pthread_mutex_init(&proxy->lock, NULL) == 0;
    proxy->devices = devices;
    proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; i < PROXY_LINKS; i++)
        proxy->links[i].listener = -1;
    for (unsigned i = 0; i < devices; i++)
        well = well && address_read(listen[i], &proxy->listen[i]) &&
               address_read(source[i], &proxy->source[i]);
    for (unsigned i = 0; i < devices * devices && well; i++) {
        struct wire_link *link = &proxy->links[i];
        link->from = i / devices;
        link->to = i % devices;
        if (linked != NULL ? linked[link->from * width + link->to] : link->from != link->to)
            well = link_listen(proxy, link);
    }
    if (well && proxy->wake >= 0 && pthread_create(&proxy->thread, NULL, proxy_run, proxy) == 0)
        return proxy;
    proxy_free(proxy);
    return NULL;
}

static void proxy_tell(struct proxy *proxy) {
    const uint64_t one = 1;
    (void)!write(proxy->wake, &one, sizeof one);
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_close(struct proxy *proxy) {
    if (proxy == NULL) return;
    pthread_mutex_lock(&proxy->lock);
    proxy->closing = true;
    proxy_tell(proxy);
    pthread_join(proxy->thread, NULL);
    proxy_free(proxy);
}

void proxy_address(const struct proxy *proxy, unsigned from, unsigned to, char out[PROXY_ADDRESS]) {
    memcpy(out, proxy->links[from * proxy->devices + to].address, PROXY_ADDRESS);
}

void proxy_set(struct proxy *proxy, unsigned from, unsigned to, const struct proxy_order *order) {
    pthread_mutex_lock(&proxy->lock);
    proxy->links[from * proxy->devices + to].order = *order;
    proxy_tell(proxy);
}

bool proxy_is_clean(struct proxy *proxy, unsigned from, unsigned to) {
    pthread_mutex_lock(&proxy->lock);
    const bool clean = proxy->links[from * proxy->devices + to].order.fault == PROXY_CLEAN;
    pthread_mutex_unlock(&proxy->lock);
    return clean;
}

void proxy_heal(struct proxy *proxy, bool mend) {
    pthread_mutex_lock(&proxy->lock);
    for (unsigned i = 0; i < PROXY_LINKS; i++)
        proxy->links[i].order = (struct proxy_order){.fault = PROXY_CLEAN};
    for (unsigned i = 0; i < PROXY_WIRES && mend; i++) {
        struct wire *wire = proxy->wires[i];
        if (wire != NULL && wire->link != NULL && wire->swallows) wire_close(proxy, wire, true);
    }
    proxy_tell(proxy);
}

void proxy_figures(struct proxy *proxy, struct proxy_figures *out) {
    pthread_mutex_lock(&proxy->lock);
    *out = proxy->figures;
    pthread_mutex_unlock(&proxy->lock);
}
