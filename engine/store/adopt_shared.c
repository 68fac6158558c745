/* See adopt_shared.h.
 *
 *   rows without a clock ─► as they lie in the file, so many at a time ─► shared_row_adopt()
 *                                             ┌─ one transaction ───────────────┘
 *                                             └─► clocks, record, head, the store's clock
 *
 * Invariants
 *   1. A row has its clock in the transaction that has the record which says it: whatever cuts this
 *      short, each row is said once.
 *   2. Stamps rise from row to row and from record to record, so an earlier one never wins.
 *   3. The application's triggers do not run: no column of its own changes, but those marked @node.
 * Not here: which rows can be taken in. store_adopt.c has refused the others. */
#include "engine/store/adopt_shared.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_row.h"
#include "engine/store/writer_private.h"

#define ADOPT_CACHE (16u << 20) /* of pages, while rows are taken in */

struct adopting {
    struct store *store;
    struct writer *writer;
    const struct identity *identity;
    struct roster roster;
    struct shared_head head; /* this device's; seq 0: it has none yet */
    uint32_t heads, mine;    /* of all origins, and of this device's incarnations */
    uint64_t wall;
    struct pool *pool;
    struct weft_error *why;
    /* The table under way. */
    const struct model *model;
    const char *rowid;     /* what the table's row number goes by; NULL: rows go by their keys */
    sqlite3_stmt *rows[2]; /* from the first on; behind the last one taken in: */
    bool begun;            /* there is one */
    int64_t number;
    struct packed key;
};

static void take_head(void *context, const struct shared_head *head) {
    struct adopting *adopting = context;
    if (head->seq == 0) return;
    adopting->heads++;
    if (!id_equal(&head->origin.device, &adopting->identity->device)) return;
    adopting->mine++;
    if (head->origin.incarnation == adopting->identity->incarnation) adopting->head = *head;
}

/* Whether others would take a record of this device; if not, the rows wait. */
static bool may_write(const struct adopting *adopting) {
    if (!roster_has(&adopting->roster, &adopting->identity->device)) return false;
    if (adopting->head.seq != 0) return !adopting->head.frozen;
    return adopting->mine < LIMIT_INCARNATIONS && adopting->heads < LIMIT_ORIGINS;
}

/* Whether a table has any such row. */
static enum weft_status look_for(struct adopting *adopting, const struct model *model, bool *any) {
    sqlite3_stmt *query = NULL;
    enum weft_status status = statement_prepare(
        adopting->writer->db, &query, model->name, adopting->why,
        "SELECT 1 FROM main.\"%w\" WHERE _weft_clock IS NULL LIMIT 1", model->name);
    if (status == WEFT_OK)
        status = statement_step(query, any, "reading", model->name, adopting->why);
    sqlite3_finalize(query);
    return status;
}

/* The shared tables that have such rows, as bits by model id - 1. */
static enum weft_status find_tables(struct adopting *adopting, uint64_t *tables) {
    const struct models *models = adopting->store->models;
    enum weft_status status = WEFT_OK;
    *tables = 0;
    for (uint32_t id = 1; id <= models->count && status == WEFT_OK; id++) {
        const struct model *model = models_get(models, id);
        bool any = false;
        if (model == NULL || model->kind != MODEL_SHARED) continue;
        status = look_for(adopting, model, &any);
        if (any) *tables |= UINT64_C(1) << (id - 1);
    }
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A name by which the row number can be asked for; NULL when there is none, or columns have them
 * all. In this order few pages of the file are changed at a time, whatever the keys are like. */
static const char *find_rowid(const struct model *model) {
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !model->without_rowid; i++) {
        if (model_column(model, names[i], strlen(names[i])) < 0) return names[i];
    }
    return NULL;
}

/* What the rows are read in the order of. */
static void append_order(sqlite3_str *sql, const struct adopting *adopting) {
    const struct model *model = adopting->model;
    if (adopting->rowid != NULL) sqlite3_str_appendall(sql, adopting->rowid);
    for (uint32_t k = 0; adopting->rowid == NULL && k < model->key_count; k++)
        sqlite3_str_appendf(sql, "%s\"%w\"", k == 0 ? "" : ",", model->columns[model->key[k]].name);
}

/* Prepares reading the rows; `behind`: those that come after a row. */
static enum weft_status prepare_rows(struct adopting *adopting, bool behind, sqlite3_stmt **out) {
    const struct model *model = adopting->model;
    sqlite3_str *sql = sqlite3_str_new(adopting->writer->db);
    for (uint32_t c = 0; c < model->column_count; c++)
        sqlite3_str_appendf(sql, "%s\"%w\"", c == 0 ? "SELECT " : ",", model->columns[c].name);
    sqlite3_str_appendf(sql, ",%s FROM main.\"%w\" WHERE _weft_clock IS NULL",
                        adopting->rowid == NULL ? "0" : adopting->rowid, model->name);
    if (behind) {
        const uint32_t count = adopting->rowid == NULL ? model->key_count : 1;
        sqlite3_str_appendall(sql, " AND (");
        append_order(sql, adopting);
        sqlite3_str_appendall(sql, ") > (");
        for (uint32_t k = 0; k < count; k++)
            sqlite3_str_appendf(sql, "%s?%u", k == 0 ? "" : ",", k + 1);
        sqlite3_str_appendall(sql, ")");
    }
    sqlite3_str_appendall(sql, " ORDER BY ");
    append_order(sql, adopting);
    sqlite3_str_appendf(sql, " LIMIT %u", ADOPT_ROWS);
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return status_fail(adopting->why, WEFT_NO_MEMORY, 0, "out of memory");
    enum weft_status status =
        statement_prepare(adopting->writer->db, out, model->name, adopting->why, "%s", text);
    sqlite3_free(text);
    return status;
}

/* No fewer bytes than the current row takes in a record, but for the names of its columns. */
static size_t row_size(const struct model *model, sqlite3_stmt *row) {
    size_t size = 16;
    for (uint32_t c = 0; c < model->column_count; c++)
        size += 14 + statement_value(row, (int)c).size;
    return size;
}

static enum weft_status add_row(struct adopting *adopting, sqlite3_stmt *row, uint64_t version,
                                struct rows_builder *builder) {
    const struct model *model = adopting->model;
    enum weft_status status = rows_add(builder, ROW_PUT, version);
    for (uint32_t c = 0; c < model->column_count && status == WEFT_OK; c++) {
        const struct weft_value value = statement_value(row, (int)c);
        status = rows_cell(builder, c, &value);
    }
    adopting->number = sqlite3_column_int64(row, (int)model->column_count);
    return status == WEFT_OK ? WEFT_OK
                             : status_fail(adopting->why, status, 0, "no memory for rows");
}

/* Goes on behind the last of these rows. */
static enum weft_status keep_key(struct adopting *adopting, const Weft__Rows *rows) {
    const struct model *model = adopting->model;
    enum weft_status status = WEFT_OK;
    CHECK(rows->count > 0);
    adopting->begun = true;
    adopting->key.size = 0;
    for (uint32_t k = 0; k < model->key_count && status == WEFT_OK; k++) {
        const struct weft_value value = rows_value(rows, (uint32_t)rows->count - 1, model->key[k]);
        status = packed_value(&adopting->key, &value);
    }
    return status == WEFT_OK ? WEFT_OK
                             : status_fail(adopting->why, status, 0, "no memory for a key");
}

/* The statement that gives the rows that come next. It borrows the key. */
static sqlite3_stmt *next_rows(struct adopting *adopting) {
    if (!adopting->begun) return adopting->rows[0];
    if (adopting->rowid != NULL) {
        sqlite3_bind_int64(adopting->rows[1], 1, adopting->number);
        return adopting->rows[1];
    }
    const uint8_t *at = adopting->key.data, *end = at + adopting->key.size;
    for (uint32_t k = 0; k < adopting->model->key_count; k++) {
        struct weft_value value;
        CHECK(packed_read_value(&at, end, &value));
        statement_bind(adopting->rows[1], 1 + (int)k, &value);
    }
    return adopting->rows[1];
}

/* Reads so many rows as one record and one transaction may have. */
static enum weft_status read_rows(struct adopting *adopting, uint64_t first,
                                  struct rows_builder *builder) {
    const struct model *model = adopting->model;
    sqlite3_stmt *rows = next_rows(adopting);
    size_t size = 0;
    bool row = true;
    for (uint32_t c = 0; c < model->column_count; c++)
        size += strlen(model->columns[c].name);
    for (uint32_t count = 0;; count++) {
        enum weft_status status = statement_step(rows, &row, "reading", model->name, adopting->why);
        if (status != WEFT_OK || !row) return status;
        size += row_size(model, rows);
        if (count > 0 && size > ADOPT_BYTES) break;
        status = add_row(adopting, rows, first + count, builder);
        if (status != WEFT_OK) {
            sqlite3_reset(rows);
            return status;
        }
    }
    sqlite3_reset(rows);
    return WEFT_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum weft_status write_record(struct adopting *adopting, struct bytes change, uint64_t hlc,
                                     struct arena *arena) {
    const struct shared_head *head = &adopting->head;
    struct record record = {.origin = {adopting->identity->device, adopting->identity->incarnation},
                            .seq = head->seq + 1,
                            .hlc = hlc};
    struct record_ops ops;
    struct bytes bytes;
    uint64_t place = 0;
    memcpy(record.prev, head->hash, sizeof record.prev);
    record_ops_begin(&ops, arena);
    record_ops_change(&ops, change);
    enum weft_status status = record_ops_end(&ops, &record.ops);
    if (status != WEFT_OK)
        return status_fail(adopting->why, status, 0, "no room for a record of table \"%s\"",
                           adopting->model->name);
    status = record_write(adopting->identity, &record, arena, &bytes, adopting->why);
    if (status != WEFT_OK) return status;
    CHECK(roster_judge_signed(&adopting->roster, &record) == ROSTER_ADMITS);
    status = shared_append(adopting->writer, &record, bytes, &place, adopting->why);
    if (status != WEFT_OK) return status;
    adopting->head.seq = record.seq;
    adopting->head.hlc = record.hlc;
    memcpy(adopting->head.hash, record.hash, sizeof record.hash);
    return WEFT_OK;
}

/* Takes in the rows that were read, within the transaction. */
static enum weft_status write_rows(struct adopting *adopting, Weft__Rows *rows, uint64_t hlc,
                                   struct arena *arena) {
    const struct record_origin self = {adopting->identity->device, adopting->identity->incarnation};
    struct shared_row_tally tally = {0};
    struct weft_error *why = adopting->why;
    struct bytes change = {0};
    uint32_t origin = 0;
    enum weft_status status = shared_origin(adopting->writer, &self, &origin, why);
    if (status != WEFT_OK) return status;
    status = shared_row_adopt(adopting->writer, rows, hlc, origin, arena, &change, &tally, why);
    if (status == WEFT_CONSTRAINT) {
        if (why != NULL) why->status = WEFT_SCHEMA;
        return WEFT_SCHEMA;
    }
    if (status == WEFT_OK && change.size > 0) status = write_record(adopting, change, hlc, arena);
    return status == WEFT_OK ? writer_clock(adopting->writer, hlc, why) : status;
}

/* One transaction, with at most one record. `*more`: there were rows to be taken in. */
static enum weft_status adopt_some(struct adopting *adopting, bool *more) {
    struct store *store = adopting->store;
    const uint64_t head = adopting->head.hlc;
    const uint64_t last = store->clock > head ? store->clock : head;
    const uint64_t first = adopting->wall > last ? adopting->wall : last + 1;
    struct rows_builder builder;
    struct arena arena;
    CHECK(first <= INT64_MAX - ADOPT_ROWS);
    *more = false;
    enum weft_status status = writer_begin(adopting->writer, adopting->why);
    if (status != WEFT_OK) return status;
    arena_init(&arena, adopting->pool);
    status = rows_begin(&builder, &arena, adopting->model->id, adopting->model->column_count);
    if (status != WEFT_OK) status_fail(adopting->why, status, 0, "no memory for rows");
    if (status == WEFT_OK) status = read_rows(adopting, first, &builder);
    if (status == WEFT_OK && builder.rows->count > 0) {
        const uint64_t hlc = first + builder.rows->count - 1;
        status = keep_key(adopting, builder.rows);
        if (status == WEFT_OK) status = write_rows(adopting, builder.rows, hlc, &arena);
        if (status == WEFT_OK) status = writer_commit(adopting->writer, adopting->why);
        if (status == WEFT_OK) store->clock = hlc;
        *more = status == WEFT_OK;
    }
    if (!*more) writer_rollback(adopting->writer);
    arena_drop(&arena);
    return status;
}

static enum weft_status adopt_table(struct adopting *adopting, const struct model *model) {
    bool more = true;
    adopting->model = model;
    adopting->rowid = find_rowid(model);
    adopting->begun = false;
    adopting->rows[0] = adopting->rows[1] = NULL;
    enum weft_status status = prepare_rows(adopting, false, &adopting->rows[0]);
    if (status == WEFT_OK) status = prepare_rows(adopting, true, &adopting->rows[1]);
    while (status == WEFT_OK && more)
        status = adopt_some(adopting, &more);
    sqlite3_finalize(adopting->rows[0]);
    sqlite3_finalize(adopting->rows[1]);
    return status;
}

static enum weft_status adopt_tables(struct adopting *adopting) {
    const struct shared_visit visit = {.context = adopting, .head = take_head};
    struct weft_error *why = adopting->why;
    uint64_t tables = 0;
    enum weft_status status = find_tables(adopting, &tables);
    if (status != WEFT_OK || tables == 0) return status;
    status = shared_load(adopting->writer, &visit, &adopting->roster, why);
    if (status != WEFT_OK || !may_write(adopting)) return status;
    sqlite3_db_config(adopting->writer->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    for (uint32_t id = 1; tables != 0 && status == WEFT_OK; id++, tables >>= 1) {
        if ((tables & 1) != 0)
            status = adopt_table(adopting, models_get(adopting->store->models, id));
    }
    return status;
}

enum weft_status adopt_shared(struct store *store, const char *path, const char *vfs,
                              const struct identity *identity, uint64_t wall, struct pool *pool,
                              struct weft_error *why) {
    CHECK(store != NULL && store->models != NULL);
    CHECK(identity != NULL && id_equal(&identity->device, &store->device));
    struct adopting adopting = {
        .store = store, .identity = identity, .wall = wall, .pool = pool, .why = why};
    bool any = false;
    for (uint32_t i = 0; i < store->models->order_count; i++) {
        any |= models_get(store->models, store->models->by_depth[i])->kind == MODEL_SHARED;
    }
    if (!any) return WEFT_OK;
    enum weft_status status = roster_open(&adopting.roster, identity);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for the members");
    status =
        writer_open(path, vfs, ADOPT_CACHE, store->models, &store->device, &adopting.writer, why);
    if (status == WEFT_OK) {
        status = adopt_tables(&adopting);
        writer_close(adopting.writer);
    }
    packed_free(&adopting.key);
    roster_close(&adopting.roster);
    return status;
}
