/* Compiling the annotated schema: from the text of each CREATE TABLE to the list of models.
 *
 *   sqlite_schema ─► annotation ─► columns ─► key ─► owner ─► order (owners first) ─► ids, fields
 *                    one draft per annotated table            _weft_model, _weft_field
 *
 * Everything about a table that its text does not tell at once is asked of SQLite by its
 * table-valued pragmas; none of the text but the annotation is parsed here.
 *
 * Invariants
 *   1. A model's key is unique and never NULL, by SQLite's own judgement: an upsert on it compiles.
 *   2. Equal keys are equal bytes: no collation but BINARY, no REAL, no affinity that converts.
 *   3. Following owner_model from any owned model ends at one whose owner is a device.
 *   4. An id given to a name is never given to another, even when its table is gone.
 * Not here: what only shared tables need, and @node (models_shared.c); the engine's columns and
 * indexes on these tables (store_adopt.c). */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/models_private.h"
#include "engine/store/store.h"

enum weft_status compiler_memory(struct compiler *compiler) {
    return status_fail(compiler->why, WEFT_NO_MEMORY, 0, "reading the schema: out of memory");
}

/* Copies a terminated text into the arena; NULL stays NULL. */
static const char *compiler_text(struct compiler *compiler, const char *text) {
    if (text == NULL) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = arena_take(compiler->arena, size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}

/* Prepares a query of which ?1 is the model's table. */
static enum weft_status ask(struct compiler *compiler, const char *table, sqlite3_stmt **out,
                            const char *sql) {
    enum weft_status status = statement_prepare(compiler->db, out, table, compiler->why, "%s", sql);
    if (status == WEFT_OK) sqlite3_bind_text(*out, 1, table, -1, SQLITE_STATIC);
    return status;
}

static enum weft_status ask_step(struct compiler *compiler, const char *table,
                                 sqlite3_stmt *statement, bool *row) {
    return statement_step(statement, row, "reading the schema of", table, compiler->why);
}

/* ---- columns --------------------------------------------------------------------------------- */

static bool contains(const char *text, const char *word) {
    size_t size = strlen(word);
    for (; *text != 0; text++) {
        if (sqlite3_strnicmp(text, word, (int)size) == 0) return true;
    }
    return false;
}

/* "Datatypes In SQLite", section 3.1: what a declared type makes of a column. `*converts` is set
 * for NUMERIC, which takes any value but may store another one. */
static enum weft_type affinity(const char *declared, bool *converts) {
    *converts = false;
    if (contains(declared, "INT")) return WEFT_INTEGER;
    if (contains(declared, "CHAR") || contains(declared, "CLOB") || contains(declared, "TEXT")) {
        return WEFT_TEXT;
    }
    if (contains(declared, "BLOB")) return WEFT_BLOB;
    if (contains(declared, "REAL") || contains(declared, "FLOA") || contains(declared, "DOUB")) {
        return WEFT_REAL;
    }
    *converts = declared[0] != 0 && sqlite3_stricmp(declared, "ANY") != 0;
    return WEFT_NULL;
}

/* Reads what one row of table_xinfo says of a column, while the key is not known yet. */
static enum weft_status column_read(struct compiler *compiler, struct model *model,
                                    sqlite3_stmt *row, struct column_facts *facts) {
    const char *name = (const char *)sqlite3_column_text(row, 0);
    const char *declared = (const char *)sqlite3_column_text(row, 1);
    if (name == NULL || declared == NULL) return compiler_memory(compiler);
    if (sqlite3_column_int(row, 4) != 0) {
        return status_fail(compiler->why, WEFT_UNSUPPORTED, 0,
                           "table \"%s\", column \"%s\": a generated column cannot be carried by "
                           "this version; compute it in a view, or leave the table local",
                           model->name, name);
    }
    if (model->column_count == LIMIT_COLUMNS || strlen(name) > LIMIT_NAME) {
        return status_fail(
            compiler->why, WEFT_LIMIT, 0,
            "table \"%s\", column \"%.80s\": a synced table may have %u columns with "
            "names of %u bytes; split the table or shorten the name",
            model->name, name, LIMIT_COLUMNS, LIMIT_NAME);
    }
    struct column *column = &model->columns[model->column_count];
    *column = (struct column){.name = compiler_text(compiler, name), .key_place = -1};
    if (column->name == NULL) return compiler_memory(compiler);
    column->type = affinity(declared, &facts->converts);
    column->not_null = sqlite3_column_int(row, 2) != 0;
    facts->value = compiler_text(compiler, (const char *)sqlite3_column_text(row, 6));
    if (facts->value == NULL && sqlite3_column_type(row, 6) != SQLITE_NULL) {
        return compiler_memory(compiler);
    }
    facts->key_place = sqlite3_column_int(row, 3);
    facts->row_number =
        !model->without_rowid && facts->key_place == 1 && sqlite3_stricmp(declared, "INTEGER") == 0;
    return WEFT_OK;
}

/* What to write to name another key than the primary one. */
static const char *key_advice(const struct draft *draft) {
    switch (draft->annotation.kind) {
    case ANNOTATION_SHARED_UNIQUE:
        return "@shared(create: unique, id: that_column)";
    case ANNOTATION_SHARED_ATOMIC:
        return "@shared(create: atomic, id: that_column)";
    case ANNOTATION_OWNED:
    case ANNOTATION_RELATION:
    case ANNOTATION_LOCAL:
        break;
    }
    return "@owned(owner: ..., id: that_column)";
}

static enum weft_status integer_key_fail(struct compiler *compiler, const struct draft *draft,
                                         const char *column) {
    const char *table = draft->model.name;
    if (draft->annotation.kind == ANNOTATION_RELATION) {
        return status_fail(
            compiler->why, WEFT_INTEGER_KEY, 0,
            "table \"%s\": its annotation names \"%s\", which is INTEGER PRIMARY KEY, a row number "
            "that each device gives out by itself, so that two devices would use one number for "
            "two "
            "rows; name two columns that hold keys of other tables, BLOB ids made with weft_id()",
            table, column);
    }
    return status_fail(
        compiler->why, WEFT_INTEGER_KEY, 0,
        "table \"%s\": its key \"%s\" is INTEGER PRIMARY KEY, a row number that each "
        "device gives out by itself, so that two devices would use one number for "
        "two rows; write \"id BLOB PRIMARY KEY\" and fill it with weft_id(), or keep "
        "the number for this device alone and name a column that is NOT NULL UNIQUE: %s",
        table, column, key_advice(draft));
}

/* Puts a column into the key, if it is fit for one. */
static enum weft_status key_add(struct compiler *compiler, struct model *model, uint32_t column,
                                bool converts) {
    struct column *chosen = &model->columns[column];
    const char *fault = NULL;
    if (chosen->type == WEFT_REAL) fault = "REAL, which cannot identify a row exactly";
    if (converts) fault = "a type by which SQLite changes some values when it stores them";
    if (chosen->key_place >= 0) fault = "named twice";
    if (fault != NULL) {
        return status_fail(
            compiler->why, WEFT_SCHEMA, 0,
            "table \"%s\", column \"%s\": it is part of the key, but is %s; a key is "
            "made of different BLOB, TEXT or INTEGER columns",
            model->name, chosen->name, fault);
    }
    if (model->key_count == LIMIT_KEY_COLUMNS) {
        return status_fail(compiler->why, WEFT_LIMIT, 0,
                           "table \"%s\": its key has more than %u columns; use a single id",
                           model->name, LIMIT_KEY_COLUMNS);
    }
    chosen->key_place = (int)model->key_count;
    chosen->not_null = true; /* SQLite lets a primary key be NULL; then it identifies nothing */
    model->key[model->key_count++] = column;
    return WEFT_OK;
}

/* Puts a column that the annotation names into the key. `word` is what it names it as. */
static enum weft_status key_named(struct compiler *compiler, struct draft *draft, const char *word,
                                  struct bytes name, const struct column_facts *facts,
                                  const char *row_number) {
    struct model *model = &draft->model;
    if (row_number != NULL && annotation_names(name, row_number)) {
        return integer_key_fail(compiler, draft, row_number);
    }
    int column = model_column(model, (const char *)name.data, name.size);
    const char *fault = NULL;
    if (column < 0) {
        fault = "there is no such column";
    } else if (!model->columns[column].not_null) {
        fault = "that column may be NULL";
    }
    if (fault != NULL) {
        return status_fail(compiler->why, WEFT_SCHEMA, 0,
                           "table \"%s\": its annotation says %s: %.*s, but %s; name columns "
                           "that are NOT NULL and together UNIQUE",
                           model->name, word, (int)name.size, (const char *)name.data, fault);
    }
    return key_add(compiler, model, (uint32_t)column, facts[column].converts);
}

/* The key that `id:` names. */
static enum weft_status key_id(struct compiler *compiler, struct draft *draft,
                               const struct column_facts *facts, const char *row_number) {
    enum weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < draft->annotation.id_count && status == WEFT_OK; i++) {
        status = key_named(compiler, draft, "id", draft->annotation.id[i], facts, row_number);
    }
    return status;
}

/* The pair that a relation names. As a primary key it needs no NOT NULL, though SQLite does. */
static enum weft_status key_pair(struct compiler *compiler, struct draft *draft,
                                 const struct column_facts *facts, const char *row_number) {
    const struct model *model = &draft->model;
    const struct annotation *annotation = &draft->annotation;
    uint32_t in_key = 0, named = 0;
    for (uint32_t c = 0; c < model->column_count; c++) {
        if (facts[c].key_place == 0) continue;
        const char *name = model->columns[c].name;
        in_key++;
        named +=
            annotation_names(annotation->item, name) || annotation_names(annotation->group, name);
    }
    for (uint32_t c = 0; c < model->column_count && in_key == 2 && named == 2; c++) {
        if (facts[c].key_place > 0) model->columns[c].not_null = true;
    }
    enum weft_status status =
        key_named(compiler, draft, "item", annotation->item, facts, row_number);
    if (status != WEFT_OK) return status;
    return key_named(compiler, draft, "group", annotation->group, facts, row_number);
}

/* The primary key, in its own order. */
static enum weft_status key_primary(struct compiler *compiler, struct draft *draft,
                                    const struct column_facts *facts) {
    struct model *model = &draft->model;
    for (int place = 1;; place++) {
        uint32_t column = 0;
        while (column < model->column_count && facts[column].key_place != place)
            column++;
        if (column == model->column_count) break;
        enum weft_status status = key_add(compiler, model, column, facts[column].converts);
        if (status != WEFT_OK) return status;
    }
    if (model->key_count > 0) return WEFT_OK;
    return status_fail(compiler->why, WEFT_SCHEMA, 0,
                       "table \"%s\": it has no PRIMARY KEY, so its rows cannot be told apart on "
                       "another device; add \"id BLOB PRIMARY KEY\", or name a column that is NOT "
                       "NULL UNIQUE: %s",
                       model->name, key_advice(draft));
}

/* A unique index with a collation would hold two keys for one that differ as bytes. */
static enum weft_status key_check_collation(struct compiler *compiler, const struct model *model) {
    sqlite3_stmt *query = NULL;
    enum weft_status status = ask(
        compiler, model->name, &query,
        "SELECT x.name, x.coll FROM pragma_index_list(?1) AS l, pragma_index_xinfo(l.name) AS x "
        "WHERE l.\"unique\" = 1 AND x.\"key\" = 1 AND x.name IS NOT NULL "
        "AND x.coll <> 'BINARY' COLLATE NOCASE");
    bool row = true;
    while (status == WEFT_OK) {
        status = ask_step(compiler, model->name, query, &row);
        if (status != WEFT_OK || !row) break;
        struct weft_value name = statement_value(query, 0), collation = statement_value(query, 1);
        int column = model_column(model, name.as.bytes, name.size);
        if (column < 0 || model->columns[column].key_place < 0) continue;
        status = status_fail(compiler->why, WEFT_SCHEMA, 0,
                             "table \"%s\", column \"%s\": it is part of the key and compared by "
                             "COLLATE %.*s, so two keys could be one row here and two elsewhere; "
                             "take the collation off the key",
                             model->name, model->columns[column].name, (int)collation.size,
                             (const char *)collation.as.bytes);
    }
    sqlite3_finalize(query);
    return status;
}

/* Lets SQLite judge whether the key is unique: it compiles an upsert only on a key that is. */
static enum weft_status key_check_unique(struct compiler *compiler, const struct model *model) {
    sqlite3_str *sql = sqlite3_str_new(compiler->db);
    const char *first = model->columns[model->key[0]].name;
    sqlite3_str_appendf(sql, "INSERT INTO main.\"%w\"(\"%w\") VALUES (NULL) ON CONFLICT(",
                        model->name, first);
    for (uint32_t k = 0; k < model->key_count; k++) {
        sqlite3_str_appendf(sql, "%s\"%w\"", k > 0 ? "," : "", model->columns[model->key[k]].name);
    }
    sqlite3_str_appendall(sql, ") DO NOTHING");
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) return compiler_memory(compiler);
    sqlite3_stmt *probe = NULL;
    int code = sqlite3_prepare_v2(compiler->db, text, -1, &probe, NULL);
    sqlite3_finalize(probe);
    sqlite3_free(text);
    if (code == SQLITE_OK) return WEFT_OK;
    if ((code & 0xff) != SQLITE_ERROR)
        return store_fail(compiler->db, code, "reading", model->name, compiler->why);
    return status_fail(compiler->why, WEFT_SCHEMA, code,
                       "table \"%s\": its key, beginning with \"%s\", is not UNIQUE as a whole "
                       "(SQLite says: %s); add a UNIQUE constraint over exactly these columns",
                       model->name, first, sqlite3_errmsg(compiler->db));
}

/* Finds the key, and checks it. `row_number`: the INTEGER PRIMARY KEY, or NULL. */
static enum weft_status draft_key(struct compiler *compiler, struct draft *draft,
                                  const struct column_facts *facts, const char *row_number) {
    enum weft_status status;
    if (draft->annotation.kind == ANNOTATION_RELATION) {
        status = key_pair(compiler, draft, facts, row_number);
    } else if (draft->annotation.id_count > 0) {
        status = key_id(compiler, draft, facts, row_number);
    } else if (row_number != NULL) {
        status = integer_key_fail(compiler, draft, row_number);
    } else {
        status = key_primary(compiler, draft, facts);
    }
    if (status == WEFT_OK) status = key_check_collation(compiler, &draft->model);
    if (status == WEFT_OK) status = key_check_unique(compiler, &draft->model);
    return status;
}

static enum weft_status draft_columns(struct compiler *compiler, struct draft *draft) {
    struct model *model = &draft->model;
    struct column_facts facts[LIMIT_COLUMNS + 1] = {0};
    const char *row_number = NULL;
    uint32_t in_key = 0;
    model->columns = arena_zero(compiler->arena, LIMIT_COLUMNS * sizeof *model->columns);
    if (model->columns == NULL) return compiler_memory(compiler);
    sqlite3_stmt *query = NULL;
    enum weft_status status = ask(compiler, model->name, &query,
                                  "SELECT name, type, \"notnull\", pk, hidden, "
                                  "sum(pk > 0) OVER (), dflt_value FROM pragma_table_xinfo(?1) "
                                  "WHERE name NOT IN ('_weft_owner', '_weft_version', "
                                  "'_weft_clock')");
    bool row = true;
    while (status == WEFT_OK) {
        status = ask_step(compiler, model->name, query, &row);
        if (status != WEFT_OK || !row) break;
        struct column_facts *fact = &facts[model->column_count];
        status = column_read(compiler, model, query, fact);
        if (status != WEFT_OK) break;
        in_key = (uint32_t)sqlite3_column_int(query, 5);
        if (fact->row_number && in_key == 1) {
            /* The device's own row number: not a column of the model, and never sent. */
            row_number = model->columns[model->column_count].name;
            *fact = (struct column_facts){0};
            continue;
        }
        model->column_count++;
    }
    sqlite3_finalize(query);
    if (status != WEFT_OK) return status;
    status = draft_key(compiler, draft, facts, row_number);
    if (status == WEFT_OK) status = draft_nodes(compiler, draft, facts);
    if (status == WEFT_OK && model->kind == MODEL_SHARED) {
        status = draft_unset(compiler, draft, facts);
    }
    if (status == WEFT_OK) status = draft_defaults(compiler, draft, facts);
    return status;
}

/* ---- owners ---------------------------------------------------------------------------------- */

static struct draft *draft_find(struct compiler *compiler, const char *table) {
    for (uint32_t i = 0; i < compiler->count; i++) {
        struct draft *draft = &compiler->drafts[i];
        if (sqlite3_stricmp(draft->model.name, table) == 0) return draft;
    }
    return NULL;
}

/* Checks that the owner column refers to the whole key of `owner`. `to` is NULL when the reference
 * names no column: then it is the primary key. */
static enum weft_status owner_reference(struct compiler *compiler, struct draft *draft,
                                        struct draft *owner, const char *to, int parts) {
    const struct model *model = &draft->model, *other = &owner->model;
    const struct column *from = &model->columns[model->owner_column];
    const struct column *key = &other->columns[other->key[0]];
    bool whole = parts == 1 && other->key_count == 1 &&
                 (to == NULL ? owner->annotation.id_count == 0
                             : model_column(other, to, strlen(to)) == (int)other->key[0]);
    if (!whole || from->type != key->type) {
        return status_fail(compiler->why, WEFT_SCHEMA, 0,
                           "table \"%s\": its owner is taken through \"%s\", which must refer to "
                           "the whole key of \"%s\" (\"%s\"%s) and have its type; correct the "
                           "REFERENCES of that column",
                           model->name, from->name, other->name, key->name,
                           other->key_count > 1 ? " and more: an owner's key must be one column"
                                                : "");
    }
    draft->owner = owner;
    return WEFT_OK;
}

static enum weft_status draft_owner(struct compiler *compiler, struct draft *draft) {
    struct model *model = &draft->model;
    struct bytes name = draft->annotation.owner;
    int column = model_column(model, (const char *)name.data, name.size);
    if (column < 0) {
        return status_fail(compiler->why, WEFT_SCHEMA, 0,
                           "table \"%s\": its annotation says owner: %.*s, but there is no such "
                           "column; name the column that holds a device id, or that refers to an "
                           "@owned table",
                           model->name, (int)name.size, (const char *)name.data);
    }
    model->owner_column = (uint32_t)column;
    model->columns[column].not_null = true;
    sqlite3_stmt *query = NULL;
    enum weft_status status = ask(compiler, model->name, &query,
                                  "SELECT \"from\", \"table\", \"to\", count(*) OVER (PARTITION BY "
                                  "id) FROM pragma_foreign_key_list(?1)");
    bool row = true;
    while (status == WEFT_OK && draft->owner == NULL) {
        status = ask_step(compiler, model->name, query, &row);
        if (status != WEFT_OK || !row) break;
        struct weft_value from = statement_value(query, 0);
        if (model_column(model, from.as.bytes, from.size) != column) continue;
        struct draft *owner = draft_find(compiler, (const char *)sqlite3_column_text(query, 1));
        /* A table that nobody owns: the column is a device id all the same. */
        if (owner == NULL || owner->model.kind != MODEL_OWNED) continue;
        status =
            owner_reference(compiler, draft, owner, (const char *)sqlite3_column_text(query, 2),
                            sqlite3_column_int(query, 3));
    }
    sqlite3_finalize(query);
    if (status != WEFT_OK || draft->owner != NULL) return status;
    enum weft_type type = model->columns[column].type;
    if (type == WEFT_BLOB || type == WEFT_NULL) return WEFT_OK;
    return status_fail(compiler->why, WEFT_SCHEMA, 0,
                       "table \"%s\", column \"%s\": it names the owner, so it must be BLOB, for a "
                       "device id, or be declared REFERENCES the key of an @owned table",
                       model->name, model->columns[column].name);
}

/* Owners before what they own. A table left over after a pass that placed none owns itself. */
static enum weft_status drafts_order(struct compiler *compiler) {
    uint32_t placed = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < compiler->count; i++) {
            struct draft *draft = &compiler->drafts[i];
            if (draft->placed || (draft->owner != NULL && !draft->owner->placed)) continue;
            draft->placed = true;
            compiler->order[placed++] = draft;
            moved = true;
        }
    }
    if (placed == compiler->count) return WEFT_OK;
    uint32_t left = 0;
    while (compiler->drafts[left].placed)
        left++;
    const struct draft *draft = &compiler->drafts[left];
    CHECK(draft->owner != NULL);
    return status_fail(
        compiler->why, WEFT_SCHEMA, 0,
        "table \"%s\": its owner is taken through \"%s\", and from there in a circle; "
        "one table must hold the device id itself",
        draft->model.name, draft->owner->model.name);
}

/* ---- from tables to models ------------------------------------------------------------------- */

static enum weft_status draft_check_kind(struct compiler *compiler, const char *table,
                                         const char *kind) {
    if (strcmp(kind, "table") != 0) {
        return status_fail(compiler->why, WEFT_UNSUPPORTED, 0,
                           "table \"%s\": it is a %s table, which cannot be synced; annotate an "
                           "ordinary table instead",
                           table, kind);
    }
    if (compiler->count == LIMIT_MODELS || strlen(table) > LIMIT_NAME) {
        return status_fail(compiler->why, WEFT_LIMIT, 0,
                           "table \"%.80s\": a library may have %u synced tables with names of %u "
                           "bytes; leave some local, or shorten the name",
                           table, LIMIT_MODELS, LIMIT_NAME);
    }
    return WEFT_OK;
}

/* One table of the schema: if it is annotated, it becomes a draft. */
static enum weft_status draft_begin(struct compiler *compiler, sqlite3_stmt *row) {
    const char *name = (const char *)sqlite3_column_text(row, 0);
    const char *sql = (const char *)sqlite3_column_text(row, 1);
    const char *kind = (const char *)sqlite3_column_text(row, 2);
    if (name == NULL || sql == NULL || kind == NULL) return compiler_memory(compiler);
    struct annotation annotation;
    enum weft_status status = annotation_parse(name, sql, &annotation, compiler->why);
    if (status != WEFT_OK || annotation.kind == ANNOTATION_LOCAL) return status;
    status = draft_check_kind(compiler, name, kind);
    if (status != WEFT_OK) return status;
    /* Parsed again from a copy that stays: the annotation points into the text. */
    struct draft *draft = &compiler->drafts[compiler->count];
    *draft = (struct draft){0};
    draft->model.kind = annotation.kind == ANNOTATION_OWNED ? MODEL_OWNED : MODEL_SHARED;
    draft->model.atomic =
        annotation.kind == ANNOTATION_SHARED_ATOMIC || annotation.kind == ANNOTATION_RELATION;
    sql = compiler_text(compiler, sql);
    draft->model.name = compiler_text(compiler, name);
    if (sql == NULL || draft->model.name == NULL) return compiler_memory(compiler);
    draft->model.without_rowid = sqlite3_column_int(row, 3) != 0;
    compiler->count++;
    return annotation_parse(draft->model.name, sql, &draft->annotation, compiler->why);
}

static enum weft_status drafts_read(struct compiler *compiler) {
    sqlite3_stmt *query = NULL;
    enum weft_status status = statement_prepare(
        compiler->db, &query, "the schema", compiler->why,
        "SELECT s.name, s.sql, l.type, l.wr FROM main.sqlite_schema AS s "
        "JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = s.name "
        "WHERE s.type = 'table' AND s.sql IS NOT NULL "
        "AND s.name NOT LIKE 'sqlite\\_%%' ESCAPE '\\' AND s.name NOT LIKE '\\_weft%%' ESCAPE '\\' "
        "ORDER BY s.rowid");
    bool row = true;
    while (status == WEFT_OK && row) {
        status = ask_step(compiler, "the library", query, &row);
        if (status == WEFT_OK && row) status = draft_begin(compiler, query);
    }
    sqlite3_finalize(query);
    for (uint32_t i = 0; i < compiler->count && status == WEFT_OK; i++)
        status = draft_columns(compiler, &compiler->drafts[i]);
    for (uint32_t i = 0; i < compiler->count && status == WEFT_OK; i++) {
        struct draft *draft = &compiler->drafts[i];
        if (draft->model.kind == MODEL_OWNED) status = draft_owner(compiler, draft);
    }
    return status == WEFT_OK ? drafts_order(compiler) : status;
}

/* Gives each draft the id that its name has had before, or the next new one. */
static enum weft_status drafts_number(struct compiler *compiler, uint32_t *highest) {
    sqlite3_stmt *insert = NULL, *query = NULL;
    enum weft_status status = statement_prepare(
        compiler->db, &insert, "_weft_model", compiler->why,
        "INSERT INTO _weft_model(id, name) SELECT ifnull(max(id), 0) + 1, ?1 FROM _weft_model "
        "WHERE true ON CONFLICT(name) DO NOTHING");
    if (status == WEFT_OK)
        status = statement_prepare(compiler->db, &query, "_weft_model", compiler->why,
                                   "SELECT max(id), max(CASE WHEN name = ?1 THEN id END) "
                                   "FROM _weft_model");
    *highest = 0;
    for (uint32_t i = 0; i < compiler->count && status == WEFT_OK; i++) {
        struct model *model = &compiler->order[i]->model;
        sqlite3_bind_text(insert, 1, model->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(query, 1, model->name, -1, SQLITE_STATIC);
        status = statement_run(insert, "numbering", model->name, compiler->why);
        bool row = false;
        if (status == WEFT_OK) status = ask_step(compiler, model->name, query, &row);
        if (status != WEFT_OK) break;
        CHECK(row);
        const int most = sqlite3_column_int(query, 0), id = sqlite3_column_int(query, 1);
        sqlite3_reset(query);
        *highest = (uint32_t)most;
        model->id = (uint32_t)id;
        if (id < 1) {
            status = status_fail(compiler->why, WEFT_CORRUPT, 0,
                                 "table \"%s\": _weft_model numbers it %d; restore the file",
                                 model->name, id);
        } else if (most > (int)LIMIT_MODELS) {
            status =
                status_fail(compiler->why, WEFT_LIMIT, 0,
                            "table \"%s\": this library has had %u synced tables, which is all "
                            "it may have in its life, dropped ones included; start a new one",
                            model->name, LIMIT_MODELS);
        }
    }
    sqlite3_finalize(query);
    sqlite3_finalize(insert);
    return status;
}

static enum weft_status models_build(struct compiler *compiler, uint32_t highest,
                                     struct models **out) {
    struct models *models = arena_zero(compiler->arena, sizeof *models);
    if (models == NULL) return compiler_memory(compiler);
    models->list = arena_zero(compiler->arena, (highest + 1) * sizeof *models->list);
    models->by_depth = arena_zero(compiler->arena, (highest + 1) * sizeof *models->by_depth);
    if (models->list == NULL || models->by_depth == NULL) return compiler_memory(compiler);
    models->count = highest;
    models->order_count = compiler->count;
    for (uint32_t i = 0; i < compiler->count; i++) {
        const struct draft *draft = compiler->order[i];
        uint32_t id = draft->model.id;
        CHECK(id >= 1 && id <= highest);
        models->list[id - 1] = draft->model;
        models->by_depth[i] = id;
        if (draft->owner == NULL) continue;
        CHECK(draft->owner->model.id >= 1);
        models->list[id - 1].owner_model = &models->list[draft->owner->model.id - 1];
    }
    *out = models;
    return WEFT_OK;
}

enum weft_status models_compile(sqlite3 *db, struct arena *arena, struct models **out,
                                struct weft_error *why) {
    CHECK(db != NULL && arena != NULL);
    CHECK(out != NULL);
    *out = NULL;
    struct compiler compiler = {.db = db, .arena = arena, .why = why};
    compiler.drafts = arena_zero(arena, LIMIT_MODELS * sizeof *compiler.drafts);
    if (compiler.drafts == NULL) return compiler_memory(&compiler);
    uint32_t highest = 0;
    enum weft_status status = drafts_read(&compiler);
    if (status == WEFT_OK) status = drafts_number(&compiler, &highest);
    if (status == WEFT_OK) status = drafts_fields(&compiler);
    if (status == WEFT_OK) status = models_build(&compiler, highest, out);
    return status;
}
