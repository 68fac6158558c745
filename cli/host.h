/* An engine that a command has open: signals, events, and what is said of them. */
#ifndef CLI_HOST_H
#define CLI_HOST_H

#include <stdbool.h>

#include "cli/json.h"

struct host {
    weft_engine *engine;
    int signals; /* readable when the command is to end */
    bool json;
    struct json out;
};

struct host_plan {
    const char *path, *schema; /* a file of SQL, or NULL */
    const char *name;          /* NULL: the machine's */
    const char *link;          /* to come in by, or NULL */
    bool fresh;                /* there may be no library yet */
    bool json;
    const struct weft_log *log; /* who writes what happens; NULL: nobody */
};

/* A descriptor that is readable after SIGINT or SIGTERM, which are held back from now on, as is
 * SIGPIPE. To be closed. Before any thread is started. */
int host_signals(void);
/* Opens the library. OPTIONS_GO, or the status to exit with, which has been said. */
int host_open(struct host *host, const struct host_plan *plan);
void host_close(struct host *host);

/* Whether this device is a member now. */
bool host_inside(const struct host *host);
/* The name of a device, or the beginning of its id. */
void host_label(const struct host *host, const uint8_t device[WEFT_ID_SIZE], char *out,
                size_t room);
/* Milliseconds of a clock that only goes on. */
int64_t host_now_ms(void);
/* Waits until there is an event or a signal, or this time has come; false when it is to end. */
bool host_wait(struct host *host, int64_t until_ms);

/* Says one thing: a line of text, or an object with `event`, the device if there is one, and the
 * text. */
void host_say(struct host *host, const char *event, const uint8_t *device, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A weft_log_fn: writes an entry as a line of text, or, if the bool at `context` says so, of JSON.
 * Lines are whole, whoever else prints. */
void host_log(void *context, const struct weft_log_entry *entry);
/* Says what an event means. */
void host_tell(struct host *host, const struct weft_event *event);

#endif
