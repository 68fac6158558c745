/* One device as a process.
 *
 *      standard input ──commands──┐
 *      signals ───────────────────┼──► one thread, one poll() ──► lines on standard output
 *      the engine's events ───────┘
 *
 * Signals arrive through a descriptor: nothing runs inside a signal handler, nothing is global.
 * Invariants
 *   1. A look at the watched location follows every event that can mean a change, lost ones
 *      included, so no change goes unseen for longer than the next event.
 *   2. The engine is closed on every way out, the reader's connection before it. */
#include "demo/node.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "demo/gauge.h"
#include "demo/index.h"
#include "demo/instant.h"
#include "demo/line.h"
#include "demo/must.h"
#include "demo/watch.h"

#define NODE_STATUS_US 250000

struct node {
    const struct node_options *options;
    weft_engine *engine;
    struct entry_models models;
    struct gauge gauge;
    struct watch *watch;
    struct index *index;
    bool index_told;
    int signals; /* descriptor */
    char input[1024];
    size_t input_size;
    int64_t status_us; /* when the next one is due */
    struct figures told;
    bool closing;
};

static void node_print(const struct node *node, const struct line *line) {
    (void)node;
    /* A parent that is gone closes our standard input as well, which ends the node. */
    (void)line_write(line, STDOUT_FILENO);
}

/* A sentence, in the form that was asked for. */
static void node_say(const struct node *node, const char *event, const char *text) {
    struct line line;
    if (node->options->json) {
        line_open(&line, event);
        line_member_text(&line, "text", text);
        line_close(&line);
    } else {
        line_clear(&line);
        line_add(&line, "%s\n", text);
    }
    node_print(node, &line);
}

static int node_fail(const struct node *node, const char *doing, const struct weft_error *why) {
    char text[WEFT_ERROR_TEXT_MAX + 256];
    snprintf(text, sizeof text, "%s: %s (%s)", doing,
             why->text[0] != '\0' ? why->text : weft_status_text(why->status),
             weft_status_name(why->status));
    if (node->options->json) {
        node_say(node, "failed", text);
    } else {
        fprintf(stderr, "engine_demo: %s\n", text);
    }
    return EXIT_FAILED;
}

static int node_signals(bool control) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGPIPE);
    /* Blocked before the engine starts its threads, which inherit the mask. */
    pthread_sigmask(SIG_BLOCK, &wanted, NULL);
    sigdelset(&wanted, SIGPIPE);
    /* Ctrl-C in a terminal reaches parent and children; the parent decides for all. */
    if (control) sigdelset(&wanted, SIGINT);
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void node_ready(const struct node *node, const char *bound) {
    uint8_t device[16], library[16];
    weft_device(node->engine, device);
    weft_library(node->engine, library);
    struct line line;
    if (node->options->json) {
        line_open(&line, "ready");
        line_member_text(&line, "address", bound);
        line_member_id(&line, "device", device);
        line_member_id(&line, "library", library);
        line_close(&line);
    } else {
        char device_text[LINE_ID_TEXT], library_text[LINE_ID_TEXT];
        line_id_text(device, device_text);
        line_id_text(library, library_text);
        line_clear(&line);
        line_add(&line, "device   %s\nlibrary  %s\n", device_text, library_text);
        if (bound[0] != '\0') {
            line_add(&line, "listens  %s\n\non another device:\n", bound);
            line_add(&line, "  engine_demo node --db FILE --library %s --connect %s\n\n",
                     library_text, bound);
        }
    }
    node_print(node, &line);
}

static int node_open(struct node *node) {
    const struct node_options *options = node->options;
    struct weft_error why = {0};
    char doing[512], bound[WEFT_ADDRESS_MAX] = "";
    struct weft_config config = {.path = options->db, .schema = demo_schema};
    if (options->has_library) config.library = options->library;
    snprintf(doing, sizeof doing, "cannot open \"%s\"", options->db);
    if (weft_open(&config, &node->engine, &why) != WEFT_OK) return node_fail(node, doing, &why);
    if (entry_models_find(node->engine, &node->models) != WEFT_OK) {
        why.status = WEFT_SCHEMA;
        snprintf(why.text, sizeof why.text, "the library has other tables than the demo's");
        return node_fail(node, doing, &why);
    }
    if (gauge_open(&node->gauge, node->engine, &why) != WEFT_OK)
        return node_fail(node, doing, &why);
    if (options->listen != NULL) {
        snprintf(doing, sizeof doing, "cannot listen on \"%s\"", options->listen);
        if (weft_listen_wait(node->engine, options->listen, bound, &why) != WEFT_OK)
            return node_fail(node, doing, &why);
    }
    for (unsigned i = 0; i < options->connect_count; i++) {
        snprintf(doing, sizeof doing, "cannot connect to \"%s\"", options->connect[i]);
        if (weft_connect(node->engine, options->connect[i], &why) != WEFT_OK)
            return node_fail(node, doing, &why);
    }
    node_ready(node, bound);
    if (options->index == NULL) return EXIT_EQUAL;
    struct index_plan plan = {node->engine, &node->models,    options->index,
                              NULL,         options->walkers, 0};
    char text[512];
    node->index = index_open(&plan, text, sizeof text);
    if (node->index != NULL) return EXIT_EQUAL;
    if (options->json) {
        node_say(node, "failed", text);
    } else {
        fprintf(stderr, "engine_demo: %s\n", text);
    }
    return EXIT_FAILED;
}

static void node_seen(void *context, const struct watch_change *change) {
    const struct node *node = context;
    struct line line;
    line_open(&line, "seen");
    line_member_id(&line, "id", change->id);
    line_member_signed(&line, "size", change->size);
    line_member_bool(&line, "gone", change->gone);
    line_member_signed(&line, "us", instant_us());
    line_close(&line);
    node_print(node, &line);
}

static void node_look(struct node *node) {
    if (node->watch != NULL && !watch_look(node->watch, node, node_seen))
        node_say(node, "fault", "the watched location could not be read");
}

static void node_index_report(struct node *node) {
    if (node->index == NULL || node->index_told) return;
    struct index_report report;
    index_report(node->index, &report);
    if (!report.done) return;
    node->index_told = true;
    char text[WEFT_ERROR_TEXT_MAX + 256];
    if (report.failure.status != WEFT_OK) {
        snprintf(text, sizeof text, "indexing \"%s\" stopped: %s", node->options->index,
                 report.failure.text);
    } else {
        snprintf(text, sizeof text,
                 "indexed \"%s\": %llu files, %llu unreadable, %llu with names that are not UTF-8",
                 node->options->index, (unsigned long long)report.put,
                 (unsigned long long)report.walk.unreadable, (unsigned long long)report.escaped);
    }
    node_say(node, report.failure.status != WEFT_OK ? "fault" : "indexed", text);
}

static void node_status(struct node *node, bool asked) {
    int64_t now = instant_us();
    if (now < node->status_us && !asked) return;
    node->status_us = now + NODE_STATUS_US * (node->options->json ? 1 : 4);
    struct weft_error why = {0};
    struct figures figures;
    if (gauge_read(&node->gauge, asked, &figures, &why) != WEFT_OK) {
        node_say(node, "fault", why.text);
        return;
    }
    struct line line;
    if (node->options->json) {
        line_open(&line, "status");
        line_member(&line, "rows", figures.rows);
        line_member(&line, "bytes_in", figures.bytes_in);
        line_member(&line, "bytes_out", figures.bytes_out);
        line_member(&line, "memory_kb", figures.memory_kb);
        line_member(&line, "peers", figures.peers);
        line_member_bool(&line, "asked", asked);
        line_close(&line);
        node_print(node, &line);
    } else if (figures.rows != node->told.rows || figures.peers != node->told.peers) {
        line_clear(&line);
        line_add(&line, "%llu rows, %u peers, %llu KiB in, %llu KiB out, %llu MiB of memory\n",
                 (unsigned long long)figures.rows, figures.peers,
                 (unsigned long long)figures.bytes_in / 1024,
                 (unsigned long long)figures.bytes_out / 1024,
                 (unsigned long long)figures.memory_kb / 1024);
        node_print(node, &line);
    }
    node->told = figures;
    node_index_report(node);
}

static void node_command(struct node *node, char *command) {
    struct weft_error why = {0};
    uint8_t location[16];
    char *argument = strchr(command, ' ');
    if (argument != NULL) *argument++ = '\0';
    if (strcmp(command, "close") == 0) {
        node->closing = true;
    } else if (strcmp(command, "status") == 0) {
        node_status(node, true);
    } else if (strcmp(command, "connect") == 0 && argument != NULL) {
        if (weft_connect(node->engine, argument, &why) != WEFT_OK)
            node_say(node, "fault", why.text);
    } else if (strcmp(command, "watch") == 0 && argument != NULL &&
               line_id_read(argument, location)) {
        watch_close(node->watch);
        node->watch = watch_open(node->gauge.reader, location);
        if (node->watch == NULL) {
            node_say(node, "fault", "the location cannot be watched");
            return;
        }
        node_look(node);
        node_say(node, "watching", argument);
    } else {
        node_say(node, "fault", "a command was not understood");
    }
}

static void node_input(struct node *node) {
    size_t room = sizeof node->input - 1 - node->input_size;
    ssize_t got = read(STDIN_FILENO, node->input + node->input_size, room);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
        node->closing = true;
        return;
    }
    node->input_size += (size_t)got;
    node->input[node->input_size] = '\0';
    char *begin = node->input, *end;
    while ((end = strchr(begin, '\n')) != NULL) {
        *end = '\0';
        node_command(node, begin);
        begin = end + 1;
    }
    node->input_size -= (size_t)(begin - node->input);
    memmove(node->input, begin, node->input_size);
    /* A line longer than the buffer is not a command; it is let go. */
    if (node->input_size == sizeof node->input - 1) node->input_size = 0;
}

static void node_peer(const struct node *node, const struct weft_event *event) {
    char device[LINE_ID_TEXT], text[WEFT_ERROR_TEXT_MAX + 128];
    line_id_text(event->device, device);
    snprintf(text, sizeof text, "device %.8s… %s%s%s", device,
             event->kind == WEFT_EVENT_PEER_UP     ? "is connected"
             : event->kind == WEFT_EVENT_PEER_DOWN ? "is disconnected"
                                                   : "is new here",
             event->error.text[0] != '\0' ? ": " : "", event->error.text);
    node_say(node, "peer", text);
}

static void node_events(struct node *node) {
    struct weft_event event;
    bool changed = false;
    while (weft_next_event(node->engine, &event)) {
        char text[128];
        switch (event.kind) {
        case WEFT_EVENT_PEER_UP:
        case WEFT_EVENT_PEER_DOWN:
        case WEFT_EVENT_MEMBER:
            node_peer(node, &event);
            break;
        case WEFT_EVENT_CHANGED:
            changed = true;
            if (!node->options->watch) break;
            snprintf(text, sizeof text, "%llu rows of %s came from another device",
                     (unsigned long long)event.count,
                     event.model == node->models.entry ? "entry" : "location");
            node_say(node, "changed", text);
            break;
        case WEFT_EVENT_LOST:
            changed = true;
            break;
        case WEFT_EVENT_FAULT:
        case WEFT_EVENT_PARKED:
            node_say(node, event.kind == WEFT_EVENT_FAULT ? "fault" : "parked", event.error.text);
            break;
        case WEFT_EVENT_NONE:
            break;
        }
    }
    if (changed) node_look(node);
}

static void node_loop(struct node *node) {
    while (!node->closing) {
        int64_t left_us = node->status_us - instant_us();
        struct pollfd watched[] = {
            {weft_event_descriptor(node->engine), POLLIN, 0},
            {node->signals, POLLIN, 0},
            {node->options->control ? STDIN_FILENO : -1, POLLIN, 0},
        };
        if (poll(watched, 3, left_us > 0 ? (int)(left_us / 1000 + 1) : 0) < 0 && errno != EINTR)
            return;
        if (watched[0].revents != 0) node_events(node);
        if (watched[1].revents != 0) node->closing = true;
        if (watched[2].revents != 0) node_input(node);
        node_status(node, false);
    }
}

int node_run(const struct node_options *options) {
    MUST(options->db != NULL);
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) return EXIT_FAILED;
    node->options = options;
    node->signals = node_signals(options->control);
    MUST(node->signals >= 0);
    int status = node_open(node);
    if (status == EXIT_EQUAL) node_loop(node);
    index_close(node->index);
    watch_close(node->watch);
    gauge_close(&node->gauge);
    weft_close(node->engine);
    close(node->signals);
    free(node);
    return status;
}
