/* Whether the parts of one file agree: the log, the rows, their clocks, the device's clock, the
 * vector and the acknowledgements. By the file alone, and by the fold of its records (ledger.h). */
#ifndef SIM_AUDIT_H
#define SIM_AUDIT_H

#include "tests/sim/world.h"

/* Looks at a device that is up and attached (oracle.h), through the oracle's connection. */
bool audit_check(struct device *device);

#endif
