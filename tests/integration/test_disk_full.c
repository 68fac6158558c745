/* A disk that fills up: what was acknowledged stays, what does not fit is refused with a status of
 * its own, and when there is room again the engine goes on as if nothing had been.
 *
 * Each test runs in a process of its own: a limit on the size of files, and a mounted file system,
 * are properties of the process. Where no small disk can be mounted, only the limit is tested. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/party.h"

#define ROWS_MAX 4000u
#define DATA_SIZE 4000u
#define EXIT_NO_DISK 77

/* What a hook was told. */
struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned before, after, undone;
    uint64_t last; /* serial of the last BEFORE */
    bool orphan;   /* something was settled that is not the last BEFORE */
};

struct library {
    char path[SCRATCH_PATH + 16];
    weft_engine *engine;
    struct tally told;
    uint8_t device[16];
    int entry;
    uint8_t acknowledged[ROWS_MAX]; /* row n was reported durable */
};

/* cmocka's checks belong to the process that runs the tests; here a failed one ends the child. */
static void must(bool holds, const char *what, const struct weft_error *why) {
    if (holds) return;
    fprintf(stderr, "%s: %s %s\n", what, why != NULL ? weft_status_name(why->status) : "",
            why != NULL ? why->text : "");
    _exit(1);
}

static enum weft_status write_row(struct library *library, uint32_t number,
                                  struct weft_error *why) {
    uint8_t id[16] = {0}, data[DATA_SIZE];
    uint64_t ticket;
    weft_tx *tx = NULL;
    id[0] = (uint8_t)(number >> 8);
    id[1] = (uint8_t)number;
    memset(data, (int)number, sizeof data);
    struct weft_value values[PARTY_COLUMNS] = {0};
    values[PARTY_ID] = weft_blob(id, sizeof id);
    values[PARTY_LOCATION] = weft_blob(library->device, 16);
    values[PARTY_NAME] = weft_text("row", 3);
    values[PARTY_SIZE] = weft_integer(number);
    values[PARTY_DATA] = weft_blob(data, sizeof data);
    must(weft_begin_wait(library->engine, PARTY_PATIENCE_MS, &tx) == WEFT_OK, "begin", NULL);
    must(weft_put(tx, library->entry, values, PARTY_COLUMNS) == WEFT_OK, "put", weft_tx_why(tx));
    must(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket) == WEFT_OK, "commit", NULL);
    enum weft_status status =
        weft_wait(library->engine, ticket, WEFT_DURABLE, 0, PARTY_PATIENCE_MS, why);
    if (status == WEFT_OK) library->acknowledged[number] = 1;
    return status;
}

static void open_library(struct library *library, const char *folder) {
    struct weft_error why = {0};
    uint64_t ticket;
    weft_tx *tx = NULL;
    snprintf(library->path, sizeof library->path, "%s/a.db", folder);
    struct weft_config config = {.path = library->path, .schema = party_schema};
    must(weft_open(&config, &library->engine, &why) == WEFT_OK, "open", &why);
    weft_device(library->engine, library->device);
    library->entry = weft_model(library->engine, "entry");
    struct weft_value home[] = {weft_blob(library->device, 16), weft_blob(library->device, 16),
                                weft_text("/home", 5)};
    must(weft_begin_wait(library->engine, PARTY_PATIENCE_MS, &tx) == WEFT_OK, "begin", NULL);
    must(weft_put(tx, weft_model(library->engine, "location"), home, 3) == WEFT_OK, "put",
         weft_tx_why(tx));
    must(weft_commit_wait(tx, PARTY_PATIENCE_MS, &ticket) == WEFT_OK, "commit", NULL);
    must(weft_wait(library->engine, ticket, WEFT_DURABLE, 0, PARTY_PATIENCE_MS, &why) == WEFT_OK,
         "the location", &why);
}

/* Every acknowledged row is there, and no row that was refused. */
static void check_rows(struct library *library, uint32_t written) {
    struct weft_error why = {0};
    sqlite3 *reader = NULL;
    sqlite3_stmt *sizes = NULL;
    uint8_t found[ROWS_MAX] = {0};
    must(weft_open_reader(library->engine, &reader, &why) == WEFT_OK, "reader", &why);
    must(sqlite3_prepare_v2(reader, "SELECT size FROM entry WHERE length(data) = 4000", -1, &sizes,
                            NULL) == SQLITE_OK,
         sqlite3_errmsg(reader), NULL);
    while (sqlite3_step(sizes) == SQLITE_ROW)
        found[sqlite3_column_int(sizes, 0)] = 1;
    sqlite3_finalize(sizes);
    sqlite3_close(reader);
    for (uint32_t i = 0; i < written; i++) {
        if (found[i] == library->acknowledged[i]) continue;
        fprintf(stderr, "row %u: %s acknowledged, %s there\n", i,
                library->acknowledged[i] ? "was" : "was not", found[i] ? "is" : "is not");
        _exit(1);
    }
}

/* Writes until a row is refused; returns how many rows were tried. */
static uint32_t fill(struct library *library, uint32_t from, struct weft_error *why) {
    enum weft_status status = WEFT_OK;
    while (status == WEFT_OK && from < ROWS_MAX)
        status = write_row(library, from++, why);
    must(status != WEFT_OK, "the disk never fills", NULL);
    return from;
}

static void tally_hook(void *context, const struct weft_commit *commit) {
    struct tally *tally = context;
    pthread_mutex_lock(&tally->lock);
    if (commit->phase == WEFT_BEFORE) {
        tally->before++;
        tally->last = commit->serial;
    } else {
        tally->orphan = tally->orphan || commit->serial != tally->last;
        tally->undone += commit->phase == WEFT_UNDONE;
        tally->after += commit->phase == WEFT_AFTER;
    }
    pthread_cond_signal(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

/* A hook counts from now on; one row is a commit by itself. */
static void count_commits(struct library *library) {
    struct weft_error why = {0};
    struct tally *tally = &library->told;
    pthread_mutex_init(&tally->lock, NULL);
    pthread_cond_init(&tally->changed, NULL);
    must(weft_on_commit(library->engine, WEFT_HOOK_ALL, tally_hook, tally, &why) == WEFT_OK, "hook",
         &why);
}

/* The hook hears of so many commits that were made, and of some that were not. */
static void check_told(struct library *library, unsigned made) {
    struct tally *tally = &library->told;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PARTY_PATIENCE_MS / 1000;
    pthread_mutex_lock(&tally->lock);
    while (tally->after < made || tally->before != tally->after + tally->undone) {
        must(pthread_cond_timedwait(&tally->changed, &tally->lock, &until) == 0,
             "the hook is not told", NULL);
    }
    must(tally->after == made, "commits were told that were not made", NULL);
    must(tally->undone > 0, "no commit was undone", NULL);
    must(!tally->orphan, "another commit was settled than the one before", NULL);
    pthread_mutex_unlock(&tally->lock);
}

static void in_another_process(void (*part)(const char *folder)) {
    char folder[SCRATCH_PATH];
    scratch_make(folder);
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
    scratch_remove(folder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_DISK) return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the other process ended with status %d", status);
}

/* Two mebibytes that only this process sees. Needs root, or user namespaces. */
static void mount_small_disk(const char *folder) {
    bool own = unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) == 0 &&
               mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (own && mount("small", folder, "tmpfs", 0, "size=2m") == 0) return;
    printf("not tested: no small disk can be mounted here: %s\n", strerror(errno));
    fflush(NULL);
    _exit(EXIT_NO_DISK);
}

static void fill_a_small_disk(const char *folder) {
    struct library library = {0};
    struct weft_error why = {0};
    char ballast[SCRATCH_PATH + 16];
    uint8_t block[4096] = {1};
    mount_small_disk(folder);
    snprintf(ballast, sizeof ballast, "%s/ballast", folder);
    int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 200; i++)
        must(write(fd, block, sizeof block) == (ssize_t)sizeof block, "ballast", NULL);
    close(fd);
    open_library(&library, folder);
    count_commits(&library);
    uint32_t written = fill(&library, 0, &why);
    must(why.status == WEFT_DISK_FULL, "the status is another", &why);
    must(strstr(why.text, "a.db") != NULL, "the file is not named", &why);
    check_rows(&library, written);
    /* Still full: refused again, and still nothing is lost. */
    must(write_row(&library, written++, &why) == WEFT_DISK_FULL, "a full disk took a row", &why);
    check_rows(&library, written);
    /* Room again: the same engine goes on. */
    must(unlink(ballast) == 0, "ballast", NULL);
    for (int i = 0; i < 8; i++)
        must(write_row(&library, written++, &why) == WEFT_OK, "no row fits", &why);
    check_rows(&library, written);
    unsigned made = 0;
    for (uint32_t i = 0; i < written; i++)
        made += library.acknowledged[i];
    check_told(&library, made);
    weft_close(library.engine);
    open_library(&library, folder);
    check_rows(&library, written);
    weft_close(library.engine);
}

static void a_full_disk_is_survived(void **state) {
    (void)state;
    in_another_process(fill_a_small_disk);
}

static void fill_a_limited_file(const char *folder) {
    struct library library = {0};
    struct weft_error why = {0};
    struct rlimit before;
    signal(SIGXFSZ, SIG_IGN);
    open_library(&library, folder);
    must(getrlimit(RLIMIT_FSIZE, &before) == 0, "limit", NULL);
    struct rlimit small = {1 << 20, before.rlim_max};
    must(setrlimit(RLIMIT_FSIZE, &small) == 0, "limit", NULL);
    uint32_t written = fill(&library, 0, &why);
    must(why.status == WEFT_DISK_FULL || why.status == WEFT_IO, "the status is another", &why);
    must(strstr(why.text, "a.db") != NULL, "the file is not named", &why);
    check_rows(&library, written);
    weft_close(library.engine);
    must(setrlimit(RLIMIT_FSIZE, &before) == 0, "limit", NULL);
    open_library(&library, folder);
    check_rows(&library, written);
    must(write_row(&library, written++, &why) == WEFT_OK, "no row fits", &why);
    check_rows(&library, written);
    weft_close(library.engine);
}

static void a_file_that_may_not_grow_is_survived(void **state) {
    (void)state;
    in_another_process(fill_a_limited_file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_survived),
        cmocka_unit_test(a_file_that_may_not_grow_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
