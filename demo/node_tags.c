/* Tagging on one device, when it is told to. A failure is said, and ends the tagging. */
#include <string.h>

#include "demo/clash.h"
#include "demo/must.h"
#include "demo/node_private.h"

static const char *node_name(const struct node *node) {
    return node->options->name != NULL ? node->options->name : "this device";
}

static void tags_fail(struct node *node, enum weft_status status, const struct weft_error *why) {
    node_say(node, "failed", "tagging: %s (%s)",
             why->text[0] != '\0' ? why->text : weft_status_text(status), weft_status_name(status));
    tagger_close(node->tagger);
    node->tagger = NULL;
}

static void tags_print(const struct tagger_report *report) {
    struct line line;
    line_open(&line, "tags");
    line_member(&line, "tags", report->tags);
    line_member(&line, "links", report->links);
    line_member(&line, "records", report->records);
    line_member(&line, "beaten", report->beaten);
    line_member(&line, "seen", report->seen);
    line_member(&line, "p50_us", report->p50_us);
    line_member(&line, "p99_us", report->p99_us);
    line_member(&line, "longest_us", report->longest_us);
    line_member_bool(&line, "behind", report->behind);
    line_close(&line);
    node_print(&line);
}

static void node_clash(struct node *node, const char *argument) {
    struct weft_error why = {0};
    struct clash_report report;
    struct line line;
    int round = argument[0] - '0';
    if (round < CLASH_EARLY || round > CLASH_ALL || argument[1] != '\0') {
        node_say(node, "fault", "a command was not understood");
        return;
    }
    enum weft_status status = clash_run(node->engine, node->gauge.reader, node_name(node),
                                        (enum clash_round)round, &report, &why);
    if (status != WEFT_OK) {
        tags_fail(node, status, &why);
        return;
    }
    line_open(&line, "clashed");
    line_member(&line, "tags", report.tags);
    line_member(&line, "unlinked", report.unlinked);
    line_member(&line, "linked", report.linked);
    line_close(&line);
    node_print(&line);
}

void node_tags(struct node *node, const char *command, const char *argument) {
    struct weft_error why = {0};
    struct tagger_report report;
    if (strcmp(command, "clash") == 0) {
        node_clash(node, argument);
        return;
    }
    if (node->tagger == NULL)
        node->tagger = tagger_open(node->engine, node->gauge.reader, node_name(node), &why);
    if (node->tagger == NULL) {
        tags_fail(node, why.status, &why);
    } else if (strcmp(argument, "on") == 0) {
        tagger_start(node->tagger);
    } else if (strcmp(argument, "off") == 0) {
        tagger_stop(node->tagger);
    } else {
        enum weft_status status = tagger_report(node->tagger, &report, &why);
        if (status != WEFT_OK) {
            tags_fail(node, status, &why);
        } else {
            tags_print(&report);
        }
    }
}

int node_tags_step(struct node *node) {
    struct weft_error why = {0};
    int due_ms;
    if (node->tagger == NULL) return -1;
    enum weft_status status = tagger_step(node->tagger, &due_ms, &why);
    if (status == WEFT_OK) return due_ms;
    tags_fail(node, status, &why);
    return -1;
}

void node_tags_look(struct node *node, int model) {
    struct weft_error why = {0};
    if (node->tagger == NULL) return;
    if (model >= 0 && model != tagger_model(node->tagger)) return;
    enum weft_status status = tagger_look(node->tagger, &why);
    if (status != WEFT_OK) tags_fail(node, status, &why);
}
