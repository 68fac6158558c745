/* The edits of a partition.
 *
 * Which tags and links a round touches follows from what all devices had at the cut, so that both
 * sides touch the same: tags by their place in the order of ids (none is ever deleted), links by
 * the bytes of their keys.
 * A link that was there and is put once more would only get another `tagged_at`; one that is taken
 * away and put again was created later than the other side deleted it. So that is what is done. */
#include "demo/clash.h"

#include <stdio.h>
#include <string.h>

#include "demo/must.h"

#define CLASH_DOOR_MS 60000
#define CLASH_LINKS 256 /* looked at */
#define CLASH_FILES 16  /* tagged on both sides */

struct clash {
    weft_tx *tx;
    sqlite3 *reader;
    const char *name;
    enum clash_round round;
    struct tag_models models;
    struct clash_report *report;
    struct weft_error *why;
};

/* Reads a query; `row` is called for each row. */
static enum weft_status each(struct clash *clash, const char *sql,
                             enum weft_status (*row)(struct clash *, sqlite3_stmt *, unsigned)) {
    sqlite3_stmt *query = NULL;
    enum weft_status status = WEFT_OK;
    unsigned count = 0;
    int result = sqlite3_prepare_v2(clash->reader, sql, -1, &query, NULL);
    while (result == SQLITE_OK && status == WEFT_OK && sqlite3_step(query) == SQLITE_ROW)
        status = row(clash, query, count++);
    if (status != WEFT_OK) *clash->why = *weft_tx_why(clash->tx);
    result = query != NULL ? sqlite3_reset(query) : result;
    sqlite3_finalize(query);
    if (result == SQLITE_OK || status != WEFT_OK) return status;
    clash->why->status = WEFT_IO;
    clash->why->native = result;
    snprintf(clash->why->text, sizeof clash->why->text, "reading tags failed: %s",
             sqlite3_errmsg(clash->reader));
    return WEFT_IO;
}

static enum weft_status clash_tag(struct clash *clash, sqlite3_stmt *row, unsigned place) {
    char name[2 * TAG_NAME_MAX];
    if (clash->round != CLASH_ALL && place % 2 != clash->round) return WEFT_OK;
    int size = snprintf(name, sizeof name, "%.100s (renamed by %.64s)",
                        (const char *)sqlite3_column_text(row, 1), clash->name);
    MUST(size > 0 && (size_t)size < sizeof name);
    clash->report->tags++;
    return tag_put(clash->tx, &clash->models, sqlite3_column_blob(row, 0), name,
                   clash->round == CLASH_ALL ? "violet" : "white");
}

/* 0 to 3, the same on every device. */
static unsigned quarter_of(const uint8_t *entry, const uint8_t *tag) {
    unsigned sum = 0;
    for (unsigned i = 0; i < 16; i++)
        sum += entry[i] + 3u * tag[i];
    return sum % 4;
}

static enum weft_status clash_link(struct clash *clash, sqlite3_stmt *row, unsigned place) {
    (void)place;
    const uint8_t *entry = sqlite3_column_blob(row, 0), *tag = sqlite3_column_blob(row, 1);
    unsigned quarter = quarter_of(entry, tag);
    bool all = clash->round == CLASH_ALL;
    if (all ? quarter > 1 : quarter != clash->round) return WEFT_OK;
    enum weft_status status = tag_unlink(clash->tx, &clash->models, entry, tag);
    clash->report->unlinked++;
    if (status != WEFT_OK || !all) return status;
    clash->report->linked++;
    return tag_link(clash->tx, &clash->models, entry, tag);
}

static enum weft_status clash_file(struct clash *clash, sqlite3_stmt *row, unsigned place) {
    (void)place;
    clash->report->linked++;
    return tag_link(clash->tx, &clash->models, sqlite3_column_blob(row, 0),
                    sqlite3_column_blob(row, 1));
}

static enum weft_status clash_write(struct clash *clash) {
    char sql[256];
    enum weft_status status =
        each(clash, "SELECT id, name FROM tag WHERE length(id) = 16 ORDER BY id", clash_tag);
    snprintf(sql, sizeof sql,
             "SELECT entry_id, tag_id FROM tag_on_entry WHERE length(entry_id) = 16 AND "
             "length(tag_id) = 16 ORDER BY entry_id, tag_id LIMIT %d",
             CLASH_LINKS);
    if (status == WEFT_OK) status = each(clash, sql, clash_link);
    if (status != WEFT_OK || clash->round == CLASH_LATE) return status;
    snprintf(sql, sizeof sql,
             "SELECT id, (SELECT max(id) FROM tag) FROM entry WHERE EXISTS (SELECT 1 FROM tag) "
             "ORDER BY id DESC LIMIT %d",
             CLASH_FILES);
    return each(clash, sql, clash_file);
}

enum weft_status clash_run(weft_engine *engine, sqlite3 *reader, const char *name,
                           enum clash_round round, struct clash_report *out,
                           struct weft_error *why) {
    MUST(engine != NULL && reader != NULL && name != NULL);
    struct clash clash = {
        .reader = reader, .name = name, .round = round, .report = out, .why = why};
    uint64_t ticket;
    *out = (struct clash_report){0};
    enum weft_status status = tag_models_find(engine, &clash.models);
    if (status == WEFT_OK) status = weft_begin_wait(engine, CLASH_DOOR_MS, &clash.tx);
    if (status != WEFT_OK) return why->status = status;
    status = clash_write(&clash);
    if (status == WEFT_OK) status = weft_commit_wait(clash.tx, CLASH_DOOR_MS, &ticket);
    if (status == WEFT_OK) return weft_wait(engine, ticket, WEFT_DURABLE, 0, CLASH_DOOR_MS, why);
    weft_abort(clash.tx);
    return status;
}

int64_t clash_kept(sqlite3 *reader, const char *name) {
    sqlite3_stmt *query = NULL;
    char *sql =
        sqlite3_mprintf("SELECT count(*) FROM tag WHERE name LIKE '%% (renamed by %q)'", name);
    int64_t count = -1;
    if (sql != NULL && sqlite3_prepare_v2(reader, sql, -1, &query, NULL) == SQLITE_OK &&
        sqlite3_step(query) == SQLITE_ROW)
        count = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_free(sql);
    return count;
}

/* Keys whose rows are not the same on both sides, or only on one. */
static const char difference[] =
    "WITH a AS (SELECT id, name, color FROM main.tag), b AS (SELECT id, name, color FROM far.tag), "
    "c AS (SELECT entry_id, tag_id, tagged_by, tagged_at FROM main.tag_on_entry), "
    "d AS (SELECT entry_id, tag_id, tagged_by, tagged_at FROM far.tag_on_entry) SELECT "
    "(SELECT count(DISTINCT id) FROM (SELECT * FROM (SELECT * FROM a EXCEPT SELECT * FROM b) "
    "UNION ALL SELECT * FROM (SELECT * FROM b EXCEPT SELECT * FROM a))) + "
    "(SELECT count(DISTINCT hex(entry_id) || hex(tag_id)) FROM ("
    "SELECT * FROM (SELECT * FROM c EXCEPT SELECT * FROM d) "
    "UNION ALL SELECT * FROM (SELECT * FROM d EXCEPT SELECT * FROM c)))";

bool clash_differ(const char *db, const char *other, uint64_t *out, char *why, size_t why_cap) {
    MUST(db != NULL && other != NULL);
    sqlite3 *reader = NULL;
    sqlite3_stmt *query = NULL;
    char *attach = sqlite3_mprintf("ATTACH %Q AS far", other);
    bool well = attach != NULL &&
                sqlite3_open_v2(db, &reader, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
                sqlite3_busy_timeout(reader, 10000) == SQLITE_OK &&
                sqlite3_exec(reader, attach, NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(reader, difference, -1, &query, NULL) == SQLITE_OK &&
                sqlite3_step(query) == SQLITE_ROW;
    if (well) {
        *out = (uint64_t)sqlite3_column_int64(query, 0);
    } else {
        snprintf(why, why_cap, "cannot compare the tags of \"%s\" and \"%s\": %s", db, other,
                 reader != NULL ? sqlite3_errmsg(reader) : "out of memory");
    }
    sqlite3_finalize(query);
    sqlite3_close(reader);
    sqlite3_free(attach);
    return well;
}
