/* A fleet: up to four real engines of one library, stepped by the test on one thread, over real
 * files and loopback sockets, by a clock that the test sets. Nothing sleeps: time passes when the
 * fleet turns.
 *
 *     fleet_open(&fleet);
 *     fleet_found(&fleet, 0);
 *     fleet_join(&fleet, 1, 0);
 *     fleet_meet(&fleet, 1, 0);
 *     fleet_note(&fleet, 0, "k", "title", 1);
 *     fleet_until(&fleet, fleet_level, &fleet);
 *
 * What cannot be done fails the test. */
#ifndef TESTS_LIB_FLEET_H
#define TESTS_LIB_FLEET_H

#include <sqlite3.h>

#include "engine/engine.h"
#include "tests/lib/scratch.h"

#define FLEET_SHIPS 4u

struct ship {
    struct fleet *fleet;
    weft_engine *engine;
    sqlite3 *reader;
    char path[SCRATCH_PATH + 32];
    char address[WEFT_ADDRESS_MAX];
    uint8_t device[WEFT_ID_SIZE];
    int note, wide, link;
    weft_tx *tx; /* fleet_begin() … fleet_commit() */
};

struct fleet {
    char folder[SCRATCH_PATH];
    struct ship ships[FLEET_SHIPS];
    struct instant now;
    uint64_t steps_ms; /* that time passes at most in one turn; 20 */
    /* Of engines opened from now on; 0: the defaults. */
    uint32_t log_records, chunk_bytes;
    uint64_t patience_ms;
};

void fleet_open(struct fleet *fleet);
void fleet_close(struct fleet *fleet);

/* Ship `n` founds the library, or comes into it by an invite of ship `of`: fleet_join() waits until
 * it knows of other members, fleet_come() does not. */
void fleet_found(struct fleet *fleet, unsigned n);
void fleet_come(struct fleet *fleet, unsigned n, unsigned of);
void fleet_join(struct fleet *fleet, unsigned n, unsigned of);
/* Closes it; as by a crash with `kill`. fleet_return() opens it again; it dials nobody then. */
void fleet_leave(struct fleet *fleet, unsigned n, bool kill);
void fleet_return(struct fleet *fleet, unsigned n);
/* Ship `n` dials ship `to` from now on, and a session stands. */
void fleet_meet(struct fleet *fleet, unsigned n, unsigned to);

/* Every engine turns once, and a little time passes. */
void fleet_turn(struct fleet *fleet);
/* Turns until the condition holds; fails the test when it does not come to. */
void fleet_until(struct fleet *fleet, bool (*holds)(struct fleet *fleet, void *context),
                 void *context);
/* So much time passes, in turns. */
void fleet_pass(struct fleet *fleet, uint64_t ms);

/* A transaction of a ship's. */
void fleet_begin(struct fleet *fleet, unsigned n);
void fleet_put_note(struct fleet *fleet, unsigned n, const char *id, const char *title,
                    int64_t number);
void fleet_put_wide(struct fleet *fleet, unsigned n, const char *id, const char *a, const char *b);
void fleet_put_link(struct fleet *fleet, unsigned n, const char *object, const char *to,
                    int64_t weight);
void fleet_delete(struct fleet *fleet, unsigned n, int model, const char *id);
void fleet_commit(struct fleet *fleet, unsigned n);
/* One note in a transaction of its own. */
void fleet_note(struct fleet *fleet, unsigned n, const char *id, const char *title, int64_t number);

int64_t fleet_number(struct fleet *fleet, unsigned n, const char *sql);
/* Whether two ships show the same rows. */
bool fleet_equal(struct fleet *fleet, unsigned a, unsigned b);
/* For fleet_until(): all ships that are there show the same rows, and hold the same heads. */
bool fleet_level(struct fleet *fleet, void *unused);

#endif
