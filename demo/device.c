/* Devices as child processes.
 *
 *      parent ──device->to───► standard input    node.c
 *      parent ◄─device->from── standard output
 *
 * Invariants
 *   1. A child whose parent dies reads the end of its standard input, and closes by itself.
 *   2. Every child that was started is waited for. */
#include "demo/device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo/instant.h"
#include "demo/line.h"
#include "demo/must.h"

extern char **environ;

static bool device_spawn(struct device *device, char *const *arguments, int input, int output,
                         char *why, size_t why_cap) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int error =
        posix_spawn(&device->pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0) return true;
    device->pid = 0;
    snprintf(why, why_cap, "cannot start the process of device %s: %s", device->name,
             strerror(error));
    return false;
}

bool device_start(struct device *device, const char *link, char *why, size_t why_cap) {
    MUST(device->pid == 0 && device->name[0] != '\0');
    const char *arguments[] = {"engine_demo", "node",   "--json",     "--control", "--db",
                               device->db,    "--name", device->name, "--listen",  "127.0.0.1:0",
                               "--join",      "-",      NULL};
    if (link == NULL) arguments[8] = NULL; /* what follows the name is for a newcomer */
    int to[2], from[2];
    device->to = device->from = -1;
    device->ready = device->ended = device->watching = false;
    device->input_size = 0;
    if (pipe2(to, O_CLOEXEC) != 0) {
        snprintf(why, why_cap, "cannot make a pipe: %s", strerror(errno));
        return false;
    }
    if (pipe2(from, O_CLOEXEC) != 0) {
        snprintf(why, why_cap, "cannot make a pipe: %s", strerror(errno));
        close(to[0]);
        close(to[1]);
        return false;
    }
    /* posix_spawn() takes arguments that it promises not to change. */
    char *const *fixed = (char *const *)(uintptr_t)arguments;
    bool started = device_spawn(device, fixed, to[0], from[1], why, why_cap);
    close(to[0]);
    close(from[1]);
    if (!started) {
        close(to[1]);
        close(from[0]);
        return false;
    }
    device->to = to[1];
    device->from = from[0];
    /* A child that is gone already is noticed by the end of its output. */
    if (link != NULL) (void)device_send(device, link);
    return true;
}

static void device_status(struct device *device, const char *json) {
    device->figures.rows = (uint64_t)line_number(json, "rows");
    device->figures.bytes_in = (uint64_t)line_number(json, "bytes_in");
    device->figures.bytes_out = (uint64_t)line_number(json, "bytes_out");
    device->figures.memory_kb = (uint64_t)line_number(json, "memory_kb");
    device->figures.peers = (unsigned)line_number(json, "peers");
    char asked[8];
    if (line_find(json, "asked", asked, sizeof asked) && strcmp(asked, "true") == 0)
        device->told = true;
}

static void device_seen(struct device *device, const char *json,
                        const struct device_listener *listener) {
    struct watch_change change = {.size = line_number(json, "size")};
    char id[LINE_ID_TEXT], gone[8];
    if (!line_find(json, "id", id, sizeof id) || !line_id_read(id, change.id)) return;
    change.gone = line_find(json, "gone", gone, sizeof gone) && strcmp(gone, "true") == 0;
    listener->seen(listener->context, device, &change, line_number(json, "us"));
}

static void device_tags(struct device *device, const char *json) {
    char behind[8];
    device->tags = (struct tagger_report){
        .tags = (uint64_t)line_number(json, "tags"),
        .links = (uint64_t)line_number(json, "links"),
        .records = (uint64_t)line_number(json, "records"),
        .beaten = (uint64_t)line_number(json, "beaten"),
        .seen = (uint64_t)line_number(json, "seen"),
        .p50_us = (uint64_t)line_number(json, "p50_us"),
        .p99_us = (uint64_t)line_number(json, "p99_us"),
        .longest_us = (uint64_t)line_number(json, "longest_us"),
        .behind = line_find(json, "behind", behind, sizeof behind) && strcmp(behind, "true") == 0};
    device->tags_told = true;
}

static void device_clashed(struct device *device, const char *json) {
    device->clash = (struct clash_report){.tags = (uint64_t)line_number(json, "tags"),
                                          .unlinked = (uint64_t)line_number(json, "unlinked"),
                                          .linked = (uint64_t)line_number(json, "linked")};
    device->clashed = true;
}

static void device_line(struct device *device, const char *json,
                        const struct device_listener *listener) {
    char event[32], text[1024];
    if (!line_find(json, "event", event, sizeof event)) return;
    if (strcmp(event, "status") == 0) {
        device_status(device, json);
    } else if (strcmp(event, "seen") == 0) {
        device_seen(device, json, listener);
    } else if (strcmp(event, "tags") == 0) {
        device_tags(device, json);
    } else if (strcmp(event, "clashed") == 0) {
        device_clashed(device, json);
    } else if (strcmp(event, "watching") == 0) {
        device->watching = true;
    } else if (strcmp(event, "ready") == 0) {
        line_find(json, "address", device->address, sizeof device->address);
        line_find(json, "device", device->id, sizeof device->id);
        device->ready = true;
    } else if (strcmp(event, "joining") == 0) {
        line_find(json, "code", device->code, sizeof device->code);
    } else if (strcmp(event, "joined") == 0) {
        device->joined = true;
    } else {
        line_find(json, "text", text, sizeof text);
        listener->said(listener->context, device, event, text);
    }
}

/* The child's end, after its output has ended. */
static void device_reap(struct device *device) {
    MUST(device->pid > 0);
    int status = 0;
    while (waitpid(device->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    device->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    device->ended = true;
    device->pid = 0;
    close(device->from);
    device->from = -1;
}

void device_read(struct device *device, const struct device_listener *listener) {
    MUST(device->from >= 0);
    size_t room = sizeof device->input - 1 - device->input_size;
    ssize_t got = read(device->from, device->input + device->input_size, room);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
        device_reap(device);
        return;
    }
    device->input_size += (size_t)got;
    device->input[device->input_size] = '\0';
    char *begin = device->input, *end;
    while ((end = strchr(begin, '\n')) != NULL) {
        *end = '\0';
        device_line(device, begin, listener);
        begin = end + 1;
    }
    device->input_size -= (size_t)(begin - device->input);
    memmove(device->input, begin, device->input_size);
    MUST(device->input_size < sizeof device->input - 1);
}

bool device_send(struct device *device, const char *command) {
    if (device->to < 0) return false;
    struct line line;
    line_clear(&line);
    line_add(&line, "%s\n", command);
    return line_write(&line, device->to);
}

bool device_close(struct device *device, int timeout_ms, const struct device_listener *listener) {
    if (device->to >= 0) {
        (void)device_send(device, "close");
        close(device->to);
        device->to = -1;
    }
    int64_t deadline = instant_us() + (int64_t)timeout_ms * 1000;
    bool killed = false;
    while (device->pid > 0) {
        int64_t left = killed ? 10000 : (deadline - instant_us()) / 1000;
        if (left <= 0) {
            kill(device->pid, SIGKILL);
            killed = true;
            continue;
        }
        struct pollfd watched = {device->from, POLLIN, 0};
        if (poll(&watched, 1, (int)left) > 0) device_read(device, listener);
    }
    return !killed && device->exit_status == 0;
}
