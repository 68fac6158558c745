/* See siege.h. */
#include "tests/lib/siege.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

uint64_t siege_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t siege_pool(struct siege *siege) {
    struct weft_stats stats;
    weft_stats(siege->victim.engine, &stats);
    return stats.pool_bytes_held;
}

uint64_t siege_rss(void) {
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    const int got = fscanf(file, "%llu %llu", &size, &resident);
    (void)fclose(file);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static int compare_times(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* By the friend and by the victim in turn, until it is durable with the other. */
static uint64_t commit_one(struct siege *siege) {
    const uint64_t began = siege_now_us();
    struct party *author = ++siege->row % 2 == 0 ? &siege->friend : &siege->victim;
    const uint64_t ticket = party_put(author, siege->row, "row", siege->row);
    party_wait(author, ticket, WEFT_REPLICATED, 1);
    return siege_now_us() - began;
}

struct latency {
    uint64_t p50, p99;
};

#define COMMITS_MAX 100000u

/* Of commits, one after the other: so many, and on until `enough` (may be NULL). */
static struct latency measure(struct siege *siege, uint32_t commits, atomic_bool *enough) {
    uint64_t *times = calloc(COMMITS_MAX, sizeof *times);
    uint32_t count = 0;
    assert_non_null(times);
    while (count < commits || (enough != NULL && !atomic_load(enough))) {
        assert_in_range(count, 0, COMMITS_MAX - 1);
        times[count++] = commit_one(siege);
    }
    qsort(times, count, sizeof *times, compare_times);
    const struct latency latency = {times[count / 2], times[count * 99 / 100]};
    free(times);
    return latency;
}

/* ---- peace ----------------------------------------------------------------------------------- */

void siege_rest(struct siege *siege) {
    (void)measure(siege, SIEGE_COMMITS, NULL);
    siege->pool = siege_pool(siege);
    siege->rss = siege_rss();
}

int siege_setup(void **state) {
    struct siege *siege = calloc(1, sizeof *siege);
    assert_non_null(siege);
    *state = siege;
    scratch_make(siege->folder);
    party_start(&siege->victim, siege->folder, "victim", NULL);
    party_start(&siege->friend, siege->folder, "friend", &siege->victim);
    party_start(&siege->body, siege->folder, "liar", &siege->victim);
    party_start(&siege->second_body, siege->folder, "second", &siege->victim);
    party_wait_members(&siege->victim, 4);
    party_leave(&siege->body);
    party_leave(&siege->second_body);
    party_connect(&siege->friend, &siege->victim);
    liar_become(&siege->liar, &siege->body, &siege->victim);
    liar_become(&siege->second, &siege->second_body, &siege->victim);
    siege_rest(siege);
    return 0;
}

int siege_teardown(void **state) {
    struct siege *siege = *state;
    liar_forget(&siege->liar);
    liar_forget(&siege->second);
    party_leave(&siege->friend);
    party_leave(&siege->victim);
    scratch_remove(siege->folder);
    free(siege);
    return 0;
}

static void assert_memory(struct siege *siege, uint64_t pool, uint64_t rss) {
    if (pool > siege->pool + SIEGE_POOL_MAX)
        fail_msg("arenas grew from %llu to %llu bytes", (unsigned long long)siege->pool,
                 (unsigned long long)pool);
    if (SIEGE_MEASURES && rss > siege->rss + SIEGE_RSS_MAX)
        fail_msg("resident memory grew from %llu to %llu bytes", (unsigned long long)siege->rss,
                 (unsigned long long)rss);
}

static bool friend_is_live(struct siege *siege, uint64_t *sessions) {
    struct weft_peer peers[16];
    const unsigned count = weft_peers(siege->friend.engine, peers, 16);
    bool live = false;
    *sessions = 0;
    for (unsigned i = 0; i < count && i < 16; i++) {
        if (memcmp(peers[i].device, siege->victim.device, 16) != 0) continue;
        *sessions += peers[i].sessions;
        live = live || peers[i].state == WEFT_PEER_LIVE;
    }
    return live;
}

void siege_assert_well(struct siege *siege) {
    uint64_t sessions = 0;
    assert_memory(siege, siege_pool(siege), siege_rss());
    (void)measure(siege, 6, NULL);
    assert_true(friend_is_live(siege, &sessions));
    assert_int_equal(sessions, 1);
    assert_int_equal(siege->leaked, 0);
}

void siege_wait_gone(struct siege *siege) {
    liar_hang_up(&siege->liar);
    party_wait_live(&siege->victim, &siege->body, false);
}

/* ---- war ------------------------------------------------------------------------------------- */

#define MEASURED (SIEGE_MEASURES ? SIEGE_COMMITS : 20u)

struct war {
    struct siege *siege;
    const struct siege_attack *attack;
    uint32_t rounds, goal; /* how many there were; how many there are to be at least */
    int over;              /* an eventfd: the attacker is to stop */
    atomic_bool enough;    /* the goal is reached */
    /* Written by the attacker while it runs. */
    uint64_t pool, rss; /* the greatest seen */
};

/* Until the war is over, or it is time to attack again. */
static bool war_goes_on(const struct war *war) {
    struct pollfd over = {war->over, POLLIN, 0};
    return poll(&over, 1, (int)war->attack->pause_ms) == 0;
}

static void *attacker(void *context) {
    struct war *war = context;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
    do {
        war->attack->once(war->siege, war->rounds++);
        const uint64_t pool = siege_pool(war->siege), rss = siege_rss();
        if (pool > war->pool) war->pool = pool;
        if (rss > war->rss) war->rss = rss;
        if (war->rounds >= war->goal) atomic_store(&war->enough, true);
    } while (war_goes_on(war));
    return NULL;
}

/* Commits while the attacker runs, and for as long as it takes to attack in earnest. */
static struct latency wage(struct war *war) {
    pthread_t thread;
    const uint64_t one = 1;
    war->over = eventfd(0, EFD_CLOEXEC);
    assert_true(war->over >= 0);
    atomic_store(&war->enough, false);
    war->goal = war->rounds + war->attack->rounds;
    assert_int_equal(pthread_create(&thread, NULL, attacker, war), 0);
    const struct latency latency = measure(war->siege, MEASURED, &war->enough);
    assert_int_equal(write(war->over, &one, sizeof one), sizeof one);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(close(war->over), 0);
    return latency;
}

/* Peace is measured before and after, and counts as the less quiet of the two: what else the
 * machine does at the time is no work of the attacker's. */
static bool endure_round(struct war *war) {
    struct siege *siege = war->siege;
    const uint32_t before = war->rounds;
    struct latency peace = measure(siege, MEASURED, NULL);
    const struct latency now = wage(war);
    if (SIEGE_MEASURES && now.p99 > peace.p99 * 2) {
        const struct latency after = measure(siege, MEASURED, NULL);
        if (after.p99 > peace.p99) peace = after;
    }
    if (SIEGE_MEASURES) {
        print_message("    %-24s p50 %5llu -> %5llu us, p99 %5llu -> %5llu us, %u attacks\n",
                      war->attack->name, (unsigned long long)peace.p50, (unsigned long long)now.p50,
                      (unsigned long long)peace.p99, (unsigned long long)now.p99,
                      war->rounds - before);
    } else {
        print_message("    %-24s %u attacks; times mean nothing under a sanitizer\n",
                      war->attack->name, war->rounds - before);
    }
    return !SIEGE_MEASURES || now.p99 <= peace.p99 * 2;
}

void siege_endure(struct siege *siege, const struct siege_attack *attacks, unsigned count) {
    bool all = true;
    for (unsigned i = 0; i < count; i++) {
        struct war war = {.siege = siege, .attack = &attacks[i]};
        bool endured = false;
        for (unsigned round = 0; round < SIEGE_ROUNDS && !endured; round++)
            endured = endure_round(&war);
        print_message("    %-24s arenas %llu -> %llu KiB, resident %llu -> %llu MiB\n", "",
                      (unsigned long long)siege->pool >> 10, (unsigned long long)war.pool >> 10,
                      (unsigned long long)siege->rss >> 20, (unsigned long long)war.rss >> 20);
        assert_memory(siege, war.pool, war.rss);
        if (!endured) print_message("    %s is not endured\n", attacks[i].name);
        all = all && endured;
    }
    assert_true(all);
    siege_assert_well(siege);
}
