/* Columns: cells are gathered, and printed when it is known how wide each column is. */
#ifndef CLI_GRID_H
#define CLI_GRID_H

#include <stdbool.h>
#include <stddef.h>

#define GRID_COLUMNS 10u

struct grid {
    unsigned columns;
    bool right[GRID_COLUMNS]; /* numbers stand at the right */
    char **cells;
    size_t count, room;
};

/* `heads` are the columns' names, blank between them; one that begins with '>' stands at the right.
 * A '_' in a name is printed as a blank. */
void grid_open(struct grid *grid, const char *heads);
/* Adds the next cell. */
void grid_cell(struct grid *grid, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and forgets it all; a grid without rows prints nothing. */
void grid_print(struct grid *grid);

#endif
