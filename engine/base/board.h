/* The board: figures that one actor writes and the host reads without asking.
 *
 * Every cell has one writing actor; all are relaxed atomics, so a reader sees each figure whole but
 * not all of one moment. Little on the board decides anything: `position` and `members`, which
 * weft_wait() reads, are stored with release after the acknowledgement, or the commit, that they
 * tell of; and actors ask who is seated, so that what a peer says of devices that nobody knows
 * takes no room. */
#ifndef WEFT_BASE_BOARD_H
#define WEFT_BASE_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bytes.h"
#include "engine/base/histogram.h"
#include "engine/base/limits.h"
#include "engine/base/pace.h"

/* Name and writer of every engine-wide counter. */
#define BOARD_COUNTERS(X)  \
    X(commits)             \
    X(commits_failed)      \
    X(syncs)               \
    X(rows_local)          \
    X(rows_remote)         \
    X(rows_unchanged)      \
    X(rows_parked)         \
    X(fields_beaten)       \
    X(tombstones_pruned)   \
    X(records_pruned)      \
    X(batches_encoded)     \
    X(batches_shared)      \
    X(batches_decoded)     \
    X(batches_from_memory) \
    X(batches_from_disk)   \
    X(digests_compared)    \
    X(digests_differ)      \
    X(digests_repaired)    \
    X(events_lost)

/* What log measures how long it takes: see struct weft_metrics. */
#define BOARD_SPANS(X) X(commit) X(sync) X(checkpoint) X(ticket) X(replicate) X(arrive)

/* What a device is to the library. */
enum board_member { BOARD_HEARD = 0, BOARD_MEMBER = 1, BOARD_REMOVED = 2 };

struct board_seat {         /* another device; device and name are fixed once it is counted */
    _Atomic uint32_t state; /* enum board_member; stored with release */
    _Atomic uint32_t away;  /* 1: it has been silent for long */
    _Atomic uint64_t device[2];
    _Atomic uint64_t name[8]; /* 64 bytes, zero behind it */
};

struct board_bound {            /* bytes per second of a device's sessions; written by the host */
    _Atomic uint64_t device[2]; /* zero: free */
    _Atomic uint64_t up, down;
};

/* How far a member is behind with what this device wrote; written by log. */
struct board_lag {
    _Atomic uint64_t since_us; /* the oldest commit it may lack was made then; 0: it has all */
    _Atomic uint64_t rows;     /* of `rows_written`, it is known to hold so many, if */
    _Atomic uint32_t known;    /* ... it has once held all since the start */
};

struct board_peer {         /* written by that peer's actor */
    _Atomic uint32_t state; /* enum weft_peer_state */
    _Atomic uint32_t used;  /* 1 once the slot was ever used */
    _Atomic uint64_t device[2];
    _Atomic uint64_t bytes_in, bytes_out, rows_in, rows_out, sessions, failures;
    struct pace up, down; /* of this session alone; taken by its actor */
    /* The newest call of weft_sync_now_wait() that this session has come to the end of: for rows,
     * written by bulk, and for the shared log, by share. Stored with release. */
    _Atomic uint64_t synced_rows, synced_shared;
};

struct board {
#define BOARD_COUNTER_MEMBER(name) _Atomic uint64_t name;
    BOARD_COUNTERS(BOARD_COUNTER_MEMBER)
#undef BOARD_COUNTER_MEMBER
    atomic_size_t pool_bytes; /* every pool */
    /* Written by log. */
    _Atomic uint32_t member_count; /* other devices: rows of `members` and `position` in use */
    struct board_seat members[LIMIT_ROSTER];
    /* What member m holds durably of this device's rows of model id i+1: a version. */
    _Atomic uint64_t position[LIMIT_ROSTER][LIMIT_MODELS];
    /* ... and which of these models it leaves out: bits by model id - 1. */
    _Atomic uint64_t skips[LIMIT_ROSTER];
    /* ... and of its shared log in this incarnation: a record's number. */
    _Atomic uint64_t shared[LIMIT_ROSTER];
    _Atomic uint64_t self_name[8];
    _Atomic uint32_t self_state; /* enum board_member: whether this device is one */
    /* Figures that log writes. */
#define BOARD_SPAN_MEMBER(name) struct histogram name##_us;
    BOARD_SPANS(BOARD_SPAN_MEMBER)
#undef BOARD_SPAN_MEMBER
    struct board_lag lag[LIMIT_ROSTER];
    _Atomic uint64_t rows_written;   /* owned rows and tombstones of this device, committed */
    _Atomic uint64_t shared_written; /* its last record in the shared log */
    _Atomic uint64_t log_records;    /* of the shared log that are held and can be forgotten */
    _Atomic uint64_t log_pages;      /* of the write-ahead log, after the last commit */
    _Atomic uint64_t groups_failed;  /* SQLite commits that could not be made */
    _Atomic int32_t commit_status;   /* enum weft_status: what became of the last */
    _Atomic uint32_t copy_failed; /* 1: the copier met a failed sync: the file must be left alone */
    /* Hooks. Log writes these: groups of commits of which the hooks were told nothing, in which
     * of them a model was, and the last serial given out. */
    _Atomic uint64_t hooks_lost; /* stored with release, after the next */
    _Atomic uint64_t hooks_lost_at[LIMIT_MODELS];
    _Atomic uint64_t hooks_serial;
    /* ... and the host these: whether there are any, and what they are done with. */
    _Atomic uint32_t hooks_wanted;
    _Atomic uint64_t hooks_mails, hooks_bytes; /* stored with release */
    /* Bytes per second of all sessions, set by the host and taken by each peer; those of single
     * devices; and whether rows of owners are neither sent nor asked for. */
    struct pace up, down;
    struct board_bound bounds[LIMIT_BOUNDS];
    _Atomic uint32_t metered;
    _Atomic uint32_t log_level; /* enum weft_log_level: what less matters is not made. The host's */
    _Atomic uint64_t log_lost;  /* entries of the log that found no room. The host's */
    _Atomic uint32_t syncing;   /* calls of weft_sync_now_wait() under way; written by the host */
    /* Written by each peer. */
    _Atomic uint32_t live; /* sessions that stand */
    uint32_t peer_count;
    struct board_peer *peers; /* peer_count of them */
};

/* Whether a device, not this one, is or was a member, or is known to be about to. A device that is
 * seated stays so. Thread: any. */
bool board_seated(const struct board *board, const struct id *device);

/* Allocates a zeroed board for `peers` session slots; NULL when out of memory. */
struct board *board_open(uint32_t peers);
void board_close(struct board *board);

#define board_add(cell, n) atomic_fetch_add_explicit(&(cell), (n), memory_order_relaxed)
#define board_set(cell, v) atomic_store_explicit(&(cell), (v), memory_order_relaxed)
#define board_get(cell) atomic_load_explicit(&(cell), memory_order_relaxed)

#endif
