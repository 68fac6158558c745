/* weft_soak: processes that write steadily for long, with links cut now and then. What they take of
 * memory, descriptors, threads and disk must come to a level and stay there. docs/testing.md. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tests/chaos/crew.h"
#include "tests/chaos/gauges.h"
#include "tests/chaos/tell.h"
#include "tests/sim/rng.h"

#define SOAK_SAMPLE_MS 5000
#define SOAK_CUT_MS 7000
#define SOAK_PATIENCE_MS 180000
#define SOAK_PLAIN_EVERY 12u /* samples between two tables where there is no terminal */

struct soak {
    struct crew crew;
    struct gauges gauges[CREW_MAX];
    struct rng rng;
    int64_t begun_ms, sample_ms, cut_ms;
    unsigned cuts;
    bool terminal, json;
};

struct options {
    uint64_t seed;
    unsigned devices, seconds, rows, pause;
    bool json;
};

static int usage(void) {
    fprintf(
        stderr,
        "weft_soak [--minutes M] [--devices N] [--seed S] [--rows N] [--pause MS] [--json]\n"
        "  2 to %u devices (3) write for so long (10 minutes), each up to N rows of its own in\n"
        "  two tables (300), with MS milliseconds (5) between two transactions.\n",
        CREW_MAX);
    return 2;
}

static bool options_read(struct options *options, int count, char **arguments) {
    *options = (struct options){.devices = 3, .seconds = 600, .rows = 300, .pause = 5};
    if (getrandom(&options->seed, 4, 0) != 4) return false;
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (strcmp(name, "--json") == 0) {
            options->json = true;
            continue;
        }
        if (value == NULL) return false;
        i++;
        if (strcmp(name, "--seed") == 0)
            options->seed = strtoull(value, NULL, 10);
        else if (strcmp(name, "--devices") == 0)
            options->devices = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--minutes") == 0)
            options->seconds = (unsigned)(strtod(value, NULL) * 60);
        else if (strcmp(name, "--rows") == 0)
            options->rows = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--pause") == 0)
            options->pause = (unsigned)strtoul(value, NULL, 10);
        else
            return false;
    }
    return options->devices >= 2 && options->devices <= CREW_MAX && options->rows > 0;
}

/* ---- on the way ------------------------------------------------------------------------------ */

static void sample(struct soak *soak) {
    const int64_t now_ms = tell_now_ms();
    for (unsigned i = 0; i < soak->crew.count; i++) {
        const struct sailor *sailor = &soak->crew.sailors[i];
        if (!gauges_take(&soak->gauges[i], now_ms, sailor->pid, sailor->path, &sailor->memory))
            tell_die("device %u cannot be measured", i);
    }
}

static void cut_one(struct soak *soak) {
    const unsigned count = soak->crew.count;
    const unsigned from = (unsigned)rng_below(&soak->rng, count);
    const unsigned to = (from + 1 + (unsigned)rng_below(&soak->rng, count - 1)) % count;
    const struct proxy_order order = {.fault = PROXY_CUT,
                                      .amount = (uint32_t)rng_below(&soak->rng, 65536),
                                      .back = rng_chance(&soak->rng, 500)};
    proxy_set(soak->crew.proxy, from, to, &order);
    soak->cuts++;
}

static void show(const struct soak *soak) {
    static const char *const clear[] = {"", "\033[K"};
    const char *line = clear[soak->terminal];
    const struct crew *crew = &soak->crew;
    printf("%s%4lld s, %u cuts, %llu promises\n", line,
           (long long)(tell_now_ms() - soak->begun_ms) / 1000, soak->cuts,
           (unsigned long long)ledger_count(crew->ledger, LEDGER_HERE));
    printf("%s%-7s %9s %9s %9s %9s %12s %8s %9s %9s %9s\n", line, "KiB", "heap", "pools", "SQLite",
           "resident", "descriptors", "threads", "log", "file", "sessions");
    for (unsigned i = 0; i < crew->count; i++) {
        const struct gauges *gauges = &soak->gauges[i];
        printf("%s%-7u", line, i);
        for (int g = 0; g < GAUGES; g++)
            printf(g == GAUGE_DESCRIPTORS ? " %12.0f"
                   : g == GAUGE_THREADS   ? " %8.0f"
                                          : " %9.0f",
                   gauges_last(gauges, (enum gauge)g));
        printf(" %9lld\n", (long long)crew->sailors[i].sessions);
    }
    if (soak->terminal) printf("\033[%uA", crew->count + 2);
    fflush(stdout);
}

static void soak_run(struct soak *soak, int64_t end_ms) {
    unsigned samples = 0;
    while (tell_now_ms() < end_ms) {
        int64_t until_ms = soak->sample_ms < soak->cut_ms ? soak->sample_ms : soak->cut_ms;
        crew_hear(&soak->crew, until_ms < end_ms ? until_ms : end_ms);
        if (tell_now_ms() >= soak->cut_ms) {
            cut_one(soak);
            soak->cut_ms += SOAK_CUT_MS;
        }
        if (tell_now_ms() < soak->sample_ms) continue;
        sample(soak);
        soak->sample_ms += SOAK_SAMPLE_MS;
        if (!soak->json && (soak->terminal || samples++ % SOAK_PLAIN_EVERY == 0)) show(soak);
    }
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static void tell_gauges(const struct soak *soak, unsigned number) {
    const struct gauges *gauges = &soak->gauges[number];
    for (int g = 0; g < GAUGES; g++) {
        const enum gauge gauge = (enum gauge)g;
        printf(soak->json ? "{\"device\":%u,\"gauge\":\"%s\",\"second\":%.0f,\"last\":%.0f,"
                            "\"slope\":%.1f}\n"
                          : "device %u %-16s most in the second quarter %8.0f, in the last %8.0f, "
                            "%+.1f a minute\n",
               number, gauge_names[gauge], gauges_most(gauges, gauge, 1),
               gauges_most(gauges, gauge, 3), gauges_slope(gauges, gauge));
    }
}

static bool verdict(const struct soak *soak) {
    bool well = true;
    for (unsigned i = 0; i < soak->crew.count; i++) {
        char say[256] = "";
        tell_gauges(soak, i);
        if (gauges_flat(&soak->gauges[i], say, sizeof say)) continue;
        fprintf(stderr, "device %u: %s\n", i, say);
        well = false;
    }
    if (!soak->json) printf("%s\n", well ? "all is flat" : "something grows");
    return well;
}

int main(int count, char **arguments) {
    static struct soak soak;
    static char who[64];
    struct options options;
    if (!options_read(&options, count, arguments)) return usage();
    snprintf(who, sizeof who, "weft_soak, seed %llu", (unsigned long long)options.seed);
    tell_as(who);
    signal(SIGPIPE, SIG_IGN);
    soak.json = options.json;
    soak.terminal = isatty(STDOUT_FILENO) && !soak.json;
    if (!soak.json) printf("seed %llu\n", (unsigned long long)options.seed);
    rng_seed(&soak.rng, options.seed, 1);
    crew_found(&soak.crew, options.devices, 0, options.seed);
    crew_connect(&soak.crew);
    soak.crew.rows_max = options.rows;
    soak.crew.pause_ms = options.pause;
    soak.crew.steady = 90;
    for (unsigned i = 0; i < options.devices; i++)
        crew_start(&soak.crew, i);
    soak.begun_ms = tell_now_ms();
    soak.sample_ms = soak.begun_ms + SOAK_SAMPLE_MS;
    soak.cut_ms = soak.begun_ms + SOAK_CUT_MS;
    soak_run(&soak, soak.begun_ms + (int64_t)options.seconds * 1000);
    if (soak.terminal) printf("\033[%uB", options.devices + 2);
    proxy_heal(soak.crew.proxy, true);
    crew_converge(&soak.crew, tell_now_ms() + SOAK_PATIENCE_MS);
    crew_settle(&soak.crew);
    const bool well = verdict(&soak);
    crew_close(&soak.crew);
    for (unsigned i = 0; i < options.devices; i++)
        gauges_free(&soak.gauges[i]);
    return well ? 0 : 1;
}
