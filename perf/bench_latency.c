/* From a commit on one device until a reader of another sees it, durable on both.
 *
 *     A: commit i ──► reads the pipe ──► commit i + 1
 *     B: hook (AFTER, REMOTE) ──► SELECT sees i ──► pipe
 *
 *   owned, idle     a row of A's own; nothing else happens
 *   shared, idle    a field of a shared row
 *   shared, busy    the same while B, which has just come in, takes all rows of A's library: the
 *                   link and both disks are as full as they can be
 *   confirmed       owned and idle, until A knows that it is durable on B (WEFT_REPLICATED)
 *
 * Beside them, in the same run, what no device can do without: a round trip over TCP on the
 * loopback, and a confirmed write, between the samples, as disks have good and bad minutes.
 * `beyond 3 syncs` is the p50 of `owned, idle` without three of those: one at A, one at B, one for
 * a write that was under way. Quantiles are over the samples of all pairs together. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "perf/feed.h"
#include "perf/floor.h"
#include "perf/meet.h"
#include "perf/watch.h"

#define ROWS_PER_COMMIT 10000u
#define ROWS_PER_SAMPLE 1000u /* an idle sample for so many rows of the library */
#define SAMPLES_MIN 10u
#define BUSY_MAX 100000u /* samples while a backfill runs, of one pair */
#define FLOOR_COUNT 200u
#define PATIENCE_MS 60000
#define TAG_FIRST UINT64_C(1000000000) /* beyond all numbers of the entry */

enum { OWNED, CONFIRMED, SHARED, BUSY, SYNC, SERIES };

static const char *const series_names[SERIES] = {"owned, idle", "confirmed", "shared, idle",
                                                 "shared, busy", "one sync"};

/* Shared by all processes. */
struct samples {
    uint64_t count[SERIES];
    double took[SERIES][BUSY_MAX]; /* seconds */
};

struct latency {
    const struct workload *workload;
    char path_a[BENCH_PATH_MAX], path_b[BENCH_PATH_MAX], path_library[BENCH_PATH_MAX];
    uint64_t rows, idle;
    int floor; /* of floor_open() */
    struct meet meet;
    int sights[2]; /* pipe: what B sees */
    struct samples *samples;
};

static const struct id tag_id = {{0x01, 0x90, 7, 7, 7, 7, 0x70, 1, 0x80, 7}};

/* ---- the writing side ---- */

static bool put_tag(struct feed *feed, int tag, struct side *side) {
    weft_tx *tx = NULL;
    uint64_t ticket = 0;
    struct weft_value row[] = {weft_blob(tag_id.bytes, sizeof tag_id.bytes), weft_text("tag", 3),
                               weft_text("0", 1)};
    enum weft_status status = weft_begin_wait(feed->engine, PATIENCE_MS, &tx);
    if (status == WEFT_OK) status = weft_put(tx, tag, row, sizeof row / sizeof *row);
    if (status == WEFT_OK) status = weft_commit_wait(tx, PATIENCE_MS, &ticket);
    if (status == WEFT_OK) return feed_wait(feed, ticket, WEFT_DURABLE, 0, side);
    side_fail(side, "tag: %s", weft_status_name(status));
    weft_abort(tx);
    return false;
}

/* Writes `number` into the tag's colour or the entry's mtime. */
static bool set_number(struct feed *feed, bool shared, uint64_t number, uint64_t *ticket,
                       struct side *side) {
    const int model = shared ? weft_model(feed->engine, "tag") : feed->entry;
    const int column = weft_column(feed->engine, model, shared ? "color" : "mtime");
    struct entry entry;
    char text[24];
    weft_tx *tx = NULL;
    workload_entry(feed->workload, 0, &entry);
    const int size = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    const struct id *id = shared ? &tag_id : &entry.id;
    struct weft_value key = weft_blob(id->bytes, sizeof id->bytes);
    struct weft_value value =
        shared ? weft_text(text, (size_t)size) : weft_integer((int64_t)number);
    enum weft_status status = weft_begin_wait(feed->engine, PATIENCE_MS, &tx);
    if (status == WEFT_OK) status = weft_set(tx, model, &key, 1, column, &value);
    if (status == WEFT_OK) status = weft_commit_wait(tx, PATIENCE_MS, ticket);
    if (status == WEFT_OK) return true;
    side_fail(side, "set: %s", weft_status_name(status));
    weft_abort(tx);
    return false;
}

static void sample(struct latency *latency, unsigned series, double seconds) {
    struct samples *samples = latency->samples;
    if (samples->count[series] < BUSY_MAX)
        samples->took[series][samples->count[series]++] = seconds;
}

/* Waits for the sight of `number`. False when B has told WATCH_END instead, or the side failed. */
static bool seen(struct latency *latency, uint64_t number, struct sight *sight, struct side *side) {
    do
        if (!watch_read(latency->sights[0], sight)) side_fail(side, "nothing was seen");
    while (!side->failed && sight->number < number);
    return !side->failed && sight->number != WATCH_END;
}

static void write_idle(struct latency *latency, struct feed *feed, bool shared, uint64_t from,
                       struct side *side) {
    for (uint64_t i = 0; i < latency->idle && !side->failed; i++) {
        struct sight sight;
        uint64_t ticket = 0;
        const double started = bench_now();
        if (!set_number(feed, shared, from + i, &ticket, side) ||
            !seen(latency, from + i, &sight, side))
            return;
        if (!feed_wait(feed, ticket, WEFT_REPLICATED, 1, side)) return;
        sample(latency, shared ? SHARED : OWNED, sight.at - started);
        if (shared) continue;
        sample(latency, CONFIRMED, bench_now() - started);
        sample(latency, SYNC, floor_sync(latency->floor)); /* nothing else is under way now */
    }
}

static void idle_a(void *context, struct side *side) {
    struct latency *latency = context;
    struct feed feed;
    uint64_t ticket = 0;
    close(latency->sights[1]);
    if (!feed_open(&feed, latency->workload, latency->path_a, NULL, side)) return;
    if (put_tag(&feed, weft_model(feed.engine, "tag"), side) &&
        feed_locations(&feed, 1, WEFT_DURABLE, 0, side) && feed_rows(&feed, 0, 1, &ticket, side) &&
        set_number(&feed, false, 1, &ticket, side) &&
        meet_offer(&latency->meet, feed.engine, 1, side) &&
        feed_wait(&feed, ticket, WEFT_REPLICATED, 1, side)) {
        write_idle(latency, &feed, false, 2, side);
        write_idle(latency, &feed, true, TAG_FIRST, side);
    }
    feed_close(&feed);
}

static void busy_a(void *context, struct side *side) {
    struct latency *latency = context;
    struct feed feed;
    close(latency->sights[1]);
    if (!feed_open(&feed, latency->workload, latency->path_library, NULL, side)) return;
    if (meet_offer(&latency->meet, feed.engine, 1, side)) {
        /* What B finds when it opens its eyes is no sample. */
        const uint64_t first = (uint64_t)(bench_now() * 1e6);
        for (uint64_t i = first;; i++) {
            struct sight sight;
            uint64_t ticket = 0;
            const double started = bench_now();
            if (!set_number(&feed, true, i, &ticket, side) || !seen(latency, i, &sight, side))
                break;
            if (i > first) sample(latency, BUSY, sight.at - started);
        }
    }
    feed_close(&feed);
}

static void build(void *context, struct side *side) {
    const struct latency *latency = context;
    struct feed feed;
    if (!feed_open(&feed, latency->workload, latency->path_library, NULL, side)) return;
    if (put_tag(&feed, weft_model(feed.engine, "tag"), side) &&
        feed_locations(&feed, latency->rows, WEFT_DURABLE, 0, side))
        (void)feed_all(&feed, latency->rows, ROWS_PER_COMMIT, 1, WEFT_DURABLE, 0, side);
    feed_close(&feed);
}

/* ---- the reading side ---- */

static const char entry_sql[] = "SELECT mtime FROM entry WHERE id = ?1";
static const char tag_sql[] = "SELECT CAST(color AS INTEGER) FROM tag WHERE id = ?1";

static void idle_b(void *context, struct side *side) {
    struct latency *latency = context;
    struct watch entries = {0}, tags = {0};
    struct feed feed;
    struct entry entry;
    char link[WEFT_LINK_MAX];
    if (!meet_take(&latency->meet, link, side)) return;
    if (!feed_open(&feed, latency->workload, latency->path_b, link, side)) return;
    workload_entry(latency->workload, 0, &entry);
    if (watch_open(&entries, feed.engine, feed.entry, entry_sql, &entry.id, latency->sights[1],
                   side) &&
        watch_open(&tags, feed.engine, weft_model(feed.engine, "tag"), tag_sql, &tag_id,
                   latency->sights[1], side))
        meet_wait(&latency->meet);
    watch_close(&tags);
    watch_close(&entries);
    feed_close(&feed);
}

static void busy_b(void *context, struct side *side) {
    struct latency *latency = context;
    struct watch watch = {0};
    struct feed feed;
    char link[WEFT_LINK_MAX];
    if (!meet_take(&latency->meet, link, side)) return;
    if (!feed_open(&feed, latency->workload, latency->path_b, link, side)) return;
    const uint64_t rows = latency->rows + workload_locations(latency->workload, latency->rows);
    if (watch_open(&watch, feed.engine, weft_model(feed.engine, "tag"), tag_sql, &tag_id,
                   latency->sights[1], side))
        (void)feed_receive(&feed, rows, side);
    watch_close(&watch);
    watch_end(latency->sights[1]);
    meet_wait(&latency->meet);
    feed_close(&feed);
}

/* ---- runs ---- */

static bool run_two(struct latency *latency, side_run *a, side_run *b) {
    struct side side_a, side_b;
    meet_open(&latency->meet);
    CHECK(pipe(latency->sights) == 0);
    struct side_process process_a = side_start(a, latency);
    struct side_process process_b = side_start(b, latency);
    meet_begun(&latency->meet);
    close(latency->sights[1]);
    side_finish(&process_a, &side_a);
    meet_end(&latency->meet);
    side_finish(&process_b, &side_b);
    meet_close(&latency->meet);
    close(latency->sights[0]);
    bench_forget(latency->path_a);
    bench_forget(latency->path_b);
    if (side_a.failed) fprintf(stderr, "  A: %s\n", side_a.why);
    if (side_b.failed) fprintf(stderr, "  B: %s\n", side_b.why);
    return !side_a.failed && !side_b.failed;
}

static void print_series(struct bench *bench, struct samples *samples, unsigned series) {
    const uint64_t n = samples->count[series];
    double *took = samples->took[series];
    if (n == 0) return;
    bench_sort(took, n);
    struct bench_figure figure =
        bench_figure_of(series_names[series], bench_quantile(took, n, 0.5) * 1e6, "us");
    figure.p50 = figure.value;
    figure.p99 = bench_quantile(took, n, 0.99) * 1e6;
    figure.p999 = bench_quantile(took, n, 0.999) * 1e6;
    figure.n = bench->pairs;
    figure.rows = n;
    bench_print(bench, &figure);
    if (series != OWNED) return;
    struct bench_figure tail =
        bench_figure_of("owned, idle: p99 / p50", figure.p99 / figure.p50, "x");
    tail.n = bench->pairs;
    bench_print(bench, &tail);
}

struct floors {
    double tcp[BENCH_PAIRS_MAX], beyond[BENCH_PAIRS_MAX]; /* us */
};

/* The median of a series' samples from `first` on, in microseconds. */
static double median_from(const struct samples *samples, unsigned series, uint64_t first) {
    const uint64_t n = samples->count[series] - first;
    double *took = calloc(n, sizeof *took);
    CHECK(took != NULL && n > 0);
    for (uint64_t i = 0; i < n; i++)
        took[i] = samples->took[series][first + i];
    bench_sort(took, n);
    const double median = bench_quantile(took, n, 0.5) * 1e6;
    free(took);
    return median;
}

/* Takes the floors of one pair, whose idle samples begin at `first`. */
static void add_floors(struct floors *floors, unsigned pair, const struct samples *samples,
                       uint64_t first) {
    floors->tcp[pair] = floor_tcp(FLOOR_COUNT) * 1e6;
    floors->beyond[pair] =
        median_from(samples, OWNED, first) - 3 * median_from(samples, SYNC, first);
}

static void print_floor(struct bench *bench, const char *name, double *values) {
    struct bench_figure figure = bench_figure_of(name, bench_median(values, bench->pairs), "us");
    figure.n = bench->pairs;
    bench_print(bench, &figure);
}

static bool run_all(struct bench *bench, struct latency *latency, struct floors *floors) {
    struct side side;
    struct side_process process = side_start(build, latency);
    side_finish(&process, &side);
    if (side.failed) fprintf(stderr, "  %s\n", side.why);
    bool good = !side.failed;
    for (unsigned pair = 0; pair < bench->pairs && good; pair++) {
        const uint64_t first = latency->samples->count[OWNED];
        good = run_two(latency, idle_a, idle_b);
        if (good) add_floors(floors, pair, latency->samples, first);
        good = good && run_two(latency, busy_a, busy_b);
    }
    bench_forget(latency->path_library);
    return good;
}

int main(int argc, char **argv) {
    static const struct bench_size size = {1000000, 200000, 4000};
    static struct floors floors;
    char floor_path[BENCH_PATH_MAX];
    struct bench bench;
    int status;
    if (!bench_open(&bench, "latency", &size, argc, argv, &status)) return status;
    struct workload *workload = workload_open(&bench);
    struct latency latency = {.workload = workload, .rows = bench.rows};
    latency.idle = bench.rows / ROWS_PER_SAMPLE;
    if (latency.idle < SAMPLES_MIN) latency.idle = SAMPLES_MIN;
    if (latency.idle > BUSY_MAX / bench.pairs) latency.idle = BUSY_MAX / bench.pairs;
    latency.samples = mmap(NULL, sizeof *latency.samples, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(latency.samples != MAP_FAILED);
    bench_path(&bench, "a.weft", latency.path_a);
    bench_path(&bench, "b.weft", latency.path_b);
    bench_path(&bench, "library.weft", latency.path_library);
    bench_path(&bench, "floor", floor_path);
    latency.floor = floor_open(floor_path);
    bool good = workload != NULL && run_all(&bench, &latency, &floors);
    for (unsigned series = 0; series < SERIES && good; series++)
        print_series(&bench, latency.samples, series);
    if (good) {
        print_floor(&bench, "beyond 3 syncs", floors.beyond);
        print_floor(&bench, "TCP there and back", floors.tcp);
    }
    close(latency.floor);
    (void)unlink(floor_path);
    workload_close(workload);
    return bench_close(&bench, !good);
}
