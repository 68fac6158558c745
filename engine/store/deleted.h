/* Forgetting deletions of shared rows. What the shadow keeps of a row that is deleted, or not
 * created yet, is there so that what comes late finds it; when nothing can come late any more it
 * goes. Works inside a transaction of the writer. When that is: actors/log_prune.c. */
#ifndef WEFT_STORE_DELETED_H
#define WEFT_STORE_DELETED_H

#include "engine/store/packed.h"
#include "engine/store/shared_row.h"

/* Where a walk over them stands: greatest stamp, table, key. All zero: at its beginning. */
struct deleted_place {
    uint64_t hlc;
    struct packed table, key;
};
void deleted_place_free(struct deleted_place *place);

/* Up to which stamp of an origin all members hold what was said. */
struct deleted_cut {
    struct record_origin origin;
    uint64_t hlc;
};

struct deleted_tally {
    uint32_t looked, forgotten;
};

/* Looks at the next `limit` rows at most and forgets those all of whose stamps are covered by the
 * cuts (in order of origins). A row that can be created again with less than all its columns
 * (@relation, @shared(create: atomic), and those of tables that this file has not) stays while a
 * write that came after its deletion would then show. `*more`: call again.
 * Errors: WEFT_CORRUPT, those of reading and writing. */
enum weft_status deleted_forget(struct writer *writer, struct deleted_place *place,
                                const struct deleted_cut *cuts, uint32_t cut_count, uint32_t limit,
                                struct deleted_tally *tally, bool *more, struct weft_error *why);

#endif
