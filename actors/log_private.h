/* What the files of the log actor share. */
#ifndef WEFT_ACTORS_LOG_PRIVATE_H
#define WEFT_ACTORS_LOG_PRIVATE_H

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/crdt/vector.h"
#include "engine/runtime/actor.h"
#include "engine/store/digest.h"
#include "engine/store/shared.h"
#include "engine/store/shared_row.h"
#include "engine/store/subscription.h"
#include "engine/wire/attest.h"
#include "engine/wire/touched.h"

struct scan; /* an open rescan */
struct log_settling;
struct log_taking;

/* Another device that this one has heard of. What one holds that is no member yet is kept in
 * memory: the roster that makes it one may still be on its way. */
struct member {
    struct id device;
    enum board_member state;
    struct vector held;        /* what it says it holds */
    uint32_t unknown;          /* ... how much of that is of owners who are not in the roster */
    struct vector unsaved;     /* the part of `held` that no commit has stored yet */
    struct vector skips;       /* streams that it leaves out, as it said last */
    uint64_t skips_models;     /* ... models, of all owners; bits by model id - 1 */
    bool rewrite;              /* the file may know more of it than `held` */
    struct shared_ack *shared; /* what it says it holds of the shared log */
    uint32_t shared_count, shared_room;
    uint64_t attested_in; /* incarnation of its last statement that was passed on */
    uint64_t serial;      /* ... and its number */
    uint8_t *said; /* ... and all of it, to be compared with what is held here; may be NULL */
    size_t said_size;
    struct differing *differing; /* where that is not the same */
    uint32_t differing_count;
    uint64_t heard_ms; /* wall time when it was last heard of; 0: it is not known yet */
    uint64_t heard_saved_ms;
};

/* Rows that a member and this device hold as much of, but not the same. */
struct differing {
    struct stream stream; /* of shared rows: without an owner */
    bool shared;
    bool told;       /* the host knows */
    uint32_t tries;  /* repairs begun */
    uint64_t due_us; /* when the next may be */
};

/* What a member holds of an origin. */
struct shared_ack {
    struct record_origin origin;
    uint64_t seq;
    uint64_t applied; /* up to where it has also applied it, as it has said since the start */
    bool saved;
};

/* A sweep of a stream whose tombstones were forgotten: how far it has come. */
struct sweep {
    struct stream stream;
    uint64_t cursor;
    uint64_t horizon; /* of the batch that began at 0; a greater one makes it begin anew */
};

/* What the host's hooks are to be told of the open group: nothing, only what it touches, or which
 * rows. */
enum log_hooks_state { LOG_HOOKS_OFF, LOG_HOOKS_MODELS, LOG_HOOKS_ROWS };

struct log_hooks {
    struct writer_watch watch; /* log_hooks_touched() */
    enum log_hooks_state state;
    struct mail *mail;    /* the Changes of the open group; NULL until a row is written */
    size_t room;          /* entries that it has room for */
    Weft__Changed *entry; /* the last of them, that of the author; NULL until it writes a row */
    struct touched_builder rows;
    size_t packed; /* bytes of rows in the entries before */
    uint64_t models;
    /* Who writes now. */
    uint64_t ticket;
    bool remote;
    struct id author;
    uint64_t told; /* Changes has been sent, with this first serial, and Settled has not; else 0 */
    /* All that was ever sent. */
    uint64_t serial, mails, bytes;
};

#define LOG_STRAYS 8u
struct stray {
    struct id device;
    uint8_t *said;
    size_t size;
};

/* How far one member is behind: what it held at a moment is looked for in what it says later. */
struct log_lag {
    bool behind;       /* it does not hold `target` yet */
    uint64_t since_us; /* the oldest commit that it may lack was made then, */
    uint64_t next_us;  /* ... and the first one after the target was taken; 0: none was */
    uint64_t taken_us; /* the target was, */
    uint64_t rows;     /* ... when so many rows had been written */
    uint64_t shared;   /* the target: a record of this device, */
    uint64_t target[LIMIT_MODELS]; /* ... and a version of each of its models */
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
    struct subscriptions subscriptions;
    struct vector clearing; /* streams that are left out, and of which rows are here still */
    uint64_t clear_due_us;  /* when the next slice of these goes; DUE_NEVER */

    /* The group: applied, not yet committed. */
    bool open; /* a SQLite transaction is open */
    struct mail *group[LIMIT_GROUP_MAILS];
    uint32_t group_count;
    uint64_t group_rows;
    uint64_t group_incoming; /* ... those of other devices */
    uint64_t group_stamp;    /* greatest stamp of the group */
    struct vector moved;     /* positions the group moves */
    struct writer_tally own, remote;

    /* Members. */
    struct member members[LIMIT_ROSTER];
    uint32_t member_count;
    struct stray strays[LOG_STRAYS]; /* statements of devices that are no members here (yet) */
    uint32_t stray_count;
    uint64_t stray_roster;      /* its version when the last of them came */
    uint64_t attest_due_us;     /* when this device says what it holds; DUE_NEVER: that is said */
    uint64_t serial;            /* of its last statement */
    uint64_t serial_next;       /* ... after the first commit of this life */
    bool serial_drawn;          /* that has been */
    struct digest_list digests; /* as committed, by owner and model, if */
    bool digests_read;          /* ... */
    uint64_t repair_due_us;     /* when rows that differ may be swept again; DUE_NEVER */
    uint64_t acks_due_us;       /* when unsaved acks are committed on their own */
    uint64_t contacts_due_us;   /* the same of what is known of other devices */
    struct mail *contacts[LIMIT_CONTACTS + 1];    /* by number: not written yet; NULL */
    struct mail *sessions[LIMIT_HISTORY_UNSAVED]; /* that have ended, likewise */
    uint32_t session_count;

    /* The shared log. */
    struct roster roster;
    struct shared_head *heads; /* LIMIT_ORIGINS of them, as they came */
    uint32_t *head_order;      /* their places, in order of origins */
    uint32_t head_count;
    uint64_t place;              /* of the newest record */
    uint64_t told_place;         /* ... of which share knows */
    bool reload_due;             /* roster and heads are not those of the disk */
    uint64_t clock_mark;         /* a stamp that this device's clock has passed */
    uint64_t quarantine_due_us;  /* when the next record's time comes; 0: to be worked out */
    uint64_t changed_models;     /* by records of others in this commit; bits by model id - 1 */
    struct shared_head own_head; /* as committed, should a group be rolled back */
    uint64_t own_place;
    uint32_t own_heads;
    bool marked;               /* the three above are of the open group */
    bool horizon_moved;        /* share is to know */
    struct log_taking *taking; /* a snapshot that is being taken; NULL: none */
    struct log_settling *settling;
    uint64_t started_ms;    /* wall time of the first step, or as set back since; 0: before */
    uint64_t roster_wanted; /* the listener waits for a newer version than this; DUE_NEVER: no */

    /* For figures. */
    uint64_t
        own_versions[LIMIT_MODELS];    /* the last version committed of each model of this device */
    uint64_t own_shared;               /* ... and record */
    uint64_t own_rows;                 /* rows committed since the start */
    struct log_lag lags[LIMIT_ROSTER]; /* as `members` */

    struct log_hooks hooks;
    bool copying;          /* the copier has been asked */
    uint32_t copied_pages; /* of the write-ahead log, as it has grown since it was begun */
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
/* Whether a stream is being swept. */
bool log_sweeps(const struct log *log, const struct stream *stream);
/* No sweep of it is under way any more. */
void log_sweep_drop(struct log *log, const struct stream *stream);
/* Begins to sweep a stream of another owner that is held, unless that is under way: what differs of
 * it, or all. */
/* Names in a Repair those members that say of the stream what its owner says. */
void log_agreeing(const struct log *log, const struct stream *stream,
                  const struct attest_place *said, struct mail *mail);
enum weft_status log_sweep_again(struct log *log, struct instant now, const struct stream *stream,
                                 const struct attest_place *said, bool whole, struct outbox *out);

/* ---- log_scan.c: rescans ---- */

void log_scan(struct log *log, struct instant now, struct mail **in, struct outbox *out);
/* Notes an own put that changed nothing, for the rescans it belongs to. */
void log_scan_seen(void *context, const struct model *model, const Weft__Rows *rows, uint32_t row);
/* A transaction failed: a rescan of a table that it was to write cannot know any more what has
 * gone, and is given up. */
void log_scan_give_up(struct log *log, const struct mail *mail);
void log_scan_free(struct log *log);

/* ---- log_checkpoint.c: copying the write-ahead log ---- */

/* After a commit: sees to it that the log is copied. */
void log_checkpoint(struct log *log, struct outbox *out);
/* The copier is done. */
void log_checkpointed(struct log *log, const Weft__Checkpoint *checkpoint);

/* ---- log_member.c: members, acknowledgements ---- */

enum weft_status log_load_members(struct log *log, struct weft_error *why);
void log_acked(struct log *log, struct instant now, const Weft__Acked *acked, struct outbox *out);
/* Raises what a member is known to hold of a stream; whether that was news. */
bool log_holds(struct log *log, struct member *member, const struct stream *stream,
               uint64_t position);
/* Writes unsaved acknowledgements within the open transaction. */
enum weft_status log_save_acks(struct log *log, struct weft_error *why);
void log_free_members(struct log *log);
/* The roster has changed: members are who it says. `tell`: the host hears of new ones. */
void log_follow_roster(struct log *log, struct instant now, struct outbox *tell);
/* The entry of a device heard of; NULL when there is none. */
struct member *log_member(struct log *log, const struct id *device);
/* Whether rows of an owner may exist: it is in the roster. What is said of others is remembered and
 * no more, or a member that lies could have every commit store what it makes up. */
bool log_may_own(const struct log *log, const struct id *owner);
/* Something came of a member, by whatever way. */
void log_heard(struct log *log, struct instant now, struct member *member);
/* Acknowledgements are to be stored with the next commit, or by one of their own a little later. */
void log_acks_wait(struct log *log, struct instant now);

/* ---- log_prune.c: what prune asks, and forgets ---- */

enum weft_status log_prune_start(struct log *log, struct weft_error *why);
void log_prune_free(struct log *log);
void log_survey(struct log *log, struct instant now, struct outbox *out);
void log_forget(struct log *log, struct instant now, const Weft__Forget *forget,
                struct outbox *out);
/* Whether a member has not been heard of for so long that nothing is to wait for it any more. */
bool log_silent(const struct log *log, struct instant now, uint32_t m);

/* ---- log_snapshot.c: taking a snapshot ---- */

enum weft_status log_load_taking(struct log *log, struct weft_error *why);
void log_free_taking(struct log *log);
/* Deals with a slice of a chunk, and sends the mail back. */
void log_chunk(struct log *log, struct instant now, struct mail **in, struct outbox *out);
/* Looks whether a snapshot has become whole by what the open transaction appends; log_settled() is
 * called when that is committed. */
enum weft_status log_follow_snapshot(struct log *log, struct weft_error *why);
/* How many records are missing until it is whole, with the open transaction; 0 while it is read. */
uint64_t log_snapshot_missing(const struct log *log);
/* What the open transaction said of a snapshot is committed, or rolled back. */
void log_settled_snapshot(struct log *log, bool committed);

/* ---- log_shared.c: records of the shared log, and what they say about members ---- */

enum weft_status log_load_shared(struct log *log, struct weft_error *why);
void log_records(struct log *log, struct instant now, struct mail **in, struct outbox *out);
void log_govern(struct log *log, struct instant now, const Weft__Govern *govern,
                struct outbox *out);
void log_roster_wanted(struct log *log, const Weft__RosterWanted *wanted, struct outbox *out);
void log_shared_acked(struct log *log, struct instant now, const Weft__SharedAcked *acked,
                      struct outbox *out);
void log_free_shared(struct log *log);
/* Tells share that the log has grown, if it has, and the host which shared tables have changed. */
void log_tell_place(struct log *log, struct outbox *out);
/* Raises what a member says it holds of an origin of the shared log; whether that was news. */
bool log_holds_shared(struct log *log, struct member *member, const struct record_origin *origin,
                      uint64_t seq);
/* Writes what members say they hold of the shared log and no commit has stored yet. */
enum weft_status log_save_shared_acks(struct log *log, struct member *member,
                                      struct weft_error *why);
/* Makes memory what the disk says, if a rollback may have left it otherwise. */
enum weft_status log_reload_shared(struct log *log, struct weft_error *why);

/* Commits what a change of the shared log wrote, and tells of it: the share actor, the listener,
 * members. On failure memory is what the disk says again. */
enum weft_status log_settle_shared(struct log *log, struct instant now, enum weft_status status,
                                   struct weft_error *why, struct outbox *out);
/* Appends a record and applies it. */
enum weft_status log_append_record(struct log *log, const struct record *record, struct bytes bytes,
                                   struct weft_error *why);

/* Applies what a record says of members, and stores it. */
enum weft_status log_apply_members(struct log *log, const struct record *record,
                                   struct weft_error *why);

/* ---- log_sync.c ---- */

/* All that was committed before is on its way to bulk and share: what they know of is all that this
 * device holds. */
void log_sync(struct log *log, struct instant now, struct mail **in, struct outbox *out);

/* ---- log_held.c: what is held of each origin ---- */

/* Makes room for the heads; false: there is no memory. */
bool log_heads_new(struct log *log);
void log_heads_free(struct log *log);
/* What is held of an origin; NULL: nothing. */
struct shared_head *log_head(const struct log *log, const struct record_origin *origin);
/* Whether an origin's device has not as many incarnations as it may have. */
bool log_origin_fits(const struct log *log, const struct record_origin *origin);
/* A new origin's head; NULL when there may be no more. */
struct shared_head *log_add_head(struct log *log, const struct record_origin *origin);
/* The first `count` heads stay. */
void log_cut_heads(struct log *log, uint32_t count);
/* Remembers the heads as they are committed, and puts them back after a rollback: of a group only
 * this device's own has moved. */
void log_mark_heads(struct log *log);
void log_restore_heads(struct log *log);
/* Its number in what a member says it holds. */
uint64_t log_acked_seq(const struct member *member, const struct record_origin *origin);
/* A member has said that nothing of what it holds waits: it has applied that much. */
void log_applies_shared(struct member *member, const struct record_origin *origin, uint64_t seq);
uint64_t log_applied_seq(const struct member *member, const struct record_origin *origin);
/* Raises what a member holds of an origin, which is `saved` or not; whether that was news. */
bool log_raise_ack(struct member *member, const struct record_origin *origin, uint64_t seq,
                   bool saved);

/* ---- log_attest.c: statements of what devices hold ---- */

/* What is held is to be said, a little later, though it may have been said before. */
void log_attest_again(struct log *log, struct instant now);
/* The same if something is held that was not before. */
void log_attest_wait(struct log *log, struct instant now);
/* Says what this device holds. Nothing is open. */
void log_attest(struct log *log, struct instant now, struct outbox *out);
/* Takes statements that a peer has passed on. */
void log_attested(struct log *log, struct instant now, const Weft__Attested *attested,
                  struct outbox *out);
/* Tries those again that came before it was known that their devices are members. */
void log_strays(struct log *log, struct instant now, struct outbox *out);
bool log_strays_due(const struct log *log);
void log_strays_free(struct log *log);

/* ---- log_digest.c: what members hold, compared ---- */

/* The digests of the last commit; NULL when they cannot be read. */
const struct digest_list *log_digests(struct log *log);
/* Keeps what a member has said last. Without memory it is not compared. */
void log_word_new(struct member *member, struct bytes said);
/* Compares it with what is held here: every difference is told to the host once, and rows that are
 * not what their owner has said are swept. */
void log_compare(struct log *log, struct instant now, struct member *member, struct outbox *out);
void log_compare_all(struct log *log, struct instant now, struct outbox *out);
void log_words_free(struct log *log);
/* Writes what members said last where the host can read it; or works out anew what is kept of
 * others' rows and of shared rows, and tells the host where it was wrong. */
void log_recount(struct log *log, struct instant now, const Weft__Recount *recount,
                 struct outbox *out);
/* ---- log_subscribe.c: which owners' rows are taken ---- */

enum weft_status log_load_subscriptions(struct log *log, struct weft_error *why);
/* Whether rows of another owner's stream may be written. */
bool log_takes(const struct log *log, const struct stream *stream);
void log_subscribe(struct log *log, struct instant now, const Weft__Subscribe *subscribe,
                   struct outbox *out);
/* Removes a slice of what is left out. Nothing is open. */
void log_clear(struct log *log, struct instant now, struct outbox *out);
/* Says in a statement that this device has let go of a stream, and what it holds of it again. */
void log_attest_gone(const struct log *log, const struct digest_found *found, uint32_t table,
                     struct attest_builder *builder);
/* Says in a statement what this device leaves out of a model. */
void log_attest_skipped(const struct log *log, uint32_t model, uint32_t table,
                        struct attest_builder *builder);
/* Whether a member has said that it leaves a stream out. */
bool log_skips(const struct member *member, const struct stream *stream);
/* Takes in what a member's newest statement says of that; whether that was news.
 * `model_of`: the tables of the statement as they are here; 0: there is none. */
bool log_take_skips(struct log *log, struct member *member, const struct attest *attest,
                    const uint32_t model_of[ATTEST_TABLES]);

/* ---- log_contact.c: other devices, as this one knows them ---- */

/* Keeps what is known of a contact, or of a session that has ended, for the next commit. */
void log_contact(struct log *log, struct instant now, struct mail **in);
/* Writes it within the open transaction; and lets go of it, when it is committed. */
enum weft_status log_save_contacts(struct log *log, struct weft_error *why);
void log_drop_contacts(struct log *log);

/* ---- log_rows.c: shared rows ---- */

/* Writes the runs of shared tables of a transaction of this host into the open group, and the
 * record that says so. Errors: WEFT_DENIED (this device is not a member), and those of writing. */
enum weft_status log_write_shared(struct log *log, Weft__Commit *commit, struct arena *arena,
                                  struct weft_error *why);
/* Counts what was written for others. */
void log_add_remote(struct log *log, const struct shared_row_tally *tally);
/* Whether every stamp in a record is later than that of its origin's record before: or a device
 * could write later what others take for long known. */
bool log_stamps_follow(const struct record *record, uint64_t before);
/* Applies what a record that stands at `place` says of rows, or puts it into the quarantine. */
enum weft_status log_apply_rows(struct log *log, struct instant now, const struct record *record,
                                uint64_t place, struct weft_error *why);
/* Tries rows again that could not be shown, and looks whether records wait in the quarantine;
 * within a transaction of the writer. */
enum weft_status log_load_rows(struct log *log, struct weft_error *why);
/* Applies records of the quarantine whose time has come. */
void log_release(struct log *log, struct instant now, struct outbox *out);

/* ---- log_figures.c: what is measured ---- */

/* At the first step: what is committed already. */
void log_figures_begin(struct log *log, struct instant now);
/* A commit was made, or has failed. Before its group is answered and let go. */
void log_figures_committed(struct log *log, struct instant now, enum weft_status status);
/* ... and says so in the host's log if the disk took long. */
void log_figures_slow(const struct log *log, struct outbox *out);
/* A member has said that it holds more. */
void log_figures_held(struct log *log, struct instant now, const struct member *member);

/* ---- log_hooks.c: what the host's hooks are told ---- */

/* The writer's watch. */
void log_hooks_touched(void *context, const struct model *model, enum weft_change_op op,
                       const struct weft_value *key);
/* A transaction of the writer is open: from here on rows are gathered, if there is a hook. */
void log_hooks_begin(struct log *log);
/* Who has written the rows that come next: this host (NULL), with a ticket, or another device. */
void log_hooks_author(struct log *log, uint64_t ticket, const struct id *device);
/* Tells what is gathered, just before the commit; and what became of it. */
void log_hooks_before(struct log *log, struct outbox *out);
void log_hooks_after(struct log *log, bool done, struct outbox *out);
/* The group is rolled back. */
void log_hooks_drop(struct log *log);

/* ---- log_govern.c: records that this device writes about members ---- */

/* Appends a record of this device with these ops. */
enum weft_status log_append_own(struct log *log, struct bytes ops, uint64_t hlc,
                                struct arena *arena, struct weft_error *why);
/* What records of others leave this device to say. */
struct log_unsaid {
    uint32_t refused_count; /* devices of which a record was refused as that of a removed one */
    struct id refused[LIMIT_ROSTER];
    uint32_t key_count; /* devices that this one added, and keys of others made without them */
    struct {
        struct id device;
        uint8_t psk_id[LIBRARY_KEY_ID];
    } keys[LIMIT_ROSTER];
};
/* Notes what a record that is about to be applied leaves to say about keys. */
void log_note_keys(const struct log *log, const struct record *record, struct log_unsaid *unsaid);
/* Says it: what it holds of removed devices (docs/decisions/008), and keys that a device it added
 * was not given, as who made them had not heard of it. */
enum weft_status log_say_members(struct log *log, const struct log_unsaid *unsaid, uint64_t hlc,
                                 struct weft_error *why);

#endif
