/* weft_crash: has the disk go down at every write and sync of short workloads, and looks what is
 * left. See docs/testing.md.
 *
 * A summary for each workload, and each failure with what repeats it and nothing else.
 * Invariant: what is printed, but for times, depends on the options alone.
 * Deliberately not here: how it is done (sweep.c), and of what (workload.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "tests/sim/sweep.h"

#define AGAIN_EVERY 199u

static const char usage_text[] =
    "usage: weft_crash [--workload NAME] [--every N [--offset O]] [--again-every N] [--full]\n"
    "                  [--jobs N] [--json]\n"
    "       weft_crash --workload NAME --point N --kind KIND [--again N --again-kind KIND]\n"
    "                  [--trace]\n"
    "       weft_crash --list | --help\n";

static void help(void) {
    printf(
        "%s\n"
        "Runs small workloads and has the disk of one device go down at each operation that\n"
        "changes it: once for each kind of what a power cut may leave. The file is opened again\n"
        "and held against all that was answered and acknowledged; then the device goes on with\n"
        "its peers until all hold the same, and is looked at again.\n\n"
        "  --workload NAME    this one only; all\n"
        "  --every N          only the operations number O, O+N, O+2N, ...; 1\n"
        "  --offset O         ... from here; 0\n"
        "  --again-every N    one in so many crashes is followed by others, at each operation of\n"
        "                     the opening that comes after it (with --every: at\n"
        "                     some); %u\n"
        "  --full             every kind at each write, not one more in turn\n"
        "  --jobs N           processes at a time; 2\n"
        "  --json             one object for each workload, a line each\n"
        "  --point N --kind K one crash only, as a failure names it\n"
        "  --trace            prints all that happens\n\nkinds:\n",
        usage_text, AGAIN_EVERY);
    for (int k = 0; k < WRECK_KINDS; k++)
        printf("  %-14s %s\n", wreck_names[k], wreck_meanings[k]);
}

static int usage(const char *what) {
    fprintf(stderr, "weft_crash: %s\n%s", what, usage_text);
    return 2;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static unsigned long long sum_crashes(const struct sweep_result *result) {
    unsigned long long sum = 0;
    for (int k = 0; k < WRECK_KINDS; k++)
        sum += result->crashes[k];
    return sum;
}

static const char *const operation_names[DISK_OPERATIONS] = {
    [DISK_WRITE] = "writes",
    [DISK_SYNC] = "syncs",
    [DISK_TRUNCATE] = "truncates",
    [DISK_DELETE] = "deletes",
};

static void print_lines(FILE *out, const struct sweep_result *result) {
    for (uint64_t i = 0; i < result->lines && i < SWEEP_LINES; i++)
        fprintf(out, "  FAILED %s\n", result->line[i]);
    if (result->lines > SWEEP_LINES)
        fprintf(out, "  ... and %llu more\n", (unsigned long long)(result->lines - SWEEP_LINES));
}

static void print_result(const struct workload *workload, const struct sweep_result *result) {
    printf("%-11s", workload->name);
    for (int o = 0; o < DISK_OPERATIONS; o++)
        printf(" %llu %s,", (unsigned long long)result->operations[o], operation_names[o]);
    printf(" %llu points, %llu crashes (%llu the same, %llu in reopening), %llu opened, "
           "%llu refused, %llu failed, %.1f s\n           ",
           (unsigned long long)result->points, sum_crashes(result),
           (unsigned long long)result->same, (unsigned long long)result->again,
           (unsigned long long)result->opened, (unsigned long long)result->refused,
           (unsigned long long)result->failures, result->seconds);
    for (int k = 0; k < WRECK_KINDS; k++)
        printf(" %s %llu", wreck_names[k], (unsigned long long)result->crashes[k]);
    printf("\n");
    print_lines(stdout, result);
}

static void print_json(const struct workload *workload, const struct sweep_result *result) {
    printf("{\"workload\":\"%s\"", workload->name);
    for (int o = 0; o < DISK_OPERATIONS; o++)
        printf(",\"%s\":%llu", operation_names[o], (unsigned long long)result->operations[o]);
    printf(",\"points\":%llu,\"crashes\":{", (unsigned long long)result->points);
    for (int k = 0; k < WRECK_KINDS; k++)
        printf("%s\"%s\":%llu", k ? "," : "", wreck_names[k],
               (unsigned long long)result->crashes[k]);
    printf("},\"same\":%llu,\"again\":%llu,\"opened\":%llu,\"refused\":%llu,\"failed\":%llu,"
           "\"seconds\":%.3f}\n",
           (unsigned long long)result->same, (unsigned long long)result->again,
           (unsigned long long)result->opened, (unsigned long long)result->refused,
           (unsigned long long)result->failures, result->seconds);
    print_lines(stderr, result);
}

/* ---- the command line ------------------------------------------------------------------------ */

struct command {
    struct sweep_options options;
    const struct workload *workload; /* NULL: all */
    bool json;
};

static bool read_number(const char *text, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && *text && *end == '\0' && errno == 0;
}

static bool read_kind(const char *text, enum wreck_kind *out) {
    for (int k = 0; text && k < WRECK_KINDS; k++)
        if (strcmp(text, wreck_names[k]) == 0) {
            *out = (enum wreck_kind)k;
            return true;
        }
    return false;
}

/* An option that takes a value. */
static bool read_option(const char *word, const char *value, struct command *command) {
    struct sweep_options *options = &command->options;
    uint64_t jobs = 0;
    if (strcmp(word, "--workload") == 0) {
        command->workload = value ? workload_find(value) : NULL;
        return command->workload != NULL;
    }
    if (strcmp(word, "--kind") == 0) return read_kind(value, &options->kind);
    if (strcmp(word, "--again-kind") == 0) return read_kind(value, &options->again_kind);
    if (strcmp(word, "--point") == 0) return read_number(value, &options->point);
    if (strcmp(word, "--again") == 0) return read_number(value, &options->again);
    if (strcmp(word, "--every") == 0)
        return read_number(value, &options->every) && options->every > 0;
    if (strcmp(word, "--offset") == 0) return read_number(value, &options->offset);
    if (strcmp(word, "--again-every") == 0)
        return read_number(value, &options->again_every) && options->again_every > 0;
    if (strcmp(word, "--jobs") != 0 || !read_number(value, &jobs)) return false;
    options->jobs = (uint32_t)jobs;
    return jobs >= 1 && jobs <= 16;
}

static void list(void) {
    for (uint32_t i = 0; i < workload_count; i++)
        printf("%-12s %s\n", workloads[i].name, workloads[i].what);
}

static int sweep_all(const struct command *command) {
    unsigned long long bad = 0, crashes = 0;
    double seconds = 0;
    if (!command->json && !command->options.point)
        printf("every %llu, offset %llu\n", (unsigned long long)command->options.every,
               (unsigned long long)command->options.offset);
    for (uint32_t i = 0; i < workload_count; i++) {
        const struct workload *workload = &workloads[i];
        if (command->workload && workload != command->workload) continue;
        struct sweep_result *result =
            mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(result != MAP_FAILED);
        sweep_run(workload, &command->options, result);
        (command->json ? print_json : print_result)(workload, result);
        fflush(stdout);
        crashes += sum_crashes(result) + result->again;
        bad += result->refused + result->failures + (result->lines > 0);
        seconds += result->seconds;
        CHECK(munmap(result, sizeof *result) == 0);
    }
    if (!command->json)
        printf("%llu crashes in %.0f s: %s\n", crashes, seconds,
               bad            ? "FAILED"
               : crashes == 0 ? "no workload has such a point, so nothing was shown"
                              : "all good");
    return bad || crashes == 0 ? 1 : 0;
}

int main(int count, char **words) {
    struct command command = {
        .options = {.every = 1, .again_every = AGAIN_EVERY, .jobs = 2, .kind = WRECK_LOST}};
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            help();
            return 0;
        }
        if (strcmp(word, "--list") == 0) {
            list();
            return 0;
        }
        if (strcmp(word, "--json") == 0)
            command.json = true;
        else if (strcmp(word, "--full") == 0)
            command.options.full = true;
        else if (strcmp(word, "--trace") == 0)
            command.options.trace = true;
        else if (!read_option(word, i + 1 < count ? words[++i] : NULL, &command))
            return usage(word);
    }
    if (command.options.point && !command.workload) return usage("--point wants --workload");
    if (command.options.again && !command.options.point) return usage("--again wants --point");
    command.options.live = !command.json && isatty(STDERR_FILENO);
    if (command.options.trace) setvbuf(stdout, NULL, _IOLBF, 0);
    return sweep_all(&command);
}
