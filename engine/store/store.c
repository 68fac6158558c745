/* Connections: how every one of them is set up, and what SQLite's failures mean.
 *
 * Why these settings
 *   WAL, synchronous=FULL   a commit that returned survives a power cut: acks depend on it.
 *   temp_store=MEMORY       statement journals of multi-row upserts would spill to a file.
 *   secure_delete=OFF       some builds turn it on; it doubles what a delete writes.
 *   journal_size_limit      a log that grew behind a long reader is cut back afterwards.
 *   foreign_keys=OFF        streams are independent: references may dangle for a moment.
 *   trusted_schema=OFF, defensive   a file from elsewhere cannot make us run what it likes.
 *
 * Invariant: no message leaves without saying what was being done, to what, and what to do next.
 * Not here: opening a library. store_open.c does that. */
#include <errno.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/statement.h"
#include "engine/store/store_private.h"

#define STORE_BUSY_MS 5000
#define STORE_LOG_BYTES_MAX (64 << 20)

/* ---- failures -------------------------------------------------------------------------------- */

struct cause {
    enum weft_status status;
    const char *reason; /* NULL: SQLite's own message */
    const char *advice;
};

static struct cause cause_system(int number, const struct cause *otherwise) {
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return (struct cause){WEFT_DISK_FULL, "the disk is full",
                              "free some space, then try again"};
    case EACCES:
    case EPERM:
    case EROFS:
        return (struct cause){WEFT_READ_ONLY, "this program may not write there",
                              "give it write permission to the folder and the file"};
    case EISDIR:
        return (struct cause){WEFT_NOT_A_DATABASE, "it is a folder",
                              "give the path of a file inside it"};
    case ENOENT:
    case ENOTDIR:
        return (struct cause){WEFT_IO, "the folder that should hold the file does not exist",
                              "create the folder or correct the path"};
    default:
        return *otherwise;
    }
}

static struct cause cause_io(int code, int number) {
    struct cause cause = {WEFT_IO, NULL, "check the disk and its cables, then try again"};
    switch (code) {
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
        return (struct cause){
            WEFT_SYNC_FAILED, NULL,
            "what was not acknowledged may be lost; check the disk, then open the "
            "library again"};
    case SQLITE_IOERR_NOMEM:
        return (struct cause){WEFT_NO_MEMORY, "out of memory", "free some memory"};
    default:
        return cause_system(number, &cause);
    }
}

static struct cause cause_of(sqlite3 *db, int code) {
    int number = db == NULL ? 0 : sqlite3_system_errno(db);
    struct cause io = {WEFT_IO, NULL, "check that the path can be read and written"};
    switch (code & 0xff) {
    case SQLITE_FULL:
        return cause_system(ENOSPC, &io);
    case SQLITE_IOERR:
        return cause_io(code, number);
    case SQLITE_CANTOPEN:
        return cause_system(number, &io);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return cause_system(EACCES, &io);
    case SQLITE_NOTADB:
        return (struct cause){WEFT_NOT_A_DATABASE, "the file is not a SQLite database",
                              "give the path of another file, or of none to begin a new library"};
    case SQLITE_CORRUPT:
        return (struct cause){WEFT_CORRUPT, NULL, "restore the file from a copy"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return (struct cause){WEFT_LOCKED, "another connection holds a lock on the file",
                              "close the program that writes to it"};
    case SQLITE_NOMEM:
        return (struct cause){WEFT_NO_MEMORY, "out of memory", "free some memory"};
    case SQLITE_TOOBIG:
        return (struct cause){WEFT_LIMIT, NULL, "make the row smaller"};
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return (struct cause){WEFT_CONSTRAINT, NULL, "change the row, or the constraint"};
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_AUTH:
        return (struct cause){WEFT_SCHEMA, NULL,
                              "check that nobody changed the tables while the library was open"};
    default:
        return io;
    }
}

enum weft_status store_fail(sqlite3 *db, int code, const char *doing, const char *what,
                            struct weft_error *why) {
    CHECK(code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE);
    CHECK(code != SQLITE_MISUSE);
    CHECK(doing != NULL && what != NULL);
    struct cause cause = cause_of(db, code);
    const char *reason = cause.reason;
    if (reason == NULL) reason = db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db);
    return status_fail(why, cause.status, code, "%s %s failed: %s (SQLite's code %d); %s", doing,
                       what, reason, code, cause.advice);
}

/* ---- connections ----------------------------------------------------------------------------- */

/* Whether the folder that should hold a file is there. After failing to open for writing SQLite
 * tries to open for reading, so that the system's last word is always "no such file". */
static bool folder_exists(const char *path, const char *vfs) {
    sqlite3_vfs *system = sqlite3_vfs_find(vfs);
    const char *end = strrchr(path, '/');
    int found = 0;
    if (system == NULL || end == NULL) return system != NULL;
    if (end == path) return true;
    char *folder = sqlite3_mprintf("%.*s", (int)(end - path), path);
    if (folder == NULL) return false;
    int code = system->xAccess(system, folder, SQLITE_ACCESS_EXISTS, &found);
    sqlite3_free(folder);
    return code == SQLITE_OK && found != 0;
}

static enum weft_status fail_read_only(const char *path, struct weft_error *why) {
    return status_fail(why, WEFT_READ_ONLY, 0,
                       "opening %s failed: this program may not write there; give it write "
                       "permission to the folder and the file",
                       path);
}

enum weft_status store_open_file(const char *path, const char *vfs, bool read_only, sqlite3 **out,
                                 struct weft_error *why) {
    CHECK(path != NULL);
    CHECK(out != NULL);
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    flags |= read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    *out = NULL;
    int code = sqlite3_open_v2(path, &db, flags, vfs);
    enum weft_status status = WEFT_OK;
    if (code != SQLITE_OK) {
        bool missing =
            db != NULL && (code & 0xff) == SQLITE_CANTOPEN && sqlite3_system_errno(db) == ENOENT;
        status = missing && !read_only && folder_exists(path, vfs)
                     ? fail_read_only(path, why)
                     : store_fail(db, code, "opening", path, why);
    } else if (!read_only && sqlite3_db_readonly(db, "main") == 1) {
        /* SQLite falls back to reading when it may not write. */
        status = fail_read_only(path, why);
    }
    if (status != WEFT_OK) {
        sqlite3_close(db);
        return status;
    }
    sqlite3_busy_timeout(db, STORE_BUSY_MS);
    *out = db;
    return WEFT_OK;
}

/* Switches to write-ahead logging; SQLite answers with the mode that it really uses. */
static enum weft_status settle_log(sqlite3 *db, const char *path, struct weft_error *why) {
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum weft_status status =
        statement_prepare(db, &statement, path, why, "PRAGMA main.journal_mode = WAL");
    if (status == WEFT_OK) status = statement_step(statement, &row, "opening", path, why);
    const char *mode = row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (status == WEFT_OK && (mode == NULL || sqlite3_stricmp(mode, "wal") != 0)) {
        status = status_fail(why, WEFT_IO, 0,
                             "opening %s failed: this place cannot keep a write-ahead log (SQLite "
                             "uses \"%s\"); put the library on a local disk",
                             path, mode == NULL ? "nothing" : mode);
    }
    sqlite3_finalize(statement);
    return status;
}

enum weft_status store_settle(sqlite3 *db, const char *path, bool read_only, uint32_t cache_bytes,
                              struct weft_error *why) {
    CHECK(db != NULL);
    CHECK(path != NULL);
    int defensive = 0;
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, &defensive);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    CHECK(defensive == 1);
    static const char common[] = "PRAGMA main.cache_size = -%u";
    enum weft_status status =
        statement_exec(db, "opening", path, why, common, cache_bytes / 1024 + 1);
    const char *const always[] = {"PRAGMA temp_store = MEMORY", "PRAGMA foreign_keys = OFF", NULL};
    for (int i = 0; always[i] != NULL && status == WEFT_OK; i++) {
        status = statement_exec(db, "opening", path, why, "%s", always[i]);
    }
    if (status != WEFT_OK || read_only) return status;

    status = settle_log(db, path, why);
    if (status == WEFT_OK) {
        status = statement_exec(db, "opening", path, why, "PRAGMA main.journal_size_limit = %d",
                                STORE_LOG_BYTES_MAX);
    }
    const char *const writing[] = {"PRAGMA main.synchronous = FULL",
                                   "PRAGMA main.secure_delete = OFF", NULL};
    for (int i = 0; writing[i] != NULL && status == WEFT_OK; i++) {
        status = statement_exec(db, "opening", path, why, "%s", writing[i]);
    }
    return status;
}

enum weft_status store_connect(const char *path, const char *vfs, bool read_only,
                               uint32_t cache_bytes, sqlite3 **out, struct weft_error *why) {
    CHECK(path != NULL);
    CHECK(out != NULL);
    sqlite3 *db = NULL;
    *out = NULL;
    enum weft_status status = store_open_file(path, vfs, read_only, &db, why);
    if (status != WEFT_OK) return status;
    status = store_settle(db, path, read_only, cache_bytes, why);
    if (status != WEFT_OK) {
        sqlite3_close(db);
        return status;
    }
    *out = db;
    return WEFT_OK;
}
