/* Compiling what is particular to shared tables: columns that may stay unset, numbers for their
 * fields; and @node, which owned tables have as well.
 *
 * A row that devices write together may be shown while some of its columns were not written by
 * anybody yet. What such a column shows is its DEFAULT, which is sent nowhere: so that must be the
 * same on every device, and with `create: atomic`, where a creation writes only what is not NULL,
 * there must be one, or NULL must be allowed.
 *
 * Invariants
 *   1. A DEFAULT calls no function: it is worth the same wherever and whenever it is looked at.
 *   2. A number given to a column's name is never given to another name of its table, even when the
 *      column is gone.
 * Not here: keys, which are those of all tables. models_compile.c finds them. */
#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/models_private.h"

/* ---- @node ----------------------------------------------------------------------------------- */

static enum weft_status node_mark(struct compiler *compiler, struct draft *draft, uint32_t c,
                                  const struct column_facts *facts) {
    const struct model *model = &draft->model;
    struct column *column = &model->columns[c];
    struct bytes owner = draft->annotation.owner;
    const char *fault = NULL;
    if ((column->type != WEFT_BLOB && column->type != WEFT_NULL) || facts[c].converts) {
        fault = "it is declared to hold something else; declare it BLOB, or without a type";
    } else if (column->key_place >= 0) {
        fault = "it is part of the key, which has to be the same for all who write the row; take "
                "@node off, or the column out of the key";
    } else if (owner.size > 0 && annotation_names(owner, column->name)) {
        fault = "it names the owner, who is the only one to write the row; take @node off";
    }
    if (fault == NULL) {
        column->node = true;
        column->optional = true;
        return WEFT_OK;
    }
    return status_fail(compiler->why, WEFT_SCHEMA, 0,
                       "table \"%s\", column \"%s\": it is marked @node, to hold the id of the "
                       "device that wrote it, but %s",
                       model->name, column->name, fault);
}

enum weft_status draft_nodes(struct compiler *compiler, struct draft *draft,
                             const struct column_facts *facts) {
    CHECK(draft->model.key_count > 0);
    enum weft_status status = WEFT_OK;
    for (uint32_t n = 0; n < draft->annotation.node_count && status == WEFT_OK; n++) {
        struct bytes name = draft->annotation.node[n];
        uint32_t c = 0;
        while (c < draft->model.column_count &&
               !annotation_names(name, draft->model.columns[c].name))
            c++;
        if (c < draft->model.column_count) {
            status = node_mark(compiler, draft, c, facts);
        } else {
            status = status_fail(compiler->why, WEFT_SCHEMA, 0,
                                 "table \"%s\": %.*s is marked @node, but is this device's own row "
                                 "number; mark a column that is declared BLOB",
                                 draft->model.name, (int)name.size, (const char *)name.data);
        }
    }
    return status;
}

/* ---- what shows while a column is unset ------------------------------------------------------ */

/* While a DEFAULT is compiled: notes that it calls a function. */
static int function_noted(void *context, int action, const char *first, const char *second,
                          const char *database, const char *trigger) {
    (void)first, (void)second, (void)database, (void)trigger;
    bool *called = context;
    if (action == SQLITE_FUNCTION) *called = true;
    return SQLITE_OK;
}

/* Looks at a DEFAULT: whether it is a constant, and that NULL. */
static enum weft_status default_judge(struct compiler *compiler, const char *value, bool *constant,
                                      bool *null) {
    sqlite3_stmt *query = NULL;
    bool called = false;
    char *sql = sqlite3_mprintf("SELECT (%s\n) IS NULL", value);
    if (sql == NULL) return compiler_memory(compiler);
    sqlite3_set_authorizer(compiler->db, function_noted, &called);
    int code = sqlite3_prepare_v2(compiler->db, sql, -1, &query, NULL);
    sqlite3_set_authorizer(compiler->db, NULL, NULL);
    sqlite3_free(sql);
    if ((code & 0xff) == SQLITE_NOMEM) return compiler_memory(compiler);
    /* What does not compile here is a word, which SQLite takes for a text. */
    *constant = !called;
    *null = *constant && code == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW &&
            sqlite3_column_int(query, 0) != 0;
    sqlite3_finalize(query);
    return WEFT_OK;
}

/* What a constant DEFAULT is. */
static enum weft_status default_value(struct compiler *compiler, const char *value,
                                      struct weft_value *out) {
    sqlite3_stmt *query = NULL;
    char *sql = sqlite3_mprintf("SELECT (%s\n)", value);
    if (sql == NULL) return compiler_memory(compiler);
    int code = sqlite3_prepare_v2(compiler->db, sql, -1, &query, NULL);
    sqlite3_free(sql);
    *out = code == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW ? statement_value(query, 0)
                                                                  : weft_text(value, strlen(value));
    if (out->type == WEFT_TEXT || out->type == WEFT_BLOB) {
        void *kept = arena_take(compiler->arena, out->size + 1);
        if (kept != NULL && out->size > 0) memcpy(kept, out->as.bytes, out->size);
        out->as.bytes = kept;
        if (kept == NULL) code = SQLITE_NOMEM;
    }
    sqlite3_finalize(query);
    return (code & 0xff) == SQLITE_NOMEM ? compiler_memory(compiler) : WEFT_OK;
}

enum weft_status draft_defaults(struct compiler *compiler, struct draft *draft,
                                const struct column_facts *facts) {
    enum weft_status status = WEFT_OK;
    for (uint32_t c = 0; c < draft->model.column_count && status == WEFT_OK; c++) {
        struct column *column = &draft->model.columns[c];
        bool constant = false, null = false;
        /* An owned row's @node column is filled in where the row is written. */
        if (facts[c].value == NULL || (column->node && draft->model.kind == MODEL_OWNED)) continue;
        status = default_judge(compiler, facts[c].value, &constant, &null);
        /* An owned table may have another; but no column that was added to it. */
        if (status != WEFT_OK || !constant) continue;
        status = default_value(compiler, facts[c].value, &column->unset);
    }
    return status;
}

static enum weft_status column_unset(struct compiler *compiler, const struct model *model,
                                     struct column *column, const char *value) {
    bool constant = true, null = true;
    enum weft_status status = WEFT_OK;
    if (value != NULL) status = default_judge(compiler, value, &constant, &null);
    if (status != WEFT_OK) return status;
    if (!constant) {
        return status_fail(compiler->why, WEFT_SCHEMA, 0,
                           "table \"%s\", column \"%s\": its DEFAULT (%.80s) is not a constant, so "
                           "a row whose \"%s\" nobody wrote would differ between devices; write a "
                           "constant, or no DEFAULT and give the value with each row",
                           model->name, column->name, value, column->name);
    }
    if (!model->atomic || !column->not_null) return WEFT_OK;
    if (null) {
        return status_fail(compiler->why, WEFT_SCHEMA, 0,
                           "table \"%s\", column \"%s\": it may not be NULL%s, but a row of this "
                           "table may be there before anybody has written it; take NOT NULL off, "
                           "%s",
                           model->name, column->name, value == NULL ? " and has no DEFAULT" : "",
                           column->node ? "since the engine fills it in"
                                        : "or write NOT NULL DEFAULT with a constant");
    }
    column->optional = true;
    return WEFT_OK;
}

/* An index that looks at some rows only, or at an expression, does not tell whom it keeps out, and
 * so not either which of them all devices are to show. */
static enum weft_status indexes_plain(struct compiler *compiler, const struct model *model) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status = statement_prepare(
        compiler->db, &query, model->name, compiler->why,
        "SELECT l.name FROM pragma_index_list(%Q) AS l, pragma_index_xinfo(l.name) AS x "
        "WHERE l.\"unique\" = 1 AND (l.partial = 1 OR (x.\"key\" = 1 AND x.name IS NULL))",
        model->name);
    if (status == WEFT_OK) {
        status = statement_step(query, &row, "reading the schema of", model->name, compiler->why);
    }
    if (status == WEFT_OK && row) {
        status = status_fail(compiler->why, WEFT_SCHEMA, 0,
                             "table \"%s\": its UNIQUE index \"%s\" is partial, or over an "
                             "expression: of two rows that it does not let stand together devices "
                             "could show different ones; make it an index over columns, or no "
                             "UNIQUE one",
                             model->name, sqlite3_column_text(query, 0));
    }
    sqlite3_finalize(query);
    return status;
}

enum weft_status draft_unset(struct compiler *compiler, struct draft *draft,
                             const struct column_facts *facts) {
    struct model *model = &draft->model;
    CHECK(model->kind == MODEL_SHARED);
    CHECK(model->key_count > 0);
    enum weft_status status = WEFT_OK;
    for (uint32_t c = 0; c < model->column_count && status == WEFT_OK; c++) {
        struct column *column = &model->columns[c];
        if (column->key_place >= 0) continue; /* always given */
        status = column_unset(compiler, model, column, facts[c].value);
    }
    return status == WEFT_OK ? indexes_plain(compiler, model) : status;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Gives the columns of one table the numbers that their names have had before, or the next. */
static enum weft_status draft_fields(struct compiler *compiler, struct model *model,
                                     sqlite3_stmt *insert, sqlite3_stmt *query) {
    enum weft_status status = WEFT_OK;
    sqlite3_bind_text(insert, 1, model->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(query, 1, model->name, -1, SQLITE_STATIC);
    for (uint32_t c = 0; c < model->column_count && status == WEFT_OK; c++) {
        struct column *column = &model->columns[c];
        if (column->key_place >= 0) continue;
        sqlite3_bind_text(insert, 2, column->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(query, 2, column->name, -1, SQLITE_STATIC);
        status = statement_run(insert, "numbering the columns of", model->name, compiler->why);
        bool row = false;
        if (status == WEFT_OK) {
            status =
                statement_step(query, &row, "numbering the columns of", model->name, compiler->why);
        }
        if (status == WEFT_OK && !row) {
            status = status_fail(compiler->why, WEFT_CORRUPT, 0,
                                 "table \"%s\", column \"%s\": _weft_field takes no number for it "
                                 "and finds none: its index is damaged; restore the file",
                                 model->name, column->name);
        }
        if (status != WEFT_OK) break;
        const int64_t field = sqlite3_column_int64(query, 0);
        sqlite3_reset(query);
        column->field = (uint32_t)field;
        if (field >= 0 && field < (int64_t)LIMIT_FIELDS) continue;
        status = status_fail(compiler->why, WEFT_LIMIT, 0,
                             "table \"%s\", column \"%s\": this table has had %u columns beside "
                             "its key, which is all it may have in its life, dropped ones "
                             "included; put new columns into a table of their own",
                             model->name, column->name, LIMIT_FIELDS);
    }
    return status;
}

enum weft_status drafts_fields(struct compiler *compiler) {
    CHECK(compiler != NULL);
    CHECK(sqlite3_get_autocommit(compiler->db) == 0);
    sqlite3_stmt *insert = NULL, *query = NULL;
    enum weft_status status = statement_prepare(
        compiler->db, &insert, "_weft_field", compiler->why,
        "INSERT INTO _weft_field(model, field, name) SELECT ?1, ifnull(max(field), -1) + 1, ?2 "
        "FROM _weft_field WHERE model = ?1 ON CONFLICT(model, name) DO NOTHING");
    if (status == WEFT_OK) {
        status = statement_prepare(compiler->db, &query, "_weft_field", compiler->why,
                                   "SELECT field FROM _weft_field WHERE model = ?1 AND name = ?2");
    }
    for (uint32_t i = 0; i < compiler->count && status == WEFT_OK; i++) {
        struct model *model = &compiler->drafts[i].model;
        if (model->kind == MODEL_SHARED) status = draft_fields(compiler, model, insert, query);
    }
    sqlite3_finalize(query);
    sqlite3_finalize(insert);
    return status;
}
