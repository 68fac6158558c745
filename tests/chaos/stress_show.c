/* The table of a stress run. See stress.h. */
#include <stdio.h>
#include <sys/stat.h>

#include "tests/chaos/stress.h"
#include "tests/chaos/tell.h"

#define STRESS_TABLE_MS 250
#define STRESS_LINE_MS 2000
#define STRESS_LINES 4u /* of a table, beside those of the devices */

static double mib(uint64_t bytes) {
    return (double)bytes / (1 << 20);
}

static double wal_mib(const struct sailor *sailor) {
    char path[CREW_PATH + 8];
    struct stat found;
    snprintf(path, sizeof path, "%s-wal", sailor->path);
    return stat(path, &found) == 0 ? mib((uint64_t)found.st_size) : 0;
}

static const char *state_of(const struct sailor *sailor) {
    return sailor->verified   ? "equal"
           : sailor->pid == 0 ? "dead"
           : sailor->stopped  ? "stopped"
           : !sailor->ready   ? "opens"
           : sailor->quiet    ? "quiet"
                              : "runs";
}

bool stress_has_written(const struct stress *stress) {
    for (unsigned i = 0; i < stress->chaos.crew.count; i++) {
        const struct ledger_work *work = &stress->chaos.crew.sailors[i].work;
        if (work->written < stress->options.rows || work->edits < stress->options.edits)
            return false;
    }
    return true;
}

/* Rates and peaks. */
static void measure(struct stress *stress, int64_t now_ms) {
    const double seconds = (double)(now_ms - stress->rated_ms) / 1000;
    for (unsigned i = 0; i < stress->chaos.crew.count; i++) {
        const struct sailor *sailor = &stress->chaos.crew.sailors[i];
        const uint64_t bytes = sailor->bytes + sailor->work.bytes;
        const double resident = sailor->work.resident_kib / 1024.0, wal = wal_mib(sailor);
        stress->mib_per_s[i] = seconds > 0 && bytes > stress->bytes_then[i]
                                   ? mib(bytes - stress->bytes_then[i]) / seconds
                                   : 0;
        stress->bytes_then[i] = bytes;
        if (resident > stress->peak_mib[i]) stress->peak_mib[i] = resident;
        if (wal > stress->wal_peak_mib[i]) stress->wal_peak_mib[i] = wal;
        if (sailor->work.lag_ms > stress->lag_peak_ms[i])
            stress->lag_peak_ms[i] = sailor->work.lag_ms;
    }
    stress->rated_ms = now_ms;
}

struct sums {
    uint64_t written, held, edits, bytes;
    uint32_t lag_ms, peers, dead, quiet, equal, kills, stops;
    double mib_per_s, resident, wal;
};

static struct sums sums_of(const struct stress *stress) {
    struct sums sums = {0};
    for (unsigned i = 0; i < stress->chaos.crew.count; i++) {
        const struct sailor *sailor = &stress->chaos.crew.sailors[i];
        const struct ledger_work *work = &sailor->work;
        sums.written += work->written;
        sums.held += work->held;
        sums.edits += work->edits;
        sums.bytes += sailor->bytes + work->bytes;
        sums.peers += work->peers;
        sums.dead += sailor->pid == 0 || sailor->stopped;
        sums.quiet += sailor->quiet;
        sums.equal += sailor->verified;
        sums.kills += sailor->kills;
        sums.stops += sailor->stops;
        sums.mib_per_s += stress->mib_per_s[i];
        sums.resident += work->resident_kib / 1024.0;
        sums.wal += wal_mib(sailor);
        if (work->lag_ms > sums.lag_ms) sums.lag_ms = work->lag_ms;
    }
    return sums;
}

static void show_line(const struct stress *stress, const char *phase) {
    const struct sums sums = sums_of(stress);
    printf("%4lld s %-8s rows %llu held %llu lag %u ms edits %llu %.1f MiB/s RSS %.0f MiB "
           "WAL %.0f MiB peers %u down %u quiet %u equal %u\n",
           (long long)(tell_now_ms() - stress->chaos.begun_ms) / 1000, phase,
           (unsigned long long)sums.written, (unsigned long long)sums.held, sums.lag_ms,
           (unsigned long long)sums.edits, sums.mib_per_s, sums.resident, sums.wal, sums.peers,
           sums.dead, sums.quiet, sums.equal);
}

static void show_links(const struct chaos *chaos, unsigned from) {
    for (unsigned to = 0; to < chaos->crew.count; to++) {
        const struct proxy_order *order = &chaos->links[from][to].order;
        if (order->fault != PROXY_CLEAN) printf(" %s>%u", proxy_fault_names[order->fault], to);
    }
}

static void show_table(const struct stress *stress, const char *phase) {
    static const char row[] = "\033[K%-6s %-8s %9s %9s %8s %8s %7s %7s %7s %6s %6s";
    const struct sums sums = sums_of(stress);
    printf("\033[Kseed %llu, %lld s of %u: %s\n", (unsigned long long)stress->options.seed,
           (long long)(tell_now_ms() - stress->chaos.begun_ms) / 1000, stress->options.seconds,
           phase);
    printf(row, "device", "state", "written", "held", "lag ms", "edits", "MiB/s", "RSS MiB",
           "WAL MiB", "peers", "kills");
    printf("\n");
    for (unsigned i = 0; i < stress->chaos.crew.count; i++) {
        const struct sailor *sailor = &stress->chaos.crew.sailors[i];
        const struct ledger_work *work = &sailor->work;
        printf("\033[K%-6u %-8s %9llu %9llu %8u %8u %7.1f %7.0f %7.1f %6u %6u", i, state_of(sailor),
               (unsigned long long)work->written, (unsigned long long)work->held, work->lag_ms,
               work->edits, stress->mib_per_s[i], work->resident_kib / 1024.0, wal_mib(sailor),
               work->peers, sailor->kills);
        show_links(&stress->chaos, i);
        printf("\n");
    }
    printf("\033[K%-6s %-8s %9llu %9llu %8u %8llu %7.1f %7.0f %7.1f %6u %6u\n", "all", "",
           (unsigned long long)sums.written, (unsigned long long)sums.held, sums.lag_ms,
           (unsigned long long)sums.edits, sums.mib_per_s, sums.resident, sums.wal, sums.peers,
           sums.kills);
    printf("\033[KCtrl-C: settle and compare\n\033[%uA", stress->chaos.crew.count + STRESS_LINES);
}

void stress_show(struct stress *stress, const char *phase) {
    const int64_t now_ms = tell_now_ms();
    if (stress->written_ms == 0 && stress_has_written(stress))
        stress->written_ms = now_ms - stress->chaos.begun_ms;
    if (now_ms < stress->show_ms) return;
    stress->show_ms = now_ms + (stress->terminal ? STRESS_TABLE_MS : STRESS_LINE_MS);
    measure(stress, now_ms);
    if (stress->options.json) return;
    if (stress->terminal)
        show_table(stress, phase);
    else
        show_line(stress, phase);
    fflush(stdout);
}

void stress_show_end(struct stress *stress) {
    stress->show_ms = 0;
    stress_show(stress, "settled");
    if (!stress->terminal) return;
    printf("\033[%uB", stress->chaos.crew.count + STRESS_LINES);
    fflush(stdout); /* What compares the files is another process. */
    stress->terminal = false;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static void tell_devices(const struct stress *stress) {
    for (unsigned i = 0; i < stress->chaos.crew.count; i++) {
        const struct sailor *sailor = &stress->chaos.crew.sailors[i];
        printf("%s{\"device\":%u,\"written\":%llu,\"held\":%llu,\"edits\":%u,\"bytes\":%llu,"
               "\"peak_mib\":%.1f,\"wal_peak_mib\":%.1f,\"lag_peak_ms\":%u,\"kills\":%u,"
               "\"stops\":%u}",
               i == 0 ? "" : ",", i, (unsigned long long)sailor->work.written,
               (unsigned long long)sailor->work.held, sailor->work.edits,
               (unsigned long long)(sailor->bytes + sailor->work.bytes), stress->peak_mib[i],
               stress->wal_peak_mib[i], stress->lag_peak_ms[i], sailor->kills, sailor->stops);
    }
}

void stress_tell(const struct stress *stress, bool equal, bool interrupted) {
    const struct chaos *chaos = &stress->chaos;
    const struct sums sums = sums_of(stress);
    struct proxy_figures figures = {0};
    if (chaos->crew.proxy != NULL) proxy_figures(chaos->crew.proxy, &figures);
    if (stress->options.json) {
        printf("{\"seed\":%llu,\"devices\":%u,\"degree\":%u,\"interrupted\":%s,\"written\":%llu,"
               "\"edits\":%llu,\"written_ms\":%lld,\"settled_ms\":%lld,\"bytes\":%llu,"
               "\"kills\":%u,\"stops\":%u,\"blackouts\":%u,\"link_faults\":%u,\"cut\":%u,"
               "\"corrupted\":%u,\"equal\":%s,\"each\":[",
               (unsigned long long)stress->options.seed, chaos->crew.count, stress->options.degree,
               interrupted ? "true" : "false", (unsigned long long)sums.written,
               (unsigned long long)sums.edits, (long long)stress->written_ms,
               (long long)chaos->converged_ms, (unsigned long long)sums.bytes, sums.kills,
               sums.stops, chaos->blackouts, chaos->link_faults, figures.cut, figures.corrupted,
               equal ? "true" : "false");
        tell_devices(stress);
        printf("]}\n");
        return;
    }
    printf("%llu rows and %llu edits by %u devices", (unsigned long long)sums.written,
           (unsigned long long)sums.edits, chaos->crew.count);
    if (stress->written_ms > 0) printf(" in %.1f s", (double)stress->written_ms / 1000);
    printf("; settled %.1f s after the %s; %.1f MiB passed.\n", (double)chaos->converged_ms / 1000,
           interrupted ? "interruption" : "end", mib(sums.bytes));
    if (stress->options.faults != 0)
        printf("%u kills, %u stops, %u blackouts; %u faults of links: %u connections cut, %u bytes "
               "changed.\n",
               sums.kills, sums.stops, chaos->blackouts, chaos->link_faults, figures.cut,
               figures.corrupted);
    printf("%s\n",
           equal ? "EQUAL: every table of every device, row by row." : "DIFFERENT: see above.");
}
