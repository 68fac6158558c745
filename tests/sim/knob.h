/* Knobs: what a plan decides, by name, as numbers: to be set on the command line, printed, and
 * turned down one by one by what shrinks a failing plan. A knob of several devices has one number
 * for each. Times are in milliseconds where the name ends with _ms. */
#ifndef SIM_KNOB_H
#define SIM_KNOB_H

#include <stdio.h>

#include "tests/sim/plan.h"

#define KNOB_ALL UINT32_MAX
#define KNOB_TEXT 64u

struct knob {
    const char *name, *meaning;
    uint32_t kind; /* knob.c's */
    size_t offset, stride;
    uint32_t count; /* numbers; 1, NET_DEVICES, or NET_DEVICES * NET_DEVICES */
    uint32_t unit;  /* of the field, in one of the knob's */
    bool choice;    /* `plain` is the simplest value there is */
    int64_t plain;
};

uint32_t knob_count(void);
/* The i-th of them. */
struct knob knob_at(uint32_t i);
/* False: there is none of this name. */
bool knob_find(const char *name, struct knob *out);

int64_t knob_get(const struct plan *plan, const struct knob *knob, uint32_t at);
/* `at` KNOB_ALL: each of them. The plan may need knobs_mend(). */
void knob_set(struct plan *plan, const struct knob *knob, uint32_t at, int64_t value);
/* Whether all have this value, for the devices there are. */
bool knob_is(const struct plan *plan, const struct knob *knob, int64_t value);

/* Makes one plan of it again: a guest, a victim or a fault that has become impossible goes. */
void knobs_mend(struct plan *plan);
/* "name=value" or "name.device=value". Errors: false, with a sentence in `why`. */
bool knobs_read(struct plan *plan, const char *text, char why[KNOB_TEXT * 2]);
/* Everything, a line each. */
void knobs_print(const struct plan *plan, FILE *out);
/* What must be set to make one of the other, as " --set name=value ...". */
void knobs_print_changes(const struct plan *from, const struct plan *to, FILE *out);
/* The plan in words: one line. */
void knobs_describe(const struct plan *plan, FILE *out);

#endif
