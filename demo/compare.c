/* Comparing databases row by row.
 *
 *      DB1  k1 k2    k4 …            one cursor per database over
 *      DB2  k1 k2 k3 k4 …            SELECT columns FROM table ORDER BY key;
 *      DB3  k1 k2'   k4 …            at each step the smallest key of all cursors is looked at
 *           =  ≠  ≠  =
 *
 * Invariants
 *   1. Memory is one row per database, whatever the size of the tables.
 *   2. Keys are ordered and compared as bytes (BINARY), whatever the collation of the column: the
 *      order of the cursors and compare_values() agree.
 *   3. Values are equal if type and bytes are; 1 and 1.0 differ, NULL equals NULL.
 * Each database is read in one read transaction, so one that is still written to is compared as it
 * stood at one moment. Not here: the engine's own tables and columns, which are local to a file. */
#include "demo/compare.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/line.h"
#include "demo/must.h"

#define COMPARE_COLUMNS_MAX 256
#define COMPARE_SQL_MAX 32768

struct cursor {
    const char *path;
    sqlite3 *db;
    sqlite3_stmt *rows;
    bool has_row;
};

struct compare {
    const struct compare_plan *plan;
    struct cursor cursors[COMPARE_FILES_MAX];
    struct compare_report *report;
    char *why;
    size_t why_cap;
    unsigned told; /* in this table */
};

/* The shape of one table. Key columns come first, in key order. */
struct shape {
    int columns, keys;
    char select[COMPARE_SQL_MAX];
};

static bool compare_fail(struct compare *compare, const struct cursor *cursor, const char *doing) {
    snprintf(compare->why, compare->why_cap, "cannot compare \"%s\": %s: %s", cursor->path, doing,
             cursor->db != NULL ? sqlite3_errmsg(cursor->db) : "out of memory");
    return false;
}

static void compare_tell(struct compare *compare, const struct line *line) {
    compare->report->differences++;
    if (compare->plan->tell == NULL || compare->told >= COMPARE_SHOWN_MAX) return;
    compare->told++;
    compare->plan->tell(compare->plan->context, line->text);
}

static bool cursor_open(struct compare *compare, struct cursor *cursor, const char *path) {
    cursor->path = path;
    int result = sqlite3_open_v2(path, &cursor->db, SQLITE_OPEN_READONLY, NULL);
    if (result != SQLITE_OK) return compare_fail(compare, cursor, "opening");
    sqlite3_busy_timeout(cursor->db, 10000);
    if (sqlite3_exec(cursor->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) !=
        SQLITE_OK)
        return compare_fail(compare, cursor, "reading");
    return true;
}

/* A synced table carries columns of the engine; the engine's own tables begin with its name. */
static const char synced_tables[] =
    "SELECT DISTINCT s.name FROM sqlite_schema s, pragma_table_xinfo(s.name) c "
    "WHERE s.type = 'table' AND substr(s.name, 1, 5) <> '_weft' AND substr(c.name, 1, 5) = '_weft' "
    "ORDER BY 1";

/* Builds the SELECT of one table: its key columns first, in key order; without a key, all of its
 * columns are the key. An INTEGER PRIMARY KEY is a row number of the file's own and left out.
 * False if the table is not there or too wide. */
static bool shape_read(sqlite3 *db, const char *table, struct shape *out) {
    sqlite3_stmt *columns = NULL;
    const char *sql = "SELECT name, pk FROM pragma_table_xinfo(?1) c "
                      "WHERE substr(name, 1, 5) <> '_weft' AND hidden = 0 "
                      "AND NOT (pk > 0 AND upper(type) = 'INTEGER' "
                      "AND (SELECT sum(pk > 0) FROM pragma_table_xinfo(?1)) = 1 "
                      "AND (SELECT max(wr) FROM pragma_table_list(?1)) = 0) "
                      "ORDER BY CASE WHEN pk > 0 THEN pk ELSE 100000 + cid END";
    if (sqlite3_prepare_v2(db, sql, -1, &columns, NULL) != SQLITE_OK) return false;
    sqlite3_bind_text(columns, 1, table, -1, SQLITE_STATIC);
    sqlite3_str *text = sqlite3_str_new(NULL);
    out->columns = out->keys = 0;
    while (sqlite3_step(columns) == SQLITE_ROW) {
        sqlite3_str_appendf(text, "%s\"%w\"", out->columns == 0 ? "SELECT " : ", ",
                            (const char *)sqlite3_column_text(columns, 0));
        out->columns++;
        out->keys += sqlite3_column_int(columns, 1) > 0;
    }
    sqlite3_finalize(columns);
    if (out->keys == 0) out->keys = out->columns;
    sqlite3_str_appendf(text, " FROM \"%w\" ORDER BY ", table);
    for (int key = 1; key <= out->keys; key++)
        sqlite3_str_appendf(text, "%s%d COLLATE BINARY", key == 1 ? "" : ", ", key);
    char *made = sqlite3_str_finish(text);
    bool fits = made != NULL && strlen(made) < sizeof out->select && out->columns > 0 &&
                out->columns <= COMPARE_COLUMNS_MAX;
    if (fits) snprintf(out->select, sizeof out->select, "%s", made);
    sqlite3_free(made);
    return fits;
}

static int type_rank(int type) {
    switch (type) {
    case SQLITE_NULL:
        return 0;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        return 1;
    case SQLITE_TEXT:
        return 2;
    default:
        return 3;
    }
}

/* As SQLite orders values; additionally, numbers that are equal but of different type differ. */
static int compare_values(sqlite3_stmt *a, sqlite3_stmt *b, int column) {
    int a_type = sqlite3_column_type(a, column), b_type = sqlite3_column_type(b, column);
    int a_rank = type_rank(a_type), b_rank = type_rank(b_type);
    if (a_rank != b_rank) return a_rank < b_rank ? -1 : 1;
    if (a_rank == 0) return 0;
    if (a_type == SQLITE_INTEGER && b_type == SQLITE_INTEGER) {
        int64_t x = sqlite3_column_int64(a, column), y = sqlite3_column_int64(b, column);
        return (x > y) - (x < y);
    }
    if (a_rank == 1) {
        double x = sqlite3_column_double(a, column), y = sqlite3_column_double(b, column);
        return x != y ? (x > y) - (x < y) : (a_type > b_type) - (a_type < b_type);
    }
    const void *x = sqlite3_column_blob(a, column), *y = sqlite3_column_blob(b, column);
    int x_size = sqlite3_column_bytes(a, column), y_size = sqlite3_column_bytes(b, column);
    int least = x_size < y_size ? x_size : y_size;
    int order = least > 0 ? memcmp(x, y, (size_t)least) : 0;
    return order != 0 ? order : (x_size > y_size) - (x_size < y_size);
}

static int compare_keys(const struct shape *shape, sqlite3_stmt *a, sqlite3_stmt *b) {
    int order = 0;
    for (int key = 0; key < shape->keys && order == 0; key++)
        order = compare_values(a, b, key);
    return order;
}

static void value_add(struct line *line, sqlite3_stmt *row, int column) {
    int size = sqlite3_column_bytes(row, column);
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL:
        line_add(line, "NULL");
        return;
    case SQLITE_BLOB: {
        const uint8_t *bytes = sqlite3_column_blob(row, column);
        line_add(line, "x'");
        for (int i = 0; i < size && i < 32; i++)
            line_add(line, "%02x", bytes[i]);
        line_add(line, size > 32 ? "...'" : "'");
        return;
    }
    case SQLITE_TEXT:
        line_add(line, "'%.60s%s'", (const char *)sqlite3_column_text(row, column),
                 size > 60 ? "..." : "");
        return;
    default:
        line_add(line, "%s", (const char *)sqlite3_column_text(row, column));
    }
}

static void key_add(struct line *line, const struct shape *shape, sqlite3_stmt *row) {
    for (int key = 0; key < shape->keys; key++) {
        line_add(line, "%s%s = ", key == 0 ? "" : ", ", sqlite3_column_name(row, key));
        value_add(line, row, key);
    }
}

static bool cursor_next(struct compare *compare, struct cursor *cursor) {
    int result = sqlite3_step(cursor->rows);
    cursor->has_row = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE ||
           compare_fail(compare, cursor, "reading rows");
}

/* The row with the smallest key of all, in every database: present everywhere, and the same? */
static void compare_row(struct compare *compare, const char *table, const struct shape *shape,
                        const struct cursor *least, const bool *at_least) {
    struct line line;
    line_clear(&line);
    for (unsigned i = 0; i < compare->plan->count; i++) {
        const struct cursor *cursor = &compare->cursors[i];
        if (!at_least[i]) {
            line_add(&line, "table %s: the row with ", table);
            key_add(&line, shape, least->rows);
            line_add(&line, " is in %s but not in %s", least->path, cursor->path);
            compare_tell(compare, &line);
            return;
        }
        for (int column = shape->keys; column < shape->columns; column++) {
            if (compare_values(least->rows, cursor->rows, column) == 0) continue;
            line_add(&line, "table %s: in the row with ", table);
            key_add(&line, shape, least->rows);
            line_add(&line, ", %s is ", sqlite3_column_name(least->rows, column));
            value_add(&line, least->rows, column);
            line_add(&line, " in %s and ", least->path);
            value_add(&line, cursor->rows, column);
            line_add(&line, " in %s", cursor->path);
            compare_tell(compare, &line);
            return;
        }
    }
}

static bool compare_merge(struct compare *compare, const char *table, const struct shape *shape) {
    unsigned count = compare->plan->count;
    for (;;) {
        const struct cursor *least = NULL;
        for (unsigned i = 0; i < count; i++) {
            const struct cursor *cursor = &compare->cursors[i];
            if (!cursor->has_row) continue;
            if (least == NULL || compare_keys(shape, cursor->rows, least->rows) < 0) least = cursor;
        }
        if (least == NULL) return true;
        bool at_least[COMPARE_FILES_MAX];
        for (unsigned i = 0; i < count; i++) {
            const struct cursor *cursor = &compare->cursors[i];
            at_least[i] = cursor->has_row && compare_keys(shape, cursor->rows, least->rows) == 0;
        }
        compare->report->rows += at_least[0];
        compare_row(compare, table, shape, least, at_least);
        for (unsigned i = 0; i < count; i++) {
            if (at_least[i] && !cursor_next(compare, &compare->cursors[i])) return false;
        }
    }
}

static void cursors_finish(struct compare *compare) {
    for (unsigned i = 0; i < compare->plan->count; i++) {
        sqlite3_finalize(compare->cursors[i].rows);
        compare->cursors[i].rows = NULL;
        compare->cursors[i].has_row = false;
    }
}

/* One table that every database has, as far as its list of tables says. */
static bool compare_table(struct compare *compare, const char *table) {
    compare->told = 0;
    compare->report->tables++;
    struct shape shape, other;
    if (!shape_read(compare->cursors[0].db, table, &shape))
        return compare_fail(compare, &compare->cursors[0], "reading the columns of a table");
    bool goes_on = true;
    for (unsigned i = 0; i < compare->plan->count && goes_on; i++) {
        struct cursor *cursor = &compare->cursors[i];
        if (!shape_read(cursor->db, table, &other) || strcmp(shape.select, other.select) != 0) {
            struct line line;
            line_clear(&line);
            line_add(&line, "table %s has other columns in %s than in %s", table, cursor->path,
                     compare->cursors[0].path);
            compare_tell(compare, &line);
            cursors_finish(compare);
            return true;
        }
        goes_on = sqlite3_prepare_v2(cursor->db, shape.select, -1, &cursor->rows, NULL) == SQLITE_OK
                      ? cursor_next(compare, cursor)
                      : compare_fail(compare, cursor, "preparing");
    }
    goes_on = goes_on && compare_merge(compare, table, &shape);
    cursors_finish(compare);
    return goes_on;
}

/* The names of the synced tables of one database, joined with newlines; to be freed by SQLite. */
static char *table_list(sqlite3 *db) {
    sqlite3_stmt *tables = NULL;
    if (sqlite3_prepare_v2(db, synced_tables, -1, &tables, NULL) != SQLITE_OK) return NULL;
    sqlite3_str *text = sqlite3_str_new(NULL);
    int result;
    while ((result = sqlite3_step(tables)) == SQLITE_ROW)
        sqlite3_str_appendf(text, "%s\n", (const char *)sqlite3_column_text(tables, 0));
    sqlite3_finalize(tables);
    sqlite3_str_appendf(text, "");
    char *list = sqlite3_str_finish(text);
    if (list == NULL) list = sqlite3_mprintf("");
    if (result == SQLITE_DONE) return list;
    sqlite3_free(list);
    return NULL;
}

static bool compare_tables(struct compare *compare) {
    char *first = NULL;
    bool goes_on = true;
    for (unsigned i = 0; i < compare->plan->count && goes_on; i++) {
        struct cursor *cursor = &compare->cursors[i];
        char *list = table_list(cursor->db);
        if (list == NULL) {
            goes_on = compare_fail(compare, cursor, "listing its tables");
        } else if (list[0] == '\0') {
            snprintf(compare->why, compare->why_cap, "\"%s\" has no synced table", cursor->path);
            goes_on = false;
        } else if (first != NULL && strcmp(first, list) != 0) {
            snprintf(compare->why, compare->why_cap,
                     "\"%s\" and \"%s\" do not have the same synced tables", cursor->path,
                     compare->cursors[0].path);
            goes_on = false;
        }
        if (first == NULL) {
            first = list;
        } else {
            sqlite3_free(list);
        }
    }
    char *rest = NULL;
    for (char *table = goes_on ? strtok_r(first, "\n", &rest) : NULL; table != NULL && goes_on;
         table = strtok_r(NULL, "\n", &rest))
        goes_on = compare_table(compare, table);
    sqlite3_free(first);
    return goes_on;
}

bool compare_run(const struct compare_plan *plan, struct compare_report *out, char *why,
                 size_t why_cap) {
    MUST(plan->count >= 2 && plan->count <= COMPARE_FILES_MAX);
    memset(out, 0, sizeof *out);
    struct compare compare = {.plan = plan, .report = out, .why = why, .why_cap = why_cap};
    bool goes_on = true;
    for (unsigned i = 0; i < plan->count && goes_on; i++)
        goes_on = cursor_open(&compare, &compare.cursors[i], plan->paths[i]);
    goes_on = goes_on && compare_tables(&compare);
    for (unsigned i = 0; i < plan->count; i++)
        sqlite3_close(compare.cursors[i].db);
    return goes_on;
}
