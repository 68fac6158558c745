/* See host.h.
 *
 * Signals come through a descriptor: nothing runs inside a handler, nothing is global. */
#include "cli/host.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/text.h"

#define SCHEMA_BYTES (4u << 20)
#define MEMBERS 256u

int host_signals(void) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &wanted, NULL);
    sigdelset(&wanted, SIGPIPE);
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

int64_t host_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- opening ---- */

/* The whole of a file; NULL, and it has been said, when it cannot be had. */
static char *read_schema(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)cli_fail_text(CLI_NOT_FOUND, "the schema \"%s\" cannot be read: %s", path,
                            strerror(errno));
        return NULL;
    }
    char *text = cli_memory(NULL, SCHEMA_BYTES + 1);
    const size_t size = fread(text, 1, SCHEMA_BYTES + 1, file);
    const bool sound = ferror(file) == 0 && size <= SCHEMA_BYTES && memchr(text, 0, size) == NULL;
    fclose(file);
    if (!sound) {
        (void)cli_fail_text(CLI_FAILED,
                            "the schema \"%s\" is no text of SQL, or has more than 4 MiB", path);
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

static void take_self(void *context, const struct weft_look_member *member) {
    char *name = context;
    if (member->member.self) snprintf(name, WEFT_NAME_MAX + 1, "%s", member->member.name);
}

/* Whether there is a library already: weft_open() would found one. `name` becomes that of its
 * device, if it has one. */
static int expect_library(const struct host_plan *plan, char name[WEFT_NAME_MAX + 1]) {
    struct weft_error why = {0};
    weft_look *look = NULL;
    if (plan->fresh) return OPTIONS_GO;
    enum weft_status status = weft_look_open(plan->path, &look, &why);
    if (status == WEFT_OK) status = weft_look_members(look, name, take_self, &why);
    weft_look_close(look);
    if (status == WEFT_NOT_FOUND || status == WEFT_NOT_A_DATABASE) {
        return cli_fail_text(CLI_NOT_FOUND,
                             "\"%s\" is no library; weft init makes one, weft join comes into one",
                             plan->path);
    }
    return OPTIONS_GO; /* What else may be the matter, weft_open() says. */
}

int host_open(struct host *host, const struct host_plan *plan) {
    struct weft_error why = {0};
    char name[WEFT_NAME_MAX + 1] = "";
    struct weft_config config = {
        .path = plan->path, .invite = plan->link, .name = plan->name, .log = plan->log};
    char *schema = NULL;
    *host = (struct host){.signals = host_signals(), .json = plan->json};
    int status = expect_library(plan, name);
    if (name[0] == 0 && gethostname(name, sizeof name - 1) != 0) name[0] = 0;
    if (config.name == NULL) config.name = name;
    if (status == OPTIONS_GO && plan->schema != NULL) {
        config.schema = schema = read_schema(plan->schema);
        if (schema == NULL) status = CLI_NOT_FOUND;
    }
    if (status == OPTIONS_GO && weft_open(&config, &host->engine, &why) != WEFT_OK)
        status = cli_fail(&why);
    free(schema);
    if (status != OPTIONS_GO) host_close(host);
    return status;
}

void host_close(struct host *host) {
    weft_close(host->engine);
    if (host->signals >= 0) close(host->signals);
    *host = (struct host){.signals = -1};
}

/* ---- who is who ---- */

bool host_inside(const struct host *host) {
    struct weft_member self;
    return weft_members(host->engine, &self, 1) > 0 && self.self && self.state == WEFT_MEMBER;
}

void host_label(const struct host *host, const uint8_t device[WEFT_ID_SIZE], char *out,
                size_t room) {
    struct weft_member members[MEMBERS];
    unsigned count = weft_members(host->engine, members, MEMBERS);
    char id[TEXT_ID];
    text_id(device, id);
    snprintf(out, room, "%.8s", id);
    for (unsigned i = 0; i < count && i < MEMBERS; i++) {
        if (memcmp(members[i].device, device, WEFT_ID_SIZE) == 0 && members[i].name[0] != '\0')
            snprintf(out, room, "%s", members[i].name);
    }
}

/* ---- what happens ---- */

bool host_wait(struct host *host, int64_t until_ms) {
    const int64_t left = until_ms - host_now_ms();
    struct pollfd watched[] = {{weft_event_descriptor(host->engine), POLLIN, 0},
                               {host->signals, POLLIN, 0}};
    if (poll(watched, 2, left <= 0 ? 0 : left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
        return false;
    return watched[1].revents == 0;
}

static void say(struct host *host, const char *event, const uint8_t *device, const char *text) {
    flockfile(stdout); /* What is logged comes from another thread. */
    if (!host->json) {
        printf("%s\n", text);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        json_open(&host->out, NULL, '{');
        json_text(&host->out, "event", event);
        json_signed(&host->out, "ms", (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
        if (device != NULL) json_id(&host->out, "device", device);
        json_text(&host->out, "text", text);
        json_close(&host->out, '}');
    }
    fflush(stdout);
    funlockfile(stdout);
}

static void log_json(const struct weft_log_entry *entry) {
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "event", entry->event);
    json_number(&json, "ms", entry->wall_ms);
    json_text(&json, "level", weft_log_level_name(entry->level));
    json_text(&json, "component", entry->component);
    for (unsigned i = 0; i < entry->field_count; i++) {
        const struct weft_log_field *field = &entry->fields[i];
        if (field->text != NULL)
            json_text(&json, field->key, field->text);
        else
            json_number(&json, field->key, field->number);
    }
    json_text(&json, "text", entry->text);
    json_close(&json, '}');
}

/* Names are chosen by others: nothing in them steers a terminal, or looks like another line. */
static void put_plain(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        const size_t step = text_character(at, left);
        const bool control = at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
        if (step == 0 || control)
            putchar('?');
        else
            fwrite(at, 1, step, stdout);
        at += step == 0 ? 1 : step;
        left -= step == 0 ? 1 : step;
    }
}

static void log_text(const struct weft_log_entry *entry) {
    char time[TEXT_TIME];
    text_time(entry->wall_ms, time);
    printf("%s %-5s %s %s: ", time, weft_log_level_name(entry->level), entry->component,
           entry->event);
    put_plain(entry->text);
    for (unsigned i = 0; i < entry->field_count; i++) {
        const struct weft_log_field *field = &entry->fields[i];
        printf(" %s=", field->key);
        if (field->text == NULL) {
            printf("%" PRIu64, field->number);
            continue;
        }
        putchar('"');
        put_plain(field->text);
        putchar('"');
    }
    putchar('\n');
}

void host_log(void *context, const struct weft_log_entry *entry) {
    const bool *json = context;
    flockfile(stdout);
    if (*json)
        log_json(entry);
    else
        log_text(entry);
    fflush(stdout);
    funlockfile(stdout);
}

void host_say(struct host *host, const char *event, const uint8_t *device, const char *format,
              ...) {
    char text[WEFT_LINK_MAX + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say(host, event, device, text);
}

void host_tell(struct host *host, const struct weft_event *event) {
    char label[WEFT_NAME_MAX + 1];
    const uint8_t *device = event->device;
    const char *text = event->error.text;
    host_label(host, device, label, sizeof label);
    switch (event->kind) {
    case WEFT_EVENT_PEER_UP:
        host_say(host, "peer_up", device, "%s is connected", label);
        return;
    case WEFT_EVENT_PEER_DOWN:
        host_say(host, "peer_down", device, "%s is disconnected%s%s", label,
                 text[0] != '\0' ? ": " : "", text);
        return;
    case WEFT_EVENT_MEMBER:
        host_say(host, "member", device, "%s is a member", label);
        return;
    case WEFT_EVENT_REMOVED:
        host_say(host, "removed", device, "%s is a member no longer", label);
        return;
    case WEFT_EVENT_JOINING:
        host_say(host, "joining", device, "%s comes in, code %03llu %03llu",
                 text[0] != '\0' ? text : label, (unsigned long long)event->count / 1000 % 1000,
                 (unsigned long long)event->count % 1000);
        return;
    case WEFT_EVENT_CHANGED:
        host_say(host, "changed", NULL, "rows of another device were applied: %llu",
                 (unsigned long long)event->count);
        return;
    case WEFT_EVENT_RESTORED:
        host_say(host, "restored", NULL, "%s", text);
        return;
    case WEFT_EVENT_FAULT:
        host_say(host, "fault", NULL, "%s (%s)", text, weft_status_name(event->error.status));
        return;
    case WEFT_EVENT_PARKED:
        host_say(host, "parked", NULL, "%s", text);
        return;
    case WEFT_EVENT_DIFFERS:
        host_say(host, "differs", device, "%s", text);
        return;
    case WEFT_EVENT_LOST:
        host_say(host, "lost", NULL, "%llu events were not printed",
                 (unsigned long long)event->count);
        return;
    case WEFT_EVENT_NONE:
        return;
    }
}
