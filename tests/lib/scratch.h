/* Scratch folders, and other processes that look at what is in them. For tests with real files. */
#ifndef TESTS_LIB_SCRATCH_H
#define TESTS_LIB_SCRATCH_H

#include <stdbool.h>

#define SCRATCH_PATH 256u
#define SCRATCH_FILES_MAX 32u

/* Makes an empty folder of its own; fails the test if that cannot be done. */
void scratch_make(char folder[SCRATCH_PATH]);
/* Removes it with all that is in it. */
void scratch_remove(const char *folder);
/* A port of the loopback address that nobody listens on, outside the range from which the system
 * takes ports for outgoing connections: one that dials a silent port of that range may be given
 * the very port it dials, and so meet itself. */
unsigned scratch_port(void);
/* Compares databases row by row with `engine_demo compare`, which prints the first differences. */
bool scratch_equal(const char *const *paths, unsigned count);

#endif
