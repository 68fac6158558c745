/* Sides: the parts of a bench that run in processes of their own, and what they measure of
 * themselves.
 *
 * CPU time is getrusage of the process and so of all its threads. Bytes written are `wchar` of
 * /proc/self/io: what was handed to write calls on files (sockets are written with send calls,
 * which it does not count). It is exact and the same on every disk, which `write_bytes` is not.
 * Peak memory is VmHWM, without what the parent had: its pages are counted as the child's too,
 * though neither has touched them. Both come from /proc, which Linux always has. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "engine/base/check.h"
#include "perf/bench.h"

/* The number after `key` in a file of /proc; 0 when it is not there. */
static uint64_t proc_number(const char *path, const char *key) {
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    char line[256];
    uint64_t value = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        value = strtoull(line + strlen(key), NULL, 10);
        break;
    }
    fclose(file);
    return value;
}

static double cpu_now(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static uint64_t memory_now(const char *key) {
    return proc_number("/proc/self/status", key) * 1024;
}

void side_begin(struct side *side) {
    CHECK(side != NULL);
    side->written = proc_number("/proc/self/io", "wchar:");
    side->cpu_seconds = cpu_now();
    side->seconds = bench_now();
}

void side_end(struct side *side) {
    side->seconds = bench_now() - side->seconds;
    side->cpu_seconds = cpu_now() - side->cpu_seconds;
    side->rss_max = memory_now("VmHWM:") - side->inherited;
}

void side_written(struct side *side) {
    side->written = proc_number("/proc/self/io", "wchar:") - side->written;
}

void side_memory(struct side *side) {
    const struct mallinfo2 heap = mallinfo2();
    side->memory = memory_now("VmRSS:") - side->inherited;
    side->heap = heap.uordblks + heap.hblkhd;
}

void side_fail(struct side *side, const char *format, ...) {
    CHECK(side != NULL && format != NULL);
    if (side->failed) return;
    side->failed = true;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(side->why, sizeof side->why, format, arguments);
    va_end(arguments);
}

struct side_process side_start(side_run *run, void *context) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        struct side side = {.inherited = memory_now("VmRSS:")};
        /* As weft_open() advises every host; whoever runs without the engine gets it too. */
        (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        run(context, &side);
        /* One write of less than PIPE_BUF bytes: whole or not at all. */
        CHECK(write(ends[1], &side, sizeof side) == (ssize_t)sizeof side);
        _exit(0);
    }
    close(ends[1]);
    return (struct side_process){.pid = pid, .result = ends[0]};
}

void side_finish(struct side_process *process, struct side *out) {
    CHECK(process->pid > 0);
    ssize_t got;
    do
        got = read(process->result, out, sizeof *out);
    while (got < 0 && errno == EINTR);
    int status = 0;
    while (waitpid(process->pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    close(process->result);
    process->pid = 0;
    if (got == (ssize_t)sizeof *out && status == 0) return;
    *out = (struct side){0};
    side_fail(out, "the process ended with status %#x before it had measured anything", status);
}
