/* A stress run as people see it: the table of its devices, and what came of it. */
#ifndef TESTS_CHAOS_STRESS_H
#define TESTS_CHAOS_STRESS_H

#include "tests/chaos/chaos.h"

struct stress_options {
    uint64_t seed;
    unsigned devices, degree, rows, edits, seconds;
    unsigned faults; /* of enum chaos_fault */
    bool json;
};

struct stress {
    struct chaos chaos;
    struct stress_options options;
    bool terminal;
    int64_t show_ms, rated_ms;      /* when the next table is due; when rates were taken last */
    uint64_t bytes_then[CREW_MAX];  /* ... and what had passed by then */
    double mib_per_s[CREW_MAX];     /* on the wire, both ways */
    double peak_mib[CREW_MAX];      /* resident, at most */
    double wal_peak_mib[CREW_MAX];  /* of the write-ahead log, at most */
    uint32_t lag_peak_ms[CREW_MAX]; /* at most */
    int64_t written_ms; /* how long it took until all rows were written; 0: they are not */
};

/* Whether every device has written all of its rows, and made all of its edits. */
bool stress_has_written(const struct stress *stress);
/* Takes what the devices have said, and shows it if it is time: a table that is drawn over the last
 * one on a terminal, else a line. */
void stress_show(struct stress *stress, const char *phase);
/* Below the table from now on. */
void stress_show_end(struct stress *stress);
/* What came of it, for people or as one JSON object. */
void stress_tell(const struct stress *stress, bool equal, bool interrupted);

#endif
