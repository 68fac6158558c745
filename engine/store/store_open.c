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
 * Not here: telling a copied file from the original. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/annotation.h"
#include "engine/store/migrate.h"
#include "engine/store/statement.h"
#include "engine/store/store_private.h"

/* ---- the lock -------------------------------------------------------------------------------- */

/* Locks the library that `db` has open. The name is SQLite's, in which links are resolved: two ways
 * to one file meet at one lock. */
static enum weft_status lock_take(sqlite3 *db, const struct store_seed *seed, sqlite3 **out,
                                  struct weft_error *why) {
    const char *file = sqlite3_db_filename(db, "main");
    if (file == NULL || file[0] == 0) {
        return status_fail(why, WEFT_INVALID, 0,
                           "\"%s\" is no file on a disk, so nothing written to it would last; give "
                           "the path of a file",
                           seed->path);
    }
    char *path = sqlite3_mprintf("%s-lock", file);
    if (path == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", file);
    sqlite3 *lock = NULL;
    enum weft_status status = store_open_file(path, seed->vfs, false, &lock, why);
    if (status == WEFT_OK) {
        sqlite3_busy_timeout(lock, 0);
        status = statement_exec(lock, "locking", path, why, "PRAGMA journal_mode = MEMORY");
    }
    if (status == WEFT_OK) status = statement_exec(lock, "locking", path, why, "BEGIN EXCLUSIVE");
    if (status == WEFT_LOCKED) {
        status = status_fail(why, WEFT_LOCKED, 0,
                             "%s is open in another engine, in this program or another one; close "
                             "that one first",
                             seed->path);
    }
    sqlite3_free(path);
    if (status == WEFT_OK) {
        *out = lock;
    } else {
        sqlite3_close(lock);
    }
    return status;
}

/* ---- who it is ------------------------------------------------------------------------------- */

static enum weft_status meta_read(sqlite3 *db, const struct store_seed *seed, struct store *store,
                                  bool *found, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *found = false;
    enum weft_status status = statement_prepare(
        db, &query, seed->path, why,
        "SELECT max(value) FILTER (WHERE key = 'device'), "
        "max(value) FILTER (WHERE key = 'library'), "
        "max(value) FILTER (WHERE key = 'incarnation'), max(value) FILTER (WHERE key = 'clock'), "
        "(SELECT device FROM _weft_device WHERE id = 1) FROM _weft_meta");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", seed->path, why);
    if (status == WEFT_OK && row && sqlite3_column_type(query, 0) != SQLITE_NULL) {
        struct weft_value v[5];
        for (int i = 0; i < 5; i++)
            v[i] = statement_value(query, i);
        struct id self;
        bool sound = v[0].type == WEFT_BLOB && v[1].type == WEFT_BLOB && v[4].type == WEFT_BLOB &&
                     v[2].type == WEFT_INTEGER && v[3].type == WEFT_INTEGER &&
                     id_read(&store->device, v[0].as.bytes, v[0].size) &&
                     id_read(&store->library, v[1].as.bytes, v[1].size) &&
                     id_read(&self, v[4].as.bytes, v[4].size) && id_equal(&self, &store->device);
        if (sound) {
            store->incarnation = (uint64_t)v[2].as.integer;
            store->clock = (uint64_t)v[3].as.integer;
            *found = true;
        } else {
            status = status_fail(why, WEFT_CORRUPT, 0,
                                 "%s: its tables _weft_meta and _weft_device do not agree on which "
                                 "device and library this is; restore the file from a copy",
                                 seed->path);
        }
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
                                   "INSERT INTO _weft_device(id, device, member, met_ms) "
                                   "VALUES (1, ?1, 1, 0)");
    }
    if (status == WEFT_OK) {
        statement_bind(meta, 1, &device);
        statement_bind(meta, 2, &library);
        statement_bind(meta, 3, &incarnation);
        statement_bind(self, 1, &device);
        status = statement_run(meta, "creating", seed->path, why);
    }
    if (status == WEFT_OK) status = statement_run(self, "creating", seed->path, why);
    sqlite3_finalize(meta);
    sqlite3_finalize(self);
    return status;
}

static enum weft_status identity(sqlite3 *db, const struct store_seed *seed, struct store *store,
                                 struct weft_error *why) {
    bool found = false;
    enum weft_status status = meta_read(db, seed, store, &found, why);
    if (status != WEFT_OK) return status;
    if (!found) return meta_create(db, seed, store, why);
    if (seed->library == NULL || id_equal(seed->library, &store->library)) return WEFT_OK;
    char has[ID_TEXT_SIZE], wanted[ID_TEXT_SIZE];
    id_text(&store->library, has);
    id_text(seed->library, wanted);
    return status_fail(why, WEFT_OTHER_LIBRARY, 0,
                       "%s holds library %s, but %s was asked for; give the path of that library, "
                       "or leave the id out",
                       seed->path, has, wanted);
}

/* ---- the application's schema ---------------------------------------------------------------- */

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
        return first != NULL && sqlite3_strnicmp(first, "_weft", 5) == 0 ? SQLITE_DENY : SQLITE_OK;
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
                                 "changes a table whose name starts with _weft"
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
    status = lock_take(db, seed, &out->lock, why);
    if (status != WEFT_OK) goto close_file;
    status = store_settle(db, seed->path, false, seed->cache_bytes, why);
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
