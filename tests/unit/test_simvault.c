/* The simulated vault: what a device's key files live through, and what tells one disk from
 * another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <string.h>

#include "tests/sim/vault.h"

static enum weft_status make(struct vault *vault, const char *path, const char *text) {
    const struct vault_port port = vault_port(vault);
    return port.make(port.self, path, (const uint8_t *)text, strlen(text), NULL);
}

/* The status of load(); the file's text must be `expected` if it is there. */
static enum weft_status load(struct vault *vault, const char *path, const char *expected) {
    const struct vault_port port = vault_port(vault);
    uint8_t text[64];
    size_t size = 0;
    const enum weft_status status = port.load(port.self, path, text, sizeof text, &size, NULL);
    if (status != WEFT_OK) return status;
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
    return WEFT_OK;
}

static enum weft_status stamp(struct vault *vault, const char *path, uint8_t out[32]) {
    const struct vault_port port = vault_port(vault);
    return port.stamp(port.self, path, out, NULL);
}

static void a_file_is_made_once_and_never_overwritten(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    assert_int_equal(load(vault, "a", ""), WEFT_NOT_FOUND);
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    assert_int_equal(make(vault, "a", "second"), WEFT_INVALID);
    assert_int_equal(load(vault, "a", "first"), WEFT_OK);
    assert_int_equal(load(vault, "b", ""), WEFT_NOT_FOUND);
    vault_close(vault);
}

static void a_file_that_has_no_room_is_not_read(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    const struct vault_port port = vault_port(vault);
    struct weft_error why = {0};
    uint8_t text[4];
    size_t size;
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    assert_int_equal(port.load(port.self, "a", text, sizeof text, &size, &why), WEFT_KEY_FILE);
    assert_int_equal(why.status, WEFT_KEY_FILE);
    vault_close(vault);
}

static void files_survive_a_crash_and_are_out_of_reach_until_the_restart(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    uint8_t out[32];
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    vault_crash(vault);
    assert_true(vault_is_down(vault));
    assert_int_equal(load(vault, "a", ""), WEFT_IO);
    assert_int_equal(make(vault, "b", "x"), WEFT_IO);
    assert_int_equal(stamp(vault, "a", out), WEFT_IO);
    vault_restart(vault);
    assert_int_equal(load(vault, "a", "first"), WEFT_OK);
    assert_int_equal(vault_files(vault), 1);
    vault_close(vault);
}

/* By chance the file is there, whole, or not; both happen, and never another file's loss. */
static void lost_power_may_lose_only_the_file_that_is_being_made(void **state) {
    (void)state;
    unsigned there = 0, lost = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct vault *vault = vault_open(seed, NULL);
        vault_crash_after(vault, 2);
        assert_int_equal(make(vault, "a", "first"), WEFT_OK);
        assert_int_equal(make(vault, "b", "second"), WEFT_IO);
        assert_true(vault_is_down(vault));
        vault_restart(vault);
        assert_int_equal(load(vault, "a", "first"), WEFT_OK);
        if (load(vault, "b", "second") == WEFT_OK) {
            there++;
            assert_int_equal(make(vault, "b", "third"), WEFT_INVALID);
        } else {
            lost++;
            assert_int_equal(make(vault, "b", "third"), WEFT_OK);
        }
        vault_close(vault);
    }
    assert_in_range(there, 1, 63);
    assert_int_equal(there + lost, 64);
}

static void lost_power_never_replaces_a_file_nor_passes_a_full_disk(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        struct vault *vault = vault_open(seed, NULL);
        assert_int_equal(make(vault, "a", "first"), WEFT_OK);
        vault_crash_after(vault, 1);
        assert_int_equal(make(vault, "a", "second"), WEFT_IO);
        vault_restart(vault);
        assert_int_equal(load(vault, "a", "first"), WEFT_OK);
        vault_set_full(vault, true);
        vault_crash_after(vault, 1);
        assert_int_equal(make(vault, "b", "third"), WEFT_IO);
        vault_restart(vault);
        assert_int_equal(load(vault, "b", ""), WEFT_NOT_FOUND);
        vault_close(vault);
    }
}

static void a_crash_that_was_taken_back_does_not_come(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    vault_crash_after(vault, 1);
    vault_crash_after(vault, 0);
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    assert_false(vault_is_down(vault));
    vault_close(vault);
}

static void a_full_disk_takes_no_file_until_there_is_room(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    vault_set_full(vault, true);
    assert_int_equal(make(vault, "a", "first"), WEFT_DISK_FULL);
    assert_int_equal(load(vault, "a", ""), WEFT_NOT_FOUND);
    vault_set_full(vault, false);
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    vault_close(vault);
}

static void a_removed_file_is_gone(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    assert_false(vault_remove(vault, "a"));
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    assert_int_equal(make(vault, "b", "second"), WEFT_OK);
    assert_true(vault_remove(vault, "a"));
    assert_int_equal(load(vault, "a", ""), WEFT_NOT_FOUND);
    assert_int_equal(load(vault, "b", "second"), WEFT_OK);
    vault_close(vault);
}

/* ---- stamps ---- */

static void a_stamp_stays_until_the_disk_is_another(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL);
    uint8_t first[32], second[32];
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    assert_int_equal(make(vault, "b", "second"), WEFT_OK);
    assert_int_equal(stamp(vault, "c", first), WEFT_NOT_FOUND);
    assert_int_equal(stamp(vault, "b", first), WEFT_OK);
    assert_int_equal(stamp(vault, "a", second), WEFT_OK);
    assert_memory_not_equal(first, second, sizeof first);
    vault_crash(vault);
    vault_restart(vault);
    assert_int_equal(stamp(vault, "a", first), WEFT_OK);
    assert_memory_equal(first, second, sizeof first);
    vault_restamp(vault);
    assert_int_equal(stamp(vault, "a", second), WEFT_OK);
    assert_memory_not_equal(first, second, sizeof first);
    assert_int_equal(load(vault, "a", "first"), WEFT_OK);
    vault_close(vault);
}

static void a_clone_has_the_files_and_another_stamp(void **state) {
    (void)state;
    struct vault *vault = vault_open(1, NULL), *clone = vault_open(2, NULL);
    uint8_t first[32], second[32];
    assert_int_equal(make(vault, "a", "first"), WEFT_OK);
    vault_clone(clone, vault);
    assert_int_equal(load(clone, "a", "first"), WEFT_OK);
    assert_int_equal(stamp(vault, "a", first), WEFT_OK);
    assert_int_equal(stamp(clone, "a", second), WEFT_OK);
    assert_memory_not_equal(first, second, sizeof first);
    /* From then on they are apart. */
    assert_true(vault_remove(vault, "a"));
    assert_int_equal(load(clone, "a", "first"), WEFT_OK);
    vault_close(clone);
    vault_close(vault);
}

static struct instant time_now(void *self) {
    (void)self;
    return (struct instant){0};
}

static void files_of_the_simulated_disk_have_stamps(void **state) {
    (void)state;
    struct disk *disk = disk_open("simvault", 1, (struct time_port){.now = time_now});
    struct vault *vault = vault_open(1, disk);
    uint8_t out[32];
    sqlite3 *db = NULL;
    assert_int_equal(stamp(vault, "library.db", out), WEFT_NOT_FOUND);
    assert_int_equal(sqlite3_open_v2("library.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     disk_vfs(disk)),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "create table t(a)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(stamp(vault, "library.db", out), WEFT_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    vault_close(vault);
    disk_close(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_once_and_never_overwritten),
        cmocka_unit_test(a_file_that_has_no_room_is_not_read),
        cmocka_unit_test(files_survive_a_crash_and_are_out_of_reach_until_the_restart),
        cmocka_unit_test(lost_power_may_lose_only_the_file_that_is_being_made),
        cmocka_unit_test(lost_power_never_replaces_a_file_nor_passes_a_full_disk),
        cmocka_unit_test(a_crash_that_was_taken_back_does_not_come),
        cmocka_unit_test(a_full_disk_takes_no_file_until_there_is_room),
        cmocka_unit_test(a_removed_file_is_gone),
        cmocka_unit_test(a_stamp_stays_until_the_disk_is_another),
        cmocka_unit_test(a_clone_has_the_files_and_another_stamp),
        cmocka_unit_test(files_of_the_simulated_disk_have_stamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
