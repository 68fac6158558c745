/* weft_sim: runs seeded worlds and says which of them failed. See docs/testing.md.
 *
 * With one seed, it is printed before its world begins, and reproduces everything. With many, all
 * cores run them, a line shows how far they are, and a summary comes at the end.
 * Invariant: what is printed about a seed depends on the seed and the options alone.
 * Deliberately not here: anything about worlds; how many are run at once (crew.c), and what came of
 * them (tally.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "tests/sim/crew.h"
#include "tests/sim/world.h"

#define OPTIONS_TEXT 256u

struct options {
    uint64_t seed, seeds, jobs;
    uint64_t seconds, devices;
    double minutes;
    bool twice, trace, json, quiet, first, liar;
};

static const char usage_text[] =
    "usage: weft_sim [--seed S] [--seconds VIRTUAL] [--devices N] [--twice] [--trace] [--json]\n"
    "       weft_sim --seeds N | --minutes M [--seed S] [--jobs N] [--first] [--quiet] [--json]\n"
    "                [--seconds VIRTUAL] [--devices N] [--twice] [--liar]\n"
    "       weft_sim --help\n";

static void help(void) {
    printf("%s\n"
           "Runs whole engines in virtual time, over simulated links and disks on which what may\n"
           "go wrong goes wrong, and holds all they do against what must be true. A seed decides\n"
           "everything: the same seed runs the same again.\n\n"
           "  --seed S           this one, or the first of several; 1\n"
           "  --seeds N          so many seeds, S and those after it, on all cores\n"
           "  --minutes M        seeds from S on until the time is up; with --seeds whichever\n"
           "                     comes first\n"
           "  --jobs N           processes at a time; as many as there are cores\n"
           "  --first            ends with the first failure\n"
           "  --seconds VIRTUAL  how long there is writing and trouble; drawn from the seed\n"
           "  --devices N        2 to %u; drawn from the seed\n"
           "  --liar             one of the devices lies, if the world can have one that does\n"
           "  --twice            runs each seed twice: it must do the same\n"
           "  --trace            prints every mail and every fault\n"
           "  --json             one line of JSON for the seed, or for all of them\n"
           "  --quiet            no line that shows how far it is\n\n"
           "Exit status: 0 all is well, 1 a seed failed, 2 the command line is wrong.\n",
           usage_text, DEVICES_MAX);
}

/* ---- one seed -------------------------------------------------------------------------------- */

static void run_seed(const void *context, uint64_t seed, struct outcome *out) {
    const struct options *options = context;
    struct plan plan;
    struct outcome again;
    plan_draw(&plan, seed, (uint32_t)options->seconds, (uint32_t)options->devices);
    if (options->liar) plan_add_liar(&plan);
    world_run(&plan, options->trace, out);
    if (!options->twice || out->failed) return;
    world_run(&plan, false, &again);
    if (again.hash == out->hash && !again.failed) return;
    out->failed = true;
    snprintf(out->failure, sizeof out->failure,
             "[weft_sim twice] not the same twice: %016llx after %llu turns, %016llx after %llu: "
             "%.512s",
             (unsigned long long)out->hash, (unsigned long long)out->turns,
             (unsigned long long)again.hash, (unsigned long long)again.turns,
             again.failed ? again.failure : "no failure either time");
}

static void print_counts(const char *const *names, const uint64_t *counts, int count) {
    for (int i = 0; i < count; i++)
        printf("%s%s %llu", i ? ", " : "", names[i], (unsigned long long)counts[i]);
    printf("\n");
}

static void print_json_counts(const char *title, const char *const *names, const uint64_t *counts,
                              int count) {
    printf(",\"%s\":{", title);
    for (int i = 0; i < count; i++)
        printf("%s\"%s\":%llu", i ? "," : "", names[i], (unsigned long long)counts[i]);
    printf("}");
}

static void print_outcome(const struct options *options, const struct outcome *out) {
    if (options->json) {
        printf("{\"seed\":%llu,\"failed\":%s,\"hash\":\"%016llx\",\"virtual_s\":%.3f,"
               "\"turns\":%llu,\"lives\":%llu,\"steps\":%llu,\"rows\":%llu",
               (unsigned long long)options->seed, out->failed ? "true" : "false",
               (unsigned long long)out->hash, (double)out->virtual_us / 1e6,
               (unsigned long long)out->turns, (unsigned long long)out->lives,
               (unsigned long long)out->steps, (unsigned long long)out->rows);
        print_json_counts("faults", fault_names, out->faults, FAULT_COUNT);
        print_json_counts("points", point_names, out->points, POINT_COUNT);
        printf("}\n");
        return;
    }
    printf("hash %016llx: %.1f s, %llu turns, %llu lives, %llu transactions, %llu row versions\n",
           (unsigned long long)out->hash, (double)out->virtual_us / 1e6,
           (unsigned long long)out->turns, (unsigned long long)out->lives,
           (unsigned long long)out->steps, (unsigned long long)out->rows);
    print_counts(fault_names, out->faults, FAULT_COUNT);
    printf("points: ");
    print_counts(point_names, out->points, POINT_COUNT);
}

static int run_one(const struct options *options) {
    struct outcome out;
    if (!options->json) printf("seed %llu\n", (unsigned long long)options->seed);
    fflush(stdout);
    run_seed(options, options->seed, &out);
    print_outcome(options, &out);
    if (!out.failed) return 0;
    fflush(stdout);
    fprintf(stderr, "FAILED seed %llu at %.6f s: %s\n", (unsigned long long)options->seed,
            (double)out.virtual_us / 1e6, out.failure);
    return 1;
}

/* ---- many seeds ------------------------------------------------------------------------------ */

/* What a command that replays one of the seeds must say besides the seed. */
static void replay_options(const struct options *options, char out[OPTIONS_TEXT]) {
    int length = 0;
    out[0] = '\0';
    if (options->seconds)
        length += snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --seconds %llu",
                           (unsigned long long)options->seconds);
    if (options->devices)
        length += snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --devices %llu",
                           (unsigned long long)options->devices);
    if (options->liar) length += snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --liar");
    if (options->twice) snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --twice");
}

static void print_beginning(const struct options *options) {
    if (options->json) return;
    if (options->seeds)
        printf("seeds %llu to %llu\n", (unsigned long long)options->seed,
               (unsigned long long)(options->seed + options->seeds - 1));
    else
        printf("seeds from %llu on for %g minutes\n", (unsigned long long)options->seed,
               options->minutes);
}

static int run_many(const struct options *options) {
    struct tally *tally = tally_open();
    char replay[OPTIONS_TEXT];
    replay_options(options, replay);
    struct crew crew = {.seed = options->seed,
                        .seeds = options->seeds ? options->seeds : UINT64_MAX,
                        .seconds = options->minutes * 60,
                        .jobs = options->jobs ? (uint32_t)options->jobs : crew_jobs(),
                        .first = options->first,
                        .display = {.line = !options->json && !options->quiet,
                                    .failures = !options->json,
                                    .options = replay},
                        .run = run_seed,
                        .context = options};
    print_beginning(options);
    crew_run(&crew, tally);
    bool failed = atomic_load(&tally->failed) > 0;
    if (options->json)
        tally_print_json(tally);
    else if (!options->first || !failed)
        tally_print(tally);
    else
        printf("the first failure, after %llu seeds\n", atomic_load(&tally->done));
    tally_close(tally);
    return failed ? 1 : 0;
}

/* ---- the command line ------------------------------------------------------------------------ */

static int usage(const char *what) {
    fprintf(stderr, "weft_sim: %s\n%s", what, usage_text);
    return 2;
}

static bool read_number(const char *text, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = text ? strtoull(text, &end, 0) : 0;
    return text && *text && *end == '\0' && errno == 0;
}

static bool read_minutes(const char *text, double *out) {
    char *end = NULL;
    *out = text ? strtod(text, &end) : 0;
    return text && *text && *end == '\0' && *out > 0 && *out < 1e6;
}

/* An option without a value. */
static bool *flag(struct options *options, const char *word) {
    if (strcmp(word, "--twice") == 0) return &options->twice;
    if (strcmp(word, "--trace") == 0) return &options->trace;
    if (strcmp(word, "--json") == 0) return &options->json;
    if (strcmp(word, "--quiet") == 0) return &options->quiet;
    if (strcmp(word, "--first") == 0) return &options->first;
    if (strcmp(word, "--liar") == 0) return &options->liar;
    return NULL;
}

static uint64_t *number(struct options *options, const char *word) {
    if (strcmp(word, "--seed") == 0) return &options->seed;
    if (strcmp(word, "--seeds") == 0) return &options->seeds;
    if (strcmp(word, "--jobs") == 0) return &options->jobs;
    if (strcmp(word, "--seconds") == 0) return &options->seconds;
    if (strcmp(word, "--devices") == 0) return &options->devices;
    return NULL;
}

static int read_options(int count, char **words, struct options *options) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
        bool *to_set = flag(options, word);
        uint64_t *to_read = number(options, word);
        if (to_set) {
            *to_set = true;
            continue;
        }
        bool good = to_read
                        ? read_number(value, to_read)
                        : strcmp(word, "--minutes") == 0 && read_minutes(value, &options->minutes);
        if (!good) return usage(word);
        i++;
    }
    if (options->devices == 1 || options->devices > DEVICES_MAX) return usage("--devices");
    if (options->jobs > TALLY_JOBS) return usage("--jobs");
    if (options->seconds > 100000) return usage("--seconds");
    return 0;
}

int main(int count, char **words) {
    struct options options = {.seed = 1};
    for (int i = 1; i < count; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) {
            help();
            return 0;
        }
    int code = read_options(count, words, &options);
    if (code) return code;
    /* A trace must be whole even if its world aborts. */
    if (options.trace) setvbuf(stdout, NULL, _IOLBF, 0);
    return options.seeds || options.minutes > 0 ? run_many(&options) : run_one(&options);
}
