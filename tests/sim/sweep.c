/* See sweep.h. The workload runs once without a crash. At each operation of its disk this process
 * forks, for each kind of crash: the child's disk goes down there, and the child lives on.
 *
 *     parent   ──op──┬──op──┬──op──► … ──► heal ──► converged
 *                    │      └─► crash ──► reopened ──► … ──► heal ──► converged
 *                    └─► crash ──┬op──► reopened ──► … ──► heal ──► converged
 *                                └─► crash ──► reopened ──► …
 *
 * Invariants
 *   1. A world is one thread and asks nobody, so a child is what a run from the beginning up to the
 *      same operation would be: with `point` given it is one, and nothing is forked.
 *   2. A crash is left out only if it leaves the same bytes as another one in the same turn of the
 *      same actor, and no mail has passed between the two.
 * Deliberately not here: what is looked at after a crash (oracle.c, audit.c). */
#include "tests/sim/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"

#define CHILD_SECONDS 60 /* of processor time, after which a world counts as hung */
#define JOBS_MAX 16u
#define SEEN_BITS 16u
#define DOWN_US UINT64_C(300000)

enum stage {
    STAGE_ASIDE,  /* nothing that the disk does is counted */
    STAGE_ACT,    /* the act, before any crash */
    STAGE_FALLEN, /* after the crash, until the file has been opened */
    STAGE_OVER    /* nothing goes wrong any more */
};

struct job {
    pid_t pid; /* 0: none */
    uint64_t point, again;
    enum wreck_kind kind, again_kind;
};

struct sweep {
    const struct workload *workload;
    const struct sweep_options *options;
    struct sweep_result *result;
    struct world *world;
    struct device *device;
    struct wreck *wreck;
    enum stage stage;
    uint64_t step;   /* operations of this stage */
    struct job self; /* which crash this process has had */
    uint32_t lives;  /* when it had it */
    struct job jobs[JOBS_MAX];
    uint32_t running;
    uint64_t seen[1u << SEEN_BITS]; /* crashes that were made, by what they leave */
    struct timespec told;
};

/* ---- what is said ---------------------------------------------------------------------------- */

static void describe(const struct sweep *sweep, const struct job *job, char *out, size_t room) {
    int size = snprintf(out, room, "--workload %s", sweep->workload->name);
    if (job->point)
        size += snprintf(out + size, room - (size_t)size, " --point %llu --kind %s",
                         (unsigned long long)job->point, wreck_names[job->kind]);
    if (job->again)
        snprintf(out + size, room - (size_t)size, " --again %llu --again-kind %s",
                 (unsigned long long)job->again, wreck_names[job->again_kind]);
}

static void note_line(struct sweep *sweep, const struct job *job, const char *what) {
    char crash[160];
    uint64_t at = sweep->result->lines++;
    if (at >= SWEEP_LINES) return;
    describe(sweep, job, crash, sizeof crash);
    snprintf(sweep->result->line[at], SWEEP_TEXT, "%s: %s", crash, what);
}

static uint64_t crashes(const struct sweep_result *result) {
    uint64_t sum = result->again;
    for (int k = 0; k < WRECK_KINDS; k++)
        sum += result->crashes[k];
    return sum;
}

static void tell(struct sweep *sweep) {
    struct timespec now;
    if (!sweep->options->live) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms =
        (now.tv_sec - sweep->told.tv_sec) * 1000 + (now.tv_nsec - sweep->told.tv_nsec) / 1000000;
    if (ms < 200) return;
    sweep->told = now;
    fprintf(stderr, "\r%-12s operation %llu, %llu crashes, %llu failed\033[K",
            sweep->workload->name, (unsigned long long)sweep->step,
            (unsigned long long)crashes(sweep->result),
            (unsigned long long)(sweep->result->failures + sweep->result->refused));
}

/* ---- children -------------------------------------------------------------------------------- */

static void job_ended(struct sweep *sweep, const struct job *job, int status) {
    char text[80];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
        snprintf(text, sizeof text, "did not end within %d s", CHILD_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "ended with code %d", WEXITSTATUS(status));
    sweep->result->failures++;
    note_line(sweep, job, text);
}

static void wait_one(struct sweep *sweep) {
    int status = 0;
    pid_t pid;
    do {
        pid = wait(&status);
    } while (pid < 0 && errno == EINTR);
    CHECK(pid > 0);
    for (uint32_t j = 0; j < JOBS_MAX; j++) {
        if (sweep->jobs[j].pid != pid) continue;
        job_ended(sweep, &sweep->jobs[j], status);
        sweep->jobs[j].pid = 0;
        sweep->running--;
    }
}

/* True in the child, which is the one that has this crash. */
static bool fork_job(struct sweep *sweep, const struct job *job) {
    const uint32_t most = sweep->stage == STAGE_ACT ? sweep->options->jobs : 1;
    uint32_t slot = 0;
    while (sweep->running >= most)
        wait_one(sweep);
    while (sweep->jobs[slot].pid != 0)
        slot++;
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        sweep->jobs[slot] = *job;
        sweep->jobs[slot].pid = pid;
        sweep->running++;
        tell(sweep);
        return false;
    }
    const struct itimerval patience = {.it_value = {.tv_sec = CHILD_SECONDS}};
    CHECK(setitimer(ITIMER_PROF, &patience, NULL) == 0);
    memset(sweep->jobs, 0, sizeof sweep->jobs);
    sweep->running = 0;
    sweep->self = *job;
    return true;
}

/* ---- the disk -------------------------------------------------------------------------------- */

/* Whether no crash that leaves the same has been made; from now on one has. */
static bool is_new(struct sweep *sweep, enum wreck_kind kind) {
    const weft_engine *engine = sweep->device->engine;
    uint64_t number = rng_mix(wreck_signature(sweep->wreck, kind), sweep->world->turns);
    number = rng_mix(number, sweep->world->now_us);
    number = rng_mix(number, sweep->world->hash);
    if (engine) number = rng_mix(number, engine_topology((weft_engine *)(uintptr_t)engine)->hash);
    number |= 1;
    uint32_t at = (uint32_t)(number >> (64 - SEEN_BITS));
    for (uint32_t tried = 0; tried < 64; tried++, at = (at + 1) % (1u << SEEN_BITS)) {
        if (sweep->seen[at] == number) return false;
        if (sweep->seen[at] != 0) continue;
        sweep->seen[at] = number;
        return true;
    }
    return true;
}

static bool go_down(struct sweep *sweep, enum wreck_kind kind) {
    wreck_choose(sweep->wreck, kind);
    sweep->stage = sweep->self.again ? STAGE_OVER : STAGE_FALLEN;
    sweep->step = 0;
    sweep->lives = sweep->device->lives;
    return true;
}

/* Before a sync, and where files change their size or go, all kinds are taken; at a write both of
 * all and nothing, and one of the others in turn: what follows a gap in the write-ahead log is not
 * read anyway (https://sqlite.org/fileformat2.html, section 4.1). */
static bool is_wanted(const struct sweep *sweep, enum disk_operation operation, uint64_t point,
                      enum wreck_kind kind) {
    const uint64_t others = WRECK_KINDS - WRECK_TORN_FIRST;
    if (sweep->options->full || operation != DISK_WRITE || kind < WRECK_TORN_FIRST) return true;
    return kind == WRECK_TORN_FIRST + point % others;
}

static bool take_act(struct sweep *sweep, enum disk_operation operation) {
    const struct sweep_options *options = sweep->options;
    struct job job = {.point = ++sweep->step};
    if (options->point) {
        if (options->point != job.point) return false;
        sweep->self = (struct job){.point = job.point, .kind = options->kind};
        sweep->result->crashes[options->kind]++;
        return go_down(sweep, options->kind);
    }
    sweep->result->operations[operation]++;
    if (job.point % options->every != options->offset % options->every) return false;
    sweep->result->points++;
    for (int k = 0; k < WRECK_KINDS; k++) {
        job.kind = (enum wreck_kind)k;
        if (!is_wanted(sweep, operation, job.point, job.kind)) continue;
        if (!is_new(sweep, job.kind)) {
            sweep->result->same++;
            continue;
        }
        sweep->result->crashes[k]++;
        if (fork_job(sweep, &job)) return go_down(sweep, job.kind);
    }
    return false;
}

/* Crashes during the opening that follows a crash: one at each operation, of the kinds in turn. */
static bool take_again(struct sweep *sweep) {
    const struct sweep_options *options = sweep->options;
    struct job job = sweep->self;
    job.again = ++sweep->step;
    if (options->point) {
        if (options->again != job.again) return false;
        sweep->self.again = job.again;
        sweep->self.again_kind = options->again_kind;
        return go_down(sweep, options->again_kind);
    }
    if (rng_mix(job.point, job.kind) % options->again_every != 0) return false;
    if (job.again % options->every != options->offset % options->every) return false;
    job.again_kind = (enum wreck_kind)((job.point + job.again) % WRECK_KINDS);
    if (!is_new(sweep, job.again_kind)) job.again_kind = WRECK_KEPT;
    sweep->result->again++;
    return fork_job(sweep, &job) && go_down(sweep, job.again_kind);
}

static bool on_operation(void *context, enum disk_operation operation, const char *path) {
    struct sweep *sweep = context;
    (void)path;
    if (sweep->stage == STAGE_ACT) return take_act(sweep, operation);
    if (sweep->stage != STAGE_FALLEN) return false;
    if (sweep->device->lives == sweep->lives) return take_again(sweep);
    sweep->stage = STAGE_OVER;
    return false;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void prepare_and_act(struct sweep *sweep) {
    if (sweep->workload->prepare) sweep->workload->prepare(sweep->world);
    if (sweep->world->failed) return;
    sweep->stage = STAGE_ACT;
    sweep->workload->act(sweep->world);
    if (sweep->stage == STAGE_ACT) sweep->stage = STAGE_ASIDE;
}

static void run(struct sweep *sweep) {
    struct world *world = sweep->world;
    struct plan plan;
    workload_plan(sweep->workload, &plan);
    world_open(world, &plan, sweep->options->trace);
    sweep->device = &world->device[sweep->workload->device];
    sweep->wreck = disk_watch(sweep->device->disk, on_operation, sweep);
    for (uint32_t d = 0; d < plan.device_count; d++) {
        world->device[d].author.silent = true;
        world->device[d].down_us = DOWN_US;
    }
    if (sweep->workload->early) prepare_and_act(sweep);
    if (!world->failed) (void)world_begin(world);
    if (!world->failed && !sweep->workload->early) prepare_and_act(sweep);
    if (!world->failed && sweep->workload->after) sweep->workload->after(world);
    if (!world->failed) world_heal(world);
    if (!world->failed) world_last_checks(world);
}

/* Notes what has come of the world; what it held is left to the process's end. */
static void conclude(struct sweep *sweep) {
    const struct world *world = sweep->world;
    struct sweep_result *result = sweep->result;
    char text[SWEEP_TEXT];
    while (sweep->running > 0)
        wait_one(sweep);
    if (!world->failed) {
        if (sweep->self.point) result->opened++;
        if (sweep->options->point && !sweep->self.point)
            note_line(sweep,
                      &(struct job){.point = sweep->options->point, .kind = sweep->options->kind},
                      "is never reached");
        return;
    }
    snprintf(text, sizeof text, "at %.6f s: %.600s", (double)world->now_us / 1e6, world->failure);
    if (world->refused)
        result->refused++;
    else
        result->failures++;
    note_line(sweep, &sweep->self, text);
}

/* The whole of it runs in a process of its own: a world that failed leaves its engines behind. */
void sweep_run(const struct workload *workload, const struct sweep_options *options,
               struct sweep_result *result) {
    struct sweep *sweep = calloc(1, sizeof *sweep);
    struct timespec begin, end;
    int status = 0;
    CHECK(sweep != NULL && options->jobs >= 1 && options->jobs <= JOBS_MAX);
    sweep->workload = workload;
    sweep->options = options;
    sweep->result = result;
    sweep->world = calloc(1, sizeof *sweep->world);
    CHECK(sweep->world != NULL);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        run(sweep);
        conclude(sweep);
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    job_ended(sweep, &sweep->self, status);
    clock_gettime(CLOCK_MONOTONIC, &end);
    result->seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    if (options->live) fprintf(stderr, "\r\033[K");
    free(sweep->world);
    free(sweep);
}
