/* weft: what people and scripts do with a library from outside a program.
 *
 * The table of commands, and how they fail. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "cli/cli.h"
#include "cli/options.h"

const struct command cli_commands[] = {
    {"init", "PATH [--schema FILE] [--name NAME]", "found a library",
     "  --schema FILE        SQL that makes its tables\n"
     "  --name NAME          what people call this device (the machine's name)\n",
     command_init},
    {"invite", "PATH [--listen ADDR] [--address ADDR] [--minutes M] [--confirm] [--no-qr]",
     "let one device in",
     "  --listen HOST:PORT   where this device listens meanwhile (its first address, any port)\n"
     "  --address HOST:PORT  how the other device reaches this one, if not by --listen\n"
     "  --minutes M          how long the invite is good, 1 to 60 (10)\n"
     "  --confirm            ask before letting it in; answer yes when both codes are the same\n"
     "  --no-qr              draw no QR code\n"
     "  --json               one JSON object per line\n",
     command_invite},
    {"join", "LINK PATH [--schema FILE] [--name NAME]", "come into a library by an invite",
     "  LINK                 of weft invite; -: the first line of standard input, where other\n"
     "                       users of this machine do not see it\n"
     "  --schema FILE        SQL that makes its tables\n"
     "  --name NAME          what people call this device (the machine's name)\n"
     "  --minutes M          how long to wait for an answer, 1 to 60 (2)\n"
     "  --json               one JSON object per line\n",
     command_join},
    {"members", "PATH [--json]", "who belongs to the library",
     "  --json               one JSON object\n", command_members},
    {"revoke", "PATH DEVICE", "remove a member for good",
     "  DEVICE               its id, the beginning of it (4 digits at least), or its name\n",
     command_revoke},
    {"peers", "PATH [--last N] [--json]", "how far each other device is, and how it was met",
     "  --last N             so many sessions that have ended, the newest (10)\n"
     "  --json               one JSON object\n",
     command_peers},
    {"status", "PATH [--watch] [--json]", "the library on one screen",
     "  --watch              again every second, until interrupted\n"
     "  --json               one JSON object; with --watch one per line\n",
     command_status},
    {"log", "PATH [--last N] [--json]", "records of the shared log",
     "  --last N             so many, the newest (20); 0: all\n"
     "  --json               one JSON object per line\n",
     command_log},
    {"why", "PATH TABLE KEY... [--json]", "where each value of a row comes from",
     "  KEY                  the key's values in order: a number, a text, or for a BLOB its hex\n"
     "                       digits (a UUID's dashes are allowed)\n"
     "  --json               one JSON object\n",
     command_why},
    {"verify", "PATH [--json]", "whether the file is as it was written",
     "  --json               one JSON object\n"
     "Reads everything: SQLite's integrity check, all rows against their digests, and the chain\n"
     "and the signatures of the shared log. Exit status 5 if something is wrong.\n",
     command_verify},
    {"serve", "PATH [--listen ADDR] [--connect ADDR]... [--http ADDR] [--log text|json]",
     "keep a library and pass it on, until SIGTERM or SIGINT",
     "  --listen HOST:PORT   accept other devices here (port 0: any free one)\n"
     "  --connect HOST:PORT  keep a session with the device there; may be given 8 times\n"
     "  --schema FILE        SQL that makes its tables\n"
     "  --http HOST:PORT     show figures to browsers and Prometheus there\n"
     "  --http-token FILE    ... only to who says the first line of this file\n"
     "  --log text|json      how what happens is printed (text)\n"
     "  --log-level LEVEL    what is printed: error, warn, info (info) or debug, and what is "
     "more\n",
     command_serve},
    {"bench", "[--rows N] [--dir DIR] [--json]", "a quick figure of this machine",
     "  --rows N             rows in bulk, 1,000 to 10,000,000 (200,000)\n"
     "  --dir DIR            where the databases are made, and removed (TMPDIR, or /tmp)\n"
     "  --json               one JSON object\n",
     command_bench},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- failing ---- */

static enum cli_exit exit_of(enum weft_status status) {
    switch (status) {
    case WEFT_NOT_FOUND:
        return CLI_NOT_FOUND;
    case WEFT_LOCKED:
    case WEFT_PORT_IN_USE:
        return CLI_IN_USE;
    case WEFT_CORRUPT:
    case WEFT_NOT_A_DATABASE:
        return CLI_DAMAGED;
    case WEFT_DENIED:
    case WEFT_INVITE:
        return CLI_DENIED;
    case WEFT_TIMEOUT:
        return CLI_TIMEOUT;
    default:
        return CLI_FAILED;
    }
}

int cli_fail(const struct weft_error *why) {
    return cli_fail_text(exit_of(why->status), "%s (%s)",
                         why->text[0] != '\0' ? why->text : weft_status_text(why->status),
                         weft_status_name(why->status));
}

int cli_fail_text(enum cli_exit status, const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    fputs("weft: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return (int)status;
}

void *cli_memory(void *block, size_t size) {
    void *grown = realloc(block, size > 0 ? size : 1);
    if (grown != NULL) return grown;
    exit(cli_fail_text(CLI_FAILED, "out of memory; free some and try again"));
}

int cli_end(int status) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0) return status;
    return cli_fail_text(CLI_FAILED, "what was to be printed could not be written");
}

/* ---- which command ---- */

static int usage(void) {
    printf("weft: a SQLite library of records, the same on all of your devices\n\n");
    for (const struct command *c = cli_commands; c->name != NULL; c++)
        printf("  weft %-8s %s\n", c->name, c->summary);
    printf("\n  weft COMMAND --help says what a command can do.\n\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 in use, 5 damaged,\n"
           "6 denied, 7 out of time.\n");
    return cli_end(CLI_OK);
}

int main(int count, char **arguments) {
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* see weft_open() */
    if (count < 2) return cli_fail_text(CLI_USAGE, "which command? weft --help lists them");
    if (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0 ||
        strcmp(arguments[1], "help") == 0)
        return usage();
    for (const struct command *c = cli_commands; c->name != NULL; c++) {
        if (strcmp(arguments[1], c->name) == 0) return cli_end(c->run(c, count - 2, arguments + 2));
    }
    return cli_fail_text(CLI_USAGE, "there is no command \"%s\"; weft --help lists them",
                         arguments[1]);
}
