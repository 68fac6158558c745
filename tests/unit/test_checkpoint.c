/* Copying the write-ahead log beside the connection that writes (engine/store/checkpoint.h), on a
 * simulated disk. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include "engine/store/checkpoint.h"
#include "tests/sim/disk.h"

#define PATH "/device/checkpoint.db"

static struct instant time_now(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

struct scene {
    struct disk *disk;
    sqlite3 *writer, *copier;
    int log_pages;
};

static int grew(void *context, sqlite3 *db, const char *name, int pages) {
    struct scene *scene = context;
    (void)db;
    (void)name;
    scene->log_pages = pages;
    return SQLITE_OK;
}

static void run(sqlite3 *db, const char *sql) {
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void put(struct scene *scene, int rows) {
    char sql[160];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO t SELECT randomblob(3000) FROM n",
             rows);
    run(scene->writer, sql);
}

static int open_scene(void **state) {
    static struct scene scene;
    struct weft_error why = {0};
    scene = (struct scene){.disk = disk_open("checkpoint", 1, (struct time_port){NULL, time_now})};
    assert_int_equal(store_connect(PATH, disk_vfs(scene.disk), false, 1 << 20, &scene.writer, &why),
                     WEFT_OK);
    sqlite3_wal_hook(scene.writer, grew, &scene);
    run(scene.writer, "CREATE TABLE t (x)");
    assert_int_equal(checkpoint_open(PATH, disk_vfs(scene.disk), &scene.copier, &why), WEFT_OK);
    *state = &scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    checkpoint_close(scene->copier);
    assert_int_equal(sqlite3_close(scene->writer), SQLITE_OK);
    disk_close(scene->disk);
    return 0;
}

static void what_was_copied_elsewhere_is_overwritten_by_the_next_transaction(void **state) {
    struct scene *scene = *state;
    struct weft_error why = {0};
    uint32_t pages = 0, copied = 0;
    put(scene, 100);
    const int before = scene->log_pages;
    assert_int_equal(checkpoint_run(scene->copier, &pages, &copied, &why), WEFT_OK);
    assert_int_equal(pages, before);
    assert_int_equal(copied, before);
    put(scene, 1);
    assert_in_range(scene->log_pages, 1, before - 1);
}

static void a_transaction_under_way_is_left_in_the_log(void **state) {
    struct scene *scene = *state;
    struct weft_error why = {0};
    uint32_t pages = 0, copied = 0;
    put(scene, 100);
    const int before = scene->log_pages;
    run(scene->writer, "BEGIN IMMEDIATE");
    put(scene, 10);
    assert_int_equal(checkpoint_run(scene->copier, &pages, &copied, &why), WEFT_OK);
    assert_int_equal(copied, before);
    run(scene->writer, "COMMIT");
    assert_true(scene->log_pages > before);
}

static void only_a_failed_sync_is_a_failure(void **state) {
    struct scene *scene = *state;
    struct weft_error why = {0};
    uint32_t pages = 0, copied = 0;
    put(scene, 100);
    run(scene->writer, "BEGIN");
    run(scene->writer, "SELECT count(*) FROM t"); /* A reader, of what is in the log. */
    disk_fail_sync(scene->disk, 2);               /* That of the file: the log's comes first. */
    assert_int_equal(checkpoint_run(scene->copier, &pages, &copied, &why), WEFT_SYNC_FAILED);
    assert_int_equal(copied, 0);
    run(scene->writer, "COMMIT");
}

static void who_copies_leaves_the_log_alone_when_it_goes(void **state) {
    struct scene *scene = *state;
    put(scene, 100);
    const uint64_t writes = disk_counts(scene->disk).writes;
    checkpoint_close(scene->copier);
    scene->copier = NULL;
    assert_int_equal(disk_counts(scene->disk).writes, writes);
}

#define CHECKPOINT_TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {
        CHECKPOINT_TEST(what_was_copied_elsewhere_is_overwritten_by_the_next_transaction),
        CHECKPOINT_TEST(a_transaction_under_way_is_left_in_the_log),
        CHECKPOINT_TEST(only_a_failed_sync_is_a_failure),
        CHECKPOINT_TEST(who_copies_leaves_the_log_alone_when_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
