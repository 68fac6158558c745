/* The host's hooks on commit, and the thread that calls them.
 *
 *   log ── Changes, Settled ──► edge ──► the hooks' thread, or weft_step() ──► hook, hook …
 *    ▲                                     │
 *    └───── board: what is done with ◄─────┘        board: what was left out ──► WEFT_LOST
 *
 * Neither actors nor host threads wait for it, but one that takes a hook away or closes the engine.
 * Invariants
 *   1. The edge is taken from by one thread only: the hooks', there from the first hook on, or
 *      whoever steps the engine.
 *   2. No lock is held while a hook is called.
 *   3. What is taken is given back on the board when no hook needs it any more.
 * Not here: what is told, and what is left out (actors/log_hooks.c). */
#ifndef WEFT_HOOKS_H
#define WEFT_HOOKS_H

#include <pthread.h>

#include "engine/runtime/topology.h"

typedef void hook_call(void *context, const struct weft_commit *commit);

struct hook {
    hook_call *call; /* NULL: a free place */
    void *context;
    unsigned which;
    uint64_t since; /* what has a serial up to this one is not for it */
    /* What it knows of the board's. */
    uint64_t lost;
    uint64_t lost_at[LIMIT_MODELS];
};

struct hooks {
    /* Fixed from open to close. */
    struct edge *edge;
    struct board *board;
    struct id device;
    bool stepped;

    /* Any thread. */
    struct wake wake; /* its descriptor is -1 until there is a thread */
    atomic_bool halt;

    /* Under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t returned; /* a hook has */
    struct hook list[LIMIT_HOOKS];
    int calling;      /* the place of the hook under way, or -1 */
    uint64_t calls;   /* ... and which call it is */
    pthread_t caller; /* ... by whom */
    pthread_t thread;
    bool thread_stands;

    /* The caller's. */
    struct mail *told; /* Changes whose Settled has not come yet */
    struct weft_change *changes;
    struct weft_value *values;
    size_t change_room, value_room;
};

/* Thread: the opener, before any actor turns. The topology's host_hooks is to be hooks->wake. */
void hooks_open(struct hooks *hooks, struct edge *edge, struct board *board,
                const struct id *device, bool stepped);
/* Calls hooks for all that waits, and says whether anything did. Thread: whoever steps. */
bool hooks_run(struct hooks *hooks);
/* Whether this thread is within a hook. */
bool hooks_within(struct hooks *hooks);
/* Waits for the hook under way; none is called afterwards. May be called twice. */
void hooks_halt(struct hooks *hooks);
/* Frees what is left, once no actor turns any more. */
void hooks_close(struct hooks *hooks);

#endif
