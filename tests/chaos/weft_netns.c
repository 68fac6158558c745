/* weft_netns: three devices, each in a network of its own, whose cables are pulled, whose packets
 * vanish and whose addresses change while they write. Ends with status 77, and says why, where the
 * machine allows no such networks. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tests/chaos/crew.h"
#include "tests/chaos/netns.h"
#include "tests/chaos/tell.h"

enum { DEVICES = 3, NOT_HERE = 77 };
/* A silent peer is dead after 45 s; after that a dial may be a minute away. */
#define NETNS_PATIENCE_MS 150000
#define NETNS_PAUSE_MS 5
/* More promises than can be under way: what gives them is at work again. */
#define NETNS_MANY 6000u

struct stage {
    struct crew crew;
    struct netns netns;
};

static void await_sessions(struct stage *stage, unsigned device, int64_t least, int64_t most) {
    const int64_t deadline_ms = tell_now_ms() + NETNS_PATIENCE_MS;
    const struct sailor *sailor = &stage->crew.sailors[device];
    while (sailor->sessions < least || sailor->sessions > most) {
        if (tell_now_ms() > deadline_ms)
            tell_die("device %u has %lld sessions, not %lld to %lld", device,
                     (long long)sailor->sessions, (long long)least, (long long)most);
        crew_hear(&stage->crew, deadline_ms);
    }
}

static void await_all_meet(struct stage *stage) {
    for (unsigned i = 0; i < DEVICES; i++)
        await_sessions(stage, i, DEVICES - 1, DEVICES - 1);
}

/* Until so many more promises of a level were given to all together. */
static void await_promises(struct stage *stage, enum ledger_level level, uint64_t more) {
    const int64_t deadline_ms = tell_now_ms() + NETNS_PATIENCE_MS;
    const uint64_t wanted = ledger_count(stage->crew.ledger, level) + more;
    while (ledger_count(stage->crew.ledger, level) < wanted) {
        if (tell_now_ms() > deadline_ms) tell_die("no more promises of level %d", (int)level);
        crew_hear(&stage->crew, deadline_ms);
    }
}

static int64_t passed(int64_t *since_ms) {
    const int64_t now_ms = tell_now_ms(), took_ms = now_ms - *since_ms;
    *since_ms = now_ms;
    return took_ms;
}

/* ---- what befalls them ----------------------------------------------------------------------- */

static void a_cable_is_pulled_out_and_put_in(struct stage *stage) {
    int64_t since_ms = tell_now_ms();
    netns_plug(&stage->netns, 0, false);
    await_sessions(stage, 0, 0, 0);
    await_sessions(stage, 1, 1, 1);
    /* It writes on, and so do the others, who have each other. */
    await_promises(stage, LEDGER_HERE, 100);
    await_promises(stage, LEDGER_ANOTHER, 10);
    printf("cable out: noticed after %lld ms", (long long)passed(&since_ms));
    netns_plug(&stage->netns, 0, true);
    await_all_meet(stage);
    printf("; in: all met again after %lld ms\n", (long long)passed(&since_ms));
}

static void two_that_cannot_reach_each_other_go_through_the_third(struct stage *stage) {
    int64_t since_ms = tell_now_ms();
    netns_blackhole(&stage->netns, 0, 1, true);
    await_sessions(stage, 0, 1, 1);
    await_sessions(stage, 1, 1, 1);
    await_promises(stage, LEDGER_EVERYWHERE, 100);
    printf("packets vanish between two: noticed, and promised everywhere, after %lld ms",
           (long long)passed(&since_ms));
    netns_blackhole(&stage->netns, 0, 1, false);
    await_all_meet(stage);
    printf("; all met again after %lld ms\n", (long long)passed(&since_ms));
}

/* Nobody can dial it any more; it dials the others by itself, whoever dialled the sessions that
 * ended. What is promised then was written on the way or after it. */
static void a_device_has_another_address(struct stage *stage) {
    int64_t since_ms = tell_now_ms();
    netns_move(&stage->netns, 2);
    await_promises(stage, LEDGER_EVERYWHERE, NETNS_MANY);
    await_all_meet(stage);
    printf("another address: all met again after %lld ms\n", (long long)passed(&since_ms));
}

static void stage_begin(struct stage *stage, uint64_t seed) {
    crew_found(&stage->crew, DEVICES, 0, seed);
    stage->crew.pause_ms = NETNS_PAUSE_MS;
    for (unsigned i = 0; i < DEVICES; i++) {
        struct sailor *sailor = &stage->crew.sailors[i];
        char host[32];
        netns_address(&stage->netns, i, host, sizeof host);
        snprintf(sailor->dial, sizeof sailor->dial, "%s:20000", host);
        snprintf(sailor->listen, sizeof sailor->listen, "0.0.0.0:20000");
        sailor->space = stage->netns.spaces[i];
    }
    for (unsigned i = 0; i < DEVICES; i++)
        crew_start(&stage->crew, i);
    await_all_meet(stage);
}

int main(int count, char **arguments) {
    static struct stage stage;
    static char who[64];
    char why[256] = "";
    uint64_t seed = 0;
    if (getrandom(&seed, 4, 0) != 4) return 1;
    if (count == 3 && strcmp(arguments[1], "--seed") == 0)
        seed = strtoull(arguments[2], NULL, 10);
    else if (count != 1) {
        fprintf(stderr, "weft_netns [--seed S]\n");
        return 2;
    }
    snprintf(who, sizeof who, "weft_netns, seed %llu", (unsigned long long)seed);
    tell_as(who);
    signal(SIGPIPE, SIG_IGN);
    if (!netns_open(&stage.netns, DEVICES, why, sizeof why)) {
        printf("not run: %s\n", why);
        netns_close(&stage.netns);
        return NOT_HERE;
    }
    printf("seed %llu; TCP gives up %s\n", (unsigned long long)seed,
           stage.netns.quick ? "after seconds" : "late: what is dead is found after 45 s");
    stage_begin(&stage, seed);
    a_cable_is_pulled_out_and_put_in(&stage);
    two_that_cannot_reach_each_other_go_through_the_third(&stage);
    a_device_has_another_address(&stage);
    crew_converge(&stage.crew, tell_now_ms() + NETNS_PATIENCE_MS);
    crew_settle(&stage.crew);
    printf("%llu promises, %llu of all: none is missing\n",
           (unsigned long long)ledger_count(stage.crew.ledger, LEDGER_HERE),
           (unsigned long long)ledger_count(stage.crew.ledger, LEDGER_EVERYWHERE));
    crew_close(&stage.crew);
    netns_close(&stage.netns);
    return 0;
}
