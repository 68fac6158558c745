/* See starve.h, and SQLite's own out-of-memory tests (https://sqlite.org/testing.html, section
 * 3.1). The workload runs once and nothing fails. At each allocation this process forks: in the
 * child it fails, and the child lives on.
 *
 *     parent  ──alloc──┬──alloc──┬──► …
 *                      │         └─► fails ──► … ──► healed ──► converged
 *                      └─► fails ──► … ──► healed ──► converged
 *
 * Invariant: a world is one thread and asks nobody, so a child is what a run from the beginning
 * would be: with `point` given it is one, and nothing is forked.
 * Deliberately not here: what is looked at (oracle.c, audit.c). */
#include "tests/sim/starve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "tests/sim/author.h"
#include "tests/sim/device.h"
#include "tests/sim/memory.h"

#define CHILD_SECONDS 60 /* of processor time, after which a world counts as hung */
#define JOBS_MAX 16u
#define DOWN_US UINT64_C(300000)

struct job {
    pid_t pid; /* 0: none */
    uint64_t point;
    bool for_ever;
};

struct starving {
    const struct workload *workload;
    const struct starve_options *options;
    struct starve_result *result;
    struct world *world;
    struct device *device;
    bool acts;        /* allocations are counted */
    uint64_t counted; /* allocations of the act */
    struct job self;  /* which one has failed in this process */
    uint32_t lives;   /* when it had */
    struct job jobs[JOBS_MAX];
    uint32_t running;
};

/* ---- children -------------------------------------------------------------------------------- */

static void note_line(struct starving *starving, const struct job *job, const char *what) {
    const uint64_t at = starving->result->lines++;
    if (at >= STARVE_LINES) return;
    snprintf(starving->result->line[at], STARVE_TEXT, "--workload %s --point %llu%s: %s",
             starving->workload->name, (unsigned long long)job->point,
             job->for_ever ? " --for-ever" : "", what);
}

static void job_ended(struct starving *starving, const struct job *job, int status) {
    char text[80];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "ended with code %d", WEXITSTATUS(status));
    starving->result->failures++;
    note_line(starving, job, text);
}

static void wait_one(struct starving *starving) {
    int status = 0;
    pid_t pid;
    do {
        pid = wait(&status);
    } while (pid < 0 && errno == EINTR);
    CHECK(pid > 0);
    for (uint32_t j = 0; j < JOBS_MAX; j++) {
        if (starving->jobs[j].pid != pid) continue;
        job_ended(starving, &starving->jobs[j], status);
        starving->jobs[j].pid = 0;
        starving->running--;
    }
}

/* True in the child, in which it fails. */
static bool fork_job(struct starving *starving, const struct job *job) {
    uint32_t slot = 0;
    while (starving->running >= starving->options->jobs)
        wait_one(starving);
    while (starving->jobs[slot].pid != 0)
        slot++;
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        starving->jobs[slot] = *job;
        starving->jobs[slot].pid = pid;
        starving->running++;
        return false;
    }
    const struct itimerval patience = {.it_value = {.tv_sec = CHILD_SECONDS}};
    CHECK(setitimer(ITIMER_PROF, &patience, NULL) == 0);
    memset(starving->jobs, 0, sizeof starving->jobs);
    starving->running = 0;
    starving->self = *job;
    return true;
}

/* ---- allocations ----------------------------------------------------------------------------- */

/* This one fails: what waits may be refused from now on. */
static bool fail_now(struct starving *starving) {
    starving->acts = false;
    starving->lives = starving->device->lives;
    memory_fail(starving->device, 1, starving->self.for_ever);
    author_ails(starving->device);
    return false; /* memory_fail() sees to it. */
}

static bool on_allocation(void *context, const void *who) {
    struct starving *starving = context;
    const struct starve_options *options = starving->options;
    struct job job = {.point = starving->counted + 1};
    if (!starving->acts || who != starving->device) return false;
    starving->counted++;
    if (options->point) {
        if (options->point != job.point) return false;
        starving->self = (struct job){.point = job.point, .for_ever = options->for_ever};
        starving->result->runs[options->for_ever]++;
        return fail_now(starving);
    }
    starving->result->allocations++;
    if (job.point % options->every != options->offset % options->every) return false;
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        job.for_ever = for_ever != 0;
        starving->result->runs[for_ever]++;
        if (fork_job(starving, &job)) return fail_now(starving);
    }
    return false;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void prepare_and_act(struct starving *starving) {
    struct world *world = starving->world;
    if (starving->workload->prepare) starving->workload->prepare(world);
    if (world->failed) return;
    starving->acts = true;
    starving->workload->act(world);
    starving->acts = false;
    if (starving->self.point) starving->result->ended += starving->device->lives > starving->lives;
    memory_mend(starving->device);
}

static void run(struct starving *starving) {
    struct world *world = starving->world;
    struct plan plan;
    workload_plan(starving->workload, &plan);
    world_open(world, &plan, starving->options->trace);
    starving->device = &world->device[starving->workload->device];
    memory_watch(on_allocation, starving);
    for (uint32_t d = 0; d < plan.device_count; d++) {
        world->device[d].author.silent = true;
        world->device[d].down_us = DOWN_US;
    }
    if (starving->workload->early) prepare_and_act(starving);
    if (!world->failed) (void)world_begin(world);
    if (!world->failed && !starving->workload->early) prepare_and_act(starving);
    if (!world->failed && starving->workload->after) starving->workload->after(world);
    if (!world->failed) world_heal(world);
    if (!world->failed) world_last_checks(world);
}

static void conclude(struct starving *starving) {
    const struct world *world = starving->world;
    char text[STARVE_TEXT];
    while (starving->running > 0)
        wait_one(starving);
    if (!world->failed) return;
    snprintf(text, sizeof text, "at %.6f s: %.600s", (double)world->now_us / 1e6, world->failure);
    starving->result->failures++;
    note_line(starving, &starving->self, text);
}

/* The whole of it runs in a process of its own: a world that failed leaves its engines behind. */
void starve_run(const struct workload *workload, const struct starve_options *options,
                struct starve_result *result) {
    struct starving *starving = calloc(1, sizeof *starving);
    int status = 0;
    CHECK(starving != NULL && options->jobs >= 1 && options->jobs <= JOBS_MAX);
    starving->workload = workload;
    starving->options = options;
    starving->result = result;
    starving->world = calloc(1, sizeof *starving->world);
    CHECK(starving->world != NULL);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        run(starving);
        conclude(starving);
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    job_ended(starving, &starving->self, status);
    free(starving->world);
    free(starving);
}
