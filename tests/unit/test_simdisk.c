/* The simulated disk under plain SQLite: two connections in WAL mode, locks, a full disk, and every
 * crash point of a series of commits. What the simulator says about the engine rests on this. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/disk.h"
#include "tests/sim/rng.h"

#define PATH "/device/library.db"

static struct instant time_now(void *self) {
    (void)self;
    return (struct instant){.mono_us = 1, .wall_ms = 1700000000000};
}

static struct disk *new_disk(uint64_t seed) {
    struct time_port time = {.self = NULL, .now = time_now};
    return disk_open("simdisk-test", seed, time);
}

static int try_open(struct disk *disk, sqlite3 **out) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int code = sqlite3_open_v2(PATH, out, flags, disk_vfs(disk));
    if (code == SQLITE_OK) code = sqlite3_exec(*out, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
    return code;
}

static int run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static sqlite3 *open_or_die(struct disk *disk) {
    sqlite3 *db = NULL;
    assert_int_equal(try_open(disk, &db), SQLITE_OK);
    assert_int_equal(run(db, "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=8"), SQLITE_OK);
    return db;
}

static int64_t ask(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void assert_sound(sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
}

static void second_connection_reads_what_the_first_committed(void **state) {
    (void)state;
    struct disk *disk = new_disk(1);
    sqlite3 *writer = open_or_die(disk), *reader = open_or_die(disk);
    assert_int_equal(run(writer, "CREATE TABLE t(x); INSERT INTO t VALUES(1)"), SQLITE_OK);
    assert_int_equal(run(reader, "BEGIN"), SQLITE_OK);
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);

    assert_int_equal(run(writer, "INSERT INTO t VALUES(2)"), SQLITE_OK);

    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 1);
    assert_int_equal(run(reader, "COMMIT"), SQLITE_OK);
    assert_int_equal(ask(reader, "SELECT count(*) FROM t"), 2);
    sqlite3_close(reader);
    sqlite3_close(writer);
    assert_int_equal(disk_open_handles(disk), 0);
    disk_close(disk);
}

static void second_writer_is_told_busy(void **state) {
    (void)state;
    struct disk *disk = new_disk(2);
    sqlite3 *one = open_or_die(disk), *two = open_or_die(disk);
    assert_int_equal(run(one, "CREATE TABLE t(x); BEGIN IMMEDIATE"), SQLITE_OK);
    assert_int_equal(run(two, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    assert_int_equal(run(one, "COMMIT"), SQLITE_OK);
    assert_int_equal(run(two, "BEGIN IMMEDIATE; ROLLBACK"), SQLITE_OK);
    sqlite3_close(two);
    sqlite3_close(one);
    disk_close(disk);
}

static void exclusive_lock_of_a_rollback_journal_keeps_others_out(void **state) {
    (void)state;
    struct disk *disk = new_disk(3);
    sqlite3 *one = NULL, *two = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2("/lock", &one, flags, disk_vfs(disk)), SQLITE_OK);
    assert_int_equal(sqlite3_open_v2("/lock", &two, flags, disk_vfs(disk)), SQLITE_OK);
    assert_int_equal(run(one, "BEGIN EXCLUSIVE"), SQLITE_OK);
    assert_int_equal(run(two, "BEGIN EXCLUSIVE"), SQLITE_BUSY);
    assert_int_equal(run(two, "CREATE TABLE t(x)"), SQLITE_BUSY);
    sqlite3_close(one);
    assert_int_equal(run(two, "BEGIN EXCLUSIVE; COMMIT"), SQLITE_OK);
    sqlite3_close(two);
    disk_close(disk);
}

static void power_cut_loses_what_was_never_synced(void **state) {
    (void)state;
    struct disk *disk = new_disk(4);
    sqlite3 *db = open_or_die(disk);
    assert_int_equal(run(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)"), SQLITE_OK);
    assert_int_equal(run(db, "PRAGMA synchronous=OFF; INSERT INTO t VALUES(2)"), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 2);

    disk_crash(disk, DISK_KEEP_SYNCED);
    sqlite3_close(db);
    disk_restart(disk);

    db = open_or_die(disk);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
    sqlite3_close(db);
    disk_close(disk);
}

static void killed_process_loses_only_what_it_had_not_written(void **state) {
    (void)state;
    struct disk *disk = new_disk(5);
    sqlite3 *db = open_or_die(disk);
    assert_int_equal(run(db, "PRAGMA synchronous=OFF; CREATE TABLE t(x)"), SQLITE_OK);
    assert_int_equal(run(db, "INSERT INTO t VALUES(1); BEGIN; INSERT INTO t VALUES(2)"), SQLITE_OK);
    disk_crash(disk, DISK_KEEP_ALL);
    sqlite3_close(db);
    disk_restart(disk);
    db = open_or_die(disk);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
    sqlite3_close(db);
    disk_close(disk);
}

static void handles_of_an_earlier_boot_touch_nothing(void **state) {
    (void)state;
    struct disk *disk = new_disk(6);
    sqlite3 *stale = open_or_die(disk);
    assert_int_equal(run(stale, "CREATE TABLE t(x); INSERT INTO t VALUES(1); BEGIN IMMEDIATE"),
                     SQLITE_OK);
    disk_crash(disk, DISK_KEEP_SYNCED);
    disk_restart(disk);
    sqlite3 *fresh = open_or_die(disk);
    assert_int_equal(run(fresh, "INSERT INTO t VALUES(2)"), SQLITE_OK);
    assert_int_not_equal(run(stale, "INSERT INTO t VALUES(3); COMMIT"), SQLITE_OK);
    sqlite3_close(stale);
    assert_int_equal(run(fresh, "INSERT INTO t VALUES(4)"), SQLITE_OK);
    assert_int_equal(ask(fresh, "SELECT count(*) FROM t"), 3);
    assert_sound(fresh);
    sqlite3_close(fresh);
    assert_int_equal(disk_open_handles(disk), 0);
    disk_close(disk);
}

static void full_disk_refuses_growth_and_recovers(void **state) {
    (void)state;
    struct disk *disk = new_disk(7);
    sqlite3 *db = open_or_die(disk);
    assert_int_equal(run(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)"), SQLITE_OK);
    disk_set_full(disk, true);
    assert_int_equal(run(db, "INSERT INTO t VALUES(zeroblob(100000))"), SQLITE_FULL);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
    assert_true(disk_counts(disk).refused > 0);
    disk_set_full(disk, false);
    assert_int_equal(run(db, "INSERT INTO t VALUES(zeroblob(100000))"), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 2);
    sqlite3_close(db);
    disk_close(disk);
}

/* Commits rows 1, 2, 3, … until the disk goes down; returns how many commits were confirmed. */
static int64_t commit_until_down(struct disk *disk) {
    sqlite3 *db = NULL;
    int64_t confirmed = 0;
    char sql[128];
    if (try_open(disk, &db) == SQLITE_OK &&
        run(db, "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=8") == SQLITE_OK) {
        (void)run(db, "CREATE TABLE IF NOT EXISTS t(x INTEGER PRIMARY KEY, y)");
        while (!disk_is_down(disk) && confirmed < 40) {
            snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%lld, randomblob(900))",
                     (long long)confirmed + 1);
            if (run(db, sql) == SQLITE_OK) confirmed++;
        }
    }
    if (!disk_is_down(disk)) disk_crash(disk, DISK_KEEP_SYNCED);
    sqlite3_close(db);
    return confirmed;
}

static int64_t rows_after_restart(struct disk *disk, int64_t *sum) {
    disk_restart(disk);
    sqlite3 *db = open_or_die(disk);
    assert_sound(db);
    bool made = ask(db, "SELECT count(*) FROM sqlite_schema") > 0;
    int64_t rows = made ? ask(db, "SELECT count(*) FROM t") : 0;
    if (sum) *sum = made ? ask(db, "SELECT coalesce(sum(x * unicode(hex(y))), 0) FROM t") : 0;
    sqlite3_close(db);
    return rows;
}

static void reads_and_writes_fail_only_while_the_disk_is_at_work(void **state) {
    (void)state;
    struct disk *disk = new_disk(8);
    sqlite3 *db = open_or_die(disk);
    assert_int_equal(run(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)"), SQLITE_OK);
    disk_fail_io(disk, DISK_IO_WRITE, 2, false);
    assert_true(disk_ails(disk));
    assert_int_equal(run(db, "INSERT INTO t VALUES(2)"), SQLITE_OK);
    assert_false(disk_at_work(disk, true));
    assert_int_equal(run(db, "INSERT INTO t VALUES(3)"), SQLITE_IOERR);
    assert_false(disk_ails(disk));
    assert_int_equal(run(db, "INSERT INTO t VALUES(4)"), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 3);
    assert_int_equal(disk_counts(disk).failed_io[DISK_IO_WRITE], 1);
    assert_true(disk_io_failed(disk));
    sqlite3_close(db);
    disk_close(disk);
}

static void a_disk_that_fails_for_ever_does_so_until_it_is_restarted(void **state) {
    (void)state;
    struct disk *disk = new_disk(9);
    sqlite3 *db = open_or_die(disk);
    assert_int_equal(run(db, "CREATE TABLE t(x)"), SQLITE_OK);
    (void)disk_at_work(disk, true);
    disk_fail_io(disk, DISK_IO_WRITE, 1, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(run(db, "INSERT INTO t VALUES(1)"), SQLITE_IOERR);
    disk_crash(disk, DISK_KEEP_ALL);
    sqlite3_close(db);
    disk_restart(disk);
    assert_false(disk_io_failed(disk));
    db = open_or_die(disk);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 0);
    assert_int_equal(run(db, "INSERT INTO t VALUES(1)"), SQLITE_OK);
    assert_sound(db);
    sqlite3_close(db);
    disk_close(disk);
}

static void every_crash_point_keeps_every_confirmed_commit(void **state) {
    (void)state;
    for (uint64_t point = 1; point <= 220; point++) {
        enum disk_survival survival = point % 2 ? DISK_KEEP_SOME : DISK_KEEP_SYNCED;
        struct disk *disk = new_disk(point);
        disk_crash_after(disk, point, survival);
        int64_t confirmed = commit_until_down(disk);
        int64_t rows = rows_after_restart(disk, NULL);
        assert_true(rows == confirmed || rows == confirmed + 1);
        disk_close(disk);
    }
}

static void same_seed_leaves_the_same_bytes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int64_t rows[2], sums[2];
        for (int turn = 0; turn < 2; turn++) {
            sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)seed, NULL);
            struct disk *disk = new_disk(seed);
            disk_crash_after(disk, 10 + seed * 7, DISK_KEEP_SOME);
            (void)commit_until_down(disk);
            rows[turn] = rows_after_restart(disk, &sums[turn]);
            disk_close(disk);
        }
        assert_int_equal(rows[0], rows[1]);
        assert_int_equal(sums[0], sums[1]);
    }
}

static void a_backup_takes_the_place_of_all_that_came_after_it(void **state) {
    (void)state;
    struct disk *disk = new_disk(1);
    sqlite3 *db = open_or_die(disk);
    assert_int_equal(run(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)"), SQLITE_OK);
    disk_back_up(disk); /* While it is open, its log not yet in the database. */
    assert_int_equal(run(db, "INSERT INTO t VALUES(2); CREATE TABLE later(x)"), SQLITE_OK);
    disk_crash(disk, DISK_KEEP_ALL);
    sqlite3_close(db);

    disk_restore(disk);
    disk_restart(disk);

    db = open_or_die(disk);
    assert_sound(db);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'"), 0);
    assert_int_equal(run(db, "INSERT INTO t VALUES(3)"), SQLITE_OK);
    sqlite3_close(db);
    disk_close(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_connection_reads_what_the_first_committed),
        cmocka_unit_test(second_writer_is_told_busy),
        cmocka_unit_test(exclusive_lock_of_a_rollback_journal_keeps_others_out),
        cmocka_unit_test(power_cut_loses_what_was_never_synced),
        cmocka_unit_test(killed_process_loses_only_what_it_had_not_written),
        cmocka_unit_test(handles_of_an_earlier_boot_touch_nothing),
        cmocka_unit_test(full_disk_refuses_growth_and_recovers),
        cmocka_unit_test(reads_and_writes_fail_only_while_the_disk_is_at_work),
        cmocka_unit_test(a_disk_that_fails_for_ever_does_so_until_it_is_restarted),
        cmocka_unit_test(every_crash_point_keeps_every_confirmed_commit),
        cmocka_unit_test(same_seed_leaves_the_same_bytes),
        cmocka_unit_test(a_backup_takes_the_place_of_all_that_came_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
