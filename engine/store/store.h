/* The store: opening a library's file, its own tables, and their migrations.
 *
 * One file holds all that must agree: the application's tables, the engine's, rows and positions.
 * WAL, synchronous=FULL. The engine's tables (schema/NNN_*.sql, compiled in, applied in order
 * inside one transaction, recorded in _weft_meta):
 *
 *   _weft_meta(key, value)            format, device, library, incarnation, clock; key: key
 *   _weft_model(id, name)             key: id, and name
 *   _weft_device(id, device, member, met_ms)            key: id (1: self), and device
 *   _weft_position(owner, model, position, sweep, horizon)    key: owner, model
 *                                     sweep: how far one has come; NULL when none is under way
 *   _weft_ack(device, owner, model, position)           key: device, owner, model
 *   _weft_tombstone(owner, model, version, key)         key: owner, model, version
 *   _weft_parked(owner, model, version, key, row, reason)     key: owner, model, version
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

struct store_seed {
    const char *path;
    const char *vfs;          /* NULL: the default */
    const char *schema;       /* the application's SQL; NULL: as the file has it */
    const struct id *library; /* expected or to be created; NULL: the file's, or `fresh_library` */
    struct id fresh_device;   /* used when the file is new */
    struct id fresh_library;
    uint64_t fresh_incarnation;
    uint32_t cache_bytes;
};

/* What a library is, once open: filled in by store_open(). */
struct store {
    sqlite3 *lock; /* holds `path-lock` */
    struct id device;
    struct id library;
    uint64_t incarnation;
    uint64_t clock;        /* high-water mark of the last commit; 0 when new */
    struct models *models; /* in `arena` */
    struct arena arena;
};

/* Creates or opens a library, applies migrations and the schema, compiles the models, adds the
 * engine's columns and indexes. Leaves no connection open but the lock.
 * Errors: as weft_open(). */
enum weft_status store_open(const struct store_seed *seed, struct pool *pool, struct store *out,
                            struct weft_error *why);
void store_close(struct store *store);

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
