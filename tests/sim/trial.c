/* See trial.h.
 * Invariant: nothing that a world does reaches this process, but for what it says at its end. */
#include "tests/sim/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"

#define SAID_MAX 4096u

/* What the child hands over: its trial, or nothing if it did not come so far. */
static void child(const struct plan *plan, uint32_t seconds, int results, int complaints) {
    struct trial trial = {0};
    struct outcome out;
    const struct itimerval patience = {.it_value = {.tv_sec = (time_t)seconds}};
    if (dup2(complaints, STDERR_FILENO) < 0 || setitimer(ITIMER_PROF, &patience, NULL) != 0)
        _exit(1);
    world_run(plan, false, &out);
    trial.failed = out.failed;
    trial.virtual_us = out.virtual_us;
    memcpy(trial.text, out.failure, sizeof trial.text);
    _exit(write(results, &trial, sizeof trial) == (ssize_t)sizeof trial ? 0 : 1);
}

/* Reads to the end, keeps the beginning; returns its length. */
static size_t read_all(int descriptor, void *out, size_t room) {
    char rest[1024];
    size_t used = 0;
    for (;;) {
        char *to = used < room ? (char *)out + used : rest;
        ssize_t got = read(descriptor, to, used < room ? room - used : sizeof rest);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return used;
        if (used < room) used += (size_t)got;
    }
}

/* "[file function]" of a failure; of an abort the assertion, or the signal. */
static void name_checker(struct trial *trial, const char *said, int status) {
    const char *end = strchr(trial->text, ']');
    if (trial->text[0] == '[' && end) {
        snprintf(trial->checker, sizeof trial->checker, "%.*s", (int)(end - trial->text) + 1,
                 trial->text);
        return;
    }
    const char *check = strstr(said, "a check failed");
    if (check) {
        while (check > said && check[-1] != '\n')
            check--;
        snprintf(trial->checker, sizeof trial->checker, "[%.*s]", (int)strcspn(check, "\n"), check);
    } else {
        snprintf(trial->checker, sizeof trial->checker, "[process %s-%d]",
                 WIFSIGNALED(status) ? "signal" : "code",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    snprintf(trial->text, sizeof trial->text, "%s %s", trial->checker,
             WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF ? "it hangs" : "it ended itself");
}

void trial_run(const struct plan *plan, uint32_t seconds, struct trial *out) {
    int results[2], complaints[2], status = 0;
    char said[SAID_MAX + 1];
    CHECK(pipe(results) == 0 && pipe(complaints) == 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(plan, seconds, results[1], complaints[1]);
    close(results[1]);
    close(complaints[1]);
    /* A trial is smaller than a pipe: the child is never held up by it. */
    said[read_all(complaints[0], said, SAID_MAX)] = '\0';
    memset(out, 0, sizeof *out);
    bool whole = read_all(results[0], out, sizeof *out) == sizeof *out;
    close(results[0]);
    close(complaints[0]);
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    if (!whole) memset(out, 0, sizeof *out);
    out->failed = out->failed || !whole;
    if (out->failed) name_checker(out, said, status);
}
