/* The inside of the writer. Private to writer*.c.
 *
 *   writer.c          the connection, transactions, statements on demand, owners of references
 *   writer_owners.c   whose a row is
 *   writer_sql.c      the text of every statement about a synced table
 *   writer_own.c      what this device's host wrote
 *   writer_remote.c   what other devices wrote
 *   writer_parked.c   received rows that cannot be applied yet
 *   writer_sweep.c    deleting what a scan or a sweep did not find
 *   writer_tables.c   the small tables
 *   writer_digest.c   the sums of what is held
 *   writer_shared.c   the shared log
 *   shared_row*.c     rows that everybody may write
 *   snapshot_*.c      ... as they come from another device, whole
 *
 * Every statement about a synced table numbers its parameters the same way, so that one row can be
 * bound to any of them:   ?1 owner │ ?(2 + column) cells │ ?(2 + column_count) version
 * A statement of many rows has ?1 only; it takes its rows from the feed (feed.h). */
#ifndef WEFT_STORE_WRITER_PRIVATE_H
#define WEFT_STORE_WRITER_PRIVATE_H

#include "engine/store/feed.h"
#include "engine/store/packed.h"
#include "engine/store/statement.h"
#include "engine/store/writer.h"
#include "engine/store/writer_digest.h"

#define WRITER_SELF 1        /* this device's number in _weft_device */
#define WRITER_SLOTS 256u    /* references whose owner is remembered */
#define WRITER_REFERENCE 32u /* bytes of the longest reference remembered */
#define WRITER_HOPELESS 16u  /* statements until a table is again tried for new rows first */

/* Statements of one synced table. */
enum writer_slot {
    SLOT_INSERT_MANY, /* rows whose key is new; others are passed over */
    SLOT_OWN_MANY,    /* upsert, unless equal or another owner's */
    SLOT_OWN_ONE,
    SLOT_REMOTE_MANY, /* upsert, unless newer or another owner's */
    SLOT_REMOTE_ONE,
    SLOT_LOOK,        /* owner, version of a key */
    SLOT_DELETE,      /* by key, owner, and a version below */
    SLOT_OWNER_OF,    /* owner of the row that the owner column refers to */
    SLOT_FOREIGN,     /* another owner's row with the same values in some other unique index */
    SLOT_REPLACE_NEW, /* insert, whatever of the same owner's is in the way goes */
    SLOT_REPLACE_OLD, /* update likewise */
    SLOT_RANGE,       /* versions of an owner in a range, and keys */
    SLOT_REPLACED,    /* version and key of the owner's other rows that one replaces */
    SLOT_SHARED_LOOK, /* these are for shared models: ?1 is the clock */
    SLOT_SHARED_INSERT,
    SLOT_SHARED_UPDATE,
    SLOT_SHARED_DELETE,
    SLOT_SHARED_RIVALS, /* other rows that a unique index does not let stand beside this one */
    SLOT_COUNT
};

/* Statements about the engine's own tables. */
enum writer_fixed {
    FIXED_BEGIN,
    FIXED_COMMIT,
    FIXED_ROLLBACK,
    FIXED_CLOCK,
    FIXED_DEVICE,
    FIXED_DEVICE_ADD,
    FIXED_POSITION,
    FIXED_HORIZON,
    FIXED_SWEEP,
    FIXED_ACK,
    FIXED_ACK_DROP,
    FIXED_SKIP,
    FIXED_CLEARED,
    FIXED_TOMBSTONE,
    FIXED_FORGET_CUT,
    FIXED_FORGET,
    FIXED_PARK,
    FIXED_PARKED_ANY,
    FIXED_PARKED_OBSOLETE,
    FIXED_PARKED_NEXT,
    FIXED_UNPARK,
    FIXED_PARKED_RANGE,
    FIXED_VISIT_ACKS,
    FIXED_VISIT_SWEEPS,
    FIXED_VISIT_TOMBSTONES,
    FIXED_POSITIONS,
    FIXED_ORIGIN,
    FIXED_ORIGIN_ADD,
    FIXED_APPEND,
    FIXED_KEEP,
    FIXED_FORGET_NEXT,
    FIXED_FORGET_HELD,
    FIXED_FORGET_RECORDS,
    FIXED_LOG_HORIZON,
    FIXED_LOG_PLACES,
    FIXED_QUARANTINE_PASS,
    FIXED_HEARD,
    FIXED_LOAD_HEARD,
    FIXED_TAKING,
    FIXED_TAKING_DROP,
    FIXED_TAKING_LOAD,
    FIXED_DELETED_NEXT,
    FIXED_DELETED_MARK,
    FIXED_HEAD,
    FIXED_RECORD,
    FIXED_FREEZE,
    FIXED_SHARED_ACK,
    FIXED_SAVE_MEMBER,
    FIXED_PINS_DROP,
    FIXED_PIN,
    FIXED_KEY,
    FIXED_LOAD_HEADS,
    FIXED_LOAD_ACKS,
    FIXED_LOAD_MEMBERS,
    FIXED_LOAD_PINS,
    FIXED_LOAD_KEYS,
    FIXED_ORIGINS,
    FIXED_FIELD,
    FIXED_FIELD_ADD,
    FIXED_SHADOW_ANY,
    FIXED_SHADOW_LOOK,
    FIXED_SHADOW_KEEP,
    FIXED_SHADOW_DROP,
    FIXED_SHADOW_NEXT,
    FIXED_QUARANTINE,
    FIXED_QUARANTINE_NEXT,
    FIXED_QUARANTINE_DROP,
    FIXED_SEEN_ADD,
    FIXED_SEEN_LOOK,
    FIXED_SEEN_FORGET,
    FIXED_DIGEST,
    FIXED_DIGEST_SHARED,
    FIXED_PARKED_OF,
    FIXED_SETTLED,
    FIXED_CONTACT,
    FIXED_CONTACT_DROP,
    FIXED_ADDRESS,
    FIXED_ADDRESS_DROP,
    FIXED_PAUSED,
    FIXED_SESSION,
    FIXED_SESSIONS_MANY,
    FIXED_SESSIONS_OLD,
    FIXED_COUNT
};

struct writer_table {
    sqlite3_stmt *slots[SLOT_COUNT];
    sqlite3_stmt **sets;  /* per column; NULL until a field is first set */
    sqlite3_stmt **scans; /* per column, likewise */
    bool known;           /* the three below are */
    bool triggers;        /* the application's: they must not see a row twice */
    bool opaque;          /* a unique index over an expression or a part of the rows */
    bool owns;            /* other models take their owner from this one */
    unsigned hopeless;    /* statements left until new rows are expected again */
    uint64_t unique[LIMIT_COLUMNS / 64]; /* columns of unique indexes */
    bool freed; /* a row has gone or changed: those that stood behind it are to be tried */
};

struct writer_reference {
    uint32_t model; /* 0: empty */
    uint32_t owner;
    uint8_t type;
    uint8_t size;
    uint8_t bytes[WRITER_REFERENCE];
};

/* What an upsert found under the key of one of its rows. Rows whose key is new leave no note. */
struct writer_note {
    uint64_t version; /* of the row being written */
    uint64_t stored;  /* of the one that is there */
    bool ours;        /* they have the same owner */
    bool written;     /* and there is something to change */
};

struct writer_device {
    struct id id;
    uint32_t number;
};

struct writer {
    sqlite3 *db;
    char *path;
    const struct models *models;
    struct id self;
    struct writer_table *tables; /* models->count of them, by id - 1 */
    sqlite3_stmt *fixed[FIXED_COUNT];
    struct feed feed;           /* of statements of many rows */
    int log_pages;              /* of the write-ahead log, after the last commit */
    struct time_port stopwatch; /* its `now` may be NULL: nothing is measured */
    uint64_t begun_us;          /* the transaction, by that */
    struct writer_spans spans;  /* of the last one committed */
    bool sync_failed;           /* nothing may be written any more */
    bool began; /* a transaction, which ends by commit or rollback; or SQLite has ended it */
    /* What is remembered of the file; forgotten on rollback. */
    bool recalled; /* `any_parked` is what the file says */
    bool any_parked;
    struct writer_device devices[LIMIT_MEMBERS];
    uint32_t device_count;
    struct writer_reference references[WRITER_SLOTS];
    struct writer_reference *met; /* the place that answered last; NULL */
    /* Notes of the upsert that ran last, in the order of its rows. */
    struct writer_note notes[WRITER_ROWS_MANY];
    uint32_t note_count;
    struct shared_work *shared;       /* of shared_row*.c; NULL before the first */
    struct digest_work *digests;      /* of writer_digest.c; likewise */
    bool digest_lost;                 /* there was no memory for it: nothing may be committed */
    const struct writer_watch *watch; /* NULL: nobody is told of rows */
    /* One row being worked on. */
    struct weft_value values[LIMIT_COLUMNS];
    struct packed key;
    struct packed row;
};

/* ---- writer.c */

const struct model *writer_model(const struct writer *writer, const Weft__Rows *rows);
struct writer_table *writer_table(struct writer *writer, const struct model *model);
/* The statement of a slot, prepared when it is first asked for. Borrowed. */
enum weft_status writer_slot(struct writer *writer, const struct model *model,
                             enum writer_slot slot, sqlite3_stmt **out, struct weft_error *why);
enum weft_status writer_fixed(struct writer *writer, enum writer_fixed fixed, sqlite3_stmt **out,
                              struct weft_error *why);

/* ---- writer_owners.c */

/* The number of a device in _weft_device, which is added if it is not there.
 * Errors: WEFT_LIMIT, and as store_fail(). */
enum weft_status writer_device(struct writer *writer, const struct id *id, uint32_t *number,
                               struct weft_error *why);
/* The same without adding: 0 when the device is not known. */
enum weft_status writer_device_known(struct writer *writer, const struct id *id, uint32_t *number,
                                     struct weft_error *why);
/* The number of the device that owns the row a reference names; 0 when there is no such row. */
enum weft_status writer_owner_of(struct writer *writer, const struct model *model,
                                 const struct weft_value *reference, uint32_t *owner,
                                 struct weft_error *why);
/* Forgets which rows are whose, if others refer to this model: called after each run of it. */
void writer_forget_owners(struct writer *writer, const struct model *model);

/* ---- writer.c: one row */

/* Loads the cells of one row of a run into writer->values. */
void writer_values(struct writer *writer, const Weft__Rows *rows, uint32_t row);

/* Binds one row: writer->values, owner and version, as far as the statement has parameters. */
void writer_bind_one(struct writer *writer, const struct model *model, sqlite3_stmt *statement,
                     uint32_t owner, uint64_t version);
/* Runs an upsert, or the insert that comes before it, and counts what it changed; the writer's
 * notes say what it met. `*code` is SQLite's when it refused a row: then it has undone itself.
 * Errors: as store_fail(). */
enum weft_status writer_upsert(struct writer *writer, const struct model *model,
                               sqlite3_stmt *statement, uint64_t *changed, int *code,
                               struct weft_error *why);
/* The note of a row; NULL if its key was new. Asked for in the order of the rows, from *at = 0. */
const struct writer_note *writer_note(const struct writer *writer, uint64_t version, uint32_t *at);
/* How many rows the upsert left as they are. */
uint32_t writer_passed_over(const struct writer *writer);
/* Owner and version of the stored row that has the key in writer->values, if there is one. */
enum weft_status writer_look(struct writer *writer, const struct model *model, bool *found,
                             uint32_t *owner, uint64_t *version, struct weft_error *why);
/* Deletes the row that has the key in writer->values, if it is the owner's and its version is below
 * `version`. `*deleted`: the version that it had; 0: there was none. */
enum weft_status writer_delete(struct writer *writer, const struct model *model, uint32_t owner,
                               uint64_t version, uint64_t *deleted, struct weft_error *why);
/* Keeps the key in writer->values as deleted at `version`; `*added` false if that was known. */
enum weft_status writer_tombstone(struct writer *writer, const struct model *model, uint32_t owner,
                                  uint64_t version, bool *added, struct weft_error *why);
/* Tell the watch, if there is one: of the row in writer->values, of a row of a run, and of rows
 * that cannot be named. */
void writer_touched(const struct writer *writer, const struct model *model, enum weft_change_op op);
void writer_touched_row(const struct writer *writer, const struct model *model,
                        enum weft_change_op op, const Weft__Rows *rows, uint32_t row);
void writer_touched_many(const struct writer *writer, const struct model *model);
/* Whether a code speaks about the row that was being written, not about the file. */
bool writer_row_fault(int code);

#define WRITER_KEY_TEXT 160u
/* The key in writer->values, for a message. */
const char *writer_key_text(const struct writer *writer, const struct model *model,
                            char out[WRITER_KEY_TEXT]);

/* ---- writer_sql.c */

/* The text of a slot, from sqlite3_malloc(); NULL with SQLite's code of why there is none. */
char *writer_sql(sqlite3 *db, const struct model *model, enum writer_slot slot, int *code);
/* The same; NULL when out of memory. */
char *writer_sql_set(sqlite3 *db, const struct model *model, uint32_t column);
char *writer_sql_scan(sqlite3 *db, const struct model *model, uint32_t column);
extern const char *const writer_fixed_sql[FIXED_COUNT];

/* ---- writer_own.c */

/* SQLite keeps -0.0 as 0.0 in some columns and not in others, and finds them equal. What travels
 * from memory must be what is read from the file later, so the run says 0.0 everywhere. */
void writer_settle_zeros(const struct model *model, Weft__Rows *rows);

/* ---- shared_row.c */

/* Forgets what it knows of the file; frees it. */
void shared_work_forget(struct shared_work *work);
void shared_work_free(struct shared_work *work);

/* ---- writer_remote.c */

enum writer_outcome { OUTCOME_WRITTEN, OUTCOME_STALE, OUTCOME_PARK };
#define WRITER_REASON 256u
/* Writes the row in writer->values for `owner`, or says why it cannot be. `*met`: the version of
 * the owner's row that stood under its key; 0: none did, or the row is to be parked. */
enum weft_status writer_remote_one(struct writer *writer, const struct model *model, uint32_t owner,
                                   uint64_t version, enum writer_outcome *outcome, uint64_t *met,
                                   char reason[WRITER_REASON], struct weft_error *why);

/* ---- writer_parked.c */

enum weft_status writer_park(struct writer *writer, const struct model *model, uint32_t owner,
                             uint64_t version, const char *reason, struct writer_tally *tally,
                             struct weft_error *why);
/* Drops what is parked of the key in writer->values with a lower version. */
enum weft_status writer_unpark_older(struct writer *writer, const struct model *model,
                                     uint32_t owner, uint64_t version, struct weft_error *why);

/* ---- writer_tables.c */

/* Nothing is left of a stream that was to be cleared. */
enum weft_status writer_cleared(struct writer *writer, const struct stream *stream,
                                struct weft_error *why);

/* ---- writer_sweep.c */

/* Deletes the owner's rows and parked rows with versions in (after, upto] that the run does not
 * name. */
enum weft_status writer_sweep_range(struct writer *writer, const struct model *model,
                                    uint32_t owner, const Weft__Rows *rows,
                                    struct writer_tally *tally, struct weft_error *why);

#endif
