/* weft status: a library on one screen.
 *
 * All of it is gathered first and printed then, so that a failure prints no half of it, and so that
 * --watch draws each screen at once. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/host.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/text.h"

#define WATCH_MS 1000

struct status {
    const char *path;
    struct weft_look_library library;
    struct names names;
    struct weft_look_ack *acks;
    struct weft_look_stream *streams;
    struct weft_look_table *tables;
    unsigned ack_count, stream_count, table_count;
};

/* ---- gathering; names of tables are the look's, and live as long as it ---- */

static void take_ack(void *context, const struct weft_look_ack *ack) {
    struct status *status = context;
    status->acks = cli_memory(status->acks, (status->ack_count + 1) * sizeof *ack);
    status->acks[status->ack_count++] = *ack;
}

static void take_stream(void *context, const struct weft_look_stream *stream) {
    struct status *status = context;
    status->streams = cli_memory(status->streams, (status->stream_count + 1) * sizeof *stream);
    status->streams[status->stream_count++] = *stream;
}

static void take_table(void *context, const struct weft_look_table *table) {
    struct status *status = context;
    status->tables = cli_memory(status->tables, (status->table_count + 1) * sizeof *table);
    status->tables[status->table_count++] = *table;
}

static enum weft_status gather(weft_look *look, struct status *out, struct weft_error *why) {
    enum weft_status status = weft_look_library(look, &out->library, why);
    if (status == WEFT_OK) status = names_read(look, &out->names, why);
    if (status == WEFT_OK) status = weft_look_acks(look, out, take_ack, why);
    if (status == WEFT_OK) status = weft_look_streams(look, out, take_stream, why);
    if (status == WEFT_OK) status = weft_look_tables(look, out, take_table, why);
    return status;
}

static void status_free(struct status *status) {
    names_free(&status->names);
    free(status->acks);
    free(status->streams);
    free(status->tables);
}

static uint64_t behind(const struct status *status, const uint8_t device[WEFT_ID_SIZE], bool log) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < status->ack_count; i++) {
        const struct weft_look_ack *ack = &status->acks[i];
        if ((ack->table == NULL) == log && memcmp(ack->device, device, WEFT_ID_SIZE) == 0)
            sum += ack->behind;
    }
    return sum;
}

static const struct weft_look_member *self_of(const struct status *status) {
    const struct names *names = &status->names;
    return names->count > 0 && names->list[0].member.self ? &names->list[0] : NULL;
}

static const char *self_state(const struct status *status) {
    const struct weft_look_member *self = self_of(status);
    if (self == NULL) return status->library.joining ? "joining" : "outside";
    return self->member.state == WEFT_MEMBER ? "member" : "removed";
}

/* ---- for scripts ---- */

static void members_json(struct json *json, const struct status *status) {
    json_open(json, "members", '[');
    for (unsigned i = 0; i < status->names.count; i++) {
        const struct weft_look_member *member = &status->names.list[i];
        const uint8_t *device = member->member.device;
        json_open(json, NULL, '{');
        json_id(json, "device", device);
        json_text(json, "name", member->member.name);
        json_bool(json, "self", member->member.self);
        json_bool(json, "removed", member->member.state == WEFT_MEMBER_REMOVED);
        json_bool(json, "away", member->member.away);
        json_number(json, "heard_ms", member->heard_ms);
        json_number(json, "rows_behind", behind(status, device, false));
        json_number(json, "records_behind", behind(status, device, true));
        json_open(json, "streams", '[');
        for (unsigned a = 0; a < status->ack_count; a++) {
            const struct weft_look_ack *ack = &status->acks[a];
            if (memcmp(ack->device, device, WEFT_ID_SIZE) != 0) continue;
            json_open(json, NULL, '{');
            json_text(json, "stream", ack->table != NULL ? ack->table : "log");
            json_bool(json, "log", ack->table == NULL);
            json_id(json, "owner", ack->owner);
            json_number(json, "position", ack->position);
            json_number(json, "here", ack->here);
            json_number(json, "behind", ack->behind);
            json_close(json, '}');
        }
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void streams_json(struct json *json, const struct status *status) {
    json_open(json, "streams", '[');
    for (unsigned i = 0; i < status->stream_count; i++) {
        const struct weft_look_stream *stream = &status->streams[i];
        json_open(json, NULL, '{');
        json_text(json, "stream", stream->table != NULL ? stream->table : "log");
        json_bool(json, "log", stream->table == NULL);
        json_id(json, "owner", stream->owner);
        json_number(json, "incarnation", stream->incarnation);
        json_number(json, "position", stream->position);
        json_number(json, "horizon", stream->horizon);
        json_stamp(json, "stamp", stream->stamp);
        json_number(json, "rows", stream->rows);
        json_number(json, "deleted", stream->deleted);
        json_number(json, "missing", stream->missing);
        json_bool(json, "sweeping", stream->sweeping);
        json_bool(json, "frozen", stream->frozen);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void tables_json(struct json *json, const struct status *status) {
    json_open(json, "tables", '[');
    for (unsigned i = 0; i < status->table_count; i++) {
        const struct weft_look_table *table = &status->tables[i];
        json_open(json, NULL, '{');
        json_text(json, "table", table->name);
        json_text(json, "kind", table->shared ? "shared" : "owned");
        json_number(json, "rows", table->rows);
        json_number(json, "deleted", table->deleted);
        json_number(json, "parked", table->parked);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void status_json(const struct status *status) {
    const struct weft_look_library *library = &status->library;
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "path", status->path);
    json_id(&json, "library", library->library);
    json_id(&json, "device", library->device);
    json_text(&json, "state", self_state(status));
    json_number(&json, "incarnation", library->incarnation);
    json_signed(&json, "format", library->format);
    json_stamp(&json, "clock", library->clock);
    json_number(&json, "file_bytes", library->file_bytes);
    json_number(&json, "wal_bytes", library->wal_bytes);
    json_open(&json, "log", '{');
    json_number(&json, "records", library->records);
    json_number(&json, "bytes", library->record_bytes);
    json_number(&json, "quarantined", library->quarantined);
    json_close(&json, '}');
    members_json(&json, status);
    tables_json(&json, status);
    streams_json(&json, status);
    json_close(&json, '}');
}

/* ---- for people ---- */

static void print_head(const struct status *status) {
    const struct weft_look_library *library = &status->library;
    const struct weft_look_member *self = self_of(status);
    char id[TEXT_ID], size[TEXT_SIZE], wal[TEXT_SIZE], log[TEXT_SIZE], clock[TEXT_STAMP];
    text_id(library->library, id);
    printf("library  %s\n", id);
    text_id(library->device, id);
    printf("device   %s  %s (%s)\n", id, self != NULL ? self->member.name : "", self_state(status));
    text_size(library->file_bytes, size);
    text_size(library->wal_bytes, wal);
    printf("file     %s, %s in the write-ahead log, format %d\n", size, wal, library->format);
    text_size(library->record_bytes, log);
    text_stamp(library->clock, clock);
    printf("log      %" PRIu64 " records, %s; %" PRIu64 " wait for their time\n", library->records,
           log, library->quarantined);
    printf("clock    %s\n", clock);
}

static void print_members(const struct status *status) {
    struct grid grid;
    grid_open(&grid, "MEMBER STATE HEARD_OF >ROWS_BEHIND >RECORDS_BEHIND");
    for (unsigned i = 0; i < status->names.count; i++) {
        const struct weft_look_member *member = &status->names.list[i];
        char label[NAMES_LABEL], heard[TEXT_TIME] = "-";
        if (member->member.state == WEFT_MEMBER_REMOVED) continue;
        names_label(&status->names, member->member.device, label);
        if (member->heard_ms != 0) text_time(member->heard_ms, heard);
        grid_cell(&grid, "%s", label);
        grid_cell(&grid, "%s",
                  member->member.self   ? "here"
                  : member->member.away ? "away"
                                        : "member");
        grid_cell(&grid, "%s", heard);
        grid_cell(&grid, "%" PRIu64, behind(status, member->member.device, false));
        grid_cell(&grid, "%" PRIu64, behind(status, member->member.device, true));
    }
    grid_print(&grid);
}

static void print_behind(const struct status *status) {
    struct grid grid;
    grid_open(&grid, "BEHIND STREAM OF >BY");
    for (unsigned i = 0; i < status->ack_count; i++) {
        const struct weft_look_ack *ack = &status->acks[i];
        char device[NAMES_LABEL], owner[NAMES_LABEL];
        if (ack->behind == 0) continue;
        names_label(&status->names, ack->device, device);
        names_label(&status->names, ack->owner, owner);
        grid_cell(&grid, "%s", device);
        grid_cell(&grid, "%s", ack->table != NULL ? ack->table : "log");
        grid_cell(&grid, "%s", owner);
        grid_cell(&grid, "%" PRIu64 " %s", ack->behind, ack->table != NULL ? "rows" : "records");
    }
    if (grid.count > grid.columns) putchar('\n');
    grid_print(&grid);
}

static void print_tables(const struct status *status) {
    struct grid grid;
    grid_open(&grid, "TABLE KIND >ROWS >DELETED >PARKED");
    for (unsigned i = 0; i < status->table_count; i++) {
        const struct weft_look_table *table = &status->tables[i];
        grid_cell(&grid, "%s", table->name);
        grid_cell(&grid, "%s", table->shared ? "shared" : "owned");
        grid_cell(&grid, "%" PRIu64, table->rows);
        grid_cell(&grid, "%" PRIu64, table->deleted);
        grid_cell(&grid, "%" PRIu64, table->parked);
    }
    if (grid.count > grid.columns) putchar('\n');
    grid_print(&grid);
}

static void print_streams(const struct status *status) {
    struct grid grid;
    grid_open(&grid, "STREAM OF >ROWS POSITION HORIZON NOTE");
    for (unsigned i = 0; i < status->stream_count; i++) {
        const struct weft_look_stream *stream = &status->streams[i];
        char owner[NAMES_LABEL], position[TEXT_STAMP], horizon[TEXT_STAMP];
        names_label(&status->names, stream->owner, owner);
        if (stream->table != NULL) {
            text_stamp(stream->position, position);
            text_stamp(stream->horizon, horizon);
        } else {
            snprintf(position, sizeof position, "record %" PRIu64, stream->position);
            snprintf(horizon, sizeof horizon, "record %" PRIu64, stream->horizon);
        }
        grid_cell(&grid, "%s", stream->table != NULL ? stream->table : "log");
        grid_cell(&grid, "%s", owner);
        grid_cell(&grid, "%" PRIu64, stream->rows);
        grid_cell(&grid, "%s", position);
        grid_cell(&grid, "%s", horizon);
        grid_cell(&grid, "%s%s%s", stream->sweeping ? "is taken anew" : "",
                  stream->frozen ? "frozen: its device contradicts itself" : "",
                  stream->missing > 0 ? "records are missing" : "");
    }
    if (grid.count > grid.columns) putchar('\n');
    grid_print(&grid);
}

static int show(const char *path, bool json, bool redraw) {
    struct weft_error why = {0};
    struct status status = {.path = path};
    weft_look *look = NULL;
    enum weft_status got = weft_look_open(path, &look, &why);
    if (got == WEFT_OK) got = gather(look, &status, &why);
    if (got == WEFT_OK && json) {
        status_json(&status);
    } else if (got == WEFT_OK) {
        if (redraw) fputs("\x1b[H\x1b[2J", stdout);
        print_head(&status);
        putchar('\n');
        print_members(&status);
        print_behind(&status);
        print_tables(&status);
        print_streams(&status);
    }
    fflush(stdout);
    status_free(&status);
    weft_look_close(look);
    return got == WEFT_OK ? CLI_OK : cli_fail(&why);
}

int command_status(const struct command *command, int count, char **arguments) {
    bool json = false, watch = false;
    const struct option options[] = {{"--json", OPTION_FLAG, &json, 0, 0},
                                     {"--watch", OPTION_FLAG, &watch, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    if (!watch) return show(rest.items[0], json, false);
    const int signals = host_signals();
    struct pollfd ended = {signals, POLLIN, 0};
    do {
        status = show(rest.items[0], json, isatty(STDOUT_FILENO) == 1);
    } while (status == CLI_OK && poll(&ended, 1, WATCH_MS) == 0 && ferror(stdout) == 0);
    close(signals);
    return status;
}
