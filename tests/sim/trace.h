/* What --trace prints of a mail: one line, with the streams, places and answers in it. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "tests/sim/world.h"

/* What was submitted: operations as put, set or delete, and row. */
void trace_step(const struct step *step);
void trace_mail(const struct device *device, const struct edge *edge, const struct mail *mail);

#endif
