/* The store: opening a library's file, its own tables, and their migrations.
 *
 * One file holds all that must agree: the application's tables, the engine's, rows and positions.
 * WAL, synchronous=FULL. The engine's tables (schema/NNN_*.sql, compiled in, applied in order
 * inside one transaction, recorded in _weft_meta):
 *
 *   _weft_meta(key, value)            format, device, library, incarnation, clock, stamp,
 *                                     joining; key: key
 *   _weft_model(id, name)             key: id, and name
 *   _weft_device(id, device)                            key: id (1: self), and device
 *   _weft_position(owner, model, position, sweep, horizon, digest, settled)
 *                                                       key: owner, model
 *                                     sweep: how far one has come; NULL when none is under way
 *   _weft_ack(device, owner, model, position)           key: device, owner, model
 *   _weft_tombstone(owner, model, version, key)         key: owner, model, version
 *   _weft_parked(owner, model, version, key, row, reason)     key: owner, model, version
 *   _weft_digest(model, digest)                         digest.h
 *   shared_changes, peer_acks, _weft_origin, _weft_member, _weft_pin, _weft_key      shared.h
 *
 * `owner` and `device` are _weft_device ids: small integers, local to the file. Synced tables get
 * _weft_owner and _weft_version, and an index on them.
 * One engine per library: store_open() takes an exclusive lock on `path-lock` through the same VFS
 * and holds it until store_close(). */
#ifndef WEFT_STORE_STORE_H
#define WEFT_STORE_STORE_H

#include <sqlite3.h>

#include "engine/crdt/vector.h"
#include "engine/store/models.h"

#define STORE_STAMP 32u

struct store_seed {
    const char *path;
    const char *vfs;          /* NULL: the default */
    const char *schema;       /* the application's SQL; NULL: as the file has it */
    const struct id *library; /* expected or to be created; NULL: the file's, or `fresh_library` */
    struct id fresh_device;   /* used when the file is new */
    bool device_must_match;   /* an old file must be `fresh_device`'s */
    struct id fresh_library;
    /* Begun when the file is new, or has moved: the wall clock, and 16 bits drawn by chance, for a
     * machine that goes back to a snapshot of itself goes on at the same time. Greater than any
     * before it, if the clock is right; if it is not, the one after the file's is begun. */
    uint64_t fresh_incarnation;
    /* Drawn by chance; left out between the file's and the one after it then. */
    uint16_t fresh_gap;
    bool has_stamp;
    uint8_t stamp[STORE_STAMP]; /* what tells this file from a copy of it (runtime/port.h) */
    bool joining; /* a new file waits to come into `library`, which somebody else has founded */
    uint32_t cache_bytes;
    uint32_t page_bytes; /* of a new file; 0: LIMIT_PAGE_BYTES */
};

/* What a library is, once open: filled in by store_open(). */
struct store {
    sqlite3 *lock; /* holds `path-lock` */
    struct id device;
    struct id library;
    uint64_t incarnation;
    bool joining;          /* it was made to come into another's library */
    bool moved;            /* it is a copy, or was restored: this incarnation begins here */
    uint64_t clock;        /* high-water mark of the last commit; 0 when new */
    struct models *models; /* in `arena` */
    struct arena arena;
};

/* Creates or opens a library, applies migrations and the schema, compiles the models, adds the
 * engine's columns and indexes. Leaves no connection open but the lock. A file whose stamp is
 * another than the one given begins a new incarnation, and has `moved`; one without takes the stamp
 * as it is.
 * Errors: as weft_open(); WEFT_KEY_FILE: device_must_match, and it does not. */
enum weft_status store_open(const struct store_seed *seed, struct pool *pool, struct store *out,
                            struct weft_error *why);
void store_close(struct store *store);

/* Whose library the file is, if it is one already; `*found` false when there is no file, or it is
 * no library yet. Reads only; for what has to be known before store_open(). Errors: as that. */
enum weft_status store_device(const char *path, const char *vfs, struct id *device, bool *found,
                              struct weft_error *why);
/* Gives an open library that has none its stamp. */
enum weft_status store_take_stamp(const struct store_seed *seed, const struct store *store,
                                  struct weft_error *why);

/* Opens a connection set up as the engine wants it (WAL, FULL, cache, temp_store=MEMORY,
 * foreign_keys off, busy timeout, defensive). Errors: WEFT_IO and what store_fail() makes of
 * SQLite's codes. */
enum weft_status store_connect(const char *path, const char *vfs, bool read_only,
                               uint32_t cache_bytes, sqlite3 **out, struct weft_error *why);

/* Turns SQLite's extended result code and message into a status and a sentence: what was being done
 * (`doing`), to what (`what`), and what to do about it. FSYNC errors are WEFT_SYNC_FAILED. */
enum weft_status store_fail(sqlite3 *db, int code, const char *doing, const char *what,
                            struct weft_error *why);

#endif
