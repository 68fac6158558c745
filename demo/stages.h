/* The stages of the show, in order. */
#ifndef DEMO_STAGES_H
#define DEMO_STAGES_H

#include "demo/show.h"

/* Indexing and tagging, partition, live changes, rescan, comparison. Returns an enum
 * exit_status. */
int stages_run(struct show *show);

#endif
