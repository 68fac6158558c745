/* The log's rescans: what was not written again between begin and end is deleted at the end.
 *
 *   begin ──► mark: a stamp. Every own row in scope that is written later has a greater version
 *   a put equal to the stored row leaves no trace in the table ──► its key is noted in `seen`
 *   end ──► rows in scope with version < mark, and not in `seen` ──► tombstones
 *
 * `seen` holds 64-bit keyed hashes of keys. Two keys of one rescan collide with a probability of
 * rows / 2^64; the worst of it would be a stale row that stays until the next rescan.
 * Invariants
 *   1. A rescan that is not ended deletes nothing, whatever happens.
 *   2. One during which a transaction of its table failed is given up: what that was to write again
 *      would be taken for gone. */
#include <sodium.h>
#include <stdlib.h>

#include "actors/log_private.h"

struct scan {
    uint64_t ticket; /* names it */
    const struct model *model;
    uint32_t column;
    struct weft_value scope;
    void *scope_bytes; /* what `scope` points to, if it is a text or blob */
    uint64_t mark;
    uint8_t key[crypto_shorthash_KEYBYTES];
    uint64_t *seen; /* open addressing, 0 is empty */
    size_t seen_count, seen_capacity;
};

static uint64_t hash_key(const struct scan *scan, const struct weft_value *key, uint32_t count) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t part = 0;
        bool bytes = key[i].type == WEFT_TEXT || key[i].type == WEFT_BLOB;
        const void *data = bytes ? key[i].as.bytes : (const void *)&key[i].as.integer;
        size_t size = bytes ? key[i].size : sizeof key[i].as.integer;
        (void)crypto_shorthash((uint8_t *)&part, data, size, scan->key);
        hash = (hash << 7 | hash >> 57) ^ part ^ (uint64_t)key[i].type;
    }
    return hash == 0 ? 1 : hash;
}

static bool seen_has(const struct scan *scan, uint64_t hash) {
    if (scan->seen_capacity == 0) return false;
    size_t mask = scan->seen_capacity - 1;
    for (size_t i = hash & mask; scan->seen[i] != 0; i = (i + 1) & mask) {
        if (scan->seen[i] == hash) return true;
    }
    return false;
}

static void seen_put(uint64_t *table, size_t capacity, uint64_t hash) {
    size_t mask = capacity - 1;
    size_t i = hash & mask;
    while (table[i] != 0 && table[i] != hash) {
        i = (i + 1) & mask;
    }
    table[i] = hash;
}

static bool seen_grow(struct scan *scan) {
    size_t capacity = scan->seen_capacity == 0 ? 1024 : scan->seen_capacity * 2;
    uint64_t *table = calloc(capacity, sizeof *table);
    if (table == NULL) return false;
    for (size_t i = 0; i < scan->seen_capacity; i++) {
        if (scan->seen[i] != 0) seen_put(table, capacity, scan->seen[i]);
    }
    free(scan->seen);
    scan->seen = table;
    scan->seen_capacity = capacity;
    return true;
}

static void scan_drop(struct log *log, uint32_t at) {
    struct scan *scan = log->scans[at];
    free(scan->scope_bytes);
    free(scan->seen);
    free(scan);
    log->scans[at] = NULL;
}

void log_scan_free(struct log *log) {
    for (uint32_t i = 0; i < LIMIT_SCANS; i++) {
        if (log->scans[i] != NULL) scan_drop(log, i);
    }
}

static bool same_value(const struct weft_value *a, const struct weft_value *b) {
    if (a->type != b->type) return false;
    if (a->type == WEFT_TEXT || a->type == WEFT_BLOB) {
        return a->size == b->size && memcmp(a->as.bytes, b->as.bytes, a->size) == 0;
    }
    return a->type == WEFT_NULL || a->as.integer == b->as.integer;
}

void log_scan_seen(void *context, const struct model *model, const Weft__Rows *rows, uint32_t row) {
    struct log *log = context;
    struct weft_value key[LIMIT_KEY_COLUMNS];
    for (uint32_t i = 0; i < LIMIT_SCANS; i++) {
        struct scan *scan = log->scans[i];
        if (scan == NULL || scan->model != model) continue;
        struct weft_value value = rows_value(rows, row, scan->column);
        /* A field set to the value that it has comes without the other cells: its key is noted for
         * whatever scope, which at worst keeps a row. */
        if (value.type != WEFT_NULL && !same_value(&value, &scan->scope)) continue;
        for (uint32_t k = 0; k < model->key_count; k++) {
            key[k] = rows_value(rows, row, model->key[k]);
        }
        if (scan->seen_count * 2 >= scan->seen_capacity && !seen_grow(scan)) {
            /* Without memory the scan cannot know what to delete: it is given up, and its end says
             * so. */
            scan_drop(log, i);
            continue;
        }
        seen_put(scan->seen, scan->seen_capacity, hash_key(scan, key, model->key_count));
        scan->seen_count++;
    }
}

void log_scan_give_up(struct log *log, const struct mail *mail) {
    if (mail->body.body_case != WEFT__MAIL__BODY_COMMIT) return;
    const Weft__Commit *commit = mail->body.commit;
    for (uint32_t i = 0; i < LIMIT_SCANS && commit->count != 0; i++) {
        bool concerned = false;
        for (size_t r = 0; r < commit->n_rows && log->scans[i] != NULL; r++) {
            concerned = concerned || commit->rows[r]->model == log->scans[i]->model->id;
        }
        if (concerned) scan_drop(log, i);
    }
}

static bool keep(void *context, const struct weft_value *key, uint32_t key_count) {
    const struct scan *scan = context;
    return seen_has(scan, hash_key(scan, key, key_count));
}

/* ---- begin ---- */

static struct scan *scan_new(struct log *log, const Weft__Scan *order) {
    struct scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL) return NULL;
    scan->ticket = order->ticket;
    scan->model = models_get(log->settings->models, order->model);
    scan->column = order->column;
    scan->mark = order->first;
    scan->scope.type = (enum weft_type)order->scope->type;
    scan->scope.as.integer = order->scope->integer;
    CHECK(scan->model != NULL && scan->column < scan->model->column_count);
    log->settings->entropy.fill(log->settings->entropy.self, scan->key, sizeof scan->key);
    if (scan->scope.type >= WEFT_TEXT) {
        scan->scope_bytes = malloc(order->scope->body.len + 1);
        if (scan->scope_bytes == NULL) {
            free(scan);
            return NULL;
        }
        memcpy(scan->scope_bytes, order->scope->body.data, order->scope->body.len);
        scan->scope.as.bytes = scan->scope_bytes;
        scan->scope.size = (uint32_t)order->scope->body.len;
    }
    return scan;
}

static void on_begin(struct log *log, const Weft__Scan *order, struct outbox *out) {
    struct weft_error why = {0};
    uint32_t at = 0;
    while (at < LIMIT_SCANS && log->scans[at] != NULL) {
        at++;
    }
    if (at == LIMIT_SCANS) {
        (void)status_fail(&why, WEFT_LIMIT, 0, "%u rescans are open; end one first", LIMIT_SCANS);
    } else if ((log->scans[at] = scan_new(log, order)) == NULL) {
        (void)status_fail(&why, WEFT_NO_MEMORY, 0, "no memory for a rescan");
    }
    log_answer(log, order->ticket, &why, out);
}

/* ---- end ---- */

/* Deletes slice by slice, each in a commit of its own. `*last` is the version of the last
 * tombstone, 0 when there is none. */
static enum weft_status delete_unseen(struct log *log, struct instant now, struct scan *scan,
                                      const Weft__Scan *order, uint64_t *last, struct outbox *out,
                                      struct weft_error *why) {
    struct writer_sweep sweep = {.model = scan->model,
                                 .column = scan->column,
                                 .scope = scan->scope,
                                 .mark = scan->mark,
                                 .keep = keep,
                                 .context = scan};
    struct stream stream = {log->settings->device, scan->model->id};
    const uint64_t first = order->first;
    uint64_t next = first;
    enum weft_status status = WEFT_OK;
    for (bool more = true; more && status == WEFT_OK;) {
        struct rows_builder deleted;
        struct arena arena;
        arena_init(&arena, log->pool);
        status = rows_begin(&deleted, &arena, scan->model->id, scan->model->column_count);
        if (status == WEFT_OK) status = log_begin(log, why);
        log_hooks_author(log, order->ticket, NULL);
        if (status == WEFT_OK && next - first > LIMIT_SCAN_RANGE - LIMIT_SCAN_ROWS) {
            status = status_fail(why, WEFT_LIMIT, 0,
                                 "table \"%s\": more rows are to be deleted than one rescan may; "
                                 "run it again for the rest",
                                 scan->model->name);
        }
        if (status == WEFT_OK) {
            status = writer_scan_sweep(log->writer, &sweep, LIMIT_SCAN_ROWS, &next, &deleted, &more,
                                       why);
        }
        if (status == WEFT_OK && next != first) {
            log->own.written += deleted.rows->count;
            log->group_stamp = next - 1;
            status = log_move(log, &stream, next - 1, why);
        }
        if (status != WEFT_OK) log_rollback(log);
        if (status == WEFT_OK && more) status = log_flush(log, now, out);
        if (status == WEFT_OK && next != first) *last = next - 1;
        arena_drop(&arena);
    }
    if (status != WEFT_OK && why->status == WEFT_OK) {
        (void)status_fail(why, status, 0, "table \"%s\": the end of the rescan failed: %s",
                          scan->model->name, weft_status_text(status));
    }
    if (status != WEFT_OK) log_note_lost(log, why);
    return status;
}

/* Tells bulk that the stream has grown by rows that are not in memory: an empty run. */
static struct mail *gap_mail(const struct stream *stream, uint64_t after, uint64_t upto,
                             uint64_t ticket, struct outbox *out) {
    Weft__Commit *commit = NULL;
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_COMMIT, &commit);
    struct rows_builder builder;
    CHECK(upto >= after);
    commit->ticket = ticket;
    commit->rows = arena_zero(&mail->arena, sizeof commit->rows[0]);
    CHECK(commit->rows != NULL);
    CHECK(rows_begin(&builder, &mail->arena, stream->model, 1) == WEFT_OK);
    commit->rows[0] = builder.rows;
    commit->n_rows = 1;
    builder.rows->after = after;
    builder.rows->upto = upto;
    return mail;
}

static void on_end(struct log *log, struct instant now, const Weft__Scan *order,
                   struct outbox *out) {
    struct weft_error why = {0};
    uint32_t at = 0;
    uint64_t last = 0;
    (void)log_flush(log, now, out); /* First: if it fails, the rescan may be given up. */
    while (at < LIMIT_SCANS && (log->scans[at] == NULL || log->scans[at]->ticket != order->scan)) {
        at++;
    }
    if (at == LIMIT_SCANS && log->lost.status != WEFT_OK) {
        log_answer(log, order->ticket, &log->lost, out);
        return;
    }
    if (at == LIMIT_SCANS) {
        (void)status_fail(&why, WEFT_NOT_FOUND, 0,
                          "there is no open rescan of that number: it has ended, or was given up "
                          "because a transaction of its table failed; nothing was deleted, begin "
                          "another");
        log_answer(log, order->ticket, &why, out);
        return;
    }
    struct stream stream = {log->settings->device, log->scans[at]->model->id};
    uint64_t after = vector_get(&log->positions, &stream);
    enum weft_status status = delete_unseen(log, now, log->scans[at], order, &last, out, &why);
    scan_drop(log, at);
    if (status == WEFT_OK) {
        CHECK(log->open && log->group_count == 0);
        log->group[log->group_count++] =
            gap_mail(&stream, after, last == 0 ? after : last, order->ticket, out);
        if (log_flush(log, now, out) == WEFT_OK) return;
    } else {
        log_answer(log, order->ticket, &why, out);
    }
    /* The slices before the one that failed are committed: the peers are to have them. */
    struct mail *gap = gap_mail(&stream, after, vector_get(&log->positions, &stream), 0, out);
    gap->body.commit->last_of_group = 1;
    outbox_send(out, ACTOR_BULK, &gap);
}

void log_scan(struct log *log, struct instant now, struct mail **in, struct outbox *out) {
    const Weft__Scan *order = (*in)->body.scan;
    if (order->end) {
        on_end(log, now, order, out);
    } else {
        on_begin(log, order, out);
    }
}
