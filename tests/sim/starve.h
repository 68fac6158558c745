/* The memory sweep: a workload is run once for each allocation of one device's engine, which fails,
 * alone or with all that follow. */
#ifndef SIM_STARVE_H
#define SIM_STARVE_H

#include "tests/sim/workload.h"

#define STARVE_LINES 8u
#define STARVE_TEXT 700u

struct starve_options {
    uint64_t every, offset; /* allocations n with n % every == offset are taken */
    uint32_t jobs;          /* processes at a time */
    bool trace;
    /* One only: */
    uint64_t point; /* 0: all that are taken */
    bool for_ever;
};

/* What came of one workload. Shared between processes while it runs. */
struct starve_result {
    _Atomic uint64_t allocations; /* of the act, when none fails */
    _Atomic uint64_t runs[2];     /* with one that failed; with that and all that followed */
    _Atomic uint64_t ended;       /* of them with an engine that stopped */
    _Atomic uint64_t failures, lines;
    char line[STARVE_LINES][STARVE_TEXT];
};

/* Runs a workload's allocations. `result`: fresh, in memory that processes share. */
void starve_run(const struct workload *workload, const struct starve_options *options,
                struct starve_result *result);

#endif
