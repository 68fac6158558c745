/* See prune.h.
 *
 *   RESTING ──time──► SURVEYING ──surveyed──► FORGETTING ──forgotten, nothing left──► RESTING
 *                                                 └──forgotten, more──┘
 * Invariants
 *   1. One question is with the log at a time.
 *   2. The members of the survey decide, not the acknowledgements that happen to exist.
 *   3. The owner of a stream needs no acknowledgement of it: it made the rows.
 * What of the shared log all members hold is the log's to say (actors/log_prune.c), as there are
 * too many origins and members to list them here; what is asked for, and when, is decided here. */
#include "actors/prune.h"

#include "engine/base/check.h"
#include "engine/crdt/vector.h"

enum prune_state { PRUNE_RESTING, PRUNE_SURVEYING, PRUNE_FORGETTING };

struct prune {
    enum prune_state state;
    uint64_t next_us;
    struct mail *surveyed; /* while FORGETTING */
    size_t at;             /* what of it is being forgotten: a stream, an origin, deletions */
    uint64_t newest;       /* place of the newest record at the last survey */
};

static enum weft_status prune_start(void *self, const struct actor_seed *seed,
                                    struct weft_error *why) {
    struct prune *prune = self;
    (void)seed;
    (void)why;
    CHECK(prune->state == PRUNE_RESTING && prune->surveyed == NULL);
    return WEFT_OK;
}

static bool same_id(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b) {
    CHECK(a->len == WEFT_ID_SIZE && b->len == WEFT_ID_SIZE);
    return memcmp(a->data, b->data, WEFT_ID_SIZE) == 0;
}

static bool same_stream(const Weft__Place *a, const Weft__Place *b) {
    return a->model == b->model && same_id(&a->owner, &b->owner);
}

/* The position that every member has reached in the stream of `oldest`; UINT64_MAX without members.
 */
static uint64_t held_by_all(const Weft__Surveyed *surveyed, const Weft__Place *oldest) {
    uint64_t all = UINT64_MAX;
    for (size_t m = 0; m < surveyed->n_members; m++) {
        const Weft__SurveyedMember *member = surveyed->members[m];
        uint64_t held = 0;
        if (same_id(&member->device, &oldest->owner)) continue;
        for (size_t a = 0; a < member->n_acks; a++) {
            if (same_stream(member->acks[a], oldest)) held = member->acks[a]->position;
        }
        if (held < all) all = held;
    }
    return all;
}

static Weft__Forget *new_forget(struct outbox *out, struct mail **mail) {
    Weft__Forget *forget = NULL;
    *mail = outbox_mail(out, WEFT__MAIL__BODY_FORGET, &forget);
    return forget;
}

static struct mail *forget_tombstones(const Weft__Place *oldest, uint64_t upto,
                                      struct outbox *out) {
    struct mail *mail = NULL;
    Weft__Forget *forget = new_forget(out, &mail);
    forget->upto = mail_message(mail, &weft__place__descriptor);
    CHECK(forget->upto != NULL);
    CHECK(mail_bytes(mail, &forget->upto->owner, oldest->owner.data, oldest->owner.len));
    forget->upto->model = oldest->model;
    forget->upto->position = upto;
    return mail;
}

static struct mail *forget_records(const Weft__Head *held, uint64_t place, struct outbox *out) {
    struct mail *mail = NULL;
    Weft__Forget *forget = new_forget(out, &mail);
    forget->head = mail_message(mail, &weft__head__descriptor);
    CHECK(forget->head != NULL);
    CHECK(mail_bytes(mail, &forget->head->device, held->device.data, held->device.len));
    forget->head->incarnation = held->incarnation;
    forget->head->seq = held->seq;
    forget->place = place;
    return mail;
}

/* What is to be forgotten as `prune->at` says; NULL: nothing there. */
static struct mail *order(const struct prune *prune, const Weft__Surveyed *surveyed,
                          struct outbox *out) {
    size_t at = prune->at;
    struct mail *mail = NULL;
    if (at < surveyed->n_oldest) {
        const Weft__Place *oldest = surveyed->oldest[at];
        uint64_t upto = held_by_all(surveyed, oldest);
        return upto < oldest->position ? NULL : forget_tombstones(oldest, upto, out);
    }
    at -= surveyed->n_oldest;
    if (at < surveyed->n_held) return forget_records(surveyed->held[at], surveyed->place, out);
    if (surveyed->deleted) new_forget(out, &mail)->deleted = true;
    return mail;
}

/* Asks for the next that has something to forget, or rests. */
static void prune_next(struct prune *prune, struct instant now, struct outbox *out) {
    CHECK(prune->surveyed != NULL);
    const Weft__Surveyed *surveyed = prune->surveyed->body.surveyed;
    for (; prune->at <= surveyed->n_oldest + surveyed->n_held; prune->at++) {
        struct mail *mail = order(prune, surveyed, out);
        if (mail == NULL) continue;
        prune->state = PRUNE_FORGETTING;
        outbox_send(out, ACTOR_LOG, &mail);
        return;
    }
    /* While the log grows fast it is looked at more often, so that it stays small. */
    const bool grows = surveyed->newest > prune->newest + LIMIT_LOG_RECORDS / 4;
    if (surveyed->newest > prune->newest) prune->newest = surveyed->newest;
    prune->state = PRUNE_RESTING;
    prune->next_us = now.mono_us + (grows ? LIMIT_PRUNE_US / 10 : LIMIT_PRUNE_US);
    mail_drop(&prune->surveyed);
}

/* A member that has been silent for long is said to be away, by a record that all read. */
static void call_away(const Weft__Surveyed *surveyed, struct outbox *out) {
    Weft__Govern *govern = NULL;
    if (surveyed->silent.len == 0) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_GOVERN, &govern);
    CHECK(mail_bytes(mail, &govern->device, surveyed->silent.data, surveyed->silent.len));
    govern->away = true;
    outbox_send(out, ACTOR_CLOCK, &mail);
}

static void prune_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct prune *prune = self;
    const Weft__Mail *body = &(*in)->body;
    if (body->body_case == WEFT__MAIL__BODY_TICK) {
        CHECK(prune->state == PRUNE_RESTING && now.mono_us >= prune->next_us);
        struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SURVEY, NULL);
        prune->state = PRUNE_SURVEYING;
        outbox_send(out, ACTOR_CLOCK, &mail);
    } else if (body->body_case == WEFT__MAIL__BODY_SURVEYED) {
        CHECK(prune->state == PRUNE_SURVEYING);
        prune->surveyed = *in;
        *in = NULL;
        prune->at = 0;
        call_away(prune->surveyed->body.surveyed, out);
        prune_next(prune, now, out);
    } else {
        CHECK(body->body_case == WEFT__MAIL__BODY_FORGOTTEN && prune->state == PRUNE_FORGETTING);
        if (!body->forgotten->more) prune->at++;
        prune_next(prune, now, out);
    }
}

static uint64_t prune_due(const void *self) {
    const struct prune *prune = self;
    return prune->state == PRUNE_RESTING ? prune->next_us : DUE_NEVER;
}

static void prune_stop(void *self) {
    struct prune *prune = self;
    mail_drop(&prune->surveyed);
}

const struct actor_kind prune_actor = {
    .name = "prune",
    .state_size = sizeof(struct prune),
    .emit_max = 1,
    .start = prune_start,
    .step = prune_step,
    .due_us = prune_due,
    .stop = prune_stop,
};
