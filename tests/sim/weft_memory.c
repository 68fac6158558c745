/* weft_memory: has every allocation of an engine fail, in short workloads, and looks what becomes
 * of it. See docs/testing.md.
 *
 * A line for each workload, and each failure with what repeats it.
 * Invariant: what is printed depends on the options alone.
 * Deliberately not here: how it is done (starve.c), and of what (workload.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/check.h"
#include "tests/sim/memory.h"
#include "tests/sim/starve.h"

struct command {
    struct starve_options options;
    const struct workload *workload; /* NULL: all */
};

static int usage(const char *what) {
    fprintf(stderr,
            "weft_memory: %s\n"
            "usage: weft_memory [--workload NAME] [--every N [--offset O]] [--jobs N]\n"
            "       weft_memory --workload NAME --point N [--for-ever] [--trace]\n",
            what);
    return 2;
}

static bool read_number(const char *text, uint64_t least, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && *text && *end == '\0' && errno == 0 && *out >= least;
}

/* An option that takes a value. */
static bool read_option(const char *word, const char *value, struct command *command) {
    struct starve_options *options = &command->options;
    uint64_t jobs = 0;
    if (strcmp(word, "--workload") == 0) {
        command->workload = value ? workload_find(value) : NULL;
        return command->workload != NULL;
    }
    if (strcmp(word, "--every") == 0) return read_number(value, 1, &options->every);
    if (strcmp(word, "--offset") == 0) return read_number(value, 0, &options->offset);
    if (strcmp(word, "--point") == 0) return read_number(value, 1, &options->point);
    if (strcmp(word, "--jobs") != 0 || !read_number(value, 1, &jobs)) return false;
    options->jobs = (uint32_t)jobs;
    return jobs <= 16;
}

/* How many of its runs have failed. */
static unsigned long long starve_one(const struct workload *workload,
                                     const struct starve_options *options) {
    struct starve_result *result =
        mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(result != MAP_FAILED);
    starve_run(workload, options, result);
    const unsigned long long failures = result->failures;
    printf("%-11s %llu allocations, %llu runs with one that fails, %llu with all from one on: %llu "
           "engines stopped, %llu failed\n",
           workload->name, (unsigned long long)result->allocations,
           (unsigned long long)result->runs[0], (unsigned long long)result->runs[1],
           (unsigned long long)result->ended, failures);
    for (uint64_t i = 0; i < result->lines && i < STARVE_LINES; i++)
        printf("  FAILED %s\n", result->line[i]);
    CHECK(munmap(result, sizeof *result) == 0);
    return failures;
}

int main(int count, char **words) {
    struct command command = {.options = {.every = 1, .jobs = 2}};
    unsigned long long failures = 0;
    memory_install();
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (strcmp(word, "--for-ever") == 0)
            command.options.for_ever = true;
        else if (strcmp(word, "--trace") == 0)
            command.options.trace = true;
        else if (!read_option(word, i + 1 < count ? words[++i] : NULL, &command))
            return usage(word);
    }
    if (command.options.point && !command.workload) return usage("--point wants --workload");
    if (command.options.trace) setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint32_t i = 0; i < workload_count; i++) {
        if (command.workload && &workloads[i] != command.workload) continue;
        failures += starve_one(&workloads[i], &command.options);
        fflush(stdout);
    }
    printf("%s\n", failures ? "FAILED" : "all good");
    return failures ? 1 : 0;
}
