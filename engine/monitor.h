/* What an engine shows of itself by HTTP: weft_http_start_wait(). */
#ifndef WEFT_MONITOR_H
#define WEFT_MONITOR_H

#include "engine/host.h"

/* Why the engine cannot commit now, as a phrase; NULL: it can. Thread: any. */
const char *monitor_unready(const struct weft_engine *engine);

#endif
