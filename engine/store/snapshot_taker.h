/* Taking a snapshot: all shared rows of a source that holds what its first chunk's heads say, put
 * in the place of what this device has of them.
 *
 *   taker_new(heads of the first chunk)
 *      ├─► snapshot_forget()  what an earlier one has marked, until nothing is left
 *      ├─► snapshot_merge()   body by body, in any order, as often as it comes; marks rows as seen
 *      ├─► snapshot_sweep()   after the last chunk, until nothing is left
 *      └─► the caller raises its own heads to the taker's, with the last slice of the sweep
 *
 * A stamp is covered if the heads name its origin with an hlc at or above it: then the source held
 * the record that made it when the snapshot began. Of what is covered the source is right: it has
 * it, or something later, or it was deleted and every member has long held the deletion, so that
 * nobody keeps a tombstone of it. Hence
 *   - a covered stamp of a row here that the source does not have goes, with its value: from a row
 *     that the snapshot names when that is merged, from any other in the sweep;
 *   - one that is not covered stays if it is here, and is not taken from the source: its record
 *     comes with the log behind the heads. So what is here is always what some heads say, and
 *     nothing is here whose record could be lost with the source.
 *   - one that is later than what this device holds of its origin has come with a snapshot that was
 *     given up, and no record of it is here or will come: it goes as if it was covered, if the
 *     heads name its origin, or its device has been removed (snapshot_own()).
 * Everything else is crdt/merge.h.
 * What the caller sees to
 *   1. Heads and bodies are one source's; the heads' devices are members, or were; a body is sound,
 *      and its newest stamp not ahead of the clock.
 *   2. Nobody forgets tombstones here from the first merge to the end: a row that was deleted
 *      meanwhile could come back.
 *   3. A row that changed at the source while it was read is whole when the log up to the heads of
 *      the last chunk has been applied here too. If that cannot be had any more, because the source
 *      is gone, another snapshot is taken.
 * Works inside a transaction of the writer. A taker lives across transactions. */
#ifndef WEFT_STORE_SNAPSHOT_TAKER_H
#define WEFT_STORE_SNAPSHOT_TAKER_H

#include "engine/store/shared_row.h"
#include "engine/wire/snapshot.h"

struct snapshot_taker;

/* Heads are copied; those of seq 0 say nothing. Errors: WEFT_NO_MEMORY, WEFT_LIMIT
 * (LIMIT_ORIGINS). */
enum weft_status snapshot_taker_new(const struct shared_head *heads, uint32_t count,
                                    struct snapshot_taker **out, struct weft_error *why);
void snapshot_taker_free(struct snapshot_taker *taker);

/* Nothing is taken away from here on: what the source has counts beside what is here. The sweep is
 * left out. For a repair, when either may have lost something. */
void snapshot_unite(struct snapshot_taker *taker);
/* What this device holds itself, and who was removed: for the next merge or slice of the sweep.
 * Copied. Without it nothing is taken for the remains of another snapshot. Errors:
 * WEFT_NO_MEMORY. */
enum weft_status snapshot_own(struct snapshot_taker *taker, const struct shared_head *heads,
                              uint32_t count, const struct id *removed, uint32_t removed_count,
                              struct weft_error *why);
/* Forgets up to `limit` rows that were seen. Errors, here and below: those of reading and writing.
 */
enum weft_status snapshot_forget(struct writer *writer, uint32_t limit, bool *more,
                                 struct weft_error *why);
/* Merges a sound body, and marks its rows as seen. */
enum weft_status snapshot_merge(struct writer *writer, struct snapshot_taker *taker,
                                struct bytes body, struct shared_row_tally *tally,
                                struct weft_error *why);
/* Looks at up to `limit` rows, and takes what is covered from those that were not seen; a row of
 * which nothing is left is removed. `*more`: call again, in this transaction or a later one; what
 * is written in between is not overlooked. */
enum weft_status snapshot_sweep(struct writer *writer, struct snapshot_taker *taker, uint32_t limit,
                                bool *more, struct shared_row_tally *tally, struct weft_error *why);
/* Begins the sweep anew, as it must after a rollback. */
void snapshot_rewind(struct snapshot_taker *taker);

#endif
