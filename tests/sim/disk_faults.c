/* What goes wrong with a simulated disk short of a crash: it is full, a sync fails, reads or writes
 * fail, an older copy takes its place.
 *
 * Invariants
 *   1. A read or write that fails has had no effect, and fails only while the disk is at work.
 *   2. disk_restart() ends all of it but that the disk is full.
 * Deliberately not here: files and locks (disk.c), what a crash leaves (image.c). */
#include <string.h>

#include "engine/base/check.h"
#include "tests/sim/disk_private.h"

/* ---- full, and not synced ---- */

void disk_set_full(struct disk *disk, bool full) {
    disk->full = full;
}

bool disk_is_full(const struct disk *disk) {
    return disk->full;
}

void disk_fail_sync(struct disk *disk, uint64_t syncs) {
    disk->sync_fails_in = syncs;
}

bool disk_sync_failed(const struct disk *disk) {
    return disk->sync_failed;
}

/* ---- reads and writes ---- */

void disk_fail_io(struct disk *disk, enum disk_io what, uint64_t operations, bool for_ever) {
    disk->io[what] = (struct io_fault){operations, for_ever};
}

void disk_mend(struct disk *disk) {
    for (int what = 0; what < DISK_IO_KINDS; what++)
        disk->io[what] = (struct io_fault){0};
}

bool disk_ails(const struct disk *disk) {
    return disk->io[DISK_IO_READ].in != 0 || disk->io[DISK_IO_WRITE].in != 0;
}

bool disk_io_failed(const struct disk *disk) {
    return disk->io_failed;
}

bool disk_at_work(struct disk *disk, bool works) {
    const bool before = disk->at_work;
    disk->at_work = works;
    return before;
}

bool disk_io_fails(struct disk *disk, enum disk_io what) {
    struct io_fault *fault = &disk->io[what];
    if (!disk->at_work || fault->in == 0) return false;
    if (fault->in > 1) {
        fault->in--;
        return false;
    }
    if (!fault->for_ever) fault->in = 0;
    disk->io_failed = true;
    disk->counts.failed_io[what]++;
    return true;
}

/* ---- copies ---- */

void disk_back_up(struct disk *disk) {
    disk_drop_backup(disk);
    disk->backup = directory_copy(disk, DISK_KEEP_ALL);
}

void disk_drop_backup(struct disk *disk) {
    while (disk->backup) {
        struct file *file = disk->backup;
        disk->backup = file->next;
        file_free(file);
    }
}

void disk_restore(struct disk *disk) {
    CHECK(disk->handles == 0 && disk->backup != NULL);
    directory_replace(disk, disk->backup);
    disk->backup = NULL;
}

void disk_copy(struct disk *to, struct disk *from) {
    CHECK(to != from && to->handles == 0 && !to->directory);
    directory_replace(to, directory_copy(from, DISK_KEEP_ALL));
}

void disk_put(struct disk *disk, const char *path, uint64_t where, uint8_t byte) {
    for (struct file *file = disk->directory; file; file = file->next) {
        if (strcmp(file->path, path) != 0 || file->content.now.size == 0) continue;
        content_write(&file->content, (size_t)where % file->content.now.size, &byte, 1);
        content_sync(&file->content);
    }
}

void disk_flip(struct disk *disk, const char *path, uint32_t bytes, struct rng *rng) {
    for (struct file *file = disk->directory; file; file = file->next) {
        if (strcmp(file->path, path) != 0 || file->content.now.size == 0) continue;
        for (uint32_t i = 0; i < bytes; i++) {
            const uint8_t bit = (uint8_t)(1u << rng_below(rng, 8));
            /* Half of them near the front, where the file says what it is. */
            size_t room = file->content.now.size;
            if (room > 4096 && rng_chance(rng, 500)) room = 4096;
            const size_t at = (size_t)rng_below(rng, room);
            const uint8_t changed = file->content.now.bytes[at] ^ bit;
            content_write(&file->content, at, &changed, 1);
        }
        content_sync(&file->content);
    }
}
