/* The log's members: who they are, what they hold, and the questions of prune.
 * Invariants
 *   1. A member is stored before, or in the commit with, the first acknowledgement of it.
 *   2. What a member holds only grows, here and in the table.
 *   3. The board's positions follow what is held in memory: an acknowledgement is true when it
 *      arrives, whether or not this device has stored it. */
#include "actors/log_private.h"

#define ACKS_DELAY_US 1000000u /* an acknowledgement waits that long for a commit to ride on */

struct load {
    struct log *log;
    enum weft_status status;
};

static struct member *find_member(struct log *log, const struct id *device) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (id_equal(&log->members[m].device, device)) return &log->members[m];
    }
    return NULL;
}

static struct member *add_member(struct log *log, const struct id *device, bool saved) {
    if (log->member_count == LIMIT_MEMBERS - 1) return NULL; /* This device is one, too. */
    struct member *member = &log->members[log->member_count++];
    *member = (struct member){.device = *device, .saved = saved};
    vector_init(&member->held);
    vector_init(&member->unsaved);
    atomic_store_explicit(&log->board->member_count, log->member_count, memory_order_release);
    return member;
}

/* What a member holds of this device's rows, where the host can see it. */
static void show(struct log *log, const struct member *member, const struct stream *stream) {
    uint32_t m = (uint32_t)(member - log->members);
    if (!id_equal(&stream->owner, &log->settings->device)) return;
    CHECK(m < LIMIT_MEMBERS && stream->model >= 1 && stream->model <= LIMIT_MODELS);
    atomic_store_explicit(&log->board->position[m][stream->model - 1],
                          vector_get(&member->held, stream), memory_order_release);
}

static void load_member(void *context, const struct id *device) {
    struct load *load = context;
    if (add_member(load->log, device, true) == NULL) load->status = WEFT_LIMIT;
}

static void load_ack(void *context, const struct id *device, const struct stream *stream,
                     uint64_t position) {
    struct load *load = context;
    struct member *member = find_member(load->log, device);
    if (member == NULL || load->status != WEFT_OK) return;
    load->status = vector_advance(&member->held, stream, position, NULL);
    if (load->status == WEFT_OK) show(load->log, member, stream);
}

enum weft_status log_load_members(struct log *log, struct weft_error *why) {
    struct load load = {log, WEFT_OK};
    const struct writer_visit visit = {.context = &load, .member = load_member, .ack = load_ack};
    enum weft_status status = writer_visit(log->writer, &visit, why);
    if (status == WEFT_OK && load.status != WEFT_OK) {
        status = status_fail(why, load.status, 0, "the library lists more than %u devices",
                             LIMIT_MEMBERS);
    }
    return status;
}

/* A device met for the first time. */
static struct member *welcome(struct log *log, struct instant now, const struct id *device,
                              struct outbox *out) {
    struct member *member = add_member(log, device, false);
    if (member == NULL) {
        struct weft_error why = {0};
        (void)status_fail(&why, WEFT_LIMIT, 0, "a library has at most %u devices", LIMIT_MEMBERS);
        log_notice(log, WEFT_EVENT_FAULT, -1, 0, device, &why, out);
        return NULL;
    }
    log->acks_due_us = now.mono_us;
    log_notice(log, WEFT_EVENT_MEMBER, -1, 0, device, NULL, out);
    return member;
}

void log_acked(struct log *log, struct instant now, const Weft__Acked *acked, struct outbox *out) {
    struct id device;
    bool moved = false;
    CHECK(id_read(&device, acked->device.data, acked->device.len));
    struct member *member = find_member(log, &device);
    if (member == NULL) member = welcome(log, now, &device, out);
    if (member == NULL) return;
    for (size_t i = 0; i < acked->n_places; i++) {
        const Weft__Place *place = acked->places[i];
        struct stream stream = {.model = place->model};
        bool raised = false;
        CHECK(id_read(&stream.owner, place->owner.data, place->owner.len));
        /* No clock gives such a version, and no commit that tried to store it would succeed. */
        if (place->position > INT64_MAX) continue;
        if (vector_advance(&member->held, &stream, place->position, &raised) != WEFT_OK) continue;
        if (!raised) continue;
        (void)vector_advance(&member->unsaved, &stream, place->position, NULL);
        show(log, member, &stream);
        moved = true;
    }
    if (!moved) return;
    if (log->acks_due_us == DUE_NEVER) log->acks_due_us = now.mono_us + ACKS_DELAY_US;
    log_tell_host(out);
}

enum weft_status log_save_acks(struct log *log, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    for (uint32_t m = 0; m < log->member_count && status == WEFT_OK; m++) {
        struct member *member = &log->members[m];
        bool added = false;
        if (!member->saved) {
            status = writer_member(log->writer, &member->device, 0, &added, why);
        }
        for (uint32_t i = 0; i < member->unsaved.count && status == WEFT_OK; i++) {
            const struct vector_entry *entry = &member->unsaved.entries[i];
            status = writer_ack(log->writer, &member->device, &entry->stream, entry->position, why);
        }
    }
    return status;
}

/* ---- prune's questions ---- */

static void fill_place(struct mail *mail, Weft__Place *place, const struct stream *stream,
                       uint64_t position) {
    CHECK(mail_bytes(mail, &place->owner, stream->owner.bytes, sizeof stream->owner.bytes));
    place->model = stream->model;
    place->position = position;
}

struct oldest {
    struct mail *mail;
    Weft__Surveyed *surveyed;
    size_t capacity;
};

static void visit_oldest(void *context, const struct stream *stream, uint64_t version) {
    struct oldest *oldest = context;
    Weft__Surveyed *surveyed = oldest->surveyed;
    if (surveyed->n_oldest == oldest->capacity) return; /* The next survey sees the others. */
    fill_place(oldest->mail, surveyed->oldest[surveyed->n_oldest++], stream, version);
}

void log_survey(struct log *log, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    Weft__Surveyed *surveyed = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SURVEYED, &surveyed);
    struct oldest oldest = {mail, surveyed, 256};
    const struct writer_visit visit = {.context = &oldest, .oldest_tombstone = visit_oldest};
    surveyed->oldest =
        (Weft__Place **)mail_messages(mail, &weft__place__descriptor, oldest.capacity);
    surveyed->members = (Weft__SurveyedMember **)mail_messages(
        mail, &weft__surveyed_member__descriptor, log->member_count);
    CHECK(surveyed->oldest != NULL && (surveyed->members != NULL || log->member_count == 0));
    surveyed->n_members = log->member_count;
    for (uint32_t m = 0; m < log->member_count; m++) {
        const struct member *member = &log->members[m];
        Weft__SurveyedMember *entry = surveyed->members[m];
        CHECK(mail_bytes(mail, &entry->device, member->device.bytes, sizeof member->device.bytes));
        entry->acks =
            (Weft__Place **)mail_messages(mail, &weft__place__descriptor, member->held.count);
        entry->n_acks = member->held.count;
        for (uint32_t i = 0; i < member->held.count; i++) {
            fill_place(mail, entry->acks[i], &member->held.entries[i].stream,
                       member->held.entries[i].position);
        }
    }
    if (writer_visit(log->writer, &visit, &why) != WEFT_OK) {
        /* Reading may have had to write (a page spilled to a full disk), and that failure ends the
         * open transaction: the group is applied again. */
        surveyed->n_oldest = 0;
        (void)log_save_group(log, now, &why, out);
    }
    outbox_send(out, ACTOR_PRUNE, &mail);
}

/* What this device, which holds `upto`, and every member but the owner hold. A member may have
 * joined since the survey on which prune decided. */
static uint64_t held_by_all(const struct log *log, const struct stream *stream, uint64_t upto) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (id_equal(&log->members[m].device, &stream->owner)) continue;
        uint64_t held = vector_get(&log->members[m].held, stream);
        if (held < upto) upto = held;
    }
    return upto;
}

void log_forget(struct log *log, struct instant now, const Weft__Forget *forget,
                struct outbox *out) {
    struct weft_error why = {0};
    struct stream stream = {.model = forget->upto->model};
    uint32_t count = 0;
    CHECK(id_read(&stream.owner, forget->upto->owner.data, forget->upto->owner.len));
    uint64_t upto = held_by_all(log, &stream, log_position(log, &stream));
    if (forget->upto->position < upto) upto = forget->upto->position;
    enum weft_status status = log_begin(log, &why);
    if (status == WEFT_OK) {
        status = writer_forget(log->writer, &stream, upto, LIMIT_FORGET_ROWS, &count, &why);
        if (status != WEFT_OK) (void)log_save_group(log, now, &why, out);
    }
    Weft__Forgotten *forgotten = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_FORGOTTEN, &forgotten);
    forgotten->upto = mail_message(mail, &weft__place__descriptor);
    CHECK(forgotten->upto != NULL);
    fill_place(mail, forgotten->upto, &stream, upto);
    forgotten->count = count;
    forgotten->more = status == WEFT_OK && count == LIMIT_FORGET_ROWS;
    board_add(log->board->tombstones_pruned, count);
    outbox_send(out, ACTOR_PRUNE, &mail);
}

void log_free_members(struct log *log) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        vector_free(&log->members[m].held);
        vector_free(&log->members[m].unsaved);
    }
}
