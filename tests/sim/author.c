/* Writing, and the ledger of what was written.
 *
 *     drawn ──► submitted ──► pending ──answer──► applied to the model
 *                               └── crash ──► settled: the disk says how many of them it kept
 *
 * Invariants
 *   1. Pending steps are in the order of submission; answers are taken in that order.
 *   2. A step is applied to the model exactly when the engine says that it was written, or the disk
 *      shows it.
 *   3. While a rescan is open nothing is submitted that must fail half way: that would leave open
 *      what the rescan has seen. Not here: what other devices may see of it (oracle.c). */
#include "tests/sim/author.h"

#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/byzantine.h"
#include "tests/sim/device.h"
#include "tests/sim/ledger.h"
#include "tests/sim/memory.h"
#include "tests/sim/trace.h"

#define HOT_ROWS 4u
#define SPOILED_MAX 12u /* of the 16 rescans that may be open */

static struct step *new_step(struct author *author) {
    CHECK(author->pending_count < PENDING_MAX);
    struct step *step = &author->pending[author->pending_count];
    step->kind = STEP_TX;
    step->ticket = step->scan = 0;
    step->may_fail = step->told = false;
    step->op_count = step->shared_count = 0;
    step->judged = step->recorded = false;
    return step;
}

static void submitted(struct device *device, struct step *step, uint64_t ticket) {
    struct author *author = &device->author;
    step->ticket = ticket;
    step->at_us = device->world->now_us;
    step->may_fail = device_ails(device);
    author->pending_count++;
    device->world->steps++;
    device->world->writes += step->op_count + step->shared_count;
    world_note(device->world, device, "submitted", ticket, step->op_count);
    if (device->world->trace) trace_step(step);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static uint32_t draw_row(struct author *author, const struct plan *plan, enum version version) {
    if (author->scan && rng_chance(&author->rng, 700)) {
        const struct table_shape *shape = &table_shapes[author->scan_table];
        return shape->first_row + (uint32_t)rng_below(&author->rng, shape->row_count);
    }
    if (!rng_chance(&author->rng, plan->hot))
        return (uint32_t)rng_below(&author->rng, version == VERSION_OLD ? ROWS_OLD : ROWS);
    enum table table = rng_chance(&author->rng, 500) ? TABLE_ENTRY : TABLE_SAMPLE;
    return table_shapes[table].first_row + (uint32_t)rng_below(&author->rng, HOT_ROWS);
}

static enum op_kind draw_kind(struct author *author, const struct plan *plan, uint32_t row) {
    uint64_t drawn = rng_below(&author->rng, 1000);
    bool scanning = author->scan != 0;
    if (table_of(row) == TABLE_LOCATION) return OP_PUT;
    if (drawn < plan->deletes) return OP_DELETE;
    return drawn < plan->deletes + plan->sets && !scanning ? OP_SET : OP_PUT;
}

/* Draws cells for an operation. A put is often what the last one was, as it is for an indexer that
 * finds nothing new. */
static void draw_content(struct device *device, enum op_kind kind, uint32_t row) {
    struct author *author = &device->author;
    uint64_t *last = &author->content[row];
    struct rng rng;
    uint64_t content = rng_u64(&author->rng) | 1;
    if (kind == OP_PUT && *last && rng_chance(&author->rng, author->scan ? 800 : 300))
        content = *last;
    if (kind == OP_PUT) *last = content;
    rng_seed(&rng, content, row);
    cells_draw(device->world->cells, &device->world->cast, device->number, row, device->version,
               rng_chance(&rng, 300), &rng);
}

/* Calls the engine for one drawn operation and notes it in the step. */
static enum weft_status add_op(struct device *device, weft_tx *tx, struct step *step,
                               enum op_kind kind, uint32_t row) {
    struct world *world = device->world;
    struct author *author = &device->author;
    struct cells *cells = world->cells;
    struct op *op = &step->op[step->op_count++];
    enum table table = table_of(row);
    int model = device->model_id[table] - 1;
    struct weft_value key[3];
    *op = (struct op){.kind = kind, .row = row};
    draw_content(device, kind, row);
    memcpy(op->hash, cells->hash, sizeof op->hash);
    uint32_t key_count = cells_key(cells, table, key);
    switch (kind) {
    case OP_PUT:
        return weft_put(tx, model, cells->value, table_columns(table, device->version));
    case OP_SET:
        op->column = cells_settable(table, device->version, &author->rng);
        return weft_set(tx, model, key, key_count, (int)op->column, &cells->value[op->column]);
    default:
        return weft_delete(tx, model, key, key_count);
    }
}

/* An operation that the engine takes, and whose transaction it must then refuse. */
static enum weft_status add_refused_op(struct device *device, weft_tx *tx, struct step *step) {
    struct world *world = device->world;
    struct author *author = &device->author;
    struct cells *cells = world->cells;
    uint32_t row = table_shapes[TABLE_ENTRY].first_row;
    struct op *op = &step->op[step->op_count++];
    *op = (struct op){.kind = OP_PUT, .row = row};
    if (rng_chance(&author->rng, 500)) {
        cells_draw(cells, &world->cast, device->number, row, device->version, false, &author->rng);
        cells->value[3] = weft_integer(-1 - (int64_t)rng_below(&author->rng, 10));
        op->refused = WEFT_CONSTRAINT;
        return weft_put(tx, device->model_id[TABLE_ENTRY] - 1, cells->value,
                        table_columns(TABLE_ENTRY, device->version));
    }
    uint32_t other = (device->number + 1) % world->cast.device_count;
    cells_draw(cells, &world->cast, other, 0, device->version, false, &author->rng);
    op->refused = WEFT_NOT_OWNER;
    return weft_put(tx, device->model_id[TABLE_LOCATION] - 1, cells->value, 3);
}

/* Calls that must fail at once and leave the transaction as it was. */
static bool try_invalid_calls(struct device *device, weft_tx *tx) {
    struct world *world = device->world;
    struct cells *cells = world->cells;
    struct rng *rng = &device->author.rng;
    int entry = device->model_id[TABLE_ENTRY] - 1;
    const unsigned columns = table_columns(TABLE_ENTRY, device->version);
    cells_draw(cells, &world->cast, device->number, table_shapes[TABLE_ENTRY].first_row,
               device->version, false, rng);
    enum weft_status count = weft_put(tx, entry, cells->value, columns - 1);
    cells->value[2] = weft_text("\xc3\x28", 2);
    enum weft_status text = weft_put(tx, entry, cells->value, columns);
    cells->value[2] = weft_null();
    cells->value[4] = weft_text("now", 3);
    enum weft_status type = weft_put(tx, entry, cells->value, columns);
    cells->value[4] = cells->value[1] = weft_null();
    enum weft_status null = weft_put(tx, entry, cells->value, columns);
    enum weft_status model = weft_put(tx, 1000, cells->value, columns);
    if (memory_failed(device)) return false;
    if (count != WEFT_INVALID || text != WEFT_NOT_UTF8 || type != WEFT_TYPE || null != WEFT_TYPE ||
        model != WEFT_INVALID)
        return world_fail(world, "device %u: invalid puts were answered %d %d %d %d %d",
                          device->number, count, text, type, null, model);
    return true;
}

/* ---- what everybody may write ---- */

static uint32_t draw_shared_row(struct author *author, const struct plan *plan,
                                enum version version) {
    static const enum commons_table tables[] = {COMMONS_TAG, COMMONS_TAG, COMMONS_OBJECT,
                                                COMMONS_LINK, COMMONS_ALBUM};
    const uint64_t count = version == VERSION_OLD ? 4 : 5;
    const struct commons_shape *shape = &commons_shapes[tables[rng_below(&author->rng, count)]];
    bool hot = rng_chance(&author->rng, plan->shared_hot);
    return shape->first_row + (uint32_t)rng_below(&author->rng, hot ? 2 : shape->row_count);
}

static enum weft_status add_shared_op(struct device *device, weft_tx *tx, struct step *step) {
    struct world *world = device->world;
    struct author *author = &device->author;
    struct cells *cells = world->cells;
    const struct plan *plan = &world->plan;
    CHECK(step->shared_count < STEP_SHARED_MAX);
    struct shared_op *op = &step->shared[step->shared_count++];
    uint64_t drawn = rng_below(&author->rng, 1000);
    *op = (struct shared_op){.kind = OP_PUT, .row = draw_shared_row(author, plan, device->version)};
    if (drawn < plan->shared_deletes)
        op->kind = OP_DELETE;
    else if (drawn < plan->shared_deletes + plan->shared_sets)
        op->kind = OP_SET;
    /* Mostly one that can be, or hardly any transaction would go through. */
    if (op->kind == OP_SET && !ledger_shows(device, op->row) && !rng_chance(&author->rng, 50))
        op->kind = OP_PUT;
    enum commons_table table = commons_table_of(op->row);
    int model = device->commons_id[table] - 1;
    commons_draw(cells, &world->cast, op->row, device->version, &author->rng);
    if (op->kind == OP_SET)
        op->column = commons_settable(cells, table, device->version, &author->rng);
    memcpy(op->hash, cells->hash, sizeof op->hash);
    const struct commons_shape *shape = &commons_shapes[table];
    if (op->kind == OP_PUT)
        return weft_put(tx, model, cells->value, commons_columns(table, device->version));
    if (op->kind == OP_DELETE) return weft_delete(tx, model, cells->value, shape->key_count);
    return weft_set(tx, model, cells->value, shape->key_count, (int)op->column,
                    &cells->value[op->column]);
}

/* Whether the next operation is on a shared row. While a rescan is open none is: any may fail. */
static bool wants_shared(struct author *author, const struct plan *plan, const struct step *step,
                         bool wrong) {
    if (wrong || author->scan || step->shared_count == STEP_SHARED_MAX) return false;
    return author->shared_only || rng_chance(&author->rng, plan->shared);
}

static bool was_refused(struct device *device, weft_tx *tx, const char *what) {
    return !memory_failed(device) && world_fail(device->world, "device %u: %s was refused: %s",
                                                device->number, what, weft_tx_why(tx)->text);
}

static bool fill_transaction(struct device *device, weft_tx *tx, struct step *step) {
    struct world *world = device->world;
    struct author *author = &device->author;
    const struct plan *plan = &world->plan;
    uint32_t count = (uint32_t)rng_between(&author->rng, 1, plan->ops_max);
    bool wrong = author->scan == 0 && !author->shared_only && rng_chance(&author->rng, plan->wrong);
    if (author->shared_only && count > STEP_SHARED_MAX) count = STEP_SHARED_MAX;
    uint32_t wrong_at = (uint32_t)rng_below(&author->rng, count);
    for (uint32_t i = 0; i < count; i++) {
        if (wants_shared(author, plan, step, wrong)) {
            if (add_shared_op(device, tx, step) == WEFT_OK) continue;
            return was_refused(device, tx, "a valid call on a shared row");
        }
        uint32_t row = draw_row(author, plan, device->version);
        bool refused = wrong && i == wrong_at;
        if (refused && !try_invalid_calls(device, tx)) return false;
        enum op_kind kind = draw_kind(author, plan, row);
        /* One thing wrong at a time, so that there is one right answer. */
        if (wrong && kind == OP_SET) kind = OP_PUT;
        enum weft_status status =
            refused ? add_refused_op(device, tx, step) : add_op(device, tx, step, kind, row);
        if (status != WEFT_OK) return was_refused(device, tx, "a valid call");
    }
    return true;
}

static bool fill_locations(struct device *device, weft_tx *tx, struct step *step) {
    for (uint32_t row = 0; row < LOCATIONS; row++)
        if (add_op(device, tx, step, OP_PUT, row) != WEFT_OK)
            return was_refused(device, tx, "a location");
    return true;
}

static void submit(struct device *device) {
    struct author *author = &device->author;
    struct world *world = device->world;
    weft_tx *tx = NULL;
    enum weft_status status = weft_begin(device->engine, &tx);
    if (status == WEFT_BUSY) point_reach(world, POINT_DOOR_FULL);
    if (status == WEFT_BUSY || (status == WEFT_NO_MEMORY && memory_failed(device))) return;
    if (status != WEFT_OK) {
        world_fail(world, "device %u: weft_begin: %s", device->number, weft_status_name(status));
        return;
    }
    struct step *step = new_step(author);
    step->version = device->version;
    bool filled =
        author->located ? fill_transaction(device, tx, step) : fill_locations(device, tx, step);
    uint64_t ticket = 0;
    if (!filled || (author->located && rng_chance(&author->rng, 30))) {
        weft_abort(tx);
        return;
    }
    status = weft_commit(tx, &ticket);
    if (status == WEFT_OK) {
        submitted(device, step, ticket);
        return;
    }
    weft_abort(tx);
    if (status == WEFT_BUSY)
        point_reach(world, POINT_DOOR_FULL);
    else if (!(status == WEFT_NO_MEMORY && memory_failed(device)))
        world_fail(world, "device %u: weft_commit: %s", device->number, weft_status_name(status));
}

static void submit_transaction(struct device *device) {
    device_works(device, true);
    submit(device);
    device_works(device, false);
}

/* ---- rescans --------------------------------------------------------------------------------- */

static void begin_scan(struct device *device) {
    struct author *author = &device->author;
    struct world *world = device->world;
    struct weft_error why;
    bool samples = rng_chance(&author->rng, 300);
    uint32_t row = table_shapes[samples ? TABLE_SAMPLE : TABLE_ENTRY].first_row;
    uint32_t column = samples ? 0 : 1;
    cells_draw(world->cells, &world->cast, device->number, row, device->version, false,
               &author->rng);
    struct step *step = new_step(author);
    step->kind = STEP_SCAN_BEGIN;
    step->table = samples ? TABLE_SAMPLE : TABLE_ENTRY;
    step->column = column;
    step->scope = world->cells->hash[column];
    enum weft_status status =
        weft_scan_begin(device->engine, device->model_id[step->table] - 1, (int)column,
                        &world->cells->value[column], &step->scan, &why);
    if (status == WEFT_BUSY) return;
    if (status != WEFT_OK) {
        world_fail(world, "device %u: weft_scan_begin: %s", device->number, why.text);
        return;
    }
    author->scan = step->scan;
    author->scan_table = step->table;
    author->scan_column = column;
    author->scan_steps = (uint32_t)rng_between(&author->rng, 1, 12);
    submitted(device, step, step->scan);
}

/* What the rescan has seen is no longer sure: it is left open. */
static void spoil_scan(struct author *author) {
    if (author->scan == 0) return;
    for (uint32_t s = 0; s < MODEL_SCANS; s++)
        if (author->model.scan[s].id == author->scan) author->model.scan[s].id = 0;
    author->scan = 0;
    author->scans_spoiled++;
}

static void end_scan(struct device *device) {
    struct author *author = &device->author;
    struct step *step = new_step(author);
    uint64_t ticket = 0;
    step->kind = STEP_SCAN_END;
    step->scan = author->scan;
    enum weft_status status = weft_scan_end(device->engine, author->scan, &ticket);
    if (status == WEFT_BUSY) return;
    if (status != WEFT_OK) {
        world_fail(device->world, "device %u: weft_scan_end: %s", device->number,
                   weft_status_name(status));
        return;
    }
    author->scan = 0;
    submitted(device, step, ticket);
}

static bool model_scans_free(const struct author *author) {
    uint32_t open = 0;
    for (uint32_t s = 0; s < MODEL_SCANS; s++)
        open += author->model.scan[s].id != 0;
    for (uint32_t i = 0; i < author->pending_count; i++)
        open += author->pending[i].kind == STEP_SCAN_BEGIN;
    return open < MODEL_SCANS;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static uint64_t next_step_us(struct device *device) {
    const struct world *world = device->world;
    uint64_t mean = world->plan.step_mean_us[device->number];
    /* Now and then several at once, so that groups and full queues occur. */
    if (rng_chance(&device->author.rng, 300)) return world->now_us + 1;
    return world->now_us + rng_between(&device->author.rng, 1, 2 * mean);
}

void author_begin(struct device *device) {
    struct author *author = &device->author;
    author->scan = 0;
    author->scans_spoiled = 0;
    author->last_ticket = author->last_shared = 0;
    author->order_count = 0;
    author->next_us = next_step_us(device);
}

uint64_t author_due_us(const struct device *device) {
    if (!device->engine || device->author.silent) return UINT64_MAX;
    return device->author.next_us;
}

static void take_step(struct device *device) {
    struct author *author = &device->author;
    const struct plan *plan = &device->world->plan;
    if (author->shared_only) {
        if (author->located && !author->scan && plan->shared) submit_transaction(device);
        return;
    }
    if (author->scan && author->scan_steps == 0) {
        end_scan(device);
        return;
    }
    if (author->scan) author->scan_steps--;
    bool may_scan = author->located && !author->scan && model_scans_free(author) &&
                    author->scans_spoiled < SPOILED_MAX && !device_ails(device);
    if (may_scan && rng_chance(&author->rng, plan->scans))
        begin_scan(device);
    else
        submit_transaction(device);
}

void author_turn(struct device *device) {
    struct author *author = &device->author;
    if (device->world->now_us < author_due_us(device)) return;
    author->next_us = next_step_us(device);
    if (!author_poll(device)) return;
    bool waiting = author->pending_count > 0 && !author->located;
    if (author->pending_count < PENDING_MAX && !waiting) take_step(device);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool applies_locations(const struct step *step) {
    return step->kind == STEP_TX && step->op_count == LOCATIONS && step->op[0].row == 0;
}

static bool answered(struct device *device, const struct step *step, enum weft_status status,
                     const char *why) {
    struct author *author = &device->author;
    world_note(device->world, device, "answered", step->ticket, (uint64_t)-status);
    const bool ailing = status == WEFT_DISK_FULL || status == WEFT_IO || status == WEFT_NO_MEMORY;
    if (ailing && step->may_fail) {
        spoil_scan(author);
        model_fail(&author->model, step);
        for (uint32_t s = 0; s < MODEL_SCANS; s++)
            if (step->kind == STEP_SCAN_END && author->model.scan[s].id == step->scan)
                author->model.scan[s].id = 0;
        return true;
    }
    if (!step->judged && step->shared_count > 0 && status == WEFT_OK)
        return world_fail(device->world,
                          "device %u: ticket %llu was answered before it was written",
                          device->number, (unsigned long long)step->ticket);
    /* Own rows are written first, so what is wrong with them is the answer. */
    struct model after = author->model;
    enum weft_status wanted = model_apply(&after, step);
    if (step->shared_count > 0 && step->judged && wanted == WEFT_OK && status != WEFT_OK)
        return true;
    if (step->shared_count > 0 && status == WEFT_CORRUPT && wanted == WEFT_OK &&
        byzantine_forked(device->world, device->number))
        return true; /* It has come to hear of its own fork. */
    author->model = after;
    if (wanted != status)
        return world_fail(device->world, "device %u: ticket %llu was answered %s (%s), not %s",
                          device->number, (unsigned long long)step->ticket,
                          weft_status_name(status), why, weft_status_name(wanted));
    if (applies_locations(step)) author->located = true;
    return true;
}

bool author_poll(struct device *device) {
    struct author *author = &device->author;
    while (device->engine && !device_dead(device) && author->pending_count > 0) {
        const struct step *step = &author->pending[0];
        struct weft_error why = {0};
        device_works(device, true);
        enum weft_status status = weft_wait(device->engine, step->ticket, WEFT_DURABLE, 0, 0, &why);
        device_works(device, false);
        if (status == WEFT_TIMEOUT) break;
        if (!answered(device, step, status, why.text)) return false;
        author->pending_count--;
        memmove(&author->pending[0], &author->pending[1],
                author->pending_count * sizeof author->pending[0]);
    }
    return true;
}

void author_order(struct device *device, uint64_t ticket) {
    struct author *author = &device->author;
    CHECK(author->order_count < ORDERS_MAX);
    author->orders[author->order_count++] = ticket;
}

/* Every ticket is answered once. */
static bool note_told(struct device *device, uint64_t ticket) {
    struct author *author = &device->author;
    for (uint32_t i = 0; i < author->order_count; i++) {
        if (author->orders[i] != ticket) continue;
        author->orders[i] = 0;
        return true;
    }
    for (uint32_t i = 0; i < author->pending_count; i++) {
        if (author->pending[i].ticket != ticket) continue;
        bool again = author->pending[i].told;
        author->pending[i].told = true;
        if (!again) return true;
    }
    if (device->world->was_damaged) return true; /* Of weft_verify_wait(). */
    return world_fail(device->world, "device %u: ticket %llu was answered twice", device->number,
                      (unsigned long long)ticket);
}

void author_observe(struct device *device, const Weft__Answered *told) {
    struct author *author = &device->author;
    for (size_t i = 0; i < told->n_outcomes; i++) {
        const Weft__Outcome *outcome = told->outcomes[i];
        if (!note_told(device, outcome->ticket)) return;
        if (outcome->status != WEFT_OK) continue;
        if (outcome->n_versions == 0 && outcome->shared_seq == 0) continue;
        author->last_ticket = outcome->ticket;
        author->last_shared = outcome->shared_seq;
        memset(author->last_version, 0, sizeof author->last_version);
        for (size_t v = 0; v < outcome->n_versions; v++)
            for (uint32_t t = 0; t < TABLE_COUNT; t++)
                if (device->model_id[t] == (int)outcome->models[v])
                    author->last_version[t] = outcome->versions[v];
    }
}

void author_ails(struct device *device) {
    struct author *author = &device->author;
    for (uint32_t i = 0; i < author->pending_count; i++)
        author->pending[i].may_fail = true;
    spoil_scan(author);
}

/* ---- what the disk says ---------------------------------------------------------------------- */

/* Whether the pending steps in `mask` can be those that were written. */
static bool mask_possible(const struct device *device, uint32_t mask) {
    const struct author *author = &device->author;
    bool end = false;
    for (uint32_t i = 0; i < author->pending_count; i++) {
        const struct step *step = &author->pending[i];
        bool written = (mask >> i & 1) != 0;
        if (written && end) return false;
        if (step->shared_count > 0 && step->judged && written != (step->answer == WEFT_OK))
            return false;
        if (step->recorded && !written) return false;
        /* What others wrote may have had the engine refuse it. */
        if (!written && !step->may_fail && step->shared_count == 0) {
            if (device->closed_well) return false;
            end = true;
        }
    }
    return true;
}

static bool model_is(const struct model *model, const uint64_t digest[ROWS]) {
    for (uint32_t row = 0; row < ROWS; row++)
        if (model_digest(model, row) != digest[row]) return false;
    return true;
}

/* Looks for written steps that give `digest`, most of them first; leaves them applied in `out`. */
static bool explain(const struct device *device, const uint64_t digest[ROWS], struct model *out,
                    bool *located) {
    const struct author *author = &device->author;
    for (uint32_t mask = 1u << author->pending_count; mask-- > 0;) {
        if (!mask_possible(device, mask)) continue;
        *out = author->model;
        *located = author->located;
        for (uint32_t i = 0; i < author->pending_count; i++) {
            if (!(mask >> i & 1)) continue;
            enum weft_status status = model_apply(out, &author->pending[i]);
            if (status == WEFT_OK && applies_locations(&author->pending[i])) *located = true;
        }
        if (model_is(out, digest)) return true;
    }
    return false;
}

static bool cannot_explain(struct device *device, const uint64_t digest[ROWS]) {
    const struct author *author = &device->author;
    for (uint32_t row = 0; row < ROWS; row++) {
        uint64_t wanted = model_digest(&author->model, row);
        if (wanted == digest[row]) continue;
        return world_fail(device->world,
                          "device %u: own rows are not what the answered transactions, and a first "
                          "part of the %u pending, made them; first difference in table %s, row "
                          "%u: %s",
                          device->number, author->pending_count, table_shapes[table_of(row)].name,
                          row,
                          !digest[row] ? "missing"
                          : wanted     ? "other cells"
                                       : "not deleted");
    }
    return world_fail(device->world,
                      "device %u: own rows lack what weft_close() should have written",
                      device->number);
}

bool author_agrees(struct device *device, const uint64_t digest[ROWS]) {
    struct model model;
    bool located;
    bool well = device->closed_well;
    device->closed_well = false;
    bool agrees = explain(device, digest, &model, &located);
    device->closed_well = well;
    return agrees || cannot_explain(device, digest);
}

void author_restored(struct device *device) {
    struct author *author = &device->author;
    for (uint32_t i = 0; i < author->pending_count; i++)
        CHECK(author->pending[i].op_count == 0 && author->pending[i].kind == STEP_TX);
    author->pending_count = 0;
}

bool author_settle(struct device *device, const uint64_t digest[ROWS]) {
    struct author *author = &device->author;
    struct model model;
    bool located;
    if (!explain(device, digest, &model, &located)) return cannot_explain(device, digest);
    author->model = model;
    author->located = located;
    author->pending_count = 0;
    model_forget_scans(&author->model);
    return true;
}
