/* weft members, weft peers: who belongs to a library, and how far each one is. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/text.h"

static const char *state_of(const struct weft_look_member *member) {
    if (member->member.state == WEFT_MEMBER_REMOVED) return "removed";
    return member->member.away ? "away" : "member";
}

/* ---- members ---- */

static void member_json(struct json *json, const struct weft_look_member *member) {
    json_open(json, NULL, '{');
    json_id(json, "device", member->member.device);
    json_text(json, "name", member->member.name);
    json_text(json, "state", state_of(member));
    json_bool(json, "self", member->member.self);
    json_stamp(json, "added", member->added);
    json_id(json, "added_by", member->added_by);
    json_stamp(json, "removed", member->removed);
    json_number(json, "heard_ms", member->heard_ms);
    json_close(json, '}');
}

static void members_json(const struct names *names) {
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_open(&json, "members", '[');
    for (unsigned i = 0; i < names->count; i++)
        member_json(&json, &names->list[i]);
    json_close(&json, ']');
    json_close(&json, '}');
}

static void members_print(const struct names *names) {
    struct grid grid;
    grid_open(&grid, "NAME STATE DEVICE ADDED BY HEARD_OF");
    for (unsigned i = 0; i < names->count; i++) {
        const struct weft_look_member *member = &names->list[i];
        char id[TEXT_ID], added[TEXT_STAMP], by[NAMES_LABEL], heard[TEXT_TIME] = "-";
        text_id(member->member.device, id);
        text_stamp(member->added & ~(uint64_t)0xffff, added);
        names_label(names, member->added_by, by);
        if (member->heard_ms != 0) text_time(member->heard_ms, heard);
        grid_cell(&grid, "%s%s", member->member.name, member->member.self ? " (here)" : "");
        grid_cell(&grid, "%s", state_of(member));
        grid_cell(&grid, "%s", id);
        grid_cell(&grid, "%s", added);
        grid_cell(&grid, "%s", by);
        grid_cell(&grid, "%s", heard);
    }
    grid_print(&grid);
}

int command_members(const struct command *command, int count, char **arguments) {
    bool json = false;
    const struct option options[] = {{"--json", OPTION_FLAG, &json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    struct weft_error why = {0};
    weft_look *look = NULL;
    struct names names = {0};
    int go = options_read(command, count, arguments, options, &rest);
    if (go != OPTIONS_GO) return go;
    enum weft_status status = weft_look_open(rest.items[0], &look, &why);
    if (status == WEFT_OK) status = names_read(look, &names, &why);
    if (status == WEFT_OK && json) members_json(&names);
    if (status == WEFT_OK && !json) members_print(&names);
    names_free(&names);
    weft_look_close(look);
    return status == WEFT_OK ? CLI_OK : cli_fail(&why);
}

/* ---- peers ---- */

struct peers {
    const struct names *names;
    struct grid grid;
    struct json json;
};

static void ack_json(void *context, const struct weft_look_ack *ack) {
    struct json *json = &((struct peers *)context)->json;
    json_open(json, NULL, '{');
    json_id(json, "device", ack->device);
    json_bool(json, "away", ack->away);
    json_text(json, "stream", ack->table != NULL ? ack->table : "log");
    json_bool(json, "log", ack->table == NULL);
    json_id(json, "owner", ack->owner);
    if (ack->table == NULL) json_number(json, "incarnation", ack->incarnation);
    json_number(json, "position", ack->position);
    json_number(json, "here", ack->here);
    json_number(json, "behind", ack->behind);
    json_close(json, '}');
}

static void ack_print(void *context, const struct weft_look_ack *ack) {
    struct peers *peers = context;
    struct grid *grid = &peers->grid;
    char device[NAMES_LABEL], owner[NAMES_LABEL], has[TEXT_STAMP], here[TEXT_STAMP];
    names_label(peers->names, ack->device, device);
    names_label(peers->names, ack->owner, owner);
    if (ack->table != NULL) {
        text_stamp(ack->position, has);
        text_stamp(ack->here, here);
    } else {
        snprintf(has, sizeof has, "%" PRIu64, ack->position);
        snprintf(here, sizeof here, "%" PRIu64, ack->here);
    }
    grid_cell(grid, "%s%s", device, ack->away ? " (away)" : "");
    grid_cell(grid, "%s", ack->table != NULL ? ack->table : "log");
    grid_cell(grid, "%s", owner);
    grid_cell(grid, "%s", has);
    grid_cell(grid, "%s", here);
    grid_cell(grid, "%" PRIu64, ack->behind);
}

int command_peers(const struct command *command, int count, char **arguments) {
    bool json = false;
    const struct option options[] = {{"--json", OPTION_FLAG, &json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    struct weft_error why = {0};
    weft_look *look = NULL;
    struct names names = {0};
    struct peers peers = {.names = &names};
    int go = options_read(command, count, arguments, options, &rest);
    if (go != OPTIONS_GO) return go;
    enum weft_status status = weft_look_open(rest.items[0], &look, &why);
    if (status == WEFT_OK) status = names_read(look, &names, &why);
    grid_open(&peers.grid, "MEMBER STREAM OF HAS HERE >BEHIND");
    if (status == WEFT_OK && json) {
        json_open(&peers.json, NULL, '{');
        json_open(&peers.json, "peers", '[');
        status = weft_look_acks(look, &peers, ack_json, &why);
        json_close(&peers.json, ']');
        json_close(&peers.json, '}');
    } else if (status == WEFT_OK) {
        status = weft_look_acks(look, &peers, ack_print, &why);
    }
    grid_print(&peers.grid);
    names_free(&names);
    weft_look_close(look);
    return status == WEFT_OK ? CLI_OK : cli_fail(&why);
}
