/* weft: a SQLite library of records, kept the same on all of your devices.
 *
 * This is the only header to include. A program opens a library, writes through transactions, reads
 * with plain SQL on a connection of its own, and never waits for the network.
 *
 * Conventions of this interface
 *   - A function that can fail returns an enum weft_status: 0 is success, negative is failure.
 *   - `struct weft_error *why` may be NULL. When given, it is filled on failure with a sentence
 *     that names what, where, why and what to do.
 *   - No function blocks on disk or network unless its name says "wait", "open" or "close".
 *   - Thread: "any" means any number of threads at once, without a lock of the caller's.
 *   - Times are milliseconds unless the name says otherwise; sizes are bytes; ids are 16 bytes. */
#ifndef WEFT_H
#define WEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#define WEFT_MUST_USE __attribute__((warn_unused_result))
#else
#define WEFT_API
#define WEFT_MUST_USE
#endif

#define WEFT_ID_SIZE 16u
#define WEFT_ERROR_TEXT_MAX 512u
#define WEFT_ADDRESS_MAX 128u
#define WEFT_NAME_MAX 64u

/* Every outcome, once: name, number, one phrase for a person. Numbers never change meaning. */
#define WEFT_STATUS_LIST(X)                                                                \
    X(WEFT_OK, 0, "ok")                                                                    \
    X(WEFT_BUSY, -1, "the engine holds as much unwritten data as it may; try again")       \
    X(WEFT_TIMEOUT, -2, "the time given has passed")                                       \
    X(WEFT_CLOSED, -3, "closed")                                                           \
    X(WEFT_INVALID, -4, "the call is not valid as it stands")                              \
    X(WEFT_NO_MEMORY, -5, "out of memory")                                                 \
    X(WEFT_LIMIT, -6, "a documented limit would be passed")                                \
    X(WEFT_SCHEMA, -10, "the schema or one of its annotations cannot be used")             \
    X(WEFT_INTEGER_KEY, -11, "an integer row id cannot identify a row on several devices") \
    X(WEFT_TYPE, -12, "a value has the wrong type for its column")                         \
    X(WEFT_NOT_UTF8, -13, "a text is not valid UTF-8")                                     \
    X(WEFT_NOT_OWNER, -14, "only the owner may write this row")                            \
    X(WEFT_NOT_FOUND, -15, "there is no such thing")                                       \
    X(WEFT_CONSTRAINT, -16, "a constraint of the schema forbids this row")                 \
    X(WEFT_UNSUPPORTED, -17, "this version cannot do that")                                \
    X(WEFT_DISK_FULL, -20, "the disk is full")                                             \
    X(WEFT_NOT_A_DATABASE, -21, "the file is not a database")                              \
    X(WEFT_NEWER, -22, "the database was written by a newer version")                      \
    X(WEFT_LOCKED, -23, "another engine has this library open")                            \
    X(WEFT_READ_ONLY, -24, "the folder or file cannot be written")                         \
    X(WEFT_IO, -25, "reading or writing failed")                                           \
    X(WEFT_SYNC_FAILED, -26, "the disk did not confirm a write; the engine has stopped")   \
    X(WEFT_CORRUPT, -27, "the data contradicts itself")                                    \
    X(WEFT_ADDRESS, -30, "the address cannot be used")                                     \
    X(WEFT_PORT_IN_USE, -31, "the port is in use")                                         \
    X(WEFT_NET, -33, "the network refused or lost the connection")                         \
    X(WEFT_PROTOCOL, -34, "the peer speaks something else")                                \
    X(WEFT_OTHER_LIBRARY, -35, "the peer belongs to another library")                      \
    X(WEFT_DENIED, -36, "the other side could not prove that it may")                      \
    X(WEFT_KEY_FILE, -37, "the key file is missing or cannot be used")                     \
    X(WEFT_INVITE, -38, "the invite cannot be used")

enum weft_status {
#define WEFT_STATUS_MEMBER(name, number, text) name = number,
    WEFT_STATUS_LIST(WEFT_STATUS_MEMBER)
#undef WEFT_STATUS_MEMBER
};

/* What went wrong, for a person and for a program. */
struct weft_error {
    enum weft_status status;
    int native; /* SQLite's extended code or errno; 0 when neither applies */
    char text[WEFT_ERROR_TEXT_MAX];
};

/* The name ("WEFT_BUSY") and the phrase of a status. Static strings. Thread: any. */
WEFT_API const char *weft_status_name(enum weft_status status);
WEFT_API const char *weft_status_text(enum weft_status status);

/* ---- values ---------------------------------------------------------------------------------- */

enum weft_type { WEFT_NULL = 0, WEFT_INTEGER = 1, WEFT_REAL = 2, WEFT_TEXT = 3, WEFT_BLOB = 4 };

/* One cell. `bytes` is borrowed for the call it is passed to; TEXT is UTF-8, not terminated. */
struct weft_value {
    enum weft_type type;
    uint32_t size; /* of `bytes`, for TEXT and BLOB */
    union {
        int64_t integer;
        double real;
        const void *bytes;
    } as;
};

static inline struct weft_value weft_null(void) {
    struct weft_value v = {WEFT_NULL, 0, {0}};
    return v;
}
static inline struct weft_value weft_integer(int64_t integer) {
    struct weft_value v = {WEFT_INTEGER, 0, {0}};
    v.as.integer = integer;
    return v;
}
static inline struct weft_value weft_real(double real) {
    struct weft_value v = {WEFT_REAL, 0, {0}};
    v.as.real = real;
    return v;
}
static inline struct weft_value weft_text(const char *text, size_t size) {
    struct weft_value v = {WEFT_TEXT, (uint32_t)size, {0}};
    v.as.bytes = text;
    return v;
}
static inline struct weft_value weft_blob(const void *bytes, size_t size) {
    struct weft_value v = {WEFT_BLOB, (uint32_t)size, {0}};
    v.as.bytes = bytes;
    return v;
}

/* ---- open and close -------------------------------------------------------------------------- */

typedef struct weft_engine weft_engine;
typedef struct weft_tx weft_tx;
struct weft_log;

/* How the actors are spread over threads. The actors themselves never know. */
enum weft_threads {
    WEFT_THREADS_AUTO = 0, /* two on a machine of one or two cores, else one per actor */
    WEFT_THREADS_EACH,     /* one per actor, one per peer up to 16, which then share them */
    WEFT_THREADS_TWO,      /* storage | network and codec; and one that copies, now and then */
    WEFT_THREADS_ONE,      /* all actors on one thread */
    WEFT_THREADS_NONE      /* none: the caller runs them with weft_step() */
};

/* All fields but `path` may be zero; zero means the default given here. */
struct weft_config {
    const char *path;    /* the library's SQLite file; created if missing */
    const char *schema;  /* SQL run at open: CREATE TABLE IF NOT EXISTS ...; or NULL */
    const void *library; /* 16 bytes: the library to create or expect; NULL: the file's, or new */
    enum weft_threads threads;
    const char *invite;   /* a link of weft_invite(): a new file comes into that library */
    const char *name;     /* what people call this device, up to 64 bytes of UTF-8 */
    uint32_t peers_max;   /* sessions at once, up to 16,384; 8 */
    uint32_t door_bytes;  /* unwritten transactions the engine may hold, in bytes; 64 MiB */
    uint32_t cache_bytes; /* page cache of the writing connection; 64 MiB */
    uint32_t patience_h;  /* hours after which nothing waits for a silent member; 720: 30 days */
    bool paused;          /* as weft_pause(NULL) would, but for this time only */
    uint32_t batch_rows;  /* rows of one batch to a peer, up to 2048; 1024 */
    uint32_t group_rows;  /* rows of one SQLite commit, up to 16384; 16384 */
    const struct weft_log *log; /* who is told what happens (weft_log.h); NULL: nobody */
};

/* Opens a library and starts its actors. Annotated tables of `schema` become models.
 * Ownership: `*out` is the caller's until weft_close(). `config` is copied.
 * SQLite counts its memory under a lock, with every allocation. A host that does not ask for the
 * count saves a tenth of the CPU time of bulk writes by sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0),
 * before its first call into SQLite or weft; the engine leaves such settings to the process.
 * Thread: any; blocks on disk.
 * Errors: WEFT_INVALID, WEFT_NO_MEMORY, WEFT_SCHEMA, WEFT_INTEGER_KEY, WEFT_UNSUPPORTED,
 *   WEFT_NOT_A_DATABASE, WEFT_NEWER, WEFT_LOCKED, WEFT_READ_ONLY, WEFT_DISK_FULL, WEFT_CORRUPT,
 *   WEFT_IO, WEFT_OTHER_LIBRARY, WEFT_KEY_FILE (the device's keys lie beside the library in
 *   PATH-key, which only its owner may read), WEFT_INVITE (the link cannot be read). On failure
 *   nothing is left open and `*out` is NULL. */
WEFT_API WEFT_MUST_USE enum weft_status weft_open(const struct weft_config *config,
                                                  weft_engine **out, struct weft_error *why);

/* Commits what was submitted, says goodbye to the peers, stops every actor, frees the engine.
 * Waits first for a call of a hook that is under way (weft_on_commit()); no other follows.
 * Thread: one, when no other call into the engine is under way, and no hook's. NULL is allowed. */
WEFT_API void weft_close(weft_engine *engine);

/* This device's id and the library's id, 16 bytes each. Thread: any. */
WEFT_API void weft_device(const weft_engine *engine, uint8_t out[WEFT_ID_SIZE]);
WEFT_API void weft_library(const weft_engine *engine, uint8_t out[WEFT_ID_SIZE]);

/* Makes a new id: a UUID of version 7 (RFC 9562, section 5.7), increasing within this engine, so
 * that rows made together lie together. Thread: any; no lock, no system call for randomness. */
WEFT_API void weft_id(weft_engine *engine, uint8_t out[WEFT_ID_SIZE]);

/* ---- models ---------------------------------------------------------------------------------- */

/* The number of the model (annotated table) of this name, or a negative weft_status
 * (WEFT_NOT_FOUND). Numbers are stable while the engine is open. Thread: any. */
WEFT_API int weft_model(const weft_engine *engine, const char *table);

/* The position of a column among the model's columns, as weft_put() takes them, or a negative
 * weft_status. Thread: any. */
WEFT_API int weft_column(const weft_engine *engine, int model, const char *column);

/* How many columns weft_put() takes, and how many values make a key. Thread: any. */
WEFT_API unsigned weft_column_count(const weft_engine *engine, int model);
WEFT_API unsigned weft_key_count(const weft_engine *engine, int model);

/* Annotates a table that is there already, in a library or any other SQLite file that no engine has
 * open: writes the annotation ("@shared(create: unique)") as a comment into the CREATE TABLE that
 * SQLite keeps of it. Its rows enter sync at the next weft_open(), as if written then. A table
 * that says the same already is left as it is; one that says something else but "@local" is
 * refused. Either all is done or nothing.
 * Thread: any; blocks on disk.
 * Errors: WEFT_SCHEMA (the annotation cannot be read, the table has another one, or its columns do
 *   not go with it), WEFT_INTEGER_KEY, WEFT_NOT_FOUND (no such file or table), WEFT_INVALID (a
 *   table of the engine's own), WEFT_UNSUPPORTED (a view, a virtual table, generated columns),
 *   WEFT_LIMIT, WEFT_LOCKED (an engine or another program has the file), WEFT_NOT_A_DATABASE,
 *   WEFT_NEWER, WEFT_READ_ONLY, WEFT_DISK_FULL, WEFT_CORRUPT, WEFT_IO, WEFT_NO_MEMORY. */
WEFT_API WEFT_MUST_USE enum weft_status weft_annotate(const char *path, const char *table,
                                                      const char *annotation,
                                                      struct weft_error *why);

/* ---- transactions ---------------------------------------------------------------------------- */

/* Begins a transaction. Ownership: `*out` is the caller's until weft_commit() succeeds or
 * weft_abort(). A transaction is used by one thread at a time, the one that began it.
 * Errors: WEFT_BUSY (door_bytes are held), WEFT_LIMIT (more submitting threads than lanes),
 *   WEFT_CLOSED, WEFT_NO_MEMORY. */
WEFT_API WEFT_MUST_USE enum weft_status weft_begin(weft_engine *engine, weft_tx **out);

/* Writes a whole row: `count` values, one per column of the model in table order. Inserts, or
 * replaces the row of the same key; a row equal to the stored one changes nothing and is not sent.
 * Of a shared row that is there, only the columns that differ are written; of two devices that
 * write one column, the later write wins. NULL is given for a column marked @node: a new row gets
 * this device's id there. The commit fails with WEFT_DENIED while this device is no member, and
 * with WEFT_LIMIT when shared rows of one transaction take more than 256 KiB.
 * The values are copied. A failed call adds nothing and leaves the transaction usable.
 * Errors: WEFT_INVALID (model, count), WEFT_TYPE, WEFT_NOT_UTF8, WEFT_LIMIT, WEFT_NO_MEMORY. */
WEFT_API WEFT_MUST_USE enum weft_status weft_put(weft_tx *tx, int model,
                                                 const struct weft_value *values, unsigned count);

/* Writes one column of an existing row. `key` holds the key's values in key order.
 * The commit fails with WEFT_NOT_FOUND when there is no such row, and for shared rows as with
 * weft_put(). NULL is given for a column marked @node: this device's id is written.
 * Errors: as weft_put(). */
WEFT_API WEFT_MUST_USE enum weft_status weft_set(weft_tx *tx, int model,
                                                 const struct weft_value *key, unsigned key_count,
                                                 int column, const struct weft_value *value);

/* Deletes a row. Deleting a row that is not there changes nothing. A shared row is gone on every
 * device, whatever was written to it before; putting it again makes a new one.
 * Errors: as weft_put(). */
WEFT_API WEFT_MUST_USE enum weft_status weft_delete(weft_tx *tx, int model,
                                                    const struct weft_value *key,
                                                    unsigned key_count);

/* Why the last call on this transaction failed. Valid until the next call on it. */
WEFT_API const struct weft_error *weft_tx_why(const weft_tx *tx);

/* Submits the transaction: all of it or nothing will be written. On WEFT_OK the transaction is
 * gone and `*ticket` (may be NULL) can be waited for; transactions that one thread submits, or
 * that are submitted after another commit returned, are written in that order. On failure the
 * transaction is still the caller's. Never blocks.
 * Errors: WEFT_BUSY (too many unanswered tickets), WEFT_CLOSED. */
WEFT_API WEFT_MUST_USE enum weft_status weft_commit(weft_tx *tx, uint64_t *ticket);

/* The same, waiting up to `timeout_ms` (negative: for ever) while the engine is busy.
 * Errors: WEFT_TIMEOUT, WEFT_CLOSED. */
WEFT_API WEFT_MUST_USE enum weft_status weft_commit_wait(weft_tx *tx, int timeout_ms,
                                                         uint64_t *ticket);

/* weft_begin(), waiting up to `timeout_ms` (negative: for ever) while the engine is busy.
 * Errors: WEFT_TIMEOUT, and those of weft_begin(). */
WEFT_API WEFT_MUST_USE enum weft_status weft_begin_wait(weft_engine *engine, int timeout_ms,
                                                        weft_tx **out);

/* Forgets the transaction. NULL is allowed. */
WEFT_API void weft_abort(weft_tx *tx);

/* ---- rescans --------------------------------------------------------------------------------- */

/* Begins a rescan of the own rows of `model` whose `column` equals `scope` (an indexer's location).
 * `*scan` names it. Up to 16 may be open; a crash or a scan never ended deletes nothing.
 * Errors: WEFT_INVALID, WEFT_TYPE, WEFT_BUSY, WEFT_LIMIT, WEFT_CLOSED. Thread: any; the rows of the
 *   scan are those submitted after this call returned. */
WEFT_API WEFT_MUST_USE enum weft_status weft_scan_begin(weft_engine *engine, int model, int column,
                                                        const struct weft_value *scope,
                                                        uint64_t *scan, struct weft_error *why);

/* Ends a rescan: own rows in its scope that were not written since weft_scan_begin() are deleted.
 * Call it after every weft_commit() of the scan has returned. `*ticket` as in weft_commit().
 * Errors: WEFT_BUSY, WEFT_CLOSED; the ticket fails with WEFT_NOT_FOUND for an unknown scan. */
WEFT_API WEFT_MUST_USE enum weft_status weft_scan_end(weft_engine *engine, uint64_t scan,
                                                      uint64_t *ticket);

/* ---- tickets --------------------------------------------------------------------------------- */

enum weft_level {
    WEFT_APPLIED = 1,    /* readers of this device see it */
    WEFT_DURABLE = 2,    /* it survives a power cut here; one moment with APPLIED */
    WEFT_REPLICATED = 3, /* durable on `devices` other devices as well */
    WEFT_EVERYWHERE = 4  /* durable on every member that takes it, also on those this device never
                            meets: weft_subscribe() */
};

/* Waits until the ticket has reached the level, up to `timeout_ms` (0: only looks; negative: for
 * ever). Tickets are kept until 16,384 later ones were issued.
 * Returns the transaction's own failure when it failed (`why` says which row), WEFT_TIMEOUT,
 * WEFT_NOT_FOUND (too old or never issued), WEFT_CLOSED. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_wait(weft_engine *engine, uint64_t ticket,
                                                  enum weft_level level, unsigned devices,
                                                  int timeout_ms, struct weft_error *why);

/* ---- reading --------------------------------------------------------------------------------- */

/* Opens a read-only connection to the library's file. It is the caller's, to be closed with
 * sqlite3_close() before weft_close(). Name your columns in SELECT: the engine adds columns of its
 * own, whose names start with _weft. Long read transactions keep the write-ahead log growing.
 * Thread: any; the connection belongs to one thread at a time. Errors: WEFT_IO, WEFT_NO_MEMORY. */
struct sqlite3;
WEFT_API WEFT_MUST_USE enum weft_status weft_open_reader(weft_engine *engine, struct sqlite3 **out,
                                                         struct weft_error *why);

/* ---- events ---------------------------------------------------------------------------------- */

enum weft_event_kind {
    WEFT_EVENT_NONE = 0,
    WEFT_EVENT_PEER_UP,   /* device: a session stands */
    WEFT_EVENT_PEER_DOWN, /* device; status and text say why */
    WEFT_EVENT_MEMBER,    /* device: is a member now (this device: its joining is done) */
    WEFT_EVENT_REMOVED,   /* device: is one no longer */
    WEFT_EVENT_JOINING,   /* device: comes in by invite; count: the six-digit code to compare */
    WEFT_EVENT_RESTORED,  /* at open: the file is a copy, or came back from a backup */
    WEFT_EVENT_CHANGED,   /* model: rows of another device were applied; count: so many, or 0: some.
                             Which ones, and those of this host, a hook is told: weft_on_commit() */
    WEFT_EVENT_FAULT,     /* status, text: something failed; what was acknowledged is safe */
    WEFT_EVENT_PARKED,    /* count, text: received rows cannot be applied yet; they are kept */
    WEFT_EVENT_DIFFERS,   /* model, device: rows of this owner (shared rows: none) are not what
                             another member holds of them, or what the library last wrote; text
                             says with whom they were compared, and what is done about it */
    WEFT_EVENT_LOST       /* count: events dropped because nobody took them */
};

struct weft_event {
    enum weft_event_kind kind;
    int model; /* or -1 */
    uint64_t count;
    uint8_t device[WEFT_ID_SIZE];
    struct weft_error error;
};

/* A descriptor that is readable when weft_next_event() has something to give. The engine's: do not
 * close or read it. Thread: any. */
WEFT_API int weft_event_descriptor(const weft_engine *engine);

/* Takes the next event; false when there is none. Thread: any. */
WEFT_API bool weft_next_event(weft_engine *engine, struct weft_event *out);

/* ---- hooks on commit ------------------------------------------------------------------------- */

/* What became of a row of a model. */
enum weft_change_op {
    WEFT_CHANGE_PUT = 1,    /* it is new, or another than before */
    WEFT_CHANGE_DELETE = 2, /* it is gone */
    WEFT_CHANGE_MANY = 3    /* rows that are not named: look at the whole model */
};

struct weft_change {
    int model;
    enum weft_change_op op;
    const struct weft_value *key; /* in key order; NULL with MANY */
    unsigned key_count;           /* 0 with MANY */
};

enum weft_phase {
    WEFT_BEFORE = 1, /* applied: the commit is about to be made */
    WEFT_AFTER = 2,  /* durable */
    WEFT_UNDONE = 3, /* the commit failed: what BEFORE told has not happened */
    WEFT_LOST = 4    /* the hook was too slow: see `lost` */
};

/* Which calls a hook wants: a set of these. */
enum weft_hook {
    WEFT_HOOK_BEFORE = 1, /* BEFORE, and UNDONE */
    WEFT_HOOK_AFTER = 2,
    WEFT_HOOK_LOCAL = 4,  /* of transactions and rescans of this host */
    WEFT_HOOK_REMOTE = 8, /* of rows of other devices */
    WEFT_HOOK_ALL = 15
};

/* What one transaction of this host, or one batch or record of another device, has changed. All of
 * it is borrowed for the call. */
struct weft_commit {
    enum weft_phase phase;
    bool remote;                  /* not written by this host */
    uint8_t device[WEFT_ID_SIZE]; /* who wrote it; zero: several, as in a snapshot */
    uint64_t ticket;              /* of weft_commit(); 0 if it was remote, or nobody waits */
    uint64_t serial; /* the same in BEFORE and in AFTER or UNDONE; grows. 0 with LOST */
    const struct weft_change *changes;
    size_t count;  /* never 0 */
    uint64_t lost; /* with LOST: groups of commits of which nothing was told; else 0 */
};

/* Has `hook` called for each commit that is begun after this returned: `which` says which (of each
 * pair of flags at least one). For what it is told with BEFORE there is one call more, later, with
 * AFTER or UNDONE, of the same serial and changes; several BEFOREs may come before their AFTERs.
 * The hook tells, it is not asked: it runs beside the commit, which does not wait for it. When it
 * sees BEFORE, readers see the rows not yet, or already.
 *
 * A hook may take its time. What waits for it is bounded (256 groups of commits, 16 MiB); beyond
 * that, whole groups are left out, which costs commits nothing. Then its next call says WEFT_LOST,
 * with a WEFT_CHANGE_MANY for each model concerned, local or remote alike: look at these again.
 * Rows are named by their keys, up to 2 MiB of them in one group of commits; of what lies beyond,
 * and of a model where a received row took the place of another, MANY is told. A put that changed
 * nothing is no change. A received row may be named that shows what it did before: a value was
 * written again, or a column of it that this schema has not.
 *
 * Hooks are called one at a time, by a thread of the engine's that does nothing else; in a
 * WEFT_THREADS_NONE engine by weft_step(), after its actors, on the caller's thread. A hook may
 * call the engine, weft_commit() and weft_off_commit_wait() too, but not weft_close() (it would
 * wait for itself) nor weft_step(). In weft_wait() it should give a timeout: weft_close() waits.
 * UNDONE after WEFT_SYNC_FAILED: whether it is in the file is known at the next weft_open(). What
 * was committed before weft_open() returned, or while weft_close() runs, is not told.
 * Ownership: `context` is the caller's, until weft_off_commit_wait() or weft_close() has returned.
 * Thread: any. Errors: WEFT_INVALID (`which`; this hook is there with this context), WEFT_LIMIT (8
 *   hooks; no thread or descriptor to be had), WEFT_CLOSED. */
WEFT_API WEFT_MUST_USE enum weft_status weft_on_commit(
    weft_engine *engine, unsigned which,
    void (*hook)(void *context, const struct weft_commit *commit), void *context,
    struct weft_error *why);

/* Takes a hook away, and waits until a call of it that is under way has returned: afterwards it is
 * not called again. From within that hook it returns at once; the call under way is the last.
 * Thread: any. Errors: WEFT_NOT_FOUND (no such hook with this context). */
WEFT_API WEFT_MUST_USE enum weft_status weft_off_commit_wait(
    weft_engine *engine, void (*hook)(void *context, const struct weft_commit *commit),
    void *context);

/* ---- verifying ------------------------------------------------------------------------------- */

/* Rows that belong together, as they were found: one owner's of a model, or all of a shared one. */
struct weft_digest {
    int model; /* -1: a shared table that this version of the schema does not have */
    bool shared;
    uint8_t owner[WEFT_ID_SIZE]; /* of rows that are not shared */
    uint64_t rows;
    uint64_t digest;   /* equal for equal rows (keys and versions, or keys and stamps) */
    uint64_t position; /* how much of an owner's rows this device holds */
    bool sound;        /* the rows are those that the library wrote */
    /* Other members, by what each of them said last: */
    unsigned agree;     /* it holds as much, and the same */
    unsigned differ;    /* it holds as much, and not the same */
    unsigned elsewhere; /* it holds more or less, is on its way, leaves it out, or has said nothing
                           yet */
};

/* Reads all rows, on a connection of its own, and holds them against what the library knows that it
 * has written, and against what other members say that they hold. `out` has room for `cap`;
 * `*count` is how many there are. What is not sound is told by WEFT_EVENT_DIFFERS too; rows of
 * other owners that are not what their owner holds are taken again from it. Rows of this device are
 * left as they are. Equal digests are no proof against a member that lies.
 * Takes about a second for a million rows, and does not hold up the engine, unless something was
 * found: then the rows are counted once more, between two transactions. Waits for the engine's
 * answer and for the disk; a caller-stepped engine is stepped.
 * Errors: WEFT_BUSY, WEFT_CLOSED, WEFT_IO, WEFT_CORRUPT, WEFT_NO_MEMORY. Thread: any. */
WEFT_API WEFT_MUST_USE enum weft_status weft_verify_wait(weft_engine *engine,
                                                         struct weft_digest *out, unsigned cap,
                                                         unsigned *count, struct weft_error *why);

/* ---- caller-stepped engines ------------------------------------------------------------------ */

/* Runs every actor of a WEFT_THREADS_NONE engine until none has anything to do now, then calls its
 * hooks; `*due_ms` (may be NULL) receives the time until the next call is wanted. Thread: one at a
 * time. Errors: WEFT_INVALID for any other kind of engine, and from within a hook. */
WEFT_API WEFT_MUST_USE enum weft_status weft_step(weft_engine *engine, uint64_t *due_ms);

/* Writes the drawing of all actors and edges, terminated, into `out`; returns its length, cut at
 * `cap`. Thread: any. */
WEFT_API size_t weft_topology(const weft_engine *engine, char *out, size_t cap);

#ifdef __cplusplus
}
#endif

/* ---- other devices, what is taken of their rows; figures, and showing them ---- */
#include "weft_figures.h"
#include "weft_log.h"
#include "weft_look.h"
#include "weft_peers.h"
#include "weft_subscribe.h"

#endif
