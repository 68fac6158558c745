/* Pairs of sides run back to back, and the medians over them. See pairs.h. */
#include "perf/pairs.h"

#include <math.h>

#include "engine/base/check.h"

bool pairs_add(struct pairs *pairs, const struct side *engine, const struct side *bare) {
    CHECK(pairs->n < BENCH_PAIRS_MAX);
    pairs->failed = true;
    if (engine->failed) fprintf(stderr, "  the engine's side failed: %s\n", engine->why);
    if (bare->failed) fprintf(stderr, "  the bare side failed: %s\n", bare->why);
    if (engine->failed || bare->failed) return false;
    if (engine->hash != bare->hash || engine->hash == 0) {
        fprintf(stderr, "  the two sides hold different rows: %016llx and %016llx\n",
                (unsigned long long)engine->hash, (unsigned long long)bare->hash);
        return false;
    }
    unsigned i = pairs->n++;
    double rows = (double)engine->rows;
    CHECK(rows > 0 && bare->rows == engine->rows);
    pairs->rate[i] = rows / engine->seconds;
    pairs->bare_rate[i] = rows / bare->seconds;
    pairs->ratio[i] = engine->seconds / bare->seconds;
    pairs->cpu_ratio[i] = engine->cpu_seconds / bare->cpu_seconds;
    pairs->written[i] = (double)engine->written / rows;
    pairs->bare_written[i] = (double)bare->written / rows;
    pairs->wire[i] = engine->wire > 0 ? (double)engine->wire / rows : NAN;
    pairs->group[i] = engine->commits > 0 ? rows / (double)engine->commits : NAN;
    pairs->p50[i] = engine->p50 > 0 ? engine->p50 * 1e6 : NAN;
    pairs->p99[i] = engine->p99 > 0 ? engine->p99 * 1e6 : NAN;
    pairs->bare_p50[i] = bare->p50 > 0 ? bare->p50 * 1e6 : NAN;
    pairs->bare_p99[i] = bare->p99 > 0 ? bare->p99 * 1e6 : NAN;
    pairs->rss[i] = (double)engine->rss_max / (1 << 20);
    pairs->bare_rss[i] = (double)bare->rss_max / (1 << 20);
    pairs->hash = engine->hash;
    pairs->failed = false;
    return true;
}

/* The median, or NAN when the figure does not apply. */
static double median(double *values, unsigned n) {
    return isnan(values[0]) ? NAN : bench_median(values, n);
}

uint64_t pairs_group(const struct pairs *pairs, const struct side *engine, uint64_t other) {
    double group = pairs->n > 0 ? pairs->group[pairs->n - 1] : NAN;
    if (engine->commits > 0) group = (double)engine->rows / (double)engine->commits;
    return group >= 1 ? (uint64_t)llround(group) : other;
}

void pairs_print(struct bench *bench, struct pairs *pairs, const char *name, const char *unit) {
    pairs_print_rows(bench, pairs, name, unit, bench->rows);
}

void pairs_print_rows(struct bench *bench, struct pairs *pairs, const char *name, const char *unit,
                      uint64_t rows) {
    if (pairs->n == 0) return;
    char random_name[64];
    (void)snprintf(random_name, sizeof random_name, "%s, v4 ids", name);
    if (bench->random_ids) name = random_name;
    struct bench_figure figure = bench_figure_of(name, bench_median(pairs->rate, pairs->n), unit);
    bench_figure_ratio(&figure, "bare", pairs->ratio, pairs->n);
    figure.cpu_ratio = bench_median(pairs->cpu_ratio, pairs->n);
    figure.written_per_row = bench_median(pairs->written, pairs->n);
    figure.wire_per_row = median(pairs->wire, pairs->n);
    figure.p50 = median(pairs->p50, pairs->n);
    figure.p99 = median(pairs->p99, pairs->n);
    figure.rows = rows;
    figure.threads = pairs->threads;
    figure.result_hash = pairs->hash;
    bench_print(bench, &figure);

    struct bench_figure bare =
        bench_figure_of(bench->random_ids ? "bare loop, v4 ids" : "bare loop",
                        bench_median(pairs->bare_rate, pairs->n), unit);
    bare.written_per_row = bench_median(pairs->bare_written, pairs->n);
    bare.p50 = median(pairs->bare_p50, pairs->n);
    bare.p99 = median(pairs->bare_p99, pairs->n);
    bare.n = pairs->n;
    bare.rows = rows;
    bench_print(bench, &bare);

    if (isnan(pairs->group[0])) return;
    struct bench_figure group =
        bench_figure_of("rows per disk commit", bench_median(pairs->group, pairs->n), "rows");
    group.n = pairs->n;
    group.rows = rows;
    bench_print(bench, &group);
}

void pairs_print_memory(struct bench *bench, struct pairs *pairs) {
    if (pairs->n == 0) return;
    struct bench_figure engine =
        bench_figure_of("peak memory", bench_median(pairs->rss, pairs->n), "MiB");
    struct bench_figure bare =
        bench_figure_of("... of the bare loop", bench_median(pairs->bare_rss, pairs->n), "MiB");
    engine.n = bare.n = pairs->n;
    engine.rows = bare.rows = bench->rows;
    bench_print(bench, &engine);
    bench_print(bench, &bare);
}
