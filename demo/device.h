/* A device that runs as a child process, seen from the process that started it. */
#ifndef DEMO_DEVICE_H
#define DEMO_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "demo/gauge.h"
#include "demo/watch.h"

struct device {
    char name[2]; /* "B" */
    char db[PATH_MAX];
    pid_t pid;    /* 0: none */
    int to, from; /* pipes; -1 when closed */
    char address[WEFT_ADDRESS_MAX];
    bool ready, watching, told, ended; /* told: figures that were asked for have come */
    int exit_status;                   /* once ended */
    struct figures figures;
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

/* Starts `engine_demo node` on device->db. `connect` are addresses to connect to.
 * On failure false, and a sentence in `why`. */
struct device_plan {
    const char *library; /* hex */
    const char *const *connect;
    unsigned connect_count;
};
bool device_start(struct device *device, const struct device_plan *plan, char *why, size_t why_cap);
/* Reads what the child says. Call it when device->from is readable. */
void device_read(struct device *device, const struct device_listener *listener);
/* Sends a command; false when the child is gone. */
bool device_send(struct device *device, const char *command);
/* Asks the child to close and waits for its end, at most `timeout_ms`; then it is killed.
 * True if it ended by itself, with success. */
bool device_close(struct device *device, int timeout_ms, const struct device_listener *listener);

#endif
