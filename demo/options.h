/* The demo's command line. */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_DEVICES_MAX 8u
#define OPTIONS_CONNECT_MAX 8u

/* Exit statuses. */
enum exit_status { EXIT_EQUAL = 0, EXIT_DIFFERENT = 1, EXIT_USAGE = 2, EXIT_FAILED = 3 };

/* How a run shows itself. */
enum options_form { FORM_AUTO, FORM_PLAIN, FORM_JSON };

/* engine_demo [PATH] */
struct show_options {
    const char *path;   /* to index */
    const char *folder; /* where the databases go; NULL: a temporary folder */
    unsigned walkers, devices;
    uint64_t limit;
    bool keep;
    enum options_form form;
};

/* engine_demo node */
struct node_options {
    const char *db, *listen, *index, *name;
    const char *http;    /* where the engine is shown; NULL: nowhere */
    const char *join;    /* a link, or "-": the first line of standard input */
    const char *address; /* how others reach this device; NULL: what it listens on */
    const char *connect[OPTIONS_CONNECT_MAX];
    unsigned connect_count;
    bool has_revoke;
    uint8_t revoke[16];
    unsigned walkers;
    bool invite, confirm, watch, json, control;
};

enum options_verdict { OPTIONS_GO, OPTIONS_HELP, OPTIONS_WRONG };

/* `arguments` begin after the program's name (and after "node"). On OPTIONS_WRONG `why` says what.
 */
enum options_verdict options_show(int count, char **arguments, struct show_options *out, char *why,
                                  size_t why_cap);
enum options_verdict options_node(int count, char **arguments, struct node_options *out, char *why,
                                  size_t why_cap);
/* The text of --help. */
const char *options_help(void);

#endif
