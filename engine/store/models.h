/* Models: the annotated tables of the application's schema, compiled once at open.
 *
 *   CREATE TABLE entry (       -- @owned(owner: location_id)
 *     id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT );
 *
 * A table without annotation is local. Grammar and errors: annotation.h. A model's id is its number
 * in the engine's table _weft_model: dense, from 1, never reused, so it can be stored; it is local
 * to this database (on the wire models go by name). The host's number is id - 1.
 * An INTEGER PRIMARY KEY beside `id:` is the device's own row number, and not among the columns.
 * Invariant: models are immutable after models_compile(); owners come before what they own. */
#ifndef WEFT_STORE_MODELS_H
#define WEFT_STORE_MODELS_H

#include <sqlite3.h>

#include "engine/base/arena.h"
#include "engine/base/limits.h"

struct column {
    const char *name;
    enum weft_type type; /* by affinity of the declared type; WEFT_NULL: any type is taken */
    bool not_null;
    int key_place; /* position in the key, or -1 */
};

enum model_kind { MODEL_OWNED };

struct model {
    const char *name;
    enum model_kind kind;
    uint32_t id;           /* from 1 */
    uint32_t column_count; /* the application's columns, in table order */
    struct column *columns;
    uint32_t key_count;
    uint32_t key[LIMIT_KEY_COLUMNS]; /* column numbers in key order */
    uint32_t owner_column;           /* holds a device id, or refers to owner_model's key */
    const struct model *owner_model; /* NULL: owner_column is a device id itself */
    bool without_rowid;
};

struct models {
    uint32_t count; /* highest id: list[id - 1]; an id whose table is gone has name NULL */
    struct model *list;
    uint32_t *by_depth; /* ids, owners before what they own */
    uint32_t order_count;
};

/* Reads sqlite_schema, parses annotations, checks them, and gives every model its id (writing
 * _weft_model within the caller's transaction). `*out` and all it points to lie in `arena`.
 * Errors: WEFT_SCHEMA (annotation does not parse: table, line, column, what was expected),
 *   WEFT_INTEGER_KEY (says why and what to write instead), WEFT_UNSUPPORTED (@shared, @relation),
 *   WEFT_LIMIT, WEFT_IO, WEFT_NO_MEMORY. */
enum weft_status models_compile(sqlite3 *db, struct arena *arena, struct models **out,
                                struct weft_error *why);
/* By name or by id; NULL when there is none. */
const struct model *models_find(const struct models *models, const char *name, size_t size);
const struct model *models_get(const struct models *models, uint32_t id);
/* Column number by name, or -1. */
int model_column(const struct model *model, const char *name, size_t size);
/* Whether a value may stand in a column: type and NULL. Errors: WEFT_TYPE, WEFT_NOT_UTF8;
 * `why` names table, column, what was given and what is wanted. */
enum weft_status model_accepts(const struct model *model, uint32_t column,
                               const struct weft_value *value, struct weft_error *why);

#endif
