/* Bulk's narrow sweeps: a stream that is not as it should be is taken again only where it differs.
 *
 *     here                                          the source
 *     IDLE      the log has begun a sweep
 *     COUNTING  own rows are cut into ranges
 *     READY     a note may be said  ── bounds ───►  counts its rows in these ranges, in slices
 *     ASKED                         ◄── sums ────
 *     SWEEPING  a range that differs ─────────────► asked for, until its end
 *               ranges that do not: the log passes over them, by a batch without rows (`same`)
 *
 * What is known of ranges is only in memory. Whatever goes wrong, and after a restart, the sweep
 * goes on to the end as any other, from where it stands.
 * Invariants
 *   1. While a sweep is under way the log takes no other rows of the stream: what was counted
 *      stays.
 *   2. The sums of a range, though its rows are read at different times, say the same as the
 *      batches of a sweep would: what is the same need not be sent. So the source may hold more by
 *      then, and need not stand still; how far it has forgotten, and which state its rows are of,
 *      goes along.
 *   3. One sweep is narrow at a time; for one remote ranges are counted once at a time, and a
 *      second after the last time at the earliest.
 * Not here: when a sweep is to be begun (log_digest.c), what a sweep is (log_incoming.c), and
 * cutting (store/ranges.h). */
#include <stdlib.h>

#include "actors/bulk_private.h"
#include "engine/store/ranges.h"

enum narrow_state {
    NARROW_IDLE,
    NARROW_COUNTING,
    NARROW_READY,
    NARROW_ASKED,
    NARROW_SWEEPING,
};

/* The sweep that is narrow. */
struct narrow {
    enum narrow_state state;
    struct stream stream;
    uint32_t peer;     /* who was asked */
    uint64_t position; /* the end of the last range */
    uint64_t counted;  /* up to here */
    uint64_t until;    /* the end of what the source was asked for last */
    uint64_t moved;    /* where the sweep stood when it was last looked at */
    uint64_t due_us;   /* it has moved by then, or goes on as a whole one */
    uint64_t horizon, settled;
    struct ranges ranges;
};

/* Ranges that a remote has asked about. */
struct counting {
    bool active, done, refused;
    struct stream stream;
    uint64_t position, counted;
    uint64_t start_us; /* not before */
    uint64_t horizon, settled;
    struct ranges ranges;
};

enum weft_status bulk_narrow_start(struct bulk *bulk) {
    bulk->narrow = calloc(1, sizeof *bulk->narrow);
    return bulk->narrow == NULL ? WEFT_NO_MEMORY : WEFT_OK;
}

void bulk_narrow_stop(struct bulk *bulk) {
    free(bulk->narrow);
    bulk->narrow = NULL;
}

static bool is_narrow(const struct bulk *bulk, const struct source *source) {
    return bulk->narrow->state != NARROW_IDLE &&
           stream_compare(&bulk->narrow->stream, &source->stream) == 0;
}

void bulk_narrow_begin(struct bulk *bulk, struct source *source) {
    CHECK(source->sweeping);
    if (source->narrow) return;
    source->narrow = true;
    bulk->narrow_count++;
}

static void wait_no_more(struct bulk *bulk, struct source *source) {
    if (!source->narrow) return;
    CHECK(bulk->narrow_count > 0);
    source->narrow = false;
    bulk->narrow_count--;
}

void bulk_narrow_drop(struct bulk *bulk, struct source *source) {
    wait_no_more(bulk, source);
    bulk->notes_due = true;
    if (!is_narrow(bulk, source)) return;
    if (bulk->narrow->state == NARROW_SWEEPING && source->asked) {
        source->asked = false; /* What it was asked for ends too soon. */
        source->expected = STREAM_WITHDRAWN;
    }
    bulk->narrow->state = NARROW_IDLE;
}

void bulk_narrow_left(struct bulk *bulk, uint32_t index) {
    struct narrow *narrow = bulk->narrow;
    if (bulk->peers[index].counting != NULL) {
        bulk->counting -= bulk->peers[index].counting->active;
        free(bulk->peers[index].counting);
        bulk->peers[index].counting = NULL;
    }
    if (narrow->state < NARROW_ASKED || narrow->peer != index) return;
    struct source *source = bulk_source(bulk, &narrow->stream);
    CHECK(source != NULL);
    bulk_narrow_drop(bulk, source);
}

/* ---- counting for a remote ---- */

static struct counting *counting_new(struct bulk_peer *peer) {
    if (peer->counting == NULL) peer->counting = calloc(1, sizeof *peer->counting);
    return peer->counting;
}

static void on_asked(struct bulk *bulk, struct instant now, const Weft__Ranges *ranges) {
    struct bulk_peer *peer = &bulk->peers[ranges->peer];
    struct counting *counting = counting_new(peer);
    if (counting == NULL || counting->active) return; /* It has not waited for its answer. */
    const uint64_t again_us = counting->start_us;
    counting->active = true;
    counting->done = counting->refused = false;
    counting->stream.model = ranges->model;
    CHECK(id_read(&counting->stream.owner, ranges->owner.data, ranges->owner.len));
    counting->position = ranges->position;
    counting->counted = counting->horizon = counting->settled = 0;
    counting->start_us = again_us > now.mono_us ? again_us : now.mono_us;
    ranges_begin(&counting->ranges, ranges->bounds, (uint32_t)ranges->n_bounds);
    bulk->counting++;
}

static void add_row(void *context, uint64_t version, uint64_t hash) {
    ranges_add(context, version, hash);
}

/* Counts a slice. */
static void count_for(struct bulk *bulk, struct counting *counting) {
    const struct reader_visit visit = {&counting->ranges, add_row};
    struct reader_place place;
    struct weft_error why = {0};
    enum weft_status status =
        reader_hashes(bulk->reader, &counting->stream, counting->counted, counting->position,
                      LIMIT_DIGEST_ROWS, &visit, &place, &why);
    counting->refused = status != WEFT_OK || place.position < counting->position;
    counting->counted = place.upto;
    if (place.horizon > counting->horizon) counting->horizon = place.horizon;
    if (place.settled > counting->settled) counting->settled = place.settled;
    counting->done = counting->refused || counting->counted == counting->position;
}

static void fill_ranges(struct mail *mail, Weft__Ranges *message, const struct stream *stream,
                        uint64_t position) {
    CHECK(mail_bytes(mail, &message->owner, stream->owner.bytes, WEFT_ID_SIZE));
    message->model = stream->model;
    message->position = position;
}

static uint64_t *copy_numbers(struct mail *mail, const uint64_t *numbers, size_t count) {
    uint64_t *copy = arena_take(&mail->arena, count * sizeof *copy);
    CHECK(copy != NULL);
    memcpy(copy, numbers, count * sizeof *copy);
    return copy;
}

static void answer(struct bulk *bulk, struct instant now, uint32_t index, struct outbox *out) {
    struct bulk_peer *peer = &bulk->peers[index];
    struct counting *counting = peer->counting;
    Weft__Ranges *message = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RANGES, &message);
    fill_ranges(mail, message, &counting->stream, counting->position);
    message->answer = true;
    message->horizon = counting->horizon;
    message->settled = counting->settled;
    if (!counting->refused) {
        message->n_sums = counting->ranges.count;
        message->sums = copy_numbers(mail, counting->ranges.sum, message->n_sums);
    }
    counting->active = false;
    counting->start_us = now.mono_us + LIMIT_RETRY_US;
    bulk->counting--;
    peer->notes--;
    outbox_send(out, ACTOR_PEER + index, &mail);
}

/* True when rows were read. */
static bool serve_counting(struct bulk *bulk, struct instant now, struct outbox *out) {
    bool read = false;
    for (uint32_t p = 0; p < bulk->settings->peers && bulk->counting != 0; p++) {
        struct counting *counting = bulk->peers[p].counting;
        if (counting == NULL || !counting->active) continue;
        if (!counting->done && !read && counting->start_us <= now.mono_us) {
            count_for(bulk, counting);
            read = true;
        }
        if (counting->done && bulk->peers[p].notes > 0) answer(bulk, now, p, out);
    }
    return read;
}

/* ---- this device's own sweep ---- */

/* The next sweep that waits, and can be asked for. */
static void choose(struct bulk *bulk) {
    struct narrow *narrow = bulk->narrow;
    if (bulk->narrow_count == 0) return;
    for (uint32_t i = 0; i < bulk->source_count; i++) {
        struct source *source = &bulk->sources[i];
        if (!source->narrow || source->peer == BULK_NOBODY) continue;
        const uint64_t position = vector_get(&bulk->heads, &source->stream);
        if (position == 0 || source->cursor != 0) {
            bulk_narrow_drop(bulk, source);
            continue;
        }
        narrow->state = NARROW_COUNTING;
        narrow->stream = source->stream;
        narrow->position = position;
        narrow->counted = narrow->until = narrow->moved = 0;
        ranges_cut_begin(&narrow->ranges);
        return;
    }
}

static void cut_row(void *context, uint64_t version, uint64_t hash) {
    ranges_cut_add(context, version, hash);
}

/* Counts a slice of what is held here. What is little is taken again at once. */
static void count_own(struct bulk *bulk, struct source *source) {
    struct narrow *narrow = bulk->narrow;
    const struct reader_visit visit = {&narrow->ranges, cut_row};
    struct reader_place place;
    struct weft_error why = {0};
    enum weft_status status =
        reader_hashes(bulk->reader, &narrow->stream, narrow->counted, narrow->position,
                      LIMIT_DIGEST_ROWS, &visit, &place, &why);
    if (status != WEFT_OK || place.position < narrow->position) {
        bulk_narrow_drop(bulk, source);
        return;
    }
    narrow->counted = place.upto;
    if (narrow->counted < narrow->position) return;
    ranges_cut_end(&narrow->ranges, narrow->position);
    narrow->state = NARROW_READY;
    if (narrow->ranges.rows <= bulk->settings->batch_rows) bulk_narrow_drop(bulk, source);
}

static void ask(struct bulk *bulk, struct instant now, const struct source *source,
                struct outbox *out) {
    struct narrow *narrow = bulk->narrow;
    Weft__Ranges *message = NULL;
    if (bulk->peers[source->peer].notes == 0) return;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_RANGES, &message);
    fill_ranges(mail, message, &narrow->stream, narrow->position);
    message->n_bounds = narrow->ranges.count;
    message->bounds = copy_numbers(mail, narrow->ranges.bound, message->n_bounds);
    narrow->peer = source->peer;
    narrow->state = NARROW_ASKED;
    narrow->due_us = now.mono_us + LIMIT_RANGES_US + 10 * narrow->ranges.rows;
    bulk->peers[source->peer].notes--;
    outbox_send(out, ACTOR_PEER + source->peer, &mail);
}

static void on_answer(struct bulk *bulk, struct instant now, const Weft__Ranges *ranges) {
    struct narrow *narrow = bulk->narrow;
    struct stream stream = {.model = ranges->model};
    CHECK(id_read(&stream.owner, ranges->owner.data, ranges->owner.len));
    if (narrow->state != NARROW_ASKED || narrow->peer != ranges->peer ||
        narrow->position != ranges->position || stream_compare(&narrow->stream, &stream) != 0) {
        return;
    }
    struct source *source = bulk_source(bulk, &stream);
    CHECK(source != NULL && source->narrow);
    if (ranges->n_sums != narrow->ranges.count) {
        bulk_narrow_drop(bulk, source); /* It does not hold as much. */
        return;
    }
    wait_no_more(bulk, source);
    (void)ranges_compare(&narrow->ranges, ranges->sums);
    narrow->horizon = ranges->horizon;
    narrow->settled = ranges->settled;
    narrow->state = NARROW_SWEEPING;
    narrow->due_us = now.mono_us + LIMIT_NARROW_US;
}

void bulk_ranges(struct bulk *bulk, struct instant now, const Weft__Ranges *ranges) {
    CHECK(ranges->peer < bulk->settings->peers);
    if (!bulk->peers[ranges->peer].live) return;
    if (ranges->answer) {
        on_answer(bulk, now, ranges);
    } else {
        on_asked(bulk, now, ranges);
    }
}

/* The log is to pass over what is the same. */
static void pass_over(struct bulk *bulk, struct source *source, uint64_t upto, struct outbox *out) {
    const struct narrow *narrow = bulk->narrow;
    const struct model *model = models_get(bulk->settings->models, source->stream.model);
    struct rows_builder builder;
    Weft__Incoming *incoming = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_INCOMING, &incoming);
    CHECK(rows_begin(&builder, &mail->arena, model->id, model->column_count) == WEFT_OK);
    Weft__Rows *rows = builder.rows;
    CHECK(mail_bytes(mail, &rows->owner, source->stream.owner.bytes, WEFT_ID_SIZE));
    rows->after = source->cursor;
    rows->upto = upto;
    rows->sweep = rows->same = true;
    rows->horizon = narrow->horizon;
    rows->settled = narrow->settled;
    incoming->rows = rows;
    incoming->peer = narrow->peer;
    source->in_flight++;
    outbox_send(out, ACTOR_CLOCK, &mail);
}

/* From range to range. Asking is bulk_notes()'s. */
static void sweep_on(struct bulk *bulk, struct instant now, struct source *source,
                     struct outbox *out) {
    struct narrow *narrow = bulk->narrow;
    bool differs = true;
    if (source->cursor != narrow->moved) narrow->due_us = now.mono_us + LIMIT_NARROW_US;
    narrow->moved = source->cursor;
    if (source->in_flight != 0) return;
    if (source->asked && source->cursor < narrow->until) return;
    const uint64_t end = ranges_run(&narrow->ranges, source->cursor, &differs);
    if (end == 0) {
        bulk_narrow_drop(bulk, source);
        return;
    }
    source->asked = false;
    source->expected = STREAM_WITHDRAWN;
    bulk->notes_due = true;
    if (!differs) pass_over(bulk, source, end, out);
}

uint64_t bulk_narrow_until(struct bulk *bulk, const struct source *source) {
    bool differs = true;
    if (!is_narrow(bulk, source) || bulk->narrow->state != NARROW_SWEEPING) return 0;
    bulk->narrow->until = ranges_run(&bulk->narrow->ranges, source->cursor, &differs);
    CHECK(differs);
    return bulk->narrow->until;
}

void bulk_narrow(struct bulk *bulk, struct instant now, struct outbox *out) {
    struct narrow *narrow = bulk->narrow;
    const bool read = bulk->counting != 0 && serve_counting(bulk, now, out);
    if (narrow->state == NARROW_IDLE) choose(bulk);
    if (narrow->state == NARROW_IDLE) return;
    struct source *source = bulk_source(bulk, &narrow->stream);
    CHECK(source != NULL);
    if (narrow->state >= NARROW_ASKED &&
        (now.mono_us >= narrow->due_us || source->peer != narrow->peer || source->blocked)) {
        bulk_narrow_drop(bulk, source);
        return;
    }
    if (narrow->state == NARROW_COUNTING && !read) count_own(bulk, source);
    if (narrow->state == NARROW_READY && source->peer == BULK_NOBODY) narrow->state = NARROW_IDLE;
    if (narrow->state == NARROW_READY) ask(bulk, now, source, out);
    if (narrow->state == NARROW_SWEEPING) sweep_on(bulk, now, source, out);
}

uint64_t bulk_narrow_due(const struct bulk *bulk) {
    const struct narrow *narrow = bulk->narrow;
    uint64_t due = DUE_NEVER;
    if (narrow->state == NARROW_COUNTING) return 0;
    if (narrow->state >= NARROW_ASKED) due = narrow->due_us;
    for (uint32_t p = 0; p < bulk->settings->peers && bulk->counting != 0; p++) {
        const struct counting *counting = bulk->peers[p].counting;
        if (counting == NULL || !counting->active || counting->done) continue;
        if (counting->start_us < due) due = counting->start_us;
    }
    return due;
}
