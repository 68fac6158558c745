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
void history_free(struct history *history);

/* What one device's file holds. */
struct snapshot {
    uint64_t digest[DEVICES_MAX][ROWS]; /* 0: not there */
    uint64_t version[DEVICES_MAX][ROWS];
    uint64_t position[DEVICES_MAX][TABLE_COUNT];
    uint64_t swept[DEVICES_MAX][TABLE_COUNT]; /* how far a sweep has come; 0: none */
    uint64_t buried[TABLE_COUNT];             /* the newest own tombstone */
};

/* Reads all of it, through the device's own connection of the oracle. */
bool snapshot_read(struct device *device, struct snapshot *out);
/* The positions only. */
bool snapshot_positions(struct device *device, struct snapshot *out);
/* Calls `visit` for every acknowledgement the device has stored. */
bool snapshot_acks(struct device *device, void *context,
                   bool (*visit)(void *context, uint32_t from, uint32_t owner, enum table table,
                                 uint64_t position));
/* Which devices the device takes for members. */
bool snapshot_members(struct device *device, bool members[DEVICES_MAX]);
/* Prepares the connection's statements. */
bool snapshot_begin(struct device *device);
void snapshot_end(struct device *device);

#endif
