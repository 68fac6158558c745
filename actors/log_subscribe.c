/* What this device takes of other owners' rows, and what members say that they take
 * (docs/decisions/027-subscriptions.md).
 *
 *   host ─► rule ─► streams that it leaves out: position 0, to be cleared ──commit──► bulk
 *                     └─► a slice of rows ──commit──► ... ──► none is left ──► bulk
 *   a member's statement ─► streams that it leaves out: nothing of them is waited for
 *
 * Invariants
 *   1. A stream that is left out has position 0 from the commit that says so on, and takes no batch
 *      until it is taken again and nothing of it is left.
 *   2. What a member leaves out it is known to hold nothing of, in memory and in the file, until it
 *      has said that it takes it. */
#include <stdlib.h>

#include "actors/log_private.h"

/* ---- this device ---- */

enum weft_status log_load_subscriptions(struct log *log, struct weft_error *why) {
    log->clear_due_us = DUE_NEVER;
    enum weft_status status =
        writer_subscriptions(log->writer, &log->subscriptions, &log->clearing, why);
    if (log->clearing.count != 0) log->clear_due_us = 0;
    return status;
}

bool log_takes(const struct log *log, const struct stream *stream) {
    return vector_find(&log->clearing, stream) == NULL &&
           subscriptions_take(&log->subscriptions, &stream->owner, stream->model);
}

static void tell_bulk(const struct log *log, struct outbox *out) {
    Weft__Subscribed *subscribed = NULL;
    const struct subscriptions *rules = &log->subscriptions;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_SUBSCRIBED, &subscribed);
    subscribed->rules =
        (Weft__Subscription **)mail_messages(mail, &weft__subscription__descriptor, rules->count);
    subscribed->clearing =
        (Weft__Place **)mail_messages(mail, &weft__place__descriptor, log->clearing.count);
    CHECK(subscribed->rules != NULL || rules->count == 0);
    CHECK(subscribed->clearing != NULL || log->clearing.count == 0);
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct subscription *rule = &rules->list[i];
        Weft__Subscription *said = subscribed->rules[subscribed->n_rules++];
        if (!rule->all_owners)
            CHECK(mail_bytes(mail, &said->owner, rule->owner.bytes, WEFT_ID_SIZE));
        said->model = rule->model;
        said->take = rule->take;
    }
    for (uint32_t i = 0; i < log->clearing.count; i++) {
        const struct stream *stream = &log->clearing.entries[i].stream;
        Weft__Place *place = subscribed->clearing[subscribed->n_clearing++];
        CHECK(mail_bytes(mail, &place->owner, stream->owner.bytes, WEFT_ID_SIZE));
        place->model = stream->model;
    }
    outbox_send(out, ACTOR_BULK, &mail);
}

static bool is_own(const struct log *log, const struct stream *stream) {
    return id_equal(&stream->owner, &log->settings->device);
}

/* Marks, within the open transaction, what is held and not taken any more. */
static enum weft_status skip_held(struct log *log, const struct subscriptions *rules,
                                  struct vector *skipped, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < log->positions.count && status == WEFT_OK; i++) {
        const struct stream *stream = &log->positions.entries[i].stream;
        if (is_own(log, stream) || subscriptions_take(rules, &stream->owner, stream->model))
            continue;
        status = vector_advance(skipped, stream, 1, NULL);
        if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for streams");
        status = writer_skip(log->writer, stream, why);
    }
    return status;
}

/* Has it all committed; nothing else is open. */
static enum weft_status write_rules(struct log *log, struct instant now,
                                    const struct subscriptions *rules, struct vector *skipped,
                                    struct outbox *out, struct weft_error *why) {
    enum weft_status status = log_begin(log, why);
    if (status != WEFT_OK) return status;
    status = subscriptions_write(log->writer, rules, why);
    if (status == WEFT_OK) status = skip_held(log, rules, skipped, why);
    if (status == WEFT_OK && vector_make_room(&log->clearing, skipped) != WEFT_OK)
        status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory for streams");
    if (status != WEFT_OK) {
        log_rollback(log);
        log_note_lost(log, why);
        return status;
    }
    status = log_flush(log, now, out);
    if (status != WEFT_OK) (void)status_fail(why, status, 0, "the library cannot be written");
    return status;
}

static void read_rule(const struct log *log, const Weft__Subscription *said,
                      struct subscription *rule) {
    const struct model *model = models_owned(log->settings->models, said->model);
    *rule = (struct subscription){
        .all_owners = said->owner.len == 0, .model = said->model, .take = said->take};
    if (!rule->all_owners) CHECK(id_read(&rule->owner, said->owner.data, said->owner.len));
    CHECK(said->model == 0 || model != NULL); /* The host's side has looked. */
    if (model != NULL) memcpy(rule->table, model->name, strlen(model->name) + 1);
}

/* A copy of those that stand. */
static struct subscriptions *rules_new(const struct log *log) {
    struct subscriptions *rules = malloc(sizeof *rules);
    if (rules != NULL) *rules = log->subscriptions;
    return rules;
}

void log_subscribe(struct log *log, struct instant now, const Weft__Subscribe *subscribe,
                   struct outbox *out) {
    struct subscription rule;
    struct weft_error why = {0};
    struct vector skipped;
    struct subscriptions *rules = rules_new(log);
    vector_init(&skipped);
    (void)log_flush(log, now, out);
    read_rule(log, subscribe->rule, &rule);
    enum weft_status status = WEFT_OK;
    if (rules == NULL) {
        status = status_fail(&why, WEFT_NO_MEMORY, 0, "no memory for a subscription");
    } else {
        status = subscriptions_add(rules, &rule, &why);
    }
    if (status == WEFT_OK) status = write_rules(log, now, rules, &skipped, out, &why);
    if (status == WEFT_OK) {
        log->subscriptions = *rules;
        for (uint32_t i = 0; i < skipped.count; i++) {
            vector_drop(&log->positions, &skipped.entries[i].stream);
            log_sweep_drop(log, &skipped.entries[i].stream);
        }
        CHECK(vector_merge(&log->clearing, &skipped) == WEFT_OK);
        if (log->clearing.count != 0) log->clear_due_us = now.mono_us;
        tell_bulk(log, out);
        log_attest_again(log, now);
    }
    vector_free(&skipped);
    free(rules);
    log_answer(log, subscribe->ticket, &why, out);
}

void log_clear(struct log *log, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    bool done = false;
    CHECK(!log->open && log->clearing.count != 0);
    const struct stream stream = log->clearing.entries[0].stream;
    enum weft_status status = log_begin(log, &why);
    log_hooks_author(log, 0, &stream.owner);
    if (status == WEFT_OK) {
        status = writer_clear(log->writer, &stream, LIMIT_CLEAR_ROWS, &done, &log->remote, &why);
        if (status != WEFT_OK) {
            log_rollback(log);
            log_note_lost(log, &why);
        }
    }
    const uint64_t removed = log->remote.written;
    if (status == WEFT_OK) status = log_flush(log, now, out);
    log->clear_due_us = status == WEFT_OK ? now.mono_us : now.mono_us + LIMIT_RETRY_US;
    if (status != WEFT_OK) return;
    if (removed != 0) {
        log_notice(log, WEFT_EVENT_CHANGED, (int)stream.model - 1, removed, &stream.owner, NULL,
                   out);
    }
    if (!done) return;
    vector_drop(&log->clearing, &stream);
    if (log->clearing.count == 0) log->clear_due_us = DUE_NEVER;
    tell_bulk(log, out);
}

/* ---- in this device's statement ---- */

/* Whether all owners' rows of a model are left out, also those of owners to come. */
static bool skips_all(const struct log *log, uint32_t model) {
    bool all = !subscriptions_take(&log->subscriptions, NULL, model);
    for (uint32_t i = 0; i < log->roster.count && all; i++) {
        const struct id *owner = &log->roster.members[i].device;
        if (id_equal(owner, &log->settings->device)) continue;
        all = !subscriptions_take(&log->subscriptions, owner, model);
    }
    return all;
}

void log_attest_gone(const struct log *log, const struct digest_found *found, uint32_t table,
                     struct attest_builder *builder) {
    struct attest_place place = {.owner = found->owner, .table = table, .digest = found->gone};
    if (!subscriptions_take(&log->subscriptions, &found->owner, found->model))
        return; /* log_attest_skipped() says it. */
    attest_add_place(builder, &place);
    /* No clock gives 1: nothing is held yet. Digests are said from where it was left. */
    place.position = found->position == 0 ? 1 : found->position;
    place.digest = 0;
    attest_add_place(builder, &place);
}

void log_attest_skipped(const struct log *log, uint32_t model, uint32_t table,
                        struct attest_builder *builder) {
    struct attest_place place = {.table = table}; /* Of owner 0: all of them. */
    if (log->subscriptions.count == 0) return;
    if (skips_all(log, model)) {
        attest_add_place(builder, &place);
        return;
    }
    for (uint32_t i = 0; i < log->roster.count; i++) {
        place.owner = log->roster.members[i].device;
        if (id_equal(&place.owner, &log->settings->device)) continue;
        if (subscriptions_take(&log->subscriptions, &place.owner, model)) continue;
        attest_add_place(builder, &place);
    }
}

/* ---- other members ---- */

bool log_skips(const struct member *member, const struct stream *stream) {
    if (id_equal(&stream->owner, &member->device)) return false;
    return (member->skips_models >> (stream->model - 1) & 1) != 0 ||
           vector_find(&member->skips, stream) != NULL;
}

/* What a statement says of streams that its device has let go of. */
struct said {
    struct vector gone; /* up to here it takes back what it said before; */
    struct vector held; /* ... and holds this much of it now, or will; of others as well */
    uint64_t models;    /* left out, of all owners; bits by model id - 1 */
};

/* Lowers what is known of a member to what it says; whether that was lower. */
static bool let_go(struct member *member, const struct said *said) {
    bool lowered = false;
    for (uint32_t i = member->held.count; i > 0; i--) {
        struct vector_entry *entry = &member->held.entries[i - 1];
        const struct stream stream = entry->stream;
        if (id_equal(&stream.owner, &member->device)) continue;
        const bool all = (said->models >> (stream.model - 1) & 1) != 0;
        const uint64_t held = all ? 0 : vector_get(&said->held, &stream);
        const struct vector_entry *gone = vector_find(&said->gone, &stream);
        if ((!all && gone == NULL) || entry->position <= held) continue;
        /* It has come so far again, and said so since. */
        if (held != 0 && entry->position > gone->position) continue;
        vector_drop(&member->unsaved, &stream);
        entry->position = held;
        if (held == 0) vector_drop(&member->held, &stream);
        lowered = true;
    }
    member->rewrite = member->rewrite || lowered;
    return lowered;
}

/* What it holds and takes of this device's rows, where the host can see it. */
static void show(struct log *log, const struct member *member) {
    const uint32_t m = (uint32_t)(member - log->members);
    uint64_t models = 0;
    for (uint32_t i = 0; i < log->settings->models->count; i++) {
        const struct stream stream = {log->settings->device, i + 1};
        if (log_skips(member, &stream)) models |= UINT64_C(1) << i;
        atomic_store_explicit(&log->board->position[m][i], vector_get(&member->held, &stream),
                              memory_order_release);
    }
    atomic_store_explicit(&log->board->skips[m], models, memory_order_release);
}

/* Nearly no statement says anything of the kind. */
static bool says_gone(const struct attest *attest) {
    for (uint32_t i = 0; i < attest->place_count; i++)
        if (attest_place_at(attest, i).position == 0) return true;
    return false;
}

/* Reads it out of the places; without memory for a stream, its member is waited for. */
static void read_places(const struct attest *attest, const uint32_t model_of[ATTEST_TABLES],
                        struct said *said) {
    static const struct id all = {{0}};
    *said = (struct said){0};
    for (uint32_t i = 0; i < attest->place_count; i++) {
        const struct attest_place place = attest_place_at(attest, i);
        const struct stream stream = {place.owner, model_of[place.table]};
        if (stream.model == 0) continue;
        if (place.position != 0) {
            (void)vector_advance(&said->held, &stream, place.position, NULL);
        } else if (id_equal(&place.owner, &all)) {
            said->models |= UINT64_C(1) << (stream.model - 1);
        } else {
            (void)vector_advance(&said->gone, &stream, place.digest, NULL);
        }
    }
}

bool log_take_skips(struct log *log, struct member *member, const struct attest *attest,
                    const uint32_t model_of[ATTEST_TABLES]) {
    struct said said;
    struct vector skips;
    if (!says_gone(attest) && member->skips.count == 0 && member->skips_models == 0) return false;
    vector_init(&skips);
    read_places(attest, model_of, &said);
    for (uint32_t i = 0; i < said.gone.count; i++) {
        const struct stream *stream = &said.gone.entries[i].stream;
        if (vector_find(&said.held, stream) == NULL) (void)vector_advance(&skips, stream, 1, NULL);
    }
    bool news = said.models != member->skips_models ||
                vector_compare(&skips, &member->skips) != VECTOR_EQUAL;
    vector_free(&member->skips);
    member->skips = skips;
    member->skips_models = said.models;
    news = let_go(member, &said) || news;
    vector_free(&said.gone);
    vector_free(&said.held);
    if (news) show(log, member);
    return news;
}
