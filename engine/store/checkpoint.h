/* A connection that does nothing but copy the write-ahead log into the file, beside the one that
 * writes. It takes what is committed and that no reader still needs as it was; nobody waits for it.
 *
 * Source: https://www.sqlite.org/wal.html, "Checkpointing". Thread: one at a time. */
#ifndef WEFT_STORE_CHECKPOINT_H
#define WEFT_STORE_CHECKPOINT_H

#include <sqlite3.h>

#include "engine/store/store.h"

/* Opens the connection; the caller's, for checkpoint_close(). Errors: as store_connect(). */
enum weft_status checkpoint_open(const char *path, const char *vfs, sqlite3 **out,
                                 struct weft_error *why);
/* Copies what may be copied now. `*pages`: those of the log; `*copied`: how many of them are in the
 * file by then, all or a part; 0 when another copies, or it failed: the log still has it all.
 * Errors: WEFT_SYNC_FAILED, and only that: nothing may be written with any connection then. */
enum weft_status checkpoint_run(sqlite3 *db, uint32_t *pages, uint32_t *copied,
                                struct weft_error *why);
/* Closes it without copying: that is for the connection that writes, which goes last. NULL is
 * allowed. */
void checkpoint_close(sqlite3 *db);

#endif
