/* The reader: a read-only connection that turns what lies after a position into rows.
 *
 * Owned by the bulk actor. Each call is its own short read transaction, so the write-ahead log can
 * be reset between two of them. */
#ifndef WEFT_STORE_READER_H
#define WEFT_STORE_READER_H

#include "engine/store/store.h"
#include "engine/wire/rows.h"

struct reader;

enum weft_status reader_open(const char *path, const char *vfs, uint32_t cache_bytes,
                             const struct models *models, struct reader **out,
                             struct weft_error *why);
void reader_close(struct reader *reader);

/* What lies in a stream after a position, as one run in version order. */
struct reader_batch {
    Weft__Rows *rows;  /* owner, model, after, upto, horizon, sweep set; count may be 0 */
    bool more;         /* rows or tombstones lie behind `upto` */
    bool sweep;        /* the place asked for lies below forgotten tombstones: begin anew from 0 */
    uint64_t position; /* this device's position in the stream, in the same read transaction */
};

/* Reads rows and tombstones of a stream with versions greater than `after`, at most up to this
 * device's own position, until `rows_max` rows or `bytes_max` bytes of cells. `upto` is the last
 * version read, or the position when nothing is left (`after` when that is greater). `sweep` says
 * that the asker is sweeping, and is copied to rows->sweep. If it is not, and `after` is not 0 and
 * lies below the stream's horizon, `out->sweep` is set and nothing is read: the asker must begin
 * anew from 0 with sweep.
 * Parked rows are read as if they stood in their table.
 * Errors: WEFT_IO, WEFT_CORRUPT, WEFT_NO_MEMORY. */
enum weft_status reader_after(struct reader *reader, const struct stream *stream, uint64_t after,
                              bool sweep, uint32_t rows_max, size_t bytes_max, struct arena *arena,
                              struct reader_batch *out, struct weft_error *why);
/* The same, but nothing behind `until`, which is greater than `after`: `upto` is at most that, and
 * `more` set if the position lies behind it. */
enum weft_status reader_between(struct reader *reader, const struct stream *stream, uint64_t after,
                                uint64_t until, bool sweep, uint32_t rows_max, size_t bytes_max,
                                struct arena *arena, struct reader_batch *out,
                                struct weft_error *why);

/* Hashes of rows (store/digest.h), one by one, by version. */
struct reader_visit {
    void *context;
    void (*row)(void *context, uint64_t version, uint64_t hash);
};
/* How far hashes were read, and where the stream stood then. */
struct reader_place {
    uint64_t upto;
    uint64_t position, horizon, settled;
};
/* Hashes rows of a stream in (after, upto], parked ones beside those that they stand before, until
 * `rows_max` rows or tombstones; none if the stream's position lies before `upto`.
 * Errors: WEFT_IO, WEFT_CORRUPT, WEFT_NO_MEMORY. */
enum weft_status reader_hashes(struct reader *reader, const struct stream *stream, uint64_t after,
                               uint64_t upto, uint32_t rows_max, const struct reader_visit *visit,
                               struct reader_place *out, struct weft_error *why);

/* Positions of all streams held. */
enum weft_status reader_positions(struct reader *reader, struct vector *out,
                                  struct weft_error *why);
/* The rules about what is taken, and the streams that are being cleared. */
struct subscriptions;
enum weft_status reader_subscriptions(struct reader *reader, struct subscriptions *out,
                                      struct vector *clearing, struct weft_error *why);
/* How far a sweep of a stream has come; `*active` false when none is under way. */
enum weft_status reader_sweeps(struct reader *reader, void *context,
                               void (*visit)(void *context, const struct stream *stream,
                                             uint64_t cursor),
                               struct weft_error *why);

#endif
