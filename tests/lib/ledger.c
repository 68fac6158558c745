/* The ledger, as a table in memory, so that holding it against a database is one query.
 *
 *      id   put  tried  deleted      the database must hold
 *      x    7                        x, with generation 7 or later
 *      x    7    9                   the same, or not x: the delete may have been durable
 *      x    11   9                   x, with 11 or later: the delete was not durable after all
 *      x    7    9      9            not x
 * A put after a delete is never made (ids are not used twice); one that is entered means that a
 * deleted row came back, and is marked. */
#include "tests/lib/ledger.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

struct ledger {
    sqlite3 *db;
    sqlite3_stmt *enter[4]; /* by kind, up to LEDGER_DELETED */
    uint64_t count;
};

struct ledger *ledger_open(void) {
    static const char *const enter[] = {
        [LEDGER_PUT] = "INSERT INTO ledger (id, put) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE "
                       "SET put = max(coalesce(put, 0), ?2), back = back OR deleted IS NOT NULL",
        [LEDGER_TRIED] = "INSERT INTO ledger (id, tried) VALUES (?1, ?2) "
                         "ON CONFLICT (id) DO UPDATE SET tried = ?2",
        [LEDGER_DELETED] = "INSERT INTO ledger (id, deleted) VALUES (?1, ?2) "
                           "ON CONFLICT (id) DO UPDATE SET deleted = ?2",
    };
    struct ledger *ledger = calloc(1, sizeof *ledger);
    assert_non_null(ledger);
    assert_int_equal(sqlite3_open(":memory:", &ledger->db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(ledger->db,
                                  "CREATE TABLE ledger (id BLOB PRIMARY KEY, put INTEGER, "
                                  "tried INTEGER, deleted INTEGER, back INTEGER DEFAULT 0) "
                                  "WITHOUT ROWID",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int kind = LEDGER_PUT; kind <= LEDGER_DELETED; kind++)
        assert_int_equal(
            sqlite3_prepare_v2(ledger->db, enter[kind], -1, &ledger->enter[kind], NULL), SQLITE_OK);
    return ledger;
}

void ledger_close(struct ledger *ledger) {
    for (int kind = LEDGER_PUT; kind <= LEDGER_DELETED; kind++)
        sqlite3_finalize(ledger->enter[kind]);
    assert_int_equal(sqlite3_close(ledger->db), SQLITE_OK);
    free(ledger);
}

void ledger_enter(struct ledger *ledger, const struct ledger_record *record) {
    if (record->kind > LEDGER_DELETED) return;
    assert_in_range(record->kind, LEDGER_PUT, LEDGER_DELETED);
    sqlite3_stmt *enter = ledger->enter[record->kind];
    sqlite3_bind_blob(enter, 1, record->id, sizeof record->id, SQLITE_STATIC);
    sqlite3_bind_int64(enter, 2, record->generation);
    assert_int_equal(sqlite3_step(enter), SQLITE_DONE);
    sqlite3_reset(enter);
    ledger->count += record->kind != LEDGER_TRIED;
}

uint64_t ledger_count(const struct ledger *ledger) {
    return ledger->count;
}

/* Counts, and prints the first ten of, the rows that a query finds. */
static uint64_t ledger_find(struct ledger *ledger, const char *path, const char *what,
                            const char *where) {
    sqlite3_stmt *query = NULL;
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT hex(l.id), l.put, l.tried, l.deleted, e.size FROM ledger l "
             "LEFT JOIN held.entry e ON e.id = l.id WHERE %s",
             where);
    assert_int_equal(sqlite3_prepare_v2(ledger->db, sql, -1, &query, NULL), SQLITE_OK);
    uint64_t count = 0;
    int result;
    while ((result = sqlite3_step(query)) == SQLITE_ROW) {
        if (count++ >= 10) continue;
        printf("%s: row %s %s: promised %lld, delete tried %lld, deleted %lld, holds %lld\n", path,
               (const char *)sqlite3_column_text(query, 0), what,
               (long long)sqlite3_column_int64(query, 1), (long long)sqlite3_column_int64(query, 2),
               (long long)sqlite3_column_int64(query, 3),
               (long long)sqlite3_column_int64(query, 4));
    }
    assert_int_equal(result, SQLITE_DONE);
    sqlite3_finalize(query);
    return count;
}

bool ledger_holds(struct ledger *ledger, const char *path) {
    sqlite3_stmt *attach = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(ledger->db, "ATTACH DATABASE ?1 AS held", -1, &attach, NULL), SQLITE_OK);
    sqlite3_bind_text(attach, 1, path, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(attach), SQLITE_DONE);
    sqlite3_finalize(attach);
    uint64_t wrong = 0;
    wrong += ledger_find(ledger, path, "is missing",
                         "l.put IS NOT NULL AND l.deleted IS NULL AND e.id IS NULL "
                         "AND coalesce(l.tried, 0) < l.put");
    wrong += ledger_find(ledger, path, "is older than promised", "e.size < l.put");
    wrong += ledger_find(ledger, path, "is there, but was deleted",
                         "l.deleted IS NOT NULL AND e.id IS NOT NULL");
    wrong += ledger_find(ledger, path, "came back after it was deleted", "l.back");
    assert_int_equal(sqlite3_exec(ledger->db, "DETACH DATABASE held", NULL, NULL, NULL), SQLITE_OK);
    return wrong == 0;
}
