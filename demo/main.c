/* engine_demo: what the engine does, shown on real files and real processes.
 *
 *      engine_demo [PATH]            show.c     all of it, on this machine
 *      engine_demo node …            node.c     one device, by hand
 *      engine_demo compare DB DB …   compare.c  are these databases equal?
 *
 * The demo uses nothing of the engine but its public header, and SQLite for reading. */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "demo/compare.h"
#include "demo/node.h"
#include "demo/options.h"
#include "demo/show.h"

static void tell(void *context, const char *sentence) {
    (void)context;
    printf("%s\n", sentence);
}

static int main_compare(int count, char **paths) {
    if (count < 2 || count > (int)COMPARE_FILES_MAX) {
        fprintf(stderr, "engine_demo: compare wants 2 to %u databases\n", COMPARE_FILES_MAX);
        return EXIT_USAGE;
    }
    struct compare_plan plan = {(const char *const *)paths, (unsigned)count, NULL, tell};
    struct compare_report report;
    char why[1024];
    if (!compare_run(&plan, &report, why, sizeof why)) {
        fprintf(stderr, "engine_demo: %s\n", why);
        return EXIT_FAILED;
    }
    printf("%s: %llu rows in %u tables compared, %llu differences\n",
           report.differences == 0 ? "equal" : "DIFFERENT", (unsigned long long)report.rows,
           report.tables, (unsigned long long)report.differences);
    return report.differences == 0 ? EXIT_EQUAL : EXIT_DIFFERENT;
}

static int refuse(enum options_verdict verdict, const char *why) {
    if (verdict == OPTIONS_HELP) {
        fputs(options_help(), stdout);
        return EXIT_EQUAL;
    }
    fprintf(stderr, "engine_demo: %s\n", why);
    return EXIT_USAGE;
}

int main(int count, char **arguments) {
    char why[512] = "";
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* see weft_open() */
    if (count > 1 && strcmp(arguments[1], "compare") == 0)
        return main_compare(count - 2, arguments + 2);
    if (count > 1 && strcmp(arguments[1], "node") == 0) {
        struct node_options options;
        enum options_verdict verdict =
            options_node(count - 2, arguments + 2, &options, why, sizeof why);
        return verdict == OPTIONS_GO ? node_run(&options) : refuse(verdict, why);
    }
    struct show_options options;
    enum options_verdict verdict =
        options_show(count - 1, arguments + 1, &options, why, sizeof why);
    return verdict == OPTIONS_GO ? show_run(&options) : refuse(verdict, why);
}
