/* Annotations in the text of CREATE TABLE, as SQLite keeps it.
 *
 *   annotation := '@local' | '@owned' '(' 'owner' ':' name [',' 'id' ':' names] ')'
 *               | '@shared' '(' 'create' ':' ('unique'|'atomic') [',' 'id' ':' names] ')'
 *               | '@relation' '(' 'item' ':' name ',' 'group' ':' name ')'
 *               | '@node'                                            (on a column)
 *   names      := name | '[' name (',' name)* ']'
 * It stands in a comment, `-- …` or a block comment; what follows it in the comment is prose. Text
 * in quotes is not looked at. At most one table annotation per table. A comment whose first
 * non-blank character is '@' must parse: a typing error must not turn a table local. */
#ifndef WEFT_STORE_ANNOTATION_H
#define WEFT_STORE_ANNOTATION_H

#include "engine/base/bytes.h"
#include "engine/base/limits.h"
#include "engine/weft.h"

enum annotation_kind {
    ANNOTATION_LOCAL, /* also: none found */
    ANNOTATION_OWNED,
    ANNOTATION_SHARED_UNIQUE,
    ANNOTATION_SHARED_ATOMIC,
    ANNOTATION_RELATION
};

/* Slices point into the parsed text. */
struct annotation {
    enum annotation_kind kind;
    struct bytes owner, item, group;
    struct bytes id[LIMIT_KEY_COLUMNS];
    uint32_t id_count;
    uint32_t node_count; /* @node comments seen; their columns are resolved by models.c */
};

/* Parses the text of one CREATE TABLE. `table` is for messages.
 * Errors: WEFT_SCHEMA; `why` says table, line, column, what stands there and what was expected. */
enum weft_status annotation_parse(const char *table, const char *sql, struct annotation *out,
                                  struct weft_error *why);

/* Looks through a whole schema for table annotations that stand outside of any parentheses: SQLite
 * would not keep them, and the table would silently stay local.
 * Errors: WEFT_SCHEMA, as above. */
enum weft_status annotation_stray(const char *schema, struct weft_error *why);

#endif
