/* The end of a snapshot: what no chunk named goes, if it is covered or left by another snapshot.
 *
 *   walk over all rows ─► covered, and not seen? ─► gathered ─► covered stamps go ─► place, or gone
 *   (snapshot_walk.h)                                └ the walk's statements have ended before
 *
 * Invariants
 *   1. A row that was there, covered and not seen when the sweep began has lost what is covered
 *      when it ends, wherever it was moved in between.
 *   2. What is not covered stays: this device, or somebody behind the source's heads, wrote it. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/snapshot_taker_private.h"

struct sweeping {
    struct writer *writer;
    struct snapshot_taker *taker;
    struct snapshot_walk walk;
    struct snapshot_found found;
    struct weft_error *why;
};

static bool goes(const struct sweeping *sweeping, const struct stamp *stamp) {
    return snapshot_covered(sweeping->writer, sweeping->taker, stamp) ||
           snapshot_remains(sweeping->writer, sweeping->taker, stamp);
}

static bool goes_any(const struct sweeping *sweeping, const struct merge_row *clock) {
    if (goes(sweeping, &clock->created)) return true;
    if (goes(sweeping, &clock->deleted)) return true;
    for (uint32_t f = 0; f < clock->field_count; f++)
        if (goes(sweeping, &clock->fields[f])) return true;
    return false;
}

static enum weft_status is_seen(const struct sweeping *sweeping, bool *seen) {
    const struct snapshot_found *found = &sweeping->found;
    struct writer *writer = sweeping->writer;
    sqlite3_stmt *look = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_SEEN_LOOK, &look, sweeping->why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_text(look, 1, (const char *)found->table.data, (int)found->table.size,
                      SQLITE_STATIC);
    sqlite3_bind_blob64(look, 2, sweeping->walk.key.data, sweeping->walk.key.size, SQLITE_STATIC);
    status = statement_step(look, seen, "reading", writer->path, sweeping->why);
    sqlite3_reset(look);
    return status;
}

/* Looks at the row that was found, and notes it if something of it goes. */
static enum weft_status look_at(struct sweeping *sweeping) {
    const struct snapshot_found *found = &sweeping->found;
    struct packed *list = &sweeping->taker->found;
    bool seen = true;
    enum weft_status status = WEFT_OK;
    if (goes_any(sweeping, &found->clock)) status = is_seen(sweeping, &seen);
    if (status == WEFT_OK && !seen) {
        const struct weft_value table =
            weft_text((const char *)found->table.data, found->table.size);
        const struct weft_value key = weft_blob(sweeping->walk.key.data, sweeping->walk.key.size);
        if (packed_value(list, &table) != WEFT_OK || packed_value(list, &key) != WEFT_OK)
            return status_fail(sweeping->why, WEFT_NO_MEMORY, 0, "no memory for rows");
    }
    return status == WEFT_OK ? snapshot_walk_pass(&sweeping->walk, found, false, sweeping->why)
                             : status;
}

/* Walks over up to `limit` rows. */
static enum weft_status gather(struct sweeping *sweeping, uint32_t limit, bool *more) {
    struct writer *writer = sweeping->writer;
    struct snapshot_place *place = &sweeping->taker->place;
    bool lost = false;
    sweeping->taker->found.size = 0;
    *more = true;
    enum weft_status status =
        snapshot_walk_begin(&sweeping->walk, writer->db, writer->path, writer->models, place, false,
                            &lost, sweeping->why);
    if (lost) place->begun = false;
    for (uint32_t i = 0; i < limit && status == WEFT_OK && *more && !lost; i++) {
        status = snapshot_walk_next(&sweeping->walk, &sweeping->found, more, sweeping->why);
        if (status == WEFT_OK && *more) status = look_at(sweeping);
    }
    snapshot_walk_end(&sweeping->walk);
    return status;
}

/* Takes what is covered from a row. */
static enum weft_status strip(struct sweeping *sweeping, struct bytes table, struct bytes key,
                              struct shared_row_tally *tally) {
    struct writer *writer = sweeping->writer;
    struct shared_row *row = &writer->shared->row;
    struct merge_row *clock = &row->clock;
    bool sound = true;
    row->table = table;
    row->model = models_find(writer->models, (const char *)table.data, table.size);
    if (row->model != NULL && row->model->kind != MODEL_SHARED) row->model = NULL;
    enum weft_status status = shared_row_load_packed(writer, row, key, &sound, sweeping->why);
    if (status != WEFT_OK || !sound || !goes_any(sweeping, clock)) return status;
    if (goes(sweeping, &clock->created)) clock->created = (struct stamp){0};
    if (goes(sweeping, &clock->deleted)) clock->deleted = (struct stamp){0};
    for (uint32_t f = 0; f < clock->field_count; f++) {
        if (goes(sweeping, &clock->fields[f])) clock->fields[f] = (struct stamp){0};
    }
    return snapshot_settle(writer, row, tally, sweeping->why);
}

enum weft_status snapshot_sweep(struct writer *writer, struct snapshot_taker *taker, uint32_t limit,
                                bool *more, struct shared_row_tally *tally,
                                struct weft_error *why) {
    struct sweeping sweeping = {.writer = writer, .taker = taker, .why = why};
    struct shared_row_tally mine = {0};
    struct shared_work *work = NULL;
    CHECK(limit > 0);
    enum weft_status status = shared_work(writer, &work, why);
    if (status == WEFT_OK) status = snapshot_cover(writer, taker, why);
    if (status == WEFT_OK) status = gather(&sweeping, limit, more);
    const uint8_t *at = taker->found.data, *end = at == NULL ? at : at + taker->found.size;
    while (status == WEFT_OK && at < end) {
        struct weft_value table, key;
        const bool read = packed_read_value(&at, end, &table) && packed_read_value(&at, end, &key);
        CHECK(read);
        status = strip(&sweeping, (struct bytes){table.as.bytes, table.size},
                       (struct bytes){key.as.bytes, key.size}, &mine);
    }
    if (status != WEFT_OK) return status;
    return snapshot_follow(writer, &mine, tally, why);
}
