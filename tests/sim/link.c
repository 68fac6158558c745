/* Pipes and links.
 *
 *     end 0 (dialled)  ──── pipe 0: segments, each with the moment it arrives ───►  end 1
 * (accepted) ◄─── pipe 1 ─────────────────────────────────────────────
 *
 *     pipe.bytes   |==== arrived ====|---- under way (segments) ----|      held = both
 *
 * A pipe is TCP as a program sees it: ordered, bounded, ended by a FIN that is read as WEFT_CLOSED,
 * or by a reset that is WEFT_NET.
 * Invariants
 *   1. Bytes arrive in the order written, none twice; a link that loses a byte delivers nothing
 *      after it.
 *   2. The segments' sizes add up to held - arrived; their moments never decrease.
 * Deliberately not here: the passing of time (net.c), and what engines may call (port.c). */
#include "tests/sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/memory.h"

static void pipe_init(struct pipe *pipe) {
    memset(pipe, 0, sizeof *pipe);
    pipe->fin_due_us = pipe->reset_due_us = pipe->cut_in = pipe->flip_in = NEVER;
}

static void pipe_free(struct pipe *pipe) {
    free(pipe->bytes);
    free(pipe->segments);
}

void pipe_append(struct pipe *pipe, const void *data, size_t size, uint64_t due_us) {
    if (pipe->held + size > pipe->room) {
        pipe->room = (pipe->held + size) * 2;
        pipe->bytes = memory_grow(pipe->bytes, pipe->room);
    }
    memcpy(pipe->bytes + pipe->held, data, size);
    pipe->held += size;
    if (pipe->segment_count == pipe->segment_room) {
        pipe->segment_room = pipe->segment_room ? pipe->segment_room * 2 : 8;
        pipe->segments = memory_grow(pipe->segments, pipe->segment_room * sizeof *pipe->segments);
    }
    CHECK(pipe->segment_count == 0 || pipe->segments[pipe->segment_count - 1].due_us <= due_us);
    pipe->segments[pipe->segment_count++] = (struct segment){due_us, size};
}

void pipe_take(struct pipe *pipe, void *out, size_t size) {
    CHECK(size <= pipe->arrived && pipe->arrived <= pipe->held);
    memcpy(out, pipe->bytes, size);
    memmove(pipe->bytes, pipe->bytes + size, pipe->held - size);
    pipe->held -= size;
    pipe->arrived -= size;
}

/* Forgets what is still under way; returns how many bytes that were. */
size_t pipe_lose(struct pipe *pipe) {
    size_t lost = pipe->held - pipe->arrived;
    pipe->held = pipe->arrived;
    pipe->segment_count = 0;
    pipe->fin_due_us = pipe->cut_in = pipe->flip_in = NEVER;
    return lost;
}

uint64_t pipe_last_due(const struct pipe *pipe) {
    return pipe->segment_count ? pipe->segments[pipe->segment_count - 1].due_us : 0;
}

void link_wake_reader(struct end *end) {
    if (end->state != END_OPEN || !end->watch || !end->wants_data) return;
    end->wants_data = false;
    end->watch->ready = true;
}

void link_wake_writer(struct end *end) {
    if (end->state != END_OPEN || !end->watch || !end->wants_room) return;
    end->wants_room = false;
    end->watch->ready = true;
}

struct net_route *link_route(struct net *net, const struct link *link, int from) {
    return &net->route[link->end[from].device][link->end[1 - from].device];
}

uint64_t link_travel_us(struct net *net, const struct link *link, int from) {
    const struct net_route *route = link_route(net, link, from);
    return route->latency_us + rng_below(&net->rng, route->jitter_us + 1);
}

/* The end learns that the link is no more. What had arrived may still be read. */
void link_end_reset(struct net *net, struct link *link, int side) {
    struct end *end = &link->end[side];
    net->counts.bytes_lost += pipe_lose(&link->pipe[side]);
    net->counts.bytes_lost += pipe_lose(&link->pipe[1 - side]);
    link->pipe[1 - side].reset_due_us = NEVER;
    end->reset = true;
    link_wake_reader(end);
    link_wake_writer(end);
}

/* Sends a reset from one end to the other; what the end had under way is lost. */
void link_send_reset(struct net *net, struct link *link, int from) {
    struct pipe *pipe = &link->pipe[from];
    net->counts.bytes_lost += pipe_lose(pipe);
    if (pipe->reset_due_us == NEVER)
        pipe->reset_due_us = net->now_us + link_travel_us(net, link, from);
}

struct link *link_new(void) {
    struct link *link = memory_new(sizeof *link);
    pipe_init(&link->pipe[0]);
    pipe_init(&link->pipe[1]);
    link->connect_due_us = link->told_due_us = NEVER;
    return link;
}

void link_free(struct link *link) {
    pipe_free(&link->pipe[0]);
    pipe_free(&link->pipe[1]);
    free(link);
}

struct link *link_find(struct net *net, net_handle handle, int *side) {
    for (uint32_t i = 0; i < net->link_count; i++)
        for (int s = 0; s < 2; s++)
            if (net->link[i]->end[s].handle == handle) {
                *side = s;
                return net->link[i];
            }
    return NULL;
}

void link_close_end(struct net *net, struct link *link, int side) {
    struct end *end = &link->end[side];
    struct pipe *pipe = &link->pipe[side];
    bool unread = link->pipe[1 - side].arrived > 0;
    CHECK(end->state == END_OPEN);
    end->state = END_CLOSED;
    end->watch = NULL;
    end->handle = 0;
    if (end->reset || link->end[1 - side].state == END_CLOSED) return;
    if (unread || !link->established) {
        link_send_reset(net, link, side);
        return;
    }
    uint64_t due = net->now_us + link_travel_us(net, link, side);
    pipe->fin_due_us = due > pipe_last_due(pipe) ? due : pipe_last_due(pipe);
}
