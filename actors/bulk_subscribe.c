/* Bulk's part in what is taken (docs/decisions/027-subscriptions.md).
 *
 *     left out here      its source asks nobody, as on a metered network; what was asked for is
 *                        taken back; it is not held any more, and those who were told that it is
 *                        are told that it is not (`gone`)
 *     left out there     the remote is no source of it any more
 *
 * Nobody serves what he leaves out: what others had asked for of it is forgotten, and they ask anew
 * when they hear that it is held again.
 *
 * Invariant: a peer is told of a stream what is so: `gone` comes before any later position. */
#include <stdlib.h>

#include "actors/bulk_private.h"

bool bulk_skips(const struct bulk *bulk, const struct stream *stream) {
    if (id_equal(&stream->owner, &bulk->settings->device)) return false;
    return vector_find(&bulk->clearing, stream) != NULL ||
           !subscriptions_take(&bulk->rules, &stream->owner, stream->model);
}

static void read_rules(struct bulk *bulk, const Weft__Subscribed *subscribed) {
    struct subscriptions *rules = &bulk->rules;
    CHECK(subscribed->n_rules <= LIMIT_SUBSCRIPTIONS);
    rules->count = 0;
    for (size_t i = 0; i < subscribed->n_rules; i++) {
        const Weft__Subscription *said = subscribed->rules[i];
        struct subscription *rule = &rules->list[rules->count++];
        *rule = (struct subscription){
            .all_owners = said->owner.len == 0, .model = said->model, .take = said->take};
        if (!rule->all_owners) CHECK(id_read(&rule->owner, said->owner.data, said->owner.len));
    }
}

/* Nothing of it is held any more, and nothing more is to come. */
static void skip(struct bulk *bulk, struct source *source) {
    const struct stream *stream = &source->stream;
    bulk_narrow_drop(bulk, source);
    source->skipped = true;
    source->sweeping = false;
    source->repairs = 0;
    tail_clear(bulk->tail, stream);
    vector_drop(&bulk->heads, stream);
    for (uint32_t p = 0; p < bulk->settings->peers; p++) {
        struct bulk_peer *peer = &bulk->peers[p];
        if (!peer->live) continue;
        struct vector_entry *told = vector_find(&peer->told, stream);
        if (told != NULL && told->position != 0) told->position = BULK_GONE;
        for (uint32_t i = 0; i < peer->want_count; i++) {
            if (stream_compare(&peer->wants[i].stream, stream) == 0)
                peer->wants[i].cursor = STREAM_WITHDRAWN;
        }
    }
}

void bulk_subscribed(struct bulk *bulk, const Weft__Subscribed *subscribed) {
    struct vector clearing;
    vector_init(&clearing);
    read_rules(bulk, subscribed);
    for (size_t i = 0; i < subscribed->n_clearing; i++) {
        struct stream stream = {.model = subscribed->clearing[i]->model};
        CHECK(id_read(&stream.owner, subscribed->clearing[i]->owner.data, WEFT_ID_SIZE));
        /* Without memory for it, it is asked for too early, and the log takes none of it. */
        (void)vector_advance(&clearing, &stream, 1, NULL);
    }
    vector_free(&bulk->clearing);
    bulk->clearing = clearing;
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        struct source *source = &bulk->sources[i];
        const bool skips = bulk_skips(bulk, &source->stream);
        if (skips && !source->skipped) skip(bulk, source);
        source->skipped = skips;
    }
    bulk_cache_clear(bulk);
    bulk->sources_due = bulk->notes_due = true;
}

void bulk_gone(struct bulk *bulk, uint32_t index, const struct stream *stream) {
    struct bulk_peer *peer = &bulk->peers[index];
    struct source *source = bulk_source(bulk, stream);
    if (id_equal(&stream->owner, &peer->device)) return; /* An owner holds its own. */
    vector_drop(&peer->held, stream);
    if (source == NULL || source->peer != index) return;
    source->peer = BULK_NOBODY;
    source->asked = false;
    source->expected = STREAM_WITHDRAWN;
    bulk->sources_due = true;
}

void bulk_say_gone(struct bulk_peer *peer, struct mail *mail, Weft__Held *held) {
    for (uint32_t i = 0; i < peer->told.count && held->n_places < LIMIT_PLACES; i++) {
        struct vector_entry *told = &peer->told.entries[i];
        if (told->position != BULK_GONE) continue;
        Weft__Place *place = mail_message(mail, &weft__place__descriptor);
        CHECK(place != NULL);
        CHECK(mail_bytes(mail, &place->owner, told->stream.owner.bytes, WEFT_ID_SIZE));
        place->model = told->stream.model;
        place->gone = true;
        held->places[held->n_places++] = place;
        told->position = 0;
    }
}
