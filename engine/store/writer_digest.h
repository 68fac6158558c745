/* Digests as the writer keeps them: what a transaction does to them is summed up in memory and
 * written with its commit. Private to the store. Invariants
 *   1. What is kept in the file is what digest_scan() makes of it, in every committed state, unless
 *      somebody else wrote to the file.
 *   2. A rollback forgets what was summed up. */
#ifndef WEFT_STORE_WRITER_DIGEST_H
#define WEFT_STORE_WRITER_DIGEST_H

#include "engine/store/digest.h"
#include "engine/store/writer.h"

struct digest_work;

/* ---- owned rows. `version` 0: nothing, as of a row that is not there ---- */

/* The row that has the key in writer->values is now `version` where it was `before`. */
void digest_move(struct writer *writer, const struct model *model, uint32_t owner, uint64_t before,
                 uint64_t version);
/* The same of a row of a run. */
void digest_move_row(struct writer *writer, const struct model *model, uint32_t owner,
                     const Weft__Rows *rows, uint32_t row, uint64_t before);
/* The same of a key that stands in a statement's columns from `first` on. */
void digest_move_at(struct writer *writer, const struct model *model, uint32_t owner,
                    sqlite3_stmt *statement, int first, uint64_t before, uint64_t version);
/* What a table did cannot be followed: the stream's digest is worked out at the next open. */
void digest_lose(struct writer *writer, const struct model *model, uint32_t owner);

/* What the key in writer->values counts with: the greater version of the row in the table and of
 * the one that is parked; 0: neither is there. */
enum weft_status digest_counted(struct writer *writer, const struct model *model, uint32_t owner,
                                uint64_t *version, struct weft_error *why);
/* The greatest version that is parked of the key in writer->values; 0: none. */
enum weft_status digest_parked(struct writer *writer, const struct model *model, uint32_t owner,
                               uint64_t *version, struct weft_error *why);

/* ---- shared rows ---- */

struct shared_row;
/* The hash of a shared row as its clock says, 0 if it is not to be seen. */
enum weft_status digest_of_shared(struct writer *writer, const struct shared_row *row,
                                  uint64_t *hash, struct weft_error *why);
/* The row counts with what it is now, where it counted with row->counted. */
enum weft_status digest_move_shared(struct writer *writer, struct shared_row *row,
                                    struct weft_error *why);

/* ---- the file ---- */

/* Writes what was summed up, within the transaction. Errors: WEFT_NO_MEMORY, those of writing. */
enum weft_status digest_save(struct writer *writer, struct weft_error *why);
void digest_forget(struct writer *writer);
void digest_free(struct writer *writer);

#endif
