/* The bare side: the plainest honest program that does the same with SQLite alone.
 *
 * One connection, the same tables without the engine's columns and indexes, one prepared INSERT in
 * a loop, WAL with synchronous=FULL, and every setting that the engine gives its own connection. */
#ifndef WEFT_PERF_BARE_H
#define WEFT_PERF_BARE_H

#include "perf/bench.h"
#include "perf/workload.h"

struct bare {
    const struct workload *workload;
    const char *path; /* the database; must not exist */
    uint64_t rows;
    uint64_t rows_per_commit;
    bool latencies; /* measure each commit */
    /* For columns beyond the demo's, or NULL: what makes them, and ", one, two": two names, of
     * which the first is always 1 and the second counts the rows. */
    const char *sql, *names;
};

/* Opens a database with the settings of the bare side and the demo's tables. NULL, and the reason
 * in `side`, when it fails. */
struct sqlite3 *bare_open(const char *path, struct side *side);
/* A side_run: context is a struct bare. */
void bare_run(void *context, struct side *side);

/* FNV-1a over every column of `entry` that the workload knows, in the order of the ids, of a
 * database that nobody writes; 0 if it cannot be read or has other than `rows` rows. */
uint64_t bare_hash(const char *path, uint64_t rows);
/* The same over the rows of a SELECT. */
uint64_t bare_hash_of(const char *path, const char *sql, uint64_t rows);

#endif
