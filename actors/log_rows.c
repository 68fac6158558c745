/* The log's way with shared rows: what this device's host writes becomes a record, and what records
 * say becomes rows.
 *
 *   transaction ─► runs of shared tables ─► written, each row with its stamp ─► CHANGE ops
 *                                                        └─► one record, signed, in the same commit
 *   record of another ─► CHANGE ops ─┬─► merged into rows
 *                                    └─ stamped too far ahead ─► quarantine ──its time──► merged
 *
 * Invariants
 *   1. Rows, their stamps and the record that says so are in one transaction.
 *   2. A record is applied once, after all that it depends on, or waits in the quarantine; both are
 *      known durably. It is applied only when this device's clock has passed its stamp, so what its
 *      host writes to a row that it was shown is later.
 *   3. What is committed of the shared log in memory follows the disk: a group that is rolled back
 *      takes its records back as well. */
#include "actors/log_private.h"

#include "engine/crdt/hlc.h"
#include "engine/store/quarantine.h"
#include "engine/store/shared_row.h"

/* ---- this host's ---- */

static void add_tally(struct log *log, const struct shared_row_tally *tally) {
    log->own.written += tally->written;
    log->own.unchanged += tally->unchanged;
    board_add(log->board->fields_beaten, tally->beaten);
}

static enum weft_status check_member(const struct log *log, struct weft_error *why) {
    if (roster_has(&log->roster, &log->settings->device)) return WEFT_OK;
    return status_fail(why, WEFT_DENIED, 0,
                       "this device is not a member of the library (yet, or any more), so it "
                       "cannot write what all members share");
}

enum weft_status log_write_shared(struct log *log, Weft__Commit *commit, struct arena *arena,
                                  struct weft_error *why) {
    const struct record_origin self = {log->settings->device, log->settings->incarnation};
    const uint64_t hlc = commit->first + commit->count - 1;
    struct record_ops ops;
    struct bytes bytes = {0};
    uint32_t origin = 0, said = 0;
    enum weft_status status = check_member(log, why);
    if (status == WEFT_OK) status = shared_origin(log->writer, &self, &origin, why);
    record_ops_begin(&ops, arena);
    for (size_t r = 0; r < commit->n_rows && status == WEFT_OK; r++) {
        Weft__Rows *rows = commit->rows[r];
        struct shared_row_tally tally = {0};
        struct bytes change = {0};
        if (models_get(log->settings->models, rows->model)->kind != MODEL_SHARED) continue;
        status = shared_row_write(log->writer, rows, hlc, origin, arena, &change, &tally, why);
        add_tally(log, &tally);
        if (status != WEFT_OK || change.size == 0) continue;
        record_ops_change(&ops, change);
        said++;
    }
    if (status != WEFT_OK || said == 0) return status;
    status = record_ops_end(&ops, &bytes);
    if (status != WEFT_OK) {
        return status_fail(why, status, 0,
                           "the shared rows of one transaction take more than the %u bytes that a "
                           "record may have; commit them in several",
                           LIMIT_RECORD);
    }
    status = log_append_own(log, bytes, hlc, arena, why);
    if (status == WEFT_OK) commit->shared_seq = log_head(log, &self)->seq;
    return status;
}

/* ---- records of others ---- */

void log_add_remote(struct log *log, const struct shared_row_tally *tally) {
    log->remote.written += tally->written;
    log->remote.parked += tally->parked;
    log->changed_models |= tally->models;
    board_add(log->board->fields_beaten, tally->beaten);
}

static enum weft_status apply_ops(struct log *log, const struct record *record,
                                  struct weft_error *why) {
    struct shared_row_tally tally = {0};
    struct record_op op;
    uint32_t origin = 0;
    enum weft_status status = shared_origin(log->writer, &record->origin, &origin, why);
    log_hooks_author(log, 0, &record->origin.device);
    for (size_t at = 0; status == WEFT_OK && record_next(record, &at, &op);) {
        /* What has not the form it should is passed over, by everybody alike. */
        if (op.kind != RECORD_OP_CHANGE || !change_sound(op.body, record->hlc)) continue;
        status = shared_row_apply(log->writer, op.body, record->hlc, origin, &record->origin.device,
                                  &tally, why);
    }
    log_add_remote(log, &tally);
    return status;
}

bool log_stamps_follow(const struct record *record, uint64_t before) {
    struct record_op op;
    if (record->hlc <= before) return false;
    for (size_t at = 0; record_next(record, &at, &op);) {
        struct change_reader reader;
        struct change_row row;
        if (op.kind != RECORD_OP_CHANGE || !change_sound(op.body, record->hlc)) continue;
        change_open(&reader, op.body);
        while (change_next(&reader, &row)) {
            if (row.back >= record->hlc - before) return false;
        }
    }
    return true;
}

static bool has_changes(const struct record *record) {
    struct record_op op;
    for (size_t at = 0; record_next(record, &at, &op);) {
        if (op.kind == RECORD_OP_CHANGE) return true;
    }
    return false;
}

enum weft_status log_apply_rows(struct log *log, struct instant now, const struct record *record,
                                uint64_t place, struct weft_error *why) {
    if (!has_changes(record)) return WEFT_OK;
    const bool believed = hlc_ms(record->hlc) <= now.wall_ms + LIMIT_CLOCK_AHEAD_MS;
    if (believed && record->hlc < log->clock_mark) return apply_ops(log, record, why);
    log->quarantine_due_us = 0; /* To be worked out again. */
    return quarantine_add(log->writer, &record->origin, place, record->hlc, why);
}

/* ---- the quarantine ---- */

/* When the time of the earliest stamp comes, as far as this wall clock tells: it may be set. The
 * clock's word of that comes with the next survey. */
static uint64_t when(struct instant now, uint64_t hlc) {
    if (hlc_ms(hlc) <= now.wall_ms) return now.mono_us + LIMIT_RETRY_US;
    uint64_t wait_ms = hlc_ms(hlc) > now.wall_ms ? hlc_ms(hlc) - now.wall_ms : 0;
    if (wait_ms > LIMIT_CLOCK_AHEAD_MS) wait_ms = LIMIT_CLOCK_AHEAD_MS;
    return now.mono_us + wait_ms * 1000u + 1;
}

static enum weft_status release_some(struct log *log, struct instant now, uint64_t *next,
                                     struct weft_error *why) {
    struct arena arena;
    enum weft_status status = WEFT_OK;
    /* Stamps whose time has come, and that this device's clock has passed, so that what its host
     * writes from now on is later also if the wall clock is set back. */
    uint64_t upto = hlc_pack(now.wall_ms, 0);
    if (log->clock_mark < upto) upto = log->clock_mark;
    *next = 0;
    arena_init(&arena, log->pool);
    while (arena.bytes < LIMIT_SHIPMENT && status == WEFT_OK) {
        struct quarantined entry;
        bool found = false;
        struct record record;
        status = quarantine_next(log->writer, &arena, &found, &entry, why);
        *next = found ? entry.hlc : 0;
        if (status != WEFT_OK || !found || entry.hlc >= upto) break;
        status = record_read(&log->settings->library, entry.record, &record, why);
        if (status == WEFT_OK) status = apply_ops(log, &record, why);
        if (status == WEFT_OK) status = quarantine_drop(log->writer, entry.place, why);
        if (log->clock_mark > log->group_stamp) log->group_stamp = log->clock_mark;
    }
    arena_drop(&arena);
    return status;
}

void log_release(struct log *log, struct instant now, struct outbox *out) {
    struct weft_error why = {0};
    uint64_t next = 0;
    (void)log_flush(log, now, out);
    enum weft_status status = log_begin(log, &why);
    if (status == WEFT_OK) {
        status = release_some(log, now, &next, &why);
        status = log_settle_shared(log, now, status, &why, out);
    }
    if (status != WEFT_OK) {
        log->quarantine_due_us = now.mono_us + LIMIT_RETRY_US;
    } else {
        log->quarantine_due_us = next == 0 ? DUE_NEVER : when(now, next);
        /* Others are to know that all is applied. */
        log->horizon_moved = log->horizon_moved || next == 0;
        if (log->horizon_moved) log_tell_place(log, out);
    }
}

enum weft_status log_load_rows(struct log *log, struct weft_error *why) {
    struct shared_row_tally tally = {0};
    struct quarantined entry;
    struct arena arena;
    bool found = false;
    arena_init(&arena, log->pool);
    enum weft_status status = shared_row_retry(log->writer, &tally, why);
    if (status == WEFT_OK) status = quarantine_next(log->writer, &arena, &found, &entry, why);
    log->quarantine_due_us = found ? 0 : DUE_NEVER;
    arena_drop(&arena);
    return status;
}
