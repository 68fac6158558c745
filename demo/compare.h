/* Comparing databases row by row: every synced table, application columns only. */
#ifndef DEMO_COMPARE_H
#define DEMO_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPARE_FILES_MAX 32u
#define COMPARE_SHOWN_MAX 10u /* differences that are told; all are counted */

struct compare_report {
    unsigned tables; /* synced tables compared */
    uint64_t rows;   /* rows compared, of the first database */
    uint64_t
        differences; /* rows that are missing somewhere or differ; tables that differ in shape */
};

/* Compares all synced tables (those that carry columns of the engine). Each difference is told as a
 * sentence, the first COMPARE_SHOWN_MAX of each table. True if the comparison could be made; then
 * report->differences says whether they are equal. False: `why` says what failed. */
struct compare_plan {
    const char *const *paths;
    unsigned count; /* 2 to COMPARE_FILES_MAX */
    void *context;
    void (*tell)(void *context, const char *sentence); /* may be NULL */
};
bool compare_run(const struct compare_plan *plan, struct compare_report *out, char *why,
                 size_t why_cap);

#endif
