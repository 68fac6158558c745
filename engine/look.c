/* See weft_look.h. Here: opening, and the library as a whole. */
#include "engine/look.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/migrate.h"
#include "engine/store/statement.h"
#include "engine/store/store.h"

#define LOOK_CACHE_BYTES (4u << 20)

/* ---- statements ---- */

enum weft_status look_begin(struct weft_look *look, struct weft_error *why) {
    return statement_exec(look->db, "reading", look->path, why, "BEGIN");
}

void look_end(struct weft_look *look) {
    (void)sqlite3_exec(look->db, "COMMIT", NULL, NULL, NULL);
    /* A reader's COMMIT fails only when it is over already. */
    if (sqlite3_get_autocommit(look->db) == 0)
        (void)sqlite3_exec(look->db, "ROLLBACK", NULL, NULL, NULL);
}

enum weft_status look_corrupt(const struct weft_look *look, const char *what,
                              struct weft_error *why) {
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: what is kept of %s cannot be read; restore the file from a copy",
                       look->path, what);
}

enum weft_status look_rows(struct weft_look *look, sqlite3_stmt *statement, enum weft_status status,
                           const char *what, void *context,
                           bool (*visit)(void *context, sqlite3_stmt *row),
                           struct weft_error *why) {
    for (bool row = true; status == WEFT_OK;) {
        status = statement_step(statement, &row, "reading", look->path, why);
        if (status != WEFT_OK || !row) break;
        if (!visit(context, statement)) status = look_corrupt(look, what, why);
    }
    sqlite3_finalize(statement);
    return status;
}

static bool take_number(void *context, sqlite3_stmt *row) {
    *(uint64_t *)context = (uint64_t)sqlite3_column_int64(row, 0);
    return true;
}

enum weft_status look_number(struct weft_look *look, sqlite3_stmt *statement,
                             enum weft_status status, uint64_t *out, struct weft_error *why) {
    *out = 0;
    return look_rows(look, statement, status, "a number", out, take_number, why);
}

bool look_text(sqlite3_stmt *row, int column, char *out, size_t room) {
    CHECK(room > 0);
    const struct weft_value value = statement_value(row, column);
    out[0] = '\0';
    if (value.type != WEFT_TEXT || value.as.bytes == NULL) return false;
    utf8_plain(value.as.bytes, value.size, out, room);
    return true;
}

/* ---- opening ---- */

/* Before SQLite is asked, which does not say so clearly. */
static enum weft_status find_file(const char *path, struct weft_error *why) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int found = 0;
    if (vfs == NULL || vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &found) != SQLITE_OK)
        found = 1;
    if (found != 0) return WEFT_OK;
    return status_fail(why, WEFT_NOT_FOUND, 0,
                       "there is no file \"%s\"; give the path of a library", path);
}

static enum weft_status check_format(struct weft_look *look, struct weft_error *why) {
    int format = 0, known = 0;
    enum weft_status status = migrate_format(look->db, look->path, &format, &known, why);
    if (status != WEFT_OK || format == known) return status;
    if (format == 0) {
        return status_fail(why, WEFT_NOT_FOUND, 0,
                           "%s is a database, but no library yet; open it once with weft_open(), "
                           "or give the path of another file",
                           look->path);
    }
    return status_fail(why, WEFT_UNSUPPORTED, 0,
                       "%s: the library has format %d, from before format %d, which this build "
                       "looks into; open it once with weft_open(), which brings it up to date",
                       look->path, format, known);
}

struct meta {
    struct weft_look_library *out;
    bool device, library;
};

static bool take_meta(void *context, sqlite3_stmt *row) {
    struct meta *meta = context;
    char key[32];
    if (!look_text(row, 0, key, sizeof key)) return false;
    const struct weft_value value = statement_value(row, 1);
    const bool id = value.type == WEFT_BLOB && value.size == WEFT_ID_SIZE;
    const uint64_t number = (uint64_t)sqlite3_column_int64(row, 1);
    if (strcmp(key, "device") == 0 && id) {
        memcpy(meta->out->device, value.as.bytes, WEFT_ID_SIZE);
        meta->device = true;
    } else if (strcmp(key, "library") == 0 && id) {
        memcpy(meta->out->library, value.as.bytes, WEFT_ID_SIZE);
        meta->library = true;
    } else if (strcmp(key, "incarnation") == 0) {
        meta->out->incarnation = number;
    } else if (strcmp(key, "clock") == 0) {
        meta->out->clock = number;
    } else if (strcmp(key, "format") == 0) {
        meta->out->format = (int)number;
    } else if (strcmp(key, "joining") == 0) {
        meta->out->joining = number != 0;
    }
    return true;
}

static enum weft_status read_meta(struct weft_look *look, struct weft_look_library *out,
                                  struct weft_error *why) {
    struct meta meta = {.out = out};
    sqlite3_stmt *query = NULL;
    enum weft_status status =
        look_prepare(look, &query, why, "SELECT key, value FROM main._weft_meta");
    status = look_rows(look, query, status, "the library", &meta, take_meta, why);
    if (status == WEFT_OK && !(meta.device && meta.library))
        status = look_corrupt(look, "the library", why);
    return status;
}

enum weft_status weft_look_open(const char *path, weft_look **out, struct weft_error *why) {
    struct weft_look_library library = {0};
    CHECK(path != NULL && out != NULL);
    *out = NULL;
    enum weft_status status = find_file(path, why);
    if (status != WEFT_OK) return status;
    struct weft_look *look = calloc(1, sizeof *look);
    if (look != NULL) look->path = strdup(path);
    if (look != NULL) look->pool = pool_open(0, 0, NULL);
    if (look == NULL || look->path == NULL || look->pool == NULL) {
        weft_look_close(look);
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", path);
    }
    arena_init(&look->arena, look->pool);
    status = store_connect(path, NULL, true, LOOK_CACHE_BYTES, &look->db, why);
    if (status == WEFT_OK) status = check_format(look, why);
    if (status == WEFT_OK) status = read_meta(look, &library, why);
    if (status == WEFT_OK) status = look_models(look, why);
    if (status != WEFT_OK) {
        weft_look_close(look);
        return status;
    }
    memcpy(look->device.bytes, library.device, WEFT_ID_SIZE);
    memcpy(look->library.bytes, library.library, WEFT_ID_SIZE);
    *out = look;
    return WEFT_OK;
}

void weft_look_close(weft_look *look) {
    if (look == NULL) return;
    int code = sqlite3_close(look->db);
    CHECK(code == SQLITE_OK);
    if (look->pool != NULL) {
        if (look->arena.pool != NULL) arena_drop(&look->arena);
        pool_close(look->pool);
    }
    free(look->path);
    free(look);
}

/* ---- the library as a whole ---- */

/* Bytes of a file that the connection has open; 0 when it has none. */
static uint64_t file_bytes(struct weft_look *look, int which) {
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    if (sqlite3_file_control(look->db, "main", which, &file) != SQLITE_OK) return 0;
    if (file == NULL || file->pMethods == NULL) return 0;
    return file->pMethods->xFileSize(file, &size) == SQLITE_OK && size > 0 ? (uint64_t)size : 0;
}

static bool take_counts(void *context, sqlite3_stmt *row) {
    struct weft_look_library *out = context;
    out->members = (unsigned)sqlite3_column_int64(row, 0);
    out->removed = (unsigned)sqlite3_column_int64(row, 1);
    out->records = (uint64_t)sqlite3_column_int64(row, 2);
    out->record_bytes = (uint64_t)sqlite3_column_int64(row, 3);
    out->quarantined = (uint64_t)sqlite3_column_int64(row, 4);
    return true;
}

enum weft_status weft_look_library(weft_look *look, struct weft_look_library *out,
                                   struct weft_error *why) {
    CHECK(look != NULL && out != NULL);
    sqlite3_stmt *query = NULL;
    *out = (struct weft_look_library){0};
    enum weft_status status = look_begin(look, why);
    if (status != WEFT_OK) return status;
    status = read_meta(look, out, why);
    if (status == WEFT_OK) {
        status = look_prepare(look, &query, why,
                              "SELECT (SELECT count(*) FROM main._weft_member WHERE removed = 0), "
                              "(SELECT count(*) FROM main._weft_member WHERE removed <> 0), "
                              "(SELECT count(*) FROM main.shared_changes), "
                              "(SELECT ifnull(sum(length(record)), 0) FROM main.shared_changes), "
                              "(SELECT count(*) FROM main._weft_quarantine)");
        status = look_rows(look, query, status, "the library", out, take_counts, why);
    }
    look_end(look);
    out->file_bytes = file_bytes(look, SQLITE_FCNTL_FILE_POINTER);
    out->wal_bytes = file_bytes(look, SQLITE_FCNTL_JOURNAL_POINTER);
    return status;
}
