/* Writing what this device's host wrote.
 *
 *   PUT … PUT  ─► gathered to WRITER_ROWS_MANY ─► insert ─┬ all new ──────────────► done
 *                                                                  └► upsert, which notes what
 *                                                                     became of each row
 *   DELETE, SET ─► what was gathered goes first ─► one statement
 *
 * A plain insert that passes over known keys costs a third less than an upsert, which must be able
 * to undo half of itself. A table that keeps having known keys is not tried again for a while.
 *
 * Invariants
 *   1. Rows of one run are written in its order, also when a key comes twice.
 *   2. What a put met is told by the statement that wrote it: nothing is read beside it.
 *   3. Nothing is written whose owner, by its owner column, is not this device.
 * Not here: versions and limits of a put. The caller has filled in the ones and checked the
 * other. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/writer_private.h"

struct own {
    struct writer *writer;
    const struct model *model;
    Weft__Rows *rows;
    struct arena *arena;
    const struct writer_unchanged *unchanged;
    struct writer_tally *tally;
    struct weft_error *why;
    uint32_t picked[WRITER_ROWS_MANY];
    uint32_t count;      /* of `picked` */
    size_t read_back;    /* bytes that SET rows have brought in */
    uint32_t *body_room; /* per column: bytes its body has room for; NULL before the first SET */
};

static enum weft_status fail_foreign(struct own *own) {
    char key[WRITER_KEY_TEXT];
    return status_fail(own->why, WEFT_NOT_OWNER, 0,
                       "table \"%s\": the row with %s belongs to another device, and only that one "
                       "may write it; give a new row a new id",
                       own->model->name, writer_key_text(own->writer, own->model, key));
}

/* Whether this device may write a row with this value in its owner column. */
static enum weft_status check_owner(struct own *own, const struct weft_value *value) {
    const struct model *model = own->model;
    const char *column = model->columns[model->owner_column].name;
    if (model->owner_model == NULL) {
        if (value->type == WEFT_BLOB && value->size == sizeof own->writer->self.bytes &&
            memcmp(value->as.bytes, own->writer->self.bytes, value->size) == 0) {
            return WEFT_OK;
        }
        char device[ID_TEXT_SIZE];
        id_text(&own->writer->self, device);
        return status_fail(own->why, WEFT_NOT_OWNER, 0,
                           "table \"%s\": \"%s\" must hold the 16 bytes of this device's id, %s; a "
                           "device writes its own rows only",
                           model->name, column, device);
    }
    uint32_t owner = 0;
    enum weft_status status = writer_owner_of(own->writer, model, value, &owner, own->why);
    if (status != WEFT_OK || owner == WRITER_SELF) return status;
    struct weft_value key = own->writer->values[model->owner_model->key[0]];
    own->writer->values[model->owner_model->key[0]] = *value;
    char text[WRITER_KEY_TEXT];
    writer_key_text(own->writer, model->owner_model, text);
    own->writer->values[model->owner_model->key[0]] = key;
    return status_fail(own->why, WEFT_NOT_OWNER, 0,
                       "table \"%s\": \"%s\" names the row of \"%s\" with %s, %s; write rows only "
                       "under those that this device owns",
                       model->name, column, model->owner_model->name, text,
                       owner == 0 ? "which is not there" : "which belongs to another device");
}

/* A row that a constraint refused. The message is the connection's last. */
static enum weft_status fail_row(struct own *own, int code) {
    char key[WRITER_KEY_TEXT];
    if (!writer_row_fault(code)) {
        return store_fail(own->writer->db, code, "writing to", own->model->name, own->why);
    }
    return status_fail(own->why, WEFT_CONSTRAINT, code,
                       "table \"%s\": the row with %s was refused: %s; change the row, or the "
                       "constraint",
                       own->model->name, writer_key_text(own->writer, own->model, key),
                       sqlite3_errmsg(own->writer->db));
}

static void mark_unchanged(struct own *own, uint32_t row, bool seen) {
    own->rows->ops.data[row] = ROW_NONE;
    own->tally->unchanged++;
    if (seen && own->unchanged != NULL && own->unchanged->seen != NULL) {
        own->unchanged->seen(own->unchanged->context, own->model, own->rows, row);
    }
}

/* ---- puts ------------------------------------------------------------------------------------ */

/* Takes in what an upsert did with one row. A row that it met with the same version is one that the
 * insert before it had just written. */
static enum weft_status put_done(struct own *own, uint32_t row, uint32_t *at) {
    const struct writer_note *note = writer_note(own->writer, rows_version(own->rows, row), at);
    if (note != NULL && !note->ours) {
        writer_values(own->writer, own->rows, row);
        return fail_foreign(own);
    }
    if (note == NULL || note->written || note->stored == note->version) {
        own->tally->written++;
        digest_move_row(own->writer, own->model, WRITER_SELF, own->rows, row,
                        note == NULL || !note->written ? 0 : note->stored);
        writer_touched_row(own->writer, own->model, WEFT_CHANGE_PUT, own->rows, row);
    } else {
        mark_unchanged(own, row, true);
    }
    return WEFT_OK;
}

/* A row is neither there nor refused: only a trigger can do that. */
static enum weft_status fail_trigger(struct own *own, uint32_t row) {
    char key[WRITER_KEY_TEXT];
    writer_values(own->writer, own->rows, row);
    return status_fail(own->why, WEFT_CONSTRAINT, 0,
                       "table \"%s\": the row with %s was put aside by a trigger of the schema; "
                       "change the row, or the trigger",
                       own->model->name, writer_key_text(own->writer, own->model, key));
}

static enum weft_status put_one(struct own *own, uint32_t row) {
    sqlite3_stmt *statement = NULL;
    uint64_t changed = 0;
    uint32_t at = 0;
    int code = SQLITE_OK;
    enum weft_status status =
        writer_slot(own->writer, own->model, SLOT_OWN_ONE, &statement, own->why);
    if (status != WEFT_OK) return status;
    writer_values(own->writer, own->rows, row);
    writer_bind_one(own->writer, own->model, statement, WRITER_SELF, rows_version(own->rows, row));
    status = writer_upsert(own->writer, own->model, statement, &changed, &code, own->why);
    if (status == WEFT_OK && code != SQLITE_DONE) status = fail_row(own, code);
    sqlite3_reset(statement);
    if (status != WEFT_OK) return status;
    if (changed + writer_passed_over(own->writer) != 1) return fail_trigger(own, row);
    return put_done(own, row, &at);
}

/* Runs one statement of many rows. */
static enum weft_status put_step(struct own *own, enum writer_slot slot, uint64_t *changed,
                                 int *code) {
    sqlite3_stmt *statement = NULL;
    enum weft_status status = writer_slot(own->writer, own->model, slot, &statement, own->why);
    if (status != WEFT_OK) return status;
    sqlite3_bind_int64(statement, 1, WRITER_SELF);
    feed_set(&own->writer->feed, own->rows, own->picked, own->count);
    status = writer_upsert(own->writer, own->model, statement, changed, code, own->why);
    sqlite3_reset(statement);
    feed_set(&own->writer->feed, NULL, NULL, 0);
    return status;
}

/* Writes a whole statement's rows. */
static enum weft_status put_many(struct own *own) {
    struct writer_table *table = writer_table(own->writer, own->model);
    uint64_t changed = 0;
    uint32_t at = 0;
    int code = SQLITE_DONE;
    enum weft_status status = WEFT_OK;
    CHECK(own->count >= WRITER_ROWS_FEW);
    if (table->hopeless > 0 || table->triggers) {
        table->hopeless -= table->hopeless > 0;
    } else {
        status = put_step(own, SLOT_INSERT_MANY, &changed, &code);
        if (status == WEFT_OK && changed < own->count) table->hopeless = WRITER_HOPELESS;
    }
    if (status == WEFT_OK && changed < own->count) {
        status = put_step(own, SLOT_OWN_MANY, &changed, &code);
        changed += writer_passed_over(own->writer);
    }
    /* One by one, when a row was refused or went missing, to say which. */
    bool whole = code == SQLITE_DONE && changed == own->count;
    for (uint32_t i = 0; i < own->count && status == WEFT_OK; i++) {
        status = whole ? put_done(own, own->picked[i], &at) : put_one(own, own->picked[i]);
    }
    return status;
}

static enum weft_status put_flush(struct own *own) {
    enum weft_status status = WEFT_OK;
    if (own->count >= WRITER_ROWS_FEW) {
        status = put_many(own);
    } else {
        for (uint32_t i = 0; i < own->count && status == WEFT_OK; i++) {
            status = put_one(own, own->picked[i]);
        }
    }
    own->count = 0;
    return status;
}

static enum weft_status put_row(struct own *own, uint32_t row) {
    struct weft_value owner = rows_value(own->rows, row, own->model->owner_column);
    enum weft_status status = check_owner(own, &owner);
    if (status != WEFT_OK) return status;
    own->picked[own->count++] = row;
    return own->count == WRITER_ROWS_MANY ? put_flush(own) : WEFT_OK;
}

/* ---- deletes --------------------------------------------------------------------------------- */

static enum weft_status delete_row(struct own *own, uint32_t row) {
    struct writer *writer = own->writer;
    const uint64_t version = rows_version(own->rows, row);
    bool added = false, found = false;
    uint64_t deleted = 0;
    writer_values(writer, own->rows, row);
    enum weft_status status =
        writer_delete(writer, own->model, WRITER_SELF, INT64_MAX, &deleted, own->why);
    if (status != WEFT_OK) return status;
    if (deleted != 0) {
        own->tally->written++;
        digest_move(writer, own->model, WRITER_SELF, deleted, 0);
        writer_touched(writer, own->model, WEFT_CHANGE_DELETE);
        return writer_tombstone(writer, own->model, WRITER_SELF, version, &added, own->why);
    }
    uint32_t owner = 0;
    uint64_t stored = 0;
    status = writer_look(writer, own->model, &found, &owner, &stored, own->why);
    if (status != WEFT_OK) return status;
    if (found && owner != WRITER_SELF) return fail_foreign(own);
    mark_unchanged(own, row, false);
    return WEFT_OK;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Puts a text or blob behind the others of its column. */
static enum weft_status body_add(struct own *own, uint32_t column, const struct weft_value *value,
                                 uint8_t *cell) {
    Weft__Column *to = own->rows->columns[column];
    size_t size = to->body.len + value->size;
    if (size > UINT32_MAX) return status_fail(own->why, WEFT_LIMIT, 0, "too many bytes");
    if (size > own->body_room[column]) {
        size_t room = size * 2 < UINT32_MAX ? size * 2 : UINT32_MAX;
        uint8_t *data = arena_grow(own->arena, to->body.data, to->body.len, room);
        if (data == NULL) return status_fail(own->why, WEFT_NO_MEMORY, 0, "out of memory");
        to->body.data = data;
        own->body_room[column] = (uint32_t)room;
    }
    store_u32(cell, (uint32_t)to->body.len);
    store_u32(cell + 4, value->size);
    if (value->size > 0) memcpy(to->body.data + to->body.len, value->as.bytes, value->size);
    to->body.len = size;
    return WEFT_OK;
}

/* Makes a SET row of the run the whole row that the statement has given back. */
static enum weft_status set_read_back(struct own *own, uint32_t row, sqlite3_stmt *statement) {
    size_t bytes = 0;
    for (uint32_t c = 0; c < own->model->column_count; c++) {
        struct weft_value value = statement_value(statement, (int)c);
        /* RETURNING gives the integer as which SQLite stores a whole REAL; a SELECT would not. */
        if (own->model->columns[c].type == WEFT_REAL && value.type == WEFT_INTEGER) {
            value = weft_real((double)value.as.integer);
        }
        Weft__Column *column = own->rows->columns[c];
        uint8_t *cell = column->cells.data + (size_t)row * 8;
        column->tags.data[row] = (uint8_t)value.type;
        bytes += 9 + value.size;
        if (value.type == WEFT_TEXT || value.type == WEFT_BLOB) {
            enum weft_status status = body_add(own, c, &value, cell);
            if (status != WEFT_OK) return status;
        } else {
            memcpy(cell, &value.as, 8);
        }
    }
    own->rows->ops.data[row] = ROW_PUT;
    own->read_back += bytes;
    if (bytes <= LIMIT_ROW_BYTES && own->read_back <= LIMIT_TX_BYTES) return WEFT_OK;
    char key[WRITER_KEY_TEXT];
    return status_fail(
        own->why, WEFT_LIMIT, 0,
        "table \"%s\": with the row that has %s, %s would take more than the %u bytes "
        "allowed; %s",
        own->model->name, writer_key_text(own->writer, own->model, key),
        bytes > LIMIT_ROW_BYTES ? "the row" : "the rows whose fields are set",
        bytes > LIMIT_ROW_BYTES ? LIMIT_ROW_BYTES : LIMIT_TX_BYTES,
        bytes > LIMIT_ROW_BYTES ? "keep long values elsewhere" : "commit in smaller transactions");
}

/* The statement that sets a column. */
static enum weft_status set_statement(struct own *own, uint32_t field, sqlite3_stmt **out) {
    struct writer *writer = own->writer;
    const struct model *model = own->model;
    struct writer_table *table = writer_table(writer, model);
    if (table->sets == NULL) table->sets = calloc(model->column_count, sizeof *table->sets);
    if (table->sets == NULL) return status_fail(own->why, WEFT_NO_MEMORY, 0, "out of memory");
    if (table->sets[field] == NULL) {
        char *sql = writer_sql_set(writer->db, model, field);
        if (sql == NULL) return status_fail(own->why, WEFT_NO_MEMORY, 0, "out of memory");
        enum weft_status status =
            statement_prepare(writer->db, &table->sets[field], model->name, own->why, "%s", sql);
        sqlite3_free(sql);
        if (status != WEFT_OK) return status;
    }
    *out = table->sets[field];
    return WEFT_OK;
}

/* A SET that changed nothing: the row is not there, is another's, or has the value already. */
static enum weft_status set_look(struct own *own, uint32_t row, uint32_t field) {
    bool found = false;
    uint32_t owner = 0;
    uint64_t stored = 0;
    enum weft_status status =
        writer_look(own->writer, own->model, &found, &owner, &stored, own->why);
    if (status != WEFT_OK) return status;
    if (!found) {
        char key[WRITER_KEY_TEXT];
        return status_fail(own->why, WEFT_NOT_FOUND, 0,
                           "table \"%s\": there is no row with %s whose \"%s\" could be set; put "
                           "the whole row first",
                           own->model->name, writer_key_text(own->writer, own->model, key),
                           own->model->columns[field].name);
    }
    if (owner != WRITER_SELF) return fail_foreign(own);
    mark_unchanged(own, row, true);
    return WEFT_OK;
}

/* Room for reading rows back, once per run. */
static enum weft_status set_prepare(struct own *own) {
    if (own->body_room != NULL) return WEFT_OK;
    own->body_room = arena_take(own->arena, own->model->column_count * sizeof *own->body_room);
    if (own->body_room == NULL) return status_fail(own->why, WEFT_NO_MEMORY, 0, "out of memory");
    for (uint32_t c = 0; c < own->model->column_count; c++) {
        size_t size = own->rows->columns[c]->body.len;
        CHECK(size <= UINT32_MAX);
        own->body_room[c] = (uint32_t)size;
    }
    return WEFT_OK;
}

static enum weft_status set_row(struct own *own, uint32_t row) {
    const struct model *model = own->model;
    const uint32_t field = rows_set_field(own->rows, row);
    CHECK(field < model->column_count);
    writer_values(own->writer, own->rows, row);
    if (model->columns[field].key_place >= 0) {
        return status_fail(own->why, WEFT_INVALID, 0,
                           "table \"%s\": \"%s\" is part of the key and cannot be set; delete the "
                           "row and put it under its new key",
                           model->name, model->columns[field].name);
    }
    enum weft_status status = set_prepare(own);
    if (status == WEFT_OK && field == model->owner_column) {
        status = check_owner(own, &own->writer->values[field]);
    }
    sqlite3_stmt *statement = NULL;
    if (status == WEFT_OK) status = set_statement(own, field, &statement);
    if (status != WEFT_OK) return status;

    writer_bind_one(own->writer, model, statement, WRITER_SELF, rows_version(own->rows, row));
    own->writer->note_count = 0;
    int code = sqlite3_step(statement);
    bool given = code == SQLITE_ROW;
    if (given) {
        CHECK(own->writer->note_count == 1);
        digest_move_row(own->writer, model, WRITER_SELF, own->rows, row,
                        own->writer->notes[0].stored);
        status = set_read_back(own, row, statement);
        if (status == WEFT_OK) code = sqlite3_step(statement);
    }
    if (status == WEFT_OK && code != SQLITE_DONE) status = fail_row(own, code);
    sqlite3_reset(statement);
    if (status != WEFT_OK) return status;
    if (!given) return set_look(own, row, field);
    own->tally->written++;
    writer_touched_row(own->writer, model, WEFT_CHANGE_PUT, own->rows, row);
    return WEFT_OK;
}

/* ---- runs ------------------------------------------------------------------------------------ */

void writer_settle_zeros(const struct model *model, Weft__Rows *rows) {
    for (uint32_t c = 0; c < model->column_count; c++) {
        const enum weft_type type = model->columns[c].type;
        if (type != WEFT_REAL && type != WEFT_NULL) continue;
        Weft__Column *column = rows->columns[c];
        CHECK(column->tags.len == rows->count && column->cells.len == (size_t)rows->count * 8);
        for (uint32_t row = 0; row < rows->count; row++) {
            uint8_t *cell = column->cells.data + (size_t)row * 8;
            if (column->tags.data[row] != WEFT_REAL) continue;
            if (load_u64(cell) == UINT64_C(1) << 63) store_u64(cell, 0);
        }
    }
}

enum weft_status writer_apply_own(struct writer *writer, Weft__Rows *rows, struct arena *arena,
                                  const struct writer_unchanged *unchanged,
                                  struct writer_tally *tally, struct weft_error *why) {
    CHECK(writer != NULL && arena != NULL && tally != NULL);
    CHECK(sqlite3_get_autocommit(writer->db) == 0);
    struct own own = {.writer = writer,
                      .model = writer_model(writer, rows),
                      .rows = rows,
                      .arena = arena,
                      .unchanged = unchanged,
                      .tally = tally,
                      .why = why};
    enum weft_status status = WEFT_OK;
    CHECK(own.model->kind == MODEL_OWNED);
    writer_settle_zeros(own.model, rows);
    for (uint32_t row = 0; row < rows->count && status == WEFT_OK; row++) {
        const enum row_op op = rows_op(rows, row);
        if (op == ROW_PUT) {
            status = put_row(&own, row);
        } else if (op != ROW_NONE) {
            status = put_flush(&own);
            if (status == WEFT_OK)
                status = op == ROW_SET ? set_row(&own, row) : delete_row(&own, row);
        }
    }
    if (status == WEFT_OK) status = put_flush(&own);
    writer_forget_owners(writer, own.model);
    return status;
}
