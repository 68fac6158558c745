/* Annotations in the text of CREATE TABLE, as SQLite keeps it.
 *
 *   annotation := '@local' | '@owned' '(' 'owner' ':' name [',' 'id' ':' names] ')'
 *               | '@shared' '(' 'create' ':' ('unique'|'atomic') [',' 'id' ':' names] ')'
 *               | '@relation' '(' 'item' ':' name ',' 'group' ':' name ')'
 *               | '@node'                                            (on a column)
 *   names      := name | '[' name (',' name)* ']'
 * It stands in a comment, `-- …` or a block comment; what follows it in the comment is prose. Text
 * in quotes is not looked at. At most one table annotation per table. A comment whose first
 * non-blank character is '@' must parse: a typing error must not turn a table local.
 *
 * Which column a @node belongs to: the one in whose definition it stands, behind its name and
 * before its comma; or, as a `--` comment behind a comma, the one before that comma on the same
 * line:
 *
 *     a BLOB, -- @node               is a's
 *     b BLOB  -- @node               is b's, as would be a block comment there
 *     , PRIMARY KEY (c)
 * Any other @node is an error. So is one behind a comma if no column comes next, but PRIMARY KEY or
 * the like: ALTER TABLE ADD COLUMN writes the new column in front of that comma, and it would get
 * the @node. In the definition it is safest: no ALTER TABLE moves it, whereas DROP COLUMN of the
 * last column takes along what stands behind the comma before it. */
#ifndef WEFT_STORE_ANNOTATION_H
#define WEFT_STORE_ANNOTATION_H

#include "engine/base/bytes.h"
#include "engine/base/limits.h"
#include "engine/weft.h"

#define ANNOTATION_NODES 16u /* columns of one table that @node may stand on */

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
    struct bytes node[ANNOTATION_NODES]; /* columns with @node, as written: perhaps in quotes */
    uint32_t node_count;
    struct bytes text; /* the table's annotation from its '@' to its end; no bytes: there is none */
    size_t inside;     /* where what is between the parentheses begins; 0: there are none */
};

/* Parses the text of one CREATE TABLE. `table` is for messages.
 * Errors: WEFT_SCHEMA; `why` says table, line, column, what stands there and what was expected. */
enum weft_status annotation_parse(const char *table, const char *sql, struct annotation *out,
                                  struct weft_error *why);

/* Whether two say the same of their tables, whatever blanks and cases of names they are written
 * with. Columns with @node do not matter. */
bool annotation_equal(const struct annotation *a, const struct annotation *b);

/* Whether a name as it is written in SQL, perhaps in quotes, is this one. */
bool annotation_names(struct bytes written, const char *name);

/* Looks through a whole schema for annotations that stand outside of any parentheses: SQLite would
 * not keep them, and the table would silently stay local, or the column be sent.
 * Errors: WEFT_SCHEMA, as above. */
enum weft_status annotation_stray(const char *schema, struct weft_error *why);

#endif
