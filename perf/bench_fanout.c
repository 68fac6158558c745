/* What eight receivers cost the device that writes: A's time to write entries that eight others
 * take at the same time, beside its time alone.
 *
 *     A: found, invite ──8 links──► receivers: join, take all ──► close at the end
 *
 * Receivers run at the lowest priority: on a machine of few cores they would take from A what in
 * life is other machines'. A's time ends when its last transaction is durable at A; `all have all`
 * counts from the same beginning until A knows that the last row is durable on all eight. cpu is
 * A's own, up to that moment, over A's alone.
 *
 * `sends per encoding` says how often a batch that was encoded and compressed once was sent: 8 when
 * every receiver stays near A's head, less when some lag and are served from the database. */
#include <sys/resource.h>

#include "engine/base/check.h"
#include "perf/bare.h"
#include "perf/feed.h"
#include "perf/meet.h"

#define RECEIVERS 8u
#define ROWS_PER_COMMIT 1000u
#define LOWEST 19

struct fanout {
    const struct workload *workload;
    char path_a[BENCH_PATH_MAX], path_alone[BENCH_PATH_MAX], paths[RECEIVERS][BENCH_PATH_MAX];
    uint64_t rows;
    unsigned next; /* the receiver that is forked next */
    struct meet meet;
};

struct results {
    unsigned n;
    double rate[BENCH_PAIRS_MAX], ratio[BENCH_PAIRS_MAX], cpu_ratio[BENCH_PAIRS_MAX];
    double alone_rate[BENCH_PAIRS_MAX];
    double all_rate[BENCH_PAIRS_MAX], all_ratio[BENCH_PAIRS_MAX];
    double wire[BENCH_PAIRS_MAX], sends[BENCH_PAIRS_MAX];
    double peak_a[BENCH_PAIRS_MAX], peak_others[BENCH_PAIRS_MAX]; /* MiB */
    uint64_t hash;
};

/* Writes all rows and measures; `others` of them take part. */
static void write_all(struct feed *feed, const struct fanout *fanout, unsigned others,
                      struct side *side) {
    struct weft_stats before, after;
    struct side whole = {0};
    const enum weft_level level = others > 0 ? WEFT_REPLICATED : WEFT_DURABLE;
    uint64_t ticket = 0;
    if (!feed_locations(feed, fanout->rows, level, others, side)) return;
    weft_stats(feed->engine, &before);
    side_begin(side);
    side_begin(&whole);
    (void)(feed_all(feed, fanout->rows - 1, ROWS_PER_COMMIT, 1, WEFT_DURABLE, 0, side) &&
           feed_rows(feed, fanout->rows - 1, 1, &ticket, side) &&
           feed_wait(feed, ticket, WEFT_DURABLE, 0, side));
    side_end(side);
    if (!side->failed) (void)feed_wait(feed, ticket, level, others, side);
    side_end(&whole);
    weft_stats(feed->engine, &after);
    side->cpu_seconds = whole.cpu_seconds;
    side->all_seconds = whole.seconds;
    side->encoded = after.batches_encoded - before.batches_encoded;
    side->shared = after.batches_shared - before.batches_shared;
    side->wire = after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
    side->rows = fanout->rows;
}

static void run_alone(void *context, struct side *side) {
    const struct fanout *fanout = context;
    struct feed feed;
    if (!feed_open(&feed, fanout->workload, fanout->path_alone, NULL, side)) return;
    write_all(&feed, fanout, 0, side);
    feed_close(&feed);
    if (!side->failed) side->hash = bare_hash(fanout->path_alone, fanout->rows);
}

static void run_a(void *context, struct side *side) {
    struct fanout *fanout = context;
    struct feed feed;
    if (!feed_open(&feed, fanout->workload, fanout->path_a, NULL, side)) return;
    if (meet_offer(&fanout->meet, feed.engine, RECEIVERS, side))
        write_all(&feed, fanout, RECEIVERS, side);
    feed_close(&feed);
    if (!side->failed) side->hash = bare_hash(fanout->path_a, fanout->rows);
}

static void run_receiver(void *context, struct side *side) {
    struct fanout *fanout = context;
    const char *path = fanout->paths[fanout->next];
    struct feed feed;
    char link[WEFT_LINK_MAX];
    CHECK(setpriority(PRIO_PROCESS, 0, LOWEST) == 0);
    if (!meet_take(&fanout->meet, link, side)) return;
    if (!feed_open(&feed, fanout->workload, path, link, side)) return;
    side_begin(side);
    meet_wait(&fanout->meet);
    side_end(side);
    feed_close(&feed);
    if (!side->failed) side->hash = bare_hash(path, fanout->rows);
}

/* All nine devices; `others` receives the greatest peak of a receiver. */
static void run_together(struct fanout *fanout, struct side *a, uint64_t *others) {
    struct side_process receivers[RECEIVERS];
    meet_open(&fanout->meet);
    struct side_process process = side_start(run_a, fanout);
    for (fanout->next = 0; fanout->next < RECEIVERS; fanout->next++)
        receivers[fanout->next] = side_start(run_receiver, fanout);
    meet_begun(&fanout->meet);
    side_finish(&process, a);
    meet_end(&fanout->meet);
    *others = 0;
    for (unsigned i = 0; i < RECEIVERS; i++) {
        struct side side;
        side_finish(&receivers[i], &side);
        if (side.failed) side_fail(a, "receiver %u: %s", i, side.why);
        if (side.hash != a->hash) side_fail(a, "receiver %u holds other rows", i);
        if (side.rss_max > *others) *others = side.rss_max;
    }
    meet_close(&fanout->meet);
}

static bool run_pair(struct fanout *fanout, struct results *results, unsigned pair) {
    struct side a = {0}, alone = {0};
    uint64_t others = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        if ((turn + pair) % 2 == 0) {
            run_together(fanout, &a, &others);
        } else {
            struct side_process process = side_start(run_alone, fanout);
            side_finish(&process, &alone);
        }
    }
    bench_forget(fanout->path_a);
    bench_forget(fanout->path_alone);
    for (unsigned i = 0; i < RECEIVERS; i++)
        bench_forget(fanout->paths[i]);
    if (a.failed) fprintf(stderr, "  with receivers: %s\n", a.why);
    if (alone.failed) fprintf(stderr, "  alone: %s\n", alone.why);
    if (a.failed || alone.failed) return false;
    const unsigned i = results->n++;
    const double rows = (double)fanout->rows;
    results->rate[i] = rows / a.seconds;
    results->alone_rate[i] = rows / alone.seconds;
    results->ratio[i] = a.seconds / alone.seconds;
    results->cpu_ratio[i] = a.cpu_seconds / alone.cpu_seconds;
    results->all_rate[i] = rows / a.all_seconds;
    results->all_ratio[i] = a.all_seconds / alone.seconds;
    results->wire[i] = (double)a.wire / rows / RECEIVERS;
    results->sends[i] = (double)(a.encoded + a.shared) / (double)(a.encoded + !a.encoded);
    results->peak_a[i] = (double)a.rss_max / (1 << 20);
    results->peak_others[i] = (double)others / (1 << 20);
    results->hash = a.hash;
    return true;
}

static void print_one(struct bench *bench, const char *name, double *values, unsigned n,
                      const char *unit) {
    struct bench_figure figure = bench_figure_of(name, bench_median(values, n), unit);
    figure.n = n;
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

static void print_all(struct bench *bench, struct results *results) {
    const unsigned n = results->n;
    if (n == 0) return;
    struct bench_figure rate =
        bench_figure_of("A, 8 receivers", bench_median(results->rate, n), "rows/s");
    struct bench_figure all =
        bench_figure_of("all have all", bench_median(results->all_rate, n), "rows/s");
    bench_figure_ratio(&rate, "A alone", results->ratio, n);
    rate.cpu_ratio = bench_median(results->cpu_ratio, n);
    rate.wire_per_row = bench_median(results->wire, n);
    bench_figure_ratio(&all, "A alone", results->all_ratio, n);
    rate.rows = all.rows = bench->rows;
    rate.result_hash = results->hash;
    bench_print(bench, &rate);
    print_one(bench, "A alone", results->alone_rate, n, "rows/s");
    bench_print(bench, &all);
    print_one(bench, "sends per encoding", results->sends, n, "sends");
    print_one(bench, "peak memory of A", results->peak_a, n, "MiB");
    print_one(bench, "... of the receivers", results->peak_others, n, "MiB");
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 100000, 2000};
    static struct results results;
    struct bench bench;
    int status;
    if (!bench_open(&bench, "fanout", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    struct fanout fanout = {.workload = workload, .rows = bench.rows};
    bench_path(&bench, "a.weft", fanout.path_a);
    bench_path(&bench, "alone.weft", fanout.path_alone);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%u.weft", i);
        bench_path(&bench, name, fanout.paths[i]);
    }
    bool good = workload != NULL && bench.rows > 1;
    for (unsigned pair = 0; pair < bench.pairs && good; pair++)
        good = run_pair(&fanout, &results, pair);
    print_all(&bench, &results);
    workload_close(workload);
    return bench_close(&bench, !good);
}
