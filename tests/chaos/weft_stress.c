/* weft_stress: devices as processes in a mesh, each of which indexes rows of its own and edits
 * those of all, in front of a person; with faults if wanted. At the end all databases are compared.
 * See docs/testing.md. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tests/chaos/stress.h"
#include "tests/chaos/tell.h"

#define STRESS_PATIENCE_MS 900000
/* People like to see a device for a while between two faults. */
#define STRESS_CALM 5u

static volatile sig_atomic_t interrupted;

static void interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static int usage(FILE *to, int status) {
    fprintf(to,
            "weft_stress [--devices N] [--degree D] [--rows N] [--edits N] [--minutes M]\n"
            "            [--seconds S] [--faults [LIST]] [--seed S] [--json] [--help]\n"
            "\n"
            "  --devices N   so many processes, 2 to %u (4), each with a library of its own\n"
            "  --degree D    each is joined to so many others, or a few more (4); 0: to all\n"
            "  --rows N      each indexes so many rows of its own, as fast as it can (100000)\n"
            "  --edits N     each makes so many edits of %u rows that all edit (1000), spread\n"
            "                over the time\n"
            "  --minutes M   for how long (1); --seconds S: the same in seconds. 0: until all\n"
            "                rows are written and all edits made. Rows that are not written by\n"
            "                then are left out\n"
            "  --faults      kills, stops and cuts off, as the seed draws it; LIST is of kill,\n"
            "                stop, blackout, links. See docs/testing.md\n"
            "  --seed S      draws who is joined to whom, the edits and the faults; without it\n"
            "                one is drawn, and printed\n"
            "  --json        one JSON object at the end, and nothing else\n"
            "\n"
            "Ctrl-C ends it early: all settles and is compared; once more: at once.\n"
            "Exit status: 0 all databases are equal, table by table and row by row; 1 they are\n"
            "not, or a device failed or lost what it had said to be durable; 2 wrong usage.\n",
            CREW_MAX, WORK_SHARED);
    return status;
}

static unsigned faults_read(const char *text) {
    static const char *const names[] = {"kill", "stop", "blackout", "links"};
    unsigned faults = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (strstr(text, names[i]) != NULL) faults |= 1u << i;
    }
    return faults;
}

/* The number behind an option's name; false: there is none. */
static bool take(struct stress_options *options, const char *name, const char *value) {
    struct {
        const char *name;
        unsigned *number;
    } numbers[] = {{"--devices", &options->devices},
                   {"--degree", &options->degree},
                   {"--rows", &options->rows},
                   {"--edits", &options->edits},
                   {"--seconds", &options->seconds}};
    char *end = NULL;
    if (value == NULL || value[0] == '\0' || value[0] == '-') return false;
    if (strcmp(name, "--seed") == 0) {
        options->seed = strtoull(value, &end, 10);
        return *end == '\0';
    }
    if (strcmp(name, "--minutes") == 0) {
        options->seconds = (unsigned)(strtod(value, &end) * 60);
        return *end == '\0';
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) != 0) continue;
        *numbers[i].number = (unsigned)strtoul(value, &end, 10);
        return *end == '\0';
    }
    return false;
}

static bool options_read(struct stress_options *options, int count, char **arguments) {
    *options = (struct stress_options){
        .devices = 4, .degree = 4, .rows = 100000, .edits = 1000, .seconds = 60};
    if (getrandom(&options->seed, 4, 0) != 4) return false;
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (strcmp(name, "--json") == 0) {
            options->json = true;
        } else if (strcmp(name, "--faults") == 0) {
            const bool listed = value != NULL && value[0] != '-';
            options->faults = listed ? faults_read(value) : CHAOS_ALL;
            if (options->faults == 0) return false;
            i += listed;
        } else if (take(options, name, value)) {
            i++;
        } else {
            return false;
        }
    }
    return options->devices >= 2 && options->devices <= CREW_MAX &&
           options->rows + options->edits > 0;
}

static void stress_open(struct stress *stress) {
    const struct stress_options *options = &stress->options;
    struct chaos *chaos = &stress->chaos;
    chaos_open(chaos, options->devices, options->degree, options->seed, options->faults);
    chaos->calm = STRESS_CALM;
    chaos->mend = true;
    chaos->patience_ms = STRESS_PATIENCE_MS;
    chaos->crew.patience_ms = STRESS_PATIENCE_MS;
    chaos->crew.work = (struct work_orders){.rows = options->rows,
                                            .edits = options->edits,
                                            .seconds = options->seconds,
                                            .begun_ms = chaos->begun_ms};
    stress->rated_ms = chaos->begun_ms;
}

static void stress_run(struct stress *stress) {
    const int64_t all_ms = (int64_t)stress->options.seconds * 1000;
    const int64_t end_ms = all_ms > 0 ? stress->chaos.begun_ms + all_ms : INT64_MAX;
    while (interrupted == 0 && tell_now_ms() < end_ms) {
        chaos_turn(&stress->chaos);
        stress_show(stress, "runs");
        if (all_ms == 0 && stress_has_written(stress)) break;
    }
}

static void settling(void *context) {
    stress_show(context, "settles");
}

/* All rows that were written are everywhere: a count beside the comparison, which would not see
 * rows that are missing on all devices. */
static bool all_are_there(const struct stress *stress) {
    const struct crew *crew = &stress->chaos.crew;
    uint64_t written = 0;
    bool well = true;
    for (unsigned i = 0; i < crew->count; i++)
        written += crew->sailors[i].work.written;
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->sailors[i].work.held == written) continue;
        fprintf(stderr, "device %u holds %llu of %llu rows\n", i,
                (unsigned long long)crew->sailors[i].work.held, (unsigned long long)written);
        well = false;
    }
    return well;
}

/* Compares the files; with --json, what is said of it goes to standard error. */
static bool all_are_equal(const struct stress *stress) {
    const int output = stress->options.json ? dup(STDOUT_FILENO) : -1;
    if (output >= 0) (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    const bool equal = crew_equal(&stress->chaos.crew);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        close(output);
    }
    return equal;
}

int main(int count, char **arguments) {
    static struct stress stress;
    static char who[64];
    const struct sigaction on_interrupt = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0) return usage(stdout, 0);
    }
    if (!options_read(&stress.options, count, arguments)) return usage(stderr, 2);
    snprintf(who, sizeof who, "weft_stress, seed %llu", (unsigned long long)stress.options.seed);
    tell_as(who);
    signal(SIGPIPE, SIG_IGN);
    stress.terminal = isatty(STDOUT_FILENO) && !stress.options.json;
    if (!stress.options.json)
        printf("seed %llu: %u devices of degree %u\n", (unsigned long long)stress.options.seed,
               stress.options.devices, stress.options.degree);
    fflush(stdout);
    stress_open(&stress);
    sigaction(SIGINT, &on_interrupt, NULL);
    stress_run(&stress);
    stress.chaos.crew.idle = settling;
    stress.chaos.crew.idle_context = &stress;
    chaos_finish(&stress.chaos);
    stress_show_end(&stress);
    const bool counted = all_are_there(&stress);
    const bool equal = all_are_equal(&stress) && counted;
    stress_tell(&stress, equal, interrupted != 0);
    if (equal) crew_close(&stress.chaos.crew);
    if (!equal) fprintf(stderr, "the files stay in %s\n", stress.chaos.crew.folder);
    return equal ? 0 : 1;
}
