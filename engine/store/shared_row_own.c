/* Writing what this device's host wrote to shared rows.
 *
 *   PUT  ─► row to be seen? ─┬ no ──► CREATE of all fields, or, in an atomic model, of those given
 *                            └ yes ─► UPDATE of the fields that are another value now
 *   SET  ─► UPDATE of one field        DELETE ─► DELETE
 *          nothing to change: ROW_NONE, and no word of it in the record
 *   row of the table without a clock, taken in ─► as PUT
 *
 * Each row has the stamp that the clock gave it, so that what comes later in a transaction wins.
 * Invariants
 *   1. The table takes the row, or the transaction fails: a host's row is never parked.
 *   2. What the record says is what was written here. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/shared_row_private.h"

struct own {
    struct writer *writer;
    struct shared_work *work;
    const struct model *model;
    Weft__Rows *rows;
    uint64_t hlc;
    uint32_t origin;
    bool adopting; /* the rows are those of the table, which must not change by it */
    struct change_builder *builder;
    struct shared_row_tally *tally;
    struct weft_error *why;
    /* What is to be written to the row under way. */
    uint32_t columns[LIMIT_COLUMNS];
    struct weft_value values[LIMIT_COLUMNS];
    uint32_t count;
};

static bool same_value(const struct weft_value *a, const struct weft_value *b) {
    if (a->type != b->type) return false;
    if (a->type == WEFT_NULL) return true;
    if (a->type == WEFT_REAL) return memcmp(&a->as.real, &b->as.real, 8) == 0;
    if (a->type == WEFT_INTEGER) return a->as.integer == b->as.integer;
    return a->size == b->size && (a->size == 0 || memcmp(a->as.bytes, b->as.bytes, a->size) == 0);
}

static enum weft_status fail_missing(struct own *own, uint32_t field) {
    char key[WRITER_KEY_TEXT];
    writer_values(own->writer, own->rows, field);
    return status_fail(own->why, WEFT_NOT_FOUND, 0,
                       "table \"%s\": there is no row with %s whose \"%s\" could be set; put "
                       "the whole row first",
                       own->model->name, writer_key_text(own->writer, own->model, key),
                       own->model->columns[rows_set_field(own->rows, field)].name);
}

static void want(struct own *own, uint32_t column, const struct weft_value *value) {
    own->columns[own->count] = column;
    own->values[own->count++] = *value;
}

/* A cell that the host gives for an existing row: is it another value than the row shows? */
static void want_changed(struct own *own, uint32_t column, const struct weft_value *value) {
    if (!same_value(shared_cell(&own->work->row, column), value)) want(own, column, value);
}

/* A cell of a new row of an atomic model: what is not given stays unset. */
static void want_given(struct own *own, uint32_t column, const struct weft_value *value) {
    /* Unset, it would show its DEFAULT, or what others have written. */
    if (value->type == WEFT_NULL && own->adopting) want_changed(own, column, value);
    if (value->type != WEFT_NULL) want(own, column, value);
}

/* What a put writes: the fields of a new row, or those that change. */
static void want_put(struct own *own, uint32_t i, bool exists) {
    const struct weft_value self = weft_blob(own->writer->self.bytes, WEFT_ID_SIZE);
    for (uint32_t c = 0; c < own->model->column_count; c++) {
        const struct column *column = &own->model->columns[c];
        const struct weft_value value = rows_value(own->rows, i, c);
        if (column->key_place >= 0) continue;
        if (column->node) {
            if (!exists) want(own, c, &self); /* An existing row keeps whose it is. */
        } else if (column->optional && value.type == WEFT_NULL) {
            continue; /* Not given. */
        } else if (exists) {
            want_changed(own, c, &value);
        } else if (own->model->atomic) {
            want_given(own, c, &value);
        } else {
            want(own, c, &value);
        }
    }
}

/* Lays what is said of the row into the op. */
static void tell(struct own *own, enum change_what what, uint64_t stamp) {
    const struct shared_row *row = &own->work->row;
    const struct weft_value *key[LIMIT_KEY_COLUMNS];
    for (uint32_t k = 0; k < row->key_count; k++)
        key[k] = &row->key[k];
    change_row(own->builder, what, own->hlc - stamp, key, own->count);
    for (uint32_t i = 0; i < own->count; i++) {
        const struct column *column = &own->model->columns[own->columns[i]];
        const struct bytes name = {(const uint8_t *)column->name, strlen(column->name)};
        change_write(own->builder, own->columns[i], name, column->node ? NULL : &own->values[i]);
    }
}

/* Merges what is wanted into the row, puts it into its place, and tells of it. */
static enum weft_status commit_row(struct own *own, enum change_what what, uint64_t version) {
    struct shared_work *work = own->work;
    struct shared_row *row = &work->row;
    const struct stamp stamp = {version, own->origin};
    struct merge_change said = {
        .count = own->count, .fields = work->fields, .stamps = work->stamps};
    struct merge_verdict verdict;
    if (what == CHANGE_CREATE) said.created = stamp;
    if (what == CHANGE_DELETE) said.deleted = stamp;
    for (uint32_t i = 0; i < own->count; i++) {
        work->fields[i] = own->model->columns[own->columns[i]].field;
        work->stamps[i] = stamp;
    }
    tell(own, what, version);
    merge_apply(&row->clock, &said, &work->order, &verdict);
    for (uint32_t i = 0; i < own->count; i++) {
        if (merge_bit(verdict.won, i))
            shared_row_set(own->writer, row, work->fields[i], &own->values[i]);
    }
    row->touched = row->touched || said.created.hlc != 0;
    own->tally->beaten += verdict.beaten;
    if (!verdict.news) return WEFT_OK;
    own->tally->written++;
    own->tally->models |= UINT64_C(1) << (own->model->id - 1);
    return shared_row_place(own->writer, row, true, own->tally, own->why);
}

static enum weft_status own_row(struct own *own, uint32_t i) {
    struct shared_row *row = &own->work->row;
    const enum row_op op = rows_op(own->rows, i);
    enum change_what what = op == ROW_DELETE ? CHANGE_DELETE : CHANGE_UPDATE;
    if (op == ROW_NONE) return WEFT_OK;
    own->count = 0;
    row->model = own->model;
    row->table = (struct bytes){(const uint8_t *)own->model->name, strlen(own->model->name)};
    row->key_count = own->model->key_count;
    for (uint32_t k = 0; k < row->key_count; k++)
        row->key[k] = rows_value(own->rows, i, own->model->key[k]);
    enum weft_status status = shared_row_load(own->writer, row, own->why);
    if (status != WEFT_OK) return status;
    const bool exists = merge_visible(&row->clock, &own->work->order);
    if (op == ROW_PUT) {
        if (!exists) what = CHANGE_CREATE;
        want_put(own, i, exists);
    } else if (op == ROW_SET) {
        const uint32_t column = rows_set_field(own->rows, i);
        const struct weft_value self = weft_blob(own->writer->self.bytes, WEFT_ID_SIZE);
        const struct weft_value value =
            own->model->columns[column].node ? self : rows_value(own->rows, i, column);
        if (exists) want_changed(own, column, &value);
        if (!exists) status = fail_missing(own, i);
    }
    if (status != WEFT_OK) return status;
    const bool gone = !exists && !row->bare;
    if (what == CHANGE_UPDATE ? own->count == 0 : what == CHANGE_DELETE && gone) {
        own->rows->ops.data[i] = ROW_NONE;
        own->tally->unchanged++;
        /* One that waited beside what others said, and says the same, becomes that. */
        return row->bare ? shared_row_place(own->writer, row, true, own->tally, own->why) : WEFT_OK;
    }
    return commit_row(own, what, rows_version(own->rows, i));
}

/* Writes the rows, one after another, and lays what they say into `change`. */
static enum weft_status own_rows(struct own *own, struct arena *arena, struct bytes *change) {
    struct change_builder builder;
    struct writer *writer = own->writer;
    struct weft_error *why = own->why;
    enum weft_status status = WEFT_OK;
    CHECK(own->model->kind == MODEL_SHARED);
    const char *name = own->model->name;
    *change = (struct bytes){NULL, 0};
    own->work = shared_work_begun(writer);
    own->builder = &builder;
    writer_settle_zeros(own->model, own->rows);
    change_begin(&builder, arena, (struct bytes){(const uint8_t *)name, strlen(name)},
                 own->model->key_count);
    for (uint32_t i = 0; i < own->rows->count && status == WEFT_OK; i++) {
        CHECK(rows_version(own->rows, i) <= own->hlc);
        status = own_row(own, i);
    }
    if (status == WEFT_OK && writer_table(writer, own->model)->freed) {
        status = shared_row_follow(writer, UINT64_C(1) << (own->model->id - 1), own->tally, why);
    }
    if (status != WEFT_OK) return status;
    status = change_end(&builder, change);
    if (status == WEFT_LIMIT) {
        return status_fail(why, status, 0,
                           "table \"%s\": the changes of one transaction take more than the %u "
                           "bytes that a record may have; commit them in several",
                           name, LIMIT_RECORD);
    }
    return status == WEFT_OK
               ? WEFT_OK
               : status_fail(why, status, 0, "table \"%s\": %s", name, weft_status_text(status));
}

enum weft_status shared_row_write(struct writer *writer, Weft__Rows *rows, uint64_t hlc,
                                  uint32_t origin, struct arena *arena, struct bytes *change,
                                  struct shared_row_tally *tally, struct weft_error *why) {
    struct own own = {.writer = writer,
                      .model = writer_model(writer, rows),
                      .rows = rows,
                      .hlc = hlc,
                      .origin = origin,
                      .tally = tally,
                      .why = why};
    return own_rows(&own, arena, change);
}

enum weft_status shared_row_adopt(struct writer *writer, Weft__Rows *rows, uint64_t hlc,
                                  uint32_t origin, struct arena *arena, struct bytes *change,
                                  struct shared_row_tally *tally, struct weft_error *why) {
    struct own own = {.writer = writer,
                      .model = writer_model(writer, rows),
                      .rows = rows,
                      .hlc = hlc,
                      .origin = origin,
                      .adopting = true,
                      .tally = tally,
                      .why = why};
    return own_rows(&own, arena, change);
}
