/* The show: opening, pumping, closing. Its stages are in stages.c, tagging.c, partition.c and
 * live.c.
 *
 *      A (this process) ◄──TCP──► B (child)
 *               ▲                  ▲
 *               └──TCP──► C ◄─TCP──┘
 *
 * A founds the library and writes an invite for each child, which comes in by it and then connects
 * to all that were there before it.
 * Invariants
 *   1. Everything that was made is unmade by show_close(), whatever stage failed.
 *   2. Only the folder that the show made is removed, and only the files it put there. */
#include "demo/show.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "demo/instant.h"
#include "demo/line.h"
#include "demo/live.h"
#include "demo/must.h"
#include "demo/stages.h"
#include "demo/tagging.h"

#define SHOW_FIGURES_US 200000
#define SHOW_CLOSE_MS 30000
#define SHOW_STUCK_US 60000000

bool show_fail(struct show *show, const char *format, ...) {
    if (show->failed) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(show->failure, sizeof show->failure, format, arguments);
    va_end(arguments);
    show->failed = true;
    return false;
}

bool show_fail_weft(struct show *show, const char *doing, enum weft_status status,
                    const struct weft_error *why) {
    bool told = why != NULL && why->text[0] != '\0';
    return show_fail(show, "%s: %s (%s)", doing, told ? why->text : weft_status_text(status),
                     weft_status_name(status));
}

static void show_seen(void *context, struct device *device, const struct watch_change *change,
                      int64_t us) {
    struct show *show = context;
    if (show->live != NULL) live_seen(show->live, (unsigned)(device - show->children), change, us);
}

static void show_said(void *context, struct device *device, const char *event, const char *text) {
    struct show *show = context;
    if (strcmp(event, "failed") == 0) {
        show_fail(show, "device %s: %s", device->name, text);
    } else if (strcmp(event, "peer") != 0 && strcmp(event, "member") != 0) {
        view_say(&show->view, "device %s: %s: %s", device->name, event, text);
    }
}

static void show_events(struct show *show) {
    struct weft_event event;
    while (weft_next_event(show->engine, &event)) {
        if (event.kind == WEFT_EVENT_JOINING)
            snprintf(show->code, sizeof show->code, "%06u", (unsigned)(event.count % 1000000));
        if (event.kind == WEFT_EVENT_CHANGED || event.kind == WEFT_EVENT_LOST)
            tagging_look(show, event.kind == WEFT_EVENT_LOST ? -1 : event.model);
        if (event.kind != WEFT_EVENT_FAULT && event.kind != WEFT_EVENT_PARKED) continue;
        view_say(&show->view, "device A: %s: %s",
                 event.kind == WEFT_EVENT_FAULT ? "fault" : "parked", event.error.text);
    }
}

static void show_draw(struct show *show) {
    int64_t now = instant_us();
    if (show->gauge.count == NULL) return;
    if (now >= show->figures_us) {
        struct weft_error why = {0};
        show->figures_us = now + SHOW_FIGURES_US;
        enum weft_status status = gauge_read(&show->gauge, false, &show->figures, &why);
        if (status != WEFT_OK) show_fail_weft(show, "device A", status, &why);
    }
    struct view_frame frame = {.phase = show->phase, .count = show->child_count + 1};
    uint64_t rows = show->figures.rows;
    frame.devices[0] =
        (struct view_device){"A", show->figures, show->of > rows ? show->of : rows, 0};
    for (unsigned i = 0; i < show->child_count; i++) {
        const struct device *child = &show->children[i];
        uint64_t behind = rows > child->figures.rows ? rows - child->figures.rows : 0;
        frame.devices[i + 1] =
            (struct view_device){child->name, child->figures, frame.devices[0].of, behind};
    }
    view_show(&show->view, &frame);
}

void show_phase(struct show *show, const char *phase) {
    show->phase = phase;
    /* Figures of the phase before would mislead. */
    show->gauge.next_us = 0;
    show->figures_us = 0;
}

bool show_pump(struct show *show, int timeout_ms) {
    struct pollfd watched[OPTIONS_DEVICES_MAX + 1];
    unsigned count = 0;
    watched[count++] = (struct pollfd){show->signals, POLLIN, 0};
    watched[count++] = (struct pollfd){weft_event_descriptor(show->engine), POLLIN, 0};
    for (unsigned i = 0; i < show->child_count; i++)
        watched[count++] = (struct pollfd){show->children[i].from, POLLIN, 0};
    if (!tagging_step(show, &timeout_ms)) return false;
    if (poll(watched, count, timeout_ms) < 0 && errno != EINTR)
        return show_fail(show, "waiting failed: %s", strerror(errno));
    if (watched[0].revents != 0) return show_fail(show, "stopped");
    if (watched[1].revents != 0) show_events(show);
    for (unsigned i = 0; i < show->child_count; i++) {
        struct device *child = &show->children[i];
        if (watched[i + 2].revents != 0) device_read(child, &show->listener);
        if (child->ended)
            show_fail(show, "the process of device %s ended (status %d)", child->name,
                      child->exit_status);
    }
    show_draw(show);
    return !show->failed;
}

bool show_wait_everywhere(struct show *show, uint64_t ticket) {
    uint64_t moved = 0;
    int64_t moved_us = instant_us();
    for (;;) {
        struct weft_error why = {0};
        enum weft_status status = weft_wait(show->engine, ticket, WEFT_REPLICATED,
                                            show->child_count, show->tagging ? 2 : 20, &why);
        if (status == WEFT_OK) return !show->failed;
        if (status != WEFT_TIMEOUT) return show_fail_weft(show, "waiting", status, &why);
        if (!show_pump(show, 0)) return false;
        uint64_t now = show->figures.rows;
        for (unsigned i = 0; i < show->child_count; i++)
            now += show->children[i].figures.rows;
        if (now != moved) moved_us = instant_us();
        moved = now;
        if (instant_us() - moved_us > SHOW_STUCK_US)
            return show_fail(show, "nothing has moved for a minute, and not all has arrived");
    }
}

bool show_ask(struct show *show) {
    for (unsigned i = 0; i < show->child_count; i++) {
        struct device *child = &show->children[i];
        child->told = false;
        if (!device_send(child, "status"))
            return show_fail(show, "device %s does not listen", child->name);
        while (!child->told) {
            if (!show_pump(show, 100)) return false;
        }
    }
    show->gauge.next_us = 0;
    show->figures_us = 0;
    return show_pump(show, 0);
}

static bool show_folder(struct show *show) {
    const char *parent = show->options->folder;
    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0') parent = "/tmp";
    int size = snprintf(show->folder, sizeof show->folder, "%s/weft-demo-XXXXXX", parent);
    if (size < 0 || (size_t)size >= sizeof show->folder)
        return show_fail(show, "cannot make the databases in \"%.200s…\": the path is too long",
                         parent);
    if (mkdtemp(show->folder) == NULL)
        return show_fail(show,
                         "cannot make the databases in \"%s\": %s; name another folder with --dir",
                         parent, strerror(errno));
    show->folder_made = true;
    snprintf(show->db, sizeof show->db, "%s/A.db", show->folder);
    return true;
}

static bool show_signals(struct show *show) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGPIPE);
    /* Blocked before any thread starts; each thread inherits it. */
    pthread_sigmask(SIG_BLOCK, &wanted, NULL);
    sigdelset(&wanted, SIGPIPE);
    show->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return show->signals >= 0 || show_fail(show, "signals: %s", strerror(errno));
}

static bool show_engine(struct show *show) {
    struct weft_error why = {0};
    struct weft_config config = {
        .path = show->db, .schema = demo_schema, .name = "A", .peers_max = 2 * OPTIONS_DEVICES_MAX};
    enum weft_status status = weft_open(&config, &show->engine, &why);
    if (status != WEFT_OK) return show_fail_weft(show, "cannot open device A", status, &why);
    status = entry_models_find(show->engine, &show->models);
    if (status != WEFT_OK) return show_fail_weft(show, "the demo's schema", status, NULL);
    status = gauge_open(&show->gauge, show->engine, &why);
    if (status != WEFT_OK) return show_fail_weft(show, "cannot read device A", status, &why);
    status = weft_listen_wait(show->engine, "127.0.0.1:0", show->address, &why);
    if (status != WEFT_OK) return show_fail_weft(show, "device A cannot listen", status, &why);
    return true;
}

/* Until the child is a member, and both sides have shown the same code. */
static bool show_join(struct show *show, struct device *child) {
    int64_t deadline = instant_us() + SHOW_STUCK_US;
    while (!child->ready || !child->joined || child->code[0] == '\0' || show->code[0] == '\0') {
        if (instant_us() > deadline)
            return show_fail(show, "device %s did not come in within a minute", child->name);
        if (!show_pump(show, 100)) return false;
    }
    if (strcmp(child->code, show->code) != 0)
        return show_fail(show, "A shows the code %s, but %s shows %s: somebody is in between",
                         show->code, child->name, child->code);
    if (show->view.form != FORM_JSON)
        view_say(&show->view, "%s came in by invite; A and %s both show the code %.3s %.3s",
                 child->name, child->name, child->code, child->code + 3);
    struct line line;
    line_open(&line, "joined");
    line_member_text(&line, "name", child->name);
    line_member_text(&line, "device", child->id);
    line_member_text(&line, "code", child->code);
    line_close(&line);
    view_json(&show->view, &line);
    return true;
}

/* Connects a child to those that came in before it; the session with A stands since it came in. */
static bool show_connect(struct show *show, struct device *child) {
    char command[WEFT_ADDRESS_MAX + LINE_ID_TEXT + 16];
    for (const struct device *other = show->children; other != child; other++) {
        snprintf(command, sizeof command, "connect %s#%s", other->address, other->id);
        if (!device_send(child, command))
            return show_fail(show, "device %s does not listen", child->name);
    }
    return true;
}

static bool show_children(struct show *show) {
    char link[WEFT_LINK_MAX], text[SHOW_TEXT];
    for (unsigned i = 0; i + 1 < show->options->devices; i++) {
        struct weft_error why = {0};
        struct device *child = &show->children[i];
        child->name[0] = (char)('B' + i);
        snprintf(child->db, sizeof child->db, "%s/%s.db", show->folder, child->name);
        show->code[0] = '\0';
        enum weft_status status = weft_invite(show->engine, NULL, link, sizeof link, &why);
        if (status != WEFT_OK) return show_fail_weft(show, "device A cannot invite", status, &why);
        if (!device_start(child, link, text, sizeof text)) return show_fail(show, "%s", text);
        show->child_count++;
        if (!show_join(show, child) || !show_connect(show, child)) return false;
    }
    return true;
}

/* Until every device has a session with every other one. */
static bool show_meet(struct show *show) {
    int64_t deadline = instant_us() + SHOW_STUCK_US;
    for (;;) {
        bool met = weft_member_count(show->engine) == show->options->devices;
        for (unsigned i = 0; i < show->child_count; i++)
            met = met && show->children[i].figures.peers >= show->child_count;
        if (met) return true;
        if (instant_us() > deadline)
            return show_fail(show, "the devices did not find each other within a minute");
        if (!show_pump(show, 100)) return false;
    }
}

static bool show_open(struct show *show) {
    show->phase = "starting";
    show->listener = (struct device_listener){show, show_seen, show_said};
    int tree = open(show->options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0)
        return show_fail(show, "cannot index \"%s\": %s", show->options->path, strerror(errno));
    close(tree);
    if (!show_signals(show) || !show_folder(show) || !show_engine(show)) return false;
    if (!show_children(show) || !show_meet(show)) return false;
    view_say(&show->view, "%u devices, each connected to every other one by a sealed session",
             show->options->devices);
    return true;
}

static void remove_database(const char *db) {
    static const char *const parts[] = {"",      "-wal",          "-shm", "-journal",
                                        "-lock", "-lock-journal", "-key"};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s%s", db, parts[i]);
        unlink(path);
    }
}

bool show_stop(struct show *show) {
    bool well = true;
    for (unsigned i = 0; i < show->child_count; i++) {
        struct device *child = &show->children[i];
        if (child->ended) continue;
        if (!device_close(child, SHOW_CLOSE_MS, &show->listener))
            well = show_fail(show, "device %s did not close well (status %d)", child->name,
                             child->exit_status);
    }
    tagger_close(show->tagger);
    show->tagger = NULL;
    gauge_close(&show->gauge);
    weft_close(show->engine);
    show->engine = NULL;
    return well;
}

static void show_close(struct show *show) {
    live_close(show->live);
    show->live = NULL;
    (void)show_stop(show);
    view_close(&show->view);
    if (!show->folder_made) return;
    if (show->options->keep) {
        view_say(&show->view, "the databases are in %s", show->folder);
        return;
    }
    remove_database(show->db);
    for (unsigned i = 0; i < show->child_count; i++)
        remove_database(show->children[i].db);
    if (rmdir(show->folder) != 0)
        fprintf(stderr, "engine_demo: \"%s\" could not be removed: %s\n", show->folder,
                strerror(errno));
}

int show_run(const struct show_options *options) {
    MUST(options->devices >= 2 && options->devices <= OPTIONS_DEVICES_MAX);
    struct show *show = calloc(1, sizeof *show);
    if (show == NULL) return EXIT_FAILED;
    show->options = options;
    show->signals = -1;
    view_open(&show->view, options->form);
    int status = EXIT_FAILED;
    if (show_open(show)) status = stages_run(show);
    show_close(show);
    if (show->failed) {
        struct line line;
        line_open(&line, "failed");
        line_member_text(&line, "text", show->failure);
        line_close(&line);
        view_json(&show->view, &line);
        fprintf(stderr, "engine_demo: %s\n", show->failure);
        status = EXIT_FAILED;
    }
    if (show->signals >= 0) close(show->signals);
    free(show);
    return status;
}
