/* Heads, for the share actor: what is held of each origin, here or at a remote.
 * Invariant: sorted by origin, no origin twice, at most LIMIT_ORIGINS. */
#include <stdlib.h>

#include "actors/share_private.h"
#include "engine/base/check.h"

struct shared_head *heads_find(const struct heads *heads, const struct record_origin *origin,
                               uint32_t *at) {
    uint32_t low = 0, high = heads->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = record_origin_compare(&heads->list[middle].origin, origin);
        if (order == 0) return &heads->list[middle];
        if (order < 0) low = middle + 1;
        if (order > 0) high = middle;
    }
    *at = low;
    return NULL;
}

struct shared_head *heads_add(struct heads *heads, const struct record_origin *origin) {
    uint32_t at = 0;
    struct shared_head *head = heads_find(heads, origin, &at);
    if (head != NULL) return head;
    if (heads->count == LIMIT_ORIGINS) return NULL;
    if (heads->count == heads->capacity) {
        uint32_t capacity = heads->capacity == 0 ? 16 : heads->capacity * 2;
        struct shared_head *grown = realloc(heads->list, capacity * sizeof *grown);
        if (grown == NULL) return NULL;
        heads->list = grown;
        heads->capacity = capacity;
    }
    memmove(heads->list + at + 1, heads->list + at, (heads->count - at) * sizeof *heads->list);
    heads->count++;
    heads->list[at] = (struct shared_head){.origin = *origin};
    return &heads->list[at];
}

uint64_t heads_seq(const struct heads *heads, const struct record_origin *origin) {
    uint32_t at = 0;
    const struct shared_head *head = heads_find(heads, origin, &at);
    return head == NULL ? 0 : head->seq;
}

void heads_free(struct heads *heads) {
    free(heads->list);
    *heads = (struct heads){0};
}

void heads_raise(struct heads *heads, Weft__Head *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct record_origin origin = {.incarnation = list[i]->incarnation};
        if (!id_read(&origin.device, list[i]->device.data, list[i]->device.len)) continue;
        struct shared_head *head = heads_add(heads, &origin);
        if (head == NULL) continue;
        if (list[i]->pruned > head->pruned) head->pruned = list[i]->pruned;
        head->frozen = head->frozen || list[i]->frozen;
        if (list[i]->seq <= head->seq) continue;
        head->seq = list[i]->seq;
        if (list[i]->hash.len == RECORD_HASH) {
            memcpy(head->hash, list[i]->hash.data, RECORD_HASH);
        }
    }
}

Weft__Head **heads_mail(const struct heads *heads, struct mail *mail, size_t *count) {
    Weft__Head **list = (Weft__Head **)mail_messages(mail, &weft__head__descriptor, heads->count);
    CHECK(list != NULL || heads->count == 0);
    *count = heads->count;
    for (uint32_t i = 0; i < heads->count; i++) {
        const struct shared_head *head = &heads->list[i];
        CHECK(mail_bytes(mail, &list[i]->device, head->origin.device.bytes, WEFT_ID_SIZE));
        CHECK(mail_bytes(mail, &list[i]->hash, head->hash, RECORD_HASH));
        list[i]->incarnation = head->origin.incarnation;
        list[i]->seq = head->seq;
    }
    return list;
}

bool heads_below(const struct heads *heads, const struct heads *remote) {
    for (uint32_t i = 0; i < heads->count; i++) {
        const struct shared_head *head = &heads->list[i];
        if (head->pruned != 0 && heads_seq(remote, &head->origin) < head->pruned) return true;
    }
    return false;
}

enum weft_status share_first_lacked(struct share *share, const struct heads *remote,
                                    uint64_t *cursor, struct weft_error *why) {
    *cursor = share->place;
    for (uint32_t i = 0; i < share->heads.count; i++) {
        const struct shared_head *head = &share->heads.list[i];
        const uint64_t seq = heads_seq(remote, &head->origin);
        uint64_t place = 0;
        if (seq >= head->seq) continue;
        enum weft_status status =
            shared_reader_place(share->reader, &head->origin, seq, &place, why);
        if (status != WEFT_OK) return status;
        if (place != 0 && place - 1 < *cursor) *cursor = place - 1;
    }
    return WEFT_OK;
}
