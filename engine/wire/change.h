/* Changes of shared rows: the body of a CHANGE op, what one commit did to rows of one table.
 *
 *   CHANGE := name_size u8 | table | key_count u8 | row*                        to the body's end
 *   row    := what u8 (1 create, 2 delete, 3 update) | back varint | key_count × value
 *             | write_count varint | write_count × (field varint | name? | value)   not of a delete
 *   name   := size u8 | bytes                       the field's column, where `field` is new
 *   value  := type u8 | INTEGER: varint, zigzag | REAL: 8 bytes | TEXT, BLOB: size varint, bytes
 *             | NULL, NODE: nothing
 *
 * Fields are numbered from 0 within the body, in the order in which they are first named. NODE
 * stands for the id of the record's device. A row's stamp is that of the record, less `back`: what
 * a transaction does to one row twice has two stamps. A varint is as short as it can be. A REAL is
 * no NaN and no -0.0: SQLite keeps those as NULL and as 0.0.
 * A reader knows tables and columns by name, in which ASCII letters of either case are the same, as
 * in SQL, and keeps those it does not have. Little-endian.
 * Source: docs/protocol.md, "Shared rows". */
#ifndef WEFT_WIRE_CHANGE_H
#define WEFT_WIRE_CHANGE_H

#include "engine/base/arena.h"
#include "engine/base/limits.h"
#include "engine/weft.h"
#include "engine/wire/cursor.h"
#include "engine/wire/sink.h"

enum change_what { CHANGE_CREATE = 1, CHANGE_DELETE = 2, CHANGE_UPDATE = 3 };

#define CHANGE_NODE 5u /* beside enum weft_type */

/* ---- reading ---- */

/* One row of a body. Values borrow from it. */
struct change_row {
    enum change_what what;
    uint64_t back; /* below the record's hlc */
    struct weft_value key[LIMIT_KEY_COLUMNS];
    struct bytes key_bytes; /* the key as it stands in the body: equal keys are equal bytes */
    uint32_t count;
    uint32_t fields[LIMIT_FIELDS]; /* numbers within the body */
    struct weft_value values[LIMIT_FIELDS];
    uint64_t nodes[LIMIT_FIELDS / 64]; /* bit i: the i-th value is NODE */
};

struct change_reader {
    struct bytes table;
    uint32_t key_count;
    uint32_t field_count; /* named so far */
    struct bytes fields[LIMIT_FIELDS];
    struct cursor rest;
};

/* Whether a body has the form given above, to its last byte: names of 1 to LIMIT_NAME bytes of
 * UTF-8 without a zero, no two fields of one name, texts of UTF-8, a key without NULL, REAL and
 * NODE, no field twice in a row, an update of one field at least, one row at least, LIMIT_RECORD
 * bytes at most, and no row whose stamp would be 0 or below with the record's `hlc`: it would wrap,
 * and win for ever. What is not sound is never applied, by anybody. Takes time in proportion to the
 * body, and to the square of the number of fields. */
bool change_sound(struct bytes body, uint64_t hlc);
/* Begins to read a sound body. */
void change_open(struct change_reader *reader, struct bytes body);
/* The next row; false at the end. The body is sound. */
bool change_next(struct change_reader *reader, struct change_row *out);

/* ---- writing ---- */

/* Builds a body in an arena. The first failure stays, and change_end() says it: WEFT_NO_MEMORY,
 * WEFT_LIMIT (more than LIMIT_RECORD bytes), WEFT_NOT_UTF8 (a text that is not). */
struct change_builder {
    struct sink sink;
    enum weft_status status;
    uint32_t rows;
    uint32_t key_count;
    uint32_t left;                         /* writes of the last row that are still to come */
    uint64_t written[LIMIT_COLUMNS / 64u]; /* columns of the last row */
    uint32_t named;                        /* fields that have a number */
    uint16_t number[LIMIT_COLUMNS];        /* of a column, + 1; 0: not named yet */
};

void change_begin(struct change_builder *builder, struct arena *arena, struct bytes table,
                  uint32_t key_count);
/* Adds a row, with the stamp that is `back` less than the record's. Its key holds no NULL and no
 * REAL. Its writes follow, as many as said, in any order, each column once; of a deletion there are
 * none, of an update one or more. */
void change_row(struct change_builder *builder, enum change_what what, uint64_t back,
                const struct weft_value *const *key, uint32_t writes);
/* `column` is the caller's number for it, below LIMIT_COLUMNS; `name` is used the first time, and
 * is no other column's. `value` NULL: NODE. No REAL is NaN; of -0.0, 0.0 is written. */
void change_write(struct change_builder *builder, uint32_t column, struct bytes name,
                  const struct weft_value *value);
/* The body; empty when no row was added. */
enum weft_status change_end(struct change_builder *builder, struct bytes *out);

#endif
