/* See gauges.h. */
#include "tests/chaos/gauges.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const gauge_names[GAUGES] = {
    [GAUGE_HEAP] = "heap",
    [GAUGE_POOLS] = "pools",
    [GAUGE_SQLITE] = "SQLite",
    [GAUGE_RESIDENT] = "resident",
    [GAUGE_DESCRIPTORS] = "descriptors",
    [GAUGE_THREADS] = "threads",
    [GAUGE_WAL] = "write-ahead log",
    [GAUGE_DATABASE] = "database",
};

/* ---- measuring ------------------------------------------------------------------------------- */

static bool status_read(pid_t pid, double *memory, double *threads) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) *memory = strtod(line + 6, NULL);
        if (strncmp(line, "Threads:", 8) == 0) *threads = strtod(line + 8, NULL);
    }
    fclose(file);
    return *memory > 0 && *threads > 0;
}

static bool descriptors_count(pid_t pid, double *count) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *folder = opendir(path);
    if (folder == NULL) return false;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        *count += entry->d_name[0] != '.';
    closedir(folder);
    return true;
}

static double file_kib(const char *path, const char *ending) {
    char whole[512];
    struct stat found;
    snprintf(whole, sizeof whole, "%s%s", path, ending);
    return stat(whole, &found) == 0 ? (double)found.st_size / 1024 : 0;
}

bool gauges_take(struct gauges *gauges, int64_t at_ms, pid_t pid, const char *path,
                 const struct ledger_memory *memory) {
    if (gauges->count == gauges->room) {
        const uint32_t room = gauges->room == 0 ? 256 : 2 * gauges->room;
        struct gauge_sample *grown = realloc(gauges->samples, room * sizeof *grown);
        if (grown == NULL) return false;
        gauges->samples = grown;
        gauges->room = room;
    }
    struct gauge_sample *sample = &gauges->samples[gauges->count];
    *sample = (struct gauge_sample){.at_ms = at_ms};
    if (!status_read(pid, &sample->value[GAUGE_RESIDENT], &sample->value[GAUGE_THREADS]) ||
        !descriptors_count(pid, &sample->value[GAUGE_DESCRIPTORS]))
        return false;
    sample->value[GAUGE_HEAP] = (double)(memory->heap - memory->pools - memory->sqlite) / 1024;
    sample->value[GAUGE_POOLS] = (double)memory->pools / 1024;
    sample->value[GAUGE_SQLITE] = (double)memory->sqlite / 1024;
    sample->value[GAUGE_WAL] = file_kib(path, "-wal");
    sample->value[GAUGE_DATABASE] = file_kib(path, "");
    gauges->count++;
    return true;
}

void gauges_free(struct gauges *gauges) {
    free(gauges->samples);
    *gauges = (struct gauges){0};
}

/* ---- judging --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return count == 0       ? 0
           : count % 2 == 1 ? values[count / 2]
                            : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static uint32_t quarter_begin(const struct gauges *gauges, unsigned quarter) {
    return (uint32_t)((uint64_t)gauges->count * quarter / 4);
}

double gauges_last(const struct gauges *gauges, enum gauge gauge) {
    return gauges->count == 0 ? 0 : gauges->samples[gauges->count - 1].value[gauge];
}

double gauges_most(const struct gauges *gauges, enum gauge gauge, unsigned quarter) {
    double most = 0;
    for (uint32_t i = quarter_begin(gauges, quarter); i < quarter_begin(gauges, quarter + 1); i++) {
        if (gauges->samples[i].value[gauge] > most) most = gauges->samples[i].value[gauge];
    }
    return most;
}

double gauges_slope(const struct gauges *gauges, enum gauge gauge) {
    const uint32_t begin = gauges->count / 2, count = gauges->count - begin;
    double *slopes = calloc((size_t)count * count / 2 + 1, sizeof *slopes);
    size_t pairs = 0;
    if (slopes == NULL) return -1;
    for (uint32_t i = begin; i < gauges->count; i++) {
        for (uint32_t j = i + 1; j < gauges->count; j++) {
            const struct gauge_sample *a = &gauges->samples[i], *b = &gauges->samples[j];
            const double minutes = (double)(b->at_ms - a->at_ms) / 60000;
            if (minutes > 0) slopes[pairs++] = (b->value[gauge] - a->value[gauge]) / minutes;
        }
    }
    const double slope = median(slopes, pairs);
    free(slopes);
    return slope;
}

static bool level(const struct gauges *gauges, enum gauge gauge, char *say, size_t cap) {
    const double before = gauges_most(gauges, gauge, 1), now = gauges_most(gauges, gauge, 3);
    if (now <= 1.1 * before + GAUGES_SLACK_KIB) return true;
    snprintf(say, cap, "%s grew from %.0f to %.0f KiB", gauge_names[gauge], before, now);
    return false;
}

static bool bounded(const struct gauges *gauges, enum gauge gauge, double bound, char *say,
                    size_t cap) {
    for (unsigned quarter = 0; quarter < 4; quarter++) {
        const double most = gauges_most(gauges, gauge, quarter);
        if (most <= bound) continue;
        snprintf(say, cap, "%s took %.0f KiB, %.0f are the bound", gauge_names[gauge], most, bound);
        return false;
    }
    return true;
}

static bool sloped(const struct gauges *gauges, enum gauge gauge, double bound, char *say,
                   size_t cap) {
    const double slope = gauges_slope(gauges, gauge);
    if (slope <= bound) return true;
    snprintf(say, cap, "%s: %+.1f a minute, %.1f are allowed", gauge_names[gauge], slope, bound);
    return false;
}

bool gauges_flat(const struct gauges *gauges, char *say, size_t cap) {
    if (gauges->count < GAUGES_SAMPLES_MIN) {
        snprintf(say, cap, "%u samples are too few to say", gauges->count);
        return false;
    }
    return sloped(gauges, GAUGE_HEAP, GAUGES_SLOPE_KIB, say, cap) &&
           sloped(gauges, GAUGE_RESIDENT, GAUGES_RESIDENT_KIB, say, cap) &&
           sloped(gauges, GAUGE_DESCRIPTORS, 1 / GAUGES_MINUTES, say, cap) &&
           sloped(gauges, GAUGE_THREADS, 1 / GAUGES_MINUTES, say, cap) &&
           bounded(gauges, GAUGE_WAL, GAUGES_WAL_KIB, say, cap) &&
           bounded(gauges, GAUGE_POOLS, GAUGES_POOLS_KIB, say, cap) &&
           level(gauges, GAUGE_SQLITE, say, cap) && level(gauges, GAUGE_RESIDENT, say, cap) &&
           level(gauges, GAUGE_DATABASE, say, cap);
}
