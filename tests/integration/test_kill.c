/* kill -9 of any device at any moment: after a restart all converge, and nothing that was
 * acknowledged is missing.
 *
 *      this process ── starts, SIGKILLs, starts again ──► scribe ×3 ◄──TCP──► each other
 *                   ◄── what became durable ───────────── scribe ×3           (tests/lib/scribe.c)
 *
 * This process first makes their libraries: one founds, two come in by invite.
 *
 * The moments are random; the seed is printed. WEFT_KILL_SEED repeats one (the moments, not what
 * the machine makes of them); WEFT_KILL_SECONDS makes it longer than its 20 s. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/lib/ledger.h"
#include "tests/lib/party.h"
#include "tests/lib/scribe.h"

extern char **environ;

#define KILL_SECONDS 20

struct victim {
    char path[SCRATCH_PATH + 16];
    pid_t pid; /* 0: dead */
    int to, from;
    uint32_t epoch;
    int64_t due_ms; /* alive: its death; dead: its return */
    bool ready, quiet;
};

struct hunt {
    char folder[SCRATCH_PATH];
    uint32_t seed, random;
    char addresses[SCRIBES][WEFT_ADDRESS_MAX], targets[SCRIBES][WEFT_ADDRESS_MAX];
    struct victim victims[SCRIBES];
    struct ledger *ledger;
    unsigned kills, early_kills;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t hunt_random(struct hunt *hunt, uint32_t below) {
    hunt->random = hunt->random * 1664525u + 1013904223u;
    return (hunt->random >> 8) % below;
}

/* Most lives are long enough to write; some end while the library is still being opened. */
static int64_t life_ms(struct hunt *hunt) {
    return hunt_random(hunt, 4) == 0 ? hunt_random(hunt, 40) : 50 + hunt_random(hunt, 1500);
}

static void victim_start(struct hunt *hunt, unsigned number) {
    struct victim *victim = &hunt->victims[number];
    char texts[3][32];
    const char *arguments[7 + 2 * SCRIBES] = {"test_kill", "scribe", victim->path};
    assert_int_equal(victim->pid, 0);
    victim->epoch++;
    snprintf(texts[0], 32, "%u", number);
    snprintf(texts[1], 32, "%u", victim->epoch);
    snprintf(texts[2], 32, "%u", hunt->seed);
    for (unsigned i = 0; i < 3; i++)
        arguments[3 + i] = texts[i];
    for (unsigned i = 0; i < SCRIBES; i++) {
        arguments[6 + i] = hunt->addresses[i];
        arguments[6 + SCRIBES + i] = hunt->targets[i];
    }
    int to[2], from[2];
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&victim->pid, "/proc/self/exe", &actions, NULL,
                                 (char *const *)(uintptr_t)arguments, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    victim->to = to[1];
    victim->from = from[0];
    victim->ready = victim->quiet = false;
}

/* Takes one record; false at the end of what there was. */
static bool victim_hear(struct hunt *hunt, struct victim *victim) {
    struct ledger_record record;
    ssize_t got;
    do {
        got = read(victim->from, &record, sizeof record);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    assert_int_equal(got, sizeof record);
    ledger_enter(hunt->ledger, &record);
    victim->ready = victim->ready || record.kind == LEDGER_READY;
    victim->quiet = victim->quiet || record.kind == LEDGER_QUIET;
    return true;
}

/* After its output has ended. Returns what waitpid() says. */
static int victim_bury(struct victim *victim) {
    int status = 0;
    while (waitpid(victim->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    close(victim->to);
    close(victim->from);
    victim->pid = 0;
    victim->to = victim->from = -1;
    return status;
}

static void victim_kill(struct hunt *hunt, struct victim *victim) {
    assert_int_equal(kill(victim->pid, SIGKILL), 0);
    /* What it reported before it died is still in the pipe, and counts. */
    while (victim_hear(hunt, victim))
        continue;
    int status = victim_bury(victim);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("a scribe ended by itself: status %d; seed %u", status, hunt->seed);
    hunt->kills++;
    hunt->early_kills += !victim->ready;
}

/* Hears all who are alive until `until_ms`, or until somebody spoke. */
static void hunt_hear(struct hunt *hunt, int64_t until_ms) {
    struct pollfd watched[SCRIBES];
    int64_t left = until_ms - now_ms();
    for (unsigned i = 0; i < SCRIBES; i++) {
        const struct victim *victim = &hunt->victims[i];
        watched[i] = (struct pollfd){victim->pid > 0 ? victim->from : -1, POLLIN, 0};
    }
    if (poll(watched, SCRIBES, left > 0 ? (int)left : 0) <= 0) return;
    for (unsigned i = 0; i < SCRIBES; i++) {
        if (watched[i].revents == 0 || victim_hear(hunt, &hunt->victims[i])) continue;
        int status = victim_bury(&hunt->victims[i]);
        fail_msg("scribe %u ended by itself: status %d; seed %u", i, status, hunt->seed);
    }
}

static void hunt_run(struct hunt *hunt, int64_t end_ms) {
    for (unsigned i = 0; i < SCRIBES; i++)
        hunt->victims[i].due_ms = 0;
    while (now_ms() < end_ms) {
        int64_t next_ms = end_ms;
        for (unsigned i = 0; i < SCRIBES; i++) {
            struct victim *victim = &hunt->victims[i];
            bool due = now_ms() >= victim->due_ms;
            if (due && victim->pid > 0) {
                victim_kill(hunt, victim);
                victim->due_ms = now_ms() + hunt_random(hunt, 300);
            } else if (due) {
                victim_start(hunt, i);
                victim->due_ms = now_ms() + life_ms(hunt);
            }
            if (victim->due_ms < next_ms) next_ms = victim->due_ms;
        }
        hunt_hear(hunt, next_ms);
    }
}

/* Faults have stopped: all must fall quiet, which each does when all it wrote is everywhere. */
static void hunt_converge(struct hunt *hunt) {
    int64_t deadline = now_ms() + PARTY_PATIENCE_MS;
    for (unsigned i = 0; i < SCRIBES; i++) {
        if (hunt->victims[i].pid == 0) victim_start(hunt, i);
        assert_int_equal(write(hunt->victims[i].to, "q", 1), 1);
    }
    for (unsigned quiet = 0; quiet < SCRIBES;) {
        if (now_ms() > deadline) fail_msg("no convergence; seed %u", hunt->seed);
        hunt_hear(hunt, deadline);
        quiet = 0;
        for (unsigned i = 0; i < SCRIBES; i++)
            quiet += hunt->victims[i].quiet;
    }
    for (unsigned i = 0; i < SCRIBES; i++) {
        struct victim *victim = &hunt->victims[i];
        close(victim->to);
        victim->to = -1;
    }
    for (unsigned i = 0; i < SCRIBES; i++) {
        while (victim_hear(hunt, &hunt->victims[i]))
            continue;
        assert_int_equal(victim_bury(&hunt->victims[i]), 0);
    }
}

/* Three members of one library, each of which knows the others. They are closed again before
 * anybody is started: from then on nobody but a scribe opens them. */
static void hunt_prepare(struct hunt *hunt) {
    struct party parties[SCRIBES];
    for (unsigned i = 0; i < SCRIBES; i++) {
        const char name[] = {(char)('a' + (int)i), '\0'};
        party_start(&parties[i], hunt->folder, name, i == 0 ? NULL : &parties[0]);
        party_listen(&parties[i]);
    }
    for (unsigned i = 1; i < SCRIBES; i++)
        party_connect(&parties[i], &parties[0]);
    for (unsigned i = 0; i < SCRIBES; i++)
        party_wait_members(&parties[i], SCRIBES);
    for (unsigned i = 0; i < SCRIBES; i++) {
        party_target(&parties[i], hunt->targets[i]);
        memcpy(hunt->addresses[i], parties[i].address, sizeof hunt->addresses[i]);
        memcpy(hunt->victims[i].path, parties[i].path, sizeof hunt->victims[i].path);
        party_leave(&parties[i]);
    }
}

static int64_t setting(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoll(text, NULL, 10) : otherwise;
}

static void nothing_acknowledged_is_lost_by_any_kill(void **state) {
    (void)state;
    struct hunt hunt = {0};
    uint32_t fresh = 0;
    assert_int_equal(getrandom(&fresh, sizeof fresh, 0), sizeof fresh);
    hunt.seed = (uint32_t)setting("WEFT_KILL_SEED", fresh);
    hunt.random = hunt.seed;
    signal(SIGPIPE, SIG_IGN);
    scratch_make(hunt.folder);
    printf("WEFT_KILL_SEED=%u in %s, which stays if this fails\n", hunt.seed, hunt.folder);
    fflush(stdout);
    hunt.ledger = ledger_open();
    hunt_prepare(&hunt);
    const char *paths[SCRIBES];
    for (unsigned i = 0; i < SCRIBES; i++)
        paths[i] = hunt.victims[i].path;
    hunt_run(&hunt, now_ms() + 1000 * setting("WEFT_KILL_SECONDS", KILL_SECONDS));
    hunt_converge(&hunt);
    printf("%u kills, %u of them before the library was open; %llu promises\n", hunt.kills,
           hunt.early_kills, (unsigned long long)ledger_count(hunt.ledger));
    /* A hunt that killed nobody, or a ledger with nothing in it, would prove nothing. */
    assert_true(hunt.kills > 0 && ledger_count(hunt.ledger) > 0);
    for (unsigned i = 0; i < SCRIBES; i++)
        assert_true(ledger_holds(hunt.ledger, paths[i]));
    assert_true(scratch_equal(paths, SCRIBES));
    ledger_close(hunt.ledger);
    scratch_remove(hunt.folder);
}

static int scribe_main(char **arguments) {
    struct scribe_orders orders = {.path = arguments[0]};
    orders.number = (unsigned)strtoul(arguments[1], NULL, 10);
    orders.epoch = (uint32_t)strtoul(arguments[2], NULL, 10);
    orders.seed = (uint32_t)strtoul(arguments[3], NULL, 10);
    for (unsigned i = 0; i < SCRIBES; i++) {
        orders.addresses[i] = arguments[4 + i];
        orders.targets[i] = arguments[4 + SCRIBES + i];
    }
    return scribe_run(&orders);
}

int main(int count, char **arguments) {
    if (count == 6 + 2 * (int)SCRIBES && strcmp(arguments[1], "scribe") == 0)
        return scribe_main(arguments + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_by_any_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
