/* The crash sweep: a workload is run once for each moment at which its disk can go down, and for
 * each thing that a power cut can leave of it. */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include "tests/sim/workload.h"

#define SWEEP_LINES 8u
#define SWEEP_TEXT 700u

struct sweep_options {
    uint64_t every, offset; /* points p with p % every == offset are taken */
    uint64_t again_every;   /* of so many crashes one is followed by others during the reopening */
    uint32_t jobs;          /* processes at a time */
    bool full;              /* every kind at every operation */
    bool live;              /* a count on stderr */
    bool trace;
    /* One crash only: */
    uint64_t point; /* 0: all that are taken */
    enum wreck_kind kind;
    uint64_t again; /* in the reopening; 0: none */
    enum wreck_kind again_kind;
};

/* What came of one workload. Shared between processes while it runs. */
struct sweep_result {
    _Atomic uint64_t operations[DISK_OPERATIONS]; /* of the act, without a crash */
    _Atomic uint64_t points;                      /* of them taken */
    _Atomic uint64_t crashes[WRECK_KINDS];
    _Atomic uint64_t same;   /* not made: they leave what another crash of the same turn leaves */
    _Atomic uint64_t again;  /* crashes while the file is opened after a crash */
    _Atomic uint64_t opened; /* files, after a crash */
    _Atomic uint64_t refused, failures;
    _Atomic uint64_t lines;
    char line[SWEEP_LINES][SWEEP_TEXT]; /* the first that were refused or failed */
    double seconds;
};

/* Runs a workload's crashes. `result`: fresh, in memory that processes share. */
void sweep_run(const struct workload *workload, const struct sweep_options *options,
               struct sweep_result *result);

#endif
