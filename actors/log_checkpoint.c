/* The log's way with its write-ahead log: when it is copied into the file, and by whom.
 *
 *   pages    0 ──────────────── most ──────────────────────────── LIMIT_CHECKPOINT_TIMES × most
 *            nothing is due      the copier is asked, again and     commits wait: it is copied here
 *                                again; a rest is copied here
 *
 * SQLite begins the log anew only when all of it has been copied, which beside a writer that never
 * pauses it never is: so the copier takes what is much, as often as it is, and the little that was
 * written meanwhile is copied between two commits.
 * Invariants
 *   1. One at a time copies: while the copier has been asked, nothing is copied here.
 *   2. So the log has at most LIMIT_CHECKPOINT_TIMES × most pages, and what is written while the
 *      copier is at work; but for readers that stay in one transaction. */
#include "actors/log_private.h"

/* Copied here: this part of `most`, in some milliseconds. */
#define CHECKPOINT_REST 16u

static void copy_here(struct log *log) {
    uint64_t took_us = 0;
    writer_checkpoint(log->writer, &log->copied_pages, &took_us);
    histogram_observe(&log->board->checkpoint_us, took_us);
}

void log_checkpoint(struct log *log, struct outbox *out) {
    const uint32_t pages = writer_spans(log->writer).log_pages;
    const uint32_t most = log->settings->checkpoint_pages;
    CHECK(!log->open);
    if (pages < log->copied_pages) log->copied_pages = 0; /* It has begun anew. */
    if (pages < most || log->copying) return;
    if (pages - log->copied_pages <= most / CHECKPOINT_REST ||
        pages / LIMIT_CHECKPOINT_TIMES >= most) {
        outbox_wake(out); /* Who waits for this commit need not wait for that. */
        copy_here(log);
        return;
    }
    struct mail *mail = outbox_mail(out, WEFT__MAIL__BODY_CHECKPOINT, NULL);
    log->copying = true;
    outbox_send(out, ACTOR_COPIER, &mail);
}

void log_checkpointed(struct log *log, const Weft__Checkpoint *checkpoint) {
    CHECK(log->copying && checkpoint->copied <= checkpoint->pages);
    log->copying = false;
    log->copied_pages = checkpoint->copied;
    histogram_observe(&log->board->checkpoint_us, checkpoint->took_us);
}
