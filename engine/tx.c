/* Transactions: the way in. A transaction is a commit mail that a host thread fills in its own
 * arena; submitting it is one push into the thread's own ring.
 *
 *   begin ─► mail from the lane's pool ─► put, set, delete: columns of runs, one open run per model
 *   ─► commit: runs in model order, owners first; ticket drawn; pushed
 *
 * Invariants
 *   1. A lane is used by one thread at a time: the one whose thread-specific value points to it.
 *   2. A ticket is drawn only when the push cannot fail.
 *   3. A run never holds more than a batch may carry, so it can travel as it is.
 *   4. Rows of one model keep their order; models are independent streams, so their order within
 *      the transaction is free: owners come first. */
#include <stdlib.h>

#include "engine/host.h"
#include "engine/runtime/ring.h"
#include "engine/wire/rows.h"

/* Bytes a cell may take in a message besides its text or blob: see also store/tail.c. */
#define CELL_RAW 10u
#define LANE_KEEP (4u << 20)

/* The runs of one model. */
struct runs {
    struct rows_builder builder; /* of the newest run */
    Weft__Rows **list;
    uint32_t count, capacity;
    size_t raw; /* of the newest run, at most */
};

struct weft_tx {
    struct weft_engine *engine;
    struct lane *lane;
    struct mail *mail;
    uint32_t rows; /* of all runs */
    size_t sealed; /* runs that the mail's list has room for */
    struct weft_error why;
    struct runs runs[LIMIT_MODELS]; /* by model id - 1 */
};

/* ---- lanes ---- */

static void lane_leave(void *value) {
    struct lane *lane = value;
    atomic_store_explicit(&lane->taken, false, memory_order_release);
}

enum weft_status lanes_open(struct weft_engine *engine, struct weft_error *why) {
    for (uint32_t i = 0; i < LIMIT_LANES; i++) {
        engine->lanes[i].engine = engine;
        engine->lanes[i].index = i;
    }
    if (pthread_key_create(&engine->lane_key, lane_leave) != 0) {
        return status_fail(why, WEFT_LIMIT, 0,
                           "the process has no thread-specific keys left; close another engine");
    }
    return WEFT_OK;
}

void lanes_close(struct weft_engine *engine) {
    (void)pthread_key_delete(engine->lane_key);
    for (uint32_t i = 0; i < LIMIT_LANES; i++) {
        struct lane *lane = &engine->lanes[i];
        if (lane->spare != NULL) free(lane->spare);
        if (lane->pool != NULL) pool_close(lane->pool);
        *lane = (struct lane){0};
    }
}

/* The calling thread's lane, taken on first use. */
static enum weft_status lane_mine(struct weft_engine *engine, struct lane **out) {
    struct lane *lane = pthread_getspecific(engine->lane_key);
    *out = lane;
    if (lane != NULL) return WEFT_OK;
    for (uint32_t i = 0; i < LIMIT_LANES; i++) {
        bool taken = false;
        lane = &engine->lanes[i];
        if (!atomic_compare_exchange_strong_explicit(&lane->taken, &taken, true,
                                                     memory_order_acquire, memory_order_relaxed)) {
            continue;
        }
        *out = lane;
        if (lane->pool == NULL) lane->pool = pool_open(0, LANE_KEEP, &engine->door_held);
        if (lane->pool != NULL && pthread_setspecific(engine->lane_key, lane) == 0) return WEFT_OK;
        lane_leave(lane);
        return WEFT_NO_MEMORY;
    }
    return WEFT_LIMIT;
}

/* ---- begin and end ---- */

static enum weft_status tx_fail(weft_tx *tx, enum weft_status status, const char *text) {
    return status_fail(&tx->why, status, 0, "%s", text);
}

static enum weft_status tx_open(struct weft_engine *engine, struct lane *lane, weft_tx **out) {
    weft_tx *tx = lane->spare;
    if (tx == NULL) tx = calloc(1, sizeof *tx);
    if (tx == NULL) return WEFT_NO_MEMORY;
    lane->spare = NULL;
    tx->engine = engine;
    tx->lane = lane;
    tx->rows = 0;
    tx->sealed = 0;
    tx->mail = mail_new(lane->pool, WEFT__MAIL__BODY_COMMIT, NULL);
    if (tx->mail == NULL) {
        lane->spare = tx;
        return WEFT_NO_MEMORY;
    }
    *out = tx;
    return WEFT_OK;
}

enum weft_status weft_begin(weft_engine *engine, weft_tx **out) {
    CHECK(engine != NULL && out != NULL);
    *out = NULL;
    if (atomic_load_explicit(&engine->closing, memory_order_relaxed)) return WEFT_CLOSED;
    if (host_fault(engine, NULL) != WEFT_OK) return WEFT_CLOSED;
    if (atomic_load_explicit(&engine->door_held, memory_order_relaxed) >= engine->door_max) {
        return WEFT_BUSY;
    }
    struct lane *lane = NULL;
    enum weft_status status = lane_mine(engine, &lane);
    return status == WEFT_OK ? tx_open(engine, lane, out) : status;
}

enum weft_status weft_begin_wait(weft_engine *engine, int timeout_ms, weft_tx **out) {
    enum weft_status status = weft_begin(engine, out);
    if (status != WEFT_BUSY) return status;
    struct deadline deadline = host_deadline(engine, timeout_ms);
    (void)pthread_mutex_lock(&engine->lock);
    do {
        status = weft_begin(engine, out);
    } while (status == WEFT_BUSY && host_sleep(engine, &deadline));
    if (status == WEFT_BUSY) status = weft_begin(engine, out);
    (void)pthread_mutex_unlock(&engine->lock);
    return status == WEFT_BUSY ? WEFT_TIMEOUT : status;
}

/* Makes the transaction's memory ready for the next one. */
static void tx_done(weft_tx *tx) {
    struct lane *lane = tx->lane;
    for (uint32_t m = 0; m < LIMIT_MODELS; m++) {
        tx->runs[m] = (struct runs){0};
    }
    tx->mail = NULL;
    if (lane->spare == NULL) {
        lane->spare = tx;
    } else {
        free(tx);
    }
}

void weft_abort(weft_tx *tx) {
    if (tx == NULL) return;
    struct weft_engine *engine = tx->engine;
    mail_drop(&tx->mail);
    tx_done(tx);
    /* Nobody but this thread knows that there is room again. The lock: a waiter that found none
     * holds it until it has said that it sleeps. */
    (void)pthread_mutex_lock(&engine->lock);
    wake_signal(&engine->answers);
    (void)pthread_mutex_unlock(&engine->lock);
}

const struct weft_error *weft_tx_why(const weft_tx *tx) {
    CHECK(tx != NULL);
    return &tx->why;
}

/* ---- rows ---- */

static const struct model *tx_model(weft_tx *tx, int model) {
    const struct model *found =
        model < 0 ? NULL : models_get(tx->engine->settings.models, (uint32_t)model + 1);
    if (found == NULL) (void)tx_fail(tx, WEFT_INVALID, "there is no model of that number");
    return found;
}

static enum weft_status open_run(weft_tx *tx, const struct model *model, struct runs *runs) {
    struct arena *arena = &tx->mail->arena;
    if (runs->count == runs->capacity) {
        uint32_t capacity = runs->capacity == 0 ? 4 : runs->capacity * 2;
        Weft__Rows **list = arena_take(arena, capacity * sizeof *list);
        if (list == NULL) return WEFT_NO_MEMORY;
        if (runs->count != 0) memcpy(list, runs->list, runs->count * sizeof *list);
        runs->list = list;
        runs->capacity = capacity;
    }
    /* The run before this one stays open until there is another. */
    struct rows_builder fresh;
    enum weft_status status = rows_begin(&fresh, arena, model->id, model->column_count);
    if (status != WEFT_OK) return status;
    runs->builder = fresh;
    runs->list[runs->count++] = runs->builder.rows;
    runs->raw = 0;
    return WEFT_OK;
}

/* Adds an empty row that will take at most `raw` bytes in a message. */
static enum weft_status add_row(weft_tx *tx, const struct model *model, enum row_op op, size_t raw,
                                struct rows_builder **builder) {
    struct runs *runs = &tx->runs[model->id - 1];
    enum weft_status status = WEFT_OK;
    if (raw > LIMIT_ROW_BYTES) {
        return status_fail(&tx->why, WEFT_LIMIT, 0,
                           "table \"%s\": a row of %zu bytes; a row must fit one message of %u",
                           model->name, raw, LIMIT_ROW_BYTES);
    }
    if (tx->mail->arena.bytes > LIMIT_TX_BYTES) {
        return status_fail(&tx->why, WEFT_LIMIT, 0,
                           "the transaction holds %u MiB already; commit it and begin another",
                           LIMIT_TX_BYTES >> 20);
    }
    if (runs->count == 0 || runs->builder.rows->count == LIMIT_ROWS ||
        runs->raw + raw > LIMIT_BATCH_RAW) {
        status = open_run(tx, model, runs);
    }
    if (status == WEFT_OK) status = rows_add(&runs->builder, op, 0);
    if (status != WEFT_OK) return tx_fail(tx, status, "no memory for the row");
    runs->raw += raw;
    tx->rows++;
    *builder = &runs->builder;
    return WEFT_OK;
}

static void take_row_back(weft_tx *tx, struct rows_builder *builder) {
    rows_undo(builder);
    tx->rows--;
    (void)tx_fail(tx, WEFT_NO_MEMORY, "no memory for the row");
}

static size_t raw_size(const struct weft_value *value) {
    bool bytes = value->type == WEFT_TEXT || value->type == WEFT_BLOB;
    return CELL_RAW + (bytes ? value->size : 0);
}

/* What goes into a column that holds the writing device's id: that, whatever the host gives. */
static enum weft_status settle_node(weft_tx *tx, const struct model *model, uint32_t column,
                                    const struct weft_value *given, struct weft_value *out) {
    const struct id *self = &tx->engine->store.device;
    *out = weft_blob(self->bytes, sizeof self->bytes);
    if (given->type == WEFT_NULL) return WEFT_OK;
    CHECK(given->type == WEFT_BLOB && given->size == sizeof self->bytes); /* model_accepts() */
    if (memcmp(given->as.bytes, self->bytes, sizeof self->bytes) == 0) return WEFT_OK;
    return status_fail(&tx->why, WEFT_INVALID, 0,
                       "table \"%s\": \"%s\" is @node, it holds the id of the device that writes; "
                       "give NULL",
                       model->name, model->columns[column].name);
}

enum weft_status weft_put(weft_tx *tx, int model_number, const struct weft_value *values,
                          unsigned count) {
    CHECK(tx != NULL && (values != NULL || count == 0));
    const struct model *model = tx_model(tx, model_number);
    struct rows_builder *builder = NULL;
    size_t raw = CELL_RAW;
    if (model == NULL) return WEFT_INVALID;
    if (count != model->column_count) {
        return status_fail(&tx->why, WEFT_INVALID, 0,
                           "table \"%s\" has %u columns, %u values were given", model->name,
                           model->column_count, count);
    }
    struct weft_value self = weft_null(); /* what a @node column holds */
    for (uint32_t c = 0; c < count; c++) {
        enum weft_status status = model_accepts(model, c, &values[c], &tx->why);
        if (status == WEFT_OK && model->columns[c].node)
            status = settle_node(tx, model, c, &values[c], &self);
        if (status != WEFT_OK) return status;
        raw += raw_size(model->columns[c].node ? &self : &values[c]);
    }
    enum weft_status status = add_row(tx, model, ROW_PUT, raw, &builder);
    for (uint32_t c = 0; c < count && status == WEFT_OK; c++) {
        status = rows_cell(builder, c, model->columns[c].node ? &self : &values[c]);
        if (status != WEFT_OK) take_row_back(tx, builder);
    }
    return status;
}

/* Checks a key and adds it as a row of its own kind. */
static enum weft_status add_key(weft_tx *tx, const struct model *model, enum row_op op,
                                const struct weft_value *key, unsigned key_count, size_t raw,
                                struct rows_builder **builder) {
    if (key_count != model->key_count) {
        return status_fail(&tx->why, WEFT_INVALID, 0,
                           "a key of table \"%s\" has %u values, %u were given", model->name,
                           model->key_count, key_count);
    }
    for (uint32_t k = 0; k < key_count; k++) {
        enum weft_status status = model_accepts(model, model->key[k], &key[k], &tx->why);
        if (status != WEFT_OK) return status;
        raw += raw_size(&key[k]);
    }
    enum weft_status status = add_row(tx, model, op, raw, builder);
    for (uint32_t k = 0; k < key_count && status == WEFT_OK; k++) {
        status = rows_cell(*builder, model->key[k], &key[k]);
        if (status != WEFT_OK) take_row_back(tx, *builder);
    }
    return status;
}

enum weft_status weft_delete(weft_tx *tx, int model_number, const struct weft_value *key,
                             unsigned key_count) {
    CHECK(tx != NULL && key != NULL);
    const struct model *model = tx_model(tx, model_number);
    struct rows_builder *builder = NULL;
    if (model == NULL) return WEFT_INVALID;
    return add_key(tx, model, ROW_DELETE, key, key_count, CELL_RAW, &builder);
}

enum weft_status weft_set(weft_tx *tx, int model_number, const struct weft_value *key,
                          unsigned key_count, int column, const struct weft_value *value) {
    CHECK(tx != NULL && key != NULL && value != NULL);
    const struct model *model = tx_model(tx, model_number);
    struct rows_builder *builder = NULL;
    if (model == NULL) return WEFT_INVALID;
    if (column < 0 || (uint32_t)column >= model->column_count) {
        return tx_fail(tx, WEFT_INVALID, "there is no column of that number");
    }
    if (model->columns[column].key_place >= 0) {
        return status_fail(&tx->why, WEFT_INVALID, 0,
                           "table \"%s\": column \"%s\" is part of the key; delete the row and put "
                           "another",
                           model->name, model->columns[column].name);
    }
    struct weft_value settled = *value;
    const struct column *wanted = &model->columns[column];
    if (value->type == WEFT_NULL && wanted->not_null && !wanted->node) {
        return status_fail(&tx->why, WEFT_TYPE, 0,
                           "table \"%s\", column \"%s\": it may not be NULL; give it a value",
                           model->name, wanted->name);
    }
    enum weft_status status = model_accepts(model, (uint32_t)column, value, &tx->why);
    if (status == WEFT_OK && model->columns[column].node) {
        status = settle_node(tx, model, (uint32_t)column, value, &settled);
        value = &settled;
    }
    if (status != WEFT_OK) return status;
    status = add_key(tx, model, ROW_SET, key, key_count, CELL_RAW + raw_size(value), &builder);
    if (status != WEFT_OK) return status;
    status = rows_cell(builder, (uint32_t)column, value);
    if (status == WEFT_OK) status = rows_field(builder, (uint32_t)column);
    if (status != WEFT_OK) take_row_back(tx, builder);
    return status;
}

/* ---- commit ---- */

/* Puts the runs into the mail, owners before what they own. */
static enum weft_status seal(weft_tx *tx) {
    const struct models *models = tx->engine->settings.models;
    Weft__Commit *commit = tx->mail->body.commit;
    size_t count = 0;
    for (uint32_t m = 0; m < LIMIT_MODELS; m++) {
        count += tx->runs[m].count;
    }
    if (count > tx->sealed) {
        /* Once, however often the engine is busy and the commit is tried again. */
        commit->rows = arena_take(&tx->mail->arena, count * sizeof commit->rows[0]);
        if (commit->rows == NULL) {
            tx->sealed = 0;
            return tx_fail(tx, WEFT_NO_MEMORY, "no memory for the commit");
        }
        tx->sealed = count;
    }
    commit->n_rows = 0;
    for (uint32_t d = 0; d < models->order_count; d++) {
        const struct runs *runs = &tx->runs[models->by_depth[d] - 1];
        for (uint32_t r = 0; r < runs->count; r++) {
            if (runs->list[r]->count != 0) commit->rows[commit->n_rows++] = runs->list[r];
        }
    }
    commit->count = tx->rows;
    return WEFT_OK;
}

uint64_t ticket_draw(struct weft_engine *engine) {
    return atomic_fetch_add_explicit(&engine->next_ticket, 1, memory_order_relaxed);
}

/* Draws a ticket and pushes the mail into the thread's lane. */
static enum weft_status submit(struct weft_engine *engine, struct lane *lane, struct mail *mail,
                               uint64_t *ticket_field, uint64_t *ticket) {
    uint64_t issued = atomic_load_explicit(&engine->next_ticket, memory_order_relaxed) - 1;
    uint64_t done = atomic_load_explicit(&engine->done_tickets, memory_order_relaxed);
    struct ring *ring = engine->topology->door.lane[lane->index];
    if (atomic_load_explicit(&engine->closing, memory_order_relaxed)) return WEFT_CLOSED;
    if (host_fault(engine, NULL) != WEFT_OK) return WEFT_CLOSED;
    /* Threads that look at once may pass the bound together: it has room for every lane's one. */
    if (issued - done >= LIMIT_COMMITS - LIMIT_LANES || ring_free(ring) == 0) return WEFT_BUSY;
    uint64_t number = ticket_draw(engine);
    *ticket_field = number;
    mail->order = number;
    if (ticket != NULL) *ticket = number;
    CHECK(door_push(&engine->topology->door, lane->index, mail));
    return WEFT_OK;
}

enum weft_status weft_commit(weft_tx *tx, uint64_t *ticket) {
    CHECK(tx != NULL && tx->mail != NULL);
    Weft__Commit *commit = tx->mail->body.commit;
    struct weft_engine *engine = tx->engine;
    if (tx->rows == 0) {
        return tx_fail(tx, WEFT_INVALID, "the transaction is empty; abort it");
    }
    struct time_port time = engine->ports.runner.time;
    commit->submitted_us = time.now(time.self).mono_us;
    enum weft_status status = seal(tx);
    if (status == WEFT_OK) status = submit(engine, tx->lane, tx->mail, &commit->ticket, ticket);
    if (status == WEFT_BUSY && pthread_mutex_trylock(&engine->lock) == 0) {
        (void)host_pump(engine); /* Outcomes that nobody has taken in count as outstanding. */
        (void)pthread_mutex_unlock(&engine->lock);
        status = submit(engine, tx->lane, tx->mail, &commit->ticket, ticket);
    }
    if (status != WEFT_OK) {
        if (status != WEFT_NO_MEMORY) (void)tx_fail(tx, status, weft_status_text(status));
        return status;
    }
    tx_done(tx);
    return WEFT_OK;
}

enum weft_status weft_commit_wait(weft_tx *tx, int timeout_ms, uint64_t *ticket) {
    CHECK(tx != NULL);
    struct weft_engine *engine = tx->engine;
    enum weft_status status = weft_commit(tx, ticket);
    if (status != WEFT_BUSY) return status;
    struct deadline deadline = host_deadline(engine, timeout_ms);
    (void)pthread_mutex_lock(&engine->lock);
    do {
        (void)host_pump(engine);
        status = submit(engine, tx->lane, tx->mail, &tx->mail->body.commit->ticket, ticket);
    } while (status == WEFT_BUSY && host_sleep(engine, &deadline));
    (void)pthread_mutex_unlock(&engine->lock);
    if (status == WEFT_BUSY) return tx_fail(tx, WEFT_TIMEOUT, weft_status_text(WEFT_TIMEOUT));
    if (status == WEFT_OK) tx_done(tx);
    return status;
}

/* ---- rescans ---- */

static enum weft_status scan_mail(struct weft_engine *engine, struct lane **lane,
                                  struct mail **mail, Weft__Scan **scan) {
    enum weft_status status = lane_mine(engine, lane);
    if (status != WEFT_OK) return status;
    *mail = mail_new((*lane)->pool, WEFT__MAIL__BODY_SCAN, scan);
    return *mail == NULL ? WEFT_NO_MEMORY : WEFT_OK;
}

enum weft_status weft_scan_begin(weft_engine *engine, int model_number, int column,
                                 const struct weft_value *scope, uint64_t *scan_out,
                                 struct weft_error *why) {
    CHECK(engine != NULL && scope != NULL && scan_out != NULL);
    const struct model *model =
        model_number < 0 ? NULL : models_get(engine->settings.models, (uint32_t)model_number + 1);
    struct lane *lane = NULL;
    struct mail *mail = NULL;
    Weft__Scan *scan = NULL;
    if (model == NULL || column < 0 || (uint32_t)column >= model->column_count) {
        return status_fail(why, WEFT_INVALID, 0, "a rescan of a model or column that is not there");
    }
    if (model->kind != MODEL_OWNED) {
        return status_fail(why, WEFT_INVALID, 0,
                           "table \"%s\" is shared: what one device does not see is no reason to "
                           "delete it for all; rescan tables that are @owned",
                           model->name);
    }
    enum weft_status status = model_accepts(model, (uint32_t)column, scope, why);
    if (status != WEFT_OK) return status;
    status = scan_mail(engine, &lane, &mail, &scan);
    if (status == WEFT_OK) {
        scan->model = model->id;
        scan->column = (uint32_t)column;
        scan->scope = mail_message(mail, &weft__value__descriptor);
        if (scan->scope == NULL) status = WEFT_NO_MEMORY;
    }
    if (status == WEFT_OK) {
        scan->scope->type = (uint32_t)scope->type;
        if (scope->type == WEFT_TEXT || scope->type == WEFT_BLOB) {
            if (!mail_bytes(mail, &scan->scope->body, scope->as.bytes, scope->size)) {
                status = WEFT_NO_MEMORY;
            }
        } else {
            scan->scope->integer = scope->as.integer;
        }
    }
    if (status == WEFT_OK) status = submit(engine, lane, mail, &scan->ticket, scan_out);
    if (status != WEFT_OK) {
        mail_drop(&mail);
        return status_fail(why, status, 0, "table \"%s\": %s", model->name,
                           weft_status_text(status));
    }
    return WEFT_OK;
}

enum weft_status weft_scan_end(weft_engine *engine, uint64_t scan_number, uint64_t *ticket) {
    CHECK(engine != NULL);
    struct lane *lane = NULL;
    struct mail *mail = NULL;
    Weft__Scan *scan = NULL;
    enum weft_status status = scan_mail(engine, &lane, &mail, &scan);
    if (status != WEFT_OK) return status;
    scan->scan = scan_number;
    scan->end = true;
    status = submit(engine, lane, mail, &scan->ticket, ticket);
    if (status != WEFT_OK) mail_drop(&mail);
    return status;
}
