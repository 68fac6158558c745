/* weft_sim: runs seeded worlds and says which of them failed. See docs/testing.md.
 *
 * With one seed, it is printed before its world begins, and reproduces everything. With many, all
 * cores run them, a line shows how far they are, and a summary comes at the end.
 * Invariant: what is printed about a seed depends on the seed and the options alone.
 * Deliberately not here: anything about worlds; how many are run at once (crew.c), and what came of
 * them (tally.c). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "tests/sim/crew.h"
#include "tests/sim/knob.h"
#include "tests/sim/memory.h"
#include "tests/sim/shrink.h"
#include "tests/sim/trial.h"
#include "tests/sim/world.h"

#define OPTIONS_TEXT 4096u
#define SETS_MAX 128u
#define CHANCES 3u
#define TRIAL_SECONDS 60u

struct options {
    uint64_t seed, seeds, jobs;
    uint64_t seconds, devices;
    double minutes;
    bool twice, trace, json, quiet, first, liar, plan, shrink;
    const char *sets[SETS_MAX]; /* "name=value" */
    uint32_t set_count;
};

static const char usage_text[] =
    "usage: weft_sim [--seed S] [--seconds VIRTUAL] [--devices N] [--twice] [--trace] [--json]\n"
    "       weft_sim --seeds N | --minutes M [--seed S] [--jobs N] [--first] [--quiet] [--json]\n"
    "                [--seconds VIRTUAL] [--devices N] [--twice] [--liar]\n"
    "       weft_sim --seed S [--set NAME=VALUE]... --shrink | --plan | ...\n"
    "       weft_sim --help\n";

static void help(void) {
    printf(
        "%s\n"
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
        "  --set NAME=VALUE   turns a knob of the plan: --set crash=0 --set run_ms=4200\n"
        "  --plan             prints all knobs of the seed and what they mean, and runs nothing\n"
        "  --shrink           takes from a seed that fails what it does not need to fail\n"
        "  --quiet            no line that shows how far it is\n\n"
        "Exit status: 0 all is well, 1 a seed failed, 2 the command line is wrong.\n",
        usage_text, DEVICES_MAX);
}

/* ---- one seed -------------------------------------------------------------------------------- */

static void make_plan(const struct options *options, uint64_t seed, struct plan *plan) {
    char why[KNOB_TEXT * 2];
    plan_draw(plan, seed, (uint32_t)options->seconds, (uint32_t)options->devices);
    if (options->liar) plan_add_liar(plan);
    for (uint32_t i = 0; i < options->set_count; i++) {
        if (knobs_read(plan, options->sets[i], why)) continue;
        fprintf(stderr, "weft_sim: --set %s: %s\n", options->sets[i], why);
        exit(2);
    }
    if (options->set_count > 0) knobs_mend(plan);
}

static void run_seed(const void *context, uint64_t seed, struct outcome *out) {
    const struct options *options = context;
    struct plan plan;
    struct outcome again;
    make_plan(options, seed, &plan);
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
               "\"turns\":%llu,\"lives\":%llu,\"steps\":%llu,\"writes\":%llu,\"rows\":%llu",
               (unsigned long long)options->seed, out->failed ? "true" : "false",
               (unsigned long long)out->hash, (double)out->virtual_us / 1e6,
               (unsigned long long)out->turns, (unsigned long long)out->lives,
               (unsigned long long)out->steps, (unsigned long long)out->writes,
               (unsigned long long)out->rows);
        print_json_counts("faults", fault_names, out->faults, FAULT_COUNT);
        print_json_counts("points", point_names, out->points, POINT_COUNT);
        printf("}\n");
        return;
    }
    printf("hash %016llx: %.1f s, %llu turns, %llu lives, %llu transactions, %llu row writes, "
           "%llu row versions\n",
           (unsigned long long)out->hash, (double)out->virtual_us / 1e6,
           (unsigned long long)out->turns, (unsigned long long)out->lives,
           (unsigned long long)out->steps, (unsigned long long)out->writes,
           (unsigned long long)out->rows);
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
    if (options->twice) length += snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --twice");
    if (options->liar) length += snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --liar");
    for (uint32_t i = 0; i < options->set_count && (size_t)length < OPTIONS_TEXT; i++)
        length +=
            snprintf(out + length, OPTIONS_TEXT - (size_t)length, " --set %s", options->sets[i]);
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
    uint64_t jobs = options->jobs ? options->jobs : crew_jobs();
    if (options->seeds > 0 && jobs > options->seeds) jobs = options->seeds;
    struct crew crew = {.seed = options->seed,
                        .seeds = options->seeds ? options->seeds : UINT64_MAX,
                        .seconds = options->minutes * 60,
                        .jobs = (uint32_t)jobs,
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

/* ---- plans ----------------------------------------------------------------------------------- */

static int print_plan(const struct options *options) {
    struct plan plan;
    make_plan(options, options->seed, &plan);
    knobs_describe(&plan, stdout);
    knobs_print(&plan, stdout);
    return 0;
}

struct shrinking {
    char checker[TRIAL_CHECKER]; /* that must find it again; "": whichever does */
    char text[FAILURE_TEXT];
    bool tells;
};

/* Ctrl-C: what there is by then is printed. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

static bool still_fails(void *context, const struct plan *plan, uint64_t *virtual_us) {
    struct shrinking *shrinking = context;
    struct trial trial;
    if (interrupted) return false;
    trial_run(plan, TRIAL_SECONDS, &trial);
    *virtual_us = trial.virtual_us;
    if (!trial.failed) return false;
    if (shrinking->checker[0] && strcmp(shrinking->checker, trial.checker) != 0) return false;
    memcpy(shrinking->checker, trial.checker, sizeof shrinking->checker);
    memcpy(shrinking->text, trial.text, sizeof shrinking->text);
    return true;
}

static void tell_smaller(void *context, const struct plan *plan, uint32_t runs) {
    const struct shrinking *shrinking = context;
    if (!shrinking->tells) return;
    fprintf(stderr, "after %u runs: ", runs);
    knobs_describe(plan, stderr);
}

static int shrink_one(const struct options *options) {
    struct shrinking shrinking = {.tells = !options->quiet};
    const struct sigaction on_interrupt = {.sa_handler = interrupt};
    struct shrink shrink = {
        .fails = still_fails, .smaller = tell_smaller, .context = &shrinking, .chances = CHANCES};
    struct plan drawn, plan;
    plan_draw(&drawn, options->seed, (uint32_t)options->seconds, (uint32_t)options->devices);
    if (options->liar) plan_add_liar(&drawn);
    make_plan(options, options->seed, &plan);
    CHECK(sigaction(SIGINT, &on_interrupt, NULL) == 0);
    printf("seed %llu: ", (unsigned long long)options->seed);
    knobs_describe(&plan, stdout);
    if (!shrink_plan(&shrink, &plan)) {
        printf("it does not fail\n");
        return 0;
    }
    printf("after %u runs: ", shrink.runs);
    knobs_describe(&plan, stdout);
    printf("FAILED seed %llu %s\n  replay: ./dev sim --seed %llu",
           (unsigned long long)options->seed, shrinking.text, (unsigned long long)options->seed);
    if (options->seconds) printf(" --seconds %llu", (unsigned long long)options->seconds);
    if (options->devices) printf(" --devices %llu", (unsigned long long)options->devices);
    if (options->liar) printf(" --liar");
    knobs_print_changes(&drawn, &plan, stdout);
    printf(" --trace\n");
    return 1;
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
    if (strcmp(word, "--plan") == 0) return &options->plan;
    if (strcmp(word, "--shrink") == 0) return &options->shrink;
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
        if (strcmp(word, "--set") == 0) {
            if (!value || options->set_count == SETS_MAX) return usage(word);
            options->sets[options->set_count++] = value;
            i++;
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
    memory_install();
    int code = read_options(count, words, &options);
    if (code) return code;
    /* A trace must be whole even if its world aborts. */
    if (options.trace) setvbuf(stdout, NULL, _IOLBF, 0);
    if (options.plan) return print_plan(&options);
    if (options.shrink) return shrink_one(&options);
    return options.seeds || options.minutes > 0 ? run_many(&options) : run_one(&options);
}
