/* The history of every row of every device: each version its owner gave it, and what it then was.
 */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "tests/sim/world.h"

struct past {
    uint64_t version;
    uint64_t digest; /* 0: deleted */
};

struct row_history {
    struct past *past; /* in version order */
    uint32_t count, room;
};

struct history {
    struct row_history row[DEVICES_MAX][ROWS];
    uint64_t head[DEVICES_MAX][TABLE_COUNT]; /* greatest version of each stream */
    uint64_t total;
};

/* Adds what a row became. False if the version is not greater than all before it. */
bool history_add(struct history *history, uint32_t device, uint32_t row, uint64_t version,
                 uint64_t digest);
/* What the row is now; version 0 when it has never been. */
struct past history_now(const struct history *history, uint32_t device, uint32_t row);
/* Whether the row ever was this. */
bool history_was(const struct history *history, uint32_t device, uint32_t row, uint64_t version,
                 uint64_t digest);
/* Whether the row ever had this version. */
bool history_had(const struct history *history, uint32_t device, uint32_t row, uint64_t version);
void history_free(struct history *history);

#define BESIDE_MAX (DEVICES_MAX * SAMPLES)

/* A row that waits beside its table. */
struct beside {
    uint32_t owner;
    enum table table;
    uint64_t version;
};

/* What one device's file holds. */
struct snapshot {
    uint64_t life, writes;              /* of its device, when all was read */
    uint64_t digest[DEVICES_MAX][ROWS]; /* 0: not there */
    uint64_t version[DEVICES_MAX][ROWS];
    uint64_t position[DEVICES_MAX][TABLE_COUNT];
    bool sweeps[DEVICES_MAX][TABLE_COUNT]; /* all of it is taken anew; not yet to its end */
    uint64_t buried[TABLE_COUNT]; /* the newest own tombstone, or beyond one that is forgotten */
    uint32_t beside_count;
    struct beside beside[BESIDE_MAX]; /* that the table does not take */
};

/* Reads all of it, through the device's own connection of the oracle, unless its disk
 * was not written to since `out` was read: then nothing was committed. Between turns of actors. */
bool snapshot_read(struct device *device, struct snapshot *out);
/* The positions only. */
bool snapshot_positions(struct device *device, struct snapshot *out);
/* Calls `visit` for every acknowledgement the device has stored. */
bool snapshot_acks(struct device *device, void *context,
                   bool (*visit)(void *context, uint32_t from, uint32_t owner, enum table table,
                                 uint64_t position));
/* Which devices the device takes for members. */
bool snapshot_members(struct device *device, bool members[DEVICES_MAX]);

/* How far the shared log of one incarnation of a device is held, and by what hash. */
struct head {
    uint64_t incarnation, seq;
    uint8_t hash[32];
};
/* Of one device, by increasing incarnation. */
struct heads {
    struct head head[INCARNATIONS];
    uint32_t count;
};
/* Reads the heads that the file has, by the device whose log it is. A fork is a failure, and so are
 * more incarnations of a device than disks of it were restored. */
bool snapshot_heads(struct device *device, struct heads heads[DEVICES_MAX]);
/* The head of an incarnation; NULL: nothing of it is held. */
const struct head *heads_seek(const struct heads *heads, uint64_t incarnation);
/* Which incarnation of the device the file is. */
bool snapshot_incarnation(struct device *device, uint64_t *out);
/* Calls `visit` for every acknowledgement of the shared log that the device has stored. */
bool snapshot_shared_acks(struct device *device, void *context,
                          bool (*visit)(void *context, uint32_t from, uint32_t of,
                                        const struct head *head));
/* What a file says of membership, each in one number. */
struct roster_digest {
    uint64_t members, pins, keys;
};
bool snapshot_roster(struct device *device, struct roster_digest *out);
/* Prepares the connection's statements. */
bool snapshot_begin(struct device *device);
void snapshot_end(struct device *device);

#endif
