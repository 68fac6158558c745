/* The inside of the disk. Private to disk.c and disk_faults.c. */
#ifndef SIM_DISK_PRIVATE_H
#define SIM_DISK_PRIVATE_H

#include <sqlite3.h>

#include "tests/sim/disk.h"
#include "tests/sim/image.h"

#define PATH_MAX_BYTES 256u
#define SHM_REGIONS 64u

struct handle;

struct file {
    struct file *next; /* in the directory */
    char path[PATH_MAX_BYTES];
    bool linked;
    uint32_t users;
    struct content content;
    /* SQLite's five lock levels. */
    uint32_t shared;
    struct handle *reserved, *pending, *exclusive;
    /* The write-ahead log's shared memory. */
    uint8_t *region[SHM_REGIONS];
    uint32_t region_count, region_users;
    uint32_t shm_shared[SQLITE_SHM_NLOCK];
    struct handle *shm_exclusive[SQLITE_SHM_NLOCK];
};

struct io_fault {
    uint64_t in; /* operations until it strikes; 0: never */
    bool for_ever;
};

struct disk {
    sqlite3_vfs vfs;
    char name[64];
    struct rng rng;
    struct time_port time;
    struct file *directory, *backup;
    uint64_t boot;
    uint32_t handles;
    bool down, full;
    uint64_t crash_in; /* operations until it goes down by itself; 0: it does not */
    enum disk_survival crash_survival;
    uint64_t sync_fails_in; /* syncs until one fails; 0: none */
    bool sync_failed;
    struct io_fault io[DISK_IO_KINDS];
    bool io_failed, at_work;
    struct disk_counts counts;
    /* What is done to it is watched, and kept until it is synced; NULL: neither. */
    struct wreck *wreck;
    disk_watcher *watcher;
    void *context;
};

struct handle {
    sqlite3_file base;
    struct disk *disk;
    struct file *file;
    uint64_t boot;
    int level;
    bool read_only, delete_on_close, mapped;
    uint16_t shm_shared, shm_exclusive; /* one bit per lock */
};

void file_free(struct file *file);
/* Copies of all files, in their order. */
struct file *directory_copy(struct disk *disk, enum disk_survival survival);
/* Others take the place of all files. */
void directory_replace(struct disk *disk, struct file *files);
void disk_drop_backup(struct disk *disk);
/* Counts one operation; whether it fails. */
bool disk_io_fails(struct disk *disk, enum disk_io what);

#endif
