/* The stages of the show: indexing a tree while it arrives elsewhere and every device tags, and the
 * comparison at the end.
 *
 * The verdict is not taken from any counter: the databases are closed, opened again as plain SQLite
 * files, and read row by row. */
#include "demo/stages.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "demo/compare.h"
#include "demo/index.h"
#include "demo/instant.h"
#include "demo/line.h"
#include "demo/live.h"
#include "demo/must.h"
#include "demo/partition.h"
#include "demo/tagging.h"

struct stage_times {
    int64_t begun_us, indexed_us, everywhere_us;
};

static void index_say(struct show *show, const struct index_report *report,
                      const struct stage_times *times) {
    char files[VIEW_NUMBER], rate[VIEW_NUMBER];
    double indexing = (double)(times->indexed_us - times->begun_us) / 1e6;
    double arriving = (double)(times->everywhere_us - times->indexed_us) / 1e6;
    view_say(&show->view,
             "%s files of %s indexed in %.2f s (%s/s); everywhere %.2f s after the last",
             view_number(report->put, files), show->options->path, indexing,
             view_number((uint64_t)((double)report->put / (indexing > 0 ? indexing : 1)), rate),
             arriving);
    if (report->escaped > 0)
        view_say(&show->view, "%llu names are not UTF-8; stored with %%XX for the invalid bytes",
                 (unsigned long long)report->escaped);
    if (report->walk.elsewhere > 0)
        view_say(&show->view, "%llu folders on other file systems were not entered",
                 (unsigned long long)report->walk.elsewhere);
    if (report->walk.unreadable > 0)
        view_say(&show->view, "%llu files or folders could not be read:",
                 (unsigned long long)report->walk.unreadable);
    for (unsigned i = 0; i < report->walk.note_count; i++)
        view_say(&show->view, "    %s", report->walk.notes[i]);
    struct line line;
    line_open(&line, "indexed");
    line_member(&line, "files", report->put);
    line_member_real(&line, "seconds", indexing);
    line_member_real(&line, "seconds_until_everywhere", arriving);
    line_member(&line, "not_utf8", report->escaped);
    line_member(&line, "unreadable", report->walk.unreadable);
    line_member(&line, "directories", report->walk.directories);
    line_close(&line);
    view_json(&show->view, &line);
}

/* Until every walker has returned. */
static bool index_watch(struct show *show, struct index *index, struct index_report *report) {
    for (;;) {
        index_report(index, report);
        show->of = report->walk.found;
        if (report->failure.status != WEFT_OK)
            return show_fail_weft(show, "indexing", report->failure.status, &report->failure);
        if (report->done) return true;
        if (!show_pump(show, 50)) return false;
    }
}

static bool index_arrive(struct show *show, struct index *index) {
    uint64_t tickets[INDEX_WALKERS_MAX * INDEX_TICKETS];
    unsigned count = index_tickets(index, tickets);
    for (unsigned i = 0; i < count; i++) {
        if (!show_wait_everywhere(show, tickets[i])) return false;
    }
    return true;
}

static bool stage_index(struct show *show) {
    char why[SHOW_TEXT], phase[SHOW_TEXT];
    struct stat skip;
    snprintf(phase, sizeof phase, "indexing %.200s", show->options->path);
    struct index_plan plan = {.engine = show->engine,
                              .models = &show->models,
                              .path = show->options->path,
                              .walkers = show->options->walkers,
                              .limit = show->options->limit};
    if (stat(show->folder, &skip) == 0) plan.skip = &skip;
    if (!tagging_begin(show)) return false;
    show_phase(show, phase);
    struct stage_times times = {.begun_us = instant_us()};
    struct index *index = index_open(&plan, why, sizeof why);
    if (index == NULL) {
        show_phase(show, "");
        return show_fail(show, "%s", why);
    }
    struct index_report report;
    bool goes_on = index_watch(show, index, &report);
    times.indexed_us = instant_us();
    show->of = report.put;
    show_phase(show, "arriving on every device");
    goes_on = goes_on && index_arrive(show, index);
    times.everywhere_us = instant_us();
    if (goes_on) index_say(show, &report, &times);
    goes_on = goes_on && tagging_end(show) && show_ask(show);
    index_close(index);
    return goes_on;
}

static bool stage_live(struct show *show) {
    show_phase(show, "live changes");
    show->of = 0;
    show->live = live_open(show);
    if (show->live == NULL) return show_fail(show, "out of memory");
    if (!live_run(show->live)) return false;
    show_phase(show, "rescan");
    bool goes_on = live_rescan(show->live);
    live_close(show->live);
    show->live = NULL;
    return goes_on;
}

static void compare_tell(void *context, const char *sentence) {
    struct show *show = context;
    view_say(&show->view, "  %s", sentence);
}

static void verdict_say(struct show *show, const struct compare_report *report) {
    char rows[VIEW_NUMBER], differences[VIEW_NUMBER];
    view_number(report->rows, rows);
    view_number(report->differences, differences);
    bool equal = report->differences == 0;
    struct line line;
    line_open(&line, "verdict");
    line_member_bool(&line, "equal", equal);
    line_member(&line, "devices", show->options->devices);
    line_member(&line, "tables", report->tables);
    line_member(&line, "rows", report->rows);
    line_member(&line, "differences", report->differences);
    line_close(&line);
    if (show->view.form == FORM_JSON) {
        view_json(&show->view, &line);
    } else if (equal) {
        view_say(&show->view,
                 "all %u databases are equal: %s rows in %u tables, compared one by one",
                 show->options->devices, rows, report->tables);
    } else {
        view_say(&show->view, "the databases differ in %s places; %s rows were compared",
                 differences, rows);
    }
}

static int stage_compare(struct show *show) {
    const char *paths[OPTIONS_DEVICES_MAX] = {show->db};
    for (unsigned i = 0; i < show->child_count; i++)
        paths[i + 1] = show->children[i].db;
    struct compare_plan plan = {paths, show->child_count + 1, show, compare_tell};
    struct compare_report report;
    char why[SHOW_TEXT];
    if (!compare_run(&plan, &report, why, sizeof why)) {
        show_fail(show, "%s", why);
        return EXIT_FAILED;
    }
    verdict_say(show, &report);
    return report.differences == 0 ? EXIT_EQUAL : EXIT_DIFFERENT;
}

int stages_run(struct show *show) {
    bool healed;
    if (!stage_index(show) || !partition_run(show, &healed)) return EXIT_FAILED;
    if (healed && !stage_live(show)) return EXIT_FAILED;
    view_close(&show->view);
    if (!show_stop(show)) return EXIT_FAILED;
    return stage_compare(show);
}
