/* What the parts of capture cost a bulk write, each against the same write without it.
 *
 *   engine      entries through the public interface, durable: as ingest_bulk, from one thread
 *   hook        the same while a hook is told every commit when it is durable, with all keys
 *   columns     the bare loop into a table with the two columns and the index that the engine adds
 *
 * The four sides of a round (with and without a hook, with and without the columns) run back to
 * back, each in a process of its own, all with as many rows in a commit. */
#include <pthread.h>

#include "perf/bare.h"
#include "perf/feed.h"

#define ROWS_PER_COMMIT 1000u
#define GROUP \
    16384u /* rows of a commit of the bare loop: LIMIT_GROUP_ROWS, which the engine fills */

enum { ENGINE, HOOK, BARE, COLUMNS, SIDES };

static const char columns_sql[] = "ALTER TABLE entry ADD COLUMN owner_number INTEGER;"
                                  "ALTER TABLE entry ADD COLUMN version INTEGER;"
                                  "CREATE INDEX entry_version ON entry(owner_number, version);";

struct capture {
    const struct workload *workload;
    char path[BENCH_PATH_MAX];
    uint64_t rows;
    bool hook;
};

/* What the hook was told: written by its thread, awaited by the bench's. */
struct told {
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint64_t rows, lost;
};

static void on_commit(void *context, const struct weft_commit *commit) {
    struct told *told = context;
    (void)pthread_mutex_lock(&told->lock);
    told->rows += commit->count;
    told->lost += commit->lost;
    (void)pthread_cond_signal(&told->more);
    (void)pthread_mutex_unlock(&told->lock);
}

/* Waits until the hook was told all rows, or that it was too slow for some. */
static void await(struct told *told, uint64_t rows) {
    (void)pthread_mutex_lock(&told->lock);
    while (told->rows < rows && told->lost == 0)
        (void)pthread_cond_wait(&told->more, &told->lock);
    (void)pthread_mutex_unlock(&told->lock);
}

static void engine_run(void *context, struct side *side) {
    const struct capture *capture = context;
    const unsigned which = WEFT_HOOK_AFTER | WEFT_HOOK_LOCAL;
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    struct weft_error why = {0};
    struct feed feed;
    if (!feed_open(&feed, capture->workload, capture->path, NULL, side)) return;
    if (feed_locations(&feed, capture->rows, WEFT_DURABLE, 0, side)) {
        if (capture->hook && weft_on_commit(feed.engine, which, on_commit, &told, &why) != WEFT_OK)
            side_fail(side, "hook: %s", why.text);
        side_begin(side);
        if (!side->failed)
            (void)feed_all(&feed, capture->rows, ROWS_PER_COMMIT, 1, WEFT_DURABLE, 0, side);
        side_end(side);
        if (capture->hook && !side->failed) await(&told, capture->rows);
    }
    feed_close(&feed);
    side_written(side);
    side->rows = capture->rows;
    if (!side->failed) side->hash = bare_hash(capture->path, capture->rows);
}

/* Runs the sides, the first one being `first`; false when one failed or holds other rows. */
static bool run_round(struct capture *capture, unsigned first, struct side *sides) {
    bool good = true;
    for (unsigned i = 0; i < SIDES && good; i++) {
        const unsigned which = (first + i) % SIDES;
        struct bare bare = {.workload = capture->workload,
                            .path = capture->path,
                            .rows = capture->rows,
                            .rows_per_commit = GROUP};
        capture->hook = which == HOOK;
        if (which == COLUMNS) {
            bare.sql = columns_sql;
            bare.names = ", owner_number, version";
        }
        struct side_process process =
            which <= HOOK ? side_start(engine_run, capture) : side_start(bare_run, &bare);
        side_finish(&process, &sides[which]);
        bench_forget(capture->path);
        good = !sides[which].failed;
        if (!good) fprintf(stderr, "  side %u: %s\n", which, sides[which].why);
    }
    for (unsigned i = 1; i < SIDES && good; i++) {
        good = sides[i].hash == sides[0].hash && sides[0].hash != 0;
        if (!good) fprintf(stderr, "  side %u holds other rows\n", i);
    }
    return good;
}

/* One side over rounds, and over the side that it is held against. */
struct series {
    double rate[BENCH_PAIRS_MAX], written[BENCH_PAIRS_MAX];
    double ratio[BENCH_PAIRS_MAX], cpu_ratio[BENCH_PAIRS_MAX];
};

static void add(struct series *series, unsigned round, const struct side *side,
                const struct side *other) {
    series->rate[round] = (double)side->rows / side->seconds;
    series->written[round] = (double)side->written / (double)side->rows;
    series->ratio[round] = side->seconds / other->seconds;
    series->cpu_ratio[round] = side->cpu_seconds / other->cpu_seconds;
}

static void print_one(struct bench *bench, const char *name, const char *to,
                      struct series *series) {
    const unsigned n = bench->pairs;
    struct bench_figure figure = bench_figure_of(name, bench_median(series->rate, n), "rows/s");
    if (to != NULL) {
        bench_figure_ratio(&figure, to, series->ratio, n);
        figure.cpu_ratio = bench_median(series->cpu_ratio, n);
    }
    figure.written_per_row = bench_median(series->written, n);
    figure.n = n;
    figure.rows = bench->rows;
    bench_print(bench, &figure);
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    static const char *const names[SIDES] = {"engine", "hook", "bare loop", "columns"};
    static struct series all[SIDES];
    struct bench bench;
    int status;
    if (!bench_open(&bench, "capture", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    struct capture capture = {.workload = workload, .rows = bench.rows};
    bench_path(&bench, "capture.weft", capture.path);
    bool good = workload != NULL;
    for (unsigned round = 0; round < bench.pairs && good; round++) {
        struct side sides[SIDES] = {0};
        good = run_round(&capture, round, sides);
        for (unsigned i = 0; i < SIDES && good; i++)
            add(&all[i], round, &sides[i], &sides[i / 2 * 2]);
    }
    for (unsigned i = 0; i < SIDES && good; i++)
        print_one(&bench, names[i], i % 2 == 0 ? NULL : names[i - 1], &all[i]);
    workload_close(workload);
    return bench_close(&bench, !good);
}
