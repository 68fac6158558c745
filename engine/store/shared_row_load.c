/* A shared row, read whole.
 *
 *   table: _weft_clock, cells ──┬─► stamps and values by field number
 *   shadow: clock, fields ──────┘        (of a row in the table only what has no column)
 *
 * Invariants
 *   1. A row lies in the table, or in the shadow as hidden, parked or rival; in both so only while
 *      the one in the table has no clock.
 *   2. What a plain connection may have done to a table makes no row unreadable.
 *   3. What was read is copied: the statements that gave it have been reset. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_row_private.h"

void shared_row_free(struct shared_row *row) {
    packed_free(&row->packed_key);
    packed_free(&row->cells);
    packed_free(&row->fields);
}

static bool has_bytes(const struct weft_value *value) {
    return (value->type == WEFT_TEXT || value->type == WEFT_BLOB) && value->size > 0;
}

enum weft_status shared_keep_values(struct packed *packed, struct weft_value *const *values,
                                    uint32_t count, struct weft_error *why) {
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += has_bytes(values[i]) ? values[i]->size : 0;
    if (size + 1 > packed->room) {
        uint8_t *data = realloc(packed->data, size * 2 + 1);
        if (data == NULL) return status_fail(why, WEFT_NO_MEMORY, 0, "no memory for a row");
        packed->data = data;
        packed->room = size * 2 + 1;
    }
    packed->size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!has_bytes(values[i])) continue;
        memcpy(packed->data + packed->size, values[i]->as.bytes, values[i]->size);
        values[i]->as.bytes = packed->data + packed->size;
        packed->size += values[i]->size;
    }
    return WEFT_OK;
}

static enum weft_status fail_corrupt(const struct writer *writer, const struct shared_row *row,
                                     struct weft_error *why) {
    return status_fail(why, WEFT_CORRUPT, 0,
                       "%s: what is kept of a row of table \"%.*s\" cannot be read; restore the "
                       "file from a copy",
                       writer->path, (int)row->table.size, (const char *)row->table.data);
}

/* ---- values ---- */

#define NO_VALUE ((enum weft_type)UINT8_MAX) /* not found yet */

static void expect_values(struct shared_row *row) {
    for (uint32_t f = 0; f < row->clock.field_count; f++)
        row->values[f] = (struct weft_value){.type = NO_VALUE};
}

static void forget_unknown(struct shared_row *row) {
    for (uint32_t f = 0; f < row->clock.field_count; f++) {
        if (row->values[f].type == NO_VALUE) row->clock.fields[f] = (struct stamp){0};
    }
}

/* ---- the table ---- */

static enum weft_status take_cells(struct shared_row *row, sqlite3_stmt *look,
                                   struct weft_error *why) {
    struct weft_value *kept[LIMIT_COLUMNS];
    uint32_t count = 0;
    for (uint32_t c = 0; c < row->model->column_count; c++) {
        const struct column *column = &row->model->columns[c];
        if (column->key_place >= 0 || column->field >= row->clock.field_count) continue;
        if (row->clock.fields[column->field].hlc == 0) continue;
        struct weft_value *value = &row->values[column->field];
        *value = statement_value(look, 1 + (int)c);
        if (has_bytes(value)) kept[count++] = value;
    }
    return shared_keep_values(&row->cells, kept, count, why);
}

enum weft_status shared_row_look(struct writer *writer, struct shared_row *row, sqlite3_stmt **look,
                                 struct weft_error *why) {
    enum weft_status status = writer_slot(writer, row->model, SLOT_SHARED_LOOK, look, why);
    if (status != WEFT_OK) return status;
    for (uint32_t k = 0; k < row->key_count; k++)
        statement_bind(*look, 2 + (int)row->model->key[k], &row->key[k]);
    return statement_step(*look, &row->in_table, "reading", row->model->name, why);
}

static enum weft_status load_table(struct writer *writer, struct shared_row *row,
                                   struct weft_error *why) {
    sqlite3_stmt *look = NULL;
    enum weft_status status = shared_row_look(writer, row, &look, why);
    if (status != WEFT_OK || !row->in_table) return status;
    struct weft_value clock = statement_value(look, 0);
    /* A row that was there before its table was annotated has no clock yet. */
    row->bare = clock.type == WEFT_NULL;
    if (!row->bare && (clock.type != WEFT_BLOB ||
                       !rowclock_read((struct bytes){clock.as.bytes, clock.size}, &row->clock))) {
        status = fail_corrupt(writer, row, why);
    }
    expect_values(row);
    if (status == WEFT_OK) status = take_cells(row, look, why);
    sqlite3_reset(look);
    return status;
}

/* ---- the shadow ---- */

static bool take_fields(struct shared_row *row) {
    const uint8_t *at = row->fields.data, *end = at + row->fields.size;
    while (at < end) {
        uint64_t field = 0;
        if (!packed_read_number(&at, end, &field) || field >= LIMIT_FIELDS) return false;
        if (!packed_read_value(&at, end, &row->values[field])) return false;
        row->came = row->came || shared_column_of(row->model, (uint32_t)field) >= 0;
    }
    return true;
}

static enum weft_status load_shadow(struct writer *writer, struct shared_row *row,
                                    struct weft_error *why) {
    sqlite3_stmt *look = NULL;
    bool found = false, sound = true;
    enum weft_status status = writer_fixed(writer, FIXED_SHADOW_LOOK, &look, why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_text(look, 1, (const char *)row->table.data, (int)row->table.size, SQLITE_STATIC);
    sqlite3_bind_blob64(look, 2, row->packed_key.data, row->packed_key.size, SQLITE_STATIC);
    status = statement_step(look, &found, "reading", writer->path, why);
    if (status != WEFT_OK || !found) return status;
    struct weft_value clock = statement_value(look, 1), fields = statement_value(look, 2);
    row->kind = (enum shadow_kind)sqlite3_column_int(look, 0);
    const bool shown = row->in_table && !row->bare;
    sound = row->kind >= SHADOW_EXTRA && row->kind <= SHADOW_RIVAL;
    if (row->kind == SHADOW_EXTRA && !shown) {
        /* A plain connection has deleted the row, and with it the stamps of these fields. */
        sqlite3_reset(look);
        return WEFT_OK;
    }
    sound = sound && shown == (row->kind == SHADOW_EXTRA);
    if (sound && row->kind != SHADOW_EXTRA) {
        sound = clock.type == WEFT_BLOB &&
                rowclock_read((struct bytes){clock.as.bytes, clock.size}, &row->clock);
        if (sound) expect_values(row);
    }
    const struct bytes packed = {fields.as.bytes, fields.type == WEFT_BLOB ? fields.size : 0};
    status = packed_copy(&row->fields, packed);
    sqlite3_reset(look);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for a row");
    sound = sound && take_fields(row);
    return sound ? WEFT_OK : fail_corrupt(writer, row, why);
}

/* ---- both ---- */

static enum weft_status pack_key(struct shared_row *row, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    row->packed_key.size = 0;
    for (uint32_t k = 0; k < row->key_count && status == WEFT_OK; k++)
        status = packed_value(&row->packed_key, &row->key[k]);
    return status == WEFT_OK ? WEFT_OK : status_fail(why, status, 0, "no memory for a key");
}

static enum weft_status load(struct writer *writer, struct shared_row *row,
                             struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    row->clock = (struct merge_row){0};
    row->in_table = row->bare = false;
    row->kind = SHADOW_NONE;
    row->touched = row->came = false;
    row->counted = 0;
    if (row->model != NULL) status = load_table(writer, row, why);
    if (status == WEFT_OK && writer->shared->any_shadow) status = load_shadow(writer, row, why);
    /* As its stored clock says. */
    if (status == WEFT_OK) status = digest_of_shared(writer, row, &row->counted, why);
    if (status == WEFT_OK) forget_unknown(row);
    return status;
}

bool shared_takes_key(const struct model *model, const struct weft_value *key, uint32_t count) {
    if (model == NULL || model->kind != MODEL_SHARED || model->key_count != count) return false;
    for (uint32_t k = 0; k < count; k++) {
        if (model_accepts(model, model->key[k], &key[k], NULL) != WEFT_OK) return false;
    }
    return true;
}

enum weft_status shared_row_load(struct writer *writer, struct shared_row *row,
                                 struct weft_error *why) {
    CHECK(writer->shared != NULL && writer->shared->recalled);
    CHECK(row->key_count >= 1 && row->key_count <= LIMIT_KEY_COLUMNS);
    CHECK(row->model == NULL || row->model->key_count == row->key_count);
    enum weft_status status = pack_key(row, why);
    return status == WEFT_OK ? load(writer, row, why) : status;
}

enum weft_status shared_row_load_packed(struct writer *writer, struct shared_row *row,
                                        struct bytes key, bool *sound, struct weft_error *why) {
    enum weft_status status = packed_copy(&row->packed_key, key);
    if (status != WEFT_OK) return status_fail(why, status, 0, "no memory for a key");
    const uint8_t *at = row->packed_key.data, *end = at + row->packed_key.size;
    *sound = true;
    for (row->key_count = 0; at < end && *sound; row->key_count++) {
        *sound = row->key_count < LIMIT_KEY_COLUMNS &&
                 packed_read_value(&at, end, &row->key[row->key_count]);
    }
    *sound = *sound && row->key_count > 0;
    if (!*sound) return WEFT_OK;
    if (!shared_takes_key(row->model, row->key, row->key_count)) row->model = NULL;
    return load(writer, row, why);
}

void shared_row_set(struct writer *writer, struct shared_row *row, uint32_t field,
                    const struct weft_value *value) {
    CHECK(field < LIMIT_FIELDS);
    row->values[field] = *value;
    const int c = shared_column_of(row->model, field);
    if (c < 0) return;
    const struct writer_table *table = writer_table(writer, row->model);
    row->touched = row->touched || (table->unique[c / 64] >> (c % 64) & 1) != 0;
}

/* ---- cells ---- */

const struct weft_value *shared_cell(const struct shared_row *row, uint32_t column) {
    const struct model *model = row->model;
    CHECK(model != NULL && column < model->column_count);
    const struct column *wanted = &model->columns[column];
    if (wanted->key_place >= 0) return &row->key[wanted->key_place];
    if (wanted->field < row->clock.field_count && row->clock.fields[wanted->field].hlc != 0)
        return &row->values[wanted->field];
    return &wanted->unset;
}
