/* A tagger: one device that makes tags and puts them on files that it sees, its own or others', at
 * an even and modest rate, and takes the time until it sees what the others tag.
 *
 *      tagger_open ─► tagger_start ─► tagger_step, tagger_look … ─► tagger_stop ─► … ─► close
 *
 * Never waits for the engine: what is refused as busy is tried again a little later. */
#ifndef DEMO_TAGGER_H
#define DEMO_TAGGER_H

#include <sqlite3.h>

#include "demo/tag.h"

/* A tagger that was stopped goes on until it has made so many transactions, so that a tree that is
 * indexed in no time is tagged all the same. */
#define TAGGER_LEAST 16u

struct tagger;

struct tagger_report {
    uint64_t tags, links;                /* that are in the tables, whoever made them */
    uint64_t records;                    /* in the shared log */
    uint64_t beaten;                     /* fields_beaten of the engine, since it was opened */
    uint64_t seen;                       /* links of other devices whose coming was timed */
    uint64_t p50_us, p99_us, longest_us; /* of their lags */
    bool behind;                         /* still tagging, or not all is on every device yet */
};

/* `reader` is the caller's and must stay until tagger_close(); so must `name`, the device's name.
 * On failure NULL, and `why` is filled. */
struct tagger *tagger_open(weft_engine *engine, sqlite3 *reader, const char *name,
                           struct weft_error *why);
void tagger_start(struct tagger *tagger);
void tagger_stop(struct tagger *tagger);
/* Does what is due now. `*due_ms` is when it wants to be called again, -1: not before
 * tagger_start(). Errors: those of the engine but WEFT_BUSY. */
enum weft_status tagger_step(struct tagger *tagger, int *due_ms, struct weft_error *why);
/* Looks what has come from others, after an event that says that links have changed. */
enum weft_status tagger_look(struct tagger *tagger, struct weft_error *why);
/* The model of those events. */
int tagger_model(const struct tagger *tagger);
enum weft_status tagger_report(struct tagger *tagger, struct tagger_report *out,
                               struct weft_error *why);
/* NULL is allowed. */
void tagger_close(struct tagger *tagger);

#endif
