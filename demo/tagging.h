/* Every device of the show tags files, its own and others', while the index is built and sent. */
#ifndef DEMO_TAGGING_H
#define DEMO_TAGGING_H

#include "demo/show.h"

/* Every device begins. */
bool tagging_begin(struct show *show);
/* What is due on device A; show_pump() calls it. `*timeout_ms` is cut to when it wants to be called
 * again. */
bool tagging_step(struct show *show, int *timeout_ms);
/* Rows of this model have come to A; -1: perhaps, of any. */
void tagging_look(struct show *show, int model);
/* Every device ends, and all that was tagged arrives everywhere. Says what it was. */
bool tagging_end(struct show *show);
/* Asks every device: show->tags is of A, the others' are in `children`. */
bool tagging_ask(struct show *show);

#endif
