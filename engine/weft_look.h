/* Looking into a library without opening it. A part of weft.h, which includes it.
 *
 * A library has one engine, but anybody who may read its file may look into it, also while another
 * process has it open: who belongs to it, how far each member is, what the shared log says, where
 * every value of a row comes from. Nothing here writes, joins a session or needs the key file.
 *
 * Conventions: those of weft.h. Further
 *   - Stamps and positions are those of the hybrid logical clock: milliseconds since 1970 in the
 *     upper 48 bits, a counter in the lower 16.
 *   - What is handed to a function that is called for each item is borrowed for that call. It must
 *     not call into the same look.
 *   - Each call looks at one moment of the file; two calls may see two.
 *   - Any call blocks on disk. It may fail with WEFT_CORRUPT (what is kept is not readable),
 *     WEFT_IO and WEFT_NO_MEMORY; what was handed out before that stands.
 *   - Thread: one at a time for each look.
 * SQLite may leave an empty write-ahead log (PATH-wal, PATH-shm) beside a file that nobody else has
 * open. */
#ifndef WEFT_LOOK_H
#define WEFT_LOOK_H

#include "weft.h"
#include "weft_peers.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_look weft_look;

/* Opens the library's file for reading. Its tables are those that it has now; open anew to see a
 * schema that came later. Ownership: `*out` is the caller's until weft_look_close().
 * Errors: WEFT_NOT_FOUND (no such file, or it is no library), WEFT_NOT_A_DATABASE, WEFT_NEWER,
 *   WEFT_UNSUPPORTED (an older format: to be opened once by weft_open()), WEFT_SCHEMA, WEFT_LOCKED,
 *   WEFT_READ_ONLY (its folder cannot be written, and its write-ahead log is not there). */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_open(const char *path, weft_look **out,
                                                       struct weft_error *why);

/* NULL is allowed. */
WEFT_API void weft_look_close(weft_look *look);

/* ---- the library ----------------------------------------------------------------------------- */

struct weft_look_library {
    uint8_t library[WEFT_ID_SIZE], device[WEFT_ID_SIZE];
    uint64_t incarnation;  /* of this device: grows when its file was copied or restored */
    int format;            /* of the file */
    bool joining;          /* made to come into another's library, and not in yet */
    uint64_t clock;        /* stamp of the last commit */
    unsigned members;      /* now; with this device, if it is one */
    unsigned removed;      /* devices that were one */
    uint64_t records;      /* of the shared log */
    uint64_t record_bytes; /* ... as they were signed */
    uint64_t quarantined;  /* ... that wait until their time has come */
    uint64_t file_bytes, wal_bytes;
};

/* The library as a whole. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_library(weft_look *look,
                                                          struct weft_look_library *out,
                                                          struct weft_error *why);

struct weft_look_table {
    const char *name;
    bool shared;
    uint64_t rows;    /* to be seen in the table */
    uint64_t deleted; /* rows whose deletion is remembered */
    uint64_t parked;  /* rows that the table does not take, for now */
};

/* The synced tables, by number of their models. Reads as much as it counts. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_tables(
    weft_look *look, void *context,
    void (*visit)(void *context, const struct weft_look_table *table), struct weft_error *why);

struct weft_look_column {
    const char *name;
    enum weft_type type; /* WEFT_NULL: any */
    int key_place;       /* from 0; -1: not of the key */
    bool node;           /* holds the id of a device */
};

/* The columns of a synced table, as weft_put() takes them. Errors: WEFT_NOT_FOUND. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_columns(
    weft_look *look, const char *table, void *context,
    void (*visit)(void *context, const struct weft_look_column *column), struct weft_error *why);

/* ---- members, and how far they are ----------------------------------------------------------- */

struct weft_look_member {
    struct weft_member member; /* as weft_members() says it */
    uint64_t added, removed;   /* stamps of the records that say so; 0: none does */
    uint8_t added_by[WEFT_ID_SIZE];
    uint64_t heard_ms; /* when it was last heard of, by this device's wall clock; 0: not known */
};

/* Every device that is or was a member, this one first. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_members(
    weft_look *look, void *context,
    void (*visit)(void *context, const struct weft_look_member *member), struct weft_error *why);

/* One owner's rows of one table; or, with `table` NULL, one device's records of the shared log. */
struct weft_look_stream {
    const char *table;
    uint8_t owner[WEFT_ID_SIZE];
    uint64_t incarnation; /* of the owner, for the shared log; else 0 */
    uint64_t position;    /* how far this device holds it: a stamp, or the number of a record */
    uint64_t horizon;     /* deletions (or records) up to here have been forgotten */
    uint64_t stamp;       /* of the last row or record held */
    uint64_t rows;        /* rows, or records, held */
    uint64_t deleted;     /* deletions that are remembered; 0 for the shared log */
    uint64_t missing;     /* records above the horizon that should be here, and are not */
    bool sweeping;        /* it is being taken again from its beginning */
    bool frozen;          /* its device has contradicted itself: nothing more is taken of it */
};

/* All streams, owned rows first. Reads as much as it counts. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_streams(
    weft_look *look, void *context,
    void (*visit)(void *context, const struct weft_look_stream *stream), struct weft_error *why);

/* What a member, as far as it has said, holds of a stream of which this device holds something. */
struct weft_look_ack {
    uint8_t device[WEFT_ID_SIZE]; /* the member */
    bool away;
    const char *table; /* as in struct weft_look_stream */
    uint8_t owner[WEFT_ID_SIZE];
    uint64_t incarnation;
    uint64_t position, here; /* of the member, and of this device */
    uint64_t behind; /* rows and deletions, or records, that this device holds and it does not */
};

/* For each other member and each stream that is not its own. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_acks(
    weft_look *look, void *context, void (*visit)(void *context, const struct weft_look_ack *ack),
    struct weft_error *why);

/* ---- other devices, as this one has met them ---- */

/* Devices, and addresses, that this one knows: as weft_contacts() says it, but that sessions which
 * stand now, and lags, are known to the engine alone: `state` is VACANT. `*paused` (may be NULL):
 * whether all are. What an engine that has the library open has learned in the last minute may not
 * be there yet. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_contacts(
    weft_look *look, bool *paused, void *context,
    void (*visit)(void *context, const struct weft_contact *contact), struct weft_error *why);

/* Up to `last` of the newest sessions that have ended, the newest first: those with `device`, or
 * with any (NULL). */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_sessions(
    weft_look *look, const uint8_t *device, unsigned last, void *context,
    void (*visit)(void *context, const struct weft_session *session), struct weft_error *why);

/* ---- the shared log -------------------------------------------------------------------------- */

enum weft_look_chain {
    WEFT_CHAIN_WHOLE = 1, /* it names the record before it, which is here, or it is the first */
    WEFT_CHAIN_OPEN,      /* the record before it has been forgotten */
    WEFT_CHAIN_BROKEN     /* it does not name the record that stands before it */
};

enum weft_look_seal {
    WEFT_SEAL_SIGNED = 1, /* by the device that it is of */
    WEFT_SEAL_UNKNOWN,    /* nobody has said which key that device has */
    WEFT_SEAL_FORGED      /* not by that device; or it is no record at all */
};

struct weft_look_record {
    uint64_t place; /* in the order in which they came here */
    uint8_t device[WEFT_ID_SIZE];
    uint64_t incarnation, seq;
    uint64_t stamp;
    uint64_t bytes; /* as it was signed */
    bool keeps;     /* says more than changes of rows: it is never forgotten */
    bool waits;     /* its time has not come yet */
    enum weft_look_seal seal;
    enum weft_look_chain chain;
};

enum weft_look_op_kind {
    WEFT_OP_MEMBER = 1, /* device, name: becomes a member */
    WEFT_OP_REMOVE = 2, /* device: is one no longer */
    WEFT_OP_KEY = 3,    /* count: a new library key for so many devices */
    WEFT_OP_CREATE = 4, /* table, key, fields */
    WEFT_OP_UPDATE = 5, /* table, key, fields */
    WEFT_OP_DELETE = 6, /* table, key */
    WEFT_OP_AWAY = 7,   /* device: has been silent for long */
    WEFT_OP_BACK = 8,   /* who writes it is there again */
    WEFT_OP_OTHER = 9   /* count: bytes that this version cannot read, or that are not sound */
};

/* One thing that a record says. */
struct weft_look_op {
    enum weft_look_op_kind kind;
    uint64_t stamp;
    uint8_t device[WEFT_ID_SIZE];
    char name[WEFT_NAME_MAX + 1];
    uint64_t count;
    const char *table;
    const struct weft_value *key;
    unsigned key_count;
    const char *const *fields; /* names of columns, and what is written to them */
    const struct weft_value *values;
    unsigned field_count;
};

/* Functions that are called for each record, and then for each op of it; both may be NULL. */
struct weft_look_log {
    void *context;
    void (*record)(void *context, const struct weft_look_record *record);
    void (*op)(void *context, const struct weft_look_op *op);
};

/* The last records of the shared log, `last` of them (0: all), oldest first. Each one's signature
 * is checked, which takes about 50 us. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_records(weft_look *look, uint64_t last,
                                                          const struct weft_look_log *visit,
                                                          struct weft_error *why);

/* ---- one row --------------------------------------------------------------------------------- */

struct weft_look_stamp {
    uint64_t stamp; /* 0: never */
    uint8_t device[WEFT_ID_SIZE];
    uint64_t incarnation;
};

enum weft_look_row_state {
    WEFT_ROW_ABSENT = 0, /* nothing is known of it */
    WEFT_ROW_SHOWN,      /* it stands in its table */
    WEFT_ROW_DELETED,    /* ... and that is remembered */
    WEFT_ROW_PARKED,     /* its table does not take it; `reason` */
    WEFT_ROW_RIVAL,      /* ... because of a row that was created earlier; `reason` */
    WEFT_ROW_UNCREATED,  /* fields of it have come, and its creation has not */
    WEFT_ROW_BARE        /* in the table, but not taken into sync yet */
};

struct weft_look_row {
    enum weft_look_row_state state;
    bool shared;
    /* Of an owned row: */
    uint8_t owner[WEFT_ID_SIZE];
    uint64_t version; /* ... the owner's stamp of its last change, or of its deletion */
    /* Of a shared row: */
    struct weft_look_stamp created, deleted;
    char reason[WEFT_ERROR_TEXT_MAX];
};

/* A value of a shared row, and when it was written by whom. */
struct weft_look_field {
    const char *name;
    struct weft_value value;
    struct weft_look_stamp stamp;
    bool hidden; /* its table has no such column here, or does not show the row */
};

/* What the shared log, as far as it has not been forgotten, says was done to the row. */
struct weft_look_write {
    enum weft_look_op_kind kind; /* CREATE, UPDATE or DELETE */
    struct weft_look_stamp stamp;
    const char
        *field; /* NULL with DELETE, and with CREATE of a row of which only the key is said */
    struct weft_value value;
    bool stands; /* it is what the row has now */
};

/* A member that, as far as it has said, does not hold yet what was last done to the row. While it
 * does not, and is not away, the deletion of the row is remembered, and so are its records. */
struct weft_look_lack {
    uint8_t device[WEFT_ID_SIZE]; /* the member */
    bool away; /* not waited for; but while any is away, no deletion of a shared row is forgotten */
    struct weft_look_stamp stamp; /* what it lacks: of an owned row, its version */
    uint64_t wanted, held;        /* position in the owner's stream, or number of a record */
};

/* Functions that are called for what is known of a row; each may be NULL. */
struct weft_look_known {
    void *context;
    void (*field)(void *context, const struct weft_look_field *field);
    void (*write)(void *context, const struct weft_look_write *write);
    void (*lack)(void *context, const struct weft_look_lack *lack);
};

/* All that is known of one row. `key` holds the key's values in key order. Of a shared table that
 * this version of the schema does not have, rows are found as well; then `key` must be of the
 * types that it was written with. A row that nobody knows is WEFT_OK with WEFT_ROW_ABSENT.
 * Errors: WEFT_NOT_FOUND (no such table), WEFT_TYPE, WEFT_INVALID (count of the key). */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_row(
    weft_look *look, const char *table, const struct weft_value *key, unsigned key_count,
    const struct weft_look_known *visit, struct weft_look_row *out, struct weft_error *why);

/* ---- whether all is sound -------------------------------------------------------------------- */

/* SQLite's own check of the whole file; `visit` is told each thing that is wrong, up to 100. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_integrity(weft_look *look, void *context,
                                                            void (*visit)(void *context,
                                                                          const char *fault),
                                                            struct weft_error *why);

struct weft_look_digest {
    const char *table;
    bool shared;
    uint8_t owner[WEFT_ID_SIZE]; /* of rows that are not shared */
    uint64_t rows;
    uint64_t digest; /* of the rows, as in struct weft_digest */
    bool known;      /* the library has kept a digest to hold it against */
    bool sound;      /* the rows are those that the library wrote; false if nothing is known */
};

/* Reads all rows and holds them against what the library knows that it has written, as
 * weft_verify_wait() does; what other members hold is not asked. Takes about a second for a million
 * rows, during which the write-ahead log grows if the library is being written. */
WEFT_API WEFT_MUST_USE enum weft_status weft_look_digests(
    weft_look *look, void *context,
    void (*visit)(void *context, const struct weft_look_digest *digest), struct weft_error *why);

#ifdef __cplusplus
}
#endif

#endif
