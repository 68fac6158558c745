/* How fast an indexer can write: entries through the public interface from two threads in
 * transactions of 1,000 rows, durable here, beside the bare loop with as many rows per commit as
 * the engine's group commit made of them.
 *
 * The time is that from before the first weft_begin() until the last ticket of every thread is
 * WEFT_DURABLE; opening and closing are outside. Both sides' rows must be equal at the end. */

#include "perf/bare.h"
#include "perf/feed.h"
#include "perf/pairs.h"

#define THREADS 2u
#define ROWS_PER_COMMIT 1000u

struct ingest {
    const struct workload *workload;
    const char *path;
    uint64_t rows;
    unsigned threads;
};

static void engine_run(void *context, struct side *side) {
    const struct ingest *ingest = context;
    struct feed feed;
    struct weft_stats before, after;
    if (!feed_open(&feed, ingest->workload, ingest->path, NULL, side)) return;
    if (feed_locations(&feed, ingest->rows, WEFT_DURABLE, 0, side)) {
        weft_stats(feed.engine, &before);
        side_begin(side);
        (void)feed_all(&feed, ingest->rows, ROWS_PER_COMMIT, ingest->threads, WEFT_DURABLE, 0,
                       side);
        side_end(side);
        weft_stats(feed.engine, &after);
        side->commits = after.syncs - before.syncs;
        side->rows = ingest->rows;
    }
    feed_close(&feed);
    side_written(side);
    if (!side->failed) side->hash = bare_hash(ingest->path, ingest->rows);
}

/* Runs one pair; its sides change places from pair to pair. The first bare run needs to know the
 * engine's group, so the engine begins. */
static bool run_pair(struct bench *bench, const struct workload *workload, unsigned pair,
                     struct pairs *pairs) {
    char name[64], engine_path[BENCH_PATH_MAX], bare_path[BENCH_PATH_MAX];
    struct side engine = {0}, loop = {0};
    (void)snprintf(name, sizeof name, "engine-%u.weft", pair);
    bench_path(bench, name, engine_path);
    (void)snprintf(name, sizeof name, "bare-%u.db", pair);
    bench_path(bench, name, bare_path);
    struct ingest ingest = {workload, engine_path, bench->rows, pairs->threads};
    struct bare bare = {.workload = workload, .path = bare_path, .rows = bench->rows};
    for (unsigned turn = 0; turn < 2; turn++) {
        if ((turn + pair) % 2 == 0) {
            struct side_process process = side_start(engine_run, &ingest);
            side_finish(&process, &engine);
        } else {
            bare.rows_per_commit = pairs_group(pairs, &engine, ROWS_PER_COMMIT);
            struct side_process process = side_start(bare_run, &bare);
            side_finish(&process, &loop);
        }
    }
    bench_forget(engine_path);
    bench_forget(bare_path);
    return pairs_add(pairs, &engine, &loop);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "ingest_bulk", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    static struct pairs pairs;
    pairs.failed = workload == NULL;
    pairs.threads = bench.threads > 0 ? bench.threads : THREADS;
    for (unsigned pair = 0; pair < bench.pairs && !pairs.failed; pair++)
        (void)run_pair(&bench, workload, pair, &pairs);
    pairs_print(&bench, &pairs, "ingest", "rows/s");
    pairs_print_memory(&bench, &pairs);
    workload_close(workload);
    return bench_close(&bench, pairs.failed);
}
