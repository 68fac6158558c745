/* Shared rows in the store: what a commit did to them, merged and written.
 *
 *   run of the host ─► compared with what is there ─► what has changed ─► CHANGE op (wire/change.h)
 *                                                          │                 │ in the record
 *                                                          ▼                 ▼
 *   op of a record ─► row: table's, or shadow's ─► crdt/merge ─► place ─► table, _weft_clock
 *                                                                  └────► _weft_shadow
 *
 * A row that is to be seen stands in its table, all others in the shadow, with those that the table
 * does not take (a constraint forbids them, a value has the wrong type, there is no such table) and
 * with fields for which the table has no column. What the shadow keeps is merged like the rest, and
 * is put in its place as soon as that can be.
 * Of rows that a UNIQUE constraint does not let stand together the one created first stands: so all
 * devices show the same one, whichever came to them first.
 * Works inside a transaction of the writer.
 * Invariants
 *   1. Table and shadow together follow from the set of ops applied, not from their order.
 *   2. No op is dropped: what cannot be shown is kept.
 *   3. Foreign keys are not looked at: what is referred to may come later.
 *   4. A row of the table that has no clock, because no record says it yet, is not touched by what
 *      others say: that waits in the shadow until the row is taken in. */
#ifndef WEFT_STORE_SHARED_ROW_H
#define WEFT_STORE_SHARED_ROW_H

#include "engine/crdt/merge.h"
#include "engine/store/shared.h"
#include "engine/wire/change.h"

/* What one call did, added to what is there. */
struct shared_row_tally {
    uint64_t written;   /* rows that are another than before */
    uint64_t unchanged; /* of the host: rows that were so already */
    uint64_t beaten;    /* writes that lost against another device's later one */
    uint64_t parked;    /* rows that went into the shadow because the table did not take them */
    uint64_t models;    /* bit by model id - 1: those with rows written */
};

/* The number of an origin in the file, which is added if it is not there. Errors: those of writing.
 */
enum weft_status shared_origin(struct writer *writer, const struct record_origin *origin,
                               uint32_t *number, struct weft_error *why);

/* Writes a run of the host (PUT, DELETE, SET; versions filled in) of a shared model, and lays what
 * has changed into the body of a CHANGE op in `arena`: empty when nothing has. A row's stamp is its
 * version; `hlc` is that of the record, the greatest of the transaction, and `origin` this device's
 * number, as shared_origin() has told it in this transaction. Rows that changed nothing become
 * ROW_NONE.
 * Errors: WEFT_NOT_FOUND (SET of a row that is not there), WEFT_CONSTRAINT, WEFT_LIMIT (more than
 *   a record may hold), WEFT_DISK_FULL, WEFT_IO …; `why` names table and key. The caller rolls
 *   back. */
enum weft_status shared_row_write(struct writer *writer, Weft__Rows *rows, uint64_t hlc,
                                  uint32_t origin, struct arena *arena, struct bytes *change,
                                  struct shared_row_tally *tally, struct weft_error *why);

/* The same for rows that stand in the table without a clock (PUTs of what stands there): they show
 * what they showed before, but that columns marked @node name this device. A row that the shadow
 * has as well, since others said it or it was deleted, is a put of that one. */
enum weft_status shared_row_adopt(struct writer *writer, Weft__Rows *rows, uint64_t hlc,
                                  uint32_t origin, struct arena *arena, struct bytes *change,
                                  struct shared_row_tally *tally, struct weft_error *why);

/* Applies the sound body of a CHANGE op of a record with this stamp and origin, whose number
 * shared_origin() has told in this transaction. `device` is the record's, for NODE. Errors:
 * WEFT_DISK_FULL, WEFT_IO …: nothing that the op says makes it fail. */
enum weft_status shared_row_apply(struct writer *writer, struct bytes change, uint64_t hlc,
                                  uint32_t origin, const struct id *device,
                                  struct shared_row_tally *tally, struct weft_error *why);

/* Tries to put every row of the shadow into its place, at open: a table or a column may have come,
 * or a constraint may have gone. */
enum weft_status shared_row_retry(struct writer *writer, struct shared_row_tally *tally,
                                  struct weft_error *why);

#endif
