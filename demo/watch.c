/* Watching one location.
 *
 * A look reads the location's rows in the order of their ids and merges them with those of the look
 * before:
 *
 *      before   a:10  b:10        d:20
 *      now      a:10  b:15  c:10              →   b changed, c came, d went
 *
 * Ids increase within a device, so the entries of a location lie behind it: the query needs no
 * index but the primary key, and passes over nothing older than the location.
 * Invariant: `rows` is what the last look saw, sorted by id, each id once. */
#include "demo/watch.h"

#include <stdlib.h>
#include <string.h>

#include "demo/must.h"

struct seen_row {
    uint8_t id[16];
    int64_t size;
};

struct watch {
    sqlite3_stmt *query;
    uint8_t location[16];
    struct seen_row *rows;
    size_t count;
};

struct watch *watch_open(sqlite3 *reader, const uint8_t location[16]) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) return NULL;
    memcpy(watch->location, location, 16);
    const char *sql = "SELECT id, size FROM entry WHERE id > ?1 AND location_id = ?1 ORDER BY id";
    if (sqlite3_prepare_v2(reader, sql, -1, &watch->query, NULL) != SQLITE_OK ||
        sqlite3_bind_blob(watch->query, 1, watch->location, 16, SQLITE_STATIC) != SQLITE_OK) {
        watch_close(watch);
        return NULL;
    }
    return watch;
}

static bool watch_read(struct watch *watch, struct seen_row **rows, size_t *count) {
    size_t cap = 0;
    *rows = NULL;
    *count = 0;
    int result;
    while ((result = sqlite3_step(watch->query)) == SQLITE_ROW) {
        if (sqlite3_column_bytes(watch->query, 0) != 16) continue;
        if (*count == cap) {
            cap = cap == 0 ? 256 : 2 * cap;
            struct seen_row *grown = realloc(*rows, cap * sizeof *grown);
            if (grown == NULL) break;
            *rows = grown;
        }
        struct seen_row *row = &(*rows)[(*count)++];
        memcpy(row->id, sqlite3_column_blob(watch->query, 0), 16);
        row->size = sqlite3_column_int64(watch->query, 1);
    }
    sqlite3_reset(watch->query);
    if (result == SQLITE_DONE) return true;
    free(*rows);
    *rows = NULL;
    return false;
}

bool watch_look(struct watch *watch, void *context,
                void (*seen)(void *context, const struct watch_change *change)) {
    struct seen_row *now;
    size_t now_count;
    if (!watch_read(watch, &now, &now_count)) return false;
    size_t old_at = 0, now_at = 0;
    while (old_at < watch->count || now_at < now_count) {
        struct watch_change change = {.gone = false};
        int order = old_at == watch->count ? 1
                    : now_at == now_count  ? -1
                                           : memcmp(watch->rows[old_at].id, now[now_at].id, 16);
        bool differs = true;
        if (order < 0) {
            memcpy(change.id, watch->rows[old_at++].id, 16);
            change.gone = true;
        } else {
            memcpy(change.id, now[now_at].id, 16);
            change.size = now[now_at].size;
            if (order == 0) differs = watch->rows[old_at++].size != change.size;
            now_at++;
        }
        if (differs) seen(context, &change);
    }
    MUST(old_at == watch->count && now_at == now_count);
    free(watch->rows);
    watch->rows = now;
    watch->count = now_count;
    return true;
}

void watch_close(struct watch *watch) {
    if (watch == NULL) return;
    sqlite3_finalize(watch->query);
    free(watch->rows);
    free(watch);
}
