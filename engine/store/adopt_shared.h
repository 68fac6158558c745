/* Taking in rows of shared tables that no record says yet: those that a table held before it was
 * annotated, and those that a plain connection has inserted since. They have no clock. */
#ifndef WEFT_STORE_ADOPT_SHARED_H
#define WEFT_STORE_ADOPT_SHARED_H

#include "engine/runtime/port.h"
#include "engine/store/shared.h"

#define ADOPT_ROWS 1000u         /* of one record, and of one transaction */
#define ADOPT_BYTES (128u << 10) /* at which a record is closed */

/* Writes records of this device that create these rows, until there are none; nothing while this
 * device is no member of the library: then they wait. `wall` is the stamp of the wall clock: theirs
 * are no lower, and greater than the store's clock, which is raised. Call it while no actor runs.
 * After a failure, the rows of whole records have been taken in, and the others will be next time.
 * Thread: any; blocks on disk.
 * Errors: WEFT_SCHEMA (a constraint of the table refuses a row of its own: `why` says which),
 *   WEFT_CORRUPT (the log does not go on from here), WEFT_DISK_FULL, WEFT_IO … */
enum weft_status adopt_shared(struct store *store, const char *path, const char *vfs,
                              const struct identity *identity, uint64_t wall, struct pool *pool,
                              struct weft_error *why);

#endif
