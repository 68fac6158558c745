/* What bad input gets: schemas, files, folders and disks that will not do. Each has a status of its
 * own and a sentence that names what and where; nothing is lost and nothing crashes. Bad peers:
 * test_bad_peer.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/party.h"

static int folder_open(void **state) {
    char *folder = malloc(SCRATCH_PATH);
    assert_non_null(folder);
    scratch_make(folder);
    *state = folder;
    return 0;
}

static int folder_close(void **state) {
    scratch_remove(*state);
    free(*state);
    return 0;
}

static void path_in(char path[SCRATCH_PATH + 16], const char *folder, const char *name) {
    snprintf(path, SCRATCH_PATH + 16, "%s/%s", folder, name);
}

/* Opening must fail with `status`, and the sentence must contain each of `words`. */
static void refuses(const struct weft_config *config, enum weft_status status,
                    const char *const *words) {
    struct weft_error why = {0};
    weft_engine *engine = (weft_engine *)(uintptr_t)1;
    enum weft_status got = weft_open(config, &engine, &why);
    if (got != status)
        fail_msg("%s instead of %s: %s", weft_status_name(got), weft_status_name(status), why.text);
    assert_null(engine);
    assert_int_equal(why.status, status);
    for (; *words != NULL; words++) {
        if (strstr(why.text, *words) == NULL) fail_msg("\"%s\" does not say %s", why.text, *words);
    }
}

static void refuses_schema(const char *folder, const char *schema, enum weft_status status,
                           const char *const *words) {
    char path[SCRATCH_PATH + 16];
    path_in(path, folder, "schema.db");
    struct weft_config config = {.path = path, .schema = schema};
    refuses(&config, status, words);
}

static void a_schema_that_cannot_be_used_is_refused(void **state) {
    const char *folder = *state;
    refuses_schema(folder,
                   "CREATE TABLE song ( -- @ownd(owner: device_id)\n id BLOB PRIMARY KEY,\n"
                   " device_id BLOB NOT NULL)",
                   WEFT_SCHEMA, (const char *[]){"song", "ownd", NULL});
    refuses_schema(folder,
                   "CREATE TABLE song ( -- @owned(owner device_id)\n id BLOB PRIMARY KEY,\n"
                   " device_id BLOB NOT NULL)",
                   WEFT_SCHEMA, (const char *[]){"song", NULL});
    refuses_schema(folder,
                   "CREATE TABLE song ( -- @owned(owner: nobody)\n id BLOB PRIMARY KEY,\n"
                   " device_id BLOB NOT NULL)",
                   WEFT_SCHEMA, (const char *[]){"song", "nobody", NULL});
    refuses_schema(folder, "CREATE TABLE song ( id BLOB", WEFT_SCHEMA, (const char *[]){NULL});
    refuses_schema(folder,
                   "CREATE TABLE song ( -- @shared(create: atomic)\n id BLOB PRIMARY KEY,\n"
                   " name TEXT NOT NULL)",
                   WEFT_SCHEMA, (const char *[]){"song", "name", "NOT NULL", NULL});
}

static void an_integer_row_id_cannot_be_a_sync_id(void **state) {
    refuses_schema(*state,
                   "CREATE TABLE song ( -- @owned(owner: device_id)\n"
                   " number INTEGER PRIMARY KEY, device_id BLOB NOT NULL)",
                   WEFT_INTEGER_KEY, (const char *[]){"song", "number", "BLOB PRIMARY KEY", NULL});
}

static void a_refused_schema_leaves_a_library_as_it_was(void **state) {
    struct party party;
    party_start(&party, *state, "a", NULL);
    party_wait(&party, party_put(&party, 1, "one", 1), WEFT_DURABLE, 0);
    party_leave(&party);
    struct weft_config config = {
        .path = party.path,
        .schema = "CREATE TABLE extra (x); CREATE TABLE song ( -- @oops\n id BLOB PRIMARY KEY)"};
    refuses(&config, WEFT_SCHEMA, (const char *[]){"song", NULL});
    party_return(&party);
    assert_int_equal(party_number(&party, "SELECT count(*) FROM entry"), 1);
    assert_int_equal(
        party_number(&party, "SELECT count(*) FROM sqlite_schema WHERE name IN ('extra', 'song')"),
        0);
    party_leave(&party);
}

static void write_file(const char *path, const char *text, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
}

static void a_file_that_is_no_database_is_refused_and_kept(void **state) {
    char path[SCRATCH_PATH + 16], text[8192], after[sizeof text];
    path_in(path, *state, "letter.db");
    memset(text, 'x', sizeof text);
    memcpy(text, "Dear Sir or Madam,", 18);
    write_file(path, text, sizeof text);
    struct weft_config config = {.path = path, .schema = party_schema};
    refuses(&config, WEFT_NOT_A_DATABASE, (const char *[]){"letter.db", NULL});
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, after, sizeof after), sizeof after);
    close(fd);
    assert_memory_equal(after, text, sizeof text);
}

/* Changes a library's file with plain SQL, as some other program would. */
static void change_file(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    char *error = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) fail_msg("%s: %s", sql, error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_library_of_a_newer_version_is_refused_and_kept(void **state) {
    struct party party;
    party_start(&party, *state, "a", NULL);
    party_wait(&party, party_put(&party, 1, "one", 1), WEFT_DURABLE, 0);
    party_leave(&party);
    change_file(party.path, "UPDATE _weft_meta SET value = value + 1000 WHERE key = 'format'");
    struct weft_config config = {.path = party.path, .schema = party_schema};
    refuses(&config, WEFT_NEWER, (const char *[]){"a.db", "100", NULL});
    change_file(party.path, "UPDATE _weft_meta SET value = value - 1000 WHERE key = 'format'");
    party_return(&party);
    assert_int_equal(party_number(&party, "SELECT count(*) FROM entry"), 1);
    party_leave(&party);
}

static void another_library_is_not_mistaken_for_the_expected_one(void **state) {
    struct party party;
    uint8_t other[16] = {1, 2, 3};
    party_start(&party, *state, "a", NULL);
    party_leave(&party);
    struct weft_config config = {.path = party.path, .schema = party_schema, .library = other};
    refuses(&config, WEFT_OTHER_LIBRARY, (const char *[]){"a.db", NULL});
}

static void a_library_is_open_once_in_a_process(void **state) {
    struct party party;
    party_start(&party, *state, "a", NULL);
    struct weft_config config = {.path = party.path, .schema = party_schema};
    refuses(&config, WEFT_LOCKED, (const char *[]){"a.db", NULL});
    /* The first one is none the worse for it. */
    party_wait(&party, party_put(&party, 1, "one", 1), WEFT_DURABLE, 0);
    assert_int_equal(party_number(&party, "SELECT count(*) FROM entry"), 1);
    party_leave(&party);
}

/* Runs `part` in a process of its own; its checks end it with 0 or not. */
static void in_another_process(void (*part)(const char *folder), const char *folder) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        part(folder);
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the other process ended with status %d", status);
}

/* For the other process, where cmocka's checks would run on into the parent's tests. */
static void child_must(bool holds, const char *what, const struct weft_error *why) {
    if (holds) return;
    fprintf(stderr, "in the other process: %s: %s %s\n", what, weft_status_name(why->status),
            why->text);
    _exit(1);
}

static void open_what_is_open(const char *folder) {
    char path[SCRATCH_PATH + 16];
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    path_in(path, folder, "a.db");
    struct weft_config config = {.path = path, .schema = party_schema};
    enum weft_status status = weft_open(&config, &engine, &why);
    child_must(status == WEFT_LOCKED, "a second engine opens the library", &why);
    child_must(strstr(why.text, "a.db") != NULL, "the file is not named", &why);
}

static void hold_open(const char *folder, int ready, int done) {
    char path[SCRATCH_PATH + 16], byte = 0;
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    path_in(path, folder, "a.db");
    struct weft_config config = {.path = path, .schema = party_schema};
    child_must(weft_open(&config, &engine, &why) == WEFT_OK, "opening", &why);
    child_must(write(ready, "", 1) == 1 && read(done, &byte, 1) == 0, "the pipes", &why);
    weft_close(engine);
    _exit(0);
}

static void a_library_is_open_in_one_process(void **state) {
    const char *folder = *state;
    int ready[2], done[2], status = 0;
    char byte;
    /* This process has no threads yet, so it may fork and go on in the child. */
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(done[1]);
        hold_open(folder, ready[1], done[0]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    in_another_process(open_what_is_open, folder);
    close(done[1]);
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(done[0]);
    /* Closed there, it opens here. */
    struct party party;
    party_start(&party, folder, "a", NULL);
    party_leave(&party);
}

static void open_where_nothing_may_be_written(const char *folder) {
    char path[SCRATCH_PATH + 16];
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    path_in(path, folder, "a.db");
    /* Permissions do not stop root. */
    if (geteuid() == 0) child_must(setresuid(65534, 65534, 65534) == 0, "giving up root", &why);
    struct weft_config config = {.path = path, .schema = party_schema};
    enum weft_status status = weft_open(&config, &engine, &why);
    child_must(status == WEFT_READ_ONLY, "the folder is taken for a writable one", &why);
    child_must(strstr(why.text, folder) != NULL, "the folder is not named", &why);
}

static void a_folder_that_cannot_be_written_is_refused(void **state) {
    assert_int_equal(chmod(*state, 0555), 0);
    in_another_process(open_where_nothing_may_be_written, *state);
    /* The same for a library that is there already. */
    assert_int_equal(chmod(*state, 0755), 0);
    struct party party;
    party_start(&party, *state, "a", NULL);
    party_leave(&party);
    assert_int_equal(chmod(party.path, 0444), 0);
    assert_int_equal(chmod(*state, 0555), 0);
    in_another_process(open_where_nothing_may_be_written, *state);
    assert_int_equal(chmod(*state, 0755), 0);
}

static void a_folder_that_is_not_there_is_named(void **state) {
    char path[SCRATCH_PATH + 32];
    snprintf(path, sizeof path, "%s/missing/a.db", (const char *)*state);
    struct weft_config config = {.path = path, .schema = party_schema};
    struct weft_error why = {0};
    weft_engine *engine = NULL;
    assert_int_not_equal(weft_open(&config, &engine, &why), WEFT_OK);
    assert_null(engine);
    assert_non_null(strstr(why.text, "missing"));
}

static void calls_that_are_not_valid_say_so(void **state) {
    (void)state;
    weft_engine *engine = NULL;
    struct weft_config nowhere = {.path = NULL};
    assert_int_equal(weft_open(&nowhere, &engine, NULL), WEFT_INVALID);
    assert_null(engine);
    weft_close(NULL);
    weft_abort(NULL);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, folder_open, folder_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        /* First: it forks, and wants no thread to have run before. */
        FOLDER_TEST(a_library_is_open_in_one_process),
        FOLDER_TEST(a_library_is_open_once_in_a_process),
        FOLDER_TEST(a_schema_that_cannot_be_used_is_refused),
        FOLDER_TEST(an_integer_row_id_cannot_be_a_sync_id),
        FOLDER_TEST(a_refused_schema_leaves_a_library_as_it_was),
        FOLDER_TEST(a_file_that_is_no_database_is_refused_and_kept),
        FOLDER_TEST(a_library_of_a_newer_version_is_refused_and_kept),
        FOLDER_TEST(another_library_is_not_mistaken_for_the_expected_one),
        FOLDER_TEST(a_folder_that_cannot_be_written_is_refused),
        FOLDER_TEST(a_folder_that_is_not_there_is_named),
        FOLDER_TEST(calls_that_are_not_valid_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
