/* The live stages: real files in a scratch folder come, change and go, and each change is timed
 * from the moment it was made to the moment a reader on another device sees it. Then a rescan finds
 * what happened behind the indexer's back. */
#ifndef DEMO_LIVE_H
#define DEMO_LIVE_H

#include "demo/show.h"

/* NULL when memory is short. */
struct live *live_open(struct show *show);
/* Creates, changes and deletes files, indexing each at once; waits until all have arrived. */
bool live_run(struct live *live);
/* Changes files without indexing them, then rescans the folder. */
bool live_rescan(struct live *live);
/* A child saw a change. */
void live_seen(struct live *live, unsigned child, const struct watch_change *change, int64_t us);
/* Removes the scratch folder. NULL is allowed. */
void live_close(struct live *live);

#endif
