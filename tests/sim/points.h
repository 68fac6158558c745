/* Points: states that worlds must reach sometimes. A simulator that never reaches one does not test
 * what comes after it, however many seeds it runs. (FoundationDB calls them code probes, Antithesis
 * sometimes assertions.) */
#ifndef SIM_POINTS_H
#define SIM_POINTS_H

#include <stdint.h>

/* Name and meaning of each. */
#define POINT_LIST(X)                                                     \
    /* Shared rows, as the ledger sees them. */                           \
    X(RECORD, "record", "a transaction with a record")                    \
    X(SILENT, "silent", "a transaction that changed nothing")             \
    X(NOT_FOUND, "not-found", "one refused: no such row")                 \
    X(CONSTRAINT, "constraint", "one refused: a constraint of the table") \
    X(DENIED, "denied", "one refused: not a member")                      \
    X(UNANSWERED, "unanswered", "one found on a disk after a crash")      \
    X(BEATEN, "beaten", "something said that changed nothing")            \
    X(QUARANTINED, "quarantined", "a record that had to wait")            \
    X(RELEASED, "released", "a record whose time came")                   \
    X(BEHIND, "behind", "a row that stands behind another")               \
    X(REFUSED, "refused", "a row that a CHECK keeps out")                 \
    X(LOST, "lost", "a record that went with its disk")                   \
    X(EXTRA, "extra", "a row of which a column is missing")               \
    X(UPGRADED, "upgraded", "a file that the newer version takes")        \
    X(FORGOTTEN, "forgotten", "a horizon that rose")                      \
    X(SNAPSHOT, "snapshot", "a horizon that rose by a snapshot")          \
    X(AWAY, "away", "a horizon that rose past a member that is away")     \
    /* Faults that struck. */                                             \
    X(IO_ERROR, "io-error", "a read or write that failed")

enum point {
#define POINT_MEMBER(name, text, meaning) POINT_##name,
    POINT_LIST(POINT_MEMBER)
#undef POINT_MEMBER
        POINT_COUNT
};
extern const char *const point_names[POINT_COUNT];
extern const char *const point_meanings[POINT_COUNT];

/* How often each was reached in one world. */
struct points {
    uint64_t reached[POINT_COUNT];
};

#endif
