/* Annotating a table that is there already: by writing the comment into the text of its CREATE
 * TABLE that SQLite keeps, which is where annotations are read from.
 *
 *   CREATE TABLE tag (id BLOB …)    a block comment is put in behind the first parenthesis
 *   … -- @local for now             becomes … -- @shared(create: unique) for now
 *
 *   lock ─► BEGIN ─► text ─► edited ─► read back ─► sqlite_schema ─► loaded, compiled ─► COMMIT
 *
 * No SQL statement changes a table's comments, so sqlite_schema is written to ("PRAGMA
 * writable_schema" in SQLite's documents, and "Making Other Kinds Of Table Schema Changes" in those
 * of ALTER TABLE).
 *
 * Invariants
 *   1. Nothing but a comment changes: the new text differs by it alone, says what was wanted, and
 *      SQLite reads the same columns from it as before. Else nothing is written.
 *   2. A table that was annotated is compiled as at open before the annotation is kept, so that one
 *      that does not go with its table is not left in the file.
 * Not here: the engine's columns, and the rows that are there. The next open sees to them. */
#include "engine/store/store_annotate.h"

#include "engine/base/check.h"
#include "engine/base/status.h"
#include "engine/store/annotation.h"
#include "engine/store/migrate.h"
#include "engine/store/statement.h"
#include "engine/store/store_private.h"

struct annotator {
    sqlite3 *db;
    const char *path;
    const char *table;
    const char *text; /* the annotation that is wanted, and what it says */
    struct annotation wanted;
    struct weft_error *why;
};

static enum weft_status annotate_memory(const struct annotator *annotator) {
    return status_fail(annotator->why, WEFT_NO_MEMORY, 0, "annotating \"%s\": out of memory",
                       annotator->table);
}

/* ---- what is wanted -------------------------------------------------------------------------- */

/* Reads the annotation that was given. `*held`, for sqlite3_free(), is what its slices lie in. */
static enum weft_status wanted_read(struct annotator *annotator, char **held) {
    const char *text = annotator->text;
    if (text[0] != '@' || strchr(text, '\n') != NULL || strstr(text, "*/") != NULL) {
        return status_fail(annotator->why, WEFT_SCHEMA, 0,
                           "table \"%s\": \"%.80s\" is no annotation; write one that begins with "
                           "'@', on one line, such as @shared(create: unique)",
                           annotator->table, text);
    }
    *held = sqlite3_mprintf("(--%s\n)", text);
    if (*held == NULL) return annotate_memory(annotator);
    enum weft_status status =
        annotation_parse(annotator->table, *held, &annotator->wanted, annotator->why);
    if (status != WEFT_OK) return status;
    const size_t read = annotator->wanted.text.size;
    if (read > 0 && text[read + strspn(text + read, " \t\r")] == '\0') return WEFT_OK;
    return status_fail(annotator->why, WEFT_SCHEMA, 0,
                       "table \"%s\": behind the annotation stands \"%.80s\"; give the annotation "
                       "of the table alone",
                       annotator->table, text + read);
}

/* ---- the text -------------------------------------------------------------------------------- */

/* The table's text with the annotation in it, for sqlite3_free(); NULL when out of memory. */
static char *text_edit(const struct annotator *annotator, const char *sql,
                       const struct annotation *found) {
    if (found->text.size > 0) {
        const char *at = (const char *)found->text.data;
        CHECK(at >= sql && at + found->text.size <= sql + strlen(sql));
        return sqlite3_mprintf("%.*s%s%s", (int)(at - sql), sql, annotator->text,
                               at + found->text.size);
    }
    const char *rest = sql + found->inside;
    const bool blank = *rest != '\0' && strchr(" \t\r\n", *rest) != NULL;
    return sqlite3_mprintf("%.*s /* %s */%s%s", (int)found->inside, sql, annotator->text,
                           blank ? "" : " ", rest);
}

/* Makes the new text; `*out` stays NULL when the table says already what is wanted. */
static enum weft_status text_make(const struct annotator *annotator, const char *sql, char **out) {
    struct annotation found, now;
    enum weft_status status = annotation_parse(annotator->table, sql, &found, annotator->why);
    if (status != WEFT_OK || annotation_equal(&found, &annotator->wanted)) return status;
    if (found.kind != ANNOTATION_LOCAL) {
        return status_fail(
            annotator->why, WEFT_SCHEMA, 0,
            "table \"%s\": it is annotated already: %.*s; what other devices hold of "
            "it goes by that, so make a new table with the new annotation and put "
            "the rows there",
            annotator->table, (int)found.text.size, (const char *)found.text.data);
    }
    if (found.inside == 0) {
        return status_fail(annotator->why, WEFT_UNSUPPORTED, 0,
                           "table \"%s\": its CREATE TABLE has no parentheses to write an "
                           "annotation into; make a new table",
                           annotator->table);
    }
    *out = text_edit(annotator, sql, &found);
    if (*out == NULL) return annotate_memory(annotator);
    status = annotation_parse(annotator->table, *out, &now, annotator->why);
    if (status != WEFT_OK) return status;
    if (annotation_equal(&now, &annotator->wanted) && now.node_count == found.node_count) {
        return WEFT_OK;
    }
    return status_fail(annotator->why, WEFT_SCHEMA, 0,
                       "table \"%s\": the annotation would not be read back from its CREATE TABLE "
                       "as it was given; make a new table that has it",
                       annotator->table);
}

/* ---- the schema ------------------------------------------------------------------------------ */

/* Finds the table. `*row` is its place in sqlite_schema, `*sql` its text, for sqlite3_free(). */
static enum weft_status schema_find(const struct annotator *annotator, int64_t *place, char **sql) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status =
        statement_prepare(annotator->db, &query, annotator->path, annotator->why,
                          "SELECT s.rowid, s.sql, l.type FROM main.sqlite_schema AS s "
                          "JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = s.name "
                          "WHERE s.name = %Q COLLATE NOCASE AND s.type IN ('table', 'view')",
                          annotator->table);
    if (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", annotator->path, annotator->why);
    }
    if (status == WEFT_OK && !row) {
        status = status_fail(annotator->why, WEFT_NOT_FOUND, 0,
                             "%s has no table \"%s\"; check the name, or create the table first",
                             annotator->path, annotator->table);
    } else if (status == WEFT_OK) {
        const char *text = (const char *)sqlite3_column_text(query, 1);
        const char *kind = (const char *)sqlite3_column_text(query, 2);
        *place = sqlite3_column_int64(query, 0);
        if (kind == NULL || text == NULL || strcmp(kind, "table") != 0) {
            status = status_fail(annotator->why, WEFT_UNSUPPORTED, 0,
                                 "\"%s\" is a %s, which cannot be synced; annotate an ordinary "
                                 "table instead",
                                 annotator->table, kind == NULL ? "table without a text" : kind);
        } else {
            *sql = sqlite3_mprintf("%s", text);
            if (*sql == NULL) status = annotate_memory(annotator);
        }
    }
    sqlite3_finalize(query);
    return status;
}

/* What SQLite reads of the table, for sqlite3_free(). */
static enum weft_status schema_columns(const struct annotator *annotator, char **out) {
    sqlite3_stmt *query = NULL;
    bool row = false;
    enum weft_status status =
        statement_prepare(annotator->db, &query, annotator->table, annotator->why,
                          "SELECT group_concat(cid || quote(name) || quote(type) || \"notnull\" || "
                          "quote(dflt_value) || pk || hidden) FROM pragma_table_xinfo(%Q)",
                          annotator->table);
    if (status == WEFT_OK) {
        status = statement_step(query, &row, "reading", annotator->table, annotator->why);
    }
    if (status == WEFT_OK) {
        *out = sqlite3_mprintf("%s", sqlite3_column_text(query, 0));
        if (*out == NULL) status = annotate_memory(annotator);
    }
    sqlite3_finalize(query);
    return status;
}

/* Writes the text, and tells every connection, this one too, to read the schema anew. */
static enum weft_status schema_write(const struct annotator *annotator, int64_t place,
                                     const char *sql) {
    sqlite3_stmt *query = NULL;
    struct weft_error *why = annotator->why;
    bool row = false;
    int64_t version = 0;
    enum weft_status status = statement_prepare(annotator->db, &query, annotator->path, why,
                                                "PRAGMA main.schema_version");
    if (status == WEFT_OK) status = statement_step(query, &row, "reading", annotator->path, why);
    if (status == WEFT_OK) version = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    if (status == WEFT_OK) {
        status = statement_exec(annotator->db, "annotating", annotator->table, why,
                                "PRAGMA writable_schema = ON");
    }
    if (status == WEFT_OK) {
        status = statement_exec(annotator->db, "annotating", annotator->table, why,
                                "UPDATE main.sqlite_schema SET sql = %Q WHERE rowid = %lld", sql,
                                (long long)place);
    }
    if (status == WEFT_OK) {
        status = statement_exec(annotator->db, "annotating", annotator->table, why,
                                "PRAGMA main.schema_version = %lld",
                                (long long)(version % INT32_MAX + 1));
    }
    enum weft_status reset =
        statement_exec(annotator->db, "annotating", annotator->table,
                       status == WEFT_OK ? why : NULL, "PRAGMA writable_schema = RESET");
    return status == WEFT_OK ? reset : status;
}

/* Compiles the schema as store_open() would, and takes back what that writes. */
static enum weft_status schema_try(const struct annotator *annotator) {
    struct pool *pool = pool_open(0, 0, NULL);
    struct models *models = NULL;
    struct arena arena;
    if (pool == NULL) return annotate_memory(annotator);
    arena_init(&arena, pool);
    enum weft_status status = statement_exec(annotator->db, "annotating", annotator->table,
                                             annotator->why, "SAVEPOINT trial");
    if (status == WEFT_OK) {
        status = migrate(annotator->db, annotator->path, annotator->why);
        if (status == WEFT_OK) {
            status = models_compile(annotator->db, &arena, &models, annotator->why);
        }
        enum weft_status back =
            statement_exec(annotator->db, "annotating", annotator->table,
                           status == WEFT_OK ? annotator->why : NULL, "ROLLBACK TO trial");
        if (status == WEFT_OK) status = back;
    }
    arena_drop(&arena);
    pool_close(pool);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Everything that one transaction does. */
static enum weft_status annotate(const struct annotator *annotator) {
    int64_t place = 0;
    char *sql = NULL, *edited = NULL, *before = NULL, *after = NULL;
    enum weft_status status = schema_find(annotator, &place, &sql);
    if (status == WEFT_OK) status = text_make(annotator, sql, &edited);
    if (status != WEFT_OK || edited == NULL) goto release;
    status = schema_columns(annotator, &before);
    if (status == WEFT_OK) status = schema_write(annotator, place, edited);
    if (status == WEFT_OK) status = schema_columns(annotator, &after);
    if (status == WEFT_OK && strcmp(before, after) != 0) {
        status =
            status_fail(annotator->why, WEFT_SCHEMA, 0,
                        "table \"%s\": with the annotation written into its CREATE TABLE "
                        "SQLite would read other columns from it; make a new table that has it",
                        annotator->table);
    }
    if (status == WEFT_OK) status = schema_try(annotator);
release:
    sqlite3_free(sql);
    sqlite3_free(edited);
    sqlite3_free(before);
    sqlite3_free(after);
    return status;
}

/* Whether there is such a file: opening would create it. */
static enum weft_status file_exists(const char *path, const char *vfs, struct weft_error *why) {
    sqlite3_vfs *system = sqlite3_vfs_find(vfs);
    int found = 0;
    int code =
        system == NULL ? SQLITE_ERROR : system->xAccess(system, path, SQLITE_ACCESS_EXISTS, &found);
    if (code == SQLITE_OK && found != 0) return WEFT_OK;
    return status_fail(why, WEFT_NOT_FOUND, code, "there is no file %s; correct the path", path);
}

static enum weft_status annotate_file(struct annotator *annotator, const char *vfs) {
    const char *path = annotator->path;
    sqlite3 *lock = NULL;
    enum weft_status status = store_open_file(path, vfs, false, &annotator->db, annotator->why);
    if (status != WEFT_OK) return status;
    sqlite3_db_config(annotator->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_db_config(annotator->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    status = store_lock(annotator->db, path, vfs, &lock, annotator->why);
    if (status != WEFT_OK) goto close_file;
    status = statement_exec(annotator->db, "opening", path, annotator->why, "BEGIN IMMEDIATE");
    if (status != WEFT_OK) goto release_lock;
    status = annotate(annotator);
    if (status == WEFT_OK) {
        status = statement_exec(annotator->db, "annotating", path, annotator->why, "COMMIT");
    }
    if (status != WEFT_OK) sqlite3_exec(annotator->db, "ROLLBACK", NULL, NULL, NULL);

release_lock:
    /* The file first: the lock is to outlive what it protects. */
    sqlite3_close(annotator->db);
    annotator->db = NULL;
    sqlite3_close(lock);
close_file:
    sqlite3_close(annotator->db);
    return status;
}

enum weft_status store_annotate(const char *path, const char *vfs, const char *table,
                                const char *annotation, struct weft_error *why) {
    CHECK(path != NULL && table != NULL);
    CHECK(annotation != NULL);
    struct annotator annotator = {.path = path, .table = table, .text = annotation, .why = why};
    char *held = NULL;
    if (store_ours(table) || sqlite3_strnicmp(table, "sqlite_", 7) == 0) {
        return status_fail(why, WEFT_INVALID, 0,
                           "table \"%s\" is not the application's; annotate tables of your own",
                           table);
    }
    enum weft_status status = wanted_read(&annotator, &held);
    if (status == WEFT_OK) status = file_exists(path, vfs, why);
    if (status == WEFT_OK) status = annotate_file(&annotator, vfs);
    sqlite3_free(held);
    return status;
}
