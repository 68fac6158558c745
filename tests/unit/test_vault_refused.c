/* The vault when the system refuses, call by call: what is told, and that the folder is as it was.
 * Filters of a whole process: test_vault.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/net/vault.h"
#include "tests/lib/refused.h"
#include "tests/lib/scratch.h"

struct room {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 16];
    struct vault_port vault;
    struct weft_error why;
    uint8_t out[64];
    size_t size;
};

static int setup(void **state) {
    struct room *room = calloc(1, sizeof *room);
    assert_non_null(room);
    scratch_make(room->folder);
    (void)snprintf(room->path, sizeof room->path, "%s/key", room->folder);
    room->vault = vault_posix();
    *state = room;
    return 0;
}

static int teardown(void **state) {
    struct room *room = *state;
    scratch_remove(room->folder);
    free(room);
    return 0;
}

static enum weft_status make(struct room *room) {
    return room->vault.make(room->vault.self, room->path, (const uint8_t *)"secret", 6, &room->why);
}

static enum weft_status load(struct room *room) {
    return room->vault.load(room->vault.self, room->path, room->out, sizeof room->out, &room->size,
                            &room->why);
}

static unsigned files(const struct room *room) {
    unsigned count = 0;
    DIR *folder = opendir(room->folder);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void a_file_that_cannot_be_made_leaves_the_folder_as_it_was(void **state) {
    struct room *room = *state;
    static const struct {
        const char *call;
        int error;
        enum weft_status status;
    } cases[] = {
        {"open", EACCES, WEFT_READ_ONLY},
        {"open", ENOENT, WEFT_IO},
        {"openat", EROFS, WEFT_READ_ONLY},
        {"openat", ENOSPC, WEFT_DISK_FULL},
        {"openat", EMFILE, WEFT_IO},
        {"fchmod", EPERM, WEFT_READ_ONLY},
        {"fstat", EIO, WEFT_IO},
        {"write", ENOSPC, WEFT_DISK_FULL},
        {"write", EDQUOT, WEFT_DISK_FULL},
        {"write", EIO, WEFT_IO},
        {"fsync", EIO, WEFT_IO},
        {"close", EIO, WEFT_IO},
        {"renameat2", EIO, WEFT_IO},
        {"renameat2", EEXIST, WEFT_INVALID},
        {"renameat2", ENOSPC, WEFT_DISK_FULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(cases[i].call, cases[i].error, 0, 1);
        const enum weft_status status = make(room);
        assert_true(refuse_end());
        if (status != cases[i].status || room->why.native != cases[i].error)
            fail_msg("%s, %d: %s", cases[i].call, cases[i].error, room->why.text);
        assert_non_null(strstr(room->why.text, room->path));
        assert_int_equal(files(room), 0);
    }
    refuse("fsync", EIO, 1, 1); /* Of the folder. */
    assert_int_equal(make(room), WEFT_IO);
    assert_true(refuse_end());
    assert_int_equal(files(room), 0);
    assert_int_equal(make(room), WEFT_OK);
}

static void a_signal_interrupts_neither_making_nor_loading(void **state) {
    struct room *room = *state;
    refuse("write", EINTR, 0, 2);
    assert_int_equal(make(room), WEFT_OK);
    assert_true(refuse_end());
    refuse("read", EINTR, 0, 2);
    assert_int_equal(load(room), WEFT_OK);
    assert_true(refuse_end());
    assert_int_equal(room->size, 6);
    assert_memory_equal(room->out, "secret", 6);
}

static void without_a_rename_that_keeps_what_is_there_a_second_name_does(void **state) {
    struct room *room = *state;
    static const int errors[] = {EINVAL, ENOSYS};
    refuse("renameat2", ENOSYS, 0, 1);
    refuse("linkat", EPERM, 0, 1);
    assert_int_equal(make(room), WEFT_READ_ONLY);
    assert_true(refuse_end());
    assert_int_equal(files(room), 0);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        refuse("renameat2", errors[i], 0, 1);
        assert_int_equal(make(room), WEFT_OK);
        assert_true(refuse_end());
        assert_int_equal(load(room), WEFT_OK);
        assert_int_equal(files(room), 1);
        assert_int_equal(unlink(room->path), 0);
    }
}

static void a_file_that_cannot_be_read_is_told_and_nothing_of_it_stays(void **state) {
    struct room *room = *state;
    static const struct {
        const char *call;
        int error;
        enum weft_status status;
    } cases[] = {
        {"open", EMFILE, WEFT_IO},
        {"open", ENOENT, WEFT_NOT_FOUND},
        {"open", ENOTDIR, WEFT_NOT_FOUND},
        {"fstat", EIO, WEFT_IO},
        {"read", EIO, WEFT_IO},
    };
    static const uint8_t nothing[sizeof room->out] = {0};
    assert_int_equal(make(room), WEFT_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(room->out, 0, sizeof room->out);
        refuse(cases[i].call, cases[i].error, 0, 1);
        assert_int_equal(load(room), cases[i].status);
        assert_true(refuse_end());
        assert_int_equal(room->why.native, cases[i].error);
        assert_non_null(strstr(room->why.text, room->path));
        assert_memory_equal(room->out, nothing, sizeof nothing);
    }
    /* It may be gone by the time that it is looked at. */
    refuse("open", EACCES, 0, 1);
    refuse("lstat", ENOENT, 0, 1);
    assert_int_equal(load(room), WEFT_IO);
    assert_true(refuse_end());
    assert_int_equal(load(room), WEFT_OK);
}

/* What a person is told to type is right for any name. */
static void a_command_for_a_strange_name_can_be_typed(void **state) {
    struct room *room = *state;
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(room->folder), 0);
    (void)snprintf(room->path, sizeof room->path, "-it's");
    const enum weft_status made = make(room);
    const int mode = chmod(room->path, 0644);
    const enum weft_status loaded = load(room);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(made, WEFT_OK);
    assert_int_equal(mode, 0);
    assert_int_equal(loaded, WEFT_KEY_FILE);
    assert_non_null(strstr(room->why.text, "chmod 600 ./'-it'\\''s'"));
}

static void a_name_that_is_too_long_is_refused(void **state) {
    struct room *room = *state;
    enum { LONG = PATH_MAX + 10 };
    char *path = malloc(LONG + 8);
    assert_non_null(path);
    /* A file's name, and a folder's. */
    memset(path, 'n', LONG);
    (void)snprintf(path, LONG, "%s/", room->folder);
    path[strlen(path)] = 'n';
    path[strlen(room->folder) + NAME_MAX] = 0;
    assert_int_equal(room->vault.make(room->vault.self, path, (const uint8_t *)"x", 1, &room->why),
                     WEFT_IO);
    assert_int_equal(room->why.native, ENAMETOOLONG);
    memset(path, 'n', LONG);
    memcpy(path + LONG, "/key", 5);
    assert_int_equal(room->vault.make(room->vault.self, path, (const uint8_t *)"x", 1, &room->why),
                     WEFT_IO);
    assert_int_equal(room->why.native, ENAMETOOLONG);
    /* A command that is too long for a message is cut. */
    memset(path, ' ', LONG);
    memcpy(path, room->folder, strlen(room->folder));
    path[strlen(room->folder)] = '/';
    for (size_t i = 1; strlen(room->folder) + i * 200 < LONG; i++)
        path[strlen(room->folder) + i * 200] = '/';
    path[LONG] = 0;
    assert_int_equal(room->vault.load(room->vault.self, path, room->out, sizeof room->out,
                                      &room->size, &room->why),
                     WEFT_IO);
    free(path);
    assert_int_equal(files(room), 0);
}

static void a_stamp_needs_a_file_that_can_be_looked_at(void **state) {
    struct room *room = *state;
    static const struct {
        int error;
        enum weft_status status;
    } cases[] = {{ENOENT, WEFT_NOT_FOUND}, {ENOTDIR, WEFT_NOT_FOUND}, {EACCES, WEFT_IO}};
    uint8_t stamp[32] = {0};
    static const uint8_t nothing[sizeof stamp] = {0};
    assert_int_equal(make(room), WEFT_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse("statx", cases[i].error, 0, 1);
        assert_int_equal(room->vault.stamp(room->vault.self, room->path, stamp, &room->why),
                         cases[i].status);
        assert_true(refuse_end());
        assert_non_null(strstr(room->why.text, room->path));
        assert_memory_equal(stamp, nothing, sizeof stamp);
    }
}

/* Whether a machine has an id, or one that can be read, is all the same: it has none then. */
static void a_machine_without_an_id_still_stamps(void **state) {
    struct room *room = *state;
    uint8_t missing[32], broken[32], again[32];
    assert_int_equal(make(room), WEFT_OK);
    refuse("open", ENOENT, 0, 1);
    assert_int_equal(room->vault.stamp(room->vault.self, room->path, missing, NULL), WEFT_OK);
    assert_true(refuse_end());
    refuse("open", ENOENT, 0, 1);
    assert_int_equal(room->vault.stamp(room->vault.self, room->path, again, NULL), WEFT_OK);
    assert_true(refuse_end());
    assert_memory_equal(missing, again, sizeof missing);
    if (access("/etc/machine-id", R_OK) != 0) return;
    refuse("read", EIO, 0, 1);
    assert_int_equal(room->vault.stamp(room->vault.self, room->path, broken, NULL), WEFT_OK);
    assert_true(refuse_end());
    assert_memory_equal(missing, broken, sizeof missing);
}

int main(void) {
#define ROOM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROOM_TEST(a_file_that_cannot_be_made_leaves_the_folder_as_it_was),
        ROOM_TEST(a_signal_interrupts_neither_making_nor_loading),
        ROOM_TEST(without_a_rename_that_keeps_what_is_there_a_second_name_does),
        ROOM_TEST(a_file_that_cannot_be_read_is_told_and_nothing_of_it_stays),
        ROOM_TEST(a_command_for_a_strange_name_can_be_typed),
        ROOM_TEST(a_name_that_is_too_long_is_refused),
        ROOM_TEST(a_stamp_needs_a_file_that_can_be_looked_at),
        ROOM_TEST(a_machine_without_an_id_still_stamps),
    };
    return cmocka_run_group_tests_name("a vault that the system refuses", tests, NULL, NULL);
}
