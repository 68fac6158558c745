/* Indexing a tree: walkers find files, each writes what it found in transactions of its own.
 *
 *      walk.c ──file──► walker thread ──1,000 rows──► weft_commit_wait() ──► engine
 *
 * The threads only ever wait for the engine's door, never for the network. */
#ifndef DEMO_INDEX_H
#define DEMO_INDEX_H

#include "demo/entry.h"
#include "demo/walk.h"

#define INDEX_WALKERS_MAX 32u
#define INDEX_TICKETS 32u /* transactions of one walker on their way */

struct index;

struct index_plan {
    weft_engine *engine;
    const struct entry_models *models;
    const char *path;
    const struct stat *skip; /* a folder not to enter, or NULL */
    unsigned walkers;
    uint64_t limit; /* rows at most; 0: all */
};

struct index_report {
    struct walk_report walk;
    uint64_t put;              /* rows handed to the engine in committed transactions */
    uint64_t escaped;          /* ... whose names are not UTF-8 */
    bool done;                 /* every walker has returned */
    struct weft_error failure; /* status WEFT_OK when nothing failed */
};

/* Starts the walkers. The plan's pointers must stay until index_close(). On failure NULL, and a
 * sentence in `why`. */
struct index *index_open(const struct index_plan *plan, char *why, size_t why_cap);
/* Thread: any. */
void index_report(struct index *index, struct index_report *out);
/* The tickets of all transactions that may still be on their way; returns how many. Only once
 * report.done. A ticket that is not among them was waited for already. */
unsigned index_tickets(const struct index *index, uint64_t out[INDEX_WALKERS_MAX * INDEX_TICKETS]);
/* Ends the walk if it still runs, and waits for the walkers. NULL is allowed. */
void index_close(struct index *index);

#endif
