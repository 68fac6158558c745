/* What the writing and the reading half of the shared log have in common. Private to
 * writer_shared.c, shared_reader.c and engine/look*.c. */
#ifndef WEFT_STORE_SHARED_PRIVATE_H
#define WEFT_STORE_SHARED_PRIVATE_H

#include <sqlite3.h>

#include "engine/store/shared.h"

/* What a head is read from, in _weft_origin; other columns may follow. */
#define SHARED_HEAD_COLUMNS                                   \
    "device, incarnation, seq, hlc, hash, fork IS NOT NULL, " \
    "pruned, pruned_hlc"

/* Steps such a statement once and reads the head it gives; at the end `*row` is false. `path` is
 * for messages. On failure, and at the end, the statement has been reset.
 * Errors: WEFT_CORRUPT, and as store_fail(). */
enum weft_status shared_head_step(sqlite3_stmt *statement, const char *path, bool *row,
                                  struct shared_head *out, struct weft_error *why);

/* What is stored of an origin; id 0 when nothing is. */
struct shared_stored {
    int64_t id;
    uint64_t seq;
    uint8_t hash[RECORD_HASH];
    bool frozen;
    uint64_t pruned;
};
enum weft_status shared_stored(struct writer *writer, const struct record_origin *origin,
                               struct shared_stored *out, struct weft_error *why);
/* The same of an origin that is added if it is not there. */
enum weft_status shared_stored_add(struct writer *writer, const struct record_origin *origin,
                                   struct shared_stored *out, struct weft_error *why);
/* Makes a record its origin's head. */
enum weft_status shared_head_move(struct writer *writer, int64_t origin,
                                  const struct record *record, struct weft_error *why);

/* Steps a statement that gives one blob, of a snapshot that is being taken, and resets it. */
enum weft_status shared_taking_step(sqlite3_stmt *statement, const char *path, struct arena *arena,
                                    struct bytes *out, struct weft_error *why);

/* Copies a blob of exactly `size` bytes out of the current row; false if it is anything else. */
bool shared_column(sqlite3_stmt *statement, int column, void *out, size_t size);

/* The number of an origin in _weft_origin, to which it is added if it is not there. */
enum weft_status shared_origin_number(struct writer *writer, const struct record_origin *origin,
                                      uint32_t *number, struct weft_error *why);

#endif
