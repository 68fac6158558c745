/* What a node of weft_stress does: it indexes rows of its own as fast as it can, edits rows that
 * all edit at a steady pace, and says how far it is.
 *
 *      work_turn:  [rows left] ─► a transaction of WORK_ROWS rows ──┐
 *                  [edits due] ─► a transaction of one edit ────────┴─► ring of open tickets
 *      work_told:  what of it is durable, what is held, lag, bytes, memory, sessions
 *
 * Invariants
 *   1. What is said to be written is durable here: a later life of this device has as much.
 *   2. Rows are numbered from 0 without a gap, over all lives. */
#ifndef TESTS_CHAOS_WORK_H
#define TESTS_CHAOS_WORK_H

#include "engine/weft.h"
#include "tests/chaos/ledger.h"

/* Rows that all edit; a library is founded with them. */
#define WORK_SHARED 64u

struct work_orders {
    unsigned rows;         /* own ones, over all lives; 0, and no edits: there is no such work */
    unsigned edits;        /* over all lives */
    unsigned edited;       /* ... that were made in earlier ones */
    unsigned seconds;      /* over which edits are spread; 0: one after the other */
    int64_t begun_ms;      /* when the run began, by tell_now_ms() */
    uint64_t seed, number; /* draw what is edited */
};

struct work;

/* The rows that all edit. */
enum weft_status work_seed_rows(weft_tx *tx, weft_engine *engine);
/* `orders` stays the caller's and must outlive the work. Ends the process when it cannot be done;
 * so do all others. */
struct work *work_open(const struct work_orders *orders, weft_engine *engine);
void work_close(struct work *work);
/* Writes what is due; a short while at most. False if there is nothing to do now. */
bool work_turn(struct work *work);
/* Waits until all is durable, and makes a last edit, of which it returns the ticket. */
uint64_t work_finish(struct work *work);
/* How far it is. `exact`: rows are counted now, not a while ago. */
void work_told(struct work *work, bool exact, struct ledger_work *out);

#endif
