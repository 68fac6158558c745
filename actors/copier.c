/* See copier.h. Invariants
 *   1. Every mail goes back to the log, with what became of it.
 *   2. A failed sync ends the engine: what the system failed to write is clean in its cache, and a
 *      second try, also that of closing the file, would seem to succeed. The board tells the log.
 * Not here: when to copy, and what bounds the log's size (log_checkpoint.c). */
#include "actors/copier.h"

#include "engine/base/check.h"
#include "engine/store/checkpoint.h"

struct copier {
    const struct settings *settings;
    sqlite3 *db;
};

static enum weft_status copier_start(void *self, const struct actor_seed *seed,
                                     struct weft_error *why) {
    struct copier *copier = self;
    CHECK(seed != NULL && seed->settings != NULL);
    copier->settings = seed->settings;
    return checkpoint_open(seed->settings->path, seed->settings->vfs, &copier->db, why);
}

static uint64_t time_us(const struct copier *copier) {
    const struct time_port *stopwatch = &copier->settings->stopwatch;
    return stopwatch->now == NULL ? 0 : stopwatch->now(stopwatch->self).mono_us;
}

static void copier_step(void *self, struct instant now, struct mail **in, struct outbox *out) {
    struct copier *copier = self;
    struct weft_error why = {0};
    (void)now;
    if ((*in)->body.body_case != WEFT__MAIL__BODY_CHECKPOINT) return;
    Weft__Checkpoint *checkpoint = (*in)->body.checkpoint;
    const uint64_t begun_us = time_us(copier);
    if (checkpoint_run(copier->db, &checkpoint->pages, &checkpoint->copied, &why) != WEFT_OK) {
        board_set(copier->settings->board->copy_failed, 1);
        outbox_fatal(out, &why);
    }
    checkpoint->took_us = time_us(copier) - begun_us;
    outbox_send(out, ACTOR_LOG, in);
}

static uint64_t copier_due(const void *self) {
    (void)self;
    return DUE_NEVER;
}

static void copier_stop(void *self) {
    struct copier *copier = self;
    checkpoint_close(copier->db);
}

const struct actor_kind copier_actor = {
    .name = "copier",
    .state_size = sizeof(struct copier),
    .emit_max = 1,
    .start = copier_start,
    .step = copier_step,
    .due_us = copier_due,
    .stop = copier_stop,
};
