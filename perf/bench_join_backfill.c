/* How long a new device takes to hold what a library holds already: it joins empty and takes every
 * row, beside the bare loop that writes the same rows.
 *
 *   build   a process founds a library of N entries and ends
 *   pair    a process opens it (A); another joins by invite (B), and runs until its last row is
 *           durable. B's time begins before weft_join(): identity, handshake, admission are in it
 *
 * Libraries of N / 10 and of N rows take turns, and of N / 100 where that is 100,000 at least, so
 * that a cost per row that grows shows: `growth`. Each device that came in stays a member for the
 * pairs after it, of which there are few. CPU time and bytes written are the sums of A and B. */

#include "engine/base/check.h"
#include "perf/bare.h"
#include "perf/feed.h"
#include "perf/meet.h"
#include "perf/pairs.h"

#define ROWS_PER_COMMIT 10000u
#define SIZES_MAX 4u
#define SMALLEST 100000u /* rows below which a library is not worth another size */

struct backfill {
    const struct workload *workload;
    char path_a[BENCH_PATH_MAX], path_b[BENCH_PATH_MAX], path_bare[BENCH_PATH_MAX];
    uint64_t rows;
    struct meet meet;
    struct pairs pairs;
    double peak_a[BENCH_PAIRS_MAX], peak_b[BENCH_PAIRS_MAX]; /* MiB */
    double growth[BENCH_PAIRS_MAX]; /* seconds per row, over those of the smallest library */
};

static void build(void *context, struct side *side) {
    const struct backfill *backfill = context;
    struct feed feed;
    if (!feed_open(&feed, backfill->workload, backfill->path_a, NULL, side)) return;
    side_begin(side);
    if (feed_locations(&feed, backfill->rows, WEFT_DURABLE, 0, side))
        (void)feed_all(&feed, backfill->rows, ROWS_PER_COMMIT, 1, WEFT_DURABLE, 0, side);
    side_end(side);
    feed_close(&feed);
}

static void run_a(void *context, struct side *side) {
    struct backfill *backfill = context;
    struct feed feed;
    if (!feed_open(&feed, backfill->workload, backfill->path_a, NULL, side)) return;
    side_begin(side);
    if (meet_offer(&backfill->meet, feed.engine, 1, side)) meet_wait(&backfill->meet);
    side_end(side);
    feed_close(&feed);
    side_written(side);
}

static void run_b(void *context, struct side *side) {
    struct backfill *backfill = context;
    struct feed feed;
    struct weft_stats stats;
    char link[WEFT_LINK_MAX];
    if (!meet_take(&backfill->meet, link, side)) return;
    side_begin(side);
    if (!feed_open(&feed, backfill->workload, backfill->path_b, link, side)) return;
    (void)feed_receive(
        &feed, backfill->rows + workload_locations(backfill->workload, backfill->rows), side);
    side_end(side);
    weft_stats(feed.engine, &stats);
    side->commits = stats.syncs;
    side->wire = stats.bytes_in + stats.bytes_out;
    side->rows = backfill->rows;
    feed_close(&feed);
    side_written(side);
    if (!side->failed) side->hash = bare_hash(backfill->path_b, backfill->rows);
}

static void run_both(struct backfill *backfill, struct side *a, struct side *b) {
    meet_open(&backfill->meet);
    struct side_process process_a = side_start(run_a, backfill);
    struct side_process process_b = side_start(run_b, backfill);
    meet_begun(&backfill->meet);
    side_finish(&process_b, b);
    meet_end(&backfill->meet);
    side_finish(&process_a, a);
    meet_close(&backfill->meet);
    if (a->failed) side_fail(b, "device A: %s", a->why);
}

static bool run_pair(struct backfill *backfill, unsigned pair) {
    struct side a = {0}, b = {0}, loop = {0};
    for (unsigned turn = 0; turn < 2; turn++) {
        if ((turn + pair) % 2 == 0) {
            run_both(backfill, &a, &b);
            continue;
        }
        struct bare bare = {
            .workload = backfill->workload,
            .path = backfill->path_bare,
            .rows = backfill->rows,
            .rows_per_commit = pairs_group(&backfill->pairs, &b, ROWS_PER_COMMIT),
        };
        struct side_process process = side_start(bare_run, &bare);
        side_finish(&process, &loop);
    }
    bench_forget(backfill->path_b);
    bench_forget(backfill->path_bare);
    backfill->peak_a[pair] = (double)a.rss_max / (1 << 20);
    backfill->peak_b[pair] = (double)b.rss_max / (1 << 20);
    b.cpu_seconds += a.cpu_seconds;
    b.written += a.written;
    return pairs_add(&backfill->pairs, &b, &loop);
}

static void print_size(struct bench *bench, struct backfill *backfill, bool smallest) {
    const unsigned n = backfill->pairs.n;
    if (n == 0) return;
    printf("  library of %llu rows\n", (unsigned long long)backfill->rows);
    pairs_print_rows(bench, &backfill->pairs, "joined", "rows/s", backfill->rows);
    struct bench_figure growth =
        bench_figure_of("s/row, to fewest", bench_median(backfill->growth, n), "x");
    struct bench_figure a =
        bench_figure_of("peak memory of A", bench_median(backfill->peak_a, n), "MiB");
    struct bench_figure b =
        bench_figure_of("peak memory of B", bench_median(backfill->peak_b, n), "MiB");
    growth.n = a.n = b.n = n;
    growth.rows = a.rows = b.rows = backfill->rows;
    if (!smallest) bench_print(bench, &growth);
    bench_print(bench, &a);
    bench_print(bench, &b);
}

/* Fills in the sizes, the smallest first. Returns how many there are. */
static unsigned plan(const struct bench *bench, const struct workload *workload,
                     struct backfill *sizes) {
    unsigned count = 0;
    uint64_t rows = bench->rows / 10 > 0 ? bench->rows / 10 : 1;
    while (rows / 10 >= SMALLEST && count < SIZES_MAX - 2) {
        rows /= 10;
        count++;
    }
    count += 2;
    for (unsigned s = 0; s < count; s++) {
        char name[64];
        sizes[s].workload = workload;
        sizes[s].rows = s + 1 < count ? rows : bench->rows;
        rows *= 10;
        (void)snprintf(name, sizeof name, "a-%u.weft", s);
        bench_path(bench, name, sizes[s].path_a);
        bench_path(bench, "b.weft", sizes[s].path_b);
        bench_path(bench, "bare.db", sizes[s].path_bare);
    }
    return count;
}

static bool build_all(struct backfill *sizes, unsigned count) {
    bool good = true;
    for (unsigned s = 0; s < count && good; s++) {
        struct side side;
        struct side_process process = side_start(build, &sizes[s]);
        side_finish(&process, &side);
        good = !side.failed;
        if (good)
            printf("  library of %llu rows built in %.1f s\n", (unsigned long long)sizes[s].rows,
                   side.seconds);
        else
            fprintf(stderr, "  %s\n", side.why);
        fflush(stdout);
    }
    return good;
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    static struct backfill sizes[SIZES_MAX];
    struct bench bench;
    int status;
    if (!bench_open(&bench, "join_backfill", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    const unsigned count = plan(&bench, workload, sizes);
    bool good = workload != NULL && build_all(sizes, count);
    for (unsigned pair = 0; pair < bench.pairs && good; pair++) {
        for (unsigned s = 0; s < count && good; s++)
            good = run_pair(&sizes[s], pair);
        for (unsigned s = 0; s < count && good; s++)
            sizes[s].growth[pair] = sizes[0].pairs.rate[pair] / sizes[s].pairs.rate[pair];
    }
    for (unsigned s = 0; s < count; s++) {
        if (good) print_size(&bench, &sizes[s], s == 0);
        bench_forget(sizes[s].path_a);
    }
    workload_close(workload);
    return bench_close(&bench, !good);
}
