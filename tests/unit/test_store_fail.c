/* What SQLite and the system say, in the words of this library: each of their codes has a status,
 * and a sentence with the path and what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/store/store.h"
#include "engine/store/store_private.h"

static void every_code_has_its_status(void **state) {
    (void)state;
    static const struct {
        int code;
        enum weft_status status;
        const char *advice;
    } cases[] = {
        {SQLITE_FULL, WEFT_DISK_FULL, "free some space"},
        {SQLITE_IOERR_READ, WEFT_IO, "cables"},
        {SQLITE_IOERR_FSYNC, WEFT_SYNC_FAILED, "open the library again"},
        {SQLITE_IOERR_DIR_FSYNC, WEFT_SYNC_FAILED, "open the library again"},
        {SQLITE_IOERR_NOMEM, WEFT_NO_MEMORY, "free some memory"},
        {SQLITE_CANTOPEN, WEFT_IO, "path"},
        {SQLITE_READONLY, WEFT_READ_ONLY, "write permission"},
        {SQLITE_READONLY_DBMOVED, WEFT_READ_ONLY, "write permission"},
        {SQLITE_PERM, WEFT_READ_ONLY, "write permission"},
        {SQLITE_NOTADB, WEFT_NOT_A_DATABASE, "another file"},
        {SQLITE_CORRUPT, WEFT_CORRUPT, "restore"},
        {SQLITE_CORRUPT_INDEX, WEFT_CORRUPT, "restore"},
        {SQLITE_BUSY, WEFT_LOCKED, "close the program"},
        {SQLITE_LOCKED, WEFT_LOCKED, "close the program"},
        {SQLITE_NOMEM, WEFT_NO_MEMORY, "free some memory"},
        {SQLITE_TOOBIG, WEFT_LIMIT, "smaller"},
        {SQLITE_CONSTRAINT_UNIQUE, WEFT_CONSTRAINT, "change the row"},
        {SQLITE_MISMATCH, WEFT_CONSTRAINT, "change the row"},
        {SQLITE_ERROR, WEFT_SCHEMA, "changed the tables"},
        {SQLITE_SCHEMA, WEFT_SCHEMA, "changed the tables"},
        {SQLITE_AUTH, WEFT_SCHEMA, "changed the tables"},
        {SQLITE_PROTOCOL, WEFT_IO, "path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weft_error why = {0};
        const enum weft_status status =
            store_fail(NULL, cases[i].code, "reading", "/there/it.weft", &why);
        if (status != cases[i].status || why.status != status || why.native != cases[i].code)
            fail_msg("code %d: %s: %s", cases[i].code, weft_status_name(status), why.text);
        assert_non_null(strstr(why.text, "reading /there/it.weft"));
        if (strstr(why.text, cases[i].advice) == NULL)
            fail_msg("code %d: \"%s\" does not say %s", cases[i].code, why.text, cases[i].advice);
    }
}

/* ---- a system that opens no file ------------------------------------------------------------ */

static struct {
    sqlite3_vfs vfs;
    int error;       /* of the system */
    int access_code; /* whether it can be asked for a folder */
    int found;       /* ... and there is one */
} grim;

static int grim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    (void)vfs, (void)path, (void)flags, (void)out;
    file->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static int grim_access(sqlite3_vfs *vfs, const char *path, int flags, int *found) {
    (void)vfs, (void)path, (void)flags;
    *found = grim.found;
    return grim.access_code;
}

static int grim_last_error(sqlite3_vfs *vfs, int size, char *text) {
    (void)vfs, (void)size, (void)text;
    return grim.error;
}

static int grim_path(sqlite3_vfs *vfs, const char *path, int size, char *out) {
    (void)vfs;
    (void)sqlite3_snprintf(size, out, "%s", path);
    return SQLITE_OK;
}

static int setup(void **state) {
    (void)state;
    const sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    grim.vfs = *usual;
    grim.vfs.pNext = NULL;
    grim.vfs.zName = "grim";
    grim.vfs.xOpen = grim_open;
    grim.vfs.xAccess = grim_access;
    grim.vfs.xGetLastError = grim_last_error;
    grim.vfs.xFullPathname = grim_path;
    grim.access_code = SQLITE_OK;
    grim.found = 1;
    return sqlite3_vfs_register(&grim.vfs, 0);
}

static int teardown(void **state) {
    (void)state;
    return sqlite3_vfs_unregister(&grim.vfs);
}

static enum weft_status opens(const char *path, bool read_only, struct weft_error *why) {
    sqlite3 *db = (sqlite3 *)(uintptr_t)1;
    const enum weft_status status = store_open_file(path, "grim", read_only, &db, why);
    assert_null(db);
    assert_int_equal(why->status, status);
    assert_non_null(strstr(why->text, path));
    return status;
}

static void a_file_that_the_system_does_not_open_has_a_reason(void **state) {
    (void)state;
    static const struct {
        int error;
        enum weft_status status;
        const char *says;
    } cases[] = {
        {ENOSPC, WEFT_DISK_FULL, "full"},
        {EDQUOT, WEFT_DISK_FULL, "full"},
        {EACCES, WEFT_READ_ONLY, "permission"},
        {EPERM, WEFT_READ_ONLY, "permission"},
        {EROFS, WEFT_READ_ONLY, "permission"},
        {EISDIR, WEFT_NOT_A_DATABASE, "folder"},
        {ENOTDIR, WEFT_IO, "create the folder"},
        {ENOENT, WEFT_READ_ONLY, "write permission"}, /* The folder is there: it may not be made. */
        {EMFILE, WEFT_IO, "can be read and written"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weft_error why = {0};
        grim.error = cases[i].error;
        const enum weft_status status = opens("/some/where.weft", false, &why);
        if (status != cases[i].status || strstr(why.text, cases[i].says) == NULL)
            fail_msg("error %d: %s: %s", cases[i].error, weft_status_name(status), why.text);
    }
}

/* The system says of a file that it may not make only that there is none. */
static void a_folder_that_is_not_there_is_told_from_one_that_may_not_be_written(void **state) {
    (void)state;
    struct weft_error why = {0};
    grim.error = ENOENT;
    assert_int_equal(opens("/some/where.weft", false, &why), WEFT_READ_ONLY);
    assert_int_equal(opens("/where.weft", false, &why), WEFT_READ_ONLY);
    assert_int_equal(opens("where.weft", false, &why), WEFT_READ_ONLY);
    assert_int_equal(opens("/some/where.weft", true, &why), WEFT_IO); /* Nothing was to be made. */
    grim.found = 0;
    assert_int_equal(opens("/some/where.weft", false, &why), WEFT_IO);
    assert_non_null(strstr(why.text, "create the folder"));
    grim.found = 1;
    grim.access_code = SQLITE_IOERR;
    assert_int_equal(opens("/some/where.weft", false, &why), WEFT_IO);
}

static void a_vfs_that_is_not_there_opens_nothing(void **state) {
    (void)state;
    struct weft_error why = {0};
    sqlite3 *db = NULL;
    assert_int_equal(store_open_file("/a.weft", "nobody's", false, &db, &why), WEFT_SCHEMA);
    assert_null(db);
    assert_non_null(strstr(why.text, "nobody's"));
}

int main(void) {
#define GRIM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_status),
        GRIM_TEST(a_file_that_the_system_does_not_open_has_a_reason),
        GRIM_TEST(a_folder_that_is_not_there_is_told_from_one_that_may_not_be_written),
        cmocka_unit_test(a_vfs_that_is_not_there_opens_nothing),
    };
    return cmocka_run_group_tests_name("what a store says of a failure", tests, NULL, NULL);
}
