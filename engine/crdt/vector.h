/* A version vector: what a device holds, as a map from stream to position.
 *
 * A stream is one owner's rows of one model. A position is a version: the device holds every row
 * and tombstone of the stream at or below it. Entries are kept sorted by (owner, model).
 * Invariants: 1. sorted, no duplicates. 2. vector_advance() never lowers a position.
 * Source: Parker et al., "Detection of Mutual Inconsistency in Distributed Systems", 1983. */
#ifndef WEFT_CRDT_VECTOR_H
#define WEFT_CRDT_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bytes.h"
#include "engine/weft.h"

struct stream {
    struct id owner;
    uint32_t model; /* the local number of the model: its id, from 1 */
};

/* As a place asked for: nothing, take the request back. */
#define STREAM_WITHDRAWN UINT64_MAX

struct vector_entry {
    struct stream stream;
    uint64_t position;
};

struct vector {
    struct vector_entry *entries;
    uint32_t count;
    uint32_t capacity;
};

enum vector_order { VECTOR_EQUAL, VECTOR_BEFORE, VECTOR_AFTER, VECTOR_CONCURRENT };

int stream_compare(const struct stream *a, const struct stream *b);
void vector_init(struct vector *vector);
void vector_free(struct vector *vector);
/* The position of a stream; 0 when there is no entry. */
uint64_t vector_get(const struct vector *vector, const struct stream *stream);
/* The entry of a stream or NULL. Valid until the vector changes. */
struct vector_entry *vector_find(const struct vector *vector, const struct stream *stream);
/* Raises a stream's position to at least `position`, adding it if needed. `*raised` (may be NULL)
 * says whether it rose. Errors: WEFT_NO_MEMORY, WEFT_LIMIT (LIMIT_STREAMS). */
enum weft_status vector_advance(struct vector *vector, const struct stream *stream,
                                uint64_t position, bool *raised);
/* Sets a position even if that lowers it: what a peer asked for, never what we hold.
 * Errors: as vector_advance(). */
enum weft_status vector_set(struct vector *vector, const struct stream *stream, uint64_t position);
/* Takes a stream out: nothing of it is held any more. */
void vector_drop(struct vector *vector, const struct stream *stream);
/* Entry-wise maximum into `into`; all of it or nothing. Errors: as vector_advance(). */
enum weft_status vector_merge(struct vector *into, const struct vector *from);
/* Room for all that a merge adds, so that it cannot fail. Errors: WEFT_NO_MEMORY. */
enum weft_status vector_make_room(struct vector *into, const struct vector *from);
/* The least position of a stream; a missing entry counts as 0, as do no vectors. For pruning. */
uint64_t vector_min(const struct vector *const *vectors, uint32_t count,
                    const struct stream *stream);
enum vector_order vector_compare(const struct vector *a, const struct vector *b);

#endif
