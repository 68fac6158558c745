/* Watching one location through plain SQL: what came, changed or went since the last look. */
#ifndef DEMO_WATCH_H
#define DEMO_WATCH_H

#include <sqlite3.h>

#include "engine/weft.h"

struct watch;

struct watch_change {
    uint8_t id[16];
    int64_t size; /* the file's size as the row says it */
    bool gone;
};

/* Watches the entries of `location` in a reader's connection, which stays the caller's.
 * NULL when the query cannot be prepared or memory is short. */
struct watch *watch_open(sqlite3 *reader, const uint8_t location[16]);
/* Looks, and calls `seen` for each difference to the last look. False when reading failed. */
bool watch_look(struct watch *watch, void *context,
                void (*seen)(void *context, const struct watch_change *change));
void watch_close(struct watch *watch);

#endif
