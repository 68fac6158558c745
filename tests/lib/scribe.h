/* A scribe: a process that does nothing but write, delete and report what became durable, until it
 * is killed or told to stop. test_kill.c starts three of them.
 *
 *      standard input     'q': write no more, report LEDGER_QUIET when all is everywhere
 *                         end of it: close
 *      standard output    struct ledger_record, one after the other */
#ifndef TESTS_LIB_SCRIBE_H
#define TESTS_LIB_SCRIBE_H

#include <stdint.h>

#define SCRIBES 3u

struct scribe_orders {
    const char *path;               /* of the library's file, which is a member's */
    unsigned number;                /* of this scribe, from 0 */
    const char *addresses[SCRIBES]; /* where each listens */
    const char *targets[SCRIBES];   /* ... and which device it is: "address#device" */
    uint32_t epoch;                 /* grows with every start of this scribe */
    uint32_t seed;
};

/* Returns the exit status. */
int scribe_run(const struct scribe_orders *orders);

#endif
