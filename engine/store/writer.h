/* The writer: the one connection that writes, and every statement it ever runs.
 *
 * Owned by the log actor. Works inside a transaction that the caller begins and commits; statements
 * are prepared once and kept. Rows go in by statements of many rows (WRITER_ROWS_MANY at a time),
 * which read them where they lie in the run's columns; fewer than WRITER_ROWS_FEW one by one.
 * Invariants
 *   1. An own row is written only if its owner is this device; another's only with that owner.
 *   2. A stored row's version never goes back.
 *   3. A position moves in the same transaction as the rows it covers.
 *   4. So does a digest (digest.h). */
#ifndef WEFT_STORE_WRITER_H
#define WEFT_STORE_WRITER_H

#include "engine/runtime/port.h"
#include "engine/store/store.h"
#include "engine/wire/rows.h"

#define WRITER_ROWS_MANY 64u /* rows that one statement writes at most */
#define WRITER_ROWS_FEW 4u   /* below that they are written one by one */

struct writer;

/* Errors: as store_connect(). */
enum weft_status writer_open(const char *path, const char *vfs, uint32_t cache_bytes,
                             const struct models *models, const struct id *device,
                             struct writer **out, struct weft_error *why);
void writer_close(struct writer *writer);
/* Copies the write-ahead log into the file, between two transactions; `*copied` pages of it are
 * there by then. A failure loses nothing, since the log still has it all; only a failed sync is
 * kept in mind, and met by the next writer_begin(). */
void writer_checkpoint(struct writer *writer, uint32_t *copied, uint64_t *took_us);
/* Another connection to the file has met a failed sync: this one writes no more either. */
void writer_forsake(struct writer *writer);

enum weft_status writer_begin(struct writer *writer, struct weft_error *why);
/* After WEFT_SYNC_FAILED nothing more may be written with any connection. On any failure the
 * transaction has been rolled back. */
enum weft_status writer_commit(struct writer *writer, struct weft_error *why);
void writer_rollback(struct writer *writer);

/* How long the last commit took; for figures, nothing is decided by it. */
struct writer_spans {
    uint64_t commit_us; /* since writer_begin() */
    uint64_t sync_us;   /* SQLite's COMMIT: writing to the log what is not there yet, syncing it */
    uint32_t log_pages; /* of the write-ahead log */
};
/* Has commits measured from now on: by a clock that only ever goes forward. */
void writer_measure(struct writer *writer, const struct time_port *stopwatch);
struct writer_spans writer_spans(const struct writer *writer);

/* What one call did, added to what is there. */
struct writer_tally {
    uint64_t written;   /* rows and tombstones */
    uint64_t unchanged; /* own puts equal to the stored row, own deletes of nothing */
    uint64_t parked;
};

/* Called for each own put that changed nothing, with the row's number. For rescans. */
struct writer_unchanged {
    void (*seen)(void *context, const struct model *model, const Weft__Rows *rows, uint32_t row);
    void *context;
};

/* Called for each row of a table that is new, gone, or another than before, with its key's values,
 * borrowed. WEFT_CHANGE_MANY, without a key: some rows of the table. For hooks. What is told may
 * still be rolled back. `watch` is borrowed until the next call; NULL: nobody watches. */
struct writer_watch {
    void (*touched)(void *context, const struct model *model, enum weft_change_op op,
                    const struct weft_value *key);
    void *context;
};
void writer_watch(struct writer *writer, const struct writer_watch *watch);

/* Writes a run of own rows (PUT, DELETE, SET; versions filled in). Rows that changed nothing become
 * ROW_NONE. SET rows become ROW_PUT with every cell read back (cells grow in `arena`, the run's
 * own).
 * Errors: WEFT_NOT_OWNER, WEFT_NOT_FOUND, WEFT_CONSTRAINT, WEFT_LIMIT, WEFT_DISK_FULL, WEFT_IO …;
 *   `why` names table and key. The caller rolls back. */
enum weft_status writer_apply_own(struct writer *writer, Weft__Rows *rows, struct arena *arena,
                                  const struct writer_unchanged *unchanged,
                                  struct writer_tally *tally, struct weft_error *why);

/* Writes a received run (PUT, DELETE) of `owner` whose columns are in table order, and, if
 * rows->sweep, deletes that owner's rows with versions in (after, upto] that the run does not name.
 * Guarded: an older version never replaces a newer one. A row that a constraint refuses, or whose
 * key belongs to another owner's row, is parked with its reason.
 * Errors: WEFT_PROTOCOL (versions that no clock gives), WEFT_LIMIT (too many devices),
 *   WEFT_DISK_FULL, WEFT_IO … The caller rolls back. */
enum weft_status writer_apply_remote(struct writer *writer, const struct id *owner,
                                     const Weft__Rows *rows, struct writer_tally *tally,
                                     struct weft_error *why);

/* Tries every parked row again; `tally->written` counts those that went in. */
enum weft_status writer_retry_parked(struct writer *writer, struct writer_tally *tally,
                                     struct weft_error *why);

/* Deletes up to `limit` own rows with `column` = `scope` and version < `mark` for which `keep` says
 * no, giving them tombstones with versions from *next upwards; adds them as ROW_DELETE to
 * `deleted`. One call looks at a bounded number of rows. `*more`: call again. Rows are visited in
 * version order from *from, which is moved on. */
struct writer_sweep {
    const struct model *model;
    uint32_t column;
    struct weft_value scope;
    uint64_t mark;
    uint64_t from;
    bool (*keep)(void *context, const struct weft_value *key, uint32_t key_count);
    void *context;
};
enum weft_status writer_scan_sweep(struct writer *writer, struct writer_sweep *sweep,
                                   uint32_t limit, uint64_t *next, struct rows_builder *deleted,
                                   bool *more, struct weft_error *why);

/* The small tables. */
enum weft_status writer_clock(struct writer *writer, uint64_t stamp, struct weft_error *why);
enum weft_status writer_position(struct writer *writer, const struct stream *stream,
                                 uint64_t position, struct weft_error *why);
/* Raises the version up to which a stream's tombstones are forgotten; never lowers it. */
enum weft_status writer_horizon(struct writer *writer, const struct stream *stream,
                                uint64_t horizon, struct weft_error *why);
/* Sets or, with active false, ends a sweep: `cursor` is how far it has come. From 0 on all rows are
 * taken anew, so that what was told before of where they are settled counts no more. */
enum weft_status writer_sweep_cursor(struct writer *writer, const struct stream *stream,
                                     bool active, uint64_t cursor, struct weft_error *why);
/* Greater positions only. */
enum weft_status writer_ack(struct writer *writer, const struct id *device,
                            const struct stream *stream, uint64_t position, struct weft_error *why);
/* Forgets what a device acknowledged, of all streams; what it still holds is to be written anew.
 * Of its statements those before this one are not to be believed again. */
enum weft_status writer_ack_drop(struct writer *writer, const struct id *device,
                                 uint64_t incarnation, uint64_t serial, struct weft_error *why);
/* Hands over the statements that writer_ack_drop() was told of last. */
enum weft_status writer_floors(struct writer *writer, void *context,
                               void (*visit)(void *context, const struct id *device,
                                             uint64_t incarnation, uint64_t serial),
                               struct weft_error *why);
/* Another owner's stream is left out from now on: its position becomes 0, it is to be cleared. */
enum weft_status writer_skip(struct writer *writer, const struct stream *stream,
                             struct weft_error *why);
/* Removes up to `limit` rows, parked rows and tombstones of such a stream, without new tombstones.
 * `*done`: there were none left, and the stream is as if nothing of it had ever been held. */
enum weft_status writer_clear(struct writer *writer, const struct stream *stream, uint32_t limit,
                              bool *done, struct writer_tally *tally, struct weft_error *why);
/* The rules that are kept about what is taken, and the streams that are to be cleared. */
struct subscriptions;
enum weft_status writer_subscriptions(struct writer *writer, struct subscriptions *out,
                                      struct vector *clearing, struct weft_error *why);
/* Deletes all tombstones of a stream with versions ≤ upto, and raises its horizon to it. */
enum weft_status writer_forget_all(struct writer *writer, const struct stream *stream,
                                   uint64_t upto, struct weft_error *why);
/* Deletes up to `limit` tombstones of a stream with versions ≤ upto; remembers the greatest one
 * deleted as the stream's horizon. */
enum weft_status writer_forget(struct writer *writer, const struct stream *stream, uint64_t upto,
                               uint32_t limit, uint32_t *count, struct weft_error *why);

/* Raises the position from which on a stream's rows are those that its owner had at one time. */
enum weft_status writer_settled(struct writer *writer, const struct stream *stream,
                                uint64_t settled, struct weft_error *why);
/* Works out the digests that the file has none of, within the transaction: at open. */
enum weft_status writer_fill_digests(struct writer *writer, struct weft_error *why);
/* Works out all anew, within the transaction, and keeps those of other owners' rows and of shared
 * rows. What is kept of this device's own is what it last wrote, and stays. `out` gets them all. */
struct digest_list;
enum weft_status writer_recount(struct writer *writer, struct digest_list *out,
                                struct weft_error *why);
/* Writes what a member said last where other connections can read it. */
enum weft_status writer_word(struct writer *writer, const struct id *device, struct bytes statement,
                             struct weft_error *why);
/* The number behind which statements are numbered; `draw`: raised first, by more than were ever
 * used of it. Else it lies behind all that the life which drew it has used: what that one said last
 * may have come to nobody. */
enum weft_status writer_serial(struct writer *writer, bool draw, uint64_t *serial,
                               struct weft_error *why);
/* The digests of the last commit. Errors: as digest_read(). */
enum weft_status writer_read_digests(struct writer *writer, struct digest_list *out,
                                     struct weft_error *why);

/* Reading what the small tables hold, through the writing connection. */
enum weft_status writer_load_positions(struct writer *writer, struct vector *out,
                                       struct weft_error *why);
struct writer_visit {
    void *context;
    void (*sweep)(void *context, const struct stream *stream, uint64_t cursor);
    void (*ack)(void *context, const struct id *device, const struct stream *stream,
                uint64_t position);
    void (*oldest_tombstone)(void *context, const struct stream *stream, uint64_t version);
};
/* Acks; then sweeps under way; then, per stream that has any, its oldest tombstone. Functions of
 * `visit` may be NULL. */
enum weft_status writer_visit(struct writer *writer, const struct writer_visit *visit,
                              struct weft_error *why);

#endif
