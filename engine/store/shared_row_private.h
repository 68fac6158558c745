/* The inside of shared rows. Private to shared_row*.c.
 *
 *   shared_row.c         applying ops; origins and fields by number
 *   shared_row_own.c     what this device's host wrote
 *   shared_row_load.c    a row, from wherever it lies
 *   shared_row_place.c   ... and to where it belongs */
#ifndef WEFT_STORE_SHARED_ROW_PRIVATE_H
#define WEFT_STORE_SHARED_ROW_PRIVATE_H

#include "engine/store/rowclock.h"
#include "engine/store/shared_row.h"
#include "engine/store/writer_private.h"

/* What the shadow keeps of a row: as numbered in _weft_shadow. */
enum shadow_kind {
    SHADOW_NONE = 0,
    SHADOW_EXTRA = 1,  /* fields without a column, of a row that stands in its table */
    SHADOW_HIDDEN = 2, /* deleted, or not created yet */
    SHADOW_PARKED = 3, /* the table does not take it */
    SHADOW_RIVAL = 4   /* ... because of rows that were created earlier */
};

/* A row, whole, wherever it lies. Values are by field number, of fields that have a stamp. */
struct shared_row {
    struct bytes table;
    const struct model *model; /* NULL: this file has no shared table for it */
    uint32_t key_count;
    struct weft_value key[LIMIT_KEY_COLUMNS];
    struct merge_row clock;
    struct weft_value values[LIMIT_FIELDS];
    bool in_table;
    bool touched; /* its age, or a value of a unique index, is not what it was when it was loaded */
    bool bare;    /* in the table, without a clock: no record says it yet (adopt_shared.h) */
    bool came;    /* the shadow has a field for which a column has come since */
    enum shadow_kind kind;
    uint64_t counted; /* what it counts with in the table's digest; 0: nothing */
    /* What values point into. */
    struct packed packed_key;
    struct packed cells;  /* of the table */
    struct packed fields; /* of the shadow */
};

struct shared_origin {
    struct record_origin origin;
    uint32_t number;
};

struct shared_work {
    struct shared_row row, rival;
    /* What is remembered of the file; forgotten on rollback. */
    bool recalled; /* the two below are what the file says */
    bool any_shadow, any_rivals;
    struct shared_origin *origins; /* by increasing number */
    uint32_t origin_count, origin_room;
    /* Scratch. */
    struct stamp_order order;
    struct packed laid; /* fields on their way to the shadow */
    uint8_t clock[ROWCLOCK_MAX];
    struct change_row change;
    uint32_t fields[LIMIT_FIELDS];
    struct stamp stamps[LIMIT_FIELDS];
};

#define SHARED_REASON 256u

/* ---- shared_row.c */

/* The writer's, made when it is first asked for, and what the file says in it. Errors:
 * WEFT_NO_MEMORY, those of reading. */
enum weft_status shared_work(struct writer *writer, struct shared_work **out,
                             struct weft_error *why);
/* The same in a transaction in which that was done, or a number asked of shared_origin(). */
struct shared_work *shared_work_begun(const struct writer *writer);
/* The number of a field of a table, which is given one if it has none. `*full`: as many as there
 * may be have been. */
enum weft_status shared_field(struct writer *writer, struct bytes table, const struct model *model,
                              struct bytes name, uint32_t *field, bool *full,
                              struct weft_error *why);
/* Tries those that stood behind rows that have gone from these tables (bits by model id - 1). */
enum weft_status shared_row_follow(struct writer *writer, uint64_t models,
                                   struct shared_row_tally *tally, struct weft_error *why);
/* Whose the number of an origin is; NULL: the file does not know it. */
const struct record_origin *shared_origin_numbered(const struct shared_work *work, uint32_t number);
/* The column of a field, or -1. */
int shared_column_of(const struct model *model, uint32_t field);

/* ---- shared_row_load.c */

/* Whether it is a shared model with such keys: SQL finds more keys equal than are the same. */
bool shared_takes_key(const struct model *model, const struct weft_value *key, uint32_t count);
/* Reads the row that has the key in row->key, of row->table and row->model. A field without a
 * value, since its column has been dropped, is as if it had never been written. */
enum weft_status shared_row_load(struct writer *writer, struct shared_row *row,
                                 struct weft_error *why);
/* The same of a packed key; row->model becomes NULL if it takes no such keys. False in `*sound`
 * when it cannot be unpacked. */
enum weft_status shared_row_load_packed(struct writer *writer, struct shared_row *row,
                                        struct bytes key, bool *sound, struct weft_error *why);
/* Looks whether the row stands in its table; row->in_table then says so. If it does `*look`, which
 * the caller resets, has its clock and its columns. */
enum weft_status shared_row_look(struct writer *writer, struct shared_row *row, sqlite3_stmt **look,
                                 struct weft_error *why);
/* What the table shows in a column: the field's value, or, while it has none, the default. */
const struct weft_value *shared_cell(const struct shared_row *row, uint32_t column);
/* A field has this value now: borrowed. */
void shared_row_set(struct writer *writer, struct shared_row *row, uint32_t field,
                    const struct weft_value *value);
/* Copies values, of a statement that is about to be reset, to where they stay. */
enum weft_status shared_keep_values(struct packed *packed, struct weft_value *const *values,
                                    uint32_t count, struct weft_error *why);
void shared_row_free(struct shared_row *row);

/* ---- shared_row_place.c */

/* Puts the row to where it belongs now. `strict`: a row that its table does not take is an error
 * (WEFT_CONSTRAINT); else it is kept in the shadow. */
enum weft_status shared_row_place(struct writer *writer, struct shared_row *row, bool strict,
                                  struct shared_row_tally *tally, struct weft_error *why);
/* Tries rows of the shadow again: of one table those that stand behind others (`model` not NULL),
 * or all. */
enum weft_status shared_row_settle(struct writer *writer, const struct model *model,
                                   struct shared_row_tally *tally, struct weft_error *why);

#endif
