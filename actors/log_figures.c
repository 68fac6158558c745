/* What the log measures: how long commits and their parts take, and how far members are behind.
 *
 *      target taken      first commit after it               it holds the target
 *   ───────┬──────────────────┬──────────────────────────────────────┬───────────► time
 *          └─ taken_us        └─ next_us                             └─ replicated: since taken_us
 *                                                                       next target; since next_us
 *
 * Of each member that lacks something, what this device had written at a moment is remembered, and
 * looked for in what the member says. So the age of what it lacks is known without a list of all
 * commits: it is never told too small, and at most twice what it is.
 * Invariants
 *   1. Nothing is decided by what is here; without a stopwatch all durations are 0.
 *   2. A member with `behind` lacks something of its target. */
#include "actors/log_private.h"

/* A write to the disk that takes so long is told. */
#define LOG_SLOW_US 1000000u
#include "engine/crdt/hlc.h"
#include "engine/store/models.h"

static uint64_t time_us(const struct log *log) {
    const struct time_port *stopwatch = &log->settings->stopwatch;
    return stopwatch->now == NULL ? 0 : stopwatch->now(stopwatch->self).mono_us;
}

/* ---- lags ---- */

static bool lacks(const struct log *log, uint32_t m, const uint64_t target[LIMIT_MODELS],
                  uint64_t shared) {
    bool lacking = board_get(log->board->shared[m]) < shared;
    const uint64_t skips = board_get(log->board->skips[m]);
    for (uint32_t i = 0; i < log->settings->models->count && !lacking; i++)
        lacking = (skips >> i & 1) == 0 && board_get(log->board->position[m][i]) < target[i];
    return lacking;
}

/* Looks whether a member lacks anything; of which the oldest was committed at `since_us`. */
static void take_target(struct log *log, struct instant now, uint32_t m, uint64_t since_us) {
    struct log_lag *lag = &log->lags[m];
    struct board_lag *shown = &log->board->lag[m];
    lag->next_us = 0;
    lag->behind = lacks(log, m, log->own_versions, log->own_shared);
    if (lag->behind) {
        lag->since_us = since_us;
        lag->taken_us = now.mono_us;
        lag->rows = log->own_rows;
        lag->shared = log->own_shared;
        memcpy(lag->target, log->own_versions, sizeof lag->target);
    } else {
        board_set(shown->rows, log->own_rows);
        board_set(shown->known, 1);
    }
    board_set(shown->since_us, lag->behind ? lag->since_us : 0);
}

void log_figures_held(struct log *log, struct instant now, const struct member *member) {
    const uint32_t m = (uint32_t)(member - log->members);
    CHECK(m < log->member_count);
    struct log_lag *lag = &log->lags[m];
    if (!lag->behind || lacks(log, m, lag->target, lag->shared)) return;
    CHECK(now.mono_us >= lag->taken_us);
    histogram_observe(&log->board->replicate_us, now.mono_us - lag->taken_us);
    board_set(log->board->lag[m].rows, lag->rows);
    board_set(log->board->lag[m].known, 1);
    take_target(log, now, m, lag->next_us != 0 ? lag->next_us : now.mono_us);
}

/* A commit of rows of this device, `wrote`, or of others: members may have come. */
static void follow_members(struct log *log, struct instant now, bool wrote) {
    for (uint32_t m = 0; m < log->member_count; m++) {
        struct log_lag *lag = &log->lags[m];
        if (log->members[m].state != BOARD_MEMBER) continue;
        if (lag->behind) {
            if (wrote && lag->next_us == 0) lag->next_us = now.mono_us;
        } else {
            take_target(log, now, m, now.mono_us);
        }
    }
}

/* ---- commits ---- */

/* Numbers of the shared log, which change seldom. */
static void count_records(struct log *log) {
    uint64_t records = 0;
    for (uint32_t i = 0; i < log->head_count; i++) {
        const struct shared_head *head = &log->heads[i];
        if (head->seq > head->pruned) records += head->seq - head->pruned;
        if (head->origin.incarnation == log->settings->incarnation &&
            id_equal(&head->origin.device, &log->settings->device)) {
            log->own_shared = head->seq;
        }
    }
    board_set(log->board->log_records, records);
    board_set(log->board->shared_written, log->own_shared);
}

static void time_group(struct log *log, struct instant now) {
    const uint64_t us = time_us(log);
    for (uint32_t i = 0; i < log->group_count; i++) {
        const Weft__Mail *body = &log->group[i]->body;
        if (body->body_case == WEFT__MAIL__BODY_COMMIT) {
            const Weft__Commit *commit = body->commit;
            if (commit->submitted_us == 0) continue;
            const uint64_t submitted = commit->submitted_us;
            histogram_observe(&log->board->ticket_us, us > submitted ? us - submitted : 0);
        } else {
            const uint64_t ms = hlc_ms(body->incoming->rows->upto);
            const uint64_t age = now.wall_ms > ms ? now.wall_ms - ms : 0;
            histogram_observe(&log->board->arrive_us, age * 1000);
        }
    }
}

void log_figures_begin(struct log *log, struct instant now) {
    const struct models *models = log->settings->models;
    for (uint32_t i = 0; i < models->count; i++) {
        const struct stream stream = {log->settings->device, i + 1};
        log->own_versions[i] = vector_get(&log->positions, &stream);
    }
    count_records(log);
    follow_members(log, now, false);
}

void log_figures_committed(struct log *log, struct instant now, enum weft_status status) {
    struct board *board = log->board;
    board_set(board->commit_status, status);
    if (status != WEFT_OK) {
        (void)board_add(board->groups_failed, 1);
        return;
    }
    const struct writer_spans spans = writer_spans(log->writer);
    histogram_observe(&board->commit_us, spans.commit_us);
    histogram_observe(&board->sync_us, spans.sync_us);
    board_set(board->log_pages, spans.log_pages);
    time_group(log, now);
    const uint64_t written = log->own_rows, shared = log->own_shared;
    for (uint32_t i = 0; i < log->moved.count; i++) {
        const struct vector_entry *entry = &log->moved.entries[i];
        if (!id_equal(&entry->stream.owner, &log->settings->device)) continue;
        log->own_versions[entry->stream.model - 1] = entry->position;
    }
    log->own_rows += log->own.written;
    board_set(board->rows_written, log->own_rows);
    if (log->place != log->told_place || log->horizon_moved) count_records(log);
    follow_members(log, now, log->own_rows != written || log->own_shared != shared);
}

/* A disk that is that slow holds up everything. */
void log_figures_slow(const struct log *log, struct outbox *out) {
    const uint64_t took = writer_spans(log->writer).sync_us;
    if (took < LOG_SLOW_US) return;
    outbox_log(out, LOGGED_SLOW, NULL, NULL,
               &(struct logged_field){LOGGED_KEY_TOOK_MS, NULL, took / 1000}, 1);
}
