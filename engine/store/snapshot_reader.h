/* The snapshot reader: a read-only connection that gives out all shared rows, chunk by chunk, for a
 * device that is behind what the shared log still holds.
 *
 *   cursor "" ─► chunk ─► cursor ─► chunk ─► … ─► last chunk
 *                  │
 *                  └ heads at that moment ┄┄► those of the first chunk are what the snapshot is of
 *
 * Each chunk is one short read transaction, so the write-ahead log can be reset between two, and
 * rows change between two. What that means for the taker (snapshot_taker.h):
 *   1. Every row with a stamp that the first chunk's heads cover (of an origin that they name, and
 *      not later than its hlc) is in some chunk, unless it was forgotten before the walk came to
 *      it: deleted, and every member holds the deletion. snapshot_walk.h says why none is missed.
 *   2. A row is as it was when its chunk was read, at the first chunk or later. Stamps that the
 *      first chunk's heads do not cover may be in it, and stamps that they cover may have been
 *      beaten since by such; these come with the log behind those heads. So the taker has what the
 *      first heads say when it also holds the log up to the heads of the last chunk.
 *   3. A record that waits in quarantine is not in the rows, and so not in the first chunk's heads
 *      either, nor is what comes behind it of its origin. Of that some may be in the rows: its time
 *      had come when it did. So the last chunk's heads name all that is held, and what they name
 *      may lie far ahead of any clock.
 * A device that is taking a snapshot itself gives none: its rows and its heads do not go together.
 * Not here: records about members, which are never forgotten, and travel as records. */
#ifndef WEFT_STORE_SNAPSHOT_READER_H
#define WEFT_STORE_SNAPSHOT_READER_H

#include "engine/store/shared.h"
#include "engine/wire/snapshot.h"

#define SNAPSHOT_BODIES 64u /* of one chunk */

struct snapshot_reader;

/* `self`, in this library, is the origin that this device writes as: a cursor is of use to nobody
 * else. Errors: as store_connect(). */
enum weft_status snapshot_reader_open(const char *path, const char *vfs,
                                      const struct models *models, const struct record_origin *self,
                                      const struct id *library, struct snapshot_reader **out,
                                      struct weft_error *why);
void snapshot_reader_close(struct snapshot_reader *reader);

/* A chunk; all in the arena. */
struct snapshot_chunk {
    struct shared_head *heads; /* of origins of which anything is in the rows, in no order; in the
                                * last of several chunks, of which anything is held */
    uint32_t head_count;
    /* That each head is its device's (wire/record.h); of the first and the last chunk. */
    struct bytes *proofs;
    struct bytes bodies[SNAPSHOT_BODIES]; /* sound: wire/snapshot.h */
    uint32_t body_count;                  /* may be 0 */
    struct bytes cursor;                  /* for the next chunk */
    bool last;                            /* there is none */
    bool lost; /* the cursor is of no use any more: begin anew; nothing was read */
};

/* Reads the chunk at a cursor, which is empty for the first, and else what a chunk gave: it may
 * come back from a peer, and nothing of it is believed. Ends before `bytes_max` bytes of bodies
 * would be passed; a single row may be larger, up to LIMIT_SNAPSHOT, above which it is split.
 * Errors: WEFT_PROTOCOL (no cursor), WEFT_CORRUPT, WEFT_NOT_UTF8 (a text that something else than
 *   weft has written), WEFT_LIMIT (likewise, a row that no record can have made), WEFT_IO,
 *   WEFT_NO_MEMORY. */
enum weft_status snapshot_chunk_read(struct snapshot_reader *reader, struct bytes cursor,
                                     size_t bytes_max, struct arena *arena,
                                     struct snapshot_chunk *out, struct weft_error *why);

#endif
