/* The log's part in forgetting: what prune asks, and what it is told to forget.
 *
 *   tombstones of a stream   every member's position has passed them
 *   records of an origin     every member has acknowledged them
 *   deletions of shared rows    a cut is made: every member holds all records up to here (C), and
 *                               this is the most that any member held then (T)
 *                                   └─ this device holds T ─► what C covers goes
 *
 * C is of what members have applied, not only hold: what waits in somebody's quarantine does not
 * move that one's clock. Why T: a member that had not heard of a deletion may have written to the
 * row. What it wrote came before its acknowledgement of the deletion, so it lies within what it
 * said then to hold.
 * Members that are away (docs/decisions/020-horizon.md) are not waited for; but while any is, no
 * deletion is forgotten: it may come back with a creation that the deletion has beaten.
 * Invariants
 *   1. Prune's survey may be old: what is forgotten is asked again of the members there are now.
 *   2. Nothing of the shared log is forgotten while a snapshot is being taken.
 *   3. While members are away, this device forgets no record that nobody else is there to hold. */
#include <stdlib.h>

#include "actors/log_private.h"
#include "engine/store/deleted.h"
#include "engine/store/horizon.h"

/* Wall time that this device is up before it calls anybody silent: a part of the patience. */
#define SILENCE_GRACE 1024u

struct log_settling {
    bool waiting;     /* for `need` */
    bool ready;       /* it has come: prune may say so */
    uint64_t version; /* of the roster */
    uint32_t count;
    struct deleted_cut cuts[LIMIT_ORIGINS]; /* C, in order of origins */
    uint64_t need[LIMIT_ORIGINS];           /* T */
    struct deleted_place place;
    /* What was looked through last. */
    uint32_t done_count;
    struct deleted_cut done[LIMIT_ORIGINS];
};

enum weft_status log_prune_start(struct log *log, struct weft_error *why) {
    log->settling = calloc(1, sizeof *log->settling);
    if (log->settling != NULL) return WEFT_OK;
    return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for the log actor");
}

void log_prune_free(struct log *log) {
    if (log->settling != NULL) deleted_place_free(&log->settling->place);
    free(log->settling);
    log->settling = NULL;
}

/* ---- members ---- */

static bool is_member(const struct log *log, uint32_t m) {
    return log->members[m].state == BOARD_MEMBER;
}

static bool is_away(const struct log *log, uint32_t m) {
    return roster_away(&log->roster, &log->members[m].device);
}

/* When anybody was last heard of: what this device slept through is nobody's silence. */
static uint64_t last_heard(const struct log *log) {
    uint64_t last = 0;
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (is_member(log, m) && log->members[m].heard_ms > last) last = log->members[m].heard_ms;
    }
    return last;
}

bool log_silent(const struct log *log, struct instant now, uint32_t m) {
    const uint64_t patience = log->settings->patience_ms, last = last_heard(log);
    const uint64_t heard = log->members[m].heard_ms;
    if (!is_member(log, m) || is_away(log, m) || heard == 0) return false;
    if (now.wall_ms < log->started_ms + patience / SILENCE_GRACE) return false;
    return last > heard && last - heard > patience;
}

/* Whether what only this device holds is held by nobody else who is there. */
static bool is_alone(const struct log *log) {
    uint32_t others = 0, there = 0;
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (!is_member(log, m)) continue;
        others++;
        there += !is_away(log, m);
    }
    return others != 0 && there == 0;
}

static bool any_away(const struct log *log) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (is_member(log, m) && is_away(log, m)) return true;
    }
    return false;
}

/* What this device and every member that is there hold of an origin. */
static uint64_t held_log(const struct log *log, const struct shared_head *head) {
    uint64_t held = head->seq;
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (!is_member(log, m) || is_away(log, m)) continue;
        const uint64_t seq = log_acked_seq(&log->members[m], &head->origin);
        if (seq < held) held = seq;
    }
    return held;
}

/* ---- the survey ---- */

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

/* Streams that a member leaves out: it is to hold up nothing of them. */
static void survey_skipped(const struct member *member, struct mail *mail,
                           const Weft__Surveyed *surveyed, Weft__SurveyedMember *entry) {
    for (size_t i = 0; i < surveyed->n_oldest; i++) {
        struct stream stream = {.model = surveyed->oldest[i]->model};
        CHECK(id_read(&stream.owner, surveyed->oldest[i]->owner.data, WEFT_ID_SIZE));
        if (!log_skips(member, &stream)) continue;
        fill_place(mail, entry->acks[entry->n_acks++], &stream, UINT64_MAX);
    }
}

/* Of streams in `oldest`, what each member holds. */
static void survey_members(const struct log *log, struct mail *mail, Weft__Surveyed *surveyed) {
    surveyed->members = (Weft__SurveyedMember **)mail_messages(
        mail, &weft__surveyed_member__descriptor, log->member_count);
    CHECK(surveyed->members != NULL || log->member_count == 0);
    for (uint32_t m = 0; m < log->member_count; m++) {
        const struct member *member = &log->members[m];
        if (!is_member(log, m) || is_away(log, m)) continue;
        Weft__SurveyedMember *entry = surveyed->members[surveyed->n_members++];
        CHECK(mail_bytes(mail, &entry->device, member->device.bytes, sizeof member->device.bytes));
        const bool skips = member->skips.count != 0 || member->skips_models != 0;
        entry->acks = (Weft__Place **)mail_messages(
            mail, &weft__place__descriptor, member->held.count + (skips ? surveyed->n_oldest : 0));
        for (uint32_t i = 0; i < member->held.count; i++) {
            const struct vector_entry *held = &member->held.entries[i];
            if (!log_may_own(log, &held->stream.owner)) continue;
            fill_place(mail, entry->acks[entry->n_acks++], &held->stream, held->position);
        }
        if (skips) survey_skipped(member, mail, surveyed, entry);
    }
}

static void fill_head(struct mail *mail, Weft__Head *out, const struct shared_head *head,
                      uint64_t seq) {
    CHECK(mail_bytes(mail, &out->device, head->origin.device.bytes, WEFT_ID_SIZE));
    out->incarnation = head->origin.incarnation;
    out->seq = seq;
    out->pruned = head->pruned;
}

/* Origins of which records may go, once enough of them lie there to be worth a commit. */
static void survey_records(struct log *log, struct mail *mail, Weft__Surveyed *surveyed,
                           uint64_t oldest, uint64_t newest) {
    const uint64_t stay = log->settings->log_records;
    if (oldest == 0 || newest <= stay || oldest + stay / 4 > newest - stay) return;
    surveyed->place = newest - stay;
    surveyed->held = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, log->head_count);
    CHECK(surveyed->held != NULL || log->head_count == 0);
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct shared_head *head = &log->heads[i];
        const uint64_t held = held_log(log, head);
        if (held > head->pruned) fill_head(mail, surveyed->held[surveyed->n_held++], head, held);
    }
}

/* ---- deletions of shared rows ---- */

/* Whether all members have applied what lies below the horizon: who holds it and has not, as it
 * lies too far ahead of his clock, writes with stamps from before it. */
static bool is_applied(const struct log *log, const struct shared_head *head) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (is_member(log, m) && log_applied_seq(&log->members[m], &head->origin) < head->pruned)
            return false;
    }
    return true;
}

static int compare_cuts(const void *a, const void *b) {
    const struct deleted_cut *one = a, *other = b;
    return record_origin_compare(&one->origin, &other->origin);
}

static void make_cut(struct log *log) {
    struct log_settling *settling = log->settling;
    settling->count = 0;
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct shared_head *head = &log->heads[i];
        struct deleted_cut *cut = &settling->cuts[settling->count++];
        *cut = (struct deleted_cut){head->origin, 0};
        /* The stamp is known of the record at the horizon only. */
        if (head->pruned != 0 && is_applied(log, head)) cut->hlc = head->pruned_hlc;
    }
    qsort(settling->cuts, settling->count, sizeof settling->cuts[0], compare_cuts);
    for (uint32_t i = 0; i < settling->count; i++) {
        const struct shared_head *head = log_head(log, &settling->cuts[i].origin);
        settling->need[i] = head->seq;
        /* Of a frozen one nothing more comes. */
        for (uint32_t m = 0; m < log->member_count && !head->frozen; m++) {
            const uint64_t seq = log_acked_seq(&log->members[m], &head->origin);
            if (is_member(log, m) && seq > settling->need[i]) settling->need[i] = seq;
        }
    }
    deleted_place_free(&settling->place);
    settling->waiting = true;
}

/* What the cut made of an origin needs; 0 of one that has come since. */
static uint64_t need_of(const struct log_settling *settling, const struct record_origin *origin) {
    const struct deleted_cut key = {.origin = *origin};
    const struct deleted_cut *cut =
        bsearch(&key, settling->cuts, settling->count, sizeof key, compare_cuts);
    return cut == NULL ? 0 : settling->need[cut - settling->cuts];
}

static bool cut_reached(const struct log *log) {
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct shared_head *head = &log->heads[i];
        if (head->seq < need_of(log->settling, &head->origin) && !head->frozen) return false;
    }
    return true;
}

static bool cut_is_news(const struct log_settling *settling) {
    return settling->done_count != settling->count ||
           memcmp(settling->done, settling->cuts, settling->count * sizeof settling->cuts[0]) != 0;
}

/* Whether deletions may be looked through now. */
static bool survey_deleted(struct log *log) {
    struct log_settling *settling = log->settling;
    if (any_away(log) || log->quarantine_due_us != DUE_NEVER) return false;
    if (settling->waiting && settling->version != log->roster.version) {
        /* A member that has come since has not said that it holds what the cut covers. */
        settling->waiting = settling->ready = false;
        settling->done_count = UINT32_MAX;
    }
    if (!settling->waiting) {
        make_cut(log);
        settling->version = log->roster.version;
        settling->waiting = cut_is_news(settling);
        return false; /* What members held then is known with the next survey at the earliest. */
    }
    settling->ready = cut_reached(log);
    return settling->ready;
}

static enum weft_status forget_deleted(struct log *log, Weft__Forgotten *forgotten,
                                       struct weft_error *why) {
    struct log_settling *settling = log->settling;
    struct deleted_tally tally;
    bool more = false;
    if (!settling->waiting || !settling->ready || any_away(log)) return WEFT_OK;
    /* A snapshot, or a record that waits, may have come since the survey. */
    if (log->taking != NULL || log->quarantine_due_us != DUE_NEVER) return WEFT_OK;
    if (settling->version != log->roster.version) return WEFT_OK;
    enum weft_status status =
        deleted_forget(log->writer, &settling->place, settling->cuts, settling->count,
                       LIMIT_FORGET_ROWS, &tally, &more, why);
    if (status != WEFT_OK) return status;
    forgotten->count = tally.forgotten;
    forgotten->more = more;
    if (more) return WEFT_OK;
    settling->waiting = settling->ready = false;
    settling->done_count = settling->count;
    memcpy(settling->done, settling->cuts, settling->count * sizeof settling->cuts[0]);
    return WEFT_OK;
}

/* ---- forgetting ---- */

static void survey_silent(struct log *log, struct instant now, struct mail *mail,
                          Weft__Surveyed *surveyed) {
    /* Its clock was ahead when it began. */
    if (now.wall_ms < log->started_ms) log->started_ms = now.wall_ms;
    for (uint32_t m = 0; m < log->member_count; m++) {
        /* Of one that nothing is known of, or that was heard of by a clock that was ahead, silence
         * begins now. */
        const uint64_t heard = log->members[m].heard_ms;
        if (is_member(log, m) && (heard == 0 || heard > now.wall_ms))
            log_heard(log, now, &log->members[m]);
    }
    if (!roster_has(&log->roster, &log->settings->device)) return;
    for (uint32_t m = 0; m < log->member_count && surveyed->silent.len == 0; m++) {
        if (!log_silent(log, now, m)) continue;
        CHECK(mail_bytes(mail, &surveyed->silent, log->members[m].device.bytes, WEFT_ID_SIZE));
    }
}

void log_survey(struct log *log, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    Weft__Surveyed *surveyed = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SURVEYED, &surveyed);
    struct oldest oldest = {mail, surveyed, 256};
    const struct writer_visit visit = {.context = &oldest, .oldest_tombstone = visit_oldest};
    uint64_t first = 0, last = 0;
    surveyed->oldest =
        (Weft__Place **)mail_messages(mail, &weft__place__descriptor, oldest.capacity);
    CHECK(surveyed->oldest != NULL);
    enum weft_status status = writer_visit(log->writer, &visit, &why);
    if (status == WEFT_OK) survey_members(log, mail, surveyed);
    if (status == WEFT_OK) status = horizon_places(log->writer, &first, &last, &why);
    if (status != WEFT_OK) {
        /* Reading may have had to write (a page spilled to a full disk), and that failure ends the
         * open transaction: the group is applied again. */
        surveyed->n_oldest = 0;
        (void)log_save_group(log, now, &why, out);
    } else if (!log->reload_due && log->taking == NULL) {
        surveyed->newest = last;
        if (!is_alone(log)) survey_records(log, mail, surveyed, first, last);
        surveyed->deleted = survey_deleted(log);
        survey_silent(log, now, mail, surveyed);
    }
    outbox_send(out, ACTOR_PRUNE, &mail);
}

/* What this device, which holds `upto`, and every member but the owner hold. A member may have
 * joined since the survey on which prune decided. */
static uint64_t held_by_all(const struct log *log, const struct stream *stream, uint64_t upto) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        if (!is_member(log, m) || id_equal(&log->members[m].device, &stream->owner)) continue;
        if (is_away(log, m)) continue; /* It comes back from below, and sweeps (decision 006). */
        if (log_skips(&log->members[m], stream))
            continue; /* It holds nothing that could be dead. */
        uint64_t held = vector_get(&log->members[m].held, stream);
        if (held < upto) upto = held;
    }
    return upto;
}

static enum weft_status forget_tombstones(struct log *log, const Weft__Place *place,
                                          Weft__Forgotten *forgotten, struct weft_error *why) {
    struct stream stream = {.model = place->model};
    CHECK(id_read(&stream.owner, place->owner.data, place->owner.len));
    uint64_t upto = held_by_all(log, &stream, log_position(log, &stream));
    if (place->position < upto) upto = place->position;
    forgotten->upto->position = upto;
    enum weft_status status = log_begin(log, why);
    if (status != WEFT_OK) return status;
    status = writer_forget(log->writer, &stream, upto, LIMIT_FORGET_ROWS, &forgotten->count, why);
    forgotten->more = status == WEFT_OK && forgotten->count == LIMIT_FORGET_ROWS;
    board_add(log->board->tombstones_pruned, status == WEFT_OK ? forgotten->count : 0);
    return status;
}

static enum weft_status forget_records(struct log *log, const Weft__Forget *forget,
                                       Weft__Forgotten *forgotten, struct weft_error *why) {
    struct record_origin origin = {.incarnation = forget->head->incarnation};
    struct horizon_cut cut;
    CHECK(id_read(&origin.device, forget->head->device.data, forget->head->device.len));
    struct shared_head *head = log_head(log, &origin);
    if (head == NULL || log->taking != NULL || is_alone(log)) return WEFT_OK;
    uint64_t seq = held_log(log, head);
    if (forget->head->seq < seq) seq = forget->head->seq;
    enum weft_status status = horizon_forget(log->writer, &log->settings->library, &origin, seq,
                                             forget->place, LIMIT_FORGET_ROWS, &cut, why);
    if (status != WEFT_OK || cut.count == 0) return status;
    head->pruned = cut.seq;
    head->pruned_hlc = cut.hlc;
    log->horizon_moved = true;
    forgotten->count = cut.count;
    forgotten->more = cut.count == LIMIT_FORGET_ROWS;
    board_add(log->board->records_pruned, cut.count);
    return WEFT_OK;
}

void log_forget(struct log *log, struct instant now, const Weft__Forget *forget,
                struct outbox *out) {
    struct weft_error why = {0};
    Weft__Forgotten *forgotten = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_FORGOTTEN, &forgotten);
    enum weft_status status = WEFT_OK;
    if (forget->upto != NULL) {
        forgotten->upto = mail_message(mail, &weft__place__descriptor);
        CHECK(forgotten->upto != NULL);
        status = forget_tombstones(log, forget->upto, forgotten, &why);
        if (status != WEFT_OK && log->open) (void)log_save_group(log, now, &why, out);
    } else {
        /* What memory says of the shared log goes with the disk, so it is a commit of its own. */
        (void)log_flush(log, now, out);
        status = log_reload_shared(log, &why);
        if (status == WEFT_OK) status = log_begin(log, &why);
        if (status == WEFT_OK) {
            status = forget->deleted ? forget_deleted(log, forgotten, &why)
                                     : forget_records(log, forget, forgotten, &why);
            status = log_settle_shared(log, now, status, &why, out);
        }
    }
    if (status != WEFT_OK) {
        forgotten->count = 0;
        forgotten->more = false;
        log->settling->waiting = log->settling->ready = false;
        log->settling->done_count = UINT32_MAX; /* It is looked through again. */
    }
    if (forgotten->count != 0) {
        const bool rows = forget->upto != NULL || forget->deleted;
        outbox_log(out, LOGGED_FORGOTTEN, NULL, NULL,
                   &(struct logged_field){rows ? LOGGED_KEY_ROWS : LOGGED_KEY_RECORDS, NULL,
                                          forgotten->count},
                   1);
    }
    outbox_send(out, ACTOR_PRUNE, &mail);
}
