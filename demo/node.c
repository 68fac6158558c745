/* One device as a process.
 *
 *      standard input ──commands──┐         (with --confirm in a terminal: a person's answers)
 *      signals ───────────────────┼──► one thread, one poll() ──► lines on standard output
 *      the engine's events ───────┘
 *
 * Signals arrive through a descriptor: nothing runs inside a signal handler, nothing is global.
 * What people decide (invites, codes, yes and no) is in node_members.c, tags are in node_tags.c.
 * Invariants
 *   1. A look at the watched location follows every event that can mean a change, lost ones
 *      included, so no change goes unseen for longer than the next event.
 *   2. The engine is closed on every way out, the reader's connection before it. */
#include "demo/node.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "demo/instant.h"
#include "demo/must.h"
#include "demo/node_private.h"

#define NODE_STATUS_US 250000
#define NODE_JOIN_US 60000000

void node_print(const struct line *line) {
    /* A parent that is gone closes our standard input as well, which ends the node. */
    (void)line_write(line, STDOUT_FILENO);
}

void node_say(const struct node *node, const char *event, const char *format, ...) {
    char text[LINE_MAX_BYTES / 2];
    struct line line;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (node->options->json) {
        line_open(&line, event);
        line_member_text(&line, "text", text);
        line_close(&line);
    } else {
        line_clear(&line);
        line_add(&line, "%s\n", text);
    }
    node_print(&line);
}

static int fail_text(struct node *node, const char *text) {
    if (node->options->json) {
        node_say(node, "failed", "%s", text);
    } else {
        fprintf(stderr, "engine_demo: %s\n", text);
    }
    node->closing = true;
    node->status = EXIT_FAILED;
    return EXIT_FAILED;
}

int node_fail(struct node *node, const char *doing, const struct weft_error *why) {
    char text[WEFT_ERROR_TEXT_MAX + 256];
    snprintf(text, sizeof text, "%s: %s (%s)", doing,
             why->text[0] != '\0' ? why->text : weft_status_text(why->status),
             weft_status_name(why->status));
    return fail_text(node, text);
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

static void node_ready(const struct node *node, const char *bound, const char *shown) {
    uint8_t device[16], library[16];
    weft_device(node->engine, device);
    weft_library(node->engine, library);
    struct line line;
    if (node->options->json) {
        line_open(&line, "ready");
        line_member_text(&line, "address", bound);
        line_member_text(&line, "http", shown);
        line_member_id(&line, "device", device);
        line_member_id(&line, "library", library);
        line_close(&line);
    } else {
        char device_text[LINE_ID_TEXT], library_text[LINE_ID_TEXT];
        line_id_text(device, device_text);
        line_id_text(library, library_text);
        line_clear(&line);
        line_add(&line, "device   %s\nlibrary  %s\n", device_text, library_text);
        if (bound[0] != '\0') line_add(&line, "listens  %s\n", bound);
        if (shown[0] != '\0') line_add(&line, "shown    http://%s/\n", shown);
    }
    node_print(&line);
}

/* Opens the library, or begins to come into it by the link. */
static int node_open_engine(struct node *node, const char *link) {
    const struct node_options *options = node->options;
    struct weft_error why = {0};
    char doing[512], host[WEFT_NAME_MAX + 1] = "";
    struct weft_config config = {
        .path = options->db, .schema = demo_schema, .invite = link, .name = options->name};
    if (config.name == NULL && gethostname(host, sizeof host - 1) == 0) config.name = host;
    snprintf(doing, sizeof doing, "cannot open \"%s\"", options->db);
    if (weft_open(&config, &node->engine, &why) != WEFT_OK) return node_fail(node, doing, &why);
    if (entry_models_find(node->engine, &node->models) != WEFT_OK) {
        why.status = WEFT_SCHEMA;
        snprintf(why.text, sizeof why.text, "the library has other tables than the demo's");
        return node_fail(node, doing, &why);
    }
    if (gauge_open(&node->gauge, node->engine, &why) != WEFT_OK)
        return node_fail(node, doing, &why);
    return EXIT_EQUAL;
}

static int node_index(struct node *node) {
    struct index_plan plan = {node->engine, &node->models,          node->options->index,
                              NULL,         node->options->walkers, 0};
    char text[512];
    if (node->options->index == NULL) return EXIT_EQUAL;
    node->index = index_open(&plan, text, sizeof text);
    return node->index != NULL ? EXIT_EQUAL : fail_text(node, text);
}

/* What was asked for and can be done now that it is known whether this device is a member. */
static int node_begin(struct node *node) {
    const struct node_options *options = node->options;
    int status = EXIT_EQUAL;
    if (!node_inside(node))
        node_say(node, "fault",
                 "this device is not a member of the library (any more): it can be read here, but "
                 "nothing comes in or goes out");
    node_members(node);
    if (options->has_revoke) status = node_revoke(node);
    if (status == EXIT_EQUAL && options->invite) status = node_invite(node);
    return status == EXIT_EQUAL ? node_index(node) : status;
}

static void node_joined(struct node *node) {
    node->joining = false;
    node_say(node, "joined", "this device is a member now");
    (void)node_begin(node);
}

static int node_open(struct node *node) {
    const struct node_options *options = node->options;
    struct weft_error why = {0};
    char doing[512], bound[WEFT_ADDRESS_MAX] = "", shown[WEFT_ADDRESS_MAX] = "",
                     given[WEFT_LINK_MAX];
    const char *link = options->join;
    if (link != NULL && strcmp(link, "-") == 0) {
        if (!node_link_read(node, given))
            return fail_text(node, "--join - wants a link on standard input, and none came");
        link = given;
    }
    if (node_open_engine(node, link) != EXIT_EQUAL) return EXIT_FAILED;
    if (options->listen != NULL) {
        snprintf(doing, sizeof doing, "cannot listen on \"%s\"", options->listen);
        if (weft_listen_wait(node->engine, options->listen, bound, &why) != WEFT_OK)
            return node_fail(node, doing, &why);
    }
    if (options->http != NULL) {
        const struct weft_http http = {.address = options->http};
        snprintf(doing, sizeof doing, "cannot show the engine at \"%s\"", options->http);
        if (weft_http_start_wait(node->engine, &http, shown, &why) != WEFT_OK)
            return node_fail(node, doing, &why);
    }
    for (unsigned i = 0; i < options->connect_count; i++) {
        snprintf(doing, sizeof doing, "cannot connect to \"%s\"", options->connect[i]);
        if (weft_connect(node->engine, options->connect[i], &why) != WEFT_OK)
            return node_fail(node, doing, &why);
    }
    node_ready(node, bound, shown);
    if (link == NULL) return node_begin(node);
    node->joining = true;
    node->join_until_us = instant_us() + NODE_JOIN_US;
    if (node_inside(node)) node_joined(node);
    return node->status;
}

static void node_seen(void *context, const struct watch_change *change) {
    (void)context;
    struct line line;
    line_open(&line, "seen");
    line_member_id(&line, "id", change->id);
    line_member_signed(&line, "size", change->size);
    line_member_bool(&line, "gone", change->gone);
    line_member_signed(&line, "us", instant_us());
    line_close(&line);
    node_print(&line);
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
    if (report.failure.status != WEFT_OK) {
        node_say(node, "fault", "indexing \"%s\" stopped: %s", node->options->index,
                 report.failure.text);
    } else {
        node_say(node, "indexed",
                 "indexed \"%s\": %llu files, %llu unreadable, %llu with names that are not UTF-8",
                 node->options->index, (unsigned long long)report.put,
                 (unsigned long long)report.walk.unreadable, (unsigned long long)report.escaped);
    }
}

static void node_status(struct node *node, bool asked) {
    int64_t now = instant_us();
    if (now < node->status_us && !asked) return;
    node->status_us = now + NODE_STATUS_US * (node->options->json ? 1 : 4);
    struct weft_error why = {0};
    struct figures figures;
    if (gauge_read(&node->gauge, asked, &figures, &why) != WEFT_OK) {
        node_say(node, "fault", "%s", why.text);
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
        node_print(&line);
    } else if (figures.rows != node->told.rows || figures.peers != node->told.peers) {
        line_clear(&line);
        line_add(&line, "%llu rows, %u peers, %llu KiB in, %llu KiB out, %llu MiB of memory\n",
                 (unsigned long long)figures.rows, figures.peers,
                 (unsigned long long)figures.bytes_in / 1024,
                 (unsigned long long)figures.bytes_out / 1024,
                 (unsigned long long)figures.memory_kb / 1024);
        node_print(&line);
    }
    node->told = figures;
    node_index_report(node);
}

static void node_command(struct node *node, char *command) {
    struct weft_error why = {0};
    uint8_t id[16];
    char *argument = strchr(command, ' ');
    if (argument != NULL) *argument++ = '\0';
    if (strcmp(command, "close") == 0) {
        node->closing = true;
    } else if (strcmp(command, "status") == 0) {
        node_status(node, true);
    } else if (strcmp(command, "tags") == 0 || strcmp(command, "clash") == 0) {
        node_tags(node, command, argument != NULL ? argument : "");
    } else if (strcmp(command, "connect") == 0 && argument != NULL) {
        if (weft_connect(node->engine, argument, &why) != WEFT_OK)
            node_say(node, "fault", "%s", why.text);
    } else if (strcmp(command, "pause") == 0 || strcmp(command, "resume") == 0) {
        const bool pause = command[0] == 'p';
        if ((pause ? weft_pause : weft_resume)(node->engine, NULL) != WEFT_OK)
            node_say(node, "fault", "sessions can be neither paused nor resumed");
    } else if (strcmp(command, "admit") == 0 && argument != NULL && line_id_read(argument, id)) {
        node_admit(node, id, true);
    } else if (strcmp(command, "refuse") == 0 && argument != NULL && line_id_read(argument, id)) {
        node_admit(node, id, false);
    } else if (strcmp(command, "watch") == 0 && argument != NULL && line_id_read(argument, id)) {
        watch_close(node->watch);
        node->watch = watch_open(node->gauge.reader, id);
        if (node->watch == NULL) {
            node_say(node, "fault", "the location cannot be watched");
            return;
        }
        node_look(node);
        node_say(node, "watching", "%s", argument);
    } else {
        node_say(node, "fault", "a command was not understood");
    }
}

/* The lines that have come: commands, or what a person says. */
static void node_lines(struct node *node) {
    char *begin = node->input, *end;
    while ((end = strchr(begin, '\n')) != NULL) {
        *end = '\0';
        if (node->options->control) {
            node_command(node, begin);
        } else {
            node_answer(node, begin);
        }
        begin = end + 1;
    }
    node->input_size -= (size_t)(begin - node->input);
    memmove(node->input, begin, node->input_size + 1);
    /* A line longer than the buffer says nothing; it is let go. */
    if (node->input_size == sizeof node->input - 1) node->input_size = 0;
}

static void node_input(struct node *node) {
    size_t room = sizeof node->input - 1 - node->input_size;
    ssize_t got = read(STDIN_FILENO, node->input + node->input_size, room);
    if (got < 0 && errno == EINTR) return;
    if (got > 0) {
        node->input_size += (size_t)got;
        node->input[node->input_size] = '\0';
        node_lines(node);
    } else if (node->options->control) {
        node->closing = true;
    } else {
        node->person = false;
        node_answer(node, "no");
    }
}

static void node_peer(const struct node *node, const struct weft_event *event) {
    char device[LINE_ID_TEXT];
    line_id_text(event->device, device);
    node_say(node, "peer", "device %s is %s%s%s", device,
             event->kind == WEFT_EVENT_PEER_UP ? "connected" : "disconnected",
             event->error.text[0] != '\0' ? ": " : "", event->error.text);
}

static void node_fault(struct node *node, const struct weft_event *event) {
    struct weft_error why = event->error;
    if (!node->joining || why.status != WEFT_DENIED) {
        node_say(node, "fault", "%s", why.text);
        return;
    }
    why.status = WEFT_INVITE;
    snprintf(why.text, sizeof why.text,
             "nobody lets this device in: the invite has ended or was used, or somebody said no; "
             "ask for another one");
    (void)node_fail(node, "cannot join", &why);
}

static void node_changed(struct node *node, const struct weft_event *event) {
    node_tags_look(node, event->model);
    if (!node->options->watch) return;
    bool own = event->model == node->models.entry || event->model == node->models.location;
    if (!own) {
        node_say(node, "changed", "tags were changed by another device");
        return;
    }
    node_say(node, "changed", "%llu rows of %s came from another device",
             (unsigned long long)event->count,
             event->model == node->models.entry ? "entry" : "location");
}

static void node_events(struct node *node) {
    struct weft_event event;
    bool changed = false, members = false;
    while (weft_next_event(node->engine, &event)) {
        switch (event.kind) {
        case WEFT_EVENT_PEER_UP:
        case WEFT_EVENT_PEER_DOWN:
            node_peer(node, &event);
            break;
        case WEFT_EVENT_MEMBER:
        case WEFT_EVENT_REMOVED:
            members = true;
            break;
        case WEFT_EVENT_JOINING:
            node_joining(node, &event);
            break;
        case WEFT_EVENT_CHANGED:
            changed = true;
            node_changed(node, &event);
            break;
        case WEFT_EVENT_LOST:
            changed = members = true;
            node_tags_look(node, -1);
            break;
        case WEFT_EVENT_FAULT:
            node_fault(node, &event);
            break;
        case WEFT_EVENT_PARKED:
            node_say(node, "parked", "%s", event.error.text);
            break;
        case WEFT_EVENT_DIFFERS:
            node_say(node, "differs", "%s", event.error.text);
            break;
        case WEFT_EVENT_RESTORED:
            node_say(node, "restored", "%s", event.error.text);
            break;
        case WEFT_EVENT_NONE:
            break;
        }
    }
    if (changed) node_look(node);
    if (node->joining && node_inside(node)) {
        node_joined(node);
    } else if (members && !node->joining) {
        node_members(node);
    }
}

static void node_join_late(struct node *node) {
    struct weft_error why = {.status = WEFT_TIMEOUT};
    if (!node->joining || node->closing || node->join_until_us == 0) return;
    if (instant_us() < node->join_until_us) return;
    snprintf(why.text, sizeof why.text,
             "nobody has answered to the invite for a minute: the device that wrote it is off, or "
             "its address does not lead there");
    (void)node_fail(node, "cannot join", &why);
}

static void node_loop(struct node *node) {
    while (!node->closing) {
        int tags_ms = node_tags_step(node);
        int64_t left_us = node->status_us - instant_us();
        if (tags_ms >= 0 && left_us > tags_ms * 1000) left_us = tags_ms * 1000;
        struct pollfd watched[] = {
            {weft_event_descriptor(node->engine), POLLIN, 0},
            {node->signals, POLLIN, 0},
            {node->options->control || node->person ? STDIN_FILENO : -1, POLLIN, 0},
        };
        if (poll(watched, 3, left_us > 0 ? (int)(left_us / 1000 + 1) : 0) < 0 && errno != EINTR)
            return;
        if (watched[0].revents != 0) node_events(node);
        if (watched[1].revents != 0) node->closing = true;
        if (watched[2].revents != 0) node_input(node);
        node_join_late(node);
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
    node->person = options->confirm && !options->control;
    if (node_open(node) == EXIT_EQUAL) {
        node_lines(node); /* What came behind a link. */
        node_loop(node);
    }
    int status = node->status;
    index_close(node->index);
    watch_close(node->watch);
    tagger_close(node->tagger);
    gauge_close(&node->gauge);
    weft_close(node->engine);
    close(node->signals);
    free(node);
    return status;
}
