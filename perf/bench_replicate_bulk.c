/* What it costs to have every row on two devices instead of one: device A writes entries in
 * transactions of 1,000 rows, device B, a process of its own behind a loopback connection, applies
 * them; beside the bare loop on one device.
 *
 *     parent ──fork──► B: found, listen, invite ──link──► A: join, write, wait ──► done
 *       └──fork──► A                                      └─ parent tells B to finish
 *
 * The time is that from before A's first weft_begin() until A knows that the last row is durable on
 * B (WEFT_REPLICATED on one device). CPU time and bytes written are the sums of A and B; bytes on
 * the wire are those of both directions. A's, B's and the bare rows must be equal at the end. */

#include "engine/base/check.h"
#include "perf/bare.h"
#include "perf/feed.h"
#include "perf/meet.h"
#include "perf/pairs.h"

#define ROWS_PER_COMMIT 1000u
#define THREADS 1u

struct replication {
    const struct workload *workload;
    char path_a[BENCH_PATH_MAX], path_b[BENCH_PATH_MAX], path_bare[BENCH_PATH_MAX];
    uint64_t rows;
    struct meet meet;
};

static void run_b(void *context, struct side *side) {
    struct replication *replication = context;
    struct feed feed;
    struct weft_stats stats;
    if (!feed_open(&feed, replication->workload, replication->path_b, NULL, side)) return;
    side_begin(side);
    if (meet_offer(&replication->meet, feed.engine, 1, side)) meet_wait(&replication->meet);
    side_end(side);
    weft_stats(feed.engine, &stats);
    side->commits = stats.syncs;
    side->rows = replication->rows;
    feed_close(&feed);
    side_written(side);
    if (!side->failed) side->hash = bare_hash(replication->path_b, replication->rows);
}

static void run_a(void *context, struct side *side) {
    struct replication *replication = context;
    struct feed feed;
    struct weft_stats before, after;
    char link[WEFT_LINK_MAX];
    if (!meet_take(&replication->meet, link, side)) return;
    if (!feed_open(&feed, replication->workload, replication->path_a, link, side)) return;
    /* The session by which it came in stays. */
    if (feed_locations(&feed, replication->rows, WEFT_REPLICATED, 1, side)) {
        weft_stats(feed.engine, &before);
        side_begin(side);
        (void)feed_all(&feed, replication->rows, ROWS_PER_COMMIT, THREADS, WEFT_REPLICATED, 1,
                       side);
        side_end(side);
        weft_stats(feed.engine, &after);
        side->commits = after.syncs - before.syncs;
        side->wire = after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
        uint64_t disk = after.batches_from_disk - before.batches_from_disk;
        uint64_t memory = after.batches_from_memory - before.batches_from_memory;
        side->from_disk = (double)disk / (double)(disk + memory + !(disk + memory));
        side->rows = replication->rows;
    }
    feed_close(&feed);
    side_written(side);
    if (!side->failed) side->hash = bare_hash(replication->path_a, replication->rows);
}

/* Both devices, until both have ended. */
static void run_both(struct replication *replication, struct side *a, struct side *b) {
    meet_open(&replication->meet);
    struct side_process process_b = side_start(run_b, replication);
    struct side_process process_a = side_start(run_a, replication);
    meet_begun(&replication->meet);
    side_finish(&process_a, a);
    meet_end(&replication->meet);
    side_finish(&process_b, b);
    meet_close(&replication->meet);
    if (b->failed) side_fail(a, "device B: %s", b->why);
    if (a->hash != b->hash)
        side_fail(a, "A and B hold different rows: %016llx and %016llx",
                  (unsigned long long)a->hash, (unsigned long long)b->hash);
}

struct peaks {
    double a[BENCH_PAIRS_MAX], b[BENCH_PAIRS_MAX];
    double from_disk[BENCH_PAIRS_MAX]; /* per cent of the batches */
};

static bool run_pair(struct bench *bench, struct replication *replication, unsigned pair,
                     struct pairs *pairs, struct peaks *peaks) {
    struct side a = {0}, b = {0}, loop = {0};
    for (unsigned turn = 0; turn < 2; turn++) {
        if ((turn + pair) % 2 == 0) {
            run_both(replication, &a, &b);
            continue;
        }
        struct bare bare = {.workload = replication->workload,
                            .path = replication->path_bare,
                            .rows = bench->rows,
                            .rows_per_commit = pairs_group(pairs, &a, ROWS_PER_COMMIT)};
        struct side_process process = side_start(bare_run, &bare);
        side_finish(&process, &loop);
    }
    bench_forget(replication->path_a);
    bench_forget(replication->path_b);
    bench_forget(replication->path_bare);
    peaks->a[pair] = (double)a.rss_max / (1 << 20);
    peaks->b[pair] = (double)b.rss_max / (1 << 20);
    peaks->from_disk[pair] = a.from_disk * 100;
    a.cpu_seconds += b.cpu_seconds;
    a.written += b.written;
    return pairs_add(pairs, &a, &loop);
}

static void print_peaks(struct bench *bench, struct peaks *peaks, unsigned n) {
    if (n == 0) return;
    struct bench_figure a = bench_figure_of("peak memory of A", bench_median(peaks->a, n), "MiB");
    struct bench_figure b = bench_figure_of("peak memory of B", bench_median(peaks->b, n), "MiB");
    struct bench_figure disk =
        bench_figure_of("batches read from disk", bench_median(peaks->from_disk, n), "%");
    a.n = b.n = disk.n = n;
    a.rows = b.rows = disk.rows = bench->rows;
    bench_print(bench, &a);
    bench_print(bench, &b);
    bench_print(bench, &disk);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "replicate_bulk", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    static struct pairs pairs;
    static struct peaks peaks;
    struct replication replication = {.workload = workload, .rows = bench.rows};
    bench_path(&bench, "a.weft", replication.path_a);
    bench_path(&bench, "b.weft", replication.path_b);
    bench_path(&bench, "bare.db", replication.path_bare);
    pairs.failed = workload == NULL;
    for (unsigned pair = 0; pair < bench.pairs && !pairs.failed; pair++)
        (void)run_pair(&bench, &replication, pair, &pairs, &peaks);
    pairs_print(&bench, &pairs, "replicated", "rows/s");
    print_peaks(&bench, &peaks, pairs.n);
    workload_close(workload);
    return bench_close(&bench, pairs.failed);
}
