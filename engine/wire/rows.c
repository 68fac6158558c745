/* Building and checking a run of rows.
 *
 * All that grows with the rows lies in one block, which is replaced by one twice as large when it
 * is full; the widest parts come first, so that each is aligned:
 *
 *     versions 8·R │ cells of column 0  8·R │ … │ fields 2·R │ ops R │ tags of column 0  R │ …
 *
 * with R the capacity in rows. Texts and blobs lie in one body per column, which grows by itself.
 *
 * Invariants, beside those of rows.h
 *   1. Tags, cells and fields behind the last row are zero, so a new row is NULL already.
 *   2. A column's body ends with the bytes of its newest text or blob: rows are filled one after
 *      another, and a cell that is set again first lets go of what it held.
 *   3. `fields` has entries if and only if a ROW_SET is in the run.
 * Not here: which columns are keys, and whether a text is UTF-8. The models know the one, the
 * doors through which rows come check the other. */
#include "engine/wire/rows.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#define ROWS_CAPACITY_MIN 8u
#define ROWS_BODY_MIN 64u

_Static_assert(LIMIT_ROWS >= ROWS_CAPACITY_MIN && (LIMIT_ROWS & (LIMIT_ROWS - 1)) == 0,
               "doubling must end at the limit");

/* ---- building -------------------------------------------------------------------------------- */

enum weft_status rows_begin(struct rows_builder *builder, struct arena *arena, uint32_t model,
                            uint32_t column_count) {
    CHECK(builder != NULL && arena != NULL);
    CHECK(column_count >= 1 && column_count <= LIMIT_COLUMNS);
    *builder = (struct rows_builder){.arena = arena};
    Weft__Rows *rows = arena_take(arena, sizeof *rows);
    Weft__Column *columns = arena_take(arena, column_count * sizeof *columns);
    Weft__Column **pointers = arena_take(arena, column_count * sizeof *pointers);
    uint32_t *room = arena_zero(arena, column_count * sizeof *room);
    if (rows == NULL || columns == NULL || pointers == NULL || room == NULL) return WEFT_NO_MEMORY;

    weft__rows__init(rows);
    rows->model = model;
    for (uint32_t c = 0; c < column_count; c++) {
        weft__column__init(&columns[c]);
        pointers[c] = &columns[c];
    }
    rows->columns = pointers;
    rows->n_columns = column_count;
    builder->rows = rows;
    builder->body_room = room;
    return WEFT_OK;
}

/* Moves one part of the run to its place in the new block; returns the place behind it. */
static uint8_t *part_move(ProtobufCBinaryData *part, uint8_t *to, size_t room) {
    CHECK(part->len <= room);
    if (part->len > 0) memcpy(to, part->data, part->len);
    memset(to + part->len, 0, room - part->len);
    part->data = to;
    return to + room;
}

static enum weft_status rows_grow(struct rows_builder *builder) {
    Weft__Rows *rows = builder->rows;
    size_t capacity = builder->capacity == 0 ? ROWS_CAPACITY_MIN : (size_t)builder->capacity * 2;
    CHECK(capacity <= LIMIT_ROWS);
    size_t row_size = 8 + 2 + 1 + rows->n_columns * (8 + 1);
    uint8_t *block = arena_take(builder->arena, capacity * row_size);
    if (block == NULL) return WEFT_NO_MEMORY;

    uint8_t *to = part_move(&rows->versions, block, capacity * 8);
    for (size_t c = 0; c < rows->n_columns; c++) {
        to = part_move(&rows->columns[c]->cells, to, capacity * 8);
    }
    to = part_move(&rows->fields, to, capacity * 2);
    to = part_move(&rows->ops, to, capacity);
    for (size_t c = 0; c < rows->n_columns; c++) {
        to = part_move(&rows->columns[c]->tags, to, capacity);
    }
    CHECK(to == block + capacity * row_size);
    builder->capacity = (uint32_t)capacity;
    return WEFT_OK;
}

/* What a row counts for before its cells are set: version, operation and tags. */
static size_t row_overhead(const Weft__Rows *rows) {
    return 8 + 1 + rows->n_columns;
}

enum weft_status rows_add(struct rows_builder *builder, enum row_op op, uint64_t version) {
    CHECK(builder != NULL);
    CHECK((unsigned)op <= ROW_NONE);
    Weft__Rows *rows = builder->rows;
    if (rows->count == builder->capacity) {
        if (rows->count >= LIMIT_ROWS) return WEFT_LIMIT;
        enum weft_status status = rows_grow(builder);
        if (status != WEFT_OK) return status;
    }
    uint32_t row = rows->count++;
    rows->ops.data[row] = (uint8_t)op;
    rows->ops.len = rows->count;
    rows->versions.len = (size_t)rows->count * 8;
    rows_version_set(rows, row, version);
    for (size_t c = 0; c < rows->n_columns; c++) {
        rows->columns[c]->tags.len = rows->count;
        rows->columns[c]->cells.len = (size_t)rows->count * 8;
    }
    if (op == ROW_SET || rows->fields.len > 0) rows->fields.len = (size_t)rows->count * 2;
    builder->cell_bytes += row_overhead(rows);
    return WEFT_OK;
}

static bool tag_has_body(uint8_t tag) {
    return tag == WEFT_TEXT || tag == WEFT_BLOB;
}

/* Makes a cell of the newest row NULL. Its bytes are the last of their body. */
static void cell_clear(struct rows_builder *builder, Weft__Column *column, uint32_t row) {
    uint8_t *cell = column->cells.data + (size_t)row * 8;
    uint8_t tag = column->tags.data[row];
    if (tag == WEFT_NULL) return;
    builder->cell_bytes -= 8;
    if (tag_has_body(tag)) {
        uint32_t offset = load_u32(cell);
        CHECK((size_t)offset + load_u32(cell + 4) == column->body.len);
        builder->cell_bytes -= column->body.len - offset;
        column->body.len = offset;
    }
    column->tags.data[row] = WEFT_NULL;
    store_u64(cell, 0);
}

/* Makes room for `size` bytes behind the body's last one. */
static enum weft_status body_reserve(struct rows_builder *builder, uint32_t column, uint32_t size) {
    ProtobufCBinaryData *body = &builder->rows->columns[column]->body;
    uint64_t need = (uint64_t)body->len + size;
    uint64_t room = builder->body_room[column];
    if (need <= room) return WEFT_OK;
    /* An offset has 32 bits. No pool is that large, so this is the lack of memory it looks like. */
    if (need > UINT32_MAX / 2) return WEFT_NO_MEMORY;
    room = room == 0 ? ROWS_BODY_MIN : room * 2;
    if (room < need) room = need;
    uint8_t *data = arena_grow(builder->arena, body->data, body->len, (size_t)room);
    if (data == NULL) return WEFT_NO_MEMORY;
    body->data = data;
    builder->body_room[column] = (uint32_t)room;
    return WEFT_OK;
}

enum weft_status rows_cell(struct rows_builder *builder, uint32_t column,
                           const struct weft_value *value) {
    CHECK(builder != NULL && value != NULL);
    Weft__Rows *rows = builder->rows;
    CHECK(rows->count > 0);
    CHECK(column < rows->n_columns);
    CHECK((unsigned)value->type <= WEFT_BLOB);
    Weft__Column *to = rows->columns[column];
    uint32_t row = rows->count - 1;
    bool has_body = tag_has_body((uint8_t)value->type);
    if (has_body) {
        CHECK(value->as.bytes != NULL || value->size == 0);
        enum weft_status status = body_reserve(builder, column, value->size);
        if (status != WEFT_OK) return status;
    }
    if (to->tags.data[row] != WEFT_NULL) cell_clear(builder, to, row);
    if (value->type == WEFT_NULL) return WEFT_OK;

    uint8_t *cell = to->cells.data + (size_t)row * 8;
    if (has_body) {
        store_u32(cell, (uint32_t)to->body.len);
        store_u32(cell + 4, value->size);
        if (value->size > 0) memcpy(to->body.data + to->body.len, value->as.bytes, value->size);
        to->body.len += value->size;
        builder->cell_bytes += value->size;
    } else {
        memcpy(cell, &value->as, 8);
    }
    to->tags.data[row] = (uint8_t)value->type;
    builder->cell_bytes += 8;
    return WEFT_OK;
}

enum weft_status rows_field(struct rows_builder *builder, uint32_t column) {
    CHECK(builder != NULL);
    Weft__Rows *rows = builder->rows;
    CHECK(rows->count > 0);
    CHECK(column < rows->n_columns);
    CHECK(rows_op(rows, rows->count - 1) == ROW_SET);
    store_u16(rows->fields.data + (size_t)(rows->count - 1) * 2, (uint16_t)column);
    return WEFT_OK;
}

void rows_undo(struct rows_builder *builder) {
    CHECK(builder != NULL);
    Weft__Rows *rows = builder->rows;
    CHECK(rows->count > 0);
    uint32_t row = rows->count - 1;
    for (size_t c = 0; c < rows->n_columns; c++) {
        cell_clear(builder, rows->columns[c], row);
        rows->columns[c]->tags.len = row;
        rows->columns[c]->cells.len = (size_t)row * 8;
    }
    if (rows->fields.len > 0) {
        store_u16(rows->fields.data + (size_t)row * 2, 0);
        bool has_set = memchr(rows->ops.data, ROW_SET, row) != NULL;
        rows->fields.len = has_set ? (size_t)row * 2 : 0;
    }
    rows->versions.len = (size_t)row * 8;
    rows->ops.len = row;
    rows->count = row;
    CHECK(builder->cell_bytes >= row_overhead(rows));
    builder->cell_bytes -= row_overhead(rows);
}

/* ---- reading --------------------------------------------------------------------------------- */

uint32_t rows_set_field(const Weft__Rows *rows, uint32_t row) {
    CHECK(rows != NULL && row < rows->count);
    CHECK(rows->fields.len == (size_t)rows->count * 2);
    return load_u16(rows->fields.data + (size_t)row * 2);
}

struct weft_value rows_value(const Weft__Rows *rows, uint32_t row, uint32_t column) {
    CHECK(rows != NULL && row < rows->count);
    CHECK(column < rows->n_columns);
    const Weft__Column *from = rows->columns[column];
    const uint8_t *cell = from->cells.data + (size_t)row * 8;
    struct weft_value value = {(enum weft_type)from->tags.data[row], 0, {0}};
    if (!tag_has_body((uint8_t)value.type)) {
        memcpy(&value.as, cell, 8);
        return value;
    }
    uint32_t offset = load_u32(cell);
    value.size = load_u32(cell + 4);
    CHECK((uint64_t)offset + value.size <= from->body.len);
    /* Nothing is not nowhere: SQLite takes a pointer of NULL for the value NULL. */
    value.as.bytes = value.size == 0 ? (const void *)"" : from->body.data + offset;
    return value;
}

static bool column_valid(const Weft__Column *column, size_t count) {
    if (column == NULL || column->tags.len != count || column->cells.len != count * 8) return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t tag = column->tags.data[i];
        if (tag > WEFT_BLOB) return false;
        if (!tag_has_body(tag)) continue;
        const uint8_t *cell = column->cells.data + i * 8;
        if ((uint64_t)load_u32(cell) + load_u32(cell + 4) > column->body.len) return false;
    }
    return true;
}

static bool ops_valid(const Weft__Rows *rows, uint32_t column_count) {
    const size_t count = rows->count;
    const size_t fields = rows->fields.len;
    if (rows->ops.len != count || (fields != 0 && fields != count * 2)) return false;
    for (size_t i = 0; i < count; i++) {
        uint8_t op = rows->ops.data[i];
        if (op > ROW_NONE) return false;
        if (op != ROW_SET) continue;
        if (fields == 0 || load_u16(rows->fields.data + i * 2) >= column_count) return false;
    }
    return true;
}

static bool versions_valid(const Weft__Rows *rows) {
    if (rows->versions.len != (size_t)rows->count * 8 || rows->after > rows->upto) return false;
    uint64_t before = rows->after;
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t version = load_u64(rows->versions.data + i * 8);
        if (version <= before) return false;
        before = version;
    }
    return before <= rows->upto;
}

bool rows_valid(const Weft__Rows *rows, uint32_t column_count) {
    CHECK(rows != NULL);
    if (rows->count > LIMIT_ROWS || rows->n_columns != column_count) return false;
    if (!ops_valid(rows, column_count) || !versions_valid(rows)) return false;
    for (size_t c = 0; c < rows->n_columns; c++) {
        if (!column_valid(rows->columns[c], rows->count)) return false;
    }
    /* Where the versions lie is ours to choose, not the sender's: an arena aligns them. */
    CHECK(rows->count == 0 || (uintptr_t)rows->versions.data % 8 == 0);
    return true;
}
