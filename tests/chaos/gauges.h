/* What a process and its files take, measured again and again, and whether it grows.
 *
 * The rule; the first quarter is the warm-up, a slope is that of the second half:
 *   heap          without what is named below: its slope is at most GAUGES_SLOPE_KIB a minute. This
 *                 is where a leak shows: there is nothing in it that should grow
 *   pools         take at most GAUGES_POOLS_KIB: 16 MiB of rows that were committed last, for peers
 *                 that are nearly there, and up to 8 MiB that each actor keeps after a burst
 *   SQLite's      memory, and the database: level, see below; they follow what waits for a peer
 *   resident      memory: level, and its slope is at most GAUGES_RESIDENT_KIB a minute, as pools
 *                 touch page after page of what they hold
 *   descriptors,  their slope is none: less than one in GAUGES_MINUTES minutes. A session more or
 *   threads       less for a moment does not move it
 *   the write-    never larger than twice the pages after which it is copied into the database
 *   ahead log
 * Level: the last quarter's maximum is at most 1.1 times that of the second, and GAUGES_SLACK_KIB.
 *
 * A slope is the median of those of all pairs of samples, which odd ones do not move: Theil,
 * "A rank-invariant method of linear and polynomial regression analysis", 1950; Sen, "Estimates of
 * the regression coefficient based on Kendall's tau", 1968. */
#ifndef TESTS_CHAOS_GAUGES_H
#define TESTS_CHAOS_GAUGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/chaos/ledger.h"

#define GAUGES_SLOPE_KIB 64.0
#define GAUGES_RESIDENT_KIB 1024.0
#define GAUGES_MINUTES 10.0
#define GAUGES_SLACK_KIB 4096.0
#define GAUGES_POOLS_KIB (80.0 * 1024)
#define GAUGES_WAL_KIB (2.0 * 4096 * 8216 / 1024)
#define GAUGES_SAMPLES_MIN 16u

/* All but descriptors and threads in KiB. */
enum gauge {
    GAUGE_HEAP,
    GAUGE_POOLS,
    GAUGE_SQLITE,
    GAUGE_RESIDENT,
    GAUGE_DESCRIPTORS,
    GAUGE_THREADS,
    GAUGE_WAL,
    GAUGE_DATABASE,
    GAUGES
};

extern const char *const gauge_names[GAUGES];

struct gauge_sample {
    int64_t at_ms;
    double value[GAUGES];
};

struct gauges {
    struct gauge_sample *samples;
    uint32_t count, room;
};

/* Measures a process and its file once; `memory` is what it says of its heap. False when it cannot
 * be done. */
bool gauges_take(struct gauges *gauges, int64_t at_ms, pid_t pid, const char *path,
                 const struct ledger_memory *memory);
void gauges_free(struct gauges *gauges);
/* What one was last; the most it was in the given quarter, 0 to 3. */
double gauges_last(const struct gauges *gauges, enum gauge gauge);
double gauges_most(const struct gauges *gauges, enum gauge gauge, unsigned quarter);
/* A minute's change in the second half, by Theil and Sen. */
double gauges_slope(const struct gauges *gauges, enum gauge gauge);
/* Whether nothing grows; `say` (of `cap` bytes) gets what does. */
bool gauges_flat(const struct gauges *gauges, char *say, size_t cap);

#endif
