/* Options of one command: a table of them, and what is no option. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

#define OPTIONS_LIST 8u
#define OPTIONS_REST 10u

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

struct option_list {
    const char *items[OPTIONS_LIST];
    unsigned count;
};

/* `place` is a bool, a const char *, a uint64_t or a struct option_list. */
struct option {
    const char *name;
    enum option_kind kind;
    void *place;
    uint64_t least, most; /* OPTION_NUMBER */
};

/* What is no option, between `least` and `most` of them. */
struct option_rest {
    unsigned least, most;
    const char *items[OPTIONS_REST];
    unsigned count;
};

#define OPTIONS_GO (-1)

/* Reads a command line. `options` is ended by one without a name. A `--` ends options. Returns
 * OPTIONS_GO, or the status to exit with: help was asked for, or something is not understood; both
 * have been said then. */
int options_read(const struct command *command, int count, char **arguments,
                 const struct option *options, struct option_rest *rest);

#endif
