/* A rescan: every file of a folder is looked at and written; what is not found is deleted by the
 * engine. */
#ifndef DEMO_RESCAN_H
#define DEMO_RESCAN_H

#include "demo/show.h"

struct rescan_report {
    uint64_t looked;    /* files found */
    uint64_t written;   /* rows and deletions that the engine wrote */
    uint64_t unchanged; /* rows that were as they stood, and so are not sent */
};

/* Rescans a flat folder into its location; waits until the outcome is durable on every device. */
bool rescan_run(struct show *show, int directory, const uint8_t location[16],
                struct rescan_report *out);

#endif
