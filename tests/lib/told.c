/* Hooks of tests. */
#include "tests/lib/told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

void told_open(struct told *told, struct party *party, unsigned which) {
    struct weft_error why = {0};
    pthread_condattr_t attributes;
    *told = (struct told){.party = party};
    pthread_mutex_init(&told->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&told->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    told->calls = calloc(TOLD_CALLS, sizeof *told->calls);
    assert_non_null(told->calls);
    if (weft_on_commit(party->engine, which, told_hook, told, &why) != WEFT_OK)
        fail_msg("weft_on_commit: %s", why.text);
}

void told_close(struct told *told) {
    free(told->calls);
    pthread_cond_destroy(&told->changed);
    pthread_mutex_destroy(&told->lock);
}

static void name_change(const struct told *told, const struct weft_change *change, char *out,
                        size_t room) {
    static const char signs[] = {'?', '+', '-', '*'};
    const struct party *party = told->party;
    const bool location = change->model == party->location;
    const char *name = location ? "location" : change->model == party->entry ? "entry" : "tag";
    uint32_t number = 0;
    if (location || change->key_count != 1 || change->key[0].size != 16) {
        snprintf(out, room, "%s%c", name, signs[change->op]);
        return;
    }
    for (int i = 12; i < 16; i++)
        number = number << 8 | ((const uint8_t *)change->key[0].as.bytes)[i];
    snprintf(out, room, "%s%c%u", name, signs[change->op], number);
}

void told_hook(void *context, const struct weft_commit *commit) {
    struct told *told = context;
    struct told_call call = {.phase = commit->phase,
                             .remote = commit->remote,
                             .ticket = commit->ticket,
                             .serial = commit->serial,
                             .lost = commit->lost,
                             .count = commit->count};
    memcpy(call.device, commit->device, sizeof call.device);
    for (size_t i = 0; i < commit->count && strlen(call.text) + 32 < sizeof call.text; i++) {
        char change[32] = "";
        name_change(told, &commit->changes[i], change, sizeof change);
        snprintf(call.text + strlen(call.text), sizeof call.text - strlen(call.text), "%s%s",
                 i == 0 ? "" : " ", change);
    }
    pthread_mutex_lock(&told->lock);
    if (told->count < TOLD_CALLS) told->calls[told->count++] = call;
    if (commit->phase == WEFT_AFTER) told->changes += commit->count;
    told->inside = true;
    told->caller = pthread_self();
    pthread_cond_broadcast(&told->changed);
    while (told->held)
        pthread_cond_wait(&told->changed, &told->lock);
    told->inside = false;
    pthread_mutex_unlock(&told->lock);
}

void told_hold(struct told *told, bool held) {
    pthread_mutex_lock(&told->lock);
    told->held = held;
    pthread_cond_broadcast(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

/* Caller holds the lock. False when it takes too long. */
static bool told_sleep(struct told *told, const struct timespec *until) {
    return pthread_cond_timedwait(&told->changed, &told->lock, until) == 0;
}

static struct timespec patience(void) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PARTY_PATIENCE_MS / 1000;
    return until;
}

void told_wait_inside(struct told *told) {
    const struct timespec until = patience();
    bool timely = true;
    pthread_mutex_lock(&told->lock);
    while (!told->inside && timely)
        timely = told_sleep(told, &until);
    pthread_mutex_unlock(&told->lock);
    if (!timely) fail_msg("the hook was not called");
}

struct told_call told_next(struct told *told) {
    const struct timespec until = patience();
    struct told_call call = {0};
    bool timely = true;
    pthread_mutex_lock(&told->lock);
    while (told->taken == told->count && timely)
        timely = told_sleep(told, &until);
    if (timely) call = told->calls[told->taken++];
    pthread_mutex_unlock(&told->lock);
    if (!timely) fail_msg("the hook was not called");
    return call;
}

struct told_call told_is(struct told *told, enum weft_phase phase, const char *text) {
    const struct told_call call = told_next(told);
    if (call.phase != phase || strcmp(call.text, text) != 0)
        fail_msg("told %d \"%s\" instead of %d \"%s\"", call.phase, call.text, phase, text);
    return call;
}

unsigned told_count(struct told *told) {
    pthread_mutex_lock(&told->lock);
    unsigned count = told->count;
    pthread_mutex_unlock(&told->lock);
    return count;
}
