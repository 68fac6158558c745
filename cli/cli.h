/* weft, the command: what its parts share.
 *
 *   main.c      which command        options.c   its options       host.c   an engine, and events
 *   text.c      ids, stamps, values  grid.c      columns           json.c   the same for scripts
 *   names.c     who is who           command_….c one command each
 *
 * Commands that look use weft_look.h, so that they work while another process has the library open;
 * those that change something open it with weft_open(). */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "engine/weft.h"

/* Exit statuses; they are part of the interface (docs/weft.1). */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,    /* anything that has no number of its own */
    CLI_USAGE = 2,     /* the command line is not understood */
    CLI_NOT_FOUND = 3, /* no such file, library, table, row or device */
    CLI_IN_USE = 4,    /* another process has the library, or the port */
    CLI_DAMAGED = 5,   /* what is kept contradicts itself */
    CLI_DENIED = 6,    /* this device is no member, or the other side said no */
    CLI_TIMEOUT = 7,   /* the time given has passed */
};

struct command {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *summary;  /* one line */
    const char *help;     /* its options, a line each */
    int (*run)(const struct command *command, int count, char **arguments);
};

/* The commands, ended by one without a name. */
extern const struct command cli_commands[];

int command_init(const struct command *command, int count, char **arguments);
int command_invite(const struct command *command, int count, char **arguments);
int command_join(const struct command *command, int count, char **arguments);
int command_members(const struct command *command, int count, char **arguments);
int command_revoke(const struct command *command, int count, char **arguments);
int command_peers(const struct command *command, int count, char **arguments);
int command_status(const struct command *command, int count, char **arguments);
int command_log(const struct command *command, int count, char **arguments);
int command_why(const struct command *command, int count, char **arguments);
int command_verify(const struct command *command, int count, char **arguments);
int command_serve(const struct command *command, int count, char **arguments);
int command_bench(const struct command *command, int count, char **arguments);

/* Says on standard error what failed, and returns the exit status for it. */
int cli_fail(const struct weft_error *why);
/* The same with a sentence of the command's own. */
int cli_fail_text(enum cli_exit status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Memory that a command cannot do without: ends the process when there is none. */
void *cli_memory(void *block, size_t size);
/* Writes out what was printed; the command's status, or CLI_FAILED if it cannot be written. */
int cli_end(int status);

#endif
