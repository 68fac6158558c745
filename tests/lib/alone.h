/* One whole engine, alone: stepped by the test, its file on a disk in memory, its keys and its
 * sockets real. For tests of what a host may call, and of what may fail there.
 *
 *     alone_new(&alone);  alone_ok(&alone, alone_open(&alone));
 *     ...                 calls into alone.engine
 *     alone_run(&alone);  the engine does what it has to
 *     alone_end(&alone); */
#ifndef TESTS_LIB_ALONE_H
#define TESTS_LIB_ALONE_H

#include "engine/weft.h"
#include "tests/lib/scratch.h"
#include "tests/sim/disk.h"

/* Columns, in the order in which weft_put() takes them. */
enum { ALONE_NOTE_ID, ALONE_NOTE_DEVICE, ALONE_NOTE_BODY, ALONE_NOTE_COLUMNS };
enum { ALONE_TAG_ID, ALONE_TAG_NAME, ALONE_TAG_BY, ALONE_TAG_COLUMNS };

struct alone {
    char folder[SCRATCH_PATH];
    char path[SCRATCH_PATH + 16];
    struct disk *disk;
    unsigned files;       /* alone_another() */
    unsigned stamps;      /* how often the file was asked for its stamp */
    unsigned stamp_fails; /* the one of these that fails, or 0 */
    weft_engine *engine;
    struct weft_config config; /* of the next alone_open(); path and schema are filled in */
    /* Three tables that are owned, one that is shared and whose last column is @node. */
    int note, place, thing, tag;
    uint8_t device[WEFT_ID_SIZE];
    struct weft_error why;
};

void alone_new(struct alone *alone);
void alone_end(struct alone *alone);
/* Setup and teardown of cmocka: one with its engine open, in `*state`. */
int alone_setup(void **state);
int alone_teardown(void **state);
/* From now on it is about another file, which is not there yet. */
void alone_another(struct alone *alone);

/* Nothing here fails the test but alone_ok() and alone_run(). */
enum weft_status alone_open(struct alone *alone);
void alone_close(struct alone *alone);
/* Fails the test, printing `why`, unless `status` is WEFT_OK. */
void alone_ok(const struct alone *alone, enum weft_status status);
/* Steps the engine until nothing is left to do. */
void alone_run(struct alone *alone);

/* The id of row `number`; valid until the call after the next. */
struct weft_value alone_id(uint32_t number);
/* Puts a row, whose text (terminated) may be NULL. */
enum weft_status alone_put_note(struct alone *alone, weft_tx *tx, uint32_t number,
                                const char *body);
enum weft_status alone_put_tag(struct alone *alone, weft_tx *tx, uint32_t number, const char *name);
/* A transaction of one note, committed; its ticket. Fails the test if that cannot be done. */
uint64_t alone_commits(struct alone *alone, uint32_t number, const char *body);
/* The first column of the first row, as a number. */
int64_t alone_count(struct alone *alone, const char *sql);

#endif
