/* The demo on a small tree: every device tags, one is cut off and comes back, all are equal, and
 * what would not be equal is told. One run for all tests; each looks at another side of it. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "demo/line.h"
#include "tests/lib/scratch.h"

#define DEVICES 3u
#define PATH_ROOM (SCRATCH_PATH + 64)

extern char **environ;

struct run {
    char folder[SCRATCH_PATH];
    char paths[DEVICES][PATH_ROOM]; /* the databases */
    char *said;                     /* all lines of JSON */
    int status;
};

/* ---- the run ---- */

static char *whole_file(const char *path) {
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    assert_true(size > 0);
    fclose(file);
    return text;
}

static void find_databases(struct run *run) {
    char pattern[PATH_ROOM];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/weft-demo-*/[A-C].db", run->folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, DEVICES);
    for (unsigned i = 0; i < DEVICES; i++) {
        int size = snprintf(run->paths[i], PATH_ROOM, "%s", found.gl_pathv[i]);
        assert_in_range(size, 1, PATH_ROOM - 1);
    }
    globfree(&found);
}

static int show_a_small_tree(void **state) {
    static struct run run;
    char output[PATH_ROOM];
    scratch_make(run.folder);
    snprintf(output, sizeof output, "%s/said", run.folder);
    const char *arguments[] = {"engine_demo", "--json", "--keep",   "--limit",
                               "150",         "--dir",  run.folder, WEFT_SOURCE_DIR "/engine",
                               NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT, 0600);
    pid_t pid;
    int error = posix_spawn(&pid, WEFT_BINARY_DIR "/engine_demo", &actions, NULL,
                            (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) fail_msg("engine_demo does not start: %s", strerror(error));
    while (waitpid(pid, &run.status, 0) < 0)
        assert_int_equal(errno, EINTR);
    run.said = whole_file(output);
    *state = &run;
    return 0;
}

static int forget_it(void **state) {
    struct run *run = *state;
    free(run->said);
    scratch_remove(run->folder);
    return 0;
}

/* ---- what it said ---- */

/* The `nth` line of this event; fails when there is none. */
static const char *said(const struct run *run, const char *event, unsigned nth) {
    static char line[LINE_MAX_BYTES];
    char wanted[64];
    snprintf(wanted, sizeof wanted, "{\"event\":\"%s\"", event);
    const char *at = strstr(run->said, wanted);
    while (at != NULL && nth-- > 0)
        at = strstr(at + 1, wanted);
    if (at == NULL) fail_msg("no line \"%s\" in:\n%s", event, run->said);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

static double real(const char *line, const char *name) {
    char text[32];
    assert_true(line_find(line, name, text, sizeof text));
    return strtod(text, NULL);
}

static void assert_text(const char *line, const char *name, const char *expected) {
    char text[64];
    assert_true(line_find(line, name, text, sizeof text));
    assert_string_equal(text, expected);
}

/* ---- the databases ---- */

static void change(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_true(sqlite3_changes(db) > 0);
    sqlite3_close(db);
}

static int64_t number(const char *path, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *query;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return value;
}

static bool all_equal(const struct run *run) {
    const char *paths[DEVICES] = {run->paths[0], run->paths[1], run->paths[2]};
    return scratch_equal(paths, DEVICES);
}

/* ---- tests ---- */

static void the_show_ends_with_all_devices_equal(void **state) {
    const struct run *run = *state;
    const char *verdict = said(run, "verdict", 0);
    assert_text(verdict, "equal", "true");
    assert_int_equal(line_number(verdict, "tables"), 4);
    assert_int_equal(line_number(verdict, "devices"), DEVICES);
    assert_true(WIFEXITED(run->status));
    assert_int_equal(WEXITSTATUS(run->status), 0);
}

static void every_device_tags_and_sees_what_the_others_tag(void **state) {
    struct run *run = *state;
    static const char *const names[DEVICES] = {"A", "B", "C"};
    find_databases(run);
    int64_t records = line_number(said(run, "shared", 0), "records");
    assert_true(records > DEVICES * 16);
    for (unsigned i = 0; i < DEVICES; i++) {
        char sql[128];
        const char *line = said(run, "shared", i);
        assert_text(line, "name", names[i]);
        assert_true(line_number(line, "seen") > 0);
        assert_true(real(line, "lag_p50_ms") > 0);
        assert_true(real(line, "lag_p99_ms") >= real(line, "lag_p50_ms"));
        assert_true(real(line, "lag_longest_ms") >= real(line, "lag_p99_ms"));
        assert_int_equal(line_number(line, "records"), records);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM tag WHERE name LIKE '%s''s %%'", names[i]);
        assert_int_equal(number(run->paths[0], sql), 4);
    }
    assert_int_equal(number(run->paths[0], "SELECT count(DISTINCT tagged_by) FROM tag_on_entry"),
                     DEVICES);
    assert_int_equal(number(run->paths[0], "SELECT count(*) FROM tag_on_entry WHERE entry_id NOT "
                                           "IN (SELECT id FROM entry)"),
                     0);
}

static void after_the_cut_each_tag_is_as_whoever_changed_it_last_left_it(void **state) {
    struct run *run = *state;
    find_databases(run);
    const char *partition = said(run, "partition", 0);
    assert_text(partition, "cut", "C");
    assert_text(partition, "healed", "true");
    assert_true(line_number(partition, "differed") > 0);
    assert_int_equal(line_number(partition, "kept_cut"), 6);
    assert_int_equal(line_number(partition, "kept_others"), 6);
    for (unsigned i = 0; i < DEVICES; i++) {
        /* A changed its half before C did, B the other half after. */
        assert_int_equal(number(run->paths[i], "SELECT count(*) FROM tag WHERE color = 'violet' "
                                               "AND name LIKE '% (renamed by C)'"),
                         6);
        assert_int_equal(number(run->paths[i], "SELECT count(*) FROM tag WHERE color = 'white' "
                                               "AND name LIKE '% (renamed by B)'"),
                         6);
    }
}

static void each_device_counts_the_conflicts_that_it_resolved(void **state) {
    const struct run *run = *state;
    int64_t all = 0;
    for (unsigned i = 0; i < DEVICES; i++) {
        const char *line = said(run, "shared", i);
        /* At least the two fields of the six tags whose writes came there too late. */
        assert_true(line_number(line, "conflicts_healing") >= 12);
        assert_true(line_number(line, "conflicts") >= line_number(line, "conflicts_healing"));
        all += line_number(line, "conflicts_healing");
    }
    assert_int_equal(line_number(said(run, "partition", 0), "conflicts"), all);
}

static void a_difference_in_a_shared_table_is_a_difference(void **state) {
    struct run *run = *state;
    find_databases(run);
    assert_true(all_equal(run));
    change(run->paths[1], "UPDATE tag SET color = 'blue' WHERE id = (SELECT min(id) FROM tag)");
    assert_false(all_equal(run));
    change(run->paths[1], "UPDATE tag SET color = 'violet' WHERE id = (SELECT min(id) FROM tag)");
    assert_true(all_equal(run));
    change(run->paths[2], "UPDATE tag_on_entry SET tagged_at = tagged_at + 1 WHERE rowid = "
                          "(SELECT min(rowid) FROM tag_on_entry)");
    assert_false(all_equal(run));
    change(run->paths[2], "UPDATE tag_on_entry SET tagged_at = tagged_at - 1 WHERE rowid = "
                          "(SELECT min(rowid) FROM tag_on_entry)");
    assert_true(all_equal(run));
}

static void the_stamps_of_a_row_are_local_and_make_no_difference(void **state) {
    struct run *run = *state;
    find_databases(run);
    change(run->paths[2], "UPDATE tag SET _weft_clock = NULL WHERE id = (SELECT min(id) FROM tag)");
    assert_true(all_equal(run));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_show_ends_with_all_devices_equal),
        cmocka_unit_test(every_device_tags_and_sees_what_the_others_tag),
        cmocka_unit_test(after_the_cut_each_tag_is_as_whoever_changed_it_last_left_it),
        cmocka_unit_test(each_device_counts_the_conflicts_that_it_resolved),
        cmocka_unit_test(a_difference_in_a_shared_table_is_a_difference),
        cmocka_unit_test(the_stamps_of_a_row_are_local_and_make_no_difference),
    };
    return cmocka_run_group_tests(tests, show_a_small_tree, forget_it);
}
