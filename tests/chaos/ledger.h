/* The ledger: what writers were told of their writes, kept outside of any of them.
 *
 * A writer that may be killed at any moment sends records through a pipe; the process that started
 * it enters them. A promise is what an answer of weft_wait() says: that a write is durable here, or
 * on another device too, or on all. Each is to be found wherever it was promised, at any moment,
 * and on every device in the end.
 *
 * There are rows that one device alone writes, owned and shared ones, and cells that all write. A
 * row's generation is the number of the write that made it what it is: generations of one device
 * grow with every write, and no two devices have the same. */
#ifndef TESTS_CHAOS_LEDGER_H
#define TESTS_CHAOS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/* Which device wrote it, which of its lives, the how manyth write of it. */
#define LEDGER_EPOCH_SHIFT 32
#define LEDGER_WRITER_SHIFT 52
static inline int64_t ledger_generation(unsigned writer, uint32_t epoch, uint32_t count) {
    return (int64_t)((uint64_t)(writer + 1) << LEDGER_WRITER_SHIFT |
                     (uint64_t)epoch << LEDGER_EPOCH_SHIFT | count);
}

enum ledger_kind {
    LEDGER_TRIED = 1, /* goes before a delete, or a write to a cell, is committed: from then on the
                         row may be gone, or the cell show this generation */
    LEDGER_PUT,       /* a promise: the row or cell has this generation */
    LEDGER_DELETED,   /* a promise: the row is gone */
    /* These are no promises, and change nothing here. */
    LEDGER_READY,   /* the writer is open and listens */
    LEDGER_SESSION, /* it has so many sessions now: `generation` */
    LEDGER_MEMORY,  /* what its heap holds: struct ledger_memory */
    LEDGER_WORK,    /* how far it is with its work: struct ledger_work */
    LEDGER_QUIET,   /* all that it wrote is durable on every device */
    LEDGER_VERIFIED /* it has read all its rows, and all other devices hold the same */
};

enum ledger_table { LEDGER_ENTRY, LEDGER_MARK, LEDGER_CELL };

/* Where a promise is to be found from now on. */
enum ledger_level { LEDGER_HERE = 1, LEDGER_ANOTHER, LEDGER_EVERYWHERE, LEDGER_LEVELS };

/* In bytes, all that is in use. */
struct ledger_memory {
    int64_t heap;  /* of the whole process */
    int64_t pools; /* ... for mails: in them, and kept for those to come */
    int64_t sqlite;
};

/* Of a node that works (work.h). Rows are those of entry; what is written is its own, durable. */
struct ledger_work {
    uint64_t written, held;
    uint64_t bytes; /* on the wire, both ways, in this life */
    uint32_t edits;
    uint32_t lag_ms; /* of the member furthest behind with what is written here */
    uint32_t resident_kib, peers;
};

/* Written with one write(); smaller than PIPE_BUF, so never in parts. */
struct ledger_record {
    uint8_t kind, table, level, unused[5];
    union {
        struct {
            int64_t generation;
            int64_t over; /* LEDGER_TRIED of a cell: the generation that its writer saw there */
            uint8_t id[16];
        };
        struct ledger_memory memory;
        struct ledger_work work;
    };
};

struct ledger;

/* NULL when there is no memory. */
struct ledger *ledger_open(void);
void ledger_close(struct ledger *ledger);
/* Enters what device `writer` said. */
void ledger_enter(struct ledger *ledger, unsigned writer, const struct ledger_record *record);
/* How many promises of a level were entered. */
uint64_t ledger_count(const struct ledger *ledger, enum ledger_level level);
/* Counts what a database lacks, and prints the first of it: of what device `writer` was promised at
 * any level, and of what others were promised at `level` and above. Nobody has it open. */
uint64_t ledger_lacks(struct ledger *ledger, const char *path, unsigned writer,
                      enum ledger_level level);
/* Counts, and prints the first of, the promises of LEDGER_ANOTHER that fewer than two of these
 * databases keep. */
uint64_t ledger_alone(struct ledger *ledger, const char *const *paths, unsigned count);

#endif
