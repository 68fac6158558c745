/* weft invite, weft join: how one device comes into the library of another.
 *
 *      invite ─► link and QR code ─ ─ ─ by people ─ ─ ─► join
 *         ▼                                               ▼
 *      the code of six digits  ◄ ─ compared by people ─►  the same code
 *         ▼
 *      with --confirm: yes or no
 *
 * Invariants
 *   1. With --confirm nobody comes in without a yes; the end of standard input is a no.
 *   2. The inviter stays until the new member has said that it holds the log, or has left. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/host.h"
#include "cli/options.h"
#include "cli/text.h"
#include "demo/qr.h"

#define LOOK_MS 100
#define SETTLE_MS 20000
#define CODE_TEXT 8u

static void code_text(const struct weft_event *event, char out[CODE_TEXT]) {
    const unsigned code = (unsigned)(event->count % 1000000);
    snprintf(out, CODE_TEXT, "%03u %03u", code / 1000, code % 1000);
}

static void joining_json(struct host *host, const struct weft_event *event) {
    char code[CODE_TEXT];
    snprintf(code, sizeof code, "%06u", (unsigned)(event->count % 1000000));
    json_open(&host->out, NULL, '{');
    json_text(&host->out, "event", "joining");
    json_id(&host->out, "device", event->device);
    json_text(&host->out, "name", event->error.text);
    json_text(&host->out, "code", code);
    json_close(&host->out, '}');
    fflush(stdout);
}

/* ---- invite ---- */

struct inviting {
    struct host host;
    const char *path;
    struct weft_invite options;
    bool draw;
    bool asking;   /* a person is to say yes or no */
    bool answered; /* ... and has */
    bool inside;   /* the new device is a member */
    bool done;
    uint8_t device[WEFT_ID_SIZE];
    int64_t until_ms;
    char line[16]; /* what the person is typing */
    size_t line_size;
};

/* This machine's first address that others may reach, with any free port. */
static void own_address(char out[WEFT_ADDRESS_MAX]) {
    struct ifaddrs *list = NULL;
    char text[INET_ADDRSTRLEN];
    snprintf(out, WEFT_ADDRESS_MAX, "127.0.0.1:0");
    if (getifaddrs(&list) != 0) return;
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        const unsigned wanted = IFF_UP | IFF_RUNNING;
        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET) continue;
        if ((at->ifa_flags & (wanted | IFF_LOOPBACK)) != wanted) continue;
        const struct sockaddr_in *address = (const void *)at->ifa_addr;
        if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) == NULL) continue;
        snprintf(out, WEFT_ADDRESS_MAX, "%s:0", text);
        break;
    }
    freeifaddrs(list);
}

/* If standard output is a terminal that is wide enough. */
static void draw_link(const char *link) {
    struct winsize size;
    if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
    char *drawing = cli_memory(NULL, QR_DRAWING_MAX);
    const unsigned side = qr_draw(link, drawing, QR_DRAWING_MAX);
    if (side > 0 && side <= size.ws_col) fputs(drawing, stdout);
    free(drawing);
}

static int invite_begin(struct inviting *inviting, const char *listen) {
    struct host *host = &inviting->host;
    struct weft_error why = {0};
    char link[WEFT_LINK_MAX], bound[WEFT_ADDRESS_MAX];
    if (weft_listen_wait(host->engine, listen, bound, &why) != WEFT_OK ||
        weft_invite(host->engine, &inviting->options, link, sizeof link, &why) != WEFT_OK)
        return cli_fail(&why);
    if (host->json) {
        json_open(&host->out, NULL, '{');
        json_text(&host->out, "event", "invite");
        json_text(&host->out, "link", link);
        json_text(&host->out, "address", bound);
        json_close(&host->out, '}');
    } else {
        printf("to bring one device in, within %u minutes, run there\n"
               "  weft join - FILE      and paste this link, a secret:\n\n%s\n\n",
               inviting->options.seconds / 60, link);
        if (inviting->draw) draw_link(link);
    }
    fflush(stdout);
    return OPTIONS_GO;
}

static void answer(struct inviting *inviting, bool yes) {
    struct host *host = &inviting->host;
    if (!inviting->asking) return;
    inviting->asking = false;
    inviting->answered = true;
    enum weft_status status = weft_admit(host->engine, inviting->device, yes);
    if (status != WEFT_OK)
        host_say(host, "fault", NULL, "the answer was not taken: %s", weft_status_text(status));
    if (yes) return;
    host_say(host, "refused", inviting->device, "it stays outside; the invite is spent");
    inviting->done = true;
}

static void read_answer(struct inviting *inviting) {
    char byte = 0;
    const ssize_t got = read(STDIN_FILENO, &byte, 1);
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
        answer(inviting, false);
        return;
    }
    if (byte != '\n') {
        if (inviting->line_size < sizeof inviting->line - 1)
            inviting->line[inviting->line_size++] = byte;
        return;
    }
    inviting->line[inviting->line_size] = '\0';
    inviting->line_size = 0;
    if (strcmp(inviting->line, "yes") == 0 || strcmp(inviting->line, "y") == 0) {
        answer(inviting, true);
    } else if (strcmp(inviting->line, "no") == 0 || strcmp(inviting->line, "n") == 0) {
        answer(inviting, false);
    } else if (!inviting->host.json) {
        printf("type yes or no: ");
        fflush(stdout);
    }
}

static void invite_joining(struct inviting *inviting, const struct weft_event *event) {
    struct host *host = &inviting->host;
    char id[TEXT_ID], code[CODE_TEXT];
    const char *name = event->error.text[0] != '\0' ? event->error.text : "a device";
    memcpy(inviting->device, event->device, WEFT_ID_SIZE);
    inviting->asking = inviting->options.confirm;
    inviting->until_ms = host_now_ms() + (int64_t)inviting->options.seconds * 1000;
    if (host->json) {
        joining_json(host, event);
        return;
    }
    text_id(event->device, id);
    code_text(event, code);
    printf("%s (%s) %s, code %s\n", name, id, inviting->asking ? "wants to come in" : "comes in",
           code);
    if (inviting->asking) {
        printf("does it show the same code? type yes or no: ");
    } else {
        printf("it shows the same code; if not: weft revoke FILE %s\n", id);
    }
    fflush(stdout);
}

static void invite_event(struct inviting *inviting, const struct weft_event *event) {
    struct host *host = &inviting->host;
    const bool its = memcmp(event->device, inviting->device, WEFT_ID_SIZE) == 0;
    if (event->kind == WEFT_EVENT_JOINING) {
        invite_joining(inviting, event);
    } else if (event->kind == WEFT_EVENT_MEMBER && its) {
        inviting->inside = true;
        inviting->until_ms = host_now_ms() + SETTLE_MS;
        host_tell(host, event);
    } else if (event->kind == WEFT_EVENT_PEER_DOWN && its && inviting->inside) {
        inviting->done = true;
    } else if (event->kind == WEFT_EVENT_FAULT || event->kind == WEFT_EVENT_RESTORED) {
        host_tell(host, event);
    }
}

struct holding {
    const uint8_t *device;
    uint64_t behind, found;
};

static void take_ack(void *context, const struct weft_look_ack *ack) {
    struct holding *holding = context;
    if (ack->table != NULL || memcmp(ack->device, holding->device, WEFT_ID_SIZE) != 0) return;
    holding->behind += ack->behind;
    holding->found++;
}

/* Whether the new member has said that it holds the log. */
static bool settled(const struct inviting *inviting) {
    struct holding holding = {.device = inviting->device};
    weft_look *look = NULL;
    if (weft_look_open(inviting->path, &look, NULL) != WEFT_OK) return false;
    enum weft_status status = weft_look_acks(look, &holding, take_ack, NULL);
    weft_look_close(look);
    return status == WEFT_OK && holding.found > 0 && holding.behind == 0;
}

static int invite_loop(struct inviting *inviting) {
    struct host *host = &inviting->host;
    struct weft_event event;
    while (!inviting->done) {
        struct pollfd watched[] = {{weft_event_descriptor(host->engine), POLLIN, 0},
                                   {host->signals, POLLIN, 0},
                                   {inviting->asking ? STDIN_FILENO : -1, POLLIN, 0}};
        if (poll(watched, 3, LOOK_MS) < 0 && errno != EINTR) return CLI_FAILED;
        if (watched[1].revents != 0)
            return inviting->inside ? CLI_OK : cli_fail_text(CLI_FAILED, "interrupted");
        while (weft_next_event(host->engine, &event))
            invite_event(inviting, &event);
        if (watched[2].revents != 0) read_answer(inviting);
        if (inviting->inside && settled(inviting)) break;
        if (host_now_ms() < inviting->until_ms) continue;
        if (inviting->inside) break;
        return cli_fail_text(CLI_TIMEOUT, "nobody has come in by the invite in its time");
    }
    return inviting->inside ? CLI_OK : CLI_DENIED;
}

int command_invite(const struct command *command, int count, char **arguments) {
    struct inviting inviting = {.draw = true};
    struct host_plan plan = {.path = NULL};
    char address[WEFT_ADDRESS_MAX];
    const char *listen = NULL;
    bool no_qr = false;
    uint64_t minutes = 10;
    const struct option options[] = {{"--listen", OPTION_TEXT, &listen, 0, 0},
                                     {"--address", OPTION_TEXT, &inviting.options.address, 0, 0},
                                     {"--minutes", OPTION_NUMBER, &minutes, 1, 60},
                                     {"--confirm", OPTION_FLAG, &inviting.options.confirm, 0, 0},
                                     {"--no-qr", OPTION_FLAG, &no_qr, 0, 0},
                                     {"--json", OPTION_FLAG, &plan.json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    if (listen == NULL) {
        own_address(address);
        listen = address;
    }
    inviting.path = plan.path = rest.items[0];
    inviting.draw = !no_qr;
    inviting.options.seconds = (unsigned)minutes * 60;
    inviting.until_ms = host_now_ms() + (int64_t)minutes * 60000;
    status = host_open(&inviting.host, &plan);
    if (status != OPTIONS_GO) return status;
    status = invite_begin(&inviting, listen);
    if (status == OPTIONS_GO) status = invite_loop(&inviting);
    host_close(&inviting.host);
    return status;
}

/* ---- join ---- */

/* The first line of standard input. */
static bool read_link(char link[WEFT_LINK_MAX]) {
    if (isatty(STDIN_FILENO) == 1) {
        printf("paste the link of the invite, then Enter:\n");
        fflush(stdout);
    }
    if (fgets(link, (int)WEFT_LINK_MAX, stdin) == NULL) return false;
    link[strcspn(link, "\r\n")] = '\0';
    return link[0] != '\0';
}

static void join_event(struct host *host, const struct weft_event *event, int *status) {
    char code[CODE_TEXT];
    if (event->kind == WEFT_EVENT_JOINING && host->json) {
        joining_json(host, event);
    } else if (event->kind == WEFT_EVENT_JOINING) {
        code_text(event, code);
        printf("code %s: %s shows the same, if nobody is in between; if not, say no there, or "
               "remove this device\n",
               code, event->error.text[0] != '\0' ? event->error.text : "the other device");
        fflush(stdout);
    } else if (event->kind == WEFT_EVENT_FAULT && event->error.status == WEFT_DENIED) {
        *status = cli_fail_text(CLI_DENIED,
                                "nobody lets this device in: the invite has ended or was used, or "
                                "somebody said no; ask for another one");
    } else if (event->kind == WEFT_EVENT_FAULT) {
        host_tell(host, event);
    }
}

static int join_loop(struct host *host, int64_t until_ms) {
    struct weft_event event;
    int status = OPTIONS_GO;
    while (status == OPTIONS_GO) {
        while (status == OPTIONS_GO && weft_next_event(host->engine, &event))
            join_event(host, &event, &status);
        if (status != OPTIONS_GO) break;
        if (host_inside(host)) {
            uint8_t device[WEFT_ID_SIZE];
            weft_device(host->engine, device);
            host_say(host, "joined", device, "this device is a member now");
            return CLI_OK;
        }
        if (host_now_ms() >= until_ms) {
            return cli_fail_text(CLI_TIMEOUT,
                                 "nobody has answered to the invite: the device that wrote it is "
                                 "off, or its address does not lead there");
        }
        if (!host_wait(host, until_ms)) return cli_fail_text(CLI_FAILED, "interrupted");
    }
    return status;
}

int command_join(const struct command *command, int count, char **arguments) {
    struct host_plan plan = {.fresh = true};
    uint64_t minutes = 2;
    char link[WEFT_LINK_MAX];
    const struct option options[] = {{"--schema", OPTION_TEXT, &plan.schema, 0, 0},
                                     {"--name", OPTION_TEXT, &plan.name, 0, 0},
                                     {"--minutes", OPTION_NUMBER, &minutes, 1, 60},
                                     {"--json", OPTION_FLAG, &plan.json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 2, .most = 2};
    struct host host;
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    plan.link = rest.items[0];
    plan.path = rest.items[1];
    if (strcmp(plan.link, "-") == 0) {
        if (!read_link(link))
            return cli_fail_text(CLI_USAGE, "join: - wants a link on standard input, and none "
                                            "came");
        plan.link = link;
    }
    status = host_open(&host, &plan);
    if (status != OPTIONS_GO) return status;
    status = join_loop(&host, host_now_ms() + (int64_t)minutes * 60000);
    host_close(&host);
    return status;
}
