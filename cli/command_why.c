/* weft why: where each value of a row comes from, whom it beat, and who has not heard of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/text.h"

#define KEYS OPTIONS_REST

struct key {
    unsigned count;
    enum weft_type types[KEYS]; /* of the columns; WEFT_NULL: not known */
    struct weft_value values[KEYS];
    uint8_t *bytes[KEYS]; /* of those that were hex digits */
};

/* What is known of the row. Values and names are copied. */
struct known_field {
    struct weft_look_field field;
    char *name;
};
struct known_write {
    struct weft_look_write write;
    char *name; /* or NULL */
};
struct known {
    struct known_field *fields;
    struct known_write *writes;
    struct weft_look_lack *lacks;
    unsigned field_count, write_count, lack_count;
    struct names names;
    const char *table;
    const struct key *key;
};

/* ---- the key ---- */

static void take_column(void *context, const struct weft_look_column *column) {
    struct key *key = context;
    if (column->key_place >= 0 && (unsigned)column->key_place < KEYS)
        key->types[column->key_place] = column->type;
}

static bool read_integer(const char *text, int64_t *out) {
    char *end = NULL;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    *out = number;
    return errno == 0 && end != text && *end == '\0';
}

/* A value as it was typed. Of a table that is not known here, digits are a number, and the hex
 * digits of an id are one. */
static int read_value(struct key *key, unsigned k, const char *text) {
    const enum weft_type type = key->types[k];
    struct weft_value *value = &key->values[k];
    const bool quoted = (text[0] == 'x' || text[0] == 'X') && text[1] == '\'';
    const size_t room = strlen(text) / 2 + 1;
    int64_t number = 0;
    if ((type == WEFT_INTEGER || type == WEFT_NULL) && read_integer(text, &number)) {
        *value = weft_integer(number);
        return OPTIONS_GO;
    }
    if (type == WEFT_BLOB || type == WEFT_NULL) {
        char *digits = cli_memory(NULL, strlen(text) + 1);
        memcpy(digits, text + (quoted ? 2 : 0), strlen(text) + 1 - (quoted ? 2 : 0));
        if (quoted) digits[strcspn(digits, "'")] = '\0';
        key->bytes[k] = cli_memory(NULL, room);
        const size_t size = text_hex(digits, key->bytes[k], room);
        free(digits);
        *value = weft_blob(key->bytes[k], size);
        if (size > 0 && (type == WEFT_BLOB || quoted || size == WEFT_ID_SIZE)) return OPTIONS_GO;
    }
    *value = weft_text(text, strlen(text));
    if (type == WEFT_TEXT || type == WEFT_NULL) return OPTIONS_GO;
    return cli_fail_text(CLI_USAGE, "why: value %u of the key is %s, not \"%s\"", k + 1,
                         type == WEFT_INTEGER ? "a number" : "a BLOB: give its hex digits", text);
}

/* ---- gathering ---- */

static struct weft_value copy_value(const struct weft_value *value) {
    struct weft_value copy = *value;
    if ((value->type != WEFT_TEXT && value->type != WEFT_BLOB) || value->size == 0) return copy;
    void *bytes = cli_memory(NULL, value->size);
    memcpy(bytes, value->as.bytes, value->size);
    copy.as.bytes = bytes;
    return copy;
}

static void free_value(const struct weft_value *value) {
    if ((value->type == WEFT_TEXT || value->type == WEFT_BLOB) && value->size > 0)
        free((void *)(uintptr_t)value->as.bytes);
}

static char *copy_name(const char *name) {
    if (name == NULL) return NULL;
    const size_t size = strlen(name) + 1;
    return memcpy(cli_memory(NULL, size), name, size);
}

static void take_field(void *context, const struct weft_look_field *field) {
    struct known *known = context;
    known->fields = cli_memory(known->fields, (known->field_count + 1) * sizeof *known->fields);
    struct known_field *kept = &known->fields[known->field_count++];
    *kept = (struct known_field){*field, copy_name(field->name)};
    kept->field.value = copy_value(&field->value);
}

static void take_write(void *context, const struct weft_look_write *write) {
    struct known *known = context;
    known->writes = cli_memory(known->writes, (known->write_count + 1) * sizeof *known->writes);
    struct known_write *kept = &known->writes[known->write_count++];
    *kept = (struct known_write){*write, copy_name(write->field)};
    kept->write.value = copy_value(&write->value);
}

static void take_lack(void *context, const struct weft_look_lack *lack) {
    struct known *known = context;
    known->lacks = cli_memory(known->lacks, (known->lack_count + 1) * sizeof *known->lacks);
    known->lacks[known->lack_count++] = *lack;
}

static void known_free(struct known *known) {
    for (unsigned i = 0; i < known->field_count; i++) {
        free_value(&known->fields[i].field.value);
        free(known->fields[i].name);
    }
    for (unsigned i = 0; i < known->write_count; i++) {
        free_value(&known->writes[i].write.value);
        free(known->writes[i].name);
    }
    free(known->fields);
    free(known->writes);
    free(known->lacks);
    names_free(&known->names);
}

/* Whether a write lost against what stands in the field. A later one waits for its time. */
static bool beaten_by(const struct known_write *write, const struct known_field *field) {
    return !write->write.stands && write->name != NULL && strcmp(write->name, field->name) == 0 &&
           write->write.stamp.stamp <= field->field.stamp.stamp;
}

static const char *state_name(enum weft_look_row_state state) {
    static const char *const names[] = {
        [WEFT_ROW_ABSENT] = "absent",   [WEFT_ROW_SHOWN] = "shown",
        [WEFT_ROW_DELETED] = "deleted", [WEFT_ROW_PARKED] = "parked",
        [WEFT_ROW_RIVAL] = "rival",     [WEFT_ROW_UNCREATED] = "uncreated",
        [WEFT_ROW_BARE] = "bare"};
    return names[state];
}

/* ---- for scripts ---- */

static void stamp_json(struct json *json, const char *name, const struct weft_look_stamp *stamp) {
    if (stamp->stamp == 0) return;
    json_open(json, name, '{');
    json_stamp(json, "stamp", stamp->stamp);
    json_id(json, "device", stamp->device);
    if (stamp->incarnation != 0) json_number(json, "incarnation", stamp->incarnation);
    json_close(json, '}');
}

static void fields_json(struct json *json, const struct known *known) {
    json_open(json, "fields", '[');
    for (unsigned i = 0; i < known->field_count; i++) {
        const struct known_field *field = &known->fields[i];
        json_open(json, NULL, '{');
        json_text(json, "field", field->name);
        json_value(json, "value", &field->field.value);
        stamp_json(json, "written", &field->field.stamp);
        json_bool(json, "hidden", field->field.hidden);
        json_open(json, "beat", '[');
        for (unsigned w = 0; w < known->write_count; w++) {
            const struct known_write *write = &known->writes[w];
            if (!beaten_by(write, field)) continue;
            json_open(json, NULL, '{');
            json_value(json, "value", &write->write.value);
            stamp_json(json, "written", &write->write.stamp);
            json_close(json, '}');
        }
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void why_json(const struct known *known, const struct weft_look_row *row) {
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_text(&json, "table", known->table);
    json_open(&json, "key", '[');
    for (unsigned k = 0; k < known->key->count; k++)
        json_value(&json, NULL, &known->key->values[k]);
    json_close(&json, ']');
    json_text(&json, "state", state_name(row->state));
    json_bool(&json, "shared", row->shared);
    if (!row->shared && row->version != 0) {
        json_id(&json, "owner", row->owner);
        json_stamp(&json, "version", row->version);
    }
    stamp_json(&json, "created", &row->created);
    stamp_json(&json, "deleted", &row->deleted);
    if (row->reason[0] != '\0') json_text(&json, "reason", row->reason);
    fields_json(&json, known);
    json_open(&json, "lacking", '[');
    for (unsigned i = 0; i < known->lack_count; i++) {
        const struct weft_look_lack *lack = &known->lacks[i];
        json_open(&json, NULL, '{');
        json_id(&json, "device", lack->device);
        json_bool(&json, "away", lack->away);
        stamp_json(&json, "of", &lack->stamp);
        json_number(&json, "wanted", lack->wanted);
        json_number(&json, "held", lack->held);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
}

/* ---- for people ---- */

static void print_stamp(const struct known *known, const char *what,
                        const struct weft_look_stamp *stamp) {
    char device[NAMES_LABEL], text[TEXT_STAMP];
    if (stamp->stamp == 0) return;
    names_label(&known->names, stamp->device, device);
    text_stamp(stamp->stamp, text);
    printf("  %-8s %s by %s\n", what, text, device);
}

static void print_fields(const struct known *known) {
    struct grid grid;
    grid_open(&grid, "FIELD VALUE WRITTEN BY NOTE");
    for (unsigned i = 0; i < known->field_count; i++) {
        const struct known_field *field = &known->fields[i];
        char value[TEXT_VALUE], stamp[TEXT_STAMP], device[NAMES_LABEL];
        text_value(&field->field.value, value);
        text_stamp(field->field.stamp.stamp, stamp);
        names_label(&known->names, field->field.stamp.device, device);
        grid_cell(&grid, "%s", field->name);
        grid_cell(&grid, "%s", value);
        grid_cell(&grid, "%s", stamp);
        grid_cell(&grid, "%s", device);
        grid_cell(&grid, "%s", field->field.hidden ? "not shown here" : "");
        for (unsigned w = 0; w < known->write_count; w++) {
            const struct known_write *write = &known->writes[w];
            if (!beaten_by(write, field)) continue;
            text_value(&write->write.value, value);
            text_stamp(write->write.stamp.stamp, stamp);
            names_label(&known->names, write->write.stamp.device, device);
            grid_cell(&grid, "  beat");
            grid_cell(&grid, "%s", value);
            grid_cell(&grid, "%s", stamp);
            grid_cell(&grid, "%s", device);
            grid_cell(&grid, "%s", "");
        }
    }
    grid_print(&grid);
}

static void print_lacks(const struct known *known, const struct weft_look_row *row) {
    for (unsigned i = 0; i < known->lack_count; i++) {
        const struct weft_look_lack *lack = &known->lacks[i];
        char device[NAMES_LABEL], of[NAMES_LABEL], text[TEXT_STAMP];
        names_label(&known->names, lack->device, device);
        names_label(&known->names, lack->stamp.device, of);
        text_stamp(lack->stamp.stamp, text);
        printf("  %s%s has not acknowledged what %s wrote at %s", device,
               lack->away ? " (away)" : "", of, text);
        if (row->shared)
            printf(" (record %" PRIu64 "; it holds %" PRIu64 ")", lack->wanted, lack->held);
        putchar('\n');
    }
    if (row->state != WEFT_ROW_DELETED) return;
    if (known->lack_count > 0) {
        printf("  so the deletion is remembered\n");
    } else {
        printf("  every member has heard of it: the deletion may be forgotten when the log is next "
               "pruned\n");
    }
}

static void why_print(const struct known *known, const struct weft_look_row *row) {
    char value[TEXT_VALUE], owner[NAMES_LABEL], stamp[TEXT_STAMP];
    printf("%s", known->table);
    for (unsigned k = 0; k < known->key->count; k++) {
        text_value(&known->key->values[k], value);
        printf(" %s", value);
    }
    printf(": %s%s%s\n", state_name(row->state), row->reason[0] != '\0' ? ": " : "", row->reason);
    if (!row->shared && row->version != 0) {
        names_label(&known->names, row->owner, owner);
        text_stamp(row->version, stamp);
        printf("  owner    %s\n  version  %s\n", owner, stamp);
    }
    print_stamp(known, "created", &row->created);
    print_stamp(known, "deleted", &row->deleted);
    print_fields(known);
    print_lacks(known, row);
}

static int look_at(weft_look *look, const char *const *rest, struct key *key, bool json) {
    struct known known = {.table = rest[0], .key = key};
    const struct weft_look_known visit = {&known, take_field, take_write, take_lack};
    struct weft_look_row row;
    struct weft_error why = {0};
    int go = OPTIONS_GO;
    /* A table that only others have has no columns here; weft_look_row() knows it even so. */
    enum weft_status status = weft_look_columns(look, rest[0], key, take_column, &why);
    if (status != WEFT_OK && status != WEFT_NOT_FOUND) return cli_fail(&why);
    for (unsigned k = 0; k < key->count && go == OPTIONS_GO; k++)
        go = read_value(key, k, rest[1 + k]);
    if (go != OPTIONS_GO) return go;
    status = names_read(look, &known.names, &why);
    if (status == WEFT_OK)
        status = weft_look_row(look, rest[0], key->values, key->count, &visit, &row, &why);
    if (status == WEFT_OK && json) why_json(&known, &row);
    if (status == WEFT_OK && !json) why_print(&known, &row);
    known_free(&known);
    if (status == WEFT_INVALID) return cli_fail_text(CLI_USAGE, "why: %s", why.text);
    if (status != WEFT_OK) return cli_fail(&why);
    return row.state == WEFT_ROW_ABSENT ? CLI_NOT_FOUND : CLI_OK;
}

int command_why(const struct command *command, int count, char **arguments) {
    bool json = false;
    const struct option options[] = {{"--json", OPTION_FLAG, &json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 3, .most = OPTIONS_REST};
    struct weft_error why = {0};
    weft_look *look = NULL;
    struct key key = {0};
    int status = options_read(command, count, arguments, options, &rest);
    if (status != OPTIONS_GO) return status;
    if (weft_look_open(rest.items[0], &look, &why) != WEFT_OK) return cli_fail(&why);
    key.count = rest.count - 2;
    status = look_at(look, rest.items + 1, &key, json);
    for (unsigned k = 0; k < key.count; k++)
        free(key.bytes[k]);
    weft_look_close(look);
    return status;
}
