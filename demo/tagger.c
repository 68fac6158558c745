/* The tagger.
 *
 *      link committed on B, tagged_at: t ─► … ─► a reader on A sees the row, t' ─► lag t' - t
 *
 * Both times are of the machine's clock, so the lag is only one when the devices share it.
 * Invariants
 *   1. One step is one transaction, and so one signed record.
 *   2. A link is timed once, when its row appears: rows get increasing row numbers in the file, and
 *      nothing is deleted while taggers run. */
#include "demo/tagger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/instant.h"
#include "demo/must.h"

#define TAGGER_PACE_US 25000
#define TAGGER_LINKS 4u /* in one step */
#define TAGGER_LAGS 65536u

static const char *const words[] = {"holiday", "work", "keep", "read later"};
static const char *const colors[] = {"red", "green", "blue", "amber"};
#define TAGGER_TAGS (sizeof words / sizeof *words)

enum tagger_query {
    QUERY_BOUNDS,
    QUERY_ENTRY,
    QUERY_TAG,
    QUERY_FRESH,
    QUERY_LAST,
    QUERY_COUNTS,
    QUERIES
};

static const char *const queries[QUERIES] = {
    [QUERY_BOUNDS] = "SELECT (SELECT min(id) FROM entry), (SELECT max(id) FROM entry), "
                     "(SELECT count(*) FROM tag)",
    [QUERY_ENTRY] = "SELECT id FROM entry WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2",
    [QUERY_TAG] = "SELECT id FROM tag ORDER BY id LIMIT 1 OFFSET ?1",
    [QUERY_FRESH] = "SELECT rowid, tagged_at, tagged_by FROM tag_on_entry WHERE rowid > ?1",
    [QUERY_LAST] = "SELECT ifnull(max(rowid), 0) FROM tag_on_entry",
    [QUERY_COUNTS] = "SELECT (SELECT count(*) FROM tag), (SELECT count(*) FROM tag_on_entry), "
                     "(SELECT count(*) FROM shared_changes)",
};

struct tagger {
    weft_engine *engine;
    sqlite3 *reader;
    const char *name;
    struct tag_models models;
    sqlite3_stmt *queries[QUERIES];
    uint8_t device[16];
    uint64_t random;
    bool on, stopping;
    unsigned steps, made; /* transactions committed; tags among what they made */
    int64_t next_us;
    uint64_t ticket; /* of the last transaction */
    bool everywhere; /* it has arrived */
    int64_t seen_row;
    uint64_t seen;
    uint32_t lags[TAGGER_LAGS]; /* us; the last ones, a ring */
};

static enum weft_status tagger_fail(const struct tagger *tagger, struct weft_error *why) {
    why->status = WEFT_IO;
    why->native = sqlite3_extended_errcode(tagger->reader);
    snprintf(why->text, sizeof why->text, "reading tags failed: %s",
             sqlite3_errmsg(tagger->reader));
    return WEFT_IO;
}

static uint64_t draw(struct tagger *tagger) {
    tagger->random ^= tagger->random << 13;
    tagger->random ^= tagger->random >> 7;
    tagger->random ^= tagger->random << 17;
    return tagger->random;
}

struct tagger *tagger_open(weft_engine *engine, sqlite3 *reader, const char *name,
                           struct weft_error *why) {
    MUST(engine != NULL && reader != NULL && name != NULL);
    struct tagger *tagger = calloc(1, sizeof *tagger);
    if (tagger == NULL) {
        why->status = WEFT_NO_MEMORY;
        return NULL;
    }
    tagger->engine = engine;
    tagger->reader = reader;
    tagger->name = name;
    tagger->everywhere = true;
    weft_device(engine, tagger->device);
    memcpy(&tagger->random, tagger->device + 8, sizeof tagger->random);
    tagger->random |= 1;
    why->status = tag_models_find(engine, &tagger->models);
    for (unsigned i = 0; i < QUERIES && why->status == WEFT_OK; i++) {
        if (sqlite3_prepare_v2(reader, queries[i], -1, &tagger->queries[i], NULL) != SQLITE_OK)
            (void)tagger_fail(tagger, why);
    }
    sqlite3_stmt *last = tagger->queries[QUERY_LAST];
    if (why->status == WEFT_OK && sqlite3_step(last) != SQLITE_ROW) (void)tagger_fail(tagger, why);
    if (why->status == WEFT_OK) {
        tagger->seen_row = sqlite3_column_int64(last, 0);
        sqlite3_reset(last);
        return tagger;
    }
    tagger_close(tagger);
    return NULL;
}

void tagger_start(struct tagger *tagger) {
    tagger->on = true;
    tagger->stopping = false;
    tagger->next_us = instant_us();
}

void tagger_stop(struct tagger *tagger) {
    tagger->stopping = true;
    tagger->on = tagger->on && tagger->steps < TAGGER_LEAST;
}

int tagger_model(const struct tagger *tagger) {
    return tagger->models.link;
}

/* Reads the one id that a query gives; false when it gives none. */
static bool id_read(sqlite3_stmt *query, uint8_t id[16]) {
    bool found = sqlite3_step(query) == SQLITE_ROW && sqlite3_column_bytes(query, 0) == 16;
    if (found) memcpy(id, sqlite3_column_blob(query, 0), 16);
    sqlite3_reset(query);
    return found;
}

/* What there is to draw from. */
struct choice {
    uint64_t first_ms, last_ms; /* the times in the ids of the first and last entry */
    uint64_t tags;
};

static uint64_t id_ms(const uint8_t *id) {
    uint64_t ms = 0;
    for (unsigned i = 0; i < 6; i++)
        ms = ms << 8 | id[i];
    return ms;
}

static bool choice_read(struct tagger *tagger, struct choice *out) {
    sqlite3_stmt *query = tagger->queries[QUERY_BOUNDS];
    bool found = sqlite3_step(query) == SQLITE_ROW && sqlite3_column_bytes(query, 0) == 16 &&
                 sqlite3_column_bytes(query, 1) == 16;
    if (found) {
        out->first_ms = id_ms(sqlite3_column_blob(query, 0));
        out->last_ms = id_ms(sqlite3_column_blob(query, 1));
        out->tags = (uint64_t)sqlite3_column_int64(query, 2);
    }
    sqlite3_reset(query);
    return found && out->tags > 0;
}

/* Any entry that this device has. Ids begin with the time at which they were made (RFC 9562,
 * section 5.7), so a time is drawn, and the entry found by the key, whatever the table's size. */
static bool entry_draw(struct tagger *tagger, const struct choice *choice, uint8_t id[16]) {
    sqlite3_stmt *query = tagger->queries[QUERY_ENTRY];
    uint64_t ms = choice->first_ms;
    if (choice->last_ms > ms) ms += draw(tagger) % (choice->last_ms - ms + 1);
    uint8_t from[16] = {0};
    for (unsigned i = 0; i < 6; i++)
        from[i] = (uint8_t)(ms >> (40 - 8 * i));
    sqlite3_bind_blob(query, 1, from, sizeof from, SQLITE_TRANSIENT);
    sqlite3_bind_int64(query, 2, (int64_t)(draw(tagger) % 64));
    if (id_read(query, id)) return true;
    sqlite3_bind_int64(query, 2, 0);
    return id_read(query, id);
}

static enum weft_status links_add(struct tagger *tagger, weft_tx *tx, unsigned *added) {
    struct choice choice;
    if (!choice_read(tagger, &choice)) return WEFT_OK;
    for (unsigned i = 0; i < TAGGER_LINKS; i++) {
        uint8_t entry[16], tag[16];
        sqlite3_bind_int64(tagger->queries[QUERY_TAG], 1, (int64_t)(draw(tagger) % choice.tags));
        if (!id_read(tagger->queries[QUERY_TAG], tag) || !entry_draw(tagger, &choice, entry))
            continue;
        enum weft_status status = tag_link(tx, &tagger->models, entry, tag);
        if (status != WEFT_OK) return status;
        ++*added;
    }
    return WEFT_OK;
}

static enum weft_status tag_add(struct tagger *tagger, weft_tx *tx) {
    char name[TAG_NAME_MAX];
    uint8_t id[16];
    snprintf(name, sizeof name, "%.64s's %s", tagger->name, words[tagger->made]);
    weft_id(tagger->engine, id);
    return tag_put(tx, &tagger->models, id, name, colors[tagger->made]);
}

/* One transaction: sometimes a tag, and a few links as soon as there is something to tag. */
static enum weft_status tagger_write(struct tagger *tagger, struct weft_error *why) {
    weft_tx *tx = NULL;
    unsigned links = 0;
    bool tag = tagger->made < TAGGER_TAGS && tagger->steps % 3 == 0;
    enum weft_status status = weft_begin(tagger->engine, &tx);
    if (status != WEFT_OK) {
        why->status = status;
        return status;
    }
    if (tag) status = tag_add(tagger, tx);
    if (status == WEFT_OK) status = links_add(tagger, tx, &links);
    if (status != WEFT_OK) *why = *weft_tx_why(tx);
    if (status == WEFT_OK && (tag || links > 0)) {
        status = why->status = weft_commit(tx, &tagger->ticket);
        if (status == WEFT_OK) {
            tagger->steps++;
            tagger->made += tag;
            tagger->everywhere = false;
            return WEFT_OK;
        }
    }
    weft_abort(tx);
    return status;
}

enum weft_status tagger_step(struct tagger *tagger, int *due_ms, struct weft_error *why) {
    *due_ms = -1;
    if (!tagger->on) return WEFT_OK;
    int64_t now = instant_us();
    if (now >= tagger->next_us) {
        enum weft_status status = tagger_write(tagger, why);
        if (status != WEFT_OK && status != WEFT_BUSY) return status;
        tagger->next_us = now + TAGGER_PACE_US;
        if (tagger->stopping) tagger_stop(tagger);
    }
    *due_ms = (int)((tagger->next_us - now) / 1000 + 1);
    return WEFT_OK;
}

enum weft_status tagger_look(struct tagger *tagger, struct weft_error *why) {
    sqlite3_stmt *query = tagger->queries[QUERY_FRESH];
    int result;
    sqlite3_bind_int64(query, 1, tagger->seen_row);
    while ((result = sqlite3_step(query)) == SQLITE_ROW) {
        int64_t lag = tag_now_us() - sqlite3_column_int64(query, 1);
        tagger->seen_row = sqlite3_column_int64(query, 0);
        bool own = sqlite3_column_bytes(query, 2) == 16 &&
                   memcmp(sqlite3_column_blob(query, 2), tagger->device, 16) == 0;
        if (own) continue;
        if (lag < 0) lag = 0;
        if (lag > UINT32_MAX) lag = UINT32_MAX;
        tagger->lags[tagger->seen++ % TAGGER_LAGS] = (uint32_t)lag;
    }
    sqlite3_reset(query);
    return result == SQLITE_DONE ? WEFT_OK : tagger_fail(tagger, why);
}

static int compare_lags(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the ring: an order that it does not need. */
static void lags_report(struct tagger *tagger, struct tagger_report *out) {
    size_t count = tagger->seen < TAGGER_LAGS ? (size_t)tagger->seen : TAGGER_LAGS;
    out->seen = tagger->seen;
    if (count == 0) return;
    qsort(tagger->lags, count, sizeof *tagger->lags, compare_lags);
    out->p50_us = tagger->lags[count / 2];
    out->p99_us = tagger->lags[count - 1 - count / 100];
    out->longest_us = tagger->lags[count - 1];
}

enum weft_status tagger_report(struct tagger *tagger, struct tagger_report *out,
                               struct weft_error *why) {
    memset(out, 0, sizeof *out);
    if (!tagger->on && !tagger->everywhere) {
        enum weft_status status =
            weft_wait(tagger->engine, tagger->ticket, WEFT_EVERYWHERE, 0, 0, why);
        if (status != WEFT_OK && status != WEFT_TIMEOUT) return status;
        tagger->everywhere = status == WEFT_OK;
    }
    enum weft_status status = tagger_look(tagger, why);
    if (status != WEFT_OK) return status;
    sqlite3_stmt *query = tagger->queries[QUERY_COUNTS];
    if (sqlite3_step(query) != SQLITE_ROW) {
        status = tagger_fail(tagger, why);
        sqlite3_reset(query);
        return status;
    }
    out->tags = (uint64_t)sqlite3_column_int64(query, 0);
    out->links = (uint64_t)sqlite3_column_int64(query, 1);
    out->records = (uint64_t)sqlite3_column_int64(query, 2);
    sqlite3_reset(query);
    struct weft_stats stats;
    weft_stats(tagger->engine, &stats);
    out->beaten = stats.fields_beaten;
    out->behind = tagger->on || !tagger->everywhere;
    lags_report(tagger, out);
    return WEFT_OK;
}

void tagger_close(struct tagger *tagger) {
    if (tagger == NULL) return;
    for (unsigned i = 0; i < QUERIES; i++)
        sqlite3_finalize(tagger->queries[i]);
    free(tagger);
}
