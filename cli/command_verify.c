/* weft verify: whether a library's file is as it was written. Also while it is in use. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/text.h"

struct verify {
    struct names names;
    struct json json;
    struct grid grid;
    bool as_json;
    uint64_t faults, unsound, unknown;
    uint64_t records, forged, broken, open_ends, missing;
};

static void take_fault(void *context, const char *fault) {
    struct verify *verify = context;
    verify->faults++;
    if (verify->as_json) {
        json_text(&verify->json, NULL, fault);
    } else {
        printf("file: %s\n", fault);
    }
}

static void take_digest(void *context, const struct weft_look_digest *digest) {
    struct verify *verify = context;
    char owner[NAMES_LABEL] = "everybody", sum[20];
    const char *verdict = digest->sound ? "sound" : digest->known ? "NOT SOUND" : "not known";
    verify->unsound += digest->known && !digest->sound;
    verify->unknown += !digest->known;
    snprintf(sum, sizeof sum, "%016" PRIx64, digest->digest);
    if (verify->as_json) {
        json_open(&verify->json, NULL, '{');
        json_text(&verify->json, "table", digest->table);
        if (!digest->shared) json_id(&verify->json, "owner", digest->owner);
        json_number(&verify->json, "rows", digest->rows);
        json_text(&verify->json, "digest", sum);
        json_bool(&verify->json, "known", digest->known);
        json_bool(&verify->json, "sound", digest->sound);
        json_close(&verify->json, '}');
        return;
    }
    if (!digest->shared) names_label(&verify->names, digest->owner, owner);
    grid_cell(&verify->grid, "%s", digest->table);
    grid_cell(&verify->grid, "%s", owner);
    grid_cell(&verify->grid, "%" PRIu64, digest->rows);
    grid_cell(&verify->grid, "%s", sum);
    grid_cell(&verify->grid, "%s", verdict);
}

static void take_record(void *context, const struct weft_look_record *record) {
    struct verify *verify = context;
    char device[NAMES_LABEL];
    const bool forged = record->seal == WEFT_SEAL_FORGED;
    const bool broken = record->chain == WEFT_CHAIN_BROKEN;
    verify->records++;
    verify->forged += forged;
    verify->broken += broken;
    verify->open_ends += record->chain == WEFT_CHAIN_OPEN;
    if (verify->as_json || (!forged && !broken)) return;
    names_label(&verify->names, record->device, device);
    printf("log: record %" PRIu64 " of %s%s%s\n", record->seq, device,
           forged ? " is not what that device signed" : "",
           broken ? (forged ? ", and does not go on from the one before it"
                            : " does not go on from the one before it")
                  : "");
}

static void take_stream(void *context, const struct weft_look_stream *stream) {
    struct verify *verify = context;
    char device[NAMES_LABEL];
    verify->missing += stream->missing;
    if (verify->as_json || stream->missing == 0) return;
    names_label(&verify->names, stream->owner, device);
    printf("log: %" PRIu64 " records of %s are missing\n", stream->missing, device);
}

/* Each part is told as it goes, in the order in which it is looked at. */
static enum weft_status verify_all(weft_look *look, struct verify *verify, struct weft_error *why) {
    const struct weft_look_log log = {.context = verify, .record = take_record};
    struct json *json = &verify->json;
    const bool as_json = verify->as_json;
    if (as_json) json_open(json, NULL, '{');
    if (as_json) json_open(json, "faults", '[');
    enum weft_status status = weft_look_integrity(look, verify, take_fault, why);
    if (as_json) json_close(json, ']');
    if (as_json) json_open(json, "digests", '[');
    if (status == WEFT_OK) status = weft_look_digests(look, verify, take_digest, why);
    if (as_json) json_close(json, ']');
    grid_print(&verify->grid);
    if (status == WEFT_OK) status = weft_look_records(look, 0, &log, why);
    if (status == WEFT_OK) status = weft_look_streams(look, verify, take_stream, why);
    const bool sound =
        status == WEFT_OK &&
        verify->faults + verify->unsound + verify->forged + verify->broken + verify->missing == 0;
    if (as_json) {
        json_open(json, "log", '{');
        json_number(json, "records", verify->records);
        json_number(json, "forged", verify->forged);
        json_number(json, "broken", verify->broken);
        json_number(json, "missing", verify->missing);
        json_close(json, '}');
        json_bool(json, "sound", sound);
        if (status != WEFT_OK) json_text(json, "failed", why->text);
        json_close(json, '}');
        return status;
    }
    if (status != WEFT_OK) return status;
    printf("log: %" PRIu64 " records, %" PRIu64 " signed and chained\n", verify->records,
           verify->records - (verify->forged > verify->broken ? verify->forged : verify->broken));
    printf("%s\n", sound ? "all is as it was written"
                         : "NOT as it was written: restore the file from a copy, or open it and "
                           "let the other members repair it");
    return status;
}

int command_verify(const struct command *command, int count, char **arguments) {
    struct verify verify = {.as_json = false};
    const struct option options[] = {{"--json", OPTION_FLAG, &verify.as_json, 0, 0},
                                     {NULL, OPTION_FLAG, NULL, 0, 0}};
    struct option_rest rest = {.least = 1, .most = 1};
    struct weft_error why = {0};
    weft_look *look = NULL;
    int go = options_read(command, count, arguments, options, &rest);
    if (go != OPTIONS_GO) return go;
    enum weft_status status = weft_look_open(rest.items[0], &look, &why);
    if (status != WEFT_OK) return cli_fail(&why);
    grid_open(&verify.grid, "TABLE OF >ROWS DIGEST VERDICT");
    /* What is kept of members may be damaged, and the rest be looked at even so. */
    (void)names_read(look, &verify.names, NULL);
    status = verify_all(look, &verify, &why);
    names_free(&verify.names);
    weft_look_close(look);
    if (status != WEFT_OK) return cli_fail(&why);
    const bool sound =
        verify.faults + verify.unsound + verify.forged + verify.broken + verify.missing == 0;
    return sound ? CLI_OK : CLI_DAMAGED;
}
