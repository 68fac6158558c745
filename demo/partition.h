/* The partition: one device is cut off, both sides change the same tags and the same links, the cut
 * heals, and all devices say the same again. */
#ifndef DEMO_PARTITION_H
#define DEMO_PARTITION_H

#include "demo/show.h"

/* After tagging_end(). `*healed`: all devices became equal; if not, the comparison says where. */
bool partition_run(struct show *show, bool *healed);

#endif
