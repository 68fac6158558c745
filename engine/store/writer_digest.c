/* See writer_digest.h. */
#include "engine/store/writer_digest.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_row_private.h"

#define NAMES 8u /* shared tables whose fields' names are remembered */

struct stream_sum {
    uint32_t owner, model;
    uint64_t sum;
    bool lost;
};

struct table_sum {
    char table[LIMIT_NAME + 1];
    uint64_t sum;
};

struct table_names {
    char table[LIMIT_NAME + 1];
    struct digest_names names;
};

struct digest_work {
    struct packed key;
    struct stream_sum *streams; /* those that the transaction has touched */
    uint32_t stream_count, stream_room, stream_last;
    struct table_sum *tables;
    uint32_t table_count, table_room;
    struct table_names names[NAMES]; /* as the file says; forgotten on rollback */
    uint32_t name_count, name_next;
    bool no_memory; /* something was not summed up: nothing may be committed */
};

static enum weft_status fail_memory(struct weft_error *why) {
    return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for digests");
}

static struct digest_work *work_start(struct writer *writer) {
    static const uint8_t head[DIGEST_HEAD] = {0};
    if (writer->digests != NULL) return writer->digests;
    struct digest_work *work = calloc(1, sizeof *work);
    if (work != NULL && packed_copy(&work->key, (struct bytes){head, sizeof head}) != WEFT_OK) {
        free(work);
        work = NULL;
    }
    writer->digests = work;
    return work;
}

/* ---- owned rows ---- */

static struct stream_sum *sums_grow(struct digest_work *work) {
    if (work->stream_count == work->stream_room) {
        const uint32_t room = work->stream_room == 0 ? 8 : work->stream_room * 2;
        struct stream_sum *grown = realloc(work->streams, room * sizeof *grown);
        if (grown == NULL) return NULL;
        work->streams = grown;
        work->stream_room = room;
    }
    return &work->streams[work->stream_count++];
}

static struct stream_sum *stream_sum(struct writer *writer, uint32_t owner, uint32_t model) {
    struct digest_work *work = writer->digests;
    if (work->stream_last < work->stream_count) { /* Nearly always it is the one before. */
        struct stream_sum *last = &work->streams[work->stream_last];
        if (last->owner == owner && last->model == model) return last;
    }
    for (uint32_t i = 0; i < work->stream_count; i++) {
        struct stream_sum *sum = &work->streams[i];
        if (sum->owner != owner || sum->model != model) continue;
        work->stream_last = i;
        return sum;
    }
    struct stream_sum *sum = sums_grow(work);
    if (sum != NULL) *sum = (struct stream_sum){.owner = owner, .model = model};
    return sum;
}

/* Moves what the packed key counts with. */
static void move_packed(struct writer *writer, const struct model *model, uint32_t owner,
                        uint64_t before, uint64_t version) {
    struct digest_work *work = writer->digests;
    uint8_t *key = work->key.data + DIGEST_HEAD;
    const size_t size = work->key.size - DIGEST_HEAD;
    struct stream_sum *sum = stream_sum(writer, owner, model->id);
    if (sum == NULL) {
        work->no_memory = true;
        return;
    }
    if (before != 0) sum->sum -= digest_in_place(key, size, before);
    if (version != 0) sum->sum += digest_in_place(key, size, version);
}

/* Begins a key; false when there is no memory, which the commit will say. */
static bool key_begin(struct writer *writer) {
    struct digest_work *work = work_start(writer);
    if (work == NULL) {
        writer->digest_lost = true;
        return false;
    }
    work->key.size = DIGEST_HEAD;
    return true;
}

static void key_add(struct digest_work *work, const struct weft_value *value) {
    work->no_memory = work->no_memory || packed_value(&work->key, value) != WEFT_OK;
}

void digest_move(struct writer *writer, const struct model *model, uint32_t owner, uint64_t before,
                 uint64_t version) {
    if (before == version || !key_begin(writer)) return;
    for (uint32_t k = 0; k < model->key_count; k++)
        key_add(writer->digests, &writer->values[model->key[k]]);
    if (!writer->digests->no_memory) move_packed(writer, model, owner, before, version);
}

void digest_move_row(struct writer *writer, const struct model *model, uint32_t owner,
                     const Weft__Rows *rows, uint32_t row, uint64_t before) {
    if (!key_begin(writer)) return;
    for (uint32_t k = 0; k < model->key_count; k++) {
        const struct weft_value value = rows_value(rows, row, model->key[k]);
        key_add(writer->digests, &value);
    }
    if (writer->digests->no_memory) return;
    move_packed(writer, model, owner, before, rows_version(rows, row));
}

void digest_move_at(struct writer *writer, const struct model *model, uint32_t owner,
                    sqlite3_stmt *statement, int first, uint64_t before, uint64_t version) {
    if (!key_begin(writer)) return;
    for (uint32_t k = 0; k < model->key_count; k++) {
        const struct weft_value value = statement_value(statement, first + (int)k);
        key_add(writer->digests, &value);
    }
    if (!writer->digests->no_memory) move_packed(writer, model, owner, before, version);
}

void digest_lose(struct writer *writer, const struct model *model, uint32_t owner) {
    struct stream_sum *sum = key_begin(writer) ? stream_sum(writer, owner, model->id) : NULL;
    if (sum != NULL) sum->lost = true;
    writer->digest_lost = writer->digest_lost || sum == NULL;
}

enum weft_status digest_parked(struct writer *writer, const struct model *model, uint32_t owner,
                               uint64_t *version, struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    *version = 0;
    if (!writer->any_parked) return WEFT_OK;
    enum weft_status status = packed_key(&writer->key, model, writer->values);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for a key");
    status = writer_fixed(writer, FIXED_PARKED_OF, &query, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(query, 1, owner);
    sqlite3_bind_int64(query, 2, model->id);
    sqlite3_bind_blob64(query, 3, writer->key.data, writer->key.size, SQLITE_STATIC);
    status = statement_step(query, &row, "reading", writer->path, why);
    if (status != WEFT_OK || !row) return status;
    *version = (uint64_t)sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return WEFT_OK;
}

enum weft_status digest_counted(struct writer *writer, const struct model *model, uint32_t owner,
                                uint64_t *version, struct weft_error *why) {
    uint64_t parked = 0, stored = 0;
    uint32_t of = 0;
    bool found = false;
    enum weft_status status = digest_parked(writer, model, owner, &parked, why);
    if (status == WEFT_OK) status = writer_look(writer, model, &found, &of, &stored, why);
    *version = found && of == owner && stored > parked ? stored : parked;
    return status;
}

/* ---- shared rows ---- */

/* The names of a table's fields, as the file says; read again if `missing`. */
static enum weft_status names_of(struct writer *writer, struct bytes table, bool missing,
                                 const struct digest_names **out, struct weft_error *why) {
    struct digest_work *work = work_start(writer);
    struct table_names *found = NULL;
    if (work == NULL) return fail_memory(why);
    CHECK(table.size <= LIMIT_NAME);
    for (uint32_t i = 0; i < work->name_count && found == NULL; i++) {
        struct table_names *names = &work->names[i];
        if (strlen(names->table) == table.size &&
            sqlite3_strnicmp(names->table, (const char *)table.data, (int)table.size) == 0) {
            found = names;
        }
    }
    if (found == NULL) {
        const uint32_t at = work->name_count < NAMES ? work->name_count : work->name_next;
        found = &work->names[at];
        work->name_next = (at + 1) % NAMES;
        if (work->name_count < NAMES) work->name_count++;
        memcpy(found->table, table.data, table.size);
        found->table[table.size] = 0;
        missing = true;
    }
    *out = &found->names;
    if (!missing) return WEFT_OK;
    enum weft_status status =
        digest_names_load(writer->db, writer->path, table, &found->names, why);
    if (status != WEFT_OK) found->table[0] = 0;
    return status;
}

static const struct record_origin *origin_find(const void *context, uint32_t number) {
    return shared_origin_numbered(context, number);
}

enum weft_status digest_of_shared(struct writer *writer, const struct shared_row *row,
                                  uint64_t *hash, struct weft_error *why) {
    const struct digest_origins origins = {origin_find, writer->shared};
    const struct bytes key = {row->packed_key.data, row->packed_key.size};
    *hash = 0;
    if (!merge_visible(&row->clock, &writer->shared->order)) return WEFT_OK;
    for (int i = 0; i < 2; i++) {
        const struct digest_names *names = NULL;
        bool known = true;
        enum weft_status status = names_of(writer, row->table, i == 1, &names, why);
        if (status != WEFT_OK) return status;
        *hash = digest_shared(key, &row->clock, names, &origins, &known);
        if (known) break; /* Else a field has been numbered since the names were read. */
    }
    return WEFT_OK;
}

/* Writes the sums of shared tables, within the transaction. */
static enum weft_status save_tables(struct writer *writer, struct weft_error *why) {
    struct digest_work *work = writer->digests;
    enum weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < work->table_count && status == WEFT_OK; i++) {
        sqlite3_stmt *save = NULL;
        status = writer_fixed(writer, FIXED_DIGEST_SHARED, &save, why);
        if (status != WEFT_OK) break;
        sqlite3_bind_text(save, 1, work->tables[i].table, -1, SQLITE_STATIC);
        sqlite3_bind_int64(save, 2, (int64_t)work->tables[i].sum);
        status = statement_run(save, "writing", writer->path, why);
    }
    work->table_count = 0;
    return status;
}

static struct table_sum *tables_grow(struct digest_work *work) {
    if (work->table_count == work->table_room) {
        const uint32_t room = work->table_room == 0 ? 8 : work->table_room * 2;
        struct table_sum *grown = realloc(work->tables, room * sizeof *grown);
        if (grown == NULL) return NULL;
        work->tables = grown;
        work->table_room = room;
    }
    return &work->tables[work->table_count++];
}

enum weft_status digest_move_shared(struct writer *writer, struct shared_row *row,
                                    struct weft_error *why) {
    uint64_t hash = 0;
    enum weft_status status = digest_of_shared(writer, row, &hash, why);
    const uint64_t moved = hash - row->counted;
    if (status != WEFT_OK || moved == 0) return status;
    struct digest_work *work = work_start(writer);
    struct table_sum *sum = NULL;
    if (work == NULL) return fail_memory(why);
    for (uint32_t i = 0; i < work->table_count && sum == NULL; i++) {
        struct table_sum *table = &work->tables[i];
        if (strlen(table->table) == row->table.size &&
            sqlite3_strnicmp(table->table, (const char *)row->table.data, (int)row->table.size) ==
                0) {
            sum = table;
        }
    }
    if (sum == NULL) {
        /* A record may name tables without end. */
        if (work->table_count == LIMIT_MODELS) status = save_tables(writer, why);
        if (status != WEFT_OK) return status;
        sum = tables_grow(work);
        if (sum == NULL) return fail_memory(why);
        *sum = (struct table_sum){0};
        memcpy(sum->table, row->table.data, row->table.size);
    }
    sum->sum += moved;
    row->counted = hash;
    return WEFT_OK;
}

/* ---- the file ---- */

static enum weft_status save_stream(struct writer *writer, const struct stream_sum *sum,
                                    struct weft_error *why) {
    sqlite3_stmt *save = NULL;
    if (sum->sum == 0 && !sum->lost) return WEFT_OK;
    enum weft_status status = writer_fixed(writer, FIXED_DIGEST, &save, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(save, 1, sum->owner);
    sqlite3_bind_int64(save, 2, sum->model);
    sqlite3_bind_null(save, 3);
    if (!sum->lost) sqlite3_bind_int64(save, 3, (int64_t)sum->sum);
    return statement_run(save, "writing", writer->path, why);
}

enum weft_status digest_save(struct writer *writer, struct weft_error *why) {
    struct digest_work *work = writer->digests;
    enum weft_status status = WEFT_OK;
    if (writer->digest_lost || (work != NULL && work->no_memory)) return fail_memory(why);
    if (work == NULL) return WEFT_OK;
    for (uint32_t i = 0; i < work->stream_count && status == WEFT_OK; i++)
        status = save_stream(writer, &work->streams[i], why);
    if (status == WEFT_OK) status = save_tables(writer, why);
    work->stream_count = work->stream_last = 0;
    return status;
}

void digest_forget(struct writer *writer) {
    struct digest_work *work = writer->digests;
    writer->digest_lost = false;
    if (work == NULL) return;
    work->stream_count = work->stream_last = work->table_count = work->name_count = 0;
    work->no_memory = false;
}

void digest_free(struct writer *writer) {
    struct digest_work *work = writer->digests;
    if (work == NULL) return;
    packed_free(&work->key);
    free(work->streams);
    free(work->tables);
    free(work);
    writer->digests = NULL;
}

/* ---- the first time ---- */

/* Whether a digest has to be worked out: of a file from before there were any, of a stream whose
 * rows were taken in from a table, or of one that was lost. */
static enum weft_status any_missing(struct writer *writer, bool *owned, bool *shared,
                                    struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status =
        statement_prepare(writer->db, &query, writer->path, why,
                          "SELECT EXISTS (SELECT 1 FROM main._weft_position WHERE digest IS NULL), "
                          "NOT EXISTS (SELECT 1 FROM main._weft_meta WHERE key = 'digests')");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", writer->path, why);
    if (status == WEFT_OK) {
        CHECK(row);
        *owned = sqlite3_column_int(query, 0) != 0;
        *shared = sqlite3_column_int(query, 1) != 0;
    }
    sqlite3_finalize(query);
    return status;
}

static enum weft_status keep_found(struct writer *writer, const struct digest_found *found,
                                   bool shared, struct weft_error *why) {
    if (found->shared) {
        if (!shared || found->rows == 0) return WEFT_OK;
        return statement_exec(writer->db, "writing", writer->path, why,
                              "INSERT INTO main._weft_digest(model, digest) VALUES (%Q, %lld)",
                              found->table, (long long)found->computed);
    }
    if (found->known) return WEFT_OK;
    return statement_exec(writer->db, "writing", writer->path, why,
                          "UPDATE main._weft_position SET digest = %lld WHERE owner = %u "
                          "AND model = %u",
                          (long long)found->computed, found->number, found->model);
}

enum weft_status writer_fill_digests(struct writer *writer, struct weft_error *why) {
    struct digest_list list = {0};
    bool owned = false, shared = false;
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    enum weft_status status = digest_save(writer, why);
    if (status == WEFT_OK) status = any_missing(writer, &owned, &shared, why);
    if (status != WEFT_OK || !(owned || shared)) return status;
    status = digest_scan(writer->db, writer->path, writer->models, &list, why);
    if (status == WEFT_OK && shared) {
        status = statement_exec(writer->db, "writing", writer->path, why,
                                "DELETE FROM main._weft_digest");
    }
    for (uint32_t i = 0; i < list.count && status == WEFT_OK; i++)
        status = keep_found(writer, &list.list[i], shared, why);
    if (status == WEFT_OK && shared) {
        status = statement_exec(writer->db, "writing", writer->path, why,
                                "INSERT INTO main._weft_meta(key, value) VALUES ('digests', 1)");
    }
    digest_list_free(&list);
    return status;
}

enum weft_status writer_read_digests(struct writer *writer, struct digest_list *out,
                                     struct weft_error *why) {
    CHECK(writer != NULL && out != NULL);
    return digest_read(writer->db, writer->path, writer->models, out, why);
}

enum weft_status writer_recount(struct writer *writer, struct digest_list *out,
                                struct weft_error *why) {
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    enum weft_status status = digest_save(writer, why);
    if (status == WEFT_OK) status = digest_scan(writer->db, writer->path, writer->models, out, why);
    for (uint32_t i = 0; i < out->count && status == WEFT_OK; i++) {
        const struct digest_found *found = &out->list[i];
        if (found->known && found->kept == found->computed) continue;
        if (found->shared) {
            status = statement_exec(writer->db, "writing", writer->path, why,
                                    "INSERT OR REPLACE INTO main._weft_digest(model, digest) "
                                    "VALUES (%Q, %lld)",
                                    found->table, (long long)found->computed);
        } else if (!found->known || found->number != WRITER_SELF) {
            status = statement_exec(writer->db, "writing", writer->path, why,
                                    "UPDATE main._weft_position SET digest = %lld "
                                    "WHERE owner = %u AND model = %u",
                                    (long long)found->computed, found->number, found->model);
        }
    }
    return status;
}

enum weft_status writer_word(struct writer *writer, const struct id *device, struct bytes statement,
                             struct weft_error *why) {
    sqlite3_stmt *word = NULL;
    enum weft_status status = statement_prepare(
        writer->db, &word, writer->path, why,
        "INSERT OR REPLACE INTO main._weft_word(device, statement) VALUES (?1, ?2)");
    if (status != WEFT_OK) return status;
    sqlite3_bind_blob(word, 1, device->bytes, sizeof device->bytes, SQLITE_STATIC);
    sqlite3_bind_blob64(word, 2, statement.data, statement.size, SQLITE_STATIC);
    status = statement_run(word, "writing", writer->path, why);
    sqlite3_finalize(word);
    return status;
}

enum weft_status writer_serial(struct writer *writer, bool draw, uint64_t *serial,
                               struct weft_error *why) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status = WEFT_OK;
    *serial = 0;
    if (draw) {
        status =
            statement_exec(writer->db, "writing", writer->path, why,
                           "INSERT INTO main._weft_meta(key, value) VALUES ('serial', 1 << 32) "
                           "ON CONFLICT(key) DO UPDATE SET value = value + (1 << 32)");
    }
    if (status == WEFT_OK) {
        status = statement_prepare(writer->db, &query, writer->path, why,
                                   draw ? "SELECT value FROM main._weft_meta WHERE key = 'serial'"
                                        : "SELECT value + (1 << 31) FROM main._weft_meta "
                                          "WHERE key = 'serial'");
    }
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", writer->path, why);
    if (status == WEFT_OK && row) *serial = (uint64_t)sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return status;
}
