/* Reading the shared log in the order in which it came here.
 *
 *     0 ──── after ──────── last of `out` ──── greatest place        `more`: others follow
 *                           └ count_max or bytes_max were reached
 *
 * Invariants
 *   1. Each call runs one statement, and so is one read transaction, which ends before the call
 *      returns: the write-ahead log can be reset between two calls.
 *   2. What a call returns are all records in (after, last], in increasing order of place.
 *   3. A call that is not at the end makes progress: it returns at least one record.
 * Not here: whether a record is what its origin signed. That was asked before it was stored, and
 * whoever receives it asks again. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_private.h"
#include "engine/store/statement.h"

/* The log is read from its end, mostly: what was written last is still in the system's cache. */
#define READER_CACHE_BYTES (1u << 20)
#define READER_ENTRIES_MIN 16u /* room for entries at first */

enum reader_fixed { FIXED_AFTER, FIXED_HEADS, FIXED_PLACE, FIXED_TAKING, FIXED_WAITS, FIXED_COUNT };

static const char *const fixed_sql[FIXED_COUNT] = {
    /* CROSS JOIN: by place, whatever the planner thinks of the few origins. */
    [FIXED_AFTER] = "SELECT c.place, o.device, o.incarnation, c.seq, c.record, c.keep "
                    "FROM shared_changes AS c CROSS JOIN _weft_origin AS o ON o.id = c.origin "
                    "WHERE c.place > ?1 ORDER BY c.place",
    [FIXED_HEADS] =
        "SELECT " SHARED_HEAD_COLUMNS ", (SELECT coalesce(max(place), 0) FROM shared_changes) "
        "FROM _weft_origin ORDER BY id",
    /* Read from the index alone. Not the first of them: what is kept of a snapshot's time stands
     * before records with lesser numbers. */
    [FIXED_PLACE] =
        ("SELECT min(c.place) FROM _weft_origin AS o CROSS JOIN shared_changes AS c "
         "ON c.origin = o.id WHERE o.device = ?1 AND o.incarnation = ?2 AND c.seq > ?3"),
    [FIXED_TAKING] = "SELECT value FROM _weft_meta WHERE key = 'snapshot'",
    [FIXED_WAITS] = "SELECT EXISTS (SELECT 1 FROM _weft_quarantine)",
};

struct shared_reader {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *fixed[FIXED_COUNT];
};

/* ---- opening --------------------------------------------------------------------------------- */

enum weft_status shared_reader_open(const char *path, const char *vfs, struct shared_reader **out,
                                    struct weft_error *why) {
    CHECK(path != NULL);
    CHECK(out != NULL);
    *out = NULL;
    struct shared_reader *reader = calloc(1, sizeof *reader);
    char *copy = strdup(path);
    if (reader == NULL || copy == NULL) {
        free(reader);
        free(copy);
        return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", path);
    }
    reader->path = copy;
    enum weft_status status = store_connect(path, vfs, true, READER_CACHE_BYTES, &reader->db, why);
    for (int i = 0; i < FIXED_COUNT && status == WEFT_OK; i++) {
        status = statement_prepare(reader->db, &reader->fixed[i], path, why, "%s", fixed_sql[i]);
    }
    if (status != WEFT_OK) {
        shared_reader_close(reader);
        return status;
    }
    *out = reader;
    return WEFT_OK;
}

void shared_reader_close(struct shared_reader *reader) {
    if (reader == NULL) return;
    for (int i = 0; i < FIXED_COUNT; i++)
        sqlite3_finalize(reader->fixed[i]);
    int code = sqlite3_close(reader->db);
    CHECK(code == SQLITE_OK);
    free(reader->path);
    free(reader);
}

/* ---- columns --------------------------------------------------------------------------------- */

bool shared_column(sqlite3_stmt *statement, int column, void *out, size_t size) {
    CHECK(out != NULL && size > 0);
    struct weft_value value = statement_value(statement, column);
    if (value.type != WEFT_BLOB || value.size != size) return false;
    memcpy(out, value.as.bytes, size);
    return true;
}

enum weft_status shared_head_step(sqlite3_stmt *statement, const char *path, bool *row,
                                  struct shared_head *out, struct weft_error *why) {
    CHECK(row != NULL);
    CHECK(out != NULL);
    enum weft_status status = statement_step(statement, row, "reading", path, why);
    if (status != WEFT_OK || !*row) return status;
    struct id *device = &out->origin.device;
    bool sound = shared_column(statement, 0, device->bytes, sizeof device->bytes) &&
                 shared_column(statement, 4, out->hash, sizeof out->hash);
    out->origin.incarnation = (uint64_t)sqlite3_column_int64(statement, 1);
    out->seq = (uint64_t)sqlite3_column_int64(statement, 2);
    out->hlc = (uint64_t)sqlite3_column_int64(statement, 3);
    out->frozen = sqlite3_column_int(statement, 5) != 0;
    out->pruned = (uint64_t)sqlite3_column_int64(statement, 6);
    out->pruned_hlc = (uint64_t)sqlite3_column_int64(statement, 7);
    if (sound) return WEFT_OK;
    sqlite3_reset(statement);
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: the head of an origin of the shared log cannot be read; restore the "
                       "file from a copy",
                       path);
}

/* ---- records --------------------------------------------------------------------------------- */

struct batch {
    struct shared_entry *entries;
    uint32_t count, room;
    size_t bytes;
    struct arena *arena;
};

static bool batch_grow(struct batch *batch) {
    if (batch->count < batch->room) return true;
    const uint32_t room = batch->room == 0 ? READER_ENTRIES_MIN : batch->room * 2;
    struct shared_entry *entries = arena_grow(
        batch->arena, batch->entries, batch->room * sizeof *entries, room * sizeof *entries);
    if (entries == NULL) return false;
    batch->entries = entries;
    batch->room = room;
    return true;
}

/* Takes the current row up; false in `*fits` when it would pass `bytes_max`. */
static enum weft_status batch_add(struct shared_reader *reader, struct batch *batch,
                                  size_t bytes_max, bool *fits, struct weft_error *why) {
    sqlite3_stmt *row = reader->fixed[FIXED_AFTER];
    struct shared_entry entry = {.place = (uint64_t)sqlite3_column_int64(row, 0),
                                 .origin.incarnation = (uint64_t)sqlite3_column_int64(row, 2),
                                 .seq = (uint64_t)sqlite3_column_int64(row, 3),
                                 .keep = sqlite3_column_int(row, 5) != 0};
    struct weft_value record = statement_value(row, 4);
    if (!shared_column(row, 1, entry.origin.device.bytes, sizeof entry.origin.device.bytes) ||
        record.type != WEFT_BLOB || record.size < RECORD_OVERHEAD) {
        return status_fail(why, WEFT_CORRUPT, 0,
                           "%s: the record at place %llu of the shared log cannot be read; restore "
                           "the file from a copy",
                           reader->path, (unsigned long long)entry.place);
    }
    *fits =
        batch->count == 0 || (batch->bytes <= bytes_max && record.size <= bytes_max - batch->bytes);
    if (!*fits) return WEFT_OK;
    uint8_t *bytes = arena_take(batch->arena, record.size);
    if (bytes == NULL || !batch_grow(batch)) {
        return status_fail(why, WEFT_NO_MEMORY, 0,
                           "reading the shared log of %s: no memory for a batch", reader->path);
    }
    memcpy(bytes, record.as.bytes, record.size);
    entry.record = (struct bytes){bytes, record.size};
    batch->entries[batch->count++] = entry;
    batch->bytes += record.size;
    return WEFT_OK;
}

enum weft_status shared_reader_after(struct shared_reader *reader, uint64_t after,
                                     uint32_t count_max, size_t bytes_max, struct arena *arena,
                                     struct shared_entry **out, uint32_t *count, bool *more,
                                     struct weft_error *why) {
    CHECK(reader != NULL && arena != NULL && out != NULL && count != NULL && more != NULL);
    CHECK(count_max >= 1 && after <= INT64_MAX);
    struct batch batch = {.arena = arena};
    sqlite3_stmt *statement = reader->fixed[FIXED_AFTER];
    bool row = true, fits = true;
    *out = NULL, *count = 0, *more = false;
    sqlite3_bind_int64(statement, 1, (int64_t)after);
    enum weft_status status = WEFT_OK;
    while (status == WEFT_OK && fits) {
        status = statement_step(statement, &row, "reading", reader->path, why);
        if (status != WEFT_OK || !row) break;
        fits = batch.count < count_max;
        if (fits) status = batch_add(reader, &batch, bytes_max, &fits, why);
    }
    sqlite3_reset(statement);
    if (status != WEFT_OK) return status;
    CHECK(fits || batch.count > 0);
    *out = batch.entries;
    *count = batch.count;
    *more = !fits;
    return WEFT_OK;
}

enum weft_status shared_reader_place(struct shared_reader *reader,
                                     const struct record_origin *origin, uint64_t seq,
                                     uint64_t *place, struct weft_error *why) {
    CHECK(reader != NULL && origin != NULL);
    CHECK(place != NULL && seq <= INT64_MAX);
    sqlite3_stmt *statement = reader->fixed[FIXED_PLACE];
    bool row = false;
    sqlite3_bind_blob(statement, 1, origin->device.bytes, sizeof origin->device.bytes,
                      SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)origin->incarnation);
    sqlite3_bind_int64(statement, 3, (int64_t)seq);
    enum weft_status status = statement_step(statement, &row, "reading", reader->path, why);
    *place = status == WEFT_OK && row ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return status;
}

/* ---- heads ----------------------------------------------------------------------------------- */

enum weft_status shared_reader_heads(struct shared_reader *reader, void *context,
                                     void (*visit)(void *context, const struct shared_head *head),
                                     uint64_t *place, struct weft_error *why) {
    CHECK(reader != NULL && visit != NULL);
    CHECK(place != NULL);
    sqlite3_stmt *statement = reader->fixed[FIXED_HEADS];
    enum weft_status status = WEFT_OK;
    *place = 0; /* without origins there are no records */
    for (bool row = true; status == WEFT_OK;) {
        struct shared_head head;
        status = shared_head_step(statement, reader->path, &row, &head, why);
        if (status != WEFT_OK || !row) break;
        *place = (uint64_t)sqlite3_column_int64(statement, 8);
        visit(context, &head);
    }
    return status;
}

enum weft_status shared_reader_waits(struct shared_reader *reader, bool *waits,
                                     struct weft_error *why) {
    sqlite3_stmt *statement = reader->fixed[FIXED_WAITS];
    bool row = false;
    enum weft_status status = statement_step(statement, &row, "reading", reader->path, why);
    *waits = status == WEFT_OK && row && sqlite3_column_int(statement, 0) != 0;
    sqlite3_reset(statement);
    return status;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

enum weft_status shared_reader_taking(struct shared_reader *reader, struct arena *arena,
                                      struct bytes *out, struct weft_error *why) {
    return shared_taking_step(reader->fixed[FIXED_TAKING], reader->path, arena, out, why);
}

enum weft_status shared_taking_step(sqlite3_stmt *statement, const char *path, struct arena *arena,
                                    struct bytes *out, struct weft_error *why) {
    bool row = false;
    *out = (struct bytes){0};
    enum weft_status status = statement_step(statement, &row, "reading", path, why);
    if (status != WEFT_OK || !row) return status;
    const struct weft_value value = statement_value(statement, 0);
    if (value.type == WEFT_BLOB && value.size > 0) {
        uint8_t *copy = arena_take(arena, value.size);
        if (copy != NULL) memcpy(copy, value.as.bytes, value.size);
        *out = (struct bytes){copy, copy == NULL ? 0 : value.size};
        if (copy == NULL)
            status = status_fail(why, WEFT_NO_MEMORY, 0, "no memory to read %s", path);
    }
    sqlite3_reset(statement);
    return status;
}
