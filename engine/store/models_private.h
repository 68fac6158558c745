/* What the files that compile the schema share. Private to models_*.c. */
#ifndef WEFT_STORE_MODELS_PRIVATE_H
#define WEFT_STORE_MODELS_PRIVATE_H

#include "engine/store/annotation.h"
#include "engine/store/models.h"
#include "engine/store/statement.h"

/* What SQLite says of a column beyond what a model keeps. */
struct column_facts {
    int key_place;     /* from 1 in the primary key, or 0 */
    bool row_number;   /* INTEGER PRIMARY KEY */
    bool converts;     /* its affinity changes some values */
    const char *value; /* its DEFAULT, as SQL; NULL: it has none */
};

struct draft {
    struct annotation annotation;
    struct model model;
    struct draft *owner; /* draft of the table that the owner column refers to, or NULL */
    bool placed;
};

struct compiler {
    sqlite3 *db;
    struct arena *arena;
    struct weft_error *why;
    struct draft *drafts; /* LIMIT_MODELS of them */
    uint32_t count;
    struct draft *order[LIMIT_MODELS];
};

/* ---- models_compile.c */

enum weft_status compiler_memory(struct compiler *compiler);

/* ---- models_shared.c */

/* Marks the columns that @node stands on. Errors: WEFT_SCHEMA. */
enum weft_status draft_nodes(struct compiler *compiler, struct draft *draft,
                             const struct column_facts *facts);
/* Evaluates the constant DEFAULTs of a table's columns. */
enum weft_status draft_defaults(struct compiler *compiler, struct draft *draft,
                                const struct column_facts *facts);
/* Looks at the columns of a shared table when its key is known: whether they may stay unset,
 * and that its unique indexes are plain.
 * Errors: WEFT_SCHEMA. */
enum weft_status draft_unset(struct compiler *compiler, struct draft *draft,
                             const struct column_facts *facts);
/* Numbers the columns of all shared tables in _weft_field. Errors: WEFT_LIMIT, those of writing. */
enum weft_status drafts_fields(struct compiler *compiler);

#endif
