/* What one device has: rows as a reader of the file sees them, bytes on the wire, memory. */
#ifndef DEMO_GAUGE_H
#define DEMO_GAUGE_H

#include <sqlite3.h>

#include "engine/weft.h"

struct figures {
    uint64_t rows; /* of the table of entries */
    uint64_t bytes_in, bytes_out;
    uint64_t memory_kb; /* resident */
    unsigned peers;     /* sessions that stand */
};

struct gauge {
    weft_engine *engine;
    sqlite3 *reader;
    sqlite3_stmt *count;
    uint64_t rows;
    int64_t next_us; /* when the rows are worth counting again */
};

/* Errors: as weft_open_reader(). On failure nothing is left open. */
enum weft_status gauge_open(struct gauge *gauge, weft_engine *engine, struct weft_error *why);
/* `exact`: count now. Otherwise rows are counted so seldom that it takes a twentieth of the time at
 * most, whatever the size of the table. */
enum weft_status gauge_read(struct gauge *gauge, bool exact, struct figures *out,
                            struct weft_error *why);
void gauge_close(struct gauge *gauge);

#endif
