/* weft_chaos: real processes over real sockets, killed, stopped and cut off at drawn moments.
 * Nothing that was acknowledged may be missing, and in the end all must hold the same. See
 * docs/testing.md. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tests/chaos/chaos.h"
#include "tests/chaos/tell.h"

#define CHAOS_SHOW_MS 200
/* From this length on, swallowed connections are left to the devices to find dead. */
#define CHAOS_LONG_S 60

struct options {
    uint64_t seed;
    unsigned devices, seconds, faults;
    bool json, mend;
};

static int usage(void) {
    fprintf(
        stderr,
        "weft_chaos [--seed S] [--devices N] [--minutes M] [--seconds S] [--faults LIST]\n"
        "           [--json]\n"
        "  2 to %u devices (4), each a process, for so long (1 minute); LIST is of kill, stop,\n"
        "  blackout, links (all). The seed draws what befalls whom and when.\n",
        CREW_MAX);
    return 2;
}

static unsigned faults_read(const char *text) {
    static const char *const names[] = {"kill", "stop", "blackout", "links"};
    unsigned faults = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (strstr(text, names[i]) != NULL) faults |= 1u << i;
    }
    return faults;
}

static bool options_read(struct options *options, int count, char **arguments) {
    *options = (struct options){.devices = 4, .seconds = 60, .faults = CHAOS_ALL};
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
        else if (strcmp(name, "--seconds") == 0)
            options->seconds = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--faults") == 0)
            options->faults = faults_read(value);
        else
            return false;
    }
    options->mend = options->seconds < CHAOS_LONG_S;
    return options->devices >= 2 && options->devices <= CREW_MAX && options->faults != 0;
}

struct totals {
    uint32_t kills, early, stops;
};

static struct totals totals_of(const struct crew *crew) {
    struct totals totals = {0};
    for (unsigned i = 0; i < crew->count; i++) {
        totals.kills += crew->sailors[i].kills;
        totals.early += crew->sailors[i].early;
        totals.stops += crew->sailors[i].stops;
    }
    return totals;
}

static void tell_all(const struct chaos *chaos, const struct options *options) {
    const struct crew *crew = &chaos->crew;
    const struct totals totals = totals_of(crew);
    struct proxy_figures figures = {0};
    unsigned long long promises[LEDGER_LEVELS];
    for (int level = LEDGER_HERE; level < LEDGER_LEVELS; level++)
        promises[level] = ledger_count(crew->ledger, (enum ledger_level)level);
    if (crew->proxy != NULL) proxy_figures(crew->proxy, &figures);
    printf(options->json
               ? "{\"seed\":%llu,\"devices\":%u,\"seconds\":%u,\"kills\":%u,\"early\":%u,"
                 "\"stops\":%u,\"blackouts\":%u,\"inspections\":%u,\"link_faults\":%u,\"cut\":%u,"
                 "\"corrupted\":%u,\"bytes\":%llu,\"durable\":%llu,\"another\":%llu,"
                 "\"everywhere\":%llu,\"missing\":0,\"converged_ms\":%lld}\n"
               : "seed %llu, %u devices, %u s: %u kills, %u of them before the library was open, "
                 "%u stops, %u blackouts; %u files looked at.\n%u faults of links: %u connections "
                 "cut, %u bytes changed; %llu bytes passed.\n%llu promises, %llu of them of "
                 "another device, %llu of all: none is missing. All equal after %lld ms.\n",
           (unsigned long long)crew->seed, crew->count, options->seconds, totals.kills,
           totals.early, totals.stops, chaos->blackouts, chaos->inspections, chaos->link_faults,
           figures.cut, figures.corrupted, (unsigned long long)figures.bytes, promises[LEDGER_HERE],
           promises[LEDGER_ANOTHER], promises[LEDGER_EVERYWHERE], (long long)chaos->converged_ms);
}

/* A run in which nothing went wrong, or nothing was promised, would prove nothing. */
static void must_have_tried(const struct chaos *chaos) {
    const struct totals totals = totals_of(&chaos->crew);
    for (int level = LEDGER_HERE; level < LEDGER_LEVELS; level++) {
        if (ledger_count(chaos->crew.ledger, (enum ledger_level)level) == 0)
            tell_die("nothing was promised at level %d", level);
    }
    if ((chaos->faults & CHAOS_KILL) != 0 && totals.kills == 0) tell_die("nobody was killed");
    if ((chaos->faults & CHAOS_LINKS) != 0 && chaos->link_faults == 0)
        tell_die("no link had a fault");
}

int main(int count, char **arguments) {
    static struct chaos chaos;
    static char who[64];
    struct options options;
    if (!options_read(&options, count, arguments)) return usage();
    snprintf(who, sizeof who, "weft_chaos, seed %llu", (unsigned long long)options.seed);
    tell_as(who);
    signal(SIGPIPE, SIG_IGN);
    const bool terminal = isatty(STDOUT_FILENO) && !options.json;
    if (!options.json) printf("seed %llu\n", (unsigned long long)options.seed);
    fflush(stdout);
    chaos_open(&chaos, options.devices, 0, options.seed, options.faults);
    chaos.mend = options.mend;
    int64_t show_ms = 0;
    const int64_t end_ms = chaos.begun_ms + (int64_t)options.seconds * 1000;
    while (tell_now_ms() < end_ms) {
        chaos_turn(&chaos);
        if (!terminal || tell_now_ms() < show_ms) continue;
        chaos_show(&chaos, "faults");
        show_ms = tell_now_ms() + CHAOS_SHOW_MS;
    }
    if (terminal) printf("\033[J"); /* What is said from here on stands below no table. */
    chaos_end(&chaos);
    if (terminal) {
        chaos_show(&chaos, "all equal");
        printf("\033[%uB", chaos.crew.count + 4);
    }
    must_have_tried(&chaos);
    tell_all(&chaos, &options);
    crew_close(&chaos.crew);
    return 0;
}
