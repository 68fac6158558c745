/* A library's file that is damaged: each column of each of the engine's own tables holds something
 * that it never should, or a table is not there. Whatever an engine does with such a file, it says
 * what is wrong or goes on; it never ends the process, and never hangs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "tests/lib/hold.h"

#define COLUMNS 160u
#define SECONDS 3

static int setup(void **state) {
    *state = hold_new("damaged");
    disk_back_up(((struct hold *)*state)->disk);
    return 0;
}

static int teardown(void **state) {
    hold_free(*state);
    return 0;
}

static void intact(struct hold *hold) {
    disk_restore(hold->disk);
    disk_back_up(hold->disk);
}

static unsigned refused; /* by everything so far */

/* Answers are good, or have a reason that a person can read. */
static void judge(const struct hold *hold, const char *damage, const char *doing,
                  enum weft_status status) {
    const char *text = hold->library.why.text;
    if (status == WEFT_OK) return;
    refused++;
    if (strlen(text) < 20 || hold->library.why.status != status)
        fail_msg("%s: %s: %s, \"%s\"", damage, doing, weft_status_name(status), text);
}

/* Opens the file and does everything with it. */
static void use(struct hold *hold, const char *damage) {
    enum weft_status status = hold_open(hold, hold_schema);
    judge(hold, damage, "opening", status);
    if (status != WEFT_OK) return;
    for (unsigned a = 0; a < hold_act_count; a++) {
        memset(&hold->library.why, 0, sizeof hold->library.why);
        hold_drop_runs(hold);
        if (hold_acts[a].prepare != NULL) hold_acts[a].prepare(hold);
        judge(hold, damage, hold_acts[a].name, hold_acts[a].act(hold));
    }
    hold_close(hold);
}

/* ... within some seconds of the processor's time: else SIGPROF ends the process. */
static void use_soon(struct hold *hold, const char *damage) {
    const struct itimerval patience = {.it_value = {.tv_sec = SECONDS}}, none = {0};
    assert_int_equal(setitimer(ITIMER_PROF, &patience, NULL), 0);
    use(hold, damage);
    assert_int_equal(setitimer(ITIMER_PROF, &none, NULL), 0);
}

/* Tables and columns of the engine's own. */
struct column_list {
    struct {
        char table[40], column[40];
    } list[COLUMNS];
    unsigned count;
};

static int see_column(void *context, int count, char **values, char **names) {
    struct column_list *columns = context;
    (void)names;
    assert_true(count == 2 && columns->count < COLUMNS);
    snprintf(columns->list[columns->count].table, 40, "%s", values[0]);
    snprintf(columns->list[columns->count++].column, 40, "%s", values[1]);
    return 0;
}

/* Every column that holds anything: of the engine's tables, and its own columns of others. */
static void list_columns(struct hold *hold, struct column_list *columns) {
    sqlite3 *db = NULL;
    columns->count = 0;
    assert_int_equal(sqlite3_open_v2(HOLD_PATH, &db, SQLITE_OPEN_READONLY, disk_vfs(hold->disk)),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            db,
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c "
            "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND "
            "(t.name LIKE '!_weft!_%' ESCAPE '!' OR t.name IN ('shared_changes', "
            "'peer_acks') OR c.name LIKE '!_weft!_%' ESCAPE '!') ORDER BY 1, 2",
            see_column, columns, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_true(columns->count > 60);
}

/* Puts `value` in all rows, or the last, of a column; false when the table forbids it. */
static bool damage(struct hold *hold, const char *table, const char *column, const char *value,
                   bool all) {
    char sql[600];
    snprintf(sql, sizeof sql,
             "PRAGMA ignore_check_constraints = ON; UPDATE OR IGNORE \"%s\" SET \"%s\" = %s%s",
             table, column, value, all ? "" : " WHERE \"");
    if (!all)
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql),
                 "%s\" IS (SELECT max(\"%s\") FROM \"%s\")", column, column, table);
    return hold_sql(hold, sql);
}

static void damage_all(struct hold *hold, const char *const *values, unsigned count) {
    static struct column_list columns;
    unsigned done = 0;
    refused = 0;
    list_columns(hold, &columns);
    for (unsigned c = 0; c < columns.count; c++) {
        for (unsigned v = c % 2; v < 2 * count; v += 2) { /* all rows, or the last: in turn */
            char name[160];
            const char *value = values[v / 2];
            intact(hold);
            snprintf(name, sizeof name, "%s.%s = %s%s", columns.list[c].table,
                     columns.list[c].column, value, v % 2 ? " (all)" : "");
            if (!damage(hold, columns.list[c].table, columns.list[c].column, value, v % 2))
                continue;
            use_soon(hold, name);
            done++;
        }
    }
    assert_true(done > columns.count / 2 && refused > 0);
}

static void a_blob_that_is_too_short_is_told(void **state) {
    static const char *const values[] = {"x'07'"};
    damage_all(*state, values, 1);
}

static void a_blob_that_is_too_long_is_told(void **state) {
    static const char *const values[] = {"x'ff0102030405060708090a0b0c0d0e0f10111213'"};
    damage_all(*state, values, 1);
}

static void no_blob_and_no_text_is_told(void **state) {
    static const char *const values[] = {"NULL"};
    damage_all(*state, values, 1);
}

static void a_text_is_told(void **state) {
    static const char *const values[] = {"'something'"};
    damage_all(*state, values, 1);
}

static void a_number_below_zero_is_told(void **state) {
    static const char *const values[] = {"-1"};
    damage_all(*state, values, 1);
}

static void a_number_that_is_too_great_is_told(void **state) {
    static const char *const values[] = {"9223372036854775807"};
    damage_all(*state, values, 1);
}

static void zero_is_told(void **state) {
    static const char *const values[] = {"0"};
    damage_all(*state, values, 1);
}

static void a_table_that_is_not_there_is_told(void **state) {
    struct hold *hold = *state;
    static struct column_list columns;
    char sql[200];
    refused = 0;
    list_columns(hold, &columns);
    for (unsigned c = 0; c < columns.count; c++) {
        const char *table = columns.list[c].table;
        if (c > 0 && strcmp(table, columns.list[c - 1].table) == 0) continue;
        intact(hold);
        snprintf(sql, sizeof sql, "DROP TABLE \"%s\"", table);
        if (!hold_sql(hold, sql)) fail_msg("%s", sql);
        use_soon(hold, sql);
    }
    assert_true(refused > 10);
}

int main(void) {
#define DAMAGED_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        DAMAGED_TEST(a_blob_that_is_too_short_is_told),
        DAMAGED_TEST(a_blob_that_is_too_long_is_told),
        DAMAGED_TEST(no_blob_and_no_text_is_told),
        DAMAGED_TEST(a_text_is_told),
        DAMAGED_TEST(a_number_below_zero_is_told),
        DAMAGED_TEST(a_number_that_is_too_great_is_told),
        DAMAGED_TEST(zero_is_told),
        DAMAGED_TEST(a_table_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests_name("a file that is damaged", tests, NULL, NULL);
}
