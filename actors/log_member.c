/* The log's members: who they are, what they hold, and when they were last heard of.
 * Invariants
 *   1. Who is a member is what the roster says, and nothing else.
 *   2. What a member holds only grows, here and in the table, but for streams that it leaves out
 *      (log_subscribe.c).
 *   3. The board's positions follow what is held in memory: an acknowledgement is true when it
 *      arrives, whether or not this device has stored it. */
#include <stdlib.h>

#include "actors/log_private.h"
#include "engine/store/horizon.h"

#define ACKS_DELAY_US 1000000u /* an acknowledgement waits that long for a commit to ride on */

struct load {
    struct log *log;
    enum weft_status status;
};

struct member *log_member(struct log *log, const struct id *device) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (id_equal(&log->members[m].device, device)) return &log->members[m];
    }
    return NULL;
}

static struct member *add_member(struct log *log, const struct id *device) {
    if (log->member_count == LIMIT_ROSTER) return NULL;
    struct board_seat *seat = &log->board->members[log->member_count];
    struct member *member = &log->members[log->member_count++];
    *member = (struct member){.device = *device};
    vector_init(&member->held);
    vector_init(&member->unsaved);
    vector_init(&member->skips);
    board_set(seat->device[0], load_u64(device->bytes));
    board_set(seat->device[1], load_u64(device->bytes + 8));
    atomic_store_explicit(&log->board->member_count, log->member_count, memory_order_release);
    return member;
}

static void show_name(_Atomic uint64_t cells[8], const char *name) {
    char text[65] = {0};
    utf8_plain(name, strlen(name), text, sizeof text);
    for (size_t i = 0; i < 8; i++)
        board_set(cells[i], load_u64((const uint8_t *)text + 8 * i));
}

/* Where a device stands changes: the board says so, and what it holds is to be stored from now on.
 */
static void set_state(struct log *log, struct member *member, enum board_member state,
                      const char *name) {
    struct board_seat *seat = &log->board->members[member - log->members];
    show_name(seat->name, name);
    if (state == BOARD_MEMBER) (void)vector_merge(&member->unsaved, &member->held);
    member->state = state;
    atomic_store_explicit(&seat->state, state, memory_order_release);
}

/* Whether rows of an owner may exist: it is in the roster. What is said of others is remembered and
 * no more, or a member that lies could have every commit store what it makes up. */
bool log_may_own(const struct log *log, const struct id *owner) {
    return id_equal(owner, &log->settings->device) || roster_find(&log->roster, owner) != NULL;
}

static uint32_t unknown_held(const struct log *log, const struct member *member) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < member->held.count; i++)
        count += !log_may_own(log, &member->held.entries[i].stream.owner);
    return count;
}

void log_follow_roster(struct log *log, struct instant now, struct outbox *tell) {
    for (uint32_t i = 0; i < log->roster.count; i++) {
        const struct roster_member *entry = &log->roster.members[i];
        enum board_member state = entry->removed ? BOARD_REMOVED : BOARD_MEMBER;
        if (id_equal(&entry->device, &log->settings->device)) {
            bool news = board_get(log->board->self_state) != state;
            show_name(log->board->self_name, entry->name);
            atomic_store_explicit(&log->board->self_state, state, memory_order_release);
            if (!news || tell == NULL) continue;
            log_notice(log, entry->removed ? WEFT_EVENT_REMOVED : WEFT_EVENT_MEMBER, -1, 0,
                       &entry->device, NULL, tell);
            continue;
        }
        struct member *member = log_member(log, &entry->device);
        if (member == NULL) member = add_member(log, &entry->device);
        CHECK(member != NULL); /* The roster has no more entries than there are seats. */
        member->unknown = unknown_held(log, member);
        board_set(log->board->members[member - log->members].away,
                  roster_away(&log->roster, &entry->device));
        if (member->state == state) continue;
        set_state(log, member, state, entry->name);
        /* One that never comes is silent from when it was let in. */
        if (now.wall_ms != 0) log_heard(log, now, member);
        if (member->unsaved.count != 0) log->acks_due_us = now.mono_us;
        if (tell == NULL) continue;
        log_notice(log, entry->removed ? WEFT_EVENT_REMOVED : WEFT_EVENT_MEMBER, -1, 0,
                   &entry->device, NULL, tell);
    }
}

/* What a member holds of this device's rows, where the host can see it. */
static void show(struct log *log, const struct member *member, const struct stream *stream) {
    uint32_t m = (uint32_t)(member - log->members);
    if (!id_equal(&stream->owner, &log->settings->device)) return;
    CHECK(m < LIMIT_ROSTER && stream->model >= 1 && stream->model <= LIMIT_MODELS);
    atomic_store_explicit(&log->board->position[m][stream->model - 1],
                          vector_get(&member->held, stream), memory_order_release);
}

static void load_ack(void *context, const struct id *device, const struct stream *stream,
                     uint64_t position) {
    struct load *load = context;
    struct member *member = log_member(load->log, device);
    if (member == NULL || load->status != WEFT_OK) return;
    load->status = vector_advance(&member->held, stream, position, NULL);
    if (load->status == WEFT_OK) show(load->log, member, stream);
}

static void load_heard(void *context, const struct id *device, uint64_t wall_ms) {
    struct load *load = context;
    struct member *member = log_member(load->log, device);
    if (member != NULL) member->heard_ms = member->heard_saved_ms = wall_ms;
}

/* Its last statement is taken once more, for what it leaves out; those before it are not. */
static void load_floor(void *context, const struct id *device, uint64_t incarnation,
                       uint64_t serial) {
    struct load *load = context;
    struct member *member = log_member(load->log, device);
    if (member == NULL || serial == 0) return;
    member->attested_in = incarnation;
    member->serial = serial - 1;
}

enum weft_status log_load_members(struct log *log, struct weft_error *why) {
    struct load load = {log, WEFT_OK};
    const struct writer_visit visit = {.context = &load, .ack = load_ack};
    log_follow_roster(log, (struct instant){0}, NULL);
    enum weft_status status = writer_visit(log->writer, &visit, why);
    if (status == WEFT_OK) status = horizon_load_heard(log->writer, &load, load_heard, why);
    if (status == WEFT_OK) status = writer_floors(log->writer, &load, load_floor, why);
    if (status == WEFT_OK && load.status != WEFT_OK) {
        status = status_fail(why, load.status, 0, "no memory for what the members hold");
    }
    return status;
}

/* Often enough for days of silence, and seldom enough to cost nothing. */
#define HEARD_SAVE_MS 3600000u

void log_heard(struct log *log, struct instant now, struct member *member) {
    const uint64_t part = log->settings->patience_ms / 64 + 1, saved = member->heard_saved_ms;
    const uint64_t often = part < HEARD_SAVE_MS ? part : HEARD_SAVE_MS;
    /* Also back: this device's clock was ahead when it was heard of last. */
    member->heard_ms = now.wall_ms;
    if (member->state != BOARD_MEMBER) return;
    if (now.wall_ms < saved || now.wall_ms - saved >= often) log_acks_wait(log, now);
}

static enum weft_status save_heard(struct log *log, struct member *member, struct weft_error *why) {
    if (member->state != BOARD_MEMBER || member->heard_ms == member->heard_saved_ms) return WEFT_OK;
    enum weft_status status = horizon_heard(log->writer, &member->device, member->heard_ms, why);
    if (status == WEFT_OK) member->heard_saved_ms = member->heard_ms;
    return status;
}

void log_acks_wait(struct log *log, struct instant now) {
    if (log->acks_due_us == DUE_NEVER) log->acks_due_us = now.mono_us + ACKS_DELAY_US;
}

bool log_holds(struct log *log, struct member *member, const struct stream *stream,
               uint64_t position) {
    bool raised = false, known = log_may_own(log, &stream->owner);
    bool added = vector_find(&member->held, stream) == NULL;
    /* No clock gives a greater version, and no commit that tried to store it would succeed. */
    if (position > INT64_MAX) return false;
    /* It was said before the statement that leaves the stream out. */
    if (log_skips(member, stream)) return false;
    if (!known && added && member->unknown >= LIMIT_STREAMS_UNKNOWN) return false;
    if (vector_advance(&member->held, stream, position, &raised) != WEFT_OK) return false;
    member->unknown += !known && added;
    if (!raised || !known) return false;
    if (member->state == BOARD_MEMBER) {
        (void)vector_advance(&member->unsaved, stream, position, NULL);
    }
    show(log, member, stream);
    return true;
}

void log_acked(struct log *log, struct instant now, const Weft__Acked *acked, struct outbox *out) {
    struct id device;
    bool moved = false;
    CHECK(id_read(&device, acked->device.data, acked->device.len));
    struct member *member = log_member(log, &device);
    if (member == NULL) member = add_member(log, &device);
    if (member == NULL) return; /* As many as there may be, and this is none of them. */
    log_heard(log, now, member);
    for (size_t i = 0; i < acked->n_places; i++) {
        const Weft__Place *place = acked->places[i];
        struct stream stream = {.model = place->model};
        CHECK(id_read(&stream.owner, place->owner.data, place->owner.len));
        moved = log_holds(log, member, &stream, place->position) || moved;
    }
    if (!moved) return;
    log_figures_held(log, now, member);
    log_acks_wait(log, now);
    log_tell_host(out);
}

/* What the file knows of a member becomes what it holds. */
static enum weft_status rewrite_acks(struct log *log, const struct member *member,
                                     struct weft_error *why) {
    enum weft_status status =
        writer_ack_drop(log->writer, &member->device, member->attested_in, member->serial, why);
    for (uint32_t i = 0; i < member->held.count && status == WEFT_OK; i++) {
        const struct vector_entry *entry = &member->held.entries[i];
        if (!log_may_own(log, &entry->stream.owner)) continue;
        status = writer_ack(log->writer, &member->device, &entry->stream, entry->position, why);
    }
    return status;
}

enum weft_status log_save_acks(struct log *log, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    for (uint32_t m = 0; m < log->member_count && status == WEFT_OK; m++) {
        struct member *member = &log->members[m];
        if (member->rewrite) status = rewrite_acks(log, member, why);
        for (uint32_t i = 0; i < member->unsaved.count && status == WEFT_OK; i++) {
            const struct vector_entry *entry = &member->unsaved.entries[i];
            status = writer_ack(log->writer, &member->device, &entry->stream, entry->position, why);
        }
        if (status == WEFT_OK) status = log_save_shared_acks(log, member, why);
        if (status == WEFT_OK) status = save_heard(log, member, why);
    }
    return status;
}

void log_free_members(struct log *log) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        vector_free(&log->members[m].held);
        vector_free(&log->members[m].unsaved);
        vector_free(&log->members[m].skips);
        free(log->members[m].shared);
    }
}
