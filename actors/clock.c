/* See clock.h. Invariants
 *   1. Mails leave in the order in which they came, so versions increase along the way to the log.
 *   2. Every row of a commit has its own stamp: first, first + 1, ...; the runs of a commit, in
 *      their order, share the range out.
 *   3. What a remote's clock says moves ours only within LIMIT_CLOCK_AHEAD_MS.
 * Not here: persisting the clock. The log writes the greatest stamp with the commit that used it.
 */
#include "actors/clock.h"

#include "engine/base/check.h"
#include "engine/crdt/hlc.h"
#include "engine/wire/rows.h"

struct clock {
    struct hlc hlc;
    uint64_t stored; /* the mark of the last commit before this start */
    bool running;    /* the wall clock has been seen once */
};

static enum weft_status clock_start(void *self, const struct actor_seed *seed,
                                    struct weft_error *why) {
    struct clock *clock = self;
    CHECK(seed != NULL && seed->settings != NULL);
    (void)why;
    clock->stored = seed->settings->clock_stored;
    return WEFT_OK;
}

static void stamp_commit(struct clock *clock, struct instant now, Weft__Commit *commit) {
    CHECK(commit->count > 0);
    commit->first = hlc_tick(&clock->hlc, now.wall_ms, commit->count);
    uint64_t stamp = commit->first;
    for (size_t run = 0; run < commit->n_rows; run++) {
        Weft__Rows *rows = commit->rows[run];
        for (uint32_t row = 0; row < rows->count; row++) {
            rows_version_set(rows, row, stamp++);
        }
    }
    CHECK(stamp == commit->first + commit->count);
}

static void clock_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct clock *clock = self;
    Weft__Mail *body = &(*in)->body;
    if (!clock->running) {
        hlc_start(&clock->hlc, clock->stored, now.wall_ms);
        clock->running = true;
    }
    switch (body->body_case) {
    case WEFT__MAIL__BODY_COMMIT:
        stamp_commit(clock, now, body->commit);
        break;
    case WEFT__MAIL__BODY_SCAN:
        body->scan->first =
            hlc_tick(&clock->hlc, now.wall_ms, body->scan->end ? LIMIT_SCAN_RANGE : 1u);
        break;
    case WEFT__MAIL__BODY_INCOMING:
        /* The verdict does not matter here: an owner's versions order its own rows only. */
        (void)hlc_observe(&clock->hlc, now.wall_ms, body->incoming->rows->upto);
        break;
    case WEFT__MAIL__BODY_GOVERN:
        body->govern->hlc = hlc_tick(&clock->hlc, now.wall_ms, 1);
        break;
    case WEFT__MAIL__BODY_RECORDS:
        (void)hlc_observe(&clock->hlc, now.wall_ms, body->records->hlc);
        body->records->stamp = hlc_tick(&clock->hlc, now.wall_ms, 1);
        break;
    case WEFT__MAIL__BODY_SURVEY:
        body->survey->stamp = hlc_tick(&clock->hlc, now.wall_ms, 1);
        break;
    case WEFT__MAIL__BODY_CONTACT:
    case WEFT__MAIL__BODY_SESSION:
    case WEFT__MAIL__BODY_SUBSCRIBE:
    case WEFT__MAIL__BODY_RECOUNT:
    case WEFT__MAIL__BODY_SYNC:
    case WEFT__MAIL__BODY_STOP:
        break;
    default:
        return;
    }
    outbox_send(out, ACTOR_LOG, in);
}

static uint64_t clock_due(const void *self) {
    (void)self;
    return DUE_NEVER;
}

const struct actor_kind clock_actor = {
    .name = "clock",
    .state_size = sizeof(struct clock),
    .emit_max = 1,
    .start = clock_start,
    .step = clock_step,
    .due_us = clock_due,
    .stop = NULL,
};
