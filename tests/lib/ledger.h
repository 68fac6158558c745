/* The ledger: what writers were told is durable, kept outside of any of them.
 *
 * A writer that may be killed at any moment sends records through a pipe; the test's process enters
 * them. What is in the ledger must be in every database in the end.
 *   - LEDGER_PUT, LEDGER_DELETED follow the answer WEFT_DURABLE: they are promises to be kept.
 *   - LEDGER_TRIED goes before a delete is committed: from then on the row may be gone. */
#ifndef TESTS_LIB_LEDGER_H
#define TESTS_LIB_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

enum ledger_kind {
    LEDGER_PUT = 1,
    LEDGER_TRIED,
    LEDGER_DELETED,
    LEDGER_READY, /* the writer is open and listens */
    LEDGER_QUIET  /* all that it wrote is durable on every other device */
};

/* Written with one write(); smaller than PIPE_BUF, so never in parts. */
struct ledger_record {
    uint64_t kind;
    int64_t generation; /* grows with every write of one device */
    uint8_t id[16];
};

struct ledger;

struct ledger *ledger_open(void);
void ledger_close(struct ledger *ledger);
/* Enters a promise. READY and QUIET are none, and change nothing. */
void ledger_enter(struct ledger *ledger, const struct ledger_record *record);
/* How many promises were entered. */
uint64_t ledger_count(const struct ledger *ledger);
/* Checks a database that nobody has open; prints what is missing. */
bool ledger_holds(struct ledger *ledger, const char *path);

#endif
