/* The writing connection: transactions, statements on demand, and what is worth remembering.
 *
 *   writer_begin ─► apply … position … ack ─► writer_commit
 *                      └─ any failure ─► writer_rollback
 *
 * Invariants, beside those of writer.h
 *   1. A statement is prepared once and finalized at the end; between two calls none is running.
 *   2. What is remembered of the file (devices, whose row a reference names, whether anything is
 *      parked) was read or written in this transaction or a committed one: a rollback forgets it.
 *   3. After a failed sync nothing is written any more, not even by a checkpoint: the pages that
 * the
 *      system failed to write are clean in its cache, and a second try would seem to succeed.
 * Not here: what is written. writer_own.c and writer_remote.c do that. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/checkpoint.h"
#include "engine/store/writer_private.h"

/* ---- opening --------------------------------------------------------------------------------- */

static int log_grew(void *context, sqlite3 *db, const char *name, int pages) {
    struct writer *writer = context;
    CHECK(writer->db == db);
    (void)name;
    writer->log_pages = pages;
    return SQLITE_OK;
}

/* The SQL function that upserts ask about each row whose key is there: writer_sql.c. */
static void take_note(sqlite3_context *context, int count, sqlite3_value **values) {
    struct writer *writer = sqlite3_user_data(context);
    CHECK(count == 4);
    CHECK(writer->note_count < WRITER_ROWS_MANY);
    bool ours = sqlite3_value_int(values[2]) != 0;
    bool written = ours && sqlite3_value_int(values[3]) != 0;
    writer->notes[writer->note_count++] =
        (struct writer_note){.version = (uint64_t)sqlite3_value_int64(values[0]),
                             .stored = (uint64_t)sqlite3_value_int64(values[1]),
                             .ours = ours,
                             .written = written};
    sqlite3_result_int(context, written);
}

/* A sum, modulo 2^64, which SQLite's own + is not. */
static void add_digests(sqlite3_context *context, int count, sqlite3_value **values) {
    CHECK(count == 2);
    if (sqlite3_value_type(values[0]) == SQLITE_NULL ||
        sqlite3_value_type(values[1]) == SQLITE_NULL)
        return; /* NULL */
    const uint64_t sum =
        (uint64_t)sqlite3_value_int64(values[0]) + (uint64_t)sqlite3_value_int64(values[1]);
    sqlite3_result_int64(context, (sqlite3_int64)sum);
}

/* Columns of the model that has most. */
static uint32_t widest(const struct models *models) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < models->count; i++) {
        if (models->list[i].column_count > most) most = models->list[i].column_count;
    }
    return most;
}

enum weft_status writer_open(const char *path, const char *vfs, uint32_t cache_bytes,
                             const struct models *models, const struct id *device,
                             struct writer **out, struct weft_error *why) {
    CHECK(path != NULL && models != NULL);
    CHECK(device != NULL && out != NULL);
    *out = NULL;
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) goto no_memory;
    writer->models = models;
    writer->self = *device;
    writer->path = strdup(path);
    writer->tables = calloc(models->count + 1, sizeof *writer->tables);
    if (writer->path == NULL || writer->tables == NULL) goto no_memory;

    enum weft_status status = store_connect(path, vfs, false, cache_bytes, &writer->db, why);
    if (status == WEFT_OK) {
        sqlite3_wal_hook(writer->db, log_grew, writer);
        int code = feed_register(&writer->feed, writer->db, widest(models));
        if (code == SQLITE_OK) {
            code = sqlite3_create_function_v2(writer->db, "_weft_note", 4,
                                              SQLITE_UTF8 | SQLITE_DIRECTONLY, writer, take_note,
                                              NULL, NULL, NULL);
        }
        if (code == SQLITE_OK) {
            code = sqlite3_create_function_v2(writer->db, "_weft_sum", 2,
                                              SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, add_digests,
                                              NULL, NULL, NULL);
        }
        if (code != SQLITE_OK) status = store_fail(writer->db, code, "opening", path, why);
    }
    /* Prepared before it is needed: it must not want memory then. */
    sqlite3_stmt *rollback = NULL;
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_ROLLBACK, &rollback, why);
    if (status != WEFT_OK) {
        writer_close(writer);
        return status;
    }
    *out = writer;
    return WEFT_OK;

no_memory:
    writer_close(writer);
    return status_fail(why, WEFT_NO_MEMORY, 0, "opening %s: out of memory", path);
}

static void table_close(struct writer_table *table, const struct model *model) {
    for (int i = 0; i < SLOT_COUNT; i++)
        sqlite3_finalize(table->slots[i]);
    for (uint32_t c = 0; table->sets != NULL && c < model->column_count; c++) {
        sqlite3_finalize(table->sets[c]);
    }
    for (uint32_t c = 0; table->scans != NULL && c < model->column_count; c++) {
        sqlite3_finalize(table->scans[c]);
    }
    free(table->sets);
    free(table->scans);
}

void writer_close(struct writer *writer) {
    if (writer == NULL) return;
    if (writer->db != NULL) writer_rollback(writer);
    for (uint32_t i = 0; writer->tables != NULL && i < writer->models->count; i++) {
        table_close(&writer->tables[i], &writer->models->list[i]);
    }
    for (int i = 0; i < FIXED_COUNT; i++)
        sqlite3_finalize(writer->fixed[i]);
    /* The last connection to go copies the log into the file; after a failed sync it must not. */
    if (writer->sync_failed) {
        sqlite3_db_config(writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    int code = sqlite3_close(writer->db);
    CHECK(code == SQLITE_OK);
    packed_free(&writer->key);
    packed_free(&writer->row);
    shared_work_free(writer->shared);
    digest_free(writer);
    free(writer->tables);
    free(writer->path);
    free(writer);
}

/* ---- measuring ------------------------------------------------------------------------------- */

void writer_measure(struct writer *writer, const struct time_port *stopwatch) {
    CHECK(writer != NULL && stopwatch != NULL);
    writer->stopwatch = *stopwatch;
}

struct writer_spans writer_spans(const struct writer *writer) {
    CHECK(writer != NULL);
    return writer->spans;
}

static uint64_t time_us(const struct writer *writer) {
    const struct time_port *stopwatch = &writer->stopwatch;
    return stopwatch->now == NULL ? 0 : stopwatch->now(stopwatch->self).mono_us;
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Ends a transaction that is open still. Without memory even that may fail: then the next BEGIN
 * tries it again. */
static void writer_rollback_late(struct writer *writer) {
    if (sqlite3_get_autocommit(writer->db) != 0) return;
    (void)statement_run(writer->fixed[FIXED_ROLLBACK], "writing", writer->path, NULL);
}

enum weft_status writer_begin(struct writer *writer, struct weft_error *why) {
    CHECK(writer != NULL);
    if (writer->sync_failed) {
        return status_fail(why, WEFT_SYNC_FAILED, 0,
                           "writing %s failed: the disk did not confirm an earlier write; check "
                           "the disk, then open the library again",
                           writer->path);
    }
    sqlite3_stmt *begin = NULL;
    writer->begun_us = time_us(writer);
    writer_rollback_late(writer);
    enum weft_status status = writer_fixed(writer, FIXED_BEGIN, &begin, why);
    if (status == WEFT_OK) status = statement_run(begin, "writing", writer->path, why);
    if (status != WEFT_OK) {
        writer_rollback_late(writer);
        return status;
    }
    writer->began = true;
    if (writer->recalled) return WEFT_OK;

    sqlite3_stmt *parked = NULL;
    bool row = false;
    status = writer_fixed(writer, FIXED_PARKED_ANY, &parked, why);
    if (status == WEFT_OK) status = statement_step(parked, &row, "reading", writer->path, why);
    if (status == WEFT_OK) {
        CHECK(row);
        writer->any_parked = sqlite3_column_int(parked, 0) != 0;
        writer->recalled = true;
        sqlite3_reset(parked);
    } else {
        writer_rollback(writer);
    }
    return status;
}

void writer_checkpoint(struct writer *writer, uint32_t *copied, uint64_t *took_us) {
    CHECK(writer != NULL && !writer->began);
    struct weft_error why = {0};
    uint32_t pages = 0;
    const uint64_t begun_us = time_us(writer);
    if (checkpoint_run(writer->db, &pages, copied, &why) != WEFT_OK) writer->sync_failed = true;
    *took_us = time_us(writer) - begun_us;
}

void writer_forsake(struct writer *writer) {
    CHECK(writer != NULL);
    writer->sync_failed = true;
}

enum weft_status writer_commit(struct writer *writer, struct weft_error *why) {
    CHECK(writer != NULL);
    CHECK(!writer->sync_failed);
    sqlite3_stmt *commit = NULL;
    enum weft_status status = digest_save(writer, why);
    if (status == WEFT_OK) status = writer_fixed(writer, FIXED_COMMIT, &commit, why);
    const uint64_t applied_us = time_us(writer);
    if (status == WEFT_OK) status = statement_run(commit, "committing to", writer->path, why);
    if (status == WEFT_SYNC_FAILED) writer->sync_failed = true;
    if (status != WEFT_OK) {
        writer_rollback(writer);
        return status;
    }
    CHECK(sqlite3_get_autocommit(writer->db) != 0);
    writer->began = false;
    const uint64_t synced_us = time_us(writer);
    writer->spans = (struct writer_spans){.commit_us = synced_us - writer->begun_us,
                                          .sync_us = synced_us - applied_us,
                                          .log_pages = (uint32_t)writer->log_pages};
    return WEFT_OK;
}

void writer_rollback(struct writer *writer) {
    CHECK(writer != NULL);
    /* Some failures have rolled back already. What ROLLBACK itself answers changes nothing. */
    writer_rollback_late(writer);
    writer->began = false;
    digest_forget(writer);
    writer->recalled = false;
    writer->device_count = 0;
    shared_work_forget(writer->shared);
    memset(writer->references, 0, sizeof writer->references);
}

/* ---- statements ------------------------------------------------------------------------------ */

/* After some failures, also of reading, SQLite has rolled back by itself. What is written then
 * would stand alone, committed at once. */
static enum weft_status still_open(const struct writer *writer, struct weft_error *why) {
    if (!writer->began || sqlite3_get_autocommit(writer->db) == 0) return WEFT_OK;
    return status_fail(why, WEFT_IO, 0,
                       "writing %s failed: a failure before this has rolled back the transaction; "
                       "try again, and check the disk if it goes on",
                       writer->path);
}

const struct model *writer_model(const struct writer *writer, const Weft__Rows *rows) {
    CHECK(rows != NULL);
    const struct model *model = models_get(writer->models, rows->model);
    CHECK(model != NULL);
    CHECK(rows->n_columns == model->column_count);
    return model;
}

struct writer_table *writer_table(struct writer *writer, const struct model *model) {
    CHECK(model->id >= 1 && model->id <= writer->models->count);
    return &writer->tables[model->id - 1];
}

/* Learns which columns a unique index looks at. */
static enum weft_status learn_unique(struct writer *writer, const struct model *model,
                                     struct weft_error *why) {
    struct writer_table *table = writer_table(writer, model);
    sqlite3_stmt *query = NULL;
    bool row = true;
    enum weft_status status = statement_prepare(
        writer->db, &query, model->name, why,
        "SELECT x.name FROM pragma_index_list(%Q) AS l, pragma_index_xinfo(l.name) AS x "
        "WHERE l.\"unique\" = 1 AND x.\"key\" = 1 AND x.name IS NOT NULL",
        model->name);
    while (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", model->name, why);
        if (status != WEFT_OK || !row) break;
        const struct weft_value name = statement_value(query, 0);
        const int c = model_column(model, name.as.bytes, name.size);
        if (c >= 0) table->unique[c / 64] |= UINT64_C(1) << (c % 64);
    }
    sqlite3_finalize(query);
    return status;
}

/* Learns what the schema says beyond the model. */
static enum weft_status table_learn(struct writer *writer, const struct model *model,
                                    struct weft_error *why) {
    struct writer_table *table = writer_table(writer, model);
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status = statement_prepare(
        writer->db, &query, model->name, why,
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' "
        "AND tbl_name = %Q COLLATE NOCASE), "
        "EXISTS (SELECT 1 FROM pragma_index_list(%Q) AS l, pragma_index_xinfo(l.name) AS x "
        "WHERE l.\"unique\" = 1 AND (l.partial = 1 OR (x.\"key\" = 1 AND x.name IS NULL)))",
        model->name, model->name);
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", model->name, why);
    if (status == WEFT_OK) {
        CHECK(row);
        table->triggers = sqlite3_column_int(query, 0) != 0;
        table->opaque = sqlite3_column_int(query, 1) != 0;
        for (uint32_t i = 0; i < writer->models->count; i++) {
            table->owns = table->owns || writer->models->list[i].owner_model == model;
        }
    }
    sqlite3_finalize(query);
    if (status == WEFT_OK) status = learn_unique(writer, model, why);
    table->known = status == WEFT_OK;
    return status;
}

enum weft_status writer_slot(struct writer *writer, const struct model *model,
                             enum writer_slot slot, sqlite3_stmt **out, struct weft_error *why) {
    CHECK(slot < SLOT_COUNT);
    struct writer_table *table = writer_table(writer, model);
    if (!table->known) {
        enum weft_status status = table_learn(writer, model, why);
        if (status != WEFT_OK) return status;
    }
    sqlite3_stmt **statement = &table->slots[slot];
    if (*statement == NULL) {
        int code = SQLITE_OK;
        char *sql = writer_sql(writer->db, model, slot, &code);
        if (sql == NULL) return store_fail(writer->db, code, "preparing", model->name, why);
        enum weft_status status =
            statement_prepare(writer->db, statement, model->name, why, "%s", sql);
        sqlite3_free(sql);
        if (status != WEFT_OK) return status;
    }
    CHECK(sqlite3_stmt_busy(*statement) == 0);
    *out = *statement;
    return still_open(writer, why);
}

enum weft_status writer_fixed(struct writer *writer, enum writer_fixed fixed, sqlite3_stmt **out,
                              struct weft_error *why) {
    CHECK(fixed < FIXED_COUNT);
    sqlite3_stmt **statement = &writer->fixed[fixed];
    if (*statement == NULL) {
        enum weft_status status = statement_prepare(writer->db, statement, writer->path, why, "%s",
                                                    writer_fixed_sql[fixed]);
        if (status != WEFT_OK) return status;
    }
    CHECK(sqlite3_stmt_busy(*statement) == 0);
    *out = *statement;
    return still_open(writer, why);
}

/* ---- who is told ----------------------------------------------------------------------------- */

void writer_watch(struct writer *writer, const struct writer_watch *watch) {
    CHECK(writer != NULL);
    CHECK(watch == NULL || watch->touched != NULL);
    writer->watch = watch;
}

void writer_touched(const struct writer *writer, const struct model *model,
                    enum weft_change_op op) {
    struct weft_value key[LIMIT_KEY_COLUMNS];
    if (writer->watch == NULL) return;
    for (uint32_t k = 0; k < model->key_count; k++)
        key[k] = writer->values[model->key[k]];
    writer->watch->touched(writer->watch->context, model, op, key);
}

void writer_touched_row(const struct writer *writer, const struct model *model,
                        enum weft_change_op op, const Weft__Rows *rows, uint32_t row) {
    struct weft_value key[LIMIT_KEY_COLUMNS];
    if (writer->watch == NULL) return;
    for (uint32_t k = 0; k < model->key_count; k++)
        key[k] = rows_value(rows, row, model->key[k]);
    writer->watch->touched(writer->watch->context, model, op, key);
}

void writer_touched_many(const struct writer *writer, const struct model *model) {
    if (writer->watch == NULL) return;
    writer->watch->touched(writer->watch->context, model, WEFT_CHANGE_MANY, NULL);
}

/* ---- one row --------------------------------------------------------------------------------- */

void writer_values(struct writer *writer, const Weft__Rows *rows, uint32_t row) {
    CHECK(row < rows->count);
    CHECK(rows->n_columns <= LIMIT_COLUMNS);
    for (uint32_t c = 0; c < rows->n_columns; c++)
        writer->values[c] = rows_value(rows, row, c);
}

void writer_bind_one(struct writer *writer, const struct model *model, sqlite3_stmt *statement,
                     uint32_t owner, uint64_t version) {
    CHECK(owner > 0);
    CHECK(version <= INT64_MAX);
    const int last = sqlite3_bind_parameter_count(statement);
    sqlite3_bind_int64(statement, 1, owner);
    for (uint32_t c = 0; c < model->column_count && 2 + (int)c <= last; c++) {
        statement_bind(statement, 2 + (int)c, &writer->values[c]);
    }
    const int place = 2 + (int)model->column_count;
    if (place <= last) sqlite3_bind_int64(statement, place, (int64_t)version);
}

enum weft_status writer_upsert(struct writer *writer, const struct model *model,
                               sqlite3_stmt *statement, uint64_t *changed, int *code,
                               struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    writer->note_count = 0;
    *changed = 0;
    *code = sqlite3_step(statement);
    CHECK(*code != SQLITE_ROW);
    if (*code == SQLITE_DONE) {
        *changed = (uint64_t)sqlite3_changes64(writer->db);
    } else if (!writer_row_fault(*code)) {
        status = store_fail(writer->db, *code, "writing to", model->name, why);
    }
    return status;
}

const struct writer_note *writer_note(const struct writer *writer, uint64_t version, uint32_t *at) {
    CHECK(*at <= writer->note_count);
    if (*at == writer->note_count || writer->notes[*at].version != version) return NULL;
    return &writer->notes[(*at)++];
}

uint32_t writer_passed_over(const struct writer *writer) {
    uint32_t count = 0;
    CHECK(writer->note_count <= WRITER_ROWS_MANY);
    for (uint32_t i = 0; i < writer->note_count; i++)
        count += !writer->notes[i].written;
    return count;
}

enum weft_status writer_look(struct writer *writer, const struct model *model, bool *found,
                             uint32_t *owner, uint64_t *version, struct weft_error *why) {
    sqlite3_stmt *look = NULL;
    enum weft_status status = writer_slot(writer, model, SLOT_LOOK, &look, why);
    if (status != WEFT_OK) return status;
    writer_bind_one(writer, model, look, WRITER_SELF, 0);
    status = statement_step(look, found, "reading", model->name, why);
    if (status != WEFT_OK || !*found) return status;
    *owner = (uint32_t)sqlite3_column_int64(look, 0);
    *version = (uint64_t)sqlite3_column_int64(look, 1);
    sqlite3_reset(look);
    return WEFT_OK;
}

enum weft_status writer_delete(struct writer *writer, const struct model *model, uint32_t owner,
                               uint64_t version, uint64_t *deleted, struct weft_error *why) {
    CHECK(deleted != NULL);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *deleted = 0;
    enum weft_status status = writer_slot(writer, model, SLOT_DELETE, &statement, why);
    if (status != WEFT_OK) return status;
    writer_bind_one(writer, model, statement, owner, version);
    status = statement_step(statement, &row, "deleting from", model->name, why);
    if (status != WEFT_OK || !row) return status;
    *deleted = (uint64_t)sqlite3_column_int64(statement, 0);
    return statement_run(statement, "deleting from", model->name, why);
}

enum weft_status writer_tombstone(struct writer *writer, const struct model *model, uint32_t owner,
                                  uint64_t version, bool *added, struct weft_error *why) {
    CHECK(version > 0 && version <= INT64_MAX);
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_fixed(writer, FIXED_TOMBSTONE, &statement, why);
    if (status == WEFT_OK) status = packed_key(&writer->key, model, writer->values);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, owner);
    sqlite3_bind_int64(statement, 2, model->id);
    sqlite3_bind_int64(statement, 3, (int64_t)version);
    sqlite3_bind_blob64(statement, 4, writer->key.data, writer->key.size, SQLITE_STATIC);
    status = statement_run(statement, "deleting from", model->name, why);
    *added = status == WEFT_OK && sqlite3_changes64(writer->db) > 0;
    return status;
}

bool writer_row_fault(int code) {
    int primary = code & 0xff;
    return primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH || primary == SQLITE_TOOBIG ||
           primary == SQLITE_ERROR;
}

const char *writer_key_text(const struct writer *writer, const struct model *model,
                            char out[WRITER_KEY_TEXT]) {
    size_t at = 0;
    for (uint32_t k = 0; k < model->key_count && at + 1 < WRITER_KEY_TEXT; k++) {
        const struct weft_value *value = &writer->values[model->key[k]];
        char *to = out + at;
        int room = (int)(WRITER_KEY_TEXT - at);
        const char *more = value->size > 24 ? "..." : "";
        sqlite3_snprintf(room, to, "%s%.32s = ", k == 0 ? "" : ", ",
                         model->columns[model->key[k]].name);
        at += strlen(to), to = out + at, room = (int)(WRITER_KEY_TEXT - at);
        if (value->type == WEFT_INTEGER) {
            sqlite3_snprintf(room, to, "%lld", (long long)value->as.integer);
        } else if (value->type == WEFT_TEXT) {
            sqlite3_snprintf(room, to, "\"%.*s%s\"", value->size > 24 ? 24 : (int)value->size,
                             (const char *)value->as.bytes, more);
        } else if (value->type == WEFT_BLOB) {
            const uint8_t *bytes = value->as.bytes;
            for (uint32_t i = 0; i < value->size && i < 24 && room > 6; i++, to += 2, room -= 2) {
                sqlite3_snprintf(room, to, "%02x", bytes[i]);
            }
            sqlite3_snprintf(room, to, "%s", more);
        } else {
            sqlite3_snprintf(room, to, "NULL");
        }
        at = strlen(out);
    }
    return out;
}
