/* Processes of weft_node. See crew.h. */
#include "tests/chaos/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/chaos/tell.h"

extern char **environ;

#define CREW_ARGUMENTS 128u
#define CREW_WORD_MS 50
#define CREW_IDLE_MS 250

/* ---- starting -------------------------------------------------------------------------------- */

struct command {
    const char *words[CREW_ARGUMENTS];
    char texts[CREW_ARGUMENTS][WEFT_ADDRESS_MAX];
    unsigned count;
};

static void command_add(struct command *command, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void command_add(struct command *command, const char *name, const char *format, ...) {
    va_list values;
    char *text = command->texts[command->count];
    if (command->count + 3 > CREW_ARGUMENTS) tell_die("too many arguments for a node");
    va_start(values, format);
    int size = vsnprintf(text, sizeof command->texts[0], format, values);
    va_end(values);
    if (size < 0 || size >= (int)sizeof command->texts[0]) tell_die("\"%s\" is too long", text);
    command->words[command->count++] = name;
    command->words[command->count++] = text;
    command->words[command->count] = NULL;
}

static void command_make(const struct crew *crew, unsigned number, struct command *command) {
    const struct sailor *sailor = &crew->sailors[number];
    command->words[0] = "weft_node";
    command->count = 1;
    command->words[command->count++] = "--db";
    command->words[command->count++] = sailor->path;
    command_add(command, "--director", "%ld", (long)getpid());
    command_add(command, "--number", "%u", number);
    command_add(command, "--epoch", "%u", sailor->epoch);
    command_add(command, "--seed", "%llu", (unsigned long long)crew->seed);
    command_add(command, "--rows", "%u", crew->rows_max);
    command_add(command, "--pause", "%u", crew->pause_ms);
    command_add(command, "--steady", "%u", crew->steady);
    command_add(command, "--patience", "%u", crew->patience_ms);
    command_add(command, "--index", "%u", crew->work.rows);
    command_add(command, "--edits", "%u", crew->work.edits);
    command_add(command, "--edited", "%u", sailor->work.edits);
    command_add(command, "--seconds", "%u", crew->work.seconds);
    command_add(command, "--begun", "%lld", (long long)crew->work.begun_ms);
    command_add(command, "--listen", "%s", sailor->listen);
    for (unsigned to = 0; to < crew->count; to++) {
        char address[PROXY_ADDRESS];
        if (!crew->linked[number][to]) continue;
        memcpy(address, crew->sailors[to].dial, sizeof address);
        if (crew->proxy != NULL) proxy_address(crew->proxy, number, to, address);
        command_add(command, "--peer", "%s#%s", address, crew->sailors[to].device);
    }
}

static void spawn(struct sailor *sailor, const struct command *command) {
    int to[2], from[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        tell_die("no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    int error = posix_spawn(&sailor->pid, WEFT_BINARY_DIR "/weft_node", &actions, NULL,
                            (char *const *)(uintptr_t)command->words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) tell_die("weft_node does not start: %s", strerror(error));
    close(to[0]);
    close(from[1]);
    sailor->to = to[1];
    sailor->from = from[0];
}

void crew_start(struct crew *crew, unsigned number) {
    struct sailor *sailor = &crew->sailors[number];
    struct command command;
    int home = -1;
    if (sailor->pid != 0) tell_die("device %u is alive", number);
    sailor->epoch++;
    sailor->ready = sailor->quiet = sailor->verified = sailor->stopped = false;
    sailor->sessions = 0;
    command_make(crew, number, &command);
    if (sailor->space >= 0) {
        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (home < 0 || setns(sailor->space, CLONE_NEWNET) != 0)
            tell_die("no way into the network of device %u: %s", number, strerror(errno));
    }
    spawn(sailor, &command);
    if (home >= 0) {
        if (setns(home, CLONE_NEWNET) != 0) tell_die("no way back: %s", strerror(errno));
        close(home);
    }
}

/* ---- hearing --------------------------------------------------------------------------------- */

/* What a device has said to be durable is there in its next life. */
static void hear_work(struct sailor *sailor, unsigned number, const struct ledger_work *work) {
    if (work->written < sailor->work.written)
        tell_die(
            "device %u has %llu rows of its own, and has said that %llu were durable; its file "
            "is %s",
            number, (unsigned long long)work->written, (unsigned long long)sailor->work.written,
            sailor->path);
    sailor->work = *work;
}

/* Takes one record; false at the end of what there was. */
static bool hear(struct crew *crew, unsigned number) {
    struct sailor *sailor = &crew->sailors[number];
    struct ledger_record record;
    ssize_t got;
    do {
        got = read(sailor->from, &record, sizeof record);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    if (got != (ssize_t)sizeof record) tell_die("device %u said half a record", number);
    ledger_enter(crew->ledger, number, &record);
    sailor->promises += record.kind == LEDGER_PUT || record.kind == LEDGER_DELETED;
    sailor->ready = sailor->ready || record.kind == LEDGER_READY;
    sailor->quiet = sailor->quiet || record.kind == LEDGER_QUIET;
    sailor->verified = sailor->verified || record.kind == LEDGER_VERIFIED;
    if (record.kind == LEDGER_SESSION) sailor->sessions = record.generation;
    if (record.kind == LEDGER_MEMORY) sailor->memory = record.memory;
    if (record.kind == LEDGER_WORK) hear_work(sailor, number, &record.work);
    return true;
}

/* After its output has ended. Returns what waitpid() says. */
static int bury(struct sailor *sailor) {
    int status = 0;
    while (waitpid(sailor->pid, &status, 0) < 0) {
        if (errno != EINTR) tell_die("waitpid: %s", strerror(errno));
    }
    if (sailor->to >= 0) close(sailor->to);
    close(sailor->from);
    sailor->pid = 0;
    sailor->to = sailor->from = -1;
    sailor->sessions = 0;
    sailor->bytes += sailor->work.bytes;
    sailor->work.bytes = sailor->work.peers = sailor->work.resident_kib = 0;
    return status;
}

void crew_hear(struct crew *crew, int64_t until_ms) {
    struct pollfd watched[CREW_MAX];
    const int64_t left = until_ms - tell_now_ms();
    for (unsigned i = 0; i < crew->count; i++)
        watched[i] =
            (struct pollfd){crew->sailors[i].pid > 0 ? crew->sailors[i].from : -1, POLLIN, 0};
    if (poll(watched, crew->count, left > 0 ? (int)left : 0) <= 0) return;
    for (unsigned i = 0; i < crew->count; i++) {
        if (watched[i].revents == 0 || hear(crew, i)) continue;
        const int status = bury(&crew->sailors[i]);
        tell_die("device %u ended by itself: status %d; its file is %s", i, status,
                 crew->sailors[i].path);
    }
}

/* All that has been said by now. */
static void hear_all(struct crew *crew) {
    for (unsigned i = 0; i < crew->count; i++) {
        struct pollfd watched = {crew->sailors[i].from, POLLIN, 0};
        while (crew->sailors[i].pid > 0 && poll(&watched, 1, 0) > 0) {
            if (!hear(crew, i)) break; /* crew_hear() says so. */
        }
    }
}

void crew_await_word(struct crew *crew, unsigned number) {
    struct pollfd watched = {crew->sailors[number].from, POLLIN, 0};
    int wait_ms = 0;
    for (;;) {
        const bool more = poll(&watched, 1, wait_ms) > 0;
        if (more && !hear(crew, number)) return; /* crew_hear() says so. */
        if (wait_ms > 0) return;
        if (!more) wait_ms = CREW_WORD_MS;
    }
}

void crew_kill(struct crew *crew, unsigned number) {
    struct sailor *sailor = &crew->sailors[number];
    if (kill(sailor->pid, SIGKILL) != 0) tell_die("kill: %s", strerror(errno));
    while (hear(crew, number))
        continue;
    const int status = bury(sailor);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        tell_die("device %u ended by itself: status %d", number, status);
    sailor->kills++;
    sailor->early += !sailor->ready;
    sailor->stopped = false;
}

void crew_stop(struct crew *crew, unsigned number, bool stop) {
    struct sailor *sailor = &crew->sailors[number];
    if (kill(sailor->pid, stop ? SIGSTOP : SIGCONT) != 0) tell_die("kill: %s", strerror(errno));
    sailor->stopped = stop;
    sailor->stops += stop;
}

void crew_say(struct crew *crew, unsigned number, char letter) {
    if (write(crew->sailors[number].to, &letter, 1) != 1)
        tell_die("device %u does not listen: %s", number, strerror(errno));
}

/* ---- looking --------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to) {
    static char bytes[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 && errno == ENOENT) return; /* There is no log yet. */
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t got = -1;
    while (in >= 0 && out >= 0 && (got = read(in, bytes, sizeof bytes)) > 0) {
        if (write(out, bytes, (size_t)got) != got) break;
    }
    if (got != 0) tell_die("%s cannot be copied: %s", from, strerror(errno));
    close(in);
    close(out);
}

/* A copy of the file and its log, as they were left: to open the file itself would change it. */
static void copy_make(const struct sailor *sailor, char copy[CREW_PATH + 8]) {
    char from[CREW_PATH + 8], to[CREW_PATH + 16];
    snprintf(copy, CREW_PATH + 8, "%s-look", sailor->path);
    snprintf(from, sizeof from, "%s-wal", sailor->path);
    snprintf(to, sizeof to, "%s-wal", copy);
    copy_file(sailor->path, copy);
    copy_file(from, to);
}

static void copy_remove(const char *copy) {
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (unsigned i = 0; i < 3; i++) {
        char path[CREW_PATH + 16];
        snprintf(path, sizeof path, "%s%s", copy, endings[i]);
        (void)unlink(path);
    }
}

static void holds(struct crew *crew, const char *path, unsigned number, enum ledger_level level) {
    const uint64_t lacks = ledger_lacks(crew->ledger, path, number, level);
    if (lacks > 0)
        tell_die("device %u lacks %llu of what was promised; %s stays", number,
                 (unsigned long long)lacks, crew->folder);
}

void crew_inspect(struct crew *crew, unsigned number) {
    if (ledger_count(crew->ledger, LEDGER_HERE) == 0) return;
    char copy[CREW_PATH + 8];
    copy_make(&crew->sailors[number], copy);
    /* What others tried before it reached this file is in their pipes at least. */
    hear_all(crew);
    holds(crew, copy, number, LEDGER_EVERYWHERE);
    copy_remove(copy);
}

void crew_inspect_all(struct crew *crew) {
    if (ledger_count(crew->ledger, LEDGER_HERE) == 0) return;
    char copies[CREW_MAX][CREW_PATH + 8];
    const char *paths[CREW_MAX];
    for (unsigned i = 0; i < crew->count; i++) {
        copy_make(&crew->sailors[i], copies[i]);
        paths[i] = copies[i];
    }
    for (unsigned i = 0; i < crew->count; i++)
        holds(crew, paths[i], i, LEDGER_EVERYWHERE);
    if (ledger_alone(crew->ledger, paths, crew->count) > 0)
        tell_die("a promise of another device is kept by one alone; %s stays", crew->folder);
    for (unsigned i = 0; i < crew->count; i++)
        copy_remove(copies[i]);
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool all(const struct crew *crew, size_t flag) {
    unsigned count = 0;
    for (unsigned i = 0; i < crew->count; i++)
        count += *(const bool *)((const char *)&crew->sailors[i] + flag);
    return count == crew->count;
}

static void await_all(struct crew *crew, size_t flag, const char *what, int64_t deadline_ms) {
    while (!all(crew, flag)) {
        if (tell_now_ms() > deadline_ms)
            tell_die("not every device %s; %s stays", what, crew->folder);
        const int64_t look_ms = tell_now_ms() + CREW_IDLE_MS;
        crew_hear(crew, look_ms < deadline_ms ? look_ms : deadline_ms);
        if (crew->idle != NULL) crew->idle(crew->idle_context);
    }
}

void crew_converge(struct crew *crew, int64_t deadline_ms) {
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->sailors[i].pid == 0) crew_start(crew, i);
        if (crew->sailors[i].stopped) crew_stop(crew, i, false);
        crew_say(crew, i, 'q');
    }
    await_all(crew, offsetof(struct sailor, quiet), "has fallen quiet", deadline_ms);
    for (unsigned i = 0; i < crew->count; i++)
        crew_say(crew, i, 'v');
    await_all(crew, offsetof(struct sailor, verified), "finds that all hold the same", deadline_ms);
}

void crew_end(struct crew *crew) {
    for (unsigned i = 0; i < crew->count; i++) {
        close(crew->sailors[i].to);
        crew->sailors[i].to = -1;
    }
    for (unsigned i = 0; i < crew->count; i++) {
        while (hear(crew, i))
            continue;
        const int status = bury(&crew->sailors[i]);
        if (status != 0) tell_die("device %u closed with status %d", i, status);
    }
    for (unsigned i = 0; i < crew->count; i++)
        holds(crew, crew->sailors[i].path, i, LEDGER_HERE);
}

bool crew_equal(const struct crew *crew) {
    const char *paths[CREW_MAX];
    for (unsigned i = 0; i < crew->count; i++)
        paths[i] = crew->sailors[i].path;
    return scratch_equal(paths, crew->count);
}

void crew_settle(struct crew *crew) {
    crew_end(crew);
    if (!crew_equal(crew)) tell_die("the files differ; %s stays", crew->folder);
}

void crew_close(struct crew *crew) {
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->sailors[i].pid > 0) crew_kill(crew, i);
    }
    proxy_close(crew->proxy);
    ledger_close(crew->ledger);
    scratch_remove(crew->folder);
}
