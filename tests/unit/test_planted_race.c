/* Proof that ThreadSanitizer still sees through the ring: a program that writes to a mail after it
 * has sent it must be found, and one that does not must not. The annotations in ring.c could hide
 * either. This program runs itself as both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/runtime/ring.h"

#if defined(__SANITIZE_THREAD__)
#define SEES_RACES true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SEES_RACES true
#endif
#endif
#ifndef SEES_RACES
#define SEES_RACES false
#endif

#define HANDED 200

/* ---- the program under the sanitizer ---- */

struct parcel {
    uint64_t content;
};

struct handover {
    struct ring *ring;
    struct parcel parcels[HANDED];
    bool race;
};

static void write_after_send(struct parcel *parcel) {
    parcel->content++;
}

static void *send_all(void *context) {
    struct handover *handover = context;
    for (int i = 0; i < HANDED; i++) {
        handover->parcels[i].content = 1;
        while (!ring_push(handover->ring, &handover->parcels[i]))
            sched_yield();
        if (handover->race) write_after_send(&handover->parcels[i]);
    }
    return NULL;
}

static int hand_over(bool race) {
    static struct handover handover;
    pthread_t sender;
    uint64_t sum = 0;
    handover.ring = ring_open(7);
    handover.race = race;
    if (handover.ring == NULL) return 2;
    if (pthread_create(&sender, NULL, send_all, &handover) != 0) return 2;
    for (int taken = 0; taken < HANDED;) {
        struct parcel *parcel = ring_pop(handover.ring);
        if (parcel == NULL) {
            sched_yield();
            continue;
        }
        sum += parcel->content;
        taken++;
    }
    if (pthread_join(sender, NULL) != 0) return 2;
    ring_close(handover.ring);
    return sum >= HANDED ? 0 : 2;
}

/* ---- the test ---- */

/* Runs this program as "race" or "clean"; returns its exit status, and what it wrote. */
static int run_self(const char *as, char *out, size_t cap) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "planted_race", as, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t length = 0;
    char rest[4096];
    for (;;) {
        bool full = length + 1 == cap;
        ssize_t got =
            full ? read(ends[0], rest, sizeof rest) : read(ends[0], out + length, cap - 1 - length);
        if (got <= 0) break;
        if (!full) length += (size_t)got;
    }
    close(ends[0]);
    out[length] = '\0';
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void a_clean_handover_is_not_reported(void **state) {
    (void)state;
    static char report[65536];
    int status = run_self("clean", report, sizeof report);
    if (status != 0) fail_msg("exit status %d:\n%s", status, report);
}

static void a_write_after_the_send_is_reported_where_there_is_a_sanitizer(void **state) {
    (void)state;
    static char report[65536];
    int status = run_self("race", report, sizeof report);
    if (SEES_RACES) {
        assert_int_not_equal(status, 0);
        assert_non_null(strstr(report, "data race"));
        assert_non_null(strstr(report, "write_after_send"));
    } else {
        assert_int_equal(status, 0);
    }
}

int main(int argc, char **argv) {
    if (argc == 2) return hand_over(strcmp(argv[1], "race") == 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_handover_is_not_reported),
        cmocka_unit_test(a_write_after_the_send_is_reported_where_there_is_a_sanitizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
