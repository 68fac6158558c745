/* What a single-row durable transaction costs: four threads, each of which commits one row and
 * waits until it is WEFT_DURABLE before it makes the next, beside one connection that commits one
 * row at a time with synchronous=FULL.
 *
 * Group commit lets the threads share the disk's confirmations; p50 and p99 are of one commit, from
 * weft_begin() until it is durable. */
#include <pthread.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "perf/bare.h"
#include "perf/feed.h"
#include "perf/pairs.h"

#define THREADS 4u

struct ingest {
    const struct workload *workload;
    const char *path;
    uint64_t rows;
    unsigned threads;
};

struct writer {
    struct feed *feed;
    uint64_t rows;
    unsigned number, of;
    double *took; /* one of every row; this thread fills every of-th */
    struct side side;
};

static void *writer_run(void *context) {
    struct writer *writer = context;
    for (uint64_t i = writer->number; i < writer->rows; i += writer->of) {
        uint64_t ticket = 0;
        double started = bench_now();
        if (!feed_rows(writer->feed, i, 1, &ticket, &writer->side) ||
            !feed_wait(writer->feed, ticket, WEFT_DURABLE, 0, &writer->side))
            return NULL;
        writer->took[i] = bench_now() - started;
    }
    return NULL;
}

static void write_all(struct feed *feed, const struct ingest *ingest, double *took,
                      struct side *side) {
    struct writer writers[BENCH_THREADS_MAX];
    pthread_t threads[BENCH_THREADS_MAX];
    for (unsigned i = 0; i < ingest->threads; i++) {
        writers[i] = (struct writer){
            .feed = feed, .rows = ingest->rows, .number = i, .of = ingest->threads, .took = took};
        CHECK(pthread_create(&threads[i], NULL, writer_run, &writers[i]) == 0);
    }
    for (unsigned i = 0; i < ingest->threads; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        if (writers[i].side.failed) side_fail(side, "thread %u: %s", i, writers[i].side.why);
    }
}

static void engine_run(void *context, struct side *side) {
    const struct ingest *ingest = context;
    struct feed feed;
    struct weft_stats before, after;
    double *took = calloc(ingest->rows, sizeof *took);
    CHECK(took != NULL);
    if (!feed_open(&feed, ingest->workload, ingest->path, NULL, side)) goto free;
    if (feed_locations(&feed, ingest->rows, WEFT_DURABLE, 0, side)) {
        weft_stats(feed.engine, &before);
        side_begin(side);
        write_all(&feed, ingest, took, side);
        side_end(side);
        weft_stats(feed.engine, &after);
        side->commits = after.syncs - before.syncs;
        side->rows = ingest->rows;
        bench_sort(took, ingest->rows);
        side->p50 = bench_quantile(took, ingest->rows, 0.50);
        side->p99 = bench_quantile(took, ingest->rows, 0.99);
    }
    feed_close(&feed);
    side_written(side);
    if (!side->failed) side->hash = bare_hash(ingest->path, ingest->rows);
free:
    free(took);
}

static bool run_pair(struct bench *bench, const struct workload *workload, unsigned pair,
                     struct pairs *pairs) {
    char engine_path[BENCH_PATH_MAX], bare_path[BENCH_PATH_MAX];
    struct side engine = {0}, loop = {0};
    bench_path(bench, "engine.weft", engine_path);
    bench_path(bench, "bare.db", bare_path);
    struct ingest ingest = {workload, engine_path, bench->rows, pairs->threads};
    struct bare bare = {.workload = workload,
                        .path = bare_path,
                        .rows = bench->rows,
                        .rows_per_commit = 1,
                        .latencies = true};
    for (unsigned turn = 0; turn < 2; turn++) {
        bool engines = (turn + pair) % 2 == 0;
        struct side_process process =
            engines ? side_start(engine_run, &ingest) : side_start(bare_run, &bare);
        side_finish(&process, engines ? &engine : &loop);
    }
    bench_forget(engine_path);
    bench_forget(bare_path);
    return pairs_add(pairs, &engine, &loop);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {20000, 4000, 200};
    struct bench bench;
    int status;
    if (!bench_open(&bench, "ingest_small", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    static struct pairs pairs;
    pairs.failed = workload == NULL;
    pairs.threads = bench.threads > 0 ? bench.threads : THREADS;
    for (unsigned pair = 0; pair < bench.pairs && !pairs.failed; pair++)
        (void)run_pair(&bench, workload, pair, &pairs);
    pairs_print(&bench, &pairs, "single-row commits", "commit/s");
    workload_close(workload);
    return bench_close(&bench, pairs.failed);
}
