/* Models: the annotated tables of the application's schema, compiled once at open.
 *
 *   CREATE TABLE entry (       -- @owned(owner: location_id)
 *     id BLOB PRIMARY KEY, location_id BLOB NOT NULL REFERENCES location(id), name TEXT );
 *   CREATE TABLE tag (         -- @shared(create: unique)
 *     id BLOB PRIMARY KEY, name TEXT );
 *   CREATE TABLE tag_on_object (     -- @relation(item: object_id, group: tag_id)
 *     object_id BLOB, tag_id BLOB, PRIMARY KEY (object_id, tag_id) );
 *   CREATE TABLE object (            -- @shared(create: atomic, id: cas_id)
 *     cas_id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL DEFAULT 0,
 *     first_seen_by BLOB  -- @node
 *   );
 *
 * A relation is a shared model whose key is the pair (item, group) in this order; it is created as
 * with `create: atomic`.
 * A table without annotation is local. Grammar and errors: annotation.h. A model's id is its number
 * in the engine's table _weft_model: dense, from 1, never reused, so it can be stored; it is local
 * to this database (on the wire models go by name). The host's number is id - 1. Likewise a field's
 * number in _weft_field: dense, from 0, per table.
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
    bool optional;  /* a host may give NULL even so: "not given". It is `node`, or the model is
                       `atomic` and the column has a DEFAULT, which shows while it is unset */
    int key_place;  /* position in the key, or -1 */
    bool node;      /* holds the id of the device that wrote it; never sent */
    uint32_t field; /* of a shared model, not in the key: its number in _weft_field */
    /* Its DEFAULT, or NULL: what a shared row shows while nobody has written the column, and what
       an owned one has that comes from an owner whose schema does not have the column yet, as its
       file will show it then. The bytes lie with the models. */
    struct weft_value unset;
};

enum model_kind { MODEL_OWNED, MODEL_SHARED };

struct model {
    const char *name;
    enum model_kind kind;
    uint32_t id;           /* from 1 */
    uint32_t column_count; /* the application's columns, in table order */
    struct column *columns;
    uint32_t key_count;
    uint32_t key[LIMIT_KEY_COLUMNS]; /* column numbers in key order */
    /* MODEL_OWNED; of others these two are 0 and NULL, which mean nothing */
    uint32_t owner_column;           /* holds a device id, or refers to owner_model's key */
    const struct model *owner_model; /* NULL: owner_column is a device id itself */
    /* MODEL_SHARED */
    bool atomic; /* a creation writes only what is not NULL, so that twins become one row */
    bool without_rowid;
};

struct models {
    uint32_t count; /* highest id: list[id - 1]; an id whose table is gone has name NULL */
    struct model *list;
    uint32_t *by_depth; /* ids of all that have tables, owners before what they own */
    uint32_t order_count;
};

/* Reads sqlite_schema, parses annotations, checks them, and gives every model its id and every
 * field its number (writing _weft_model and _weft_field within the caller's transaction). `*out`
 * and all it points to lie in `arena`.
 * Errors: WEFT_SCHEMA (an annotation does not parse: table, line, column, what was expected; or the
 *   table does not go with it: which column, and what to write),
 *   WEFT_INTEGER_KEY (says why and what to write instead), WEFT_UNSUPPORTED (generated columns …),
 *   WEFT_LIMIT, WEFT_IO, WEFT_NO_MEMORY. */
enum weft_status models_compile(sqlite3 *db, struct arena *arena, struct models **out,
                                struct weft_error *why);
/* By name or by id; NULL when there is none. */
const struct model *models_find(const struct models *models, const char *name, size_t size);
const struct model *models_get(const struct models *models, uint32_t id);
/* The same of models that are owned: those whose rows travel as state. */
const struct model *models_owned(const struct models *models, uint32_t id);
const struct model *models_owned_named(const struct models *models, const char *name, size_t size);
/* Column number by name, or -1. */
int model_column(const struct model *model, const char *name, size_t size);
/* Whether a host may give a value for a column: type and NULL, which for an `optional` column means
 * that it is not given. For a `node` column: NULL or the 16 bytes of an id; whose, this cannot say.
 * Errors: WEFT_TYPE, WEFT_NOT_UTF8; `why` names table, column, what was given and what is wanted.
 */
enum weft_status model_accepts(const struct model *model, uint32_t column,
                               const struct weft_value *value, struct weft_error *why);

#endif
