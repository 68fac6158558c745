/* A node: a process that opens a library, listens and dials, and does nothing but write and report
 * what it was promised, until it is killed or told to stop. weft_node.c is its program.
 *
 *      standard input     'q': write no more; LEDGER_QUIET when all is on every device
 *                         'v': read everything; LEDGER_VERIFIED when all devices hold the same
 *                         end of it: close
 *      standard output    struct ledger_record, one after the other */
#ifndef TESTS_CHAOS_NODE_H
#define TESTS_CHAOS_NODE_H

#include <stdint.h>

#include "engine/weft.h"
#include "tests/chaos/work.h"

#define NODE_PEERS_MAX 32u
/* Rows that everybody writes: pairs of twins. */
#define NODE_TWINS 4u
/* How long a condition may take to come true before a node gives up. */
#define NODE_PATIENCE_MS 120000

/* The tables: entry, mark, hot. */
extern const char node_schema[];

struct node_orders {
    const char *path;                  /* of the library's file, which is a member's */
    unsigned number;                   /* of this device, from 0 */
    uint32_t epoch;                    /* grows with every start of this device; below 2^20 */
    uint64_t seed;                     /* draws what is written */
    const char *listen;                /* an address */
    const char *peers[NODE_PEERS_MAX]; /* whom it dials: "address#device" */
    unsigned peer_count;
    unsigned rows_max;       /* own rows of each table, at most */
    unsigned pause_ms;       /* between two transactions */
    unsigned steady;         /* of a hundred writes so many change a row that is there */
    unsigned patience_ms;    /* for all to arrive everywhere; 0: NODE_PATIENCE_MS */
    struct work_orders work; /* if there is any, it is what the node does instead */
};

/* Writes the rows that everybody writes, as whoever founds a library does. */
enum weft_status node_seed_rows(weft_engine *engine, struct weft_error *why);

/* Returns the exit status. */
int node_run(const struct node_orders *orders);

#endif
