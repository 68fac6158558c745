/* A device's disk: a SQLite VFS whose files live in memory and can lose power.
 *
 * Each disk is one registered VFS. A crash keeps what the chosen survival says, makes every open
 * handle stale (all of them can still be closed) and refuses everything until disk_restart(). */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "engine/runtime/port.h"
#include "tests/sim/rng.h"
#include "tests/sim/wreck.h"

struct disk;

enum disk_survival {
    DISK_KEEP_ALL,    /* only the process died: the operating system still has every write */
    DISK_KEEP_SYNCED, /* power was lost: what was not synced is gone */
    DISK_KEEP_SOME,   /* power was lost: a random part of what was not synced is there, or torn */
    DISK_KEEP_CHOSEN  /* ... or the part that was chosen (wreck_choose()); for disk_watch() */
};

enum disk_io { DISK_IO_READ, DISK_IO_WRITE, DISK_IO_KINDS };

struct disk_counts {
    uint64_t writes, syncs;
    uint64_t refused;      /* writes refused because the disk was full */
    uint64_t sectors_lost; /* unsynced sectors that a crash dropped or tore */
    uint64_t crashes;
    uint64_t failed_syncs;
    uint64_t failed_io[DISK_IO_KINDS];
};

/* Opens an empty disk and registers its VFS under `name` (unique in the process; copied). `time` is
 * what SQLite's current time is taken from. Never NULL. */
struct disk *disk_open(const char *name, uint64_t seed, struct time_port time);
/* Every handle must have been closed. */
void disk_close(struct disk *disk);
const char *disk_vfs(const struct disk *disk);

/* The disk goes down now. */
void disk_crash(struct disk *disk, enum disk_survival survival);
/* The disk goes down by itself at the `operations`th write, sync, truncation or deletion from now
 * (1: the next); 0 takes that back. */
void disk_crash_after(struct disk *disk, uint64_t operations, enum disk_survival survival);
bool disk_is_down(const struct disk *disk);
/* The files that survived are there again. */
void disk_restart(struct disk *disk);

/* What changes a disk. */
enum disk_operation { DISK_WRITE, DISK_SYNC, DISK_TRUNCATE, DISK_DELETE, DISK_OPERATIONS };

/* Told of each operation on a file that has a name: of a write and a truncation when it can be
 * read, of the others before they are done. True: the disk goes down there, and keeps what was
 * chosen. */
typedef bool disk_watcher(void *context, enum disk_operation operation, const char *path);

/* Has `watcher` (NULL: nobody) told of each operation from now on. The first call is to come before
 * there is any file: from then on what is not synced is kept apart, in what is returned, which is
 * the disk's. */
struct wreck *disk_watch(struct disk *disk, disk_watcher *watcher, void *context);

/* While full, no file can grow: SQLITE_FULL. */
void disk_set_full(struct disk *disk, bool full);
bool disk_is_full(const struct disk *disk);

/* The `syncs`th sync from now fails (1: the next), once; 0 takes that back. */
void disk_fail_sync(struct disk *disk, uint64_t syncs);
/* Whether a sync has failed since the disk was last restarted. */
bool disk_sync_failed(const struct disk *disk);

/* The `operations`th read or write from now (1: the next) fails, once, or it and all that follow,
 * until the disk is restarted or mended. Only what is done while the disk is at work counts, and
 * fails: it is at work when the engine is, not when who looks on reads. */
void disk_fail_io(struct disk *disk, enum disk_io what, uint64_t operations, bool for_ever);
void disk_mend(struct disk *disk);
/* Whether a read or write may fail from now on; whether one has since the disk was restarted. */
bool disk_ails(const struct disk *disk);
bool disk_io_failed(const struct disk *disk);
/* Says what it was before. */
bool disk_at_work(struct disk *disk, bool works);

/* Backs up the disk as it is, all files at one moment, in place of an earlier backup. */
void disk_back_up(struct disk *disk);
/* The backup takes the place of all files, and is gone. Every handle must have been closed. */
void disk_restore(struct disk *disk);

/* All files of another disk, as they are now; `to` is empty. */
void disk_copy(struct disk *to, struct disk *from);
/* Changes one byte of a file, durably, and nobody is told; beyond its end from the front again. */
void disk_put(struct disk *disk, const char *path, uint64_t where, uint8_t byte);
/* Changes one bit of so many bytes of a file, drawn. */
void disk_flip(struct disk *disk, const char *path, uint32_t bytes, struct rng *rng);

uint32_t disk_open_handles(const struct disk *disk);
/* Size of a file, or -1 when there is none. */
int64_t disk_file_size(const struct disk *disk, const char *path);
struct disk_counts disk_counts(const struct disk *disk);

#endif
