/* Tagging, seen from the show: A tags in this process, the others are told to.
 *
 *      A  tagger.c ◄──── tagging_step() by show_pump()
 *      B  node_tags.c ◄── "tags on", "tags off", "tags" ──► {"event":"tags",…} */
#include "demo/tagging.h"

#include "demo/instant.h"
#include "demo/line.h"
#include "demo/must.h"

#define TAGGING_STUCK_US 60000000

static bool tagging_send(struct show *show, const char *command) {
    for (unsigned i = 0; i < show->child_count; i++) {
        if (!device_send(&show->children[i], command))
            return show_fail(show, "device %s does not listen", show->children[i].name);
    }
    return true;
}

bool tagging_begin(struct show *show) {
    struct weft_error why = {0};
    MUST(show->tagger == NULL);
    show->tagger = tagger_open(show->engine, show->gauge.reader, "A", &why);
    if (show->tagger == NULL) return show_fail_weft(show, "tagging on A", why.status, &why);
    tagger_start(show->tagger);
    show->tagging = true;
    return tagging_send(show, "tags on");
}

bool tagging_step(struct show *show, int *timeout_ms) {
    struct weft_error why = {0};
    int due_ms;
    if (show->tagger == NULL) return true;
    enum weft_status status = tagger_step(show->tagger, &due_ms, &why);
    if (due_ms >= 0 && due_ms < *timeout_ms) *timeout_ms = due_ms;
    return status == WEFT_OK || show_fail_weft(show, "tagging on A", status, &why);
}

void tagging_look(struct show *show, int model) {
    struct weft_error why = {0};
    if (show->tagger == NULL || (model >= 0 && model != tagger_model(show->tagger))) return;
    enum weft_status status = tagger_look(show->tagger, &why);
    if (status != WEFT_OK) show_fail_weft(show, "tagging on A", status, &why);
}

bool tagging_ask(struct show *show) {
    struct weft_error why = {0};
    for (unsigned i = 0; i < show->child_count; i++)
        show->children[i].tags_told = false;
    if (!tagging_send(show, "tags")) return false;
    for (unsigned i = 0; i < show->child_count; i++) {
        while (!show->children[i].tags_told) {
            if (!show_pump(show, 100)) return false;
        }
    }
    enum weft_status status = tagger_report(show->tagger, &show->tags, &why);
    return status == WEFT_OK || show_fail_weft(show, "tagging on A", status, &why);
}

/* Until nobody has anything on its way any more. */
static bool tagging_settle(struct show *show) {
    int64_t begun = instant_us();
    for (bool behind = true; behind;) {
        if (!tagging_ask(show)) return false;
        behind = show->tags.behind;
        for (unsigned i = 0; i < show->child_count; i++)
            behind = behind || show->children[i].tags.behind;
        if (instant_us() - begun > TAGGING_STUCK_US)
            return show_fail(show, "not every tag has arrived everywhere within a minute");
        if (behind && !show_pump(show, 5)) return false;
    }
    /* What has arrived since a device was asked. */
    return tagging_ask(show);
}

bool tagging_end(struct show *show) {
    char links[VIEW_NUMBER];
    MUST(show->tagger != NULL);
    tagger_stop(show->tagger);
    if (!tagging_send(show, "tags off") || !tagging_settle(show)) return false;
    show->tagging = false;
    view_say(&show->view, "meanwhile every device tagged: %llu tags, put on files %s times",
             (unsigned long long)show->tags.tags, view_number(show->tags.links, links));
    struct line line;
    line_open(&line, "tagged");
    line_member(&line, "tags", show->tags.tags);
    line_member(&line, "links", show->tags.links);
    line_member(&line, "records", show->tags.records);
    line_close(&line);
    view_json(&show->view, &line);
    return true;
}
