/* weft_sim: runs seeded worlds and says which of them failed.
 *
 *     weft_sim [--seed S] [--seeds N] [--seconds VIRTUAL] [--devices N]
 *              [--twice] [--trace] [--json]
 *
 * The seed is printed before its world begins, and reproduces everything. With --seeds the seeds
 * from S to S+N-1 are run by two processes; a world that aborts or hangs is a failed seed like any
 * other.
 * Invariant: what is printed about a seed depends on the seed and the options alone.
 * Deliberately not here: anything about worlds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdatomic.h>

#include "engine/base/check.h"
#include "tests/sim/world.h"

#define WORKERS 2u
#define FAILURES_MAX 16u
#define FAILURE_LINE (FAILURE_TEXT + 64u)
#define SEED_SECONDS 60 /* of processor time, after which a world counts as hung */

struct options {
    uint64_t seed, seeds;
    uint32_t seconds, devices;
    bool twice, trace, json;
};

/* What the processes share. */
struct tally {
    atomic_ullong next, done, failed;
    atomic_ullong virtual_us, turns, lives, steps, rows;
    atomic_ullong seen[SEEN_COUNT];
    atomic_ullong faults[FAULT_COUNT];
    uint64_t running[WORKERS];
    struct {
        uint64_t seed;
        char text[FAILURE_LINE];
    } failure[FAILURES_MAX];
};

/* ---- one seed -------------------------------------------------------------------------------- */

static void run_seed(const struct options *options, uint64_t seed, struct outcome *out) {
    struct plan plan;
    struct outcome again;
    plan_draw(&plan, seed, options->seconds, options->devices);
    world_run(&plan, options->trace, out);
    if (!options->twice || out->failed) return;
    world_run(&plan, false, &again);
    if (again.hash == out->hash && !again.failed) return;
    out->failed = true;
    snprintf(out->failure, sizeof out->failure,
             "not the same twice: %016llx after %llu turns, %016llx after %llu: %.512s",
             (unsigned long long)out->hash, (unsigned long long)out->turns,
             (unsigned long long)again.hash, (unsigned long long)again.turns,
             again.failed ? again.failure : "no failure either time");
}

static void print_outcome(const struct options *options, uint64_t seed, const struct outcome *out) {
    if (options->json) {
        printf("{\"seed\":%llu,\"failed\":%s,\"hash\":\"%016llx\",\"virtual_s\":%.3f,"
               "\"turns\":%llu,\"lives\":%llu,\"steps\":%llu,\"rows\":%llu,\"faults\":{",
               (unsigned long long)seed, out->failed ? "true" : "false",
               (unsigned long long)out->hash, (double)out->virtual_us / 1e6,
               (unsigned long long)out->turns, (unsigned long long)out->lives,
               (unsigned long long)out->steps, (unsigned long long)out->rows);
        for (int f = 0; f < FAULT_COUNT; f++)
            printf("%s\"%s\":%llu", f ? "," : "", fault_names[f],
                   (unsigned long long)out->faults[f]);
        printf("},\"shared\":{");
        for (int e = 0; e < SEEN_COUNT; e++)
            printf("%s\"%s\":%llu", e ? "," : "", seen_names[e], (unsigned long long)out->seen[e]);
        printf("}}\n");
        return;
    }
    printf("hash %016llx: %.1f s, %llu turns, %llu lives, %llu transactions, %llu row versions\n",
           (unsigned long long)out->hash, (double)out->virtual_us / 1e6,
           (unsigned long long)out->turns, (unsigned long long)out->lives,
           (unsigned long long)out->steps, (unsigned long long)out->rows);
    for (int f = 0; f < FAULT_COUNT; f++)
        printf("%s%s %llu", f ? ", " : "", fault_names[f], (unsigned long long)out->faults[f]);
    printf("\nshared: ");
    for (int e = 0; e < SEEN_COUNT; e++)
        printf("%s%s %llu", e ? ", " : "", seen_names[e], (unsigned long long)out->seen[e]);
    printf("\n");
}

static int run_one(const struct options *options) {
    struct outcome out;
    if (!options->json) printf("seed %llu\n", (unsigned long long)options->seed);
    fflush(stdout);
    run_seed(options, options->seed, &out);
    print_outcome(options, options->seed, &out);
    if (!out.failed) return 0;
    fflush(stdout);
    fprintf(stderr, "FAILED seed %llu at %.6f s: %s\n", (unsigned long long)options->seed,
            (double)out.virtual_us / 1e6, out.failure);
    return 1;
}

/* ---- many seeds ------------------------------------------------------------------------------ */

static void note_failure(struct tally *tally, uint64_t seed, const char *text) {
    uint64_t at = atomic_fetch_add(&tally->failed, 1);
    if (at >= FAILURES_MAX) return;
    tally->failure[at].seed = seed;
    snprintf(tally->failure[at].text, FAILURE_LINE, "%s", text);
}

static void work(const struct options *options, struct tally *tally, uint32_t worker) {
    for (;;) {
        uint64_t number = atomic_fetch_add(&tally->next, 1);
        struct outcome out;
        if (number >= options->seeds) return;
        tally->running[worker] = options->seed + number;
        const struct itimerval patience = {.it_value = {.tv_sec = SEED_SECONDS}};
        CHECK(setitimer(ITIMER_PROF, &patience, NULL) == 0);
        run_seed(options, options->seed + number, &out);
        atomic_fetch_add(&tally->virtual_us, out.virtual_us);
        atomic_fetch_add(&tally->turns, out.turns);
        atomic_fetch_add(&tally->lives, out.lives);
        atomic_fetch_add(&tally->steps, out.steps);
        atomic_fetch_add(&tally->rows, out.rows);
        for (int e = 0; e < SEEN_COUNT; e++)
            atomic_fetch_add(&tally->seen[e], out.seen[e]);
        for (int f = 0; f < FAULT_COUNT; f++)
            atomic_fetch_add(&tally->faults[f], out.faults[f]);
        if (out.failed) {
            char text[FAILURE_LINE];
            snprintf(text, sizeof text, "at %.6f s: %s", (double)out.virtual_us / 1e6, out.failure);
            note_failure(tally, options->seed + number, text);
        }
        atomic_fetch_add(&tally->done, 1);
        /* A failed world leaves its engines behind; a fresh process has none. */
        if (out.failed) return;
    }
}

static pid_t begin_worker(const struct options *options, struct tally *tally, uint32_t worker) {
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    work(options, tally, worker);
    fflush(NULL);
    _exit(0);
}

static void worker_ended(struct tally *tally, uint32_t worker, int status) {
    char text[64];
    if (!WIFSIGNALED(status) && WEXITSTATUS(status) == 0) return;
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "ended with code %d", WEXITSTATUS(status));
    note_failure(tally, tally->running[worker], text);
    atomic_fetch_add(&tally->done, 1);
}

static void run_workers(const struct options *options, struct tally *tally) {
    pid_t pid[WORKERS];
    uint32_t alive = 0;
    for (uint32_t w = 0; w < WORKERS; w++, alive++)
        pid[w] = begin_worker(options, tally, w);
    while (alive > 0) {
        int status = 0;
        pid_t ended = wait(&status);
        if (ended < 0 && errno == EINTR) continue;
        CHECK(ended > 0);
        for (uint32_t w = 0; w < WORKERS; w++) {
            if (pid[w] != ended) continue;
            worker_ended(tally, w, status);
            bool more = atomic_load(&tally->next) < options->seeds &&
                        atomic_load(&tally->failed) < FAILURES_MAX;
            if (more)
                pid[w] = begin_worker(options, tally, w);
            else
                alive--;
        }
    }
}

static int run_many(const struct options *options) {
    struct tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(tally != MAP_FAILED);
    printf("seeds %llu to %llu\n", (unsigned long long)options->seed,
           (unsigned long long)(options->seed + options->seeds - 1));
    run_workers(options, tally);
    uint64_t failed = atomic_load(&tally->failed);
    printf("%llu seeds, %.2f virtual hours, %llu turns, %llu lives, %llu transactions, %llu row "
           "versions\n",
           atomic_load(&tally->done), (double)atomic_load(&tally->virtual_us) / 3.6e9,
           atomic_load(&tally->turns), atomic_load(&tally->lives), atomic_load(&tally->steps),
           atomic_load(&tally->rows));
    for (int f = 0; f < FAULT_COUNT; f++)
        printf("%s%s %llu", f ? ", " : "", fault_names[f], atomic_load(&tally->faults[f]));
    printf("\nshared: ");
    for (int e = 0; e < SEEN_COUNT; e++)
        printf("%s%s %llu", e ? ", " : "", seen_names[e], atomic_load(&tally->seen[e]));
    printf("\n");
    for (uint64_t i = 0; i < failed && i < FAILURES_MAX; i++)
        printf("FAILED seed %llu %s\n", (unsigned long long)tally->failure[i].seed,
               tally->failure[i].text);
    printf("%llu failed\n", (unsigned long long)failed);
    return failed ? 1 : 0;
}

/* ---- the command line ------------------------------------------------------------------------ */

static int usage(const char *what) {
    fprintf(stderr,
            "weft_sim: %s\n"
            "usage: weft_sim [--seed S] [--seeds N] [--seconds VIRTUAL] [--devices 2..%u]\n"
            "                [--twice] [--trace] [--json]\n",
            what, DEVICES_MAX);
    return 2;
}

static bool read_number(const char *text, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = text ? strtoull(text, &end, 0) : 0;
    return text && *text && *end == '\0' && errno == 0;
}

static int read_options(int count, char **words, struct options *options) {
    for (int i = 1; i < count; i++) {
        uint64_t number = 0;
        const char *word = words[i];
        if (strcmp(word, "--twice") == 0) {
            options->twice = true;
            continue;
        }
        if (strcmp(word, "--trace") == 0) {
            options->trace = true;
            continue;
        }
        if (strcmp(word, "--json") == 0) {
            options->json = true;
            continue;
        }
        if (!read_number(i + 1 < count ? words[++i] : NULL, &number)) return usage(word);
        if (strcmp(word, "--seed") == 0)
            options->seed = number;
        else if (strcmp(word, "--seeds") == 0)
            options->seeds = number;
        else if (strcmp(word, "--seconds") == 0)
            options->seconds = (uint32_t)number;
        else if (strcmp(word, "--devices") == 0)
            options->devices = (uint32_t)number;
        else
            return usage(word);
    }
    if (options->devices == 1 || options->devices > DEVICES_MAX) return usage("--devices");
    return 0;
}

int main(int count, char **words) {
    struct options options = {.seed = 1};
    int code = read_options(count, words, &options);
    if (code) return code;
    /* A trace must be whole even if its world aborts. */
    if (options.trace) setvbuf(stdout, NULL, _IOLBF, 0);
    return options.seeds ? run_many(&options) : run_one(&options);
}
