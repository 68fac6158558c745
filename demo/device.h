/* A device that runs as a child process, seen from the process that started it. */
#ifndef DEMO_DEVICE_H
#define DEMO_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "demo/clash.h"
#include "demo/gauge.h"
#include "demo/line.h"
#include "demo/tagger.h"
#include "demo/watch.h"

struct device {
    char name[2]; /* "B" */
    char db[PATH_MAX];
    pid_t pid;    /* 0: none */
    int to, from; /* pipes; -1 when closed */
    char address[WEFT_ADDRESS_MAX], id[LINE_ID_TEXT];
    char code[8]; /* the six digits that it showed when it came in */
    /* told: figures that were asked for have come */
    bool ready, joined, watching, told, ended;
    bool tags_told, clashed; /* what was asked for has come */
    int exit_status;         /* once ended */
    struct figures figures;
    struct tagger_report tags;
    struct clash_report clash;
    char input[8192];
    size_t input_size;
};

/* What a child says, apart from its figures. */
struct device_listener {
    void *context;
    void (*seen)(void *context, struct device *device, const struct watch_change *change,
                 int64_t us);
    void (*said)(void *context, struct device *device, const char *event, const char *text);
};

/* Starts `engine_demo node` on device->db, which comes in by the invite `link`. The link goes
 * through the pipe: arguments and environment would show it to others. Without a link (NULL) it
 * opens the library that is there, listens nowhere and connects to nobody.
 * On failure false, and a sentence in `why`. */
bool device_start(struct device *device, const char *link, char *why, size_t why_cap);
/* Reads what the child says. Call it when device->from is readable. */
void device_read(struct device *device, const struct device_listener *listener);
/* Sends a command; false when the child is gone. */
bool device_send(struct device *device, const char *command);
/* Asks the child to close and waits for its end, at most `timeout_ms`; then it is killed.
 * True if it ended by itself, with success. */
bool device_close(struct device *device, int timeout_ms, const struct device_listener *listener);

#endif
