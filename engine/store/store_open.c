/* Opening a library: from a path to a file that is ours, up to date, and understood.
 *
 *   open file ─► lock ─► settings ─► BEGIN ─► migrations ─► identity ─► schema ─► models ─► adopt
 *                                      └────────────── one transaction ──────────────► COMMIT
 *
 * Invariants
 *   1. Nothing of the file is read before the lock is held, and nothing of it has changed when
 *      store_open() fails: the transaction is rolled back.
 *   2. The lock is an open exclusive transaction on an empty database beside the library, so it
 *      goes with the process, and works between two engines of one process as well.
 *   3. Device and library id are written once, in the transaction that makes the tables.
 *   4. A file whose stamp is not the one it was last opened with is a copy, or was restored: other
 *      records than those in it may exist under its incarnation. So it begins a new one, which is
 *      greater, in the transaction that takes the new stamp.
 * Why pages of LIMIT_PAGE_BYTES: measured on 1,000,000 file entries, bulk inserts are a tenth
 * faster than with 4096, and as fast as with 16384, at half the bytes written for a transaction of
 * one row.
 * Not here: what a stamp is made of. The vault port knows. */
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/store/annotation.h"
#include "engine/store/migrate.h"
#include "engine/store/statement.h"
#include "engine/store/store_private.h"

/* ---- the lock -------------------------------------------------------------------------------- */

/* The file's name is taken from SQLite, which resolves links: two ways to one file meet at one
 * lock. */
enum weft_status store_lock(sqlite3 *db, const char *path, const char *vfs, sqlite3 **out,
                            struct weft_error *why) {
    CHECK(db != NULL && out != NULL);
    const char *file = sqlite3_db_filename(db, "main");
    if (file == NULL || file[0] == 0) {
        return status_fail(why, WEFT_INVALID, 0,
                           "\"%s\" is no file on a disk, so nothing written to it would last; give "
                           "the path of a file",
                           path);
    }
    char *beside = sqlite3_mprintf("%s-lock", file);
    if (beside == NULL)
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", file);
    sqlite3 *lock = NULL;
    enum weft_status status = store_open_file(beside, vfs, false, &lock, why);
    if (status == WEFT_OK) {
        sqlite3_busy_timeout(lock, 0);
        status = statement_exec(lock, "locking", beside, why, "PRAGMA journal_mode = MEMORY");
    }
    if (status == WEFT_OK) status = statement_exec(lock, "locking", beside, why, "BEGIN EXCLUSIVE");
    if (status == WEFT_LOCKED) {
        status = status_fail(why, WEFT_LOCKED, 0,
                             "%s is open in another engine, in this program or another one; close "
                             "that one first",
                             path);
    }
    sqlite3_free(beside);
    if (status == WEFT_OK) {
        *out = lock;
    } else {
        sqlite3_close(lock);
    }
    return status;
}

/* ---- who it is ------------------------------------------------------------------------------- */

/* What the file says of itself, beside what goes into struct store. */
struct meta {
    bool found; /* it is not new */
    bool has_stamp;
    uint8_t stamp[STORE_STAMP];
};

/* Takes the columns of meta_read()'s row; false when they do not agree. */
static bool meta_take(sqlite3_stmt *row, struct store *store, struct meta *meta) {
    struct weft_value v[7];
    struct id self;
    for (int i = 0; i < 7; i++)
        v[i] = statement_value(row, i);
    bool sound = v[0].type == WEFT_BLOB && v[1].type == WEFT_BLOB && v[4].type == WEFT_BLOB &&
                 v[2].type == WEFT_INTEGER && v[3].type == WEFT_INTEGER &&
                 id_read(&store->device, v[0].as.bytes, v[0].size) &&
                 id_read(&store->library, v[1].as.bytes, v[1].size) &&
                 id_read(&self, v[4].as.bytes, v[4].size) && id_equal(&self, &store->device) &&
                 v[2].as.integer >= 0 && v[2].as.integer < INT64_MAX;
    meta->has_stamp = v[5].type != WEFT_NULL;
    sound = sound && (!meta->has_stamp || (v[5].type == WEFT_BLOB && v[5].size == STORE_STAMP));
    if (!sound) return false;
    store->incarnation = (uint64_t)v[2].as.integer;
    store->clock = (uint64_t)v[3].as.integer;
    store->joining = v[6].type != WEFT_NULL;
    if (meta->has_stamp) memcpy(meta->stamp, v[5].as.bytes, STORE_STAMP);
    meta->found = true;
    return true;
}

static enum weft_status meta_read(sqlite3 *db, const struct store_seed *seed, struct store *store,
                                  struct meta *meta, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *meta = (struct meta){0};
    enum weft_status status = statement_prepare(
        db, &query, seed->path, why,
        "SELECT max(value) FILTER (WHERE key = 'device'), "
        "max(value) FILTER (WHERE key = 'library'), "
        "max(value) FILTER (WHERE key = 'incarnation'), max(value) FILTER (WHERE key = 'clock'), "
        "(SELECT device FROM _weft_device WHERE id = 1), max(value) FILTER (WHERE key = 'stamp'), "
        "max(value) FILTER (WHERE key = 'joining') FROM _weft_meta");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", seed->path, why);
    if (status == WEFT_OK && row && sqlite3_column_type(query, 0) != SQLITE_NULL &&
        !meta_take(query, store, meta)) {
        status = status_fail(why, WEFT_CORRUPT, 0,
                             "%s: its tables _weft_meta and _weft_device do not agree on which "
                             "device and library this is; restore the file from a copy",
                             seed->path);
    }
    sqlite3_finalize(query);
    return status;
}

static enum weft_status meta_create(sqlite3 *db, const struct store_seed *seed, struct store *store,
                                    struct weft_error *why) {
    CHECK(!id_is_zero(&seed->fresh_device));
    store->device = seed->fresh_device;
    store->library = seed->library != NULL ? *seed->library : seed->fresh_library;
    store->incarnation = seed->fresh_incarnation;
    store->clock = 0;
    store->joining = seed->joining;
    CHECK(!id_is_zero(&store->library));
    struct weft_value device = weft_blob(store->device.bytes, sizeof store->device.bytes);
    struct weft_value library = weft_blob(store->library.bytes, sizeof store->library.bytes);
    struct weft_value incarnation = weft_integer((int64_t)store->incarnation);
    sqlite3_stmt *meta = NULL, *self = NULL;
    enum weft_status status =
        statement_prepare(db, &meta, seed->path, why,
                          "INSERT INTO _weft_meta(key, value) VALUES ('device', ?1), "
                          "('library', ?2), ('incarnation', ?3), ('clock', 0)");
    if (status == WEFT_OK) {
        status = statement_prepare(db, &self, seed->path, why,
                                   "INSERT INTO _weft_device(id, device) VALUES (1, ?1)");
    }
    if (status == WEFT_OK) {
        statement_bind(meta, 1, &device);
        statement_bind(meta, 2, &library);
        statement_bind(meta, 3, &incarnation);
        statement_bind(self, 1, &device);
        status = statement_run(meta, "creating", seed->path, why);
    }
    if (status == WEFT_OK) status = statement_run(self, "creating", seed->path, why);
    if (status == WEFT_OK && seed->joining) {
        status = statement_exec(db, "creating", seed->path, why,
                                "INSERT INTO _weft_meta(key, value) VALUES ('joining', 1)");
    }
    sqlite3_finalize(meta);
    sqlite3_finalize(self);
    return status;
}

/* Writes the stamp given, and the incarnation that goes with it. */
static enum weft_status stamp_write(sqlite3 *db, const struct store_seed *seed,
                                    const struct store *store, struct weft_error *why) {
    struct weft_value stamp = weft_blob(seed->stamp, sizeof seed->stamp);
    struct weft_value incarnation = weft_integer((int64_t)store->incarnation);
    sqlite3_stmt *write = NULL;
    enum weft_status status =
        statement_prepare(db, &write, seed->path, why,
                          "INSERT INTO _weft_meta(key, value) VALUES ('stamp', ?1), "
                          "('incarnation', ?2) "
                          "ON CONFLICT(key) DO UPDATE SET value = excluded.value");
    if (status == WEFT_OK) {
        statement_bind(write, 1, &stamp);
        statement_bind(write, 2, &incarnation);
        status = statement_run(write, "opening", seed->path, why);
    }
    sqlite3_finalize(write);
    return status;
}

static enum weft_status stamp_settle(sqlite3 *db, const struct store_seed *seed,
                                     const struct meta *meta, struct store *store,
                                     struct weft_error *why) {
    CHECK(!store->moved);
    if (!seed->has_stamp) return WEFT_OK;
    if (meta->has_stamp && memcmp(meta->stamp, seed->stamp, STORE_STAMP) == 0) return WEFT_OK;
    store->moved = meta->has_stamp;
    if (store->moved) {
        const uint64_t next = store->incarnation + 1, fresh = seed->fresh_incarnation;
        const uint64_t later = next + seed->fresh_gap < INT64_MAX ? next + seed->fresh_gap : next;
        store->incarnation = fresh > next && fresh <= INT64_MAX ? fresh : later;
    }
    return stamp_write(db, seed, store, why);
}

enum weft_status store_take_stamp(const struct store_seed *seed, const struct store *store,
                                  struct weft_error *why) {
    sqlite3 *db = NULL;
    CHECK(seed->has_stamp && store->lock != NULL);
    enum weft_status status = store_connect(seed->path, seed->vfs, false, 0, &db, why);
    if (status == WEFT_OK) status = stamp_write(db, seed, store, why);
    sqlite3_close(db);
    return status;
}

enum weft_status store_device(const char *path, const char *vfs, struct id *device, bool *found,
                              struct weft_error *why) {
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    bool row = false;
    *found = false;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs);
    if (code == SQLITE_CANTOPEN) {
        sqlite3_close(db);
        return WEFT_OK; /* There is no file; or store_open() will say what is the matter. */
    }
    enum weft_status status =
        code == SQLITE_OK ? WEFT_OK : store_fail(db, code, "opening", path, why);
    if (status == WEFT_OK) {
        status = statement_prepare(
            db, &query, path, why,
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_weft_device'");
    }
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", path, why);
    sqlite3_finalize(query);
    query = NULL;
    if (status == WEFT_OK && row) {
        status = statement_prepare(db, &query, path, why,
                                   "SELECT device FROM _weft_device WHERE id = 1");
        if (status == WEFT_OK) status = statement_step(query, &row, "reading", path, why);
        if (status == WEFT_OK && row) {
            *found = id_read(device, sqlite3_column_blob(query, 0),
                             (size_t)sqlite3_column_bytes(query, 0));
        }
        sqlite3_finalize(query);
    }
    sqlite3_close(db);
    return status;
}

/* Whether an old file is the one that was asked for. */
static enum weft_status identity_check(const struct store_seed *seed, const struct store *store,
                                       struct weft_error *why) {
    char has[ID_TEXT_SIZE], wanted[ID_TEXT_SIZE];
    if (seed->library != NULL && !id_equal(seed->library, &store->library)) {
        id_text(&store->library, has);
        id_text(seed->library, wanted);
        return status_fail(why, WEFT_OTHER_LIBRARY, 0,
                           "%s holds library %s, but %s was asked for; give the path of that "
                           "library, or leave the id out",
                           seed->path, has, wanted);
    }
    if (seed->device_must_match && !id_equal(&seed->fresh_device, &store->device)) {
        id_text(&store->device, has);
        id_text(&seed->fresh_device, wanted);
        return status_fail(why, WEFT_KEY_FILE, 0,
                           "%s belongs to device %s, and the key file beside it to device %s: put "
                           "back the key file that was made with this library, or let this device "
                           "join anew, with another path",
                           seed->path, has, wanted);
    }
    return WEFT_OK;
}

static enum weft_status identity(sqlite3 *db, const struct store_seed *seed, struct store *store,
                                 struct weft_error *why) {
    struct meta meta;
    enum weft_status status = meta_read(db, seed, store, &meta, why);
    if (status != WEFT_OK) return status;
    status = meta.found ? identity_check(seed, store, why) : meta_create(db, seed, store, why);
    return status == WEFT_OK ? stamp_settle(db, seed, &meta, store, why) : status;
}

/* ---- the application's schema ---------------------------------------------------------------- */

bool store_ours(const char *name) {
    if (name == NULL) return false;
    return sqlite3_strnicmp(name, "_weft", 5) == 0 ||
           sqlite3_stricmp(name, "shared_changes") == 0 || sqlite3_stricmp(name, "peer_acks") == 0;
}

/* What the schema may not do: end our transaction, leave this file, touch the engine's tables. */
static int schema_allows(void *context, int action, const char *first, const char *second,
                         const char *database, const char *trigger) {
    (void)context, (void)second, (void)database, (void)trigger;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return SQLITE_DENY;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_CREATE_TABLE:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_INDEX:
        return store_ours(first) ? SQLITE_DENY : SQLITE_OK;
    default:
        return SQLITE_OK;
    }
}

static enum weft_status schema_fail(sqlite3 *db, const char *schema, const char *at, int code,
                                    struct weft_error *why) {
    int inside = sqlite3_error_offset(db);
    while (inside < 0 && *at != 0 && strchr(" \t\r\n", *at) != NULL)
        at++;
    const char *place = at + (inside < 0 ? 0 : inside);
    unsigned line = 1;
    for (const char *c = schema; c < place; c++)
        line += *c == '\n';
    int primary = code & 0xff;
    if (primary != SQLITE_ERROR && primary != SQLITE_AUTH && primary != SQLITE_CONSTRAINT) {
        return store_fail(db, code, "running the schema on", sqlite3_db_filename(db, "main"), why);
    }
    return status_fail(
        why, WEFT_SCHEMA, code, "the schema, line %u: %s; %s", line,
        primary == SQLITE_AUTH ? "this statement is not allowed in a schema" : sqlite3_errmsg(db),
        primary == SQLITE_AUTH ? "take out BEGIN, COMMIT, SAVEPOINT, ATTACH, DETACH, and whatever "
                                 "changes shared_changes, peer_acks, or a table whose name starts "
                                 "with _weft"
                               : "correct the SQL");
}

static enum weft_status schema_run(sqlite3 *db, const char *schema, struct weft_error *why) {
    enum weft_status status = annotation_stray(schema, why);
    const char *at = schema;
    while (status == WEFT_OK && *at != 0) {
        sqlite3_stmt *statement = NULL;
        const char *tail = at;
        int code = sqlite3_prepare_v2(db, at, -1, &statement, &tail);
        CHECK(code != SQLITE_OK || tail > at);
        if (code == SQLITE_OK && statement != NULL) {
            do
                code = sqlite3_step(statement);
            while (code == SQLITE_ROW);
        }
        if (code != SQLITE_OK && code != SQLITE_DONE) {
            status = schema_fail(db, schema, at, code, why);
        }
        sqlite3_finalize(statement);
        at = tail;
    }
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Everything that one transaction does. */
static enum weft_status fill(sqlite3 *db, const struct store_seed *seed, struct store *store,
                             struct weft_error *why) {
    enum weft_status status = migrate(db, seed->path, why);
    if (status == WEFT_OK) status = identity(db, seed, store, why);
    if (status == WEFT_OK && seed->schema != NULL) {
        sqlite3_set_authorizer(db, schema_allows, NULL);
        status = schema_run(db, seed->schema, why);
        sqlite3_set_authorizer(db, NULL, NULL);
    }
    if (status == WEFT_OK) status = models_compile(db, &store->arena, &store->models, why);
    if (status == WEFT_OK) status = store_adopt(db, store, why);
    return status;
}

enum weft_status store_open(const struct store_seed *seed, struct pool *pool, struct store *out,
                            struct weft_error *why) {
    CHECK(seed != NULL && seed->path != NULL);
    CHECK(out != NULL);
    sqlite3 *db = NULL;
    *out = (struct store){0};
    arena_init(&out->arena, pool);

    enum weft_status status = store_open_file(seed->path, seed->vfs, false, &db, why);
    if (status != WEFT_OK) goto drop_arena;
    status = store_lock(db, seed->path, seed->vfs, &out->lock, why);
    if (status != WEFT_OK) goto close_file;
    status = statement_exec(db, "opening", seed->path, why, "PRAGMA main.page_size = %u",
                            seed->page_bytes != 0 ? seed->page_bytes : LIMIT_PAGE_BYTES);
    if (status == WEFT_OK) status = store_settle(db, seed->path, false, seed->cache_bytes, why);
    if (status != WEFT_OK) goto release_lock;
    status = statement_exec(db, "opening", seed->path, why, "BEGIN IMMEDIATE");
    if (status != WEFT_OK) goto release_lock;
    status = fill(db, seed, out, why);
    if (status == WEFT_OK) status = statement_exec(db, "opening", seed->path, why, "COMMIT");
    if (status != WEFT_OK) goto roll_back;
    sqlite3_close(db);
    return WEFT_OK;

roll_back:
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
release_lock:
    sqlite3_close(db);
    db = NULL;
    sqlite3_close(out->lock);
close_file:
    sqlite3_close(db);
drop_arena:
    arena_drop(&out->arena);
    *out = (struct store){0};
    return status;
}

void store_close(struct store *store) {
    CHECK(store != NULL);
    int code = sqlite3_close(store->lock);
    CHECK(code == SQLITE_OK);
    arena_drop(&store->arena);
    *store = (struct store){0};
}
