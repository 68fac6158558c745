/* See tail.h. A stream's runs are a ring that doubles; the oldest of all streams is found by
 * looking at each stream's front, since few streams are live at once. */
#include "engine/store/tail.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"

struct run {
    struct mail *mail;
    const Weft__Rows *rows;
    uint64_t bytes;  /* in a message, at most */
    uint64_t memory; /* what its mail holds */
    uint64_t order;  /* of adding, over all streams */
};

struct runs {
    struct stream stream;
    struct run *ring;
    uint32_t first, count, capacity;
};

struct tail {
    struct runs *streams;
    uint32_t stream_count;
    uint64_t memory, memory_max;
    uint64_t next_order;
};

struct tail *tail_open(uint64_t memory_max) {
    struct tail *tail = calloc(1, sizeof *tail);
    if (tail != NULL) tail->memory_max = memory_max;
    return tail;
}

static struct run *run_at(const struct runs *runs, uint32_t i) {
    CHECK(i < runs->count);
    return &runs->ring[(runs->first + i) & (runs->capacity - 1)];
}

static void drop_first(struct tail *tail, struct runs *runs) {
    struct run *run = run_at(runs, 0);
    CHECK(tail->memory >= run->memory);
    tail->memory -= run->memory;
    mail_drop(&run->mail);
    runs->first = (runs->first + 1) & (runs->capacity - 1);
    runs->count--;
}

static void drop_all(struct tail *tail, struct runs *runs) {
    while (runs->count != 0) {
        drop_first(tail, runs);
    }
}

void tail_close(struct tail *tail) {
    if (tail == NULL) return;
    for (uint32_t s = 0; s < tail->stream_count; s++) {
        drop_all(tail, &tail->streams[s]);
        free(tail->streams[s].ring);
    }
    CHECK(tail->memory == 0);
    free(tail->streams);
    free(tail);
}

static struct runs *find(const struct tail *tail, const struct stream *stream) {
    for (uint32_t s = 0; s < tail->stream_count; s++) {
        if (stream_compare(&tail->streams[s].stream, stream) == 0) return &tail->streams[s];
    }
    return NULL;
}

static struct runs *find_or_add(struct tail *tail, const struct stream *stream) {
    struct runs *runs = find(tail, stream);
    if (runs != NULL) return runs;
    struct runs *grown = realloc(tail->streams, (tail->stream_count + 1) * sizeof *grown);
    if (grown == NULL) return NULL;
    tail->streams = grown;
    runs = &tail->streams[tail->stream_count++];
    *runs = (struct runs){.stream = *stream};
    return runs;
}

static bool make_room(struct runs *runs) {
    if (runs->count < runs->capacity) return true;
    uint32_t capacity = runs->capacity == 0 ? 16 : runs->capacity * 2;
    struct run *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL) return false;
    for (uint32_t i = 0; i < runs->count; i++) {
        ring[i] = *run_at(runs, i);
    }
    free(runs->ring);
    runs->ring = ring;
    runs->first = 0;
    runs->capacity = capacity;
    return true;
}

static void evict(struct tail *tail) {
    while (tail->memory > tail->memory_max) {
        struct runs *oldest = NULL;
        for (uint32_t s = 0; s < tail->stream_count; s++) {
            struct runs *runs = &tail->streams[s];
            if (runs->count == 0) continue;
            if (oldest == NULL || run_at(runs, 0)->order < run_at(oldest, 0)->order) oldest = runs;
        }
        CHECK(oldest != NULL);
        drop_first(tail, oldest);
    }
}

/* Bytes that a run may take in a message, at most: ten for a number, and the texts and blobs. */
static uint64_t run_bytes(const Weft__Rows *rows) {
    uint64_t bytes = 10 * (uint64_t)rows->count * (rows->n_columns + 1);
    for (size_t c = 0; c < rows->n_columns; c++) {
        bytes += rows->columns[c]->body.len;
    }
    return bytes;
}

void tail_add(struct tail *tail, const struct stream *stream, struct mail *mail,
              const Weft__Rows *rows) {
    CHECK(rows->upto > rows->after);
    uint64_t bytes = run_bytes(rows);
    uint64_t memory = mail->arena.bytes; /* A mail of several runs counts for each of them. */
    struct runs *runs = find_or_add(tail, stream);
    if (runs == NULL) return; /* Without memory the peers are served from SQLite. */
    if (bytes > LIMIT_BATCH_RAW && rows->count > 1) {
        drop_all(tail, runs);
        return;
    }
    if (runs->count != 0 && run_at(runs, runs->count - 1)->rows->upto != rows->after) {
        drop_all(tail, runs);
    }
    if (!make_room(runs)) {
        drop_all(tail, runs);
        return;
    }
    runs->count++;
    *run_at(runs, runs->count - 1) =
        (struct run){mail_share(mail), rows, bytes, memory, tail->next_order++};
    tail->memory += memory;
    evict(tail);
}

void tail_clear(struct tail *tail, const struct stream *stream) {
    struct runs *runs = find(tail, stream);
    if (runs != NULL) drop_all(tail, runs);
}

bool tail_find(const struct tail *tail, const struct stream *stream, uint64_t after,
               uint32_t rows_max, struct rows_slice *slices, uint32_t slices_max,
               struct tail_found *found) {
    const struct runs *runs = find(tail, stream);
    if (runs == NULL || runs->count == 0) return false;
    uint32_t low = 0, high = runs->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (run_at(runs, middle)->rows->after < after) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == runs->count || run_at(runs, low)->rows->after != after) return false;
    uint32_t rows = 0;
    uint64_t bytes = 0;
    *found = (struct tail_found){0};
    for (uint32_t i = low; i < runs->count && found->slice_count < slices_max; i++) {
        const Weft__Rows *run = run_at(runs, i)->rows;
        bytes += run_at(runs, i)->bytes;
        if (i != low && (rows + run->count > rows_max || bytes > LIMIT_BATCH_RAW)) break;
        slices[found->slice_count++] = (struct rows_slice){run, 0, run->count};
        found->upto = run->upto;
        if (run->settled > found->settled) found->settled = run->settled;
        found->column_count = (uint32_t)run->n_columns;
        rows += run->count;
    }
    return true;
}
