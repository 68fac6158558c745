/* See crew.h.
 *
 *     driver ──fork──► process: take the next seed, run it, add it to the tally, again
 *        ◄──SIGCHLD──  (its end: nothing is left to do, its world failed, or it was killed)
 *
 * Invariants
 *   1. The wall's clock is the driver's alone: it says when no more seeds are begun, never what
 *      a world does.
 *   2. No process outlives the driver by more than a world.
 * Deliberately not here: what is counted (tally.c), and what is shown (display.c). */
#include "tests/sim/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"

#define SEED_SECONDS 60 /* of processor time, after which a world counts as hung */
#define WAKE_NS 200000000

uint32_t crew_jobs(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    if (count < 1) return 1;
    return count < (long)TALLY_JOBS ? (uint32_t)count : TALLY_JOBS;
}

/* ---- a process ------------------------------------------------------------------------------- */

static void work(const struct crew *crew, struct tally *tally, uint32_t job, pid_t driver) {
    while (!atomic_load(&tally->over) && getppid() == driver) {
        uint64_t number = atomic_fetch_add(&tally->next, 1);
        struct outcome out;
        if (number >= crew->seeds) return;
        uint64_t seed = crew->seed + number;
        atomic_store(&tally->running[job], seed);
        const struct itimerval patience = {.it_value = {.tv_sec = SEED_SECONDS}};
        CHECK(setitimer(ITIMER_PROF, &patience, NULL) == 0);
        crew->run(crew->context, seed, &out);
        tally_add(tally, seed, &out);
        /* A failed world leaves its engines behind; a fresh process has none. */
        if (out.failed) return;
    }
}

static pid_t begin_job(const struct crew *crew, struct tally *tally, uint32_t job) {
    pid_t driver = getpid();
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    work(crew, tally, job, driver);
    fflush(NULL);
    _exit(0);
}

/* ---- the driver ------------------------------------------------------------------------------ */

struct driver {
    struct crew *crew;
    struct tally *tally;
    pid_t pid[TALLY_JOBS]; /* 0: none */
    uint32_t alive;
    double until_s; /* 0: any */
    bool killed;    /* what is left of them was ended by the driver */
};

static bool more_to_do(const struct driver *driver) {
    const struct tally *tally = driver->tally;
    return !atomic_load(&tally->over) && atomic_load(&tally->next) < driver->crew->seeds &&
           atomic_load(&tally->failed) < TALLY_FAILURES;
}

static void job_ended(struct driver *driver, uint32_t job, int status) {
    struct tally *tally = driver->tally;
    bool well = !WIFSIGNALED(status) && WEXITSTATUS(status) == 0;
    driver->pid[job] = 0;
    driver->alive--;
    if (!well && !driver->killed) tally_add_dead(tally, atomic_load(&tally->running[job]), status);
    if (driver->crew->first && atomic_load(&tally->failed) > 0) atomic_store(&tally->over, true);
    if (!more_to_do(driver)) return;
    driver->pid[job] = begin_job(driver->crew, tally, job);
    driver->alive++;
}

static void reap(struct driver *driver) {
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
        for (uint32_t job = 0; job < driver->crew->jobs; job++)
            if (driver->pid[job] == ended) job_ended(driver, job, status);
    CHECK(ended == 0 || errno == ECHILD);
}

static void kill_all(struct driver *driver) {
    driver->killed = true;
    for (uint32_t job = 0; job < driver->crew->jobs; job++)
        if (driver->pid[job] > 0) (void)kill(driver->pid[job], SIGKILL);
}

/* Sleeps until a process ends, somebody presses Ctrl-C, or it is time to look. The second Ctrl-C
 * does not wait for the worlds under way. */
static void wait_for_news(struct driver *driver, const sigset_t *signals) {
    const struct timespec wake = {.tv_nsec = WAKE_NS};
    int news = sigtimedwait(signals, NULL, &wake);
    if (news == SIGINT || news == SIGTERM) {
        if (atomic_load(&driver->tally->over)) kill_all(driver);
        atomic_store(&driver->tally->over, true);
    }
    if (driver->until_s > 0 && display_now_s() >= driver->until_s)
        atomic_store(&driver->tally->over, true);
}

void crew_run(struct crew *crew, struct tally *tally) {
    struct driver driver = {.crew = crew, .tally = tally};
    sigset_t signals, before;
    CHECK(crew->jobs >= 1 && crew->jobs <= TALLY_JOBS);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    CHECK(sigprocmask(SIG_BLOCK, &signals, &before) == 0);
    display_begin(&crew->display);
    if (crew->seconds > 0) driver.until_s = display_now_s() + crew->seconds;
    for (uint32_t job = 0; job < crew->jobs; job++, driver.alive++)
        driver.pid[job] = begin_job(crew, tally, job);
    while (driver.alive > 0) {
        wait_for_news(&driver, &signals);
        reap(&driver);
        display_turn(&crew->display, tally);
        if (crew->first && atomic_load(&tally->failed) > 0 && !driver.killed) kill_all(&driver);
    }
    display_end(&crew->display, tally);
    CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}
