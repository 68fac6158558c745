/* One simulated link: two ends, and a pipe in each direction. Shared by net.c, which moves what is
 * under way, and port.c, through which engines use it. */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "tests/sim/net.h"

#define LINKS_MAX 256u
#define LISTENERS_MAX 2u
#define BACKLOG 8u
#define NEVER UINT64_MAX

struct segment {
    uint64_t due_us;
    size_t size;
};

struct pipe {
    uint8_t *bytes; /* the newest `held` bytes written: arrived ones, then those under way */
    size_t held, arrived, room;
    struct segment *segments;
    uint32_t segment_count, segment_room;
    uint64_t free_at_us;   /* the wire is taken until then */
    uint64_t fin_due_us;   /* NEVER: the writer has not ended */
    uint64_t reset_due_us; /* a reset on its way to the reader; NEVER: none */
    uint64_t cut_in;       /* bytes that still pass before the link is cut; NEVER */
    uint64_t flip_in;      /* bytes that still pass before one is changed; NEVER */
    bool fin;              /* arrived */
};

enum end_state { END_NONE, END_OPEN, END_CLOSED, END_GONE };

struct end {
    enum end_state state; /* GONE: its device lost power and says nothing */
    uint32_t device;
    net_handle handle;
    struct net_watch *watch;
    bool reset;                  /* it has learnt that the link is cut */
    bool wants_data, wants_room; /* it was told WEFT_BUSY, and is to be woken */
};

struct link {
    bool established;
    bool swallows; /* nothing arrives any more, and nobody is told */
    bool changed;  /* a byte of it was */
    bool told;     /* the dialler knows that it is established */
    uint64_t connect_due_us, told_due_us;
    struct end end[2];
    struct pipe pipe[2]; /* pipe[i] carries from end i to the other */
};

struct listener {
    net_handle handle;
    struct net_watch *watch;
    bool wants; /* accept() has said WEFT_BUSY */
    struct link *waiting[BACKLOG];
    uint32_t waiting_count;
};

struct host {
    struct net *net;
    uint32_t device;
    bool up; /* a process runs */
    bool powered;
    bool refuses; /* whoever dials it */
    struct listener listener[LISTENERS_MAX];
};

struct net {
    uint64_t now_us;
    struct rng rng;
    uint32_t device_count, window, partial;
    net_handle last_handle;
    struct host host[NET_DEVICES];
    struct net_route route[NET_DEVICES][NET_DEVICES];
    struct link *link[LINKS_MAX]; /* oldest first */
    uint32_t link_count;
    struct net_counts counts;
};

/* Adds bytes that will arrive at `due_us`. */
void pipe_append(struct pipe *pipe, const void *data, size_t size, uint64_t due_us);
/* Takes `size` bytes that have arrived. */
void pipe_take(struct pipe *pipe, void *out, size_t size);
/* Forgets what is still under way; returns how many bytes that were. */
size_t pipe_lose(struct pipe *pipe);
/* When the newest bytes will arrive; 0 when none are under way. */
uint64_t pipe_last_due(const struct pipe *pipe);

/* A link that begins to connect. Never NULL. */
struct link *link_new(void);
void link_free(struct link *link);
/* Tells an end that there is something to read, or that the link has changed; or that it may write.
 * An end that was not told WEFT_BUSY is not told, as port.h promises no more. */
void link_wake_reader(struct end *end);
void link_wake_writer(struct end *end);
struct net_route *link_route(struct net *net, const struct link *link, int from);
/* How long something sent now from an end takes to the other. */
uint64_t link_travel_us(struct net *net, const struct link *link, int from);
/* The end learns that the link is no more. What had arrived may still be read. */
void link_end_reset(struct net *net, struct link *link, int side);
/* Sends a reset from one end to the other; what the end had under way is lost. */
void link_send_reset(struct net *net, struct link *link, int from);
/* The end's holder lets go of it: a FIN follows what it wrote, or a reset if it left bytes unread.
 */
void link_close_end(struct net *net, struct link *link, int side);
/* The link and the side that a handle names; NULL when there is none. */
struct link *link_find(struct net *net, net_handle handle, int *side);

/* The operations of a device's net port; its self is a struct host. */
extern const struct net_ops port_ops;

#endif
