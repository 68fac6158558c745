/* The version vector as a sorted array: looked up by binary search, merged from the back in place.
 *
 *     entries  (owner, model) < (owner, model) < …      count ≤ capacity, at most LIMIT_STREAMS
 *
 * A library has tens of streams and the vector is read far more often than a stream is added, so an
 * array that is copied to make room beats any tree.
 *
 * Invariants
 *   1. Entries are strictly increasing by stream_compare().
 *   2. A call that fails leaves the vector as it was.
 *   3. An entry at position 0 says the same as no entry, wherever positions are compared.
 * Not here: which streams exist, and what a position means to the store. */
#include "engine/crdt/vector.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"

#define VECTOR_CAPACITY_MIN 16u

_Static_assert(LIMIT_STREAMS >= VECTOR_CAPACITY_MIN && (LIMIT_STREAMS & (LIMIT_STREAMS - 1)) == 0,
               "doubling must end at the limit");

int stream_compare(const struct stream *a, const struct stream *b) {
    CHECK(a != NULL);
    CHECK(b != NULL);
    int order = id_compare(&a->owner, &b->owner);
    if (order != 0) return order;
    return (a->model > b->model) - (a->model < b->model);
}

void vector_init(struct vector *vector) {
    CHECK(vector != NULL);
    *vector = (struct vector){NULL, 0, 0};
}

void vector_free(struct vector *vector) {
    CHECK(vector != NULL);
    free(vector->entries);
    vector_init(vector);
}

/* The index of the first entry not before `stream`; `*found` says whether it is that stream's. */
static uint32_t vector_place(const struct vector *vector, const struct stream *stream,
                             bool *found) {
    CHECK(vector != NULL && stream != NULL);
    uint32_t low = 0;
    uint32_t high = vector->count;
    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = stream_compare(&vector->entries[middle].stream, stream);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct vector_entry *vector_find(const struct vector *vector, const struct stream *stream) {
    bool found;
    uint32_t place = vector_place(vector, stream, &found);
    return found ? &vector->entries[place] : NULL;
}

uint64_t vector_get(const struct vector *vector, const struct stream *stream) {
    const struct vector_entry *entry = vector_find(vector, stream);
    return entry == NULL ? 0 : entry->position;
}

static enum weft_status vector_reserve(struct vector *vector, uint32_t count) {
    CHECK(vector->count <= vector->capacity);
    if (count <= vector->capacity) return WEFT_OK;
    if (count > LIMIT_STREAMS) return WEFT_LIMIT;
    uint32_t capacity = vector->capacity == 0 ? VECTOR_CAPACITY_MIN : vector->capacity;
    while (capacity < count) {
        capacity *= 2;
    }
    CHECK(capacity <= LIMIT_STREAMS);
    struct vector_entry *entries = realloc(vector->entries, capacity * sizeof *entries);
    if (entries == NULL) return WEFT_NO_MEMORY;
    vector->entries = entries;
    vector->capacity = capacity;
    return WEFT_OK;
}

static enum weft_status vector_insert(struct vector *vector, uint32_t place,
                                      const struct stream *stream, uint64_t position) {
    CHECK(place <= vector->count);
    enum weft_status status = vector_reserve(vector, vector->count + 1);
    if (status != WEFT_OK) return status;
    memmove(vector->entries + place + 1, vector->entries + place,
            (vector->count - place) * sizeof *vector->entries);
    vector->entries[place] = (struct vector_entry){*stream, position};
    vector->count++;
    return WEFT_OK;
}

enum weft_status vector_advance(struct vector *vector, const struct stream *stream,
                                uint64_t position, bool *raised) {
    bool found;
    uint32_t place = vector_place(vector, stream, &found);
    uint64_t before = found ? vector->entries[place].position : 0;
    if (!found) {
        enum weft_status status = vector_insert(vector, place, stream, position);
        if (status != WEFT_OK) return status;
    } else if (position > before) {
        vector->entries[place].position = position;
    }
    CHECK(vector->entries[place].position >= before);
    if (raised != NULL) *raised = position > before;
    return WEFT_OK;
}

enum weft_status vector_set(struct vector *vector, const struct stream *stream, uint64_t position) {
    bool found;
    uint32_t place = vector_place(vector, stream, &found);
    if (!found) return vector_insert(vector, place, stream, position);
    vector->entries[place].position = position;
    return WEFT_OK;
}

void vector_drop(struct vector *vector, const struct stream *stream) {
    bool found;
    uint32_t place = vector_place(vector, stream, &found);
    if (!found) return;
    vector->count--;
    memmove(vector->entries + place, vector->entries + place + 1,
            (vector->count - place) * sizeof *vector->entries);
}

/* Walks two vectors as one list of streams in order. */
struct vector_walk {
    const struct vector *a;
    const struct vector *b;
    uint32_t at_a, at_b;
    uint64_t position_a, position_b; /* of the stream stepped to; 0 where there is no entry */
};

static bool vector_step(struct vector_walk *walk) {
    bool more_a = walk->at_a < walk->a->count;
    bool more_b = walk->at_b < walk->b->count;
    if (!more_a && !more_b) return false;
    int order = !more_a   ? 1
                : !more_b ? -1
                          : stream_compare(&walk->a->entries[walk->at_a].stream,
                                           &walk->b->entries[walk->at_b].stream);
    walk->position_a = order <= 0 ? walk->a->entries[walk->at_a++].position : 0;
    walk->position_b = order >= 0 ? walk->b->entries[walk->at_b++].position : 0;
    return true;
}

enum weft_status vector_make_room(struct vector *into, const struct vector *from) {
    CHECK(into != NULL && from != NULL);
    return vector_reserve(into, into->count + from->count);
}

enum weft_status vector_merge(struct vector *into, const struct vector *from) {
    CHECK(into != NULL && from != NULL);
    uint32_t count = 0;
    struct vector_walk walk = {.a = into, .b = from};
    while (vector_step(&walk)) {
        count++;
    }
    enum weft_status status = vector_reserve(into, count);
    if (status != WEFT_OK) return status;

    /* From the back, so that every entry moves at most once and none is overwritten before. */
    uint32_t left_into = into->count;
    uint32_t left_from = from->count;
    for (uint32_t at = count; at > 0; at--) {
        int order = left_into == 0   ? -1
                    : left_from == 0 ? 1
                                     : stream_compare(&into->entries[left_into - 1].stream,
                                                      &from->entries[left_from - 1].stream);
        struct vector_entry entry =
            order < 0 ? from->entries[left_from - 1] : into->entries[left_into - 1];
        if (order == 0 && from->entries[left_from - 1].position > entry.position) {
            entry.position = from->entries[left_from - 1].position;
        }
        if (order >= 0) left_into--;
        if (order <= 0) left_from--;
        CHECK(left_into <= at - 1);
        into->entries[at - 1] = entry;
    }
    CHECK(left_into == 0 && left_from == 0);
    into->count = count;
    return WEFT_OK;
}

uint64_t vector_min(const struct vector *const *vectors, uint32_t count,
                    const struct stream *stream) {
    CHECK(vectors != NULL || count == 0);
    CHECK(stream != NULL);
    /* Of no vectors nothing is known, so nothing may be pruned on their word. */
    uint64_t least = count == 0 ? 0 : UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t position = vector_get(vectors[i], stream);
        if (position < least) least = position;
    }
    return least;
}

enum vector_order vector_compare(const struct vector *a, const struct vector *b) {
    CHECK(a != NULL);
    CHECK(b != NULL);
    bool less = false;
    bool more = false;
    struct vector_walk walk = {.a = a, .b = b};
    while (vector_step(&walk)) {
        less |= walk.position_a < walk.position_b;
        more |= walk.position_a > walk.position_b;
    }
    if (less && more) return VECTOR_CONCURRENT;
    if (less) return VECTOR_BEFORE;
    return more ? VECTOR_AFTER : VECTOR_EQUAL;
}
