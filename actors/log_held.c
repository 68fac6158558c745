/* What is held of each origin's records: here (heads), and by each member (acknowledgements).
 *
 *   heads        in the order in which they came: what a group added is cut off at the end
 *   head_order   their places, in order of origins
 *   shared       of a member, in order of origins
 *
 * Invariants
 *   1. Both are found by halving: a statement names every origin, and each member makes one.
 *   2. head_order names every head, once; no origin has two heads, or two acknowledgements of one
 *      member. */
#include <stdlib.h>
#include <string.h>

#include "actors/log_private.h"

/* ---- heads ---- */

bool log_heads_new(struct log *log) {
    log->heads = calloc(LIMIT_ORIGINS, sizeof *log->heads);
    log->head_order = calloc(LIMIT_ORIGINS, sizeof *log->head_order);
    log->head_count = 0;
    return log->heads != NULL && log->head_order != NULL;
}

void log_heads_free(struct log *log) {
    free(log->heads);
    free(log->head_order);
    log->heads = NULL;
    log->head_order = NULL;
}

/* Where an origin stands in order, or is to be put. */
static uint32_t head_place(const struct log *log, const struct record_origin *origin, bool *there) {
    uint32_t low = 0, high = log->head_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct shared_head *head = &log->heads[log->head_order[middle]];
        const int order = record_origin_compare(&head->origin, origin);
        *there = order == 0;
        if (order == 0) return middle;
        if (order < 0) low = middle + 1;
        if (order > 0) high = middle;
    }
    *there = false;
    return low;
}

struct shared_head *log_head(const struct log *log, const struct record_origin *origin) {
    bool there = false;
    const uint32_t at = head_place(log, origin, &there);
    return there ? &log->heads[log->head_order[at]] : NULL;
}

bool log_origin_fits(const struct log *log, const struct record_origin *origin) {
    uint32_t incarnations = 0;
    for (uint32_t i = 0; i < log->head_count; i++) {
        incarnations += id_equal(&log->heads[i].origin.device, &origin->device);
    }
    return incarnations < LIMIT_INCARNATIONS && log->head_count < LIMIT_ORIGINS;
}

struct shared_head *log_add_head(struct log *log, const struct record_origin *origin) {
    bool there = false;
    if (!log_origin_fits(log, origin)) return NULL;
    const uint32_t at = head_place(log, origin, &there);
    if (there) return &log->heads[log->head_order[at]];
    memmove(log->head_order + at + 1, log->head_order + at,
            (log->head_count - at) * sizeof *log->head_order);
    log->head_order[at] = log->head_count;
    log->heads[log->head_count] = (struct shared_head){.origin = *origin};
    return &log->heads[log->head_count++];
}

void log_cut_heads(struct log *log, uint32_t count) {
    uint32_t kept = 0;
    CHECK(count <= log->head_count);
    for (uint32_t i = 0; i < log->head_count; i++) {
        if (log->head_order[i] < count) log->head_order[kept++] = log->head_order[i];
    }
    log->head_count = count;
}

static struct shared_head *self_head(const struct log *log) {
    const struct record_origin self = {log->settings->device, log->settings->incarnation};
    return log_head(log, &self);
}

void log_mark_heads(struct log *log) {
    const struct shared_head *head = self_head(log);
    log->own_head = head == NULL ? (struct shared_head){0} : *head;
    log->own_heads = log->head_count;
    log->own_place = log->place;
    log->marked = true;
}

void log_restore_heads(struct log *log) {
    struct shared_head *head = self_head(log);
    if (!log->marked) return;
    log->marked = false;
    if (head != NULL) *head = log->own_head;
    log_cut_heads(log, log->own_heads);
    log->place = log->own_place;
}

/* ---- acknowledgements ---- */

/* Where the acknowledgement of an origin stands, or is to be put. */
static uint32_t ack_place(const struct member *member, const struct record_origin *origin) {
    uint32_t low = 0, high = member->shared_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (record_origin_compare(&member->shared[middle].origin, origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct shared_ack *find_ack(const struct member *member,
                                   const struct record_origin *origin) {
    const uint32_t at = ack_place(member, origin);
    if (at == member->shared_count) return NULL;
    struct shared_ack *ack = &member->shared[at];
    return record_origin_compare(&ack->origin, origin) == 0 ? ack : NULL;
}

uint64_t log_acked_seq(const struct member *member, const struct record_origin *origin) {
    const struct shared_ack *ack = find_ack(member, origin);
    return ack == NULL ? 0 : ack->seq;
}

void log_applies_shared(struct member *member, const struct record_origin *origin, uint64_t seq) {
    struct shared_ack *ack = find_ack(member, origin);
    if (ack != NULL && seq > ack->applied) ack->applied = seq;
}

uint64_t log_applied_seq(const struct member *member, const struct record_origin *origin) {
    const struct shared_ack *ack = find_ack(member, origin);
    return ack == NULL ? 0 : ack->applied;
}

/* Makes room, at its place, for what a member says of an origin; NULL: there is none. */
static struct shared_ack *ack_add(struct member *member, const struct record_origin *origin) {
    const uint32_t at = ack_place(member, origin);
    if (member->shared_count == LIMIT_ORIGINS) return NULL;
    if (member->shared_count == member->shared_room) {
        uint32_t room = member->shared_room == 0 ? 8 : member->shared_room * 2;
        struct shared_ack *grown = realloc(member->shared, room * sizeof *grown);
        if (grown == NULL) return NULL;
        member->shared = grown;
        member->shared_room = room;
    }
    memmove(member->shared + at + 1, member->shared + at,
            (member->shared_count - at) * sizeof *member->shared);
    member->shared_count++;
    member->shared[at] = (struct shared_ack){.origin = *origin};
    return &member->shared[at];
}

bool log_raise_ack(struct member *member, const struct record_origin *origin, uint64_t seq,
                   bool saved) {
    struct shared_ack *ack = find_ack(member, origin);
    if (ack == NULL) {
        ack = ack_add(member, origin);
        if (ack == NULL) return false;
    }
    if (seq <= ack->seq) return false;
    ack->seq = seq;
    ack->saved = saved;
    return true;
}
