/* A library without actors: a store, its writer and its reader, driven by hand. For the tests of
 * the store, which play the part of the log and of bulk themselves. */
#ifndef TESTS_LIB_LIBRARY_H
#define TESTS_LIB_LIBRARY_H

#include "engine/store/reader.h"
#include "engine/store/writer.h"
#include "tests/lib/scratch.h"

struct library {
    char path[SCRATCH_PATH + 64];
    struct pool *pool;
    struct store store;
    struct writer *writer;
    struct reader *reader;
    uint64_t clock;           /* versions handed out by library_version() */
    const struct id *devices; /* what the letter d of a run stands for; NULL: what b does */
    uint32_t device_count;
    struct weft_error why;
};

/* An id whose bytes are all `n`. */
struct id library_id(uint8_t n);
/* What store_open() is given in these tests: device `device`, the library of bytes 0x99. */
struct store_seed library_seed(const char *path, const char *schema, uint8_t device);

/* Opens or creates `folder`/`name` for device `device`; fails the test if that cannot be done. */
void library_open(struct library *library, const char *folder, const char *name, const char *schema,
                  uint8_t device);
void library_close(struct library *library);
/* Closes and opens again. */
void library_reopen(struct library *library, const char *schema, uint8_t device);

uint32_t library_model(const struct library *library, const char *table);
struct stream library_stream(const struct library *library, const struct id *owner,
                             const char *table);
/* The next version, raising the clock. */
uint64_t library_version(struct library *library);

/* Fails the test, printing `why`, unless `status` is WEFT_OK. */
void library_ok(const struct library *library, enum weft_status status);
/* Runs SQL on a connection of its own, as an application would. */
void library_sql(const struct library *library, const char *sql);
/* The text of the first column of the first row; "" when there is none. */
const char *library_ask(const struct library *library, const char *sql, char *out, size_t size);
int64_t library_count(const struct library *library, const char *sql);

/* ---- building runs */

struct run {
    struct arena arena;
    struct rows_builder builder;
    struct library *library;
};

void run_begin(struct run *run, struct library *library, const char *table);
void run_drop(struct run *run);
/* `format`: one letter per value: b blob of 16 equal bytes (int; -1: NULL), t terminated text
 * (NULL: NULL), i int64_t, n NULL, r double, d a device by its number (int). put takes every
 * column; delete the key; set the key, the name of a column and its value. Versions come from
 * library_version(). */
void run_put(struct run *run, const char *format, ...);
void run_delete(struct run *run, const char *format, ...);
void run_set(struct run *run, const char *format, ...);

/* Applies a run of own rows in a transaction of its own, moving the position. On failure it is
 * rolled back, `library->why` says why, and the status is returned. */
enum weft_status run_commit(struct run *run, struct writer_tally *tally);

/* Applies a run as one of another device's, in a transaction of its own, and moves the position to
 * rows->upto. Fails the test if that cannot be done. */
void library_receive(struct library *library, const struct id *owner, const Weft__Rows *rows,
                     struct writer_tally *tally);
/* The run as one that `owner` might send: after 0, up to its last version. */
void run_receive(struct run *run, struct library *library, uint8_t owner,
                 struct writer_tally *tally);

/* One stream on its way from one library to another. A sweep ends when it has passed the position
 * here and the horizon there; it begins anew when that horizon has moved since its first batch,
 * because what it was sent before may have gone since without a tombstone. */
struct pull {
    struct library *to, *from;
    struct stream stream; /* both libraries number their tables alike */
    bool sweeping;
    uint64_t cursor;  /* of the sweep */
    uint64_t horizon; /* of the sender at the sweep's first batch */
    unsigned sweeps;  /* how many were begun */
};

/* This library's position in a stream. */
uint64_t library_position(struct library *library, const struct stream *stream);
/* Moves one batch of at most so many rows and bytes; false when nothing was left to move. */
bool library_pull(struct pull *pull, uint32_t rows_max, size_t bytes_max);

#endif
