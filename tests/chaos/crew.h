/* A crew: processes of weft_node, each a member of one library, and who starts, stops, kills and
 * hears them, and keeps the ledger of what they were promised.
 *
 *      director ── starts, SIGKILL, SIGSTOP, SIGCONT, 'q', 'v' ──► node ×N ◄──TCP──► each other
 *               ◄── struct ledger_record ───────────────────────── node ×N
 *
 * Invariants
 *   1. No node outlives the director: each asks the system to be killed with it.
 *   2. Only processes that it has started are sent signals, by their ids.
 *   3. What a node has said before it was killed is still in its pipe, and counts.
 * What cannot go on ends the director (tell.h). */
#ifndef TESTS_CHAOS_CREW_H
#define TESTS_CHAOS_CREW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/chaos/ledger.h"
#include "tests/chaos/node.h"
#include "tests/chaos/proxy.h"
#include "tests/lib/scratch.h"

#define CREW_MAX 32u
#define CREW_PATH (SCRATCH_PATH + 32)

struct sailor {
    char path[CREW_PATH];
    char listen[PROXY_ADDRESS]; /* where it listens */
    char dial[PROXY_ADDRESS];   /* where others dial it, without a proxy */
    char source[PROXY_ADDRESS]; /* the address alone */
    char device[48];            /* its id, as a text */
    int space;                  /* the network namespace it lives in; -1: the director's */
    pid_t pid;                  /* 0: dead */
    int to, from;
    uint32_t epoch;
    bool stopped, ready, quiet, verified;
    int64_t sessions;            /* that it has now */
    struct ledger_memory memory; /* a moment ago */
    struct ledger_work work;     /* the same */
    uint64_t bytes;              /* on the wire, in earlier lives */
    uint64_t promises;
    uint32_t kills, early, stops; /* early: killed before its library was open */
};

struct crew {
    char folder[SCRATCH_PATH];
    uint64_t seed;
    unsigned count;
    /* How each writes: see node.h. */
    unsigned rows_max, pause_ms, steady, patience_ms;
    struct work_orders work;
    bool linked[CREW_MAX][CREW_MAX]; /* who dials whom: both each other, or neither */
    struct sailor sailors[CREW_MAX];
    /* Called now and then while all settle; may be NULL. */
    void (*idle)(void *context);
    void *idle_context;
    struct proxy *proxy; /* through which they dial each other; NULL: directly */
    struct ledger *ledger;
};

/* `count` members of one library, each of which knows all others and dials `degree` of them or a
 * few more, 0: all; the graph hangs together. The files are closed again: from then on nobody but
 * nodes opens them. */
void crew_found(struct crew *crew, unsigned count, unsigned degree, uint64_t seed);
/* Places a faulty network between them. */
void crew_connect(struct crew *crew);
/* Kills whoever is left and removes the folder. */
void crew_close(struct crew *crew);

void crew_start(struct crew *crew, unsigned number);
void crew_kill(struct crew *crew, unsigned number);
/* Waits for its next word, a short while at most, so that what follows comes right behind it. */
void crew_await_word(struct crew *crew, unsigned number);
/* SIGSTOP and SIGCONT. */
void crew_stop(struct crew *crew, unsigned number, bool stop);
/* Hears all who are alive until `until_ms`, or until somebody has spoken. */
void crew_hear(struct crew *crew, int64_t until_ms);
void crew_say(struct crew *crew, unsigned number, char letter);

/* Holds the file of a dead one against the ledger as it is now: everything of its own, and what
 * others were promised to be everywhere. Ends the director if something is missing. */
void crew_inspect(struct crew *crew, unsigned number);
/* The same for all, who are dead: and each promise of another device is kept by two. */
void crew_inspect_all(struct crew *crew);
/* Faults are over: all must fall quiet, which each does when all it wrote is everywhere, and each
 * must find by itself that all hold the same. */
void crew_converge(struct crew *crew, int64_t deadline_ms);
/* All end by themselves, and each file holds all of the ledger. */
void crew_end(struct crew *crew);
/* Whether all files are equal row by row, once their devices have ended. */
bool crew_equal(const struct crew *crew);
/* Both; they must be equal. */
void crew_settle(struct crew *crew);

#endif
