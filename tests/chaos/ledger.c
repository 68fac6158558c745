/* The ledger, as tables in memory, so that holding it against a database is a few queries.
 *
 * A row that one device writes:
 *
 *      id   put  tried  deleted      the database must hold
 *      x    7                        x, with generation 7 or later
 *      x    7    9                   the same, or not x: the delete may have been durable
 *      x    11   9                   x, with 11 or later: the delete was not durable after all
 *      x    7    9      9            not x
 *
 * `puts` and `deletes` are kept for each level. A put after a delete is never made (ids are not
 * used twice); one that is entered means that a deleted row came back, and is marked.
 *
 * A cell that all write shows a generation that somebody tried to write. It is no earlier one
 * of the same writer than what that was promised, and none that a promised write had seen before
 * it: a write beats what its writer saw. Which of two others wins is for their clocks to say. */
#include "tests/chaos/ledger.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/chaos/tell.h"

#define LEDGER_SHOWN 10u

struct ledger {
    sqlite3 *db;
    sqlite3_stmt *put, *deleted, *tried, *cell, *cell_promised;
    uint64_t count[LEDGER_LEVELS];
};

static const char schema[] =
    /* Generations by level: of the last put, and of the delete. */
    "CREATE TABLE row (kind INTEGER, id BLOB, writer INTEGER, put1 INTEGER DEFAULT 0,"
    "  put2 INTEGER DEFAULT 0, put3 INTEGER DEFAULT 0, tried INTEGER DEFAULT 0,"
    "  deleted1 INTEGER DEFAULT 0, deleted2 INTEGER DEFAULT 0, deleted3 INTEGER DEFAULT 0,"
    "  back INTEGER DEFAULT 0, PRIMARY KEY (kind, id)) WITHOUT ROWID;"
    "CREATE TABLE cell (id BLOB, generation INTEGER, writer INTEGER, over INTEGER,"
    "  level INTEGER DEFAULT 0, PRIMARY KEY (id, generation)) WITHOUT ROWID;"
    "CREATE INDEX cell_over ON cell (id, over);";

static sqlite3_stmt *prepared(struct ledger *ledger, const char *sql) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(ledger->db, sql, -1, &statement, NULL) != SQLITE_OK)
        tell_die("the ledger: %s: %s", sql, sqlite3_errmsg(ledger->db));
    return statement;
}

static void run(struct ledger *ledger, const char *sql) {
    if (sqlite3_exec(ledger->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        tell_die("the ledger: %s: %s", sql, sqlite3_errmsg(ledger->db));
}

struct ledger *ledger_open(void) {
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) return NULL;
    if (sqlite3_open(":memory:", &ledger->db) != SQLITE_OK) tell_die("the ledger does not open");
    run(ledger, schema);
    /* A promise of one level is one of those below, too. */
    ledger->put = prepared(
        ledger, "INSERT INTO row (kind, id, writer, put1, put2, put3) VALUES (?1, ?2, ?3, ?4,"
                "  iif(?5 >= 2, ?4, 0), iif(?5 >= 3, ?4, 0)) ON CONFLICT DO UPDATE SET"
                "  back = back OR (deleted1 <> 0 AND deleted1 < ?4), put1 = max(put1, ?4),"
                "  put2 = max(put2, iif(?5 >= 2, ?4, 0)), put3 = max(put3, iif(?5 >= 3, ?4, 0))");
    ledger->deleted = prepared(
        ledger,
        "INSERT INTO row (kind, id, writer, deleted1, deleted2, deleted3) VALUES (?1, ?2, ?3, ?4,"
        "  iif(?5 >= 2, ?4, 0), iif(?5 >= 3, ?4, 0)) ON CONFLICT DO UPDATE SET"
        "  deleted1 = max(deleted1, ?4), deleted2 = max(deleted2, iif(?5 >= 2, ?4, 0)),"
        "  deleted3 = max(deleted3, iif(?5 >= 3, ?4, 0))");
    ledger->tried =
        prepared(ledger, "INSERT INTO row (kind, id, writer, tried) VALUES (?1, ?2, ?3, ?4) "
                         "ON CONFLICT DO UPDATE SET tried = ?4");
    ledger->cell = prepared(ledger, "INSERT OR IGNORE INTO cell (id, generation, writer, over) "
                                    "VALUES (?2, ?4, ?3, ?5)");
    ledger->cell_promised = prepared(ledger, "UPDATE cell SET level = max(level, ?5) "
                                             "WHERE id = ?2 AND generation = ?4");
    run(ledger, "BEGIN");
    return ledger;
}

void ledger_close(struct ledger *ledger) {
    sqlite3_finalize(ledger->put);
    sqlite3_finalize(ledger->deleted);
    sqlite3_finalize(ledger->tried);
    sqlite3_finalize(ledger->cell);
    sqlite3_finalize(ledger->cell_promised);
    sqlite3_close(ledger->db);
    free(ledger);
}

static sqlite3_stmt *entry_of(struct ledger *ledger, const struct ledger_record *record) {
    if (record->table == LEDGER_CELL)
        return record->kind == LEDGER_TRIED ? ledger->cell : ledger->cell_promised;
    return record->kind == LEDGER_TRIED ? ledger->tried
           : record->kind == LEDGER_PUT ? ledger->put
                                        : ledger->deleted;
}

void ledger_enter(struct ledger *ledger, unsigned writer, const struct ledger_record *record) {
    if (record->kind > LEDGER_DELETED) return;
    if (record->kind == 0 || record->table > LEDGER_CELL || record->level >= LEDGER_LEVELS)
        tell_die("device %u said what is no record of the ledger", writer);
    sqlite3_stmt *enter = entry_of(ledger, record);
    sqlite3_bind_int(enter, 1, record->table);
    sqlite3_bind_blob(enter, 2, record->id, sizeof record->id, SQLITE_STATIC);
    sqlite3_bind_int64(enter, 3, writer);
    sqlite3_bind_int64(enter, 4, record->generation);
    if (record->kind != LEDGER_TRIED)
        sqlite3_bind_int(enter, 5, record->level);
    else if (record->table == LEDGER_CELL)
        sqlite3_bind_int64(enter, 5, record->over);
    if (sqlite3_step(enter) != SQLITE_DONE) tell_die("the ledger: %s", sqlite3_errmsg(ledger->db));
    sqlite3_reset(enter);
    if (record->kind != LEDGER_TRIED) ledger->count[record->level]++;
}

uint64_t ledger_count(const struct ledger *ledger, enum ledger_level level) {
    return ledger->count[level];
}

/* ---- holding it against a database ----------------------------------------------------------- */

static void attach(struct ledger *ledger, const char *path, const char *name) {
    char sql[64];
    run(ledger, "COMMIT");
    snprintf(sql, sizeof sql, "ATTACH DATABASE ?1 AS %s", name);
    sqlite3_stmt *statement = prepared(ledger, sql);
    sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE)
        tell_die("the ledger: %s: %s", path, sqlite3_errmsg(ledger->db));
    sqlite3_finalize(statement);
    run(ledger, "BEGIN");
}

static void detach(struct ledger *ledger, const char *name) {
    char sql[64];
    snprintf(sql, sizeof sql, "DETACH DATABASE %s", name);
    run(ledger, "COMMIT");
    run(ledger, sql);
    run(ledger, "BEGIN");
}

/* Counts, and prints the first of, the rows of a query: ?1 is the writer, ?2 the level. */
static uint64_t find(struct ledger *ledger, const char *path, const char *what, const char *sql,
                     unsigned writer, enum ledger_level level) {
    sqlite3_stmt *query = prepared(ledger, sql);
    uint64_t count = 0;
    int result;
    sqlite3_bind_int64(query, 1, writer);
    sqlite3_bind_int(query, 2, (int)level);
    while ((result = sqlite3_step(query)) == SQLITE_ROW) {
        if (count++ >= LEDGER_SHOWN) continue;
        printf("%s: %s:", path, what);
        for (int i = 0; i < sqlite3_column_count(query); i++) {
            const char *text = (const char *)sqlite3_column_text(query, i);
            printf(" %s %s", sqlite3_column_name(query, i), text == NULL ? "NULL" : text);
        }
        printf("\n");
    }
    if (result != SQLITE_DONE) tell_die("the ledger: %s", sqlite3_errmsg(ledger->db));
    sqlite3_finalize(query);
    return count;
}

/* What is wanted of rows that one device writes: the queries below take it for a table. */
#define LEDGER_WANTED                                                                          \
    "WITH held AS (SELECT 0 AS kind, id, generation FROM held.entry UNION ALL"                 \
    "  SELECT 1, id, generation FROM held.mark),"                                              \
    " wanted AS (SELECT kind, id, writer, tried, back,"                                        \
    "  CASE WHEN writer = ?1 OR ?2 <= 1 THEN put1 WHEN ?2 = 2 THEN put2 ELSE put3 END AS put," \
    "  CASE WHEN writer = ?1 OR ?2 <= 1 THEN deleted1 WHEN ?2 = 2 THEN deleted2"               \
    "    ELSE deleted3 END AS deleted FROM row)"                                               \
    "SELECT hex(w.id) AS id, w.kind, w.writer, put, tried, deleted, generation AS shown "      \
    "FROM wanted w LEFT JOIN held h ON h.id = w.id AND h.kind = w.kind WHERE "

/* What all write, a line for each cell: two rows are always written together, the third field of
 * each alone. */
#define LEDGER_CELLS                                                        \
    "WITH shown AS (SELECT id, first AS generation FROM held.hot UNION ALL" \
    "  SELECT CAST(substr(id, 1, 14) || x'01' || substr(id, 16) AS BLOB), alone FROM held.hot)"

uint64_t ledger_lacks(struct ledger *ledger, const char *path, unsigned writer,
                      enum ledger_level level) {
    uint64_t wrong = 0;
    attach(ledger, path, "held");
    wrong += find(ledger, path, "is missing",
                  LEDGER_WANTED "put > 0 AND deleted = 0 AND h.id IS NULL AND tried < put", writer,
                  level);
    wrong += find(ledger, path, "is older than promised", LEDGER_WANTED "generation < put", writer,
                  level);
    wrong += find(ledger, path, "is there, but was deleted",
                  LEDGER_WANTED "deleted > 0 AND h.id IS NOT NULL", writer, level);
    wrong +=
        find(ledger, path, "came back after it was deleted", LEDGER_WANTED "back", writer, level);
    wrong += find(ledger, path, "is not of one piece",
                  "SELECT hex(a.id) AS id, a.first, a.second, b.first, b.second FROM held.hot a "
                  "JOIN held.hot b ON b.twin = a.id WHERE a.first <> a.second OR "
                  "b.first <> b.second OR a.first <> b.first OR ?1 + ?2 < 0",
                  writer, level);
    wrong += find(ledger, path, "shows what nobody wrote",
                  LEDGER_CELLS "SELECT hex(s.id) AS id, s.generation FROM shown s LEFT JOIN cell c "
                               "ON c.id = s.id AND c.generation = s.generation "
                               "WHERE c.id IS NULL AND s.generation <> 0 AND ?1 + ?2 > 0",
                  writer, level);
    wrong +=
        find(ledger, path, "shows an earlier write than the same device was promised",
             LEDGER_CELLS "SELECT hex(s.id) AS id, s.generation AS shown, c.generation AS promised "
                          "FROM shown s JOIN cell c ON c.id = s.id AND c.generation > s.generation "
                          "AND c.generation >> 52 = s.generation >> 52 WHERE c.level > 0 AND "
                          "(c.writer = ?1 OR c.level >= ?2)",
             writer, level);
    wrong +=
        find(ledger, path, "shows what a promised write had seen",
             LEDGER_CELLS "SELECT hex(s.id) AS id, s.generation AS shown, c.generation AS promised "
                          "FROM shown s JOIN cell c ON c.id = s.id AND c.over = s.generation "
                          "WHERE c.level > 0 AND (c.writer = ?1 OR c.level >= ?2)",
             writer, level);
    detach(ledger, "held");
    return wrong;
}

uint64_t ledger_alone(struct ledger *ledger, const char *const *paths, unsigned count) {
    run(ledger, "CREATE TEMP TABLE kept (kind INTEGER, id BLOB, copies INTEGER, "
                "PRIMARY KEY (kind, id)) WITHOUT ROWID");
    for (unsigned i = 0; i < count; i++) {
        attach(ledger, paths[i], "held");
        run(ledger, "INSERT INTO kept SELECT r.kind, r.id, 1 FROM row r LEFT JOIN held.entry e "
                    "ON e.id = r.id LEFT JOIN held.mark m ON m.id = r.id WHERE put2 > 0 AND "
                    "(iif(r.kind = 0, e.generation, m.generation) >= put2 OR "
                    " (tried > put2 AND iif(r.kind = 0, e.id, m.id) IS NULL)) "
                    "ON CONFLICT DO UPDATE SET copies = copies + 1");
        detach(ledger, "held");
    }
    uint64_t wrong = find(
        ledger, paths[0], "is on fewer than two devices",
        "SELECT r.kind, hex(r.id) AS id, writer, put2 AS promised, copies FROM row r LEFT JOIN "
        "temp.kept k ON k.kind = r.kind AND k.id = r.id WHERE put2 > 0 AND deleted1 = 0 AND "
        "coalesce(copies, 0) < 2 AND ?1 + ?2 > 0",
        0, LEDGER_ANOTHER);
    run(ledger, "DROP TABLE temp.kept");
    return wrong;
}
