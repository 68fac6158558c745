/* Shared rows as a snapshot carries them: rows of one table, each with all its stamps.
 *
 *   SNAPSHOT := name_size u8 | table | key_count u8 | row*                       to the body's end
 *   row      := what u8 (1: created, 2: deleted) | key_count × value
 *               | stamp of the creation? | stamp of the deletion?
 *               | count varint | count × (field varint | name? | stamp | value)
 *   stamp    := origin varint | origin? | hlc varint, zigzag, less the base
 *   origin   := device 16 | incarnation u64         where `origin` is new
 *   value    := that of a change (change.h), without NODE | MORE
 *
 * Names, varints and values have the form they have in a change. Origins and fields are numbered
 * from 0 within the body, in the order in which they are first named. The base is the hlc of the
 * creation or else of the deletion that was read last, of this row or one before; at first 0. In a
 * field's stamp the origin is one more, and 0, with nothing behind it, stands for the creation's
 * stamp, which has no other form there.
 * A row names all its fields that have a stamp. One that is too large goes in several parts, each
 * with all stamps and some of the values: MORE stands for a value that goes with another part.
 * Since rows are merged field by field, parts may come in any order. Little-endian.
 * Source: docs/protocol.md, "Snapshots". */
#ifndef WEFT_WIRE_SNAPSHOT_H
#define WEFT_WIRE_SNAPSHOT_H

#include "engine/crdt/merge.h"
#include "engine/wire/cursor.h"
#include "engine/wire/record.h"
#include "engine/wire/sink.h"

#define SNAPSHOT_MORE 6u /* beside enum weft_type */

/* ---- reading ---- */

/* One row, or a part of one. Values borrow from the body; stamps are of origins by their numbers
 * within it. */
struct snapshot_row {
    struct weft_value key[LIMIT_KEY_COLUMNS];
    struct bytes key_bytes;
    struct stamp created, deleted; /* hlc 0: never */
    uint32_t count;
    uint32_t fields[LIMIT_FIELDS]; /* numbers within the body */
    struct stamp stamps[LIMIT_FIELDS];
    struct weft_value values[LIMIT_FIELDS];
    uint64_t more[MERGE_WORDS]; /* bit i: the i-th value goes with another part */
};

struct snapshot_body {
    struct bytes table;
    uint32_t key_count;
    uint32_t field_count; /* named so far */
    struct bytes fields[LIMIT_FIELDS];
    uint32_t origin_count; /* likewise */
    struct record_origin origins[LIMIT_SNAPSHOT_ORIGINS];
    uint64_t base;
    struct cursor rest;
};

/* Whether a body has the form given above, to its last byte: no two fields of one name, no origin
 * twice, no field twice in a row, a key without NULL and REAL, every stamp and incarnation as a
 * record may have it, no row of which nothing is said, one row at least, LIMIT_SNAPSHOT bytes at
 * most. `*newest` is the greatest hlc in it: what is ahead of the clock is for the caller to judge.
 * Takes time in proportion to the body, and to the squares of the numbers of fields and origins. */
bool snapshot_sound(struct bytes body, uint64_t *newest);
/* The greatest hlc in a sound body of those up to `ms_max`, in milliseconds; 0: all are greater. */
uint64_t snapshot_newest(struct bytes body, uint64_t ms_max);
/* Begins to read a sound body. */
void snapshot_open(struct snapshot_body *reader, struct bytes body);
/* The next row; false at the end. The body is sound. */
bool snapshot_next(struct snapshot_body *reader, struct snapshot_row *out);

/* ---- writing ---- */

/* Builds a body in an arena. The first failure stays, and snapshot_finish() says it:
 * WEFT_NO_MEMORY, WEFT_LIMIT (LIMIT_SNAPSHOT, LIMIT_SNAPSHOT_ORIGINS), WEFT_NOT_UTF8 (a text that
 * is not). */
struct snapshot_builder {
    struct sink sink;
    enum weft_status status;
    uint32_t rows;
    uint32_t key_count;
    uint32_t left; /* writes of the last row that are still to come */
    uint64_t base;
    struct stamp created; /* of the last row */
    uint64_t written[MERGE_WORDS];
    uint32_t named;                          /* fields that have a number */
    uint16_t number[LIMIT_FIELDS];           /* of a field, + 1; 0: not named yet */
    uint32_t origins;                        /* that have a number */
    uint32_t origin[LIMIT_SNAPSHOT_ORIGINS]; /* what the caller calls them */
    /* Whose the caller's origin is. It lives as long as the builder. */
    const struct record_origin *(*whose)(const void *context, uint32_t origin);
    const void *context;
};

void snapshot_build(struct snapshot_builder *builder, struct arena *arena, struct bytes table,
                    uint32_t key_count,
                    const struct record_origin *(*whose)(const void *context, uint32_t origin),
                    const void *context);
/* Adds a row or a part of one; something is said of it. Its key holds no NULL and no REAL. As many
 * fields follow as said, each once, in any order. */
void snapshot_row(struct snapshot_builder *builder, const struct weft_value *const *key,
                  const struct stamp *created, const struct stamp *deleted, uint32_t count);
/* `field` is the caller's number for it, below LIMIT_FIELDS; `name` is used the first time, and is
 * no other field's. `value` NULL: MORE. No REAL is NaN; of -0.0, 0.0 is written. */
void snapshot_field(struct snapshot_builder *builder, uint32_t field, struct bytes name,
                    const struct stamp *stamp, const struct weft_value *value);
/* The body; empty when no row was added. */
enum weft_status snapshot_finish(struct snapshot_builder *builder, struct bytes *out);

/* Bytes that the head of a body, a row without its fields, and a field take at most. */
#define SNAPSHOT_HEAD_ROOM (2u + LIMIT_NAME)
size_t snapshot_row_room(const struct weft_value *const *key, uint32_t key_count);
size_t snapshot_field_room(struct bytes name, const struct weft_value *value);

#endif
