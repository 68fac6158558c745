/* The topology: every actor and every edge of one engine, from one table.
 *
 *                    ┌────────── lanes, one per submitting thread ──┐
 *        host ───────┴──► clock ──► log ──► bulk ◄──► peer ×N ◄──► wire
 *          ▲ answers        ▲ ▲       │ ▲     │         │  ▲
 *          ├────────────────┼─┼───────┘ │     │         │  │
 *          │                │ └─ rows ──┼─────┘         │  │
 *          │              prune ◄───────┤◄──── acks ────┘  │
 *          └── notices (any)                  listener ◄───┘
 *
 * Edge kinds
 *   ASK     may wait: a full one holds back the actor that feeds it. Must be acyclic.
 *   ANSWER  never waits: its slots cover all that can be outstanding, a sum in the table.
 *   NOTICE  is lossy: a full one drops, and counts.
 * topology_check() proves the first two at start. */
#ifndef WEFT_RUNTIME_TOPOLOGY_H
#define WEFT_RUNTIME_TOPOLOGY_H

#include "engine/runtime/actor.h"
#include "engine/runtime/wake.h"

enum edge_kind { EDGE_ASK, EDGE_ANSWER, EDGE_NOTICE };

#define EDGE_MAILS_MAX 12u

/* One line of the table. ACTOR_PEER stands for each peer. */
struct edge_rule {
    enum actor_id from, to;
    enum edge_kind kind;
    uint32_t slots; /* plus slots_per_peer for each peer of the engine */
    uint32_t slots_per_peer;
    Weft__Mail__BodyCase mails[EDGE_MAILS_MAX]; /* ends with WEFT__MAIL__BODY__NOT_SET */
    const char *why_enough;                     /* ANSWER: the sum that the slots cover */
};

struct ring;
struct topology;

struct edge {
    /* Fixed before the first step. */
    const struct edge_rule *rule;
    struct topology *topology;
    uint32_t from, to; /* actor ids */
    uint32_t place;    /* among those that lead to `to`; EDGE_APART: it is looked at by itself */
    uint32_t *room;    /* of an ask: free slots that its producer knows of; NULL: the host's */
    struct ring *ring;
    uint32_t wake_room;    /* free slots at which a blocked producer is woken */
    struct wake *consumer; /* to signal after a push; NULL in a stepped engine */
    struct wake *also;     /* ... a second one, or NULL */
    struct wake *producer; /* to signal after a pop when `blocked`; NULL for the host */
    /* Both sides. */
    _Alignas(64) atomic_uint blocked; /* the producer sleeps for want of room */
    /* The producer's; any thread reads the first two. */
    _Alignas(64) _Atomic uint64_t pushed;
    _Atomic uint64_t dropped;
    uint64_t step;    /* the producer's last that sent anything */
    uint32_t emitted; /* ... mails of it */
};

#define EDGE_APART UINT32_MAX

/* The host's door: one SPSC ring per submitting thread, merged by mail->order (the ticket). A
 * lane's mails are pushed in the order of their tickets. */
struct door {
    struct ring *lane[LIMIT_LANES];
    atomic_uint lanes_used; /* lanes ever taken: [0, lanes_used); door_push() raises it as well */
    struct wake *consumer;
    struct topology *topology;
};

/* The mail that was submitted first, of all that are visible: a ticket drawn after another commit
 * returned is never taken before it. NULL when none waits. Thread: clock's. */
struct mail *door_pull(struct door *door);
/* Thread: the lane's owner. False when the lane is full. Wakes clock. */
bool door_push(struct door *door, uint32_t lane, struct mail *mail);
bool door_empty(const struct door *door);

/* What actors of one thread share: each but the peers has one of its own. */
struct kit {
    struct pool *pool;
    struct mail *tick, *ready; /* kept for re-use */
    struct mail *spare;        /* what outbox_mail() gives when memory is exhausted */
    uint32_t started;          /* actors */
};

struct actor {
    const struct actor_kind *kind;
    uint32_t id;
    void *state;
    struct actor_seed seed;
    _Atomic uint64_t steps; /* its thread writes it, any reads it */
    struct net_watch watch;
    struct kit *kit;
    struct agenda *agenda; /* of its thread, as which it has `agenda_place`; NULL: it has none */
    uint32_t agenda_place;
    struct door *door;          /* clock only */
    struct edge **in;           /* answers first; without `control` */
    uint32_t in_count, in_next; /* served in turn, the door as the last of them */
    struct marks waiting;       /* which of them may have mail; producers set, the actor clears */
    struct edge *control;       /* clock only: the host's edge beside the door, served when all else
                                 * is empty, so that a Stop comes after every commit */
    struct edge **out;          /* by receiver */
    uint32_t out_count;
    struct edge **asks; /* those of `out` that may be full */
    uint32_t *rooms;    /* ... and what is known to be free in each */
    uint32_t ask_count;
    struct topology *topology;
    struct wake *touched[8]; /* consumers pushed to in this step, to be signalled once */
    uint32_t touched_count;
    bool started;
};

/* Fault of the whole engine; the first one stays. */
struct fatal {
    atomic_uint claimed; /* somebody fills `error` */
    atomic_uint set;     /* `error` may be read, and does not change any more */
    struct weft_error error;
};

struct topology {
    struct actor *actors; /* by actor id; [ACTOR_HOST] has no kind */
    uint32_t actor_count;
    struct kit *kits;
    uint32_t kit_count;
    struct edge *edges;
    uint32_t edge_count;
    struct door door;
    struct fatal fatal;
    struct settings *settings;
    struct wake *host_answers; /* wakes of the host: answers and notices */
    struct wake *host_notices;
    struct wake *host_hooks; /* of the thread that calls the host's hooks */
    struct wake *host_log;   /* of the thread that writes the log, told of notices; or NULL */
    /* Simulation: every mail is repacked on its edge, and hashed. */
    bool repack;
    uint64_t hash;
    /* Called for every mail on its way into a ring, by the producer; `edge` is NULL at the door. A
     * mail that was repacked is the receiver's own, and may be changed. */
    void (*observe)(void *context, const struct edge *edge, struct mail *mail);
    void *observe_context;
};

/* What an engine is built from: a table, and who the actors in it are. */
struct topology_plan {
    const struct edge_rule *rules;
    const struct actor_kind *(*kind_of)(enum actor_id id); /* peers: ACTOR_PEER; not the host */
};

/* The table, ended by a rule with slots 0. */
extern const struct edge_rule topology_rules[];

/* Builds actors, pools and rings for `settings->peers` peers; starts nothing. `settings` must
 * outlive it. Errors: WEFT_NO_MEMORY, WEFT_INVALID (topology_check() failed: `why` says which
 * edge). */
enum weft_status topology_open(struct settings *settings, struct topology **out,
                               struct weft_error *why);
/* The same from any plan: topology_open() is this with the real table and actors. Also WEFT_INVALID
 * when an ask edge is too small for what one step of its sender may emit. */
enum weft_status topology_build(const struct topology_plan *plan, struct settings *settings,
                                struct topology **out, struct weft_error *why);
/* On how many threads peers are if each actor has a thread: peers with the same number, modulo it,
 * share one, and its pool. */
uint32_t topology_peer_threads(const struct settings *settings);
/* Drops every mail still under way. Actors must have been stopped. NULL is allowed. */
void topology_close(struct topology *topology);

/* Checks a table: asks are acyclic, and none leads to the host; answers say what their slots cover;
 * each (from, to, mail) has one edge. Errors: WEFT_INVALID. Pure. */
enum weft_status topology_check(const struct edge_rule *rules, struct weft_error *why);
/* Draws actors and edges as UTF-8 text, terminated; returns its length, cut at `cap`. Thread:
 * any. */
size_t topology_print(const struct topology *topology, char *out, size_t cap);
/* "clock", "peer", ... of an actor id. Static. */
const char *topology_name(uint32_t actor);

/* Starts one actor (its thread's net port must be in its seed). After a failure nothing of it is
 * left: a kind's start cleans up after itself, its stop is not called. */
enum weft_status actor_start(struct actor *actor, struct weft_error *why);
/* Stops it if it was started. */
void actor_stop(struct actor *actor);
/* Tells its thread that it may have something to do. Thread: any, behind a
 * full fence after what it tells of; who has pushed to it wakes the thread as well. */
void actor_rouse(struct actor *actor);
/* At most one step; true if it ran. Order of service: ready watch, mail (edges in turn, then the
 * door), then a Tick if one is due. */
bool actor_turn(struct actor *actor, struct instant now);
/* Whether a turn would find something to do now; and, if it is held back by full edges, marks those
 * edges as blocked so that their consumers wake this actor's thread. */
bool actor_waits(struct actor *actor, struct instant now);
/* When it wants a Tick; DUE_NEVER once the engine has failed. */
uint64_t actor_due_us(const struct actor *actor);

/* Edges from and to the host, used by weft.c. NULL if the table has none. */
struct edge *topology_edge(struct topology *topology, uint32_t from, uint32_t to,
                           Weft__Mail__BodyCase kind);
/* Host side of an edge: push (false when full) and pop. Thread: the façade, under its lock. */
bool edge_push(struct edge *edge, struct mail *mail);
struct mail *edge_pop(struct edge *edge);
/* edge_push() without the signal, and moving the mail: *mail is nulled when true is returned. */
bool edge_put(struct edge *edge, struct mail **mail, struct pool *pool);
/* What every mail passes on its way into a ring: repacked, hashed and observed if the engine is so
 * set. `pool` is the sender's. */
void topology_inspect(struct topology *topology, const struct edge *edge, struct mail **mail,
                      struct pool *pool);
/* Stops the engine for good: no actor steps any more. Wakes the host. Thread: any. */
void topology_fatal(struct topology *topology, const struct weft_error *why);
/* Whether that has happened; `why` (may be NULL) receives the reason. Thread: any. */
bool topology_failed(const struct topology *topology, struct weft_error *why);

#endif
