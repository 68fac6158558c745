/* weft members, weft peers: who belongs to a library, how far each one is, and how it was met. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* What a device is called, or who was never met. */
static void contact_label(const struct names *names, const uint8_t device[WEFT_ID_SIZE],
                          char out[NAMES_LABEL]) {
    static const uint8_t nobody[WEFT_ID_SIZE];
    if (memcmp(device, nobody, WEFT_ID_SIZE) == 0)
        snprintf(out, NAMES_LABEL, "(nobody yet)");
    else
        names_label(names, device, out);
}

static void contact_json(void *context, const struct weft_contact *contact) {
    struct json *json = &((struct peers *)context)->json;
    json_open(json, NULL, '{');
    json_id(json, "device", contact->device);
    json_text(json, "name", contact->name);
    json_bool(json, "paused", contact->paused);
    json_number(json, "seen_ms", contact->seen_ms);
    json_number(json, "sessions", contact->sessions);
    json_number(json, "failures", contact->failures);
    json_number(json, "rows_in", contact->rows_in);
    json_number(json, "rows_out", contact->rows_out);
    json_number(json, "bytes_in", contact->bytes_in);
    json_number(json, "bytes_out", contact->bytes_out);
    json_open(json, "addresses", '[');
    for (uint32_t i = 0; i < contact->address_count; i++) {
        const struct weft_address *address = &contact->addresses[i];
        json_open(json, NULL, '{');
        json_text(json, "address", address->text);
        json_number(json, "tried_ms", address->tried_ms);
        json_number(json, "reached_ms", address->reached_ms);
        json_number(json, "failures", address->failures);
        json_text(json, "status", weft_status_name(address->status));
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void session_json(void *context, const struct weft_session *session) {
    struct json *json = &((struct peers *)context)->json;
    json_open(json, NULL, '{');
    json_id(json, "device", session->device);
    json_text(json, "address", session->address);
    json_bool(json, "opened_here", session->opened_here);
    json_number(json, "began_ms", session->began_ms);
    json_number(json, "lasted_ms", session->lasted_ms);
    json_number(json, "rows_in", session->rows_in);
    json_number(json, "rows_out", session->rows_out);
    json_number(json, "bytes_in", session->bytes_in);
    json_number(json, "bytes_out", session->bytes_out);
    json_text(json, "status", weft_status_name(session->status));
    json_text(json, "reason", session->reason);
    json_close(json, '}');
}

static void time_cell(struct grid *grid, uint64_t ms) {
    char time[TEXT_TIME] = "-";
    if (ms != 0) text_time(ms, time);
    grid_cell(grid, "%s", time);
}

static void contact_print(void *context, const struct weft_contact *contact) {
    struct peers *peers = context;
    char device[NAMES_LABEL];
    contact_label(peers->names, contact->device, device);
    for (uint32_t i = 0; i < contact->address_count || i == 0; i++) {
        const bool has = i < contact->address_count;
        const struct weft_address *address = &contact->addresses[i];
        grid_cell(&peers->grid, "%s%s", device, contact->paused ? " (paused)" : "");
        time_cell(&peers->grid, contact->seen_ms);
        grid_cell(&peers->grid, "%s", has ? address->text : "-");
        time_cell(&peers->grid, has ? address->tried_ms : 0);
        time_cell(&peers->grid, has ? address->reached_ms : 0);
        grid_cell(&peers->grid, "%" PRIu64, has ? address->failures : 0);
        grid_cell(&peers->grid, "%s",
                  !has || address->tried_ms == 0 ? "-" : weft_status_name(address->status));
    }
}

static void session_print(void *context, const struct weft_session *session) {
    struct peers *peers = context;
    struct grid *grid = &peers->grid;
    char device[NAMES_LABEL], in[TEXT_SIZE], out[TEXT_SIZE];
    contact_label(peers->names, session->device, device);
    text_size(session->bytes_in, in);
    text_size(session->bytes_out, out);
    grid_cell(grid, "%s", device);
    time_cell(grid, session->began_ms);
    grid_cell(grid, "%" PRIu64 " s", session->lasted_ms / 1000);
    grid_cell(grid, "%s %s", session->opened_here ? "to" : "from", session->address);
    grid_cell(grid, "%" PRIu64, session->rows_in);
    grid_cell(grid, "%" PRIu64, session->rows_out);
    grid_cell(grid, "%s", in);
    grid_cell(grid, "%s", out);
    grid_cell(grid, "%s", session->status == WEFT_OK ? "ended here" : session->reason);
}

static enum weft_status peers_json(struct peers *peers, weft_look *look, unsigned last,
                                   struct weft_error *why) {
    struct json *json = &peers->json;
    json_open(json, NULL, '{');
    json_open(json, "peers", '[');
    enum weft_status status = weft_look_acks(look, peers, ack_json, why);
    json_close(json, ']');
    json_open(json, "contacts", '[');
    if (status == WEFT_OK) status = weft_look_contacts(look, NULL, peers, contact_json, why);
    json_close(json, ']');
    json_open(json, "sessions", '[');
    if (status == WEFT_OK) status = weft_look_sessions(look, NULL, last, peers, session_json, why);
    json_close(json, ']');
    json_close(json, '}');
    return status;
}

static void part(struct peers *peers) {
    if (peers->grid.count > peers->grid.columns) {
        grid_print(&peers->grid);
        putchar('\n');
    } else {
        grid_print(&peers->grid);
    }
}

static enum weft_status peers_print(struct peers *peers, weft_look *look, unsigned last,
                                    struct weft_error *why) {
    bool paused = false;
    grid_open(&peers->grid, "MEMBER STREAM OF HAS HERE >BEHIND");
    enum weft_status status = weft_look_acks(look, peers, ack_print, why);
    part(peers);
    grid_open(&peers->grid, "DEVICE LAST_SEEN ADDRESS TRIED REACHED >FAILURES RESULT");
    if (status == WEFT_OK) status = weft_look_contacts(look, &paused, peers, contact_print, why);
    part(peers);
    if (status == WEFT_OK && paused) printf("all are paused: no session is held\n\n");
    grid_open(&peers->grid, "SESSION BEGAN >LASTED ADDRESS >ROWS_IN >OUT >BYTES_IN >OUT END");
    if (status == WEFT_OK) status = weft_look_sessions(look, NULL, last, peers, session_print, why);
    grid_print(&peers->grid);
    return status;
}

int command_peers(const struct command *command, int count, char **arguments) {
    bool json = false;
    uint64_t last = 10;
    const struct option options[] = {{"--json", OPTION_FLAG, &json, 0, 0},
                                     {"--last", OPTION_NUMBER, &last, 0, 10000},
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
    if (status == WEFT_OK)
        status = json ? peers_json(&peers, look, (unsigned)last, &why)
                      : peers_print(&peers, look, (unsigned)last, &why);
    names_free(&names);
    weft_look_close(look);
    return status == WEFT_OK ? CLI_OK : cli_fail(&why);
}
