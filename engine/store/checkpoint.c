/* See checkpoint.h. */
#include "engine/store/checkpoint.h"

#include "engine/base/check.h"
#include "engine/base/status.h"

enum weft_status checkpoint_open(const char *path, const char *vfs, sqlite3 **out,
                                 struct weft_error *why) {
    CHECK(path != NULL && out != NULL);
    enum weft_status status = store_connect(path, vfs, false, 0, out, why);
    if (status == WEFT_OK) (void)sqlite3_db_config(*out, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return status;
}

enum weft_status checkpoint_run(sqlite3 *db, uint32_t *pages, uint32_t *copied,
                                struct weft_error *why) {
    CHECK(db != NULL && pages != NULL && copied != NULL);
    int log = 0, done = 0;
    const int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &done);
    const bool told = code == SQLITE_OK && log >= 0 && done >= 0;
    *pages = told ? (uint32_t)log : 0;
    *copied = told ? (uint32_t)done : 0;
    if (code != SQLITE_IOERR_FSYNC && code != SQLITE_IOERR_DIR_FSYNC) return WEFT_OK;
    return status_fail(why, WEFT_SYNC_FAILED, code,
                       "the disk did not confirm what was copied from the write-ahead log; what "
                       "was acknowledged is in that log; check the disk, then open the library "
                       "again");
}

void checkpoint_close(sqlite3 *db) {
    const int code = sqlite3_close(db);
    CHECK(code == SQLITE_OK);
}
