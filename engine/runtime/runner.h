/* The runner: which actor turns on which thread. Actors never know.
 *
 *   EACH   one thread per actor, one per peer up to settings->peer_threads, which then share them
 *   TWO    storage: clock, log, prune, listener | network and codec: bulk, peers
 *   ONE    all on one thread
 *   NONE   no thread: the caller steps
 *
 * A thread turns its actors until none has anything to do, then sleeps in its net port's poll, on
 * its sockets and its wake, until the earliest due time. It never spins. */
#ifndef WEFT_RUNTIME_RUNNER_H
#define WEFT_RUNTIME_RUNNER_H

#include "engine/runtime/topology.h"

/* A net port with the sleeping place of its thread. */
struct runner_port {
    struct net_port net;
    /* `self` is net.self. Sleeps until a watch is set, the wake's descriptor is readable or
     * `timeout_us` has passed (UINT64_MAX: no timeout). With timeout 0 it only looks. */
    void (*wait)(void *self, uint64_t timeout_us);
};

/* What the runner takes from outside: the clock, and a net port per thread. */
struct runner_ports {
    struct time_port time;
    void *self;
    /* Opens the net port of one thread, which also watches `wake_descriptor` (-1: none). */
    enum weft_status (*open)(void *self, int wake_descriptor, struct runner_port *out,
                             struct weft_error *why);
    void (*close)(void *self, struct runner_port *port);
    /* When no port will be opened any more; may be NULL. */
    void (*end)(void *self);
};

struct runner;

/* What AUTO means on this machine; every other wiring is itself. */
enum weft_threads runner_settle(enum weft_threads threads);
/* Opens every port, starts every actor in the order of their ids on the calling thread, and then
 * the threads: so the first step comes after the last start. The host's wakes, if any, must be set.
 * Errors: those of the actors' start and of the ports, WEFT_LIMIT (no descriptor or thread to be
 * had), WEFT_NO_MEMORY; then nothing is left running. */
enum weft_status runner_open(struct topology *topology, enum weft_threads threads,
                             const struct runner_ports *ports, struct runner **out,
                             struct weft_error *why);
/* Ends every thread where it stands, and stops every actor, the last started first. A graceful end
 * (Stop through host → listener and clock) is the façade's. NULL is allowed. */
void runner_close(struct runner *runner);
/* Thread: the caller's, NONE only. Turns every actor until none has anything to do at this moment;
 * `*due_us` receives the earliest due time (monotonic), DUE_NEVER if there is none. */
void runner_step(struct runner *runner, uint64_t *due_us);
/* NONE only: at most one turn of one actor, for a scheduler that chooses. True if it ran. */
bool runner_turn(struct runner *runner, uint32_t actor);
/* How many threads run: 0 for NONE. */
uint32_t runner_thread_count(const struct runner *runner);

#endif
