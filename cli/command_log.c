/* weft log: records of the shared log, readable. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/text.h"

struct logged {
    struct names names;
    struct json json;
    bool open; /* a record's object, and the array of what it says */
};

static const char *seal_name(enum weft_look_seal seal) {
    return seal == WEFT_SEAL_SIGNED    ? "signed"
           : seal == WEFT_SEAL_UNKNOWN ? "signer unknown"
                                       : "NOT SIGNED by it";
}

static const char *chain_name(enum weft_look_chain chain) {
    return chain == WEFT_CHAIN_WHOLE  ? "chained"
           : chain == WEFT_CHAIN_OPEN ? "chain open"
                                      : "CHAIN BROKEN";
}

static const char *op_name(enum weft_look_op_kind kind) {
    static const char *const names[] = {
        [WEFT_OP_MEMBER] = "add",    [WEFT_OP_REMOVE] = "remove", [WEFT_OP_KEY] = "key",
        [WEFT_OP_CREATE] = "create", [WEFT_OP_UPDATE] = "update", [WEFT_OP_DELETE] = "delete",
        [WEFT_OP_AWAY] = "away",     [WEFT_OP_BACK] = "back",     [WEFT_OP_OTHER] = "other"};
    return names[kind];
}

/* ---- for scripts ---- */

static void end_record(struct logged *logged) {
    if (!logged->open) return;
    json_close(&logged->json, ']');
    json_close(&logged->json, '}');
    logged->open = false;
}

static void record_json(void *context, const struct weft_look_record *record) {
    struct logged *logged = context;
    struct json *json = &logged->json;
    end_record(logged);
    json_open(json, NULL, '{');
    json_number(json, "place", record->place);
    json_id(json, "device", record->device);
    json_number(json, "incarnation", record->incarnation);
    json_number(json, "seq", record->seq);
    json_stamp(json, "stamp", record->stamp);
    json_number(json, "bytes", record->bytes);
    json_bool(json, "keeps", record->keeps);
    json_bool(json, "waits", record->waits);
    json_text(json, "signature",
              record->seal == WEFT_SEAL_SIGNED    ? "ok"
              : record->seal == WEFT_SEAL_UNKNOWN ? "unknown"
                                                  : "forged");
    json_text(json, "chain",
              record->chain == WEFT_CHAIN_WHOLE  ? "ok"
              : record->chain == WEFT_CHAIN_OPEN ? "open"
                                                 : "broken");
    json_open(json, "ops", '[');
    logged->open = true;
}

static void op_json(void *context, const struct weft_look_op *op) {
    struct json *json = &((struct logged *)context)->json;
    json_open(json, NULL, '{');
    json_text(json, "op", op_name(op->kind));
    json_stamp(json, "stamp", op->stamp);
    if (op->kind == WEFT_OP_MEMBER || op->kind == WEFT_OP_REMOVE || op->kind == WEFT_OP_AWAY)
        json_id(json, "device", op->device);
    if (op->kind == WEFT_OP_MEMBER) json_text(json, "name", op->name);
    if (op->kind == WEFT_OP_KEY || op->kind == WEFT_OP_OTHER) json_number(json, "count", op->count);
    if (op->table != NULL) {
        json_text(json, "table", op->table);
        json_open(json, "key", '[');
        for (unsigned k = 0; k < op->key_count; k++)
            json_value(json, NULL, &op->key[k]);
        json_close(json, ']');
        json_open(json, "fields", '[');
        for (unsigned i = 0; i < op->field_count; i++) {
            json_open(json, NULL, '{');
            json_text(json, "field", op->fields[i]);
            json_value(json, "value", &op->values[i]);
            json_close(json, '}');
        }
        json_close(json, ']');
    }
    json_close(json, '}');
}

/* ---- for people ---- */

static void record_print(void *context, const struct weft_look_record *record) {
    struct logged *logged = context;
    char device[NAMES_LABEL], stamp[TEXT_STAMP];
    names_label(&logged->names, record->device, device);
    text_stamp(record->stamp, stamp);
    printf("%-28s  %s %" PRIu64 "  %" PRIu64 " B  %s, %s%s\n", stamp, device, record->seq,
           record->bytes, seal_name(record->seal), chain_name(record->chain),
           record->waits ? ", waits for its time" : "");
}

static void row_print(const struct weft_look_op *op) {
    char value[TEXT_VALUE];
    printf("    %s %s", op_name(op->kind), op->table);
    for (unsigned k = 0; k < op->key_count; k++) {
        text_value(&op->key[k], value);
        printf(" %s", value);
    }
    for (unsigned i = 0; i < op->field_count; i++) {
        text_value(&op->values[i], value);
        printf("%s %s = %s", i == 0 ? ":" : ",", op->fields[i], value);
    }
    putchar('\n');
}

static void op_print(void *context, const struct weft_look_op *op) {
    struct logged *logged = context;
    char device[NAMES_LABEL], id[TEXT_ID];
    names_label(&logged->names, op->device, device);
    text_id(op->device, id);
    switch (op->kind) {
    case WEFT_OP_MEMBER:
        printf("    add %s as \"%s\"\n", id, op->name);
        return;
    case WEFT_OP_REMOVE:
    case WEFT_OP_AWAY:
        printf("    %s %s (%s)\n", op_name(op->kind), id, device);
        return;
    case WEFT_OP_KEY:
        printf("    key, a new one for %" PRIu64 " devices\n", op->count);
        return;
    case WEFT_OP_BACK:
        printf("    back\n");
        return;
    case WEFT_OP_OTHER:
        printf("    something else, %" PRIu64 " bytes that this version does not read\n",
               op->count);
        return;
    case WEFT_OP_CREATE:
    case WEFT_OP_UPDATE:
    case WEFT_OP_DELETE:
        row_print(op);
        return;
    }
}

int command_log(const struct command *command, int count, char **arguments) {
    bool json = false;
    uint64_t last = 20;
    const struct option options[] = {{"--json", OPTION_FLAG, &json, 0, 0},
                                     {"--last", OPTION_NUMBER, &last, 0, UINT32_MAX},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    struct weft_error why = {0};
    struct logged logged = {0};
    weft_look *look = NULL;
    int go = options_read(command, count, arguments, options, &rest);
    if (go != OPTIONS_GO) return go;
    const struct weft_look_log visit = {&logged, json ? record_json : record_print,
                                        json ? op_json : op_print};
    enum weft_status status = weft_look_open(rest.items[0], &look, &why);
    if (status == WEFT_OK) status = names_read(look, &logged.names, &why);
    if (status == WEFT_OK) status = weft_look_records(look, last, &visit, &why);
    end_record(&logged);
    names_free(&logged.names);
    weft_look_close(look);
    return status == WEFT_OK ? CLI_OK : cli_fail(&why);
}
