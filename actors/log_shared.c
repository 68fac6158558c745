/* The log's way with records of the shared log.
 *
 *   held already ───────────────────────► nothing to do (two of one number: the origin is frozen)
 *   continues its origin's chain, admitted ► appended, applied ─── one commit for a mail ──► share
 *   a gap, or an origin nobody has added ─► WEFT_NOT_FOUND: share asks again
 *   of a removed device, past its pin ────► passed over, and this device says what it holds
 *   not signed by its origin ─────────────► WEFT_DENIED: who sent it did not look
 *
 * Invariants
 *   1. Records are committed and synced before anybody hears of them.
 *   2. Roster and heads in memory are those of the disk whenever a step begins, or `reload_due` is
 *      set and they are read again before they are used.
 *   3. Every mail that came in goes to share, once, with what became of it. */
#include "actors/log_private.h"
#include "engine/store/horizon.h"

/* ---- memory ---- */

static void load_head(void *context, const struct shared_head *head) {
    struct log *log = context;
    struct shared_head *mine = head->seq == 0 ? NULL : log_add_head(log, &head->origin);
    if (mine != NULL) *mine = *head;
}

/* What a member holds of this device's records, where the host can see it. */
static void show(struct log *log, const struct member *member, const struct record_origin *origin,
                 uint64_t seq) {
    const struct record_origin self = {log->settings->device, log->settings->incarnation};
    if (record_origin_compare(origin, &self) != 0) return;
    atomic_store_explicit(&log->board->shared[member - log->members], seq, memory_order_release);
}

bool log_holds_shared(struct log *log, struct member *member, const struct record_origin *origin,
                      uint64_t seq) {
    if (!log_raise_ack(member, origin, seq, false)) return false;
    show(log, member, origin, seq);
    return true;
}

static void load_ack(void *context, const struct id *device, const struct record_origin *origin,
                     uint64_t seq) {
    struct log *log = context;
    /* The roster has been read by now: whoever has acknowledged anything is in it. */
    if (log_member(log, device) == NULL) log_follow_roster(log, (struct instant){0}, NULL);
    struct member *member = log_member(log, device);
    if (member != NULL && log_raise_ack(member, origin, seq, true)) show(log, member, origin, seq);
}

enum weft_status log_load_shared(struct log *log, struct weft_error *why) {
    const struct shared_visit visit = {.context = log, .head = load_head, .ack = load_ack};
    log->roster_wanted = DUE_NEVER;
    const bool room = log_heads_new(log);
    enum weft_status status = roster_open(&log->roster, log->settings->identity);
    if (!room || status != WEFT_OK) {
        return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the members of the library");
    }
    return shared_load(log->writer, &visit, &log->roster, why);
}

void log_free_shared(struct log *log) {
    roster_close(&log->roster);
    log_heads_free(log);
}

enum weft_status log_reload_shared(struct log *log, struct weft_error *why) {
    if (!log->reload_due) return WEFT_OK;
    const struct shared_visit visit = {.context = log, .head = load_head, .ack = load_ack};
    uint64_t version = log->roster.version;
    roster_close(&log->roster);
    enum weft_status status = roster_open(&log->roster, log->settings->identity);
    log_cut_heads(log, 0);
    if (status == WEFT_OK) status = shared_load(log->writer, &visit, &log->roster, why);
    if (status == WEFT_OK) log->reload_due = false;
    /* Versions go on, whatever came of it. */
    if (log->roster.version <= version) log->roster.version = version + 1;
    return status;
}

/* ---- telling ---- */

static void send_grown(struct log *log, struct outbox *out) {
    Weft__Grown *grown = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_GROWN, &grown);
    grown->heads = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, log->head_count);
    CHECK(grown->heads != NULL || log->head_count == 0);
    grown->n_heads = log->head_count;
    grown->place = log->place;
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct shared_head *head = &log->heads[i];
        CHECK(mail_bytes(mail, &grown->heads[i]->device, head->origin.device.bytes, WEFT_ID_SIZE));
        CHECK(mail_bytes(mail, &grown->heads[i]->hash, head->hash, sizeof head->hash));
        grown->heads[i]->incarnation = head->origin.incarnation;
        grown->heads[i]->seq = head->seq;
        grown->heads[i]->pruned = head->pruned;
        grown->heads[i]->frozen = head->frozen;
    }
    grown->taking = log->taking != NULL;
    grown->missing = log_snapshot_missing(log);
    grown->waiting = log->quarantine_due_us != DUE_NEVER;
    outbox_send(out, ACTOR_SHARE, &mail);
}

void log_tell_place(struct log *log, struct outbox *out) {
    for (uint32_t m = 0; m < LIMIT_MODELS; m++) {
        if ((log->changed_models >> m & 1) == 0) continue;
        log_notice(log, WEFT_EVENT_CHANGED, (int)m, 0, NULL, NULL, out);
    }
    log->changed_models = 0;
    if (log->place != log->told_place || log->horizon_moved) send_grown(log, out);
    log->told_place = log->place;
    log->horizon_moved = false;
}

static void fill_roster(const struct roster *roster, struct mail *mail, Weft__Roster *message) {
    message->version = roster->version;
    message->members =
        (Weft__RosterMember **)mail_messages(mail, &weft__roster_member__descriptor, roster->count);
    message->keys =
        (Weft__RosterKey **)mail_messages(mail, &weft__roster_key__descriptor, roster->key_count);
    CHECK(message->members != NULL || roster->count == 0);
    CHECK(message->keys != NULL || roster->key_count == 0);
    message->n_members = roster->count;
    message->n_keys = roster->key_count;
    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_member *from = &roster->members[i];
        Weft__RosterMember *to = message->members[i];
        CHECK(mail_bytes(mail, &to->device, from->device.bytes, WEFT_ID_SIZE));
        CHECK(mail_bytes(mail, &to->id_pk, from->public.id_pk, IDENTITY_KEY));
        CHECK(mail_bytes(mail, &to->x_pk, from->public.x_pk, IDENTITY_KEY));
        to->removed = !roster_has(roster, &from->device);
    }
    for (uint32_t i = 0; i < roster->key_count; i++) {
        const struct roster_key *from = &roster->keys[i];
        Weft__RosterKey *to = message->keys[i];
        to->epoch = from->epoch;
        CHECK(mail_bytes(mail, &to->psk_id, from->psk_id, LIBRARY_KEY_ID));
        CHECK(mail_bytes(mail, &to->key, from->key, LIBRARY_KEY));
    }
}

/* Answers the listener when there is something newer than it has. */
static void tell_listener(struct log *log, struct outbox *out) {
    if (log->reload_due) return; /* When it has been read again. */
    if (log->roster_wanted == DUE_NEVER || log->roster.version <= log->roster_wanted) return;
    Weft__Roster *message = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_ROSTER, &message);
    mail->secret = true;
    fill_roster(&log->roster, mail, message);
    log->roster_wanted = DUE_NEVER;
    outbox_send(out, ACTOR_LISTENER, &mail);
}

void log_roster_wanted(struct log *log, const Weft__RosterWanted *wanted, struct outbox *out) {
    log->roster_wanted = wanted->version;
    tell_listener(log, out);
}

void log_shared_acked(struct log *log, struct instant now, const Weft__SharedAcked *acked,
                      struct outbox *out) {
    struct id device;
    bool news = false;
    CHECK(id_read(&device, acked->device.data, acked->device.len));
    struct member *member = log_member(log, &device);
    if (member == NULL) return;
    log_heard(log, now, member);
    for (size_t i = 0; i < acked->n_heads; i++) {
        const Weft__Head *head = acked->heads[i];
        struct record_origin origin = {.incarnation = head->incarnation};
        if (!id_read(&origin.device, head->device.data, head->device.len)) continue;
        news = log_holds_shared(log, member, &origin, head->seq) || news;
        if (!acked->waiting) log_applies_shared(member, &origin, head->seq);
    }
    if (news && member->state == BOARD_MEMBER) log_acks_wait(log, now);
    if (!news) return;
    log_figures_held(log, now, member);
    log_tell_host(out);
}

enum weft_status log_save_shared_acks(struct log *log, struct member *member,
                                      struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    if (member->state != BOARD_MEMBER) return WEFT_OK;
    for (uint32_t i = 0; i < member->shared_count && status == WEFT_OK; i++) {
        const struct shared_ack *ack = &member->shared[i];
        if (ack->saved) continue;
        status = shared_ack(log->writer, &member->device, &ack->origin, ack->seq, why);
    }
    return status;
}

/* ---- writing ---- */

struct saving {
    struct log *log;
    enum weft_status status;
    struct weft_error *why;
};

static void save_member(void *context, const struct roster_member *member) {
    struct saving *saving = context;
    if (saving->status != WEFT_OK) return;
    saving->status = shared_save_member(saving->log->writer, member, saving->why);
}

static void save_key(void *context, const struct roster_key *key) {
    struct saving *saving = context;
    if (saving->status != WEFT_OK) return;
    saving->status = shared_save_key(saving->log->writer, key, saving->why);
}

enum weft_status log_apply_members(struct log *log, const struct record *record,
                                   struct weft_error *why) {
    struct saving saving = {log, WEFT_OK, why};
    const struct roster_change change = {&saving, save_member, save_key};
    (void)roster_apply(&log->roster, record, &change); /* One device too many is passed over. */
    return saving.status;
}

enum weft_status log_append_record(struct log *log, const struct record *record, struct bytes bytes,
                                   struct weft_error *why) {
    struct shared_head *head = log_head(log, &record->origin);
    if (head == NULL) head = log_add_head(log, &record->origin);
    if (head == NULL) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "a device has begun more than %u incarnations, that is, was restored or "
                           "copied so often; let it come in anew, with a new identity",
                           LIMIT_INCARNATIONS);
    }
    CHECK(record->seq == head->seq + 1);
    enum weft_status status = shared_append(log->writer, record, bytes, &log->place, why);
    if (status != WEFT_OK) return status;
    head->seq = record->seq;
    head->hlc = record->hlc;
    memcpy(head->hash, record->hash, sizeof head->hash);
    return log_apply_members(log, record, why);
}

enum weft_status log_settle_shared(struct log *log, struct instant now, enum weft_status status,
                                   struct weft_error *why, struct outbox *out) {
    if (status == WEFT_OK) {
        status = log_flush(log, now, out);
        if (status != WEFT_OK) {
            (void)status_fail(why, status, 0, "the record could not be committed: %s",
                              weft_status_text(status));
        }
    } else {
        log_rollback(log);
        log_note_lost(log, why);
    }
    log_settled_snapshot(log, status == WEFT_OK);
    if (status != WEFT_OK) {
        log->reload_due = true;
        (void)log_reload_shared(log, NULL);
        return status;
    }
    /* After a snapshot heads have moved without a record; and it may just have become whole. */
    if (log->horizon_moved) log_tell_place(log, out);
    log_follow_roster(log, now, out);
    tell_listener(log, out);
    log_tell_host(out);
    return WEFT_OK;
}

/* ---- records of others ---- */

#define FROZEN_TOLD 8u /* a mail can hardly prove more */

struct taking {
    struct log *log;
    struct instant now;
    struct outbox *out;
    uint32_t appended;
    bool broken; /* a record was appended whose rows could not be written: nothing may be kept */
    struct log_unsaid unsaid;
    uint32_t frozen_count; /* origins frozen, of which is told when that is committed */
    const struct shared_head *frozen[FROZEN_TOLD];
};

static void note_refused(struct log_unsaid *unsaid, const struct id *device) {
    for (uint32_t i = 0; i < unsaid->refused_count; i++) {
        if (id_equal(&unsaid->refused[i], device)) return;
    }
    if (unsaid->refused_count < LIMIT_ROSTER) unsaid->refused[unsaid->refused_count++] = *device;
}

/* An origin has signed two records of one number: it is frozen, with the proof. */
static enum weft_status freeze(struct taking *taking, struct shared_head *head,
                               const struct record *other, struct bytes bytes,
                               struct weft_error *why) {
    enum weft_status status = shared_freeze(taking->log->writer, other, bytes, why);
    if (status != WEFT_OK) return status;
    head->frozen = true;
    taking->log->horizon_moved = true; /* Share waits for nothing more of it. */
    if (taking->frozen_count < FROZEN_TOLD) taking->frozen[taking->frozen_count++] = head;
    return WEFT_OK;
}

static void tell_frozen(const struct taking *taking) {
    for (uint32_t i = 0; i < taking->frozen_count; i++) {
        const struct shared_head *head = taking->frozen[i];
        struct weft_error said = {0};
        char device[ID_TEXT_SIZE];
        id_text(&head->origin.device, device);
        (void)status_fail(&said, WEFT_DENIED, 0,
                          "device %s has signed two different records number %llu: nothing more "
                          "is taken of it; both are kept as proof. It was copied, or set back to "
                          "an earlier state: remove it, and let it come in anew with a new library "
                          "file",
                          device, (unsigned long long)head->seq);
        log_notice(taking->log, WEFT_EVENT_FAULT, -1, 0, &head->origin.device, &said, taking->out);
    }
}

static enum weft_status refuse(const struct record *record, enum weft_status status,
                               const char *text, struct weft_error *why) {
    char device[ID_TEXT_SIZE];
    id_text(&record->origin.device, device);
    return status_fail(why, status, 0, "record %llu of device %s: %s",
                       (unsigned long long)record->seq, device, text);
}

/* A device has begun more incarnations than are followed: the log goes on without this one. */
static enum weft_status pass_over(struct taking *taking, const struct record *record) {
    struct weft_error said = {0};
    char device[ID_TEXT_SIZE];
    if (record->seq != 1) return WEFT_OK;
    id_text(&record->origin.device, device);
    (void)status_fail(&said, WEFT_LIMIT, 0,
                      "device %s has begun more than %u incarnations, that is, was restored or "
                      "copied so often: what it writes in this one is not taken; remove it, and "
                      "let it come in anew, with a new library file",
                      device, LIMIT_INCARNATIONS);
    log_notice(taking->log, WEFT_EVENT_FAULT, -1, 0, &record->origin.device, &said, taking->out);
    return WEFT_OK;
}

/* One record, in the open transaction. */
static enum weft_status take_record(struct taking *taking, struct bytes bytes,
                                    struct weft_error *why) {
    struct log *log = taking->log;
    struct record record;
    enum weft_status status = record_read(&log->settings->library, bytes, &record, why);
    if (status != WEFT_OK) return status;
    struct shared_head none = {.origin = record.origin};
    struct shared_head *head = log_head(log, &record.origin);
    if (head == NULL) head = &none;
    bool same = memcmp(head->hash, record.hash, RECORD_HASH) == 0;
    if (head->frozen || record.seq < head->seq || (record.seq == head->seq && same)) return WEFT_OK;
    if (head == &none && record.seq > 1 && !log_origin_fits(log, &record.origin)) return WEFT_OK;
    if (record.seq > head->seq + 1) {
        /* Of a removed device it may be those that were passed over; the pin that lets them in may
         * stand behind it. */
        if (roster_judge(&log->roster, &record) == ROSTER_REMOVED) {
            note_refused(&taking->unsaid, &record.origin.device);
            return WEFT_OK;
        }
        return refuse(&record, WEFT_NOT_FOUND, "those before it have not come", why);
    }
    switch (roster_judge(&log->roster, &record)) {
    case ROSTER_UNKNOWN:
        /* In a full roster nobody ever will: what comes behind it must not wait for that. */
        if (log->roster.count == LIMIT_ROSTER) return WEFT_OK;
        return refuse(&record, WEFT_NOT_FOUND, "nobody has added that device yet", why);
    case ROSTER_FORGED:
        return refuse(&record, WEFT_DENIED, "its signature is not that device's", why);
    case ROSTER_REMOVED:
        note_refused(&taking->unsaid, &record.origin.device);
        return WEFT_OK;
    case ROSTER_ADMITS:
        break;
    }
    if (head == &none && !log_origin_fits(log, &record.origin)) return pass_over(taking, &record);
    bool forks = record.seq == head->seq || memcmp(record.prev, head->hash, RECORD_HASH) != 0;
    if (forks) return freeze(taking, head, &record, bytes, why);
    if (head != &none && !log_stamps_follow(&record, head->hlc)) {
        return refuse(&record, WEFT_DENIED, "it is not later than the one before it", why);
    }
    taking->appended++;
    log_note_keys(log, &record, &taking->unsaid);
    status = log_append_record(log, &record, bytes, why);
    if (status == WEFT_OK) status = log_apply_rows(log, taking->now, &record, log->place, why);
    taking->broken = status != WEFT_OK;
    return status;
}

/* A record that is never forgotten, out of the order of numbers. */
static enum weft_status take_kept(struct taking *taking, struct bytes bytes,
                                  struct weft_error *why) {
    struct log *log = taking->log;
    struct record record;
    uint64_t place = 0;
    enum weft_status status = record_read(&log->settings->library, bytes, &record, why);
    if (status != WEFT_OK) return status;
    const struct shared_head *head = log_head(log, &record.origin);
    if (!record_lasting(&record) || (head != NULL && record.seq <= head->seq)) return WEFT_OK;
    switch (roster_judge(&log->roster, &record)) {
    case ROSTER_UNKNOWN:
        if (log->roster.count == LIMIT_ROSTER) return WEFT_OK; /* As in take_record(). */
        return refuse(&record, WEFT_NOT_FOUND, "nobody has added that device yet", why);
    case ROSTER_FORGED:
        return refuse(&record, WEFT_DENIED, "its signature is not that device's", why);
    case ROSTER_REMOVED:
        return WEFT_OK;
    case ROSTER_ADMITS:
        break;
    }
    if (head == NULL && !log_origin_fits(log, &record.origin)) return WEFT_OK;
    status = horizon_keep(log->writer, &record, bytes, &place, why);
    if (status == WEFT_OK && place != 0) {
        log->place = place;
        status = log_apply_members(log, &record, why);
    }
    taking->broken = status != WEFT_OK;
    taking->appended += place != 0;
    return status;
}

static void go_home(struct mail **in, enum weft_status status, const struct weft_error *why,
                    struct outbox *out) {
    Weft__Records *records = (*in)->body.records;
    records->status = status;
    if (status != WEFT_OK) records->text = mail_text(*in, why->text);
    outbox_send(out, ACTOR_SHARE, in);
}

void log_records(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Records *records = (*in)->body.records;
    if (records->chunk != NULL) {
        log_chunk(log, now, in, out);
        return;
    }
    struct weft_error why = {0}, stop = {0};
    struct taking taking = {.log = log, .now = now, .out = out};
    arena_adopt(&(*in)->arena, log->pool);
    (void)log_flush(log, now, out);
    enum weft_status status = log_reload_shared(log, &why);
    if (status == WEFT_OK) status = log_begin(log, &why);
    if (status != WEFT_OK) {
        go_home(in, status, &why, out);
        return;
    }
    for (size_t i = 0; i < records->n_records && stop.status == WEFT_OK; i++) {
        struct bytes bytes = {records->records[i].data, records->records[i].len};
        (void)(records->kept ? take_kept(&taking, bytes, &stop)
                             : take_record(&taking, bytes, &stop));
    }
    /* What came before a gap or a forgery is kept; what a disk refused is not. */
    bool kept = stop.status == WEFT_OK || stop.status == WEFT_NOT_FOUND ||
                stop.status == WEFT_DENIED || stop.status == WEFT_LIMIT ||
                stop.status == WEFT_PROTOCOL;
    kept = kept && !taking.broken;
    if (!kept) status = stop.status;
    why = stop;
    if (kept && (taking.appended != 0 || taking.unsaid.refused_count != 0)) {
        status = log_say_members(log, &taking.unsaid, records->stamp, &why);
    }
    if (status == WEFT_OK && taking.appended != 0) status = log_follow_snapshot(log, &why);
    /* What this device writes next is later than what it has seen, after a restart as well. */
    if (taking.appended != 0 && records->stamp > log->group_stamp) {
        log->group_stamp = records->stamp;
    }
    status = log_settle_shared(log, now, status, &why, out);
    if (status == WEFT_OK) tell_frozen(&taking);
    if (status == WEFT_OK && stop.status == WEFT_OK && taking.unsaid.refused_count != 0) {
        /* A pin that comes later may let it in: it is to be asked for again. */
        (void)status_fail(&stop, WEFT_NOT_FOUND, 0, "a record of a removed device, past its pin");
    }
    if (status == WEFT_OK) status = stop.status;
    go_home(in, status, status == stop.status ? &stop : &why, out);
}
