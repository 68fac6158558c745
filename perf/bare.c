/* The bare side of the benches; see bare.h.
 *
 * It calls sqlite3_bind and sqlite3_step once per row, as a program without the engine would, and
 * makes its rows as the engine's side does. */
#include "perf/bare.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

static const char settings[] = "PRAGMA page_size = 8192;"
                               "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA cache_size = -65536;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA wal_autocheckpoint = 4096;"
                               "PRAGMA secure_delete = OFF;"
                               "PRAGMA foreign_keys = OFF;";

static bool run_sql(sqlite3 *db, const char *sql, struct side *side) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    side_fail(side, "bare: %s: %s", sql, sqlite3_errmsg(db));
    return false;
}

/* "a, b, c" or "?, ?, ?" over the columns that the workload knows. */
static void list(char *out, size_t cap, bool names) {
    size_t used = 0;
    for (const struct field_name *f = field_names; f->name != NULL; f++) {
        int more = snprintf(out + used, cap - used, "%s%s", f == field_names ? "" : ", ",
                            names ? f->name : "?");
        CHECK(more > 0 && used + (size_t)more < cap);
        used += (size_t)more;
    }
}

static sqlite3_stmt *prepare_insert(sqlite3 *db, const char *more, struct side *side) {
    char names[512], marks[128], sql[768];
    list(names, sizeof names, true);
    list(marks, sizeof marks, false);
    (void)snprintf(sql, sizeof sql, "INSERT INTO entry (%s%s) VALUES (%s%s)", names,
                   more != NULL ? more : "", marks, more != NULL ? ", 1, ?13" : "");
    sqlite3_stmt *insert = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &insert, NULL) != SQLITE_OK)
        side_fail(side, "bare: %s: %s", sql, sqlite3_errmsg(db));
    return insert;
}

static void bind(sqlite3_stmt *insert, int place, const struct weft_value *value) {
    switch (value->type) {
    case WEFT_INTEGER:
        (void)sqlite3_bind_int64(insert, place, value->as.integer);
        return;
    case WEFT_TEXT:
        (void)sqlite3_bind_text(insert, place, value->as.bytes, (int)value->size, SQLITE_STATIC);
        return;
    case WEFT_BLOB:
        (void)sqlite3_bind_blob(insert, place, value->as.bytes, (int)value->size, SQLITE_STATIC);
        return;
    default:
        (void)sqlite3_bind_null(insert, place);
    }
}

static bool insert_rows(const struct bare *bare, sqlite3_stmt *insert, uint64_t first,
                        uint64_t count) {
    for (uint64_t i = first; i < first + count; i++) {
        struct entry entry;
        workload_entry(bare->workload, i, &entry);
        int place = 0;
        for (const struct field_name *f = field_names; f->name != NULL; f++) {
            struct weft_value value = workload_cell(&entry, f->field);
            bind(insert, ++place, &value);
        }
        if (bare->names != NULL) (void)sqlite3_bind_int64(insert, ++place, (int64_t)i + 1);
        if (sqlite3_step(insert) != SQLITE_DONE || sqlite3_reset(insert) != SQLITE_OK) return false;
    }
    return true;
}

/* The measured part: every commit in order; `took` receives the seconds of each, or is NULL. */
static void insert_all(const struct bare *bare, sqlite3 *db, sqlite3_stmt *insert,
                       sqlite3_stmt *begin, sqlite3_stmt *commit, double *took, struct side *side) {
    side_begin(side);
    for (uint64_t first = 0; first < bare->rows; first += bare->rows_per_commit) {
        uint64_t count = bare->rows - first;
        if (count > bare->rows_per_commit) count = bare->rows_per_commit;
        double started = took != NULL ? bench_now() : 0;
        bool done = sqlite3_step(begin) == SQLITE_DONE && sqlite3_reset(begin) == SQLITE_OK &&
                    insert_rows(bare, insert, first, count) &&
                    sqlite3_step(commit) == SQLITE_DONE && sqlite3_reset(commit) == SQLITE_OK;
        if (!done) {
            side_fail(side, "bare: row %llu: %s", (unsigned long long)first, sqlite3_errmsg(db));
            break;
        }
        if (took != NULL) took[side->commits] = bench_now() - started;
        side->commits++;
    }
    side_end(side);
}

sqlite3 *bare_open(const char *path, struct side *side) {
    sqlite3 *db = NULL;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        side_fail(side, "bare: %s: %s", path, sqlite3_errmsg(db));
    if (!side->failed && run_sql(db, settings, side) && run_sql(db, demo_schema, side)) return db;
    (void)sqlite3_close(db);
    return NULL;
}

void bare_run(void *context, struct side *side) {
    const struct bare *bare = context;
    CHECK(bare->rows_per_commit > 0);
    sqlite3_stmt *insert = NULL, *begin = NULL, *commit = NULL;
    double *took = NULL;
    sqlite3 *db = bare_open(bare->path, side);
    if (db == NULL || (bare->sql != NULL && !run_sql(db, bare->sql, side))) goto close;
    insert = prepare_insert(db, bare->names, side);
    (void)sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, NULL);
    (void)sqlite3_prepare_v2(db, "COMMIT", -1, &commit, NULL);
    if (side->failed) goto close;
    if (bare->latencies) {
        took = calloc(bare->rows, sizeof *took);
        CHECK(took != NULL);
    }
    insert_all(bare, db, insert, begin, commit, took, side);
    side->rows = bare->rows;
    if (took != NULL && side->commits > 0) {
        bench_sort(took, side->commits);
        side->p50 = bench_quantile(took, side->commits, 0.50);
        side->p99 = bench_quantile(took, side->commits, 0.99);
    }
close:
    free(took);
    (void)sqlite3_finalize(insert);
    (void)sqlite3_finalize(begin);
    (void)sqlite3_finalize(commit);
    (void)sqlite3_close(db);
    side_written(side);
    if (!side->failed) side->hash = bare_hash(bare->path, bare->rows);
}

/* ---- the result ---- */

static uint64_t fnv(uint64_t hash, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_row(sqlite3_stmt *select, uint64_t hash) {
    int columns = sqlite3_column_count(select);
    for (int i = 0; i < columns; i++) {
        int type = sqlite3_column_type(select, i);
        int64_t integer = type == SQLITE_INTEGER ? sqlite3_column_int64(select, i) : 0;
        const void *bytes = type == SQLITE_INTEGER ? NULL : sqlite3_column_blob(select, i);
        int64_t size = type == SQLITE_INTEGER ? 0 : sqlite3_column_bytes(select, i);
        hash = fnv(hash, &type, sizeof type);
        hash = fnv(hash, &integer, sizeof integer);
        hash = fnv(hash, &size, sizeof size);
        hash = fnv(hash, bytes, (size_t)size);
    }
    return hash;
}

uint64_t bare_hash(const char *path, uint64_t rows) {
    char names[512], sql[768];
    list(names, sizeof names, true);
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM entry ORDER BY id", names);
    return bare_hash_of(path, sql, rows);
}

uint64_t bare_hash_of(const char *path, const char *sql, uint64_t rows) {
    sqlite3 *db = NULL;
    sqlite3_stmt *select = NULL;
    uint64_t hash = 0xcbf29ce484222325u, seen = 0;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(select);
        if (code != SQLITE_ROW) break;
        hash = hash_row(select, hash);
        seen++;
    }
    (void)sqlite3_finalize(select);
    (void)sqlite3_close(db);
    return code == SQLITE_DONE && seen == rows ? hash : 0;
}
