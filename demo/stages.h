/* The stages of the show, in order. */
#ifndef DEMO_STAGES_H
#define DEMO_STAGES_H

#include "demo/show.h"

/* Indexing, live changes, rescan, comparison; returns an enum exit_status. */
int stages_run(struct show *show);

#endif
