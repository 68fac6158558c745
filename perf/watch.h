/* Sees when a number that one device writes into a row can be read on another: what is told goes
 * through a pipe, so that the two may be processes of their own.
 *
 * The number only grows. It is looked for when a hook says that rows of its table have changed and
 * are durable, with a SELECT on a reading connection, as a host would. */
#ifndef WEFT_PERF_WATCH_H
#define WEFT_PERF_WATCH_H

#include <pthread.h>
#include <sqlite3.h>

#include "engine/base/bytes.h"
#include "engine/weft.h"
#include "perf/bench.h"

/* Seen last of all: whoever watched has nothing more to say. */
#define WATCH_END UINT64_MAX

struct sight {
    uint64_t number;
    double at; /* seconds of the clock of bench_now() */
};

struct watch {
    weft_engine *engine;
    sqlite3 *reader;
    sqlite3_stmt *select;
    int model;
    int out;              /* the pipe */
    pthread_mutex_t lock; /* of what follows: the hook's thread, and who opens */
    uint64_t last;
};

/* Watches rows of `model`: `sql` selects the number, by the id ?1. Tells at once what is there.
 * False, and the reason in `side`, when it fails. */
bool watch_open(struct watch *watch, weft_engine *engine, int model, const char *sql,
                const struct id *id, int out, struct side *side);
void watch_close(struct watch *watch);

/* Tells WATCH_END. */
void watch_end(int out);
/* Waits for what is told next; false when nothing comes, or nobody is left who could tell. */
bool watch_read(int in, struct sight *sight);

#endif
