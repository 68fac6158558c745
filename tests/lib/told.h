/* What a hook was told: each call, as data and as a short text. The hook can be made to stand still
 * in the middle of a call.
 *
 * Rows of party.h's tables and of a shared table "tag" are named by the number in their ids, as
 * party_id() makes them: "entry+1 tag-2 entry*". Of a location no number is told. */
#ifndef TESTS_LIB_TOLD_H
#define TESTS_LIB_TOLD_H

#include <pthread.h>

#include "tests/lib/party.h"

#define TOLD_CALLS 8192u
#define TOLD_TEXT 96u

struct told_call {
    enum weft_phase phase;
    bool remote;
    uint8_t device[16];
    uint64_t ticket, serial, lost;
    size_t count;
    char text[TOLD_TEXT]; /* the first of its changes */
};

struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct party *party;
    bool held;   /* calls do not return */
    bool inside; /* one is under way */
    pthread_t caller;
    struct told_call *calls; /* TOLD_CALLS of them */
    unsigned count, taken;
    size_t changes; /* rows told with AFTER */
};

/* Has the party's engine call told_hook(). */
void told_open(struct told *told, struct party *party, unsigned which);
/* Frees it; nothing may call it any more. */
void told_close(struct told *told);
void told_hook(void *context, const struct weft_commit *commit);

/* From now on calls stand still, or go on. */
void told_hold(struct told *told, bool held);
/* Waits until a call is under way. */
void told_wait_inside(struct told *told);
/* The next call; waits for it, and fails the test when none comes. */
struct told_call told_next(struct told *told);
/* The next call is one of this phase with this text. */
struct told_call told_is(struct told *told, enum weft_phase phase, const char *text);
/* How many calls there were so far. */
unsigned told_count(struct told *told);

#endif
