/* weft init, weft revoke, weft serve: commands that open a library and need no answer of a person.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/host.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/text.h"

#define REVOKE_MS 10000
#define SPREAD_MS 60000

/* ---- init ---- */

int command_init(const struct command *command, int count, char **arguments) {
    struct host_plan plan = {.fresh = true};
    const struct option options[] = {{"--schema", OPTION_TEXT, &plan.schema, 0, 0},
                                     {"--name", OPTION_TEXT, &plan.name, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    struct host host;
    weft_look *look = NULL;
    uint8_t library[WEFT_ID_SIZE], device[WEFT_ID_SIZE];
    char library_text[TEXT_ID], device_text[TEXT_ID];
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    plan.path = rest.items[0];
    if (weft_look_open(plan.path, &look, NULL) == WEFT_OK) {
        weft_look_close(look);
        return cli_fail_text(CLI_FAILED, "\"%s\" is a library already; weft status shows it",
                             plan.path);
    }
    status = host_open(&host, &plan);
    if (status != OPTIONS_GO) return status;
    weft_library(host.engine, library);
    weft_device(host.engine, device);
    text_id(library, library_text);
    text_id(device, device_text);
    printf("library  %s\ndevice   %s\n", library_text, device_text);
    host_close(&host);
    return CLI_OK;
}

/* ---- revoke ---- */

static int find_device(const char *path, const char *text, uint8_t device[WEFT_ID_SIZE]) {
    struct weft_error why = {0};
    const struct weft_look_member *member = NULL;
    struct names names = {0};
    weft_look *look = NULL;
    enum weft_status status = weft_look_open(path, &look, &why);
    if (status == WEFT_OK) status = names_read(look, &names, &why);
    if (status == WEFT_OK) status = names_find(&names, text, &member, &why);
    if (status == WEFT_OK && member->member.self) {
        status = why.status = WEFT_INVALID;
        snprintf(why.text, sizeof why.text, "\"%s\" is this device; another member can remove it",
                 text);
    }
    if (status == WEFT_OK && member->member.state == WEFT_MEMBER_REMOVED) {
        status = why.status = WEFT_NOT_FOUND;
        snprintf(why.text, sizeof why.text, "\"%s\" has been removed before", text);
    }
    if (status == WEFT_OK) memcpy(device, member->member.device, WEFT_ID_SIZE);
    names_free(&names);
    weft_look_close(look);
    return status == WEFT_OK ? OPTIONS_GO : cli_fail(&why);
}

int command_revoke(const struct command *command, int count, char **arguments) {
    const struct option options[] = {{NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 2, .most = 2};
    struct host_plan plan = {.path = NULL};
    struct weft_error why = {0};
    struct host host;
    uint8_t device[WEFT_ID_SIZE];
    char id[TEXT_ID];
    uint64_t ticket = 0;
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    plan.path = rest.items[0];
    status = find_device(plan.path, rest.items[1], device);
    if (status == OPTIONS_GO) status = host_open(&host, &plan);
    if (status != OPTIONS_GO) return status;
    why.status = weft_revoke(host.engine, device, &ticket);
    if (why.status == WEFT_OK)
        why.status = weft_wait(host.engine, ticket, WEFT_DURABLE, 0, REVOKE_MS, &why);
    host_close(&host);
    if (why.status != WEFT_OK) return cli_fail(&why);
    text_id(device, id);
    printf("%s is removed: it gets nothing new, and what it has read it keeps\n", id);
    return CLI_OK;
}

/* ---- serve ---- */

#define TOKEN_BYTES 256u

struct serving {
    const char *listen, *http, *token; /* NULL: not asked for; `token`: a file */
    struct option_list connect;
};

/* The first line of a file, without its end. */
static bool read_token(const char *path, char out[TOKEN_BYTES + 2]) {
    FILE *file = fopen(path, "re");
    const bool read = file != NULL && fgets(out, TOKEN_BYTES + 2, file) != NULL;
    if (file != NULL) fclose(file);
    if (read) out[strcspn(out, "\r\n")] = 0;
    return read;
}

static int serve_http(struct host *host, const struct serving *serving) {
    struct weft_error why = {0};
    char token[TOKEN_BYTES + 2] = "";
    struct weft_http http = {.address = serving->http};
    if (serving->http == NULL) return OPTIONS_GO;
    if (serving->token != NULL) {
        if (!read_token(serving->token, token))
            return cli_fail_text(CLI_NOT_FOUND,
                                 "no token can be read from \"%s\": it is to be its first line",
                                 serving->token);
        http.token = token;
    }
    return weft_http_start_wait(host->engine, &http, NULL, &why) == WEFT_OK ? OPTIONS_GO
                                                                            : cli_fail(&why);
}

static int serve_begin(struct host *host, const struct serving *serving) {
    const struct option_list *connect = &serving->connect;
    const char *listen = serving->listen;
    struct weft_error why = {0};
    char bound[WEFT_ADDRESS_MAX] = "", id[TEXT_ID];
    uint8_t device[WEFT_ID_SIZE];
    if (listen != NULL && weft_listen_wait(host->engine, listen, bound, &why) != WEFT_OK)
        return cli_fail(&why);
    for (unsigned i = 0; i < connect->count; i++) {
        if (weft_connect(host->engine, connect->items[i], &why) != WEFT_OK) return cli_fail(&why);
    }
    const int status = serve_http(host, serving);
    if (status != OPTIONS_GO) return status;
    weft_device(host->engine, device);
    text_id(device, id);
    host_say(host, "ready", device, "%s%s%s", id, listen != NULL ? " listens on " : "", bound);
    if (!host_inside(host))
        host_say(host, "fault", NULL,
                 "this device is no member of the library (any more): nothing comes in or goes "
                 "out");
    return OPTIONS_GO;
}

/* WEFT_LOG_OFF: it is none. */
static enum weft_log_level level_of(const char *text) {
    for (int level = WEFT_LOG_ERROR; level <= WEFT_LOG_DEBUG; level++) {
        if (strcmp(text, weft_log_level_name((enum weft_log_level)level)) == 0)
            return (enum weft_log_level)level;
    }
    return WEFT_LOG_OFF;
}

int command_serve(const struct command *command, int count, char **arguments) {
    struct host_plan plan = {.path = NULL};
    struct serving serving = {.listen = NULL};
    const char *form = "text", *level = "info";
    const struct option options[] = {{"--listen", OPTION_TEXT, &serving.listen, 0, 0},
                                     {"--connect", OPTION_LIST, &serving.connect, 0, 0},
                                     {"--http", OPTION_TEXT, &serving.http, 0, 0},
                                     {"--http-token", OPTION_TEXT, &serving.token, 0, 0},
                                     {"--log-level", OPTION_TEXT, &level, 0, 0},
                                     {"--schema", OPTION_TEXT, &plan.schema, 0, 0},
                                     {"--log", OPTION_TEXT, &form, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    struct host host;
    struct weft_event event;
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    plan.json = strcmp(form, "json") == 0;
    if (!plan.json && strcmp(form, "text") != 0)
        return cli_fail_text(CLI_USAGE, "serve: --log wants text or json, not \"%s\"", form);
    const struct weft_log log = {
        .write = host_log, .context = &plan.json, .level = level_of(level)};
    if (log.level == WEFT_LOG_OFF)
        return cli_fail_text(
            CLI_USAGE, "serve: --log-level wants error, warn, info or debug, not \"%s\"", level);
    plan.log = &log;
    if (serving.listen == NULL && serving.connect.count == 0)
        return cli_fail_text(CLI_USAGE, "serve wants --listen or --connect, or it reaches nobody");
    plan.path = rest.items[0];
    status = host_open(&host, &plan);
    if (status != OPTIONS_GO) return status;
    status = serve_begin(&host, &serving);
    while (status == OPTIONS_GO) {
        if (!host_wait(&host, host_now_ms() + SPREAD_MS)) break;
        while (weft_next_event(host.engine, &event)) {
        } /* The log has said it. */
    }
    host_close(&host);
    return status == OPTIONS_GO ? CLI_OK : status;
}
