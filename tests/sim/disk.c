/* The simulated disk.
 *
 *   directory ──► file ──► content      what reads see, and what the last sync made safe
 *                     ──► locks        as SQLite's own VFS keeps them, for one process
 *                     ──► regions      the write-ahead log's shared memory
 *
 * Invariants
 *   1. A handle of an earlier boot reads, writes and locks nothing; it can only be closed. So an
 *      engine that is killed cannot touch what its successor will find.
 *   2. A file that is open lives until its last handle is closed, deleted or crashed away or not.
 *   3. The same calls and the same seed give the same bytes.
 * Creations and deletions of files are durable at once; SQLite's own syncs of it are not tested.
 * Deliberately not here: what bytes a crash leaves (image.c). */
#include "tests/sim/disk.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/disk_private.h"
#include "tests/sim/memory.h"

/* ---- files ---- */

static struct file *file_new(const char *path) {
    struct file *file = memory_new(sizeof *file);
    if (path) {
        CHECK(strlen(path) < PATH_MAX_BYTES);
        memcpy(file->path, path, strlen(path) + 1);
    }
    return file;
}

void file_free(struct file *file) {
    CHECK(!file->linked && file->users == 0);
    for (uint32_t i = 0; i < file->region_count; i++)
        free(file->region[i]);
    content_free(&file->content);
    free(file);
}

static struct file *directory_find(const struct disk *disk, const char *path) {
    for (struct file *file = disk->directory; file; file = file->next)
        if (strcmp(file->path, path) == 0) return file;
    return NULL;
}

static void directory_add(struct disk *disk, struct file *file) {
    CHECK(!file->linked);
    file->linked = true;
    file->next = disk->directory;
    disk->directory = file;
}

static void directory_remove(struct disk *disk, struct file *file) {
    if (disk->wreck) wreck_forget(disk->wreck, file);
    struct file **at = &disk->directory;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    file->next = NULL;
    file->linked = false;
    if (file->users == 0) file_free(file);
}

/* ---- crashes ---- */

static struct file *file_after_crash(struct disk *disk, const struct file *file,
                                     enum disk_survival survival) {
    static const enum image_survival of[] = {[DISK_KEEP_ALL] = IMAGE_KEEP_ALL,
                                             [DISK_KEEP_SYNCED] = IMAGE_KEEP_SYNCED,
                                             [DISK_KEEP_SOME] = IMAGE_KEEP_SOME,
                                             [DISK_KEEP_CHOSEN] = IMAGE_KEEP_SYNCED};
    struct file *after = file_new(file->path);
    content_crash(&file->content, of[survival], &disk->rng, &after->content,
                  &disk->counts.sectors_lost);
    if (survival == DISK_KEEP_CHOSEN) wreck_lay(disk->wreck, file, &after->content);
    return after;
}

/* Copies of all files, in their order. */
struct file *directory_copy(struct disk *disk, enum disk_survival survival) {
    struct file *copies = NULL, **tail = &copies;
    for (const struct file *file = disk->directory; file; file = file->next) {
        *tail = file_after_crash(disk, file, survival);
        tail = &(*tail)->next;
    }
    return copies;
}

/* Others take the place of all files. */
void directory_replace(struct disk *disk, struct file *files) {
    while (disk->directory)
        directory_remove(disk, disk->directory);
    disk->directory = files;
    for (; files; files = files->next)
        files->linked = true;
    if (disk->wreck) wreck_forget(disk->wreck, NULL);
}

void disk_crash(struct disk *disk, enum disk_survival survival) {
    CHECK(!disk->down);
    directory_replace(disk, directory_copy(disk, survival));
    disk->down = true;
    disk->boot++;
    disk->crash_in = disk->sync_fails_in = 0;
    disk->counts.crashes++;
}

void disk_crash_after(struct disk *disk, uint64_t operations, enum disk_survival survival) {
    CHECK(!disk->down);
    disk->crash_in = operations;
    disk->crash_survival = survival;
}

bool disk_is_down(const struct disk *disk) {
    return disk->down;
}

void disk_restart(struct disk *disk) {
    CHECK(disk->down);
    disk->down = disk->sync_failed = disk->io_failed = false;
    disk_mend(disk);
}

/* Counts one operation that changes the disk; true when the disk went down before its effect. */
static bool operation_crashes(struct disk *disk, enum disk_operation operation,
                              const struct file *file) {
    if (disk->watcher && file->linked && disk->watcher(disk->context, operation, file->path)) {
        disk_crash(disk, DISK_KEEP_CHOSEN);
        return true;
    }
    if (disk->crash_in == 0 || --disk->crash_in > 0) return false;
    disk_crash(disk, disk->crash_survival);
    return true;
}

static bool handle_stale(const struct handle *handle) {
    return handle->disk->down || handle->boot != handle->disk->boot;
}

/* ---- sqlite3_file ---------------------------------------------------------------------------- */

static int file_read(sqlite3_file *base, void *out, int size, sqlite3_int64 at) {
    struct handle *handle = (struct handle *)base;
    if (handle_stale(handle)) return SQLITE_IOERR_READ;
    if (disk_io_fails(handle->disk, DISK_IO_READ)) return SQLITE_IOERR_READ;
    const struct image *now = &handle->file->content.now;
    size_t from = (size_t)at, want = (size_t)size;
    size_t there = from >= now->size ? 0 : now->size - from;
    if (there > want) there = want;
    if (there) memcpy(out, now->bytes + from, there);
    if (there == want) return SQLITE_OK;
    memset((uint8_t *)out + there, 0, want - there);
    return SQLITE_IOERR_SHORT_READ;
}

/* Keeps what was done to a file until it is synced. */
static void note(const struct handle *handle, size_t at, const void *data, size_t size) {
    const struct file *file = handle->file;
    if (handle->disk->wreck && file->linked)
        wreck_note(handle->disk->wreck, file, file->path, at, data, size);
}

static int file_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 at) {
    struct handle *handle = (struct handle *)base;
    struct disk *disk = handle->disk;
    if (handle_stale(handle)) return SQLITE_IOERR_WRITE;
    if (handle->read_only) return SQLITE_READONLY;
    if (disk_io_fails(disk, DISK_IO_WRITE)) return SQLITE_IOERR_WRITE;
    if (disk->full && (size_t)at + (size_t)size > handle->file->content.now.size) {
        disk->counts.refused++;
        return SQLITE_FULL;
    }
    disk->counts.writes++;
    content_write(&handle->file->content, (size_t)at, data, (size_t)size);
    note(handle, (size_t)at, data, (size_t)size);
    return operation_crashes(disk, DISK_WRITE, handle->file) ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct handle *handle = (struct handle *)base;
    if (handle_stale(handle)) return SQLITE_IOERR_TRUNCATE;
    if (disk_io_fails(handle->disk, DISK_IO_WRITE)) return SQLITE_IOERR_TRUNCATE;
    if (handle->disk->full && (size_t)size > handle->file->content.now.size) return SQLITE_FULL;
    content_resize(&handle->file->content, (size_t)size);
    note(handle, 0, NULL, (size_t)size);
    bool crashed = operation_crashes(handle->disk, DISK_TRUNCATE, handle->file);
    return crashed ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int file_xsync(sqlite3_file *base, int flags) {
    struct handle *handle = (struct handle *)base;
    (void)flags;
    if (handle_stale(handle)) return SQLITE_IOERR_FSYNC;
    if (operation_crashes(handle->disk, DISK_SYNC, handle->file)) return SQLITE_IOERR_FSYNC;
    if (handle->disk->sync_fails_in > 0 && --handle->disk->sync_fails_in == 0) {
        handle->disk->counts.failed_syncs++;
        handle->disk->sync_failed = true;
        content_sync_failed(&handle->file->content);
        return SQLITE_IOERR_FSYNC;
    }
    handle->disk->counts.syncs++;
    content_sync(&handle->file->content);
    if (handle->disk->wreck) wreck_forget(handle->disk->wreck, handle->file);
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out) {
    struct handle *handle = (struct handle *)base;
    if (handle_stale(handle)) return SQLITE_IOERR_FSTAT;
    *out = (sqlite3_int64)handle->file->content.now.size;
    return SQLITE_OK;
}

/* Gives up locks above `level`. Works on stale handles, too: their file is no longer anybody's. */
static void lock_lower(struct handle *handle, int level) {
    struct file *file = handle->file;
    if (handle->level <= level) return;
    if (file->exclusive == handle) file->exclusive = NULL;
    if (file->pending == handle) file->pending = NULL;
    if (file->reserved == handle) file->reserved = NULL;
    if (level < SQLITE_LOCK_SHARED && handle->level >= SQLITE_LOCK_SHARED) {
        CHECK(file->shared > 0);
        file->shared--;
    }
    handle->level = level;
}

static int file_lock(sqlite3_file *base, int level) {
    struct handle *handle = (struct handle *)base;
    struct file *file = handle->file;
    if (handle_stale(handle)) return SQLITE_IOERR_LOCK;
    if (handle->level >= level) return SQLITE_OK;
    if (handle->level < SQLITE_LOCK_SHARED) {
        CHECK(level == SQLITE_LOCK_SHARED);
        if (file->pending || file->exclusive) return SQLITE_BUSY;
        file->shared++;
        handle->level = SQLITE_LOCK_SHARED;
        return SQLITE_OK;
    }
    if (file->reserved && file->reserved != handle) return SQLITE_BUSY;
    if (level == SQLITE_LOCK_RESERVED) {
        file->reserved = handle;
        handle->level = SQLITE_LOCK_RESERVED;
        return SQLITE_OK;
    }
    if (file->pending && file->pending != handle) return SQLITE_BUSY;
    file->pending = handle;
    handle->level = SQLITE_LOCK_PENDING;
    if (file->shared > 1) return SQLITE_BUSY;
    file->exclusive = handle;
    handle->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level) {
    struct handle *handle = (struct handle *)base;
    lock_lower(handle, level);
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *out) {
    struct handle *handle = (struct handle *)base;
    if (handle_stale(handle)) return SQLITE_IOERR_CHECKRESERVEDLOCK;
    *out = handle->file->reserved || handle->file->pending || handle->file->exclusive;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *argument) {
    (void)base;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base) {
    (void)base;
    return 4096;
}

static int file_characteristics(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory --------------------------------------------------------------------------- */

static void shm_release(struct handle *handle, uint32_t slot) {
    struct file *file = handle->file;
    uint16_t bit = (uint16_t)(1u << slot);
    if (handle->shm_exclusive & bit) file->shm_exclusive[slot] = NULL;
    if (handle->shm_shared & bit) file->shm_shared[slot]--;
    handle->shm_exclusive &= (uint16_t)~bit;
    handle->shm_shared &= (uint16_t)~bit;
}

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out) {
    struct handle *handle = (struct handle *)base;
    struct file *file = handle->file;
    *out = NULL;
    if (handle_stale(handle)) return SQLITE_IOERR_SHMMAP;
    CHECK((uint32_t)region < SHM_REGIONS);
    if (!handle->mapped) {
        handle->mapped = true;
        file->region_users++;
    }
    while (extend && file->region_count <= (uint32_t)region) {
        file->region[file->region_count] = memory_new((size_t)size);
        file->region_count++;
    }
    if ((uint32_t)region < file->region_count) *out = file->region[region];
    return SQLITE_OK;
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    struct handle *handle = (struct handle *)base;
    struct file *file = handle->file;
    uint32_t from = (uint32_t)offset, to = (uint32_t)(offset + count);
    CHECK(to <= SQLITE_SHM_NLOCK && handle->mapped);
    if (flags & SQLITE_SHM_UNLOCK) {
        for (uint32_t slot = from; slot < to; slot++)
            shm_release(handle, slot);
        return SQLITE_OK;
    }
    if (handle_stale(handle)) return SQLITE_IOERR_SHMLOCK;
    for (uint32_t slot = from; slot < to; slot++) {
        uint16_t bit = (uint16_t)(1u << slot);
        uint32_t mine = handle->shm_shared & bit ? 1 : 0;
        if (file->shm_exclusive[slot] && file->shm_exclusive[slot] != handle) return SQLITE_BUSY;
        if ((flags & SQLITE_SHM_EXCLUSIVE) && file->shm_shared[slot] > mine) return SQLITE_BUSY;
    }
    for (uint32_t slot = from; slot < to; slot++) {
        uint16_t bit = (uint16_t)(1u << slot);
        if (flags & SQLITE_SHM_EXCLUSIVE) {
            file->shm_exclusive[slot] = handle;
            handle->shm_exclusive |= bit;
        } else if (!(handle->shm_shared & bit)) {
            file->shm_shared[slot]++;
            handle->shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base) {
    (void)base;
}

static int shm_unmap(sqlite3_file *base, int remove) {
    struct handle *handle = (struct handle *)base;
    struct file *file = handle->file;
    if (!handle->mapped) return SQLITE_OK;
    for (uint32_t slot = 0; slot < SQLITE_SHM_NLOCK; slot++)
        shm_release(handle, slot);
    handle->mapped = false;
    CHECK(file->region_users > 0);
    file->region_users--;
    if (remove && file->region_users == 0) {
        for (uint32_t i = 0; i < file->region_count; i++)
            free(file->region[i]);
        file->region_count = 0;
    }
    return SQLITE_OK;
}

static int file_close(sqlite3_file *base) {
    struct handle *handle = (struct handle *)base;
    struct file *file = handle->file;
    (void)shm_unmap(base, 0);
    lock_lower(handle, SQLITE_LOCK_NONE);
    CHECK(file->users > 0 && handle->disk->handles > 0);
    file->users--;
    handle->disk->handles--;
    handle->file = NULL;
    if (file->linked && handle->delete_on_close)
        directory_remove(handle->disk, file);
    else if (!file->linked && file->users == 0)
        file_free(file);
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_xsync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- sqlite3_vfs ----------------------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out) {
    struct disk *disk = vfs->pAppData;
    struct handle *handle = (struct handle *)base;
    memset(handle, 0, sizeof *handle);
    if (disk->down) return SQLITE_CANTOPEN;
    struct file *file = path ? directory_find(disk, path) : file_new(NULL);
    if (file && path && (flags & SQLITE_OPEN_EXCLUSIVE)) return SQLITE_CANTOPEN;
    if (!file) {
        if (!(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
        file = file_new(path);
        directory_add(disk, file);
    }
    file->users++;
    disk->handles++;
    handle->base.pMethods = &file_methods;
    handle->disk = disk;
    handle->file = file;
    handle->boot = disk->boot;
    handle->read_only = (flags & SQLITE_OPEN_READONLY) != 0;
    handle->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    if (out) *out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync) {
    struct disk *disk = vfs->pAppData;
    (void)sync;
    if (disk->down) return SQLITE_IOERR_DELETE;
    struct file *file = directory_find(disk, path);
    if (!file) return SQLITE_IOERR_DELETE_NOENT;
    if (operation_crashes(disk, DISK_DELETE, file)) return SQLITE_IOERR_DELETE;
    directory_remove(disk, file);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
    struct disk *disk = vfs->pAppData;
    if (disk->down) return SQLITE_IOERR_ACCESS;
    const struct file *file = directory_find(disk, path);
    /* As SQLite's own VFS: an empty file does not count as there. */
    *out = file && (flags != SQLITE_ACCESS_EXISTS || file->content.now.size > 0);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int room, char *out) {
    (void)vfs;
    if (strlen(path) >= (size_t)room) return SQLITE_CANTOPEN;
    memcpy(out, path, strlen(path) + 1);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *out) {
    struct disk *disk = vfs->pAppData;
    rng_fill(&disk->rng, out, (size_t)size);
    return size;
}

/* Nobody else can run meanwhile, so waiting would change nothing; SQLite counts what it asked for.
 */
static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) {
    (void)vfs;
    return microseconds;
}

#define JULIAN_EPOCH_MS INT64_C(210866760000000) /* 1970-01-01 in milliseconds of Julian days */

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *out) {
    struct disk *disk = vfs->pAppData;
    *out = JULIAN_EPOCH_MS + (int64_t)disk->time.now(disk->time.self).wall_ms;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *out) {
    sqlite3_int64 ms = 0;
    int status = vfs_time64(vfs, &ms);
    *out = (double)ms / 86400000.0;
    return status;
}

static int vfs_last_error(sqlite3_vfs *vfs, int room, char *out) {
    (void)vfs;
    if (room > 0) out[0] = '\0';
    return 0;
}

/* ---- the disk -------------------------------------------------------------------------------- */

struct disk *disk_open(const char *name, uint64_t seed, struct time_port time) {
    struct disk *disk = calloc(1, sizeof *disk);
    CHECK(disk != NULL && strlen(name) < sizeof disk->name);
    CHECK(sqlite3_vfs_find(name) == NULL);
    memcpy(disk->name, name, strlen(name) + 1);
    rng_seed(&disk->rng, seed, UINT64_C(0xd15c));
    disk->time = time;
    disk->vfs = (sqlite3_vfs){.iVersion = 2,
                              .szOsFile = (int)sizeof(struct handle),
                              .mxPathname = PATH_MAX_BYTES - 1,
                              .zName = disk->name,
                              .pAppData = disk,
                              .xOpen = vfs_open,
                              .xDelete = vfs_delete,
                              .xAccess = vfs_access,
                              .xFullPathname = vfs_full_path,
                              .xRandomness = vfs_randomness,
                              .xSleep = vfs_sleep,
                              .xCurrentTime = vfs_time,
                              .xGetLastError = vfs_last_error,
                              .xCurrentTimeInt64 = vfs_time64};
    CHECK(sqlite3_vfs_register(&disk->vfs, 0) == SQLITE_OK);
    return disk;
}

void disk_close(struct disk *disk) {
    CHECK(disk->handles == 0);
    CHECK(sqlite3_vfs_unregister(&disk->vfs) == SQLITE_OK);
    directory_replace(disk, NULL);
    disk_drop_backup(disk);
    wreck_close(disk->wreck);
    free(disk);
}

const char *disk_vfs(const struct disk *disk) {
    return disk->name;
}

struct wreck *disk_watch(struct disk *disk, disk_watcher *watcher, void *context) {
    CHECK(disk->wreck || !disk->directory);
    if (!disk->wreck) disk->wreck = wreck_open();
    disk->watcher = watcher;
    disk->context = context;
    return disk->wreck;
}

uint32_t disk_open_handles(const struct disk *disk) {
    return disk->handles;
}

int64_t disk_file_size(const struct disk *disk, const char *path) {
    const struct file *file = directory_find(disk, path);
    return file ? (int64_t)file->content.now.size : -1;
}

struct disk_counts disk_counts(const struct disk *disk) {
    return disk->counts;
}
