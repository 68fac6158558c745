/* Rows: a run of rows of one (owner, model), held as columns. The one form in which rows exist
 * outside SQLite: built by a host's transaction, read from a table, decoded from a batch.
 *
 *     column c of row i:   tags[i]   1 byte    enum weft_type
 *                          cells[i]  8 bytes   integer | bits of the real | offset u32, size u32
 *                          body      bytes     texts and blobs, addressed by offset
 *
 * The storage is a Weft__Rows of proto/mail.proto, so a mail can carry it as it is; cells is
 * 8-byte aligned. Invariants
 *   1. ops, versions, and every column's tags and cells have `count` entries.
 *   2. versions increase strictly; all lie in (after, upto], once they are filled in.
 *   3. A ROW_DELETE row has its key cells, all others NULL; a ROW_SET row has key cells and the one
 *      field; a ROW_NONE row is to be skipped. */
#ifndef WEFT_WIRE_ROWS_H
#define WEFT_WIRE_ROWS_H

#include "engine/base/arena.h"
#include "proto/mail.pb-c.h"

enum row_op { ROW_PUT = 0, ROW_DELETE = 1, ROW_SET = 2, ROW_NONE = 3 };

/* Builds a Rows run in an arena; grows by doubling. */
struct rows_builder {
    struct arena *arena;
    Weft__Rows *rows;
    uint32_t capacity;   /* rows that fit without growing */
    uint32_t *body_room; /* per column: bytes its body has room for */
    size_t cell_bytes;   /* of all cells so far, bodies included: about the raw size */
};

/* Begins an empty run. Errors: WEFT_NO_MEMORY. */
enum weft_status rows_begin(struct rows_builder *builder, struct arena *arena, uint32_t model,
                            uint32_t column_count);
/* Adds a row whose cells are all NULL, to be filled by rows_cell(). `version` may be 0 until known.
 * Errors: WEFT_NO_MEMORY, WEFT_LIMIT (LIMIT_ROWS). */
enum weft_status rows_add(struct rows_builder *builder, enum row_op op, uint64_t version);
/* Sets a cell of the newest row; copies the value's bytes. Errors: WEFT_NO_MEMORY. */
enum weft_status rows_cell(struct rows_builder *builder, uint32_t column,
                           const struct weft_value *value);
/* The field that the newest row, a ROW_SET, sets. Errors: WEFT_NO_MEMORY. */
enum weft_status rows_field(struct rows_builder *builder, uint32_t column);
/* Takes the newest row back, as if it had not been added. */
void rows_undo(struct rows_builder *builder);

/* Reading. Values borrow from the run. */
static inline enum row_op rows_op(const Weft__Rows *rows, uint32_t row) {
    return (enum row_op)rows->ops.data[row];
}
static inline uint64_t rows_version(const Weft__Rows *rows, uint32_t row) {
    return ((const uint64_t *)(const void *)rows->versions.data)[row];
}
static inline void rows_version_set(Weft__Rows *rows, uint32_t row, uint64_t version) {
    ((uint64_t *)(void *)rows->versions.data)[row] = version;
}
uint32_t rows_set_field(const Weft__Rows *rows, uint32_t row);
struct weft_value rows_value(const Weft__Rows *rows, uint32_t row, uint32_t column);
/* True if the run keeps invariant 1, every text and blob lies in its body, and the versions keep
 * invariant 2: what a run from outside must pass before it is used. */
bool rows_valid(const Weft__Rows *rows, uint32_t column_count);

#endif
