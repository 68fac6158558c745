/* What the files of the log actor share. */
#ifndef WEFT_ACTORS_LOG_PRIVATE_H
#define WEFT_ACTORS_LOG_PRIVATE_H

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/vector.h"
#include "engine/runtime/actor.h"
#include "engine/store/writer.h"

struct scan; /* an open rescan */

/* A device that is a member, this one not among them. */
struct member {
    struct id device;
    struct vector held;    /* what it says it holds */
    struct vector unsaved; /* the part of `held` that no commit has stored yet */
    bool saved;            /* a commit has stored the member itself */
};

/* A sweep of a stream whose tombstones were forgotten: how far it has come. */
struct sweep {
    struct stream stream;
    uint64_t cursor;
    uint64_t horizon; /* of the batch that began at 0; a greater one makes it begin anew */
};

struct log {
    /* Fixed at start. */
    const struct settings *settings;
    struct board *board;
    struct pool *pool;
    struct writer *writer;

    /* What is committed. */
    struct vector positions;
    struct sweep *sweeps;
    uint32_t sweep_count;

    /* The group: applied, not yet committed. */
    bool open; /* a SQLite transaction is open */
    struct mail *group[LIMIT_GROUP_MAILS];
    uint32_t group_count;
    uint64_t group_rows;
    uint64_t group_stamp; /* greatest stamp of the group */
    struct vector moved;  /* positions the group moves */
    struct writer_tally own, remote;

    /* Members. */
    struct member members[LIMIT_MEMBERS];
    uint32_t member_count;
    uint64_t acks_due_us; /* when unsaved acks are committed on their own */

    struct scan *scans[LIMIT_SCANS];
    bool stopped;
    struct weft_error lost; /* a sync failed: nothing more is written, this step is the last */
};

/* ---- log.c ---- */

/* Opens the SQLite transaction if none is open. */
enum weft_status log_begin(struct log *log, struct weft_error *why);
/* Commits and syncs what is open; answers, and passes on, every mail of the group. On failure all
 * of them are answered with it. */
enum weft_status log_flush(struct log *log, struct instant now, struct outbox *out);
void log_rollback(struct log *log);
/* If what failed was a sync, the step under way is the log's last: nothing more may be written. */
void log_note_lost(struct log *log, const struct weft_error *why);
/* Moves a stream's position with the open group. Errors: WEFT_NO_MEMORY, WEFT_LIMIT. */
enum weft_status log_move(struct log *log, const struct stream *stream, uint64_t position,
                          struct weft_error *why);
/* The stream of a run that names its owner. */
struct stream log_stream(const Weft__Rows *rows);
/* The position of a stream, the open group included. */
uint64_t log_position(const struct log *log, const struct stream *stream);
void log_answer(struct log *log, uint64_t ticket, const struct weft_error *why, struct outbox *out);
/* Tells the host to look again: at the board, or at the door's room. */
void log_tell_host(struct outbox *out);
void log_notice(struct log *log, enum weft_event_kind kind, int model, uint64_t count,
                const struct id *device, const struct weft_error *error, struct outbox *out);

/* ---- log_incoming.c: rows of other devices ---- */

/* Applies a received batch within the group; the mail is moved when it became part of it, or
 * answered to bulk. */
void log_incoming(struct log *log, struct instant now, struct mail **in, struct outbox *out);
/* Writes a received run, that continues its stream, into the open group. */
enum weft_status log_apply_incoming(struct log *log, const Weft__Rows *rows,
                                    struct weft_error *why);
/* Takes out of the open group what a transaction that failed for `cause` left there, and commits
 * the rest. When that fails as well, which it does after a failed sync, the group is answered with
 * that, and so is to be the transaction: `cause` becomes it. Returns cause->status. */
enum weft_status log_save_group(struct log *log, struct instant now, struct weft_error *cause,
                                struct outbox *out);
enum weft_status log_load_sweeps(struct log *log, struct weft_error *why);

/* ---- log_scan.c: rescans ---- */

void log_scan(struct log *log, struct instant now, struct mail **in, struct outbox *out);
/* Notes an own put that changed nothing, for the rescans it belongs to. */
void log_scan_seen(void *context, const struct model *model, const Weft__Rows *rows, uint32_t row);
/* A transaction failed: a rescan of a table that it was to write cannot know any more what has
 * gone, and is given up. */
void log_scan_give_up(struct log *log, const struct mail *mail);
void log_scan_free(struct log *log);

/* ---- log_member.c: members, acknowledgements, and what prune asks ---- */

enum weft_status log_load_members(struct log *log, struct weft_error *why);
void log_acked(struct log *log, struct instant now, const Weft__Acked *acked, struct outbox *out);
/* Writes unsaved acknowledgements within the open transaction. */
enum weft_status log_save_acks(struct log *log, struct weft_error *why);
void log_survey(struct log *log, struct instant now, struct outbox *out);
void log_forget(struct log *log, struct instant now, const Weft__Forget *forget,
                struct outbox *out);
void log_free_members(struct log *log);

#endif
