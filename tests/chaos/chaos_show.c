/* The table of what is going on, for a terminal. */
#include <stdio.h>

#include "tests/chaos/chaos.h"
#include "tests/chaos/tell.h"

static const char *state_of(const struct sailor *sailor) {
    return sailor->verified   ? "equal"
           : sailor->pid == 0 ? "dead"
           : sailor->stopped  ? "stopped"
           : !sailor->ready   ? "opens"
           : sailor->quiet    ? "quiet"
                              : "writes";
}

static void show_links(const struct chaos *chaos, unsigned from) {
    for (unsigned to = 0; to < chaos->crew.count; to++) {
        const struct proxy_order *order = &chaos->links[from][to].order;
        if (from != to && order->fault != PROXY_CLEAN)
            printf(" %s ─► %u", proxy_fault_names[order->fault], to);
    }
}

void chaos_show(struct chaos *chaos, const char *phase) {
    const struct crew *crew = &chaos->crew;
    struct proxy_figures figures = {0};
    if (crew->proxy != NULL) proxy_figures(crew->proxy, &figures);
    printf("\033[Kseed %llu, %lld s: %s\n", (unsigned long long)crew->seed,
           (long long)(tell_now_ms() - chaos->begun_ms) / 1000, phase);
    printf("\033[K%-7s %-8s %6s %6s %9s %9s  %s\n", "device", "state", "kills", "stops", "sessions",
           "promises", "links");
    for (unsigned i = 0; i < crew->count; i++) {
        const struct sailor *sailor = &crew->sailors[i];
        printf("\033[K%-7u %-8s %6u %6u %9lld %9llu ", i, state_of(sailor), sailor->kills,
               sailor->stops, (long long)sailor->sessions, (unsigned long long)sailor->promises);
        show_links(chaos, i);
        printf("\n");
    }
    printf("\033[Kpromises: %llu durable, %llu on another device, %llu everywhere; %u blackouts, "
           "%u files looked at\n",
           (unsigned long long)ledger_count(crew->ledger, LEDGER_HERE),
           (unsigned long long)ledger_count(crew->ledger, LEDGER_ANOTHER),
           (unsigned long long)ledger_count(crew->ledger, LEDGER_EVERYWHERE), chaos->blackouts,
           chaos->inspections);
    printf("\033[Klinks: %.1f MB, %u connections, %u cut, %u bytes changed, %u silent for ever\n",
           (double)figures.bytes / 1e6, figures.wires, figures.cut, figures.corrupted,
           figures.swallowing);
    printf("\033[%uA", crew->count + 4);
    fflush(stdout);
}
