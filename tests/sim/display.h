/* What people see while many worlds run: one line, drawn again and again on a terminal, else one
 * every ten seconds; and each failure as it happens, with what replays it. */
#ifndef SIM_DISPLAY_H
#define SIM_DISPLAY_H

#include "tests/sim/tally.h"

struct display {
    bool line; /* the line is wanted at all */
    bool failures;
    const char *options; /* what the command that replays a seed says besides it */
    /* Private. */
    bool terminal;
    double begun_s, shown_s;
    uint64_t told; /* failures printed so far */
};

/* Fills in what is private. */
void display_begin(struct display *display);
/* Now and then: prints failures that are new, and the line when it is time. */
void display_turn(struct display *display, const struct tally *tally);
/* Prints failures that are new, and takes the line away. */
void display_end(struct display *display, const struct tally *tally);

/* Seconds since some moment; of the wall, which worlds do not know. */
double display_now_s(void);

#endif
