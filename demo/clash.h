/* What devices that cannot hear each other do to the same tags and the same links, and how much
 * their databases differ.
 *
 *      CLASH_EARLY  on this side of the cut    every other tag, a quarter of the links, some files
 *      CLASH_ALL    on the other side          every tag, half of the links, the same files
 *      CLASH_LATE   on this side again         the rest of the tags, the second of the quarters
 *
 * Done in this order, each of the two sides has the last word on one half of what both touched. */
#ifndef DEMO_CLASH_H
#define DEMO_CLASH_H

#include <sqlite3.h>

#include "demo/tag.h"

enum clash_round { CLASH_EARLY = 0, CLASH_LATE = 1, CLASH_ALL = 2 };

struct clash_report {
    uint64_t tags;     /* renamed and given another colour */
    uint64_t unlinked; /* links taken away */
    uint64_t linked;   /* ... and put, or put again */
};

/* Writes one round in one transaction and waits until it is on this device's disk. `name` is the
 * device's. Errors: those of the engine; WEFT_IO. */
enum weft_status clash_run(weft_engine *engine, sqlite3 *reader, const char *name,
                           enum clash_round round, struct clash_report *out,
                           struct weft_error *why);

/* Counts the tags whose name is the one that the device of this name gave them in a round; -1 when
 * reading failed. */
int64_t clash_kept(sqlite3 *reader, const char *name);

/* Counts the tags and links that are not the same in two databases of one machine. On failure
 * false, and a sentence in `why`. */
bool clash_differ(const char *db, const char *other, uint64_t *out, char *why, size_t why_cap);

#endif
