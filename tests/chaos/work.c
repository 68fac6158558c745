/* What a node of weft_stress does. See work.h. */
#include "tests/chaos/work.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/gauge.h"
#include "tests/chaos/node.h"
#include "tests/chaos/tell.h"
#include "tests/sim/rng.h"

#define WORK_ROWS 500u /* of one transaction */
#define WORK_OPEN 16u  /* transactions not yet known to be durable */
#define WORK_MEMBERS 64u

enum mark_column { MARK_GENERATION = 2, MARK_NOTE };

struct submitted {
    uint64_t ticket;
    uint32_t rows, edits;
};

struct work {
    const struct work_orders *orders;
    weft_engine *engine;
    uint8_t device[16];
    int entry, mark;
    struct rng rng;
    struct gauge gauge;
    uint32_t rows, edits;           /* submitted */
    uint32_t rows_safe, edits_safe; /* ... and durable */
    struct submitted open[WORK_OPEN];
    uint32_t begun, ended; /* open: [ended, begun) */
};

static void must_be_ok(enum weft_status status, const char *what, const struct weft_error *why) {
    if (status == WEFT_OK) return;
    tell_die("%s: %s: %s", what, weft_status_name(status), why != NULL ? why->text : "");
}

static void shared_id(unsigned number, uint8_t id[16]) {
    memset(id, 0, 16);
    id[0] = 2;
    id[15] = (uint8_t)number;
}

enum weft_status work_seed_rows(weft_tx *tx, weft_engine *engine) {
    enum weft_status status = WEFT_OK;
    for (unsigned i = 0; i < WORK_SHARED && status == WEFT_OK; i++) {
        uint8_t id[16];
        shared_id(i, id);
        const struct weft_value row[] = {weft_blob(id, 16), weft_null(), weft_integer(0),
                                         weft_null()};
        status = weft_put(tx, weft_model(engine, "mark"), row, 4);
    }
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* How many own rows earlier lives have left. */
static uint32_t rows_left(const struct work *work) {
    sqlite3_stmt *count = NULL;
    sqlite3 *reader = work->gauge.reader;
    if (sqlite3_prepare_v2(reader, "SELECT count(*) FROM entry WHERE device = ?1", -1, &count,
                           NULL) != SQLITE_OK)
        tell_die("%s", sqlite3_errmsg(reader));
    sqlite3_bind_blob(count, 1, work->device, 16, SQLITE_STATIC);
    if (sqlite3_step(count) != SQLITE_ROW) tell_die("%s", sqlite3_errmsg(reader));
    const uint32_t rows = (uint32_t)sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    return rows;
}

struct work *work_open(const struct work_orders *orders, weft_engine *engine) {
    struct weft_error why = {0};
    struct work *work = calloc(1, sizeof *work);
    if (work == NULL) tell_die("no memory");
    work->orders = orders;
    work->engine = engine;
    weft_device(engine, work->device);
    work->entry = weft_model(engine, "entry");
    work->mark = weft_model(engine, "mark");
    if (work->entry < 0 || work->mark < 0) tell_die("there is no table entry or mark");
    rng_seed(&work->rng, orders->seed, orders->number << 32 | orders->edited);
    must_be_ok(gauge_open(&work->gauge, engine, &why), "a reader", &why);
    work->rows = work->rows_safe = rows_left(work);
    work->edits = work->edits_safe = orders->edited;
    return work;
}

void work_close(struct work *work) {
    gauge_close(&work->gauge);
    free(work);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Waits for the oldest open transaction; false if it is not durable by then. */
static bool settle(struct work *work, int timeout_ms) {
    struct submitted *oldest = &work->open[work->ended % WORK_OPEN];
    struct weft_error why = {0};
    const enum weft_status status =
        weft_wait(work->engine, oldest->ticket, WEFT_DURABLE, 0, timeout_ms, &why);
    if (status == WEFT_TIMEOUT && timeout_ms == 0) return false;
    must_be_ok(status, "a write did not keep", &why);
    work->rows_safe += oldest->rows;
    work->edits_safe += oldest->edits;
    work->ended++;
    return true;
}

static weft_tx *begin(struct work *work) {
    weft_tx *tx = NULL;
    if (work->begun - work->ended == WORK_OPEN) settle(work, NODE_PATIENCE_MS);
    must_be_ok(weft_begin_wait(work->engine, NODE_PATIENCE_MS, &tx), "begin", NULL);
    return tx;
}

static void submit(struct work *work, weft_tx *tx, uint32_t rows, uint32_t edits) {
    struct submitted *made = &work->open[work->begun++ % WORK_OPEN];
    *made = (struct submitted){.rows = rows, .edits = edits};
    must_be_ok(weft_commit_wait(tx, NODE_PATIENCE_MS, &made->ticket), "commit", NULL);
    work->rows += rows;
    work->edits += edits;
}

static void index_some(struct work *work) {
    const uint32_t left = work->orders->rows - work->rows,
                   count = left < WORK_ROWS ? left : WORK_ROWS;
    weft_tx *tx = begin(work);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = work->rows + i;
        char name[64];
        uint8_t id[16];
        const int size = snprintf(name, sizeof name, "IMG_%06u.jpg", number);
        weft_id(work->engine, id);
        const struct weft_value row[] = {weft_blob(id, 16), weft_blob(work->device, 16),
                                         weft_integer(number), weft_text(name, (size_t)size)};
        must_be_ok(weft_put(tx, work->entry, row, 4), "put", weft_tx_why(tx));
    }
    submit(work, tx, count, 0);
}

/* One field of one of the rows that all edit. */
static void edit_one(struct work *work) {
    const unsigned number = (unsigned)rng_below(&work->rng, WORK_SHARED);
    const bool notes = rng_chance(&work->rng, 500);
    char note[64];
    uint8_t id[16];
    const int size = snprintf(note, sizeof note, "edit %u of device %llu", work->edits,
                              (unsigned long long)work->orders->number);
    shared_id(number, id);
    const struct weft_value key = weft_blob(id, 16), value = notes ? weft_text(note, (size_t)size)
                                                                   : weft_integer(work->edits);
    weft_tx *tx = begin(work);
    must_be_ok(weft_set(tx, work->mark, &key, 1, notes ? MARK_NOTE : MARK_GENERATION, &value),
               "set", weft_tx_why(tx));
    submit(work, tx, 0, 1);
}

/* How many edits should have been made by now. */
static uint32_t edits_due(const struct work *work) {
    const struct work_orders *orders = work->orders;
    const int64_t passed_ms = tell_now_ms() - orders->begun_ms, all_ms = orders->seconds * 1000ll;
    if (passed_ms >= all_ms) return orders->edits;
    return (uint32_t)((uint64_t)orders->edits * (uint64_t)passed_ms / (uint64_t)all_ms);
}

bool work_turn(struct work *work) {
    const bool indexes = work->rows < work->orders->rows, edits = work->edits < edits_due(work);
    if (indexes) index_some(work);
    if (edits) edit_one(work);
    while (work->ended != work->begun && settle(work, 0))
        continue;
    return indexes || edits;
}

uint64_t work_finish(struct work *work) {
    edit_one(work);
    const uint64_t last = work->open[(work->begun - 1) % WORK_OPEN].ticket;
    while (work->ended != work->begun)
        settle(work, NODE_PATIENCE_MS);
    return last;
}

/* ---- saying ---------------------------------------------------------------------------------- */

static uint32_t greatest_lag_ms(const struct work *work) {
    struct weft_lag lags[WORK_MEMBERS];
    uint64_t most_ms = 0;
    const unsigned count = weft_lags(work->engine, lags, WORK_MEMBERS);
    for (unsigned i = 0; i < count && i < WORK_MEMBERS; i++) {
        if (lags[i].ms > most_ms) most_ms = lags[i].ms;
    }
    return most_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)most_ms;
}

void work_told(struct work *work, bool exact, struct ledger_work *out) {
    struct figures figures;
    struct weft_error why = {0};
    must_be_ok(gauge_read(&work->gauge, exact, &figures, &why), "counting", &why);
    *out = (struct ledger_work){.written = work->rows_safe,
                                .held = figures.rows,
                                .bytes = figures.bytes_in + figures.bytes_out,
                                .edits = work->edits_safe,
                                .lag_ms = greatest_lag_ms(work),
                                .resident_kib = (uint32_t)figures.memory_kb,
                                .peers = figures.peers};
}
